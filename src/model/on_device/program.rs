//! The launches that the steps of a plan become, and where its matrices and nodes lie on a device.

use super::super::network::plan::{Input as PlanInput, NodeId, Plan, SmallId};
use super::super::network::rows;
use crate::device::kernels::{Activation, By, Combination};
use crate::device::{Buffer, Device};
use crate::error::{Error, Result};
use std::ops::Range;

/// An array on the device, as `sum_terms` in `cuda/layers.cu` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Array {
    /// Matrices of few rows.
    Tables = 0,
    /// Values of the nodes at all rows, node after node.
    Nodes = 1,
}

/// Rows of numbers within an array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub array: Array,
    /// Where it begins; of nodes, in columns of all rows.
    pub start: usize,
    /// First column.
    pub first: usize,
    /// Distance between rows.
    pub stride: usize,
    /// Which row belongs to a pair.
    pub by: By,
}

impl Place {
    /// From a column on.
    pub fn column(self, column: usize) -> Self {
        Self { first: self.first + column, ..self }
    }

    fn words(self) -> [u32; 3] {
        let word = |number: usize| u32::try_from(number).expect("arrays of a plan are checked to be short enough");
        [word(self.array as usize + 4 * self.by as usize + 16 * self.first), word(self.start), word(self.stride)]
    }
}

/// One summand, or one factor, of some columns of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub source: Place,
    /// A column by which it is multiplied.
    pub weight: Option<Place>,
    pub at: usize,
    pub width: usize,
}

impl Term {
    /// A value as it is, in columns from the first on.
    pub fn whole(source: Place, width: usize) -> Self {
        Self { source, weight: None, at: 0, width }
    }

    /// Numbers of a term in `sum_terms`.
    const WORDS: usize = 8;

    fn words(self) -> [u32; Self::WORDS] {
        let [a, b, c] = self.source.words();
        let [d, e, f] = self.weight.map_or([u32::MAX, 0, 0], Place::words);
        [a, b, c, d, e, f, self.at as u32, self.width as u32]
    }
}

/// A launch, or a few.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// `f` of a sum, or a product, of terms, and of what is there if asked for.
    Terms {
        terms: Range<usize>,
        product: bool,
        function: Activation,
        out: Place,
        width: usize,
        add: bool,
    },
    /// Two tables combined.
    FirstLayer {
        left: Place,
        right: Place,
        combination: Combination,
        out: Place,
        width: usize,
    },
    /// Rows (k) times a matrix (k, width), added to what is there or stored, and max(0, v) of it where asked for.
    Product {
        a: Place,
        k: usize,
        b: Place,
        out: Place,
        width: usize,
        add: bool,
        relu: bool,
    },
    /// Dot products by head, each of `width` columns.
    Scores {
        a: Place,
        b: Place,
        heads: usize,
        width: usize,
        out: Place,
    },
    Softmax {
        values: Place,
        heads: usize,
        positions: usize,
        out: Place,
    },
    Deviation {
        values: Place,
        width: usize,
        eps: f64,
        out: Place,
    },
    Normalise {
        values: Place,
        width: usize,
        deviation: Place,
        weight: Option<Place>,
        bias: Option<Place>,
        out: Place,
    },
    /// The hooks on a site, in place.
    Hook {
        site: String,
        out: Place,
        width: usize,
    },
}

/// A plan as launches.
pub(crate) struct Program {
    pub(in crate::model) plan: Plan,
    /// Order of the group.
    pub order: usize,
    /// Where matrices begin, and the distance between their rows; `None` for one that is not on the device.
    matrices: Vec<Option<(usize, usize)>>,
    /// Values of all matrices.
    pub tables: usize,
    /// First column of every node, counting those of all nodes.
    columns: Vec<usize>,
    /// Columns of all nodes that are needed.
    pub width: usize,
    pub(super) forward: Vec<Step>,
    /// The numbers of all terms.
    pub(super) terms: Buffer<u32>,
}

/// A program in the making.
pub(super) struct Lowering<'a> {
    pub plan: &'a Plan,
    matrices: &'a [Option<(usize, usize)>],
    columns: &'a [usize],
    pub steps: Vec<Step>,
    words: Vec<u32>,
}

impl Program {
    /// The launches of the forward pass of a plan whose matrices were computed before: those that nodes read lie one after the
    /// other, in the order of [`read`].
    pub fn new(device: &Device, plan: Plan, order: usize) -> Result<Self> {
        let mut matrices = vec![None; plan.small.len()];
        let mut tables = 0;
        for id in read(&plan) {
            let matrix = &plan.small[id];
            matrices[id] = Some((tables, matrix.columns));
            tables += matrix.rows * matrix.columns;
        }
        let mut width = 0;
        let column = |(node, needed): (&super::super::network::plan::PairNode, &bool)| {
            let start = width;
            width += if *needed { node.width } else { 0 };
            start
        };
        let columns: Vec<usize> = plan.nodes.iter().zip(&plan.node_needed).map(column).collect();
        // Places are counted in 31 bits, columns in 28.
        if tables > i32::MAX as usize || width >= 1 << 28 {
            let (what, device, free) = ("the tables of a network", device.info().name.clone(), device.free_memory()?);
            return Err(Error::CudaMemory { what, device, needed: 4 * tables.max(width), free });
        }
        let (steps, words) = (Vec::new(), Vec::new());
        let mut lowering = Lowering { plan: &plan, matrices: &matrices, columns: &columns, steps, words };
        lowering.forward();
        let Lowering { steps: forward, words, .. } = lowering;
        let terms = Buffer::from_slice(device, "terms of a plan", &words)?;
        Ok(Self { plan, order, matrices, tables, columns, width, forward, terms })
    }

    /// Where a node begins, in columns of all rows.
    pub fn column(&self, node: NodeId) -> usize {
        self.columns[node]
    }

    /// Where a matrix begins among the tables.
    pub fn start(&self, id: SmallId) -> usize {
        self.matrices[id].expect("a matrix that nodes read").0
    }
}

/// The matrices that nodes read.
pub(in crate::model) fn read(plan: &Plan) -> Vec<SmallId> {
    use super::super::network::plan::Node;
    let mut all = Vec::new();
    for (node, _) in plan.nodes.iter().zip(&plan.node_needed).filter(|(_, needed)| **needed) {
        match &node.node {
            Node::Sum(form, _) => {
                all.extend(form.tables.iter().map(|table| table.table));
                all.extend(form.atoms.iter().filter_map(|atom| atom.map));
            }
            Node::Rows(_, inputs) => all.extend(inputs.iter().filter_map(|input| match input {
                PlanInput::Table { table, .. } => Some(*table),
                PlanInput::Node { .. } => None,
            })),
            Node::Hooked(..) => {}
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

impl Lowering<'_> {
    /// A matrix, whose rows go by an element.
    pub fn matrix(&self, id: SmallId, by: rows::By) -> Place {
        let (start, stride) = self.matrices[id].expect("a matrix on the device");
        let by = match by {
            rows::By::Row => By::Row,
            rows::By::Left => By::Left,
            rows::By::Right => By::Right,
            rows::By::One => By::One,
        };
        Place { array: Array::Tables, start, first: 0, stride, by }
    }

    /// Some channels of a node.
    pub fn node(&self, node: NodeId, first: usize) -> Place {
        let (start, stride) = (self.columns[node], self.plan.nodes[node].width);
        Place { array: Array::Nodes, start, first, stride, by: By::Row }
    }

    /// What a nonlinear step reads, and its width.
    pub fn input(&self, input: &PlanInput) -> (Place, usize) {
        match input {
            PlanInput::Node { node, channels } => (self.node(*node, channels.start), channels.len()),
            PlanInput::Table { table, by } => (self.matrix(*table, *by), self.plan.small[*table].columns),
        }
    }

    /// Numbers of terms, to be read by a launch.
    pub fn terms(&mut self, terms: &[Term]) -> Range<usize> {
        let first = self.words.len() / Term::WORDS;
        self.words.extend(terms.iter().flat_map(|term| term.words()));
        first..first + terms.len()
    }
}

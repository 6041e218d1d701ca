//! The launches that the steps of a plan become, and where its matrices and nodes lie on a device.

use super::super::network::Activation;
use super::super::network::plan::{Input as PlanInput, Node, NodeId, PairNode, Plan, Small, SmallId};
use super::super::network::rows::{self, RowOp};
#[cfg(feature = "train")]
use super::super::{Interpretable, Network};
use crate::device::kernels::{By, Combination};
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
    /// Gradients with respect to the matrices.
    OfTables = 2,
    /// Gradients with respect to the nodes, and room for rows that are summed up.
    OfNodes = 3,
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
        scale: f32,
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
    /// Rows (k) times a matrix (k, width), or its transpose, added to what is there or stored, and max(0, v) of it where asked
    /// for.
    Product {
        a: Place,
        k: usize,
        b: Place,
        transposed: bool,
        out: Place,
        width: usize,
        add: bool,
        relu: bool,
        /// Its columns are kept where these are positive, and 0 elsewhere.
        mask: Option<Place>,
    },
    /// Dot products by head, each of `width` columns.
    Scores {
        a: Place,
        b: Place,
        heads: usize,
        width: usize,
        scale: f32,
        out: Place,
        add: bool,
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
    /// The gradient of what an elementwise function was given.
    ActivationGradient {
        function: Activation,
        values: Place,
        back: Place,
        out: Place,
        width: usize,
        add: bool,
    },
    SoftmaxGradient {
        weights: Place,
        back: Place,
        heads: usize,
        positions: usize,
        out: Place,
        add: bool,
    },
    DeviationGradient {
        values: Place,
        deviation: Place,
        back: Place,
        width: usize,
        out: Place,
        add: bool,
    },
    NormaliseGradient {
        values: Place,
        width: usize,
        deviation: Place,
        weight: Option<Place>,
        back: Place,
        out: Place,
        add: bool,
        of_deviation: Place,
        add_deviation: bool,
        scaled: Option<Place>,
    },
    /// Adds rows to those of their element, or to the only row.
    SumRows {
        values: Place,
        weight: Option<Place>,
        width: usize,
        out: Place,
    },
    /// Adds the transpose of rows (k) times rows (width), a matrix (k, width).
    OverRows {
        a: Place,
        k: usize,
        b: Place,
        width: usize,
        out: Place,
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
    /// Launches that make the matrices of the parameters.
    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    pub(super) matrices_made: Vec<Launch>,
    pub(super) forward: Vec<Launch>,
    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    pub(super) backward: Vec<Launch>,
    /// The numbers of all terms.
    pub(super) terms: Buffer<u32>,
}

/// A step, and for how many elements; `None` for pairs.
pub(super) type Launch = (Option<usize>, Step);

/// A program in the making.
pub(super) struct Lowering<'a> {
    pub plan: &'a Plan,
    matrices: &'a [Option<(usize, usize)>],
    columns: &'a [usize],
    /// Columns of all nodes, and width of the rows that there is room for behind them.
    width: usize,
    scratch: usize,
    pub steps: Vec<Launch>,
    words: Vec<u32>,
    /// Rows of the matrix that steps are for.
    pub elements: Option<usize>,
    /// Whether there is a gradient with respect to a node.
    pub is_set: Vec<bool>,
    /// Whether the gradient with respect to a node is that before its ReLU.
    pub is_masked: Vec<bool>,
}

impl Program {
    /// The launches of the forward pass of a plan whose matrices were computed before: those that nodes read lie one after the
    /// other, in the order of [`read`].
    pub(in crate::model) fn new(device: &Device, plan: Plan, order: usize) -> Result<Self> {
        let mut matrices = vec![None; plan.small.len()];
        let mut tables = 0;
        for id in read(&plan) {
            let matrix = &plan.small[id];
            matrices[id] = Some((tables, matrix.columns));
            tables += matrix.rows * matrix.columns;
        }
        Self::of(device, plan, order, matrices, tables, false)
    }

    /// The launches of an epoch: all matrices of the plan are made of the parameters, which lie first among them.
    #[cfg(feature = "train")]
    pub fn of_epoch(device: &Device, network: &Network) -> Result<Self> {
        let plan = network.plan_of_gradients();
        let mut tables = network.parameters().len();
        let mut matrices: Vec<Option<(usize, usize)>> = Vec::with_capacity(plan.small.len());
        for matrix in &plan.small {
            matrices.push(match &matrix.small {
                Small::Parameter(i) => Some((network.weights()[*i].range.start, matrix.columns)),
                Small::Slice { of, rows, columns } => {
                    matrices[*of].map(|(start, stride)| (start + rows.start * stride + columns.start, stride))
                }
                _ => {
                    let start = tables;
                    tables += matrix.rows * matrix.columns;
                    Some((start, matrix.columns))
                }
            });
        }
        Self::of(device, plan, network.order(), matrices, tables, true)
    }

    fn of(
        device: &Device,
        plan: Plan,
        order: usize,
        matrices: Vec<Option<(usize, usize)>>,
        tables: usize,
        backward: bool,
    ) -> Result<Self> {
        let mut width = 0;
        let column = |(node, needed): (&PairNode, &bool)| {
            let start = width;
            width += if *needed { node.width } else { 0 };
            start
        };
        let columns: Vec<usize> = plan.nodes.iter().zip(&plan.node_needed).map(column).collect();
        let scratch = if backward { scratch(&plan) } else { 0 };
        let all = width + if scratch > 0 { 2 * scratch + 1 } else { 0 };
        // Places are counted in 31 bits, columns in 28.
        if tables > i32::MAX as usize || all >= 1 << 28 {
            let (what, device, free) = ("the tables of a network", device.info().name.clone(), device.free_memory()?);
            return Err(Error::CudaMemory { what, device, needed: 4 * tables.max(all), free });
        }
        let mut lowering = Lowering {
            plan: &plan,
            matrices: &matrices,
            columns: &columns,
            width,
            scratch,
            steps: Vec::new(),
            words: Vec::new(),
            elements: None,
            is_set: Vec::new(),
            is_masked: Vec::new(),
        };
        lowering.forward();
        let forward = std::mem::take(&mut lowering.steps);
        let (mut matrices_made, mut back) = (Vec::new(), Vec::new());
        if backward {
            lowering.matrices();
            matrices_made = std::mem::take(&mut lowering.steps);
            lowering.backward();
            back = std::mem::take(&mut lowering.steps);
        }
        let terms = Buffer::from_slice(device, "terms of a plan", &lowering.words)?;
        let width = all;
        Ok(Self { plan, order, matrices, tables, columns, width, matrices_made, forward, backward: back, terms })
    }

    /// The numbers of all matrices that are neither parameters nor made of them: where they begin, and what they are.
    #[cfg(feature = "train")]
    pub fn constants(&self) -> impl Iterator<Item = (Range<usize>, f32)> {
        self.plan.small.iter().enumerate().filter_map(|(id, matrix)| match matrix.small {
            Small::Fill(number) => {
                let start = self.matrices[id]?.0;
                Some((start..start + matrix.rows * matrix.columns, number))
            }
            _ => None,
        })
    }

    /// Where the logits begin, in columns of all rows.
    #[cfg(feature = "train")]
    pub fn logits(&self) -> usize {
        self.columns[self.plan.logits.expect("logits are kept")]
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

/// Width of the widest rows that gradients with respect to tables are summed up from.
fn scratch(plan: &Plan) -> usize {
    let of_nodes = plan.nodes.iter().zip(&plan.node_needed).filter(|(_, needed)| **needed);
    let of_node = of_nodes.filter_map(|(node, _)| match &node.node {
        Node::Rows(op, inputs) => {
            let width = |input: &PlanInput| match input {
                PlanInput::Table { table, .. } => plan.small[*table].columns,
                PlanInput::Node { .. } if matches!(op, RowOp::Normalise { .. }) => node.width,
                PlanInput::Node { .. } => 0,
            };
            inputs.iter().map(width).max()
        }
        _ => None,
    });
    let of_small = plan.small.iter().filter_map(|matrix| match &matrix.small {
        Small::Rows(_, inputs) => inputs.iter().map(|&id| plan.small[id].columns).max(),
        _ => None,
    });
    of_node.chain(of_small).max().unwrap_or(0)
}

/// The matrices that nodes read.
pub(in crate::model) fn read(plan: &Plan) -> Vec<SmallId> {
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

    /// Adds a launch.
    pub fn push(&mut self, step: Step) {
        self.steps.push((self.elements, step));
    }

    /// Room for rows of at most the width of what nonlinear steps read, beside the gradients; of one column for index 1.
    pub fn scratch(&self, index: usize, width: usize) -> Place {
        let start = self.width + [0, self.scratch, self.scratch + 1][index];
        Place { array: Array::OfNodes, start, first: 0, stride: width, by: By::Row }
    }

    /// Numbers of terms, to be read by a launch.
    pub fn terms(&mut self, terms: &[Term]) -> Range<usize> {
        let first = self.words.len() / Term::WORDS;
        self.words.extend(terms.iter().flat_map(|term| term.words()));
        first..first + terms.len()
    }
}

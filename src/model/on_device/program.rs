//! A plan as launches: where its matrices and nodes lie on a device, and passes of the launches over a block of pairs.

#[cfg(feature = "train")]
use super::super::network::plan::Small;
use super::super::network::plan::{NodeId, PairNode, Plan, SmallId};
use super::super::network::rows;
#[cfg(feature = "train")]
use super::super::{Interpretable, Network};
use super::hooks::DeviceHooks;
use crate::device::kernels::{By, InputRows, OutputRows, Pairs};
use crate::device::{Buffer, Device, Matrix, kernels};
use crate::error::Result;
use std::collections::BTreeSet;
use std::ops::Range;

/// Some columns of a matrix or a node, or of the gradient with respect to it.
///
/// There are four arrays on the device, as `sum_terms` in `cuda/layers.cu` numbers them: matrices of few rows; values of the
/// nodes at all rows, node after node; the gradients of the former; those of the latter, with room for rows that are summed up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub is_node: bool,
    pub is_gradient: bool,
    /// Where the matrix begins or, in columns of all rows, the node.
    pub start: usize,
    /// First column.
    pub first: usize,
    pub width: usize,
    /// Distance between rows.
    pub stride: usize,
    /// Which row belongs to a pair.
    pub by: By,
}

impl Place {
    /// Some of its columns.
    pub fn columns(self, at: usize, width: usize) -> Self {
        Self { first: self.first + at, width, ..self }
    }

    /// The place of the gradient with respect to what is here.
    pub fn gradient(self) -> Self {
        Self { is_gradient: true, ..self }
    }

    fn words(self) -> [u32; 3] {
        let word = |number: usize| u32::try_from(number).expect("arrays of a plan are checked to be short enough");
        let array = usize::from(self.is_node) + 2 * usize::from(self.is_gradient);
        [word(array + 4 * self.by as usize + 16 * self.first), word(self.start), word(self.stride)]
    }
}

/// One summand, or one factor, of some columns of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub source: Place,
    /// A column by which it is multiplied.
    pub weight: Option<Place>,
    /// Its first column in the value.
    pub at: usize,
}

impl Term {
    /// A value as it is, in columns from the first on.
    pub fn whole(source: Place) -> Self {
        Self { source, weight: None, at: 0 }
    }

    /// Columns (head, `of_head`) of a value, each head times a column of weights.
    pub fn by_head(source: Place, weights: Place, heads: usize) -> impl Iterator<Item = Self> {
        let of_head = source.width / heads;
        (0..heads).map(move |h| {
            let (source, weight) = (source.columns(h * of_head, of_head), Some(weights.columns(h, 1)));
            Self { source, weight, at: h * of_head }
        })
    }

    /// The term as `sum_terms` reads it.
    pub fn words(self) -> [u32; 8] {
        let [a, b, c] = self.source.words();
        let [d, e, f] = self.weight.map_or([u32::MAX, 0, 0], Place::words);
        [a, b, c, d, e, f, self.at as u32, self.source.width as u32]
    }
}

/// Makes a launch, or a few.
type Run = dyn Fn(&Pass<'_>) -> Result<()> + Send + Sync;

/// A launch, or a few, and for how many elements; `None` for pairs.
struct Launch {
    elements: Option<usize>,
    run: Box<Run>,
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
    pub(super) columns: Vec<usize>,
    /// Columns of all nodes that are needed.
    pub width: usize,
    /// Launches that make the matrices of the parameters.
    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    of_matrices: Vec<Launch>,
    forward: Vec<Launch>,
    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    backward: Vec<Launch>,
    /// Products summed over rows: for how many elements, or pairs, and their size.
    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    over_rows: Vec<(Option<usize>, [usize; 2])>,
    /// The numbers of all terms.
    pub(super) terms: Buffer<u32>,
}

/// A program in the making.
pub(super) struct Lowering<'a> {
    pub plan: &'a Plan,
    matrices: &'a [Option<(usize, usize)>],
    columns: &'a [usize],
    /// Columns of all nodes, width of the rows that there is room for behind them, and that of the widest that need it.
    width: usize,
    room: usize,
    widest: usize,
    launches: Vec<Launch>,
    pub over_rows: Vec<(Option<usize>, [usize; 2])>,
    /// The numbers of all terms.
    pub words: Vec<u32>,
    /// Rows of the matrix that launches are for.
    pub elements: Option<usize>,
    /// First columns of the nodes that have a gradient.
    pub set: BTreeSet<usize>,
    /// First columns of the nodes whose gradient is that before their ReLU.
    pub masked: BTreeSet<usize>,
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
        let (matrices, tables) = plan.tables(network.weights());
        let matrices = matrices.into_iter().map(Some).collect();
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
        // Places are counted in 31 bits, columns in 28.
        let check = |columns: usize| match tables > i32::MAX as usize || columns >= 1 << 28 {
            true => Err(device.too_large("the tables of a network", 4 * tables.max(columns), device.free_memory()?)),
            false => Ok(()),
        };
        check(width)?;
        // How much room rows need that are summed up shows when all launches are there.
        let mut room = 0;
        let (of_matrices, forward, lowering) = loop {
            let mut lowering = Lowering {
                plan: &plan,
                matrices: &matrices,
                columns: &columns,
                width,
                room,
                widest: 0,
                launches: Vec::new(),
                over_rows: Vec::new(),
                words: Vec::new(),
                elements: None,
                set: BTreeSet::new(),
                masked: BTreeSet::new(),
            };
            lowering.forward();
            let forward = std::mem::take(&mut lowering.launches);
            if backward {
                lowering.matrices();
            }
            let of_matrices = std::mem::take(&mut lowering.launches);
            if backward {
                lowering.backward();
            }
            if lowering.widest == room {
                break (of_matrices, forward, lowering);
            }
            room = lowering.widest;
        };
        let all = width + if room > 0 { 2 * room + 1 } else { 0 };
        check(all)?;
        let Lowering { launches: backward, over_rows, words, .. } = lowering;
        let terms = Buffer::from_slice(device, "terms of a plan", &words)?;
        let width = all;
        Ok(Self { plan, order, matrices, tables, columns, width, of_matrices, forward, backward, over_rows, terms })
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

    /// Values of the parts of the largest product over rows that is cut, for a batch of networks with so many pairs.
    #[cfg(feature = "train")]
    pub fn parts(&self, batch: usize, pairs: usize) -> usize {
        let of = |&(elements, [k, width]): &(Option<usize>, [usize; 2])| {
            batch * splits(k, width, batch, elements.unwrap_or(pairs)) * k * width
        };
        self.over_rows.iter().map(of).max().unwrap_or(0)
    }

    /// Where a matrix begins among the tables.
    pub fn start(&self, id: SmallId) -> usize {
        self.matrices[id].expect("a matrix that nodes read").0
    }
}

/// Parts that a product of (m, n) summed over rows is cut into.
pub(super) fn splits(m: usize, n: usize, batch: usize, rows: usize) -> usize {
    /// Blocks of threads that keep a device busy: products over rows with fewer are cut along these.
    const BUSY: usize = 264;
    let tiles = m.div_ceil(64) * n.div_ceil(64) * batch;
    // Fewer terms than these are not worth a launch more.
    if rows < 128 { 1 } else { (BUSY / tiles).clamp(1, rows.div_ceil(64)) }
}

/// The matrices that nodes read.
pub(super) fn read(plan: &Plan) -> BTreeSet<SmallId> {
    let needed = plan.nodes.iter().zip(&plan.node_needed).filter(|(_, needed)| **needed);
    needed.flat_map(|(node, _)| node.node.matrices()).collect()
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
        let width = self.plan.small[id].columns;
        Place { is_node: false, is_gradient: false, start, first: 0, width, stride, by }
    }

    /// Some channels of a node.
    pub fn node(&self, node: NodeId, channels: Range<usize>) -> Place {
        let (start, stride) = (self.columns[node], self.plan.nodes[node].width);
        let (first, width, by) = (channels.start, channels.len(), By::Row);
        Place { is_node: true, is_gradient: false, start, first, width, stride, by }
    }

    /// All channels of a node.
    pub fn whole(&self, node: NodeId) -> Place {
        self.node(node, 0..self.plan.nodes[node].width)
    }

    /// Room for rows beside the gradients; of one column for index 1.
    pub fn scratch(&mut self, index: usize, width: usize) -> Place {
        self.widest = self.widest.max(width);
        let start = self.width + [0, self.room, self.room + 1][index];
        Place { is_node: true, is_gradient: true, start, first: 0, width, stride: width, by: By::Row }
    }

    /// Adds a launch, or a few.
    pub fn push(&mut self, run: impl Fn(&Pass<'_>) -> Result<()> + Send + Sync + 'static) {
        self.launches.push(Launch { elements: self.elements, run: Box::new(run) });
    }
}

/// Pairs of a block: listed, or `count` consecutive ones.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub list: Option<kernels::Input<'a, u32>>,
    pub first: usize,
    pub count: usize,
}

impl Block<'_> {
    /// The number of the first pair, as kernels count pairs.
    pub fn first(&self) -> u32 {
        u32::try_from(self.first).expect("pairs have numbers below 2^32")
    }
}

/// What the launches of a program work on. Networks side by side have their arrays one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub device: &'a Device,
    pub program: &'a Program,
    pub block: Block<'a>,
    /// Networks side by side, each with as many pairs.
    pub batch: usize,
    /// Distance between the pairs of two networks.
    pub batch_pairs: usize,
    /// (batch, tables)
    pub tables: &'a Buffer<f32>,
    /// (batch, nodes, row, channel)
    pub nodes: &'a Buffer<f32>,
    pub hooks: Option<&'a DeviceHooks<'a>>,
    /// What gradients are made in.
    pub back: Option<Back<'a>>,
}

/// Gradients, and what they take.
#[derive(Clone, Copy)]
pub(crate) struct Back<'a> {
    /// In the places of the tables.
    pub of_tables: &'a Buffer<f32>,
    /// In the places of the nodes.
    pub of_nodes: &'a Buffer<f32>,
    /// Parts of products that are cut along their rows.
    pub parts: &'a Buffer<f32>,
    /// The rows of every element: (batch, side, rows).
    pub order: &'a Buffer<u32>,
    /// Where those of an element begin: (batch, side, n + 1).
    pub starts: &'a Buffer<u32>,
}

impl<'a> Pass<'a> {
    /// Makes the launches of the forward pass.
    pub fn forward(&self) -> Result<()> {
        self.launch(&self.program.forward)
    }

    /// Makes the matrices of the parameters.
    #[cfg(feature = "train")]
    pub fn matrices(&self) -> Result<()> {
        self.launch(&self.program.of_matrices)
    }

    /// From the gradient with respect to the logits, in their place, to that with respect to the parameters.
    #[cfg(feature = "train")]
    pub fn backward(&self) -> Result<()> {
        self.back().of_tables.clear()?;
        self.launch(&self.program.backward)
    }

    fn launch(&self, launches: &[Launch]) -> Result<()> {
        launches.iter().try_for_each(|launch| match launch.elements {
            None => (launch.run)(self),
            Some(count) => (launch.run)(&Self { block: Block { list: None, first: 0, count }, ..*self }),
        })
    }

    pub(super) fn back(&self) -> Back<'a> {
        self.back.expect("gradients are made in passes that have room for them")
    }

    /// Where a place begins in its array, and the distance between two networks'.
    pub(super) fn at(&self, place: Place) -> (&'a Buffer<f32>, usize, usize) {
        let rows = self.block.count;
        let [tables, nodes] = match place.is_gradient {
            false => [self.tables, self.nodes],
            true => [self.back().of_tables, self.back().of_nodes],
        };
        match place.is_node {
            false => (tables, place.start + place.first, self.program.tables),
            true => (nodes, place.start * rows + place.first, self.program.width * rows),
        }
    }

    pub(super) fn input(&self, place: Place) -> InputRows<'a> {
        let (buffer, start, batch) = self.at(place);
        InputRows { values: buffer.input_from(start), stride: place.stride, batch }
    }

    pub(super) fn output(&self, place: Place) -> OutputRows<'a> {
        let (buffer, start, batch) = self.at(place);
        OutputRows { values: buffer.output_from(start), stride: place.stride, batch }
    }

    pub(super) fn matrix(&self, place: Place) -> Matrix<'a> {
        let (buffer, start, batch) = self.at(place);
        Matrix::new(buffer, start, place.stride).batch(batch, 0)
    }

    pub(super) fn pairs(&self) -> Pairs<'a> {
        let Block { list, .. } = self.block;
        Pairs { n: self.program.order, list, first: self.block.first(), batch: self.batch_pairs }
    }
}

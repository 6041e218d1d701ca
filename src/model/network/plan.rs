//! How a network is computed: its steps, lowered to matrices of n rows and nodes of n^2 rows.
//!
//! A value is kept as a sum of terms for as long as it can be: rows of tables by one element, weighted by attention or not,
//! and nodes times matrices. Linear maps are pushed into the terms, so that what depends on one element is multiplied for n
//! rows; only what a nonlinear step reads, a hook changes or a caller keeps becomes a node of n^2 rows.

use super::activation::Activation;
use super::architecture::at;
use super::lowering::{Lowering, Pushing};
use super::operation::Operation;
#[cfg(feature = "train")]
use super::parameters::Parameter;
use super::rows::{By, RowOp};
use super::{Description, lock};
use crate::model::{Hooks, LOGITS};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Number of a matrix of a plan.
pub(in crate::model) type SmallId = usize;
/// Number of a node of a plan.
pub(in crate::model) type NodeId = usize;

/// A matrix whose rows are few: a parameter, or something made of parameters alone or for each element.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum Small {
    /// A parameter.
    Parameter(usize),
    /// Part of a matrix.
    Slice { of: SmallId, rows: Range<usize>, columns: Range<usize> },
    /// One number everywhere.
    Fill(f32),
    /// A matrix product.
    Multiply(SmallId, SmallId),
    /// The sum of matrices, each from a column on; one with a single row is added to every row.
    Assemble(Vec<(SmallId, usize)>),
    /// A nonlinear step of every row; an input with a single row goes with every row.
    Rows(RowOp, Vec<SmallId>),
}

/// A matrix and its size.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct SmallMatrix {
    pub small: Small,
    pub rows: usize,
    pub columns: usize,
}

/// Rows of a table by one element, times a channel of a node where there is one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct TableTerm {
    pub table: SmallId,
    pub by: By,
    pub weight: Option<(NodeId, usize)>,
    /// Its first column in the value.
    pub at: usize,
    pub width: usize,
}

/// Channels of a node, times a matrix where there is one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct AtomTerm {
    pub node: NodeId,
    pub channels: Range<usize>,
    pub map: Option<SmallId>,
    /// Its first column in the value.
    pub at: usize,
    pub width: usize,
}

/// A value as a sum of terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::model) struct Form {
    pub tables: Vec<TableTerm>,
    pub atoms: Vec<AtomTerm>,
    pub width: usize,
}

/// What a nonlinear step of all pairs reads.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum Input {
    /// Channels of a node.
    Node { node: NodeId, channels: Range<usize> },
    /// A table's row by one element.
    Table { table: SmallId, by: By },
}

impl Input {
    /// The table by x and the one by y, where the inputs are these two.
    pub fn left_and_right(inputs: &[Self]) -> Option<(SmallId, SmallId)> {
        match *inputs {
            [Self::Table { table: a, by: of_a }, Self::Table { table: b, by: of_b }] => {
                left_and_right((a, of_a), (b, of_b))
            }
            _ => None,
        }
    }
}

/// The table by x and the one by y of two tables, if there is one of each.
pub(super) fn left_and_right(a: (SmallId, By), b: (SmallId, By)) -> Option<(SmallId, SmallId)> {
    match (a.1, b.1) {
        (By::Left, By::Right) => Some((a.0, b.0)),
        (By::Right, By::Left) => Some((b.0, a.0)),
        _ => None,
    }
}

/// A value at all pairs.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum Node {
    /// A sum of terms, and an activation function where its derivative follows from its value.
    Sum(Form, Option<Activation>),
    /// A nonlinear step.
    Rows(RowOp, Vec<Input>),
    /// A node after the hooks on a site.
    Hooked(NodeId, String),
}

/// A node and its width.
#[derive(Clone, Debug)]
pub(in crate::model) struct PairNode {
    pub node: Node,
    pub width: usize,
}

/// What has to be computed, in order, for some sites.
#[derive(Clone, Debug, Default)]
pub(in crate::model) struct Plan {
    pub small: Vec<SmallMatrix>,
    pub nodes: Vec<PairNode>,
    /// Whether a matrix or a node is needed at all.
    pub small_needed: Vec<bool>,
    pub node_needed: Vec<bool>,
    /// The sites kept, and their nodes.
    pub kept: Vec<(String, NodeId)>,
    /// The node of the logits, which is stored class by class.
    pub logits: Option<NodeId>,
}

/// What a plan is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::model) struct Request {
    /// Sites that hooks act on, sorted.
    pub hooked: Vec<String>,
    /// Sites that are kept, sorted.
    pub kept: Vec<String>,
    /// Whether gradients will be asked for.
    pub backward: bool,
}

impl Request {
    /// For a forward pass with hooks that keeps some sites.
    pub fn new(hooks: &Hooks, keep: &[&str]) -> Self {
        let sorted = |mut names: Vec<String>| {
            names.sort_unstable();
            names.dedup();
            names
        };
        let hooked = sorted(hooks.iter().map(|hook| hook.site.clone()).collect());
        Self { hooked, kept: sorted(keep.iter().map(|&site| site.into()).collect()), backward: false }
    }
}

/// What was made for requests, the last `MOST` that something was made for.
pub(in crate::model) struct Recent<T, const MOST: usize>(Mutex<Vec<(Request, Arc<T>)>>);

impl<T, const MOST: usize> Default for Recent<T, MOST> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T, const MOST: usize> Recent<T, MOST> {
    /// What there is for a request, made now where there is nothing.
    pub fn get<E>(&self, request: Request, make: impl FnOnce(&Request) -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some((_, made)) = lock(&self.0).iter().find(|(there, _)| *there == request) {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(make(&request)?);
        let mut all = lock(&self.0);
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push((request, Arc::clone(&made)));
        Ok(made)
    }
}

/// The maps x -> site and y -> site whose sum or product a site is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct Split {
    pub site: String,
    pub left: SmallId,
    pub right: SmallId,
    pub is_product: bool,
}

impl Plan {
    pub(super) fn new(description: &Description, request: &Request) -> Self {
        let mut lowering = Lowering::new(description, request, Pushing::WhereCheaper);
        lowering.run();
        lowering.finish()
    }

    fn of_matrices(small: Vec<SmallMatrix>, wanted: &[SmallId]) -> Self {
        let mut small_needed = vec![false; small.len()];
        wanted.iter().for_each(|&id| need(&small, id, &mut small_needed));
        Self { small, small_needed, ..Self::default() }
    }

    /// A plan of matrices alone, and the matrix among them that takes the neurons to the logits, where the neurons reach the
    /// logits through linear steps and no others.
    pub(super) fn path(description: &Description) -> Option<(Self, SmallId)> {
        let hooked = vec![description.architecture.neurons.clone()];
        let request = Request { hooked, kept: vec![LOGITS.into()], backward: false };
        let mut lowering = Lowering::new(description, &request, Pushing::Always);
        lowering.run();
        let neurons = lowering.nodes.iter().position(|node| matches!(node.node, Node::Hooked(..)))?;
        let logits = lowering.forms.last()?.first()?;
        // Nothing else that is needed may read them.
        let mut behind = vec![false; lowering.nodes.len()];
        for (i, node) in lowering.nodes.iter().enumerate() {
            behind[i] = i == neurons || node.node.nodes().into_iter().any(|node| behind[node]);
        }
        let [atom] = logits.atoms.iter().filter(|atom| atom.node == neurons).collect::<Vec<_>>()[..] else {
            return None;
        };
        let whole = atom.channels == (0..lowering.nodes[neurons].width) && (atom.at, atom.width) == (0, logits.width);
        if !whole || logits.nodes().filter(|&node| behind[node]).count() > 1 {
            return None;
        }
        let map = atom.map?;
        Some((Self::of_matrices(lowering.small, &[map]), map))
    }

    /// The site that is the sum or the product of a function of x and one of y, and a plan of these two maps: the last one up to
    /// the neurons, for a linear step takes such a sum to another; or else the first one behind them.
    pub(super) fn split(description: &Description) -> Option<(Self, Split)> {
        let request = Request::default();
        let mut lowering = Lowering::new(description, &request, Pushing::WhereCheaper);
        lowering.run();
        let (mut found, mut is_behind) = (None, false);
        for (step, forms) in description.architecture.steps.iter().zip(lowering.forms.clone()) {
            for (p, form) in forms.iter().enumerate() {
                let site = if forms.len() > 1 { at(&step.name, p) } else { step.name.clone() };
                let is_product = matches!(step.operation, Operation::Product { .. });
                let pair = if is_product { lowering.factors(form) } else { lowering.two_tables(form) };
                if let (Some((left, right)), false) = (pair, is_behind && found.is_some()) {
                    found = Some(Split { site: site.clone(), left, right, is_product });
                }
                is_behind |= site == description.architecture.neurons;
            }
        }
        let split = found?;
        Some((Self::of_matrices(lowering.small, &[split.left, split.right]), split))
    }
}

/// Marks a matrix and all that it is made of.
pub(super) fn need(small: &[SmallMatrix], id: SmallId, needed: &mut [bool]) {
    if !std::mem::replace(&mut needed[id], true) {
        small[id].small.inputs().into_iter().for_each(|id| need(small, id, needed));
    }
}

impl Small {
    /// The matrices that it is made of.
    fn inputs(&self) -> Vec<SmallId> {
        match self {
            Self::Parameter(_) | Self::Fill(_) => Vec::new(),
            Self::Slice { of, .. } => vec![*of],
            Self::Multiply(a, b) => vec![*a, *b],
            Self::Assemble(parts) => parts.iter().map(|&(id, _)| id).collect(),
            Self::Rows(_, inputs) => inputs.clone(),
        }
    }
}

impl Node {
    /// The nodes that it reads, once for every term.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            Self::Sum(form, _) => form.nodes().collect(),
            Self::Rows(_, inputs) => {
                let of = |input: &Input| if let Input::Node { node, .. } = input { Some(*node) } else { None };
                inputs.iter().filter_map(of).collect()
            }
            Self::Hooked(node, _) => vec![*node],
        }
    }

    /// The matrices that it reads.
    pub fn matrices(&self) -> Vec<SmallId> {
        match self {
            Self::Sum(form, _) => {
                let maps = form.atoms.iter().filter_map(|atom| atom.map);
                form.tables.iter().map(|table| table.table).chain(maps).collect()
            }
            Self::Rows(_, inputs) => {
                let of = |input: &Input| if let Input::Table { table, .. } = input { Some(*table) } else { None };
                inputs.iter().filter_map(of).collect()
            }
            Self::Hooked(..) => Vec::new(),
        }
    }
}

impl Form {
    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let weights = self.tables.iter().filter_map(|table| table.weight);
        self.atoms.iter().map(|atom| atom.node).chain(weights.map(|(node, _)| node))
    }

    pub(super) fn table(table: SmallId, by: By, width: usize) -> Self {
        let tables = vec![TableTerm { table, by, weight: None, at: 0, width }];
        Self { tables, atoms: Vec::new(), width }
    }

    pub(super) fn atom(node: NodeId, channels: Range<usize>) -> Self {
        let width = channels.len();
        Self { tables: Vec::new(), atoms: vec![AtomTerm { node, channels, map: None, at: 0, width }], width }
    }

    /// Adds the terms of another value, from a column on.
    pub(super) fn place(&mut self, other: Self, column: usize) {
        self.tables.extend(other.tables.into_iter().map(|t| TableTerm { at: t.at + column, ..t }));
        self.atoms.extend(other.atoms.into_iter().map(|a| AtomTerm { at: a.at + column, ..a }));
    }
}

impl Plan {
    /// Values of the matrices that are computed.
    #[cfg(feature = "train")]
    pub fn values(&self) -> usize {
        let computed = self.waves().into_iter().flatten();
        computed.map(|id| self.small[id].rows.saturating_mul(self.small[id].columns)).fold(0, usize::saturating_add)
    }

    /// The matrices that are made of parameters and are needed, in the order in which they wait for each other.
    #[cfg(any(feature = "cuda", feature = "train"))]
    pub fn computed(&self) -> impl DoubleEndedIterator<Item = SmallId> {
        let is_computed = |small: &Small| !matches!(small, Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_));
        (0..self.small.len()).filter(move |&id| self.small_needed[id] && is_computed(&self.small[id].small))
    }

    /// Where every matrix begins, and the distance between its rows, among numbers of which the parameters are the first; how many
    /// numbers there are.
    #[cfg(feature = "train")]
    pub fn tables(&self, parameters: &[Parameter]) -> (Vec<(usize, usize)>, usize) {
        let mut numbers = parameters.iter().map(|parameter| parameter.range.end).max().unwrap_or(0);
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(self.small.len());
        for SmallMatrix { small, rows, columns } in &self.small {
            places.push(match small {
                Small::Parameter(i) => (parameters[*i].range.start, *columns),
                Small::Slice { of, rows, columns } => {
                    let (start, stride) = places[*of];
                    (start + rows.start * stride + columns.start, stride)
                }
                _ => {
                    let start = numbers;
                    numbers += rows * columns;
                    (start, *columns)
                }
            });
        }
        (places, numbers)
    }

    /// The computed matrices that are needed, each group waiting only for those before it.
    pub fn waves(&self) -> Vec<Vec<SmallId>> {
        let mut depth = vec![0usize; self.small.len()];
        let mut waves: Vec<Vec<SmallId>> = Vec::new();
        for (id, matrix) in self.small.iter().enumerate() {
            let is_computed = !matches!(matrix.small, Small::Parameter(_) | Small::Slice { .. });
            let below = matrix.small.inputs().into_iter().map(|id| depth[id]).max().unwrap_or(0);
            let level = below + usize::from(is_computed);
            depth[id] = level;
            if is_computed && self.small_needed[id] {
                waves.resize(waves.len().max(level), Vec::new());
                waves[level - 1].push(id);
            }
        }
        waves
    }

    /// Whether a node is stored class by class: that of the logits, before and after hooks.
    pub fn by_class(&self, node: NodeId) -> bool {
        self.logits.is_some_and(|logits| {
            logits == node || matches!(&self.nodes[logits].node, Node::Hooked(before, _) if *before == node)
        })
    }
}

//! How a network is computed: its steps, lowered to matrices of n rows and nodes of n^2 rows.
//!
//! A value is kept as a sum of terms for as long as it can be: rows of tables by one element, weighted by attention or not,
//! and nodes times matrices. Linear maps are pushed into the terms, so that what depends on one element is multiplied for n
//! rows; only what a nonlinear step reads, a hook changes or a caller keeps becomes a node of n^2 rows.

use super::activation::Activation;
use super::architecture::{Architecture, at};
use super::lock;
use super::lowering::{Lowering, Pushing};
use super::operation::{Operation, Shape};
use super::parameters::Parameter;
use super::rows::{By, RowOp};
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
#[derive(Clone, Debug)]
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
    pub(super) fn new(
        architecture: &Architecture,
        shapes: &[Shape],
        parameters: &[Parameter],
        order: usize,
        request: &Request,
    ) -> Self {
        let mut lowering = Lowering::new(architecture, shapes, parameters, order, request, Pushing::WhereCheaper);
        lowering.run();
        lowering.finish()
    }

    /// A plan of matrices alone, and the matrix among them that takes the neurons to the logits, where the neurons reach the
    /// logits through linear steps and no others.
    pub(super) fn path(
        architecture: &Architecture,
        shapes: &[Shape],
        parameters: &[Parameter],
        order: usize,
    ) -> Option<(Self, SmallId)> {
        let request =
            Request { hooked: vec![architecture.neurons.clone()], kept: vec![LOGITS.into()], backward: false };
        let mut lowering = Lowering::new(architecture, shapes, parameters, order, &request, Pushing::Always);
        lowering.run();
        let neurons = lowering.nodes.iter().position(|node| matches!(node.node, Node::Hooked(..)))?;
        let logits = lowering.forms.last()?.first()?.clone();
        // Nothing else that is needed may read them.
        let reads = |node: &Node, of: &dyn Fn(NodeId) -> bool| match node {
            Node::Sum(form, _) => {
                form.atoms.iter().any(|atom| of(atom.node))
                    || form.tables.iter().any(|table| table.weight.is_some_and(|(node, _)| of(node)))
            }
            Node::Rows(_, inputs) => inputs.iter().any(|input| matches!(input, Input::Node { node, .. } if of(*node))),
            Node::Hooked(node, _) => of(*node),
        };
        let mut behind = vec![false; lowering.nodes.len()];
        for i in 0..lowering.nodes.len() {
            behind[i] = i == neurons || reads(&lowering.nodes[i].node, &|node| behind[node]);
        }
        let of_neurons: Vec<&AtomTerm> = logits.atoms.iter().filter(|atom| atom.node == neurons).collect();
        let others = logits.atoms.iter().any(|atom| atom.node != neurons && behind[atom.node]);
        let weighted = logits.tables.iter().any(|table| table.weight.is_some_and(|(node, _)| behind[node]));
        let whole = |atom: &AtomTerm| {
            atom.channels == (0..lowering.nodes[neurons].width) && atom.at == 0 && atom.width == logits.width
        };
        let [atom] = of_neurons[..] else { return None };
        if others || weighted || !whole(atom) {
            return None;
        }
        let map = atom.map?;
        let mut small_needed = vec![false; lowering.small.len()];
        need(&lowering.small, map, &mut small_needed);
        let plan = Self {
            small: lowering.small,
            nodes: Vec::new(),
            small_needed,
            node_needed: Vec::new(),
            kept: Vec::new(),
            logits: None,
        };
        Some((plan, map))
    }

    /// The first site that is the sum or the product of a function of x and one of y, and a plan of these two maps.
    pub(super) fn split(
        architecture: &Architecture,
        shapes: &[Shape],
        parameters: &[Parameter],
        order: usize,
    ) -> Option<(Self, Split)> {
        let request = Request::default();
        let mut lowering = Lowering::new(architecture, shapes, parameters, order, &request, Pushing::WhereCheaper);
        lowering.run();
        let mut found = None;
        'steps: for (step, forms) in architecture.steps.iter().zip(lowering.forms.clone()) {
            let several = forms.len() > 1;
            for (p, form) in forms.iter().enumerate() {
                let site = if several { at(&step.name, p) } else { step.name.clone() };
                let is_product = matches!(step.operation, Operation::Product { .. });
                let pair = if is_product { lowering.factors(form) } else { lowering.two_tables(form) };
                if let Some((left, right)) = pair {
                    found = Some(Split { site, left, right, is_product });
                    break 'steps;
                }
            }
        }
        let split = found?;
        let mut small_needed = vec![false; lowering.small.len()];
        need(&lowering.small, split.left, &mut small_needed);
        need(&lowering.small, split.right, &mut small_needed);
        let (small, nodes) = (lowering.small, Vec::new());
        Some((Self { small, nodes, small_needed, node_needed: Vec::new(), kept: Vec::new(), logits: None }, split))
    }
}

/// Marks a matrix and all that it is made of.
pub(super) fn need(small: &[SmallMatrix], id: SmallId, needed: &mut [bool]) {
    if std::mem::replace(&mut needed[id], true) {
        return;
    }
    match &small[id].small {
        Small::Parameter(_) | Small::Fill(_) => {}
        Small::Slice { of, .. } => need(small, *of, needed),
        Small::Multiply(a, b) => [a, b].into_iter().for_each(|&id| need(small, id, needed)),
        Small::Assemble(parts) => parts.iter().for_each(|&(id, _)| need(small, id, needed)),
        Small::Rows(_, inputs) => inputs.iter().for_each(|&id| need(small, id, needed)),
    }
}

impl Form {
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

    /// The computed matrices that are needed, each group waiting only for those before it.
    pub fn waves(&self) -> Vec<Vec<SmallId>> {
        let mut depth = vec![0usize; self.small.len()];
        let mut waves: Vec<Vec<SmallId>> = Vec::new();
        for (id, matrix) in self.small.iter().enumerate() {
            let below = |ids: &mut dyn Iterator<Item = SmallId>| ids.map(|id| depth[id]).max().unwrap_or(0);
            let (level, is_computed) = match &matrix.small {
                Small::Parameter(_) => (0, false),
                Small::Slice { of, .. } => (depth[*of], false),
                Small::Fill(_) => (1, true),
                Small::Multiply(a, b) => (1 + depth[*a].max(depth[*b]), true),
                Small::Assemble(parts) => (1 + below(&mut parts.iter().map(|&(id, _)| id)), true),
                Small::Rows(_, inputs) => (1 + below(&mut inputs.iter().copied()), true),
            };
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
        match self.logits {
            None => false,
            Some(logits) => {
                logits == node || matches!(&self.nodes[logits].node, Node::Hooked(before, _) if *before == node)
            }
        }
    }
}

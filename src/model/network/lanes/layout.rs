//! Where the matrices and the nodes of small networks side by side lie.

use super::super::Network;
use super::super::plan::{Input, Node, NodeId, Plan, Small, SmallId};
use super::super::rows::{By, RowOp};
use super::arithmetic::{Place, Source};

/// Pairs worked on at once.
pub(super) const BLOCK: usize = 16;

/// Where everything lies.
pub(super) struct Layout {
    pub plan: Plan,
    /// By matrix.
    pub matrices: Vec<Place>,
    /// First column of every node, counting those of all nodes.
    columns: Vec<usize>,
    /// Numbers of the parameters, and of these and the matrices made of them.
    pub parameters: usize,
    pub tables: usize,
}

impl Layout {
    /// `None` for a network with steps that are not made here.
    pub fn new(network: &Network) -> Option<Self> {
        let plan = network.plan_of_gradients();
        let (matrices, tables) = plan.tables(network.weights());
        let matrices = matrices.into_iter().map(|(start, stride)| Place { start, stride }).collect();
        let is_simple = |op: &RowOp| matches!(op, RowOp::Activate(_) | RowOp::Product);
        let nodes = plan.nodes.iter().zip(&plan.node_needed).filter(|(_, needed)| **needed);
        let is_made = nodes.clone().all(|(node, _)| match &node.node {
            Node::Sum(form, _) => form.tables.iter().all(|table| table.weight.is_none()),
            Node::Rows(op, _) => is_simple(op),
            Node::Hooked(..) => false,
        });
        let matrices_made = plan.small.iter().all(|matrix| match &matrix.small {
            Small::Rows(op, _) => is_simple(op),
            _ => true,
        });
        let logits_are_sum = plan.logits.is_some_and(|id| matches!(plan.nodes[id].node, Node::Sum(_, None)));
        let columns = plan.nodes.iter().scan(0, |all, node| Some(std::mem::replace(all, *all + node.width))).collect();
        let layout = Self { plan, matrices, columns, tables, parameters: network.parameters().len() };
        (is_made && matrices_made && logits_are_sum).then_some(layout)
    }

    /// Multiplications of a forward pass over so many pairs.
    pub fn multiplications(&self, pairs: usize) -> usize {
        let of_matrix = |id: SmallId| match &self.plan.small[id].small {
            Small::Multiply(a, _) => {
                self.plan.small[id].rows * self.plan.small[*a].columns * self.plan.small[id].columns
            }
            _ => 0,
        };
        let of_node = |id: NodeId| match &self.plan.nodes[id].node {
            Node::Sum(form, _) => {
                let maps = form.atoms.iter().filter(|atom| atom.map.is_some());
                form.width + maps.map(|atom| atom.channels.len() * atom.width).sum::<usize>()
            }
            _ => self.plan.nodes[id].width,
        };
        self.plan.computed().map(of_matrix).sum::<usize>() + pairs * self.needed().map(of_node).sum::<usize>()
    }

    /// The nodes that are needed, in order.
    pub fn needed(&self) -> impl DoubleEndedIterator<Item = NodeId> {
        (0..self.plan.nodes.len()).filter(|&id| self.plan.node_needed[id])
    }

    /// Columns of all nodes.
    pub fn width(&self) -> usize {
        self.plan.nodes.iter().map(|node| node.width).sum()
    }

    /// A node at the pairs of a block.
    pub fn node(&self, id: NodeId) -> Place {
        Place { start: self.columns[id] * BLOCK, stride: self.plan.nodes[id].width }
    }

    /// What a step of pairs reads.
    pub fn source<'a, const L: usize>(
        &self,
        input: &Input,
        tables: &'a [[f32; L]],
        nodes: &'a [[f32; L]],
    ) -> Source<'a, L> {
        match input {
            Input::Table { table, by } => Source { values: tables, place: self.matrices[*table], by: *by },
            Input::Node { node, channels } => {
                Source { values: nodes, place: self.node(*node).from(0, channels.start), by: By::Row }
            }
        }
    }

    /// What a step of elements reads.
    pub fn source_of_elements<'a, const L: usize>(
        &self,
        id: SmallId,
        rows: usize,
        tables: &'a [[f32; L]],
    ) -> Source<'a, L> {
        let by = By::of_elements(self.plan.small[id].rows, rows);
        Source { values: tables, place: self.matrices[id], by }
    }
}

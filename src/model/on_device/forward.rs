//! The forward pass of a plan as launches: what `model/network/forward.rs` and `rows.rs` are on the processor.

use super::super::Combiner;
use super::super::network::Activation;
use super::super::network::columns::{Elementwise, elementwise};
use super::super::network::plan::{Form, Node, NodeId};
use super::super::network::rows::{By, RowOp};
use super::program::{Lowering, Place, Step, Term};
use crate::device::kernels::Combination;

/// What kernels that put two maps together do to get a value, where they can.
pub(super) fn combination(value: &Elementwise) -> Option<Combination> {
    match (value.combiner, value.function) {
        (Combiner::Product, Activation::Identity) => Some(Combination::Product),
        (Combiner::Sum, Activation::Identity) => Some(Combination::Sum),
        (Combiner::Sum, Activation::Relu) => Some(Combination::SumRelu),
        _ => None,
    }
}

impl Lowering<'_> {
    /// The launches of all nodes that are needed.
    pub fn forward(&mut self) {
        let plan = self.plan;
        for id in (0..plan.nodes.len()).filter(|&id| plan.node_needed[id]) {
            let (out, width) = (self.node(id, 0), plan.nodes[id].width);
            match &plan.nodes[id].node {
                _ if self.first_layer(id, out, width) => {}
                Node::Sum(form, then) => self.sum(form, then.unwrap_or(Activation::Identity), out),
                Node::Rows(op, inputs) => {
                    let inputs: Vec<(Place, usize)> = inputs.iter().map(|input| self.input(input)).collect();
                    self.row_op(op, &inputs, out, width);
                }
                Node::Hooked(of, site) => {
                    let whole = Term::whole(self.node(*of, 0), width);
                    self.sum_of(&[whole], Activation::Identity, out, width, false);
                    self.push(Step::Hook { site: site.clone(), out, width });
                }
            }
        }
    }

    /// Whether the node is two tables put together, which have a kernel of their own; its launch.
    fn first_layer(&mut self, id: NodeId, out: Place, width: usize) -> bool {
        // A bias after the activation is a step of its own here.
        let Some(value) = elementwise(self.plan, id).filter(|value| value.offset.is_none()) else { return false };
        let Some(combination) = combination(&value) else { return false };
        // The function of a node that is needed anyhow is a step of its own, too.
        if matches!(self.plan.nodes[id].node, Node::Rows(RowOp::Activate(_), _)) {
            return false;
        }
        let (left, right) = (self.matrix(value.left, By::Left), self.matrix(value.right, By::Right));
        if (left.stride, right.stride) != (width, width) {
            return false;
        }
        self.push(Step::FirstLayer { left, right, combination, out, width });
        true
    }

    pub fn sum_of(&mut self, terms: &[Term], function: Activation, out: Place, width: usize, add: bool) {
        let terms = self.terms(terms);
        self.push(Step::Terms { terms, product: false, scale: 1.0, function, out, width, add });
    }

    fn sum(&mut self, form: &Form, then: Activation, out: Place) {
        let width = form.width;
        let mut terms: Vec<Term> = Vec::new();
        for table in &form.tables {
            let source = self.matrix(table.table, table.by);
            let weight = table.weight.map(|(node, channel)| self.node(node, channel));
            terms.push(Term { source, weight, at: table.at, width: table.width });
        }
        let mut products = Vec::new();
        for atom in &form.atoms {
            let source = self.node(atom.node, atom.channels.start);
            match atom.map {
                None => terms.push(Term { source, weight: None, at: atom.at, width: atom.width }),
                Some(map) => products.push((source, atom.channels.len(), map, atom.at, atom.width)),
            }
        }
        // One that fills all columns goes first and is stored; otherwise the terms do, with zeros where there are none.
        products.sort_by_key(|&(.., width)| std::cmp::Reverse(width));
        let stored = products.first().is_some_and(|&(.., of)| of == width);
        let alone = products.len() == 1 && terms.is_empty();
        let relu = stored && alone && then == Activation::Relu;
        let then = if relu { Activation::Identity } else { then };
        if !stored {
            let then = if products.is_empty() { then } else { Activation::Identity };
            self.sum_of(&terms, then, out, width, false);
        }
        for (i, &(a, k, map, at, width)) in products.iter().enumerate() {
            let (b, out, add) = (self.matrix(map, By::Row), out.column(at), i > 0 || !stored);
            self.push(Step::Product { a, k, b, transposed: false, out, width, add, relu, mask: None });
        }
        let rest = if stored { &terms[..] } else { &[] };
        if !products.is_empty() && (!rest.is_empty() || then != Activation::Identity) {
            self.sum_of(rest, then, out, width, true);
        }
    }

    /// A nonlinear step from its inputs and their widths.
    pub fn row_op(&mut self, op: &RowOp, inputs: &[(Place, usize)], out: Place, width: usize) {
        let (values, of_values) = inputs[0];
        let step = match op {
            RowOp::Activate(f) => return self.sum_of(&[Term::whole(values, width)], *f, out, width, false),
            RowOp::Product => {
                let terms: Vec<Term> = inputs.iter().map(|&(source, width)| Term::whole(source, width)).collect();
                let terms = self.terms(&terms);
                {
                    let function = Activation::Identity;
                    Step::Terms { terms, product: true, scale: 1.0, function, out, width, add: false }
                }
            }
            RowOp::Scores { heads } => {
                let width = of_values / heads;
                let scale = 1.0 / (width as f32).sqrt();
                Step::Scores { a: values, b: inputs[1].0, heads: *heads, width, scale, out, add: false }
            }
            RowOp::Softmax { heads } => Step::Softmax { values, heads: *heads, positions: width / heads, out },
            RowOp::Mix { heads, keys } => {
                let of_head = width / heads;
                let mut terms = Vec::new();
                for (key, (value, _)) in keys.iter().zip(&inputs[1..]) {
                    terms.extend((0..*heads).map(|h| {
                        let weight = Some(values.column(key * heads + h));
                        Term { source: value.column(h * of_head), weight, at: h * of_head, width: of_head }
                    }));
                }
                return self.sum_of(&terms, Activation::Identity, out, width, false);
            }
            RowOp::Deviation { eps } => Step::Deviation { values, width: of_values, eps: *eps, out },
            RowOp::Normalise { weight, bias } => {
                let weights = weight.then(|| inputs[2].0);
                let bias = bias.then(|| inputs[2 + usize::from(*weight)].0);
                Step::Normalise { values, width, deviation: inputs[1].0, weight: weights, bias, out }
            }
        };
        self.push(step);
    }
}

//! The nodes and matrices of a plan as launches, forward and backward: what `forward.rs`, `backward.rs` and `matrices.rs` of
//! `model/network` are on the processor.

use super::super::Combiner;
use super::super::network::Activation;
use super::super::network::columns::{Elementwise, elementwise};
use super::super::network::plan::{AtomTerm, Form, Input, Node, NodeId, Small, SmallId};
use super::super::network::rows::{By, RowOp};
use super::program::{Lowering, Place, Term};
use super::steps::{Combined, Multiplied, SUM};
use crate::device::kernels::{self, Combination};

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
            let out = self.whole(id);
            match &plan.nodes[id].node {
                _ if self.first_layer(id, out) => {}
                Node::Sum(form, then) => self.sum(form, then.unwrap_or(Activation::Identity), out),
                Node::Rows(op, inputs) => self.step(op, &self.inputs(inputs), out, None),
                Node::Hooked(of, site) => {
                    self.terms(&[Term::whole(self.whole(*of))], SUM, out);
                    let site = site.clone();
                    self.push(move |pass| match pass.hooks {
                        Some(hooks) => hooks.apply(&site, pass.block, out.width, pass.nodes, pass.at(out).1),
                        None => Ok(()),
                    });
                }
            }
        }
    }

    /// What a nonlinear step reads.
    fn inputs(&self, inputs: &[Input]) -> Vec<Place> {
        let place = |input: &Input| match input {
            Input::Node { node, channels } => self.node(*node, channels.clone()),
            Input::Table { table, by } => self.matrix(*table, *by),
        };
        inputs.iter().map(place).collect()
    }

    /// Whether the node is two tables put together, which have a kernel of their own; its launch.
    fn first_layer(&mut self, id: NodeId, out: Place) -> bool {
        // A bias after the activation is a step of its own here.
        let Some(value) = elementwise(self.plan, id).filter(|value| value.offset.is_none()) else { return false };
        let Some(combiner) = combination(&value) else { return false };
        // The function of a node that is needed anyhow is a step of its own, too.
        if matches!(self.plan.nodes[id].node, Node::Rows(RowOp::Activate(_), _)) {
            return false;
        }
        let (left, right) = (self.matrix(value.left, By::Left), self.matrix(value.right, By::Right));
        if (left.stride, right.stride) != (out.width, out.width) {
            return false;
        }
        self.push(move |pass| {
            let (kernels::Pairs { n, list: pairs, first, batch: batch_pairs }, to) = (pass.pairs(), pass.output(out));
            let (rows, width) = (pass.block.count, out.width);
            let (left, right) = (pass.input(left), pass.input(right));
            let layer = kernels::FirstLayer {
                rows,
                n,
                width,
                left: left.values,
                right: right.values,
                batch_maps: left.batch,
                pairs,
                first,
                batch_pairs,
                combiner,
                out: to.values,
                batch_out: to.batch,
            };
            layer.launch_over(pass.device, rows * width, pass.batch)
        });
        true
    }

    fn sum(&mut self, form: &Form, function: Activation, out: Place) {
        let mut terms: Vec<Term> = Vec::new();
        for table in &form.tables {
            let source = self.matrix(table.table, table.by).columns(0, table.width);
            let weight = table.weight.map(|(node, channel)| self.node(node, channel..channel + 1));
            terms.push(Term { source, weight, at: table.at });
        }
        let mut products = Vec::new();
        for atom in &form.atoms {
            let source = self.node(atom.node, atom.channels.clone());
            match atom.map {
                None => terms.push(Term { source, weight: None, at: atom.at }),
                Some(map) => products.push((source, map, out.columns(atom.at, atom.width))),
            }
        }
        // One that fills all columns goes first and is stored; otherwise the terms do, with zeros where there are none.
        products.sort_by_key(|(.., to)| std::cmp::Reverse(to.width));
        let stored = products.first().is_some_and(|(.., to)| to.width == form.width);
        let alone = products.len() == 1 && terms.is_empty();
        let relu = stored && alone && function == Activation::Relu;
        let function = if relu { Activation::Identity } else { function };
        if !stored {
            let function = if products.is_empty() { function } else { Activation::Identity };
            self.terms(&terms, Combined { function, ..SUM }, out);
        }
        for (i, &(a, map, to)) in products.iter().enumerate() {
            let add = i > 0 || !stored;
            self.product(a, self.matrix(map, By::Row), Multiplied { add, relu, ..Multiplied::default() }, to);
        }
        let rest = if stored { &terms[..] } else { &[] };
        if !products.is_empty() && (!rest.is_empty() || function != Activation::Identity) {
            self.terms(rest, Combined { function, add: true, ..SUM }, out);
        }
    }

    /// A matrix as an input of a step that makes `rows` rows of elements.
    fn of_elements(&self, id: SmallId, rows: usize) -> Place {
        self.matrix(id, if self.plan.small[id].rows == 1 && rows > 1 { By::One } else { By::Row })
    }

    /// The launches that make the matrices of the parameters.
    pub fn matrices(&mut self) {
        let plan = self.plan;
        for id in plan.computed() {
            let (rows, out) = (plan.small[id].rows, self.matrix(id, By::Row));
            self.elements = Some(rows);
            match &plan.small[id].small {
                Small::Multiply(a, b) => {
                    let (a, b) = (self.matrix(*a, By::Row), self.matrix(*b, By::Row));
                    self.product(a, b, Multiplied::default(), out);
                }
                Small::Assemble(parts) => {
                    let term = |&(part, at)| Term { source: self.of_elements(part, rows), weight: None, at };
                    self.terms(&parts.iter().map(term).collect::<Vec<Term>>(), SUM, out);
                }
                Small::Rows(op, inputs) => {
                    let inputs: Vec<Place> = inputs.iter().map(|&id| self.of_elements(id, rows)).collect();
                    self.step(op, &inputs, out, None);
                }
                Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_) => {}
            }
        }
        self.elements = None;
    }

    /// The launches from the gradient with respect to the logits, in their own place, to those with respect to the parameters,
    /// which are added to zeros.
    pub fn backward(&mut self) {
        let plan = self.plan;
        let logits = plan.logits.expect("gradients are of the logits");
        self.set.insert(self.whole(logits).start);
        for id in (0..plan.nodes.len()).rev().filter(|&id| plan.node_needed[id]) {
            let out = self.whole(id);
            if !self.set.contains(&out.start) {
                continue;
            }
            let gradient = if id == logits { out } else { out.gradient() };
            match &plan.nodes[id].node {
                Node::Sum(form, then) => {
                    if *then == Some(Activation::Relu) && !self.masked.contains(&out.start) {
                        self.activation_gradient(Activation::Relu, out, gradient, gradient, false);
                    }
                    self.back_sum(form, gradient);
                }
                Node::Rows(op, inputs) => self.step(op, &self.inputs(inputs), out, Some(gradient)),
                Node::Hooked(..) => {}
            }
        }
        for id in plan.computed().rev() {
            let (rows, out) = (plan.small[id].rows, self.matrix(id, By::Row));
            let gradient = out.gradient();
            self.elements = Some(rows);
            match &plan.small[id].small {
                Small::Multiply(a, b) => {
                    let (a, b) = (self.matrix(*a, By::Row), self.matrix(*b, By::Row));
                    let how = Multiplied { transposed: true, add: true, ..Multiplied::default() };
                    self.product(gradient, b, how, a.gradient());
                    self.over_rows(a, gradient, b.gradient());
                }
                Small::Assemble(parts) => {
                    for &(part, at) in parts {
                        let part = self.of_elements(part, rows);
                        self.add_rows(gradient.columns(at, part.width), part.gradient());
                    }
                }
                Small::Rows(op, inputs) => {
                    let inputs: Vec<Place> = inputs.iter().map(|&id| self.of_elements(id, rows)).collect();
                    self.step(op, &inputs, out, Some(gradient));
                }
                Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_) => {}
            }
        }
        self.elements = None;
    }

    /// Whether a node ends with a ReLU and one term alone reads it.
    fn is_relu_read_once(&self, node: NodeId) -> bool {
        let plan = self.plan;
        let needed = plan.nodes.iter().zip(&plan.node_needed).filter(|(_, needed)| **needed);
        let count = needed.flat_map(|(other, _)| other.node.nodes()).filter(|&of| of == node).count();
        count == 1 && matches!(plan.nodes[node].node, Node::Sum(_, Some(Activation::Relu)))
    }

    fn back_sum(&mut self, form: &Form, gradient: Place) {
        for AtomTerm { node, channels, map, at, width } in &form.atoms {
            let (of, a) = (gradient.columns(*at, *width), self.node(*node, channels.clone()));
            let map = map.map(|map| self.matrix(map, By::Row));
            if let Some(map) = map {
                self.over_rows(a, of, map.gradient());
            }
            let add = self.claim(a);
            match map {
                None => self.terms(&[Term::whole(of)], Combined { add, ..SUM }, a.gradient()),
                Some(b) => {
                    let mask = (!add && self.is_relu_read_once(*node)).then(|| self.whole(*node));
                    self.masked.extend(mask.map(|node| node.start));
                    self.product(of, b, Multiplied { transposed: true, add, relu: false, mask }, a.gradient());
                }
            }
        }
        for table in &form.tables {
            let values = gradient.columns(table.at, table.width);
            let source = self.matrix(table.table, table.by).columns(0, table.width);
            let weight = table.weight.map(|(node, channel)| self.node(node, channel..channel + 1));
            self.sum_rows(values, weight, source.gradient());
            if let Some(weight) = weight {
                let add = self.claim(weight);
                self.head_products(values, source, 1, 1.0, weight.gradient(), add);
            }
        }
    }
}

//! The backward pass of a plan as launches, and its matrices made of the parameters: what `backward.rs` and `matrices.rs` of
//! `model/network` are on the processor.

use super::super::network::Activation;
use super::super::network::plan::{AtomTerm, Form, Input, Node, NodeId, Small, SmallId};
use super::super::network::rows::{By, RowOp};
use super::program::{Array, Lowering, Place, Step, Term};
use crate::device::kernels;
use std::ops::Range;

/// Where the gradient with respect to an input goes.
enum To {
    /// To channels of a node's.
    Node(NodeId, Range<usize>),
    /// To the rows of a matrix's, by element.
    Table(Place),
}

impl Place {
    /// The place of the gradient with respect to what is here.
    fn gradient(self) -> Self {
        let array = match self.array {
            Array::Tables => Array::OfTables,
            Array::Nodes => Array::OfNodes,
            of => of,
        };
        Self { array, ..self }
    }
}

impl Lowering<'_> {
    /// The matrices that are computed, in the order in which they wait for each other.
    fn computed(&self) -> Vec<SmallId> {
        let is_computed = |small: &Small| !matches!(small, Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_));
        let plan = self.plan;
        (0..plan.small.len()).filter(|&id| plan.small_needed[id] && is_computed(&plan.small[id].small)).collect()
    }

    /// A matrix as an input of a step that makes `rows` rows of elements.
    fn of_elements(&self, id: SmallId, rows: usize) -> (Place, usize) {
        let matrix = &self.plan.small[id];
        (self.matrix(id, if matrix.rows == 1 && rows > 1 { By::One } else { By::Row }), matrix.columns)
    }

    /// The launches that make the matrices of the parameters.
    pub fn matrices(&mut self) {
        let plan = self.plan;
        for id in self.computed() {
            let (rows, width) = (plan.small[id].rows, plan.small[id].columns);
            let out = self.matrix(id, By::Row);
            self.elements = Some(rows);
            match &plan.small[id].small {
                Small::Multiply(a, b) => {
                    let (a, k, b) = (self.matrix(*a, By::Row), plan.small[*a].columns, self.matrix(*b, By::Row));
                    self.push(Step::Product {
                        a,
                        k,
                        b,
                        transposed: false,
                        out,
                        width,
                        add: false,
                        relu: false,
                        mask: None,
                    });
                }
                Small::Assemble(parts) => {
                    let term = |&(part, at): &(SmallId, usize)| {
                        let (source, width) = self.of_elements(part, rows);
                        Term { source, weight: None, at, width }
                    };
                    let terms: Vec<Term> = parts.iter().map(term).collect();
                    self.sum_of(&terms, Activation::Identity, out, width, false);
                }
                Small::Rows(op, inputs) => {
                    let inputs: Vec<(Place, usize)> = inputs.iter().map(|&id| self.of_elements(id, rows)).collect();
                    self.row_op(op, &inputs, out, width);
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
        [self.is_set, self.is_masked] = [(); 2].map(|()| vec![false; plan.nodes.len()]);
        self.is_set[logits] = true;
        for id in (0..plan.nodes.len()).rev().filter(|&id| plan.node_needed[id]) {
            if !self.is_set[id] {
                continue;
            }
            let (out, width) = (self.node(id, 0), plan.nodes[id].width);
            let gradient = if id == logits { out } else { out.gradient() };
            match &plan.nodes[id].node {
                Node::Sum(form, then) => {
                    if *then == Some(Activation::Relu) && !self.is_masked[id] {
                        let function = Activation::Relu;
                        let (values, back, add) = (out, gradient, false);
                        self.push(Step::ActivationGradient { function, values, back, out: gradient, width, add });
                    }
                    self.back_sum(form, gradient);
                }
                Node::Rows(op, inputs) => {
                    let to = |input: &Input| match input {
                        Input::Node { node, channels } => To::Node(*node, channels.clone()),
                        Input::Table { table, by } => To::Table(self.matrix(*table, *by).gradient()),
                    };
                    let to: Vec<To> = inputs.iter().map(to).collect();
                    let inputs: Vec<(Place, usize)> = inputs.iter().map(|input| self.input(input)).collect();
                    self.back_op(op, &inputs, &to, out, gradient, width);
                }
                Node::Hooked(..) => {}
            }
        }
        for id in self.computed().into_iter().rev() {
            let (rows, width) = (plan.small[id].rows, plan.small[id].columns);
            let out = self.matrix(id, By::Row);
            let gradient = out.gradient();
            self.elements = Some(rows);
            match &plan.small[id].small {
                Small::Multiply(a, b) => {
                    let (inner, of_a, of_b) =
                        (plan.small[*a].columns, self.matrix(*a, By::Row), self.matrix(*b, By::Row));
                    let (out, k, width_a, b) = (of_a.gradient(), width, inner, of_b);
                    let (a, width, transposed, add, relu) = (gradient, width_a, true, true, false);
                    self.push(Step::Product { a, k, b, transposed, out, width, add, relu, mask: None });
                    self.push(Step::OverRows { a: of_a, k: inner, b: gradient, width: k, out: of_b.gradient() });
                }
                Small::Assemble(parts) => {
                    for &(part, at) in parts {
                        let (place, width) = self.of_elements(part, rows);
                        let part = gradient.column(at);
                        self.add_to_table(place.gradient(), width, part);
                    }
                }
                Small::Rows(op, inputs) => {
                    let inputs: Vec<(Place, usize)> = inputs.iter().map(|&id| self.of_elements(id, rows)).collect();
                    let to: Vec<To> = inputs.iter().map(|(place, _)| To::Table(place.gradient())).collect();
                    self.back_op(op, &inputs, &to, out, gradient, width);
                }
                Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_) => {}
            }
        }
        self.elements = None;
    }

    /// Adds rows (rows, width) to the gradient of a matrix.
    fn add_to_table(&mut self, out: Place, width: usize, rows: Place) {
        if out.by == kernels::By::Row {
            self.sum_of(&[Term::whole(rows, width)], Activation::Identity, out, width, true);
        } else {
            self.push(Step::SumRows { values: rows, weight: None, width, out });
        }
    }

    /// Whether what goes to some channels of a node's gradient is added; otherwise it is the first, and fills it.
    fn claim(&mut self, node: NodeId, channels: &Range<usize>) -> bool {
        if std::mem::replace(&mut self.is_set[node], true) {
            return true;
        }
        let width = self.plan.nodes[node].width;
        if *channels == (0..width) {
            return false;
        }
        let out = self.node(node, 0).gradient();
        self.sum_of(&[], Activation::Identity, out, width, false);
        true
    }

    /// Whether a node ends with a ReLU and one term alone reads it.
    fn is_relu_read_once(&self, node: NodeId) -> bool {
        let plan = self.plan;
        let reads = |other: &Node| match other {
            Node::Sum(form, _) => {
                let weights = form.tables.iter().filter(|table| table.weight.is_some_and(|(of, _)| of == node));
                form.atoms.iter().filter(|atom| atom.node == node).count() + weights.count()
            }
            Node::Rows(_, inputs) => {
                inputs.iter().filter(|input| matches!(input, Input::Node { node: of, .. } if *of == node)).count()
            }
            Node::Hooked(of, _) => usize::from(*of == node),
        };
        let needed = plan.nodes.iter().zip(&plan.node_needed).filter(|(_, needed)| **needed);
        let count: usize = needed.map(|(other, _)| reads(&other.node)).sum();
        count == 1 && matches!(plan.nodes[node].node, Node::Sum(_, Some(Activation::Relu)))
    }

    fn back_sum(&mut self, form: &Form, gradient: Place) {
        for AtomTerm { node, channels, map, at, width } in &form.atoms {
            let (of, out) = (gradient.column(*at), self.node(*node, channels.start).gradient());
            let (a, k) = (self.node(*node, channels.start), channels.len());
            let map = map.map(|map| self.matrix(map, By::Row));
            if let Some(map) = map {
                self.push(Step::OverRows { a, k, b: of, width: *width, out: map.gradient() });
            }
            let add = self.claim(*node, channels);
            match map {
                None => self.sum_of(&[Term::whole(of, *width)], Activation::Identity, out, *width, add),
                Some(b) => {
                    let (a, k, width, transposed, relu) = (of, *width, k, true, false);
                    let mask = (!add && self.is_relu_read_once(*node)).then(|| self.node(*node, 0));
                    self.is_masked[*node] |= mask.is_some();
                    self.push(Step::Product { a, k, b, transposed, out, width, add, relu, mask });
                }
            }
        }
        for table in &form.tables {
            let (values, width) = (gradient.column(table.at), table.width);
            let source = self.matrix(table.table, table.by);
            let weight = table.weight.map(|(node, channel)| self.node(node, channel));
            self.push(Step::SumRows { values, weight, width, out: source.gradient() });
            if let Some((node, channel)) = table.weight {
                let add = self.claim(node, &(channel..channel + 1));
                let out = self.node(node, channel).gradient();
                self.push(Step::Scores { a: values, b: source, heads: 1, width, scale: 1.0, out, add });
            }
        }
    }

    /// Where the gradient with respect to an input of a step is made, and whether it is added; and what is done with it then.
    fn open(&mut self, to: &To, width: usize, scratch: usize) -> (Place, bool) {
        match to {
            To::Node(node, channels) => {
                let add = self.claim(*node, channels);
                (self.node(*node, channels.start).gradient(), add)
            }
            To::Table(place) if place.by == kernels::By::Row => (*place, true),
            To::Table(_) => (self.scratch(scratch, width), false),
        }
    }

    fn close(&mut self, to: &To, width: usize, made: Place) {
        if let To::Table(place) = to
            && place.by != kernels::By::Row
        {
            self.push(Step::SumRows { values: made, weight: None, width, out: *place });
        }
    }

    /// The gradients with respect to the inputs of a nonlinear step, from that with respect to its result `out`.
    fn back_op(&mut self, op: &RowOp, inputs: &[(Place, usize)], to: &[To], out: Place, back: Place, width: usize) {
        let (values, of_values) = inputs[0];
        match op {
            RowOp::Product => {
                for (i, to) in to.iter().enumerate() {
                    let others = inputs.iter().enumerate().filter(|&(other, _)| other != i).map(|(_, input)| input.0);
                    let terms: Vec<Term> = [back].into_iter().chain(others).map(|p| Term::whole(p, width)).collect();
                    let (out, add) = self.open(to, width, 0);
                    let (terms, function) = (self.terms(&terms), Activation::Identity);
                    self.push(Step::Terms { terms, product: true, scale: 1.0, function, out, width, add });
                    self.close(to, width, out);
                }
                return;
            }
            RowOp::Scores { heads } => {
                let of_head = of_values / heads;
                for (to, (other, _)) in to.iter().zip([inputs[1], inputs[0]]) {
                    let term = |h: usize| {
                        let (source, weight) = (other.column(h * of_head), Some(back.column(h)));
                        Term { source, weight, at: h * of_head, width: of_head }
                    };
                    let terms: Vec<Term> = (0..*heads).map(term).collect();
                    let (out, add) = self.open(to, of_values, 0);
                    let (terms, function, scale) =
                        (self.terms(&terms), Activation::Identity, 1.0 / (of_head as f32).sqrt());
                    self.push(Step::Terms { terms, product: false, scale, function, out, width: of_values, add });
                    self.close(to, of_values, out);
                }
                return;
            }
            RowOp::Mix { heads, keys } => {
                let of_head = width / heads;
                let (pattern, add) = self.open(&to[0], of_values, 0);
                if !add {
                    self.sum_of(&[], Activation::Identity, pattern, of_values, false);
                }
                for (key, (value, _)) in keys.iter().zip(&inputs[1..]) {
                    let out = pattern.column(key * heads);
                    let (heads, width) = (*heads, of_head);
                    self.push(Step::Scores { a: back, b: *value, heads, width, scale: 1.0, out, add: true });
                }
                self.close(&to[0], of_values, pattern);
                for (key, to) in keys.iter().zip(&to[1..]) {
                    let term = |h: usize| {
                        let (source, weight) = (back.column(h * of_head), Some(values.column(key * heads + h)));
                        Term { source, weight, at: h * of_head, width: of_head }
                    };
                    let terms: Vec<Term> = (0..*heads).map(term).collect();
                    let (out, add) = self.open(to, width, 0);
                    self.sum_of(&terms, Activation::Identity, out, width, add);
                    self.close(to, width, out);
                }
                return;
            }
            RowOp::Activate(_) | RowOp::Softmax { .. } | RowOp::Deviation { .. } | RowOp::Normalise { .. } => {}
        }
        let (made, add) = self.open(&to[0], of_values, 0);
        match op {
            RowOp::Activate(f) => {
                let function = *f;
                self.push(Step::ActivationGradient { function, values, back, out: made, width, add });
            }
            RowOp::Softmax { heads } => {
                let positions = width / heads;
                self.push(Step::SoftmaxGradient { weights: out, back, heads: *heads, positions, out: made, add });
            }
            RowOp::Deviation { .. } => {
                self.push(Step::DeviationGradient { values, deviation: out, back, width: of_values, out: made, add });
            }
            RowOp::Normalise { weight, bias } => {
                let (deviation, of_weight) = (inputs[1].0, weight.then(|| inputs[2].0));
                let (of_deviation, add_deviation) = self.open(&to[1], 1, 1);
                let scaled = weight.then(|| self.scratch(2, width));
                self.push(Step::NormaliseGradient {
                    values,
                    width,
                    deviation,
                    weight: of_weight,
                    back,
                    out: made,
                    add,
                    of_deviation,
                    add_deviation,
                    scaled,
                });
                self.close(&to[1], 1, of_deviation);
                let rows = scaled.into_iter().chain(bias.then_some(back));
                for (rows, to) in rows.zip(&to[2..]) {
                    if let To::Table(place) = to {
                        self.add_to_table(*place, width, rows);
                    }
                }
            }
            RowOp::Product | RowOp::Scores { .. } | RowOp::Mix { .. } => {}
        }
        self.close(&to[0], of_values, made);
    }
}

//! From steps to a plan: linear maps are pushed into the terms of a value, nonlinear steps become matrices or nodes.

use super::Description;
use super::activation::Activation;
use super::architecture::at;
use super::operation::{MASKED, Operation, Token};
use super::plan::{
    AtomTerm, Form, Input, Node, NodeId, PairNode, Plan, Request, Small, SmallId, SmallMatrix, TableTerm,
    left_and_right, need,
};
use super::rows::{By, RowOp};
use crate::model::LOGITS;
use std::ops::Range;

/// Whether maps are pushed into terms where that is cheaper, or always.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pushing {
    WhereCheaper,
    Always,
}

/// A multiplication of a table's row and its addition, in multiplications of a matrix product: what a core does of them in a
/// second beside what it does of those.
const SCATTERED: usize = 4;

/// Values of a table of one term, at most, that a map is pushed into: 64 MiB of `f32`.
const TABLE: usize = 1 << 24;

pub(super) struct Lowering<'a> {
    description: &'a Description,
    request: &'a Request,
    pushing: Pushing,
    pub small: Vec<SmallMatrix>,
    pub nodes: Vec<PairNode>,
    kept: Vec<(String, NodeId)>,
    /// The values of every step before, by position.
    pub forms: Vec<Vec<Form>>,
}

impl<'a> Lowering<'a> {
    pub fn new(description: &'a Description, request: &'a Request, pushing: Pushing) -> Self {
        let (small, nodes, kept, forms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { description, request, pushing, small, nodes, kept, forms }
    }

    pub fn run(&mut self) {
        for (step, shape) in self.description.architecture.steps.iter().zip(&self.description.shapes) {
            let (positions, width) = (shape.positions, shape.width);
            let mut forms: Vec<Form> = (0..positions).map(|p| self.lower(&step.operation, p)).collect();
            if positions > 1 {
                for (p, form) in forms.iter_mut().enumerate() {
                    *form = self.visit(at(&step.name, p), form.clone());
                }
                if self.request.hooked.contains(&step.name) || self.request.kept.contains(&step.name) {
                    let mut whole = Form { width: positions * width, ..Form::default() };
                    for (p, form) in forms.iter().enumerate() {
                        whole.place(form.clone(), p * width);
                    }
                    let whole = self.visit(step.name.clone(), whole);
                    if self.request.hooked.contains(&step.name) {
                        let node = self.node_of(&whole);
                        let part = |p: usize| Form::atom(node, p * width..(p + 1) * width);
                        forms = (0..positions).map(part).collect();
                    }
                }
            } else {
                forms[0] = self.visit(step.name.clone(), forms[0].clone());
            }
            self.forms.push(forms);
        }
    }

    /// Hooks on a site, and its value if that is kept.
    fn visit(&mut self, site: String, mut form: Form) -> Form {
        if self.request.hooked.contains(&site) {
            let (node, width) = (self.node_of(&form), form.width);
            let hooked = self.add(Node::Hooked(node, site.clone()), width);
            form = Form::atom(hooked, 0..width);
        }
        if self.request.kept.contains(&site) {
            let node = self.node_of(&form);
            self.kept.push((site, node));
        }
        form
    }

    pub fn finish(self) -> Plan {
        let mut node_needed = vec![false; self.nodes.len()];
        let mut small_needed = vec![false; self.small.len()];
        self.kept.iter().for_each(|&(_, node)| node_needed[node] = true);
        for i in (0..self.nodes.len()).rev() {
            if !node_needed[i] {
                continue;
            }
            let node = &self.nodes[i].node;
            node.matrices().into_iter().for_each(|id| need(&self.small, id, &mut small_needed));
            node.nodes().into_iter().for_each(|id| node_needed[id] = true);
        }
        let logits = self.kept.iter().find(|(site, _)| site == LOGITS).map(|&(_, node)| node);
        Plan { small: self.small, nodes: self.nodes, small_needed, node_needed, kept: self.kept, logits }
    }

    fn add_small(&mut self, small: Small, rows: usize, columns: usize) -> SmallId {
        let matrix = SmallMatrix { small, rows, columns };
        if let Some(there) = self.small.iter().position(|other| *other == matrix) {
            return there;
        }
        self.small.push(matrix);
        self.small.len() - 1
    }

    fn add(&mut self, node: Node, width: usize) -> NodeId {
        self.nodes.push(PairNode { node, width });
        self.nodes.len() - 1
    }

    fn parameter(&mut self, name: &str) -> SmallId {
        let all = &self.description.parameters;
        let i = all.iter().position(|p| p.name == name).expect("every step's parameters are listed");
        let [rows, columns] = all[i].matrix;
        self.add_small(Small::Parameter(i), rows, columns)
    }

    fn slice(&mut self, of: SmallId, rows: Range<usize>, columns: Range<usize>) -> SmallId {
        let (all_rows, all_columns) = (self.small[of].rows, self.small[of].columns);
        if rows == (0..all_rows) && columns == (0..all_columns) {
            return of;
        }
        let (height, width) = (rows.len(), columns.len());
        self.add_small(Small::Slice { of, rows, columns }, height, width)
    }

    fn rows_of(&mut self, of: SmallId, rows: Range<usize>) -> SmallId {
        let columns = 0..self.small[of].columns;
        self.slice(of, rows, columns)
    }

    /// The product of two matrices; `(p q) b` as `p (q b)` where that takes fewer operations.
    fn multiply(&mut self, a: SmallId, b: SmallId) -> SmallId {
        let (rows, columns) = (self.small[a].rows, self.small[b].columns);
        if let Small::Multiply(p, q) = self.small[a].small {
            let (inner, between) = (self.small[q].rows, self.small[q].columns);
            if inner * between * columns + rows * inner * columns < rows * between * columns {
                let right = self.multiply(q, b);
                return self.multiply(p, right);
            }
        }
        self.add_small(Small::Multiply(a, b), rows, columns)
    }

    fn assemble(&mut self, parts: Vec<(SmallId, usize)>, width: usize) -> SmallId {
        if let [(part, 0)] = parts[..]
            && self.small[part].columns == width
        {
            return part;
        }
        let rows = parts.iter().map(|&(part, _)| self.small[part].rows).max().unwrap_or(1);
        self.add_small(Small::Assemble(parts), rows, width)
    }

    fn lower(&mut self, operation: &Operation, p: usize) -> Form {
        let description = self.description;
        let index = |name: &str| description.architecture.index(name).expect("shapes were checked");
        let input = |lowering: &Self, name: &str, p: usize| lowering.forms[index(name)][p].clone();
        match operation {
            Operation::Embed { tokens, table, width, .. } => {
                let table = self.parameter(table);
                let (rows, by) = match tokens[p] {
                    Token::Left => (0..self.description.order, By::Left),
                    Token::Right => (0..self.description.order, By::Right),
                    Token::Constant(i) => (self.description.order + i..self.description.order + i + 1, By::One),
                };
                let table = self.rows_of(table, rows);
                Form::table(table, by, *width)
            }
            Operation::Positions { table, width, .. } => {
                let table = self.parameter(table);
                let row = self.rows_of(table, p..p + 1);
                Form::table(row, By::One, *width)
            }
            Operation::Linear { input: name, weight, bias, .. } => {
                let form = input(self, name, p);
                let weight = self.parameter(weight);
                let form = self.linear(&form, weight);
                self.plus(form, bias.as_deref())
            }
            Operation::Sum { inputs } => {
                let mut sum = Form::default();
                for name in inputs {
                    let form = input(self, name, p);
                    sum.width = form.width;
                    sum.place(form, 0);
                }
                self.settle(sum)
            }
            Operation::Concatenate { inputs } => {
                let mut all = Form::default();
                for name in inputs {
                    let form = input(self, name, p);
                    let start = all.width;
                    all.width += form.width;
                    all.place(form, start);
                }
                all
            }
            Operation::Product { inputs } => {
                let forms: Vec<Form> = inputs.iter().map(|name| input(self, name, p)).collect();
                self.by_rows(RowOp::Product, &forms)
            }
            Operation::Activate { input: name, function, bias } => {
                let form = input(self, name, p);
                let form = self.activate(&form, *function);
                self.plus(form, bias.as_deref())
            }
            Operation::Scores { query, key, heads } => {
                let query = input(self, query, p);
                let positions = self.forms[index(key)].len();
                let mut all = Form { width: positions * heads, ..Form::default() };
                for k in 0..positions {
                    let form = if k <= p {
                        let key = input(self, key, k);
                        self.by_rows(RowOp::Scores { heads: *heads }, &[query.clone(), key])
                    } else {
                        Form::table(self.add_small(Small::Fill(MASKED), 1, *heads), By::One, *heads)
                    };
                    all.place(form, k * heads);
                }
                all
            }
            Operation::Softmax { scores } => {
                let heads = description.shapes[index(scores)].heads;
                let form = input(self, scores, p);
                self.by_rows(RowOp::Softmax { heads }, &[form])
            }
            Operation::Mix { pattern, value } => {
                let heads = description.shapes[index(pattern)].heads;
                let pattern = input(self, pattern, p);
                let values: Vec<Form> = (0..=p).map(|k| input(self, value, k)).collect();
                self.mix(&pattern, &values, heads)
            }
            Operation::Deviation { input: name, eps } => {
                let form = input(self, name, p);
                self.by_rows(RowOp::Deviation { eps: *eps }, &[form])
            }
            Operation::Normalise { input: name, deviation, weight, bias } => {
                let mut forms = vec![input(self, name, p), input(self, deviation, p)];
                for parameter in [weight, bias].into_iter().flatten() {
                    let row = self.parameter(parameter);
                    let width = self.small[row].columns;
                    forms.push(Form::table(row, By::One, width));
                }
                self.by_rows(RowOp::Normalise { weight: weight.is_some(), bias: bias.is_some() }, &forms)
            }
            Operation::Select { input: name, position } => input(self, name, *position),
            Operation::Unembed { input: name, weight, bias, .. } => {
                let form = self.forms[index(name)].last().expect("at least one position").clone();
                let weight = self.parameter(weight);
                let rows = 0..self.small[weight].rows;
                let weight = self.slice(weight, rows, 0..self.description.order);
                let mut form = self.linear(&form, weight);
                if let Some(bias) = bias {
                    let bias = self.parameter(bias);
                    let bias = self.slice(bias, 0..1, 0..self.description.order);
                    form.place(Form::table(bias, By::One, self.description.order), 0);
                }
                self.settle(form)
            }
        }
    }

    fn plus(&mut self, mut form: Form, bias: Option<&str>) -> Form {
        let Some(bias) = bias else { return form };
        let bias = self.parameter(bias);
        let width = form.width;
        form.place(Form::table(bias, By::One, width), 0);
        self.settle(form)
    }

    /// Adds up the tables without a weight that go by the same element; a single row goes with another table if there is one.
    fn settle(&mut self, form: Form) -> Form {
        let Form { tables, atoms, width } = form;
        let (plain, mut rest): (Vec<_>, Vec<_>) = tables.into_iter().partition(|table| table.weight.is_none());
        if plain.len() < 2 {
            rest.extend(plain);
            return Form { tables: rest, atoms, width };
        }
        // Tables of different columns stay apart: a concatenation.
        let mut groups: Vec<(TableTerm, Vec<(SmallId, usize)>)> = Vec::new();
        for table in plain {
            let like = |(other, _): &&mut (TableTerm, _)| {
                (other.at, other.width, other.by) == (table.at, table.width, table.by)
            };
            match groups.iter_mut().find(like) {
                Some((_, parts)) => parts.push((table.table, 0)),
                None => groups.push((table.clone(), vec![(table.table, 0)])),
            }
        }
        let (ones, mut groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(table, _)| table.by == By::One);
        for (one, parts) in ones {
            match groups.iter_mut().find(|(table, _)| (table.at, table.width) == (one.at, one.width)) {
                Some((_, into)) => into.extend(parts),
                None => groups.push((one, parts)),
            }
        }
        let tables = groups.into_iter().map(|(table, parts)| {
            let width = table.width;
            TableTerm { table: self.assemble(parts, width), ..table }
        });
        let tables = tables.collect::<Vec<_>>().into_iter().chain(rest).collect();
        Form { tables, atoms, width }
    }

    /// One table by one element, where a value is no more than that.
    fn one_table(&mut self, form: &Form) -> Option<(SmallId, By)> {
        if !form.atoms.is_empty() || form.tables.iter().any(|table| table.weight.is_some()) {
            return None;
        }
        let mut by = By::One;
        for table in &form.tables {
            match (by, table.by) {
                (_, By::One) => {}
                (By::One, other) => by = other,
                (one, other) if one == other => {}
                _ => return None,
            }
        }
        let parts = form.tables.iter().map(|table| (table.table, table.at)).collect();
        let table = self.assemble(parts, form.width);
        if by != By::One && self.small[table].rows != self.description.order {
            return None;
        }
        Some((table, by))
    }

    /// The two tables, by x and by y, of which a value is the sum.
    pub fn two_tables(&mut self, form: &Form) -> Option<(SmallId, SmallId)> {
        let form = self.settle(form.clone());
        let whole = |table: &TableTerm| table.weight.is_none() && table.at == 0 && table.width == form.width;
        let [a, b] = &form.tables[..] else { return None };
        if !form.atoms.is_empty() || !whole(a) || !whole(b) {
            return None;
        }
        left_and_right((a.table, a.by), (b.table, b.by))
    }

    /// The two tables, by x and by y, of which a value is the product.
    pub fn factors(&self, form: &Form) -> Option<(SmallId, SmallId)> {
        let [AtomTerm { node, map: None, .. }] = form.atoms[..] else { return None };
        let Node::Rows(RowOp::Product, inputs) = &self.nodes[node].node else { return None };
        Input::left_and_right(inputs)
    }

    /// A value as a node: the one that it is, or a new one.
    fn node_of(&mut self, form: &Form) -> NodeId {
        if let Form { tables, atoms, width } = form
            && let ([], [AtomTerm { node, channels, map: None, .. }]) = (&tables[..], &atoms[..])
            && *channels == (0..*width)
            && self.nodes[*node].width == *width
        {
            return *node;
        }
        let form = self.settle(form.clone());
        let there = self.nodes.iter().position(|other| matches!(&other.node, Node::Sum(f, None) if *f == form));
        there.unwrap_or_else(|| {
            let width = form.width;
            self.add(Node::Sum(form, None), width)
        })
    }

    fn linear(&mut self, form: &Form, weight: SmallId) -> Form {
        let (rows, width) = (self.small[weight].rows, self.small[weight].columns);
        let weighted = form.tables.iter().filter(|table| table.weight.is_some()).count();
        let pushed: usize =
            form.atoms.iter().map(|atom| atom.channels.len() * width).sum::<usize>() + SCATTERED * weighted * width;
        let of_atom = |atom: &AtomTerm| if atom.map.is_some() { atom.channels.len() * atom.width } else { atom.width };
        let whole = form.atoms.iter().map(of_atom).sum::<usize>() + SCATTERED * weighted * rows + rows * width;
        let composes = weighted > 0 || form.atoms.iter().any(|atom| atom.map.is_some());
        let too_large = weighted > 0 && self.description.order * width > TABLE;
        let copy;
        let mut form = form;
        if self.pushing == Pushing::WhereCheaper && composes && (pushed > whole || too_large) {
            let node = self.node_of(form);
            copy = Form::atom(node, 0..rows);
            form = &copy;
        }
        let mut out = Form { width, ..Form::default() };
        for table in &form.tables {
            let part = self.rows_of(weight, table.at..table.at + table.width);
            let table = TableTerm { table: self.multiply(table.table, part), at: 0, width, ..table.clone() };
            out.tables.push(table);
        }
        for atom in &form.atoms {
            let part = self.rows_of(weight, atom.at..atom.at + atom.width);
            let map = match atom.map {
                Some(map) => self.multiply(map, part),
                None => part,
            };
            let (node, channels) = (atom.node, atom.channels.clone());
            // Two parts of one node are read by one product.
            match out.atoms.iter_mut().find(|other| (other.node, &other.channels) == (node, &channels)) {
                Some(other) => {
                    let both = vec![(other.map.expect("maps were just made"), 0), (map, 0)];
                    other.map = Some(self.assemble(both, width));
                }
                None => out.atoms.push(AtomTerm { node, channels, map: Some(map), at: 0, width }),
            }
        }
        self.settle(out)
    }

    fn activate(&mut self, form: &Form, function: Activation) -> Form {
        let settled = self.settle(form.clone());
        let is_node = settled.tables.is_empty() && matches!(settled.atoms[..], [AtomTerm { map: None, .. }]);
        let there = self.nodes.iter().any(|other| matches!(&other.node, Node::Sum(f, None) if *f == settled));
        // Where only the value is wanted, or the derivative follows from it, both are one loop.
        let fuses = !self.request.backward || matches!(function, Activation::Relu | Activation::Identity);
        if is_node || there || !fuses || self.one_table(&settled).is_some() {
            return self.by_rows(RowOp::Activate(function), &[settled]);
        }
        let width = settled.width;
        let node = self.add(Node::Sum(settled, Some(function)), width);
        Form::atom(node, 0..width)
    }

    /// A nonlinear step: of rows by one element where all inputs are, else of all pairs.
    fn by_rows(&mut self, op: RowOp, forms: &[Form]) -> Form {
        let widths: Vec<usize> = forms.iter().map(|form| form.width).collect();
        let width = op.width(&widths);
        let tables: Vec<Option<(SmallId, By)>> = forms.iter().map(|form| self.one_table(form)).collect();
        if let Some(all) = tables.iter().copied().collect::<Option<Vec<_>>>() {
            let mut bys: Vec<By> = all.iter().map(|&(_, by)| by).filter(|&by| by != By::One).collect();
            bys.dedup();
            if bys.len() < 2 {
                let by = bys.first().copied().unwrap_or(By::One);
                let rows = if by == By::One { 1 } else { self.description.order };
                let inputs = all.into_iter().map(|(table, _)| table).collect();
                let table = self.add_small(Small::Rows(op, inputs), rows, width);
                return Form::table(table, by, width);
            }
        }
        let inputs = forms.iter().zip(tables).map(|(form, table)| match table {
            Some((table, by)) => Input::Table { table, by },
            None => {
                if let ([], [AtomTerm { node, channels, map: None, at: 0, width }]) =
                    (&form.tables[..], &form.atoms[..])
                    && *width == form.width
                {
                    return Input::Node { node: *node, channels: channels.clone() };
                }
                let node = self.node_of(form);
                Input::Node { node, channels: 0..form.width }
            }
        });
        let inputs = inputs.collect();
        let node = self.add(Node::Rows(op, inputs), width);
        Form::atom(node, 0..width)
    }

    /// The values of all positions up to the query's, weighted by its pattern.
    fn mix(&mut self, pattern: &Form, values: &[Form], heads: usize) -> Form {
        let width = values[0].width;
        let alone = [pattern].into_iter().chain(values).map(|form| self.one_table(form)).collect::<Option<Vec<_>>>();
        let mut bys: Vec<By> = alone.iter().flatten().map(|&(_, by)| by).filter(|&by| by != By::One).collect();
        bys.dedup();
        if alone.is_some() && bys.len() < 2 {
            let forms: Vec<Form> = [pattern].into_iter().chain(values).cloned().collect();
            return self.by_rows(RowOp::Mix { heads, keys: (0..values.len()).collect() }, &forms);
        }
        let weights = self.node_of(pattern);
        let (mut out, mut dense) = (Form { width, ..Form::default() }, Vec::new());
        let of_head = width / heads;
        let constant = values.iter().position(|value| matches!(self.one_table(value), Some((_, By::One))));
        let (mut values, mut left_out) = (values.to_vec(), None);
        if let Some(c) = constant
            && matches!(self.nodes[weights].node, Node::Rows(RowOp::Softmax { .. }, _))
        {
            // A pattern adds up to 1: sum of a_k v_k = v_c + sum over the others of a_k (v_k - v_c).
            let (of_constant, _) = self.one_table(&values[c]).expect("it was found");
            let minus = self.add_small(Small::Fill(-1.0), 1, 1);
            let minus = self.multiply(minus, of_constant);
            for (_, value) in values.iter_mut().enumerate().filter(|(k, _)| *k != c) {
                value.place(Form::table(minus, By::One, width), 0);
                *value = self.settle(value.clone());
            }
            out.place(Form::table(of_constant, By::One, width), 0);
            left_out = Some(c);
        }
        for (k, value) in values.iter().enumerate().filter(|(k, _)| Some(*k) != left_out) {
            let plain = value.atoms.is_empty()
                && value.tables.iter().all(|t| t.weight.is_none() && t.at == 0 && t.width == width);
            if !plain {
                dense.push(k);
                continue;
            }
            for table in &value.tables {
                let rows = 0..self.small[table.table].rows;
                for h in 0..heads {
                    let part = self.slice(table.table, rows.clone(), h * of_head..(h + 1) * of_head);
                    let weight = Some((weights, k * heads + h));
                    out.tables.push(TableTerm { table: part, by: table.by, weight, at: h * of_head, width: of_head });
                }
            }
        }
        if !dense.is_empty() {
            let pattern_form = Form::atom(weights, 0..pattern.width);
            let forms: Vec<Form> = [pattern_form].into_iter().chain(dense.iter().map(|&k| values[k].clone())).collect();
            let mixed = self.by_rows(RowOp::Mix { heads, keys: dense }, &forms);
            out.place(mixed, 0);
        }
        out
    }
}

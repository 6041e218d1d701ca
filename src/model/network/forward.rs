//! The forward pass of a plan over a block of pairs.

use super::activation::Activation;
use super::matrices::{Matrices, Place, matrix, matrix_mut, product};
use super::parameters::Parameter;
use super::plan::{Form, Input, Node, NodeId, Plan, SmallId, TableTerm};
use super::rows::{By, Source};
use crate::linalg::{Aligned, transpose, vectorised};
use ndarray::s;

/// Columns that are summed in registers: in strips of the first number, then of the second.
const COLUMNS: [usize; 2] = [64, 16];

/// What becomes of the nodes that are kept.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kept {
    /// Whoever keeps them takes them as vectors.
    AsVectors,
    /// Whoever keeps them reads them where they are.
    InPlace,
}

/// What a pass reads: a plan and the numbers for it.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    pub plan: &'a Plan,
    pub parameters: &'a [Parameter],
    pub numbers: &'a [f32],
    pub matrices: &'a Matrices,
}

impl<'a> Numbers<'a> {
    pub fn place(&self, id: SmallId) -> Place<'a> {
        self.matrices.place(self.plan, self.parameters, self.numbers, id)
    }

    fn table(&self, term: &TableTerm) -> Source<'a> {
        self.place(term.table).source(term.by)
    }

    /// Computes all nodes that are needed, (rows, width) each, the logits (classes, rows).
    ///
    /// `hooks(site, rows by width or its transpose, width, is by class)` returns what a hooked site's values become.
    pub fn forward(
        &self,
        pairs: &[[u32; 2]],
        values: &mut [Aligned],
        kept: Kept,
        mut hooks: impl FnMut(&str, Vec<f32>, usize, bool) -> Vec<f32>,
    ) {
        for id in 0..self.plan.nodes.len() {
            if !self.plan.node_needed[id] {
                continue;
            }
            let width = self.plan.nodes[id].width;
            let (before, rest) = values.split_at_mut(id);
            let out = &mut rest[0];
            let len = pairs.len() * width;
            let is_kept = kept == Kept::AsVectors && self.plan.kept.iter().any(|&(_, node)| node == id);
            let room = if is_kept { Aligned::room_of_vec } else { Aligned::room };
            match &self.plan.nodes[id].node {
                Node::Sum(form, then) => {
                    let out = room(out, len);
                    if self.plan.by_class(id) {
                        self.sum_by_class(form, pairs, before, out);
                    } else {
                        self.sum(form, *then, pairs, before, out);
                    }
                }
                Node::Rows(op, inputs) => {
                    let sources: Vec<Source<'_>> = inputs.iter().map(|input| self.source(input, before)).collect();
                    op.forward(pairs, &sources, width, room(out, len));
                }
                Node::Hooked(of, site) => {
                    *out = hooks(site, before[*of].to_vec(), width, self.plan.by_class(id)).into();
                }
            }
        }
    }

    pub fn source<'b>(&self, input: &Input, values: &'b [Aligned]) -> Source<'b>
    where
        'a: 'b,
    {
        match input {
            Input::Table { table, by } => self.place(*table).source(*by),
            Input::Node { node, channels } => Source {
                values: &values[*node],
                stride: self.plan.nodes[*node].width,
                first: channels.start,
                width: channels.len(),
                by: By::Row,
            },
        }
    }

    fn sum(&self, form: &Form, then: Option<Activation>, pairs: &[[u32; 2]], before: &[Aligned], out: &mut [f32]) {
        let (rows, width) = (pairs.len(), form.width);
        let mut started = false;
        for atom in form.atoms.iter().filter(|atom| atom.map.is_some() && (atom.at, atom.width) == (0, width)) {
            let (node, map) = (self.node(atom.node, before, rows), self.place(atom.map.expect("filtered")));
            product(started)(node.slice(s![.., atom.channels.clone()]), map.view(), matrix_mut(out, rows, width));
            started = true;
        }
        for atom in form.atoms.iter().filter(|atom| atom.map.is_none() || (atom.at, atom.width) != (0, width)) {
            if !std::mem::replace(&mut started, true) {
                out.fill(0.0);
            }
            let node = self.node(atom.node, before, rows);
            let from = node.slice(s![.., atom.channels.clone()]);
            let mut all = matrix_mut(out, rows, width);
            let mut to = all.slice_mut(s![.., atom.at..atom.at + atom.width]);
            match atom.map {
                None => to += &from,
                Some(map) => to += &crate::linalg::matmul(from, self.place(map).view()),
            }
        }
        if let [a, b] = &form.tables[..]
            && [a, b].iter().all(|t| t.weight.is_none() && (t.at, t.width) == (0, width))
            && !started
        {
            return two_tables(pairs, self.table(a), self.table(b), then, out);
        }
        self.add_tables(form, then, pairs, before, out, started);
    }

    /// Tables' part of a sum, written to (rows, width) or added to it, and the activation function of all of it.
    fn add_tables(
        &self,
        form: &Form,
        then: Option<Activation>,
        pairs: &[[u32; 2]],
        before: &[Aligned],
        out: &mut [f32],
        started: bool,
    ) {
        let width = form.width;
        let sources: Vec<Source<'_>> = form.tables.iter().map(|table| self.table(table)).collect();
        let weights: Vec<Option<Source<'_>>> = form.tables.iter().map(|table| self.weight(table, before)).collect();
        let whole = form.tables.iter().all(|table| (table.at, table.width) == (0, width));
        vectorised(
            #[inline(always)]
            || {
                let mut terms: Vec<(&[f32], f32)> = Vec::with_capacity(sources.len());
                for ((i, &pair), out) in pairs.iter().enumerate().zip(out.chunks_exact_mut(width)) {
                    terms.clear();
                    for (source, weight) in sources.iter().zip(&weights) {
                        terms.push((source.row(i, pair), weight.map_or(1.0, |weight| weight.row(i, pair)[0])));
                    }
                    if whole {
                        add_terms(&terms, out, started);
                    } else {
                        if !started {
                            out.fill(0.0);
                        }
                        for (table, &(row, weight)) in form.tables.iter().zip(&terms) {
                            let out = &mut out[table.at..table.at + table.width];
                            out.iter_mut().zip(row).for_each(|(out, v)| *out += weight * v);
                        }
                    }
                    if let Some(f) = then {
                        f.apply_in_place(out);
                    }
                }
            },
        );
    }

    /// The channel of a node that a table is weighted by.
    pub fn weight<'b>(&self, table: &TableTerm, values: &'b [Aligned]) -> Option<Source<'b>> {
        table.weight.map(|(node, channel)| Source {
            values: &values[node],
            stride: self.plan.nodes[node].width,
            first: channel,
            width: 1,
            by: By::Row,
        })
    }

    pub fn node<'b>(&self, id: NodeId, values: &'b [Aligned], rows: usize) -> ndarray::ArrayView2<'b, f32> {
        matrix(&values[id], rows, self.plan.nodes[id].width)
    }

    /// (classes, rows).
    fn sum_by_class(&self, form: &Form, pairs: &[[u32; 2]], before: &[Aligned], out: &mut [f32]) {
        let (rows, classes) = (pairs.len(), form.width);
        let is_offset = |table: &TableTerm| table.weight.is_none() && table.by == By::One;
        let mut started = false;
        if form.tables.iter().any(|table| !is_offset(table)) {
            let mut by_row = Aligned::zeros(rows * classes);
            self.add_tables(form, None, pairs, before, &mut by_row, false);
            transpose(&by_row, rows, classes, out);
            started = true;
        }
        let offsets = form.tables.iter().filter(|table| !started && is_offset(table));
        let offsets: Vec<&[f32]> = offsets.map(|table| self.table(table).row(0, [0, 0])).collect();
        for atom in &form.atoms {
            let node = self.node(atom.node, before, rows);
            let from = node.slice(s![.., atom.channels.clone()]);
            let map = self.place(atom.map.expect("logits are a linear map of what they read")).view();
            product(started)(map.t(), from.t(), matrix_mut(out, classes, rows));
            started = true;
        }
        if !started {
            out.fill(0.0);
        }
        for offset in offsets {
            for (class, offset) in out.chunks_exact_mut(rows.max(1)).zip(offset) {
                class.iter_mut().for_each(|logit| *logit += offset);
            }
        }
    }
}

/// [`add_terms`] for as many whole strips of columns as there are from `start` on; where they end.
#[inline(always)]
fn add_strips<const COLUMNS: usize>(terms: &[(&[f32], f32)], out: &mut [f32], onto: bool, mut start: usize) -> usize {
    while start + COLUMNS <= out.len() {
        let mut sums = [0.0f32; COLUMNS];
        if onto {
            sums.copy_from_slice(&out[start..start + COLUMNS]);
        }
        for &(row, weight) in terms {
            let row: &[f32; COLUMNS] = row[start..start + COLUMNS].try_into().expect("as many columns");
            for k in 0..COLUMNS {
                sums[k] = weight.mul_add(row[k], sums[k]);
            }
        }
        out[start..start + COLUMNS].copy_from_slice(&sums);
        start += COLUMNS;
    }
    start
}

/// The sum of rows, each times a number, written to `out` or added to it.
#[inline(always)]
fn add_terms(terms: &[(&[f32], f32)], out: &mut [f32], onto: bool) {
    let start = add_strips::<{ COLUMNS[0] }>(terms, out, onto, 0);
    let start = add_strips::<{ COLUMNS[1] }>(terms, out, onto, start);
    let rest = &mut out[start..];
    if !onto {
        rest.fill(0.0);
    }
    for &(row, weight) in terms {
        rest.iter_mut().zip(&row[start..]).for_each(|(out, &v)| *out = weight.mul_add(v, *out));
    }
}

/// `f(a + b)` for rows a and b of two tables.
fn two_tables(pairs: &[[u32; 2]], a: Source<'_>, b: Source<'_>, then: Option<Activation>, out: &mut [f32]) {
    let width = a.width;
    vectorised(
        #[inline(always)]
        || {
            let rows = pairs.iter().enumerate().zip(out.chunks_exact_mut(width));
            if then == Some(Activation::Relu) {
                for ((i, &pair), out) in rows {
                    let both = a.row(i, pair).iter().zip(b.row(i, pair));
                    out.iter_mut().zip(both).for_each(|(out, (a, b))| *out = Activation::Relu.apply(a + b));
                }
                return;
            }
            for ((i, &pair), out) in rows {
                let both = a.row(i, pair).iter().zip(b.row(i, pair));
                out.iter_mut().zip(both).for_each(|(out, (a, b))| *out = a + b);
                if let Some(f) = then {
                    f.apply_in_place(out);
                }
            }
        },
    );
}

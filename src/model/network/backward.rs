//! The backward pass of a plan over a block of pairs: gradients with respect to its tables and maps, summed over pairs.

use super::activation::Activation;
use super::forward::Numbers;
use super::matrices::{matrix, matrix_mut, product};
use super::plan::{AtomTerm, Form, Input, Node, NodeId, Plan, SmallId, TableTerm};
use super::rows::{By, Source};
use super::sums::{Elements, Kind, Sums, Uses};
use super::weighted::WeightedRows;
use crate::linalg::{Aligned, matmul, transpose, vectorised};
use ndarray::{ArrayView2, s};
use std::ops::Range;

/// Rows of a gradient, and the order in which they are worked on.
struct Rows<'a> {
    pairs: &'a [[u32; 2]],
    order: &'a [u32],
    gradient: &'a [f32],
    width: usize,
}

/// Memory for the gradients with respect to the nodes of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Back {
    of: Vec<Aligned>,
    is_set: Vec<bool>,
    scratch: Aligned,
}

impl Numbers<'_> {
    /// Takes the gradient with respect to the logits, in their own buffer, back through all nodes.
    ///
    /// `values`: what [`forward`](Numbers::forward) left, the logits replaced by the gradient with respect to them.
    pub fn backward(&self, pairs: &[[u32; 2]], values: &[Aligned], uses: &Uses, back: &mut Back, sums: &mut Sums) {
        let nodes = &self.plan.nodes;
        back.of.resize_with(nodes.len(), Aligned::default);
        back.is_set.clear();
        back.is_set.resize(nodes.len(), false);
        let logits = self.plan.logits.expect("gradients are of the logits");
        for id in (0..nodes.len()).rev().filter(|&id| self.plan.node_needed[id]) {
            let width = nodes[id].width;
            let len = pairs.len() * width;
            if id == logits {
                let Node::Sum(form, _) = &nodes[id].node else { continue };
                self.back_by_class(form, pairs, &values[id][..len], values, uses, back, sums);
                continue;
            }
            if !back.is_set[id] {
                continue;
            }
            let mut gradient = std::mem::take(&mut back.of[id]);
            match &nodes[id].node {
                Node::Sum(form, then) => {
                    let out = &values[id][..len];
                    self.back_sum(form, *then, pairs, out, &mut gradient[..len], values, uses, back, sums);
                }
                Node::Rows(op, inputs) => {
                    let sources: Vec<Source<'_>> = inputs.iter().map(|input| self.source(input, values)).collect();
                    let mut to: Vec<Vec<f32>> = sources.iter().map(|s| vec![0.0; pairs.len() * s.width]).collect();
                    op.backward(pairs, &sources, &values[id][..len], &gradient[..len], width, &mut to);
                    for (input, to) in inputs.iter().zip(to) {
                        match input {
                            Input::Node { node, channels } => {
                                back.add(*node, nodes[*node].width, channels.clone(), &to, pairs.len());
                            }
                            Input::Table { table, by } => {
                                let Some(u) = uses.find(*table, Kind::Table(*by)) else { continue };
                                let columns = self.plan.small[*table].columns;
                                for (&pair, row) in pairs.iter().zip(to.chunks_exact(columns)) {
                                    let at = sums.elements.row(*by, pair) * columns;
                                    let sum = &mut sums.of[u][at..][..columns];
                                    sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
                                }
                            }
                        }
                    }
                }
                Node::Hooked(..) => {}
            }
            back.of[id] = gradient;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn back_sum(
        &self,
        form: &Form,
        then: Option<Activation>,
        pairs: &[[u32; 2]],
        out: &[f32],
        gradient: &mut [f32],
        values: &[Aligned],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        let width = form.width;
        if then == Some(Activation::Relu) {
            mask(gradient, out);
        }
        for atom in &form.atoms {
            self.back_atom(atom, pairs.len(), gradient, width, values, uses, back, sums);
        }
        back.open(form, self.plan, pairs.len());
        self.back_tables(form, pairs, gradient, values, uses, back, sums);
    }

    #[allow(clippy::too_many_arguments)]
    fn back_atom(
        &self,
        atom: &AtomTerm,
        rows: usize,
        gradient: &[f32],
        width: usize,
        values: &[Aligned],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        let all = matrix(gradient, rows, width);
        let of = all.slice(s![.., atom.at..atom.at + atom.width]);
        let node_width = self.plan.nodes[atom.node].width;
        let Some(map) = atom.map else {
            let part: Vec<f32> = of.iter().copied().collect();
            return back.add(atom.node, node_width, atom.channels.clone(), &part, rows);
        };
        if let Some(u) = uses.find(map, Kind::Map) {
            let node = self.node(atom.node, values, rows);
            let from = node.slice(s![.., atom.channels.clone()]);
            let started = std::mem::replace(&mut sums.started[u], true);
            product(started)(from.t(), of, matrix_mut(&mut sums.of[u], atom.channels.len(), atom.width));
        }
        self.back_through(atom, map, of, back);
    }

    /// The gradient with respect to a node from that with respect to its product with a matrix, (rows, width).
    fn back_through(&self, atom: &AtomTerm, map: SmallId, of: ArrayView2<'_, f32>, back: &mut Back) {
        let (rows, node_width, map) = (of.nrows(), self.plan.nodes[atom.node].width, self.place(map).view());
        if atom.channels == (0..node_width) {
            let onto = std::mem::replace(&mut back.is_set[atom.node], true);
            let to = back.of[atom.node].room(rows * node_width);
            product(onto)(of, map.t(), matrix_mut(to, rows, node_width));
        } else {
            let part = matmul(of, map.t());
            let part = part.as_slice().expect("row-major");
            back.add(atom.node, node_width, atom.channels.clone(), part, rows);
        }
    }

    /// Tables' part of the gradient of some rows.
    #[allow(clippy::too_many_arguments)]
    fn back_tables(
        &self,
        form: &Form,
        pairs: &[[u32; 2]],
        gradient: &[f32],
        values: &[Aligned],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        let width = form.width;
        if let [a, b] = &form.tables[..]
            && [a, b].iter().all(|t| t.weight.is_none() && (t.at, t.width) == (0, width))
            && let (By::Left, By::Right) | (By::Right, By::Left) = (a.by, b.by)
        {
            // Both at once: the gradient is read once.
            let (left, right) = if a.by == By::Left { (a, b) } else { (b, a) };
            let (Some(left), Some(right)) =
                (uses.find(left.table, Kind::Table(By::Left)), uses.find(right.table, Kind::Table(By::Right)))
            else {
                return;
            };
            let [left, right] = sums.of.get_disjoint_mut([left, right]).expect("two uses");
            return scatter_both(pairs, &sums.elements, left, right, gradient, width);
        }
        for table in form.tables.iter().filter(|table| table.weight.is_none()) {
            let Some(u) = uses.find(table.table, Kind::Table(table.by)) else { continue };
            let (sum, columns) = (&mut sums.of[u], table.width);
            let elements = &sums.elements;
            vectorised(
                #[inline(always)]
                || {
                    for (&pair, gradient) in pairs.iter().zip(gradient.chunks_exact(width)) {
                        let gradient = &gradient[table.at..][..columns];
                        let sum = &mut sum[elements.row(table.by, pair) * columns..][..columns];
                        sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
                    }
                },
            );
        }
        self.back_weighted(form, pairs, gradient, values, uses, back, sums);
    }

    /// The part of the gradient of some rows that weighted tables have, and that of their weights.
    ///
    /// Pairs that read one row of a table follow each other, so that the row and its sum are fetched once for all of them.
    #[allow(clippy::too_many_arguments)]
    fn back_weighted(
        &self,
        form: &Form,
        pairs: &[[u32; 2]],
        gradient: &[f32],
        values: &[Aligned],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        if form.tables.iter().all(|table| table.weight.is_none()) {
            return;
        }
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        for by in [By::Left, By::One, By::Right] {
            let alike = |a: &&TableTerm, b: &&TableTerm| (a.at, a.width) == (b.at, b.width);
            let tables: Vec<&TableTerm> = form.tables.iter().filter(|t| t.weight.is_some() && t.by == by).collect();
            if tables.is_empty() {
                continue;
            }
            if by == By::Right {
                order.sort_by_key(|&i| pairs[i as usize][1]);
            }
            for tables in tables.chunk_by(alike) {
                let rows = Rows { pairs, order: &order, gradient, width: form.width };
                let (fours, rest) = tables.as_chunks::<4>();
                let (fours, twice): (Vec<_>, Vec<_>) = fours.iter().partition(|four| all_differ(&four[..]));
                for four in fours {
                    self.back_weighted_some(four, &rows, values, uses, back, sums);
                }
                for one in twice.into_iter().flatten().chain(rest) {
                    self.back_weighted_some(&[one], &rows, values, uses, back, sums);
                }
            }
        }
    }

    /// [`back_weighted`](Self::back_weighted) for some tables by one element that stand in the same columns.
    fn back_weighted_some<const N: usize>(
        &self,
        tables: &[&TableTerm; N],
        rows: &Rows<'_>,
        values: &[Aligned],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        let &Rows { pairs, order, gradient, width } = rows;
        let (by, columns) = (tables[0].by, tables[0].at..tables[0].at + tables[0].width);
        let pair = |i: u32| pairs[i as usize];
        let sources = tables.map(|table| self.place(table.table).source(by));
        let weights = tables.map(|table| self.weight(table, values).expect("it has one"));
        let used = tables.map(|table| uses.find(table.table, Kind::Table(by)));
        // All of them, or none where gradients of the nodes alone are asked for.
        let used = used.iter().all(Option::is_some).then(|| used.map(|u| u.expect("all of them")));
        let mut terms: Vec<(&[f32], [f32; N])> = Vec::new();
        let mut of_weights = Vec::new();
        for run in order.chunk_by(|&a, &b| by.row(0, pair(a)) == by.row(0, pair(b))) {
            terms.clear();
            terms.extend(run.iter().map(|&i| {
                let weights = weights.map(|weight| weight.row(i as usize, [0, 0])[0]);
                (&gradient[i as usize * width..][columns.clone()], weights)
            }));
            let rows = sources.map(|source| source.row(0, pair(run[0])));
            let row = sums.elements.row(by, pair(run[0])) * columns.len();
            let of_rows = used.map(|used| {
                let of = sums.of.get_disjoint_mut(used).expect("tables that differ");
                of.map(|of| &mut of[row..row + columns.len()])
            });
            pulp::Arch::new().dispatch(WeightedRows { terms: &terms, rows, of_weights: &mut of_weights, of_rows });
            for (&i, of_weights) in run.iter().zip(&of_weights) {
                for (table, along) in tables.iter().zip(of_weights) {
                    let (node, channel) = table.weight.expect("it has one");
                    back.of[node][i as usize * self.plan.nodes[node].width + channel] += along;
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn back_by_class(
        &self,
        form: &Form,
        pairs: &[[u32; 2]],
        gradient: &[f32],
        values: &[Aligned],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        let (rows, classes) = (pairs.len(), form.width);
        let of = matrix(gradient, classes, rows);
        for atom in &form.atoms {
            let map = atom.map.expect("logits are a linear map of what they read");
            if let Some(u) = uses.find(map, Kind::MapByClass) {
                let node = self.node(atom.node, values, rows);
                let from = node.slice(s![.., atom.channels.clone()]);
                let started = std::mem::replace(&mut sums.started[u], true);
                product(started)(of, from, matrix_mut(&mut sums.of[u], classes, atom.channels.len()));
            }
            self.back_through(atom, map, of.t(), back);
        }
        if let [one] = &form.tables[..]
            && one.weight.is_none()
            && one.by == By::One
        {
            let Some(u) = uses.find(one.table, Kind::Table(By::One)) else { return };
            vectorised(
                #[inline(always)]
                || {
                    for (sum, class) in sums.of[u].iter_mut().zip(gradient.chunks_exact(rows.max(1))) {
                        *sum += sum_in_lanes(class);
                    }
                },
            );
            return;
        }
        if form.tables.is_empty() {
            return;
        }
        back.open(form, self.plan, rows);
        let mut scratch = std::mem::take(&mut back.scratch);
        let by_row = scratch.room(rows * classes);
        transpose(gradient, classes, rows, by_row);
        self.back_tables(form, pairs, by_row, values, uses, back, sums);
        back.scratch = scratch;
    }
}

impl Back {
    /// Makes the gradients zero of the nodes by which tables are weighted, where they have none yet.
    fn open(&mut self, form: &Form, plan: &Plan, rows: usize) {
        for (node, _) in form.tables.iter().filter_map(|table| table.weight) {
            if !std::mem::replace(&mut self.is_set[node], true) {
                self.of[node].room(rows * plan.nodes[node].width).fill(0.0);
            }
        }
    }

    /// The gradient with respect to a node, (rows, width) and perhaps more; `None` where no logit depends on it.
    pub fn of(&self, node: NodeId) -> Option<&[f32]> {
        self.is_set[node].then(|| &self.of[node][..])
    }

    /// Adds (rows, channels) to some channels of a node's gradient.
    fn add(&mut self, node: NodeId, width: usize, channels: Range<usize>, part: &[f32], rows: usize) {
        let fresh = !std::mem::replace(&mut self.is_set[node], true);
        let to = self.of[node].room(rows * width);
        if fresh && channels.len() == width {
            return to.copy_from_slice(part);
        }
        if fresh {
            to.fill(0.0);
        }
        for (to, part) in to.chunks_exact_mut(width).zip(part.chunks_exact(channels.len())) {
            to[channels.clone()].iter_mut().zip(part).for_each(|(to, part)| *to += part);
        }
    }
}

/// The sum of some numbers, in lanes: faster than one after the other, and closer.
#[inline(always)]
fn sum_in_lanes(values: &[f32]) -> f32 {
    const LANES: usize = 32;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for chunk in chunks {
        for k in 0..LANES {
            sums[k] += chunk[k];
        }
    }
    let all = sums.iter().chain(rest).map(|&v| f64::from(v));
    all.sum::<f64>() as f32
}

fn all_differ(tables: &[&TableTerm]) -> bool {
    tables.iter().enumerate().all(|(i, a)| tables[..i].iter().all(|b| a.table != b.table))
}

/// Zeroes the gradient where the activation is not positive.
fn mask(gradient: &mut [f32], activations: &[f32]) {
    vectorised(
        #[inline(always)]
        || gradient.iter_mut().zip(activations).for_each(|(g, &a)| *g = if a > 0.0 { *g } else { 0.0 }),
    );
}

/// Adds every pair's row to that of its left element and to that of its right one.
fn scatter_both(
    pairs: &[[u32; 2]],
    elements: &Elements,
    left: &mut [f32],
    right: &mut [f32],
    gradient: &[f32],
    width: usize,
) {
    vectorised(
        #[inline(always)]
        || {
            for (&pair, gradient) in pairs.iter().zip(gradient.chunks_exact(width)) {
                let left = &mut left[elements.row(By::Left, pair) * width..][..width];
                let right = &mut right[elements.row(By::Right, pair) * width..][..width];
                for k in 0..width {
                    left[k] += gradient[k];
                    right[k] += gradient[k];
                }
            }
        },
    );
}

//! The backward pass of a plan over a block of pairs: gradients with respect to its tables and maps, summed over pairs.

use super::activation::Activation;
use super::forward::{Numbers, room};
use super::matrices::{matrix, matrix_mut, product};
use super::plan::{AtomTerm, Form, Input, Node, NodeId, Plan, SmallId};
use super::rows::{By, Source};
use crate::linalg::{matmul, vectorised};
use ndarray::{ArrayView2, s};
use std::ops::Range;

/// Rows that are transposed at once.
const LANES: usize = 16;

/// How the nodes use a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Its rows, by element.
    Table(By),
    /// As what a node is multiplied by.
    Map,
    /// As what the logits' node is multiplied by: its gradient is summed up transposed.
    MapByClass,
}

/// One use of a matrix by the nodes of a plan.
#[derive(Clone, Debug, PartialEq)]
struct Use {
    small: SmallId,
    kind: Kind,
}

/// Every use of a matrix by the nodes of a plan: what gradients are summed up for.
#[derive(Clone, Debug)]
pub(super) struct Uses {
    all: Vec<Use>,
}

impl Uses {
    pub fn new(plan: &Plan) -> Self {
        let mut all: Vec<Use> = Vec::new();
        let mut add = |small: SmallId, kind: Kind| {
            let new = Use { small, kind };
            if !all.contains(&new) {
                all.push(new);
            }
        };
        for (id, node) in plan.nodes.iter().enumerate().filter(|&(id, _)| plan.node_needed[id]) {
            match &node.node {
                Node::Sum(form, _) => {
                    form.tables.iter().for_each(|table| add(table.table, Kind::Table(table.by)));
                    let kind = if plan.by_class(id) { Kind::MapByClass } else { Kind::Map };
                    form.atoms.iter().filter_map(|atom| atom.map).for_each(|map| add(map, kind));
                }
                Node::Rows(_, inputs) => inputs.iter().for_each(|input| {
                    if let Input::Table { table, by } = input {
                        add(*table, Kind::Table(*by));
                    }
                }),
                Node::Hooked(..) => {}
            }
        }
        Self { all }
    }

    /// No use: for gradients with respect to nodes alone.
    pub fn none() -> Self {
        Self { all: Vec::new() }
    }

    /// The number of a use; `None` where nothing is summed up for it.
    fn find(&self, small: SmallId, kind: Kind) -> Option<usize> {
        self.all.iter().position(|u| (u.small, u.kind) == (small, kind))
    }

    /// Values that the sums over pairs with left elements in `left` take.
    pub fn values(&self, plan: &Plan, left: usize) -> usize {
        self.all.iter().map(|u| len(plan, u, left)).fold(0, usize::saturating_add)
    }
}

fn len(plan: &Plan, u: &Use, left: usize) -> usize {
    let matrix = &plan.small[u.small];
    let rows = if u.kind == Kind::Table(By::Left) { left } else { matrix.rows };
    rows.saturating_mul(matrix.columns)
}

/// Gradients summed over some pairs: of every use, and of the left tables the rows of some elements alone.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    left: Range<usize>,
    of: Vec<Vec<f32>>,
    /// Whether a map's sum has been written since [`start`](Sums::start).
    started: Vec<bool>,
}

impl Sums {
    /// For pairs whose left elements are in a range.
    pub fn new(plan: &Plan, uses: &Uses, left: Range<usize>) -> Self {
        let of = uses.all.iter().map(|u| vec![0.0; len(plan, u, left.len())]).collect();
        Self { of, started: vec![false; uses.all.len()], left }
    }

    /// Forgets what was summed up.
    pub fn start(&mut self, uses: &Uses) {
        self.started.fill(false);
        for (sum, u) in self.of.iter_mut().zip(&uses.all) {
            // The first product replaces what is there.
            if matches!(u.kind, Kind::Table(_)) {
                sum.fill(0.0);
            }
        }
    }
}

/// Memory for the gradients with respect to the nodes of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Back {
    of: Vec<Vec<f32>>,
    is_set: Vec<bool>,
    scratch: Vec<f32>,
}

impl Numbers<'_> {
    /// Takes the gradient with respect to the logits, in their own buffer, back through all nodes.
    ///
    /// `values`: what [`forward`](Numbers::forward) left, the logits replaced by the gradient with respect to them.
    pub fn backward(&self, pairs: &[[u32; 2]], values: &[Vec<f32>], uses: &Uses, back: &mut Back, sums: &mut Sums) {
        let nodes = &self.plan.nodes;
        back.of.resize_with(nodes.len(), Vec::new);
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
                                scatter(
                                    pairs,
                                    &mut sums.of[u],
                                    *by,
                                    sums.left.start,
                                    &to,
                                    self.plan.small[*table].columns,
                                );
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
        values: &[Vec<f32>],
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
        self.back_tables(form, pairs, 0, gradient, values, uses, back, sums);
    }

    #[allow(clippy::too_many_arguments)]
    fn back_atom(
        &self,
        atom: &AtomTerm,
        rows: usize,
        gradient: &[f32],
        width: usize,
        values: &[Vec<f32>],
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
            let to = room(&mut back.of[atom.node], rows * node_width);
            product(onto)(of, map.t(), matrix_mut(to, rows, node_width));
        } else {
            let part = matmul(of, map.t());
            let part = part.as_slice().expect("row-major");
            back.add(atom.node, node_width, atom.channels.clone(), part, rows);
        }
    }

    /// Tables' part of the gradient of some rows, the first of which is number `first` of the block.
    #[allow(clippy::too_many_arguments)]
    fn back_tables(
        &self,
        form: &Form,
        pairs: &[[u32; 2]],
        first: usize,
        gradient: &[f32],
        values: &[Vec<f32>],
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
            return scatter_both(pairs, left, sums.left.start, right, gradient, width);
        }
        for table in form.tables.iter().filter(|table| table.weight.is_none()) {
            let Some(u) = uses.find(table.table, Kind::Table(table.by)) else { continue };
            let (sum, columns) = (&mut sums.of[u], table.width);
            let row = row_of(table.by, sums.left.start);
            vectorised(
                #[inline(always)]
                || {
                    for (&pair, gradient) in pairs.iter().zip(gradient.chunks_exact(width)) {
                        let gradient = &gradient[table.at..][..columns];
                        let sum = &mut sum[row(pair) * columns..][..columns];
                        sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
                    }
                },
            );
        }
        self.back_weighted(form, pairs, first, gradient, values, uses, back, sums);
    }

    /// The part of the gradient of some rows that weighted tables have, and that of their weights: pair by pair, so that a
    /// pair's gradient is read once for all tables.
    #[allow(clippy::too_many_arguments)]
    fn back_weighted(
        &self,
        form: &Form,
        pairs: &[[u32; 2]],
        first: usize,
        gradient: &[f32],
        values: &[Vec<f32>],
        uses: &Uses,
        back: &mut Back,
        sums: &mut Sums,
    ) {
        // The sums that are added to, once each; one that nobody asks for is added to all the same.
        let mut taken: Vec<(Option<usize>, Vec<f32>)> = Vec::new();
        let weighted = form.tables.iter().filter_map(|table| Some((table, table.weight?)));
        let weighted = weighted.map(|(table, (node, channel))| {
            let u = uses.find(table.table, Kind::Table(table.by));
            let slot = taken.iter().position(|(there, _)| u.is_some() && *there == u).unwrap_or_else(|| {
                let unused = || vec![0.0; self.plan.small[table.table].rows * table.width];
                taken.push((u, u.map_or_else(unused, |u| std::mem::take(&mut sums.of[u]))));
                taken.len() - 1
            });
            let base = if u.is_some() { sums.left.start } else { 0 };
            let source = self.place(table.table).source(table.by);
            let weights = self.weight(table, values).expect("it has one");
            (table, slot, row_of(table.by, base), source, weights, node, self.plan.nodes[node].width, channel)
        });
        let weighted: Vec<_> = weighted.collect();
        vectorised(
            #[inline(always)]
            || {
                for (i, (&pair, gradient)) in pairs.iter().zip(gradient.chunks_exact(form.width)).enumerate() {
                    for (table, slot, row, source, weights, node, node_width, channel) in &weighted {
                        let columns = table.width;
                        let gradient = &gradient[table.at..][..columns];
                        let sum = &mut taken[*slot].1[row(pair) * columns..][..columns];
                        let weight = weights.row(first + i, pair)[0];
                        let along = add_and_dot(sum, gradient, weight, source.row(first + i, pair));
                        back.of[*node][(first + i) * node_width + channel] += along;
                    }
                }
            },
        );
        for (u, sum) in taken {
            if let Some(u) = u {
                sums.of[u] = sum;
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn back_by_class(
        &self,
        form: &Form,
        pairs: &[[u32; 2]],
        gradient: &[f32],
        values: &[Vec<f32>],
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
            for (sum, class) in sums.of[u].iter_mut().zip(gradient.chunks_exact(rows.max(1))) {
                *sum += class.iter().sum::<f32>();
            }
            return;
        }
        if form.tables.is_empty() {
            return;
        }
        back.open(form, self.plan, rows);
        let mut scratch = std::mem::take(&mut back.scratch);
        for (g, group) in pairs.chunks(LANES).enumerate() {
            let some = room(&mut scratch, group.len() * classes);
            for (z, from) in gradient.chunks_exact(rows).enumerate() {
                let from = &from[g * LANES..][..group.len()];
                from.iter().enumerate().for_each(|(k, &v)| some[k * classes + z] = v);
            }
            let some = &scratch[..group.len() * classes];
            self.back_tables(form, group, g * LANES, some, values, uses, back, sums);
        }
        back.scratch = scratch;
    }

    /// The gradients with respect to the matrices of the plan, from the sums over all segments of pairs, in their order.
    pub fn reduce(&self, uses: &Uses, segments: &[&Sums]) -> Vec<Vec<f32>> {
        use rayon::prelude::*;
        let totals: Vec<Vec<f32>> =
            uses.all.par_iter().enumerate().map(|(u, of)| self.total(u, of, segments)).collect();
        let mut all = vec![Vec::new(); self.plan.small.len()];
        for (of, total) in uses.all.iter().zip(totals) {
            let to: &mut Vec<f32> = &mut all[of.small];
            if to.is_empty() {
                *to = total;
            } else {
                to.iter_mut().zip(total).for_each(|(to, more)| *to += more);
            }
        }
        all
    }

    fn total(&self, u: usize, of: &Use, segments: &[&Sums]) -> Vec<f32> {
        let (rows, columns) = (self.plan.small[of.small].rows, self.plan.small[of.small].columns);
        let mut total = vec![0.0; rows * columns];
        let add = |to: &mut [f32], from: &[f32]| {
            vectorised(
                #[inline(always)]
                || to.iter_mut().zip(from).for_each(|(to, &from)| *to += from),
            );
        };
        match of.kind {
            Kind::Table(By::Left) => {
                for sums in segments {
                    add(&mut total[sums.left.start * columns..][..sums.of[u].len()], &sums.of[u]);
                }
            }
            Kind::Table(_) => segments.iter().for_each(|sums| add(&mut total, &sums.of[u])),
            Kind::Map => segments.iter().filter(|sums| sums.started[u]).for_each(|sums| add(&mut total, &sums.of[u])),
            Kind::MapByClass => {
                // Some classes at a time, so that what is written lies together.
                let mut some = vec![0.0; LANES * rows];
                for start in (0..columns).step_by(LANES) {
                    let classes = start..columns.min(start + LANES);
                    let some = &mut some[..classes.len() * rows];
                    some.fill(0.0);
                    for sums in segments.iter().filter(|sums| sums.started[u]) {
                        add(some, &sums.of[u][classes.start * rows..classes.end * rows]);
                    }
                    for (k, to) in total.chunks_exact_mut(columns).enumerate() {
                        let to = &mut to[classes.clone()];
                        to.iter_mut().enumerate().for_each(|(z, to)| *to = some[z * rows + k]);
                    }
                }
            }
        }
        total
    }
}

impl Back {
    /// Makes the gradients zero of the nodes by which tables are weighted, where they have none yet.
    fn open(&mut self, form: &Form, plan: &Plan, rows: usize) {
        for (node, _) in form.tables.iter().filter_map(|table| table.weight) {
            if !std::mem::replace(&mut self.is_set[node], true) {
                room(&mut self.of[node], rows * plan.nodes[node].width).fill(0.0);
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
        let to = room(&mut self.of[node], rows * width);
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

/// Zeroes the gradient where the activation is not positive.
fn mask(gradient: &mut [f32], activations: &[f32]) {
    vectorised(
        #[inline(always)]
        || gradient.iter_mut().zip(activations).for_each(|(g, &a)| *g = if a > 0.0 { *g } else { 0.0 }),
    );
}

/// Adds every pair's row to that of its element.
fn scatter(pairs: &[[u32; 2]], sum: &mut [f32], by: By, first_left: usize, rows: &[f32], width: usize) {
    for (pair, row) in pairs.iter().zip(rows.chunks_exact(width)) {
        let at = match by {
            By::Left => pair[0] as usize - first_left,
            By::Right => pair[1] as usize,
            By::One | By::Row => 0,
        };
        sum[at * width..][..width].iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
    }
}

/// Adds every pair's row to that of its left element and to that of its right one.
fn scatter_both(
    pairs: &[[u32; 2]],
    left: &mut [f32],
    first_left: usize,
    right: &mut [f32],
    gradient: &[f32],
    width: usize,
) {
    vectorised(
        #[inline(always)]
        || {
            for (&[x, y], gradient) in pairs.iter().zip(gradient.chunks_exact(width)) {
                let left = &mut left[(x as usize - first_left) * width..][..width];
                let right = &mut right[y as usize * width..][..width];
                for k in 0..width {
                    left[k] += gradient[k];
                    right[k] += gradient[k];
                }
            }
        },
    );
}

/// The row of a table's sum that a pair's gradient goes to, where the first row is that of left element `base`.
fn row_of(by: By, base: usize) -> impl Fn([u32; 2]) -> usize {
    move |[x, y]| match by {
        By::Left => x as usize - base,
        By::Right => y as usize,
        By::One | By::Row => 0,
    }
}

/// Adds `weight gradient` to a sum; the product of the gradient and a row.
#[inline(always)]
fn add_and_dot(sum: &mut [f32], gradient: &[f32], weight: f32, row: &[f32]) -> f32 {
    // As many sums at once as hide the time that an addition takes.
    const COLUMNS: usize = 64;
    let mut along = [0.0f32; COLUMNS];
    let (sums, rest_sum) = sum.as_chunks_mut::<COLUMNS>();
    let (gradients, rest_gradient) = gradient.as_chunks::<COLUMNS>();
    let (rows, rest_row) = row.as_chunks::<COLUMNS>();
    for ((sum, gradient), row) in sums.iter_mut().zip(gradients).zip(rows) {
        for k in 0..COLUMNS {
            sum[k] = weight.mul_add(gradient[k], sum[k]);
            along[k] = gradient[k].mul_add(row[k], along[k]);
        }
    }
    let rest = rest_sum.iter_mut().zip(rest_gradient).zip(rest_row);
    for (((sum, &gradient), &row), along) in rest.zip(&mut along) {
        *sum = weight.mul_add(gradient, *sum);
        *along = gradient.mul_add(row, *along);
    }
    // Halves onto halves: one after the other they would wait for each other.
    for half in [32, 16, 8, 4, 2, 1] {
        let (low, high) = along.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
    }
    along[0]
}

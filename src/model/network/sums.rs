//! What gradients are summed up for: every use of a matrix by the nodes of a plan, over the pairs of a segment and then over
//! all segments.

use super::forward::Numbers;
use super::plan::{Input, Node, Plan, SmallId};
use super::rows::By;
use crate::linalg::{Aligned, transpose, vectorised};
use std::ops::Range;

/// How the nodes use a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Its rows, by element.
    Table(By),
    /// As what a node is multiplied by.
    Map,
    /// As what the logits' node is multiplied by: its gradient is summed up transposed.
    MapByClass,
}

/// One use of a matrix by the nodes of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
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
    pub fn find(&self, small: SmallId, kind: Kind) -> Option<usize> {
        self.all.iter().position(|u| (u.small, u.kind) == (small, kind))
    }

    /// Values that the sums over pairs of some elements take.
    pub fn values(&self, plan: &Plan, elements: &Elements) -> usize {
        self.all.iter().map(|u| len(plan, u, elements)).fold(0, usize::saturating_add)
    }

    /// Values among these that are summed up by element.
    pub fn values_by_element(&self, plan: &Plan, elements: &Elements) -> usize {
        let by_element = self.all.iter().filter(|u| matches!(u.kind, Kind::Table(_)));
        by_element.map(|u| len(plan, u, elements)).fold(0, usize::saturating_add)
    }
}

fn len(plan: &Plan, u: &Use, elements: &Elements) -> usize {
    let matrix = &plan.small[u.small];
    let rows = match u.kind {
        Kind::Table(By::Left) => elements.left.len(),
        Kind::Table(By::Right) => elements.right.len(),
        _ => matrix.rows,
    };
    rows.saturating_mul(matrix.columns)
}

/// The elements that some pairs have: of tables by element, only their rows are summed up.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    pub left: Range<usize>,
    pub right: Range<usize>,
}

impl Elements {
    /// The smallest ranges that all pairs lie in.
    pub fn of(pairs: &[[u32; 2]]) -> Self {
        let range = |side: usize| {
            let all = pairs.iter().map(|pair| pair[side] as usize);
            all.clone().min().unwrap_or(0)..all.max().map_or(0, |last| last + 1)
        };
        Self { left: range(0), right: range(1) }
    }

    /// The first of the rows by an element.
    fn first(&self, by: By) -> usize {
        match by {
            By::Left => self.left.start,
            By::Right => self.right.start,
            By::One | By::Row => 0,
        }
    }

    /// The number among these of the row that a pair reads.
    #[inline(always)]
    pub fn row(&self, by: By, pair: [u32; 2]) -> usize {
        by.row(0, pair) - self.first(by)
    }
}

/// Gradients summed over some pairs: of every use, and of tables by element the rows of these pairs' elements alone.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub elements: Elements,
    pub of: Vec<Aligned>,
    /// Whether a map's sum has been written since [`start`](Sums::start).
    pub started: Vec<bool>,
}

impl Sums {
    /// For pairs of some elements.
    pub fn new(plan: &Plan, uses: &Uses, elements: Elements) -> Self {
        let of = uses.all.iter().map(|u| Aligned::zeros(len(plan, u, &elements))).collect();
        Self { of, started: vec![false; uses.all.len()], elements }
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

impl Numbers<'_> {
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
            Kind::Table(by) => {
                for sums in segments {
                    add(&mut total[sums.elements.first(by) * columns..][..sums.of[u].len()], &sums.of[u]);
                }
            }
            Kind::Map => segments.iter().filter(|sums| sums.started[u]).for_each(|sums| add(&mut total, &sums.of[u])),
            Kind::MapByClass => {
                let mut by_class = vec![0.0; columns * rows];
                segments.iter().filter(|sums| sums.started[u]).for_each(|sums| add(&mut by_class, &sums.of[u]));
                transpose(&by_class, columns, rows, &mut total);
            }
        }
        total
    }
}

//! Channels of a site at all pairs: without a pass where the site is an elementwise function of two maps.

use super::Network;
use super::activation::Activation;
use super::plan::{AtomTerm, Form, Input, Node, NodeId, Plan, Request, SmallId, TableTerm, left_and_right};
use super::rows::{By, RowOp};
use crate::error::Result;
use crate::linalg::vectorised;
use crate::model::{Combiner, Interpretable, evaluate};
use ndarray::{Array3, Axis};
use std::ops::Range;

/// A site that is `f(left[x] + right[y]) + b` or `left[x] right[y] + b`.
pub(in crate::model) struct Elementwise {
    pub left: SmallId,
    pub right: SmallId,
    pub combiner: Combiner,
    pub function: Activation,
    pub offset: Option<SmallId>,
}

/// The channels `range` of a site at all pairs: entry [x, y, channel], stored so that y is contiguous.
pub(super) fn columns(network: &Network, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
    evaluate::check_columns(network, site, &range)?;
    let request = Request { kept: vec![site.into()], ..Request::default() };
    let prepared = network.prepared(request);
    let found = prepared.plan.kept.first().and_then(|&(_, node)| elementwise(&prepared.plan, node));
    let Some(site) = found else { return evaluate::columns(network, site, range) };
    let numbers = network.numbers(&prepared);
    let n = network.order();
    let right = numbers.place(site.right).view();
    let right = right.slice_axis(Axis(1), range.clone().into()).t().as_standard_layout().into_owned();
    let right = right.as_slice().expect("standard layout");
    let left = numbers.place(site.left).view();
    let offset = site.offset.map(|id| numbers.place(id).view());
    let mut out = Array3::zeros((n, range.len(), n));
    let into = out.as_slice_mut().expect("freshly made");
    vectorised(
        #[inline(always)]
        || {
            for (row, out) in into.chunks_exact_mut(n).enumerate() {
                let (x, j) = (row / range.len(), row % range.len());
                let channel = range.start + j;
                let (left, right) = (left[[x, channel]], &right[j * n..][..n]);
                let offset = offset.map_or(0.0, |offset| offset[[0, channel]]);
                let values = out.iter_mut().zip(right);
                match (site.combiner, site.function) {
                    (Combiner::Product, _) => values.for_each(|(o, r)| *o = left * r + offset),
                    (Combiner::Sum, Activation::Relu) => {
                        values.for_each(|(o, r)| *o = Activation::Relu.apply(left + r) + offset);
                    }
                    (Combiner::Sum, f) => values.for_each(|(o, r)| *o = f.apply(left + r) + offset),
                }
            }
        },
    );
    Ok(out.permuted_axes([0, 2, 1]))
}

/// How a node follows from two maps, if it does.
pub(in crate::model) fn elementwise(plan: &Plan, node: NodeId) -> Option<Elementwise> {
    match &plan.nodes[node].node {
        Node::Sum(Form { tables, atoms, width }, function) => match (&tables[..], &atoms[..]) {
            ([a, b], []) => {
                let whole = |t: &TableTerm| t.weight.is_none() && (t.at, t.width) == (0, *width);
                let (left, right) = left_and_right((a.table, a.by), (b.table, b.by))?;
                let (combiner, function) = (Combiner::Sum, function.unwrap_or(Activation::Identity));
                let found = Elementwise { left, right, combiner, function, offset: None };
                (whole(a) && whole(b)).then_some(found)
            }
            // A function of a site, and a bias.
            ([one], [AtomTerm { node: of, channels, map: None, at: 0, .. }]) if function.is_none() => {
                let is_offset = one.weight.is_none() && one.by == By::One && (one.at, one.width) == (0, *width);
                let whole = *channels == (0..*width) && plan.nodes[*of].width == *width;
                let inner = elementwise(plan, *of).filter(|inner| inner.offset.is_none() && is_offset && whole)?;
                Some(Elementwise { offset: Some(one.table), ..inner })
            }
            _ => None,
        },
        Node::Rows(RowOp::Product, inputs) => {
            let (left, right) = Input::left_and_right(inputs)?;
            let (combiner, function) = (Combiner::Product, Activation::Identity);
            Some(Elementwise { left, right, combiner, function, offset: None })
        }
        Node::Rows(RowOp::Activate(f), inputs) => match &inputs[..] {
            [Input::Node { node: of, channels }] if *channels == (0..plan.nodes[*of].width) => {
                let inner = elementwise(plan, *of)?;
                let plain =
                    inner.function == Activation::Identity && inner.combiner == Combiner::Sum && inner.offset.is_none();
                plain.then_some(Elementwise { function: *f, ..inner })
            }
            _ => None,
        },
        Node::Rows(..) | Node::Hooked(..) => None,
    }
}

//! Losses, accuracies and columns of sites over all pairs, in row blocks.

use super::loss::outcomes;
use super::{Hooks, Interpretable, LOGITS, LossSum, width};
use crate::error::{Error, Result, check_shape};
use crate::group::{Elem, check_fingerprint};
use crate::linalg::{map_blocks, matmul_into, vectorised};
use crate::memory;
use crate::task::{Pair, Task, pairs};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use std::fmt;
use std::ops::Range;

/// Values of the widest site in a block of rows: 1 MiB of `f32`, about a second-level cache.
const BLOCK_VALUES: usize = 1 << 18;

/// Rows of a block are a multiple of this.
const TILE: usize = 96;

/// Mean loss and accuracy.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Share of pairs whose label is the (first) largest logit.
    pub accuracy: f64,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {:.6e}, accuracy {:.6}", self.loss, self.accuracy)
    }
}

impl Evaluation {
    /// A loss and an accuracy, of a model that takes them in its own way.
    #[must_use]
    pub fn new(loss: f64, accuracy: f64) -> Self {
        Self { loss, accuracy }
    }

    /// Averages (loss, correct) pairs summed elsewhere.
    pub(crate) fn from_sums(loss: f64, correct: usize, count: usize) -> Self {
        Self { loss: loss / count as f64, accuracy: correct as f64 / count as f64 }
    }
}

/// Cross-entropy of each row of logits: `ln(1 + sum over z != target of exp(l_z - l_target))`.
///
/// Relative error below 1e-5 against `f64` down to 1e-15: exponentials in `f32`, sums in `f64`, the target's own term
/// left out of the sum. NaN logits give NaN.
///
/// # Arguments
/// `logits`: (rows, classes); `targets`: one class a row.
///
/// # Errors
/// [`Error::Shape`] unless there is one target a row; [`Error::UnknownElement`] for a target beyond the classes.
///
/// ```
/// let losses = irreplens::model::cross_entropy(ndarray::array![[0.0, 40.0]].view(), &[1])?;
/// assert!((losses[0] / (-40f64).exp() - 1.0).abs() < 1e-5);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn cross_entropy(logits: ArrayView2<'_, f32>, targets: &[u32]) -> Result<Vec<f64>> {
    let (rows, classes) = logits.dim();
    check_shape("targets", &[rows], &[targets.len()])?;
    if let Some(&got) = targets.iter().find(|&&t| t as usize >= classes) {
        return Err(Error::UnknownElement { order: classes, got: got as usize });
    }
    Ok(outcomes(logits, targets).into_iter().map(|outcome| outcome.loss).collect())
}

/// Rows of a block when every row holds as many values as the widest site, one position of it where it has several: fixed by
/// the model and the group, never by the threads.
pub(crate) fn block_rows(model: &dyn Interpretable) -> usize {
    let sites = model.sites();
    // A site with several positions comes right behind the last of them.
    let of_all_positions =
        |i: usize| i > 0 && sites[i - 1].name.strip_prefix(&*sites[i].name).is_some_and(|p| p.starts_with('['));
    let widths = sites.iter().enumerate().filter(|&(i, _)| !of_all_positions(i)).map(|(_, site)| site.width);
    let widest = widths.max().unwrap_or(1).max(1);
    let pairs = model.order() * model.order();
    // At least 32 blocks where there is work for them, so that any number of threads is kept busy; whole tiles of the
    // matrix product, and whole groups of rows of the loss.
    ((BLOCK_VALUES / widest).min(pairs / 32) / TILE).max(1) * TILE
}

/// [`Error::NonFiniteActivation`] naming the first pair at which a site's activations (pairs, width) are not all finite.
/// Cost: one addition a value.
pub(crate) fn check_finite(site: &str, values: ArrayView2<'_, f32>, pairs: &[Pair]) -> Result<()> {
    // Times zero a number is zero; infinity and NaN are NaN, and stay so in a sum.
    const LANES: usize = 16;
    let all_finite = |values: &[f32]| {
        vectorised(
            #[inline(always)]
            || {
                let mut sums = [0.0f32; LANES];
                let (chunks, rest) = values.as_chunks::<LANES>();
                for chunk in chunks {
                    for k in 0..LANES {
                        sums[k] += chunk[k] * 0.0;
                    }
                }
                sums.iter().chain(rest).all(|v| v.is_finite())
            },
        )
    };
    if values.as_slice_memory_order().is_some_and(all_finite) {
        return Ok(());
    }
    match values.indexed_iter().find(|(_, v)| !v.is_finite()) {
        None => Ok(()),
        Some(((row, channel), &got)) => {
            let (x, y) = pairs[row];
            Err(Error::NonFiniteActivation { site: site.into(), pair: [x.index(), y.index()], channel, got })
        }
    }
}

/// Why a sum over all pairs of a site is not finite: the first pair whose logits or activations are not, or else that
/// finite activations are too large for what was made of them.
pub(super) fn overflow(model: &dyn Interpretable, site: &str) -> Error {
    let n = model.order();
    let check = |range: Range<usize>| {
        let pairs = pairs(n, range);
        let keep: &[&str] = if site == LOGITS { &[LOGITS] } else { &[site, LOGITS] };
        let mut cache = model.run_with_cache(&pairs, keep)?;
        keep.iter().rev().try_for_each(|site| check_finite(site, cache.take(site)?.view(), &pairs))
    };
    let blocks = map_blocks(n * n, block_rows(model), check);
    let expected = "finite numbers in f32, of activations that are small enough";
    let none = Error::Range { what: "coefficients of a 2-D transform", expected, got: f64::INFINITY };
    blocks.into_iter().find_map(Result::err).unwrap_or(none)
}

pub(crate) fn check_task(model: &dyn Interpretable, task: &Task) -> Result<()> {
    check_shape("group of the task", &[model.order()], &[task.order()])?;
    check_fingerprint("group of the task", model.fingerprint(), task.fingerprint())
}

/// Mean loss and accuracy over all pairs: row blocks in parallel, their sums added in order.
pub(super) fn evaluate(model: &dyn Interpretable, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
    check_task(model, task)?;
    let block = |range: Range<usize>| {
        let pairs = task.pairs(range.clone());
        let logits = model.run_with_hooks(&pairs, hooks, &[LOGITS])?.take(LOGITS)?;
        check_finite(LOGITS, logits.view(), &pairs)?;
        Ok(LossSum::of(logits.view(), &task.labels()[range]))
    };
    let sums = map_blocks(task.labels().len(), block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(LossSum::mean(sums.into_iter()))
}

/// The element with the (first) largest logit at every pair: (n, n).
///
/// # Errors
/// [`Error::NonFiniteActivation`]; those of `forward`.
pub(crate) fn winners(model: &dyn Interpretable) -> Result<Array2<Elem>> {
    let n = model.order();
    let block = |range: Range<usize>| {
        let pairs = pairs(n, range);
        let logits = model.forward(&pairs)?;
        check_finite(LOGITS, logits.view(), &pairs)?;
        let mut best: Vec<(f32, usize)> = vec![(f32::NEG_INFINITY, 0); pairs.len()];
        for (z, column) in logits.axis_iter(Axis(1)).enumerate() {
            for (best, &logit) in best.iter_mut().zip(column) {
                if logit > best.0 {
                    *best = (logit, z);
                }
            }
        }
        Ok(best.into_iter().map(|(_, z)| Elem::new(z)).collect::<Vec<_>>())
    };
    let blocks = map_blocks(n * n, block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(Array2::from_shape_vec((n, n), blocks.concat()).expect("one winner a pair"))
}

pub(super) fn check_columns(model: &dyn Interpretable, site: &str, range: &Range<usize>) -> Result<()> {
    let (n, width) = (model.order(), width(model, site)?);
    if range.end > width || range.start > range.end {
        return Err(Error::UnknownChannel { site: site.into(), channel: range.end.max(range.start), width });
    }
    memory::check("columns of a site at all pairs", all_pairs_bytes(n, range.len()))
}

/// Bytes of `width` activations at all pairs, or `usize::MAX` if that is less.
pub(crate) fn all_pairs_bytes(order: usize, width: usize) -> usize {
    memory::bytes::<f32>(&[order, order, width])
}

/// Columns of any site from passes over row blocks; those of the logits from the unembedding's columns alone.
pub(super) fn columns(model: &dyn Interpretable, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
    check_columns(model, site, &range)?;
    let (n, channels) = (model.order(), range.len());
    let readout = model.readout();
    let unembedding = readout.unembedding().filter(|_| site == LOGITS);
    let offset = readout.offset();
    // (x, channel, y): the layout in which transforms are matrix products.
    let mut out = Array3::zeros((n, channels, n));
    let per_block = block_rows(model).div_ceil(n);
    for first in (0..n).step_by(per_block) {
        let rows = first..n.min(first + per_block);
        let block = pairs(n, rows.start * n..rows.end * n);
        let Some(unembedding) = &unembedding else {
            let all = model.run_with_cache(&block, &[site])?.take(site)?;
            for (i, x) in rows.enumerate() {
                out.slice_mut(s![x, .., ..]).assign(&all.slice(s![i * n..(i + 1) * n, range.clone()]).t());
            }
            continue;
        };
        let read = model.run_with_cache(&block, &[readout.site()])?.take(readout.site())?;
        let weights = unembedding.slice(s![.., range.clone()]).as_standard_layout().into_owned();
        for (i, x) in rows.enumerate() {
            let mut out = out.slice_mut(s![x, .., ..]);
            matmul_into(weights.t(), read.slice(s![i * n..(i + 1) * n, ..]).t(), out.view_mut());
            for (mut row, &constant) in out.outer_iter_mut().zip(offset.slice(s![range.clone()])) {
                row += constant;
            }
        }
    }
    Ok(out.permuted_axes([0, 2, 1]))
}

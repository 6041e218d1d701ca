//! The parts of the hidden layer that are functions of the product xy, block by block: what a network loses without them
//! and what it can do with them alone.
//!
//! With `H[p] = (1/n) sum over pairs with xy = p of hidden(x, y)`, block b's part at (x, y) is `R_b[xy]`, R_b the
//! projection of H onto the rows of b in every sector.

use super::stream::{LossSum, stream};
use crate::error::{Error, Result};
use crate::fourier::{FourierBasis, forward, inverse};
use crate::group::Elem;
use crate::linalg::{map_blocks, matmul};
use crate::model::{Evaluation, Interpretable, LOGITS, block_rows, check_memory, outcomes};
use crate::task::{Pair, Split, Task};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use std::ops::Range;

/// Partial sums that [`stream`] keeps at once.
const PARTIAL_SUMS: usize = 64;

/// Which pairs are trained and which are tested on.
pub(super) struct Sets {
    train: Vec<bool>,
    test: Vec<bool>,
}

impl Sets {
    /// Held to the number of pairs of `task`.
    pub(super) fn new(task: &Task, split: &Split) -> Result<Self> {
        let flags = |set: &[usize]| {
            let mut flags = vec![false; task.labels().len()];
            for &pair in set {
                *flags.get_mut(pair).ok_or(Error::Range {
                    what: "pair of the split",
                    expected: "an index below the task's number of pairs",
                    got: pair as f64,
                })? = true;
            }
            Ok(flags)
        };
        Ok(Self { train: flags(&split.train)?, test: flags(&split.test)? })
    }

    fn training_pairs(&self) -> Vec<usize> {
        (0..self.train.len()).filter(|&pair| self.train[pair]).collect()
    }
}

/// What one pass over all pairs gives.
pub(super) struct Pass {
    /// Over the training pairs, if there are any.
    pub train: Option<Evaluation>,
    /// Over the test pairs.
    pub test: Option<Evaluation>,
    /// H, the readout site averaged over the pairs of each product: (n, width).
    pub by_product: Array2<f32>,
}

impl Pass {
    pub(super) fn new(model: &(impl Interpretable + ?Sized), task: &Task, sets: &Sets) -> Result<Self> {
        let (n, width) = (task.order(), crate::model::width(model, model.readout_site())?);
        let needed = [width, PARTIAL_SUMS, size_of::<f64>()].into_iter().fold(n, usize::saturating_mul);
        check_memory("sums of activations by product", needed)?;
        let start = || (Array2::<f64>::zeros((n, width)), [LossSum::default(); 2]);
        let blocks = stream(model, task, start, |(sums, losses), block| {
            let outcomes = outcomes(block.logits.view(), block.labels);
            for (((x, y), &p), (row, outcome)) in
                block.pairs.iter().zip(block.labels).zip(block.readout.outer_iter().zip(outcomes))
            {
                let mut sum = sums.row_mut(p as usize);
                sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
                let pair = x.index() * n + y.index();
                for (set, loss) in [&sets.train, &sets.test].into_iter().zip(losses.iter_mut()) {
                    if set[pair] {
                        loss.add_one(outcome);
                    }
                }
            }
        })?;
        let evaluation = |set: &[bool], i: usize| {
            set.contains(&true).then(|| LossSum::mean(blocks.iter().map(|(_, losses)| losses[i])))
        };
        let (train, test) = (evaluation(&sets.train, 0), evaluation(&sets.test, 1));
        let sums = blocks.into_iter().fold(Array2::<f64>::zeros((n, width)), |total, (sums, _)| total + sums);
        Ok(Self { train, test, by_product: sums.mapv(|sum| (sum / n as f64) as f32) })
    }
}

/// R of every set of blocks: (n, width) each.
pub(super) fn parts(
    basis: &dyn FourierBasis,
    by_product: ArrayView2<'_, f32>,
    sets_of_blocks: &[Vec<usize>],
) -> Result<Vec<Array2<f32>>> {
    let coefficients = forward(basis, by_product)?;
    let part = |blocks: &Vec<usize>| {
        let mut kept = Array3::zeros(coefficients.dim());
        for &b in blocks {
            let rows = s![.., basis.blocks()[b].rows.clone(), ..];
            kept.slice_mut(rows).assign(&coefficients.slice(rows));
        }
        inverse(basis, kept.view())
    };
    sets_of_blocks.iter().map(part).collect()
}

/// Restricted losses: over all pairs, of the readout of each part alone. It depends on xy only, and every product occurs
/// n times: n rows are enough.
pub(super) fn restricted(model: &(impl Interpretable + ?Sized), parts: &[Array2<f32>]) -> Result<Vec<Evaluation>> {
    let labels: Vec<u32> = (0..model.order() as u32).collect();
    let loss = |part: &Array2<f32>| {
        let mut sum = LossSum::default();
        sum.add(model.readout(part.view())?.view(), &labels);
        Ok(LossSum::mean([sum].into_iter()))
    };
    parts.iter().map(loss).collect()
}

/// Excluded losses: over the training pairs, of the logits less `(R W_U)[xy]` for each part; `None` without such pairs.
///
/// One pass over the training pairs, in row-major order, for all parts.
pub(super) fn excluded(
    model: &(impl Interpretable + ?Sized),
    unembedding: ArrayView2<'_, f32>,
    task: &Task,
    sets: &Sets,
    parts: &[Array2<f32>],
) -> Result<Option<Vec<Evaluation>>> {
    let training_pairs = sets.training_pairs();
    if training_pairs.is_empty() {
        return Ok(None);
    }
    let n = task.order();
    let needed = [n, n, size_of::<f32>()].into_iter().fold(parts.len(), usize::saturating_mul);
    check_memory("logits of every key block by product", needed)?;
    // (class, product): a class's corrections are contiguous, as its logits are.
    let read: Vec<_> = map_blocks(parts.len(), 1, |i| matmul(unembedding.t(), parts[i.start].t()));
    let block = |range: Range<usize>| {
        let indices = &training_pairs[range];
        let pairs: Vec<Pair> = indices.iter().map(|&i| (Elem::new(i / n), Elem::new(i % n))).collect();
        let labels: Vec<u32> = indices.iter().map(|&i| task.labels()[i]).collect();
        let logits = model.run_with_cache(&pairs, &[LOGITS])?.take(LOGITS)?;
        let mut without = logits.clone();
        let loss = |read: &Array2<f32>| {
            for (mut without, (logits, read)) in
                without.axis_iter_mut(Axis(1)).zip(logits.axis_iter(Axis(1)).zip(read.outer_iter()))
            {
                let logits_and_labels = logits.iter().zip(&labels);
                without.iter_mut().zip(logits_and_labels).for_each(|(w, (l, &p))| *w = l - read[p as usize]);
            }
            let mut sum = LossSum::default();
            sum.add(without.view(), &labels);
            sum
        };
        Ok(read.iter().map(loss).collect::<Vec<_>>())
    };
    let blocks = map_blocks(training_pairs.len(), block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(Some((0..parts.len()).map(|i| LossSum::mean(blocks.iter().map(|sums| sums[i]))).collect()))
}

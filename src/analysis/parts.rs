//! The parts of the hidden layer that are functions of the product xy, block by block: what a network loses without them
//! and what it can do with them alone.
//!
//! With `H[p] = (1/n) sum over pairs with xy = p of hidden(x, y)`, block b's part at (x, y) is `R_b[xy]`, R_b the
//! projection of H onto the rows of b in every sector.

use super::stream::{LossSum, PairBlock, stream};
use crate::error::{Error, Result};
use crate::fourier::{FourierBasis, forward, inverse};
use crate::group::Elem;
use crate::linalg::{map_blocks, matmul, vectorised};
use crate::model::{Evaluation, Interpretable, LOGITS, block_rows, check_memory, outcomes};
use crate::task::{Pair, Split, Task};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};
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

/// What one pass over all pairs gives of the readout site and the logits.
pub(super) struct Pass {
    /// Over the training pairs, if there are any.
    pub train: Option<Evaluation>,
    /// Over the test pairs.
    pub test: Option<Evaluation>,
    /// Over all pairs.
    pub all: Evaluation,
    /// The readout site averaged over the pairs with left element x: (n, width).
    pub by_left: Array2<f64>,
    /// The same by right element.
    pub by_right: Array2<f64>,
    /// H, the same by product.
    pub by_product: Array2<f64>,
    /// Square norm of every channel of the readout site.
    pub energy: Array1<f64>,
    /// Square norm of the logits less their mean over the classes.
    pub logit_energy: f64,
}

/// The sums behind a [`Pass`].
struct Sums {
    /// By left element, by right element, by product.
    sums: [Array2<f64>; 3],
    energy: Array1<f64>,
    logit_energy: f64,
    /// Of training pairs, test pairs, all pairs.
    losses: [LossSum; 3],
}

impl Pass {
    pub(super) fn new(model: &(impl Interpretable + ?Sized), task: &Task, sets: &Sets) -> Result<Self> {
        let (n, width) = (task.order(), crate::model::width(model, model.readout_site())?);
        let needed = [width, 3 * PARTIAL_SUMS, size_of::<f64>()].into_iter().fold(n, usize::saturating_mul);
        check_memory("sums of activations by product", needed)?;
        let start = || Sums {
            sums: [(); 3].map(|()| Array2::zeros((n, width))),
            energy: Array1::zeros(width),
            logit_energy: 0.0,
            losses: [LossSum::default(); 3],
        };
        let blocks = stream(model, task, start, |total, block| {
            let outcomes = outcomes(block.logits.view(), block.labels);
            for ((x, y), outcome) in block.pairs.iter().zip(outcomes) {
                let pair = x.index() * n + y.index();
                for (set, loss) in [sets.train[pair], sets.test[pair], true].into_iter().zip(&mut total.losses) {
                    if set {
                        loss.add_one(outcome);
                    }
                }
            }
            total.add_readout(block);
            total.logit_energy += centred_energy(block.logits.view());
        })?;
        let evaluation = |set: &[bool], i: usize| {
            set.contains(&true).then(|| LossSum::mean(blocks.iter().map(|sums| sums.losses[i])))
        };
        let (train, test) = (evaluation(&sets.train, 0), evaluation(&sets.test, 1));
        let all = LossSum::mean(blocks.iter().map(|sums| sums.losses[2]));
        let total = blocks
            .into_iter()
            .reduce(|mut total, block| {
                for (sum, more) in total.sums.iter_mut().zip(&block.sums) {
                    *sum += more;
                }
                total.energy += &block.energy;
                total.logit_energy += block.logit_energy;
                total
            })
            .expect("a group has an element");
        let [by_left, by_right, by_product] = total.sums.map(|sums| sums / n as f64);
        let (energy, logit_energy) = (total.energy, total.logit_energy);
        Ok(Self { train, test, all, by_left, by_right, by_product, energy, logit_energy })
    }

    /// The mean of every channel of the readout site.
    pub(super) fn mean(&self) -> Array1<f64> {
        self.by_product.mean_axis(Axis(0)).expect("a group has an element")
    }
}

impl Sums {
    fn add_readout(&mut self, block: &PairBlock<'_>) {
        let Self { sums: [left, right, product], energy, .. } = self;
        let width = energy.len();
        let [left, right, product, energy] =
            [left.as_slice_mut(), right.as_slice_mut(), product.as_slice_mut(), energy.as_slice_mut()]
                .map(|slice| slice.expect("standard layout"));
        let readout = block.readout.as_slice().expect("standard layout");
        vectorised(
            #[inline(always)]
            || {
                for (i, row) in readout.chunks_exact(width.max(1)).enumerate() {
                    let (x, y) = block.pairs[i];
                    let at = |row: usize| row * width..(row + 1) * width;
                    let left = &mut left[at(x.index())];
                    let right = &mut right[at(y.index())];
                    let product = &mut product[at(block.labels[i] as usize)];
                    for k in 0..width {
                        let value = f64::from(row[k]);
                        left[k] += value;
                        right[k] += value;
                        product[k] += value;
                        energy[k] += value * value;
                    }
                }
            },
        );
    }
}

/// Square norm of logits (pairs, classes) less each pair's mean.
fn centred_energy(logits: ArrayView2<'_, f32>) -> f64 {
    let (pairs, classes) = logits.dim();
    let (mut sums, mut squares) = (vec![0.0; pairs], vec![0.0; pairs]);
    for column in logits.axis_iter(Axis(1)) {
        let copy;
        let values = match column.as_slice() {
            Some(values) => values,
            None => {
                copy = column.to_vec();
                &copy
            }
        };
        vectorised(
            #[inline(always)]
            || {
                for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(values) {
                    let value = f64::from(value);
                    *sum += value;
                    *square += value * value;
                }
            },
        );
    }
    sums.iter().zip(&squares).map(|(sum, square)| square - sum * sum / classes as f64).sum()
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
    parts.iter().map(|part| Ok(evaluation(model.readout(part.view())?.view(), &labels))).collect()
}

/// Mean loss and accuracy of rows of logits.
pub(super) fn evaluation(logits: ArrayView2<'_, f32>, labels: &[u32]) -> Evaluation {
    let mut sum = LossSum::default();
    sum.add(logits, labels);
    LossSum::mean([sum].into_iter())
}

/// What each part writes to the logits, `(R W_U)[p, z]`, laid out by (class, product) for [`excluded`].
pub(super) fn written(model: &(impl Interpretable + ?Sized), parts: &[Array2<f32>]) -> Result<Vec<Array2<f32>>> {
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    check_corrections(model.order(), parts.len())?;
    // The readout is affine; where its linear part is known, one product with the result in the layout wanted.
    if let Some(unembedding) = model.unembedding() {
        return Ok(map_blocks(parts.len(), 1, |i| matmul(unembedding.t(), parts[i.start].t())));
    }
    let offset = model.readout(Array2::zeros((1, first.ncols())).view())?;
    let written = |part: &Array2<f32>| {
        let logits = model.readout(part.view())? - &offset;
        Ok(logits.reversed_axes().as_standard_layout().into_owned())
    };
    parts.iter().map(written).collect()
}

/// Memory for so many corrections of [`excluded`].
pub(super) fn check_corrections(n: usize, corrections: usize) -> Result<()> {
    let needed = [n, n, size_of::<f32>()].into_iter().fold(corrections, usize::saturating_mul);
    check_memory("logits of every key block by product", needed)
}

/// Excluded losses: over the training pairs, of the logits less `correction[z, xy]` for each correction; `None` without
/// such pairs.
///
/// One pass over the training pairs, product by product, for all corrections.
pub(super) fn excluded(
    model: &(impl Interpretable + ?Sized),
    task: &Task,
    sets: &Sets,
    corrections: &[Array2<f32>],
) -> Result<Option<Vec<Evaluation>>> {
    let mut training_pairs = sets.training_pairs();
    if training_pairs.is_empty() {
        return Ok(None);
    }
    let (n, labels) = (task.order(), task.labels());
    // Pairs of one product stand together: within a run a correction is one number a class.
    training_pairs.sort_by_key(|&pair| labels[pair]);
    let block = |range: Range<usize>| {
        let indices = &training_pairs[range];
        let pairs: Vec<Pair> = indices.iter().map(|&i| (Elem::new(i / n), Elem::new(i % n))).collect();
        let labels: Vec<u32> = indices.iter().map(|&i| labels[i]).collect();
        let logits = model.run_with_cache(&pairs, &[LOGITS])?.take(LOGITS)?;
        // (class, pair): the layout that losses are fastest in.
        let logits = logits.reversed_axes();
        let logits = logits.as_standard_layout();
        let mut without = Array2::zeros(logits.dim());
        let runs: Vec<&[u32]> = labels.chunk_by(|a, b| a == b).collect();
        let loss = |correction: &Array2<f32>| {
            for ((mut without, logits), correction) in
                without.outer_iter_mut().zip(logits.outer_iter()).zip(correction.outer_iter())
            {
                let mut without = without.as_slice_mut().expect("standard layout");
                let mut logits = logits.to_slice().expect("standard layout");
                for run in &runs {
                    let by = correction[run[0] as usize];
                    let (to, rest) = without.split_at_mut(run.len());
                    let (from, more) = logits.split_at(run.len());
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = from - by);
                    (without, logits) = (rest, more);
                }
            }
            let mut sum = LossSum::default();
            sum.add(without.t(), &labels);
            sum
        };
        Ok(corrections.iter().map(loss).collect::<Vec<_>>())
    };
    let blocks = map_blocks(training_pairs.len(), block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(Some((0..corrections.len()).map(|i| LossSum::mean(blocks.iter().map(|sums| sums[i]))).collect()))
}

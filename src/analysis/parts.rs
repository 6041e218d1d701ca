//! The parts of the hidden layer that are functions of the product xy, block by block: what a network loses without them
//! and what it can do with them alone.
//!
//! With `H[p] = (1/n) sum over pairs with xy = p of hidden(x, y)`, block b's part at (x, y) is `R_b[xy]`, R_b the
//! projection of H onto the rows of b in every sector.

use crate::error::Result;
use crate::fourier::{BlockId, FourierBasis, forward, inverse};
use crate::group::Elem;
use crate::linalg::map_blocks;
use crate::memory;
use crate::model::{Evaluation, Interpretable, LossSum, PairMeans, Readout, block_rows, hidden_readout};
use crate::task::{Pair, Split, Task};
use ndarray::{Array2, Array3, ArrayView2, s};
use std::ops::Range;

/// For every pair, whether it is trained or tested on.
pub(super) struct SplitPairs {
    train: Vec<bool>,
    test: Vec<bool>,
}

impl SplitPairs {
    pub(super) fn new(task: &Task, split: &Split) -> Result<Self> {
        split.check(task.order())?;
        let flags = |set: &[usize]| {
            let mut flags = vec![false; task.labels().len()];
            set.iter().for_each(|&pair| flags[pair] = true);
            flags
        };
        Ok(Self { train: flags(&split.train), test: flags(&split.test) })
    }

    /// The pass over all pairs that measures start from.
    pub(super) fn sums(&self, model: &dyn Interpretable, task: &Task) -> Result<PairMeans> {
        model.pair_means(task, &[&self.train, &self.test])
    }

    fn training_pairs(&self) -> Vec<usize> {
        (0..self.train.len()).filter(|&pair| self.train[pair]).collect()
    }
}

/// The part R_b of the means by product for every set of blocks: (n, width) each.
pub(super) fn parts_of_blocks(
    basis: &dyn FourierBasis,
    by_product: ArrayView2<'_, f32>,
    sets_of_blocks: &[Vec<BlockId>],
) -> Result<Vec<Array2<f32>>> {
    let coefficients = forward(basis, by_product)?;
    let part = |blocks: &Vec<BlockId>| {
        let mut kept = Array3::zeros(coefficients.dim());
        for &b in blocks {
            let rows = s![.., basis.blocks()[b.index()].rows.clone(), ..];
            kept.slice_mut(rows).assign(&coefficients.slice(rows));
        }
        inverse(basis, kept.view())
    };
    sets_of_blocks.iter().map(part).collect()
}

/// Restricted losses: over all pairs, of the readout of each part alone. It depends on xy only, and every product occurs
/// n times: n rows are enough.
pub(super) fn restricted(model: &dyn Interpretable, parts: &[Array2<f32>]) -> Result<Vec<Evaluation>> {
    let labels: Vec<u32> = (0..model.order() as u32).collect();
    let readout = hidden_readout(model);
    parts.iter().map(|part| Ok(evaluation(readout.logits(part.view())?.view(), &labels))).collect()
}

pub(super) fn evaluation(logits: ArrayView2<'_, f32>, labels: &[u32]) -> Evaluation {
    LossSum::mean([LossSum::of(logits, labels)].into_iter())
}

/// What each part writes to the logits, `(R W_U)[p, z]`, laid out by (class, product) for [`excluded`].
pub(super) fn logits_of_parts(model: &dyn Interpretable, parts: &[Array2<f32>]) -> Result<Vec<Array2<f32>>> {
    check_corrections(model.order(), parts.len())?;
    let linear = hidden_readout(model).with_bias(None);
    let written = |i: Range<usize>| Ok(linear.logits(parts[i.start].view())?.reversed_axes());
    map_blocks(parts.len(), 1, written).into_iter().collect()
}

/// Checks that there is memory for the corrections of [`excluded`].
pub(super) fn check_corrections(n: usize, corrections: usize) -> Result<()> {
    memory::check("logits of every key block by product", memory::bytes::<f32>(&[corrections, n, n]))
}

/// Loss and accuracy over all pairs of what the neurons' own path alone writes to the logits.
pub(super) fn path_alone(model: &dyn Interpretable, task: &Task) -> Result<Evaluation> {
    let readout = hidden_readout(model);
    let block = |range: Range<usize>| {
        let logits = logits_of(model, readout, &task.pairs(range.clone()))?;
        Ok(LossSum::of(logits.view(), &task.labels()[range]))
    };
    let blocks = map_blocks(task.labels().len(), block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(LossSum::mean(blocks.into_iter()))
}

/// What a readout reads off a model at some pairs.
fn logits_of(model: &dyn Interpretable, readout: Readout<'_>, pairs: &[Pair]) -> Result<Array2<f32>> {
    readout.logits(model.run_with_cache(pairs, &[readout.site()])?.take(readout.site())?.view())
}

/// Excluded losses: over the training pairs, of the logits less `correction[z, xy]` for each correction; `None` without
/// such pairs.
///
/// One pass over the training pairs, product by product, for all corrections.
///
/// # Arguments
/// `readout`: [`Readout::of_logits`] for the logits of the model; [`hidden_readout`] for those that the neurons' own path alone
/// writes, as published.
pub(super) fn excluded(
    model: &dyn Interpretable,
    readout: Readout<'_>,
    task: &Task,
    sets: &SplitPairs,
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
        let logits = logits_of(model, readout, &pairs)?;
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
            LossSum::of(without.t(), &labels)
        };
        Ok(corrections.iter().map(loss).collect::<Vec<_>>())
    };
    let blocks = map_blocks(training_pairs.len(), block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(Some((0..corrections.len()).map(|i| LossSum::mean(blocks.iter().map(|sums| sums[i]))).collect()))
}

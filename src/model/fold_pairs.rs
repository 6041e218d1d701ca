//! One pass over all pairs, block by block, that analyses add their sums in.

use super::centred::less_mean;
use super::evaluate::{block_rows, check_finite, check_task};
use super::loss::{Outcome, outcomes};
use super::{Evaluation, Interpretable, LOGITS, hidden_readout};
use crate::error::Result;
use crate::linalg::fold_blocks;
use crate::task::{Pair, Task};
use ndarray::{Array2, ArrayView2};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A block of pairs on its way through a model.
pub(crate) struct PairBlock<'a> {
    /// The pairs.
    pub pairs: Vec<Pair>,
    /// The labels of these pairs.
    pub labels: &'a [u32],
    /// Activations of the site of [`hidden_readout`]: (pairs, width), row-major; of the logits, these less each pair's mean.
    pub hidden: Array2<f32>,
    /// Activations of the readout site, row-major, where that is another site.
    pub readout: Option<Array2<f32>>,
    /// Logits: (pairs, n), column-major where they come from this crate's models.
    pub logits: Array2<f32>,
}

/// The largest number of totals that a pass adds its blocks to.
pub(crate) const MOST_TOTALS: usize = 64;

/// One forward pass over all pairs in row blocks, in parallel: `f` adds every block to a total, of which there are at
/// most 64, in order.
///
/// Analyses that look at different things in the same pass are called from one `f`.
pub(crate) fn fold_pairs<T: Send + Serialize + DeserializeOwned>(
    model: &dyn Interpretable,
    task: &Task,
    start: impl Fn() -> T + Sync,
    f: impl Fn(&mut T, &PairBlock<'_>) + Sync,
) -> Result<Vec<T>> {
    fold_pairs_into(model, task, MOST_TOTALS, start, f)
}

/// [`fold_pairs`] into at most `totals` totals.
pub(super) fn fold_pairs_into<T: Send + Serialize + DeserializeOwned>(
    model: &dyn Interpretable,
    task: &Task,
    totals: usize,
    start: impl Fn() -> T + Sync,
    f: impl Fn(&mut T, &PairBlock<'_>) + Sync,
) -> Result<Vec<T>> {
    check_task(model, task)?;
    let (site, read) = (hidden_readout(model).site(), model.readout().site());
    let mut keep = vec![LOGITS, site];
    if read != site {
        keep.push(read);
    }
    keep.dedup();
    fold_rows(model, totals, start, |total, range| {
        let pairs = task.pairs(range.clone());
        let mut cache = model.run_with_cache(&pairs, &keep)?;
        let logits = cache.take(LOGITS)?;
        check_finite(LOGITS, logits.view(), &pairs)?;
        let row_major = |site: &str, values: Array2<f32>| {
            check_finite(site, values.view(), &pairs)?;
            match values.is_standard_layout() {
                true => Ok(values),
                false => Ok(values.as_standard_layout().into_owned()),
            }
        };
        let hidden = if site == LOGITS { less_mean(logits.clone()) } else { cache.take(site)? };
        let hidden = row_major(site, hidden)?;
        let readout = if read == site { None } else { Some(row_major(read, cache.take(read)?)?) };
        f(total, &PairBlock { labels: &task.labels()[range], hidden, readout, logits, pairs });
        Ok(())
    })
}

/// All pairs in row blocks, in parallel: `f` adds every block to a total, of which there are at most `totals`, in order.
pub(crate) fn fold_rows<T: Send + Serialize + DeserializeOwned>(
    model: &dyn Interpretable,
    totals: usize,
    start: impl Fn() -> T + Sync,
    f: impl Fn(&mut T, Range<usize>) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let add = |total: &mut Result<T>, range| {
        if let Ok(sum) = total
            && let Err(error) = f(sum, range)
        {
            *total = Err(error);
        }
    };
    fold_blocks(model.order().pow(2), block_rows(model), totals, || Ok(start()), add).into_iter().collect()
}

/// Sums of losses and of correct answers, to be divided by the number of pairs at the end.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LossSum {
    loss: f64,
    correct: usize,
    count: usize,
}

impl LossSum {
    /// The sum over a block of logits.
    pub(crate) fn of(logits: ArrayView2<'_, f32>, labels: &[u32]) -> Self {
        let mut sum = Self::default();
        sum.add(logits, labels);
        sum
    }

    pub(crate) fn add(&mut self, logits: ArrayView2<'_, f32>, labels: &[u32]) {
        outcomes(logits, labels).into_iter().for_each(|outcome| self.add_one(outcome));
    }

    pub(crate) fn add_one(&mut self, outcome: Outcome) {
        self.loss += outcome.loss;
        self.correct += usize::from(outcome.correct);
        self.count += 1;
    }

    /// The means over all blocks, which are NaN if there is no pair.
    pub(crate) fn mean(blocks: impl Iterator<Item = Self>) -> Evaluation {
        let total = blocks.fold(Self::default(), |a, b| Self {
            loss: a.loss + b.loss,
            correct: a.correct + b.correct,
            count: a.count + b.count,
        });
        Evaluation::from_sums(total.loss, total.correct, total.count)
    }
}

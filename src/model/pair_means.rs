//! Means of the hidden layer over the pairs with one left element, right element or product.

use super::fold_pairs::{LossSum, MOST_TOTALS, PairBlock, fold_pairs_into};
use super::loss::outcomes;
use super::{Evaluation, Interpretable, hidden_is_read_out, hidden_readout, width};
use crate::error::{Result, check_shape};
use crate::linalg::vectorised;
use crate::memory;
use crate::task::Task;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// A total of [`fold_pairs_into`] takes at least this many pairs for each element: setting its 2 n rows to zero and adding
/// them up is then little work beside the pairs.
const PAIRS_PER_ELEMENT: usize = 12;

/// What one pass over all pairs gives of the hidden layer and the logits: what [`Interpretable::pair_means`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct PairMeans {
    /// Over the pairs of each set asked for; `None` for an empty one.
    pub sets: Vec<Option<Evaluation>>,
    /// Over all pairs.
    pub all: Evaluation,
    /// The hidden layer averaged over the pairs with left element x: (n, width). The hidden layer is the neurons where their
    /// path to the logits is known ([`Interpretable::neuron_path`]), else the readout site; where that is the logits, all
    /// means are of the logits less each pair's mean over the classes.
    pub by_left: Array2<f64>,
    /// The hidden layer averaged over the pairs with right element y: (n, width).
    pub by_right: Array2<f64>,
    /// The hidden layer averaged over the pairs with product p: (n, width).
    pub by_product: Array2<f64>,
    /// The logits averaged over the pairs with product p: (n, n), entry [p, z]; where the logits are the hidden layer, less
    /// their mean over the classes.
    pub logits_by_product: Array2<f32>,
    /// Square norm of every channel of the hidden layer over all pairs.
    pub energy: Array1<f64>,
    /// Square norm of the logits less their mean over the classes, over all pairs.
    pub logit_energy: f64,
}

impl PairMeans {
    /// The mean of every channel of the hidden layer.
    ///
    /// # Panics
    /// If the group has no element.
    #[must_use]
    pub fn mean(&self) -> Array1<f64> {
        self.by_product.mean_axis(Axis(0)).expect("a group has an element")
    }
}

/// The sums behind a [`PairMeans`].
#[derive(serde::Serialize, serde::Deserialize)]
struct Sums {
    /// Sums by left element, of every run of pairs that share it.
    left: Vec<(usize, Vec<f64>)>,
    /// Sums by right element: (n, width).
    right: Array2<f64>,
    /// Sums by product: (n, width).
    product: Array2<f64>,
    energy: Array1<f64>,
    /// Sums by product of the readout site, where that is another site: (n, its width).
    readout: Option<Array2<f64>>,
    logit_energy: f64,
    /// Losses of every block: of every set, then of all pairs. Added up block by block, losses are those of `evaluate` to the
    /// bit.
    losses: Vec<Vec<LossSum>>,
}

pub(super) fn check_sets(task: &Task, sets: &[&[bool]]) -> Result<()> {
    sets.iter().try_for_each(|set| check_shape("set of pairs", &[task.labels().len()], &[set.len()]))
}

pub(super) fn pair_means(model: &dyn Interpretable, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
    check_sets(task, sets)?;
    let (n, read) = (task.order(), width(model, model.readout().site())?);
    let (width, is_read_out) = (width(model, hidden_readout(model).site())?, hidden_is_read_out(model));
    let totals = (n / PAIRS_PER_ELEMENT).clamp(1, MOST_TOTALS);
    let columns = width + if is_read_out { 0 } else { read };
    memory::check("sums of activations by product", memory::bytes::<f64>(&[n, columns, 2 * totals + 1]))?;
    let start = || Sums {
        left: Vec::new(),
        right: Array2::zeros((n, width)),
        product: Array2::zeros((n, width)),
        energy: Array1::zeros(width),
        readout: (!is_read_out).then(|| Array2::zeros((n, read))),
        logit_energy: 0.0,
        losses: Vec::new(),
    };
    let blocks = fold_pairs_into(model, task, totals, start, |total, block| {
        let mut losses = vec![LossSum::default(); sets.len() + 1];
        for ((x, y), outcome) in block.pairs.iter().zip(outcomes(block.logits.view(), block.labels)) {
            let pair = x.index() * n + y.index();
            losses[sets.len()].add_one(outcome);
            sets.iter().zip(&mut losses).filter(|(set, _)| set[pair]).for_each(|(_, loss)| loss.add_one(outcome));
        }
        total.losses.push(losses);
        total.add_hidden(block);
        if let (Some(sums), Some(readout)) = (&mut total.readout, &block.readout) {
            for (row, &p) in readout.outer_iter().zip(block.labels) {
                sums.row_mut(p as usize).zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
            }
        }
        total.logit_energy += centred_energy(block.logits.view());
    })?;
    let evaluation = |i: usize| LossSum::mean(blocks.iter().flat_map(|sums| &sums.losses).map(|losses| losses[i]));
    let of_set = |(i, set): (usize, &&[bool])| set.contains(&true).then(|| evaluation(i));
    let of_sets = sets.iter().enumerate().map(of_set).collect();
    let all = evaluation(sets.len());
    let mut by_left = Array2::zeros((n, width));
    for (x, sums) in blocks.iter().flat_map(|block| &block.left) {
        by_left.row_mut(*x).zip_mut_with(&ArrayView1::from(sums), |sum, more| *sum += more);
    }
    let total = blocks
        .into_iter()
        .reduce(|mut total, block| {
            total.right += &block.right;
            total.product += &block.product;
            total.energy += &block.energy;
            if let (Some(sum), Some(more)) = (&mut total.readout, &block.readout) {
                *sum += more;
            }
            total.logit_energy += block.logit_energy;
            total
        })
        .expect("a group has an element");
    let [by_left, by_right, by_product] = [by_left, total.right, total.product].map(|sums| sums / n as f64);
    // The readout is affine: of mean activations it gives mean logits.
    let means = |means: &Array2<f64>| model.readout().logits(means.mapv(|v| v as f32).view());
    let logits_by_product = match &total.readout {
        None => means(&by_product)?,
        Some(sums) => means(&(sums / n as f64))?,
    };
    let (energy, logit_energy) = (total.energy, total.logit_energy);
    Ok(PairMeans { sets: of_sets, all, by_left, by_right, by_product, logits_by_product, energy, logit_energy })
}

impl Sums {
    fn add_hidden(&mut self, block: &PairBlock<'_>) {
        let Self { left, right, product, energy, .. } = self;
        let width = energy.len();
        let [right, product, energy] = [right.as_slice_mut(), product.as_slice_mut(), energy.as_slice_mut()]
            .map(|slice| slice.expect("standard layout"));
        let hidden = block.hidden.as_slice().expect("standard layout");
        vectorised(
            #[inline(always)]
            || {
                for (i, row) in hidden.chunks_exact(width.max(1)).enumerate() {
                    let (x, y) = block.pairs[i];
                    let at = |row: usize| row * width..(row + 1) * width;
                    if left.last().is_none_or(|(last, _)| *last != x.index()) {
                        left.push((x.index(), vec![0.0; width]));
                    }
                    let left = &mut left.last_mut().expect("just seen to").1[..width];
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

/// Square norm of logits (pairs, classes) less each pair's mean: taken about the logit of class 0, so that logits that are all
/// equal give 0, and a large constant loses nothing.
fn centred_energy(logits: ArrayView2<'_, f32>) -> f64 {
    let (pairs, classes) = logits.dim();
    let (mut sums, mut squares) = (vec![0.0; pairs], vec![0.0; pairs]);
    let first: Vec<f64> = logits.column(0).iter().map(|&v| f64::from(v)).collect();
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
                for (((sum, square), &value), first) in sums.iter_mut().zip(&mut squares).zip(values).zip(&first) {
                    let value = f64::from(value) - first;
                    *sum += value;
                    *square += value * value;
                }
            },
        );
    }
    sums.iter().zip(&squares).map(|(sum, square)| square - sum * sum / classes as f64).sum()
}

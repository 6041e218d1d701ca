//! What the loss needs: ablations of clusters of neurons, of means, of terms and of all but a neuron's own block.

use super::logits::check_order;
use super::neurons::{NeuronClusters, NeuronKind};
use crate::error::{Error, Result, check_shape};
use crate::fourier::{FourierBasis, check_blocks, forward_2d, inverse_2d};
use crate::linalg::{map_blocks, matmul, matmul_into, subtract_matmul};
use crate::memory;
use crate::model::{Evaluation, Hook, Hooks, Interpretable, LossSum, PairBlock, Values};
use crate::model::{check_task, fold_pairs, rows_of, rows_of_basis};
use crate::task::Task;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is done to the neurons of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Ablation {
    /// The neurons of the cluster are zeroed, all others stay.
    Drop,
    /// The neurons of the cluster stay, all others are zeroed.
    Keep,
}

/// Loss and accuracy with one cluster of neurons dropped, or kept alone, for every cluster.
///
/// One forward pass for all clusters where the unembedding reads the neuron site: a cluster's part of the logits is the
/// product of its columns and its rows of W_U. Elsewhere, and on a device, one hooked pass a cluster, with the same result.
///
/// # Arguments
/// `clusters`: channels of the neuron site, by whatever labels them: a block, a class of subgroups.
///
/// # Errors
/// [`Error::UnknownChannel`]; those of the forward pass.
pub fn cluster_losses<L: Copy + Ord>(
    model: &(impl Interpretable + ?Sized),
    task: &Task,
    clusters: &BTreeMap<L, Vec<usize>>,
    what: Ablation,
) -> Result<BTreeMap<L, Evaluation>> {
    let model: &dyn Interpretable = &model;
    if let Some(parts) = ClusterParts::new(model, clusters.values(), what)? {
        let sums = fold_pairs(model, task, || parts.start(), |sums, block| parts.observe(sums, block))?;
        return Ok(clusters.keys().copied().zip(parts.finish(&sums)?).collect());
    }
    let width = crate::model::width(model, model.neuron_site())?;
    let evaluate = |(&label, members): (&L, &Vec<usize>)| {
        let channels = match what {
            Ablation::Drop => members.clone(),
            Ablation::Keep => (0..width).filter(|k| !members.contains(k)).collect(),
        };
        let hooks = Hooks::none().with(Hook::zero(model.neuron_site()).on_channels(channels));
        Ok((label, model.evaluate(task, &hooks)?))
    };
    clusters.iter().map(evaluate).collect()
}

/// [`cluster_losses`] as one observer of a forward pass, for models on the host whose unembedding reads the neuron site.
pub(super) struct ClusterParts {
    what: Ablation,
    members: Vec<Vec<usize>>,
    /// The cluster's rows of W_U.
    weights: Vec<Array2<f32>>,
    offset: Array1<f32>,
}

impl ClusterParts {
    pub(super) fn new<'a>(
        model: &dyn Interpretable,
        clusters: impl Iterator<Item = &'a Vec<usize>> + Clone,
        what: Ablation,
    ) -> Result<Option<Self>> {
        let readout = model.readout();
        let Some(unembedding) = readout.unembedding_of(model.neuron_site()).filter(|_| !model.is_remote()) else {
            return Ok(None);
        };
        let width = unembedding.nrows();
        if let Some(&channel) = clusters.clone().flatten().find(|&&k| k >= width) {
            return Err(Error::UnknownChannel { site: model.neuron_site().into(), channel, width });
        }
        // A neuron counts once, however often it is listed.
        let once = |members: &Vec<usize>| members.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let members: Vec<Vec<usize>> = clusters.map(once).collect();
        Ok(Some(Self {
            what,
            weights: members.iter().map(|members| unembedding.select(Axis(0), members)).collect(),
            members,
            offset: readout.offset(),
        }))
    }

    pub(super) fn start(&self) -> Vec<LossSum> {
        vec![LossSum::default(); self.members.len()]
    }

    pub(super) fn observe(&self, sums: &mut [LossSum], block: &PairBlock<'_>) {
        let mut logits = block.logits.clone();
        for ((members, weights), sum) in self.members.iter().zip(&self.weights).zip(sums) {
            let activations = columns(&block.hidden, members);
            match self.what {
                Ablation::Keep => {
                    matmul_into(activations.view(), weights.view(), logits.view_mut());
                    add_per_class(&mut logits, &self.offset);
                }
                Ablation::Drop => {
                    logits.assign(&block.logits);
                    subtract_matmul(activations.view(), weights.view(), logits.view_mut());
                }
            }
            sum.add(logits.view(), block.labels);
        }
    }

    pub(super) fn finish(&self, blocks: &[Vec<LossSum>]) -> Result<Vec<Evaluation>> {
        let total = |i: usize| check_ablated(LossSum::mean(blocks.iter().map(|sums| sums[i])));
        (0..self.members.len()).map(total).collect()
    }
}

/// What an ablation leaves, if its loss is a number: the model's own logits are finite; what is left of very large ones need
/// not be.
pub(super) fn check_ablated(evaluation: Evaluation) -> Result<Evaluation> {
    let expected = "a finite number: logits without the part that was taken away overflow f32";
    let error = Error::Range { what: "loss after an ablation", expected, got: evaluation.loss };
    if evaluation.loss.is_finite() { Ok(evaluation) } else { Err(error) }
}

/// Some columns of a row-major matrix.
fn columns(matrix: &Array2<f32>, members: &[usize]) -> Array2<f32> {
    let mut out = Vec::with_capacity(matrix.nrows() * members.len());
    for row in matrix.outer_iter() {
        let row = row.to_slice().expect("row-major");
        out.extend(members.iter().map(|&k| row[k]));
    }
    Array2::from_shape_vec((matrix.nrows(), members.len()), out).expect("as many values as members in every row")
}

/// Loss and accuracy with the neuron site centred: every neuron's mean over all pairs removed.
///
/// The notebook says this adds a constant vector to the logits and so changes nothing; the vector is constant over
/// inputs but not over classes, and it does.
///
/// # Arguments
/// `mean`: the means, by channel of the neuron site.
///
/// # Errors
/// The errors of the forward pass.
pub fn hidden_centred(model: &(impl Interpretable + ?Sized), task: &Task, mean: &Array1<f64>) -> Result<Evaluation> {
    let model: &dyn Interpretable = &model;
    let minus = Values::PerChannel(mean.mapv(|m| -m as f32));
    model.evaluate(task, &Hooks::none().with(Hook::add(model.neuron_site(), minus)))
}

/// Adds a constant a class to logits, column by column, which is how they are stored.
pub(super) fn add_per_class(logits: &mut Array2<f32>, by: &Array1<f32>) {
    logits.columns_mut().into_iter().zip(by).for_each(|(mut column, &by)| column += by);
}

/// What removing every neuron's mean adds to the logits, for models on the host whose neuron site is the one read out.
pub(super) fn centring(model: &dyn Interpretable, mean: &Array1<f64>) -> Result<Option<Array1<f32>>> {
    let readout = model.readout();
    if readout.site() != model.neuron_site() || model.is_remote() {
        return Ok(None);
    }
    let without = mean.mapv(|m| -m as f32).insert_axis(Axis(0));
    Ok(Some(readout.with_bias(None).logits(without.view())?.row(0).to_owned()))
}

/// The notebook's open TODO: loss and accuracy when every neuron keeps the terms ({const} union block)^2 of its own
/// block alone, and dim neurons are zeroed. A neuron that is tied or constant has no block and keeps const x const, which
/// every block would.
///
/// The kept part of a neuron is of low rank. Where the unembedding reads the neuron site, so are the logits, and with K
/// rows in use they cost O(n^2 K (d + n)) and no n^2 array: of a model on a device, `4 n K d` bytes come back for every sector
/// ([`Interpretable::coefficients_along_y`]). Elsewhere this is [`keep_terms`].
///
/// # Errors
/// [`Error::Shape`] for clusters of another number of neurons, [`Error::OtherBasis`], [`Error::UnknownBlock`] and
/// [`Error::Unsupported`] for clusters of another basis; [`Error::Memory`] where the activations that [`keep_terms`] replaces
/// exceed the budget; those of the forward pass.
pub fn own_block_only(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    clusters: &NeuronClusters,
) -> Result<Evaluation> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    let labels: Vec<_> = clusters.neurons.iter().map(|neuron| (neuron.kind, neuron.block)).collect();
    let (site, width) = (&clusters.site, crate::model::width(model, &clusters.site)?);
    check_shape(&format!("clusters of `{site}`"), &[width], &[labels.len()])?;
    check_tasks(model, basis, task)?;
    check_blocks(basis, &labels.iter().filter_map(|&(_, block)| block).collect::<Vec<_>>())?;
    if clusters.blocks != basis.blocks() {
        let needs = "labels that were found in its basis";
        return Err(Error::Unsupported { analysis: "own-block ablation", needs });
    }
    let block_of = basis.block_of_row();
    let keeps = |channel: usize, row: usize| {
        let (kind, block) = labels[channel];
        if row == 0 { kind != NeuronKind::Dim } else { block.is_some_and(|block| block == block_of[row]) }
    };
    match model.readout().unembedding_of(site) {
        Some(unembedding) => own_block_logits(model, basis, task, site, &keeps, unembedding),
        None => keep_terms(model, basis, task, site, &|channel, i, j| keeps(channel, i) && keeps(channel, j)),
    }
}

/// Left elements whose kept coefficients go through the unembedding in one product.
const X_AT_ONCE: usize = 8;

/// [`own_block_only`] from the coefficients of the rows that some channel keeps.
fn own_block_logits(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    task: &Task,
    site: &str,
    keeps: &(dyn Fn(usize, usize) -> bool + Sync),
    unembedding: ArrayView2<'_, f32>,
) -> Result<Evaluation> {
    check_tasks(model, basis, task)?;
    let (n, width, m) = (model.order(), unembedding.nrows(), basis.rows());
    let rows: Vec<usize> = (0..m).filter(|&row| row == 0 || (0..width).any(|k| keeps(k, row))).collect();
    let kept = Array2::from_shape_fn((rows.len(), width), |(r, k)| f32::from(u8::from(keeps(k, rows[r]))));
    let transform = rows_of_basis(basis, &rows);
    let sectors: Vec<Vec<usize>> = basis.sectors().iter().map(|s| s.iter().map(|e| e.index()).collect()).collect();
    let per_x = sectors.len() * rows.len();
    memory::check("coefficients of every neuron's own block", memory::bytes::<f32>(&[4, n, per_x, width]))?;

    // For every x, the kept coefficients along y: rows (sector, row) of (n, sectors * rows * width).
    let mut along_y = model.coefficients_along_y(site, &basis, &rows)?;
    along_y.axis_chunks_iter_mut(Axis(1), rows.len()).for_each(|mut of_sector| of_sector *= &kept);
    let along_y = along_y.into_shape_with_order((n, per_x * width)).expect("row-major");

    // Along x the same rows, sector by sector, and back: what is kept of every x.
    let mut of_x = Array2::zeros(along_y.dim());
    for sector in &sectors {
        let mut terms = matmul(transform.view(), rows_of(&along_y, sector).view());
        for (mut term, kept) in terms.outer_iter_mut().zip(kept.outer_iter()) {
            term.exact_chunks_mut(width.max(1)).into_iter().for_each(|mut row| row *= &kept);
        }
        for (&x, row) in sector.iter().zip(matmul(transform.t(), terms.view()).outer_iter()) {
            of_x.row_mut(x).assign(&row);
        }
    }

    // Along y back again, but behind the unembedding: logits = F^T (kept of x) W_U.
    let offset = model.readout().offset();
    let losses = map_blocks(n, X_AT_ONCE, |xs| {
        let coefficients = of_x.slice(s![xs.clone(), ..]);
        let coefficients = coefficients.into_shape_with_order((xs.len() * per_x, width)).expect("row-major");
        let directions = matmul(coefficients, unembedding);
        let by_sector = directions.axis_chunks_iter(Axis(0), rows.len());
        let x_and_sector = xs.flat_map(|x| sectors.iter().map(move |sector| (x, sector)));
        let mut sum = LossSum::default();
        for ((x, sector), directions) in x_and_sector.zip(by_sector) {
            let mut logits = matmul(directions.t(), transform.view()).reversed_axes();
            add_per_class(&mut logits, &offset);
            let labels: Vec<u32> = sector.iter().map(|&y| task.labels()[x * n + y]).collect();
            sum.add(logits.view(), &labels);
        }
        sum
    });
    check_ablated(LossSum::mean(losses.into_iter()))
}

fn check_tasks(model: &dyn Interpretable, basis: &dyn FourierBasis, task: &Task) -> Result<()> {
    check_order(basis, task)?;
    check_task(model, task)
}

/// Loss and accuracy when a site keeps only the 2-D terms (row of x, row of y) that `keep` says, channel by channel, in
/// every region: any projection ablation in the coordinates of a basis.
///
/// # Arguments
/// `keep(channel, i, j)`: whether row i of x times row j of y stays.
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) where n^2 activations of the site exceed the budget; those of the forward pass.
///
/// Cost: the transforms of the site, on the host: of a model on a device, the `4 n^2 d` bytes of its activations come back, and
/// as many go there.
///
/// ```
/// use irreplens::analysis::keep_terms;
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::{Hooks, Interpretable, Network}, task::Task};
/// use ndarray::Array2;
/// let wave = |i: usize, j: usize| (i as f32 * 1.3 + j as f32 * 2.9).sin();
/// let weights = |r, c| Array2::from_shape_fn((r, c), |(i, j)| wave(i, j));
/// let (c7, net) = (Cyclic::new(7)?, Network::summed(weights(7, 4), weights(7, 4), weights(4, 7))?);
/// let (basis, task) = (CyclicSubgroupBasis::cyclic(&c7), Task::new(&c7));
/// let all = keep_terms(&net, &basis, &task, "hidden", &|_, _, _| true)?; // keeps everything
/// assert!((all.loss - net.evaluate(&task, &Hooks::none())?.loss).abs() < 1e-5);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn keep_terms(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    site: &str,
    keep: &(dyn Fn(usize, usize, usize) -> bool + Sync),
) -> Result<Evaluation> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_tasks(model, basis, task)?;
    let (n, width) = (model.order(), crate::model::width(model, site)?);
    memory::check("filtered activations", memory::bytes::<f32>(&[2, n, n, width]))?;
    let table = kept_terms(model, basis, site, width, keep)?;
    model.evaluate(task, &Hooks::none().with(Hook::replace(site, Values::PerPair(Arc::new(table)))))
}

/// The activations of a site at all pairs with the terms that are not kept removed: (n^2, width).
fn kept_terms(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    site: &str,
    width: usize,
    keep: &(dyn Fn(usize, usize, usize) -> bool + Sync),
) -> Result<Array2<f32>> {
    let n = model.order();
    let columns = map_blocks(width, 16, |range| {
        let mut terms = forward_2d(basis, model.neuron_columns(site, range.clone())?.view())?;
        for ((_, _, i, j, c), term) in terms.indexed_iter_mut() {
            if !keep(range.start + c, i, j) {
                *term = 0.0;
            }
        }
        inverse_2d(basis, terms.view())
    });
    let columns = columns.into_iter().collect::<Result<Vec<_>>>()?;
    let views: Vec<_> = columns.iter().map(|c| c.view()).collect();
    let table = match width {
        0 => Array3::zeros((n, n, 0)),
        _ => ndarray::concatenate(Axis(2), &views).expect("n by n each").as_standard_layout().into_owned(),
    };
    Ok(table.into_shape_with_order((n * n, width)).expect("row-major"))
}

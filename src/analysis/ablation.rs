use super::logits::{check_order, parity_hooks};
use super::neurons::NeuronClusters;
use super::stream::{LossSum, PairBlock, stream};
use crate::error::{Error, Result};
use crate::fourier::{FourierBasis, forward_2d, inverse_2d};
use crate::linalg::{map_blocks, matmul};
use crate::model::{Evaluation, Hook, Hooks, Interpretable, Values, check_memory};
use crate::task::Task;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is done to the neurons of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// They are zeroed, all others stay.
    Drop,
    /// They stay, all others are zeroed.
    Keep,
}

/// Loss and accuracy with one cluster of neurons dropped, or kept alone, for every cluster.
///
/// One forward pass for all clusters where the unembedding reads the neuron site: a cluster's part of the logits is the
/// product of its columns and its rows of W_U. Elsewhere one hooked pass a cluster, with the same result.
///
/// # Arguments
/// `clusters`: channels of the neuron site, by label.
///
/// # Errors
/// [`Error::UnknownChannel`]; those of the forward pass.
pub fn cluster_losses(
    model: &(impl Interpretable + ?Sized),
    task: &Task,
    clusters: &BTreeMap<usize, Vec<usize>>,
    what: Cluster,
) -> Result<BTreeMap<usize, Evaluation>> {
    if let Some(parts) = ClusterParts::new(model, clusters, what)? {
        return Ok(parts.finish(stream(model, task, |block| parts.observe(block))?));
    }
    let width = crate::model::width(model, model.neuron_site())?;
    let evaluate = |(&label, members): (&usize, &Vec<usize>)| {
        let channels = match what {
            Cluster::Drop => members.clone(),
            Cluster::Keep => (0..width).filter(|k| !members.contains(k)).collect(),
        };
        let hooks = Hooks::none().with(Hook::zero(model.neuron_site()).on_channels(channels));
        Ok((label, model.evaluate(task, &hooks)?))
    };
    clusters.iter().map(evaluate).collect()
}

/// [`cluster_losses`] as one observer of a forward pass, for models whose unembedding reads the neuron site.
pub(super) struct ClusterParts<'a> {
    labels: Vec<usize>,
    what: Cluster,
    members: Vec<&'a [usize]>,
    /// The cluster's rows of W_U.
    weights: Vec<Array2<f32>>,
    /// The readout of nothing.
    offset: Array1<f32>,
}

impl<'a> ClusterParts<'a> {
    pub(super) fn new(
        model: &(impl Interpretable + ?Sized),
        clusters: &'a BTreeMap<usize, Vec<usize>>,
        what: Cluster,
    ) -> Result<Option<Self>> {
        let Some(unembedding) = model.unembedding().filter(|_| model.readout_site() == model.neuron_site()) else {
            return Ok(None);
        };
        let width = unembedding.nrows();
        if let Some(&channel) = clusters.values().flatten().find(|&&k| k >= width) {
            return Err(Error::UnknownChannel { site: model.neuron_site().into(), channel, width });
        }
        let offset = model.readout(Array2::zeros((1, width)).view())?.row(0).to_owned();
        Ok(Some(Self {
            labels: clusters.keys().copied().collect(),
            what,
            members: clusters.values().map(Vec::as_slice).collect(),
            weights: clusters.values().map(|members| unembedding.select(Axis(0), members)).collect(),
            offset,
        }))
    }

    pub(super) fn observe(&self, block: &PairBlock<'_>) -> Vec<LossSum> {
        let one = |(members, weights): (&&[usize], &Array2<f32>)| {
            let mut logits = matmul(block.readout.select(Axis(1), members).view(), weights.view());
            match self.what {
                Cluster::Keep => logits += &self.offset,
                Cluster::Drop => logits.zip_mut_with(&block.logits, |part, &all| *part = all - *part),
            }
            LossSum::of(logits, block.labels)
        };
        self.members.iter().zip(&self.weights).map(one).collect()
    }

    pub(super) fn finish(&self, blocks: Vec<Vec<LossSum>>) -> BTreeMap<usize, Evaluation> {
        let total = |i: usize| LossSum::mean(blocks.iter().map(|sums| sums[i]));
        self.labels.iter().enumerate().map(|(i, &label)| (label, total(i))).collect()
    }
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
/// Those of the forward pass.
pub fn hidden_centred(model: &(impl Interpretable + ?Sized), task: &Task, mean: &Array1<f64>) -> Result<Evaluation> {
    let minus = Values::PerChannel(mean.mapv(|m| -m as f32));
    model.evaluate(task, &Hooks::none().with(Hook::add(model.neuron_site(), minus)))
}

/// The notebook's last cells: loss and accuracy with the rows of the key blocks removed from the logits of the output
/// sector that parity forbids.
///
/// # Errors
/// [`Error::Unsupported`] where the sectors are not cosets of a normal subgroup; those of the forward pass.
pub fn parity(
    model: &(impl Interpretable + ?Sized),
    basis: &dyn FourierBasis,
    task: &Task,
    blocks: &[usize],
) -> Result<Evaluation> {
    model.evaluate(task, &parity_hooks(basis, task, blocks)?)
}

/// The notebook's open TODO: loss and accuracy when every neuron keeps the terms ({const} union block)^2 of its own
/// block alone, and dim neurons are zeroed.
///
/// The kept part of a neuron is of low rank, so it is built from the rows of the blocks in use: O(n^2 K d) with K such
/// rows, instead of two full transforms.
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) where n^2 activations of all neurons exceed the budget; those of the forward pass.
pub fn own_block_only(
    model: &(impl Interpretable + ?Sized),
    basis: &dyn FourierBasis,
    task: &Task,
    clusters: &NeuronClusters,
) -> Result<Evaluation> {
    let labels: Vec<Option<usize>> = clusters.neurons.iter().map(|neuron| neuron.block).collect();
    let kept = own_block_terms(model, basis, task, &clusters.site, &labels)?;
    model.evaluate(task, &Hooks::none().with(Hook::replace(&clusters.site, Values::PerPair(Arc::new(kept)))))
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
/// ```
/// use irreplens::analysis::keep_terms;
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::{Hooks, Interpretable, SummedMlp}, task::Task};
/// use ndarray::Array2;
/// let wave = |i: usize, j: usize| (i as f32 * 1.3 + j as f32 * 2.9).sin();
/// let weights = |r, c| Array2::from_shape_fn((r, c), |(i, j)| wave(i, j));
/// let (c7, net) = (Cyclic::new(7)?, SummedMlp::new(weights(7, 4), weights(7, 4), weights(4, 7))?);
/// let (basis, task) = (CyclicSubgroupBasis::cyclic(&c7), Task::new(&c7));
/// let all = keep_terms(&net, &basis, &task, "hidden", &|_, _, _| true)?; // keeps everything
/// assert!((all.loss - net.evaluate(&task, &Hooks::none())?.loss).abs() < 1e-5);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn keep_terms(
    model: &(impl Interpretable + ?Sized),
    basis: &dyn FourierBasis,
    task: &Task,
    site: &str,
    keep: &(dyn Fn(usize, usize, usize) -> bool + Sync),
) -> Result<Evaluation> {
    check_order(basis, task)?;
    let (n, width) = (model.order(), crate::model::width(model, site)?);
    check_memory("filtered activations", n * n * width * size_of::<f32>())?;
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
    let table = ndarray::concatenate(Axis(2), &views).expect("n by n each").as_standard_layout().into_owned();
    let table = table.into_shape_with_order((n * n, width)).expect("row-major");
    model.evaluate(task, &Hooks::none().with(Hook::replace(site, Values::PerPair(Arc::new(table)))))
}

/// The activations of a site with every channel reduced to its own block's terms: (n^2, width).
fn own_block_terms(
    model: &(impl Interpretable + ?Sized),
    basis: &dyn FourierBasis,
    task: &Task,
    site: &str,
    labels: &[Option<usize>],
) -> Result<Array2<f32>> {
    check_order(basis, task)?;
    let (n, width, m) = (model.order(), labels.len(), basis.rows());
    check_memory("filtered activations", n * n * width * size_of::<f32>())?;
    let mut in_use: Vec<usize> = labels.iter().flatten().copied().chain([0]).collect();
    in_use.sort_unstable();
    in_use.dedup();
    let rows: Vec<usize> = in_use.iter().flat_map(|&b| basis.blocks()[b].rows.clone()).collect();
    let block_of = basis.block_of_row();
    // 1 where a channel keeps a row.
    let own = Array2::from_shape_fn((rows.len(), width), |(r, k)| {
        let keeps = labels[k].is_some_and(|b| block_of[rows[r]] == b || rows[r] == 0);
        f32::from(u8::from(keeps))
    });
    let transform = Array2::from_shape_fn((rows.len(), m), |(r, t)| basis.value(rows[r], t) as f32);
    let sectors = basis.sectors();
    // For every x, the kept coefficients along y of every sector: (n, sectors, rows, width).
    let along_y = map_blocks(n, 1, |x| {
        let hidden = model.run_with_cache(&task.pairs(x.start * n..x.end * n), &[site])?.take(site)?;
        let mut out = Array2::zeros((sectors.len() * rows.len(), width));
        for (sector, mut out) in sectors.iter().zip(out.axis_chunks_iter_mut(Axis(0), rows.len())) {
            out.assign(&(&matmul(transform.view(), in_order(hidden.view(), sector).view()) * &own));
        }
        Ok(out)
    });
    let along_y = along_y.into_iter().collect::<Result<Vec<_>>>()?;
    let mut coefficients = Array2::zeros((n, sectors.len() * rows.len() * width));
    for (mut to, from) in coefficients.outer_iter_mut().zip(&along_y) {
        to.assign(&from.view().into_shape_with_order(from.len()).expect("row-major"));
    }
    drop(along_y);
    // Project x onto the same rows, sector by sector: what is kept of every x.
    for sector in sectors {
        let values = in_order(coefficients.view(), sector);
        let mut terms = matmul(transform.view(), values.view());
        for (r, mut term) in terms.outer_iter_mut().enumerate() {
            for mut row in term.exact_chunks_mut(width) {
                row *= &own.row(r);
            }
        }
        let kept = matmul(transform.t(), terms.view());
        for (x, row) in sector.iter().zip(kept.outer_iter()) {
            coefficients.row_mut(x.index()).assign(&row);
        }
    }
    let mut out = Array2::zeros((n * n, width));
    let rows_of_x = map_blocks(n, 1, |x| {
        let kept = coefficients.row(x.start).into_shape_with_order((sectors.len() * rows.len(), width));
        let kept = kept.expect("row-major");
        let mut values = Array2::zeros((n, width));
        for (sector, kept) in sectors.iter().zip(kept.axis_chunks_iter(Axis(0), rows.len())) {
            let part = matmul(transform.t(), kept);
            for (y, row) in sector.iter().zip(part.outer_iter()) {
                values.row_mut(y.index()).assign(&row);
            }
        }
        values
    });
    for (x, values) in rows_of_x.iter().enumerate() {
        out.slice_mut(s![x * n..(x + 1) * n, ..]).assign(values);
    }
    Ok(out)
}

/// The rows of a matrix at the elements of a sector, in its order.
fn in_order(matrix: ArrayView2<'_, f32>, sector: &[crate::group::Elem]) -> Array2<f32> {
    let rows: Vec<usize> = sector.iter().map(|e| e.index()).collect();
    matrix.select(Axis(0), &rows)
}

//! What the published notebook did in its own way, kept to reproduce its numbers: labels that stop one frequency short, spectra
//! of sectors added up so that opposite signs cancel, and the ablation by parity. No other analysis rests on it.
//!
//! | in the notebook | here | instead |
//! |---|---|---|
//! | `range(1, rows // 2)`; ties go by the last digit | [`neurons`], [`label_neurons`], [`Labels`] | [`analysis::neurons`](super::neurons) |
//! | W_U of rotations and of reflections added | [`component_norms_of_sum`], [`unembedding_of`] | [`component_norms`](super::component_norms) |
//! | logits that parity forbids removed | [`parity`], [`parity_hooks`] | [`logit_directions`](super::logit_directions) |
//! | all of it with those labels | [`interpret`] | [`analysis::interpret`](super::interpret()) |

use super::embedding::check_finite_energy;
use super::interpret::{Interpretation, interpret_with};
use super::logits::{check_basis, output_sectors, rows_in_sector, sectors_and_positions};
use super::neurons::{NeuronClusters, label, neuron_energies};
use crate::error::{Error, Result};
use crate::fourier::{BlockId, FourierBasis, forward};
use crate::group::check_fingerprint;
use crate::model::{BlockEnergies, Evaluation, Hook, Hooks, Interpretable, LOGITS, hidden_readout};
use crate::task::Task;
use ndarray::{Array1, ArrayView2, Axis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the notebook and the published golden files label neurons: every neuron that is not dim gets a block, and ties are
/// decided by the last digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Labels {
    /// With every block but the constant, as in the published golden files.
    Forced,
    /// By the notebook's loop `range(1, rows // 2)`, which never tries the last frequency.
    AsPublished,
}

/// Numbers of the notebook's own that [`interpret`](super::interpret()) gives beside the others.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Published {
    /// Sizes of the clusters by [`Labels::AsPublished`].
    pub clusters: BTreeMap<BlockId, usize>,
    /// Spectrum of W_U as it is, by [`component_norms_of_sum`]; `None` without an unembedding. Of W_U less its mean over the
    /// classes the constant would be 0, and the others are the same.
    pub unembed_sum: Option<Array1<f64>>,
    /// Spectrum of the rows of W_U of each cluster of neurons, by [`unembedding_of`]; empty where W_U does not read the
    /// neuron site.
    pub unembedding_by_cluster: BTreeMap<BlockId, Array1<f64>>,
    /// Loss with the clusters' rows removed from the output sectors that parity forbids, by [`parity()`]; `None` where the
    /// basis has one sector, or products of a region are spread over sectors.
    pub parity: Option<Evaluation>,
}

/// [`analysis::neurons`](super::neurons) with the notebook's labels.
///
/// # Errors
/// The errors of [`Interpretable::block_energies`].
///
/// ```
/// use irreplens::analysis::notebook::{Labels, neurons};
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::Network};
/// use ndarray::Array2;
/// // A neuron of the last frequency, which the notebook's loop does not try.
/// let wave = |k: f32| Array2::from_shape_fn((9, 1), move |(t, _)| (k * t as f32 * std::f32::consts::TAU / 9.0).cos());
/// let net = Network::summed(wave(4.0), wave(4.0), Array2::ones((1, 9)))?;
/// let found = neurons(&net, &CyclicSubgroupBasis::cyclic(&Cyclic::new(9)?), Labels::AsPublished)?;
/// assert_ne!(found.neurons[0].block.unwrap(), 4);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn neurons(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    labels: Labels,
) -> Result<NeuronClusters> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    Ok(label_neurons(&neuron_energies(model, basis)?, basis, labels))
}

/// [`neurons`] from energies already taken.
///
/// # Panics
/// If they were taken in a basis with another number of blocks.
#[must_use]
pub fn label_neurons(energies: &BlockEnergies, basis: &(impl FourierBasis + ?Sized), labels: Labels) -> NeuronClusters {
    let basis: &dyn FourierBasis = &basis;
    label(energies, basis, Some(labels))
}

/// [`analysis::interpret`](super::interpret()) with the notebook's labels, on which the clusters and their losses, the key
/// blocks, directions and the own-block and parity ablations rest: [`Labels::Forced`] gives the numbers of the published
/// golden files.
///
/// # Errors
/// The errors of [`analysis::interpret`](super::interpret()).
pub fn interpret(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    labels: Labels,
) -> Result<Interpretation> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    interpret_with(model, basis, task, Some(labels))
}

/// The published spectrum of the unembedding, by row: the maps of all sectors are added before the transform, so parts of
/// opposite sign cancel. Compare [`component_norms`](super::component_norms), which keeps the sectors apart.
///
/// # Arguments
/// `map`: (n, channels).
///
/// # Returns
/// (rows).
///
/// # Errors
/// [`Error::Shape`] unless `map` has one row per element; [`Error::Range`] where coefficients overflow.
pub fn component_norms_of_sum(basis: &(impl FourierBasis + ?Sized), map: ArrayView2<'_, f32>) -> Result<Array1<f64>> {
    let basis: &dyn FourierBasis = &basis;
    // The transform is linear: adding coefficients is adding maps.
    let sum = forward(basis, map)?.sum_axis(Axis(0));
    let norms = sum.map_axis(Axis(1), |row| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum());
    check_finite_energy(norms.sum())?;
    Ok(norms)
}

/// The published spectrum of the rows of W_U that belong to some neurons. The constant is that of W_U as it is, which a
/// constant added to all logits changes; nothing else depends on it.
///
/// # Arguments
/// `neurons`: channels of the readout site.
///
/// # Errors
/// [`Error::Unsupported`] without an unembedding; [`Error::UnknownChannel`] for a neuron it does not have;
/// [`Error::Shape`] and [`Error::OtherGroup`] for a basis of another group.
pub fn unembedding_of(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    neurons: &[usize],
) -> Result<Array1<f64>> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())?;
    let readout = hidden_readout(model);
    let unembedding = readout
        .unembedding()
        .ok_or(Error::Unsupported { analysis: "spectrum of W_U by cluster", needs: "a model with an unembedding" })?;
    if let Some(&channel) = neurons.iter().find(|&&k| k >= unembedding.nrows()) {
        let (site, width) = (readout.site().into(), unembedding.nrows());
        return Err(Error::UnknownChannel { site, channel, width });
    }
    component_norms_of_sum(basis, unembedding.select(Axis(0), neurons).t())
}

/// The notebook's last cells: loss and accuracy with the rows of the key blocks removed from the logits of the output
/// sector that parity forbids.
///
/// # Errors
/// [`Error::Unsupported`] where the sectors are not cosets of a normal subgroup; those of the forward pass.
pub fn parity(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    blocks: &[BlockId],
) -> Result<Evaluation> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    model.evaluate(task, &parity_hooks(basis, task, blocks)?)
}

/// The hooks of the notebook's last ablation: at every pair, the rows of these blocks are projected out of the logits
/// of every output sector but the one where xy lies.
///
/// # Errors
/// [`Error::Unsupported`] where xy is not confined to one sector; [`Error::OtherBasis`] for a block of another basis,
/// [`Error::UnknownBlock`] for one beyond the blocks there are; [`Error::Shape`] and [`Error::OtherGroup`] for a basis of
/// another group than the task's.
pub fn parity_hooks(basis: &(impl FourierBasis + ?Sized), task: &Task, blocks: &[BlockId]) -> Result<Hooks> {
    let basis: &dyn FourierBasis = &basis;
    check_basis(basis, task, blocks)?;
    let output = output_sectors(basis, task).ok_or(Error::Unsupported {
        analysis: "parity ablation",
        needs: "a basis whose sectors are cosets of a normal subgroup",
    })?;
    let (sector_of, _) = sectors_and_positions(basis);
    let mut hooks = Hooks::none();
    for sector in 0..basis.sectors().len() {
        let n = task.order();
        let forbidden = |index: usize| output[[sector_of[index / n], sector_of[index % n]]] != sector;
        let mask: Arc<[bool]> = (0..n * n).map(forbidden).collect();
        if mask.contains(&true) {
            let rows = rows_in_sector(basis, blocks, sector);
            hooks = hooks.with(Hook::project_out(LOGITS, rows)?.on_pairs(mask));
        }
    }
    Ok(hooks)
}

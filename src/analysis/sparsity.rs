//! How sparse spectra are: the Gini coefficient of a map's components, and the inverse participation ratio of its neurons.

use super::embedding::check_finite_energy;
use crate::error::{Error, Result};
use crate::fourier::{Block, FourierBasis, forward};
use crate::group::check_fingerprint;
use crate::model::{Interpretable, hidden_readout, less_mean, rounding};
use ndarray::{Array1, ArrayView2, Axis, s};

/// How sparse the spectra of one map are.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Sparsity {
    /// The Gini coefficient of the norms of the map's components, over all neurons: 0 if all are alike, near 1 if a few have all.
    pub gini: f64,
    /// The mean over the neurons of the inverse participation ratio of their blocks' shares; 1 if each neuron is in one block.
    pub inverse_participation_ratio: f64,
    /// The inverse participation ratio of every neuron; 0 for one that does not vary: (width).
    pub neurons: Array1<f64>,
}

/// How sparse the spectra of a model's maps are; `None` for a map that the model does not have, or that is constant.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct MapSparsity {
    /// The map x -> neuron, of a model without it the left embedding.
    pub left: Option<Sparsity>,
    /// The map y -> neuron, or the right embedding.
    pub right: Option<Sparsity>,
    /// What the neurons write to the logits, over the classes.
    pub unembed: Option<Sparsity>,
}

/// The Gini coefficient of numbers that are not negative: half their mean absolute difference over their mean.
///
/// `sum over i of (2 i - m - 1) v_i / (m sum over i of v_i)` of the m numbers in rising order, i from 1: 0 if all are alike,
/// `1 - 1/m` if one has all; 0 for none, or if all are 0.
///
/// ```
/// use irreplens::analysis::gini;
/// assert_eq!(gini(&[1.0, 1.0, 1.0, 1.0]), 0.0);
/// assert_eq!(gini(&[0.0, 0.0, 5.0, 0.0]), 0.75);
/// ```
///
/// Source: Hurley and Rickard 2009, "Comparing measures of sparsity".
#[must_use]
pub fn gini(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (m, sum) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    let weighted: f64 = sorted.iter().enumerate().map(|(i, v)| (2.0 * i as f64 + 1.0 - m) * v).sum();
    if sum > 0.0 { weighted / (m * sum) } else { 0.0 }
}

/// The inverse participation ratio of shares of a whole: `sum of e^2 / (sum of e)^2`.
///
/// A whole that one has is 1, one that m share alike `1/m`, and one of nothing 0; the inverse is the number of those that take part.
///
/// ```
/// use irreplens::analysis::inverse_participation_ratio;
/// assert_eq!(inverse_participation_ratio(&[0.0, 3.0]), 1.0);
/// assert_eq!(inverse_participation_ratio(&[2.0, 2.0, 2.0, 2.0]), 0.25);
/// ```
///
/// Source: Gromov 2023, "Grokking modular arithmetic", section 3; Doshi et al. 2024, "To grok or not to grok", section 3.
#[must_use]
pub fn inverse_participation_ratio(energies: &[f64]) -> f64 {
    let sum: f64 = energies.iter().sum();
    if sum > 0.0 { energies.iter().map(|energy| (energy / sum).powi(2)).sum() } else { 0.0 }
}

/// How sparse are the spectra of a model's maps, the constant apart? Grokking is when they become so.
///
/// Gini coefficient: of the norms of the map's components, all neurons together, those of a block each taken as their root mean
/// square, so that the number does not depend on which matrix coefficients of an irrep the basis has. Inverse participation ratio:
/// `sum over blocks b of (e_b / sum of e)^2` of a neuron's energies e_b, the mean over the neurons that vary.
///
/// # Errors
/// [`Error::Unsupported`] for a model without maps, embeddings and unembedding; [`Error::Shape`] for a basis of another order,
/// [`Error::OtherGroup`] for one of another group; [`Error::Range`] where coefficients overflow.
///
/// Cost: a transform of every map, O(n m width) at most.
///
/// ```
/// use irreplens::analysis::sparsity;
/// use irreplens::{fourier::IrrepBasis, group::Cyclic, model::Network};
/// use ndarray::Array2;
/// // Neurons of one frequency each, 1 or 2, that write at both.
/// let wave = |t: usize, k: usize| (std::f32::consts::TAU * (t * k) as f32 / 7.0).cos();
/// let maps = Array2::from_shape_fn((7, 2), |(t, k)| wave(t, k + 1));
/// let net = Network::summed(maps.clone(), maps, Array2::from_shape_fn((2, 7), |(_, z)| wave(z, 1) + wave(z, 2)))?;
/// let found = sparsity(&net, &IrrepBasis::new(&Cyclic::new(7)?)?)?;
/// assert!((found.left.unwrap().inverse_participation_ratio - 1.0).abs() < 1e-6);
/// assert!((found.unembed.unwrap().inverse_participation_ratio - 0.5).abs() < 1e-6);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", section 5.1 (Gini coefficient);
/// Gromov 2023, "Grokking modular arithmetic", and Doshi et al. 2024 (inverse participation ratio).
pub fn sparsity(model: &(impl Interpretable + ?Sized), basis: &(impl FourierBasis + ?Sized)) -> Result<MapSparsity> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())?;
    let (left, right) = model.maps().or_else(|| model.embeddings()).unzip();
    let unembedding = hidden_readout(model).unembedding();
    if left.is_none() && unembedding.is_none() {
        let needs = "maps from elements to neurons, embeddings or an unembedding";
        return Err(Error::Unsupported { analysis: "sparsity", needs });
    }
    let of = |map: Option<ArrayView2<'_, f32>>| map.map(|map| of_map(basis, map)).transpose().map(Option::flatten);
    Ok(MapSparsity { left: of(left)?, right: of(right)?, unembed: of(unembedding.map(|u| u.reversed_axes()))? })
}

/// Energies of every neuron's centred map in the blocks, the constant apart: (neuron, block) of a map (n, width), where in one
/// sector the trivial block is left out; 0 for a neuron that does not vary beyond rounding.
pub(super) fn energies_of_map(basis: &dyn FourierBasis, map: ArrayView2<'_, f32>) -> Result<Vec<Vec<f64>>> {
    // Less the mean of every column, so that the constant is no component: in one sector it is the first block, in several one
    // function of that block.
    let blocks = &basis.blocks()[first_block(basis)..];
    let centred = less_mean(map.t().to_owned());
    let coefficients = forward(basis, centred.t())?;
    let least = rounding(basis.rows()).powi(2);
    let of_neuron = |k: usize| {
        let square = |v: &f32| f64::from(*v) * f64::from(*v);
        let of_neuron = coefficients.index_axis(Axis(2), k);
        let energy = |block: &Block| of_neuron.slice(s![.., block.rows.clone()]).iter().map(square).sum::<f64>();
        let energies: Vec<f64> = blocks.iter().map(energy).collect();
        let varies = energies.iter().sum::<f64>() > least * map.column(k).iter().map(square).sum::<f64>();
        if varies { energies } else { vec![0.0; blocks.len()] }
    };
    Ok((0..map.ncols()).map(of_neuron).collect())
}

/// The first block that holds more than the constant.
pub(super) fn first_block(basis: &dyn FourierBasis) -> usize {
    usize::from(basis.sectors().len() == 1)
}

/// The sparsity of one map (n, width); `None` if it is constant.
fn of_map(basis: &dyn FourierBasis, map: ArrayView2<'_, f32>) -> Result<Option<Sparsity>> {
    let sectors = basis.sectors().len();
    let blocks = &basis.blocks()[first_block(basis)..];
    let rows = |block: &Block| block.rows.len() * sectors - usize::from(block.rows.start == 0);
    let energies = energies_of_map(basis, map)?;
    let of_block: Vec<f64> = (0..blocks.len()).map(|b| energies.iter().map(|of_neuron| of_neuron[b]).sum()).collect();
    let whole: f64 = of_block.iter().sum();
    check_finite_energy(whole)?;
    if whole <= 0.0 {
        return Ok(None);
    }
    let norms = blocks.iter().zip(&of_block).flat_map(|(block, energy)| {
        let rows = rows(block);
        std::iter::repeat_n((energy / rows as f64).sqrt(), rows)
    });
    let neurons: Array1<f64> = energies.iter().map(|energies| inverse_participation_ratio(energies)).collect();
    let varying = neurons.iter().filter(|ratio| **ratio > 0.0).count();
    Ok(Some(Sparsity {
        gini: gini(&norms.collect::<Vec<_>>()),
        inverse_participation_ratio: neurons.sum() / varying.max(1) as f64,
        neurons,
    }))
}

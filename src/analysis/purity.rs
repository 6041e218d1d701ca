//! Purity: how much of what a neuron reads and writes lies in one irrep.

use super::sparsity::{energies_of_map, first_block};
use crate::error::{Error, Result};
use crate::fourier::{BlockId, FourierBasis};
use crate::group::check_fingerprint;
use crate::model::{Interpretable, hidden_readout};

/// The irrep that has most of a neuron's maps: what [`purity`] finds of each.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Purity {
    /// The block.
    pub block: BlockId,
    /// Its share of the centred energy of the three maps, in (0, 1].
    pub share: f64,
}

/// How much of what each neuron reads and writes lies in one irrep of the group?
///
/// With u and v the neuron's maps of x and y, w what it writes to the logits of each class, all three less their means, the energy
/// is `|u|^2 + |v|^2 + |w|^2`, and a block's share is that of the projection of all three onto the block. A neuron is called pure
/// for an irrep if its share is at least 1 - delta, with a delta of 0.05 as a rule.
///
/// # Arguments
/// `basis`: an [`IrrepBasis`](crate::fourier::IrrepBasis), whose blocks are the real irreps, or a cyclic group's frequencies.
///
/// # Returns
/// One a neuron; `None` for one whose three maps are constant.
///
/// # Errors
/// [`Error::Unsupported`] for a model whose neurons read no map of each element, or do not write to the logits by a matrix;
/// [`Error::Shape`] for a basis of another order, [`Error::OtherGroup`] for one of another group.
///
/// Cost: a transform of every map, O(n m width) at most.
///
/// ```
/// use irreplens::analysis::purity;
/// use irreplens::{fourier::IrrepBasis, group::Cyclic, model::Network};
/// use ndarray::Array2;
/// // Neuron 0 reads and writes frequency 1; neuron 1 reads frequency 2, twice as large, and writes frequency 1.
/// let wave = |t: usize, k: usize| (std::f32::consts::TAU * (t * k) as f32 / 7.0).cos();
/// let maps = Array2::from_shape_fn((7, 2), |(t, k)| (k + 1) as f32 * wave(t, k + 1));
/// let net = Network::summed(maps.clone(), maps, Array2::from_shape_fn((2, 7), |(_, z)| wave(z, 1)))?;
/// let found = purity(&net, &IrrepBasis::new(&Cyclic::new(7)?)?)?;
/// assert!((found[0].unwrap().share - 1.0).abs() < 1e-6 && found[0].unwrap().block == 1);
/// assert!((found[1].unwrap().share - 8.0 / 9.0).abs() < 1e-6 && found[1].unwrap().block == 2);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: the open problem MAIS-O61, multiplicities.
pub fn purity(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
) -> Result<Vec<Option<Purity>>> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())?;
    let readout = hidden_readout(model);
    let written = readout.unembedding_of(model.neuron_site());
    let (Some((left, right)), Some(written)) = (model.maps(), written) else {
        let needs = "neurons that read a map of each element and write to the logits by a matrix";
        return Err(Error::Unsupported { analysis: "purity", needs });
    };
    let mut energies = energies_of_map(basis, left)?;
    for map in [right, written.reversed_axes()] {
        for (sum, of_map) in energies.iter_mut().zip(energies_of_map(basis, map)?) {
            sum.iter_mut().zip(of_map).for_each(|(sum, energy)| *sum += energy);
        }
    }
    let first = first_block(basis);
    let of_neuron = |energies: Vec<f64>| {
        let whole: f64 = energies.iter().sum();
        // The first of equal ones, so that the answer does not depend on the order of a search.
        let most = (0..energies.len()).rev().max_by(|&a, &b| energies[a].total_cmp(&energies[b]))?;
        let share = energies[most] / whole;
        (whole > 0.0).then(|| Ok(Purity { block: basis.block_id(first + most)?, share }))
    };
    energies.into_iter().map(|energies| of_neuron(energies).transpose()).collect()
}

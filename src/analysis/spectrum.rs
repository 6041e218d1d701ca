//! 2-D spectra of single neurons, of logits along directions, and of the mean logit.

use super::embedding::check_finite_energy;
use super::logits::check_order;
use crate::error::Result;
use crate::fourier::{FourierBasis, forward_2d};
use crate::group::check_fingerprint;
use crate::linalg::map_blocks;
use crate::model::{Interpretable, SiteSpectrum, block_rows, check_task, spectrum_of_values};
use crate::task::Task;
use ndarray::{Array2, Array4, Array5, Axis};

/// The 2-D coefficients of one channel of a site over all pairs, region by region: the notebook's heat maps.
///
/// # Returns
/// (sector of x, sector of y, row along x, row along y).
///
/// # Errors
/// [`Error::UnknownSite`](crate::Error::UnknownSite), [`Error::UnknownChannel`](crate::Error::UnknownChannel), and
/// [`Error::Shape`](crate::Error::Shape) for a basis of another order, [`Error::OtherGroup`](crate::Error::OtherGroup)
/// for one of another group.
///
/// Cost: one channel block of a forward pass and O(n^2 m).
///
/// ```
/// use irreplens::analysis::neuron_spectrum;
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::Network};
/// use ndarray::Array2;
/// let wave = Array2::from_shape_fn((8, 1), |(t, _)| (std::f32::consts::TAU * t as f32 / 8.0).cos());
/// let net = Network::bilinear(wave.clone(), wave, Array2::ones((1, 8)))?;
/// let spectrum = neuron_spectrum(&net, &CyclicSubgroupBasis::cyclic(&Cyclic::new(8)?), "hidden", 0)?;
/// assert!((spectrum[[0, 0, 1, 1]] - 4.0).abs() < 1e-5); // cos 1 (x) cos 1 (y) and nothing else
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn neuron_spectrum(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    site: &str,
    channel: usize,
) -> Result<Array4<f32>> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())?;
    let columns = model.neuron_columns(site, channel..channel + 1)?;
    Ok(forward_2d(basis, columns.view())?.index_axis_move(Axis(4), 0))
}

/// The 2-D coefficients of the logits along some rows of output sectors, region by region: the notebook's pictures of the
/// directions that the logits are written along.
///
/// # Arguments
/// `directions`: output sectors, each with a row of the basis.
///
/// # Returns
/// (sector of x, sector of y, row along x, row along y, direction).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a task or basis of another order,
/// [`Error::OtherGroup`](crate::Error::OtherGroup) for one of another group; those of the forward pass.
///
/// # Panics
/// If there is no such sector or row.
///
/// Cost: one forward pass and O(n^2 m) a direction.
///
/// ```
/// use irreplens::analysis::direction_spectra;
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::Network, task::Task};
/// use ndarray::Array2;
/// let group = Cyclic::new(8)?;
/// let wave = Array2::from_shape_fn((8, 1), |(t, _)| (std::f32::consts::TAU * t as f32 / 8.0).cos());
/// let net = Network::bilinear(wave.clone(), wave.clone(), wave.reversed_axes())?; // cos 1 (x) cos 1 (y) cos 1 (z)
/// let terms = direction_spectra(&net, &CyclicSubgroupBasis::cyclic(&group), &Task::new(&group), &[(0, 1)])?;
/// assert!((terms[[0, 0, 1, 1, 0]] - 8.0).abs() < 1e-5 && terms[[0, 0, 2, 2, 0]].abs() < 1e-5);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn direction_spectra(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    directions: &[(usize, usize)],
) -> Result<Array5<f32>> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_order(basis, task)?;
    check_task(model, task)?;
    let n = model.order();
    let mut along = Array2::<f32>::zeros((n, directions.len()));
    for (&(output, row), mut along) in directions.iter().zip(along.columns_mut()) {
        for (t, element) in basis.sectors()[output].iter().enumerate() {
            along[element.index()] = basis.value(row, t) as f32;
        }
    }
    // A device cuts them by the memory that it has.
    let rows = if model.is_remote() { n * n } else { block_rows(model) };
    let parts = map_blocks(n * n, rows, |range| model.logits_along(&task.pairs(range), along.view()));
    let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let values = ndarray::concatenate(Axis(0), &views).expect("one column a direction");
    let values = values.into_shape_with_order((n, n, directions.len())).expect("row-major");
    forward_2d(basis, values.view())
}

/// Energies of the 2-D transform of the mean logit of every pair, row-major: the part of the logits that no softmax sees.
pub(super) fn mean_logit_spectrum(basis: &dyn FourierBasis, means: Vec<f64>) -> Result<SiteSpectrum> {
    let n = basis.order();
    let means = Array2::from_shape_vec((n, n), means).expect("one mean a pair");
    let found = spectrum_of_values("mean logit", &basis, means.view())?;
    check_finite_energy(found.mean_square.sum())?;
    Ok(found)
}

use crate::error::Result;
use crate::fourier::{FourierBasis, forward_2d};
use crate::group::check_fingerprint;
use crate::model::Interpretable;
use ndarray::{Array4, Axis};

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
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::Bilinear};
/// use ndarray::Array2;
/// let wave = Array2::from_shape_fn((8, 1), |(t, _)| (std::f32::consts::TAU * t as f32 / 8.0).cos());
/// let net = Bilinear::new(wave.clone(), wave, Array2::ones((1, 8)))?;
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
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())?;
    let columns = model.neuron_columns(site, channel..channel + 1)?;
    Ok(forward_2d(basis, columns.view())?.index_axis_move(Axis(4), 0))
}

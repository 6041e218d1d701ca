use super::embedding::check_finite_energy;
use crate::error::Result;
use crate::fourier::{FourierBasis, forward_2d};
use crate::group::check_fingerprint;
use crate::model::{Interpretable, Split2d, split};
use ndarray::{Array2, Array3, Array4, Axis};

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

/// Energies of the 2-D transform of the mean logit of every pair: the part of the logits that no softmax sees.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MeanLogit {
    /// Squares of the coefficients averaged over regions, by (row of x, row of y).
    pub mean_square: Array2<f64>,
    /// Energy by kind of term.
    pub split: Split2d,
}

impl MeanLogit {
    /// Of the means of all pairs, row-major.
    pub(super) fn new(basis: &(impl FourierBasis + ?Sized), means: Vec<f64>) -> Result<Self> {
        let (n, m) = (basis.order(), basis.rows());
        let means = Array3::from_shape_vec((n, n, 1), means).expect("one mean a pair");
        let terms = forward_2d(basis, means.mapv(|v| v as f32).view())?;
        let mut square = Array2::<f64>::zeros((m, m));
        for ((_, _, i, j, _), &term) in terms.indexed_iter() {
            square[[i, j]] += f64::from(term) * f64::from(term);
        }
        check_finite_energy(square.sum())?;
        // As of every site, const x const comes from sums in `f64`.
        square[[0, 0]] = 0.0;
        for (xs, ys) in basis.sectors().iter().flat_map(|xs| basis.sectors().iter().map(move |ys| (xs, ys))) {
            let of_x = |x: usize| ys.iter().map(|y| means[[x, y.index(), 0]]).sum::<f64>();
            square[[0, 0]] += (xs.iter().map(|x| of_x(x.index())).sum::<f64>() / m as f64).powi(2);
        }
        let regions = basis.sectors().len().pow(2) as f64;
        Ok(Self { split: split(&basis, &square), mean_square: square / regions })
    }
}

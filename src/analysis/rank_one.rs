//! How far the matrices that neurons' maps have in an irrep are of rank one, with the vectors of one neuron's three maps aligned.

use super::irrep_parts::{Irreps, NeuronParts, checked_table, neuron_parts};
use crate::error::Result;
use crate::fourier::FourierBasis;
use crate::group::Group;
use crate::linalg::symmetric_eigen;
use crate::model::Interpretable;
use ndarray::{Array1, Array2, ArrayView2, s};

/// How near one neuron is to `u^T rho(x) v`, `v^T rho(y) w` and `u^T rho(z) w`, in the irrep rho that most of its maps is in.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct RankOneNeuron {
    /// The irrep: the block of the basis, by its index.
    pub irrep: usize,
    /// Shares of the square norm of the matrices of its left map, right map and row of the unembedding that the nearest matrices of
    /// rank one have.
    pub rank_one: [f64; 3],
    /// How far these have their vectors in common, as squared cosines: u of the left map and the unembedding, v of the left and the
    /// right map, w of the right map and the unembedding.
    pub shared: [f64; 3],
}

/// How near neurons are to matrix coefficients with vectors in common: what [`rank_one`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct RankOne {
    /// Every neuron; `None` for one that does not vary, writes nothing or is dim.
    pub neurons: Vec<Option<RankOneNeuron>>,
    /// The means over the neurons of [`RankOneNeuron::rank_one`]; `None` if there are no neurons to take them over.
    pub rank_one: Option<[f64; 3]>,
    /// The means over the neurons of [`RankOneNeuron::shared`].
    pub shared: Option<[f64; 3]>,
}

/// Are neurons matrix coefficients of one irrep, and do their two maps and what they write share vectors, as the theory has it?
///
/// Let rho be the irrep that most of a neuron's two maps is in, `A = sum over x of L(x) rho(x)`, B of the right map and C of the row of
/// the unembedding: (d, d) each. The theory has `A = u v^T`, `B = v w^T`, `C = u w^T`, up to factors. The share of rank one is that of
/// the largest singular value in the square norm; the vectors in common are compared by the squared cosine of the singular
/// vectors. Where more than the real numbers commutes with rho, of complex or quaternionic kind, singular values come in twos or
/// fours, and rank one, and a vector's direction, are meant over the complex numbers or the quaternions. On a cyclic group all of
/// these are 1: see [`phases`](super::phases()) for what is left there.
///
/// # Arguments
/// `group`, `basis`: as of [`explain`](super::explain()).
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for a model without maps from elements to neurons, or whose neurons do not reach
/// the logits through linear steps alone; those of [`explain`](super::explain()) for a group or a basis.
///
/// Cost: n^2 width multiply-adds at most for each of the three maps, and the matrices of all irreps.
///
/// ```
/// use irreplens::analysis::rank_one;
/// use irreplens::{fourier::IrrepBasis, group::{Group, GroupExt, Symmetric}, model::Network};
/// use ndarray::{Array2, array};
/// let group = Symmetric::new(3)?;
/// let basis = IrrepBasis::new(&group)?;
/// let rho = basis.irreps()[2].matrices(&group.cayley_table(), 1)?;
/// let (u, v, w) = (array![1.0, 0.0], array![0.6, 0.8], array![0.0, 1.0]);
/// let map = |a: &ndarray::Array1<f64>, b: &ndarray::Array1<f64>| {
///     Array2::from_shape_fn((6, 1), |(x, _)| a.dot(&rho.matrices().index_axis(ndarray::Axis(0), x).dot(b)) as f32)
/// };
/// let net = Network::summed(map(&u, &v), map(&v, &w), map(&u, &w).reversed_axes())?;
/// let found = rank_one(&net, &group, &basis)?;
/// assert!(found.rank_one.unwrap().iter().chain(&found.shared.unwrap()).all(|share| (share - 1.0).abs() < 1e-6));
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Chughtai, Chan, Nanda 2023, "A Toy Model of Universality", section 4; He et al. 2026, "Neural Networks Provably Learn Spectral
/// Representations for Group Composition" (arXiv:2606.02993), rotational rank-one alignment.
pub fn rank_one(
    model: &(impl Interpretable + ?Sized),
    group: &(impl Group + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
) -> Result<RankOne> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    let table = checked_table(model, group, basis, ["group of the irreps", "basis of the irreps"])?;
    let irreps = Irreps::new(&table, basis, "rank_one")?;
    of_parts(&irreps, &neuron_parts(model, &irreps, "rank_one")?)
}

/// [`rank_one`] of neurons' parts.
pub(super) fn of_parts(irreps: &Irreps, parts: &[Option<NeuronParts>]) -> Result<RankOne> {
    let neuron = |parts: &NeuronParts| {
        // The largest singular value comes so many times over.
        let times = irreps.irreps[parts.irrep].kind.norm();
        let [a, b, c] = &parts.parts;
        let [(of_a, u, v), (of_b, v_b, w), (of_c, u_c, w_c)] =
            [largest(a.view(), times)?, largest(b.view(), times)?, largest(c.view(), times)?];
        let cosine = |a: &Array2<f64>, b: &Array2<f64>| a.t().dot(b).mapv(|v| v * v).sum() / times as f64;
        Ok(RankOneNeuron {
            irrep: parts.irrep,
            rank_one: [of_a, of_b, of_c],
            shared: [cosine(&u, &u_c), cosine(&v, &v_b), cosine(&w, &w_c)],
        })
    };
    let neurons: Vec<Option<RankOneNeuron>> =
        parts.iter().map(|parts| parts.as_ref().map(neuron).transpose()).collect::<Result<_>>()?;
    let mean = |of: fn(&RankOneNeuron) -> [f64; 3]| {
        let of_all: Vec<Array1<f64>> = neurons.iter().flatten().map(|neuron| of(neuron).to_vec().into()).collect();
        let sum = of_all.iter().fold(Array1::zeros(3), |sum: Array1<f64>, of| sum + of);
        (!of_all.is_empty()).then(|| [0, 1, 2].map(|i| sum[i] / of_all.len() as f64))
    };
    Ok(RankOne { rank_one: mean(|neuron| neuron.rank_one), shared: mean(|neuron| neuron.shared), neurons })
}

/// The share of a matrix's square norm in its `times` largest singular values, with their left and right vectors: (d, times) each.
fn largest(matrix: ArrayView2<'_, f64>, times: usize) -> Result<(f64, Array2<f64>, Array2<f64>)> {
    let d = matrix.nrows();
    let last = s![.., d - times..];
    let (squares, left) = symmetric_eigen(matrix.dot(&matrix.t()).view())?;
    let (_, right) = symmetric_eigen(matrix.t().dot(&matrix).view())?;
    let share = squares.slice(s![d - times..]).sum() / squares.sum();
    Ok((share.min(1.0), left.slice(last).to_owned(), right.slice(last).to_owned()))
}

//! Phase alignment: whether what a neuron writes is along the product of what its two maps read.

use super::irrep_parts::{Irreps, NeuronParts, checked_table, neuron_parts};
use crate::error::Result;
use crate::fourier::FourierBasis;
use crate::group::Group;
use crate::irrep::Kind;
use crate::model::Interpretable;
use ndarray::Array2;

/// The phases of one neuron, in the irrep that most of its maps is in.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct NeuronPhases {
    /// The irrep: the block of the basis, by its index.
    pub irrep: usize,
    /// The cosine between the product A B of the matrices of its maps and the matrix C of what it writes; for sines, of the output phase
    /// less the sum of the input phases.
    pub alignment: f64,
    /// The phases of the left map, the right map and the output, in radians, where the irrep turns the plane: its left map is
    /// proportional to `cos(angle of rho(x) + phase)`.
    pub phases: Option<[f64; 3]>,
}

/// The phases of all neurons: what [`phases`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Phases {
    /// Every neuron; `None` for one that does not vary, writes nothing or is dim.
    pub neurons: Vec<Option<NeuronPhases>>,
    /// The mean over the neurons of [`NeuronPhases::alignment`]; `None` if there are no neurons to take it over.
    pub alignment: Option<f64>,
}

/// Is the phase of what a neuron writes the sum of the phases of its two maps?
///
/// Let rho be the irrep that most of a neuron's two maps is in, `A = sum over x of L(x) rho(x)`, B of the right map and C of the row of
/// the unembedding. Alignment is `<A B, C> / (|A B| |C|)`. On a cyclic group the three are turns of the plane by the phases of three
/// sines, and it is the cosine of the output phase less the sum of the input phases; on any group it is 1 where the neuron writes along
/// `u^T rho(z) w` while reading `u^T rho(x) v` and `v^T rho(y) w`.
///
/// # Arguments
/// `group`, `basis`: as of [`explain`](super::explain()).
///
/// # Errors
/// The errors of [`rank_one`](super::rank_one()).
///
/// Cost: n^2 width multiply-adds at most for each of the three maps, and the matrices of all irreps.
///
/// ```
/// use irreplens::analysis::phases;
/// use irreplens::{fourier::IrrepBasis, group::Cyclic, model::Network};
/// use ndarray::Array2;
/// let sine = |phase: f32| Array2::from_shape_fn((7, 1), |(x, _)| (std::f32::consts::TAU * 2.0 * x as f32 / 7.0 + phase).cos());
/// let net = Network::summed(sine(0.3), sine(0.5), sine(0.8).reversed_axes())?;
/// let (group, basis) = (Cyclic::new(7)?, IrrepBasis::new(&Cyclic::new(7)?)?);
/// assert!((phases(&net, &group, &basis)?.alignment.unwrap() - 1.0).abs() < 1e-6);
/// let net = Network::summed(sine(0.3), sine(0.5), sine(0.2).reversed_axes())?;
/// assert!((phases(&net, &group, &basis)?.alignment.unwrap() - 0.6f64.cos()).abs() < 1e-6);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Gromov 2023, "Grokking modular arithmetic"; He et al. 2026, "Neural Networks Provably Learn Spectral Representations for Group
/// Composition" (arXiv:2606.02993), phase alignment.
pub fn phases(
    model: &(impl Interpretable + ?Sized),
    group: &(impl Group + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
) -> Result<Phases> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    let table = checked_table(model, group, basis, ["group of the irreps", "basis of the irreps"])?;
    let irreps = Irreps::new(&table, basis, "phases")?;
    Ok(of_parts(&irreps, &neuron_parts(model, &irreps, "phases")?))
}

/// [`phases`] of neurons' parts.
pub(super) fn of_parts(irreps: &Irreps, parts: &[Option<NeuronParts>]) -> Phases {
    let neuron = |parts: &NeuronParts| {
        let [a, b, c] = &parts.parts;
        let product = a.dot(b);
        let norm = |matrix: &Array2<f64>| matrix.iter().map(|v| v * v).sum::<f64>().sqrt();
        let norms = norm(&product) * norm(c);
        let irrep = &irreps.irreps[parts.irrep];
        let turns = irrep.dim == 2 && irrep.kind == Kind::Complex;
        NeuronPhases {
            irrep: parts.irrep,
            alignment: if norms > 0.0 { (&product * c).sum() / norms } else { 0.0 },
            // Turns by minus the phases, up to factors.
            phases: turns.then(|| [a, b, c].map(|turn| -turn[[1, 0]].atan2(turn[[0, 0]]))),
        }
    };
    let neurons: Vec<Option<NeuronPhases>> = parts.iter().map(|parts| parts.as_ref().map(neuron)).collect();
    let count = neurons.iter().flatten().count();
    let sum: f64 = neurons.iter().flatten().map(|neuron| neuron.alignment).sum();
    Phases { alignment: (count > 0).then(|| sum / count as f64), neurons }
}

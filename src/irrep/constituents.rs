use super::Representation;
use crate::error::Result;
use crate::linalg::symmetric_eigen;
use ndarray::{Array2, s};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// Eigenvalues nearer to each other than this share of the spread are one.
const EQUAL: f64 = 1e-7;

/// The irreps that a real representation by orthogonal matrices is the sum of, in ascending order of the eigenvalues that
/// tell them apart; equivalent ones as often as they occur.
///
/// A random symmetric matrix averaged over the group commutes with the representation, so each of its eigenspaces is
/// invariant; that none of them is reducible holds for all draws but a set of measure zero.
///
/// # Arguments
/// `seed`: of the draw.
///
/// # Errors
/// [`Error::NoConvergence`](crate::Error::NoConvergence) of the eigenvalue routine, for matrices that are not finite.
///
/// Cost: 2 n products of d x d matrices.
///
/// ```
/// use irreplens::{group::Dihedral, irrep::{constituents, dihedral}};
/// let plane = &dihedral(&Dihedral::new(5)?)[2];
/// let parts = constituents(&plane.tensor(plane), 0)?;
/// let mut dims: Vec<usize> = parts.iter().map(|part| part.dim()).collect();
/// dims.sort();
/// assert_eq!(dims, [1, 1, 2]);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Dixon, Mathematics of Computation 24 (1970) 707-712.
pub fn constituents(representation: &Representation<f64>, seed: u64) -> Result<Vec<Representation<f64>>> {
    let average = average(representation, seed, |a, b| a + b);
    let (values, vectors) = symmetric_eigen(average.view())?;
    let clusters = clusters(&values.to_vec());
    if let [_] = clusters[..] {
        return Ok(vec![representation.clone()]);
    }
    Ok(clusters.into_iter().map(|range| representation.restricted(vectors.slice(s![.., range]))).collect())
}

/// A random matrix A, made `A[i, j]` with `A[j, i]` by `join`, and averaged over the group: `(1/n) sum rho(x) A rho(x)^T`.
pub(super) fn average(representation: &Representation<f64>, seed: u64, join: impl Fn(f64, f64) -> f64) -> Array2<f64> {
    let d = representation.dim();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = Array2::from_shape_simple_fn((d, d), || uniform(&mut rng));
    let joined = Array2::from_shape_fn((d, d), |(i, j)| join(draw[[i, j]], draw[[j, i]]));
    let mut sum = Array2::<f64>::zeros((d, d));
    for matrix in representation.matrices().outer_iter() {
        sum += &matrix.dot(&joined).dot(&matrix.t());
    }
    sum /= representation.order() as f64;
    // Rounding must not spoil the symmetry.
    Array2::from_shape_fn((d, d), |(i, j)| 0.5 * join(sum[[i, j]], sum[[j, i]]))
}

/// Ascending values cut where the gap is not small.
pub(super) fn clusters(values: &[f64]) -> Vec<Range<usize>> {
    let spread = values.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
    let mut clusters: Vec<Range<usize>> = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        match clusters.last_mut() {
            Some(last) if value - values[i - 1] <= EQUAL * spread => last.end = i + 1,
            _ => clusters.push(i..i + 1),
        }
    }
    clusters
}

/// Uniform in [-1, 1).
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0
}

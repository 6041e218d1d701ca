//! The irreps that a representation is the sum of.

use super::Representation;
use super::criterion::TOLERANCE;
use crate::error::{Error, Result};
use crate::linalg::symmetric_eigen;
use ndarray::{Array2, s};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// Eigenvalues nearer to each other than this share of the spread, divided by their number, are taken for one: eigenvectors
/// are as exact as the gap between eigenvalues is wide.
const EQUAL: f64 = 1e-3;

/// Draws that may fail to split a representation before it is given up; one in thousands does.
pub(super) const ATTEMPTS: usize = 16;

/// The irreps that a real representation by orthogonal matrices is the sum of, in ascending order of the eigenvalues that
/// tell them apart; equivalent ones as often as they occur.
///
/// A random symmetric matrix averaged over the group commutes with the representation, so each of its eigenspaces is
/// invariant. Eigenvalues of different irreps may fall together. So each part is asked whether it is irreducible: whether
/// `(<chi, chi> + mean of chi(x^2)) / 2`, the dimension of the symmetric matrices that commute with it, is 1. One that is
/// not is split again by another draw.
///
/// # Arguments
/// `seed`: of the draws.
///
/// # Errors
/// [`Error::NotARepresentation`] for matrices that are not orthogonal; [`Error::NotAnIrrep`] for a part that no draw splits,
/// where the matrices are not a representation; [`Error::NoConvergence`] of the eigenvalue routine. That orthogonal matrices
/// multiply as a group does cannot be seen without it: ask [`Representation::irrep`] of each part.
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
    representation.check_unitary()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut found, mut waiting) = (Vec::new(), vec![representation.clone()]);
    while let Some(part) = waiting.pop() {
        let (norm, squares) = part.norm_and_squares();
        let commuting = 0.5 * (norm + squares);
        if (commuting - 1.0).abs() <= TOLERANCE {
            found.push(part);
            continue;
        }
        let mut split = None;
        for _ in 0..ATTEMPTS {
            split = split_once(&part, &mut rng)?;
            if split.is_some() {
                break;
            }
        }
        let expected = "invariant subspaces, or one dimension of symmetric matrices that commute with it";
        let pieces = split.ok_or(Error::NotAnIrrep { label: part.label, expected, got: commuting })?;
        waiting.extend(pieces.into_iter().rev());
    }
    Ok(found)
}

/// The restrictions to the eigenspaces of one averaged draw; `None` if there is one alone or they are not invariant.
fn split_once(whole: &Representation<f64>, rng: &mut ChaCha8Rng) -> Result<Option<Vec<Representation<f64>>>> {
    let (values, vectors) = symmetric_eigen(average(whole, rng, |a, b| a + b).view())?;
    let clusters = clusters(&values.to_vec());
    if clusters.len() == 1 {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(clusters.len());
    for range in clusters {
        let part = whole.restricted(vectors.slice(s![.., range]));
        if part.check_unitary().is_err() {
            return Ok(None);
        }
        parts.push(part);
    }
    Ok(Some(parts))
}

/// A random matrix A, made `A[i, j]` with `A[j, i]` by `join`, and averaged over the group: `(1/n) sum rho(x) A rho(x)^T`.
pub(super) fn average(
    representation: &Representation<f64>,
    rng: &mut ChaCha8Rng,
    join: impl Fn(f64, f64) -> f64,
) -> Array2<f64> {
    let d = representation.dim();
    let draw = Array2::from_shape_simple_fn((d, d), || uniform(rng));
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
    let equal = EQUAL * spread / values.len() as f64;
    let mut clusters: Vec<Range<usize>> = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        match clusters.last_mut() {
            Some(last) if value - values[i - 1] <= equal => last.end = i + 1,
            _ => clusters.push(i..i + 1),
        }
    }
    clusters
}

/// Uniform in [-1, 1).
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0
}

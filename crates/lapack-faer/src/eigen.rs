//! Hermitian eigenproblems.

use crate::matrix::{largest, scaled};
use crate::scalar::Wide;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, MatRef, Par};
use num_complex::Complex64;
use std::cmp::Ordering;

/// Eigenvalues and eigenvectors of a real symmetric matrix, on the calling thread.
///
/// # Arguments
/// `a`: n columns of n entries, one after the other; the lower triangle alone is read.
///
/// # Returns
/// n eigenvalues, ascending, and the n eigenvectors, one after the other; `None` if an entry is not finite, or the
/// iteration fails.
///
/// # Panics
/// If `a.len() != n * n`.
///
/// ```
/// let (values, vectors) = irreplens_lapack::symmetric_eigen(2, &[2.0, 1.0, f64::NAN, 2.0]).unwrap();
/// assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
/// assert!((vectors[2] - vectors[3]).abs() < 1e-15); // the eigenvector of 3 is (1, 1), normed
/// ```
#[must_use]
pub fn symmetric_eigen(n: usize, a: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    of_slice(n, a)
}

/// Eigenvalues and eigenvectors of a complex Hermitian matrix, on the calling thread.
///
/// # Arguments
/// `a`: n columns of n entries, one after the other; the lower triangle and the real parts of its diagonal alone are read.
///
/// # Returns
/// As [`symmetric_eigen`] does.
///
/// # Panics
/// If `a.len() != n * n`.
#[must_use]
pub fn hermitian_eigen(n: usize, a: &[Complex64]) -> Option<(Vec<f64>, Vec<Complex64>)> {
    of_slice(n, a)
}

fn of_slice<W: Wide>(n: usize, a: &[W]) -> Option<(Vec<f64>, Vec<W>)> {
    assert_eq!(a.len(), n * n, "{n} columns of {n} entries");
    let (values, vectors) = eigen(lower_triangle(n, |i, j| a[i + j * n]), true)?;
    Some((values, vectors.col_iter().flat_map(|column| column.iter().copied()).collect()))
}

/// The lower triangle of an (n, n) matrix, zero above it, and its diagonal real.
pub fn lower_triangle<W: Wide>(n: usize, entry: impl Fn(usize, usize) -> W) -> Mat<W> {
    Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
        Ordering::Less => W::zero(),
        Ordering::Equal => W::from_parts(entry(i, j).re(), 0.0),
        Ordering::Greater => entry(i, j),
    })
}

/// Eigenvalues, ascending, and eigenvectors in columns (none, if not asked for) of the Hermitian matrix with this lower
/// triangle; `None` if it has an entry that is not finite, or the iteration fails.
pub fn eigen<W: Wide>(lower: Mat<W>, vectors: bool) -> Option<(Vec<f64>, Mat<W>)> {
    scaled(lower, |lower| attempt(lower, vectors))
}

fn attempt<W: Wide>(lower: MatRef<'_, W>, vectors: bool) -> Option<(Vec<f64>, Mat<W>)> {
    let n = lower.nrows();
    let mut values = vec![W::zero(); n];
    let (compute, columns) = if vectors { (ComputeEigenvectors::Yes, n) } else { (ComputeEigenvectors::No, 0) };
    let mut u = Mat::zeros(n, columns);
    // On one thread: the same bits whatever the number of threads.
    let scratch = self_adjoint_evd_scratch::<W>(n, compute, Par::Seq, Default::default());
    self_adjoint_evd(
        lower,
        DiagMut::from_slice_mut(&mut values),
        vectors.then_some(u.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .ok()?;
    let values: Vec<f64> = values.into_iter().map(W::re).collect();
    (values.iter().all(|value| value.is_finite()) && largest(u.as_ref()).is_finite()).then_some((values, u))
}

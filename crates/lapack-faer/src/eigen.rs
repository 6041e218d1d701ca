use crate::matrix::{largest, scaled};
use crate::scalar::Wide;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, MatRef, Par};

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

//! Singular values and vectors.

use crate::matrix::{largest, scaled};
use crate::qr::{self, adjoint};
use crate::scalar::Wide;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd_scratch};
use faer::{Mat, MatRef, Par};

/// Which singular vectors: none, the first min(m, n), or all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    None,
    Thin,
    Full,
}

impl Vectors {
    /// The number of vectors of a side of length `len`, with `k` singular values.
    pub fn count(self, len: usize, k: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Thin => k,
            Self::Full => len,
        }
    }

    fn compute(self) -> ComputeSvdVectors {
        match self {
            Self::None => ComputeSvdVectors::No,
            Self::Thin => ComputeSvdVectors::Thin,
            Self::Full => ComputeSvdVectors::Full,
        }
    }
}

/// Left and right singular vectors, in columns.
type Sides<W> = (Mat<W>, Mat<W>);

/// Singular values, descending, with U and V; `None` if the matrix has an entry that is not finite, or the iteration
/// fails.
pub fn svd<W: Wide>(a: Mat<W>, left: Vectors, right: Vectors) -> Option<(Vec<f64>, Sides<W>)> {
    if a.ncols() > a.nrows() {
        let (values, (v, u)) = svd(adjoint(a.as_ref()), right, left)?;
        return Some((values, (u, v)));
    }
    scaled(a, |a| if 6 * a.nrows() > 11 * a.ncols() { tall(a, left, right) } else { attempt(a, left, right) })
}

/// By way of the QR where that is faster: A = Q R, R = U S V*, A = (Q U) S V*.
fn tall<W: Wide>(a: MatRef<'_, W>, left: Vectors, right: Vectors) -> Option<(Vec<f64>, Sides<W>)> {
    let (m, n) = a.shape();
    let mut factored = a.to_owned();
    let tau = qr::factor(factored.as_mut());
    let r = Mat::from_fn(n, n, |i, j| if i <= j { factored[(i, j)] } else { W::zero() });
    let (values, (small, v)) = attempt(r.as_ref(), left, right)?;
    let mut u = Mat::identity(m, left.count(m, n));
    if left != Vectors::None {
        u.as_mut().submatrix_mut(0, 0, n, n).copy_from(small);
        u = qr::multiply(factored.as_ref(), &tau, u);
    }
    Some((values, (u, v)))
}

fn attempt<W: Wide>(a: MatRef<'_, W>, left: Vectors, right: Vectors) -> Option<(Vec<f64>, Sides<W>)> {
    let (m, n) = a.shape();
    let k = m.min(n);
    let mut values = vec![W::zero(); k];
    let (mut u, mut v) = (Mat::zeros(m, left.count(m, k)), Mat::zeros(n, right.count(n, k)));
    // On one thread: the same bits whatever the number of threads.
    let scratch = svd_scratch::<W>(m, n, left.compute(), right.compute(), Par::Seq, Default::default());
    faer::linalg::svd::svd(
        a,
        DiagMut::from_slice_mut(&mut values),
        (left != Vectors::None).then_some(u.as_mut()),
        (right != Vectors::None).then_some(v.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .ok()?;
    let values: Vec<f64> = values.into_iter().map(W::re).collect();
    let finite = values.iter().all(|value| value.is_finite())
        && largest(u.as_ref()).is_finite()
        && largest(v.as_ref()).is_finite();
    finite.then_some((values, (u, v)))
}

use crate::matrix::{largest, scaled};
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
    scaled(a, |a| attempt(a, left, right))
}

fn attempt<W: Wide>(a: MatRef<'_, W>, left: Vectors, right: Vectors) -> Option<(Vec<f64>, Sides<W>)> {
    let (m, n) = a.shape();
    let k = m.min(n);
    let mut values = vec![W::zero(); k];
    // Of zeros: faer (0.24.4) leaves part of a full U as it is where m is far above n.
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

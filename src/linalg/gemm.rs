//! Matrix products, by faer.

use faer::linalg::matmul::matmul as faer_matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, LinalgScalar};
use std::ops::{AddAssign, SubAssign};

/// The entries: `f32`, or `f64` inside the crate.
pub(crate) trait Entry: ComplexField + LinalgScalar + AddAssign + SubAssign {}

impl Entry for f32 {}
impl Entry for f64 {}

/// A matrix in a slice: row-major with a row stride, or its transpose.
#[derive(Clone, Copy)]
struct Strided<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    stride: usize,
    transposed: bool,
}

impl<'a, T: Entry> Strided<'a, T> {
    /// `rows x cols`, row r starting at `r * stride`.
    fn new(data: &'a [T], rows: usize, cols: usize, stride: usize) -> Self {
        Self { data, rows, cols, stride, transposed: false }
    }

    fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn faer(self) -> MatRef<'a, T> {
        let stored = MatRef::from_column_major_slice_with_stride(self.data, self.cols, self.rows, self.stride.max(1));
        if self.transposed { stored } else { stored.transpose() }
    }
}

/// A matrix to write to: `rows x cols`, row r starting at `r * stride` of the slice.
struct StridedMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a, T> StridedMut<'a, T> {
    /// `rows x cols`, row r starting at `r * stride`.
    fn new(data: &'a mut [T], rows: usize, cols: usize, stride: usize) -> Self {
        Self { data, rows, cols, stride }
    }
}

/// What becomes of what the output holds.
#[derive(Clone, Copy)]
pub(crate) enum Onto {
    /// What the output holds is replaced by the product.
    Nothing,
    /// The product is added to what the output holds.
    Plus,
    /// The product is subtracted from it.
    Minus,
}

/// `out = a b`, `out += a b` or `out -= a b`; on the calling thread.
fn gemm<T: Entry>(out: StridedMut<'_, T>, a: Strided<'_, T>, b: Strided<'_, T>, onto: Onto) {
    if out.rows == 0 || out.cols == 0 {
        return;
    }
    // faer has a strided row-major constructor too, but its mutable form swaps the strides (0.24.4).
    let out = MatMut::from_column_major_slice_with_stride_mut(out.data, out.cols, out.rows, out.stride.max(1));
    let (accum, alpha) = match onto {
        Onto::Nothing => (Accum::Replace, T::one()),
        Onto::Plus => (Accum::Add, T::one()),
        Onto::Minus => (Accum::Add, T::zero() - T::one()),
    };
    faer_matmul(out.transpose_mut(), accum, a.faer(), b.faer(), alpha, Par::Seq);
}

/// The matrix product `a b`, on the calling thread.
///
/// # Arguments
/// `a`: (m, k) and `b`: (k, n), `f32`, any strides; one that is neither row- nor column-major is copied.
///
/// # Returns
/// (m, n), row-major.
///
/// # Panics
/// If `a.ncols() != b.nrows()`.
///
/// ```
/// use ndarray::array;
/// let product = irreplens::linalg::matmul(array![[1.0, 2.0]].view(), array![[3.0], [4.0]].view());
/// assert_eq!(product, array![[11.0]]);
/// ```
#[must_use]
pub fn matmul(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
    times(a, b)
}

/// The matrix product `a b` in either precision, as [`matmul`].
pub(crate) fn times<T: Entry>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>) -> Array2<T> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    product(a, b, out.view_mut(), Onto::Nothing);
    out
}

/// Writes the matrix product `a b` to `out`, on the calling thread.
///
/// # Arguments
/// `a`: (m, k), `b`: (k, n) and `out`: (m, n), `f32`, any strides; one that is neither row- nor column-major is copied.
///
/// # Panics
/// If the three shapes do not fit together.
pub fn matmul_into(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, out: ArrayViewMut2<'_, f32>) {
    product(a, b, out, Onto::Nothing);
}

/// Adds the matrix product `a b` to `out`, on the calling thread.
///
/// # Arguments
/// As for [`matmul_into`].
///
/// # Panics
/// If the three shapes do not fit together.
pub fn add_matmul(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, out: ArrayViewMut2<'_, f32>) {
    product(a, b, out, Onto::Plus);
}

/// Subtracts the matrix product `a b` from `out`, on the calling thread.
///
/// # Arguments
/// As for [`matmul_into`].
///
/// # Panics
/// If the three shapes do not fit together.
pub fn subtract_matmul(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, out: ArrayViewMut2<'_, f32>) {
    product(a, b, out, Onto::Minus);
}

/// `out = a b`, `out += a b` or `out -= a b`, in either precision; shapes and strides as for [`matmul_into`].
pub(crate) fn product<T: Entry>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, mut out: ArrayViewMut2<'_, T>, onto: Onto) {
    assert_eq!(a.ncols(), b.nrows(), "matmul: inner dimensions differ");
    assert_eq!(out.dim(), (a.nrows(), b.ncols()), "matmul: shape of the output");
    let (rows, cols) = out.dim();
    if let Some(slice) = out.as_slice_mut() {
        let into = StridedMut::new(slice, rows, cols, cols);
        with_strided(a, |a| with_strided(b, |b| gemm(into, a, b, onto)));
    } else if let Some(slice) = out.view_mut().reversed_axes().as_slice_mut() {
        // (a b)^T = b^T a^T
        let into = StridedMut::new(slice, cols, rows, rows);
        with_strided(a, |a| with_strided(b, |b| gemm(into, b.t(), a.t(), onto)));
    } else {
        let whole = times(a, b);
        match onto {
            Onto::Nothing => out.assign(&whole),
            Onto::Plus => out += &whole,
            Onto::Minus => out -= &whole,
        }
    }
}

fn with_strided<T: Entry, R>(matrix: ArrayView2<'_, T>, f: impl FnOnce(Strided<'_, T>) -> R) -> R {
    let (rows, cols) = matrix.dim();
    if let Some(slice) = matrix.to_slice() {
        f(Strided::new(slice, rows, cols, cols))
    } else if let Some(slice) = matrix.t().to_slice() {
        f(Strided::new(slice, cols, rows, rows).t())
    } else if matrix.strides()[0] == 1 {
        let copy = row_major(matrix.t());
        f(Strided::new(&copy, cols, rows, rows).t())
    } else {
        let copy = row_major(matrix);
        f(Strided::new(&copy, rows, cols, cols))
    }
}

fn row_major<T: Entry>(matrix: ArrayView2<'_, T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(matrix.len());
    for row in matrix.outer_iter() {
        match row.to_slice() {
            Some(row) => copy.extend_from_slice(row),
            None => copy.extend(row),
        }
    }
    copy
}

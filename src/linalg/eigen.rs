// The linker finds LAPACK's symbols here (with `openblas-system`: in OpenBLAS).
use irreplens_lapack as _;

use crate::error::{Error, Result, check_shape};
use ndarray::{Array1, Array2, ArrayView2, LinalgScalar, ScalarOperand, ShapeBuilder};
use ndarray_linalg::{EighInto, JobSvd, SVDDCInto, UPLO};
use num_complex::Complex;

mod sealed {
    use super::{Array1, Array2, EighInto, JobSvd, SVDDCInto, UPLO};
    use ndarray_linalg::error::Result;

    /// The two decompositions, of column-major matrices that are not empty.
    pub trait Decompose: Sized {
        fn eigh(a: Array2<Self>) -> Result<(Array1<f64>, Array2<Self>)>;
        #[expect(clippy::type_complexity)]
        fn gesdd(a: Array2<Self>, job: JobSvd) -> Result<(Option<Array2<Self>>, Array1<f64>, Option<Array2<Self>>)>;
        fn finite(self) -> bool;
    }

    impl<T: ndarray_linalg::Scalar<Real = f64> + ndarray_linalg::Lapack> Decompose for T {
        fn eigh(a: Array2<Self>) -> Result<(Array1<f64>, Array2<Self>)> {
            a.eigh_into(UPLO::Lower)
        }

        fn gesdd(a: Array2<Self>, job: JobSvd) -> Result<(Option<Array2<Self>>, Array1<f64>, Option<Array2<Self>>)> {
            a.svddc_into(job)
        }

        fn finite(self) -> bool {
            self.re().is_finite() && self.im().is_finite()
        }
    }
}

/// The entries of a matrix: `f64` or `Complex<f64>`. Sealed.
pub trait Field:
    LinalgScalar + ScalarOperand + std::iter::Sum + Send + Sync + std::fmt::Debug + sealed::Decompose
{
    /// Whether all of them are real.
    const REAL: bool;

    /// The complex conjugate; a real number itself.
    fn conj(self) -> Self;
    /// The real part.
    fn re(self) -> f64;
    /// The absolute value.
    fn abs(self) -> f64;
}

impl Field for f64 {
    const REAL: bool = true;

    fn conj(self) -> Self {
        self
    }

    fn re(self) -> f64 {
        self
    }

    fn abs(self) -> f64 {
        f64::abs(self)
    }
}

impl Field for Complex<f64> {
    const REAL: bool = false;

    fn conj(self) -> Self {
        Complex::conj(&self)
    }

    fn re(self) -> f64 {
        self.re
    }

    fn abs(self) -> f64 {
        self.norm()
    }
}

/// Eigenvalues and eigenvectors of a real symmetric matrix.
///
/// A = V diag(w) V^T with V^T V = I.
///
/// # Arguments
/// `a`: (n, n), any strides. The lower triangle alone is read.
///
/// # Returns
/// w: (n), ascending, and V: (n, n), the eigenvector of w\[j\] in column j. A vector's sign is as it comes out, and so
/// is the basis of a repeated eigenvalue's space.
///
/// # Errors
/// [`Error::Shape`] if `a` is not square, [`Error::Range`] if an entry is NaN or infinite, [`Error::NoConvergence`] if
/// the iteration fails.
///
/// # Cost
/// O(n^3), on the calling thread.
///
/// ```
/// let (values, vectors) = irreplens::linalg::symmetric_eigen(ndarray::array![[2.0, 1.0], [1.0, 2.0]].view())?;
/// assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
/// assert!((vectors[[0, 1]] - vectors[[1, 1]]).abs() < 1e-15);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Source
/// LAPACK `dsyev`; Golub and Van Loan, Matrix Computations, 4th edition, section 8.3.
pub fn symmetric_eigen(a: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    eigen("dsyev", a)
}

/// Eigenvalues and eigenvectors of a complex Hermitian matrix.
///
/// A = V diag(w) V* with V* V = I.
///
/// # Arguments
/// `a`: (n, n), any strides. The lower triangle and the real parts of the diagonal alone are read.
///
/// # Returns
/// w: (n), ascending, and V: (n, n), the eigenvector of w\[j\] in column j. A vector's phase is as it comes out, and so
/// is the basis of a repeated eigenvalue's space.
///
/// # Errors
/// As for [`symmetric_eigen`].
///
/// # Cost
/// O(n^3), on the calling thread.
///
/// ```
/// use num_complex::Complex;
/// let (o, i) = (Complex::ZERO, Complex::I);
/// let (values, vectors) = irreplens::linalg::hermitian_eigen(ndarray::array![[o, -i], [i, o]].view())?;
/// assert!((values[0] + 1.0).abs() < 1e-15 && (values[1] - 1.0).abs() < 1e-15);
/// assert!((vectors[[1, 1]] / vectors[[0, 1]] - i).norm() < 1e-15); // the eigenvector of 1 is (1, i)
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Source
/// LAPACK `zheev`; Golub and Van Loan, Matrix Computations, 4th edition, section 8.3.
pub fn hermitian_eigen(a: ArrayView2<'_, Complex<f64>>) -> Result<(Array1<f64>, Array2<Complex<f64>>)> {
    eigen("zheev", a)
}

/// A thin singular value decomposition, as [`svd`] returns it; k = min(m, n).
#[derive(Clone, Debug, PartialEq)]
pub struct Svd<T> {
    /// Left singular vectors in columns, (m, k).
    pub u: Array2<T>,
    /// Singular values, (k), descending and not negative.
    pub values: Array1<f64>,
    /// Conjugated right singular vectors in rows, (k, n).
    pub vh: Array2<T>,
}

/// The thin singular value decomposition.
///
/// A = U diag(s) V* with U* U = V* V = I.
///
/// # Arguments
/// `a`: (m, n), real or complex, any strides.
///
/// # Returns
/// U, s and V*, see [`Svd`]. Signs and phases are as they come out, and so are the bases of repeated values' spaces.
///
/// # Errors
/// [`Error::Range`] if an entry is NaN or infinite, [`Error::NoConvergence`] if the iteration fails.
///
/// # Cost
/// O(m n min(m, n)), on the calling thread.
///
/// ```
/// let a = ndarray::array![[3.0, 0.0], [0.0, -2.0], [0.0, 0.0]];
/// let svd = irreplens::linalg::svd(a.view())?;
/// assert_eq!((svd.u.dim(), svd.vh.dim()), ((3, 2), (2, 2)));
/// assert!((svd.values[0] - 3.0).abs() < 1e-15 && (svd.values[1] - 2.0).abs() < 1e-15);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Source
/// LAPACK `gesdd`; Golub and Van Loan, Matrix Computations, 4th edition, section 8.6.
pub fn svd<T: Field>(a: ArrayView2<'_, T>) -> Result<Svd<T>> {
    let (m, n) = a.dim();
    let empty = || (Some(Array2::zeros((m, 0))), Array1::zeros(0), Some(Array2::zeros((0, n))));
    match gesdd(a, JobSvd::Some, empty)? {
        (Some(u), values, Some(vh)) => Ok(Svd { u, values, vh }),
        _ => Err(no_convergence("gesdd", m, n)),
    }
}

/// The singular values alone: [`svd`] without the vectors.
///
/// # Arguments
/// `a`: (m, n), real or complex, any strides.
///
/// # Returns
/// min(m, n) values, descending and not negative.
///
/// # Errors
/// As for [`svd`].
///
/// # Cost
/// O(m n min(m, n)), a fraction of [`svd`]'s; on the calling thread.
///
/// ```
/// let values = irreplens::linalg::singular_values(ndarray::array![[0.0, 2.0], [-3.0, 0.0]].view())?;
/// assert!((values[0] - 3.0).abs() < 1e-15 && (values[1] - 2.0).abs() < 1e-15);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Source
/// As for [`svd`].
pub fn singular_values<T: Field>(a: ArrayView2<'_, T>) -> Result<Array1<f64>> {
    Ok(gesdd(a, JobSvd::None, || (None, Array1::zeros(0), None))?.1)
}

/// An orthonormal basis of the space that a matrix's columns span.
///
/// The left singular vectors whose singular value s\[i\] is above `tolerance` times s\[0\].
///
/// # Arguments
/// `a`: (m, n), real or complex, any strides. `tolerance`: relative, 0 or more and below 1; m n times 1e-16 is rounding.
///
/// # Returns
/// (m, r) with orthonormal columns, the largest singular value's first; r is the rank, 0 for a matrix of zeros.
///
/// # Errors
/// [`Error::Range`] if `tolerance` is outside its range; as for [`svd`].
///
/// # Cost
/// That of [`svd`].
///
/// ```
/// let a = ndarray::array![[1.0, 2.0], [1.0, 2.0]];
/// let range = irreplens::linalg::orthonormal_range(a.view(), 1e-12)?;
/// assert_eq!(range.dim(), (2, 1));
/// assert!((range[[0, 0]] - range[[1, 0]]).abs() < 1e-15);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Source
/// Golub and Van Loan, Matrix Computations, 4th edition, section 5.4.
pub fn orthonormal_range<T: Field>(a: ArrayView2<'_, T>, tolerance: f64) -> Result<Array2<T>> {
    if !(0.0..1.0).contains(&tolerance) {
        return Err(Error::Range { what: "tolerance of a rank", expected: "a number in [0, 1)", got: tolerance });
    }
    let Svd { u, values, .. } = svd(a)?;
    let threshold = tolerance * values.first().copied().unwrap_or(0.0);
    let rank = values.iter().take_while(|&&value| value > threshold).count();
    Ok(u.slice_move(ndarray::s![.., ..rank]))
}

fn eigen<T: Field>(routine: &'static str, a: ArrayView2<'_, T>) -> Result<(Array1<f64>, Array2<T>)> {
    let n = a.nrows();
    check_shape("matrix of an eigenproblem", &[n, n], a.shape())?;
    if n == 0 {
        return Ok((Array1::zeros(0), Array2::zeros((0, 0))));
    }
    T::eigh(column_major(a)?).map_err(|_| no_convergence(routine, n, n))
}

type Factors<T> = (Option<Array2<T>>, Array1<f64>, Option<Array2<T>>);

fn gesdd<T: Field>(a: ArrayView2<'_, T>, job: JobSvd, empty: impl FnOnce() -> Factors<T>) -> Result<Factors<T>> {
    if a.is_empty() {
        return Ok(empty());
    }
    T::gesdd(column_major(a)?, job).map_err(|_| no_convergence("gesdd", a.nrows(), a.ncols()))
}

fn no_convergence(routine: &'static str, rows: usize, cols: usize) -> Error {
    Error::NoConvergence { routine, shape: [rows, cols] }
}

/// A copy in LAPACK's order: ndarray-linalg (0.18.1) passes a row-major matrix on as its transpose, and the transpose
/// of a Hermitian matrix is its conjugate.
fn column_major<T: Field>(a: ArrayView2<'_, T>) -> Result<Array2<T>> {
    if let Some(&entry) = a.iter().find(|entry| !entry.finite()) {
        return Err(Error::Range { what: "entry of a matrix", expected: "a finite number", got: entry.abs() });
    }
    let mut copy = Array2::zeros(a.dim().f());
    copy.assign(&a);
    Ok(copy)
}

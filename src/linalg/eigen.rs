//! Eigenproblems of symmetric and Hermitian matrices: by faer, or by the program's LAPACK (feature `lapack`).

use crate::error::{Error, Result, check_shape};
use ndarray::{Array1, Array2, ArrayView2, LinalgScalar, ScalarOperand, ShapeBuilder};
use ndarray_linalg::{Lapack, Scalar};
use num_complex::Complex;

mod sealed {
    pub trait Sealed {}
    impl<T: ndarray_linalg::Lapack<Real = f64>> Sealed for T {}
}

/// The entries of a matrix: `f64` or `Complex<f64>`. Sealed.
pub trait Field:
    LinalgScalar + ScalarOperand + std::iter::Sum + Send + Sync + std::fmt::Debug + sealed::Sealed
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

impl<T: Lapack<Real = f64> + LinalgScalar + ScalarOperand + Send + Sync> Field for T {
    // A complex number is two reals.
    const REAL: bool = size_of::<T>() == size_of::<T::Real>();

    fn conj(self) -> Self {
        Scalar::conj(&self)
    }

    fn re(self) -> f64 {
        Scalar::re(&self)
    }

    fn abs(self) -> f64 {
        Scalar::abs(self)
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
    eigen("dsyev", a, irreplens_lapack::symmetric_eigen)
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
    eigen("zheev", a, irreplens_lapack::hermitian_eigen)
}

/// Eigenvalues, ascending, and eigenvectors in columns.
type Eigen<T> = (Array1<f64>, Array2<T>);

/// faer's eigenproblem of n columns of n entries, one after the other.
type Faer<T> = fn(usize, &[T]) -> Option<(Vec<f64>, Vec<T>)>;

fn eigen<T: Field + Lapack<Real = f64>>(
    routine: &'static str,
    a: ArrayView2<'_, T>,
    faer: Faer<T>,
) -> Result<Eigen<T>> {
    let n = a.nrows();
    check_shape("matrix of an eigenproblem", &[n, n], a.shape())?;
    if let Some(&entry) = a.iter().find(|entry| !Scalar::re(*entry).is_finite() || !entry.im().is_finite()) {
        return Err(Error::Range { what: "entry of a matrix", expected: "a finite number", got: Scalar::abs(entry) });
    }
    if n == 0 {
        return Ok((Array1::zeros(0), Array2::zeros((0, 0))));
    }
    // In LAPACK's order: ndarray-linalg (0.18.1) passes a row-major matrix on as its transpose, and the transpose of a
    // Hermitian matrix is its conjugate.
    let mut lower = Array2::zeros(a.dim().f());
    lower.assign(&a);
    solve(lower, faer).ok_or(Error::NoConvergence { routine, shape: [n, n] })
}

/// By faer. Nothing here refers to a LAPACK routine: a program needs no LAPACK, and keeps one that it has.
#[cfg(not(feature = "lapack"))]
fn solve<T>(lower: Array2<T>, faer: Faer<T>) -> Option<Eigen<T>> {
    let shape = lower.dim().f();
    let (values, vectors) = faer(lower.nrows(), lower.as_slice_memory_order()?)?;
    Some((values.into(), Array2::from_shape_vec(shape, vectors).ok()?))
}

/// By the program's LAPACK, through ndarray-linalg.
#[cfg(feature = "lapack")]
fn solve<T: Lapack<Real = f64>>(lower: Array2<T>, _faer: Faer<T>) -> Option<Eigen<T>> {
    ndarray_linalg::EighInto::eigh_into(lower, ndarray_linalg::UPLO::Lower).ok()
}

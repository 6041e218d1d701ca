use crate::error::Result;
use ndarray::{Array1, Array2, ArrayView2, LinalgScalar, ScalarOperand};
use num_complex::Complex;

/// Field.
pub trait Field: LinalgScalar + ScalarOperand + std::iter::Sum + Send + Sync + std::fmt::Debug {
    /// real
    const REAL: bool;
    /// conj
    fn conj(self) -> Self;
    /// re
    fn re(self) -> f64;
    /// abs
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
/// eig
///
/// # Errors
/// none
pub fn symmetric_eigen(a: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = a.nrows();
    let m = faer::Mat::from_fn(n, n, |i, j| a[[i, j]]);
    let e = m.self_adjoint_eigen(faer::Side::Lower).unwrap();
    Ok((Array1::from_shape_fn(n, |i| e.S()[i]), Array2::from_shape_fn((n, n), |(i, j)| e.U()[(i, j)])))
}
/// eig
///
/// # Errors
/// none
pub fn hermitian_eigen(a: ArrayView2<'_, Complex<f64>>) -> Result<(Array1<f64>, Array2<Complex<f64>>)> {
    let n = a.nrows();
    let m = faer::Mat::from_fn(n, n, |i, j| a[[i, j]]);
    let e = m.self_adjoint_eigen(faer::Side::Lower).unwrap();
    Ok((Array1::from_shape_fn(n, |i| e.S()[i].re), Array2::from_shape_fn((n, n), |(i, j)| e.U()[(i, j)])))
}

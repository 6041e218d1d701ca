//! The caller's arrays, behind pointers: read to and written from matrices of what the algorithms compute in.

use crate::eigen::lower_triangle;
use crate::scalar::Wide;
use faer::{Mat, MatRef};
use num_complex::{Complex, Complex32, Complex64};

/// What the caller's arrays hold. Single precision is computed in double: one copy of every algorithm for both, and
/// nothing overflows or underflows on the way.
pub trait Scalar: Copy {
    type Real: Copy;
    type Wide: Wide;
    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
    fn narrow_real(wide: f64) -> Self::Real;
}

macro_rules! scalar {
    ($real:ty, $complex:ty) => {
        impl Scalar for $real {
            type Real = $real;
            type Wide = f64;

            fn widen(self) -> f64 {
                self.into()
            }

            fn narrow(wide: f64) -> Self {
                wide as $real
            }

            fn narrow_real(wide: f64) -> $real {
                wide as $real
            }
        }

        impl Scalar for $complex {
            type Real = $real;
            type Wide = Complex64;

            fn widen(self) -> Complex64 {
                Complex::new(self.re.into(), self.im.into())
            }

            fn narrow(wide: Complex64) -> Self {
                Self::new(wide.re as $real, wide.im as $real)
            }

            fn narrow_real(wide: f64) -> $real {
                wide as $real
            }
        }
    };
}

scalar!(f32, Complex32);
scalar!(f64, Complex64);

/// Copies `rows x cols` entries from the caller's column-major array.
///
/// # Safety
/// `a` must be valid for reads of `cols` columns of `rows` entries, `ld` apart.
pub unsafe fn read<T: Scalar>(a: *const T, rows: usize, cols: usize, ld: usize) -> Mat<T::Wide> {
    // SAFETY: i < rows and j < cols, within what the caller vouches for.
    Mat::from_fn(rows, cols, |i, j| unsafe { a.add(i + j * ld).read() }.widen())
}

/// Copies the triangle of a Hermitian matrix that `upper` says to the lower one; the other is zero.
///
/// # Safety
/// `a` must be valid for reads of that triangle of `n` columns, `ld` apart.
pub unsafe fn read_triangle<T: Scalar>(a: *const T, n: usize, ld: usize, upper: bool) -> Mat<T::Wide> {
    // SAFETY: entry (j, i) with j <= i is in the upper triangle, (i, j) in the lower.
    let entry = |at: usize| unsafe { a.add(at).read() }.widen();
    lower_triangle(n, |i, j| if upper { Wide::conj(entry(j + i * ld)) } else { entry(i + j * ld) })
}

/// Copies a matrix to the caller's column-major array.
///
/// # Safety
/// `a` must be valid for writes of as many columns as `matrix` has, `ld` apart.
pub unsafe fn write<T: Scalar>(a: *mut T, ld: usize, matrix: MatRef<'_, T::Wide>) {
    for (j, column) in matrix.col_iter().enumerate() {
        for (i, &entry) in column.iter().enumerate() {
            // SAFETY: i and j are below the extents that the caller vouches for.
            unsafe { a.add(i + j * ld).write(T::narrow(entry)) };
        }
    }
}

/// Copies real numbers to the caller's array.
///
/// # Safety
/// `to` must be valid for writes of as many entries as `values` has.
pub unsafe fn write_values<T: Scalar>(to: *mut T::Real, values: &[f64]) {
    for (i, &value) in values.iter().enumerate() {
        // SAFETY: i is below the length that the caller vouches for.
        unsafe { to.add(i).write(T::narrow_real(value)) };
    }
}

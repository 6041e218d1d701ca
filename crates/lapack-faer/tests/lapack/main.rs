//! The symbols, called as LAPACK is: through the declarations of `lapack-sys`, for all four types.

mod arguments;
mod eigen;
mod matrices;
mod ndarray_linalg;
mod qr;
mod svd;
mod types;

/// Errors are at most this many times the larger extent, eps and the norm.
const FACTOR: f64 = 10.0;

/// A test for each of the four types.
#[macro_export]
macro_rules! each_type {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn f32() {
                super::$name::<f32>();
            }

            #[test]
            fn f64() {
                super::$name::<f64>();
            }

            #[test]
            fn c32() {
                super::$name::<num_complex::Complex32>();
            }

            #[test]
            fn c64() {
                super::$name::<num_complex::Complex64>();
            }
        }
    )*};
}

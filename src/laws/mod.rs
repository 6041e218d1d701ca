//! Law tests for implementors of this crate's traits: plain functions that return the violation they find, and a
//! macro for each trait that makes one `#[test]` per law.
//!
//! | trait | laws | macro |
//! |---|---|---|
//! | [`Group`](crate::group::Group) | [`group`] | [`group_laws!`](crate::group_laws) |
//! | [`Representation`](crate::irrep::Representation), [`Irrep`](crate::irrep::Irrep) | [`irrep`] | |
//! | [`FourierBasis`](crate::fourier::FourierBasis) | [`fourier`] | [`fourier_laws!`](crate::fourier_laws) |
//! | [`Interpretable`](crate::model::Interpretable), [`Separable`](crate::model::Separable) | [`model`] | [`model_laws!`](crate::model_laws) |
//!
//! A law names the first case it finds broken and compares within the tolerances below; NaN agrees with NaN alone.

pub mod fourier;
pub mod group;
pub mod irrep;
pub mod model;

use crate::error::Error;
use ndarray::{Array, Dimension, ShapeBuilder};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt::Debug;

/// Laws are tried on all cases up to this many.
pub const EXHAUSTIVE: usize = 1 << 21;
/// Beyond, on this many cases drawn at random.
pub const SAMPLES: usize = 1 << 17;
/// Seed of the draw: the same cases every time.
pub const SEED: u64 = 0x6c61_7773;

/// Largest deviation of what is computed in `f64`, relative to its scale (for a basis: the norm 1 of its rows).
pub const DOUBLE_TOLERANCE: f64 = 1e-9;
/// Largest error of an `f32` transform, relative to the norm of the function transformed.
pub const TRANSFORM_TOLERANCE: f64 = 1e-5;
/// Largest difference between two `f32` computations of a site, relative to its largest activation.
pub const ACTIVATION_TOLERANCE: f64 = 1e-4;

/// A law that fails: which, where, and the two sides that should agree there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("law `{law}` fails at {witness}: {left} against {right}")]
pub struct Violation {
    /// Name of the law.
    pub law: &'static str,
    /// The case at which it fails.
    pub witness: String,
    /// One side of the law there.
    pub left: String,
    /// The other side.
    pub right: String,
}

impl Violation {
    /// A violation whose parts are printed by `Debug`.
    ///
    /// ```
    /// use irreplens::laws::Violation;
    /// let violation = Violation::new("evenness", [3], 3 % 2, 0);
    /// assert_eq!(violation.to_string(), "law `evenness` fails at [3]: 1 against 0");
    /// ```
    pub fn new(law: &'static str, witness: impl Debug, left: impl Debug, right: impl Debug) -> Self {
        Self { law, witness: format!("{witness:?}"), left: format!("{left:?}"), right: format!("{right:?}") }
    }

    /// `Ok` if the two sides are equal, else the violation.
    ///
    /// # Errors
    /// The violation, if `left != right`.
    pub fn unless_equal<T: Debug + PartialEq>(
        law: &'static str,
        witness: impl Debug,
        left: T,
        right: T,
    ) -> Result<(), Self> {
        if left == right { Ok(()) } else { Err(Self::new(law, witness, left, right)) }
    }

    /// `Ok` if the two numbers are equal, both NaN, or at most `tolerance` apart, else the violation.
    ///
    /// # Errors
    /// The violation, if they are not.
    pub fn unless_close(
        law: &'static str,
        witness: impl Debug,
        left: f64,
        right: f64,
        tolerance: f64,
    ) -> Result<(), Self> {
        let close = left == right || left.is_nan() && right.is_nan() || (left - right).abs() <= tolerance;
        if close { Ok(()) } else { Err(Self::new(law, witness, left, right)) }
    }
}

/// What a call returned; an error is a violation of the law that made the call.
fn answer<T>(law: &'static str, witness: impl Debug, result: Result<T, Error>) -> Result<T, Violation> {
    result.map_err(|error| Violation::new(law, witness, format_args!("error: {error}"), format_args!("an answer")))
}

/// Numbers drawn uniformly from [-1, 1) with [`SEED`].
fn uniform<D: Dimension>(shape: impl ShapeBuilder<Dim = D>) -> Array<f32, D> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    // 2^-23: every value is exact.
    Array::from_shape_simple_fn(shape, || (rng.next_u32() >> 8) as f32 * 1.192_092_9e-7 - 1.0)
}

/// A module with one `#[test]` for each law, with what it is called with behind its name.
#[doc(hidden)]
#[macro_export]
macro_rules! each_law {
    ($name:ident, $of:ident, $($law:ident $arguments:tt),* $(,)?) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $law() {
                    if let Err(violation) = $crate::laws::$of::$law $arguments {
                        panic!("{violation}");
                    }
                }
            )*
        }
    };
}

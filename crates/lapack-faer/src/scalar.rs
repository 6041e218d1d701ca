//! The numbers that the algorithms compute in.

use faer::traits::ComplexField;
use num_complex::Complex64;
use num_traits::Num;
use std::ops::Neg;

/// What the algorithms compute in: `f64` or `Complex64`.
pub trait Wide: ComplexField<Real = f64> + Copy + Num + Neg<Output = Self> {
    fn from_parts(re: f64, im: f64) -> Self;
    fn re(self) -> f64;
    fn im(self) -> f64;

    #[cfg(feature = "symbols")]
    fn conj(self) -> Self {
        Self::from_parts(self.re(), -self.im())
    }

    fn times(self, factor: f64) -> Self {
        Self::from_parts(self.re() * factor, self.im() * factor)
    }

    /// The larger of the parts' absolute values; NaN if either part is.
    fn largest_part(self) -> f64 {
        larger(self.re().abs(), self.im().abs())
    }
}

impl Wide for f64 {
    fn from_parts(re: f64, _im: f64) -> Self {
        re
    }

    fn re(self) -> f64 {
        self
    }

    fn im(self) -> f64 {
        0.0
    }
}

impl Wide for Complex64 {
    fn from_parts(re: f64, im: f64) -> Self {
        Self::new(re, im)
    }

    fn re(self) -> f64 {
        self.re
    }

    fn im(self) -> f64 {
        self.im
    }
}

/// The larger of two numbers; NaN if either is.
pub fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// A power of two that takes `largest`, which is finite, to between 1 and 4, or as near as its reciprocal stays a
/// normal number; with that reciprocal.
pub fn scaling(largest: f64) -> (f64, f64) {
    let power = |exponent: i64| f64::from_bits(((exponent + 1023) as u64) << 52);
    let exponent = ((largest.to_bits() >> 52) as i64 - 1023).clamp(-1022, 1022);
    (power(-exponent), power(exponent))
}

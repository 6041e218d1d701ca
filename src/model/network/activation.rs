//! Activation functions, with their derivatives.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An activation function, by the name that PyTorch and TransformerLens give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// v.
    Identity,
    /// max(0, v), whose derivative at 0 is 0.
    Relu,
    /// v^2.
    Square,
    /// v Phi(v) with the normal distribution function Phi: PyTorch's `gelu`.
    Gelu,
    /// `v/2 (1 + tanh(sqrt(2/pi) (v + 0.044715 v^3)))`: TransformerLens's `gelu_new`, PyTorch's `approximate="tanh"`.
    #[serde(alias = "gelu_tanh", alias = "gelu_fast")]
    GeluNew,
    /// The hyperbolic tangent.
    Tanh,
    /// v / (1 + e^-v), also called swish.
    #[serde(alias = "swish")]
    Silu,
}

/// sqrt(2 / pi).
const ROOT: f32 = 0.797_884_6;

/// The factor of v^3 in the tanh form of GELU.
const CUBE: f32 = 0.044_715;

impl Activation {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Identity, Self::Relu, Self::Square, Self::Gelu, Self::GeluNew, Self::Tanh, Self::Silu];

    /// The names of all functions, for messages.
    pub(crate) const NAMES: &str = "identity, relu, square, gelu, gelu_new, tanh, silu";

    /// The function at one number; NaN stays NaN.
    ///
    /// ```
    /// use irreplens::model::Activation;
    /// assert_eq!(Activation::Square.apply(-3.0), 9.0);
    /// assert!((Activation::Gelu.apply(1.0) - 0.841_344_7).abs() < 1e-6);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn apply(self, v: f32) -> f32 {
        match self {
            Self::Identity => v,
            // `f32::max` would turn NaN to 0.
            Self::Relu => {
                if v < 0.0 {
                    0.0
                } else {
                    v
                }
            }
            Self::Square => v * v,
            Self::Gelu => v * normal_distribution(v),
            Self::GeluNew => 0.5 * v * (1.0 + tanh(ROOT * (v + CUBE * v * v * v))),
            Self::Tanh => tanh(v),
            Self::Silu => v * logistic(v),
        }
    }

    /// Its derivative at `v`.
    #[must_use]
    #[inline(always)]
    pub fn derivative(self, v: f32) -> f32 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => {
                if v > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Self::Square => 2.0 * v,
            Self::Gelu => normal_distribution(v) + v * (0.5 * ROOT) * (-0.5 * v * v).exp(),
            Self::GeluNew => {
                let t = tanh(ROOT * (v + CUBE * v * v * v));
                0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * ROOT * (1.0 + 3.0 * CUBE * v * v)
            }
            Self::Tanh => {
                let t = tanh(v);
                1.0 - t * t
            }
            Self::Silu => {
                let s = logistic(v);
                s * (1.0 + v * (1.0 - s))
            }
        }
    }
}

/// A loop with the function outside of it: one loop for each function, which the compiler then knows in it.
macro_rules! with_function_known {
    ($function:expr, $known:ident => $body:expr) => {
        match $function {
            Activation::Identity => with_function_known!(Activation::Identity; $known => $body),
            Activation::Relu => with_function_known!(Activation::Relu; $known => $body),
            Activation::Square => with_function_known!(Activation::Square; $known => $body),
            Activation::Gelu => with_function_known!(Activation::Gelu; $known => $body),
            Activation::GeluNew => with_function_known!(Activation::GeluNew; $known => $body),
            Activation::Tanh => with_function_known!(Activation::Tanh; $known => $body),
            Activation::Silu => with_function_known!(Activation::Silu; $known => $body),
        }
    };
    ($case:path; $known:ident => $body:expr) => {{
        const $known: Activation = $case;
        $body
    }};
}

/// Whole rows.
impl Activation {
    /// The function of every number.
    #[inline(always)]
    pub(super) fn apply_to(self, input: &[f32], out: &mut [f32]) {
        let values = out.iter_mut().zip(input);
        with_function_known!(self, F => values.for_each(|(out, &v)| *out = F.apply(v)));
    }

    /// The function of every number, in place.
    #[inline(always)]
    pub(super) fn apply_in_place(self, values: &mut [f32]) {
        with_function_known!(self, F => values.iter_mut().for_each(|v| *v = F.apply(*v)));
    }

    /// The gradient times the derivative at every number.
    #[inline(always)]
    pub(super) fn take_back(self, input: &[f32], gradient: &[f32], to: &mut [f32]) {
        let values = to.iter_mut().zip(input.iter().zip(gradient));
        with_function_known!(self, F => values.for_each(|(to, (&v, &g))| *to = F.derivative(v) * g));
    }

    /// The function as kernels know it: `cuda/layers.cu` numbers them in the order of [`ALL`](Activation::ALL).
    #[cfg(feature = "cuda")]
    pub(in crate::model) fn on_device(self) -> crate::device::kernels::Function {
        let number = Self::ALL.iter().position(|&function| function == self).expect("all are in the list");
        crate::device::kernels::Function(number as u32)
    }
}

#[inline(always)]
fn tanh(v: f32) -> f32 {
    v.tanh()
}

#[inline(always)]
fn logistic(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}

/// The normal distribution function, `erfc(-v / sqrt 2) / 2`, to 2e-7 of 1.
///
/// Source: W. J. Cody's idea as in Numerical Recipes, section 6.2 (Chebyshev fit of erfc), in `f64`.
#[inline(always)]
fn normal_distribution(v: f32) -> f32 {
    let z = f64::from(v.abs()) * std::f64::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    const FIT: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let polynomial = FIT.iter().fold(0.0, |sum, c| sum * t + c);
    let erfc = t * (-z * z + polynomial).exp();
    (if v > 0.0 { 1.0 - 0.5 * erfc } else { 0.5 * erfc }) as f32
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::Square => "square",
            Self::Gelu => "gelu",
            Self::GeluNew => "gelu_new",
            Self::Tanh => "tanh",
            Self::Silu => "silu",
        })
    }
}

impl FromStr for Activation {
    type Err = Error;

    /// By its name in a description, `swish` and `gelu_tanh` included.
    fn from_str(name: &str) -> Result<Self> {
        use serde::de::IntoDeserializer;
        use serde::de::value::{Error as Unknown, StrDeserializer};
        let name_of: StrDeserializer<'_, Unknown> = name.into_deserializer();
        let unknown = |_| Error::description(name, format!("an activation: {}", Self::NAMES), "an unknown one");
        Self::deserialize(name_of).map_err(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_all() {
        assert_eq!(Activation::NAMES, Activation::ALL.map(|f| f.to_string()).join(", "));
    }

    #[test]
    fn derivatives_are_those_of_the_functions() {
        for function in Activation::ALL {
            for i in -60..60 {
                let v = i as f32 * 0.1 + 0.05;
                let h = 1e-2;
                let difference = f64::from(function.apply(v + h) - function.apply(v - h)) / f64::from(2.0 * h);
                let error = (difference - f64::from(function.derivative(v))).abs();
                assert!(error < 2e-3, "{function} at {v}: {difference} against {}", function.derivative(v));
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for function in Activation::ALL {
            assert_eq!(function.to_string().parse::<Activation>().unwrap(), function);
        }
        assert!("softplus".parse::<Activation>().is_err());
    }

    #[test]
    fn normal_distribution_is_accurate() {
        // Phi at 0, 1, -1, 2, -3, 5.
        let known = [
            (0.0, 0.5),
            (1.0, 0.841_344_746),
            (-1.0, 0.158_655_254),
            (2.0, 0.977_249_868),
            (-3.0, 0.001_349_898),
            (5.0, 0.999_999_713),
        ];
        for (v, want) in known {
            assert!((f64::from(normal_distribution(v)) - want).abs() < 2e-7, "{v}");
        }
    }
}

//! Output biases by name, and biases that a model has no place for.

use super::optimiser::is_state;
use super::{Tensor, Tensors, matrix, vector};
use crate::error::{Result, TensorFault};
use ndarray::Array1;
use std::path::Path;

/// Names of the vector added to the logits, in order of preference.
pub(super) const OUTPUT_BIAS: &[&str] = &[
    "b_U",
    "unembed_bias",
    "unembed.bias",
    "unembed.b_U",
    "unembedding_bias",
    "unembedding.bias",
    "bias_U",
    "output_bias",
];

/// The output bias and its name, if there is one: a vector, or a matrix of one row.
///
/// # Errors
/// The errors of [`vector`].
pub(super) fn output_bias(path: &Path, tensors: &Tensors) -> Result<Option<(String, Array1<f32>)>> {
    let Some(&name) = OUTPUT_BIAS.iter().find(|&&name| tensors.contains_key(name)) else { return Ok(None) };
    let bias = match tensors[name].shape() {
        [1, _] => matrix(path, tensors, &[name])?.row(0).to_owned(),
        _ => vector(path, tensors, &[name])?,
    };
    Ok(Some((name.to_owned(), bias)))
}

/// Refuses a bias that is none of `used`: a model without it would compute something else. One that is zero everywhere
/// makes no difference.
///
/// A bias is a tensor of floats the last part of whose name is `b`, `bias`, `b_...`, `bias_...`, `..._bias`, or `b` and
/// digits.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor).
pub(super) fn no_other_bias(path: &Path, tensors: &Tensors, used: &[&str]) -> Result<()> {
    let zero = |tensor: &Tensor| match tensor {
        Tensor::F32(values) => values.iter().all(|&v| v == 0.0),
        Tensor::F64(values) => values.iter().all(|&v| v == 0.0),
        Tensor::I64(values) => values.iter().all(|&v| v == 0),
        Tensor::Bool(values) => values.iter().all(|&v| !v),
        Tensor::Unread { .. } => false,
    };
    let found = tensors
        .iter()
        .find(|(name, tensor)| is_bias(name) && !is_state(name) && !used.contains(&name.as_str()) && !zero(tensor));
    match found {
        None => Ok(()),
        Some((name, tensor)) => {
            Err(TensorFault::Surplus { what: "bias", shape: tensor.shape().to_vec() }
                .of(path, super::file::shown(name)))
        }
    }
}

pub(super) fn is_bias(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let digits = last.strip_prefix('b').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    digits || last == "bias" || ["b_", "bias_"].iter().any(|start| last.starts_with(start)) || last.ends_with("_bias")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_by_name() {
        for name in ["b", "b1", "b_U", "linear.bias", "bias_ih", "unembed_bias", "unembed.b_U", "net.0.bias"] {
            assert!(is_bias(name), "{name}");
        }
        for name in ["W", "W_b", "batch", "bn", "betas", "unbiased", "W_E_b", "bias.weight"] {
            assert!(!is_bias(name), "{name}");
        }
    }
}

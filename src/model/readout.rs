//! What reads the logits: the unembedding, and what the hidden layer writes to them.

use super::Interpretable;
use crate::error::{Result, check_shape};
use crate::linalg::matmul;
use ndarray::{Array2, ArrayView1, ArrayView2};

/// `activations W_U + b_U`, with the width checked. Column-major: a class's logits are contiguous, which is how losses read
/// them and how the matrix product has whole tiles of pairs.
pub(super) fn unembed(
    activations: ArrayView2<'_, f32>,
    unembedding: ArrayView2<'_, f32>,
    bias: Option<ArrayView1<'_, f32>>,
) -> Result<Array2<f32>> {
    check_shape("activations of the readout site", &[activations.nrows(), unembedding.nrows()], activations.shape())?;
    let mut classes = matmul(unembedding.t(), activations.t());
    if let Some(bias) = bias {
        for (mut class, &bias) in classes.outer_iter_mut().zip(bias) {
            class += bias;
        }
    }
    Ok(classes.reversed_axes())
}

/// The site that measures of the hidden layer are of: the neurons where their own path to the logits is known, else what is
/// read out.
pub(crate) fn hidden_site<M: Interpretable + ?Sized>(model: &M) -> &str {
    if model.neuron_path().is_some() { model.neuron_site() } else { model.readout_site() }
}

/// Whether the hidden layer that measures are of is all that reaches the logits, up to a bias.
pub(crate) fn hidden_is_read_out(model: &(impl Interpretable + ?Sized)) -> bool {
    hidden_site(model) == model.readout_site()
}

/// What the hidden layer that measures are of writes to the logits: activations (rows, width) of [`hidden_site`] read out
/// or, where more than these reaches the logits, times their path.
pub(crate) fn read_hidden(model: &(impl Interpretable + ?Sized), hidden: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
    match model.neuron_path() {
        Some(path) if !hidden_is_read_out(model) => Ok(matmul(path.t(), hidden.t()).reversed_axes()),
        _ => model.readout(hidden),
    }
}

//! Networks from state dicts: the parameters of a description, and the description of a transformer from its tensors.

use super::config::RunConfig;
use super::file::shown;
use super::{Tensor, Tensors, floats, listed};
use crate::error::{Error, Result};
use crate::model::{Activation, Architecture, Network, Normalisation, Operation, Transformer};
use ndarray::{ArrayD, Axis};
use std::path::Path;

/// The table of a transformer's token embeddings.
const EMBED: &str = "embed.W_E";
/// Its unembedding.
const UNEMBED: &str = "unembed.W_U";

/// Names of tensors that are needed of a transformer: they tell its state dict from others in a file.
pub(super) fn names_of_transformer() -> Vec<Vec<&'static str>> {
    vec![vec![EMBED], vec![UNEMBED], vec!["blocks.0.attn.W_Q"]]
}

/// The settings of the transformer whose state dict this is, as TransformerLens names its tensors: widths and heads by
/// their shapes, activation function and LayerNorm by the settings' keys `act_fn`, `normalization_type` and `eps` (ReLU
/// and none where they say nothing, but for LayerNorm whose weights are there).
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::TensorRank`], [`Error::TensorShape`] for tables with fewer rows than elements,
/// [`Error::Config`] for an unknown activation function or normalisation.
pub(super) fn transformer(path: &Path, tensors: &Tensors, config: &RunConfig, settings: &Path) -> Result<Transformer> {
    let order = config.order()?;
    let shape = |name: &str, rank: usize| -> Result<Vec<usize>> {
        let Some(tensor) = tensors.get(name) else {
            let (path, expected) = (path.into(), vec![name.to_owned()]);
            return Err(Error::MissingTensor { path, expected, got: listed(tensors) });
        };
        let got = tensor.shape().to_vec();
        match got.len() == rank {
            true => Ok(got),
            false => Err(Error::TensorRank { path: path.into(), tensor: name.into(), expected: rank, got }),
        }
    };
    let behind = |name: &str, got: Vec<usize>, axis: usize| -> Result<usize> {
        got[axis].checked_sub(order).ok_or_else(|| {
            let mut expected = got.clone();
            expected[axis] = order;
            let (path, tensor, because) = (path.into(), name.into(), "at least one for each element of the group");
            Error::TensorShape { path, tensor, expected, got: got.clone(), because }
        })
    };
    let table = shape(EMBED, 2)?;
    let d_model = table[1];
    let vocabulary = behind(EMBED, table, 0)?;
    let extra = behind(UNEMBED, shape(UNEMBED, 2)?, 1)?;
    let context = tensors.contains_key("pos_embed.W_pos").then(|| shape("pos_embed.W_pos", 2)).transpose()?;
    let layers = (0..).take_while(|l| tensors.contains_key(&format!("blocks.{l}.attn.W_Q"))).count();
    let query = shape("blocks.0.attn.W_Q", 3)?;
    let neurons = "blocks.0.mlp.W_in";
    let d_mlp = tensors.contains_key(neurons).then(|| shape(neurons, 2)).transpose()?.map(|shape| shape[1]);

    let key = |name: &str| config.other.get(name).or_else(|| config.layers.other.get(name)).filter(|v| !v.is_null());
    let bad = |key: &'static str, expected: &'static str, got: &serde_json::Value| Error::Config {
        path: settings.into(),
        key,
        expected,
        got: shown(&got.to_string()),
    };
    let act_fn = match key("act_fn") {
        None => Activation::Relu,
        Some(value) => {
            let known = "relu, square, gelu, gelu_new, tanh, silu or identity";
            serde_json::from_value(value.clone()).map_err(|_| bad("act_fn", known, value))?
        }
    };
    let has_weights = tensors.contains_key("ln_final.w") || tensors.contains_key("blocks.0.ln1.w");
    let normalisation = match key("normalization_type") {
        None if has_weights => Normalisation::LayerNorm,
        None => Normalisation::None,
        Some(value) => {
            serde_json::from_value(value.clone()).map_err(|_| bad("normalization_type", "null, LN or LNPre", value))?
        }
    };
    let eps = match key("eps") {
        None => Transformer::default().eps,
        Some(value) => {
            value.as_f64().filter(|eps| *eps >= 0.0).ok_or_else(|| bad("eps", "a number from 0 up", value))?
        }
    };
    let rows = context.map(|shape| shape[0]);
    let constants = usize::from(vocabulary > 0 && rows.is_none_or(|rows| rows > 2));
    Ok(Transformer {
        layers,
        d_model,
        heads: query[0],
        d_head: query[2],
        d_mlp,
        act_fn,
        normalisation,
        eps,
        constants,
        vocabulary,
        extra,
        positional: rows.is_some(),
        context: rows.unwrap_or(0),
        biases: true,
    })
}

/// The description of a transformer, without the biases that its state dict lacks.
pub(super) fn architecture(transformer: &Transformer, tensors: &Tensors) -> Architecture {
    let mut architecture = transformer.architecture();
    for step in &mut architecture.steps {
        if let Operation::Linear { bias, .. } | Operation::Unembed { bias, .. } = &mut step.operation {
            bias.take_if(|name| !tensors.contains_key(name.as_str()));
        }
    }
    architecture
}

/// The network of a description with the parameters of a state dict.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::TensorDtype`], [`Error::NonFinite`], [`Error::TensorShape`] for parameters that the
/// description does not fit; [`Error::SurplusTensor`] for a tensor that no step wants; [`Error::TensorLayout`] for an
/// attention mask that is not causal, or copies of the embeddings that are none.
pub(super) fn network(path: &Path, tensors: &Tensors, architecture: Architecture, order: usize) -> Result<Network> {
    let mut network = Network::zeros(architecture, order)?;
    let parameters = network.weights().to_vec();
    let mut numbers = Vec::with_capacity(network.parameters().len());
    for parameter in &parameters {
        let stored: ArrayD<f32> = floats(path, tensors, &[&parameter.name])?;
        if stored.shape() != parameter.shape {
            return Err(Error::TensorShape {
                path: path.into(),
                tensor: parameter.name.clone(),
                expected: parameter.shape.clone(),
                got: stored.shape().to_vec(),
                because: "the step of the network that reads it, and the order of the group",
            });
        }
        numbers.extend(parameter.as_computed(&stored));
    }
    network.parameters_mut().copy_from_slice(&numbers);
    for (name, tensor) in tensors {
        let last = name.rsplit('.').next().unwrap_or(name);
        let layout = |expected, got: &str| {
            Err(Error::TensorLayout { path: path.into(), tensor: shown(name), expected, got: got.into() })
        };
        match last {
            _ if parameters.iter().any(|parameter| parameter.name == *name) => {}
            "mask" => {
                if !is_causal(path, tensors, name)? {
                    return layout("a causal mask: every position sees those before it and itself", "another mask");
                }
            }
            "IGNORE" => {}
            "x_embed" | "y_embed" if tensors.contains_key(EMBED) => {
                let (copy, table): (ArrayD<f32>, ArrayD<f32>) =
                    (floats(path, tensors, &[name])?, floats(path, tensors, &[EMBED])?);
                let rows = copy.shape().first().copied().unwrap_or(0).min(table.shape()[0]);
                if copy.ndim() != 2 || copy != table.slice_axis(Axis(0), (0..rows).into()) {
                    return layout("a copy of the first rows of embed.W_E", "other numbers");
                }
            }
            _ if matches!(tensor, Tensor::Unread { .. }) || is_optimisers(name) => {}
            _ => {
                let (path, shape) = (path.into(), tensor.shape().to_vec());
                return Err(Error::SurplusTensor { path, tensor: shown(name), shape });
            }
        }
    }
    Ok(network)
}

/// Whether a tensor is of this crate's optimisers, beside the weights in a checkpoint.
fn is_optimisers(name: &str) -> bool {
    ["adamw.", "adam.", "sgd."].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether an attention mask, of truth values or numbers, is 1 up to the diagonal and 0 behind it.
fn is_causal(path: &Path, tensors: &Tensors, name: &str) -> Result<bool> {
    let mask = match &tensors[name] {
        Tensor::Bool(mask) => mask.mapv(|seen| f32::from(u8::from(seen))),
        Tensor::I64(mask) => mask.mapv(|seen| seen as f32),
        _ => floats(path, tensors, &[name])?,
    };
    let rank = mask.ndim();
    Ok(rank >= 2
        && mask.indexed_iter().all(|(index, &seen)| {
            let (query, key) = (index[rank - 2], index[rank - 1]);
            seen == f32::from(u8::from(key <= query))
        }))
}

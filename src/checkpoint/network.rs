//! Networks from state dicts: the parameters of a description, and the description of a transformer from its tensors.

use super::bias::{OUTPUT_BIAS, no_other_bias};
use super::config::RunConfig;
use super::file::shown;
use super::optimiser::is_state;
use super::{Tensor, Tensors, floats, missing, rules};
use crate::error::{Error, Result, TensorFault};
use crate::model::{Activation, Architecture, Layout, Network, Normalisation, Operation, Parameter, Transformer};
use ndarray::{ArrayD, Axis};
use std::path::Path;

/// The table of a transformer's token embeddings.
const EMBED: &str = "embed.W_E";
/// Its unembedding.
const UNEMBED: &str = "unembed.W_U";

/// Names of tensors that are needed of a transformer: they tell its state dict from others in a file.
pub(super) const OF_TRANSFORMER: [&str; 3] = [EMBED, UNEMBED, "blocks.0.attn.W_Q"];

/// The settings of the transformer whose state dict this is, as TransformerLens names its tensors: widths and heads by
/// their shapes, activation function and LayerNorm by the settings' keys `act_fn`, `normalization_type` and `eps` (ReLU
/// and none where they say nothing, but for LayerNorm whose weights are there).
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::Tensor`] for tables with fewer rows than elements,
/// [`Error::Config`] for an unknown activation function or normalisation.
pub(super) fn transformer(path: &Path, tensors: &Tensors, config: &RunConfig, settings: &Path) -> Result<Transformer> {
    let order = config.order()?;
    let shape = |name: &str, rank: usize| -> Result<Vec<usize>> {
        let got = tensors.get(name).ok_or_else(|| missing(path, &[name], tensors))?.shape().to_vec();
        match got.len() == rank {
            true => Ok(got),
            false => Err(TensorFault::Rank { expected: rank, got }.of(path, name)),
        }
    };
    let behind = |name: &str, got: Vec<usize>, axis: usize| -> Result<usize> {
        got[axis].checked_sub(order).ok_or_else(|| {
            let mut expected = got.clone();
            expected[axis] = order;
            let because = "at least one for each element of the group".into();
            TensorFault::Shape { expected, got: got.clone(), because }.of(path, name)
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
    let bad = |key, expected, got| rules::bad(settings, key, expected, Some(got));
    let act_fn = match key("act_fn") {
        None => Activation::Relu,
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| bad("act_fn", Activation::NAMES, value))?,
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
        ..Transformer::default()
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
    architecture.frozen.retain(|name| tensors.contains_key(name));
    architecture
}

/// Other names of a parameter of the published networks, in order of preference: those under which it is stored as it is
/// described, and those of an `nn.Linear`, which stores a matrix (out, in).
const NAMES: [(&str, &[&str], &[&str]); 5] = [
    ("W_E_a", &["W_x", "W1a", "lembed.weight", "embedding_left.weight"], &[]),
    ("W_E_b", &["W_y", "W1b", "rembed.weight", "embedding_right.weight"], &[]),
    ("W", &[], &["linear.weight"]),
    ("W_U", &["Wfinal", "unembed.W_U"], &["unembed.weight", "unembedding.weight"]),
    (OUTPUT_BIAS[0], OUTPUT_BIAS.split_at(1).1, &[]),
];

/// The names under which a parameter may be stored: as it is described, and as its transpose. One with a layout of its own has
/// no other name.
fn stored_names(parameter: &Parameter) -> (Vec<&str>, &'static [&'static str]) {
    let name = parameter.name.as_str();
    match NAMES.iter().find(|(known, ..)| *known == name && parameter.layout == Layout::Plain) {
        Some((_, plain, linear)) => (std::iter::once(name).chain(plain.iter().copied()).collect(), linear),
        None => (vec![name], &[]),
    }
}

/// All names under which each parameter of a description may be stored.
pub(super) fn names_of(parameters: &[Parameter]) -> Vec<Vec<&str>> {
    let names = |parameter| {
        let (plain, linear) = stored_names(parameter);
        [&plain[..], linear].concat()
    };
    parameters.iter().map(names).collect()
}

/// The values of a parameter as they are computed with, and the name of the tensor that they are stored in.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::Tensor`].
pub(super) fn values(path: &Path, tensors: &Tensors, parameter: &Parameter) -> Result<(String, Vec<f32>)> {
    let (plain, linear) = stored_names(parameter);
    let found = |names: &[&str]| names.iter().find(|&&name| tensors.contains_key(name)).map(|&name| name.to_owned());
    let transposed = found(&plain).is_none() && found(linear).is_some();
    let names = [&plain[..], linear].concat();
    let stored: ArrayD<f32> = floats(path, tensors, &names).map_err(|error| match error {
        Error::MissingTensor { path, expected, got, .. } => {
            Error::MissingTensor { path, expected, got, step: Some(parameter.step.clone()) }
        }
        error => error,
    })?;
    let tensor = found(&names).expect("it was read");
    let mut expected = parameter.shape.clone();
    if transposed {
        expected.reverse();
    }
    // A bias of the logits may be a matrix of one row.
    let row = [1, parameter.matrix[1]];
    if stored.shape() == expected || parameter.name == OUTPUT_BIAS[0] && stored.shape() == row {
        let stored = if transposed { stored.reversed_axes() } else { stored };
        return Ok((tensor, parameter.as_computed(&stored)));
    }
    let got = stored.shape().to_vec();
    match got.len() == expected.len() {
        true => {
            let because = format!("step `{}` and the order of the group", parameter.step);
            Err(TensorFault::Shape { expected, got, because }.of(path, tensor))
        }
        false => Err(TensorFault::Rank { expected: expected.len(), got }.of(path, tensor)),
    }
}

/// The extent of a matrix along an axis of its description, whichever way it is stored; `None` where it is not there.
pub(super) fn stored_extent(tensors: &Tensors, parameter: &Parameter, axis: usize) -> Option<usize> {
    let (plain, linear) = stored_names(parameter);
    let stored = |names: &[&str], axis: usize| {
        let tensor = names.iter().find_map(|&name| tensors.get(name))?;
        (tensor.shape().len() == 2).then(|| tensor.shape()[axis])
    };
    stored(&plain, axis).or_else(|| stored(linear, 1 - axis))
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Beside {
    /// A tensor that no step reads is an error, but for masks, copies of embeddings and an optimiser's state.
    Nothing,
    /// Tensors that no step reads are passed over, but for biases: those of published networks, which say what they are by
    /// name.
    OtherTensors,
}

/// The network of a description with the parameters of a state dict.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::Tensor`] for
/// parameters that the description does not fit; [`Error::Tensor`] or [`Error::Tensor`] for a tensor that no step
/// reads; [`Error::Tensor`] for an attention mask that is not causal, or copies of the embeddings that are none.
pub(super) fn network(
    path: &Path,
    tensors: &Tensors,
    architecture: Architecture,
    order: usize,
    beside: Beside,
) -> Result<Network> {
    let mut network = Network::zeros(architecture, order)?;
    let parameters = network.weights().to_vec();
    let mut used = Vec::with_capacity(parameters.len());
    for parameter in &parameters {
        let (name, values) = values(path, tensors, parameter)?;
        network.parameters_mut()[parameter.range.clone()].copy_from_slice(&values);
        used.push(name);
    }
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    match beside {
        Beside::OtherTensors => no_other_bias(path, tensors, &used)?,
        Beside::Nothing => nothing_else(path, tensors, &used)?,
    }
    Ok(network)
}

fn nothing_else(path: &Path, tensors: &Tensors, used: &[&str]) -> Result<()> {
    for (name, tensor) in tensors {
        let last = name.rsplit('.').next().unwrap_or(name);
        let layout = |expected, got: &str| Err(TensorFault::Unfit { expected, got: got.into() }.of(path, shown(name)));
        match last {
            _ if used.contains(&name.as_str()) => {}
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
            _ if matches!(tensor, Tensor::Unread { .. }) || is_state(name) => {}
            _ => {
                let shape = tensor.shape().to_vec();
                return Err(TensorFault::Surplus { what: "tensor", shape }.of(path, shown(name)));
            }
        }
    }
    Ok(())
}

impl Network {
    /// The network of a description with the parameters in the tensors of a checkpoint.
    ///
    /// # Arguments
    /// `path`: the file, for errors. `tensors`: one of the shape [`Parameter::shape`] for every parameter, under its name,
    /// or under one of the other names that [`Run`](super::Run) lists.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Tensor`] for parameters that the description does not fit; [`Error::Tensor`] for a
    /// tensor that no step reads, unless it is a causal mask, a copy of embeddings or an optimiser's state; the errors of
    /// [`zeros`](Network::zeros).
    pub fn from_tensors(architecture: Architecture, order: usize, path: &Path, tensors: &Tensors) -> Result<Self> {
        network(path, tensors, architecture, order, Beside::Nothing)
    }

    /// The parameters under the names and in the shapes that they have in a checkpoint.
    #[must_use]
    pub fn tensors(&self) -> Tensors {
        self.tensors_of(self.parameters(), "")
    }

    /// The tensors of a vector like the parameters, with `prefix` before every name.
    pub(crate) fn tensors_of(&self, values: &[f32], prefix: &str) -> Tensors {
        let tensor = |parameter: &Parameter| {
            let stored = parameter.as_stored(&values[parameter.range.clone()]);
            (format!("{prefix}{}", parameter.name), Tensor::F32(stored))
        };
        self.weights().iter().map(tensor).collect()
    }

    /// A vector like the parameters from the tensors whose names start with `prefix`.
    #[cfg(feature = "train")]
    pub(crate) fn values_of(&self, path: &Path, tensors: &Tensors, prefix: &str) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(self.parameters().len());
        for parameter in self.weights() {
            let named = Parameter { name: format!("{prefix}{}", parameter.name), ..parameter.clone() };
            all.extend(values(path, tensors, &named)?.1);
        }
        Ok(all)
    }
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

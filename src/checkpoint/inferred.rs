//! Weights without settings: the networks that they could be, by the names and shapes of their tensors.

use super::file::not_found;
use super::network;
use super::run::{CONFIG, Place, Weights, split_entry, widths_of_weights};
use super::select::Wanted;
use super::{Contents, ModelKind, ModelSettings, Run, RunConfig, Tensors, weights};
use crate::error::{Error, Result};
use crate::model::{Activation, Architecture, Operation};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::Path;

/// What the weights that are looked for are, in words.
const EXPECTED: &str = "the weights of a network that can be told by them: two embeddings (n, e) and W_U (d, n), with or \
                        without W (e or 2 e, d); or a transformer with `embed.W_E`, `blocks.0.attn.W_Q` and `unembed.W_U`";

/// The keys of settings, as a `cfg.json` has them.
type Keys = Vec<(&'static str, Value)>;

impl Run {
    /// The runs that weights without a `cfg.json` could be, the likeliest first: one for each network whose parameters have
    /// these names and shapes.
    ///
    /// Widths, the number of elements and mostly the kind of network show in the tensors. What does not is left open: the
    /// activation function, whether two embeddings are added or multiplied, and LayerNorm with folded weights.
    ///
    /// | tensors | networks |
    /// |---|---|
    /// | E_a, E_b (n, e), W_U (e, n) | [`Architecture::summed`], [`Architecture::bilinear`], summed with squares |
    /// | and W (2 e, d) | [`Architecture::one_layer`], with the vector b [`Architecture::one_layer_with_bias`]; with squares |
    /// | and W (e, d) | [`Architecture::two_layer`]; with squares |
    /// | `embed.W_E`, `blocks.0.attn.W_Q`, `unembed.W_U` | a transformer with ReLU or GELU, without or with folded LayerNorm |
    ///
    /// The group of each is that of a [`GroupKind::CayleyTable`](super::GroupKind) that is not there, until
    /// [`on_group`](Run::on_group) says which it is; the split and how it was trained are not known.
    ///
    /// # Arguments
    /// `path`: as [`open`](Run::open) takes it; a `cfg.json` there is not read.
    ///
    /// # Returns
    /// At least one run.
    ///
    /// # Errors
    /// The errors of [`open`](Run::open) for weights; [`Error::Format`] for tensors that no such network has, and for a
    /// transformer whose number of elements does not show; [`Error::Unsupported`] for recorded activations.
    ///
    /// ```no_run
    /// use irreplens::checkpoint::Run;
    /// for run in Run::candidates("model.pt")? {
    ///     println!("{} elements: {:?}", run.config.order()?, run.config.model);
    /// }
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn candidates(path: impl AsRef<Path>) -> Result<Vec<Self>> {
        let (path, entry) = split_entry(path.as_ref());
        Self::candidates_with(path, entry)
    }

    /// The only run that weights without settings can be.
    pub(super) fn only_candidate(path: &Path, entry: Option<&str>) -> Result<Self> {
        let mut all = Self::candidates_with(path, entry)?;
        if all.len() == 1 {
            return Ok(all.remove(0));
        }
        let names: Vec<String> = all.iter().map(Self::network_in_words).collect();
        let expected = "a cfg.json beside weights that could be of several networks (`identify_weights` finds the one that \
                        has learnt a group)";
        let without = not_found(&all[0].directory().join(CONFIG), ErrorKind::NotFound.into());
        Err(Error::format(all[0].weights(), expected, format!("those of {} ({without})", names.join(", or of "))))
    }

    fn candidates_with(path: &Path, entry: Option<&str>) -> Result<Vec<Self>> {
        let place = Place::of(path)?;
        let (file, notes) = match place.weights(path, entry)? {
            Weights::OfNetwork(file, notes) => (file, notes),
            Weights::Recorded(file) => {
                let needs = "a group, or weights: recorded activations do not say what network they are of";
                return Err(Error::in_file(file)(Error::Unsupported { analysis: "the network of a file", needs }));
            }
        };
        let read = |names: &[Vec<&str>]| weights::read(&file, &Wanted { names, entry });
        let of_transformer = read(&network::OF_TRANSFORMER.map(|name| vec![name]))?;
        let (contents, found) = match transformers(&file, &of_transformer.tensors)? {
            Some(found) => (of_transformer, found),
            None => {
                let contents = read(&network::names_of(&Architecture::summed(1).parameters(1)?))?;
                let found = two_tables(&file, &contents)?;
                (contents, found)
            }
        };
        let run = |keys: Keys| -> Result<Self> {
            let keys = Value::Object(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
            let mut config: RunConfig = serde_json::from_value(keys).expect("the keys without a default");
            widths_of_weights(&mut config, &contents.tensors)?;
            let mut notes = notes.clone();
            notes.extend(contents.notes.clone());
            let mut run =
                Self::of_tensors(config, contents.tensors.clone(), place.directory.clone(), file.clone(), notes);
            run.notes.push(format!("without a cfg.json, the network is taken for {}", run.network_in_words()));
            run.network().map(|_| run)
        };
        // Only those that the weights fit; if there are none, the error is that of the likeliest.
        let (fit, errors): (Vec<_>, Vec<_>) = found.into_iter().map(run).partition(Result::is_ok);
        match errors.into_iter().next() {
            Some(error) if fit.is_empty() => error.map(|run| vec![run]),
            _ => fit.into_iter().collect(),
        }
    }

    /// What the network is, in a few words: `relu(E_a[x] + E_b[y]) W_U`.
    pub(crate) fn network_in_words(&self) -> String {
        match &self.config.model {
            ModelSettings::Published(ModelKind::Transformer) => {
                let of = |key: &str| self.config.other.get(key).and_then(Value::as_str).unwrap_or("none").to_owned();
                format!("a transformer (activation function {}, LayerNorm {})", of("act_fn"), of("normalization_type"))
            }
            ModelSettings::Published(kind) => {
                let name = serde_json::to_value(kind).ok();
                name.as_ref().and_then(Value::as_str).unwrap_or("a network").to_owned()
            }
            ModelSettings::Described(_) => "the network with squares in place of its ReLU".to_owned(),
        }
    }
}

/// The settings of a group of n elements of which nothing is known.
fn of_order(n: usize) -> Keys {
    vec![("group", json!("CayleyTable")), ("group_parameter", json!(n))]
}

/// The transformers that a state dict could be; `None` for another network.
///
/// The tokens that are no elements show in the tables: `=` has a row of the embedding, and mostly no column of W_U.
fn transformers(file: &Path, tensors: &Tensors) -> Result<Option<Vec<Keys>>> {
    let extent = |name: &str, axis: usize| tensors.get(name).and_then(|tensor| tensor.shape().get(axis).copied());
    let [embed, unembed, query] = network::OF_TRANSFORMER;
    let (Some(rows), Some(columns), Some(_)) = (extent(embed, 0), extent(unembed, 1), extent(query, 0)) else {
        return Ok(None);
    };
    let order = match extent("pos_embed.W_pos", 0) {
        _ if rows > columns => Some(columns),
        Some(2) if rows == columns => Some(rows),
        Some(_) if rows == columns => rows.checked_sub(1).filter(|&n| n > 0),
        _ => None,
    };
    let Some(n) = order else {
        let got = format!("{rows} tokens read and {columns} written, of which some may be no elements");
        let expected = "a transformer whose number of elements shows: fewer classes than tokens, or positions";
        return Err(Error::format(file, expected, got));
    };
    let has_weights = tensors.contains_key("ln_final.w") || tensors.contains_key("blocks.0.ln1.w");
    let norms: &[Option<&str>] = if has_weights { &[Some("LN")] } else { &[None, Some("LNPre")] };
    let functions: &[&str] = if extent("blocks.0.mlp.W_in", 0).is_some() { &["relu", "gelu"] } else { &["relu"] };
    let mut all = Vec::new();
    for norm in norms {
        for function in functions {
            let mut keys = of_order(n);
            keys.extend([
                ("model", json!(ModelKind::Transformer)),
                ("act_fn", json!(function)),
                ("normalization_type", json!(norm)),
            ]);
            all.push(keys);
        }
    }
    Ok(Some(all))
}

/// The networks of two embeddings that a state dict could be.
fn two_tables(file: &Path, contents: &Contents) -> Result<Vec<Keys>> {
    let tensors = &contents.tensors;
    let parameters = Architecture::one_layer_with_bias(1, 1).parameters(1)?;
    let extent = |name: &str, axis: usize| {
        let parameter = parameters.iter().find(|parameter| parameter.name == name)?;
        network::stored_extent(tensors, parameter, axis)
    };
    let unknown = |got: String| Err(Error::format(file, EXPECTED, got));
    let [Some(n), Some(e), Some(d)] = [extent("W_E_a", 0), extent("W_E_a", 1), extent("W_U", 0)] else {
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        return unknown(format!("tensors {}", super::file::in_words(&names, names.len())));
    };
    let rows = extent("W", 0);
    let kinds: &[ModelKind] = match rows {
        None if d == e => &[ModelKind::SummedMlp, ModelKind::Bilinear],
        None => return unknown(format!("embeddings of width {e} and W_U of {d} neurons, and no W between them")),
        Some(rows) if rows == 2 * e && tensors.contains_key("b") => &[ModelKind::OneLayerMlpWithBias],
        Some(rows) if rows == 2 * e => &[ModelKind::OneLayerMlp],
        Some(rows) if rows == e => &[ModelKind::TwoLayerMlp],
        Some(rows) => return unknown(format!("embeddings of width {e} and W with {rows} rows")),
    };
    let settings = |model: ModelSettings| {
        let mut keys = of_order(n);
        keys.push(("model", json!(model)));
        keys
    };
    let described = |kind: ModelKind| {
        let biased = super::bias::OUTPUT_BIAS.iter().any(|&name| tensors.contains_key(name));
        squared(kind.architecture(e, d, biased))
    };
    let mut all: Vec<Keys> = kinds.iter().map(|&kind| settings(kind.into())).collect();
    all.push(settings(described(kinds[0]).into()));
    Ok(all)
}

/// A description with the square in place of every ReLU.
fn squared(mut architecture: Architecture) -> Architecture {
    for step in &mut architecture.steps {
        if let Operation::Activate { function, .. } = &mut step.operation {
            *function = Activation::Square;
        }
    }
    architecture
}

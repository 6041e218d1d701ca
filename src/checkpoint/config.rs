//! A run's `cfg.json`: what was trained, on which group, how.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::{atomic_write, read_file, shown};
use crate::error::{Error, Result};

/// The network's architecture, by its name in `cfg.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ModelKind {
    /// `relu([E_a[x], E_b[y]] W) W_U`.
    #[serde(rename = "OneLayerMLP")]
    OneLayerMlp,
    /// The same with a vector added after the ReLU.
    #[serde(rename = "OneLayerMLPwithBias")]
    OneLayerMlpWithBias,
    /// `relu(E_a[x] + E_b[y]) W_U`.
    #[serde(rename = "BetterOneLayerMLP")]
    SummedMlp,
    /// `relu(relu(E_a[x] + E_b[y]) W) W_U`.
    #[serde(rename = "BetterTwoLayerMLP")]
    TwoLayerMlp,
    /// `(E_a[x] * E_b[y]) W_U`, elementwise product.
    #[serde(rename = "BilinearNet")]
    Bilinear,
}

impl ModelKind {
    /// Whether the network has a layer of `hidden_dim` neurons.
    pub fn has_hidden(self) -> bool {
        matches!(self, Self::OneLayerMlp | Self::OneLayerMlpWithBias | Self::TwoLayerMlp)
    }
}

/// The family of groups, by its name in `cfg.json`; `n` is the group parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GroupKind {
    /// Addition modulo `n`.
    CyclicGroup,
    /// Symmetries of the regular `n`-gon.
    DihedralGroup,
    /// Permutations of `n` points.
    SymmetricGroup,
    /// Even permutations of `n` points.
    AlternatingGroup,
    /// Any group of order `n`, given by its multiplication table.
    CayleyTable,
}

impl GroupKind {
    /// The number of elements: `n`, `2 n`, `n!`, `n!/2` (1 if `n` is 1) or `n`, in the order of the variants.
    ///
    /// # Errors
    /// [`Error::GroupParameter`] if `n` is 0 or the order overflows `usize`.
    ///
    /// # Example
    /// ```
    /// use irreplens::checkpoint::GroupKind;
    ///
    /// assert_eq!(GroupKind::AlternatingGroup.order(5)?, 60);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn order(self, n: usize) -> Result<usize> {
        let product = |from: usize| (from..=n).try_fold(1usize, |p, k| p.checked_mul(k));
        let (group, order) = match self {
            Self::CyclicGroup => ("CyclicGroup", Some(n)),
            Self::DihedralGroup => ("DihedralGroup", n.checked_mul(2)),
            Self::SymmetricGroup => ("SymmetricGroup", product(1)),
            Self::AlternatingGroup => ("AlternatingGroup", product(3)),
            Self::CayleyTable => ("CayleyTable", Some(n)),
        };
        order.filter(|_| n > 0).ok_or(Error::GroupParameter {
            group,
            expected: "from 1 up, with an order that fits in usize",
            got: n,
        })
    }
}

/// Widths of the network's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Width of each embedding.
    pub embed_dim: usize,
    /// Number of hidden neurons, in the models that have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_dim: Option<usize>,
    /// Whether a vector is added to the logits; where the file says nothing, the weights do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bias: Option<bool>,
    /// All other keys, in their order in the file.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What the learning rate does after its warm-up, by its name in `cfg.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LrDecay {
    /// It stays.
    #[default]
    Constant,
    /// It falls linearly to 0 at the last epoch.
    Linear,
    /// It falls to 0 at the last epoch along half a cosine.
    Cosine,
}

impl LrDecay {
    fn is_constant(&self) -> bool {
        *self == Self::Constant
    }
}

/// The settings of a training run.
///
/// Keys this crate does not know are kept in `other` and written back.
///
/// # Example
/// ```
/// use irreplens::checkpoint::RunConfig;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("cfg.json");
/// std::fs::write(&path, r#"{
///     "model": "BilinearNet", "group": "DihedralGroup", "group_parameter": 53, "seed": 1, "frac_train": 0.3,
///     "layers": {"embed_dim": 256}, "lr": 1e-3, "weight_decay": 2, "num_epochs": 1000, "notes": "mine"
/// }"#)?;
/// let config = RunConfig::read(&path)?;
/// assert_eq!(config.order()?, 106);
/// assert_eq!(config.betas, (0.9, 0.999));
/// assert_eq!(config.other["notes"], "mine");
/// config.write(&path)?;
/// assert_eq!(RunConfig::read(&path)?, config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The architecture.
    pub model: ModelKind,
    /// The family of groups.
    pub group: GroupKind,
    /// Which one of the family; at least 1.
    pub group_parameter: usize,
    /// Seed of the train/test split; 0 means no shuffle.
    pub seed: u64,
    /// Share of all pairs that are trained on, in (0, 1].
    pub frac_train: f64,
    /// Widths.
    pub layers: Layers,
    /// Learning rate, above 0.
    pub lr: f64,
    /// AdamW's decoupled weight decay, from 0 up.
    pub weight_decay: f64,
    /// Adam's decay rates, each in [0, 1); (0.9, 0.999) where the file has none.
    #[serde(default = "default_betas")]
    pub betas: (f64, f64),
    /// Added to the denominator of Adam's step; 1e-8 where the file has none.
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    pub eps: f64,
    /// Steps over which the learning rate rises linearly from 0; 0 where the file has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warmup_epochs: u64,
    /// What the learning rate does after that; constant where the file says nothing.
    #[serde(default, skip_serializing_if = "LrDecay::is_constant")]
    pub lr_decay: LrDecay,
    /// Full-batch steps.
    pub num_epochs: u64,
    /// All other keys, in their order in the file.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn default_betas() -> (f64, f64) {
    (0.9, 0.999)
}

fn default_eps() -> f64 {
    1e-8
}

fn is_default_eps(eps: &f64) -> bool {
    *eps == default_eps()
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a key's value must be: key, whether it must be there, the range in words, the test.
type Rule = (&'static str, bool, &'static str, fn(&Value) -> bool);

const RULES: [Rule; 16] = [
    ("model", true, "OneLayerMLP, OneLayerMLPwithBias, BetterOneLayerMLP, BetterTwoLayerMLP or BilinearNet", |v| {
        ModelKind::deserialize(v).is_ok()
    }),
    ("group", true, "CyclicGroup, DihedralGroup, SymmetricGroup, AlternatingGroup or CayleyTable", |v| {
        GroupKind::deserialize(v).is_ok()
    }),
    ("group_parameter", true, "an integer from 1 up", is_positive),
    ("seed", true, "an integer from 0 up", Value::is_u64),
    ("frac_train", true, "a number above 0 and up to 1", |v| number(v).is_some_and(|x| x > 0.0 && x <= 1.0)),
    ("layers", true, "an object", Value::is_object),
    ("layers.embed_dim", true, "an integer from 1 up", is_positive),
    ("layers.hidden_dim", false, "an integer from 1 up", is_positive),
    ("layers.output_bias", false, "true or false", |v| v.is_boolean() || v.is_null()),
    ("lr", true, "a number above 0", |v| number(v).is_some_and(|x| x > 0.0)),
    ("weight_decay", true, "a number from 0 up", |v| number(v).is_some_and(|x| x >= 0.0)),
    ("betas", false, "two numbers from 0 up and below 1", |v| {
        let beta = |v| number(v).is_some_and(|x| (0.0..1.0).contains(&x));
        v.as_array().is_some_and(|b| b.len() == 2 && b.iter().all(beta))
    }),
    ("eps", false, "a number above 0", |v| number(v).is_some_and(|x| x > 0.0)),
    ("warmup_epochs", false, "an integer from 0 up", Value::is_u64),
    ("lr_decay", false, "constant, linear or cosine", |v| LrDecay::deserialize(v).is_ok()),
    ("num_epochs", true, "an integer from 0 up", Value::is_u64),
];

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| x.is_finite())
}

fn is_positive(value: &Value) -> bool {
    value.as_u64().is_some_and(|n| n > 0 && usize::try_from(n).is_ok())
}

impl RunConfig {
    /// Reads and checks a `cfg.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::LfsPointer`], [`Error::Format`] for what is not a JSON object, and [`Error::Config`]
    /// naming the first key that is missing or out of range.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        let not_json = |e: serde_json::Error| Error::Format {
            path: path.into(),
            expected: "a run's settings as a JSON object",
            got: shown(&e.to_string()),
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(not_json)?;
        check(&value, path)?;
        serde_json::from_value(value).map_err(not_json)
    }

    /// Checks the settings and writes them in one step (see [`atomic_write`]).
    ///
    /// # Errors
    /// [`Error::Config`] naming the first value out of range, and [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let format = |e: serde_json::Error| Error::Format {
            path: path.into(),
            expected: "settings that JSON can hold",
            got: shown(&e.to_string()),
        };
        let value = serde_json::to_value(self).map_err(format)?;
        check(&value, path)?;
        let mut text = serde_json::to_string_pretty(&value).map_err(format)?;
        text.push('\n');
        atomic_write(path, text.as_bytes())
    }

    /// The number of elements of the group.
    ///
    /// # Errors
    /// As for [`GroupKind::order`].
    pub fn order(&self) -> Result<usize> {
        self.group.order(self.group_parameter)
    }
}

fn check(config: &Value, path: &Path) -> Result<()> {
    let Value::Object(_) = config else {
        return Err(Error::Format {
            path: path.into(),
            expected: "a run's settings as a JSON object",
            got: "another JSON value".into(),
        });
    };
    let find = |key: &str| key.split('.').try_fold(config, |v, part| v.get(part));
    let bad = |key, expected, value: Option<&Value>| Error::Config {
        path: path.into(),
        key,
        expected,
        got: value.map_or_else(|| "nothing".into(), |v| shown(&v.to_string())),
    };
    for (key, required, expected, test) in RULES {
        let value = find(key);
        if !value.map_or(!required, test) {
            return Err(bad(key, expected, value));
        }
    }
    let model = config.get("model").map(ModelKind::deserialize);
    if matches!(model, Some(Ok(kind)) if kind.has_hidden()) && find("layers.hidden_dim").is_none() {
        return Err(bad("layers.hidden_dim", "an integer from 1 up, which this model needs", None));
    }
    let (group, n) = (config.get("group").map(GroupKind::deserialize), config.get("group_parameter"));
    if let (Some(Ok(group)), Some(n)) = (group, n)
        && n.as_u64().and_then(|n| usize::try_from(n).ok()).is_some_and(|n| group.order(n).is_err())
    {
        return Err(bad("group_parameter", "a group whose order fits in usize", Some(n)));
    }
    Ok(())
}

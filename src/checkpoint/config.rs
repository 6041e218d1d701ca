//! A run's `cfg.json`: what was trained, on which group, how.

use std::fmt::{self, Display};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::{atomic_write, read_file, shown};
use super::model_settings::{ModelKind, ModelSettings};
use super::optimiser::Optimiser;
use super::rules::{MODEL, RULES, bad, check, not_a_number, tidy};
use crate::error::{Error, Result};
use crate::group::{Alternating, Cyclic, Dihedral, Group, GroupName, Symmetric};
use crate::model::Architecture;

/// The group of a run, by its word in `cfg.json`: a family, of which `group_parameter` is the member, or the name of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// The group of a name, in the element order that goes with it: `"group": "C7:C3"`, without a parameter. `C113` and `D53` are
    /// read as their families.
    Named(GroupName),
}

impl GroupKind {
    const WORDS: [(&'static str, Self); 5] = [
        ("CyclicGroup", Self::CyclicGroup),
        ("DihedralGroup", Self::DihedralGroup),
        ("SymmetricGroup", Self::SymmetricGroup),
        ("AlternatingGroup", Self::AlternatingGroup),
        ("CayleyTable", Self::CayleyTable),
    ];

    /// The number of elements: `n`, `2 n`, `n!`, `n!/2` (1 if `n` is 1) or `n`, in the order of the variants; of a named group
    /// its own, whatever `n` is, for which it is built where the name alone does not tell.
    ///
    /// # Errors
    /// [`Error::GroupParameter`] if `n` is 0 or the order overflows `usize`; the errors of [`GroupName::build`].
    ///
    /// # Example
    /// ```
    /// use irreplens::checkpoint::GroupKind;
    ///
    /// assert_eq!(GroupKind::AlternatingGroup.order(5)?, 60);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn order(&self, n: usize) -> Result<usize> {
        let product = |from: usize| (from..=n).try_fold(1usize, |p, k| p.checked_mul(k));
        let (group, order) = match self {
            Self::Named(name) => return name.order().map_or_else(|| Ok(name.build()?.order()), Ok),
            Self::CyclicGroup => ("CyclicGroup", Some(n)),
            Self::DihedralGroup => ("DihedralGroup", n.checked_mul(2)),
            Self::SymmetricGroup => ("SymmetricGroup", product(1)),
            Self::AlternatingGroup => ("AlternatingGroup", product(3)),
            Self::CayleyTable => ("CayleyTable", Some(n)),
        };
        let expected = "from 1 up, with an order that fits in usize";
        order.filter(|_| n > 0).ok_or(Error::GroupParameter { group, expected, got: n })
    }

    /// The kind and the parameter of the group of a name as published runs have it: symmetric and alternating groups are
    /// families too, whose elements stand in SymPy's order where nothing else is said.
    ///
    /// ```
    /// use irreplens::checkpoint::GroupKind;
    ///
    /// assert_eq!(GroupKind::published("S5".parse()?), (GroupKind::SymmetricGroup, 5));
    /// assert_eq!(GroupKind::published("D53".parse()?), (GroupKind::DihedralGroup, 53));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    #[must_use]
    pub fn published(name: GroupName) -> (Self, usize) {
        match name {
            GroupName::Symmetric(n) => (Self::SymmetricGroup, n),
            GroupName::Alternating(n) => (Self::AlternatingGroup, n),
            name => Self::of(name),
        }
    }

    /// The group: that of a family with the parameter `n`, its elements in the order of the published runs, or the named one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a Cayley table, which settings do not hold; those of the family and of [`GroupName::build`].
    ///
    /// ```
    /// use irreplens::{checkpoint::GroupKind, group::Group};
    ///
    /// assert_eq!(GroupKind::AlternatingGroup.build(5)?.order(), 60);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn build(&self, n: usize) -> Result<Box<dyn Group>> {
        Ok(match self {
            Self::CyclicGroup => Box::new(Cyclic::new(n)?),
            Self::DihedralGroup => Box::new(Dihedral::new(n)?),
            Self::SymmetricGroup => Box::new(Symmetric::in_sympy_order(n)?),
            Self::AlternatingGroup => Box::new(Alternating::in_sympy_order(n)?),
            Self::Named(name) => Box::new(name.build()?),
            Self::CayleyTable => {
                let needs = "a group with a name; others are trained from a program of your own";
                return Err(Error::Unsupported { analysis: "training by settings", needs });
            }
        })
    }

    /// The short name of the group with a parameter: `C113`, `D53`, `S5`, `A5`, a group's name, or its order where it has none.
    ///
    /// ```
    /// use irreplens::checkpoint::GroupKind;
    ///
    /// assert_eq!(GroupKind::DihedralGroup.name(53), "D53");
    /// ```
    #[must_use]
    pub fn name(&self, n: usize) -> String {
        let name = match self {
            Self::CyclicGroup => GroupName::Cyclic(n),
            Self::DihedralGroup => GroupName::Dihedral(n),
            Self::SymmetricGroup => GroupName::Symmetric(n),
            Self::AlternatingGroup => GroupName::Alternating(n),
            Self::Named(name) => name.clone(),
            Self::CayleyTable => return format!("a group of order {n}"),
        };
        name.to_string()
    }

    /// The kind and the parameter of a group with a name: the published family of a cyclic or dihedral one.
    ///
    /// ```
    /// use irreplens::checkpoint::GroupKind;
    ///
    /// assert_eq!(GroupKind::of("D53".parse()?), (GroupKind::DihedralGroup, 53));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    #[must_use]
    pub fn of(name: GroupName) -> (Self, usize) {
        match name {
            GroupName::Cyclic(n) => (Self::CyclicGroup, n),
            GroupName::Dihedral(n) => (Self::DihedralGroup, n),
            name => (Self::Named(name), 1),
        }
    }
}

impl FromStr for GroupKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match Self::WORDS.into_iter().find(|(word, _)| *word == text) {
            Some((_, kind)) => Ok(kind),
            None => text.parse().map(Self::Named),
        }
    }
}

impl Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "{name}"),
            _ => f.write_str(Self::WORDS.iter().find(|(_, kind)| kind == self).map_or("", |(word, _)| word)),
        }
    }
}

impl Serialize for GroupKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Widths of the network's layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Width of each embedding; 0 where the file does not state it, until [`Run`](super::Run) reads it off the weights.
    #[serde(default, skip_serializing_if = "is_default")]
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
    /// The rate stays.
    #[default]
    Constant,
    /// The rate falls linearly to 0 at the last epoch.
    Linear,
    /// The rate falls to 0 at the last epoch along half a cosine.
    Cosine,
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
#[serde(from = "Keys", into = "Keys")]
pub struct RunConfig {
    /// What was trained.
    pub model: ModelSettings,
    /// The family of groups, or the name of the group.
    pub group: GroupKind,
    /// Which one of the family; at least 1. Of no meaning for a group with a name, where it is 1 and not written.
    pub group_parameter: usize,
    /// Seed of the train/test split; 0 means no shuffle.
    pub seed: u64,
    /// Share of all pairs that are trained on, in (0, 1].
    pub frac_train: f64,
    /// Widths.
    pub layers: Layers,
    /// Learning rate, above 0.
    pub lr: f64,
    /// Weight decay, from 0 up: decoupled with AdamW, else coupled ([`Optimiser`]).
    pub weight_decay: f64,
    /// How a step follows from the gradient; AdamW where the file says nothing.
    pub optimiser: Optimiser,
    /// Adam's decay rates, each in [0, 1); (0.9, 0.999) where the file has none.
    pub betas: (f64, f64),
    /// Added to the denominator of Adam's step; 1e-8 where the file has none.
    pub eps: f64,
    /// Steps over which the learning rate rises linearly from 0; 0 where the file has none.
    pub warmup_epochs: u64,
    /// What the learning rate does after that; constant where the file says nothing.
    pub lr_decay: LrDecay,
    /// Share of the targets' weight that is spread over all classes alike, in [0, 1); 0 where the file has none.
    pub label_smoothing: f64,
    /// Full-batch steps.
    pub num_epochs: u64,
    /// Keys of [`TRAINING_KEYS`](RunConfig::TRAINING_KEYS), and `model`, that the file does not have; their fields stand for
    /// nothing and are not written. Always empty after [`read`](RunConfig::read).
    pub missing: Vec<&'static str>,
    /// All other keys, in their order in the file.
    pub other: Map<String, Value>,
}

/// The keys of the file, as they are there.
#[derive(Serialize, Deserialize)]
struct Keys {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelSettings>,
    group: GroupKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_parameter: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frac_train: Option<f64>,
    #[serde(default)]
    layers: Layers,
    #[serde(skip_serializing_if = "Option::is_none")]
    lr: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    optimiser: Optimiser,
    #[serde(default = "default_betas")]
    betas: (f64, f64),
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    eps: f64,
    #[serde(default, skip_serializing_if = "is_default")]
    warmup_epochs: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    lr_decay: LrDecay,
    #[serde(default, skip_serializing_if = "is_default")]
    label_smoothing: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_epochs: Option<u64>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl From<Keys> for RunConfig {
    fn from(keys: Keys) -> Self {
        let Keys { model, group, group_parameter, layers, betas, eps, warmup_epochs, lr_decay, other, .. } = keys;
        let Keys { seed, frac_train, lr, weight_decay, num_epochs, optimiser, label_smoothing, .. } = keys;
        let (group, group_parameter) = match group {
            GroupKind::Named(name) => GroupKind::of(name),
            family => (family, group_parameter.unwrap_or(1)),
        };
        let there = [seed.is_some(), frac_train.is_some(), lr.is_some(), weight_decay.is_some(), num_epochs.is_some()];
        let missing = Self::TRAINING_KEYS.into_iter().zip(there).filter(|(_, there)| !there).map(|(key, _)| key);
        Self {
            missing: missing.chain(model.is_none().then_some(MODEL)).collect(),
            model: model.unwrap_or(ModelSettings::Published(ModelKind::SummedMlp)),
            seed: seed.unwrap_or_default(),
            frac_train: frac_train.unwrap_or_default(),
            lr: lr.unwrap_or_default(),
            weight_decay: weight_decay.unwrap_or_default(),
            num_epochs: num_epochs.unwrap_or_default(),
            group,
            group_parameter,
            layers,
            betas,
            eps,
            warmup_epochs,
            lr_decay,
            optimiser,
            label_smoothing,
            other,
        }
    }
}

impl From<RunConfig> for Keys {
    fn from(config: RunConfig) -> Self {
        let [seed, frac_train, lr, weight_decay, num_epochs] =
            RunConfig::TRAINING_KEYS.map(|key| !config.missing.contains(&key));
        let RunConfig { model, group, group_parameter, layers, betas, eps, warmup_epochs, lr_decay, other, .. } =
            config;
        Self {
            seed: seed.then_some(config.seed),
            frac_train: frac_train.then_some(config.frac_train),
            lr: lr.then_some(config.lr),
            weight_decay: weight_decay.then_some(config.weight_decay),
            num_epochs: num_epochs.then_some(config.num_epochs),
            model: (!config.missing.contains(&MODEL)).then_some(model),
            group_parameter: (!matches!(group, GroupKind::Named(_))).then_some(group_parameter),
            group,
            layers,
            betas,
            eps,
            warmup_epochs,
            lr_decay,
            optimiser: config.optimiser,
            label_smoothing: config.label_smoothing,
            other,
        }
    }
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl RunConfig {
    /// Keys without which a trained network can be analysed: those of how it was trained.
    pub const TRAINING_KEYS: [&'static str; 5] = ["seed", "frac_train", "lr", "weight_decay", "num_epochs"];

    /// The keys of the file that this crate knows, with a dot for those in a table.
    #[cfg(feature = "train")]
    pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
        RULES.into_iter().map(|(key, ..)| key)
    }

    /// Reads and checks a `cfg.json` with all that training needs.
    ///
    /// Whole numbers may be written as Python writes them (`1e5` is 100000.0), and `null` is as good as no key.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for what is not a JSON object (with the place of a `NaN` or `Infinity`, which
    /// JSON does not have), and [`Error::Config`] naming the first key that is missing or out of range.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_for(path.as_ref(), true)
    }

    /// Reads and checks a `cfg.json` for [`read`](RunConfig::read)'s settings, of which those of how the network was trained,
    /// its architecture and the widths of its layers may be missing: an analysis of all pairs does not need them, and
    /// [`Run::open`](super::Run::open) needs the architecture only for weights.
    ///
    /// # Errors
    /// The errors of [`read`](RunConfig::read).
    pub fn read_for_analysis(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_for(path.as_ref(), false)
    }

    fn read_for(path: &Path, training: bool) -> Result<Self> {
        let bytes = read_file(path)?;
        let format = |got: String| Error::format(path, "a run's settings as a JSON object", got);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| format(not_a_number(bytes).unwrap_or_else(|| shown(&e.to_string()))))?;
        Self::from_json(value, path, training)
    }

    /// The settings that a JSON object holds, checked; errors name `path`.
    pub(crate) fn from_json(mut value: Value, path: &Path, training: bool) -> Result<Self> {
        check(&value, path, training)?;
        tidy(&mut value);
        let expected = "a run's settings as a JSON object";
        serde_json::from_value(value).map_err(|e| Error::format(path, expected, shown(&e.to_string())))
    }

    pub(super) fn require(&self, path: &Path, key: &str) -> Result<()> {
        match RULES.iter().find(|(name, ..)| *name == key && self.missing.contains(name)) {
            Some(&(key, _, expected, _)) => Err(bad(path, key, expected, None)),
            None => Ok(()),
        }
    }

    /// Checks the settings and writes them in one step (see [`atomic_write`]).
    ///
    /// # Errors
    /// [`Error::Config`] naming the first value out of range, and [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let format = |e: serde_json::Error| Error::format(path, "settings that JSON can hold", shown(&e.to_string()));
        let value = serde_json::to_value(self).map_err(format)?;
        check(&value, path, self.missing.is_empty())?;
        let mut text = serde_json::to_string_pretty(&value).map_err(format)?;
        text.push('\n');
        atomic_write(path, text.as_bytes())
    }

    /// The description of the network: that of the file, or that of its name with the widths of `layers`.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        match &self.model {
            ModelSettings::Described(architecture) => architecture.clone(),
            ModelSettings::Published(kind) => {
                let Layers { embed_dim, hidden_dim, output_bias, .. } = self.layers;
                kind.architecture(embed_dim, hidden_dim.unwrap_or(embed_dim), output_bias == Some(true))
            }
        }
    }

    /// The number of elements of the group.
    ///
    /// # Errors
    /// As for [`GroupKind::order`].
    pub fn order(&self) -> Result<usize> {
        self.group.order(self.group_parameter)
    }
}

//! The plan of a sweep: settings, each a value or a list, in a TOML file.

use super::cell::Cell;
use crate::atlas::Question;
use crate::checkpoint::{GroupKind, RunConfig};
use crate::error::{Error, Result, nearest};
use crate::group::GroupName;
use crate::quoted::shown;
use crate::train::StopRules;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The keys of a plan that are no settings of a run.
const OTHERS: [&str; 4] = ["stop", "measure", "measure_every", "keep"];

const SEED: &str = "seed";
const GROUP: &str = "group";
const LAYERS: &str = "layers";

/// What a plan is called in the folder of its sweep.
pub(super) const PLAN: &str = "plan.toml";

/// The plan of a sweep: every combination of its settings is a cell, one network.
///
/// A plan is a TOML file. Its keys are those of a run's `cfg.json` ([`RunConfig`]), with the same meaning, ranges and defaults, but
/// that each may be a list of values; `group` is a word of the language of groups ([`GroupName`]), where `S5` and `A5` stand for
/// the groups in SymPy's element order, as in the published runs; `seed` may be a range, `{ from = 1, to = 100 }`, both included.
///
/// | table or key | what |
/// |---|---|
/// | `[stop]` | rules of stopping, the fields of [`StopRules`] |
/// | `measure` | a list of [`Question`]s that are asked of every network; `["irreps"]` where nothing is said |
/// | `measure_every` | epochs between two looks at the test set; 100 |
/// | `[keep]` | `weights`, `history` (both true) and `checkpoints` (false): which files of a run are kept beside its measures |
///
/// # Example
/// ```
/// use irreplens::sweep::Plan;
///
/// let plan = Plan::parse(r#"
///     group = ["C5", "S3"]
///     model = "BetterOneLayerMLP"
///     seed = { from = 1, to = 100 }
///     frac_train = 1
///     lr = 1e-3
///     weight_decay = [0, 1e-4, 1e-2]
///     num_epochs = 20000
///     layers.embed_dim = [2, 8]
///     [stop]
///     train_loss_below = 1e-6
/// "#)?;
/// assert_eq!(plan.count(), 2 * 100 * 3 * 2);
/// let cell = plan.cell(0)?;
/// assert_eq!((cell.settings.seed, cell.settings.weight_decay, cell.settings.layers.embed_dim), (1, 0.0, 2));
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The settings that it has, the seed last, which varies fastest.
    axes: Vec<Axis>,
    rest: Rest,
    /// The file, as it was read.
    text: String,
    path: PathBuf,
}

/// The values of one setting.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    /// The key, with a dot for one in a table.
    key: &'static str,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    List(Vec<Value>),
    Range(SeedRange),
}

/// Seeds from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRange {
    from: u64,
    to: u64,
}

/// What a plan says beside the settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rest {
    stop: StopRules,
    measure: Option<Vec<Question>>,
    measure_every: Option<u64>,
    keep: Keep,
}

/// Which files of a run are kept beside its measures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// `model.safetensors`.
    pub weights: bool,
    /// `metrics.csv`.
    pub history: bool,
    /// The folder `checkpoints`, with the weights at log-spaced epochs.
    pub checkpoints: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self { weights: true, history: true, checkpoints: false }
    }
}

impl Values {
    fn len(&self) -> u128 {
        match self {
            Self::List(values) => values.len() as u128,
            Self::Range(SeedRange { from, to }) => u128::from(*to) + 1 - u128::from(*from),
        }
    }

    fn at(&self, i: u128) -> Value {
        match self {
            Self::List(values) => values[i as usize].clone(),
            Self::Range(SeedRange { from, .. }) => json!(from + i as u64),
        }
    }
}

impl Plan {
    /// Reads and checks a plan.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for what is not TOML, with the line; [`Error::Config`] for an unknown key, a key that is
    /// missing, a value out of its range, a list without values or with one twice, and a group that cannot be built.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Io { path: path.into(), source })?;
        Self::of_text(&text, path)
    }

    /// Checks a plan that is a text.
    ///
    /// # Errors
    /// The errors of [`read`](Plan::read), with `plan.toml` as the name of the file.
    pub fn parse(text: &str) -> Result<Self> {
        Self::of_text(text, Path::new(PLAN))
    }

    fn of_text(text: &str, path: &Path) -> Result<Self> {
        let format = |got: String| Error::format(path, "a plan in TOML", shown(&got));
        let parsed = toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            format(format!("line {line}: {}", error.message()))
        });
        let mut keys: Map<String, Value> = parsed?;
        if let Some(Value::Object(layers)) = keys.get(LAYERS).cloned() {
            keys.shift_remove(LAYERS);
            keys.extend(layers.into_iter().map(|(key, value)| (format!("{LAYERS}.{key}"), value)));
        }
        let settings = || RunConfig::keys().filter(|key| ![LAYERS, "group_parameter"].contains(key));
        let mut axes = Vec::new();
        for key in settings().filter(|key| *key != SEED).chain([SEED]) {
            let Some(value) = keys.shift_remove(key) else { continue };
            let values = match value {
                Value::Object(_) if key == SEED => {
                    Values::Range(serde_json::from_value(value).map_err(|error| format(format!("seed: {error}")))?)
                }
                // Two numbers are one value of the betas.
                Value::Array(betas) if key == "betas" && betas.iter().all(Value::is_number) => {
                    Values::List(vec![betas.into()])
                }
                Value::Array(values) => Values::List(values),
                value => Values::List(vec![value]),
            };
            axes.push(Axis { key, values });
        }
        if let Some(unknown) = keys.keys().find(|key| !OTHERS.contains(&key.as_str())) {
            let meant = nearest(&[unknown], settings().chain(OTHERS));
            let meant = meant.map_or_else(String::new, |known| format!("; is {known} meant?"));
            return Err(Error::format(
                path,
                "a plan, whose keys are settings of a run, stop, measure, measure_every and keep",
                format!("the key {}{meant}", shown(unknown)),
            ));
        }
        let rest = serde_json::from_value(keys.into()).map_err(|error| format(error.to_string()))?;
        let plan = Self { axes, rest, text: text.into(), path: path.into() };
        plan.check()?;
        Ok(plan)
    }

    /// Checks every value of every setting, beside the first of the others, and that its groups can be built.
    fn check(&self) -> Result<()> {
        let bad = |key, expected, got: String| Err(Error::Config { path: self.path.clone(), key, expected, got });
        for Axis { key, values } in &self.axes {
            match values {
                Values::List(values) if values.is_empty() => {
                    return bad(key, "at least one value", "an empty list, which leaves no cells".into());
                }
                Values::Range(SeedRange { from, to }) if from > to => {
                    return bad(key, "a range that rises", format!("{from} to {to}, which leaves no cells"));
                }
                _ => {}
            }
        }
        for Axis { key, values } in &self.axes {
            let Values::List(values) = values else { continue };
            let config = |i: usize| self.settings(|axis| if axis == *key { i as u128 } else { 0 });
            let configs = (0..values.len()).map(config).collect::<Result<Vec<_>>>()?;
            if let Some(i) = (0..configs.len()).find(|&i| configs[..i].contains(&configs[i])) {
                return bad(key, "values that differ", format!("{} again", shown(&values[i].to_string())));
            }
            if *key == GROUP {
                let build = |config: &RunConfig| config.group.build(config.group_parameter).map(drop);
                configs.iter().try_for_each(build).map_err(Error::in_file(&self.path))?;
            }
        }
        self.settings(|_| 0).map(drop)
    }

    /// One cell of every combination of settings, that with the first seed.
    ///
    /// # Errors
    /// [`Error::Config`] for values that do not go together.
    pub fn experiments(&self) -> impl Iterator<Item = Result<Cell>> {
        let seeds = self.axes.iter().find(|axis| axis.key == SEED).map_or(1, |axis| axis.values.len());
        (0..self.count() / seeds).map(move |experiment| self.cell(experiment * seeds))
    }

    /// The settings with the value of every key at a place.
    fn settings(&self, at: impl Fn(&str) -> u128) -> Result<RunConfig> {
        let mut keys = Map::new();
        for Axis { key, values } in &self.axes {
            let value = values.at(at(key));
            match (key.split_once('.'), value.as_str().map(str::parse::<GroupName>)) {
                (None, Some(Ok(name))) if *key == GROUP => {
                    let (family, n) = GroupKind::published(name);
                    if !matches!(family, GroupKind::Named(_)) {
                        keys.insert("group_parameter".into(), n.into());
                    }
                    keys.insert(GROUP.into(), json!(family));
                }
                (None, _) => drop(keys.insert((*key).into(), value)),
                (Some((outer, inner)), _) => {
                    let table = keys.entry(outer).or_insert_with(|| Map::new().into());
                    table.as_object_mut().into_iter().for_each(|table| drop(table.insert(inner.into(), value.clone())));
                }
            }
        }
        RunConfig::from_json(keys.into(), &self.path, true)
    }

    /// The number of cells: the product of the numbers of values.
    #[must_use]
    pub fn count(&self) -> u128 {
        self.axes.iter().map(|axis| axis.values.len()).fold(1, u128::saturating_mul)
    }

    /// A cell, by its place from 0 up; seeds vary fastest, so that cells of the same settings lie side by side.
    ///
    /// # Errors
    /// [`Error::Config`] for values that do not go together; [`Error::Range`] for a place from [`count`](Plan::count) up.
    pub fn cell(&self, index: u128) -> Result<Cell> {
        let count = self.count();
        if index >= count {
            return Err(Error::Range {
                what: "place of a cell",
                expected: "below the number of cells",
                got: index as f64,
            });
        }
        let (mut rest, mut places) = (index, vec![0; self.axes.len()]);
        for (place, axis) in places.iter_mut().zip(&self.axes).rev() {
            (*place, rest) = (rest % axis.values.len(), rest / axis.values.len());
        }
        let place = |key: &str| places[self.axes.iter().position(|axis| axis.key == key).unwrap_or_default()];
        Ok(Cell::new(self.settings(place)?, self.rest.stop, self.measure_every()))
    }

    /// The text of the file.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is asked of every network.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        self.rest.measure.as_deref().unwrap_or(&[Question::Irreps])
    }

    /// Which files of a run are kept.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.rest.keep
    }

    fn measure_every(&self) -> u64 {
        self.rest.measure_every.unwrap_or(100)
    }

    /// Whether another plan says the same: of the same cells, asked and kept alike.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.axes == other.axes && self.rest == other.rest
    }
}

//! A run directory: settings, task and weights, read as a group, a split and models.

use super::file::not_found;
use super::select::Wanted;
use super::{Contents, GroupKind, ModelKind, RunConfig, Tensor, Tensors, matrix, task_file, vector, weights};
use crate::error::{Error, Result};
use crate::group::{Cyclic, Dihedral, Group};
use crate::model::{Bilinear, Interpretable, OneLayerMlp, SummedMlp, TwoLayerMlp};
use crate::task::Split;
use ndarray::Array2;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LEFT: &[&str] = &["W_E_a", "W_x", "W1a"];
const RIGHT: &[&str] = &["W_E_b", "W_y", "W1b"];
const WEIGHT: &[&str] = &["W"];
const BIAS: &[&str] = &["b"];
const UNEMBED: &[&str] = &["W_U", "Wfinal"];
const CONFIG: &str = "cfg.json";

/// The names of the tensors that an architecture needs.
fn names_of(kind: ModelKind) -> Vec<&'static [&'static str]> {
    let mut names = vec![LEFT, RIGHT, UNEMBED];
    if kind.has_hidden() {
        names.push(WEIGHT);
    }
    if kind == ModelKind::OneLayerMlpWithBias {
        names.push(BIAS);
    }
    names
}

/// The run directory of a file in it: its folder or, without settings there, the folder above `checkpoints`.
fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.parent() {
        Some(above) if folder.ends_with("checkpoints") && !folder.join(CONFIG).exists() => above.to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

/// A training run on disk.
///
/// | file | what |
/// |---|---|
/// | `cfg.json` | the settings ([`RunConfig`]) |
/// | `model.safetensors`, `.pt`, `.pth`, `.ckpt` or `.bin`, or an index of shards, or the only weights file of any name | the final weights |
/// | `task.safetensors`, optional | `train`: row-major indices of the training pairs; `table`, optional: the Cayley table |
/// | `checkpoints/epoch-000000100.safetensors`, ..., optional | the weights after so many epochs; tensors `adamw.*` are the optimiser's |
///
/// ```no_run
/// use irreplens::{checkpoint::Run, model::{Hooks, Interpretable}, task::Task};
/// let run = Run::open("runs/D53")?;
/// let (group, model) = (run.group()?, run.model()?);
/// println!("{:?}", model.evaluate(&Task::new(&group), &Hooks::none())?);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    /// The settings.
    pub config: RunConfig,
    /// The weights, by name; of a checkpoint the optimiser's state too, under names that start with `adamw.`.
    pub tensors: Tensors,
    directory: PathBuf,
    weights: PathBuf,
    notes: Vec<String>,
}

impl Run {
    /// Reads the settings and the weights of a folder, or of the folder of a weights file.
    ///
    /// Of a folder the weights are `model.*` (or `pytorch_model.*`), else its only weights file of another name, else, of
    /// a run that is still in training, the last checkpoint. Of a file that holds several state dicts, or a state dict
    /// under other keys and prefixes, those are the weights that the architecture's names lead to: the only ones, those
    /// under the usual keys (`state_dict`, `model`, `net`, ...), or the last of a history; [`notes`](Run::notes) says
    /// which. Widths that the settings do not state are read off the weights.
    ///
    /// # Arguments
    /// `path`: the folder, or the weights file or its index, whose folder (or, in `checkpoints/`, the one above) has the
    /// `cfg.json`; behind a `#`, the path inside the weights file that [`open_entry`](Run::open_entry) takes.
    ///
    /// # Errors
    /// Those of [`RunConfig::read_for_analysis`] and [`read_tensors`](super::read_tensors); [`Error::SeveralWeights`]
    /// for several files or state dicts of which none is preferred; [`Error::Io`] for a path without weights, with what
    /// there is.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match path.to_str().and_then(|text| text.rsplit_once('#')) {
            Some((file, entry)) if !path.exists() && Path::new(file).exists() => {
                Self::open_with(file.as_ref(), Some(entry))
            }
            _ => Self::open_with(path, None),
        }
    }

    /// As [`open`](Run::open), with the weights at a path inside the weights file: `ema`, `model_checkpoints[3]`, `.` for
    /// its top.
    ///
    /// # Errors
    /// Those of [`open`](Run::open), and [`Error::Format`] with the entries there are where there is none of that name.
    ///
    /// ```no_run
    /// use irreplens::checkpoint::Run;
    /// let early = Run::open_entry("runs/D53/history.pt", "model_checkpoints[3]")?;
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn open_entry(path: impl AsRef<Path>, entry: &str) -> Result<Self> {
        Self::open_with(path.as_ref(), Some(entry))
    }

    fn open_with(path: &Path, entry: Option<&str>) -> Result<Self> {
        let is_file = path.metadata().map_err(|error| not_found(path, error))?.is_file();
        let is_settings = path.file_name().is_some_and(|name| name == CONFIG);
        let directory = if is_file { folder_of(path) } else { path.to_path_buf() };
        let mut config = RunConfig::read_for_analysis(directory.join(CONFIG))?;
        let (file, mut notes) = if is_file && !is_settings {
            (path.to_path_buf(), Vec::new())
        } else {
            match weights::find(&directory)? {
                Some(found) => found,
                None => match checkpoints_in(&directory)?.pop() {
                    Some((_, last)) => (last, Vec::new()),
                    None => return Err(not_found(&directory.join("model.pt"), ErrorKind::NotFound.into())),
                },
            }
        };
        let names = names_of(config.model);
        let contents = weights::read(&file, &Wanted { names: &names, entry })?;
        notes.extend(contents.notes);
        let width = |names: &[&str], axis: usize| {
            let tensor = names.iter().find_map(|&name| contents.tensors.get(name))?;
            (tensor.shape().len() == 2).then(|| tensor.shape()[axis])
        };
        if config.layers.embed_dim == 0 {
            config.layers.embed_dim = width(LEFT, 1).unwrap_or(0);
        }
        if config.model.has_hidden() && config.layers.hidden_dim.is_none() {
            config.layers.hidden_dim = width(UNEMBED, 0);
        }
        Ok(Self { config, tensors: contents.tensors, directory, weights: file, notes })
    }

    /// What was chosen in reading and what was left out: the place in a history, other weights, tensors of types that are
    /// not read; sentences, mostly none.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The weights file it was read from.
    #[must_use]
    pub fn weights(&self) -> &Path {
        &self.weights
    }

    /// The folder it was read from.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The group: that of `table` in `task.safetensors`, for any kind of group; else, for a cyclic or dihedral run, the
    /// one its settings name.
    ///
    /// # Errors
    /// - For a table: [`Error::TensorDtype`], [`Error::TensorRank`], [`Error::TensorShape`] unless it is square and of
    ///   the settings' order, [`Error::TensorLayout`] for a negative entry, and [`Error::InFile`] around what
    ///   [`CayleyTable::new`](crate::group::CayleyTable::new) rejects.
    /// - Without one: [`Error::Io`] or [`Error::MissingTensor`] for [`GroupKind::CayleyTable`], and
    ///   [`Error::Unsupported`] for a symmetric or alternating group, whose element order has then to be read with
    ///   [`PermutationGroup::from_json`](crate::group::PermutationGroup::from_json).
    pub fn group(&self) -> Result<Box<dyn Group>> {
        let (kind, n) = (self.config.group, self.config.group_parameter);
        let path = self.directory.join(task_file::NAME);
        if (kind == GroupKind::CayleyTable || task_file::exists(&path)?)
            && let Some(table) = task_file::table(&path, self.config.order()?, kind == GroupKind::CayleyTable)?
        {
            return Ok(Box::new(table));
        }
        Ok(match kind {
            GroupKind::CyclicGroup => Box::new(Cyclic::new(n)?),
            GroupKind::DihedralGroup => Box::new(Dihedral::new(n)?),
            GroupKind::SymmetricGroup | GroupKind::AlternatingGroup | GroupKind::CayleyTable => {
                return Err(Error::Unsupported {
                    analysis: "the group of this run",
                    needs: "its `table` in task.safetensors, or the element order it was trained with, as a file of \
                            permutations",
                });
            }
        })
    }

    /// The training and test pairs: those of `train` in `task.safetensors`, in the file's order, where there is such a
    /// file; else [`Split::published`] with the settings' share and seed.
    ///
    /// # Returns
    /// For a file, the test set is all other pairs in row-major order; it may be empty.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorDtype`], [`Error::TensorRank`], and [`Error::TensorLayout`] where
    /// `train` is empty, holds a pair twice or one that there is not; [`Error::TensorShape`] where the left embedding
    /// does not fit the group's order, from which the number of pairs is taken; [`Error::Config`] where the settings do
    /// not have the share and the seed.
    ///
    /// Cost: O(n^2) time and memory.
    pub fn split(&self) -> Result<Split> {
        let (n, e) = (self.config.order()?, self.config.layers.embed_dim);
        self.weight(LEFT, [n, e], "group order, embed_dim")?; // the order is not the settings' word alone
        let path = self.directory.join(task_file::NAME);
        if task_file::exists(&path)? {
            return task_file::split(&path, n);
        }
        for key in ["frac_train", "seed"] {
            self.config.require(&self.directory.join(CONFIG), key)?;
        }
        Split::published(n, self.config.frac_train, self.config.seed)
    }

    /// The name of the file in `checkpoints/` with the weights after `epoch` epochs.
    ///
    /// ```
    /// assert_eq!(irreplens::checkpoint::Run::checkpoint_name(100), "epoch-000000100.safetensors");
    /// ```
    #[must_use]
    pub fn checkpoint_name(epoch: u64) -> String {
        format!("epoch-{epoch:09}.safetensors")
    }

    /// The epochs of the checkpoints and their files, by epoch.
    ///
    /// Files that are not named as [`checkpoint_name`](Run::checkpoint_name) says are left out; without a folder
    /// `checkpoints` there are none.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>> {
        checkpoints_in(&self.directory)
    }

    /// The same run with the weights of another file: one of its [`checkpoints`](Run::checkpoints).
    ///
    /// # Errors
    /// Those of [`open`](Run::open) for the weights.
    pub fn at(&self, weights: impl AsRef<Path>) -> Result<Self> {
        let (file, directory, config) = (weights.as_ref().to_path_buf(), self.directory.clone(), self.config.clone());
        let Contents { tensors, notes } =
            weights::read(&file, &Wanted { names: &names_of(config.model), entry: None })?;
        Ok(Self { config, tensors, directory, weights: file, notes })
    }

    /// Sum of the squares of the architecture's weights, not of what lies beside them.
    #[must_use]
    pub fn sum_of_squared_weights(&self) -> f64 {
        let squares = |tensor: &Tensor| match tensor {
            Tensor::F32(values) => values.iter().map(|&v| f64::from(v) * f64::from(v)).sum(),
            Tensor::F64(values) => values.iter().map(|v| v * v).sum(),
            _ => 0.0,
        };
        let weights = names_of(self.config.model);
        weights.iter().filter_map(|names| names.iter().find_map(|&name| self.tensors.get(name))).map(squares).sum()
    }

    /// The model, with every weight's shape held to the settings.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorDtype`], [`Error::TensorRank`], [`Error::NonFinite`], and
    /// [`Error::TensorShape`] where a weight does not fit the group's order or the layer widths.
    pub fn model(&self) -> Result<Box<dyn Interpretable>> {
        let (n, e) = (self.config.order()?, self.config.layers.embed_dim);
        let kind = self.config.model;
        let d = self.config.layers.hidden_dim.filter(|_| kind.has_hidden()).unwrap_or(e);
        let left = self.weight(LEFT, [n, e], "group order, embed_dim")?;
        let right = self.weight(RIGHT, [n, e], "group order, embed_dim")?;
        let unembed = self.weight(UNEMBED, [d, n], "width read, group order")?;
        Ok(match kind {
            ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias => {
                let weight = self.weight(WEIGHT, [2 * e, d], "twice embed_dim, hidden_dim")?;
                let bias = match kind {
                    ModelKind::OneLayerMlp => None,
                    _ => {
                        let bias = vector(&self.weights, &self.tensors, BIAS)?;
                        self.check(BIAS, &[d], bias.shape(), "hidden_dim")?;
                        Some(bias)
                    }
                };
                Box::new(OneLayerMlp::new(left, right, weight, bias, unembed)?)
            }
            ModelKind::TwoLayerMlp => {
                let weight = self.weight(WEIGHT, [e, d], "embed_dim, hidden_dim")?;
                Box::new(TwoLayerMlp::new(left, right, weight, unembed)?)
            }
            ModelKind::SummedMlp => Box::new(SummedMlp::new(left, right, unembed)?),
            ModelKind::Bilinear => Box::new(Bilinear::new(left, right, unembed)?),
        })
    }

    fn weight(&self, names: &[&str], expected: [usize; 2], because: &'static str) -> Result<Array2<f32>> {
        let weight = matrix(&self.weights, &self.tensors, names)?;
        self.check(names, &expected, weight.shape(), because)?;
        Ok(weight)
    }

    fn check(&self, names: &[&str], expected: &[usize], got: &[usize], because: &'static str) -> Result<()> {
        if expected == got {
            return Ok(());
        }
        let found = names.iter().find(|&&name| self.tensors.contains_key(name)).unwrap_or(&names[0]);
        Err(Error::TensorShape {
            path: self.weights.clone(),
            tensor: (*found).to_owned(),
            expected: expected.to_vec(),
            got: got.to_vec(),
            because,
        })
    }
}

/// See [`Run::checkpoints`].
pub(crate) fn checkpoints_in(directory: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let folder = directory.join("checkpoints");
    let io = |source| Error::Io { path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        let digits = name.to_str().and_then(|n| n.strip_prefix("epoch-")?.strip_suffix(".safetensors"));
        if let Some(epoch) = digits.and_then(|digits| digits.parse().ok())
            && name == *Run::checkpoint_name(epoch)
        {
            found.push((epoch, folder.join(name)));
        }
    }
    found.sort_unstable();
    Ok(found)
}

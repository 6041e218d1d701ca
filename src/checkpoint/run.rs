//! A run directory: settings, task and weights, read as a group, a split and models.

use super::{GroupKind, ModelKind, RunConfig, Tensor, Tensors, matrix, read_tensors, run_group, task_file, vector};
use crate::error::{Error, Result};
use crate::group::{CayleyTable, Cyclic, Dihedral, Group};
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

/// A training run on disk.
///
/// | file | what |
/// |---|---|
/// | `cfg.json` | the settings ([`RunConfig`]) |
/// | `model.safetensors` or `model.pt` | the final weights |
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
}

impl Run {
    /// Reads the settings and the weights of a folder: `model.safetensors`, else `model.pt`, else, of a run that is
    /// still in training, the last checkpoint.
    ///
    /// # Errors
    /// Those of [`RunConfig::read`] and [`read_tensors`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let config = RunConfig::read(directory.join("cfg.json"))?;
        let models = ["model.safetensors", "model.pt"].map(|name| directory.join(name));
        let weights = match models.iter().find(|path| path.exists()) {
            Some(model) => model.clone(),
            None => {
                let [_, model] = models;
                checkpoints_in(directory)?.pop().map_or(model, |(_, last)| last)
            }
        };
        Ok(Self { config, tensors: read_tensors(&weights)?, directory: directory.into(), weights })
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
    ///   the settings' order, [`Error::TensorLayout`] for a negative entry or a group of another kind than theirs, and
    ///   [`Error::InFile`] around what
    ///   [`CayleyTable::new`](crate::group::CayleyTable::new) rejects.
    /// - Without one: [`Error::Io`] or [`Error::MissingTensor`] for [`GroupKind::CayleyTable`], and
    ///   [`Error::Unsupported`] for a symmetric or alternating group, whose element order has then to be read with
    ///   [`PermutationGroup::from_json`](crate::group::PermutationGroup::from_json).
    pub fn group(&self) -> Result<Box<dyn Group>> {
        let (kind, n) = (self.config.group, self.config.group_parameter);
        if let Some(table) = self.table()? {
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

    /// The Cayley table that the run has beside it, if any; that of a group of its settings' kind.
    pub(super) fn table(&self) -> Result<Option<CayleyTable>> {
        let (kind, n) = (self.config.group, self.config.group_parameter);
        let path = self.directory.join(task_file::NAME);
        if kind != GroupKind::CayleyTable && !task_file::exists(&path)? {
            return Ok(None);
        }
        let Some(table) = task_file::table(&path, self.config.order()?, kind == GroupKind::CayleyTable)? else {
            return Ok(None);
        };
        match run_group::check_family(kind, n, &table) {
            Ok(()) => Ok(Some(table)),
            Err(got) => Err(Error::TensorLayout {
                path,
                tensor: "table".into(),
                expected: "the table of a group of the settings' kind",
                got,
            }),
        }
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
    /// does not fit the group's order, from which the number of pairs is taken.
    ///
    /// [`Error::InFile`] around [`Error::Memory`] where its up to 16 n^2 bytes are over the budget.
    ///
    /// Cost: O(n^2) time and memory.
    pub fn split(&self) -> Result<Split> {
        let (n, e) = (self.config.order()?, self.config.layers.embed_dim);
        self.weight(LEFT, [n, e], "group order, embed_dim")?; // the order is not the settings' word alone
        let path = self.directory.join(task_file::NAME);
        if task_file::exists(&path)? {
            return task_file::split(&path, n);
        }
        Split::published(n, self.config.frac_train, self.config.seed)
            .map_err(|source| Error::InFile { path: self.directory.join("cfg.json"), source: source.into() })
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
    /// Those of [`read_tensors`].
    pub fn at(&self, weights: impl AsRef<Path>) -> Result<Self> {
        let (weights, directory) = (weights.as_ref().to_path_buf(), self.directory.clone());
        Ok(Self { config: self.config.clone(), tensors: read_tensors(&weights)?, directory, weights })
    }

    /// Sum of the squares of all floating-point tensors but the optimiser's.
    #[must_use]
    pub fn sum_of_squared_weights(&self) -> f64 {
        let squares = |tensor: &Tensor| match tensor {
            Tensor::F32(values) => values.iter().map(|&v| f64::from(v) * f64::from(v)).sum(),
            Tensor::F64(values) => values.iter().map(|v| v * v).sum(),
            _ => 0.0,
        };
        self.tensors.iter().filter(|(name, _)| !name.starts_with("adamw.")).map(|(_, tensor)| squares(tensor)).sum()
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
                let weight = self.weight(WEIGHT, [e.saturating_mul(2), d], "twice embed_dim, hidden_dim")?;
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

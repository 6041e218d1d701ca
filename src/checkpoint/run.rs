//! A run directory: settings, task and weights, read as a group, a split and models.

use super::bias::{OUTPUT_BIAS, no_other_bias, output_bias};
use super::checkpoints::{Checkpoints, FOLDER, check_recorded, checkpoints_in};
use super::config::MODEL;
use super::file::not_found;
use super::recorded::{is_recorded, only_archive};
use super::select::Wanted;
use super::{
    Contents, GroupKind, ModelKind, RunConfig, Tensor, Tensors, matrix, network, run_group, task_file, vector, weights,
};
use crate::error::{Error, Result};
use crate::group::{CayleyTable, Cyclic, Dihedral, Group, GroupExt};
use crate::model::{Bilinear, Interpretable, Network, OfGroup, OneLayerMlp, Precomputed, SummedMlp, TwoLayerMlp};
use crate::quoted::shown_path;
use crate::task::Split;
use ndarray::{Array1, Array2};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LEFT: Names = Names(&["W_E_a", "W_x", "W1a", "lembed.weight", "embedding_left.weight"], &[]);
const RIGHT: Names = Names(&["W_E_b", "W_y", "W1b", "rembed.weight", "embedding_right.weight"], &[]);
const WEIGHT: Names = Names(&["W"], &["linear.weight"]);
const BIAS: &[&str] = &["b"];
const UNEMBED: Names = Names(&["W_U", "Wfinal", "unembed.W_U"], &["unembed.weight", "unembedding.weight"]);
pub(super) const CONFIG: &str = "cfg.json";

/// Names of a weight in order of preference: those under which it is stored (in, out), as in `x W`, and those of an
/// `nn.Linear`, which stores it (out, in).
#[derive(Clone, Copy)]
struct Names(&'static [&'static str], &'static [&'static str]);

/// The names of the tensors that an architecture needs.
fn names_of(kind: ModelKind) -> Vec<Vec<&'static str>> {
    if kind == ModelKind::Transformer {
        return network::names_of_transformer();
    }
    let hidden = kind.has_hidden().then_some(WEIGHT);
    let bias = (kind == ModelKind::OneLayerMlpWithBias).then_some(Names(BIAS, &[]));
    let needed = [LEFT, RIGHT, UNEMBED].into_iter().chain(hidden).chain(bias);
    needed.map(|Names(plain, linear)| [plain, linear].concat()).collect()
}

/// The run directory of a file in it: its folder or, without settings there, the folder above `checkpoints`.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.parent() {
        Some(above) if folder.ends_with(FOLDER) && !folder.join(CONFIG).exists() => above.to_path_buf(),
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
/// | `checkpoints/epoch-000000100.safetensors`, `checkpoints/epoch_100.pt`, ..., optional | the weights after so many epochs ([`checkpoints`](Run::checkpoints)); tensors `adamw.*`, `adam.*` or `sgd.*` are the optimiser's |
///
/// Weights go by the names of the published networks, or by those that `nn.Embedding` and `nn.Linear` give them:
///
/// | weight | names |
/// |---|---|
/// | E_a (n, e) | `W_E_a`, `W_x`, `W1a`, `lembed.weight`, `embedding_left.weight` |
/// | E_b (n, e) | `W_E_b`, `W_y`, `W1b`, `rembed.weight`, `embedding_right.weight` |
/// | W (in, out) | `W`; `linear.weight`, which is (out, in) |
/// | b (d), after the ReLU | `b` |
/// | W_U (d, n) | `W_U`, `Wfinal`, `unembed.W_U`; `unembed.weight`, `unembedding.weight`, which are (n, d) |
/// | b_U (n) or (1, n), optional | `b_U`, `unembed_bias`, `unembed.bias`, `unembed.b_U`, `unembedding_bias`, `unembedding.bias`, `bias_U`, `output_bias` |
///
/// Of a transformer ([`ModelKind::Transformer`](super::ModelKind)) the names are those of TransformerLens's
/// `HookedTransformer`, and widths, heads and layers are those of the tensors.
///
/// Whether there is an output bias b_U is for the weights to say; `layers.output_bias` of the settings must not contradict
/// them. Any other bias that is not zero is an error, for the model would compute something else without it.
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
    /// The settings, with [`Layers::output_bias`](super::Layers::output_bias) set where the weights have one.
    pub config: RunConfig,
    /// The weights, by name; of a checkpoint the optimiser's state too, under names that start with `adamw.`, `adam.`
    /// or `sgd.`. Empty for recorded activations.
    pub tensors: Tensors,
    pub(super) directory: PathBuf,
    pub(super) weights: PathBuf,
    pub(super) notes: Vec<String>,
    /// What was recorded, of a run that has this in place of weights.
    pub(super) recorded: Option<Arc<Precomputed>>,
    /// Whether the folder's other files are none of this run's: of recorded activations on a group that was named.
    pub(super) alone: bool,
}

impl Run {
    /// Reads the settings and the weights of a folder, or of the folder of a weights file.
    ///
    /// Of a folder the weights are `model.*` (or `pytorch_model.*`), else its only weights file of another name, else the
    /// last of its [`checkpoints`](Run::checkpoints). Of a file that holds several state dicts, or a state dict
    /// under other keys and prefixes, those are the weights that the architecture's names lead to: the only ones, those
    /// under the usual keys (`state_dict`, `model`, `net`, ...), or the last of a history; [`notes`](Run::notes) says
    /// which. Widths that the settings do not state are read off the weights.
    ///
    /// A file of recorded activations (`.npz`, or safetensors with a tensor `logits`), and a folder that has one in place of
    /// weights, open as [`recorded`](Run::recorded) does it.
    ///
    /// # Arguments
    /// `path`: the folder, or the weights file or its index, whose folder (or, in `checkpoints/`, the one above) has the
    /// `cfg.json`; behind a `#`, the path inside the weights file that [`open_entry`](Run::open_entry) takes.
    ///
    /// # Errors
    /// Those of [`RunConfig::read_for_analysis`] and [`read_tensors`](super::read_tensors); [`Error::SeveralWeights`]
    /// for several files or state dicts of which none is preferred; [`Error::Io`] for a path without weights, with what
    /// there is; those of [`checkpoints`](Run::checkpoints) where the last of these is to be read, and of
    /// [`at`](Run::at) for a checkpoint.
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
        if is_file && entry.is_none() && is_recorded(path) {
            return Self::recorded(path, None, None);
        }
        let settings = directory.join(CONFIG);
        let mut config = RunConfig::read_for_analysis(&settings)?;
        let (file, mut notes) = if is_file && !is_settings {
            (path.to_path_buf(), Vec::new())
        } else {
            match weights::find(&directory)? {
                Some((file, _)) if entry.is_none() && is_recorded(&file) => return Self::recorded(file, None, None),
                Some(found) => found,
                None => match checkpoints_in(&directory)?.by_epoch.pop() {
                    Some((_, last)) => {
                        let name = shown_path(last.strip_prefix(&directory).unwrap_or(&last));
                        (last, vec![format!("without final weights, the model is the last checkpoint, `{name}`")])
                    }
                    None if entry.is_none()
                        && let Some(recorded) = only_archive(&directory)? =>
                    {
                        return Self::recorded(recorded, None, None);
                    }
                    None => return Err(not_found(&directory.join("model.pt"), ErrorKind::NotFound.into())),
                },
            }
        };
        config.require(&settings, MODEL)?;
        let names = names_of(config.model);
        let contents = weights::read(&file, &Wanted { names: &names, entry })?;
        check_recorded(&file, &contents.recorded)?;
        notes.extend(contents.notes);
        // What is wrong with a listing is for those to know who ask for it.
        notes.extend(checkpoints_in(&directory).ok().and_then(|found| found.passed_over));
        // Of a weight (in, out), whichever way it is stored.
        let width = |Names(plain, linear): Names, axis: usize| {
            let stored = |names: &[&str], axis: usize| {
                let tensor = names.iter().find_map(|&name| contents.tensors.get(name))?;
                (tensor.shape().len() == 2).then(|| tensor.shape()[axis])
            };
            stored(plain, axis).or_else(|| stored(linear, 1 - axis))
        };
        if config.layers.embed_dim == 0 {
            config.layers.embed_dim = width(LEFT, 1).unwrap_or(0);
        }
        if config.model.has_hidden() && config.layers.hidden_dim.is_none() {
            config.layers.hidden_dim = width(UNEMBED, 0);
        }
        if config.model == ModelKind::Transformer {
            // What the settings say of widths is left over from other networks.
            let columns = |name: &str| contents.tensors.get(name).and_then(|tensor| tensor.shape().last().copied());
            config.layers.embed_dim = columns("embed.W_E").unwrap_or(config.layers.embed_dim);
            config.layers.hidden_dim = columns("blocks.0.mlp.W_in");
        }
        let biased = OUTPUT_BIAS.iter().any(|&name| contents.tensors.contains_key(name));
        config.layers.output_bias = config.layers.output_bias.or(biased.then_some(true));
        Ok(Self { config, tensors: contents.tensors, directory, weights: file, notes, recorded: None, alone: false })
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

    /// The group: that of `table` in `task.safetensors`, for any kind of group, under the name that the file's metadata has;
    /// else the one that the settings name, of a symmetric or alternating run in the order that their key `element_order`
    /// names: `sympy` or `lexicographic` ([`group_in_order`](Run::group_in_order)).
    ///
    /// # Errors
    /// - For a table: [`Error::TensorDtype`], [`Error::TensorRank`], [`Error::TensorShape`] unless it is square and of
    ///   the settings' order, [`Error::TensorLayout`] for a negative entry or a group of another kind than theirs, and
    ///   [`Error::InFile`] around what
    ///   [`CayleyTable::new`](crate::group::CayleyTable::new) rejects.
    /// - Without one: [`Error::Io`] or [`Error::MissingTensor`] for [`GroupKind::CayleyTable`], and
    ///   [`Error::Unsupported`] for a symmetric or alternating group without an order, which can be given to
    ///   [`group_in_order`](Run::group_in_order); [`Error::Config`] for an order that has another name.
    pub fn group(&self) -> Result<Box<dyn Group>> {
        let (kind, n) = (self.config.group, self.config.group_parameter);
        if let Some(table) = self.table()? {
            return Ok(Box::new(table));
        }
        if let Some(permutations) = self.named_order()? {
            return Ok(Box::new(permutations.cayley_table()));
        }
        Ok(match kind {
            GroupKind::CyclicGroup => Box::new(Cyclic::new(n)?),
            GroupKind::DihedralGroup => Box::new(Dihedral::new(n)?),
            GroupKind::SymmetricGroup | GroupKind::AlternatingGroup | GroupKind::CayleyTable => {
                return Err(Error::Unsupported {
                    analysis: "the group of this run",
                    needs: "its `table` in task.safetensors, or the element order it was trained with (--order, or \
                            `element_order` in cfg.json): `sympy` (SymPy's SymmetricGroup(n).generate(), that of the \
                            published S3 to S6), `lexicographic`, or for --order a JSON file of the permutations in \
                            their order: {\"composition\": \"(p*q)[i] = q[p[i]]\", \"elements\": [[0, 1, 2], ...]}",
                });
            }
        })
    }

    /// The file of the run's task, where there is one.
    pub(super) fn task_file(&self) -> Result<Option<PathBuf>> {
        let path = self.directory.join(task_file::NAME);
        Ok((!self.alone && task_file::exists(&path)?).then_some(path))
    }

    /// The Cayley table that the run has beside it, if any; that of a group of its settings' kind.
    pub(super) fn table(&self) -> Result<Option<CayleyTable>> {
        let (kind, n) = (self.config.group, self.config.group_parameter);
        let path = match self.task_file()? {
            Some(path) => path,
            None if kind == GroupKind::CayleyTable => self.directory.join(task_file::NAME),
            None => return Ok(None),
        };
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
    /// file; else [`Split::published`] with the settings' share and seed. All pairs train recorded activations without these.
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
    /// [`Error::InFile`] around [`Error::Memory`] where its up to 16 n^2 bytes are over the budget.
    ///
    /// Cost: O(n^2) time and memory.
    pub fn split(&self) -> Result<Split> {
        let (n, e) = (self.config.order()?, self.config.layers.embed_dim);
        // The order is not the settings' word alone.
        if self.config.model == ModelKind::Transformer {
            self.transformer_settings()?;
        } else if self.recorded.is_none() {
            self.weight(LEFT, [n, e], "group order, embed_dim")?;
        }
        if let Some(path) = self.task_file()? {
            return task_file::split(&path, n);
        }
        let unknown = ["frac_train", "seed"].into_iter().filter(|key| self.config.missing.contains(key));
        if self.recorded.is_some() && unknown.count() > 0 {
            return Split::published(n, 1.0, 0);
        }
        for key in ["frac_train", "seed"] {
            self.config.require(&self.directory.join(CONFIG), key)?;
        }
        Split::published(n, self.config.frac_train, self.config.seed)
            .map_err(|source| Error::InFile { path: self.directory.join("cfg.json"), source: source.into() })
    }

    /// The split, or one without any pairs and the reason, where the settings do not have its share or its seed.
    pub(crate) fn split_or_reason(&self) -> Result<(Split, Option<Error>)> {
        match self.split() {
            Err(reason @ Error::Config { .. }) => {
                Ok((Split::new(self.config.order()?, Vec::new(), Vec::new())?, Some(reason)))
            }
            split => Ok((split?, None)),
        }
    }

    /// The name that this crate gives the file in `checkpoints/` with the weights after `epoch` epochs.
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
    /// A checkpoint is a weights file in the folder `checkpoints` with a number in its name, whoever wrote it: the number
    /// behind the word `epoch`, else the last one (`epoch_100.pt`, `100.pth`, `model_epoch_100.ckpt`, and `step_100.pt`, of a
    /// run that counts steps). What else is in the folder is in [`notes`](Run::notes). Without such a folder, and for recorded
    /// activations, there are none. No file is read: a damaged one is found by [`at`](Run::at).
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed; [`Error::SeveralWeights`] naming two files of one epoch, or two of which
    /// one counts epochs and the other steps; [`Error::Format`] for an epoch from 2^64 on.
    pub fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>> {
        if self.recorded.is_some() {
            return Ok(Vec::new());
        }
        checkpoints_in(&self.directory).map(|Checkpoints { by_epoch, .. }| by_epoch)
    }

    /// The same run with the weights of another file: one of its [`checkpoints`](Run::checkpoints).
    ///
    /// # Errors
    /// Those of [`open`](Run::open) for the weights; [`Error::Format`] for a checkpoint that records another `epoch` (of one
    /// named by steps, another `step`) than its name states, beside its state dict or in the metadata of a safetensors file.
    pub fn at(&self, weights: impl AsRef<Path>) -> Result<Self> {
        let (file, directory, config) = (weights.as_ref().to_path_buf(), self.directory.clone(), self.config.clone());
        let Contents { tensors, notes, recorded } =
            weights::read(&file, &Wanted { names: &names_of(config.model), entry: None })?;
        check_recorded(&file, &recorded)?;
        Ok(Self { config, tensors, directory, weights: file, notes, recorded: None, alone: false })
    }

    /// Sum of the squares of the architecture's weights and output bias, not of what lies beside them.
    ///
    /// `None` for recorded activations.
    #[must_use]
    pub fn sum_of_squared_weights(&self) -> Option<f64> {
        if self.recorded.is_some() {
            return None;
        }
        let squares = |tensor: &Tensor| match tensor {
            Tensor::F32(values) => values.iter().map(|&v| f64::from(v) * f64::from(v)).sum(),
            Tensor::F64(values) => values.iter().map(|v| v * v).sum(),
            _ => 0.0,
        };
        if self.config.model == ModelKind::Transformer {
            let numbers = self.transformer().ok()?;
            return Some(numbers.parameters().iter().map(|&v| f64::from(v) * f64::from(v)).sum());
        }
        let mut weights = names_of(self.config.model);
        weights.push(OUTPUT_BIAS.to_vec());
        let found = weights.iter().filter_map(|names| names.iter().find_map(|&name| self.tensors.get(name)));
        Some(found.map(squares).sum())
    }

    /// The model, with every weight's shape held to the settings; where the run says what its group is, one that knows it
    /// ([`OfGroup`]).
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorDtype`], [`Error::TensorRank`], [`Error::NonFinite`],
    /// [`Error::TensorShape`] where a weight does not fit the group's order or the layer widths, [`Error::OutputBias`] where
    /// settings and weights disagree on an output bias, and [`Error::UnusedBias`] for any other that the model lacks. Of a
    /// transformer also [`Error::SurplusTensor`] for a tensor that none of its steps reads, and [`Error::TensorLayout`] for a
    /// mask that is not causal.
    pub fn model(&self) -> Result<Box<dyn Interpretable>> {
        if let Some(recorded) = &self.recorded {
            return Ok(Box::new(OfGroup::with_fingerprint(Arc::clone(recorded), self.fingerprint())));
        }
        if self.config.model == ModelKind::Transformer {
            return Ok(Box::new(OfGroup::with_fingerprint(self.transformer()?, self.fingerprint())));
        }
        let (n, e) = (self.config.order()?, self.config.layers.embed_dim);
        let kind = self.config.model;
        let d = self.config.layers.hidden_dim.filter(|_| kind.has_hidden()).unwrap_or(e);
        let left = self.weight(LEFT, [n, e], "group order, embed_dim")?;
        let right = self.weight(RIGHT, [n, e], "group order, embed_dim")?;
        let unembed = self.weight(UNEMBED, [d, n], "width read, group order")?;
        let output_bias = self.output_bias(n)?;
        let (has_b, b_u) =
            (kind == ModelKind::OneLayerMlpWithBias, output_bias.as_ref().map(|(name, _)| name.as_str()));
        let used: Vec<&str> = has_b.then_some(BIAS[0]).into_iter().chain(b_u).collect();
        no_other_bias(&self.weights, &self.tensors, &used)?;
        macro_rules! finished {
            ($model:expr) => {
                match output_bias {
                    Some((_, bias)) => Box::new($model.with_output_bias(bias)?),
                    None => Box::new($model),
                }
            };
        }
        let model: Box<dyn Interpretable> = match kind {
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
                finished!(OneLayerMlp::new(left, right, weight, bias, unembed)?)
            }
            ModelKind::TwoLayerMlp => {
                let weight = self.weight(WEIGHT, [e, d], "embed_dim, hidden_dim")?;
                finished!(TwoLayerMlp::new(left, right, weight, unembed)?)
            }
            ModelKind::SummedMlp => finished!(SummedMlp::new(left, right, unembed)?),
            ModelKind::Bilinear => finished!(Bilinear::new(left, right, unembed)?),
            ModelKind::Transformer => unreachable!("transformers are read above"),
        };
        Ok(Box::new(OfGroup::with_fingerprint(model, self.fingerprint())))
    }

    fn transformer_settings(&self) -> Result<crate::model::Transformer> {
        network::transformer(&self.weights, &self.tensors, &self.config, &self.directory.join(CONFIG))
    }

    /// The transformer with these weights.
    fn transformer(&self) -> Result<Network> {
        let architecture = network::architecture(&self.transformer_settings()?, &self.tensors);
        network::network(&self.weights, &self.tensors, architecture, self.config.order()?)
    }

    /// A weight (in, out).
    fn weight(&self, names: Names, expected: [usize; 2], because: &'static str) -> Result<Array2<f32>> {
        let Names(plain, linear) = names;
        let has = |names: &[&str]| names.iter().any(|&name| self.tensors.contains_key(name));
        if has(linear) && !has(plain) {
            let weight = matrix(&self.weights, &self.tensors, linear)?;
            self.check(linear, &[expected[1], expected[0]], weight.shape(), because)?;
            return Ok(weight.reversed_axes());
        }
        let weight = matrix(&self.weights, &self.tensors, &[plain, linear].concat())?;
        self.check(plain, &expected, weight.shape(), because)?;
        Ok(weight)
    }

    /// The output bias and its name, if settings and weights agree that there is one.
    fn output_bias(&self, n: usize) -> Result<Option<(String, Array1<f32>)>> {
        let found = output_bias(&self.weights, &self.tensors)?;
        if let Some((name, bias)) = &found {
            self.check(&[name], &[n], bias.shape(), "group order")?;
        }
        match self.config.layers.output_bias {
            Some(settings) if settings != found.is_some() => Err(Error::OutputBias {
                config: self.directory.join("cfg.json"),
                settings,
                weights: self.weights.clone(),
                tensor: found.map(|(name, _)| name),
            }),
            _ => Ok(found),
        }
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

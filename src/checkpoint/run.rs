//! A run directory: settings, task and weights, read as a group, a split and models.

use super::bias::OUTPUT_BIAS;
use super::checkpoints::{Checkpoints, FOLDER, check_recorded, checkpoints_in};
use super::file::not_found;
use super::model_settings::ModelSettings;
use super::network::{self, Beside};
use super::recorded::{is_recorded, only_archive};
use super::rules::MODEL;
use super::run_group::{self, SYMPY, in_sympy_order};
use super::select::Wanted;
use super::{Contents, GroupKind, ModelKind, RunConfig, Tensors, task_file, weights};
use crate::error::{Error, Result, TensorFault, check_shape};
use crate::group::{CayleyTable, Cyclic, Dihedral, Elem, Group, GroupExt, Identification, NamedGroup};
use crate::model::{Architecture, Interpretable, Network, OfGroup, Parameter, Precomputed};
use crate::quoted::shown_path;
use crate::task::Split;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const CONFIG: &str = "cfg.json";

/// The parameters of the network that the settings name or describe, whatever its widths: for their names.
fn parameters(model: &ModelSettings) -> Result<Vec<Parameter>> {
    match model {
        ModelSettings::Published(kind) => kind.architecture(1, 1, false).parameters(1),
        ModelSettings::Described(architecture) => architecture.parameters(1),
    }
}

/// Reads what is wanted of a weights file: the state dict with the parameters of the network that the settings say.
fn read_weights(file: &Path, model: &ModelSettings, entry: Option<&str>) -> Result<Contents> {
    let parameters = parameters(model)?;
    let names = match model.is(ModelKind::Transformer) {
        true => network::OF_TRANSFORMER.map(|name| vec![name]).to_vec(),
        false => network::names_of(&parameters),
    };
    weights::read(file, &Wanted { names: &names, entry })
}

/// The run directory of a file in it: its folder or, without settings there, the folder above `checkpoints`.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.parent() {
        Some(above) if folder.ends_with(FOLDER) && !folder.join(CONFIG).exists() => above.to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

/// A path, and behind a `#` the place inside the file that it names.
pub(super) fn split_entry(path: &Path) -> (&Path, Option<&str>) {
    match path.to_str().and_then(|text| text.rsplit_once('#')) {
        Some((file, entry)) if !path.exists() && Path::new(file).exists() => (file.as_ref(), Some(entry)),
        _ => (path, None),
    }
}

/// Where a run lies: what [`Run::open`] is given.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    is_file: bool,
}

/// What a run is read from.
pub(super) enum Weights {
    /// A file of recorded activations.
    Recorded(PathBuf),
    /// A file of a network's weights, and what there is to know about the choice.
    OfNetwork(PathBuf, Vec<String>),
}

impl Place {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let is_file = path.metadata().map_err(|error| not_found(path, error))?.is_file();
        Ok(Self { directory: if is_file { folder_of(path) } else { path.to_path_buf() }, is_file })
    }

    /// The file itself, or of a folder the weights, the last checkpoint, or the recorded activations.
    pub(super) fn weights(&self, path: &Path, entry: Option<&str>) -> Result<Weights> {
        let directory = &self.directory;
        let found = match self.is_file && path.file_name().is_none_or(|name| name != CONFIG) {
            true => Some((path.to_path_buf(), Vec::new())),
            false => weights::find(directory)?,
        };
        if let Some((file, notes)) = found {
            return Ok(match entry.is_none() && is_recorded(&file) {
                true => Weights::Recorded(file),
                false => Weights::OfNetwork(file, notes),
            });
        }
        if let Some((_, last)) = checkpoints_in(directory)?.by_epoch.pop() {
            let name = shown_path(last.strip_prefix(directory).unwrap_or(&last));
            let note = format!("without final weights, the model is the last checkpoint, `{name}`");
            return Ok(Weights::OfNetwork(last, vec![note]));
        }
        let recorded = if entry.is_none() { only_archive(directory)? } else { None };
        recorded
            .map(Weights::Recorded)
            .ok_or_else(|| not_found(&directory.join("model.pt"), ErrorKind::NotFound.into()))
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
/// For a transformer ([`ModelKind::Transformer`](super::ModelKind)) the names are those of TransformerLens's
/// `HookedTransformer`, and widths, heads and layers are those of the tensors. Of a network that the settings describe step
/// by step, the names are those of its parameters.
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
    /// The group, where it was found and not read.
    pub(super) found: Option<Arc<Found>>,
}

/// A group that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) table: CayleyTable,
    /// The group of its name, and by the rows of that the elements of this one, where these stand in an order of their own.
    pub(super) named: Option<(NamedGroup, Vec<Elem>)>,
}

impl Run {
    /// Reads the settings and the weights of a folder, or of the folder of a weights file.
    ///
    /// The weights of a folder are `model.*` (or `pytorch_model.*`), else its only weights file of another name, else the
    /// last of its [`checkpoints`](Run::checkpoints). Of a file that holds several state dicts, or a state dict
    /// under other keys and prefixes, those are the weights that the architecture's names lead to: the only ones, those
    /// under the usual keys (`state_dict`, `model`, `net`, ...), or the last of a history; [`notes`](Run::notes) says
    /// which. Widths that the settings do not state are read off the weights.
    ///
    /// Weights without a `cfg.json` are those of the only network that they can be ([`candidates`](Run::candidates)), of a group
    /// that is not known.
    ///
    /// A file of recorded activations (`.npz`, or safetensors with a tensor `logits`), and a folder that has one in place of
    /// weights, open as [`recorded`](Run::recorded) does it.
    ///
    /// # Arguments
    /// `path`: the folder, or the weights file or its index, whose folder (or, in `checkpoints/`, the one above) has the
    /// `cfg.json`; behind a `#`, the path inside the weights file that [`open_entry`](Run::open_entry) takes.
    ///
    /// # Errors
    /// The errors of [`RunConfig::read_for_analysis`] and [`read_tensors`](super::read_tensors); [`Error::SeveralWeights`]
    /// for several files or state dicts of which none is preferred; [`Error::Io`] for a path without weights, with what
    /// there is; those of [`checkpoints`](Run::checkpoints) where the last of these is to be read, and of
    /// [`at`](Run::at) for a checkpoint; without a `cfg.json` those of [`candidates`](Run::candidates), and [`Error::Format`]
    /// where there are several.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (path, entry) = split_entry(path.as_ref());
        Self::open_with(path, entry)
    }

    /// Opens a run, as [`open`](Run::open) does, with the weights at a path inside the weights file: `ema`,
    /// `model_checkpoints[3]`, `.` for its top.
    ///
    /// # Errors
    /// The errors of [`open`](Run::open), and [`Error::Format`] with the entries there are where there is none of that name.
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
        let place = Place::of(path)?;
        let settings = place.directory.join(CONFIG);
        if !settings.exists() {
            // Where there are no weights either, the settings are what is missing first.
            return match place.weights(path, entry) {
                Err(Error::Io { .. }) => Err(not_found(&settings, ErrorKind::NotFound.into())),
                Ok(Weights::Recorded(file)) if place.is_file => Self::recorded(file, None, None),
                _ => Self::only_candidate(path, entry),
            };
        }
        let mut config = RunConfig::read_for_analysis(&settings)?;
        let (file, mut notes) = match place.weights(path, entry)? {
            Weights::Recorded(file) => return Self::recorded(file, None, None),
            Weights::OfNetwork(file, notes) => (file, notes),
        };
        config.require(&settings, MODEL)?;
        let contents = read_weights(&file, &config.model, entry)?;
        check_recorded(&file, &contents.recorded)?;
        notes.extend(contents.notes);
        // What is wrong with a listing is for those to know who ask for it.
        notes.extend(checkpoints_in(&place.directory).ok().and_then(|found| found.passed_over));
        widths_of_weights(&mut config, &contents.tensors)?;
        Ok(Self::of_tensors(config, contents.tensors, place.directory, file, notes))
    }

    /// A run of a network's weights.
    pub(super) fn of_tensors(
        config: RunConfig,
        tensors: Tensors,
        directory: PathBuf,
        weights: PathBuf,
        notes: Vec<String>,
    ) -> Self {
        Self { config, tensors, directory, weights, notes, recorded: None, alone: false, found: None }
    }

    /// This run on a group that was found, whatever its settings say: the one that [`identify`](crate::analysis::identify())
    /// finds in its model, on the elements of the model.
    ///
    /// Where these stand in the order that goes with the group's name, or in SymPy's, the run is as if its settings said so.
    /// In any other order the irreps of a cyclic, dihedral, symmetric or alternating group are those of the name, pulled back
    /// along the isomorphism.
    ///
    /// # Arguments
    /// `identification`: of this group, where its name is known.
    ///
    /// # Errors
    /// [`Error::Shape`] for a group, or an isomorphism to one, of another order than the model's; those of
    /// [`GroupName::build`](crate::group::GroupName::build).
    ///
    /// ```no_run
    /// use irreplens::analysis::identify_weights;
    /// let (run, learnt) = identify_weights("model.pt")?;
    /// if let Some(group) = learnt.group {
    ///     let run = run.on_group(group, learnt.identification.as_ref())?;
    ///     let basis = run.basis(&run.group()?, None)?;
    /// }
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn on_group(mut self, group: CayleyTable, identification: Option<&Identification>) -> Result<Self> {
        let n = self.config.order()?;
        check_shape("group of the run", &[n], &[group.order()])?;
        (self.config.group, self.config.group_parameter) = (GroupKind::CayleyTable, n);
        let isomorphic = identification.and_then(|found| Some((found.name.as_ref()?, found.isomorphism.as_ref()?)));
        let mut named = None;
        if let Some((name, images)) = isomorphic {
            check_shape("isomorphism to the group of the run", &[n], &[images.len()])?;
            let family = name.build()?;
            if family.fingerprint() == group.fingerprint() {
                (self.config.group, self.config.group_parameter) = GroupKind::of(name.clone());
            } else if let Some(kind) = in_sympy_order(&family, &group)? {
                (self.config.group, self.config.group_parameter) = kind;
                self.config.other.insert("element_order".into(), SYMPY.into());
            } else {
                named = Some((family, images.clone()));
            }
        }
        self.notes.push(format!("its group, {}, is the one that was found in its products", group.name()));
        self.found = Some(Arc::new(Found { table: group, named }));
        Ok(self)
    }

    /// Whether there is a `cfg.json` for what [`open`](Run::open) would read at a path, or recorded activations in place of a
    /// network.
    ///
    /// # Errors
    /// [`Error::Io`] for a path that is not there.
    pub fn has_settings(path: impl AsRef<Path>) -> Result<bool> {
        let (path, entry) = split_entry(path.as_ref());
        let place = Place::of(path)?;
        Ok(place.directory.join(CONFIG).exists() || matches!(place.weights(path, entry), Ok(Weights::Recorded(_))))
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
    /// - For a table: [`Error::Tensor`] unless it is square and of
    ///   the settings' order, [`Error::Tensor`] for a negative entry or a group of another kind than theirs, and
    ///   [`Error::InFile`] around what
    ///   [`CayleyTable::new`](crate::group::CayleyTable::new) rejects.
    /// - Without one: [`Error::Io`] or [`Error::MissingTensor`] for [`GroupKind::CayleyTable`], and
    ///   [`Error::Unsupported`] for a symmetric or alternating group without an order, which can be given to
    ///   [`group_in_order`](Run::group_in_order); [`Error::Config`] for an order that has another name; the errors of
    ///   [`GroupName::build`](crate::group::GroupName::build).
    pub fn group(&self) -> Result<Box<dyn Group>> {
        let (kind, n) = (&self.config.group, self.config.group_parameter);
        if let Some(table) = self.table()? {
            return Ok(Box::new(table));
        }
        if let Some(permutations) = self.named_order()? {
            return Ok(Box::new(permutations.cayley_table()));
        }
        Ok(match kind {
            GroupKind::Named(name) => Box::new(name.build()?),
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

    pub(super) fn task_file(&self) -> Result<Option<PathBuf>> {
        let path = self.directory.join(task_file::NAME);
        Ok((!self.alone && task_file::exists(&path)?).then_some(path))
    }

    /// The Cayley table that the run has beside it, if any; that of a group of its settings' kind.
    pub(super) fn table(&self) -> Result<Option<CayleyTable>> {
        if let Some(found) = &self.found {
            return Ok(Some(found.table.clone()));
        }
        let (kind, n) = (&self.config.group, self.config.group_parameter);
        let path = match self.task_file()? {
            Some(path) => path,
            None if *kind == GroupKind::CayleyTable => self.directory.join(task_file::NAME),
            None => return Ok(None),
        };
        let Some(table) = task_file::table(&path, self.config.order()?, *kind == GroupKind::CayleyTable)? else {
            return Ok(None);
        };
        let expected = "the table of a group of the settings' kind";
        run_group::check_family(kind, n, &table)
            .map_err(|got| TensorFault::Unfit { expected, got }.of(path, "table"))?;
        Ok(Some(table))
    }

    /// The training and test pairs: those of `train` in `task.safetensors`, in the file's order, where there is such a
    /// file; else [`Split::published`] with the settings' share and seed. All pairs train recorded activations without these.
    ///
    /// # Returns
    /// For a file, the test set is all other pairs in row-major order; it may be empty.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Tensor`] where `train` is empty, holds a pair twice or one that there is not;
    /// [`Error::Tensor`] where the left embedding does not fit the group's order, from which the number of pairs is
    /// taken; [`Error::Config`] where the settings do not have the share and the seed.
    ///
    /// [`Error::InFile`] around [`Error::Memory`] where its up to 16 n^2 bytes are over the budget.
    ///
    /// Cost: O(n^2) time and memory.
    pub fn split(&self) -> Result<Split> {
        let n = self.config.order()?;
        // The order is not the settings' word alone.
        if self.recorded.is_none() {
            let parameters = self.architecture()?.parameters(n)?;
            if let Some(first) = parameters.first() {
                network::values(&self.weights, &self.tensors, first)?;
            }
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
            .map_err(Error::in_file(self.directory.join(CONFIG)))
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

    /// This run with the weights of another file: one of its [`checkpoints`](Run::checkpoints).
    ///
    /// # Errors
    /// The errors of [`open`](Run::open) for the weights; [`Error::Format`] for a checkpoint that records another `epoch` (of
    /// one named by steps, another `step`) than its name states, beside its state dict or in the metadata of a safetensors
    /// file.
    pub fn at(&self, weights: impl AsRef<Path>) -> Result<Self> {
        let (file, directory, config) = (weights.as_ref().to_path_buf(), self.directory.clone(), self.config.clone());
        let Contents { tensors, notes, recorded } = read_weights(&file, &config.model, None)?;
        check_recorded(&file, &recorded)?;
        Ok(Self::of_tensors(config, tensors, directory, file, notes))
    }

    /// Sum of the squares of the network's parameters, not of what lies beside them.
    ///
    /// `None` for recorded activations.
    ///
    /// # Errors
    /// The errors of [`network`](Run::network).
    pub fn sum_of_squared_weights(&self) -> Result<Option<f64>> {
        if self.recorded.is_some() {
            return Ok(None);
        }
        let network = self.network()?;
        Ok(Some(network.parameters().iter().map(|&v| f64::from(v) * f64::from(v)).sum()))
    }

    /// The model; where the run says what its group is, one that knows it ([`OfGroup`]).
    ///
    /// # Errors
    /// The errors of [`network`](Run::network); none for recorded activations.
    pub fn model(&self) -> Result<Box<dyn Interpretable>> {
        Ok(match &self.recorded {
            Some(recorded) => Box::new(OfGroup::with_fingerprint(Arc::clone(recorded), self.fingerprint())),
            None => Box::new(OfGroup::with_fingerprint(self.network()?, self.fingerprint())),
        })
    }

    /// The description of the run's network: that of the settings or, of a transformer that they name, that of its weights.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for recorded activations; for a transformer [`Error::MissingTensor`], [`Error::Tensor`], and
    /// [`Error::Config`] for an activation function or a LayerNorm that is unknown.
    pub fn architecture(&self) -> Result<Architecture> {
        if self.recorded.is_some() {
            let needs = "weights, not recorded activations";
            return Err(Error::Unsupported { analysis: "the network of a run", needs });
        }
        if self.config.model.is(ModelKind::Transformer) {
            let settings = self.directory.join(CONFIG);
            let found = network::transformer(&self.weights, &self.tensors, &self.config, &settings)?;
            return Ok(network::architecture(&found, &self.tensors));
        }
        Ok(self.config.architecture())
    }

    /// The network, with every parameter's shape held to the settings and the order of the group.
    ///
    /// # Errors
    /// The errors of [`architecture`](Run::architecture); [`Error::MissingTensor`], [`Error::Tensor`] where a parameter does
    /// not fit the group's order or the widths, [`Error::OutputBias`] where settings and weights disagree on an output bias,
    /// and [`Error::Tensor`] for any other bias that a published network lacks. Of a transformer or a described network also
    /// [`Error::Tensor`] for a tensor that none of its steps reads, and [`Error::Tensor`] for a mask that is not causal.
    pub fn network(&self) -> Result<Network> {
        let architecture = self.architecture()?;
        let beside = match self.config.model {
            ModelSettings::Published(kind) if kind != ModelKind::Transformer => Beside::OtherTensors,
            _ => Beside::Nothing,
        };
        if beside == Beside::OtherTensors {
            let found = OUTPUT_BIAS.iter().find(|&&name| self.tensors.contains_key(name));
            let settings = self.config.layers.output_bias.unwrap_or(found.is_some());
            if settings != found.is_some() {
                let (config, weights) = (self.directory.join(CONFIG), self.weights.clone());
                let tensor = found.map(|&name| name.to_owned());
                return Err(Error::OutputBias { config, settings, weights, tensor });
            }
        }
        network::network(&self.weights, &self.tensors, architecture, self.config.order()?, beside)
    }
}

/// Takes from the weights what the settings do not say: the widths, and whether there is an output bias.
pub(super) fn widths_of_weights(config: &mut RunConfig, tensors: &Tensors) -> Result<()> {
    let ModelSettings::Published(kind) = config.model else { return Ok(()) };
    if kind == ModelKind::Transformer {
        // What the settings say of widths is left over from other networks.
        let columns = |name: &str| tensors.get(name).and_then(|tensor| tensor.shape().last().copied());
        config.layers.embed_dim = columns("embed.W_E").unwrap_or(config.layers.embed_dim);
        config.layers.hidden_dim = columns("blocks.0.mlp.W_in");
    } else {
        let parameters = parameters(&config.model)?;
        let width = |parameter: &str, axis: usize| {
            let parameter = parameters.iter().find(|p| p.name == parameter)?;
            network::stored_extent(tensors, parameter, axis)
        };
        if config.layers.embed_dim == 0 {
            config.layers.embed_dim = width("W_E_a", 1).unwrap_or(0);
        }
        if kind.has_hidden() && config.layers.hidden_dim.is_none() {
            config.layers.hidden_dim = width("W_U", 0);
        }
    }
    let biased = OUTPUT_BIAS.iter().any(|&name| tensors.contains_key(name));
    config.layers.output_bias = config.layers.output_bias.or(biased.then_some(true));
    Ok(())
}

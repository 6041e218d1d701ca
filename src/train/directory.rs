//! Run directories: settings, task and checkpoints written in training, and read again to resume it.

use super::TrainConfig;
use super::optimiser::{Kept, OptimiserState, kept};
use super::steady::Steady;
use crate::checkpoint::safetensors::{metadata_of, read_bytes};
use crate::checkpoint::{
    Checksum, ELEMENT_ORDER, GROUP, GroupKind, LrDecay, ModelSettings, Run, RunConfig, SYMPY, TEMPORARY, Tensor,
    Tensors, checkpoints_in, read_tensors, verify, write_safetensors,
};
use crate::error::{Error, Result, TensorFault};
use crate::group::{Cyclic, Dihedral, Elem, Group, GroupName};
use crate::model::{Network, OfGroup};
use crate::quoted::shown_path;
use crate::task::{Split, Task};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Characters of a group's name that are kept.
const GROUP_NAME: usize = 120;

/// All that changes from epoch to epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub network: OfGroup<Network>,
    /// Steps taken.
    pub epoch: u64,
    pub optimiser: OptimiserState,
    /// The epoch of the least test loss so far, and that loss.
    pub best: Option<(u64, f64)>,
    /// How long it has stood still, where a rule asks for it.
    pub steady: Steady,
}

/// The part of a state that is not tensors, in the metadata of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Rest {
    epoch: u64,
    best: Option<(u64, f64)>,
    #[serde(default, skip_serializing_if = "Steady::is_new")]
    steady: Steady,
    rng: Generator,
}

/// What of a state is not the same at every start, as it travels between ranks.
#[derive(Serialize, Deserialize)]
pub(super) struct Resumed {
    parameters: Vec<f32>,
    optimiser: Vec<Vec<f32>>,
    epoch: u64,
    best: Option<(u64, f64)>,
    steady: Steady,
}

impl From<&State> for Resumed {
    fn from(state: &State) -> Self {
        let State { network, epoch, optimiser, best, steady } = state;
        let (parameters, optimiser) = (network.parameters().to_vec(), optimiser.0.clone());
        Self { parameters, optimiser, epoch: *epoch, best: *best, steady: *steady }
    }
}

impl Resumed {
    /// Makes a new state of the same run this one.
    pub(super) fn give_to(self, state: &mut State) {
        state.network.parameters_mut().copy_from_slice(&self.parameters);
        state.optimiser = OptimiserState(self.optimiser);
        (state.epoch, state.best, state.steady) = (self.epoch, self.best, self.steady);
    }
}

/// Where the random numbers come from. Training by full batches draws none after the initial parameters, so the seed
/// is all of the generator's state.
#[derive(Serialize, Deserialize)]
struct Generator {
    name: String,
    seed: u64,
}

/// Something amiss with the files of a run that was taken up all the same: what
/// [`Trainer::notices`](super::Trainer::notices) lists.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A checkpoint that is damaged: the newest before it was taken.
    Damaged {
        /// What is wrong with it; the error names the file.
        reason: Error,
        /// The epoch of the checkpoint taken.
        resumed_at: u64,
    },
    /// A checkpoint without a checksum, as early versions of this crate wrote them: taken, but nothing vouches for it.
    Unverified {
        /// The checkpoint.
        path: PathBuf,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { reason, resumed_at } => write!(f, "{reason}; the run goes on from epoch {resumed_at}"),
            Self::Unverified { path } => {
                write!(f, "{}: has no checksum, so damage to it would not be seen", shown_path(path))
            }
        }
    }
}

fn differs(path: &Path, what: &str, expected: impl Into<String>, got: impl Into<String>) -> Error {
    Error::RunDiffers { path: path.into(), what: what.into(), expected: expected.into(), got: got.into() }
}

/// A run directory in use by this process alone.
#[derive(Debug)]
pub(super) struct RunDirectory {
    path: PathBuf,
    config: RunConfig,
    /// Locked as long as it is open; the system lets go of it when the process ends, however that is.
    _lock: File,
}

impl RunDirectory {
    /// Makes the directory, or takes up the run in it: its newest state, if there is one, and what was amiss with it.
    pub(super) fn open(
        path: &Path,
        config: RunConfig,
        task: &Task,
        split: &Split,
    ) -> Result<(Self, Option<State>, Vec<Notice>)> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::Io { path, source }
        };
        let checkpoints = path.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(io(&checkpoints))?;
        let lock_path = path.join(".lock");
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Error::RunLocked { path: path.into() }),
            locked => locked.map_err(|error| io(&lock_path)(error.into()))?,
        }
        for folder in [path, &checkpoints] {
            remove_unfinished(folder).map_err(io(folder))?;
        }
        let mut directory = Self { path: path.into(), config, _lock: lock };
        let settings = path.join("cfg.json");
        let (resumed, notices) = if settings.exists() {
            let there = RunConfig::read(&settings)?;
            let by_table = !matches!(directory.config.group, GroupKind::CyclicGroup | GroupKind::DihedralGroup);
            if by_table && (&there.group, there.group_parameter) == (&GroupKind::CayleyTable, task.order()) {
                // Its table is compared.
                (directory.config.group, directory.config.group_parameter) = (GroupKind::CayleyTable, task.order());
            }
            same_settings(&settings, &there, &directory.config)?;
            directory.newest(task)?
        } else if let Some(beside) = directory.candidates()?.into_iter().next() {
            return Err(Error::RunIncomplete { path: settings, beside });
        } else {
            (None, Vec::new())
        };
        if let Some(done) = resumed.as_ref().map(|state| state.epoch).filter(|&e| e > directory.config.num_epochs) {
            let expected = format!("at most the {} asked for", directory.config.num_epochs);
            return Err(differs(&settings, "num_epochs", expected, format!("{done} epochs done")));
        }
        if resumed.is_none()
            && let Some(model) = ["model.safetensors", "model.pt"].iter().find(|name| path.join(name).exists())
        {
            let expected = "no weights, or checkpoints beside them to go on from";
            return Err(differs(path, model, expected, "weights alone"));
        }
        directory.write_task(task, split)?;
        directory.config.write(&settings)?;
        Ok((directory, resumed, notices))
    }

    /// The run's pairs and, where its name does not say it or the file has it, its group; the same as are there, if any
    /// are.
    fn write_task(&self, task: &Task, split: &Split) -> Result<()> {
        let mut train: Vec<i64> = split.train.iter().map(|&pair| pair as i64).collect();
        train.sort_unstable();
        let mut tensors = Tensors::from([("train".to_owned(), Tensor::I64(Array1::from_vec(train).into_dyn()))]);
        let path = self.path.join("task.safetensors");
        let there = if path.exists() { Some(read_tensors(&path)?) } else { None };
        let has_table = there.as_ref().is_some_and(|there| there.contains_key("table"));
        if self.config.group == GroupKind::CayleyTable || has_table {
            let labels = task.labels().iter().map(|&label| i64::from(label)).collect();
            let table = Array2::from_shape_vec((task.order(), task.order()), labels).expect("n^2 labels");
            tensors.insert("table".into(), Tensor::I64(table.into_dyn()));
        }
        let Some(there) = there else {
            let name = task.group_name().chars().take(GROUP_NAME).collect();
            return write_safetensors(&path, &tensors, &BTreeMap::from([(GROUP.to_owned(), name)]));
        };
        match tensors.iter().find(|(name, tensor)| there.get(*name) != Some(tensor)) {
            None => Ok(()),
            Some((name, _)) => Err(differs(&path, name, "the training pairs and the group of this run", "others")),
        }
    }

    /// Files with a state, the likeliest newest first: `latest.safetensors`, then the checkpoints from the last on.
    fn candidates(&self) -> Result<Vec<PathBuf>> {
        let latest = Some(self.latest()).filter(|path| path.exists());
        let checkpoints = checkpoints_in(&self.path)?.by_epoch.into_iter().rev().map(|(_, path)| path);
        Ok(latest.into_iter().chain(checkpoints).collect())
    }

    /// The state of the most epochs that is not damaged; an error if all are.
    fn newest(&self, task: &Task) -> Result<(Option<State>, Vec<Notice>)> {
        let (mut newest, mut damaged, mut notices) = (None::<State>, Vec::new(), Vec::new());
        for path in self.candidates()? {
            match self.read(&path, task)? {
                Err(reason) => damaged.push(reason),
                Ok((state, checksum)) => {
                    if checksum == Checksum::Missing {
                        notices.push(Notice::Unverified { path: path.clone() });
                    }
                    let numbered = path != self.latest();
                    if newest.as_ref().is_none_or(|newest| newest.epoch < state.epoch) {
                        newest = Some(state);
                    }
                    // Those left are of fewer epochs.
                    if numbered {
                        break;
                    }
                }
            }
        }
        let mut damaged = damaged.into_iter();
        match newest {
            Some(state) => {
                let resumed_at = state.epoch;
                notices.extend(damaged.map(|reason| Notice::Damaged { reason, resumed_at }));
                Ok((Some(state), notices))
            }
            None => damaged.next().map_or(Ok((None, notices)), Err),
        }
    }

    /// Where the state between two checkpoints is kept.
    fn latest(&self) -> PathBuf {
        self.path.join("checkpoints").join("latest.safetensors")
    }

    /// The state in a file, or how it is damaged: it fails its checksum, or has none and cannot be right. With a checksum
    /// that holds, contents that cannot be right are somebody's doing, and an error.
    fn read(&self, path: &Path, task: &Task) -> Result<Result<(State, Checksum)>> {
        let bytes = fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let checksum = match verify(&bytes, path) {
            Ok(checksum) => checksum,
            Err(reason) => return Ok(Err(reason)),
        };
        match self.state(&bytes, path, task) {
            Ok(state) => Ok(Ok((state, checksum))),
            Err(error @ Error::RunDiffers { .. }) => Err(error),
            Err(reason) if checksum == Checksum::Missing => Ok(Err(reason)),
            Err(error) => Err(error),
        }
    }

    fn state(&self, bytes: &[u8], path: &Path, task: &Task) -> Result<State> {
        let metadata = metadata_of(bytes, path)?;
        let key = |key: &'static str| {
            let text = metadata.get(key).map_or("", String::as_str);
            let expected = "a checkpoint of this crate's training, with its settings and epoch";
            let damaged = |_| Error::format(path, expected, format!("metadata with `{key}`: {text:?}"));
            serde_json::from_str::<Value>(text).map_err(damaged)
        };
        let bad = |got: String| Error::format(path, "a checkpoint of this crate's training", got);
        let json = |error: serde_json::Error| bad(error.to_string());
        same_settings(path, &serde_json::from_value(key("cfg")?).map_err(json)?, &self.config)?;
        let rest: Rest = serde_json::from_value(key("state")?).map_err(json)?;
        if let Some((epoch, _)) = rest.best.filter(|&(epoch, loss)| epoch > rest.epoch || loss < 0.0) {
            return Err(bad(format!("a least test loss at epoch {epoch} of {}, or one below 0", rest.epoch)));
        }
        if rest.steady.steps > rest.epoch {
            return Err(bad(format!("{} steps of standing still at epoch {}", rest.steady.steps, rest.epoch)));
        }
        let name = path.file_name().unwrap_or_default();
        if path != self.latest() && name != Run::checkpoint_name(rest.epoch).as_str() {
            return Err(bad(format!("the state of epoch {}", rest.epoch)));
        }
        let tensors = read_bytes(bytes, path)?;
        let network = Network::from_tensors(self.config.architecture(), self.config.order()?, path, &tensors)?;
        let kept = kept(self.config.optimiser);
        let read = |Kept { prefix, .. }: &Kept| network.values_of(path, &tensors, prefix);
        let state = OptimiserState(kept.iter().map(read).collect::<Result<_>>()?);
        for (Kept { prefix, .. }, squares) in kept.iter().zip(&state.0).filter(|(kept, _)| kept.squares) {
            for weight in network.weights() {
                let negative = weight.of(squares).iter().copied().find(|&mean| mean < 0.0);
                if let Some(got) = negative {
                    return Err(TensorFault::Unfit { expected: "means of squares, from 0 up", got: got.to_string() }
                        .of(path, format!("{prefix}{}", weight.name)));
                }
            }
        }
        let network = OfGroup::with_fingerprint(network, Some(task.fingerprint()));
        Ok(State { network, epoch: rest.epoch, optimiser: state, best: rest.best, steady: rest.steady })
    }

    fn write(&self, path: &Path, state: &State) -> Result<()> {
        let State { network, epoch, optimiser, best, steady } = state;
        let mut tensors = network.tensors();
        for (Kept { prefix, .. }, values) in kept(self.config.optimiser).iter().zip(&optimiser.0) {
            tensors.extend(network.tensors_of(values, prefix));
        }
        let rng = Generator { name: "ChaCha20".into(), seed: self.config.seed };
        let rest = Rest { epoch: *epoch, best: *best, steady: *steady, rng };
        let text = |value: serde_json::Result<String>| value.expect("settings and numbers are JSON");
        let metadata = BTreeMap::from([
            ("cfg".to_owned(), text(serde_json::to_string(&self.config))),
            ("state".to_owned(), text(serde_json::to_string(&rest))),
        ]);
        write_safetensors(path, &tensors, &metadata)
    }

    /// Keeps a state under its epoch.
    pub(super) fn checkpoint(&self, state: &State) -> Result<()> {
        self.write(&self.path.join("checkpoints").join(Run::checkpoint_name(state.epoch)), state)
    }

    /// Keeps a state to resume from, in place of the one kept before.
    pub(super) fn save(&self, state: &State) -> Result<()> {
        self.write(&self.latest(), state)
    }

    /// Writes the weights alone.
    pub(super) fn finish(&self, network: &Network) -> Result<()> {
        write_safetensors(self.path.join("model.safetensors"), &network.tensors(), &BTreeMap::new())
    }

    /// Removes the state between checkpoints: there is a checkpoint of a later epoch.
    pub(super) fn remove_latest(&self) -> Result<()> {
        let path = self.latest();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::Io { path, source: error }),
            _ => Ok(()),
        }
    }
}

/// Removes what an interrupted [`atomic_write`](crate::checkpoint::atomic_write) left.
fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The settings of a run as its `cfg.json` has them.
pub(super) fn run_config(network: &Network, task: &Task, split: &Split, config: &TrainConfig) -> RunConfig {
    let n = task.order();
    let (model, layers) = ModelSettings::of(network.architecture());
    let mut other = serde_json::Map::new();
    let (group, group_parameter) = if Cyclic::new(n).is_ok_and(|group| is_task_of(task, &group)) {
        (GroupKind::CyclicGroup, n)
    } else if n.is_multiple_of(2) && Dihedral::new(n / 2).is_ok_and(|group| is_task_of(task, &group)) {
        (GroupKind::DihedralGroup, n / 2)
    } else if let Some(family) = in_sympy_order(task) {
        other.insert(ELEMENT_ORDER.into(), SYMPY.into());
        family
    } else {
        named(task).map_or((GroupKind::CayleyTable, n), GroupKind::of)
    };
    RunConfig {
        model,
        group,
        group_parameter,
        seed: config.seed,
        frac_train: fraction(split.train.len(), n),
        layers,
        lr: config.lr,
        optimiser: config.optimiser,
        weight_decay: config.weight_decay,
        betas: config.betas,
        eps: config.eps,
        warmup_epochs: config.warmup_epochs,
        lr_decay: config.lr_decay,
        label_smoothing: config.label_smoothing,
        num_epochs: config.epochs,
        missing: Vec::new(),
        other,
    }
}

/// The family and the parameter of the task's group, if it is a symmetric or alternating one in SymPy's order of its elements.
fn in_sympy_order(task: &Task) -> Option<(GroupKind, usize)> {
    let (family, n) = GroupKind::published(task.group_name().parse().ok()?);
    let is_family = matches!(family, GroupKind::SymmetricGroup | GroupKind::AlternatingGroup);
    let fits = is_family && family.order(n).is_ok_and(|order| order == task.order());
    (fits && family.build(n).is_ok_and(|group| is_task_of(task, &group))).then_some((family, n))
}

/// The name of the task's group, if it is the name of a group that has its products row by row, and not one of a file.
fn named(task: &Task) -> Option<GroupName> {
    let name: GroupName = task.group_name().parse().ok()?;
    if name.order().is_some_and(|order| order != task.order()) || name.to_string().contains('"') {
        return None;
    }
    name.build().is_ok_and(|group| is_task_of(task, &group)).then_some(name)
}

/// Whether a task is that of a group, row by row: without a second task, which may be gigabytes.
fn is_task_of(task: &Task, group: &impl Group) -> bool {
    let n = task.order();
    let product = |pair: usize| group.compose(Elem::new(pair / n), Elem::new(pair % n)).index();
    group.order() == n && task.labels().iter().enumerate().all(|(pair, &label)| product(pair) == label as usize)
}

/// The shortest decimal f with `floor(f n^2) = count`.
fn fraction(count: usize, n: usize) -> f64 {
    let pairs = n as f64 * n as f64;
    let fits = |f: &f64| *f <= 1.0 && (f * n as f64 * n as f64) as usize == count;
    let digits = |digits: i32| (count as f64 / pairs * 10f64.powi(digits)).ceil() / 10f64.powi(digits);
    (1..17).map(digits).find(fits).unwrap_or(count as f64 / pairs)
}

/// [`Error::RunDiffers`] unless two runs have the same settings, but for the number of epochs (where the learning rate
/// does not depend on it) and notes.
fn same_settings(path: &Path, got: &RunConfig, expected: &RunConfig) -> Result<()> {
    let comparable = |config: &RunConfig| {
        let mut config = RunConfig { other: Default::default(), ..config.clone() };
        config.layers.other.clear();
        // No word on an output bias means none.
        config.layers.output_bias = config.layers.output_bias.filter(|&has| has);
        if config.lr_decay == LrDecay::Constant {
            config.num_epochs = 0;
        }
        serde_json::to_value(config).expect("settings are JSON")
    };
    let (got, expected) = (comparable(got), comparable(expected));
    let keys = |value: &Value| value.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect::<Vec<_>>();
    match keys(&expected).into_iter().chain(keys(&got)).find(|key| got.get(key) != expected.get(key)) {
        None => Ok(()),
        Some(what) => {
            let word = |of: &Value| of.get(&what).map_or_else(|| "nothing".into(), Value::to_string);
            Err(differs(path, &what, word(&expected), word(&got)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_short_and_give_their_count() {
        for n in [2usize, 5, 106, 118, 720] {
            for count in (1..=n * n).step_by(1 + n * n / 997) {
                let f = fraction(count, n);
                assert_eq!(Split::published(n, f, 0).unwrap().train.len(), count, "{f} of {n}^2");
            }
        }
        assert_eq!(fraction(3370, 106), 0.3);
        assert_eq!(fraction(11236, 106), 1.0);
    }
}

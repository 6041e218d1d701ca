use super::adamw::AdamW;
use super::{Network, TrainConfig};
use crate::checkpoint::safetensors::read_metadata;
use crate::checkpoint::{
    GROUP, GroupKind, LrDecay, Run, RunConfig, TEMPORARY, Tensor, Tensors, checkpoints_in, read_tensors,
    write_safetensors,
};
use crate::error::{Error, Result};
use crate::group::{Cyclic, Dihedral};
use crate::task::{Split, Task};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

const FIRST: &str = "adamw.first.";
const SECOND: &str = "adamw.second.";
/// Characters of a group's name that are kept.
const GROUP_NAME: usize = 120;

/// All that changes from epoch to epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub network: Network,
    pub adamw: AdamW,
    /// The epoch of the least test loss so far, and that loss.
    pub best: Option<(u64, f64)>,
}

/// The part of a state that is not tensors, in the metadata of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Rest {
    epoch: u64,
    best: Option<(u64, f64)>,
    rng: Generator,
}

/// Where the random numbers come from. Training by full batches draws none after the initial parameters, so the seed
/// is all of the generator's state.
#[derive(Serialize, Deserialize)]
struct Generator {
    name: String,
    seed: u64,
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
    /// Makes the directory, or takes up the run in it: its newest state, if there is one.
    pub(super) fn open(path: &Path, config: RunConfig, task: &Task, split: &Split) -> Result<(Self, Option<State>)> {
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
        let directory = Self { path: path.into(), config, _lock: lock };
        let settings = path.join("cfg.json");
        let resumed = if settings.exists() {
            same_settings(&settings, &RunConfig::read(&settings)?, &directory.config)?;
            directory.newest()?
        } else {
            None
        };
        if resumed.is_none()
            && let Some(model) = ["model.safetensors", "model.pt"].iter().find(|name| path.join(name).exists())
        {
            return Err(Error::RunDiffers {
                path: path.into(),
                what: (*model).into(),
                expected: "no weights, or checkpoints beside them to go on from".into(),
                got: "weights alone".into(),
            });
        }
        directory.write_task(task, split)?;
        directory.config.write(&settings)?;
        Ok((directory, resumed))
    }

    /// The run's pairs and, where its name does not say it, its group; the same as are there, if any are.
    fn write_task(&self, task: &Task, split: &Split) -> Result<()> {
        let integers = |values: &[usize]| values.iter().map(|&v| v as i64).collect::<Array1<i64>>();
        let mut train = split.train.clone();
        train.sort_unstable();
        let mut tensors = Tensors::from([("train".to_owned(), Tensor::I64(integers(&train).into_dyn()))]);
        if self.config.group == GroupKind::CayleyTable {
            let labels = task.labels().iter().map(|&label| i64::from(label)).collect();
            let table = Array2::from_shape_vec((task.order(), task.order()), labels).expect("n^2 labels");
            tensors.insert("table".into(), Tensor::I64(table.into_dyn()));
        }
        let path = self.path.join("task.safetensors");
        if !path.exists() {
            let name = task.group_name().chars().take(GROUP_NAME).collect();
            return write_safetensors(&path, &tensors, &BTreeMap::from([(GROUP.to_owned(), name)]));
        }
        let there = read_tensors(&path)?;
        match tensors.iter().find(|(name, tensor)| there.get(*name) != Some(tensor)) {
            None => Ok(()),
            Some((name, _)) => Err(Error::RunDiffers {
                path,
                what: name.clone(),
                expected: "the training pairs and the group of this run".into(),
                got: "others".into(),
            }),
        }
    }

    /// The state of the most epochs.
    fn newest(&self) -> Result<Option<State>> {
        let mut files: Vec<PathBuf> = checkpoints_in(&self.path)?.pop().into_iter().map(|(_, path)| path).collect();
        files.extend(Some(self.latest()).filter(|path| path.exists()));
        let states: Vec<State> = files.iter().map(|file| self.read(file)).collect::<Result<_>>()?;
        Ok(states.into_iter().max_by_key(|state| state.adamw.step))
    }

    /// Where the state between two checkpoints is kept.
    fn latest(&self) -> PathBuf {
        self.path.join("checkpoints").join("latest.safetensors")
    }

    fn read(&self, path: &Path) -> Result<State> {
        let metadata = read_metadata(path)?;
        let key = |key: &'static str| {
            let text = metadata.get(key).map_or("", String::as_str);
            serde_json::from_str::<Value>(text).map_err(|_| Error::Format {
                path: path.into(),
                expected: "a checkpoint of this crate's training, with its settings and epoch",
                got: format!("metadata with `{key}`: {text:?}"),
            })
        };
        let bad = |error: serde_json::Error| Error::Format {
            path: path.into(),
            expected: "a checkpoint of this crate's training",
            got: error.to_string(),
        };
        same_settings(path, &serde_json::from_value(key("cfg")?).map_err(bad)?, &self.config)?;
        let rest: Rest = serde_json::from_value(key("state")?).map_err(bad)?;
        let tensors = read_tensors(path)?;
        let network = Network::from_tensors((&self.config).into(), self.config.order()?, path, &tensors)?;
        let adamw = AdamW {
            step: rest.epoch,
            first: network.read(path, &tensors, FIRST)?,
            second: network.read(path, &tensors, SECOND)?,
        };
        Ok(State { network, adamw, best: rest.best })
    }

    fn write(&self, path: &Path, state: &State) -> Result<()> {
        let State { network, adamw, best } = state;
        let mut tensors = network.tensors();
        tensors.extend(network.tensors_of(&adamw.first, FIRST));
        tensors.extend(network.tensors_of(&adamw.second, SECOND));
        let rng = Generator { name: "ChaCha20".into(), seed: self.config.seed };
        let rest = Rest { epoch: adamw.step, best: *best, rng };
        let text = |value: serde_json::Result<String>| value.expect("settings and numbers are JSON");
        let metadata = BTreeMap::from([
            ("cfg".to_owned(), text(serde_json::to_string(&self.config))),
            ("state".to_owned(), text(serde_json::to_string(&rest))),
        ]);
        write_safetensors(path, &tensors, &metadata)
    }

    /// Keeps a state under its epoch.
    pub(super) fn checkpoint(&self, state: &State) -> Result<()> {
        self.write(&self.path.join("checkpoints").join(Run::checkpoint_name(state.adamw.step)), state)
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
    let (architecture, n) = (network.architecture(), task.order());
    let is = |other: Result<Task>| other.is_ok_and(|other| other == *task);
    let (group, group_parameter) = if is(Cyclic::new(n).map(|group| Task::new(&group))) {
        (GroupKind::CyclicGroup, n)
    } else if n % 2 == 0 && is(Dihedral::new(n / 2).map(|group| Task::new(&group))) {
        (GroupKind::DihedralGroup, n / 2)
    } else {
        (GroupKind::CayleyTable, n)
    };
    RunConfig {
        model: architecture.kind,
        group,
        group_parameter,
        seed: config.seed,
        frac_train: fraction(split.train.len(), n),
        layers: architecture.layers(),
        lr: config.lr,
        weight_decay: config.weight_decay,
        betas: config.betas,
        eps: config.eps,
        warmup_epochs: config.warmup_epochs,
        lr_decay: config.lr_decay,
        num_epochs: config.epochs,
        missing: Vec::new(),
        other: Default::default(),
    }
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
        Some(what) => Err(Error::RunDiffers {
            path: path.into(),
            expected: expected.get(&what).map_or_else(|| "nothing".into(), Value::to_string),
            got: got.get(&what).map_or_else(|| "nothing".into(), Value::to_string),
            what,
        }),
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

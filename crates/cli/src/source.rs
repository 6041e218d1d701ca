//! The run that a command looks at: the options that all of them have for it, and the shipped one.

use crate::Failure;
use crate::place::{On, Place};
use crate::screen::Screen;
use irreplens::analysis::open_run;
use irreplens::checkpoint::{GroupKind, Run, RunConfig};
use irreplens::group::GroupName;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tempfile::TempDir;

/// The files of the shipped model: in the program, for the folder it is built from may be gone by the time it runs.
const SHIPPED: [(&str, &[u8]); 4] = [
    ("cfg.json", include_bytes!("../../../examples/data/D53/cfg.json")),
    ("metrics.csv", include_bytes!("../../../examples/data/D53/metrics.csv")),
    ("model.safetensors", include_bytes!("../../../examples/data/D53/model.safetensors")),
    ("task.safetensors", include_bytes!("../../../examples/data/D53/task.safetensors")),
];

/// A run to look at.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Source {
    /// A run directory, a weights file in one (FILE#NAME for one of several state dicts in it), or a file of recorded
    /// activations (.npz, safetensors); the shipped model where nothing is said.
    #[arg(value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// The element order of a symmetric or alternating group: sympy, lexicographic or a file of permutations.
    #[arg(long, value_name = "ORDER")]
    pub order: Option<PathBuf>,
    /// The group of recorded activations, by its name: C113, D53, S5, C7:C3. `irreplens groups` lists more.
    #[arg(long, value_name = "GROUP", requires = "run")]
    group: Option<GroupName>,
    /// The site of recorded activations whose channels are neurons; `hidden` where nothing is said.
    #[arg(long, value_name = "SITE", requires = "run")]
    neurons: Option<String>,
    #[command(flatten)]
    memory: Memory,
}

/// The option that all commands have which may need much memory.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Memory that may be used, 24G say; what the machine has left where nothing is said.
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,
}

impl Memory {
    /// Sets the budget of the process, where one was given.
    pub fn set(self) {
        if self.memory.is_some() {
            irreplens::memory::set_budget(self.memory);
        }
    }
}

/// A run that has been opened.
pub struct Opened {
    /// The run.
    pub run: Run,
    /// The folder of the shipped model's files, for as long as the run may read them.
    _folder: Option<TempDir>,
}

impl Source {
    /// Opens the run.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn open(&self) -> Result<Opened, Failure> {
        self.memory.set();
        let Some(path) = &self.run else { return shipped() };
        let has_weights = path.is_dir() && !path.join("activations.npz").exists();
        let run = match (&self.group, &self.neurons) {
            (None, None) if self.order.is_some() && Run::has_settings(path)? => Run::open(path)?,
            (None, None) => on_its_group(path)?,
            _ if has_weights => {
                let what = "--group and --neurons: for a file of recorded activations; the group of a run directory";
                return Err(format!("{what} is that of its cfg.json ({})", path.display()).into());
            }
            (group, neurons) => Run::recorded(path, neurons.as_deref(), group.clone().map(GroupKind::published))?,
        };
        Ok(Opened { run, _folder: None })
    }

    /// The first line of what is said of a run: what it is called, and its group.
    #[must_use]
    pub fn heading(&self, config: &RunConfig) -> String {
        let group = config.group.name(config.group_parameter);
        let name = self.run.as_ref().map_or("The shipped network".into(), |path| path.display().to_string());
        format!("{name}, on {group}")
    }
}

/// A run, on the group that its network has learnt where nothing else says which it is.
///
/// # Errors
/// Those of reading it; what its network has learnt, if that is no group.
fn on_its_group(path: &Path) -> Result<Run, Failure> {
    match open_run(path)? {
        (run, None) => Ok(run),
        (run, Some(learnt)) if learnt.task().is_some() => Ok(run),
        (_, Some(learnt)) => {
            Err(format!("{}: nothing says its group, and its network does not: {learnt}", path.display()).into())
        }
    }
}

/// The shipped model, a one-layer net on the dihedral group of order 106, in a folder of its own.
///
/// # Errors
/// If there is no place for the folder.
pub fn shipped() -> Result<Opened, Failure> {
    let folder = TempDir::with_prefix("irreplens-")
        .map_err(|error| format!("{}: no folder for the shipped model: {error}", std::env::temp_dir().display()))?;
    for (name, bytes) in SHIPPED {
        // Every rank has a folder of its own.
        std::fs::write(folder.path().join(name), bytes)?;
    }
    Ok(Opened { run: Run::open(folder.path())?, _folder: Some(folder) })
}

/// Prints what there is to know about how a run was read.
pub fn tell(screen: &Screen, run: &Run) {
    run.notes().iter().for_each(|note| screen.note(note));
}

/// How a model is measured, by the options that the measuring commands have for it.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Measuring {
    /// Takes median times of so many runs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub repeat: u64,
    #[command(flatten)]
    on: On,
}

impl Measuring {
    /// Opens the device.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn place(self, screen: &Screen) -> Result<Place, Failure> {
        self.on.open(screen)
    }
}

/// Median milliseconds of some runs, of which each took so long to be loaded, to be analysed and for one forward pass.
#[must_use]
pub fn timing(runs: &[[f64; 3]]) -> Value {
    let median = |time: fn(&[f64; 3]) -> f64| {
        let mut times: Vec<f64> = runs.iter().map(time).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    json!({
        "load": median(|[load, ..]| *load),
        "forward": median(|[.., forward]| *forward),
        "analysis": median(|[_, analysis, _]| *analysis),
        "total": median(|[load, analysis, _]| load + analysis),
    })
}

/// A whole number from 1 up.
///
/// # Errors
/// What is expected.
pub fn positive(value: &str) -> Result<u64, &'static str> {
    value.parse().ok().filter(|&n| n > 0).ok_or("expected a whole number from 1 up")
}

/// A whole number.
///
/// # Errors
/// What is expected.
pub fn whole<T: FromStr>(value: &str) -> Result<T, &'static str> {
    value.parse().map_err(|_| "expected a whole number from 0 up")
}

/// A size in bytes or binary units.
///
/// # Errors
/// What is expected.
pub fn memory_size(value: &str) -> Result<usize, String> {
    irreplens::memory::parse_size(value).ok_or_else(|| "expected bytes, or a number with K, M, G or T".into())
}

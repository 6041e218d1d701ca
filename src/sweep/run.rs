//! Runs what is missing of a sweep.

use super::cell::Cell;
use super::folder::{CellState, Folder};
use super::plan::{PLAN, Plan};
use crate::atlas::{Ended, Entry, Question, grokked_at, measure};
use crate::checkpoint::Run;
use crate::error::{Error, Result};
use crate::model::lock;
use crate::ranks;
use crate::train::{MetricLog, Outcome, StopReason, Trainer, train_each};
use indicatif::ProgressStyle;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A sweep in its folder.
///
/// Every cell is trained in a run directory of its own, under the lock that a run directory has, measured, and given its place in
/// one step, as `FOLDER/NAME`: it is there whole or not at all. Whatever is killed at whatever moment, the next process takes each
/// cell up from its last saved state, and ends with the same bits. Several processes may work on one folder, on as many machines as
/// share it, provided that its file system has locks: each takes cells that nobody else is at. No clock decides anything.
///
/// # Example
/// ```
/// use irreplens::sweep::{CellState, Plan, Sweep};
///
/// let folder = tempfile::tempdir()?;
/// let plan = Plan::parse(r#"
///     group = ["C5", "S3"]
///     model = "BetterOneLayerMLP"
///     layers.embed_dim = 8
///     seed = { from = 1, to = 3 }
///     frac_train = 1
///     lr = 1e-2
///     weight_decay = 0.1
///     num_epochs = 300
/// "#)?;
/// let sweep = Sweep::open(plan, folder.path())?;
/// let ran = sweep.run()?;
/// assert_eq!((ran.done, ran.failed.len()), (6, 0));
/// assert!(sweep.states()?.iter().all(|(_, state)| *state == CellState::Done));
/// assert_eq!(sweep.run()?.done, 0); // nothing is missing
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sweep {
    plan: Plan,
    folder: Folder,
    /// Which of how many equal parts, from 0 up.
    shard: (u64, u64),
    interrupt: Arc<AtomicBool>,
}

/// What a call of [`Sweep::run`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Ran {
    /// Cells that it finished.
    pub done: u64,
    /// Cells that failed, by their names, and why.
    pub failed: Vec<(String, Error)>,
    /// Whether it was interrupted, or gave up as its folder could not be written to.
    pub broken_off: bool,
}

impl Sweep {
    /// The sweep of a plan in a folder: a new one, or one that the same plan has made.
    ///
    /// # Errors
    /// [`Error::RunDiffers`] for the folder of another plan; [`Error::Io`]; those of [`Plan::read`] for the plan in the folder;
    /// [`Error::Config`] for settings that do not go together, of any cell.
    pub fn open(plan: Plan, folder: impl AsRef<Path>) -> Result<Self> {
        plan.experiments().try_for_each(|cell| cell.map(drop))?;
        let folder = Folder::open(folder.as_ref(), &plan)?;
        Ok(Self { plan, folder, shard: (0, 1), interrupt: Arc::default() })
    }

    /// The sweep that is in a folder, by the plan there.
    ///
    /// # Errors
    /// The errors of [`Plan::read`] and [`open`](Sweep::open).
    pub fn in_folder(folder: impl AsRef<Path>) -> Result<Self> {
        Self::open(Plan::read(folder.as_ref().join(PLAN))?, folder)
    }

    /// The part `part` of `parts`, counted from 1: every `parts`-th cell.
    ///
    /// # Errors
    /// [`Error::Range`] for a part that there is not.
    pub fn shard(self, part: u64, parts: u64) -> Result<Self> {
        if part == 0 || part > parts {
            let expected = "from 1 up to the number of parts";
            return Err(Error::Range { what: "part of a sweep", expected, got: part as f64 });
        }
        Ok(Self { shard: (part - 1, parts), ..self })
    }

    /// Saves and stops when this flag is set: see [`on_ctrl_c`](crate::train::on_ctrl_c).
    #[must_use]
    pub fn interrupted_by(self, flag: Arc<AtomicBool>) -> Self {
        Self { interrupt: flag, ..self }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The number of cells of this part.
    fn count(&self) -> Result<usize> {
        let (part, parts) = (u128::from(self.shard.0), u128::from(self.shard.1));
        let count = (self.plan.count().saturating_sub(part)).div_ceil(parts);
        let too_many =
            |_| Error::Range { what: "number of cells", expected: "one that fits in usize", got: count as f64 };
        usize::try_from(count).map_err(too_many)
    }

    /// A cell of this part.
    fn cell(&self, i: usize) -> Result<Cell> {
        self.plan.cell(u128::from(self.shard.0) + i as u128 * u128::from(self.shard.1))
    }

    /// Where every cell of this part stands, by its name.
    ///
    /// # Errors
    /// [`Error::Range`] for more cells than there is room for.
    pub fn states(&self) -> Result<Vec<(String, CellState)>> {
        let state = |i| {
            let name = self.cell(i)?.name();
            let state = self.folder.state(&name);
            Ok((name, state))
        };
        (0..self.count()?).map(state).collect()
    }

    /// Trains and measures what is missing and what no other process is at, as many cells at a time as there are threads, each on
    /// one; small networks of the same settings sixteen to a thread ([`train_many`](crate::train::train_many)).
    ///
    /// A cell whose loss is no number has ended, as one that diverged. One that fails otherwise is left as it is, for the next call
    /// to try again; a folder that cannot be written to ends the call. A bar is drawn where standard error is a terminal.
    ///
    /// # Errors
    /// [`Error::Range`] for more cells than there is room for, [`Error::Unsupported`] on several [ranks]. What goes wrong with a cell is in [`Ran::failed`].
    ///
    /// # Panics
    /// If training does.
    pub fn run(&self) -> Result<Ran> {
        if ranks::count() > 1 {
            let needs = "one rank: several processes, or parts of a job array, share a sweep without `mpirun`";
            return Err(Error::Unsupported { analysis: "a sweep", needs });
        }
        let count = self.count()?;
        let bar = indicatif::ProgressBar::new(count as u64);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} cells, {elapsed}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let ran = Mutex::new(Ran::default());
        loop {
            let begun = AtomicU64::new(0);
            bar.set_position(0);
            let make = |i| {
                let trainer = self.trainer(&self.cell(i)?);
                match &trainer {
                    Ok(None) => bar.inc(1),
                    _ => drop(begun.fetch_add(1, Ordering::Relaxed)),
                }
                trainer
            };
            train_each(count, make, |i, trainer, outcome| {
                bar.inc(1);
                let cell = self.cell(i);
                let name = cell.as_ref().map_or_else(|_| String::new(), Cell::name);
                let ended = cell.and_then(|cell| self.end(&cell, trainer, outcome));
                let mut ran = lock(&ran);
                match ended {
                    Ok(true) => ran.done += 1,
                    Ok(false) => ran.broken_off = true,
                    Err(error) => {
                        ran.broken_off |= matches!(error, Error::Io { .. });
                        self.folder.failed(&name, &error);
                        ran.failed.push((name, error));
                    }
                }
                !ran.broken_off
            });
            let ran = lock(&ran);
            // Cells that another process had just looked at, or has left since, are tried once more.
            if ran.broken_off || !ran.failed.is_empty() || begun.load(Ordering::Relaxed) == 0 {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(ran.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The trainer of a cell, in its run directory; `None` if it is done or another process is at it.
    fn trainer(&self, cell: &Cell) -> Result<Option<Trainer>> {
        let name = cell.name();
        match self.folder.state(&name) {
            CellState::Done => {
                self.folder.clear_if_free(&name);
                return Ok(None);
            }
            CellState::Running => return Ok(None),
            _ => {}
        }
        let mut config = cell.train_config();
        if !self.plan.keep().checkpoints && !self.plan.questions().contains(&Question::Appearance) {
            config.checkpoints_per_decade = 0;
        }
        let directory = self.folder.running(&name);
        let mut trainer = match Trainer::from_settings(&cell.settings, config)?.in_directory(&directory) {
            Err(Error::RunLocked { .. }) => return Ok(None),
            // Another process was just removing this directory.
            Err(_) if self.folder.is_done(&name) => return Ok(None),
            trainer => trainer?,
        };
        // Done while this process was at the door: what it has made there is nobody's.
        if self.folder.is_done(&name) {
            self.folder.clear(&name);
            return Ok(None);
        }
        self.folder.forget_failure(&name);
        trainer.interrupted_by(Arc::clone(&self.interrupt));
        trainer.observe(MetricLog::new(directory.join("metrics.csv")));
        Ok(Some(trainer))
    }

    /// Measures a cell whose training has ended and gives it its place; whether it is done. `trainer` holds its run directory.
    fn end(&self, cell: &Cell, trainer: Option<Trainer>, outcome: Result<Outcome>) -> Result<bool> {
        let name = cell.name();
        let (ended, epochs, metrics) = match outcome {
            Ok(Outcome { stop_reason: StopReason::Interrupted, .. }) => return Ok(false),
            Ok(outcome) => (Ended::Stopped(outcome.stop_reason), outcome.epoch, Some(outcome.metrics)),
            Err(Error::Diverged { epoch, .. }) => (Ended::Diverged, epoch, None),
            Err(error) => return Err(error),
        };
        let (grokked_at, measures) = match metrics {
            Some(_) => {
                let run = Run::open(self.folder.running(&name))?;
                let measures = measure(&run, None, self.plan.questions())?;
                (run.history()?.as_ref().and_then(grokked_at), Some(measures))
            }
            None => (None, None),
        };
        let Cell { settings, stop, .. } = cell.clone();
        let (ended, epochs) = (Some(ended), Some(epochs));
        let entry = Entry { name: name.clone(), settings, stop, ended, epochs, grokked_at, metrics, measures };
        let keep = self.plan.keep();
        let files = [
            (true, "cfg.json"),
            (true, "task.safetensors"),
            (keep.weights, "model.safetensors"),
            (keep.history, "metrics.csv"),
            (keep.checkpoints, "checkpoints"),
        ];
        let kept: Vec<&str> = files.into_iter().filter(|(kept, _)| *kept).map(|(_, name)| name).collect();
        self.folder.finish(&name, &entry, &kept)?;
        drop(trainer);
        Ok(true)
    }
}

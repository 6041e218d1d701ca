//! What watches a run: progress bars, logs of metrics, closures.

use crate::checkpoint::atomic_write;
use crate::error::{Error, Result};
use crate::model::Evaluation;
use crate::model::{Network, OfGroup};
use crate::ranks;
use indicatif::{MultiProgress, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps taken.
    pub epoch: u64,
    /// Over the training pairs.
    pub train: Evaluation,
    /// Over the test pairs; `None` where there are none.
    pub test: Option<Evaluation>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// All epochs are done.
    EpochsReached,
    /// [`StopRules::train_loss_below`](super::StopRules::train_loss_below).
    TrainLossBelow,
    /// [`StopRules::test_loss_below`](super::StopRules::test_loss_below).
    TestLossBelow,
    /// [`StopRules::patience`](super::StopRules::patience).
    Patience,
    /// [`StopRules::converged`](super::StopRules::converged).
    Converged,
    /// An observer asked for it.
    Observer,
    /// The flag of [`Trainer::interrupted_by`](super::Trainer::interrupted_by) was set.
    Interrupted,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Why.
    pub stop_reason: StopReason,
    /// Steps taken.
    pub epoch: u64,
    /// The model as it is now; of an interrupted run the training set alone, and where the interrupt came within an epoch,
    /// as it was at the epoch before.
    pub metrics: Metrics,
    /// Median time of an epoch, in milliseconds: gradient and step, without measuring and saving; 0 where none was run.
    pub epoch_ms_median: f64,
}

/// Looks on as a network trains: at every [`measure_every`](super::TrainConfig::measure_every)-th epoch.
///
/// A closure from [`Metrics`] to [`ControlFlow`] is one.
///
/// # Laws
/// 1. `start` comes once before anything else, with the first epoch that will be observed: after a resume, epochs from
///    there on are observed again, with the same numbers;
/// 2. epochs are observed in rising order;
/// 3. `finish` comes last, unless the run ends in an error.
///
/// # Example
/// The loss at which the network first gets everything right.
/// ```
/// use irreplens::model::{Architecture, Network, OfGroup};
/// use irreplens::train::{Metrics, Observer, TrainConfig, Trainer};
/// use irreplens::{group::Cyclic, task::Split};
/// use std::ops::ControlFlow;
/// use std::sync::{Arc, Mutex};
///
/// struct FirstPerfect(Arc<Mutex<Option<f64>>>);
///
/// impl Observer for FirstPerfect {
///     fn observe(&mut self, metrics: &Metrics, _: &OfGroup<Network>) -> irreplens::Result<ControlFlow<()>> {
///         if metrics.train.accuracy < 1.0 {
///             return Ok(ControlFlow::Continue(()));
///         }
///         *self.0.lock().unwrap() = Some(metrics.train.loss);
///         Ok(ControlFlow::Break(()))
///     }
/// }
///
/// let found = Arc::default();
/// let config = TrainConfig { epochs: 2000, measure_every: 10, ..TrainConfig::default() };
/// let mut trainer = Trainer::new(&Cyclic::new(5)?, Architecture::summed(16), Split::random(5, 0.8, 1)?, config)?;
/// trainer.observe(FirstPerfect(Arc::clone(&found))).run()?;
/// assert!(found.lock().unwrap().is_some());
/// # Ok::<(), irreplens::Error>(())
/// ```
pub trait Observer: Send {
    /// Before the first epoch, or the first after a resume: `epoch` of `epochs`.
    ///
    /// # Errors
    /// Whatever ends the run.
    fn start(&mut self, _epoch: u64, _epochs: u64) -> Result<()> {
        Ok(())
    }

    /// At an epoch that is measured; `Break` ends the run with [`StopReason::Observer`].
    ///
    /// # Errors
    /// Whatever ends the run.
    fn observe(&mut self, metrics: &Metrics, network: &OfGroup<Network>) -> Result<ControlFlow<()>>;

    /// At the end.
    ///
    /// # Errors
    /// Whatever the run is to report; it is saved by then.
    fn finish(&mut self, _outcome: &Outcome) -> Result<()> {
        Ok(())
    }
}

impl<F: FnMut(&Metrics) -> ControlFlow<()> + Send> Observer for F {
    fn observe(&mut self, metrics: &Metrics, _: &OfGroup<Network>) -> Result<ControlFlow<()>> {
        Ok(self(metrics))
    }
}

/// A bar on the terminal with epoch, losses, test accuracy and time left; nothing where standard error is no terminal.
#[derive(Debug)]
pub struct ProgressBar {
    bar: indicatif::ProgressBar,
}

impl ProgressBar {
    /// One bar.
    #[must_use]
    pub fn new() -> Self {
        Self { bar: indicatif::ProgressBar::new(0) }
    }

    /// One of several, with a name before it.
    pub(super) fn among(bars: &MultiProgress, name: String) -> Self {
        Self { bar: bars.add(indicatif::ProgressBar::new(0)).with_prefix(name) }
    }
}

impl Default for ProgressBar {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for ProgressBar {
    fn start(&mut self, epoch: u64, epochs: u64) -> Result<()> {
        let style = ProgressStyle::with_template("{prefix}{bar:24} {pos}/{len} {msg} {per_sec}, {eta} left");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_length(epochs);
        self.bar.reset();
        // Where the run takes up is no progress of this one: without this the time left would be too short.
        self.bar.set_position(epoch);
        self.bar.reset_eta();
        Ok(())
    }

    fn observe(&mut self, metrics: &Metrics, _: &OfGroup<Network>) -> Result<ControlFlow<()>> {
        let mut message = format!("train loss {:.2e}", metrics.train.loss);
        if let Some(test) = &metrics.test {
            let _ = write!(message, ", test loss {:.2e}, accuracy {:.4}", test.loss, test.accuracy);
        }
        self.bar.set_position(metrics.epoch);
        self.bar.set_message(message);
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, outcome: &Outcome) -> Result<()> {
        self.bar.set_position(outcome.epoch);
        self.bar.abandon();
        Ok(())
    }
}

/// A file with one row for every measured epoch: `epoch`, `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy`.
///
/// Rows are CSV under a heading, or JSON objects where the name ends in `.jsonl`. A resumed run takes up where it does:
/// rows from its first epoch on are dropped, so that the file is that of a run never interrupted. A run that goes on without
/// its log is an error ([`Error::LogMissing`]): an empty file in its place begins another.
#[derive(Debug)]
pub struct MetricLog {
    path: PathBuf,
    json: bool,
    file: Option<File>,
}

impl MetricLog {
    /// To this file, which need not exist; its directory must.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        Self { json: path.extension().is_some_and(|e| e == "jsonl"), path, file: None }
    }

    fn io(&self) -> impl Fn(std::io::Error) -> Error {
        let path = self.path.clone();
        move |source| Error::Io { path: path.clone(), source }
    }

    /// The epoch of a whole row.
    fn epoch(&self, row: &str) -> Option<u64> {
        if self.json {
            return serde_json::from_str::<serde_json::Value>(row).ok()?.get("epoch")?.as_u64();
        }
        let mut columns = row.split(',');
        let epoch = columns.next()?.parse().ok();
        epoch.filter(|_| columns.count() == 4)
    }

    fn row(&self, metrics: &Metrics) -> String {
        let Metrics { epoch, train, test } = metrics;
        if self.json {
            let row = serde_json::json!({
                "epoch": epoch, "train_loss": train.loss, "train_accuracy": train.accuracy,
                "test_loss": test.map(|t| t.loss), "test_accuracy": test.map(|t| t.accuracy),
            });
            return format!("{row}\n");
        }
        let (loss, accuracy) = (test.map(|t| t.loss.to_string()), test.map(|t| t.accuracy.to_string()));
        let (loss, accuracy) = (loss.unwrap_or_default(), accuracy.unwrap_or_default());
        format!("{epoch},{},{},{loss},{accuracy}\n", train.loss, train.accuracy)
    }
}

impl Observer for MetricLog {
    fn start(&mut self, epoch: u64, _: u64) -> Result<()> {
        if !ranks::is_first() {
            return Ok(());
        }
        let old = match std::fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && epoch == 0 => String::new(),
            Err(error) if error.kind() == ErrorKind::NotFound && self.path.parent().is_some_and(Path::exists) => {
                return Err(Error::LogMissing { path: self.path.clone(), epoch });
            }
            text => text.map_err(self.io())?,
        };
        let mut kept = String::new();
        if !self.json {
            kept.push_str("epoch,train_loss,train_accuracy,test_loss,test_accuracy\n");
        }
        // A row that broke off has no line end.
        let whole = old.split_inclusive('\n').filter(|row| row.ends_with('\n'));
        kept.extend(whole.filter(|row| self.epoch(row).is_some_and(|row| row < epoch)));
        atomic_write(&self.path, kept.as_bytes())?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path).map_err(self.io())?);
        Ok(())
    }

    fn observe(&mut self, metrics: &Metrics, _: &OfGroup<Network>) -> Result<ControlFlow<()>> {
        let row = self.row(metrics);
        if let Some(file) = &mut self.file {
            file.write_all(row.as_bytes()).map_err(|source| Error::Io { path: self.path.clone(), source })?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

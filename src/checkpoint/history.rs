//! What a run's `metrics.csv` says of its training, epoch by epoch.

use super::Run;
use crate::error::{Error, Result};
use crate::model::Evaluation;

/// Loss and accuracy by epoch.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct History {
    /// Epochs trained, ascending.
    pub epochs: Vec<u64>,
    /// Over all pairs; `None` where that is not known.
    pub all: Vec<Option<Evaluation>>,
    /// Over the training pairs; `None` at an epoch without such pairs.
    pub train: Vec<Option<Evaluation>>,
    /// Over the test pairs; `None` at an epoch without such pairs.
    pub test: Vec<Option<Evaluation>>,
}

impl Run {
    /// What the run's `metrics.csv` says; `None` without such a file, and for recorded activations.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read and [`Error::Format`] if it is not the table of
    /// [`MetricLog`](crate::train::MetricLog).
    ///
    /// ```no_run
    /// let run = irreplens::checkpoint::Run::open("runs/C113")?;
    /// let last = run.history()?.and_then(|history| history.test.last().copied().flatten());
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn history(&self) -> Result<Option<History>> {
        let path = self.directory().join("metrics.csv");
        if self.is_recorded() || !path.exists() {
            return Ok(None);
        }
        let expected = "rows of epoch, train_loss, train_accuracy, test_loss, test_accuracy";
        let format = |got: String| Error::format(&path, expected, got);
        let bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let mut history = History::default();
        for record in reader.records() {
            let record = record.map_err(|error| format(error.to_string()))?;
            let epoch = record.get(0).and_then(|text| text.parse().ok());
            let number = |i: usize| record.get(i)?.parse().ok();
            // Both of a set's numbers are there, or neither is.
            let evaluation = |i| match (record.get(i), record.get(i + 1)) {
                (Some(""), Some("")) => Some(None),
                _ => Some(Some(Evaluation { loss: number(i)?, accuracy: number(i + 1)? })),
            };
            let (Some(epoch), Some(train), Some(test)) = (epoch, evaluation(1), evaluation(3)) else {
                return Err(format(record.iter().collect::<Vec<_>>().join(",")));
            };
            history.epochs.push(epoch);
            history.all.push(None); // the file has no such column
            history.train.push(train);
            history.test.push(test);
        }
        Ok((!history.epochs.is_empty()).then_some(history))
    }
}

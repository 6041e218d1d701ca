//! One network of an atlas: how it was trained, how that ended, and what it has learnt.

use super::measures::{Measures, Question, measure};
use crate::checkpoint::{History, Run, RunConfig, atomic_write};
use crate::error::{Error, Result};
use crate::quoted::shown;
use crate::train::{Metrics, StopReason, StopRules};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The file of an entry, in the network's folder.
const ENTRY: &str = "cell.json";

/// Accuracy over the test pairs from which a network counts as one that has grokked.
pub const GROKKED: f64 = 0.99;

/// How the training of a network ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// By a rule or at the last epoch.
    Stopped(StopReason),
    /// The loss became infinite or no number.
    Diverged,
}

/// One network of an atlas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// What it is called: the name of its folder.
    pub name: String,
    /// How it was trained.
    pub settings: RunConfig,
    /// When it would have stopped early.
    #[serde(default)]
    pub stop: StopRules,
    /// How its training ended, where that is known.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// Steps taken, where that is known.
    #[serde(default)]
    pub epochs: Option<u64>,
    /// The first epoch that was looked at from which on the accuracy over the test pairs stays at [`GROKKED`] or more; `None` if
    /// there is none, or no history.
    #[serde(default)]
    pub grokked_at: Option<u64>,
    /// Loss and accuracy at the end of its training, where that is known; `None` for one that diverged.
    #[serde(default)]
    pub metrics: Option<Metrics>,
    /// What it computes with; `None` for one that diverged.
    pub measures: Option<Measures>,
}

impl Entry {
    /// The entry of a run, measured now.
    ///
    /// # Arguments
    /// `order`, `questions`: as for [`measure`].
    ///
    /// # Errors
    /// The errors of [`Run::open`], [`Run::history`] and [`measure`].
    ///
    /// ```
    /// let entry = irreplens::atlas::Entry::of_run("examples/data/D53", None, &[])?;
    /// assert_eq!(entry.name, "D53");
    /// assert!(entry.grokked_at.is_some());
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn of_run(path: impl AsRef<Path>, order: Option<&Path>, questions: &[Question]) -> Result<Self> {
        let path = path.as_ref();
        let run = Run::open(path)?;
        let history = run.history()?;
        Ok(Self {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            settings: run.config.clone(),
            stop: StopRules::default(),
            ended: None,
            epochs: history.as_ref().and_then(|history| history.epochs.last().copied()),
            grokked_at: history.as_ref().and_then(grokked_at),
            metrics: None,
            measures: Some(measure(&run, order, questions)?),
        })
    }

    /// Reads the entry in a network's folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for what is no entry.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(ENTRY);
        let bytes = fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let expected = "the entry of a network in an atlas";
        serde_json::from_slice(&bytes).map_err(|error| Error::format(&path, expected, shown(&error.to_string())))
    }

    /// Whether a folder has an entry.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        folder.join(ENTRY).is_file()
    }

    /// Writes the entry into a network's folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_else(|_| unreachable!("entries are JSON"));
        atomic_write(folder.as_ref().join(ENTRY), format!("{text}\n").as_bytes())
    }

    /// The short name of its group.
    #[must_use]
    pub fn group(&self) -> String {
        self.settings.group.name(self.settings.group_parameter)
    }
}

/// The first epoch from which on the accuracy over the test pairs stays high.
pub(crate) fn grokked_at(history: &History) -> Option<u64> {
    let high = |test: &&Option<crate::model::Evaluation>| test.is_some_and(|test| test.accuracy >= GROKKED);
    let high = history.test.iter().rev().take_while(high).count();
    history.epochs.get(history.epochs.len() - high).copied()
}

//! Many networks in one table.

use super::entry::{Ended, Entry};
use super::frame::{Column, Frame};
use super::measures::{IrrepUse, Measures, Question};
use crate::checkpoint::{ModelSettings, RunConfig};
use crate::error::{Error, Result};
use crate::model::Operation;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Many networks, in an order that depends on their settings alone.
///
/// ```
/// use irreplens::atlas::Atlas;
///
/// let atlas = Atlas::of_runs(&["examples/data/D53".into()], None, &[])?;
/// assert_eq!(atlas.networks().rows(), 1);
/// assert!(atlas.irreps().rows() > 1);
/// let found = &atlas.frequencies()[0];
/// assert_eq!(found.sets[0].irreps.len() as u64, found.irreps.iter().map(|irrep| irrep.key.seen).sum::<u64>());
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Atlas {
    pub(super) entries: Vec<Entry>,
}

/// A text of the settings without the seed: networks with one are repetitions of one experiment.
pub(super) fn experiment(settings: &RunConfig) -> String {
    let mut settings = RunConfig { other: Default::default(), ..settings.clone() };
    (settings.seed, settings.layers.other) = (0, Default::default());
    json!(settings).to_string()
}

impl Atlas {
    /// The atlas of these networks.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_cached_key(|entry| {
            (
                entry.measures.as_ref().map_or(0, |found| found.order),
                entry.group(),
                experiment(&entry.settings),
                entry.settings.seed,
                entry.name.clone(),
            )
        });
        Self { entries }
    }

    /// The atlas of the networks that a sweep has finished.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be read; [`Error::Format`] for an entry that is damaged, and for a folder without one.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let folders = subfolders(folder)?.into_iter().filter(|path| Entry::is_in(path));
        let entries = folders.map(Entry::read).collect::<Result<Vec<_>>>()?;
        if entries.is_empty() {
            return Err(Error::format(folder, "the folder of a sweep, with networks that are done", "none"));
        }
        Ok(Self::new(entries))
    }

    /// The atlas of runs from anywhere, measured now.
    ///
    /// # Arguments
    /// `order`, `questions`: as for [`measure`](super::measure).
    ///
    /// # Errors
    /// The errors of [`Entry::of_run`].
    pub fn of_runs(runs: &[PathBuf], order: Option<&Path>, questions: &[Question]) -> Result<Self> {
        runs.iter().map(|run| Entry::of_run(run, order, questions)).collect::<Result<_>>().map(Self::new)
    }

    /// The networks.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A row a network: settings, losses, key irreps and what else was asked.
    #[must_use]
    pub fn networks(&self) -> Frame {
        let all = &self.entries[..];
        let found = |of: fn(&Measures) -> Option<u64>| {
            Column::Count(all.iter().map(|entry| entry.measures.as_ref().and_then(of)).collect())
        };
        let number = |of: fn(&Measures) -> Option<f64>| {
            Column::Real(all.iter().map(|entry| entry.measures.as_ref().and_then(of)).collect())
        };
        let text = |of: fn(&Entry) -> Option<String>| Column::Text(all.iter().map(of).collect());
        let setting = |of: fn(&RunConfig) -> f64, key: &str| {
            let known = |entry: &Entry| (!entry.settings.missing.contains(&key)).then(|| of(&entry.settings));
            Column::Real(all.iter().map(known).collect())
        };
        let count = |of: fn(&Entry) -> Option<u64>| Column::Count(all.iter().map(of).collect());
        Frame::new(vec![
            ("name", text(|entry| Some(entry.name.clone()))),
            ("group", text(|entry| Some(entry.group()))),
            ("order", found(|found| Some(found.order as u64))),
            ("model", text(|entry| Some(model(&entry.settings)))),
            ("activation", text(|entry| Some(activation(&entry.settings)))),
            ("neurons", found(|found| Some(found.neurons as u64))),
            ("seed", count(|entry| (!entry.settings.missing.contains(&"seed")).then_some(entry.settings.seed))),
            ("frac_train", setting(|settings| settings.frac_train, "frac_train")),
            ("optimiser", text(|entry| Some(entry.settings.optimiser.to_string()))),
            ("lr", setting(|settings| settings.lr, "lr")),
            ("weight_decay", setting(|settings| settings.weight_decay, "weight_decay")),
            ("label_smoothing", setting(|settings| settings.label_smoothing, "")),
            (
                "num_epochs",
                count(|entry| (!entry.settings.missing.contains(&"num_epochs")).then_some(entry.settings.num_epochs)),
            ),
            ("ended", text(|entry| entry.ended.map(ended))),
            ("epochs", count(|entry| entry.epochs)),
            ("grokked_at", count(|entry| entry.grokked_at)),
            ("train_loss", number(|found| found.train.map(|train| train.loss))),
            ("train_accuracy", number(|found| found.train.map(|train| train.accuracy))),
            ("test_loss", number(|found| found.test.map(|test| test.loss))),
            ("test_accuracy", number(|found| found.test.map(|test| test.accuracy))),
            ("loss", number(|found| Some(found.all.loss))),
            ("accuracy", number(|found| Some(found.all.accuracy))),
            ("sum_of_squared_weights", number(|found| found.sum_of_squared_weights)),
            ("key_irreps", text(|entry| entry.measures.as_ref().map(key))),
            ("key_count", found(|found| Some(found.key().count() as u64))),
            ("leading_irrep", text(|entry| Some(entry.measures.as_ref()?.leading()?.label.clone()))),
            ("spectral_count", found(|found| found.spectral_count.map(|count| count as u64))),
            ("logit_fve", number(|found| found.logit_fve)),
            ("impure_neurons", found(|found| found.impure_neurons.map(|count| count as u64))),
            ("on_cosets", found(|found| found.on_cosets.map(|count| count as u64))),
            ("circuits", found(|found| found.explained.map(|explained| explained.circuits as u64))),
            ("explanation_numbers", found(|found| found.explained.map(|explained| explained.numbers as u64))),
            ("explanation_accuracy", number(|found| found.explained.map(|explained| explained.idealised.accuracy))),
            ("explanation_agreement", number(|found| found.explained.map(|explained| explained.agreement))),
            ("loss_recovered", number(|found| found.explained.and_then(|explained| explained.loss_recovered))),
            ("certified_accuracy", number(|found| found.certified.map(|certified| certified.accuracy))),
            ("certificate_operations", number(|found| found.certified.map(|certified| certified.operations))),
        ])
    }

    /// A row for each irrep of each network.
    #[must_use]
    pub fn irreps(&self) -> Frame {
        let of_entry = |entry: &'_ Entry| -> Vec<(String, String, IrrepUse)> {
            let irreps = entry.measures.iter().flat_map(|found| found.irreps.iter().cloned());
            irreps.map(|irrep| (entry.name.clone(), entry.group(), irrep)).collect()
        };
        let rows: Vec<(String, String, IrrepUse)> = self.entries.iter().flat_map(of_entry).collect();
        let number =
            |of: fn(&IrrepUse) -> Option<f64>| Column::Real(rows.iter().map(|(.., irrep)| of(irrep)).collect());
        let count =
            |of: fn(&IrrepUse) -> Option<u64>| Column::Count(rows.iter().map(|(.., irrep)| of(irrep)).collect());
        let text = |of: fn(&IrrepUse) -> String| Column::Text(rows.iter().map(|(.., irrep)| Some(of(irrep))).collect());
        Frame::new(vec![
            ("name", Column::Text(rows.iter().map(|(name, ..)| Some(name.clone())).collect())),
            ("group", Column::Text(rows.iter().map(|(_, group, _)| Some(group.clone())).collect())),
            ("irrep", text(|irrep| irrep.label.clone())),
            ("kind", text(|irrep| word(&json!(irrep.kind)))),
            ("dim", count(|irrep| Some(irrep.dim as u64))),
            ("key", Column::Flag(rows.iter().map(|(.., irrep)| Some(irrep.key)).collect())),
            ("trace_similarity", number(|irrep| irrep.trace_similarity)),
            ("embed_left", number(|irrep| irrep.embed_left)),
            ("embed_right", number(|irrep| irrep.embed_right)),
            ("unembed_centred", number(|irrep| irrep.unembed_centred)),
            ("neurons", count(|irrep| Some(irrep.neurons as u64))),
            ("pure_neurons", count(|irrep| irrep.pure_neurons.map(|count| count as u64))),
            ("excluded_loss", number(|irrep| irrep.excluded_loss)),
            ("appeared", count(|irrep| irrep.appeared)),
        ])
    }
}

/// The folders in a folder, by name; hidden ones left out.
fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io { path: folder.into(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.file_name().to_string_lossy().starts_with('.') && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// The labels of the key irreps in one text; `none` without any.
pub(super) fn key(found: &Measures) -> String {
    let labels: Vec<&str> = found.key().map(|irrep| &irrep.label[..]).collect();
    if labels.is_empty() { "none".into() } else { labels.join(" + ") }
}

/// The word that a value without fields is written as.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// How a training ended, in one word.
pub(super) fn ended(ended: Ended) -> String {
    match ended {
        Ended::Stopped(reason) => word(&json!(reason)),
        Ended::Diverged => "diverged".into(),
    }
}

/// The network by its published name, or what it is called otherwise.
pub(super) fn model(settings: &RunConfig) -> String {
    match &settings.model {
        ModelSettings::Published(kind) => word(&json!(kind)),
        _ => "described".into(),
    }
}

/// The activation functions of a network, each once.
pub(super) fn activation(settings: &RunConfig) -> String {
    let steps = settings.architecture().steps;
    let mut words: Vec<String> = Vec::new();
    for step in steps {
        if let Operation::Activate { function, .. } = step.operation {
            let word = word(&json!(function));
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words.join(" + ")
}

//! How often irreps and sets of key irreps are learnt, experiment by experiment.

use super::entry::Entry;
use super::mean::Mean;
use super::measures::Measures;
use super::proportion::Proportion;
use super::table::{Atlas, activation, experiment, model};
use crate::irrep::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often an irrep is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IrrepFrequency {
    /// Its name.
    pub label: String,
    /// Its kind.
    pub kind: Kind,
    /// Its dimension.
    pub dim: usize,
    /// Networks of which it is a key irrep.
    pub key: Proportion,
    /// Networks whose logits are along its character more than along any other's.
    pub leading: Proportion,
    /// Share of the neurons that are pure for it, a mean over the networks; `None` where neurons have no maps.
    pub pure_neurons: Option<Mean>,
    /// Its share of the centred logits' square norm, the square of its trace similarity; 0 where they are equal over the classes.
    pub energy: Option<Mean>,
    /// Median of the checkpoints from which on it is a key irrep, over the networks of which it is one at the end; `None` where that
    /// was not asked, or there are none.
    pub appeared: Option<u64>,
}

/// How often a set of irreps is what networks learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SetFrequency {
    /// The labels of the key irreps.
    pub irreps: Vec<String>,
    /// Networks whose key irreps are these.
    pub seen: Proportion,
}

/// What the networks of one experiment have learnt: networks with the same settings, their seeds apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Frequencies {
    /// The settings that differ between the experiments of the atlas, the group first.
    pub experiment: String,
    /// Networks, those that diverged included.
    pub networks: usize,
    /// Networks that diverged, which nothing else counts.
    pub diverged: usize,
    /// Networks by how their training ended, where that is known.
    pub ended: BTreeMap<String, usize>,
    /// Networks that answer every pair right.
    pub perfect: Proportion,
    /// Networks all of whose neurons are pure for one and the same irrep; `None` where neurons have no maps.
    pub one_irrep: Option<Proportion>,
    /// Every nontrivial irrep, in the order of the basis.
    pub irreps: Vec<IrrepFrequency>,
    /// Sets of key irreps, the most frequent first.
    pub sets: Vec<SetFrequency>,
    /// Accuracy over all pairs.
    pub accuracy: Option<Mean>,
    /// The number of key irreps.
    pub key_count: Option<Mean>,
    /// The spectral count, of the networks that have one.
    pub spectral_count: Option<Mean>,
}

impl Atlas {
    /// How often which irreps are learnt, experiment by experiment.
    ///
    /// Cost: a look at every network; intervals are exact sums.
    #[must_use]
    pub fn frequencies(&self) -> Vec<Frequencies> {
        experiments(self).into_iter().map(|(name, entries)| of_experiment(name, &entries)).collect()
    }
}

/// Networks with the same settings, their seeds apart, and what they are called.
pub(super) fn experiments(atlas: &Atlas) -> Vec<(String, Vec<&Entry>)> {
    let mut experiments: Vec<Vec<&Entry>> = Vec::new();
    for entry in &atlas.entries {
        match experiments.last_mut().filter(|last| experiment(&last[0].settings) == experiment(&entry.settings)) {
            Some(last) => last.push(entry),
            None => experiments.push(vec![entry]),
        }
    }
    let names = names(&experiments.iter().map(|entries| entries[0]).collect::<Vec<_>>());
    names.into_iter().zip(experiments).collect()
}

/// What a network's settings say of something, in a word.
type SettingOf = fn(&Entry) -> String;

/// The settings that tell experiments apart, with the words that stand before them.
const SETTINGS: [(&str, SettingOf); 11] = [
    ("", Entry::group),
    ("", |entry| model(&entry.settings)),
    ("", |entry| activation(&entry.settings)),
    ("neurons", |entry| entry.measures.as_ref().map_or_else(String::new, |found| found.neurons.to_string())),
    ("frac_train", |entry| entry.settings.frac_train.to_string()),
    ("", |entry| entry.settings.optimiser.to_string()),
    ("lr", |entry| entry.settings.lr.to_string()),
    ("weight_decay", |entry| entry.settings.weight_decay.to_string()),
    ("label_smoothing", |entry| entry.settings.label_smoothing.to_string()),
    ("num_epochs", |entry| entry.settings.num_epochs.to_string()),
    ("layers", |entry| format!("{} {:?}", entry.settings.layers.embed_dim, entry.settings.layers.hidden_dim)),
];

/// What experiments are called, by an entry of each: the settings that differ.
fn names(experiments: &[&Entry]) -> Vec<String> {
    let differs = |of: SettingOf| experiments.windows(2).any(|pair| of(pair[0]) != of(pair[1]));
    let shown: Vec<_> = SETTINGS.iter().enumerate().filter(|(i, (_, of))| *i == 0 || differs(*of)).collect();
    let name = |entry: &&Entry| {
        let words = shown.iter().map(|(_, (key, of))| match key.is_empty() {
            true => of(entry),
            false => format!("{key} {}", of(entry)),
        });
        words.collect::<Vec<_>>().join(", ")
    };
    experiments.iter().map(name).collect()
}

fn of_experiment(experiment: String, entries: &[&Entry]) -> Frequencies {
    let found: Vec<&Measures> = entries.iter().filter_map(|entry| entry.measures.as_ref()).collect();
    let of = found.len() as u64;
    let share = |holds: &dyn Fn(&Measures) -> bool| {
        Proportion::new(found.iter().filter(|found| holds(found)).count() as u64, of)
    };
    let mut ended = BTreeMap::new();
    for entry in entries.iter().filter_map(|entry| entry.ended) {
        *ended.entry(super::table::ended(entry)).or_default() += 1;
    }
    let labels: Vec<(usize, &super::IrrepUse)> =
        found.first().map_or_else(Vec::new, |found| found.irreps.iter().enumerate().skip(1).collect());
    let pure_share = |found: &Measures, i: usize| Some(found.irreps[i].pure_neurons? as f64 / found.neurons as f64);
    let similarities = |i: usize| found.iter().map(move |found| found.irreps[i].trace_similarity.unwrap_or(0.0));
    let of_irrep = |&(i, irrep): &(usize, &super::IrrepUse)| {
        let mut appeared: Vec<u64> = found.iter().filter_map(|found| found.irreps[i].appeared).collect();
        appeared.sort_unstable();
        IrrepFrequency {
            label: irrep.label.clone(),
            kind: irrep.kind,
            dim: irrep.dim,
            key: share(&|found| found.irreps[i].key),
            leading: share(&|found| found.leading().is_some_and(|leading| leading.label == irrep.label)),
            pure_neurons: Mean::of(found.iter().filter_map(|found| pure_share(found, i))),
            energy: Mean::of(similarities(i).map(|similarity| similarity * similarity)),
            appeared: appeared.get(appeared.len() / 2).copied(),
        }
    };
    let mut sets: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for found in &found {
        *sets.entry(found.key().map(|irrep| irrep.label.clone()).collect()).or_default() += 1;
    }
    let mut sets: Vec<SetFrequency> =
        sets.into_iter().map(|(irreps, seen)| SetFrequency { irreps, seen: Proportion::new(seen, of) }).collect();
    sets.sort_by_key(|set| std::cmp::Reverse(set.seen.seen));
    let has_maps = found.iter().all(|found| found.impure_neurons.is_some());
    let one_irrep = |found: &Measures| found.irreps.iter().any(|irrep| irrep.pure_neurons == Some(found.neurons));
    Frequencies {
        experiment,
        networks: entries.len(),
        diverged: entries.len() - found.len(),
        ended,
        perfect: share(&|found| found.all.accuracy == 1.0),
        one_irrep: has_maps.then(|| share(&one_irrep)),
        irreps: labels.iter().map(of_irrep).collect(),
        sets,
        accuracy: Mean::of(found.iter().map(|found| found.all.accuracy)),
        key_count: Mean::of(found.iter().map(|found| found.key().count() as f64)),
        spectral_count: Mean::of(found.iter().filter_map(|found| found.spectral_count.map(|count| count as f64))),
    }
}

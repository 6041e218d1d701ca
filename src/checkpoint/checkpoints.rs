//! The checkpoints of a run: the weights files in its folder `checkpoints`, by the epochs that their names state.

use super::file::{in_words, shown};
use super::weights::{FolderContents, contents_of};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(super) const FOLDER: &str = "checkpoints";
/// What the number in a name can count, and the keys under which a file records it.
pub(super) const COUNTS: [&str; 4] = ["epoch", "step", "iteration", "iter"];

#[derive(Default)]
pub(crate) struct Checkpoints {
    pub(crate) by_epoch: Vec<(u64, PathBuf)>,
    /// A sentence on what else is in their folder, where there is anything.
    pub(crate) passed_over: Option<String>,
}

/// Lists the folder `checkpoints` of a run directory; see [`Run::checkpoints`](super::Run::checkpoints).
pub(crate) fn checkpoints_in(directory: &Path) -> Result<Checkpoints> {
    let folder = directory.join(FOLDER);
    let FolderContents { weights, mut others } = match contents_of(&folder) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(Checkpoints::default()),
        contents => contents?,
    };
    let two = |what, first: &String, second: &String| {
        let (path, got) = (folder.clone(), [first, second].map(|name| format!("`{name}`")).into());
        Error::SeveralWeights { path, what, got, how: "take away what is not of this run" }
    };
    let mut by_epoch: BTreeMap<u64, String> = BTreeMap::new();
    let mut counted: Option<(&str, String)> = None;
    for name in weights {
        let Some((count, digits)) = number_in(&name) else {
            others.push(name);
            continue;
        };
        let too_large = |_| Error::format(&folder.join(&name), "an epoch below 2^64 in the name", &digits);
        let epoch = digits.parse().map_err(too_large)?;
        match &counted {
            Some((other, before)) if *other != count => {
                return Err(two("unit in the names of checkpoints, epochs or steps", before, &name));
            }
            _ => counted = Some((count, name.clone())),
        }
        if let Some(before) = by_epoch.insert(epoch, name.clone()) {
            return Err(two("checkpoint of each epoch", &before, &name));
        }
    }
    others.sort_unstable();
    let passed_over = (!others.is_empty()).then(|| {
        let names = in_words(&others, others.len());
        format!("not read in `{FOLDER}`, for want of weights or of an epoch in the name: {names}")
    });
    let by_epoch = by_epoch.into_iter().map(|(epoch, name)| (epoch, folder.join(name))).collect();
    Ok(Checkpoints { by_epoch, passed_over })
}

/// What a file's name counts, and the digits of that number: those behind the word `epoch`, else the last ones.
fn number_in(name: &str) -> Option<(&'static str, String)> {
    let name = name.to_ascii_lowercase();
    let (stem, _) = name.trim_end_matches(".index.json").rsplit_once('.').unwrap_or((&name[..], ""));
    let (mut rest, mut found) = (stem, None);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let word = rest[..start].trim_end_matches(|c: char| !c.is_alphabetic());
        let number = &rest[start..];
        let (digits, after) = number.split_at(number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len()));
        let count = COUNTS.into_iter().find(|count| word.ends_with(count)).unwrap_or(COUNTS[0]);
        found = Some((count, digits.to_owned()));
        if word.ends_with(COUNTS[0]) {
            break;
        }
        rest = after;
    }
    found
}

/// What the metadata of a safetensors file says of its place in training, as a number or as this crate's `state`.
pub(super) fn recorded_in(metadata: &BTreeMap<String, String>) -> Vec<(&'static str, i64)> {
    let state: Option<Value> = metadata.get("state").and_then(|text| serde_json::from_str(text).ok());
    let of = |count: &'static str| {
        let own = || state.as_ref()?.get(count)?.as_i64();
        Some((count, metadata.get(count).and_then(|text| text.parse().ok()).or_else(own)?))
    };
    COUNTS.into_iter().filter_map(of).collect()
}

/// Refuses a file in a folder `checkpoints` that records another epoch than its name states.
pub(super) fn check_recorded(path: &Path, recorded: &[(&'static str, i64)]) -> Result<()> {
    let is_checkpoint = path.parent().is_some_and(|folder| folder.ends_with(FOLDER));
    let name = path.file_name().filter(|_| is_checkpoint).map(|name| name.to_string_lossy());
    let Some((count, digits)) = name.and_then(|name| number_in(&name)) else { return Ok(()) };
    match recorded.iter().find(|(key, _)| *key == count) {
        Some((_, got)) if u64::try_from(*got).ok() != digits.parse().ok() => {
            let got = shown(&format!("{count} {got} in the file, {digits} in its name"));
            Err(Error::format(path, "the epoch or step that the name states", got))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::number_in;

    #[test]
    fn the_number_in_a_name() {
        let cases = [
            ("epoch_0.pt", "epoch", "0"),
            ("epoch-100.safetensors", "epoch", "100"),
            ("epoch_00100.pth", "epoch", "00100"),
            ("100.pt", "epoch", "100"),
            ("checkpoint_100.pt", "epoch", "100"),
            ("model_epoch_100.pt", "epoch", "100"),
            ("Epoch100.bin", "epoch", "100"),
            ("D53_seed2_7000.pt", "epoch", "7000"),
            ("step_50.pt", "step", "50"),
            ("epoch=9-step=1234.ckpt", "epoch", "9"),
            ("epoch=9-val_loss=0.25.ckpt", "epoch", "9"),
            ("epoch_7_seed_2.pt", "epoch", "7"),
            ("model-20.safetensors.index.json", "epoch", "20"),
        ];
        for (name, count, digits) in cases {
            assert_eq!(number_in(name), Some((count, digits.to_owned())), "{name}");
        }
        assert_eq!(number_in("latest.safetensors"), None);
        assert_eq!(number_in("model.h5"), None);
    }
}

//! Weights files by any of their names: single files, shards with an index, and the one of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::checkpoints;
use super::file::{in_words, not_found, read_file, shown};
use super::listing::Listing;
use super::select::{Choice, Wanted, choose};
use super::{Contents, Tensors, missing, safetensors, task_file, torch, zip};
use crate::error::{Error, Result};

const EXTENSIONS: [&str; 5] = ["safetensors", "pt", "pth", "ckpt", "bin"];
/// Files of these names, before a number and the extension, are beside the weights.
const BESIDE: [&str; 7] = ["optimizer", "optim", "scheduler", "scaler", "criterion", "rng_state", "training_args"];
const INDEX: &str = ".index.json";

/// Reads what is wanted of a weights file, or of the shards that an index lists.
pub(super) fn read(path: &Path, wanted: &Wanted<'_>) -> Result<Contents> {
    if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(INDEX)) {
        return flat(shards(path)?, wanted, path);
    }
    let bytes = read_file(path)?;
    let json = bytes.get(8) == Some(&b'{');
    let by_name = path.extension().is_some_and(|e| e == "safetensors");
    if !bytes.starts_with(zip::LOCAL_SIGNATURE) && (json || by_name) {
        let contents = flat(safetensors::read_bytes(&bytes, path)?, wanted, path)?;
        Ok(Contents { recorded: checkpoints::recorded_in(&safetensors::metadata_of(&bytes, path)?), ..contents })
    } else {
        torch::read(&bytes, path, wanted)
    }
}

/// What is wanted of tensors whose names are all that orders them.
fn flat(tensors: Tensors, wanted: &Wanted<'_>, path: &Path) -> Result<Contents> {
    let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    let choice = match wanted {
        Wanted { names: [], entry: None } => None,
        _ => choose(&Listing::flat(&names), wanted, path)?,
    };
    let (prefix, notes) =
        choice.map_or_else(Default::default, |Choice { prefix, notes, .. }| (prefix.to_owned(), notes));
    let prefix = if prefix.is_empty() { prefix } else { prefix + "." };
    let inner = |(name, tensor): (String, _)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor));
    let mut contents =
        Contents { tensors: tensors.into_iter().filter_map(inner).collect(), notes, recorded: Vec::new() };
    contents.note_unread();
    Ok(contents)
}

/// The tensors of all shards of an index: a JSON object `weight_map` of the file of every tensor.
fn shards(index: &Path) -> Result<Tensors> {
    let expected = "an index of shards: a `weight_map` from tensors to files beside it";
    let bad = |got: String| Error::format(index, expected, got);
    let value: Value = serde_json::from_slice(&read_file(index)?).map_err(|e| bad(shown(&e.to_string())))?;
    let map = value.get("weight_map").and_then(Value::as_object).ok_or_else(|| bad("none".into()))?;
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in map {
        let file = file.as_str().ok_or_else(|| bad(format!("tensor `{}` in no file", shown(name))))?;
        let mut parts = Path::new(file).components();
        let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        if !plain || file.contains(['\\', '/', ':']) || file.ends_with(INDEX) {
            return Err(bad(format!("tensor `{}` in `{}`, which is no shard", shown(name), shown(file))));
        }
        files.entry(file).or_default().push(name);
    }
    let mut tensors = Tensors::new();
    for (file, names) in files {
        let path = index.with_file_name(file);
        let mut there = read(&path, &Wanted::default())?.tensors;
        for name in names {
            let tensor = there.remove(name).ok_or_else(|| missing(&path, &[&shown(name)], &there))?;
            tensors.insert(name.to_owned(), tensor);
        }
    }
    Ok(tensors)
}

/// What is in a folder, by names in order; hidden files are left out.
pub(super) struct FolderContents {
    /// The weights files: those of the usual extensions, an index in place of its shards; where there is none of these,
    /// whatever starts as a weights file does.
    pub(super) weights: Vec<String>,
    /// All else but shards.
    pub(super) others: Vec<String>,
}

/// Tells the weights files of a folder from what is beside them.
pub(super) fn contents_of(folder: &Path) -> Result<FolderContents> {
    let io = |source| Error::Io { path: folder.into(), source };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(|error| not_found(folder, error))? {
        if let Ok(name) = entry.map_err(io)?.file_name().into_string()
            && !name.starts_with('.')
        {
            names.insert(name);
        }
    }
    let is_index = |name: &str| EXTENSIONS.iter().any(|e| name.ends_with(&format!(".{e}{INDEX}")));
    let has_index = names.iter().any(|name| is_index(name));
    names.retain(|name| !(has_index && is_shard(stem_and_extension(name).0)));
    let is_file = |name: &String| folder.join(name).is_file();
    let is_named = |name: &String| EXTENSIONS.contains(&stem_and_extension(name).1);
    let is_weights = |name: &String| {
        let what = stem_and_extension(name).0.trim_end_matches(|c: char| !c.is_alphabetic());
        is_index(name) || is_named(name) && *name != task_file::NAME && !BESIDE.contains(&what)
    };
    let (mut weights, mut others): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| is_weights(name) && is_file(name));
    if weights.is_empty() {
        // Under any other name, a file is what its first bytes say.
        let starts_so = |name: &String| !is_named(name) && is_file(name) && looks_like_weights(&folder.join(name));
        (weights, others) = others.into_iter().partition(starts_so);
    }
    Ok(FolderContents { weights, others })
}

/// The one weights file of a folder: `model.*` or `pytorch_model.*`, else the only one of another name.
///
/// # Returns
/// The file and, where others are passed over, a note that says so; `None` if there is none.
pub(super) fn find(folder: &Path) -> Result<Option<(PathBuf, Vec<String>)>> {
    let weights = contents_of(folder)?.weights;
    let is_model = |name: &&String| name.starts_with("model.") || name.starts_with("pytorch_model.");
    let models: Vec<&String> = weights.iter().filter(is_model).collect();
    match (&models[..], &weights.iter().collect::<Vec<_>>()[..]) {
        ([], []) => Ok(None),
        ([one], all) => {
            let others = in_words(all.iter().filter(|name| *name != one), all.len() - 1);
            let note = (all.len() > 1).then(|| format!("the weights are `{}`; not read: {others}", shown(one)));
            Ok(Some((folder.join(one), note.into_iter().collect())))
        }
        ([], [one]) => Ok(Some((folder.join(one), Vec::new()))),
        ([], several) | (several, _) => {
            let (path, got) = (folder.into(), several.iter().map(|name| format!("`{name}`")).collect());
            Err(Error::SeveralWeights { path, what: "weights file", got, how: "give the path of the one to read" })
        }
    }
}

/// A file's name before and after its last dot.
fn stem_and_extension(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

/// Whether a name ends as shards do: `-00001-of-00002`.
fn is_shard(stem: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = stem.rsplit_once("-of-").and_then(|(rest, count)| Some((rest.rsplit_once('-')?.1, count)));
    parts.is_some_and(|(number, count)| digits(number) && digits(count))
}

/// Whether a file starts as a zip archive, a `torch.save` file from before PyTorch 1.6 or a safetensors file does.
fn looks_like_weights(path: &Path) -> bool {
    use std::io::Read;
    if path.extension().is_some_and(|e| e == "npz") {
        return false;
    }
    let mut start = Vec::new();
    let file = std::fs::File::open(path);
    if !file.is_ok_and(|file| file.take(64).read_to_end(&mut start).is_ok()) {
        return false;
    }
    let header = start.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    let fits = path.metadata().is_ok_and(|file| header <= file.len());
    start.starts_with(zip::LOCAL_SIGNATURE) || torch::is_legacy(&start) || fits && start.get(8) == Some(&b'{')
}

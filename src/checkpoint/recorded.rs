//! Recorded activations opened as a run: the same analyses, from a file of activations in place of weights.

use super::file::not_found;
use super::run::{CONFIG, folder_of};
use super::{GroupKind, Run, RunConfig, read_precomputed, safetensors, task_file};
use crate::error::{Error, Result, check_shape};
use crate::model::{Interpretable, LOGITS, Precomputed};
use serde_json::json;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The site that neurons are taken from where nobody says which.
const HIDDEN: &str = "hidden";

impl Run {
    /// Opens activations recorded elsewhere ([`read_precomputed`](super::read_precomputed)) as a run.
    ///
    /// Its model is what was recorded, so there is no untrained network to compare it with. Without a split in the settings
    /// all pairs count as training pairs; [`notes`](Run::notes) says so, and which arrays of the file were passed over.
    ///
    /// # Arguments
    /// `path`: an `.npz` or safetensors file, or a folder with one `.npz` file; `neuron_site`: the site whose channels are
    /// neurons, `hidden` or else the only one beside the logits where it is `None`; `group`: the family and its parameter, or
    /// what [`GroupKind::of`] makes of a name, which else the `cfg.json` beside the file names (`group` and `group_parameter`, and for a symmetric or alternating
    /// group `element_order`). With a group the other files of the folder are left alone.
    ///
    /// # Errors
    /// The errors of [`read_precomputed`](super::read_precomputed); [`Error::UnknownSite`] where there are several sites and
    /// none is named; [`Error::Shape`] for logits over another number of elements than the group has; [`Error::Unsupported`]
    /// where nothing names the group.
    ///
    /// ```no_run
    /// use irreplens::checkpoint::{GroupKind, Run};
    /// use irreplens::{analysis::interpret, task::Task};
    /// let run = Run::recorded("run.npz", None, Some((GroupKind::CyclicGroup, 7)))?;
    /// let (group, _) = run.group_in_order(None)?;
    /// println!("{}", interpret(&run.model()?, &*run.basis(&group, None)?, &Task::new(&group))?);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn recorded(
        path: impl AsRef<Path>,
        neuron_site: Option<&str>,
        group: Option<(GroupKind, usize)>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let found = match path.metadata().map_err(|error| not_found(path, error))?.is_dir() {
            true => only_archive(path)?
                .ok_or_else(|| not_found(&path.join("activations.npz"), ErrorKind::NotFound.into()))?,
            false => path.to_path_buf(),
        };
        let path = found.as_path();
        let directory = folder_of(path);
        let settings = directory.join(CONFIG);
        let alone = group.is_some();
        let config = match group {
            Some((group, n)) => of_group(group, n),
            None if settings.exists() => RunConfig::read_for_analysis(settings)?,
            None => {
                let needs = "its group: --group cyclic:N, dihedral:N, symmetric:N or alternating:N, or a cfg.json beside \
                             the file with the keys `group` and `group_parameter`";
                let error = Error::Unsupported { analysis: "a file of recorded activations", needs };
                return Err(Error::in_file(path)(error));
            }
        };
        let model = match neuron_site {
            Some(site) => read_precomputed(path, site)?,
            None => by_default(path)?,
        };
        let mut notes: Vec<String> = model.skipped().iter().map(|name| format!("not read: {name}")).collect();
        let has_task = !alone && task_file::exists(&directory.join(task_file::NAME))?;
        if !has_task && config.missing.iter().any(|key| ["seed", "frac_train"].contains(key)) {
            notes.push("no split is known, so all pairs count as training pairs".into());
        }
        check_shape("group of the recorded activations", &[model.order()], &[config.order()?])
            .map_err(Error::in_file(path))?;
        Ok(Self {
            config,
            tensors: Default::default(),
            directory,
            weights: path.into(),
            notes,
            recorded: Some(Arc::new(model)),
            alone,
        })
    }

    /// Whether this run has recorded activations in place of weights.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }
}

/// Settings that say what the group is and nothing else.
fn of_group(group: GroupKind, n: usize) -> RunConfig {
    serde_json::from_value(json!({ "group": group, "group_parameter": n })).expect("the keys without a default")
}

/// Activations whose neurons are at `hidden`, or else at the only site beside the logits.
fn by_default(path: &Path) -> Result<Precomputed> {
    let unknown = match read_precomputed(path, HIDDEN) {
        Err(Error::InFile { source, path }) => match *source {
            Error::UnknownSite { site, known } => (site, known),
            source => return Err(Error::in_file(path)(source)),
        },
        found => return found,
    };
    let others: Vec<&String> = unknown.1.iter().filter(|site| *site != LOGITS).collect();
    match others[..] {
        [one] => read_precomputed(path, one),
        _ => Err(Error::in_file(path)(Error::UnknownSite { site: unknown.0, known: unknown.1 })),
    }
}

/// Whether a file is one of recorded activations: an archive of arrays, or safetensors with logits in it.
pub(super) fn is_recorded(path: &Path) -> bool {
    let is = |end: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(end));
    is("npz") || is("safetensors") && safetensors::has_tensor(path, LOGITS)
}

pub(super) fn only_archive(folder: &Path) -> Result<Option<PathBuf>> {
    let io = |source| Error::Io { path: folder.into(), source };
    let mut archives = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "npz") {
            archives.push(path);
        }
    }
    Ok(archives.pop().filter(|_| archives.is_empty()))
}

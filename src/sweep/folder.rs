//! The folder of a sweep: its plan, the cells that are done, and those that are being trained.

use super::plan::{PLAN, Plan};
use crate::atlas::Entry;
use crate::checkpoint::{TEMPORARY, atomic_write};
use crate::error::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Run directories of cells that are not done.
const RUNNING: &str = ".running";

/// Within a run directory: what becomes the cell's folder.
const WHOLE: &str = "whole";

/// What went wrong with a cell, in its run directory.
const ERROR: &str = "error.txt";

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CellState {
    /// Its folder is there.
    Done,
    /// A process is at work on it.
    Running,
    /// Something went wrong, for this reason; the next process tries the cell again.
    Failed(String),
    /// Training was begun and broken off; the next process takes the cell up where it was.
    Interrupted,
    /// Nobody has begun it.
    Waiting,
}

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}

impl Folder {
    /// Makes the folder of a plan, or takes the one that is there.
    pub(super) fn open(path: &Path, plan: &Plan) -> Result<Self> {
        let running = path.join(RUNNING);
        fs::create_dir_all(&running).map_err(io(&running))?;
        let file = path.join(PLAN);
        if !file.exists() {
            // Whoever comes first: the file is whole before it has its name, and never replaced.
            let mut new = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(path).map_err(io(path))?;
            std::io::Write::write_all(&mut new, plan.text().as_bytes()).map_err(io(&file))?;
            new.as_file().sync_all().map_err(io(&file))?;
            match new.persist_noclobber(&file) {
                Err(error) if error.error.kind() != ErrorKind::AlreadyExists => return Err(io(&file)(error.error)),
                _ => {}
            }
        }
        if !Plan::read(&file)?.is_same(plan) {
            return Err(Error::RunDiffers {
                path: file,
                what: "the plan of this sweep".into(),
                expected: format!("that of {}", plan.path().display()),
                got: "another; a folder holds one sweep".into(),
            });
        }
        Ok(Self { path: path.into() })
    }

    /// Where a cell is once it is done.
    pub(super) fn done(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The run directory of a cell that is not done.
    pub(super) fn running(&self, name: &str) -> PathBuf {
        self.path.join(RUNNING).join(name)
    }

    /// Whether a process is at work in a cell's run directory.
    fn is_locked(&self, name: &str) -> bool {
        // Opened without being made: asking must leave nothing behind.
        let lock = File::options().append(true).open(self.running(name).join(".lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    pub(super) fn is_done(&self, name: &str) -> bool {
        self.done(name).exists()
    }

    /// Where a cell stands.
    pub(super) fn state(&self, name: &str) -> CellState {
        let error = || fs::read_to_string(self.running(name).join(ERROR)).ok();
        // Done is asked for last too: a cell may be done while the others are asked.
        if self.is_done(name) {
            CellState::Done
        } else if self.is_locked(name) {
            CellState::Running
        } else if let Some(error) = error() {
            CellState::Failed(error)
        } else if self.running(name).exists() {
            CellState::Interrupted
        } else if self.is_done(name) {
            CellState::Done
        } else {
            CellState::Waiting
        }
    }

    /// Puts down why a cell failed, if that can be.
    pub(super) fn failed(&self, name: &str, error: &Error) {
        let folder = self.running(name);
        if folder.exists() {
            // A disk that is full may have no place for this either; the error is reported all the same.
            let _ = atomic_write(folder.join(ERROR), error.to_string().as_bytes());
        }
    }

    pub(super) fn forget_failure(&self, name: &str) {
        let _ = fs::remove_file(self.running(name).join(ERROR));
    }

    /// Gives a cell its place: its entry and the files that are kept, whole in one step. The caller holds its run directory.
    pub(super) fn finish(&self, name: &str, entry: &Entry, kept: &[&str]) -> Result<()> {
        let (running, done) = (self.running(name), self.done(name));
        let whole = running.join(WHOLE);
        if whole.exists() {
            fs::remove_dir_all(&whole).map_err(io(&whole))?;
        }
        fs::create_dir(&whole).map_err(io(&whole))?;
        for file in kept {
            let (from, to) = (running.join(file), whole.join(file));
            match from.is_dir() {
                true => copy_folder(&from, &to)?,
                false if from.exists() => drop(fs::copy(&from, &to).map_err(io(&to))?),
                false => {}
            }
        }
        entry.write(&whole)?;
        match fs::rename(&whole, &done) {
            // Another process was faster, on a file system that shows a new folder late: both have the same bits.
            Err(_) if done.exists() => {}
            renamed => renamed.map_err(io(&done))?,
        }
        self.clear(name);
        Ok(())
    }

    /// Removes the run directory of a cell that is done. Whoever else looks into it at this moment removes what is left.
    pub(super) fn clear(&self, name: &str) {
        let _ = fs::remove_dir_all(self.running(name));
    }

    /// Removes what a process that was killed has left of the run directory of a cell that is done.
    pub(super) fn clear_if_free(&self, name: &str) {
        if self.running(name).exists() && !self.is_locked(name) {
            self.clear(name);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(io(to))?;
    for entry in fs::read_dir(from).map_err(io(from))? {
        let entry = entry.map_err(io(from))?;
        let to = to.join(entry.file_name());
        fs::copy(entry.path(), &to).map_err(io(&to))?;
    }
    Ok(())
}

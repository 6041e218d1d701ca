//! Whole files: checked reading and atomic writing.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Reads a file whole; refuses a folder or device and what [`check`] refuses.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { path: path.into(), source };
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::Format { path: path.into(), expected: "a file", got: "a directory or device".into() });
    }
    let bytes = fs::read(path).map_err(io)?;
    check(&bytes, path)?;
    Ok(bytes)
}

/// Refuses what stands in for a file: nothing at all, or a Git LFS pointer.
pub(super) fn check(bytes: &[u8], path: &Path) -> Result<()> {
    if bytes.is_empty() {
        return Err(Error::Format { path: path.into(), expected: "a checkpoint", got: "an empty file".into() });
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(Error::LfsPointer { path: path.into() });
    }
    Ok(())
}

/// A name out of a file, fit for an error message: what a terminal might obey is escaped, and 120 characters are enough.
pub(super) fn shown(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().take(120) {
        match c {
            '"' | '\'' => text.push(c),
            _ => text.extend(c.escape_debug()),
        }
    }
    text
}

/// Replaces or creates a file in one step: readers see the old bytes or the new, never a part.
///
/// A temporary file in the same directory is written, flushed to the disk and renamed over `path`; on unix the
/// directory is flushed too. On an error the old file is as it was and the temporary one is gone, unless the error is
/// the directory's own flush, which comes after the rename. A symbolic link at `path` is replaced, not followed. A new
/// file has the permissions that any created file has.
///
/// # Arguments
/// `path`: the file; its directory must exist. `bytes`: its new contents.
///
/// # Errors
/// [`Error::Io`] naming `path`.
///
/// # Example
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// irreplens::checkpoint::atomic_write(&path, b"first")?;
/// irreplens::checkpoint::atomic_write(&path, b"second")?;
/// assert_eq!(std::fs::read(&path)?, b"second");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn atomic_write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    replace(path, bytes).map_err(|source| Error::Io { path: path.into(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".irreplens-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the process's umask
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

//! Whole files: checked reading and atomic writing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, Result, nearest};

/// Reads a file whole; refuses a folder or device and what [`check`] refuses.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { path: path.into(), source };
    if !fs::metadata(path).map_err(|error| not_found(path, error))?.is_file() {
        return Err(Error::format(path, "a file", "a directory or device"));
    }
    let bytes = fs::read(path).map_err(io)?;
    check(&bytes, path)?;
    Ok(bytes)
}

/// The error for a path that cannot be opened: where it is not there, what is in its folder and nearest in name.
pub(super) fn not_found(path: &Path, source: io::Error) -> Error {
    if source.kind() != io::ErrorKind::NotFound {
        return Error::Io { path: path.into(), source };
    }
    // The innermost folder that is there, and the name that is not in it.
    let above = path.ancestors().zip(path.ancestors().skip(1));
    let found =
        above.map(|(inner, folder)| (inner, if folder.as_os_str().is_empty() { Path::new(".") } else { folder }));
    let found = found.into_iter().find_map(|(inner, folder)| Some((inner, folder, fs::read_dir(folder).ok()?)));
    let Some((inner, folder, entries)) = found else { return Error::Io { path: path.into(), source } };
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    let wanted = inner.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // The nearest first: a long list is cut off.
    let hint = nearest(&[&wanted], names.iter().map(String::as_str));
    let hint = hint.map_or_else(String::new, |name| format!("; the nearest name is `{}`", shown(name)));
    let text = match names.is_empty() {
        true => format!("not found; `{}` is empty", folder.display()),
        false => format!("not found{hint}; in `{}` there are {}", folder.display(), in_words(&names, names.len())),
    };
    Error::Io { path: path.into(), source: io::Error::new(io::ErrorKind::NotFound, text) }
}

/// At most a dozen of `count` names in words.
pub(super) fn in_words(names: impl IntoIterator<Item = impl AsRef<str>>, count: usize) -> String {
    let names = names.into_iter().take(12).map(|name| format!("`{}`", shown(name.as_ref())));
    let mut words = names.collect::<Vec<_>>().join(", ");
    if count > 12 {
        words.push_str(&format!(" and {} more", count - 12));
    }
    words
}

/// Refuses what stands in for a file: nothing at all, or a Git LFS pointer.
pub(super) fn check(bytes: &[u8], path: &Path) -> Result<()> {
    if bytes.is_empty() {
        return Err(Error::format(path, "a checkpoint", "an empty file"));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(Error::format(path, "the file itself", "a Git LFS pointer to it: run `git lfs pull`"));
    }
    Ok(())
}

/// The error for a zip entry or a tensor that a file has twice.
pub(super) fn twice(path: &Path, name: &str) -> Error {
    Error::format(path, "every name once", format!("`{}` twice", shown(name)))
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
/// directory is flushed too. On Linux, where the file system can, it has no name before it is whole, so that a process
/// killed at any moment leaves nothing torn behind. On an error the old file is as it was and the temporary one is gone,
/// unless the error is the directory's own flush, which comes after the rename. A symbolic link at `path` is replaced, not
/// followed. A new file has the permissions that any created file has.
///
/// On several [ranks](crate::ranks) the first alone writes.
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
    if !crate::ranks::is_first() {
        return Ok(());
    }
    let path = path.as_ref();
    replace(path, bytes).map_err(|source| Error::Io { path: path.into(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if !replace_by_unnamed(path, folder, bytes)? {
        let mut file = temporary(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
    }
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Start of the names of temporary files.
pub(crate) const TEMPORARY: &str = ".irreplens-";

/// An empty file with a name of its own, removed when it is dropped.
fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the process's umask
    builder.tempfile_in(folder)
}

/// Writes a file that has no name until it is whole, and renames that over `path`; false where the system or the file
/// system has no such files.
#[cfg(target_os = "linux")]
fn replace_by_unnamed(path: &Path, folder: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use rustix::io::Errno;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicU64, Ordering};

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let Ok(file) = open(folder, flags, Mode::from_raw_mode(0o666)) else { return Ok(false) };
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link cannot replace a file, a rename can; until then the whole file has a name of its own.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = folder.join(format!("{TEMPORARY}{}-{count}", std::process::id()));
        match linkat(CWD, &descriptor, CWD, &name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => return fs::rename(&name, path).inspect_err(|_| drop(fs::remove_file(&name))).map(|()| true),
            Err(Errno::EXIST) => {}
            Err(_) => return Ok(false),
        }
    }
}

/// There are no unnamed files here.
#[cfg(not(target_os = "linux"))]
fn replace_by_unnamed(_: &Path, _: &Path, _: &[u8]) -> std::io::Result<bool> {
    Ok(false)
}

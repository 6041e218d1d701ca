//! The data folder, which lies outside the repository: `IRREPLENS_DATA`, or `shared/data` beside the repository.
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};

/// The data folder; where there is none, `None` with a line on stderr that says what is skipped.
///
/// # Panics
/// If there is none although `IRREPLENS_REQUIRE_DATA` is set.
pub fn folder(test: &str) -> Option<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(package);
    let folder = std::env::var_os("IRREPLENS_DATA").map_or_else(|| repository.join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let line = format!("SKIPPED: {test}: {} is absent (no data folder)", folder.display());
    assert!(std::env::var_os("IRREPLENS_REQUIRE_DATA").is_none(), "{line}, and IRREPLENS_REQUIRE_DATA is set");
    // Straight to the stream: the test harness would swallow eprintln.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
    None
}

/// Every folder under the data folder that holds the file `name`, sorted; `None` as [`folder`].
pub fn folders_with(name: &str, test: &str) -> Option<Vec<PathBuf>> {
    Some(folders_in(folder(test)?, name))
}

/// Every folder with the file `name` under the folder of published transformers, which lies beside the data folder; `None`
/// as [`folder`].
pub fn transformers(name: &str, test: &str) -> Option<Vec<PathBuf>> {
    let root = folder(test)?.join("../transformers");
    if root.is_dir() {
        return Some(folders_in(root, name));
    }
    let line = format!("SKIPPED: {test}: {} is absent (no transformers)", root.display());
    assert!(std::env::var_os("IRREPLENS_REQUIRE_DATA").is_none(), "{line}, and IRREPLENS_REQUIRE_DATA is set");
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
    None
}

fn folders_in(root: PathBuf, name: &str) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = left.pop() {
        if folder.join(name).is_file() {
            found.push(folder.clone());
        }
        let entries = std::fs::read_dir(&folder).unwrap();
        left.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
    }
    assert!(!found.is_empty(), "no {name} under {}", root.display());
    found.sort();
    found
}

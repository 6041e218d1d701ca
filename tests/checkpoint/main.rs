//! Checkpoints: exact reading, refusal of hostile files, bounded memory, atomic writing.

mod build;
mod config;
mod hostile;
mod memory;
mod mutate;
mod valid;

use std::path::PathBuf;

/// The runs kept outside the repository, or `None` with a line on stderr that says what is skipped.
fn runs(test: &str) -> Option<Vec<PathBuf>> {
    let data = std::env::var_os("IRREPLENS_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let folders = ["notebook", "published"].map(|kind| std::fs::read_dir(data.join(kind)));
    if folders.iter().any(Result::is_err) {
        eprintln!("SKIPPED: {test}: no runs under {} (set IRREPLENS_DATA)", data.display());
        return None;
    }
    let mut runs: Vec<_> = folders.into_iter().flatten().flatten().map(|entry| entry.unwrap().path()).collect();
    runs.retain(|run| run.join("cfg.json").exists());
    runs.sort();
    assert!(!runs.is_empty(), "no cfg.json under {}", data.display());
    Some(runs)
}

/// A committed fixture.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/torch").join(name)).unwrap()
}

//! Checkpoints and runs: exact reading, refusal of hostile files, bounded memory, atomic writing.

mod build;
mod cases;
mod config;
#[path = "../support/data.rs"]
mod data;
mod hostile;
mod memory;
#[path = "../support/models.rs"]
mod models;
mod mutate;
mod npz;
mod people;
mod recorded;
mod run_directory;
#[cfg(all(feature = "report", feature = "train"))]
mod training_history;
mod valid;

use std::path::PathBuf;

/// A committed fixture.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/torch").join(name)).unwrap()
}

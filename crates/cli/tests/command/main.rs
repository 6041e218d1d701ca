//! The command `irreplens` as a user meets it: everything it says held to snapshots, and its numbers to golden files.
//!
//! `INSTA_UPDATE=always cargo test -p irreplens-cli` writes the snapshots anew; `git diff` then shows what changed.
#![cfg(all(feature = "report", feature = "train"))]

#[path = "../../../../tests/support/compare.rs"]
mod compare;
#[path = "../../../../tests/support/data.rs"]
mod data;
mod interpret;
#[path = "../../../../tests/support/models.rs"]
mod models;
mod program;
mod representation;
#[path = "../../../../tests/support/runs.rs"]
mod runs;
mod said;
mod snapshot;
mod sweep;
mod train;
mod verify;

use std::path::PathBuf;

/// The folder of the shipped model.
fn shipped() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/D53"))
}

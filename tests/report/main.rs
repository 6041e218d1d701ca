//! Figures, pages and files of `report`.
#![expect(clippy::duplicate_mod, reason = "two examples share a file")]

mod export;
mod figures;
#[path = "../support/models.rs"]
mod models;
mod page;
mod read;
#[path = "../support/runs.rs"]
mod runs;
mod whole;

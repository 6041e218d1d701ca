//! Figures, pages and files of `report`.

mod browser;
mod export;
mod figures;
#[path = "../support/models.rs"]
mod models;
mod page;
mod read;
#[path = "../support/runs.rs"]
mod runs;
mod whole;

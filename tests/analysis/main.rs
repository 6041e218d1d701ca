//! The analyses against sums written out, on small models of every kind.

// Sums run over indices, as the formulas have them.
#![allow(clippy::needless_range_loop)]

mod ablation;
mod cases;
#[path = "../support/compare.rs"]
mod compare;
#[path = "../support/data.rs"]
mod data;
mod errors;
mod identify;
mod interpret;
mod logits;
#[path = "../support/models.rs"]
mod models;
mod neurons;
mod oracle;
mod page_adding_a_group;
mod page_notebook;
mod progress;
mod published;
mod remote;
mod shift;
mod spectra;

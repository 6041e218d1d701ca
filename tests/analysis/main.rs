//! The analyses against sums written out, on small models of every kind.

// Sums run over indices, as the formulas have them.
#![allow(clippy::needless_range_loop)]

mod ablation;
mod cases;
mod certify;
#[path = "../support/compare.rs"]
mod compare;
#[cfg(feature = "train")]
mod coset;
#[path = "../support/data.rs"]
mod data;
mod element_orders;
mod errors;
mod explain;
#[path = "../support/families.rs"]
mod families;
mod identify;
mod interpret;
mod logits;
#[path = "../support/models.rs"]
mod models;
mod neurons;
mod oracle;
#[cfg(feature = "train")]
mod other_groups;
#[cfg(feature = "train")]
mod output_bias;
mod page_adding_a_group;
mod page_notebook;
mod progress;
mod published;
mod remote;
#[cfg(feature = "train")]
mod representation;
#[path = "../support/runs.rs"]
mod runs;
mod shift;
mod spectra;
#[path = "../support/oracle.rs"]
#[allow(dead_code)]
mod step_by_step;
mod theory;

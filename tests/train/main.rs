//! Training.
#![cfg(feature = "train")]
#![expect(clippy::duplicate_mod, reason = "two examples share a file")]

mod damage;
mod errors;
mod example;
mod gradient;
#[path = "../support/models.rs"]
mod models;
mod optimisers;
mod resume;
mod runs;
mod steps;

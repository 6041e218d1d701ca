//! Training.
#![cfg(feature = "train")]

mod errors;
mod example;
mod gradient;
#[path = "../support/models.rs"]
mod models;
mod resume;
mod runs;
mod steps;

//! Training.
#![cfg(feature = "train")]

mod atlas;
mod damage;
mod errors;
mod gradient;
#[path = "../support/models.rs"]
mod models;
mod optimisers;
mod resume;
mod runs;
mod steps;
mod sweeps;

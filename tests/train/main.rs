//! Training.
#![cfg(feature = "train")]

mod errors;
mod example;
mod resume;
mod runs;

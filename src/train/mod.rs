//! Training: full-batch AdamW, Adam and SGD on every model of the library, exact, fast and resumable.
//!
//! | item | what |
//! |---|---|
//! | [`Trainer`] | trains a network; keeps a run directory and resumes from it |
//! | [`train_many`] | many seeds side by side |
//! | [`Architecture`], [`Network`] | which model, and its parameters |
//! | [`TrainConfig`], [`StopRules`] | how |
//! | [`Observer`], [`ProgressBar`], [`MetricLog`], [`on_ctrl_c`] | who looks on, and who may stop it |
//! | [`Notice`] | what was amiss with a run that was taken up |
//! | [`loss_and_gradient`] | one gradient |
//!
//! # The gradient
//! The first layer of every model here is a function of `left[x]` and `right[y]`. The two maps (element -> neuron) are
//! computed once an epoch; each training pair then costs its share of three products with W_U, and its gradient is added
//! to row x of the one map's and row y of the other's, which go back through the embeddings once. Pairs are cut into
//! segments whose borders depend on their number alone, each segment is summed by one thread, and the sums are added in
//! order: the same bits for any number of threads.
//!
//! # Random numbers
//! Initial parameters come from ChaCha20 (`rand_chacha`) by way of the ziggurat normals of `rand_distr`, in portable
//! arithmetic. Nothing else in training is random.

mod adam;
mod adamw;
mod config;
mod directory;
mod gradient;
mod interrupt;
mod many;
mod network;
mod observer;
#[cfg(feature = "cuda")]
mod on_device;
mod optimiser;
mod sgd;
mod trainer;

pub use config::{StopRules, TrainConfig};
pub use directory::Notice;
pub use gradient::loss_and_gradient;
pub use interrupt::on_ctrl_c;
pub use many::{Seed, train_many};
pub use network::{Architecture, Network, Weight};
pub use observer::{MetricLog, Metrics, Observer, Outcome, ProgressBar, StopReason};
#[cfg(feature = "cuda")]
pub use on_device::train_many_on_device;
pub use trainer::Trainer;

/// Largest relative difference of the losses of the first hundred epochs between machines.
///
/// On one machine and binary the bits are the same; elsewhere vectors of another length add up in another order.
pub const ACROSS_MACHINES: f64 = 1e-4;

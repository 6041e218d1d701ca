//! Training: full-batch AdamW, Adam and SGD on any network that has a description, exact, fast and resumable.
//!
//! | item | what |
//! |---|---|
//! | [`Trainer`] | trains a network; keeps a run directory and resumes from it |
//! | [`train_many`] | many seeds side by side |
//! | [`Network::random`](crate::model::Network::random), [`Architecture::training_bytes`](crate::model::Architecture::training_bytes) | initial parameters; the memory it takes |
//! | [`TrainConfig`], [`StopRules`], [`Converged`] | how |
//! | [`Observer`], [`ProgressBar`], [`MetricLog`], [`on_ctrl_c`] | who looks on, and who may stop it |
//! | [`Notice`] | what was amiss with a run that was taken up |
//! | [`Network::loss_and_gradient`](crate::model::Network::loss_and_gradient) | one gradient |
//!
//! # The gradient
//! What depends on one element is computed, and taken back, once an epoch for n rows; what depends on both, for the training
//! pairs alone, their gradients added to row x of one table and row y of another. Pairs are cut into
//! segments whose borders depend on the pairs and the network alone, each segment is summed by one thread, and the sums are
//! added in order: the same bits for any number of threads. A network of a few neurons on a few elements costs more in setting
//! products up than in computing them: such networks of one shape are trained sixteen at a time, one in each lane of a vector,
//! and one of them alone in one lane, with the same bits.
//!
//! # Random numbers
//! Initial parameters come from ChaCha20 (`rand_chacha`) by way of the ziggurat normals of `rand_distr`, in portable
//! arithmetic. Nothing else in training is random.

mod adam;
mod adamw;
mod config;
mod directory;
mod initial;
mod interrupt;
mod lanes;
mod many;
mod observer;
#[cfg(feature = "cuda")]
mod on_device;
mod optimiser;
mod settings;
mod sgd;
mod steady;
mod together;
mod trainer;

pub use config::{StopRules, TrainConfig};
pub use directory::Notice;
pub use interrupt::on_ctrl_c;
pub(crate) use many::train_each;
pub use many::{Seed, train_many};
pub use observer::{MetricLog, Metrics, Observer, Outcome, ProgressBar, StopReason};
#[cfg(feature = "cuda")]
pub use on_device::train_many_on_device;
pub use steady::Converged;
pub use trainer::Trainer;

/// Largest relative difference of the losses of the first hundred epochs between machines.
///
/// On one machine and binary the bits are the same; elsewhere vectors of another length add up in another order.
pub const ACROSS_MACHINES: f64 = 1e-4;

//! Training on a device: seeds side by side, with graphs of recorded launches.

mod engine;

use super::observer::ProgressBar;
use super::together::run_together;
use super::{Outcome, Seed, Trainer};
use crate::device::Device;
use crate::error::Result;
use engine::OnDevice;
use indicatif::MultiProgress;

/// Trains runs together on a device, each as it would be alone: seeds of one group, architecture, number of pairs and settings
/// are computed side by side, by the same launches, and others one after the other.
///
/// # Arguments
/// `make`: the trainer of a seed, observers and directory included; where it trains is set here.
///
/// # Returns
/// The seeds in the order given. One that fails leaves the others alone.
///
/// ```no_run
/// use irreplens::device::Device;
/// use irreplens::model::Architecture;
/// use irreplens::train::{TrainConfig, Trainer, train_many_on_device};
/// use irreplens::{group::Dihedral, task::Split};
/// let group = Dihedral::new(53)?;
/// let seeds: Vec<u64> = (1..=50).collect();
/// let ended = train_many_on_device(&Device::open(0)?, &seeds, |seed| {
///     let config = TrainConfig { epochs: 60_000, seed, ..TrainConfig::default() };
///     Trainer::new(&group, Architecture::one_layer(256, 128), Split::published(106, 0.3, seed)?, config)
/// });
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn train_many_on_device(device: &Device, seeds: &[u64], make: impl Fn(u64) -> Result<Trainer>) -> Vec<Seed> {
    let mut made: Vec<Result<Trainer>> = seeds.iter().map(|&seed| make(seed)).collect();
    // All go at one pace: one bar shows it.
    if let Some(first) = made.iter_mut().find_map(|trainer| trainer.as_mut().ok()) {
        first.observe(ProgressBar::among(&MultiProgress::new(), format!("{} seeds ", seeds.len())));
    }
    let mut trainers: Vec<&mut Trainer> = made.iter_mut().filter_map(|trainer| trainer.as_mut().ok()).collect();
    let mut outcomes = run_on_device(device, &mut trainers).into_iter();
    let seed = |(&seed, trainer): (&u64, Result<Trainer>)| {
        let outcome = trainer.and_then(|_| outcomes.next().unwrap_or_else(|| unreachable!("one outcome a trainer")));
        Seed { seed, outcome }
    };
    seeds.iter().zip(made).map(seed).collect()
}

/// Runs trainers on the device, those that are alike side by side.
pub(super) fn run_on_device(device: &Device, trainers: &mut [&mut Trainer]) -> Vec<Result<Outcome>> {
    run_together(trainers, usize::MAX, |batch| OnDevice::new(device, batch))
}

//! Training on a device: seeds side by side, with graphs of recorded launches.

mod engine;

use super::observer::ProgressBar;
use super::{Outcome, Seed, TrainConfig, Trainer};
use crate::device::Device;
use crate::error::{Error, Result};
use engine::Engine;
use indicatif::MultiProgress;
use std::time::Instant;

/// Epochs between two looks at flags and clocks, at most.
const EPOCHS_AT_ONCE: u64 = 256;

/// Trains runs of one configuration together on a device, each as it would be alone: the seeds of a batch are computed
/// side by side, by the same launches.
///
/// # Arguments
/// `make`: the trainer of a seed, observers and directory included; where it trains is set here.
///
/// # Returns
/// The seeds in the order given. One that fails, or whose group, architecture, number of pairs or settings are not those
/// of the first, leaves the others alone.
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
    train_seeds(device, seeds, make)
}

fn train_seeds(device: &Device, seeds: &[u64], make: impl Fn(u64) -> Result<Trainer>) -> Vec<Seed> {
    let mut made: Vec<Result<Trainer>> = seeds.iter().map(|&seed| make(seed)).collect();
    // All go at one pace: one bar shows it.
    if let Some(first) = made.iter_mut().find_map(|trainer| trainer.as_mut().ok()) {
        first.observe(ProgressBar::among(&MultiProgress::new(), format!("{} seeds ", seeds.len())));
    }
    let mut trainers: Vec<&mut Trainer> = made.iter_mut().filter_map(|trainer| trainer.as_mut().ok()).collect();
    let mut outcomes = run_together(device, &mut trainers).into_iter();
    let seed = |(&seed, trainer): (&u64, Result<Trainer>)| {
        let outcome = trainer.and_then(|_| outcomes.next().expect("one outcome a trainer"));
        Seed { seed, outcome }
    };
    seeds.iter().zip(made).map(seed).collect()
}

pub(super) fn run_alone(device: &Device, trainer: &mut Trainer) -> Result<Outcome> {
    run_together(device, &mut [trainer]).pop().expect("one outcome a trainer")
}

/// Runs trainers side by side; those that have come equally far in one batch.
fn run_together(device: &Device, trainers: &mut [&mut Trainer]) -> Vec<Result<Outcome>> {
    let mut ended: Vec<Option<Result<Outcome>>> = trainers.iter().map(|_| None).collect();
    for i in 1..trainers.len() {
        if !alike(trainers[0], trainers[i]) {
            let needs = "runs of one group, architecture, number of pairs and settings";
            ended[i] = Some(Err(Error::Unsupported { analysis: "training together on a device", needs }));
        }
    }
    for (trainer, ended) in trainers.iter_mut().zip(&mut ended) {
        if let (None, Err(error)) = (&ended, trainer.start()) {
            *ended = Some(Err(error));
        }
    }
    while let Some(epoch) = (0..trainers.len()).filter(|&i| ended[i].is_none()).map(|i| trainers[i].epoch()).min() {
        let batch: Vec<usize> =
            (0..trainers.len()).filter(|&i| ended[i].is_none() && trainers[i].epoch() == epoch).collect();
        if let Err(error) = run_batch(device, trainers, &batch, &mut ended) {
            // What the device reports is everyone's; the error is given once and described to the others.
            let message = error.to_string();
            let mut first = Some(error);
            for i in batch {
                let again = || Error::Cuda { call: "training together", code: 0, message: message.clone() };
                ended[i].get_or_insert_with(|| Err(first.take().unwrap_or_else(again)));
            }
        }
    }
    ended.into_iter().map(|outcome| outcome.expect("every batch ends")).collect()
}

fn alike(a: &Trainer, b: &Trainer) -> bool {
    let settings = |trainer: &Trainer| TrainConfig { seed: 0, ..trainer.config().clone() };
    let sizes = |trainer: &Trainer| (trainer.split().train.len(), trainer.split().test.len());
    a.task() == b.task()
        && a.network().architecture() == b.network().architecture()
        && sizes(a) == sizes(b)
        && settings(a) == settings(b)
}

/// Trains the batch until every one of it has ended. An error is the device's; the trainers' own are with their outcomes.
fn run_batch(
    device: &Device,
    trainers: &mut [&mut Trainer],
    batch: &[usize],
    ended: &mut [Option<Result<Outcome>>],
) -> Result<()> {
    let mut engine = Engine::new(device, &batch.iter().map(|&i| &*trainers[i]).collect::<Vec<_>>())?;
    let config = trainers[batch[0]].config().clone();
    let mut epoch = trainers[batch[0]].epoch();
    let mut saved: Vec<Instant> = batch.iter().map(|_| Instant::now()).collect();
    loop {
        let train = engine.evaluate_train()?;
        let mut test = None;
        for (seed, &i) in batch.iter().enumerate() {
            if ended[i].is_some() {
                continue;
            }
            let of_test = |_: &mut Trainer| {
                if test.is_none() {
                    test = Some(engine.evaluate_test()?);
                }
                Ok(test.iter().flatten().next().map(|test| test[seed]))
            };
            match trainers[i].arrive(train[seed], of_test, &mut saved[seed]) {
                Ok(None) => {}
                Ok(Some(outcome)) => ended[i] = Some(Ok(outcome)),
                Err(error) => ended[i] = Some(Err(error)),
            }
        }
        if batch.iter().all(|&i| ended[i].is_some()) {
            return Ok(());
        }
        let next = epoch - epoch % config.measure_every + config.measure_every;
        let mut end = next.min(config.epochs).min(epoch + EPOCHS_AT_ONCE);
        end = (epoch + 1..end).find(|&epoch| config.is_checkpoint(epoch)).unwrap_or(end);
        let start = Instant::now();
        let losses = engine.epochs(end - epoch, |step| config.rates(step).factors(), epoch)?;
        let seconds = start.elapsed().as_secs_f64();
        for (seed, &i) in batch.iter().enumerate() {
            if ended[i].is_some() {
                continue;
            }
            let trainer = &mut trainers[i];
            if let Some((at, &loss)) = losses[seed].iter().enumerate().find(|(_, loss)| !loss.is_finite()) {
                ended[i] = Some(Err(trainer.diverged(epoch + at as u64, loss)));
                continue;
            }
            trainer.took(end - epoch, seconds);
            engine.read(seed, trainer)?;
            trainer.state_mut().epoch = end;
        }
        epoch = end;
    }
}

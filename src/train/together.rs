//! Trainers side by side, their epochs made by one engine: a device, or the lanes of a processor's vectors.

use super::{Outcome, TrainConfig, Trainer};
use crate::error::{Error, Result};
use crate::model::Evaluation;
use std::time::Instant;

/// Epochs between two looks at flags and clocks, at most.
pub(super) const EPOCHS_AT_ONCE: u64 = 256;

/// Computes the epochs of the networks of some trainers, each with the bits that it would have alone.
pub(super) trait Engine {
    /// Loss and accuracy of every network over its training pairs.
    fn evaluate_train(&mut self) -> Result<Vec<Evaluation>>;

    /// Loss and accuracy of every network over its test pairs, where there are such.
    fn evaluate_test(&mut self) -> Result<Option<Vec<Evaluation>>>;

    /// Trains `count` epochs, at most [`EPOCHS_AT_ONCE`], from `done` on; what there is to know of each network's.
    fn epochs(&mut self, count: u64, config: &TrainConfig, done: u64) -> Result<Vec<Epochs>>;

    /// Copies parameters and the optimiser's state of a network to its trainer.
    fn read(&self, network: usize, trainer: &mut Trainer) -> Result<()>;
}

/// The first epoch of a network before whose step its loss is no finite number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diverged {
    pub epoch: u64,
    pub loss: f64,
}

/// Some epochs of a network.
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs {
    /// Where it diverged, if it did.
    pub diverged: Option<Diverged>,
    /// For a rule of standing still, of every epoch: the objective before its step, and the sums of the squares of the change of
    /// the parameters and of the parameters before it.
    pub steps: Vec<(f64, [f64; 2])>,
}

/// Runs trainers side by side: those of one group, architecture, number of pairs and settings that have come equally far are one
/// batch, of at most so many; batches are run one after the other.
///
/// `make`: the engine of the trainers of a batch.
pub(super) fn run_together<E: Engine>(
    trainers: &mut [&mut Trainer],
    most: usize,
    make: impl Fn(&[&Trainer]) -> Result<E>,
) -> Vec<Result<Outcome>> {
    let mut ended: Vec<Option<Result<Outcome>>> = trainers
        .iter_mut()
        .map(|trainer| match trainer.start() {
            Ok(()) => None,
            Err(error) => Some(Err(error)),
        })
        .collect();
    let running = |ended: &[Option<_>]| (0..ended.len()).filter(|&i| ended[i].is_none()).collect::<Vec<usize>>();
    while let Some(first) = running(&ended).into_iter().min_by_key(|&i| trainers[i].epoch()) {
        let mut batch = running(&ended);
        batch.retain(|&i| trainers[i].epoch() == trainers[first].epoch() && alike(trainers[first], trainers[i]));
        batch.truncate(most);
        let engine = make(&batch.iter().map(|&i| &*trainers[i]).collect::<Vec<_>>());
        let ran = engine.and_then(|mut engine| run_batch(&mut engine, trainers, &batch, &mut ended));
        if let Err(error) = ran {
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

/// Whether one engine can train both.
pub(super) fn alike(a: &Trainer, b: &Trainer) -> bool {
    let settings = |trainer: &Trainer| TrainConfig { seed: 0, ..trainer.config().clone() };
    let sizes = |trainer: &Trainer| (trainer.split().train.len(), trainer.split().test.len());
    a.task() == b.task()
        && a.network().architecture() == b.network().architecture()
        && sizes(a) == sizes(b)
        && settings(a) == settings(b)
}

/// Trains the batch until every one of it has ended. An error is the engine's; the trainers' own are with their outcomes.
fn run_batch(
    engine: &mut impl Engine,
    trainers: &mut [&mut Trainer],
    batch: &[usize],
    ended: &mut [Option<Result<Outcome>>],
) -> Result<()> {
    let config = trainers[batch[0]].config().clone();
    let mut epoch = trainers[batch[0]].epoch();
    let mut saved: Vec<Instant> = batch.iter().map(|_| Instant::now()).collect();
    loop {
        let train = engine.evaluate_train()?;
        let mut test = None;
        for (network, &i) in batch.iter().enumerate() {
            if ended[i].is_some() {
                continue;
            }
            let of_test = |_: &mut Trainer| {
                if test.is_none() {
                    test = Some(engine.evaluate_test()?);
                }
                Ok(test.iter().flatten().next().map(|test| test[network]))
            };
            match trainers[i].arrive(train[network], of_test, &mut saved[network]) {
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
        if let Some(rule) = config.stop.converged {
            // The first that can stand still for long enough is looked at when it has.
            let steps = batch.iter().filter(|&&i| ended[i].is_none()).map(|&i| trainers[i].state_mut().steady.steps);
            end = end.min(epoch + steps.map(|steps| rule.steps.saturating_sub(steps)).min().unwrap_or(1).max(1));
        }
        let start = Instant::now();
        let epochs = engine.epochs(end - epoch, &config, epoch)?;
        let seconds = start.elapsed().as_secs_f64();
        for (network, &i) in batch.iter().enumerate() {
            if ended[i].is_some() {
                continue;
            }
            let trainer = &mut trainers[i];
            let Epochs { diverged, steps } = &epochs[network];
            if let &Some(Diverged { epoch, loss }) = diverged {
                ended[i] = Some(Err(trainer.diverged(epoch, loss)));
                continue;
            }
            trainer.took(end - epoch, seconds);
            engine.read(network, trainer)?;
            let state = trainer.state_mut();
            state.epoch = end;
            for (epoch, &(objective, [changes, squares])) in (epoch..).zip(steps) {
                config.stop.converged.into_iter().for_each(|rule| state.steady.arrive(epoch, objective, rule));
                state.steady.stepped(changes, squares);
            }
        }
        epoch = end;
    }
}

//! Runs of several seeds side by side: each on its own thread, or small networks in the lanes of one.

use super::lanes::run_in_lanes;
use super::observer::ProgressBar;
use super::{Outcome, StopReason, Trainer};
use crate::error::Result;
use crate::model::{LANES, lock};
use indicatif::{MultiProgress, ProgressStyle};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// How one seed of [`train_many`] ended.
#[derive(Debug)]
pub struct Seed {
    /// The seed.
    pub seed: u64,
    /// Its outcome; a seed that failed leaves the others alone.
    pub outcome: Result<Outcome>,
}

/// Trains independent seeds side by side, as many at a time as the current pool has threads, each on one thread; small networks
/// of one shape and the same settings, of a few neurons on a few elements, sixteen to a thread.
///
/// Bits do not depend on the number of threads, so every seed ends as it would on its own. Where `make` keeps each in a
/// directory of its own ([`Trainer::in_directory`]) the whole is resumable: called again, it takes every seed up where
/// it is, and seeds that had ended return at once. A bar for every seed at work, and one for all, is drawn where standard
/// error is a terminal. When a seed is interrupted, those not yet begun are not begun and are left out of the answer.
///
/// # Arguments
/// `make`: the trainer of a seed, observers and directory included.
///
/// # Returns
/// The seeds in the order given.
///
/// # Panics
/// If a trainer does, once all other seeds have ended but those in the lanes beside it.
///
/// ```
/// use irreplens::model::Architecture;
/// use irreplens::train::{TrainConfig, Trainer, train_many};
/// use irreplens::{group::Cyclic, task::Split};
/// let group = Cyclic::new(7)?;
/// let seeds = train_many(&[1, 2, 3], |seed| {
///     let config = TrainConfig { epochs: 500, seed, ..TrainConfig::default() };
///     Trainer::new(&group, Architecture::one_layer(16, 32), Split::random(7, 0.8, seed)?, config)
/// });
/// assert!(seeds.iter().all(|seed| seed.outcome.as_ref().unwrap().metrics.train.accuracy == 1.0));
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn train_many(seeds: &[u64], make: impl Fn(u64) -> Result<Trainer> + Sync) -> Vec<Seed> {
    let bars = MultiProgress::new();
    let all = bars.add(indicatif::ProgressBar::new(seeds.len() as u64));
    all.set_style(
        ProgressStyle::with_template("{pos}/{len} seeds, {elapsed}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (next, interrupted) = (Mutex::new(0..seeds.len()), AtomicBool::new(false));
    let ended: Mutex<Vec<(usize, Result<Outcome>)>> = Mutex::default();
    let panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::default();
    let threads = rayon::current_num_threads().min(seeds.len());
    // The next seeds: one, or as many small networks as are a thread's share of those left.
    let take = |most: usize| -> Vec<usize> {
        let mut next = lock(&next);
        let share = next.len().div_ceil(threads.max(1)).min(most);
        next.by_ref().take(share).collect()
    };
    let made = |i: usize| match catch_unwind(AssertUnwindSafe(|| make(seeds[i]))) {
        Ok(trainer) => Some((i, trainer)),
        Err(payload) => {
            *lock(&panic) = Some(payload);
            None
        }
    };
    let some = |first: usize| {
        let mut trainers: Vec<(usize, Result<Trainer>)> = made(first).into_iter().collect();
        if matches!(&trainers[..], [(_, Ok(trainer))] if trainer.is_in_lanes()) {
            trainers.extend(take(LANES - 1).into_iter().filter_map(made));
        }
        let mut outcomes = Vec::new();
        let (mut in_lanes, mut places) = (Vec::new(), Vec::new());
        for (i, trainer) in &mut trainers {
            let Ok(trainer) = trainer else { continue };
            trainer.observe(ProgressBar::among(&bars, format!("seed {} ", seeds[*i])));
            if trainer.is_in_lanes() {
                in_lanes.push(trainer);
                places.push(*i);
            } else {
                outcomes.push((*i, trainer.run()));
            }
        }
        outcomes.extend(places.into_iter().zip(run_in_lanes(&mut in_lanes)));
        outcomes.extend(trainers.into_iter().filter_map(|(i, trainer)| Some((i, Err(trainer.err()?)))));
        outcomes
    };
    let work = || {
        while !interrupted.load(Ordering::Relaxed) {
            let Some(first) = take(1).pop() else { break };
            match catch_unwind(AssertUnwindSafe(|| some(first))) {
                Ok(outcomes) => {
                    let is_interrupted = |(_, outcome): &(usize, Result<Outcome>)| {
                        outcome.as_ref().is_ok_and(|outcome| outcome.stop_reason == StopReason::Interrupted)
                    };
                    if outcomes.iter().any(is_interrupted) {
                        interrupted.store(true, Ordering::Relaxed);
                    }
                    all.inc(outcomes.len() as u64);
                    lock(&ended).extend(outcomes);
                }
                Err(payload) => *lock(&panic) = Some(payload),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            // A pool of one thread each: in a shared one, a thread that waits would take up another seed on the way.
            scope.spawn(|| match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
                Ok(pool) => pool.install(work),
                Err(_) => work(),
            });
        }
    });
    all.finish();
    if let Some(payload) = lock(&panic).take() {
        resume_unwind(payload);
    }
    let mut ended = std::mem::take(&mut *lock(&ended));
    ended.sort_by_key(|(i, _)| *i);
    ended.into_iter().map(|(i, outcome)| Seed { seed: seeds[i], outcome }).collect()
}

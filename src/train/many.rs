//! Runs of several seeds side by side: each on its own thread, or small networks in the lanes of one.

use super::lanes::run_in_lanes;
use super::observer::ProgressBar;
use super::together::alike;
use super::{Outcome, StopReason, Trainer};
use crate::error::Result;
use crate::model::{LANES, lock};
use crate::ranks;
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
    let make = |i: usize| {
        let mut trainer = make(seeds[i])?;
        trainer.observe(ProgressBar::among(&bars, format!("seed {} ", seeds[i])));
        Ok(Some(trainer))
    };
    let ended: Mutex<Vec<(usize, Result<Outcome>)>> = Mutex::default();
    train_each(seeds.len(), make, |i, _, outcome| {
        all.inc(1);
        let goes_on = !outcome.as_ref().is_ok_and(|outcome| outcome.stop_reason == StopReason::Interrupted);
        lock(&ended).push((i, outcome));
        goes_on
    });
    all.finish();
    let mut ended = std::mem::take(&mut *lock(&ended));
    ended.sort_by_key(|(i, _)| *i);
    ended.into_iter().map(|(i, outcome)| Seed { seed: seeds[i], outcome }).collect()
}

/// Trains runs `0..count` side by side, as [`train_many`] does.
///
/// # Arguments
/// `make`: the trainer of a run, or `None` where there is nothing to train. `end`: what is done with a run that has ended, with its
/// trainer if it had one, on the thread that has trained it; no other runs are begun once it says `false`.
///
/// # Panics
/// If `make`, a trainer or `end` does, once the runs at work have ended.
pub(crate) fn train_each(
    count: usize,
    make: impl Fn(usize) -> Result<Option<Trainer>> + Sync,
    end: impl Fn(usize, Option<Trainer>, Result<Outcome>) -> bool + Sync,
) {
    let (next, goes_on) = (Mutex::new(0..count), AtomicBool::new(true));
    let panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::default();
    // One after the other where every one is shared out among ranks.
    let one_by_one = ranks::is_shared();
    let threads = if one_by_one { 1 } else { rayon::current_num_threads().min(count).max(1) };
    let end = |i: usize, trainer, outcome| {
        if !end(i, trainer, outcome) {
            goes_on.store(false, Ordering::Relaxed);
        }
    };
    // The next run that there is something to train in; those that fail to begin have ended.
    let made = || -> Option<(usize, Trainer)> {
        while goes_on.load(Ordering::Relaxed) {
            let i = lock(&next).next()?;
            match catch_unwind(AssertUnwindSafe(|| make(i).map_err(|error| end(i, None, Err(error))))) {
                Ok(Ok(Some(trainer))) => return Some((i, trainer)),
                Ok(_) => {}
                Err(payload) => *lock(&panic) = Some(payload),
            }
        }
        None
    };
    // A run, or as many small alike ones as are this thread's share, and the run after them, which is not one of them.
    let batch = |first: (usize, Trainer)| {
        let share = (lock(&next).len() + 1).div_ceil(threads).min(LANES);
        let mut batch = vec![first];
        while batch[0].1.is_in_lanes() && batch.len() < share {
            match made() {
                None => break,
                Some(other) if other.1.is_in_lanes() && alike(&batch[0].1, &other.1) => batch.push(other),
                Some(other) => return (batch, Some(other)),
            }
        }
        (batch, None)
    };
    let train = |batch: Vec<(usize, Trainer)>| {
        let (places, mut trainers): (Vec<usize>, Vec<Trainer>) = batch.into_iter().unzip();
        let outcomes = match trainers[0].is_in_lanes() {
            true => run_in_lanes(&mut trainers.iter_mut().collect::<Vec<_>>()),
            false => trainers.iter_mut().map(Trainer::run).collect(),
        };
        for ((i, trainer), outcome) in places.into_iter().zip(trainers).zip(outcomes) {
            end(i, Some(trainer), outcome);
        }
    };
    let work = || {
        let mut waiting = None;
        while let Some(first) = waiting.take().filter(|_| goes_on.load(Ordering::Relaxed)).or_else(made) {
            let (batch, next) = batch(first);
            waiting = next;
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| train(batch))) {
                *lock(&panic) = Some(payload);
            }
        }
    };
    match one_by_one {
        true => work(),
        false => std::thread::scope(|scope| {
            for _ in 0..threads {
                // A pool of one thread each: in a shared one, a thread that waits would take up another run on the way.
                scope.spawn(|| match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
                    Ok(pool) => pool.install(work),
                    Err(_) => work(),
                });
            }
        }),
    }
    if let Some(payload) = lock(&panic).take() {
        resume_unwind(payload);
    }
}

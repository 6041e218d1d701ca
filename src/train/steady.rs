//! Whether a run stands still: the rule of [`StopRules::converged`](super::StopRules::converged).

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// When a run stands still: see [`StopRules::converged`](super::StopRules::converged).
///
/// ```
/// use irreplens::train::{Converged, StopReason, StopRules, TrainConfig, Trainer};
/// use irreplens::{checkpoint::LrDecay, group::Cyclic, model::Architecture, task::Split};
/// let stop = StopRules { converged: Some(Converged { below: 1e-3, steps: 20 }), ..StopRules::default() };
/// let config = TrainConfig { epochs: 1000, lr_decay: LrDecay::Cosine, stop, ..TrainConfig::default() };
/// let mut trainer = Trainer::new(&Cyclic::new(5)?, Architecture::summed(8), Split::random(5, 1.0, 1)?, config)?;
/// let outcome = trainer.run()?;
/// assert!(outcome.stop_reason == StopReason::Converged && outcome.epoch < 1000);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: the open problem MAIS-O61, which asks for 1e-7 and 500 steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Converged {
    /// The largest change of a step, as a share.
    pub below: f64,
    /// Steps in a row that change no more.
    pub steps: u64,
}

/// How long a run has stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Steady {
    /// Steps in a row, up to the last epoch arrived at, that have changed next to nothing.
    pub steps: u64,
    /// The last epoch arrived at, and the objective there.
    last: Option<(u64, f64)>,
    /// The change of the parameters by the step after it, as a share of them.
    change: f64,
}

impl Steady {
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// At an epoch whose objective is known, for the first time.
    pub fn arrive(&mut self, epoch: u64, objective: f64, rule: Converged) {
        match self.last {
            Some((last, _)) if last == epoch => return,
            Some((last, before)) if last + 1 == epoch => {
                let stands = (objective - before).abs() <= rule.below * before.abs() && self.change <= rule.below;
                self.steps = if stands { self.steps + 1 } else { 0 };
            }
            _ => self.steps = 0,
        }
        self.last = Some((epoch, objective));
    }

    /// After the step from the last epoch, which has changed parameters of these squares by changes of those.
    pub fn stepped(&mut self, changes: f64, squares: f64) {
        self.change = match squares > 0.0 {
            true => (changes / squares).sqrt(),
            false if changes == 0.0 => 0.0,
            // Finite, for a checkpoint is JSON.
            false => f64::MAX,
        };
    }
}

/// Sums of squares over the trained parameters of networks side by side, (parameter, lane): of their change, and of what they were
/// before it.
pub(super) fn changes<const L: usize>(before: &[f32], after: &[f32], trained: &[Range<usize>]) -> [[f64; L]; 2] {
    let [mut changes, mut squares] = [[0.0; L]; 2];
    for range in trained {
        let [before, after] = [before, after].map(|all| all[range.clone()].as_chunks::<L>().0);
        for (before, after) in before.iter().zip(after) {
            for l in 0..L {
                changes[l] += f64::from(after[l] - before[l]).powi(2);
                squares[l] += f64::from(before[l]).powi(2);
            }
        }
    }
    [changes, squares]
}

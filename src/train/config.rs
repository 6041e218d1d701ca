//! The settings of a training run, and its learning rate at every step.

use super::optimiser::Rates;
use super::steady::Converged;
use crate::checkpoint::{LrDecay, Optimiser, RunConfig};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a [`Trainer`](super::Trainer) trains. The defaults are the published settings.
///
/// ```
/// use irreplens::train::{StopRules, TrainConfig};
/// let config = TrainConfig {
///     epochs: 30_000,
///     stop: StopRules { test_loss_below: Some(1e-5), ..StopRules::default() },
///     ..TrainConfig::default()
/// };
/// assert_eq!(config.betas, (0.9, 0.98));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Full-batch steps; 250,000.
    pub epochs: u64,
    /// Learning rate; 1e-3.
    pub lr: f64,
    /// How a step follows from the gradient; AdamW.
    pub optimiser: Optimiser,
    /// Weight decay; 1. Decoupled with AdamW: every step takes `lr weight_decay` of a parameter off it. Coupled with Adam
    /// and SGD, as in `torch.optim`: the gradient has `weight_decay` times the parameter added to it.
    pub weight_decay: f64,
    /// Decay rates of AdamW's and Adam's running means of the gradient and its square; (0.9, 0.98).
    pub betas: (f64, f64),
    /// Added to the denominator of AdamW's and Adam's step; 1e-8.
    pub eps: f64,
    /// Steps over which the learning rate rises linearly: step t of them takes t / `warmup_epochs` of it; 0.
    pub warmup_epochs: u64,
    /// What it does after that; constant.
    pub lr_decay: LrDecay,
    /// Label smoothing, from 0 up and below 1; 0. The training loss is then
    /// `(1 - label_smoothing) CE(target) + label_smoothing/n sum over z of CE(z)` over the n elements, as that of
    /// `torch.nn.CrossEntropyLoss`; the test loss stays the plain cross-entropy `CE(target)`.
    pub label_smoothing: f64,
    /// Seed of the initial parameters; 1.
    pub seed: u64,
    /// When to stop before the last epoch; never.
    pub stop: StopRules,
    /// Epochs between two looks at the test set, by observers and by the stop rules; 100.
    pub measure_every: u64,
    /// Checkpoints in a factor of 10 of epochs; 10. With 0 there is the one at the end alone, and every
    /// [`save_every`](TrainConfig::save_every) the state to resume from.
    pub checkpoints_per_decade: u32,
    /// Time between two saves of the state to resume from, beside the checkpoints; a minute.
    pub save_every: Duration,
}

/// When to stop before the last epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRules {
    /// When the mean loss over the training pairs, that of smoothed labels where they are smoothed, is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss_below: Option<f64>,
    /// When the mean loss over the test pairs is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss_below: Option<f64>,
    /// When the test loss has not fallen below its least for so many epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// When it stands still: when for so many steps in a row neither the objective nor the parameters have changed by more than
    /// this share of themselves, `|F' - F| <= below |F|` and `|p' - p| <= below |p|` in the Euclidean norm.
    ///
    /// The objective F is the training loss plus half the coupled weight decay times the square norm of the parameters: what Adam
    /// and SGD go down on. With AdamW, whose decay is no part of any loss, it is the training loss. It is looked at after every
    /// step, whatever [`measure_every`](TrainConfig::measure_every) is; not on a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged: Option<Converged>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 250_000,
            lr: 1e-3,
            optimiser: Optimiser::AdamW,
            weight_decay: 1.0,
            betas: (0.9, 0.98),
            eps: 1e-8,
            warmup_epochs: 0,
            lr_decay: LrDecay::Constant,
            label_smoothing: 0.0,
            seed: 1,
            stop: StopRules::default(),
            measure_every: 100,
            checkpoints_per_decade: 10,
            save_every: Duration::from_secs(60),
        }
    }
}

impl From<&RunConfig> for TrainConfig {
    fn from(config: &RunConfig) -> Self {
        Self {
            epochs: config.num_epochs,
            lr: config.lr,
            optimiser: config.optimiser,
            weight_decay: config.weight_decay,
            betas: config.betas,
            eps: config.eps,
            warmup_epochs: config.warmup_epochs,
            lr_decay: config.lr_decay,
            label_smoothing: config.label_smoothing,
            seed: config.seed,
            ..Self::default()
        }
    }
}

impl TrainConfig {
    /// The learning rate of step `step`, counted from 1.
    ///
    /// ```
    /// use irreplens::{checkpoint::LrDecay, train::TrainConfig};
    /// let config = TrainConfig {
    ///     lr: 1.0, epochs: 110, warmup_epochs: 10, lr_decay: LrDecay::Linear, ..TrainConfig::default()
    /// };
    /// assert_eq!([1, 10, 11, 61].map(|step| config.learning_rate(step)), [0.1, 1.0, 1.0, 0.5]);
    /// ```
    #[must_use]
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step <= self.warmup_epochs {
            return self.lr * step as f64 / self.warmup_epochs as f64;
        }
        let rest = self.epochs.saturating_sub(self.warmup_epochs).max(1);
        let done = ((step - 1 - self.warmup_epochs) as f64 / rest as f64).min(1.0);
        self.lr
            * match self.lr_decay {
                LrDecay::Constant => 1.0,
                LrDecay::Linear => 1.0 - done,
                LrDecay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            }
    }

    /// Half the weight decay that is part of the objective.
    pub(super) fn half_decay(&self) -> f64 {
        match self.optimiser {
            Optimiser::Adam | Optimiser::Sgd { .. } => 0.5 * self.weight_decay,
            _ => 0.0,
        }
    }

    /// What step `step`, from 1 on, is made with.
    pub(super) fn rates(&self, step: u64) -> Rates {
        let Self { optimiser, betas, eps, weight_decay, .. } = *self;
        Rates { optimiser, step, lr: self.learning_rate(step), betas, eps, weight_decay }
    }

    /// Whether a checkpoint is kept after `epoch` epochs: at 0 and at the rounded powers of `10^(1/per decade)`.
    pub(super) fn is_checkpoint(&self, epoch: u64) -> bool {
        if self.checkpoints_per_decade == 0 {
            return false;
        }
        let per_decade = f64::from(self.checkpoints_per_decade);
        let power = (per_decade * (epoch as f64).log10()).round();
        epoch == 0 || 10f64.powf(power / per_decade).round() == epoch as f64
    }

    /// Ranges, and whether there is a test set where the rules ask for one.
    pub(super) fn check(&self, test_pairs: usize) -> Result<()> {
        let positive = |what, value: f64| (what, "a number above 0", value, value > 0.0 && value.is_finite());
        let rate = |what, value: f64| (what, "a number from 0 up and below 1", value, (0.0..1.0).contains(&value));
        let stop = &self.stop;
        let momentum = match self.optimiser {
            Optimiser::Sgd { momentum } => momentum,
            _ => 0.0,
        };
        let needs_test = stop.test_loss_below.is_some() || stop.patience.is_some();
        let checks = [
            positive("lr", self.lr),
            (
                "weight_decay",
                "a number from 0 up",
                self.weight_decay,
                (0.0..f64::INFINITY).contains(&self.weight_decay),
            ),
            rate("betas, first", self.betas.0),
            rate("betas, second", self.betas.1),
            positive("eps", self.eps),
            rate("momentum", momentum),
            rate("label_smoothing", self.label_smoothing),
            positive("train_loss_below", stop.train_loss_below.unwrap_or(1.0)),
            positive("test_loss_below", stop.test_loss_below.unwrap_or(1.0)),
            positive("converged, below", stop.converged.map_or(1.0, |rule| rule.below)),
            positive("converged, steps", stop.converged.map_or(1.0, |rule| rule.steps as f64)),
            ("measure_every", "an integer from 1 up", self.measure_every as f64, self.measure_every > 0),
            ("test pairs, which a stop rule looks at", "at least 1", test_pairs as f64, !needs_test || test_pairs > 0),
        ];
        match checks.into_iter().find(|(.., holds)| !holds) {
            Some((what, expected, got, _)) => Err(Error::Range { what, expected, got }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_log_spaced() {
        let config = TrainConfig { checkpoints_per_decade: 4, ..TrainConfig::default() };
        let epochs: Vec<u64> = (0..2000).filter(|&epoch| config.is_checkpoint(epoch)).collect();
        assert_eq!(epochs, [0, 1, 2, 3, 6, 10, 18, 32, 56, 100, 178, 316, 562, 1000, 1778]);
    }

    #[test]
    fn cosine_falls_from_the_rate_to_nothing() {
        let config = TrainConfig { lr: 2.0, epochs: 100, lr_decay: LrDecay::Cosine, ..TrainConfig::default() };
        let rates = [1, 51, 101, 500].map(|step| config.learning_rate(step));
        assert!(rates.iter().zip([2.0, 1.0, 0.0, 0.0]).all(|(got, want)| (got - want).abs() < 1e-12), "{rates:?}");
    }
}

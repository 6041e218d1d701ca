//! One network of a sweep: its settings and its name.

use crate::analysis::digest;
use crate::checkpoint::RunConfig;
use crate::train::{StopRules, TrainConfig};
use serde::{Deserialize, Serialize};

/// Hexadecimal digits of a digest in a name: with 10^7 cells, two have one name with a chance of 3 in a million.
const DIGITS: usize = 16;

/// One network of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cell {
    /// What is trained, on which group, how.
    pub settings: RunConfig,
    /// When it stops early.
    pub stop: StopRules,
    /// Epochs between two looks at the test set.
    pub measure_every: u64,
}

impl Cell {
    pub(super) fn new(settings: RunConfig, stop: StopRules, measure_every: u64) -> Self {
        Self { settings, stop, measure_every }
    }

    /// The name of its folder: group, seed, and a digest of all that decides what its network becomes.
    ///
    /// ```
    /// let plan = irreplens::sweep::Plan::parse(r#"
    ///     group = "C7:C3"
    ///     model = "BetterOneLayerMLP"
    ///     layers.embed_dim = 8
    ///     seed = [4, 5]
    ///     frac_train = 1
    ///     lr = 1e-3
    ///     weight_decay = 0
    ///     num_epochs = 100
    /// "#)?;
    /// assert!(plan.cell(0)?.name().starts_with("C7-C3_seed4_"));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        let group = self.settings.group.name(self.settings.group_parameter);
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let text = serde_json::to_string(self).unwrap_or_else(|_| unreachable!("settings are JSON"));
        let group: String = group.chars().take(40).map(letter).collect();
        format!("{group}_seed{}_{}", self.settings.seed, &digest(text.bytes())[..DIGITS])
    }

    pub(super) fn train_config(&self) -> TrainConfig {
        let Self { settings, stop, measure_every } = self;
        TrainConfig { stop: *stop, measure_every: *measure_every, ..TrainConfig::from(settings) }
    }
}

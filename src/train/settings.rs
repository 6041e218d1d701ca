//! A trainer from the settings of a run.

use super::{TrainConfig, Trainer};
use crate::checkpoint::RunConfig;
use crate::error::Result;
use crate::memory;
use crate::task::Split;

impl Trainer {
    /// A new run by its settings: the network that they describe, on the group that they name, trained on the pairs of
    /// [`Split::published`] for their share and seed.
    ///
    /// # Arguments
    /// `config`: how it is trained, [`TrainConfig::from`] the settings, as a rule with rules of stopping.
    ///
    /// # Errors
    /// The errors of [`GroupKind::build`](crate::checkpoint::GroupKind::build), [`Split::published`] and [`new`](Trainer::new);
    /// [`Error::Memory`](crate::Error::Memory) for what is over the budget, before any of it is done.
    ///
    /// ```
    /// use irreplens::{checkpoint::RunConfig, train::{TrainConfig, Trainer}};
    ///
    /// let settings: RunConfig = serde_json::from_str(r#"{
    ///     "model": "BetterOneLayerMLP", "group": "C7", "seed": 1, "frac_train": 1, "layers": {"embed_dim": 8},
    ///     "lr": 1e-2, "weight_decay": 1, "num_epochs": 200
    /// }"#)?;
    /// let mut trainer = Trainer::from_settings(&settings, TrainConfig::from(&settings))?;
    /// assert!(trainer.run()?.metrics.train.loss < 7f64.ln());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_settings(settings: &RunConfig, config: TrainConfig) -> Result<Self> {
        let group = settings.group.build(settings.group_parameter)?;
        let (n, architecture) = (group.order(), settings.architecture());
        let train = (settings.frac_train * n as f64 * n as f64) as usize;
        // Before the split is made: what is too large is refused in no time.
        memory::check("training", architecture.training_bytes(n, train)?)?;
        let split = Split::published(n, settings.frac_train, settings.seed)?;
        Self::new(&group, architecture, split, config)
    }
}

//! Which optimiser a run is trained by: `optimiser` in `cfg.json`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a step follows from the gradient, by its name in `cfg.json`; `g` is the gradient and `p` the parameters.
///
/// Learning rate and weight decay `d` are settings of their own, as are the betas and eps of the first two.
///
/// # Example
/// ```
/// use irreplens::checkpoint::Optimiser;
///
/// let optimiser = Optimiser::Sgd { momentum: 0.9 };
/// assert_eq!(serde_json::to_string(&optimiser)?, r#"{"SGD":{"momentum":0.9}}"#);
/// assert_eq!(optimiser.to_string(), "SGD with momentum 0.9");
/// assert_eq!(Optimiser::default(), serde_json::from_str(r#""AdamW""#)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum Optimiser {
    /// Adam with decoupled weight decay, `torch.optim.AdamW`: every step takes `lr d p` off the parameters (Loshchilov and
    /// Hutter 2019, algorithm 2).
    #[default]
    AdamW,
    /// Adam with coupled weight decay, `torch.optim.Adam`: a step along `g + d p`, the gradient of the loss and of
    /// `d/2 |p|^2`, which the running means see too (Kingma and Ba 2015, algorithm 1).
    Adam,
    /// Gradient descent with momentum, `torch.optim.SGD` without dampening or Nesterov's correction:
    /// `v = momentum v + g + d p`, then `p -= lr v` (Sutskever et al. 2013, section 2, with `v` in units of the gradient).
    #[serde(rename = "SGD")]
    Sgd {
        /// Share of `v` that is kept from step to step, in [0, 1); 0 is plain gradient descent.
        momentum: f64,
    },
}

impl Optimiser {
    pub(super) fn is_in_range(&self) -> bool {
        match self {
            Self::AdamW | Self::Adam => true,
            Self::Sgd { momentum } => (0.0..1.0).contains(momentum),
        }
    }
}

impl fmt::Display for Optimiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AdamW => f.write_str("AdamW"),
            Self::Adam => f.write_str("Adam"),
            Self::Sgd { momentum } => write!(f, "SGD with momentum {momentum}"),
        }
    }
}

/// First words of the dotted names of tensors that are an optimiser's state, in checkpoints of this crate.
pub(super) const STATES: [&str; 3] = ["adamw", "adam", "sgd"];

/// Whether a tensor is an optimiser's state, beside the weights in a checkpoint of this crate.
pub(super) fn is_state(name: &str) -> bool {
    name.split_once('.').is_some_and(|(word, _)| STATES.contains(&word))
}

//! AdamW: Adam whose weight decay does not pass through the running means.

use super::adam::Factors;
use super::optimiser::{Kept, Rates};

pub(super) const KEPT: [Kept; 2] =
    [Kept { prefix: "adamw.first.", squares: false }, Kept { prefix: "adamw.second.", squares: true }];

/// AdamW's step is Adam's along the gradient alone, after `p -= lr decay p`.
///
/// Source: Loshchilov and Hutter 2019, algorithm 2; `torch.optim.AdamW`.
pub(super) fn factors(rates: &Rates) -> Factors {
    Factors { keep: (1.0 - rates.lr * rates.weight_decay) as f32, decay: 0.0, ..super::adam::factors(rates) }
}

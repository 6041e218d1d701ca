//! Gradient descent with momentum and coupled weight decay.

use super::optimiser::{CHUNK, Kept, LEAST, Rates, or_zero};
use crate::linalg::vectorised;
use rayon::prelude::*;

pub(super) const KEPT: [Kept; 1] = [Kept { prefix: "sgd.momentum.", squares: false }];

/// The numbers of one step, rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Factors {
    pub lr: f32,
    /// Coupled weight decay.
    pub decay: f32,
    pub momentum: f32,
}

pub(super) fn factors(rates: &Rates, momentum: f64) -> Factors {
    Factors { lr: rates.lr as f32, decay: rates.weight_decay as f32, momentum: momentum as f32 }
}

/// One step of gradient descent with momentum, with gradient g: `v = momentum v + g + decay p`; `p -= lr v`.
///
/// The momentum v starts at 0, so the first step is along the gradient, as PyTorch's without dampening. What is next to 0
/// becomes 0 ([`LEAST`]).
///
/// Source: `torch.optim.SGD`; Sutskever, Martens, Dahl and Hinton 2013, section 2.
pub(super) fn step(parameters: &mut [f32], gradient: &[f32], state: &mut [&mut [f32]], factors: Factors) {
    let Factors { lr, decay, momentum } = factors;
    let [velocity] = state else { unreachable!("SGD keeps one vector") };
    let chunks = parameters.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(velocity.par_chunks_mut(CHUNK));
    chunks.for_each(|((parameters, gradient), velocity)| {
        vectorised(
            #[inline(always)]
            || {
                for ((p, &g), v) in parameters.iter_mut().zip(gradient).zip(velocity) {
                    *v = or_zero(momentum * *v + (g + decay * *p), f32::MIN_POSITIVE);
                    *p = or_zero(*p - lr * *v, LEAST);
                }
            },
        );
    });
}

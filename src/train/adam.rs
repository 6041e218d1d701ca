//! Adam, with the weight decay added to the gradient; its step is AdamW's too.

use super::optimiser::{CHUNK, Kept, LEAST, Rates, or_zero};
use crate::linalg::vectorised;
use rayon::prelude::*;

pub(super) const KEPT: [Kept; 2] =
    [Kept { prefix: "adam.first.", squares: false }, Kept { prefix: "adam.second.", squares: true }];

/// The numbers of one step, rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Factors {
    /// What decoupled weight decay leaves of a parameter.
    pub keep: f32,
    /// Coupled weight decay.
    pub decay: f32,
    /// `lr / (1 - b1^t)`.
    pub step_size: f32,
    /// `1 / sqrt(1 - b2^t)`.
    pub correction: f32,
    /// `1 - b1`, `b2`, `1 - b2`.
    pub toward: f32,
    pub stay: f32,
    pub square: f32,
    pub eps: f32,
}

/// Adam's for step t, from 1 on.
pub(super) fn factors(rates: &Rates) -> Factors {
    let Rates { step, lr, betas: (b1, b2), eps, weight_decay, .. } = *rates;
    let t = step as f64;
    Factors {
        keep: 1.0,
        decay: weight_decay as f32,
        step_size: (lr / (1.0 - b1.powf(t))) as f32,
        correction: (1.0 / (1.0 - b2.powf(t)).sqrt()) as f32,
        toward: (1.0 - b1) as f32,
        stay: b2 as f32,
        square: (1.0 - b2) as f32,
        eps: eps as f32,
    }
}

/// One step of Adam, with gradient g:
/// `g += decay p`; `m += (1 - b1) (g - m)`; `v = b2 v + (1 - b2) g^2`;
/// `p = keep p - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
///
/// What is next to 0 becomes 0 ([`LEAST`]).
///
/// Source: Kingma and Ba 2015, algorithm 1; `torch.optim.Adam`.
pub(super) fn step(parameters: &mut [f32], gradient: &[f32], state: &mut [&mut [f32]], factors: Factors) {
    if factors.decay == 0.0 {
        step_along::<false>(parameters, gradient, state, factors);
    } else {
        step_along::<true>(parameters, gradient, state, factors);
    }
}

/// The step, with or without coupled weight decay.
fn step_along<const DECAY: bool>(parameters: &mut [f32], gradient: &[f32], state: &mut [&mut [f32]], factors: Factors) {
    let Factors { keep, decay, step_size, correction, toward, stay, square, eps } = factors;
    let [first, second] = state else { unreachable!("Adam keeps two vectors") };
    let chunks = parameters
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)));
    chunks.for_each(|((parameters, gradient), (first, second))| {
        vectorised(
            #[inline(always)]
            || {
                let moments = first.iter_mut().zip(second);
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                    let g = if DECAY { g + decay * *p } else { g };
                    *m = or_zero(*m + toward * (g - *m), f32::MIN_POSITIVE);
                    *v = or_zero(stay * *v + square * g * g, f32::MIN_POSITIVE);
                    *p = or_zero(*p * keep - step_size * *m / (v.sqrt() * correction + eps), LEAST);
                }
            },
        );
    });
}

use crate::linalg::vectorised;
use rayon::prelude::*;

/// Parameters updated by one task.
const CHUNK: usize = 1 << 13;

/// The state of AdamW and its step, as PyTorch defines it.
///
/// With gradient g, step t from 1 on:
/// `p -= lr decay p`; `m += (1 - b1) (g - m)`; `v = b2 v + (1 - b2) g^2`;
/// `p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
///
/// Decoupled weight decay: Loshchilov and Hutter 2019, algorithm 2; the order of operations is that of
/// `torch.optim.AdamW`. Scalars are `f64` rounded to `f32` once, arrays `f32`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AdamW {
    /// Steps taken.
    pub step: u64,
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of its square.
    pub second: Vec<f32>,
}

/// What AdamW's step is made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub lr: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
}

/// The numbers of one step, rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Factors {
    /// What weight decay leaves of a parameter.
    pub keep: f32,
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

impl Rates {
    /// For step `step`, from 1 on.
    pub(super) fn factors(&self, step: u64) -> Factors {
        let Self { lr, betas: (b1, b2), eps, weight_decay } = *self;
        let t = step as f64;
        Factors {
            keep: (1.0 - lr * weight_decay) as f32,
            step_size: (lr / (1.0 - b1.powf(t))) as f32,
            correction: (1.0 / (1.0 - b2.powf(t)).sqrt()) as f32,
            toward: (1.0 - b1) as f32,
            stay: b2 as f32,
            square: (1.0 - b2) as f32,
            eps: eps as f32,
        }
    }
}

impl AdamW {
    pub(super) fn new(parameters: usize) -> Self {
        Self { step: 0, first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }

    /// One step along minus `gradient`. Elementwise, so its bits depend on nothing but the numbers.
    pub(super) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rates: Rates) {
        self.step += 1;
        let Factors { keep, step_size, correction, toward, stay, square, eps } = rates.factors(self.step);
        let chunks = parameters
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(self.first.par_chunks_mut(CHUNK).zip(self.second.par_chunks_mut(CHUNK)));
        chunks.for_each(|((parameters, gradient), (first, second))| {
            vectorised(
                #[inline(always)]
                || {
                    let moments = first.iter_mut().zip(second);
                    for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                        *m += toward * (g - *m);
                        *v = stay * *v + square * g * g;
                        *p = *p * keep - step_size * *m / (v.sqrt() * correction + eps);
                    }
                },
            );
        });
    }
}

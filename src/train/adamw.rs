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

impl AdamW {
    pub(super) fn new(parameters: usize) -> Self {
        Self { step: 0, first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }

    /// One step along minus `gradient`. Elementwise, so its bits depend on nothing but the numbers.
    pub(super) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rates: Rates) {
        self.step += 1;
        let Rates { lr, betas: (b1, b2), eps, weight_decay } = rates;
        let t = self.step as f64;
        let keep = (1.0 - lr * weight_decay) as f32;
        let step_size = (lr / (1.0 - b1.powf(t))) as f32;
        let correction = (1.0 / (1.0 - b2.powf(t)).sqrt()) as f32;
        let (toward, stay, square, eps) = ((1.0 - b1) as f32, b2 as f32, (1.0 - b2) as f32, eps as f32);
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

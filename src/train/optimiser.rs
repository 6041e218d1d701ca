//! The optimisers behind one interface: the vectors that each keeps from step to step, and its step.
//!
//! | [`Optimiser`] | file | keeps |
//! |---|---|---|
//! | `AdamW` | `adamw.rs` | running means of the gradient and of its square |
//! | `Adam` | `adam.rs` | running means of the gradient and of its square |
//! | `Sgd` | `sgd.rs` | the momentum |
//!
//! Steps are elementwise, so their bits depend on nothing but the numbers. Scalars are `f64` rounded to `f32` once, arrays
//! `f32`, and the order of operations is that of `torch.optim`.

use super::{adam, adamw, sgd};
use crate::checkpoint::Optimiser;
use crate::model::Network;
use std::ops::Range;

/// Parameters updated by one task.
pub(super) const CHUNK: usize = 1 << 13;

/// A vector that an optimiser keeps, as long as the parameters.
#[derive(Debug)]
pub(super) struct Kept {
    /// What the names of its tensors begin with in a checkpoint.
    pub prefix: &'static str,
    /// Whether it is a mean of squares, which is never negative.
    pub squares: bool,
}

/// Vectors that an optimiser keeps from step to step: all of its state but the number of steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OptimiserState(pub Vec<Vec<f32>>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub optimiser: Optimiser,
    /// Counted from 1.
    pub step: u64,
    pub lr: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
}

/// The numbers of one step, rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Factors {
    Adam(adam::Factors),
    Sgd(sgd::Factors),
}

impl OptimiserState {
    /// Before the first step.
    pub(super) fn new(optimiser: Optimiser, parameters: usize) -> Self {
        Self(kept(optimiser).iter().map(|_| vec![0.0; parameters]).collect())
    }

    /// One step along minus `gradient` of the parameters in these ranges.
    pub(super) fn step(&mut self, trained: &[Range<usize>], parameters: &mut [f32], gradient: &[f32], rates: &Rates) {
        for range in trained {
            let (parameters, gradient) = (&mut parameters[range.clone()], &gradient[range.clone()]);
            let mut state: Vec<&mut [f32]> = self.0.iter_mut().map(|vector| &mut vector[range.clone()]).collect();
            match rates.factors() {
                Factors::Adam(factors) => adam::step(parameters, gradient, &mut state, factors),
                Factors::Sgd(factors) => sgd::step(parameters, gradient, &mut state, factors),
            }
        }
    }
}

/// A parameter nearer to 0 than this is set to 0, and so is what an optimiser keeps below the normal range of `f32`.
///
/// Weight decay takes neurons that nothing needs ever nearer to 0; once products of their numbers leave the normal range, a
/// processor takes some hundred times as long for each, and a step fifty times as long.
pub(super) const LEAST: f32 = 1.0 / (1u128 << 96) as f32;

/// A number, or 0 if it is nearer to 0 than `least`.
#[inline(always)]
pub(super) fn or_zero(value: f32, least: f32) -> f32 {
    if value.abs() < least { 0.0 } else { value }
}

/// Where the parameters lie that are trained, all but the frozen ones; neighbours are one range.
pub(super) fn trained(network: &Network) -> Vec<Range<usize>> {
    let mut trained: Vec<Range<usize>> = Vec::new();
    for weight in network.weights().iter().filter(|weight| !weight.frozen) {
        match trained.last_mut() {
            Some(last) if last.end == weight.range.start => last.end = weight.range.end,
            _ => trained.push(weight.range.clone()),
        }
    }
    trained
}

impl Rates {
    pub(super) fn factors(&self) -> Factors {
        match self.optimiser {
            Optimiser::AdamW => Factors::Adam(adamw::factors(self)),
            Optimiser::Adam => Factors::Adam(adam::factors(self)),
            Optimiser::Sgd { momentum } => Factors::Sgd(sgd::factors(self, momentum)),
        }
    }
}

/// The vectors that an optimiser keeps, in the order of [`OptimiserState`].
pub(super) fn kept(optimiser: Optimiser) -> &'static [Kept] {
    match optimiser {
        Optimiser::AdamW => &adamw::KEPT,
        Optimiser::Adam => &adam::KEPT,
        Optimiser::Sgd { .. } => &sgd::KEPT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_nothing_needs_becomes_0() {
        for optimiser in [Optimiser::AdamW, Optimiser::Adam, Optimiser::Sgd { momentum: 0.0 }] {
            let (mut parameters, gradient) = (vec![1e-3_f32, 0.5], vec![0.0, -0.1]);
            let mut state = OptimiserState::new(optimiser, 2);
            for step in 1..=3000 {
                let rates = Rates { optimiser, step, lr: 0.05, betas: (0.9, 0.98), eps: 1.0, weight_decay: 1.0 };
                state.step(std::slice::from_ref(&(0..2)), &mut parameters, &gradient, &rates);
            }
            assert_eq!(parameters[0], 0.0, "{optimiser:?}");
            assert!(parameters[1] > 0.05, "{optimiser:?}");
            let kept = state.0.iter().flatten();
            assert!(kept.clone().all(|v| *v == 0.0 || v.is_normal()), "{optimiser:?} {:?}", kept.collect::<Vec<_>>());
        }
    }
}

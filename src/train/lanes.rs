//! Small networks trained side by side in the lanes of vectors: see `model/network/lanes`.

use super::optimiser::{OptimiserState, trained};
use super::steady::changes;
use super::together::{Diverged, Engine, Epochs, run_together};
use super::{Outcome, TrainConfig, Trainer};
use crate::error::{Error, Result};
use crate::model::{Evaluation, LANES, LanePairs, Lanes, Network};
use std::ops::Range;

/// Whether a network is trained in lanes.
pub(super) fn is_small(network: &Network, config: &TrainConfig) -> bool {
    config.label_smoothing == 0.0 && Lanes::<1>::new(network).is_some()
}

/// Runs the trainers of small networks side by side.
pub(super) fn run_in_lanes(trainers: &mut [&mut Trainer]) -> Vec<Result<Outcome>> {
    match trainers {
        [_] => run_together(trainers, 1, InLanes::<1>::new),
        _ => run_together(trainers, LANES, InLanes::<LANES>::new),
    }
}

/// The networks of a batch, one a lane.
struct InLanes<const L: usize> {
    lanes: Lanes<L>,
    train: LanePairs<L>,
    test: Option<LanePairs<L>>,
    /// The vectors that the optimiser keeps: (parameter, lane) each.
    optimiser: OptimiserState,
    /// What of the parameters is trained, counted in numbers of all lanes.
    trained: Vec<Range<usize>>,
    networks: usize,
}

impl<const L: usize> InLanes<L> {
    fn new(trainers: &[&Trainer]) -> Result<Self> {
        let (first, networks) = (trainers[0], trainers.len());
        let network = first.network();
        let Some(lanes) = Lanes::new(network) else {
            let needs = "a small network without attention";
            return Err(Error::Unsupported { analysis: "training side by side", needs });
        };
        let side_by_side = |of: &dyn Fn(&Trainer) -> Vec<f32>| {
            let all: Vec<Vec<f32>> = trainers.iter().map(|trainer| of(trainer)).collect();
            let mut lanes = vec![0.0; all[0].len() * L];
            for (lane, values) in all.iter().enumerate() {
                lanes[lane..].iter_mut().step_by(L).zip(values).for_each(|(to, value)| *to = *value);
            }
            lanes
        };
        let kept = first.optimiser().0.len();
        let optimiser = (0..kept).map(|k| side_by_side(&|trainer| trainer.optimiser().0[k].clone())).collect();
        let sets = |of: fn(&Trainer) -> &[usize]| {
            let sets: Vec<&[usize]> = trainers.iter().map(|trainer| of(trainer)).collect();
            LanePairs::new(first.task(), &sets)
        };
        let train = sets(|trainer| &trainer.split().train);
        let test = sets(|trainer| &trainer.split().test);
        let in_lanes = |range: Range<usize>| range.start * L..range.end * L;
        let mut this = Self {
            lanes,
            train,
            test: Some(test).filter(|test| test.len() > 0),
            optimiser: OptimiserState(optimiser),
            trained: trained(network).into_iter().map(in_lanes).collect(),
            networks,
        };
        let parameters = side_by_side(&|trainer| trainer.network().parameters().to_vec());
        this.lanes.parameters_mut().0.copy_from_slice(&parameters);
        Ok(this)
    }
}

impl<const L: usize> Engine for InLanes<L> {
    fn evaluate_train(&mut self) -> Result<Vec<Evaluation>> {
        Ok(self.lanes.evaluate(&self.train).to_vec())
    }

    fn evaluate_test(&mut self) -> Result<Option<Vec<Evaluation>>> {
        Ok(self.test.as_ref().map(|test| self.lanes.evaluate(test).to_vec()))
    }

    fn epochs(&mut self, count: u64, config: &TrainConfig, done: u64) -> Result<Vec<Epochs>> {
        let mut epochs = vec![Epochs::default(); self.networks];
        for step in done + 1..=done + count {
            let stands = config.stop.converged.is_some();
            let losses = match stands {
                false => self.lanes.gradient(&self.train),
                true => self.lanes.gradient_and_loss(&self.train),
            };
            for (epochs, &loss) in epochs.iter_mut().zip(&losses).filter(|(_, loss)| !loss.is_finite()) {
                epochs.diverged.get_or_insert(Diverged { epoch: step - 1, loss });
            }
            let (parameters, gradient) = self.lanes.parameters_mut();
            let before = stands.then(|| parameters.to_vec());
            self.optimiser.step(&self.trained, parameters, gradient, &config.rates(step));
            let Some(before) = before else { continue };
            let [changes, squares] = changes::<L>(&before, parameters, &self.trained);
            for (lane, epochs) in epochs.iter_mut().enumerate() {
                let objective = losses[lane] + config.half_decay() * squares[lane];
                epochs.steps.push((objective, [changes[lane], squares[lane]]));
            }
        }
        Ok(epochs)
    }

    fn read(&self, network: usize, trainer: &mut Trainer) -> Result<()> {
        let state = trainer.state_mut();
        let copy = |from: &[f32], to: &mut [f32]| {
            to.iter_mut().zip(from[network..].iter().step_by(L)).for_each(|(to, from)| *to = *from);
        };
        copy(self.lanes.parameters(), state.network.parameters_mut());
        self.optimiser.0.iter().zip(&mut state.optimiser.0).for_each(|(from, to)| copy(from, to));
        Ok(())
    }
}

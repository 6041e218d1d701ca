//! How faithful an explanation is: the idealised network beside the one that it explains.

use super::Explanation;
use crate::error::Result;
use crate::linalg::map_blocks;
use crate::model::{Evaluation, Hooks, Interpretable, block_rows, check_task};
use crate::task::Task;

/// What the loss needs of one circuit.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct CircuitLosses {
    /// The circuit, by its place in [`Explanation::circuits`].
    pub circuit: usize,
    /// The loss and accuracy of this circuit alone.
    pub alone: Evaluation,
    /// The loss and accuracy of all other circuits.
    pub without: Evaluation,
    /// The loss and accuracy of this circuit with those before it in the list.
    pub so_far: Evaluation,
}

/// An idealised network beside the one that it explains, over all pairs: what [`Explanation::compare`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The network's loss and accuracy.
    pub network: Evaluation,
    /// The idealised network's loss and accuracy.
    pub explanation: Evaluation,
    /// The loss and accuracy of what the explanation leaves.
    pub remainder: Evaluation,
    /// Share of pairs at which the two have their (first) largest logit at one class.
    pub agreement: f64,
    /// Mean over pairs and classes of the difference of their logits, each less the pair's mean, without sign.
    pub mean_difference: f64,
    /// The largest such difference.
    pub largest_difference: f64,
    /// Mean over pairs of the Kullback-Leibler divergence of the idealised network's distribution from the network's, in nats.
    pub divergence: f64,
    /// `(ln n - loss of the explanation) / (ln n - loss of the network)`: 1 if it does as well, 0 if no better than a guess; `None`
    /// where the network itself is no better.
    pub loss_recovered: Option<f64>,
    /// Every circuit by itself, in the order in which each adds the most: that with the least loss alone first, then that with
    /// which the loss falls furthest, and so on.
    pub circuits: Vec<CircuitLosses>,
}

/// What is summed up over pairs.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Differences {
    agreeing: usize,
    sum: f64,
    largest: f64,
    divergence: f64,
}

impl Explanation {
    /// How faithful is the explanation: losses, agreement and differences over all pairs, with what each circuit adds.
    ///
    /// # Errors
    /// [`Error::OtherModel`](crate::Error::OtherModel) for a model that the explanation is not of; those of
    /// [`evaluate`](Interpretable::evaluate).
    ///
    /// Cost: four passes over all pairs, and about one for each circuit and each that it is added to.
    pub fn compare(&self, model: &(impl Interpretable + ?Sized), task: &Task) -> Result<Comparison> {
        let model: &dyn Interpretable = &model;
        self.check(model)?;
        check_task(model, task)?;
        let all = |model: &dyn Interpretable| model.evaluate(task, &Hooks::none());
        let (network, explanation) = (all(model)?, all(self)?);
        let n = task.order();
        let rows = block_rows(model).min(block_rows(self));
        let blocks = map_blocks(n * n, rows, |range| {
            let pairs = task.pairs(range);
            Ok::<_, crate::Error>(differences(model.forward(&pairs)?.view(), self.forward(&pairs)?.view()))
        });
        let mut total = Differences::default();
        for block in blocks {
            let block = block?;
            total.agreeing += block.agreeing;
            total.sum += block.sum;
            total.largest = total.largest.max(block.largest);
            total.divergence += block.divergence;
        }
        let pairs = (n * n) as f64;
        let guess = (n as f64).ln();
        Ok(Comparison {
            network,
            explanation,
            remainder: all(&self.remainder(model)?)?,
            agreement: total.agreeing as f64 / pairs,
            mean_difference: total.sum / (pairs * n as f64),
            largest_difference: total.largest,
            divergence: total.divergence / pairs,
            loss_recovered: (network.loss < guess).then(|| (guess - explanation.loss) / (guess - network.loss)),
            circuits: self.circuit_losses(task)?,
        })
    }

    fn circuit_losses(&self, task: &Task) -> Result<Vec<CircuitLosses>> {
        let evaluate = |circuits: &[usize]| self.of_circuits(circuits)?.evaluate(task, &Hooks::none());
        let every: Vec<usize> = (0..self.circuits.len()).collect();
        let alone: Vec<Evaluation> = every.iter().map(|&c| evaluate(&[c])).collect::<Result<_>>()?;
        let (mut order, mut losses): (Vec<usize>, Vec<CircuitLosses>) = Default::default();
        while order.len() < every.len() {
            let mut best: Option<(usize, Evaluation)> = None;
            for &circuit in every.iter().filter(|circuit| !order.contains(circuit)) {
                let with = match order.is_empty() {
                    true => alone[circuit],
                    false => evaluate(&[&order[..], &[circuit]].concat())?,
                };
                if best.is_none_or(|(_, so_far)| with.loss < so_far.loss) {
                    best = Some((circuit, with));
                }
            }
            let Some((circuit, so_far)) = best else { break };
            order.push(circuit);
            let others: Vec<usize> = every.iter().copied().filter(|&other| other != circuit).collect();
            losses.push(CircuitLosses { circuit, alone: alone[circuit], without: evaluate(&others)?, so_far });
        }
        Ok(losses)
    }
}

fn differences(a: ndarray::ArrayView2<'_, f32>, b: ndarray::ArrayView2<'_, f32>) -> Differences {
    let mut total = Differences::default();
    for (a, b) in a.rows().into_iter().zip(b.rows()) {
        let (a, b) = (a.mapv(f64::from), b.mapv(f64::from));
        let mean = |v: &ndarray::Array1<f64>| v.sum() / v.len() as f64;
        let (mean_a, mean_b) = (mean(&a), mean(&b));
        // ln of the sum of exponentials, shifted by the largest; the first largest class.
        let of = |v: &ndarray::Array1<f64>| {
            let (mut best, mut largest) = (0, f64::NEG_INFINITY);
            for (z, &value) in v.iter().enumerate() {
                if value > largest {
                    (best, largest) = (z, value);
                }
            }
            (best, largest + v.iter().map(|v| (v - largest).exp()).sum::<f64>().ln())
        };
        let ((best_a, log_a), (best_b, log_b)) = (of(&a), of(&b));
        total.agreeing += usize::from(best_a == best_b);
        for (&a, &b) in a.iter().zip(&b) {
            let off = ((a - mean_a) - (b - mean_b)).abs();
            total.sum += off;
            total.largest = total.largest.max(off);
            total.divergence += (a - log_a).exp() * ((a - log_a) - (b - log_b));
        }
    }
    total
}

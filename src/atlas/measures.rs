//! What is measured of one network of a sweep.

use crate::analysis::{
    IrrepMeasures, KEY_SIMILARITY, ProvenBy, Purity, certify, cosets, explain, purity, representation,
};
use crate::checkpoint::Run;
use crate::error::{Error, Result};
use crate::fourier::{BlockId, IrrepBasis};
use crate::group::{Group, subgroup_classes};
use crate::irrep::Kind;
use crate::model::{Evaluation, Interpretable, Network};
use crate::task::Task;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A neuron is pure for an irrep that has all but this share of its maps: [`purity`](purity()).
pub const IMPURE: f64 = 0.05;

/// The spectral count leaves out irreps with this share of the squared trace similarities, at most.
pub const LEFT_OUT: f64 = 0.05;

/// Subgroups up to which the cosets of neurons are looked for.
const SUBGROUPS: usize = 2000;

/// What is asked of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Question {
    /// Losses and the measures of every irrep: always answered.
    Irreps,
    /// From which checkpoint on each irrep is a key irrep; needs checkpoints along the way.
    Appearance,
    /// How many neurons are concentrated on cosets.
    Cosets,
    /// The algorithm, and how faithful it is.
    Explanation,
    /// For what share of the pairs the explanation proves the answer.
    Certificate,
}

/// How a network uses one irrep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IrrepUse {
    /// Its name.
    pub label: String,
    /// Its kind.
    pub kind: Kind,
    /// Dimension of the real irrep.
    pub dim: usize,
    /// Whether its trace similarity, of either sign, is at least [`KEY_SIMILARITY`].
    pub key: bool,
    /// Cosine of the logits, centred over the classes, with its character; `None` for logits that are equal over the classes.
    pub trace_similarity: Option<f64>,
    /// Share of the map x -> neuron.
    pub embed_left: Option<f64>,
    /// Share of the map y -> neuron.
    pub embed_right: Option<f64>,
    /// Share of the centred unembedding.
    pub unembed_centred: Option<f64>,
    /// Neurons labelled with it.
    pub neurons: usize,
    /// Neurons that are pure for it, with [`IMPURE`]; `None` where the network has no maps of its neurons.
    pub pure_neurons: Option<usize>,
    /// Loss over the training pairs without the logits' component along its character; `None` unless it is a key irrep.
    pub excluded_loss: Option<f64>,
    /// The first checkpoint from which on it is a key irrep at all that follow, where that was asked; `None` if it is none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeared: Option<u64>,
}

/// What a network computes with, in numbers: what [`measure`] returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measures {
    /// Number of elements of the group.
    pub order: usize,
    /// Number of neurons.
    pub neurons: usize,
    /// Sum of the squares of its weights.
    pub sum_of_squared_weights: Option<f64>,
    /// Over all pairs.
    pub all: Evaluation,
    /// Over the training pairs.
    pub train: Option<Evaluation>,
    /// Over the test pairs; `None` where there are none.
    pub test: Option<Evaluation>,
    /// Every real irrep of the group, the trivial one first.
    pub irreps: Vec<IrrepUse>,
    /// Fraction of the centred logits that the characters explain.
    pub logit_fve: Option<f64>,
    /// The least number of nontrivial irreps whose squared trace similarities are all but [`LEFT_OUT`] of their sum; `None` where
    /// all are 0.
    pub spectral_count: Option<usize>,
    /// Neurons that are pure for no irrep, with [`IMPURE`].
    pub impure_neurons: Option<usize>,
    /// Neurons concentrated on cosets of some subgroup, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_cosets: Option<usize>,
    /// The algorithm, where that was asked and there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<Explained>,
    /// What is proven, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified: Option<Certified>,
    /// Why there is no answer to a question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An explanation in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explained {
    /// Circuits.
    pub circuits: usize,
    /// Numbers that the idealised network consists of.
    pub numbers: usize,
    /// Over all pairs, of the idealised network.
    pub idealised: Evaluation,
    /// Share of the pairs to which both give the same answer.
    pub agreement: f64,
    /// Loss recovered.
    pub loss_recovered: Option<f64>,
}

/// A certificate in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certified {
    /// Share of the pairs that are proven right.
    pub accuracy: f64,
    /// Operations of the proof, as a share of those of running every pair.
    pub operations: f64,
}

impl Measures {
    /// The key irreps, in their order.
    pub fn key(&self) -> impl Iterator<Item = &IrrepUse> {
        self.irreps.iter().filter(|irrep| irrep.key)
    }

    /// The nontrivial irrep with the largest trace similarity; `None` where none is above 0.
    #[must_use]
    pub fn leading(&self) -> Option<&IrrepUse> {
        let similarity = |irrep: &IrrepUse| irrep.trace_similarity.unwrap_or(0.0);
        let above = self.irreps.iter().skip(1).filter(|irrep| similarity(irrep) > 0.0);
        above.max_by(|a, b| similarity(a).total_cmp(&similarity(b)))
    }
}

/// Measures the network of a run in the irreps of its group.
///
/// # Arguments
/// `order`: the element order of a symmetric or alternating group, as for
/// [`Run::group_in_order`](crate::checkpoint::Run::group_in_order). `questions`: what else is asked.
///
/// # Errors
/// The errors of reading the run and of [`representation`](representation()). That a network has no explanation, or that its neurons
/// have no maps, is no error: [`Measures::notes`] say so.
///
/// Cost: that of the analyses asked for.
///
/// ```
/// use irreplens::{atlas::measure, checkpoint::Run};
///
/// let found = measure(&Run::open("examples/data/D53")?, None, &[])?;
/// assert!(found.all.accuracy == 1.0 && found.spectral_count.unwrap() <= found.key().count());
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn measure(run: &Run, order: Option<&Path>, questions: &[Question]) -> Result<Measures> {
    let (group, permutations) = run.group_in_order(order)?;
    let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?;
    let (task, split, model) = (Task::try_new(&group)?, run.split()?, run.model()?);
    let found = representation(&model, &group, &basis, &task, &split)?;
    let mut notes = Vec::new();
    // Of every neuron the irrep that it is pure for.
    let is_pure = |found: Option<Purity>| found.filter(|found| found.share >= 1.0 - IMPURE).map(|found| found.block);
    let pure: Option<Vec<Option<BlockId>>> =
        answer(purity(&model, &basis), &mut notes)?.map(|found| found.into_iter().map(is_pure).collect());
    let on_cosets = match questions.contains(&Question::Cosets) {
        true => answer(of_cosets(&model, &group), &mut notes)?,
        false => None,
    };
    let is_asked = |question: &Question| [Question::Explanation, Question::Certificate].contains(question);
    let (explained, certified) = match questions.iter().any(is_asked) {
        true => answer(explained(&run.network()?, &group, &basis, &task, questions), &mut notes)?.unwrap_or_default(),
        false => Default::default(),
    };
    let similarities = || found.irreps[1..].iter().map(|irrep| irrep.trace_similarity.unwrap_or(0.0));
    let clusters = found.neurons.clusters();
    let use_of = |(b, irrep): (usize, &IrrepMeasures)| IrrepUse {
        label: irrep.irrep.label.clone(),
        kind: irrep.irrep.kind,
        dim: irrep.irrep.dim,
        key: is_key(b, irrep),
        trace_similarity: irrep.trace_similarity,
        embed_left: irrep.embed_left,
        embed_right: irrep.embed_right,
        unembed_centred: irrep.unembed_centred,
        neurons: clusters.iter().find(|(block, _)| **block == b).map_or(0, |(_, neurons)| neurons.len()),
        pure_neurons: pure.as_ref().map(|pure| pure.iter().flatten().filter(|block| **block == b).count()),
        excluded_loss: irrep.losses.and_then(|losses| losses.logit_excluded).map(|evaluation| evaluation.loss),
        appeared: None,
    };
    let mut irreps: Vec<IrrepUse> = found.irreps.iter().enumerate().map(use_of).collect();
    if questions.contains(&Question::Appearance) {
        for (epoch, path) in run.checkpoints()? {
            let then = representation(&run.at(path)?.model()?, &group, &basis, &task, &split)?;
            for (b, irrep) in then.irreps.iter().enumerate() {
                // One that is a key irrep for a while only has not appeared.
                irreps[b].appeared = is_key(b, irrep).then(|| irreps[b].appeared.unwrap_or(epoch));
            }
        }
    }
    Ok(Measures {
        order: group.order(),
        neurons: found.neurons.neurons.len(),
        sum_of_squared_weights: run.sum_of_squared_weights()?,
        all: found.all,
        train: found.train,
        test: found.test,
        spectral_count: spectral_count(similarities()),
        irreps,
        logit_fve: found.logit_fve,
        impure_neurons: pure.map(|pure| pure.iter().filter(|block| block.is_none()).count()),
        on_cosets,
        explained,
        certified,
        notes,
    })
}

/// An answer, or a note on why a network of its kind has none.
fn answer<T>(found: Result<T>, notes: &mut Vec<String>) -> Result<Option<T>> {
    match found {
        Err(error @ Error::Unsupported { .. }) => {
            notes.push(error.to_string());
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// Whether an irrep of the basis is a key irrep: as published, but of either sign.
fn is_key(block: usize, irrep: &IrrepMeasures) -> bool {
    block > 0 && irrep.trace_similarity.is_some_and(|similarity| similarity.abs() >= KEY_SIMILARITY)
}

/// The least number of shares whose squares sum to all but [`LEFT_OUT`] of the sum of all squares.
fn spectral_count(shares: impl Iterator<Item = f64>) -> Option<usize> {
    let mut squares: Vec<f64> = shares.map(|share| share * share).collect();
    squares.sort_by(|a, b| b.total_cmp(a));
    let whole: f64 = squares.iter().sum();
    let sums = squares.iter().scan(0.0, |sum, square| {
        *sum += square;
        Some(*sum)
    });
    (whole > 0.0).then(|| sums.take_while(|sum| *sum < (1.0 - LEFT_OUT) * whole).count() + 1)
}

/// The number of neurons that are concentrated on cosets.
fn of_cosets(model: &dyn Interpretable, group: &dyn Group) -> Result<usize> {
    let found = cosets(model, group, &subgroup_classes(group, SUBGROUPS)?)?;
    Ok(found.neurons.iter().filter(|neuron| neuron.class.is_some()).count())
}

/// The explanation of a network and its certificate, of those that are asked for.
fn explained(
    network: &Network,
    group: &dyn Group,
    basis: &IrrepBasis,
    task: &Task,
    questions: &[Question],
) -> Result<(Option<Explained>, Option<Certified>)> {
    let explanation = explain(network, group, basis)?;
    let of_explanation = || {
        let compared = explanation.compare(network, task)?;
        Ok(Explained {
            circuits: explanation.circuits.len(),
            numbers: explanation.numbers(),
            idealised: compared.explanation,
            agreement: compared.agreement,
            loss_recovered: compared.loss_recovered,
        })
    };
    let of_certificate = || {
        let proof = certify(network, &explanation, task, ProvenBy::Explanation)?;
        let operations = proof.operations as f64 / proof.brute_force as f64;
        Ok(Certified { accuracy: proof.accuracy(), operations })
    };
    let asked = |question| questions.contains(&question);
    Ok((
        asked(Question::Explanation).then(of_explanation).transpose()?,
        asked(Question::Certificate).then(of_certificate).transpose()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::spectral_count;

    #[test]
    fn spectral_counts_leave_out_a_twentieth_of_the_squares() {
        let count = |shares: &[f64]| spectral_count(shares.iter().copied());
        assert_eq!(count(&[0.0, 0.0]), None);
        assert_eq!(count(&[0.0, 0.7]), Some(1));
        assert_eq!(count(&[0.6, -0.6, 0.1]), Some(2));
        // 0.95 of the whole is enough, a little less is not.
        assert_eq!(count(&[0.95f64.sqrt() + 1e-9, 0.05f64.sqrt()]), Some(1));
        assert_eq!(count(&[0.95f64.sqrt() - 1e-9, 0.05f64.sqrt()]), Some(2));
    }
}

//! The notebook's analyses of one model, in one pass over its pairs.

use super::ablation::{
    Ablation, ClusterParts, add_per_class, centring, check_ablated, cluster_losses, hidden_centred, own_block_only,
};
use super::embedding::{EmbeddingSpectra, embedding};
use super::logits::{DirectionSums, Directions, LogitDirections, check_order};
use super::neurons::{NeuronClusters, label};
use super::notebook::{Labels, Published, component_norms_of_sum, parity, unembedding_of};
use super::spectrum::mean_logit_spectrum;
use super::table::{Cell, Table};
use super::terms::*;
use crate::error::{Error, Result};
use crate::fourier::{BlockId, FourierBasis};
use crate::model::{
    Evaluation, Hooks, Interpretable, LOGITS, LossSum, SiteSpectrum, Split2d, fold_pairs, hidden_readout, rounding,
    row_means,
};
use crate::task::Task;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;
use std::fmt;

/// Everything the notebook computes of a model: what [`interpret`] returns.
///
/// Ablations of neurons are `None` for a model that cannot honour a hook on its neuron site (recorded activations
/// without an unembedding, say).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Interpretation {
    /// What the coordinates are ([`FourierBasis::name`]): blocks and shares are of these.
    pub coordinates: String,
    /// Loss and accuracy over all pairs.
    pub baseline: Evaluation,
    /// Components of embeddings and unembedding.
    pub embedding: EmbeddingSpectra,
    /// 2-D energies of the neuron site.
    pub neuron_spectrum: SiteSpectrum,
    /// 2-D energies of the logits less each pair's mean over the classes: what a softmax sees.
    pub logit_spectrum: SiteSpectrum,
    /// 2-D energies of each pair's mean logit over the classes, which no softmax sees: one channel.
    pub mean_logit: SiteSpectrum,
    /// The neurons by block. [`NeuronClusters::compare_with`] marks labels that say nothing, [`NeuronClusters::name_ties`] tells
    /// what the tied ones are.
    pub neurons: NeuronClusters,
    /// Where the logits' energy along the clusters' blocks lies.
    pub directions: LogitDirections,
    /// With every neuron's mean removed.
    pub hidden_centred: Option<Evaluation>,
    /// With every neuron reduced to its own block's terms, those without a block to their constants.
    pub own_block_only: Option<Evaluation>,
    /// With each cluster dropped.
    pub without_cluster: Option<BTreeMap<BlockId, Evaluation>>,
    /// What the published notebook computes in its own way.
    pub published: Published,
}

impl Interpretation {
    /// Shares of the energy of the logits, less each pair's mean over the classes, by kind of term; `None` for logits that are
    /// equal over the classes up to rounding.
    #[must_use]
    pub fn logit_shares(&self) -> Option<Split2d> {
        let rounding = rounding(self.logit_spectrum.mean_square.nrows());
        self.logit_spectrum.split.without_rounding(self.raw_logit_split().total(), rounding).shares()
    }

    /// Energy of the logits as they are, by kind of term, as published: adding a constant to all logits of a pair changes it.
    #[must_use]
    pub fn raw_logit_split(&self) -> Split2d {
        // Over the classes, what is less the mean and the mean are orthogonal.
        let classes = self.logit_spectrum.by_block.energy.len() as f64;
        self.logit_spectrum.split.plus(self.mean_logit.split, classes)
    }

    /// Mean squares of the coefficients of the logits as they are, as published.
    #[must_use]
    pub fn raw_logit_mean_square(&self) -> Array2<f64> {
        &self.logit_spectrum.mean_square + &self.mean_logit.mean_square
    }

    /// The blocks some neuron is labelled with: the key frequencies.
    pub fn key_blocks(&self) -> impl Iterator<Item = BlockId> {
        self.directions.blocks.iter().copied()
    }
}

/// The whole notebook: every analysis of this module on one model, sharing passes over the pairs.
///
/// On a device there is a pass for every ablation, with its hooks, and only results come back
/// ([`Interpretable::is_remote`]).
///
/// Each field equals what the function of its own name returns. Adding a function of the pair to all logits changes nothing
/// of it but `mean_logit`, and the embedding's spectra of W_U as it is.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a basis or task of another order,
/// [`Error::OtherGroup`](crate::Error::OtherGroup) for one of another group;
/// [`Error::Memory`](crate::Error::Memory) where the activations of all neurons at all pairs exceed
/// the [budget](crate::memory::budget);
/// [`Error::NonFiniteActivation`](crate::Error::NonFiniteActivation) naming the first pair at which the model overflows.
pub fn interpret(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
) -> Result<Interpretation> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    interpret_with(model, basis, task, None)
}

/// [`interpret`] with labels by a rule of the notebook's.
pub(super) fn interpret_with(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    task: &Task,
    rule: Option<Labels>,
) -> Result<Interpretation> {
    check_order(basis, task)?;
    // What is left of logits when some of them are set to zero depends on what softmax ignores.
    let are_logits = model.neuron_site() == LOGITS;
    let (neuron_spectrum, logit_spectrum) = model.neuron_and_logit_spectra(&basis)?;
    let neurons = label(&neuron_spectrum.by_block, basis, rule);
    let clusters = neurons.clusters();
    let keys: Vec<BlockId> = clusters.keys().copied().collect();

    let directions = Directions::new(&basis, task, &keys)?;
    let passes = match model.is_remote() {
        true => apart(model, basis, task, &directions, logit_spectrum.by_block.energy.sum())?,
        false => shared(model, task, &directions, &clusters, &neuron_spectrum.by_block.mean)?,
    };
    let mean_logit = mean_logit_spectrum(basis, passes.mean_logits)?;

    let (own_block_only, (embedding, unembedding_by_cluster)) = rayon::join(
        || if are_logits { Ok(None) } else { if_honoured(own_block_only(model, basis, task, &neurons)) },
        || (embedding(model, basis), unembedding_by_cluster(model, basis, &clusters)),
    );
    let unembedding_by_cluster = unembedding_by_cluster?;
    let as_published = label(&neuron_spectrum.by_block, basis, Some(Labels::AsPublished));
    let unembedding = hidden_readout(model).unembedding();

    Ok(Interpretation {
        coordinates: basis.name(),
        baseline: passes.baseline,
        embedding: embedding?,
        published: Published {
            clusters: as_published.clusters().into_iter().map(|(block, members)| (block, members.len())).collect(),
            unembed_sum: unembedding.map(|u| component_norms_of_sum(basis, u.t())).transpose()?,
            unembedding_by_cluster,
            parity: passes.parity,
        },
        directions: directions.finish(passes.directions)?,
        hidden_centred: match passes.centred {
            Some(centred) => Some(centred),
            None => if_honoured(hidden_centred(model, task, &neuron_spectrum.by_block.mean))?,
        },
        own_block_only: own_block_only?,
        without_cluster: match passes.without_cluster {
            Some(losses) => Some(keys.iter().copied().zip(losses).collect()),
            None if are_logits => None,
            None => if_honoured(cluster_losses(model, task, &clusters, Ablation::Drop))?,
        },
        neuron_spectrum,
        logit_spectrum,
        mean_logit,
        neurons,
    })
}

/// What passes over all pairs give.
struct Passes {
    baseline: Evaluation,
    parity: Option<Evaluation>,
    /// The mean over the classes of every pair.
    mean_logits: Vec<f64>,
    directions: Vec<DirectionSums>,
    /// `None` where it takes a pass of its own.
    centred: Option<Evaluation>,
    /// By cluster; `None` where each takes a pass of its own.
    without_cluster: Option<Vec<Evaluation>>,
}

/// A pass for each, of which only results come back: losses, and the logits along directions.
fn apart(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    task: &Task,
    directions: &Directions<'_>,
    logit_energy: f64,
) -> Result<Passes> {
    let (sums, mean_logits) = directions.remote(model, task, logit_energy)?;
    Ok(Passes {
        baseline: model.evaluate(task, &Hooks::none())?,
        parity: directions.has_parity().then(|| parity(model, basis, task, directions.blocks())).transpose()?,
        mean_logits,
        directions: vec![sums],
        centred: None,
        without_cluster: None,
    })
}

/// One pass for all that the same logits tell.
fn shared(
    model: &dyn Interpretable,
    task: &Task,
    directions: &Directions<'_>,
    clusters: &BTreeMap<BlockId, Vec<usize>>,
    mean: &Array1<f64>,
) -> Result<Passes> {
    let parts = ClusterParts::new(model, clusters.values(), Ablation::Drop)?;
    let centring = centring(model, mean)?;
    let start = || Sums {
        directions: directions.start(),
        clusters: parts.as_ref().map(ClusterParts::start).unwrap_or_default(),
        baseline: LossSum::default(),
        centred: LossSum::default(),
        parity: LossSum::default(),
        mean_logits: Vec::new(),
    };
    let blocks = fold_pairs(model, task, start, |sums, block| {
        sums.baseline.add(block.logits.view(), block.labels);
        sums.mean_logits.extend(row_means(block.logits.view()));
        let along = directions.along(block);
        directions.observe(&mut sums.directions, block, &along);
        if let Some(parts) = &parts {
            parts.observe(&mut sums.clusters, block);
        }
        if let Some(by) = &centring {
            let mut logits = block.logits.clone();
            add_per_class(&mut logits, by);
            sums.centred.add(logits.view(), block.labels);
        }
        if let Some(logits) = directions.without_forbidden(block, along) {
            sums.parity.add(logits.view(), block.labels);
        }
    })?;
    let mean = |sum: fn(&Sums) -> LossSum| LossSum::mean(blocks.iter().map(sum));
    let (baseline, centred) = (mean(|s| s.baseline), mean(|s| s.centred));
    let parity = directions.has_parity().then(|| check_ablated(mean(|s| s.parity))).transpose()?;
    let mean_logits = blocks.iter().flat_map(|s| &s.mean_logits).copied().collect();
    let (directions, cluster_sums): (Vec<_>, Vec<_>) = blocks.into_iter().map(|s| (s.directions, s.clusters)).unzip();
    Ok(Passes {
        baseline,
        parity,
        mean_logits,
        directions,
        centred: centring.map(|_| check_ablated(centred)).transpose()?,
        without_cluster: parts.map(|parts| parts.finish(&cluster_sums)).transpose()?,
    })
}

/// The published spectrum of W_U by cluster; empty where W_U does not read the neuron site.
fn unembedding_by_cluster(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    clusters: &BTreeMap<BlockId, Vec<usize>>,
) -> Result<BTreeMap<BlockId, Array1<f64>>> {
    if model.neuron_path().is_none() {
        return Ok(BTreeMap::new());
    }
    clusters.iter().map(|(&b, members)| Ok((b, unembedding_of(model, basis, members)?))).collect()
}

/// `None` for an ablation that the model cannot honour.
fn if_honoured<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::HookUnsupported { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// What the shared pass adds up.
#[derive(serde::Serialize, serde::Deserialize)]
struct Sums {
    directions: DirectionSums,
    clusters: Vec<LossSum>,
    baseline: LossSum,
    centred: LossSum,
    parity: LossSum,
    /// The mean over the classes of every pair.
    mean_logits: Vec<f64>,
}

/// One thing done to a model, and what came of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Ablated {
    /// What was done.
    pub what: String,
    /// Loss and accuracy over all pairs after it.
    pub after: Evaluation,
}

impl Interpretation {
    /// The model as it is, and everything that was done to it.
    #[must_use]
    pub fn ablations(&self) -> Vec<Ablated> {
        let all = [
            ("the model as it is", Some(self.baseline)),
            ("every neuron's mean removed", self.hidden_centred),
            ("every neuron reduced to its own block", self.own_block_only),
            ("parity-forbidden logit directions removed", self.published.parity),
        ];
        let whole = all.into_iter().filter_map(|(what, after)| Some(Ablated { what: what.into(), after: after? }));
        let clusters = self.without_cluster.iter().flatten().map(|(&b, &after)| {
            let what = format!("without the neurons of {}", self.neurons.blocks[b.index()].name);
            Ablated { what, after }
        });
        whole.chain(clusters).collect()
    }

    /// The loss after every ablation.
    #[must_use]
    pub fn ablation_table(&self) -> Table {
        let before = self.baseline.loss;
        let row = |Ablated { what, after }: Ablated| {
            let times = (before > 0.0).then(|| after.loss / before);
            vec![
                Cell::Text(what),
                Cell::Number(after.loss),
                Cell::number(times, "the model's loss is 0"),
                Cell::Share(after.accuracy),
            ]
        };
        let rows = self.ablations().into_iter().map(row).collect();
        Table::new("Loss over all pairs, after each ablation", vec![ABLATION, LOSS, TIMES, ACCURACY], rows)
    }

    /// [`NeuronClusters::table`] with the loss without each cluster.
    #[must_use]
    pub fn key_block_table(&self) -> Table {
        let mut table = self.neurons.table();
        table.title = "Key blocks".into();
        table.columns.push(WITHOUT);
        for (row, block) in table.rows.iter_mut().zip(self.neurons.clusters().into_keys()) {
            let without = self.without_cluster.as_ref().and_then(|losses| losses.get(&block));
            row.push(Cell::number(without.map(|e| e.loss), "the model cannot be run without some of its neurons"));
        }
        table
    }

    /// Shares of the energy of neurons and logits by kind of 2-D term.
    #[must_use]
    pub fn term_table(&self) -> Table {
        let all = [self.neuron_spectrum.split_centred().shares(), self.logit_shares(), self.raw_logit_split().shares()];
        let kinds = ["constant", "linear in x", "linear in y", "quadratic, within a block", "quadratic, across blocks"];
        let row = |(i, kind): (usize, &str)| {
            let shares = all.iter().map(|shares| {
                Cell::share(shares.map(|shares| shares.kinds()[i]), "there is no energy: they are constant")
            });
            [Cell::text(kind)].into_iter().chain(shares).collect()
        };
        let rows = kinds.into_iter().enumerate().map(row).collect();
        Table::new("Shares of energy by kind of 2-D term", vec![TERM_KIND, HIDDEN_SHARE, LOGIT_SHARE, RAW_SHARE], rows)
    }
}

impl fmt::Display for Interpretation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Coordinates: {}\n\n{}\n\n{}\n", self.coordinates, self.ablation_table(), self.neurons)?;
        write!(f, "{}\n\n{}\n\n{}", self.term_table(), self.directions, self.embedding)
    }
}

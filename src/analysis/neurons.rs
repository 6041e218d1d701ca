//! Labels of neurons: the block that explains each, and what those without one are.

use super::notebook::Labels;
use super::table::{Cell, Table};
use super::terms::*;
use crate::error::Result;
use crate::fourier::{Block, BlockId, FourierBasis};
use crate::model::{BlockEnergies, Centred, Interpretable, LOGITS, rounding};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::fmt;

/// A neuron with less than this share of its layer's square norm is dim: it gets no label and is in no cluster.
pub const DIM: f64 = 1e-6;

/// A neuron whose best block leads the next by less than this share of its square norm, the mean removed, is tied.
///
/// The shares of one network differ by about as much between machines: activations in `f32` that were summed in another order,
/// on a device or in PyTorch, agree to some 1e-6 of their norm. A label that rests on a smaller lead is not the network's.
pub const LEAD: f64 = 1e-5;

/// What a neuron is, as far as the blocks of a basis can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum NeuronKind {
    /// The neuron has a block.
    Labelled,
    /// The neuron varies, but no block leads the next one, or none, by [`LEAD`] of what varies and beyond the rounding of its
    /// values. A neuron that is constant in every region is such a one: all blocks explain it equally well.
    Tied,
    /// The neuron has the same value at all pairs, up to rounding.
    Constant,
    /// The neuron has less than [`DIM`] of its layer's square norm.
    Dim,
}

/// What one neuron computes, as far as one block can tell.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Neuron {
    /// Its share of the layer's square norm; 0 in a layer that is zero.
    pub share: f64,
    /// What it is.
    pub kind: NeuronKind,
    /// The block whose terms ({const} union block)^2 hold most of its square norm; `None` unless it is labelled.
    pub block: Option<BlockId>,
    /// The largest share that such terms hold of its square norm, of a tied neuron too; `None` for one that is constant or dim.
    pub fraction_explained: Option<f64>,
    /// The next best block's share.
    pub runner_up: Option<f64>,
    /// The winner's share once the neuron's mean is removed; `None` too for a neuron that does not vary.
    pub fraction_centred: Option<f64>,
    /// Whether some neuron of a randomly initialised model has as large a centred share in that block: then the label says
    /// nothing. `None` until [`NeuronClusters::compare_with`] says so.
    pub no_better_than_random: Option<bool>,
    /// The block of another basis that a tied neuron has: an irrep of the whole group, say. `None` until
    /// [`NeuronClusters::name_ties`] says so.
    pub elsewhere: Option<String>,
}

/// Every neuron of a site with the block that explains it best.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct NeuronClusters {
    /// The site.
    pub site: String,
    /// The blocks of the basis.
    pub blocks: Vec<Block>,
    /// The neurons, by channel.
    pub neurons: Vec<Neuron>,
    /// Share of each neuron's square norm in ({const} union block)^2, by (neuron, block); column 0 is the constant
    /// alone. 0 for a neuron that is zero.
    pub shares: Array2<f64>,
    /// Share of each neuron's square norm in ({const} union block)^2 once its mean is removed. 0 for one that does not vary:
    /// there is nothing left to have a share of.
    pub shares_centred: Array2<f64>,
    /// The share chance would give, by block: terms of the block over all terms.
    pub chance: Vec<f64>,
}

/// The numbers of the neurons with each label.
pub(super) fn clusters<L: Ord>(labels: impl Iterator<Item = Option<L>>) -> BTreeMap<L, Vec<usize>> {
    let mut clusters = BTreeMap::<L, Vec<usize>>::new();
    for (k, label) in labels.enumerate() {
        if let Some(label) = label {
            clusters.entry(label).or_default().push(k);
        }
    }
    clusters
}

impl NeuronClusters {
    /// The neurons of every block that has any.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<BlockId, Vec<usize>> {
        clusters(self.neurons.iter().map(|neuron| neuron.block))
    }

    /// Marks every label that is no better than chance makes them: those whose centred share a neuron of `random`, a randomly
    /// initialised model of the same architecture, reaches in the same block.
    ///
    /// The bar is what a block's terms and an activation function give without any training. It is high where blocks are
    /// large: the terms of a 6-dimensional irrep of S5 are 9.5 % of all, and the neurons of an untrained net all have one
    /// block or another that holds most.
    ///
    /// # Panics
    /// If `random` was taken in a basis with other blocks.
    pub fn compare_with(&mut self, random: &Self) {
        assert_eq!(random.blocks, self.blocks, "blocks of the two models' bases");
        let bar: Vec<f64> =
            random.shares_centred.columns().into_iter().map(|c| c.iter().copied().fold(0.0, f64::max)).collect();
        for neuron in &mut self.neurons {
            let label = neuron.block.zip(neuron.fraction_centred);
            neuron.no_better_than_random = label.map(|(block, share)| share <= bar[block.index()]);
        }
    }

    /// Names the blocks that tied neurons have in another basis: `in_irreps`, the same neurons labelled by the irreps of the
    /// whole group, tells what no frequency of a subgroup can.
    ///
    /// # Panics
    /// If `in_irreps` is of another number of neurons.
    pub fn name_ties(&mut self, in_irreps: &Self) {
        assert_eq!(in_irreps.neurons.len(), self.neurons.len(), "neurons of the two bases");
        for (neuron, other) in self.neurons.iter_mut().zip(&in_irreps.neurons) {
            let name = other
                .block
                .filter(|_| neuron.kind == NeuronKind::Tied)
                .map(|b| in_irreps.blocks[b.index()].name.clone());
            neuron.elsewhere = name;
        }
    }

    /// The neurons of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: NeuronKind) -> Vec<usize> {
        (0..self.neurons.len()).filter(|&k| self.neurons[k].kind == kind).collect()
    }

    /// The neurons that are dim.
    #[must_use]
    pub fn dim(&self) -> Vec<usize> {
        self.of_kind(NeuronKind::Dim)
    }

    /// The tied neurons by what they are in another basis, `None` for those that nothing was found for.
    #[must_use]
    pub fn tied(&self) -> BTreeMap<Option<&str>, Vec<usize>> {
        let mut tied = BTreeMap::<_, Vec<usize>>::new();
        for k in self.of_kind(NeuronKind::Tied) {
            tied.entry(self.neurons[k].elsewhere.as_deref()).or_default().push(k);
        }
        tied
    }
}

/// Which block does each neuron of the neuron site compute with? From its
/// [`block_energies`](Interpretable::block_energies).
///
/// A neuron, of norm |h| and centred norm |h_c|, is labelled if its best block leads the next by [`LEAD`] and beyond rounding:
/// `E_1 - E_2 > max(1e-5 |h_c|^2, 2 r |h| |h_c|)` with E the energies in the blocks' own terms and `r = 1.2e-7 sqrt(m)` the
/// rounding of a 2-D transform in `f32`, m the number of rows; changing the neuron by `r |h|` can not make the two change places
/// then. With `|h_c| <= r |h|` it is constant. Where the neurons are the logits, these are taken less each pair's mean.
///
/// # Errors
/// The errors of [`Interpretable::block_energies`].
///
/// ```
/// use irreplens::analysis::neurons;
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::Network};
/// use ndarray::Array2;
/// let wave = |k: f32| Array2::from_shape_fn((9, 1), move |(t, _)| (k * t as f32 * std::f32::consts::TAU / 9.0).cos());
/// let net = Network::summed(wave(2.0), wave(2.0), Array2::ones((1, 9)))?;
/// let found = neurons(&net, &CyclicSubgroupBasis::cyclic(&Cyclic::new(9)?))?;
/// assert_eq!(found.neurons[0].block.unwrap(), 2);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn neurons(model: &(impl Interpretable + ?Sized), basis: &(impl FourierBasis + ?Sized)) -> Result<NeuronClusters> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    Ok(label_neurons(&neuron_energies(model, basis)?, basis))
}

/// The energies that neurons are labelled by; of the logits less their mean where these are the neurons.
pub(super) fn neuron_energies(model: &dyn Interpretable, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
    match model.neuron_site() {
        LOGITS => Centred::new(model).block_energies(LOGITS, &basis),
        site => model.block_energies(site, &basis),
    }
}

/// [`neurons`] from energies already taken.
///
/// # Panics
/// If they were taken in a basis with another number of blocks.
#[must_use]
pub fn label_neurons(energies: &BlockEnergies, basis: &(impl FourierBasis + ?Sized)) -> NeuronClusters {
    let basis: &dyn FourierBasis = &basis;
    label(energies, basis, None)
}

/// Labels by a rule of the notebook's, or by what leads the next clearly.
pub(super) fn label(energies: &BlockEnergies, basis: &dyn FourierBasis, rule: Option<Labels>) -> NeuronClusters {
    let blocks = basis.blocks();
    assert_eq!(energies.product.ncols(), blocks.len(), "blocks of the energies and of the basis");
    let last = match rule {
        Some(Labels::AsPublished) => (basis.rows() / 2).min(blocks.len()),
        _ => blocks.len(),
    };
    let (width, total) = (energies.energy.len(), energies.energy.sum());
    let (rounding, ids) = (rounding(basis.rows()), basis.block_ids());
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let shares = Array2::from_shape_fn((width, blocks.len()), |(k, b)| {
        share(energies.constant[k] + energies.in_block(k, b), energies.energy[k])
    });
    let varies = |k: usize| energies.energy_centred[k] > energies.energy[k] * rounding.powi(2);
    let varying: f64 = (0..width).filter(|&k| varies(k)).map(|k| energies.energy[k]).sum();
    let shares_centred = Array2::from_shape_fn((width, blocks.len()), |(k, b)| match varies(k) {
        true => (energies.constant_centred[k] + energies.in_block(k, b)) / energies.energy_centred[k],
        false => 0.0,
    });
    let neuron = |k: usize| {
        let mut neuron = Neuron {
            share: share(energies.energy[k], total),
            kind: NeuronKind::Dim,
            block: None,
            fraction_explained: None,
            runner_up: None,
            fraction_centred: None,
            no_better_than_random: None,
            elsewhere: None,
        };
        let forced = rule.is_some();
        // A neuron that is always on is no measure for those that vary.
        let whole = if forced || !varies(k) { total } else { varying };
        if share(energies.energy[k], whole) < DIM {
            return neuron;
        }
        if !varies(k) {
            neuron.kind = NeuronKind::Constant;
            if !forced {
                return neuron;
            }
        }
        let (mut best, mut second) = (None, None);
        for b in 1..last {
            if best.is_none_or(|best| shares[[k, b]] > shares[[k, best]]) {
                second = best.replace(b);
            } else if second.is_none_or(|second| shares[[k, b]] > shares[[k, second]]) {
                second = Some(b);
            }
        }
        let Some(best) = best else {
            // No block to try: a neuron that varies does so in the constants of the regions.
            if varies(k) {
                neuron.kind = NeuronKind::Tied;
            }
            return neuron;
        };
        neuron.fraction_explained = Some(shares[[k, best]]);
        neuron.runner_up = second.map(|b| shares[[k, b]]);
        neuron.fraction_centred = varies(k).then(|| shares_centred[[k, best]]);
        let lead = energies.in_block(k, best) - second.map_or(0.0, |second| energies.in_block(k, second));
        let (energy, centred) = (energies.energy[k], energies.energy_centred[k]);
        let leads = lead > (LEAD * centred).max(2.0 * rounding * (energy * centred).sqrt());
        neuron.kind = if leads || forced { NeuronKind::Labelled } else { NeuronKind::Tied };
        neuron.block = (neuron.kind == NeuronKind::Labelled).then(|| ids[best]);
        neuron
    };
    NeuronClusters {
        site: energies.site.clone(),
        neurons: (0..width).map(neuron).collect(),
        chance: (0..blocks.len()).map(|b| basis.chance_share(b)).collect(),
        blocks: blocks.to_vec(),
        shares,
        shares_centred,
    }
}

impl NeuronClusters {
    /// The neurons of every block that has any: how many, and how well the block explains them on average.
    #[must_use]
    pub fn table(&self) -> Table {
        let row = |(&block, members): (&BlockId, &Vec<usize>)| {
            let mean = |value: fn(&Neuron) -> Option<f64>, none| Cell::share(self.mean_over(members, value), none);
            vec![
                Cell::text(&self.blocks[block.index()].name),
                Cell::Count(members.len()),
                mean(|n| n.fraction_explained, NO_BLOCK),
                mean(|n| n.fraction_centred, NO_MEAN),
                mean(|n| n.runner_up, ONE_BLOCK),
                Cell::Share(self.chance[block.index()]),
                Cell::count(self.as_random(members), NOT_COMPARED),
            ]
        };
        let rows = self.clusters().iter().map(row).collect();
        Table::new("Neurons by block", vec![BLOCK, CLUSTER, EXPLAINED, CENTRED, RUNNER_UP, CHANCE, AS_RANDOM], rows)
    }

    /// The neurons that have no block, by what they are.
    #[must_use]
    pub fn unlabelled_table(&self) -> Table {
        let mut kinds = BTreeMap::<(NeuronKind, String), Vec<usize>>::new();
        for (k, neuron) in self.neurons.iter().enumerate().filter(|(_, neuron)| neuron.block.is_none()) {
            kinds.entry((neuron.kind, self.what(k))).or_default().push(k);
        }
        let channels = |members: &[usize]| members.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let row = |((_, what), members): ((NeuronKind, String), Vec<usize>)| {
            vec![Cell::Text(what), Cell::Count(members.len()), Cell::Text(channels(&members))]
        };
        let rows = kinds.into_iter().map(row).collect();
        Table::new("Neurons without a block", vec![WHAT, WIDTH, CHANNELS], rows)
    }

    /// Every neuron with its block, or what it is without one.
    #[must_use]
    pub fn neuron_table(&self) -> Table {
        let row = |(k, neuron): (usize, &Neuron)| {
            vec![
                Cell::Count(k),
                Cell::Text(self.what(k)),
                Cell::Share(neuron.share),
                Cell::share(neuron.fraction_explained, NO_BLOCK),
                Cell::share(neuron.fraction_centred, if neuron.block.is_some() { NO_MEAN } else { NO_BLOCK }),
                Cell::share(neuron.runner_up, if neuron.block.is_some() { ONE_BLOCK } else { NO_BLOCK }),
                match (neuron.no_better_than_random, neuron.block) {
                    (Some(mark), _) => Cell::text(if mark { "yes" } else { "no" }),
                    (None, Some(_)) => Cell::Missing(NOT_COMPARED.into()),
                    (None, None) => Cell::Missing(NO_LABEL.into()),
                },
            ]
        };
        let rows = self.neurons.iter().enumerate().map(row).collect();
        Table::new("All neurons", vec![NEURON, WHAT, SHARE, EXPLAINED, CENTRED, RUNNER_UP, AS_RANDOM], rows)
    }

    /// The mean of what some neurons have; `None` where none has it.
    pub(crate) fn mean_over(&self, members: &[usize], value: impl Fn(&Neuron) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = members.iter().filter_map(|&k| value(&self.neurons[k])).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// How many of some labels are no better than an untrained network's; `None` where they are not compared.
    pub(crate) fn as_random(&self, members: &[usize]) -> Option<usize> {
        let marks: Option<Vec<bool>> = members.iter().map(|&k| self.neurons[k].no_better_than_random).collect();
        marks.map(|marks| marks.into_iter().filter(|&mark| mark).count())
    }

    /// A neuron's block, or what it is without one: `frequency 3`, `tied (sign)`, `dim`.
    pub(crate) fn what(&self, k: usize) -> String {
        let neuron = &self.neurons[k];
        match (neuron.kind, neuron.block, &neuron.elsewhere) {
            (_, Some(block), _) => self.blocks[block.index()].name.clone(),
            (NeuronKind::Constant, ..) => "constant".into(),
            (NeuronKind::Dim, ..) => "dim".into(),
            (_, _, Some(name)) => format!("tied ({name})"),
            _ => "tied".into(),
        }
    }
}

const NO_BLOCK: &str = "the neuron is constant or dim, or there is no block to try";
const NO_MEAN: &str = "nothing is left of the neuron without its mean";
const ONE_BLOCK: &str = "there is no other block";
const NO_LABEL: &str = "a neuron without a block has no label";
pub(super) const NOT_COMPARED: &str = "labels are not compared with an untrained network's";

/// A row for every block that has neurons, then the neurons that have none, by what they are.
impl fmt::Display for NeuronClusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)?;
        let unlabelled = self.unlabelled_table();
        if unlabelled.rows.is_empty() { Ok(()) } else { write!(f, "\n\n{unlabelled}") }
    }
}

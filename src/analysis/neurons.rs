use crate::error::Result;
use crate::fourier::{Block, FourierBasis};
use crate::model::{BlockEnergies, Interpretable};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::fmt;

/// A neuron with less than this share of its layer's square norm is dim: it gets no label and is in no cluster.
pub const DIM: f64 = 1e-6;

/// The blocks a neuron may be labelled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Candidates {
    /// Every block but the constant.
    AllBlocks,
    /// The notebook's loop `range(1, rows // 2)`, which never tries the last frequency: there to show what it does.
    AsPublished,
}

/// What one neuron computes, as far as one block can tell. `None` for dim neurons.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Neuron {
    /// Its share of the layer's square norm.
    pub share: f64,
    /// The block whose terms ({const} union block)^2 hold most of its square norm.
    pub block: Option<usize>,
    /// That share of its square norm.
    pub fraction_explained: Option<f64>,
    /// The next best block's share.
    pub runner_up: Option<f64>,
    /// The winner's share once the neuron's mean is removed; `None` too for a neuron that does not vary.
    pub fraction_centred: Option<f64>,
    /// Whether some neuron of a randomly initialised model has as large a centred share in that block: then the label says
    /// nothing. `None` until [`NeuronClusters::compare_with`] says so.
    pub no_better_than_random: Option<bool>,
}

/// Every neuron of a site with the block that explains it best.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct NeuronClusters {
    /// The site.
    pub site: String,
    /// The blocks of the basis.
    pub blocks: Vec<Block>,
    /// The neurons, by channel.
    pub neurons: Vec<Neuron>,
    /// Share of each neuron's square norm in ({const} union block)^2, by (neuron, block); column 0 is the constant
    /// alone. NaN for a dead neuron.
    pub shares: Array2<f64>,
    /// The same once every neuron's mean is removed. NaN for one that does not vary.
    pub shares_centred: Array2<f64>,
    /// The share chance would give, by block: terms of the block over all terms.
    pub chance: Vec<f64>,
}

impl NeuronClusters {
    /// The neurons of every block that has any.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut clusters = BTreeMap::<usize, Vec<usize>>::new();
        for (k, neuron) in self.neurons.iter().enumerate() {
            if let Some(block) = neuron.block {
                clusters.entry(block).or_default().push(k);
            }
        }
        clusters
    }

    /// Marks every label that is no better than chance makes them: those whose centred share a neuron of `random`, a randomly
    /// initialised model of the same architecture, reaches in the same block.
    ///
    /// The bar is what a block's terms and an activation function give without any training. It is high where blocks are
    /// large: the terms of a 6-dimensional irrep of S5 are 9.5 % of all, and the neurons of an untrained net all have one
    /// block or another that holds most.
    ///
    /// # Panics
    /// If `random` was taken in a basis with another number of blocks.
    pub fn compare_with(&mut self, random: &Self) {
        assert_eq!(random.blocks.len(), self.blocks.len(), "blocks of the two models' bases");
        let bar: Vec<f64> = (random.shares_centred.columns().into_iter())
            .map(|column| column.iter().copied().filter(|share| !share.is_nan()).fold(0.0, f64::max))
            .collect();
        for neuron in &mut self.neurons {
            let label = neuron.block.zip(neuron.fraction_centred);
            neuron.no_better_than_random = label.map(|(block, share)| share <= bar[block]);
        }
    }

    /// The neurons that have no label.
    #[must_use]
    pub fn dim(&self) -> Vec<usize> {
        (0..self.neurons.len()).filter(|&k| self.neurons[k].block.is_none()).collect()
    }
}

/// Which block does each neuron of the neuron site compute with? From its
/// [`block_energies`](Interpretable::block_energies).
///
/// # Errors
/// Those of [`Interpretable::block_energies`].
///
/// ```
/// use irreplens::analysis::{Candidates, neurons};
/// use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::SummedMlp};
/// use ndarray::Array2;
/// let wave = |k: f32| Array2::from_shape_fn((9, 1), move |(t, _)| (k * t as f32 * std::f32::consts::TAU / 9.0).cos());
/// let net = SummedMlp::new(wave(2.0), wave(2.0), Array2::ones((1, 9)))?;
/// let found = neurons(&net, &CyclicSubgroupBasis::cyclic(&Cyclic::new(9)?), Candidates::AllBlocks)?;
/// assert_eq!(found.neurons[0].block, Some(2));
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn neurons(
    model: &(impl Interpretable + ?Sized),
    basis: &dyn FourierBasis,
    candidates: Candidates,
) -> Result<NeuronClusters> {
    Ok(cluster(&model.block_energies(model.neuron_site(), basis)?, basis, candidates))
}

/// [`neurons`] from energies already taken.
///
/// # Panics
/// If they were taken in a basis with another number of blocks.
#[must_use]
pub fn cluster(energies: &BlockEnergies, basis: &dyn FourierBasis, candidates: Candidates) -> NeuronClusters {
    let blocks = basis.blocks();
    assert_eq!(energies.product.ncols(), blocks.len(), "blocks of the energies and of the basis");
    let last = match candidates {
        Candidates::AllBlocks => blocks.len(),
        Candidates::AsPublished => (basis.rows() / 2).min(blocks.len()),
    };
    let in_block =
        |k: usize, b: usize| energies.linear_x[[k, b]] + energies.linear_y[[k, b]] + energies.product[[k, b]];
    let (width, total) = (energies.energy.len(), energies.energy.sum());
    let shares = Array2::from_shape_fn((width, blocks.len()), |(k, b)| {
        (energies.constant[k] + in_block(k, b)) / energies.energy[k]
    });
    // Below rounding of its values a neuron does not vary.
    let varies = |k: usize| energies.energy_centred[k] > energies.energy[k] * f64::from(f32::EPSILON).powi(2);
    let shares_centred = Array2::from_shape_fn((width, blocks.len()), |(k, b)| match varies(k) {
        true => (energies.constant_centred[k] + in_block(k, b)) / energies.energy_centred[k],
        false => f64::NAN,
    });
    let neuron = |k: usize| {
        let share = energies.energy[k] / total;
        let mut neuron = Neuron {
            share,
            block: None,
            fraction_explained: None,
            runner_up: None,
            fraction_centred: None,
            no_better_than_random: None,
        };
        // In a layer that is all zero the share is not a number.
        if share.is_nan() || share < DIM {
            return neuron;
        }
        for b in 1..last {
            let fraction = Some(shares[[k, b]]);
            if fraction > neuron.fraction_explained {
                neuron.runner_up = neuron.fraction_explained;
                (neuron.block, neuron.fraction_explained) = (Some(b), fraction);
            } else if fraction > neuron.runner_up {
                neuron.runner_up = fraction;
            }
        }
        neuron.fraction_centred = neuron.block.filter(|_| varies(k)).map(|b| shares_centred[[k, b]]);
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

impl fmt::Display for NeuronClusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>14}{:>9}{:>11}{:>11}{:>11}{:>9}",
            "block", "neurons", "explained", "centred", "runner-up", "chance"
        )?;
        let compared = self.neurons.iter().any(|neuron| neuron.no_better_than_random.is_some());
        if compared {
            write!(f, "{:>12}", "as random")?;
        }
        for (block, members) in self.clusters() {
            let mean = |value: fn(&Neuron) -> Option<f64>| {
                let values: Vec<f64> = members.iter().filter_map(|&k| value(&self.neurons[k])).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            write!(
                f,
                "\n{:>14}{:>9}{:>11.4}{:>11.4}{:>11.4}{:>9.4}",
                self.blocks[block].name,
                members.len(),
                mean(|n| n.fraction_explained),
                mean(|n| n.fraction_centred),
                mean(|n| n.runner_up),
                self.chance[block]
            )?;
            if compared {
                let as_random = |&&k: &&usize| self.neurons[k].no_better_than_random == Some(true);
                write!(f, "{:>12}", members.iter().filter(as_random).count())?;
            }
        }
        write!(f, "\n{:>14}{:>9}", "dim", self.dim().len())
    }
}

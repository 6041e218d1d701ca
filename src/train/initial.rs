//! Initial parameters, and the memory that training takes.

use crate::error::Result;
use crate::memory;
use crate::model::{Architecture, Initial, Network, Passes};
use crate::task::Split;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

impl Network {
    /// A network with random parameters, each with the distribution that its description gives it
    /// ([`Parameter::initial`](crate::model::Parameter)).
    ///
    /// The numbers are the ziggurat normals, or the uniform numbers, of `rand_distr` in `f64` from ChaCha20 seeded with
    /// `seed`, parameter after parameter, row-major as (in, out), rounded to `f32`.
    ///
    /// # Errors
    /// The errors of [`zeros`](Network::zeros).
    ///
    /// ```
    /// use irreplens::model::{Architecture, Interpretable, Network};
    /// let network = Network::random(Architecture::one_layer(8, 16), 5, 1)?;
    /// assert_eq!(network.order(), 5);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn random(architecture: Architecture, order: usize, seed: u64) -> Result<Self> {
        let mut network = Self::zeros(architecture, order)?;
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for parameter in network.weights().to_vec() {
            for number in &mut network.parameters_mut()[parameter.range] {
                *number = match parameter.initial {
                    Initial::Normal(deviation) => deviation * Distribution::<f64>::sample(&StandardNormal, &mut rng),
                    Initial::Uniform(bound) => {
                        bound * (2.0 * Distribution::<f64>::sample(&StandardUniform, &mut rng) - 1.0)
                    }
                    Initial::Constant(value) => value,
                } as f32;
            }
        }
        Ok(network)
    }
}

impl Architecture {
    /// Bytes that training takes on a group of `order` elements, by `train` of the n^2 pairs: the task, a split and its
    /// making, the passes over both sets, and the parameters with all that is kept for each. `usize::MAX` if that is less.
    ///
    /// What [`Trainer::new`](super::Trainer::new) asks for before it begins, and the split beside it: to be compared with
    /// the [budget](crate::memory::budget) before there is one.
    ///
    /// # Errors
    /// [`Error::Description`](crate::Error::Description) naming the step that does not fit.
    ///
    /// ```
    /// use irreplens::model::Architecture;
    /// let net = Architecture::one_layer(256, 128);
    /// let gigabytes = |n: usize| Ok::<usize, irreplens::Error>(net.training_bytes(n, n * n / 3)? / 1_000_000_000);
    /// assert_eq!((gigabytes(106)?, gigabytes(5040)?, gigabytes(20_000)?), (0, 1, 15));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn training_bytes(&self, order: usize, train: usize) -> Result<usize> {
        Ok(Split::bytes(order, train).saturating_add(trainer_bytes(self, order, train)?))
    }
}

/// [`Architecture::training_bytes`] without the split.
pub(super) fn trainer_bytes(architecture: &Architecture, order: usize, train: usize) -> Result<usize> {
    let pairs = order.saturating_mul(order);
    let parameters = architecture.parameters(order)?.last().map_or(0, |last| last.range.end);
    if parameters > isize::MAX as usize {
        return Ok(usize::MAX);
    }
    // One after the other: pairs while they are sorted; the training pairs as they are written and read again.
    let sorted = memory::bytes::<usize>(&[train.max(pairs.saturating_sub(train))]);
    let written = memory::bytes::<u64>(&[3, train]);
    let parts = [
        memory::bytes::<u32>(&[pairs]),
        Passes::bytes(architecture, order, train, true)?,
        Passes::bytes(architecture, order, pairs.saturating_sub(train), false)?,
        sorted.max(written),
        // Parameters and two running means, twice, and the gradient; as much again where they are written.
        memory::bytes::<f32>(&[10, parameters]),
    ];
    Ok(parts.into_iter().fold(0, usize::saturating_add))
}

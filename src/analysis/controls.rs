//! Null controls: the same measure of an untrained model, and of the model on a shuffled group.

use crate::checkpoint::Run;
use crate::error::Result;
use crate::group::{Group, GroupExt};
use crate::model::Interpretable;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A measure of a model beside the same measure where there is nothing to find.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Controls<T> {
    /// The measure of the model on its group.
    pub found: T,
    /// The measure of a randomly initialised model: what activation functions and large blocks give by themselves.
    pub random_model: Option<T>,
    /// The measure of the model on a group isomorphic to its own whose elements were shuffled: what any group would give.
    pub relabelled: T,
}

/// A randomly initialised model of a run's architecture, for [`NeuronClusters::compare_with`](super::NeuronClusters) and
/// [`with_controls`]: what its training started from, but for the seed, which is 0 here.
///
/// `None` without the feature `train`, which has the initialisation, and for recorded activations, which have no architecture.
///
/// # Errors
/// The errors of [`Run::model`] for settings that do not fit.
pub fn untrained(run: &Run) -> Result<Option<Box<dyn Interpretable>>> {
    #[cfg(feature = "train")]
    {
        if run.is_recorded() {
            return Ok(None);
        }
        let network = crate::model::Network::random(run.network()?.architecture().clone(), run.config.order()?, 0)?;
        Ok(Some(Box::new(network)))
    }
    #[cfg(not(feature = "train"))]
    {
        let _ = run;
        Ok(None)
    }
}

/// Takes a measure of a model, of a randomly initialised one, and of the model with the group's elements shuffled.
///
/// # Arguments
/// `random_model`: of the same architecture, untrained; [`Network::random`](crate::model::Network::random) makes one.
///
/// `seed`: of the shuffle, which is Fisher-Yates with ChaCha20.
///
/// `measure`: gets the model and the group to measure it on.
///
/// # Errors
/// The errors of `measure`.
///
/// ```
/// use irreplens::analysis::{representation, with_controls};
/// use irreplens::{fourier::IrrepBasis, group::{Cyclic, Group}, model::{Interpretable, Network}};
/// use irreplens::task::{Split, Task};
/// use ndarray::Array2;
/// let angle = |x: usize, k: usize| std::f32::consts::TAU * 3.0 * x as f32 / 11.0 + k as f32;
/// let embed = Array2::from_shape_fn((11, 6), |(x, k)| angle(x, k).cos());
/// let net = Network::summed(embed.clone(), embed.clone(), embed.reversed_axes())?;
/// let share = |model: &dyn Interpretable, group: &dyn Group| {
///     let (basis, split) = (IrrepBasis::new(group)?, Split::random(11, 0.5, 0)?);
///     Ok(representation(model, group, &basis, &Task::new(group), &split)?.irreps[3].embed_left.unwrap())
/// };
/// let shares = with_controls(&net, None, &Cyclic::new(11)?, 1, share)?;
/// assert!(shares.found > 0.999 && shares.relabelled < 0.6);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn with_controls<T>(
    model: &(impl Interpretable + ?Sized),
    random_model: Option<&dyn Interpretable>,
    group: &(impl Group + ?Sized),
    seed: u64,
    measure: impl Fn(&dyn Interpretable, &dyn Group) -> Result<T>,
) -> Result<Controls<T>> {
    let model: &dyn Interpretable = &model;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut rows: Vec<usize> = (0..group.order()).collect();
    for i in (1..rows.len()).rev() {
        // Off uniform by less than 2^-32 for orders below 2^32.
        let j = (u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64;
        rows.swap(i, j as usize);
    }
    Ok(Controls {
        found: measure(&model, &group)?,
        random_model: random_model.map(|model| measure(model, &group)).transpose()?,
        relabelled: measure(model.without_group().unwrap_or(&model), &group.cayley_table().relabelled(&rows)?)?,
    })
}

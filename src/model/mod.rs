//! What computes: models that map pairs of elements to logits, with named sites to read and to intervene on.
//!
//! | type | logits |
//! |---|---|
//! | [`Network`] | what its description ([`Architecture`]) says, step by step |
//! | [`Precomputed`] | activations and logits computed elsewhere |
//! | [`FromFn`] | a closure |
//! | [`OfGroup`] | those of the model in it, which it holds to one group |
//!
//! Published networks are descriptions of a few lines each:
//!
//! | description | logits |
//! |---|---|
//! | [`Architecture::one_layer`] | relu(\[E_a\[x\], E_b\[y\]] W) W_U |
//! | [`Architecture::one_layer_with_bias`] | (relu(\[E_a\[x\], E_b\[y\]] W) + b) W_U |
//! | [`Architecture::summed`] | relu(E_a\[x\] + E_b\[y\]) W_U; [`summed_with`](Architecture::summed_with) another activation function, the square of Gromov 2023 |
//! | [`Architecture::two_layer`] | relu(relu(E_a\[x\] + E_b\[y\]) W) W_U |
//! | [`Architecture::bilinear`] | (E_a\[x\] * E_b\[y\]) W_U |
//! | [`Transformer`] | TransformerLens's transformers, with any number of layers and heads |
//!
//! [`Architecture::with_output_bias`] adds a vector to the logits of each.

mod along;
mod cache;
mod centred;
mod energies;
mod evaluate;
mod fold_pairs;
mod from_fn;
mod hooks;
mod loss;
mod network;
mod of_group;
#[cfg(feature = "cuda")]
mod on_device;
mod pair_means;
mod precomputed;
mod readout;
mod separable;
mod spectrum;

pub(crate) use along::{rows_of, rows_of_basis};
pub use cache::{ActivationCache, ForwardPass};
pub(crate) use centred::{Centred, less_mean, row_means};
pub(crate) use energies::{spectrum_of_values, sum_and_squares};
pub use evaluate::{Evaluation, cross_entropy};
pub(crate) use evaluate::{block_rows, check_finite, check_task, winners};
pub(crate) use fold_pairs::{LossSum, MOST_TOTALS, PairBlock, fold_pairs, fold_rows};
pub use from_fn::FromFn;
pub use hooks::{Hook, Hooks, Values};
pub use network::{
    Activation, Architecture, Dependence, Initial, Layout, Network, Normalisation, OnGradients, Operation, Parameter,
    Step, Token, Transformer,
};
#[cfg(feature = "train")]
pub(crate) use network::{LANES, LanePairs, Lanes, Passes, lock};
pub use of_group::OfGroup;
#[cfg(feature = "cuda")]
pub use on_device::OnDevice;
#[cfg(all(feature = "cuda", feature = "train"))]
pub(crate) use on_device::{Back, Block, Pass, Program};
pub use pair_means::PairMeans;
pub use precomputed::Precomputed;
pub use readout::Readout;
pub(crate) use readout::{hidden_is_read_out, hidden_readout};
pub use separable::{Combiner, NeuronFunction, Separable};
pub(crate) use spectrum::rounding;
pub use spectrum::{BlockEnergies, SiteSpectrum, Split2d};

use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::group::Fingerprint;
use crate::task::{Pair, Task};
use ndarray::{Array2, Array3, ArrayView2};
use std::ops::Range;

/// Name of the last site of every model.
pub const LOGITS: &str = "logits";

/// A place in a model where activations can be read and changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Site {
    /// Its name, unique in the model: `embed_left`, `hidden`, `logits`, ...
    pub name: String,
    /// Number of channels.
    pub width: usize,
}

impl Site {
    /// A site of this name and width.
    #[must_use]
    pub fn new(name: &str, width: usize) -> Self {
        Self { name: name.into(), width }
    }
}

/// A model that maps pairs of group elements to logits over elements.
///
/// Required are the order, the sites and which of them has the neurons, a forward pass that keeps chosen sites and applies
/// hooks, and the readout. The rest is provided: the passes over all pairs stream in blocks, and each is there to be
/// overridden by an implementation that computes it faster (on a GPU, say), returning the same numbers.
///
/// # Laws
/// 1. site names are unique, the last is [`LOGITS`], n wide, and the neuron and the readout site are among them
///    ([`laws::model::sites`](crate::laws::model::sites));
/// 2. `run_with_hooks` keeps exactly the sites asked for, each (pairs, width), and what it keeps does not depend on
///    what else is kept ([`cache_equals_forward`](crate::laws::model::cache_equals_forward));
/// 3. a hook that changes nothing changes nothing, one that changes something does, or is an error
///    ([`no_op_hook`](crate::laws::model::no_op_hook));
/// 4. a hook on an unknown site is an error ([`unknown_site`](crate::laws::model::unknown_site));
/// 5. the readout of its site's activations gives the logits
///    ([`readout_is_logits`](crate::laws::model::readout_is_logits));
/// 6. `neuron_path`, where given, takes what is added to the neurons to what that adds to the logits
///    ([`neuron_path`](crate::laws::model::neuron_path));
/// 7. the streaming methods give what `run_with_hooks` gives ([`streams`](crate::laws::model::streams));
/// 8. the maps of [`as_separable`](Interpretable::as_separable), where given, reproduce the site they name
///    ([`separable`](crate::laws::model::separable));
/// 9. `neuron_and_logit_spectra` takes the logits less each pair's mean over the classes: a function of the pair added to all
///    of them changes nothing ([`logit_shift`](crate::laws::model::logit_shift)).
///
/// # Example
/// A tiny residual network, which is not separable: its second layer reads both elements through the first.
/// ```
/// use irreplens::group::Cyclic;
/// use irreplens::model::{ActivationCache, ForwardPass, Hooks, Interpretable, Readout, Site};
/// use irreplens::task::{Pair, Task};
/// use ndarray::Array2;
///
/// struct Residual { embed: Array2<f32>, mix: Array2<f32>, unembed: Array2<f32> }
///
/// impl Interpretable for Residual {
///     fn order(&self) -> usize { self.embed.nrows() }
///     fn sites(&self) -> Vec<Site> {
///         let width = self.mix.nrows();
///         vec![Site::new("stream", width), Site::new("hidden", width), Site::new("final", width),
///              Site::new("logits", self.order())]
///     }
///     fn neuron_site(&self) -> &str { "hidden" }
///     fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> irreplens::Result<ActivationCache> {
///         let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
///         let sum = Array2::from_shape_fn((pairs.len(), self.mix.nrows()), |(i, k)| {
///             let (x, y) = pairs[i];
///             self.embed[[x.index(), k]] + self.embed[[y.index(), k]]
///         });
///         let stream = pass.visit("stream", sum)?;
///         let hidden = pass.visit("hidden", stream.dot(&self.mix).mapv(f32::tanh))?;
///         let last = pass.visit("final", &stream + &hidden)?;
///         pass.visit("logits", self.readout().logits(last.view())?)?;
///         Ok(pass.finish())
///     }
///     fn readout(&self) -> Readout<'_> { Readout::new("final", self.unembed.view()) }
/// }
///
/// let wave = |i, j| ((3 * i + 5 * j) as f32).sin();
/// let net = Residual {
///     embed: Array2::from_shape_fn((7, 4), |(i, j)| wave(i, j)),
///     mix: Array2::from_shape_fn((4, 4), |(i, j)| wave(j, i)),
///     unembed: Array2::from_shape_fn((4, 7), |(i, j)| wave(i + 2, j)),
/// };
/// irreplens::laws::model::check(&net)?;
/// let evaluation = net.evaluate(&Task::new(&Cyclic::new(7)?), &Hooks::none())?;
/// assert!(evaluation.loss.is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Interpretable: Send + Sync {
    /// Order n of the group whose elements it takes.
    fn order(&self) -> usize;

    /// The fingerprint of the group it was trained on, where it is known: then analyses refuse bases, tasks and groups with
    /// another. A model that does not say ([`OfGroup`] says it for it) is held to the order alone.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// The model inside one that knows its group: on another group, where null controls measure it, it is held to the order
    /// alone. `None` for a model that does not know its group.
    fn without_group(&self) -> Option<&dyn Interpretable> {
        None
    }

    /// Its sites in the order they are computed; the last is [`LOGITS`], n wide.
    fn sites(&self) -> Vec<Site>;

    /// The site whose channels analyses of single neurons look at.
    fn neuron_site(&self) -> &str;

    /// One forward pass over `pairs` with `hooks` applied, keeping the sites named in `keep`.
    ///
    /// # Errors
    /// [`Error::UnknownSite`] for a name the model lacks in `hooks` or `keep`; [`Error::Shape`] for a hook of the
    /// wrong width; [`Error::HookUnsupported`] for one this model cannot honour.
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache>;

    /// What reads its logits: the site with the unembedding and the output bias, or the identity on `logits`
    /// ([`Readout::of_logits`]) where no such map is known.
    fn readout(&self) -> Readout<'_>;

    /// Logits of `pairs`: (pairs, n).
    ///
    /// # Errors
    /// The errors of [`run_with_hooks`](Interpretable::run_with_hooks).
    fn forward(&self, pairs: &[Pair]) -> Result<Array2<f32>> {
        self.run_with_hooks(pairs, &Hooks::none(), &[LOGITS])?.take(LOGITS)
    }

    /// One forward pass over `pairs`, keeping the sites named in `keep`.
    ///
    /// # Errors
    /// The errors of [`run_with_hooks`](Interpretable::run_with_hooks).
    fn run_with_cache(&self, pairs: &[Pair], keep: &[&str]) -> Result<ActivationCache> {
        self.run_with_hooks(pairs, &Hooks::none(), keep)
    }

    /// Left and right embedding, each (n, embed), where the model has them.
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        None
    }

    /// The matrix (width of the neuron site, n) that takes the neurons to the logits where all steps between are linear, and
    /// what else reaches the logits does not depend on them: the neurons' own path. W_U where it reads the neurons;
    /// `W_out W_U` for a transformer without LayerNorm at its end, whose residual stream reaches the logits beside it.
    fn neuron_path(&self) -> Option<ArrayView2<'_, f32>> {
        self.readout().unembedding_of(self.neuron_site())
    }

    /// Gradients of single logits with respect to the vectors that embed x and y, pair by pair.
    ///
    /// # Arguments
    /// `classes`: whose logits; `on_gradients(class, left, right)` is called for each in turn with the gradients at all
    /// `pairs`, (pairs, embed) each.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model that does not give gradients: [`Network`] does, where it embeds each element once;
    /// [`Error::UnknownElement`].
    fn logit_gradients(&self, pairs: &[Pair], classes: &[usize], on_gradients: &mut OnGradients<'_>) -> Result<()> {
        let _ = (pairs, classes, on_gradients);
        Err(Error::Unsupported { analysis: "gradients of logits", needs: "a network that is a description" })
    }

    /// The maps x -> neuron and y -> neuron, each (n, width), of whose sum or product the neurons are functions: those of
    /// [`as_separable`](Interpretable::as_separable), where the model has them.
    fn maps(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        self.as_separable().map(|maps| (maps.left(), maps.right()))
    }

    /// The model's split into a function of x and a function of y, where it has one.
    fn as_separable(&self) -> Option<&dyn Separable> {
        None
    }

    /// A copy of the model on a CUDA device (feature `cuda`).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model that is not a description: any [`Network`] moves. [`Error::CudaMemory`],
    /// [`Error::Cuda`].
    #[cfg(feature = "cuda")]
    fn to_device(&self, device: &crate::device::Device) -> Result<OnDevice> {
        let _ = device;
        Err(Error::Unsupported { analysis: "moving to a device", needs: "a network that is a description" })
    }

    /// Mean loss and accuracy over all pairs.
    ///
    /// # Errors
    /// [`Error::Shape`] for a task of another order; [`Error::NonFiniteActivation`] naming the first pair with a logit that
    /// is NaN or infinite; those of `run_with_hooks`.
    fn evaluate(&self, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
        evaluate::evaluate(&self, task, hooks)
    }

    /// Losses over sets of pairs, and the readout site summed up by left element, by right element and by product, in one
    /// pass: what the measures of representations start from.
    ///
    /// # Arguments
    /// `sets`: for each, whether a pair is in it, row-major (n^2).
    ///
    /// # Errors
    /// [`Error::Shape`] for a task or a set of another order; [`Error::Memory`] if the sums would exceed
    /// [`memory::budget`](crate::memory::budget).
    fn pair_means(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        pair_means::pair_means(&self, task, sets)
    }

    /// The channels `range` of a site at all pairs: (n, n, range), entry [x, y, channel], in any memory layout.
    ///
    /// # Errors
    /// [`Error::UnknownSite`]; [`Error::UnknownChannel`] for a range beyond the width; [`Error::Memory`] if the answer would
    /// exceed [`memory::budget`](crate::memory::budget).
    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        evaluate::columns(&self, site, range)
    }

    /// Whether activations are in another memory, a device's say, from which copying those of all pairs takes longer than
    /// another pass there: then an analysis asks for several passes, each with its hooks, where it would share one.
    fn is_remote(&self) -> bool {
        false
    }

    /// The logits of `pairs` along some functions on the group, `L D`: (pairs, directions).
    ///
    /// # Arguments
    /// `directions`: D, one function a column, (n, directions).
    ///
    /// # Errors
    /// [`Error::Shape`] for functions on a group of another order; [`Error::NonFiniteActivation`] where what is returned would
    /// not be finite, naming the first such pair; those of [`run_with_hooks`](Interpretable::run_with_hooks).
    fn logits_along(&self, pairs: &[Pair], directions: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        along::logits_along(&self, pairs, directions)
    }

    /// The coefficients of a site along y, at every x, in some rows of a basis: (n, sectors * rows, width).
    ///
    /// Entry [x, sector * rows + r, channel] is `sum over t of f_r(t) a(x, y_t, channel)`, y_t running over the sector.
    ///
    /// # Arguments
    /// `rows`: of the basis, in any order.
    ///
    /// # Errors
    /// [`Error::UnknownSite`]; [`Error::Shape`] for a basis of another order; [`Error::Memory`] if the answer would exceed
    /// [`memory::budget`](crate::memory::budget).
    ///
    /// # Panics
    /// If the basis has no such row.
    fn coefficients_along_y(&self, site: &str, basis: &dyn FourierBasis, rows: &[usize]) -> Result<Array3<f32>> {
        along::coefficients_along_y(&self, site, basis, rows)
    }

    /// Energies of the 2-D transforms of all channels of a site, as it is: of the logits, a constant added to all of them at
    /// a pair is counted, which no softmax sees. For the logits without it see
    /// [`neuron_and_logit_spectra`](Interpretable::neuron_and_logit_spectra).
    ///
    /// # Errors
    /// [`Error::UnknownSite`]; [`Error::Shape`] for a basis of another order; [`Error::NonFiniteActivation`].
    fn spectrum(&self, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
        energies::spectrum(&self, site, basis)
    }

    /// The part of [`spectrum`](Interpretable::spectrum) that neurons are labelled by, without the terms across blocks.
    ///
    /// # Errors
    /// [`Error::UnknownSite`]; [`Error::Shape`] for a basis of another order; [`Error::NonFiniteActivation`].
    ///
    /// Cost: a pass over all pairs and the transform of y; that of x only within blocks.
    fn block_energies(&self, site: &str, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
        energies::block_energies(&self, site, basis)
    }

    /// [`spectrum`](Interpretable::spectrum) of the neuron site, and of the logits less the mean over the classes of every
    /// pair, sharing what they have in common.
    ///
    /// Adding a function of the pair to all logits changes neither. Where the logits are the neurons, both are of the logits
    /// less their mean.
    ///
    /// # Errors
    /// [`Error::Shape`] for a basis of another order; [`Error::NonFiniteActivation`].
    fn neuron_and_logit_spectra(&self, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
        energies::spectra(&self, basis)
    }
}

/// Width of a site.
///
/// # Errors
/// [`Error::UnknownSite`].
pub(crate) fn width(model: &dyn Interpretable, site: &str) -> Result<usize> {
    let sites = model.sites();
    match sites.iter().find(|s| s.name == site) {
        Some(found) => Ok(found.width),
        None => Err(Error::UnknownSite { site: site.into(), known: sites.into_iter().map(|s| s.name).collect() }),
    }
}

/// The methods of [`Interpretable`] that know of no group, as those of what `self` points to.
macro_rules! forwarded_methods {
    () => {
        fn order(&self) -> usize {
            (**self).order()
        }
        fn sites(&self) -> Vec<$crate::model::Site> {
            (**self).sites()
        }
        fn neuron_site(&self) -> &str {
            (**self).neuron_site()
        }
        fn run_with_hooks(
            &self,
            pairs: &[$crate::task::Pair],
            hooks: &$crate::model::Hooks,
            keep: &[&str],
        ) -> $crate::Result<$crate::model::ActivationCache> {
            (**self).run_with_hooks(pairs, hooks, keep)
        }
        fn readout(&self) -> $crate::model::Readout<'_> {
            (**self).readout()
        }
        fn forward(&self, pairs: &[$crate::task::Pair]) -> $crate::Result<ndarray::Array2<f32>> {
            (**self).forward(pairs)
        }
        fn run_with_cache(
            &self,
            pairs: &[$crate::task::Pair],
            keep: &[&str],
        ) -> $crate::Result<$crate::model::ActivationCache> {
            (**self).run_with_cache(pairs, keep)
        }
        fn embeddings(&self) -> Option<(ndarray::ArrayView2<'_, f32>, ndarray::ArrayView2<'_, f32>)> {
            (**self).embeddings()
        }
        fn neuron_path(&self) -> Option<ndarray::ArrayView2<'_, f32>> {
            (**self).neuron_path()
        }
        fn logit_gradients(
            &self,
            pairs: &[$crate::task::Pair],
            classes: &[usize],
            on_gradients: &mut $crate::model::OnGradients<'_>,
        ) -> $crate::Result<()> {
            (**self).logit_gradients(pairs, classes, on_gradients)
        }
        fn maps(&self) -> Option<(ndarray::ArrayView2<'_, f32>, ndarray::ArrayView2<'_, f32>)> {
            (**self).maps()
        }
        fn as_separable(&self) -> Option<&dyn $crate::model::Separable> {
            (**self).as_separable()
        }
        fn neuron_columns(&self, site: &str, range: std::ops::Range<usize>) -> $crate::Result<ndarray::Array3<f32>> {
            (**self).neuron_columns(site, range)
        }
        fn is_remote(&self) -> bool {
            (**self).is_remote()
        }
        fn logits_along(
            &self,
            pairs: &[$crate::task::Pair],
            directions: ndarray::ArrayView2<'_, f32>,
        ) -> $crate::Result<ndarray::Array2<f32>> {
            (**self).logits_along(pairs, directions)
        }
    };
}
pub(crate) use forwarded_methods;

/// The methods of [`Interpretable`] that a model which knows its group has its own of, as those of what `self` points to.
macro_rules! forwarded_methods_with_group {
    () => {
        fn fingerprint(&self) -> Option<$crate::group::Fingerprint> {
            (**self).fingerprint()
        }
        fn without_group(&self) -> Option<&dyn $crate::model::Interpretable> {
            (**self).without_group()
        }
        #[cfg(feature = "cuda")]
        fn to_device(&self, device: &crate::device::Device) -> $crate::Result<$crate::model::OnDevice> {
            (**self).to_device(device)
        }
        fn evaluate(
            &self,
            task: &$crate::task::Task,
            hooks: &$crate::model::Hooks,
        ) -> $crate::Result<$crate::model::Evaluation> {
            (**self).evaluate(task, hooks)
        }
        fn pair_means(&self, task: &$crate::task::Task, sets: &[&[bool]]) -> $crate::Result<$crate::model::PairMeans> {
            (**self).pair_means(task, sets)
        }
        fn coefficients_along_y(
            &self,
            site: &str,
            basis: &dyn $crate::fourier::FourierBasis,
            rows: &[usize],
        ) -> $crate::Result<ndarray::Array3<f32>> {
            (**self).coefficients_along_y(site, basis, rows)
        }
        fn spectrum(
            &self,
            site: &str,
            basis: &dyn $crate::fourier::FourierBasis,
        ) -> $crate::Result<$crate::model::SiteSpectrum> {
            (**self).spectrum(site, basis)
        }
        fn block_energies(
            &self,
            site: &str,
            basis: &dyn $crate::fourier::FourierBasis,
        ) -> $crate::Result<$crate::model::BlockEnergies> {
            (**self).block_energies(site, basis)
        }
        fn neuron_and_logit_spectra(
            &self,
            basis: &dyn $crate::fourier::FourierBasis,
        ) -> $crate::Result<($crate::model::SiteSpectrum, $crate::model::SiteSpectrum)> {
            (**self).neuron_and_logit_spectra(basis)
        }
    };
}
pub(crate) use forwarded_methods_with_group;

macro_rules! forward_interpretable {
    ($($pointer:ty),*) => {$(
        impl<M: Interpretable + ?Sized> Interpretable for $pointer {
            forwarded_methods_with_group!();
            forwarded_methods!();
        }
    )*};
}
forward_interpretable!(&M, Box<M>, std::sync::Arc<M>);

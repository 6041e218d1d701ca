//! Models whose first layer is a function of x and one of y, put together.

use super::{Activation, Interpretable};
use ndarray::{ArrayView1, ArrayView2};

/// How a separable model puts its two maps together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Combiner {
    /// `left[x] + right[y]`.
    Sum,
    /// `left[x] * right[y]`, elementwise.
    Product,
}

impl Combiner {
    /// Applies it to two numbers.
    #[must_use]
    pub fn apply(self, left: f32, right: f32) -> f32 {
        match self {
            Self::Sum => left + right,
            Self::Product => left * right,
        }
    }
}

/// How neurons follow from the site that the two maps reproduce: `neuron = f(site) + b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronFunction<'a> {
    /// The activation function f; the identity where the site is the neurons.
    pub function: Activation,
    /// The vector b (width) added afterwards, if any.
    pub bias: Option<ArrayView1<'a, f32>>,
}

/// A model one of whose sites splits into a function of x and a function of y.
///
/// # Laws
/// 1. `left` and `right` are (n, width of the site);
/// 2. the site's activations at (x, y) are `left[x]` combined with `right[y]`
///    ([`laws::model::separable`](crate::laws::model::separable));
/// 3. `neuron_function`, where given, takes that site to the readout's ([`neuron_function`](crate::laws::model::neuron_function)).
///
/// # Example
/// ```
/// use irreplens::model::{Interpretable, Network};
/// use ndarray::array;
/// let net = Network::summed(array![[1.0], [2.0]], array![[10.0], [20.0]], array![[1.0, -1.0]])?;
/// let maps = net.as_separable().unwrap();
/// assert_eq!(maps.separable_site(), "hidden_pre");
/// assert_eq!(maps.combiner().apply(maps.left()[[1, 0]], maps.right()[[0, 0]]), 12.0);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub trait Separable: Interpretable {
    /// The map from the left element: (n, width).
    fn left(&self) -> ArrayView2<'_, f32>;

    /// The map from the right element: (n, width).
    fn right(&self) -> ArrayView2<'_, f32>;

    /// How the two are put together.
    fn combiner(&self) -> Combiner;

    /// The site they reproduce.
    fn separable_site(&self) -> &str;

    /// How the site that the readout reads follows from the one they reproduce, where no step lies between but an activation
    /// function: then the two maps, this function and the readout are the whole model.
    fn neuron_function(&self) -> Option<NeuronFunction<'_>> {
        None
    }
}

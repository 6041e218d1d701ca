//! What algorithm a network computes with: a shape for every neuron's maps, circuits of neurons, and the idealised network
//! that they make.

mod circuits;
mod compare;
mod cosets;
mod idealised;
mod irreps;
mod neuron;
mod words;

pub use circuits::{Circuit, CircuitKind};
pub use compare::{CircuitLosses, Comparison};
pub use cosets::{CosetMap, Side};
pub use idealised::Explanation;
pub use irreps::Coefficient;
pub use neuron::{ExplainedNeuron, Fixed, NeuronOutput, Shape, Shares};

use super::irrep_parts::{Irreps, checked_table};
use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::group::{Elem, Group, GroupExt};
use crate::model::{Activation, Combiner, Interpretable, check_finite};
use crate::task::Pair;
use cosets::Subgroups;
use ndarray::{Array1, ArrayView2};

/// A shape holds for a map if it accounts for at least this share of the map's variance, adjusted for the numbers that it takes:
/// `1 - (1 - share) (n - 1) / (n - numbers)`.
pub const HOLDS: f64 = 0.9;

/// Whether a shape of `numbers` numbers that leaves `left` of a map's variance on n elements holds.
fn holds(left: f64, numbers: f64, n: usize) -> bool {
    numbers < n as f64 && left * (n as f64 - 1.0) <= (1.0 - HOLDS) * (n as f64 - numbers)
}

/// What of a variance is left counts as at least this much: a shape is not preferred for leaving less.
const CLOSE: f64 = 1e-3;

/// What a shape costs that leaves a share `left` of a variance and takes so many numbers: twice the numbers have to pay by leaving
/// less than a quarter.
fn cost(left: f64, numbers: usize) -> f64 {
    left.max(CLOSE) * (numbers * numbers) as f64
}

/// What a network computes: the simplest shape that holds for each neuron, and the network that these shapes make.
///
/// A neuron of a network with one hidden layer reads a map of x and a map of y and writes along its row of the unembedding. Of the
/// shapes that hold for both maps ([`HOLDS`]) it gets the one with the fewest numbers, unless one with more leaves much less: that
/// with the least `left numbers^2`, where what is left of the variances counts as a thousandth at least:
///
/// | shape | left map | right map | unembedding |
/// |---|---|---|---|
/// | [`Shape::RhoSet`] | `u^T rho(x) v` | `v^T rho(y) w`; u fixed by H and w by K, v by J, or all three | of degree 2 in `u^T rho(z) w` |
/// | [`Shape::Coefficients`] | `u^T rho(x) v`, or a sum of up to three | `v^T rho(y) w` | of degree 2 in each `u^T rho(z) w` |
/// | [`Shape::Cosets`] | constant on H x (or x H) | constant on y K (or K y) | constant on H z K |
///
/// A mean may be added to every map. Irreps are real ones of any kind; on a cyclic group a coefficient is a sine, its amplitude
/// the length of u and its phase the angle between u and v. A neuron for which nothing holds is unexplained, and one through
/// which next to nothing reaches the logits is dim; neither is in the idealised network.
///
/// # Arguments
/// `model`: any whose hidden layer is a function of a sum or product of two maps
/// ([`Separable::neuron_function`](crate::model::Separable::neuron_function)): a network with one hidden layer, a bilinear one, or one of
/// your own.
///
/// `group`: the one it was trained on, which need not be named.
///
/// `basis`: in one sector, its blocks the group's irreps, as of [`IrrepBasis`](crate::fourier::IrrepBasis).
///
/// # Errors
/// [`Error::Unsupported`] for another model, or a basis in several sectors; [`Error::NotAnIrrep`] for a basis whose blocks are not
/// irreps; [`Error::Shape`] for a group or a basis of another order, [`Error::OtherGroup`] for those of another group;
/// [`Error::OverLimit`] for a group of more than 20,000 subgroups; [`Error::NonFiniteActivation`]; [`Error::Memory`].
///
/// Cost: 4 n width additions for each subgroup, and n^2 width multiply-adds for each of the irreps' parts and for the circuits.
///
/// ```
/// use irreplens::analysis::{Shape, explain};
/// use irreplens::{fourier::IrrepBasis, group::Cyclic, model::{Hooks, Interpretable, Network}, task::Task};
/// use ndarray::Array2;
/// // Neuron k reads cos(2 pi 3 x / 11 + k) and cos(2 pi 3 y / 11 + k), and writes cos(2 pi 3 z / 11 + 2 k).
/// let angle = |x: usize, phase: f32| (std::f32::consts::TAU * 3.0 * x as f32 / 11.0 + phase).cos();
/// let embed = Array2::from_shape_fn((11, 24), |(x, k)| angle(x, k as f32));
/// let unembed = Array2::from_shape_fn((24, 11), |(k, z)| angle(z, 2.0 * k as f32));
/// let net = Network::summed(embed.clone(), embed, unembed)?;
/// let group = Cyclic::new(11)?;
/// let explanation = explain(&net, &group, &IrrepBasis::new(&group)?)?;
/// assert!(matches!(explanation.neurons[0].shape, Shape::Coefficients(_)));
/// assert_eq!((explanation.circuits.len(), explanation.circuits[0].members.len()), (1, 24));
/// // It is a model: it has losses, analyses, hooks.
/// let task = Task::new(&group);
/// let (ideal, trained) = (explanation.evaluate(&task, &Hooks::none())?, net.evaluate(&task, &Hooks::none())?);
/// assert!((ideal.loss - trained.loss).abs() < 1e-4 * trained.loss);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Stander, Yu, Fan, Biderman 2024, "Grokking Group Multiplication with Cosets" (cosets); Wu, Jaburi, Drori, Gross 2024,
/// "Towards a unified and verified understanding of group-operation networks" (rho-sets, vectors shared between maps).
pub fn explain(
    model: &(impl Interpretable + ?Sized),
    group: &(impl Group + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
) -> Result<Explanation> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    let table = checked_table(model, group, basis, ["group of the explanation", "basis of the explanation"])?;
    let layer = HiddenLayer::of(model, "explain")?;
    let pairs = |pair: fn(Elem, Elem) -> Pair| table.elements().map(|x| pair(x, table.identity())).collect::<Vec<_>>();
    check_finite("map x -> neuron", layer.left, &pairs(|x, e| (x, e)))?;
    check_finite("map y -> neuron", layer.right, &pairs(|y, e| (e, y)))?;

    let unembedding = layer.unembedding.mapv(f64::from);
    let (irreps, subgroups) = (Irreps::new(&table, basis, "explain")?, Subgroups::new(&table)?);
    let reader = neuron::Reader::new(&table, &irreps, &subgroups, [layer.left, layer.right], unembedding.view());
    let fits = reader.all(layer.function)?;
    Explanation::of_fits(&layer, &table, group.name(), irreps, subgroups.classes, fits)
}

/// A model with one hidden layer, which its unembedding reads: two maps, how they make the neurons, what these write.
pub(crate) struct HiddenLayer<'a> {
    /// The map x -> neuron, (n, width).
    pub left: ArrayView2<'a, f32>,
    /// The map y -> neuron.
    pub right: ArrayView2<'a, f32>,
    pub combiner: Combiner,
    pub function: Activation,
    /// W_U, (width, n).
    pub unembedding: ArrayView2<'a, f32>,
    /// What is added to the logits: the output bias, and what a bias of the neurons writes.
    pub offset: Array1<f32>,
}

impl<'a> HiddenLayer<'a> {
    /// # Errors
    /// [`Error::Unsupported`] for another model.
    pub fn of(model: &'a dyn Interpretable, analysis: &'static str) -> Result<Self> {
        let maps = model.as_separable().ok_or(Error::Unsupported {
            analysis,
            needs: "a hidden layer that is a function of a map of x plus, or times, a map of y: the heads of a transformer look \
                    at both at once (`analysis::heads` says how far), and recorded activations have no maps",
        })?;
        let readout = model.readout();
        let (Some(neurons), Some(unembedding)) = (maps.neuron_function(), readout.unembedding()) else {
            return Err(Error::Unsupported {
                analysis,
                needs: "an unembedding that reads the first hidden layer: the model has a step between the two, so that its \
                        logits do not follow from the maps of x and y by one activation function",
            });
        };
        let mut offset = readout.offset();
        if let Some(bias) = neurons.bias {
            offset += &bias.dot(&unembedding);
        }
        let (left, right, combiner) = (maps.left(), maps.right(), maps.combiner());
        Ok(Self { left, right, combiner, function: neurons.function, unembedding, offset })
    }

    /// The neuron of a value of each map, before its bias.
    pub fn neuron(&self, left: f32, right: f32) -> f32 {
        self.function.apply(self.combiner.apply(left, right))
    }
}

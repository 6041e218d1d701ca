//! The idealised network: what the shapes of all neurons make, a model like any other, and what it leaves.

use super::super::digest::digest;
use super::super::irrep_parts::Irreps;
use super::HiddenLayer;
use super::circuits::{self, Circuit, Sums, neuron_means};
use super::neuron::{ExplainedNeuron, Fit};
use crate::error::{Error, Result, check_shape};
use crate::group::{CayleyTable, Fingerprint, Group, SubgroupClass, subgroup_names};
use crate::irrep::Irrep;
use crate::model::{
    Activation, Architecture, Combiner, Interpretable, Network, OfGroup, Separable, forwarded_methods,
    forwarded_methods_with_group,
};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use std::ops::Deref;

/// What a network computes, as [`explain`](super::explain()) finds it: a shape for every neuron, circuits of neurons, and the
/// idealised network that they make.
///
/// An explanation is a model: its weights are built from the shapes' numbers alone, so that every analysis, law and device takes it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
#[non_exhaustive]
pub struct Explanation {
    /// The group's name.
    pub group: String,
    /// Every neuron, by channel of the hidden layer.
    pub neurons: Vec<ExplainedNeuron>,
    /// Circuits, the one that writes most to the logits first.
    pub circuits: Vec<Circuit>,
    /// The irreps that coefficients are of.
    pub irreps: Vec<Irrep>,
    /// Classes of subgroups that cosets are of.
    pub classes: Vec<SubgroupClass>,
    /// By class, which group its subgroups are: those of [`subgroup_names`].
    pub class_names: Vec<String>,
    model: String,
    network: OfGroup<Network>,
}

/// An explanation in a file: its network by the three functions of every neuron, which its shapes determine.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Stored {
    group: String,
    group_fingerprint: Option<Fingerprint>,
    model: String,
    neurons: Vec<ExplainedNeuron>,
    circuits: Vec<Circuit>,
    irreps: Vec<Irrep>,
    classes: Vec<SubgroupClass>,
    class_names: Vec<String>,
    product: bool,
    function: Activation,
    left: Array2<f32>,
    right: Array2<f32>,
    unembedding: Array2<f32>,
    output_bias: Array1<f32>,
}

impl From<Explanation> for Stored {
    fn from(explanation: Explanation) -> Self {
        let network = &explanation.network;
        let layer = explanation.layer();
        Self {
            group_fingerprint: network.fingerprint(),
            product: layer.combiner == Combiner::Product,
            function: layer.function,
            left: layer.left.to_owned(),
            right: layer.right.to_owned(),
            unembedding: layer.unembedding.to_owned(),
            output_bias: layer.offset,
            group: explanation.group,
            model: explanation.model,
            neurons: explanation.neurons,
            circuits: explanation.circuits,
            irreps: explanation.irreps,
            classes: explanation.classes,
            class_names: explanation.class_names,
        }
    }
}

impl TryFrom<Stored> for Explanation {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let combiner = if stored.product { Combiner::Product } else { Combiner::Sum };
        let network =
            network(combiner, stored.function, [stored.left, stored.right, stored.unembedding], stored.output_bias)?;
        check_shape("explained neurons", &[network.left().ncols()], &[stored.neurons.len()])?;
        Ok(Self {
            network: OfGroup::with_fingerprint(network, stored.group_fingerprint),
            group: stored.group,
            model: stored.model,
            neurons: stored.neurons,
            circuits: stored.circuits,
            irreps: stored.irreps,
            classes: stored.classes,
            class_names: stored.class_names,
        })
    }
}

/// A network with one hidden layer of these maps (n, width), (n, width) and this unembedding (width, n).
pub(super) fn network(
    combiner: Combiner,
    function: Activation,
    [left, right, unembedding]: [Array2<f32>; 3],
    output_bias: Array1<f32>,
) -> Result<Network> {
    let (n, width) = left.dim();
    let architecture = match combiner {
        Combiner::Sum => Architecture::summed_with(width, function),
        Combiner::Product if function == Activation::Identity => Architecture::bilinear(width),
        Combiner::Product => {
            let needs = "neurons that are the product of their maps, or a function of the sum";
            return Err(Error::Unsupported { analysis: "explain", needs });
        }
    };
    let weights = [("W_E_a", left), ("W_E_b", right), ("W_U", unembedding)];
    let network = Network::with_parameters(architecture, n, weights)?;
    match output_bias.iter().all(|v| *v == 0.0) {
        true => Ok(network),
        false => network.with_output_bias(output_bias),
    }
}

impl Explanation {
    pub(super) fn of_fits(
        layer: &HiddenLayer<'_>,
        table: &CayleyTable,
        group: String,
        irreps: Irreps,
        classes: Vec<SubgroupClass>,
        fits: Vec<Fit>,
    ) -> Result<Self> {
        let (n, width) = (table.order(), fits.len());
        let column = |of: fn(&Fit) -> &Array1<f64>| Array2::from_shape_fn((n, width), |(x, k)| of(&fits[k])[x] as f32);
        let unembedding = column(|fit| &fit.unembed).reversed_axes().as_standard_layout().into_owned();
        let weights = [column(|fit| &fit.left), column(|fit| &fit.right), unembedding];
        let sums = Sums::new(layer, table);
        // Without a bias first, for what its neurons write on average.
        let unbiased = network(layer.combiner, layer.function, weights.clone(), Array1::zeros(n))?;
        let of_unbiased = HiddenLayer::of(&unbiased, "explain")?;
        let written =
            |layer: &HiddenLayer<'_>| &layer.unembedding.mapv(f64::from) * &neuron_means(layer).insert_axis(Axis(1));
        // By neuron and class, what a neuron writes on average beyond what its shape does.
        let left_over = written(layer) - written(&of_unbiased);
        let mean = left_over.sum_axis(Axis(0));
        let constant = mean.mean().unwrap_or(0.0);
        let bias = &layer.offset + &mean.mapv(|v| (v - constant) as f32);
        let built = network(layer.combiner, layer.function, weights, bias)?;
        let neurons: Vec<ExplainedNeuron> = fits.into_iter().map(|fit| fit.neuron).collect();
        let class_names = subgroup_names(table, &classes)?;
        let circuits = circuits::circuits(table, &sums, &left_over, &neurons, &irreps, &class_names);
        Ok(Self {
            group,
            class_names,
            neurons,
            circuits,
            irreps: irreps.irreps,
            classes,
            model: digest_of(layer),
            network: OfGroup::new(built, table)?,
        })
    }

    /// The idealised network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The idealised network, which has one hidden layer.
    fn layer(&self) -> HiddenLayer<'_> {
        HiddenLayer::of(&self.network, "explain").unwrap_or_else(|_| unreachable!("it was built with one hidden layer"))
    }

    /// The idealised network of some circuits alone, with their part of the output bias.
    ///
    /// # Arguments
    /// `circuits`: their places in [`Explanation::circuits`].
    ///
    /// # Errors
    /// [`Error::Range`] for a circuit that there is not.
    pub fn of_circuits(&self, circuits: &[usize]) -> Result<Network> {
        if let Some(&circuit) = circuits.iter().find(|&&circuit| circuit >= self.circuits.len()) {
            let (what, got) = ("number of a circuit", circuit as f64);
            return Err(Error::Range { what, expected: "one of the explanation's circuits, counted from 0", got });
        }
        let (mut layer, n) = (self.layer(), self.network.order());
        let mut neurons = Vec::new();
        for (i, circuit) in self.circuits.iter().enumerate() {
            match circuits.contains(&i) {
                true => neurons.extend(&circuit.members),
                false => layer.offset -= &circuit.bias.mapv(|v| v as f32),
            }
        }
        neurons.sort_unstable();
        let [left, right] = [&layer.left, &layer.right].map(|map| map.select(Axis(1), &neurons));
        let unembedding = layer.unembedding.select(Axis(0), &neurons);
        let weights = match neurons.is_empty() {
            false => [left, right, unembedding],
            // A network has a neuron at least: one that is nothing.
            true => [Array2::zeros((n, 1)), Array2::zeros((n, 1)), Array2::zeros((1, n))],
        };
        network(layer.combiner, layer.function, weights, layer.offset)
    }

    /// What the explanation leaves of the model that it is of, a network of twice as many neurons whose logits are the model's
    /// less the idealised network's.
    ///
    /// # Errors
    /// [`Error::OtherModel`] for another model.
    pub fn remainder(&self, model: &(impl Interpretable + ?Sized)) -> Result<OfGroup<Network>> {
        let model: &dyn Interpretable = &model;
        self.check(model)?;
        let (layer, ideal) = (HiddenLayer::of(model, "explain")?, self.layer());
        let weights = [
            stacked(Axis(1), layer.left, ideal.left),
            stacked(Axis(1), layer.right, ideal.right),
            stacked(Axis(0), layer.unembedding, ideal.unembedding.mapv(|v| -v).view()),
        ];
        let built = network(layer.combiner, layer.function, weights, layer.offset - ideal.offset)?;
        Ok(OfGroup::with_fingerprint(built, self.network.fingerprint()))
    }

    /// [`Error::OtherModel`] unless it is the model that the explanation is of.
    pub(crate) fn check(&self, model: &dyn Interpretable) -> Result<()> {
        check_shape("order of the explained model", &[self.network.order()], &[model.order()])?;
        crate::group::check_fingerprint("explained model", self.network.fingerprint(), model.fingerprint())?;
        let got = digest_of(&HiddenLayer::of(model, "explain")?);
        match got == self.model {
            true => Ok(()),
            false => Err(Error::OtherModel { what: "explanation", expected: self.model.clone(), got }),
        }
    }

    /// The numbers that the idealised network takes: those of all neurons and the output bias.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.neurons.iter().map(|neuron| neuron.numbers).sum::<usize>() + self.network.order()
    }
}

/// Two maps or unembeddings of the same elements, one after the other.
fn stacked(axis: Axis, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
    ndarray::concatenate(axis, &[a, b]).expect("maps of the same elements")
}

/// A number that tells a model from others: the digest of its maps, its unembedding and its offset, bit by bit.
fn digest_of(layer: &HiddenLayer<'_>) -> String {
    let values = layer.left.into_iter().chain(layer.right).chain(layer.unembedding).chain(&layer.offset);
    let kind = format!("{:?} {:?}", layer.combiner, layer.function).into_bytes();
    digest(values.flat_map(|v| v.to_bits().to_le_bytes()).chain(kind))
}

impl Deref for Explanation {
    type Target = OfGroup<Network>;

    fn deref(&self) -> &OfGroup<Network> {
        &self.network
    }
}

impl Interpretable for Explanation {
    forwarded_methods!();
    forwarded_methods_with_group!();
}

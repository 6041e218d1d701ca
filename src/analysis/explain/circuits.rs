//! Circuits: neurons of one irrep, or of cosets of one class of subgroups, and the function of x y z^-1 that they add up to.

use super::super::irrep_parts::Irreps;
use super::HiddenLayer;
use super::neuron::{ExplainedNeuron, Shape};
use crate::group::{CayleyTable, Elem, Group, GroupExt};
use crate::irrep::Irrep;
use crate::linalg::{map_blocks, times};
use ndarray::{Array1, Array2, Axis};
use std::collections::BTreeMap;

/// What the neurons of a circuit have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitKind {
    /// The irrep that their maps are matrix coefficients of, or have their largest coefficient in: its place in
    /// [`Explanation::irreps`](super::Explanation::irreps).
    Irrep(usize),
    /// The class of the subgroup on whose cosets their left maps are constant: its place in
    /// [`Explanation::classes`](super::Explanation::classes).
    Subgroups(usize),
}

/// Neurons that compute the same thing, and what they add up to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Circuit {
    /// What the neurons have in common.
    pub kind: CircuitKind,
    /// The irrep's label, or which group the subgroups are.
    pub name: String,
    /// The neurons.
    pub members: Vec<usize>,
    /// Share of the logits' energy, less each pair's mean over the classes, that these neurons write, each circuit by itself;
    /// where circuits work together the shares of all add up to less than 1.
    pub share: f64,
    /// `F(g)`, the mean over all pairs of what they write to the class z with x y z^-1 = g, by g, less its mean over g: (n).
    pub function: Array1<f64>,
    /// Share of what they write, less each pair's mean over the classes, that is that function of x y z^-1.
    pub of_product: f64,
    /// The irrep whose character is most like that function, by its place in [`Explanation::irreps`](super::Explanation::irreps).
    pub like: usize,
    /// The cosine between the function and that character.
    pub character: f64,
    /// How evenly what the members write covers the functions of the irrep: `k^2 / (r sum over members i, j of <t_i, t_j>^2)` of
    /// their k functions `u^T rho(z) w`, of norm 1, and the r functions that the irrep has. 1 if they cover all evenly, at most
    /// k / r for few members; for sines it says how evenly phases cover the circle. `None` for cosets.
    pub evenness: Option<f64>,
    /// What the members write on average over all pairs beyond what their idealised shapes do, to each class z, less its mean: (n).
    /// It is in the idealised network's output bias.
    pub bias: Array1<f64>,
    /// The mean over the members of the correlation between what they write and the function `u^T rho(z) w` that the theory has
    /// them write: for sines the cosine of the output phase less the sum of the input phases. `None` for cosets.
    pub alignment: Option<f64>,
}

/// Values less their mean.
fn centred(values: &Array1<f64>) -> Array1<f64> {
    values - values.mean().unwrap_or(0.0)
}

fn cosine(a: &Array1<f64>, b: &Array1<f64>) -> f64 {
    let norms = (a.dot(a) * b.dot(b)).sqrt();
    if norms > 0.0 { a.dot(b) / norms } else { 0.0 }
}

pub(super) fn circuits(
    table: &CayleyTable,
    sums: &Sums,
    left_over: &Array2<f64>,
    neurons: &[ExplainedNeuron],
    irreps: &Irreps,
    class_names: &[String],
) -> Vec<Circuit> {
    let mut members: BTreeMap<CircuitKind, Vec<usize>> = BTreeMap::new();
    for (k, neuron) in neurons.iter().enumerate() {
        let kind = match &neuron.shape {
            Shape::Cosets => match &neuron.cosets {
                Some(maps) => CircuitKind::Subgroups(maps[0].class),
                None => continue,
            },
            shape => match shape.coefficients().first() {
                Some(coefficient) => CircuitKind::Irrep(coefficient.irrep),
                None => continue,
            },
        };
        members.entry(kind).or_default().push(k);
    }
    let mut circuits: Vec<Circuit> = Vec::new();
    for (kind, members) in members {
        let (function, energy) = sums.of_neurons(table, &members);
        let of_function = table.order().pow(2) as f64 * function.dot(&function);
        let likeness = |irrep: &Irrep| cosine(&function, &irrep.character);
        let all = irreps.irreps.iter().map(likeness).enumerate().skip(1);
        let (like, character) = all.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or((0, 0.0));
        let written: Vec<[Array1<f64>; 2]> = members
            .iter()
            .filter_map(|&k| {
                let coefficient = neurons[k].shape.coefficients().first()?;
                let [.., t] = coefficient.functions(irreps.matrices[coefficient.irrep].matrices());
                Some([centred(&t), centred(&sums.unembedding.row(k).to_owned())])
            })
            .collect();
        let (evenness, alignment) = match kind {
            CircuitKind::Subgroups(_) => (None, None),
            CircuitKind::Irrep(irrep) => {
                let k = written.len() as f64;
                let functions = || written.iter().map(|[t, _]| t);
                let squares: f64 = functions().flat_map(|a| functions().map(|b| cosine(a, b).powi(2))).sum();
                let alignment = written.iter().map(|[t, u]| cosine(t, u)).sum::<f64>() / k;
                (Some(k * k / (irreps.irreps[irrep].rank() as f64 * squares)), Some(alignment))
            }
        };
        circuits.push(Circuit {
            kind,
            name: match kind {
                CircuitKind::Irrep(irrep) => irreps.irreps[irrep].label.clone(),
                CircuitKind::Subgroups(class) => class_names[class].clone(),
            },
            share: if sums.energy > 0.0 { energy / sums.energy } else { 0.0 },
            of_product: if energy > 0.0 { of_function / energy } else { 0.0 },
            function,
            bias: centred(&left_over.select(Axis(0), &members).sum_axis(Axis(0))),
            like,
            character,
            evenness,
            alignment,
            members,
        });
    }
    circuits.sort_by(|a, b| b.share.total_cmp(&a.share));
    circuits
}

/// The mean of every neuron of a layer over all pairs, before its bias: (width).
pub(super) fn neuron_means(layer: &HiddenLayer<'_>) -> Array1<f64> {
    let (n, width) = layer.left.dim();
    // One x a block: the result does not depend on the number of threads.
    let rows = map_blocks(n, 1, |range| {
        let mut sums = Array1::<f64>::zeros(width);
        for of_y in layer.right.rows() {
            for ((sum, &l), &r) in sums.iter_mut().zip(layer.left.row(range.start)).zip(of_y) {
                *sum += f64::from(layer.neuron(l, r));
            }
        }
        sums
    });
    rows.iter().fold(Array1::zeros(width), |total, row| total + row) / (n * n) as f64
}

/// What circuits are summed up from: hidden layer and unembedding of the network as it is.
pub(super) struct Sums {
    /// `sum over x of h_k(x, x^-1 p)`, (n, width).
    by_product: Array2<f64>,
    /// `sum over pairs of h_j h_k`, (width, width).
    moments: Array2<f64>,
    /// W_U, less its mean over the classes: (width, n).
    unembedding: Array2<f64>,
    /// Square norm of all logits, less each pair's mean.
    energy: f64,
}

impl Sums {
    pub fn new(layer: &HiddenLayer<'_>, table: &CayleyTable) -> Self {
        let (n, width) = layer.left.dim();
        let mut unembedding = layer.unembedding.mapv(f64::from);
        let means = unembedding.mean_axis(Axis(1)).expect("an element at least");
        unembedding -= &means.insert_axis(Axis(1));
        let inverses = table.inverses();
        // One product a block: the result does not depend on the number of threads.
        let blocks = map_blocks(n, 1, |range| {
            let p = Elem::new(range.start);
            let mut hidden = Array2::<f64>::zeros((n, width));
            for (x, mut row) in hidden.rows_mut().into_iter().enumerate() {
                let y = table.compose(inverses[x], p).index();
                let (of_x, of_y) = (layer.left.row(x), layer.right.row(y));
                for ((h, &l), &r) in row.iter_mut().zip(of_x).zip(of_y) {
                    *h = f64::from(layer.neuron(l, r));
                }
            }
            let sums = hidden.sum_axis(Axis(0));
            (sums, times(hidden.t(), hidden.view()))
        });
        let mut by_product = Array2::zeros((n, width));
        let mut moments = Array2::zeros((width, width));
        for (p, (sums, squares)) in blocks.iter().enumerate() {
            by_product.row_mut(p).assign(sums);
            moments += squares;
        }
        let energy = (&moments * &times(unembedding.view(), unembedding.t())).sum();
        Self { by_product, moments, unembedding, energy }
    }

    /// The function of x y z^-1 that some neurons write, and the square norm of all that they write.
    fn of_neurons(&self, table: &CayleyTable, neurons: &[usize]) -> (Array1<f64>, f64) {
        let n = table.order();
        let by_product = self.by_product.select(Axis(1), neurons);
        let unembedding = self.unembedding.select(Axis(0), neurons);
        // Entry [p, z] is what is written to z at all pairs with product p, added up.
        let written = times(by_product.view(), unembedding.view());
        let inverses = table.inverses();
        let mut function = Array1::<f64>::zeros(n);
        for ((p, z), value) in written.indexed_iter() {
            function[table.compose(Elem::new(p), inverses[z]).index()] += value;
        }
        let moments = self.moments.select(Axis(0), neurons).select(Axis(1), neurons);
        let energy = (&moments * &times(unembedding.view(), unembedding.t())).sum();
        (function / (n * n) as f64, energy)
    }
}

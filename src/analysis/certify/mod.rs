//! Proofs that a network's largest logit is at the product: from its explanation, from cosets alone, and by running every pair.

mod bounds;
mod enclosed;
mod file;
mod means;
mod proof;
mod tables;

use super::digest::digest;
use super::explain::{ExplainedNeuron, Explanation, Shape};
use super::table::lines;
use crate::error::Result;
use crate::group::{CayleyTable, Fingerprint, Group};
use crate::model::{Network, check_task};
use crate::task::Task;
use enclosed::Layer;
use ndarray::Array2;
use proof::Proof;
use std::collections::BTreeMap;
use std::fmt;

/// Margins are multiples of 1 over this.
const GRAIN: f64 = 65536.0;

/// A partition is read from where it has at most this share of the elements as classes; with more, tables save nothing.
const COARSE: usize = 4;

/// A function of one element that has one value on every class of a partition.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct OnClasses {
    /// The class of every element.
    pub class_of: Vec<u32>,
    /// The value on every class.
    pub values: Vec<f64>,
}

/// What a neuron writes along some functions: coefficients for them.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Along {
    /// The functions, by their place in [`Certificate::functions`].
    pub functions: usize,
    /// A coefficient for each.
    pub coefficients: Vec<f64>,
}

/// How a neuron is taken into account.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// By the cosets on which its maps are constant: its activations are those of a table, what they are off is bounded.
    Read {
        /// The left map on cosets.
        left: OnClasses,
        /// The right map on cosets.
        right: OnClasses,
    },
    /// By the irreps that it writes in: its row of the unembedding is a few matrix entries, what is left of it is bounded.
    Written(Vec<Along>),
    /// As it is.
    Exact,
    /// Not at all: what it adds to a margin is bounded.
    Bounded,
}

impl Method {
    /// The method's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Written(_) => "written",
            Self::Exact => "exact",
            Self::Bounded => "bounded",
        }
    }
}

/// A way to prove margins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvenBy {
    /// By the explanation: cosets where these are few, else the irreps that are written in; unexplained neurons are run as they
    /// are, and all others that are not read where these irreps have as many functions.
    Explanation,
    /// By cosets alone: what other neurons do is bounded.
    Cosets,
    /// By running every pair.
    BruteForce,
}

/// What was proven of a network: for each pair a lower bound on the margin, the logit of the product less the largest other one.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// The group's name.
    pub group: String,
    /// The group's fingerprint.
    pub group_fingerprint: Fingerprint,
    /// The digest of the network's weights, all bits of them.
    pub weights: String,
    /// How it was proven.
    pub by: ProvenBy,
    /// How each neuron was taken into account.
    pub neurons: Vec<Method>,
    /// The functions that neurons write along, irrep by irrep: (functions, n) each.
    pub functions: Vec<Array2<f64>>,
    /// A lower bound on the margin of every pair, in real arithmetic: \[x, y\]. Where it is above 0 the pair is proven. With neurons
    /// that are read no larger one is looked for than a forward pass in `f32` needs.
    pub margins: Array2<f64>,
    /// A bound on how far a logit of a forward pass in `f32` may be from the one in real arithmetic.
    pub single_error: f64,
    /// Multiply-adds that the proof took, an addition or a comparison counted as one.
    pub operations: u64,
    /// Multiply-adds that running every pair takes, counted alike.
    pub brute_force: u64,
}

impl Certificate {
    /// The number of pairs that are proven.
    #[must_use]
    pub fn proven(&self) -> usize {
        self.margins.iter().filter(|margin| **margin > 0.0).count()
    }

    /// A lower bound on the accuracy over all pairs, in real arithmetic.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.proven() as f64 / self.margins.len().max(1) as f64
    }

    /// A lower bound on the accuracy of a forward pass in `f32`, in whichever order it adds up.
    #[must_use]
    pub fn accuracy_in_single_precision(&self) -> f64 {
        let proven = self.margins.iter().filter(|margin| **margin > 2.0 * self.single_error).count();
        proven as f64 / self.margins.len().max(1) as f64
    }

    /// The pairs \[x, y\] that are not proven, with what is missing.
    #[must_use]
    pub fn open(&self) -> Vec<([usize; 2], f64)> {
        let open = self.margins.indexed_iter().filter(|(_, margin)| margin.is_nan() || **margin <= 0.0);
        open.map(|((x, y), margin)| ([x, y], -margin)).collect()
    }
}

impl Certificate {
    /// What is proven, how much of it in `f32`, and what it took, in a paragraph.
    #[must_use]
    pub fn paragraph(&self) -> String {
        let by = match self.by {
            ProvenBy::Explanation => "the explanation",
            ProvenBy::Cosets => "cosets alone",
            ProvenBy::BruteForce => "running every pair",
        };
        let ratio = self.operations as f64 / self.brute_force as f64;
        format!(
            "By {by}: {} of {} pairs are proven, {:.4} %; {:.4} % of a forward pass in f32; {ratio:.4} times the operations of running \
             every pair.",
            self.proven(),
            self.margins.len(),
            100.0 * self.accuracy(),
            100.0 * self.accuracy_in_single_precision(),
        )
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lines(&self.paragraph()))
    }
}

/// Proves, for as many pairs as it can, that a network's largest logit is at the product x y.
///
/// What is proven is of the network whose `f32` weights are given, in real arithmetic; [`Certificate::single_error`] bounds what a
/// forward pass in `f32` is off. Every neuron's part of a margin is split into what the explanation makes cheap to add up and what
/// it leaves. With the neuron `h(x, y)`, its row U of the unembedding, functions f and g of one element and p = x y:
///
/// - *read*, constant on cosets: `h U = h' U + (f(x) + g(y)) U + e U`, the idealised activation h' a table on pairs of cosets;
/// - *written*, along irreps: `h U = h U' + (f(x) + g(y)) (U - U') + e (U - U')`, U' a few matrix entries of irreps;
///
/// and `|e (V(p) - V(z))|` bounds the last term of each. Everything is in `f64` with bounds on rounding.
///
/// # Errors
/// [`Error::OtherModel`](crate::Error::OtherModel) for an explanation of another network;
/// [`Error::Shape`](crate::Error::Shape), [`Error::OtherGroup`](crate::Error::OtherGroup) for a task of another group;
/// [`Error::Description`](crate::Error::Description) naming the step of a network with more than one hidden layer, or with an
/// activation function other than relu, square and the identity; [`Error::Range`](crate::Error::Range) where a bound overflows.
///
/// Cost: [`Certificate::operations`], beside n^2 width for every pass over the neurons.
///
/// ```
/// use irreplens::analysis::{ProvenBy, certify, explain};
/// use irreplens::{fourier::IrrepBasis, group::Cyclic, model::Network, task::Task};
/// use ndarray::Array2;
/// // Neuron k reads cos(2 pi 3 x / 11 + a) and cos(2 pi 3 y / 11 + a), and writes cos(2 pi 3 z / 11 + 2 a), a = 2 pi k / 24.
/// let cosine = |x: usize, turns: f32| (std::f32::consts::TAU * (3.0 * x as f32 / 11.0 + turns)).cos();
/// let embed = Array2::from_shape_fn((11, 24), |(x, k)| cosine(x, k as f32 / 24.0));
/// let unembed = Array2::from_shape_fn((24, 11), |(k, z)| cosine(z, k as f32 / 12.0));
/// let net = Network::summed(embed.clone(), embed, unembed)?;
/// let (group, task) = (Cyclic::new(11)?, Task::new(&Cyclic::new(11)?));
/// let explanation = explain(&net, &group, &IrrepBasis::new(&group)?)?;
/// let certificate = certify(&net, &explanation, &task, ProvenBy::Explanation)?;
/// assert_eq!(certificate.accuracy(), 1.0); // all 121 pairs, each with a margin that no rounding can take away
/// assert!(certificate.margins.iter().all(|&margin| margin > certificate.single_error));
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Gross et al. 2024, "Compact Proofs of Model Performance via Mechanistic Interpretability"; Wu, Jaburi, Drori, Gross 2024.
pub fn certify(network: &Network, explanation: &Explanation, task: &Task, by: ProvenBy) -> Result<Certificate> {
    explanation.check(network)?;
    check_task(network, task)?;
    let layer = Layer::new(network)?;
    let table = task.cayley_table()?;
    let (neurons, functions) = methods(&layer, &table, explanation, by)?;
    let proof = Proof::new(&layer, &neurons, &functions, task.labels());
    let (margins, operations) = proof.margins();
    Ok(Certificate {
        group: task.group_name().into(),
        group_fingerprint: task.fingerprint(),
        weights: digest_of(network),
        by,
        // A margin is rounded down to a number of few digits.
        margins: margins.mapv(|margin| if margin.abs() < 1e9 { (margin * GRAIN).floor() / GRAIN } else { margin }),
        single_error: layer.single_error(),
        operations,
        brute_force: proof.brute_force(),
        neurons,
        functions,
    })
}

/// How every neuron is taken into account, and the functions that some write along.
fn methods(
    layer: &Layer,
    table: &CayleyTable,
    explanation: &Explanation,
    by: ProvenBy,
) -> Result<(Vec<Method>, Vec<Array2<f64>>)> {
    let n = table.order();
    // Irreps by their place in the explanation, numbered as they come.
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut functions: Vec<Array2<f64>> = Vec::new();
    let mut method = |(k, neuron): (usize, &ExplainedNeuron)| {
        if by == ProvenBy::BruteForce {
            return Ok(Method::Exact);
        }
        if let Some(maps) = neuron.cosets.as_ref().filter(|maps| maps.iter().all(|map| COARSE * map.values.len() <= n))
        {
            let [left, right] = [0, 1].map(|side| {
                let map = &maps[side];
                OnClasses { class_of: map.class_of(table), values: map.values.clone() }
            });
            return Ok(Method::Read { left, right });
        }
        match (&neuron.shape, by) {
            (_, ProvenBy::Cosets) | (Shape::Dim, _) => Ok(Method::Bounded),
            (Shape::Unexplained, _) => Ok(Method::Exact),
            _ => {
                let mut along = Vec::new();
                for irrep in &neuron.irreps {
                    let place = match places.get(irrep) {
                        Some(&place) => place,
                        None => {
                            functions.push(explanation.irreps[*irrep].range(table)?);
                            places.insert(*irrep, functions.len() - 1);
                            functions.len() - 1
                        }
                    };
                    let coefficients = functions[place].dot(&layer.unembedding.row(k)).to_vec();
                    along.push(Along { functions: place, coefficients });
                }
                Ok(Method::Written(along))
            }
        }
    };
    let mut methods = explanation.neurons.iter().enumerate().map(&mut method).collect::<Result<Vec<_>>>()?;
    // As many functions as neurons save nothing.
    let written = methods.iter().filter(|method| matches!(method, Method::Written(_))).count();
    if functions.iter().map(Array2::nrows).sum::<usize>() >= written {
        functions.clear();
        methods
            .iter_mut()
            .filter(|method| matches!(method, Method::Written(_)))
            .for_each(|method| *method = Method::Exact);
    }
    Ok((methods, functions))
}

/// A number that tells weights from others, all bits of them and the description: the digest of the weights' little-endian bytes in
/// the order of [`Network::weights`] and of the description as it prints.
fn digest_of(network: &Network) -> String {
    let bytes = network.parameters().iter().flat_map(|v| v.to_bits().to_le_bytes());
    digest(bytes.chain(network.architecture().to_string().into_bytes()))
}

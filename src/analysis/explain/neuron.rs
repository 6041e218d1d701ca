//! The shapes of one neuron: all that hold, and the simplest of them.

use super::super::coset::Map;
use super::super::irrep_parts::Irreps;
use super::super::neurons::DIM;
use super::cosets::{Coarsest, CoarsestCosets, CosetMap, Side, Subgroups, double_cosets};
use super::irreps::Coefficient;
use super::{cost, holds};
use crate::error::Result;
use crate::group::{CayleyTable, Group, Subgroup};
use crate::linalg::{map_blocks, symmetric_eigen};
use crate::model::Activation;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// Most matrix coefficients in a sum.
const MOST_TERMS: usize = 3;

/// What a neuron writes by the vectors that its maps share holds if it accounts for this share of the variance of its row of the
/// unembedding.
const OUTPUT_HOLDS: f64 = 0.95;

/// A neuron writes in an irrep if what it writes has more than this share of its variance there.
const WRITES: f64 = 1e-3;

/// An eigenvalue this small beside the largest one is of functions that do not differ.
const DEPENDENT: f64 = 1e-9;

/// What a neuron's two maps are.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// Next to nothing reaches the logits through it: it has less than a millionth of the layer's square norm, or a ReLU that is
    /// never on.
    Dim,
    /// Both are constant on the cosets of subgroups: those of [`ExplainedNeuron::cosets`].
    Cosets,
    /// Both are matrix coefficients of irreps with one vector in common, or sums of up to three of these, the largest first.
    Coefficients(Vec<Coefficient>),
    /// Both are matrix coefficients of one irrep, of whose vectors some are fixed by subgroups: where that leaves one direction,
    /// the vector is one of the finitely many of an orbit.
    RhoSet {
        /// The coefficient.
        coefficient: Coefficient,
        /// What fixes its vectors.
        fixed: Box<Fixed>,
    },
    /// No shape holds.
    Unexplained,
}

/// The subgroups that fix the vectors of a [`Coefficient`], where there are any.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Fixed {
    /// H, which fixes u, and K, which fixes w: the left map is constant on H x, the right one on y K.
    pub outer: Option<[Subgroup; 2]>,
    /// J, which fixes v: the left map is constant on x J, the right one on J y.
    pub shared: Option<Subgroup>,
}

impl Shape {
    /// The matrix coefficients that the two maps are sums of, where they are; the first is the largest.
    #[must_use]
    pub fn coefficients(&self) -> &[Coefficient] {
        match self {
            Self::Coefficients(coefficients) => coefficients,
            Self::RhoSet { coefficient, .. } => std::slice::from_ref(coefficient),
            _ => &[],
        }
    }

    /// Whether the neuron is in the idealised network.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        !matches!(self, Self::Dim | Self::Unexplained)
    }
}

/// What a neuron writes: its row of the unembedding.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeuronOutput {
    /// Nothing.
    Nothing,
    /// A function on the double cosets H z K: its values, in order of the cosets' first elements.
    DoubleCosets(Vec<f64>),
    /// `constant + sum over terms of (a t + b t^2)` with `t = u^T rho(z) w / (|u| |w|)` of each of its coefficients.
    Polynomial {
        /// The constant, which no softmax sees.
        constant: f64,
        /// The factors a and b of every coefficient.
        terms: Vec<[f64; 2]>,
    },
    /// The polynomial of `p^T rho(z) q` with vectors p and q of its own, where that of the shared ones does not hold.
    OwnVectors {
        /// The irrep of its first coefficient, by its place in [`Explanation::irreps`](super::Explanation::irreps).
        irrep: usize,
        /// p (d), of norm 1.
        left: Array1<f64>,
        /// q (d), of norm 1.
        right: Array1<f64>,
        /// The constant, which no softmax sees.
        constant: f64,
        /// The factors a and b.
        factors: [f64; 2],
    },
    /// Its row as it is: the theory says nothing of what a neuron writes whose maps are constant on cosets x H or K y.
    Kept,
}

/// The shares of a neuron's three functions that its shape accounts for.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Shares {
    /// The share of the variance of the map x -> neuron.
    pub left: f64,
    /// The share of the variance of the map y -> neuron.
    pub right: f64,
    /// The share of the variance of its row of the unembedding.
    pub unembed: f64,
}

/// One neuron, explained.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ExplainedNeuron {
    /// What its maps are.
    pub shape: Shape,
    /// The cosets on which its two maps are constant, where they are ([`HOLDS`](super::HOLDS)), with the means on these, whatever
    /// its shape.
    pub cosets: Option<Box<[CosetMap; 2]>>,
    /// The means that are added to the two maps, where these are coefficients; 0 for others.
    pub means: [f64; 2],
    /// What it writes.
    pub written: NeuronOutput,
    /// The irreps that what it writes is in, by their places in [`Explanation::irreps`](super::Explanation::irreps): those with at
    /// least a thousandth of its variance, the largest first, the trivial one apart.
    pub irreps: Vec<usize>,
    /// How much of it that accounts for; `None` for a neuron without a shape.
    pub shares: Option<Shares>,
    /// The numbers that its shape takes, those of what it writes among them.
    pub numbers: usize,
}

/// A neuron with the three functions of its shape.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Fit {
    pub neuron: ExplainedNeuron,
    pub left: Array1<f64>,
    pub right: Array1<f64>,
    pub unembed: Array1<f64>,
}

/// What shapes are found from.
pub(super) struct Reader<'a> {
    table: &'a CayleyTable,
    irreps: &'a Irreps,
    subgroups: &'a Subgroups,
    raw: [ArrayView2<'a, f32>; 2],
    maps: [Map; 2],
    unembedding: ArrayView2<'a, f64>,
}

/// A shape that holds, with its two maps.
struct Candidate {
    shape: Shape,
    /// Numbers it takes.
    numbers: usize,
    means: [f64; 2],
    maps: [Array1<f64>; 2],
    /// What it leaves of the two variances.
    left: [f64; 2],
}

impl Candidate {
    /// What it costs, of the mean of what it leaves of the two variances.
    fn cost(&self) -> f64 {
        cost((self.left[0] + self.left[1]) / 2.0, self.numbers)
    }

    fn by_cost(&self, other: &Self) -> std::cmp::Ordering {
        self.cost().total_cmp(&other.cost())
    }
}

impl<'a> Reader<'a> {
    pub fn new(
        table: &'a CayleyTable,
        irreps: &'a Irreps,
        subgroups: &'a Subgroups,
        raw: [ArrayView2<'a, f32>; 2],
        unembedding: ArrayView2<'a, f64>,
    ) -> Self {
        Self { table, irreps, subgroups, maps: raw.map(Map::new), raw, unembedding }
    }

    /// The simplest shape that holds, for every neuron.
    pub fn all(&self, function: Activation) -> Result<Vec<Fit>> {
        let sums = self.maps.each_ref().map(|map| self.irreps.sums(map.centred()));
        let coarsest = self.subgroups.coarsest(self.table, &self.maps[0], &self.maps[1]);
        let width = self.maps[0].width();
        let squares: Vec<f64> = (0..width).map(|k| self.maps.iter().map(|map| map.variation(k)).sum()).collect();
        let whole: f64 = squares.iter().sum();
        // One neuron a block: the result does not depend on the number of threads.
        let fits = map_blocks(width, 1, |range| {
            let k = range.start;
            let silent = function == Activation::Relu && self.is_never_on(k);
            let written = self.unembedding.row(k);
            if squares[k] <= DIM * whole || silent || written.iter().all(|v| *v == 0.0) {
                return Ok(self.nothing(Shape::Dim));
            }
            let mut candidates = Vec::new();
            candidates.extend(self.rho_set(k, &sums, &coarsest)?);
            let pairs = [coarsest.outer(k), coarsest.either(k)].into_iter().flatten();
            let on_cosets = pairs.map(|pair| self.cosets(k, self.coset_maps(k, pair))).min_by(|a, b| a.0.by_cost(&b.0));
            let cosets = on_cosets.map(|(candidate, maps)| {
                candidates.push(candidate);
                Box::new(maps)
            });
            candidates.extend(self.coefficients(k, &sums)?);
            let mut fit = match candidates.into_iter().min_by(Candidate::by_cost) {
                None => self.nothing(Shape::Unexplained),
                Some(candidate) => self.with_unembedding(k, candidate, cosets.as_deref())?,
            };
            fit.neuron.cosets = cosets;
            Ok(fit)
        });
        fits.into_iter().collect()
    }

    fn is_never_on(&self, k: usize) -> bool {
        let largest = |map: ArrayView2<'_, f32>| map.column(k).iter().copied().fold(f32::NEG_INFINITY, f32::max);
        largest(self.raw[0]) + largest(self.raw[1]) <= 0.0
    }

    fn nothing(&self, shape: Shape) -> Fit {
        let zeros = || Array1::zeros(self.table.order());
        let neuron = ExplainedNeuron {
            shape,
            cosets: None,
            means: [0.0; 2],
            written: NeuronOutput::Nothing,
            irreps: Vec::new(),
            shares: None,
            numbers: 0,
        };
        Fit { neuron, left: zeros(), right: zeros(), unembed: zeros() }
    }

    fn mean(&self, side: usize, k: usize) -> f64 {
        let column = self.raw[side].column(k);
        column.iter().map(|v| f64::from(*v)).sum::<f64>() / column.len() as f64
    }

    /// What two maps leave of the variances.
    fn left_over(&self, k: usize, means: [f64; 2], maps: &[Array1<f64>; 2]) -> [f64; 2] {
        [0, 1].map(|side| {
            let whole = self.maps[side].variation(k);
            let centred = self.maps[side].centred();
            let column = centred.column(k);
            let off: f64 = column.iter().zip(&maps[side]).map(|(value, fit)| (value + means[side] - fit).powi(2)).sum();
            if self.maps[side].varies(k) { off / whole } else { 0.0 }
        })
    }

    fn cosets(&self, k: usize, maps: [CosetMap; 2]) -> (Candidate, [CosetMap; 2]) {
        let at = maps.each_ref().map(|map| map.at(self.table));
        let means = [0, 1].map(|side| self.mean(side, k));
        let left = self.left_over(k, means, &at);
        let numbers = maps.iter().map(|map| map.values.len()).sum();
        (Candidate { shape: Shape::Cosets, numbers, means: [0.0; 2], maps: at, left }, maps)
    }

    /// The irreps of a neuron, that with the largest share of its two maps first.
    fn irreps_of(&self, k: usize, sums: &[Array2<f64>; 2]) -> Vec<usize> {
        let share = |irrep: usize| -> f64 {
            let of = |side: usize| {
                let part = self.irreps.part(sums[side].row(k), irrep);
                self.irreps.energy(part, irrep) / self.maps[side].variation(k)
            };
            (0..2).filter(|&side| self.maps[side].varies(k)).map(of).sum()
        };
        let mut shares: Vec<(f64, usize)> = (0..self.irreps.irreps.len()).map(|irrep| (share(irrep), irrep)).collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        shares.into_iter().take(MOST_TERMS).map(|(_, irrep)| irrep).collect()
    }

    /// The sums of coefficients that hold, of the largest ones.
    fn coefficients(&self, k: usize, sums: &[Array2<f64>; 2]) -> Result<Vec<Candidate>> {
        let mut found = Vec::new();
        if (0..2).any(|side| !self.maps[side].varies(k)) {
            return Ok(found);
        }
        let (n, means) = (self.table.order(), [0, 1].map(|side| self.mean(side, k)));
        let mut maps = means.map(|mean| Array1::from_elem(n, mean));
        let (mut terms, mut numbers) = (Vec::new(), 2);
        for irrep in self.irreps_of(k, sums) {
            let parts = [0, 1].map(|side| self.irreps.part(sums[side].row(k), irrep));
            let coefficient = self.irreps.coefficient(irrep, parts, None)?;
            if !coefficient.is_of_both() {
                break;
            }
            let [left, right, _] = coefficient.functions(self.irreps.matrices[irrep].matrices());
            maps[0] += &left;
            maps[1] += &right;
            numbers += 3 * coefficient.shared.len() - 1;
            terms.push(coefficient);
            let left = self.left_over(k, means, &maps);
            if left.iter().all(|&left| holds(left, numbers as f64 / 2.0, n)) {
                let (shape, maps) = (Shape::Coefficients(terms.clone()), maps.clone());
                found.push(Candidate { shape, numbers, means, maps, left });
            }
        }
        Ok(found)
    }

    /// The means of a neuron's two maps on cosets.
    fn coset_maps(&self, k: usize, pair: [Coarsest; 2]) -> [CosetMap; 2] {
        [0, 1].map(|side| {
            let map = self.raw[side].column(k).mapv(f64::from);
            self.subgroups.map(self.table, pair[side], map.view())
        })
    }

    /// One coefficient whose vectors are fixed by the subgroups of the cosets on which the maps are constant: the outer two, the
    /// shared one, or all three, whichever takes the fewest numbers.
    fn rho_set(&self, k: usize, sums: &[Array2<f64>; 2], coarsest: &CoarsestCosets) -> Result<Option<Candidate>> {
        if (0..2).any(|side| !self.maps[side].varies(k)) {
            return Ok(None);
        }
        let Some(&irrep) = self.irreps_of(k, sums).first() else { return Ok(None) };
        let (n, means) = (self.table.order(), [0, 1].map(|side| self.mean(side, k)));
        let parts = [0, 1].map(|side| self.irreps.part(sums[side].row(k), irrep));
        let (outer, shared) = (coarsest.outer(k), coarsest.shared(k));
        let mut best: Option<Candidate> = None;
        for (outer, shared) in [(outer, shared), (outer, None), (None, shared)] {
            if outer.is_none() && shared.is_none() {
                continue;
            }
            let of = |coarsest: Coarsest| self.subgroups.of(coarsest);
            let fixed = Fixed { outer: outer.map(|pair| pair.map(of)), shared: shared.map(|pair| of(pair[0])) };
            let dims = self.irreps.fixed_dims(irrep, &fixed);
            let numbers = dims.iter().sum::<usize>() + 1;
            if dims.contains(&0) {
                continue;
            }
            let coefficient = self.irreps.coefficient(irrep, parts, Some(&fixed))?;
            let [left, right, _] = coefficient.functions(self.irreps.matrices[irrep].matrices());
            let at = [left + means[0], right + means[1]];
            let rest = self.left_over(k, means, &at);
            if !coefficient.is_of_both() || !rest.iter().all(|&left| holds(left, numbers as f64 / 2.0, n)) {
                continue;
            }
            let shape = Shape::RhoSet { coefficient, fixed: Box::new(fixed) };
            let found = Candidate { shape, numbers, means, maps: at, left: rest };
            best = [best, Some(found)].into_iter().flatten().min_by(Candidate::by_cost);
        }
        Ok(best)
    }

    fn with_unembedding(&self, k: usize, candidate: Candidate, cosets: Option<&[CosetMap; 2]>) -> Result<Fit> {
        let row = self.unembedding.row(k);
        let mean = row.sum() / row.len() as f64;
        let whole = row.mapv(|v| (v - mean).powi(2)).sum();
        let off = |fit: &Array1<f64>| (fit - &row).mapv(|v| v * v).sum();
        let (written, unembed) = match &candidate.shape {
            Shape::Cosets => {
                let Some(maps) = cosets.filter(|maps| maps[0].side == Side::Right && maps[1].side == Side::Left) else {
                    return Ok(self.kept(k, candidate));
                };
                let (count, number) = double_cosets(self.table, &maps[0].subgroup, &maps[1].subgroup);
                let (mut sums, mut sizes) = (vec![0.0; count], vec![0.0; count]);
                for (value, &number) in row.iter().zip(&number) {
                    sums[number] += value;
                    sizes[number] += 1.0;
                }
                let values: Vec<f64> = sums.iter().zip(&sizes).map(|(sum, size)| sum / size).collect();
                let at = number.iter().map(|&number| values[number]).collect();
                (NeuronOutput::DoubleCosets(values), at)
            }
            shape => {
                let functions = shape.coefficients().iter().flat_map(|coefficient| {
                    let [.., t] = coefficient.functions(self.irreps.matrices[coefficient.irrep].matrices());
                    let square = t.mapv(|t| t * t);
                    [t, square]
                });
                let shared = polynomial(row, functions.collect())?;
                if off(&shared.1) <= (1.0 - OUTPUT_HOLDS) * whole {
                    shared
                } else {
                    self.own_vectors(k, shape, shared)?
                }
            }
        };
        let share = if whole > 0.0 { 1.0 - off(&unembed) / whole } else { 1.0 };
        Ok(self.fit(candidate, written, unembed, share))
    }

    /// A neuron that writes its row as it is.
    fn kept(&self, k: usize, candidate: Candidate) -> Fit {
        self.fit(candidate, NeuronOutput::Kept, self.unembedding.row(k).to_owned(), 1.0)
    }

    fn fit(&self, candidate: Candidate, written: NeuronOutput, unembed: Array1<f64>, share: f64) -> Fit {
        let numbers = candidate.numbers
            + match &written {
                NeuronOutput::Nothing => 0,
                NeuronOutput::DoubleCosets(values) => values.len(),
                NeuronOutput::Polynomial { terms, .. } => 1 + 2 * terms.len(),
                NeuronOutput::OwnVectors { left, right, .. } => left.len() + right.len() + 1,
                NeuronOutput::Kept => unembed.len(),
            };
        let shares = Shares { left: 1.0 - candidate.left[0], right: 1.0 - candidate.left[1], unembed: share };
        let Candidate { shape, means, maps: [left, right], .. } = candidate;
        let irreps = self.written_in(&unembed);
        let neuron = ExplainedNeuron { shape, cosets: None, means, written, irreps, shares: Some(shares), numbers };
        Fit { neuron, left, right, unembed }
    }
}

impl Reader<'_> {
    /// The irreps of a function that are not next to nothing of it.
    fn written_in(&self, function: &Array1<f64>) -> Vec<usize> {
        let sums = self.irreps.sums(function.view().insert_axis(Axis(1)));
        let energy = |irrep| self.irreps.energy(self.irreps.part(sums.row(0), irrep), irrep);
        let mut energies: Vec<(f64, usize)> =
            (1..self.irreps.irreps.len()).map(|irrep| (energy(irrep), irrep)).collect();
        let whole: f64 = energies.iter().map(|(energy, _)| energy).sum();
        energies.retain(|(energy, _)| *energy > WRITES * whole);
        energies.sort_by(|a, b| b.0.total_cmp(&a.0));
        energies.into_iter().map(|(_, irrep)| irrep).collect()
    }

    /// What a neuron writes by vectors of its own in the irrep of its first coefficient, if that is nearer than what it writes by
    /// the shared ones.
    fn own_vectors(
        &self,
        k: usize,
        shape: &Shape,
        shared: (NeuronOutput, Array1<f64>),
    ) -> Result<(NeuronOutput, Array1<f64>)> {
        let row = self.unembedding.row(k);
        let Some(irrep) = shape.coefficients().first().map(|coefficient| coefficient.irrep) else { return Ok(shared) };
        let sums = self.irreps.sums(row.insert_axis(Axis(1)));
        let part = self.irreps.part(sums.row(0), irrep);
        let d = part.nrows();
        let right = symmetric_eigen(part.t().dot(&part).view())?.1.column(d - 1).to_owned();
        let left = part.dot(&right);
        let norm = left.dot(&left).sqrt();
        if norm == 0.0 {
            return Ok(shared);
        }
        let left = left / norm;
        let matrices = self.irreps.matrices[irrep].matrices();
        let t: Array1<f64> = matrices.outer_iter().map(|matrix| left.dot(&matrix.dot(&right))).collect();
        let square = t.mapv(|t| t * t);
        let (output, at) = polynomial(row, vec![t, square])?;
        let off = |fit: &Array1<f64>| (fit - &row).mapv(|v| v * v).sum();
        match output {
            NeuronOutput::Polynomial { constant, terms } if off(&at) < off(&shared.1) => {
                let factors = terms.first().copied().unwrap_or_default();
                Ok((NeuronOutput::OwnVectors { irrep, left, right, constant, factors }, at))
            }
            _ => Ok(shared),
        }
    }
}

/// The nearest to a row in the span of 1 and some functions, by least squares; where these depend on each other, the
/// shortest solution.
fn polynomial(row: ArrayView1<'_, f64>, functions: Vec<Array1<f64>>) -> Result<(NeuronOutput, Array1<f64>)> {
    let n = row.len();
    let views: Vec<_> = functions.iter().map(|function| function.view()).collect();
    let mut columns = Array2::ones((n, 1));
    for view in views {
        columns.push_column(view).expect("a value for every element");
    }
    let (values, vectors) = symmetric_eigen(columns.t().dot(&columns).view())?;
    let largest = values[values.len() - 1];
    let products = vectors.t().dot(&columns.t().dot(&row));
    let kept = products.iter().zip(&values).map(|(p, v)| if *v > DEPENDENT * largest { p / v } else { 0.0 });
    let factors = vectors.dot(&Array1::from_iter(kept));
    let terms = factors.iter().skip(1).copied().collect::<Vec<_>>();
    let terms = terms.as_chunks::<2>().0.to_vec();
    let at = columns.dot(&factors);
    debug_assert_eq!(at.len_of(Axis(0)), n);
    Ok((NeuronOutput::Polynomial { constant: factors[0], terms }, at))
}

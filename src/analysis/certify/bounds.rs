//! What remainders of neurons take off a margin, at most: by their sizes at a pair, and by how far maps are from those of tables.

use super::enclosed::{Layer, UNIT, gamma, largest};
use super::{Method, OnClasses};
use crate::model::Activation;
use ndarray::{Array1, Array2, Axis, s};

/// What a bound is multiplied with, so that the rounding of the bound itself does not make it too small.
pub(super) const SAFE: f64 = 1.0 + 1e-6;

/// More than all results below the normal range of `f64` in a proof add up to.
pub(super) const TINY: f64 = 1e-280;

/// Neurons whose remainders are added up at once.
const CHUNK: usize = 16;

/// Bounds for one y on what is taken off the difference of the logits at p = x y and z, rounding included.
pub(super) trait Bounds {
    /// At every z.
    fn coarse(&self, x: usize) -> f64;

    /// At one z, or anything that is allowed and more than that, and the operations that it took.
    fn fine(&self, x: usize, z: usize, allowed: f64) -> (f64, u64);
}

/// By the sizes of remainders, (n, width).
pub(super) struct Remainders<'a> {
    off: &'a Array2<f64>,
    /// What they are written along, (n, width).
    along: &'a Array2<f64>,
    products: &'a [usize],
    rounding: f64,
    /// By x and chunk of neurons, at every z, what is taken off by that and those after it.
    rest: Array2<f64>,
}

impl<'a> Remainders<'a> {
    /// For the largest differences of what remainders are written along, (n, width), and that itself, (n, width).
    pub fn new(
        off: &'a Array2<f64>,
        [differences, along]: [&'a Array2<f64>; 2],
        products: &'a [usize],
        rounding: f64,
    ) -> Self {
        let (n, width) = off.dim();
        let chunks = width.div_ceil(CHUNK);
        let mut rest = Array2::zeros((n, chunks + 1));
        for (x, &p) in products.iter().enumerate() {
            for chunk in (0..chunks).rev() {
                let neurons = s![chunk * CHUNK..width.min((chunk + 1) * CHUNK)];
                let own = off.row(x).slice(neurons).dot(&differences.row(p).slice(neurons));
                rest[[x, chunk]] = rest[[x, chunk + 1]] + own;
            }
        }
        Self { off, along, products, rounding, rest }
    }
}

impl Bounds for Remainders<'_> {
    fn coarse(&self, x: usize) -> f64 {
        self.rest[[x, 0]] * SAFE + self.rounding
    }

    fn fine(&self, x: usize, z: usize, allowed: f64) -> (f64, u64) {
        let rows = [self.off.row(x), self.along.row(self.products[x]), self.along.row(z)];
        let (mut sum, mut bound, mut operations) = (0.0, f64::INFINITY, 0);
        for (chunk, rest) in self.rest.row(x).iter().skip(1).enumerate() {
            let neurons = chunk * CHUNK..rows[0].len().min((chunk + 1) * CHUNK);
            operations += 2 * neurons.len() as u64;
            sum += neurons.map(|k| rows[0][k] * (rows[1][k] - rows[2][k]).abs()).sum::<f64>();
            bound = (sum + rest) * SAFE + self.rounding;
            if bound <= allowed {
                break;
            }
        }
        (bound, operations)
    }
}

/// By how far maps are from the functions on classes that tables have: for ReLU and the identity alone, which move no more than
/// their argument.
pub(super) struct Distance<'a> {
    differences: &'a Array2<f64>,
    of_left: Array2<f64>,
    of_right: Array2<f64>,
    /// At the class that is worst for each neuron.
    by_left: Array1<f64>,
    by_right: Array1<f64>,
    /// By class, what neurons that no table has take off.
    bounded: Array1<f64>,
    rounding: f64,
}

impl<'a> Distance<'a> {
    /// For neurons that are read or bounded, with their sizes in the sums and the largest differences of their rows.
    pub fn new(layer: &Layer, parts: &[Method], sizes: &Array1<f64>, differences: &'a Array2<f64>) -> Self {
        let (n, width) = differences.dim();
        let far = |map: &Array2<f64>, side: usize| {
            Array2::from_shape_fn((n, width), |(x, k)| match &parts[k] {
                Method::Read { left, right } => (map[[x, k]] - if side == 0 { left.at(x) } else { right.at(x) }).abs(),
                _ => 0.0,
            })
        };
        let (of_left, of_right) = (far(&layer.left.values, 0), far(&layer.right.values, 1));
        let worst = differences.fold_axis(Axis(0), 0.0, |most: &f64, v| most.max(*v));
        let (by_left, by_right) = (of_left.dot(&worst), of_right.dot(&worst));
        let most = |map: &Array2<f64>, k: usize| map.column(k).iter().copied().fold(f64::MIN, f64::max);
        let mut rounding = 0.0;
        let mut bounded = Array1::<f64>::zeros(n);
        let mut size = largest(&layer.offset);
        for (k, part) in parts.iter().enumerate() {
            let own = layer.left.largest[k] + layer.right.largest[k];
            match part {
                Method::Read { left, right } => {
                    let values = largest(&left.values) + largest(&right.values);
                    let error = layer.left.exact[k] + layer.right.exact[k] + 8.0 * UNIT * (own + values);
                    rounding += 2.0 * error * sizes[k];
                    size += values * sizes[k];
                }
                _ => {
                    // At its largest, if it is ever on.
                    let most = most(&layer.left.values, k) + most(&layer.right.values, k);
                    let most = if layer.function == Activation::Relu { most.max(0.0) } else { own };
                    bounded.scaled_add(most + layer.exact[k], &differences.column(k));
                }
            }
        }
        let summed = of_search(width, size);
        let rounding = (2.0 * (summed + layer.offset_error) + rounding) * SAFE + TINY;
        Self { differences, of_left, of_right, by_left, by_right, bounded, rounding }
    }

    pub fn at(&'a self, y: usize, products: &'a [usize]) -> AtDistance<'a> {
        AtDistance { of: self, y, products }
    }
}

/// For one y.
pub(super) struct AtDistance<'a> {
    of: &'a Distance<'a>,
    y: usize,
    products: &'a [usize],
}

impl Bounds for AtDistance<'_> {
    fn coarse(&self, x: usize) -> f64 {
        let bounded = self.of.bounded[self.products[x]];
        (self.of.by_left[x] + self.of.by_right[self.y] + bounded) * SAFE + self.of.rounding
    }

    fn fine(&self, x: usize, _: usize, _: f64) -> (f64, u64) {
        let p = self.products[x];
        let row = self.of.differences.row(p);
        let far = self.of.of_left.row(x).dot(&row) + self.of.of_right.row(self.y).dot(&row);
        ((far + self.of.bounded[p]) * SAFE + self.of.rounding, 2 * row.len() as u64)
    }
}

/// A bound on the rounding of a logit as a search has it: the sum of `terms` terms of the logit's parts, whose absolute values add
/// up to `size`, in at most twice as many further sums; what a part is at most is in there once, and twice where it falls short.
pub(super) fn of_search(terms: usize, size: f64) -> f64 {
    gamma(4 * terms + 32, UNIT) * 3.0 * size
}

impl OnClasses {
    /// The value at an element.
    pub(super) fn at(&self, x: usize) -> f64 {
        self.values[self.class_of[x] as usize]
    }
}

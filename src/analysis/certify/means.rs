//! Means of a neuron over one of the two elements.

use super::tables::Combined;
use crate::model::Activation;

/// The values of one map of a neuron at all elements, of which means are taken.
pub(super) struct Means {
    /// Ascending.
    values: Vec<f64>,
    /// By place, the sum of the values from there on.
    sums: Vec<f64>,
    squares: f64,
}

impl Means {
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let mut sums = vec![0.0; values.len() + 1];
        for (i, v) in values.iter().enumerate().rev() {
            sums[i] = sums[i + 1] + v;
        }
        let squares = values.iter().map(|v| v * v).sum();
        Self { values, sums, squares }
    }

    /// The mean of the neuron for one value of the other map.
    pub fn at(&self, value: f64, combined: Combined) -> f64 {
        let n = self.values.len() as f64;
        let mean = self.sums[0] / n;
        match combined.function {
            _ if combined.is_product => value * mean,
            Activation::Relu => {
                let first = self.values.partition_point(|v| *v <= -value);
                ((self.values.len() - first) as f64 * value + self.sums[first]) / n
            }
            Activation::Square => value * value + 2.0 * value * mean + self.squares / n,
            _ => value + mean,
        }
    }

    /// Operations of `of`, and of `at` for as many values.
    pub fn operations(n: usize) -> u64 {
        (2 * n * (n.ilog2() as usize + 1) + 6 * n) as u64
    }
}

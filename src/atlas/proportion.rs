//! How often something was seen: exact intervals and an exact test.

use serde::{Deserialize, Serialize};

/// Share of cases in which something was seen, with an exact interval.
///
/// ```
/// use irreplens::atlas::Proportion;
///
/// let none = Proportion::new(0, 100);
/// assert_eq!(none.share(), 0.0);
/// // The most that 0 of 100 are compatible with: 1 - 0.025^(1/100).
/// assert!((none.interval[1] - (1.0 - 0.025f64.powf(0.01))).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proportion {
    /// Cases in which it was seen.
    pub seen: u64,
    /// All cases.
    pub of: u64,
    /// The interval of Clopper and Pearson: it covers the probability in 95 % of all experiments or more.
    pub interval: [f64; 2],
}

impl Proportion {
    /// The share of `seen` of `of` cases; the interval of no cases at all is [0, 1].
    ///
    /// # Panics
    /// If more are seen than there are.
    ///
    /// Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial".
    #[must_use]
    pub fn new(seen: u64, of: u64) -> Self {
        assert!(seen <= of, "{seen} of {of}");
        // The probability at which seeing so many or more, or so many or fewer, is as improbable as 2.5 %.
        let low = if seen == 0 { 0.0 } else { root(|p| tail(seen, of, p) - 0.025) };
        let high = if seen == of { 1.0 } else { root(|p| tail(seen + 1, of, p) - 0.975) };
        Self { seen, of, interval: [low, high] }
    }

    /// The share; NaN of none at all.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.seen as f64 / self.of as f64
    }
}

/// Where a rising function on [0, 1] is 0.
fn root(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f(middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Logarithms of the factorials of 0, 1, ..., n.
fn log_factorials(n: u64) -> Vec<f64> {
    let sums = (1..=n).scan(0.0, |sum, k| {
        *sum += (k as f64).ln();
        Some(*sum)
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// The probability of `seen` or more of `of`, each with probability p.
fn tail(seen: u64, of: u64, p: f64) -> f64 {
    if seen == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    let (logs, n) = (log_factorials(of), of as usize);
    let term = |k: usize| (logs[n] - logs[k] - logs[n - k] + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p()).exp();
    // The shorter sum: the other side of 1 loses no digits that matter.
    let seen = seen as usize;
    if 2 * seen > n { (seen..=n).map(term).sum() } else { 1.0 - (0..seen).map(term).sum::<f64>() }
}

/// The probability that two samples of one population differ as much as these, or more: Fisher's exact test, two-sided.
///
/// With the margins of the table fixed, the sum of the probabilities of all tables that are no more probable than this one.
///
/// ```
/// use irreplens::atlas::{Proportion, fisher_exact};
///
/// let p = fisher_exact(Proportion::new(1, 10), Proportion::new(11, 14));
/// assert!((p - 0.002759).abs() < 1e-6);
/// assert!((fisher_exact(Proportion::new(5, 10), Proportion::new(50, 100)) - 1.0).abs() < 1e-12);
/// ```
///
/// Source: Fisher 1922, "On the interpretation of chi-squared from contingency tables, and the calculation of P".
#[must_use]
pub fn fisher_exact(a: Proportion, b: Proportion) -> f64 {
    let (seen, of) = (a.seen + b.seen, a.of + b.of);
    let logs = log_factorials(of);
    let choose = |n: u64, k: u64| logs[n as usize] - logs[k as usize] - logs[(n - k) as usize];
    let log = |k: u64| choose(a.of, k) + choose(b.of, seen - k) - choose(of, seen);
    let range = seen.saturating_sub(b.of)..=seen.min(a.of);
    // Tables as probable as this one count, rounding apart.
    let least = log(a.seen) + 1e-9;
    range.map(log).filter(|&log| log <= least).map(f64::exp).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_whole_numbers() {
        // Roots of the sums of whole binomial coefficients, by other software.
        for (seen, of, interval) in
            [(1, 10, [0.002529, 0.445016]), (10, 20, [0.271957, 0.728043]), (37, 100, [0.275567, 0.472352])]
        {
            let got = Proportion::new(seen, of).interval;
            assert!(got.iter().zip(interval).all(|(got, want)| (got - want).abs() < 2e-6), "{got:?}");
            let other = Proportion::new(of - seen, of).interval;
            assert!((got[0] + other[1] - 1.0).abs() < 1e-12 && (got[1] + other[0] - 1.0).abs() < 1e-12);
        }
        assert_eq!(Proportion::new(7, 7).interval[1], 1.0);
        assert_eq!(Proportion::new(0, 0).interval, [0.0, 1.0]);
    }

    #[test]
    fn intervals_cover_as_they_promise() {
        // The chance that the interval covers p, summed over all outcomes: at least 95 % at every p.
        let intervals: Vec<Proportion> = (0..=30).map(|seen| Proportion::new(seen, 30)).collect();
        for i in 1..100 {
            let p = f64::from(i) / 100.0;
            let of = |k: u64| tail(k, 30, p) - if k < 30 { tail(k + 1, 30, p) } else { 0.0 };
            let covers = |found: &&Proportion| found.interval[0] <= p && p <= found.interval[1];
            let covered: f64 = intervals.iter().filter(covers).map(|found| of(found.seen)).sum();
            assert!(covered > 0.95 - 1e-9, "{p}: {covered}");
        }
    }
}

//! Means of measures over networks, with Student's interval.

use serde::{Deserialize, Serialize};

/// A mean over networks, with the interval that it has if the values are normally distributed.
///
/// ```
/// use irreplens::atlas::Mean;
///
/// let mean = Mean::of([1.0, 2.0, 3.0, 4.0].into_iter()).unwrap();
/// assert_eq!(mean.mean, 2.5);
/// // 3.1824 standard errors of sqrt(5/12), by the tables for three degrees of freedom.
/// assert!((mean.interval.unwrap()[1] - (2.5 + 3.182446 * (5.0f64 / 12.0).sqrt())).abs() < 1e-5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Number of values.
    pub of: u64,
    /// Student's 95 % interval; `None` of one value.
    pub interval: Option<[f64; 2]>,
}

impl Mean {
    /// The mean of some values; `None` of none.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let interval = (values.len() > 1).then(|| {
            let half = quantile(values.len() as u64 - 1) * error;
            [mean - half, mean + half]
        });
        (!values.is_empty()).then_some(Self { mean, of: values.len() as u64, interval })
    }
}

/// What the absolute value of Student's t with so many degrees of freedom, at least 1, is below with 95 % probability.
fn quantile(freedom: u64) -> f64 {
    // By the angle whose tangent is t / sqrt(freedom).
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if within(middle, freedom) < 0.95 { low = middle } else { high = middle }
    }
    low.tan() * (freedom as f64).sqrt()
}

/// The probability that |t| is below `sqrt(freedom) tan(angle)`: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
fn within(angle: f64, freedom: u64) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let odd = freedom % 2;
    let (mut term, mut sum) = (if odd == 1 { cos } else { 1.0 }, 0.0);
    for k in (2 + odd..=freedom).step_by(2) {
        sum += term;
        term *= cos * cos * (k - 1) as f64 / k as f64;
    }
    match odd {
        1 => std::f64::consts::FRAC_2_PI * (angle + sin * sum),
        _ => sin * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, t) in [
            (1, 12.706_205),
            (2, 4.302_653),
            (3, 3.182_446),
            (4, 2.776_445),
            (5, 2.570_582),
            (9, 2.262_157),
            (19, 2.093_024),
            (30, 2.042_272),
            (99, 1.984_217),
            (120, 1.979_930),
            (1000, 1.962_339),
        ] {
            assert!((quantile(freedom) - t).abs() < 2e-6, "{freedom}: {}", quantile(freedom));
        }
    }
}

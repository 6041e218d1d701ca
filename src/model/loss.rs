use crate::linalg::vectorised;

/// Runs summed in `f32` before they are added to the `f64` sums.
const CHUNK: usize = 16;
const LANES: usize = 16;

/// What a row of logits makes of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Cross-entropy in nats.
    pub loss: f64,
    /// Whether the target is the first maximum.
    pub correct: bool,
}

/// Cross-entropy of one row of logits, and whether the target is its (first) maximum:
/// `ln(1 + sum over z != target of exp(l_z - l_target))`.
///
/// The sum leaves the target's own term out, so nothing is lost when the loss is far below `f32` rounding; where the
/// target is not the largest logit all exponents are shifted by the maximum. The `target` entry of the row is
/// overwritten. NaN logits give a NaN loss, counted as wrong.
#[inline(always)]
fn row_loss(row: &mut [f32], target: usize) -> Outcome {
    let at_target = row[target];
    row[target] = f32::NEG_INFINITY;
    let margin = max(row) - at_target;
    let shift = margin.max(0.0);
    let sum = sum_exp(row, at_target + shift);
    let loss = if margin <= 0.0 { ln_1p(sum) } else { f64::from(shift) + (f64::from(-shift).exp() + sum).ln() };
    let first = || row[..target].iter().all(|&l| l < at_target);
    Outcome { loss, correct: !loss.is_nan() && (margin < 0.0 || margin == 0.0 && first()) }
}

/// Losses of consecutive rows of a row-major block of logits, written to `out`. The entries of the targets
/// are overwritten.
pub(crate) fn losses(logits: &mut [f32], targets: &[u32], out: &mut [Outcome]) {
    if targets.is_empty() {
        return;
    }
    let classes = logits.len() / targets.len();
    vectorised(
        #[inline(always)]
        || {
            for ((row, &target), out) in logits.chunks_exact_mut(classes).zip(targets).zip(out) {
                *out = row_loss(row, target as usize);
            }
        },
    );
}

/// The row in runs of [`LANES`] and a last one filled up with minus infinity, which is neither a maximum nor adds
/// anything to a sum of exponentials.
#[inline(always)]
fn runs(values: &[f32]) -> (&[[f32; LANES]], [f32; LANES]) {
    let (runs, rest) = values.as_chunks::<LANES>();
    let mut last = [f32::NEG_INFINITY; LANES];
    match values.last_chunk::<LANES>() {
        // The last full run of the row, less what `runs` has: no copy of variable length.
        Some(tail) => {
            for (k, (l, &v)) in last.iter_mut().zip(tail).enumerate() {
                *l = if k < LANES - rest.len() { f32::NEG_INFINITY } else { v };
            }
        }
        None => last[..rest.len()].copy_from_slice(rest),
    }
    (runs, last)
}

/// Folds lanes pairwise.
#[inline(always)]
fn fold<T: Copy>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for k in 0..width {
            lanes[k] = f(lanes[k], lanes[k + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[inline(always)]
fn max(values: &[f32]) -> f32 {
    let (runs, mut most) = runs(values);
    for run in runs {
        most.iter_mut().zip(run).for_each(|(m, &v)| *m = larger(*m, v));
    }
    fold(most, larger)
}

#[inline(always)]
fn sum_exp(values: &[f32], shift: f32) -> f64 {
    let (runs, last) = runs(values);
    let mut sums = last.map(|v| f64::from(exp(v - shift)));
    for part in runs.chunks(CHUNK) {
        let mut partial = [0.0f32; LANES];
        for run in part {
            for (s, &v) in partial.iter_mut().zip(run) {
                *s += exp(v - shift);
            }
        }
        sums.iter_mut().zip(partial).for_each(|(s, p)| *s += f64::from(p));
    }
    fold(sums, |a, b| a + b)
}

/// ln(1 + x) for x >= 0.
#[inline(always)]
fn ln_1p(x: f64) -> f64 {
    // The next term of the series is below x^5 / 5, that is 2e-21 of the result.
    if x < 1e-5 { x * (1.0 - x * (1.0 / 2.0 - x * (1.0 / 3.0 - x / 4.0))) } else { x.ln_1p() }
}

/// `e^x` to 2 ulp for x <= 88; 0 below -87.3. Branch-free, so that loops over it vectorise.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = k.mul_add(-LN2_LOW, k.mul_add(-LN2_HIGH, x));
    // Taylor remainder on |r| <= ln 2 / 2, coefficients refitted (Cephes expf).
    let mut p = 1.987_569_1e-4;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = r.mul_add(p, c);
    }
    let p = (r * r).mul_add(p, r) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { p * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(row: &[f32], target: usize) -> (f64, bool) {
        let mut out = [Outcome::default()];
        losses(&mut row.to_vec(), &[target as u32], &mut out);
        (out[0].loss, out[0].correct)
    }

    fn oracle(row: &[f32], target: usize) -> f64 {
        let rest = row.iter().enumerate().filter(|&(z, _)| z != target);
        rest.map(|(_, &l)| (f64::from(l) - f64::from(row[target])).exp()).sum::<f64>().ln_1p()
    }

    #[test]
    fn exponential_is_accurate_over_its_range() {
        for i in -873_000..800_000 {
            let x = i as f32 * 1e-4;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) / want - 1.0).abs() < 3e-7, "exp({x}) = {} against {want}", exp(x));
        }
        assert_eq!((exp(-88.0), exp(f32::NEG_INFINITY), exp(0.0)), (0.0, 0.0, 1.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn losses_agree_with_double_precision_down_to_1e_15() {
        for classes in [1, 2, 3, 16, 17, 106, 720, 5040] {
            for gap in [0.0f32, 1.0, 10.0, 25.0, 40.0, -3.0, -60.0, -200.0] {
                let row: Vec<f32> = (0..classes).map(|z| 100.0 + ((z * 7919) % 101) as f32 * 0.03).collect();
                for target in [0, classes / 2, classes - 1] {
                    let mut row = row.clone();
                    row[target] = 103.0 + gap;
                    let (loss, want) = (one(&row, target).0, oracle(&row, target));
                    assert!((loss - want).abs() <= 1e-5 * want, "{classes} classes, gap {gap}: {loss} against {want}");
                }
            }
        }
    }

    #[test]
    fn ties_go_to_the_first_maximum_and_nan_is_wrong() {
        assert!(one(&[1.0, 1.0, 0.0], 0).1);
        assert!(!one(&[1.0, 1.0, 0.0], 1).1);
        assert!(one(&[5.0], 0).1);
        let (loss, correct) = one(&[1.0, f32::NAN, 0.0], 0);
        assert!(loss.is_nan() && !correct);
        let (loss, correct) = one(&[f32::NAN, 1.0, 0.0], 0);
        assert!(loss.is_nan() && !correct);
    }
}

use crate::linalg::vectorised;
use ndarray::ArrayView2;
use std::f32::consts::{LN_2, LOG2_E};

/// Classes summed in `f32` before they are added to the `f64` sums.
const CHUNK: usize = 16;
const LANES: usize = 16;

/// Logits this much above the target's would overflow the sum of exponentials.
const OVERFLOW: f32 = 80.0;

/// What a row of logits makes of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Cross-entropy in nats.
    pub loss: f64,
    /// Whether the target is the first maximum.
    pub correct: bool,
}

/// Cross-entropy of every row of logits, and whether its target is the (first) maximum:
/// `ln(1 + sum over z != target of exp(l_z - l_target))`.
///
/// The sum leaves the target's own term out, so nothing is lost when the loss is far below `f32` rounding; where it
/// would overflow, all exponents are shifted by the maximum. NaN logits give a NaN loss, counted as
/// wrong.
///
/// Rows are worked on sixteen at a time, one a lane: that wants the logits column-major, as the unembedding of this
/// crate's models leaves them; others are copied.
///
/// # Panics
/// If there is not one target a row, or a target beyond the classes.
pub(crate) fn outcomes(logits: ArrayView2<'_, f32>, targets: &[u32]) -> Vec<Outcome> {
    let (rows, classes) = logits.dim();
    assert_eq!(targets.len(), rows, "one target a row");
    assert!(targets.iter().all(|&t| (t as usize) < classes), "targets below the number of classes");
    let mut out = vec![Outcome::default(); rows];
    let columns = logits.t();
    let copy;
    let logits = match columns.to_slice() {
        Some(slice) => slice,
        None => {
            copy = columns.as_standard_layout();
            copy.as_slice().expect("standard layout")
        }
    };
    vectorised(
        #[inline(always)]
        || {
            let (full, rest) = targets.as_chunks::<LANES>();
            for (g, targets) in full.iter().enumerate() {
                let column = |z: usize| *logits[z * rows + g * LANES..].first_chunk().expect("sixteen rows");
                lane_losses(column, classes, targets, &mut out[g * LANES..]);
            }
            if !rest.is_empty() {
                let first = full.len() * LANES;
                let mut targets = [0; LANES];
                targets[..rest.len()].copy_from_slice(rest);
                // The lanes that are left over repeat the last row.
                let column = |z: usize| std::array::from_fn(|k| logits[z * rows + (first + k).min(rows - 1)]);
                lane_losses(column, classes, &targets, &mut out[first..]);
            }
        },
    );
    out
}

/// The outcomes of sixteen rows, of which `column(z)` are the logits of class z.
#[inline(always)]
fn lane_losses(column: impl Fn(usize) -> [f32; LANES], classes: usize, targets: &[u32; LANES], out: &mut [Outcome]) {
    let mut at_target = [0.0; LANES];
    for k in 0..LANES {
        at_target[k] = column(targets[k] as usize)[k];
    }
    // Minus infinity at the target is no maximum and adds nothing to a sum of exponentials.
    let others = |z: usize| {
        let mut column = column(z);
        for k in 0..LANES {
            column[k] = if targets[k] == z as u32 { f32::NEG_INFINITY } else { column[k] };
        }
        column
    };
    // Shifted by the target's logit; only where that would overflow, once more by the largest.
    let (mut most, mut sums) = sum_exp(others, classes, &at_target);
    let shift = std::array::from_fn(|k| if most[k] - at_target[k] < OVERFLOW { at_target[k] } else { most[k] });
    if shift != at_target {
        (most, sums) = sum_exp(others, classes, &shift);
    }
    for (k, out) in out.iter_mut().enumerate().take(LANES) {
        let loss = if shift[k] == at_target[k] {
            ln_1p(sums[k])
        } else {
            let margin = f64::from(shift[k]) - f64::from(at_target[k]);
            margin + (sums[k] + (-margin).exp()).ln()
        };
        let first = || (0..targets[k] as usize).all(|z| column(z)[k] < at_target[k]);
        let correct = most[k] < at_target[k] || most[k] == at_target[k] && first();
        *out = Outcome { loss, correct: correct && !loss.is_nan() };
    }
}

/// Largest logit and `sum over z of exp(l_z - shift)` of sixteen rows.
#[inline(always)]
fn sum_exp(
    column: impl Fn(usize) -> [f32; LANES],
    classes: usize,
    shift: &[f32; LANES],
) -> ([f32; LANES], [f64; LANES]) {
    let (mut most, mut sums) = ([f32::NEG_INFINITY; LANES], [0.0f64; LANES]);
    for first in (0..classes).step_by(CHUNK) {
        let mut partial = [0.0f32; LANES];
        for z in first..classes.min(first + CHUNK) {
            let column = column(z);
            for k in 0..LANES {
                most[k] = if column[k] > most[k] { column[k] } else { most[k] };
                partial[k] += exp(column[k] - shift[k]);
            }
        }
        for k in 0..LANES {
            sums[k] += f64::from(partial[k]);
        }
    }
    (most, sums)
}

/// ln(1 + x) for x >= 0.
#[inline(always)]
fn ln_1p(x: f64) -> f64 {
    // The next term of the series is below x^5 / 5, that is 2e-21 of the result.
    if x < 1e-5 { x * (1.0 - x * (1.0 / 2.0 - x * (1.0 / 3.0 - x / 4.0))) } else { x.ln_1p() }
}

/// `e^x` for x <= 88, to 2e-6 of itself (1e-7 where |x| < 5); 0 below -87.3. Branch-free, so that loops over it
/// vectorise.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // 2^r on |r| <= 1/2, interpolated at Chebyshev nodes: 1e-7 at worst.
    const POWERS: [f32; 6] = [0.001_339_086_3, 0.009_676_032, 0.055_503_57, 0.240_221_07, LN_2, 1.0];
    let shifted = x.mul_add(LOG2_E, ROUND);
    let r = x.mul_add(LOG2_E, ROUND - shifted);
    let mut p = POWERS[0];
    for c in &POWERS[1..] {
        p = r.mul_add(p, *c);
    }
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { p * power }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn one(row: &[f32], target: usize) -> (f64, bool) {
        // As the middle row of several, in both layouts.
        let logits = Array2::from_shape_fn((19, row.len()), |(i, z)| if i == 17 { row[z] } else { 0.5 });
        let mut targets = vec![0; 19];
        targets[17] = target as u32;
        let [a, b] = [logits.view(), logits.t().as_standard_layout().t()].map(|l| outcomes(l, &targets)[17]);
        assert!(a == b || a.loss.is_nan() && b.loss.is_nan());
        (a.loss, a.correct)
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
            let tolerance = if x.abs() < 5.0 { 4e-7 } else { 2e-6 };
            assert!((f64::from(exp(x)) / want - 1.0).abs() < tolerance, "exp({x}) = {} against {want}", exp(x));
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
        assert_eq!(one(&[f32::NEG_INFINITY, 1.0, 0.0], 0), (f64::INFINITY, false));
    }
}

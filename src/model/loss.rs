//! Cross-entropy of rows of logits, and its gradient, in vector lanes.

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
            for_lanes(
                rows,
                targets,
                #[inline(always)]
                |first, lanes, targets| {
                    let rows = Lanes { logits, rows, first, lanes };
                    let sums = LaneSums::new(
                        &rows,
                        classes,
                        targets,
                        #[inline(always)]
                        |_, _| (),
                    );
                    sums.outcomes(&rows, targets, &mut out[first..first + lanes]);
                },
            );
        },
    );
    out
}

/// [`outcomes`], which also replaces the logits by the gradient of `weight` times the sum of the losses:
/// `weight (softmax(l) - target)`, the target's entry being minus the sum of the others, so that it too is exact to
/// `f32` rounding where the loss is small.
///
/// Smoothed labels add [`smoothing_loss`], which is linear in the logits, and its gradient
/// `weight smoothing (target - 1/classes)`.
///
/// # Arguments
/// `logits`: (classes, rows), row-major. `smoothing`: in [0, 1); 0 for the plain loss.
///
/// # Returns
/// Sum of the losses, number of correct rows.
///
/// # Panics
/// If `logits` does not hold one column a target, or a target is beyond the classes.
pub(crate) fn loss_gradient(logits: &mut [f32], targets: &[u32], weight: f64, smoothing: f64) -> (f64, usize) {
    if smoothing == 0.0 {
        return plain_loss_gradient(logits, targets, weight);
    }
    let added = smoothing_loss(logits, targets, smoothing);
    let (loss, correct) = plain_loss_gradient(logits, targets, weight);
    let (rows, weight) = (targets.len(), weight * smoothing);
    let every = (weight * rows as f64 / logits.len() as f64) as f32;
    logits.iter_mut().for_each(|gradient| *gradient -= every);
    for (row, &target) in targets.iter().enumerate() {
        logits[target as usize * rows + row] += weight as f32;
    }
    (loss + added, correct)
}

/// What label smoothing adds to the sum of the cross-entropies: `smoothing` times the sum over the rows of
/// `l_target - mean l`.
///
/// The addition is `(1 - smoothing) CE(target) + smoothing mean over z of CE(z)` without CE(target), for CE(z) - CE(target) is
/// `l_target - l_z`: the loss of `torch.nn.CrossEntropyLoss` (Szegedy et al. 2016, section 7).
///
/// # Arguments
/// `logits`: (classes, rows), row-major.
///
/// # Panics
/// If a target is beyond the classes.
pub(crate) fn smoothing_loss(logits: &[f32], targets: &[u32], smoothing: f64) -> f64 {
    if smoothing == 0.0 {
        return 0.0;
    }
    let rows = targets.len();
    let at_targets = targets.iter().enumerate().map(|(row, &target)| f64::from(logits[target as usize * rows + row]));
    let (lanes, rest) = logits.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for lane in lanes {
        for k in 0..LANES {
            sums[k] += f64::from(lane[k]);
        }
    }
    let all = sums.into_iter().chain(rest.iter().map(|&logit| f64::from(logit))).sum::<f64>();
    smoothing * (at_targets.sum::<f64>() - all * rows as f64 / logits.len() as f64)
}

fn plain_loss_gradient(logits: &mut [f32], targets: &[u32], weight: f64) -> (f64, usize) {
    let (mut loss, mut correct) = (0.0, 0);
    loss_gradient_by_row::<true>(logits, targets, weight, |_, outcome| {
        loss += outcome.loss;
        correct += usize::from(outcome.correct);
    });
    (loss, correct)
}

/// [`loss_gradient`] of labels as they are, which calls `each(row, outcome)`: in turn for every row or, unless `ALL` are wanted,
/// for some rows, all those whose loss is no finite number among them.
///
/// # Panics
/// If `logits` does not hold one column a target, or a target is beyond the classes.
pub(crate) fn loss_gradient_by_row<const ALL: bool>(
    logits: &mut [f32],
    targets: &[u32],
    weight: f64,
    mut each: impl FnMut(usize, Outcome),
) {
    let rows = targets.len();
    let classes = logits.len().checked_div(rows).unwrap_or(0);
    assert_eq!(logits.len(), rows * classes, "one column a target");
    assert!(targets.iter().all(|&t| (t as usize) < classes), "targets below the number of classes");
    let mut exponentials = vec![[0.0; LANES]; classes];
    vectorised(
        #[inline(always)]
        || {
            for_lanes(
                rows,
                targets,
                #[inline(always)]
                |first, lanes, targets| {
                    let read = Lanes { logits, rows, first, lanes };
                    let sums = LaneSums::new(
                        &read,
                        classes,
                        targets,
                        #[inline(always)]
                        |z, e| exponentials[z] = e,
                    );
                    if ALL || !sums.are_finite() {
                        let mut out = [Outcome::default(); LANES];
                        sums.outcomes(&read, targets, &mut out[..lanes]);
                        out[..lanes].iter().enumerate().for_each(|(k, outcome)| each(first + k, *outcome));
                    }
                    let factor: [f32; LANES] =
                        std::array::from_fn(|k| (weight / (sums.sums[k] + sums.own(k).0)) as f32);
                    for (z, e) in exponentials.iter_mut().enumerate() {
                        for k in 0..LANES {
                            e[k] *= factor[k];
                        }
                        let out = &mut logits[z * rows + first..][..lanes];
                        match out.first_chunk_mut() {
                            Some(out) => *out = *e,
                            None => out.copy_from_slice(&e[..lanes]),
                        }
                    }
                    for k in 0..lanes {
                        logits[targets[k] as usize * rows + first + k] = -(sums.sums[k] * f64::from(factor[k])) as f32;
                    }
                },
            );
        },
    );
}

/// Calls `f(first row, number of rows, targets)` for every sixteen rows; where fewer are left, their last target is
/// repeated.
#[inline(always)]
fn for_lanes(rows: usize, targets: &[u32], mut f: impl FnMut(usize, usize, &[u32; LANES])) {
    let (full, rest) = targets.as_chunks::<LANES>();
    for (g, targets) in full.iter().enumerate() {
        f(g * LANES, LANES, targets);
    }
    if !rest.is_empty() {
        let targets = std::array::from_fn(|k| rest[k.min(rest.len() - 1)]);
        f(full.len() * LANES, rows % LANES, &targets);
    }
}

/// Sixteen rows of logits, one a lane; the last is repeated where there are fewer.
struct Lanes<'a> {
    logits: &'a [f32],
    rows: usize,
    first: usize,
    lanes: usize,
}

impl Lanes<'_> {
    /// The logits of class z.
    #[inline(always)]
    fn column(&self, z: usize) -> [f32; LANES] {
        let class = &self.logits[z * self.rows + self.first..];
        match class.first_chunk() {
            Some(class) if self.lanes == LANES => *class,
            _ => std::array::from_fn(|k| class[k.min(self.lanes - 1)]),
        }
    }

    /// [`column`](Lanes::column) with minus infinity at the targets: no maximum, and nothing in a sum of
    /// exponentials.
    #[inline(always)]
    fn others(&self, z: usize, targets: &[u32; LANES]) -> [f32; LANES] {
        let mut column = self.column(z);
        for k in 0..LANES {
            column[k] = if targets[k] == z as u32 { f32::NEG_INFINITY } else { column[k] };
        }
        column
    }
}

/// What the loss of sixteen rows, one a lane, is made of.
struct LaneSums {
    /// The targets' logits.
    at_target: [f32; LANES],
    /// The largest other logits.
    most: [f32; LANES],
    /// What the exponents are shifted by: the target's logit or, where that would overflow, `most`.
    shift: [f32; LANES],
    /// `sum over z != target of exp(l_z - shift)`.
    sums: [f64; LANES],
}

impl LaneSums {
    /// `keep(z, exponentials)` sees every term of the sums, 0 at the target; what it saw last holds.
    #[inline(always)]
    fn new(
        rows: &Lanes<'_>,
        classes: usize,
        targets: &[u32; LANES],
        mut keep: impl FnMut(usize, [f32; LANES]),
    ) -> Self {
        let mut at_target = [0.0; LANES];
        for k in 0..LANES {
            at_target[k] = rows.column(targets[k] as usize)[k];
        }
        // Shifted by the target's logit; only where that would overflow, once more by the largest.
        let (mut most, mut sums) = sum_exp(rows, classes, targets, &at_target, &mut keep);
        let shift = std::array::from_fn(|k| if most[k] - at_target[k] < OVERFLOW { at_target[k] } else { most[k] });
        if shift != at_target {
            (most, sums) = sum_exp(rows, classes, targets, &shift, &mut keep);
        }
        Self { at_target, most, shift, sums }
    }

    /// The target's own term of the sum, `exp(l_target - shift)`, and minus its exponent.
    #[inline(always)]
    fn own(&self, k: usize) -> (f64, f64) {
        if self.shift[k] == self.at_target[k] {
            return (1.0, 0.0);
        }
        let margin = f64::from(self.shift[k]) - f64::from(self.at_target[k]);
        ((-margin).exp(), margin)
    }

    /// Whether all losses are finite numbers; they may be even where this is not so.
    #[inline(always)]
    fn are_finite(&self) -> bool {
        let mut all = true;
        for k in 0..LANES {
            all &= (self.sums[k] + (f64::from(self.shift[k]) - f64::from(self.at_target[k]))).is_finite();
        }
        all
    }

    #[inline(always)]
    fn outcomes(&self, rows: &Lanes<'_>, targets: &[u32; LANES], out: &mut [Outcome]) {
        for (k, out) in out.iter_mut().enumerate().take(LANES) {
            let (most, at_target) = (self.most[k], self.at_target[k]);
            let (own, margin) = self.own(k);
            let loss = if own == 1.0 { ln_1p(self.sums[k]) } else { margin + (self.sums[k] + own).ln() };
            let first = || (0..targets[k] as usize).all(|z| rows.column(z)[k] < at_target);
            let correct = most < at_target || most == at_target && first();
            *out = Outcome { loss, correct: correct && !loss.is_nan() };
        }
    }
}

/// Largest logit and `sum of exp(l_z - shift)` over the classes but the target, of sixteen rows.
#[inline(always)]
fn sum_exp(
    rows: &Lanes<'_>,
    classes: usize,
    targets: &[u32; LANES],
    shift: &[f32; LANES],
    keep: &mut impl FnMut(usize, [f32; LANES]),
) -> ([f32; LANES], [f64; LANES]) {
    let (mut most, mut sums) = ([f32::NEG_INFINITY; LANES], [0.0f64; LANES]);
    for first in (0..classes).step_by(CHUNK) {
        let mut partial = [0.0f32; LANES];
        for z in first..classes.min(first + CHUNK) {
            let mut column = rows.others(z, targets);
            for k in 0..LANES {
                most[k] = if column[k] > most[k] { column[k] } else { most[k] };
                column[k] = exp(column[k] - shift[k]);
                partial[k] += column[k];
            }
            keep(z, column);
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

/// `e^x` for x <= 88, to 3e-7 of itself; 0 below -87.3. Branch-free, so that loops over it vectorise.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // 2^r on |r| <= 1/2, interpolated at Chebyshev nodes: 1e-7 at worst.
    const POWERS: [f32; 6] = [0.001_339_086_3, 0.009_676_032, 0.055_503_57, 0.240_221_07, LN_2, 1.0];
    // What rounding to `f32` takes off log2(e).
    const LOG2_E_REST: f32 = 1.925_963e-8;
    let shifted = x.mul_add(LOG2_E, ROUND);
    let r = x.mul_add(LOG2_E_REST, x.mul_add(LOG2_E, ROUND - shifted));
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

    /// `(1 - smoothing) CE(target) + smoothing/n sum over z of CE(z)` by its definition in `f64`, and its gradient
    /// `softmax - (1 - smoothing) target - smoothing/n`.
    #[cfg(feature = "train")]
    #[test]
    fn smoothed_labels_follow_their_definition() {
        const WEIGHT: f64 = 0.25;
        for (rows, classes) in [(1, 1), (1, 2), (17, 3), (33, 16), (5, 107)] {
            for smoothing in [0.0, 0.1, 0.5, 0.99] {
                let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % classes) as u32).collect();
                let mut logits: Vec<f32> =
                    (0..rows * classes).map(|i| 50.0 + ((i * 7919) % 101) as f32 * 0.03).collect();
                let before = logits.clone();
                let (loss, _) = loss_gradient(&mut logits, &targets, WEIGHT, smoothing);
                let mut expected = 0.0;
                for (row, &target) in targets.iter().enumerate() {
                    let column: Vec<f64> = (0..classes).map(|z| f64::from(before[z * rows + row])).collect();
                    let total: f64 = column.iter().map(|l| l.exp()).sum();
                    for (z, l) in column.iter().enumerate() {
                        let own = if z == target as usize { 1.0 - smoothing } else { 0.0 };
                        let share = own + smoothing / classes as f64;
                        expected += share * (total.ln() - l);
                        let (got, want) = (f64::from(logits[z * rows + row]), WEIGHT * (l.exp() / total - share));
                        assert!((got - want).abs() < 1e-6 * WEIGHT, "{rows}, {classes}, {smoothing}: {got}, {want}");
                    }
                }
                assert!(
                    (loss - expected).abs() <= 1e-6 * rows as f64,
                    "{rows}, {classes}, {smoothing}: {loss}, {expected}"
                );
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

//! What decompositions have in common: the largest entry, and scaling against overflow.

use crate::scalar::{Wide, larger, scaling};
use faer::{Mat, MatRef};

/// The largest part of an entry; NaN if there is one.
pub fn largest<W: Wide>(matrix: MatRef<'_, W>) -> f64 {
    matrix.col_iter().flat_map(|column| column.iter()).fold(0.0, |max, entry| larger(max, entry.largest_part()))
}

/// Entries below this share of the largest are dropped at the second attempt: squares of the others are normal numbers.
const NEGLIGIBLE: f64 = 1e-140;

/// Decomposes `matrix`, scaled so that no square in it overflows, and scales the `values` that come out back.
///
/// faer (0.24.4) divides by numbers so small that their reciprocal is infinite, where a graded matrix leads to them. If
/// what comes out is not finite, the attempt is repeated without the entries that can lead there: they are 1e-140 of
/// the largest, far below the rounding of the others.
///
/// # Returns
/// What `decompose` returns; `None` if it does so twice, or if an entry is NaN or infinite.
pub fn scaled<W: Wide, F>(
    mut matrix: Mat<W>,
    decompose: impl Fn(MatRef<'_, W>) -> Option<(Vec<f64>, F)>,
) -> Option<(Vec<f64>, F)> {
    let largest = largest(matrix.as_ref());
    if !largest.is_finite() {
        return None;
    }
    let (scale, back) = scaling(largest);
    let mut each = |f: &dyn Fn(W) -> W| {
        for column in matrix.col_iter_mut() {
            column.iter_mut().for_each(|entry| *entry = f(*entry));
        }
        decompose(matrix.as_ref())
    };
    let (mut values, factors) = each(&|entry| entry.times(scale))
        .or_else(|| each(&|entry| if entry.largest_part() < NEGLIGIBLE { W::zero() } else { entry }))?;
    values.iter_mut().for_each(|value| *value *= back);
    Some((values, factors))
}

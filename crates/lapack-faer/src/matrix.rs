use crate::scalar::{Scalar, Wide, larger, scaling};
use faer::{Mat, MatRef};

/// Copies `rows x cols` entries from the caller's column-major array.
///
/// # Safety
/// `a` must be valid for reads of `cols` columns of `rows` entries, `ld` apart.
pub unsafe fn read<T: Scalar>(a: *const T, rows: usize, cols: usize, ld: usize) -> Mat<T::Wide> {
    // SAFETY: i < rows and j < cols, within what the caller vouches for.
    Mat::from_fn(rows, cols, |i, j| unsafe { a.add(i + j * ld).read() }.widen())
}

/// Copies the triangle of a Hermitian matrix that `upper` says to the lower one; the other is zero.
///
/// # Safety
/// `a` must be valid for reads of that triangle of `n` columns, `ld` apart.
pub unsafe fn read_triangle<T: Scalar>(a: *const T, n: usize, ld: usize, upper: bool) -> Mat<T::Wide> {
    Mat::from_fn(n, n, |i, j| {
        if i < j {
            return T::Wide::from_parts(0.0, 0.0);
        }
        let at = if upper { j + i * ld } else { i + j * ld };
        // SAFETY: entry (j, i) with j <= i is in the upper triangle, (i, j) in the lower.
        let entry = unsafe { a.add(at).read() }.widen();
        if i == j {
            T::Wide::from_parts(entry.re(), 0.0)
        } else if upper {
            Wide::conj(entry)
        } else {
            entry
        }
    })
}

/// Copies a matrix to the caller's column-major array.
///
/// # Safety
/// `a` must be valid for writes of as many columns as `matrix` has, `ld` apart.
pub unsafe fn write<T: Scalar>(a: *mut T, ld: usize, matrix: MatRef<'_, T::Wide>) {
    for (j, column) in matrix.col_iter().enumerate() {
        for (i, &entry) in column.iter().enumerate() {
            // SAFETY: i and j are below the extents that the caller vouches for.
            unsafe { a.add(i + j * ld).write(T::narrow(entry)) };
        }
    }
}

/// Copies real numbers to the caller's array.
///
/// # Safety
/// `to` must be valid for writes of as many entries as `values` has.
pub unsafe fn write_values<T: Scalar>(to: *mut T::Real, values: &[f64]) {
    for (i, &value) in values.iter().enumerate() {
        // SAFETY: i is below the length that the caller vouches for.
        unsafe { to.add(i).write(T::narrow_real(value)) };
    }
}

/// The conjugated transpose.
pub fn adjoint<W: Wide>(matrix: MatRef<'_, W>) -> Mat<W> {
    Mat::from_fn(matrix.ncols(), matrix.nrows(), |i, j| Wide::conj(matrix[(j, i)]))
}

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

//! Arithmetic on matrices whose every number is one of each of `L` networks.

use super::super::rows::{By, RowOp};

/// Where a matrix or a node begins among numbers, and the distance between its rows; its columns follow each other.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub start: usize,
    pub stride: usize,
}

impl Place {
    /// From a row and a column on.
    #[inline(always)]
    pub fn from(self, row: usize, column: usize) -> Self {
        Self { start: self.at(row, column), ..self }
    }

    #[inline(always)]
    pub fn at(self, row: usize, column: usize) -> usize {
        self.start + row * self.stride + column
    }
}

/// Rows that a step reads.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, const L: usize> {
    pub values: &'a [[f32; L]],
    pub place: Place,
    pub by: By,
}

impl<'a, const L: usize> Source<'a, L> {
    #[inline(always)]
    pub fn row(self, i: usize, pair: [u32; 2], width: usize) -> &'a [[f32; L]] {
        &self.values[self.place.at(self.by.row(i, pair), 0)..][..width]
    }
}

#[inline(always)]
pub(super) fn add_row<const L: usize>(to: &mut [[f32; L]], from: &[[f32; L]]) {
    to.as_flattened_mut().iter_mut().zip(from.as_flattened()).for_each(|(to, from)| *to += from);
}

#[inline(always)]
fn multiply_row<const L: usize>(to: &mut [[f32; L]], from: &[[f32; L]]) {
    to.as_flattened_mut().iter_mut().zip(from.as_flattened()).for_each(|(to, from)| *to *= from);
}

/// Sets what is not live to 0.
#[inline(always)]
pub(super) fn keep<const L: usize>(values: &mut [[f32; L]], live: &[u32; L]) {
    for values in values {
        for l in 0..L {
            values[l] = f32::from_bits(values[l].to_bits() & live[l]);
        }
    }
}

/// Sets a gradient to 0 where the value is not positive.
#[inline(always)]
pub(super) fn where_positive<const L: usize>(gradient: &mut [[f32; L]], values: &[[f32; L]]) {
    let both = gradient.as_flattened_mut().iter_mut().zip(values.as_flattened());
    both.for_each(|(gradient, value)| *gradient = if *value > 0.0 { *gradient } else { 0.0 });
}

/// (rows, columns) from the transpose of it.
#[inline(always)]
pub(super) fn transpose<const L: usize>(from: &[[f32; L]], rows: usize, columns: usize, to: &mut [[f32; L]]) {
    for i in 0..rows {
        for (j, to) in to[i * columns..][..columns].iter_mut().enumerate() {
            *to = from[j * rows + i];
        }
    }
}

/// A matrix and the numbers it lies among.
pub(super) type Matrix<'a, const L: usize> = (&'a [[f32; L]], Place);

/// `out += a b` for a (rows, inner), or its transpose where `TRANSPOSED`, and b (inner, columns).
#[inline(always)]
pub(super) fn multiply_onto<const TRANSPOSED: bool, const L: usize>(
    [rows, inner, width]: [usize; 3],
    a: Matrix<'_, L>,
    b: Matrix<'_, L>,
    out: (&mut [[f32; L]], Place),
) {
    for i in 0..rows {
        let out = &mut out.0[out.1.at(i, 0)..][..width];
        let j = some_columns::<TRANSPOSED, L, 8>([i, inner, 0], a, b, out);
        let j = some_columns::<TRANSPOSED, L, 4>([i, inner, j], a, b, out);
        let j = some_columns::<TRANSPOSED, L, 2>([i, inner, j], a, b, out);
        some_columns::<TRANSPOSED, L, 1>([i, inner, j], a, b, out);
    }
}

/// Row i of [`multiply_onto`], for as many whole strips of columns as there are from j on, each summed up in registers; where
/// they end.
#[inline(always)]
fn some_columns<const TRANSPOSED: bool, const L: usize, const C: usize>(
    [i, inner, mut j]: [usize; 3],
    a: Matrix<'_, L>,
    b: Matrix<'_, L>,
    out: &mut [[f32; L]],
) -> usize {
    while j + C <= out.len() {
        let out = &mut out[j..][..C];
        let mut sums = [[0.0; L]; C];
        sums.iter_mut().zip(out.iter()).for_each(|(sum, out)| *sum = *out);
        for k in 0..inner {
            let factor = &a.0[if TRANSPOSED { a.1.at(k, i) } else { a.1.at(i, k) }];
            let others = &b.0[b.1.at(k, j)..][..C];
            for c in 0..C {
                for l in 0..L {
                    sums[c][l] = factor[l].mul_add(others[c][l], sums[c][l]);
                }
            }
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum);
        j += C;
    }
    j
}

/// `out += a b^T` for a (rows, inner) and b (columns, inner).
#[inline(always)]
pub(super) fn multiply_transposed_onto<const L: usize>(
    [rows, inner, width]: [usize; 3],
    a: Matrix<'_, L>,
    b: Matrix<'_, L>,
    out: (&mut [[f32; L]], Place),
) {
    for i in 0..rows {
        let (row, out) = (&a.0[a.1.at(i, 0)..][..inner], &mut out.0[out.1.at(i, 0)..][..width]);
        let j = some_products::<L, 4>(row, b, 0, out);
        let j = some_products::<L, 2>(row, b, j, out);
        some_products::<L, 1>(row, b, j, out);
    }
}

/// The products of a row with the rows of a matrix, added to `out` for as many whole strips as there are from j on; where they end.
#[inline(always)]
fn some_products<const L: usize, const C: usize>(
    row: &[[f32; L]],
    b: Matrix<'_, L>,
    mut j: usize,
    out: &mut [[f32; L]],
) -> usize {
    while j + C <= out.len() {
        let out = &mut out[j..][..C];
        let mut sums = [[0.0; L]; C];
        sums.iter_mut().zip(out.iter()).for_each(|(sum, out)| *sum = *out);
        let others: [&[[f32; L]]; C] = std::array::from_fn(|c| &b.0[b.1.at(j + c, 0)..][..row.len()]);
        for (k, factor) in row.iter().enumerate() {
            for c in 0..C {
                let other = &others[c][k];
                for l in 0..L {
                    sums[c][l] = factor[l].mul_add(other[l], sums[c][l]);
                }
            }
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum);
        j += C;
    }
    j
}

/// A nonlinear step of rows.
#[inline(always)]
pub(super) fn step<const L: usize>(
    op: &RowOp,
    pairs: &[[u32; 2]],
    inputs: &[Source<'_, L>],
    width: usize,
    out: &mut [[f32; L]],
) {
    for ((i, &pair), out) in pairs.iter().enumerate().zip(out.chunks_exact_mut(width)) {
        let first = inputs[0].row(i, pair, width);
        match op {
            RowOp::Activate(function) => function.apply_to(first.as_flattened(), out.as_flattened_mut()),
            _ => {
                out.copy_from_slice(first);
                for input in &inputs[1..] {
                    multiply_row(out, input.row(i, pair, width));
                }
            }
        }
    }
}

/// The gradients of a nonlinear step: `give` is called with the number of an input, that of its row, and what is added to the
/// gradient with respect to it.
#[inline(always)]
pub(super) fn back_step<const L: usize>(
    op: &RowOp,
    pairs: &[[u32; 2]],
    inputs: &[Source<'_, L>],
    (width, gradient): (usize, &[[f32; L]]),
    mut give: impl FnMut(usize, usize, &[[f32; L]]),
) {
    let mut row = vec![[0.0; L]; width];
    for ((i, &pair), gradient) in pairs.iter().enumerate().zip(gradient.chunks_exact(width)) {
        for (k, input) in inputs.iter().enumerate() {
            match op {
                RowOp::Activate(function) => {
                    let values = input.row(i, pair, width).as_flattened();
                    function.take_back(values, gradient.as_flattened(), row.as_flattened_mut());
                }
                _ => {
                    row.copy_from_slice(gradient);
                    for (_, other) in inputs.iter().enumerate().filter(|(other, _)| *other != k) {
                        multiply_row(&mut row, other.row(i, pair, width));
                    }
                }
            }
            give(k, input.by.row(i, pair), &row);
        }
    }
}

//! Householder QR in LAPACK's storage, blocked; faer's own is inaccurate where the rows are of very different sizes.
//!
//! Q = H_1 ... H_k with H_i = I - tau_i v_i v_i*; v_i is 1 at i and stands below the diagonal in column i.

use crate::matrix::largest;
use crate::scalar::{Wide, scaling};
use faer::linalg::matmul::matmul;
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use std::ops::Range;

/// Columns whose reflectors are applied together.
const BLOCK: usize = 32;

/// The conjugated transpose.
pub fn adjoint<W: Wide>(matrix: MatRef<'_, W>) -> Mat<W> {
    Mat::from_fn(matrix.ncols(), matrix.nrows(), |i, j| Wide::conj(matrix[(j, i)]))
}

/// Overwrites `a` with R and the reflectors below it, and returns the factors tau.
pub fn factor<W: Wide>(mut a: MatMut<'_, W>) -> Vec<W> {
    let (m, n) = a.shape();
    let k = m.min(n);
    let mut tau = Vec::with_capacity(k);
    for block in blocks(k) {
        for j in block.clone() {
            let (mut column, rest) = a.rb_mut().subrows_mut(j, m - j).subcols_mut(j, block.end - j).split_at_col_mut(1);
            let t = reflector(column.rb_mut());
            reflect(column.rb(), Wide::conj(t), rest);
            tau.push(t);
        }
        if block.end < n {
            let (left, mut right) = a.rb_mut().split_at_col_mut(block.end);
            let (v, t) = block_reflector(left.rb(), &tau, block.clone());
            apply(v.as_ref(), adjoint(t.as_ref()).as_ref(), right.rb_mut().subrows_mut(block.start, m - block.start));
        }
    }
    tau
}

/// Q times `matrix`, with Q of the reflectors that [`factor`] left in `a`, as many as there are factors.
pub fn multiply<W: Wide>(a: MatRef<'_, W>, tau: &[W], mut matrix: Mat<W>) -> Mat<W> {
    for block in blocks(tau.len()).rev() {
        let (v, t) = block_reflector(a, tau, block.clone());
        apply(v.as_ref(), t.as_ref(), matrix.as_mut().subrows_mut(block.start, a.nrows() - block.start));
    }
    matrix
}

fn blocks(k: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..k.div_ceil(BLOCK)).map(move |b| b * BLOCK..k.min((b + 1) * BLOCK))
}

/// Overwrites the column x with (beta, v_1, ...) and returns tau: H* x = (beta, 0, ...), beta real (LAPACK's `larfg`).
///
/// Scaled by a power of two, so that no square overflows or underflows.
fn reflector<W: Wide>(column: MatMut<'_, W>) -> W {
    let largest = largest(column.rb());
    let mut column = column.col_mut(0);
    let (scale, back) = scaling(if largest.is_finite() { largest } else { 1.0 });
    let square = |x: W| (x.re() * scale).powi(2) + (x.im() * scale).powi(2);
    let alpha = column[0].times(scale);
    let below: f64 = column.rb().iter().skip(1).map(|&x| square(x)).sum();
    if below == 0.0 && alpha.im() == 0.0 {
        column.iter_mut().skip(1).for_each(|x| *x = W::zero());
        return W::zero();
    }
    let beta = -(below + square(column[0])).sqrt().copysign(alpha.re());
    let pivot = alpha - W::from_parts(beta, 0.0);
    column.rb_mut().iter_mut().skip(1).for_each(|x| *x = x.times(scale) / pivot);
    column[0] = W::from_parts(beta * back, 0.0);
    W::from_parts((beta - alpha.re()) / beta, -alpha.im() / beta)
}

/// `to = (I - tau v v*) to` with v from a column whose first entry counts as 1.
fn reflect<W: Wide>(column: MatRef<'_, W>, tau: W, mut to: MatMut<'_, W>) {
    let v = column.col(0);
    for mut x in to.rb_mut().col_iter_mut() {
        let product = v.iter().zip(x.rb().iter()).skip(1).fold(x[0], |sum, (&v, &x)| sum + Wide::conj(v) * x);
        let factor = tau * product;
        x[0] -= factor;
        x.rb_mut().iter_mut().zip(v.iter()).skip(1).for_each(|(x, &v)| *x -= factor * v);
    }
}

/// V and T with H_i ... H_j = I - V T V* for the block's reflectors (LAPACK's `larft`).
fn block_reflector<W: Wide>(a: MatRef<'_, W>, tau: &[W], block: Range<usize>) -> (Mat<W>, Mat<W>) {
    let (start, width) = (block.start, block.len());
    let v = Mat::from_fn(a.nrows() - start, width, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Less => W::zero(),
        std::cmp::Ordering::Equal => W::one(),
        std::cmp::Ordering::Greater => a[(start + i, start + j)],
    });
    let gram = product(adjoint(v.as_ref()).as_ref(), v.as_ref());
    let mut t = Mat::zeros(width, width);
    for j in 0..width {
        for i in 0..j {
            let sum = (i..j).fold(W::zero(), |sum, l| sum + t[(i, l)] * gram[(l, j)]);
            t[(i, j)] = -(tau[start + j] * sum);
        }
        t[(j, j)] = tau[start + j];
    }
    (v, t)
}

/// `to -= V T V* to`.
fn apply<W: Wide>(v: MatRef<'_, W>, t: MatRef<'_, W>, to: MatMut<'_, W>) {
    let inner = product(t, product(adjoint(v).as_ref(), to.rb()).as_ref());
    matmul(to, Accum::Add, v, inner.as_ref(), -W::one(), Par::Seq);
}

fn product<W: Wide>(a: MatRef<'_, W>, b: MatRef<'_, W>) -> Mat<W> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, W::one(), Par::Seq);
    out
}

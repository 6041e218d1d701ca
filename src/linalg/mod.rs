//! Arithmetic the rest of the crate stands on: matrix product, eigenproblems, vectorised loops, fixed-order
//! parallel reductions.
//!
//! | item | what |
//! |---|---|
//! | [`matmul`], [`matmul_into`], [`add_matmul`], [`subtract_matmul`] | product of two `f32` matrices |
//! | `times`, `product` (inside the crate) | product of two `f64` matrices |
//! | [`symmetric_eigen`], [`hermitian_eigen`] | eigenvalues and eigenvectors of a matrix over a [`Field`] |
//! | [`map_blocks`], [`fold_blocks`] | a range cut into fixed blocks, worked on in parallel, results in order |
//! | `Fft`, `ComplexColumns`, `root_of_unity` (inside the crate) | Fourier transforms of any length, of many columns at once |
//! | `transpose`, `Aligned` (inside the crate) | the transpose of a matrix; memory that begins with a cache line |
//! | `vectorised` (inside the crate) | a loop compiled for the widest vectors the processor has |
//!
//! Every product and decomposition runs on one thread; parallelism is over blocks whose boundaries do not depend on the number
//! of threads, so results are the same bits for any thread count. (A LAPACK of the program's own, feature `lapack`, may have
//! threads of its own.)

mod aligned;
mod eigen;
mod fft;
mod gemm;

pub(crate) use aligned::Aligned;
pub use eigen::{Field, hermitian_eigen, symmetric_eigen};
pub(crate) use fft::{ComplexColumns, Fft, root_of_unity};
pub(crate) use gemm::{Onto, product, times};
pub use gemm::{add_matmul, matmul, matmul_into, subtract_matmul};

use crate::ranks;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Cuts `0..len` into consecutive blocks of `block` items (the last may be shorter), applies `f` to each in parallel,
/// and returns the results in order.
///
/// The partition depends on `len` and `block` alone: summing the results in order gives the same bits for any number
/// of threads, and of ranks: under `mpirun` each rank works on some of the blocks, and results travel to all ([`ranks`]).
///
/// ```
/// let sums = irreplens::linalg::map_blocks(10, 4, |range| range.sum::<usize>());
/// assert_eq!(sums, [6, 22, 17]);
/// ```
///
/// # Panics
/// If `block == 0`.
pub fn map_blocks<T: Send + Serialize + DeserializeOwned>(
    len: usize,
    block: usize,
    f: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    assert!(block > 0, "block size 0");
    let blocks = len.div_ceil(block);
    let of = |blocks: Range<usize>| -> Vec<T> {
        blocks.into_par_iter().map(|b| f(b * block..len.min((b + 1) * block))).collect()
    };
    if ranks::is_shared() && blocks > 1 { ranks::gather(of(ranks::own(blocks))) } else { of(0..blocks) }
}

/// [`map_blocks`] with consecutive blocks folded into at most `segments` totals, so that what is kept does not grow
/// with `len`.
///
/// The partition depends on `len`, `block` and `segments` alone.
///
/// ```
/// let sums = irreplens::linalg::fold_blocks(1000, 1, 64, || 0, |sum, range| *sum += range.start);
/// assert_eq!((sums.len(), sums.iter().sum::<usize>()), (63, 499_500));
/// ```
///
/// # Panics
/// If `block == 0` or `segments == 0`.
pub fn fold_blocks<T: Send + Serialize + DeserializeOwned>(
    len: usize,
    block: usize,
    segments: usize,
    start: impl Fn() -> T + Sync,
    f: impl Fn(&mut T, Range<usize>) + Sync,
) -> Vec<T> {
    let blocks = len.div_ceil(block);
    map_blocks(blocks, blocks.div_ceil(segments).max(1), |segment| {
        let mut total = start();
        for b in segment {
            f(&mut total, b * block..len.min((b + 1) * block));
        }
        total
    })
}

/// Writes the transpose of a row-major (rows, columns) matrix to `to`.
///
/// # Panics
/// If either slice is shorter than the matrix.
pub(crate) fn transpose(from: &[f32], rows: usize, columns: usize, to: &mut [f32]) {
    // Rows at once: what is written together fills a cache line.
    const ROWS: usize = 16;
    vectorised(
        #[inline(always)]
        || {
            let whole = rows / ROWS * ROWS;
            for first in (0..whole).step_by(ROWS) {
                let rows_from = &from[first * columns..(first + ROWS) * columns];
                for (j, to) in to[..rows * columns].chunks_exact_mut(rows.max(1)).enumerate() {
                    let to: &mut [f32; ROWS] = (&mut to[first..first + ROWS]).try_into().expect("as many rows");
                    for (i, to) in to.iter_mut().enumerate() {
                        *to = rows_from[i * columns + j];
                    }
                }
            }
            for i in whole..rows {
                for (j, &v) in from[i * columns..(i + 1) * columns].iter().enumerate() {
                    to[j * rows + i] = v;
                }
            }
        },
    );
}

/// Runs `f` in a context where the compiler may use every vector instruction this processor has.
///
/// The closure and everything it calls must be `#[inline(always)]` for this to have an effect.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

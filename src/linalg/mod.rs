//! Arithmetic the rest of the crate stands on: matrix product, vectorised loops, fixed-order parallel reductions.
//!
//! | item | what |
//! |---|---|
//! | [`matmul`], [`matmul_into`] | product of two `f32` matrices |
//! | [`map_blocks`] | a range cut into fixed blocks, worked on in parallel, results in order |
//! | [`vectorised`] | a loop compiled for the widest vectors the processor has |
//!
//! Every product runs on one thread; parallelism is over blocks whose boundaries do not depend on the number of
//! threads, so results are the same bits for any thread count.

mod gemm;

pub use gemm::{matmul, matmul_into};

use rayon::prelude::*;
use std::ops::Range;

/// Cuts `0..len` into consecutive blocks of `block` items (the last may be shorter), applies `f` to each in parallel,
/// and returns the results in order.
///
/// The partition depends on `len` and `block` alone: summing the results in order gives the same bits for any number
/// of threads.
///
/// ```
/// let sums = irreplens::linalg::map_blocks(10, 4, |range| range.sum::<usize>());
/// assert_eq!(sums, [6, 22, 17]);
/// ```
///
/// # Panics
/// If `block == 0`.
pub fn map_blocks<T: Send>(len: usize, block: usize, f: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    assert!(block > 0, "block size 0");
    (0..len.div_ceil(block)).into_par_iter().map(|b| f(b * block..len.min((b + 1) * block))).collect()
}

/// Runs `f` in a context where the compiler may use every vector instruction this processor has.
///
/// The closure and everything it calls must be `#[inline(always)]` for this to have an effect.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

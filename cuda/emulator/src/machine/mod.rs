//! The machine that runs decoded kernels.
//!
//! | file | is |
//! |---|---|
//! | [`registers`] | the register file of a warp |
//! | [`memory`] | global memory and the windows of generic addresses |
//! | [`shared`] | shared memory with its shadow, which finds races and reads of uninitialised bytes |
//! | [`access`] | loads, stores, atomics and copies |
//! | [`collective`] | shuffles, votes and matrix products |
//! | [`warp`] | the scheduler of one warp: divergence and reconvergence |
//! | [`block`] | the warps of a block and their barriers |
//! | [`launch`] | all blocks, on all cores |
//! | [`fault`] | what a kernel can do wrong |

pub mod access;
pub mod block;
pub mod collective;
pub mod fault;
pub mod launch;
pub mod memory;
pub mod registers;
pub mod shared;
pub mod warp;

//! A `libcuda.so.1` without a GPU: the CUDA driver API over an interpreter for PTX.
//!
//! Programs that use the driver API, such as those built on the crate `cust`, load this library in place of NVIDIA's
//! and run unchanged. The interpreter checks what a GPU does not: see the README for the list and for the environment
//! variables.
//!
//! A text becomes a syntax tree in [`ptx`], a program in [`program`], and runs in [`machine`]; [`driver`] holds the C
//! functions.

pub mod driver;
pub mod machine;
pub mod program;
pub mod ptx;

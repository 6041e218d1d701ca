#![doc = include_str!("../README.md")]

mod eigen;
mod matrix;
#[cfg(feature = "symbols")]
mod qr;
#[cfg(feature = "symbols")]
mod raw;
mod scalar;
#[cfg(feature = "symbols")]
mod svd;
#[cfg(feature = "symbols")]
mod symbols;
#[cfg(feature = "symbols")]
mod unsupported;

pub use eigen::{hermitian_eigen, symmetric_eigen};

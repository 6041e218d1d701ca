#![doc = include_str!("../README.md")]

#[cfg(not(feature = "openblas-system"))]
mod eigen;
#[cfg(not(feature = "openblas-system"))]
mod matrix;
#[cfg(not(feature = "openblas-system"))]
mod qr;
#[cfg(not(feature = "openblas-system"))]
mod scalar;
#[cfg(not(feature = "openblas-system"))]
mod svd;
#[cfg(not(feature = "openblas-system"))]
mod symbols;
#[cfg(not(feature = "openblas-system"))]
mod unsupported;

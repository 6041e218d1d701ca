//! irreplens.

pub mod analysis;
pub mod checkpoint;
pub mod error;
pub mod fourier;
pub mod group;
pub mod laws;
pub mod linalg;
pub mod model;
pub mod task;

pub use error::{Error, Result};

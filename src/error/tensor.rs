//! What is wrong with a tensor of a file.

use super::Error;
use crate::quoted::{shown, shown_numbers};
use std::path::PathBuf;

/// What is wrong with a tensor of a file: the part of [`Error::Tensor`](super::Error::Tensor) behind its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFault {
    /// A type, a layout or contents that cannot be used.
    #[error("expected {expected}, got {got}", got = shown(got))]
    Unfit {
        /// What can be used.
        expected: &'static str,
        /// What was found.
        got: String,
    },
    /// A reach past the end of the storage.
    #[error("expected a storage of at least {expected} elements, got {got}")]
    OutOfRange {
        /// The elements it reaches.
        expected: usize,
        /// The elements there are.
        got: usize,
    },
    /// With it, tensors would unfold to far more memory than their file has bytes.
    #[error("expected at most {expected} bytes of tensors in a file of this size, got {got}")]
    TooLarge {
        /// The limit.
        expected: usize,
        /// The bytes asked for.
        got: usize,
    },
    /// Another number of axes than its role needs.
    #[error("expected {expected} axes, got shape {got}", got = shown_numbers(got))]
    Rank {
        /// The number of axes needed.
        expected: usize,
        /// Its shape.
        got: Vec<usize>,
    },
    /// A shape that does not fit the run's settings.
    #[error("expected shape {expected} ({because}), got {got}", because = shown(because), expected = shown_numbers(expected), got = shown_numbers(got))]
    Shape {
        /// The shape the settings ask for.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
        /// Where the expected extents come from.
        because: String,
    },
    /// A number that is NaN or infinite (or becomes so in `f32`).
    #[error("expected finite numbers, got {got} at {index}", index = shown_numbers(index))]
    NonFinite {
        /// The first offending position.
        index: Vec<usize>,
        /// The value there.
        got: f64,
    },
    /// A tensor among the weights that the model has no place for: with it, it would compute something else.
    #[error("expected no {what} beside those of the model, got one of shape {shape}", shape = shown_numbers(shape))]
    Surplus {
        /// `bias`, or `tensor` for any other.
        what: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },
}

impl TensorFault {
    /// The error that the tensor of this name in a file has this fault.
    pub(crate) fn of(self, path: impl Into<PathBuf>, tensor: impl Into<String>) -> Error {
        Error::Tensor { path: path.into(), tensor: tensor.into(), fault: self }
    }
}

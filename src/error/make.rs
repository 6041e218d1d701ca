//! Errors that many places make, in one call each.

use super::Error;
use std::path::{Path, PathBuf};

impl Error {
    pub(crate) fn description(step: &str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Description { step: step.into(), expected: expected.into(), got: got.into() }
    }

    pub(crate) fn not_an_irrep(label: &str, expected: &'static str, got: f64) -> Self {
        Self::NotAnIrrep { label: label.into(), expected, got }
    }

    pub(crate) fn format(path: &Path, expected: &'static str, got: impl Into<String>) -> Self {
        Self::Format { path: path.into(), expected, got: got.into() }
    }

    /// [`Error::InFile`] around an error.
    pub(crate) fn in_file(path: impl Into<PathBuf>) -> impl FnOnce(Self) -> Self {
        |source| Self::InFile { path: path.into(), source: Box::new(source) }
    }
}

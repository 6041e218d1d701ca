//! Errors that many places make, in one call each.

use super::{Error, Result};
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

    /// [`Error::GroupName`] for a name that can be read.
    pub(crate) fn no_group(name: impl ToString, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::GroupName { name: name.to_string(), at: None, expected: expected.into(), got: got.to_string() }
    }

    /// [`Error::InFile`] around an error.
    pub(crate) fn in_file(path: impl Into<PathBuf>) -> impl FnOnce(Self) -> Self {
        |source| Self::InFile { path: path.into(), source: Box::new(source) }
    }
}

/// Errors travel between ranks as their messages.
impl serde::Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Error {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(|message| Self::OnOtherRank { message })
    }
}

/// [`Error::Shape`] unless the two shapes are equal.
pub(crate) fn check_shape(what: &str, expected: &[usize], got: &[usize]) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Shape { what: what.into(), expected: expected.to_vec(), got: got.to_vec() })
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

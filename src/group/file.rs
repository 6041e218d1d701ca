//! Reading the files of groups.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Parses the text of a JSON file; `expected` says in words what it should be.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str, expected: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::format(path, expected, error.to_string()))
}

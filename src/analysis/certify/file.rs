//! Certificates on disk.

use super::super::digest::digest;
use super::Certificate;
use crate::checkpoint::atomic_write;
use crate::error::{Error, Result};
use std::path::Path;

/// What a certificate's first line begins with; the digest of all that follows that line ends it.
const FIRST: &str = "irreplens certificate 1";

impl Certificate {
    /// Writes the certificate: a line `irreplens certificate 1 DIGEST`, then JSON, whose bytes the digest is of (FNV-1a, 128
    /// bits, hexadecimal). The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let body = serde_json::to_string(self).map_err(|error| {
            Error::format(path.as_ref(), "a certificate that can be written as JSON", error.to_string())
        })?;
        atomic_write(path, format!("{FIRST} {}\n{body}\n", digest(body.bytes())).as_bytes())
    }

    /// Reads a certificate as it was written. Whether it is true is another question: `irreplens verify` answers it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for a file that is none, or one of which a byte differs.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let wrong = |expected, got: &str| Error::format(path, expected, got);
        let text = String::from_utf8(text).map_err(|_| wrong("text", "bytes that are none"))?;
        let (first, body) = text.split_once('\n').ok_or_else(|| wrong("a first line", "no end of it"))?;
        let written =
            first.strip_prefix(FIRST).map(str::trim).ok_or_else(|| wrong("`irreplens certificate 1`", first))?;
        let body = body.strip_suffix('\n').unwrap_or(body);
        if digest(body.bytes()) != written {
            return Err(wrong("the digest that its first line has", &digest(body.bytes())));
        }
        serde_json::from_str(body).map_err(|error| wrong("a certificate", &error.to_string()))
    }
}

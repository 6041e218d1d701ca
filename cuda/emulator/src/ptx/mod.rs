//! The PTX language: text to a syntax tree, with no meaning attached yet.
//!
//! | file | turns |
//! |---|---|
//! | [`lexer`] | text into tokens with line numbers |
//! | [`parser`] | tokens into a [`syntax::Module`] |
//! | [`types`] | `.u32`, `.f64`, ... into a [`types::Type`] |

pub mod lexer;
pub mod parser;
pub mod syntax;
pub mod types;

use std::fmt;

/// Why a PTX text cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The text is malformed, or uses something this interpreter does not know.
    Invalid,
    /// `.version` asks for a newer driver than the emulated one.
    Version,
    /// `.target` is above the emulated compute capability.
    Target,
}

/// A PTX text that cannot be loaded: what is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The class of the error, which decides the driver's status code.
    pub kind: LoadErrorKind,
    /// Line of the text, counted from 1; 0 if the error belongs to the whole text.
    pub line: u32,
    /// The reason, quoting the offending text.
    pub message: String,
}

impl LoadError {
    /// An error of the kind [`LoadErrorKind::Invalid`].
    pub fn invalid(line: u32, message: impl Into<String>) -> Self {
        Self { kind: LoadErrorKind::Invalid, line, message: message.into() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PTX line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for LoadError {}

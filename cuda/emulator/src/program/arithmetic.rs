//! `add`, `sub`, `mul`, `mad`, `fma`, `div`, `rem`, `min`, `max`, `neg`, `abs`: sent to the floats or the integers.

use super::function::Decoder;
use super::{float, integer};
use crate::ptx::LoadError;

/// Decodes an arithmetic instruction.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    if kind.is_float() { float::decode_arithmetic(d, kind) } else { integer::decode_arithmetic(d, kind) }
}

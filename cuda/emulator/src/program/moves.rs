//! `mov` with its packing and unpacking forms, and conversions between address spaces.

use super::function::Decoder;
use super::lanewise::unary;
use crate::machine::memory::{LOCAL_WINDOW, SHARED_WINDOW, Window};
use crate::machine::registers::{Register, lanes};
use crate::ptx::LoadError;
use crate::ptx::syntax::Operand;
use crate::ptx::types::Type;

/// Decodes a move.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    match d.instruction.opcode.as_str() {
        "mov" => decode_mov(d),
        "cvta" => decode_cvta(d),
        _ => decode_isspacep(d),
    }
}

fn decode_mov(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    match (d.operand(0)?, d.operand(1)?) {
        (_, Operand::Vector(parts)) => pack(d, kind, parts),
        (Operand::Vector(parts), _) => unpack(d, kind, parts),
        _ if kind == Type::Pred => {
            let (to, _) = d.predicate(0)?;
            let (from, negated) = d.predicate(1)?;
            d.builder.compute(Box::new(move |registers, mask| {
                let values = registers.predicates[from as usize] ^ if negated { u32::MAX } else { 0 };
                registers.write_predicate(to, mask, values);
            }));
            Ok(())
        }
        _ => {
            let (to, from) = (d.destination(0, kind)?, d.source(1, kind)?);
            d.builder.compute(if kind.bytes() == 8 {
                unary(to, from, |x: u64| x)
            } else {
                unary(to, from, |x: u32| x)
            });
            Ok(())
        }
    }
}

/// The type of one of `count` equal parts of `kind`.
fn part_kind(d: &Decoder, kind: Type, count: usize) -> Result<Type, LoadError> {
    match kind.bytes().checked_div(count) {
        Some(4) => Ok(Type::B32),
        Some(2) => Ok(Type::B16),
        Some(1) => Ok(Type::B8),
        _ => Err(d.error(format!("{count} parts of {kind:?}"))),
    }
}

fn pack(d: &mut Decoder, kind: Type, parts: &[Operand]) -> Result<(), LoadError> {
    let part = part_kind(d, kind, parts.len())?;
    let to = register(kind, d.destination(0, kind)?);
    let sources = parts.iter().map(|operand| d.source_operand(operand, part)).collect::<Result<Vec<_>, _>>()?;
    let (width, low) = (8 * part.bytes(), u64::MAX >> (64 - 8 * part.bytes()));
    d.builder.compute(Box::new(move |registers, mask| {
        for lane in lanes(mask) {
            let parts = sources.iter().map(|index| registers.bits(Register::Word(*index), lane) & low);
            let bits = parts.enumerate().fold(0, |bits, (place, part)| bits | part << (place * width));
            registers.set_bits(to, lane, bits);
        }
    }));
    Ok(())
}

fn unpack(d: &mut Decoder, kind: Type, parts: &[Operand]) -> Result<(), LoadError> {
    let part = part_kind(d, kind, parts.len())?;
    let from = register(kind, d.source(1, kind)?);
    let targets = parts.iter().map(|operand| d.destination_operand(operand, part)).collect::<Result<Vec<_>, _>>()?;
    let (width, low) = (8 * part.bytes(), u64::MAX >> (64 - 8 * part.bytes()));
    d.builder.compute(Box::new(move |registers, mask| {
        for lane in lanes(mask) {
            let bits = registers.bits(from, lane);
            for (place, index) in targets.iter().enumerate() {
                registers.set_bits(Register::Word(*index), lane, bits >> (place * width) & low);
            }
        }
    }));
    Ok(())
}

fn register(kind: Type, index: u32) -> Register {
    if kind.bytes() == 8 { Register::Long(index) } else { Register::Word(index) }
}

/// The window of generic addresses named by a modifier; global and constant memory need none.
fn take_window(d: &mut Decoder) -> Result<Option<Window>, LoadError> {
    let choices = [("shared", Some(SHARED_WINDOW)), ("local", Some(LOCAL_WINDOW)), ("global", None), ("const", None)];
    d.take_choice(&choices).ok_or_else(|| d.error("unknown address space"))
}

fn decode_cvta(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    let back = d.take("to");
    let start = take_window(d)?.map_or(0, |window| window.start);
    let (to, from) = (d.destination(0, kind)?, d.source(1, kind)?);
    if kind.bytes() != 8 {
        return Err(d.error("addresses have 64 bits"));
    }
    d.builder.compute(if back {
        unary(to, from, move |x: u64| x.wrapping_sub(start))
    } else {
        unary(to, from, move |x: u64| x.wrapping_add(start))
    });
    Ok(())
}

fn decode_isspacep(d: &mut Decoder) -> Result<(), LoadError> {
    let window = take_window(d)?;
    let (to, _) = d.predicate(0)?;
    let from = d.source(1, Type::U64)?;
    let inside = super::lanewise::test([from, from], move |x: u64, _: u64| match window {
        Some(window) => window.contains(x),
        None => !SHARED_WINDOW.contains(x) && !LOCAL_WINDOW.contains(x),
    });
    d.builder.compute(Box::new(move |registers, mask| {
        let values = inside(registers, mask);
        registers.write_predicate(to, mask, values);
    }));
    Ok(())
}

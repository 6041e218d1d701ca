//! Logic, shifts, and bit fields.

use super::Compute;
use super::function::Decoder;
use super::integer::by_integer;
use super::lanewise::{binary, ternary, unary};
use crate::ptx::LoadError;
use crate::ptx::syntax::Operand;
use crate::ptx::types::Type;

/// Decodes a bit operation.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    if kind == Type::Pred {
        return decode_predicates(d);
    }
    let compute = match d.instruction.opcode.as_str() {
        "lop3" => {
            let (to, abc) = (d.destination(0, kind)?, d.sources(1, kind)?);
            let table = immediate(d, 4)?;
            ternary(to, abc, move |a, b, c| lookup(a, b, c, table))
        }
        "prmt" => {
            let (to, abc) = (d.destination(0, kind)?, d.sources(1, kind)?);
            ternary(to, abc, permute)
        }
        "shf" => decode_funnel(d, kind)?,
        "bfe" => {
            let (to, a) = (d.destination(0, kind)?, d.source(1, kind)?);
            let [start, length] = d.sources(2, Type::U32)?;
            by_integer!(d, kind, (N, W) => ternary(to, [a, start, length], |x: N, start: u32, length: u32| {
                extract(x as i128, start & 255, length & 255, N::BITS, N::MIN != 0) as N
            }))
        }
        "bfi" => return decode_insert(d, kind),
        "not" => {
            let (to, a) = (d.destination(0, kind)?, d.source(1, kind)?);
            by_integer!(d, kind, (N, W) => unary(to, a, |x: N| !x))
        }
        "cnot" => {
            let (to, a) = (d.destination(0, kind)?, d.source(1, kind)?);
            by_integer!(d, kind, (N, W) => unary(to, a, |x: N| N::from(x == 0)))
        }
        opcode @ ("shl" | "shr") => {
            let (to, a) = (d.destination(0, kind)?, d.source(1, kind)?);
            let amount = d.source(2, Type::U32)?;
            by_integer!(d, kind, (N, W) => if opcode == "shl" {
                binary(to, [a, amount], |x: N, n: u32| x.checked_shl(n).unwrap_or(0))
            } else {
                binary(to, [a, amount], |x: N, n: u32| {
                    if N::MIN == 0 { x.checked_shr(n).unwrap_or(0) } else { x >> n.min(N::BITS - 1) }
                })
            })
        }
        opcode => {
            let (to, ab) = (d.destination(0, kind)?, d.sources(1, kind)?);
            by_integer!(d, kind, (N, W) => match opcode {
                "and" => binary(to, ab, |x: N, y: N| x & y),
                "or" => binary(to, ab, |x: N, y: N| x | y),
                "xor" => binary(to, ab, |x: N, y: N| x ^ y),
                _ => return Err(d.error("unknown bit operation")),
            })
        }
    };
    d.builder.compute(compute);
    Ok(())
}

fn immediate(d: &Decoder, index: usize) -> Result<u32, LoadError> {
    match d.operand(index)? {
        Operand::Integer(value) => Ok(*value as u32),
        _ => Err(d.error("the last operand must be a number")),
    }
}

/// Bit `4 a + 2 b + c` of `table`, for every bit of the operands.
fn lookup(a: u32, b: u32, c: u32, table: u32) -> u32 {
    let pick = |value: u32, wanted: u32| if wanted == 1 { value } else { !value };
    (0..8)
        .filter(|row| table >> row & 1 == 1)
        .map(|row| pick(a, row >> 2 & 1) & pick(b, row >> 1 & 1) & pick(c, row & 1))
        .fold(0, |all, bits| all | bits)
}

/// Four bytes chosen by the nibbles of `selector` out of the eight of `b:a`; a nibble's top bit replicates the sign.
fn permute(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    u32::from_le_bytes(std::array::from_fn(|index| {
        let nibble = selector >> (4 * index);
        let byte = bytes[(nibble & 7) as usize];
        if nibble & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 }
    }))
}

/// `length` bits of `x` from bit `start`, sign-extended from the field's last bit if `signed`.
fn extract(x: i128, start: u32, length: u32, bits: u32, signed: bool) -> i128 {
    if length == 0 {
        return 0;
    }
    let last = (start + length - 1).min(bits - 1);
    let negative = signed && x >> last & 1 == 1;
    let field = if start >= bits { 0 } else { x >> start & ((1 << length.min(bits - start)) - 1) };
    let kept = length.min(bits.saturating_sub(start));
    if negative { field | -1 << kept } else { field }
}

fn decode_insert(d: &mut Decoder, kind: Type) -> Result<(), LoadError> {
    let to = d.destination(0, kind)?;
    let [field, base] = d.sources(1, kind)?;
    let [start, length] = d.sources(3, Type::U32)?;
    // Three steps: the field in place, the base without it, and both together.
    macro_rules! insert {
        ($n:ty) => {{
            let scratch = match d.builder.new_register(kind) {
                crate::machine::registers::Register::Word(index) | crate::machine::registers::Register::Long(index) => {
                    index
                }
                crate::machine::registers::Register::Predicate(_) => return Err(d.error("needs a number")),
            };
            let mask = |start: u32, length: u32| {
                let ones = if length & 255 >= <$n>::BITS { <$n>::MAX } else { (1 << (length & 255)) - 1 };
                ones.checked_shl(start & 255).unwrap_or(0)
            };
            d.builder.compute(ternary(scratch, [field, start, length], move |x: $n, start: u32, length: u32| {
                x.checked_shl(start & 255).unwrap_or(0) & mask(start, length)
            }));
            let cleared = match d.builder.new_register(kind) {
                crate::machine::registers::Register::Word(index) | crate::machine::registers::Register::Long(index) => {
                    index
                }
                crate::machine::registers::Register::Predicate(_) => return Err(d.error("needs a number")),
            };
            d.builder.compute(ternary(cleared, [base, start, length], move |x: $n, start: u32, length: u32| {
                x & !mask(start, length)
            }));
            d.builder.compute(binary(to, [scratch, cleared], |x: $n, y: $n| x | y));
        }};
    }
    if kind.bytes() == 8 {
        insert!(u64)
    } else {
        insert!(u32)
    }
    Ok(())
}

fn decode_funnel(d: &mut Decoder, kind: Type) -> Result<Compute, LoadError> {
    let left = d.take_choice(&[("l", true), ("r", false)]).ok_or_else(|| d.error("needs .l or .r"))?;
    let wraps = d.take_choice(&[("wrap", true), ("clamp", false)]).ok_or_else(|| d.error("needs .wrap or .clamp"))?;
    let (to, abc) = (d.destination(0, kind)?, d.sources(1, kind)?);
    Ok(ternary(to, abc, move |low: u32, high: u32, amount: u32| {
        let pair = u64::from(high) << 32 | u64::from(low);
        let amount = if wraps { amount & 31 } else { amount.min(32) };
        if left { (pair << amount >> 32) as u32 } else { (pair >> amount) as u32 }
    }))
}

/// `and`, `or`, `xor` and `not` on predicates: whole masks at once.
fn decode_predicates(d: &mut Decoder) -> Result<(), LoadError> {
    let opcode = d.instruction.opcode.as_str();
    let (to, _) = d.predicate(0)?;
    let (a, not_a) = d.predicate(1)?;
    let (b, not_b) = if opcode == "not" { (a, not_a) } else { d.predicate(2)? };
    let combine: fn(u32, u32) -> u32 = match opcode {
        "and" => |x, y| x & y,
        "or" => |x, y| x | y,
        "xor" => |x, y| x ^ y,
        "not" => |x, _| !x,
        _ => return Err(d.error("unknown for predicates")),
    };
    let flip = |negated: bool| if negated { u32::MAX } else { 0 };
    let (flip_a, flip_b) = (flip(not_a), flip(not_b));
    d.builder.compute(Box::new(move |registers, mask| {
        let a = registers.predicates[a as usize] ^ flip_a;
        let b = registers.predicates[b as usize] ^ flip_b;
        registers.write_predicate(to, mask, combine(a, b));
    }));
    Ok(())
}

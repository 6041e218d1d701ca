//! Loads, stores, atomics and asynchronous copies.

use super::builder::Builder;
use super::function::Decoder;
use super::{Access, Action, Atomic, Space};
use crate::machine::registers::Register;
use crate::ptx::LoadError;
use crate::ptx::syntax::Operand;
use crate::ptx::types::Type;

/// Modifiers about ordering and caches, which an interpreter that runs in order does not need.
const IGNORED: [&str; 18] = [
    "volatile", "weak", "relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys", "ca", "cg", "cs", "lu", "cv",
    "wb", "wt", "nc", "sync",
];

/// Decodes a memory instruction.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    for name in IGNORED {
        d.take(name);
    }
    match d.instruction.opcode.as_str() {
        "ld" | "ldu" | "st" => decode_access(d),
        "atom" | "red" => decode_atomic(d),
        "cp" => decode_copy(d),
        _ => {
            for name in ["global", "local", "L1", "L2"] {
                d.take(name);
            }
            Ok(())
        }
    }
}

fn take_space(d: &mut Decoder) -> Space {
    let choices = [
        ("global", Space::Global),
        ("shared", Space::Shared),
        ("local", Space::Local),
        ("param", Space::Parameter),
        ("const", Space::Constant),
    ];
    d.take_choice(&choices).unwrap_or(Space::Generic)
}

fn decode_access(d: &mut Decoder) -> Result<(), LoadError> {
    let loads = d.instruction.opcode != "st";
    let kind = d.kind()?;
    let space = take_space(d);
    let lanes = d.take_choice(&[("v2", 2), ("v4", 4)]).unwrap_or(1);
    let address = d.builder.address(d.operand(usize::from(loads))?, space)?;
    let operand = d.operand(usize::from(!loads))?;
    let elements = match operand {
        Operand::Vector(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    if elements.len() != lanes || kind == Type::Pred {
        return Err(d.error(format!("{} elements of {kind:?}", elements.len())));
    }
    let mut registers = Vec::new();
    for element in elements {
        registers.push(if loads { d.destination_register(element)? } else { Some(d.builder.value(element, kind)?) });
    }
    if registers.iter().flatten().any(|register| matches!(register, Register::Predicate(_))) {
        return Err(d.error("predicates have no memory representation"));
    }
    let access = Access { address, width: kind.bytes() as u32, signed: kind.is_signed(), registers };
    d.builder.push(if loads { Action::Load(access) } else { Action::Store(access) });
    Ok(())
}

/// A binary operation on bits, as a function of numbers of type `$number`.
macro_rules! update {
    (f32, |$x:ident, $y:ident| $body:expr) => {
        |old, first, _| {
            let ($x, $y) = (f32::from_bits(old as u32), f32::from_bits(first as u32));
            u64::from(f32::to_bits($body))
        }
    };
    (f64, |$x:ident, $y:ident| $body:expr) => {
        |old, first, _| {
            let ($x, $y) = (f64::from_bits(old), f64::from_bits(first));
            f64::to_bits($body)
        }
    };
    ($number:ty, |$x:ident, $y:ident| $body:expr) => {
        |old, first, _| {
            let ($x, $y) = (old as $number, first as $number);
            ($body) as u64
        }
    };
}

fn decode_atomic(d: &mut Decoder) -> Result<(), LoadError> {
    let returns = d.instruction.opcode == "atom";
    let kind = d.kind()?;
    let space = take_space(d);
    d.take("noftz");
    let names = ["add", "min", "max", "inc", "dec", "exch", "cas", "and", "or", "xor"].map(|name| (name, name));
    let name = d.take_choice(&names).ok_or_else(|| d.error("missing operation"))?;
    let update: fn(u64, u64, u64) -> u64 = match (name, kind) {
        ("add", Type::F32) => update!(f32, |x, y| x + y),
        ("add", Type::F64) => update!(f64, |x, y| x + y),
        ("add", _) if !kind.is_float() => |old, first, _| old.wrapping_add(first),
        ("min", Type::S32) => update!(i32, |x, y| x.min(y)),
        ("max", Type::S32) => update!(i32, |x, y| x.max(y)),
        ("min", Type::S64) => update!(i64, |x, y| x.min(y)),
        ("max", Type::S64) => update!(i64, |x, y| x.max(y)),
        ("min", Type::U32 | Type::U64) => |old, first, _| old.min(first),
        ("max", Type::U32 | Type::U64) => |old, first, _| old.max(first),
        ("inc", Type::U32) => |old, first, _| if old >= first { 0 } else { old + 1 },
        ("dec", Type::U32) => |old, first, _| if old == 0 || old > first { first } else { old - 1 },
        ("exch", _) => |_, first, _| first,
        ("cas", _) => |old, first, second| if old == first { second } else { old },
        ("and", _) => |old, first, _| old & first,
        ("or", _) => |old, first, _| old | first,
        ("xor", _) => |old, first, _| old ^ first,
        _ => return Err(d.error("unknown for this type")),
    };
    let at = usize::from(returns);
    let old = if returns { d.destination_register(d.operand(0)?)? } else { None };
    let address = d.builder.address(d.operand(at)?, space)?;
    let first = d.builder.value(d.operand(at + 1)?, kind)?;
    let second = if name == "cas" { Some(d.builder.value(d.operand(at + 2)?, kind)?) } else { None };
    d.builder.has_global_atomics |= matches!(space, Space::Generic | Space::Global);
    d.builder.push(Action::Atomic(Atomic { address, width: kind.bytes() as u32, old, first, second, update }));
    Ok(())
}

/// `cp.async` copies at once; committing and waiting therefore have nothing left to do.
fn decode_copy(d: &mut Decoder) -> Result<(), LoadError> {
    if !d.take("async") {
        return Err(d.error("only cp.async is known"));
    }
    if ["commit_group", "wait_group", "wait_all"].into_iter().any(|name| d.take(name)) {
        return Ok(());
    }
    if !(d.take("shared") && d.take("global")) {
        return Err(d.error("only copies from global to shared memory are known"));
    }
    let to = d.builder.address(d.operand(0)?, Space::Shared)?;
    let from = d.builder.address(d.operand(1)?, Space::Global)?;
    let bytes = match d.operand(2)? {
        Operand::Integer(bytes @ (4 | 8 | 16)) => *bytes as u32,
        other => return Err(d.error(format!("cannot copy {other:?} bytes"))),
    };
    let read = if d.operand_count() > 3 { Some(value(d.builder, d.instruction.operands.get(3))?) } else { None };
    d.builder.push(Action::Copy { to, from, bytes, read });
    Ok(())
}

fn value(builder: &mut Builder, operand: Option<&Operand>) -> Result<Register, LoadError> {
    match operand {
        Some(operand) => builder.value(operand, Type::U32),
        None => Err(builder.error("missing operand")),
    }
}

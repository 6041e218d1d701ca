//! Integer arithmetic, including the carry chain (`add.cc`, `madc.hi`, ...), and bit counting.

use super::function::Decoder;
use super::lanewise::{binary, ternary, unary, with_carry};
use crate::ptx::LoadError;
use crate::ptx::types::Type;

/// Evaluates `$body` with `$number` and `$wide` standing for the integer type of `$kind` and the one twice as wide.
macro_rules! by_integer {
    ($d:expr, $kind:expr, ($number:ident, $wide:ident) => $body:expr) => {{
        macro_rules! with {
            ($n:ty, $w:ty) => {{
                #[allow(dead_code)]
                type $number = $n;
                #[allow(dead_code)]
                type $wide = $w;
                $body
            }};
        }
        match $kind {
            Type::U16 | Type::B16 => with!(u16, u32),
            Type::S16 => with!(i16, i32),
            Type::U32 | Type::B32 => with!(u32, u64),
            Type::S32 => with!(i32, i64),
            Type::U64 | Type::B64 => with!(u64, u128),
            Type::S64 => with!(i64, i128),
            other => return Err($d.error(format!("unknown for {other:?}"))),
        }
    }};
}

pub(crate) use by_integer;

/// Which part of a product is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Low,
    High,
    Wide,
}

/// Decodes integer arithmetic.
///
/// # Errors
/// An unknown form of it.
pub fn decode_arithmetic(d: &mut Decoder, kind: Type) -> Result<(), LoadError> {
    let opcode = d.instruction.opcode.as_str();
    let part = d.take_choice(&[("lo", Part::Low), ("hi", Part::High), ("wide", Part::Wide)]);
    let carries_out = d.take("cc");
    let carries_in = opcode.ends_with('c');
    if carries_out || carries_in {
        return decode_carry(d, kind, part, carries_in, carries_out);
    }
    if let Some(part) = part {
        return decode_product(d, kind, part);
    }
    if d.take("sat") {
        if kind != Type::S32 || !matches!(opcode, "add" | "sub") {
            return Err(d.error("saturation is known for s32 sums only"));
        }
        let (to, ab) = (d.destination(0, kind)?, d.sources(1, kind)?);
        d.builder.compute(match opcode {
            "add" => binary(to, ab, i32::saturating_add),
            _ => binary(to, ab, i32::saturating_sub),
        });
        return Ok(());
    }
    let to = d.destination(0, kind)?;
    if matches!(opcode, "neg" | "abs") {
        let a = d.source(1, kind)?;
        let compute = match (opcode, kind) {
            ("neg", Type::S16) => unary(to, a, i16::wrapping_neg),
            ("neg", Type::S32) => unary(to, a, i32::wrapping_neg),
            ("neg", Type::S64) => unary(to, a, i64::wrapping_neg),
            ("abs", Type::S16) => unary(to, a, i16::wrapping_abs),
            ("abs", Type::S32) => unary(to, a, i32::wrapping_abs),
            ("abs", Type::S64) => unary(to, a, i64::wrapping_abs),
            _ => return Err(d.error("needs a signed type")),
        };
        d.builder.compute(compute);
        return Ok(());
    }
    let ab = d.sources(1, kind)?;
    // Division by zero has no defined result in PTX; the hardware gives all ones, and the dividend for `rem`.
    d.builder.compute(by_integer!(d, kind, (N, W) => match opcode {
        "add" => binary(to, ab, N::wrapping_add),
        "sub" => binary(to, ab, N::wrapping_sub),
        "min" => binary(to, ab, |x: N, y: N| x.min(y)),
        "max" => binary(to, ab, |x: N, y: N| x.max(y)),
        "div" => binary(to, ab, |x: N, y: N| if y == 0 { !0 } else { x.wrapping_div(y) }),
        "rem" => binary(to, ab, |x: N, y: N| if y == 0 { x } else { x.wrapping_rem(y) }),
        _ => return Err(d.error("unknown integer operation")),
    }));
    Ok(())
}

fn decode_product(d: &mut Decoder, kind: Type, part: Part) -> Result<(), LoadError> {
    let adds = d.instruction.opcode == "mad";
    if !adds && d.instruction.opcode != "mul" {
        return Err(d.error("lo, hi and wide belong to products"));
    }
    if part == Part::Wide {
        let wide = match kind {
            Type::U16 => Type::U32,
            Type::S16 => Type::S32,
            Type::U32 => Type::U64,
            Type::S32 => Type::S64,
            _ => return Err(d.error("there is no wider type")),
        };
        let (to, ab) = (d.destination(0, wide)?, d.sources::<2>(1, kind)?);
        let c = if adds { d.source(3, wide)? } else { 0 };
        macro_rules! product {
            ($n:ty, $w:ty) => {
                if adds {
                    ternary(to, [ab[0], ab[1], c], |x: $n, y: $n, z: $w| {
                        (<$w>::from(x) * <$w>::from(y)).wrapping_add(z)
                    })
                } else {
                    binary(to, ab, |x: $n, y: $n| <$w>::from(x) * <$w>::from(y))
                }
            };
        }
        d.builder.compute(match kind {
            Type::U16 => product!(u16, u32),
            Type::S16 => product!(i16, i32),
            Type::U32 => product!(u32, u64),
            _ => product!(i32, i64),
        });
        return Ok(());
    }
    let (to, ab) = (d.destination(0, kind)?, d.sources::<2>(1, kind)?);
    let c = if adds { d.source(3, kind)? } else { 0 };
    let abc = [ab[0], ab[1], c];
    d.builder.compute(by_integer!(d, kind, (N, W) => match (adds, part) {
        (false, Part::Low) => binary(to, ab, N::wrapping_mul),
        (true, Part::Low) => ternary(to, abc, |x: N, y: N, z: N| x.wrapping_mul(y).wrapping_add(z)),
        (false, _) => binary(to, ab, |x: N, y: N| (W::from(x) * W::from(y) >> N::BITS) as N),
        (true, _) => ternary(to, abc, |x: N, y: N, z: N| ((W::from(x) * W::from(y) >> N::BITS) as N).wrapping_add(z)),
    }));
    Ok(())
}

/// Sums with carry; a product is computed into a scratch register first.
fn decode_carry(
    d: &mut Decoder,
    kind: Type,
    part: Option<Part>,
    carries_in: bool,
    carries_out: bool,
) -> Result<(), LoadError> {
    let opcode = d.instruction.opcode.as_str();
    let index = d.builder.carry();
    let (carry_in, carry_out) = (carries_in.then_some(index), carries_out.then_some(index));
    let to = d.destination(0, kind)?;
    let mut ab = d.sources::<2>(1, kind)?;
    if let Some(part) = part {
        let product = d.scratch(kind);
        d.builder.compute(by_integer!(d, kind, (N, W) => match part {
            Part::Low => binary(product, ab, N::wrapping_mul),
            Part::High => binary(product, ab, |x: N, y: N| (W::from(x) * W::from(y) >> N::BITS) as N),
            Part::Wide => return Err(d.error("wide products have no carry")),
        }));
        ab = [product, d.source(3, kind)?];
    }
    macro_rules! sum {
        ($n:ty) => {
            if opcode.starts_with("sub") {
                with_carry(to, ab, carry_in, carry_out, |x: $n, y: $n, borrow| {
                    let (difference, first) = x.overflowing_sub(y);
                    let (difference, second) = difference.overflowing_sub(borrow.into());
                    (difference, first || second)
                })
            } else {
                with_carry(to, ab, carry_in, carry_out, |x: $n, y: $n, carry| {
                    let (sum, first) = x.overflowing_add(y);
                    let (sum, second) = sum.overflowing_add(carry.into());
                    (sum, first || second)
                })
            }
        };
    }
    d.builder.compute(if kind.bytes() == 8 { sum!(u64) } else { sum!(u32) });
    Ok(())
}

/// Decodes `popc`, `clz`, `brev`, `bfind`, `sad`, `mul24` and `mad24`.
///
/// # Errors
/// An unknown form of it.
pub fn decode_function(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    let opcode = d.instruction.opcode.as_str();
    let compute = match (opcode, kind) {
        ("popc", Type::B32) => unary(d.destination(0, Type::U32)?, d.source(1, kind)?, u32::count_ones),
        ("popc", Type::B64) => unary(d.destination(0, Type::U32)?, d.source(1, kind)?, u64::count_ones),
        ("clz", Type::B32) => unary(d.destination(0, Type::U32)?, d.source(1, kind)?, u32::leading_zeros),
        ("clz", Type::B64) => unary(d.destination(0, Type::U32)?, d.source(1, kind)?, u64::leading_zeros),
        ("brev", Type::B32) => unary(d.destination(0, kind)?, d.source(1, kind)?, u32::reverse_bits),
        ("brev", Type::B64) => unary(d.destination(0, kind)?, d.source(1, kind)?, u64::reverse_bits),
        ("bfind", _) => {
            let shift = d.take("shiftamt");
            let (to, a) = (d.destination(0, Type::U32)?, d.source(1, kind)?);
            let found = move |zeros: u32, bits: u32| match zeros {
                zeros if zeros == bits => u32::MAX,
                zeros if shift => zeros,
                zeros => bits - 1 - zeros,
            };
            match kind {
                Type::U32 => unary(to, a, move |x: u32| found(x.leading_zeros(), 32)),
                Type::S32 => unary(to, a, move |x: i32| found((x ^ x >> 31).leading_zeros(), 32)),
                Type::U64 => unary(to, a, move |x: u64| found(x.leading_zeros(), 64)),
                _ => unary(to, a, move |x: i64| found((x ^ x >> 63).leading_zeros(), 64)),
            }
        }
        ("sad", _) => {
            let (to, abc) = (d.destination(0, kind)?, d.sources(1, kind)?);
            by_integer!(d, kind, (N, W) => ternary(to, abc, |x: N, y: N, z: N| (x.abs_diff(y) as N).wrapping_add(z)))
        }
        ("mul24", Type::U32) if d.take("lo") => {
            binary(d.destination(0, kind)?, d.sources(1, kind)?, |x: u32, y: u32| {
                (x << 8 >> 8).wrapping_mul(y << 8 >> 8)
            })
        }
        ("mul24", Type::S32) if d.take("lo") => {
            binary(d.destination(0, kind)?, d.sources(1, kind)?, |x: i32, y: i32| {
                (x << 8 >> 8).wrapping_mul(y << 8 >> 8)
            })
        }
        _ => return Err(d.error("unknown form")),
    };
    d.builder.compute(compute);
    Ok(())
}

//! `cvt`: between all integers and floats, with every rounding, `.sat`, `.ftz` and `.rna.tf32`.

use super::Compute;
use super::float::{Rounding, adjust_f32, flush, saturate, take_rounding};
use super::function::Decoder;
use super::lanewise::unary;
use crate::machine::registers::Lane;
use crate::ptx::LoadError;
use crate::ptx::types::Type;

/// Rounding to an integer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Nearest,
    Zero,
    Down,
    Up,
}

impl Whole {
    #[inline(always)]
    fn round(self, x: f64) -> f64 {
        match self {
            Self::Nearest => x.round_ties_even(),
            Self::Zero => x.trunc(),
            Self::Down => x.floor(),
            Self::Up => x.ceil(),
        }
    }
}

/// Decodes a conversion.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    let to_kind = d.kind()?;
    let from_kind = d.kind()?;
    let whole =
        d.take_choice(&[("rni", Whole::Nearest), ("rzi", Whole::Zero), ("rmi", Whole::Down), ("rpi", Whole::Up)]);
    let away = d.take("rna");
    let rounding = take_rounding(d);
    let flushes = d.take("ftz");
    let saturates = d.take("sat");
    let (to, from) = (d.destination(0, to_kind)?, d.source(1, from_kind)?);
    let compute = match (from_kind.is_float(), to_kind.is_float()) {
        _ if to_kind == Type::Tf32 => {
            if !away || from_kind != Type::F32 {
                return Err(d.error("only cvt.rna.tf32.f32 is known"));
            }
            unary(to, from, round_tf32)
        }
        _ if away => return Err(d.error("only tf32 rounds ties away")),
        (true, true) => float_to_float(to, from, [from_kind, to_kind], whole, rounding, flushes, saturates),
        (true, false) => {
            let whole = whole.unwrap_or(Whole::Zero);
            if from_kind == Type::F32 {
                float_to_integer(d, to, to_kind, from, whole, move |x: f32| {
                    (if flushes { flush(x) } else { x }, !matches!(to_kind.bytes(), 8))
                })?
            } else {
                float_to_integer(d, to, to_kind, from, whole, |x: f64| (x, false))?
            }
        }
        (false, true) => integer_to_float(d, to, to_kind, from, from_kind, rounding)?,
        (false, false) => integer_to_integer(d, to, to_kind, from, from_kind, saturates)?,
    };
    d.builder.compute(compute);
    Ok(())
}

/// The TF32 nearest to `x`, ties away from zero, as bits; infinities and NaN stay.
pub fn round_tf32(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_finite() { bits.wrapping_add(0x1000) & 0xffff_e000 } else { bits }
}

fn float_to_float(
    to: u32,
    from: u32,
    kinds: [Type; 2],
    whole: Option<Whole>,
    rounding: Rounding,
    flushes: bool,
    saturates: bool,
) -> Compute {
    let round = move |x: f64| whole.map_or(x, |whole| whole.round(x));
    let input = move |x: f32| if flushes { flush(x) } else { x };
    let output = move |x: f32| {
        let x = if flushes { flush(x) } else { x };
        if saturates { saturate(x) } else { x }
    };
    match kinds {
        [Type::F32, Type::F32] => unary(to, from, move |x: f32| output(round(input(x).into()) as f32)),
        [Type::F32, _] => unary(to, from, move |x: f32| round(input(x).into())),
        [_, Type::F32] => unary(to, from, move |x: f64| {
            let x = round(x);
            let near = x as f32;
            let exact = f64::from(near);
            output(adjust_f32(near, exact < x, exact > x, x < 0.0, rounding))
        }),
        _ if saturates => unary(to, from, move |x: f64| if x > 0.0 { round(x).min(1.0) } else { 0.0 }),
        _ => unary(to, from, round),
    }
}

/// Out-of-range values go to the nearest end. NaN becomes 0 where `read` says so, else the top bit alone.
fn float_to_integer<F: Lane + Into<f64>>(
    d: &Decoder,
    to: u32,
    kind: Type,
    from: u32,
    whole: Whole,
    read: impl Fn(F) -> (F, bool) + Send + Sync + 'static,
) -> Result<Compute, LoadError> {
    macro_rules! integer {
        ($n:ty) => {
            unary(to, from, move |x: F| {
                let (x, nan_is_zero) = read(x);
                let x: f64 = x.into();
                if x.is_nan() && !nan_is_zero { (1 as $n) << (<$n>::BITS - 1) } else { whole.round(x) as $n }
            })
        };
    }
    Ok(match kind {
        Type::U8 => integer!(u8),
        Type::S8 => integer!(i8),
        Type::U16 => integer!(u16),
        Type::S16 => integer!(i16),
        Type::U32 => integer!(u32),
        Type::S32 => integer!(i32),
        Type::U64 => integer!(u64),
        Type::S64 => integer!(i64),
        other => return Err(d.error(format!("{other:?} is not an integer"))),
    })
}

/// Evaluates `$body` with `$number` standing for the integer type of `$kind`.
macro_rules! any_integer {
    ($d:expr, $kind:expr, $number:ident => $body:expr) => {{
        macro_rules! with {
            ($n:ty) => {{
                type $number = $n;
                $body
            }};
        }
        match $kind {
            Type::U8 | Type::B8 => with!(u8),
            Type::S8 => with!(i8),
            Type::U16 | Type::B16 => with!(u16),
            Type::S16 => with!(i16),
            Type::U32 | Type::B32 => with!(u32),
            Type::S32 => with!(i32),
            Type::U64 | Type::B64 => with!(u64),
            Type::S64 => with!(i64),
            other => return Err($d.error(format!("unknown for {other:?}"))),
        }
    }};
}

fn integer_to_float(
    d: &Decoder,
    to: u32,
    to_kind: Type,
    from: u32,
    from_kind: Type,
    rounding: Rounding,
) -> Result<Compute, LoadError> {
    Ok(any_integer!(d, from_kind, N => match (to_kind, rounding) {
        (Type::F32, Rounding::Nearest) => unary(to, from, |x: N| x as f32),
        (Type::F32, _) => unary(to, from, move |x: N| {
            let near = x as f32;
            let (exact, x) = (near as i128, x as i128);
            adjust_f32(near, exact < x, exact > x, x < 0, rounding)
        }),
        (_, Rounding::Nearest) => unary(to, from, |x: N| x as f64),
        _ => unary(to, from, move |x: N| {
            let near = x as f64;
            let (exact, x) = (near as i128, x as i128);
            match rounding {
                Rounding::Down if exact > x => near.next_down(),
                Rounding::Up if exact < x => near.next_up(),
                Rounding::Zero if exact > x && x > 0 => near.next_down(),
                Rounding::Zero if exact < x && x < 0 => near.next_up(),
                _ => near,
            }
        }),
    }))
}

fn integer_to_integer(
    d: &Decoder,
    to: u32,
    to_kind: Type,
    from: u32,
    from_kind: Type,
    saturates: bool,
) -> Result<Compute, LoadError> {
    let widen = widened(d, from_kind)?;
    if saturates {
        return Ok(any_integer!(d, from_kind, F => any_integer!(d, to_kind, T => {
            unary(to, from, |x: F| (x as i128).clamp(T::MIN as i128, T::MAX as i128) as T)
        })));
    }
    // Every truncation starts from the number extended to 64 bits.
    Ok(any_integer!(d, from_kind, F => match widen {
        true => any_integer!(d, to_kind, T => unary(to, from, |x: F| x as i64 as T)),
        false => any_integer!(d, to_kind, T => unary(to, from, |x: F| x as u64 as T)),
    }))
}

fn widened(d: &Decoder, kind: Type) -> Result<bool, LoadError> {
    if matches!(kind, Type::Pred | Type::Tf32) { Err(d.error("not an integer")) } else { Ok(kind.is_signed()) }
}

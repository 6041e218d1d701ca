//! Floating-point arithmetic and functions.
//!
//! `f32` stays in `f32`, `fma` rounds once, `.ftz` replaces subnormal operands and results by zeros of their sign, and
//! `.approx` functions are computed as exactly as the host can (the hardware's last bits differ).

use super::Compute;
use super::function::Decoder;
use super::lanewise::{binary, for_lanes, ternary, test, unary};
use crate::machine::registers::{ALL_LANES, Lane, WARP};
use crate::ptx::LoadError;
use crate::ptx::types::Type;

/// How a result between two numbers is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties to even (`.rn`).
    Nearest,
    /// Towards zero (`.rz`).
    Zero,
    /// Towards minus infinity (`.rm`).
    Down,
    /// Towards plus infinity (`.rp`).
    Up,
}

/// Takes a rounding modifier; nearest if there is none.
pub fn take_rounding(d: &mut Decoder) -> Rounding {
    let choices = [("rn", Rounding::Nearest), ("rz", Rounding::Zero), ("rm", Rounding::Down), ("rp", Rounding::Up)];
    d.take_choice(&choices).unwrap_or(Rounding::Nearest)
}

/// `x` with subnormals replaced by zero.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// `x` clamped to the interval from 0 to 1, NaN to 0.
#[inline(always)]
pub fn saturate(x: f32) -> f32 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

/// What `.ftz` and `.sat` do around an `f32` operation.
#[derive(Clone, Copy)]
struct Finish {
    flush: bool,
    saturate: bool,
}

impl Finish {
    fn take(d: &mut Decoder) -> Self {
        Self { flush: d.take("ftz"), saturate: d.take("sat") }
    }

    fn is_plain(self) -> bool {
        !self.flush && !self.saturate
    }

    #[inline(always)]
    fn input(self, x: f32) -> f32 {
        if self.flush { flush(x) } else { x }
    }

    #[inline(always)]
    fn output(self, x: f32) -> f32 {
        let x = if self.flush { flush(x) } else { x };
        if self.saturate { saturate(x) } else { x }
    }

    fn unary(self, to: u32, a: u32, f: impl Fn(f32) -> f32 + Copy + Send + Sync + 'static) -> Compute {
        unary(to, a, move |x| self.output(f(self.input(x))))
    }

    fn binary(self, to: u32, ab: [u32; 2], f: impl Fn(f32, f32) -> f32 + Copy + Send + Sync + 'static) -> Compute {
        if self.is_plain() {
            return binary(to, ab, f);
        }
        binary(to, ab, move |x, y| self.output(f(self.input(x), self.input(y))))
    }
}

/// The `f32` nearest to the exact value `high + low` in a direction, where `low` is below `high`'s last bit.
fn round_sum(high: f64, low: f64, rounding: Rounding) -> f32 {
    let near = high as f32;
    let above = f64::from(near) > high || f64::from(near) == high && low < 0.0;
    let below = f64::from(near) < high || f64::from(near) == high && low > 0.0;
    adjust_f32(near, below, above, high < 0.0, rounding)
}

/// Moves `near`, which lies below or above the exact value (or is it), to the side that `rounding` asks for.
pub fn adjust_f32(near: f32, below: bool, above: bool, negative: bool, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::Down if above => near.next_down(),
        Rounding::Up if below => near.next_up(),
        Rounding::Zero if above && !negative => near.next_down(),
        Rounding::Zero if below && negative => near.next_up(),
        _ => near,
    }
}

/// `a + b` as a rounded sum and its exact error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The smaller or larger of two numbers: the other one if one is NaN, and -0 below +0.
macro_rules! extremum {
    ($name:ident, $number:ty, $less:tt, $zero:tt) => {
        #[inline(always)]
        fn $name(a: $number, b: $number) -> $number {
            if a == b {
                <$number>::from_bits(a.to_bits() $zero b.to_bits())
            } else if a $less b || b.is_nan() {
                a
            } else {
                b
            }
        }
    };
}

extremum!(min_f32, f32, <, |);
extremum!(max_f32, f32, >, &);
extremum!(min_f64, f64, <, |);
extremum!(max_f64, f64, >, &);

/// Decodes arithmetic on `f32` or `f64`.
///
/// # Errors
/// An unknown form of it.
pub fn decode_arithmetic(d: &mut Decoder, kind: Type) -> Result<(), LoadError> {
    if kind == Type::F64 {
        return decode_f64(d);
    }
    let opcode = d.instruction.opcode.as_str();
    let finish = Finish::take(d);
    let propagate = d.take("NaN");
    let approximate = d.take("approx") || d.take("full");
    let rounding = take_rounding(d);
    let to = d.destination(0, kind)?;
    if matches!(opcode, "neg" | "abs") {
        let a = d.source(1, kind)?;
        let negate = opcode == "neg";
        d.builder.compute(finish.unary(to, a, move |x| if negate { -x } else { x.abs() }));
        return Ok(());
    }
    if matches!(opcode, "fma" | "mad") {
        let abc = d.sources(1, kind)?;
        d.builder.compute(fused(to, abc, finish, rounding));
        return Ok(());
    }
    let ab = d.sources(1, kind)?;
    let compute = match (opcode, rounding) {
        ("add", Rounding::Nearest) => finish.binary(to, ab, |x, y| x + y),
        ("sub", Rounding::Nearest) => finish.binary(to, ab, |x, y| x - y),
        ("mul", Rounding::Nearest) => finish.binary(to, ab, |x, y| x * y),
        ("add", _) => finish.binary(to, ab, move |x, y| {
            let (sum, error) = two_sum(x.into(), y.into());
            round_sum(sum, error, rounding)
        }),
        ("sub", _) => finish.binary(to, ab, move |x, y| {
            let (sum, error) = two_sum(x.into(), f64::from(-y));
            round_sum(sum, error, rounding)
        }),
        ("mul", _) => finish.binary(to, ab, move |x, y| round_sum(f64::from(x) * f64::from(y), 0.0, rounding)),
        ("div", Rounding::Nearest) => finish.binary(to, ab, |x, y| x / y),
        ("min", _) if propagate => {
            finish.binary(to, ab, |x, y| if x.is_nan() || y.is_nan() { f32::NAN } else { min_f32(x, y) })
        }
        ("max", _) if propagate => {
            finish.binary(to, ab, |x, y| if x.is_nan() || y.is_nan() { f32::NAN } else { max_f32(x, y) })
        }
        ("min", _) => finish.binary(to, ab, min_f32),
        ("max", _) => finish.binary(to, ab, max_f32),
        _ => return Err(d.error("unknown f32 operation")),
    };
    if approximate && opcode != "div" {
        return Err(d.error("only div is approximate"));
    }
    d.builder.compute(compute);
    Ok(())
}

/// `to = a * b + c` with one rounding.
fn fused(to: u32, abc: [u32; 3], finish: Finish, rounding: Rounding) -> Compute {
    if rounding != Rounding::Nearest || !finish.is_plain() {
        return ternary(to, abc, move |x: f32, y: f32, z: f32| {
            let [x, y, z] = [x, y, z].map(|value| finish.input(value));
            if rounding == Rounding::Nearest {
                return finish.output(x.mul_add(y, z));
            }
            let (sum, error) = two_sum(f64::from(x) * f64::from(y), z.into());
            finish.output(round_sum(sum, error, rounding))
        });
    }
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        return Box::new(move |registers, mask| {
            let [a, b, c] = abc.map(|index| *f32::column(registers, index));
            let to = f32::column_mut(registers, to);
            if mask == ALL_LANES {
                // SAFETY: the processor has both features, as was checked above.
                unsafe { fused_columns(to, &a, &b, &c) };
            } else {
                for_lanes(mask, |lane| {
                    to[lane] = f32::decode(a[lane]).mul_add(f32::decode(b[lane]), f32::decode(c[lane])).encode();
                });
            }
        });
    }
    ternary(to, abc, f32::mul_add)
}

/// The whole-warp case of `fused`, compiled to vector instructions: it is half of a matrix product's work.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fused_columns(to: &mut [u32; WARP], a: &[u32; WARP], b: &[u32; WARP], c: &[u32; WARP]) {
    for lane in 0..WARP {
        to[lane] = f32::decode(a[lane]).mul_add(f32::decode(b[lane]), f32::decode(c[lane])).encode();
    }
}

fn decode_f64(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = Type::F64;
    let opcode = d.instruction.opcode.as_str();
    if take_rounding(d) != Rounding::Nearest {
        return Err(d.error("f64 is rounded to the nearest only"));
    }
    let to = d.destination(0, kind)?;
    let compute = match opcode {
        "neg" => unary(to, d.source(1, kind)?, |x: f64| -x),
        "abs" => unary(to, d.source(1, kind)?, f64::abs),
        "fma" | "mad" => ternary(to, d.sources(1, kind)?, f64::mul_add),
        "add" => binary(to, d.sources(1, kind)?, |x: f64, y: f64| x + y),
        "sub" => binary(to, d.sources(1, kind)?, |x: f64, y: f64| x - y),
        "mul" => binary(to, d.sources(1, kind)?, |x: f64, y: f64| x * y),
        "div" => binary(to, d.sources(1, kind)?, |x: f64, y: f64| x / y),
        "min" => binary(to, d.sources(1, kind)?, min_f64),
        "max" => binary(to, d.sources(1, kind)?, max_f64),
        _ => return Err(d.error("unknown f64 operation")),
    };
    d.builder.compute(compute);
    Ok(())
}

/// Decodes `sqrt`, `rcp`, `ex2`, ... on `f32` or `f64`.
///
/// # Errors
/// An unknown form of it.
pub fn decode_function(d: &mut Decoder) -> Result<(), LoadError> {
    let opcode = d.instruction.opcode.as_str();
    if opcode == "testp" {
        return decode_test(d);
    }
    let kind = d.kind()?;
    let approximate = d.take("approx");
    if take_rounding(d) != Rounding::Nearest {
        return Err(d.error("only rounding to the nearest is known"));
    }
    if opcode == "copysign" {
        let to = d.destination(0, kind)?;
        let ab = d.sources(1, kind)?;
        d.builder.compute(match kind {
            Type::F32 => binary(to, ab, |sign: f32, x: f32| x.copysign(sign)),
            _ => binary(to, ab, |sign: f64, x: f64| x.copysign(sign)),
        });
        return Ok(());
    }
    if kind == Type::F64 {
        // The hardware's approximations ignore and clear the lower half.
        let coarse = approximate && d.take("ftz");
        let (to, a) = (d.destination(0, kind)?, d.source(1, kind)?);
        let f: fn(f64) -> f64 = match opcode {
            "sqrt" if !approximate => f64::sqrt,
            "rcp" => |x| 1.0 / x,
            "rsqrt" => |x| 1.0 / x.sqrt(),
            _ => return Err(d.error("unknown f64 function")),
        };
        d.builder.compute(if coarse { unary(to, a, move |x| upper_half(f(upper_half(x)))) } else { unary(to, a, f) });
        return Ok(());
    }
    let finish = Finish::take(d);
    let (to, a) = (d.destination(0, kind)?, d.source(1, kind)?);
    d.builder.compute(match opcode {
        "sqrt" => finish.unary(to, a, f32::sqrt),
        "rcp" => finish.unary(to, a, |x| 1.0 / x),
        "rsqrt" => finish.unary(to, a, |x| (1.0 / f64::from(x).sqrt()) as f32),
        "ex2" => finish.unary(to, a, f32::exp2),
        "lg2" => finish.unary(to, a, f32::log2),
        "sin" => finish.unary(to, a, f32::sin),
        "cos" => finish.unary(to, a, f32::cos),
        "tanh" => finish.unary(to, a, f32::tanh),
        _ => return Err(d.error("unknown f32 function")),
    });
    Ok(())
}

/// `x` without the lower half of its bits; subnormals become zero.
fn upper_half(x: f64) -> f64 {
    if x.is_subnormal() { 0f64.copysign(x) } else { f64::from_bits(x.to_bits() >> 32 << 32) }
}

fn decode_test(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    let property = ["finite", "infinite", "number", "notanumber", "normal", "subnormal"];
    let choices: Vec<(&str, usize)> = property.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let property = d.take_choice(&choices).ok_or_else(|| d.error("missing property"))?;
    let (to, _) = d.predicate(0)?;
    let a = d.source(1, kind)?;
    macro_rules! holds {
        ($number:ty) => {{
            let holds: fn($number) -> bool = match property {
                0 => |x| x.is_finite(),
                1 => |x| x.is_infinite(),
                2 => |x| !x.is_nan(),
                3 => |x| x.is_nan(),
                4 => |x| x.is_normal(),
                _ => |x| x.is_subnormal(),
            };
            let test = test([a, a], move |x: $number, _: $number| holds(x));
            d.builder.compute(Box::new(move |registers, mask| {
                let lanes = test(registers, mask);
                registers.write_predicate(to, mask, lanes);
            }));
        }};
    }
    if kind == Type::F32 {
        holds!(f32)
    } else {
        holds!(f64)
    }
    Ok(())
}

//! Comparisons and selections: `setp`, `set`, `selp`, `slct`.

use super::Compute;
use super::float::flush;
use super::function::Decoder;
use super::integer::by_integer;
use super::lanewise::{binary, for_lanes, ternary, test};
use crate::machine::registers::{Lane, LaneMask, Registers, lanes};
use crate::ptx::LoadError;
use crate::ptx::syntax::Operand;
use crate::ptx::types::Type;

type Test = Box<dyn Fn(&Registers, LaneMask) -> LaneMask + Send + Sync>;

/// Joins the lanes of two predicates.
type Combine = fn(LaneMask, LaneMask) -> LaneMask;

const COMPARISONS: [&str; 18] = [
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
];

/// Decodes a comparison or selection.
///
/// # Errors
/// An unknown form of it.
pub fn decode(d: &mut Decoder) -> Result<(), LoadError> {
    match d.instruction.opcode.as_str() {
        "setp" => decode_setp(d),
        "set" => decode_set(d),
        "selp" => decode_select(d),
        _ => decode_slct(d),
    }
}

/// The relations between two numbers under which a comparison holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Relations {
    less: bool,
    equal: bool,
    greater: bool,
    unordered: bool,
}

impl Relations {
    /// Those of the comparison `name`, one of [`COMPARISONS`].
    fn of(name: &str) -> Self {
        let unordered = name == "nan" || name.len() == 3 && name.ends_with('u');
        Self {
            less: matches!(name, "ne" | "lt" | "le" | "lo" | "ls" | "neu" | "ltu" | "leu" | "num"),
            equal: matches!(name, "eq" | "le" | "ge" | "ls" | "hs" | "equ" | "leu" | "geu" | "num"),
            greater: matches!(name, "ne" | "gt" | "ge" | "hi" | "hs" | "neu" | "gtu" | "geu" | "num"),
            unordered,
        }
    }

    /// Whether one of them holds between `x` and `y`.
    #[inline(always)]
    fn hold<N: PartialOrd>(self, x: N, y: N) -> bool {
        let (less, equal, greater) = (x < y, x == y, x > y);
        less & self.less | equal & self.equal | greater & self.greater | !(less | equal | greater) & self.unordered
    }
}

/// A comparison of two registers of type `kind`.
fn comparison(d: &Decoder, relations: Relations, kind: Type, flushes: bool, ab: [u32; 2]) -> Result<Test, LoadError> {
    Ok(match kind {
        Type::F32 if flushes => Box::new(test(ab, move |x: f32, y: f32| relations.hold(flush(x), flush(y)))),
        Type::F32 => Box::new(test(ab, move |x: f32, y: f32| relations.hold(x, y))),
        Type::F64 => Box::new(test(ab, move |x: f64, y: f64| relations.hold(x, y))),
        _ => by_integer!(d, kind, (N, W) => Box::new(test(ab, move |x: N, y: N| relations.hold(x, y)))),
    })
}

/// A comparison with its optional `.and`, `.or` or `.xor` of a further predicate: gives the lanes where it holds, and
/// those where the second destination does.
fn combined(d: &mut Decoder, kind: Type) -> Result<impl Fn(&Registers, LaneMask) -> [LaneMask; 2] + use<>, LoadError> {
    let names = COMPARISONS.map(|name| (name, name));
    let name = d.take_choice(&names).ok_or_else(|| d.error("missing comparison"))?;
    let combine = d.take_choice::<Combine>(&[("and", |x, y| x & y), ("or", |x, y| x | y), ("xor", |x, y| x ^ y)]);
    let flushes = d.take("ftz");
    let ab = d.sources(1, kind)?;
    let holds = comparison(d, Relations::of(name), kind, flushes, ab)?;
    let third = match combine {
        Some(combine) => Some((combine, d.predicate(3)?)),
        None => None,
    };
    Ok(move |registers: &Registers, mask: LaneMask| {
        let yes = holds(registers, mask);
        match third {
            None => [yes, !yes],
            Some((combine, (index, negated))) => {
                let other = registers.predicates[index as usize] ^ if negated { u32::MAX } else { 0 };
                [combine(yes, other), combine(!yes, other)]
            }
        }
    })
}

fn decode_setp(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?;
    let (first, second) = match d.operand(0)? {
        Operand::Name(name) => (d.predicate_named(name)?, None),
        Operand::Pair(first, second) => (d.predicate_named(first)?, d.predicate_named(second)?),
        _ => return Err(d.error("the destination is not a predicate")),
    };
    let holds = combined(d, kind)?;
    d.builder.compute(Box::new(move |registers, mask| {
        let values = holds(registers, mask);
        for (index, values) in [first, second].into_iter().zip(values) {
            if let Some(index) = index {
                registers.write_predicate(index, mask, values);
            }
        }
    }));
    Ok(())
}

/// `set.cmp.dtype.stype`: all ones, or 1.0 for a float, where the comparison holds.
fn decode_set(d: &mut Decoder) -> Result<(), LoadError> {
    let result = d.kind()?;
    let kind = d.kind()?;
    let to = d.destination(0, result)?;
    let holds = combined(d, kind)?;
    let one = if result == Type::F32 { 1f32.to_bits() } else { u32::MAX };
    d.builder.compute(Box::new(move |registers, mask| {
        let [yes, _] = holds(registers, mask);
        for lane in lanes(mask) {
            registers.words[to as usize][lane] = if yes >> lane & 1 == 1 { one } else { 0 };
        }
    }));
    Ok(())
}

fn decode_select(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?.to_unsigned();
    let (to, ab) = (d.destination(0, kind)?, d.sources::<2>(1, kind)?);
    let (index, negated) = d.predicate(3)?;
    fn select<N: Lane>(to: u32, [a, b]: [u32; 2], index: u32, negated: bool) -> Compute {
        Box::new(move |registers, mask| {
            let chosen = registers.predicates[index as usize] ^ if negated { u32::MAX } else { 0 };
            let (a, b) = (*N::column(registers, a), *N::column(registers, b));
            let to = N::column_mut(registers, to);
            for_lanes(mask, |lane| to[lane] = if chosen >> lane & 1 == 1 { a[lane] } else { b[lane] });
        })
    }
    d.builder.compute(if kind.bytes() == 8 {
        select::<u64>(to, ab, index, negated)
    } else {
        select::<u32>(to, ab, index, negated)
    });
    Ok(())
}

/// `slct`: the first operand where the third is not negative (nor NaN).
fn decode_slct(d: &mut Decoder) -> Result<(), LoadError> {
    let kind = d.kind()?.to_unsigned();
    let selector = d.kind()?;
    let flushes = d.take("ftz");
    let (to, ab) = (d.destination(0, kind)?, d.sources::<2>(1, kind)?);
    let c = d.source(3, selector)?;
    // The choice becomes a word of 0 or 1 first, which leaves two operands and a scratch register.
    let chooser = d.scratch(Type::U32);
    d.builder.compute(match selector {
        Type::S32 => binary(chooser, [c, c], |x: i32, _: i32| u32::from(x >= 0)),
        Type::F32 => {
            binary(chooser, [c, c], move |x: f32, _: f32| u32::from(if flushes { flush(x) >= 0.0 } else { x >= 0.0 }))
        }
        _ => return Err(d.error("the selector must be s32 or f32")),
    });
    d.builder.compute(if kind.bytes() == 8 {
        ternary(to, [ab[0], ab[1], chooser], |x: u64, y: u64, c: u32| if c == 1 { x } else { y })
    } else {
        ternary(to, [ab[0], ab[1], chooser], |x: u32, y: u32, c: u32| if c == 1 { x } else { y })
    });
    Ok(())
}

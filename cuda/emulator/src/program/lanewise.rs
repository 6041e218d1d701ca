//! Turns a function on numbers into a [`Compute`] on whole warps.
//!
//! Operands are copied out first, which frees the compiler to vectorise the loop; functions must not panic.

use super::Compute;
use crate::machine::registers::{ALL_LANES, Lane, LaneMask, Registers, WARP, lanes};

/// Calls `body` for the lanes of `mask`, with a plain loop where all are present.
#[inline(always)]
pub fn for_lanes(mask: LaneMask, mut body: impl FnMut(usize)) {
    if mask == ALL_LANES {
        for lane in 0..WARP {
            body(lane);
        }
    } else {
        for lane in lanes(mask) {
            body(lane);
        }
    }
}

/// `to = f(a)`
pub fn unary<A: Lane, T: Lane>(to: u32, a: u32, f: impl Fn(A) -> T + Send + Sync + 'static) -> Compute {
    Box::new(move |registers, mask| {
        let a = *A::column(registers, a);
        let to = T::column_mut(registers, to);
        for_lanes(mask, |lane| to[lane] = f(A::decode(a[lane])).encode());
    })
}

/// `to = f(a, b)`
pub fn binary<A: Lane, B: Lane, T: Lane>(
    to: u32,
    [a, b]: [u32; 2],
    f: impl Fn(A, B) -> T + Send + Sync + 'static,
) -> Compute {
    Box::new(move |registers, mask| {
        let a = *A::column(registers, a);
        let b = *B::column(registers, b);
        let to = T::column_mut(registers, to);
        for_lanes(mask, |lane| to[lane] = f(A::decode(a[lane]), B::decode(b[lane])).encode());
    })
}

/// `to = f(a, b, c)`
pub fn ternary<A: Lane, B: Lane, C: Lane, T: Lane>(
    to: u32,
    [a, b, c]: [u32; 3],
    f: impl Fn(A, B, C) -> T + Send + Sync + 'static,
) -> Compute {
    Box::new(move |registers, mask| {
        let a = *A::column(registers, a);
        let b = *B::column(registers, b);
        let c = *C::column(registers, c);
        let to = T::column_mut(registers, to);
        for_lanes(mask, |lane| to[lane] = f(A::decode(a[lane]), B::decode(b[lane]), C::decode(c[lane])).encode());
    })
}

/// The lanes in which `f(a, b)` holds.
pub fn test<A: Lane, B: Lane>(
    [a, b]: [u32; 2],
    f: impl Fn(A, B) -> bool + Send + Sync + 'static,
) -> impl Fn(&Registers, LaneMask) -> LaneMask + Send + Sync + 'static {
    move |registers, mask| {
        let a = A::column(registers, a);
        let b = B::column(registers, b);
        let mut result = 0;
        for_lanes(mask, |lane| result |= u32::from(f(A::decode(a[lane]), B::decode(b[lane]))) << lane);
        result
    }
}

/// Addition-like `to = f(a, b, carry)` that also yields a carry: `carry_in` and `carry_out` are predicates.
pub fn with_carry<A: Lane>(
    to: u32,
    [a, b]: [u32; 2],
    carry_in: Option<u32>,
    carry_out: Option<u32>,
    f: impl Fn(A, A, bool) -> (A, bool) + Send + Sync + 'static,
) -> Compute {
    Box::new(move |registers, mask| {
        let carries = carry_in.map_or(0, |index| registers.predicates[index as usize]);
        let a = *A::column(registers, a);
        let b = *A::column(registers, b);
        let to = A::column_mut(registers, to);
        let mut next = 0;
        for_lanes(mask, |lane| {
            let (value, carry) = f(A::decode(a[lane]), A::decode(b[lane]), carries >> lane & 1 == 1);
            to[lane] = value.encode();
            next |= u32::from(carry) << lane;
        });
        if let Some(index) = carry_out {
            registers.write_predicate(index, mask, next);
        }
    })
}

//! Exchanges between the lanes of one warp.

use super::fault::{FaultKind, LaneFault};
use super::registers::{ALL_LANES, LaneMask, Register, Registers, WARP, lanes};
use crate::program::{Collective, ShuffleMode, VoteMode};

/// The lanes that must take part in an exchange together with `lane`.
pub fn members(collective: &Collective, registers: &Registers, lane: usize) -> LaneMask {
    match collective {
        Collective::Synchronize { members }
        | Collective::Shuffle { members, .. }
        | Collective::Vote { members, .. }
        | Collective::Match { members, .. } => registers.bits(*members, lane) as LaneMask,
        Collective::MultiplyTf32 { .. } => ALL_LANES,
        Collective::Active { .. } => 0,
    }
}

/// Runs an exchange between the lanes of `mask`, all of whose members are present.
///
/// # Errors
/// A shuffle from a lane outside `mask`.
pub fn run(collective: &Collective, registers: &mut Registers, mask: LaneMask) -> Result<(), LaneFault> {
    match collective {
        Collective::Synchronize { .. } => {}
        Collective::Shuffle { .. } => shuffle(collective, registers, mask)?,
        Collective::Vote { mode, result, value, negated, members } => {
            let before = registers.clone_predicate(*value);
            let holds = (if *negated { !before } else { before }) & mask;
            for lane in lanes(mask) {
                let members = registers.bits(*members, lane) as LaneMask & mask;
                let bits = match mode {
                    VoteMode::All => u64::from(holds & members == members),
                    VoteMode::Any => u64::from(holds & members != 0),
                    VoteMode::Uniform => u64::from([0, members].contains(&(holds & members))),
                    VoteMode::Ballot => u64::from(holds & members),
                };
                registers.set_bits(*result, lane, bits);
            }
        }
        Collective::Match { all, result, same, value, members } => {
            let values: [u64; WARP] = std::array::from_fn(|lane| registers.bits(*value, lane));
            let member_masks: [LaneMask; WARP] = std::array::from_fn(|lane| registers.bits(*members, lane) as u32);
            for lane in lanes(mask) {
                let members = member_masks[lane] & mask;
                let equal = lanes(members).filter(|other| values[*other] == values[lane]).map(|other| 1 << other);
                let equal: LaneMask = equal.sum();
                let unanimous = equal == members;
                if let Some(result) = result {
                    let bits = if *all && !unanimous { 0 } else { equal };
                    registers.set_bits(*result, lane, bits.into());
                }
                if let Some(same) = same {
                    registers.set_bits(*same, lane, unanimous.into());
                }
            }
        }
        Collective::Active { result } => {
            lanes(mask).for_each(|lane| registers.set_bits(*result, lane, mask.into()));
        }
        Collective::MultiplyTf32 { depth, d, a, b, c } => multiply(*depth, [d, a, b, c], registers),
    }
    Ok(())
}

impl Registers {
    fn clone_predicate(&self, register: Register) -> LaneMask {
        match register {
            Register::Predicate(index) => self.predicates[index as usize],
            _ => 0,
        }
    }
}

fn shuffle(collective: &Collective, registers: &mut Registers, mask: LaneMask) -> Result<(), LaneFault> {
    let Collective::Shuffle { mode, result, found, value, index, clamp, .. } = collective else {
        return Ok(());
    };
    let values: [u64; WARP] = std::array::from_fn(|lane| registers.bits(*value, lane));
    let sources: [(usize, bool); WARP] = std::array::from_fn(|lane| {
        let index = registers.bits(*index, lane) as i32 & 31;
        let control = registers.bits(*clamp, lane) as i32;
        let (segment, clamp, lane) = (control >> 8 & 31, control & 31, lane as i32);
        let last = lane & segment | clamp & !segment;
        let first = lane & segment;
        let (source, inside) = match mode {
            ShuffleMode::Up => (lane - index, lane - index >= last),
            ShuffleMode::Down => (lane + index, lane + index <= last),
            ShuffleMode::Butterfly => (lane ^ index, lane ^ index <= last),
            ShuffleMode::Index => (first | index & !segment, (first | index & !segment) <= last),
        };
        (if inside { source } else { lane } as usize, inside)
    });
    for lane in lanes(mask) {
        let (source, inside) = sources[lane];
        if mask >> source & 1 == 0 {
            return Err(LaneFault { lane, kind: FaultKind::InactiveSource { source: source as u32 } });
        }
        if let Some(result) = result {
            registers.set_bits(*result, lane, values[source]);
        }
        if let Some(found) = found {
            registers.set_bits(*found, lane, inside.into());
        }
    }
    Ok(())
}

/// `d = a b + c` with a 16 x `depth`, b `depth` x 8; products and sums in `f64`, rounded once.
///
/// Lane `4 g + t` holds rows `g` and `g + 8` of a, c and d, and column `g` of b; operands lose the bits TF32 lacks.
fn multiply(depth: usize, [d, a, b, c]: [&Vec<Register>; 4], registers: &mut Registers) {
    let bits = |register: Register, lane: usize| registers.bits(register, lane) as u32;
    let tf32 = |bits: u32| f64::from(f32::from_bits(bits & 0xffff_e000));
    let mut left = [[0f64; 8]; 16];
    let mut right = [[0f64; 8]; 8];
    let mut results = [[0f32; 4]; WARP];
    for lane in 0..WARP {
        let (group, thread) = (lane / 4, lane % 4);
        for (index, register) in a.iter().enumerate() {
            left[group + index % 2 * 8][thread + index / 2 * 4] = tf32(bits(*register, lane));
        }
        for (index, register) in b.iter().enumerate() {
            right[group][thread + index * 4] = tf32(bits(*register, lane));
        }
    }
    for (lane, result) in results.iter_mut().enumerate() {
        for (index, entry) in result.iter_mut().enumerate() {
            let (row, column) = (lane / 4 + index / 2 * 8, lane % 4 * 2 + index % 2);
            let products = left[row].iter().zip(&right[column]).take(depth).map(|(x, y)| x * y);
            let start = f64::from(f32::from_bits(bits(c[index], lane)));
            *entry = products.fold(start, |sum, product| sum + product) as f32;
        }
    }
    for (lane, result) in results.iter().enumerate() {
        for (register, value) in d.iter().zip(result) {
            registers.set_bits(*register, lane, value.to_bits().into());
        }
    }
}

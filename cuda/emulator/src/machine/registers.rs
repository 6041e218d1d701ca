//! The register file of one warp, stored column by column: all 32 lanes of a register lie side by side, so that one
//! instruction is a loop over 32 neighbours.

/// Lanes in a warp.
pub const WARP: usize = 32;

/// A set of lanes of one warp, lane `i` in bit `i`.
pub type LaneMask = u32;

/// Every lane of a warp.
pub const ALL_LANES: LaneMask = u32::MAX;

/// The lanes of `mask` in increasing order.
#[inline]
pub fn lanes(mask: LaneMask) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let lane = rest.trailing_zeros() as usize;
        rest &= rest.wrapping_sub(1);
        (lane < WARP).then_some(lane)
    })
}

/// A register: its bank, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// 32 bits or fewer per lane.
    Word(u32),
    /// 64 bits per lane.
    Long(u32),
    /// One bit per lane.
    Predicate(u32),
}

/// The registers of one warp.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// Registers of 8, 16 and 32 bits.
    pub words: Vec<[u32; WARP]>,
    /// Registers of 64 bits.
    pub longs: Vec<[u64; WARP]>,
    /// Predicates, one mask each.
    pub predicates: Vec<LaneMask>,
}

impl Registers {
    /// The bits of `register` in `lane`, zero-extended.
    #[inline]
    pub fn bits(&self, register: Register, lane: usize) -> u64 {
        match register {
            Register::Word(index) => self.words[index as usize][lane].into(),
            Register::Long(index) => self.longs[index as usize][lane],
            Register::Predicate(index) => (self.predicates[index as usize] >> lane & 1).into(),
        }
    }

    /// Stores the low bits of `bits` into `register` in `lane`.
    #[inline]
    pub fn set_bits(&mut self, register: Register, lane: usize, bits: u64) {
        match register {
            Register::Word(index) => self.words[index as usize][lane] = bits as u32,
            Register::Long(index) => self.longs[index as usize][lane] = bits,
            Register::Predicate(index) => {
                self.write_predicate(index, 1 << lane, (bits as u32 & 1) << lane);
            }
        }
    }

    /// Replaces the lanes `mask` of a predicate by those of `values`.
    pub fn write_predicate(&mut self, index: u32, mask: LaneMask, values: LaneMask) {
        let predicate = &mut self.predicates[index as usize];
        *predicate = *predicate & !mask | values & mask;
    }
}

/// A Rust number that one lane of a register can hold.
///
/// Numbers narrower than their bank are stored sign- or zero-extended and truncated when read.
pub trait Lane: Copy + 'static {
    /// What the bank stores.
    type Raw: Copy;
    /// The number in a stored value.
    fn decode(raw: Self::Raw) -> Self;
    /// The value to store for a number.
    fn encode(self) -> Self::Raw;
    /// The 32 lanes of register `index`.
    fn column(registers: &Registers, index: u32) -> &[Self::Raw; WARP];
    /// The 32 lanes of register `index`, to be written.
    fn column_mut(registers: &mut Registers, index: u32) -> &mut [Self::Raw; WARP];
}

macro_rules! lane {
    ($number:ty, $raw:ty, $bank:ident, |$r:ident| $decode:expr, |$n:ident| $encode:expr) => {
        impl Lane for $number {
            type Raw = $raw;
            #[inline(always)]
            fn decode($r: $raw) -> Self {
                $decode
            }
            #[inline(always)]
            fn encode(self) -> $raw {
                let $n = self;
                $encode
            }
            #[inline(always)]
            fn column(registers: &Registers, index: u32) -> &[$raw; WARP] {
                &registers.$bank[index as usize]
            }
            #[inline(always)]
            fn column_mut(registers: &mut Registers, index: u32) -> &mut [$raw; WARP] {
                &mut registers.$bank[index as usize]
            }
        }
    };
}

lane!(u8, u32, words, |r| r as u8, |n| n.into());
lane!(u16, u32, words, |r| r as u16, |n| n.into());
lane!(u32, u32, words, |r| r, |n| n);
lane!(i8, u32, words, |r| r as i8, |n| n as i32 as u32);
lane!(i16, u32, words, |r| r as i16, |n| n as i32 as u32);
lane!(i32, u32, words, |r| r as i32, |n| n as u32);
lane!(f32, u32, words, |r| f32::from_bits(r), |n| n.to_bits());
lane!(u64, u64, longs, |r| r, |n| n);
lane!(i64, u64, longs, |r| r as i64, |n| n as u64);
lane!(f64, u64, longs, |r| f64::from_bits(r), |n| n.to_bits());

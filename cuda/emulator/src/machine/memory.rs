//! Global memory, and how generic addresses name the other memories.
//!
//! A global address is a host address. Shared and local memory appear to generic addresses in windows far above.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// A range of generic addresses that stands for another memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First address.
    pub start: u64,
}

/// Generic addresses of shared memory.
pub const SHARED_WINDOW: Window = Window { start: 0x7a00_0000_0000_0000 };

/// Generic addresses of local memory.
pub const LOCAL_WINDOW: Window = Window { start: 0x7b00_0000_0000_0000 };

impl Window {
    /// Whether `address` lies in the window.
    pub fn contains(self, address: u64) -> bool {
        address >> 56 == self.start >> 56
    }
}

/// The live allocations, as far as a launch may touch them.
#[derive(Clone, Debug, Default)]
pub struct GlobalMemory {
    ranges: Vec<Range<u64>>,
}

impl GlobalMemory {
    /// Allows access to the bytes in `ranges`.
    ///
    /// # Safety
    /// The ranges are disjoint host memory that stays allocated, and that nothing but launches accesses, for as long
    /// as the result is used.
    pub unsafe fn new(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.sort_by_key(|range| range.start);
        Self { ranges }
    }

    /// The allocation that contains `bytes` bytes at `address`.
    pub fn find(&self, address: u64, bytes: u32) -> Option<Range<u64>> {
        let after = self.ranges.partition_point(|range| range.start <= address);
        let range = self.ranges[..after].last()?;
        (address.checked_add(bytes.into())? <= range.end).then(|| range.clone())
    }
}

/// A place in global memory that was found inside an allocation, and aligned.
#[derive(Clone, Copy, Debug)]
pub struct GlobalPlace {
    address: u64,
}

impl GlobalPlace {
    /// Vouches for an address.
    ///
    /// # Safety
    /// Every read and write through the result stays inside one range of a [`GlobalMemory`] and is aligned.
    pub unsafe fn new(address: u64) -> Self {
        Self { address }
    }

    /// Reads `width` bytes, `offset` bytes further on.
    #[inline]
    pub fn read(self, offset: u32, width: u32) -> u64 {
        let address = self.address + u64::from(offset);
        // SAFETY: `new` promises a live and aligned place; threads of other blocks may use it, hence the atomics.
        unsafe {
            match width {
                1 => AtomicU8::from_ptr(address as *mut u8).load(Ordering::Relaxed).into(),
                2 => AtomicU16::from_ptr(address as *mut u16).load(Ordering::Relaxed).into(),
                4 => AtomicU32::from_ptr(address as *mut u32).load(Ordering::Relaxed).into(),
                _ => AtomicU64::from_ptr(address as *mut u64).load(Ordering::Relaxed),
            }
        }
    }

    /// Writes the low `width` bytes of `bits`, `offset` bytes further on.
    #[inline]
    pub fn write(self, offset: u32, width: u32, bits: u64) {
        let address = self.address + u64::from(offset);
        // SAFETY: as in `read`.
        unsafe {
            match width {
                1 => AtomicU8::from_ptr(address as *mut u8).store(bits as u8, Ordering::Relaxed),
                2 => AtomicU16::from_ptr(address as *mut u16).store(bits as u16, Ordering::Relaxed),
                4 => AtomicU32::from_ptr(address as *mut u32).store(bits as u32, Ordering::Relaxed),
                _ => AtomicU64::from_ptr(address as *mut u64).store(bits, Ordering::Relaxed),
            }
        }
    }
}

/// Reads `width` bytes at `place` of a byte array.
#[inline]
pub fn read_bytes(bytes: &[u8], place: usize, width: u32) -> u64 {
    fn part<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
        std::array::from_fn(|index| bytes[place..place + N][index])
    }
    match width {
        1 => bytes[place].into(),
        2 => u16::from_le_bytes(part(bytes, place)).into(),
        4 => u32::from_le_bytes(part(bytes, place)).into(),
        _ => u64::from_le_bytes(part(bytes, place)),
    }
}

/// Writes the low `width` bytes of `bits` at `place` of a byte array.
#[inline]
pub fn write_bytes(bytes: &mut [u8], place: usize, width: u32, bits: u64) {
    match width {
        1 => bytes[place] = bits as u8,
        2 => bytes[place..place + 2].copy_from_slice(&(bits as u16).to_le_bytes()),
        4 => bytes[place..place + 4].copy_from_slice(&(bits as u32).to_le_bytes()),
        _ => bytes[place..place + 8].copy_from_slice(&bits.to_le_bytes()),
    }
}

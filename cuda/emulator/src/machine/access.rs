//! Loads, stores, atomics and copies, lane by lane, with every check on addresses.

use std::ops::Range;

use super::fault::{FaultKind, LaneFault};
use super::launch::Launch;
use super::memory::{GlobalPlace, LOCAL_WINDOW, SHARED_WINDOW, read_bytes, write_bytes};
use super::registers::{LaneMask, Register, Registers, lanes};
use super::shared::{SharedMemory, Usage};
use crate::program::builder::CALL_PARAMETERS;
use crate::program::{Access, Address, Atomic, Space};

/// What a warp can reach besides its registers.
pub struct Context<'a> {
    /// The launch.
    pub launch: &'a Launch<'a>,
    /// The block's shared memory.
    pub shared: &'a mut SharedMemory,
    /// For every step, the allocation it used last: most steps keep to one.
    pub recent: &'a mut [Range<u64>],
}

/// The registers and local memory of the warp at hand, with its number.
pub struct WarpMemory<'a> {
    /// Number of the warp in its block.
    pub warp: usize,
    /// Its registers.
    pub registers: &'a mut Registers,
    /// Local memory of all lanes, one after the other.
    pub local: &'a mut [u8],
}

/// A checked place.
#[derive(Clone, Copy)]
enum Place {
    Global(GlobalPlace),
    Shared(usize),
    Local(usize),
    Parameter(usize),
}

impl Context<'_> {
    /// Checks `bytes` bytes at `address`, `width` aligned, for `lane` of a warp.
    #[inline]
    fn locate(
        &mut self,
        memory: &WarpMemory,
        lane: usize,
        step: usize,
        (space, address): (Space, u64),
        bytes: u32,
        usage: Usage,
    ) -> Result<Place, FaultKind> {
        let end = address.wrapping_add(bytes.into());
        // The common case first: an aligned address in the allocation that the step used last.
        let recent = &self.recent[step];
        let aligned = address & u64::from(bytes - 1) == 0;
        if matches!(space, Space::Global | Space::Generic | Space::Constant)
            && (aligned && address >= recent.start && address < end && end <= recent.end)
        {
            // SAFETY: the bytes lie in a live allocation, at a multiple of their number.
            return Ok(Place::Global(unsafe { GlobalPlace::new(address) }));
        }
        if space == Space::Shared && aligned && address < end && end <= self.shared.bytes.len() as u64 {
            self.shared.touch(address as usize, bytes, memory.warp, usage)?;
            return Ok(Place::Shared(address as usize));
        }
        self.locate_anywhere(memory, lane, step, (space, address), bytes, usage)
    }

    /// The general case of [`Self::locate`].
    #[inline(never)]
    fn locate_anywhere(
        &mut self,
        memory: &WarpMemory,
        lane: usize,
        step: usize,
        (space, address): (Space, u64),
        bytes: u32,
        usage: Usage,
    ) -> Result<Place, FaultKind> {
        let (space, address) = match space {
            Space::Generic if SHARED_WINDOW.contains(address) => (Space::Shared, address - SHARED_WINDOW.start),
            Space::Generic if LOCAL_WINDOW.contains(address) => (Space::Local, address - LOCAL_WINDOW.start),
            Space::Generic | Space::Constant => (Space::Global, address),
            Space::Parameter if address >= CALL_PARAMETERS => (Space::Local, address - CALL_PARAMETERS),
            space => (space, address),
        };
        if address & u64::from(bytes - 1) != 0 && space != Space::Parameter {
            return Err(FaultKind::Misaligned { space, address, bytes });
        }
        let outside = FaultKind::Address { space, address, bytes };
        let inside = |size: usize| address.checked_add(bytes.into()).is_some_and(|end| end <= size as u64);
        match space {
            Space::Shared if inside(self.shared.bytes.len()) => {
                self.shared.touch(address as usize, bytes, memory.warp, usage)?;
                Ok(Place::Shared(address as usize))
            }
            Space::Local if inside(self.launch.kernel.local_bytes) => {
                Ok(Place::Local(lane * self.launch.kernel.local_bytes + address as usize))
            }
            Space::Parameter if inside(self.launch.parameters.len()) && usage == Usage::Read => {
                Ok(Place::Parameter(address as usize))
            }
            Space::Global => {
                self.recent[step] = self.launch.memory.find(address, bytes).ok_or(outside)?;
                // SAFETY: the bytes lie in a live allocation, at a multiple of their number.
                Ok(Place::Global(unsafe { GlobalPlace::new(address) }))
            }
            _ => Err(outside),
        }
    }

    #[inline]
    fn read(&self, memory: &WarpMemory, place: Place, offset: u32, width: u32) -> u64 {
        match place {
            Place::Global(place) => place.read(offset, width),
            Place::Shared(place) => read_bytes(&self.shared.bytes, place + offset as usize, width),
            Place::Local(place) => read_bytes(memory.local, place + offset as usize, width),
            Place::Parameter(place) => read_bytes(self.launch.parameters, place + offset as usize, width),
        }
    }

    #[inline]
    fn write(&mut self, memory: &mut WarpMemory, place: Place, offset: u32, width: u32, bits: u64) {
        match place {
            Place::Global(place) => place.write(offset, width, bits),
            Place::Shared(place) => write_bytes(&mut self.shared.bytes, place + offset as usize, width, bits),
            Place::Local(place) => write_bytes(memory.local, place + offset as usize, width, bits),
            Place::Parameter(_) => {}
        }
    }

    /// Where the bytes at a lane's address are.
    #[inline]
    fn place(
        &mut self,
        memory: &WarpMemory,
        lane: usize,
        step: usize,
        address: Address,
        bytes: u32,
        usage: Usage,
    ) -> Result<Place, LaneFault> {
        let at = effective(memory.registers, address, lane);
        self.locate(memory, lane, step, (address.space, at), bytes, usage).map_err(|kind| LaneFault { lane, kind })
    }

    /// Runs a load.
    ///
    /// # Errors
    /// The first lane whose address is bad, or whose shared bytes are undefined or raced for.
    pub fn load(
        &mut self,
        memory: &mut WarpMemory,
        access: &Access,
        mask: LaneMask,
        step: usize,
    ) -> Result<(), LaneFault> {
        let bytes = access.width * access.registers.len() as u32;
        for lane in lanes(mask) {
            let place = self.place(memory, lane, step, access.address, bytes, Usage::Read)?;
            for (index, register) in access.registers.iter().enumerate() {
                let mut bits = self.read(memory, place, index as u32 * access.width, access.width);
                if access.signed {
                    let shift = 64 - 8 * access.width;
                    bits = ((bits << shift) as i64 >> shift) as u64;
                }
                if let Some(register) = register {
                    memory.registers.set_bits(*register, lane, bits);
                }
            }
        }
        Ok(())
    }

    /// Runs a store.
    ///
    /// # Errors
    /// The first lane whose address is bad, or whose shared bytes are raced for.
    pub fn store(
        &mut self,
        memory: &mut WarpMemory,
        access: &Access,
        mask: LaneMask,
        step: usize,
    ) -> Result<(), LaneFault> {
        let bytes = access.width * access.registers.len() as u32;
        for lane in lanes(mask) {
            let place = self.place(memory, lane, step, access.address, bytes, Usage::Write)?;
            for (index, register) in access.registers.iter().enumerate() {
                if let Some(register) = register {
                    let bits = memory.registers.bits(*register, lane);
                    self.write(memory, place, index as u32 * access.width, access.width, bits);
                }
            }
        }
        Ok(())
    }

    /// Runs an atomic, in the order of the lanes.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn atomic(
        &mut self,
        memory: &mut WarpMemory,
        atomic: &Atomic,
        mask: LaneMask,
        step: usize,
    ) -> Result<(), LaneFault> {
        for lane in lanes(mask) {
            let place = self.place(memory, lane, step, atomic.address, atomic.width, Usage::Atomic)?;
            let old = self.read(memory, place, 0, atomic.width);
            let low = u64::MAX >> (64 - 8 * atomic.width);
            let first = memory.registers.bits(atomic.first, lane) & low;
            let second = atomic.second.map_or(0, |register| memory.registers.bits(register, lane) & low);
            self.write(memory, place, 0, atomic.width, (atomic.update)(old, first, second));
            if let Some(register) = atomic.old {
                memory.registers.set_bits(register, lane, old);
            }
        }
        Ok(())
    }

    /// Runs a `cp.async`, which copies `bytes` bytes, of which the first `read` come from memory and the rest is zero.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn copy(
        &mut self,
        memory: &mut WarpMemory,
        (to, from): (Address, Address),
        bytes: u32,
        read: Option<Register>,
        mask: LaneMask,
        step: usize,
    ) -> Result<(), LaneFault> {
        for lane in lanes(mask) {
            let fault = |kind| LaneFault { lane, kind };
            let [target, source] = [to, from].map(|address| effective(memory.registers, address, lane));
            let read = read.map_or(bytes, |register| (memory.registers.bits(register, lane) as u32).min(bytes));
            let target = self.locate(memory, lane, step, (to.space, target), bytes, Usage::Write).map_err(fault)?;
            if source & u64::from(bytes - 1) != 0 {
                return Err(fault(FaultKind::Misaligned { space: from.space, address: source, bytes }));
            }
            for offset in 0..bytes {
                let bits = if offset < read {
                    let address = (from.space, source.wrapping_add(offset.into()));
                    let place = self.locate(memory, lane, step, address, 1, Usage::Read).map_err(fault)?;
                    self.read(memory, place, 0, 1)
                } else {
                    0
                };
                self.write(memory, target, offset, 1, bits);
            }
        }
        Ok(())
    }
}

#[inline]
fn effective(registers: &Registers, address: Address, lane: usize) -> u64 {
    registers.bits(address.base, lane).wrapping_add(address.offset as u64)
}

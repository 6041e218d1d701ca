//! Shared memory and its shadow.
//!
//! The shadow remembers, for every byte, whether it was ever written, and which warps read and wrote it since the last
//! block barrier. Accesses of one warp are ordered; two warps may use a byte between barriers only if both read it, or
//! both use it atomically. One writer and one reader per byte suffice: a second writer is a race already.

use super::fault::FaultKind;

/// How shared memory is used by an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A plain load.
    Read,
    /// A plain store.
    Write,
    /// An atomic.
    Atomic,
}

/// No warp.
const NONE: u8 = 0;
/// Added to a warp's number where it only wrote atomically.
const ATOMIC: u8 = 0x80;
/// More than one warp.
const SEVERAL: u8 = 0xff;

/// The shared memory of one block.
#[derive(Clone, Debug, Default)]
pub struct SharedMemory {
    /// Contents.
    pub bytes: Vec<u8>,
    written: Vec<u8>,
    writer: Vec<u8>,
    reader: Vec<u8>,
}

impl SharedMemory {
    /// Makes it `bytes` long, with undefined contents.
    pub fn reset(&mut self, bytes: usize) {
        self.bytes.clear();
        self.bytes.resize(bytes, 0xcd);
        for shadow in [&mut self.written, &mut self.writer, &mut self.reader] {
            shadow.clear();
            shadow.resize(bytes, 0);
        }
    }

    /// Orders everything before the barrier ahead of everything after it.
    pub fn pass_barrier(&mut self) {
        self.writer.fill(NONE);
        self.reader.fill(NONE);
    }

    /// Checks and records an access by `warp` to `bytes` bytes from `place` on, which must lie inside.
    ///
    /// # Errors
    /// A race, or a read of uninitialised bytes.
    #[inline]
    pub fn touch(&mut self, place: usize, bytes: u32, warp: usize, usage: Usage) -> Result<(), FaultKind> {
        let end = place + bytes as usize;
        let mut at = place;
        while at < end {
            if end - at >= 4 && self.touch_word(at, warp as u8 + 1, usage) {
                at += 4;
                continue;
            }
            self.touch_byte(at, warp as u8 + 1, usage, bytes)?;
            at += 1;
        }
        Ok(())
    }

    /// The common cases for four bytes at once: nobody but this warp used them, or others only read as well.
    #[inline]
    fn touch_word(&mut self, at: usize, own: u8, usage: Usage) -> bool {
        let word = |shadow: &[u8]| u32::from_ne_bytes([shadow[at], shadow[at + 1], shadow[at + 2], shadow[at + 3]]);
        let (written, writer, reader) = (word(&self.written), word(&self.writer), word(&self.reader));
        let owned = u32::from_ne_bytes([own; 4]);
        if writer != 0 && writer != owned {
            return false;
        }
        match usage {
            Usage::Read if written == 0x0101_0101 && (reader == 0 || reader == owned) => {
                self.reader[at..at + 4].fill(own);
                true
            }
            Usage::Read => written == 0x0101_0101 && reader == u32::MAX,
            Usage::Write if reader == 0 || reader == owned => {
                self.writer[at..at + 4].fill(own);
                self.written[at..at + 4].fill(1);
                true
            }
            _ => false,
        }
    }

    #[inline(never)]
    fn touch_byte(&mut self, at: usize, own: u8, usage: Usage, bytes: u32) -> Result<(), FaultKind> {
        let (writer, reader) = (self.writer[at], self.reader[at]);
        let race = |other: u8, other_wrote: bool| FaultKind::Race {
            offset: at as u64,
            writes: usage != Usage::Read,
            other_wrote,
            other_warp: (other != SEVERAL).then(|| u32::from(other & !ATOMIC) - 1),
        };
        let ordered = [NONE, own, own | ATOMIC].contains(&writer);
        let both_atomic = usage == Usage::Atomic && writer & ATOMIC != 0;
        if !ordered && !both_atomic {
            return Err(race(writer, true));
        }
        if usage != Usage::Read && ![NONE, own].contains(&reader) {
            return Err(race(reader, false));
        }
        if usage != Usage::Write && self.written[at] == 0 {
            return Err(FaultKind::Uninitialized { offset: at as u64, bytes });
        }
        match usage {
            Usage::Read if reader == NONE => self.reader[at] = own,
            Usage::Read if reader != own => self.reader[at] = SEVERAL,
            Usage::Read => {}
            Usage::Write => {
                self.writer[at] = own;
                self.written[at] = 1;
            }
            Usage::Atomic if writer == NONE => self.writer[at] = own | ATOMIC,
            Usage::Atomic if writer & ATOMIC != 0 && writer != own | ATOMIC => self.writer[at] = SEVERAL,
            Usage::Atomic => {}
        }
        Ok(())
    }
}

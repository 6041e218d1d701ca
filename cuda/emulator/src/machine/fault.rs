//! What a kernel can do wrong, and where it did.

use std::fmt;

use crate::program::Space;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum FaultKind {
    /// Bytes outside every live allocation, or outside the window of another memory.
    Address { space: Space, address: u64, bytes: u32 },
    /// An address that is not a multiple of the size of the access.
    Misaligned { space: Space, address: u64, bytes: u32 },
    /// A read of shared memory that no thread of the block has written.
    Uninitialized { offset: u64, bytes: u32 },
    /// A byte of shared memory used by two warps without a barrier between them, at least once for writing.
    Race { offset: u64, writes: bool, other_wrote: bool, other_warp: Option<u32> },
    /// A block barrier that not all threads of the block reach.
    DivergentBarrier { waiting: u32, others: String },
    /// A warp-wide instruction without some of the lanes in its member mask.
    MissingLanes { members: u32, missing: u32 },
    /// A shuffle from a lane that takes no part in it.
    InactiveSource { source: u32 },
    /// `trap`
    Trap,
}

impl FaultKind {
    /// The status code that a driver returns for it.
    pub fn code(&self) -> i32 {
        match self {
            Self::Address { .. } => 700,
            Self::Misaligned { .. } => 716,
            Self::Trap => 715,
            _ => 719,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { space, address, bytes } => {
                write!(f, "{bytes} bytes at {space:?} address {address:#x} are outside what is allocated")
            }
            Self::Misaligned { space, address, bytes } => {
                write!(f, "{space:?} address {address:#x} is not a multiple of {bytes} bytes")
            }
            Self::Uninitialized { offset, bytes } => {
                write!(f, "read of uninitialised shared memory: {bytes} bytes at offset {offset:#x}")
            }
            Self::Race { offset, writes, other_wrote, other_warp } => {
                let verb = |writes: bool| if writes { "write" } else { "read" };
                let other = other_warp.map_or("several other warps".to_owned(), |warp| format!("warp {warp}"));
                write!(
                    f,
                    "race in shared memory: {} at offset {offset:#x} after a {} by {other} with no barrier between",
                    verb(*writes),
                    verb(*other_wrote)
                )
            }
            Self::DivergentBarrier { waiting, others } => {
                write!(f, "divergent barrier: {waiting} threads wait here, {others}")
            }
            Self::MissingLanes { members, missing } => {
                write!(f, "lanes {missing:#010x} of the member mask {members:#010x} do not take part")
            }
            Self::InactiveSource { source } => write!(f, "shuffle from lane {source}, which takes no part"),
            Self::Trap => write!(f, "trap"),
        }
    }
}

/// A fault with its place: kernel, line, block and thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Name of the kernel.
    pub kernel: String,
    /// Line of the PTX text.
    pub line: u32,
    /// Index of the block.
    pub block: [u32; 3],
    /// Index of the thread in its block.
    pub thread: [u32; 3],
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, kernel, line, block, thread } = self;
        write!(f, "kernel {kernel}, PTX line {line}, block {block:?}, thread {thread:?}: {kind}")
    }
}

impl std::error::Error for Fault {}

/// A fault in a lane of the warp at hand.
#[derive(Clone, Debug)]
pub struct LaneFault {
    /// The lane.
    pub lane: usize,
    /// What went wrong.
    pub kind: FaultKind,
}

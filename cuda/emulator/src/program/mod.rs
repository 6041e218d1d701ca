//! Decoded programs: what the machine runs.
//!
//! Decoding happens once, when a module is loaded, and leaves no names behind: operands are register indices, constants
//! and special registers are registers filled in before the block starts, branch targets are step indices, and calls
//! of device functions are expanded in place.
//!
//! | file | decodes |
//! |---|---|
//! | [`module`] | a text into kernels and initialised variables |
//! | [`builder`] | names, constants and scopes into registers and offsets |
//! | [`function`] | bodies: labels, calls, one instruction after the other |
//! | [`lanewise`] | a Rust function on numbers into a loop over the lanes |
//! | [`arithmetic`], [`float`], [`integer`], [`bits`], [`compare`], [`convert`], [`moves`] | computing instructions |
//! | [`memory`], [`collective`] | instructions that touch memory or more than one lane |

pub mod arithmetic;
pub mod bits;
pub mod builder;
pub mod collective;
pub mod compare;
pub mod convert;
pub mod float;
pub mod function;
pub mod integer;
pub mod lanewise;
pub mod memory;
pub mod module;
pub mod moves;

use crate::machine::registers::{LaneMask, Register, Registers};

/// A computation on the registers of one warp, for the lanes of a mask.
pub type Compute = Box<dyn Fn(&mut Registers, LaneMask) + Send + Sync>;

/// One decoded instruction.
pub struct Step {
    /// What it does.
    pub action: Action,
    /// The predicate that selects its lanes: index, and whether it is negated.
    pub guard: Option<(u32, bool)>,
    /// Line of the PTX text.
    pub line: u32,
}

/// What a step does.
#[allow(missing_docs)]
pub enum Action {
    /// Registers to registers, lane by lane.
    Compute(Compute),
    /// Memory to registers.
    Load(Access),
    /// Registers to memory.
    Store(Access),
    /// Memory to memory (`cp.async`): shared destination, global source, bytes written, bytes read (the rest is zero).
    Copy { to: Address, from: Address, bytes: u32, read: Option<Register> },
    /// Read-modify-write.
    Atomic(Atomic),
    /// Continue at a step.
    Branch(usize),
    /// Wait for the block: the barrier's register, and that of the thread count if one was given.
    Barrier { id: Register, count: Option<Register> },
    /// Exchange between the lanes of a warp.
    Collective(Collective),
    /// End of the thread.
    Exit,
    /// `trap`
    Trap,
}

/// The memory that an address is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Space {
    Generic,
    Global,
    Constant,
    Shared,
    Local,
    Parameter,
}

/// An address: space, base register and offset.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The memory.
    pub space: Space,
    /// Register with the base address.
    pub base: Register,
    /// Bytes added to it.
    pub offset: i64,
}

/// A load or store of one to four neighbouring elements.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the first element lies.
    pub address: Address,
    /// Bytes of one element.
    pub width: u32,
    /// Whether a load sign-extends.
    pub signed: bool,
    /// One register per element; `None` for `_`.
    pub registers: Vec<Option<Register>>,
}

/// An atomic operation.
pub struct Atomic {
    /// Where.
    pub address: Address,
    /// Bytes of the element.
    pub width: u32,
    /// Register that receives the old value.
    pub old: Option<Register>,
    /// First operand.
    pub first: Register,
    /// Second operand (`cas` only).
    pub second: Option<Register>,
    /// The new value from the old one and the operands.
    pub update: fn(old: u64, first: u64, second: u64) -> u64,
}

/// The exchanges between the lanes of one warp. All but `Active` wait for the lanes in `members`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Collective {
    /// `bar.warp.sync`
    Synchronize { members: Register },
    /// `shfl.sync`
    Shuffle {
        mode: ShuffleMode,
        result: Option<Register>,
        found: Option<Register>,
        value: Register,
        index: Register,
        clamp: Register,
        members: Register,
    },
    /// `vote.sync`
    Vote { mode: VoteMode, result: Register, value: Register, negated: bool, members: Register },
    /// `match.sync`
    Match { all: bool, result: Option<Register>, same: Option<Register>, value: Register, members: Register },
    /// `activemask`
    Active { result: Register },
    /// `mma.sync` on TF32 with 16 x 8 results: `a` has `depth / 2` registers, `b` `depth / 4`, `c` and `d` 4.
    MultiplyTf32 { depth: usize, d: Vec<Register>, a: Vec<Register>, b: Vec<Register>, c: Vec<Register> },
}

/// How `shfl.sync` finds the source lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ShuffleMode {
    Index,
    Up,
    Down,
    Butterfly,
}

/// What `vote.sync` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum VoteMode {
    All,
    Any,
    Uniform,
    Ballot,
}

/// A value that the machine knows before a warp starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Special {
    Thread(u8),
    BlockSize(u8),
    Block(u8),
    GridSize(u8),
    Lane,
    Warp,
    WarpCount,
    LanesEqual,
    LanesBelow,
    LanesUpTo,
    LanesAbove,
    LanesFrom,
    /// Offset of dynamic shared memory from the start of the block's shared memory.
    DynamicShared,
    /// Size of dynamic shared memory.
    DynamicSharedSize,
}

/// A kernel, ready to run.
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Offset and size of each parameter.
    pub parameters: Vec<(usize, usize)>,
    /// Size of all parameters.
    pub parameter_bytes: usize,
    /// Most threads per block.
    pub max_threads: u32,
    /// Static shared memory.
    pub shared_bytes: usize,
    /// Local memory per thread.
    pub local_bytes: usize,
    /// The instructions.
    pub steps: Vec<Step>,
    /// Initial register file of a warp: constants filled in, everything else zero.
    pub registers: Registers,
    /// Registers to fill with special values.
    pub specials: Vec<(Register, Special)>,
    /// Whether it has atomics that may reach global memory, so that the order of blocks can show.
    pub has_global_atomics: bool,
}

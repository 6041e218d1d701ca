//! One warp: which lanes are where, and what they do next.
//!
//! Lanes at the same step form a fragment. The fragment with the lowest step runs first, until it branches or reaches
//! the next fragment and merges with it, so that lanes that diverged at a branch run together again after it.

use super::access::{Context, WarpMemory};
use super::collective;
use super::fault::{Fault, FaultKind, LaneFault};
use super::registers::{LaneMask, Register, Registers, WARP, lanes};
use crate::program::{Action, Collective, Special};

/// What keeps a fragment from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    /// Nothing.
    Ready,
    /// It waits for other lanes of its warp.
    Converging,
    /// It waits at a block barrier: its number, and the threads it waits for if that was given.
    Barrier { id: u32, count: Option<u32> },
}

/// Lanes that are at the same step.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    /// Index of the next step.
    pub step: usize,
    /// The lanes.
    pub mask: LaneMask,
    /// Whether they can go on.
    pub state: State,
}

/// One warp of a block.
#[derive(Clone, Debug, Default)]
pub struct Warp {
    /// Its number in the block.
    pub index: usize,
    /// Lanes that exist and have not exited.
    pub live: LaneMask,
    /// Where they are.
    pub fragments: Vec<Fragment>,
    /// Instructions so far, counted once per lane.
    pub instructions: u64,
    registers: Registers,
    local: Vec<u8>,
}

/// Index of thread number `thread` of a block.
pub fn thread_index(thread: u32, [x, y, _]: [u32; 3]) -> [u32; 3] {
    [thread % x, thread / x % y, thread / x / y]
}

impl Warp {
    /// Puts the warp at the start of the kernel, as number `index` of block `block`.
    pub fn reset(&mut self, context: &Context, index: usize, block: [u32; 3]) {
        let launch = context.launch;
        let threads = launch.threads() as usize;
        let count = (threads - index * WARP).min(WARP);
        self.index = index;
        self.live = LaneMask::MAX >> (WARP - count);
        self.instructions = 0;
        self.fragments.clear();
        self.fragments.push(Fragment { step: 0, mask: self.live, state: State::Ready });
        self.registers.clone_from(&launch.kernel.registers);
        self.local.clear();
        self.local.resize(launch.kernel.local_bytes * WARP, 0xcd);
        for (register, special) in &launch.kernel.specials {
            for lane in 0..WARP {
                let thread = thread_index((index * WARP + lane) as u32, launch.block);
                let bit = 1u32 << lane;
                let value = match special {
                    Special::Thread(axis) => thread[*axis as usize],
                    Special::BlockSize(axis) => launch.block[*axis as usize],
                    Special::Block(axis) => block[*axis as usize],
                    Special::GridSize(axis) => launch.grid[*axis as usize],
                    Special::Lane => lane as u32,
                    Special::Warp => index as u32,
                    Special::WarpCount => threads.div_ceil(WARP) as u32,
                    Special::LanesEqual => bit,
                    Special::LanesBelow => bit - 1,
                    Special::LanesUpTo => bit | (bit - 1),
                    Special::LanesAbove => !(bit | (bit - 1)),
                    Special::LanesFrom => !(bit - 1),
                    Special::DynamicShared => launch.dynamic_shared_start() as u32,
                    Special::DynamicSharedSize => launch.dynamic_shared as u32,
                };
                self.registers.set_bits(*register, lane, value.into());
            }
        }
    }

    /// Runs until no fragment can go on.
    ///
    /// # Errors
    /// The first thing that a lane does wrong.
    pub fn run(&mut self, context: &mut Context, block: [u32; 3]) -> Result<(), Fault> {
        loop {
            self.merge();
            let ready = self.fragments.iter().enumerate().filter(|(_, fragment)| fragment.state == State::Ready);
            let Some((index, _)) = ready.min_by_key(|(_, fragment)| fragment.step) else {
                return Ok(());
            };
            let fragment = self.fragments.swap_remove(index);
            self.run_fragment(context, fragment, block)?;
        }
    }

    /// Joins fragments that are at the same step, unless one waits at a barrier that the other has not reached.
    fn merge(&mut self) {
        let mut first = 0;
        while first < self.fragments.len() {
            for second in (first + 1..self.fragments.len()).rev() {
                let (a, b) = (self.fragments[first], self.fragments[second]);
                let waits = |state: State| matches!(state, State::Barrier { .. });
                if a.step == b.step && (a.state == b.state || !waits(a.state) && !waits(b.state)) {
                    let state = if waits(a.state) { a.state } else { State::Ready };
                    self.fragments[first] = Fragment { mask: a.mask | b.mask, state, step: a.step };
                    self.fragments.swap_remove(second);
                }
            }
            first += 1;
        }
    }

    /// Runs one fragment until it meets another, splits, waits or ends.
    fn run_fragment(&mut self, context: &mut Context, mut fragment: Fragment, block: [u32; 3]) -> Result<(), Fault> {
        let others = self.fragments.iter().map(|other| other.step).filter(|step| *step > fragment.step);
        let limit = others.min().unwrap_or(usize::MAX);
        let alone = self.fragments.is_empty();
        let kernel = context.launch.kernel;
        loop {
            let index = fragment.step;
            let step = &kernel.steps[index];
            let mask = match step.guard {
                None => fragment.mask,
                Some((predicate, negated)) => {
                    let values = self.registers.predicates[predicate as usize];
                    fragment.mask & if negated { !values } else { values }
                }
            };
            self.instructions += u64::from(mask.count_ones());
            fragment.step += 1;
            let mut memory = WarpMemory { warp: self.index, registers: &mut self.registers, local: &mut self.local };
            let result = match &step.action {
                Action::Branch(target) if mask == fragment.mask => {
                    fragment.step = *target;
                    if alone {
                        continue;
                    }
                    self.fragments.push(fragment);
                    return Ok(());
                }
                _ if mask == 0 => Ok(()),
                Action::Compute(compute) => {
                    compute(memory.registers, mask);
                    Ok(())
                }
                Action::Load(access) => context.load(&mut memory, access, mask, index),
                Action::Store(access) => context.store(&mut memory, access, mask, index),
                Action::Atomic(atomic) => context.atomic(&mut memory, atomic, mask, index),
                Action::Copy { to, from, bytes, read } => {
                    context.copy(&mut memory, (*to, *from), *bytes, *read, mask, index)
                }
                Action::Branch(target) => {
                    self.split(fragment, mask, *target, State::Ready);
                    return Ok(());
                }
                Action::Exit => {
                    self.live &= !mask;
                    // Nobody waits for lanes that have exited: let those that wait look again.
                    let waiting = self.fragments.iter_mut().filter(|other| other.state == State::Converging);
                    waiting.for_each(|other| other.state = State::Ready);
                    fragment.mask &= !mask;
                    if fragment.mask == 0 {
                        return Ok(());
                    }
                    Ok(())
                }
                Action::Barrier { id, count } => {
                    let lane = mask.trailing_zeros() as usize;
                    let value = |register: Register| memory.registers.bits(register, lane) as u32;
                    let state = State::Barrier { id: value(*id), count: count.map(value) };
                    self.split(fragment, mask, index, state);
                    return Ok(());
                }
                Action::Collective(exchange) => match self.missing(exchange, mask, fragment.mask) {
                    Ok(true) => collective::run(exchange, &mut self.registers, mask),
                    Ok(false) => {
                        self.fragments.push(Fragment { step: index, state: State::Converging, ..fragment });
                        return Ok(());
                    }
                    Err(fault) => Err(fault),
                },
                Action::Trap => Err(LaneFault { lane: mask.trailing_zeros() as usize, kind: FaultKind::Trap }),
            };
            result.map_err(|fault| self.fault(context, fault, index, block))?;
            if fragment.step >= limit {
                self.fragments.push(fragment);
                return Ok(());
            }
        }
    }

    /// Sends `mask` to `step` in `state`, and lets the rest of the fragment go on.
    fn split(&mut self, fragment: Fragment, mask: LaneMask, step: usize, state: State) {
        self.fragments.push(Fragment { step, mask, state });
        if fragment.mask != mask {
            self.fragments.push(Fragment { mask: fragment.mask & !mask, ..fragment });
        }
    }

    /// Whether every member of an exchange is here (`true`), or may still arrive (`false`).
    fn missing(&self, exchange: &Collective, mask: LaneMask, fragment: LaneMask) -> Result<bool, LaneFault> {
        let mut complete = true;
        for lane in lanes(mask) {
            let members = collective::members(exchange, &self.registers, lane);
            let mut missing = members & self.live & !mask;
            if members != 0 && members >> lane & 1 == 0 {
                missing |= 1 << lane;
            }
            if matches!(exchange, Collective::MultiplyTf32 { .. }) {
                missing |= !self.live;
            }
            if missing & (fragment | !self.live) != 0 {
                return Err(LaneFault { lane, kind: FaultKind::MissingLanes { members, missing } });
            }
            complete &= missing == 0;
        }
        Ok(complete)
    }

    /// The fault of a fragment that waits for lanes of its warp, none of which can come any more.
    pub fn missing_lanes(&self, context: &Context, fragment: &Fragment, block: [u32; 3]) -> Fault {
        let lane = fragment.mask.trailing_zeros() as usize;
        let members = match &context.launch.kernel.steps[fragment.step].action {
            Action::Collective(exchange) => collective::members(exchange, &self.registers, lane),
            _ => 0,
        };
        let kind = FaultKind::MissingLanes { members, missing: members & self.live & !fragment.mask };
        self.fault(context, LaneFault { lane, kind }, fragment.step, block)
    }

    /// Adds the place to a fault.
    pub fn fault(&self, context: &Context, fault: LaneFault, step: usize, block: [u32; 3]) -> Fault {
        let launch = context.launch;
        Fault {
            kind: fault.kind,
            kernel: launch.kernel.name.clone(),
            line: launch.kernel.steps[step].line,
            block,
            thread: thread_index((self.index * WARP + fault.lane) as u32, launch.block),
        }
    }
}

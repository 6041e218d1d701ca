//! One block: its warps take turns, each running until it waits, and meet at barriers.

use std::ops::Range;

use super::access::Context;
use super::fault::{Fault, FaultKind, LaneFault};
use super::launch::Launch;
use super::registers::WARP;
use super::shared::SharedMemory;
use super::warp::{State, Warp};

/// The storage of a block, used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct Block {
    warps: Vec<Warp>,
    shared: SharedMemory,
    recent: Vec<Range<u64>>,
}

/// Threads that wait at one barrier.
#[derive(Clone, Copy, Debug)]
struct Group {
    id: u32,
    count: Option<u32>,
    step: usize,
    threads: u32,
    /// Warps that have threads here.
    warps: u32,
    first_warp: usize,
    first_lane: usize,
}

impl Block {
    /// Runs block `block` of a launch; returns the instructions, counted once per thread.
    ///
    /// # Errors
    /// The first thing that a thread does wrong.
    pub fn run(&mut self, launch: &Launch, block: [u32; 3]) -> Result<u64, Fault> {
        let Self { warps, shared, recent } = self;
        shared.reset(launch.dynamic_shared_start() + launch.dynamic_shared);
        recent.resize(launch.kernel.steps.len(), 0..0);
        let mut context = Context { launch, shared, recent };
        warps.resize_with((launch.threads() as usize).div_ceil(WARP), Warp::default);
        for (index, warp) in warps.iter_mut().enumerate() {
            warp.reset(&context, index, block);
        }
        loop {
            for warp in warps.iter_mut() {
                warp.run(&mut context, block)?;
            }
            if warps.iter().all(|warp| warp.fragments.is_empty()) {
                return Ok(warps.iter().map(|warp| warp.instructions).sum());
            }
            let (id, step) = complete_barrier(warps, &context, block)?;
            context.shared.pass_barrier();
            for fragment in warps.iter_mut().flat_map(|warp| &mut warp.fragments) {
                let here = matches!(fragment.state, State::Barrier { id: other, .. } if other == id);
                if here && step.is_none_or(|step| step == fragment.step) {
                    fragment.step += 1;
                    fragment.state = State::Ready;
                }
            }
        }
    }
}

/// The barrier at which everybody has arrived: its number, and its step if only that step is meant.
fn complete_barrier(warps: &[Warp], context: &Context, block: [u32; 3]) -> Result<(u32, Option<usize>), Fault> {
    let mut groups: Vec<Group> = Vec::new();
    for warp in warps {
        for fragment in &warp.fragments {
            let State::Barrier { id, count } = fragment.state else {
                return Err(warp.missing_lanes(context, fragment, block));
            };
            let found =
                groups.iter().position(|group| (group.id, group.step, group.count) == (id, fragment.step, count));
            let at = found.unwrap_or_else(|| {
                let first_lane = fragment.mask.trailing_zeros() as usize;
                let (step, first_warp) = (fragment.step, warp.index);
                groups.push(Group { id, count, step, threads: 0, warps: 0, first_warp, first_lane });
                groups.len() - 1
            });
            groups[at].threads += fragment.mask.count_ones();
            groups[at].warps += 1;
        }
    }
    // A barrier with a count takes whole warps, at whatever steps they wait.
    for group in &groups {
        let arrived = groups.iter().filter(|other| (other.id, other.count) == (group.id, group.count));
        if group.count.is_some_and(|count| arrived.map(|other| other.warps * WARP as u32).sum::<u32>() >= count) {
            return Ok((group.id, None));
        }
    }
    let all = context.launch.threads();
    let smallest = groups.iter().min_by_key(|group| group.threads);
    let Some(group) = smallest.copied() else {
        unreachable!("a block without waiting threads has ended");
    };
    if group.threads == all {
        return Ok((group.id, Some(group.step)));
    }
    let live: u32 = warps.iter().map(|warp| warp.live.count_ones()).sum();
    let mut others: Vec<String> = groups
        .iter()
        .filter(|other| other.step != group.step)
        .map(|other| format!("{} at PTX line {}", other.threads, context.launch.kernel.steps[other.step].line))
        .collect();
    if live < all {
        others.push(format!("{} have exited", all - live));
    }
    let kind = FaultKind::DivergentBarrier { waiting: group.threads, others: others.join(", ") };
    let fault = LaneFault { lane: group.first_lane, kind };
    Err(warps[group.first_warp].fault(context, fault, group.step, block))
}

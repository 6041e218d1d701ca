//! All blocks of a launch, spread over the cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::block::Block;
use super::fault::Fault;
use super::memory::GlobalMemory;
use crate::program::Kernel;

/// A kernel with everything it needs to run.
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Threads of a block along each axis.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: usize,
    /// The parameters, laid out as the kernel declares them.
    pub parameters: &'a [u8],
    /// What it may touch.
    pub memory: &'a GlobalMemory,
}

impl Launch<'_> {
    /// Threads per block.
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// Offset of dynamic shared memory.
    pub fn dynamic_shared_start(&self) -> usize {
        self.kernel.shared_bytes.next_multiple_of(16)
    }

    /// Runs the launch on `workers` threads; returns the instructions, counted once per thread.
    ///
    /// Blocks are taken in order, and a kernel with global atomics runs them one after the other, so that the result
    /// does not depend on `workers`.
    ///
    /// # Errors
    /// The fault of the first block that has one.
    pub fn run(&self, workers: usize) -> Result<u64, Fault> {
        let blocks = self.grid.iter().map(|count| u64::from(*count)).product::<u64>();
        let next = AtomicU64::new(0);
        // Blocks from here on need not run: an earlier one has failed.
        let end = AtomicU64::new(blocks);
        let fault: Mutex<Option<(u64, Fault)>> = Mutex::new(None);
        let instructions = AtomicU64::new(0);
        let work = || {
            let mut state = Block::default();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= end.load(Ordering::Relaxed) {
                    return;
                }
                let (x, y) = (u64::from(self.grid[0]), u64::from(self.grid[1]));
                let position = [index % x, index / x % y, index / x / y].map(|coordinate| coordinate as u32);
                match state.run(self, position) {
                    Ok(count) => drop(instructions.fetch_add(count, Ordering::Relaxed)),
                    Err(found) => {
                        end.fetch_min(index, Ordering::Relaxed);
                        let mut fault = fault.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                        if fault.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                            *fault = Some((index, found));
                        }
                    }
                }
            }
        };
        let workers = if self.kernel.has_global_atomics { 1 } else { workers.min(blocks as usize).max(1) };
        if workers == 1 {
            work();
        } else {
            std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        }
        match fault.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some((_, fault)) => Err(fault),
            None => Ok(instructions.into_inner()),
        }
    }
}

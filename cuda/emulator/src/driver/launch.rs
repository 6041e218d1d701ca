//! Kernel launches.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_int, c_uint, c_void};
use std::time::Instant;

use super::graph::Work;
use super::record::Recording;
use super::settings;
use super::state::{Driver, Function, Handle, explain, with_context};
use super::status::{Outcome, Status};
use crate::machine::launch::Launch;
use crate::machine::memory::GlobalMemory;

/// A launch with its arguments copied.
#[derive(Clone)]
pub struct KernelCall {
    /// The kernel.
    pub function: Function,
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Threads of a block along each axis.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// The parameters, laid out as the kernel declares them.
    pub parameters: Vec<u8>,
}

impl KernelCall {
    /// Checks the sizes against the device's limits.
    ///
    /// # Errors
    /// The status that a driver would return.
    fn check(&self) -> Outcome {
        let threads = self.block.iter().map(|count| u64::from(*count)).product::<u64>();
        let limits = [1024, 1024, 64].iter().zip(self.block).all(|(limit, count)| count <= *limit)
            && [i32::MAX as u32, 65535, 65535].iter().zip(self.grid).all(|(limit, count)| count <= *limit);
        if !limits || !(1..=1024).contains(&threads) || self.grid.contains(&0) {
            let message = format!("no device can run a grid of {:?} blocks of {:?}", self.grid, self.block);
            return Err(explain(Status::INVALID_VALUE, message));
        }
        let kernel = self.function.kernel();
        if threads > kernel.max_threads.into() {
            let message = format!("{} is limited to {} threads per block", kernel.name, kernel.max_threads);
            return Err(explain(Status::LAUNCH_OUT_OF_RESOURCES, message));
        }
        let limit = self.function.dynamic_shared_limit;
        if self.dynamic_shared as usize > limit {
            let message = format!("{} is limited to {limit} bytes of dynamic shared memory", kernel.name);
            return Err(explain(Status::INVALID_VALUE, message));
        }
        Ok(())
    }
}

/// Launches a kernel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel(
    f: Handle,
    gridDimX: c_uint,
    gridDimY: c_uint,
    gridDimZ: c_uint,
    blockDimX: c_uint,
    blockDimY: c_uint,
    blockDimZ: c_uint,
    sharedMemBytes: c_uint,
    hStream: Handle,
    kernelParams: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> c_int {
    with_context(|driver| {
        let function = driver.functions.get(&f).ok_or(Status::INVALID_HANDLE)?.clone();
        let kernel = function.kernel();
        if !extra.is_null() {
            return Err(Status::NOT_SUPPORTED);
        }
        if kernelParams.is_null() && !kernel.parameters.is_empty() {
            return Err(Status::INVALID_VALUE);
        }
        let mut parameters = vec![0u8; kernel.parameter_bytes];
        for (index, (offset, bytes)) in kernel.parameters.iter().enumerate() {
            // SAFETY: the caller's array has a pointer to every parameter the kernel declares.
            unsafe {
                let source = (*kernelParams.add(index)).cast::<u8>();
                parameters[*offset..].as_mut_ptr().copy_from_nonoverlapping(source, *bytes);
            }
        }
        let call = KernelCall {
            function,
            grid: [gridDimX, gridDimY, gridDimZ],
            block: [blockDimX, blockDimY, blockDimZ],
            dynamic_shared: sharedMemBytes,
            parameters,
        };
        call.check()?;
        driver.submit(hStream, Work::Kernel(call))
    })
}

impl Driver {
    /// Runs a kernel now.
    ///
    /// # Errors
    /// The kernel's fault, which also spoils the context.
    pub fn launch(&mut self, call: &KernelCall) -> Outcome {
        let kernel = call.function.kernel();
        let modules = self.modules.values().chain([&call.function.module]);
        let mut ranges: Vec<_> = self.ranges().chain(modules.flat_map(|module| module.ranges.clone())).collect();
        ranges.sort_by_key(|range| range.start);
        ranges.dedup();
        // SAFETY: device memory and module variables are disjoint, live as long as the driver is locked, and the host
        // reaches them only through the driver.
        let memory = unsafe { GlobalMemory::new(ranges) };
        let recording = Recording::begin(self, call);
        let launch = Launch {
            kernel,
            grid: call.grid,
            block: call.block,
            dynamic_shared: call.dynamic_shared as usize,
            parameters: &call.parameters,
            memory: &memory,
        };
        let start = Instant::now();
        let outcome = launch.run(std::thread::available_parallelism().map_or(1, usize::from));
        if settings::trace() {
            let count = outcome.as_ref().map_or(0, |count| *count);
            eprintln!(
                "emulator: {} grid {:?} block {:?}: {count} thread-instructions, {:.3} ms",
                kernel.name,
                call.grid,
                call.block,
                start.elapsed().as_secs_f64() * 1e3
            );
        }
        match outcome {
            Ok(_) => {
                if let Some(recording) = recording {
                    recording.finish(self, call);
                }
                Ok(())
            }
            Err(fault) => {
                let status = explain(Status(fault.kind.code()), &fault);
                if settings::sticky() {
                    self.failure = Some(status);
                }
                Err(status)
            }
        }
    }
}

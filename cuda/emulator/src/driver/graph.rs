//! Stream capture and graphs: work that is written down instead of run, and replayed later.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};
use std::sync::Arc;

use super::launch::KernelCall;
use super::state::{Driver, Handle, give, with_context};
use super::status::{Outcome, Status};

/// Something a stream can be asked to do, with its arguments copied.
#[derive(Clone)]
#[allow(missing_docs)]
pub enum Work {
    /// A kernel launch.
    Kernel(KernelCall),
    /// A copy between device memory.
    Copy { to: u64, from: u64, bytes: usize },
    /// A fill of device memory.
    Fill { to: u64, value: u32, width: usize, count: usize },
}

/// A capture in progress.
#[derive(Default)]
pub struct Capture {
    /// The work so far.
    pub work: Vec<Work>,
    /// Whether calls that would wait for the whole device are forbidden meanwhile (`CU_STREAM_CAPTURE_MODE_GLOBAL`).
    pub global: bool,
    /// Whether something was called that cannot be captured.
    pub invalid: bool,
}

impl Driver {
    /// Runs work, or writes it down where the stream captures.
    ///
    /// # Errors
    /// Whatever running it gives, or a bad stream.
    pub fn submit(&mut self, stream: Handle, work: Work) -> Outcome {
        match &mut self.stream(stream)?.capture {
            Some(capture) if capture.invalid => Err(Status::STREAM_CAPTURE_INVALIDATED),
            Some(capture) => {
                capture.work.push(work);
                Ok(())
            }
            None => self.perform(&work),
        }
    }

    /// Runs work now.
    ///
    /// # Errors
    /// Bad addresses, a launch that the device cannot make, or a fault of the kernel.
    pub fn perform(&mut self, work: &Work) -> Outcome {
        match work {
            Work::Kernel(call) => self.launch(call),
            Work::Copy { to, from, bytes } => self.copy(*to, *from, *bytes),
            Work::Fill { to, value, width, count } => self.fill(*to, *value, *width, *count),
        }
    }

    /// Refuses a call that cannot be captured, and spoils the capture.
    ///
    /// # Errors
    /// The stream captures, or is none.
    pub fn forbid_capture(&mut self, stream: Handle) -> Outcome {
        match &mut self.stream(stream)?.capture {
            Some(capture) => {
                capture.invalid = true;
                Err(Status::STREAM_CAPTURE_UNSUPPORTED)
            }
            None => Ok(()),
        }
    }

    /// Refuses a call that concerns the whole device while a stream captures in global mode, and spoils the capture.
    ///
    /// # Errors
    /// A stream captures in global mode.
    pub fn forbid_during_capture(&mut self) -> Outcome {
        let mut captures = self.streams.values_mut().filter_map(|stream| stream.capture.as_mut());
        match captures.find(|capture| capture.global) {
            Some(capture) => {
                capture.invalid = true;
                Err(Status::STREAM_CAPTURE_UNSUPPORTED)
            }
            None => Ok(()),
        }
    }
}

/// Starts writing down a stream's work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2(hStream: Handle, mode: c_uint) -> c_int {
    with_context(|driver| {
        if hStream <= 1 {
            return Err(Status::STREAM_CAPTURE_UNSUPPORTED);
        }
        let stream = driver.stream(hStream)?;
        if stream.capture.is_some() {
            return Err(Status::ILLEGAL_STATE);
        }
        stream.capture = Some(Capture { global: mode == 0, ..Capture::default() });
        Ok(())
    })
}

/// Stops writing down a stream's work, and makes a graph of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(hStream: Handle, phGraph: *mut Handle) -> c_int {
    with_context(|driver| {
        let capture = driver.stream(hStream)?.capture.take().ok_or(Status::ILLEGAL_STATE)?;
        if capture.invalid {
            // SAFETY: the caller's pointer, as the API requires.
            unsafe { give(phGraph, 0) }?;
            return Err(Status::STREAM_CAPTURE_INVALIDATED);
        }
        let handle = driver.new_handle();
        driver.graphs.insert(handle, Arc::new(capture.work));
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(phGraph, handle) }
    })
}

/// Whether a stream captures: 0 no, 1 yes, 2 yes but in vain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing(hStream: Handle, captureStatus: *mut c_uint) -> c_int {
    with_context(|driver| {
        let status = driver.stream(hStream)?.capture.as_ref().map_or(0, |capture| 1 + u32::from(capture.invalid));
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(captureStatus, status) }
    })
}

fn instantiate(target: *mut Handle, graph: Handle) -> c_int {
    with_context(|driver| {
        let work = driver.graphs.get(&graph).ok_or(Status::INVALID_HANDLE)?.clone();
        let handle = driver.new_handle();
        driver.executables.insert(handle, work);
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(target, handle) }
    })
}

/// Makes a graph ready to launch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiate_v2(
    phGraphExec: *mut Handle,
    hGraph: Handle,
    _phErrorNode: *mut Handle,
    _logBuffer: *mut c_char,
    _bufferSize: usize,
) -> c_int {
    instantiate(phGraphExec, hGraph)
}

/// Makes a graph ready to launch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(
    phGraphExec: *mut Handle,
    hGraph: Handle,
    _flags: c_ulonglong,
) -> c_int {
    instantiate(phGraphExec, hGraph)
}

/// Runs a graph's work in order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch(hGraphExec: Handle, hStream: Handle) -> c_int {
    with_context(|driver| {
        driver.forbid_capture(hStream)?;
        let work = driver.executables.get(&hGraphExec).ok_or(Status::INVALID_HANDLE)?.clone();
        work.iter().try_for_each(|work| driver.perform(work))
    })
}

/// Ends a graph that is ready to launch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecDestroy(hGraphExec: Handle) -> c_int {
    with_context(|driver| driver.executables.remove(&hGraphExec).map(drop).ok_or(Status::INVALID_HANDLE))
}

/// Ends a graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroy(hGraph: Handle) -> c_int {
    with_context(|driver| driver.graphs.remove(&hGraph).map(drop).ok_or(Status::INVALID_HANDLE))
}

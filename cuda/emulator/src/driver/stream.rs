//! Streams and events. All work has run when a call returns, so waiting is a matter of checking handles.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_int, c_uint, c_void};
use std::time::Instant;

use super::state::{Handle, Stream, give, with_context};
use super::status::{Outcome, Status};

fn create(target: *mut Handle, flags: c_uint, priority: c_int) -> c_int {
    with_context(|driver| {
        let handle = driver.new_handle();
        driver.streams.insert(handle, Stream { flags, priority, capture: None });
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(target, handle) }
    })
}

/// Makes a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(phStream: *mut Handle, Flags: c_uint) -> c_int {
    create(phStream, Flags, 0)
}

/// Makes a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(phStream: *mut Handle, flags: c_uint, priority: c_int) -> c_int {
    create(phStream, flags, priority)
}

/// Ends a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy_v2(hStream: Handle) -> c_int {
    with_context(|driver| match hStream {
        0..=2 => Err(Status::INVALID_HANDLE),
        _ => driver.streams.remove(&hStream).map(drop).ok_or(Status::INVALID_HANDLE),
    })
}

/// Waits for a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(hStream: Handle) -> c_int {
    with_context(|driver| driver.forbid_capture(hStream))
}

/// Whether a stream's work is done: always.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamQuery(hStream: Handle) -> c_int {
    with_context(|driver| driver.forbid_capture(hStream))
}

/// A stream's flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetFlags(hStream: Handle, flags: *mut c_uint) -> c_int {
    with_context(|driver| {
        let value = driver.stream(hStream)?.flags;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(flags, value) }
    })
}

/// A stream's priority.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetPriority(hStream: Handle, priority: *mut c_int) -> c_int {
    with_context(|driver| {
        let value = driver.stream(hStream)?.priority;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(priority, value) }
    })
}

/// Makes a stream wait for an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent(hStream: Handle, hEvent: Handle, _Flags: c_uint) -> c_int {
    with_context(|driver| {
        driver.forbid_capture(hStream)?;
        driver.events.get(&hEvent).map(drop).ok_or(Status::INVALID_HANDLE)
    })
}

/// Calls a host function, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc(
    hStream: Handle,
    fn_: Option<unsafe extern "C" fn(*mut c_void)>,
    userData: *mut c_void,
) -> c_int {
    let outcome = with_context(|driver| driver.forbid_capture(hStream));
    match (outcome, fn_) {
        (0, Some(function)) => {
            // SAFETY: the caller's function, with the argument it was registered with; the driver is not locked.
            unsafe { function(userData) };
            0
        }
        (0, None) => Status::INVALID_VALUE.0,
        (outcome, _) => outcome,
    }
}

/// Makes an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(phEvent: *mut Handle, _Flags: c_uint) -> c_int {
    with_context(|driver| {
        let handle = driver.new_handle();
        driver.events.insert(handle, None);
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(phEvent, handle) }
    })
}

/// Notes the time in an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(hEvent: Handle, hStream: Handle) -> c_int {
    with_context(|driver| {
        driver.forbid_capture(hStream)?;
        let event = driver.events.get_mut(&hEvent).ok_or(Status::INVALID_HANDLE)?;
        *event = Some(Instant::now());
        Ok(())
    })
}

fn check_event(event: Handle) -> c_int {
    with_context(|driver| driver.events.get(&event).map(drop).ok_or(Status::INVALID_HANDLE))
}

/// Waits for an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(hEvent: Handle) -> c_int {
    check_event(hEvent)
}

/// Whether an event has happened: always.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventQuery(hEvent: Handle) -> c_int {
    check_event(hEvent)
}

/// Milliseconds between two recorded events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(pMilliseconds: *mut f32, hStart: Handle, hEnd: Handle) -> c_int {
    with_context(|driver| {
        let time = |event: Handle| -> Outcome<Instant> {
            driver.events.get(&event).copied().flatten().ok_or(Status::INVALID_HANDLE)
        };
        let (start, end) = (time(hStart)?, time(hEnd)?);
        let elapsed = end.saturating_duration_since(start).as_secs_f32() * 1e3;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(pMilliseconds, elapsed) }
    })
}

/// Ends an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(hEvent: Handle) -> c_int {
    with_context(|driver| driver.events.remove(&hEvent).map(drop).ok_or(Status::INVALID_HANDLE))
}

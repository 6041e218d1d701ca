//! Initialisation, the device, its primary context, and the names of errors.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_uint};

use super::settings;
use super::state::{CURRENT, Handle, give, initialize, with_context, with_driver};
use super::status::{Outcome, Status};

const NAME: &[u8] = b"irreplens PTX emulator\0";

/// Makes the driver ready; fails where there is no device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(Flags: c_uint) -> c_int {
    initialize(|| match (Flags, settings::devices()) {
        (0, 1..) => Ok(()),
        (0, _) => Err(Status::NO_DEVICE),
        _ => Err(Status::INVALID_VALUE),
    })
}

/// The driver's version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(driverVersion: *mut c_int) -> c_int {
    // SAFETY: the caller's pointer, as the API requires.
    unsafe { give(driverVersion, settings::driver() as c_int) }.map_or_else(|Status(code)| code, |()| 0)
}

/// How many devices there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    // SAFETY: the caller's pointer, as the API requires.
    with_driver(|_| unsafe { give(count, settings::devices()) })
}

fn check_device(device: c_int) -> Outcome {
    if (0..settings::devices()).contains(&device) { Ok(()) } else { Err(Status::INVALID_DEVICE) }
}

/// The device number `ordinal`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    with_driver(|_| {
        check_device(ordinal)?;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(device, ordinal) }
    })
}

/// The device's name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, len: c_int, dev: c_int) -> c_int {
    with_driver(|_| {
        check_device(dev)?;
        if name.is_null() || len <= 0 {
            return Err(Status::INVALID_VALUE);
        }
        let count = NAME.len().min(len as usize);
        // SAFETY: the caller's buffer holds `len` bytes.
        unsafe {
            name.copy_from_nonoverlapping(NAME.as_ptr().cast(), count);
            name.add(count - 1).write(0);
        }
        Ok(())
    })
}

/// The device's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, dev: c_int) -> c_int {
    with_driver(|_| {
        check_device(dev)?;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(bytes, settings::memory()) }
    })
}

/// A property of the device; unknown ones are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(pi: *mut c_int, attrib: c_int, dev: c_int) -> c_int {
    with_driver(|_| {
        check_device(dev)?;
        let (major, minor) = settings::capability();
        let value = match attrib {
            1..=3 => 1024,                                  // threads per block, block width, block height
            4 => 64,                                        // block depth
            5 => c_int::MAX,                                // grid width
            6 | 7 => 65535,                                 // grid height, grid depth
            8 => 49152,                                     // shared memory per block
            9 => 65536,                                     // constant memory
            10 => 32,                                       // warp size
            11 => c_int::MAX,                               // pitch
            12 | 82 => 65536,                               // registers per block, per multiprocessor
            13 => 1_000_000,                                // clock rate in kHz
            14 => 512,                                      // texture alignment
            15 | 31 | 40 | 41 => 1, // overlap, concurrent kernels, copy engines, unified addresses
            16 => 4,                // multiprocessors
            36 => 1_000_000,        // memory clock rate in kHz
            37 => 64,               // memory bus width
            38 => 1 << 20,          // L2 cache
            39 => 2048,             // threads per multiprocessor
            75 => major as c_int,   // compute capability
            76 => minor as c_int,   // compute capability
            78..=80 => 1,           // stream priorities, L1 caches
            81 => settings::shared_limit() as c_int + 1024, // shared memory per multiprocessor
            97 => settings::shared_limit() as c_int, // shared memory per block on request
            106 => 32,              // blocks per multiprocessor
            111 => 1024,            // shared memory reserved per block
            17..=120 => 0,
            _ => return Err(Status::INVALID_VALUE),
        };
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(pi, value) }
    })
}

/// Holds the primary context, which the first holder makes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(pctx: *mut Handle, dev: c_int) -> c_int {
    with_driver(|driver| {
        check_device(dev)?;
        driver.holders += 1;
        let context = match driver.context {
            Some(context) => context,
            None => driver.new_handle(),
        };
        driver.context = Some(context);
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(pctx, context) }
    })
}

/// Lets go of the primary context; the last holder ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(dev: c_int) -> c_int {
    with_driver(|driver| {
        check_device(dev)?;
        match driver.holders {
            0 => return Err(Status::INVALID_CONTEXT),
            1 => driver.destroy_context(),
            _ => driver.holders -= 1,
        }
        Ok(())
    })
}

/// Ends the primary context whoever holds it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxReset_v2(dev: c_int) -> c_int {
    with_driver(|driver| {
        check_device(dev)?;
        driver.destroy_context();
        Ok(())
    })
}

/// Accepts any flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxSetFlags_v2(dev: c_int, _flags: c_uint) -> c_int {
    with_driver(|_| check_device(dev))
}

/// Makes a context current in this thread; null for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(ctx: Handle) -> c_int {
    with_driver(|driver| {
        if ctx != 0 && driver.context != Some(ctx) {
            return Err(Status::INVALID_CONTEXT);
        }
        CURRENT.set(ctx);
        Ok(())
    })
}

/// The context that is current in this thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(pctx: *mut Handle) -> c_int {
    // SAFETY: the caller's pointer, as the API requires.
    with_driver(|_| unsafe { give(pctx, CURRENT.get()) })
}

/// Waits for all work, which has already run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> c_int {
    with_context(|driver| driver.forbid_during_capture())
}

/// The current context's device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut c_int) -> c_int {
    // SAFETY: the caller's pointer, as the API requires.
    with_context(|_| unsafe { give(device, 0) })
}

/// The API version of a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetApiVersion(_ctx: Handle, version: *mut c_uint) -> c_int {
    // SAFETY: the caller's pointer, as the API requires.
    with_driver(|_| unsafe { give(version, 3020) })
}

/// The range of stream priorities.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) -> c_int {
    // SAFETY: the caller's pointers, either of which may be null.
    with_context(|_| unsafe {
        let _ = (give(least, 0), give(greatest, -5));
        Ok(())
    })
}

fn give_name(code: c_int, second: bool, target: *mut *const c_char) -> c_int {
    let (outcome, text) = match Status::names(code) {
        Some((name, text)) => (0, if second { text } else { name }.as_ptr()),
        None => (1, std::ptr::null()),
    };
    // SAFETY: the caller's pointer, as the API requires.
    unsafe { give(target, text) }.map_or_else(|Status(code)| code, |()| outcome)
}

/// The description of a status code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(error: c_int, pStr: *mut *const c_char) -> c_int {
    give_name(error, true, pStr)
}

/// The name of a status code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(error: c_int, pStr: *mut *const c_char) -> c_int {
    give_name(error, false, pStr)
}

//! Device memory, page-locked memory, copies and fills.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_int, c_uchar, c_uint, c_ushort, c_void};

use super::graph::Work;
use super::settings;
use super::state::{Driver, Handle, give, with_context};
use super::status::{Outcome, Status};

/// Reserves device memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(dptr: *mut u64, bytesize: usize) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        let address = driver.allocate(bytesize)?;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(dptr, address) }
    })
}

/// Returns device memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(dptr: u64) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        driver.free(dptr)
    })
}

/// Reserves page-locked host memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocHost_v2(pp: *mut *mut c_void, bytesize: usize) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        let address = driver.allocate_host(bytesize)?;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(pp, std::ptr::with_exposed_provenance_mut(address as usize)) }
    })
}

/// Returns page-locked host memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(p: *mut c_void) -> c_int {
    with_context(|driver| driver.free_host(p.expose_provenance() as u64))
}

/// Free and total device memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> c_int {
    with_context(|driver| {
        let all = settings::memory();
        // SAFETY: the caller's pointers, as the API requires.
        unsafe { give(free, all.saturating_sub(driver.used)).and(give(total, all)) }
    })
}

fn pointer(address: u64) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

impl Driver {
    /// Copies between device memory.
    ///
    /// # Errors
    /// Bytes outside device memory.
    pub fn copy(&self, to: u64, from: u64, bytes: usize) -> Outcome {
        self.check(from, bytes)?;
        self.check(to, bytes)?;
        // SAFETY: both ranges lie in live allocations; `copy` allows overlap.
        unsafe { std::ptr::copy(pointer(from), pointer(to), bytes) };
        Ok(())
    }

    /// Fills device memory with `count` copies of the low `width` bytes of `value`.
    ///
    /// # Errors
    /// Bytes outside device memory, or a misaligned start.
    pub fn fill(&self, to: u64, value: u32, width: usize, count: usize) -> Outcome {
        let bytes = count.checked_mul(width).ok_or(Status::INVALID_VALUE)?;
        self.check(to, bytes)?;
        if !to.is_multiple_of(width as u64) {
            return Err(Status::INVALID_VALUE);
        }
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the range lies in a live allocation that nothing else uses while the driver is locked.
        let target = unsafe { std::slice::from_raw_parts_mut(pointer(to), bytes) };
        let pattern = value.to_le_bytes();
        for element in target.chunks_exact_mut(width) {
            element.copy_from_slice(&pattern[..width]);
        }
        Ok(())
    }
}

fn upload(driver: &Driver, to: u64, from: *const c_void, bytes: usize) -> Outcome {
    driver.check(to, bytes)?;
    if from.is_null() && bytes > 0 {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the target lies in a live allocation, the source is the caller's.
    unsafe { std::ptr::copy(from.cast(), pointer(to), bytes) };
    Ok(())
}

fn download(driver: &Driver, to: *mut c_void, from: u64, bytes: usize) -> Outcome {
    driver.check(from, bytes)?;
    if to.is_null() && bytes > 0 {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the source lies in a live allocation, the target is the caller's.
    unsafe { std::ptr::copy(pointer(from), to.cast(), bytes) };
    Ok(())
}

/// Copies from the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2(dstDevice: u64, srcHost: *const c_void, ByteCount: usize) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        upload(driver, dstDevice, srcHost, ByteCount)
    })
}

/// Copies from the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    dstDevice: u64,
    srcHost: *const c_void,
    ByteCount: usize,
    hStream: Handle,
) -> c_int {
    with_context(|driver| {
        driver.forbid_capture(hStream)?;
        upload(driver, dstDevice, srcHost, ByteCount)
    })
}

/// Copies to the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(dstHost: *mut c_void, srcDevice: u64, ByteCount: usize) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        download(driver, dstHost, srcDevice, ByteCount)
    })
}

/// Copies to the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    dstHost: *mut c_void,
    srcDevice: u64,
    ByteCount: usize,
    hStream: Handle,
) -> c_int {
    with_context(|driver| {
        driver.forbid_capture(hStream)?;
        download(driver, dstHost, srcDevice, ByteCount)
    })
}

/// Copies between device memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoD_v2(dstDevice: u64, srcDevice: u64, ByteCount: usize) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        driver.copy(dstDevice, srcDevice, ByteCount)
    })
}

/// Copies between device memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2(
    dstDevice: u64,
    srcDevice: u64,
    ByteCount: usize,
    hStream: Handle,
) -> c_int {
    with_context(|driver| driver.submit(hStream, Work::Copy { to: dstDevice, from: srcDevice, bytes: ByteCount }))
}

fn fill_now(to: u64, value: u32, width: usize, count: usize) -> c_int {
    with_context(|driver| {
        driver.forbid_during_capture()?;
        driver.fill(to, value, width, count)
    })
}

fn fill_later(to: u64, value: u32, width: usize, count: usize, stream: Handle) -> c_int {
    with_context(|driver| driver.submit(stream, Work::Fill { to, value, width, count }))
}

/// Fills with a byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8_v2(dstDevice: u64, uc: c_uchar, N: usize) -> c_int {
    fill_now(dstDevice, uc.into(), 1, N)
}

/// Fills with a two-byte number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16_v2(dstDevice: u64, us: c_ushort, N: usize) -> c_int {
    fill_now(dstDevice, us.into(), 2, N)
}

/// Fills with a four-byte number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32_v2(dstDevice: u64, ui: c_uint, N: usize) -> c_int {
    fill_now(dstDevice, ui, 4, N)
}

/// Fills with a byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(dstDevice: u64, uc: c_uchar, N: usize, hStream: Handle) -> c_int {
    fill_later(dstDevice, uc.into(), 1, N, hStream)
}

/// Fills with a two-byte number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16Async(dstDevice: u64, us: c_ushort, N: usize, hStream: Handle) -> c_int {
    fill_later(dstDevice, us.into(), 2, N, hStream)
}

/// Fills with a four-byte number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32Async(dstDevice: u64, ui: c_uint, N: usize, hStream: Handle) -> c_int {
    fill_later(dstDevice, ui, 4, N, hStream)
}

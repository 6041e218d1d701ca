//! Memory of a device, with its length and type.

use super::{Device, check};
use crate::error::Result;
use cust::sys;
use std::marker::PhantomData;

/// Memory of a device, filled and read in the order of its stream.
pub(crate) struct Buffer<T> {
    pointer: sys::CUdeviceptr,
    len: usize,
    device: Device,
    values: PhantomData<T>,
}

/// Types that are copied byte by byte.
pub(crate) trait Plain: Copy + Default + Send + Sync + 'static {}
impl Plain for f32 {}
impl Plain for f64 {}
impl Plain for u32 {}
impl Plain for u8 {}

impl<T: Plain> Buffer<T> {
    /// A buffer of `len` values that are not set yet.
    ///
    /// # Errors
    /// [`Error::CudaMemory`].
    pub fn new(device: &Device, what: &'static str, len: usize) -> Result<Self> {
        device.enter()?;
        let needed = len.saturating_mul(size_of::<T>());
        let mut pointer = 0;
        if needed > 0 {
            // SAFETY: a place to write an address to.
            let code = unsafe { sys::cuMemAlloc_v2(&mut pointer, needed) };
            if code == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                return Err(device.too_large(what, needed, device.free_memory().unwrap_or(0)));
            }
            check("cuMemAlloc", code)?;
        }
        Ok(Self { pointer, len, device: device.clone(), values: PhantomData })
    }

    /// A buffer of `len` zeros.
    pub fn zeros(device: &Device, what: &'static str, len: usize) -> Result<Self> {
        let buffer = Self::new(device, what, len)?;
        buffer.clear()?;
        Ok(buffer)
    }

    /// A buffer with a copy of `values`.
    pub fn from_slice(device: &Device, what: &'static str, values: &[T]) -> Result<Self> {
        let mut buffer = Self::new(device, what, values.len())?;
        buffer.write(0, values)?;
        Ok(buffer)
    }

    /// Sets all values to zero.
    ///
    /// A shared reference is enough: it happens in the order of the device's stream.
    pub fn clear(&self) -> Result<()> {
        self.device.enter()?;
        if self.len == 0 {
            return Ok(());
        }
        let bytes = self.len * size_of::<T>();
        // SAFETY: so many bytes are the buffer's.
        check("cuMemsetD8Async", unsafe { sys::cuMemsetD8Async(self.pointer, 0, bytes, self.device.stream.handle) })
    }

    /// Overwrites the values from `start` on.
    ///
    /// # Panics
    /// If they end beyond the buffer.
    pub fn write(&mut self, start: usize, values: &[T]) -> Result<()> {
        assert!(start + values.len() <= self.len, "{start} + {} values in {}", values.len(), self.len);
        if values.is_empty() {
            return Ok(());
        }
        self.device.enter()?;
        let (to, from) = (self.at(start), values.as_ptr().cast());
        // SAFETY: the values lie within the buffer, and the copy has ended before they can be dropped.
        check("cuMemcpyHtoDAsync", unsafe {
            sys::cuMemcpyHtoDAsync_v2(to, from, size_of_val(values), self.device.stream.handle)
        })?;
        self.device.synchronise()
    }

    /// Reads the values from `start` on, as many as `into` holds.
    ///
    /// # Panics
    /// If they end beyond the buffer.
    pub fn read(&self, start: usize, into: &mut [T]) -> Result<()> {
        assert!(start + into.len() <= self.len, "{start} + {} values of {}", into.len(), self.len);
        if into.is_empty() {
            return Ok(());
        }
        self.device.enter()?;
        let (to, from, bytes) = (into.as_mut_ptr().cast(), self.at(start), size_of_val(into));
        // SAFETY: the values lie within the buffer, and the copy has ended when this returns.
        check("cuMemcpyDtoHAsync", unsafe { sys::cuMemcpyDtoHAsync_v2(to, from, bytes, self.device.stream.handle) })?;
        self.device.synchronise()
    }

    /// All values.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        let mut values = vec![T::default(); self.len];
        self.read(0, &mut values)?;
        Ok(values)
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The device whose memory it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Address of value `start`.
    pub(super) fn at(&self, start: usize) -> u64 {
        self.pointer + (start * size_of::<T>()) as u64
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.pointer != 0 && self.device.enter().is_ok() {
            // SAFETY: the allocation is this buffer's; the driver waits for kernels that use it. An error has nowhere to go.
            let _ = unsafe { sys::cuMemFree_v2(self.pointer) };
        }
    }
}

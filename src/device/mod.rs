//! Where else arithmetic runs: a CUDA device, its memory, and the kernels of `cuda/` launched on it (feature `cuda`).
//!
//! | item | what |
//! |---|---|
//! | [`Device`] | a device in use: opened by its number, shared by everything that runs on it |
//! | [`DeviceInfo`] | name, memory, compute capability and driver of a device |
//! | [`Tile`] | how products are cut |
//!
//! A model is moved there by [`Interpretable::to_device`](crate::model::Interpretable::to_device), a training run by
//! [`Trainer::on_device`](crate::train::Trainer::on_device). The driver is opened at run time: a program built with the
//! feature starts without one, and [`Device::list`] says what is missing.
#![allow(unsafe_code)]

mod buffer;
mod driver;
pub(crate) mod kernels;

pub(crate) use buffer::Buffer;
#[cfg(feature = "train")]
pub(crate) use kernels::Graph;
pub(crate) use kernels::{Matrix, Product};

use crate::error::{Error, Result};
use cust::context::{Context, CurrentContext};
use cust::device::DeviceAttribute;
use cust::sys;
use kernels::Kernels;
use std::fmt;
use std::sync::Arc;

/// Least driver version that loads the kernels' PTX (ISA 7.8): that of CUDA 11.8, in drivers from 520 on.
const NEEDS_DRIVER: u32 = 11080;

/// Least compute capability that they are compiled for.
const NEEDS_CAPABILITY: (u32, u32) = (7, 0);

/// Largest difference of a device's activations, shares and energies from the processor's, relative to the largest of their
/// kind.
pub const ACTIVATIONS: f64 = 2e-5;

/// Largest relative difference of a device's losses from the processor's: the rounding of logits of a few tens.
pub const LOSSES: f64 = 1e-4;

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    /// Its number, from 0.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Bytes of its memory.
    pub memory: usize,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// The CUDA version that the driver supports, 1000 times the major and 10 times the minor number.
    pub driver: u32,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ordinal, name, memory, capability: (major, minor), driver } = self;
        let gib = *memory as f64 / f64::from(1 << 30);
        write!(f, "cuda:{ordinal} {name}, {gib:.1} GiB, compute capability {major}.{minor}, driver of CUDA ")?;
        write!(f, "{}.{}", driver / 1000, driver % 1000 / 10)
    }
}

/// A CUDA device in use, with a stream of its own; clones share both.
///
/// ```
/// use irreplens::device::Device;
/// match Device::list() {
///     Ok(devices) => devices.iter().for_each(|device| println!("{device}")),
///     Err(reason) => println!("{reason}"), // no CUDA driver found
/// }
/// ```
#[derive(Clone)]
pub struct Device {
    stream: Arc<Stream>,
    /// Bytes that a piece of work may take, at most.
    limit: usize,
    /// Rows and columns of the tiles of products, where they are not chosen by size.
    tile: Option<Tile>,
}

/// Rows and columns of the tile of a matrix product that a block of threads computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 64 by 64: more blocks for small products.
    Small,
    /// 128 by 128: fewer reads for large ones.
    Large,
}

impl Tile {
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Small => 64,
            Self::Large => 128,
        }
    }
}

/// A stream on which everything of a [`Device`] runs in order.
struct Stream {
    handle: sys::CUstream,
    shared: Arc<Shared>,
}

/// What the streams of a device share. Fields are dropped in this order: the context last.
struct Shared {
    kernels: Kernels,
    info: DeviceInfo,
    context: Context,
}

// SAFETY: stream and module handles may be used from any thread on which their context is current, and every call here
// makes it so first; the driver synchronises calls by itself.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Drop for Stream {
    fn drop(&mut self) {
        if CurrentContext::set_current(&self.shared.context).is_ok() {
            // SAFETY: the handle is live and not used again. An error has nowhere to go.
            let _ = unsafe { sys::cuStreamDestroy_v2(self.handle) };
        }
    }
}

impl Device {
    /// The devices that there are.
    ///
    /// # Errors
    /// [`Error::NoCudaDriver`], [`Error::NoCudaDevice`]; [`Error::Cuda`] for what the driver itself reports.
    pub fn list() -> Result<Vec<DeviceInfo>> {
        if !driver::installed() {
            return Err(Error::NoCudaDriver);
        }
        if let Err(error) = cust::init(cust::CudaFlags::empty()) {
            return Err(match error {
                cust::error::CudaError::NoDevice => Error::NoCudaDevice { ordinal: 0, count: 0 },
                error => cuda("cuInit", error),
            });
        }
        let driver = cust::CudaApiVersion::get().map_err(|e| cuda("cuDriverGetVersion", e))?;
        let driver = (driver.major() * 1000 + driver.minor() * 10) as u32;
        let count = cust::device::Device::num_devices().map_err(|e| cuda("cuDeviceGetCount", e))? as usize;
        (0..count).map(|ordinal| info(ordinal, driver).map_err(|e| cuda("cuDeviceGet", e))).collect()
    }

    /// Opens device number `ordinal` and loads the kernels.
    ///
    /// # Errors
    /// [`Error::NoCudaDriver`]; [`Error::NoCudaDevice`] where no device has that number; [`Error::CudaUnsupported`] for a
    /// driver or device older than the kernels need; [`Error::Cuda`] for what the driver itself reports.
    pub fn open(ordinal: usize) -> Result<Self> {
        let devices = Self::list()?;
        let Some(info) = devices.get(ordinal).cloned() else {
            return Err(Error::NoCudaDevice { ordinal, count: devices.len() });
        };
        if info.driver < NEEDS_DRIVER || info.capability < NEEDS_CAPABILITY {
            return Err(unsupported(&info, "its version"));
        }
        let raw = cust::device::Device::get_device(ordinal as u32).map_err(|e| cuda("cuDeviceGet", e))?;
        let context = Context::new(raw).map_err(|e| cuda("cuDevicePrimaryCtxRetain", e))?;
        CurrentContext::set_current(&context).map_err(|e| cuda("cuCtxSetCurrent", e))?;
        let kernels = Kernels::load(&info)?;
        let stream = Stream::new(Arc::new(Shared { kernels, info, context }))?;
        Ok(Self { stream: Arc::new(stream), limit: usize::MAX, tile: None })
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> &DeviceInfo {
        &self.stream.shared.info
    }

    /// Bytes of memory that are free now.
    ///
    /// # Errors
    /// [`Error::Cuda`].
    pub fn free_memory(&self) -> Result<usize> {
        self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: two places to write to.
        check("cuMemGetInfo", unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok(free)
    }

    /// The device, to be used with at most `bytes` for what a piece of work needs beside weights and labels.
    ///
    /// Work over all pairs is cut into row blocks that keep to it, or to three quarters of the memory that is free.
    #[must_use]
    pub fn with_memory_limit(self, bytes: usize) -> Self {
        Self { limit: bytes, ..self }
    }

    /// The device with `f32` products in tiles of this size. Otherwise the tile goes by the size of the product, and losses
    /// are computed on tensor cores where these are faster.
    #[must_use]
    pub fn with_tile(self, tile: Tile) -> Self {
        Self { tile: Some(tile), ..self }
    }

    /// The device with a stream of its own.
    #[cfg(feature = "train")]
    pub(crate) fn another_stream(&self) -> Result<Self> {
        Ok(Self { stream: Arc::new(Stream::new(self.stream.shared.clone())?), ..*self })
    }

    /// The error of work that needs more memory than there is.
    pub(crate) fn too_large(&self, what: &'static str, needed: usize, free: usize) -> Error {
        Error::CudaMemory { what, device: self.info().name.clone(), needed, free }
    }

    /// Bytes that a piece of work should keep to.
    pub(crate) fn budget(&self) -> Result<usize> {
        Ok((self.free_memory()? / 4 * 3).min(self.limit))
    }

    /// Waits until everything begun on the stream has ended.
    pub(crate) fn synchronise(&self) -> Result<()> {
        self.enter()?;
        // SAFETY: the handle is live.
        check("cuStreamSynchronize", unsafe { sys::cuStreamSynchronize(self.stream.handle) })
    }

    /// Makes the device's context current on this thread.
    fn enter(&self) -> Result<()> {
        CurrentContext::set_current(&self.stream.shared.context).map_err(|e| cuda("cuCtxSetCurrent", e))
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").field(self.info()).finish()
    }
}

impl Stream {
    fn new(shared: Arc<Shared>) -> Result<Self> {
        CurrentContext::set_current(&shared.context).map_err(|e| cuda("cuCtxSetCurrent", e))?;
        let mut handle = std::ptr::null_mut();
        // A stream that does not wait for the default one. (`cust::stream::Stream` drops that flag.)
        let flags = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: a place to write a handle to.
        check("cuStreamCreate", unsafe { sys::cuStreamCreate(&mut handle, flags) })?;
        Ok(Self { handle, shared })
    }
}

fn info(ordinal: usize, driver: u32) -> cust::error::CudaResult<DeviceInfo> {
    let device = cust::device::Device::get_device(ordinal as u32)?;
    let attribute = |attribute| device.get_attribute(attribute).map(|value| value as u32);
    Ok(DeviceInfo {
        ordinal,
        name: device.name()?,
        memory: device.total_memory()?,
        capability: (
            attribute(DeviceAttribute::ComputeCapabilityMajor)?,
            attribute(DeviceAttribute::ComputeCapabilityMinor)?,
        ),
        driver,
    })
}

fn unsupported(info: &DeviceInfo, what: &'static str) -> Error {
    Error::CudaUnsupported {
        what,
        device: info.name.clone(),
        capability: info.capability,
        driver: info.driver,
        needs_driver: NEEDS_DRIVER,
        needs_capability: NEEDS_CAPABILITY,
    }
}

fn cuda(call: &'static str, error: cust::error::CudaError) -> Error {
    Error::Cuda { call, code: error as u32, message: error.to_string() }
}

/// The driver's answer as a result.
fn check(call: &'static str, code: sys::CUresult) -> Result<()> {
    if code == sys::CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let mut text = std::ptr::null();
    // SAFETY: a place to write a pointer to, which is then that of a string of the driver's.
    let message = unsafe {
        let known = sys::cuGetErrorString(code, &mut text) == sys::CUresult::CUDA_SUCCESS && !text.is_null();
        if known { std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned() } else { "unknown error".into() }
    };
    Err(Error::Cuda { call, code: code as u32, message })
}

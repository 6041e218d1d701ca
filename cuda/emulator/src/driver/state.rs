//! Everything the driver remembers, behind one lock.

use std::alloc::Layout;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_int;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::graph::{Capture, Work};
use super::settings;
use super::status::{Outcome, Status};
use crate::program::Kernel;
use crate::program::module::Module;

/// Names something the driver made; C code sees it as a pointer.
pub type Handle = usize;

/// A piece of host memory that plays device memory, or page-locked host memory.
struct Allocation {
    bytes: usize,
    layout: Layout,
}

/// A kernel of a loaded module.
#[derive(Clone)]
pub struct Function {
    /// Handle of the module.
    pub module_handle: Handle,
    /// The module, kept alive by graphs after it is unloaded.
    pub module: Arc<Module>,
    /// Which of its kernels.
    pub index: usize,
    /// Most dynamic shared memory a launch may ask for.
    pub dynamic_shared_limit: usize,
}

impl Function {
    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.module.kernels[self.index]
    }
}

/// A stream.
#[derive(Default)]
pub struct Stream {
    /// Flags it was made with.
    pub flags: u32,
    /// Priority it was made with.
    pub priority: c_int,
    /// The work recorded so far, while it captures.
    pub capture: Option<Capture>,
}

/// The driver.
#[derive(Default)]
pub struct Driver {
    /// Whether `cuInit` succeeded.
    pub initialized: bool,
    /// How often the primary context is held.
    pub holders: u32,
    /// Handle of the primary context while it lives.
    pub context: Option<Handle>,
    /// Status left by a faulty kernel.
    pub failure: Option<Status>,
    /// Launches written to files so far.
    pub recorded: u64,
    /// Bytes of device memory in use.
    pub used: usize,
    /// Loaded modules.
    pub modules: HashMap<Handle, Arc<Module>>,
    /// Kernels that were asked for.
    pub functions: HashMap<Handle, Function>,
    /// Streams.
    pub streams: HashMap<Handle, Stream>,
    /// Events, with the time of their last recording.
    pub events: HashMap<Handle, Option<Instant>>,
    /// Graphs.
    pub graphs: HashMap<Handle, Arc<Vec<Work>>>,
    /// Graphs ready to launch.
    pub executables: HashMap<Handle, Arc<Vec<Work>>>,
    device_memory: BTreeMap<u64, Allocation>,
    host_memory: BTreeMap<u64, Allocation>,
    last_handle: Handle,
}

static DRIVER: Mutex<Option<Driver>> = Mutex::new(None);

thread_local! {
    /// Handle of the context that is current in this thread; 0 for none.
    pub static CURRENT: Cell<Handle> = const { Cell::new(0) };
}

fn lock() -> MutexGuard<'static, Option<Driver>> {
    DRIVER.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn code(outcome: Outcome) -> c_int {
    outcome.map_or_else(|Status(code)| code, |()| 0)
}

/// Runs the body of a function that needs no context, only `cuInit`.
pub fn with_driver(body: impl FnOnce(&mut Driver) -> Outcome) -> c_int {
    let mut guard = lock();
    let driver = guard.get_or_insert_with(Driver::default);
    code(if driver.initialized { body(driver) } else { Err(Status::NOT_INITIALIZED) })
}

/// Runs the body of `cuInit`.
pub fn initialize(body: impl FnOnce() -> Outcome) -> c_int {
    code(body().map(|()| lock().get_or_insert_with(Driver::default).initialized = true))
}

/// Runs the body of a function that needs a current, live and healthy context.
pub fn with_context(body: impl FnOnce(&mut Driver) -> Outcome) -> c_int {
    with_driver(|driver| {
        let current = CURRENT.get();
        if current == 0 {
            return Err(Status::INVALID_CONTEXT);
        }
        if driver.context != Some(current) {
            return Err(Status::CONTEXT_IS_DESTROYED);
        }
        driver.failure.map_or(Ok(()), Err)?;
        body(driver)
    })
}

/// Stores a result where the caller wants it.
///
/// # Errors
/// `INVALID_VALUE` if `target` is null.
///
/// # Safety
/// `target` is null or valid for a write.
pub unsafe fn give<T>(target: *mut T, value: T) -> Outcome {
    if target.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: not null, and so valid, as the caller promises.
    unsafe { target.write(value) };
    Ok(())
}

/// Prints a line of explanation and passes the status on.
pub fn explain(status: Status, message: impl std::fmt::Display) -> Status {
    eprintln!("emulator: {message}");
    status
}

impl Driver {
    /// A handle that was never used before.
    pub fn new_handle(&mut self) -> Handle {
        self.last_handle += 16;
        self.last_handle
    }

    /// Ends the primary context and everything that lives in it.
    pub fn destroy_context(&mut self) {
        for allocation in
            std::mem::take(&mut self.device_memory).into_iter().chain(std::mem::take(&mut self.host_memory))
        {
            release(allocation);
        }
        let (initialized, failure, recorded) = (self.initialized, self.failure, self.recorded);
        *self = Self { initialized, failure, recorded, last_handle: self.last_handle, ..Self::default() };
    }

    /// Reserves device memory, filled with `0xcd`.
    ///
    /// # Errors
    /// No size, or more than is left.
    pub fn allocate(&mut self, bytes: usize) -> Outcome<u64> {
        if bytes == 0 {
            return Err(Status::INVALID_VALUE);
        }
        if self.used.checked_add(bytes).is_none_or(|used| used > settings::memory()) {
            return Err(Status::OUT_OF_MEMORY);
        }
        let (address, allocation) = reserve(bytes)?;
        self.used += bytes;
        self.device_memory.insert(address, allocation);
        Ok(address)
    }

    /// Returns device memory; a null pointer is fine.
    ///
    /// # Errors
    /// An address that is not the start of an allocation.
    pub fn free(&mut self, address: u64) -> Outcome {
        if address == 0 {
            return Ok(());
        }
        let allocation = self.device_memory.remove(&address).ok_or(Status::INVALID_VALUE)?;
        self.used -= allocation.bytes;
        release((address, allocation));
        Ok(())
    }

    /// Reserves page-locked host memory.
    ///
    /// # Errors
    /// No size, or more than the host has.
    pub fn allocate_host(&mut self, bytes: usize) -> Outcome<u64> {
        if bytes == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let (address, allocation) = reserve(bytes)?;
        self.host_memory.insert(address, allocation);
        Ok(address)
    }

    /// Returns page-locked host memory.
    ///
    /// # Errors
    /// An address that is not the start of an allocation.
    pub fn free_host(&mut self, address: u64) -> Outcome {
        let allocation = self.host_memory.remove(&address).ok_or(Status::INVALID_VALUE)?;
        release((address, allocation));
        Ok(())
    }

    /// The allocation that contains `address`.
    pub fn allocation(&self, address: u64) -> Option<Range<u64>> {
        let (start, allocation) = self.device_memory.range(..=address).next_back()?;
        let range = *start..*start + allocation.bytes as u64;
        range.contains(&address).then_some(range)
    }

    /// Checks that `bytes` bytes from `address` on are device memory.
    ///
    /// # Errors
    /// They are not, all in one allocation.
    pub fn check(&self, address: u64, bytes: usize) -> Outcome {
        let end = address.checked_add(bytes as u64);
        let inside = self.allocation(address).zip(end).is_some_and(|(range, end)| end <= range.end);
        if bytes == 0 || inside {
            return Ok(());
        }
        Err(explain(Status::INVALID_VALUE, format!("{bytes} bytes at {address:#x} are not device memory")))
    }

    /// All device memory.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.device_memory.iter().map(|(start, allocation)| *start..*start + allocation.bytes as u64)
    }

    /// The stream `handle`; the default streams are made when they are first used.
    ///
    /// # Errors
    /// A handle that is no stream.
    pub fn stream(&mut self, handle: Handle) -> Outcome<&mut Stream> {
        if handle <= 2 {
            return Ok(self.streams.entry(handle).or_default());
        }
        self.streams.get_mut(&handle).ok_or(Status::INVALID_HANDLE)
    }
}

fn reserve(bytes: usize) -> Outcome<(u64, Allocation)> {
    // A gap after every allocation keeps an access just past its end from landing in the next one.
    let size = bytes.checked_add(256).ok_or(Status::OUT_OF_MEMORY)?;
    let layout = Layout::from_size_align(size, 256).map_err(|_| Status::OUT_OF_MEMORY)?;
    // SAFETY: the size is not zero, and the pointer is used only if it is not null.
    let pointer = unsafe { std::alloc::alloc(layout) };
    if pointer.is_null() {
        return Err(Status::OUT_OF_MEMORY);
    }
    // SAFETY: `size` bytes were allocated.
    unsafe { pointer.write_bytes(0xcd, size) };
    Ok((pointer.expose_provenance() as u64, Allocation { bytes, layout }))
}

fn release((address, allocation): (u64, Allocation)) {
    // SAFETY: `reserve` allocated it with this layout, and it was just taken out of its table.
    unsafe { std::alloc::dealloc(std::ptr::with_exposed_provenance_mut(address as usize), allocation.layout) };
}

//! Modules and their kernels.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use super::settings;
use super::state::{Driver, Function, Handle, explain, give, with_context};
use super::status::{Outcome, Status};
use crate::program::module::Module;
use crate::ptx::LoadErrorKind;

/// Dynamic shared memory that every kernel may use without asking.
const DEFAULT_SHARED: usize = 49152;

/// Loads a PTX text; of the options, the error log is honoured.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    image: *const c_void,
    numOptions: c_uint,
    options: *mut c_int,
    optionValues: *mut *mut c_void,
) -> c_int {
    with_context(|driver| {
        // SAFETY: the caller's arrays hold `numOptions` entries each.
        let option = |wanted: c_int| unsafe {
            let index = (0..numOptions as usize).find(|index| *options.add(*index) == wanted)?;
            Some(*optionValues.add(index))
        };
        match load(image) {
            Ok(loaded) => {
                let handle = driver.new_handle();
                driver.modules.insert(handle, Arc::new(loaded));
                // SAFETY: the caller's pointer, as the API requires.
                unsafe { give(module, handle) }
            }
            Err((status, message)) => {
                if let (Some(log), Some(size)) = (option(5), option(6)) {
                    let text = format!("{message}\0");
                    let count = text.len().min(size as usize);
                    // SAFETY: the log buffer has the size that its option says.
                    unsafe { log.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), count) };
                }
                Err(explain(status, message))
            }
        }
    })
}

fn load(image: *const c_void) -> Result<Module, (Status, String)> {
    if image.is_null() {
        return Err((Status::INVALID_VALUE, "no image".into()));
    }
    // SAFETY: a PTX image ends in a zero byte; binary images have one soon enough to be told apart.
    let bytes = unsafe { CStr::from_ptr(image.cast()) }.to_bytes();
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains(".version"));
    let text = text.ok_or_else(|| (Status::INVALID_IMAGE, "the image is not PTX".to_owned()))?;
    Module::load(text, settings::limits()).map_err(|error| {
        let status = match error.kind {
            LoadErrorKind::Version => Status::UNSUPPORTED_PTX_VERSION,
            _ => Status::INVALID_PTX,
        };
        (status, error.to_string())
    })
}

/// Loads a PTX text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> c_int {
    // SAFETY: the caller's pointers, passed on; no options need no arrays.
    unsafe { cuModuleLoadDataEx(module, image, 0, std::ptr::null_mut(), std::ptr::null_mut()) }
}

/// Unloads a module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(hmod: Handle) -> c_int {
    with_context(|driver| {
        driver.functions.retain(|_, function| function.module_handle != hmod);
        driver.modules.remove(&hmod).map(drop).ok_or(Status::INVALID_HANDLE)
    })
}

/// The kernel `name` of a module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(hfunc: *mut Handle, hmod: Handle, name: *const c_char) -> c_int {
    with_context(|driver| {
        let module = driver.modules.get(&hmod).ok_or(Status::INVALID_HANDLE)?.clone();
        if name.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the caller's string, as the API requires.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        let index = module.kernels.iter().position(|kernel| kernel.name == name);
        let index = index.ok_or_else(|| explain(Status::NOT_FOUND, format!("there is no kernel {name}")))?;
        let known = driver.functions.iter().find(|(_, known)| (known.module_handle, known.index) == (hmod, index));
        let handle = match known {
            Some((handle, _)) => *handle,
            None => {
                let dynamic_shared_limit = DEFAULT_SHARED.saturating_sub(module.kernels[index].shared_bytes);
                let handle = driver.new_handle();
                let function = Function { module_handle: hmod, module, index, dynamic_shared_limit };
                driver.functions.insert(handle, function);
                handle
            }
        };
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(hfunc, handle) }
    })
}

/// Module variables cannot be reached from the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetGlobal_v2(
    _dptr: *mut u64,
    _bytes: *mut usize,
    _hmod: Handle,
    _name: *const c_char,
) -> c_int {
    with_context(|_| Err(Status::NOT_FOUND))
}

impl Driver {
    fn function(&mut self, handle: Handle) -> Outcome<&mut Function> {
        self.functions.get_mut(&handle).ok_or(Status::INVALID_HANDLE)
    }
}

/// A property of a kernel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetAttribute(pi: *mut c_int, attrib: c_int, hfunc: Handle) -> c_int {
    with_context(|driver| {
        let function = driver.function(hfunc)?;
        let kernel = function.kernel();
        let value = match attrib {
            0 => kernel.max_threads as usize,
            1 => kernel.shared_bytes,
            3 => kernel.local_bytes,
            4 => 32,
            5 | 6 => settings::limits().capability as usize,
            8 => function.dynamic_shared_limit,
            2 | 7 | 9 => 0,
            _ => return Err(Status::INVALID_VALUE),
        };
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(pi, value as c_int) }
    })
}

/// Sets the limit of a kernel's dynamic shared memory; other properties are accepted and ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(hfunc: Handle, attrib: c_int, value: c_int) -> c_int {
    with_context(|driver| {
        let function = driver.function(hfunc)?;
        match attrib {
            8 => {
                let bytes = usize::try_from(value).map_err(|_| Status::INVALID_VALUE)?;
                if bytes + function.kernel().shared_bytes > settings::shared_limit() {
                    return Err(Status::INVALID_VALUE);
                }
                function.dynamic_shared_limit = bytes;
                Ok(())
            }
            9 => Ok(()),
            _ => Err(Status::INVALID_VALUE),
        }
    })
}

/// Accepts any preference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetCacheConfig(hfunc: Handle, _config: c_uint) -> c_int {
    with_context(|driver| driver.function(hfunc).map(drop))
}

/// Accepts any preference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetSharedMemConfig(hfunc: Handle, _config: c_uint) -> c_int {
    with_context(|driver| driver.function(hfunc).map(drop))
}

/// How many blocks of a kernel fit a multiprocessor: two, say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    numBlocks: *mut c_int,
    func: Handle,
    _blockSize: c_int,
    _dynamicSMemSize: usize,
) -> c_int {
    with_context(|driver| {
        driver.function(func)?;
        // SAFETY: the caller's pointer, as the API requires.
        unsafe { give(numBlocks, 2) }
    })
}

//! The functions of the CUDA driver, looked up when they are first called, so that a program built with the feature
//! `cuda` starts on a machine without a driver.
//!
//! `cust` refers to them by name; the definitions here satisfy the linker and pass every call on to `libcuda.so.1`.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

/// `CUDA_ERROR_NO_DEVICE`: what every function returns where there is no driver.
const NO_DEVICE: i32 = 100;

fn library() -> Option<&'static libloading::Library> {
    static LIBRARY: OnceLock<Option<libloading::Library>> = OnceLock::new();
    let open = || {
        // SAFETY: opening the CUDA driver runs its initialisers, as linking it would.
        ["libcuda.so.1", "libcuda.so"].into_iter().find_map(|name| unsafe { libloading::Library::new(name) }.ok())
    };
    LIBRARY.get_or_init(open).as_ref()
}

pub(super) fn installed() -> bool {
    library().is_some()
}

/// The address of a function of the driver, 0 if it has none of that name.
fn address(name: &'static CStr) -> usize {
    // SAFETY: the symbol is only taken as an address here.
    let found = library().map(|library| unsafe { library.get::<*const c_void>(name.to_bytes_with_nul()) });
    found.and_then(Result::ok).map_or(0, |symbol| *symbol as usize)
}

// Every argument of these functions is a pointer or an integer of at most eight bytes, and has a register or an
// eight-byte place on the stack of its own: as `usize` it is passed on as it came.
macro_rules! forward {
    ($($name:ident($($argument:ident),*);)*) => {$(
        // SAFETY: no other definition of this name is linked; see the module.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: usize),*) -> i32 {
            static ADDRESS: OnceLock<usize> = OnceLock::new();
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!(),
            };
            let address = *ADDRESS.get_or_init(|| address(NAME));
            if address == 0 {
                return NO_DEVICE;
            }
            // SAFETY: the driver's function of this name takes these arguments in these places.
            unsafe {
                let function: unsafe extern "C" fn($(forward!(@type $argument)),*) -> i32 = std::mem::transmute(address);
                function($($argument),*)
            }
        }
    )*};
    (@type $argument:ident) => { usize };
}

forward! {
    cuInit(flags);
    cuDriverGetVersion(version);
    cuDeviceGet(device, ordinal);
    cuDeviceGetCount(count);
    cuDeviceGetName(name, length, device);
    cuDeviceGetAttribute(value, attribute, device);
    cuDeviceTotalMem_v2(bytes, device);
    cuDevicePrimaryCtxRetain(context, device);
    cuDevicePrimaryCtxRelease_v2(device);
    cuCtxSetCurrent(context);
    cuCtxGetCurrent(context);
    cuModuleLoadDataEx(module, image, count, options, values);
    cuModuleUnload(module);
    cuModuleGetFunction(function, module, name);
    cuStreamCreate(stream, flags);
    cuStreamDestroy_v2(stream);
    cuStreamSynchronize(stream);
    cuStreamBeginCapture_v2(stream, mode);
    cuStreamEndCapture(stream, graph);
    cuGraphInstantiateWithFlags(executable, graph, flags);
    cuGraphLaunch(executable, stream);
    cuGraphExecDestroy(executable);
    cuGraphDestroy(graph);
    cuMemAlloc_v2(pointer, bytes);
    cuMemFree_v2(pointer);
    cuMemGetInfo_v2(free, total);
    cuMemcpyHtoDAsync_v2(to, from, bytes, stream);
    cuMemcpyDtoHAsync_v2(to, from, bytes, stream);
    cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
    cuMemcpyHtoD_v2(to, from, bytes);
    cuMemcpyDtoH_v2(to, from, bytes);
    cuMemsetD8Async(pointer, value, bytes, stream);
    cuLaunchKernel(function, gx, gy, gz, bx, by, bz, shared, stream, arguments, extra);
}

// Must return a string: `cust`'s `Display` of an error panics otherwise.
// SAFETY: no other definition of this name is linked; see the module.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorString(code: i32, out: *mut *const c_char) -> i32 {
    let address = address(c"cuGetErrorString");
    // SAFETY: the driver's function has this signature; the caller gives a place to write a pointer to.
    unsafe {
        if address == 0 {
            *out = c"no CUDA driver found".as_ptr();
            return 0;
        }
        let function: unsafe extern "C" fn(i32, *mut *const c_char) -> i32 = std::mem::transmute(address);
        let code = function(code, out);
        if code != 0 {
            *out = c"unknown error".as_ptr();
        }
        0
    }
}

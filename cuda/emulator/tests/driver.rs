//! The driver API, called as C code would call it. The driver is one per process, and so are its settings: every test
//! takes the same lock.

mod common;

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard};

use common::{module, thread_kernel};
use cuda_emulator::driver::device::*;
use cuda_emulator::driver::graph::*;
use cuda_emulator::driver::launch::*;
use cuda_emulator::driver::memory::*;
use cuda_emulator::driver::module::*;
use cuda_emulator::driver::stream::*;

static LOCK: Mutex<()> = Mutex::new(());

/// A context for one test, with the settings it asks for.
struct Session {
    variables: Vec<&'static str>,
    _guard: MutexGuard<'static, ()>,
}

impl Session {
    fn start(settings: &[(&'static str, &str)]) -> Self {
        let guard = LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // SAFETY: the lock keeps other tests from reading the environment.
        settings.iter().for_each(|(name, value)| unsafe { std::env::set_var(name, value) });
        let mut context = 0;
        // SAFETY: the pointer is valid.
        unsafe {
            assert_eq!(cuInit(0), 0);
            assert_eq!(cuDevicePrimaryCtxRetain(&mut context, 0), 0);
            assert_eq!(cuCtxSetCurrent(context), 0);
        }
        Self { variables: settings.iter().map(|(name, _)| *name).collect(), _guard: guard }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the lock keeps other tests from reading the environment.
        self.variables.iter().for_each(|name| unsafe { std::env::remove_var(name) });
        // SAFETY: no pointers.
        unsafe { cuDevicePrimaryCtxRelease_v2(0) };
    }
}

fn load(ptx: &str) -> Result<usize, c_int> {
    let (text, mut handle) = (CString::new(ptx).unwrap(), 0);
    // SAFETY: the text ends in a zero byte.
    match unsafe { cuModuleLoadData(&mut handle, text.as_ptr().cast()) } {
        0 => Ok(handle),
        code => Err(code),
    }
}

fn function(ptx: &str) -> usize {
    let module = load(ptx).unwrap();
    let mut handle = 0;
    // SAFETY: the pointers are valid.
    assert_eq!(unsafe { cuModuleGetFunction(&mut handle, module, c"k".as_ptr()) }, 0);
    handle
}

fn allocate(bytes: usize) -> u64 {
    let mut address = 0;
    // SAFETY: the pointer is valid.
    assert_eq!(unsafe { cuMemAlloc_v2(&mut address, bytes) }, 0);
    address
}

fn download(address: u64, count: usize) -> Vec<u32> {
    let mut values = vec![0u32; count];
    // SAFETY: the target is large enough.
    assert_eq!(unsafe { cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address, 4 * count) }, 0);
    values
}

fn launch(function: usize, threads: u32, stream: usize, mut address: u64) -> c_int {
    let mut parameters = [(&raw mut address).cast::<c_void>()];
    // SAFETY: the kernels here have one parameter.
    unsafe { cuLaunchKernel(function, 1, 1, 1, threads, 1, 1, 0, stream, parameters.as_mut_ptr(), null_mut()) }
}

fn increment() -> String {
    thread_kernel("", "ld.global.u32 %r1, [%rd]; add.s32 %r1, %r1, 1; st.global.u32 [%rd], %r1;")
}

#[test]
fn a_round_trip() {
    let _session = Session::start(&[]);
    let kernel = function(&increment());
    let address = allocate(64);
    assert_eq!(download(address, 1), [0xcdcd_cdcd]);
    // SAFETY: the sizes fit.
    unsafe {
        assert_eq!(cuMemcpyHtoD_v2(address, [5u32; 16].as_ptr().cast(), 64), 0);
        assert_eq!(cuMemsetD32_v2(address + 4, 7, 2), 0);
        assert_eq!(cuMemsetD16Async(address + 12, 3, 1, 0), 0);
    }
    assert_eq!(launch(kernel, 16, 0, address), 0);
    assert_eq!(download(address, 5), [6, 8, 8, 4, 6]);
    // SAFETY: no pointers.
    unsafe {
        assert_eq!(cuMemcpyDtoD_v2(address, address + 4, 8), 0);
        assert_eq!(cuMemsetD8_v2(address + 60, 0, 5), 1);
        assert_eq!(cuMemcpyDtoD_v2(address + 4, address, 64), 1);
        assert_eq!(cuMemFree_v2(address + 4), 1);
        assert_eq!(cuMemFree_v2(address), 0);
        assert_eq!(cuMemFree_v2(address), 1);
    }
}

#[test]
fn a_module_with_an_unknown_instruction() {
    let _session = Session::start(&[]);
    assert_eq!(load(&thread_kernel("", "frobnicate.u32 %r1, %t;")), Err(218));
    assert_eq!(load(&thread_kernel("", "add.rx.f32 %f1, %f1, %f1;")), Err(218));
    assert_eq!(load("no PTX"), Err(200));
    let text = CString::new(thread_kernel("", "frobnicate.u32 %r1, %t;")).unwrap();
    let mut log = vec![0u8; 200];
    let (mut handle, mut options) = (0, [5, 6]);
    let mut values = [log.as_mut_ptr().cast(), 200 as *mut c_void];
    // SAFETY: two options with two values.
    unsafe { cuModuleLoadDataEx(&mut handle, text.as_ptr().cast(), 2, options.as_mut_ptr(), values.as_mut_ptr()) };
    let log = CStr::from_bytes_until_nul(&log).unwrap().to_str().unwrap();
    assert!(log.contains("PTX line") && log.contains("frobnicate.u32"), "{log}");
}

#[test]
fn a_driver_that_is_too_old() {
    let session = Session::start(&[("IRREPLENS_EMULATOR_DRIVER", "11070")]);
    assert_eq!(load(&increment()), Err(222));
    drop(session);
    let _session = Session::start(&[("IRREPLENS_EMULATOR_DRIVER", "11080")]);
    assert!(load(&increment()).is_ok());
    let mut version = 0;
    // SAFETY: the pointer is valid.
    assert_eq!((unsafe { cuDriverGetVersion(&mut version) }, version), (0, 11080));
}

#[test]
fn a_device_that_is_too_small() {
    let session = Session::start(&[("IRREPLENS_EMULATOR_CAPABILITY", "7.5")]);
    assert_eq!(load(&increment()), Err(218));
    drop(session);
    let _session = Session::start(&[("IRREPLENS_EMULATOR_CAPABILITY", "8.0")]);
    assert!(load(&increment()).is_ok());
    let mut major = 0;
    // SAFETY: the pointer is valid.
    assert_eq!((unsafe { cuDeviceGetAttribute(&mut major, 75, 0) }, major), (0, 8));
}

#[test]
fn no_device() {
    let _session = Session::start(&[]);
    // SAFETY: the lock keeps other tests from reading the environment.
    unsafe { std::env::set_var("IRREPLENS_EMULATOR_DEVICES", "0") };
    // SAFETY: no pointers.
    assert_eq!(unsafe { cuInit(0) }, 100);
    // SAFETY: as above.
    unsafe { std::env::remove_var("IRREPLENS_EMULATOR_DEVICES") };
}

#[test]
fn out_of_memory() {
    let _session = Session::start(&[("IRREPLENS_EMULATOR_MEMORY", "1000")]);
    let address = allocate(600);
    let (mut other, mut free, mut total) = (0, 0, 0);
    // SAFETY: the pointers are valid.
    unsafe {
        assert_eq!(cuMemAlloc_v2(&mut other, 401), 2);
        assert_eq!(cuMemGetInfo_v2(&mut free, &mut total), 0);
        assert_eq!((free, total), (400, 1000));
        assert_eq!(cuMemFree_v2(address), 0);
        assert_eq!(cuMemAlloc_v2(&mut other, 1000), 0);
    }
}

#[test]
fn launches_that_no_device_can_make() {
    let _session = Session::start(&[]);
    let kernel = function(&increment());
    let address = allocate(64);
    assert_eq!(launch(kernel, 1025, 0, address), 1);
    assert_eq!(launch(kernel, 0, 0, address), 1);
    assert_eq!(launch(kernel + 1, 1, 0, address), 400);
    // SAFETY: the sizes are checked before the parameters are used.
    unsafe {
        let launch = |shared| {
            let mut address = address;
            let mut parameters = [(&raw mut address).cast::<c_void>()];
            cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, shared, 0, parameters.as_mut_ptr(), null_mut())
        };
        assert_eq!(launch(49153), 1);
        assert_eq!(cuFuncSetAttribute(kernel, 8, 300_000), 1);
        assert_eq!(cuFuncSetAttribute(kernel, 8, 100_000), 0);
    }
}

#[test]
fn a_context_per_thread() {
    let _session = Session::start(&[]);
    let mut address = 0;
    // SAFETY: the pointer is valid.
    let elsewhere = std::thread::spawn(|| unsafe { cuMemAlloc_v2(&mut 0, 8) }).join().unwrap();
    assert_eq!(elsewhere, 201);
    // SAFETY: the pointer is valid.
    unsafe {
        assert_eq!(cuCtxSetCurrent(0), 0);
        assert_eq!(cuMemAlloc_v2(&mut address, 8), 201);
    }
}

#[test]
fn events_take_the_time() {
    let _session = Session::start(&[]);
    let (mut first, mut second, mut elapsed) = (0, 0, -1.0);
    // SAFETY: the pointers are valid.
    unsafe {
        assert_eq!(cuEventCreate(&mut first, 0) + cuEventCreate(&mut second, 0), 0);
        assert_eq!(cuEventElapsedTime(&mut elapsed, first, second), 400);
        assert_eq!(cuEventRecord(first, 0) + cuEventRecord(second, 0), 0);
        assert_eq!(cuEventElapsedTime(&mut elapsed, first, second), 0);
    }
    assert!((0.0..1000.0).contains(&elapsed));
}

#[test]
fn a_fault_without_sticking() {
    let _session = Session::start(&[("IRREPLENS_EMULATOR_STICKY", "0")]);
    let kernel = function(&increment());
    let address = allocate(64);
    assert_eq!(launch(kernel, 17, 0, address), 700);
    assert_eq!(launch(kernel, 16, 0, address), 0);
}

#[test]
fn graphs_are_recorded_and_replayed() {
    let _session = Session::start(&[]);
    let kernel = function(&increment());
    let (address, copy) = (allocate(64), allocate(64));
    let (mut stream, mut graph, mut executable) = (0, 0, 0);
    // SAFETY: the pointers are valid.
    unsafe {
        assert_eq!(cuMemsetD32_v2(address, 10, 16), 0);
        assert_eq!(cuStreamCreate(&mut stream, 1), 0);
        assert_eq!(cuStreamBeginCapture_v2(0, 0), 900);
        assert_eq!(cuStreamBeginCapture_v2(stream, 0), 0);
        assert_eq!(launch(kernel, 16, stream, address), 0);
        assert_eq!(cuMemcpyDtoDAsync_v2(copy, address, 64, stream), 0);
        assert_eq!(cuMemsetD32Async(address, 1, 1, stream), 0);
        assert_eq!(cuStreamEndCapture(stream, &mut graph), 0);
        assert_eq!(download(address, 1), [10]);
        assert_eq!(cuGraphInstantiateWithFlags(&mut executable, graph, 0), 0);
        assert_eq!(cuGraphDestroy(graph), 0);
        assert_eq!(cuGraphLaunch(executable, stream) + cuGraphLaunch(executable, stream), 0);
        assert_eq!((download(copy, 2), download(address, 2)), (vec![2, 12], vec![1, 12]));
        assert_eq!(cuGraphExecDestroy(executable), 0);
        assert_eq!(cuGraphLaunch(executable, stream), 400);

        for mode in [0, 2] {
            assert_eq!(cuStreamBeginCapture_v2(stream, mode), 0);
            assert_eq!(cuStreamSynchronize(stream), 900);
            assert_eq!(launch(kernel, 16, stream, address), 901);
            assert_eq!((cuStreamEndCapture(stream, &mut graph), graph), (901, 0));
        }
        assert_eq!(cuStreamBeginCapture_v2(stream, 0), 0);
        assert_eq!(cuCtxSynchronize(), 900);
        assert_eq!(cuStreamEndCapture(stream, &mut graph), 901);
        assert_eq!(cuStreamDestroy_v2(stream), 0);
    }
}

#[test]
fn launches_are_written_to_files() {
    let directory: PathBuf = std::env::temp_dir().join(format!("emulator-record-{}", std::process::id()));
    let text = directory.to_str().unwrap().to_owned();
    let settings = [("IRREPLENS_EMULATOR_RECORD", text.as_str()), ("IRREPLENS_EMULATOR_RECORD_LIMIT", "300")];
    let _session = Session::start(&settings);
    let kernel = function(&increment());
    let (address, large) = (allocate(12), allocate(400));
    // SAFETY: no pointers.
    assert_eq!(unsafe { cuMemsetD32_v2(address, 1, 3) }, 0);
    assert_eq!(launch(kernel, 2, 0, address), 0);
    assert_eq!(launch(kernel, 2, 0, large), 0);
    let names: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].to_str().unwrap().ends_with("-k.launch"), "{names:?}");
    let mut expected = b"PTXLAUNCH1\nk\n".to_vec();
    [1u32, 1, 1, 2, 1, 1, 0, 1, 8].iter().for_each(|value| expected.extend(value.to_le_bytes()));
    expected.extend(address.to_le_bytes());
    expected.extend(1u32.to_le_bytes());
    [address, 12].iter().for_each(|value| expected.extend(value.to_le_bytes()));
    [1u32, 1, 1, 2, 2, 1].iter().for_each(|value| expected.extend(value.to_le_bytes()));
    assert_eq!(std::fs::read(directory.join(&names[0])).unwrap(), expected);
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn status_codes_have_names() {
    let (mut name, mut text) = (null(), null());
    // SAFETY: the pointers are valid, and the strings static.
    unsafe {
        assert_eq!(cuGetErrorName(700, &mut name) + cuGetErrorString(700, &mut text), 0);
        assert_eq!(CStr::from_ptr(name), c"CUDA_ERROR_ILLEGAL_ADDRESS");
        assert_eq!(CStr::from_ptr(text), c"an illegal memory access was encountered");
        assert_eq!(cuGetErrorName(12345, &mut name), 1);
    }
}

#[test]
fn modules_know_only_their_kernels() {
    let _session = Session::start(&[]);
    let module = load(&module(".visible .entry other() { ret; }")).unwrap();
    // SAFETY: the pointers are valid.
    unsafe {
        assert_eq!(cuModuleGetFunction(&mut 0, module, c"k".as_ptr()), 500);
        assert_eq!(cuModuleGetGlobal_v2(&mut 0, &mut 0, module, c"k".as_ptr()), 500);
        assert_eq!(cuModuleUnload(module), 0);
        assert_eq!(cuModuleUnload(module), 400);
    }
}

//! A fault makes the context unusable until the process ends; hence a test program of its own.

mod common;

use cuda_emulator::driver::device::*;
use cuda_emulator::driver::launch::cuLaunchKernel;
use cuda_emulator::driver::memory::*;
use cuda_emulator::driver::module::*;
use std::ffi::CString;
use std::ptr::null_mut;

#[test]
fn a_fault_sticks() {
    let text = CString::new(common::module(".visible .entry k() { trap; }")).unwrap();
    let (mut context, mut module, mut kernel, mut address) = (0, 0, 0, 0);
    // SAFETY: the pointers are valid, and the kernel has no parameters.
    unsafe {
        assert_eq!(cuMemAlloc_v2(&mut address, 8), 3);
        assert_eq!(cuInit(0) + cuDevicePrimaryCtxRetain(&mut context, 0) + cuCtxSetCurrent(context), 0);
        assert_eq!(cuModuleLoadData(&mut module, text.as_ptr().cast()), 0);
        assert_eq!(cuModuleGetFunction(&mut kernel, module, c"k".as_ptr()), 0);
        assert_eq!(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0, null_mut(), null_mut()), 715);
        assert_eq!(cuCtxSynchronize(), 715);
        assert_eq!(cuMemAlloc_v2(&mut address, 8), 715);
        assert_eq!(cuDevicePrimaryCtxRelease_v2(0), 0);
    }
}

//! Status codes.

use std::ffi::{CStr, c_int};

/// A status code of the driver API other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub c_int);

/// What the bodies of the driver's functions return.
pub type Outcome<T = ()> = Result<T, Status>;

macro_rules! statuses {
    ($($code:literal $constant:ident $text:literal)*) => {
        #[allow(missing_docs)]
        impl Status {
            $(pub const $constant: Self = Self($code);)*

            /// The name in `cuda.h` and a description, if the code is known.
            pub fn names(code: c_int) -> Option<(&'static CStr, &'static CStr)> {
                fn c(text: &'static str) -> &'static CStr {
                    CStr::from_bytes_with_nul(text.as_bytes()).unwrap_or_default()
                }
                Some(match code {
                    0 => (c"CUDA_SUCCESS", c"no error"),
                    $($code => (c(concat!("CUDA_ERROR_", stringify!($constant), "\0")), c(concat!($text, "\0"))),)*
                    _ => return None,
                })
            }
        }
    };
}

statuses! {
    1 INVALID_VALUE "invalid argument"
    2 OUT_OF_MEMORY "out of memory"
    3 NOT_INITIALIZED "initialization error"
    4 DEINITIALIZED "driver shutting down"
    34 STUB_LIBRARY "CUDA driver is a stub library"
    100 NO_DEVICE "no CUDA-capable device is detected"
    101 INVALID_DEVICE "invalid device ordinal"
    200 INVALID_IMAGE "device kernel image is invalid"
    201 INVALID_CONTEXT "invalid device context"
    209 NO_BINARY_FOR_GPU "no kernel image is available for execution on the device"
    218 INVALID_PTX "a PTX JIT compilation failed"
    222 UNSUPPORTED_PTX_VERSION "the provided PTX was compiled with an unsupported toolchain."
    400 INVALID_HANDLE "invalid resource handle"
    401 ILLEGAL_STATE "the operation cannot be performed in the present state"
    500 NOT_FOUND "named symbol not found"
    600 NOT_READY "device not ready"
    700 ILLEGAL_ADDRESS "an illegal memory access was encountered"
    701 LAUNCH_OUT_OF_RESOURCES "too many resources requested for launch"
    702 LAUNCH_TIMEOUT "the launch timed out and was terminated"
    709 CONTEXT_IS_DESTROYED "context is destroyed"
    710 ASSERT "device-side assert triggered"
    715 ILLEGAL_INSTRUCTION "an illegal instruction was encountered"
    716 MISALIGNED_ADDRESS "misaligned address"
    717 INVALID_ADDRESS_SPACE "operation not supported on global/shared address space"
    718 INVALID_PC "invalid program counter"
    719 LAUNCH_FAILED "unspecified launch failure"
    800 NOT_PERMITTED "operation not permitted"
    801 NOT_SUPPORTED "operation not supported"
    900 STREAM_CAPTURE_UNSUPPORTED "operation not permitted when stream is capturing"
    901 STREAM_CAPTURE_INVALIDATED "operation failed due to a previous error during capture"
    905 STREAM_CAPTURE_ISOLATION "dependency created on uncaptured work in another stream"
    999 UNKNOWN "unknown error"
}

//! The driver API: the C functions that programs call, with the signatures of `cuda.h`.
//!
//! Work runs at once, in the calling thread, so that streams are always idle and events only take the time. One lock
//! guards everything. The functions trust their callers' pointers as far as C allows; that is their safety contract,
//! and stated once here.
//!
//! | file | functions |
//! |---|---|
//! | [`device`] | `cuInit`, `cuDevice*`, `cuDevicePrimaryCtx*`, `cuCtx*`, error names |
//! | [`module`] | `cuModule*`, `cuFunc*` |
//! | [`memory`] | `cuMem*` |
//! | [`stream`] | `cuStream*`, `cuEvent*` |
//! | [`graph`] | stream capture, `cuGraph*` |
//! | [`launch`] | `cuLaunchKernel`, and the running of recorded work |
//!
//! [`state`] holds what they share, [`settings`] reads the environment, [`record`] writes launches to files, and
//! [`status`] names the status codes.

pub mod device;
pub mod graph;
pub mod launch;
pub mod memory;
pub mod module;
pub mod record;
pub mod settings;
pub mod state;
pub mod status;
pub mod stream;

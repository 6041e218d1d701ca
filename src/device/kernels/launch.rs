//! The PTX of `cuda/`, loaded and launched, and launches recorded to be made again.

use super::THREADS;
use crate::device::{Device, DeviceInfo, check, cuda, unsupported};
use crate::error::Result;
use cust::module::Module;
use cust::sys;
use std::collections::BTreeMap;
use std::ffi::c_void;

/// The PTX of `cuda/`, and whether it needs compute capability 8.0.
pub(super) const SOURCES: [(&str, bool); 7] = [
    (include_str!("../../../cuda/ptx/matmul.ptx"), false),
    (include_str!("../../../cuda/ptx/forward.ptx"), false),
    (include_str!("../../../cuda/ptx/layers.ptx"), false),
    (include_str!("../../../cuda/ptx/evaluate.ptx"), false),
    (include_str!("../../../cuda/ptx/evaluate_sm80.ptx"), true),
    (include_str!("../../../cuda/ptx/reduce.ptx"), false),
    (include_str!("../../../cuda/ptx/train.ptx"), false),
];

/// The kernels, loaded into a context.
pub(in crate::device) struct Kernels {
    functions: BTreeMap<&'static str, sys::CUfunction>,
    _modules: Vec<Module>,
}

// SAFETY: function handles are plain addresses of the driver's, used only with their context current.
unsafe impl Send for Kernels {}
// SAFETY: as above.
unsafe impl Sync for Kernels {}

impl Kernels {
    /// Loads all kernels into the current context.
    pub fn load(info: &DeviceInfo) -> Result<Self> {
        let mut kernels = Self { functions: BTreeMap::new(), _modules: Vec::new() };
        for (ptx, tensor_cores) in SOURCES {
            if tensor_cores && info.capability < (8, 0) {
                continue;
            }
            // "PTX too new" comes as an unknown error, a wrong target as invalid PTX.
            let module = Module::from_ptx(ptx, &[]).map_err(|error| match error {
                cust::error::CudaError::UnknownError => unsupported(info, "the PTX version"),
                cust::error::CudaError::InvalidPtx | cust::error::CudaError::NoBinaryForGpu => {
                    unsupported(info, "the PTX target")
                }
                error => cuda("cuModuleLoadDataEx", error),
            })?;
            for (name, _) in entries(ptx) {
                let function = module.get_function(name).map_err(|e| cuda("cuModuleGetFunction", e))?;
                kernels.functions.insert(name, function.to_raw());
            }
            kernels._modules.push(module);
        }
        Ok(kernels)
    }
}

/// The kernels in a PTX text, each with the text from its parameters on.
pub(super) fn entries(ptx: &str) -> impl Iterator<Item = (&str, &str)> {
    ptx.split(".visible .entry").skip(1).filter_map(|text| text.trim_start().split_once('('))
}

impl Device {
    /// Launches a kernel on blocks of 256 threads; nothing for an empty grid.
    ///
    /// # Panics
    /// If there is no such kernel, or the grid is beyond the limits of CUDA.
    pub(super) fn launch(&self, entry: &str, grid: [usize; 3], arguments: &[u64]) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let kernels = &self.stream.shared.kernels;
        let &function = kernels.functions.get(entry).unwrap_or_else(|| panic!("no kernel {entry}"));
        assert!(grid[0] < 1 << 31 && grid[1] < 1 << 16 && grid[2] < 1 << 16, "grid {grid:?} of {entry}");
        let address = |word| std::ptr::from_ref::<u64>(word).cast_mut().cast::<c_void>();
        let mut addresses: Vec<*mut c_void> = arguments.iter().map(address).collect();
        self.enter()?;
        let [x, y, z] = grid.map(|blocks| blocks as u32);
        // SAFETY: the arguments are those of the kernel's declaration, which a test holds to the PTX, and they live through
        // the call, which copies the low bytes of each, where a little-endian machine has the number; that the buffers are long enough is for the callers in this crate.
        let code = unsafe {
            let (stream, none) = (self.stream.handle, std::ptr::null_mut());
            sys::cuLaunchKernel(function, x, y, z, THREADS as u32, 1, 1, 0, stream, addresses.as_mut_ptr(), none)
        };
        check("cuLaunchKernel", code)
    }

    /// Records the launches that `f` makes into a graph.
    #[cfg(feature = "train")]
    pub(crate) fn record(&self, f: impl FnOnce() -> Result<()>) -> Result<Graph> {
        self.enter()?;
        let stream = self.stream.handle;
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is live.
        check("cuStreamBeginCapture", unsafe { sys::cuStreamBeginCapture_v2(stream, mode) })?;
        let launched = f();
        let mut graph = std::ptr::null_mut();
        // SAFETY: as above, and a place to write a handle to.
        let ended = check("cuStreamEndCapture", unsafe { sys::cuStreamEndCapture(stream, &mut graph) });
        launched?;
        ended?;
        let mut executable = std::ptr::null_mut();
        // SAFETY: the graph is live until it is destroyed, and is not used after that.
        let made = unsafe {
            let made = check("cuGraphInstantiate", sys::cuGraphInstantiateWithFlags(&mut executable, graph, 0));
            let _ = sys::cuGraphDestroy(graph);
            made
        };
        made.map(|()| Graph { executable, device: self.clone() })
    }
}

/// Launches recorded to be made again, all at once. The buffers that they use must outlive it.
#[cfg(feature = "train")]
pub(crate) struct Graph {
    executable: sys::CUgraphExec,
    device: Device,
}

#[cfg(feature = "train")]
// SAFETY: the handle may be used from any thread with its context current.
unsafe impl Send for Graph {}

#[cfg(feature = "train")]
impl Graph {
    /// Makes the recorded launches.
    pub fn launch(&self) -> Result<()> {
        self.device.enter()?;
        // SAFETY: graph and stream are live.
        check("cuGraphLaunch", unsafe { sys::cuGraphLaunch(self.executable, self.device.stream.handle) })
    }
}

#[cfg(feature = "train")]
impl Drop for Graph {
    fn drop(&mut self) {
        if self.device.enter().is_ok() {
            // SAFETY: the handle is live and not used again. An error has nowhere to go.
            let _ = unsafe { sys::cuGraphExecDestroy(self.executable) };
        }
    }
}

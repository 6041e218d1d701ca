//! The kernels and how they are launched: arguments, products, losses, recorded graphs.

use super::buffer::{Buffer, Plain};
use super::{Device, DeviceInfo, Tile, check, cuda, unsupported};
use crate::error::Result;
use cust::module::Module;
use cust::sys;
use std::collections::BTreeMap;
use std::ffi::c_void;

/// Threads of a block, for every kernel.
const THREADS: u32 = 256;

/// The PTX of `cuda/`, and whether it needs compute capability 8.0.
const SOURCES: [(&str, bool); 6] = [
    (include_str!("../../cuda/ptx/matmul.ptx"), false),
    (include_str!("../../cuda/ptx/forward.ptx"), false),
    (include_str!("../../cuda/ptx/evaluate.ptx"), false),
    (include_str!("../../cuda/ptx/evaluate_sm80.ptx"), true),
    (include_str!("../../cuda/ptx/reduce.ptx"), false),
    (include_str!("../../cuda/ptx/train.ptx"), false),
];

/// The kernels, loaded into a context.
pub(super) struct Kernels {
    functions: BTreeMap<String, Kernel>,
    _modules: Vec<Module>,
}

struct Kernel {
    function: sys::CUfunction,
    /// Bytes of every parameter, from the PTX.
    parameters: Vec<usize>,
}

// SAFETY: function handles are plain addresses of the driver's, used only with their context current.
unsafe impl Send for Kernels {}
// SAFETY: as above.
unsafe impl Sync for Kernels {}

impl Kernels {
    /// Loads them all into the current context.
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
            for (name, parameters) in entries(ptx) {
                let function = module.get_function(&name).map_err(|e| cuda("cuModuleGetFunction", e))?.to_raw();
                kernels.functions.insert(name, Kernel { function, parameters });
            }
            kernels._modules.push(module);
        }
        Ok(kernels)
    }
}

/// The kernels in a PTX text and the sizes of their parameters.
fn entries(ptx: &str) -> Vec<(String, Vec<usize>)> {
    let kernel = |text: &str| {
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let (parameters, _) = rest.split_once(')').unwrap_or((rest, ""));
        let size = |line: &str| match line.split_whitespace().nth(1) {
            Some(".u64" | ".f64" | ".b64") => 8,
            _ => 4,
        };
        let lines = parameters.lines().filter(|line| line.contains(".param"));
        (name.trim().to_owned(), lines.map(|line| size(line.trim())).collect())
    };
    ptx.split(".visible .entry").skip(1).map(kernel).collect()
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    Int(i32),
    Float(f32),
    Double(f64),
    Pointer(u64),
}

impl<T: Plain> From<&Buffer<T>> for Arg {
    fn from(buffer: &Buffer<T>) -> Self {
        Self::Pointer(buffer.at(0))
    }
}

impl<T: Plain> From<&mut Buffer<T>> for Arg {
    fn from(buffer: &mut Buffer<T>) -> Self {
        Self::Pointer(buffer.at(0))
    }
}

impl<T: Plain> From<&std::sync::Arc<Buffer<T>>> for Arg {
    fn from(buffer: &std::sync::Arc<Buffer<T>>) -> Self {
        Self::Pointer(buffer.at(0))
    }
}

impl<T: Plain> From<(&Buffer<T>, usize)> for Arg {
    /// The buffer from this value on.
    fn from((buffer, start): (&Buffer<T>, usize)) -> Self {
        Self::Pointer(buffer.at(start))
    }
}

impl<B> From<Option<B>> for Arg
where
    Arg: From<B>,
{
    /// A null pointer where there is none.
    fn from(buffer: Option<B>) -> Self {
        buffer.map_or(Self::Pointer(0), Arg::from)
    }
}

impl From<usize> for Arg {
    /// # Panics
    /// Beyond 2^31: the callers cut their work so that counts stay below.
    fn from(value: usize) -> Self {
        Self::Int(i32::try_from(value).expect("counts and strides of a launch are below 2^31"))
    }
}

impl From<i32> for Arg {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

impl From<f32> for Arg {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl From<f64> for Arg {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

/// The arguments of a launch.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::device::Arg::from($value)),*] };
}
pub(crate) use args;

/// A row-major matrix within a buffer, or a batch of them: `(outer, inner)` gives the distances between one and the next.
#[derive(Clone, Copy)]
pub(crate) struct Matrix {
    data: u64,
    stride: usize,
    batch: (usize, usize),
}

impl Matrix {
    /// From value `start` of the buffer on, rows `stride` apart.
    pub fn new(buffer: &Buffer<f32>, start: usize, stride: usize) -> Self {
        Self { data: buffer.at(start), stride, batch: (0, 0) }
    }

    /// One of a batch.
    pub fn batch(self, outer: usize, inner: usize) -> Self {
        Self { batch: (outer, inner), ..self }
    }
}

/// A matrix product, or a batch of them: `C (m, n) = A (m, k) B (k, n)`.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// A is stored (k, m).
    pub transpose_a: bool,
    /// B is stored (n, k).
    pub transpose_b: bool,
    pub outer: usize,
    pub inner: usize,
    /// Parts of the k terms, each with a C of its own `split_stride` after the one before, to be added up.
    pub splits: usize,
    pub split_stride: usize,
    pub epilogue: Epilogue,
}

/// What is done with a product on its way to C.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue {
    Store,
    /// max(0, v).
    Relu,
    /// 0 where the matrix in the place of C in this buffer (address) is not positive.
    #[cfg(feature = "train")]
    Mask(u64),
}

#[cfg(feature = "train")]
impl Epilogue {
    /// [`Mask`](Epilogue::Mask) by this buffer.
    pub fn mask(by: &Buffer<f32>) -> Self {
        Self::Mask(by.at(0))
    }
}

impl Product {
    /// One product, stored.
    pub fn new(m: usize, n: usize, k: usize) -> Self {
        Self {
            m,
            n,
            k,
            transpose_a: false,
            transpose_b: false,
            outer: 1,
            inner: 1,
            splits: 1,
            split_stride: 0,
            epilogue: Epilogue::Store,
        }
    }

    /// A batch of `outer` times `inner` such products.
    pub fn batch(self, outer: usize, inner: usize) -> Self {
        Self { outer, inner, ..self }
    }

    /// With max(0, v) of the result.
    pub fn relu(self) -> Self {
        Self { epilogue: Epilogue::Relu, ..self }
    }

    /// A stored (k, m).
    #[cfg(feature = "train")]
    pub fn transpose_a(self) -> Self {
        Self { transpose_a: true, ..self }
    }

    /// B stored (n, k).
    pub fn transpose_b(self) -> Self {
        Self { transpose_b: true, ..self }
    }

    /// Computes it.
    pub fn run(self, device: &Device, a: Matrix, b: Matrix, c: Matrix) -> Result<()> {
        let Self { m, n, k, outer, inner, splits, split_stride, .. } = self;
        let batches = outer * inner * splits;
        let size = device.tile(m.div_ceil(128) * n.div_ceil(128) * batches).size();
        let layout = match (self.transpose_a, self.transpose_b) {
            (false, false) => "nn",
            (false, true) => "nt",
            (true, false) => "tn",
            (true, true) => unreachable!("no product here needs both transposed"),
        };
        let (epilogue, mask) = match self.epilogue {
            Epilogue::Store => (0, 0),
            Epilogue::Relu => (1, 0),
            #[cfg(feature = "train")]
            Epilogue::Mask(address) => (2, address),
        };
        let name = format!("matmul_{layout}_{size}");
        let grid = [m.div_ceil(size), n.div_ceil(size), batches];
        device.launch(
            &name,
            grid,
            args![
                m,
                n,
                k,
                Arg::Pointer(a.data),
                a.stride,
                a.batch.0,
                a.batch.1,
                Arg::Pointer(b.data),
                b.stride,
                b.batch.0,
                b.batch.1,
                Arg::Pointer(c.data),
                c.stride,
                c.batch.0,
                c.batch.1,
                inner,
                splits,
                split_stride,
                epilogue,
                Arg::Pointer(mask),
            ],
        )
    }
}

/// Losses of pairs whose logits are never stored, by block of pairs.
pub(crate) struct Evaluation {
    pub pairs: usize,
    /// Order of the group.
    pub order: usize,
    /// Number of neurons.
    pub width: usize,
    /// The maps that make the neurons (n, width) and how they are combined, where these are not `hidden`: (pairs, width).
    pub maps: [Arg; 2],
    pub combiner: i32,
    pub hidden: Arg,
    /// (width, n), and what is added to the logits, if anything: (n).
    pub unembed: Arg,
    pub offset: Arg,
    /// The label of every pair; the list of these pairs, or none for those from `first` on.
    pub labels: Arg,
    pub list: Arg,
    pub first: usize,
    /// Where the loss of every pair, and whether it is right, are wanted.
    pub losses: Arg,
    pub hits: Arg,
    /// Where the sums of every block are wanted: loss and square norm of the centred logits; number of right pairs.
    pub block_sums: Arg,
    pub block_hits: Arg,
}

impl Evaluation {
    /// Computes them.
    pub fn run(self, device: &Device) -> Result<()> {
        let (name, size) = device.evaluation(self.pairs);
        let [left, right] = self.maps;
        let arguments = args![
            self.pairs,
            self.order,
            self.width,
            left,
            right,
            self.hidden,
            self.combiner,
            self.unembed,
            self.offset,
            self.labels,
            self.list,
            self.first,
            self.losses,
            self.hits,
            self.block_sums,
            self.block_hits,
        ];
        device.launch(name, [self.pairs.div_ceil(size), 1, 1], arguments)
    }
}

impl Device {
    /// Launches a kernel on blocks of 256 threads; nothing for an empty grid.
    ///
    /// # Panics
    /// If there is no such kernel, its parameters are others, or the grid is beyond the limits of CUDA.
    pub(crate) fn launch(&self, name: &str, grid: [usize; 3], arguments: &[Arg]) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let kernels = &self.stream.shared.kernels;
        let kernel = kernels.functions.get(name).unwrap_or_else(|| panic!("no kernel {name}"));
        assert!(grid[0] < 1 << 31 && grid[1] < 1 << 16 && grid[2] < 1 << 16, "grid {grid:?} of {name}");
        let size = |argument: &Arg| if matches!(argument, Arg::Int(_) | Arg::Float(_)) { 4 } else { 8 };
        assert!(arguments.iter().map(size).eq(kernel.parameters.iter().copied()), "arguments of {name}: {arguments:?}");
        let address = |argument: &Arg| -> *mut c_void {
            match argument {
                Arg::Int(value) => std::ptr::from_ref(value) as *mut c_void,
                Arg::Float(value) => std::ptr::from_ref(value) as *mut c_void,
                Arg::Double(value) => std::ptr::from_ref(value) as *mut c_void,
                Arg::Pointer(value) => std::ptr::from_ref(value) as *mut c_void,
            }
        };
        let mut addresses: Vec<*mut c_void> = arguments.iter().map(address).collect();
        self.enter()?;
        let [x, y, z] = grid.map(|blocks| blocks as u32);
        // SAFETY: every parameter of the kernel has an argument of its size (checked above); the arguments live through
        // the call, which copies them; that pointers lie in live buffers, long enough, is for the callers in this crate.
        let code = unsafe {
            let (stream, none) = (self.stream.handle, std::ptr::null_mut());
            sys::cuLaunchKernel(kernel.function, x, y, z, THREADS, 1, 1, 0, stream, addresses.as_mut_ptr(), none)
        };
        check("cuLaunchKernel", code)
    }

    /// Launches a kernel on one thread for each of `count` items, in a batch of `batch`.
    pub(crate) fn launch_over(&self, name: &str, count: usize, batch: usize, arguments: &[Arg]) -> Result<()> {
        self.launch(name, [count.div_ceil(THREADS as usize), batch, 1], arguments)
    }

    /// Tiles of a product that has so many large ones: small, until large ones fill the device.
    fn tile(&self, large: usize) -> Tile {
        self.tile.unwrap_or(if large >= 512 { Tile::Large } else { Tile::Small })
    }

    /// Blocks of an [`Evaluation`] of so many pairs.
    pub(crate) fn evaluation_blocks(&self, pairs: usize) -> usize {
        pairs.div_ceil(self.evaluation(pairs).1)
    }

    /// The kernel that evaluates so many pairs, and how many a block has.
    fn evaluation(&self, pairs: usize) -> (&'static str, usize) {
        if self.tile.is_none() && self.has_fast_tf32() {
            return ("evaluate_tf32", 128);
        }
        match self.tile(pairs.div_ceil(128)) {
            Tile::Small => ("evaluate_64", 64),
            Tile::Large => ("evaluate_128", 128),
        }
    }

    /// Whether products of a tensor-core kernel are faster here: three TF32 products for one in f32 pay where TF32 is
    /// several times as fast, which is on the data-centre devices of capability 8.0, 9.0 and 10.0.
    fn has_fast_tf32(&self) -> bool {
        matches!(self.info().capability, (8..=10, 0))
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

#[cfg(feature = "train")]
/// Launches recorded to be made again, all at once. The buffers that they use must outlive it.
pub(crate) struct Graph {
    executable: sys::CUgraphExec,
    device: Device,
}

#[cfg(feature = "train")]
// SAFETY: the handle may be used from any thread with its context current.
unsafe impl Send for Graph {}

#[cfg(feature = "train")]
impl Graph {
    /// Launches what was recorded.
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

//! Checkpoints: a run's weights and its `cfg.json`, read from files that may be damaged or hostile.
//!
//! A run is a folder with a `cfg.json` ([`RunConfig`]) and a weights file of PyTorch's or of safetensors, under whatever
//! name; a run of this crate's own also has its task and the weights along the way ([`Run`] lists the
//! files). [`read_tensors`] reads either into named [`Tensors`], [`matrix`] and [`vector`] take
//! checked weights out of them, and [`write_safetensors`] writes them back.
//!
//! # Contract
//! 1. Reading executes nothing, whatever the file says: a Python object that a pickle names is never made, called or
//!    imported; it stands for its name and its state.
//! 2. Reading never panics and needs memory in proportion to the file's own size, whatever its headers claim; a compressed
//!    `.npz` archive unfolds within the [budget](crate::memory::budget).
//! 3. Every error names the file and the tensor, key or entry at fault, what was expected and what was got.
//! 4. What this crate writes as safetensors carries a checksum, and a file that carries one is held to it when it is read.
//! 5. Writing is atomic: a crash or a full disk leaves the old file or the new one, never a mixture.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`Tensor`], [`Tensors`], [`read_tensors`], [`matrix`], [`vector`] |
//! | `config.rs`, `optimiser.rs` | [`RunConfig`]: `cfg.json`; the [`Optimiser`] in it |
//! | `run.rs` | [`Run`]: a run directory, its group, its split, its model and its checkpoints |
//! | `inferred.rs` | weights without settings: the networks that they could be |
//! | `checkpoints.rs` | the checkpoints of a run, by the epochs in their names |
//! | `history.rs` | [`History`]: its `metrics.csv` |
//! | `task_file.rs` | `task.safetensors`: the Cayley table and the training pairs of a run |
//! | `network.rs` | the parameters of a network from its tensors, by all their names; a transformer's description from them |
//! | `bias.rs` | names of output biases, and biases that no model has a place for |
//! | `npz.rs`, `npy.rs` | [`read_precomputed`]: activations recorded elsewhere |
//! | `recorded.rs` | recorded activations as a [`Run`] |
//! | `weights.rs` | the weights file of a folder, by any name, and shards with an index |
//! | `torch.rs` | [`torch`]: the files of `torch.save`, since PyTorch 1.6 and before |
//! | `pickle.rs`, `machine.rs`, `calls.rs` | the unpickler behind it, which makes no objects |
//! | `listing.rs` | where in a pickle its tensors lie |
//! | `select.rs` | which of them are the weights |
//! | `zip.rs` | the reader of stored zip entries behind it |
//! | `safetensors.rs` | [`safetensors`], [`write_safetensors`] |
//! | `checksum.rs` | the checksum in a safetensors file that this crate wrote |
//! | `element.rs` | element types and their decoding |
//! | `file.rs` | [`atomic_write`] and the checks on any file read |

mod bias;
mod calls;
mod checkpoints;
mod checksum;
mod config;
mod element;
mod file;
mod history;
mod inferred;
mod listing;
mod machine;
mod model_settings;
mod network;
mod npy;
mod npz;
mod optimiser;
mod pickle;
mod recorded;
mod rules;
mod run;
mod run_group;
pub mod safetensors;
mod select;
mod task_file;
pub mod torch;
mod weights;
mod zip;

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array, Array1, Array2, ArrayD, Dimension};

use crate::error::{Error, Result, TensorFault};

#[cfg(feature = "train")]
pub(crate) use checkpoints::checkpoints_in;
#[cfg(feature = "train")]
pub(crate) use checksum::{Checksum, verify};
pub use config::{GroupKind, Layers, LrDecay, RunConfig};
#[cfg(feature = "train")]
pub(crate) use file::TEMPORARY;
pub use file::atomic_write;
pub use history::History;
pub use model_settings::{ModelKind, ModelSettings};
pub use npz::{read_precomputed, read_precomputed_bytes};
pub use optimiser::Optimiser;
pub use run::Run;
#[cfg(feature = "train")]
pub(crate) use run_group::{ELEMENT_ORDER, SYMPY};
pub use safetensors::write_safetensors;
#[cfg(feature = "train")]
pub(crate) use task_file::GROUP;

/// One array out of a checkpoint, in row-major (logical) order whatever its strides were.
///
/// # Example
/// ```
/// use irreplens::checkpoint::Tensor;
/// use ndarray::ArrayD;
///
/// let tensor = Tensor::F32(ArrayD::zeros(vec![2, 3]));
/// assert_eq!((tensor.shape(), tensor.dtype()), (&[2, 3][..], "f32"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Tensor {
    /// 32-bit floats; those of 16 bits (IEEE half and bfloat16) and 8 bits (E4M3, E5M2) are widened to these exactly.
    F32(ArrayD<f32>),
    /// 64-bit floats.
    F64(ArrayD<f64>),
    /// Integers of any width that fit in 64 signed bits.
    I64(ArrayD<i64>),
    /// Truth values; any nonzero byte is true.
    Bool(ArrayD<bool>),
    /// A tensor that is passed over: complex, quantised, sparse and the like.
    Unread {
        /// Its element type or what makes it, as the file names it.
        what: String,
        /// The extents of the axes, where the file states them.
        shape: Vec<usize>,
    },
}

/// The arrays of a checkpoint by name, sorted.
pub type Tensors = BTreeMap<String, Tensor>;

impl Tensor {
    /// The extents of the axes; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(a) => a.shape(),
            Self::F64(a) => a.shape(),
            Self::I64(a) => a.shape(),
            Self::Bool(a) => a.shape(),
            Self::Unread { shape, .. } => shape,
        }
    }

    /// The element type in memory: `f32`, `f64`, `i64` or `bool`; of a tensor that is not read, the file's name for it.
    pub fn dtype(&self) -> &str {
        match self {
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::I64(_) => "i64",
            Self::Bool(_) => "bool",
            Self::Unread { what, .. } => what,
        }
    }
}

struct Contents {
    tensors: Tensors,
    /// What a reader ought to know, in sentences.
    notes: Vec<String>,
    /// Where in training the file says that it is from: `epoch` 100, say.
    recorded: Vec<(&'static str, i64)>,
}

impl Contents {
    fn note_unread(&mut self) {
        for (name, tensor) in &self.tensors {
            if let Tensor::Unread { what, .. } = tensor {
                self.notes.push(format!("tensor `{}` is not read: {}", file::shown(name), file::shown(what)));
            }
        }
    }
}

/// Reads the tensors of a weights file of any name, or of the shards that a `*.index.json` lists.
///
/// The first bytes decide: a JSON header is safetensors', a zip archive or a pickle PyTorch's; failing both, the
/// extension says which reader names the fault. Of a PyTorch file with several dictionaries of tensors one is read, see
/// [`torch::read_bytes`].
///
/// # Errors
/// The errors of [`torch::read_bytes`] and [`safetensors::read_bytes`]; [`Error::Io`] if the file cannot be read, with the
/// files there are, and [`Error::Format`] if `path` is no file or an index does not list shards beside it.
///
/// # Cost
/// The file is read whole; memory is at most a small multiple of its size.
///
/// # Example
/// ```no_run
/// use irreplens::checkpoint::{matrix, read_tensors};
///
/// let path = "runs/D53/model.pt".as_ref();
/// let tensors = read_tensors(path)?;
/// let left = matrix(path, &tensors, &["W_E_a", "W_x", "W1a"])?;
/// println!("{} elements, embedding of width {}", left.nrows(), left.ncols());
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn read_tensors(path: impl AsRef<Path>) -> Result<Tensors> {
    weights::read(path.as_ref(), &select::Wanted::default()).map(|contents| contents.tensors)
}

/// Takes the first of the named tensors that is there, as a finite matrix of `f32`.
///
/// # Arguments
/// `path`: the file, for errors; `names`: alternative names in order of preference.
///
/// # Returns
/// The matrix; `f64` values are rounded to `f32`.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::Tensor`] for integers and truth values, [`Error::Tensor`] for a NaN or infinity, also
/// one that the rounding made.
///
/// # Example
/// ```
/// use irreplens::checkpoint::{Tensor, Tensors, matrix};
///
/// let tensors = Tensors::from([("W_x".to_owned(), Tensor::F32(ndarray::ArrayD::ones(vec![5, 2])))]);
/// let left = matrix("model.pt".as_ref(), &tensors, &["W_E_a", "W_x"])?;
/// assert_eq!(left.dim(), (5, 2));
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn matrix(path: &Path, tensors: &Tensors, names: &[&str]) -> Result<Array2<f32>> {
    floats(path, tensors, names)
}

/// Takes the first of the named tensors that is there, as a finite vector of `f32`.
///
/// # Errors
/// As for [`matrix`].
pub fn vector(path: &Path, tensors: &Tensors, names: &[&str]) -> Result<Array1<f32>> {
    floats(path, tensors, names)
}

/// [`Error::MissingTensor`] for alternative names, with the type and the shape of every tensor that is there.
fn missing(path: &Path, names: &[&str], tensors: &Tensors) -> Error {
    let listed = |(name, t): (&String, &Tensor)| format!("{} ({} {:?})", file::shown(name), t.dtype(), t.shape());
    let (expected, got) = (names.iter().map(|&n| n.to_owned()).collect(), tensors.iter().map(listed).collect());
    Error::MissingTensor { path: path.into(), expected, got, step: None }
}

fn floats<D: Dimension>(path: &Path, tensors: &Tensors, names: &[&str]) -> Result<Array<f32, D>> {
    let Some((name, tensor)) = names.iter().find_map(|&n| tensors.get_key_value(n)) else {
        return Err(missing(path, names, tensors));
    };
    let array = match tensor {
        Tensor::F32(a) => a.clone(),
        Tensor::F64(a) => a.mapv(|v| v as f32),
        other => {
            let (expected, got) = ("floating-point weights", other.dtype().to_owned());
            return Err(TensorFault::Unfit { expected, got }.of(path, name));
        }
    };
    // Positions are found only once something is amiss: the plain scan is many times faster.
    if !array.iter().all(|v| v.is_finite())
        && let Some((index, &got)) = array.indexed_iter().find(|(_, v)| !v.is_finite())
    {
        return Err(TensorFault::NonFinite { index: index.slice().to_vec(), got: got.into() }.of(path, name));
    }
    let shape = array.shape().to_vec();
    array
        .into_dimensionality()
        .map_err(|_| TensorFault::Rank { expected: D::NDIM.unwrap_or_default(), got: shape }.of(path, name))
}

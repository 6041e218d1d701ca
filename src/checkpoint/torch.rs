//! PyTorch's `torch.save` files, read without Python and without running anything.
//!
//! The file is a zip archive of stored entries: `<name>/data.pkl`, a pickle of the state dict in which each storage is a
//! persistent id, `<name>/data/<key>`, the storages' bytes, and `<name>/byteorder`. A tensor is a strided window into a
//! storage: element `(i, j, ..)` is number `offset + i stride[0] + j stride[1] + ..` of it.
//!
//! Source: PyTorch `torch/serialization.py`, `torch/_utils.py`; written since PyTorch 1.6.

use std::path::Path;

use super::element::places;
use super::file::{check, shown};
use super::pickle::{self, TensorInfo};
use super::{Tensor, Tensors, zip};
use crate::error::{Error, Result};

/// Tensors may unfold to this many times the file's bytes (8-bit integers become 64-bit ones, storages are shared) ...
const UNFOLD: usize = 16;
/// ... and this many bytes more.
const ALLOWANCE: usize = 1 << 16;
/// What a tensor costs besides its elements, and per axis.
const TENSOR_COST: usize = 256;
const AXIS_COST: usize = 16;

/// Reads the state dict in the bytes of a `torch.save` file.
///
/// The dictionary may be the top object or lie in it under `state_dict`, `model_state_dict` or `model`. Values that are
/// not tensors are left out; parameters are read as their tensors.
///
/// # Arguments
/// `bytes`: the whole file; `path`: its name, for errors only.
///
/// # Returns
/// The tensors in row-major order, whatever their strides.
///
/// # Errors
/// - [`Error::LfsPointer`] and [`Error::Format`] for what is not such a file: empty, cut short, compressed, Zip64,
///   big-endian, of the format before PyTorch 1.6, without a state dict.
/// - [`Error::UnsafePickle`] for a pickle that names any object but ordered dictionaries, tensors, parameters and
///   storages of the types in [`Tensor`]; [`Error::Pickle`] for a damaged one.
/// - [`Error::TensorLayout`] for negative or overflowing shapes, strides and offsets and for a missing storage or one of
///   another size than stated; [`Error::TensorOutOfRange`] for a tensor that reaches past its storage.
/// - [`Error::TensorsTooLarge`] if the tensors together would need more than 16 times the file's size (and 64 KiB): an
///   expanded tensor can state any number of elements.
/// - [`Error::Duplicate`] for an entry or a tensor that occurs twice.
///
/// # Cost
/// Linear in the file's size, in time and memory.
///
/// # Example
/// ```standalone_crate
/// use irreplens::checkpoint::torch;
///
/// let bytes = include_bytes!("../../tests/data/torch/dtypes.pt");
/// let tensors = torch::read_bytes(bytes, "dtypes.pt".as_ref())?;
/// assert_eq!(tensors["f32"].shape(), [2, 3]);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn read_bytes(bytes: &[u8], path: &Path) -> Result<Tensors> {
    check(bytes, path)?;
    let bad = |expected, got: String| Error::Format { path: path.into(), expected, got };
    if !bytes.starts_with(zip::LOCAL_SIGNATURE) {
        let got = match bytes {
            [0x80, ..] => "a bare pickle, the format before PyTorch 1.6: load it there and torch.save it again",
            _ => "something else",
        };
        return Err(bad("the zip archive that torch.save writes", got.into()));
    }
    let entries = zip::entries(bytes, path)?;
    let mut pickles = entries.iter().filter_map(|(name, data)| Some((name.strip_suffix("data.pkl")?, *data)));
    let pickles = pickles.by_ref().filter(|(root, _)| root.is_empty() || root.ends_with('/'));
    let [(root, pickle)] = pickles.take(2).collect::<Vec<_>>()[..] else {
        return Err(bad("one entry `data.pkl` in the archive", format!("none or several in {}", entries.len())));
    };
    if let Some(&order) = entries.get(&*format!("{root}byteorder"))
        && order != b"little"
    {
        return Err(bad("byte order `little`", shown(&String::from_utf8_lossy(&order[..order.len().min(120)]))));
    }

    let state = pickle::state_dict(pickle, path)?;
    let limit = bytes.len().saturating_mul(UNFOLD).saturating_add(ALLOWANCE);
    let (mut tensors, mut total) = (Tensors::new(), 0usize);
    for (name, info) in state.tensors() {
        let layout = Layout::of(&info).map_err(|(expected, got)| layout_error(path, name, expected, got))?;
        let cost = layout.places.checked_mul(info.storage.dtype.memory());
        let cost = cost.unwrap_or(usize::MAX).saturating_add(TENSOR_COST + AXIS_COST * layout.shape.len());
        total = total.saturating_add(cost);
        if total > limit {
            return Err(Error::TensorsTooLarge { path: path.into(), tensor: shown(name), expected: limit, got: total });
        }
        let storage = entries.get(&*format!("{root}data/{}", info.storage.key));
        let storage = *storage.ok_or_else(|| {
            layout_error(path, name, "its storage in the archive", format!("no entry `{}`", shown(info.storage.key)))
        })?;
        let tensor = layout.read(storage, &info, name, path)?;
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(Error::Duplicate { path: path.into(), name: shown(name) });
        }
    }
    Ok(tensors)
}

fn layout_error(path: &Path, name: &str, expected: &'static str, got: String) -> Error {
    Error::TensorLayout { path: path.into(), tensor: shown(name), expected, got }
}

/// A tensor's window into its storage, checked for overflow.
struct Layout {
    shape: Vec<usize>,
    stride: Vec<usize>,
    offset: usize,
    /// Elements of the tensor.
    places: usize,
    /// Elements of the storage up to the last one it reaches.
    reach: usize,
}

impl Layout {
    fn of(info: &TensorInfo) -> Result<Self, (&'static str, String)> {
        let counts = |ints: &[i64]| ints.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>();
        let shape = counts(&info.shape).map_err(|_| ("a shape of counts", format!("{:?}", info.shape)))?;
        let stride = counts(&info.stride).map_err(|_| ("strides from 0 up", format!("{:?}", info.stride)))?;
        let offset = usize::try_from(info.offset).map_err(|_| ("an offset from 0 up", format!("{}", info.offset)))?;
        let places = places(&shape).ok_or_else(|| ("a shape that fits in memory", format!("{shape:?}")))?;
        let reach = if places == 0 {
            0
        } else {
            let steps = shape
                .iter()
                .zip(&stride)
                .try_fold(offset, |at, (&n, &step)| (n - 1).checked_mul(step).and_then(|far| at.checked_add(far)));
            let last = steps.and_then(|at| at.checked_add(1));
            last.ok_or_else(|| ("strides that fit in memory", format!("{stride:?} for shape {shape:?}")))?
        };
        Ok(Self { shape, stride, offset, places, reach })
    }

    fn read(&self, storage: &[u8], info: &TensorInfo, name: &str, path: &Path) -> Result<Tensor> {
        let dtype = info.storage.dtype;
        let len = storage.len() / dtype.size();
        if !storage.len().is_multiple_of(dtype.size()) || usize::try_from(info.storage.len) != Ok(len) {
            let got = format!("{} bytes for {} elements of {dtype:?}", storage.len(), info.storage.len);
            return Err(layout_error(path, name, "a storage of the stated size", got));
        }
        if self.reach > len {
            return Err(Error::TensorOutOfRange {
                path: path.into(),
                tensor: shown(name),
                expected: self.reach,
                got: len,
            });
        }
        dtype
            .gather(storage, &self.shape, self.indices())
            .ok_or_else(|| layout_error(path, name, "an array in memory", format!("shape {:?}", self.shape)))
    }

    /// Storage index of every element in row-major order. The step past the end of an axis may wrap around; it is
    /// undone before the next index is given.
    fn indices(&self) -> impl Iterator<Item = usize> {
        let (mut index, mut at) = (vec![0; self.shape.len()], self.offset);
        (0..self.places).map(move |_| {
            let here = at;
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at = at.wrapping_add(self.stride[axis]);
                if index[axis] < self.shape[axis] {
                    break;
                }
                at = at.wrapping_sub(self.stride[axis].wrapping_mul(self.shape[axis]));
                index[axis] = 0;
            }
            here
        })
    }
}

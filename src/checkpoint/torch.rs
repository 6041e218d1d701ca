//! PyTorch's `torch.save` files, read without Python and without running anything.
//!
//! Since PyTorch 1.6 the file is a zip archive of stored entries: `<name>/data.pkl`, a pickle in which each storage is a
//! persistent id, `<name>/data/<key>`, the storages' bytes, and `<name>/byteorder`; TorchScript's archives
//! (`torch.jit.save`) have the same entries and code beside them. Before, it was five things in a row: the pickles of a
//! magic number, a version, the machine's properties, the object and the storages' keys, then the storages, each after
//! its length. A tensor is a strided window into a storage: element `(i, j, ..)` is number
//! `offset + i stride[0] + j stride[1] + ..` of it.
//!
//! Source: PyTorch `torch/serialization.py`, `torch/_utils.py`.

use std::collections::BTreeMap;
use std::path::Path;

use super::bias::is_bias;
use super::checkpoints::COUNTS;
use super::element::{Dtype, places};
use super::file::{check, shown, twice};
use super::listing::{Listing, Name};
use super::machine::Machine;
use super::pickle::{Class, Elements, Object, RawTensor, Storage, Value};
use super::select::{Choice, Wanted, choose};
use super::{Contents, Tensor, Tensors, zip};
use crate::error::{Error, Result, TensorFault};

/// Tensors may unfold to this many times the file's bytes (8-bit integers become 64-bit ones, storages are shared) ...
const UNFOLD: usize = 16;
/// ... and this many bytes more.
const ALLOWANCE: usize = 1 << 16;
/// What a tensor costs besides its elements, and per axis.
const TENSOR_COST: usize = 256;
const AXIS_COST: usize = 16;
/// The pickle with which a file of the format before PyTorch 1.6 starts: the number 0x1950a86a20f9469cfc6c.
const LEGACY: [&[u8]; 2] = [b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", b"L119547037146038801333356L\n."];

/// Whether a file starts as those of the format before PyTorch 1.6 do, in any protocol.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let after_protocol = if bytes.first() == Some(&0x80) { bytes.get(2..).unwrap_or_default() } else { bytes };
    LEGACY.iter().any(|start| after_protocol.starts_with(start))
}

/// Reads a state dict in the bytes of a `torch.save` file, of the format since PyTorch 1.6 or of the one before.
///
/// Among all dictionaries and modules with tensors in them, the one whose path has only the usual words in it is taken
/// (`state_dict`, `model`, `net`, ...), or the only one, or the last of a history (`checkpoints[9]`); tensors beside it
/// do not hide it. Values that are not tensors are left out; parameters and subclasses are read as their tensors. A
/// module saved whole gives what its `state_dict()` has. No object that the file names is made: it is passed over.
///
/// # Arguments
/// `bytes`: the whole file; `path`: its name, for errors only.
///
/// # Returns
/// The tensors in row-major order, whatever their strides; [`Tensor::Unread`] for complex, quantised and the like.
///
/// # Errors
/// - [`Error::Format`] for what is not such a file: a Git LFS pointer, empty, cut short, compressed, Zip64,
///   big-endian, a tar archive of PyTorch 0.1, a pickle made without `torch.save`, without a state dict.
/// - [`Error::SeveralWeights`] for several state dicts of which none is the usual one: [`read_entry`] takes the one asked
///   for.
/// - [`Error::UnsafePickle`] where an object takes the place of the state dict; [`Error::Pickle`] for a damaged pickle.
/// - [`Error::Tensor`] for negative or overflowing shapes, strides and offsets and for a missing storage or one of
///   another size than stated; [`Error::Tensor`] for a tensor that reaches past its storage.
/// - [`Error::Tensor`] if the tensors together would need more than 16 times the file's size (and 64 KiB): an
///   expanded tensor can state any number of elements.
/// - [`Error::Format`] for an entry or a tensor that occurs twice.
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
    read(bytes, path, &Wanted::default()).map(|contents| contents.tensors)
}

/// Reads the state dict at a path inside the file: `ema`, `model_checkpoints[3]`, `runs[0].state_dict`, `.` for the top.
///
/// # Arguments
/// As for [`read_bytes`]; `entry`: keys with dots between them, positions in lists and numbered keys in brackets. Where
/// there is no state dict at `entry` but several in it, the rule of [`read_bytes`] picks one of those.
///
/// # Errors
/// The errors of [`read_bytes`], and [`Error::Format`] with the entries there are where there is none of that name.
///
/// # Example
/// ```standalone_crate
/// use irreplens::checkpoint::torch;
///
/// let bytes = include_bytes!("../../tests/data/torch/nested.pt");
/// let tensors = torch::read_entry(bytes, "nested.pt".as_ref(), "model")?;
/// assert_eq!(tensors["layer.bias"].shape(), [2]);
/// assert!(torch::read_entry(bytes, "nested.pt".as_ref(), "ema").is_err());
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn read_entry(bytes: &[u8], path: &Path, entry: &str) -> Result<Tensors> {
    read(bytes, path, &Wanted { names: &[], entry: Some(entry) }).map(|contents| contents.tensors)
}

pub(super) fn read(bytes: &[u8], path: &Path, wanted: &Wanted<'_>) -> Result<Contents> {
    check(bytes, path)?;
    let bad = |expected, got: String| Error::format(path, expected, got);
    if u32::try_from(bytes.len()).is_err() {
        return Err(bad("a file below 4 GiB", format!("{} bytes", bytes.len())));
    }
    let limit = bytes.len().saturating_mul(UNFOLD).saturating_add(ALLOWANCE);
    if !bytes.starts_with(zip::LOCAL_SIGNATURE) {
        if is_legacy(bytes) {
            return read_legacy(bytes, path, wanted, limit);
        }
        let got = match bytes {
            _ if bytes.get(257..262) == Some(b"ustar") => {
                "a tar archive, the format before PyTorch 0.2: load it there and torch.save it again"
            }
            [0x80, 0..=5, ..] => "a pickle that torch.save did not write: load it in Python and torch.save its tensors",
            _ => "something else",
        };
        return Err(bad("the zip archive that torch.save writes", got.into()));
    }
    let entries = zip::entries(bytes, path)?;
    let mut pickles = entries.iter().filter_map(|(name, data)| Some((name.strip_suffix("data.pkl")?, *data)));
    let pickles = pickles.by_ref().filter(|(root, _)| root.is_empty() || root.ends_with('/'));
    let [(root, pickle)] = pickles.take(2).collect::<Vec<_>>()[..] else {
        let any = |end: &str| entries.keys().any(|name| name.ends_with(end));
        let got = if any(".npy") {
            "an .npz archive of arrays: read it with `read_precomputed`".into()
        } else if any("model.json") && any(".py") {
            "a TorchScript archive from before PyTorch 1.4: load it there and save its state_dict".into()
        } else {
            let names: Vec<String> = entries.keys().take(5).map(|name| format!("`{}`", shown(name))).collect();
            format!("none or several in {} ({})", entries.len(), names.join(", "))
        };
        return Err(bad("one entry `data.pkl` in the archive", got));
    };
    let pickle = zip::stored(pickle, &format!("{root}data.pkl"), path)?;
    if let Some(&order) = entries.get(&*format!("{root}byteorder"))
        && order != Some(b"little")
    {
        let order = order.unwrap_or_default();
        return Err(bad("byte order `little`", shown(&String::from_utf8_lossy(&order[..order.len().min(120)]))));
    }
    let mut machine = Machine::new(pickle, path);
    let top = machine.run()?;
    let storage = |key: &str| -> Option<&[u8]> { *entries.get(&*format!("{root}data/{key}"))? };
    Reading { machine: &machine, storage: &storage, limit, path }.state_dict(top, wanted)
}

fn read_legacy(bytes: &[u8], path: &Path, wanted: &Wanted<'_>, limit: usize) -> Result<Contents> {
    let bad = |expected, got: String| Error::format(path, expected, got);
    let mut machine = Machine::new(bytes, path);
    let (_magic, version) = (machine.run()?, machine.run()?);
    if !matches!(version, Value::Int(n) if machine.ints[n as usize] == 1001) {
        return Err(bad("version 1001 of torch.save", "another".into()));
    }
    let system = machine.run()?;
    if machine.items_of(system).any(|(key, value)| {
        matches!(key, Value::Text(key) if machine.texts[key as usize] == "little_endian") && value == Value::Bool(false)
    }) {
        return Err(bad("byte order `little`", "big-endian numbers".into()));
    }
    let (top, keys) = (machine.run()?, machine.run()?);
    let classes: BTreeMap<&str, Class<'_>> = machine.storages.iter().map(|s| (s.key, s.class)).collect();
    let mut storages = BTreeMap::new();
    let mut rest = &bytes[machine.position()..];
    for (_, key) in machine.items_of(keys) {
        let Value::Text(key) = key else { return Err(bad("storages named by texts", "another key".into())) };
        let key = machine.texts[key as usize];
        let storage = (|| {
            let (count, data) = rest.split_first_chunk()?;
            let size = classes.get(key)?.element_size()?;
            data.split_at_checked(usize::try_from(i64::from_le_bytes(*count)).ok()?.checked_mul(size)?)
        })();
        let Some((storage, left)) = storage else {
            let got = format!("{} bytes left for storage `{}` and those after it", rest.len(), shown(key));
            return Err(bad("storages of known types and of the lengths stated", got));
        };
        storages.insert(key, storage);
        rest = left;
    }
    let storage = |key: &str| -> Option<&[u8]> { storages.get(key).copied() };
    Reading { machine: &machine, storage: &storage, limit, path }.state_dict(top, wanted)
}

/// A pickle that has been run, and the bytes of its storages.
struct Reading<'a> {
    machine: &'a Machine<'a>,
    storage: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// Bytes that all tensors together may need.
    limit: usize,
    path: &'a Path,
}

impl<'a> Reading<'a> {
    fn state_dict(&self, top: Value, wanted: &Wanted<'_>) -> Result<Contents> {
        let listing = Listing::of(self.machine, top);
        let any = Wanted { names: &[], ..*wanted };
        let chosen = match choose(&listing, wanted, self.path)? {
            None if !wanted.names.is_empty() => choose(&listing, &any, self.path)?,
            chosen => chosen,
        };
        let Some(Choice { place, prefix, notes }) = chosen else { return Err(self.nothing(top)) };
        let mut contents = Contents { tensors: Tensors::new(), notes, recorded: self.recorded(top) };
        let mut total = 0usize;
        let mut met = BTreeMap::new();
        for name in &listing.names {
            let Some(key) = self.key(&listing, name, place, prefix, wanted, &mut total)? else { continue };
            match met.insert(key.clone(), name.value) {
                None => {}
                Some(before) if before == name.value => continue, // an item of an object that is in its state too
                Some(_) => return Err(twice(self.path, &key)),
            }
            let tensor = match name.value {
                Value::Tensor(tensor) => {
                    let (raw, before) = (self.machine.tensors[tensor as usize], total);
                    match self.tensor(raw, &key, &mut total) {
                        // What is wrong with a tensor beside the weights is no reason not to read them.
                        Err(error) if !wanted.names.is_empty() && !wanted.needs(&key) => {
                            total = before.saturating_add(TENSOR_COST);
                            Tensor::Unread { what: shown(&error.to_string()), shape: Vec::new() }
                        }
                        tensor => tensor?,
                    }
                }
                Value::Object(object) if wanted.needs(&key) || !wanted.names.is_empty() && is_bias(&key) => {
                    let object = self.machine.objects[object as usize];
                    Tensor::Unread { what: format!("an object made by {}", self.class(object)), shape: Vec::new() }
                }
                _ => continue,
            };
            contents.tensors.insert(key, tensor);
        }
        contents.note_unread();
        Ok(contents)
    }

    /// What the top of the file says of its place in training: whole numbers under the names of [`COUNTS`].
    fn recorded(&self, top: Value) -> Vec<(&'static str, i64)> {
        let count = |(key, value)| match (key, value) {
            (Value::Text(key), Value::Int(n)) => {
                let count = COUNTS.into_iter().find(|&count| count == self.machine.texts[key as usize])?;
                Some((count, self.machine.ints[n as usize]))
            }
            _ => None,
        };
        self.machine.items_of(top).filter_map(count).collect()
    }

    /// A name as the state dict at `place` has it; `None` if it is not in it.
    fn key(
        &self,
        listing: &Listing<'a>,
        name: &Name,
        place: u32,
        prefix: &str,
        wanted: &Wanted<'_>,
        total: &mut usize,
    ) -> Result<Option<String>> {
        let key = listing.key(name);
        if name.place == place {
            let inner =
                if prefix.is_empty() { Some(key) } else { key.strip_prefix(prefix).and_then(|k| k.strip_prefix('.')) };
            return Ok(inner.map(str::to_owned));
        }
        let is_in = if wanted.names.is_empty() {
            listing.root(name.place) == place && matches!(name.value, Value::Tensor(_))
        } else {
            let way = if prefix.is_empty() { listing.way(place, name.place) } else { Vec::new() };
            way.first().is_some_and(|first| first.parent == place) && way.iter().all(|inner| inner.is_child)
        };
        if !is_in {
            return Ok(None);
        }
        let key = format!("{}.{key}", listing.path(place, name.place));
        *total = total.saturating_add(key.len());
        if *total > self.limit {
            return Err(self.too_large(&key, *total));
        }
        Ok(Some(key))
    }

    fn tensor(&self, raw: RawTensor, name: &str, total: &mut usize) -> Result<Tensor> {
        let storage = self.machine.storages[raw.storage as usize];
        let layout =
            Layout::of(self.machine, raw, storage).map_err(|(expected, got)| self.layout(name, expected, got))?;
        let dtype = match (storage.class.storage(), raw.dtype) {
            (Some(Elements::Of(dtype)), Value::Other) => Ok(dtype),
            (Some(Elements::Bytes), Value::Global(class)) => {
                let class = self.machine.globals[class as usize];
                class.dtype().ok_or(class)
            }
            _ => Err(storage.class),
        };
        let memory = dtype.map_or(0, Dtype::memory);
        let cost = layout.places.saturating_mul(memory);
        *total = total.saturating_add(cost).saturating_add(TENSOR_COST + AXIS_COST * layout.shape.len());
        if *total > self.limit {
            return Err(self.too_large(name, *total));
        }
        let dtype = match dtype {
            Ok(dtype) => dtype,
            Err(class) => return Ok(Tensor::Unread { what: class.to_string(), shape: layout.shape }),
        };
        let bytes = (self.storage)(storage.key).ok_or_else(|| {
            self.layout(name, "its storage in the archive", format!("no stored entry `{}`", shown(storage.key)))
        })?;
        let stated = match storage.class.storage() {
            Some(Elements::Bytes) => Some(bytes.len()),
            _ => (bytes.len() / dtype.size()).checked_mul(dtype.size()).filter(|&whole| whole == bytes.len()),
        };
        let unit = if let Some(Elements::Bytes) = storage.class.storage() { 1 } else { dtype.size() };
        if stated.is_none() || usize::try_from(storage.len) != Ok(bytes.len() / unit) {
            let got = format!("{} bytes for {} elements of {dtype:?}", bytes.len(), storage.len);
            return Err(self.layout(name, "a storage of the stated size", got));
        }
        let len = bytes.len() / dtype.size();
        if layout.reach > len {
            return Err(TensorFault::OutOfRange { expected: layout.reach, got: len }.of(self.path, shown(name)));
        }
        // All elements are there, so only an unsigned integer is left to fail.
        let unread = || Tensor::Unread { what: "integers above i64::MAX".into(), shape: layout.shape.clone() };
        Ok(dtype.gather(bytes, &layout.shape, layout.indices()).unwrap_or_else(unread))
    }

    fn layout(&self, name: &str, expected: &'static str, got: String) -> Error {
        TensorFault::Unfit { expected, got }.of(self.path, shown(name))
    }

    fn too_large(&self, name: &str, got: usize) -> Error {
        TensorFault::TooLarge { expected: self.limit, got }.of(self.path, shown(name))
    }

    /// The name of what an object is made by.
    fn class(&self, mut object: Object) -> String {
        for _ in 0..8 {
            match object.class {
                Value::Global(class) => return self.machine.globals[class as usize].to_string(),
                Value::Object(inner) => object = self.machine.objects[inner as usize],
                _ => break,
            }
        }
        "a call of another object".into()
    }

    /// The error for a file without a state dict.
    fn nothing(&self, top: Value) -> Error {
        let got = match top {
            Value::Object(object) => {
                let global = self.class(self.machine.objects[object as usize]);
                return Error::UnsafePickle { path: self.path.into(), global };
            }
            Value::Global(global) => {
                let global = self.machine.globals[global as usize].to_string();
                return Error::UnsafePickle { path: self.path.into(), global };
            }
            Value::Dict(_) => "a dictionary without tensors",
            Value::List(_) | Value::Tuple(_) => "a list without named tensors",
            Value::Tensor(_) => "a single tensor without a name",
            _ => "another Python object",
        };
        let expected = "a state dict of named tensors, at the top or in dictionaries, lists or modules";
        Error::format(self.path, expected, got)
    }
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
    fn of(machine: &Machine<'_>, raw: RawTensor, storage: Storage<'_>) -> Result<Self, (&'static str, String)> {
        let [shape, stride] = [raw.shape, raw.stride].map(|span| machine.ints_of(span).unwrap_or_default());
        let counts = |ints: &[i64]| ints.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>();
        let shape = counts(&shape).map_err(|_| ("a shape of counts", format!("{shape:?}")))?;
        let stride = counts(&stride).map_err(|_| ("strides from 0 up", format!("{stride:?}")))?;
        let offset = usize::try_from(raw.offset).map_err(|_| ("an offset from 0 up", format!("{}", raw.offset)))?;
        let start = usize::try_from(storage.start).map_err(|_| ("a view from 0 up", format!("{}", storage.start)))?;
        let offset =
            offset.checked_add(start).ok_or_else(|| ("an offset in memory", format!("{offset} in {start}")))?;
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

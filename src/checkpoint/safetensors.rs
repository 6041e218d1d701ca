//! The safetensors format: a JSON header of names, types, shapes and offsets, then the bytes.
//!
//! Source: <https://github.com/huggingface/safetensors>, section "Format".

use std::collections::BTreeMap;
use std::path::Path;

use ::safetensors::{Dtype as Stored, SafeTensorError, SafeTensors};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};

use super::checksum::{self, BLANK};
use super::element::{Dtype, Float8, places};
use super::file::{atomic_write, check, read_file, shown, twice};
use super::{Tensor, Tensors};
use crate::error::{Error, Result, TensorFault};

/// Reads the tensors in the bytes of a safetensors file; its metadata is left out.
///
/// # Arguments
/// `bytes`: the whole file; `path`: its name, for errors only.
///
/// # Errors
/// [`Error::Damaged`] for a file that is not what its checksum says, [`Error::Format`] for another fault in it,
/// [`Error::Tensor`] for a shape beyond memory. Floats of 4 and 6 bits, complex numbers and
/// unsigned integers above `i64::MAX` are [`Tensor::Unread`].
///
/// # Cost
/// Linear in the file's size, in time and memory.
///
/// # Example
/// ```
/// use irreplens::checkpoint::safetensors;
///
/// let header = br#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
/// let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &0.5f32.to_le_bytes()].concat();
/// let tensors = safetensors::read_bytes(&bytes, "model.safetensors".as_ref())?;
/// assert_eq!(tensors["b"].shape(), [1]);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn read_bytes(bytes: &[u8], path: &Path) -> Result<Tensors> {
    check(bytes, path)?;
    checksum::verify(bytes, path)?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| no_safetensors(path, &e))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let count = places(view.shape()).ok_or_else(|| {
            TensorFault::Unfit { expected: "a shape that fits in memory", got: format!("{:?}", view.shape()) }
                .of(path, shown(name))
        })?;
        // The counts agree (the safetensors crate has checked them), so only a large u64 is left to fail.
        let read = dtype(view.dtype()).and_then(|dtype| dtype.gather(view.data(), view.shape(), 0..count));
        let unread = || Tensor::Unread { what: view.dtype().to_string(), shape: view.shape().to_vec() };
        tensors.insert(name.to_owned(), read.unwrap_or_else(unread));
    }
    Ok(tensors)
}

/// The texts of the header's `__metadata__`, by key; empty without one. The [checksum](write_safetensors) is left out.
///
/// # Errors
/// [`Error::Io`], and [`Error::Format`] for a damaged file or a Git LFS pointer.
///
/// ```
/// use irreplens::checkpoint::{Tensors, safetensors::read_metadata, write_safetensors};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.safetensors");
/// write_safetensors(&path, &Tensors::new(), &[("epoch".to_owned(), "100".to_owned())].into())?;
/// assert_eq!(read_metadata(&path)?["epoch"], "100");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_metadata(path: impl AsRef<Path>) -> Result<BTreeMap<String, String>> {
    let path = path.as_ref();
    metadata_of(&read_file(path)?, path)
}

pub(crate) fn metadata_of(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| no_safetensors(path, &e))?;
    let texts = header.metadata().iter().flatten().filter(|(key, _)| *key != checksum::KEY);
    Ok(texts.map(|(key, text)| (key.clone(), text.clone())).collect())
}

fn no_safetensors(path: &Path, error: &SafeTensorError) -> Error {
    Error::format(path, "a safetensors file", shown(&error.to_string()))
}

/// Whether a file is a safetensors file with a tensor of this name.
pub(super) fn has_tensor(path: &Path, name: &str) -> bool {
    let header = |bytes: Vec<u8>| SafeTensors::read_metadata(&bytes).ok().map(|(_, header)| header);
    read_file(path).ok().and_then(header).is_some_and(|header| header.info(name).is_some())
}

fn dtype(stored: Stored) -> Option<Dtype> {
    Some(match stored {
        Stored::BOOL => Dtype::Bool,
        Stored::U8 => Dtype::U8,
        Stored::I8 => Dtype::I8,
        Stored::U16 => Dtype::U16,
        Stored::I16 => Dtype::I16,
        Stored::F8_E4M3 => Dtype::F8(Float8::E4M3Fn),
        Stored::F8_E5M2 => Dtype::F8(Float8::E5M2),
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::Bf16,
        Stored::U32 => Dtype::U32,
        Stored::I32 => Dtype::I32,
        Stored::F32 => Dtype::F32,
        Stored::U64 => Dtype::U64,
        Stored::I64 => Dtype::I64,
        Stored::F64 => Dtype::F64,
        _ => return None,
    })
}

/// Writes tensors to a safetensors file in one step (see [`atomic_write`]).
///
/// Equal arguments give equal bytes: tensors lie by falling element size, then by name, and the metadata is
/// sorted. (The safetensors crate's own writer orders metadata at random.)
///
/// A checksum of the whole file, the header and all tensors, is written with the metadata under `irreplens.crc64`: CRC-64/XZ
/// over all bytes, its own 16 digits taken as zeros. Readers of this crate hold the file to it.
///
/// # Arguments
/// `metadata`: texts for the header's `__metadata__`.
///
/// # Errors
/// [`Error::Io`] naming `path`; [`Error::Format`] for a tensor named `__metadata__`, which the format reserves;
/// [`Error::Tensor`] for one that was not read.
///
/// # Example
/// ```
/// use std::collections::BTreeMap;
/// use irreplens::checkpoint::{Tensor, Tensors, read_tensors, write_safetensors};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.safetensors");
/// let tensors = Tensors::from([("W_U".to_owned(), Tensor::F32(ndarray::ArrayD::ones(vec![4, 3])))]);
/// write_safetensors(&path, &tensors, &BTreeMap::new())?;
/// assert_eq!(read_tensors(&path)?, tensors);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &Tensors, metadata: &BTreeMap<String, String>) -> Result<()> {
    const METADATA: &str = "__metadata__";
    let path = path.as_ref();
    if tensors.contains_key(METADATA) {
        return Err(twice(path, METADATA));
    }
    if let Some((name, Tensor::Unread { what, .. })) = tensors.iter().find(|(_, t)| matches!(t, Tensor::Unread { .. }))
    {
        let (tensor, expected) = (shown(name), "a tensor that was read");
        return Err(TensorFault::Unfit { expected, got: shown(what) }.of(path, tensor));
    }
    let mut texts = metadata.clone();
    texts.insert(checksum::KEY.into(), BLANK.into());
    let mut header = Map::from_iter([(METADATA.to_owned(), json!(texts))]);
    let mut sorted: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor, encoding(tensor))).collect();
    sorted.sort_by_key(|(_, _, (size, _))| std::cmp::Reverse(*size));
    let mut end = 0;
    for (name, tensor, (size, dtype)) in &sorted {
        let start = end;
        end += size * tensor.shape().iter().product::<usize>();
        let info = json!({ "dtype": dtype, "shape": tensor.shape(), "data_offsets": [start, end] });
        header.insert((*name).clone(), info);
    }
    let mut header = Value::Object(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    for (_, tensor, _) in sorted {
        match tensor {
            Tensor::F32(a) => append(&mut bytes, a, |v| v.to_le_bytes()),
            Tensor::F64(a) => append(&mut bytes, a, |v| v.to_le_bytes()),
            Tensor::I64(a) => append(&mut bytes, a, |v| v.to_le_bytes()),
            Tensor::Bool(a) => append(&mut bytes, a, |v| [v.into()]),
            Tensor::Unread { .. } => {} // refused above
        }
    }
    checksum::fill_in(&mut bytes);
    atomic_write(path, &bytes)
}

/// Element size in bytes and the format's name for the type.
fn encoding(tensor: &Tensor) -> (usize, &'static str) {
    match tensor {
        Tensor::F32(_) => (4, "F32"),
        Tensor::F64(_) => (8, "F64"),
        Tensor::I64(_) => (8, "I64"),
        Tensor::Bool(_) | Tensor::Unread { .. } => (1, "BOOL"),
    }
}

fn append<T: Copy, const N: usize>(data: &mut Vec<u8>, array: &ArrayD<T>, encode: impl Fn(T) -> [u8; N]) {
    array.iter().for_each(|&v| data.extend(encode(v)));
}

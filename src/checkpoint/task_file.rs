//! `task.safetensors` of a run directory: the Cayley table and the training pairs.

use std::path::Path;

use ndarray::{Array2, ArrayD, Ix1, Ix2};

use super::file::shown;
use super::safetensors::read_metadata;
use super::{Tensor, Tensors, listed, read_tensors};
use crate::error::{Error, Result, TensorFault};
use crate::group::CayleyTable;
use crate::memory;
use crate::task::Split;

/// The file's name.
pub(super) const NAME: &str = "task.safetensors";

/// The key of its metadata that holds the group's name.
pub(crate) const GROUP: &str = "group";

/// Whether the run has the file.
pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|source| Error::Io { path: path.into(), source })
}

/// The group of the tensor `table` (order x order), under the name in the file's metadata; `None` if the file has no table
/// and it is not `required`.
pub(super) fn table(path: &Path, order: usize, required: bool) -> Result<Option<CayleyTable>> {
    let Some(entries) = entries(path, order, required)? else { return Ok(None) };
    let table =
        CayleyTable::new(entries).map_err(|source| Error::InFile { path: path.into(), source: source.into() })?;
    Ok(Some(match read_metadata(path)?.get(GROUP) {
        Some(name) if !name.is_empty() => table.with_name(shown(name)),
        _ => table,
    }))
}

/// The entries of the tensor `table`, which may be no group's.
pub(super) fn entries(path: &Path, order: usize, required: bool) -> Result<Option<Array2<usize>>> {
    const NAME: &str = "table";
    let tensors = read_tensors(path)?;
    if !required && !tensors.contains_key(NAME) {
        return Ok(None);
    }
    let table = integers(path, &tensors, NAME)?;
    let shape = table.shape().to_vec();
    let table = table.into_dimensionality::<Ix2>().map_err(|_| rank(path, NAME, 2, &shape))?;
    if shape != [order, order] {
        return Err(TensorFault::Shape {
            expected: vec![order; 2],
            got: shape,
            because: "group order, group order".into(),
        }
        .of(path, NAME));
    }
    if let Some(((x, y), entry)) = table.indexed_iter().find(|(_, entry)| **entry < 0) {
        return Err(layout(path, NAME, "row indices from 0 up", format!("{entry} at [{x}, {y}]")));
    }
    Ok(Some(table.mapv(|entry| entry as usize)))
}

/// The split whose training pairs are the tensor `train`.
pub(super) fn split(path: &Path, order: usize) -> Result<Split> {
    const NAME: &str = "train";
    let train = integers(path, &read_tensors(path)?, NAME)?;
    let shape = train.shape().to_vec();
    let train = train.into_dimensionality::<Ix1>().map_err(|_| rank(path, NAME, 1, &shape))?;
    let bad = |expected, got| layout(path, NAME, expected, got);
    if train.is_empty() {
        return Err(bad("at least one training pair", "none".into()));
    }
    let pairs = order.checked_mul(order).ok_or_else(|| bad("a group of fewer pairs", format!("order {order}")))?;
    // Marks, and the pairs of both sets.
    memory::check("a split of all pairs", memory::bytes::<usize>(&[pairs, 2]))
        .map_err(|source| Error::InFile { path: path.into(), source: source.into() })?;
    let mut seen = vec![false; pairs];
    for (i, &pair) in train.iter().enumerate() {
        let place = usize::try_from(pair).ok().and_then(|pair| seen.get_mut(pair));
        let place = place.ok_or_else(|| {
            bad("row-major indices of pairs", format!("{pair} at {i}, where there are {pairs} pairs"))
        })?;
        if std::mem::replace(place, true) {
            return Err(bad("every pair once", format!("{pair} again at {i}")));
        }
    }
    let test = (0..pairs).filter(|&pair| !seen[pair]).collect();
    Split::new(order, train.iter().map(|&pair| pair as usize).collect(), test)
}

/// The integers of a tensor.
fn integers(path: &Path, tensors: &Tensors, name: &str) -> Result<ArrayD<i64>> {
    match tensors.get(name) {
        Some(Tensor::I64(values)) => Ok(values.clone()),
        Some(other) => Err(TensorFault::Unfit { expected: "integers", got: other.dtype().into() }.of(path, name)),
        None => Err(Error::MissingTensor {
            path: path.into(),
            expected: vec![name.into()],
            got: listed(tensors),
            step: None,
        }),
    }
}

fn rank(path: &Path, tensor: &str, expected: usize, got: &[usize]) -> Error {
    TensorFault::Rank { expected, got: got.to_vec() }.of(path, tensor)
}

fn layout(path: &Path, tensor: &str, expected: &'static str, got: String) -> Error {
    TensorFault::Unfit { expected, got }.of(path, tensor)
}

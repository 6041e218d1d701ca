//! `task.safetensors` of a run directory: the Cayley table and the training pairs.

use std::path::Path;

use ndarray::{Array, Array1, Array2, Dimension};

use super::file::shown;
use super::safetensors::read_metadata;
use super::{Tensor, Tensors, missing, read_tensors};
use crate::error::{Error, Result, TensorFault};
use crate::group::CayleyTable;
use crate::memory;
use crate::task::Split;

pub(super) const NAME: &str = "task.safetensors";

/// The key of its metadata that holds the group's name.
pub(crate) const GROUP: &str = "group";

pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|source| Error::Io { path: path.into(), source })
}

/// The group of the tensor `table` (order x order), under the name in the file's metadata; `None` if the file has no table
/// and it is not `required`.
pub(super) fn table(path: &Path, order: usize, required: bool) -> Result<Option<CayleyTable>> {
    let Some(entries) = entries(path, order, required)? else { return Ok(None) };
    let table = CayleyTable::new(entries).map_err(Error::in_file(path))?;
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
    let table: Array2<i64> = integers(path, &tensors, NAME)?;
    if table.shape() != [order, order] {
        let (expected, got) = (vec![order; 2], table.shape().to_vec());
        return Err(TensorFault::Shape { expected, got, because: "group order, group order".into() }.of(path, NAME));
    }
    if let Some(((x, y), entry)) = table.indexed_iter().find(|(_, entry)| **entry < 0) {
        return Err(layout(path, NAME, "row indices from 0 up", format!("{entry} at [{x}, {y}]")));
    }
    Ok(Some(table.mapv(|entry| entry as usize)))
}

/// The split whose training pairs are the tensor `train`.
pub(super) fn split(path: &Path, order: usize) -> Result<Split> {
    const NAME: &str = "train";
    let train: Array1<i64> = integers(path, &read_tensors(path)?, NAME)?;
    let bad = |expected, got| layout(path, NAME, expected, got);
    if train.is_empty() {
        return Err(bad("at least one training pair", "none".into()));
    }
    let pairs = order.checked_mul(order).ok_or_else(|| bad("a group of fewer pairs", format!("order {order}")))?;
    // Marks, and the pairs of both sets.
    memory::check("a split of all pairs", memory::bytes::<usize>(&[pairs, 2])).map_err(Error::in_file(path))?;
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

fn integers<D: Dimension>(path: &Path, tensors: &Tensors, name: &str) -> Result<Array<i64, D>> {
    let values = match tensors.get(name) {
        Some(Tensor::I64(values)) => values,
        Some(other) => return Err(layout(path, name, "integers", other.dtype().into())),
        None => return Err(missing(path, &[name], tensors)),
    };
    let (expected, got) = (D::NDIM.unwrap_or_default(), values.shape().to_vec());
    let array = values.clone().into_dimensionality();
    array.map_err(|_| TensorFault::Rank { expected, got }.of(path, name))
}

fn layout(path: &Path, tensor: &str, expected: &'static str, got: String) -> Error {
    TensorFault::Unfit { expected, got }.of(path, tensor)
}

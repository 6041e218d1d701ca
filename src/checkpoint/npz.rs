//! Activations recorded elsewhere, from `.npz` or safetensors.

use super::bias::{OUTPUT_BIAS, output_bias};
use super::{Tensor, Tensors, file, matrix, safetensors};
use crate::error::{Error, Result};
use crate::model::{LOGITS, MEMORY_BUDGET, Precomputed};
use ndarray::{Array2, ArrayD, ArrayViewD};
use ndarray_npy::{ViewNpyError, ViewNpyExt};
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// Reads a network's activations at all pairs, recorded anywhere, as a model (the export is in the docs of
/// [`Precomputed`]).
///
/// The file holds `logits` and any number of other sites, each (n^2, width) or (n, n, width), pairs in row-major order,
/// `f32` or `f64`; and, where the model has them, what stands beside sites by name alone:
///
/// | name | shape | what |
/// |---|---|---|
/// | `embed_left`, `embed_right` | (n, embed) | embeddings; they are the maps too, where the neurons read their sum or product |
/// | `left`, `right` | (n, width of the neuron site) | maps x -> neuron and y -> neuron ([`Precomputed::with_maps`]) |
/// | `unembed` or `W_U` | (width of the neuron site, n) | reads the logits off the neuron site |
/// | `unembed_bias`, `b_U`, `unembed.bias`, `unembedding_bias`, `unembedding.bias`, `bias_U` or `output_bias` | (n) or (1, n) | added by the readout; where there is none, it is what all logits differ by alike |
///
/// Sites are taken in the order of their names, but the neuron site second to last and `logits` last.
///
/// # Arguments
/// `path`: an `.npz` (compressed or not) or safetensors file; `neuron_site`: the site whose channels are neurons.
///
/// # Errors
/// [`Error::MissingTensor`] without `logits`, or for one of two maps; [`Error::TensorShape`], [`Error::TensorDtype`], [`Error::NonFinite`];
/// [`Error::Memory`] for a file that unfolds to more than [`MEMORY_BUDGET`]; [`Error::ReadoutMismatch`] and
/// [`Error::MapsMismatch`] for an unembedding, a bias or maps that do not give what is recorded; those of
/// [`Precomputed::new`].
pub fn read_precomputed(path: impl AsRef<Path>, neuron_site: &str) -> Result<Precomputed> {
    let path = path.as_ref();
    let bytes = file::read_file(path)?;
    let tensors = if bytes.starts_with(super::zip::LOCAL_SIGNATURE) {
        read_npz(&bytes, path)?
    } else {
        safetensors::read_bytes(&bytes, path)?
    };
    drop(bytes);
    precomputed(&tensors, path, neuron_site).map_err(|error| match error {
        // What does not already name the file.
        Error::Shape { .. }
        | Error::UnknownSite { .. }
        | Error::ReadoutMismatch { .. }
        | Error::MapsMismatch { .. } => Error::InFile { path: path.into(), source: Box::new(error) },
        other => other,
    })
}

/// Arrays that are maps of elements, not sites; so are the names of an output bias.
const MAPS: [&str; 6] = ["embed_left", "embed_right", "left", "right", "unembed", "W_U"];

fn precomputed(tensors: &Tensors, path: &Path, neuron_site: &str) -> Result<Precomputed> {
    let logits = pairs_first(path, tensors, LOGITS, None)?;
    let n = logits.ncols();
    // By name alone: a width of n^2 makes no site of an unembedding.
    let has = |name: &str| tensors.contains_key(name);
    let mut sites = Vec::new();
    let beside = |name: &str| name == LOGITS || MAPS.contains(&name) || OUTPUT_BIAS.contains(&name);
    for name in tensors.keys().filter(|name| !beside(name)) {
        sites.push((name.clone(), pairs_first(path, tensors, name, Some(n))?));
    }
    // Stable: the neuron site goes behind the others.
    sites.sort_by_key(|(name, _)| name == neuron_site);
    sites.push((LOGITS.to_owned(), logits));
    let mut model = Precomputed::new(sites, neuron_site)?;
    if has("embed_left") && has("embed_right") {
        let [left, right] = ["embed_left", "embed_right"].map(|name| matrix(path, tensors, &[name]));
        model = model.with_embeddings(left?, right?)?;
    }
    if has("left") || has("right") {
        let [left, right] = ["left", "right"].map(|name| matrix(path, tensors, &[name]));
        model = model.with_maps(left?, right?)?;
    }
    if has("unembed") || has("W_U") {
        let unembed = matrix(path, tensors, &["unembed", "W_U"])?;
        model = match output_bias(path, tensors)? {
            Some((_, bias)) => model.with_biased_unembedding(unembed, bias)?,
            None => model.with_unembedding(unembed)?,
        };
    }
    Ok(model)
}

/// A site as (n^2, width); n is the number of logits where it is not given.
fn pairs_first(path: &Path, tensors: &Tensors, name: &str, n: Option<usize>) -> Result<Array2<f32>> {
    let Some(tensor) = tensors.get(name) else { return matrix(path, tensors, &[name]) };
    let shape = tensor.shape();
    let width = shape.last().copied().unwrap_or(0);
    let n = n.unwrap_or(width);
    let pairs = n.checked_mul(n).filter(|&pairs| pairs > 0);
    if pairs.is_none_or(|pairs| shape != [pairs, width] && shape != [n, n, width]) {
        return Err(Error::TensorShape {
            path: path.into(),
            tensor: name.to_owned(),
            expected: vec![n.max(1).saturating_mul(n.max(1)), width.max(1)],
            got: shape.to_vec(),
            because: "all pairs of as many elements as there are logits",
        });
    }
    let flat = match tensor {
        Tensor::F32(a) => Tensor::F32(a.to_shape((n * n, width)).expect("same size").into_owned().into_dyn()),
        Tensor::F64(a) => Tensor::F64(a.to_shape((n * n, width)).expect("same size").into_owned().into_dyn()),
        other => other.clone(),
    };
    matrix(path, &Tensors::from([(name.to_owned(), flat)]), &[name])
}

fn read_npz(bytes: &[u8], path: &Path) -> Result<Tensors> {
    let format = |got: String| Error::Format { path: path.into(), expected: "an .npz archive of arrays", got };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format(e.to_string()))?;
    let mut tensors = Tensors::new();
    let mut left = MEMORY_BUDGET as u64;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| format(e.to_string()))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_owned();
        // The size by the archive's directory is checked before anything is unfolded, and nothing unfolds beyond it.
        let size = entry.size();
        left = left.checked_sub(size).ok_or(Error::Memory {
            what: "the arrays of an .npz file",
            needed: usize::try_from(size).unwrap_or(usize::MAX).saturating_add(MEMORY_BUDGET - left as usize),
            budget: MEMORY_BUDGET,
        })?;
        let mut array = Vec::new();
        entry.take(size + 1).read_to_end(&mut array).map_err(|e| format(e.to_string()))?;
        if array.len() as u64 != size {
            let (name, read) = (file::shown(&name), array.len());
            return Err(format(format!("array `{name}`: {size} bytes by its directory, {read} or more in it")));
        }
        let tensor = match ArrayViewD::<f32>::view_npy(&array) {
            Ok(view) => Tensor::F32(row_major(view)),
            Err(ViewNpyError::WrongDescriptor(_)) => match ArrayViewD::<f64>::view_npy(&array) {
                Ok(view) => Tensor::F64(row_major(view)),
                Err(e) => return Err(format(format!("array `{}`: {e}", file::shown(&name)))),
            },
            Err(e) => return Err(format(format!("array `{}`: {e}", file::shown(&name)))),
        };
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(Error::Duplicate { path: path.into(), name });
        }
    }
    Ok(tensors)
}

fn row_major<T: Clone>(view: ArrayViewD<'_, T>) -> ArrayD<T> {
    view.as_standard_layout().into_owned()
}

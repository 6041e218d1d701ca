//! Activations recorded elsewhere, from `.npz` or safetensors.

use super::bias::{OUTPUT_BIAS, output_bias};
use super::npy::{Header, MOST, PREFIX};
use super::{Tensor, Tensors, file, matrix, safetensors};
use crate::error::{Error, Result, TensorFault};
use crate::memory;
use crate::model::{LOGITS, Precomputed};
use ndarray::Array2;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// Reads a network's activations at all pairs, recorded anywhere, as a model (the export is in the docs of
/// [`Precomputed`]).
///
/// The file holds `logits` and any number of other sites, each (n^2, width) or (n, n, width), pairs in row-major order,
/// floats of 16, 32 or 64 bits in either byte order and memory order; and, where the model has them, what stands beside
/// sites by name alone:
///
/// | name | shape | what |
/// |---|---|---|
/// | `embed_left`, `embed_right` | (n, embed) | embeddings; they are the maps too, where the neurons read their sum or product |
/// | `left`, `right` | (n, width of the neuron site) | maps x -> neuron and y -> neuron ([`Precomputed::with_maps`]) |
/// | `unembed` or `W_U` | (width of the neuron site, n) | reads the logits off the neuron site |
/// | `unembed_bias`, `b_U`, `unembed.bias`, `unembedding_bias`, `unembedding.bias`, `bias_U` or `output_bias` | (n) or (1, n) | added by the readout; where there is none, it is what all logits differ by alike |
///
/// Sites are taken in the order of their names, but the neuron site second to last and `logits` last. Whatever else the
/// file holds (labels, texts, single numbers, objects, losses by epoch) is passed over, and listed in
/// [`Precomputed::skipped`].
///
/// # Arguments
/// `path`: an `.npz` (compressed or not) or safetensors file; `neuron_site`: the site whose channels are neurons.
///
/// # Errors
/// [`Error::MissingTensor`] without `logits`, or for one of two maps; [`Error::Tensor`]; [`Error::InFile`] around
/// [`Error::Memory`] for a file that unfolds to more than the [budget](crate::memory::budget), around
/// [`Error::RecordingMismatch`] for an unembedding, a bias or maps that do not give what is recorded, and around those of
/// [`Precomputed::new`].
pub fn read_precomputed(path: impl AsRef<Path>, neuron_site: &str) -> Result<Precomputed> {
    let path = path.as_ref();
    read_precomputed_bytes(&file::read_file(path)?, path, neuron_site)
}

/// Reads recorded activations in the bytes of an `.npz` or safetensors file.
///
/// # Arguments
/// `bytes`: the whole file; `path`: its name, for errors only; `neuron_site`: the site whose channels are neurons.
///
/// # Errors
/// The errors of [`read_precomputed`].
pub fn read_precomputed_bytes(bytes: &[u8], path: &Path, neuron_site: &str) -> Result<Precomputed> {
    file::check(bytes, path)?;
    let mut skipped = Vec::new();
    let tensors = if bytes.starts_with(super::zip::LOCAL_SIGNATURE) {
        read_npz(bytes, path, neuron_site, &mut skipped)
    } else {
        safetensors::read_bytes(bytes, path)
    };
    tensors.and_then(|tensors| precomputed(tensors, path, neuron_site, skipped)).map_err(|error| match error {
        // What does not already name the file.
        Error::Shape { .. } | Error::UnknownSite { .. } | Error::RecordingMismatch { .. } | Error::Memory { .. } => {
            Error::in_file(path)(error)
        }
        other => other,
    })
}

/// Arrays that are maps of elements, not sites; so are the names of an output bias.
const MAPS: [&str; 6] = ["embed_left", "embed_right", "left", "right", "unembed", "W_U"];

fn precomputed(tensors: Tensors, path: &Path, neuron_site: &str, mut skipped: Vec<String>) -> Result<Precomputed> {
    let logits = pairs_first(path, &tensors, LOGITS, None)?;
    let n = logits.ncols();
    // By name alone: a width of n^2 makes no site of an unembedding.
    let has = |name: &str| tensors.contains_key(name);
    let mut sites = Vec::new();
    let beside = |name: &str| name == LOGITS || MAPS.contains(&name) || OUTPUT_BIAS.contains(&name);
    for (name, tensor) in tensors.iter().filter(|(name, _)| !beside(name)) {
        let floats = matches!(tensor, Tensor::F32(_) | Tensor::F64(_));
        if name == neuron_site || floats && of_pairs(tensor.shape(), n) {
            sites.push((name.clone(), pairs_first(path, &tensors, name, Some(n))?));
        } else {
            skipped.push(listed(name, tensor.dtype(), tensor.shape()));
        }
    }
    // Stable: the neuron site goes behind the others.
    sites.sort_by_key(|(name, _)| name == neuron_site);
    sites.push((LOGITS.to_owned(), logits));
    let mut model = Precomputed::new(sites, neuron_site)?;
    match ["embed_left", "embed_right"].map(|name| tensors.get_key_value(name)) {
        [Some(_), Some(_)] => {
            let [left, right] = ["embed_left", "embed_right"].map(|name| matrix(path, &tensors, &[name]));
            model = model.with_embeddings(left?, right?)?;
        }
        one => skipped.extend(one.into_iter().flatten().map(|(name, t)| listed(name, t.dtype(), t.shape()))),
    }
    if has("left") || has("right") {
        let [left, right] = ["left", "right"].map(|name| matrix(path, &tensors, &[name]));
        model = model.with_maps(left?, right?)?;
    }
    if has("unembed") || has("W_U") {
        let unembed = matrix(path, &tensors, &["unembed", "W_U"])?;
        model = match output_bias(path, &tensors)? {
            Some((_, bias)) => model.with_biased_unembedding(unembed, bias)?,
            None => model.with_unembedding(unembed)?,
        };
    }
    // Of other names for what was found, and of a bias without its weights.
    let read = |name: &str| match name {
        "W_U" => !has("unembed"),
        _ => (has("unembed") || has("W_U")) && OUTPUT_BIAS.iter().find(|&&first| has(first)) == Some(&name),
    };
    let unread =
        ["W_U"].iter().chain(OUTPUT_BIAS).filter(|name| !read(name)).filter_map(|&name| tensors.get_key_value(name));
    skipped.extend(unread.map(|(name, tensor)| listed(name, tensor.dtype(), tensor.shape())));
    skipped.sort_unstable();
    Ok(model.with_skipped(skipped))
}

/// An array with its type and shape, for people.
fn listed(name: &str, dtype: &str, shape: &[usize]) -> String {
    format!("{} ({} {})", file::shown(name), file::shown(dtype), crate::quoted::shown_numbers(shape))
}

fn of_pairs(shape: &[usize], n: usize) -> bool {
    match *shape {
        [pairs, _] => n.checked_mul(n) == Some(pairs),
        [x, y, _] => [x, y] == [n, n],
        _ => false,
    }
}

/// A site as (n^2, width); n is the number of logits where it is not given.
fn pairs_first(path: &Path, tensors: &Tensors, name: &str, n: Option<usize>) -> Result<Array2<f32>> {
    let Some(tensor) = tensors.get(name) else { return matrix(path, tensors, &[name]) };
    let shape = tensor.shape();
    let width = shape.last().copied().unwrap_or(0);
    let n = n.unwrap_or(width);
    if n.checked_mul(n).is_none_or(|pairs| pairs == 0) || !of_pairs(shape, n) {
        return Err(TensorFault::Shape {
            expected: vec![n.max(1).saturating_mul(n.max(1)), width.max(1)],
            got: shape.to_vec(),
            because: "all pairs of as many elements as there are logits".into(),
        }
        .of(path, name));
    }
    let flat = match tensor {
        Tensor::F32(a) => Tensor::F32(a.to_shape((n * n, width)).expect("same size").into_owned().into_dyn()),
        Tensor::F64(a) => Tensor::F64(a.to_shape((n * n, width)).expect("same size").into_owned().into_dyn()),
        other => other.clone(),
    };
    matrix(path, &Tensors::from([(name.to_owned(), flat)]), &[name])
}

/// The arrays of floats; others are passed over, unless they are what was asked for.
fn read_npz(bytes: &[u8], path: &Path, neuron_site: &str, skipped: &mut Vec<String>) -> Result<Tensors> {
    let format = |got: String| Error::Format { path: path.into(), expected: "an .npz archive of arrays", got };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format(e.to_string()))?;
    // The sizes by the archive's directory are checked before anything is unfolded, and nothing unfolds beyond them.
    let (mut packed, mut unfolded) = (0u64, 0u64);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|e| format(e.to_string()))?;
        (packed, unfolded) = (packed.saturating_add(entry.compressed_size()), unfolded.saturating_add(entry.size()));
    }
    if packed > bytes.len() as u64 {
        return Err(format(format!("entries of {packed} bytes in a file of {}", bytes.len())));
    }
    // The bytes, the numbers and the matrices they become.
    let needed = usize::try_from(unfolded).unwrap_or(usize::MAX).saturating_mul(3);
    memory::check("the arrays of an .npz file", needed)?;
    let mut tensors = Tensors::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| format(e.to_string()))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_owned();
        let of = |got: String| format(format!("array `{}`: {got}", file::shown(&name)));
        let size = entry.size();
        let mut array = Vec::new();
        (&mut entry).take((PREFIX + MOST) as u64).read_to_end(&mut array).map_err(|e| of(e.to_string()))?;
        let header = Header::parse(&array).map_err(|(expected, got)| of(format!("{got} in place of {expected}")))?;
        if header.floats().is_none() {
            if name == LOGITS || name == neuron_site || MAPS.contains(&name.as_str()) {
                let (expected, got) = ("floats of 16, 32 or 64 bits", header.descr);
                return Err(TensorFault::Unfit { expected, got }.of(path, name));
            }
            skipped.push(listed(&name, &header.descr, &header.shape));
            continue;
        }
        let rest = (size + 1).saturating_sub(array.len() as u64);
        entry.take(rest).read_to_end(&mut array).map_err(|e| of(e.to_string()))?;
        if array.len() as u64 != size {
            return Err(of(format!("{size} bytes by its directory, {} or more in it", array.len())));
        }
        array.drain(..header.data);
        let numbers = array.len();
        let shape = crate::quoted::shown_numbers(&header.shape);
        let tensor = header.array(array).ok_or_else(|| of(format!("{numbers} bytes for a shape of {shape}")))?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(file::twice(path, &name));
        }
    }
    Ok(tensors)
}

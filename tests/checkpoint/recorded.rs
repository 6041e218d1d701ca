//! Recorded activations: `.npz` files as NumPy writes them (`tests/data/npz/make.py`) and as it does not.

use crate::{data, models};
use irreplens::Error;
use irreplens::analysis::interpret;
use irreplens::checkpoint::{Tensor, Tensors, read_precomputed, write_safetensors};
use irreplens::fourier::CyclicSubgroupBasis;
use irreplens::group::{Cyclic, Elem};
use irreplens::model::{Hook, Hooks, Interpretable, Network, Precomputed};
use irreplens::task::{Pair, Task};
use ndarray::{Array2, ArrayView2};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/npz").join(name).with_extension("npz")
}

fn read(name: &str) -> Result<Precomputed, Error> {
    read_precomputed(path(name), "hidden")
}

fn pairs() -> Vec<Pair> {
    (0..9).map(|i| (Elem::new(i / 3), Elem::new(i % 3))).collect()
}

fn near(what: &str, got: ArrayView2<'_, f32>, want: ArrayView2<'_, f32>) {
    assert_eq!(got.dim(), want.dim(), "{what}");
    assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{what}: {got} against {want}");
}

#[test]
fn recordings_are_the_network() {
    let flat = read("flat").unwrap();
    let (left, right) = flat.embeddings().unwrap();
    let network =
        Network::summed(left.to_owned(), right.to_owned(), flat.readout().unembedding().unwrap().to_owned()).unwrap();
    let c3 = Cyclic::new(3).unwrap();
    let (basis, task) = (CyclicSubgroupBasis::cyclic(&c3), Task::new(&c3));
    let want = interpret(&network, &basis, &task).unwrap();
    for name in ["flat", "cube", "compressed", "float64", "fortran"] {
        let recorded = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((recorded.order(), recorded.neuron_site(), recorded.readout().site()), (3, "hidden", "hidden"));
        assert_eq!(
            recorded.sites().into_iter().map(|s| (s.name, s.width)).collect::<Vec<_>>(),
            [("hidden".to_owned(), 4), ("logits".to_owned(), 3)]
        );
        assert_eq!(recorded.embeddings(), network.embeddings(), "{name}");
        assert_eq!(recorded.readout().unembedding(), network.readout().unembedding(), "{name}");
        for site in ["hidden", "logits"] {
            let run = |model: &dyn Interpretable| model.run_with_cache(&pairs(), &[site]).unwrap().take(site).unwrap();
            near(name, run(&recorded).view(), run(&network).view());
        }
        let hooks = Hooks::none().with(Hook::zero("hidden").on_channels(vec![1, 3]));
        let run = |model: &dyn Interpretable| {
            model.run_with_hooks(&pairs(), &hooks, &["logits"]).unwrap().take("logits").unwrap()
        };
        near(name, run(&recorded).view(), run(&network).view());
        let found = interpret(&recorded, &basis, &task).unwrap();
        for (got, want) in [
            (found.baseline, want.baseline),
            (found.hidden_centred.unwrap(), want.hidden_centred.unwrap()),
            (found.own_block_only.unwrap(), want.own_block_only.unwrap()),
        ] {
            assert!((got.loss / want.loss - 1.0).abs() < 1e-5, "{name}: {got:?} against {want:?}");
        }
        let labels = |found: &irreplens::analysis::Interpretation| {
            found.neurons.neurons.iter().map(|neuron| neuron.block).collect::<Vec<_>>()
        };
        assert_eq!(labels(&found), labels(&want), "{name}");
        // Its embeddings are what the neurons read.
        let maps = |found: &irreplens::analysis::Interpretation| {
            (
                found.embedding.embed_left.clone(),
                found.embedding.neuron_left.clone(),
                found.embedding.neuron_right.clone(),
            )
        };
        assert_eq!(maps(&found), maps(&want), "{name}");
    }
}

#[test]
fn activations_alone() {
    let recorded = read("plain").unwrap();
    assert!(recorded.embeddings().is_none() && recorded.readout().unembedding().is_none());
    assert_eq!(recorded.readout().site(), "logits");
    let hooks = Hooks::none().with(Hook::zero("hidden"));
    let error = recorded.run_with_hooks(&pairs(), &hooks, &["logits"]).unwrap_err();
    assert!(matches!(error, Error::HookUnsupported { .. }), "{error}");
    let error = read_precomputed(path("plain"), "neurons").unwrap_err();
    assert!(error.to_string().ends_with("plain.npz: no site `neurons`; there are hidden, logits"), "{error}");
}

#[test]
fn what_is_wrong_is_named() {
    for (name, message) in [
        ("no_logits", "expected a tensor named logits, got hidden (f32 [9, 4])"),
        (
            "wrong_shape",
            "tensor `hidden`: expected shape [9, 4] (all pairs of as many elements as there are logits), got [8, 4]",
        ),
        (
            "wrong_logits",
            "tensor `logits`: expected shape [9, 3] (all pairs of as many elements as there are logits), got [2, 3, 3]",
        ),
        ("wrong_unembed", "the unembedding does not read the logits off `hidden`: "),
        ("wrong_embed", "left embedding: expected shape [3, 4], got [2, 4]"),
        ("nan", "tensor `hidden`: expected finite numbers, got NaN at [4, 1]"),
        ("infinite", "tensor `logits`: expected finite numbers, got inf at [8, 0]"),
        ("integer", "tensor `hidden`: expected floats of 16, 32 or 64 bits, got <i4"),
        ("object", "tensor `hidden`: expected floats of 16, 32 or 64 bits, got |O"),
        ("truncated", "expected an .npz archive of arrays, got "),
        ("short_array", "expected an .npz archive of arrays, got array `hidden`: "),
    ] {
        let error = read(name).unwrap_err().to_string();
        let start = format!("{}: {message}", path(name).display());
        assert!(error.starts_with(&start), "{name}: {error}");
    }
}

#[test]
fn every_prefix_of_a_file_is_refused() {
    let bytes = std::fs::read(path("compressed")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.npz");
    for length in (0..bytes.len()).step_by(7) {
        std::fs::write(&file, &bytes[..length]).unwrap();
        let error = read_precomputed(&file, "hidden").unwrap_err();
        assert!(error.to_string().contains("cut.npz"), "{length}: {error}");
    }
}

/// Neither a flipped byte nor any other damage may do worse than an error.
#[test]
fn damaged_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.npz");
    for name in ["compressed", "plain"] {
        let bytes = std::fs::read(path(name)).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&file, &damaged).unwrap();
            if let Err(error) = read_precomputed(&file, "hidden") {
                assert!(error.to_string().contains("damaged.npz"), "byte {at}: {error}");
            }
        }
    }
}

/// An archive of one deflated entry that unfolds to `258 matches + 1` zeros and says so, or says `claimed`.
///
/// # Panics
/// If `matches` is not a multiple of 8: so many fill whole bytes.
fn bomb(name: &str, matches: usize, claimed: Option<u32>) -> Vec<u8> {
    assert_eq!(matches % 8, 0);
    // A last block in the fixed Huffman code: literal 0, then "258 bytes from 1 back" over and over, then the end. Codes
    // stand in the order they are read, first bit first.
    let (head, code, end) = ("110".to_owned() + "00110000", "11000101".to_owned() + "00000", "0000000");
    let bytes = |bits: String| -> Vec<u8> {
        let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        bits.as_bytes().chunks(8).map(byte).collect()
    };
    // The head ends three bits into the second byte, and so does every eighth match after it.
    let once = bytes(head.clone() + &code.repeat(16) + end);
    let mut packed = vec![once[0]];
    packed.extend(once[1..14].repeat(matches / 8));
    packed.extend(&bytes(head + &code.repeat(8) + end)[14..]);
    let size = claimed.unwrap_or((258 * matches + 1) as u32);
    let (packed_size, name_length) = ((packed.len() as u32).to_le_bytes(), (name.len() as u16).to_le_bytes());
    // version, flags, method 8, time and date, checksum, sizes, lengths of name and of the rest
    let common = [&[20, 0, 0, 0, 8, 0], &[0; 8][..], &packed_size, &size.to_le_bytes(), &name_length, &[0, 0]].concat();
    let mut file = [b"PK\x03\x04", &common[..], name.as_bytes(), &packed].concat();
    let at = (file.len() as u32).to_le_bytes();
    let central = [b"PK\x01\x02\x14\0", &common[..], &[0; 14], name.as_bytes()].concat();
    file.extend_from_slice(&central);
    let length = (central.len() as u32).to_le_bytes();
    file.extend([b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length[..], &at, &[0, 0]].concat());
    file
}

/// A width of n^2 does not turn an unembedding into a site.
#[test]
fn as_many_neurons_as_pairs() {
    for n in [1, 2] {
        let network = models::summed(n, n * n, 5);
        let pairs: Vec<Pair> = (0..n * n).map(|i| (Elem::new(i / n), Elem::new(i % n))).collect();
        let mut cache = network.run_with_cache(&pairs, &["hidden", "logits"]).unwrap();
        let (left, right) = network.embeddings().unwrap();
        let arrays = [
            ("hidden", cache.take("hidden").unwrap()),
            ("logits", cache.take("logits").unwrap()),
            ("embed_left", left.to_owned()),
            ("embed_right", right.to_owned()),
            ("unembed", network.readout().unembedding().unwrap().to_owned()),
        ];
        let tensor = |a: Array2<f32>| Tensor::F32(a.as_standard_layout().into_owned().into_dyn());
        let tensors: Tensors = arrays.into_iter().map(|(name, a)| (name.to_owned(), tensor(a))).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.safetensors");
        write_safetensors(&file, &tensors, &BTreeMap::new()).unwrap();
        let found = read_precomputed(&file, "hidden").unwrap();
        assert_eq!((found.sites().len(), found.embeddings()), (2, network.embeddings()));
        assert_eq!(found.readout().unembedding(), network.readout().unembedding());
    }
}

/// Arrays of no entries with axes of any length: the number of pairs is 0, or overflows.
#[test]
fn axes_of_no_entries() {
    for classes in [0u64, 1 << 32, 1 << 40] {
        let array = |rows: u64, columns: u64| {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
            let header = format!("{header:<117}\n");
            [b"\x93NUMPY\x01\0\x76\0", header.as_bytes()].concat()
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.npz");
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&file).unwrap());
        for (name, array) in [("hidden.npy", array(0, 4)), ("logits.npy", array(0, classes))] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(&array).unwrap();
        }
        archive.finish().unwrap();
        let error = read_precomputed(&file, "hidden").unwrap_err();
        assert!(error.to_string().contains("empty.npz: tensor `logits`: expected shape"), "{error}");
    }
}

#[test]
fn an_archive_that_understates_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bomb.npz");
    for claimed in [None, Some(0), Some(100), Some(1000)] {
        std::fs::write(&file, bomb("hidden.npy", 100_000, claimed)).unwrap();
        let error = read_precomputed(&file, "hidden").unwrap_err();
        assert!(error.to_string().contains("bomb.npz: expected an .npz archive of arrays"), "{error}");
    }
}

#[test]
fn the_same_from_safetensors() {
    let network = models::one_layer(4, 2, 5, true, 1);
    let recorded = Precomputed::record(&network, &["hidden_pre", "hidden", "logits"], "hidden").unwrap();
    let pairs: Vec<Pair> = (0..16).map(|i| (Elem::new(i / 4), Elem::new(i % 4))).collect();
    let mut cache = recorded.run_with_cache(&pairs, &["hidden_pre", "hidden", "logits"]).unwrap();
    let mut tensors = Tensors::new();
    let mut add = |name: &str, array: Array2<f32>| {
        tensors.insert(name.into(), Tensor::F32(array.as_standard_layout().into_owned().into_dyn()));
    };
    for site in ["hidden_pre", "hidden", "logits"] {
        add(site, cache.take(site).unwrap());
    }
    add("unembed", network.readout().unembedding().unwrap().to_owned());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.safetensors");
    write_safetensors(&file, &tensors, &BTreeMap::new()).unwrap();
    let found = read_precomputed(&file, "hidden").unwrap();
    let task = Task::new(&Cyclic::new(4).unwrap());
    let hooks = Hooks::none().with(Hook::scale("hidden", 0.5));
    let (got, want) = (found.evaluate(&task, &hooks).unwrap(), network.evaluate(&task, &hooks).unwrap());
    assert!((got.loss / want.loss - 1.0).abs() < 1e-6);
    assert_eq!(found.sites().len(), 3);
}

/// The bytes of an array with this header.
fn array(header: &str, numbers: &[u8]) -> Vec<u8> {
    let header = format!("{header}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), numbers].concat()
}

fn described(descr: &str, fortran: bool, shape: &[usize], numbers: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let quoted = if descr.starts_with('[') { descr.to_owned() } else { format!("'{descr}'") };
    array(&format!("{{'descr': {quoted}, 'fortran_order': {fortran}, 'shape': ({shape}), }}"), numbers)
}

fn write_npz(file: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(file).unwrap());
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(array).unwrap();
    }
    archive.finish().unwrap();
}

/// Numbers that half precision has exactly: rows of (9, 3) and (9, 4).
fn exact(width: usize) -> Array2<f32> {
    Array2::from_shape_fn((9, width), |(pair, k)| (pair * width + k) as f32 / 8.0 - 2.0)
}

/// The bits of a half, which the number must have exactly.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    if value == 0.0 {
        0
    } else {
        (bits >> 16 & 0x8000) as u16 | (((bits >> 23 & 255) - 112) << 10) as u16 | (bits >> 13 & 1023) as u16
    }
}

/// Every float type, in both byte orders and both memory orders, with two and with three axes.
#[test]
fn every_kind_of_float_is_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.npz");
    let want = Precomputed::new(vec![("hidden".into(), exact(4)), ("logits".into(), exact(3))], "hidden").unwrap();
    let want = want.run_with_cache(&pairs(), &["hidden", "logits"]).unwrap();
    for kind in ["f2", "f4", "f8"] {
        for (big, fortran, cube) in (0..8).map(|i| (i & 1 > 0, i & 2 > 0, i & 4 > 0)) {
            let write = |values: Array2<f32>| {
                let width = values.ncols();
                let shape = if cube { vec![3, 3, width] } else { vec![9, width] };
                let values = values.into_shape_with_order(shape.clone()).unwrap();
                let ordered: Vec<f32> =
                    if fortran { values.t().iter().copied().collect() } else { values.iter().copied().collect() };
                let bytes = ordered.iter().flat_map(|&v| {
                    let mut bytes = match kind {
                        "f2" => half(v).to_le_bytes().to_vec(),
                        "f4" => v.to_le_bytes().to_vec(),
                        _ => f64::from(v).to_le_bytes().to_vec(),
                    };
                    if big {
                        bytes.reverse();
                    }
                    bytes
                });
                let descr = format!("{}{kind}", if big { '>' } else { '<' });
                described(&descr, fortran, &shape, &bytes.collect::<Vec<u8>>())
            };
            write_npz(&file, &[("hidden", write(exact(4))), ("logits", write(exact(3)))]);
            let found =
                read_precomputed(&file, "hidden").unwrap().run_with_cache(&pairs(), &["hidden", "logits"]).unwrap();
            for site in ["hidden", "logits"] {
                assert_eq!(found.get(site).unwrap(), want.get(site).unwrap(), "{kind} {big} {fortran} {cube} {site}");
            }
        }
    }
}

#[test]
fn what_is_no_site_is_skipped_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.npz");
    let floats = |width: usize| exact(width).iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let extras = [
        ("labels", described("<i8", false, &[9], &[0; 72])),
        ("mask", described("|b1", false, &[9, 1], &[1; 9])),
        ("names", described("<U5", false, &[2], &[0; 40])),
        ("bytes", described("|S3", false, &[1], b"abc")),
        ("objects", described("|O", false, &[1], b"\x80\x04cos\nsystem\n.")),
        ("records", described("[('a', '<f4'), ('b', '<i4', (2,))]", false, &[1], &[0; 12])),
        ("complex", described("<c8", false, &[9, 4], &[0; 288])),
        ("when", described("<M8[s]", false, &[], &[0; 8])),
        ("n", described("<f8", false, &[], &3f64.to_le_bytes())),
        ("losses", described("<f4", false, &[5], &[0; 20])),
        ("weights", described("<f4", false, &[4, 3], &[0; 48])),
        ("embed_left", described("<f4", false, &[3, 2], &[0; 24])),
    ];
    let sites = [
        ("hidden", described("<f4", false, &[9, 4], &floats(4))),
        ("logits", described("<f4", false, &[9, 3], &floats(3))),
    ];
    write_npz(&file, &[&extras[..], &sites[..]].concat());
    let found = read_precomputed(&file, "hidden").unwrap();
    assert_eq!(found.sites().into_iter().map(|site| site.name).collect::<Vec<_>>(), ["hidden", "logits"]);
    let mut names: Vec<&str> = found.skipped().iter().map(|skipped| skipped.split(' ').next().unwrap()).collect();
    let mut expected: Vec<&str> = extras.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(found.skipped().contains(&"labels (<i8 [9])".to_owned()), "{:?}", found.skipped());
    // What was asked for is not skipped.
    for (name, error) in
        [("labels", "got <i8"), ("objects", "got |O"), ("n", "expected shape [9, 1]"), ("weights", "got [4, 3]")]
    {
        let message = read_precomputed(&file, name).unwrap_err().to_string();
        assert!(message.contains(&format!("run.npz: tensor `{name}`: ")) && message.contains(error), "{message}");
    }
}

/// The cases that lie beside the data: `20e-npz-f16`, `20g-npz-int-extra` and the hostile ones.
#[test]
fn files_that_people_have() {
    let Some(folder) =
        data::folder("files_that_people_have").map(|data| data.with_file_name("cases")).filter(|c| c.is_dir())
    else {
        return;
    };
    let task = Task::new(&Cyclic::new(7).unwrap());
    // Rounded to halves the logits have another loss than those of single precision, 2.879406e-1: this is that of the numbers in
    // the file, by Python's `math` in double precision.
    for (name, loss) in [("20e-npz-f16", "2.879092e-1"), ("20g-npz-int-extra", "2.879406e-1")] {
        let found = read_precomputed(folder.join(name).join("run.npz"), "hidden").unwrap();
        let evaluation = found.evaluate(&task, &Hooks::none()).unwrap();
        assert_eq!((format!("{:.6e}", evaluation.loss), evaluation.accuracy), (loss.into(), 1.0), "{name}");
        assert_eq!(found.skipped().len(), usize::from(name.contains("extra")), "{:?}", found.skipped());
    }
    for name in ["h-list-20.npz", "npy_header_len_4GiB.npz", "npz_nested_tuple_stack_overflow.npz"] {
        let (path, start) = (folder.join("hostile").join(name), std::time::Instant::now());
        let message = read_precomputed(&path, "hidden").unwrap_err().to_string();
        assert!(message.starts_with(path.to_str().unwrap()) && message.len() < 4096, "{message}");
        assert!(start.elapsed().as_millis() < 500, "{name}: {:?}", start.elapsed());
    }
}

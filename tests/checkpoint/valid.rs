//! Files as they should be: fixtures against PyTorch's own reading, the real runs, round trips, atomic writing.

use std::collections::BTreeMap;
use std::path::Path;

use irreplens::Error;
use irreplens::checkpoint::{
    ModelKind, ModelSettings, RunConfig, Tensor, Tensors, atomic_write, matrix, read_tensors, torch, vector,
    write_safetensors,
};
use ndarray::{Array, ArrayD, IxDyn};
use serde_json::Value;

use crate::data::folders_with;
use crate::{build, fixture};

/// Type, shape and elements as `make.py` writes them; every NaN is one NaN, since widening may change its payload.
fn described(tensor: &Tensor) -> Value {
    let values: Vec<Value> = match tensor {
        Tensor::F32(a) => {
            a.iter().map(|v| if v.is_nan() { "NaN".into() } else { (v.to_bits() as i32).into() }).collect()
        }
        Tensor::F64(a) => a.iter().map(|v| (v.to_bits() as i64).into()).collect(),
        Tensor::I64(a) => a.iter().map(|&v| v.into()).collect(),
        Tensor::Bool(a) => a.iter().map(|&v| v.into()).collect(),
        _ => unreachable!("all of today's variants are above"),
    };
    serde_json::json!({ "dtype": tensor.dtype(), "shape": tensor.shape(), "values": values })
}

#[test]
fn fixtures_are_read_bit_for_bit() {
    let expected: Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    for (file, tensors) in expected.as_object().unwrap() {
        let name = format!("{file}.pt");
        let got = torch::read_bytes(&fixture(&name), name.as_ref()).unwrap();
        assert!(
            got.keys().eq(tensors.as_object().unwrap().keys().collect::<std::collections::BTreeSet<_>>()),
            "{name}"
        );
        for (key, tensor) in &got {
            let mut want = tensors[key].clone();
            if want["dtype"] == "f32" {
                for v in want["values"].as_array_mut().unwrap() {
                    if f32::from_bits(v.as_i64().unwrap() as u32).is_nan() {
                        *v = "NaN".into();
                    }
                }
            }
            assert_eq!(described(tensor), want, "{name}: {key}");
        }
    }
}

#[test]
fn tensors_of_runs_have_the_shapes_of_their_configs() {
    let Some(runs) = folders_with("cfg.json", "tensors_of_runs_have_the_shapes_of_their_configs") else {
        return;
    };
    for run in runs {
        let config = RunConfig::read(run.join("cfg.json")).unwrap();
        let path = run.join("model.pt");
        let tensors = read_tensors(&path).unwrap();
        let (n, embed) = (config.order().unwrap(), config.layers.embed_dim);
        let take = |names: &[&str]| matrix(&path, &tensors, names).unwrap();
        let left = take(&["W_E_a", "W_x", "W1a"]);
        assert_eq!(left.dim(), (n, embed), "{}", path.display());
        assert_eq!(take(&["W_E_b", "W_y", "W1b"]).dim(), (n, embed));
        let hidden = config.layers.hidden_dim.unwrap_or(embed);
        assert_eq!(take(&["W_U", "Wfinal"]).dim(), (hidden, n));
        let read = match config.model {
            ModelSettings::Published(ModelKind::OneLayerMlp) => Some(2 * embed),
            ModelSettings::Published(ModelKind::TwoLayerMlp) => Some(embed),
            _ => None,
        };
        if let Some(width) = read {
            let w = tensors.iter().find(|(_, t)| t.shape() == [width, hidden]);
            assert!(w.is_some(), "{}: no hidden weights in {:?}", path.display(), tensors.keys());
        }

        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("model.safetensors");
        write_safetensors(&copy, &tensors, &BTreeMap::new()).unwrap();
        assert_eq!(read_tensors(&copy).unwrap(), tensors);
    }
}

fn sample() -> Tensors {
    let mut transposed = Array::from_shape_fn((2, 3), |(i, j)| (10 * i + j) as f64).reversed_axes().into_dyn();
    transposed[[0, 0]] = f64::MIN_POSITIVE;
    Tensors::from([
        ("a \"quoted\" \u{1f600}".into(), Tensor::F64(transposed)),
        ("bool".into(), Tensor::Bool(ArrayD::from_elem(IxDyn(&[3]), true))),
        ("empty".into(), Tensor::F32(ArrayD::zeros(IxDyn(&[0, 4])))),
        ("i64".into(), Tensor::I64(ArrayD::from_elem(IxDyn(&[]), i64::MIN))),
        ("odd".into(), Tensor::F32(ArrayD::from_elem(IxDyn(&[1, 1, 3]), f32::NEG_INFINITY))),
    ])
}

#[test]
fn safetensors_round_trip_and_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.safetensors", "b.bin"].map(|name| folder.path().join(name));
    let metadata: BTreeMap<_, _> = (0..20).map(|k| (format!("key {k}"), "\"value\"\n".to_owned())).collect();
    for path in &paths {
        write_safetensors(path, &sample(), &metadata).unwrap();
        assert_eq!(read_tensors(path).unwrap(), sample());
    }
    let [a, b] = paths.map(|path| std::fs::read(path).unwrap());
    assert_eq!(a, b, "the same arguments give the same bytes");
    let (_, header) = ::safetensors::SafeTensors::read_metadata(&a).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap().len(), 21, "with the checksum");
}

#[test]
fn a_tensor_may_not_take_the_reserved_name() {
    let tensors = Tensors::from([("__metadata__".into(), Tensor::Bool(ArrayD::default(IxDyn(&[1]))))]);
    let error = write_safetensors("never.safetensors", &tensors, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, Error::Format { expected: "every name once", .. }), "{error}");
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn atomic_writes_replace_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for bytes in [&b"old"[..], b"newer", b""] {
        atomic_write(&path, bytes).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    assert_eq!(names(folder.path()), ["x"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, b"").unwrap();
        assert_eq!(mode(&path), mode(&plain), "permissions of an ordinary new file");
    }
}

#[test]
fn a_failed_write_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("inside"), b"kept").unwrap();
    for path in [taken.clone(), folder.path().join("absent/x")] {
        let error = atomic_write(&path, b"new").unwrap_err();
        assert!(matches!(&error, Error::Io { path: p, .. } if *p == path), "{error}");
        assert!(error.to_string().starts_with(&path.display().to_string()));
    }
    assert_eq!(names(folder.path()), ["taken"], "no temporary file left");
    assert_eq!(std::fs::read(taken.join("inside")).unwrap(), b"kept");
}

#[test]
fn weights_are_taken_by_the_first_name_and_checked() {
    let f32s = |shape: &[usize], v| Tensor::F32(ArrayD::from_elem(shape, v));
    let mut holed = ArrayD::zeros(IxDyn(&[2, 3]));
    holed[[1, 2]] = f64::NAN;
    let tensors = Tensors::from([
        ("W_x".into(), f32s(&[2, 3], 1.0)),
        ("W1a".into(), f32s(&[2, 3], 2.0)),
        ("b".into(), Tensor::F64(ArrayD::from_elem(IxDyn(&[4]), 0.1))),
        ("holed".into(), Tensor::F64(holed)),
        ("huge".into(), Tensor::F64(ArrayD::from_elem(IxDyn(&[1, 1]), 1e300))),
        ("inf".into(), f32s(&[1, 1], f32::INFINITY)),
        ("count".into(), Tensor::I64(ArrayD::zeros(IxDyn(&[2, 2])))),
        ("mask".into(), Tensor::Bool(ArrayD::default(IxDyn(&[2, 2])))),
    ]);
    let path = Path::new("model.pt");
    assert_eq!(matrix(path, &tensors, &["W_E_a", "W_x", "W1a"]).unwrap()[[0, 0]], 1.0);
    assert_eq!(vector(path, &tensors, &["b"]).unwrap()[3], 0.1f32);
    let refused = |name: &str| matrix(path, &tensors, &[name]).unwrap_err();
    let cases = [
        (refused("holed"), "model.pt: tensor `holed`: expected finite numbers, got NaN at [1, 2]"),
        (refused("huge"), "model.pt: tensor `huge`: expected finite numbers, got inf at [0, 0]"),
        (refused("inf"), "model.pt: tensor `inf`: expected finite numbers, got inf at [0, 0]"),
        (refused("count"), "model.pt: tensor `count`: expected floating-point weights, got i64"),
        (refused("mask"), "model.pt: tensor `mask`: expected floating-point weights, got bool"),
        (refused("b"), "model.pt: tensor `b`: expected 2 axes, got shape [4]"),
        (vector(path, &tensors, &["W_x"]).unwrap_err(), "model.pt: tensor `W_x`: expected 1 axes, got shape [2, 3]"),
    ];
    for (error, message) in cases {
        assert_eq!(error.to_string(), message);
    }
    let missing = matrix(path, &tensors, &["W_U", "Wfinal"]).unwrap_err().to_string();
    assert!(
        missing.starts_with("model.pt: expected a tensor named W_U or Wfinal, got W1a (f32 [2, 3]), "),
        "{missing}"
    );
}

#[test]
fn hand_made_files_are_read() {
    let got = torch::read_bytes(&build::one("FloatStorage", 6, 1, &[2, 2], &[1, 3]), "x".as_ref()).unwrap();
    assert_eq!(got["W"], Tensor::F32(ndarray::arr2(&[[1.0, 4.0], [2.0, 5.0]]).into_dyn()));
}

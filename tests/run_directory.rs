//! Run directories: what a good one gives, and the error each kind of bad one gives.

use irreplens::Error;
use irreplens::checkpoint::{Run, RunConfig, Tensor, Tensors, write_safetensors};
use irreplens::group::Group;
use irreplens::model::Interpretable;
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::path::Path;

/// Names and shapes of weights.
type Shapes<'a> = &'a [(&'a str, &'a [usize])];

/// Writes a run directory with weights of these shapes.
fn write(directory: &Path, model: &str, group: &str, shapes: Shapes<'_>) -> Tensors {
    let config = format!(
        r#"{{"model": "{model}", "group": "{group}", "group_parameter": 3, "seed": 1, "frac_train": 0.4,
            "layers": {{"embed_dim": 4, "hidden_dim": 5}}, "lr": 0.001, "weight_decay": 1, "num_epochs": 10}}"#
    );
    std::fs::write(directory.join("cfg.json"), config).unwrap();
    let wave = |shape: &[usize]| {
        let mut i = 0.0f32;
        Tensor::F32(ArrayD::from_shape_simple_fn(shape.to_vec(), || {
            i += 1.0;
            (0.7 * i).sin()
        }))
    };
    let tensors: Tensors = shapes.iter().map(|(name, shape)| ((*name).to_owned(), wave(shape))).collect();
    write_safetensors(directory.join("model.safetensors"), &tensors, &BTreeMap::new()).unwrap();
    tensors
}

const DIHEDRAL: Shapes<'_> = &[("W_E_a", &[6, 4]), ("W_E_b", &[6, 4]), ("W", &[8, 5]), ("W_U", &[5, 6])];

fn model_error(model: &str, group: &str, shapes: Shapes<'_>) -> Error {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), model, group, shapes);
    Run::open(directory.path()).unwrap().model().map(|_| ()).unwrap_err()
}

#[test]
fn every_architecture_and_name_family_loads() {
    let cases: [(&str, Shapes<'_>, &str); 6] = [
        ("OneLayerMLP", DIHEDRAL, "hidden_pre"),
        ("OneLayerMLP", &[("W_x", &[6, 4]), ("W_y", &[6, 4]), ("W", &[8, 5]), ("W_U", &[5, 6])], "hidden_pre"),
        (
            "OneLayerMLPwithBias",
            &[("W_E_a", &[6, 4]), ("W_E_b", &[6, 4]), ("W", &[8, 5]), ("b", &[5]), ("W_U", &[5, 6])],
            "hidden_pre",
        ),
        ("BetterOneLayerMLP", &[("W_x", &[6, 4]), ("W_y", &[6, 4]), ("W_U", &[4, 6])], "hidden_pre"),
        (
            "BetterTwoLayerMLP",
            &[("W1a", &[6, 4]), ("W1b", &[6, 4]), ("W", &[4, 5]), ("Wfinal", &[5, 6])],
            "hidden1_pre",
        ),
        ("BilinearNet", &[("W_x", &[6, 4]), ("W_y", &[6, 4]), ("W_U", &[4, 6])], "hidden"),
    ];
    for (kind, shapes, site) in cases {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), kind, "DihedralGroup", shapes);
        let run = Run::open(directory.path()).unwrap();
        assert_eq!(run.group().unwrap().name(), "D3");
        let model = run.model().unwrap();
        assert_eq!(model.order(), 6);
        assert_eq!(model.as_separable().unwrap().separable_site(), site, "{kind}");
        irreplens::laws::model::check(&model).unwrap();
    }
}

#[test]
fn a_weight_that_does_not_fit_is_named_with_both_shapes() {
    // The embedding is that of another group's order.
    let cyclic = model_error("OneLayerMLP", "CyclicGroup", DIHEDRAL);
    let Error::TensorShape { tensor, expected, got, path, .. } = &cyclic else { panic!("{cyclic}") };
    assert_eq!((tensor.as_str(), &expected[..], &got[..]), ("W_E_a", &[3, 4][..], &[6, 4][..]));
    assert!(path.ends_with("model.safetensors"));
    for (changed, shape) in [("W_E_b", [6, 3]), ("W", [4, 5]), ("W_U", [6, 5])] {
        let shape: &[usize] = &shape;
        let shapes: Vec<_> = DIHEDRAL.iter().map(|&(n, s)| (n, if n == changed { shape } else { s })).collect();
        let error = model_error("OneLayerMLP", "DihedralGroup", &shapes);
        assert!(matches!(&error, Error::TensorShape { tensor, .. } if tensor == changed), "{error}");
    }
    let bias = [DIHEDRAL, &[("b", &[4])]].concat();
    let error = model_error("OneLayerMLPwithBias", "DihedralGroup", &bias);
    assert!(matches!(&error, Error::TensorShape { tensor, .. } if tensor == "b"), "{error}");
}

#[test]
fn a_missing_weight_names_the_alternatives_and_what_there_is() {
    let error = model_error("OneLayerMLP", "DihedralGroup", &DIHEDRAL[1..]);
    let text = error.to_string();
    assert!(matches!(error, Error::MissingTensor { .. }));
    for part in ["model.safetensors", "W_E_a or W_x or W1a", "W_U"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn weights_that_are_no_finite_numbers_are_refused() {
    for (bad, index) in [(f32::NAN, 3), (f32::INFINITY, 0)] {
        let directory = tempfile::tempdir().unwrap();
        let mut tensors = write(directory.path(), "OneLayerMLP", "DihedralGroup", DIHEDRAL);
        let Some(Tensor::F32(weight)) = tensors.get_mut("W") else { panic!() };
        weight[[index, 1]] = bad;
        write_safetensors(directory.path().join("model.safetensors"), &tensors, &BTreeMap::new()).unwrap();
        let error = Run::open(directory.path()).unwrap().model().map(|_| ()).unwrap_err();
        let Error::NonFinite { tensor, index: at, .. } = &error else { panic!("{error}") };
        assert_eq!((tensor.as_str(), &at[..]), ("W", &[index, 1][..]));
    }
}

#[test]
fn a_directory_without_files_names_the_missing_one() {
    let directory = tempfile::tempdir().unwrap();
    let error = Run::open(directory.path()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("cfg.json")), "{error}");
    write(directory.path(), "OneLayerMLP", "DihedralGroup", DIHEDRAL);
    std::fs::remove_file(directory.path().join("model.safetensors")).unwrap();
    let error = Run::open(directory.path()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("model.pt")), "{error}");
}

#[test]
fn symmetric_groups_say_that_they_need_an_element_order() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", "SymmetricGroup", DIHEDRAL);
    let run = Run::open(directory.path()).unwrap();
    assert!(run.model().is_ok());
    assert!(matches!(run.group().map(|_| ()), Err(Error::Unsupported { .. })));
    assert_eq!(RunConfig::read(directory.path().join("cfg.json")).unwrap(), run.config);
}

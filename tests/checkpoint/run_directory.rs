//! Run directories: what a good one gives, and the error each kind of bad one gives.

use irreplens::Error;
use irreplens::checkpoint::{Run, RunConfig, Tensor, Tensors, write_safetensors};
use irreplens::error::TensorFault;
use irreplens::group::{Composition, Cyclic, Dihedral, Group, GroupExt, PermutationGroup};
use irreplens::model::Interpretable;
use irreplens::task::{Split, Task};
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
    let Error::Tensor { tensor, path, fault: TensorFault::Shape { expected, got, .. }, .. } = &cyclic else {
        panic!("{cyclic}")
    };
    assert_eq!((tensor.as_str(), &expected[..], &got[..]), ("W_E_a", &[3, 4][..], &[6, 4][..]));
    assert!(path.ends_with("model.safetensors"));
    for (changed, shape) in [("W_E_b", [6, 3]), ("W", [4, 5]), ("W_U", [6, 5])] {
        let shape: &[usize] = &shape;
        let shapes: Vec<_> = DIHEDRAL.iter().map(|&(n, s)| (n, if n == changed { shape } else { s })).collect();
        let error = model_error("OneLayerMLP", "DihedralGroup", &shapes);
        assert!(
            matches!(&error, Error::Tensor { tensor, fault: TensorFault::Shape { .. }, .. } if tensor == changed),
            "{error}"
        );
    }
    let bias = [DIHEDRAL, &[("b", &[4])]].concat();
    let error = model_error("OneLayerMLPwithBias", "DihedralGroup", &bias);
    assert!(
        matches!(&error, Error::Tensor { tensor, fault: TensorFault::Shape { .. }, .. } if tensor == "b"),
        "{error}"
    );
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
        let Error::Tensor { tensor, fault: TensorFault::NonFinite { index: at, .. }, .. } = &error else {
            panic!("{error}")
        };
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
fn widths_come_from_the_weights_and_a_split_says_which_key_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", "DihedralGroup", DIHEDRAL);
    let config = r#"{"model": "OneLayerMLP", "group": "DihedralGroup", "group_parameter": 3, "seed": 1}"#;
    std::fs::write(directory.path().join("cfg.json"), config).unwrap();
    let run = Run::open(directory.path()).unwrap();
    assert_eq!((run.config.layers.embed_dim, run.config.layers.hidden_dim), (4, Some(5)));
    assert_eq!(run.model().unwrap().order(), 6);
    let error = run.split().unwrap_err();
    assert!(matches!(&error, Error::Config { key: "frac_train", path, .. } if path.ends_with("cfg.json")), "{error}");
    write_task(directory.path(), &[("train", &[1], &[7])]);
    assert_eq!(run.split().unwrap().train, [7]);
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

/// Writes integer tensors as the run's task.
fn write_task(directory: &Path, tensors: &[(&str, &[usize], &[i64])]) {
    let tensor =
        |shape: &[usize], values: &[i64]| Tensor::I64(ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap());
    let tensors = tensors.iter().map(|(name, shape, values)| ((*name).to_owned(), tensor(shape, values))).collect();
    write_safetensors(directory.join("task.safetensors"), &tensors, &BTreeMap::new()).unwrap();
}

fn table_of(group: &dyn Group) -> Vec<i64> {
    Task::new(group).labels().iter().map(|&p| i64::from(p)).collect()
}

/// A run of this kind of group with a table; the order is 6 for a dihedral or symmetric group, 3 for the others.
fn group_of(kind: &str, table: Option<(&[usize], &[i64])>) -> Result<Box<dyn Group>, Error> {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", kind, DIHEDRAL);
    if let Some((shape, table)) = table {
        write_task(directory.path(), &[("table", shape, table)]);
    }
    Run::open(directory.path()).unwrap().group()
}

#[test]
fn the_task_files_table_is_the_group() {
    // D3 with its rows shuffled, the identity row 4: no kind of group would guess it.
    let d3 = Dihedral::new(3).unwrap().cayley_table().relabelled(&[4, 0, 2, 5, 1, 3]).unwrap();
    let table = table_of(&d3);
    for kind in ["SymmetricGroup", "DihedralGroup"] {
        let group = group_of(kind, Some((&[6, 6], &table))).unwrap();
        assert_eq!(Task::new(&group), Task::new(&d3), "{kind}");
        assert_eq!(group.identity().index(), 4);
    }
    let c3 = Cyclic::new(3).unwrap();
    let group = group_of("CayleyTable", Some((&[3, 3], &table_of(&c3)))).unwrap();
    assert_eq!(Task::new(&group), Task::new(&c3));
    // A task file without a table leaves the settings' group.
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", "DihedralGroup", DIHEDRAL);
    write_task(directory.path(), &[("train", &[1], &[7])]);
    assert_eq!(Run::open(directory.path()).unwrap().group().unwrap().name(), "D3");
}

#[test]
fn a_table_that_is_no_group_of_the_order_is_refused() {
    let error = |shape: &[usize], table: &[i64]| {
        let error = group_of("CayleyTable", Some((shape, table))).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("task.safetensors: "), "{error}");
        error
    };
    let e = error(&[6, 6], &table_of(&Dihedral::new(3).unwrap()));
    assert!(
        matches!(&e, Error::Tensor { fault: TensorFault::Shape { expected, got, .. }, .. } if expected == &[3, 3] && got == &[6, 6]),
        "{e}"
    );
    assert!(matches!(error(&[3, 2], &[0; 6]), Error::Tensor { fault: TensorFault::Shape { .. }, .. }));
    assert!(matches!(error(&[9], &[0; 9]), Error::Tensor { fault: TensorFault::Rank { expected: 2, .. }, .. }));
    let e = error(&[3, 3], &[0, 1, 2, 1, -2, 0, 2, 0, 1]);
    assert!(matches!(&e, Error::Tensor { fault: TensorFault::Unfit { got, .. }, .. } if got == "-2 at [1, 1]"), "{e}");
    let e = error(&[3, 3], &[0, 1, 2, 1, 0, 2, 2, 0, 1]);
    assert!(matches!(&e, Error::InFile { source, .. } if matches!(**source, Error::LawFails { .. })), "{e}");

    let missing = group_of("CayleyTable", None).map(|_| ()).unwrap_err();
    assert!(matches!(&missing, Error::Io { path, .. } if path.ends_with("task.safetensors")), "{missing}");
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", "CayleyTable", DIHEDRAL);
    let tensors = Tensors::from([("table".to_owned(), Tensor::F32(ArrayD::zeros(vec![3, 3])))]);
    write_safetensors(directory.path().join("task.safetensors"), &tensors, &BTreeMap::new()).unwrap();
    let error = Run::open(directory.path()).unwrap().group().map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Tensor { fault: TensorFault::Unfit { .. }, .. }), "{error}");
    write_task(directory.path(), &[("train", &[1], &[0])]);
    let error = Run::open(directory.path()).unwrap().group().map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("expected a tensor named table, got train (i64 [1])"), "{error}");
}

#[test]
fn the_split_is_the_task_files_or_the_published_one() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", "DihedralGroup", DIHEDRAL);
    let run = Run::open(directory.path()).unwrap();
    assert_eq!(run.directory(), directory.path());
    assert_eq!(run.split().unwrap(), Split::published(6, 0.4, 1).unwrap());

    write_task(directory.path(), &[("train", &[4], &[35, 0, 7, 2])]);
    let split = run.split().unwrap();
    assert_eq!(split.train, [35, 0, 7, 2]);
    assert_eq!(split.test, (0..36).filter(|pair| ![35, 0, 7, 2].contains(pair)).collect::<Vec<_>>());
    write_task(directory.path(), &[("train", &[36], &(0..36).collect::<Vec<_>>())]);
    assert!(run.split().unwrap().test.is_empty());

    let cases: [(&[usize], &[i64], &str); 5] = [
        (&[0], &[], "at least one training pair, got none"),
        (&[2], &[3, 36], "row-major indices of pairs, got 36 at 1, where there are 36 pairs"),
        (&[1], &[-1], "row-major indices of pairs, got -1 at 0, where there are 36 pairs"),
        (&[3], &[5, 4, 5], "every pair once, got 5 again at 2"),
        (&[1, 2], &[5, 4], "1 axes, got shape [1, 2]"),
    ];
    for (shape, train, expected) in cases {
        write_task(directory.path(), &[("train", shape, train)]);
        let error = run.split().unwrap_err().to_string();
        assert!(error.ends_with(&format!("task.safetensors: tensor `train`: expected {expected}")), "{error}");
    }
    write_task(directory.path(), &[("table", &[1], &[0])]);
    assert!(matches!(run.split(), Err(Error::MissingTensor { .. })));
    // The number of pairs is not taken from the settings alone.
    let mut run = run;
    run.config.group_parameter = usize::MAX / 4;
    assert!(matches!(run.split(), Err(Error::Tensor { fault: TensorFault::Shape { .. }, .. })));
}

#[test]
fn checkpoints_are_listed_by_epoch_and_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let mut tensors = write(directory.path(), "OneLayerMLP", "DihedralGroup", DIHEDRAL);
    let run = Run::open(directory.path()).unwrap();
    assert_eq!(run.checkpoints().unwrap(), []);

    let folder = directory.path().join("checkpoints");
    std::fs::create_dir(&folder).unwrap();
    tensors.insert("adamw.W.first".into(), tensors["W"].clone());
    tensors.insert("adamw.step".into(), Tensor::I64(ArrayD::from_elem(vec![], 7)));
    let Some(Tensor::F32(weight)) = tensors.get_mut("W_U") else { panic!() };
    weight.fill(0.5);
    let names = ["epoch-000000900.safetensors", "epoch-000000000.safetensors", "epoch-12345678901.safetensors"];
    for name in names.iter().chain(&["notes.txt", "latest.safetensors"]) {
        write_safetensors(folder.join(name), &tensors, &BTreeMap::new()).unwrap();
    }
    let found = run.checkpoints().unwrap();
    let want = [(0, names[1]), (900, names[0]), (12_345_678_901, names[2])].map(|(epoch, n)| (epoch, folder.join(n)));
    assert_eq!(found, want);
    for (epoch, path) in found {
        assert!(path.ends_with(Run::checkpoint_name(epoch)));
        let at = run.at(&path).unwrap();
        assert_eq!((&at.config, &at.tensors, at.directory()), (&run.config, &tensors, run.directory()));
        assert!(at.model().unwrap().readout().unembedding().unwrap().iter().all(|&w| w == 0.5));
    }
    assert!(run.model().unwrap().readout().unembedding().unwrap().iter().any(|&w| w != 0.5));
    // Errors name the checkpoint, not the final weights.
    tensors.remove("W_E_a");
    write_safetensors(folder.join(names[0]), &tensors, &BTreeMap::new()).unwrap();
    let error = run.at(folder.join(names[0])).unwrap().model().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains(names[0]), "{error}");
    assert!(matches!(run.at(folder.join("epoch-000000001.safetensors")), Err(Error::Io { .. })));
}

/// Writes the elements that some permutations generate as an element order.
fn write_order(file: &Path, generators: &[&[usize]]) {
    let generators: Vec<Vec<usize>> = generators.iter().map(|g| g.to_vec()).collect();
    let group = PermutationGroup::from_generators(&generators, Composition::ApplyLeftFirst, 100).unwrap();
    let elements: Vec<&[usize]> = group.elements().map(|x| group.permutation(x)).collect();
    let order = serde_json::json!({ "composition": "(p*q)[i] = q[p[i]]", "elements": elements });
    std::fs::write(file, order.to_string()).unwrap();
}

#[test]
fn an_order_or_a_table_of_another_group_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let [s3, c6, s4, wide] = ["s3", "c6", "s4", "wide"].map(|name| directory.path().join(name).with_extension("json"));
    write_order(&s3, &[&[1, 2, 0], &[1, 0, 2]]);
    write_order(&c6, &[&[1, 2, 0, 4, 3]]);
    write_order(&s4, &[&[1, 2, 3, 0], &[1, 0, 2, 3]]);
    write_order(&wide, &[&[1, 2, 0, 4, 5, 3], &[3, 5, 4, 0, 2, 1]]); // S3 on its own six elements
    let in_order = |kind: &str, order: &Path| {
        write(directory.path(), "OneLayerMLP", kind, DIHEDRAL);
        Run::open(directory.path()).unwrap().group_in_order(Some(order)).map(|(group, _)| group.order())
    };
    for kind in ["SymmetricGroup", "DihedralGroup"] {
        assert_eq!(in_order(kind, &s3).unwrap(), 6);
        assert_eq!(in_order(kind, &wide).unwrap(), 6, "the same group on other points");
        for order in [&c6, &s4] {
            let error = in_order(kind, order).unwrap_err();
            let start = format!("{}: expected the elements of the run's group, got ", order.display());
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }
    assert!(in_order("CyclicGroup", &s3).is_err());

    // A run that has its own table is not read in another order of it.
    let own = PermutationGroup::from_json(&s3).unwrap().cayley_table();
    write_task(directory.path(), &[("table", &[6, 6], &table_of(&own))]);
    assert_eq!(in_order("SymmetricGroup", &s3).unwrap(), 6);
    write_task(directory.path(), &[("table", &[6, 6], &table_of(&own.relabelled(&[1, 0, 2, 3, 4, 5]).unwrap()))]);
    let error = in_order("SymmetricGroup", &s3).unwrap_err().to_string();
    assert!(error.contains("got a group whose table is not that of task.safetensors, row by row"), "{error}");

    // Nor is a table of another group of the settings' order taken for its group.
    write_task(directory.path(), &[("table", &[6, 6], &table_of(&Cyclic::new(6).unwrap()))]);
    for (kind, what) in [("SymmetricGroup", "than S3"), ("DihedralGroup", "reflects the one of order 3")] {
        write(directory.path(), "OneLayerMLP", kind, DIHEDRAL);
        let error = Run::open(directory.path()).unwrap().group().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("task.safetensors: tensor `table`: ") && error.ends_with(what), "{error}");
    }
    write_task(directory.path(), &[("table", &[3, 3], &[0, 1, 2, 1, 2, 0, 2, 0, 1])]);
    write(directory.path(), "OneLayerMLP", "CyclicGroup", DIHEDRAL);
    assert!(Run::open(directory.path()).unwrap().group().is_ok());
}

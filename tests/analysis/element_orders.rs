//! Element orders: those with a name, those in files, and the errors that say how to give one.

use crate::{data, runs};
use irreplens::Error;
use irreplens::checkpoint::{GroupKind, ModelKind, Run, Tensor, Tensors, write_safetensors};
use irreplens::group::{Alternating, Composition, Group, GroupExt, PermutationGroup, Symmetric};
use irreplens::model::Interpretable;
use irreplens::task::Task;
use runs::{write_order, write_run};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// The same permutations in the same rows, multiplied by the same rule.
fn assert_same(got: &PermutationGroup, expected: &PermutationGroup) {
    assert_eq!((got.order(), got.composition()), (expected.order(), expected.composition()));
    assert!(got.elements().all(|x| got.permutation(x) == expected.permutation(x)), "{}", expected.name());
}

#[test]
fn published_orders() {
    let Some(folder) = data::folder("published_orders") else { return };
    for n in 3..=6 {
        let file = PermutationGroup::from_json(folder.join(format!("orders/S{n}.json"))).unwrap();
        assert_same(&Symmetric::in_sympy_order(n).unwrap(), &file);
    }
    let file = PermutationGroup::from_json(folder.join("orders/A5.json")).unwrap();
    let generators = [vec![1, 2, 3, 4, 0], vec![0, 2, 1, 4, 3]];
    assert_same(&PermutationGroup::in_sympy_order(&generators, 60).unwrap(), &file);
}

#[test]
fn sympy_orders_are_groups_of_all_their_permutations() {
    for n in 1..=5 {
        let (s, a) = (Symmetric::in_sympy_order(n).unwrap(), Alternating::in_sympy_order(n).unwrap());
        assert_eq!((s.order(), s.name()), (Symmetric::new(n).unwrap().order(), format!("S{n}")));
        assert_eq!((a.order(), a.name()), (Alternating::new(n).unwrap().order(), format!("A{n}")));
        for group in [&s, &a] {
            irreplens::laws::group::check(group).unwrap();
            assert_eq!(group.composition(), Composition::ApplyLeftFirst);
        }
        let even = Alternating::new(n).unwrap();
        assert!(n < 3 || a.elements().all(|x| even.find(a.permutation(x)).is_some()));
    }
    for n in [0, 8] {
        assert!(matches!(Symmetric::in_sympy_order(n), Err(Error::GroupParameter { .. })));
        assert!(matches!(Alternating::in_sympy_order(n), Err(Error::GroupParameter { .. })));
    }
}

/// A run on S4 with random weights, and perhaps more keys in its settings.
fn s4(folder: &Path, keys: serde_json::Value) -> Run {
    let mut config = write_run(folder, ModelKind::SummedMlp, GroupKind::SymmetricGroup, 4, 7);
    config.other = keys.as_object().unwrap().clone();
    config.write(folder.join("cfg.json")).unwrap();
    Run::open(folder).unwrap()
}

#[test]
fn orders_of_a_run_by_name_and_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let run = s4(folder.path(), json!({}));
    let of = |order: &Path| run.group_in_order(Some(order)).unwrap();
    let (group, permutations) = of("sympy".as_ref());
    let sympy = Symmetric::in_sympy_order(4).unwrap();
    assert_eq!((Task::new(&group), group.name()), (Task::new(&sympy), "S4".into()));
    assert_same(&permutations.unwrap(), &sympy);
    // By name and by file.
    let file = folder.path().join("order.json");
    write_order(&file, 4);
    let lexicographic = Task::new(&Symmetric::new(4).unwrap());
    assert_eq!(Task::new(&of("lexicographic".as_ref()).0), lexicographic);
    assert_eq!(Task::new(&of(&file).0), lexicographic);
    assert_ne!(Task::new(&group), lexicographic);
    assert_eq!(run.model().unwrap().fingerprint(), None);

    // Named by the settings: the group, the irreps and the model know it.
    let run = s4(folder.path(), json!({ "element_order": "sympy" }));
    assert_eq!(Task::new(&run.group().unwrap()), Task::new(&sympy));
    let (group, permutations) = run.group_in_order(None).unwrap();
    let labels: Vec<String> =
        run.irreps(&group, permutations.as_ref()).unwrap().into_iter().map(|irrep| irrep.label).collect();
    assert_eq!(labels[1], "(3,1)");
    assert_eq!(run.model().unwrap().fingerprint(), Some(sympy.fingerprint()));
    // One asked for goes first.
    assert_eq!(Task::new(&run.group_in_order(Some(&file)).unwrap().0), lexicographic);
    let run = s4(folder.path(), json!({ "element_order": 5 }));
    let error = run.group().map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("cfg.json: key `element_order`: expected sympy or lexicographic, got 5"), "{error}");
}

#[test]
fn every_error_says_how_to_give_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let run = s4(folder.path(), json!({}));
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut errors = vec![run.group().map(|_| ()).unwrap_err()];
    let rule = r#""composition": "(p*q)[i] = q[p[i]]""#;
    let other = folder.path().join("s3.json");
    write_order(&other, 3);
    let cases = [
        (folder.path().join("none.json"), "none.json: "),
        (file("a.json", "[[0, 1], [1, 0]]"), "expected an object with"),
        (file("b.json", r#"{"elements": [[0, 1], [1, 0]]}"#), "missing field `composition`"),
        (file("c.json", r#"{"composition": "left", "elements": [[0]]}"#), "(p*q)[i] = p[q[i]]"),
        (file("d.json", &format!(r#"{{{rule}, "elements": [[0, 1], [2, 0]]}}"#)), "is not a permutation of 0..2"),
        (file("e.json", &format!(r#"{{{rule}, "elements": [[0, 1, 2], [1, 2, 0]]}}"#)), "is missing"),
        (
            other,
            "s3.json: expected the elements of the run's group, got 6 permutations of 3 points, where the group has 24",
        ),
        ("Sympy".into(), "Sympy: "),
    ];
    for (path, expected) in cases {
        let error = run.group_in_order(Some(&path)).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        errors.push(error);
    }
    // 24 permutations of 24 points: the order is right, and it may be any group.
    let cyclic: Vec<Vec<usize>> = (0..24).map(|k| (0..24).map(|i| (i + k) % 24).collect()).collect();
    let path = file("c24.json", &json!({ "composition": "(p*q)[i] = q[p[i]]", "elements": cyclic }).to_string());
    errors.push(run.group_in_order(Some(&path)).map(|_| ()).unwrap_err());
    assert!(errors.last().unwrap().to_string().contains("another group of order 24 than S4"));
    // A table of the run's own, in the other order.
    let labels = Task::new(&Symmetric::in_sympy_order(4).unwrap()).labels().iter().map(|&z| i64::from(z)).collect();
    let table = ndarray::ArrayD::from_shape_vec(vec![24, 24], labels).unwrap();
    let tensors = Tensors::from([("table".to_owned(), Tensor::I64(table))]);
    write_safetensors(folder.path().join("task.safetensors"), &tensors, &BTreeMap::new()).unwrap();
    assert!(run.group_in_order(Some("sympy".as_ref())).is_ok());
    let error = run.group_in_order(Some("lexicographic".as_ref())).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("whose table is not that of task.safetensors"), "{error}");
    errors.push(error);
    for error in errors {
        let text = error.to_string();
        for part in ["sympy", "lexicographic", "SymmetricGroup(n)", r#""composition": "(p*q)[i] = q[p[i]]""#] {
            assert!(text.contains(part), "{part} in: {text}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), ModelKind::SummedMlp, GroupKind::CyclicGroup, 5, 7);
    let error = Run::open(folder.path()).unwrap().group_in_order(Some("sympy".as_ref())).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("a symmetric or alternating group"), "{error}");
}

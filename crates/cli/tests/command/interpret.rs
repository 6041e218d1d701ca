//! `irreplens interpret` against the golden files of the data folder, and on small runs written here.

use crate::compare::{Tolerance, differences};
use crate::runs::write_run;
use crate::snapshot::program;
use crate::{data, shipped};
use irreplens::checkpoint::{GroupKind, ModelKind, Run};
use irreplens::linalg::map_blocks;
use irreplens::model::{Interpretable, cross_entropy};
use irreplens::task::Task;
use irreplens_cli::interpret;
use irreplens_cli::place::Place;
use serde_json::{Map, Value, json};
use std::process::Output;

const NAMED: [&str; 8] = [
    "notebook/D53",
    "notebook/C131",
    "notebook/C131_summed",
    "notebook/D53_two_layer",
    "notebook/C131_bilinear",
    "published/D59_MLP_seed1",
    "published/C113_MLP_seed1",
    "published/C118_MLP_seed1",
];

/// Keys beside those of the golden files, and `loss_parity_ablated_untied` for all groups.
const BESIDE: [&str; 12] = [
    "neuron_tied",
    "neuron_kind",
    "neuron_block_untied",
    "neuron_tied_irrep",
    "neuron_no_better_than_random",
    "clusters_untied",
    "loss_without_cluster_untied",
    "loss_own_frequency_only_untied",
    "loss_parity_ablated_untied",
    "unembed_spectrum_centred",
    "logit_energy_split_centred",
    "logit_mean_square_centred",
];

/// What differs from a golden file: losses beyond 1e-3, other numbers beyond 1e-4 or 1e-6 of their array's largest entry,
/// anything else at all. `timing_ms`, `coordinates` and the keys
/// beside are not compared.
fn golden_differences(golden: &Value, got: &Value) -> Vec<String> {
    let without_timing = |value: &Value| -> Map<String, Value> {
        value
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .filter(|(key, _)| !["timing_ms", "coordinates"].contains(&key.as_str()))
            .collect()
    };
    let (golden, got) = (without_timing(golden), without_timing(got));
    let mut found = Vec::new();
    for (key, expected) in &golden {
        let tolerance = match key.starts_with("loss") {
            true => Tolerance { relative: 1e-3, of_largest: 0.0 },
            false => Tolerance { relative: 1e-4, of_largest: 1e-6 },
        };
        match got.get(key) {
            Some(got) => found.extend(differences(expected, got, tolerance).iter().map(|d| format!("/{key}{d}"))),
            None => found.push(format!("/{key}: expected a value, got no such key")),
        }
    }
    let known = |key: &&String| golden.contains_key(*key) || BESIDE.contains(&key.as_str());
    found.extend(got.keys().filter(|key| !known(key)).map(|key| format!("/{key}: expected no such key")));
    found
}

#[test]
fn golden_files() {
    let Some(runs) = data::folders_with("notebook_golden.json", "golden_files") else { return };
    let root = data::folder("golden_files").unwrap();
    for name in NAMED {
        assert!(runs.contains(&root.join(name)), "{name} has no notebook_golden.json");
    }
    let mut problems = Vec::new();
    for run in runs {
        let model = run.strip_prefix(&root).unwrap().display();
        let golden = serde_json::from_slice(&std::fs::read(run.join("notebook_golden.json")).unwrap()).unwrap();
        let explained = interpret::run(&run, None, &Place::Cpu).unwrap_or_else(|error| panic!("{model}: {error}"));
        let mut found = golden_differences(&golden, &interpret::to_json(&explained));
        // The weights alone say the group, and in which order its elements stand.
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(run.join("model.pt"), folder.path().join("model.pt")).unwrap();
        let Output { status, stdout, stderr } =
            program(folder.path()).args(["interpret", "--json", "-", "model.pt"]).output().unwrap();
        assert!(status.success(), "{model}: {}", String::from_utf8_lossy(&stderr));
        let alone = golden_differences(&golden, &serde_json::from_slice(&stdout).unwrap());
        found.extend(alone.into_iter().map(|difference| format!("from the weights alone: {difference}")));
        let more = found.len().saturating_sub(5);
        problems.extend(found.iter().take(5).map(|difference| format!("{model}: {difference}")));
        if more > 0 {
            problems.push(format!("{model}: and {more} more"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Published transformers; a golden file that lists tied neurons leaves out what rests on their labels.
#[test]
fn transformers_golden_files() {
    let Some(runs) = data::transformers("notebook_golden.json", "transformers_golden_files") else { return };
    assert!(runs.len() >= 2, "{runs:?}");
    let mut problems = Vec::new();
    for run in runs {
        let golden = std::fs::read_to_string(run.join("notebook_golden.json")).unwrap();
        let golden: Value = serde_json::from_str(&golden).unwrap();
        let explained = interpret::run(&run, None, &Place::Cpu).unwrap();
        let found = golden_differences(&golden, &interpret::to_json(&explained));
        let found = found.iter().filter(|difference| !difference.ends_with("expected no such key"));
        problems.extend(found.take(8).map(|difference| format!("{}: {difference}", run.display())));
        let clock = std::fs::read_to_string(run.join("clock_golden.json")).unwrap();
        let mut clock: Value = serde_json::from_str(&clock).unwrap();
        // Sums over all n^3 triples, which the command does not take.
        for key in ["published_sample", "gradient_symmetricity", "gradient_symmetricity_tokens"] {
            clock.as_object_mut().unwrap().remove(key);
        }
        let mut got = interpret::to_json(&explained);
        if let Some(profile) = got["profile"].as_object_mut() {
            profile.retain(|frequency, _| clock["profile"].get(frequency).is_some());
            profile.values_mut().for_each(|of| drop(of.as_object_mut().unwrap().remove("frequency")));
        }
        let found = golden_differences(&clock, &got);
        let found = found.iter().filter(|difference| !difference.ends_with("expected no such key"));
        problems.extend(found.map(|difference| format!("{}, clock: {difference}", run.display())));
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The shipped model, which `interpret` explains without an argument: never retrained here, only held to
/// `golden/D53.json`.
///
/// Four of its neurons compute parity, and hardly anything else: their best block leads the next by 3e-8 of their norm.
/// Where rounding on another machine tells it otherwise, what depends on their labels is not compared.
#[test]
fn the_shipped_model() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/D53.json")).unwrap();
    let explained = interpret::run(&shipped(), None, &Place::Cpu).unwrap();
    let mut got = interpret::to_json(&explained);
    let number = |key: &str, k: usize| golden[key][k].as_f64();
    let margin = |k: usize| Some(number("neuron_fraction_explained", k)? - number("neuron_runner_up", k)?);
    let width = golden["width"].as_u64().unwrap() as usize;
    let near_ties: Vec<usize> = (0..width).filter(|&k| margin(k).is_some_and(|m| m < 1e-6)).collect();
    assert_eq!(near_ties, [46, 71, 84, 102]);
    if near_ties.iter().any(|&k| got["neuron_frequency"][k] != golden["neuron_frequency"][k]) {
        let clusters = ["clusters", "clusters_as_published", "loss_without_cluster", "unembed_sum_spectrum_by_cluster"];
        let keys = ["logit_direction_energy", "logit_product_share", "loss_parity_ablated", "loss_own_frequency_only"];
        for key in clusters.into_iter().chain(keys) {
            got[key] = golden[key].clone();
        }
        for key in ["neuron_frequency", "neuron_fraction_centred"] {
            near_ties.iter().for_each(|&k| got[key][k] = golden[key][k].clone());
        }
        println!("labels of parity neurons differ: what depends on them is not compared");
    }
    let found = golden_differences(&golden, &got);
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    // The parity neurons are in no frequency's cluster, and are named for what they are.
    assert_eq!((&got["clusters_untied"]["1"], &got["clusters_untied"]["2"]), (&json!(21), &Value::Null));
    let without = got["loss_without_cluster_untied"]["1"].as_f64().unwrap();
    assert!((without / 2.5e-2 - 1.0).abs() < 0.02, "{without}");
    for k in 0..width {
        let tied = near_ties.contains(&k);
        assert_eq!((got["neuron_kind"][k] == "Tied", got["neuron_tied_irrep"][k] == "sign"), (tied, tied), "{k}");
        assert_eq!(got["neuron_block_untied"][k] == golden["neuron_frequency"][k], !tied, "{k}");
    }
    let text = explained.found.to_string();
    assert!(text.contains("  tied (sign)        4  46, 71, 84, 102"), "{text}");
    assert!(!text.contains("not compared"), "{text}");
    assert!(got["accuracy"] == 1.0 && got["loss"].as_f64().unwrap() < 1e-4);

    // The test set's loss, which its training stopped with.
    let run = Run::open(shipped()).unwrap();
    let (model, split, n) = (run.model().unwrap(), run.split().unwrap(), run.config.order().unwrap());
    let task = Task::new(&run.group().unwrap());
    let logits = model.forward(&task.pairs(0..n * n)).unwrap();
    let losses = cross_entropy(logits.view(), task.labels()).unwrap();
    let test = split.test.iter().map(|&pair| losses[pair]).sum::<f64>() / split.test.len() as f64;
    assert!((test / 3.057_153_88e-5 - 1.0).abs() < 1e-5 && split.train.len() == 3370, "{test}");
}

#[test]
fn the_comparison_sees_every_kind_of_difference() {
    let golden = json!({
        "group": "CyclicGroup", "order": 3, "loss": 2e-6, "loss_without_cluster": {"1": 0.5, "2": 3e-6},
        "mean_square": [[1000.0, 2.0], [3.0, 4e-9]], "neuron_frequency": [2, null, 1],
        "neuron_share": [0.5, 1e-12, 0.25], "clusters": {"1": 5, "2": 7},
        "energy": {"1": [[[1e9, 2.0]]], "2": [[[5.0, 6e-3]]]}, "accuracy": 1.0,
    });
    assert_eq!(golden_differences(&golden, &golden), [""; 0]);
    let with = |path: &str, value: Value| {
        let mut changed = golden.clone();
        *changed.pointer_mut(path).unwrap() = value;
        golden_differences(&golden, &changed)
    };
    // Within the tolerances.
    for (path, value) in [
        ("/loss", 2.0015e-6),
        ("/loss_without_cluster/2", 3.002e-6),
        ("/mean_square/0/0", 1000.09),
        ("/mean_square/1/1", 9e-4), // below 1e-6 of 1000
        ("/neuron_share/1", 0.0),
        ("/energy/2/0/0/1", 6.0005e-3),
        ("/energy/1/0/0/1", 900.0),
    ] {
        assert_eq!(with(path, json!(value)), [""; 0], "{path}");
    }
    // Beyond them, each with its place, expected and got.
    for (path, value, message) in [
        ("/loss", json!(2.003e-6), "/loss: expected 2e-6, got 2.003e-6"),
        ("/loss_without_cluster/2", json!(3.01e-6), "/loss_without_cluster/2: expected 3e-6, got 3.01e-6"),
        ("/mean_square/0/0", json!(1000.2), "/mean_square/0/0: expected 1e3, got 1.0002e3"),
        ("/mean_square/1/0", json!(3.0011), "/mean_square/1/0: expected 3e0, got 3.0011e0"),
        ("/energy/2/0/0/1", json!(6.01e-3), "/energy/2/0/0/1: expected 6e-3, got 6.01e-3"),
        ("/mean_square/1/1", json!(null), "/mean_square/1/1: expected 4e-9, got null"),
        ("/neuron_frequency/0", json!(1), "/neuron_frequency/0: expected 2, got 1"),
        ("/neuron_frequency/0", json!(2.0), "/neuron_frequency/0: expected 2, got 2.0"),
        ("/neuron_frequency/1", json!(1), "/neuron_frequency/1: expected null, got 1"),
        ("/neuron_frequency/2", json!(null), "/neuron_frequency/2: expected 1, got null"),
        ("/clusters/2", json!(8), "/clusters/2: expected 7, got 8"),
        ("/group", json!("DihedralGroup"), "/group: expected \"CyclicGroup\", got \"DihedralGroup\""),
        ("/mean_square/1", json!([3.0]), "/mean_square/1: expected 2 entries, got 1"),
        ("/energy/1/0", json!([1e9, 2.0]), "/energy/1/0: expected 1 entries, got 2"),
        ("/accuracy", json!(0.99), "/accuracy: expected 1e0, got 9.9e-1"),
        ("/clusters", json!({"1": 5}), "/clusters/2: expected a value, got no such key"),
        ("/clusters", json!({"1": 5, "2": 7, "3": 1}), "/clusters/3: expected no such key, got one"),
    ] {
        assert_eq!(with(path, value), [message]);
    }
    // Row-major order: a matrix is not its transpose.
    assert_eq!(with("/mean_square", json!([[1000.0, 3.0], [2.0, 4e-9]])).len(), 2);
    // Keys of the file as a whole, timing aside.
    let mut changed = golden.clone();
    let entries = changed.as_object_mut().unwrap();
    entries.remove("loss");
    entries.insert("extra".into(), json!(0));
    entries.insert("timing_ms".into(), json!({"total": 1.0}));
    let found = golden_differences(&golden, &changed);
    assert_eq!(found, ["/loss: expected a value, got no such key", "/extra: expected no such key"]);
}

/// A golden file put out by 1.5 times the tolerance in one entry after another, taken in row-major order by hand.
#[test]
fn a_perturbed_golden_value_fails() {
    let Some(folder) = data::folder("a_perturbed_golden_value_fails") else { return };
    let text = std::fs::read_to_string(folder.join("notebook/D53/notebook_golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let matrix = &golden["hidden_mean_square"];
    let (rows, columns) = (matrix.as_array().unwrap().len(), matrix[0].as_array().unwrap().len());
    let flat: Vec<f64> = (0..rows * columns).map(|i| matrix[i / columns][i % columns].as_f64().unwrap()).collect();
    let largest = flat.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for index in [0, 1, columns, 3 * columns + 5, rows * columns - 1] {
        let mut changed = golden.clone();
        let off = (1e-4 * flat[index].abs()).max(1e-6 * largest);
        changed["hidden_mean_square"][index / columns][index % columns] = json!(flat[index] + 1.5 * off);
        let found = golden_differences(&golden, &changed);
        assert_eq!(found.len(), 1, "{found:?}");
        let place = format!("/hidden_mean_square/{}/{}: ", index / columns, index % columns);
        assert!(found[0].starts_with(&place), "{found:?}");
    }
}

/// The paths of all nulls; a number that is not finite is null in JSON.
fn nulls(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(path.into()),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| nulls(v, &format!("{path}/{i}"), found)),
        Value::Object(entries) => entries.iter().for_each(|(key, v)| nulls(v, &format!("{path}/{key}"), found)),
        _ => {}
    }
}

/// The lengths of nested arrays.
fn shape(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(items) => [vec![items.len()], items.first().map(shape).unwrap_or_default()].concat(),
        _ => Vec::new(),
    }
}

const KEYS: [&str; 32] = [
    "coordinates",
    "group",
    "group_parameter",
    "order",
    "width",
    "loss",
    "accuracy",
    "components",
    "embed_left_spectrum",
    "embed_right_spectrum",
    "neuron_left_spectrum",
    "neuron_right_spectrum",
    "unembed_sum_spectrum",
    "unembed_spectrum",
    "loss_hidden_centred",
    "hidden_energy_split",
    "logit_energy_split",
    "hidden_mean_square",
    "logit_mean_square",
    "neuron_share",
    "neuron_frequency",
    "neuron_fraction_explained",
    "neuron_runner_up",
    "neuron_fraction_centred",
    "chance_fraction",
    "clusters",
    "clusters_as_published",
    "loss_own_frequency_only",
    "loss_without_cluster",
    "unembed_sum_spectrum_by_cluster",
    "logit_direction_energy",
    "logit_product_share",
];

#[test]
fn small_runs_of_every_kind() {
    let models = [
        ModelKind::OneLayerMlp,
        ModelKind::OneLayerMlpWithBias,
        ModelKind::SummedMlp,
        ModelKind::TwoLayerMlp,
        ModelKind::Bilinear,
    ];
    let cases: Vec<_> = (models.into_iter())
        .flat_map(|model| [false, true].map(|dihedral| (model, dihedral)))
        .flat_map(|(model, dihedral)| [1, 2, 5, 6].map(|n| (model, dihedral, n)))
        .collect();
    map_blocks(cases.len(), 1, |i| {
        let (model, dihedral, n) = cases[i.start];
        let group = if dihedral { GroupKind::DihedralGroup } else { GroupKind::CyclicGroup };
        let case = format!("{model:?} on {group:?} {n}");
        let folder = tempfile::tempdir().unwrap();
        let config = write_run(folder.path(), model, group, n, 100 + i.start as u64);
        let explained =
            interpret::run(folder.path(), None, &Place::Cpu).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(explained.config, config);
        let mut out = interpret::to_json(&explained);
        let text = explained.found.to_string();
        assert!(!text.is_empty() && !text.contains("NaN"), "{case}: {text}");
        for key in BESIDE {
            assert!(out.as_object_mut().unwrap().remove(key).is_some(), "{case}: {key}");
        }

        let mut keys = KEYS.to_vec();
        keys.extend(dihedral.then_some("loss_parity_ablated"));
        keys.sort_unstable();
        let mut got: Vec<&str> = out.as_object().unwrap().keys().map(String::as_str).collect();
        got.sort_unstable();
        assert_eq!(got, keys, "{case}");

        let width = out["neuron_share"].as_array().unwrap().len();
        assert_eq!(width, if model.has_hidden() { 6 } else { 3 }, "{case}");
        assert_eq!((&out["order"], &out["width"]), (&json!(config.order().unwrap()), &json!(width)), "{case}");
        for key in keys.iter().filter(|key| key.ends_with("_spectrum")) {
            assert_eq!(shape(&out[*key]), [n], "{case}: {key}");
        }
        for key in ["hidden_mean_square", "logit_mean_square"] {
            assert_eq!(shape(&out[key]), [n, n], "{case}: {key}");
        }
        let sectors = if dihedral { 2 } else { 1 };
        let clusters = out["clusters"].as_object().unwrap();
        for key in ["loss_without_cluster", "unembed_sum_spectrum_by_cluster", "logit_direction_energy"] {
            assert!(out[key].as_object().unwrap().keys().eq(clusters.keys()), "{case}: {key}");
        }
        for block in clusters.keys() {
            assert!((1..=n / 2).contains(&block.parse().unwrap()), "{case}: {block}");
            assert_eq!(shape(&out["unembed_sum_spectrum_by_cluster"][block]), [n], "{case}");
            assert_eq!(shape(&out["logit_direction_energy"][block]), [sectors; 3], "{case}");
            assert_eq!(shape(&out["logit_product_share"][block]), [sectors, sectors, 2], "{case}");
        }
        assert_eq!(out["chance_fraction"].as_object().unwrap().len(), n / 2, "{case}");

        // All is finite, but what is said of neurons without a label or that do not vary, and the blocks that are not
        // there to win or to come second.
        let mut found = Vec::new();
        nulls(&out, "", &mut found);
        let labels = out["neuron_frequency"].as_array().unwrap();
        let members: u64 = clusters.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(members as usize, labels.iter().filter(|label| !label.is_null()).count(), "{case}");
        let unlabelled: Vec<usize> = (0..width).filter(|&k| labels[k].is_null()).collect();
        let spectrum = &explained.found.neuron_spectrum;
        let varies = |k: usize| spectrum.by_block.energy_centred[k] > 1e-12 * spectrum.by_block.energy[k];
        let mut expected: Vec<String> = Vec::new();
        if !(0..width).any(varies) {
            expected.push("/hidden_energy_split".into());
        }
        for key in ["neuron_frequency", "neuron_fraction_explained", "neuron_runner_up", "neuron_fraction_centred"] {
            let none = |k: usize| match key {
                "neuron_runner_up" => n / 2 < 2 || unlabelled.contains(&k),
                "neuron_fraction_centred" => !varies(k) || unlabelled.contains(&k),
                _ => unlabelled.contains(&k),
            };
            expected.extend((0..width).filter(|&k| none(k)).map(|k| format!("/{key}/{k}")));
        }
        assert_eq!(found, expected, "{case}");
        if n == 1 {
            assert_eq!((clusters.len(), unlabelled.len()), (0, width), "{case}");
            if !dihedral {
                assert_eq!((&out["loss"], &out["accuracy"]), (&json!(0.0), &json!(1.0)), "{case}");
            }
        }
        for key in keys.iter().filter(|key| key.starts_with("loss") && !key.contains("cluster")) {
            assert!(out[*key].as_f64().unwrap() >= 0.0, "{case}: {key}");
        }
    });
}

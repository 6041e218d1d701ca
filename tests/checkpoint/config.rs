//! `cfg.json`: the real ones, round trips, and every key out of range.

use irreplens::Error;
use irreplens::checkpoint::{GroupKind, Run, RunConfig};
use serde_json::{Value, json};

use crate::data::folders_with;

fn sample() -> Value {
    json!({
        "model": "OneLayerMLP", "group": "DihedralGroup", "group_parameter": 53, "seed": 0, "frac_train": 1,
        "layers": {"embed_dim": 256, "hidden_dim": 128, "extra": [1]}, "lr": 1e-3, "weight_decay": 0,
        "num_epochs": 9, "notes": "z first", "metrics": {"b": 1, "a": [2.5e-8, null]}
    })
}

fn read(value: &str) -> Result<RunConfig, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cfg.json");
    std::fs::write(&path, value).unwrap();
    RunConfig::read(&path)
}

#[test]
fn unknown_keys_survive_reading_and_writing() {
    let config = read(&sample().to_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cfg.json");
    config.write(&path).unwrap();
    let mut written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(written.as_object_mut().unwrap().remove("betas"), Some(json!([0.9, 0.999])));
    for (key, number) in [("frac_train", 1.0), ("weight_decay", 0.0)] {
        assert_eq!(written[key].as_f64(), Some(number));
        written[key] = sample()[key].clone();
    }
    assert_eq!(written, sample());
    assert!(config.other.keys().eq(["notes", "metrics"]));
    assert!(config.layers.other.keys().eq(["extra"]));
    assert_eq!(RunConfig::read(&path).unwrap(), config);
}

#[test]
fn values_out_of_range_are_named() {
    let cases: &[(&str, Value)] = &[
        ("model", json!("RecurrentNet")),
        ("model", json!(3)),
        ("group", json!("QuaternionGroup")),
        ("group_parameter", json!(0)),
        ("group_parameter", json!(2.5)),
        ("group_parameter", json!(u64::MAX)),
        ("seed", json!(-1)),
        ("frac_train", json!(0)),
        ("frac_train", json!(1.01)),
        ("frac_train", json!("0.3")),
        ("layers", json!([256])),
        ("layers.embed_dim", json!(0)),
        ("layers.embed_dim", json!(-4)),
        ("layers.hidden_dim", json!(0)),
        ("layers.hidden_dim", json!(2.5)),
        ("lr", json!(0)),
        ("lr", json!(-1e-3)),
        ("weight_decay", json!(-0.5)),
        ("weight_decay", json!(null)),
        ("betas", json!([0.9])),
        ("betas", json!([0.9, 1])),
        ("betas", json!([-0.1, 0.5])),
        ("optimiser", json!("Lion")),
        ("optimiser", json!("SGD")),
        ("optimiser", json!({"SGD": {"momentum": 1.0}})),
        ("optimiser", json!({"SGD": {"momentum": 0.9, "nesterov": true}})),
        ("label_smoothing", json!(1)),
        ("label_smoothing", json!(-0.1)),
        ("num_epochs", json!(1.5)),
        ("num_epochs", json!(1e300)),
        ("seed", json!(-1.0)),
    ];
    for (key, bad) in cases {
        let mut config = sample();
        let bad_text = bad.to_string();
        match key.split_once('.') {
            Some((outer, inner)) => config[outer][inner] = bad.clone(),
            None => config[key] = bad.clone(),
        }
        let error = read(&config.to_string()).unwrap_err();
        assert!(
            matches!(&error, Error::Config { key: k, got, .. } if k == key && got.starts_with(&bad_text)),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("cfg.json: key `{key}`: expected ")), "{error}");
    }
}

#[test]
fn a_group_by_its_name() {
    let with = |group: &str| {
        let mut config = sample();
        config["group"] = json!(group);
        config.as_object_mut().unwrap().remove("group_parameter");
        config
    };
    for (text, order) in [("C7:C3", 21), ("<a, b | a^4, b^2, (a b)^2>", 8), ("S4xC2", 48)] {
        let config = read(&with(text).to_string()).unwrap();
        assert_eq!(config.group, GroupKind::Named(text.parse().unwrap()));
        assert_eq!(config.order().unwrap(), order);
        let folder = tempfile::tempdir().unwrap();
        config.write(folder.path().join("cfg.json")).unwrap();
        let written: Value = serde_json::from_slice(&std::fs::read(folder.path().join("cfg.json")).unwrap()).unwrap();
        assert_eq!((&written["group"], written.get("group_parameter")), (&json!(text), None));
        assert_eq!(RunConfig::read(folder.path().join("cfg.json")).unwrap(), config);
    }
    // Names of the published families are those.
    for (text, kind, n) in [("C113", GroupKind::CyclicGroup, 113), ("dihedral:53", GroupKind::DihedralGroup, 53)] {
        let config = read(&with(text).to_string()).unwrap();
        assert_eq!((config.group, config.group_parameter), (kind, n));
    }
    let error = read(&with("C7:K3").to_string()).unwrap_err().to_string();
    assert!(
        error.contains("key `group`: expected CyclicGroup, DihedralGroup, ") && error.contains("character 4"),
        "{error}"
    );
    let mut both = with("C7:C3");
    both["group_parameter"] = json!(3);
    let error = read(&both.to_string()).unwrap_err().to_string();
    assert!(error.contains("key `group_parameter`: expected nothing beside a group's name, got 3"), "{error}");
    assert!(read(&with("GL(2,6)").to_string()).unwrap().order().is_err());
}

#[test]
fn missing_keys_are_named() {
    for key in ["model", "group", "group_parameter", "seed", "frac_train", "layers", "lr", "weight_decay", "num_epochs"]
    {
        let mut config = sample();
        config.as_object_mut().unwrap().remove(key);
        let error = read(&config.to_string()).unwrap_err();
        assert!(matches!(&error, Error::Config { key: k, got, .. } if *k == key && got == "nothing"), "{error}");
    }
    for key in ["embed_dim", "hidden_dim"] {
        let mut config = sample();
        config["layers"].as_object_mut().unwrap().remove(key);
        assert!(read(&config.to_string()).unwrap_err().to_string().contains(key));
        config["model"] = "BilinearNet".into();
        assert_eq!(read(&config.to_string()).is_ok(), key == "hidden_dim");
    }
}

#[test]
fn what_is_not_an_object_is_refused() {
    for text in ["[]", "{", "nan", r#"{"lr": 1e999}"#, &"[".repeat(1 << 16), "\u{0}"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, Error::Format { .. }) && error.to_string().contains("cfg.json: "), "{error}");
    }
    assert!(matches!(
        read("version https://git-lfs.github.com/spec/v1\n"),
        Err(Error::Format { expected: "the file itself", .. })
    ));
    assert!(read("").unwrap_err().to_string().ends_with("got an empty file"));
}

#[test]
fn numbers_are_read_as_python_writes_them() {
    let mut config = sample();
    for (key, value) in [("num_epochs", json!(1e5)), ("seed", json!(7.0)), ("group_parameter", json!(53.0))] {
        config[key] = value;
    }
    config["layers"]["embed_dim"] = json!(256.0);
    for key in ["betas", "eps", "warmup_epochs", "lr_decay", "optimiser", "label_smoothing"] {
        config[key] = json!(null);
    }
    let mut plain = read(&sample().to_string()).unwrap();
    (plain.num_epochs, plain.seed) = (100_000, 7);
    let text = config.to_string();
    assert!(text.contains("100000.0"), "{text}");
    assert_eq!(read(&text).unwrap(), plain);
    assert_eq!(read(&format!("\u{feff}{text}")).unwrap(), plain);
    for (word, place) in [("NaN", "NaN at line 2 column 9"), ("-Infinity", "Infinity at line 2 column 10")] {
        let error = read(&format!("{{\"a \\\"NaN\": 1,\n\"best\": {word}}}")).unwrap_err().to_string();
        assert!(error.ends_with(&format!("got {place}, which JSON does not have: write null")), "{error}");
    }
}

#[test]
fn an_analysis_does_without_the_keys_of_training() {
    let text = r#"{"model": "OneLayerMLP", "group": "CyclicGroup", "group_parameter": 5, "lr": null, "layers": {"embed_dim": null}}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cfg.json");
    std::fs::write(&path, text).unwrap();
    let config = RunConfig::read_for_analysis(&path).unwrap();
    assert_eq!(config.missing, RunConfig::TRAINING_KEYS);
    // Nothing is made up when the settings are written.
    config.write(&path).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        written,
        json!({"model": "OneLayerMLP", "group": "CyclicGroup", "group_parameter": 5, "layers": {}, "betas": [0.9, 0.999]})
    );
    assert!(matches!(RunConfig::read(&path), Err(Error::Config { key: "seed", .. })));
    // Recorded activations have no architecture; weights need one.
    std::fs::write(&path, text.replace("\"model\"", "\"modle\"")).unwrap();
    assert!(RunConfig::read_for_analysis(&path).unwrap().missing.contains(&"model"));
    std::fs::write(folder.path().join("model.pt"), b"any").unwrap();
    let error = Run::open(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Config { key: "model", .. }), "{error}");
    // What is there has to be right all the same, and what says which group it is has to be there.
    for (from, to, key) in
        [("\"lr\": null", "\"lr\": -1", "lr"), ("\"group\"", "\"gruop\"", "group"), ("5", "0", "group_parameter")]
    {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = RunConfig::read_for_analysis(&path).unwrap_err();
        assert!(matches!(&error, Error::Config { key: k, .. } if *k == key), "{error}");
    }
}

#[test]
fn a_config_out_of_range_is_not_written() {
    let mut config = read(&sample().to_string()).unwrap();
    config.lr = f64::NAN;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cfg.json");
    assert!(matches!(config.write(&path), Err(Error::Config { key: "lr", .. })));
    assert!(!path.exists());
}

#[test]
fn orders() {
    use GroupKind::{AlternatingGroup, CayleyTable, CyclicGroup, DihedralGroup, SymmetricGroup};
    let orders = [
        (CyclicGroup, 113, Some(113)),
        (DihedralGroup, 59, Some(118)),
        (DihedralGroup, usize::MAX, None),
        (SymmetricGroup, 1, Some(1)),
        (SymmetricGroup, 6, Some(720)),
        (SymmetricGroup, 1000, None),
        (SymmetricGroup, usize::MAX, None),
        (AlternatingGroup, 1, Some(1)),
        (AlternatingGroup, 2, Some(1)),
        (AlternatingGroup, 5, Some(60)),
        (CayleyTable, 8, Some(8)),
        (CayleyTable, 0, None),
        (CyclicGroup, 0, None),
        (SymmetricGroup, 0, None),
    ];
    for (kind, n, order) in orders {
        assert_eq!(kind.order(n).ok(), order, "{kind:?} {n}");
    }
}

#[test]
fn the_runs_configs_are_read() {
    for run in folders_with("cfg.json", "the_runs_configs_are_read").unwrap_or_default() {
        let config = RunConfig::read(run.join("cfg.json")).unwrap();
        let text = std::fs::read(run.join("cfg.json")).unwrap();
        let raw: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(raw["lr"].as_f64(), Some(config.lr));
        let betas = if raw.get("betas").is_some() { (0.9, 0.98) } else { (0.9, 0.999) };
        assert_eq!(config.betas, betas);
    }
}

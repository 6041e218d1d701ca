//! `cfg.json`: the real ones, round trips, and every key out of range.

use irreplens::Error;
use irreplens::checkpoint::{GroupKind, RunConfig};
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
        ("model", json!("Transformer")),
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
        ("layers.hidden_dim", json!(null)),
        ("lr", json!(0)),
        ("lr", json!(-1e-3)),
        ("weight_decay", json!(-0.5)),
        ("weight_decay", json!(null)),
        ("betas", json!([0.9])),
        ("betas", json!([0.9, 1])),
        ("betas", json!([-0.1, 0.5])),
        ("num_epochs", json!(1.5)),
    ];
    for (key, bad) in cases {
        let mut config = sample();
        let bad_text = bad.to_string();
        match key.split_once('.') {
            Some((outer, inner)) => config[outer][inner] = bad.clone(),
            None => config[key] = bad.clone(),
        }
        let error = read(&config.to_string()).unwrap_err();
        assert!(matches!(&error, Error::Config { key: k, got, .. } if k == key && got == &bad_text), "{error}");
        assert!(error.to_string().contains(&format!("cfg.json: key `{key}`: expected ")), "{error}");
    }
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
    for text in ["[]", "{", "nan", r#"{"lr": NaN}"#, r#"{"lr": 1e999}"#, &"[".repeat(1 << 16), "\u{0}"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, Error::Format { .. }) && error.to_string().contains("cfg.json: "), "{error}");
    }
    assert!(matches!(read("version https://git-lfs.github.com/spec/v1\n"), Err(Error::LfsPointer { .. })));
    assert!(read("").unwrap_err().to_string().ends_with("got an empty file"));
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

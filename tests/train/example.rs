//! `examples/train.rs`: what it writes, `examples/interpret.rs` reads.

#[allow(dead_code)]
#[path = "../../examples/interpret.rs"]
mod interpret;
#[allow(dead_code)]
#[path = "../../examples/train.rs"]
mod train;

use irreplens::checkpoint::{Optimiser, RunConfig};
use serde_json::Value;
use std::path::Path;

fn run(line: &str, folder: &Path) -> Result<Value, String> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let arguments = line.split_whitespace().map(|word| match word {
        "OUT" | "JSON" | "CFG" => path(word),
        _ => word.to_owned(),
    });
    train::parse(arguments).and_then(|settings| train::run(&settings)).map_err(|error| error.to_string())
}

const SMALL: &str = "--group dihedral:5 --embed 12 --hidden 24 --fraction 0.8 --epochs 300";

#[test]
fn a_trained_run_is_written_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&format!("{SMALL} --seed 3 --out OUT --json JSON"), folder.path()).unwrap();
    assert_eq!((&result["epochs"], &result["stop_reason"]), (&300.into(), &"epochs_reached".into()));
    for key in ["epoch_ms_median", "train_loss", "test_loss", "train_acc", "test_acc"] {
        assert!(result[key].is_f64(), "{key}: {}", result[key]);
    }
    if cfg!(target_os = "linux") {
        assert!(result["peak_rss_mb"].as_f64().unwrap() > 1.0);
    }
    let written = std::fs::read_to_string(folder.path().join("JSON")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), result);

    let out = folder.path().join("OUT");
    let explained = interpret::run(&out, None, &interpret::Place::Cpu).unwrap();
    assert_eq!(explained.config, RunConfig::read(out.join("cfg.json")).unwrap());
    assert_eq!((explained.config.frac_train, explained.config.seed), (0.8, 3));
    // Its loss over all pairs is made of the two sets'.
    let all = (80.0 * result["train_loss"].as_f64().unwrap() + 20.0 * result["test_loss"].as_f64().unwrap()) / 100.0;
    assert!((explained.found.baseline.loss - all).abs() < 1e-5 * all);
}

#[test]
fn settings_come_from_a_file_and_options_override_them() {
    let folder = tempfile::tempdir().unwrap();
    let cfg = r#"{"lr": 0.002, "weight_decay": 0.5, "betas": [0.9, 0.98], "layers": {"embed_dim": 10},
        "model": "BilinearNet", "group": "CyclicGroup", "group_parameter": 6, "frac_train": 1, "seed": 4,
        "num_epochs": 20, "notes": "mine"}"#;
    std::fs::write(folder.path().join("CFG"), cfg).unwrap();
    let result = run("--epochs 10 --cfg CFG --out OUT", folder.path()).unwrap();
    assert_eq!((&result["epochs"], &result["test_loss"]), (&10.into(), &Value::Null));
    let config = RunConfig::read(folder.path().join("OUT/cfg.json")).unwrap();
    assert_eq!((config.lr, config.num_epochs, config.group_parameter), (0.002, 10, 6));
    assert_eq!((config.optimiser, config.label_smoothing), (Optimiser::AdamW, 0.0));
    // An optimiser of the file's keeps its momentum, unless another is given.
    let path = folder.path().join("sgd/cfg.json");
    let sgd = format!("--optimiser sgd --momentum 0.5 --label-smoothing 0.1 --out {}/sgd", folder.path().display());
    run(&format!("--epochs 10 --cfg CFG {sgd}"), folder.path()).unwrap();
    let config = RunConfig::read(&path).unwrap();
    assert_eq!((config.optimiser, config.label_smoothing), (Optimiser::Sgd { momentum: 0.5 }, 0.1));
    let again = |line: &str| train::parse(format!("--cfg {} {line}", path.display()).split(' ').map(str::to_owned));
    assert_eq!(again("--optimiser sgd").unwrap().config.optimiser, Optimiser::Sgd { momentum: 0.5 });
    assert_eq!(again("--momentum 0.9").unwrap().config.optimiser, Optimiser::Sgd { momentum: 0.9 });
    assert_eq!(again("--optimiser adam").unwrap().config.optimiser, Optimiser::Adam);
}

#[test]
fn seeds_are_kept_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&format!("{SMALL} --seeds 2,5 --out OUT --json JSON"), folder.path()).unwrap();
    let seeds: Vec<u64> = result["seeds"].as_array().unwrap().iter().map(|s| s["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [2, 5]);
    for seed in seeds {
        assert!(interpret::run(&folder.path().join(format!("OUT/seed-{seed}")), None, &interpret::Place::Cpu).is_ok());
    }
}

#[test]
fn bad_command_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (line, expected) in [
        ("--hidden=-3", "error: invalid value '-3' for '--hidden <D>': invalid digit found in string"),
        ("--hidden 0", "step `hidden_pre` of the network: expected a width from 1 up, got 0"),
        ("--fraction 1.5", "training fraction: expected in (0, 1], got 1.5"),
        ("--fraction 0", "training fraction: expected in (0, 1], got 0"),
        ("--group dihedral", "error: invalid value 'dihedral' for '--group <GROUP>': expected cyclic:N"),
        ("--group cyclic:0", "Cyclic: parameter"),
        ("--lr=-1", "lr: expected a number above 0, got -1"),
        ("--decay slow", "error: invalid value 'slow' for '--decay <DECAY>'"),
        ("--optimiser lion", "error: invalid value 'lion' for '--optimiser <NAME>'"),
        ("--momentum 0.9", "--momentum: AdamW has none, only --optimiser sgd has"),
        ("--optimiser sgd --momentum 1", "momentum: expected a number from 0 up and below 1, got 1"),
        ("--label-smoothing 1", "label_smoothing: expected a number from 0 up and below 1, got 1"),
        ("--seeds 1,2", "error: the following required arguments were not provided:\n  --out <DIR>"),
        ("--seeds 4,1,4 --out OUT", "--seeds: seed 4 again in place 3: every seed has one run"),
        ("--hidden 4611686018427387904", "training needs 18446744073709551615 bytes, over the budget of "),
        ("--fraction 1 --test-loss-below 0.1", "test pairs, which a stop rule looks at: expected at least 1, got 0"),
        ("--fast yes", "error: unexpected argument '--fast' found"),
        ("--epochs", "error: a value is required for '--epochs <N>'"),
        ("--cfg missing.json", "missing.json"),
    ] {
        let error = run(line, folder.path()).expect_err(line);
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

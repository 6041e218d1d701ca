//! `irreplens train`: what it writes, `irreplens interpret` reads; settings from files and options.

use clap::Parser;
use irreplens::checkpoint::{Optimiser, RunConfig};
use irreplens_cli::Failure;
use irreplens_cli::interpret;
use irreplens_cli::place::Place;
use irreplens_cli::train::{self, Settings};
use serde_json::Value;
use std::path::Path;

/// The subcommand's options, as a program of their own.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: train::Arguments,
}

fn settings(line: impl IntoIterator<Item = String>) -> Result<Settings, Failure> {
    let program = std::iter::once("train".to_owned());
    train::settings(Line::try_parse_from(program.chain(line))?.arguments, Place::Cpu)
}

fn run(line: &str, folder: &Path) -> Result<Value, String> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let arguments = line.split_whitespace().map(|word| match word {
        "OUT" | "CFG" => path(word),
        _ => word.to_owned(),
    });
    let settings = settings(arguments).map_err(|error| error.to_string())?;
    let trained = train::run(&settings).map_err(|error| error.to_string())?;
    Ok(train::to_json(&trained, !settings.seeds.is_empty()))
}

const SMALL: &str = "--group dihedral:5 --embed 12 --hidden 24 --fraction 0.8 --epochs 300";

#[test]
fn a_trained_run_is_written_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&format!("{SMALL} --seed 3 --out OUT"), folder.path()).unwrap();
    assert_eq!((&result["epochs"], &result["stop_reason"]), (&300.into(), &"epochs_reached".into()));
    for key in ["epoch_ms_median", "train_loss", "test_loss", "train_acc", "test_acc"] {
        assert!(result[key].is_f64(), "{key}: {}", result[key]);
    }
    if cfg!(target_os = "linux") {
        assert!(result["peak_rss_mb"].as_f64().unwrap() > 1.0);
    }

    let out = folder.path().join("OUT");
    let explained = interpret::run(&out, None, &Place::Cpu).unwrap();
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
    let again = |line: &str| settings(format!("--cfg {} {line}", path.display()).split(' ').map(str::to_owned));
    assert_eq!(again("--optimiser sgd").unwrap().config.optimiser, Optimiser::Sgd { momentum: 0.5 });
    assert_eq!(again("--momentum 0.9").unwrap().config.optimiser, Optimiser::Sgd { momentum: 0.9 });
    assert_eq!(again("--optimiser adam").unwrap().config.optimiser, Optimiser::Adam);
}

#[test]
fn seeds_are_kept_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&format!("{SMALL} --seeds 2,5 --out OUT"), folder.path()).unwrap();
    let seeds: Vec<u64> = result["seeds"].as_array().unwrap().iter().map(|s| s["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [2, 5]);
    for seed in seeds {
        assert!(interpret::run(&folder.path().join(format!("OUT/seed-{seed}")), None, &Place::Cpu).is_ok());
    }
}

//! AdamW, Adam and SGD, with and without smoothed labels, in run directories: kept, resumed, told apart; and what their
//! losses are. That their steps are PyTorch's is in `steps.rs`.

use irreplens::Error;
use irreplens::checkpoint::{Optimiser, Run, RunConfig, read_tensors};
use irreplens::group::Dihedral;
use irreplens::model::{Architecture, Interpretable};
use irreplens::task::{Split, Task};
use irreplens::train::{StopReason, TrainConfig, Trainer};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const SGD: Optimiser = Optimiser::Sgd { momentum: 0.9 };

fn config(optimiser: Optimiser, label_smoothing: f64) -> TrainConfig {
    TrainConfig {
        epochs: 60,
        lr: 0.01,
        optimiser,
        weight_decay: 0.01,
        label_smoothing,
        measure_every: 20,
        ..TrainConfig::default()
    }
}

fn trainer(config: TrainConfig) -> Trainer {
    let split = Split::random(6, 0.7, 1).unwrap();
    Trainer::new(&Dihedral::new(3).unwrap(), Architecture::one_layer(6, 9).with_output_bias(), split, config).unwrap()
}

/// The tensors of the last checkpoint that are not weights.
fn state(directory: &Path) -> Vec<String> {
    let (_, path) = Run::open(directory).unwrap().checkpoints().unwrap().pop().unwrap();
    read_tensors(path).unwrap().into_keys().filter(|name| name.contains('.')).collect()
}

#[test]
fn every_optimiser_resumes_with_the_same_bits() {
    for (optimiser, label_smoothing, kept) in [
        (Optimiser::AdamW, 0.1, &["adamw.first.", "adamw.second."][..]),
        (Optimiser::Adam, 0.0, &["adam.first.", "adam.second."]),
        (SGD, 0.1, &["sgd.momentum."]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
        let epochs = |epochs| TrainConfig { epochs, ..config(optimiser, label_smoothing) };
        trainer(epochs(60)).in_directory(&whole).unwrap().run().unwrap();
        trainer(epochs(20)).in_directory(&cut).unwrap().run().unwrap();
        let mut resumed = trainer(epochs(60)).in_directory(&cut).unwrap();
        assert_eq!((resumed.epoch(), resumed.notices().len()), (20, 0));
        resumed.run().unwrap();
        for name in ["cfg.json", "model.safetensors", "checkpoints/epoch-000000060.safetensors"] {
            assert!(fs::read(whole.join(name)).unwrap() == fs::read(cut.join(name)).unwrap(), "{optimiser}: {name}");
        }
        let weights = ["W", "W_E_a", "W_E_b", "W_U", "b_U"];
        let names = kept.iter().flat_map(|prefix| weights.map(|weight| format!("{prefix}{weight}")));
        assert_eq!(state(&whole), names.collect::<Vec<_>>());
        let read = RunConfig::read(whole.join("cfg.json")).unwrap();
        assert_eq!((read.optimiser, read.label_smoothing), (optimiser, label_smoothing));
        assert_eq!(TrainConfig::from(&read), TrainConfig { measure_every: 100, ..epochs(60) });
        assert!(Run::open(&whole).unwrap().model().is_ok());
    }
}

/// Files of runs by AdamW without smoothing are those of versions that knew nothing else.
#[test]
fn what_is_published_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    trainer(config(Optimiser::AdamW, 0.0)).in_directory(folder.path()).unwrap().run().unwrap();
    for path in ["cfg.json", "checkpoints/epoch-000000060.safetensors"] {
        let bytes = fs::read(folder.path().join(path)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("weight_decay"), "{path}");
        assert!(!text.contains("optimiser") && !text.contains("label_smoothing"), "{path}");
    }
}

#[test]
fn a_run_by_another_optimiser_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    trainer(config(SGD, 0.1)).in_directory(folder.path()).unwrap().run().unwrap();
    let cut = folder.path().join("cut");
    let name = "checkpoints/epoch-000000060.safetensors";
    for (other, key) in [
        (config(Optimiser::AdamW, 0.1), "optimiser"),
        (config(Optimiser::Adam, 0.1), "optimiser"),
        (config(Optimiser::Sgd { momentum: 0.8 }, 0.1), "optimiser"),
        (config(SGD, 0.0), "label_smoothing"),
    ] {
        let refused = |directory: &Path| match trainer(other.clone()).in_directory(directory) {
            Err(Error::RunDiffers { what, .. }) => assert_eq!(what, key),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("taken for the same run"),
        };
        refused(folder.path());
        // The checkpoint says it too, under whichever settings it lies.
        drop(trainer(other.clone()).in_directory(&cut).unwrap());
        fs::copy(folder.path().join(name), cut.join(name)).unwrap();
        refused(&cut);
        fs::remove_dir_all(&cut).unwrap();
    }
}

/// The mean of `(1 - smoothing) CE(target) + smoothing/n sum over z of CE(z)`, from the model's own logits.
fn smoothed_loss(trainer: &Trainer, task: &Task, pairs: &[usize], smoothing: f64) -> f64 {
    let model = trainer.network();
    let n = task.order();
    let logits = model.forward(&task.pairs(0..n * n)).unwrap();
    let loss = |&pair: &usize| {
        let row = logits.row(pair).mapv(f64::from);
        let log_total = row.iter().map(|l| l.exp()).sum::<f64>().ln();
        let losses = row.mapv(|l| log_total - l);
        (1.0 - smoothing) * losses[task.labels()[pair] as usize] + smoothing * losses.sum() / n as f64
    };
    pairs.iter().map(loss).sum::<f64>() / pairs.len() as f64
}

#[test]
fn the_train_loss_is_smoothed_and_the_test_loss_is_not() {
    const SMOOTHING: f64 = 0.3;
    let task = Task::new(&Dihedral::new(3).unwrap());
    let close = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 1e-6, "{got} against {expected}");
    let mut ended = trainer(config(SGD, SMOOTHING));
    let metrics = ended.run().unwrap().metrics;
    let Split { train, test, .. } = ended.split().clone();
    close(metrics.train.loss, smoothed_loss(&ended, &task, &train, SMOOTHING));
    close(metrics.test.unwrap().loss, smoothed_loss(&ended, &task, &test, 0.0));
    assert!((metrics.train.loss / smoothed_loss(&ended, &task, &train, 0.0) - 1.0).abs() > 1e-2);
    // Interrupted within the first epoch, the training set is evaluated without its gradient.
    let mut interrupted = trainer(config(SGD, SMOOTHING));
    let outcome = interrupted.interrupted_by(Arc::new(AtomicBool::new(true))).run().unwrap();
    assert_eq!((outcome.stop_reason, outcome.epoch), (StopReason::Interrupted, 0));
    close(outcome.metrics.train.loss, smoothed_loss(&interrupted, &task, &train, SMOOTHING));
}

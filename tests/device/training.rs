//! Training on the device against the processor's.

use super::{assert_close, device};
use irreplens::Error;
use irreplens::checkpoint::{LrDecay, Optimiser};
use irreplens::device::{Device, LOSSES, Tile};
use irreplens::group::{Cyclic, Dihedral};
use irreplens::model::Architecture;
use irreplens::task::Split;
use irreplens::train::{Metrics, StopReason, TrainConfig, Trainer, train_many_on_device};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

/// Largest relative difference of the losses of 200 steps: rounding, which training amplifies.
const AFTER_200_STEPS: f64 = 1e-3;

fn config(epochs: u64, seed: u64) -> TrainConfig {
    TrainConfig {
        epochs,
        seed,
        measure_every: 20,
        warmup_epochs: 10,
        lr_decay: LrDecay::Cosine,
        ..TrainConfig::default()
    }
}

fn trainer(architecture: &Architecture, config: TrainConfig) -> Trainer {
    let split = Split::random(6, 0.7, config.seed).unwrap();
    Trainer::new(&Dihedral::new(3).unwrap(), architecture.clone(), split, config).unwrap()
}

/// Every loss that was measured, and the parameters at the end.
fn losses(mut trainer: Trainer) -> (Vec<f64>, Vec<f64>) {
    let seen: Arc<Mutex<Vec<f64>>> = Arc::default();
    let log = seen.clone();
    trainer.observe(move |metrics: &Metrics| {
        log.lock().unwrap().extend([metrics.train.loss, metrics.test.unwrap().loss]);
        ControlFlow::Continue(())
    });
    assert_eq!(trainer.run().unwrap().stop_reason, StopReason::EpochsReached);
    let parameters = trainer.network().parameters().iter().map(|&p| f64::from(p)).collect();
    drop(trainer);
    (Arc::into_inner(seen).unwrap().into_inner().unwrap(), parameters)
}

fn architectures() -> [Architecture; 8] {
    [
        Architecture::one_layer(4, 8),
        Architecture::one_layer_with_bias(4, 8),
        Architecture::summed(8),
        Architecture::two_layer(5, 8),
        Architecture::bilinear(8),
        Architecture::one_layer_with_bias(4, 8).with_output_bias(),
        Architecture::two_layer(5, 8).with_output_bias(),
        Architecture::summed(8).with_output_bias(),
    ]
}

#[test]
fn two_hundred_steps_are_the_processors() {
    let Some(device) = device() else { return };
    for architecture in architectures() {
        let expected = losses(trainer(&architecture, config(200, 3)));
        let got = losses(trainer(&architecture, config(200, 3)).on_device(&device));
        for (expected, got) in expected.0.iter().zip(&got.0) {
            assert_close(&format!("{architecture:?}"), AFTER_200_STEPS, [*expected], [*got]);
        }
        assert_close(&format!("{architecture:?}, parameters"), AFTER_200_STEPS, expected.1, got.1);
    }
}

/// Smoothed labels, too; and what an optimiser keeps goes from the device to the processor.
#[test]
fn every_optimiser_steps_as_on_the_processor() {
    let Some(device) = device() else { return };
    let (sgd, biased) = (Optimiser::Sgd { momentum: 0.9 }, Architecture::one_layer_with_bias(4, 8).with_output_bias());
    for (optimiser, lr, label_smoothing, architecture) in [
        (Optimiser::AdamW, 1e-3, 0.1, biased.clone()),
        (Optimiser::Adam, 1e-2, 0.0, Architecture::two_layer(5, 8)),
        (sgd, 0.1, 0.0, biased),
        (sgd, 0.1, 0.3, Architecture::two_layer(5, 8)),
    ] {
        let settings = |epochs| TrainConfig {
            optimiser,
            lr,
            label_smoothing,
            weight_decay: 0.01,
            lr_decay: LrDecay::Constant,
            ..config(epochs, 3)
        };
        let what = format!("{optimiser}, {label_smoothing}, {architecture:?}");
        let expected = losses(trainer(&architecture, settings(60)));
        let folder = tempfile::tempdir().unwrap();
        let kept = |epochs| trainer(&architecture, settings(epochs)).in_directory(folder.path()).unwrap();
        let on_device = losses(kept(40).on_device(&device));
        let moved = losses(kept(60));
        // Measured every 20 epochs, on either side of the move once more.
        let got: Vec<f64> = on_device.0.into_iter().chain(moved.0.into_iter().skip(2)).collect();
        assert_eq!(got.len(), expected.0.len());
        for (expected, got) in expected.0.iter().zip(&got) {
            assert_close(&what, AFTER_200_STEPS, [*expected], [*got]);
        }
        assert_close(&what, AFTER_200_STEPS, expected.1, moved.1);
    }
}

/// More classes than a tile has columns, fewer pairs than it has rows.
#[test]
fn few_pairs_of_a_larger_group() {
    let Some(device) = device() else { return };
    let group = Cyclic::new(131).unwrap();
    let split = Split::new(131, (0..40).map(|i| i * 401).collect(), (0..25).map(|i| i * 397 + 5).collect()).unwrap();
    for architecture in [
        Architecture::summed(3),
        Architecture::two_layer(2, 3),
        Architecture::one_layer_with_bias(2, 3),
        Architecture::one_layer_with_bias(2, 3).with_output_bias(),
    ] {
        let trainer = || {
            let config = TrainConfig { epochs: 4, measure_every: 2, ..TrainConfig::default() };
            Trainer::new(&group, architecture.clone(), split.clone(), config).unwrap()
        };
        let expected = losses(trainer());
        let devices = [device.clone(), device.clone().with_tile(Tile::Small), device.clone().with_tile(Tile::Large)];
        for device in devices {
            let got = losses(trainer().on_device(&device));
            assert_close(&format!("{architecture:?}"), LOSSES, expected.0.iter().copied(), got.0);
            assert_close(&format!("{architecture:?}"), AFTER_200_STEPS, expected.1.iter().copied(), got.1);
        }
    }
}

#[test]
fn seeds_together_end_with_the_bits_of_each_alone() {
    let Some(device) = device() else { return };
    for architecture in
        [Architecture::one_layer(4, 8), Architecture::two_layer(5, 8), Architecture::summed(8).with_output_bias()]
    {
        let alone = |seed| losses(trainer(&architecture, config(60, seed)).on_device(&device));
        let together: Mutex<Vec<Arc<Mutex<Vec<f64>>>>> = Mutex::default();
        let ended = train_many_on_device(&device, &[1, 2, 3], |seed| {
            let (mut trainer, seen) = (trainer(&architecture, config(60, seed)), Arc::<Mutex<Vec<f64>>>::default());
            together.lock().unwrap().push(seen.clone());
            trainer.observe(move |metrics: &Metrics| {
                seen.lock().unwrap().extend([metrics.train.loss, metrics.test.unwrap().loss]);
                ControlFlow::Continue(())
            });
            Ok(trainer)
        });
        for (i, seed) in [1, 2, 3].into_iter().enumerate() {
            assert_eq!(ended[i].outcome.as_ref().unwrap().stop_reason, StopReason::EpochsReached);
            // Products are cut by the size of the batch: the sums of gradients may add up in another order.
            let together = together.lock().unwrap()[i].lock().unwrap().clone();
            for (alone, together) in alone(seed).0.iter().zip(&together) {
                assert_close(&format!("seed {seed}"), AFTER_200_STEPS, [*alone], [*together]);
            }
        }
        let twice = [alone(1), alone(1)];
        assert_eq!(twice[0], twice[1], "the same bits every time");
    }
}

fn in_directory(path: &std::path::Path, epochs: u64, device: Option<&Device>) -> Trainer {
    let config = TrainConfig { epochs, measure_every: 20, ..TrainConfig::default() };
    let trainer = trainer(&Architecture::one_layer(4, 8), config).in_directory(path).unwrap();
    match device {
        Some(device) => trainer.on_device(device),
        None => trainer,
    }
}

#[test]
fn checkpoints_go_from_one_to_the_other() {
    let Some(device) = device() else { return };
    let root = tempfile::tempdir().unwrap();
    let end = |trainer: Trainer| {
        let mut trainer = trainer;
        let outcome = trainer.run().unwrap();
        assert_eq!(outcome.metrics.epoch, trainer.epoch());
        (outcome.metrics.train.loss, trainer.network().clone())
    };
    let (reference, _) = end(in_directory(&root.path().join("host"), 80, None));
    let path = root.path().join("moved");
    end(in_directory(&path, 40, Some(&device)));
    let (moved, _) = end(in_directory(&path, 80, None));
    assert_close("device, then processor", AFTER_200_STEPS, [reference], [moved]);
    let path = root.path().join("back");
    end(in_directory(&path, 40, None));
    let (back, _) = end(in_directory(&path, 80, Some(&device)));
    assert_close("processor, then device", AFTER_200_STEPS, [reference], [back]);
    // Cut in two on the device: the bits of the run that was not.
    let (_, whole) = end(in_directory(&root.path().join("whole"), 80, Some(&device)));
    let path = root.path().join("cut");
    end(in_directory(&path, 40, Some(&device)));
    let (_, cut) = end(in_directory(&path, 80, Some(&device)));
    assert!(whole == cut);
}

#[test]
fn a_loss_that_is_no_number_is_named_with_its_epoch() {
    let Some(device) = device() else { return };
    let diverging = TrainConfig { lr: 1e30, epochs: 50, measure_every: 50, warmup_epochs: 0, ..config(50, 1) };
    let error = trainer(&Architecture::one_layer(4, 8), diverging.clone()).run().unwrap_err();
    let Error::Diverged { epoch: expected, .. } = error else { panic!("{error}") };
    let error = trainer(&Architecture::one_layer(4, 8), diverging).on_device(&device).run().unwrap_err();
    let Error::Diverged { epoch, .. } = error else { panic!("{error}") };
    assert_eq!(epoch, expected);
}

#[test]
fn seeds_that_do_not_belong_together_are_refused_alone() {
    let Some(device) = device() else { return };
    let ended = train_many_on_device(&device, &[1, 2, 3, 4], |seed| match seed {
        2 => Err(Error::Range { what: "seed", expected: "another", got: 2.0 }),
        3 => Ok(trainer(&Architecture::summed(8), config(20, seed))),
        _ => Ok(trainer(&Architecture::one_layer(4, 8), config(20, seed))),
    });
    let ok: Vec<bool> = ended.iter().map(|seed| seed.outcome.is_ok()).collect();
    assert_eq!(ok, [true, false, false, true]);
    assert!(matches!(ended[2].outcome, Err(Error::Unsupported { .. })));
}

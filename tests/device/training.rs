//! Training on the device against the processor's.

use super::networks::transformers;
use super::{assert_close, descriptions, device};
use irreplens::Error;
use irreplens::checkpoint::{LrDecay, Optimiser};
use irreplens::device::{Device, LOSSES, Tile};
use irreplens::group::{Cyclic, Dihedral};
use irreplens::model::{Activation, Architecture, Normalisation, Transformer};
use irreplens::task::Split;
use irreplens::train::{Converged, Metrics, StopReason, StopRules, TrainConfig, Trainer, train_many_on_device};
use proptest::prelude::*;
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

/// A transformer with LayerNorm whose embedding is not trained. It has no biases: the gradient of that of the keys is 0 but for
/// rounding, of which Adam makes whole steps.
fn frozen_transformer() -> Architecture {
    let settings = Transformer {
        d_model: 4,
        heads: 1,
        d_head: 3,
        d_mlp: Some(5),
        act_fn: Activation::GeluNew,
        normalisation: Normalisation::LayerNorm,
        biases: false,
        ..Transformer::default()
    };
    let mut architecture = settings.architecture();
    architecture.frozen = vec![architecture.parameters(6).unwrap()[0].name.clone()];
    architecture
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
        (Optimiser::AdamW, 1e-3, 0.0, frozen_transformer()),
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
fn a_rule_that_looks_at_every_step_is_refused() {
    let Some(device) = device() else { return };
    let stop = StopRules { converged: Some(Converged { below: 1e-7, steps: 500 }), ..StopRules::default() };
    let config = TrainConfig { stop, ..config(20, 1) };
    let error = trainer(&Architecture::summed(8), config).on_device(&device).run().unwrap_err();
    assert!(matches!(error, Error::Unsupported { analysis, .. } if analysis.contains("converged")), "{error}");
}

#[test]
fn seeds_that_do_not_belong_together_are_trained_one_after_the_other() {
    let Some(device) = device() else { return };
    let of = |seed: u64| match seed {
        2 => Err(Error::Range { what: "seed", expected: "another", got: 2.0 }),
        3 => Ok(trainer(&Architecture::summed(8), config(20, seed))),
        _ => Ok(trainer(&Architecture::one_layer(4, 8), config(20, seed))),
    };
    let ended = train_many_on_device(&device, &[1, 2, 3, 4], of);
    assert_eq!(ended.len(), 4);
    for seed in ended {
        match seed.outcome {
            Ok(outcome) => {
                let alone = of(seed.seed).unwrap().on_device(&device).run().unwrap();
                assert_eq!(outcome.metrics, alone.metrics, "seed {}", seed.seed);
            }
            Err(error) => assert!(seed.seed == 2 && matches!(error, Error::Range { .. }), "{error}"),
        }
    }
}

/// One step of gradient descent at rate 1 from the numbers that a seed gives: minus the gradient.
fn step_taken(architecture: &Architecture, device: Option<&Device>) -> (Vec<f32>, f64) {
    let config = TrainConfig {
        epochs: 1,
        measure_every: 1,
        optimiser: Optimiser::Sgd { momentum: 0.0 },
        lr: 1.0,
        weight_decay: 0.0,
        warmup_epochs: 0,
        label_smoothing: 0.2,
        ..config(1, 5)
    };
    let trainer = trainer(architecture, config);
    let before = trainer.network().parameters().to_vec();
    let mut trainer = match device {
        Some(device) => trainer.on_device(device),
        None => trainer,
    };
    let outcome = trainer.run().unwrap();
    let after = trainer.network().parameters();
    (before.iter().zip(after).map(|(before, after)| before - after).collect(), outcome.metrics.train.loss)
}

fn same_gradient(architecture: &Architecture, device: &Device) -> Result<(), String> {
    let ((expected, loss), (got, loss_there)) =
        (step_taken(architecture, None), step_taken(architecture, Some(device)));
    let scale = expected.iter().fold(0.1f32, |most, v| most.max(v.abs()));
    let off = expected.iter().zip(&got).fold(0.0f32, |most, (e, g)| most.max((e - g).abs()));
    if off > 1e-4 * scale || got.iter().any(|v| v.is_nan()) || (loss - loss_there).abs() > 1e-3 * loss.max(1.0) {
        return Err(format!("off by {off} of {scale}, losses {loss} and {loss_there}: {architecture}"));
    }
    Ok(())
}

#[test]
fn gradients_of_transformers_are_the_processors() {
    let Some(device) = device() else { return };
    for (name, net) in transformers(6) {
        same_gradient(net.architecture(), &device).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn gradients_of_random_descriptions_are_the_processors(choices in prop::collection::vec(0u32..10_000, 3..60)) {
        let Some(device) = device() else { return Ok(()) };
        same_gradient(&descriptions::description(&choices), &device).map_err(TestCaseError::fail)?;
    }
}

//! The first ten steps of training against PyTorch's, and of networks with an output bias against NumPy's in `f64`:
//! `golden/steps.py` and `golden/output_bias.py` made the files, and say how.

use irreplens::checkpoint::{LrDecay, ModelKind, Optimiser};
use irreplens::group::{Cyclic, Dihedral, Group};
use irreplens::model::Network;
use irreplens::task::Split;
use irreplens::train::{Metrics, TrainConfig, Trainer};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

/// Relative to PyTorch's loss. Measured: at most 4.4e-8, as much as PyTorch's steps in `f32` and in `f64` differ by.
const LOSSES: f64 = 5e-7;

/// Relative to the root mean square of a tensor (a sum: times the root of its length). Measured: at most 3e-7.
const WEIGHTS: f64 = 5e-6;

/// Rounding in `f64`.
const RATES: f64 = 1e-14;

fn read<T: DeserializeOwned>(case: &Value, key: &str) -> T {
    serde_json::from_value(case[key].clone()).unwrap_or_else(|error| panic!("{key}: {error}"))
}

/// The weights of `initial` in steps.py, to the bit.
fn initial(network: &mut Network) {
    for (t, weight) in network.weights().to_vec().into_iter().enumerate() {
        let mut scale = 4.0;
        while scale * scale * weight.matrix[0] as f64 > 16.0 {
            scale /= 2.0;
        }
        for (i, value) in (0..).zip(&mut network.parameters_mut()[weight.range]) {
            let residue: u64 = (7919 * i * i + 104_729 * i + 131 * t as u64) % 10_007;
            *value = ((residue as f64 / 10_007.0 - 0.5) * scale) as f32;
        }
    }
}

fn trainer(case: &Value, config: TrainConfig) -> Trainer {
    let n: usize = read(case, "n");
    let group: Box<dyn Group> = match case["group"].as_str() {
        Some("cyclic") => Box::new(Cyclic::new(n).unwrap()),
        _ => Box::new(Dihedral::new(n).unwrap()),
    };
    let kind: ModelKind = read(case, "model");
    let output_bias = case.get("output_bias").is_some();
    let architecture = kind.architecture(read(case, "embed"), read(case, "hidden"), output_bias);
    let mut network = Network::random(architecture, group.order(), 1).unwrap();
    initial(&mut network);
    let pairs = group.order() * group.order();
    let train = (0..pairs / 2).map(|i| (7919 * i + 17) % pairs).collect();
    Trainer::from_network(&group, network, Split::new(group.order(), train, Vec::new()).unwrap(), config).unwrap()
}

#[test]
fn first_steps_are_those_of_pytorch() {
    check(include_str!("golden/steps.json"));
}

#[test]
fn first_steps_with_an_output_bias_are_those_of_numpy() {
    check(include_str!("golden/output_bias.json"));
}

fn check(golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let what = format!("{} {}, {} {}", case["model"], case["group"], case["optimiser"], case["lr"]);
        let config = TrainConfig {
            epochs: 10,
            lr: read(case, "lr"),
            weight_decay: read(case, "weight_decay"),
            optimiser: read::<Option<Optimiser>>(case, "optimiser").unwrap_or_default(),
            label_smoothing: read::<Option<f64>>(case, "label_smoothing").unwrap_or_default(),
            betas: read(case, "betas"),
            warmup_epochs: read(case, "warmup"),
            lr_decay: read::<LrDecay>(case, "lr_decay"),
            measure_every: 1,
            ..TrainConfig::default()
        };
        let rates: Vec<f64> = read(case, "rates");
        assert_eq!(rates.len(), 10);
        for (step, want) in (1..).zip(rates) {
            let got = config.learning_rate(step);
            assert!((got - want).abs() <= RATES * want, "{what}: rate of step {step}: {got} against {want}");
        }

        let losses = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&losses);
        let mut trainer = trainer(case, config);
        trainer.observe(move |metrics: &Metrics| {
            seen.lock().unwrap().push(metrics.train.loss);
            ControlFlow::Continue(())
        });
        trainer.run().unwrap();
        let (losses, want): (_, Vec<f64>) = (losses.lock().unwrap(), read(case, "losses"));
        assert_eq!((losses.len(), want.len()), (11, 11), "{what}");
        for (step, (got, want)) in losses.iter().zip(want).enumerate() {
            assert!((got - want).abs() <= LOSSES * want, "{what}: loss after {step} steps: {got} against {want}");
        }

        let network = trainer.network();
        assert_eq!(case["weights"].as_object().unwrap().len(), network.weights().len());
        for weight in network.weights() {
            let (want, values) = (&case["weights"][weight.name.as_str()], &network.parameters()[weight.range.clone()]);
            let values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            let count = values.len();
            let squares: f64 = read(want, "squares");
            let scale = (squares / count as f64).sqrt();
            let close = |key: &str, got: f64, want: f64, scale: f64| {
                let off = (got - want).abs();
                assert!(off <= WEIGHTS * scale, "{what}: {key} of {}: {got} against {want}", weight.name);
            };
            let sign = |i: usize| if (i / 3).is_multiple_of(2) { 1.0 } else { -1.0 };
            let alternating = values.iter().enumerate().map(|(i, v)| sign(i) * v).sum();
            close("sum", values.iter().sum(), read(want, "sum"), scale * (count as f64).sqrt());
            close("signed sum", alternating, read(want, "alternating"), scale * (count as f64).sqrt());
            close("sum of squares", values.iter().map(|v| v * v).sum(), squares, squares);
            let entries: Vec<f64> = read(want, "entries");
            assert_eq!(entries.len(), 10);
            for (k, want) in entries.into_iter().enumerate() {
                close("an entry", values[k * (count - 1) / 9], want, scale);
            }
        }
    }
}

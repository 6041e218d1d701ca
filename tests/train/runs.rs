//! Same seed, same bits; reasons to stop; observers; many seeds.

use irreplens::Error;
use irreplens::analysis::progress;
use irreplens::checkpoint::{LrDecay, Optimiser, Run};
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::{Cyclic, Dihedral};
use irreplens::model::{Architecture, Interpretable, Network, OfGroup, cross_entropy};
use irreplens::task::{Split, Task};
use irreplens::train::{
    Converged, MetricLog, Metrics, Observer, Outcome, StopReason, StopRules, TrainConfig, Trainer, train_many,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

fn architectures() -> [Architecture; 7] {
    [
        Architecture::one_layer(9, 17),
        Architecture::one_layer_with_bias(8, 16),
        Architecture::summed(13),
        Architecture::two_layer(11, 16),
        Architecture::bilinear(12),
        Architecture::one_layer_with_bias(8, 16).with_output_bias(),
        Architecture::summed(13).with_output_bias(),
    ]
}

fn on_threads<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn same_bits_for_any_number_of_threads() {
    for architecture in architectures() {
        let run = &|| {
            let config = TrainConfig { epochs: 12, measure_every: 5, ..TrainConfig::default() };
            let split = Split::random(46, 0.9, 1).unwrap();
            let mut trainer = Trainer::new(&Dihedral::new(23).unwrap(), architecture.clone(), split, config).unwrap();
            let metrics = trainer.run().unwrap().metrics;
            (metrics, trainer.network().parameters().iter().map(|p| p.to_bits()).collect::<Vec<_>>())
        };
        let one = on_threads(1, run);
        for threads in [1, 2, 3, 7] {
            assert!(on_threads(threads, run) == one, "{architecture:?} on {threads} threads");
        }
    }
}

/// The metrics against the model's own evaluation of the same pairs.
#[test]
fn metrics_are_those_of_the_model() {
    let group = Dihedral::new(7).unwrap();
    let task = Task::new(&group);
    for architecture in architectures() {
        let split = Split::random(14, 0.5, 2).unwrap();
        let config = TrainConfig { epochs: 200, ..TrainConfig::default() };
        let mut trainer = Trainer::new(&group, architecture.clone(), split.clone(), config).unwrap();
        let metrics = trainer.run().unwrap().metrics;
        let logits = trainer.network().forward(&task.pairs(0..14 * 14)).unwrap();
        let losses = cross_entropy(logits.view(), task.labels()).unwrap();
        for (pairs, got) in [(&split.train, metrics.train), (&split.test, metrics.test.unwrap())] {
            let mean = pairs.iter().map(|&pair| losses[pair]).sum::<f64>() / pairs.len() as f64;
            assert!((mean - got.loss).abs() <= 1e-5 * mean, "{architecture:?}: {mean} against {}", got.loss);
        }
        let (again, _) = trainer.network().loss_and_gradient(&task, &split.train).unwrap();
        assert_eq!(again, metrics.train);
    }
}

#[test]
fn initial_parameters_have_the_published_scales() {
    let network = Network::random(Architecture::one_layer_with_bias(60, 90), 50, 3).unwrap();
    for weight in network.weights() {
        let values = &network.parameters()[weight.range.clone()];
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let deviation = (values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / count).sqrt();
        let scale = match weight.name.as_str() {
            "W_E_a" | "W_E_b" => 1.0 / 60f64.sqrt(),
            "W" => 1.0 / 120f64.sqrt(),
            "W_U" => 1.0 / 90f64.sqrt(),
            _ => 0.0,
        };
        // Five standard deviations of the estimates.
        assert!((deviation - scale).abs() <= 5.0 * scale / (2.0 * count).sqrt(), "{}: {deviation}", weight.name);
        assert!(mean.abs() <= 5.0 * scale / count.sqrt(), "{}: mean {mean}", weight.name);
    }
    assert_ne!(network, Network::random(network.architecture().clone(), 50, 4).unwrap());
}

/// The generator is part of what a seed means: these numbers may change only with a note under "Value changes".
#[test]
fn the_numbers_of_a_seed_stay() {
    let network = Network::random(Architecture::summed(2), 2, 1).unwrap();
    let got: Vec<f32> = network.parameters()[..4].to_vec();
    assert_eq!(got, SEED_1, "{got:?}");
}

const SEED_1: [f32; 4] = [0.228_466_11, -0.515_554_67, 0.135_083_2, -0.124_286_346];

fn run(config: TrainConfig) -> Outcome {
    let split = Split::random(5, 0.8, 1).unwrap();
    Trainer::new(&Cyclic::new(5).unwrap(), Architecture::summed(16), split, config).unwrap().run().unwrap()
}

#[test]
fn every_reason_to_stop() {
    let config = TrainConfig { epochs: 3000, measure_every: 10, ..TrainConfig::default() };
    let with = |stop| run(TrainConfig { stop, ..config.clone() });
    let none = StopRules::default();
    let below = with(StopRules { train_loss_below: Some(1.0), ..none });
    assert_eq!(below.stop_reason, StopReason::TrainLossBelow);
    assert!(below.metrics.train.loss < 1.0 && below.metrics.epoch < 3000);
    let below = with(StopRules { test_loss_below: Some(10.0), ..none });
    assert_eq!((below.stop_reason, below.metrics.epoch), (StopReason::TestLossBelow, 0));
    let patience = with(StopRules { patience: Some(20), ..none });
    assert_eq!(patience.stop_reason, StopReason::Patience);
    assert!(patience.metrics.epoch >= 20 && patience.metrics.epoch < 3000);
    assert_eq!(run(TrainConfig { epochs: 7, ..config.clone() }).stop_reason, StopReason::EpochsReached);
    assert_eq!(run(TrainConfig { epochs: 0, ..config.clone() }).metrics.epoch, 0);

    let mut trainer = trainer_of(&config);
    let outcome = trainer.observe(|metrics: &Metrics| break_at(metrics, 50)).run().unwrap();
    assert_eq!((outcome.stop_reason, outcome.metrics.epoch), (StopReason::Observer, 50));
    let flag = Arc::new(AtomicBool::new(true));
    let outcome = trainer.interrupted_by(Arc::clone(&flag)).run().unwrap();
    assert_eq!(outcome.stop_reason, StopReason::Interrupted, "the state is saved before anything is asked");
    let outcome = trainer_of(&config).interrupted_by(flag).run().unwrap();
    assert_eq!((outcome.stop_reason, outcome.metrics.epoch), (StopReason::Interrupted, 0));
    assert!(outcome.metrics.test.is_none() && outcome.epoch == 0);
    assert_eq!(serde_json::to_value(StopReason::TestLossBelow).unwrap(), "test_loss_below");
}

fn break_at(metrics: &Metrics, epoch: u64) -> ControlFlow<()> {
    if metrics.epoch >= epoch { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn trainer_of(config: &TrainConfig) -> Trainer {
    let split = Split::random(5, 0.8, 1).unwrap();
    Trainer::new(&Cyclic::new(5).unwrap(), Architecture::summed(16), split, config.clone()).unwrap()
}

/// Patience and the decay of the learning rate are part of the state: a resumed run stops where the whole one does.
#[test]
fn rules_and_schedules_survive_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        epochs: 400,
        measure_every: 10,
        warmup_epochs: 35,
        lr_decay: LrDecay::Cosine,
        stop: StopRules { patience: Some(120), ..StopRules::default() },
        ..TrainConfig::default()
    };
    let whole = trainer_of(&config).in_directory(folder.path().join("whole")).unwrap().run().unwrap();
    let parts = folder.path().join("parts");
    let flag = Arc::new(AtomicBool::new(false));
    let mut last = None;
    for stop_at in (30..).step_by(37) {
        let mut trainer = trainer_of(&config).in_directory(&parts).unwrap();
        flag.store(false, Ordering::Relaxed);
        let set = Arc::clone(&flag);
        trainer.interrupted_by(Arc::clone(&flag)).observe(move |metrics: &Metrics| {
            set.fetch_or(metrics.epoch >= stop_at, Ordering::Relaxed);
            ControlFlow::Continue(())
        });
        let outcome = trainer.run().unwrap();
        if outcome.stop_reason != StopReason::Interrupted {
            last = Some(outcome);
            break;
        }
    }
    let last = last.unwrap();
    assert_eq!((last.stop_reason, last.metrics), (whole.stop_reason, whole.metrics));
    let model = |directory: &Path| std::fs::read(directory.join("model.safetensors")).unwrap();
    assert!(model(&parts) == model(&folder.path().join("whole")));
}

struct Recorder(Arc<Mutex<Vec<String>>>);

impl Observer for Recorder {
    fn start(&mut self, epoch: u64, epochs: u64) -> irreplens::Result<()> {
        self.0.lock().unwrap().push(format!("start {epoch} of {epochs}"));
        Ok(())
    }
    fn observe(&mut self, metrics: &Metrics, network: &OfGroup<Network>) -> irreplens::Result<ControlFlow<()>> {
        let (evaluation, _) =
            network.loss_and_gradient(&Task::new(&Cyclic::new(5)?), &Split::random(5, 0.8, 1)?.train)?;
        assert_eq!(evaluation, metrics.train, "the network shown is the one measured");
        self.0.lock().unwrap().push(format!("at {}", metrics.epoch));
        Ok(ControlFlow::Continue(()))
    }
    fn finish(&mut self, outcome: &Outcome) -> irreplens::Result<()> {
        self.0.lock().unwrap().push(format!("finish {}", outcome.metrics.epoch));
        Ok(())
    }
}

struct Refuses;

impl Observer for Refuses {
    fn observe(&mut self, _: &Metrics, _: &OfGroup<Network>) -> irreplens::Result<ControlFlow<()>> {
        Err(Error::Unsupported { analysis: "an observer", needs: "nothing" })
    }
}

#[test]
fn observers_see_the_run_in_order() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let config = TrainConfig { epochs: 25, measure_every: 10, ..TrainConfig::default() };
    trainer_of(&config).observe(Recorder(Arc::clone(&seen))).run().unwrap();
    assert_eq!(*seen.lock().unwrap(), ["start 0 of 25", "at 0", "at 10", "at 20", "at 25", "finish 25"]);
    let error = trainer_of(&config).observe(Refuses).run().unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }));
}

#[test]
fn metric_logs_hold_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { epochs: 20, measure_every: 10, ..TrainConfig::default() };
    let [csv, json] = ["log.csv", "log.jsonl"].map(|name| folder.path().join(name));
    let mut trainer = trainer_of(&config);
    let outcome = trainer.observe(MetricLog::new(&csv)).observe(MetricLog::new(&json)).run().unwrap();
    let text = std::fs::read_to_string(csv).unwrap();
    let mut rows = text.lines();
    assert_eq!(rows.next().unwrap(), "epoch,train_loss,train_accuracy,test_loss,test_accuracy");
    let last: Vec<f64> = rows.next_back().unwrap().split(',').map(|v| v.parse().unwrap()).collect();
    let (train, test) = (outcome.metrics.train, outcome.metrics.test.unwrap());
    assert_eq!(last, [20.0, train.loss, train.accuracy, test.loss, test.accuracy]);
    let text = std::fs::read_to_string(json).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 10, 20]);
    assert_eq!(rows[2]["test_loss"].as_f64(), Some(test.loss));
    let missing = MetricLog::new(folder.path().join("missing/log.csv"));
    assert!(matches!(trainer.observe(missing).run(), Err(Error::Io { path, .. }) if path.ends_with("missing/log.csv")));
}

fn seed_trainer(root: &Path, seed: u64, epochs: u64, width: usize) -> irreplens::Result<Trainer> {
    let config = TrainConfig { epochs, seed, ..TrainConfig::default() };
    let split = Split::random(5, 0.8, seed)?;
    let trainer = Trainer::new(&Cyclic::new(5)?, Architecture::summed(width), split, config)?;
    trainer.in_directory(root.join(format!("seed-{seed}")))
}

#[test]
fn many_seeds_end_as_each_would_alone_and_survive_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let seeds = [4, 1, 9, 2, 7];
    // Seed 9 stumbles over a file in its place.
    std::fs::write(root.join("seed-9"), "").unwrap();
    let first = train_many(&seeds, |seed| seed_trainer(root, seed, 40, 16));
    assert_eq!(first.iter().map(|s| s.seed).collect::<Vec<_>>(), seeds);
    for one in &first {
        assert_eq!(one.outcome.is_err(), one.seed == 9);
    }
    // Taken up as a whole, with more epochs, once the obstacle is gone.
    std::fs::remove_file(root.join("seed-9")).unwrap();
    for one in on_threads(3, || train_many(&seeds, |seed| seed_trainer(root, seed, 90, 16))) {
        let alone = folder.path().join("alone");
        let outcome = seed_trainer(&alone, one.seed, 90, 16).unwrap().run().unwrap();
        assert_eq!(one.outcome.unwrap().metrics, outcome.metrics);
        let name = format!("seed-{}/model.safetensors", one.seed);
        assert!(std::fs::read(root.join(&name)).unwrap() == std::fs::read(alone.join(&name)).unwrap());
    }
}

/// What a run looks like from outside: loss and parameters at every epoch.
type History = Arc<Mutex<Vec<(f64, Vec<f32>)>>>;

struct Watch(History);

impl Observer for Watch {
    fn observe(&mut self, metrics: &Metrics, network: &OfGroup<Network>) -> irreplens::Result<ControlFlow<()>> {
        self.0.lock().unwrap().push((metrics.train.loss, network.parameters().to_vec()));
        Ok(ControlFlow::Continue(()))
    }
}

/// The first epoch after so many steps in a row that change objective and parameters by no more than a share, by the definition.
fn stands_still_at(history: &[(f64, Vec<f32>)], half_decay: f64, rule: Converged) -> Option<usize> {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let of = |p: &[f32]| norm(&mut p.iter().map(|&p| f64::from(p)));
    let objective = |(loss, p): &(f64, Vec<f32>)| loss + half_decay * of(p).powi(2);
    let mut row = 0;
    for (epoch, pair) in history.windows(2).enumerate() {
        let change = norm(&mut pair[1].1.iter().zip(&pair[0].1).map(|(a, b)| f64::from(a - b))) / of(&pair[0].1);
        let [before, after] = [&pair[0], &pair[1]].map(objective);
        row = if change <= rule.below && ((after - before) / before).abs() <= rule.below { row + 1 } else { 0 };
        if row == rule.steps {
            return Some(epoch + 1);
        }
    }
    None
}

#[test]
fn a_run_that_stands_still_stops_there_alone_among_others_and_resumed() {
    let rule = Converged { below: 2e-4, steps: 40 };
    // In lanes, and by matrix products; with decay that is part of the loss, and with AdamW's.
    for (width, optimiser) in [(6, Optimiser::Adam), (120, Optimiser::Adam), (6, Optimiser::AdamW)] {
        let history = History::default();
        let make = |seed: u64, measure_every: u64| {
            let stop = StopRules { converged: Some(rule), ..StopRules::default() };
            let weight_decay = if optimiser == Optimiser::Adam { 2e-2 } else { 0.5 };
            let lr_decay = LrDecay::Cosine;
            let plain = TrainConfig { epochs: 2000, seed, measure_every, lr: 3e-3, lr_decay, ..TrainConfig::default() };
            let config = TrainConfig { optimiser, weight_decay, stop, ..plain };
            let split = Split::random(5, 0.8, seed).unwrap();
            Trainer::new(&Cyclic::new(5).unwrap(), Architecture::summed(width), split, config).unwrap()
        };
        let mut watched = make(1, 1);
        watched.observe(Watch(Arc::clone(&history)));
        let outcome = watched.run().unwrap();
        assert_eq!(outcome.stop_reason, StopReason::Converged, "{width}, {optimiser:?}");
        let half_decay = if optimiser == Optimiser::Adam { 1e-2 } else { 0.0 };
        let expected = stands_still_at(&history.lock().unwrap(), half_decay, rule);
        assert_eq!(expected, Some(outcome.epoch as usize), "{width}, {optimiser:?}");
        assert!(outcome.epoch > rule.steps && outcome.metrics.test.is_some());
        for among in train_many(&[1, 2, 3, 4], |seed| Ok(make(seed, 1000))) {
            let alone = make(among.seed, 777).run().unwrap();
            let among = among.outcome.unwrap();
            assert_eq!(
                (among.epoch, among.stop_reason, among.metrics),
                (alone.epoch, alone.stop_reason, alone.metrics)
            );
        }
        // Broken off in the middle of the row, and taken up again.
        let folder = tempfile::tempdir().unwrap();
        let middle = outcome.epoch - rule.steps / 2;
        let mut broken_off = make(1, 1).in_directory(folder.path()).unwrap();
        broken_off.observe(move |metrics: &Metrics| match metrics.epoch >= middle {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        assert_eq!(broken_off.run().unwrap().epoch, middle);
        drop(broken_off);
        let resumed = make(1, 1000).in_directory(folder.path()).unwrap().run().unwrap();
        assert_eq!((resumed.epoch, resumed.stop_reason), (outcome.epoch, outcome.stop_reason));
    }
}

/// Small networks are trained in lanes beside each other: those of another shape or other settings in other lanes, and one that
/// diverges or has test pairs of its own is nothing to its neighbours.
#[test]
fn small_networks_that_differ_end_as_each_would_alone() {
    let make = |seed: u64| {
        let optimiser = Optimiser::Sgd { momentum: 0.5 };
        let plain = TrainConfig { epochs: 300, seed, measure_every: 70, ..TrainConfig::default() };
        let config = match seed % 5 {
            0 => TrainConfig { lr: 1e-2, ..plain },
            1 => TrainConfig { optimiser, lr: 1e-1, weight_decay: 1e-3, ..plain },
            2 => TrainConfig { optimiser, lr: 1e30, weight_decay: 0.0, ..plain },
            3 => TrainConfig { stop: StopRules { train_loss_below: Some(1.2), ..StopRules::default() }, ..plain },
            _ => plain,
        };
        let width = if seed < 20 { 6 } else { 7 };
        Trainer::new(&Cyclic::new(5)?, Architecture::summed(width), Split::random(5, 0.6, seed)?, config)
    };
    let seeds: Vec<u64> = (1..=40).collect();
    let mut diverged = 0;
    for one in on_threads(2, || train_many(&seeds, make)) {
        let mut trainer = make(one.seed).unwrap();
        match (one.outcome, trainer.run()) {
            (Ok(among), Ok(alone)) => {
                assert_eq!((among.metrics, among.stop_reason), (alone.metrics, alone.stop_reason), "seed {}", one.seed);
            }
            (Err(Error::Diverged { epoch: among, .. }), Err(Error::Diverged { epoch: alone, .. })) => {
                assert_eq!(among, alone, "seed {}", one.seed);
                diverged += 1;
            }
            (among, alone) => panic!("seed {}: {among:?} against {alone:?}", one.seed),
        }
    }
    assert_eq!(diverged, 8);
}

#[test]
fn an_interrupt_ends_many_seeds_and_a_panic_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let flag = Arc::new(AtomicBool::new(true));
    // One large network a thread, but small ones side by side: none but those is begun.
    for (width, begun) in [(100, 1), (16, 3)] {
        let ended = on_threads(1, || {
            train_many(&[1, 2, 3], |seed| {
                let mut trainer = seed_trainer(&folder.path().join(width.to_string()), seed, 40, width)?;
                trainer.interrupted_by(Arc::clone(&flag));
                Ok(trainer)
            })
        });
        assert_eq!(ended.len(), begun);
        for seed in ended {
            assert_eq!(seed.outcome.unwrap().stop_reason, StopReason::Interrupted);
        }
    }
    let ended = Mutex::new(Vec::new());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        on_threads(1, || {
            train_many(&[1, 2, 3], |seed| {
                assert!(seed != 2, "seed 2");
                ended.lock().unwrap().push(seed);
                seed_trainer(folder.path(), seed, 10, 16)
            })
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(*ended.lock().unwrap(), [1, 3]);
}

/// Wherever an interrupt comes, within an epoch or a look at the test set too, the state is saved and the run goes on to the
/// same bits.
#[test]
fn an_interrupt_within_an_epoch_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        // Epochs of some tenths of a second, which a flag set by the clock falls into.
        let config = TrainConfig { epochs: 4, measure_every: 2, ..TrainConfig::default() };
        let split = Split::random(120, 0.8, 1).unwrap();
        let trainer = Trainer::new(&Cyclic::new(120).unwrap(), Architecture::summed(48), split, config).unwrap();
        trainer.in_directory(folder.path().join(name)).unwrap()
    };
    let whole = make("whole").run().unwrap();
    let (mut within, mut interrupted) = (0, 0);
    for milliseconds in [1, 30, 60, 100, 150, 220, 300] {
        let name = milliseconds.to_string();
        let mut trainer = make(&name);
        let flag = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&flag);
        trainer.interrupted_by(flag).observe(move |metrics: &Metrics| {
            let set = Arc::clone(&set);
            if metrics.epoch == 0 {
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
                    set.store(true, Ordering::Relaxed);
                });
            }
            ControlFlow::Continue(())
        });
        let outcome = trainer.run().unwrap();
        if outcome.stop_reason == StopReason::Interrupted {
            interrupted += 1;
            within += usize::from(outcome.metrics.epoch < outcome.epoch);
            assert!(outcome.metrics.test.is_none() && outcome.epoch == trainer.epoch());
        }
        drop(trainer);
        let mut resumed = make(&name);
        assert_eq!(resumed.epoch(), outcome.epoch);
        let resumed = resumed.run().unwrap();
        assert_eq!((resumed.metrics, resumed.stop_reason), (whole.metrics, whole.stop_reason));
        let model = |name: &str| std::fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
        assert!(model(&name) == model("whole"), "{milliseconds} ms");
    }
    assert!(interrupted > 0 && within <= interrupted);
}

#[test]
fn a_trained_run_has_its_progress_along_the_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let group = Cyclic::new(7).unwrap();
    let config = TrainConfig { epochs: 1500, checkpoints_per_decade: 3, ..TrainConfig::default() };
    let split = Split::random(7, 0.8, 1).unwrap();
    let mut trainer = Trainer::new(&group, Architecture::one_layer(16, 24), split, config).unwrap();
    trainer = trainer.in_directory(folder.path()).unwrap();
    let outcome = trainer.run().unwrap();
    let run = Run::open(folder.path()).unwrap();
    let (basis, irreps) = (CyclicSubgroupBasis::cyclic(&group), IrrepBasis::new(&group).unwrap());
    let table = progress(&run, &basis, &irreps, &Task::new(&group)).unwrap();
    let epochs: Vec<u64> = table.rows.iter().map(|row| row.epoch).collect();
    assert_eq!(epochs, [0, 1, 2, 5, 10, 22, 46, 100, 215, 464, 1000, 1500]);
    let train = table.rows[11].train.unwrap();
    assert!((train.loss - outcome.metrics.train.loss).abs() <= 1e-5 * train.loss);
    assert!(!table.keys.is_empty() && !table.key_irreps.is_empty() && table.notes.is_empty());
}

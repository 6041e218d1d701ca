//! Trains a network: `cargo run --release --example train -- --group dihedral:53 --out runs/D53`.
//!
//! Writes a run directory that `examples/interpret.rs` reads. Stopped by Ctrl-C or killed, it goes on where it was when
//! it is started again. The settings are those of a `cfg.json` (`--cfg FILE`) or the published ones, and options
//! override them. `--seeds 1,2,3` trains one run for each, side by side, in `DIR/seed-1`, ...; a split is that of the
//! published code for the run's seed, where seed 0 means the first pairs in order.

#[path = "support/place.rs"]
mod place;

use irreplens::checkpoint::{GroupKind, Layers, LrDecay, ModelKind, RunConfig, atomic_write};
use irreplens::group::{Cyclic, Dihedral, Group};
use irreplens::task::Split;
use irreplens::train::{MetricLog, Outcome, ProgressBar, Seed, StopRules, TrainConfig, Trainer, on_ctrl_c, train_many};
pub use place::Place;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: train [--group cyclic:N|dihedral:N] [--cfg FILE] \
[--model one-layer|one-layer-bias|summed|two-layer|bilinear] [--embed E] [--hidden D] [--output-bias true|false] \
[--fraction F] [--lr L] [--weight-decay W] [--epochs N] [--warmup N] [--decay constant|linear|cosine] [--seed S | --seeds S,S,...] \
[--test-loss-below L] [--patience N] [--out DIR] [--json FILE] [--device cpu|cuda:N]";

/// What is to be trained and where it is kept.
pub struct Settings {
    /// The run.
    pub config: RunConfig,
    /// When to stop early.
    pub stop: StopRules,
    /// One run for each; the config's own seed if empty.
    pub seeds: Vec<u64>,
    /// Where the runs are kept, if anywhere.
    pub out: Option<PathBuf>,
    /// Where the results are written, if anywhere.
    pub json: Option<PathBuf>,
    /// Where it trains.
    pub place: Place,
}

/// The published settings on D53.
fn published() -> RunConfig {
    RunConfig {
        model: ModelKind::OneLayerMlp,
        group: GroupKind::DihedralGroup,
        group_parameter: 53,
        seed: 1,
        frac_train: 0.3,
        layers: Layers { embed_dim: 256, hidden_dim: Some(128), output_bias: None, other: Default::default() },
        lr: 1e-3,
        weight_decay: 1.0,
        betas: (0.9, 0.98),
        eps: 1e-8,
        warmup_epochs: 0,
        lr_decay: LrDecay::Constant,
        num_epochs: 250_000,
        other: Default::default(),
    }
}

/// Reads the command line.
///
/// # Errors
/// A message that names the option, or the error of reading the `--cfg` file.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Settings, Failure> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let mut pairs = Vec::new();
    for pair in arguments.chunks(2) {
        match pair {
            [option, value] if option.starts_with("--") => pairs.push((option.as_str(), value.as_str())),
            [option, ..] => return Err(format!("{option}: expected an option and its value\n{USAGE}").into()),
            [] => {}
        }
    }
    // The file first, wherever it stands: options override it.
    let file = pairs.iter().find(|(option, _)| *option == "--cfg");
    let config = file.map_or(Ok(published()), |(_, path)| RunConfig::read(path))?;
    let mut settings =
        Settings { config, stop: StopRules::default(), seeds: Vec::new(), out: None, json: None, place: Place::Cpu };
    let Settings { config, stop, seeds, out, json, place } = &mut settings;
    for (option, value) in pairs {
        match option {
            "--cfg" => {}
            "--group" => (config.group, config.group_parameter) = group(value)?,
            "--model" => config.model = model(value)?,
            "--embed" => config.layers.embed_dim = number(option, value)?,
            "--hidden" => config.layers.hidden_dim = Some(number(option, value)?),
            "--output-bias" => config.layers.output_bias = Some(number(option, value)?),
            "--fraction" => config.frac_train = number(option, value)?,
            "--lr" => config.lr = number(option, value)?,
            "--weight-decay" => config.weight_decay = number(option, value)?,
            "--epochs" => config.num_epochs = number(option, value)?,
            "--warmup" => config.warmup_epochs = number(option, value)?,
            "--decay" => config.lr_decay = serde_json::from_value(json!(value)).map_err(|e| format!("--decay: {e}"))?,
            "--seed" => config.seed = number(option, value)?,
            "--seeds" => *seeds = value.split(',').map(|seed| number(option, seed)).collect::<Result<_, _>>()?,
            "--test-loss-below" => stop.test_loss_below = Some(number(option, value)?),
            "--patience" => stop.patience = Some(number(option, value)?),
            "--out" => *out = Some(value.into()),
            "--json" => *json = Some(value.into()),
            "--device" => *place = Place::open(value)?,
            _ => return Err(format!("unknown option {option}\n{USAGE}").into()),
        }
    }
    if !seeds.is_empty() && out.is_none() {
        return Err("--seeds needs --out DIR".into());
    }
    Ok(settings)
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|error| format!("{option} {value}: {error}").into())
}

fn group(value: &str) -> Result<(GroupKind, usize), Failure> {
    let expected = || format!("--group {value}: expected cyclic:N or dihedral:N");
    let (name, n) = value.split_once(':').ok_or_else(expected)?;
    let kind = match name {
        "cyclic" => GroupKind::CyclicGroup,
        "dihedral" => GroupKind::DihedralGroup,
        _ => return Err(expected().into()),
    };
    Ok((kind, number("--group", n)?))
}

fn model(value: &str) -> Result<ModelKind, Failure> {
    Ok(match value {
        "one-layer" => ModelKind::OneLayerMlp,
        "one-layer-bias" => ModelKind::OneLayerMlpWithBias,
        "summed" => ModelKind::SummedMlp,
        "two-layer" => ModelKind::TwoLayerMlp,
        "bilinear" => ModelKind::Bilinear,
        _ => return Err(format!("--model {value}: no such model\n{USAGE}").into()),
    })
}

/// The trainer of one run, kept in `out` with a log of its metrics.
fn trainer(config: &RunConfig, stop: StopRules, out: Option<&Path>) -> irreplens::Result<Trainer> {
    let group: Box<dyn Group> = match config.group {
        GroupKind::CyclicGroup => Box::new(Cyclic::new(config.group_parameter)?),
        GroupKind::DihedralGroup => Box::new(Dihedral::new(config.group_parameter)?),
        _ => {
            let needs = "a cyclic or dihedral group; others are trained from a program of your own";
            return Err(irreplens::Error::Unsupported { analysis: "this example", needs });
        }
    };
    let split = Split::published(group.order(), config.frac_train, config.seed)?;
    let train_config = TrainConfig { stop, ..TrainConfig::from(config) };
    let mut trainer = Trainer::new(&group, config.into(), split, train_config)?;
    if let Some(out) = out {
        trainer = trainer.in_directory(out)?;
        trainer.observe(MetricLog::new(out.join("metrics.csv")));
    }
    Ok(trainer)
}

/// Trains, and returns what `--json` writes.
///
/// # Errors
/// Those of the trainer and of writing the results; of several seeds, the first error, once all have ended.
pub fn run(settings: &Settings) -> Result<Value, Failure> {
    let Settings { config, stop, seeds, out, place, .. } = settings;
    let interrupt = on_ctrl_c()?;
    let results = if seeds.is_empty() {
        let mut trainer = on(place, trainer(config, *stop, out.as_deref())?);
        result(&trainer.interrupted_by(interrupt).observe(ProgressBar::new()).run()?)
    } else {
        let make = |seed| {
            let directory = out.as_ref().map(|out| out.join(format!("seed-{seed}")));
            let mut trainer = trainer(&RunConfig { seed, ..config.clone() }, *stop, directory.as_deref())?;
            trainer.interrupted_by(Arc::clone(&interrupt));
            Ok(trainer)
        };
        let mut all = Vec::new();
        for seed in many(place, seeds, make) {
            let mut one = result(&seed.outcome.map_err(|error| format!("seed {}: {error}", seed.seed))?);
            one["seed"] = json!(seed.seed);
            all.push(one);
        }
        json!({ "seeds": all, "peak_rss_mb": peak_rss_mb() })
    };
    if let Some(file) = &settings.json {
        atomic_write(file, format!("{results:#}\n").as_bytes())?;
    }
    Ok(results)
}

/// The trainer where it is to train.
fn on(place: &Place, trainer: Trainer) -> Trainer {
    match place {
        Place::Cpu => trainer,
        #[cfg(feature = "cuda")]
        Place::Cuda(device) => trainer.on_device(device),
    }
}

/// All seeds there, side by side.
fn many(place: &Place, seeds: &[u64], make: impl Fn(u64) -> irreplens::Result<Trainer> + Sync) -> Vec<Seed> {
    match place {
        Place::Cpu => train_many(seeds, make),
        #[cfg(feature = "cuda")]
        Place::Cuda(device) => irreplens::train::train_many_on_device(device, seeds, make),
    }
}

fn result(outcome: &Outcome) -> Value {
    let Outcome { stop_reason, metrics, epoch_ms_median } = outcome;
    json!({
        "epochs": metrics.epoch,
        "epoch_ms_median": epoch_ms_median,
        "train_loss": metrics.train.loss,
        "test_loss": metrics.test.map(|test| test.loss),
        "train_acc": metrics.train.accuracy,
        "test_acc": metrics.test.map(|test| test.accuracy),
        "peak_rss_mb": peak_rss_mb(),
        "stop_reason": stop_reason,
    })
}

/// Most memory this process has held so far, where the system says so.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

fn main() -> Result<(), Failure> {
    let settings = parse(std::env::args().skip(1))?;
    println!("{:#}", run(&settings)?);
    Ok(())
}

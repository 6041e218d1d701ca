//! `irreplens train`: trains a network and writes a run directory, which every other subcommand reads.
//!
//! Stopped by Ctrl-C or killed, a run goes on where it was when it is started again. The settings are those of a `cfg.json`
//! (`--cfg FILE`) or the published ones, and options override them. `--seeds 1,2,3` trains one run for each, side by side,
//! in `DIR/seed-1`, ...; a split is that of the published code for the run's seed, where seed 0 means the first pairs in
//! order.

use crate::place::{On, Place};
use crate::screen::{Output, complain, say};
use crate::source::{Memory, whole};
use crate::{Failure, usage};
use clap::builder::PossibleValuesParser;
use irreplens::analysis::{Cell, Table, Term};
use irreplens::checkpoint::{GroupKind, Layers, LrDecay, ModelKind, ModelSettings, Optimiser, RunConfig};
use irreplens::group::GroupName;
use irreplens::train::{
    MetricLog, Outcome, ProgressBar, Seed, StopReason, StopRules, TrainConfig, Trainer, on_ctrl_c, train_many,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Where it trains.
    pub place: Place,
}

/// A number.
fn real(value: &str) -> Result<f64, &'static str> {
    value.parse().map_err(|_| "expected a number, 0.3 or 1e-3 say")
}

/// The published settings on D53.
fn published() -> RunConfig {
    RunConfig {
        model: ModelKind::OneLayerMlp.into(),
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
        optimiser: Optimiser::AdamW,
        label_smoothing: 0.0,
        num_epochs: 250_000,
        missing: Vec::new(),
        other: Default::default(),
    }
}

/// Trains a network on a group and writes a run directory.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Settings to start from, a cfg.json: options override it. Without one, the published settings on D53.
    #[arg(long, value_name = "FILE")]
    cfg: Option<PathBuf>,
    /// The group, by its name: C113, D53 (of order 106), C7:C3, S5 or A5 (in SymPy's element order). `irreplens groups` lists more.
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    /// A published network; a --cfg may describe any other, step by step.
    #[arg(long, value_name = "MODEL", value_parser = PossibleValuesParser::new(MODELS.map(|(name, _)| name)))]
    model: Option<String>,
    /// Width of the embeddings.
    #[arg(long, value_name = "E", value_parser = whole::<usize>)]
    embed: Option<usize>,
    /// Number of hidden neurons.
    #[arg(long, value_name = "D", value_parser = whole::<usize>)]
    hidden: Option<usize>,
    /// Whether the logits have a bias of their own, as those of nn.Linear have.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    output_bias: Option<bool>,
    /// Share of all pairs that it is trained on.
    #[arg(long, value_name = "F", value_parser = real)]
    fraction: Option<f64>,
    /// Learning rate.
    #[arg(long, value_name = "L", value_parser = real)]
    lr: Option<f64>,
    /// Weight decay: decoupled with adamw, else coupled.
    #[arg(long, value_name = "W", value_parser = real)]
    weight_decay: Option<f64>,
    /// How a step follows from the gradient.
    #[arg(long, value_name = "NAME", value_parser = ["adamw", "adam", "sgd"])]
    optimiser: Option<String>,
    /// Momentum of sgd; 0 where nothing is said.
    #[arg(long, value_name = "M", value_parser = real)]
    momentum: Option<f64>,
    /// Share of the labels' weight that all elements have alike in training.
    #[arg(long, value_name = "S", value_parser = real)]
    label_smoothing: Option<f64>,
    /// Full-batch steps.
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    epochs: Option<u64>,
    /// Steps over which the learning rate rises.
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    warmup: Option<u64>,
    /// What the learning rate does after that.
    #[arg(long, value_name = "DECAY", value_parser = ["constant", "linear", "cosine"])]
    decay: Option<String>,
    /// Seed of the split and of the initial weights.
    #[arg(long, value_name = "S", conflicts_with = "seeds", value_parser = whole::<u64>)]
    seed: Option<u64>,
    /// Seeds of several runs, side by side, in DIR/seed-S.
    #[arg(long, value_name = "S,S,...", value_delimiter = ',', requires = "out", value_parser = whole::<u64>)]
    seeds: Vec<u64>,
    /// Stops once the test loss is below this.
    #[arg(long, value_name = "L", value_parser = real)]
    test_loss_below: Option<f64>,
    /// Stops once the test loss has not improved for so many epochs.
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    patience: Option<u64>,
    /// The run directory: one that is there goes on where it was.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens train --group D53 --seed 2 --epochs 60000 --out runs/D53
  irreplens train --group C59 --seeds 1,2,3 --test-loss-below 1e-4 --out runs/C59
  irreplens train --cfg runs/D53/cfg.json --lr 5e-4 --out runs/slower
  irreplens train --optimiser sgd --momentum 0.9 --lr 0.1 --weight-decay 1e-4 --out runs/sgd";

const MODELS: [(&str, ModelKind); 6] = [
    ("one-layer", ModelKind::OneLayerMlp),
    ("one-layer-bias", ModelKind::OneLayerMlpWithBias),
    ("summed", ModelKind::SummedMlp),
    ("two-layer", ModelKind::TwoLayerMlp),
    ("bilinear", ModelKind::Bilinear),
    ("transformer", ModelKind::Transformer),
];

/// Why a width that was given has no place in the network.
fn without_width(arguments: &Arguments, config: &RunConfig) -> Option<String> {
    let Arguments { embed, hidden, output_bias, .. } = arguments;
    let ModelSettings::Published(kind) = config.model else {
        let given =
            [("--embed", embed.is_some()), ("--hidden", hidden.is_some()), ("--output-bias", output_bias.is_some())];
        let (option, _) = given.into_iter().find(|(_, given)| *given)?;
        return Some(format!("{option}: the network of the --cfg is described step by step, widths and all"));
    };
    let unused = hidden.is_some() && !kind.has_hidden() && kind != ModelKind::Transformer;
    let (name, _) = MODELS.iter().find(|(_, other)| *other == kind).filter(|_| unused)?;
    Some(format!("--hidden: a {name} network has no hidden layer of its own; --embed is its width"))
}

/// Settings of a file, or the published ones, with the options over them.
///
/// # Errors
/// A message that names the option, or the error of reading the `--cfg` file.
pub fn settings(arguments: Arguments, place: Place) -> Result<Settings, Failure> {
    arguments.memory.set();
    let contradiction = |what: String| Err(usage("train", what));
    let mut config = arguments.cfg.as_ref().map_or(Ok(published()), RunConfig::read)?;
    if let Some(name) = &arguments.group {
        (config.group, config.group_parameter) = GroupKind::published(name.clone());
    }
    // The parser lets through no other names.
    if let Some((_, model)) = MODELS.iter().find(|(name, _)| arguments.model.as_deref() == Some(*name)) {
        config.model = (*model).into();
    }
    if let Some(what) = without_width(&arguments, &config) {
        return contradiction(what);
    }
    if let Some(decay) = &arguments.decay {
        config.lr_decay = serde_json::from_value(json!(decay))?;
    }
    config.optimiser = match (arguments.optimiser.as_deref(), config.optimiser) {
        (None, same) | (Some("sgd"), same @ Optimiser::Sgd { .. }) => same,
        (Some("sgd"), _) => Optimiser::Sgd { momentum: 0.0 },
        (Some("adam"), _) => Optimiser::Adam,
        (Some(_), _) => Optimiser::AdamW,
    };
    match (&mut config.optimiser, arguments.momentum) {
        (Optimiser::Sgd { momentum }, Some(new)) => *momentum = new,
        (other, Some(_)) => return contradiction(format!("--momentum: {other} has none, only --optimiser sgd has")),
        (_, None) => {}
    }
    fn replace<T>(old: &mut T, new: Option<T>) {
        if let Some(new) = new {
            *old = new;
        }
    }
    replace(&mut config.layers.embed_dim, arguments.embed);
    replace(&mut config.layers.hidden_dim, arguments.hidden.map(Some));
    replace(&mut config.layers.output_bias, arguments.output_bias.map(Some));
    replace(&mut config.frac_train, arguments.fraction);
    replace(&mut config.lr, arguments.lr);
    replace(&mut config.weight_decay, arguments.weight_decay);
    replace(&mut config.label_smoothing, arguments.label_smoothing);
    replace(&mut config.num_epochs, arguments.epochs);
    replace(&mut config.warmup_epochs, arguments.warmup);
    replace(&mut config.seed, arguments.seed);
    let (warmup, epochs) = (config.warmup_epochs, config.num_epochs);
    if arguments.warmup.is_some() && warmup > epochs {
        return contradiction(format!("--warmup: expected at most the {epochs} epochs of the run, got {warmup}"));
    }
    if let Some((i, seed)) = arguments.seeds.iter().enumerate().find(|&(i, seed)| arguments.seeds[..i].contains(seed)) {
        return contradiction(format!("--seeds: seed {seed} again in place {}: every seed has one run", i + 1));
    }
    if let Some(out) = arguments.out.as_deref().filter(|out| out.exists() && !out.is_dir()) {
        return Err(format!("{}: expected a folder for the run, or none yet, got a file", out.display()).into());
    }
    let Arguments { test_loss_below, patience, seeds, out, .. } = arguments;
    let stop = StopRules { test_loss_below, patience, ..StopRules::default() };
    Ok(Settings { config, stop, seeds, out, place })
}

/// The trainer of one run, kept in `out` with a log of its metrics.
fn trainer(config: &RunConfig, stop: StopRules, out: Option<&Path>) -> irreplens::Result<Trainer> {
    let mut trainer = Trainer::from_settings(config, TrainConfig { stop, ..TrainConfig::from(config) })?;
    if let Some(out) = out {
        trainer = trainer.in_directory(out)?;
        trainer.notices().iter().for_each(|notice| complain(&format!("warning: {notice}")));
        trainer.observe(MetricLog::new(out.join("metrics.csv")));
    }
    Ok(trainer)
}

/// What came of a run: its seed, and where and with what it ended.
pub type Trained = (u64, Outcome);

/// Trains, one run or one for each seed.
///
/// # Errors
/// Those of the trainer and of writing the results; of several seeds, the first error, once all have ended.
pub fn run(settings: &Settings) -> Result<Vec<Trained>, Failure> {
    let Settings { config, stop, seeds, out, place, .. } = settings;
    let interrupt = on_ctrl_c()?;
    if seeds.is_empty() {
        let mut trainer = on(place, trainer(config, *stop, out.as_deref())?);
        if out.is_none() {
            complain("note: nothing of this run will be kept; --out DIR keeps it");
        }
        return Ok(vec![(config.seed, trainer.interrupted_by(interrupt).observe(ProgressBar::new()).run()?)]);
    }
    let make = |seed| {
        let directory = out.as_ref().map(|out| out.join(format!("seed-{seed}")));
        let mut trainer = trainer(&RunConfig { seed, ..config.clone() }, *stop, directory.as_deref())?;
        trainer.interrupted_by(Arc::clone(&interrupt));
        Ok(trainer)
    };
    let named = |seed: Seed| match seed.outcome {
        Ok(outcome) => Ok((seed.seed, outcome)),
        Err(error) => Err(format!("seed {}: {error}", seed.seed).into()),
    };
    many(place, seeds, make).into_iter().map(named).collect()
}

/// What `--json` writes: of one run its results, of several a list.
#[must_use]
pub fn to_json(trained: &[Trained], several: bool) -> Value {
    let one = |(seed, outcome): &Trained| {
        let mut out = result(outcome);
        if several {
            out["seed"] = json!(seed);
        }
        out
    };
    match trained {
        [only] if !several => one(only),
        all => json!({ "seeds": all.iter().map(one).collect::<Value>(), "peak_rss_mb": peak_rss_mb() }),
    }
}

/// A row a run.
fn table(trained: &[Trained]) -> Table {
    let columns = [
        ("seed", "Seed of the split and of the initial weights."),
        ("epochs", "Steps taken, over all calls."),
        ("stopped by", "Why it went no further."),
        ("training loss", "Mean loss over the training pairs."),
        ("test loss", "Mean loss over the others."),
        ("training accuracy", "Share of the training pairs whose largest logit is at their product."),
        ("test accuracy", "That share of the other pairs."),
    ];
    let none = "there are no test pairs";
    let row = |(seed, Outcome { stop_reason, epoch, metrics, .. }): &Trained| {
        let test = metrics.test;
        vec![
            Cell::Count(*seed as usize),
            Cell::Count(*epoch as usize),
            Cell::text(json!(stop_reason).as_str().unwrap_or_default().replace('_', " ")),
            Cell::Number(metrics.train.loss),
            Cell::number(test.map(|test| test.loss), none),
            Cell::Share(metrics.train.accuracy),
            Cell::share(test.map(|test| test.accuracy), none),
        ]
    };
    let columns = columns.into_iter().map(|(name, means)| Term::new(name, means)).collect();
    Table::new("Trained", columns, trained.iter().map(row).collect())
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
    let Outcome { stop_reason, epoch, metrics, epoch_ms_median } = outcome;
    json!({
        "epochs": epoch,
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
pub(crate) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

/// Runs the subcommand.
///
/// # Errors
/// An output or a device that cannot be used, settings that make no sense; those of [`run`].
pub(crate) fn train(arguments: Arguments) -> Result<(), Failure> {
    let screen = arguments.output.clone().screen(&[])?;
    let place = arguments.on.open(&screen)?;
    let settings = settings(arguments, place)?;
    let trained = run(&settings)?;
    say!(screen, "{}", table(&trained));
    let times: Vec<String> = trained.iter().map(|(_, outcome)| format!("{:.4}", outcome.epoch_ms_median)).collect();
    say!(screen, "milliseconds an epoch: {}", times.join(", "));
    let several = !settings.seeds.is_empty();
    if let Some(out) = &settings.out {
        let one = if several { out.join(format!("seed-{}", settings.seeds[0])) } else { out.clone() };
        let interrupted = trained.iter().any(|(_, outcome)| outcome.stop_reason == StopReason::Interrupted);
        match interrupted {
            true => say!(screen, "\nKept in {}. The same command goes on from there.", out.display()),
            false => say!(screen, "\nKept in {}. Next: irreplens interpret {}", out.display(), one.display()),
        }
    }
    screen.finish(|| to_json(&trained, several))
}

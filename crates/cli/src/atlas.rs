//! `irreplens atlas`: what the networks of a sweep, or of any folders, have learnt, and how often.

use crate::Failure;
use crate::screen::{Output, say};
use irreplens::analysis::{Cell, Table, Term};
use irreplens::atlas::{Atlas, Frequencies, Proportion, Question};
use std::path::PathBuf;

/// Tells what many networks have learnt: which irreps, which sets of them, and how often.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder of a sweep; or run directories, which are measured now.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// The element order of run directories on a symmetric or alternating group: sympy, lexicographic or a file.
    #[arg(long, value_name = "ORDER")]
    order: Option<PathBuf>,
    /// What else is asked of run directories: cosets, explanation, certificate, appearance.
    #[arg(long, value_name = "QUESTION,...", value_delimiter = ',', value_parser = question)]
    measure: Vec<Question>,
    /// Writes a row a network to this file, and a row for each irrep of each network to one beside it, FILE-irreps.csv.
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Writes those tables as Parquet files.
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FILE.parquet")]
    parquet: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens atlas sweeps/first
  irreplens atlas sweeps/first --csv first.csv
  irreplens atlas published/S5_seed* --order sympy --measure cosets";

fn question(value: &str) -> Result<Question, &'static str> {
    serde_json::from_value(value.into()).map_err(|_| "expected irreps, cosets, explanation, certificate or appearance")
}

/// The file beside another that holds the irreps.
fn beside(path: &std::path::Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |extension| format!(".{}", extension.to_string_lossy()));
    path.with_file_name(format!("{stem}-irreps{extension}"))
}

/// Runs the subcommand.
///
/// # Errors
/// An output that cannot be used; folders that cannot be read; those of measuring a run.
pub(crate) fn tell(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { folders, order, measure, csv, output, .. } = arguments;
    let files: Vec<PathBuf> = csv.iter().flat_map(|path| [path.clone(), beside(path)]).collect();
    #[cfg(feature = "parquet")]
    let files: Vec<PathBuf> =
        files.into_iter().chain(arguments.parquet.iter().flat_map(|path| [path.clone(), beside(path)])).collect();
    let screen = output.screen(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let doing = screen.doing("reading the networks");
    let atlas = match &folders[..] {
        [folder] if !folder.join("cfg.json").exists() && order.is_none() && measure.is_empty() => Atlas::read(folder)?,
        runs => Atlas::of_runs(runs, order.as_deref(), &measure)?,
    };
    drop(doing);
    if let Some(path) = &csv {
        atlas.networks().write_csv(path)?;
        atlas.irreps().write_csv(beside(path))?;
    }
    #[cfg(feature = "parquet")]
    if let Some(path) = &arguments.parquet {
        atlas.networks().write_parquet(path)?;
        atlas.irreps().write_parquet(beside(path))?;
    }
    let found = atlas.frequencies();
    say!(screen, "{}", experiments(&found));
    for experiment in &found {
        say!(screen, "\n{}", irreps(experiment));
        say!(screen, "\n{}", sets(experiment));
    }
    screen.finish(|| found)
}

/// A share with its interval.
fn proportion(proportion: &Proportion) -> [Cell; 3] {
    let [low, high] = proportion.interval;
    [Cell::Count(proportion.seen as usize), Cell::Share(low), Cell::Share(high)]
}

/// A row an experiment.
fn experiments(found: &[Frequencies]) -> Table {
    let columns = [
        ("experiment", "The settings that differ between the experiments."),
        ("networks", "Networks with these settings, their seeds apart."),
        ("converged", "Networks that stood still, by the rule of the plan."),
        ("perfect", "Networks that answer every pair right."),
        ("one irrep", "Networks all of whose neurons are pure for one and the same irrep."),
        ("from", "Lower end of the 95 % interval of that share."),
        ("to", "Upper end of it."),
        ("key irreps", "Mean number of key irreps."),
        ("spectral count", "Mean number of irreps that have 95 % of the squared trace similarities."),
    ];
    let row = |found: &Frequencies| {
        let none = || Cell::Missing("neurons without maps of each element".into());
        let [seen, low, high] = found.one_irrep.as_ref().map_or_else(|| [none(), none(), none()], proportion);
        vec![
            Cell::text(&found.experiment),
            Cell::Count(found.networks),
            Cell::Count(found.ended.get("converged").copied().unwrap_or(0)),
            Cell::Count(found.perfect.seen as usize),
            seen,
            low,
            high,
            Cell::Number(found.key_count),
            Cell::number(found.spectral_count, "no network has a nontrivial irrep"),
        ]
    };
    let columns = columns.map(|(name, meaning)| Term::new(name, meaning)).into();
    Table::new("Experiments", columns, found.iter().map(row).collect())
}

/// A row an irrep.
fn irreps(found: &Frequencies) -> Table {
    let columns = [
        ("irrep", "A nontrivial real irrep."),
        ("kind", "Real, complex or quaternionic."),
        ("dimension", "Dimension of the real irrep."),
        ("key", "Networks of which it is a key irrep."),
        ("from", "Lower end of the 95 % interval of that share."),
        ("to", "Upper end of it."),
        ("leading", "Networks in which it has the largest trace similarity."),
        ("from", "Lower end of the 95 % interval of that share."),
        ("to", "Upper end of it."),
        (
            "pure neurons",
            "Share of the neurons that are pure for it, 95 % of their maps in it: the mean over the networks.",
        ),
        ("trace similarity", "Cosine of the centred logits with its character: the mean over the networks."),
    ];
    let row = |irrep: &irreplens::atlas::IrrepFrequency| {
        let [key, key_low, key_high] = proportion(&irrep.key);
        let [leading, low, high] = proportion(&irrep.leading);
        let kind = serde_json::to_value(irrep.kind).unwrap_or_default();
        let kind = Cell::text(kind.as_str().unwrap_or_default());
        let pure = Cell::share(irrep.pure_neurons, "neurons without maps of each element");
        let (name, similarity) = (Cell::text(&irrep.label), Cell::Number(irrep.trace_similarity));
        vec![name, kind, Cell::Count(irrep.dim), key, key_low, key_high, leading, low, high, pure, similarity]
    };
    let columns = columns.map(|(name, meaning)| Term::new(name, meaning)).into();
    Table::new(format!("Irreps: {}", found.experiment), columns, found.irreps.iter().map(row).collect())
}

/// A row a set of key irreps.
fn sets(found: &Frequencies) -> Table {
    let columns = [
        ("key irreps", "The irreps whose trace similarity is at least 0.005, of either sign."),
        ("networks", "Networks whose key irreps are these."),
        ("from", "Lower end of the 95 % interval of that share."),
        ("to", "Upper end of it."),
    ];
    let row = |set: &irreplens::atlas::SetFrequency| {
        let name = if set.irreps.is_empty() { "none".to_owned() } else { set.irreps.join(" + ") };
        let [seen, low, high] = proportion(&set.seen);
        vec![Cell::text(name), seen, low, high]
    };
    let columns = columns.map(|(name, meaning)| Term::new(name, meaning)).into();
    Table::new(format!("Sets of key irreps: {}", found.experiment), columns, found.sets.iter().map(row).collect())
}

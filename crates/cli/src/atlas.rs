//! `irreplens atlas`: what the networks of a sweep, or of any folders, have learnt, and how often.

use crate::Failure;
use crate::screen::{Output, say};
use irreplens::analysis::{Cell, Table, Term};
use irreplens::atlas::{
    Atlas, AtlasComparison, Exchangeability, Frequencies, IrrepComparison, Mean, Proportion, Question,
};
use serde_json::json;
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
    /// Compares with the atlas of another sweep, group by group.
    #[arg(long, value_name = "DIR")]
    compare: Option<PathBuf>,
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
  irreplens atlas sweeps/first --compare sweeps/second
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
    let Arguments { folders, order, measure, compare, csv, output, .. } = arguments;
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
    let other = compare.as_ref().map(Atlas::read).transpose()?;
    doing.next("what chance makes");
    let (found, exchanged) = (atlas.frequencies(), atlas.exchangeability()?);
    let compared = other.map(|other| atlas.compare(&other));
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
    say!(screen, "{}", experiments(&found));
    for experiment in &found {
        say!(screen, "\n{}", irreps(experiment));
        say!(screen, "\n{}", sets(experiment));
    }
    if !exchanged.is_empty() {
        say!(screen, "\n{}", symmetry(&exchanged));
    }
    for compared in compared.iter().flatten() {
        let [irreps, sets] = comparison(compared);
        say!(screen, "\n{irreps}\n\n{sets}");
    }
    screen.finish(|| json!({ "experiments": found, "exchangeability": exchanged, "comparison": compared }))
}

/// A row an experiment whose group has irreps that automorphisms exchange.
fn symmetry(found: &[Exchangeability]) -> Table {
    let columns = [
        ("experiment", "The settings that differ between the experiments."),
        (
            "exchanged irreps",
            "Irreps that automorphisms of the group make of each other, which must be learnt equally often.",
        ),
        ("p of key", "Probability that the numbers of networks of which each is a key irrep differ as much by chance."),
        ("p of leading", "Probability that the numbers of networks in which each is leading differ as much by chance."),
    ];
    let row = |found: &Exchangeability| {
        let orbits: Vec<String> = found.orbits.iter().map(|orbit| orbit.join(", ")).collect();
        vec![
            Cell::text(&found.experiment),
            Cell::text(orbits.join("; ")),
            Cell::Number(found.p),
            Cell::Number(found.p_leading),
        ]
    };
    let columns = terms(columns);
    Table::new("Irreps that automorphisms exchange", columns, found.iter().map(row).collect())
}

/// The irreps and the sets of two atlases side by side.
fn comparison(found: &AtlasComparison) -> [Table; 2] {
    let columns = [
        ("irrep", "A nontrivial real irrep."),
        ("here", "Share of the networks here of which it is a key irrep."),
        ("there", "Share of the other networks of which it is a key irrep."),
        ("p", "Fisher's exact test: the probability of shares that differ as much by chance."),
    ];
    let row = |irrep: &IrrepComparison| {
        let [here, there] = irrep.key.map(|key| Cell::Share(key.share()));
        vec![Cell::text(&irrep.label), here, there, Cell::Number(irrep.p)]
    };
    let of_irreps = terms(columns);
    let columns = [
        ("key irreps", "A set of key irreps."),
        ("here", "Networks here whose key irreps are these."),
        ("there", "Other networks whose key irreps are these."),
    ];
    let of_sets = terms(columns);
    let set = |(irreps, seen): &(Vec<String>, [Proportion; 2])| {
        let [here, there] = seen.map(|seen| Cell::Count(seen.seen as usize));
        vec![Cell::text(set_name(irreps)), here, there]
    };
    let title = format!("Sets of key irreps on {}: chi square {:.2}, p {:.4}", found.group, found.statistic, found.p);
    [
        Table::new(format!("Irreps of {}", found.group), of_irreps, found.irreps.iter().map(row).collect()),
        Table::new(title, of_sets, found.sets.iter().map(set).collect()),
    ]
}

/// The columns of a table, by their names and what they are.
fn terms<const N: usize>(columns: [(&'static str, &'static str); N]) -> Vec<Term> {
    columns.map(|(name, meaning)| Term::new(name, meaning)).into()
}

/// The labels of a set of irreps in one text.
fn set_name(irreps: &[String]) -> String {
    if irreps.is_empty() { "none".to_owned() } else { irreps.join(" + ") }
}

/// A share with its interval.
fn proportion(proportion: &Proportion) -> [Cell; 3] {
    let [low, high] = proportion.interval;
    [Cell::Count(proportion.seen as usize), Cell::Share(low), Cell::Share(high)]
}

/// A mean of shares with its interval.
fn mean(mean: Option<Mean>) -> [Cell; 3] {
    let interval = mean.and_then(|mean| mean.interval);
    let end = |end: usize| Cell::share(interval.map(|interval| interval[end]), "an interval needs two networks");
    [Cell::share(mean.map(|mean| mean.mean), "all networks diverged"), end(0), end(1)]
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
            Cell::number(found.key_count.map(|count| count.mean), "all networks diverged"),
            Cell::number(found.spectral_count.map(|count| count.mean), "no network has a nontrivial irrep"),
        ]
    };
    let columns = terms(columns);
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
        ("energy", "Share of the centred logits' square norm along its character: the mean over the networks."),
        ("from", "Lower end of the 95 % interval of that mean."),
        ("to", "Upper end of it."),
    ];
    let row = |irrep: &irreplens::atlas::IrrepFrequency| {
        let [key, key_low, key_high] = proportion(&irrep.key);
        let [leading, low, high] = proportion(&irrep.leading);
        let kind = serde_json::to_value(irrep.kind).unwrap_or_default();
        let kind = Cell::text(kind.as_str().unwrap_or_default());
        let pure = Cell::share(irrep.pure_neurons.map(|pure| pure.mean), "neurons without maps of each element");
        let [energy, least, most] = mean(irrep.energy);
        let (name, dim) = (Cell::text(&irrep.label), Cell::Count(irrep.dim));
        vec![name, kind, dim, key, key_low, key_high, leading, low, high, pure, energy, least, most]
    };
    let columns = terms(columns);
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
        let [seen, low, high] = proportion(&set.seen);
        vec![Cell::text(set_name(&set.irreps)), seen, low, high]
    };
    let columns = terms(columns);
    Table::new(format!("Sets of key irreps: {}", found.experiment), columns, found.sets.iter().map(row).collect())
}

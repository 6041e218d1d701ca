//! `irreplens sweep`: trains and measures every network of a plan that is missing, here or as a job array of Slurm.

use crate::Failure;
use crate::screen::{Output, Screen, complain, say};
use crate::slurm;
use crate::source::{Memory, positive};
use crate::usage;
use irreplens::analysis::{Cell, Table, Term};
use irreplens::sweep::{CellState, Plan, Ran, Sweep};
use irreplens::train::on_ctrl_c;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Cells of a plan that are begun without being asked.
const MANY: u128 = 100_000;

/// Trains and measures the networks of a plan: runs what is missing and nothing else.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// A TOML file: the keys of a cfg.json, each a value or a list of values, of which every combination is a network.
    #[arg(value_name = "PLAN", required = true)]
    plan: Option<PathBuf>,
    /// The folder of the sweep; several processes may work on one.
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    /// Only every N-th network, from the I-th on.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Begins a sweep of more than 100,000 networks.
    #[arg(long)]
    yes: bool,
    /// Runs nothing, and writes the job array for Slurm, DIR/sweep.sbatch, with time and memory from a pilot network.
    #[arg(long, conflicts_with = "shard")]
    slurm: bool,
    /// Submits it, too.
    #[arg(long, requires = "slurm")]
    submit: bool,
    /// Parts of the job array; one for every 16 networks where nothing is said, and at most 100.
    #[arg(long, value_name = "N", requires = "slurm", value_parser = positive)]
    tasks: Option<u64>,
    /// Processors of each part.
    #[arg(long, value_name = "N", requires = "slurm", default_value_t = 1, value_parser = positive)]
    threads: u64,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(clap::Subcommand, Debug)]
enum Other {
    /// Tells how far a sweep has come, and which networks failed.
    Status(Status),
}

#[derive(clap::Args, Debug)]
struct Status {
    /// The folder of the sweep.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Tells it again every few seconds, until nothing is missing.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens sweep plan.toml --out sweeps/first
  irreplens sweep plan.toml --out sweeps/first --shard 3/10
  irreplens sweep plan.toml --out sweeps/first --slurm --tasks 50 --submit
  irreplens sweep status sweeps/first";

/// A part of so many.
type Shard = (u64, u64);

fn shard(value: &str) -> Result<Shard, &'static str> {
    let numbers = value.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    numbers.filter(|&(i, n)| 0 < i && i <= n).ok_or("expected I/N with I from 1 up to N, 3/10 say")
}

/// Runs the subcommand.
///
/// # Errors
/// A plan or a folder that cannot be used; networks that failed, once all others have ended.
pub(crate) fn sweep(arguments: Arguments) -> Result<(), Failure> {
    if let Some(Other::Status(Status { folder, watch, output })) = arguments.other {
        return status(&folder, watch, &output.screen(&[])?);
    }
    let Arguments { slurm, submit, tasks, threads, .. } = arguments;
    let Arguments { plan: Some(plan), out: Some(out), shard, yes, memory, output, .. } = arguments else {
        return Err(usage("sweep", "expected a PLAN and --out DIR"));
    };
    memory.set();
    let screen = output.screen(&[])?;
    let plan = Plan::read(&plan)?;
    let count = plan.count();
    if count > MANY && !yes {
        return Err(format!(
            "{count} networks, which is more than {MANY}: add --yes to begin. Nothing has been done yet."
        )
        .into());
    }
    if slurm {
        let tasks = tasks.unwrap_or_else(|| u64::try_from(count.div_ceil(16).min(100)).unwrap_or(100));
        return for_slurm(plan, &out, (tasks, threads), submit, &screen);
    }
    let mut sweep = Sweep::open(plan, &out)?.interrupted_by(on_ctrl_c()?);
    if let Some((part, parts)) = shard {
        sweep = sweep.shard(part, parts)?;
    }
    let ran = sweep.run()?;
    let states = sweep.states()?;
    say!(screen, "{}", table(&states));
    screen.finish(|| to_json(&states, Some(&ran)))?;
    let left = states.iter().filter(|(_, state)| *state != CellState::Done).count();
    match (&ran.failed[..], ran.broken_off) {
        ([], true) => say!(screen, "\nBroken off. The same command goes on from there."),
        ([], false) if left == 0 => say!(screen, "\nKept in {}. Next: irreplens atlas {0}", out.display()),
        ([], false) => say!(screen, "\nOther processes are at the networks left, or have left them."),
        (failed, _) => {
            failed.iter().for_each(|(name, error)| complain(&format!("{name}: {error}")));
            return Err(format!("{} networks failed; the same command tries them again", failed.len()).into());
        }
    }
    Ok(())
}

/// Writes the batch script of a sweep, and submits it.
fn for_slurm(
    plan: Plan,
    out: &Path,
    (tasks, threads): (u64, u64),
    submit: bool,
    screen: &Screen,
) -> Result<(), Failure> {
    let sweep = Sweep::open(plan, out)?;
    let (program, folder) = (std::env::current_exe()?, std::path::absolute(out)?);
    let pilot = slurm::pilot(sweep.plan())?;
    let networks = sweep.plan().count();
    let text = slurm::script(&program, &folder, networks, tasks, threads, pilot);
    let script = folder.join(slurm::SCRIPT);
    irreplens::checkpoint::atomic_write(&script, text.as_bytes())?;
    say!(screen, "{networks} networks in {tasks} parts. The largest takes {:.1} s.", pilot.seconds);
    let said = match submit {
        true => Some(slurm::submit(&script, &folder)?),
        false => None,
    };
    match &said {
        Some(said) => say!(screen, "{said}"),
        None => say!(screen, "Written to {0}. Next: sbatch {0}", script.display()),
    }
    screen.finish(|| json!({ "script": script, "networks": networks.to_string(), "tasks": tasks, "submitted": said }))
}

/// Tells how far a sweep has come.
fn status(folder: &Path, watch: bool, screen: &Screen) -> Result<(), Failure> {
    let sweep = Sweep::in_folder(folder)?;
    loop {
        let states = sweep.states()?;
        if watch && std::io::stdout().is_terminal() {
            // The cursor to the corner, and what is below it cleared.
            say!(screen, "\x1b[H\x1b[J");
        }
        say!(screen, "{}", table(&states));
        let failed = |state: &CellState| matches!(state, CellState::Failed(_));
        for (name, state) in states.iter().filter(|(_, state)| failed(state)).take(20) {
            if let CellState::Failed(error) = state {
                say!(screen, "{name}: {error}");
            }
        }
        if !watch || states.iter().all(|(_, state)| *state == CellState::Done) {
            return screen.finish(|| to_json(&states, None));
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

const STATES: [&str; 5] = ["done", "running", "interrupted", "failed", "waiting"];

/// The numbers of networks in each of [`STATES`].
fn counts(states: &[(String, CellState)]) -> [usize; 5] {
    let place = |state: &CellState| match state {
        CellState::Done => 0,
        CellState::Running => 1,
        CellState::Interrupted => 2,
        CellState::Failed(_) => 3,
        _ => 4,
    };
    let mut counts = [0; 5];
    states.iter().for_each(|(_, state)| counts[place(state)] += 1);
    counts
}

fn table(states: &[(String, CellState)]) -> Table {
    let meanings = [
        "Trained and measured.",
        "A process is at work on it.",
        "Begun and broken off; the next process takes it up where it was.",
        "Something went wrong; the next process tries it again.",
        "Nobody has begun it.",
    ];
    let columns = STATES.into_iter().zip(meanings).map(|(name, meaning)| Term::new(name, meaning));
    let columns = columns.chain([Term::new("all", "Networks of the plan, or of this part of it.")]).collect();
    let counts = counts(states).into_iter().chain([states.len()]).map(Cell::Count).collect();
    Table::new("Networks", columns, vec![counts])
}

fn to_json(states: &[(String, CellState)], ran: Option<&Ran>) -> Value {
    let mut counts: serde_json::Map<String, Value> =
        STATES.into_iter().zip(counts(states)).map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let failed = states.iter().filter_map(|(name, state)| match state {
        CellState::Failed(error) => Some((name.clone(), json!(error))),
        _ => None,
    });
    counts.insert("all".into(), json!(states.len()));
    counts.insert("failures".into(), failed.collect::<serde_json::Map<_, _>>().into());
    if let Some(ran) = ran {
        counts.insert("ran".into(), json!(ran.done));
    }
    counts.into()
}

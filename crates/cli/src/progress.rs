//! `irreplens progress`: every measure of a run at every one of its checkpoints.

use crate::screen::{Output, say};
use crate::source::{Source, tell};
use crate::{Failure, usage};
use irreplens::analysis::progress;
use irreplens::fourier::IrrepBasis;
use irreplens::task::Task;

/// Follows a network through its training: every measure at every checkpoint of a run.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens train --group C23 --out runs/C23    keeps checkpoints
  irreplens progress runs/C23
  irreplens progress runs/S5 --order sympy --json S5.json

RUN is a run directory with checkpoints, or a folder of weights by epoch beside a cfg.json.";

/// Runs the subcommand.
///
/// # Errors
/// An output that cannot be used; those of reading the run and of [`progress`].
pub(crate) fn measure(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, output } = arguments;
    if source.run.is_none() {
        return Err(usage("progress", "RUN: expected a run directory with checkpoints; the shipped network has none"));
    }
    let screen = output.screen(&[])?;
    let doing = screen.doing("reading the run");
    let opened = source.open()?;
    let run = &opened.run;
    doing.aside(|| tell(&screen, run));
    let (group, permutations) = run.group_in_order(source.order.as_deref())?;
    let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?;
    let basis = run.basis(&group, permutations.as_ref())?;
    doing.next(format!("measuring {} checkpoints", run.checkpoints()?.len()));
    let found = progress(run, &*basis, &irreps, &Task::try_new(&group)?)?;
    drop(doing);
    say!(screen, "{}\n", source.heading(&run.config));
    say!(screen, "{found}");
    screen.finish(|| &found)
}

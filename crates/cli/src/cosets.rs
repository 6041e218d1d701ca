//! `irreplens cosets`: on the cosets of which subgroups every neuron's maps are constant.

use crate::Failure;
use crate::screen::{Output, Screen, say};
use crate::source::{Source, tell, whole};
use irreplens::analysis::cosets;
use irreplens::group::subgroup_classes;

/// Tells on the cosets of which subgroups the neurons of a network are constant.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Subgroups that are looked at, at most: a group with more is an error. S6 has 1455.
    #[arg(long, value_name = "N", default_value_t = SUBGROUPS, value_parser = whole::<usize>)]
    subgroups: usize,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens cosets                                 the shipped network, on D53
  irreplens cosets runs/S5 --order sympy           a run on a symmetric group
  irreplens representation runs/S5 --controls      beside irreps and null controls";

/// Subgroups that are looked at where nothing is said, at most.
pub const SUBGROUPS: usize = 2000;

/// Runs the subcommand.
///
/// # Errors
/// An output that cannot be used; those of reading the run, of [`subgroup_classes`] and of [`cosets`].
pub(crate) fn measure(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, subgroups, output } = arguments;
    let screen: Screen = output.screen(&[])?;
    let doing = screen.doing("reading the run");
    let opened = source.open()?;
    doing.aside(|| tell(&screen, &opened.run));
    let model = opened.run.model()?;
    let (group, _) = opened.run.group_in_order(source.order.as_deref())?;
    doing.next("subgroups of the group");
    let classes = subgroup_classes(&group, subgroups)?;
    doing.next("cosets of every neuron");
    let found = cosets(&model, &group, &classes)?;
    drop(doing);
    say!(screen, "{}\n", source.heading(&opened.run.config));
    say!(screen, "{found}");
    screen.finish(|| &found)
}

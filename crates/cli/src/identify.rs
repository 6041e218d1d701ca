//! `irreplens identify`: which group something is, a name or a multiplication table, and which one a network has learnt.

use crate::Failure;
use crate::screen::{Output, say};
use crate::source::tell as tell_notes;
use irreplens::analysis::{LearntGroup, identify_weights};
use irreplens::checkpoint::Run;
use irreplens::group::{Group, GroupFile, GroupName, Identification, Isomorphism, identify, isomorphism};
use serde::Serialize;
use std::path::Path;

/// Tells which group something is, a group by its name or a multiplication table in a file, or which group a network has
/// learnt, from its weights alone: without a cfg.json, and whatever the order of its elements.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A file with a multiplication table (JSON, CSV or numbers between spaces), a run directory or weights file, or a
    /// group's name, as `irreplens groups` lists them.
    #[arg(value_name = "WHAT")]
    what: String,
    /// Also tells, with proof, whether it is isomorphic to this group.
    #[arg(long = "as", value_name = "GROUP")]
    other: Option<GroupName>,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens identify mine.json
  irreplens identify mine.csv --as D53    the isomorphism, or what differs
  irreplens identify \"C2 x S3\" --as D6
  irreplens identify model.pt             what the network has learnt, by running it on all pairs";

/// What `--json` writes.
#[derive(Serialize)]
struct Identified {
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    learnt: Option<LearntGroup>,
    #[serde(flatten)]
    found: Option<Identification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Isomorphism>,
}

/// Runs the subcommand.
///
/// # Errors
/// An output that cannot be used; those of reading what is to be identified, and of its invariants.
pub(crate) fn tell(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { what, other, output } = arguments;
    let screen = output.screen(&[])?;
    let doing = screen.doing("building the group");
    let (group, learnt) = match group(&what)? {
        Meant::Group(group) => (Some(group), None),
        Meant::Model(run, learnt) => {
            doing.aside(|| tell_notes(&screen, &run));
            (learnt.group.clone().map(|group| Box::new(group) as Box<dyn Group>), Some(*learnt))
        }
    };
    doing.next("looking for its name");
    let found = match &learnt {
        Some(learnt) => learnt.identification.clone(),
        None => group.as_ref().map(identify).transpose()?,
    };
    let beside = match (&other, &group) {
        (Some(other), Some(group)) => Some(isomorphism(group, &other.build()?)?),
        _ => None,
    };
    drop(doing);
    match (&learnt, &found) {
        (Some(learnt), Some(found)) => say!(screen, "{learnt}\n\n{found}"),
        (Some(learnt), None) => say!(screen, "{learnt}"),
        (None, Some(found)) => say!(screen, "{what} is {found}"),
        (None, None) => {}
    }
    if let (Some(beside), Some(other)) = (&beside, &other) {
        match beside {
            Isomorphism::Map(_) => say!(screen, "\nBeside {other}: isomorphic; --json has the image of every row"),
            differs => say!(screen, "\nBeside {other}: {differs}"),
        }
    }
    if let (Some(other), None) = (&other, &group) {
        say!(screen, "\nBeside {other}: there is no group to compare with it.");
    }
    screen.finish(|| Identified { what, learnt, found, beside })
}

/// What is to be identified.
enum Meant {
    Group(Box<dyn Group>),
    Model(Box<Run>, Box<LearntGroup>),
}

/// A table's group where it is a file of one, a network where it is one of weights, else the group of that name.
fn group(what: &str) -> Result<Meant, Failure> {
    let path = Path::new(what);
    let Ok(has_settings) = Run::has_settings(path) else {
        let name = what.parse::<GroupName>();
        let name = name.map_err(|error| format!("{what}: there is no such file, and as a name: {error}"))?;
        return Ok(Meant::Group(Box::new(name.build()?)));
    };
    if matches!(path.extension().and_then(|ending| ending.to_str()), Some("json" | "csv" | "txt")) {
        return Ok(Meant::Group(Box::new(GroupName::File(GroupFile::Table, what.into()).build()?)));
    }
    let (run, learnt) = if has_settings {
        let run = Run::open(path)?;
        let learnt = irreplens::analysis::identify(&run.model()?)?;
        (run, learnt)
    } else {
        identify_weights(path)?
    };
    Ok(Meant::Model(Box::new(run), Box::new(learnt)))
}

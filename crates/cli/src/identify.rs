//! `irreplens identify`: which group something is, a name, a multiplication table or a run.

use crate::Failure;
use crate::screen::{Doing, Output, Screen, say};
use crate::source::tell as tell_notes;
use irreplens::checkpoint::Run;
use irreplens::group::{Group, GroupFile, GroupName, Identification, Isomorphism, identify, isomorphism};
use serde::Serialize;
use std::path::Path;

/// Tells which group something is: a group by its name, a multiplication table in a file, or the group of a run.
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
  irreplens identify runs/S5              the group of a run";

/// What `--json` writes.
#[derive(Serialize)]
struct Identified {
    what: String,
    #[serde(flatten)]
    found: Identification,
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
    let group = group(&screen, &doing, &what)?;
    doing.next("looking for its name");
    let found = identify(&group)?;
    let beside = match &other {
        Some(other) => Some(isomorphism(&group, &other.build()?)?),
        None => None,
    };
    drop(doing);
    say!(screen, "{what} is {found}");
    if let (Some(beside), Some(other)) = (&beside, &other) {
        match beside {
            Isomorphism::Map(_) => say!(screen, "\nBeside {other}: isomorphic; --json has the image of every row"),
            differs => say!(screen, "\nBeside {other}: {differs}"),
        }
    }
    screen.finish(|| Identified { what, found, beside })
}

/// The group that is meant: a table's where it is a file of one, a run's where it is one of weights, else that of the name.
fn group(screen: &Screen, doing: &Doing, what: &str) -> Result<Box<dyn Group>, Failure> {
    let path = Path::new(what);
    if !path.exists() {
        let name = what.parse::<GroupName>();
        let name = name.map_err(|error| format!("{what}: there is no such file, and as a name: {error}"))?;
        return Ok(Box::new(name.build()?));
    }
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json" | "csv" | "txt") => Ok(Box::new(GroupName::File(GroupFile::Table, what.into()).build()?)),
        _ => of_run(screen, doing, path),
    }
}

/// The group that a run's settings name. What its weights alone tell of it is to be asked here.
fn of_run(screen: &Screen, doing: &Doing, path: &Path) -> Result<Box<dyn Group>, Failure> {
    let run = Run::open(path)?;
    doing.aside(|| tell_notes(screen, &run));
    Ok(run.group()?)
}

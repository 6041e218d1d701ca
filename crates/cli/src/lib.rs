//! The command `irreplens`, one module a subcommand; the program is one line, so that tests can ask the modules too.
//!
//! Exit code 0 for success and for `--help`, 1 for a failed run, 2 for a command line that makes no sense. Errors are
//! sentences on standard error. Text is on standard output, plain where that is no terminal; `--json FILE` writes every
//! number, `--json -` writes them alone to standard output.

pub mod about;
#[cfg(feature = "train")]
pub mod atlas;
pub mod cosets;
pub mod explain;
pub mod groups;
pub mod identify;
pub mod interpret;
pub mod pages;
pub mod place;
pub mod progress;
#[cfg(feature = "report")]
pub mod report;
pub mod representation;
pub mod screen;
#[cfg(feature = "train")]
pub mod slurm;
pub mod source;
#[cfg(feature = "train")]
pub mod sweep;
#[cfg(feature = "train")]
pub mod train;
pub mod verify;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// Whatever ends a command: its message is a sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reverse-engineers neural networks trained to compose elements of a finite group.
///
/// Without a subcommand it explains the shipped model in a few lines.
#[derive(Parser, Debug)]
#[command(name = "irreplens", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "Examples:
  irreplens                                        the shipped network in ten lines
  irreplens interpret                              all that is found in it
  irreplens train --group D7 --out runs/D7
  irreplens report runs/D7 --out D7.html
  irreplens COMMAND --help                         options and examples of a subcommand";

#[derive(clap::Subcommand, Debug)]
enum Command {
    Interpret(interpret::Arguments),
    Representation(representation::Arguments),
    Cosets(cosets::Arguments),
    Explain(explain::Arguments),
    Verify(verify::Arguments),
    #[cfg(feature = "report")]
    Report(report::Arguments),
    #[cfg(feature = "train")]
    Train(Box<train::Arguments>),
    #[cfg(feature = "train")]
    Sweep(sweep::Arguments),
    #[cfg(feature = "train")]
    Atlas(atlas::Arguments),
    Progress(progress::Arguments),
    Identify(identify::Arguments),
    Groups(groups::Arguments),
    Completions(pages::Completions),
    Man(pages::Man),
}

/// Runs a command line, of which the first word is the program's name.
///
/// Under `mpirun`, with the feature `mpi`, all ranks work on it, and the first speaks.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ranks = irreplens::ranks::join();
    let done = match Arguments::try_parse_from(line) {
        Ok(arguments) => run(arguments),
        Err(error) => Err(hinted(error).into()),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    match error.downcast::<clap::Error>() {
        Ok(error) => {
            // Help is an error to the parser, with exit code 0.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            code.into()
        }
        Err(error) if ranks.count() > 1 => {
            // An error of all ranks is the first one's to tell.
            if ranks.rank() > 0 {
                std::thread::sleep(std::time::Duration::from_secs(2));
            }
            eprintln!("error on rank {}: {error}", ranks.rank());
            ranks.abort(1)
        }
        Err(error) => {
            screen::complain(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The error of a command line, with what may have been meant where a run stands in the subcommand's place.
fn hinted(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    if std::path::Path::new(word).exists() {
        let hint = format!("a subcommand comes first: irreplens interpret {word}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    }
    error
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        None => about::run(),
        Some(Command::Interpret(arguments)) => interpret::explain(arguments),
        Some(Command::Representation(arguments)) => representation::measure(arguments),
        Some(Command::Cosets(arguments)) => cosets::measure(arguments),
        Some(Command::Explain(arguments)) => explain::tell_all(arguments),
        Some(Command::Verify(arguments)) => verify::check(arguments),
        #[cfg(feature = "report")]
        Some(Command::Report(arguments)) => report::write(arguments),
        #[cfg(feature = "train")]
        Some(Command::Train(arguments)) => train::train(*arguments),
        #[cfg(feature = "train")]
        Some(Command::Sweep(arguments)) => sweep::sweep(arguments),
        #[cfg(feature = "train")]
        Some(Command::Atlas(arguments)) => atlas::tell(arguments),
        Some(Command::Progress(arguments)) => progress::measure(arguments),
        Some(Command::Identify(arguments)) => identify::tell(arguments),
        Some(Command::Groups(arguments)) => groups::tell(arguments),
        Some(Command::Completions(arguments)) => pages::completions(arguments),
        Some(Command::Man(arguments)) => pages::man(arguments),
    }
}

/// A command line that makes no sense, found after it was parsed: exit code 2, with the usage of the subcommand.
fn usage(subcommand: &str, message: impl std::fmt::Display) -> Failure {
    let mut command = Arguments::command();
    command.build();
    let found = command.find_subcommand_mut(subcommand);
    let error = |command: &mut clap::Command| command.error(clap::error::ErrorKind::ArgumentConflict, message);
    found.map(error).expect("a subcommand's name").into()
}

/// The command with all its subcommands, for its pages: none of these is on `help`.
fn command() -> clap::Command {
    Arguments::command().disable_help_subcommand(true)
}

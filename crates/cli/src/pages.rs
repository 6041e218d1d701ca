//! The command's own pages: completions for shells, and the manual.

use crate::screen::{check_writable, print};
use crate::{Failure, command};
use clap_complete::Shell;
use std::path::PathBuf;

/// Prints the completions of a shell, to be put where it looks for them.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  irreplens completions bash > ~/.local/share/bash-completion/completions/irreplens
  irreplens completions fish > ~/.config/fish/completions/irreplens.fish
  irreplens completions zsh > ~/.zfunc/_irreplens    where ~/.zfunc is in fpath")]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the manual page of the command, or writes those of all subcommands to a folder.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  irreplens man | man -l -                       the page of the command
  irreplens man --out ~/.local/share/man/man1    then: man irreplens-interpret")]
pub struct Man {
    /// Writes a page for the command and one for each subcommand to this folder, which must be there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the completions.
///
/// # Errors
/// If the pages are no text.
pub(crate) fn completions(arguments: Completions) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "irreplens", &mut text);
    print(String::from_utf8(text)?.trim_end());
    Ok(())
}

/// Prints the page, or writes all.
///
/// # Errors
/// What cannot be written.
pub(crate) fn man(arguments: Man) -> Result<(), Failure> {
    match arguments.out {
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command()).render(&mut text)?;
            print(String::from_utf8(text)?.trim_end());
            Ok(())
        }
        Some(folder) => {
            check_writable(&folder.join("irreplens.1"))?;
            Ok(clap_mangen::generate_to(command(), folder)?)
        }
    }
}

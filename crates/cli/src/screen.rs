//! What a command says and where: text on standard output, JSON in a file or alone on standard output, and on a terminal
//! bold titles and what is being done.

use crate::Failure;
use anstream::AutoStream;
use clap::builder::styling::Style;
use indicatif::{ProgressBar, ProgressStyle};
use irreplens::ranks;
use serde::Serialize;
use std::fmt::{Arguments, Display};
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Prints formatted text on a [`Screen`], as `println!` does on standard output.
macro_rules! say {
    ($screen:expr) => { $screen.say(format_args!("")) };
    ($screen:expr, $($text:tt)*) => { $screen.say(format_args!($($text)*)) };
}
pub(crate) use say;

/// Where the numbers of a command go beside its text.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Output {
    /// Writes every number to this file as JSON; `-` writes JSON alone to standard output.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
}

impl Output {
    /// The screen of a command, with every file tried that it is going to write.
    ///
    /// # Errors
    /// A sentence about a file that cannot be written, or that is asked for twice.
    pub fn screen(self, files: &[&Path]) -> Result<Screen, Failure> {
        let json = self.json.as_deref().filter(|path| *path != Path::new("-"));
        let all: Vec<&Path> = files.iter().copied().chain(json).collect();
        for (i, file) in all.iter().enumerate() {
            check_writable(file)?;
            if all[..i].contains(file) {
                return Err(format!("{}: asked for twice, for two different things", file.display()).into());
            }
        }
        Ok(Screen { json: self.json })
    }
}

/// Where a command speaks.
#[derive(Debug, Default)]
pub struct Screen {
    json: Option<PathBuf>,
}

impl Screen {
    /// Whether JSON alone is to stand on standard output.
    fn json_alone(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// Prints text and ends the line; on a terminal titles of tables are bold.
    pub fn say(&self, text: Arguments<'_>) {
        if !self.json_alone() {
            print(&styled(&text.to_string()));
        }
    }

    /// Prints something that a reader should know of what follows; on standard error where JSON stands alone on the other.
    pub fn note(&self, note: &dyn Display) {
        match self.json_alone() {
            true => complain(&format!("note: {note}")),
            false => print(&format!("note: {note}")),
        }
    }

    /// What is being done, on a terminal, until the value returned is dropped.
    #[must_use]
    pub fn doing(&self, what: &'static str) -> Doing {
        let bar = ProgressBar::new_spinner().with_message(what);
        let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Doing { bar }
    }

    /// Writes the numbers where they were asked for, if anywhere.
    ///
    /// # Errors
    /// The file that cannot be written.
    pub fn finish<T: Serialize>(&self, numbers: impl FnOnce() -> T) -> Result<(), Failure> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string(&numbers())?;
        match self.json_alone() {
            true => print(&text),
            false => irreplens::checkpoint::atomic_write(path, text.as_bytes())?,
        }
        Ok(())
    }
}

/// A line on standard error, where that is a terminal, of what is being done.
pub struct Doing {
    bar: ProgressBar,
}

impl Doing {
    /// Says what comes next.
    pub fn next(&self, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.bar.set_message(what);
    }

    /// Does something that prints, with the line out of its way.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Prints a line above it, or where it would be.
    pub fn line(&self, text: &str) {
        if std::io::stderr().is_terminal() { self.bar.println(text) } else { complain(text) }
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Titles of tables, which stand at the margin above indented lines, in bold.
fn styled(text: &str) -> String {
    let bold = Style::new().bold();
    let lines: Vec<&str> = text.split('\n').collect();
    let is_title = |i: usize| {
        let at_margin = |line: &str| !line.is_empty() && !line.starts_with(' ');
        at_margin(lines[i])
            && lines.get(i + 1).is_some_and(|next| next.starts_with("  "))
            && (i == 0 || lines[i - 1].is_empty())
    };
    let line = |i: usize| match is_title(i) {
        true => format!("{bold}{}{bold:#}", lines[i]),
        false => lines[i].to_owned(),
    };
    (0..lines.len()).map(line).collect::<Vec<_>>().join("\n")
}

/// Prints a line; no more where nobody reads on, as after `| head`, while the work goes on.
///
/// Where standard output cannot be written for another reason, a full disk say, the program says so and ends.
pub(crate) fn print(text: &str) {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    if CLOSED.load(Ordering::Relaxed) || !ranks::is_first() {
        return;
    }
    let written = writeln!(AutoStream::auto(std::io::stdout()).lock(), "{text}");
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED.store(true, Ordering::Relaxed),
        Err(error) => {
            complain(&format!("error: standard output: cannot be written: {error}"));
            std::process::exit(1);
        }
        Ok(()) => {}
    }
}

/// Prints a line on standard error; of several ranks the first alone.
pub fn complain(text: &str) {
    if !ranks::is_first() {
        return;
    }
    let _ = writeln!(AutoStream::auto(std::io::stderr()).lock(), "{text}");
}

/// Whether a file can be written there, tried before the work whose result it will hold; an existing file is left as it is.
///
/// # Errors
/// A sentence that names the file and the reason.
pub fn check_writable(file: &Path) -> Result<(), Failure> {
    let refused = |reason: &dyn Display| Failure::from(format!("{}: cannot be written: {reason}", file.display()));
    if file.is_dir() {
        return Err(refused(&"it is a folder"));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(()),
        Err(error) if !folder.exists() => Err(refused(&format!("there is no folder {}: {error}", folder.display()))),
        Err(error) => Err(refused(&error)),
    }
}

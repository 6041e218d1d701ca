//! `println!` that ends the program quietly where nobody reads on, as after `| head`: the standard one panics.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

macro_rules! println {
    ($($text:tt)*) => { print::line(format_args!($($text)*)) };
}

/// Prints a line.
///
/// # Panics
/// If the standard output cannot be written for another reason than that it was closed.
pub fn line(text: Arguments<'_>) {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.expect("the standard output can be written"),
    }
}

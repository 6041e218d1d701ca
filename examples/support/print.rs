//! `println!` that says no more where nobody reads on, as after `| head`, while the work goes on: the standard one panics.
//! And errors that a `main` may return: it prints them by `Debug`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! println {
    ($($text:tt)*) => { print::line(format_args!($($text)*)) };
}

/// Prints a line.
///
/// # Panics
/// If the standard output cannot be written for another reason than that it was closed.
pub fn line(text: Arguments<'_>) {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    if CLOSED.load(Ordering::Relaxed) {
        return;
    }
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED.store(true, Ordering::Relaxed),
        written => written.expect("the standard output can be written"),
    }
}

/// Whatever ends an example; its `Debug` form is its message.
#[allow(dead_code)]
pub struct Failure(Box<dyn std::error::Error>);

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

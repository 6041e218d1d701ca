//! Command lines and all that comes of them as text, and its comparison with what is expected.

use insta::Snapshot;
use insta::internals::SnapshotContents;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The built program in a folder, without what a terminal or a user's settings would change.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_irreplens"));
    command.current_dir(folder).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

/// What a command line leaves: its exit code where that is not 0, and what it wrote to either stream.
///
/// # Panics
/// If the program does not start, or something only a programmer reads is on standard error.
pub fn said(folder: &Path, line: &str) -> String {
    let Output { status, stdout, stderr } = program(folder).args(line.split_whitespace()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    for debug in [" { ", "Os {", "kind:", "panicked", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(debug), "{line}: {stderr}");
    }
    let mut text = format!("$ irreplens {line}").trim_end().to_owned();
    let code = status.code().unwrap();
    if code != 0 {
        write!(text, "\n[exit code {code}]").unwrap();
    }
    for (stream, written) in [("standard error", stderr), ("standard output", stdout)] {
        if !written.is_empty() {
            write!(text, "\n[{stream}]\n{}", written.trim_end()).unwrap();
        }
    }
    text
}

/// Runs command lines one after another in a folder, and holds all that comes of them to the snapshot of this name.
#[track_caller]
pub fn check(name: &str, folder: &Path, lines: &[&str]) {
    let said: Vec<String> = lines.iter().map(|line| said(folder, line)).collect();
    let mut settings = insta::Settings::clone_current();
    let folder = folder.to_str().unwrap();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_comparator(Box::new(Near));
    settings.add_filter(&folder.replace(['\\', '.'], "."), "[FOLDER]");
    settings.add_filter(r"[^\s`]*irreplens-[A-Za-z0-9]{6}\b", "[SHIPPED]");
    settings.add_filter(r"milliseconds( an epoch)?: .*", "milliseconds$1: [TIME]");
    settings.add_filter(
        r#""(timing_ms|seconds|epoch_ms_median|peak_rss_mb|bytes)":(\{[^}]*\}|[0-9.]+)"#,
        "\"$1\":[MEASURED]",
    );
    settings.add_filter(r" +\d+\.\d\d s  ", "[TIME]  ");
    settings.add_filter(r"budget of \d+", "budget of [MEMORY]");
    settings.bind(|| insta::assert_snapshot!(name, said.join("\n\n")));
}

/// Line by line equal, but for numbers that differ by what another processor's rounding makes of them.
#[derive(Clone)]
struct Near;

impl insta::Comparator for Near {
    fn matches(&self, reference: &Snapshot, test: &Snapshot) -> bool {
        match (reference.contents(), test.contents()) {
            (SnapshotContents::Text(expected), SnapshotContents::Text(got)) => {
                near(&expected.to_string(), &got.to_string())
            }
            _ => false,
        }
    }

    fn dyn_clone(&self) -> Box<dyn insta::Comparator> {
        Box::new(self.clone())
    }
}

fn near(expected: &str, got: &str) -> bool {
    let number = |word: &str| word.trim_matches([',', ';', '(', ')', '%']).parse::<f64>().ok();
    let word = |(a, b): (&str, &str)| {
        a == b || matches!((number(a), number(b)), (Some(x), Some(y)) if (x - y).abs() <= 2e-3 * x.abs() + 1e-6)
    };
    let line = |(a, b): (&str, &str)| {
        let (left, right) = (a.split_whitespace(), b.split_whitespace());
        a == b || a.len() == b.len() && left.clone().count() == right.clone().count() && left.zip(right).all(word)
    };
    expected.trim_end().lines().count() == got.trim_end().lines().count() && expected.lines().zip(got.lines()).all(line)
}

#[test]
fn the_comparison_sees_what_is_another_text() {
    let text = "Loss\n  with     0.1234  5 of 7\n";
    for (other, same) in [
        (text, true),
        ("Loss\n  with     0.1235  5 of 7", true),
        ("Loss\n  with     0.1334  5 of 7", false),
        ("Loss\n  with    0.1234  5 of 7", false),
        ("Loss\n  with     0.1234  5 of 8", false),
        ("Loss\n  with     0.1234  5 or 7", false),
        ("Loss\n  with     0.1234  5 of 7\nmore", false),
        ("Loss", false),
    ] {
        assert_eq!(near(text, other), same, "{other}");
    }
}

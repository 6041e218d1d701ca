//! The command-line tools among the examples, as a user meets them: help, exit codes, errors in words, a closed pipe.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TOOLS: [&str; 4] = ["interpret", "representation", "report", "train"];

/// The built example: `cargo test` builds all of them, `cargo test --test tools` alone does not.
fn tool(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let tool = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(tool.exists(), "{} is not there: run `cargo build --examples` first", tool.display());
    tool
}

fn run(name: &str, arguments: &[&str], folder: &Path) -> Output {
    Command::new(tool(name)).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// Standard error of a command that failed with this code: a sentence, and nothing that only a programmer reads.
fn refused(name: &str, arguments: &[&str], folder: &Path, code: i32) -> String {
    let Output { status, stderr, .. } = run(name, arguments, folder);
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{name} {arguments:?}: {text}");
    assert!(text.starts_with("error: "), "{name} {arguments:?}: {text}");
    for debug in [" { ", "Os {", "kind:", "panicked", "RUST_BACKTRACE"] {
        assert!(!text.contains(debug), "{name} {arguments:?}: {text}");
    }
    text
}

#[test]
fn help_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in TOOLS {
        for option in ["--help", "-h", "--version"] {
            let Output { status, stdout, stderr } = run(name, &[option], folder.path());
            let text = String::from_utf8(stdout).unwrap();
            assert!(status.success() && stderr.is_empty(), "{name} {option}: {text}");
            assert!(option == "--version" || (text.contains("Usage:") && text.contains("Examples:")), "{name}: {text}");
        }
    }
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let folder = tempfile::tempdir().unwrap();
    for name in TOOLS {
        assert!(refused(name, &["--devise", "cpu"], folder.path(), 2).contains("--device"), "{name}");
        assert!(refused(name, &["--device"], folder.path(), 2).contains("--device <DEVICE>"), "{name}");
        assert!(refused(name, &["--device", "gpu"], folder.path(), 1).contains("cpu or cuda:N"), "{name}");
    }
    assert!(refused("train", &["--group", "cyclic:x"], folder.path(), 2).contains("number after cyclic:"));
    assert!(refused("train", &["--model", "mlp"], folder.path(), 2).contains("one-layer-bias"));
    assert!(refused("interpret", &["--repeat", "0"], folder.path(), 2).contains("--repeat"));
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["interpret", "representation", "report"] {
        assert!(refused(name, &["nowhere"], folder.path(), 1).contains("nowhere"), "{name}");
    }
    assert!(refused("train", &["--cfg", "nowhere.json"], folder.path(), 1).contains("nowhere.json"));
}

#[test]
fn outputs_that_cannot_be_written_are_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, is_folder) = ("no/such/folder/file", folder.path().to_str().unwrap());
    for (name, option) in
        [("interpret", "--json"), ("representation", "--json"), ("report", "--out"), ("train", "--json")]
    {
        for (file, reason) in [(missing, "there is no folder no/such/folder"), (is_folder, "it is a folder")] {
            // The settings would train for minutes, and the run to be read is not there: neither is reached.
            let arguments = if name == "train" { vec![option, file] } else { vec!["nowhere", option, file] };
            let text = refused(name, &arguments, folder.path(), 1);
            assert!(text.contains(file) && text.contains(reason), "{name}: {text}");
        }
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["interpret", "representation", "04_your_own_checkpoint", "06_your_own_model"] {
        let mut command = Command::new(tool(name));
        let written = folder.path().join(format!("{name}.json"));
        let is_tool = TOOLS.contains(&name);
        if is_tool {
            command.arg("--json").arg(&written);
        }
        let mut child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take()); // as `| true` does
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{name}: {status}, {}", String::from_utf8_lossy(&stderr));
        assert_eq!(written.exists(), is_tool, "{name}: the work goes on");
    }
}

/// Recorded activations of a net on C3, as `numpy.savez` writes them.
#[test]
fn recorded_activations_are_read_as_runs_are() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/npz/flat.npz");
    let folder = tempfile::tempdir().unwrap();
    assert!(refused("interpret", &[file], folder.path(), 1).contains("--group cyclic:N"));
    assert!(refused("interpret", &[file, "--group", "cyclic:4"], folder.path(), 1).contains("group of the recorded"));
    for name in ["interpret", "representation", "report"] {
        let Output { status, stdout, stderr } = run(name, &[file, "--group", "cyclic:3"], folder.path());
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{name}: {err}");
        assert!(!out.contains("NaN"), "{name}: {out}");
        assert!(name == "report" || out.to_lowercase().contains("loss"), "{name}: {out}");
    }
}

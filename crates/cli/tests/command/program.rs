//! The program in the shell: closed pipes, terminals, files that are written.

use crate::shipped;
use crate::snapshot::program;
use std::process::{Output, Stdio};

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["interpret", "representation", "cosets"] {
        let written = folder.path().join(format!("{name}.json"));
        let mut child = program(folder.path())
            .args([name, "--json"])
            .arg(&written)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take()); // as `| true` does
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{name}: {status}, {}", String::from_utf8_lossy(&stderr));
        assert!(written.exists(), "{name}: the work goes on");
    }
    for line in [&["man"][..], &["completions", "bash"], &["--help"]] {
        let mut child =
            program(folder.path()).args(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{line:?}: {status}, {}", String::from_utf8_lossy(&stderr));
    }
}

/// Ctrl-C ends a run in order: its results are printed and it is kept.
#[cfg(unix)]
#[test]
fn an_interrupted_run_is_kept() {
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let line = "train --group C5 --embed 4 --hidden 4 --epochs 100000000 --out run";
    let mut command = program(folder.path());
    let child = command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !out.join("checkpoints").is_dir() || std::fs::read_dir(out.join("checkpoints")).unwrap().count() < 5 {
        assert!(start.elapsed() < Duration::from_secs(60), "no checkpoints");
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (text, complaint) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{complaint}");
    assert!(
        text.contains("interrupted") && text.contains("Kept in run. The same command goes on from there."),
        "{text}"
    );
}

/// A full disk is an error in words.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for line in [&["cosets"][..], &["cosets", "--json", "-"], &["man"], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let Output { status, stderr, .. } = program(folder.path()).args(line).stdout(full).output().unwrap();
        let text = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{line:?}: {text}");
        assert!(text.starts_with("error: standard output: cannot be written: "), "{line:?}: {text}");
    }
}

/// JSON alone on standard output is what goes to a file otherwise, timings aside.
#[test]
fn json_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = shipped();
    for name in ["interpret", "representation", "cosets"] {
        let json = |target: &str| {
            let output = program(folder.path()).arg(name).arg(&run).args(["--json", target]).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{name}");
            let text = if target == "-" { output.stdout } else { std::fs::read(folder.path().join(target)).unwrap() };
            let mut json: serde_json::Value = serde_json::from_slice(&text).unwrap();
            json.as_object_mut().unwrap().remove("timing_ms");
            json
        };
        assert_eq!(json("-"), json("found.json"), "{name}");
    }
}

/// Bold where colours are asked for, and never where `NO_COLOR` is set.
#[test]
fn no_colour_where_none_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let styled = |variables: &[(&str, &str)]| {
        let output = program(folder.path()).arg("cosets").envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
    };
    assert!(!styled(&[]), "a pipe");
    assert!(styled(&[("CLICOLOR_FORCE", "1")]));
    assert!(!styled(&[("NO_COLOR", "1")]));
}

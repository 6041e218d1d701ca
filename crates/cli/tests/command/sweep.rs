//! `irreplens sweep` and `atlas`: many processes on one folder, killed at any moment; parts, limits and what is said.

use crate::snapshot::program;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

const PLAN: &str = r#"
group = ["C5", "S3"]
model = "BetterOneLayerMLP"
layers.embed_dim = [2, 20]
seed = { from = 1, to = 9 }
frac_train = 0.9
lr = 1e-2
weight_decay = [0, 0.3]
num_epochs = 3000
"#;

fn run(folder: &Path, line: &[&str]) -> Output {
    program(folder).args(line).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The two tables of the atlas of a sweep.
fn tables(folder: &Path, sweep: &str) -> [Vec<u8>; 2] {
    let output = run(folder, &["atlas", sweep, "--csv", "table.csv"]);
    assert!(output.status.success(), "{}", said(&output));
    ["table.csv", "table-irreps.csv"].map(|name| fs::read(folder.join(name)).unwrap())
}

/// Four processes on one folder, one of which is killed at a random moment while they are at work, fifty times.
#[cfg(unix)]
#[test]
fn processes_that_are_killed_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("plan.toml"), PLAN).unwrap();
    let whole = run(folder, &["sweep", "plan.toml", "--out", "whole"]);
    assert!(whole.status.success(), "{}", said(&whole));

    let cells = |sweep: &str| {
        let names = fs::read_dir(folder.join(sweep)).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.filter(|name| !name.to_string_lossy().starts_with('.')).collect();
        names.sort();
        names
    };
    let (mut random, mut kills, mut rounds) = (ChaCha8Rng::seed_from_u64(1), 0, 0);
    while kills < 50 {
        rounds += 1;
        let sweep = format!("killed-{rounds}");
        let worker = || -> Child {
            let mut command = program(folder);
            command.args(["sweep", "plan.toml", "--out", &sweep]).env("RAYON_NUM_THREADS", "1");
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let mut workers: Vec<Child> = (0..4).map(|_| worker()).collect();
        // The plan is there as well.
        while kills < 50 && cells(&sweep).len() < 73 {
            let chosen = (random.next_u32() % 4) as usize;
            std::thread::sleep(Duration::from_millis(u64::from(random.next_u32() % 40)));
            workers[chosen].kill().unwrap(); // SIGKILL
            workers[chosen].wait().unwrap();
            workers[chosen] = worker();
            kills += 1;
        }
        for mut worker in workers {
            assert!(worker.wait().unwrap().success());
        }
        let last = run(folder, &["sweep", "plan.toml", "--out", &sweep, "--json", "-"]);
        let counts: Value = serde_json::from_slice(&last.stdout).unwrap();
        assert_eq!((&counts["done"], &counts["all"]), (&72.into(), &72.into()), "{counts}");
        assert_eq!(tables(folder, "whole"), tables(folder, &sweep));
        assert_eq!(cells("whole"), cells(&sweep));
        for name in cells("whole").iter().filter(|name| *name != "plan.toml") {
            for file in ["cell.json", "model.safetensors", "metrics.csv", "cfg.json", "task.safetensors"] {
                let bytes = ["whole", &sweep].map(|sweep| fs::read(folder.join(sweep).join(name).join(file)).unwrap());
                assert!(bytes[0] == bytes[1], "{name:?}, {file}");
            }
        }
    }
}

/// A limit on the size of files stands for a disk that is full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("plan.toml"), PLAN).unwrap();
    let command = program(folder);
    let line = format!(
        "trap '' XFSZ; ulimit -f 2; exec {} sweep plan.toml --out full",
        command.get_program().to_string_lossy()
    );
    let output = std::process::Command::new("sh").current_dir(folder).args(["-c", &line]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("File too large") && said(&output).contains("tries them again"),
        "{}",
        said(&output)
    );
    for sweep in ["full", "whole"] {
        let output = run(folder, &["sweep", "plan.toml", "--out", sweep]);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(tables(folder, "whole"), tables(folder, "full"));
}

#[test]
fn parts_limits_and_status() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("plan.toml"), PLAN.replace("3000", "30")).unwrap();
    fs::write(folder.join("many.toml"), PLAN.replace("to = 9", "to = 1250000")).unwrap();
    let many = run(folder, &["sweep", "many.toml", "--out", "many"]);
    assert_eq!(many.status.code(), Some(1));
    assert!(said(&many).contains("10000000 networks") && said(&many).contains("--yes"), "{}", said(&many));
    assert!(!folder.join("many").exists());

    let part = run(folder, &["sweep", "plan.toml", "--out", "parts", "--shard", "1/2"]);
    assert!(part.status.success(), "{}", said(&part));
    let status = run(folder, &["sweep", "status", "parts", "--json", "-"]);
    let counts: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&counts["done"], &counts["waiting"]), (&36.into(), &36.into()), "{counts}");
    let rest = run(folder, &["sweep", "plan.toml", "--out", "parts", "--shard", "2/2"]);
    assert!(said(&rest).contains("Kept in parts"), "{}", said(&rest));
    let status = run(folder, &["sweep", "status", "parts", "--watch"]); // ends, as nothing is missing
    assert!(said(&status).contains("72"), "{}", said(&status));

    for (line, expected) in [
        (&["sweep", "plan.toml"][..], "--out"),
        (&["sweep", "plan.toml", "--out", "parts", "--shard", "3/2"], "I from 1 up to N"),
        (&["sweep", "none.toml", "--out", "parts"], "none.toml"),
        (&["sweep", "many.toml", "--yes", "--out", "parts"], "another; a folder holds one sweep"),
        (&["sweep", "status", "nowhere"], "nowhere"),
        (&["atlas", "nowhere"], "nowhere"),
        (&["atlas", "parts", "--measure", "everything"], "expected irreps"),
    ] {
        let output = run(folder, line);
        assert!(!output.status.success() && said(&output).contains(expected), "{line:?}: {}", said(&output));
    }
}

//! Runs killed, interrupted and taken up again end with the bits of a run that never was.

use irreplens::Error;
use irreplens::checkpoint::{Run, RunConfig, read_tensors, safetensors};
use irreplens::group::Dihedral;
use irreplens::model::Architecture;
use irreplens::task::Split;
use irreplens::train::{MetricLog, StopReason, TrainConfig, Trainer, on_ctrl_c};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The variable that makes a process of this test binary a child: where it is to train.
const CHILD: &str = "IRREPLENS_TEST_TRAINS_IN";
const EPOCHS: u64 = 3000;
/// Kills that come while it trains.
const KILLS: usize = 25;

/// A run that measures and saves at every epoch, so that a kill finds it at any stage of both.
fn trainer(directory: &Path) -> irreplens::Result<Trainer> {
    let config = TrainConfig {
        epochs: EPOCHS,
        seed: 5,
        measure_every: 1,
        save_every: Duration::ZERO,
        checkpoints_per_decade: 20,
        ..TrainConfig::default()
    };
    let split = Split::random(10, 0.7, 3)?;
    let group = Dihedral::new(5)?;
    let mut trainer = Trainer::new(&group, Architecture::one_layer(6, 9), split, config)?.in_directory(directory)?;
    trainer.observe(MetricLog::new(directory.join("metrics.csv")));
    trainer.observe(MetricLog::new(directory.join("metrics.jsonl")));
    Ok(trainer)
}

/// The body of a child process; as a test of its own it does nothing.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let mut trainer = trainer(Path::new(&directory)).unwrap();
    let outcome = trainer.interrupted_by(on_ctrl_c().unwrap()).run().unwrap();
    println!("ended: {:?} at {}", outcome.stop_reason, outcome.epoch);
}

fn spawn(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["resume::child", "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.split_once("ended: ")).map(|(_, rest)| rest.to_owned());
    line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Every file that is no lock and no temporary one, by its path in the directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [directory.to_path_buf(), directory.join("checkpoints")] {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_file() && !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Reads every file; fails on one that is torn, with or without a name that is shown.
fn assert_whole(directory: &Path) {
    for folder in [directory.to_path_buf(), directory.join("checkpoints")] {
        for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let hidden = path.file_name().unwrap().to_str().unwrap().starts_with(".irreplens-");
            if hidden && cfg!(target_os = "linux") {
                let bytes = std::fs::read(&path).unwrap();
                let json = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
                let whole = json || bytes.ends_with(b"\n") || safetensors::read_bytes(&bytes, &path).is_ok();
                assert!(whole, "{} is torn: {} bytes", path.display(), bytes.len());
            }
        }
    }
    for (path, bytes) in files(directory) {
        let full = directory.join(&path);
        match path.extension().unwrap().to_str().unwrap() {
            "safetensors" => drop(read_tensors(&full).unwrap()),
            "json" => drop(RunConfig::read(&full).unwrap()),
            _ => assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "{} ends in the middle of a row", path.display()),
        }
    }
}

fn assert_same(directory: &Path, reference: &Path) {
    let (got, expected) = (files(directory), files(reference));
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in expected {
        assert!(got[&path] == bytes, "{} differs", path.display());
    }
}

fn reference(root: &Path) -> PathBuf {
    let directory = root.join("reference");
    let outcome = trainer(&directory).unwrap().run().unwrap();
    assert_eq!(outcome.stop_reason, StopReason::EpochsReached);
    directory
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_same_bits() {
    let root = tempfile::tempdir().unwrap();
    let reference = reference(root.path());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    // On a fast machine a run ends before it was killed often enough: then it is compared, and another is begun.
    let mut runs = (0..).map(|i| root.path().join(format!("killed-{i}")));
    let (mut directory, mut reached) = (runs.next().unwrap(), None);
    // Kills that came after a start, and those of them that came after an epoch of that start.
    let (mut kills, mut in_training) = (0, 0);
    let mut longest = 200_000;
    while in_training < KILLS {
        assert!(kills < 100 * KILLS, "kills never come while it trains");
        let mut process = spawn(&directory);
        std::thread::sleep(Duration::from_micros(random.next_u64() % longest));
        if process.try_wait().unwrap().is_some() {
            assert_eq!(ended(&process.wait_with_output().unwrap()), format!("EpochsReached at {EPOCHS}"));
            assert_same(&directory, &reference);
            (directory, reached) = (runs.next().unwrap(), None);
            longest = (longest / 2).max(1000);
            continue;
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        assert_whole(&directory);
        let metrics = std::fs::read_to_string(directory.join("metrics.csv")).unwrap_or_default();
        let epoch = metrics.lines().last().and_then(|row| row.split(',').next()?.parse::<u64>().ok());
        assert!(epoch.map(|e| e + 2) >= reached, "a kill at {epoch:?} lost more than the epoch at work: {reached:?}");
        if epoch > reached {
            in_training += 1;
        } else {
            // Too early: a slow machine waits longer.
            longest += longest / 10;
        }
        reached = epoch;
    }
    let output = spawn(&directory).wait_with_output().unwrap();
    assert_eq!(ended(&output), format!("EpochsReached at {EPOCHS}"));
    assert_same(&directory, &reference);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_ends_cleanly() {
    let root = tempfile::tempdir().unwrap();
    let reference = reference(root.path());
    let directory = root.path().join("interrupted");
    let process = spawn(&directory);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !directory.join("checkpoints/latest.safetensors").exists() {
        assert!(Instant::now() < deadline, "the child does not train");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let ended_at = ended(&output);
    assert!(ended_at.starts_with("Interrupted at "), "{ended_at}");
    // It can be looked at as it is, and goes on.
    let epoch: u64 = ended_at.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(epoch < EPOCHS);
    assert!(Run::open(&directory).unwrap().model().is_ok());
    let mut trainer = trainer(&directory).unwrap();
    assert_eq!(trainer.epoch(), epoch);
    trainer.run().unwrap();
    drop(trainer);
    assert_same(&directory, &reference);
}

#[test]
fn a_finished_run_ends_at_once_and_stays_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let directory = reference(root.path());
    let before = files(&directory);
    let outcome = trainer(&directory).unwrap().run().unwrap();
    assert_eq!((outcome.stop_reason, outcome.epoch_ms_median), (StopReason::EpochsReached, 0.0));
    assert!(files(&directory) == before);
}

#[test]
fn one_process_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("run");
    let held = trainer(&directory).unwrap();
    assert!(matches!(trainer(&directory), Err(Error::RunLocked { path }) if path == directory));
    let output = spawn(&directory).wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process is training"), "{output:?}");
    drop(held);
    assert!(trainer(&directory).is_ok());
}

#[test]
fn what_an_interrupted_write_left_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("run");
    drop(trainer(&directory).unwrap());
    let left = [directory.join(".irreplens-abc"), directory.join("checkpoints/.irreplens-def")];
    left.iter().for_each(|path| std::fs::write(path, b"torn").unwrap());
    drop(trainer(&directory).unwrap());
    assert!(left.iter().all(|path| !path.exists()));
}

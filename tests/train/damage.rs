//! Damaged and incomplete run directories: nothing is resumed from that is not the run's own, and nothing is lost.

use irreplens::Error;
use irreplens::checkpoint::safetensors::read_metadata;
use irreplens::checkpoint::{Run, Tensor, Tensors, read_tensors, write_safetensors};
use irreplens::group::{Cyclic, GroupExt};
use irreplens::model::Architecture;
use irreplens::task::{Split, Task};
use irreplens::train::{MetricLog, Notice, TrainConfig, Trainer};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const EPOCHS: u64 = 46;

fn trainer(directory: &Path, epochs: u64) -> irreplens::Result<Trainer> {
    let config = TrainConfig { epochs, measure_every: 10, checkpoints_per_decade: 3, ..TrainConfig::default() };
    let trainer = Trainer::new(&Cyclic::new(5)?, Architecture::summed(7), Split::random(5, 0.8, 1)?, config)?;
    let mut trainer = trainer.in_directory(directory)?;
    trainer.observe(MetricLog::new(directory.join("metrics.csv")));
    Ok(trainer)
}

/// A run interrupted at epoch 22, with the state in `latest.safetensors` as well.
fn interrupted(directory: &Path) -> PathBuf {
    trainer(directory, 22).unwrap().run().unwrap();
    let mut trainer = trainer(directory, EPOCHS).unwrap();
    trainer.interrupted_by(Arc::new(AtomicBool::new(true))).run().unwrap();
    drop(trainer);
    let checkpoints = directory.join("checkpoints");
    let latest = checkpoints.join("latest.safetensors");
    fs::rename(checkpoints.join(Run::checkpoint_name(22)), &latest).unwrap();
    latest
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = [directory.to_path_buf(), directory.join("checkpoints")];
    let paths = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Opening is an error that names the file, and changes nothing.
#[track_caller]
fn refused(directory: &Path, epochs: u64, file: &str) -> Error {
    let before = files(directory);
    let error = trainer(directory, epochs).and_then(|mut trainer| trainer.run()).expect_err(file);
    assert!(error.to_string().starts_with(directory.join(file).to_str().unwrap()), "{error}");
    assert!(files(directory) == before, "something was written");
    error
}

/// A flip of every 100th bit (of every bit of the header, whose metadata say what the tensors mean) is seen: the run goes on
/// from the checkpoint before, and ends with the bits of one that was never damaged.
#[test]
fn no_flipped_bit_resumes_to_another_model() {
    let root = tempfile::tempdir().unwrap();
    let (reference, directory) = (root.path().join("reference"), root.path().join("run"));
    trainer(&reference, EPOCHS).unwrap().run().unwrap();
    let expected = read_tensors(reference.join("model.safetensors")).unwrap();
    let latest = interrupted(&directory);
    let intact = fs::read(&latest).unwrap();
    assert_eq!(trainer(&directory, EPOCHS).unwrap().epoch(), 22);
    let header = 8 * (8 + u64::from_le_bytes(*intact.first_chunk().unwrap()) as usize);
    let flips = (0..8 * intact.len()).filter(|bit| bit % 100 == 0 || *bit < header && bit % 7 == 0);
    let (mut seen, mut ran) = (0, 0);
    for bit in flips {
        let mut damaged = intact.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&latest, damaged).unwrap();
        let resumed = trainer(&directory, EPOCHS).unwrap();
        let epoch = resumed.epoch();
        match resumed.notices() {
            [Notice::Damaged { reason, resumed_at: 10 }] => {
                assert!(epoch == 10 && reason.to_string().starts_with(latest.to_str().unwrap()), "bit {bit}: {reason}");
                seen += 1;
            }
            // The name of the checksum itself: what it would vouch for is untouched.
            [Notice::Unverified { path }] => {
                assert!(epoch == 22 && *path == latest, "bit {bit}");
                let state = read_tensors(&latest).unwrap();
                fs::write(&latest, &intact).unwrap();
                assert!(state == read_tensors(&latest).unwrap(), "bit {bit}");
            }
            other => panic!("bit {bit}: {other:?}"),
        }
        drop(resumed);
        // To the end for some of them; all of these start from the same checkpoint.
        if bit % 3000 == 0 {
            let copy = root.path().join("copy");
            let checkpoints = copy.join("checkpoints");
            fs::create_dir_all(&checkpoints).unwrap();
            for (path, bytes) in files(&directory) {
                fs::write(copy.join(path.strip_prefix(&directory).unwrap()), bytes).unwrap();
            }
            trainer(&copy, EPOCHS).unwrap().run().unwrap();
            assert!(read_tensors(copy.join("model.safetensors")).unwrap() == expected, "bit {bit}");
            assert!(fs::read(copy.join("metrics.csv")).unwrap() == fs::read(reference.join("metrics.csv")).unwrap());
            fs::remove_dir_all(copy).unwrap();
            ran += 1;
        }
    }
    assert!(seen > 100 && ran > 3, "{seen} flips seen, {ran} runs to the end");
}

/// Every reader holds a file to its checksum, the weights alone too.
#[test]
fn a_flipped_bit_of_the_weights_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    trainer(folder.path(), 10).unwrap().run().unwrap();
    let model = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&model, bytes).unwrap();
    let error = Run::open(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Damaged { path, .. } if *path == model), "{error}");
}

/// Rewrites a checkpoint, with a checksum that holds or, as early versions did, without one.
fn rewrite(path: &Path, checksum: bool, change: impl FnOnce(&mut Tensors)) {
    let (metadata, mut tensors) = (read_metadata(path).unwrap(), read_tensors(path).unwrap());
    change(&mut tensors);
    write_safetensors(path, &tensors, &metadata).unwrap();
    if !checksum {
        let bytes = fs::read(path).unwrap();
        let key = b"irreplens.crc64";
        let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
        let mut renamed = bytes.clone();
        renamed[at..at + key.len()].copy_from_slice(b"something.other");
        fs::write(path, renamed).unwrap();
    }
}

fn set(tensors: &mut Tensors, name: &str, value: f32) {
    let Some(Tensor::F32(values)) = tensors.get_mut(name) else { panic!("no {name}") };
    *values.iter_mut().next().unwrap() = value;
}

#[test]
fn running_means_that_cannot_be_are_refused() {
    for (name, value, what) in [
        ("adamw.second.W_U", -1e-9, "means of squares, from 0 up"),
        ("adamw.second.W_E_a", f32::NAN, "finite numbers"),
        ("adamw.first.W_E_b", f32::INFINITY, "finite numbers"),
        ("W_U", f32::NAN, "finite numbers"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let latest = interrupted(folder.path());
        // Somebody's doing, where the checksum holds.
        rewrite(&latest, true, |tensors| set(tensors, name, value));
        let error = refused(folder.path(), EPOCHS, "checkpoints/latest.safetensors");
        assert!(error.to_string().contains(what) && error.to_string().contains(name), "{error}");
        // Damage, where there is none.
        rewrite(&latest, false, |tensors| set(tensors, name, value));
        let trainer = trainer(folder.path(), EPOCHS).unwrap();
        assert_eq!(trainer.epoch(), 10);
        let notices = trainer.notices();
        assert!(matches!(notices, [Notice::Damaged { .. }]) && notices[0].to_string().contains(what), "{notices:?}");
    }
}

#[test]
fn a_checkpoint_of_an_early_version_is_taken_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let latest = interrupted(folder.path());
    rewrite(&latest, false, |_| ());
    let trainer = trainer(folder.path(), EPOCHS).unwrap();
    assert_eq!(trainer.epoch(), 22);
    let said = trainer.notices()[0].to_string();
    assert_eq!(said, format!("{}: has no checksum, so damage to it would not be seen", latest.display()));
}

#[test]
fn a_file_that_is_gone_is_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let latest = interrupted(directory);
    for file in ["cfg.json", "metrics.csv"] {
        let kept = fs::read(directory.join(file)).unwrap();
        fs::remove_file(directory.join(file)).unwrap();
        match refused(directory, EPOCHS, file) {
            Error::RunIncomplete { beside, .. } => assert_eq!((file, &beside), ("cfg.json", &latest)),
            Error::LogMissing { epoch, .. } => assert_eq!((file, epoch), ("metrics.csv", 22)),
            error => panic!("{error}"),
        }
        fs::write(directory.join(file), kept).unwrap();
    }
    // An empty log in place of the old one is a new one.
    fs::write(directory.join("metrics.csv"), "").unwrap();
    trainer(directory, EPOCHS).unwrap().run().unwrap();
    let rows = fs::read_to_string(directory.join("metrics.csv")).unwrap();
    let epochs: Vec<&str> = rows.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(epochs, ["30", "40", "46"]);
}

#[test]
fn fewer_epochs_than_are_done_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(folder.path());
    let error = refused(folder.path(), 21, "cfg.json");
    assert!(
        error.to_string().ends_with("`num_epochs`: expected at most the 21 asked for, got 22 epochs done"),
        "{error}"
    );
    assert_eq!(trainer(folder.path(), 22).unwrap().epoch(), 22);
}

#[test]
fn a_table_of_another_group_in_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(folder.path());
    let path = folder.path().join("task.safetensors");
    let mut tensors = read_tensors(&path).unwrap();
    let mut with = |table: &dyn irreplens::group::Group| {
        let labels = Task::new(table).labels().iter().map(|&label| i64::from(label)).collect();
        let table = ndarray::Array2::from_shape_vec((5, 5), labels).unwrap();
        tensors.insert("table".into(), Tensor::I64(table.into_dyn()));
        write_safetensors(&path, &tensors, &BTreeMap::new()).unwrap();
    };
    let c5 = Cyclic::new(5).unwrap();
    with(&c5.cayley_table().relabelled(&[1, 0, 2, 3, 4]).unwrap());
    assert!(
        matches!(refused(folder.path(), EPOCHS, "task.safetensors"), Error::RunDiffers { what, .. } if what == "table")
    );
    with(&c5);
    assert_eq!(trainer(folder.path(), EPOCHS).unwrap().epoch(), 22);
}

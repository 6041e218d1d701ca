//! Bad input: each a clear error, and nothing lost by it.

use irreplens::Error;
use irreplens::checkpoint::{Optimiser, Run, RunConfig, Tensors, read_tensors, write_safetensors};
use irreplens::error::TensorFault;
use irreplens::group::{Cyclic, Dihedral, DirectProduct, GroupExt};
use irreplens::model::{Architecture, Network};
use irreplens::task::Split;
use irreplens::train::{Metrics, StopReason, StopRules, TrainConfig, Trainer};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

fn config(epochs: u64) -> TrainConfig {
    TrainConfig { epochs, measure_every: 10, ..TrainConfig::default() }
}

fn split(order: usize) -> Split {
    Split::random(order, 0.6, 1).unwrap()
}

fn new(architecture: Architecture, split: Split, config: TrainConfig) -> irreplens::Result<Trainer> {
    Trainer::new(&Cyclic::new(6)?, architecture, split, config)
}

fn small() -> Trainer {
    new(Architecture::summed(8), split(6), config(60)).unwrap()
}

#[track_caller]
fn message(result: irreplens::Result<Trainer>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn settings_out_of_range() {
    let ok = Architecture::summed(8);
    assert_eq!(
        message(new(Architecture::one_layer(0, 8), split(6), config(1))),
        "step `embed_left` of the network: expected a width from 1 up, got 0"
    );
    assert_eq!(
        message(new(Architecture::two_layer(8, 0), split(6), config(1))),
        "step `hidden_pre` of the network: expected a width from 1 up, got 0"
    );
    for (change, expected) in [
        (TrainConfig { lr: 0.0, ..config(1) }, "lr: expected a number above 0, got 0"),
        (TrainConfig { lr: f64::NAN, ..config(1) }, "lr: expected a number above 0, got NaN"),
        (TrainConfig { weight_decay: -1.0, ..config(1) }, "weight_decay: expected a number from 0 up, got -1"),
        (
            TrainConfig { betas: (0.9, 1.0), ..config(1) },
            "betas, second: expected a number from 0 up and below 1, got 1",
        ),
        (TrainConfig { eps: 0.0, ..config(1) }, "eps: expected a number above 0, got 0"),
        (
            TrainConfig { optimiser: Optimiser::Sgd { momentum: 1.0 }, ..config(1) },
            "momentum: expected a number from 0 up and below 1, got 1",
        ),
        (
            TrainConfig { label_smoothing: -0.1, ..config(1) },
            "label_smoothing: expected a number from 0 up and below 1, got -0.1",
        ),
        (TrainConfig { measure_every: 0, ..config(1) }, "measure_every: expected an integer from 1 up, got 0"),
    ] {
        assert_eq!(message(new(ok.clone(), split(6), change)), expected);
    }
}

#[test]
fn splits_that_cannot_be_trained_on() {
    let ok = Architecture::summed(8);
    let rules = [
        StopRules { test_loss_below: Some(0.1), ..StopRules::default() },
        StopRules { patience: Some(10), ..StopRules::default() },
    ];
    for stop in rules {
        let all = Split::random(6, 1.0, 1).unwrap();
        assert_eq!(
            message(new(ok.clone(), all, TrainConfig { stop, ..config(1) })),
            "test pairs, which a stop rule looks at: expected at least 1, got 0"
        );
    }
    let none = Split::new(6, Vec::new(), vec![0]).unwrap();
    assert_eq!(message(new(ok.clone(), none, config(1))), "number of pairs: expected at least 1, got 0");
    // A split of a smaller group, whose pairs are all pairs of this one too, and sets that were changed afterwards.
    assert_eq!(message(new(ok.clone(), split(5), config(1))), "group of the split: expected shape [6], got [5]");
    let changed = |train: &[usize], test: &[usize]| {
        let mut changed = split(6);
        (changed.train, changed.test) = (train.to_vec(), test.to_vec());
        changed
    };
    for (split, expected) in [
        (
            changed(&[0, 36], &[]),
            "split: expected pairs below 36, the number there are, got pair 36 in the training set",
        ),
        (
            changed(&[3, 4], &[3, 4]),
            "split: expected every pair once, got pair 3 in the training set and again in the test set",
        ),
        (
            changed(&[3, 3], &[4]),
            "split: expected every pair once, got pair 3 in the training set and again in the training set",
        ),
    ] {
        assert_eq!(message(new(ok.clone(), split, config(1))), expected);
    }
    let network = Network::random(ok.clone(), 5, 1).unwrap();
    let other = Trainer::from_network(&Cyclic::new(6).unwrap(), network, split(6), config(1));
    assert!(matches!(other, Err(Error::Shape { .. })));
}

#[test]
fn without_a_test_set_there_are_no_test_metrics() {
    let mut trainer = new(Architecture::summed(8), Split::random(6, 1.0, 1).unwrap(), config(20)).unwrap();
    assert_eq!(trainer.run().unwrap().metrics.test, None);
}

#[test]
fn a_loss_that_is_no_number_goes_back_to_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    // Steps of 1e37: the logits overflow within a few epochs.
    let wild = TrainConfig { lr: 1e37, weight_decay: 0.0, ..config(50) };
    let mut trainer = new(Architecture::summed(8), split(6), wild).unwrap().in_directory(folder.path()).unwrap();
    let error = trainer.run().unwrap_err();
    let Error::Diverged { epoch, loss, last_good } = error else { panic!("{error}") };
    assert!(epoch > last_good && !loss.is_finite(), "{loss} at {epoch}, back to {last_good}");
    assert!(error.to_string().contains(&format!("at epoch {epoch}")));
    assert_eq!(trainer.epoch(), last_good);
    assert!(trainer.network().parameters().iter().all(|p| p.is_finite()));
    // What is on the disk is that state.
    let (newest, path) = Run::open(folder.path()).unwrap().checkpoints().unwrap().pop().unwrap();
    assert_eq!(newest, last_good);
    let network = Network::from_tensors(Architecture::summed(8), 6, &path, &read_tensors(&path).unwrap()).unwrap();
    assert_eq!(network, **trainer.network());
}

/// A directory that turns unwritable under way stands for a full disk: the error is the same.
#[test]
fn a_file_that_cannot_be_written_is_named_and_the_state_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, undisturbed) = (folder.path().join("run"), folder.path().join("undisturbed"));
    let checkpoints = directory.join("checkpoints");
    let mut reference = small().in_directory(&undisturbed).unwrap();
    reference.run().unwrap();

    let mut trainer = small().in_directory(&directory).unwrap();
    let (from, to) = (checkpoints.clone(), directory.join("away"));
    trainer.observe(move |metrics: &Metrics| {
        if metrics.epoch == 30 && from.is_dir() && !to.exists() {
            fs::rename(&from, &to).unwrap();
            fs::write(&from, "no directory").unwrap();
        }
        ControlFlow::Continue(())
    });
    let error = trainer.run().unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&checkpoints)), "{error}");
    let epoch = trainer.epoch();
    assert!(epoch >= 30, "{epoch}");
    fs::remove_file(&checkpoints).unwrap();
    fs::rename(directory.join("away"), &checkpoints).unwrap();
    assert_eq!(trainer.run().unwrap().stop_reason, StopReason::EpochsReached);
    assert_eq!(trainer.network(), reference.network());
    for name in ["model.safetensors", "checkpoints/epoch-000000060.safetensors"] {
        assert!(fs::read(directory.join(name)).unwrap() == fs::read(undisturbed.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = small().in_directory(file.join("run")).err().unwrap();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&file)), "{error}");
}

/// The key in which the run in `directory` differs from this one.
#[track_caller]
fn differs(trainer: Trainer, directory: &Path) -> String {
    match trainer.in_directory(directory) {
        Err(Error::RunDiffers { what, .. }) => what,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("taken for the same run"),
    }
}

#[test]
fn another_run_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    small().in_directory(directory).unwrap().run().unwrap();
    let before = fs::read(directory.join("cfg.json")).unwrap();
    let summed = Architecture::summed(8);
    assert_eq!(differs(new(Architecture::bilinear(8), split(6), config(60)).unwrap(), directory), "model");
    assert_eq!(differs(new(Architecture::summed(9), split(6), config(60)).unwrap(), directory), "layers");
    let dihedral = Trainer::new(&Dihedral::new(3).unwrap(), summed.clone(), split(6), config(60)).unwrap();
    assert_eq!(differs(dihedral, directory), "group");
    assert_eq!(differs(new(summed.clone(), split(6), TrainConfig { lr: 0.5, ..config(60) }).unwrap(), directory), "lr");
    assert_eq!(
        differs(new(summed.clone(), split(6), TrainConfig { seed: 2, ..config(60) }).unwrap(), directory),
        "seed"
    );
    let other = Split::random(6, 0.6, 2).unwrap();
    assert_eq!(differs(new(summed.clone(), other, config(60)).unwrap(), directory), "train");
    assert_eq!(fs::read(directory.join("cfg.json")).unwrap(), before);
    // More epochs are no other run.
    let mut more = new(summed.clone(), split(6), config(80)).unwrap().in_directory(directory).unwrap();
    assert_eq!(more.epoch(), 60);
    assert_eq!(more.run().unwrap().metrics.epoch, 80);
    let mut straight = new(summed.clone(), split(6), config(80)).unwrap();
    straight.run().unwrap();
    assert_eq!(more.network(), straight.network());
}

#[test]
fn checkpoints_of_other_runs_and_foreign_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| folder.path().join(name));
    small().in_directory(&a).unwrap().run().unwrap();
    // Same shapes, another group.
    let dihedral = || Trainer::new(&Dihedral::new(3).unwrap(), Architecture::summed(8), split(6), config(10)).unwrap();
    drop(dihedral().in_directory(&b).unwrap());
    let name = "checkpoints/epoch-000000060.safetensors";
    fs::copy(a.join(name), b.join(name)).unwrap();
    assert_eq!(differs(dihedral(), &b), "group");
    // Other shapes under the right settings.
    small().in_directory(&c).unwrap().run().unwrap();
    let metadata = irreplens::checkpoint::safetensors::read_metadata(c.join(name)).unwrap();
    let mut tensors = read_tensors(c.join(name)).unwrap();
    let narrow = Network::random(Architecture::summed(7), 6, 1).unwrap().tensors();
    tensors.insert("W_U".into(), narrow["W_U"].clone());
    write_safetensors(c.join(name), &tensors, &metadata).unwrap();
    let error = small().in_directory(&c).err().unwrap();
    assert!(
        matches!(&error, Error::Tensor { tensor, fault: TensorFault::Shape { .. }, .. } if tensor == "W_U"),
        "{error}"
    );
    // No settings, a torn file.
    write_safetensors(c.join(name), &Tensors::new(), &BTreeMap::new()).unwrap();
    assert!(matches!(small().in_directory(&c), Err(Error::Format { .. })));
    // A torn file is damage: the one before it is taken, and that is said.
    fs::write(c.join(name), b"torn").unwrap();
    let trainer = small().in_directory(&c).unwrap();
    assert_eq!(trainer.epoch(), 50);
    let said: Vec<String> = trainer.notices().iter().map(ToString::to_string).collect();
    assert!(said.len() == 1 && said[0].starts_with(c.join(name).to_str().unwrap()), "{said:?}");
    assert!(said[0].ends_with("; the run goes on from epoch 50"), "{said:?}");
    drop(trainer);
    for (_, path) in Run::open(&c).unwrap().checkpoints().unwrap() {
        fs::write(path, b"torn").unwrap();
    }
    assert!(matches!(small().in_directory(&c), Err(Error::Format { path, .. }) if path == c.join(name)));
    // A model without checkpoints is somebody's result.
    fs::create_dir(&d).unwrap();
    fs::copy(a.join("model.safetensors"), d.join("model.safetensors")).unwrap();
    assert_eq!(differs(small(), &d), "model.safetensors");
}

#[test]
fn a_group_of_no_name_is_kept_with_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let group = DirectProduct::new(Cyclic::new(2).unwrap(), Cyclic::new(4).unwrap()).unwrap();
    let group = group.cayley_table().with_name("of mine");
    let mut trainer = Trainer::new(&group, Architecture::bilinear(4), split(8), config(30)).unwrap();
    trainer = trainer.in_directory(folder.path()).unwrap();
    trainer.run().unwrap();
    let run = Run::open(folder.path()).unwrap();
    let read = run.group().unwrap();
    let compose = |group: &dyn irreplens::group::Group| irreplens::task::Task::new(group);
    assert_eq!(compose(&read), compose(&group));
    assert_eq!(RunConfig::read(folder.path().join("cfg.json")).unwrap().group_parameter, 8);
    let mut got = run.split().unwrap().train;
    let mut expected = trainer.split().train.clone();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
}

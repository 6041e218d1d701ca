//! Training histories as PyTorch code writes them, `checkpoints/epoch_N.pt` beside `cfg.json`: read as one run, and what is
//! wrong with them named.

use crate::build;
use irreplens::analysis::{Progress, progress};
use irreplens::checkpoint::{Run, Tensor, Tensors, write_safetensors};
use irreplens::fourier::IrrepBasis;
use irreplens::group::Dihedral;
use irreplens::model::{Architecture, Hooks, Interpretable};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer};
use irreplens::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

#[allow(dead_code)]
#[path = "../report/read.rs"]
mod read;

/// Weights as opcodes of a pickle, and as the storages of its archive.
fn state_dict(tensors: &Tensors) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let (mut dict, mut storages) = (b"}".to_vec(), Vec::new());
    for (key, (name, tensor)) in tensors.iter().filter(|(name, _)| !name.starts_with("adamw.")).enumerate() {
        let Tensor::F32(values) = tensor else { panic!("{name}") };
        let shape: Vec<i64> = values.shape().iter().map(|&n| n as i64).collect();
        let storage = build::storage("FloatStorage", &key.to_string(), values.len() as i64);
        dict.extend([build::text(name), build::tensor(&storage, 0, &shape, &[shape[1], 1]), b"s".to_vec()].concat());
        storages.push((format!("m/data/{key}"), values.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    (dict, storages)
}

/// A file as `torch.save(model.state_dict())` makes it; with numbers, as
/// `torch.save({"model_state_dict": model.state_dict(), "epoch": ...})` does.
fn torch_file(tensors: &Tensors, numbers: &[(&str, i64)]) -> Vec<u8> {
    let (mut top, storages) = state_dict(tensors);
    if !numbers.is_empty() {
        top = [b"}".to_vec(), build::text("model_state_dict"), top, b"s".to_vec()].concat();
        for (key, number) in numbers {
            top.extend([build::text(key), build::int(*number), b"s".to_vec()].concat());
        }
    }
    let pickle = build::pickle(&top);
    let mut entries: Vec<(&str, &[u8])> = vec![("m/data.pkl", &pickle), ("m/byteorder", b"little")];
    entries.extend(storages.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    build::zip(&entries)
}

/// A run of D3 trained here, in this crate's own layout, on the split that its settings name.
fn trained() -> (TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { epochs: 300, seed: 4, checkpoints_per_decade: 1, ..TrainConfig::default() };
    let split = Split::published(6, 0.7, 4).unwrap();
    let trainer = Trainer::new(&Dihedral::new(3).unwrap(), Architecture::one_layer(6, 10), split, config).unwrap();
    trainer.in_directory(folder.path()).unwrap().run().unwrap();
    let run = Run::open(folder.path()).unwrap();
    (folder, run)
}

/// The checkpoints of a run under other names, beside its settings: what a PyTorch program leaves behind.
fn published(run: &Run, write: &dyn Fn(&Path, u64, &Tensors)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(run.directory().join("cfg.json"), folder.path().join("cfg.json")).unwrap();
    let checkpoints = folder.path().join("checkpoints");
    fs::create_dir(&checkpoints).unwrap();
    for (epoch, path) in run.checkpoints().unwrap() {
        write(&checkpoints, epoch, &run.at(path).unwrap().tensors);
    }
    folder
}

/// A history of plain state dicts, `epoch_N.pt`.
fn plain(run: &Run) -> TempDir {
    published(run, &|folder, epoch, tensors| {
        fs::write(folder.join(format!("epoch_{epoch}.pt")), torch_file(tensors, &[])).unwrap();
    })
}

fn progress_of(folder: &Path) -> Result<Progress> {
    let run = Run::open(folder)?;
    let group = run.group()?;
    let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, None)?)?;
    progress(&run, &*run.basis(&group, None)?, &irreps, &Task::new(&group))
}

fn error_of(folder: &Path) -> Error {
    progress_of(folder).unwrap_err()
}

#[test]
fn the_same_numbers_as_along_the_run_in_this_crates_own_layout() {
    let (own, run) = trained();
    let expected = progress_of(own.path()).unwrap();
    let epochs: Vec<u64> = expected.rows.iter().map(|row| row.epoch).collect();
    assert_eq!(epochs, [0, 1, 10, 100, 300]);
    assert!(!expected.keys.is_empty() && !expected.key_irreps.is_empty());
    assert!(expected.rows.windows(2).all(|rows| rows[0].all != rows[1].all), "the network learns");

    type Name = fn(u64) -> String;
    let names: [Name; 8] = [
        |epoch| format!("epoch_{epoch}.pt"),
        |epoch| format!("epoch-{epoch}.pt"),
        |epoch| format!("epoch_{epoch:05}.pth"),
        |epoch| format!("{epoch}.pt"),
        |epoch| format!("checkpoint_{epoch}.ckpt"),
        |epoch| format!("D3_seed4_model_epoch_{epoch}.bin"),
        |epoch| format!("step_{epoch}.pt"),
        |epoch| format!("epoch={epoch}-step={}.ckpt", 7 * epoch),
    ];
    for (i, name) in names.into_iter().enumerate() {
        let numbers = [("epoch", i % 2 == 1), ("step", i == 6)];
        let folder = published(&run, &|folder, epoch, tensors| {
            let numbers: Vec<(&str, i64)> =
                numbers.iter().filter(|(_, there)| *there).map(|(key, _)| (*key, epoch as i64)).collect();
            fs::write(folder.join(name(epoch)), torch_file(tensors, &numbers)).unwrap();
        });
        if i % 2 == 0 {
            // The pairs may be said twice; without final weights, this file is none.
            fs::copy(run.directory().join("task.safetensors"), folder.path().join("task.safetensors")).unwrap();
        }
        let opened = Run::open(folder.path()).unwrap();
        let last = format!("without final weights, the model is the last checkpoint, `checkpoints/{}`", name(300));
        assert_eq!(opened.notes(), [last]);
        assert_eq!(opened.checkpoints().unwrap().into_iter().map(|(epoch, _)| epoch).collect::<Vec<_>>(), epochs);
        assert_eq!(progress_of(folder.path()).unwrap(), expected, "{}", name(300));
    }
    // The final weights, where there are any, are the run's model; safetensors are checkpoints under any name, too.
    let folder = published(&run, &|folder, epoch, tensors| {
        let metadata = BTreeMap::from([("epoch".to_owned(), epoch.to_string())]);
        write_safetensors(folder.join(format!("model_{epoch}.safetensors")), tensors, &metadata).unwrap();
    });
    fs::write(folder.path().join("model.pt"), torch_file(&run.tensors, &[])).unwrap();
    assert!(Run::open(folder.path()).unwrap().notes().is_empty());
    assert_eq!(progress_of(folder.path()).unwrap(), expected);
    // One checkpoint can be looked at by itself.
    let first = Run::open(folder.path().join("checkpoints/model_0.safetensors")).unwrap();
    let loss = first.model().unwrap().evaluate(&Task::new(&first.group().unwrap()), &Hooks::none()).unwrap();
    assert_eq!(loss, expected.rows[0].all);
}

#[test]
fn what_is_no_checkpoint_is_said() {
    let (_own, run) = trained();
    let folder = plain(&run);
    let checkpoints = folder.path().join("checkpoints");
    for name in ["README.md", "latest.pt", "optimizer_10.pt", "loss_10.csv"] {
        fs::write(checkpoints.join(name), torch_file(&run.tensors, &[])).unwrap();
    }
    fs::create_dir(checkpoints.join("checkpoint-500")).unwrap();
    let opened = Run::open(folder.path()).unwrap();
    let expected = "not read in `checkpoints`, for want of weights or of an epoch in the name: \
                    `README.md`, `checkpoint-500`, `latest.pt`, `loss_10.csv`, `optimizer_10.pt`";
    assert_eq!(opened.notes().last().unwrap(), expected);
    assert_eq!(opened.checkpoints().unwrap().len(), 5);
}

#[test]
fn a_history_that_contradicts_itself_is_refused() {
    let (_own, run) = trained();
    // Two files of one epoch.
    let folder = plain(&run);
    fs::write(folder.path().join("checkpoints/model-00100.safetensors"), b"{}").unwrap();
    for error in [error_of(folder.path()), Run::open(folder.path()).unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(error, Error::SeveralWeights { .. }), "{text}");
        assert!(
            text.contains("checkpoints: expected one checkpoint of each epoch, got `epoch_100.pt`, `model-00100.s")
        );
    }
    // Final weights are read all the same.
    fs::write(folder.path().join("model.pt"), torch_file(&run.tensors, &[])).unwrap();
    assert!(Run::open(folder.path()).unwrap().checkpoints().is_err());

    let folder = plain(&run);
    fs::write(folder.path().join("checkpoints/step_700.pt"), torch_file(&run.tensors, &[])).unwrap();
    let text = error_of(folder.path()).to_string();
    assert!(text.contains("epochs or steps, got `epoch_300.pt`, `step_700.pt`"), "{text}");
    let folder = plain(&run);
    fs::write(folder.path().join("checkpoints/epoch_99999999999999999999.pt"), b"x").unwrap();
    let text = error_of(folder.path()).to_string();
    assert!(text.contains("epoch_99999999999999999999.pt: expected an epoch below 2^64"), "{text}");

    // A name and a file that disagree, in PyTorch's format, in safetensors, and of this crate's own checkpoints.
    let is_named = |folder: &Path, name: &str, numbers: &str| {
        let text = error_of(folder).to_string();
        let expected = format!("{name}: expected the epoch or step that the name states, got {numbers}");
        assert!(text.ends_with(&expected), "{text}");
    };
    let folder = plain(&run);
    let path = folder.path().join("checkpoints/epoch_10.pt");
    fs::write(&path, torch_file(&run.tensors, &[("epoch", 9), ("step", 10)])).unwrap();
    is_named(folder.path(), "epoch_10.pt", "epoch 9 in the file, 10 in its name");
    assert!(Run::open(&path).is_err());
    fs::remove_file(path).unwrap();
    let metadata = BTreeMap::from([("epoch".to_owned(), "11".to_owned())]);
    write_safetensors(folder.path().join("checkpoints/10.safetensors"), &run.tensors, &metadata).unwrap();
    is_named(folder.path(), "10.safetensors", "epoch 11 in the file, 10 in its name");
    let checkpoint = |epoch| run.directory().join("checkpoints").join(Run::checkpoint_name(epoch));
    fs::rename(checkpoint(100), checkpoint(99)).unwrap();
    is_named(run.directory(), "epoch-000000099.safetensors", "epoch 100 in the file, 000000099 in its name");
}

#[test]
fn a_damaged_checkpoint_is_an_error_that_names_it() {
    let (_own, run) = trained();
    let damaged = |bytes: &[u8]| {
        let folder = plain(&run);
        fs::write(folder.path().join("checkpoints/epoch_10.pt"), bytes).unwrap();
        let text = error_of(folder.path()).to_string();
        assert!(text.contains("checkpoints/epoch_10.pt: "), "{text}");
        // What is said of other checkpoints does not depend on it.
        assert_eq!(Run::open(folder.path()).unwrap().checkpoints().unwrap().len(), 5);
        text
    };
    let whole = torch_file(&run.tensors, &[]);
    damaged(&whole[..whole.len() / 2]);
    damaged(b"");
    damaged(b"version https://git-lfs.github.com/spec/v1\n");
    let with = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = run.tensors.clone();
        change(&mut tensors);
        damaged(&torch_file(&tensors, &[]))
    };
    let filled = |value| Tensor::F32(ndarray::ArrayD::from_elem(vec![10, 6], value));
    assert!(with(&|tensors| drop(tensors.remove("W_U"))).contains("expected a tensor named W_U"));
    assert!(with(&|tensors| drop(tensors.insert("W_U".into(), filled(f32::NAN)))).contains("expected finite numbers"));
    // Finite weights whose logits are not.
    with(&|tensors| drop(tensors.insert("W_U".into(), filled(f32::MAX))));
    let wide = Tensor::F32(ndarray::ArrayD::zeros(vec![11, 6]));
    assert!(with(&|tensors| drop(tensors.insert("W_U".into(), wide.clone()))).contains("expected shape"));
}

/// The titles of a page's figures.
fn titles(html: &str) -> Vec<String> {
    let content = read::content(html);
    let list = |value: &Value, key: &str| value[key].as_array().unwrap().clone();
    let frames = list(&content, "views").into_iter().flat_map(|view| list(&view, "frames"));
    frames.flat_map(|frame| list(&frame, "figures")).map(|f| f["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_report_shows_every_measure_along_it() {
    let (_own, run) = trained();
    let folder = plain(&run);
    let report =
        || irreplens::report::of_run(&Run::open(folder.path()).unwrap(), None, &Ok, &mut |_| {}).unwrap().html();
    let html = report();
    assert!(
        html.contains("Note: without final weights, the model is the last checkpoint, `checkpoints/epoch_300.pt`.")
    );
    let (found, wanted) = (
        titles(&html),
        [
            "Loss",
            "Accuracy",
            "Progress measures: losses",
            "Losses of all key irreps together",
            "Logits explained by characters",
            "Sum of squared weights",
            "Neurons by what they compute",
            "Neurons of each key block",
            "Share of the left map",
            "Share of the right map",
            "Share of W_U",
            "Share of W_E_a",
            "Share of W_E_b",
            "Restricted loss of each key block",
            "Excluded loss of each key block",
            "Trace similarity of each key irrep",
            "Share of each key irrep in the left map",
            "Hidden layer, of xy in each key irrep",
            "Restricted loss of each key irrep",
            "Excluded loss of each key irrep",
            "Restricted loss of each key irrep, of logits",
            "Norm of each Fourier Component in W_E_a/b, epoch 0",
            "Norm of each Fourier Component in W_U, sectors apart, epoch 300",
        ],
    );
    for wanted in wanted {
        assert!(found.iter().any(|title| title == wanted), "{wanted}: {found:?}");
    }

    // Without a share of training pairs in the settings the split is not known.
    let text = fs::read_to_string(folder.path().join("cfg.json")).unwrap();
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    settings.as_object_mut().unwrap().remove("frac_train").unwrap();
    fs::write(folder.path().join("cfg.json"), settings.to_string()).unwrap();
    let (known, unknown) = (progress_of(run.directory()).unwrap(), progress_of(folder.path()).unwrap());
    let [note] = &unknown.notes[..] else { panic!("{:?}", unknown.notes) };
    assert!(
        note.starts_with("no measures of training and test pairs alone: ") && note.contains("frac_train"),
        "{note}"
    );
    for (known, unknown) in known.rows.iter().zip(&unknown.rows) {
        let (of_known, of_unknown) = (known.measures.as_ref().unwrap(), unknown.measures.as_ref().unwrap());
        assert_eq!((unknown.all, of_unknown.restricted), (known.all, of_known.restricted));
        assert_eq!((unknown.train, unknown.test, of_unknown.excluded), (None, None, None));
        assert!(known.train.is_some() && known.test.is_some() && of_known.excluded.is_some());
    }
    let html = report();
    assert!(html.contains("Nothing is said of training and test pairs alone: ") && html.contains(&**note));
    assert!(titles(&html).iter().any(|title| title == "Loss") && !read::markup(&html).contains("NaN"));
}

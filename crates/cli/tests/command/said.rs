//! Every subcommand and every option, good and bad, held to snapshots.

use crate::runs::{write_order, write_run};
use crate::snapshot::check;
use irreplens::checkpoint::{GroupKind, ModelKind};
use tempfile::TempDir;

/// A folder with what the command lines name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, model, group, n) in [
        ("C5", ModelKind::OneLayerMlp, GroupKind::CyclicGroup, 5),
        ("D4", ModelKind::SummedMlp, GroupKind::DihedralGroup, 4),
        ("S4", ModelKind::OneLayerMlp, GroupKind::SymmetricGroup, 4),
    ] {
        std::fs::create_dir(path(name)).unwrap();
        write_run(&path(name), model, group, n, 1);
    }
    write_order(&path("order.json"), 4);
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/npz/flat.npz");
    std::fs::copy(recorded, path("acts.npz")).unwrap();
    folder
}

#[test]
fn help() {
    let folder = folder();
    let names = [
        "interpret",
        "representation",
        "cosets",
        "explain",
        "verify",
        "report",
        "train",
        "progress",
        "identify",
        "groups",
        "completions",
        "man",
    ];
    let lines: Vec<String> = names.iter().map(|name| format!("{name} --help")).collect();
    let lines: Vec<&str> = ["--help", "--version"].into_iter().chain(lines.iter().map(String::as_str)).collect();
    check("help", folder.path(), &lines);
}

#[test]
fn alone() {
    let lines = ["", "interpet", "C5", "--json found.json", "interpret C5 D4", "interpret --verbose", "help progres"];
    check("alone", folder().path(), &lines);
}

/// What all commands say that look at a run.
#[test]
fn runs() {
    let lines = [
        "explain nowhere",
        "explain C5",
        "explain C5 --certificate C5.certificate",
        "verify C5.certificate C5",
        "verify C5.certificate S4 --order sympy",
        "verify C5.certificate",
        "verify nowhere C5",
        "verify order.json C5",
        "explain S4 --order sympy --all-certificates",
        "explain acts.npz --group cyclic:3",
        "explain C5 --certificate nowhere/C5.certificate",
        "cosets nowhere",
        "cosets C4",
        "cosets order.json",
        "cosets S4",
        "cosets S4 --order sympy",
        "cosets S4 --order order.json",
        "cosets S4 --order ordre.json",
        "cosets D4 --order sympy",
        "cosets --group cyclic:3",
        "cosets acts.npz",
        "cosets acts.npz --group cyclic:3",
        "cosets acts.npz --group cyclic:3 --neurons hidden",
        "cosets acts.npz --group C3xC1",
        "cosets acts.npz --group cyclic:x",
        "cosets acts.npz --group cyclic:4",
        "cosets acts.npz --group cyclic:3 --neurons nothing",
        "cosets C5 --neurons hidden",
        "cosets C5 --group cyclic:5",
        "cosets C5 --memory 1G",
        "cosets C5 --memory much",
        "cosets C5 --memory 10",
        "cosets C5 --json",
        "cosets C5 --json no/such/folder/file",
        "cosets C5 --json C5",
    ];
    check("runs", folder().path(), &lines);
}

#[test]
fn interpret() {
    let lines = [
        "interpret",
        "interpret S4 --order order.json",
        "interpret D4 --along irreps",
        "interpret D4 --along rows",
        "interpret acts.npz --group cyclic:3 --repeat 2",
        "interpret C5 --repeat 0",
        "interpret C5 --device cpu --json found.json",
        "interpret C5 --device gpu",
        "interpret C5 --device cuda:0",
        "interpret nowhere --json no/such/folder/file",
    ];
    check("interpret", folder().path(), &lines);
}

#[test]
fn representation() {
    let lines = [
        "representation",
        "representation S4 --order sympy --controls",
        "representation C5 --repeat 2 --device cpu",
        "representation C5 --repeat many",
        "representation C5 --controls=yes",
        "representation nowhere --json no/such/folder/file",
    ];
    check("representation", folder().path(), &lines);
}

#[test]
fn cosets() {
    let lines = ["cosets", "cosets S4 --order sympy --subgroups 10", "cosets D4 --subgroups few", "cosets D4 --json -"];
    check("cosets", folder().path(), &lines);
}

#[test]
fn report() {
    let lines = [
        "report C5",
        "report D4 --out D4.html --json -",
        "report C5 --out no/such/folder/page.html",
        "report C5 --out C5",
        "report C5 --out same --json same",
        "report nowhere --out page.html",
        "report C5 --device gpu",
    ];
    check("report", folder().path(), &lines);
}

/// Few steps: more, and the numbers would drift from one processor to another.
#[test]
fn train() {
    let folder = folder();
    let described = r#"{"group": "CyclicGroup", "group_parameter": 5, "frac_train": 0.8, "seed": 1, "lr": 0.01,
        "weight_decay": 0.1, "betas": [0.9, 0.98], "num_epochs": 5, "model": "BilinearNet", "layers": {"embed_dim": 4}}"#;
    std::fs::write(folder.path().join("cfg.json"), described).unwrap();
    let small = "--group C5 --embed 4 --hidden 8 --fraction 0.8 --epochs 20";
    let ok = [
        format!("train {small}"),
        format!("train {small} --out kept --json -"),
        format!("train {small} --out kept"),
        format!("train {small} --lr 0.5 --out kept"),
        format!("train {small} --seeds 1,2 --out several"),
        format!("train {small} --seed 3 --lr 0.01 --weight-decay 0.1 --decay cosine --warmup 5 --optimiser adam"),
        format!("train {small} --optimiser sgd --momentum 0.9 --label-smoothing 0.1 --model two-layer --output-bias"),
        format!("train {small} --test-loss-below 100 --patience 10 --memory 1G --device cpu"),
        "train --cfg cfg.json --fraction 1 --epochs 10".into(),
        "train --group S3 --model transformer --embed 4 --hidden 8 --epochs 2".into(),
        "train --group A4 --model summed --embed 4 --epochs 2".into(),
        "train --group Q8 --embed 4 --hidden 8 --epochs 2 --out Q8".into(),
        "cosets Q8".into(),
    ];
    check("train", folder.path(), &ok.iter().map(String::as_str).collect::<Vec<_>>());
    let network = irreplens::model::Architecture::one_layer(4, 8);
    let mut config = irreplens::checkpoint::RunConfig::read(folder.path().join("cfg.json")).unwrap();
    config.model = network.into();
    config.write(folder.path().join("steps.json")).unwrap();
    let bad = [
        "train --cfg steps.json --hidden 5",
        "train --cfg steps.json --output-bias",
        "train --hidden=-3",
        "train --hidden 0",
        "train --fraction 1.5",
        "train --fraction 0",
        "train --group dihedral",
        "train --group C0",
        "train --group C7:K3",
        "train --lr=-1",
        "train --decay slow",
        "train --optimiser lion",
        "train --model mlp",
        "train --momentum 0.9",
        "train --optimiser sgd --momentum 1",
        "train --label-smoothing 1",
        "train --output-bias maybe",
        "train --seed 1 --seeds 2,3 --out runs",
        "train --seeds 1,2",
        "train --seeds 4,1,4 --out runs",
        "train --model bilinear --hidden 5",
        "train --warmup 30 --epochs 20",
        "train --fraction 1 --test-loss-below 0.1",
        "train --fraction 1 --patience 5",
        "train --fast yes",
        "train --epochs",
        "train --cfg missing.json",
        "train --cfg acts.npz",
        "train --group C20000 --memory 8G",
        "train --hidden 4611686018427387904 --memory 8G",
        "train --device gpu",
        "train --json no/such/folder/file",
        "train --out acts.npz",
    ];
    check("train_refused", folder.path(), &bad);
}

#[test]
fn progress() {
    let folder = folder();
    let lines = [
        "train --group C5 --embed 4 --hidden 8 --fraction 0.8 --epochs 4 --out C5.run --json trained.json",
        "progress C5.run",
        "progress C5.run --json -",
        "progress",
        "progress C5",
        "progress C5.run --order sympy",
        "progress nowhere --json no/such/folder/file",
    ];
    check("progress", folder.path(), &lines);
}

#[test]
fn groups() {
    let lines = [
        "groups",
        "groups S3 --table S3.json",
        "groups table:S3.json --json -",
        "groups C2^5 --subgroups 100",
        "groups Q8 --json Q8.json",
        "groups SL(2,3)",
        "groups D4 --subgroups few",
        "groups K4",
        "groups C0",
        "groups C8:C2",
        "groups table:nowhere.json",
        "groups S40",
        "groups --table S3.json",
        "groups S3 --table no/such/folder/file",
        "groups S3 --json",
    ];
    check("groups", folder().path(), &lines);
}

#[test]
fn identify() {
    let folder = folder();
    std::fs::write(folder.path().join("table.txt"), "0 1 2\n1 2 0\n2 0 1\n").unwrap();
    std::fs::write(folder.path().join("square.csv"), "0,1,2\n1,0,2\n2,1,0\n").unwrap();
    // Weights alone: of a network that has learnt a group, and of one that has not.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/D53/model.safetensors");
    std::fs::create_dir(folder.path().join("alone")).unwrap();
    std::fs::copy(shipped, folder.path().join("alone/model.safetensors")).unwrap();
    std::fs::copy(folder.path().join("D4/model.safetensors"), folder.path().join("untrained.safetensors")).unwrap();
    let lines = [
        "identify alone",
        "identify alone/model.safetensors --as D53 --json found.json",
        "cosets alone",
        "report alone --out alone.html",
        "identify untrained.safetensors",
        "identify untrained.safetensors --as D4",
        "interpret untrained.safetensors",
        "identify table.txt",
        "identify table.txt --as C3 --json -",
        "identify D6 --as C2xS3",
        "identify Q8 --as D4",
        "identify D4",
        "identify C5",
        "identify S4",
        "identify order.json",
        "identify square.csv",
        "identify acts.npz",
        "identify nowhere.json",
        "identify C3 --as K4",
        "identify",
        "identify C3 --json no/such/folder/file",
    ];
    check("identify", folder.path(), &lines);
}

#[test]
fn pages() {
    let lines = ["completions elvish", "completions", "completions tcsh", "man", "man --out .", "man --out nowhere"];
    let folder = folder();
    check("pages", folder.path(), &lines);
    assert!(!folder.path().join("irreplens-help.1").exists());
    for page in ["irreplens.1", "irreplens-interpret.1", "irreplens-train.1"] {
        assert!(std::fs::read_to_string(folder.path().join(page)).unwrap().contains(".SH EXTRA"), "{page}");
    }
}

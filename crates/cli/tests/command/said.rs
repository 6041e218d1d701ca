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
    let names = ["interpret", "representation", "cosets", "report", "train", "progress", "completions", "man"];
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
        "cosets acts.npz --group cyclic:x",
        "cosets acts.npz --group cyclic:4",
        "cosets acts.npz --group cyclic:3 --neurons nothing",
        "cosets C5 --neurons hidden",
        "cosets C5 --group cyclic:5",
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

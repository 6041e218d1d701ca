//! Progress measures of the published runs against numbers computed from characters by an independent program.

use irreplens::analysis::{progress, progress_measures};
use irreplens::checkpoint::Run;
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::GroupExt;
use irreplens::model::Evaluation;
use irreplens::task::Task;
use serde_json::Value;

/// Fails unless `got` is `want` up to this relative error; returns it.
#[track_caller]
fn close(what: &str, got: f64, want: f64, tolerance: f64) -> f64 {
    let off = (got / want - 1.0).abs();
    assert!(off <= tolerance, "{what}: expected {want}, got {got}, off by {off:.1e}");
    off
}

/// Holds a run to its `representation_golden.json`.
fn published(test: &str, name: &str) {
    let Some(folder) = crate::data::folder(test).map(|folder| folder.join("published").join(name)) else { return };
    let golden: Value =
        serde_json::from_slice(&std::fs::read(folder.join("representation_golden.json")).unwrap()).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let run = Run::open(&folder).unwrap();
    let (group, model, split) = (run.group().unwrap(), run.model().unwrap(), run.split().unwrap());
    let basis = CyclicSubgroupBasis::new(&group, group.element(1));
    let m = basis.rows();

    // An irrep's block has the irrep's character on the rotations.
    let block_of = |irrep: &Value| {
        let character: Vec<f64> = irrep["character"].as_array().unwrap()[..m].iter().map(number).collect();
        let of_block = |rows: std::ops::Range<usize>, t: usize| {
            m as f64 * rows.map(|row| basis.value(row, 0) * basis.value(row, t)).sum::<f64>()
        };
        let fits =
            |rows: &std::ops::Range<usize>| (0..m).all(|t| (of_block(rows.clone(), t) - character[t]).abs() < 1e-9);
        basis.block_ids().into_iter().skip(1).find(|b| fits(&basis.blocks()[b.index()].rows)).unwrap()
    };
    let irreps: Vec<&Value> =
        golden["key"].as_array().unwrap().iter().map(|i| &golden["irreps"][i.as_u64().unwrap() as usize]).collect();
    let keys: Vec<_> = irreps.iter().map(|irrep| block_of(irrep)).collect();
    let task = Task::new(&group);
    let found = progress_measures(&model, &basis, &task, &split, &keys).unwrap();

    let (mut loss, mut share) = (0.0f64, 0.0f64);
    let mut losses = |what: &str, got: Evaluation, want: &Value| {
        loss = loss.max(close(&format!("{name}, {what}"), got.loss, number(want), 1e-3));
    };
    losses("train loss", found.train.unwrap(), &golden["train_loss"]);
    losses("test loss", found.test.unwrap(), &golden["test_loss"]);
    assert_eq!(found.train.unwrap().accuracy, number(&golden["train_acc"]));
    assert_eq!(found.test.unwrap().accuracy, number(&golden["test_acc"]));
    losses("restricted", found.restricted, &golden["hidden_restricted_loss_key"]);
    losses("excluded", found.excluded.unwrap(), &golden["hidden_excluded_loss_key"]);
    for (key, irrep) in found.keys.iter().zip(&irreps) {
        losses(&format!("{} restricted", key.name), key.restricted, &irrep["hidden_restricted_loss"]);
        losses(&format!("{} excluded", key.name), key.excluded.unwrap(), &irrep["hidden_excluded_loss"]);
        for (what, got) in
            [("embed_left", key.left_share), ("embed_right", key.right_share), ("unembed", key.unembed_share)]
        {
            let off = close(&format!("{name}, {} {what}", key.name), got.unwrap(), number(&irrep[what]), 1e-4);
            share = share.max(off);
        }
    }
    // As the only checkpoint of a run, as published.
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("cfg.json"), directory.path().join("cfg.json")).unwrap();
    std::fs::create_dir(directory.path().join("checkpoints")).unwrap();
    let checkpoint = directory.path().join(format!("checkpoints/epoch_{}.pt", run.config.num_epochs));
    std::fs::copy(folder.join("model.pt"), checkpoint).unwrap();
    let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, None).unwrap()).unwrap();
    let training = progress(&Run::open(directory.path()).unwrap(), &basis, &irreps, &task).unwrap();
    let row = &training.rows[0];
    assert_eq!(row.epoch, run.config.num_epochs);
    close(&format!("{name}, squares"), row.sum_of_squared_weights, number(&golden["sum_of_squared_weights"]), 1e-9);
    assert_eq!(row.train, found.train);
    assert_eq!(training.key_irreps.len(), golden["key"].as_array().unwrap().len());
    for golden in golden["irreps"].as_array().unwrap() {
        let character: Vec<f64> = golden["character"].as_array().unwrap().iter().map(number).collect();
        let same = |b: &usize| irreps.irreps()[*b].character.iter().zip(&character).all(|(a, b)| (a - b).abs() < 1e-9);
        let irrep = &row.irreps[(0..irreps.irreps().len()).find(same).unwrap()];
        let off = irrep.trace_similarity.unwrap() - number(&golden["trace_similarity"]);
        assert!(off.abs() < 1e-5, "{name}, {}: trace similarity off by {off:.1e}", golden["dim"]);
        if let Some(of_parts) = irrep.losses {
            losses("restricted", of_parts.hidden_restricted, &golden["hidden_restricted_loss"]);
            losses("excluded", of_parts.hidden_excluded.unwrap(), &golden["hidden_excluded_loss"]);
        }
    }

    println!("{name}: losses within {loss:.1e}, shares within {share:.1e}");
}

#[test]
fn published_c113() {
    published("published_c113", "C113_MLP_seed1");
}

#[test]
fn published_c118() {
    published("published_c118", "C118_MLP_seed1");
}

#[test]
fn published_d59() {
    published("published_d59", "D59_MLP_seed1");
}

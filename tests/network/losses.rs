//! Losses and accuracies of the published runs against the numbers published with them.

use crate::data;
use irreplens::checkpoint::{GroupKind, Run};
use irreplens::group::{CayleyTable, Group, GroupExt, PermutationGroup};
use irreplens::linalg::map_blocks;
use irreplens::model::{Hooks, Interpretable, cross_entropy};
use irreplens::task::{Split, Task};
use ndarray::Array2;
use serde_json::Value;
use std::path::Path;

const TOLERANCE: f64 = 1e-4;

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn close(run: &str, what: &str, got: f64, published: f64) {
    let off = got / published - 1.0;
    assert!(off.abs() <= TOLERANCE, "{run}: {what}: expected {published:e}, got {got:e} ({off:.1e})");
}

/// The largest logit of every pair: (n, n).
fn argmax(model: &dyn Interpretable, task: &Task) -> Array2<usize> {
    let n = task.order();
    let rows = map_blocks(n, 1, |x| {
        let logits = model.forward(&task.pairs(x.start * n..x.end * n)).unwrap();
        let largest = |row: ndarray::ArrayView1<'_, f32>| (0..n).fold(0, |b, z| if row[z] > row[b] { z } else { b });
        logits.outer_iter().map(largest).collect::<Vec<_>>()
    });
    Array2::from_shape_vec((n, n), rows.concat()).unwrap()
}

fn check(folder: &Path, name: &str, order: Option<&str>) {
    let run = Run::open(folder.join("published").join(name)).unwrap();
    let published = json(&folder.join("published").join(name).join("summary_metrics.json"));
    let published = |key: &str| published[key].as_f64().unwrap();
    let group: Box<dyn Group> = match order {
        Some(file) => {
            let path = folder.join("orders").join(file);
            Box::new(PermutationGroup::from_json(path).unwrap().cayley_table())
        }
        None => run.group().unwrap(),
    };
    let (model, task) = (run.model().unwrap(), Task::new(&group));
    assert_eq!(task.order(), run.config.order().unwrap());

    let n = task.order();
    let of_row = |x: std::ops::Range<usize>| {
        let pairs = x.start * n..x.end * n;
        cross_entropy(model.forward(&task.pairs(pairs.clone())).unwrap().view(), &task.labels()[pairs]).unwrap()
    };
    let losses = map_blocks(n, 1, of_row).concat();
    let table = argmax(&*model, &task);
    let correct: Vec<bool> = table.iter().zip(task.labels()).map(|(&z, &label)| z == label as usize).collect();
    let split = Split::published(task.order(), run.config.frac_train, run.config.seed).unwrap();
    assert_eq!(split.train.len() + split.test.len(), losses.len());
    for (what, pairs) in [("train", &split.train), ("test", &split.test)] {
        let count = pairs.len() as f64;
        let loss = pairs.iter().map(|&i| losses[i]).sum::<f64>() / count;
        let accuracy = pairs.iter().filter(|&&i| correct[i]).count() as f64 / count;
        close(name, &format!("{what} loss"), loss, published(&format!("{what}_loss")));
        assert_eq!(accuracy, published(&format!("{what}_acc")), "{name}: {what} accuracy");
    }
    let all = losses.iter().sum::<f64>() / losses.len() as f64;
    close(name, "all-pairs loss", all, published("all_loss"));
    let evaluation = model.evaluate(&task, &Hooks::none()).unwrap();
    assert!((evaluation.loss / all - 1.0).abs() < 1e-12, "{name}: {evaluation:?} against {all}");
    assert_eq!(evaluation.accuracy, correct.iter().filter(|&&c| c).count() as f64 / losses.len() as f64);

    // The group can be read off the model without labels: the largest logits are a Latin square, in fact a group.
    let read = CayleyTable::new(table).unwrap_or_else(|error| panic!("{name}: {error}"));
    close(name, "loss against the largest logit", model.evaluate(&Task::new(&read), &Hooks::none()).unwrap().loss, all);
    if run.config.group == GroupKind::SymmetricGroup {
        assert!(!read.is_abelian());
    }
}

macro_rules! published {
    ($($test:ident: $run:literal, $order:expr;)*) => {$(
        #[test]
        fn $test() {
            if let Some(folder) = data::folder(stringify!($test)) {
                check(&folder, $run, $order);
            }
        }
    )*};
}
published! {
    s5: "S5_MLP_seed2", Some("S5.json");
    a5: "A5_MLP_seed2", Some("A5.json");
    s6: "S6_MLP_seed1", Some("S6.json");
    c113: "C113_MLP_seed1", None;
    c118: "C118_MLP_seed1", None;
    d59: "D59_MLP_seed1", None;
}

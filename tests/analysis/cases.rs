//! Files of the kinds people have, beside the data folder, with the right value of each in its README.

use crate::data;
use irreplens::Error;
use irreplens::analysis::{NeuronKind, interpret, representation};
use irreplens::checkpoint::{Run, read_precomputed};
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::Cyclic;
use irreplens::model::{Hooks, Interpretable};
use irreplens::task::Task;
use std::path::PathBuf;

fn case(test: &str, name: &str) -> Option<PathBuf> {
    let data = data::folder(test)?;
    let path = std::fs::canonicalize(data).unwrap().parent().unwrap().join("cases").join(name);
    if !path.is_dir() {
        println!("SKIPPED: {test}: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// Eight neurons of frequency 1 and one that is 1 at every pair.
#[test]
fn constant_neuron() {
    let Some(path) = case("constant_neuron", "26-constant-neuron") else { return };
    let run = Run::open(path).unwrap();
    let (group, model) = (Cyclic::new(7).unwrap(), run.model().unwrap());
    let (task, basis) = (Task::new(&group), IrrepBasis::new(&group).unwrap());
    let evaluation = model.evaluate(&task, &Hooks::none()).unwrap();
    assert!((evaluation.loss / 3.257_144_583e-1 - 1.0).abs() < 1e-6 && (evaluation.accuracy * 49.0).round() == 47.0);

    let found = interpret(&model, &CyclicSubgroupBasis::cyclic(&group), &task).unwrap();
    assert_eq!(
        found.neurons.clusters().into_iter().collect::<Vec<_>>(),
        [(found.directions.blocks[0], (0..8).collect())]
    );
    assert_eq!(found.directions.blocks, [1]);
    assert_eq!(found.neurons.of_kind(NeuronKind::Constant), [8]);
    let measures = representation(&model, &group, &basis, &task, &run.split().unwrap()).unwrap();
    assert_eq!(measures.neurons.clusters().into_values().collect::<Vec<_>>(), [(0..8).collect::<Vec<_>>()]);
    let text = measures.to_string();
    assert!(!text.contains("NaN"), "{text}");
    let made_of: Vec<String> = measures.neuron_table().unwrap().rows[0].iter().map(|cell| cell.to_string()).collect();
    assert_eq!(made_of[1..], ["37.51 %", "37.51 %", "11.21 %"], "{text}");
}

/// The same network, recorded with a function of the pair added to all logits.
#[test]
fn logit_shift() {
    let (Some(plain), Some(shifted)) = (case("logit_shift", "20-npz-plain"), case("logit_shift", "22-logit-shift"))
    else {
        return;
    };
    let group = Cyclic::new(7).unwrap();
    let (basis, task) = (CyclicSubgroupBasis::cyclic(&group), Task::new(&group));
    let [plain, shifted] = [plain, shifted].map(|path| {
        let model = read_precomputed(path.join("run.npz"), "hidden").unwrap();
        interpret(&model, &basis, &task).unwrap()
    });
    for found in [&plain, &shifted] {
        assert!((found.baseline.loss / 2.879_406e-1 - 1.0).abs() < 1e-5 && found.baseline.accuracy == 1.0);
    }
    let [a, b] = [&plain, &shifted].map(|found| found.logit_shares().unwrap().kinds());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
    // As they are, the logits have what the README says.
    let within = [&plain, &shifted].map(|found| found.raw_logit_split().shares().unwrap().within_block);
    assert!((within[0] - 0.820_659).abs() < 1e-4 && (within[1] - 0.143_828).abs() < 1e-4, "{within:?}");
}

#[test]
fn logits_that_overflow() {
    let Some(path) = case("logits_that_overflow", "one_1e38_emb") else { return };
    let run = Run::open(path).unwrap();
    let (group, model) = (run.group().unwrap(), run.model().unwrap());
    let task = Task::new(&group);
    let error = model.evaluate(&task, &Hooks::none()).unwrap_err();
    let Error::NonFiniteActivation { pair, .. } = error else { panic!("{error}") };
    // The first pair, by a pass over single pairs.
    let finite = |pair: &[_]| model.forward(pair).unwrap().iter().all(|logit| logit.is_finite());
    let n = task.order();
    let first = (0..n * n).find(|&i| !finite(&task.pairs(i..i + 1))).unwrap();
    assert_eq!(pair, [first / n, first % n]);
    for error in [
        interpret(&model, &run.cyclic_basis(&group), &task).unwrap_err(),
        representation(&model, &group, &IrrepBasis::new(&group).unwrap(), &task, &run.split().unwrap()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::NonFiniteActivation { pair: at, .. } if at == pair), "{error}");
    }
    #[cfg(feature = "report")]
    assert!(irreplens::report::of_run(&run, None, &Ok, &mut |_| {}).is_err());
}

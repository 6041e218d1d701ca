//! Whole reports of small models.

use crate::read::{content, markup};
use crate::runs::{write_order, write_run};
use irreplens::analysis::heads;
use irreplens::checkpoint::{GroupKind, ModelKind, Run};
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::Dihedral;
use irreplens::model::{Architecture, Interpretable};
use irreplens::report::{Subject, of_model, of_run};
use irreplens::task::{Split, Task};
use irreplens::train::{MetricLog, TrainConfig, Trainer};
use serde_json::Value;
use std::path::Path;

const MODELS: [ModelKind; 5] = [
    ModelKind::OneLayerMlp,
    ModelKind::OneLayerMlpWithBias,
    ModelKind::SummedMlp,
    ModelKind::TwoLayerMlp,
    ModelKind::Bilinear,
];

fn report(directory: &Path, order: Option<&Path>) -> String {
    let page = of_run(&Run::open(directory).unwrap(), order, &Ok, &mut |_| {});
    page.unwrap_or_else(|error| panic!("{}: {error}", directory.display())).html()
}

fn titles(html: &str) -> Vec<String> {
    let content = content(html);
    let figures = content["views"].as_array().unwrap().iter().flat_map(|view| view["frames"].as_array().unwrap());
    let figures = figures.flat_map(|frame| frame["figures"].as_array().unwrap());
    figures.map(|figure: &Value| figure["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_kind_of_model() {
    for (i, model) in MODELS.into_iter().enumerate() {
        for (group, n) in [(GroupKind::CyclicGroup, 1), (GroupKind::CyclicGroup, 6), (GroupKind::DihedralGroup, 5)] {
            let folder = tempfile::tempdir().unwrap();
            write_run(folder.path(), model, group.clone(), n, i as u64);
            let html = report(folder.path(), None);
            let titles = titles(&html);
            assert!(titles.len() > 10 && html.contains("In short"), "{model:?} on {group:?} {n}: {titles:?}");
            assert!(!markup(&html).contains("NaN"), "{model:?} on {group:?} {n}");
        }
    }
}

#[test]
fn a_symmetric_group() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), ModelKind::OneLayerMlp, GroupKind::SymmetricGroup, 4, 1);
    let order = folder.path().join("order <4>.json");
    write_order(&order, 4);
    let html = report(folder.path(), Some(&order));
    let titles = titles(&html);
    assert!(titles.iter().any(|title| title == "hidden activations, neuron 3"), "{titles:?}");
    assert!(titles.iter().any(|title| title == "Coset against irrep, neuron by neuron"), "{titles:?}");
    let error = of_run(&Run::open(folder.path()).unwrap(), None, &Ok, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("permutations"), "{error}");
}

#[test]
fn a_training_run() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("<run> \"1\"");
    let config = TrainConfig { epochs: 30, ..TrainConfig::default() };
    let group = Dihedral::new(3).unwrap();
    let trainer = Trainer::new(&group, Architecture::summed(8), Split::random(6, 0.6, 1).unwrap(), config).unwrap();
    let mut trainer = trainer.in_directory(&directory).unwrap();
    trainer.observe(MetricLog::new(directory.join("metrics.csv"))).run().unwrap();

    let mut steps = Vec::new();
    let page = of_run(&Run::open(&directory).unwrap(), None, &Ok, &mut |step| steps.push(step.to_owned())).unwrap();
    assert!(steps.iter().any(|step| step.contains("checkpoints")), "{steps:?}");
    let html = page.html();
    assert!(markup(&html).contains("&lt;run&gt; &quot;1&quot;"));
    let titles = titles(&html);
    for wanted in ["Loss", "Accuracy", "Progress measures: losses", "Sum of squared weights", "Share of W_U"] {
        assert!(titles.iter().any(|title| title == wanted), "{wanted}: {titles:?}");
    }
    assert!(titles.iter().filter(|title| title.contains("W_E_a/b, epoch")).count() >= 3, "{titles:?}");

    std::fs::write(
        directory.join("metrics.csv"),
        "epoch,train_loss,train_accuracy,test_loss,test_accuracy\n1,x,1,1,1\n",
    )
    .unwrap();
    let error = of_run(&Run::open(&directory).unwrap(), None, &Ok, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("metrics.csv"), "{error}");
}

#[test]
fn a_transformer() {
    let group = Dihedral::new(3).unwrap();
    let (model, irreps) = (crate::models::transformer(6, 3), IrrepBasis::new(&group).unwrap());
    let page = |model: &dyn Interpretable| {
        let (title, sectors) = ("T".into(), vec!["rot".into(), "ref".into()]);
        let (basis, split) = (CyclicSubgroupBasis::dihedral(&group), Split::random(6, 0.5, 1).unwrap());
        let (basis, irreps, split) = (&basis, &irreps, &split);
        let subject =
            Subject { title, model, group: &group, basis, sectors, irreps, split, untrained: None, network: None };
        of_model(&subject, &mut |_| {}).unwrap().html()
    };
    let html = page(&model);
    let titles = titles(&html);
    for (h, p) in [(0, 0), (0, 2), (1, 1)] {
        let wanted = format!("Head {h}, how much it looks at position {p}");
        assert!(titles.contains(&wanted), "{wanted}: {titles:?}");
    }
    let html = markup(&html);
    for layer in heads(&model, &irreps, &Task::new(&group)).unwrap() {
        for sentence in layer.in_words().into_iter().chain(layer.in_short()) {
            assert!(html.contains(&sentence), "{sentence}");
        }
    }
    // What the model does not say is said to be unsaid.
    let html = markup(&page(&crate::models::Opaque(crate::models::transformer(6, 3))));
    assert!(
        html.contains(
            "Note: no loss of the neurons&#39; path alone: their way to the logits is not known to be linear."
        )
    );
    assert!(html.contains("of what the neurons of each irrep are made is not said"));
}

#[test]
fn the_shipped_model() {
    let html = report(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53")), None);
    assert!(html.len() < 12_000_000, "{} bytes", html.len());
    let titles = titles(&html);
    for wanted in [
        "Fourier basis: sin 12",
        "Norm of embedding coef of each Fourier Component in W_E_a",
        "Norm of embedding coef of each Fourier Component in W_E_b",
        "Norm of embedding coef of each Fourier Component in W_E_a/b",
        "Norm of embedding coef of each Fourier Component in W_U",
        "hidden activations, neuron 2",
        "logits activations, neuron 2",
        "hidden activations, neuron 127, region rot, ref",
        "Average Norm of 2d Fourier Coefficients of hidden activations (excl constant)",
        "Average Norm of Fourier Components of Logits",
        "Neuron frequency against fraction explained",
        "Norm of embedding coef of each Fourier Component in W_U on frequency x neurons",
        "Component of logits in direction cos(26) on region ref, ref",
        "Component of logits in direction sin(26) on region rot, ref",
        "Loss after each ablation",
        "Share of each irrep",
    ] {
        assert!(titles.iter().any(|title| title == wanted), "{wanted}");
    }
}

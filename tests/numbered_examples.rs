//! The numbered examples, at small size: each does what its page says.
#![expect(clippy::duplicate_mod, reason = "every example has its own `print`")]

#[allow(dead_code)]
#[path = "../examples/01_modular_addition.rs"]
mod modular_addition;

#[allow(dead_code)]
#[path = "../examples/02_dihedral.rs"]
mod dihedral;

#[allow(dead_code)]
#[path = "../examples/03_symmetric_group.rs"]
mod symmetric_group;

#[allow(dead_code)]
#[path = "../examples/04_your_own_checkpoint.rs"]
mod your_own_checkpoint;

#[allow(dead_code)]
#[path = "../examples/05_your_own_group.rs"]
mod your_own_group;

#[allow(dead_code)]
#[path = "../examples/06_your_own_model.rs"]
mod your_own_model;

use irreplens::fourier::BlockId;
use irreplens::irrep::Kind;

#[test]
fn modular_addition_is_learnt_with_frequencies() {
    let found = modular_addition::run(23, 0.9, 32, 4000).unwrap();
    let measures = &found.measures;
    assert!(found.trained.test.unwrap().accuracy > 0.9, "{:?}", found.trained);

    // Sines and cosines: the key frequencies hold the embedding, the neurons and the logits.
    let embedding: f64 = measures.key.iter().map(|&k| found.embedding[k.index()]).sum();
    assert!(embedding > 0.9, "{embedding}");
    let explained: f64 = found.neurons.neurons.iter().map(|n| n.share * n.fraction_explained.unwrap_or(0.0)).sum();
    assert!(explained > 0.9, "{explained}");
    assert!(measures.logit_fve > Some(0.8), "{:?}", measures.logit_fve);

    // Needed, and enough.
    let losses = measures.key_losses.unwrap();
    assert!(losses.logit_excluded.unwrap().loss > 23f64.ln() && losses.logit_restricted.loss < 1e-3, "{losses:?}");
    let worst = found.without.values().map(|evaluation| evaluation.loss).fold(0.0, f64::max);
    assert!(worst > 100.0 * measures.all.loss, "{worst} {}", measures.all.loss);
}

#[test]
fn the_notebook_on_the_shipped_net() {
    let retold = dihedral::run(dihedral::SHIPPED.as_ref()).unwrap();
    let found = &retold.found;
    let near = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 5e-3, "expected {expected}, got {got}");
    near(found.baseline.loss, 2.187e-5);
    assert_eq!(found.baseline.accuracy, 1.0);
    assert_eq!(retold.key, [1, 6, 9, 12, 22]);

    let without = found.without_cluster.as_ref().unwrap();
    near(without[&6].loss, 1.88e-3);
    // Neurons of the sign are in no frequency's cluster.
    assert_eq!((found.neurons.clusters()[&1].len(), found.neurons.clusters().get(&2)), (21, None));
    near(without[&1].loss, 2.460e-2);
    assert_eq!(found.neurons.tied(), [(Some("sign"), vec![46, 71, 84, 102])].into());
    near(without[&12].loss, 1.47e-3);
    near(found.own_block_only.unwrap().loss, 5.14e-5);
    near(found.published.parity.unwrap().loss, 1.80e-5);

    let share = found.directions.product_share.as_ref().unwrap();
    for (i, _) in found.directions.blocks.iter().enumerate().filter(|(_, k)| retold.key.contains(k)) {
        for y in 0..2 {
            let share = |x: usize, sign: usize| share[[i, x, y, sign]].unwrap();
            assert!(share(0, 0) > 0.9 && share(0, 1) < 0.01); // rotation on the left: x + y
            assert!(share(1, 1) > 0.9 && share(1, 0) < 0.01); // reflection on the left: x - y
        }
    }
    near(retold.terms[3], 0.158);
    assert_eq!(retold.measures.neurons.clusters()[&1], [46, 71, 84, 102]);
}

#[test]
fn permutations_are_learnt_with_irreps_and_cosets() {
    let explained = symmetric_group::run(4, 0.9, 96, 4000).unwrap();
    let dims: Vec<_> = explained.irreps.iter().map(|irrep| irrep.dim).collect();
    assert_eq!(dims, [1, 3, 2, 3, 1]);
    assert!(explained.trained.test.unwrap().accuracy > 0.9, "{:?}", explained.trained);

    let (irreps, cosets) = &explained.found.found;
    let losses = irreps.key_losses.unwrap();
    assert!(losses.hidden_excluded.unwrap().loss > 24f64.ln() && losses.hidden_restricted.loss < 1e-3, "{losses:?}");
    assert!(irreps.over_key(|m| m.embed_left).unwrap() > 0.99);

    // Most neurons are on the cosets of some subgroup; of an untrained net none are.
    let untrained = explained.found.random_model.unwrap();
    let counts = [cosets, &untrained.1, &explained.found.relabelled.1].map(symmetric_group::on_cosets);
    assert!(counts[0] > 48 && counts[1] == 0 && counts[2] == 0, "{counts:?}");
    assert!(irreps.logit_fve > Some(0.4) && untrained.0.logit_fve.unwrap() < 0.05);
}

#[test]
fn weights_and_recorded_activations_are_the_same_net() {
    let folder = tempfile::tempdir().unwrap();
    let [weights, activations] = your_own_checkpoint::run(folder.path(), 11, &[2, 3]).unwrap();
    assert_eq!(weights.baseline.accuracy, 1.0);
    assert!((weights.baseline.loss - activations.baseline.loss).abs() < 1e-6);
    let sizes = |clusters: std::collections::BTreeMap<_, Vec<usize>>| -> Vec<(usize, usize)> {
        clusters.into_iter().map(|(k, members)| (BlockId::index(k), members.len())).collect()
    };
    assert_eq!(sizes(weights.neurons.clusters()), [(2, 8), (3, 8)]);
    assert_eq!(weights.neurons.clusters(), activations.neurons.clusters());
    let [weights, activations] = [weights, activations].map(|found| found.without_cluster.unwrap());
    for (k, evaluation) in weights {
        assert!((evaluation.loss - activations[&k].loss).abs() < 1e-4);
    }
}

#[test]
fn a_group_of_ones_own_is_analysed() {
    let found = your_own_group::run(3, 48, 6000).unwrap();
    let irreps = &found.measures.irreps;
    let kinds: Vec<_> = irreps.iter().map(|m| (m.irrep.dim, m.irrep.kind)).collect();
    let complex = |dim| (dim, Kind::Complex);
    assert_eq!(kinds, [(1, Kind::Real), complex(2), complex(2), complex(2), complex(2), complex(6)]);
    assert_eq!((found.centre, &found.faithful[..]), (3, &[5][..]));

    // It cannot do without the one that sees the centre: among the three elements with one a and b it then guesses.
    assert_eq!(found.measures.all.accuracy, 1.0);
    let without = irreps[5].losses.unwrap().logit_excluded.unwrap();
    assert!(without.loss > 3f64.ln() && without.accuracy < 0.5, "{without}");
    assert!(found.share > 0.3, "{}", found.share);
}

#[test]
fn a_model_of_ones_own_is_analysed() {
    let (found, off) = your_own_model::run(13, &[2, 3]).unwrap();
    assert_eq!(found.baseline.accuracy, 1.0);
    let clusters = found.neurons.clusters();
    assert_eq!(clusters[&2], (0..8).collect::<Vec<_>>());
    assert_eq!(clusters[&3], (8..16).collect::<Vec<_>>());

    // Energies by hand: 1 for the constant, 1/8 each for cos 2a and cos 2b, 1/2 each for cos(a + b) and cos(a - b).
    let neuron = &found.neurons.neurons[0];
    assert!((neuron.fraction_explained.unwrap() - 2.0 / 2.25).abs() < 1e-4, "{neuron:?}");
    assert!((neuron.fraction_centred.unwrap() - 1.0 / 1.25).abs() < 1e-4, "{neuron:?}");
    // Of the logits 1 for cos w(x + y - z), 1/4 each for cos w(2x - z) and cos w(2y - z).
    let share = found.directions.product_share.unwrap();
    assert!((share[[0, 0, 0, 0]].unwrap() - 2.0 / 3.0).abs() < 1e-4, "{share:?}");
    assert!((off - 13f64.ln()).abs() < 1e-9);
}

/// The built example: `cargo test` builds all of them, `cargo test --test numbered_examples` alone does not.
fn program(name: &str) -> std::process::Command {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is not there: run `cargo build --examples` first", program.display());
    std::process::Command::new(program)
}

#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::Stdio;
    for name in ["04_your_own_checkpoint", "06_your_own_model"] {
        let mut child = program(name).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take()); // as `| true` does
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {}, {said}", output.status);
    }
}

#[test]
fn errors_are_sentences() {
    let said = |command: &mut std::process::Command| {
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = said(program("02_dihedral").arg("nowhere"));
    assert_eq!(code, Some(1));
    assert!(text.starts_with("Error: nowhere: ") && !text.contains("Os {"), "{text}");
    let (code, text) = said(program("04_your_own_checkpoint").env("TMPDIR", "nowhere"));
    assert_eq!(code, Some(1));
    assert!(text.starts_with("Error: ") && text.contains("nowhere") && !text.contains("Os {"), "{text}");
}

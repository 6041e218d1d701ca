//! Ablations: each against the filtered activations written out, and the fast paths against the hooked ones.

use crate::models::{self, Opaque};
use crate::oracle::{Case, near, rows, same, values};
use irreplens::analysis::{
    Ablation, NeuronClusters, NeuronKind, cluster_losses, hidden_centred, keep_terms, neurons, own_block_only,
};
use irreplens::model::{Evaluation, Hook, Hooks, Interpretable};
use ndarray::{Array1, Array2};
use proptest::prelude::{ProptestConfig, any, proptest};
use std::collections::BTreeMap;

/// Loss of the readout of these activations.
fn read(model: &(impl Interpretable + ?Sized), case: &Case, activations: &[Vec<f64>]) -> Evaluation {
    let shape = (activations.len(), activations[0].len());
    let flat = Array2::from_shape_fn(shape, |(i, k)| activations[i][k] as f32);
    case.evaluation(&rows(model.readout().logits(flat.view()).unwrap().view()))
}

/// Activations whose channel k keeps the terms (i, j) that `keep(k, i, j)` says.
fn filtered(case: &Case, values: &[Vec<f64>], keep: &dyn Fn(usize, usize, usize) -> bool) -> Vec<Vec<f64>> {
    let mut out = vec![vec![0.0; values[0].len()]; values.len()];
    for k in 0..values[0].len() {
        let kept = case.filtered(|i, j| keep(k, i, j), |x, y| values[x * case.n + y][k]);
        kept.concat().into_iter().zip(&mut out).for_each(|(v, row)| row[k] = v);
    }
    out
}

/// Losses near each other; an accuracy may turn on a tie.
#[track_caller]
fn near_loss(what: &str, got: Evaluation, want: Evaluation) {
    near(what, [got.loss], [want.loss]);
}

fn some_clusters(width: usize) -> BTreeMap<usize, Vec<usize>> {
    BTreeMap::from([
        (2, (0..width).step_by(2).collect()),
        (3, vec![width - 1]),
        (5, Vec::new()),
        (9, (0..width).collect()),
    ])
}

#[test]
fn clusters_dropped_and_kept() {
    for case in [Case::cyclic(1), Case::cyclic(2), Case::cyclic(7), Case::dihedral(4), Case::shuffled()] {
        for (kind, model) in models::all(case.n, 80) {
            let site = model.neuron_site().to_owned();
            let values = values(&model, &case, &site);
            let clusters = some_clusters(values[0].len());
            for what in [Ablation::Drop, Ablation::Keep] {
                let found = cluster_losses(&model, &case.task, &clusters, what).unwrap();
                assert!(found.keys().eq(clusters.keys()));
                let slow = cluster_losses(&Opaque(&model), &case.task, &clusters, what).unwrap();
                for (label, members) in &clusters {
                    let stays = |k: usize| members.contains(&k) == (what == Ablation::Keep);
                    let left = |row: &Vec<f64>| (0..row.len()).map(|k| if stays(k) { row[k] } else { 0.0 }).collect();
                    let left: Vec<Vec<f64>> = values.iter().map(left).collect();
                    let message = format!("{}, {kind}, {what:?} {label}", case.name);
                    near_loss(&message, found[label], read(&model, &case, &left));
                    near_loss(&message, slow[label], found[label]);
                    let all_or_nothing = members.is_empty() == (what == Ablation::Drop);
                    if all_or_nothing && (members.is_empty() || members.len() == values[0].len()) {
                        let baseline = model.evaluate(&case.task, &Hooks::none()).unwrap();
                        near_loss(&message, found[label], baseline);
                    }
                }
            }
        }
    }
}

#[test]
fn centring_is_subtraction_of_the_mean() {
    for case in [Case::cyclic(2), Case::cyclic(5), Case::dihedral(3), Case::shuffled()] {
        for (kind, model) in models::all(case.n, 90) {
            let site = model.neuron_site().to_owned();
            let mut values = values(&model, &case, &site);
            let (count, width) = (values.len(), values[0].len());
            let mean: Array1<f64> =
                (0..width).map(|k| values.iter().map(|row| row[k]).sum::<f64>() / count as f64).collect();
            values.iter_mut().for_each(|row| row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= m));
            let found = hidden_centred(&model, &case.task, &mean).unwrap();
            near_loss(&format!("{}, {kind}", case.name), found, read(&model, &case, &values));
        }
    }
}

#[test]
fn terms_kept_are_the_inverse_of_filtered_coefficients() {
    for case in
        [Case::cyclic(1), Case::cyclic(4), Case::cyclic(5), Case::dihedral(2), Case::dihedral(3), Case::shuffled()]
    {
        for (kind, model) in models::all(case.n, 100) {
            let what = format!("{}, {kind}", case.name);
            let site = model.readout().site().to_owned();
            let values = values(&model, &case, &site);
            let baseline = model.evaluate(&case.task, &Hooks::none()).unwrap();
            let kept = |keep: &(dyn Fn(usize, usize, usize) -> bool + Sync)| {
                keep_terms(&model, &case.basis, &case.task, &site, keep).unwrap()
            };
            near_loss(&what, kept(&|_, _, _| true), baseline);
            let nothing = vec![vec![0.0; values[0].len()]; values.len()];
            near_loss(&what, kept(&|_, _, _| false), read(&model, &case, &nothing));
            // Terms that tell channels, rows of x and rows of y apart.
            let some = |k: usize, i: usize, j: usize| (k + 2 * i + 3 * j) % 4 < 2;
            near_loss(&what, kept(&some), read(&model, &case, &filtered(&case, &values, &some)));
        }
    }
}

#[test]
fn terms_kept_at_an_inner_site() {
    let case = Case::dihedral(3);
    let model = models::two_layer(6, 4, 5, 110);
    let keep = |channel: usize, i: usize, j: usize| channel != 1 && (i == 0 || j == 0);
    let found = keep_terms(&model, &case.basis, &case.task, "hidden1", &keep).unwrap();
    // By hand: relu(filtered first layer times W).
    let first = filtered(&case, &values(&model, &case, "hidden1"), &keep);
    let weight = model.parameter("W").unwrap();
    let hidden = first.iter().map(|row| {
        let column = |k: usize| (0..4).map(|e| row[e] * f64::from(weight[[e, k]])).sum::<f64>().max(0.0);
        (0..5).map(column).collect()
    });
    near_loss("hidden1", found, read(&model, &case, &hidden.collect::<Vec<_>>()));
    let none = keep_terms(&model, &case.basis, &case.task, "hidden1", &|_, _, _| false).unwrap();
    let zeroed = model.evaluate(&case.task, &Hooks::none().with(Hook::zero("hidden1"))).unwrap();
    same("no terms", none, zeroed);
}

/// The terms of a neuron's own block; the constant of one that has none, and nothing of a dim one.
fn own(case: &Case, found: &NeuronClusters) -> impl Fn(usize, usize, usize) -> bool + Sync {
    let blocks = case.blocks.clone();
    let labels: Vec<_> = found.neurons.iter().map(|neuron| (neuron.kind != NeuronKind::Dim, neuron.block)).collect();
    move |k, i, j| {
        let (lit, block) = labels[k];
        let kept = |row: usize| lit && (row == 0 || block.is_some_and(|b| blocks[b.index()].contains(&row)));
        kept(i) && kept(j)
    }
}

#[test]
fn own_blocks_are_the_terms_of_the_labels() {
    for case in Case::all() {
        for (kind, model) in models::all(case.n, 120) {
            let what = format!("{}, {kind}", case.name);
            let found = neurons(&model, &case.basis).unwrap();
            let keep = own(&case, &found);
            let got = own_block_only(&model, &case.basis, &case.task, &found).unwrap();
            let kept = keep_terms(&model, &case.basis, &case.task, &found.site, &keep).unwrap();
            near_loss(&what, got, kept);
            let slow = own_block_only(&Opaque(&model), &case.basis, &case.task, &found).unwrap();
            near_loss(&what, slow, got);
            let values = values(&model, &case, &found.site);
            near_loss(&what, got, read(&model, &case, &filtered(&case, &values, &keep)));
        }
    }
}

#[test]
fn dim_neurons_are_zeroed() {
    let case = Case::dihedral(3);
    let model = models::one_layer(6, 3, 8, true, 130);
    let mut found = neurons(&model, &case.basis).unwrap();
    for k in [1, 4] {
        (found.neurons[k].kind, found.neurons[k].block) = (NeuronKind::Dim, None);
    }
    let got = own_block_only(&model, &case.basis, &case.task, &found).unwrap();
    let values = values(&model, &case, "hidden");
    near_loss("dim", got, read(&model, &case, &filtered(&case, &values, &own(&case, &found))));
    found.neurons.iter_mut().for_each(|neuron| (neuron.kind, neuron.block) = (NeuronKind::Dim, None));
    let got = own_block_only(&model, &case.basis, &case.task, &found).unwrap();
    near_loss("all dim", got, read(&model, &case, &vec![vec![0.0; 8]; 36]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn fast_paths_are_the_slow_ones(n in 1..8_usize, d in 1..24_usize, dihedral in any::<bool>(), seed in any::<u32>()) {
        let case = if dihedral { Case::dihedral(n) } else { Case::cyclic(n) };
        let model = models::one_layer(case.n, 3, d, true, seed.into());
        let found = neurons(&model, &case.basis).unwrap();
        let fast = own_block_only(&model, &case.basis, &case.task, &found).unwrap();
        let slow = own_block_only(&Opaque(&model), &case.basis, &case.task, &found).unwrap();
        near_loss("own block", fast, slow);
        let clusters = some_clusters(d);
        for what in [Ablation::Drop, Ablation::Keep] {
            let fast = cluster_losses(&model, &case.task, &clusters, what).unwrap();
            let slow = cluster_losses(&Opaque(&model), &case.task, &clusters, what).unwrap();
            clusters.keys().for_each(|label| near_loss("cluster", fast[label], slow[label]));
        }
    }
}

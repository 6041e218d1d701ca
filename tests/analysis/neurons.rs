//! Neuron clusters: shares, labels, dim neurons, and the published loop that stops one frequency short.

use crate::models;
use crate::oracle::{Case, near, near_of, values};
use irreplens::analysis::{Candidates, NeuronClusters, cluster, neurons};
use irreplens::model::{Interpretable, OneLayerMlp, SummedMlp};
use ndarray::{Array1, Array2};
use proptest::prelude::{ProptestConfig, any, proptest};
use std::f32::consts::TAU;

fn wave(n: usize, frequency: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, 1), |(t, _)| (TAU * (frequency * t % n) as f32 / n as f32).cos())
}

/// Shares, winner, runner-up, centred share and chance, from the 2-D transform of each neuron.
fn check(what: &str, case: &Case, found: &NeuronClusters, values: &[Vec<f64>], last: usize) {
    let (n, sectors) = (case.n, case.sectors.len());
    let width = values[0].len();
    let total: f64 = values.iter().flatten().map(|v| v * v).sum();
    assert_eq!(found.neurons.len(), width);
    assert_eq!(found.shares.dim(), (width, case.blocks.len()));
    for (b, rows) in case.blocks.iter().enumerate() {
        let terms = if b == 0 { 1.0 } else { (1.0 + rows.len() as f64).powi(2) };
        near_of(what, &[found.chance[b]], &[terms / (case.m * case.m) as f64], 1.0);
    }
    for (k, neuron) in found.neurons.iter().enumerate() {
        let what = format!("{what}, neuron {k}");
        let mean = values.iter().map(|row| row[k]).sum::<f64>() / (n * n) as f64;
        let [mut explained, mut centred] = [(); 2].map(|()| vec![0.0; case.blocks.len()]);
        let (mut energy, mut energy_centred) = (0.0, 0.0);
        for (sx, sy) in (0..sectors).flat_map(|sx| (0..sectors).map(move |sy| (sx, sy))) {
            for (shift, shares, energy) in
                [(0.0, &mut explained, &mut energy), (mean, &mut centred, &mut energy_centred)]
            {
                let terms = case.coefficients(sx, sy, |x, y| values[x * n + y][k] - shift);
                *energy += terms.iter().flatten().map(|c| c * c).sum::<f64>();
                for (b, rows) in case.blocks.iter().enumerate() {
                    let kept = |i: &usize| *i == 0 || rows.contains(i);
                    for i in (0..case.m).filter(kept) {
                        shares[b] += (0..case.m).filter(kept).map(|j| terms[i][j].powi(2)).sum::<f64>();
                    }
                }
            }
        }
        near_of(&what, &[neuron.share], &[energy / total], 1.0);
        let shares: Vec<f64> = explained.iter().map(|e| e / energy).collect();
        near_of(&what, &found.shares.row(k).to_vec(), &shares, 1.0);
        let mut order: Vec<usize> = (1..last.min(shares.len())).collect();
        order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
        let Some(&first) = order.first() else {
            assert_eq!((neuron.block, neuron.fraction_explained, neuron.fraction_centred), (None, None, None));
            continue;
        };
        let label = neuron.block.unwrap();
        // A tie may go either way.
        near_of(&what, &[shares[label], neuron.fraction_explained.unwrap()], &[shares[first]; 2], 1.0);
        near_of(&what, &[neuron.fraction_centred.unwrap()], &[centred[label] / energy_centred], 1.0);
        match order.get(1) {
            Some(&second) => near_of(&what, &[neuron.runner_up.unwrap()], &[shares[second]], 1.0),
            None => assert_eq!(neuron.runner_up, None),
        }
    }
}

#[test]
fn shares_are_those_of_the_terms() {
    for case in Case::all() {
        for (kind, model) in models::all(case.n, 50) {
            let values = values(&model, &case, model.neuron_site());
            if case.n == 1 {
                continue; // one pair: nothing varies, and a ReLU may be off (see `dim_neurons`)
            }
            // A bilinear or biased neuron always varies; one behind a ReLU may be off for every pair.
            let silent = (0..values[0].len()).any(|k| values.iter().all(|row| row[k] == values[0][k]));
            if silent {
                continue;
            }
            for candidates in [Candidates::AllBlocks, Candidates::AsPublished] {
                let last = if candidates == Candidates::AllBlocks { case.blocks.len() } else { case.m / 2 };
                let found = neurons(&model, &case.basis, candidates).unwrap();
                check(&format!("{}, {kind}, {candidates:?}", case.name), &case, &found, &values, last);
                assert_eq!(found.site, model.neuron_site());
                let energies = model.block_energies(model.neuron_site(), &case.basis).unwrap();
                assert_eq!(found, cluster(&energies, &case.basis, candidates));
                let spectrum = model.spectrum(model.neuron_site(), &case.basis).unwrap();
                let again = cluster(&spectrum.by_block, &case.basis, candidates);
                assert_eq!(found.clusters(), again.clusters());
                near("shares", found.shares.iter().copied(), again.shares.iter().copied());
                near("centred", found.shares_centred.iter().copied(), again.shares_centred.iter().copied());
                let members: usize = found.clusters().values().map(Vec::len).sum();
                assert_eq!(members + found.dim().len(), found.neurons.len());
            }
        }
    }
}

#[test]
fn dim_neurons() {
    let (n, case) = (7, Case::cyclic(7));
    // Off, faint, always on and constant, a wave, a faint neuron just above the limit.
    let one = Array1::from_elem(n, 1.0f32);
    let waves = wave(n, 2).column(0).to_owned();
    let columns = [&one * -1.0, &waves * 5e-4, &one * 0.5, waves.clone(), &waves * 2e-3];
    let embed = Array2::from_shape_fn((n, 5), |(t, k)| columns[k][t]);
    let net = SummedMlp::new(embed.clone(), embed, Array2::ones((5, n))).unwrap();
    let found = neurons(&net, &case.basis, Candidates::AllBlocks).unwrap();
    assert_eq!(found.dim(), [0, 1]);
    for k in [0, 1] {
        let neuron = &found.neurons[k];
        assert!(neuron.share < 1e-6);
        assert_eq!((neuron.block, neuron.fraction_explained, neuron.runner_up), (None, None, None));
        assert_eq!(neuron.fraction_centred, None);
    }
    assert!(found.shares.row(0).iter().all(|share| share.is_nan()));
    // The constant neuron is explained by any block, but only by the constant in it.
    let constant = &found.neurons[2];
    assert!(constant.block.is_some());
    near_of("constant", &[constant.fraction_explained.unwrap(), constant.runner_up.unwrap()], &[1.0, 1.0], 1.0);
    assert_eq!(constant.fraction_centred, None);
    assert_eq!((found.neurons[3].block, found.neurons[4].block), (Some(2), Some(2)));
    assert_eq!(found.clusters()[&2].iter().filter(|&&k| k > 2).count(), 2);
    assert!(found.to_string().ends_with("2"));
    // The values of the two spectra of a scaled neuron are in proportion.
    assert!((found.neurons[3].fraction_explained.unwrap() - found.neurons[4].fraction_explained.unwrap()).abs() < 1e-5);
}

#[test]
fn an_always_on_bias_does_not_vary() {
    let (n, case) = (6, Case::dihedral(3));
    let zeros = Array2::zeros((n, 2));
    let bias = Some(Array1::from_elem(3, 0.7f32));
    let net = OneLayerMlp::new(zeros.clone(), zeros, Array2::ones((4, 3)), bias, Array2::ones((3, n))).unwrap();
    for neuron in neurons(&net, &case.basis, Candidates::AllBlocks).unwrap().neurons {
        near_of("share", &[neuron.share, neuron.fraction_explained.unwrap()], &[1.0 / 3.0, 1.0], 1.0);
        assert_eq!((neuron.runner_up, neuron.fraction_centred), (None, None));
    }
}

#[test]
fn a_layer_of_zeros_is_all_dim() {
    for case in [Case::cyclic(1), Case::cyclic(5), Case::dihedral(2)] {
        let zeros = Array2::zeros((case.n, 4));
        let net = SummedMlp::new(zeros.clone(), zeros.clone(), zeros.t().to_owned()).unwrap();
        let found = neurons(&net, &case.basis, Candidates::AllBlocks).unwrap();
        assert_eq!(found.dim(), [0, 1, 2, 3]);
        assert!(found.clusters().is_empty());
        assert!(found.neurons.iter().all(|neuron| neuron.share.is_nan()));
    }
}

#[test]
fn one_element_has_no_frequency() {
    let case = Case::cyclic(1);
    let found = neurons(&models::bilinear(1, 3, 1), &case.basis, Candidates::AllBlocks).unwrap();
    assert_eq!((found.dim().len(), found.blocks.len(), found.clusters().len()), (3, 1, 0));
}

#[test]
fn the_published_loop_never_tries_the_last_frequency() {
    for n in [3, 5, 7, 8, 9, 53] {
        let case = Case::cyclic(n);
        let net = SummedMlp::new(wave(n, n / 2), wave(n, n / 2), Array2::ones((1, n))).unwrap();
        let right = neurons(&net, &case.basis, Candidates::AllBlocks).unwrap();
        assert_eq!(right.neurons[0].block, Some(n / 2), "C{n}");
        let published = neurons(&net, &case.basis, Candidates::AsPublished).unwrap();
        assert!(published.neurons[0].block < Some(n / 2), "C{n}: {:?}", published.neurons[0]);
        assert_eq!(published.shares, right.shares);
        if n == 53 {
            assert!(right.neurons[0].fraction_centred.unwrap() > 2.0 * published.neurons[0].fraction_centred.unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_neuron_of_one_frequency_is_found(n in 3..40_usize, k in any::<u16>(), dihedral in any::<bool>()) {
        let case = if dihedral { Case::dihedral(n) } else { Case::cyclic(n) };
        let k = 1 + k as usize % (n / 2);
        let embed = ndarray::Array2::from_shape_fn((case.n, 1), |(x, _)| wave(n, k)[[x % n, 0]]);
        let net = irreplens::model::Bilinear::new(embed.clone(), embed, Array2::ones((1, case.n))).unwrap();
        let neuron = &neurons(&net, &case.basis, Candidates::AllBlocks).unwrap().neurons[0];
        assert_eq!(neuron.block, Some(k));
        near_of("fraction", &[neuron.fraction_explained.unwrap(), neuron.fraction_centred.unwrap()], &[1.0; 2], 1.0);
    }
}

//! Neuron clusters: shares, labels, dim neurons, and the published loop that stops one frequency short.

use crate::models;
use crate::oracle::{Case, less_mean, near, near_of, values};
use irreplens::analysis::notebook::{self, Labels};
use irreplens::analysis::{NeuronClusters, NeuronKind, label_neurons, neurons};
use irreplens::fourier::IrrepBasis;
use irreplens::group::Dihedral;
use irreplens::model::{BlockEnergies, FromFn, Interpretable, Network, Precomputed, Site};
use irreplens::task::Pair;
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
        near_of(&what, &[neuron.fraction_explained.unwrap()], &[shares[first]], 1.0);
        let second = order.get(1).map_or(shares[0], |&second| shares[second]);
        match neuron.block {
            // Forced, a tie may go either way.
            Some(label) => {
                near_of(&what, &[shares[label.index()]], &[shares[first]], 1.0);
                near_of(&what, &[neuron.fraction_centred.unwrap()], &[centred[label.index()] / energy_centred], 1.0);
            }
            None => assert!(neuron.kind == NeuronKind::Tied && shares[first] - second < 1e-5, "{what}: {neuron:?}"),
        }
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
            let mut values = values(&model, &case, model.neuron_site());
            if model.neuron_site() == "logits" {
                values = less_mean(values);
            }
            if case.n == 1 {
                continue; // one pair: nothing varies, and a ReLU may be off (see `dim_neurons`)
            }
            // A bilinear or biased neuron always varies; one behind a ReLU may be off for every pair.
            let silent = (0..values[0].len()).any(|k| values.iter().all(|row| row[k] == values[0][k]));
            if silent {
                continue;
            }
            for labels in [None, Some(Labels::Forced), Some(Labels::AsPublished)] {
                let last = if labels == Some(Labels::AsPublished) { case.m / 2 } else { case.blocks.len() };
                let found = match labels {
                    None => neurons(&model, &case.basis),
                    Some(labels) => notebook::neurons(&model, &case.basis, labels),
                };
                let found = found.unwrap();
                let label = |energies: &BlockEnergies| match labels {
                    None => label_neurons(energies, &case.basis),
                    Some(labels) => notebook::label_neurons(energies, &case.basis, labels),
                };
                check(&format!("{}, {kind}, {labels:?}", case.name), &case, &found, &values, last);
                assert_eq!(found.site, model.neuron_site());
                if model.neuron_site() != "logits" {
                    let energies = model.block_energies(model.neuron_site(), &case.basis).unwrap();
                    assert_eq!(found, label(&energies));
                }
                let (spectrum, _) = model.neuron_and_logit_spectra(&case.basis).unwrap();
                let again = label(&spectrum.by_block);
                assert_eq!(found.clusters(), again.clusters());
                near("shares", found.shares.iter().copied(), again.shares.iter().copied());
                near("centred", found.shares_centred.iter().copied(), again.shares_centred.iter().copied());
                let members: usize = found.clusters().values().map(Vec::len).sum();
                let rest =
                    [NeuronKind::Tied, NeuronKind::Constant, NeuronKind::Dim].map(|kind| found.of_kind(kind).len());
                assert_eq!(members + rest.iter().sum::<usize>(), found.neurons.len());
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
    let net = Network::summed(embed.clone(), embed, Array2::ones((5, n))).unwrap();
    let found = neurons(&net, &case.basis).unwrap();
    assert_eq!(found.dim(), [0, 1]);
    for k in [0, 1] {
        let neuron = &found.neurons[k];
        assert!(neuron.share < 1e-6);
        assert_eq!((neuron.block, neuron.fraction_explained, neuron.runner_up), (None, None, None));
        assert_eq!(neuron.fraction_centred, None);
    }
    assert!(found.shares.row(0).iter().all(|&share| share == 0.0));
    // The constant neuron is explained by any block, but only by the constant in it: forced, it is filed under some.
    let constant = &found.neurons[2];
    assert_eq!((constant.kind, constant.block, constant.fraction_centred), (NeuronKind::Constant, None, None));
    assert!(found.shares_centred.row(2).iter().all(|&share| share == 0.0));
    let forced = notebook::neurons(&net, &case.basis, Labels::Forced).unwrap();
    let constant = &forced.neurons[2];
    assert!(constant.block.is_some());
    near_of("constant", &[constant.fraction_explained.unwrap(), constant.runner_up.unwrap()], &[1.0, 1.0], 1.0);
    assert_eq!(constant.fraction_centred, None);
    assert_eq!(found.clusters(), [(case.ids(&[2])[0], vec![3, 4])].into());
    let text = found.to_string();
    assert!(text.ends_with("\n  constant          1  2\n  dim               2  0, 1"), "{text}");
    // The values of the two spectra of a scaled neuron are in proportion.
    assert!((found.neurons[3].fraction_explained.unwrap() - found.neurons[4].fraction_explained.unwrap()).abs() < 1e-5);
}

#[test]
fn an_always_on_bias_does_not_vary() {
    let (n, case) = (6, Case::dihedral(3));
    let zeros = Array2::zeros((n, 2));
    let bias = Some(Array1::from_elem(3, 0.7f32));
    let net = Network::one_layer(zeros.clone(), zeros, Array2::ones((4, 3)), bias, Array2::ones((3, n))).unwrap();
    for neuron in neurons(&net, &case.basis).unwrap().neurons {
        near_of("share", &[neuron.share], &[1.0 / 3.0], 1.0);
        assert_eq!((neuron.kind, neuron.block, neuron.fraction_explained), (NeuronKind::Constant, None, None));
    }
    for neuron in notebook::neurons(&net, &case.basis, Labels::Forced).unwrap().neurons {
        near_of("share", &[neuron.share, neuron.fraction_explained.unwrap()], &[1.0 / 3.0, 1.0], 1.0);
        assert_eq!((neuron.runner_up, neuron.fraction_centred), (None, None));
    }
}

#[test]
fn a_layer_of_zeros_is_all_dim() {
    for case in [Case::cyclic(1), Case::cyclic(5), Case::dihedral(2)] {
        let zeros = Array2::zeros((case.n, 4));
        let net = Network::summed(zeros.clone(), zeros.clone(), zeros.t().to_owned()).unwrap();
        let found = neurons(&net, &case.basis).unwrap();
        assert_eq!(found.dim(), [0, 1, 2, 3]);
        assert!(found.clusters().is_empty());
        assert!(found.neurons.iter().all(|neuron| neuron.share == 0.0));
    }
}

#[test]
fn one_element_has_no_frequency() {
    let case = Case::cyclic(1);
    let found = neurons(&models::bilinear(1, 3, 1), &case.basis).unwrap();
    let constant = found.of_kind(NeuronKind::Constant);
    assert_eq!((constant.len(), found.blocks.len(), found.clusters().len()), (3, 1, 0));
}

#[test]
fn the_published_loop_never_tries_the_last_frequency() {
    for n in [3, 5, 7, 8, 9, 53] {
        let case = Case::cyclic(n);
        let net = Network::summed(wave(n, n / 2), wave(n, n / 2), Array2::ones((1, n))).unwrap();
        let right = neurons(&net, &case.basis).unwrap();
        assert_eq!(right.neurons[0].block.unwrap(), n / 2, "C{n}");
        let published = notebook::neurons(&net, &case.basis, Labels::AsPublished).unwrap();
        assert!(published.neurons[0].block < right.neurons[0].block, "C{n}: {:?}", published.neurons[0]);
        assert_eq!(published.shares, right.shares);
        if n == 53 {
            assert!(right.neurons[0].fraction_centred.unwrap() > 2.0 * published.neurons[0].fraction_centred.unwrap());
        }
    }
}

/// Neurons as functions of (x, y), beside logits that say nothing.
fn neurons_of(n: usize, functions: Vec<Box<dyn Fn(usize, usize) -> f32 + Send + Sync>>) -> impl Interpretable {
    let sites = vec![Site::new("hidden", functions.len()), Site::new("logits", n)];
    FromFn::new(n, sites, "hidden", move |pairs: &[Pair]| {
        let value = |(i, k): (usize, usize)| functions[k](pairs[i].0.index(), pairs[i].1.index());
        vec![Array2::from_shape_fn((pairs.len(), functions.len()), value), Array2::zeros((pairs.len(), n))]
    })
    .unwrap()
}

/// No frequency has more of a function of the kinds of x and y than any other, however it is rounded; the irreps of the whole
/// group know it as the sign.
#[test]
fn ties_have_no_block_but_may_have_an_irrep() {
    for n in [3, 5, 8, 53, 128] {
        let group = Dihedral::new(n).unwrap();
        let case = Case::dihedral(n);
        let sign = move |x: usize| if x < n { 1.0f32 } else { -1.0 };
        let angle = move |k: usize, x: usize| (TAU * (k * (x % n) % n) as f32 / n as f32).cos();
        // Small deviations that no net is without, and a large mean, change nothing.
        let noise = |x: usize, y: usize| ((x * 7919 + y * 104_729) % 1013) as f32 / 1013.0 - 0.5;
        let net = neurons_of(
            2 * n,
            vec![
                Box::new(move |x, y| 0.3 * (sign(x) * sign(y) + 1.0)),
                Box::new(move |x, y| 0.7 * sign(x) * sign(y) + 2e-8 * noise(x, y)),
                Box::new(move |x, y| angle(1, x) * angle(1, y)),
                Box::new(move |x, y| 100.0 + 0.1 * angle(1, x) * angle(1, y)),
                Box::new(move |_, _| 0.25),
            ],
        );
        let mut found = neurons(&net, &case.basis).unwrap();
        let kinds: Vec<_> = found.neurons.iter().map(|neuron| (neuron.kind, neuron.block)).collect();
        let (tied, one) = ((NeuronKind::Tied, None), (NeuronKind::Labelled, Some(case.ids(&[1])[0])));
        assert_eq!(kinds, [tied, tied, one, one, (NeuronKind::Constant, None)], "D{n}");
        assert_eq!(found.clusters(), [(case.ids(&[1])[0], vec![2, 3])].into());
        assert!(found.tied().contains_key(&None));

        let irreps = irreplens::irrep::dihedral(&group).iter().map(|rho| rho.irrep(&group)).collect::<Result<_, _>>();
        let irreps = IrrepBasis::from_irreps(&group, irreps.unwrap()).unwrap();
        let in_irreps = neurons(&net, &irreps).unwrap();
        found.name_ties(&in_irreps);
        assert_eq!(found.tied(), [(Some("sign"), vec![0, 1])].into(), "D{n}");
        let text = found.to_string();
        assert!(text.ends_with("\n  tied (sign)        2  0, 1\n  constant           1  4"), "{text}");
        assert!(text.contains(": labels are not compared with an untrained network's\n"), "{text}");
    }
}

/// Two frequencies in equal parts tie, and stop doing so where one leads clearly: by 1e-4 of what varies, not by 4e-6.
#[test]
fn two_frequencies_in_equal_parts() {
    let (n, case) = (11, Case::cyclic(11));
    let wave = move |k: usize, x: usize, y: usize| (TAU * (k * (x + y) % n) as f32 / n as f32).cos();
    let net = neurons_of(
        n,
        vec![
            Box::new(move |x, y| wave(2, x, y) + wave(3, x, y)),
            Box::new(move |x, y| wave(2, x, y) + 1.0001 * wave(3, x, y)),
            Box::new(move |x, y| 1e-3 * (wave(2, x, y) + wave(3, x, y)) + 5.0),
            Box::new(move |x, y| wave(2, x, y) + 1.000004 * wave(3, x, y)),
        ],
    );
    let found = neurons(&net, &case.basis).unwrap();
    let labels: Vec<_> = found.neurons.iter().map(|neuron| neuron.block).collect();
    assert_eq!(
        (labels, found.of_kind(NeuronKind::Tied)),
        (vec![None, Some(case.ids(&[3])[0]), None, None], vec![0, 2, 3])
    );
    let forced = notebook::neurons(&net, &case.basis, Labels::Forced).unwrap();
    assert!(forced.neurons.iter().all(|neuron| neuron.block.is_some_and(|b| b == 2 || b == 3)));
}

/// Recorded logits as neurons: what is common to all of a pair is not among what they compute.
#[test]
fn logits_as_neurons_are_less_their_mean() {
    let case = Case::cyclic(7);
    let logit = |x: usize, y: usize, z: usize, shift: f32| {
        let t = (x + y + 7 - z) % 7;
        (TAU * 2.0 * t as f32 / 7.0).cos() + shift * (TAU * (x + 3 * y) as f32 / 7.0).sin()
    };
    let net = |shift: f32| {
        let logits = Array2::from_shape_fn((49, 7), |(i, z)| logit(i / 7, i % 7, z, shift));
        Precomputed::new(vec![("logits".into(), logits)], "logits").unwrap()
    };
    let [plain, shifted] = [0.0, 5.0].map(|s| neurons(&net(s), &case.basis).unwrap());
    assert_eq!(plain.clusters(), [(case.ids(&[2])[0], (0..7).collect())].into());
    assert_eq!(shifted.clusters(), plain.clusters());
    near("shares", shifted.shares.iter().copied(), plain.shares.iter().copied());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_neuron_of_one_frequency_is_found(n in 3..40_usize, k in any::<u16>(), dihedral in any::<bool>()) {
        let case = if dihedral { Case::dihedral(n) } else { Case::cyclic(n) };
        let k = 1 + k as usize % (n / 2);
        let embed = ndarray::Array2::from_shape_fn((case.n, 1), |(x, _)| wave(n, k)[[x % n, 0]]);
        let net = Network::bilinear(embed.clone(), embed, Array2::ones((1, case.n))).unwrap();
        let neuron = &neurons(&net, &case.basis).unwrap().neurons[0];
        assert_eq!(neuron.block.unwrap(), k);
        near_of("fraction", &[neuron.fraction_explained.unwrap(), neuron.fraction_centred.unwrap()], &[1.0; 2], 1.0);
    }
}

//! Measures of theory: sparsity, rank one, phases and margins, each by a second route.

use crate::models;
use irreplens::analysis::{gini, inverse_participation_ratio, margin, phases, rank_one, sparsity};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{Cyclic, Elem, Group, GroupExt, GroupName, NamedGroup};
use irreplens::irrep::Kind;
use irreplens::model::{Activation, Architecture, Interpretable, Network};
use irreplens::task::Task;
use irreplens::{Error, group};
use ndarray::{Array1, Array2, Axis};
use proptest::prelude::*;

fn named(name: &str) -> NamedGroup {
    name.parse::<GroupName>().unwrap().build().unwrap()
}

proptest! {
    /// Half the mean absolute difference over the mean, by its definition.
    #[test]
    fn gini_is_half_the_mean_difference(values in proptest::collection::vec(0.0..9.0f64, 1..30)) {
        let m = values.len() as f64;
        let mean = values.iter().sum::<f64>() / m;
        let pairs = values.iter().flat_map(|a| values.iter().map(move |b| (a - b).abs()));
        let by_definition = if mean > 0.0 { pairs.sum::<f64>() / (2.0 * m * m * mean) } else { 0.0 };
        prop_assert!((gini(&values) - by_definition).abs() < 1e-12);
        let ratio = inverse_participation_ratio(&values);
        prop_assert!(mean == 0.0 || (1.0 / m - 1e-12..=1.0 + 1e-12).contains(&ratio));
    }
}

/// Energies by irrep from characters alone: `|P f|^2` with `P f(x) = d / (n <chi, chi>) sum over y of chi(x y^-1) f(y)`.
#[test]
fn sparsity_is_that_of_the_parts_that_characters_give() {
    for name in ["S4", "C7:C3", "SL(2,3)", "C9", "D6"] {
        let group = named(name);
        let (n, width) = (group.order(), 3);
        let basis = IrrepBasis::new(&group).unwrap();
        let map = |seed| models::Draw::new(seed).matrix(n, width);
        let net = Network::summed(map(1), map(2), map(3).reversed_axes()).unwrap();
        let found = sparsity(&net, &basis).unwrap();
        for (found, map) in [(found.left, map(1)), (found.right, map(2)), (found.unembed, map(3))] {
            let found = found.unwrap();
            let mut norms = Vec::new();
            let mut ratios = vec![0.0; width];
            let whole: Vec<f64> = map
                .columns()
                .into_iter()
                .map(|f| f.iter().map(|&v| f64::from(v - f.mean().unwrap()).powi(2)).sum())
                .collect();
            for irrep in &basis.irreps()[1..] {
                let scale = irrep.dim as f64 / (n * irrep.kind.norm()) as f64;
                let mut energy = 0.0;
                for k in 0..width {
                    let part = |x: usize| -> f64 {
                        let of = |y: usize| {
                            let product = group.compose(Elem::new(x), group.inverse(Elem::new(y)));
                            irrep.character[product.index()] * f64::from(map[[y, k]])
                        };
                        scale * (0..n).map(of).sum::<f64>()
                    };
                    let of_neuron: f64 = (0..n).map(|x| part(x).powi(2)).sum();
                    ratios[k] += (of_neuron / whole[k]).powi(2);
                    energy += of_neuron;
                }
                norms.extend(std::iter::repeat_n((energy / irrep.rank() as f64).sqrt(), irrep.rank()));
            }
            assert_eq!(norms.len(), n - 1);
            assert!((found.gini - gini(&norms)).abs() < 1e-5, "{name}: {} {}", found.gini, gini(&norms));
            let mean = ratios.iter().sum::<f64>() / width as f64;
            assert!((found.inverse_participation_ratio - mean).abs() < 1e-5, "{name}");
            assert!(found.neurons.iter().zip(&ratios).all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
        }
    }
}

/// Two bases with one and the same blocks agree, whatever their rows within a block; a constant is no component.
#[test]
fn sparsity_depends_on_blocks_alone() {
    let group = Cyclic::new(12).unwrap();
    let net = models::one_layer(12, 4, 5, false, 3);
    let of = |basis: &dyn FourierBasis| sparsity(&net, basis).unwrap();
    let (waves, irreps) = (of(&CyclicSubgroupBasis::cyclic(&group)), of(&IrrepBasis::new(&group).unwrap()));
    let close = |a: Option<_>, b: Option<_>| {
        let (a, b): (irreplens::analysis::Sparsity, irreplens::analysis::Sparsity) = (a.unwrap(), b.unwrap());
        assert!((a.gini - b.gini).abs() < 1e-5, "{a:?} {b:?}");
        assert!((a.inverse_participation_ratio - b.inverse_participation_ratio).abs() < 1e-5, "{a:?} {b:?}");
    };
    close(waves.left, irreps.left);
    close(waves.unembed, irreps.unembed);

    let ones = Array2::<f32>::from_elem((12, 2), 0.3);
    let constant = Network::summed(ones.clone(), ones.clone(), ones.reversed_axes()).unwrap();
    let found = sparsity(&constant, &IrrepBasis::new(&group).unwrap()).unwrap();
    assert_eq!((found.left, found.unembed), (None, None));
}

/// A network of neurons that are `u^T rho(x) v`, `v^T rho(y) w`, `sign u^T rho(z) w` of one irrep, in other coordinates than the
/// library's own.
fn of_vectors(group: &NamedGroup, basis: &IrrepBasis, irrep: usize, sign: f64) -> Network {
    let irrep = &basis.irreps()[irrep];
    let rho = irrep.matrices(&group.cayley_table(), 7).unwrap();
    let (n, d, width) = (group.order(), irrep.dim, 4);
    let vector = |seed: u64, k: usize| -> Array1<f64> {
        let mut draw = models::Draw::new(5 * seed + k as u64);
        (0..d).map(|_| f64::from(draw.number())).collect()
    };
    let map = |a: u64, b: u64, factor: f64| {
        Array2::from_shape_fn((n, width), |(x, k)| {
            let matrix = rho.matrices().index_axis_move(Axis(0), x).to_owned();
            (factor * vector(a, k).dot(&matrix.dot(&vector(b, k)))) as f32
        })
    };
    Network::summed(map(1, 2, 1.0), map(2, 3, 1.0), map(1, 3, sign).reversed_axes()).unwrap()
}

#[test]
fn neurons_of_shared_vectors_are_of_rank_one_and_aligned_whatever_the_kind() {
    for (name, kind) in [
        ("S4", Kind::Real),
        ("A5", Kind::Real),
        ("C7", Kind::Complex),
        ("C7:C3", Kind::Complex),
        ("Q8", Kind::Quaternionic),
        ("SL(2,3)", Kind::Quaternionic),
    ] {
        let group = named(name);
        let basis = IrrepBasis::new(&group).unwrap();
        let of_kind = |i: &usize| basis.irreps()[*i].kind == kind;
        let irrep = (1..basis.irreps().len()).filter(of_kind).max_by_key(|&i| basis.irreps()[i].dim).unwrap();
        for sign in [1.0, -1.0] {
            let net = of_vectors(&group, &basis, irrep, sign);
            let found = rank_one(&net, &group, &basis).unwrap();
            for share in found.rank_one.unwrap().into_iter().chain(found.shared.unwrap()) {
                assert!((share - 1.0).abs() < 1e-5, "{name}: {found:?}");
            }
            assert!(found.neurons.iter().all(|neuron| neuron.as_ref().unwrap().irrep == irrep));
            let aligned = phases(&net, &group, &basis).unwrap().alignment.unwrap();
            assert!((aligned - sign).abs() < 1e-5, "{name}: {aligned}");
        }
    }
    // Random maps are of no rank one and have nothing in common.
    let group = named("S5");
    let basis = IrrepBasis::new(&group).unwrap();
    let net = models::one_layer(120, 16, 40, false, 1);
    let found = rank_one(&net, &group, &basis).unwrap();
    let shares = found.rank_one.unwrap().into_iter().chain(found.shared.unwrap());
    assert!(shares.clone().all(|share| (0.05..0.7).contains(&share)), "{:?}", shares.collect::<Vec<_>>());
    assert!(phases(&net, &group, &basis).unwrap().alignment.unwrap().abs() < 0.3);
}

/// The phases themselves, of sines, beside those that the discrete Fourier transform gives.
#[test]
fn phases_of_sines_are_those_of_the_fourier_transform() {
    let (n, frequency) = (13, 3.0);
    let angle = |x: usize| std::f64::consts::TAU * frequency * x as f64 / n as f64;
    let phase = [0.4, -1.1, 2.0];
    let map = |i: usize| Array2::from_shape_fn((n, 1), |(x, _)| (angle(x) + phase[i]).cos() as f32);
    let net = Network::summed(map(0), map(1), map(2).reversed_axes()).unwrap();
    let (group, basis) = (Cyclic::new(n).unwrap(), IrrepBasis::new(&Cyclic::new(n).unwrap()).unwrap());
    let found = phases(&net, &group, &basis).unwrap();
    let neuron = found.neurons[0].as_ref().unwrap();
    // The irrep's matrices may turn the other way round; phases then have the other sign, all three.
    let got = neuron.phases.unwrap();
    let same = |sign: f64| got.iter().zip(&phase).all(|(a, b)| (a - sign * b).abs() < 1e-5);
    assert!(same(1.0) || same(-1.0), "{got:?}");
    assert!((neuron.alignment - (phase[0] + phase[1] - phase[2]).cos()).abs() < 1e-6);
}

#[test]
fn margins_are_those_of_the_logits_and_do_not_grow_with_the_weights() {
    let (n, width) = (9, 7);
    let map = |seed: u64, factor: f32| models::Draw::new(seed).matrix(n, width) * factor;
    let group = Cyclic::new(n).unwrap();
    let task = Task::new(&group);
    for (architecture, degree) in [
        (Architecture::summed(width), 2),
        (Architecture::summed_with(width, Activation::Square), 3),
        (Architecture::bilinear(width), 3),
    ] {
        let of = |factor: f32| {
            let weights = [
                ("W_E_a", map(1, factor)),
                ("W_E_b", map(2, factor)),
                ("W_U", map(3, factor).reversed_axes().as_standard_layout().into_owned()),
            ];
            Network::with_parameters(architecture.clone(), n, weights).unwrap()
        };
        let (net, twice) = (of(1.0), of(2.0));
        let found = margin(&net, &task).unwrap();
        let logits = net.forward(&task.pairs(0..n * n)).unwrap();
        let by_hand: Vec<f64> = (0..n * n)
            .map(|pair| {
                let label = (pair / n + pair % n) % n;
                let others = (0..n).filter(|&z| z != label).map(|z| f64::from(logits[[pair, z]]));
                f64::from(logits[[pair, label]]) - others.fold(f64::NEG_INFINITY, f64::max)
            })
            .collect();
        let least = by_hand.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(found.minimal, least);
        assert_eq!(by_hand[found.pair[0] * n + found.pair[1]], least);
        assert!((found.mean - by_hand.iter().sum::<f64>() / (n * n) as f64).abs() < 1e-9);
        let larger = margin(&twice, &task).unwrap();
        assert!((larger.minimal / found.minimal - 2f64.powi(degree)).abs() < 1e-5);
        assert!((larger.normalised.unwrap() / found.normalised.unwrap() - 1.0).abs() < 1e-5);
    }
    let biased = Network::summed(map(1, 1.0), map(2, 1.0), map(3, 1.0).reversed_axes()).unwrap();
    let biased = biased.with_output_bias(Array1::from_iter((0..n).map(|z| z as f32))).unwrap();
    assert_eq!(margin(&biased, &task).unwrap().normalised, None);
}

#[test]
fn a_model_without_maps_and_a_basis_of_another_group_are_errors() {
    let group = group::Symmetric::new(3).unwrap();
    let basis = IrrepBasis::new(&group).unwrap();
    let transformer = models::transformer(6, 1);
    assert!(matches!(rank_one(&transformer, &group, &basis), Err(Error::Unsupported { .. })));
    assert!(matches!(phases(&transformer, &group, &basis), Err(Error::Unsupported { .. })));
    assert!(sparsity(&transformer, &basis).is_ok()); // it has embeddings
    assert!(margin(&transformer, &Task::new(&group)).unwrap().normalised.is_none());
    let other = Cyclic::new(6).unwrap();
    let net = models::one_layer(6, 4, 5, false, 1);
    assert!(matches!(rank_one(&net, &other, &basis), Err(Error::OtherGroup { .. })));
    assert!(matches!(margin(&net, &Task::new(&Cyclic::new(5).unwrap())), Err(Error::Shape { .. })));
}

//! What a softmax does not see, nothing measures: a function of the pair added to all of its logits changes no measure of
//! logits. And what no measure can be made of is an error or nothing, never NaN.

use crate::models::{self, Draw};
use crate::oracle::{Case, near, near_of};
use irreplens::Error;
use irreplens::analysis::{
    Interpretation, NeuronKind, RepresentationMeasures, cosets, embedding, interpret, logit_directions, neurons,
    progress_measures, representation,
};
use irreplens::fourier::{FourierBasis, IrrepBasis};
use irreplens::group::{Cyclic, Dihedral, Group, subgroup_classes};
use irreplens::model::{FromFn, Hooks, Interpretable, Network, Precomputed, Site};
use irreplens::task::{Pair, Split, Task};
use ndarray::{Array1, Array2};
use proptest::prelude::{ProptestConfig, any, proptest};

fn group(n: usize, dihedral: bool) -> (Case, Box<dyn Group>) {
    match dihedral {
        true => (Case::dihedral(n), Box::new(Dihedral::new(n).unwrap())),
        false => (Case::cyclic(n), Box::new(Cyclic::new(n).unwrap())),
    }
}

fn measured(case: &Case, group: &dyn Group, model: &dyn Interpretable) -> (Interpretation, RepresentationMeasures) {
    let split = Split::random(case.n, 0.5, 1).unwrap();
    let basis = IrrepBasis::new(group).unwrap();
    (
        interpret(model, &case.basis, &case.task).unwrap(),
        representation(model, group, &basis, &case.task, &split).unwrap(),
    )
}

/// Every measure of the logits that both have.
fn same(
    what: &str,
    case: &Case,
    a: &(Interpretation, RepresentationMeasures),
    b: &(Interpretation, RepresentationMeasures),
) {
    let (a, a_irreps, b, b_irreps) = (&a.0, &a.1, &b.0, &b.1);
    near(&format!("{what}: baseline"), [b.baseline.loss], [a.baseline.loss]);
    let shares = |found: &Interpretation| found.logit_shares().map_or([0.0; 5], |s| s.kinds());
    near_of(&format!("{what}: kinds"), &shares(b), &shares(a), 1.0);
    let [x, y] = [b, a].map(|found| &found.logit_spectrum);
    let scale = y.by_block.energy.sum();
    let all = |s: &irreplens::model::SiteSpectrum| {
        let b = &s.by_block;
        let arrays = [&b.linear_x, &b.linear_y, &b.product, &s.mean_square].into_iter().flatten().copied();
        arrays.chain(b.energy.iter().copied()).chain(b.constant.iter().copied()).collect::<Vec<f64>>()
    };
    near_of(&format!("{what}: spectrum"), &all(x), &all(y), scale);
    assert!(a.key_blocks().eq(b.key_blocks()), "{what}");
    near_of(
        &format!("{what}: directions"),
        &b.directions.energy.iter().copied().collect::<Vec<_>>(),
        &a.directions.energy.iter().copied().collect::<Vec<_>>(),
        scale,
    );
    if let (Some(x), Some(y)) = (&b.directions.product_share, &a.directions.product_share) {
        for (i, ((x, y), at)) in x.iter().zip(y).zip(a.directions.energy.iter()).enumerate() {
            if *at > 1e-3 * scale {
                near_of(&format!("{what}: product share {i}"), &[x.unwrap()], &[y.unwrap()], 1.0);
            }
        }
    }
    if let (Some(x), Some(y)) = (b.published.parity, a.published.parity) {
        near(&format!("{what}: parity"), [x.loss], [y.loss]);
    }
    let similarities = |found: &RepresentationMeasures| -> Vec<f64> {
        found.irreps.iter().map(|m| m.trace_similarity.unwrap_or(0.0)).chain(found.logit_fve).collect()
    };
    near_of(&format!("{what}: similarities"), &similarities(b_irreps), &similarities(a_irreps), 1.0);
    for (x, y) in b_irreps.irreps.iter().zip(&a_irreps.irreps) {
        if let (Some(x), Some(y)) = (x.losses, y.losses) {
            near(&format!("{what}: restricted"), [x.logit_restricted.loss], [y.logit_restricted.loss]);
            let excluded = [x, y].map(|l| l.logit_excluded.unwrap().loss);
            near(&format!("{what}: excluded"), [excluded[0]], [excluded[1]]);
        }
    }
    let blocks = |found: &Interpretation| -> Vec<f64> {
        let all = &found.logit_spectrum.by_block;
        let parts = [&all.linear_x, &all.linear_y, &all.product].into_iter().flatten();
        parts.chain(&all.constant).chain(&all.energy).copied().collect()
    };
    near_of(&format!("{what}: by block"), &blocks(b), &blocks(a), a.logit_spectrum.by_block.energy.sum());
    assert_eq!(case.n, a.logit_spectrum.by_block.energy.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Recorded logits with any function of the pair added.
    #[test]
    fn a_function_of_the_pair_changes_no_measure(n in 2..8_usize, dihedral in any::<bool>(), seed in any::<u32>()) {
        let (case, group) = group(n, dihedral);
        let net = models::summed(case.n, 6, seed.into());
        let plain = Precomputed::record(&net, &["hidden", "logits"], "hidden").unwrap();
        let mut cache = net.run_with_cache(&case.pairs(), &["hidden", "logits"]).unwrap();
        let (hidden, mut logits) = (cache.take("hidden").unwrap(), cache.take("logits").unwrap());
        let largest = logits.iter().fold(0.0f32, |m, l| m.max(l.abs()));
        let mut draw = Draw::new(u64::from(seed) + 1);
        for mut row in logits.rows_mut() {
            row += 3.0 * largest * draw.number();
        }
        let shifted = Precomputed::new(vec![("hidden".into(), hidden), ("logits".into(), logits)], "hidden").unwrap();
        let energies = [&plain, &shifted]
            .map(|model| logit_directions(model, &case.basis, &case.task, &case.basis.block_ids()).unwrap().energy.into_iter().collect());
        let [want, got]: [Vec<f64>; 2] = energies;
        near_of("directions, with the constant", &got, &want, want.iter().sum());
        let [a, b] = [&plain, &shifted].map(|model| measured(&case, &group, model));
        same("recorded", &case, &a, &b);
        // Here the hidden layer of the irreps' measures is the logits.
        for (x, y) in b.1.irreps.iter().zip(&a.1.irreps) {
            let shares = |m: &irreplens::analysis::IrrepMeasures| [m.hidden_x, m.hidden_y, m.hidden_xy].map(|s| s.unwrap_or(0.0));
            near_of("hidden", &shares(x), &shares(y), 1.0);
        }
        // What is as it is, is not what it was.
        assert!((a.0.raw_logit_split().total() / b.0.raw_logit_split().total() - 1.0).abs() > 0.1);
    }

    /// The same in the weights: a row of W_U is a function of the pair if it is the same for all classes.
    #[test]
    fn a_constant_in_every_row_of_w_u_changes_no_measure(n in 2..8_usize, dihedral in any::<bool>(), seed in any::<u32>()) {
        let (case, group) = group(n, dihedral);
        let mut draw = Draw::new(seed.into());
        let (left, right, unembed) = (draw.matrix(case.n, 6), draw.matrix(case.n, 6), draw.matrix(6, case.n));
        let shifted = &unembed + &(3.0 * draw.matrix(6, 1));
        let [plain, shifted] =
            [unembed, shifted].map(|unembed| Network::summed(left.clone(), right.clone(), unembed).unwrap());
        let [a, b] = [&plain, &shifted].map(|model| measured(&case, &group, model));
        same("weights", &case, &a, &b);
        let [x, y] = [&plain, &shifted].map(|model| embedding(model, &case.basis).unwrap());
        near("W_U, centred", y.unembed_centred.unwrap(), x.unembed_centred.unwrap());
        let [sum_x, sum_y] = [&a, &b].map(|(found, _)| found.published.unembed_sum.clone().unwrap().into_iter().skip(1));
        near("W_U, sectors added", sum_y, sum_x);
        for (got, want) in b.1.irreps.iter().zip(&a.1.irreps) {
            near_of("W_U, irreps", &[got.unembed_centred.unwrap()], &[want.unembed_centred.unwrap()], 1.0);
        }
        let split = Split::random(case.n, 0.5, 1).unwrap();
        let keys = &case.basis.block_ids()[1..];
        let [x, y] = [&plain, &shifted]
            .map(|model| progress_measures(model, &case.basis, &case.task, &split, keys).unwrap());
        for (got, want) in y.keys.iter().zip(&x.keys) {
            near_of("W_U, blocks", &[got.unembed_share_centred.unwrap()], &[want.unembed_share_centred.unwrap()], 1.0);
            near("restricted", [got.restricted.loss], [want.restricted.loss]);
            near("excluded", [got.excluded.unwrap().loss], [want.excluded.unwrap().loss]);
        }
    }
}

/// Models of which there is nothing to measure: all zero, constant, the same logits for all classes, one neuron off.
fn degenerate() -> Vec<(&'static str, Network)> {
    let n = 6;
    let ones = |r, c| Array2::<f32>::ones((r, c));
    let draw = |seed: u64, r, c| Draw::new(seed).matrix(r, c);
    let net = |left, right, unembed| Network::summed(left, right, unembed).unwrap();
    vec![
        ("zero", net(0.0 * ones(n, 3), 0.0 * ones(n, 3), 0.0 * ones(3, n))),
        ("off", net(-ones(n, 3), -ones(n, 3), draw(1, 3, n))),
        ("constant neurons", net(0.1 * ones(n, 3), 0.3 * ones(n, 3), draw(2, 3, n))),
        ("nothing read", net(draw(3, n, 3), draw(4, n, 3), 0.0 * ones(3, n))),
        ("all classes alike", net(draw(5, n, 3), draw(6, n, 3), &(0.0 * ones(3, n)) + &draw(7, 3, 1))),
    ]
}

/// JSON writes NaN and infinity as null: what serialises to null must be a `None`, and print as a word or a dash.
#[test]
fn nothing_is_nan() {
    for (case, group) in [group(6, false), group(3, true)] {
        let split = Split::random(6, 0.5, 1).unwrap();
        for (what, net) in degenerate() {
            let what = format!("{what} on {}", case.name);
            let (found, measures) = measured(&case, &group, &net);
            let progress = progress_measures(&net, &case.basis, &case.task, &split, &case.ids(&[1])).unwrap();
            let on_cosets = cosets(&net, &group, &subgroup_classes(&group, 100).unwrap()).unwrap();
            let texts = [found.to_string(), measures.to_string(), progress.to_string(), on_cosets.to_string()];
            for text in &texts {
                assert!(!text.contains("NaN") && !text.contains("inf"), "{what}: {text}");
            }
            // `Debug` shows NaN as it is.
            for debug in
                [format!("{found:?}"), format!("{measures:?}"), format!("{progress:?}"), format!("{on_cosets:?}")]
            {
                let at = debug.find("NaN").or_else(|| debug.find("inf"));
                assert!(at.is_none(), "{what}: ...{}", &debug[at.unwrap().saturating_sub(300)..]);
            }
            let shares = found.logit_shares();
            assert_eq!(shares.is_some(), measures.logit_fve.is_some(), "{what}");
            if !what.starts_with("constant neurons") {
                assert!(shares.is_none() && measures.key.is_empty(), "{what}: {shares:?}");
                assert!(
                    texts[0].contains("there is no energy: they are constant")
                        && texts[1].contains("none of the logits"),
                    "{what}"
                );
                assert!(measures.irreps.iter().all(|m| m.trace_similarity.is_none()), "{what}");
            }
            let hidden = found.neuron_spectrum.split_centred().shares();
            let varies = what.starts_with("nothing read") || what.starts_with("all classes");
            assert_eq!(hidden.is_some(), varies, "{what}");
            assert_eq!(measures.irreps[0].hidden_x.is_some(), varies, "{what}");
            assert_eq!(measures.hidden_fve().is_some(), varies, "{what}");
            assert!(varies || found.neurons.clusters().is_empty(), "{what}");
        }
    }
}

/// A bias that is added after the ReLU, and nothing else, gives constant logits that differ between classes.
#[test]
fn constant_logits_have_their_constant() {
    let case = Case::dihedral(3);
    let zeros = Array2::zeros((6, 2));
    let bias = Some(Array1::from_elem(3, 0.7f32));
    let net = Network::one_layer(zeros.clone(), zeros, Array2::ones((4, 3)), bias, Draw::new(1).matrix(3, 6)).unwrap();
    let shares = interpret(&net, &case.basis, &case.task).unwrap().logit_shares().unwrap();
    assert_eq!(shares.kinds(), [1.0, 0.0, 0.0, 0.0, 0.0]);
}

/// Activations that are finite up to a pair, and logits that are not at it.
fn overflows_at(n: usize, pair: (usize, usize), class: usize, value: f32) -> impl Interpretable {
    let sites = vec![Site::new("hidden", 2), Site::new("logits", n)];
    FromFn::new(n, sites, "hidden", move |pairs: &[Pair]| {
        let at = |i: usize| (pairs[i].0.index(), pairs[i].1.index());
        let hidden = |(i, k): (usize, usize)| (at(i).0 * (k + 1) + at(i).1) as f32;
        let logits = |(i, z): (usize, usize)| if at(i) >= pair && z == class { value } else { (at(i).0 + z) as f32 };
        vec![Array2::from_shape_fn((pairs.len(), 2), hidden), Array2::from_shape_fn((pairs.len(), n), logits)]
    })
    .unwrap()
}

#[test]
fn an_overflow_names_the_first_pair() {
    for (n, pair) in [(5, (2, 3)), (23, (0, 0)), (23, (17, 1)), (40, (39, 39))] {
        let group = Cyclic::new(n).unwrap();
        let (case, task) = (Case::cyclic(n), Task::new(&group));
        let (irreps, split) = (IrrepBasis::new(&group).unwrap(), Split::random(n, 0.5, 1).unwrap());
        for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let net = overflows_at(n, pair, 1, value);
            let errors = [
                net.evaluate(&task, &Hooks::none()).unwrap_err(),
                net.pair_means(&task, &[]).unwrap_err(),
                net.neuron_and_logit_spectra(&case.basis).unwrap_err(),
                interpret(&net, &case.basis, &task).unwrap_err(),
                representation(&net, &group, &irreps, &task, &split).unwrap_err(),
                logit_directions(&net, &case.basis, &task, &case.ids(&[1])).unwrap_err(),
            ];
            for error in errors {
                let Error::NonFiniteActivation { site, pair: at, channel, got } = &error else { panic!("{error}") };
                assert_eq!((&site[..], *at, *channel), ("logits", [pair.0, pair.1], 1), "{value}");
                assert!(got == &value || got.is_nan() && value.is_nan());
                let place = format!("site `logits`, channel 1, pair ({}, {})", pair.0, pair.1);
                assert!(error.to_string().starts_with(&place), "{error}");
            }
        }
    }
}

/// Finite weights whose products are not.
#[test]
fn weights_that_overflow() {
    let (case, group) = group(5, false);
    let mut left = Draw::new(1).matrix(5, 4);
    left[[3, 2]] = 1e38;
    let net = Network::summed(left, Draw::new(2).matrix(5, 4), 9.0 * &Draw::new(3).matrix(4, 5)).unwrap();
    let at = |error: Error| match error {
        Error::NonFiniteActivation { pair, .. } => pair,
        other => panic!("{other}"),
    };
    assert_eq!(at(net.evaluate(&case.task, &Hooks::none()).unwrap_err()), [3, 0]);
    assert_eq!(at(interpret(&net, &case.basis, &case.task).unwrap_err()), [3, 0]);
    let (irreps, split) = (IrrepBasis::new(&group).unwrap(), Split::random(5, 0.5, 1).unwrap());
    assert_eq!(at(representation(&net, &group, &irreps, &case.task, &split).unwrap_err()), [3, 0]);
    // Maps that overflow are no function on cosets.
    let embed = 1e38 * &Array2::<f32>::ones((5, 2));
    let maps = Network::one_layer(embed.clone(), embed, 9.0 * &Array2::<f32>::ones((4, 3)), None, Array2::ones((3, 5)))
        .unwrap();
    assert_eq!(at(cosets(&maps, &group, &subgroup_classes(&group, 10).unwrap()).unwrap_err()), [0, 0]);
}

/// Zeros among logits are no ablation that softmax would not see through.
#[test]
fn logits_as_neurons_have_no_ablations() {
    let (case, _) = group(5, true);
    let net = Precomputed::record(&models::summed(case.n, 6, 1), &["logits"], "logits").unwrap();
    let found = interpret(&net, &case.basis, &case.task).unwrap();
    assert!(found.without_cluster.is_none() && found.own_block_only.is_none() && !found.neurons.clusters().is_empty());
}

/// An always-on neuron, however large, hides none of the others.
#[test]
fn a_large_constant_neuron_makes_no_other_dim() {
    let (case, _) = group(7, false);
    let wave = |t: usize| (std::f32::consts::TAU * t as f32 / 7.0).cos();
    let map = |constant: f32| Array2::from_shape_fn((7, 3), |(t, k)| if k == 2 { constant } else { wave(t + k) });
    let net = Network::summed(map(1e4), map(1e4), Draw::new(1).matrix(3, 7)).unwrap();
    let kinds: Vec<NeuronKind> = neurons(&net, &case.basis).unwrap().neurons.iter().map(|neuron| neuron.kind).collect();
    assert_eq!(kinds, [NeuronKind::Labelled, NeuronKind::Labelled, NeuronKind::Constant]);
}

/// Finite values whose coefficients are not.
#[test]
fn coefficients_that_overflow_are_an_error() {
    let (case, _) = group(53, false);
    let mut left = Array2::from_elem((53, 2), 1.0f32);
    left.column_mut(0).fill(-1e38);
    let off = Network::summed(left, Array2::ones((53, 2)), Draw::new(1).matrix(2, 53)).unwrap();
    assert!(matches!(interpret(&off, &case.basis, &case.task), Err(Error::Range { .. })));
    let flat = Network::summed(Array2::ones((53, 4)), Array2::ones((53, 4)), Array2::from_elem((4, 53), 5e36)).unwrap();
    assert!(matches!(interpret(&flat, &case.basis, &case.task), Err(Error::Range { .. })));
}

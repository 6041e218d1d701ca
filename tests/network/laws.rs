//! Random descriptions against the oracle: activations at every site, hooks, gradients, the laws of models.

use super::{descriptions, oracle};
use irreplens::group::{Cyclic, Dihedral, Elem};
use irreplens::model::{Architecture, Hook, Hooks, Interpretable, Transformer, Values};
use irreplens::task::Task;
use ndarray::Array1;
use proptest::prelude::*;

const N: usize = 4;

fn choices() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0u32..10_000, 3..60)
}

fn close(got: f32, want: f64, scale: f64) -> bool {
    (f64::from(got) - want).abs() <= 1e-4 * scale.max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_site_is_what_its_step_says(choices in choices()) {
        let net = descriptions::network(&choices, N);
        let numbers = oracle::parameters(&net);
        let pairs: Vec<_> = (0..N * N).map(|i| (Elem::new(i / N), Elem::new(i % N))).collect();
        let sites = net.sites();
        let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        let cache = net.run_with_cache(&pairs, &names).unwrap();
        for name in names {
            let alone = net.run_with_cache(&pairs, &[name]).unwrap();
            prop_assert_eq!(alone.get(name).unwrap(), cache.get(name).unwrap());
            for (i, (x, y)) in pairs.iter().enumerate() {
                let want = oracle::at_site(&net, &numbers, name, x.index(), y.index());
                let scale = want.iter().fold(0.0f64, |most, v| most.max(v.abs()));
                let got = cache.get(name).unwrap();
                prop_assert_eq!(got.ncols(), want.len());
                for (&got, &want) in got.row(i).iter().zip(&want) {
                    prop_assert!(close(got, want, scale), "{} at {:?}: {} against {}\n{:?}", name, (x, y), got, want, net);
                }
            }
        }
    }

    #[test]
    fn gradients_are_finite_differences(choices in choices()) {
        let net = descriptions::network(&choices, N);
        let task = Task::new(&Cyclic::new(N).unwrap());
        let pairs = [0, 1, 3, 4, 6, 7, 9, 10, 13, 15];
        let (evaluation, gradient) = net.loss_and_gradient(&task, &pairs).unwrap();
        let numbers = oracle::parameters(&net);
        let loss = |numbers: &oracle::Parameters| oracle::loss(net.architecture(), N, numbers, task.labels(), &pairs);
        prop_assert!((evaluation.loss - loss(&numbers)).abs() < 1e-4 * loss(&numbers).max(1.0));
        let scale = gradient.iter().fold(1e-2f32, |most, g| most.max(g.abs()));
        for weight in net.weights() {
            // Some entries of every parameter.
            for i in (0..weight.range.len()).step_by(1 + weight.range.len() / 5) {
                let at = [i / weight.matrix[1], i % weight.matrix[1]];
                let moved = |by: f64| {
                    let mut numbers = numbers.clone();
                    numbers.get_mut(&weight.name).unwrap()[at] += by;
                    loss(&numbers)
                };
                let h = 1e-5;
                let [wide, narrow] = [h, h / 8.0].map(|h| (moved(h) - moved(-h)) / (2.0 * h));
                // A corner of a ReLU between the two.
                prop_assume!((wide - narrow).abs() < 1e-4 * f64::from(scale));
                let got = gradient[weight.range.start + i];
                prop_assert!(
                    (f64::from(got) - narrow).abs() < 2e-3 * f64::from(scale),
                    "{} at {:?}: {} against {}\n{:?}", weight.name, at, got, narrow, net
                );
            }
        }
    }

    #[test]
    fn a_hook_moves_what_reads_the_site_and_nothing_else(choices in choices(), which in 0usize..1000) {
        let net = descriptions::network(&choices, N);
        let sites = net.sites();
        let site = &sites[which % sites.len()];
        let pairs: Vec<_> = (0..N * N).map(|i| (Elem::new(i / N), Elem::new(i % N))).collect();
        let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        let added = Array1::from_shape_fn(site.width, |k| 0.3 + 0.1 * k as f32);
        let hooks = Hooks::none().with(Hook::add(&site.name, Values::PerChannel(added)));
        let (before, after) =
            (net.run_with_cache(&pairs, &names).unwrap(), net.run_with_hooks(&pairs, &hooks, &names).unwrap());
        let step = site.name.split('[').next().unwrap();
        for name in names.iter().take_while(|name| name.split('[').next().unwrap() != step) {
            let off = (&before.get(name).unwrap() - &after.get(name).unwrap()).iter().fold(0.0f32, |m, v| m.max(v.abs()));
            prop_assert!(off < 1e-4, "{} moved with {}: {}\n{:?}", name, site.name, off, net);
        }
        let moved = &after.get(&site.name).unwrap() - &before.get(&site.name).unwrap();
        for (k, column) in moved.columns().into_iter().enumerate() {
            let scale = before.get(&site.name).unwrap().iter().fold(1.0f32, |m, v| m.max(v.abs()));
            prop_assert!(column.iter().all(|v| (v - 0.3 - 0.1 * k as f32).abs() < 1e-4 * scale), "{:?}", column);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn laws_of_models(choices in choices()) {
        let net = descriptions::network(&choices, N);
        irreplens::laws::model::check(&net).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
    }
}

proptest! {
    #[test]
    fn the_neurons_path_carries_what_neurons_do(choices in choices()) {
        let net = descriptions::network(&choices, N);
        irreplens::laws::model::neuron_path(&net).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
    }
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let task = Task::new(&Dihedral::new(40).unwrap());
    let net = descriptions::network(&[2, 3, 0, 0, 6, 2, 2, 0, 1, 0, 5, 3, 0, 2], 80);
    let pairs: Vec<usize> = (0..6400).step_by(2).collect();
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| net.loss_and_gradient(&task, &pairs).unwrap())
    };
    assert_eq!(of(1), of(3));
}

/// The gradient over many pairs, which are cut into segments and bands, is the mean of those over few, which are not.
#[test]
fn gradients_add_up_over_segments_and_bands() {
    let task = Task::new(&Dihedral::new(30).unwrap());
    let all: Vec<usize> = (0..3600).collect();
    // No right element of the second and third quarter; then a few pairs over and over.
    let sides: Vec<usize> =
        all.iter().copied().filter(|pair| !(15..45).contains(&(pair % 60))).cycle().take(4000).collect();
    let few: Vec<usize> = (0..3000).map(|i| 7 * (i % 100) + 3).collect();
    for (heads, layers) in [(4, 1), (5, 1), (2, 2)] {
        let shape = Transformer { d_model: 12, d_head: 3, d_mlp: Some(37), heads, layers, ..Transformer::default() };
        let net = descriptions::with_numbers(shape.architecture(), 60);
        for pairs in [&all, &sides, &few] {
            let (evaluation, gradient) = net.loss_and_gradient(&task, pairs).unwrap();
            let (mut loss, mut sum) = (0.0, vec![0.0; gradient.len()]);
            for chunk in pairs.chunks(90) {
                let (evaluation, gradient) = net.loss_and_gradient(&task, chunk).unwrap();
                let share = chunk.len() as f64 / pairs.len() as f64;
                loss += share * evaluation.loss;
                sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += share * f64::from(g));
            }
            assert!((loss - evaluation.loss).abs() < 1e-9 * loss);
            // A bias of the keys moves all scores alike: its gradient is rounding.
            for weight in net.weights().iter().filter(|weight| !weight.name.ends_with("b_K")) {
                let most = sum[weight.range.clone()].iter().fold(0.0f64, |most, v| most.max(v.abs()));
                for i in weight.range.clone() {
                    let off = (sum[i] - f64::from(gradient[i])).abs();
                    assert!(off <= 1e-4 * most, "{heads} heads, {}: {} off by {off:e}", weight.name, sum[i]);
                }
            }
        }
    }
}

#[test]
fn hooks_act_on_no_pairs() {
    let net = descriptions::with_numbers(Architecture::summed(8), 5);
    let hooks = [
        Hook::zero("hidden_pre").on_channels(vec![3]),
        Hook::scale("hidden_pre", 2.0),
        Hook::project_out("hidden_pre", ndarray::Array2::eye(8)).unwrap(),
    ];
    for hook in hooks {
        let mut cache = net.run_with_hooks(&[], &Hooks::none().with(hook), &["hidden", "logits"]).unwrap();
        assert_eq!(cache.take("hidden").unwrap().dim(), (0, 8));
        assert_eq!(cache.take("logits").unwrap().dim(), (0, 5));
    }
}

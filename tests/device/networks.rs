//! Any description on the device: random ones, and transformers.

use super::models::{numbers, same_activations, same_energies, same_spectrum};
use super::{assert_close, descriptions, device};
use irreplens::device::{ACTIVATIONS, LOSSES};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{Dihedral, Elem};
use irreplens::model::{
    Activation, Architecture, Hook, Hooks, Interpretable, Network, Normalisation, Transformer, Values,
};
use irreplens::task::{Pair, Task};
use ndarray::{Array1, Array2};
use proptest::prelude::*;
use std::sync::Arc;

/// Of the largest activation of a site: random descriptions multiply what they are given.
const OF_RANDOM: f32 = 1e-4;

/// The largest difference at some sites, relative to the largest activation there, and the site.
fn difference(net: &Network, other: &dyn Interpretable, hooks: &Hooks, sites: &[&str]) -> (f32, String) {
    let n = net.order();
    let pairs: Vec<Pair> = (0..n * n + 3).map(|i| (Elem::new(i * 3 % n), Elem::new(i / n % n))).collect();
    let expected = net.run_with_hooks(&pairs, hooks, sites).unwrap();
    let got = other.run_with_hooks(&pairs, hooks, sites).unwrap();
    let mut worst = (0.0, String::new());
    for &site in sites {
        let (expected, got) = (expected.get(site).unwrap(), got.get(site).unwrap());
        let scale = expected.iter().fold(1.0f32, |most, v| most.max(v.abs()));
        let off =
            (&expected - &got).iter().fold(0.0f32, |most, v| if v.is_nan() { f32::NAN } else { most.max(v.abs()) });
        if off / scale > worst.0 || off.is_nan() {
            worst = (off / scale, site.to_owned());
        }
    }
    worst
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn random_descriptions_are_the_processors(choices in prop::collection::vec(0u32..10_000, 3..60), which in 0usize..1000) {
        let Some(device) = device() else { return Ok(()) };
        let net = descriptions::network(&choices, 4);
        let on_device = net.to_device(&device).unwrap();
        let sites = net.sites();
        let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        let site = &sites[which % sites.len()];
        let row = Array1::from_shape_fn(site.width, |k| 0.3 - 0.1 * k as f32);
        let mask: Arc<[bool]> = (0..16).map(|pair| pair % 3 != 1).collect();
        for hooks in [
            Hooks::none(),
            Hooks::none().with(Hook::replace(&site.name, Values::PerChannel(row)).on_pairs(mask)),
        ] {
            let (off, at) = difference(&net, &on_device, &hooks, &names);
            prop_assert!(off <= OF_RANDOM, "{} off by {}\n{:?}\n{:?}", at, off, hooks, net);
            // Alone: what is kept beside does not shorten the way.
            let alone = difference(&net, &on_device, &hooks, &[names[which / 7 % names.len()]]);
            prop_assert!(alone.0 <= OF_RANDOM, "{} alone off by {}\n{:?}\n{:?}", alone.1, alone.0, hooks, net);
            let task = Task::new(&Dihedral::new(2).unwrap());
            let (expected, got) = (net.evaluate(&task, &hooks).unwrap(), on_device.evaluate(&task, &hooks).unwrap());
            prop_assert!((expected.loss - got.loss).abs() <= LOSSES * expected.loss.max(1.0), "{:?}", net);
        }
    }
}

/// Small transformers: of the papers, with every kind of LayerNorm, two blocks, attention alone.
pub(super) fn transformers(order: usize) -> Vec<(&'static str, Network)> {
    let small =
        Transformer { d_model: 6, heads: 2, d_head: 3, d_mlp: Some(9), vocabulary: 1, ..Transformer::default() };
    let of = |settings: Transformer| descriptions::with_numbers(settings.architecture(), order);
    vec![
        ("one block", of(small.clone())),
        (
            "two blocks, LayerNorm, GELU",
            of(Transformer {
                layers: 2,
                act_fn: Activation::Gelu,
                normalisation: Normalisation::LayerNorm,
                eps: 1e-2,
                ..small.clone()
            }),
        ),
        (
            "two blocks, folded LayerNorm, no biases",
            of(Transformer {
                layers: 2,
                act_fn: Activation::GeluNew,
                normalisation: Normalisation::Folded,
                eps: 1e-2,
                biases: false,
                extra: 2,
                ..small.clone()
            }),
        ),
        ("attention alone", of(Transformer { d_mlp: None, ..small })),
        ("squares", descriptions::with_numbers(Architecture::summed_with(7, Activation::Square), order)),
    ]
}

/// Of a small one: on the emulator laws take a while.
#[test]
fn the_laws_of_models_hold_for_a_transformer() {
    let Some(device) = device() else { return };
    let settings = Transformer {
        d_model: 2,
        heads: 1,
        d_head: 2,
        d_mlp: Some(3),
        act_fn: Activation::Gelu,
        ..Transformer::default()
    };
    let net = descriptions::with_numbers(settings.architecture(), 2);
    irreplens::laws::model::check(&net.to_device(&device).unwrap()).unwrap_or_else(|v| panic!("{v}"));
}

#[test]
fn transformers_are_the_processors() {
    let Some(device) = device() else { return };
    let group = Dihedral::new(3).unwrap();
    let (task, n) = (Task::new(&group), 6);
    let bases: [Box<dyn FourierBasis>; 2] =
        [Box::new(CyclicSubgroupBasis::dihedral(&group)), Box::new(IrrepBasis::new(&group).unwrap())];
    for (name, net) in transformers(n) {
        let on_device = net.to_device(&device).unwrap();
        same_activations(name, &net, &on_device, &Hooks::none());
        for (i, site) in net.sites().iter().enumerate() {
            let (site, width) = (site.name.as_str(), site.width);
            let unit = Array2::from_elem((1, width), 1.0 / (width as f32).sqrt());
            let mean = net.neuron_columns(site, 0..width).unwrap().map_axis(ndarray::Axis(2), |v| v.sum());
            let table = Array2::from_shape_fn((n * n, width), |(i, k)| mean[[i / n, i % n]] * 0.1 + 0.05 * k as f32);
            let hook = match i % 3 {
                0 => Hook::add(site, Values::PerPair(Arc::new(table))),
                // What divides must not become 0.
                1 if width > 1 => Hook::project_out(site, unit).unwrap(),
                _ => Hook::scale(site, 0.5),
            };
            let hooks = Hooks::none().with(hook);
            let (expected, got) = (net.evaluate(&task, &hooks).unwrap(), on_device.evaluate(&task, &hooks).unwrap());
            assert_close(&format!("{name}, loss under {hooks:?}"), LOSSES, [expected.loss], [got.loss]);
        }
        let set: Vec<bool> = (0..n * n).map(|pair| pair % 3 == 0).collect();
        let (expected, got) = (net.pair_means(&task, &[&set]).unwrap(), on_device.pair_means(&task, &[&set]).unwrap());
        assert_close(&format!("{name}, by left"), ACTIVATIONS, expected.by_left, got.by_left);
        assert_close(&format!("{name}, by product"), ACTIVATIONS, expected.by_product, got.by_product);
        let logits = [expected.logits_by_product, got.logits_by_product].map(|means| numbers(&means));
        let [expected_logits, got_logits] = logits;
        assert_close(&format!("{name}, logits by product"), ACTIVATIONS, expected_logits, got_logits);
        assert_close(&format!("{name}, loss"), LOSSES, [expected.sets[0].unwrap().loss], [got.sets[0].unwrap().loss]);
        for basis in &bases {
            let basis = basis.as_ref();
            let expected = net.neuron_and_logit_spectra(basis).unwrap();
            let got = on_device.neuron_and_logit_spectra(basis).unwrap();
            same_spectrum(name, &expected.0, &got.0);
            same_spectrum(name, &expected.1, &got.1);
            let site = net.readout().site();
            let (expected, got) = (net.spectrum(site, basis).unwrap(), on_device.spectrum(site, basis).unwrap());
            same_spectrum(name, &expected, &got);
            let expected = net.block_energies(site, basis).unwrap();
            same_energies(name, &expected, &on_device.block_energies(site, basis).unwrap());
        }
    }
}

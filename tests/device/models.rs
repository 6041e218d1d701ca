//! Every model, site, hook, transform and reduction.

use super::random::{Draw, bilinear, one_layer, row, summed, two_layer};
use super::{assert_close, device, emulated};
use irreplens::device::{ACTIVATIONS, Device, LOSSES, Tile};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{CayleyTable, Cyclic, Dihedral, Elem, Group, GroupExt, Symmetric};
use irreplens::model::{BlockEnergies, Hook, Hooks, Interpretable, SiteSpectrum, Values};
use irreplens::task::{Pair, Task};
use ndarray::{Array1, Array2};
use std::sync::Arc;

type Named = (String, Box<dyn Interpretable>);

/// One of every kind with these widths.
fn kinds(n: usize, e: usize, d: usize, seed: u64) -> Vec<Named> {
    let name = |kind: &str| format!("{kind}, n {n}, embed {e}, hidden {d}");
    vec![
        (name("one layer"), Box::new(one_layer(n, e, d, false, seed))),
        (name("one layer, biased"), Box::new(one_layer(n, e, d, true, seed + 1))),
        (name("summed"), Box::new(summed(n, d, seed + 2))),
        (name("two layers"), Box::new(two_layer(n, e, d, seed + 3))),
        (name("bilinear"), Box::new(bilinear(n, d, seed + 4))),
        (
            name("one layer, both biases"),
            Box::new(one_layer(n, e, d, true, seed + 5).with_output_bias(row(n, seed)).unwrap()),
        ),
        (
            name("two layers, output bias"),
            Box::new(two_layer(n, e, d, seed + 6).with_output_bias(row(n, seed)).unwrap()),
        ),
        (name("bilinear, output bias"), Box::new(bilinear(n, d, seed + 7).with_output_bias(row(n, seed)).unwrap())),
    ]
}

/// Groups and widths: orders that are and are not multiples of a tile, one and two elements, widths from 1 to 513.
fn shapes(device: &Device) -> Vec<(CayleyTable, usize, usize)> {
    let table = |group: &dyn Group| group.cayley_table();
    let mut shapes = vec![
        (table(&Cyclic::new(1).unwrap()), 1, 1),
        (table(&Cyclic::new(2).unwrap()), 3, 2),
        (table(&Dihedral::new(3).unwrap()), 5, 7),
        (table(&Cyclic::new(8).unwrap()), 16, 64),
        (table(&Cyclic::new(3).unwrap()), 2, 513),
        (table(&Dihedral::new(7).unwrap()), 4, 33),
        (table(&Cyclic::new(20).unwrap()), 2, 3),
    ];
    if !emulated(device) {
        shapes.extend([
            (table(&Symmetric::new(4).unwrap()), 65, 129),
            (table(&Cyclic::new(64).unwrap()), 32, 64),
            (table(&Dihedral::new(53).unwrap()), 256, 128),
            (table(&Symmetric::new(5).unwrap()), 256, 513),
        ]);
    }
    shapes
}

/// Pairs in no order, some of them twice; at most 300.
fn some_pairs(n: usize) -> Vec<Pair> {
    (0..(n * n).min(300)).map(|i| (Elem::new(i * 7 % n), Elem::new((i * i + 3 * i) % n))).collect()
}

pub(super) fn numbers(values: &Array2<f32>) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

#[track_caller]
pub(super) fn same_activations(name: &str, host: &dyn Interpretable, other: &dyn Interpretable, hooks: &Hooks) {
    let sites: Vec<String> = host.sites().into_iter().map(|site| site.name).collect();
    let keep: Vec<&str> = sites.iter().map(String::as_str).collect();
    let pairs = some_pairs(host.order());
    let mut expected = host.run_with_hooks(&pairs, hooks, &keep).unwrap();
    let mut got = other.run_with_hooks(&pairs, hooks, &keep).unwrap();
    for &site in &keep {
        let (expected, got) = (expected.take(site).unwrap(), got.take(site).unwrap());
        assert_eq!(expected.dim(), got.dim(), "{name}, {site}");
        assert_close(&format!("{name}, {site}, {hooks:?}"), ACTIVATIONS, numbers(&expected), numbers(&got));
    }
}

#[test]
fn the_laws_of_models_hold() {
    let Some(device) = device() else { return };
    for (name, model) in kinds(6, 3, 7, 1).into_iter().chain(kinds(1, 1, 1, 2)) {
        irreplens::laws::model::check(&model.to_device(&device).unwrap()).unwrap_or_else(|v| panic!("{name}: {v}"));
    }
}

#[test]
fn every_site_is_the_processors() {
    let Some(device) = device() else { return };
    for (i, (group, e, d)) in shapes(&device).into_iter().enumerate() {
        for (name, model) in kinds(group.order(), e, d, 10 * i as u64) {
            let on_device = model.to_device(&device).unwrap();
            same_activations(&name, &model, &on_device, &Hooks::none());
            // Each site alone: the ways that compute only what is asked for.
            let pairs = some_pairs(group.order());
            for site in model.sites() {
                let expected = model.run_with_cache(&pairs, &[&site.name]).unwrap().take(&site.name).unwrap();
                let got = on_device.run_with_cache(&pairs, &[&site.name]).unwrap().take(&site.name).unwrap();
                assert_close(&format!("{name}, {} alone", site.name), ACTIVATIONS, numbers(&expected), numbers(&got));
            }
            let (expected, got) = (model.forward(&pairs).unwrap(), on_device.forward(&pairs).unwrap());
            assert_close(&name, ACTIVATIONS, numbers(&expected), numbers(&got));
            assert_eq!(on_device.forward(&[]).unwrap().dim(), (0, group.order()));
        }
    }
}

#[test]
fn every_hook_does_what_it_does_on_the_processor() {
    let Some(device) = device() else { return };
    let (n, mut draw) = (5, Draw::new(3));
    for (name, model) in kinds(n, 3, 6, 40) {
        let on_device = model.to_device(&device).unwrap();
        for site in model.sites() {
            let (site, width) = (site.name.as_str(), site.width);
            let chosen = vec![width - 1, 0];
            let mask: Arc<[bool]> = (0..n * n).map(|pair| pair % 3 != 1).collect();
            let table = |draw: &mut Draw, width| Values::PerPair(Arc::new(draw.matrix(n * n, width)));
            let row = |draw: &mut Draw, width| Values::PerChannel(Array1::from_shape_fn(width, |_| draw.number()));
            let unit = |width: usize| Array2::from_elem((1, width), 1.0 / (width as f32).sqrt());
            let hooks = [
                Hook::zero(site),
                Hook::scale(site, -1.5).on_pairs(mask.clone()),
                Hook::replace(site, row(&mut draw, width)),
                Hook::replace(site, table(&mut draw, 2)).on_channels(chosen.clone()).on_pairs(mask.clone()),
                Hook::add(site, table(&mut draw, width)),
                Hook::add(site, row(&mut draw, 2)).on_channels(chosen.clone()),
                Hook::project_onto(site, unit(width)).unwrap(),
                Hook::project_out(site, unit(2)).unwrap().on_channels(chosen.clone()).on_pairs(mask.clone()),
            ];
            for hook in hooks {
                let hooks = Hooks::none().with(hook);
                same_activations(&name, &model, &on_device, &hooks);
                let task = Task::new(&Cyclic::new(n).unwrap());
                let (expected, got) =
                    (model.evaluate(&task, &hooks).unwrap(), on_device.evaluate(&task, &hooks).unwrap());
                assert_close(&format!("{name}, loss under {hooks:?}"), LOSSES, [expected.loss], [got.loss]);
            }
        }
    }
}

#[test]
fn losses_are_the_processors() {
    let Some(device) = device() else { return };
    for (i, (group, e, d)) in shapes(&device).into_iter().enumerate() {
        let task = Task::new(&group);
        for (name, model) in kinds(group.order(), e, d, 500 + 10 * i as u64) {
            let on_device = model.to_device(&device).unwrap();
            let none = Hooks::none();
            let (expected, got) = (model.evaluate(&task, &none).unwrap(), on_device.evaluate(&task, &none).unwrap());
            assert_close(&name, LOSSES, [expected.loss], [got.loss]);
            assert_eq!(expected.accuracy, got.accuracy, "{name}");
            // Twice the same bits.
            assert_eq!(on_device.evaluate(&task, &none).unwrap(), on_device.evaluate(&task, &none).unwrap(), "{name}");
        }
    }
}

/// The loss of every pair: over the set that holds it alone.
fn pair_losses(model: &dyn Interpretable, task: &Task) -> Vec<f64> {
    let count = task.labels().len();
    let alone: Vec<Vec<bool>> = (0..count).map(|i| (0..count).map(|j| i == j).collect()).collect();
    let sets: Vec<&[bool]> = alone.iter().map(Vec::as_slice).collect();
    model.pair_means(task, &sets).unwrap().sets.into_iter().map(|set| set.unwrap().loss).collect()
}

/// Every size of tile: alone, across the borders of one, across several.
#[test]
fn tiles_of_any_size_give_the_same_losses() {
    let Some(device) = device() else { return };
    for (i, (n, d)) in [(5, 3), (13, 70), (70, 17)].into_iter().enumerate() {
        let task = Task::new(&Cyclic::new(n).unwrap());
        for (name, model) in kinds(n, 3, d, 700 + 10 * i as u64) {
            let expected = pair_losses(&model, &task);
            // Without a tile of its own a device takes that of the product, and the kernels of its capability for losses.
            for tile in [None, Some(Tile::Small), Some(Tile::Large)] {
                let placed = tile.map_or_else(|| device.clone(), |tile| device.clone().with_tile(tile));
                let on_device = model.to_device(&placed).unwrap();
                let got = pair_losses(&on_device, &task);
                assert_close(&format!("{name}, {tile:?}"), LOSSES, expected.iter().copied(), got);
                same_activations(&name, &model, &on_device, &Hooks::none());
            }
        }
    }
}

/// A net that has learnt: the losses of most pairs are far below the rounding of 1 in f32.
#[test]
fn tiny_and_huge_losses_keep_their_digits() {
    let Some(device) = device() else { return };
    let group = Cyclic::new(9).unwrap();
    let task = Task::new(&group);
    for (scale, low, high) in [(2.0, 1e-12, 1e-3), (-6.0, 10.0, 1e4), (0.0, 2.1, 2.2)] {
        let one_hot = Array2::from_shape_fn((9, 81), |(x, k)| if k / 9 == x { 1.0 } else { 0.0f32 });
        let other = Array2::from_shape_fn((9, 81), |(y, k)| if k % 9 == y { 1.0 } else { 0.0f32 });
        let read =
            Array2::from_shape_fn((81, 9), |(k, z)| if (k / 9 + k % 9) % 9 == z { 12.0 * scale } else { 0.0f32 });
        let net = irreplens::model::Network::bilinear(one_hot, other, read).unwrap();
        let expected = pair_losses(&net, &task);
        let got = pair_losses(&net.to_device(&device).unwrap(), &task);
        for (expected, got) in expected.iter().zip(&got) {
            assert!((low..high).contains(expected), "{expected}");
            assert!((expected - got).abs() <= 1e-5 * expected, "{got} against {expected}");
        }
    }
}

#[test]
fn logits_that_are_no_numbers_are_the_error_of_the_processor() {
    let Some(device) = device() else { return };
    let mut net = Draw::new(4);
    let (left, right, mut read) = (net.matrix(4, 3), net.matrix(4, 3), net.matrix(3, 4));
    read[[1, 2]] = f32::NAN;
    let task = Task::new(&Cyclic::new(4).unwrap());
    let model = irreplens::model::Network::summed(left, right, read).unwrap();
    let on_device = model.to_device(&device).unwrap();
    for hooks in [Hooks::none(), Hooks::none().with(Hook::scale("logits", 1.0))] {
        let expected = model.evaluate(&task, &hooks).unwrap_err();
        let got = on_device.evaluate(&task, &hooks).unwrap_err();
        assert!(matches!(got, irreplens::Error::NonFiniteActivation { .. }), "{got}");
        assert_eq!(got.to_string(), expected.to_string());
    }
    let directions = Array2::ones((4, 2));
    let [expected, got] = [&model as &dyn Interpretable, &on_device]
        .map(|model| model.logits_along(&task.pairs(1..16), directions.view()).unwrap_err().to_string());
    assert_eq!(got, expected);
}

#[test]
fn sums_and_moments_are_the_processors() {
    let Some(device) = device() else { return };
    for (i, (group, e, d)) in shapes(&device).into_iter().enumerate() {
        let task = Task::new(&group);
        let n = group.order();
        let sets: [Vec<bool>; 3] = [(0..n * n).map(|p| p % 3 == 0).collect(), vec![false; n * n], vec![true; n * n]];
        let sets: Vec<&[bool]> = sets.iter().map(Vec::as_slice).collect();
        for (name, model) in kinds(n, e, d, 900 + 10 * i as u64) {
            let on_device = model.to_device(&device).unwrap();
            let (expected, got) =
                (model.pair_means(&task, &sets).unwrap(), on_device.pair_means(&task, &sets).unwrap());
            let parts = [
                ("by left", &expected.by_left, &got.by_left),
                ("by right", &expected.by_right, &got.by_right),
                ("by product", &expected.by_product, &got.by_product),
            ];
            for (what, expected, got) in parts {
                assert_close(&format!("{name}, {what}"), ACTIVATIONS, expected.iter().copied(), got.iter().copied());
            }
            assert_close(&name, ACTIVATIONS, expected.energy, got.energy);
            // The energy of logits is what is left when their mean is gone.
            let scale = expected.logit_energy.max(1e-3);
            assert!(
                (expected.logit_energy - got.logit_energy).abs() < 1e-4 * scale,
                "{name}: {} {}",
                expected.logit_energy,
                got.logit_energy
            );
            assert_eq!(expected.sets.len(), got.sets.len());
            for (expected, got) in expected.sets.iter().zip(&got.sets) {
                assert_eq!(expected.is_some(), got.is_some(), "{name}");
                let (Some(expected), Some(got)) = (expected, got) else { continue };
                assert_close(&name, LOSSES, [expected.loss], [got.loss]);
                assert_eq!(expected.accuracy, got.accuracy, "{name}");
            }
            for site in model.sites() {
                let range = site.width / 3..site.width.div_ceil(2);
                let expected = model.neuron_columns(&site.name, range.clone()).unwrap();
                let got = on_device.neuron_columns(&site.name, range).unwrap();
                assert_close(
                    &name,
                    ACTIVATIONS,
                    expected.iter().map(|&v| f64::from(v)),
                    got.iter().map(|&v| f64::from(v)),
                );
            }
        }
    }
}

#[track_caller]
pub(super) fn same_spectrum(name: &str, expected: &SiteSpectrum, got: &SiteSpectrum) {
    assert_eq!(expected.regions, got.regions);
    assert_close(name, ACTIVATIONS, expected.mean_square.iter().copied(), got.mean_square.iter().copied());
    same_energies(name, &expected.by_block, &got.by_block);
}

#[track_caller]
pub(super) fn same_energies(name: &str, expected: &BlockEnergies, got: &BlockEnergies) {
    assert_eq!(expected.site, got.site);
    let name = format!("{name}, {}", expected.site);
    let total = expected.energy.iter().fold(0.0f64, |most, &v| most.max(v));
    let channels = [
        (&expected.energy, &got.energy),
        (&expected.energy_centred, &got.energy_centred),
        (&expected.constant, &got.constant),
    ];
    for (expected, got) in channels {
        let off = expected.iter().zip(got).map(|(e, g)| (e - g).abs()).fold(0.0, f64::max);
        assert!(off <= ACTIVATIONS * total, "{name}: {off} of {total}");
    }
    let by_block =
        [(&expected.linear_x, &got.linear_x), (&expected.linear_y, &got.linear_y), (&expected.product, &got.product)];
    for (expected, got) in by_block {
        let off = expected.iter().zip(got).map(|(e, g)| (e - g).abs()).fold(0.0, f64::max);
        assert!(off <= ACTIVATIONS * total, "{name}: {off} of {total}");
    }
}

#[test]
fn spectra_are_the_processors_in_any_basis() {
    let Some(device) = device() else { return };
    for (i, (group, e, d)) in shapes(&device).into_iter().enumerate() {
        if emulated(&device) && d > 64 {
            continue;
        }
        let orders = group.element_orders();
        let longest = group.elements().max_by_key(|x| orders[x.index()]).unwrap();
        let bases: [Box<dyn FourierBasis>; 2] =
            [Box::new(CyclicSubgroupBasis::new(&group, longest)), Box::new(IrrepBasis::new(&group).unwrap())];
        for (name, model) in kinds(group.order(), e, d, 1300 + 10 * i as u64) {
            let on_device = model.to_device(&device).unwrap();
            for basis in &bases {
                let expected = model.neuron_and_logit_spectra(basis.as_ref()).unwrap();
                let got = on_device.neuron_and_logit_spectra(basis.as_ref()).unwrap();
                same_spectrum(&name, &expected.0, &got.0);
                same_spectrum(&name, &expected.1, &got.1);
                let site = &model.sites()[0].name;
                same_spectrum(
                    &name,
                    &model.spectrum(site, basis.as_ref()).unwrap(),
                    &on_device.spectrum(site, basis.as_ref()).unwrap(),
                );
                same_energies(
                    &name,
                    &model.block_energies(site, basis.as_ref()).unwrap(),
                    &on_device.block_energies(site, basis.as_ref()).unwrap(),
                );
                let [expected, got] = [&model as &dyn Interpretable, &on_device].map(|model| {
                    let some = model.coefficients_along_y(site, basis.as_ref(), &[basis.rows() - 1, 0]).unwrap();
                    some.into_iter().map(f64::from).collect::<Vec<_>>()
                });
                assert_close(&format!("{name}, along y"), ACTIVATIONS, expected, got);
            }
        }
    }
}

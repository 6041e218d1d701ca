//! Logit directions: energies per region and output sector, shares along x + y and x - y, parity.

use crate::models;
use crate::oracle::{Case, less_mean, near, near_of, same, values};
use irreplens::analysis::notebook::{parity, parity_hooks};
use irreplens::analysis::{LogitDirections, logit_directions, output_sectors};
use irreplens::fourier::FourierBasis;
use irreplens::group::Elem;
use irreplens::model::{FromFn, Hooks, Interpretable, Site};
use irreplens::task::Pair;
use ndarray::Array2;
use proptest::prelude::{ProptestConfig, any, proptest};
use std::f64::consts::TAU;

/// Coefficient of the logits at (x, y) along a row on an output sector.
fn along(case: &Case, logits: &[Vec<f64>], x: usize, y: usize, sector: usize, row: usize) -> f64 {
    let classes = case.sectors[sector].iter().zip(&case.rows[row]);
    classes.map(|(&z, value)| value * logits[x * case.n + y][z]).sum()
}

fn check(what: &str, case: &Case, found: &LogitDirections, logits: &[Vec<f64>], blocks: &[usize]) {
    let (sectors, m) = (case.sectors.len(), case.m);
    assert_eq!(found.blocks, blocks);
    assert_eq!(found.energy.dim(), (blocks.len(), sectors, sectors, sectors));
    let total: f64 = logits.iter().flatten().map(|l| l * l).sum();
    let confined = (0..sectors).all(|sx| (0..sectors).all(|sy| case.output_sector(sx, sy).is_some()));
    assert_eq!(found.product_share.is_some(), confined, "{what}");
    for (index, &b) in blocks.iter().enumerate() {
        for (sx, sy) in (0..sectors).flat_map(|sx| (0..sectors).map(move |sy| (sx, sy))) {
            let what = format!("{what}, block {b}, region {sx},{sy}");
            let mut energy = vec![0.0; sectors];
            // By row of the direction: the function of the positions of x and y that the logits follow.
            for (so, energy) in energy.iter_mut().enumerate() {
                for &q in &case.blocks[b] {
                    for &x in &case.sectors[sx] {
                        *energy +=
                            case.sectors[sy].iter().map(|&y| along(case, logits, x, y, so, q).powi(2)).sum::<f64>();
                    }
                }
            }
            let got: Vec<f64> = (0..sectors).map(|so| found.energy[[index, sx, sy, so]]).collect();
            near_of(&what, &got, &energy, total);
            let Some(shares) = &found.product_share else { continue };
            let so = case.output_sector(sx, sy).unwrap();
            for sign in 0..2 {
                let mut within = 0.0;
                for &q in &case.blocks[b] {
                    for &r in &case.blocks[b] {
                        let mut product = 0.0;
                        for (a, &x) in case.sectors[sx].iter().enumerate() {
                            for (c, &y) in case.sectors[sy].iter().enumerate() {
                                let t = if sign == 0 { (a + c) % m } else { (m + a - c) % m };
                                // A unit vector among the functions of pairs of the region.
                                product += along(case, logits, x, y, so, q) * case.rows[r][t] / (m as f64).sqrt();
                            }
                        }
                        within += product * product;
                    }
                }
                match shares[[index, sx, sy, sign]] {
                    Some(share) => near_of(&what, &[share], &[within / energy[so]], 1.0),
                    None => assert!(energy[so] <= 1e-12 * total, "{what}"),
                }
            }
        }
    }
}

#[test]
fn directions_are_sums_over_inputs() {
    for case in Case::all().into_iter().chain([Case::not_normal()]) {
        for (kind, model) in models::all(case.n, 60) {
            let logits = less_mean(values(&model, &case, "logits"));
            let blocks: Vec<usize> = (1..case.blocks.len()).rev().collect();
            for blocks in [&blocks[..], &[0], &[]] {
                let found = logit_directions(&model, &case.basis, &case.task, &case.ids(blocks)).unwrap();
                check(&format!("{}, {kind}", case.name), &case, &found, &logits, blocks);
                assert!(found.to_string().contains("region"));
            }
        }
    }
}

#[test]
fn the_sector_of_a_product() {
    for case in Case::all() {
        let found = output_sectors(&case.basis, &case.task).unwrap();
        for ((sx, sy), &sector) in found.indexed_iter() {
            assert_eq!(Some(sector), case.output_sector(sx, sy));
        }
    }
    let case = Case::not_normal();
    assert_eq!(output_sectors(&case.basis, &case.task), None);
}

/// logits(x, y, z) = sum over some k of the character of D_n's k-th 2-dimensional irrep at x y z^-1.
fn perfect_dihedral(n: usize, frequencies: &'static [usize]) -> impl Interpretable {
    FromFn::new(2 * n, vec![Site::new("logits", 2 * n)], "logits", move |pairs: &[Pair]| {
        let product = |x: usize, y: usize| {
            let rotation = if x < n { (x % n + y % n) % n } else { (n + x % n - y % n) % n };
            rotation + n * ((x / n + y / n) % 2)
        };
        vec![Array2::from_shape_fn((pairs.len(), 2 * n), |(i, z)| {
            let xy = product(pairs[i].0.index(), pairs[i].1.index());
            // A reflection is its own inverse.
            let inverse = if z < n { (n - z) % n } else { z };
            let t = product(xy, inverse);
            let character = |&k: &usize| 2.0 * (TAU * (k * t % n) as f64 / n as f64).cos();
            if t < n { frequencies.iter().map(character).sum::<f64>() as f32 } else { 0.0 }
        })]
    })
    .unwrap()
}

#[test]
fn a_perfect_dihedral_net_writes_x_plus_y_after_a_rotation_and_x_minus_y_after_a_reflection() {
    for n in [5, 7, 8, 12] {
        let case = Case::dihedral(n);
        let net = perfect_dihedral(n, &[1, 2]);
        assert_eq!(net.evaluate(&case.task, &Hooks::none()).unwrap().accuracy, 1.0, "D{n}");
        let found = logit_directions(&net, &case.basis, &case.task, &case.ids(&[1, 2])).unwrap();
        let share = found.product_share.unwrap();
        for (b, sy) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for (sx, want) in [(0, [1.0, 0.0]), (1, [0.0, 1.0])] {
                near_of(&format!("D{n}"), &[0, 1].map(|sign| share[[b, sx, sy, sign]].unwrap()), &want, 1.0);
                let (allowed, forbidden) = ((sx + sy) % 2, (sx + sy + 1) % 2);
                // A sum over classes of (2 cos)^2 / (m / 2) per pair and row: 2 m for each of the m^2 pairs.
                near(&format!("D{n}"), [found.energy[[b, sx, sy, allowed]]], [2.0 * (n * n * n) as f64]);
                assert!(found.energy[[b, sx, sy, forbidden]] < 1e-6);
            }
        }
        let ablated = parity(&net, &case.basis, &case.task, &case.ids(&[1, 2])).unwrap();
        same("nothing lies in forbidden sectors", ablated, net.evaluate(&case.task, &Hooks::none()).unwrap());
    }
    // At n/2, x + y and x - y have the same parity: there both shares are full.
    let case = Case::dihedral(6);
    let share =
        logit_directions(&perfect_dihedral(6, &[3]), &case.basis, &case.task, &case.ids(&[3])).unwrap().product_share;
    near("Nyquist", share.unwrap().into_iter().flatten(), [1.0; 8]);
}

#[test]
fn a_cyclic_net_writes_x_plus_y() {
    let n = 9;
    let case = Case::cyclic(n);
    let net = FromFn::new(n, vec![Site::new("logits", n)], "logits", move |pairs: &[Pair]| {
        let at = |x: Elem, y: Elem, z: usize| (TAU * ((x.index() + y.index() + n - z) % n) as f64 / n as f64).cos();
        vec![Array2::from_shape_fn((pairs.len(), n), |(i, z)| at(pairs[i].0, pairs[i].1, z) as f32)]
    });
    let share =
        logit_directions(&net.unwrap(), &case.basis, &case.task, &case.ids(&[1])).unwrap().product_share.unwrap();
    near("share", share.into_iter().flatten(), [1.0, 0.0]);
}

/// The rows of some blocks taken out of every output sector but the one where xy lies.
fn without_forbidden(case: &Case, logits: &[Vec<f64>], blocks: &[usize]) -> Vec<Vec<f64>> {
    let mut out = logits.to_vec();
    for x in 0..case.n {
        for y in 0..case.n {
            let allowed = case.place[case.label(x, y)].0;
            for so in (0..case.sectors.len()).filter(|&so| so != allowed) {
                for &row in blocks.iter().flat_map(|&b| &case.blocks[b]) {
                    let coefficient = along(case, logits, x, y, so, row);
                    for (&z, value) in case.sectors[so].iter().zip(&case.rows[row]) {
                        out[x * case.n + y][z] -= coefficient * value;
                    }
                }
            }
        }
    }
    out
}

#[test]
fn parity_is_explicit_removal() {
    for case in Case::all() {
        for (kind, model) in models::all(case.n, 70) {
            let what = format!("{}, {kind}", case.name);
            let logits = values(&model, &case, "logits");
            let every: Vec<usize> = (0..case.blocks.len()).collect();
            for blocks in [&every[..], &every[..1], &every[every.len() - 1..], &[]] {
                let want = without_forbidden(&case, &logits, blocks);
                let hooks = parity_hooks(&case.basis, &case.task, &case.ids(blocks)).unwrap();
                let mut cache = model.run_with_hooks(&case.pairs(), &hooks, &["logits"]).unwrap();
                let got = cache.take("logits").unwrap();
                near(&what, got.iter().map(|&v| f64::from(v)), want.concat());
                let got = parity(&model, &case.basis, &case.task, &case.ids(blocks)).unwrap();
                near(&what, [got.loss], [case.evaluation(&want).loss]);
                if case.sectors.len() == 1 {
                    assert!(hooks.is_empty());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn energies_of_all_blocks_are_the_logits(n in 1..9_usize, dihedral in any::<bool>(), seed in any::<u32>()) {
        let case = if dihedral { Case::dihedral(n) } else { Case::cyclic(n) };
        let model = models::two_layer(case.n, 3, 5, seed.into());
        let found = logit_directions(&model, &case.basis, &case.task, &case.basis.block_ids()).unwrap();
        let logits = less_mean(values(&model, &case, "logits"));
        near("Parseval", [found.energy.sum()], [logits.iter().flatten().map(|l| l * l).sum()]);
        if let Some(share) = found.product_share {
            assert!(share.iter().flatten().all(|s| (-1e-6..1.0 + 1e-6).contains(s)));
        }
    }
}

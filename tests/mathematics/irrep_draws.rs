//! Random draws that split representations: every part of every draw is an irrep, and all of them are there.
//!
//! `cargo test --test mathematics irrep_draws -- --ignored --nocapture` takes a million draws of each kind.

use crate::families;
use families::heisenberg;
use irreplens::group::{Alternating, Cyclic, Dicyclic, Dihedral, DirectProduct, Group, SemidirectProduct, Symmetric};
use irreplens::irrep::{Irrep, Representation, constituents, cyclic, irreps, product};
use irreplens::laws;
use irreplens::linalg::symmetric_eigen;
use ndarray::{Array2, Array3, s};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// A cyclic, or a product of cyclic groups.
fn abelian(factors: &[usize]) -> Box<dyn Group> {
    let cyclic = |&n: &usize| Box::new(Cyclic::new(n).unwrap()) as Box<dyn Group>;
    let product = |left, right| Box::new(DirectProduct::new(left, right).unwrap()) as Box<dyn Group>;
    factors.iter().map(cyclic).reduce(product).unwrap()
}

fn groups() -> Vec<Box<dyn Group>> {
    let mut groups: Vec<Box<dyn Group>> = [
        &[2][..],
        &[3],
        &[4],
        &[5],
        &[6],
        &[7],
        &[8],
        &[9],
        &[10],
        &[11],
        &[12],
        &[2, 2],
        &[2, 4],
        &[3, 3],
        &[2, 2, 2],
        &[2, 6],
        &[4, 4],
        &[3, 6],
        &[2, 2, 3],
        &[2, 2, 4],
    ]
    .into_iter()
    .map(abelian)
    .collect();
    for n in [3, 4, 5, 6, 7, 8] {
        groups.push(Box::new(Dihedral::new(n).unwrap()));
    }
    for n in [2, 3, 4, 5] {
        groups.push(Box::new(Dicyclic::new(n).unwrap()));
    }
    for (n, k, unit) in [(8, 2, 3), (8, 2, 5), (7, 3, 2), (5, 4, 2), (4, 4, 3)] {
        groups.push(Box::new(SemidirectProduct::metacyclic(n, k, unit).unwrap()));
    }
    groups.push(Box::new(Alternating::new(4).unwrap()));
    groups.push(Box::new(Symmetric::new(4).unwrap()));
    groups.push(Box::new(heisenberg(3)));
    groups.push(Box::new(DirectProduct::new(Dicyclic::new(2).unwrap(), Cyclic::new(2).unwrap()).unwrap()));
    groups.push(Box::new(DirectProduct::new(Dihedral::new(3).unwrap(), Cyclic::new(3).unwrap()).unwrap()));
    groups
}

/// Two factors each: 20 abelian products and 20 others, most of them with splits.
fn factors() -> Vec<[Box<dyn Group>; 2]> {
    let mut factors: Vec<[Box<dyn Group>; 2]> = [
        (3, 3),
        (3, 4),
        (4, 3),
        (4, 4),
        (3, 5),
        (5, 3),
        (5, 4),
        (4, 5),
        (3, 6),
        (6, 3),
        (5, 5),
        (3, 7),
        (7, 3),
        (4, 6),
        (3, 8),
        (2, 3),
        (2, 5),
        (2, 2),
        (6, 4),
        (5, 6),
    ]
    .into_iter()
    .map(|(m, n)| [abelian(&[m]), abelian(&[n])])
    .collect();
    let others: [fn() -> Box<dyn Group>; 5] = [
        || Box::new(Dicyclic::new(2).unwrap()),
        || Box::new(Dicyclic::new(3).unwrap()),
        || Box::new(Alternating::new(4).unwrap()),
        || Box::new(Dihedral::new(3).unwrap()),
        || Box::new(SemidirectProduct::metacyclic(7, 3, 2).unwrap()),
    ];
    for other in others {
        for n in [3, 4] {
            factors.push([other(), abelian(&[n])]);
            factors.push([abelian(&[n]), other()]);
        }
    }
    factors
}

/// Every irrep in block-diagonal form.
fn direct_sum(parts: &[Representation<f64>]) -> Representation<f64> {
    let d = parts.iter().map(Representation::dim).sum();
    let mut matrices = Array3::zeros((parts[0].order(), d, d));
    let mut first = 0;
    for rho in parts {
        let rows = first..first + rho.dim();
        matrices.slice_mut(s![.., rows.clone(), rows]).assign(&rho.matrices());
        first += rho.dim();
    }
    Representation::new("sum", matrices).unwrap()
}

/// Representations by the law kit, and each irrep of the group once.
fn each_once(group: &dyn Group, known: &[Irrep], parts: &[Representation<f64>], case: &str) {
    assert_eq!(parts.len(), known.len(), "{case}");
    let mut seen = vec![false; known.len()];
    for part in parts {
        laws::irrep::representation(group, part).unwrap_or_else(|violation| panic!("{case}: {violation}"));
        let character = part.character();
        let same = |irrep: &Irrep| (&irrep.character - &character).iter().all(|off| off.abs() < laws::DOUBLE_TOLERANCE);
        let index = known.iter().position(same).unwrap_or_else(|| panic!("{case}: {character} is none"));
        assert!(!std::mem::replace(&mut seen[index], true), "{case}: {} twice", known[index].label);
    }
}

fn matrices(group: &dyn Group, known: &[Irrep]) -> Vec<Representation<f64>> {
    known.iter().map(|irrep| irrep.matrices(group, 0).unwrap()).collect()
}

fn draws_of_constituents(seeds: Range<u64>) {
    let groups = groups();
    assert_eq!(groups.len(), 40);
    for group in groups {
        let known = irreps(&group).unwrap();
        let whole = direct_sum(&matrices(&group, &known));
        for seed in seeds.clone() {
            let parts = constituents(&whole, seed).unwrap();
            each_once(&group, &known, &parts, &format!("{}, seed {seed}", group.name()));
        }
    }
}

fn draws_of_products(seeds: Range<u64>) {
    let factors = factors();
    assert_eq!(factors.len(), 40);
    for [left, right] in &factors {
        let group = DirectProduct::new(left, right).unwrap();
        let known = irreps(&group).unwrap();
        let [rho, sigma] = [left, right].map(|factor| matrices(factor, &irreps(factor).unwrap()));
        for seed in seeds.clone() {
            let found = product(&group, &rho, &sigma, seed).unwrap();
            each_once(&group, &known, &found, &format!("{}, seed {seed}", group.name()));
        }
    }
}

#[test]
fn constituents_of_forty_groups() {
    draws_of_constituents(0..25);
}

#[test]
fn products_of_forty_pairs() {
    draws_of_products(0..5);
}

/// Copies of an irrep among the functions, and complex halves.
#[test]
fn matrices_from_many_draws() {
    for group in groups() {
        for seed in 0..8 {
            laws::irrep::check(&group, seed).unwrap_or_else(|violation| panic!("{}: {violation}", group.name()));
        }
    }
}

/// 25 rounds of 1000 draws for each of 40 groups.
fn a_million(draws: impl Fn(Range<u64>)) {
    for first in (0..25_000).step_by(1000) {
        draws(first..first + 1000);
        eprintln!("{} draws", 40 * (first + 1000));
    }
}

#[test]
#[ignore = "a million draws"]
fn a_million_draws_of_constituents() {
    a_million(draws_of_constituents);
}

#[test]
#[ignore = "a million draws"]
fn a_million_draws_of_products() {
    a_million(draws_of_products);
}

/// The smallest gap between the eigenvalues of different irreps in the first draw, as a share of the largest: the draw
/// as `constituents` makes it, written out.
fn gap(whole: &Representation<f64>, seed: u64) -> f64 {
    let d = whole.dim();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = Array2::from_shape_simple_fn((d, d), || (rng.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0);
    let symmetric = &draw + &draw.t();
    let mut average = Array2::<f64>::zeros((d, d));
    for matrix in whole.matrices().outer_iter() {
        average += &matrix.dot(&symmetric).dot(&matrix.t());
    }
    average /= whole.order() as f64;
    let values = symmetric_eigen(average.view()).unwrap().0;
    let largest = values.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
    let gaps = values.windows(2).into_iter().map(|pair| (pair[1] - pair[0]) / largest);
    gaps.filter(|&gap| gap > 1e-13).fold(f64::INFINITY, f64::min)
}

/// Two draws whose eigenvalues fall together: they used to give a constituent of dimension 2, and 4 irreps of 5.
#[test]
fn draws_whose_eigenvalues_fall_together() {
    let group = abelian(&[2, 2, 2]);
    let known = irreps(&group).unwrap();
    let whole = direct_sum(&matrices(&group, &known));
    assert!(gap(&whole, 334_401) < 1e-7, "{}", gap(&whole, 334_401));
    each_once(&group, &known, &constituents(&whole, 334_401).unwrap(), "C2^3");

    let c3 = Cyclic::new(3).unwrap();
    let group = DirectProduct::new(c3, c3).unwrap();
    let turn = &cyclic(&c3)[1];
    let whole = Representation::new(
        "turns",
        Array3::from_shape_fn((9, 4, 4), |(x, i, j)| {
            turn.matrices()[[x / 3, i / 2, j / 2]] * turn.matrices()[[x % 3, i % 2, j % 2]]
        }),
    )
    .unwrap();
    assert!(gap(&whole, 5_243_772) < 1e-7, "{}", gap(&whole, 5_243_772));
    let found = product(&group, &cyclic(&c3), &cyclic(&c3), 5_243_772).unwrap();
    each_once(&group, &irreps(&group).unwrap(), &found, "C3 x C3");
    assert_eq!(found.iter().map(Representation::dim).collect::<Vec<_>>(), [1, 2, 2, 2, 2]);
}

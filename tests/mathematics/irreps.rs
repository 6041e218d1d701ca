//! The irreps of many groups, found numerically and in closed form, held to the laws of representation theory and to each
//! other.

use crate::{families, support};
use families::{families, heisenberg};
use irreplens::Error;
use irreplens::group::{
    Alternating, CayleyTable, Cyclic, Dicyclic, Dihedral, DirectProduct, Elem, Group, GroupExt, SemidirectProduct,
    Symmetric,
};
use irreplens::irrep::{
    CharacterTable, Irrep, Kind, Representation, alternating, cyclic, dihedral, irreps, product, symmetric,
};
use irreplens::laws;
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A random permutation of the rows.
fn shuffled(table: &CayleyTable, seed: u64) -> CayleyTable {
    let mut rows: Vec<usize> = (0..table.order()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.next_u32() as usize % (i + 1));
    }
    table.relabelled(&rows).unwrap()
}

/// More than 100 groups of order up to 200.
fn groups() -> Vec<Box<dyn Group>> {
    let cyclic = |n| Cyclic::new(n).unwrap();
    let mut groups = families();
    for n in [9, 12, 16, 30, 53, 113, 200] {
        groups.push(Box::new(cyclic(n)));
    }
    for n in (9..=60).chain([100]) {
        groups.push(Box::new(Dihedral::new(n).unwrap()));
    }
    for n in [10, 15, 16, 30, 50] {
        groups.push(Box::new(Dicyclic::new(n).unwrap()));
    }
    for (m, n) in [(3, 3), (6, 4), (10, 10), (12, 15)] {
        groups.push(Box::new(DirectProduct::new(cyclic(m), cyclic(n)).unwrap()));
    }
    for (p, k) in [(5, 2), (7, 6), (11, 5), (11, 10), (13, 12), (13, 3)] {
        groups.push(Box::new(SemidirectProduct::affine(p, k).unwrap()));
    }
    let quaternions = Dicyclic::new(2).unwrap();
    groups.push(Box::new(DirectProduct::new(quaternions, quaternions).unwrap()));
    groups.push(Box::new(DirectProduct::new(quaternions, cyclic(3)).unwrap()));
    groups.push(Box::new(DirectProduct::new(Symmetric::new(4).unwrap(), Dihedral::new(4).unwrap()).unwrap()));
    groups.push(Box::new(heisenberg(5)));
    for (seed, group) in [
        Box::new(Symmetric::new(5).unwrap()) as Box<dyn Group>,
        Box::new(Alternating::new(5).unwrap()),
        Box::new(Dicyclic::new(12).unwrap()),
        Box::new(Dihedral::new(59).unwrap()),
        Box::new(heisenberg(3)),
    ]
    .into_iter()
    .enumerate()
    {
        groups.push(Box::new(shuffled(&group.cayley_table(), seed as u64)));
    }
    groups
}

#[test]
fn laws_hold_for_many_groups() {
    let groups = groups();
    assert!(groups.len() >= 60, "{} groups", groups.len());
    assert!(groups.iter().all(|group| group.order() <= 200));
    for group in groups {
        laws::irrep::check(&group, 1).unwrap_or_else(|violation| panic!("{}: {violation}", group.name()));
    }
}

#[test]
fn laws_hold_for_s6_and_a6() {
    laws::irrep::check(&Symmetric::new(6).unwrap(), 1).unwrap();
    laws::irrep::check(&Alternating::new(6).unwrap(), 1).unwrap();
}

/// The closed forms are full sets of irreps with the characters found numerically.
fn same_irreps(group: &dyn Group, closed: &[Representation<f64>]) {
    laws::irrep::check_matrices(group, closed, 0).unwrap_or_else(|violation| panic!("{}: {violation}", group.name()));
    let found = irreps(group).unwrap();
    assert_eq!(found.len(), closed.len(), "{}", group.name());
    for rho in closed {
        let irrep = rho.irrep(group).unwrap();
        let same = |other: &&Irrep| {
            other.kind == irrep.kind && (&other.character - &irrep.character).iter().all(|off| off.abs() < 1e-9)
        };
        assert_eq!(found.iter().filter(same).count(), 1, "{} of {}", irrep.label, group.name());
    }
}

#[test]
fn closed_forms_are_the_irreps() {
    for n in (1..=16).chain([59, 60]) {
        same_irreps(&Cyclic::new(n).unwrap(), &cyclic(&Cyclic::new(n).unwrap()));
        same_irreps(&Dihedral::new(n).unwrap(), &dihedral(&Dihedral::new(n).unwrap()));
    }
    for n in 1..=6 {
        let (all, even) = (Symmetric::new(n).unwrap(), Alternating::new(n).unwrap());
        same_irreps(&all, &symmetric(&all));
        same_irreps(&even, &alternating(&even, 3).unwrap());
    }
}

/// The basis as the conventions say it, one column after another.
fn range_by_definition(irrep: &Irrep, group: &dyn Group) -> Array2<f64> {
    let mut rest = irrep.projector(group).unwrap();
    let mut rows = Array2::zeros((irrep.rank(), group.order()));
    for mut row in rows.rows_mut() {
        let largest = rest.diag().iter().copied().fold(0.0, f64::max);
        let pivot = rest.diag().iter().position(|&r| r >= (1.0 - 1e-6) * largest).unwrap();
        let column = &rest.column(pivot) / rest[[pivot, pivot]].sqrt();
        for ((i, j), entry) in rest.indexed_iter_mut() {
            *entry -= column[i] * column[j];
        }
        let scale = column.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        let sign = column.iter().find(|v| v.abs() > 1e-3 * scale).unwrap().signum();
        row.assign(&(column * sign));
    }
    rows
}

#[test]
fn ranges_are_those_of_the_definition() {
    let groups: Vec<Box<dyn Group>> = vec![
        Box::new(Cyclic::new(30).unwrap()),
        Box::new(Dihedral::new(40).unwrap()),
        Box::new(Dicyclic::new(9).unwrap()),
        Box::new(Symmetric::new(5).unwrap()),
        Box::new(shuffled(&Alternating::new(5).unwrap().cayley_table(), 3)),
        Box::new(SemidirectProduct::affine(19, 18).unwrap()),
        Box::new(heisenberg(5)),
    ];
    for group in groups {
        for irrep in irreps(&group).unwrap() {
            let range = irrep.range(&group).unwrap();
            let off = (&range - &range_by_definition(&irrep, &group)).fold(0.0, |most: f64, v| most.max(v.abs()));
            assert!(off < 1e-10, "{} of {}: {off}", irrep.label, group.name());
            let off = (range.dot(&range.t()) - Array2::<f64>::eye(irrep.rank())).fold(0.0, |m: f64, v| m.max(v.abs()));
            assert!(off < 1e-13, "{} of {}: {off}", irrep.label, group.name());
        }
    }
}

#[test]
fn character_tables_of_many_classes() {
    let cyclic = |n| Cyclic::new(n).unwrap();
    let square = || DirectProduct::new(Dihedral::new(4).unwrap(), Dihedral::new(4).unwrap()).unwrap();
    let groups: Vec<Box<dyn Group>> = vec![
        Box::new(DirectProduct::new(cyclic(12), cyclic(18)).unwrap()),
        Box::new(DirectProduct::new(square(), Dihedral::new(4).unwrap()).unwrap()),
        Box::new(DirectProduct::new(cyclic(50), Symmetric::new(3).unwrap()).unwrap()),
        Box::new(DirectProduct::new(cyclic(20), Alternating::new(5).unwrap()).unwrap()),
        Box::new(DirectProduct::new(Dihedral::new(9).unwrap(), Dicyclic::new(7).unwrap()).unwrap()),
        Box::new(shuffled(&Dihedral::new(200).unwrap().cayley_table(), 1)),
        Box::new(Dicyclic::new(100).unwrap()),
        Box::new(SemidirectProduct::metacyclic(61, 60, 2).unwrap()),
        Box::new(heisenberg(7)),
    ];
    for group in groups {
        let table = CharacterTable::new(&group).unwrap();
        laws::irrep::character_table(&group, &table)
            .unwrap_or_else(|violation| panic!("{}: {violation}", group.name()));
    }
}

/// Every power of the first root of unity, each exact to rounding.
#[test]
fn characters_of_a_large_cyclic_group() {
    let n = 1500;
    let table = CharacterTable::new(&Cyclic::new(n).unwrap()).unwrap();
    let mut seen = vec![false; n];
    for row in table.values().outer_iter() {
        let turns = row[1].arg() / std::f64::consts::TAU * n as f64;
        let k = turns.round().rem_euclid(n as f64) as usize;
        assert!(!std::mem::replace(&mut seen[k], true), "{k} twice");
        for (t, value) in row.iter().enumerate() {
            let (sin, cos) = (std::f64::consts::TAU * (k * t % n) as f64 / n as f64).sin_cos();
            assert!((value.re - cos).abs() < 1e-15 && (value.im - sin).abs() < 1e-15, "{k}, {t}: {value}");
        }
    }
}

#[test]
fn matrices_of_large_irreps() {
    let a7 = Alternating::new(7).unwrap().cayley_table();
    let largest = irreps(&a7).unwrap().pop().unwrap();
    assert_eq!((largest.dim, largest.multiplicity()), (35, 35));
    let rho = largest.matrices(&a7, 2).unwrap();
    laws::irrep::representation(&a7, &rho).unwrap();
    laws::irrep::real_form(&largest, &rho).unwrap();
    // Elements of low order leave many copies.
    let square = || DirectProduct::new(Dihedral::new(4).unwrap(), Dihedral::new(4).unwrap()).unwrap();
    let group = DirectProduct::new(square(), square()).unwrap().cayley_table();
    let largest = irreps(&group).unwrap().pop().unwrap();
    assert_eq!((largest.dim, largest.multiplicity()), (16, 16));
    for seed in 0..4 {
        laws::irrep::representation(&group, &largest.matrices(&group, seed).unwrap()).unwrap();
    }
}

#[test]
fn products_of_irreps_are_the_irreps_of_products() {
    let quaternions = Dicyclic::new(2).unwrap();
    let quaternion_irreps: Vec<_> =
        irreps(&quaternions).unwrap().iter().map(|irrep| irrep.matrices(&quaternions, 0).unwrap()).collect();
    let (c5, c4, s3) = (Cyclic::new(5).unwrap(), Cyclic::new(4).unwrap(), Symmetric::new(3).unwrap());
    let group = DirectProduct::new(c5, c4).unwrap(); // complex with complex
    same_irreps(&group, &product(&group, &cyclic(&c5), &cyclic(&c4), 0).unwrap());
    let group = DirectProduct::new(quaternions, quaternions).unwrap(); // quaternionic with quaternionic
    same_irreps(&group, &product(&group, &quaternion_irreps, &quaternion_irreps, 0).unwrap());
    let group = DirectProduct::new(c4, quaternions).unwrap(); // complex with quaternionic
    same_irreps(&group, &product(&group, &cyclic(&c4), &quaternion_irreps, 0).unwrap());
    let group = DirectProduct::new(s3.clone(), c5).unwrap(); // real with complex
    same_irreps(&group, &product(&group, &symmetric(&s3), &cyclic(&c5), 0).unwrap());
}

#[test]
fn two_groups_share_a_character_table_and_differ_in_kind() {
    let (d4, q8) = (Dihedral::new(4).unwrap(), Dicyclic::new(2).unwrap());
    let table = |group: &dyn Group| {
        let table = CharacterTable::new(group).unwrap();
        let mut rows: Vec<Vec<i64>> =
            table.values().outer_iter().map(|row| row.iter().map(|v| v.re.round() as i64).collect()).collect();
        // Columns by class size, the identity first; the three classes of two elements are alike.
        rows.sort();
        (table.dims().to_vec(), rows.len(), table.indicators().to_vec())
    };
    let (dihedral, quaternion) = (table(&d4), table(&q8));
    assert_eq!((&dihedral.0, dihedral.1), (&quaternion.0, quaternion.1));
    assert_eq!(dihedral.2, [1, 1, 1, 1, 1]);
    assert_eq!(quaternion.2, [1, 1, 1, 1, -1]);
    let last = |group: &dyn Group| irreps(group).unwrap().pop().unwrap();
    assert_eq!((last(&d4).kind, last(&d4).dim), (Kind::Real, 2));
    assert_eq!((last(&q8).kind, last(&q8).dim), (Kind::Quaternionic, 4));
}

#[test]
fn known_character_tables() {
    let a5 = CharacterTable::new(&Alternating::new(5).unwrap()).unwrap();
    assert_eq!(a5.dims(), [1, 3, 3, 4, 5]);
    let golden = (1.0 + 5f64.sqrt()) / 2.0;
    let values: Vec<f64> = a5.values().row(1).iter().map(|v| v.re).collect();
    assert!(
        values.iter().any(|v| (v - golden).abs() < 1e-15) && values.iter().any(|v| (v - 1.0 + golden).abs() < 1e-15)
    );
    assert!(a5.values().iter().all(|v| v.im == 0.0));
    let s6 = CharacterTable::new(&Symmetric::new(6).unwrap()).unwrap();
    assert_eq!(s6.dims(), [1, 1, 5, 5, 5, 5, 9, 9, 10, 10, 16]);
    // Characters of symmetric groups are whole.
    assert!(s6.values().iter().all(|v| (v.re - v.re.round()).abs() < 1e-14 && v.im.abs() < 1e-14));
    let kinds =
        |group: &dyn Group| irreps(group).unwrap().iter().map(|irrep| (irrep.dim, irrep.kind)).collect::<Vec<_>>();
    assert_eq!(kinds(&Alternating::new(4).unwrap()), [(1, Kind::Real), (2, Kind::Complex), (3, Kind::Real)]);
    assert_eq!(kinds(&Cyclic::new(1).unwrap()), [(1, Kind::Real)]);
    let heisenberg = kinds(&heisenberg(3));
    assert_eq!(
        heisenberg,
        [
            (1, Kind::Real),
            (2, Kind::Complex),
            (2, Kind::Complex),
            (2, Kind::Complex),
            (2, Kind::Complex),
            (6, Kind::Complex)
        ]
    );
}

#[test]
fn labels_and_matrices_are_the_same_every_time() {
    let group = Alternating::new(5).unwrap();
    let labels = |group: &dyn Group| irreps(group).unwrap().into_iter().map(|irrep| irrep.label).collect::<Vec<_>>();
    assert_eq!(labels(&group), ["trivial", "3a", "3b", "4a", "5a"]);
    assert_eq!(irreps(&group).unwrap(), irreps(&group).unwrap());
    let irrep = &irreps(&group).unwrap()[4];
    let matrices = |seed| irrep.matrices(&group, seed).unwrap();
    assert_eq!(matrices(5), matrices(5));
    assert_ne!(matrices(5), matrices(6));
    let (all, even) = (Symmetric::new(4).unwrap(), Alternating::new(4).unwrap());
    assert_eq!(
        symmetric(&all).iter().map(|rho| rho.label.clone()).collect::<Vec<_>>(),
        ["(4)", "(3,1)", "(2,2)", "(2,1,1)", "(1,1,1,1)"]
    );
    assert_eq!(
        alternating(&even, 0).unwrap().iter().map(|rho| rho.label.clone()).collect::<Vec<_>>(),
        ["(4)", "(3,1)", "(2,2)"]
    );
}

#[test]
fn a_relabelled_group_has_the_relabelled_irreps() {
    let table = Dicyclic::new(5).unwrap().cayley_table();
    let rows: Vec<usize> = (0..20).map(|x| x * 7 % 20).collect();
    let relabelled = table.relabelled(&rows).unwrap();
    let map: Vec<Elem> = (0..20).map(|new| Elem::new(rows.iter().position(|&row| row == new).unwrap())).collect();
    let found = irreps(&relabelled).unwrap();
    for irrep in irreps(&table).unwrap() {
        let moved = irrep.pulled_back(&relabelled, &map).unwrap();
        let same = |other: &&Irrep| (&other.character - &moved.character).iter().all(|off| off.abs() < 1e-12);
        assert_eq!(found.iter().filter(same).count(), 1, "{}", irrep.label);
    }
}

/// The paper's code has (1 + sqrt 5) / 5 in its 3-dimensional irreps of A5 where (1 + sqrt 5) / 4 belongs.
#[test]
fn a_wrong_irrep_is_caught() {
    let group = Alternating::new(5).unwrap();
    let orders = group.element_orders();
    // A half turn about an edge of the icosahedron and a third about a face: s^2 = t^3 = (t s)^5 = 1.
    let of_order = |m: usize| group.elements().filter(|x| orders[x.index()] == m).collect::<Vec<_>>();
    let (halves, thirds) = (of_order(2), of_order(3));
    let s = halves[0];
    let t = thirds.into_iter().find(|&t| group.element_order(group.compose(t, s)) == 5).unwrap();
    let icosahedral = |denominator: f64| {
        let (a, b) = ((5f64.sqrt() + 1.0) / denominator, (5f64.sqrt() - 1.0) / denominator);
        let half = array![[-0.5, a, b], [a, b, 0.5], [b, 0.5, -a]];
        let third = array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        Representation::generated(&group, "3", &[(s, half), (t, third)]).unwrap()
    };
    let right = icosahedral(4.0);
    laws::irrep::representation(&group, &right).unwrap();
    let found = irreps(&group).unwrap();
    let character = right.irrep(&group).unwrap().character;
    assert_eq!(found.iter().filter(|irrep| (&irrep.character - &character).iter().all(|v| v.abs() < 1e-12)).count(), 1);

    let wrong = icosahedral(5.0);
    let violation = laws::irrep::representation(&group, &wrong).unwrap_err();
    assert!(["homomorphism", "unitarity"].contains(&violation.law), "{violation}");
    assert!(matches!(wrong.irrep(&group), Err(Error::NotARepresentation { .. })));
    // In a full set, one wrong irrep is found among right ones.
    let mut set: Vec<_> = found.iter().map(|irrep| irrep.matrices(&group, 0).unwrap()).collect();
    laws::irrep::check_matrices(&group, &set, 0).unwrap();
    set[1] = set[2].clone();
    let violation = laws::irrep::check_matrices(&group, &set, 0).unwrap_err();
    assert_eq!(violation.law, "orthogonality of characters");
}

/// What is not a full set of irreps is named for what it lacks.
#[test]
fn broken_sets_are_caught() {
    let group = Symmetric::new(4).unwrap();
    let closed = symmetric(&group);
    let law = |set: &[Representation<f64>]| laws::irrep::check_matrices(&group, set, 0).unwrap_err().law;

    let mut skewed = closed.clone();
    let (basis, inverse) = (array![[1.0, 0.5], [0.0, 1.0]], array![[1.0, -0.5], [0.0, 1.0]]);
    let mut matrices = skewed[2].matrices().to_owned();
    for mut matrix in matrices.outer_iter_mut() {
        let skewed = inverse.dot(&matrix).dot(&basis);
        matrix.assign(&skewed);
    }
    skewed[2] = Representation::new("(2,2)", matrices).unwrap();
    assert_eq!(law(&skewed), "unitarity");

    let mut reducible = closed.clone();
    reducible[2] = closed[2].tensor(&closed[2]);
    assert_eq!(law(&reducible), "irreducibility");
    let mut twice = closed.clone();
    twice[2] = Representation::new(
        "1 + 1",
        ndarray::Array3::from_shape_fn((24, 2, 2), |(_, i, j)| f64::from(u8::from(i == j))),
    )
    .unwrap();
    assert_eq!(law(&twice), "irreducibility");
    assert_eq!(law(&closed[..4]), "ranks add up to the order");
    let mut repeated = closed.clone();
    repeated[4] = closed[0].clone();
    assert_eq!(law(&repeated), "orthogonality of characters");

    let transposed = |rho: &Representation<f64>| {
        let matrices = rho.matrices().permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        Representation::new("transposed", matrices).unwrap()
    };
    let violation = laws::irrep::representation(&group, &transposed(&closed[1])).unwrap_err();
    assert_eq!(violation.law, "homomorphism");

    let mut found = irreps(&group).unwrap();
    found[4].kind = Kind::Quaternionic;
    assert_eq!(laws::irrep::irreps(&group, &found).unwrap_err().law, "kind is that of the indicator");
    found[4].kind = Kind::Real;
    laws::irrep::irreps(&group, &found).unwrap();
    found[4].dim = 4;
    assert_eq!(laws::irrep::irreps(&group, &found).unwrap_err().law, "character at the identity is the dimension");
    // Right characters, matrices of another irrep of the same dimension.
    let found = irreps(&group).unwrap();
    let (a, b) = (found[3].matrices(&group, 0).unwrap(), found[4].matrices(&group, 0).unwrap());
    laws::irrep::real_form(&found[3], &a).unwrap();
    assert_eq!(laws::irrep::real_form(&found[3], &b).unwrap_err().law, "real form");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Products of cyclic and dihedral groups with their rows shuffled, the identity anywhere.
    #[test]
    fn laws_hold_wherever_the_elements_stand(group in support::shuffled(), seed in 0..8_u64) {
        laws::irrep::check(&group, seed).unwrap();
    }
}

#[test]
fn what_is_no_irrep_is_refused() {
    let group = Symmetric::new(3).unwrap();
    let found = irreps(&group).unwrap();
    let mut sum = found[1].clone();
    sum.character += &found[2].character; // reducible
    assert!(sum.range(&group).is_err());
    let mut scaled = found[2].clone();
    scaled.character[1] += 0.5;
    assert!(scaled.range(&group).is_err());
    let error = found[2].range(&Symmetric::new(4).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "character of an irrep: expected shape [24], got [6]");
    let reducible = symmetric(&group)[1].tensor(&symmetric(&group)[1]);
    assert!(reducible.irrep(&group).unwrap_err().to_string().contains("expected <chi, chi> of 1, 2 or 4"));
}

/// More columns tied for the largest residual than are looked at, and the largest beyond them by rounding: a pivot is found all
/// the same.
#[test]
fn ties_beyond_the_candidates() {
    for (n, k) in [(16001usize, 3usize), (25136, 1)] {
        let group = Cyclic::new(n).unwrap();
        let wave = |x: usize| 2.0 * (std::f64::consts::TAU * (k * x % n) as f64 / n as f64).cos();
        let irrep =
            Irrep { label: "frequency".into(), kind: Kind::Complex, dim: 2, character: (0..n).map(wave).collect() };
        let range = irrep.range(&group).unwrap();
        assert_eq!(range.dim(), (2, n));
        let products = range.dot(&range.t());
        assert!((&products - &ndarray::Array2::<f64>::eye(2)).iter().all(|v| v.abs() < 1e-9), "{products}");
    }
}

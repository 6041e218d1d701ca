//! What is no representation, no irrep or no full set of them, refused by whatever takes one and caught by the law kit.

use crate::{families, runs};
use families::families;
use irreplens::Error;
use irreplens::checkpoint::{GroupKind, ModelKind, Run};
use irreplens::fourier::{FourierBasis, IrrepBasis};
use irreplens::group::{
    Alternating, Composition, Cyclic, Dicyclic, Dihedral, DirectProduct, Elem, Group, GroupExt, PermutationGroup,
    Symmetric,
};
use irreplens::irrep::{
    CharacterTable, Irrep, Kind, Representation, alternating, constituents, cyclic, irreps, symmetric,
};
use irreplens::laws;
use ndarray::{Array1, Array2, Array3, array, s};
use num_complex::Complex;

const KINDS: [Kind; 3] = [Kind::Real, Kind::Complex, Kind::Quaternionic];

fn by(label: &str, n: usize, matrix: impl Fn(usize) -> Array2<f64>) -> Representation<f64> {
    let d = matrix(0).nrows();
    let matrices = Array3::from_shape_fn((n, d, d), |(x, i, j)| matrix(x)[[i, j]]);
    Representation::new(label, matrices).unwrap()
}

fn sum(parts: &[&Representation<f64>]) -> Representation<f64> {
    let dims: Vec<usize> = parts.iter().map(|rho| rho.dim()).collect();
    let d = dims.iter().sum();
    let label = parts.iter().map(|rho| rho.label.as_str()).collect::<Vec<_>>().join(" + ");
    by(&label, parts[0].order(), |x| {
        let (mut matrix, mut first) = (Array2::zeros((d, d)), 0);
        for (rho, &e) in parts.iter().zip(&dims) {
            matrix.slice_mut(s![first..first + e, first..first + e]).assign(&rho.of(Elem::new(x)));
            first += e;
        }
        matrix
    })
}

/// The action on points: p takes point p[i] to i, which multiplies as lists that apply the left one first.
fn on_points(group: &Symmetric) -> Representation<f64> {
    let n = group.degree();
    by("points", group.order(), |x| {
        let p = group.permutation(Elem::new(x));
        Array2::from_shape_fn((n, n), |(i, j)| f64::from(u8::from(p[i] == j)))
    })
}

#[track_caller]
fn refused(group: &dyn Group, rho: &Representation<f64>, law: &str) {
    let expected = |error: Error| match (law, &error) {
        ("irreducibility", Error::NotAnIrrep { .. }) => {}
        ("homomorphism" | "unitarity", Error::NotARepresentation { .. }) => {}
        _ => panic!("{}: {error}", rho.label),
    };
    expected(rho.irrep(group).unwrap_err());
    expected(rho.complex(group, 0).unwrap_err());
    let violation = laws::irrep::representation(group, rho).unwrap_err();
    assert_eq!(violation.law, law, "{}: {violation}", rho.label);
    assert!(laws::irrep::check_matrices(group, std::slice::from_ref(rho), 0).is_err());
}

#[test]
fn reducible_representations_are_refused() {
    for n in 2..=5 {
        let group = Symmetric::new(n).unwrap();
        refused(&group, &on_points(&group), "irreducibility");
    }
    let c2 = cyclic(&Cyclic::new(2).unwrap());
    refused(&Cyclic::new(2).unwrap(), &sum(&[&c2[0], &c2[0]]), "irreducibility"); // norm 4
    let c5 = cyclic(&Cyclic::new(5).unwrap());
    refused(&Cyclic::new(5).unwrap(), &sum(&[&c5[1], &c5[2]]), "irreducibility"); // norm 4
    let s4 = symmetric(&Symmetric::new(4).unwrap());
    let group = Symmetric::new(4).unwrap();
    for parts in [&[1, 3][..], &[0, 4], &[1, 1], &[0, 1, 2, 4], &[0, 1, 2, 3, 4]] {
        let parts: Vec<_> = parts.iter().map(|&i| &s4[i]).collect();
        refused(&group, &sum(&parts), "irreducibility");
    }
    let error = sum(&[&s4[1], &s4[3]]).irrep(&group).unwrap_err().to_string();
    assert_eq!(error, "irrep `(3,1) + (2,1,1)`: expected a mean of chi(x^2) of 0 where <chi, chi> is 2, got 2");
}

#[test]
fn what_is_no_representation_is_refused() {
    let group = Symmetric::new(4).unwrap();
    let young = &symmetric(&group)[1];
    let n = group.order();
    refused(&group, &by("transposed", n, |x| young.of(Elem::new(x)).t().to_owned()), "homomorphism");
    refused(&group, &by("shifted", n, |x| young.of(Elem::new((x + 1) % n)).to_owned()), "homomorphism");
    refused(&group, &by("negative", n, |x| -&young.of(Elem::new(x))), "homomorphism");
    refused(&group, &by("zero", n, |_| Array2::zeros((2, 2))), "unitarity");
    refused(&group, &by("NaN", n, |x| &young.of(Elem::new(x)) * if x == 7 { f64::NAN } else { 1.0 }), "homomorphism");
    // Right traces.
    let skew = array![[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let back = array![[1.0, -0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    refused(&group, &by("skewed", n, |x| back.dot(&young.of(Elem::new(x))).dot(&skew)), "unitarity");
    let turned =
        |x: usize| if x == 3 { young.of(Elem::new(x)).t().to_owned() } else { young.of(Elem::new(x)).to_owned() };
    refused(&group, &by("one transposed", n, turned), "homomorphism");
    // Of another group with as many elements.
    assert!(young.irrep(&Cyclic::new(24).unwrap()).is_err());
    assert!(matches!(young.irrep(&Symmetric::new(3).unwrap()), Err(Error::Shape { .. })));
}

/// The irrep is taken for none by whatever takes one, alone and in a list in which it might stand for others.
#[track_caller]
fn none(group: &dyn Group, irrep: &Irrep) {
    assert!(irrep.range(group).is_err(), "{irrep:?}");
    assert!(irrep.projector(group).is_err(), "{irrep:?}");
    assert!(irrep.matrices(group, 0).is_err(), "{irrep:?}");
    let identity: Vec<Elem> = group.elements().collect();
    assert!(irrep.pulled_back(group, &identity).is_err(), "{irrep:?}");
    let mut list = irreps(group).unwrap();
    let overlaps = |other: &Irrep| other.character.dot(&irrep.character).abs() > 1e-3;
    list.retain(|other| other.label == "trivial" || !overlaps(other));
    list.push(irrep.clone());
    assert!(IrrepBasis::from_irreps(group, list.clone()).is_err(), "{irrep:?}");
    assert!(laws::irrep::irreps(group, &list).is_err(), "{irrep:?}");
    assert!(laws::irrep::irreps(group, &list[list.len() - 1..]).is_err(), "{irrep:?}");
}

fn named(label: &str, kind: Kind, character: Array1<f64>, group: &dyn Group) -> Irrep {
    let dim = character[group.identity().index()].round().max(0.0) as usize;
    Irrep { label: label.into(), kind, dim, character }
}

#[test]
fn wrong_characters_are_refused() {
    let s4 = Symmetric::new(4).unwrap();
    let found = irreps(&s4).unwrap();
    let chi = |i: usize| found[i].character.clone();
    // Two of dimension 3, the block of rank 18; three irreps; differences; multiples.
    none(&s4, &named("3a + 3b", Kind::Complex, chi(3) + chi(4), &s4));
    none(&s4, &named("points", Kind::Complex, chi(0) + chi(3), &s4));
    none(&s4, &named("1 + 1 + 2 + 3", Kind::Quaternionic, chi(0) + chi(1) + chi(2) + chi(3), &s4));
    none(&s4, &named("3a - 1", Kind::Complex, chi(3) - chi(0), &s4));
    none(&s4, &named("2 twice", Kind::Quaternionic, 2.0 * chi(2), &s4));
    none(&s4, &named("negative", Kind::Real, -chi(3), &s4));
    none(&s4, &named("NaN", Kind::Real, chi(3) * f64::NAN, &s4));
    none(&s4, &named("zero", Kind::Real, chi(3) * 0.0, &s4));
    let mut one = chi(3);
    one[5] = f64::NAN;
    none(&s4, &named("one NaN", Kind::Real, one, &s4));
    // The numbers of 3b on elements that are not conjugate.
    let mut moved = chi(4);
    let (a, b) = (1, (2..24).find(|&b| (moved[b] - moved[1]).abs() > 0.5).unwrap());
    moved.swap(a, b);
    none(&s4, &named("not a class function", Kind::Real, moved, &s4));
    // Fields that contradict each other.
    for kind in [Kind::Complex, Kind::Quaternionic] {
        none(&s4, &Irrep { kind, ..found[3].clone() });
    }
    for dim in [0, 1, 2, 4, 6, usize::MAX] {
        none(&s4, &Irrep { dim, ..found[3].clone() });
    }
    let short = Irrep { character: found[3].character.slice(s![..23]).to_owned(), ..found[3].clone() };
    assert!(matches!(short.range(&s4), Err(Error::Shape { .. })));
    assert!(matches!(short.projector(&s4), Err(Error::Shape { .. })));
    assert!(matches!(short.matrices(&s4, 0), Err(Error::Shape { .. })));
    let list = [&found[..3], &[short], &found[4..]].concat();
    assert!(laws::irrep::irreps(&s4, &list).is_err());
    assert!(matches!(IrrepBasis::from_irreps(&s4, list), Err(Error::Shape { .. })));

    // A complex character with real values that no real matrices have, as if they had.
    let q8 = Dicyclic::new(2).unwrap();
    let double = irreps(&q8).unwrap()[4].character.clone();
    none(&q8, &named("half of the quaternionic one", Kind::Real, &double / 2.0, &q8));
    // With a real irrep of the same dimension it has the numbers of a complex kind, and an idempotent of the right rank.
    let group = DirectProduct::new(q8, Symmetric::new(3).unwrap()).unwrap();
    let found = irreps(&group).unwrap();
    let real = found.iter().find(|irrep| irrep.kind == Kind::Real && irrep.dim == 2).unwrap();
    let quaternionic = found.iter().find(|irrep| irrep.kind == Kind::Quaternionic && irrep.dim == 4).unwrap();
    let pair = named("real + quaternionic", Kind::Complex, &real.character + &quaternionic.character / 2.0, &group);
    assert_eq!((pair.dim, pair.multiplicity(), pair.rank()), (4, 2, 8));
    none(&group, &pair);
    // Half of all functions on C_4: norm 1, mean of chi(x^2) 1, and a projector of rank 4 = 2^2.
    let c4 = Cyclic::new(4).unwrap();
    none(&c4, &named("half of all", Kind::Real, array![2.0, 0.0, 0.0, 0.0], &c4));
    let c2 = Cyclic::new(2).unwrap();
    let twice = named("trivial twice", Kind::Quaternionic, array![2.0, 2.0], &c2);
    assert_eq!(twice.rank(), 0);
    none(&c2, &twice);
    let c5 = Cyclic::new(5).unwrap();
    let turns = irreps(&c5).unwrap();
    none(&c5, &named("frequency 1 + 2", Kind::Quaternionic, &turns[1].character + &turns[2].character, &c5));
}

/// All combinations of complex characters with some coefficients, under each kind: those that are taken are the real irreps.
#[test]
fn of_all_combinations_only_irreps_are_taken() {
    let (mut taken, mut tried) = (0, 0);
    for group in families() {
        let table = CharacterTable::new(&group).unwrap();
        let k = table.dims().len();
        let coefficients: &[f64] = match k {
            1..=4 => &[-1.0, -0.5, 0.0, 0.5, 1.0, 2.0],
            5 => &[-1.0, 0.0, 0.5, 1.0, 2.0],
            6..=7 => &[-1.0, 0.0, 1.0],
            8..=9 => &[0.0, 1.0],
            _ => continue,
        };
        let known = irreps(&group).unwrap();
        let identity: Vec<Elem> = group.elements().collect();
        for draw in 0..coefficients.len().pow(k as u32) {
            let c = |i: u32| coefficients[draw / coefficients.len().pow(i) % coefficients.len()];
            let mut sum = Array1::<Complex<f64>>::zeros(group.order());
            for i in 0..k {
                sum += &(table.character(i) * Complex::from(c(i as u32)));
            }
            if sum.iter().any(|v| v.im.abs() > 1e-9) {
                continue;
            }
            // As it is, and scaled as the idempotent of its rank has it.
            let chi = sum.mapv(|v| v.re);
            let norm = chi.dot(&chi) / group.order() as f64;
            for (kind, scaled) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
                let factor = if scaled { (kind.norm() as f64 / norm).sqrt() } else { 1.0 };
                let irrep = named("combination", kind, &chi * factor, &group);
                let right = known.iter().any(|other| {
                    kind == other.kind && (&other.character - &irrep.character).iter().all(|off| off.abs() < 1e-9)
                });
                tried += 1;
                taken += usize::from(right);
                assert_eq!(irrep.range(&group).is_ok(), right, "{} {irrep:?}", group.name());
                assert_eq!(irrep.pulled_back(&group, &identity).is_ok(), right, "{} {irrep:?}", group.name());
            }
        }
    }
    assert!(tried > 50_000 && taken > 200, "{taken} of {tried}");
}

#[test]
fn lists_that_are_not_all_irreps_are_refused() {
    let s4 = Symmetric::new(4).unwrap();
    let mut twice = irreps(&s4).unwrap();
    twice[4] = twice[3].clone();
    let error = IrrepBasis::from_irreps(&s4, twice.clone()).err().unwrap().to_string();
    assert_eq!(
        error,
        "irrep `3a`: expected irreps that differ, <chi_i, chi_j> = 0 with every other of the list, got 1"
    );
    assert_eq!(laws::irrep::irreps(&s4, &twice).unwrap_err().law, "orthogonality of characters");
    let c5 = Cyclic::new(5).unwrap();
    let mut twice = irreps(&c5).unwrap();
    twice[2] = twice[1].clone();
    assert!(IrrepBasis::from_irreps(&c5, twice).is_err());
    assert!(IrrepBasis::from_irreps(&c5, Vec::new()).is_err());
    // Those of another group with as many elements, and even as many of each dimension.
    let (d4, q8) = (Dihedral::new(4).unwrap(), Dicyclic::new(2).unwrap());
    assert!(IrrepBasis::from_irreps(&q8, irreps(&d4).unwrap()).is_err());
    assert!(IrrepBasis::from_irreps(&Cyclic::new(24).unwrap(), irreps(&s4).unwrap()).is_err());
}

/// All of S_n under both rules, rows reversed.
fn listed(n: usize, composition: Composition) -> PermutationGroup {
    let all = Symmetric::new(n).unwrap();
    let elements: Vec<Vec<usize>> = all.elements().rev().map(|x| all.permutation(x).to_vec()).collect();
    PermutationGroup::from_elements(elements, composition).unwrap()
}

#[test]
fn pulled_back_along_a_map_that_reverses_products() {
    for n in 1..=5 {
        let all = Symmetric::new(n).unwrap();
        for composition in [Composition::ApplyLeftFirst, Composition::ApplyRightFirst] {
            let group = listed(n, composition);
            let same: Vec<Elem> = group.elements().map(|x| all.find(group.permutation(x)).unwrap()).collect();
            let inverse: Vec<Elem> = same.iter().map(|&x| all.inverse(x)).collect();
            let (right, wrong) =
                if composition == Composition::ApplyLeftFirst { (same, inverse) } else { (inverse, same) };
            let mut set = Vec::new();
            for rho in symmetric(&all) {
                let pulled = rho.pulled_back(&group, &right).unwrap();
                laws::irrep::representation(&group, &pulled).unwrap();
                // A real character is the same at an element and its inverse.
                let irrep = rho.irrep(&all).unwrap();
                let (a, b) = (irrep.pulled_back(&group, &right).unwrap(), irrep.pulled_back(&group, &wrong).unwrap());
                assert!((&a.character - &b.character).iter().all(|off| off.abs() < 1e-12));
                assert!((&a.character - &pulled.character()).iter().all(|off| off.abs() < 1e-12));
                set.push(pulled);
                let Err(error) = rho.pulled_back(&group, &wrong) else {
                    // Images that commute.
                    assert!(rho.dim() == 1);
                    continue;
                };
                assert!(rho.dim() > 1);
                assert!(error.to_string().contains("and not rho(y) rho(x)"), "{error}");
                let matrices =
                    rho.matrices().select(ndarray::Axis(0), &wrong.iter().map(|x| x.index()).collect::<Vec<_>>());
                let reversed = Representation::new("reversed", matrices).unwrap();
                assert_eq!(laws::irrep::representation(&group, &reversed).unwrap_err().law, "homomorphism");
            }
            laws::irrep::check_matrices(&group, &set, 0).unwrap();
        }
    }
    // The distance of the issue: S_3, (2,1).
    let (all, group) = (Symmetric::new(3).unwrap(), listed(3, Composition::ApplyRightFirst));
    let map: Vec<Elem> = group.elements().map(|x| all.find(group.permutation(x)).unwrap()).collect();
    match symmetric(&all)[1].pulled_back(&group, &map) {
        Err(Error::NotARepresentation { distance, .. }) => assert!(distance > 1.0, "{distance}"),
        other => panic!("{other:?}"),
    }
    // Maps that are none at all.
    let young = &symmetric(&all)[1];
    let mut swapped: Vec<Elem> = all.elements().collect();
    swapped.swap(1, 4);
    assert!(
        young.pulled_back(&all, &swapped).is_err() && young.irrep(&all).unwrap().pulled_back(&all, &swapped).is_err()
    );
    assert!(matches!(young.pulled_back(&all, &swapped[..5]), Err(Error::Shape { .. })));
    assert!(matches!(young.irrep(&all).unwrap().pulled_back(&all, &swapped[..5]), Err(Error::Shape { .. })));
}

/// The irreps of a run in the order of a file, for files of either rule and for tables.
#[test]
fn irreps_of_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, n) in [(GroupKind::SymmetricGroup, 4), (GroupKind::AlternatingGroup, 5)] {
        runs::write_run(folder.path(), ModelKind::OneLayerMlp, kind.clone(), n, 1);
        let run = Run::open(folder.path()).unwrap();
        for composition in [Composition::ApplyLeftFirst, Composition::ApplyRightFirst] {
            let all = listed(n, composition);
            let even = Alternating::new(n).unwrap();
            let member = |x: &Elem| kind == GroupKind::SymmetricGroup || even.find(all.permutation(*x)).is_some();
            let elements: Vec<_> = all.elements().filter(member).map(|x| all.permutation(x).to_vec()).collect();
            let order = folder.path().join("order.json");
            let text = serde_json::json!({ "composition": composition.to_string(), "elements": elements });
            std::fs::write(&order, text.to_string()).unwrap();
            let (group, permutations) = run.group_in_order(Some(&order)).unwrap();
            let found = run.irreps(&group, permutations.as_ref()).unwrap();
            assert_eq!(found[0].label, format!("({n})"));
            laws::irrep::irreps(&group, &found).unwrap();
            let basis = IrrepBasis::from_irreps(&group, found).unwrap();
            laws::fourier::check_on(&basis, &group).unwrap();
            assert_eq!(basis.blocks()[1].name, format!("({},1)", n - 1));
        }
    }
    // A cyclic run whose group is a table in another order.
    runs::write_run(folder.path(), ModelKind::OneLayerMlp, GroupKind::CyclicGroup, 5, 1);
    let run = Run::open(folder.path()).unwrap();
    let cyclic = Cyclic::new(5).unwrap();
    let table = cyclic.cayley_table().relabelled(&[1, 3, 0, 2, 4]).unwrap();
    for (group, label) in [(&cyclic as &dyn Group, "frequency 1"), (&table, "2a")] {
        let found = run.irreps(group, None).unwrap();
        laws::irrep::irreps(group, &found).unwrap();
        assert_eq!(found[1].label, label);
    }
}

#[test]
fn constituents_refuse_what_is_no_representation() {
    let group = Symmetric::new(4).unwrap();
    let whole = on_points(&group);
    let n = group.order();
    let twice = by("twice", n, |x| 2.0 * &whole.of(Elem::new(x)));
    assert!(matches!(constituents(&twice, 0), Err(Error::NotARepresentation { .. })));
    let nan = by("NaN", n, |x| f64::NAN * &whole.of(Elem::new(x)));
    assert!(constituents(&nan, 0).is_err());
    // Orthogonal matrices that are no group's.
    let mixed = by("mixed", n, |x| {
        let (sin, cos) = (x as f64 * 0.7).sin_cos();
        whole.of(Elem::new((5 * x + 3) % n)).dot(&array![
            [cos, -sin, 0.0, 0.0],
            [sin, cos, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0]
        ])
    });
    assert!(constituents(&mixed, 0).is_err());
    assert_eq!(constituents(&whole, 0).unwrap().len(), 2);
}

/// Every draw gives the irreps of A_n, of which some are split.
#[test]
fn alternating_groups_from_many_draws() {
    for (n, seeds) in [(3, 200), (4, 100), (5, 20), (6, 3)] {
        let group = Alternating::new(n).unwrap();
        for seed in 0..seeds {
            laws::irrep::check_matrices(&group, &alternating(&group, seed).unwrap(), seed).unwrap();
        }
    }
}

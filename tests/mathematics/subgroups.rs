//! Subgroups, cosets and conjugacy classes of subgroups: known numbers, and the definitions on small groups.

use crate::families;
use families::{families, heisenberg};
use irreplens::Error;
use irreplens::group::{
    Alternating, CayleyTable, Cyclic, Dicyclic, Dihedral, Elem, Group, GroupExt, SemidirectProduct, Subgroup,
    SubgroupClass, Symmetric, subgroup_classes,
};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;
use std::time::Instant;

fn all_classes(group: &dyn Group) -> Vec<SubgroupClass> {
    subgroup_classes(group, 20_000).unwrap()
}

/// The numbers of classes, of subgroups and of normal subgroups.
fn counts(group: &dyn Group) -> (usize, usize, usize) {
    let start = Instant::now();
    let classes = all_classes(group);
    eprintln!("{}: {:?}", group.name(), start.elapsed());
    let normal = classes.iter().filter(|class| class.is_normal()).count();
    (classes.len(), classes.iter().map(|class| class.conjugates).sum(), normal)
}

/// OEIS A000638 and A005432.
#[test]
fn symmetric_groups() {
    let expected = [(1, 1, 1), (2, 2, 2), (4, 6, 3), (11, 30, 4), (19, 156, 3), (56, 1455, 3)];
    for (n, expected) in (1..).zip(expected) {
        assert_eq!(counts(&Symmetric::new(n).unwrap()), expected, "S{n}");
    }
}

/// As above, with its table, as the documentation advises.
#[test]
fn symmetric_7() {
    assert_eq!(counts(&Symmetric::new(7).unwrap().cayley_table()), (96, 11_300, 3));
}

/// OEIS A029726 and A029725.
#[test]
fn alternating_groups() {
    let expected = [(1, 1, 1), (1, 1, 1), (2, 2, 2), (5, 10, 3), (9, 59, 2), (22, 501, 2), (40, 3786, 2)];
    for (n, expected) in (1..).zip(expected) {
        assert_eq!(counts(&Alternating::new(n).unwrap()), expected, "A{n}");
    }
}

#[test]
fn alternating_5_in_full() {
    let found: Vec<_> =
        all_classes(&Alternating::new(5).unwrap()).iter().map(|class| (class.order(), class.conjugates)).collect();
    let expected = [(1, 1), (2, 15), (3, 10), (4, 5), (5, 6), (6, 10), (10, 6), (12, 5), (60, 1)];
    assert_eq!(found, expected);
}

fn divisors(n: usize) -> Vec<usize> {
    (1..=n).filter(|d| n.is_multiple_of(*d)).collect()
}

/// `<r^d>` for d | n, and `<r^d, r^i s>` for d | n and i < d, of which i and i + 2 are conjugate.
#[test]
fn dihedral_groups() {
    for n in 1..=30 {
        let (tau, sigma) = (divisors(n).len(), divisors(n).iter().sum::<usize>());
        let reflecting: usize = divisors(n).iter().map(|d| if d % 2 == 1 { 1 } else { 2 }).sum();
        let (classes, subgroups, _) = counts(&Dihedral::new(n).unwrap());
        assert_eq!((classes, subgroups), (tau + reflecting, tau + sigma), "D{n}");
    }
}

#[test]
fn cyclic_dicyclic_and_other_groups() {
    for n in 1..=40 {
        let tau = divisors(n).len();
        assert_eq!(counts(&Cyclic::new(n).unwrap()), (tau, tau, tau), "C{n}");
    }
    for n in 1..=12 {
        let (_, subgroups, _) = counts(&Dicyclic::new(n).unwrap());
        assert_eq!(subgroups, divisors(2 * n).len() + divisors(n).iter().sum::<usize>(), "Dic{n}");
    }
    assert_eq!(counts(&Dicyclic::quaternion(8).unwrap()), (6, 6, 6));
    assert_eq!(counts(&heisenberg(3)), (11, 19, 7));
    assert_eq!(counts(&SemidirectProduct::affine(5, 4).unwrap()), (6, 14, 4));
    assert_eq!(counts(&SemidirectProduct::affine(7, 6).unwrap()), (8, 26, 5));
    assert_eq!(counts(&SemidirectProduct::affine(7, 3).unwrap()), (4, 10, 3));
}

#[test]
fn limits() {
    let s4 = Symmetric::new(4).unwrap();
    assert_eq!(subgroup_classes(&s4, 30).unwrap().len(), 11);
    match subgroup_classes(&s4, 29).unwrap_err() {
        Error::OverLimit { group, limit, got, .. } => assert_eq!((group.as_str(), limit, got), ("S4", 29, 30)),
        error => panic!("{error}"),
    }
    assert!(matches!(subgroup_classes(&s4, 0), Err(Error::OverLimit { limit: 0, got: 1, .. })));
}

#[test]
fn subgroups_print_and_serialise_as_their_elements() {
    let h = Subgroup::generated(&Cyclic::new(70).unwrap(), &[Elem::new(35)]);
    assert_eq!(format!("{h:?}"), "{#0, #35}");
    let text = serde_json::to_string(&h).unwrap();
    assert_eq!(text, r#"{"group_order":70,"elements":[0,35]}"#);
    assert_eq!(serde_json::from_str::<Subgroup>(&text).unwrap(), h);
    assert!(!h.contains(Elem::new(65)) && !h.contains(Elem::new(1000)));
}

/// All products of members, again and again.
fn closed(group: &CayleyTable, generators: &[Elem]) -> BTreeSet<Elem> {
    let mut members: BTreeSet<Elem> = generators.iter().copied().chain([group.identity()]).collect();
    loop {
        let products: BTreeSet<Elem> =
            members.iter().flat_map(|&a| members.iter().map(move |&b| group.compose(a, b))).collect();
        if products == members {
            return members;
        }
        members = products;
    }
}

/// Every subgroup of a group of order at most 16: three elements generate all but C2^4.
fn by_definition(group: &CayleyTable) -> BTreeSet<Vec<Elem>> {
    let mut found = BTreeSet::from([group.elements().collect::<Vec<_>>()]);
    for x in group.elements() {
        for y in group.elements().skip(x.index()) {
            for z in group.elements().skip(y.index()) {
                found.insert(closed(group, &[x, y, z]).into_iter().collect());
            }
        }
    }
    found
}

fn conjugated(group: &CayleyTable, subgroup: &[Elem], g: Elem) -> Vec<Elem> {
    let moved: BTreeSet<Elem> = subgroup.iter().map(|&x| group.conjugate(x, g)).collect();
    moved.into_iter().collect()
}

/// Order, number of conjugates and first conjugate of every class, sorted.
fn classes_by_definition(group: &CayleyTable) -> Vec<(usize, usize, Vec<Elem>)> {
    let class = |subgroup: &Vec<Elem>| {
        let orbit: BTreeSet<Vec<Elem>> = group.elements().map(|g| conjugated(group, subgroup, g)).collect();
        (subgroup.len(), orbit.len(), orbit.into_iter().next().unwrap())
    };
    let classes: BTreeSet<_> = by_definition(group).iter().map(class).collect();
    classes.into_iter().collect()
}

fn as_tuples(classes: &[SubgroupClass]) -> Vec<(usize, usize, Vec<Elem>)> {
    classes.iter().map(|c| (c.order(), c.conjugates, c.representative.elements().to_vec())).collect()
}

#[test]
fn small_groups_by_definition() {
    for group in families().into_iter().filter(|group| group.order() <= 16) {
        let table = group.cayley_table();
        assert_eq!(as_tuples(&all_classes(&group)), classes_by_definition(&table), "{}", group.name());
    }
}

/// A group of every family, its rows shuffled.
fn shuffled(most: usize) -> impl Strategy<Value = CayleyTable> {
    let small = move || families().into_iter().filter(move |group| group.order() <= most);
    (0..small().count()).prop_flat_map(move |pick| {
        let table = small().nth(pick).unwrap().cayley_table();
        let rows: Vec<usize> = (0..table.order()).collect();
        Just(rows).prop_shuffle().prop_map(move |rows| table.relabelled(&rows).unwrap())
    })
}

proptest! {
    #[test]
    fn shuffled_small_groups_by_definition(table in shuffled(12)) {
        prop_assert_eq!(as_tuples(&all_classes(&table)), classes_by_definition(&table));
    }

    #[test]
    fn cosets_and_conjugates_by_definition(table in shuffled(60), pick: (usize, usize, usize)) {
        let n = table.order();
        let [x, y, g] = [pick.0, pick.1, pick.2].map(|row| table.element(row % n));
        let h = Subgroup::generated(&table, &[x, y]);
        prop_assert_eq!(h.elements(), closed(&table, &[x, y]).into_iter().collect::<Vec<_>>());
        prop_assert!(table.elements().all(|x| h.contains(x) == h.elements().contains(&x)));

        let (left, right) = (h.left_cosets(&table), h.right_cosets(&table));
        for (cosets, is_left) in [(&left, true), (&right, false)] {
            prop_assert_eq!(cosets.len() * h.order(), n);
            prop_assert!(cosets.is_sorted());
            prop_assert_eq!(cosets.iter().flatten().collect::<BTreeSet<_>>().len(), n);
            for coset in cosets {
                let first = coset[0];
                let product = |&h: &Elem| if is_left { table.compose(first, h) } else { table.compose(h, first) };
                let expected: BTreeSet<Elem> = h.elements().iter().map(product).collect();
                prop_assert_eq!(coset, &expected.into_iter().collect::<Vec<_>>());
            }
        }

        let conjugates = h.conjugates(&table);
        let found: BTreeSet<Vec<Elem>> = conjugates.iter().map(|c| c.elements().to_vec()).collect();
        let expected: BTreeSet<Vec<Elem>> = table.elements().map(|g| conjugated(&table, h.elements(), g)).collect();
        prop_assert_eq!(conjugates.len(), found.len());
        prop_assert_eq!(found, expected);
        prop_assert!(conjugates.contains(&h.conjugate(&table, g)));
        prop_assert_eq!(h.is_normal(&table), conjugates.len() == 1);
        prop_assert_eq!(h.is_normal(&table), left == right);
    }
}

//! The families of groups against what is known of them: element orders, classes, isomorphisms, and bad parameters.

use crate::{data, families};
use families::{families, heisenberg};
use irreplens::Error;
use irreplens::group::{
    Alternating, Composition, Cyclic, Dicyclic, Dihedral, DirectProduct, Elem, Group, GroupExt, PermutationGroup,
    SemidirectProduct, Symmetric,
};
use ndarray::Array2;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};

fn classes(group: &dyn Group) -> usize {
    group.conjugacy_classes().len()
}

/// How many elements have order 1, 2, 3, ...
fn order_counts(group: &dyn Group) -> Vec<usize> {
    let orders = group.element_orders();
    (1..=*orders.iter().max().unwrap()).map(|m| orders.iter().filter(|&&order| order == m).count()).collect()
}

#[test]
fn symmetric_groups() {
    let partitions = [1, 2, 3, 5, 7, 11, 15];
    let involutions = [0, 1, 3, 9, 25, 75, 231];
    for n in 1..=7 {
        let group = Symmetric::new(n).unwrap();
        assert_eq!((group.order(), group.degree(), group.name()), ((1..=n).product(), n, format!("S{n}")));
        assert_eq!(classes(&group), partitions[n - 1], "S{n}");
        assert_eq!(order_counts(&group).get(1).copied().unwrap_or(0), involutions[n - 1], "S{n}");
    }
    assert_eq!(order_counts(&Symmetric::new(5).unwrap()), [1, 25, 20, 30, 24, 20]);
    assert_eq!(order_counts(&Symmetric::new(6).unwrap()), [1, 75, 80, 180, 144, 240]);
}

#[test]
fn alternating_groups() {
    for (n, expected) in (1..).zip([1, 1, 3, 4, 5, 7, 9]) {
        let group = Alternating::new(n).unwrap();
        let order = (1..=n).product::<usize>().div_ceil(2);
        assert_eq!((group.order(), group.degree(), group.name()), (order, n, format!("A{n}")));
        assert_eq!(classes(&group), expected, "A{n}");
    }
    assert_eq!(order_counts(&Alternating::new(5).unwrap()), [1, 15, 20, 0, 24]);
    assert_eq!(order_counts(&Alternating::new(6).unwrap()), [1, 45, 80, 90, 144]);
}

/// Lists in lexicographic order, found again, and products, inverses and subgroup A_n against the definitions.
#[test]
fn lexicographic_permutations() {
    for n in 1..=5 {
        let (all, even) = (Symmetric::new(n).unwrap(), Alternating::new(n).unwrap());
        let lists: Vec<Vec<usize>> = all.elements().map(|x| all.permutation(x).to_vec()).collect();
        assert!(lists.is_sorted() && lists[0].is_sorted());
        assert_eq!(all.find(&vec![0; n + 1]), None);
        let slow = PermutationGroup::from_elements(lists, Composition::ApplyLeftFirst).unwrap();
        assert_eq!(all.cayley_table().table(), slow.cayley_table().table());
        assert!(all.elements().all(|x| all.find(all.permutation(x)) == Some(x) && all.inverse(x) == slow.inverse(x)));

        let lists: Vec<Vec<usize>> = even.elements().map(|x| even.permutation(x).to_vec()).collect();
        assert!(lists.is_sorted());
        let slow = PermutationGroup::from_elements(lists, Composition::ApplyLeftFirst).unwrap();
        assert_eq!(even.cayley_table().table(), slow.cayley_table().table());
        for x in all.elements() {
            let list = all.permutation(x);
            let cycles = (0..n).filter(|&first| is_least_of_its_cycle(list, first)).count();
            let found = even.find(list);
            assert_eq!(found.is_some(), (n - cycles).is_multiple_of(2));
            assert!(found.is_none_or(|x| even.permutation(x) == list));
        }
    }
}

fn is_least_of_its_cycle(list: &[usize], first: usize) -> bool {
    let next = std::iter::successors(Some(list[first]), |&point| (point != first).then(|| list[point]));
    next.min() == Some(first)
}

#[test]
fn published_orders_are_relabellings() {
    let Some(data) = data::folder("published_orders_are_relabellings") else { return };
    for n in 3..=6 {
        let published = PermutationGroup::from_json(data.join(format!("orders/S{n}.json"))).unwrap();
        let here = Symmetric::new(n).unwrap();
        let row = |x| here.find(published.permutation(x)).unwrap();
        let rows: Vec<usize> = published.elements().map(|x| row(x).index()).collect();
        assert_eq!(published.cayley_table().relabelled(&rows).unwrap().table(), here.cayley_table().table());
    }
    let published = PermutationGroup::from_json(data.join("orders/A5.json")).unwrap();
    let here = Alternating::new(5).unwrap();
    let rows: Vec<usize> = published.elements().map(|x| here.find(published.permutation(x)).unwrap().index()).collect();
    assert_eq!(published.cayley_table().relabelled(&rows).unwrap().table(), here.cayley_table().table());
}

#[test]
fn quaternion_groups() {
    let q8 = Dicyclic::quaternion(8).unwrap();
    assert_eq!((q8, q8.name()), (Dicyclic::new(2).unwrap(), "Q8".into()));
    assert_eq!((classes(&q8), order_counts(&q8), q8.center().len()), (5, vec![1, 1, 0, 6], 2));
    let q16 = Dicyclic::quaternion(16).unwrap();
    assert_eq!((classes(&q16), order_counts(&q16)), (7, vec![1, 1, 0, 10, 0, 0, 0, 4]));
    assert_eq!(Dicyclic::new(3).unwrap().name(), "Dic3");
}

#[test]
fn affine_groups() {
    for (p, k) in [(3, 2), (5, 2), (5, 4), (7, 2), (7, 3), (7, 6), (11, 5), (13, 4), (31, 3)] {
        let group = SemidirectProduct::affine(p, k).unwrap();
        assert_eq!(classes(&group), k + (p - 1) / k, "{}", group.name());
        let moved = order_counts(&group).get(p - 1).copied();
        assert_eq!(moved, Some(p - 1), "{}", group.name());
    }
    let agl = SemidirectProduct::affine(5, 4).unwrap();
    assert_eq!((agl.name(), order_counts(&agl)), ("C5 x| C4".into(), vec![1, 5, 0, 10, 4]));
}

#[test]
fn heisenberg_groups() {
    for p in [3, 5] {
        let group = heisenberg(p);
        assert_eq!((classes(&group), group.center().len()), (p * p + p - 1, p));
        assert_eq!(order_counts(&group)[p - 1], p * p * p - 1);
    }
    assert_eq!(order_counts(&heisenberg(2)), order_counts(&Dihedral::new(4).unwrap()));
}

#[test]
fn trivial_action_is_the_direct_product() {
    let (a4, c3) = (Alternating::new(4).unwrap(), Cyclic::new(3).unwrap());
    let group = SemidirectProduct::new(a4.clone(), c3, Array2::from_shape_fn((3, 12), |(_, a)| a)).unwrap();
    assert_eq!(group.cayley_table().table(), DirectProduct::new(c3, a4).unwrap().cayley_table().table());
    let x = group.element(17);
    let (a, h) = group.split(x);
    assert_eq!((a.index(), h.index(), group.join(a, h), group.act(h, a)), (5, 1, x, a));
}

/// S_n is A_n x| C_2 with the swap of the last two points, by conjugation in S_n.
#[test]
fn symmetric_from_alternating() {
    let (s4, a4) = (Symmetric::new(4).unwrap(), Alternating::new(4).unwrap());
    let swap = s4.find(&[0, 1, 3, 2]).unwrap();
    let conjugated = |a: usize| {
        let x = s4.find(a4.permutation(a4.element(a))).unwrap();
        a4.find(s4.permutation(s4.conjugate(x, swap))).unwrap().index()
    };
    let action = Array2::from_shape_fn((2, 12), |(h, a)| if h == 0 { a } else { conjugated(a) });
    let group = SemidirectProduct::new(a4.clone(), Cyclic::new(2).unwrap(), action).unwrap();
    let rows: Vec<usize> = group
        .elements()
        .map(|x| {
            let (a, h) = group.split(x);
            let a = s4.find(a4.permutation(a)).unwrap();
            if h.index() == 0 { a.index() } else { s4.compose(a, swap).index() }
        })
        .collect();
    assert_eq!(group.cayley_table().relabelled(&rows).unwrap().table(), s4.cayley_table().table());
}

#[test]
fn wrong_actions() {
    let cyclic = |n| Cyclic::new(n).unwrap();
    let on_c4 = |rows: Vec<[usize; 4]>| {
        let table = Array2::from_shape_fn((rows.len(), 4), |(h, a)| rows[h][a]);
        SemidirectProduct::new(cyclic(4), cyclic(2), table).map(|_| ()).unwrap_err().to_string()
    };
    let e = [0, 1, 2, 3];
    assert_eq!(on_c4(vec![e]), "action (element of H, element of N): expected shape [2, 4], got [1, 4]");
    assert_eq!(on_c4(vec![e, [0, 1, 2, 4]]), "permutation 1 is not a permutation of 0..4: [0, 1, 2, 4]");
    // 1 + 1 = 2 goes to 3, but 1 goes to 1.
    let fails = "not an action by automorphisms";
    assert_eq!(on_c4(vec![e, [0, 1, 3, 2]]), format!("{fails}: automorphism fails at [1, 1, 1]: 3 against 2"));
    // The identity of C2 must act as the identity.
    let inverting = [0, 3, 2, 1];
    assert_eq!(on_c4(vec![inverting, e]), format!("{fails}: homomorphism fails at [0, 1, 1]: 1 against 3"));
    // The trivial group has no generators, and must act trivially all the same.
    let table = Array2::from_shape_fn((1, 4), |(_, a)| inverting[a]);
    let error = SemidirectProduct::new(cyclic(4), cyclic(1), table).unwrap_err();
    assert!(matches!(error, Error::LawFails { law: "homomorphism", .. }), "{error}");

    let metacyclic = |n, k, unit| SemidirectProduct::metacyclic(n, k, unit).unwrap_err();
    assert!(matches!(metacyclic(6, 2, 2), Error::NotAPermutation { index: 1, degree: 6, .. }));
    assert!(matches!(metacyclic(5, 3, 2), Error::LawFails { law: "homomorphism", .. }));
    assert!(matches!(metacyclic(1 << 16, 1 << 16, 1), Error::GroupParameter { .. }));
}

#[test]
fn parameters() {
    let message = |result: Result<Box<dyn Group>, Error>| result.map(|group| group.name()).unwrap_err().to_string();
    let symmetric = |n| message(Symmetric::new(n).map(|group| Box::new(group) as _));
    assert_eq!(symmetric(0), "Symmetric: parameter from 1 to 7, got 0");
    assert_eq!(symmetric(8), "Symmetric: parameter from 1 to 7, got 8");
    assert!(Alternating::new(0).is_err() && Alternating::new(8).is_err());
    assert!(Dicyclic::new(0).is_err() && Dicyclic::new((1 << 29) + 1).is_err());
    for order in [0, 1, 4, 12] {
        let error = Dicyclic::quaternion(order).unwrap_err();
        assert!(matches!(error, Error::GroupParameter { got, .. } if got == order), "{error}");
    }
    assert!(matches!(SemidirectProduct::affine(7, 4), Err(Error::NoUnit { modulus: 7, order: 4 })));
    assert!(matches!(SemidirectProduct::affine(8, 4), Err(Error::NoUnit { .. })));
    assert!(matches!(SemidirectProduct::affine(0, 1), Err(Error::GroupParameter { got: 0, .. })));
    assert!(matches!(SemidirectProduct::affine(5, 0), Err(Error::GroupParameter { got: 0, .. })));
}

#[test]
fn largest_dicyclic_group() {
    let group = Dicyclic::new(1 << 29).unwrap();
    let x = Elem::new(group.order() - 1);
    assert_eq!(group.compose(x, group.inverse(x)), group.identity());
}

proptest! {
    #[test]
    fn dicyclic_classes(n in 1..40_usize) {
        let group = Dicyclic::new(n).unwrap();
        // n + 3; Dic_1 is C_4, n + 3 too.
        prop_assert_eq!(classes(&group), n + 3);
        let outside = group.element_orders().split_off(2 * n);
        prop_assert_eq!(outside, vec![4; 2 * n]);
        prop_assert_eq!(order_counts(&group)[1], 1);
    }

    #[test]
    fn dihedral_groups_are_semidirect(n in 1..40_usize) {
        let dihedral = Dihedral::new(n).unwrap();
        prop_assert_eq!(classes(&dihedral), if n % 2 == 1 { (n + 3) / 2 } else { (n + 6) / 2 });
        let group = SemidirectProduct::metacyclic(n, 2, n - 1).unwrap();
        let (found, expected) = (group.cayley_table(), dihedral.cayley_table());
        prop_assert_eq!(found.table(), expected.table());
    }

    #[test]
    fn relabellings_change_nothing(
        (pick, rows) in (0..families().len()).prop_flat_map(|pick| {
            let rows: Vec<usize> = (0..families()[pick].order()).collect();
            (Just(pick), Just(rows).prop_shuffle())
        }),
        at in any::<usize>(),
    ) {
        let group = &families()[pick];
        let moved = group.cayley_table().relabelled(&rows).unwrap();
        prop_assert_eq!(order_counts(&moved), order_counts(group));
        prop_assert_eq!(classes(&moved), classes(group));
        let x = group.element(at % group.order());
        let there = moved.element(rows[x.index()]);
        prop_assert_eq!(moved.inverse(there).index(), rows[group.inverse(x).index()]);
    }
}

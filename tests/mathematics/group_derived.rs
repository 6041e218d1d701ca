//! What `GroupExt` derives, against values known by hand and against the definitions.

use crate::support;
use irreplens::group::{CayleyTable, Composition, Cyclic, Dihedral, Elem, Group, GroupExt, PermutationGroup};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;

fn generated(generators: &[Vec<usize>]) -> PermutationGroup {
    PermutationGroup::from_generators(generators, Composition::ApplyLeftFirst, 1000).unwrap()
}

fn class_sizes(group: &dyn Group) -> Vec<usize> {
    let mut sizes: Vec<usize> = group.conjugacy_classes().iter().map(Vec::len).collect();
    sizes.sort_unstable();
    sizes
}

/// How many elements have order 1, 2, 3, ...
fn order_counts(group: &dyn Group) -> Vec<usize> {
    let orders = group.element_orders();
    let most = orders.iter().max().unwrap();
    let count = |m| orders.iter().filter(|&&order| order == m).count();
    (1..=*most).map(count).collect()
}

#[test]
fn symmetric_4() {
    let s4 = generated(&[vec![1, 2, 3, 0], vec![1, 0, 2, 3]]);
    assert_eq!(class_sizes(&s4), [1, 3, 6, 6, 8]);
    assert_eq!(order_counts(&s4), [1, 9, 8, 6]);
    assert_eq!((s4.center(), s4.is_abelian()), (vec![s4.identity()], false));
}

#[test]
fn alternating_5() {
    let a5 = generated(&[vec![1, 2, 3, 4, 0], vec![1, 2, 0, 3, 4]]);
    assert_eq!(class_sizes(&a5), [1, 12, 12, 15, 20]);
    assert_eq!(order_counts(&a5), [1, 15, 20, 0, 24]);
}

#[test]
fn quaternions() {
    let q8 = generated(&[vec![1, 3, 5, 6, 2, 7, 0, 4], vec![2, 4, 3, 7, 6, 1, 5, 0]]);
    assert_eq!(order_counts(&q8), [1, 1, 0, 6]);
    assert_eq!(q8.center().len(), 2);
    assert_eq!(class_sizes(&q8), [1, 1, 2, 2, 2]);
}

#[test]
fn square() {
    let d4 = Dihedral::new(4).unwrap();
    let rows = |rows: &[usize]| rows.iter().map(|&x| d4.element(x)).collect::<Vec<_>>();
    assert_eq!(d4.center(), rows(&[0, 2]));
    let classes = [&[0][..], &[1, 3], &[2], &[4, 6], &[5, 7]].map(rows);
    assert_eq!(d4.conjugacy_classes(), classes);
    assert_eq!(d4.element_order(d4.element(3)), 4);
    assert_eq!(d4.conjugate(d4.element(4), d4.element(1)), d4.element(6)); // r s r^-1 = r^2 s
    assert_eq!(d4.subgroup(&rows(&[2, 5])), rows(&[0, 2, 5, 7]));
}

#[test]
fn trivial() {
    let c1 = Cyclic::new(1).unwrap();
    let e = c1.identity();
    assert_eq!((c1.generators(), c1.subgroup(&[])), (vec![], vec![e]));
    assert_eq!((c1.conjugacy_classes(), c1.center()), (vec![vec![e]], vec![e]));
    assert_eq!((c1.element_orders(), c1.inverses()), (vec![1], vec![e]));
    assert_eq!((c1.is_abelian(), c1.power(e, -5)), (true, e));
}

#[test]
#[should_panic(expected = "element index 5 must be below the order 5")]
fn element_out_of_range() {
    Cyclic::new(5).unwrap().element(5);
}

fn class_of(group: &CayleyTable, x: Elem) -> Vec<Elem> {
    let class: BTreeSet<Elem> = group.elements().map(|g| group.conjugate(x, g)).collect();
    class.into_iter().collect()
}

/// The least m with x^m = e, and x^-1, by repeated multiplication.
fn order_of(group: &CayleyTable, x: Elem) -> usize {
    let mut power = x;
    let mut m = 1;
    while power != group.identity() {
        power = group.compose(power, x);
        m += 1;
    }
    m
}

proptest! {
    #[test]
    fn derived_notions_agree_with_their_definitions(group in support::shuffled()) {
        let commutes = |x| group.elements().all(|y| group.compose(x, y) == group.compose(y, x));
        let center: Vec<Elem> = group.elements().filter(|&x| commutes(x)).collect();
        prop_assert_eq!(group.is_abelian(), center.len() == group.order());
        prop_assert_eq!(group.center(), center);

        let orders: Vec<usize> = group.elements().map(|x| order_of(&group, x)).collect();
        let one_by_one: Vec<usize> = group.elements().map(|x| group.element_order(x)).collect();
        prop_assert_eq!(&orders, &one_by_one);
        prop_assert_eq!(orders, group.element_orders());
        let inverses: Vec<Elem> = group.elements().map(|x| group.inverse(x)).collect();
        prop_assert_eq!(inverses, group.inverses());

        let classes: BTreeSet<Vec<Elem>> = group.elements().map(|x| class_of(&group, x)).collect();
        prop_assert_eq!(classes.into_iter().collect::<Vec<_>>(), group.conjugacy_classes());

        prop_assert_eq!(&group.cayley_table(), &group);
        let generators = group.generators();
        prop_assert!(1 << generators.len() <= group.order());
        prop_assert_eq!(group.subgroup(&generators), group.elements().collect::<Vec<_>>());
    }

    #[test]
    fn pairs(group in support::shuffled(), pick: (usize, usize), exponent in -50..50_i64) {
        let n = group.order();
        let (x, y) = (group.element(pick.0 % n), group.element(pick.1 % n));
        prop_assert_eq!(group.compose(x, group.left_divide(x, y)), y);
        prop_assert_eq!(group.compose(group.right_divide(x, y), y), x);
        prop_assert_eq!(group.compose(group.conjugate(x, y), y), group.compose(y, x));

        let base = if exponent < 0 { group.inverse(x) } else { x };
        let factors = std::iter::repeat_n(base, exponent.unsigned_abs() as usize);
        let power = factors.fold(group.identity(), |p, x| group.compose(p, x));
        prop_assert_eq!(group.power(x, exponent), power);

        let mut members = BTreeSet::from([group.identity(), x, y]);
        loop {
            let pairs = members.iter().flat_map(|&a| members.iter().map(move |&b| (a, b)));
            let more: BTreeSet<Elem> = pairs.map(|(a, b)| group.compose(a, b)).collect();
            if more == members { break }
            members = more;
        }
        prop_assert_eq!(group.subgroup(&[x, y]), members.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn objects_derive_the_same(n in 1..30_usize, pick in any::<usize>()) {
        let group = Dihedral::new(n).unwrap();
        let object: &dyn Group = &group;
        let x = object.element(pick % object.order());
        prop_assert_eq!(object.element_order(x), group.element_order(x));
        prop_assert_eq!(object.elements().len(), 2 * n);
    }
}

//! Permutation groups: what is accepted, what is rejected and why, their files, and the largest order in use.

use crate::data;
use irreplens::group::{CayleyTable, Composition, Elem, Group, GroupExt, PermutationGroup};
use irreplens::{Error, laws};
use std::time::Instant;

#[test]
fn the_two_compositions_are_opposite() {
    let elements = vec![vec![1, 2, 0], vec![0, 1, 2], vec![2, 0, 1], vec![0, 2, 1], vec![1, 0, 2], vec![2, 1, 0]];
    let left = PermutationGroup::from_elements(elements.clone(), Composition::ApplyLeftFirst);
    let right = PermutationGroup::from_elements(elements.clone(), Composition::ApplyRightFirst);
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(left.identity(), left.element(1));
    for (x, y) in left.elements().flat_map(|x| left.elements().map(move |y| (x, y))) {
        let (p, q) = (left.permutation(x), left.permutation(y));
        let product: Vec<usize> = (0..3).map(|i| q[p[i]]).collect();
        assert_eq!(left.permutation(left.compose(x, y)), product);
        assert_eq!(left.compose(x, y), right.compose(y, x));
        assert_eq!(left.find(p), Some(x));
    }
}

#[test]
fn bad_permutations() {
    let rule = Composition::ApplyLeftFirst;
    let list = |elements: &[&[usize]]| {
        let elements = elements.iter().map(|p| p.to_vec()).collect();
        PermutationGroup::from_elements(elements, rule).unwrap_err()
    };
    let error = list(&[&[0, 1, 2], &[1, 2, 0]]);
    match &error {
        Error::NotClosed { left, right, product } => {
            assert_eq!((*left, *right, product.as_slice()), (1, 1, &[2, 0, 1][..]))
        }
        _ => panic!("{error}"),
    }
    assert!(matches!(list(&[&[1, 0]]), Error::NotClosed { left: 0, right: 0, .. }));
    let error = list(&[&[0, 1], &[1, 0], &[0, 1]]);
    assert_eq!(error.to_string(), "permutations 0 and 2 are the same: [0, 1]");
    let error = list(&[&[0, 1], &[1, 2]]);
    assert_eq!(error.to_string(), "permutation 1 is not a permutation of 0..2: [1, 2]");
    assert!(matches!(list(&[&[0, 1], &[0]]), Error::NotAPermutation { index: 1, .. }));
    assert!(matches!(list(&[]), Error::Shape { .. }));
    assert!(matches!(list(&[&[]]), Error::Shape { .. }));

    let s4 = [vec![1, 2, 3, 0], vec![1, 0, 2, 3]];
    let limited = |limit| PermutationGroup::from_generators(&s4, rule, limit);
    assert_eq!(limited(24).unwrap().order(), 24);
    assert!(matches!(limited(23), Err(Error::OverLimit { limit: 23, got: 24, .. })));
    assert!(PermutationGroup::from_generators(&[], rule, 9).is_err());
}

#[test]
fn permutation_files() {
    let with = |composition: &str| {
        let content = format!("{{\"composition\": {composition:?}, \"elements\": [[1, 0], [0, 1]]}}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        std::fs::write(&path, content).unwrap();
        PermutationGroup::from_json(path)
    };
    let left = with("(p*q)[i] = q[p[i]] (apply p first)").unwrap();
    assert_eq!(left.composition(), Composition::ApplyLeftFirst);
    let right = with("(p*q)[i]=p[q[i]]").unwrap();
    assert_eq!(right.composition(), Composition::ApplyRightFirst);
    let message = with("usual").unwrap_err().to_string();
    assert!(message.contains("p.json") && message.ends_with("got \"usual\""), "{message}");
}

#[test]
fn published_element_orders() {
    let Some(data) = data::folder("published_element_orders") else { return };
    for (name, order, degree, identity) in
        [("S3", 6, 3, 0), ("S4", 24, 4, 0), ("A5", 60, 5, 0), ("S5", 120, 5, 20), ("S6", 720, 6, 60)]
    {
        let path = data.join(format!("orders/{name}.json"));
        let group = PermutationGroup::from_json(path).unwrap();
        assert_eq!((group.order(), group.degree(), group.name()), (order, degree, name.into()));
        assert_eq!(group.composition(), Composition::ApplyLeftFirst);
        assert_eq!(group.identity().index(), identity, "{name}");
        assert_eq!(laws::group::check(&group), Ok(()));
    }
}

#[test]
fn order_5040() {
    let start = Instant::now();
    let lap = |what: &str| eprintln!("{what}: {:?} since the start", start.elapsed());
    let generators = [vec![1, 2, 3, 4, 5, 6, 0], vec![1, 0, 2, 3, 4, 5, 6]];
    let rule = Composition::ApplyLeftFirst;
    let s7 = PermutationGroup::from_generators(&generators, rule, 5040).unwrap();
    lap("generated");
    let table = s7.cayley_table();
    lap("cayley_table");
    let table = CayleyTable::new(table.table().mapv(Elem::index)).unwrap();
    lap("CayleyTable::new");
    assert_eq!(s7.conjugacy_classes().len(), 15); // the partitions of 7
    lap("conjugacy_classes");
    assert_eq!(s7.element_orders().into_iter().max(), Some(12));
    assert_eq!(s7.inverses(), table.elements().map(|x| table.inverse(x)).collect::<Vec<_>>());
    assert_eq!((s7.center().len(), s7.is_abelian()), (1, false));
    lap("element_orders, inverses, center, is_abelian");
    let (x, y) = (s7.element(1234), s7.element(4321));
    assert_eq!(table.compose(x, y), s7.compose(x, y));
}

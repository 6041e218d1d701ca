//! Every group of the crate against the group laws.

use crate::{families, support};
use irreplens::group::{
    Alternating, Composition, Cyclic, Dicyclic, Dihedral, DirectProduct, Elem, Group, GroupExt, PermutationGroup,
    SemidirectProduct, Symmetric,
};
use irreplens::{group_laws, laws};
use proptest::prelude::{any, prop_assert_eq, proptest};
use std::sync::Arc;

fn cyclic(n: usize) -> Cyclic {
    Cyclic::new(n).unwrap()
}

fn dihedral(n: usize) -> Dihedral {
    Dihedral::new(n).unwrap()
}

fn symmetric(n: usize, composition: Composition) -> PermutationGroup {
    let mut cycle: Vec<usize> = (0..n).collect();
    let mut swap = cycle.clone();
    cycle.rotate_left(1);
    swap.swap(0, 1);
    PermutationGroup::from_generators(&[cycle, swap], composition, 5040).unwrap()
}

group_laws!(c1, cyclic(1));
group_laws!(c2, cyclic(2));
group_laws!(c7, cyclic(7));
group_laws!(c3000_sampled, cyclic(3000));
group_laws!(d1, dihedral(1));
group_laws!(d2, dihedral(2));
group_laws!(d3, dihedral(3));
group_laws!(d8, dihedral(8));
group_laws!(klein, DirectProduct::new(cyclic(2), cyclic(2)).unwrap());
group_laws!(c3_x_d4, DirectProduct::new(cyclic(3), dihedral(4)).unwrap());
group_laws!(nested, DirectProduct::new(dihedral(3), DirectProduct::new(cyclic(1), cyclic(4)).unwrap()).unwrap());
group_laws!(s3_left_first, symmetric(3, Composition::ApplyLeftFirst));
group_laws!(s3_right_first, symmetric(3, Composition::ApplyRightFirst));
group_laws!(s4_left_first, symmetric(4, Composition::ApplyLeftFirst));
group_laws!(s4_right_first, symmetric(4, Composition::ApplyRightFirst));
group_laws!(s4_table, symmetric(4, Composition::ApplyLeftFirst).cayley_table());
group_laws!(s1, Symmetric::new(1).unwrap());
group_laws!(s2, Symmetric::new(2).unwrap());
group_laws!(s5, Symmetric::new(5).unwrap());
group_laws!(s7_sampled, Symmetric::new(7).unwrap());
group_laws!(a1, Alternating::new(1).unwrap());
group_laws!(a2, Alternating::new(2).unwrap());
group_laws!(a3, Alternating::new(3).unwrap());
group_laws!(a5, Alternating::new(5).unwrap());
group_laws!(a7_sampled, Alternating::new(7).unwrap());
group_laws!(dic1, Dicyclic::new(1).unwrap());
group_laws!(q8, Dicyclic::new(2).unwrap());
group_laws!(q16, Dicyclic::quaternion(16).unwrap());
group_laws!(dic7, Dicyclic::new(7).unwrap());
group_laws!(affine_1, SemidirectProduct::affine(1, 1).unwrap());
group_laws!(affine_7, SemidirectProduct::affine(7, 6).unwrap());
group_laws!(affine_31, SemidirectProduct::affine(31, 5).unwrap());
group_laws!(semidihedral_16, SemidirectProduct::metacyclic(8, 2, 3).unwrap());
group_laws!(heisenberg_3, families::heisenberg(3));
group_laws!(reference, &cyclic(6));
group_laws!(shared, Arc::new(dihedral(5)));
group_laws!(object, Box::new(dihedral(5)) as Box<dyn Group>);

/// The required methods alone: identity and inverse by search.
struct Searching<G>(G);

impl<G: Group> Group for Searching<G> {
    fn order(&self) -> usize {
        self.0.order()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        self.0.compose(x, y)
    }
}

group_laws!(by_search, Searching(dihedral(9)));

proptest! {
    #[test]
    fn cyclic_groups(n in 1..48_usize) {
        prop_assert_eq!(laws::group::check(&cyclic(n)), Ok(()));
    }

    #[test]
    fn dihedral_groups(n in 1..24_usize) {
        prop_assert_eq!(laws::group::check(&dihedral(n)), Ok(()));
    }

    #[test]
    fn dicyclic_groups(n in 1..16_usize) {
        prop_assert_eq!(laws::group::check(&Dicyclic::new(n).unwrap()), Ok(()));
    }

    #[test]
    fn affine_groups(p in 1..14_usize, k in 1..13_usize) {
        if let Ok(group) = SemidirectProduct::affine(p, k) {
            prop_assert_eq!(laws::group::check(&group), Ok(()));
        }
    }

    #[test]
    fn products(factors in support::factors()) {
        prop_assert_eq!(laws::group::check(&support::product(factors)), Ok(()));
    }

    #[test]
    fn shuffled_tables(table in support::shuffled()) {
        prop_assert_eq!(laws::group::check(&table), Ok(()));
    }

    #[test]
    fn overrides_agree_with_the_search(factors in support::factors(), pick in any::<usize>()) {
        let group = support::product(factors);
        let x = group.element(pick % group.order());
        let searching = Searching(&group);
        prop_assert_eq!(searching.identity(), group.identity());
        prop_assert_eq!(searching.inverse(x), group.inverse(x));
    }
}

#[test]
fn families_override_well() {
    for group in families::families() {
        let searching = Searching(&group);
        assert_eq!(searching.identity(), group.identity(), "{}", group.name());
        assert!(group.elements().all(|x| searching.inverse(x) == group.inverse(x)), "{}", group.name());
    }
}

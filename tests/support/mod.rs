//! Random groups for the property tests.

use irreplens::group::{CayleyTable, Cyclic, Dihedral, DirectProduct, Group, GroupExt};
use proptest::prelude::{Just, Strategy, any};

fn factor((dihedral, n): (bool, usize)) -> Box<dyn Group> {
    if dihedral { Box::new(Dihedral::new(n).unwrap()) } else { Box::new(Cyclic::new(n).unwrap()) }
}

/// Two factors for [`product`]: each whether dihedral, and its parameter.
type Factors = ((bool, usize), (bool, usize));

pub fn factors() -> impl Strategy<Value = Factors> {
    ((any::<bool>(), 1..7_usize), (any::<bool>(), 1..3_usize))
}

/// A product of two cyclic or dihedral groups, order at most 48.
pub fn product(factors: Factors) -> DirectProduct<Box<dyn Group>, Box<dyn Group>> {
    let (left, right) = factors;
    DirectProduct::new(factor(left), factor(right)).unwrap()
}

/// Such a product as a table, its rows shuffled: the identity stands anywhere.
pub fn shuffled() -> impl Strategy<Value = CayleyTable> {
    let with_order = factors().prop_flat_map(|factors| {
        let group = product(factors);
        let rows: Vec<usize> = (0..group.order()).collect();
        (Just(group.cayley_table()), Just(rows).prop_shuffle())
    });
    with_order.prop_map(|(table, rows)| table.relabelled(&rows).unwrap())
}

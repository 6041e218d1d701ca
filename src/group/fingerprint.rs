//! What tells multiplication tables apart: a number that whatever was made for a group carries.

use super::Elem;
use super::closure::Closure;
use crate::error::{Error, Result};
use std::fmt;

/// A 64-bit number for a multiplication table, elements in their order: equal tables have equal fingerprints on every
/// machine, and two different tables have the same one by a chance of 2^-64.
///
/// An isomorphic group in another element order is another table. Hashed are the order n and the columns `x -> x s` of
/// the generators that a search from row 0 meets; with associativity they determine the table, so that a fingerprint
/// costs O(n log n) products and not n^2. In a file it is its sixteen hexadecimal digits.
///
/// ```
/// use irreplens::group::{Cyclic, DirectProduct, GroupExt};
/// let (c4, c2) = (Cyclic::new(4)?, Cyclic::new(2)?);
/// assert_eq!(c4.fingerprint(), c4.cayley_table().fingerprint());
/// assert_ne!(c4.fingerprint(), DirectProduct::new(c2, c2)?.fingerprint());
/// assert_eq!(c4.fingerprint().to_string(), "07a63b384a64515c");
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// That of the group with this product on `0..order`.
    ///
    /// # Panics
    /// If a product is not below the order.
    pub(crate) fn of_product(order: usize, product: impl Fn(Elem, Elem) -> Elem) -> Self {
        let product = |x: Elem, y: Elem| closed(order, x, y, product(x, y));
        let mut hash = mix(0, order as u64);
        if order == 0 {
            return Self(hash);
        }
        // From any first row, the powers of that row reach the identity.
        let mut closure = Closure::new(order, Elem::new(0));
        for s in (0..order).map(Elem::new) {
            if s.index() == 0 || !closure.contains(s) {
                let Ok(()) = closure.add(s, |x, y| Ok::<_, std::convert::Infallible>(product(x, y)));
                let column = (0..order).map(|x| product(Elem::new(x), s));
                hash = [s].into_iter().chain(column).fold(hash, |hash, x| mix(hash, x.index() as u64));
            }
        }
        Self(hash)
    }
}

/// The product, if it is a row.
///
/// # Panics
/// If it is not below the order.
pub(crate) fn closed(order: usize, x: Elem, y: Elem, product: Elem) -> Elem {
    let z = product.index();
    assert!(z < order, "group law `closure` fails: the product of {x:?} and {y:?} is {z}, not below the order {order}");
    product
}

/// One-to-one in each argument: a single changed entry never goes unseen.
fn mix(hash: u64, value: u64) -> u64 {
    let product = (hash ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    product ^ (product >> 32)
}

/// [`Error::OtherGroup`] if both fingerprints are known and differ.
///
/// # Arguments
/// `what`: which of the two does not fit; `expected`: that of the group it should belong to.
pub(crate) fn check_fingerprint(
    what: &str,
    expected: impl Into<Option<Fingerprint>>,
    got: impl Into<Option<Fingerprint>>,
) -> Result<()> {
    match (expected.into(), got.into()) {
        (Some(expected), Some(got)) if expected != got => {
            Err(Error::OtherGroup { what: what.into(), expected: expected.to_string(), got: got.to_string() })
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::group::{Cyclic, Dihedral, Group, GroupExt};

    #[test]
    fn every_other_order_of_the_elements_is_another_table() {
        // All 120 orders of C5, and of the 720 of D3 the first 120: as many fingerprints as tables.
        for group in [&Cyclic::new(5).unwrap() as &dyn Group, &Dihedral::new(3).unwrap()] {
            let table = group.cayley_table();
            let mut rows: Vec<usize> = (0..group.order()).collect();
            let (mut tables, mut prints) = (std::collections::HashSet::new(), std::collections::HashSet::new());
            for i in 0..120 {
                let other = table.relabelled(&rows).unwrap();
                assert_eq!(other.fingerprint(), other.cayley_table().fingerprint());
                tables.insert(other.table().iter().copied().collect::<Vec<_>>());
                prints.insert(other.fingerprint());
                // The factorial digits of i, as swaps.
                let mut rest = i;
                rows = (0..group.order()).collect();
                for k in 2..=5 {
                    rows.swap(k - 1, rest % k);
                    rest /= k;
                }
            }
            assert_eq!(tables.len(), prints.len());
        }
    }
}

use super::subgroup::{Rows, Subgroup, conjugations};
use super::{Elem, Group, GroupExt};
use crate::error::{Error, Result};
use std::collections::HashSet;

/// A conjugacy class of subgroups.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SubgroupClass {
    /// The conjugate whose list of elements is lexicographically first.
    pub representative: Subgroup,
    /// The number of conjugates: 1 if and only if they are normal.
    pub conjugates: usize,
}

impl SubgroupClass {
    /// The order of each of the subgroups.
    #[must_use]
    pub fn order(&self) -> usize {
        self.representative.order()
    }

    /// Whether the one subgroup of the class is normal.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        self.conjugates == 1
    }
}

/// The conjugacy classes of the subgroups of a group that has at most `limit` subgroups, by order of the subgroups, then
/// number of conjugates, then elements of the representative.
///
/// Starts from the trivial subgroup and joins to one subgroup H of each class, in turn, every cyclic subgroup `<z>` of
/// order p^k with z^p in H and z outside. That reaches every subgroup K: were L the largest subgroup of K reached, and
/// not K, then some element of prime power order would lie in K but not in L, one of its powers would be such a z, and
/// `<L, z>` would be larger. After Neubüser, Numerische Mathematik 2 (1960) 280-292, but with all these joins, not only
/// those that normalise H, so that no list of perfect groups is needed. A join is taken coset by coset, as Dimino does
/// (Butler, Fundamental Algorithms for Permutation Groups, 1991).
///
/// Costs up to n products for each class and each of those cyclic subgroups, and one bit for each subgroup and element.
/// Seconds for S_7; where products are dear give the [`cayley_table`](GroupExt::cayley_table).
///
/// ```
/// use irreplens::group::{Dihedral, subgroup_classes};
/// let d4 = Dihedral::new(4)?;
/// let classes = subgroup_classes(&d4, 100)?;
/// let found: Vec<_> = classes.iter().map(|class| (class.order(), class.conjugates)).collect();
/// assert_eq!(found, [(1, 1), (2, 1), (2, 2), (2, 2), (4, 1), (4, 1), (4, 1), (8, 1)]);
///
/// let error = subgroup_classes(&d4, 5).unwrap_err();
/// assert_eq!(error.to_string(), "D4: expected at most 5 subgroups, got 6 before the search was over");
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// [`Error::TooManySubgroups`].
pub fn subgroup_classes(group: &(impl Group + ?Sized), limit: usize) -> Result<Vec<SubgroupClass>> {
    let conjugations = conjugations(group);
    let cyclic = prime_power_elements(group);
    let mut known = HashSet::new();
    let mut classes = Vec::new();
    let mut reached: Vec<Generated> = Vec::new(); // one subgroup of each class
    let mut add = |new: Generated, reached: &mut Vec<Generated>| {
        if known.contains(&new.subgroup.rows) {
            return Ok(());
        }
        let orbit = new.subgroup.orbit(&conjugations);
        let (got, conjugates) = (known.len() + orbit.len(), orbit.len());
        if got > limit {
            return Err(Error::TooManySubgroups { group: group.name(), limit, got });
        }
        classes.push(SubgroupClass { representative: orbit[0].clone(), conjugates });
        known.extend(orbit.into_iter().map(|conjugate| conjugate.rows));
        reached.push(new);
        Ok(())
    };
    add(Generated { subgroup: Subgroup::generated(group, &[]), generators: Vec::new() }, &mut reached)?;
    let mut next = 0;
    while next < reached.len() {
        let mut joined = Rows::none(group.order());
        for &(z, power) in &cyclic {
            let Generated { subgroup, .. } = &reached[next];
            if subgroup.contains(z) || !subgroup.contains(power) || joined.contains(z) {
                continue;
            }
            for &h in subgroup.elements() {
                joined.insert(group.compose(h, z)); // <H, h z> = <H, z>
            }
            let new = reached[next].join(group, z);
            add(new, &mut reached)?;
        }
        next += 1;
    }
    classes.sort_unstable_by(|a, b| {
        let key = |class: &SubgroupClass| (class.order(), class.conjugates);
        key(a).cmp(&key(b)).then_with(|| a.representative.elements().cmp(b.representative.elements()))
    });
    Ok(classes)
}

/// A subgroup with generators.
struct Generated {
    subgroup: Subgroup,
    generators: Vec<Elem>,
}

impl Generated {
    /// `<H, z>` for an element z outside H: a union of left cosets of H, complete once every generator takes each into
    /// one of them.
    fn join(&self, group: &(impl Group + ?Sized), z: Elem) -> Self {
        let generators = [self.generators.as_slice(), &[z]].concat();
        let mut members = self.subgroup.elements().to_vec();
        let mut rows = self.subgroup.rows.clone();
        let mut representatives = vec![group.identity()];
        let mut next = 0;
        while next < representatives.len() {
            for &s in &generators {
                let x = group.compose(s, representatives[next]);
                if !rows.contains(x) {
                    for &h in self.subgroup.elements() {
                        let y = group.compose(x, h);
                        rows.insert(y);
                        members.push(y);
                    }
                    representatives.push(x);
                }
            }
            next += 1;
        }
        Self { subgroup: Subgroup::from_members(group.order(), members), generators }
    }
}

/// For every cyclic subgroup of prime power order, p^k > 1, its first generator z and `z^p`.
fn prime_power_elements(group: &(impl Group + ?Sized)) -> Vec<(Elem, Elem)> {
    let orders = group.element_orders();
    let mut seen = Rows::none(group.order());
    let mut found = Vec::new();
    for (z, &order) in group.elements().zip(&orders) {
        let Some(p) = prime_of_power(order).filter(|_| !seen.contains(z)) else { continue };
        let mut power = z;
        for exponent in 1..order {
            if exponent % p != 0 {
                seen.insert(power);
            }
            power = group.compose(power, z);
        }
        found.push((z, group.power(z, p as i64)));
    }
    found
}

/// p, if this is p^k for a prime p and k >= 1.
fn prime_of_power(order: usize) -> Option<usize> {
    let p = (2..).take_while(|d| d * d <= order).find(|d| order.is_multiple_of(*d)).unwrap_or(order);
    let mut rest = order;
    while p > 1 && rest.is_multiple_of(p) {
        rest /= p;
    }
    (p > 1 && rest == 1).then_some(p)
}

//! All subgroups of a group, up to conjugacy.

use super::derived::closure;
use super::subgroup::{Rows, Subgroup, conjugations};
use super::{Elem, Group, GroupExt};
use crate::arithmetic::prime_power;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// A conjugacy class of subgroups.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
/// those that normalise H, so that no list of perfect groups is needed. Of cyclic subgroups that the normaliser of H takes to
/// each other one is joined, for the others give conjugates. A join is taken coset by coset, as Dimino does (Butler,
/// Fundamental Algorithms for Permutation Groups, 1991), and is the whole group once it has more than half of the elements.
///
/// Costs up to n products for each class and each orbit of those cyclic subgroups, and one bit for each subgroup and element.
/// A quarter of a second for S_7; where products are dear give the [`cayley_table`](GroupExt::cayley_table).
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
/// [`Error::OverLimit`].
pub fn subgroup_classes(group: &(impl Group + ?Sized), limit: usize) -> Result<Vec<SubgroupClass>> {
    let conjugations = conjugations(group);
    let inverses = group.inverses();
    let cyclic = prime_power_elements(group);
    let mut generator_of: Vec<Elem> = group.elements().collect();
    for PrimePower { generators, .. } in &cyclic {
        generators.iter().for_each(|x| generator_of[x.index()] = generators[0]);
    }
    let mut known = HashSet::new();
    let mut classes = Vec::new();
    let mut reached: Vec<Reached> = Vec::new(); // one subgroup of each class
    let mut add = |rows: Rows, generators: Vec<Elem>, reached: &mut Vec<Reached>| {
        if known.contains(&rows) {
            return Ok(());
        }
        let subgroup = Subgroup::from_rows(group.order(), rows);
        let orbit = subgroup.orbit(&conjugations);
        let (got, conjugates) = (known.len() + orbit.len(), orbit.len());
        if got > limit {
            return Err(Error::OverLimit { group: group.name(), what: "subgroups", limit, got });
        }
        classes.push(SubgroupClass { representative: orbit[0].clone(), conjugates });
        known.extend(orbit.into_iter().map(|conjugate| conjugate.rows));
        reached.push(Reached { subgroup, generators, conjugates });
        Ok(())
    };
    add(Rows::of(group.order(), [group.identity()]), Vec::new(), &mut reached)?;
    let mut next = 0;
    while next < reached.len() {
        let normaliser = reached[next].normaliser(group, &inverses);
        let mut joined = Rows::none(group.order());
        for PrimePower { generators, power } in &cyclic {
            let (z, Reached { subgroup, .. }) = (generators[0], &reached[next]);
            if subgroup.contains(z) || !subgroup.contains(*power) || joined.contains(z) {
                continue;
            }
            // <H, h z> = <H, z>, and what normalises H takes <H, z> to a conjugate.
            let mut alike = vec![z];
            while let Some(z) = alike.pop() {
                if joined.contains(z) {
                    continue;
                }
                for &h in subgroup.elements() {
                    joined.insert(group.compose(h, z));
                }
                for &g in &normaliser {
                    let conjugate = group.compose(group.compose(g, z), inverses[g.index()]);
                    alike.push(generator_of[conjugate.index()]);
                }
            }
            let (rows, generators) = reached[next].join(group, z);
            add(rows, generators, &mut reached)?;
        }
        next += 1;
    }
    classes.sort_unstable_by(|a, b| {
        let key = |class: &SubgroupClass| (class.order(), class.conjugates);
        key(a).cmp(&key(b)).then_with(|| a.representative.elements().cmp(b.representative.elements()))
    });
    Ok(classes)
}

/// A subgroup H with generators and the number of its conjugates.
struct Reached {
    subgroup: Subgroup,
    generators: Vec<Elem>,
    conjugates: usize,
}

impl Reached {
    /// Generators of the elements g with `g H g^-1 = H`.
    fn normaliser(&self, group: &(impl Group + ?Sized), inverses: &[Elem]) -> Vec<Elem> {
        if self.conjugates == 1 {
            return group.generators();
        }
        let normalises = |&g: &Elem| {
            let conjugate = |&h: &Elem| group.compose(group.compose(g, h), inverses[g.index()]);
            self.generators.iter().all(|h| self.subgroup.contains(conjugate(h)))
        };
        closure(group, group.elements().filter(normalises)).generators
    }

    /// `<H, z>` for an element z outside H, and its generators: a union of left cosets of H, complete once every generator
    /// takes each into one of them, or once it is more than half of the group.
    fn join(&self, group: &(impl Group + ?Sized), z: Elem) -> (Rows, Vec<Elem>) {
        let generators = [self.generators.as_slice(), &[z]].concat();
        let mut rows = self.subgroup.rows.clone();
        let mut representatives = vec![group.identity()];
        let mut next = 0;
        while next < representatives.len() {
            for &s in &generators {
                let x = group.compose(s, representatives[next]);
                if !rows.contains(x) {
                    self.subgroup.elements().iter().for_each(|&h| rows.insert(group.compose(x, h)));
                    representatives.push(x);
                    if 2 * representatives.len() * self.subgroup.order() > group.order() {
                        return (Rows::of(group.order(), group.elements()), generators);
                    }
                }
            }
            next += 1;
        }
        (rows, generators)
    }
}

/// A cyclic subgroup of prime power order, p^k > 1.
struct PrimePower {
    /// All elements that generate it, the first row first.
    generators: Vec<Elem>,
    /// `z^p` for the first of them, z.
    power: Elem,
}

/// Every cyclic subgroup of prime power order but the trivial one, in order of the first generators.
fn prime_power_elements(group: &(impl Group + ?Sized)) -> Vec<PrimePower> {
    let orders = group.element_orders();
    let mut seen = Rows::none(group.order());
    let mut found = Vec::new();
    for (z, &order) in group.elements().zip(&orders) {
        let Some((p, _)) = prime_power(order).filter(|_| !seen.contains(z)) else { continue };
        let mut generators = Vec::new();
        let mut power = z;
        for exponent in 1..order {
            if exponent % p != 0 {
                seen.insert(power);
                generators.push(power);
            }
            power = group.compose(power, z);
        }
        found.push(PrimePower { generators, power: group.power(z, p as i64) });
    }
    found
}

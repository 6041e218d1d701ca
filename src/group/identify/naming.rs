//! Finding the name of a group, and an isomorphism from the group of that name.

use super::super::{CayleyTable, Elem, Group, GroupExt, GroupName};
use super::decompose::{Factors, factors};
use super::invariants::{Analysed, invariant_factors};
use super::isomorphism::{Isomorphism, between, is_isomorphism};
use super::series::{quotient, subgroup_table};
use super::words::{by_powers, central_products, families, normal_subgroups, wreath_products};
use std::collections::{BTreeMap, HashMap};

/// Normal subgroups looked at in search of a semidirect product, at most.
pub(super) const NORMALS: usize = 400;

/// Semidirect products by names alone that are built and compared, at most.
const SEMIDIRECT: usize = 24;

/// Largest normal subgroup of these, whose automorphisms building them lists.
const NORMAL: usize = 200;

/// A name, and where the rows of the group of this name lie.
#[derive(Clone)]
pub(super) struct Named {
    pub name: GroupName,
    pub images: Vec<Elem>,
}

/// Names found so far, for all that are isomorphic to one of these groups.
#[derive(Default)]
pub(super) struct Namer {
    known: HashMap<u64, Vec<(Analysed, Option<Named>)>>,
}

impl Namer {
    /// The name of a group, if the language has one that is found.
    pub fn name(&mut self, group: Analysed) -> Option<Named> {
        let key = group.invariants.fingerprint();
        for (other, named) in self.known.get(&key).into_iter().flatten() {
            if let Isomorphism::Map(map) = between(other, &group) {
                let moved = |named: &Named| named.images.iter().map(|x| map[x.index()]).collect();
                return named.as_ref().map(|named| Named { name: named.name.clone(), images: moved(named) });
            }
        }
        let named = self.search(&group);
        self.known.entry(key).or_default().push((group, named.clone()));
        named
    }

    /// That of a subgroup, with images in the whole group.
    pub fn name_subgroup(&mut self, table: &CayleyTable, elements: &[Elem]) -> Option<Named> {
        let Named { name, images } = self.name(Analysed::new(subgroup_table(table, elements)))?;
        Some(Named { name, images: images.into_iter().map(|x| elements[x.index()]).collect() })
    }

    fn search(&mut self, group: &Analysed) -> Option<Named> {
        if group.classes.len() == group.table.order() {
            return confirm(abelian_name(&group.orders), group);
        }
        let factors = factors(&group.table);
        if factors.others.len() > 1 || factors.abelian.len() > 1 {
            return self.direct_product(&group.table, &factors);
        }
        let (n, centre) = (group.table.order(), group.invariants.upper_central_series.get(1).copied().unwrap_or(1));
        let first = families(n).into_iter().find_map(|name| confirm(name, group));
        first
            .or_else(|| self.semidirect_by_power(group))
            .or_else(|| wreath_products(n).into_iter().find_map(|name| confirm(name, group)))
            .or_else(|| central_products(n, centre).into_iter().find_map(|name| confirm(name, group)))
            .or_else(|| self.semidirect(group))
    }

    /// The factors' names, the largest first, the abelian one last.
    fn direct_product(&mut self, table: &CayleyTable, factors: &Factors) -> Option<Named> {
        let mut named: Vec<Named> =
            factors.others.iter().map(|factor| self.name_subgroup(table, factor)).collect::<Option<_>>()?;
        named.sort_by_key(|factor| (std::cmp::Reverse(factor.images.len()), factor.name.to_string()));
        if factors.abelian.len() > 1 {
            named.extend(self.name_subgroup(table, &factors.abelian));
        }
        let mut images = vec![table.identity()];
        for factor in &named {
            images = (images.iter())
                .flat_map(|&x| factor.images.iter().map(move |&y| (x, y)))
                .map(|(x, y)| table.compose(x, y))
                .collect();
        }
        let parts: Vec<GroupName> = named.into_iter().flat_map(|factor| parts(factor.name)).collect();
        let name = product(parts);
        is_isomorphism(&name.build().ok()?, table, &images).then_some(Named { name, images })
    }

    /// An abelian group by a cyclic one that acts by powers; the largest normal subgroup, then the least multiplier; without the
    /// multiplier if that is the action there is.
    fn semidirect_by_power(&mut self, group: &Analysed) -> Option<Named> {
        let splittings = by_powers(group, &normal_subgroups(group, NORMALS));
        let mut words: BTreeMap<_, GroupName> = BTreeMap::new();
        for splitting in splittings {
            let orders: Vec<usize> = splitting.normal.iter().map(|x| group.orders[x.index()]).collect();
            let (normal, acting) = (abelian_name(&orders), GroupName::Cyclic(splitting.acting));
            let is_cyclic = matches!(normal, GroupName::Cyclic(_));
            let key = (!is_cyclic, std::cmp::Reverse(orders.len()), splitting.multiplier, normal.to_string());
            let multiplier = Some(splitting.multiplier);
            words.insert(key, GroupName::Semidirect { normal: normal.into(), multiplier, acting: acting.into() });
        }
        words.into_values().find_map(|name| {
            let plain = match &name {
                GroupName::Semidirect { normal, acting, .. } if matches!(**normal, GroupName::Cyclic(_)) => confirm(
                    GroupName::Semidirect { normal: normal.clone(), multiplier: None, acting: acting.clone() },
                    group,
                ),
                _ => None,
            };
            plain.or_else(|| confirm(name, group))
        })
    }

    /// N : H with names of N and of the quotient H that leave no choice of the action.
    fn semidirect(&mut self, group: &Analysed) -> Option<Named> {
        let mut words: BTreeMap<_, GroupName> = BTreeMap::new();
        for normal in normal_subgroups(group, NORMALS) {
            if normal.len() == 1 || normal.len() == group.table.order() || normal.len() > NORMAL {
                continue;
            }
            let Some(name) = self.name_subgroup(&group.table, &normal) else { continue };
            let (quotient, _) = quotient(&group.table, &normal);
            let Some(acting) = self.name(Analysed::new(quotient)) else { continue };
            let is_abelian = normal
                .iter()
                .all(|x| normal.iter().all(|y| group.table.compose(*x, *y) == group.table.compose(*y, *x)));
            let key = (!is_abelian, std::cmp::Reverse(normal.len()), name.name.to_string(), acting.name.to_string());
            words.insert(
                key,
                GroupName::Semidirect { normal: name.name.into(), multiplier: None, acting: acting.name.into() },
            );
        }
        words.into_values().take(SEMIDIRECT).find_map(|name| confirm(name, group))
    }
}

/// An isomorphism from the group of a name, if it is this group's.
fn confirm(name: GroupName, group: &Analysed) -> Option<Named> {
    let built = name.build().ok().filter(|built| built.order() == group.table.order())?;
    let table = built.cayley_table();
    let sorted = |mut orders: Vec<usize>| {
        orders.sort_unstable();
        orders
    };
    if sorted(table.element_orders()) != sorted(group.orders.clone()) {
        return None;
    }
    match between(&Analysed::new(table), group) {
        Isomorphism::Map(images) => Some(Named { name, images }),
        _ => None,
    }
}

/// The name of an abelian group by its invariant factors, each a divisor of the next: `C2xC12`.
pub(super) fn abelian_name(orders: &[usize]) -> GroupName {
    product(invariant_factors(orders).into_iter().map(GroupName::Cyclic).collect())
}

/// The factors of a direct product, from the left.
fn parts(name: GroupName) -> Vec<GroupName> {
    match name {
        GroupName::Direct(left, right) => [parts(*left), parts(*right)].concat(),
        GroupName::Power(base, k) => vec![*base; k],
        name => vec![name],
    }
}

/// The direct product, equal neighbours as powers; of nothing, C1.
fn product(parts: Vec<GroupName>) -> GroupName {
    let powers = parts.chunk_by(|a, b| a == b).map(|equal| match equal {
        [one] => one.clone(),
        _ => GroupName::Power(equal[0].clone().into(), equal.len()),
    });
    powers.reduce(|left, right| GroupName::Direct(left.into(), right.into())).unwrap_or(GroupName::Cyclic(1))
}

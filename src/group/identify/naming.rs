//! Finding the name of a group, and an isomorphism from the group of that name.

use super::super::subgroup::quotient;
use super::super::{Action, CayleyTable, Elem, Group, GroupExt, GroupName};
use super::decompose::{Factors, factors};
use super::invariants::{Analysed, invariant_factors};
use super::isomorphism::{Isomorphism, LIMIT_OF_NAMES, between, is_isomorphism};
use super::series::subgroup_table;
use super::words::{by_powers, central_products, families, normal_subgroups, product, semilinear, wreath_products};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Normal subgroups looked at in search of a semidirect product, at most.
pub(super) const NORMALS: usize = 200;

/// Semidirect products by names alone that are built and compared, at most.
const SEMIDIRECT: usize = 24;

/// Largest group that is looked at for these where it is itself a part of another.
const DEEP: usize = 64;

/// Largest normal subgroup of these.
const NORMAL: usize = 200;

/// Largest factor of these that is a direct product and not abelian: building lists its automorphisms.
const PRODUCT: usize = 24;

/// Actions by images of generators that are tried for one group, at most.
const ACTIONS: usize = 500;

/// Largest normal subgroup for which they are.
const BY_IMAGES: usize = 27;

/// A name, and where the rows of the group of this name lie.
#[derive(Clone)]
pub(super) struct Named {
    pub name: GroupName,
    pub images: Vec<Elem>,
}

/// A group and its name, if it has one.
type Known = (Analysed, Option<Named>);

/// Names found so far, for all that are isomorphic to one of these groups.
#[derive(Default)]
pub(super) struct Namer {
    /// By fingerprint, and whether semidirect products by names alone were looked at.
    known: HashMap<(u64, bool), Vec<Known>>,
}

impl Namer {
    /// The name of a group, if the language has one that is found. The part of a group that is larger than [`DEEP`] is not looked
    /// at for semidirect products by names alone.
    pub fn name(&mut self, group: Analysed, is_part: bool) -> Option<Named> {
        let is_deep = !is_part || group.table.order() <= DEEP;
        let key = (group.invariants.fingerprint(), is_deep);
        for (other, named) in self.known.get(&key).into_iter().flatten() {
            if let Isomorphism::Map(map) = between(other, &group, LIMIT_OF_NAMES) {
                let moved = |named: &Named| named.images.iter().map(|x| map[x.index()]).collect();
                return named.as_ref().map(|named| Named { name: named.name.clone(), images: moved(named) });
            }
        }
        let named = self.search(&group, is_deep);
        self.known.entry(key).or_default().push((group, named.clone()));
        named
    }

    /// The name of a subgroup, with images in the whole group.
    fn name_subgroup(&mut self, table: &CayleyTable, elements: &[Elem], is_part: bool) -> Option<Named> {
        let Named { name, images } = self.name(Analysed::new(subgroup_table(table, elements)), is_part)?;
        Some(Named { name, images: images.into_iter().map(|x| elements[x.index()]).collect() })
    }

    fn search(&mut self, group: &Analysed, is_deep: bool) -> Option<Named> {
        if group.classes.len() == group.table.order() {
            return confirm(abelian_name(&group.orders), group);
        }
        let factors = factors(&group.table);
        if factors.others.len() > 1 || factors.abelian.len() > 1 {
            return self.direct_product(&group.table, &factors, is_deep);
        }
        let (n, centre) = (group.table.order(), group.invariants.upper_central_series.get(1).copied().unwrap_or(1));
        let any = |names: Vec<GroupName>| names.into_iter().find_map(|name| confirm(name, group));
        if let Some(named) = any(families(n)) {
            return Some(named);
        }
        let normals = normal_subgroups(group, NORMALS);
        semidirect_by_power(group, &normals)
            .or_else(|| any(semilinear(n)))
            .or_else(|| any(wreath_products(n)))
            .or_else(|| any(central_products(n, centre)))
            .or_else(|| is_deep.then(|| self.semidirect(group, &normals)).flatten())
    }

    /// The factors' names, the largest first, the abelian one last.
    fn direct_product(&mut self, table: &CayleyTable, factors: &Factors, is_deep: bool) -> Option<Named> {
        let mut factor_of = |elements: &[Elem]| self.name_subgroup(table, elements, !is_deep);
        let mut named: Vec<Named> = factors.others.iter().map(|factor| factor_of(factor)).collect::<Option<_>>()?;
        named.sort_by_key(|factor| (Reverse(factor.images.len()), factor.name.to_string()));
        if factors.abelian.len() > 1 {
            named.extend(factor_of(&factors.abelian));
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

    /// N : H with names of N and of the quotient H that leave no choice of the action.
    fn semidirect(&mut self, group: &Analysed, normals: &[Vec<Elem>]) -> Option<Named> {
        let mut words: BTreeMap<_, GroupName> = BTreeMap::new();
        let mut seen = HashSet::new();
        for normal in normals {
            if normal.len() == 1 || normal.len() == group.table.order() || normal.len() > NORMAL {
                continue;
            }
            let both = [subgroup_table(&group.table, normal), quotient(&group.table, normal).0].map(Analysed::new);
            if !seen.insert(both.each_ref().map(|part| part.invariants.fingerprint())) {
                continue;
            }
            let is_abelian = both[0].classes.len() == normal.len();
            let [Some(name), Some(acting)] = both.map(|part| self.factor(part)) else { continue };
            let key = (!is_abelian, Reverse(normal.len()), name.to_string(), acting.to_string());
            words.insert(key, GroupName::Semidirect { normal: name.into(), by: Action::Only, acting: acting.into() });
        }
        let words: Vec<GroupName> = words.into_values().take(SEMIDIRECT).collect();
        let found = words.iter().find_map(|name| confirm(name.clone(), group));
        found.or_else(|| {
            let mut left = ACTIONS;
            words.iter().find_map(|name| by_images(name, group, &mut left))
        })
    }

    /// The name of N or H, if the automorphisms are few enough to list.
    fn factor(&mut self, part: Analysed) -> Option<GroupName> {
        let (order, is_abelian) = (part.table.order(), part.classes.len() == part.table.order());
        let Named { name, .. } = self.name(part, true)?;
        let is_product = matches!(name, GroupName::Direct(..) | GroupName::Power(..));
        (is_abelian || !is_product || order <= PRODUCT).then_some(name)
    }
}

/// An abelian group by a cyclic one that acts by powers; the largest normal subgroup, then the least multiplier; without the
/// multiplier if that is the action there is.
fn semidirect_by_power(group: &Analysed, normals: &[Vec<Elem>]) -> Option<Named> {
    let splittings = by_powers(group, normals);
    let mut words: BTreeMap<_, GroupName> = BTreeMap::new();
    for splitting in splittings {
        let orders: Vec<usize> = splitting.normal.iter().map(|x| group.orders[x.index()]).collect();
        let (normal, acting) = (abelian_name(&orders), GroupName::Cyclic(splitting.acting));
        let is_cyclic = matches!(normal, GroupName::Cyclic(_));
        let key = (!is_cyclic, Reverse(orders.len()), splitting.multiplier, normal.to_string());
        let by = Action::Power(splitting.multiplier);
        words.insert(key, GroupName::Semidirect { normal: normal.into(), by, acting: acting.into() });
    }
    words.into_values().find_map(|name| {
        let plain = match &name {
            GroupName::Semidirect { normal, acting, .. } if matches!(**normal, GroupName::Cyclic(_)) => confirm(
                GroupName::Semidirect { normal: normal.clone(), by: Action::Only, acting: acting.clone() },
                group,
            ),
            _ => None,
        };
        plain.or_else(|| confirm(name, group))
    })
}

/// N : H by an action that takes the generators of H to some automorphisms of N: the first in the order of their rows that makes
/// this group.
fn by_images(name: &GroupName, group: &Analysed, left: &mut usize) -> Option<Named> {
    let GroupName::Semidirect { normal, acting, .. } = name else { return None };
    if normal.order().is_none_or(|order| order > BY_IMAGES) {
        return None;
    }
    let automorphisms = GroupName::Automorphisms(normal.clone()).build().ok()?.order();
    let generators = acting.build().ok()?.generators().len();
    let number = automorphisms.saturating_pow(generators as u32);
    *left = left.checked_sub(number)?;
    (0..number).find_map(|code| {
        let rows = (0..generators).rev().map(|i| code / automorphisms.pow(i as u32) % automorphisms).collect();
        let by = Action::Images(rows);
        confirm(GroupName::Semidirect { normal: normal.clone(), by, acting: acting.clone() }, group)
    })
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
    match between(&Analysed::new(table), group, LIMIT_OF_NAMES) {
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

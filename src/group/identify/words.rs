//! Words of the language that may name a group: those of its order, and those of its own splittings.

use super::super::derived::closure;
use super::super::{CayleyTable, Elem, Group, GroupExt, GroupName, MatrixFamily};
use super::invariants::Analysed;
use super::refine::prime_divisors;
use std::collections::HashSet;

/// The families' names of order n that are not abelian and no direct products by definition, in order of preference.
pub(super) fn families(n: usize) -> Vec<GroupName> {
    let mut names: Vec<GroupName> =
        (3..=7).flat_map(|k| [GroupName::Symmetric(k), GroupName::Alternating(k)]).collect();
    if n.is_multiple_of(2) {
        names.push(GroupName::Dihedral(n / 2));
    }
    if n.is_multiple_of(4) {
        names.push(GroupName::Dicyclic(n / 4));
    }
    let prime_powers: Vec<usize> = (2..=n.min(256)).filter(|&q| prime_divisors(q).len() == 1).collect();
    for family in [
        MatrixFamily::PSL,
        MatrixFamily::SL,
        MatrixFamily::PGL,
        MatrixFamily::GL,
        MatrixFamily::Sp,
        MatrixFamily::AGL,
        MatrixFamily::ASL,
        MatrixFamily::GammaL,
        MatrixFamily::AGammaL,
    ] {
        names.extend((1..=4).flat_map(|k| prime_powers.iter().map(move |&q| GroupName::Matrix(family, k, q))));
    }
    for p in prime_divisors(n) {
        names.extend(
            [true, false].into_iter().flat_map(|plus| (1..=4).map(move |k| GroupName::Extraspecial { p, n: k, plus })),
        );
    }
    names.extend((2..=12).map(GroupName::Heisenberg));
    names.retain(|name| name.order() == Some(n));
    // Hol(C_m) has m phi(m) elements.
    let totient = |m: usize| prime_divisors(m).into_iter().fold(m, |value, p| value / p * (p - 1));
    names.extend((3..=n).filter(|&m| m * totient(m) == n).map(|m| GroupName::Holomorph(cyclic(m))));
    names
}

fn cyclic(n: usize) -> Box<GroupName> {
    GroupName::Cyclic(n).into()
}

/// Wreath products of order n.
pub(super) fn wreath_products(n: usize) -> Vec<GroupName> {
    let tops = (2..=10).flat_map(|k| {
        [GroupName::Cyclic(k), GroupName::Symmetric(k), GroupName::Alternating(k), GroupName::Dihedral(k)]
    });
    let mut names = Vec::new();
    for top in tops {
        let (points, of_top) = match (&top, top.order()) {
            (GroupName::Symmetric(k @ ..3) | GroupName::Alternating(k @ ..4) | GroupName::Dihedral(k @ ..3), _)
                if *k > 0 =>
            {
                continue; // cyclic, or on another number of points
            }
            (
                GroupName::Symmetric(k) | GroupName::Alternating(k) | GroupName::Dihedral(k) | GroupName::Cyclic(k),
                Some(order),
            ) => (*k as u32, order),
            _ => continue,
        };
        let Some(m) = (2..=n).take_while(|m| m.saturating_pow(points).saturating_mul(of_top) <= n).last() else {
            continue;
        };
        if m.pow(points) * of_top != n {
            continue;
        }
        let bases = [vec![GroupName::Cyclic(m)], families(m)].concat();
        names.extend(bases.into_iter().map(|base| GroupName::Wreath(base.into(), top.clone().into())));
    }
    names
}

/// Central products of order n of a family's group with a cyclic group, or with another family's where both have a centre of
/// order 2.
pub(super) fn central_products(n: usize, centre: usize) -> Vec<GroupName> {
    let mut names = Vec::new();
    for k in (3..=centre).filter(|k| centre.is_multiple_of(*k)) {
        for d in (2..=k).filter(|d| k.is_multiple_of(*d) && (n * d).is_multiple_of(k)) {
            names.extend(families(n * d / k).into_iter().map(|name| GroupName::Central(name.into(), cyclic(k))));
        }
    }
    for m in (6..n).filter(|m| (2 * n).is_multiple_of(*m) && m * m <= 2 * n) {
        let small = families(m);
        for large in if small.is_empty() { Vec::new() } else { families(2 * n / m) } {
            names.extend(small.iter().map(|small| GroupName::Central(large.clone().into(), small.clone().into())));
        }
    }
    names
}

/// A semidirect product with a cyclic group that acts by powers: the abelian normal subgroup and the multiplier.
pub(super) struct ByPower {
    pub normal: Vec<Elem>,
    pub multiplier: usize,
    pub acting: usize,
}

/// All ways to write a group as an abelian normal subgroup by a cyclic group that takes each of its elements to one and the same
/// power, one for each normal subgroup, with the least multiplier.
///
/// Costs n look-ups for each abelian normal subgroup with cyclic quotient.
pub(super) fn by_powers(group: &Analysed, normals: &[Vec<Elem>]) -> Vec<ByPower> {
    let table = &group.table;
    let mut found = Vec::new();
    for normal in normals.iter().filter(|normal| normal.len() > 1 && normal.len() < table.order()) {
        let generators = closure(table, normal.iter().copied()).generators;
        let commute = |&x: &Elem, &y: &Elem| table.compose(x, y) == table.compose(y, x);
        if !generators.iter().all(|x| generators.iter().all(|y| commute(x, y))) {
            continue;
        }
        let acting = table.order() / normal.len();
        let inside: HashSet<Elem> = normal.iter().copied().collect();
        let Some(&largest) = normal.iter().max_by_key(|x| group.orders[x.index()]) else { continue };
        let exponent = group.orders[largest.index()];
        let multiplier = |t: Elem| {
            let moved = table.conjugate(largest, t);
            let power = (1..exponent).find(|&u| table.power(largest, u as i64) == moved)?;
            generators.iter().all(|&x| table.conjugate(x, t) == table.power(x, power as i64)).then_some(power)
        };
        // t generates a complement if its order is |H| and no smaller power lies in N.
        let complement = |t: &Elem| {
            group.orders[t.index()] == acting
                && prime_divisors(acting).into_iter().all(|p| !inside.contains(&table.power(*t, (acting / p) as i64)))
        };
        if let Some(multiplier) = table.elements().filter(complement).filter_map(multiplier).min() {
            found.push(ByPower { normal: normal.clone(), multiplier, acting });
        }
    }
    found
}

/// The normal subgroups, or if there are more than `limit` those that single elements generate as normal subgroups; smaller ones
/// first.
///
/// Costs the closures of as many joins.
pub(super) fn normal_subgroups(group: &Analysed, limit: usize) -> Vec<Vec<Elem>> {
    let table = &group.table;
    let mut of_classes: Vec<Vec<Elem>> =
        group.classes.iter().map(|class| super::series::normal_closure(table, [class[0]])).collect();
    of_classes.sort_by_key(Vec::len);
    let mut known: HashSet<Vec<Elem>> = HashSet::new();
    of_classes.retain(|normal| known.insert(normal.clone()));
    let mut all = of_classes.clone();
    let mut next = 0;
    while next < all.len() && all.len() <= limit {
        for other in &of_classes {
            let join = join(table, &all[next], other);
            if known.insert(join.clone()) {
                all.push(join);
            }
        }
        next += 1;
    }
    if all.len() > limit {
        all = of_classes;
    }
    all.sort_by_key(Vec::len);
    all
}

/// The subgroup of the products of two normal subgroups.
fn join(table: &CayleyTable, left: &[Elem], right: &[Elem]) -> Vec<Elem> {
    if right.iter().all(|x| left.binary_search(x).is_ok()) {
        return left.to_vec();
    }
    let mut members = closure(table, left.iter().chain(right).copied()).members;
    members.sort_unstable();
    members
}

//! Words of the language that may name a group: those of its order, and those of its own splittings.

use super::super::derived::{closure, commute};
use super::super::{CayleyTable, Elem, Group, GroupExt, GroupName, MatrixFamily};
use super::invariants::Analysed;
use crate::arithmetic::{prime_divisors, prime_power};
use std::collections::HashSet;

/// The families' names of order n that are not abelian, in order of preference.
pub(super) fn families(n: usize) -> Vec<GroupName> {
    let mut names: Vec<GroupName> =
        (3..=7).map(GroupName::Symmetric).chain((4..=7).map(GroupName::Alternating)).collect();
    names.extend((n.is_multiple_of(2) && n >= 6).then_some(GroupName::Dihedral(n / 2)));
    names.extend((n.is_multiple_of(4) && n >= 8).then_some(GroupName::Dicyclic(n / 4)));
    for family in [MatrixFamily::PSL, MatrixFamily::SL, MatrixFamily::PGL, MatrixFamily::GL, MatrixFamily::Sp] {
        names.extend((2..=4).flat_map(|k| matrices(family, k, n)));
    }
    for family in [MatrixFamily::AGL, MatrixFamily::ASL, MatrixFamily::GammaL, MatrixFamily::AGammaL] {
        let first = if family == MatrixFamily::GammaL { 2 } else { 1 };
        names.extend((first..=4).flat_map(|k| matrices(family, k, n)));
    }
    for p in prime_divisors(n) {
        let of_type = |plus| (1..=5).map(move |k| GroupName::Extraspecial { p, n: k, plus });
        names.extend(of_type(true).chain(of_type(false)));
    }
    names.extend((2..=12).map(GroupName::Heisenberg));
    names.retain(|name| n >= 6 && name.order() == Some(n));
    // Hol(C_m) has m phi(m) elements.
    let totient = |m: usize| prime_divisors(m).into_iter().fold(m, |value, p| value / p * (p - 1));
    names.extend((3..=n).filter(|&m| m * totient(m) == n).map(|m| GroupName::Holomorph(cyclic(m))));
    names
}

/// GammaL(1, q) of order n.
pub(super) fn semilinear(n: usize) -> Vec<GroupName> {
    matrices(MatrixFamily::GammaL, 1, n).collect()
}

/// Groups of k x k matrices, over fields of more than two elements if k is 1.
fn matrices(family: MatrixFamily, k: usize, n: usize) -> impl Iterator<Item = GroupName> {
    let prime_powers = (2..=n.min(256)).filter(move |&q| q + k > 3 && prime_power(q).is_some());
    prime_powers.map(move |q| GroupName::Matrix(family, k, q)).filter(move |name| name.order() == Some(n))
}

/// The abelian groups' names of order n.
fn abelian(n: usize) -> Vec<GroupName> {
    fn factors(n: usize, multiple_of: usize) -> Vec<Vec<usize>> {
        let mut lists = if n == 1 { vec![Vec::new()] } else { Vec::new() };
        for m in (2..=n).filter(|m| n.is_multiple_of(*m) && m.is_multiple_of(multiple_of)) {
            lists.extend(factors(n / m, m).into_iter().map(|rest| [vec![m], rest].concat()));
        }
        lists
    }
    factors(n, 1).into_iter().map(|list| product(list.into_iter().map(GroupName::Cyclic).collect())).collect()
}

/// The direct product, equal neighbours as powers; of nothing, C1.
pub(super) fn product(parts: Vec<GroupName>) -> GroupName {
    let powers = parts.chunk_by(|a, b| a == b).map(|equal| match equal {
        [one] => one.clone(),
        _ => GroupName::Power(equal[0].clone().into(), equal.len()),
    });
    powers.reduce(|left, right| GroupName::Direct(left.into(), right.into())).unwrap_or(GroupName::Cyclic(1))
}

fn cyclic(n: usize) -> Box<GroupName> {
    GroupName::Cyclic(n).into()
}

/// Wreath products of order n.
pub(super) fn wreath_products(n: usize) -> Vec<GroupName> {
    let mut tops: Vec<(u32, GroupName)> = (2..=10).map(|k| (k, GroupName::Cyclic(k as usize))).collect();
    tops.extend((3..=6).map(|k| (k, GroupName::Symmetric(k as usize))));
    tops.extend((4..=6).map(|k| (k, GroupName::Alternating(k as usize))));
    tops.extend((4..=8).map(|k| (k, GroupName::Dihedral(k as usize))));
    tops.push((4, product(vec![GroupName::Cyclic(2); 2])));
    let mut names = Vec::new();
    for (points, top) in tops {
        let of_top = top.order().unwrap_or(usize::MAX);
        for m in (2..=n).filter(|m| m.saturating_pow(points).saturating_mul(of_top) == n) {
            let bases = [abelian(m), families(m)].concat();
            names.extend(bases.into_iter().map(|base| GroupName::Wreath(base.into(), top.clone().into())));
        }
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
        if !generators.iter().all(|&x| generators.iter().all(|&y| commute(table, x, y))) {
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

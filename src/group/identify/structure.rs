//! What is known of a group's structure: centre, derived series, Sylow subgroups, decompositions.

use super::super::derived::closure;
use super::super::subgroup::{cosets, quotient};
use super::super::{CayleyTable, Composition, Elem, Group, GroupExt, GroupForm, GroupName, PermutationGroup};
use super::GroupLabel;
use super::decompose::factors;
use super::invariants::{Analysed, exponents};
use super::naming::{NORMALS, Namer};
use super::search::{Outcome, Search, generators};
use super::series::{derived_series, normal_closure, subgroup_table};
use super::words::normal_subgroups;
use crate::arithmetic::prime_divisors;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

/// Products that the search for one complement takes at most.
const LIMIT: usize = 1_000_000;

/// Structure of a group: part of [`Identification`](super::Identification).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Structure {
    /// The centre.
    pub centre: GroupLabel,
    /// G, G', G'', ... down to the last that differs from the one before.
    pub derived_series: Vec<GroupLabel>,
    /// For every prime that divides the order, in rising order.
    pub sylow: Vec<Sylow>,
    /// The direct factors, none of which is a direct product itself, the largest first; empty if the group is no direct product.
    pub direct: Vec<GroupLabel>,
    /// A normal subgroup N and the group H of a complement, neither trivial, where one is found: G = N : H. An abelian N is taken
    /// before others, and then a large one. `None` for a direct product.
    pub semidirect: Option<[GroupLabel; 2]>,
}

/// The Sylow subgroups for one prime.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Sylow {
    /// The prime.
    pub prime: usize,
    /// How many they are.
    pub number: usize,
    /// Which group each of them is.
    pub group: GroupLabel,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |labels: &[GroupLabel], between: &str| {
            labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
        };
        if !self.direct.is_empty() {
            writeln!(f, "direct product: {}", list(&self.direct, " x "))?;
        }
        if let Some(both) = &self.semidirect {
            writeln!(f, "semidirect product: {}", list(both, " : "))?;
        }
        writeln!(f, "centre: {}", self.centre)?;
        writeln!(f, "derived series: {}", list(&self.derived_series, ", "))?;
        let sylow = |s: &Sylow| format!("{} of {} for {}", s.number, s.group, s.prime);
        write!(f, "Sylow subgroups: {}", self.sylow.iter().map(sylow).collect::<Vec<_>>().join(", "))
    }
}

pub(super) fn structure(namer: &mut Namer, group: &Analysed) -> Structure {
    let table = &group.table;
    let mut label_as =
        |elements: &[Elem], is_part| namer.label(Analysed::new(subgroup_table(table, elements)), is_part);
    let factors = factors(table);
    let mut direct: Vec<GroupLabel> = factors.others.iter().map(|elements| label_as(elements, false)).collect();
    let mut label = |elements: &[Elem]| label_as(elements, elements.len() < table.order());
    let centre = label(&table.center());
    let derived_series = derived_series(table).iter().map(|elements| label(elements)).collect();
    let sylow = |prime: usize| {
        let (elements, normaliser) = sylow_subgroup(group, prime);
        Sylow { prime, number: table.order() / normaliser, group: label(&elements) }
    };
    let sylow = prime_divisors(table.order()).into_iter().map(sylow).collect();
    let orders: Vec<usize> = factors.abelian.iter().map(|x| group.orders[x.index()]).collect();
    for p in prime_divisors(orders.len()) {
        for e in exponents(&orders, p) {
            let generator = table.elements().find(|x| group.orders[x.index()] == p.pow(e as u32));
            direct.extend(generator.map(|x| label(&table.subgroup(&[x]))));
        }
    }
    direct.sort_by_key(|part| (Reverse(part.order), part.to_string()));
    let mut structure = Structure { centre, derived_series, sylow, direct, semidirect: None };
    if structure.direct.len() <= 1 {
        structure.direct.clear();
        structure.semidirect = semidirect(namer, group);
    }
    structure
}

/// A Sylow subgroup and the order of its normaliser: an element of prime power order outside a subgroup P of prime power order
/// that normalises it makes it larger, and there is one until P is a Sylow subgroup.
fn sylow_subgroup(group: &Analysed, p: usize) -> (Vec<Elem>, usize) {
    let table = &group.table;
    let is_power = |order: usize| prime_divisors(order).iter().all(|&q| q == p);
    let mut generators: Vec<Elem> = Vec::new();
    loop {
        let elements = table.subgroup(&generators);
        let inside: HashSet<Elem> = elements.iter().copied().collect();
        let normalises = |x: &Elem| generators.iter().all(|&g| inside.contains(&table.conjugate(g, *x)));
        let normaliser: Vec<Elem> = table.elements().filter(normalises).collect();
        match normaliser.iter().find(|x| !inside.contains(x) && is_power(group.orders[x.index()])) {
            Some(&x) => generators.push(x),
            None => return (elements, normaliser.len()),
        }
    }
}

/// A normal subgroup and a complement; of several that are as good the first by their fingerprints, whatever the order of the
/// elements.
fn semidirect(namer: &mut Namer, group: &Analysed) -> Option<[GroupLabel; 2]> {
    let proper = normal_subgroups(group, NORMALS).into_iter().filter(|h| h.len() > 1 && h.len() < group.table.order());
    let candidate = |normal: Vec<Elem>| {
        let (quotient, coset) = quotient(&group.table, &normal);
        let both = [subgroup_table(&group.table, &normal), quotient].map(Analysed::new);
        let fingerprints = both.each_ref().map(|part| part.invariants.fingerprint());
        let is_abelian = both[0].classes.len() == normal.len();
        ((!is_abelian, Reverse(normal.len()), fingerprints), normal, both, coset)
    };
    let mut candidates: Vec<_> = proper.map(candidate).collect();
    candidates.sort_by_key(|(key, ..)| *key);
    let splits = |(_, normal, [_, quotient], coset): &(_, Vec<Elem>, [Analysed; 2], Vec<Elem>)| {
        has_complement(group, normal, &quotient.table, coset)
    };
    let (_, _, both, _) = candidates.into_iter().find(splits)?;
    Some(both.map(|part| namer.label(part, true)))
}

/// Whether the quotient by a normal subgroup embeds in the group with each coset going to one of its elements.
fn has_complement(group: &Analysed, normal: &[Elem], quotient: &CayleyTable, coset: &[Elem]) -> bool {
    let orders = quotient.element_orders();
    let alike = |q: Elem, x: Elem| coset[x.index()] == q && group.orders[x.index()] == orders[q.index()];
    let mut candidates = vec![0; quotient.order()];
    for x in group.table.elements() {
        let q = coset[x.index()];
        candidates[q.index()] += usize::from(alike(q, x));
    }
    if candidates.contains(&0) {
        return false;
    }
    let generators = generators(quotient, |q| candidates[q.index()] as u64, |q| candidates[q.index()]);
    let search = Search { from: quotient, to: &group.table, generators: &generators, alike, limit: LIMIT };
    matches!(search.run(normal.to_vec()), Outcome::Found(_))
}

/// The group as permutations of the right cosets of a subgroup without normal subgroups of the group in it, and its elements by row
/// of the group so named. `None` if there are too many cosets.
pub(super) fn as_permutations(group: &Analysed) -> Option<(GroupName, Vec<Elem>)> {
    /// The largest point of the language.
    const POINTS: usize = 1000;
    let table = &group.table;
    let least: Vec<Vec<Elem>> = (group.classes.iter())
        .filter(|class| prime_divisors(group.orders[class[0].index()]) == [group.orders[class[0].index()]])
        .map(|class| normal_closure(table, [class[0]]))
        .collect();
    let mut subgroup = vec![table.identity()];
    for x in table.elements() {
        if subgroup.binary_search(&x).is_err() {
            let larger = closure(table, subgroup.iter().copied().chain([x])).members;
            let inside: HashSet<Elem> = larger.into_iter().collect();
            if !least.iter().any(|normal| normal.iter().all(|y| inside.contains(y))) {
                subgroup = inside.into_iter().collect();
                subgroup.sort_unstable();
            }
        }
    }
    let (representatives, coset) = cosets(table, &subgroup, |x, h| table.compose(h, x));
    if representatives.len() > POINTS {
        return None;
    }
    let permutation =
        |g: Elem| representatives.iter().map(|&x| coset[table.compose(x, g).index()].index()).collect::<Vec<_>>();
    let name = GroupName::Permutations(table.generators().into_iter().map(permutation).collect());
    let built = name.build().ok()?;
    let GroupForm::Permutations(permutations) = built.form() else { return None };
    let permutations: &PermutationGroup = permutations;
    debug_assert_eq!(permutations.composition(), Composition::ApplyLeftFirst);
    let mut images = vec![table.identity(); table.order()];
    for x in table.elements() {
        images[permutations.find(&permutation(x))?.index()] = x;
    }
    Some((name, images))
}

//! The actions of semidirect products by their names.

use super::homomorphism::{automorphisms, homomorphisms};
use super::{GroupName, NamedGroup};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use ndarray::Array2;
use std::collections::HashSet;

/// The action of a semidirect product, `action[h, a] = h(a)`.
pub(super) fn action(
    name: &GroupName,
    normal: &NamedGroup,
    multiplier: Option<usize>,
    acting: &NamedGroup,
) -> Result<Array2<usize>> {
    match (multiplier, cyclic_generator(acting)) {
        (Some(power), Some(generator)) => by_power(name, normal, power, acting, generator),
        (Some(_), None) => Err(Error::no_group(name, "a cyclic group behind the multiplier", acting.group_name())),
        (None, Some(generator)) if cyclic_generator(normal).is_some() => {
            by_power(name, normal, only_multiplier(name, normal, acting)?, acting, generator)
        }
        (None, _) => only_homomorphism(name, normal, acting),
    }
}

/// The only homomorphism to the automorphisms with the smallest kernel, up to automorphisms of both groups.
fn only_homomorphism(name: &GroupName, normal: &NamedGroup, acting: &NamedGroup) -> Result<Array2<usize>> {
    let limit = GroupName::MAX_ORDER;
    let found = automorphisms(name, normal, limit)?;
    name.check_table(found.order())?;
    let table = found.cayley_table();
    let kernel = |map: &[Elem]| map.iter().filter(|&&image| image == table.identity()).count();
    let all = homomorphisms(acting, &table, false, limit).map_err(|_| {
        let expected =
            format!("a group of at most {limit} homomorphisms to the automorphisms of {}", normal.group_name());
        Error::no_group(name, expected, acting.group_name())
    })?;
    let smallest = all.iter().map(|map| kernel(map)).min().unwrap_or(1);
    if smallest == acting.order() {
        return Err(only_trivial(name, normal, acting));
    }
    let least: HashSet<&Vec<Elem>> = all.iter().filter(|map| kernel(map) == smallest).collect();
    let first = all.iter().find(|map| kernel(map) == smallest).expect("one with the smallest kernel");
    // All that automorphisms make of the first.
    let of_acting = automorphisms(name, acting, limit)?;
    let before: Vec<&Vec<Elem>> = of_acting.generators().iter().map(|&x| &of_acting.maps[x.index()]).collect();
    let after = table.generators();
    let (mut seen, mut queue) = (HashSet::from([first.clone()]), vec![first.clone()]);
    while let Some(map) = queue.pop() {
        let composed = before.iter().map(|beta| beta.iter().map(|x| map[x.index()]).collect::<Vec<_>>());
        let conjugate = |&by: &Elem| map.iter().map(|&image| table.conjugate(image, by)).collect();
        for next in composed.chain(after.iter().map(conjugate)) {
            if !seen.contains(&next) {
                seen.insert(next.clone());
                queue.push(next);
            }
        }
    }
    if let Some(other) = least.iter().find(|map| !seen.contains(**map)) {
        let words = |map: &Vec<Elem>| {
            let images: Vec<String> =
                acting.generators().iter().map(|g| format!("#{} to #{}", g.index(), map[g.index()].index())).collect();
            images.join(", ")
        };
        let (normal, expected) = (normal.group_name(), "one action with the smallest kernel, up to automorphisms");
        let got = format!(
            "several: {} in Aut({normal}), and {}; say which by AGL, Hol, a multiplier or a presentation",
            words(first),
            words(other)
        );
        return Err(Error::no_group(name, expected, got));
    }
    Ok(Array2::from_shape_fn((acting.order(), normal.order()), |(h, a)| found.maps[first[h].index()][a].index()))
}

fn only_trivial(name: &GroupName, normal: &NamedGroup, acting: &NamedGroup) -> Error {
    let product = GroupName::Direct(normal.group_name().clone().into(), acting.group_name().clone().into());
    Error::no_group(name, "an action other than the trivial one", format!("none: write {product}"))
}

/// The first element that generates the group.
fn cyclic_generator(group: &NamedGroup) -> Option<Elem> {
    let orders = group.element_orders();
    group.elements().find(|x| orders[x.index()] == group.order())
}

/// The action of a cyclic group whose generator takes x to x^power.
fn by_power(
    name: &GroupName,
    normal: &NamedGroup,
    power: usize,
    acting: &NamedGroup,
    generator: Elem,
) -> Result<Array2<usize>> {
    if !normal.is_abelian() {
        return Err(Error::no_group(
            name,
            "an abelian normal subgroup, of which powers are automorphisms",
            normal.group_name(),
        ));
    }
    let exponent = normal.element_orders().into_iter().fold(1, lcm);
    let (power, k) = (power % exponent, acting.order());
    if powers(power, exponent).take(k + 1).last() != Some(1 % exponent) {
        let expected = format!("a multiplier u with u^{k} = 1 modulo {exponent}");
        return Err(Error::no_group(name, expected, power));
    }
    let mut action = Array2::zeros((k, normal.order()));
    let mut h = acting.identity();
    for power in powers(power, exponent).take(k) {
        for a in normal.elements() {
            action[[h.index(), a.index()]] = normal.power(a, power as i64).index();
        }
        h = acting.compose(h, generator);
    }
    Ok(action)
}

/// The multiplier of the only action of one cyclic group on another with the smallest kernel, up to automorphisms of the one
/// that acts: the units u with u^k = 1 modulo n fall into classes that generate one subgroup of units each.
fn only_multiplier(name: &GroupName, normal: &NamedGroup, acting: &NamedGroup) -> Result<usize> {
    let (n, k) = (normal.order(), acting.order());
    let order_of = |u: usize| powers(u, n).skip(1).take(k).position(|power| power == 1 % n).map(|i| i + 1);
    let units: Vec<(usize, usize)> = (1..=n).filter_map(|u| Some((u % n, order_of(u)?))).collect();
    let units: Vec<(usize, usize)> = units.into_iter().filter(|(_, order)| k.is_multiple_of(*order)).collect();
    let largest = units.iter().map(|&(_, order)| order).max().unwrap_or(1);
    let mut generated: Vec<(usize, Vec<usize>)> = Vec::new();
    for &(u, order) in units.iter().filter(|&&(_, order)| order == largest) {
        let mut subgroup: Vec<usize> = powers(u, n).take(order).collect();
        subgroup.sort_unstable();
        if !generated.iter().any(|(_, other)| *other == subgroup) {
            generated.push((u, subgroup));
        }
    }
    let explicit = |u: usize| {
        let (normal, acting) = (normal.group_name().clone().into(), acting.group_name().clone().into());
        GroupName::Semidirect { normal, multiplier: Some(u), acting }.to_string()
    };
    match &generated[..] {
        _ if largest == 1 => Err(only_trivial(name, normal, acting)),
        [(u, _)] => Ok(*u),
        several => {
            let all: Vec<String> = several.iter().map(|&(u, _)| explicit(u)).collect();
            Err(Error::no_group(
                name,
                "one action with the smallest kernel",
                format!("several: write one of {}", all.join(", ")),
            ))
        }
    }
}

/// 1, u, u^2, ... modulo n.
fn powers(u: usize, n: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1 % n), move |power| Some(power * u % n))
}

fn lcm(a: usize, b: usize) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    a / gcd(a, b) * b
}

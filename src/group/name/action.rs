//! The actions of semidirect products by their names.

use super::homomorphism::{Automorphisms, automorphism_group, homomorphism, homomorphisms};
use super::{Action, GroupName, NamedGroup};
use crate::arithmetic::lcm;
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use ndarray::Array2;
use std::collections::HashSet;

/// Kinds of action that an error lists, at most.
const LISTED: usize = 8;

/// The action of a semidirect product, `action[h, a] = h(a)`.
pub(super) fn action(name: &GroupName, normal: &NamedGroup, by: &Action, acting: &NamedGroup) -> Result<Array2<usize>> {
    match (by, cyclic_generator(acting)) {
        (Action::Power(power), Some(generator)) => by_power(name, normal, *power, acting, generator),
        (Action::Power(_), None) => {
            Err(Error::no_group(name, "a cyclic group behind the multiplier", acting.group_name()))
        }
        (Action::Images(rows), _) => by_images(name, normal, rows, acting),
        (Action::Only, Some(generator)) if cyclic_generator(normal).is_some() => {
            by_power(name, normal, only_multiplier(name, normal, acting)?, acting, generator)
        }
        (Action::Only, _) => only_homomorphism(name, normal, acting),
    }
}

/// The action in which the generators of the acting group are the automorphisms at these rows.
fn by_images(name: &GroupName, normal: &NamedGroup, rows: &[usize], acting: &NamedGroup) -> Result<Array2<usize>> {
    let found = automorphism_group(name, normal, GroupName::MAX_ORDER)?;
    let generators = acting.generators();
    if rows.len() != generators.len() || rows.iter().any(|row| *row >= found.order()) {
        let (count, below) = (generators.len(), found.order());
        let rows: Vec<String> = rows.iter().map(|row| format!("#{row}")).collect();
        return Err(Error::no_group(name, format!("{count} rows of automorphisms below {below}"), rows.join(", ")));
    }
    let images: Vec<Elem> = rows.iter().map(|&row| Elem::new(row)).collect();
    let map = homomorphism(acting, &found, &generators, &images).ok_or_else(|| {
        let (acting, normal) = (acting.group_name(), normal.group_name());
        let expected = format!("the images of the generators under a homomorphism of {acting} to Aut({normal})");
        Error::no_group(name, expected, "rows under which a product has another image than the product of the images")
    })?;
    Ok(of_maps(&found, &map, normal))
}

fn of_maps(found: &Automorphisms, map: &[Elem], normal: &NamedGroup) -> Array2<usize> {
    Array2::from_shape_fn((map.len(), normal.order()), |(h, a)| found.maps[map[h].index()][a].index())
}

/// The only homomorphism to the automorphisms with the smallest kernel, up to automorphisms of both groups.
fn only_homomorphism(name: &GroupName, normal: &NamedGroup, acting: &NamedGroup) -> Result<Array2<usize>> {
    let limit = GroupName::MAX_ORDER;
    let found = automorphism_group(name, normal, limit)?;
    name.check_table(found.order())?;
    let table = found.cayley_table();
    let kernel = |map: &[Elem]| map.iter().filter(|&&image| image == table.identity()).count();
    let expected = || {
        let (acting, normal) = (acting.group_name(), normal.group_name());
        format!("at most {limit} homomorphisms of {acting} to the automorphisms of {normal}")
    };
    let all = homomorphisms(acting, &table, false, limit).map_err(|reason| reason.of(name, expected()))?;
    let smallest = all.iter().map(|map| kernel(map)).min().unwrap_or(1);
    if smallest == acting.order() {
        return Err(only_trivial(name, normal, acting));
    }
    // One of each kind, with all that automorphisms of either group make of it.
    let of_acting = automorphism_group(name, acting, limit)?;
    let before: Vec<&Vec<Elem>> = of_acting.generators().iter().map(|&x| &of_acting.maps[x.index()]).collect();
    let after = table.generators();
    let (mut kinds, mut seen) = (Vec::new(), HashSet::new());
    for first in all.iter().filter(|map| kernel(map) == smallest) {
        if !seen.insert(first.clone()) {
            continue;
        }
        kinds.push(first);
        let mut queue = vec![first.clone()];
        while let Some(map) = queue.pop() {
            let composed = before.iter().map(|beta| beta.iter().map(|x| map[x.index()]).collect());
            let conjugate = |&by: &Elem| map.iter().map(|&image| table.conjugate(image, by)).collect();
            for next in composed.chain(after.iter().map(conjugate)) {
                let next: Vec<Elem> = next;
                if seen.insert(next.clone()) {
                    queue.push(next);
                }
            }
        }
    }
    if let [only] = kinds[..] {
        return Ok(of_maps(&found, only, normal));
    }
    let generators = acting.generators();
    let images = |map: &Vec<Elem>| Action::Images(generators.iter().map(|g| map[g.index()].index()).collect());
    Err(several(name, normal, acting, kinds.into_iter().map(images)))
}

/// The error that several kinds of action are left, with a name for each of the first few.
fn several(name: &GroupName, normal: &NamedGroup, acting: &NamedGroup, all: impl Iterator<Item = Action>) -> Error {
    let explicit = |by: Action| {
        let (normal, acting) = (normal.group_name().clone().into(), acting.group_name().clone().into());
        GroupName::Semidirect { normal, by, acting }.to_string()
    };
    let mut all: Vec<String> = all.map(explicit).collect();
    if all.len() > LISTED {
        all.truncate(LISTED);
        all.push("...".into());
    }
    let expected = "one action with the smallest kernel, up to automorphisms";
    Error::no_group(name, expected, format!("several: write one of {}", all.join(", ")))
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
    match &generated[..] {
        _ if largest == 1 => Err(only_trivial(name, normal, acting)),
        [(u, _)] => Ok(*u),
        kinds => Err(several(name, normal, acting, kinds.iter().map(|&(u, _)| Action::Power(u)))),
    }
}

/// 1, u, u^2, ... modulo n.
fn powers(u: usize, n: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1 % n), move |power| Some(power * u % n))
}

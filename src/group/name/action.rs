//! The actions of semidirect products by their names.

use super::{GroupName, NamedGroup};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use ndarray::Array2;

/// The action of a semidirect product, `action[h, a] = h(a)`.
pub(super) fn action(
    name: &GroupName,
    normal: &NamedGroup,
    multiplier: Option<usize>,
    acting: &NamedGroup,
) -> Result<Array2<usize>> {
    let Some(generator) = cyclic_generator(acting) else {
        return Err(Error::no_group(name, "a cyclic group that acts", acting.group_name()));
    };
    let power = match multiplier {
        Some(power) => power,
        None => only_multiplier(name, normal, acting)?,
    };
    by_power(name, normal, power, acting, generator)
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
    if cyclic_generator(normal).is_none() {
        return Err(Error::no_group(name, "a cyclic normal subgroup, or a multiplier `:{u}`", normal.group_name()));
    }
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
    let GroupName::Semidirect { normal, acting, .. } = name else { unreachable!("the name of a semidirect product") };
    let explicit = |u: usize| {
        GroupName::Semidirect { normal: normal.clone(), multiplier: Some(u), acting: acting.clone() }.to_string()
    };
    match &generated[..] {
        _ if largest == 1 => {
            let product = GroupName::Direct(normal.clone(), acting.clone());
            Err(Error::no_group(name, "an action other than the trivial one", format!("none: write {product}")))
        }
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

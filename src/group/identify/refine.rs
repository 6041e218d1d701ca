//! Colours of elements that no isomorphism changes: equal where the elements look alike, refined until nothing more differs.

use super::super::{CayleyTable, Elem, Group, GroupExt};
use crate::arithmetic::prime_divisors;
use std::collections::HashSet;

/// A colour for every element, by row: isomorphisms keep colours. Refined by products, commutators, powers and roots.
///
/// The first colour is the order and the number of conjugates. Each round makes of the colour of g a hash of it, of the
/// colours of its powers `g^p`, of those of its roots, and of the multiset over all h of the colours of h, g h, the commutator
/// g h g^-1 h^-1 and g h g^-1 h^-2; the last round is the first with no more colours than the one before.
///
/// Costs up to n c look-ups in each round for c conjugacy classes, and n log n in an abelian group, whose colours need no
/// products.
pub(super) fn colours(table: &CayleyTable, orders: &[usize], classes: &[Vec<Elem>]) -> Vec<u64> {
    let n = table.order();
    let mut colours = vec![0; n];
    for class in classes {
        for &x in class {
            colours[x.index()] = hash(&[orders[x.index()] as u64, class.len() as u64]);
        }
    }
    let primes = prime_divisors(n);
    let powers: Vec<(u64, Vec<Elem>)> =
        primes.iter().map(|&p| (p as u64, table.elements().map(|x| table.power(x, p as i64)).collect())).collect();
    let inverses: Vec<Elem> = table.inverses();
    let mut count = distinct(&colours);
    loop {
        let mut next = vec![0; n];
        let mut roots = vec![0_u64; n];
        for (p, powers) in &powers {
            for (x, power) in powers.iter().enumerate() {
                roots[power.index()] = roots[power.index()].wrapping_add(hash(&[*p, colours[x]]));
            }
        }
        for class in classes {
            let g = class[0];
            let mut colour = hash(&[colours[g.index()], roots[g.index()]]);
            for (_, powers) in &powers {
                colour = hash(&[colour, colours[powers[g.index()].index()]]);
            }
            if classes.len() < n {
                let mut sum = 0_u64;
                for h in table.elements() {
                    let product = table.compose(g, h);
                    let commutator = table.compose(product, inverses[table.compose(h, g).index()]);
                    let word = table.compose(commutator, inverses[h.index()]);
                    let seen = [h, product, commutator, word].map(|x| colours[x.index()]);
                    sum = sum.wrapping_add(hash(&seen));
                }
                colour = hash(&[colour, sum]);
            }
            class.iter().for_each(|x| next[x.index()] = colour);
        }
        colours = next;
        let refined = distinct(&colours);
        if refined == count {
            return colours;
        }
        count = refined;
    }
}

/// A hash of the numbers whatever their order, with their multiplicities.
pub(super) fn of_multiset(values: &[u64]) -> u64 {
    hash(&[values.len() as u64, values.iter().fold(0_u64, |sum, &value| sum.wrapping_add(hash(&[value])))])
}

/// A 64-bit hash of some numbers, the same on every machine: the finaliser of SplitMix64 on each in turn.
pub(super) fn hash(values: &[u64]) -> u64 {
    values.iter().fold(values.len() as u64, |state, &value| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_add(state << 6);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn distinct(values: &[u64]) -> usize {
    values.iter().collect::<HashSet<_>>().len()
}

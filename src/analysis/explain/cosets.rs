//! Maps that are constant on the cosets of a subgroup: the coarsest cosets on which each neuron's map is.

use super::super::coset::Map;
use super::{cost, holds};
use crate::error::Result;
use crate::group::{CayleyTable, Elem, Group, GroupExt, Subgroup, SubgroupClass, subgroup_classes};
use crate::linalg::map_blocks;
use ndarray::Array1;

/// Most subgroups that are searched for cosets.
const MOST_SUBGROUPS: usize = 20_000;

/// Shares of a variance this close are alike: then a map is said to be constant on the cosets that the theory has.
const ALIKE: f64 = 1e-9;

/// On which side a map is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// On the left cosets x H.
    Left,
    /// On the right cosets H x.
    Right,
}

impl Side {
    /// The cosets of a subgroup on this side.
    #[must_use]
    pub fn cosets(self, subgroup: &Subgroup, group: &(impl Group + ?Sized)) -> Vec<Vec<Elem>> {
        match self {
            Self::Left => subgroup.left_cosets(group),
            Self::Right => subgroup.right_cosets(group),
        }
    }
}

/// A map that is constant on the cosets of a subgroup.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct CosetMap {
    /// The subgroup H.
    pub subgroup: Subgroup,
    /// The class of its conjugates, by its place in [`Explanation::classes`](super::Explanation::classes).
    pub class: usize,
    /// Which cosets.
    pub side: Side,
    /// The value on each coset, in order of their first elements.
    pub values: Vec<f64>,
}

impl CosetMap {
    /// The map at every element.
    #[must_use]
    pub fn at(&self, group: &(impl Group + ?Sized)) -> Array1<f64> {
        self.class_of(group).into_iter().map(|class| self.values[class as usize]).collect()
    }

    /// The number of the coset that every element is in.
    #[must_use]
    pub fn class_of(&self, group: &(impl Group + ?Sized)) -> Vec<u32> {
        let mut class_of = vec![0; group.order()];
        for (coset, class) in self.side.cosets(&self.subgroup, group).iter().zip(0..) {
            coset.iter().for_each(|x| class_of[x.index()] = class);
        }
        class_of
    }
}

/// The subgroups of a group, class by class.
pub(super) struct Subgroups {
    pub classes: Vec<SubgroupClass>,
    /// Every subgroup but the trivial one, with its class, the largest first.
    all: Vec<(usize, Subgroup)>,
}

/// The cosets on which a neuron's map is constant, by the place of the subgroup: the fewest, unless more leave much less.
#[derive(Clone, Copy)]
pub(super) struct Coarsest {
    subgroup: usize,
    index: usize,
    side: Side,
    within: f64,
}

/// The cosets of all neurons, where there are any.
pub(super) struct CoarsestCosets {
    /// Cosets H x of the left map, y K of the right one.
    outer: [Vec<Option<Coarsest>>; 2],
    /// Cosets x H of the left map, K y of the right one.
    inner: [Vec<Option<Coarsest>>; 2],
    /// Cosets x J and J y, of one subgroup J.
    shared: Vec<Option<[Coarsest; 2]>>,
}

impl CoarsestCosets {
    pub fn outer(&self, k: usize) -> Option<[Coarsest; 2]> {
        Some([self.outer[0][k]?, self.outer[1][k]?])
    }

    pub fn shared(&self, k: usize) -> Option<[Coarsest; 2]> {
        self.shared[k]
    }

    /// For each map the better of both kinds.
    pub fn either(&self, k: usize) -> Option<[Coarsest; 2]> {
        let better = |side: usize| match (self.outer[side][k], self.inner[side][k]) {
            (Some(outer), Some(inner)) => Some(if inner.improves(Some(outer)) { inner } else { outer }),
            (outer, inner) => outer.or(inner),
        };
        Some([better(0)?, better(1)?])
    }
}

impl Coarsest {
    /// Whether it is better than what is known, by [`cost`].
    fn improves(&self, known: Option<Self>) -> bool {
        let cost = |of: &Self| cost(of.within, of.index);
        known.is_none_or(|known| {
            cost(self) < cost(&known) || (cost(self) == cost(&known) && self.within + ALIKE < known.within)
        })
    }
}

impl Subgroups {
    pub fn new(table: &CayleyTable) -> Result<Self> {
        let classes = subgroup_classes(table, MOST_SUBGROUPS)?;
        let of_class = |(c, class): (usize, &SubgroupClass)| {
            class.representative.conjugates(table).into_iter().map(move |h| (c, h))
        };
        let nontrivial = classes.iter().enumerate().rev().filter(|(_, class)| class.order() > 1);
        let all = nontrivial.flat_map(of_class).collect();
        Ok(Self { classes, all })
    }

    /// For every neuron the cosets on which its two maps are constant.
    pub fn coarsest(&self, table: &CayleyTable, left: &Map, right: &Map) -> CoarsestCosets {
        let (n, width) = (table.order(), left.width());
        // One block a subgroup: the result does not depend on the number of threads.
        let shares = map_blocks(self.all.len(), 1, |range| {
            let (_, subgroup) = &self.all[range.start];
            let (lefts, rights) = (subgroup.left_cosets(table), subgroup.right_cosets(table));
            let of = |map: &Map, outer: &[Vec<Elem>], inner: &[Vec<Elem>]| {
                let first = map.within(outer);
                // Both kinds of cosets of a normal subgroup are the same.
                let second = if lefts == rights { first.clone() } else { map.within(inner) };
                [first, second]
            };
            [of(left, &rights, &lefts), of(right, &lefts, &rights)]
        });
        let none = || vec![None; width];
        let mut found = CoarsestCosets { outer: [none(), none()], inner: [none(), none()], shared: vec![None; width] };
        for (subgroup, shares) in shares.iter().enumerate() {
            let index = n / self.all[subgroup].1.order();
            for k in 0..width {
                let of = |map: &Map, side: Side, within: f64| {
                    // A constant is constant on all cosets, the whole group among them.
                    let within = if map.varies(k) { within } else { 0.0 };
                    holds(within, index as f64, n).then_some(Coarsest { subgroup, index, side, within })
                };
                let maps = [left, right];
                let outer = [0, 1].map(|m| of(maps[m], [Side::Right, Side::Left][m], shares[m][0][k]));
                let inner = [0, 1].map(|m| of(maps[m], [Side::Left, Side::Right][m], shares[m][1][k]));
                for (known, new) in found.outer.iter_mut().zip(outer).chain(found.inner.iter_mut().zip(inner)) {
                    known[k] = new.filter(|new| new.improves(known[k])).or(known[k]);
                }
                if let [Some(a), Some(b)] = inner {
                    let worse = |pair: [Coarsest; 2]| if pair[0].within > pair[1].within { pair[0] } else { pair[1] };
                    if worse([a, b]).improves(found.shared[k].map(worse)) {
                        found.shared[k] = Some([a, b]);
                    }
                }
            }
        }
        found
    }

    /// The subgroup of some cosets.
    pub fn of(&self, coarsest: Coarsest) -> Subgroup {
        self.all[coarsest.subgroup].1.clone()
    }

    /// The mean of a map on every coset.
    pub fn map(&self, table: &CayleyTable, coarsest: Coarsest, map: ndarray::ArrayView1<'_, f64>) -> CosetMap {
        let (class, subgroup) = self.all[coarsest.subgroup].clone();
        let mean = |coset: &Vec<Elem>| coset.iter().map(|x| map[x.index()]).sum::<f64>() / coset.len() as f64;
        let values = coarsest.side.cosets(&subgroup, table).iter().map(mean).collect();
        CosetMap { subgroup, class, side: coarsest.side, values }
    }
}

/// The number of the double coset H z K that every element z is in.
pub(super) fn double_cosets(table: &CayleyTable, left: &Subgroup, right: &Subgroup) -> (usize, Vec<usize>) {
    let mut number = vec![usize::MAX; table.order()];
    let mut count = 0;
    for z in table.elements() {
        if number[z.index()] == usize::MAX {
            for &k in right.elements() {
                let zk = table.compose(z, k);
                // H z k is whole or untouched.
                if number[zk.index()] == usize::MAX {
                    left.elements().iter().for_each(|&h| number[table.compose(h, zk).index()] = count);
                }
            }
            count += 1;
        }
    }
    (count, number)
}

//! Tests by chance: of what is learnt by the networks of two atlases, and of irreps that automorphisms exchange.

use super::counts::experiments;
use super::entry::Entry;
use super::measures::Measures;
use super::proportion::{Proportion, fisher_exact};
use super::table::Atlas;
use crate::error::Result;
use crate::group::automorphisms;
use crate::irrep::{Irrep, Kind};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Random draws of a test.
const DRAWS: u64 = 9_999;

/// Automorphisms that a group may have.
const AUTOMORPHISMS: usize = 20_000;

/// How often an irrep is a key irrep in two samples of networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IrrepComparison {
    /// Its name.
    pub label: String,
    /// Its kind.
    pub kind: Kind,
    /// Its dimension.
    pub dim: usize,
    /// Networks of either sample of which it is a key irrep.
    pub key: [Proportion; 2],
    /// Fisher's exact test of the two: the probability that they differ so much by chance. It stands alone: with k irreps, one in
    /// `20/k` samples has an irrep below 0.05.
    pub p: f64,
}

/// Networks on one group in two atlases: what [`Atlas::compare`] returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AtlasComparison {
    /// The group.
    pub group: String,
    /// Every nontrivial irrep, in the order of the basis.
    pub irreps: Vec<IrrepComparison>,
    /// Sets of key irreps, the most frequent in both together first.
    pub sets: Vec<(Vec<String>, [Proportion; 2])>,
    /// Chi square of the table of sets and samples.
    pub statistic: f64,
    /// The probability of a statistic as large where networks are dealt out to the samples at random, from 9,999 deals.
    pub p: f64,
}

/// Whether irreps that automorphisms of the group exchange are learnt alike: what [`Atlas::exchangeability`] returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exchangeability {
    /// The experiment, as in [`Frequencies`](super::Frequencies).
    pub experiment: String,
    /// Sets of irreps that automorphisms make of each other, of more than one.
    pub orbits: Vec<Vec<String>>,
    /// The probability that the numbers of networks of which each is a key irrep differ as much where every network is moved by a
    /// random automorphism, from 9,999 draws.
    pub p: f64,
    /// The probability that the numbers of networks in which each has the largest trace similarity differ as much.
    pub p_leading: f64,
}

/// A whole number below `n`, each with the same probability.
fn below(rng: &mut impl Rng, n: usize) -> usize {
    let n = n as u64;
    // Numbers from the last whole multiple of n on would make some more probable.
    let whole = u64::MAX - u64::MAX % n;
    loop {
        let drawn = rng.next_u64();
        if drawn < whole {
            return (drawn % n) as usize;
        }
    }
}

/// The probability that a draw is at least as large as what was seen, which is itself one of the draws.
fn probability(seen: f64, draw: impl FnMut() -> f64) -> f64 {
    let draws = std::iter::repeat_with(draw).take(DRAWS as usize);
    // Equal but for rounding counts as equal.
    let larger = draws.filter(|drawn| *drawn >= seen - 1e-9 * seen.abs()).count();
    (larger + 1) as f64 / (DRAWS + 1) as f64
}

/// Networks that have been measured, by their groups.
fn by_group(atlas: &Atlas) -> BTreeMap<String, Vec<&Measures>> {
    let mut groups: BTreeMap<String, Vec<&Measures>> = BTreeMap::new();
    for entry in atlas.entries() {
        groups.entry(entry.group()).or_default().extend(&entry.measures);
    }
    groups
}

/// The places of the key irreps.
fn key(found: &Measures) -> Vec<usize> {
    (0..found.irreps.len()).filter(|&i| found.irreps[i].key).collect()
}

impl Atlas {
    /// Have the networks of two atlases learnt the same? Group by group, of those that are in both: key irreps one by one, and sets
    /// of them.
    ///
    /// All networks on a group are one sample, whatever their settings. The statistic of the sets is the sum over sets and samples
    /// of `(seen - expected)^2 / expected`; its distribution is that of dealing the networks out at random, so that rare sets do no
    /// harm. Draws have a fixed seed.
    ///
    /// Cost: 9,999 deals of the networks of each group.
    ///
    /// ```
    /// use irreplens::atlas::Atlas;
    ///
    /// let atlas = Atlas::of_runs(&["examples/data/D53".into()], None, &[])?;
    /// let same = atlas.compare(&atlas);
    /// assert_eq!((same[0].p, same[0].statistic), (1.0, 0.0));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    #[must_use]
    pub fn compare(&self, other: &Self) -> Vec<AtlasComparison> {
        let (ours, theirs) = (by_group(self), by_group(other));
        let both = ours.iter().filter_map(|(group, ours)| Some((group, ours, theirs.get(group)?)));
        let named = |found: &Measures| found.irreps.iter().map(|irrep| irrep.label.clone()).collect::<Vec<_>>();
        let alike = both.filter(|(_, a, b)| !a.is_empty() && !b.is_empty() && named(a[0]) == named(b[0]));
        alike.map(|(group, a, b)| compare(group, a, b)).collect()
    }

    /// Are irreps that automorphisms of the group exchange learnt equally often? They must be, unless something is wrong with the
    /// networks, their initial values or their pairs: an automorphism makes of every network another, as probable one.
    ///
    /// Experiment by experiment, of those whose group has such irreps, is given by its settings, and has at most 20,000
    /// automorphisms. The sum over the orbits of the squares of counts less their mean is compared with that of the same networks, each moved by a random automorphism, so that it
    /// does not matter how many irreps a network learns at once. Draws have a fixed seed.
    ///
    /// # Errors
    /// The errors of [`RunConfig::group_and_irreps`](crate::checkpoint::RunConfig::group_and_irreps).
    ///
    /// Cost: the automorphisms of each group, and 9,999 draws for every network.
    pub fn exchangeability(&self) -> Result<Vec<Exchangeability>> {
        let mut all = Vec::new();
        for (experiment, entries) in experiments(self) {
            all.extend(exchangeability(experiment, &entries)?);
        }
        Ok(all)
    }
}

fn compare(group: &str, a: &[&Measures], b: &[&Measures]) -> AtlasComparison {
    let count = |sample: &[&Measures], i: usize| sample.iter().filter(|found| found.irreps[i].key).count() as u64;
    let share = |seen: [u64; 2]| [Proportion::new(seen[0], a.len() as u64), Proportion::new(seen[1], b.len() as u64)];
    let irreps = (a[0].irreps.iter().enumerate().skip(1)).map(|(i, irrep)| {
        let key = share([count(a, i), count(b, i)]);
        IrrepComparison {
            label: irrep.label.clone(),
            kind: irrep.kind,
            dim: irrep.dim,
            key,
            p: fisher_exact(key[0], key[1]),
        }
    });
    let mut keys: Vec<Vec<usize>> = a.iter().chain(b).map(|found| key(found)).collect();
    let table = |keys: &[Vec<usize>]| {
        let mut table: BTreeMap<Vec<usize>, [u64; 2]> = BTreeMap::new();
        keys.iter()
            .enumerate()
            .for_each(|(i, key)| table.entry(key.clone()).or_default()[usize::from(i >= a.len())] += 1);
        table
    };
    let sizes = [a.len(), b.len()].map(|size| size as f64 / (a.len() + b.len()) as f64);
    let statistic = |keys: &[Vec<usize>]| -> f64 {
        let of_set = |seen: &[u64; 2]| -> f64 {
            let expected = sizes.map(|size| size * (seen[0] + seen[1]) as f64);
            (0..2).map(|s| (seen[s] as f64 - expected[s]).powi(2) / expected[s]).sum()
        };
        table(keys).values().map(of_set).sum()
    };
    let label = |i: &usize| a[0].irreps[*i].label.clone();
    let mut sets: Vec<(Vec<String>, [Proportion; 2])> =
        table(&keys).into_iter().map(|(key, seen)| (key.iter().map(label).collect(), share(seen))).collect();
    sets.sort_by_key(|(_, seen)| std::cmp::Reverse(seen[0].seen + seen[1].seen));
    let seen = statistic(&keys);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let p = probability(seen, || {
        (1..keys.len()).for_each(|i| keys.swap(i, below(&mut rng, i + 1)));
        statistic(&keys)
    });
    AtlasComparison { group: group.into(), irreps: irreps.collect(), sets, statistic: seen, p }
}

/// What automorphisms make of the irreps: each as the list of images, every one once.
fn permutations(irreps: &[Irrep], automorphisms: &[Vec<crate::group::Elem>]) -> BTreeSet<Vec<usize>> {
    let same = |a: &Irrep, b: &Irrep, map: &[crate::group::Elem]| {
        map.iter().zip(&b.character).all(|(x, value)| (a.character[x.index()] - value).abs() < 1e-6)
    };
    let moved = |map: &Vec<crate::group::Elem>| {
        let image = |a: &Irrep| irreps.iter().position(|b| same(a, b, map));
        irreps.iter().map(image).collect::<Option<Vec<usize>>>()
    };
    automorphisms.iter().filter_map(moved).collect()
}

fn exchangeability(experiment: String, entries: &[&Entry]) -> Result<Option<Exchangeability>> {
    let settings = &entries[0].settings;
    if settings.group == crate::checkpoint::GroupKind::CayleyTable {
        return Ok(None);
    }
    let (group, irreps) = settings.group_and_irreps()?;
    let Ok(found) = automorphisms(&group, AUTOMORPHISMS) else { return Ok(None) };
    let permutations: Vec<Vec<usize>> = permutations(&irreps, &found).into_iter().collect();
    let orbit = |i: usize| permutations.iter().map(|p| p[i]).collect::<BTreeSet<usize>>();
    let orbits: Vec<BTreeSet<usize>> =
        (0..irreps.len()).map(orbit).filter(|orbit| orbit.len() > 1).collect::<BTreeSet<_>>().into_iter().collect();
    let found: Vec<&Measures> = entries.iter().filter_map(|entry| entry.measures.as_ref()).collect();
    if orbits.is_empty() || found.is_empty() {
        return Ok(None);
    }
    let leading = |found: &Measures| {
        let leading = found.leading()?;
        found.irreps.iter().position(|irrep| irrep.label == leading.label)
    };
    let leading: Vec<Vec<usize>> = found.iter().map(|found| leading(found).into_iter().collect()).collect();
    let keys: Vec<Vec<usize>> = found.iter().map(|found| key(found)).collect();
    let names = orbits.iter().map(|orbit| orbit.iter().map(|&i| irreps[i].label.clone()).collect()).collect();
    let chance = |sets: &[Vec<usize>]| chance_of_counts(sets, &orbits, &permutations);
    Ok(Some(Exchangeability { experiment, orbits: names, p: chance(&keys), p_leading: chance(&leading) }))
}

/// The probability that counts differ within orbits as much as those of these sets, one a network, where each is moved by a random
/// permutation: of the sum over the orbits of the squares of counts less their mean.
fn chance_of_counts(sets: &[Vec<usize>], orbits: &[BTreeSet<usize>], permutations: &[Vec<usize>]) -> f64 {
    let statistic = |counts: &[f64]| -> f64 {
        let of_orbit = |orbit: &BTreeSet<usize>| -> f64 {
            let mean = orbit.iter().map(|&i| counts[i]).sum::<f64>() / orbit.len() as f64;
            orbit.iter().map(|&i| (counts[i] - mean).powi(2)).sum()
        };
        orbits.iter().map(of_orbit).sum()
    };
    let mut counts = vec![0.0; permutations[0].len()];
    sets.iter().flatten().for_each(|&i| counts[i] += 1.0);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    probability(statistic(&counts), || {
        counts.fill(0.0);
        for set in sets {
            let permutation = &permutations[below(&mut rng, permutations.len())];
            set.iter().for_each(|&i| counts[permutation[i]] += 1.0);
        }
        statistic(&counts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Cyclic, Group, Symmetric};
    use crate::irrep::irreps;

    #[test]
    fn automorphisms_move_irreps_as_they_should() {
        let of = |group: &dyn Group| {
            let irreps = irreps(group).unwrap();
            permutations(&irreps, &automorphisms(group, 2000).unwrap()).len()
        };
        assert_eq!(of(&Cyclic::new(11).unwrap()), 5, "multiplications up to sign");
        assert_eq!(of(&Symmetric::new(4).unwrap()), 1, "all automorphisms are inner");
        assert_eq!(of(&Symmetric::new(6).unwrap()), 2, "the outer automorphism");
    }

    #[test]
    fn probabilities_are_uniform_where_chance_decides() {
        // Draws from the distribution that is tested: the probabilities that come out are spread evenly.
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let drawn: Vec<f64> = (0..40)
            .map(|_| {
                let seen = below(&mut rng, 1000) as f64;
                probability(seen, || below(&mut rng, 1000) as f64)
            })
            .collect();
        let mean = drawn.iter().sum::<f64>() / 40.0;
        assert!(
            (mean - 0.5).abs() < 0.15 && drawn.iter().any(|p| *p < 0.2) && drawn.iter().any(|p| *p > 0.8),
            "{drawn:?}"
        );
    }
}

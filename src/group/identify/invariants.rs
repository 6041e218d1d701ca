//! What isomorphic groups have in common, whatever the order of their elements.

use super::super::subgroup::quotient;
use super::super::{CayleyTable, Elem, Group, GroupExt};
use super::refine::{colours, hash, of_multiset};
use super::series::{derived_series, lower_central_series, subgroup_table, upper_central_series};
use crate::arithmetic::prime_divisors;
use crate::error::Result;
use std::collections::BTreeMap;
use std::fmt;

/// Isomorphism invariants of a group: isomorphic groups have equal ones, whatever the order of their elements.
///
/// All groups of order below 64 that are not isomorphic have different ones, as a test against the whole list shows. Beyond
/// that groups with equal invariants may differ; [`isomorphism`](super::isomorphism) decides. A
/// [`Fingerprint`](crate::group::Fingerprint) is another thing: it tells tables apart, also those of isomorphic groups.
///
/// ```
/// use irreplens::group::{Dicyclic, Dihedral, Invariants};
/// let (d4, q8) = (Invariants::new(&Dihedral::new(4)?)?, Invariants::new(&Dicyclic::new(2)?)?);
/// assert_eq!((&d4.centre, &d4.derived_series), (&q8.centre, &q8.derived_series));
/// assert_eq!(d4.difference(&q8).unwrap().to_string(), "element orders: 1^1 2^5 4^2 against 1^1 2^1 4^6");
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Invariants {
    /// The number of elements.
    pub order: usize,
    /// The number of elements of each order that occurs.
    pub element_orders: BTreeMap<usize, usize>,
    /// For every order of elements and size of conjugacy class that occurs, in rising order: `[order, size, number]`.
    pub classes: Vec<[usize; 3]>,
    /// Invariant factors of the centre, each a divisor of the next; none for the trivial group.
    pub centre: Vec<usize>,
    /// Invariant factors of the largest abelian quotient G / G'.
    pub abelianisation: Vec<usize>,
    /// Orders of the derived series G, G', G'', ... down to the last that differs from the one before.
    pub derived_series: Vec<usize>,
    /// Orders of the lower central series G, \[G, G\], \[\[G, G\], G\], ...
    pub lower_central_series: Vec<usize>,
    /// Orders of the upper central series: the trivial group, the centre, ...
    pub upper_central_series: Vec<usize>,
    /// A hash of the colours of the elements, refined until nothing more differs: by those of powers, roots, products and
    /// commutators with all others (after Weisfeiler and Leman).
    #[serde(with = "hex")]
    pub refinement: u64,
}

/// The first invariant in which two groups differ: a proof that they are not isomorphic.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// The invariant, in words.
    pub invariant: String,
    /// That of the first group.
    pub left: String,
    /// That of the second.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} against {}", self.invariant, self.left, self.right)
    }
}

impl Invariants {
    /// The invariants of a group of order n.
    ///
    /// Costs n^2 look-ups for the table and n c for each of a few rounds of refinement, c the number of conjugacy
    /// classes.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) if a Cayley table is over the budget.
    pub fn new(group: &(impl Group + ?Sized)) -> Result<Self> {
        Ok(Analysed::new(super::table_of(group)?).invariants)
    }

    /// One number for all of them: equal for isomorphic groups on every machine.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let lists = [&self.centre, &self.abelianisation, &self.derived_series];
        let lists = lists.into_iter().chain([&self.lower_central_series, &self.upper_central_series]).cloned();
        let lists = lists.chain([self.element_orders.iter().flat_map(|(&order, &number)| [order, number]).collect()]);
        let lists = lists.chain([self.classes.as_flattened().to_vec(), vec![self.order]]);
        let hashes = lists.map(|list| hash(&list.into_iter().map(|value| value as u64).collect::<Vec<_>>()));
        hash(&hashes.chain([self.refinement]).collect::<Vec<_>>())
    }

    /// The first of the invariants in which another group's differ, or `None` if all are equal.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let list = |values: &[usize]| format!("{values:?}");
        let lines = |of: &Self| {
            [
                ("order", of.order.to_string()),
                ("element orders", counts(&of.element_orders)),
                ("conjugacy classes (element order, size, number)", format!("{:?}", of.classes)),
                ("centre", list(&of.centre)),
                ("abelianisation", list(&of.abelianisation)),
                ("derived series", list(&of.derived_series)),
                ("lower central series", list(&of.lower_central_series)),
                ("upper central series", list(&of.upper_central_series)),
                ("refinement", format!("{:016x}", of.refinement)),
            ]
        };
        let differs = |((what, left), (_, right)): ((&str, String), (&str, String))| {
            (left != right).then(|| Difference { invariant: what.into(), left, right })
        };
        lines(self).into_iter().zip(lines(other)).find_map(differs)
    }
}

impl fmt::Display for Invariants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "order {}, elements by order {}", self.order, counts(&self.element_orders))?;
        writeln!(f, "centre {:?}, abelianisation {:?}", self.centre, self.abelianisation)?;
        writeln!(f, "derived series {:?}", self.derived_series)?;
        writeln!(f, "central series {:?} and {:?}", self.lower_central_series, self.upper_central_series)?;
        write!(f, "fingerprint {:016x}", self.fingerprint())
    }
}

fn counts(counts: &BTreeMap<usize, usize>) -> String {
    let counts: Vec<String> = counts.iter().map(|(order, number)| format!("{order}^{number}")).collect();
    counts.join(" ")
}

/// A group with what its analysis needs again and again.
#[derive(Clone)]
pub(super) struct Analysed {
    pub table: CayleyTable,
    pub orders: Vec<usize>,
    pub classes: Vec<Vec<Elem>>,
    pub colours: Vec<u64>,
    pub invariants: Invariants,
}

impl Analysed {
    pub fn new(table: CayleyTable) -> Self {
        let orders = table.element_orders();
        let classes = table.conjugacy_classes();
        let colours = colours(&table, &orders, &classes);
        let mut element_orders = BTreeMap::new();
        orders.iter().for_each(|&order| *element_orders.entry(order).or_default() += 1);
        let mut kinds = BTreeMap::new();
        classes.iter().for_each(|class| *kinds.entry([orders[class[0].index()], class.len()]).or_default() += 1);
        let derived = derived_series(&table);
        let abelianisation = match derived.get(1) {
            Some(commutators) => quotient(&table, commutators).0.element_orders(),
            None if table.order() == 1 || classes.len() == table.order() => orders.clone(),
            None => vec![1],
        };
        let centre = subgroup_table(&table, &table.center()).element_orders();
        let sizes = |series: &[Vec<Elem>]| series.iter().map(Vec::len).collect();
        let invariants = Invariants {
            order: table.order(),
            element_orders,
            classes: kinds.into_iter().map(|([order, size], number)| [order, size, number]).collect(),
            centre: invariant_factors(&centre),
            abelianisation: invariant_factors(&abelianisation),
            lower_central_series: sizes(&lower_central_series(&table)),
            upper_central_series: sizes(&upper_central_series(&table)),
            derived_series: sizes(&derived),
            refinement: of_multiset(&colours),
        };
        Self { table, orders, classes, colours, invariants }
    }
}

/// The exponents e of the cyclic factors C_(p^e) of the p-part of an abelian group, falling, from the orders of its elements:
/// p^(sum over factors of min(e, i)) of them divide p^i.
pub(super) fn exponents(orders: &[usize], p: usize) -> Vec<usize> {
    let mut exponents = Vec::new();
    let (mut power, mut before) = (p, 0);
    loop {
        let dividing = orders.iter().filter(|&&order| power.is_multiple_of(order)).count();
        let log = (0..).find(|&e| p.pow(e) >= dividing).expect("powers grow") as usize;
        let reaching = log - before; // the number of factors with e >= i
        if reaching == 0 {
            return exponents;
        }
        exponents.resize(reaching.max(exponents.len()), 0);
        exponents[..reaching].iter_mut().for_each(|e| *e += 1);
        (power, before) = (power * p, log);
    }
}

/// The invariant factors of an abelian group, each a divisor of the next, from the orders of its elements.
pub(super) fn invariant_factors(orders: &[usize]) -> Vec<usize> {
    let mut factors: Vec<usize> = Vec::new(); // the largest first
    for p in prime_divisors(orders.len()) {
        for (i, e) in exponents(orders, p).into_iter().enumerate() {
            if i == factors.len() {
                factors.push(1);
            }
            factors[i] *= p.pow(e as u32);
        }
    }
    factors.reverse();
    factors
}

/// A 64-bit number as text, which no reader of JSON rounds.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:016x}"))
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

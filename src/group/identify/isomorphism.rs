//! Whether two groups are isomorphic, with proof.

use super::super::{Elem, Group, GroupExt};
use super::invariants::{Analysed, Difference};
use super::search::{Outcome, Search, generators};
use crate::error::Result;
use std::collections::HashMap;
use std::fmt;

/// Products that a search for an isomorphism takes at most: some seconds.
const LIMIT: usize = 400_000_000;

/// Products that one takes where a name is to be confirmed, of which there may be many.
pub(super) const LIMIT_OF_NAMES: usize = 20_000_000;

/// Whether two groups are isomorphic, and the proof: what [`isomorphism`] returns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Isomorphism {
    /// Isomorphic: the image in the second group of every element of the first, by row.
    Map(Vec<Elem>),
    /// Not isomorphic: the first invariant in which they differ.
    Differs(Difference),
    /// Not isomorphic, though all invariants are equal: none of the images that these generators of the first group could have in
    /// the second makes a homomorphism.
    Exhausted {
        /// Generators of the first group.
        generators: Vec<Elem>,
        /// The number of images tried, up to conjugation.
        tried: usize,
    },
    /// Not known: all invariants are equal, and the search came to its limit.
    Undecided {
        /// The number of images tried.
        tried: usize,
    },
}

impl Isomorphism {
    /// Whether they are isomorphic, or `None` where it is not known.
    #[must_use]
    pub fn is_isomorphic(&self) -> Option<bool> {
        match self {
            Self::Map(_) => Some(true),
            Self::Differs(_) | Self::Exhausted { .. } => Some(false),
            Self::Undecided { .. } => None,
        }
    }
}

impl fmt::Display for Isomorphism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(images) => write!(f, "isomorphic: rows {images:?}"),
            Self::Differs(difference) => write!(f, "not isomorphic: {difference}"),
            Self::Exhausted { generators, tried } => {
                write!(
                    f,
                    "not isomorphic: none of {tried} images of the generators {generators:?} makes a homomorphism"
                )
            }
            Self::Undecided { tried } => {
                write!(f, "not known: equal invariants, no isomorphism among {tried} images tried")
            }
        }
    }
}

/// Are two groups isomorphic? With proof: a map, checked to be a bijective homomorphism, or what shows that there is none.
///
/// Compares the [`Invariants`](super::Invariants), then looks for images of a few generators among the elements of the same
/// colour, in the manner of Miller, On the n^(log n) isomorphism technique, STOC 1978, 51-58.
///
/// Costs what the two invariants cost, and for k generators up to n k products for each image tried. There is mostly one
/// image to try, and elementary abelian groups have any; two p-groups with equal invariants that are not isomorphic may
/// have very many, and after 4 10^8 products, a few seconds, the answer is [`Isomorphism::Undecided`].
///
/// ```
/// use irreplens::group::{Dihedral, Isomorphism, Symmetric, Dicyclic, isomorphism};
/// let (d3, s3) = (Dihedral::new(3)?, Symmetric::new(3)?);
/// let Isomorphism::Map(images) = isomorphism(&d3, &s3)? else { panic!() };
/// assert_eq!(images[0].index(), 0);
///
/// let answer = isomorphism(&Dihedral::new(4)?, &Dicyclic::new(2)?)?;
/// assert_eq!(answer.to_string(), "not isomorphic: element orders: 1^1 2^5 4^2 against 1^1 2^1 4^6");
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) if a Cayley table is over the budget.
pub fn isomorphism(a: &(impl Group + ?Sized), b: &(impl Group + ?Sized)) -> Result<Isomorphism> {
    if a.order() != b.order() {
        let [left, right] = [a.order(), b.order()].map(|order| order.to_string());
        return Ok(Isomorphism::Differs(Difference { invariant: "order".into(), left, right }));
    }
    Ok(between(&Analysed::new(super::table_of(a)?), &Analysed::new(super::table_of(b)?), LIMIT))
}

/// [`isomorphism`] of two groups already analysed, within a number of products.
pub(super) fn between(a: &Analysed, b: &Analysed, limit: usize) -> Isomorphism {
    if let Some(difference) = a.invariants.difference(&b.invariants) {
        return Isomorphism::Differs(difference);
    }
    let mut of_colour: HashMap<u64, usize> = HashMap::new();
    a.colours.iter().for_each(|&colour| *of_colour.entry(colour).or_default() += 1);
    let colour = |x: Elem| a.colours[x.index()];
    let generators = generators(&a.table, colour, |x| of_colour[&colour(x)]);
    let alike = |x: Elem, y: Elem| colour(x) == b.colours[y.index()];
    let search = Search { from: &a.table, to: &b.table, generators: &generators, alike, limit };
    match search.run(b.table.elements().collect()) {
        Outcome::Found(images) => {
            assert!(is_isomorphism(&a.table, &b.table, &images), "a map that was found is an isomorphism");
            Isomorphism::Map(images)
        }
        Outcome::None { tried } => Isomorphism::Exhausted { generators, tried },
        Outcome::Undecided { tried } => Isomorphism::Undecided { tried },
    }
}

/// Whether `images` is one-to-one and `images[x s] = images[x] images[s]` for all x and each s of a generating set: then for
/// all products.
///
/// Costs O(n k).
pub(super) fn is_isomorphism(a: &(impl Group + ?Sized), b: &(impl Group + ?Sized), images: &[Elem]) -> bool {
    let rows: Vec<usize> = images.iter().map(|image| image.index()).collect();
    let keeps = |x: Elem, s: Elem| images[a.compose(x, s).index()] == b.compose(images[x.index()], images[s.index()]);
    a.order() == b.order()
        && super::super::check_permutation(0, b.order(), &rows).is_ok()
        && rows.len() == a.order()
        && a.generators().into_iter().all(|s| a.elements().all(|x| keeps(x, s)))
}

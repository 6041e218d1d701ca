//! Which group a multiplication table is of: invariants, isomorphisms, names and structure.

mod decompose;
mod invariants;
mod isomorphism;
mod naming;
mod refine;
mod search;
mod series;
mod structure;
mod words;

pub use invariants::{Difference, Invariants};
pub use isomorphism::{Isomorphism, isomorphism};
pub use structure::{Structure, Sylow};

use super::{CayleyTable, Elem, Group, GroupExt, GroupName, SubgroupClass};
use crate::error::Result;
use invariants::{Analysed, hex};
use naming::{Named, Namer};
use std::collections::BTreeMap;
use std::fmt;

/// Which group it is, up to isomorphism: its name, or else its order and what tells it from others of that order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct GroupLabel {
    /// The number of elements.
    pub order: usize,
    /// The name, if the language has one that [`identify`] finds.
    pub name: Option<GroupName>,
    /// The fingerprint of its [`Invariants`].
    #[serde(with = "hex")]
    pub fingerprint: u64,
}

impl fmt::Display for GroupLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "order {} ({:08x})", self.order, self.fingerprint >> 32),
        }
    }
}

/// Which group it is and what is known of it: what [`identify`] returns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Identification {
    /// The name, if the language has one that is found.
    pub name: Option<GroupName>,
    /// Where there is no name: the group as permutations, in the language too, unless there are more than 1000 points.
    pub construction: Option<GroupName>,
    /// The isomorphism from the group of that name or construction: by its rows, the elements of this group.
    pub isomorphism: Option<Vec<Elem>>,
    /// Centre, derived series, Sylow subgroups and decompositions.
    pub structure: Structure,
    /// What all groups isomorphic to it have in common.
    pub invariants: Invariants,
}

impl Identification {
    /// The name, or order and fingerprint.
    #[must_use]
    pub fn label(&self) -> GroupLabel {
        let (order, fingerprint) = (self.invariants.order, self.invariants.fingerprint());
        GroupLabel { order, name: self.name.clone(), fingerprint }
    }
}

impl fmt::Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.label(), self.structure, self.invariants)
    }
}

impl Namer {
    fn label(&mut self, group: Analysed, is_part: bool) -> GroupLabel {
        let (order, fingerprint) = (group.invariants.order, group.invariants.fingerprint());
        GroupLabel { order, name: self.name(group, is_part).map(|named| named.name), fingerprint }
    }
}

/// Which group is it? Its name with an isomorphism, and its structure.
///
/// The name is the first of these, whatever the order of the elements:
/// 1. for an abelian group its invariant factors, each a divisor of the next: `C2^2xC12`;
/// 2. for a direct product its factors' names, the largest first, the abelian ones last: `S3xC2` (and not D6);
/// 3. a family's: S, A, D, Dic (Q), then PSL, SL, PGL, GL, Sp, AGL, ASL, GammaL, AGammaL, extraspecial, Heis, Hol(C_n);
/// 4. an abelian normal subgroup, a cyclic one before others and a large one before a small one, by a cyclic group that acts by
///    powers: `C7:C3`, `C8:{3}C2`;
/// 5. a wreath product `C2wrC4`, or a central product `D4oC4`, of these families;
/// 6. a semidirect product whose factors' names leave no choice of the action, `C4^2:C3`, or else by images of generators,
///    `C3:{#1,#0}D8`; for a part of a group, a subgroup in a table for example, up to order 64.
///
/// Every name is confirmed: the group of that name is built, and an isomorphism found and checked. Where there is none, as
/// for some extensions that do not split, [`GroupLabel`] tells groups apart by the fingerprint of their [`Invariants`]. Of the
/// 319 groups of order below 64 four have no name. The search is bounded: at most 200 normal subgroups are looked at, and of a
/// group with more those that one element generates as a normal subgroup.
///
/// Costs some n^2 look-ups for each candidate of the right order: milliseconds up to order 100, and seconds up to order 2000, the
/// most for groups of order 2^k 3 that get no name.
///
/// ```
/// use irreplens::group::{CayleyTable, GroupExt, SemidirectProduct, Symmetric, identify};
/// let affine = SemidirectProduct::metacyclic(5, 4, 2)?;
/// let found = identify(&affine)?;
/// assert_eq!(found.name.unwrap().to_string(), "AGL(1,5)");
/// assert_eq!(found.structure.semidirect.unwrap().map(|part| part.to_string()), ["C5", "C4"]);
///
/// // The rows of S3 x C2 as given, and where they lie here.
/// let group = irreplens::group::Dihedral::new(6)?;
/// let found = identify(&group)?;
/// let (name, images) = (found.name.unwrap(), found.isomorphism.unwrap());
/// assert_eq!(name.to_string(), "S3xC2");
/// assert_eq!(name.build()?.element_order(images[1]), 2);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) if a Cayley table is over the budget.
pub fn identify(group: &(impl Group + ?Sized)) -> Result<Identification> {
    let mut namer = Namer::default();
    let analysed = Analysed::new(table_of(group)?);
    let structure = structure::structure(&mut namer, &analysed);
    let (name, construction, isomorphism) = match namer.name(analysed.clone(), false) {
        Some(Named { name, images }) => (Some(name), None, Some(images)),
        None => {
            let (construction, images) = structure::as_permutations(&analysed).unzip();
            (None, construction, images)
        }
    };
    Ok(Identification { name, construction, isomorphism, structure, invariants: analysed.invariants })
}

/// What to call the subgroups of each class in a table: which group they are, and where several classes are of isomorphic
/// subgroups a letter behind it, in the order of the classes: `C2 (a)`, `C2 (b)`.
///
/// Costs the identification of one subgroup of each isomorphism type.
///
/// ```
/// use irreplens::group::{Symmetric, subgroup_classes, subgroup_names};
/// let s3 = Symmetric::new(3)?;
/// assert_eq!(subgroup_names(&s3, &subgroup_classes(&s3, 10)?)?, ["C1", "C2", "C3", "S3"]);
///
/// let s4 = Symmetric::new(4)?;
/// let names = subgroup_names(&s4, &subgroup_classes(&s4, 100)?)?;
/// assert_eq!(names[..5], ["C1", "C2 (a)", "C2 (b)", "C3", "C2^2 (a)"]);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) if a Cayley table is over the budget.
///
/// # Panics
/// If a representative is no subgroup of the group.
pub fn subgroup_names(group: &(impl Group + ?Sized), classes: &[SubgroupClass]) -> Result<Vec<String>> {
    let table = table_of(group)?;
    let mut namer = Namer::default();
    let mut label = |class: &SubgroupClass| {
        namer.label(Analysed::new(series::subgroup_table(&table, class.representative.elements())), true).to_string()
    };
    let names: Vec<String> = classes.iter().map(&mut label).collect();
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    names.iter().for_each(|name| *shared.entry(name).or_default() += 1);
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let distinct = |name: &String| {
        if shared[name.as_str()] == 1 {
            return name.clone();
        }
        let count = met.entry(name.clone()).or_default();
        *count += 1;
        format!("{name} ({})", letters(*count - 1))
    };
    Ok(names.iter().map(distinct).collect())
}

/// a, b, ..., z, aa, ab, ...
fn letters(count: usize) -> String {
    let last = char::from(b'a' + (count % 26) as u8);
    if count < 26 { last.to_string() } else { format!("{}{last}", letters(count / 26 - 1)) }
}

/// The whole multiplication table, within the memory budget.
fn table_of(group: &(impl Group + ?Sized)) -> Result<CayleyTable> {
    let n = group.order();
    crate::memory::check("a Cayley table", crate::memory::bytes::<u32>(&[n, n]))?;
    Ok(group.cayley_table())
}

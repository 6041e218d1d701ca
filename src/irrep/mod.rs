//! How a group is represented: characters and irreducible representations (irreps) of any finite group, found by the
//! library itself.
//!
//! | item | group | how |
//! |---|---|---|
//! | [`CharacterTable`] | any | linear and induced characters; else class functions that convolution has in common (Burnside), made exact by counting eigenvalues |
//! | [`irreps`] | any | the real irreps: label, kind, dimension, character |
//! | [`Irrep::matrices`] | any | one eigenspace of a random symmetric convolution (Dixon) |
//! | [`cyclic`], [`dihedral`] | C_n, D_n | rotations and reflections of the plane |
//! | [`symmetric`] | S_n | Young's orthogonal form, one irrep for each partition |
//! | [`alternating`] | A_n | those of S_n restricted, and split |
//! | [`product`] | G x H | tensor products, split |
//! | [`constituents`] | any | the irreps that a representation is the sum of |
//!
//! A *real irrep* is a representation by real matrices that no subspace reduces. It is of one of three kinds: a complex
//! irrep that real matrices can express (*real*), one and its conjugate together (*complex*), or twice one that equals
//! its conjugate but that real matrices cannot express (*quaternionic*).
//!
//! Source: Serre, Linear Representations of Finite Groups (1977), sections 2 and 13.2.

mod alternating;
mod characters;
mod closed_form;
mod constituents;
mod criterion;
mod linear;
mod matrices;
mod product;
mod range;
mod representation;
mod search;
mod symmetric;

pub use alternating::alternating;
pub use characters::CharacterTable;
pub use closed_form::{cyclic, dihedral};
pub use constituents::constituents;
pub(crate) use criterion::Products;
pub use product::product;
pub use representation::Representation;
pub use symmetric::symmetric;

use crate::error::Result;
use crate::group::{Elem, Group};
use ndarray::Array1;
use std::fmt;

/// The three kinds of real irreps, by what commutes with them: the real numbers, the complex ones, the quaternions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A complex irrep that real matrices can express; Frobenius-Schur indicator 1.
    Real,
    /// A complex irrep and its conjugate, which differs from it; indicator 0.
    Complex,
    /// Twice a complex irrep with a real character that real matrices cannot express; indicator -1.
    Quaternionic,
}

impl Kind {
    /// Dimension of the algebra of real matrices that commute with the irrep, which is `<chi, chi>`: 1, 2 or 4.
    #[must_use]
    pub fn norm(self) -> usize {
        match self {
            Self::Real => 1,
            Self::Complex => 2,
            Self::Quaternionic => 4,
        }
    }

    /// The Frobenius-Schur indicator of the complex irreps it consists of: 1, 0 or -1.
    #[must_use]
    pub fn indicator(self) -> i8 {
        match self {
            Self::Real => 1,
            Self::Complex => 0,
            Self::Quaternionic => -1,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Complex => "complex",
            Self::Quaternionic => "quaternionic",
        })
    }
}

/// A real irrep up to equivalence: all that its character says.
///
/// The fields are free to set. Whatever takes a group and an irrep refuses what is none of the group's: a function that is
/// not constant on classes, a sum or a difference of characters, half of one, a kind or a dimension of another.
///
/// ```
/// use irreplens::{group::Dicyclic, irrep::{Kind, irreps}};
/// let found = irreps(&Dicyclic::new(2)?)?; // the quaternion group
/// assert_eq!(found.iter().map(|irrep| irrep.dim).collect::<Vec<_>>(), [1, 1, 1, 1, 4]);
/// assert_eq!((found[4].kind, found[4].multiplicity(), found[4].rank()), (Kind::Quaternionic, 1, 4));
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Irrep {
    /// Its name: `trivial`, and else its dimension and a letter, or what a family of groups calls it.
    pub label: String,
    /// What commutes with it.
    pub kind: Kind,
    /// Its real dimension d: that of the complex irrep, or twice that for the complex and the quaternionic kind.
    pub dim: usize,
    /// Its trace chi(x), at every element.
    pub character: Array1<f64>,
}

impl Irrep {
    /// How often it occurs among the real functions on the group: `d / <chi, chi>`.
    #[must_use]
    pub fn multiplicity(&self) -> usize {
        self.dim / self.kind.norm()
    }

    /// Dimension of the space of functions that its matrix entries span: `d^2 / <chi, chi>`. Over all real irreps these
    /// add up to the order of the group.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.dim.saturating_mul(self.multiplicity())
    }

    /// The irrep of a group isomorphic to this one's, `map` taking its elements to this one's.
    ///
    /// For symmetric and alternating groups whose elements stand in another order than [`Symmetric`]'s, say. A map that
    /// reverses products will do as well, for a real character is the same at an element and at its inverse.
    ///
    /// # Arguments
    /// `group`: the other group. `map`: for each of its elements one of this irrep's group.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `map` has one image for every element; [`Error::NotAnIrrep`] if what comes out is no irrep of
    /// `group`.
    ///
    /// Cost: n k products for k conjugacy classes.
    ///
    /// # Panics
    /// If an element of `map` is none of this irrep's group.
    ///
    /// [`Symmetric`]: crate::group::Symmetric
    /// [`Error::Shape`]: crate::Error::Shape
    /// [`Error::NotAnIrrep`]: crate::Error::NotAnIrrep
    pub fn pulled_back(&self, group: &(impl Group + ?Sized), map: &[Elem]) -> Result<Self> {
        let pulled = Self { character: map.iter().map(|x| self.character[x.index()]).collect(), ..self.clone() };
        pulled.check_fully(group)?;
        Ok(pulled)
    }
}

/// The real irreps of any finite group: the trivial one, then by dimension, then by character, largest first in the
/// order of the conjugacy classes.
///
/// The labels are `trivial`, `1b`, `2a`, `2b`, ...: the dimension and a letter, in that order.
///
/// # Errors
/// [`Error::NoCharacterTable`](crate::Error::NoCharacterTable) if rounding hides what the table must be, which needs a group
/// far larger than those this crate is for, or a product that breaks the group laws.
///
/// Cost: that of [`CharacterTable::new`].
///
/// ```
/// use irreplens::{group::Dihedral, irrep::irreps};
/// let labels: Vec<String> = irreps(&Dihedral::new(5)?)?.into_iter().map(|irrep| irrep.label).collect();
/// assert_eq!(labels, ["trivial", "1b", "2a", "2b"]);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn irreps(group: &(impl Group + ?Sized)) -> Result<Vec<Irrep>> {
    Ok(CharacterTable::new(group)?.real_irreps())
}

/// Names irreps by dimension and letter: a, b, ..., z, aa, ab, ...
fn label(irreps: &mut [Irrep]) {
    let mut last = (0, 0);
    for irrep in irreps {
        last = if last.0 == irrep.dim { (irrep.dim, last.1 + 1) } else { (irrep.dim, 0) };
        irrep.label = if irrep.character.iter().all(|&value| value == 1.0) {
            "trivial".into()
        } else {
            format!("{}{}", irrep.dim, letters(last.1))
        };
    }
}

fn letters(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    if index < 26 { letter.into() } else { letters(index / 26 - 1) + &letter.to_string() }
}

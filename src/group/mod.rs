//! What is learnt: finite groups on row indices.
//!
//! | type | group | element order |
//! |---|---|---|
//! | [`Cyclic`] | C_n, order n | r^0, ..., r^(n-1) |
//! | [`Dihedral`] | D_n, order 2n | r^0, ..., r^(n-1), then r^0 s, ..., r^(n-1) s |
//! | [`Dicyclic`] | Dic_n, order 4n; quaternion groups | a^0, ..., a^(2n-1), then a^0 x, ..., a^(2n-1) x |
//! | [`Symmetric`] | S_n, order n!, n <= 7 | lists of images in lexicographic order |
//! | [`Alternating`] | A_n, order n!/2, n <= 7 | lists of images in lexicographic order |
//! | [`DirectProduct`] | G x H | (g, h) at row g * \|H\| + h |
//! | [`SemidirectProduct`] | N x| H; affine and metacyclic groups | (a, h) at row h * \|N\| + a |
//! | [`Heisenberg`] | Heisenberg and extraspecial groups | (a, b, c) in lexicographic order |
//! | [`CayleyTable`] | any multiplication table | as given |
//! | [`PermutationGroup`] | any group of permutations | as listed, or as generated |
//! | [`NamedGroup`] | what a [`GroupName`] says: `C7:C3`, `GL(2,3)`, `<a, b \| a^4, b^2, (a b)^2>` | that of its [form](NamedGroup::form) |
//!
//! [`Group`] has two required methods; [`GroupExt`] derives everything else, once, for all groups.
//! A [`Fingerprint`] tells one multiplication table from another; what is made for a group carries it.
//! [`identify`] finds the name and the structure of any group, [`isomorphism`] whether two are the same.
//! [`Subgroup`] has cosets and conjugates, [`subgroup_classes`] finds all subgroups up to conjugacy.

mod alternating;
mod cayley;
mod closure;
mod cyclic;
mod derived;
mod dicyclic;
mod dihedral;
mod file;
mod fingerprint;
mod heisenberg;
mod identify;
mod name;
mod nearest;
mod permutation;
mod product;
mod semidirect;
mod subgroup;
mod subgroup_classes;
mod symmetric;
mod sympy;

pub use alternating::Alternating;
pub use cayley::CayleyTable;
pub use cyclic::Cyclic;
pub use derived::{Elements, GroupExt};
pub use dicyclic::Dicyclic;
pub use dihedral::Dihedral;
pub use fingerprint::Fingerprint;
pub(crate) use fingerprint::{check_fingerprint, closed};
pub use heisenberg::Heisenberg;
pub use identify::{
    Difference, GroupLabel, Identification, Invariants, Isomorphism, Structure, Sylow, identify, isomorphism,
    subgroup_names,
};
pub use name::{
    Action, GroupFile, GroupForm, GroupName, Kernel, MatrixFamily, NamedGroup, Presentation, automorphisms,
};
pub(crate) use nearest::examine;
pub use permutation::{Composition, PermutationGroup};
pub use product::DirectProduct;
pub use semidirect::SemidirectProduct;
pub use subgroup::Subgroup;
pub use subgroup_classes::{SubgroupClass, subgroup_classes};
pub use symmetric::Symmetric;

use crate::error::{Error, Result};
use std::fmt;

/// An element of a group: the row it occupies in every array indexed by that group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Elem(u32);

impl Elem {
    /// The element at row `index`.
    ///
    /// # Panics
    /// If `index > u32::MAX`.
    #[must_use]
    pub fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("element index fits in u32"))
    }

    /// The row this element occupies.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for Elem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A finite group on the row indices `0..order`.
///
/// Two methods are required; [`identity`](Group::identity) and [`inverse`](Group::inverse) search and are worth
/// overriding. The identity may be any row. Everything else is derived in [`GroupExt`].
///
/// # Laws
/// For all elements x, y, z:
/// 1. closure: `compose(x, y) < order`, and `order >= 1` ([`laws::group::closure`](crate::laws::group::closure));
/// 2. associativity: `(x y) z = x (y z)` ([`associativity`](crate::laws::group::associativity));
/// 3. identity: `e x = x = x e` ([`identity`](crate::laws::group::identity));
/// 4. inverse: `x x^-1 = e = x^-1 x` ([`inverse`](crate::laws::group::inverse));
/// 5. Latin square: every row and column of the Cayley table is a permutation
///    ([`latin_square`](crate::laws::group::latin_square)).
///
/// # Example
/// The units of Z/n under multiplication, complete, with the whole law suite:
/// ```
/// use irreplens::group::{Elem, Group};
///
/// struct Units { n: usize, units: Vec<usize> }
///
/// impl Units {
///     fn new(n: usize) -> Self {
///         let gcd = |mut a: usize, mut b: usize| { while b > 0 { (a, b) = (b, a % b) } a };
///         Self { n, units: (1..=n).filter(|&u| gcd(u, n) == 1).collect() }
///     }
/// }
///
/// impl Group for Units {
///     fn order(&self) -> usize { self.units.len() }
///     fn compose(&self, x: Elem, y: Elem) -> Elem {
///         let product = self.units[x.index()] * self.units[y.index()] % self.n;
///         Elem::new(self.units.iter().position(|&u| u % self.n == product).unwrap())
///     }
/// }
///
/// irreplens::laws::group::check(&Units::new(15)).unwrap();
/// ```
pub trait Group: Send + Sync {
    /// Number of elements, at least 1.
    fn order(&self) -> usize;

    /// The product `x y`.
    fn compose(&self, x: Elem, y: Elem) -> Elem;

    /// The identity. The default searches: O(order).
    ///
    /// # Panics
    /// If no row is a left identity.
    fn identity(&self) -> Elem {
        let first = Elem::new(0);
        (0..self.order())
            .map(Elem::new)
            .find(|&e| self.compose(e, first) == first)
            .expect("group law: there is an identity")
    }

    /// The inverse of `x`. The default searches: O(order).
    ///
    /// # Panics
    /// If `x` has none.
    fn inverse(&self, x: Elem) -> Elem {
        let identity = self.identity();
        (0..self.order())
            .map(Elem::new)
            .find(|&y| self.compose(x, y) == identity)
            .expect("group law: every element has an inverse")
    }

    /// What to call the group in tables and pictures.
    fn name(&self) -> String {
        format!("group of order {}", self.order())
    }
}

macro_rules! forward_group {
    ($($pointer:ty),*) => {$(
        impl<G: Group + ?Sized> Group for $pointer {
            fn order(&self) -> usize {
                (**self).order()
            }
            fn compose(&self, x: Elem, y: Elem) -> Elem {
                (**self).compose(x, y)
            }
            fn identity(&self) -> Elem {
                (**self).identity()
            }
            fn inverse(&self, x: Elem) -> Elem {
                (**self).inverse(x)
            }
            fn name(&self) -> String {
                (**self).name()
            }
        }
    )*};
}
forward_group!(&G, Box<G>, std::sync::Arc<G>);

/// Checks the parameter of a family of groups whose rows must fit in an [`Elem`].
fn parameter(group: &'static str, got: usize) -> Result<()> {
    if (1..1 << 31).contains(&got) {
        Ok(())
    } else {
        Err(Error::GroupParameter { group, expected: "from 1 to 2^31 - 1", got })
    }
}

/// Checks that the list at `index` of some larger list is a permutation of `0..degree`.
fn check_permutation(index: usize, degree: usize, images: &[usize]) -> Result<()> {
    let mut seen = vec![false; degree];
    let fits = |&image: &usize| image < degree && !std::mem::replace(&mut seen[image], true);
    if images.len() == degree && images.iter().all(fits) {
        Ok(())
    } else {
        Err(Error::NotAPermutation { index, degree, got: images.to_vec() })
    }
}

//! Law tests for implementors of this crate's traits: plain functions that return the violation they find, and a
//! macro for each trait that makes one `#[test]` per law.
//!
//! | trait | laws | macro |
//! |---|---|---|
//! | [`Group`](crate::group::Group) | [`group`] | [`group_laws!`](crate::group_laws) |

pub mod group;

use std::fmt::Debug;

/// Laws are tried on all cases up to this many.
pub const EXHAUSTIVE: usize = 1 << 21;
/// Beyond, on this many cases drawn at random.
pub const SAMPLES: usize = 1 << 17;
/// Seed of the draw: the same cases every time.
pub const SEED: u64 = 0x6c61_7773;

/// A law that fails: which, where, and the two sides that should agree there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("law `{law}` fails at {witness}: {left} against {right}")]
pub struct Violation {
    /// Name of the law.
    pub law: &'static str,
    /// The case at which it fails.
    pub witness: String,
    /// One side of the law there.
    pub left: String,
    /// The other side.
    pub right: String,
}

impl Violation {
    /// A violation whose parts are printed by `Debug`.
    ///
    /// ```
    /// use irreplens::laws::Violation;
    /// let violation = Violation::new("evenness", [3], 3 % 2, 0);
    /// assert_eq!(violation.to_string(), "law `evenness` fails at [3]: 1 against 0");
    /// ```
    pub fn new(law: &'static str, witness: impl Debug, left: impl Debug, right: impl Debug) -> Self {
        Self { law, witness: format!("{witness:?}"), left: format!("{left:?}"), right: format!("{right:?}") }
    }

    /// `Ok` if the two sides are equal, else the violation.
    ///
    /// # Errors
    /// The violation, if `left != right`.
    pub fn unless_equal<T: Debug + PartialEq>(
        law: &'static str,
        witness: impl Debug,
        left: T,
        right: T,
    ) -> Result<(), Self> {
        if left == right { Ok(()) } else { Err(Self::new(law, witness, left, right)) }
    }
}

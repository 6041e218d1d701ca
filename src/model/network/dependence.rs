//! What a value depends on: nothing, the left element, the right one, or both.

use serde::{Deserialize, Serialize};

/// What a value of a network depends on. It decides for how many rows the value is computed: one, n or n^2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependence {
    /// Neither element: one row.
    Nothing,
    /// The left element alone: n rows.
    Left,
    /// The right element alone: n rows.
    Right,
    /// Both elements: n^2 rows.
    Both,
}

impl Dependence {
    /// What a value depends on that is made of two.
    ///
    /// ```
    /// use irreplens::model::Dependence;
    /// assert_eq!(Dependence::Left.and(Dependence::Right), Dependence::Both);
    /// assert_eq!(Dependence::Nothing.and(Dependence::Left), Dependence::Left);
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            _ => Self::Both,
        }
    }
}

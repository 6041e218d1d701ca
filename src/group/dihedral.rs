//! The dihedral groups.

use super::{Elem, Group};
use crate::error::Result;

/// The dihedral group D_n of order 2n, for all n >= 1: rows are r^0, ..., r^(n-1), then r^0 s, ..., r^(n-1) s,
/// with `s r = r^-1 s`. D_1 has order 2 and D_2 is the Klein four-group.
///
/// ```
/// use irreplens::group::{Dihedral, Elem, Group};
/// let d5 = Dihedral::new(5)?;
/// let (r, s) = (Elem::new(1), Elem::new(5));
/// assert_eq!(d5.compose(r, s), Elem::new(6)); // r s
/// assert_eq!(d5.compose(s, r), Elem::new(9)); // r^-1 s
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dihedral {
    n: usize,
}

impl Dihedral {
    /// D_n, the symmetries of the regular n-gon, for `1 <= n < 2^31`.
    ///
    /// # Errors
    /// [`Error::GroupParameter`](crate::Error::GroupParameter) outside that range.
    pub fn new(n: usize) -> Result<Self> {
        super::parameter("Dihedral", n)?;
        Ok(Self { n })
    }
}

impl Group for Dihedral {
    fn order(&self) -> usize {
        2 * self.n
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let n = self.n;
        let (x, y) = (x.index(), y.index());
        let rotation = if x < n { x + y % n } else { n + x % n - y % n } % n;
        Elem::new(rotation + if (x < n) == (y < n) { 0 } else { n })
    }
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn inverse(&self, x: Elem) -> Elem {
        let x = x.index();
        Elem::new(if x < self.n { (self.n - x) % self.n } else { x })
    }
    fn name(&self) -> String {
        format!("D{}", self.n)
    }
}

//! The cyclic groups.

use super::{Elem, Group};
use crate::error::Result;

/// The cyclic group C_n of order n: rows are exponents, `r^x r^y = r^(x + y mod n)`.
///
/// ```
/// use irreplens::group::{Cyclic, Elem, Group};
/// let c5 = Cyclic::new(5)?;
/// assert_eq!(c5.compose(Elem::new(3), Elem::new(4)), Elem::new(2));
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cyclic {
    n: usize,
}

impl Cyclic {
    /// C_n for `1 <= n < 2^31`.
    ///
    /// # Errors
    /// [`Error::GroupParameter`](crate::Error::GroupParameter) outside that range.
    pub fn new(n: usize) -> Result<Self> {
        super::parameter("Cyclic", n)?;
        Ok(Self { n })
    }
}

impl Group for Cyclic {
    fn order(&self) -> usize {
        self.n
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        Elem::new((x.index() + y.index()) % self.n)
    }
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn inverse(&self, x: Elem) -> Elem {
        Elem::new((self.n - x.index()) % self.n)
    }
    fn name(&self) -> String {
        format!("C{}", self.n)
    }
}

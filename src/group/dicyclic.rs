//! The dicyclic groups.

use super::{Elem, Group};
use crate::error::{Error, Result};

/// The dicyclic group Dic_n of order 4n: rows are a^0, ..., a^(2n-1), then a^0 x, ..., a^(2n-1) x, with
/// `a^(2n) = 1`, `x^2 = a^n` and `x a = a^-1 x`. Dic_1 is C_4, Dic_2 the quaternion group.
///
/// ```
/// use irreplens::group::{Dicyclic, Elem, Group};
/// let q8 = Dicyclic::new(2)?;
/// let (i, j) = (Elem::new(1), Elem::new(4)); // a and x; -1 is a^2
/// assert_eq!(q8.compose(i, i), Elem::new(2));
/// assert_eq!(q8.compose(j, j), Elem::new(2));
/// assert_eq!((q8.compose(i, j), q8.compose(j, i)), (Elem::new(5), Elem::new(7))); // k and -k
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dicyclic {
    n: usize,
}

impl Dicyclic {
    /// Dic_n for `1 <= n <= 2^29`.
    ///
    /// # Errors
    /// [`Error::GroupParameter`] outside that range.
    pub fn new(n: usize) -> Result<Self> {
        if (1..=1 << 29).contains(&n) {
            Ok(Self { n })
        } else {
            Err(Error::GroupParameter { group: "Dicyclic", expected: "from 1 to 2^29", got: n })
        }
    }

    /// The generalised quaternion group of this order: Q8, Q16, Q32, ...
    ///
    /// # Errors
    /// [`Error::GroupParameter`] if the order is not a power of two from 8 to 2^31.
    pub fn quaternion(order: usize) -> Result<Self> {
        if order.is_power_of_two() && (8..=1 << 31).contains(&order) {
            Self::new(order / 4)
        } else {
            let expected = "an order that is a power of two from 8 to 2^31";
            Err(Error::GroupParameter { group: "Dicyclic::quaternion", expected, got: order })
        }
    }
}

impl Group for Dicyclic {
    fn order(&self) -> usize {
        4 * self.n
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let m = 2 * self.n; // the order of a
        let ((x, i), (y, j)) = ((x.index() / m, x.index() % m), (y.index() / m, y.index() % m));
        let exponent = if x == 0 { i + j } else { i + m - j } + if x + y == 2 { self.n } else { 0 };
        Elem::new(exponent % m + if x == y { 0 } else { m })
    }
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn inverse(&self, x: Elem) -> Elem {
        let (m, x) = (2 * self.n, x.index());
        // a^-i, and (a^i x)^-1 = x^-1 a^-i = a^(i+n) x.
        Elem::new(if x < m { (m - x) % m } else { m + (x + self.n) % m })
    }
    fn name(&self) -> String {
        if self.n > 1 && self.n.is_power_of_two() { format!("Q{}", 4 * self.n) } else { format!("Dic{}", self.n) }
    }
}

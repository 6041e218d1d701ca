//! Heisenberg and extraspecial groups.

use super::{Elem, Group};
use crate::error::{Error, Result};

/// A Heisenberg group: triples (a, b, c) with a and b in (Z/m)^n and c in Z/m,
/// `(a, b, c)(a', b', c') = (a + a', b + b', c + c' + a . b')`, or an extraspecial group, with carries from a and b to c.
///
/// Rows are the triples in lexicographic order; (0, 0, c) is the centre. For n = 1 these are the matrices
/// `[[1, a, c], [0, 1, b], [0, 0, 1]]`. Takes no table: a product costs O(n).
///
/// ```
/// use irreplens::group::{GroupExt, Heisenberg};
/// let largest_order = |group: Heisenberg| group.element_orders().into_iter().max();
/// assert_eq!(largest_order(Heisenberg::new(3)?), Some(3));
/// assert_eq!(largest_order(Heisenberg::extraspecial(3, 1, false)?), Some(9));
///
/// let q8 = Heisenberg::extraspecial(2, 1, false)?;
/// assert_eq!(q8.element_orders().iter().filter(|&&order| order == 4).count(), 6);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Huppert, Endliche Gruppen I (1967), section III.13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heisenberg {
    modulus: usize,
    n: usize,
    carries: Carries,
}

/// Which first digits of a and b carry 1 to c when their sum reaches the modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    None,
    OfA,
    OfBoth,
}

impl Heisenberg {
    /// The Heisenberg group modulo m, of order m^3.
    ///
    /// # Errors
    /// [`Error::GroupParameter`] if m is 0 or the order is 2^31 or more.
    pub fn new(modulus: usize) -> Result<Self> {
        super::parameter("Heisenberg", modulus.saturating_pow(3))?;
        Ok(Self { modulus, n: 1, carries: Carries::None })
    }

    /// The extraspecial group of order p^(1 + 2n) and of plus or minus type: for odd p of exponent p or p^2; for p = 2 the
    /// central product of n times D_4, or of n - 1 times D_4 and Q_8.
    ///
    /// # Errors
    /// [`Error::GroupParameter`] if p is no prime, n is 0 or the order is 2^31 or more.
    pub fn extraspecial(p: usize, n: usize, plus: bool) -> Result<Self> {
        let exponent = u32::try_from(n).unwrap_or(u32::MAX).saturating_mul(2).saturating_add(1);
        let expected = "a prime p and n from 1 up with p^(1 + 2n) below 2^31";
        let order = p.saturating_pow(exponent);
        if n == 0 || order >= 1 << 31 || p < 2 || (2..p).take_while(|d| d * d <= p).any(|d| p.is_multiple_of(d)) {
            let group = "Heisenberg::extraspecial";
            return Err(Error::GroupParameter { group, expected, got: if n == 0 { n } else { p } });
        }
        let carries = match (plus, p) {
            (true, _) => Carries::None,
            (false, 2) => Carries::OfBoth,
            (false, _) => Carries::OfA,
        };
        Ok(Self { modulus: p, n, carries })
    }

    /// The digits of a row: a, b, c.
    fn digits(&self, x: Elem) -> Vec<usize> {
        let mut digits = vec![0; 2 * self.n + 1];
        let mut rest = x.index();
        for digit in digits.iter_mut().rev() {
            *digit = rest % self.modulus;
            rest /= self.modulus;
        }
        digits
    }

    fn row(&self, digits: impl IntoIterator<Item = usize>) -> Elem {
        Elem::new(digits.into_iter().fold(0, |row, digit| row * self.modulus + digit % self.modulus))
    }
}

impl Group for Heisenberg {
    fn order(&self) -> usize {
        self.modulus.pow(2 * self.n as u32 + 1)
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let (mut sum, y, n) = (self.digits(x), self.digits(y), self.n);
        let dot: usize = sum[..n].iter().zip(&y[n..2 * n]).map(|(a, b)| a * b % self.modulus).sum();
        for (x, y) in sum.iter_mut().zip(&y) {
            *x += y;
        }
        let carry = |i: usize| usize::from(sum[i] >= self.modulus);
        sum[2 * n] += dot
            + match self.carries {
                Carries::None => 0,
                Carries::OfA => carry(0),
                Carries::OfBoth => carry(0) + carry(n),
            };
        self.row(sum)
    }
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn inverse(&self, x: Elem) -> Elem {
        // (-a, -b, 0) is the inverse but for an element of the centre.
        let digits = self.digits(x);
        let guess = self.row(digits[..2 * self.n].iter().map(|d| self.modulus - d).chain([0]));
        let excess = self.digits(self.compose(x, guess))[2 * self.n];
        self.compose(guess, Elem::new((self.modulus - excess) % self.modulus))
    }
    fn name(&self) -> String {
        let sign = if self.carries == Carries::None { '+' } else { '-' };
        match (self.n, self.carries) {
            (1, Carries::None) => format!("Heis({})", self.modulus),
            (n, _) => format!("{}^(1+{}){sign}", self.modulus, 2 * n),
        }
    }
}

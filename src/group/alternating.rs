//! The alternating groups.

use super::symmetric::{lexicographic, rank, rank_of_inverse, rank_of_product};
use super::{Elem, Group, check_permutation};
use crate::error::Result;

/// The alternating group A_n of the even permutations of the points `0..n`, each written as its list of images, in
/// lexicographic order of the lists. The product applies the left factor first: `(p*q)[i] = q[p[i]]`.
///
/// Rows 2k and 2k + 1 of [`Symmetric`](super::Symmetric) differ by a swap of the last two images, so one of them is
/// even: it is row k here. Products cost as much as there.
///
/// ```
/// use irreplens::group::{Alternating, Elem, Group};
/// let a4 = Alternating::new(4)?;
/// assert_eq!(a4.order(), 12);
/// assert_eq!(a4.permutation(Elem::new(1)), [0, 2, 3, 1]);
/// assert_eq!(a4.find(&[1, 0, 2, 3]), None); // odd
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternating {
    permutations: Vec<Box<[usize]>>,
}

impl Alternating {
    /// A_n for `1 <= n <= 7`, order n!/2; A_1 and A_2 are trivial.
    ///
    /// # Errors
    /// [`Error::GroupParameter`](crate::Error::GroupParameter) outside that range.
    pub fn new(n: usize) -> Result<Self> {
        let mut permutations = lexicographic("Alternating", n)?;
        permutations.retain(|p| is_even(p));
        Ok(Self { permutations })
    }

    /// The number of points permuted.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.permutations[0].len()
    }

    /// The images of the points `0..n` under an element.
    ///
    /// # Panics
    /// If the index of `x` is not below the order.
    #[must_use]
    pub fn permutation(&self, x: Elem) -> &[usize] {
        &self.permutations[x.index()]
    }

    /// The element that is this permutation, or `None` if it is not an even one of `0..n`. Costs O(n^2).
    #[must_use]
    pub fn find(&self, permutation: &[usize]) -> Option<Elem> {
        check_permutation(0, self.degree(), permutation).ok()?;
        is_even(permutation).then(|| Elem::new(rank(self.degree(), permutation.iter().copied()) / 2))
    }
}

impl Group for Alternating {
    fn order(&self) -> usize {
        self.permutations.len()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        Elem::new(rank_of_product(self.permutation(x), self.permutation(y)) / 2)
    }
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn inverse(&self, x: Elem) -> Elem {
        Elem::new(rank_of_inverse(self.permutation(x)) / 2)
    }
    fn name(&self) -> String {
        format!("A{}", self.degree())
    }
}

fn is_even(p: &[usize]) -> bool {
    let inversions = (p.iter().enumerate()).map(|(i, image)| p[..i].iter().filter(|&earlier| earlier > image).count());
    inversions.sum::<usize>() % 2 == 0
}

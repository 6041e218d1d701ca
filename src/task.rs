//! What is computed: all ordered pairs (x, y) with label x y, and seeded train/test splits of them.

use crate::error::{Error, Result};
use crate::group::{Elem, Group};
use crate::memory;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_mt::Mt;
use std::ops::Range;
use std::sync::Arc;

/// An ordered pair of elements, the input of a model.
pub type Pair = (Elem, Elem);

/// All ordered pairs of a group in row-major order, pair `x n + y` labelled x y.
///
/// ```
/// use irreplens::{group::{Cyclic, Elem}, task::Task};
/// let task = Task::new(&Cyclic::new(5)?);
/// assert_eq!(task.labels()[3 * 5 + 4], 2);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    order: usize,
    labels: Arc<[u32]>,
}

impl Task {
    /// The composition task of `group`. O(n^2) compositions, and 4 n^2 bytes; for a group that may be too large for
    /// them there is [`try_new`](Task::try_new).
    #[must_use]
    pub fn new(group: &(impl Group + ?Sized)) -> Self {
        let n = group.order();
        // Its length is known, so that it is collected where it stays.
        let labels = (0..n * n).map(|i| group.compose(Elem::new(i / n), Elem::new(i % n)).index() as u32).collect();
        Self { order: n, labels }
    }

    /// The composition task of `group`, if there is memory for it.
    ///
    /// # Errors
    /// [`Error::Memory`] where 4 n^2 bytes are more than the [budget](crate::memory::budget).
    pub fn try_new(group: &(impl Group + ?Sized)) -> Result<Self> {
        memory::check("labels of all pairs", memory::bytes::<u32>(&[group.order(), group.order()]))?;
        Ok(Self::new(group))
    }

    /// Order n of the group.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// Labels of all n^2 pairs, row-major.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The same labels, to be kept.
    #[cfg(feature = "cuda")]
    pub(crate) fn shared_labels(&self) -> &Arc<[u32]> {
        &self.labels
    }

    /// The pairs with these row-major indices, in order.
    ///
    /// # Panics
    /// If the range ends beyond n^2.
    #[must_use]
    pub fn pairs(&self, range: Range<usize>) -> Vec<Pair> {
        assert!(range.end <= self.labels.len(), "pair {} of {}", range.end, self.labels.len());
        pairs(self.order, range)
    }
}

/// The pairs of a group of `order` elements with these row-major indices.
pub(crate) fn pairs(order: usize, range: Range<usize>) -> Vec<Pair> {
    let (mut x, mut y) = (range.start / order, range.start % order);
    range
        .map(|_| {
            let pair = (Elem::new(x), Elem::new(y));
            y += 1;
            if y == order {
                (x, y) = (x + 1, 0);
            }
            pair
        })
        .collect()
}

/// A partition of the pairs of a task into training and test set, as row-major pair indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Training pairs.
    pub train: Vec<usize>,
    /// Test pairs.
    pub test: Vec<usize>,
}

impl Split {
    /// A uniformly random split: the first `floor(fraction n^2)` pairs of a Fisher-Yates shuffle driven by ChaCha20
    /// seeded with `seed` are the training set. The same on every machine.
    ///
    /// # Errors
    /// [`Error::Range`] unless 0 < `fraction` <= 1; [`Error::Memory`] where its up to 16 n^2 bytes are over the budget.
    pub fn random(order: usize, fraction: f64, seed: u64) -> Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        Self::shuffled(order, fraction, |bound| {
            // Lemire's unbiased bounded integers.
            loop {
                let product = u128::from(rng.next_u64()) * bound as u128;
                if product as u64 >= (bound as u64).wrapping_neg() % bound as u64 {
                    return (product >> 64) as usize;
                }
            }
        })
    }

    /// The split of the published runs: `torch.manual_seed(seed)`, `torch.randperm(n * n)`, the first
    /// `int(fraction * n * n)` pairs are the training set; seed 0 means no shuffle, as in the published code.
    ///
    /// PyTorch's CPU generator is the 32-bit Mersenne Twister, and pair i changes places with pair
    /// `i + random() % (n^2 - i)`.
    ///
    /// # Errors
    /// As [`random`](Split::random).
    pub fn published(order: usize, fraction: f64, seed: u64) -> Result<Self> {
        if seed == 0 {
            return Self::shuffled(order, fraction, |_| 0);
        }
        // PyTorch keeps the low 32 bits of the seed.
        let mut rng = Mt::new(seed as u32);
        Self::shuffled(order, fraction, |bound| rng.next_u32() as usize % bound)
    }

    fn shuffled(order: usize, fraction: f64, mut below: impl FnMut(usize) -> usize) -> Result<Self> {
        if !(fraction > 0.0 && fraction <= 1.0) {
            return Err(Error::Range { what: "training fraction", expected: "in (0, 1]", got: fraction });
        }
        // The product in this order is the published one: (fraction * n) * n.
        let trained = (fraction * order as f64 * order as f64) as usize;
        memory::check("a split of all pairs", Self::bytes(order, trained))?;
        let count = order * order;
        let mut train: Vec<usize> = (0..count).collect();
        for i in 0..count {
            train.swap(i, i + below(count - i));
        }
        let test = train.split_off(trained);
        Ok(Self { train, test })
    }

    /// Bytes that making a split takes: all pairs in one list, from which the test pairs are taken.
    pub(crate) fn bytes(order: usize, train: usize) -> usize {
        let all = memory::bytes::<usize>(&[order, order]);
        all.saturating_add(all.saturating_sub(memory::bytes::<usize>(&[train])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.manual_seed(s); torch.randperm(16)`, and `torch.randperm(720**2)` for seed 3, of PyTorch 2.15.
    #[test]
    fn published_split_is_torch_randperm() {
        let all = |seed| Split::published(4, 1.0, seed).unwrap().train;
        assert_eq!(all(0), (0..16).collect::<Vec<_>>());
        assert_eq!(all(1), [5, 15, 6, 4, 11, 2, 7, 12, 1, 0, 9, 8, 10, 3, 13, 14]);
        assert_eq!(all(42), [6, 3, 0, 7, 10, 15, 2, 12, 14, 9, 8, 5, 4, 13, 11, 1]);
        let s6 = Split::published(720, 1.0, 3).unwrap().train;
        assert_eq!(s6[..5], [199_786, 497_634, 30_673, 28_947, 92_004]);
        assert_eq!(s6[518_397..], [441_451, 183_894, 165_275]);
    }

    #[test]
    fn random_split_is_a_seeded_partition() {
        let split = Split::random(7, 0.3, 5).unwrap();
        assert_eq!(split, Split::random(7, 0.3, 5).unwrap());
        assert_ne!(split, Split::random(7, 0.3, 6).unwrap());
        assert_eq!(split.train.len(), 14);
        let mut all = [split.train, split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..49).collect::<Vec<_>>());
    }

    #[test]
    fn fractions_outside_the_range_are_errors() {
        for fraction in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(matches!(Split::random(3, fraction, 1), Err(Error::Range { .. })));
            assert!(matches!(Split::published(3, fraction, 1), Err(Error::Range { .. })));
        }
    }
}

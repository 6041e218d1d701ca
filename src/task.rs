//! What is computed: all ordered pairs (x, y) with label x y, and seeded train/test splits of them.

use crate::error::{Error, Result, check_shape};
use crate::group::{CayleyTable, Elem, Fingerprint, Group, closed};
use crate::memory;
use ndarray::Array2;
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
#[derive(Clone, Debug)]
pub struct Task {
    order: usize,
    labels: Arc<[u32]>,
    fingerprint: Fingerprint,
    group_name: String,
}

/// Equal tables, whatever the groups are called.
impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order && self.labels == other.labels
    }
}

impl Eq for Task {}

impl Task {
    /// The composition task of `group`. O(n^2) compositions, and 4 n^2 bytes; for a group that may be too large for
    /// them there is [`try_new`](Task::try_new).
    ///
    /// # Panics
    /// If `compose(x, y) >= order` for some pair: the product breaks the first law of [`Group`], for the rest of which
    /// see [`laws::group::check`](crate::laws::group::check).
    #[must_use]
    pub fn new(group: &(impl Group + ?Sized)) -> Self {
        let order = group.order();
        let label = |x: Elem, y: Elem| closed(order, x, y, group.compose(x, y)).index() as u32;
        // Its length is known, so that it is collected where it stays.
        let labels: Arc<[u32]> =
            (0..order * order).map(|i| label(Elem::new(i / order), Elem::new(i % order))).collect();
        let product = |x: Elem, y: Elem| Elem::new(labels[x.index() * order + y.index()] as usize);
        let fingerprint = Fingerprint::of_product(order, product);
        Self { order, labels, fingerprint, group_name: group.name() }
    }

    /// The composition task of `group`, if there is memory for it.
    ///
    /// # Errors
    /// [`Error::Memory`] where 4 n^2 bytes are more than the [budget](crate::memory::budget).
    ///
    /// # Panics
    /// Where [`new`](Task::new) does.
    pub fn try_new(group: &(impl Group + ?Sized)) -> Result<Self> {
        memory::check("labels of all pairs", memory::bytes::<u32>(&[group.order(), group.order()]))?;
        Ok(Self::new(group))
    }

    /// The fingerprint of the group.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Order n of the group.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// What the group is called ([`Group::name`]).
    #[must_use]
    pub fn group_name(&self) -> &str {
        &self.group_name
    }

    /// Labels of all n^2 pairs, row-major.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The group of the labels.
    pub(crate) fn cayley_table(&self) -> Result<CayleyTable> {
        let n = self.order;
        CayleyTable::new(Array2::from_shape_fn((n, n), |(x, y)| self.labels[x * n + y] as usize))
    }

    /// The labels, shared, to be kept.
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

/// The pairs of a task that are trained on and those that are tested on, as row-major pair indices.
///
/// ```
/// use irreplens::task::Split;
/// let split = Split::new(2, vec![0, 3], vec![1])?;
/// assert_eq!((split.order(), split.train.len()), (2, 2));
/// let error = Split::new(2, vec![0, 3], vec![3]).unwrap_err();
/// assert_eq!(error.to_string(), "split: expected every pair once, got pair 3 in the training set and again in the test set");
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    order: usize,
    /// Training pairs.
    pub train: Vec<usize>,
    /// Test pairs.
    pub test: Vec<usize>,
}

impl Split {
    /// The split of some or all pairs of a group of `order` elements; either set may be empty.
    ///
    /// # Errors
    /// [`Error::UnknownPair`] for an index from `order^2` on; [`Error::RepeatedPair`] for a pair that occurs twice, in one
    /// set or in both.
    ///
    /// Cost: O(n^2) bytes and steps.
    pub fn new(order: usize, train: Vec<usize>, test: Vec<usize>) -> Result<Self> {
        let split = Self { order, train, test };
        split.check(order)?;
        Ok(split)
    }

    /// Order n of the group whose pairs it divides.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// Whether it is a split of the pairs of a group of this order: the sets can have been changed since it was made.
    ///
    /// # Errors
    /// [`Error::Shape`] for a group of another order; else those of [`new`](Split::new).
    pub fn check(&self, order: usize) -> Result<()> {
        check_shape("group of the split", &[order], &[self.order])?;
        const SETS: [&str; 2] = ["training", "test"];
        let (sets, pairs) = ([&self.train, &self.test], order.saturating_mul(order));
        let mut seen_in: Vec<Option<bool>> = Vec::new(); // by pair; whether in the test set
        for (i, set) in sets.into_iter().enumerate() {
            if let Some(&got) = set.iter().find(|&&pair| pair >= pairs) {
                return Err(Error::UnknownPair { set: SETS[i], pairs, got });
            }
            seen_in.resize(set.iter().map(|pair| pair + 1).fold(seen_in.len(), usize::max), None);
            for &pair in set {
                if let Some(first) = seen_in[pair].replace(i == 1) {
                    return Err(Error::RepeatedPair { pair, first: SETS[usize::from(first)], second: SETS[i] });
                }
            }
        }
        Ok(())
    }

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
    /// The errors of [`random`](Split::random).
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
        Ok(Self { order, train, test })
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
    fn splits_are_held_to_their_pairs() {
        assert!(matches!(
            Split::new(3, vec![9], vec![]),
            Err(Error::UnknownPair { set: "training", pairs: 9, got: 9 })
        ));
        assert!(matches!(Split::new(3, vec![0], vec![10]), Err(Error::UnknownPair { set: "test", .. })));
        assert!(matches!(Split::new(3, vec![4, 1, 4], vec![]), Err(Error::RepeatedPair { pair: 4, .. })));
        let all: Vec<usize> = (0..9).collect();
        let same = Split::new(3, all.clone(), all);
        assert!(matches!(same, Err(Error::RepeatedPair { pair: 0, first: "training", second: "test" })));
        let mut split = Split::random(3, 0.5, 1).unwrap();
        assert_eq!(split, Split::new(3, split.train.clone(), split.test.clone()).unwrap());
        assert!(matches!(split.check(4), Err(Error::Shape { .. })));
        split.test.push(split.train[0]);
        assert!(matches!(split.check(3), Err(Error::RepeatedPair { .. })));
    }

    #[test]
    #[should_panic(expected = "the product of #1 and #2 is 3, not below the order 3")]
    fn a_product_that_is_no_element() {
        struct Sums;
        impl Group for Sums {
            fn order(&self) -> usize {
                3
            }
            fn compose(&self, x: Elem, y: Elem) -> Elem {
                Elem::new(x.index() + y.index())
            }
        }
        let _ = Task::new(&Sums);
    }

    #[test]
    fn fractions_outside_the_range_are_errors() {
        for fraction in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(matches!(Split::random(3, fraction, 1), Err(Error::Range { .. })));
            assert!(matches!(Split::published(3, fraction, 1), Err(Error::Range { .. })));
        }
    }
}

//! The blocks of a basis, and the ids that name them.

use super::FourierBasis;
use crate::error::{Error, Result};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::ops::Range;

/// Rows of a basis that belong together: the constant, a frequency, an irrep.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Block {
    /// What the rows span: `const`, `frequency 3`, an irrep's label.
    pub name: String,
    /// The rows, consecutive.
    pub rows: Range<usize>,
}

/// Which block of which basis: an index into [`FourierBasis::blocks`] that knows whose it is.
///
/// A basis hands out the ids of its blocks ([`FourierBasis::block_ids`], [`FourierBasis::block_id`]), and an analysis that is
/// given those of another one is an error. Two ids are equal, ordered and hashed by their index alone, and one compares with a
/// plain index; so maps by block are looked up by either. `serde` writes the index; an id that was read, or that comes from
/// a result which does not know its basis, belongs to none and is taken at its word.
///
/// ```
/// use irreplens::analysis::logit_directions;
/// use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
/// use irreplens::{group::Cyclic, model::Network, task::Task};
/// let group = Cyclic::new(5)?;
/// let (waves, irreps) = (CyclicSubgroupBasis::cyclic(&group), IrrepBasis::new(&group)?);
/// assert_eq!(waves.block_ids(), [0, 1, 2]);
///
/// let zeros = |rows, columns| ndarray::Array2::zeros((rows, columns));
/// let (network, task) = (Network::summed(zeros(5, 3), zeros(5, 3), zeros(3, 5))?, Task::new(&group));
/// assert!(logit_directions(&network, &waves, &task, &[waves.block_id(2)?]).is_ok());
/// assert!(logit_directions(&network, &irreps, &task, &[waves.block_id(2)?]).is_err());
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct BlockId {
    index: usize,
    /// The mark of the basis.
    #[serde(skip)]
    basis: Option<NonZeroU64>,
}

impl BlockId {
    /// The index of the block in [`FourierBasis::blocks`].
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// An id that belongs to no basis, as one that was read from a file.
    pub(crate) fn of_any(index: usize) -> Self {
        Self { index, basis: None }
    }
}

/// A hash of what identifies a basis: its group, its kind, its sectors and its blocks.
fn mark(basis: &dyn FourierBasis) -> Option<NonZeroU64> {
    let mut hasher = DefaultHasher::new();
    (basis.fingerprint(), basis.name(), basis.sectors().len(), basis.blocks()).hash(&mut hasher);
    NonZeroU64::new(hasher.finish())
}

pub(super) fn ids(basis: &dyn FourierBasis) -> Vec<BlockId> {
    let basis_mark = mark(basis);
    (0..basis.blocks().len()).map(|index| BlockId { index, basis: basis_mark }).collect()
}

/// [`Error::OtherBasis`] for a block of another basis, [`Error::UnknownBlock`] for one beyond the blocks there are.
pub(crate) fn check_blocks(basis: &dyn FourierBasis, blocks: &[BlockId]) -> Result<()> {
    let (count, expected) = (basis.blocks().len(), mark(basis));
    for block in blocks {
        if let (Some(got), Some(expected)) = (block.basis, expected)
            && got != expected
        {
            let expected = format!("{} ({expected:016x})", basis.name());
            return Err(Error::OtherBasis { block: block.index, expected, got: format!("{got:016x}") });
        }
        if block.index >= count {
            return Err(Error::UnknownBlock { block: block.index, blocks: count });
        }
    }
    Ok(())
}

impl PartialEq for BlockId {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl PartialEq<usize> for BlockId {
    fn eq(&self, index: &usize) -> bool {
        self.index == *index
    }
}

impl Eq for BlockId {}

impl PartialOrd for BlockId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BlockId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}

impl Hash for BlockId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl Borrow<usize> for BlockId {
    fn borrow(&self) -> &usize {
        &self.index
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.index, f)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

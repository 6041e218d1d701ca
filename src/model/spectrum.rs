//! Spectra of sites: energies of 2-D terms by channel and block, and by kind.

use ndarray::{Array1, Array2};
use std::fmt;

/// Norm of the rounding in a 2-D transform over sectors of length m, relative to the norm of the values: `f32` rounds each of
/// the values, and the sums of m of them along x and y by about sqrt(m) roundings.
///
/// So parts of a channel below this share of its norm are rounding, and energies below its square.
pub(crate) fn rounding(m: usize) -> f64 {
    f64::from(f32::EPSILON) * (m as f64).sqrt()
}

/// The kind of a term row(x) row(y) by the blocks of its rows, as a position in [`Split2d::kinds`].
pub(super) fn kind_of_term(block_of_x: usize, block_of_y: usize) -> usize {
    match (block_of_x, block_of_y) {
        (0, 0) => 0,
        (_, 0) => 1,
        (0, _) => 2,
        (x, y) if x == y => 3,
        _ => 4,
    }
}

/// Energy of 2-D terms by kind: the constant, rows of x alone, of y alone, products within one block, products across
/// two blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Split2d {
    /// const x const.
    pub constant: f64,
    /// row(x) x const.
    pub linear_x: f64,
    /// const x row(y).
    pub linear_y: f64,
    /// row(x) x row(y), both of one block.
    pub within_block: f64,
    /// row(x) x row(y) of two blocks.
    pub across_blocks: f64,
}

impl Split2d {
    /// The kinds in the order of the fields.
    #[must_use]
    pub fn kinds(self) -> [f64; 5] {
        [self.constant, self.linear_x, self.linear_y, self.within_block, self.across_blocks]
    }

    /// The split of energies by [`kind_of_term`].
    pub(super) fn of_kinds([constant, linear_x, linear_y, within_block, across_blocks]: [f64; 5]) -> Self {
        Self { constant, linear_x, linear_y, within_block, across_blocks }
    }

    /// The sum of this split and `times` the other.
    pub(crate) fn plus(self, other: Self, times: f64) -> Self {
        let (these, others) = (self.kinds(), other.kinds());
        Self::of_kinds(std::array::from_fn(|kind| these[kind] + times * others[kind]))
    }

    /// The energy of all kinds together.
    #[must_use]
    pub fn total(self) -> f64 {
        self.kinds().iter().sum()
    }

    /// Each kind as a share of the total; `None` where there is no energy.
    #[must_use]
    pub fn shares(self) -> Option<Self> {
        let total = self.total();
        (total > 0.0).then(|| Self::of_kinds(self.kinds().map(|energy| energy / total)))
    }

    /// Kinds whose energy is below the rounding of what it was computed from, as zero.
    ///
    /// # Arguments
    /// `of`: the energy of the values before anything was taken off them; `rounding`: see [`rounding`].
    pub(crate) fn without_rounding(self, of: f64, rounding: f64) -> Self {
        Self::of_kinds(self.kinds().map(|energy| if energy > of * rounding * rounding { energy } else { 0.0 }))
    }
}

/// Energies of the 2-D transforms of all channels of a site in the terms of each block, summed over regions: what
/// [`Interpretable::block_energies`](super::Interpretable::block_energies) returns.
///
/// For block b of a channel, its terms ({const} union b)^2 hold
/// `constant + linear_x[b] + linear_y[b] + product[b]` of its `energy`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct BlockEnergies {
    /// The site.
    pub site: String,
    /// Mean over all pairs, by channel.
    pub mean: Array1<f64>,
    /// Sum of squares over all pairs, by channel.
    pub energy: Array1<f64>,
    /// Sum of squares over all pairs once the channel's mean is removed, by channel.
    pub energy_centred: Array1<f64>,
    /// Energy in const x const, by channel.
    pub constant: Array1<f64>,
    /// Energy in const x const once the channel's mean over all pairs is removed, by channel: what regions differ by.
    pub constant_centred: Array1<f64>,
    /// Energy in row(x) x const, by (channel, block); the column of block 0 is 0.
    pub linear_x: Array2<f64>,
    /// Energy in const x row(y), by (channel, block).
    pub linear_y: Array2<f64>,
    /// Energy in row(x) x row(y) with both rows in the block, by (channel, block).
    pub product: Array2<f64>,
}

/// Energies of the 2-D transforms of all channels of a site, summed over regions, in all terms.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct SiteSpectrum {
    /// By channel and block.
    #[serde(flatten)]
    pub by_block: BlockEnergies,
    /// Number of regions, (sector of x, sector of y).
    pub regions: usize,
    /// Squares of the coefficients averaged over regions and channels, by (row of x, row of y).
    pub mean_square: Array2<f64>,
    /// Energy by kind of term, summed over channels.
    pub split: Split2d,
}

impl BlockEnergies {
    /// Energy of a channel in the terms of a block but the constant.
    pub(crate) fn in_block(&self, channel: usize, block: usize) -> f64 {
        let at = [channel, block];
        self.linear_x[at] + self.linear_y[at] + self.product[at]
    }

    /// Whether no activation, and no coefficient, was NaN or infinite.
    pub(crate) fn is_finite(&self) -> bool {
        let by_block = [&self.linear_x, &self.linear_y, &self.product].into_iter().flatten();
        [&self.energy, &self.constant].into_iter().flatten().chain(by_block).all(|e| e.is_finite())
    }
}

impl SiteSpectrum {
    /// `mean_square` with every channel's mean over all pairs removed first.
    #[must_use]
    pub fn mean_square_centred(&self) -> Array2<f64> {
        let mut centred = self.mean_square.clone();
        let channels = self.by_block.energy.len().max(1);
        centred[[0, 0]] = self.by_block.constant_centred.sum() / (self.regions * channels) as f64;
        centred
    }

    /// `split` with every channel's mean over all pairs removed first; 0 where what is left is rounding of the channels.
    #[must_use]
    pub fn split_centred(&self) -> Split2d {
        let centred = Split2d { constant: self.by_block.constant_centred.sum(), ..self.split };
        centred.without_rounding(self.by_block.energy.sum(), rounding(self.mean_square.nrows()))
    }
}

impl fmt::Display for SiteSpectrum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} channels, shares of energy", self.by_block.site, self.by_block.energy.len())?;
        for (what, split) in [("as it is", self.split), ("means removed", self.split_centred())] {
            match split.shares() {
                Some(shares) => write!(f, "\n{what:>14}: {shares}")?,
                None => write!(f, "\n{what:>14}: none")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Split2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "constant {:.6}, linear in x {:.6}, linear in y {:.6}, within a block {:.6}, across blocks {:.6}",
            self.constant, self.linear_x, self.linear_y, self.within_block, self.across_blocks
        )
    }
}

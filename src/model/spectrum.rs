use ndarray::{Array1, Array2};
use std::fmt;

/// Energy of 2-D terms by kind: the constant, rows of x alone, of y alone, products within one block, products across
/// two blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
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
    /// The same as shares of their sum.
    #[must_use]
    pub fn shares(self) -> Self {
        let total = self.constant + self.linear_x + self.linear_y + self.within_block + self.across_blocks;
        Self {
            constant: self.constant / total,
            linear_x: self.linear_x / total,
            linear_y: self.linear_y / total,
            within_block: self.within_block / total,
            across_blocks: self.across_blocks / total,
        }
    }
}

/// Energies of the 2-D transforms of all channels of a site in the terms of each block, summed over regions: what
/// [`Interpretable::block_energies`](super::Interpretable::block_energies) returns.
///
/// For block b of a channel, its terms ({const} union b)^2 hold
/// `constant + linear_x[b] + linear_y[b] + product[b]` of its `energy`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BlockEnergies {
    /// The site.
    pub site: String,
    /// Mean over all pairs, by channel.
    pub mean: Array1<f64>,
    /// Sum of squares over all pairs, by channel.
    pub energy: Array1<f64>,
    /// The same once the channel's mean over all pairs is removed.
    pub energy_centred: Array1<f64>,
    /// Energy in const x const, by channel.
    pub constant: Array1<f64>,
    /// The same once the channel's mean over all pairs is removed: what regions differ by.
    pub constant_centred: Array1<f64>,
    /// Energy in row(x) x const, by (channel, block); the column of block 0 is 0.
    pub linear_x: Array2<f64>,
    /// Energy in const x row(y), by (channel, block).
    pub linear_y: Array2<f64>,
    /// Energy in row(x) x row(y) with both rows in the block, by (channel, block).
    pub product: Array2<f64>,
}

/// Energies of the 2-D transforms of all channels of a site, summed over regions, in all terms.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
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

impl SiteSpectrum {
    /// `mean_square` with every channel's mean over all pairs removed first.
    #[must_use]
    pub fn mean_square_centred(&self) -> Array2<f64> {
        let mut centred = self.mean_square.clone();
        centred[[0, 0]] = self.by_block.constant_centred.sum() / (self.regions * self.by_block.energy.len()) as f64;
        centred
    }

    /// `split` with every channel's mean over all pairs removed first.
    #[must_use]
    pub fn split_centred(&self) -> Split2d {
        Split2d { constant: self.by_block.constant_centred.sum(), ..self.split }
    }
}

impl fmt::Display for SiteSpectrum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} channels, shares of energy", self.by_block.site, self.by_block.energy.len())?;
        for (what, split) in [("as it is", self.split), ("means removed", self.split_centred())] {
            write!(f, "\n{what:>14}: {}", split.shares())?;
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

use super::evaluate::MEMORY_BUDGET;
use super::{Interpretable, width};
use crate::error::{Error, Result};
use crate::fourier::{Direction, FourierBasis, transform_regions, untile_2d};
use crate::linalg::{map_blocks, vectorised};
use ndarray::{Array1, Array2, Array5, Axis, s};

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

/// Energies of the 2-D transforms of all channels of a site, summed over regions.
///
/// For block b of a channel, its terms ({const} union b)^2 hold
/// `constant + linear_x[b] + linear_y[b] + product[b]` of its `energy`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SiteSpectrum {
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
    /// Squares of the coefficients averaged over regions and channels, by (row of x, row of y).
    pub mean_square: Array2<f64>,
    /// Energy by kind of term, summed over channels.
    pub split: Split2d,
}

impl SiteSpectrum {
    /// `mean_square` with every channel's mean over all pairs removed first.
    #[must_use]
    pub fn mean_square_centred(&self, regions: usize) -> Array2<f64> {
        let mut centred = self.mean_square.clone();
        centred[[0, 0]] = self.constant_centred.sum() / (regions * self.energy.len()) as f64;
        centred
    }

    /// `split` with every channel's mean over all pairs removed first.
    #[must_use]
    pub fn split_centred(&self) -> Split2d {
        Split2d { constant: self.constant_centred.sum(), ..self.split }
    }
}

/// Channels transformed at a time: about half a megabyte a region's worth where groups are small, less where large.
fn channels_per_block(order: usize) -> usize {
    (MEMORY_BUDGET / 16 / (order * order * size_of::<f32>())).clamp(1, 16)
}

pub(super) fn spectrum(
    model: &(impl Interpretable + ?Sized),
    site: &str,
    basis: &dyn FourierBasis,
) -> Result<SiteSpectrum> {
    let (n, width) = (model.order(), width(model, site)?);
    if basis.order() != n {
        return Err(Error::Shape { what: "group of the basis".into(), expected: vec![n], got: vec![basis.order()] });
    }
    let blocks = map_blocks(width, channels_per_block(n), |range| {
        let regions = untile_2d(basis, model.neuron_columns(site, range)?.view())?;
        Ok(Partial::new(basis, regions))
    });
    let blocks = blocks.into_iter().collect::<Result<Vec<_>>>()?;
    let join = |f: fn(&Partial) -> &Array1<f64>| Array1::from_iter(blocks.iter().flat_map(|b| f(b).iter().copied()));
    let stack = |f: fn(&Partial) -> &Array2<f64>| {
        let parts: Vec<_> = blocks.iter().map(|b| f(b).view()).collect();
        ndarray::concatenate(Axis(0), &parts).expect("one column a block")
    };
    let mut square = Array2::zeros((basis.rows(), basis.rows()));
    blocks.iter().for_each(|b| square += &b.square);
    let constant_centred = join(|b| &b.constant_centred);
    let split = split(basis, &square);
    let constant = join(|b| &b.constant);
    square[[0, 0]] = constant.sum();
    let regions = basis.sectors().len() * basis.sectors().len();
    Ok(SiteSpectrum {
        site: site.into(),
        mean: join(|b| &b.mean),
        energy: join(|b| &b.energy),
        energy_centred: join(|b| &b.energy_centred),
        split: Split2d { constant: constant.sum(), ..split },
        constant,
        constant_centred,
        linear_x: stack(|b| &b.linear_x),
        linear_y: stack(|b| &b.linear_y),
        product: stack(|b| &b.product),
        mean_square: square / (regions * width.max(1)) as f64,
    })
}

fn split(basis: &dyn FourierBasis, square: &Array2<f64>) -> Split2d {
    let block_of = basis.block_of_row();
    let mut split = Split2d::default();
    for ((i, j), &e) in square.indexed_iter() {
        let kind = match (block_of[i], block_of[j]) {
            (0, 0) => &mut split.constant,
            (_, 0) => &mut split.linear_x,
            (0, _) => &mut split.linear_y,
            (a, b) if a == b => &mut split.within_block,
            _ => &mut split.across_blocks,
        };
        *kind += e;
    }
    split
}

/// The energies of a block of channels.
struct Partial {
    mean: Array1<f64>,
    energy: Array1<f64>,
    energy_centred: Array1<f64>,
    constant: Array1<f64>,
    constant_centred: Array1<f64>,
    linear_x: Array2<f64>,
    linear_y: Array2<f64>,
    product: Array2<f64>,
    /// Sum of squares of the coefficients of centred channels.
    square: Array2<f64>,
}

impl Partial {
    fn new(basis: &dyn FourierBasis, mut regions: Array5<f32>) -> Self {
        let (sectors, _, m, _, channels) = regions.dim();
        let (blocks, block_of) = (basis.blocks(), basis.block_of_row());
        let [mean, energy, energy_centred] = centre(&mut regions);
        transform_regions(basis, Direction::Forward, &mut regions);
        let mut out = Self {
            mean,
            energy,
            energy_centred,
            constant: Array1::zeros(channels),
            constant_centred: Array1::zeros(channels),
            linear_x: Array2::zeros((channels, blocks.len())),
            linear_y: Array2::zeros((channels, blocks.len())),
            product: Array2::zeros((channels, blocks.len())),
            square: Array2::zeros((m, m)),
        };
        for (sx, sy) in (0..sectors).flat_map(|sx| (0..sectors).map(move |sy| (sx, sy))) {
            for i in 0..m {
                for c in 0..channels {
                    let row = regions.slice(s![sx, sy, i, .., c]);
                    let row = row.to_slice().expect("y is contiguous");
                    let sums = out.square.row_mut(i).into_slice().expect("row-major");
                    vectorised(
                        #[inline(always)]
                        || sums.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v) * f64::from(v)),
                    );
                    let first = f64::from(row[0]);
                    let b = block_of[i];
                    if i == 0 {
                        // const is 1/sqrt(m) on each axis: the mean contributes m * mean.
                        out.constant[c] += (first + m as f64 * out.mean[c]).powi(2);
                        out.constant_centred[c] += first * first;
                        for (&v, &b) in row.iter().zip(&block_of).skip(1) {
                            out.linear_y[[c, b]] += f64::from(v) * f64::from(v);
                        }
                    } else {
                        out.linear_x[[c, b]] += first * first;
                        out.product[[c, b]] +=
                            row[blocks[b].rows.clone()].iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
                    }
                }
            }
        }
        out
    }
}

/// Removes every channel's mean over all pairs; returns means, sums of squares before and sums of squares after.
fn centre(regions: &mut Array5<f32>) -> [Array1<f64>; 3] {
    let channels = regions.dim().4;
    let pairs = regions.len() / channels.max(1);
    let [mut mean, mut energy, mut centred] = [(); 3].map(|()| Array1::zeros(channels));
    for (c, row) in lanes(regions) {
        let (sum, square) = sums(row);
        mean[c] += sum / pairs as f64;
        energy[c] += square;
    }
    // What is subtracted is the mean rounded to `f32`.
    mean.mapv_inplace(|m: f64| f64::from(m as f32));
    for (c, row) in lanes(regions) {
        let mean = mean[c] as f32;
        vectorised(
            #[inline(always)]
            || row.iter_mut().for_each(|v| *v -= mean),
        );
        centred[c] += sums(row).1;
    }
    [mean, energy, centred]
}

/// The contiguous runs along y, each with its channel.
fn lanes(regions: &mut Array5<f32>) -> impl Iterator<Item = (usize, &mut [f32])> {
    let (_, _, m, _, channels) = regions.dim();
    let data = regions.as_slice_memory_order_mut().expect("regions are contiguous");
    data.chunks_exact_mut(m).enumerate().map(move |(row, lane)| (row % channels, lane))
}

fn sums(values: &[f32]) -> (f64, f64) {
    const LANES: usize = 8;
    vectorised(
        #[inline(always)]
        || {
            let (mut sum, mut square) = ([0.0f64; LANES], [0.0f64; LANES]);
            let (chunks, rest) = values.as_chunks::<LANES>();
            for chunk in chunks {
                for ((s, q), &v) in sum.iter_mut().zip(&mut square).zip(chunk) {
                    *s += f64::from(v);
                    *q += f64::from(v) * f64::from(v);
                }
            }
            for (k, &v) in rest.iter().enumerate() {
                sum[k] += f64::from(v);
                square[k] += f64::from(v) * f64::from(v);
            }
            (sum.iter().sum(), square.iter().sum())
        },
    )
}

//! Energies of 2-D transforms over all pairs, added up without keeping the coefficients.

use super::evaluate::{all_pairs_bytes, block_rows, overflow};
use super::spectrum::kind_of_term;
use super::{BlockEnergies, Centred, Interpretable, LOGITS, SiteSpectrum, Split2d, width};
use crate::error::{Error, Result, check_shape};
use crate::fourier::{Direction, FourierBasis, forward_2d, rounded, transform_sectors};
use crate::group::check_fingerprint;
use crate::linalg::{matmul, matmul_into, vectorised};
use crate::memory;
use crate::task::pairs;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of activations held at once: a site that is smaller at all pairs is transformed whole, a larger one in blocks
/// of channels.
const WHOLE: usize = 1 << 28;

/// Values in a block of columns when x is transformed.
const COLUMNS: usize = 1 << 9;

/// Values in a cache line.
const LINE: usize = 16;

pub(super) fn spectrum(model: &dyn Interpretable, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
    let all = energies(model, site, basis, &Terms::all(basis))?.finish(site, basis);
    all.by_block.is_finite().then_some(all).ok_or_else(|| overflow(model, site))
}

pub(super) fn block_energies(model: &dyn Interpretable, site: &str, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
    let within = energies(model, site, basis, &Terms::within_blocks(basis))?.of_blocks(site, basis);
    within.is_finite().then_some(within).ok_or_else(|| overflow(model, site))
}

fn energies(model: &dyn Interpretable, site: &str, basis: &dyn FourierBasis, terms: &[Terms]) -> Result<Energies> {
    let width = width(model, site)?;
    check_order(model, basis)?;
    let n = model.order();
    let at_once = (WHOLE / all_pairs_bytes(n, 1)).max(1);
    // Columns of some channels, and what they are transformed to.
    let coefficients = all_pairs_bytes(n, at_once.min(width)).saturating_mul(2);
    memory::check("coefficients along y", coefficients.saturating_add(Energies::bytes(basis, width)))?;
    let mut energies = Energies::zeros(basis, width);
    for first in (0..width).step_by(at_once) {
        let channels = first..width.min(first + at_once);
        energies.add(model, site, basis, channels, terms, None)?;
    }
    Ok(energies)
}

/// Spectra of the neuron site and of the logits less their mean over the classes. Where the unembedding reads the neuron
/// site, the coefficients of the logits are those of the neurons times W_U less the mean of its columns: neither the logits nor
/// their transform is computed.
pub(super) fn spectra(model: &dyn Interpretable, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
    let (n, site) = (model.order(), model.neuron_site());
    check_order(model, basis)?;
    let centred = Centred::new(model);
    let unembedding = centred.readout().unembedding_of(site);
    let Some(unembedding) = unembedding.filter(|u| all_pairs_bytes(n, u.nrows()) <= WHOLE) else {
        let logits = centred.spectrum(LOGITS, basis)?;
        return Ok((if site == LOGITS { logits.clone() } else { model.spectrum(site, basis)? }, logits));
    };
    let width = unembedding.nrows();
    let needed = all_pairs_bytes(n, width).saturating_add(Energies::bytes(basis, width));
    memory::check("spectra of neurons and logits", needed.saturating_add(Energies::bytes(basis, n)))?;
    let (mut neurons, mut logits) = (Energies::zeros(basis, width), Energies::zeros(basis, n));
    neurons.add(model, site, basis, 0..width, &Terms::all(basis), Some((unembedding, &mut logits)))?;
    logits.read_constants(&neurons, unembedding, centred.readout().offset().view(), basis);
    let (neurons, logits) = (neurons.finish(site, basis), logits.finish(LOGITS, basis));
    match neurons.by_block.is_finite() && logits.by_block.is_finite() {
        true => Ok((neurons, logits)),
        false => Err(overflow(model, site)),
    }
}

/// The spectrum of one function of pairs, (x, y), as of a site of one channel.
pub(crate) fn spectrum_of_values(
    site: &str,
    basis: &dyn FourierBasis,
    values: ArrayView2<'_, f64>,
) -> Result<SiteSpectrum> {
    let block_of = basis.block_of_row();
    let terms = forward_2d(basis, values.mapv(|v| v as f32).insert_axis(Axis(2)).view())?;
    let mut energies = Energies::zeros(basis, 1);
    energies.energy[0] = values.iter().map(|v| v * v).sum();
    for ((_, _, i, j, _), &term) in terms.indexed_iter() {
        let energy = f64::from(term) * f64::from(term);
        energies.square[[i, j]] += energy;
        let (x, y) = (block_of[i], block_of[j]);
        if let kind @ 1..=3 = kind_of_term(x, y) {
            energies.by_block[kind - 1][[0, x.max(y)]] += energy;
        }
    }
    let regions = basis.sectors().iter().flat_map(|xs| basis.sectors().iter().map(move |ys| (xs, ys)));
    for ((xs, ys), sum) in regions.zip(&mut energies.sums) {
        let of_x = |x: usize| ys.iter().map(|y| values[[x, y.index()]]).sum::<f64>();
        *sum = xs.iter().map(|x| of_x(x.index())).sum();
    }
    Ok(energies.finish(site, basis))
}

pub(super) fn check_order(model: &dyn Interpretable, basis: &dyn FourierBasis) -> Result<()> {
    check_shape("group of the basis", &[model.order()], &[basis.order()])?;
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())
}

/// Terms row(x) x row(y) that are wanted: those of some rows of y with some of x.
struct Terms {
    of_y: Range<usize>,
    of_x: Vec<usize>,
    /// The basis's rows `of_x`, where these are not all of them.
    matrix: Option<Array2<f32>>,
}

impl Terms {
    fn all(basis: &dyn FourierBasis) -> Vec<Self> {
        vec![Self { of_y: 0..basis.rows(), of_x: (0..basis.rows()).collect(), matrix: None }]
    }

    /// With the constant of y every row of x, with a row of a block the constant and that block's.
    fn within_blocks(basis: &dyn FourierBasis) -> Vec<Self> {
        let matrix = basis.matrix();
        let (constant, blocks) = basis.blocks().split_first().expect("block 0 is the constant");
        let all = Self { of_y: constant.rows.clone(), of_x: (0..basis.rows()).collect(), matrix: None };
        let within = blocks.iter().map(|block| {
            let of_x: Vec<usize> = constant.rows.clone().chain(block.rows.clone()).collect();
            let matrix = matrix.select(Axis(0), &of_x).mapv(rounded);
            Self { of_y: block.rows.clone(), of_x, matrix: Some(matrix) }
        });
        [all].into_iter().chain(within).collect()
    }

    /// The rows of y, at most so many at a time.
    fn steps(&self, step: usize) -> impl Iterator<Item = Range<usize>> {
        let Range { start, end } = self.of_y;
        (start..end).step_by(step).map(move |j| j..end.min(j + step))
    }
}

/// The sums behind a [`SiteSpectrum`].
pub(super) struct Energies {
    /// Sum over the pairs of a region: (regions, channels).
    pub(super) sums: Array2<f64>,
    pub(super) energy: Array1<f64>,
    /// Linear in x, linear in y, products within a block: by channel and block.
    pub(super) by_block: [Array2<f64>; 3],
    pub(super) square: Array2<f64>,
}

impl Energies {
    /// Bytes of the sums, and of the basis's matrix, from which terms are chosen.
    fn bytes(basis: &dyn FourierBasis, width: usize) -> usize {
        let (rows, blocks) = (basis.rows(), basis.blocks().len());
        memory::bytes::<f64>(&[2, rows, rows]).saturating_add(memory::bytes::<f64>(&[3, width, blocks]))
    }

    pub(super) fn zeros(basis: &dyn FourierBasis, width: usize) -> Self {
        let (sectors, blocks) = (basis.sectors().len(), basis.blocks().len());
        Self {
            sums: Array2::zeros((sectors * sectors, width)),
            energy: Array1::zeros(width),
            by_block: [(); 3].map(|()| Array2::zeros((width, blocks))),
            square: Array2::zeros((basis.rows(), basis.rows())),
        }
    }

    /// Adds a range of channels. What is linear in all channels, `readout`, gets the energies of its terms too, but for the
    /// constant.
    fn add(
        &mut self,
        model: &dyn Interpretable,
        site: &str,
        basis: &dyn FourierBasis,
        channels: Range<usize>,
        terms: &[Terms],
        readout: Option<(ArrayView2<'_, f32>, &mut Self)>,
    ) -> Result<()> {
        let (n, m, c) = (basis.order(), basis.rows(), channels.len());
        // Activations of some channels stand there at once; those of all are computed x by x.
        let some = c < self.energy.len();
        let columns = if some { Some(model.neuron_columns(site, channels.clone())?) } else { None };
        let order: Vec<usize> = basis.sectors().iter().flatten().map(|e| e.index()).collect();
        let in_order = order.iter().copied().eq(0..n);
        // y is transformed x by x: (x, sector and row of y, channel); several x share a pass through the model. Rows stand
        // an odd number of cache lines apart: a multiple of 4 KiB would put each column of x in a few lines of the cache.
        let stride = (n * c).next_multiple_of(LINE) | LINE;
        let mut along_y = Array2::<f32>::zeros((n, stride));
        let at_once = block_rows(model).div_ceil(n);
        let slabs = along_y.as_slice_mut().expect("freshly made").par_chunks_mut(at_once * stride);
        let moments = slabs.zip(order.par_chunks(at_once)).map(|(slabs, xs)| {
            let values = match &columns {
                Some(columns) => {
                    columns.select(Axis(0), xs).into_shape_with_order((xs.len() * n, c)).expect("row-major")
                }
                None => {
                    let pairs: Vec<_> = xs.iter().flat_map(|&x| pairs(n, x * n..(x + 1) * n)).collect();
                    model.run_with_cache(&pairs, &[site])?.take(site)?
                }
            };
            let slab = |(i, slab): (usize, &mut [f32])| {
                let mut values = values.slice(s![i * n..(i + 1) * n, ..]);
                let reordered;
                if !in_order {
                    reordered = values.select(Axis(0), &order);
                    values = reordered.view();
                }
                let slab = ArrayViewMut2::from_shape((n, c), &mut slab[..n * c]).expect("n rows of c");
                transform_sectors(basis, Direction::Forward, values, slab);
                sums_and_squares(values, m)
            };
            Ok(slabs.chunks_exact_mut(stride).enumerate().map(slab).collect::<Vec<_>>())
        });
        // Of several errors the one of the first pair, whichever thread came first.
        let moments = moments.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>>>();
        let moments = moments.map_err(|error| match error {
            Error::NonFiniteActivation { .. } => overflow(model, site),
            other => other,
        })?;
        let moments = moments.concat();
        let sectors = basis.sectors().len();
        for (x, (sums, squares)) in moments.iter().enumerate() {
            let first = x / m * sectors;
            let mut region = self.sums.slice_mut(s![first..first + sectors, channels.clone()]);
            region += sums;
            let mut energy = self.energy.slice_mut(s![channels.clone()]);
            energy += squares;
        }
        // x is transformed in blocks of columns (rows j of y within one sector, channel), and summed up on the spot.
        // A multiple of three rows fills whole tiles of the product for the usual widths.
        let step = (COLUMNS / c.max(1) / 3 * 3).clamp(1, m);
        let within = |sy| terms.iter().flat_map(move |terms| terms.steps(step).map(move |js| (sy, terms, js)));
        let starts: Vec<_> = (0..sectors).flat_map(within).collect();
        let weights = readout.as_ref().map(|(weights, _)| *weights);
        let part = |(sy, terms, js)| Columns::of_both(basis, &along_y, c, sy, terms, js, weights);
        let (parts, read): (Vec<_>, Vec<_>) = starts.into_par_iter().map(part).unzip();
        parts.into_iter().for_each(|part| self.absorb(&channels, part));
        if let Some((weights, energies)) = readout {
            for part in read.into_iter().flatten() {
                energies.energy += &part.energy;
                energies.absorb(&(0..weights.ncols()), part);
            }
        }
        Ok(())
    }

    fn absorb(&mut self, channels: &Range<usize>, part: Columns) {
        let mut square = self.square.slice_mut(s![.., part.js]);
        square += &part.square;
        for (sums, total) in part.by_block.iter().zip(&mut self.by_block) {
            for (&b, sums) in sums {
                let mut total = total.slice_mut(s![channels.clone(), b]);
                total += sums;
            }
        }
    }

    /// Sets the constant terms of the logits, which W_U reads off `neurons`; all other energies are there already. By Parseval
    /// the energy of a channel is that of its constants and of the others.
    pub(super) fn read_constants(
        &mut self,
        neurons: &Self,
        unembedding: ArrayView2<'_, f32>,
        offset: ArrayView1<'_, f32>,
        basis: &dyn FourierBasis,
    ) {
        let pairs = (basis.rows() * basis.rows()) as f64;
        self.sums = neurons.sums.dot(&unembedding.mapv(f64::from)) + &(offset.mapv(f64::from) * pairs);
        self.energy += &self.sums.mapv(|sum| sum * sum / pairs).sum_axis(Axis(0));
    }

    pub(super) fn finish(mut self, site: &str, basis: &dyn FourierBasis) -> SiteSpectrum {
        let terms = (self.sums.len() as f64).max(1.0);
        let (regions, mut square) = (self.sums.nrows(), std::mem::take(&mut self.square));
        let by_block = self.of_blocks(site, basis);
        square[[0, 0]] = by_block.constant.sum();
        SiteSpectrum { regions, split: split(basis, &square), mean_square: square / terms, by_block }
    }

    fn of_blocks(self, site: &str, basis: &dyn FourierBasis) -> BlockEnergies {
        let (n, m) = (basis.order() as f64, basis.rows() as f64);
        let mean = self.sums.sum_axis(Axis(0)) / (n * n);
        // const is 1/sqrt(m) on each axis, so a region's coefficient is its sum over m: taken from the f64 sums.
        let constant = self.sums.mapv(|sum| (sum / m).powi(2)).sum_axis(Axis(0));
        let centred = &self.sums - &(&mean * (m * m));
        let constant_centred = centred.mapv(|sum| (sum / m).powi(2)).sum_axis(Axis(0));
        let energy_centred = &self.energy - &(&mean * &mean * (n * n));
        let [linear_x, linear_y, product] = self.by_block;
        BlockEnergies {
            site: site.into(),
            mean,
            energy: self.energy,
            energy_centred,
            constant,
            constant_centred,
            linear_x,
            linear_y,
            product,
        }
    }
}

fn split(basis: &dyn FourierBasis, square: &Array2<f64>) -> Split2d {
    let block_of = basis.block_of_row();
    let mut kinds = [0.0; 5];
    for ((i, j), &e) in square.indexed_iter() {
        kinds[kind_of_term(block_of[i], block_of[j])] += e;
    }
    Split2d::of_kinds(kinds)
}

/// Sums over every m consecutive rows of a slab, (rows / m, channels), and sums of squares over all, (channels).
fn sums_and_squares(slab: ArrayView2<'_, f32>, m: usize) -> (Array2<f64>, Array1<f64>) {
    let (n, channels) = slab.dim();
    let mut sums = Array2::zeros((n / m, channels));
    let mut squares = Array1::<f64>::zeros(channels);
    // Down the columns or along the rows, whichever is contiguous.
    if slab.strides()[0] == 1 {
        for (c, column) in slab.columns().into_iter().enumerate() {
            for (s, sector) in column.to_slice().expect("contiguous columns").chunks_exact(m).enumerate() {
                let (sum, square) = sum_and_squares(sector);
                sums[[s, c]] = sum;
                squares[c] += square;
            }
        }
        return (sums, squares);
    }
    let slab = slab.as_standard_layout();
    let into = squares.as_slice_mut().expect("freshly made");
    vectorised(
        #[inline(always)]
        || {
            for (y, row) in slab.outer_iter().enumerate() {
                let row = row.to_slice().expect("row-major");
                let mut sum = sums.row_mut(y / m);
                let sum = sum.as_slice_mut().expect("row-major");
                for ((s, q), &v) in sum.iter_mut().zip(into.iter_mut()).zip(row) {
                    *s += f64::from(v);
                    *q += f64::from(v) * f64::from(v);
                }
            }
        },
    );
    (sums, squares)
}

/// Energies of the 2-D coefficients whose row of y is one of `js`, summed over the sectors of x.
struct Columns {
    js: Range<usize>,
    /// By row of x and of y, summed over channels: (m, js).
    square: Array2<f64>,
    /// Linear in x, linear in y, products within a block: by block, then channel.
    by_block: [BTreeMap<usize, Array1<f64>>; 3],
    /// All but const x const, by channel.
    energy: Array1<f64>,
}

impl Columns {
    fn zeros(m: usize, js: &Range<usize>, channels: usize) -> Self {
        Self {
            js: js.clone(),
            square: Array2::zeros((m, js.len())),
            by_block: Default::default(),
            energy: Array1::zeros(channels),
        }
    }

    /// The energies of the channels themselves, and of what is read off them linearly.
    fn of_both(
        basis: &dyn FourierBasis,
        along_y: &Array2<f32>,
        channels: usize,
        sy: usize,
        terms: &Terms,
        js: Range<usize>,
        weights: Option<ArrayView2<'_, f32>>,
    ) -> (Self, Option<Self>) {
        let m = basis.rows();
        let mut out = Self::zeros(m, &js, channels);
        let mut read = weights.map(|weights| Self::zeros(m, &js, weights.ncols()));
        let columns = (sy * m + js.start) * channels..(sy * m + js.end) * channels;
        let is = &terms.of_x;
        let mut coefficients = Array2::zeros((is.len() * js.len(), channels));
        for xs in along_y.axis_chunks_iter(Axis(0), m) {
            let values = xs.slice(s![.., columns.clone()]);
            let into = coefficients.view_mut().into_shape_with_order((is.len(), columns.len())).expect("row-major");
            match &terms.matrix {
                Some(rows) => matmul_into(rows.view(), values, into),
                None => basis.transform(Direction::Forward, values, into),
            }
            out.add(basis, is, &coefficients, false);
            if let (Some(read), Some(weights)) = (&mut read, weights) {
                read.add(basis, is, &matmul(coefficients.view(), weights), true);
            }
        }
        (out, read)
    }

    /// Adds the terms of one sector of x: rows (i, j), i in `is` and j in `js`; the energy by channel too, where it is
    /// wanted.
    fn add(&mut self, basis: &dyn FourierBasis, is: &[usize], terms: &Array2<f32>, energy: bool) {
        let block_of = basis.block_of_row();
        let js = self.js.clone();
        for (row, values) in terms.outer_iter().enumerate() {
            let (i, j) = (is[row / js.len()], js.start + row % js.len());
            let values = values.to_slice().expect("row-major");
            self.square[[i, j - js.start]] += sum_and_squares(values).1;
            let (x, y) = (block_of[i], block_of[j]);
            let kind = kind_of_term(x, y);
            if energy && kind > 0 {
                add_squares(&mut self.energy, values);
            }
            if (1..=3).contains(&kind) {
                let sums = self.by_block[kind - 1].entry(x.max(y)).or_insert_with(|| Array1::zeros(values.len()));
                add_squares(sums, values);
            }
        }
    }
}

fn add_squares(sums: &mut Array1<f64>, values: &[f32]) {
    let sums = sums.as_slice_mut().expect("contiguous");
    vectorised(
        #[inline(always)]
        || sums.iter_mut().zip(values).for_each(|(s, &v)| *s += f64::from(v) * f64::from(v)),
    );
}

/// Sum and sum of squares, in `f64`.
pub(crate) fn sum_and_squares(values: &[f32]) -> (f64, f64) {
    const LANES: usize = 8;
    vectorised(
        #[inline(always)]
        || {
            let (mut sums, mut squares) = ([0.0f64; LANES], [0.0f64; LANES]);
            let (chunks, rest) = values.as_chunks::<LANES>();
            for chunk in chunks {
                for k in 0..LANES {
                    let v = f64::from(chunk[k]);
                    sums[k] += v;
                    squares[k] += v * v;
                }
            }
            for (k, &v) in rest.iter().enumerate() {
                sums[k] += f64::from(v);
                squares[k] += f64::from(v) * f64::from(v);
            }
            (fold(sums), fold(squares))
        },
    )
}

/// Lanes added pairwise.
#[inline(always)]
fn fold(lanes: [f64; 8]) -> f64 {
    let mut four = [0.0; 4];
    for k in 0..4 {
        four[k] = lanes[k] + lanes[k + 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
}

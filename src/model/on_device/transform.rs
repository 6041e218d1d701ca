//! 2-D transforms and spectra on a device.

use super::hooks::DeviceHooks;
use super::program::Block;
use super::{OnDevice, upload};
use crate::device::{Buffer, Matrix, Product, kernels};
use crate::error::Result;
use crate::fourier::{Direction, FourierBasis};
use crate::model::energies::{Energies, check_order};
use crate::model::evaluate::overflow;
use crate::model::{Centred, Hooks, Interpretable, LOGITS, SiteSpectrum, width};
use ndarray::{Array2, ArrayView2, ArrayView3, Axis, s};
use std::ops::Range;

/// Most matrices of a batch of products.
pub(super) const BATCH: usize = 65_535;

/// A basis on the device.
struct Transform {
    n: usize,
    m: usize,
    sectors: usize,
    /// Elements, sector after sector.
    order: Vec<usize>,
    /// The change of basis within a sector: (m, m).
    forward: Buffer<f32>,
    /// First row of every block, and m.
    starts: Buffer<u32>,
    blocks: usize,
}

impl OnDevice {
    fn transform(&self, basis: &dyn FourierBasis) -> Result<Transform> {
        let m = basis.rows();
        let mut forward = Array2::<f32>::zeros((m, m));
        basis.transform(Direction::Forward, Array2::eye(m).view(), forward.view_mut());
        let mut starts: Vec<u32> = basis.blocks().iter().map(|block| block.rows.start as u32).collect();
        starts.push(m as u32);
        Ok(Transform {
            n: basis.order(),
            m,
            sectors: basis.sectors().len(),
            order: basis.sectors().iter().flatten().map(|e| e.index()).collect(),
            forward: upload(&self.device, "basis", forward.view())?,
            blocks: starts.len() - 1,
            starts: Buffer::from_slice(&self.device, "blocks of a basis", &starts)?,
        })
    }

    /// Channels that are transformed at once: two copies at all pairs, beside what a forward pass needs.
    fn channels_at_once(&self, width: usize) -> Result<usize> {
        let n = self.order();
        let pairs = n * n;
        let budget = self.device.budget()? / 2;
        // Values are counted in 31 bits, tiles of columns in 16.
        let countable = (i32::MAX as usize / pairs).min((BATCH * 64 / n).max(1));
        let at_once = (budget / (8 * pairs)).min(countable).min(width.max(1));
        if at_once == 0 {
            return Err(self.device.too_large("one channel at all pairs, twice", 8 * pairs, budget));
        }
        Ok(at_once)
    }

    /// The channels `range` of a site at all pairs, in the order of the sectors: (x, y, channel).
    fn in_order(&self, site: &str, order: &[usize], range: Range<usize>) -> Result<Buffer<f32>> {
        let n = self.order();
        let out = Buffer::new(&self.device, "a site at all pairs", n * n * range.len())?;
        let none = Hooks::none();
        let hooks = DeviceHooks::new(&self.device, &none)?;
        let xs = (self.rows_at_once(self.row_values(&none, &[site])? + range.len(), n * n)? / n).max(1);
        for (i, block) in order.chunks(xs).enumerate() {
            let pairs: Vec<u32> = block.iter().flat_map(|&x| order.iter().map(move |&y| (x * n + y) as u32)).collect();
            let list = Buffer::from_slice(&self.device, "pairs", &pairs)?;
            let block = Block { list: Some(list.input()), first: 0, count: pairs.len() };
            let values = self.run_to(block, &hooks, site)?;
            self.channels(&values, range.clone(), out.output_from(i * xs * n * range.len()))?;
        }
        Ok(out)
    }

    /// The 2-D coefficients of values (x, y, channel), in their place.
    fn transform_2d(&self, basis: &Transform, values: &Buffer<f32>, channels: usize) -> Result<()> {
        let Transform { n, m, sectors, forward, .. } = basis;
        let (n, m, sectors) = (*n, *m, *sectors);
        let along_y = Buffer::new(&self.device, "coefficients along y", values.len())?;
        let matrix = Matrix::new(forward, 0, m);
        let at_once = (BATCH / sectors).max(1);
        for first in (0..n).step_by(at_once) {
            let xs = at_once.min(n - first);
            let slab = |buffer| Matrix::new(buffer, first * n * channels, channels).batch(n * channels, m * channels);
            Product::new(m, channels, m).batch(xs, sectors).run(&self.device, matrix, slab(values), slab(&along_y))?;
        }
        let columns = n * channels;
        let slab = |buffer| Matrix::new(buffer, 0, columns).batch(m * columns, 0);
        Product::new(m, columns, m).batch(sectors, 1).run(&self.device, matrix, slab(&along_y), slab(values))
    }

    /// Adds the energies of coefficients (x, y, channel); those of the channels alone without the constant.
    fn add_energies(
        &self,
        basis: &Transform,
        terms: &Buffer<f32>,
        channels: Range<usize>,
        energies: &mut Energies,
    ) -> Result<()> {
        let Transform { m, sectors, blocks, starts, .. } = basis;
        let (m, sectors, blocks, c) = (*m, *sectors, *blocks, channels.len());
        let square = Buffer::<f64>::new(&self.device, "squares of coefficients", m * m)?;
        let squares = kernels::SquareSums { sectors, m, width: c, terms: terms.input(), out: square.output() };
        squares.launch(&self.device, [m, m, 1])?;
        energies.square += &ArrayView2::from_shape((m, m), &square.to_vec()?).expect("m rows");
        let by_block = Buffer::<f64>::new(&self.device, "energies of blocks", 3 * c * blocks)?;
        let block_energies = kernels::BlockEnergies {
            sectors,
            m,
            blocks,
            starts: starts.input(),
            width: c,
            terms: terms.input(),
            out: by_block.output(),
        };
        block_energies.launch(&self.device, [c.div_ceil(32), blocks, 3])?;
        let by_block = by_block.to_vec()?;
        let by_block = ArrayView3::from_shape((3, c, blocks), &by_block).expect("three kinds");
        for (total, kind) in energies.by_block.iter_mut().zip(by_block.outer_iter()) {
            let mut total = total.slice_mut(s![channels.clone(), ..]);
            total += &kind;
        }
        Ok(())
    }

    /// Transforms values (x, y, channel), in their place, and adds up their energies.
    fn add_values(
        &self,
        basis: &Transform,
        values: &Buffer<f32>,
        channels: Range<usize>,
        energies: &mut Energies,
    ) -> Result<()> {
        let (n, m) = (basis.n, basis.m);
        let [sums, squares] = self.region_moments((n, n), (m, m), channels.len(), values.input(), false)?;
        energies.sums.slice_mut(s![.., channels.clone()]).assign(&sums);
        energies.energy.slice_mut(s![channels.clone()]).assign(&squares.sum_axis(Axis(0)));
        self.transform_2d(basis, values, channels.len())?;
        self.add_energies(basis, values, channels, energies)
    }

    /// [`Interpretable::spectrum`].
    pub(super) fn site_spectrum(&self, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
        let width = width(self, site)?;
        check_order(self, basis)?;
        let transform = self.transform(basis)?;
        let mut energies = Energies::zeros(basis, width);
        let at_once = self.channels_at_once(width)?;
        for first in (0..width).step_by(at_once) {
            let channels = first..width.min(first + at_once);
            let values = self.in_order(site, &transform.order, channels.clone())?;
            self.add_values(&transform, &values, channels, &mut energies)?;
        }
        let spectrum = energies.finish(site, basis);
        spectrum.by_block.is_finite().then_some(spectrum).ok_or_else(|| overflow(self, site))
    }

    /// [`Interpretable::neuron_and_logit_spectra`]: where the neurons are read out, the coefficients of the logits are theirs
    /// times W_U, the mean of its columns taken off; otherwise the logits are made from what is read out, with that W_U.
    pub(super) fn both_spectra(&self, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
        let (n, width, site) = (self.order(), self.width, self.neuron_site());
        check_order(self, basis)?;
        let centred = Centred::new(self);
        // What is read out, or its coefficients, stays while those of some of the logits are computed.
        if self.channels_at_once(2 * width)? < 2 * width {
            let logits = centred.spectrum(LOGITS, basis)?;
            let neurons = if site == LOGITS { logits.clone() } else { self.site_spectrum(site, basis)? };
            return Ok((neurons, logits));
        }
        let transform = self.transform(basis)?;
        let readout = centred.readout();
        let unembedding = readout.unembedding().expect("a network ends with one");
        let weights = upload(&self.device, "W_U, centred", unembedding)?;
        let offset = readout.offset();
        let (mut neurons, mut logits) = (Energies::zeros(basis, width), Energies::zeros(basis, n));
        let reads_neurons = self.readout().site() == site;
        let read = self.in_order(self.readout().site(), &transform.order, 0..width)?;
        if reads_neurons {
            self.add_values(&transform, &read, 0..width, &mut neurons)?;
        }
        let at_once = self.channels_at_once(n)?;
        for first in (0..n).step_by(at_once) {
            let classes = first..n.min(first + at_once);
            let values = self.read(n * n, &read, &weights, classes.clone())?;
            if reads_neurons {
                let (n, m) = ((n, n), (transform.m, transform.m));
                let [_, squares] = self.region_moments(n, m, classes.len(), values.input(), true)?;
                logits.energy.slice_mut(s![classes.clone()]).assign(&squares.sum_axis(Axis(0)));
                self.add_energies(&transform, &values, classes, &mut logits)?;
            } else {
                let row = offset.slice(s![classes.clone()]).to_vec();
                let row = Buffer::from_slice(&self.device, "output bias, centred", &row)?;
                let (width, row) = (classes.len(), row.input());
                let add = kernels::AddRow { rows: n * n, width, values: values.output(), row };
                add.launch_over(&self.device, n * n * width, 1)?;
                self.add_values(&transform, &values, classes, &mut logits)?;
            }
        }
        if reads_neurons {
            logits.read_constants(&neurons, unembedding, offset.view(), basis);
        }
        let logits = logits.finish(LOGITS, basis);
        let neurons = match reads_neurons {
            true => neurons.finish(site, basis),
            false if site == LOGITS => logits.clone(),
            false => self.site_spectrum(site, basis)?,
        };
        match neurons.by_block.is_finite() && logits.by_block.is_finite() {
            true => Ok((neurons, logits)),
            false => Err(overflow(self, site)),
        }
    }
}

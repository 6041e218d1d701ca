//! Losses and sums over all pairs on a device.

use super::hooks::DeviceHooks;
use super::program::Block;
use super::{OnDevice, Values};
use crate::device::kernels::{Combination, Input};
use crate::device::{Buffer, kernels};
use crate::error::Result;
use crate::model::{
    Evaluation, Hooks, Interpretable, LOGITS, PairMeans, check_finite, hidden_is_read_out, hidden_readout, width,
};
use crate::task::Task;
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// Sums over pairs.
#[derive(Default)]
pub(super) struct Total {
    pub loss: f64,
    pub hits: usize,
    /// Square norm of the logits less their mean; only where no hook acts on them.
    pub energy: f64,
}

/// What every pair came to, row-major.
#[derive(Default)]
pub(super) struct PerPair {
    pub losses: Vec<f64>,
    pub hits: Vec<u8>,
}

/// Means of a site, (n, width) each, and the square norm of every channel.
struct Means {
    by_left: Array2<f64>,
    by_right: Array2<f64>,
    by_product: Array2<f64>,
    energy: Array1<f64>,
}

/// Losses and hits of a block of pairs, on the device, where they are wanted.
struct OfPairs {
    losses: Option<Buffer<f64>>,
    hits: Option<Buffer<u8>>,
}

/// Blocks of x whose moments are summed up apart.
const SPLITS: usize = 16;

impl OnDevice {
    /// Losses over all pairs; logits are stored only where hooks act on them.
    pub(super) fn losses(&self, task: &Task, hooks: &Hooks, mut each: Option<&mut PerPair>) -> Result<Total> {
        let labels = self.labels(task)?;
        let on_device = DeviceHooks::new(&self.device, hooks)?;
        let separable = hooks.is_empty() && self.two_maps.is_some();
        // A hook on all positions of a step comes after what is read out at the last of them.
        let is_position_of =
            |site: &str| self.readout().site().strip_prefix(site).is_some_and(|rest| rest.starts_with('['));
        let on_logits = hooks.touch(LOGITS) || hooks.iter().any(|hook| is_position_of(&hook.site));
        let site = if on_logits { LOGITS } else { self.readout().site() };
        let values = if separable { 4 } else { self.row_values(hooks, &[site])? };
        let mut total = Total::default();
        for rows in self.blocks(values)? {
            let kept = if separable { None } else { Some(self.run_to(rows, &on_device, site)?) };
            match &kept {
                Some(logits) if on_logits => {
                    self.stored_losses(rows, &labels, logits, &mut total, each.as_deref_mut())?
                }
                hidden => self.fused_losses(rows, &labels, hidden.as_ref(), &mut total, each.as_deref_mut())?,
            }
        }
        if total.loss.is_finite() && total.energy.is_finite() {
            return Ok(total);
        }
        // Found pair by pair; a loss that is not finite has a logit that is not.
        for rows in task.labels().chunks(self.order()).enumerate().map(|(x, row)| x * row.len()..(x + 1) * row.len()) {
            let pairs = task.pairs(rows);
            let logits = self.run_with_hooks(&pairs, hooks, &[LOGITS])?.take(LOGITS)?;
            check_finite(LOGITS, logits.view(), &pairs)?;
        }
        Ok(total)
    }

    /// Losses of a block whose logits are never stored; of stored neurons, or of those that the maps make.
    fn fused_losses(
        &self,
        rows: Block<'_>,
        labels: &Buffer<u32>,
        hidden: Option<&Values>,
        total: &mut Total,
        each: Option<&mut PerPair>,
    ) -> Result<()> {
        let (n, pairs) = (self.order(), rows.count);
        let blocks = self.device.evaluation_blocks(pairs);
        let sums = Buffer::<f64>::new(&self.device, "losses of blocks", 2 * blocks)?;
        let hits = Buffer::<u32>::new(&self.device, "hits of blocks", blocks)?;
        let of_pairs = self.per_pair(pairs, each.is_some())?;
        let hidden = hidden.map(Values::input);
        // Stored neurons have their own bias in them.
        let (left, right, combiner, offset) = match (&self.two_maps, hidden) {
            (Some(maps), None) => (maps.left.input(), maps.right.input(), maps.combination, maps.offset.as_ref()),
            (_, hidden) => {
                let unused = hidden.unwrap_or(self.unembed.input());
                (unused, unused, Combination::Sum, self.output_bias.as_ref())
            }
        };
        kernels::Evaluation {
            rows: pairs,
            n,
            width: self.width,
            left,
            right,
            hidden,
            combiner,
            unembed: self.unembed.input(),
            offset: offset.map(Buffer::input),
            stride: n,
            labels: labels.input(),
            pairs: rows.list,
            first: rows.first(),
            losses: of_pairs.losses.as_ref().map(Buffer::output),
            hits: of_pairs.hits.as_ref().map(Buffer::output),
            block_sums: sums.output(),
            block_hits: hits.output(),
        }
        .run(&self.device)?;
        for sums in sums.to_vec()?.chunks_exact(2) {
            total.loss += sums[0];
            total.energy += sums[1];
        }
        total.hits += hits.to_vec()?.iter().map(|&hits| hits as usize).sum::<usize>();
        of_pairs.append_to(each)
    }

    /// Losses of a block of stored logits.
    fn stored_losses(
        &self,
        rows: Block<'_>,
        labels: &Buffer<u32>,
        logits: &Values,
        total: &mut Total,
        each: Option<&mut PerPair>,
    ) -> Result<()> {
        let (n, count) = (self.order(), rows.count);
        let blocks = count.div_ceil(8);
        let sums = Buffer::<f64>::new(&self.device, "losses of blocks", blocks)?;
        let hits = Buffer::<u32>::new(&self.device, "hits of blocks", blocks)?;
        let of_pairs = self.per_pair(count, each.is_some())?;
        let losses = kernels::RowLosses {
            rows: count,
            classes: n,
            logits: logits.output(),
            batch_logits: 0,
            labels: labels.input(),
            pairs: rows.list,
            first: rows.first(),
            batch_pairs: 0,
            weight: 0.0,
            smoothing: 0.0,
            losses: of_pairs.losses.as_ref().map(Buffer::output),
            hits: of_pairs.hits.as_ref().map(Buffer::output),
            block_losses: Some(sums.output()),
            block_hits: Some(hits.output()),
        };
        losses.launch(&self.device, [blocks, 1, 1])?;
        total.loss += sums.to_vec()?.iter().sum::<f64>();
        total.hits += hits.to_vec()?.iter().map(|&hits| hits as usize).sum::<usize>();
        // Not an energy that is asked for, but infinite logits must show: a loss may be finite with them.
        total.energy += self.block_moments(count, n, logits.input())?[1].sum() * 0.0;
        of_pairs.append_to(each)
    }

    fn per_pair(&self, count: usize, wanted: bool) -> Result<OfPairs> {
        let losses = || Buffer::new(&self.device, "losses of pairs", count);
        let hits = || Buffer::new(&self.device, "hits of pairs", count);
        Ok(OfPairs { losses: wanted.then(losses).transpose()?, hits: wanted.then(hits).transpose()? })
    }

    /// [`Interpretable::pair_means`].
    pub(super) fn sums(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        let mut each = PerPair::default();
        let total = self.losses(task, &Hooks::none(), Some(&mut each))?;
        let evaluation = |set: Option<&[bool]>| {
            let (mut loss, mut hits, mut count) = (0.0, 0, 0);
            for (i, (&l, &h)) in each.losses.iter().zip(&each.hits).enumerate() {
                if set.is_none_or(|set| set[i]) {
                    (loss, hits, count) = (loss + l, hits + usize::from(h), count + 1);
                }
            }
            Evaluation::from_sums(loss, hits, count)
        };
        let Means { by_left, by_right, by_product, energy } = self.means(hidden_readout(self).site(), task)?;
        let mean = |means: &Array2<f64>| self.readout().logits(means.mapv(|v| v as f32).view());
        let logits_by_product = match hidden_is_read_out(self) {
            true => mean(&by_product)?,
            false => mean(&self.means(self.readout().site(), task)?.by_product)?,
        };
        Ok(PairMeans {
            logits_by_product,
            sets: sets.iter().map(|set| set.contains(&true).then(|| evaluation(Some(set)))).collect(),
            all: evaluation(None),
            by_left,
            by_right,
            by_product,
            energy,
            logit_energy: total.energy,
        })
    }

    /// Means of a site over the pairs of each left element, right element and product.
    fn means(&self, site: &str, task: &Task) -> Result<Means> {
        let (n, d) = (self.order(), width(self, site)?);
        let zeros = || Buffer::<f64>::zeros(&self.device, "sums of activations", n * d);
        let (left, right, product) = (zeros()?, zeros()?, zeros()?);
        let mut energy = Array1::zeros(d);
        // Where each left element x takes y = x^-1 p for every p: row p of a table over x.
        let mut divisions = vec![0u32; n * n];
        for (pair, &p) in task.labels().iter().enumerate() {
            divisions[p as usize * n + pair / n] = (pair % n) as u32;
        }
        self.each_block(site, |rows, values| {
            let values = values.input();
            energy += &self.block_moments(rows.count, d, values)?[1];
            if rows.first % n != 0 || rows.count % n != 0 {
                return Err(self.too_small(n * d));
            }
            let (first, xs) = (rows.first / n, rows.count / n);
            let columns = d.div_ceil(32);
            let over_y = kernels::GatherSums {
                count: n,
                width: d,
                values,
                step_o: n,
                step_j: 1,
                table: None,
                out: left.output_from(first * d),
            };
            over_y.launch(&self.device, [columns, xs, 1])?;
            let over_x = kernels::GatherSums { count: xs, step_o: 1, step_j: n, out: right.output(), ..over_y };
            over_x.launch(&self.device, [columns, n, 1])?;
            // Rows (x - first) n + y of the block, for every p the one y of each x.
            let table: Vec<u32> = (0..n)
                .flat_map(|p| (0..xs).map(move |x| (p, x)))
                .map(|(p, x)| x as u32 * n as u32 + divisions[p * n + first + x])
                .collect();
            let table = Buffer::from_slice(&self.device, "pairs by product", &table)?;
            let table = Some(table.input());
            let by_product = kernels::GatherSums { step_o: 0, step_j: 1, table, out: product.output(), ..over_x };
            by_product.launch(&self.device, [columns, n, 1])
        })?;
        let averages = |sums: &Buffer<f64>| -> Result<Array2<f64>> {
            Ok(Array2::from_shape_vec((n, d), sums.to_vec()?).expect("n rows") / n as f64)
        };
        Ok(Means { by_left: averages(&left)?, by_right: averages(&right)?, by_product: averages(&product)?, energy })
    }

    fn too_small(&self, values: usize) -> crate::Error {
        crate::Error::CudaMemory {
            what: "activations of the pairs of one element",
            device: self.device().name.clone(),
            needed: 4 * values,
            free: self.device.budget().unwrap_or(0),
        }
    }

    /// Sums and sums of squares of every channel of values (rows, channel): (width) each.
    fn block_moments(&self, rows: usize, width: usize, values: Input<'_, f32>) -> Result<[Array1<f64>; 2]> {
        let cut = rectangle(rows);
        let [sums, squares] = self.region_moments(cut, cut, width, values, false)?;
        Ok([sums.sum_axis(Axis(0)), squares.sum_axis(Axis(0))])
    }

    /// Sums and sums of squares of every channel of values (x, y, channel) over regions of m.0 by m.1 pairs: (regions,
    /// width) each. Pair (0, 0) of every region is left out if `skip_first`.
    pub(super) fn region_moments(
        &self,
        n: (usize, usize),
        m: (usize, usize),
        width: usize,
        values: Input<'_, f32>,
        skip_first: bool,
    ) -> Result<[Array2<f64>; 2]> {
        let (regions, splits) = (n.0 / m.0 * (n.1 / m.1), SPLITS.min(m.0).max(1));
        let [sums, squares] = [(); 2].map(|()| Buffer::<f64>::new(&self.device, "moments", splits * regions * width));
        let (sums, squares) = (sums?, squares?);
        let moments = kernels::RegionMoments {
            n_x: n.0,
            n_y: n.1,
            m_x: m.0,
            m_y: m.1,
            width,
            values,
            skip_first,
            splits,
            sums: sums.output(),
            squares: squares.output(),
        };
        moments.launch(&self.device, [width.div_ceil(32), regions, splits])?;
        let total = |buffer: Buffer<f64>| -> Result<Array2<f64>> {
            let parts = buffer.to_vec()?;
            let mut total = Array2::zeros((regions, width));
            for part in parts.chunks_exact((regions * width).max(1)) {
                total += &ArrayView2::from_shape((regions, width), part).expect("one value a channel");
            }
            Ok(total)
        };
        Ok([total(sums)?, total(squares)?])
    }
}

/// Some x y = `rows` with x near their root, for sums that any cut will do for.
fn rectangle(rows: usize) -> (usize, usize) {
    let x = (1..=SPLITS).rev().find(|&x| rows.is_multiple_of(x)).unwrap_or(1);
    (x, rows / x)
}

impl OfPairs {
    fn append_to(&self, each: Option<&mut PerPair>) -> Result<()> {
        if let (Some(each), Some(losses), Some(hits)) = (each, &self.losses, &self.hits) {
            each.losses.extend(losses.to_vec()?);
            each.hits.extend(hits.to_vec()?);
        }
        Ok(())
    }
}

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

/// Sums over pairs, and the losses and hits of each, row-major, where they are wanted.
#[derive(Default)]
pub(super) struct Total {
    pub loss: f64,
    pub hits: usize,
    /// Square norm of the logits less their mean; only where no hook acts on them.
    energy: f64,
    each: Option<(Vec<f64>, Vec<u8>)>,
}

/// Blocks of x whose moments are summed up apart.
const SPLITS: usize = 16;

impl OnDevice {
    /// Losses over all pairs; logits are stored only where hooks act on them.
    pub(super) fn losses(&self, task: &Task, hooks: &Hooks, each: bool) -> Result<Total> {
        let labels = self.labels(task)?;
        let on_device = DeviceHooks::new(&self.device, hooks)?;
        let separable = hooks.is_empty() && self.two_maps.is_some();
        // A hook on all positions of a step comes after what is read out at the last of them.
        let is_position_of =
            |site: &str| self.readout().site().strip_prefix(site).is_some_and(|rest| rest.starts_with('['));
        let on_logits = hooks.touch(LOGITS) || hooks.iter().any(|hook| is_position_of(&hook.site));
        let site = if on_logits { LOGITS } else { self.readout().site() };
        let values = if separable { 4 } else { self.row_values(hooks, &[site])? };
        let mut total = Total { each: each.then(Default::default), ..Total::default() };
        for block in self.blocks(values)? {
            let read = if separable { None } else { Some(self.run_to(block, &on_device, site)?) };
            self.add_losses(block, &labels, read.as_ref(), on_logits, &mut total)?;
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

    /// Losses of a block: from its logits where `on_logits` is set; otherwise logits are never stored, and made from what is
    /// read out or, where nothing is given, from the two maps.
    fn add_losses(
        &self,
        block: Block<'_>,
        labels: &Buffer<u32>,
        read: Option<&Values>,
        on_logits: bool,
        total: &mut Total,
    ) -> Result<()> {
        let (device, n, rows) = (&self.device, self.order(), block.count);
        let blocks = if on_logits { rows.div_ceil(8) } else { device.evaluation_blocks(rows) };
        let sums = Buffer::<f64>::new(device, "losses of blocks", if on_logits { blocks } else { 2 * blocks })?;
        let hits_of_blocks = Buffer::<u32>::new(device, "hits of blocks", blocks)?;
        let of_pairs = match total.each {
            None => None,
            Some(_) => Some((
                Buffer::<f64>::new(device, "losses of pairs", rows)?,
                Buffer::<u8>::new(device, "hits of pairs", rows)?,
            )),
        };
        let (labels, pairs, first) = (labels.input(), block.list, block.first());
        let losses = of_pairs.as_ref().map(|(losses, _)| losses.output());
        let hits = of_pairs.as_ref().map(|(_, hits)| hits.output());
        let (block_sums, block_hits) = (sums.output(), hits_of_blocks.output());
        match read {
            Some(logits) if on_logits => {
                let row_losses = kernels::RowLosses {
                    rows,
                    classes: n,
                    logits: logits.output(),
                    batch_logits: 0,
                    labels,
                    pairs,
                    first,
                    batch_pairs: 0,
                    weight: 0.0,
                    smoothing: 0.0,
                    losses,
                    hits,
                    block_losses: Some(block_sums),
                    block_hits: Some(block_hits),
                };
                row_losses.launch_warps(device, rows, 1)?;
                total.loss += sums.to_vec()?.iter().sum::<f64>();
                // Not an energy that is asked for, but infinite logits must show: a loss may be finite with them.
                total.energy += self.square_norms(rows, n, logits.input())?.sum() * 0.0;
            }
            hidden => {
                let hidden = hidden.map(Values::input);
                // Stored neurons have their own bias in them.
                let (left, right, combiner, offset) = match (&self.two_maps, hidden) {
                    (Some(maps), None) => {
                        (maps.left.input(), maps.right.input(), maps.combination, maps.offset.as_ref())
                    }
                    (_, hidden) => {
                        let unused = hidden.unwrap_or(self.unembed.input());
                        (unused, unused, Combination::Sum, self.output_bias.as_ref())
                    }
                };
                let evaluation = kernels::Evaluation {
                    rows,
                    n,
                    width: self.width,
                    left,
                    right,
                    hidden,
                    combiner,
                    unembed: self.unembed.input(),
                    offset: offset.map(Buffer::input),
                    stride: n,
                    labels,
                    pairs,
                    first,
                    losses,
                    hits,
                    block_sums,
                    block_hits,
                };
                evaluation.run(device)?;
                for sums in sums.to_vec()?.chunks_exact(2) {
                    total.loss += sums[0];
                    total.energy += sums[1];
                }
            }
        }
        total.hits += hits_of_blocks.to_vec()?.iter().map(|&hits| hits as usize).sum::<usize>();
        if let (Some((losses, hits)), Some(each)) = (&of_pairs, &mut total.each) {
            each.0.extend(losses.to_vec()?);
            each.1.extend(hits.to_vec()?);
        }
        Ok(())
    }

    /// [`Interpretable::pair_means`].
    pub(super) fn sums(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        let total = self.losses(task, &Hooks::none(), true)?;
        let (losses, hits) = total.each.unwrap_or_default();
        let evaluation = |set: Option<&[bool]>| {
            let (mut loss, mut right, mut count) = (0.0, 0, 0);
            for (i, (&l, &h)) in losses.iter().zip(&hits).enumerate() {
                if set.is_none_or(|set| set[i]) {
                    (loss, right, count) = (loss + l, right + usize::from(h), count + 1);
                }
            }
            Evaluation::from_sums(loss, right, count)
        };
        let ([by_left, by_right, by_product], energy) = self.means(hidden_readout(self).site(), task)?;
        let mean = |means: &Array2<f64>| self.readout().logits(means.mapv(|v| v as f32).view());
        let logits_by_product = match hidden_is_read_out(self) {
            true => mean(&by_product)?,
            false => mean(&self.means(self.readout().site(), task)?.0[2])?,
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

    /// Means of a site over the pairs of each left element, right element and product, (n, width) each, and the square norm of
    /// every channel.
    fn means(&self, site: &str, task: &Task) -> Result<([Array2<f64>; 3], Array1<f64>)> {
        let (n, d) = (self.order(), width(self, site)?);
        let zeros = || Buffer::<f64>::zeros(&self.device, "sums of activations", n * d);
        let (left, right, product) = (zeros()?, zeros()?, zeros()?);
        let mut energy = Array1::zeros(d);
        // Where each left element x takes y = x^-1 p for every p: row p of a table over x.
        let mut divisions = vec![0u32; n * n];
        for (pair, &p) in task.labels().iter().enumerate() {
            divisions[p as usize * n + pair / n] = (pair % n) as u32;
        }
        self.each_block(site, |block, values| {
            let values = values.input();
            energy += &self.square_norms(block.count, d, values)?;
            if block.first % n != 0 || block.count % n != 0 {
                let free = self.device.budget().unwrap_or(0);
                return Err(self.device.too_large("activations of the pairs of one element", 4 * n * d, free));
            }
            let (first, xs) = (block.first / n, block.count / n);
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
        Ok(([averages(&left)?, averages(&right)?, averages(&product)?], energy))
    }

    /// Sums of squares of every channel of values (rows, channel): (width).
    fn square_norms(&self, rows: usize, width: usize, values: Input<'_, f32>) -> Result<Array1<f64>> {
        // Any cut will do, but x is summed up in parts.
        let x = (1..=SPLITS).rev().find(|&x| rows.is_multiple_of(x)).unwrap_or(1);
        let cut = (x, rows / x);
        let [_, squares] = self.region_moments(cut, cut, width, values, false)?;
        Ok(squares.sum_axis(Axis(0)))
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

//! The law that methods over all pairs agree with plain passes.

use super::hooks::cyclic;
use super::largest;
use crate::error::Error;
use crate::fourier::{CyclicSubgroupBasis, FourierBasis};
use crate::group::{Dihedral, Elem};
use crate::laws::{ACTIVATION_TOLERANCE, EXHAUSTIVE, TRANSFORM_TOLERANCE, Violation, answer, uniform};
use crate::model::{BlockEnergies, Hook, Hooks, Interpretable, LOGITS, SiteSpectrum, Values};
use crate::task::{Pair, Task, pairs};
use ndarray::{Array1, Array2, Array3, Axis, s};
use std::sync::Arc;

const LAW: &str = "streams";

/// `evaluate`, `logits_along`, `neuron_columns`, `coefficients_along_y` and `spectrum` give what passes of `run_with_hooks` over a
/// few rows of pairs at a time give, summed and transformed in `f64`.
///
/// Losses are those of the task of the cyclic group, without hooks and with hooks that depend on the pair; the bases
/// are [`CyclicSubgroupBasis`] of the cyclic and, at even orders, the dihedral group. Where [`EXHAUSTIVE`] numbers
/// do not hold all of a site, a few of its channels are compared. A model that knows its group, which may be another, is
/// tried as the one inside ([`without_group`](Interpretable::without_group)).
///
/// # Errors
/// `streams`: the method and its arguments, pair, channel or block, what it returned and what it should have; `sites`
/// as [`sites`](super::sites).
pub fn streams(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    if let Some(inside) = model.without_group() {
        return streams(inside);
    }
    super::sites(model)?;
    losses(model)?;
    let n = model.order();
    let mut bases = vec![CyclicSubgroupBasis::cyclic(&cyclic(LAW, n)?)];
    if n.is_multiple_of(2) {
        bases.push(CyclicSubgroupBasis::dihedral(&answer(LAW, "order", Dihedral::new(n / 2))?));
    }
    for site in model.sites() {
        let reference = Reference::new(model, &site.name, site.width)?;
        reference.columns(model)?;
        if site.name == LOGITS {
            reference.along(model)?;
        }
        for basis in &bases {
            reference.coefficients(model, basis)?;
            let case = format!("{} in {} sectors", site.name, basis.sectors().len());
            let spectrum = answer(LAW, format_args!("spectrum of {case}"), model.spectrum(&site.name, basis))?;
            let blocks =
                answer(LAW, format_args!("block energies of {case}"), model.block_energies(&site.name, basis))?;
            reference.spectrum(&case, &spectrum, &blocks, basis)?;
        }
    }
    Ok(())
}

/// Hooks that tell pairs apart, with their names.
fn hooks(model: &dyn Interpretable) -> Vec<(String, Hooks)> {
    let n = model.order();
    let mask: Arc<[bool]> = (0..n * n).map(|i| i % 3 == 1).collect();
    let mut all =
        vec![("no hook".to_owned(), Hooks::none()), ("zero logits".into(), Hooks::none().with(Hook::zero(LOGITS)))];
    for site in model.sites() {
        let channel = vec![site.width / 2; site.width.min(1)];
        let table: Array2<f32> = uniform((n * n, channel.len()));
        let add = Hook::add(&site.name, Values::PerPair(Arc::new(table))).on_channels(channel);
        let scale = Hook::scale(&site.name, -0.5).on_pairs(mask.clone());
        all.push((format!("hooks on {}", site.name), Hooks::none().with(add).with(scale)));
    }
    all
}

fn losses(model: &dyn Interpretable) -> Result<(), Violation> {
    let n = model.order();
    let task = Task::new(&cyclic(LAW, n)?);
    for (name, hooks) in hooks(model) {
        let logits = |pairs: &[Pair]| model.run_with_hooks(pairs, &hooks, &[LOGITS]).and_then(|mut c| c.take(LOGITS));
        let mut losses = Vec::with_capacity(n * n);
        // Correct for sure, and perhaps: the two largest logits too close to tell apart.
        let (mut sure, mut perhaps, mut first) = (0, 0, 0);
        for batch in batches(n, n) {
            let logits = match logits(&batch) {
                Err(Error::HookUnsupported { .. }) => break,
                logits => answer(LAW, format_args!("{name}"), logits)?,
            };
            Violation::unless_equal(LAW, format_args!("{name}, logits"), logits.dim(), (batch.len(), n))?;
            let rounding = ACTIVATION_TOLERANCE * largest(logits.view());
            for row in logits.outer_iter() {
                let target = task.labels()[first] as usize;
                let (loss, margin) = outcome(&row.mapv(f64::from), target);
                losses.push((loss, loss * (TRANSFORM_TOLERANCE + 4.0 * rounding)));
                let open = margin != 0.0 && margin.abs() <= rounding;
                sure += usize::from(!open && margin >= 0.0);
                perhaps += usize::from(open);
                first += 1;
            }
        }
        if losses.is_empty() {
            continue;
        }
        let count = (n * n) as f64;
        let evaluation = answer(LAW, format_args!("evaluate, {name}"), model.evaluate(&task, &hooks))?;
        let mean = losses.iter().map(|l| l.0).sum::<f64>() / count;
        let tolerance = losses.iter().map(|l| l.1).sum::<f64>() / count;
        Violation::unless_close(LAW, format_args!("loss, {name}"), evaluation.loss, mean, tolerance)?;
        let (half, middle) = (perhaps as f64 / 2.0, sure as f64 + perhaps as f64 / 2.0);
        let tolerance = (half + 0.1) / count;
        Violation::unless_close(LAW, format_args!("accuracy, {name}"), evaluation.accuracy, middle / count, tolerance)?;
    }
    Ok(())
}

/// Cross-entropy, and by how much the target is the largest logit; ties with later elements count as an infinite margin.
fn outcome(logits: &Array1<f64>, target: usize) -> (f64, f64) {
    let others = |z: &(usize, &f64)| z.0 != target;
    let shift = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let rest: f64 = logits.iter().enumerate().filter(others).map(|(_, l)| (l - shift).exp()).sum();
    let own = (logits[target] - shift).exp();
    let loss = if own > rest { (rest / own).ln_1p() } else { (rest + own).ln() + shift - logits[target] };
    let margin = logits.iter().enumerate().filter(others).fold(f64::INFINITY, |m, (z, l)| {
        let margin = logits[target] - l;
        m.min(if margin == 0.0 && z < target { -f64::MIN_POSITIVE } else { margin })
    });
    (loss, margin)
}

/// All pairs in order, about `size` at a time: a size that no stream would choose.
fn batches(order: usize, size: usize) -> impl Iterator<Item = Vec<Pair>> {
    let size = 2 * size + 1;
    let all = order * order;
    (0..all).step_by(size).map(move |first| pairs(order, first..all.min(first + size)))
}

/// Some channels of a site at all pairs, from plain passes.
struct Reference<'a> {
    site: &'a str,
    order: usize,
    width: usize,
    channels: Vec<usize>,
    /// (channels, n, n).
    values: Array3<f64>,
    /// Largest activation of the site.
    scale: f64,
}

impl<'a> Reference<'a> {
    fn new(model: &dyn Interpretable, site: &'a str, width: usize) -> Result<Self, Violation> {
        let n = model.order();
        let count = (EXHAUSTIVE / (n * n)).clamp(2, width.max(2)).min(width);
        // First, last and evenly between.
        let channels: Vec<usize> = (0..count).map(|i| i * (width - 1) / (count - 1).max(1)).collect();
        let mut flat = Array2::zeros((channels.len(), n * n));
        let (mut first, mut scale) = (0, 0.0f64);
        for batch in batches(n, n) {
            let cache = super::run(LAW, model, &batch, &[site])?;
            let all = super::view(LAW, &cache, site)?;
            scale = scale.max(largest(all));
            for (mut row, &k) in flat.outer_iter_mut().zip(&channels) {
                row.slice_mut(s![first..first + batch.len()]).assign(&all.column(k).mapv(f64::from));
            }
            first += batch.len();
        }
        let values = flat.into_shape_with_order((channels.len(), n, n)).expect("one value a pair");
        Ok(Self { site, order: n, width, channels, values, scale })
    }

    fn columns(&self, model: &dyn Interpretable) -> Result<(), Violation> {
        let n = self.order;
        let most = (crate::memory::budget() / (n * n * size_of::<f32>())).min(4 * EXHAUSTIVE / (n * n)).max(2);
        let last = self.width.saturating_sub(1);
        for range in [0..self.width.min(most), self.width.saturating_sub(most)..self.width, last..self.width, 0..0] {
            let case = format!("neuron columns {range:?} of {}", self.site);
            let got = answer(LAW, format_args!("{case}"), model.neuron_columns(self.site, range.clone()))?;
            Violation::unless_equal(LAW, format_args!("{case}, shape"), got.dim(), (n, n, range.len()))?;
            for (&k, expected) in self.channels.iter().zip(self.values.outer_iter()).filter(|(k, _)| range.contains(k))
            {
                let got = got.index_axis(Axis(2), k - range.start);
                for (((x, y), &got), &expected) in got.indexed_iter().zip(expected) {
                    let witness = format_args!("{case}, {:?}, channel {k}", (Elem::new(x), Elem::new(y)));
                    Violation::unless_close(LAW, witness, got.into(), expected, ACTIVATION_TOLERANCE * self.scale)?;
                }
            }
        }
        Ok(())
    }

    /// The logits that there are along functions that are 0 elsewhere, at every other pair.
    fn along(&self, model: &dyn Interpretable) -> Result<(), Violation> {
        let n = self.order;
        let draws: Array2<f32> = uniform((self.channels.len(), 2));
        let mut directions = Array2::zeros((n, 2));
        for (&z, draw) in self.channels.iter().zip(draws.outer_iter()) {
            directions.row_mut(z).assign(&draw);
        }
        let some: Vec<Pair> = pairs(n, 0..n * n).into_iter().step_by(2).collect();
        let got = answer(LAW, "logits along directions", model.logits_along(&some, directions.view()))?;
        Violation::unless_equal(LAW, "logits along directions, shape", got.dim(), (some.len(), 2))?;
        let tolerance = ACTIVATION_TOLERANCE * self.scale * self.channels.len() as f64;
        for ((i, column), &got) in got.indexed_iter() {
            let (x, y) = some[i];
            let at_pair = self.values.slice(s![.., x.index(), y.index()]);
            let expected = at_pair.iter().zip(draws.column(column)).map(|(v, &d)| v * f64::from(d)).sum();
            let witness = format_args!("logits along direction {column}, {:?}", (x, y));
            Violation::unless_close(LAW, witness, got.into(), expected, tolerance)?;
        }
        Ok(())
    }

    /// Coefficients along y, in the last rows of a basis and in the first.
    fn coefficients(&self, model: &dyn Interpretable, basis: &dyn FourierBasis) -> Result<(), Violation> {
        let (n, m, sectors) = (self.order, basis.rows(), basis.sectors());
        let rows = if m > 1 { vec![m - 1, 0] } else { vec![0] };
        let case = format!("coefficients along y of {} in {} sectors", self.site, sectors.len());
        let got = answer(LAW, format_args!("{case}"), model.coefficients_along_y(self.site, &basis, &rows))?;
        let shape = (n, sectors.len() * rows.len(), self.width);
        Violation::unless_equal(LAW, format_args!("{case}, shape"), got.dim(), shape)?;
        let tolerance = (ACTIVATION_TOLERANCE + TRANSFORM_TOLERANCE) * self.scale * m as f64;
        for (&k, values) in self.channels.iter().zip(self.values.outer_iter()) {
            for ((x, at), &got) in got.index_axis(Axis(2), k).indexed_iter() {
                let (ys, row) = (&sectors[at / rows.len()], rows[at % rows.len()]);
                let terms = ys.iter().enumerate().map(|(t, y)| basis.value(row, t) * values[[x, y.index()]]);
                let witness = format_args!("{case}, {:?}, coefficient {at}, channel {k}", Elem::new(x));
                Violation::unless_close(LAW, witness, got.into(), terms.sum(), tolerance)?;
            }
        }
        Ok(())
    }

    fn shapes(&self, case: &str, got: &BlockEnergies, blocks: usize) -> Result<(), Violation> {
        Violation::unless_equal(LAW, format_args!("{case}, site"), got.site.as_str(), self.site)?;
        let lengths = [&got.mean, &got.energy, &got.constant, &got.constant_centred];
        for (what, field) in ["mean", "energy", "constant", "centred"].into_iter().zip(lengths) {
            Violation::unless_equal(LAW, format_args!("{case}, length of {what}"), field.len(), self.width)?;
        }
        for (what, field) in [("linear_x", &got.linear_x), ("linear_y", &got.linear_y), ("product", &got.product)] {
            Violation::unless_equal(LAW, format_args!("{case}, shape of {what}"), field.dim(), (self.width, blocks))?;
        }
        Ok(())
    }

    /// `blocks` on its own and as part of `got`.
    fn spectrum(
        &self,
        case: &str,
        got: &SiteSpectrum,
        blocks: &BlockEnergies,
        basis: &dyn FourierBasis,
    ) -> Result<(), Violation> {
        let both = [("spectrum", &got.by_block), ("block energies", blocks)];
        for (method, found) in both {
            self.shapes(&format!("{method} of {case}"), found, basis.blocks().len())?;
        }
        let (m, block_of) = (basis.rows(), basis.block_of_row());
        let witness = format_args!("spectrum of {case}, shape of mean_square");
        Violation::unless_equal(LAW, witness, got.mean_square.dim(), (m, m))?;
        let mut square = Array2::<f64>::zeros((m, m));
        // constant, linear in x, linear in y, within a block, across blocks
        let (mut split, mut total) = ([0.0; 5], 0.0);
        for (&k, values) in self.channels.iter().zip(self.values.outer_iter()) {
            let squares = energies(basis, &values.to_owned());
            let mean = values.sum() / values.len() as f64;
            let centred = energies(basis, &values.mapv(|v| v - mean));
            let energy = values.mapv(|v| v * v).sum();
            let mut by_block = Array2::<f64>::zeros((3, basis.blocks().len()));
            for ((i, j), &e) in squares.indexed_iter() {
                let (a, b) = (block_of[i], block_of[j]);
                let kind = match (a, b) {
                    (0, 0) => 0,
                    (_, 0) => 1,
                    (0, _) => 2,
                    _ if a == b => 3,
                    _ => 4,
                };
                split[kind] += e;
                if (1..=3).contains(&kind) {
                    by_block[[kind - 1, a.max(b)]] += e;
                }
            }
            for (method, found) in both {
                let close = |what: &str, got: f64, expected: f64| {
                    let tolerance =
                        2.0 * (ACTIVATION_TOLERANCE + TRANSFORM_TOLERANCE) * self.scale.powi(2) * values.len() as f64;
                    let witness = format_args!("{method} of {case}, {what}, channel {k}");
                    Violation::unless_close(LAW, witness, got, expected, tolerance)
                };
                let witness = format_args!("{method} of {case}, mean, channel {k}");
                Violation::unless_close(LAW, witness, found.mean[k], mean, ACTIVATION_TOLERANCE * self.scale)?;
                close("energy", found.energy[k], energy)?;
                close("constant", found.constant[k], squares[[0, 0]])?;
                close("constant centred", found.constant_centred[k], centred[[0, 0]])?;
                for (b, expected) in by_block.columns().into_iter().enumerate() {
                    close(&format!("linear_x of block {b}"), found.linear_x[[k, b]], expected[0])?;
                    close(&format!("linear_y of block {b}"), found.linear_y[[k, b]], expected[1])?;
                    close(&format!("product of block {b}"), found.product[[k, b]], expected[2])?;
                }
            }
            square += &squares;
            total += self.scale.powi(2) * values.len() as f64;
        }
        if self.channels.len() < self.width {
            return Ok(());
        }
        let s = got.split;
        let tolerance = 2.0 * (ACTIVATION_TOLERANCE + TRANSFORM_TOLERANCE) * total;
        let got_split = [s.constant, s.linear_x, s.linear_y, s.within_block, s.across_blocks];
        for (kind, (got, expected)) in got_split.into_iter().zip(split).enumerate() {
            Violation::unless_close(LAW, format_args!("spectrum of {case}, split {kind}"), got, expected, tolerance)?;
        }
        let terms = (basis.sectors().len().pow(2) * self.width.max(1)) as f64;
        got.mean_square.indexed_iter().try_for_each(|((i, j), &got)| {
            let witness = format_args!("spectrum of {case}, mean square at {:?}", [i, j]);
            Violation::unless_close(LAW, witness, got, square[[i, j]] / terms, tolerance / terms)
        })
    }
}

/// Squares of the 2-D coefficients of a function of pairs, summed over regions: (rows, rows).
fn energies(basis: &dyn FourierBasis, values: &Array2<f64>) -> Array2<f64> {
    let (m, matrix) = (basis.rows(), basis.matrix());
    let mut out = Array2::zeros((m, m));
    for xs in basis.sectors() {
        for ys in basis.sectors() {
            let region = Array2::from_shape_fn((m, m), |(i, j)| values[[xs[i].index(), ys[j].index()]]);
            out += &matrix.dot(&region).dot(&matrix.t()).mapv(|c| c * c);
        }
    }
    out
}

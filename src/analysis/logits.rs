//! Along which functions of x and y the logits are written.

use super::embedding::check_finite_energy;
use super::table::{Cell, Table, Term};
use super::terms::*;
use crate::error::{Result, check_shape};
use crate::fourier::{BlockId, FourierBasis, check_blocks};
use crate::group::check_fingerprint;
use crate::linalg::{matmul, subtract_matmul};
use crate::model::{Interpretable, PairBlock, fold_pairs, less_mean, rounding, sum_and_squares};
use crate::task::{Pair, Task};
use ndarray::{Array2, Array4, ArrayView2, Axis, s};
use std::borrow::Cow;
use std::fmt;

/// Numbers that come back at once from a model whose logits stay where they are: 64 MiB of `f32`.
const REMOTE_VALUES: usize = 1 << 24;

/// Where the energy of the logits lies along the directions of some blocks: which output sector, from which inputs,
/// and along which function of the two positions.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LogitDirections {
    /// The blocks looked at.
    pub blocks: Vec<BlockId>,
    /// The names of these blocks.
    pub names: Vec<String>,
    /// The output sector where xy lies, for every (sector of x, sector of y); `None` where products of a region are spread over
    /// sectors.
    pub output: Option<Array2<usize>>,
    /// Energy of the logits, less each pair's mean over the classes, transformed along an output sector and taken in the block's
    /// rows, summed over the inputs of a region; 0 below rounding: (block, sector of x, sector of y, output sector).
    pub energy: Array4<f64>,
    /// Shares, of the energy in the output sector where xy lies, along f(x + y) and f(x - y), f running over the
    /// block's rows and x, y being positions in their sectors: (block, sector of x, sector of y, 2). `None` where
    /// positions are not exponents ([`FourierBasis::generator`]) or xy is not confined to one sector; an entry is `None`
    /// where that energy is rounding of the logits.
    pub product_share: Option<Array4<Option<f64>>>,
}

/// Along which functions of x and y are the logits written? One forward pass; on a device one for losses and means and one for
/// the logits along these directions, which alone come back.
///
/// For a rotation on the left the product is at x + y, for a reflection at x - y: the notebook's claim "logits are
/// cos w(x + y), sin w(x + y)" is `product_share`, region by region. Rows of blocks but the constant are orthogonal to what
/// all classes have in common; the constant's are taken less it.
///
/// # Arguments
/// `blocks`: of the basis ([`FourierBasis::block_ids`]), the key frequencies say.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a basis or task of another order, [`Error::OtherGroup`](crate::Error::OtherGroup)
/// for one of another group; [`Error::OtherBasis`](crate::Error::OtherBasis) for a block of another basis,
/// [`Error::UnknownBlock`](crate::Error::UnknownBlock) for one beyond the blocks there are; those of the forward pass.
///
/// Source: Nanda et al. 2023, section 4.2; the seed notebook, "Understanding Logit Computation".
pub fn logit_directions(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    blocks: &[BlockId],
) -> Result<LogitDirections> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    let directions = Directions::new(&basis, task, blocks)?;
    if model.is_remote() {
        let energy = model.pair_means(task, &[])?.logit_energy;
        return directions.finish([directions.remote(model, task, energy)?.0]);
    }
    let sums = fold_pairs(
        model,
        task,
        || directions.start(),
        |sums, block| directions.observe(sums, block, &directions.along(block)),
    )?;
    directions.finish(sums)
}

/// The output sector of every region (sector of x, sector of y), where products of a region stay in one sector.
#[must_use]
pub fn output_sectors(basis: &(impl FourierBasis + ?Sized), task: &Task) -> Option<Array2<usize>> {
    let basis: &dyn FourierBasis = &basis;
    let (sector_of, _) = sectors_and_positions(basis);
    let count = basis.sectors().len();
    let mut output = Array2::from_elem((count, count), usize::MAX);
    for (index, &label) in task.labels().iter().enumerate() {
        let region = [sector_of[index / task.order()], sector_of[index % task.order()]];
        let sector = sector_of[label as usize];
        if output[region] == usize::MAX {
            output[region] = sector;
        } else if output[region] != sector {
            return None;
        }
    }
    Some(output)
}

/// The rows of some blocks on one sector, as functions on the group: (rows, n).
pub(super) fn rows_in_sector(basis: &dyn FourierBasis, blocks: &[BlockId], sector: usize) -> Array2<f32> {
    let rows: Vec<usize> = blocks.iter().flat_map(|&b| basis.blocks()[b.index()].rows.clone()).collect();
    let mut out = Array2::zeros((rows.len(), basis.order()));
    for (mut out, &row) in out.outer_iter_mut().zip(&rows) {
        for (t, element) in basis.sectors()[sector].iter().enumerate() {
            out[element.index()] = basis.value(row, t) as f32;
        }
    }
    out
}

/// For every element, its sector and its position there.
pub(super) fn sectors_and_positions(basis: &dyn FourierBasis) -> (Vec<usize>, Vec<usize>) {
    let (mut sector_of, mut position) = (vec![0; basis.order()], vec![0; basis.order()]);
    for (s, sector) in basis.sectors().iter().enumerate() {
        for (t, element) in sector.iter().enumerate() {
            (sector_of[element.index()], position[element.index()]) = (s, t);
        }
    }
    (sector_of, position)
}

/// Checks the basis against the task, and the blocks against the basis.
pub(super) fn check_basis(basis: &dyn FourierBasis, task: &Task, blocks: &[BlockId]) -> Result<()> {
    check_order(basis, task)?;
    check_blocks(basis, blocks)
}

pub(super) fn check_order(basis: &dyn FourierBasis, task: &Task) -> Result<()> {
    check_shape("group of the basis", &[task.order()], &[basis.order()])?;
    check_fingerprint("group of the basis", task.fingerprint(), basis.fingerprint())
}

/// [`logit_directions`] as one observer of a forward pass.
pub(super) struct Directions<'a> {
    basis: &'a dyn FourierBasis,
    blocks: &'a [BlockId],
    sector_of: Vec<usize>,
    position: Vec<usize>,
    /// The rows of all blocks on all sectors, less their means over the classes: column (sector, row) of (n, sectors * rows).
    rows: Array2<f32>,
    /// Where each block's rows stand among those of a sector.
    offsets: Vec<usize>,
    /// Row values `f_q(t) / sqrt(m)`, one unit vector along x + y for every q: (m, rows).
    along: Array2<f64>,
    output: Option<Array2<usize>>,
}

/// Sums over pairs.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct DirectionSums {
    energy: Array4<f64>,
    /// The logits along every row in the output sector where xy lies, summed over the pairs of a region at which
    /// x + y (first) or x - y (second) is a given position: (regions, 2, positions, rows).
    by_position: Array4<f64>,
    /// Square norm of the logits as they are: the scale of their rounding.
    whole: f64,
}

impl<'a> Directions<'a> {
    pub(super) fn new(basis: &'a dyn FourierBasis, task: &Task, blocks: &'a [BlockId]) -> Result<Self> {
        check_basis(basis, task, blocks)?;
        let (sector_of, position) = sectors_and_positions(basis);
        let by_sector: Vec<_> = (0..basis.sectors().len()).map(|s| rows_in_sector(basis, blocks, s)).collect();
        let views: Vec<_> = by_sector.iter().map(|rows| rows.t()).collect();
        let rows = ndarray::concatenate(Axis(1), &views).expect("n rows each");
        let rows = less_mean(rows.reversed_axes()).reversed_axes().as_standard_layout().into_owned();
        let mut offsets = vec![0];
        for &b in blocks {
            offsets.push(offsets[offsets.len() - 1] + basis.blocks()[b.index()].rows.len());
        }
        let all: Vec<usize> = blocks.iter().flat_map(|&b| basis.blocks()[b.index()].rows.clone()).collect();
        let m = basis.rows();
        let along = Array2::from_shape_fn((m, all.len()), |(t, q)| basis.value(all[q], t) / (m as f64).sqrt());
        let output = output_sectors(basis, task);
        Ok(Self { basis, blocks, sector_of, position, rows, offsets, along, output })
    }

    pub(super) fn start(&self) -> DirectionSums {
        let (sectors, (m, rows)) = (self.basis.sectors().len(), self.along.dim());
        let regions = if self.exponents().is_some() { sectors * sectors } else { 0 };
        DirectionSums {
            energy: Array4::zeros((self.blocks.len(), sectors, sectors, sectors)),
            by_position: Array4::zeros((regions, 2, m, rows)),
            whole: 0.0,
        }
    }

    /// The output sectors, where positions are exponents.
    fn exponents(&self) -> Option<&Array2<usize>> {
        self.output.as_ref().filter(|_| self.basis.generator().is_some())
    }

    /// The logits of a block along every row of the blocks on every sector: (pairs, sectors * rows).
    pub(super) fn along(&self, block: &PairBlock<'_>) -> Array2<f32> {
        matmul(block.logits.view(), self.rows.view())
    }

    /// The blocks looked at.
    pub(super) fn blocks(&self) -> &'a [BlockId] {
        self.blocks
    }

    /// Whether there are output sectors that parity forbids.
    pub(super) fn has_parity(&self) -> bool {
        self.output.as_ref().is_some_and(|output| output.len() > 1)
    }

    /// The logits of a block less their directions on the output sectors that parity forbids; `None` where there are no
    /// such sectors. The hooks of [`parity_hooks`](super::notebook::parity_hooks) leave the same.
    pub(super) fn without_forbidden(&self, block: &PairBlock<'_>, mut directions: Array2<f32>) -> Option<Array2<f32>> {
        let output = self.output.as_ref().filter(|_| self.has_parity())?;
        let per_sector = self.along.ncols();
        for (&(x, y), mut row) in block.pairs.iter().zip(directions.outer_iter_mut()) {
            let allowed = output[[self.sector_of[x.index()], self.sector_of[y.index()]]];
            row.slice_mut(s![allowed * per_sector..(allowed + 1) * per_sector]).fill(0.0);
        }
        let mut logits = block.logits.clone();
        subtract_matmul(directions.view(), self.rows.t(), logits.view_mut());
        Some(logits)
    }

    pub(super) fn observe(&self, sums: &mut DirectionSums, block: &PairBlock<'_>, directions: &Array2<f32>) {
        if self.along.ncols() == 0 {
            return;
        }
        let logits =
            block.logits.as_slice_memory_order().map_or_else(|| block.logits.iter().copied().collect(), Cow::from);
        sums.whole += sum_and_squares(&logits).1;
        self.add(sums, &block.pairs, directions.view());
    }

    /// The sums of a model whose logits stay where they are, and each pair's mean logit: what lies along the rows comes back.
    ///
    /// # Arguments
    /// `energy`: the square norm of the logits less each pair's mean.
    pub(super) fn remote(
        &self,
        model: &dyn Interpretable,
        task: &Task,
        energy: f64,
    ) -> Result<(DirectionSums, Vec<f64>)> {
        let (n, count) = (task.order(), self.rows.ncols());
        let mean = Array2::from_elem((n, 1), 1.0 / n as f32);
        let weights = ndarray::concatenate(Axis(1), &[self.rows.view(), mean.view()]).expect("n rows each");
        let weights = weights.as_standard_layout();
        let (mut sums, mut means) = (self.start(), Vec::with_capacity(n * n));
        let at_once = (REMOTE_VALUES / (count + 1)).max(1);
        for first in (0..n * n).step_by(at_once) {
            let pairs = task.pairs(first..(n * n).min(first + at_once));
            let along = model.logits_along(&pairs, weights.view())?;
            means.extend(along.column(count).iter().map(|&mean| f64::from(mean)));
            self.add(&mut sums, &pairs, along.slice(s![.., ..count]));
        }
        sums.whole = energy + n as f64 * means.iter().map(|mean| mean * mean).sum::<f64>();
        Ok((sums, means))
    }

    /// Adds the logits of some pairs along every row of the blocks on every sector.
    fn add(&self, sums: &mut DirectionSums, pairs: &[Pair], directions: ArrayView2<'_, f32>) {
        let (sectors, m, rows) = (self.basis.sectors().len(), self.basis.rows(), self.along.ncols());
        if rows == 0 {
            return;
        }
        let by_position = sums.by_position.as_slice_mut().expect("row-major");
        for (&(x, y), row) in pairs.iter().zip(directions.outer_iter()) {
            let row = row.to_slice().expect("row-major");
            let (sx, sy) = (self.sector_of[x.index()], self.sector_of[y.index()]);
            for (so, row) in row.chunks_exact(rows).enumerate() {
                for (b, span) in self.offsets.windows(2).enumerate() {
                    let square = row[span[0]..span[1]].iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
                    sums.energy[[b, sx, sy, so]] += square;
                }
            }
            let Some(output) = self.exponents() else { continue };
            let row = &row[output[[sx, sy]] * rows..][..rows];
            let (tx, ty) = (self.position[x.index()], self.position[y.index()]);
            for (sign, t) in [(tx + ty) % m, (tx + m - ty) % m].into_iter().enumerate() {
                let cell = (((sx * sectors + sy) * 2 + sign) * m + t) * rows;
                by_position[cell..][..rows].iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
            }
        }
    }

    pub(super) fn finish(&self, parts: impl IntoIterator<Item = DirectionSums>) -> Result<LogitDirections> {
        let sectors = self.basis.sectors().len();
        let mut total = self.start();
        for part in parts {
            total.energy += &part.energy;
            total.by_position += &part.by_position;
            total.whole += part.whole;
        }
        check_finite_energy(total.energy.sum() + total.by_position.iter().map(|v| v * v).sum::<f64>())?;
        // Energies that are rounding of the logits of a region are none.
        let least = total.whole / (sectors * sectors) as f64 * rounding(self.basis.rows()).powi(2);
        total.energy.mapv_inplace(|energy| if energy > least { energy } else { 0.0 });
        let product_share = self.exponents().map(|output| {
            Array4::from_shape_fn((self.blocks.len(), sectors, sectors, 2), |(b, sx, sy, sign)| {
                let energy = total.energy[[b, sx, sy, output[[sx, sy]]]];
                if energy == 0.0 {
                    return None;
                }
                let rows = self.offsets[b]..self.offsets[b + 1];
                let by_position = total.by_position.slice(s![sx * sectors + sy, sign, .., rows.clone()]);
                // Coefficient of direction r along f_q: the sum over positions of D_r f_q.
                let coefficients = by_position.t().dot(&self.along.slice(s![.., rows]));
                Some(coefficients.iter().map(|c| c * c).sum::<f64>() / energy)
            })
        });
        let names = self.blocks.iter().map(|&b| self.basis.blocks()[b.index()].name.clone()).collect();
        let (blocks, output) = (self.blocks.to_vec(), self.output.clone());
        Ok(LogitDirections { blocks, names, output, energy: total.energy, product_share })
    }
}

impl LogitDirections {
    /// The energies, a row for every block and region.
    ///
    /// # Arguments
    /// `sectors`: what to call the sectors.
    ///
    /// # Panics
    /// If there are fewer names than sectors.
    #[must_use]
    pub fn table(&self, sectors: &[String]) -> Table {
        const NONE: &str = "the logits have no energy along the block there";
        let (_, count, _, _) = self.energy.dim();
        let mut columns = vec![BLOCK, REGION];
        columns.extend(sectors[..count].iter().map(|sector| {
            let means = "Energy of the logits, less each pair's mean, along the block's rows in this output sector.";
            Term::new(format!("to {sector}"), means)
        }));
        columns.extend(self.output.as_ref().map(|_| TO_SECTOR));
        columns.extend(self.product_share.iter().flat_map(|_| [PLUS, MINUS]));
        let row = |(b, name): (usize, &String), (sx, sy): (usize, usize)| {
            let energies = self.energy.slice(s![b, sx, sy, ..]);
            let mut row = vec![Cell::text(name), Cell::text(format!("{}, {}", sectors[sx], sectors[sy]))];
            row.extend(energies.iter().map(|&energy| Cell::Number(energy)));
            row.extend(self.output.as_ref().map(|output| {
                let total = energies.sum();
                Cell::share((total > 0.0).then(|| energies[output[[sx, sy]]] / total), NONE)
            }));
            let shares = self.product_share.iter().flat_map(|share| [share[[b, sx, sy, 0]], share[[b, sx, sy, 1]]]);
            row.extend(shares.map(|share| Cell::share(share, NONE)));
            row
        };
        let regions = || (0..count).flat_map(|sx| (0..count).map(move |sy| (sx, sy)));
        let of_block = |block: (usize, &String)| regions().map(|region| row(block, region)).collect::<Vec<_>>();
        let title = "Logit energy by block, region and output sector; shares along f(x + y), f(x - y)".into();
        Table { title, columns, rows: self.names.iter().enumerate().flat_map(of_block).collect() }
    }
}

impl fmt::Display for LogitDirections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sectors: Vec<String> = (0..self.energy.dim().1).map(|sector| format!("sector {sector}")).collect();
        self.table(&sectors).fmt(f)
    }
}

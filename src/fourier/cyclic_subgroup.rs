//! Cosines and sines along the cosets of a cyclic subgroup, by matrix product or FFT.

use super::{Block, Direction, FourierBasis, rounded};
use crate::group::{Cyclic, Dihedral, Elem, Fingerprint, Group, GroupExt};
use crate::linalg::{ComplexColumns, Fft, matmul_into};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use std::f64::consts::TAU;

/// Sectors longer than this use the FFT, shorter ones a matrix product (measured: `benches/fourier.rs`).
const LONGEST_DENSE: usize = 224;

/// Columns that the FFT takes at once: a cache line.
const COLUMNS: usize = 16;

/// Cosines and sines along the cosets of a cyclic subgroup `<h>` of order m.
///
/// Rows: `const`, `cos 1`, `sin 1`, `cos 2`, `sin 2`, ..., and for even m a lone last `cos m/2`. With t the position
/// in the sector, `const = 1/sqrt(m)`, `cos k = sqrt(2/m) cos(2 pi k t / m)`, `sin k` likewise, and the Nyquist row
/// is `(-1)^t / sqrt(m)`. Block k is frequency k.
///
/// For a cyclic group this is its real Fourier basis; for a dihedral group with h = r it is that of the rotations and
/// of the reflections.
///
/// ```
/// use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis};
/// use irreplens::group::Dihedral;
/// let basis = CyclicSubgroupBasis::dihedral(&Dihedral::new(4)?);
/// assert_eq!(basis.row_names(), ["const", "cos 1", "sin 1", "cos 2"]);
/// assert_eq!(basis.sectors().len(), 2);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub struct CyclicSubgroupBasis {
    generator: Elem,
    sectors: Vec<Vec<Elem>>,
    blocks: Vec<Block>,
    kernel: Kernel,
    fingerprint: Fingerprint,
}

enum Kernel {
    Dense(Array2<f32>),
    Fft(Fft<f32>),
}

impl CyclicSubgroupBasis {
    /// The basis along the right cosets `<generator> g`, whose representatives g are the first rows not yet covered.
    ///
    /// Any group has one; take an element of large order. O(n log n + m^2).
    ///
    /// # Panics
    /// If `generator.index() >= group.order()`, or a product is not below the order.
    #[must_use]
    pub fn new(group: &(impl Group + ?Sized), generator: Elem) -> Self {
        let mut seen = vec![false; group.order()];
        let mut sectors = Vec::new();
        for start in group.elements() {
            if seen[start.index()] {
                continue;
            }
            let mut sector = Vec::new();
            let mut element = start;
            while !std::mem::replace(&mut seen[element.index()], true) {
                sector.push(element);
                element = group.compose(generator, element);
            }
            sectors.push(sector);
        }
        let m = sectors[0].len();
        Self {
            generator,
            sectors,
            blocks: frequency_blocks(m),
            kernel: Kernel::new(m, m <= LONGEST_DENSE),
            fingerprint: group.fingerprint(),
        }
    }

    /// The real Fourier basis of C_n: one sector.
    #[must_use]
    pub fn cyclic(group: &Cyclic) -> Self {
        Self::new(group, Elem::new(1 % group.order()))
    }

    /// The notebook's basis of D_n: two sectors, rotations and reflections.
    #[must_use]
    pub fn dihedral(group: &Dihedral) -> Self {
        Self::new(group, Elem::new(1 % (group.order() / 2)))
    }

    /// The basis with its transform's fast path chosen by hand: the FFT or the matrix product.
    #[must_use]
    pub fn with_fft(mut self, fft: bool) -> Self {
        self.kernel = Kernel::new(self.rows(), !fft);
        self
    }
}

fn frequency_blocks(m: usize) -> Vec<Block> {
    let mut blocks = vec![Block { name: "const".into(), rows: 0..1 }];
    blocks.extend((1..=m / 2).map(|k| Block { name: format!("frequency {k}"), rows: 2 * k - 1..m.min(2 * k + 1) }));
    blocks
}

/// sqrt(1/m) for the constant and the Nyquist cosine, sqrt(2/m) for the rest.
fn norm(m: usize, row: usize) -> f64 {
    (if lone(m, row) { 1.0 } else { 2.0 } / m as f64).sqrt()
}

fn value(m: usize, row: usize, position: usize) -> f64 {
    let k = row.div_ceil(2);
    // Reduced before the division, so that large products lose nothing.
    let angle = TAU * (k * position % m) as f64 / m as f64;
    norm(m, row) * if is_cosine(row) { angle.cos() } else { angle.sin() }
}

/// Every [`value`]. They repeat with k * position modulo m: a cosine and a sine each for m angles are all there are.
fn matrix(m: usize) -> Array2<f64> {
    let angles: Vec<_> = (0..m).map(|t| (TAU * t as f64 / m as f64).sin_cos()).collect();
    let norms: Vec<_> = (0..m).map(|row| norm(m, row)).collect();
    Array2::from_shape_fn((m, m), |(row, position)| {
        let (sin, cos) = angles[row.div_ceil(2) * position % m];
        norms[row] * if is_cosine(row) { cos } else { sin }
    })
}

impl FourierBasis for CyclicSubgroupBasis {
    fn sectors(&self) -> &[Vec<Elem>] {
        &self.sectors
    }
    fn blocks(&self) -> &[Block] {
        &self.blocks
    }
    fn row_name(&self, row: usize) -> String {
        let k = row.div_ceil(2);
        match row {
            0 => "const".into(),
            _ if row % 2 == 1 => format!("cos {k}"),
            _ => format!("sin {k}"),
        }
    }
    fn value(&self, row: usize, position: usize) -> f64 {
        value(self.rows(), row, position)
    }
    fn generator(&self) -> Option<Elem> {
        Some(self.generator)
    }
    fn name(&self) -> String {
        let (h, m, cosets) = (self.generator.index(), self.rows(), self.sectors.len());
        let each = if cosets == 1 { String::new() } else { format!(", on each of its {cosets} cosets") };
        format!("cosines and sines along the {m} powers of element {h}{each}")
    }
    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.fingerprint)
    }
    fn matrix(&self) -> Array2<f64> {
        matrix(self.rows())
    }
    fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
        match (&self.kernel, direction) {
            (Kernel::Dense(matrix), Direction::Forward) => matmul_into(matrix.view(), input, output),
            (Kernel::Dense(matrix), Direction::Inverse) => matmul_into(matrix.t(), input, output),
            (Kernel::Fft(fft), Direction::Forward) => forward(fft, input, output),
            (Kernel::Fft(fft), Direction::Inverse) => inverse(fft, input, output),
        }
    }
}

impl Kernel {
    fn new(m: usize, dense: bool) -> Self {
        if dense {
            return Self::Dense(matrix(m).mapv(rounded));
        }
        Self::Fft(Fft::new(m))
    }
}

/// A cosine is the real part of its bin, a sine minus the imaginary one.
fn forward(fft: &Fft<f32>, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
    let norms = norms(input.nrows(), 1.0);
    by_blocks(input, output, |from, bins, scratch, mut to| {
        for (t, row) in from.outer_iter().enumerate() {
            ArrayViewMut1::from(&mut bins.re[t][..row.len()]).assign(&row);
        }
        bins.im.fill([0.0; COLUMNS]);
        fft.forward(bins, scratch);
        for (row, (norm, mut to)) in norms.iter().zip(to.outer_iter_mut()).enumerate() {
            let k = row.div_ceil(2);
            let values = if is_cosine(row) { bins.re[k].map(|v| norm * v) } else { bins.im[k].map(|v| -norm * v) };
            to.assign(&ArrayView1::from(&values[..from.ncols()]));
        }
    });
}

/// The transpose of [`forward`].
fn inverse(fft: &Fft<f32>, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
    let m = input.nrows();
    let norms = norms(m, 2.0);
    by_blocks(input, output, |from, bins, scratch, mut to| {
        for (row, norm) in norms.iter().enumerate() {
            let (k, columns) = (row.div_ceil(2), from.ncols());
            let (part, norm) = if is_cosine(row) { (&mut bins.re, *norm) } else { (&mut bins.im, -norm) };
            let values = &mut part[k];
            ArrayViewMut1::from(&mut values[..columns]).assign(&from.row(row));
            values.iter_mut().for_each(|v| *v *= norm);
            if lone(m, row) {
                bins.im[k] = [0.0; COLUMNS];
            }
        }
        // A real column's bins k and m - k are conjugates.
        for k in 1..m.div_ceil(2) {
            (bins.re[m - k], bins.im[m - k]) = (bins.re[k], bins.im[k].map(|v| -v));
        }
        fft.inverse(bins, scratch);
        for (t, mut row) in to.outer_iter_mut().enumerate() {
            row.assign(&ArrayView1::from(&bins.re[t][..from.ncols()]));
        }
    });
}

/// The [`norm`] of every row, for each of its bins: `over` is how many share it, where a frequency has two.
fn norms(m: usize, over: f64) -> Vec<f32> {
    (0..m).map(|row| rounded(norm(m, row) / if lone(m, row) { 1.0 } else { over })).collect()
}

/// Calls `f` for every [`COLUMNS`] columns (the last time for those that are left), with room for their bins.
fn by_blocks(
    input: ArrayView2<'_, f32>,
    mut output: ArrayViewMut2<'_, f32>,
    f: impl Fn(ArrayView2<'_, f32>, &mut Bins, &mut Bins, ArrayViewMut2<'_, f32>),
) {
    let (mut bins, mut scratch) = (Bins::zeros(input.nrows()), Bins::zeros(input.nrows()));
    let to = output.axis_chunks_iter_mut(Axis(1), COLUMNS);
    for (from, to) in input.axis_chunks_iter(Axis(1), COLUMNS).zip(to) {
        f(from, &mut bins, &mut scratch, to);
    }
}

type Bins = ComplexColumns<f32, COLUMNS>;

/// Whether a row is a cosine, as the constant is of frequency 0.
fn is_cosine(row: usize) -> bool {
    row == 0 || row % 2 == 1
}

/// Whether a row's frequency has no sine: the constant's, and the Nyquist frequency.
fn lone(m: usize, row: usize) -> bool {
    let k = row.div_ceil(2);
    k == 0 || 2 * k == m
}

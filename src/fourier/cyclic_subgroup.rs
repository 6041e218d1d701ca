//! Cosines and sines along the cosets of a cyclic subgroup, by matrix product or FFT.

use super::{Block, Direction, FourierBasis, rounded};
use crate::group::{Cyclic, Dihedral, Elem, Fingerprint, Group, GroupExt};
use crate::linalg::matmul_into;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::f64::consts::TAU;
use std::sync::Arc;

/// Sectors longer than this use the FFT, shorter ones a matrix product (measured: `benches/fourier.rs`).
const LONGEST_DENSE: usize = 224;

/// Columns gathered at a time, so that strided input is read a cache line at once.
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
    Fft { forward: Arc<dyn RealToComplex<f32>>, inverse: Arc<dyn ComplexToReal<f32>> },
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
    let k = row.div_ceil(2);
    (if k == 0 || 2 * k == m { 1.0 } else { 2.0 } / m as f64).sqrt()
}

fn value(m: usize, row: usize, position: usize) -> f64 {
    let k = row.div_ceil(2);
    // Reduced before the division, so that large products lose nothing.
    let angle = TAU * (k * position % m) as f64 / m as f64;
    norm(m, row) * if row == 0 || row % 2 == 1 { angle.cos() } else { angle.sin() }
}

/// Every [`value`]. They repeat with k * position modulo m: a cosine and a sine each for m angles are all there are.
fn matrix(m: usize) -> Array2<f64> {
    let angles: Vec<_> = (0..m).map(|t| (TAU * t as f64 / m as f64).sin_cos()).collect();
    let norms: Vec<_> = (0..m).map(|row| norm(m, row)).collect();
    Array2::from_shape_fn((m, m), |(row, position)| {
        let (sin, cos) = angles[row.div_ceil(2) * position % m];
        norms[row] * if row == 0 || row % 2 == 1 { cos } else { sin }
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
    fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, mut output: ArrayViewMut2<'_, f32>) {
        match (&self.kernel, direction) {
            (Kernel::Dense(matrix), Direction::Forward) => matmul_into(matrix.view(), input, output),
            (Kernel::Dense(matrix), Direction::Inverse) => matmul_into(matrix.t(), input, output),
            (Kernel::Fft { forward, .. }, Direction::Forward) => {
                let mut bins = forward.make_output_vec();
                let mut scratch = forward.make_scratch_vec();
                each_column(input, &mut output, |column| {
                    forward.process_with_scratch(column, &mut bins, &mut scratch).expect("lengths match the plan");
                    real_from_bins(&bins, column);
                });
            }
            (Kernel::Fft { inverse, .. }, Direction::Inverse) => {
                let mut bins = inverse.make_input_vec();
                let mut scratch = inverse.make_scratch_vec();
                each_column(input, &mut output, |column| {
                    bins_from_real(column, &mut bins);
                    inverse.process_with_scratch(&mut bins, column, &mut scratch).expect("lengths match the plan");
                });
            }
        }
    }
}

impl Kernel {
    fn new(m: usize, dense: bool) -> Self {
        if dense {
            return Self::Dense(matrix(m).mapv(rounded));
        }
        let mut planner = RealFftPlanner::new();
        Self::Fft { forward: planner.plan_fft_forward(m), inverse: planner.plan_fft_inverse(m) }
    }
}

/// Applies `f` in place to a contiguous copy of every column of `input`, writing the columns of `output`.
fn each_column(input: ArrayView2<'_, f32>, output: &mut ArrayViewMut2<'_, f32>, mut f: impl FnMut(&mut [f32])) {
    let m = input.nrows();
    let mut columns = vec![0.0; COLUMNS * m];
    for first in (0..input.ncols()).step_by(COLUMNS) {
        let width = COLUMNS.min(input.ncols() - first);
        for t in 0..m {
            for j in 0..width {
                columns[j * m + t] = input[[t, first + j]];
            }
        }
        columns[..width * m].chunks_exact_mut(m).for_each(&mut f);
        for t in 0..m {
            for j in 0..width {
                output[[t, first + j]] = columns[j * m + t];
            }
        }
    }
}

/// `sum_t v_t e^(-2 pi i k t / m)` to orthonormal cosines and sines.
fn real_from_bins(bins: &[Complex<f32>], rows: &mut [f32]) {
    let m = rows.len();
    let (lone, pair) = ((1.0 / m as f32).sqrt(), (2.0 / m as f32).sqrt());
    rows[0] = lone * bins[0].re;
    for k in 1..=m / 2 {
        rows[2 * k - 1] = bins[k].re * if 2 * k == m { lone } else { pair };
        if 2 * k < m {
            rows[2 * k] = -pair * bins[k].im;
        }
    }
}

/// The inverse of [`real_from_bins`] up to the factor m that the unnormalised inverse FFT puts back.
fn bins_from_real(rows: &[f32], bins: &mut [Complex<f32>]) {
    let m = rows.len();
    let (lone, pair) = ((1.0 / m as f32).sqrt(), (0.5 / m as f32).sqrt());
    bins[0] = Complex::new(lone * rows[0], 0.0);
    for k in 1..=m / 2 {
        bins[k] = if 2 * k == m {
            Complex::new(lone * rows[2 * k - 1], 0.0)
        } else {
            Complex::new(pair * rows[2 * k - 1], -pair * rows[2 * k])
        };
    }
}

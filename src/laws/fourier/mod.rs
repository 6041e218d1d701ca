//! The laws of [`FourierBasis`], in the numbering of its documentation.
//!
//! Transforms are tried on functions drawn with [`SEED`](super::SEED) and, while m^3 is at most [`EXHAUSTIVE`] (to
//! m = 128), on all unit vectors. Witnesses are positions in sectors, rows and columns.
//!
//! Every function but [`sectors`] first makes sure of what it relies on, so none panics on a broken basis; a panic of
//! an implementor's own is passed on.

mod coset;
mod transform;
mod translation;

pub use coset::{convolution, cosets, shift};
pub use transform::{fast_equals_dense, inverse_1d, inverse_2d, parseval};
pub use translation::translations;

use super::{DOUBLE_TOLERANCE, EXHAUSTIVE, Violation, uniform};
use crate::fourier::FourierBasis;
use crate::group::Group;
use ndarray::{Array1, Array2, ArrayViewD, Axis, concatenate};

/// Random functions tried at a time: more than a fast path is likely to work on at once.
const RANDOM: usize = 19;

/// All laws that need only the basis, in an order in which each may rely on those before it: [`sectors`], [`blocks`],
/// [`orthonormality`], [`fast_equals_dense`], [`inverse_1d`], [`inverse_2d`], [`parseval`], [`shift`], [`convolution`].
///
/// The 2-D transforms take O(n^2 m) multiplications: seconds at order 1000 without a fast path.
///
/// ```
/// use irreplens::fourier::{Block, FourierBasis};
/// use irreplens::group::Elem;
///
/// /// The values themselves: orthonormal, but no row is constant.
/// struct Points { sectors: Vec<Vec<Elem>>, blocks: Vec<Block> }
///
/// impl FourierBasis for Points {
///     fn sectors(&self) -> &[Vec<Elem>] { &self.sectors }
///     fn blocks(&self) -> &[Block] { &self.blocks }
///     fn row_name(&self, row: usize) -> String { format!("point {row}") }
///     fn value(&self, row: usize, position: usize) -> f64 { if row == position { 1.0 } else { 0.0 } }
/// }
///
/// let points = Points {
///     sectors: vec![(0..4).map(Elem::new).collect()],
///     blocks: (0..4).map(|row| Block { name: String::new(), rows: row..row + 1 }).collect(),
/// };
/// let violation = irreplens::laws::fourier::check(&points).unwrap_err();
/// assert_eq!(violation.to_string(), "law `blocks` fails at [0, 0]: 1.0 against 0.5");
/// ```
///
/// # Errors
/// The first violation found.
pub fn check(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    sectors(basis)?;
    blocks(basis)?;
    orthonormality(basis)?;
    fast_equals_dense(basis)?;
    inverse_1d(basis)?;
    inverse_2d(basis)?;
    parseval(basis)?;
    shift(basis)?;
    convolution(basis)
}

/// [`check`], and those that tie the basis to its group: [`cosets`] and [`translations`].
///
/// # Errors
/// The first violation found.
pub fn check_on(basis: &(impl FourierBasis + ?Sized), group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    check(basis)?;
    cosets(basis, group)?;
    translations(basis, group)
}

/// Sectors partition `0..order`, in equal sizes m >= 1; `rows` is m and `order` is sectors times m.
///
/// # Errors
/// `sectors`: the sector of another size; [sector, position] of an element beyond the order; an element and the two
/// places it stands at.
pub fn sectors(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "sectors";
    let sectors = basis.sectors();
    let m = sectors.first().map_or(0, Vec::len);
    if m == 0 {
        return Err(Violation::new(LAW, "size of sector 0", m, 1..));
    }
    for (s, sector) in sectors.iter().enumerate() {
        Violation::unless_equal(LAW, format_args!("size of sector {s}"), sector.len(), m)?;
    }
    let n = sectors.len() * m;
    Violation::unless_equal(LAW, "rows", basis.rows(), m)?;
    Violation::unless_equal(LAW, "order", basis.order(), n)?;
    let mut seen = vec![None; n];
    for (s, sector) in sectors.iter().enumerate() {
        for (t, element) in sector.iter().enumerate() {
            let Some(place) = seen.get_mut(element.index()) else {
                return Err(Violation::new(LAW, [s, t], element, 0..n));
            };
            if let Some(first) = place.replace([s, t]) {
                return Err(Violation::new(LAW, element, first, [s, t]));
            }
        }
    }
    Ok(())
}

/// Blocks are nonempty and partition the rows in order; block 0 is row 0, constantly `1/sqrt(m)`; `block_of_row` and
/// `chance_share` follow from them.
///
/// # Errors
/// `blocks`: the block, its rows and those it should have; [0, position] and the value against `1/sqrt(m)`; `sectors`
/// as [`sectors`].
pub fn blocks(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "blocks";
    sectors(basis)?;
    let (m, blocks) = (basis.rows(), basis.blocks());
    Violation::unless_equal(LAW, "block 0", blocks.first().map(|b| b.rows.clone()), Some(0..1))?;
    let mut next = 0;
    for (b, block) in blocks.iter().enumerate() {
        if block.rows.start != next || block.rows.is_empty() || block.rows.end > m {
            let (witness, expected) = (format_args!("block {b}"), format_args!("{next}.. below {m}"));
            return Err(Violation::new(LAW, witness, &block.rows, expected));
        }
        next = block.rows.end;
    }
    Violation::unless_equal(LAW, "rows in blocks", next, m)?;
    let of = blocks.iter().enumerate().flat_map(|(b, block)| block.rows.clone().map(move |_| b)).collect();
    Violation::unless_equal(LAW, "block of row", basis.block_of_row(), of)?;
    for (b, block) in blocks.iter().enumerate() {
        let side = if b == 0 { 1.0 } else { 1.0 + block.rows.len() as f64 } / m as f64;
        let witness = format_args!("chance share of block {b}");
        Violation::unless_close(LAW, witness, basis.chance_share(b), side * side, DOUBLE_TOLERANCE)?;
    }
    let constant = (1.0 / m as f64).sqrt();
    (0..m).try_for_each(|t| Violation::unless_close(LAW, [0, t], basis.value(0, t), constant, DOUBLE_TOLERANCE))
}

/// The rows of [`matrix`](FourierBasis::matrix) are orthonormal, and its entries are the basis's values.
///
/// Above m = 128 only those products are formed that random combinations of the rows show to be wrong.
///
/// # Errors
/// `orthonormality`: two rows, their product, and 1 or 0; `matrix`: row, position, the entry and the value; `sectors`
/// as [`sectors`].
pub fn orthonormality(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    let matrix = matrix(basis)?;
    let m = matrix.nrows();
    let suspects: Vec<usize> = if is_small(m) {
        (0..m).collect()
    } else {
        let mix = uniform(m).mapv(f64::from);
        let back = matrix.dot(&matrix.t().dot(&mix));
        let far = |&row: &usize| {
            let off = (back[row] - mix[row]).abs();
            off.is_nan() || off > DOUBLE_TOLERANCE * (m as f64).sqrt()
        };
        (0..m).filter(far).collect()
    };
    suspects.into_iter().try_for_each(|row| {
        let products = matrix.dot(&matrix.row(row));
        products.iter().enumerate().try_for_each(|(other, &product)| {
            let expected = if row == other { 1.0 } else { 0.0 };
            Violation::unless_close("orthonormality", [row, other], product, expected, DOUBLE_TOLERANCE)
        })
    })
}

/// The matrix, once sectors are sound and its entries are the basis's values.
fn matrix(basis: &dyn FourierBasis) -> Result<Array2<f64>, Violation> {
    const LAW: &str = "matrix";
    sectors(basis)?;
    let matrix = basis.matrix();
    Violation::unless_equal(LAW, "shape", matrix.dim(), (basis.rows(), basis.rows()))?;
    for ((row, t), &entry) in matrix.indexed_iter() {
        Violation::unless_close(LAW, [row, t], entry, basis.value(row, t), DOUBLE_TOLERANCE)?;
    }
    Ok(matrix)
}

fn is_small(length: usize) -> bool {
    length.saturating_pow(3) <= EXHAUSTIVE
}

/// Functions on `length` points, one a column: all unit vectors if they are few, then random ones.
fn functions(length: usize) -> Array2<f32> {
    let random = uniform((length, RANDOM));
    if !is_small(length) {
        return random;
    }
    concatenate(Axis(1), &[Array2::eye(length).view(), random.view()]).expect("as many rows")
}

fn norms(values: &Array2<f32>) -> Array1<f64> {
    energies(values.view().into_dyn()).mapv(f64::sqrt)
}

/// Sum of squares over everything but the last axis.
fn energies(values: ArrayViewD<'_, f32>) -> Array1<f64> {
    let last = Axis(values.ndim() - 1);
    values.axis_iter(last).map(|channel| channel.iter().map(|&v| f64::from(v).powi(2)).sum()).collect()
}

/// Makes a module with one `#[test]` for each law of [`FourierBasis`](crate::fourier::FourierBasis).
///
/// The expressions are a basis and its group, or references to them; each test makes its own.
///
/// ```
/// use irreplens::fourier::CyclicSubgroupBasis;
/// use irreplens::group::Cyclic;
/// irreplens::fourier_laws!(
///     cyclic_7,
///     CyclicSubgroupBasis::cyclic(&Cyclic::new(7).unwrap()),
///     Cyclic::new(7).unwrap(),
/// );
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! fourier_laws {
    ($name:ident, $basis:expr, $group:expr $(,)?) => {
        $crate::each_law!(
            $name,
            fourier,
            sectors(&$basis),
            blocks(&$basis),
            orthonormality(&$basis),
            fast_equals_dense(&$basis),
            inverse_1d(&$basis),
            inverse_2d(&$basis),
            parseval(&$basis),
            shift(&$basis),
            convolution(&$basis),
            cosets(&$basis, &$group),
            translations(&$basis, &$group)
        );
    };
}

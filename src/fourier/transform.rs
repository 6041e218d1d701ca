//! Transforms of functions on the group and of functions of pairs, for any basis.

use super::{Direction, FourierBasis};
use crate::error::{Result, check_shape};
use ndarray::{Array2, Array3, Array5, ArrayView2, ArrayView3, ArrayView5, ArrayViewMut2, Axis, s};

/// Coefficients of functions on the group, channel by channel.
///
/// # Arguments
/// `values`: (n, channels), row x the values at element x.
///
/// # Returns
/// (sectors, rows, channels).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `values` does not have one row per element.
///
/// ```
/// use irreplens::{fourier::{CyclicSubgroupBasis, forward}, group::Cyclic};
/// let basis = CyclicSubgroupBasis::cyclic(&Cyclic::new(4)?);
/// let coefficients = forward(&basis, ndarray::Array2::ones((4, 1)).view())?;
/// assert_eq!(coefficients[[0, 0, 0]], 2.0); // 4 / sqrt(4)
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn forward(basis: &(impl FourierBasis + ?Sized), values: ArrayView2<'_, f32>) -> Result<Array3<f32>> {
    let basis: &dyn FourierBasis = &basis;
    let (n, m) = (basis.order(), basis.rows());
    check_shape("values of a 1-D transform", &[n, values.ncols()], values.shape())?;
    let mut out = Array3::zeros((basis.sectors().len(), m, values.ncols()));
    for (sector, out) in basis.sectors().iter().zip(out.outer_iter_mut()) {
        let rows: Vec<usize> = sector.iter().map(|e| e.index()).collect();
        basis.transform(Direction::Forward, values.select(Axis(0), &rows).view(), out);
    }
    Ok(out)
}

/// The functions with these coefficients: the inverse of [`forward`].
///
/// # Arguments
/// `coefficients`: (sectors, rows, channels).
///
/// # Returns
/// (n, channels).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `coefficients` does not have the basis's sectors and rows.
pub fn inverse(basis: &(impl FourierBasis + ?Sized), coefficients: ArrayView3<'_, f32>) -> Result<Array2<f32>> {
    let basis: &dyn FourierBasis = &basis;
    let (n, m, channels) = (basis.order(), basis.rows(), coefficients.dim().2);
    check_shape("coefficients of a 1-D transform", &[basis.sectors().len(), m, channels], coefficients.shape())?;
    let mut out = Array2::zeros((n, channels));
    let mut values = Array2::zeros((m, channels));
    for (sector, coefficients) in basis.sectors().iter().zip(coefficients.outer_iter()) {
        basis.transform(Direction::Inverse, coefficients, values.view_mut());
        for (e, row) in sector.iter().zip(values.outer_iter()) {
            out.row_mut(e.index()).assign(&row);
        }
    }
    Ok(out)
}

/// The notebook's `untile2d` for any basis: functions of pairs cut into regions (sector of x, sector of y), elements
/// in sector order.
///
/// # Arguments
/// `values`: (n, n, channels), entry [x, y, channel].
///
/// # Returns
/// (sectors, sectors, m, m, channels), stored as (sector of x, x, sector of y, y, channel).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the first two axes are not n by n.
pub fn untile_2d(basis: &(impl FourierBasis + ?Sized), values: ArrayView3<'_, f32>) -> Result<Array5<f32>> {
    let basis: &dyn FourierBasis = &basis;
    let (n, channels) = (basis.order(), values.dim().2);
    check_shape("values of a 2-D transform", &[n, n, channels], values.shape())?;
    let order: Vec<usize> = basis.sectors().iter().flatten().map(|e| e.index()).collect();
    let tiled = if order.iter().copied().eq(0..n) {
        values.as_standard_layout().into_owned()
    } else {
        let mut tiled = Array3::zeros((n, n, channels));
        for (&x, mut to) in order.iter().zip(tiled.outer_iter_mut()) {
            let from = values.index_axis(Axis(0), x);
            for (&y, mut to) in order.iter().zip(to.outer_iter_mut()) {
                to.assign(&from.row(y));
            }
        }
        tiled
    };
    Ok(as_regions(basis, tiled))
}

/// The notebook's `tile2d`: regions put back into functions of pairs, the inverse of [`untile_2d`].
///
/// # Arguments
/// `regions`: (sectors, sectors, m, m, channels).
///
/// # Returns
/// (n, n, channels).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the first four axes are not the basis's.
pub fn tile_2d(basis: &(impl FourierBasis + ?Sized), regions: ArrayView5<'_, f32>) -> Result<Array3<f32>> {
    let basis: &dyn FourierBasis = &basis;
    let (n, channels) = (basis.order(), regions.dim().4);
    check_regions(basis, regions)?;
    let mut out = Array3::zeros((n, n, channels));
    for (sx, x_sector) in basis.sectors().iter().enumerate() {
        for (sy, y_sector) in basis.sectors().iter().enumerate() {
            for (i, x) in x_sector.iter().enumerate() {
                for (j, y) in y_sector.iter().enumerate() {
                    out.slice_mut(s![x.index(), y.index(), ..]).assign(&regions.slice(s![sx, sy, i, j, ..]));
                }
            }
        }
    }
    Ok(out)
}

/// 2-D coefficients of functions of pairs (x, y), channel by channel and region by region.
///
/// # Arguments
/// `values`: (n, n, channels), entry [x, y, channel].
///
/// # Returns
/// (sectors, sectors, rows, rows, channels): sector of x, sector of y, row along x, row along y.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the first two axes are not n by n.
///
/// Cost: 2 n^2 m channels multiply-adds by matrix product, O(n^2 log m channels) by FFT; on the calling thread.
pub fn forward_2d(basis: &(impl FourierBasis + ?Sized), values: ArrayView3<'_, f32>) -> Result<Array5<f32>> {
    let basis: &dyn FourierBasis = &basis;
    Ok(transform_regions(basis, Direction::Forward, untile_2d(basis, values)?))
}

/// The functions of pairs with these coefficients: the inverse of [`forward_2d`].
///
/// # Arguments
/// `coefficients`: (sectors, sectors, rows, rows, channels).
///
/// # Returns
/// (n, n, channels).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the first four axes are not the basis's.
pub fn inverse_2d(basis: &(impl FourierBasis + ?Sized), coefficients: ArrayView5<'_, f32>) -> Result<Array3<f32>> {
    let basis: &dyn FourierBasis = &basis;
    check_regions(basis, coefficients)?;
    tile_2d(basis, transform_regions(basis, Direction::Inverse, coefficients.to_owned()).view())
}

/// Transforms every sector of `from`, rows in sector order: (n, channels) to the same.
pub(crate) fn transform_sectors(
    basis: &dyn FourierBasis,
    direction: Direction,
    from: ArrayView2<'_, f32>,
    mut to: ArrayViewMut2<'_, f32>,
) {
    let m = basis.rows();
    for (from, to) in from.axis_chunks_iter(Axis(0), m).zip(to.axis_chunks_iter_mut(Axis(0), m)) {
        basis.transform(direction, from, to);
    }
}

/// Transforms x and y of every region.
fn transform_regions(basis: &dyn FourierBasis, direction: Direction, regions: Array5<f32>) -> Array5<f32> {
    let (sectors, _, m, _, channels) = regions.dim();
    let n = sectors * m;
    let from = regions.permuted_axes([0, 2, 1, 3, 4]).as_standard_layout().into_owned();
    let mut from = from.into_shape_with_order((n, n, channels)).expect("row-major");
    let mut to = Array3::zeros((n, n, channels));
    for (from, to) in from.outer_iter().zip(to.outer_iter_mut()) {
        transform_sectors(basis, direction, from, to);
    }
    // Row x holds all y and channels: along x it is one matrix again.
    let columns = to.view().into_shape_with_order((n, n * channels)).expect("row-major");
    let back = from.view_mut().into_shape_with_order((n, n * channels)).expect("row-major");
    transform_sectors(basis, direction, columns, back);
    as_regions(basis, from)
}

/// (n, n, channels) in sector order, row-major, seen as (sectors, sectors, m, m, channels).
fn as_regions(basis: &dyn FourierBasis, tiled: Array3<f32>) -> Array5<f32> {
    let (sectors, m, channels) = (basis.sectors().len(), basis.rows(), tiled.dim().2);
    let regions = tiled.into_shape_with_order((sectors, m, sectors, m, channels)).expect("row-major");
    regions.permuted_axes([0, 2, 1, 3, 4])
}

fn check_regions(basis: &dyn FourierBasis, regions: ArrayView5<'_, f32>) -> Result<()> {
    let (sectors, m) = (basis.sectors().len(), basis.rows());
    check_shape("coefficients of a 2-D transform", &[sectors, sectors, m, m, regions.dim().4], regions.shape())
}

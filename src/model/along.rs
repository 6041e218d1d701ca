//! Few numbers of many activations: logits along directions, and coefficients of a site along y.

use super::energies::check_order;
use super::{Interpretable, LOGITS, check_finite, width};
use crate::error::{Result, check_shape};
use crate::fourier::FourierBasis;
use crate::linalg::{map_blocks, matmul, matmul_into};
use crate::memory;
use crate::task::{Pair, pairs};
use ndarray::{Array2, Array3, ArrayView2, Axis, CowArray, Ix2, s};

/// Logits times directions.
pub(super) fn logits_along(
    model: &dyn Interpretable,
    pairs: &[Pair],
    directions: ArrayView2<'_, f32>,
) -> Result<Array2<f32>> {
    check_directions(model, directions)?;
    let logits = model.forward(pairs)?;
    check_finite(LOGITS, logits.view(), pairs)?;
    Ok(matmul(logits.view(), directions))
}

pub(super) fn check_directions(model: &dyn Interpretable, directions: ArrayView2<'_, f32>) -> Result<()> {
    check_shape("directions of the logits", &[model.order(), directions.ncols()], directions.shape())
}

/// For every x, the rows of the basis times the activations of each sector of y.
pub(super) fn coefficients_along_y(
    model: &dyn Interpretable,
    site: &str,
    basis: &dyn FourierBasis,
    rows: &[usize],
) -> Result<Array3<f32>> {
    let (n, per_x, width) = check_rows(model, site, basis, rows)?;
    if per_x == 0 {
        return Ok(Array3::zeros((n, 0, width)));
    }
    let rows_of_basis = rows_of_basis(basis, rows);
    let sectors: Vec<Vec<usize>> = basis.sectors().iter().map(|s| s.iter().map(|e| e.index()).collect()).collect();
    let of_x = map_blocks(n, 1, |x| {
        let values = model.run_with_cache(&pairs(n, x.start * n..x.end * n), &[site])?.take(site)?;
        let mut out = Array2::zeros((per_x, width));
        for (sector, out) in sectors.iter().zip(out.axis_chunks_iter_mut(Axis(0), rows.len())) {
            matmul_into(rows_of_basis.view(), rows_of(&values, sector).view(), out);
        }
        Ok(out)
    });
    let of_x = of_x.into_iter().collect::<Result<Vec<_>>>()?;
    let views: Vec<_> = of_x.iter().map(|of| of.view()).collect();
    Ok(ndarray::stack(Axis(0), &views).expect("coefficients of one shape"))
}

/// The order, the coefficients of every x and the width of a site whose [`coefficients_along_y`] fit in memory.
pub(super) fn check_rows(
    model: &dyn Interpretable,
    site: &str,
    basis: &dyn FourierBasis,
    rows: &[usize],
) -> Result<(usize, usize, usize)> {
    check_order(model, basis)?;
    let (n, per_x, width) = (model.order(), basis.sectors().len() * rows.len(), width(model, site)?);
    memory::check("coefficients along y", memory::bytes::<f32>(&[2, n, per_x, width]))?;
    Ok((n, per_x, width))
}

/// Some rows of a basis, as functions of the position in a sector: (rows, m).
pub(crate) fn rows_of_basis(basis: &dyn FourierBasis, rows: &[usize]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), basis.rows()), |(r, t)| basis.value(rows[r], t) as f32)
}

/// Some rows of a matrix: where they are consecutive, without a copy.
pub(crate) fn rows_of<'a>(matrix: &'a Array2<f32>, rows: &[usize]) -> CowArray<'a, f32, Ix2> {
    if rows.windows(2).all(|w| w[0] + 1 == w[1]) {
        matrix.slice(s![rows[0]..rows[0] + rows.len(), ..]).into()
    } else {
        matrix.select(Axis(0), rows).into()
    }
}

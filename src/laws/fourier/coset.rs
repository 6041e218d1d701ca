//! The laws of bases that name a generator: cosets, shifts and convolution.

use super::{blocks, functions, norms, sectors};
use crate::fourier::{Direction, FourierBasis};
use crate::group::Group;
use crate::laws::{TRANSFORM_TOLERANCE, Violation, uniform};
use ndarray::{Array2, Axis};
use std::f64::consts::TAU;

/// Where the basis names a generator h: every sector is `g, h g, h^2 g, ...`, and `h^m g = g`.
///
/// # Errors
/// `cosets`: the orders if they differ; h if it is none; [sector, position], the element there and h times the one
/// before; `sectors` as [`sectors`].
pub fn cosets(basis: &(impl FourierBasis + ?Sized), group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "cosets";
    sectors(basis)?;
    Violation::unless_equal(LAW, "order", basis.order(), group.order())?;
    let Some(h) = basis.generator() else { return Ok(()) };
    if h.index() >= group.order() {
        return Err(Violation::new(LAW, "generator", h, 0..group.order()));
    }
    for (s, sector) in basis.sectors().iter().enumerate() {
        for (t, &element) in sector.iter().enumerate() {
            let next = (t + 1) % sector.len();
            Violation::unless_equal(LAW, [s, next], sector[next], group.compose(h, element))?;
        }
    }
    Ok(())
}

/// Where the basis names a generator: moving a function one position on turns block k by the angle 2 pi k / m, a pair
/// of rows as (real, imaginary) part, a single row as real part.
///
/// # Errors
/// `shift`: [row, column], the coefficient of the function moved, and that of the function, turned; a block of more
/// than two rows; `blocks` as [`blocks`].
pub fn shift(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "shift";
    if basis.generator().is_none() {
        return Ok(());
    }
    frequencies(LAW, basis)?;
    let m = basis.rows();
    let values = functions(m);
    let moved = Array2::from_shape_fn(values.dim(), |(t, column)| values[[(t + m - 1) % m, column]]);
    let (before, after) = (coefficients(basis, &values), coefficients(basis, &moved));
    for (column, &norm) in norms(&values).iter().enumerate() {
        for (k, block) in basis.blocks().iter().enumerate() {
            let (sin, cos) = (TAU * k as f64 / m as f64).sin_cos();
            let [re, im] = complex(&before, block.rows.start, block.rows.len(), column);
            for (row, turned) in block.rows.clone().zip([cos * re - sin * im, sin * re + cos * im]) {
                Violation::unless_close(LAW, [row, column], after[[row, column]], turned, TRANSFORM_TOLERANCE * norm)?;
            }
        }
    }
    Ok(())
}

/// Where the basis names a generator: the cyclic convolution `sum over s of f(s) g(t - s)` multiplies blocks as complex
/// numbers, pairs of rows times `sqrt(m / 2)`, single rows times `sqrt(m)`.
///
/// # Errors
/// `convolution`: [row, column], the coefficient of the convolution, and the product; a block of more than two rows;
/// `blocks` as [`blocks`].
pub fn convolution(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "convolution";
    if basis.generator().is_none() {
        return Ok(());
    }
    frequencies(LAW, basis)?;
    let m = basis.rows();
    let both = uniform((m, 4));
    let (f, g) = both.view().split_at(Axis(1), 2);
    let convolved = Array2::from_shape_fn((m, 2), |(t, column)| {
        (0..m).map(|s| f64::from(f[[s, column]]) * f64::from(g[[(t + m - s) % m, column]])).sum::<f64>() as f32
    });
    let (f_hat, g_hat) = (coefficients(basis, &f.to_owned()), coefficients(basis, &g.to_owned()));
    let product = coefficients(basis, &convolved);
    let (f_norms, g_norms) = (norms(&f.to_owned()), norms(&g.to_owned()));
    for column in 0..2 {
        let scale = (m as f64).sqrt() * f_norms[column] * g_norms[column];
        for block in basis.blocks() {
            let rows = block.rows.len();
            let factor = (m as f64 / rows as f64).sqrt();
            let [a, b] = complex(&f_hat, block.rows.start, rows, column);
            let [c, d] = complex(&g_hat, block.rows.start, rows, column);
            for (row, expected) in block.rows.clone().zip([a * c - b * d, a * d + b * c]) {
                let got = product[[row, column]];
                Violation::unless_close(LAW, [row, column], got, factor * expected, TRANSFORM_TOLERANCE * scale)?;
            }
        }
    }
    Ok(())
}

/// Blocks of one or two rows.
fn frequencies(law: &'static str, basis: &dyn FourierBasis) -> Result<(), Violation> {
    blocks(basis)?;
    match basis.blocks().iter().find(|block| block.rows.len() > 2) {
        Some(block) => Err(Violation::new(law, &block.name, block.rows.len(), 1..=2)),
        None => Ok(()),
    }
}

fn complex(coefficients: &Array2<f64>, row: usize, rows: usize, column: usize) -> [f64; 2] {
    [coefficients[[row, column]], if rows == 2 { coefficients[[row + 1, column]] } else { 0.0 }]
}

fn coefficients(basis: &dyn FourierBasis, values: &Array2<f32>) -> Array2<f64> {
    let mut out = Array2::from_elem(values.dim(), f32::NAN);
    basis.transform(Direction::Forward, values.view(), out.view_mut());
    out.mapv(f64::from)
}

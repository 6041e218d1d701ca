//! The laws of the transform: it is the matrix, it has an inverse, it preserves squares.

use super::{energies, functions, is_small, matrix, norms, sectors};
use crate::fourier::{Direction, FourierBasis, forward, forward_2d, inverse, inverse_2d as invert_2d};
use crate::laws::{TRANSFORM_TOLERANCE, Violation, answer, uniform};
use ndarray::{Array2, Array3, ArrayView, ArrayViewD, Axis, Dimension, s};

/// How the two arrays of a transform lie in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    RowMajor,
    ColumnMajor,
    /// Every third column of every second row, from the last.
    Strided,
}

/// `transform` is the product with the matrix or its transpose, whatever the strides; it writes every entry of the
/// output and nothing else.
///
/// # Errors
/// `fast equals dense`: direction, memory layout, [row, column] of the output, the entry and the product; `matrix` as
/// [`orthonormality`](super::orthonormality); `sectors` as [`sectors`].
pub fn fast_equals_dense(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "fast equals dense";
    let (matrix, input) = (matrix(basis)?, functions(basis.rows()));
    let norms = norms(&input);
    for direction in [Direction::Forward, Direction::Inverse] {
        let matrix = if direction == Direction::Forward { matrix.view() } else { matrix.t() };
        let dense = matrix.dot(&input.mapv(f64::from));
        for layout in [Layout::RowMajor, Layout::ColumnMajor, Layout::Strided] {
            let output = transformed(basis, direction, layout, &input)?;
            for (([row, column], &v), &expected) in indexed(&output).zip(&dense) {
                let witness = (direction, layout, [row, column]);
                Violation::unless_close(LAW, witness, v.into(), expected, TRANSFORM_TOLERANCE * norms[column])?;
            }
        }
        let none = Array2::zeros((basis.rows(), 0));
        basis.transform(direction, none.view(), none.clone().view_mut());
    }
    Ok(())
}

fn transformed(
    basis: &dyn FourierBasis,
    direction: Direction,
    layout: Layout,
    input: &Array2<f32>,
) -> Result<Array2<f32>, Violation> {
    /// What the entries around a strided output hold, before and after.
    const AROUND: f32 = 7.0;
    let (m, columns) = input.dim();
    let unwritten = Array2::from_elem((m, columns), f32::NAN);
    match layout {
        Layout::RowMajor => {
            let mut output = unwritten;
            basis.transform(direction, input.view(), output.view_mut());
            Ok(output)
        }
        Layout::ColumnMajor => {
            let (input, mut output) = (input.t().as_standard_layout().into_owned(), unwritten.reversed_axes());
            output = output.as_standard_layout().into_owned();
            basis.transform(direction, input.t(), output.view_mut().reversed_axes());
            Ok(output.reversed_axes())
        }
        Layout::Strided => {
            let mut from = Array2::from_elem((2 * m, 3 * columns), f32::NAN);
            from.slice_mut(s![..;-2, ..;3]).assign(input);
            let mut to = Array2::from_elem(from.dim(), AROUND);
            to.slice_mut(s![..;-2, ..;3]).assign(&unwritten);
            basis.transform(direction, from.slice(s![..;-2, ..;3]), to.slice_mut(s![..;-2, ..;3]));
            let output = to.slice(s![..;-2, ..;3]).to_owned();
            to.slice_mut(s![..;-2, ..;3]).fill(AROUND);
            match indexed(&to).find(|&(_, &v)| v != AROUND) {
                Some((at, v)) => {
                    let witness = (direction, format_args!("beside the output, at {at:?} of the array around it"));
                    Err(Violation::new("fast equals dense", witness, v, AROUND))
                }
                None => Ok(output),
            }
        }
    }
}

/// `inverse(forward(f)) = f` and `forward(inverse(c)) = c` for functions on the group.
///
/// # Errors
/// `inverse 1-D`: the indices of an entry, it after there and back, and before; `sectors` as [`sectors`].
pub fn inverse_1d(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "inverse 1-D";
    sectors(basis)?;
    let values = functions(basis.order());
    let coefficients = answer(LAW, "forward", forward(basis, values.view()))?;
    let back = answer(LAW, "inverse", inverse(basis, coefficients.view()))?;
    same(LAW, "inverse(forward)", back.view(), values.view())?;
    let coefficients = uniform(coefficients.dim());
    let values = answer(LAW, "inverse", inverse(basis, coefficients.view()))?;
    let back = answer(LAW, "forward", forward(basis, values.view()))?;
    same(LAW, "forward(inverse)", back.view(), coefficients.view())
}

/// In 2-D too, inverse after forward is the identity, and forward after inverse.
///
/// # Errors
/// `inverse 2-D`: the indices of an entry, it after there and back, and before; `sectors` as [`sectors`].
pub fn inverse_2d(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "inverse 2-D";
    sectors(basis)?;
    // Stored with x fastest: strides no product likes.
    let values = pair_functions(basis.order()).permuted_axes([1, 0, 2]);
    let coefficients = answer(LAW, "forward", forward_2d(basis, values.view()))?;
    let back = answer(LAW, "inverse", invert_2d(basis, coefficients.view()))?;
    same(LAW, "inverse(forward)", back.view(), values.view())?;
    let coefficients = uniform(coefficients.dim());
    let values = answer(LAW, "inverse", invert_2d(basis, coefficients.view()))?;
    let back = answer(LAW, "forward", forward_2d(basis, values.view()))?;
    same(LAW, "forward(inverse)", back.view(), coefficients.view())
}

/// Both transforms, in 1-D and 2-D, preserve the sum of squares of every channel.
///
/// # Errors
/// `parseval`: the transform and the channel, the sum after and before; `sectors` as [`sectors`].
pub fn parseval(basis: &(impl FourierBasis + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "parseval";
    sectors(basis)?;
    let values = functions(basis.order());
    let coefficients = answer(LAW, "forward", forward(basis, values.view()))?;
    same_energy("forward", values.view().into_dyn(), coefficients.view().into_dyn())?;
    let coefficients = uniform(coefficients.dim());
    let values = answer(LAW, "inverse", inverse(basis, coefficients.view()))?;
    same_energy("inverse", coefficients.view().into_dyn(), values.view().into_dyn())?;
    let values = pair_functions(basis.order());
    let coefficients = answer(LAW, "forward 2-D", forward_2d(basis, values.view()))?;
    same_energy("forward 2-D", values.view().into_dyn(), coefficients.view().into_dyn())?;
    let coefficients = uniform(coefficients.dim());
    let values = answer(LAW, "inverse 2-D", invert_2d(basis, coefficients.view()))?;
    same_energy("inverse 2-D", coefficients.view().into_dyn(), values.view().into_dyn())
}

/// Random functions of pairs: several if the group is small.
fn pair_functions(order: usize) -> Array3<f32> {
    uniform((order, order, if is_small(order) { 3 } else { 1 }))
}

fn same_energy(transform: &str, before: ArrayViewD<'_, f32>, after: ArrayViewD<'_, f32>) -> Result<(), Violation> {
    energies(after).iter().zip(energies(before)).enumerate().try_for_each(|(channel, (&after, before))| {
        let witness = format_args!("{transform}, channel {channel}");
        Violation::unless_close("parseval", witness, after, before, 2.0 * TRANSFORM_TOLERANCE * before)
    })
}

/// Entries agree, to within the norm of their channel.
fn same<D: Dimension>(
    law: &'static str,
    way: &str,
    got: ArrayView<'_, f32, D>,
    expected: ArrayView<'_, f32, D>,
) -> Result<(), Violation> {
    let (got, expected) = (got.into_dyn(), expected.into_dyn());
    let last = Axis(expected.ndim() - 1);
    let norms = energies(expected.view()).mapv(f64::sqrt);
    for (channel, (got, expected)) in got.axis_iter(last).zip(expected.axis_iter(last)).enumerate() {
        for ((at, &got), &expected) in got.indexed_iter().zip(&expected) {
            let witness = format_args!("{way}, {:?} of channel {channel}", at.as_array_view().to_vec());
            Violation::unless_close(law, witness, got.into(), expected.into(), TRANSFORM_TOLERANCE * norms[channel])?;
        }
    }
    Ok(())
}

fn indexed(array: &Array2<f32>) -> impl Iterator<Item = ([usize; 2], &f32)> {
    array.indexed_iter().map(|((row, column), v)| ([row, column], v))
}

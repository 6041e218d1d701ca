//! Pictures of a basis.

use crate::fourier::FourierBasis;
use crate::report::{Axis, Figure, Line, Marks};

/// Every function of a basis over the positions of a sector, all on one scale: the notebook's animation, frame by frame.
pub fn basis_rows(basis: &(impl FourierBasis + ?Sized)) -> Vec<Figure> {
    let matrix = basis.matrix();
    let end = 1.05 * matrix.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let figure = |(row, values): (usize, ndarray::ArrayView1<'_, f64>)| {
        let name = basis.row_name(row);
        let line = Line::new(&name, values.to_vec());
        let (x, y) = (Axis::new("position in the sector"), Axis::new("value").between(-end, end));
        Figure::new(format!("Fourier basis: {name}"), x, y, Marks::Lines(vec![line]))
    };
    matrix.outer_iter().enumerate().map(figure).collect()
}

//! The matrices of a plan: computed from the parameters, and gradients taken back to these.

use super::parameters::Parameter;
use super::plan::{Plan, Small, SmallId};
use super::rows::{By, Source};
use crate::linalg::{Aligned, add_matmul, matmul_into, vectorised};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

/// Values of the matrices of a plan; those that are parameters, or parts of other matrices, are not copied.
#[derive(Clone, Debug, Default)]
pub(super) struct Matrices {
    values: Vec<Aligned>,
}

/// Where a matrix lies.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    values: &'a [f32],
    stride: usize,
    rows: usize,
    columns: usize,
}

impl<'a> Place<'a> {
    pub fn view(self) -> ArrayView2<'a, f32> {
        let Self { values, stride, rows, columns } = self;
        if stride == columns {
            return ArrayView2::from_shape((rows, columns), &values[..rows * columns])
                .expect("as long as its shape says");
        }
        // The last row may end before the stride does.
        let whole = (rows - 1) * stride;
        use ndarray::ShapeBuilder;
        ArrayView2::from_shape((rows, columns).strides((stride, 1)), &values[..whole + columns])
            .expect("inside the values")
    }

    pub fn source(self, by: By) -> Source<'a> {
        Source { values: self.values, stride: self.stride, first: 0, width: self.columns, by }
    }
}

impl Matrices {
    /// Where a matrix of the plan lies.
    pub fn place<'a>(&'a self, plan: &Plan, parameters: &[Parameter], numbers: &'a [f32], id: SmallId) -> Place<'a> {
        let matrix = &plan.small[id];
        match &matrix.small {
            Small::Parameter(i) => Place {
                values: &numbers[parameters[*i].range.clone()],
                stride: matrix.columns,
                rows: matrix.rows,
                columns: matrix.columns,
            },
            Small::Slice { of, rows, columns } => {
                let whole = self.place(plan, parameters, numbers, *of);
                Place {
                    values: &whole.values[rows.start * whole.stride + columns.start..],
                    stride: whole.stride,
                    rows: matrix.rows,
                    columns: matrix.columns,
                }
            }
            _ => Place { values: &self.values[id], stride: matrix.columns, rows: matrix.rows, columns: matrix.columns },
        }
    }

    /// Computes all matrices that the plan needs, those that do not wait for each other in parallel.
    pub fn compute(&mut self, plan: &Plan, parameters: &[Parameter], numbers: &[f32]) {
        self.values.resize_with(plan.small.len(), Aligned::default);
        for wave in plan.waves() {
            let mut buffers: Vec<(SmallId, Aligned)> =
                wave.iter().map(|&id| (id, std::mem::take(&mut self.values[id]))).collect();
            let one = |(id, out): &mut (SmallId, Aligned)| self.compute_one(plan, parameters, numbers, *id, out);
            match &mut buffers[..] {
                [only] => one(only),
                several => several.par_iter_mut().for_each(one),
            }
            buffers.into_iter().for_each(|(id, values)| self.values[id] = values);
        }
    }

    fn compute_one(&self, plan: &Plan, parameters: &[Parameter], numbers: &[f32], id: SmallId, out: &mut Aligned) {
        let matrix = &plan.small[id];
        let (rows, columns) = (matrix.rows, matrix.columns);
        let place = |id: SmallId| self.place(plan, parameters, numbers, id);
        match &matrix.small {
            Small::Parameter(_) | Small::Slice { .. } => {}
            Small::Fill(number) => {
                out.room(rows * columns).fill(*number);
            }
            Small::Multiply(a, b) => {
                let out = matrix_mut(out.room(rows * columns), rows, columns);
                matmul_into(place(*a).view(), place(*b).view(), out);
            }
            Small::Assemble(parts) => {
                let out = out.room(rows * columns);
                out.fill(0.0);
                let mut all = matrix_mut(out, rows, columns);
                for &(part, at) in parts {
                    let part = place(part).view();
                    let mut to = all.slice_mut(s![.., at..at + part.ncols()]);
                    to += &part;
                }
            }
            Small::Rows(op, inputs) => {
                let sources: Vec<Source<'_>> = inputs.iter().map(|&id| of_elements(place(id), rows)).collect();
                op.forward(&elements(rows), &sources, columns, out.room(rows * columns));
            }
        }
    }

    /// Takes gradients with respect to matrices back to the parameters; `gradients` holds one for each matrix, empty where
    /// there is none, and is used up.
    pub fn backward(
        &self,
        plan: &Plan,
        parameters: &[Parameter],
        numbers: &[f32],
        mut gradients: Vec<Vec<f32>>,
        out: &mut [f32],
    ) {
        out.fill(0.0);
        // Parameters, and parts of matrices, are no part of any wave.
        for id in 0..gradients.len() {
            if !gradients[id].is_empty() && computed(plan, id) != Some(id) {
                let part = std::mem::take(&mut gradients[id]);
                self.add(plan, parameters, id, part, &mut gradients, out);
            }
        }
        let mut waves = plan.waves();
        waves.reverse();
        for wave in waves {
            let taken: Vec<(SmallId, Vec<f32>)> = wave
                .into_iter()
                .map(|id| (id, std::mem::take(&mut gradients[id])))
                .filter(|(_, gradient)| !gradient.is_empty())
                .collect();
            let one = |(id, gradient): &(SmallId, Vec<f32>)| self.back_one(plan, parameters, numbers, *id, gradient);
            let parts: Vec<Vec<(SmallId, Vec<f32>)>> = match &taken[..] {
                [only] => vec![one(only)],
                several => several.par_iter().map(one).collect(),
            };
            for (id, part) in parts.into_iter().flatten() {
                self.add(plan, parameters, id, part, &mut gradients, out);
            }
        }
    }

    /// Adds a gradient to that of a matrix, or to those of the parameter that it is a part of.
    fn add(
        &self,
        plan: &Plan,
        parameters: &[Parameter],
        id: SmallId,
        part: Vec<f32>,
        gradients: &mut [Vec<f32>],
        out: &mut [f32],
    ) {
        if let Some(whole) = computed(plan, id) {
            if whole == id {
                return match gradients[id].is_empty() {
                    true => gradients[id] = part,
                    false => add_to(&mut gradients[id], part.len(), (0, 0), &part, part.len()),
                };
            }
            let (rows, columns) = (plan.small[whole].rows, plan.small[whole].columns);
            let (row, column) = offset(plan, id);
            gradients[whole].resize(rows * columns, 0.0);
            add_to(&mut gradients[whole], columns, (row, column), &part, plan.small[id].columns);
        } else {
            self.deliver(plan, parameters, id, part, out);
        }
    }

    fn deliver(&self, plan: &Plan, parameters: &[Parameter], id: SmallId, part: Vec<f32>, out: &mut [f32]) {
        let (row, column) = offset(plan, id);
        let Some(parameter) = parameter_of(plan, id) else { return };
        let parameter = &parameters[parameter];
        add_to(&mut out[parameter.range.clone()], parameter.matrix[1], (row, column), &part, plan.small[id].columns);
    }

    fn back_one(
        &self,
        plan: &Plan,
        parameters: &[Parameter],
        numbers: &[f32],
        id: SmallId,
        gradient: &[f32],
    ) -> Vec<(SmallId, Vec<f32>)> {
        let matrix = &plan.small[id];
        let (rows, columns) = (matrix.rows, matrix.columns);
        let place = |id: SmallId| self.place(plan, parameters, numbers, id);
        let of = ArrayView2::from_shape((rows, columns), gradient).expect("as long as its shape says");
        match &matrix.small {
            Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_) => Vec::new(),
            Small::Multiply(a, b) => {
                let inner = plan.small[*a].columns;
                let (mut to_a, mut to_b) = (vec![0.0; rows * inner], vec![0.0; inner * columns]);
                rayon::join(
                    || matmul_into(of, place(*b).view().t(), matrix_mut(&mut to_a, rows, inner)),
                    || matmul_into(place(*a).view().t(), of, matrix_mut(&mut to_b, inner, columns)),
                );
                vec![(*a, to_a), (*b, to_b)]
            }
            Small::Assemble(parts) => parts
                .iter()
                .map(|&(part, at)| {
                    let (height, width) = (plan.small[part].rows, plan.small[part].columns);
                    let of = of.slice(s![.., at..at + width]);
                    let to = if height == rows { of.iter().copied().collect() } else { of.sum_axis(Axis(0)).to_vec() };
                    (part, to)
                })
                .collect(),
            Small::Rows(op, inputs) => {
                let sources: Vec<Source<'_>> = inputs.iter().map(|&id| of_elements(place(id), rows)).collect();
                let mut to: Vec<Vec<f32>> = sources.iter().map(|source| vec![0.0; rows * source.width]).collect();
                op.backward(&elements(rows), &sources, &self.values[id], gradient, columns, &mut to);
                let summed = |(&id, to): (&SmallId, Vec<f32>)| {
                    let (height, width) = (plan.small[id].rows, plan.small[id].columns);
                    if height == rows {
                        return (id, to);
                    }
                    let to = ArrayView2::from_shape((rows, width), &to).expect("as long as its shape says");
                    (id, to.sum_axis(Axis(0)).to_vec())
                };
                inputs.iter().zip(to).map(summed).collect()
            }
        }
    }
}

/// The computed matrix that a matrix is, or is a part of; `None` for a parameter.
fn computed(plan: &Plan, id: SmallId) -> Option<SmallId> {
    match &plan.small[id].small {
        Small::Parameter(_) => None,
        Small::Slice { of, .. } => computed(plan, *of),
        _ => Some(id),
    }
}

fn parameter_of(plan: &Plan, id: SmallId) -> Option<usize> {
    match &plan.small[id].small {
        Small::Parameter(i) => Some(*i),
        Small::Slice { of, .. } => parameter_of(plan, *of),
        _ => None,
    }
}

/// Row and column at which a part begins in its whole.
fn offset(plan: &Plan, id: SmallId) -> (usize, usize) {
    match &plan.small[id].small {
        Small::Slice { of, rows, columns } => {
            let (row, column) = offset(plan, *of);
            (row + rows.start, column + columns.start)
        }
        _ => (0, 0),
    }
}

/// Adds a matrix of `width` columns to part of one of `columns`.
fn add_to(whole: &mut [f32], columns: usize, (row, column): (usize, usize), part: &[f32], width: usize) {
    vectorised(
        #[inline(always)]
        || {
            for (i, part) in part.chunks_exact(width).enumerate() {
                let to = &mut whole[(row + i) * columns + column..][..width];
                to.iter_mut().zip(part).for_each(|(to, part)| *to += part);
            }
        },
    );
}

/// As many elements, as pairs of each with itself: the rows of a table.
pub(super) fn elements(rows: usize) -> Vec<[u32; 2]> {
    (0..rows as u32).map(|i| [i, i]).collect()
}

fn of_elements(place: Place<'_>, rows: usize) -> Source<'_> {
    place.source(By::of_elements(place.rows, rows))
}

pub(super) fn matrix(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), &values[..rows * columns]).expect("as long as its shape says")
}

pub(super) fn matrix_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), &mut values[..rows * columns]).expect("as long as its shape says")
}

/// [`matmul_into`] or [`add_matmul`].
pub(super) fn product(onto: bool) -> fn(ArrayView2<'_, f32>, ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>) {
    if onto { add_matmul } else { matmul_into }
}

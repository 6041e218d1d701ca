//! The parameters of a network: names, shapes, initial values, and where they lie in one vector.

use super::architecture::{Architecture, Initial};
use super::operation::{Layout, Shape, Wanted};
use crate::error::{Error, Result};
use ndarray::{ArrayD, ArrayView2, IxDyn};
use std::ops::Range;

/// One parameter of an [`Architecture`].
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in a checkpoint.
    pub name: String,
    /// Its shape in a checkpoint.
    pub shape: Vec<usize>,
    /// Rows and columns as it is computed with: (in, out). A vector is one row.
    pub matrix: [usize; 2],
    /// How the one follows from the other.
    pub layout: Layout,
    /// Distribution of its initial values.
    pub initial: Initial,
    /// Whether training leaves it as it is.
    pub frozen: bool,
    /// Where it lies among all parameters, row-major as it is computed with.
    pub range: Range<usize>,
    /// The step that wants it.
    pub step: String,
}

impl Parameter {
    /// The matrix in a vector of all parameters.
    pub(crate) fn of<'a>(&self, parameters: &'a [f32]) -> ArrayView2<'a, f32> {
        ArrayView2::from_shape(self.matrix, &parameters[self.range.clone()]).expect("as long as its shape says")
    }

    /// The array of a checkpoint, from values as they are computed with.
    pub(crate) fn as_stored(&self, values: &[f32]) -> ArrayD<f32> {
        let plain =
            |shape: &[usize]| ArrayD::from_shape_vec(shape, values.to_vec()).expect("as long as its shape says");
        let stored = match self.layout {
            Layout::Transposed => plain(&self.matrix).reversed_axes(),
            Layout::HeadsOut { heads } if self.shape.len() == 3 => {
                let [rows, columns] = self.matrix;
                plain(&[rows, heads, columns / heads]).permuted_axes(IxDyn(&[1, 0, 2]))
            }
            _ => plain(&self.shape),
        };
        stored.as_standard_layout().into_owned()
    }

    /// Values as they are computed with, from an array of the checkpoint's shape.
    pub(crate) fn as_computed(&self, stored: &ArrayD<f32>) -> Vec<f32> {
        let matrix = match self.layout {
            Layout::Transposed => stored.view().reversed_axes(),
            Layout::HeadsOut { .. } if stored.ndim() == 3 => stored.view().permuted_axes(IxDyn(&[1, 0, 2])),
            _ => stored.view(),
        };
        matrix.iter().copied().collect()
    }
}

/// The parameters of an architecture whose values have these shapes.
pub(super) fn of(architecture: &Architecture, shapes: &[Shape], order: usize) -> Result<Vec<Parameter>> {
    let mut all: Vec<Parameter> = Vec::new();
    let width_of = |name: &str| shapes[architecture.index(name).expect("checked with the shapes")].width;
    for step in &architecture.steps {
        for Wanted { name, matrix, shape, layout, initial } in step.operation.parameters(order, width_of) {
            if let Some(before) = all.iter().find(|p| p.name == name) {
                if (before.matrix, before.layout) == (matrix, layout) {
                    continue;
                }
                let expected = format!("`{name}` of shape {:?}, as step `{}` has it", before.shape, before.step);
                return Err(Error::description(&step.name, expected, format!("{shape:?}")));
            }
            let start = all.last().map_or(0, |last| last.range.end);
            let end = matrix[0].saturating_mul(matrix[1]).saturating_add(start);
            all.push(Parameter {
                name: name.into(),
                shape,
                matrix,
                layout,
                initial: architecture.initial.get(name).copied().unwrap_or(initial),
                frozen: architecture.frozen.iter().any(|frozen| frozen == name),
                range: start..end,
                step: step.name.clone(),
            });
        }
    }
    let mut named = architecture.initial.keys().chain(&architecture.frozen);
    match named.find(|name| all.iter().all(|parameter| parameter.name != **name)) {
        None => Ok(all),
        Some(name) => {
            let expected = "the name of a parameter in `initial` and `frozen`";
            Err(Error::description(name, expected, "one that no step has"))
        }
    }
}

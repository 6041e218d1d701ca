//! The parameters of a network: names, shapes, initial values, and where they lie in one vector.

use super::architecture::{Architecture, Initial, Layout, Operation, Shape, Token};
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
    for step in &architecture.steps {
        let width_of = |name: &str| shapes[architecture.index(name).expect("checked with the shapes")].width;
        let mut add = |name: &str, matrix: [usize; 2], stored: Option<Layout>, usual: Initial| -> Result<()> {
            // Vectors have no layout but that of their heads.
            let (layout, is_vector) = (stored.unwrap_or_default(), stored.is_none());
            let shape = match (layout, is_vector) {
                (_, true) => vec![matrix[1]],
                (Layout::Plain, _) => matrix.to_vec(),
                (Layout::Transposed, _) => vec![matrix[1], matrix[0]],
                (Layout::HeadsOut { heads }, _) => vec![heads, matrix[0], matrix[1] / heads],
                (Layout::HeadsIn { heads }, _) => vec![heads, matrix[0] / heads, matrix[1]],
            };
            if let Some(before) = all.iter().find(|p| p.name == name) {
                if (before.matrix, before.layout) == (matrix, layout) {
                    return Ok(());
                }
                return Err(Error::Description {
                    step: step.name.clone(),
                    expected: format!("`{name}` of shape {:?}, as step `{}` has it", before.shape, before.step),
                    got: format!("{shape:?}"),
                });
            }
            let start = all.last().map_or(0, |last| last.range.end);
            let end = matrix[0].saturating_mul(matrix[1]).saturating_add(start);
            all.push(Parameter {
                name: name.into(),
                shape,
                matrix,
                layout,
                initial: architecture.initial.get(name).copied().unwrap_or(usual),
                frozen: architecture.frozen.iter().any(|frozen| frozen == name),
                range: start..end,
                step: step.name.clone(),
            });
            Ok(())
        };
        let fan = |rows: usize| Initial::Normal(1.0 / (rows as f64).sqrt());
        let zero = Initial::Constant(0.0);
        match &step.operation {
            Operation::Embed { tokens, table, width, constants } => {
                let needed = tokens.iter().map(|t| if let Token::Constant(i) = t { i + 1 } else { 0 }).max();
                let rows = order.saturating_add((*constants).max(needed.unwrap_or(0)));
                add(table, [rows, *width], Some(Layout::Plain), fan(*width))?;
            }
            Operation::Positions { table, positions, width, rows } => {
                add(table, [(*rows).max(*positions), *width], Some(Layout::Plain), fan(*width))?;
            }
            Operation::Linear { input, weight, bias, width, layout } => {
                let rows = width_of(input);
                add(weight, [rows, *width], Some(*layout), fan(rows))?;
                if let Some(bias) = bias {
                    add(bias, [1, *width], None, zero)?;
                    if let Layout::HeadsOut { heads } = layout {
                        let last = all.iter_mut().find(|p| &p.name == bias).expect("just added");
                        last.shape = vec![*heads, width / heads];
                    }
                }
            }
            Operation::Activate { input, bias: Some(bias), .. } => add(bias, [1, width_of(input)], None, zero)?,
            Operation::Normalise { input, weight, bias, .. } => {
                let width = width_of(input);
                if let Some(weight) = weight {
                    add(weight, [1, width], None, Initial::Constant(1.0))?;
                }
                if let Some(bias) = bias {
                    add(bias, [1, width], None, zero)?;
                }
            }
            Operation::Unembed { input, weight, bias, extra, layout } => {
                let (rows, columns) = (width_of(input), order.saturating_add(*extra));
                add(weight, [rows, columns], Some(*layout), fan(rows))?;
                if let Some(bias) = bias {
                    add(bias, [1, columns], None, Initial::Uniform(1.0 / (rows as f64).sqrt()))?;
                }
            }
            Operation::Activate { bias: None, .. }
            | Operation::Sum { .. }
            | Operation::Product { .. }
            | Operation::Concatenate { .. }
            | Operation::Scores { .. }
            | Operation::Softmax { .. }
            | Operation::Mix { .. }
            | Operation::Deviation { .. }
            | Operation::Select { .. } => {}
        }
    }
    Ok(all)
}

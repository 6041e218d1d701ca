//! Pictures of activations at all pairs.

use crate::report::{Axis, Figure, Heat, Marks, Scale};
use ndarray::ArrayView2;

/// A channel of a site at all pairs, x down and y across.
///
/// # Arguments
/// `values`: (x, y), a channel of [`neuron_columns`](crate::model::Interpretable::neuron_columns).
pub fn activation_map(site: &str, channel: usize, values: ArrayView2<'_, f32>) -> Figure {
    let heat = Heat { values: values.to_owned(), scale: Scale::Diverging, limit: None };
    let title = format!("{site} activations, neuron {channel}");
    Figure::new(title, Axis::new("position 2"), Axis::new("position 1"), Marks::Heat(heat))
}

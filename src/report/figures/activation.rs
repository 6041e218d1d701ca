//! Pictures of activations and of attention at all pairs.

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

/// The pattern of a head at one key position at all pairs, x down and y across, from 0 to 1.
///
/// # Arguments
/// `values`: (x, y), a channel of [`neuron_columns`](crate::model::Interpretable::neuron_columns).
pub fn attention_map(head: usize, position: usize, values: ArrayView2<'_, f32>) -> Figure {
    let heat = Heat { values: values.to_owned(), scale: Scale::Sequential, limit: Some(1.0) };
    let title = format!("Head {head}, how much it looks at position {position}");
    Figure::new(title, Axis::new("y"), Axis::new("x"), Marks::Heat(heat))
}

//! Pictures of 2-D coefficients.

use crate::model::SiteSpectrum;
use crate::report::figure::largest;
use crate::report::{Axis, Figure, Heat, Marks, Scale};
use ndarray::ArrayView4;

/// A picture of 2-D coefficients: row of x down, row of y across.
pub(super) fn coefficients(title: String, names: &[String], heat: Heat) -> Figure {
    let axis = |title: &str| Axis::new(title).named(names);
    Figure::new(title, axis("y Component"), axis("x Component"), Marks::Heat(heat))
}

/// The 2-D coefficients of a channel, a picture a region, all on one scale.
///
/// # Arguments
/// `names`: of the rows; `sectors`: of the sectors; `terms`: what [`neuron_spectrum`](crate::analysis::neuron_spectrum)
/// returns.
///
/// # Panics
/// If there are fewer names of sectors than sectors.
pub fn neuron_regions(
    names: &[String],
    sectors: &[String],
    site: &str,
    channel: usize,
    terms: ArrayView4<'_, f32>,
) -> Vec<Figure> {
    let limit = Some(largest(terms)).filter(|&limit| limit > 0.0);
    let (count, regions) = (terms.dim().1, super::region_names(sectors));
    let figure = |(r, region): (usize, &String)| {
        let values = terms.slice(ndarray::s![r / count, r % count, .., ..]).to_owned();
        let title = match count {
            1 => format!("{site} activations, neuron {channel}"),
            _ => format!("{site} activations, neuron {channel}, region {region}"),
        };
        coefficients(title, names, Heat { values, scale: Scale::Diverging, limit })
    };
    regions.iter().enumerate().map(figure).collect()
}

/// Mean squares of the 2-D coefficients of the centred neurons and of the logits, less each pair's mean over the classes, side
/// by side.
///
/// For the logits as they are see [`raw_logit_mean_square`](crate::analysis::Interpretation::raw_logit_mean_square).
///
/// # Arguments
/// `shared`: whether the two have one colour range, so that they can be compared; else each has its own.
pub fn mean_squares(names: &[String], neurons: &SiteSpectrum, logits: &SiteSpectrum, shared: bool) -> [Figure; 2] {
    let site = &neurons.by_block.site;
    let [hidden, logits] = [neurons.mean_square_centred(), logits.mean_square.clone()].map(|v| v.mapv(|v| v as f32));
    let most = largest(&hidden).max(largest(&logits));
    let limit = Some(most).filter(|&most| shared && most > 0.0);
    let picture = |title, values| coefficients(title, names, Heat { values, scale: Scale::Sequential, limit });
    [
        picture(format!("Average Norm of 2d Fourier Coefficients of {site} activations (excl constant)"), hidden),
        picture("Average Norm of Fourier Components of Logits".into(), logits)
            .with_note("The logits are taken less each pair's mean over the classes, which no softmax sees."),
    ]
}

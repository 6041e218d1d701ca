//! Pictures of the logits along blocks.

use super::spectrum::coefficients;
use crate::analysis::LogitDirections;
use crate::fourier::{Block, FourierBasis};
use crate::report::figure::largest;
use crate::report::{Axis, Figure, Heat, Line, Marks, Scale};
use ndarray::{ArrayView5, s};

/// The component of the logits along some rows of output sectors, as functions of x and y: for every direction the 2-D
/// coefficients, a picture a region; directions of one block and one output sector share a scale.
///
/// # Arguments
/// `sectors`: names of the sectors; `directions`: output sectors, each with a row of the basis; `terms`: what
/// [`direction_spectra`](crate::analysis::direction_spectra) returns for them.
///
/// # Returns
/// The name of each direction, `cos(3) of rot`, with its pictures.
///
/// # Panics
/// If there is no such sector or row, or there are fewer terms than directions, or fewer names than sectors.
pub fn direction_components(
    basis: &(impl FourierBasis + ?Sized),
    sectors: &[String],
    directions: &[(usize, usize)],
    terms: ArrayView5<'_, f32>,
) -> Vec<(String, Vec<Figure>)> {
    let (names, regions) = (basis.row_names(), super::region_names(sectors));
    let count = basis.sectors().len();
    let block_of = basis.block_of_row();
    let limit = |output: usize, row: usize| {
        let alike = |&&(o, r): &&(usize, usize)| o == output && block_of[r] == block_of[row];
        let of_block = directions.iter().enumerate().filter(|(_, d)| alike(d)).map(|(d, _)| d);
        let largest = of_block.map(|d| largest(terms.slice(s![.., .., .., .., d]))).fold(0.0, f64::max);
        Some(largest).filter(|&limit| limit > 0.0)
    };
    let pictures = |(d, &(output, row)): (usize, &(usize, usize))| {
        let direction = match names[row].split_once(' ') {
            Some((wave @ ("cos" | "sin"), k)) => format!("{wave}({k})"),
            _ => names[row].clone(),
        };
        let limit = limit(output, row);
        let figure = |(r, region): (usize, &String)| {
            let values = terms.slice(s![r / count, r % count, .., .., d]).to_owned();
            let title = match count {
                1 => format!("Component of logits in direction {direction}"),
                _ => format!("Component of logits in direction {direction} on region {region}"),
            };
            coefficients(title, &names, Heat { values, scale: Scale::Diverging, limit })
        };
        let label = if count == 1 { direction.clone() } else { format!("{direction} of {}", sectors[output]) };
        (label, regions.iter().enumerate().map(figure).collect())
    };
    directions.iter().enumerate().map(pictures).collect()
}

/// Shares of the logits' energy along f(x + y) and f(x - y), region by region, of every key block; `None` where positions
/// are not exponents.
pub fn product_shares(found: &LogitDirections, blocks: &[Block], sectors: &[String]) -> Option<Figure> {
    let shares = found.product_share.as_ref()?;
    let (keys, count, ..) = shares.dim();
    let regions = super::region_names(sectors);
    let names = found.blocks.iter().flat_map(|&b| {
        let name = super::short(&blocks[b.index()]);
        regions.iter().map(move |region| if count == 1 { name.clone() } else { format!("{name}: {region}") })
    });
    let names: Vec<String> = names.collect();
    let along = |sign: usize| {
        let values = (0..keys * count * count)
            .map(|i| shares[[i / (count * count), i / count % count, i % count, sign]].unwrap_or(f64::NAN))
            .collect();
        Line::new(["f(x + y)", "f(x - y)"][sign], values)
    };
    let x = Axis::new("block and region").named(&names);
    let y = Axis::new("share of the energy").between(0.0, 1.0);
    Some(Figure::new("Logits along functions of x + y and of x - y", x, y, Marks::Bars(vec![along(0), along(1)])))
}

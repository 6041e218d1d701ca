//! Squared norms by component of embeddings, maps and unembedding.

use super::table::{Cell, Table, Term};
use super::terms::*;
use crate::error::{Error, Result};
use crate::fourier::{FourierBasis, forward};
use crate::group::check_fingerprint;
use crate::model::{Interpretable, hidden_readout, less_mean};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use std::fmt;

/// Squared norm of a map's coefficients, by sector and row: entry [s, i] is `sum over channels of (F_i . map_s)^2`.
///
/// # Arguments
/// `map`: (n, channels), element -> channel: an embedding, a neuron-space map, the transpose of W_U.
///
/// # Returns
/// (sectors, rows). Its sum is the square norm of `map`. O(n m channels).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless `map` has one row per element; [`Error::Range`](crate::Error::Range) where
/// coefficients overflow.
///
/// ```
/// use irreplens::{analysis::component_norms, fourier::CyclicSubgroupBasis, group::Cyclic};
/// let wave = ndarray::Array2::from_shape_fn((8, 1), |(t, _)| (std::f32::consts::TAU * t as f32 / 8.0).cos());
/// let norms = component_norms(&CyclicSubgroupBasis::cyclic(&Cyclic::new(8)?), wave.view())?;
/// assert!((norms[[0, 1]] - 4.0).abs() < 1e-6); // all of it in `cos 1`
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn component_norms(basis: &(impl FourierBasis + ?Sized), map: ArrayView2<'_, f32>) -> Result<Array2<f64>> {
    let basis: &dyn FourierBasis = &basis;
    let norms = forward(basis, map)?.map_axis(Axis(2), |row| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum());
    check_finite_energy(norms.sum())?;
    Ok(norms)
}

/// Finite values that are very large may have coefficients that are not.
pub(super) fn check_finite_energy(energy: f64) -> Result<()> {
    let expected = "finite numbers in f32, of values that are small enough";
    let error = Error::Range { what: "coefficients of a transform", expected, got: energy };
    if energy.is_finite() { Ok(()) } else { Err(error) }
}

/// Squared norms per Fourier component of everything a model reads elements with or writes them with.
///
/// Every spectrum is by row, squares summed over channels and sectors; `None` where the model has no such map.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct EmbeddingSpectra {
    /// Row names.
    pub components: Vec<String>,
    /// Spectrum of the left embedding E_a.
    pub embed_left: Option<Array1<f64>>,
    /// Spectrum of the right embedding E_b.
    pub embed_right: Option<Array1<f64>>,
    /// Spectrum of the map x -> neuron ([`Interpretable::maps`]).
    pub neuron_left: Option<Array1<f64>>,
    /// Spectrum of the map y -> neuron.
    pub neuron_right: Option<Array1<f64>>,
    /// Spectrum of W_U transposed, sectors apart, as it is.
    pub unembed: Option<Array1<f64>>,
    /// Spectrum of W_U less its mean over the classes, which no softmax sees, transposed: only the constant differs.
    pub unembed_centred: Option<Array1<f64>>,
    /// Spectrum of the output bias, a function of the element that is answered; `None` for a model without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bias: Option<Array1<f64>>,
}

/// Which components do the embeddings and the unembedding use? O(n m (embed + hidden)).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a basis of another order, [`Error::OtherGroup`] for one of another group.
///
/// Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", section 4.1.
pub fn embedding(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
) -> Result<EmbeddingSpectra> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    check_fingerprint("group of the basis", model.fingerprint(), basis.fingerprint())?;
    let spectrum = |map: ArrayView2<'_, f32>| Ok(component_norms(basis, map)?.sum_axis(Axis(0)));
    let (embed_left, embed_right) = model.embeddings().unzip();
    let (neuron_left, neuron_right) = model.maps().unzip();
    // Of neurons with a path of their own to the logits, that path.
    let unembedding = hidden_readout(model).unembedding();
    let output_bias = model.readout().bias().filter(|bias| bias.iter().any(|&b| b != 0.0));
    let output_bias = output_bias.map(|bias| bias.insert_axis(Axis(0)).to_owned());
    Ok(EmbeddingSpectra {
        components: basis.row_names(),
        embed_left: embed_left.map(spectrum).transpose()?,
        embed_right: embed_right.map(spectrum).transpose()?,
        neuron_left: neuron_left.map(spectrum).transpose()?,
        neuron_right: neuron_right.map(spectrum).transpose()?,
        unembed: unembedding.map(|u| spectrum(u.t())).transpose()?,
        unembed_centred: unembedding.map(|u| spectrum(less_mean(u.to_owned()).t())).transpose()?,
        output_bias: output_bias.map(|bias| spectrum(less_mean(bias).t())).transpose()?,
    })
}

impl EmbeddingSpectra {
    /// The squared norms, a row a component and a column for every map that the model has.
    #[must_use]
    pub fn table(&self) -> Table {
        let columns = [
            (EMBED_LEFT, &self.embed_left),
            (EMBED_RIGHT, &self.embed_right),
            (NEURON_LEFT, &self.neuron_left),
            (NEURON_RIGHT, &self.neuron_right),
            (UNEMBED_CENTRED, &self.unembed_centred),
            (UNEMBED_RAW, &self.unembed),
            (OUTPUT_BIAS, &self.output_bias),
        ];
        let (terms, norms): (Vec<_>, Vec<_>) =
            columns.into_iter().filter_map(|(term, norms)| Some((term, norms.as_ref()?))).unzip();
        const NONE: &str = "the model gives no embeddings, maps to neurons or unembedding";
        let none = norms.is_empty().then(|| Cell::Missing(NONE.into()));
        let terms = if norms.is_empty() { vec![Term::new("squared norm", "Of any of these maps.")] } else { terms };
        let row = |(i, component): (usize, &String)| {
            let norms = norms.iter().map(|norms| Cell::Number(norms[i]));
            [Cell::text(component)].into_iter().chain(norms).chain(none.clone()).collect()
        };
        let rows = self.components.iter().enumerate().map(row).collect();
        Table::new("Squared norm per component", [COMPONENT].into_iter().chain(terms).collect(), rows)
    }
}

impl fmt::Display for EmbeddingSpectra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}

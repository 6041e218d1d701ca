//! Pictures of embeddings and unembedding by component.

use crate::analysis::EmbeddingSpectra;
use crate::analysis::notebook::Published;
use crate::fourier::{Block, BlockId};
use crate::report::{Axis, Figure, Line, Marks};
use ndarray::Array1;
use std::collections::BTreeMap;

fn norms(title: &str, names: &[String], of: &[(&str, &Array1<f64>)]) -> Figure {
    let lines = of.iter().map(|(name, norms)| Line::new(*name, norms.to_vec())).collect();
    Figure::new(title, Axis::new("Fourier Component").named(names), Axis::new("Norm"), Marks::Lines(lines))
}

/// Squared norm by component: W_E_a, W_E_b, both together, both maps to neurons, W_U less its mean over the
/// classes, sector by sector, and the output bias. What the model does not have is left out.
pub fn embedding_norms(spectra: &EmbeddingSpectra) -> Vec<Figure> {
    let names = &spectra.components;
    let title = |of: &str| format!("Norm of embedding coef of each Fourier Component in {of}");
    let mut out = Vec::new();
    for (name, norm) in [("W_E_a", &spectra.embed_left), ("W_E_b", &spectra.embed_right)] {
        out.extend(norm.as_ref().map(|norm| norms(&title(name), names, &[(name, norm)])));
    }
    if let (Some(left), Some(right)) = (&spectra.embed_left, &spectra.embed_right) {
        out.push(norms(&title("W_E_a/b"), names, &[("W_E_a", left), ("W_E_b", right)]));
    }
    if let (Some(left), Some(right)) = (&spectra.neuron_left, &spectra.neuron_right) {
        let of = [("x to neuron", left), ("y to neuron", right)];
        out.push(norms(&title("the maps to neurons"), names, &of));
    }
    if let Some(apart) = &spectra.unembed_centred {
        out.push(norms(&title("W_U, sectors apart"), names, &[("W_U", apart)]));
    }
    if let Some(bias) = &spectra.output_bias {
        out.push(norms(&title("the output bias"), names, &[("b_U", bias)]));
    }
    out
}

/// The published spectrum of W_U, its sectors added first; none without an unembedding.
pub fn published_unembedding(names: &[String], published: &Published) -> Option<Figure> {
    let note = "As published: the sectors are added before the transform, so that opposite signs cancel; \
        the constant is of W_U as it is, and would be 0 less its mean over the classes.";
    let sum = published.unembed_sum.as_ref()?;
    let title = "Norm of embedding coef of each Fourier Component in W_U";
    Some(norms(title, names, &[("W_U", sum)]).with_note(note))
}

/// The published spectrum of W_U over the neurons of each cluster; none without clusters.
pub fn unembedding_by_cluster(
    names: &[String],
    blocks: &[Block],
    by_cluster: &BTreeMap<BlockId, Array1<f64>>,
) -> Option<Figure> {
    let keys: Vec<String> = by_cluster.keys().map(|&b| super::short(&blocks[b.index()])).collect();
    let of: Vec<_> = keys.iter().map(String::as_str).zip(by_cluster.values()).collect();
    let title = "Norm of embedding coef of each Fourier Component in W_U on frequency x neurons";
    let note = "The constant is of W_U as it is: a constant added to all logits changes it, and nothing else.";
    (!of.is_empty()).then(|| norms(title, names, &of).with_note(note))
}

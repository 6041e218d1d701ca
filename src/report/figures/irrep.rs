//! Pictures of irreps and cosets.

use crate::analysis::{CosetMeasures, IrrepMeasures, KeyLosses, RepresentationMeasures};
use crate::fourier::BlockId;
use crate::model::Evaluation;
use crate::report::{Axis, Figure, Line, Marks, Points};
use std::collections::BTreeMap;

fn labels(found: &RepresentationMeasures) -> Vec<String> {
    found.irreps.iter().map(|m| m.irrep.label.clone()).collect()
}

/// The share of every irrep in the maps to the neurons, the unembedding and the hidden layer.
pub fn irrep_energies(found: &RepresentationMeasures) -> Figure {
    type Share = fn(&IrrepMeasures) -> Option<f64>;
    let kinds: [(&str, Share); 6] = [
        ("left map", |m| m.embed_left),
        ("right map", |m| m.embed_right),
        ("unembedding", |m| m.unembed_centred),
        ("hidden, of x", |m| m.hidden_x),
        ("hidden, of y", |m| m.hidden_y),
        ("hidden, of xy", |m| m.hidden_xy),
    ];
    let bars = |(name, share): (&str, Share)| {
        let values: Vec<f64> = found.irreps.iter().map(|m| share(m).unwrap_or(f64::NAN)).collect();
        Line::new(name, values)
    };
    let bars = kinds.map(bars).into_iter().filter(|line| line.y.iter().any(|v| v.is_finite())).collect();
    let x = Axis::new("irrep").named(&labels(found));
    Figure::new("Share of each irrep", x, Axis::new("share of the square norm"), Marks::Bars(bars))
}

/// The trace similarity of the logits with every irrep.
pub fn trace_similarities(found: &RepresentationMeasures) -> Figure {
    let values = found.irreps.iter().map(|m| m.trace_similarity.unwrap_or(f64::NAN)).collect();
    let (x, y) = (Axis::new("irrep").named(&labels(found)), Axis::new("trace similarity"));
    Figure::new("Logits along the characters", x, y, Marks::Bars(vec![Line::new("trace similarity", values)]))
}

/// Restricted and excluded losses of every key irrep and of all together, on a logarithmic axis; `None` without key irreps.
pub fn key_irrep_losses(found: &RepresentationMeasures) -> Option<Figure> {
    let together = found.key_losses?;
    let mut names: Vec<String> = found.key.iter().map(|&i| found.irreps[i.index()].irrep.label.clone()).collect();
    names.push("all key irreps".into());
    let losses: Vec<KeyLosses> =
        found.key.iter().filter_map(|&i| found.irreps[i.index()].losses).chain([together]).collect();
    type Loss = fn(&KeyLosses) -> Option<Evaluation>;
    let kinds: [(&str, Loss); 4] = [
        ("hidden, restricted", |l| Some(l.hidden_restricted)),
        ("hidden, excluded", |l| l.hidden_excluded),
        ("logits, restricted", |l| Some(l.logit_restricted)),
        ("logits, excluded", |l| l.logit_excluded),
    ];
    let line = |(name, loss): (&str, Loss)| {
        Line::new(name, losses.iter().map(|l| loss(l).map_or(f64::NAN, |e| e.loss)).collect())
    };
    let bars = kinds.map(line).into_iter().filter(|line| line.y.iter().any(|v| v.is_finite())).collect();
    let x = Axis::new("irrep").named(&names);
    Some(Figure::new("Losses of the key irreps", x, Axis::new("loss, nats").log(), Marks::Bars(bars)))
}

/// Every neuron's share in its irrep against its concentration on the cosets of the best class of subgroups: what an irrep
/// explains and what a coset does, side by side. Neurons without an irrep, or whose maps do not vary, are left out.
pub fn irrep_against_coset(found: &RepresentationMeasures, cosets: &CosetMeasures) -> Figure {
    let mut kinds = BTreeMap::<BlockId, Points>::new();
    for (k, (neuron, coset)) in found.neurons.neurons.iter().zip(&cosets.neurons).enumerate() {
        let (Some(block), Some(share), Some(shares)) = (neuron.block, neuron.fraction_centred, &coset.shares) else {
            continue;
        };
        let proper = |&c: &usize| cosets.classes[c].order() > 1 && cosets.classes[c].order() < cosets.order;
        let concentration = |c: usize| cosets.concentration(c, shares[c].both());
        let best = |a: &usize, b: &usize| concentration(*a).total_cmp(&concentration(*b));
        let Some(class) = coset.class.or_else(|| (0..cosets.classes.len()).filter(proper).min_by(best)) else {
            continue;
        };
        let label = &found.irreps[block.index()].irrep.label;
        let points = kinds.entry(block).or_insert_with(|| Points {
            name: label.clone(),
            x: Vec::new(),
            y: Vec::new(),
            hover: Vec::new(),
        });
        // Exactly constant maps have concentration 0, which a logarithmic axis has no place for.
        let y = concentration(class).max(1e-9);
        points.x.push(share);
        points.y.push(y);
        let order = cosets.classes[class].order();
        points.hover.push(format!("neuron {k}: {label} {share:.4}, cosets of a subgroup of order {order}: {y:.3e}"));
    }
    let x = Axis::new("share in its irrep, mean removed");
    let y = Axis::new("concentration on cosets").log();
    let note = "Below 1 a neuron counts as constant on the cosets of some proper subgroup.";
    Figure::new("Coset against irrep, neuron by neuron", x, y, Marks::Scatter(kinds.into_values().collect()))
        .with_note(note)
}

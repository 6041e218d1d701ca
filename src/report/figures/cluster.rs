//! Pictures of the neurons' blocks.

use crate::analysis::{Neuron, NeuronClusters, NeuronKind};
use crate::fourier::BlockId;
use crate::report::{Axis, Figure, Line, Marks, Points};
use std::collections::BTreeMap;

/// Every neuron's block against the share of its square norm that the block explains; neurons without a block are left
/// out.
pub fn neuron_fractions(found: &NeuronClusters) -> Figure {
    type Fraction = fn(&Neuron) -> Option<f64>;
    let points = |(label, value): (&str, Fraction)| {
        let mut points = Points { name: label.into(), x: Vec::new(), y: Vec::new(), hover: Vec::new() };
        for (k, neuron) in found.neurons.iter().enumerate() {
            if let (Some(block), Some(y)) = (neuron.block, value(neuron)) {
                points.x.push(block.index() as f64);
                points.y.push(y);
                points.hover.push(format!("neuron {k}: {}, {label} {y:.4}", found.blocks[block.index()].name));
            }
        }
        points
    };
    let kinds: [(&str, Fraction); 2] =
        [("frac explained", |n| n.fraction_explained), ("mean removed", |n| n.fraction_centred)];
    let names: Vec<String> = found.blocks.iter().map(super::short).collect();
    let frequencies = found.blocks.iter().skip(1).all(|block| block.name.starts_with("frequency "));
    let x = if frequencies { Axis::new("Neuron frequency") } else { Axis::new("Neuron irrep").named(&names) };
    let marks = Marks::Scatter(kinds.map(points).to_vec());
    Figure::new(format!("{} against fraction explained", x.title), x, Axis::new("Frac explained"), marks)
}

/// How many neurons each block has, with all blocks tried and, as published, without the last and with ties decided by the
/// last digit; those without a block beside them.
pub fn cluster_sizes(found: &NeuronClusters, as_published: &BTreeMap<BlockId, usize>) -> Figure {
    let clusters = found.clusters();
    let mut keys: Vec<BlockId> = clusters.keys().chain(as_published.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    let mut names: Vec<String> = keys.iter().map(|&b| found.blocks[b.index()].name.clone()).collect();
    names.extend(["tied", "constant", "dim"].map(String::from));
    let [tied, constant, dim] =
        [NeuronKind::Tied, NeuronKind::Constant, NeuronKind::Dim].map(|kind| found.of_kind(kind).len() as f64);
    let all = keys.iter().map(|b| clusters.get(b).map_or(0, Vec::len) as f64).chain([tied, constant, dim]).collect();
    let published = keys.iter().map(|b| as_published.get(b).copied().unwrap_or(0) as f64);
    let published = published.chain([0.0, 0.0, dim]).collect();
    let bars = vec![Line::new("all frequencies tried", all), Line::new("as published", published)];
    let x = Axis::new("block").named(&names);
    Figure::new("Neurons by cluster", x, Axis::new("neurons"), Marks::Bars(bars))
}

//! The notebook told again on the shipped net: `cargo run --release --example 02_dihedral --
//! [RUN_DIR [PICTURES_DIR]]`.
//!
//! `examples/data/D53` was trained by this library on the dihedral group of order 106: rotations r^i and reflections r^i s.
//! Step by step: what its embeddings are, what one neuron is, how neurons cluster, what the loss needs, along which
//! functions of x and y the logits are written, and what a look at frequencies alone misses.
//!
//! The page that goes with it, with the numbers: `docs/dihedral.md`. Next: `03_symmetric_group.rs`.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use irreplens::analysis::{Interpretation, RepresentationMeasures, interpret, neuron_spectrum, representation};
use irreplens::checkpoint::Run;
use irreplens::fourier::{BlockId, CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::Dihedral;
use irreplens::irrep::dihedral;
use irreplens::model::Interpretable;
use irreplens::report::{Axis, Figure, Heat, Marks, Scale, figures};
use irreplens::task::Task;
use ndarray::{Array2, Array4, Axis as Along};
use std::path::Path;

/// The run directory of the shipped net.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53");

/// What the notebook finds.
pub struct Retold {
    /// All of its measurements.
    pub found: Interpretation,
    /// The frequencies the product is written with: over 90 % of their logits, rotation by rotation, are a function of x + y.
    pub key: Vec<BlockId>,
    /// Of the first of these: the neuron that holds most of the layer's square norm.
    pub neuron: usize,
    /// Its 2-D coefficients: (kind of x, kind of y, row of x, row of y).
    pub spectrum: Array4<f32>,
    /// Its share, where both elements are rotations, in the constant, in functions of x alone, of y alone, and of both.
    pub terms: [f64; 4],
    /// The logit of the identity, less each pair's mean over all logits: (x, y).
    pub identity: Array2<f32>,
    /// The same net by irreps.
    pub measures: RepresentationMeasures,
}

/// Reads a run on a dihedral group and goes through the notebook.
///
/// # Errors
/// Those of reading the run and of the analyses.
pub fn run(directory: &Path) -> irreplens::Result<Retold> {
    let run = Run::open(directory)?;
    let (group, net) = (Dihedral::new(run.config.group_parameter)?, run.model()?);
    let task = Task::new(&group);
    let basis = CyclicSubgroupBasis::dihedral(&group); // cosines and sines of rotations, and of reflections
    let mut found = interpret(&net, &basis, &task)?;

    // Which frequencies write a function of x + y? Entry (frequency, kind of x, kind of y, which of x + y and x - y).
    let share = found.directions.product_share.as_ref();
    let is_key = |(i, &k): (usize, &BlockId)| share.is_some_and(|share| share[[i, 0, 0, 0]] > Some(0.9)).then_some(k);
    let key: Vec<BlockId> = found.directions.blocks.iter().enumerate().filter_map(is_key).collect();

    // One neuron from near.
    let neurons = &found.neurons.neurons;
    let candidates = (0..neurons.len()).filter(|&k| key.is_empty() || neurons[k].block == Some(key[0]));
    let neuron = candidates.max_by(|&a, &b| neurons[a].share.total_cmp(&neurons[b].share)).unwrap_or(0);
    let spectrum = neuron_spectrum(&net, &basis, net.neuron_site(), neuron)?;
    let mut terms = [0.0; 4];
    for i in 0..basis.rows() {
        for j in 0..basis.rows() {
            terms[usize::from(i > 0) + 2 * usize::from(j > 0)] += f64::from(spectrum[[0, 0, i, j]]).powi(2);
        }
    }
    let total: f64 = terms.iter().sum();
    let logits = net.neuron_columns("logits", 0..basis.order())?;
    let identity = &logits.index_axis(Along(2), 0) - &(logits.sum_axis(Along(2)) / logits.len_of(Along(2)) as f32);

    let irreps = dihedral(&group).iter().map(|rho| rho.irrep(&group)).collect::<irreplens::Result<_>>()?;
    let basis = IrrepBasis::from_irreps(&group, irreps)?;
    let measures = representation(&net, &group, &basis, &task, &run.split()?)?;
    // What frequencies cannot tell apart is an irrep of the whole group.
    found.neurons.name_ties(&measures.neurons);
    Ok(Retold { found, key, neuron, spectrum, terms: terms.map(|energy| energy / total), identity, measures })
}

/// Writes the pictures of `docs/dihedral.md`.
///
/// # Errors
/// Those of writing files.
pub fn pictures(retold: &Retold, folder: &Path) -> irreplens::Result<()> {
    let Retold { found, neuron, spectrum, identity, .. } = retold;
    let half = identity.nrows() / 2;
    let names: Vec<String> =
        (0..2 * half).map(|i| format!("r^{}{}", i % half, if i < half { "" } else { " s" })).collect();
    let [x, y] = ["x", "y"].map(|title| Axis::new(title).named(&names));
    let heat = Marks::Heat(Heat::new(identity.clone(), Scale::Diverging));
    Figure::new("Score of the answer r^0 for every x and y", y, x, heat).png(folder.join("score.png"))?;
    // The norms of W_E_a and W_E_b in one picture; of the neuron's, two rotations.
    figures::embedding_norms(&found.embedding)[2].svg(folder.join("embedding.svg"))?;
    let kinds = ["rot".into(), "ref".into()];
    let regions = figures::neuron_regions(&found.embedding.components, &kinds, "hidden", *neuron, spectrum.view());
    regions[0].svg(folder.join("neuron-spectra.svg"))?;
    figures::neuron_fractions(&found.neurons).svg(folder.join("clusters.svg"))?;
    figures::ablation_losses(&found.ablations()).svg(folder.join("ablations.svg"))
}

fn main() -> irreplens::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| SHIPPED.into());
    let retold = run(directory.as_ref())?;
    if let Some(folder) = std::env::args().nth(2) {
        pictures(&retold, folder.as_ref())?;
    }
    let Retold { found, key, neuron, terms, measures, .. } = retold;
    println!("Loss over all pairs {:.2e}, accuracy {:.4}\n", found.baseline.loss, found.baseline.accuracy);

    println!("Embeddings: share of the map x -> neuron by frequency");
    let norms = found.embedding.neuron_left.as_ref().expect("a separable net");
    for block in &found.neurons.blocks {
        let share = block.rows.clone().map(|row| norms[row]).sum::<f64>() / norms.sum();
        if share > 0.01 {
            println!("   {:>12}: {:4.1} %", block.name, 100.0 * share);
        }
    }

    println!(
        "\nOne neuron, number {neuron}, on two rotations: functions of x alone {:.1} %, of y alone {:.1} %, of both {:.1} %, constant {:.1} %",
        100.0 * terms[1],
        100.0 * terms[2],
        100.0 * terms[3],
        100.0 * terms[0]
    );
    println!("\nAll neurons\n{}", found.neurons);

    let within = [found.neuron_spectrum.split_centred().shares(), found.logit_shares()]
        .map(|shares| shares.map_or(0.0, |shares| 100.0 * shares.within_block));
    println!("\nProducts within one frequency: {:.1} % of the neurons, {:.1} % of the logits", within[0], within[1]);

    println!("\nLoss without the neurons of one frequency");
    for (k, evaluation) in found.without_cluster.iter().flatten() {
        println!("   frequency {k:>2}: {:.2e}, accuracy {:.4}", evaluation.loss, evaluation.accuracy);
    }
    let loss = |evaluation: Option<irreplens::model::Evaluation>| evaluation.map_or(f64::NAN, |e| e.loss);
    println!("Loss with every neuron reduced to its own frequency: {:.2e}", loss(found.own_block_only));

    println!("\nLogits written with {key:?}: share that is a function of x + y, and of x - y");
    let share = found.directions.product_share.as_ref().expect("a product lies in one sector");
    for (i, k) in found.directions.blocks.iter().enumerate().filter(|(_, k)| key.contains(k)) {
        for (x, left) in ["rotation", "reflection"].iter().enumerate() {
            println!(
                "   frequency {k:>2}, {left:>10} on the left: {:5.2} %  {:5.2} %",
                100.0 * share[[i, x, 0, 0]].unwrap_or(0.0),
                100.0 * share[[i, x, 0, 1]].unwrap_or(0.0)
            );
        }
    }
    println!("Loss without what is written on the wrong kind of element: {:.2e}", loss(found.published.parity));

    let sign = measures.neurons.clusters().remove(&1).unwrap_or_default();
    println!("\nBy irreps, neurons {sign:?} are the sign: rotation or reflection, no frequency at all");
    Ok(())
}

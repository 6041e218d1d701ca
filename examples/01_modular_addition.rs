//! Modular addition, learnt and explained: `cargo run --release --example 01_modular_addition`.
//!
//! Trains a net on the cyclic group of order 59 in a few seconds and looks at what it has become (Nanda et al. 2023):
//! 1. its embeddings are cosines and sines of a few frequencies;
//! 2. every neuron computes with one of them;
//! 3. its logits are sums of cos w(x + y - z);
//! 4. and that is what it works with: without those sums it is lost, with nothing else it is as good as before.
//!
//! The page that goes with it: `docs/training.md`. Next: `02_dihedral.rs`.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use irreplens::analysis::{
    Ablation, NeuronClusters, RepresentationMeasures, cluster_losses, component_norms, neurons, representation,
};
use irreplens::fourier::{BlockId, CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::Cyclic;
use irreplens::irrep::cyclic;
use irreplens::model::{Architecture, Evaluation, Interpretable};
use irreplens::task::{Split, Task};
use irreplens::train::{Metrics, StopRules, TrainConfig, Trainer};
use std::collections::BTreeMap;

/// What the net learnt and how it does it.
pub struct Explained {
    /// Losses at the end of training.
    pub trained: Metrics,
    /// Share of the left embedding's square norm by frequency, 0 being the constant.
    pub embedding: Vec<f64>,
    /// The frequency of every neuron.
    pub neurons: NeuronClusters,
    /// The loss without the neurons of one frequency, by frequency.
    pub without: BTreeMap<BlockId, Evaluation>,
    /// The measures by irrep: irrep k of a cyclic group is frequency k, with character 2 cos w(x + y - z).
    pub measures: RepresentationMeasures,
}

/// Trains a net of `width` neurons on a `fraction` of the pairs of the cyclic group of order `n`, until its loss on all
/// other pairs is below 1e-4 or `epochs` are over, and explains it.
///
/// # Errors
/// Those of training and of the analyses.
pub fn run(n: usize, fraction: f64, width: usize, epochs: u64) -> irreplens::Result<Explained> {
    let group = Cyclic::new(n)?;
    let (task, split) = (Task::new(&group), Split::random(n, fraction, 1)?);
    let config = TrainConfig {
        epochs,
        lr: 3e-3,
        seed: 2,
        stop: StopRules { test_loss_below: Some(1e-4), ..StopRules::default() },
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(&group, Architecture::one_layer(width, width), split.clone(), config)?;
    let trained = trainer.run()?.metrics;
    let net = trainer.network();

    // 1. Square norms of the embedding by component; the rows of block k are cos k and sin k.
    let basis = CyclicSubgroupBasis::cyclic(&group);
    let needs = irreplens::Error::Unsupported { analysis: "spectrum of the embedding", needs: "a net with embeddings" };
    let (left, _) = net.embeddings().ok_or(needs)?;
    let norms = component_norms(&basis, left)?;
    let share =
        |block: &irreplens::fourier::Block| block.rows.clone().map(|r| norms[[0, r]]).sum::<f64>() / norms.sum();
    let embedding = basis.blocks().iter().map(share).collect();

    // 2. The frequency that holds most of each neuron, and what the loss is without the neurons of each.
    let neurons = neurons(&net, &basis)?;
    let without = cluster_losses(&net, &task, &neurons.clusters(), Ablation::Drop)?;

    // 3 and 4. The same frequencies as irreps: how far the logits are characters of x y z^-1, and what they are worth.
    let irreps = cyclic(&group).iter().map(|rho| rho.irrep(&group)).collect::<irreplens::Result<_>>()?;
    let measures = representation(&net, &group, &IrrepBasis::from_irreps(&group, irreps)?, &task, &split)?;
    Ok(Explained { trained, embedding, neurons, without, measures })
}

fn main() -> irreplens::Result<()> {
    let found = run(59, 0.6, 64, 20_000)?;
    let (measures, test) = (&found.measures, found.trained.test.expect("there are test pairs"));
    println!("C59 after {} epochs: {test} on pairs it never saw\n", found.trained.epoch);

    println!(
        "1. The embedding is cosines and sines of a few frequencies, and 3. the logits are cos w(x + y - z) of the same:"
    );
    println!("   {:>9}{:>14}{:>24}", "frequency", "of embedding", "similarity of logits");
    let key: Vec<usize> = (1..found.embedding.len()).filter(|&k| found.embedding[k] > 0.05).collect();
    let similarity = |k: usize| measures.irreps[k].trace_similarity.unwrap_or(0.0);
    for &k in &key {
        println!("   {k:>9}{:>12.1} %{:>24.3}", 100.0 * found.embedding[k], similarity(k));
    }
    let squares = |k: usize| similarity(k).powi(2);
    println!(
        "   These {} hold {:.1} % of the embedding's square norm and {:.1} % of the logits'.",
        key.len(),
        100.0 * key.iter().map(|&k| found.embedding[k]).sum::<f64>(),
        100.0 * key.iter().map(|&k| squares(k)).sum::<f64>()
    );

    println!(
        "\n2. Every neuron computes with one frequency (where `explained` is near `chance` it means nothing):\n{}",
        found.neurons
    );
    println!("\n   Loss over all pairs without the neurons of one; with all of them {:.1e}:", measures.all.loss);
    for &k in &key {
        println!("   frequency {k:>2}: {:.1e}", found.without[&k].loss);
    }

    let losses = measures.key_losses.expect("there are key frequencies");
    println!(
        "\n4. Loss over all pairs from the cosines of all {} key frequencies alone: {:.1e}",
        measures.key.len(),
        losses.logit_restricted.loss
    );
    let without = losses.logit_excluded.expect("there are training pairs");
    println!("   Loss over the training pairs without them: {:.1}; a guess has {:.1}", without.loss, 59f64.ln());
    Ok(())
}

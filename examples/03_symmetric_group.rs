//! Permutations, learnt and explained: `cargo run --release --example 03_symmetric_group`.
//!
//! Trains a net on the symmetric group S4, which has no frequencies, and looks at it in two ways:
//! 1. by irreps (Chughtai et al. 2023): its logits are characters chi(x y z^-1) of a few irreps;
//! 2. by cosets (Stander et al. 2024): neurons are constant on the cosets H x and y K of subgroups.
//!
//! An untrained net stands beside it: what that has too, says nothing.
//! The page that goes with it: `docs/replication.md`. Next: `04_your_own_checkpoint.rs`.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use irreplens::analysis::{Controls, CosetMeasures, RepresentationMeasures, cosets, representation, with_controls};
use irreplens::fourier::IrrepBasis;
use irreplens::group::{Group, Symmetric, subgroup_classes};
use irreplens::irrep::{Irrep, irreps, symmetric};
use irreplens::model::{Architecture, Network};
use irreplens::task::{Split, Task};
use irreplens::train::{Metrics, StopRules, TrainConfig, Trainer};

/// What was found of a net, of an untrained one, and of the net with the group's elements shuffled.
pub struct Explained {
    /// The irreps of the group, labelled by partitions.
    pub irreps: Vec<Irrep>,
    /// Losses at the end of training.
    pub trained: Metrics,
    /// Both explanations.
    pub found: Controls<(RepresentationMeasures, CosetMeasures)>,
}

/// Trains a net of `width` neurons on a `fraction` of the pairs of the symmetric group of `degree`, for `epochs` or until its
/// loss on all other pairs is below 1e-4, and explains it.
///
/// # Errors
/// Those of training and of the analyses.
pub fn run(degree: usize, fraction: f64, width: usize, epochs: u64) -> irreplens::Result<Explained> {
    let group = Symmetric::new(degree)?;
    let (n, architecture) = (group.order(), Architecture::one_layer(width, width));
    let split = Split::random(n, fraction, 1)?;
    let stop = StopRules { test_loss_below: Some(1e-4), ..StopRules::default() };
    let config = TrainConfig { epochs, lr: 3e-3, stop, ..TrainConfig::default() };
    let mut trainer = Trainer::new(&group, architecture.clone(), split.clone(), config)?;
    let trained = trainer.run()?.metrics;
    let net = trainer.network();

    // The irreps by name. `irreps(&group)` would find them without: it does for any group.
    let named = symmetric(&group).iter().map(|rho| rho.irrep(&group)).collect::<irreplens::Result<Vec<_>>>()?;
    let untrained = Network::random(architecture, n, 7)?;
    let found = with_controls(&net, Some(&untrained), &group, 0, |model, on| {
        // On the group with its elements shuffled the characters are others, and found anew.
        let same = Task::new(on).labels() == Task::new(&group).labels();
        let basis = IrrepBasis::from_irreps(on, if same { named.clone() } else { irreps(on)? })?;
        let by_irrep = representation(model, on, &basis, &Task::new(on), &split)?;
        Ok((by_irrep, cosets(model, on, &subgroup_classes(on, 2000)?)?))
    })?;
    Ok(Explained { irreps: named, trained, found })
}

/// Neurons that are concentrated on the cosets of some subgroup.
pub fn on_cosets(found: &CosetMeasures) -> usize {
    found.clusters().values().map(Vec::len).sum()
}

fn main() -> irreplens::Result<()> {
    let explained = run(4, 0.8, 64, 20_000)?;
    let test = explained.trained.test.expect("there are test pairs");
    println!("S4 after {} epochs: {test} on pairs it never saw", explained.trained.epoch);
    let names: Vec<_> =
        explained.irreps.iter().map(|irrep| format!("{} of dimension {}", irrep.label, irrep.dim)).collect();
    println!("Its irreps: {}\n", names.join(", "));

    let (by_irrep, by_coset) = &explained.found.found;
    println!("1. By irreps\n{by_irrep}\n");
    println!("2. By cosets\n{by_coset}\n");
    println!("Neurons on the cosets of a subgroup, and share of the logits in characters:");
    let (untrained_irrep, untrained_coset) = explained.found.random_model.as_ref().expect("it was given");
    let (shuffled_irrep, shuffled_coset) = &explained.found.relabelled;
    for (what, irreps, cosets) in [
        ("the net", by_irrep, by_coset),
        ("an untrained net", untrained_irrep, untrained_coset),
        ("the net, elements shuffled", shuffled_irrep, shuffled_coset),
    ] {
        println!("   {what:<28}{:>3}   {:5.1} %", on_cosets(cosets), 100.0 * irreps.logit_fve.unwrap_or(0.0));
    }
    Ok(())
}

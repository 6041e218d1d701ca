use crate::analysis::Interpretation;
use crate::model::Evaluation;
use crate::report::{Axis, Figure, Line, Marks};

/// One thing done to a model, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ablation {
    /// What was done.
    pub what: String,
    /// Loss and accuracy over all pairs.
    pub after: Evaluation,
}

/// The model as it is, and everything that was done to it.
pub fn ablations(found: &Interpretation) -> Vec<Ablation> {
    let all = [
        ("the model as it is", Some(found.baseline)),
        ("every neuron's mean removed", found.hidden_centred),
        ("every neuron reduced to its own block", found.own_block_only),
        ("parity-forbidden logit directions removed", found.parity),
    ];
    let whole = all.into_iter().filter_map(|(what, after)| Some(Ablation { what: what.into(), after: after? }));
    let clusters = found.without_cluster.iter().flatten().map(|(&b, &after)| {
        let what = format!("without {}", found.neurons.blocks[b].name);
        Ablation { what, after }
    });
    whole.chain(clusters).collect()
}

/// The loss after every ablation, on a logarithmic axis.
pub fn ablation_losses(ablations: &[Ablation]) -> Figure {
    let names: Vec<String> = ablations.iter().map(|a| a.what.clone()).collect();
    let bars = vec![Line::new("loss", ablations.iter().map(|a| a.after.loss).collect())];
    let least = ablations.iter().map(|a| a.after.loss).filter(|&l| l > 0.0).fold(f64::INFINITY, f64::min);
    let most = ablations.iter().map(|a| a.after.loss).filter(|l| l.is_finite()).fold(0.0, f64::max);
    let mut y = Axis::new("loss, nats").log();
    if least < f64::INFINITY {
        // Bars start a decade below the least.
        y = y.between(10f64.powf(least.log10().floor() - 1.0), 10f64.powf(most.log10().ceil()));
    }
    let x = Axis::new("what was done").named(&names);
    Figure::new("Loss after each ablation", x, y, Marks::Bars(bars))
}

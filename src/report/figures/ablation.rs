//! Pictures of ablations.

use crate::analysis::Ablated;
use crate::report::{Axis, Figure, Line, Marks};

/// The loss after every ablation, on a logarithmic axis.
pub fn ablation_losses(ablations: &[Ablated]) -> Figure {
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

//! The law that adding a function of the pair to all logits changes no measure of them.

use super::hooks::cyclic;
use crate::error::Result;
use crate::fourier::CyclicSubgroupBasis;
use crate::laws::{ACTIVATION_TOLERANCE, Violation, answer, uniform};
use crate::model::{ActivationCache, Hooks, Interpretable, LOGITS, Readout, Site};
use crate::task::Pair;
use ndarray::Array2;

/// Adding a function of the pair to all of its logits, which no softmax sees, does not change the energies of the logits that
/// [`neuron_and_logit_spectra`](Interpretable::neuron_and_logit_spectra) gives.
///
/// The function is random, and as large as the logits; the basis is that of the cyclic group.
///
/// # Errors
/// `logit shift`: the energy, class and block, with the function and without; `sites` as [`sites`](super::sites).
pub fn logit_shift(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "logit shift";
    if let Some(inside) = model.without_group() {
        return logit_shift(inside);
    }
    super::sites(model)?;
    let n = model.order();
    let basis = CyclicSubgroupBasis::cyclic(&cyclic(LAW, n)?);
    let energies = answer(LAW, "spectrum of the logits", model.spectrum(LOGITS, &basis))?.by_block.energy;
    let scale = energies.fold(0.0f64, |m, &e| m.max(e)).sqrt() / n as f64;
    let shifted = Shifted { model, by: uniform((n, n)) * (2.0 * scale) as f32 };
    let (_, plain) = answer(LAW, "spectra", model.neuron_and_logit_spectra(&basis))?;
    let (_, shifted) = answer(LAW, "spectra of shifted logits", shifted.neuron_and_logit_spectra(&basis))?;
    let tolerance = 10.0 * ACTIVATION_TOLERANCE * (scale * n as f64).powi(2);
    let (got, want) = (&shifted.by_block, &plain.by_block);
    Violation::unless_equal(LAW, "classes", want.energy.len(), n)?;
    for (what, got, want) in [("energy", &got.energy, &want.energy), ("constant", &got.constant, &want.constant)] {
        for (z, (&got, &want)) in got.iter().zip(want).enumerate() {
            Violation::unless_close(LAW, format_args!("{what} of class {z}"), got, want, tolerance)?;
        }
    }
    for (what, got, want) in [
        ("linear in x", &got.linear_x, &want.linear_x),
        ("linear in y", &got.linear_y, &want.linear_y),
        ("products", &got.product, &want.product),
    ] {
        for (((z, b), &got), &want) in got.indexed_iter().zip(want) {
            Violation::unless_close(LAW, format_args!("{what}, class {z}, block {b}"), got, want, tolerance)?;
        }
    }
    Ok(())
}

/// A model with a function of the pair added to all of its logits.
struct Shifted<'a> {
    model: &'a dyn Interpretable,
    by: Array2<f32>,
}

impl Interpretable for Shifted<'_> {
    fn order(&self) -> usize {
        self.model.order()
    }
    fn sites(&self) -> Vec<Site> {
        self.model.sites()
    }
    fn neuron_site(&self) -> &str {
        self.model.neuron_site()
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut cache = self.model.run_with_hooks(pairs, hooks, keep)?;
        if keep.contains(&LOGITS) {
            let mut logits = cache.take(LOGITS)?;
            for (mut row, (x, y)) in logits.rows_mut().into_iter().zip(pairs) {
                row += self.by[[x.index(), y.index()]];
            }
            cache.insert(LOGITS, logits);
        }
        Ok(cache)
    }
    fn readout(&self) -> Readout<'_> {
        Readout::of_logits(self.order())
    }
}

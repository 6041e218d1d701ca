//! A model given by a closure.

use super::{ActivationCache, ForwardPass, Hooks, Interpretable, LOGITS, Readout, Site};
use crate::error::{Error, Result, check_shape};
use crate::task::Pair;
use ndarray::Array2;
use std::collections::BTreeSet;

/// A model given by a closure from pairs to the activations of its sites, the logits last.
///
/// Its readout is the identity on `logits`, so hooks can be honoured there and nowhere else: the closure is opaque.
///
/// ```
/// use irreplens::group::Cyclic;
/// use irreplens::model::{FromFn, Hooks, Interpretable, Site};
/// use irreplens::task::Task;
/// use ndarray::Array2;
///
/// // The perfect solution of C5: logits = 9 cos(2 pi (x + y - z) / 5).
/// let model = FromFn::new(5, vec![Site::new("logits", 5)], "logits", |pairs| {
///     vec![Array2::from_shape_fn((pairs.len(), 5), |(i, z)| {
///         let t = (pairs[i].0.index() + pairs[i].1.index() + 5 - z) as f32;
///         9.0 * (std::f32::consts::TAU * t / 5.0).cos()
///     })]
/// })?;
/// assert_eq!(model.evaluate(&Task::new(&Cyclic::new(5)?), &Hooks::none())?.accuracy, 1.0);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub struct FromFn<F> {
    order: usize,
    sites: Vec<Site>,
    neuron_site: String,
    function: F,
}

impl<F: Fn(&[Pair]) -> Vec<Array2<f32>> + Send + Sync> FromFn<F> {
    /// A model over a group of `order` elements whose `function` returns the activations of `sites`, in that order,
    /// each (pairs, width).
    ///
    /// # Errors
    /// [`Error::Shape`] unless the last site is `logits`, `order` wide; [`Error::UnknownSite`] if `neuron_site` is
    /// not among them; [`Error::RepeatedSite`].
    pub fn new(order: usize, sites: Vec<Site>, neuron_site: &str, function: F) -> Result<Self> {
        check_sites(&sites.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), neuron_site)?;
        check_shape("logits", &[order], &[sites[sites.len() - 1].width])?;
        Ok(Self { order, sites, neuron_site: neuron_site.into(), function })
    }
}

impl<F: Fn(&[Pair]) -> Vec<Array2<f32>> + Send + Sync> Interpretable for FromFn<F> {
    fn order(&self) -> usize {
        self.order
    }
    fn sites(&self) -> Vec<Site> {
        self.sites.clone()
    }
    fn neuron_site(&self) -> &str {
        &self.neuron_site
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        hooks_only_on(&[LOGITS], "FromFn", hooks, "its function is opaque: only logits can be changed")?;
        let activations = (self.function)(pairs);
        check_shape("sites returned by the function", &[self.sites.len()], &[activations.len()])?;
        for (site, activations) in self.sites.iter().zip(activations) {
            pass.visit(&site.name, activations)?;
        }
        Ok(pass.finish())
    }
    fn readout(&self) -> Readout<'_> {
        Readout::of_logits(self.order)
    }
}

/// Checks that the last site is that of the logits, that the neuron site is among them and that no two have one name.
pub(super) fn check_sites(names: &[&str], neuron_site: &str) -> Result<()> {
    let is_last = names.last() == Some(&LOGITS);
    if !is_last || !names.contains(&neuron_site) {
        let (site, known) = (if is_last { neuron_site } else { LOGITS }, names.iter().map(|&name| name.into()));
        return Err(Error::UnknownSite { site: site.into(), known: known.collect() });
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|&&site| !seen.insert(site)) {
        Some(&site) => Err(Error::RepeatedSite { site: site.into() }),
        None => Ok(()),
    }
}

/// Refuses hooks on any other site than these.
pub(super) fn hooks_only_on(sites: &[&str], model: &'static str, hooks: &Hooks, reason: &'static str) -> Result<()> {
    match hooks.iter().find(|hook| !sites.contains(&hook.site.as_str())) {
        Some(hook) => Err(Error::HookUnsupported { model, site: hook.site.clone(), reason }),
        None => Ok(()),
    }
}

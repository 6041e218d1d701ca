//! The activations that a forward pass kept, and what computes a pass with hooks.

use super::{Hooks, Interpretable, Site, width};
use crate::error::{Error, Result, check_shape};
use crate::task::Pair;
use ndarray::{ArcArray2, Array2, ArrayView2};
use std::collections::BTreeMap;

/// The activations a forward pass kept, by site: each (pairs, width).
#[derive(Clone, Debug, Default)]
pub struct ActivationCache {
    kept: BTreeMap<String, ArcArray2<f32>>,
}

impl ActivationCache {
    /// The activations of a site, if they were kept.
    #[must_use]
    pub fn get(&self, site: &str) -> Option<ArrayView2<'_, f32>> {
        self.kept.get(site).map(|a| a.view())
    }

    /// Takes the activations of a site out of the cache.
    ///
    /// # Errors
    /// [`Error::UnknownSite`] if they were not kept.
    pub fn take(&mut self, site: &str) -> Result<Array2<f32>> {
        match self.kept.remove(site) {
            Some(activations) => Ok(activations.into_owned()),
            None => Err(Error::UnknownSite { site: site.into(), known: self.kept.keys().cloned().collect() }),
        }
    }

    pub(crate) fn insert(&mut self, site: &str, activations: Array2<f32>) {
        self.kept.insert(site.into(), activations.into_shared());
    }

    /// The names of the sites kept.
    pub fn sites(&self) -> impl Iterator<Item = &str> {
        self.kept.keys().map(String::as_str)
    }
}

/// Carries a forward pass through its sites: checks the request, applies hooks, keeps what was asked for.
///
/// An implementation of [`Interpretable::run_with_hooks`] makes one, hands it every site's activations in order
/// ([`visit`](ForwardPass::visit)) and goes on with what it gets back; the doctest of [`Interpretable`] shows it.
pub struct ForwardPass<'a> {
    sites: Vec<Site>,
    order: usize,
    pairs: &'a [Pair],
    hooks: &'a Hooks,
    keep: &'a [&'a str],
    cache: ActivationCache,
}

impl<'a> ForwardPass<'a> {
    /// A pass over `pairs`, with every name and shape checked.
    ///
    /// # Errors
    /// [`Error::UnknownSite`], [`Error::UnknownChannel`], [`Error::Shape`]; and [`Error::UnknownElement`] for a pair outside
    /// the group.
    pub fn new(
        model: &(impl Interpretable + ?Sized),
        pairs: &'a [Pair],
        hooks: &'a Hooks,
        keep: &'a [&'a str],
    ) -> Result<Self> {
        let model: &dyn Interpretable = &model;
        let (sites, order) = (model.sites(), model.order());
        hooks.check(&sites, order)?;
        for site in keep {
            width(model, site)?;
        }
        let largest = pairs.iter().map(|(x, y)| x.index().max(y.index())).max();
        if let Some(got) = largest.filter(|&got| got >= order) {
            return Err(Error::UnknownElement { order, got });
        }
        Ok(Self { sites, order, pairs, hooks, keep, cache: ActivationCache::default() })
    }

    /// Whether this site's activations are kept or changed.
    #[must_use]
    pub fn touches(&self, site: &str) -> bool {
        self.keep.contains(&site) || self.hooks.touch(site)
    }

    /// Whether this site or a later one is kept: where not, the pass may stop before it.
    #[must_use]
    pub fn needs(&self, site: &str) -> bool {
        self.sites.iter().skip_while(|s| s.name != site).any(|s| self.keep.contains(&s.name.as_str()))
    }

    /// Applies the hooks on a site to its activations, keeps them if asked to, and returns them.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not (pairs, width).
    pub fn visit(&mut self, site: &str, mut activations: Array2<f32>) -> Result<ArcArray2<f32>> {
        let width = self.sites.iter().find(|s| s.name == site).map_or(0, |s| s.width);
        check_shape(&format!("activations of `{site}`"), &[self.pairs.len(), width], activations.shape())?;
        self.hooks.apply(site, self.pairs, self.order, &mut activations);
        let activations = activations.into_shared();
        if self.keep.contains(&site) {
            self.cache.kept.insert(site.into(), activations.clone());
        }
        Ok(activations)
    }

    /// What was kept.
    #[must_use]
    pub fn finish(self) -> ActivationCache {
        self.cache
    }
}

use super::evaluate::all_pairs_bytes;
use super::from_fn::{hooks_only_on, unique};
use super::layer::unembed;
use super::{ActivationCache, ForwardPass, Hooks, Interpretable, LOGITS, Site};
use crate::error::{Error, Result, check_shape};
use crate::memory;
use crate::task::{Pair, pairs};
use ndarray::{Array2, ArrayView2, Axis};

/// Activations and logits computed elsewhere, at all n^2 pairs: any network trained anywhere, analysed here.
///
/// Export from PyTorch, with `x` and `y` running over all pairs in row-major order and `cache` whatever the model
/// recorded:
///
/// ```python
/// import numpy as np, torch
/// x, y = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
/// with torch.no_grad():
///     logits, cache = model.run_with_cache(x, y)
/// np.savez("run.npz", logits=logits.numpy(), hidden=cache["hidden"].numpy(),
///          embed_left=model.W_E_a.detach().numpy(), embed_right=model.W_E_b.detach().numpy(),
///          unembed=model.W_U.detach().numpy())           # the last three may be left out
/// # then, in Rust: irreplens::checkpoint::read_precomputed("run.npz", "hidden")?
/// ```
///
/// Hooks are honoured at `logits`, and at the neuron site where the unembedding is given (logits are then read out
/// again); elsewhere they are an error.
#[derive(Clone, Debug)]
pub struct Precomputed {
    order: usize,
    sites: Vec<(String, Array2<f32>)>,
    neuron_site: String,
    embeddings: Option<(Array2<f32>, Array2<f32>)>,
    unembed: Option<Array2<f32>>,
    skipped: Vec<String>,
}

/// Largest difference, relative to the largest logit, that the unembedding given may show against the logits given.
const READOUT: f32 = 1e-4;

impl Precomputed {
    /// From sites in the order they are computed, each (n^2, width), `logits` last, and the site to take neurons from.
    ///
    /// # Errors
    /// [`Error::UnknownSite`] if `logits` is not last or `neuron_site` not there; [`Error::RepeatedSite`];
    /// [`Error::Shape`] naming the array that does not fit.
    pub fn new(sites: Vec<(String, Array2<f32>)>, neuron_site: &str) -> Result<Self> {
        let unknown = |site: &str| {
            let known = sites.iter().map(|s| s.0.clone()).collect();
            Error::UnknownSite { site: site.into(), known }
        };
        let Some((name, logits)) = sites.last() else { return Err(unknown(LOGITS)) };
        if name != LOGITS {
            return Err(unknown(LOGITS));
        }
        if !sites.iter().any(|s| s.0 == neuron_site) {
            return Err(unknown(neuron_site));
        }
        let order = logits.ncols();
        unique(sites.iter().map(|s| s.0.as_str()))?;
        for (name, activations) in &sites {
            check_shape(name, &[order * order, activations.ncols()], activations.shape())?;
        }
        Ok(Self { order, sites, neuron_site: neuron_site.into(), embeddings: None, unembed: None, skipped: Vec::new() })
    }

    /// The same with its embeddings, each (n, embed).
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn with_embeddings(mut self, left: Array2<f32>, right: Array2<f32>) -> Result<Self> {
        check_shape("left embedding", &[self.order, left.ncols()], left.shape())?;
        check_shape("right embedding", &[self.order, left.ncols()], right.shape())?;
        self.embeddings = Some((left, right));
        Ok(self)
    }

    /// The same with the linear map (width of the neuron site, n) that reads the logits off the neuron site.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::ReadoutMismatch`] if it does not give the logits recorded.
    pub fn with_unembedding(mut self, unembed: Array2<f32>) -> Result<Self> {
        let hidden = self.activations(&self.neuron_site);
        check_shape("unembedding", &[hidden.ncols(), self.order], unembed.shape())?;
        let logits = self.activations(LOGITS);
        let scale = logits.iter().fold(0.0f32, |m, &l| m.max(l.abs()));
        let unembed = unembed.as_standard_layout().into_owned();
        for first in (0..hidden.nrows()).step_by(4096) {
            let rows = first..hidden.nrows().min(first + 4096);
            let read = super::layer::unembed(hidden.slice_axis(Axis(0), rows.clone().into()), &unembed)?;
            let given = logits.slice_axis(Axis(0), rows.into());
            // NaN, once met, stays; `f32::max` would drop it.
            let worse = |m: f32, d: f32| if d > m || d.is_nan() { d } else { m };
            let worst = read.iter().zip(given).fold(0.0f32, |m, (a, b)| worse(m, (a - b).abs()));
            if worst.is_nan() || worst > READOUT * scale {
                return Err(Error::ReadoutMismatch { site: self.neuron_site, difference: worst, scale });
            }
        }
        self.unembed = Some(unembed);
        Ok(self)
    }

    /// The arrays beside the sites that [`read_precomputed`](crate::checkpoint::read_precomputed) passed over, by name, with
    /// type and shape; empty for a model that comes from no file.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    pub(crate) fn with_skipped(self, skipped: Vec<String>) -> Self {
        Self { skipped, ..self }
    }

    /// Records sites of another model at all pairs.
    ///
    /// # Errors
    /// [`Error::Memory`] over the [budget](crate::memory::budget); those of `run_with_cache`.
    pub fn record(model: &(impl Interpretable + ?Sized), sites: &[&str], neuron_site: &str) -> Result<Self> {
        let n = model.order();
        let width: usize = model.sites().iter().filter(|s| sites.contains(&s.name.as_str())).map(|s| s.width).sum();
        memory::check("recorded activations", all_pairs_bytes(n, width))?;
        let mut cache = model.run_with_cache(&pairs(n, 0..n * n), sites)?;
        let kept = sites.iter().map(|&site| Ok((site.to_owned(), cache.take(site)?)));
        Self::new(kept.collect::<Result<_>>()?, neuron_site)
    }

    fn activations(&self, site: &str) -> &Array2<f32> {
        &self.sites.iter().find(|s| s.0 == site).expect("checked at construction").1
    }
}

impl Interpretable for Precomputed {
    fn order(&self) -> usize {
        self.order
    }
    fn sites(&self) -> Vec<Site> {
        self.sites.iter().map(|(name, activations)| Site::new(name, activations.ncols())).collect()
    }
    fn neuron_site(&self) -> &str {
        &self.neuron_site
    }
    fn readout_site(&self) -> &str {
        if self.unembed.is_some() { &self.neuron_site } else { LOGITS }
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let reason = "activations are recorded: only logits, and the neuron site with its unembedding, can be changed";
        hooks_only_on(&[LOGITS, self.readout_site()], "Precomputed", hooks, reason)?;
        let after = self.sites.iter().skip_while(|(site, _)| *site != self.neuron_site).skip(1);
        if let Some((site, _)) = after
            .filter(|(site, _)| hooks.touch(&self.neuron_site) && site != LOGITS)
            .find(|(site, _)| keep.contains(&site.as_str()))
        {
            let reason = "a recorded site behind the neuron site would not follow the change";
            return Err(Error::HookUnsupported { model: "Precomputed", site: site.clone(), reason });
        }
        let rows: Vec<usize> = pairs.iter().map(|(x, y)| x.index() * self.order + y.index()).collect();
        let mut changed = None;
        for (site, activations) in &self.sites {
            let read_again = site == LOGITS && changed.is_some();
            if !pass.touches(site) && !read_again {
                continue;
            }
            let recorded = match &changed {
                Some(read) if site == LOGITS => self.readout(ArrayView2::from(read))?,
                _ => activations.select(Axis(0), &rows),
            };
            let visited = pass.visit(site, recorded)?;
            if hooks.touch(site) && site != LOGITS {
                changed = Some(visited.into_owned());
            }
        }
        Ok(pass.finish())
    }
    fn readout(&self, activations: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        match &self.unembed {
            Some(unembedding) => unembed(activations, unembedding),
            None => {
                check_shape("logits", &[activations.nrows(), self.order], activations.shape())?;
                Ok(activations.to_owned())
            }
        }
    }
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        self.embeddings.as_ref().map(|(left, right)| (left.view(), right.view()))
    }
    fn unembedding(&self) -> Option<ArrayView2<'_, f32>> {
        self.unembed.as_ref().map(|u| u.view())
    }
}

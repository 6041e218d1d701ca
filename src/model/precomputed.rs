//! Activations that another program recorded, as a model.

use super::evaluate::all_pairs_bytes;
use super::from_fn::{check_sites, hooks_only_on};
use super::{ActivationCache, ForwardPass, Hooks, Interpretable, LOGITS, Readout, Site};
use crate::error::{Error, Result, check_shape};
use crate::memory;
use crate::task::{Pair, pairs};
use ndarray::{Array1, Array2, ArrayView2, Axis};

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
/// # with an output bias (nn.Linear has one): unembed=layer.weight.T.detach().numpy(), unembed_bias=layer.bias...
/// # where neurons read left[x] + right[y] of stacked embeddings: left=(E_a @ W[:e])..., right=(E_b @ W[e:])...
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
    embeddings: Option<[Array2<f32>; 2]>,
    maps: Maps,
    unembed: Option<Array2<f32>>,
    output_bias: Option<Array1<f32>>,
    skipped: Vec<String>,
}

/// The functions of x and of y that the neurons read.
#[derive(Clone, Debug)]
enum Maps {
    Unknown,
    Embeddings,
    Given([Array2<f32>; 2]),
}

/// Largest difference, relative to the largest value recorded, that what is given beside recorded activations (an
/// unembedding, maps) may show against them.
const RECORDED: f32 = 1e-4;

impl Precomputed {
    /// From sites in the order they are computed, each (n^2, width), `logits` last, and the site to take neurons from.
    ///
    /// # Errors
    /// [`Error::UnknownSite`] if `logits` is not last or `neuron_site` not there; [`Error::RepeatedSite`];
    /// [`Error::Shape`] naming the array that does not fit.
    pub fn new(sites: Vec<(String, Array2<f32>)>, neuron_site: &str) -> Result<Self> {
        check_sites(&sites.iter().map(|s| s.0.as_str()).collect::<Vec<_>>(), neuron_site)?;
        let order = sites[sites.len() - 1].1.ncols();
        for (name, activations) in &sites {
            check_shape(name, &[order * order, activations.ncols()], activations.shape())?;
        }
        Ok(Self {
            order,
            sites,
            neuron_site: neuron_site.into(),
            embeddings: None,
            maps: Maps::Unknown,
            unembed: None,
            output_bias: None,
            skipped: Vec::new(),
        })
    }

    /// This recording with the model's embeddings, each (n, embed). Where they are what the neurons read
    /// ([`with_maps`](Precomputed::with_maps)), they are the maps too.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn with_embeddings(mut self, left: Array2<f32>, right: Array2<f32>) -> Result<Self> {
        check_shape("left embedding", &[self.order, left.ncols()], left.shape())?;
        check_shape("right embedding", &[self.order, left.ncols()], right.shape())?;
        let width = self.activations(&self.neuron_site).ncols();
        if matches!(self.maps, Maps::Embeddings) {
            self.maps = Maps::Unknown;
        }
        if matches!(self.maps, Maps::Unknown) && left.ncols() == width && self.off_maps(&left, &right).is_none() {
            self.maps = Maps::Embeddings;
        }
        self.embeddings = Some([left, right]);
        Ok(self)
    }

    /// This recording with the two maps that its neurons read, each (n, width of the neuron site): their sum or product,
    /// `left[x] + right[y]` or `left[x] right[y]`, is the pre-activation. What [`cosets`](crate::analysis::cosets) and the
    /// spectra of maps look at.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::RecordingMismatch`] unless they give the site named as the neuron site with `_pre` behind or,
    /// where that is not recorded, the neuron site itself, with or without a ReLU. For another activation function record
    /// the pre-activations.
    ///
    /// ```
    /// use irreplens::model::{Interpretable, Precomputed};
    /// use ndarray::array;
    /// let (left, right) = (array![[1.0], [-2.0]], array![[3.0], [0.5]]);
    /// let pre = array![[4.0], [1.5], [1.0], [-1.5]]; // at (0, 0), (0, 1), (1, 0), (1, 1)
    /// let sites = vec![
    ///     ("hidden_pre".to_owned(), pre.clone()),
    ///     ("hidden".to_owned(), pre.mapv(f32::tanh)),
    ///     ("logits".to_owned(), ndarray::Array2::zeros((4, 2))),
    /// ];
    /// let recorded = Precomputed::new(sites, "hidden")?;
    /// assert!(recorded.clone().with_maps(left.clone(), right.clone())?.maps().is_some());
    /// assert!(recorded.with_maps(right, left).is_err());
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn with_maps(mut self, left: Array2<f32>, right: Array2<f32>) -> Result<Self> {
        let expected = [self.order, self.activations(&self.neuron_site).ncols()];
        check_shape("left map", &expected, left.shape())?;
        check_shape("right map", &expected, right.shape())?;
        if let Some(error) = self.off_maps(&left, &right) {
            return Err(error);
        }
        self.maps = Maps::Given([left, right]);
        Ok(self)
    }

    /// How the maps miss what is recorded, if they do.
    fn off_maps(&self, left: &Array2<f32>, right: &Array2<f32>) -> Option<Error> {
        type Combine = fn(f32, f32) -> f32;
        let before = format!("{}_pre", self.neuron_site);
        let site = if self.sites.iter().any(|s| s.0 == before) { &before } else { &self.neuron_site };
        let recorded = self.activations(site);
        let ways: &[Combine] = &[|l, r| l + r, |l, r| l * r, |l, r| if l + r < 0.0 { 0.0 } else { l + r }];
        // The ReLU comes after the pre-activations.
        let ways = if site == &before { &ways[..2] } else { ways };
        if left.dim() != (self.order, recorded.ncols()) || right.dim() != left.dim() {
            let (expected, got) = (vec![self.order, recorded.ncols()], left.shape().to_vec());
            return Some(Error::Shape { what: format!("maps to `{site}`"), expected, got });
        }
        let scale = largest(recorded.iter().copied());
        let off = |combine: &Combine| {
            let rows = recorded.outer_iter().enumerate();
            let row = |(pair, row): (usize, ndarray::ArrayView1<'_, f32>)| {
                let maps = left.row(pair / self.order).into_iter().zip(right.row(pair % self.order));
                largest(row.into_iter().zip(maps).map(|(&v, (&l, &r))| combine(l, r) - v))
            };
            // Far off at one pair is far enough.
            rows.map(row).try_fold(0.0, |most, off| if misses(off, scale) { Err(off) } else { Ok(off.max(most)) }).err()
        };
        let mut difference = f32::INFINITY;
        for way in ways {
            difference = difference.min(off(way)?);
        }
        let (what, site) = ("neither the sum nor the product of the two maps gives", site.clone());
        Some(Error::RecordingMismatch { what, site, difference, scale })
    }

    /// This recording with the map (width of the neuron site, n) that reads the logits off the neuron site. Where all logits
    /// recorded differ from it by the same row, that row is the model's output bias.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::RecordingMismatch`] if it does not give the logits recorded.
    pub fn with_unembedding(self, unembed: Array2<f32>) -> Result<Self> {
        self.read_by(unembed, None)
    }

    /// [`with_unembedding`](Precomputed::with_unembedding) and the output bias (n).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::RecordingMismatch`] if the two do not give the logits recorded.
    pub fn with_biased_unembedding(self, unembed: Array2<f32>, bias: Array1<f32>) -> Result<Self> {
        check_shape("output bias", &[self.order], bias.shape())?;
        self.read_by(unembed, Some(bias))
    }

    fn read_by(mut self, unembedding: Array2<f32>, mut bias: Option<Array1<f32>>) -> Result<Self> {
        let (hidden, logits) = (self.activations(&self.neuron_site), self.activations(LOGITS));
        check_shape("unembedding", &[hidden.ncols(), self.order], unembedding.shape())?;
        let scale = largest(logits.iter().copied());
        let unembedding = unembedding.as_standard_layout().into_owned();
        // The largest difference, or one that is too large.
        let off = |bias: Option<&Array1<f32>>| {
            let readout = Readout::new(&self.neuron_site, unembedding.view()).with_bias(bias.map(|bias| bias.view()));
            let mut worst = 0.0;
            for first in (0..hidden.nrows()).step_by(4096) {
                let rows = first..hidden.nrows().min(first + 4096);
                let read = readout.logits(hidden.slice_axis(Axis(0), rows.clone().into()))?;
                let given = logits.slice_axis(Axis(0), rows.into());
                worst = worse(worst, largest(read.iter().zip(given).map(|(read, given)| given - read)));
                if misses(worst, scale) {
                    break;
                }
            }
            Ok::<f32, Error>(worst)
        };
        let mut worst = off(bias.as_ref())?;
        if bias.is_none() && misses(worst, scale) {
            // If it is one row that they differ by, then by the means.
            let read = means(hidden).dot(&unembedding.mapv(f64::from));
            let row = (means(logits) - read).mapv(|b| b as f32);
            worst = off(Some(&row))?;
            bias = Some(row);
        }
        if misses(worst, scale) {
            let (what, site) = ("the unembedding does not read the logits off", self.neuron_site);
            return Err(Error::RecordingMismatch { what, site, difference: worst, scale });
        }
        (self.unembed, self.output_bias) = (Some(unembedding), bias);
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
        let model: &dyn Interpretable = &model;
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

/// The mean of every column, in `f64`.
fn means(values: &Array2<f32>) -> Array1<f64> {
    let mut sum = Array1::<f64>::zeros(values.ncols());
    values.outer_iter().for_each(|row| sum.zip_mut_with(&row, |sum, &value| *sum += f64::from(value)));
    sum / values.nrows() as f64
}

/// The larger of two; NaN, once met, stays (`f32::max` would drop it).
fn worse(most: f32, value: f32) -> f32 {
    if value > most || value.is_nan() { value } else { most }
}

/// The largest absolute value, NaN where there is one.
fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most, value| worse(most, value.abs()))
}

/// Whether a difference is more than rounding beside values up to `scale`.
fn misses(difference: f32, scale: f32) -> bool {
    difference.is_nan() || difference > RECORDED * scale
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
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let reason = "activations are recorded: only logits, and the neuron site with its unembedding, can be changed";
        hooks_only_on(&[LOGITS, self.readout().site()], "Precomputed", hooks, reason)?;
        let after = self.sites.iter().skip_while(|(site, _)| *site != self.neuron_site).skip(1);
        let mut after = after.filter(|(site, _)| hooks.touch(&self.neuron_site) && site != LOGITS);
        if let Some((site, _)) = after.find(|(site, _)| keep.contains(&site.as_str())) {
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
                Some(read) if site == LOGITS => self.readout().logits(ArrayView2::from(read))?,
                _ => activations.select(Axis(0), &rows),
            };
            let visited = pass.visit(site, recorded)?;
            if hooks.touch(site) && site != LOGITS {
                changed = Some(visited.into_owned());
            }
        }
        Ok(pass.finish())
    }
    fn readout(&self) -> Readout<'_> {
        let bias = self.output_bias.as_ref().map(|bias| bias.view());
        match &self.unembed {
            Some(unembedding) => Readout::new(&self.neuron_site, unembedding.view()).with_bias(bias),
            None => Readout::of_logits(self.order),
        }
    }
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        self.embeddings.as_ref().map(|[left, right]| (left.view(), right.view()))
    }
    fn maps(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        match &self.maps {
            Maps::Unknown => None,
            Maps::Embeddings => self.embeddings(),
            Maps::Given([left, right]) => Some((left.view(), right.view())),
        }
    }
}

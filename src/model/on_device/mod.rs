//! Models on a CUDA device: the same methods, computed by kernels, with the same results up to rounding.

mod forward;
mod hooks;
mod sums;
mod transform;

use super::evaluate::check_columns;
use super::pair_means::check_sets;
use super::{
    ActivationCache, Architecture, BlockEnergies, Combiner, Evaluation, Hooks, Interpretable, LOGITS, Network,
    Operation, PairMeans, Separable, Site, SiteSpectrum, check_task, width,
};
use crate::device::{Buffer, Device, DeviceInfo};
use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::task::{Pair, Task};
use forward::Rows;
use hooks::DeviceHooks;
use ndarray::{Array2, Array3, ArrayView2, s};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The weights of a model as a device computes with them.
pub(super) struct Weights<'a> {
    /// Left and right embedding: (n, embed) each.
    pub embed: [ArrayView2<'a, f32>; 2],
    /// The maps that the first layer combines: (n, first) each.
    pub maps: [ArrayView2<'a, f32>; 2],
    pub combiner: Combiner,
    pub layers: Layers<'a>,
    /// (width, n).
    pub unembed: ArrayView2<'a, f32>,
    /// Added to the logits: (n).
    pub output_bias: Option<&'a [f32]>,
}

/// What lies between the embeddings and the unembedding.
pub(super) enum Layers<'a> {
    /// The combined maps are the neurons.
    None,
    /// A ReLU after the combination.
    Relu,
    /// The stacked embeddings times this (2 embed, width), a ReLU, a bias.
    Stacked { weight: ArrayView2<'a, f32>, bias: Option<&'a [f32]> },
    /// A ReLU, times this (embed, width), another ReLU.
    Second { weight: ArrayView2<'a, f32> },
}

/// A model on a CUDA device: what [`Interpretable::to_device`] returns.
///
/// Sites, hooks, results and errors are those of the model it was made of; numbers agree to `f32` rounding
/// ([`guide::gpu`](crate::guide::gpu) has the tolerances). Everything over all pairs stays on the device but for the
/// results, and is cut into row blocks by the memory that is free. Results depend on no order of execution.
pub struct OnDevice {
    host: Arc<dyn Interpretable>,
    device: Device,
    net: Net,
    /// The labels that were used last.
    labels: Mutex<Option<Labels>>,
}

/// The labels of a task, here and on the device.
struct Labels {
    host: Arc<[u32]>,
    device: Arc<Buffer<u32>>,
}

/// The weights on the device.
struct Net {
    n: usize,
    /// Width of each embedding, of the first layer and of the neurons.
    embed_dim: usize,
    first: usize,
    width: usize,
    combiner: Combiner,
    kind: Kind,
    /// As f32 matrices, row-major.
    embed: [Buffer<f32>; 2],
    maps: [Buffer<f32>; 2],
    weight: Option<Buffer<f32>>,
    bias: Option<Buffer<f32>>,
    unembed: Buffer<f32>,
    output_bias: Option<Buffer<f32>>,
    /// What both biases add to the logits: (n).
    offset: Option<Buffer<f32>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Relu,
    Stacked,
    Second,
}

/// The weights of a network as kernels know them.
///
/// # Errors
/// [`Error::Unsupported`] for a network that is none of the published ones without attention.
pub(super) fn weights(network: &Network) -> Result<Weights<'_>> {
    let needs = "one of the published networks without attention";
    let unsupported = || Error::Unsupported { analysis: "moving to a device", needs };
    let of = |name: &str| network.parameter(name).ok_or_else(unsupported);
    let vector = |name: &str| network.parameter(name).map(|row| row.to_slice().expect("parameters lie together"));
    let (embed, unembed, maps) =
        ([of("W_E_a")?, of("W_E_b")?], of("W_U")?, network.as_separable().ok_or_else(unsupported)?);
    let (e, d) = (embed[0].ncols(), unembed.nrows());
    let mut architecture = network.architecture().clone();
    if let Some(Operation::Unembed { bias, .. }) = architecture.steps.last_mut().map(|step| &mut step.operation) {
        *bias = None;
    }
    let layers = if architecture == Architecture::one_layer(e, d) {
        Layers::Stacked { weight: of("W")?, bias: None }
    } else if architecture == Architecture::one_layer_with_bias(e, d) {
        Layers::Stacked { weight: of("W")?, bias: vector("b") }
    } else if architecture == Architecture::two_layer(e, d) {
        Layers::Second { weight: of("W")? }
    } else if architecture == Architecture::summed(d) {
        Layers::Relu
    } else if architecture == Architecture::bilinear(d) {
        Layers::None
    } else {
        return Err(unsupported());
    };
    let (maps, combiner) = ([maps.left(), maps.right()], maps.combiner());
    Ok(Weights { embed, maps, combiner, layers, unembed, output_bias: vector("b_U") })
}

impl OnDevice {
    /// Puts the weights of `host` on the device.
    pub(super) fn new(host: Arc<dyn Interpretable>, device: &Device, weights: &Weights<'_>) -> Result<Self> {
        let matrix = |what, matrix: ArrayView2<'_, f32>| {
            let matrix = matrix.as_standard_layout();
            Buffer::from_slice(device, what, matrix.as_slice().expect("standard layout"))
        };
        let (kind, weight, bias) = match weights.layers {
            Layers::None => (Kind::None, None, None),
            Layers::Relu => (Kind::Relu, None, None),
            Layers::Stacked { weight, bias } => (Kind::Stacked, Some(weight), bias),
            Layers::Second { weight } => (Kind::Second, Some(weight), None),
        };
        let mut offset = bias.map(|bias| ndarray::aview1(bias).dot(&weights.unembed));
        if let Some(added) = weights.output_bias.map(ndarray::aview1) {
            offset = Some(offset.map_or_else(|| added.to_owned(), |offset| offset + added));
        }
        let net = Net {
            n: host.order(),
            embed_dim: weights.embed[0].ncols(),
            first: weights.maps[0].ncols(),
            width: weights.unembed.nrows(),
            combiner: weights.combiner,
            kind,
            embed: [matrix("left embedding", weights.embed[0])?, matrix("right embedding", weights.embed[1])?],
            maps: [matrix("left map", weights.maps[0])?, matrix("right map", weights.maps[1])?],
            weight: weight.map(|weight| matrix("W", weight)).transpose()?,
            bias: bias.map(|bias| Buffer::from_slice(device, "b", bias)).transpose()?,
            unembed: matrix("W_U", weights.unembed)?,
            output_bias: weights.output_bias.map(|bias| Buffer::from_slice(device, "b_U", bias)).transpose()?,
            offset: offset.map(|offset| Buffer::from_slice(device, "b W_U + b_U", &offset.to_vec())).transpose()?,
        };
        Ok(Self { host, device: device.clone(), net, labels: Mutex::default() })
    }

    /// The device it is on.
    #[must_use]
    pub fn device(&self) -> &DeviceInfo {
        self.device.info()
    }

    /// The labels of a task on the device, copied there when another task was used before.
    fn labels(&self, task: &Task) -> Result<Arc<Buffer<u32>>> {
        let mut last = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let host = task.shared_labels();
        if let Some(labels) = last.as_ref().filter(|labels| Arc::ptr_eq(&labels.host, host)) {
            return Ok(labels.device.clone());
        }
        *last = None;
        let device = Arc::new(Buffer::from_slice(&self.device, "labels", host)?);
        *last = Some(Labels { host: host.clone(), device: device.clone() });
        Ok(device)
    }

    /// Rows of a block whose rows take so many values of four bytes each, beside what stays.
    fn rows_at_once(&self, values: usize, all: usize) -> Result<usize> {
        let row = 4 * values.max(1);
        let budget = self.device.budget()?;
        let rows = (budget / row).min(i32::MAX as usize / values.max(1));
        if rows == 0 {
            let device = self.device().name.clone();
            return Err(Error::CudaMemory { what: "activations of one pair", device, needed: row, free: budget });
        }
        Ok(rows.min(all.max(1)))
    }

    /// Row blocks of consecutive pairs, of whole elements x where one fits.
    fn blocks(&self, values: usize) -> Result<impl Iterator<Item = Rows<'static>>> {
        let (n, all) = (self.net.n, self.net.n * self.net.n);
        let at_once = self.rows_at_once(values, all)?;
        let at_once = if at_once > n { at_once / n * n } else { at_once };
        let rows = move |first| Rows { list: None, first, count: at_once.min(all - first) };
        Ok((0..all).step_by(at_once).map(rows))
    }

    /// Values of a row while it passes through the model with these hooks and sites kept, at most.
    fn row_values(&self, hooks: &Hooks, keep: &[&str]) -> usize {
        let net = &self.net;
        let wanted = |site: &str| keep.contains(&site) || hooks.touch(site);
        let embeddings =
            if ["embed_left", "embed_right", "embed_stack"].into_iter().any(wanted) { 4 * net.embed_dim } else { 0 };
        let logits = if wanted(LOGITS) { net.n } else { 0 };
        // A projection holds copies of its channels.
        let hooks = hooks.iter().map(|hook| 3 * width(self, &hook.site).unwrap_or(0)).max().unwrap_or(0);
        4 * net.first.max(net.width) + net.width + embeddings + logits + hooks + 4
    }

    /// Transforms and sums want the activations of one site on the device: f(rows, values) for every block.
    fn each_block(&self, site: &str, mut f: impl FnMut(Rows<'_>, &Buffer<f32>) -> Result<()>) -> Result<()> {
        width(self, site)?;
        let none = DeviceHooks::none();
        for rows in self.blocks(self.row_values(&Hooks::none(), &[site]))? {
            let mut kept = self.run(rows, &none, &[site])?;
            f(rows, &kept.take(site))?;
        }
        Ok(())
    }
}

impl Interpretable for OnDevice {
    fn order(&self) -> usize {
        self.host.order()
    }
    fn sites(&self) -> Vec<Site> {
        self.host.sites()
    }
    fn neuron_site(&self) -> &str {
        self.host.neuron_site()
    }
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        self.host.embeddings()
    }
    fn neuron_path(&self) -> Option<ArrayView2<'_, f32>> {
        self.host.neuron_path()
    }
    fn as_separable(&self) -> Option<&dyn Separable> {
        self.host.as_separable()
    }
    fn readout(&self) -> super::Readout<'_> {
        self.host.readout()
    }

    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        // Names, shapes and elements are checked as on the host.
        super::ForwardPass::new(self, pairs, hooks, keep)?;
        let n = self.order();
        let indices: Vec<u32> = pairs.iter().map(|(x, y)| (x.index() * n + y.index()) as u32).collect();
        let hooks_on_device = DeviceHooks::new(&self.device, hooks)?;
        let mut kept: Vec<(&str, Vec<f32>)> = keep.iter().map(|&site| (site, Vec::new())).collect();
        let at_once = self.rows_at_once(self.row_values(hooks, keep), pairs.len())?;
        for block in indices.chunks(at_once) {
            let list = Buffer::from_slice(&self.device, "pairs", block)?;
            let of_block =
                self.run(Rows { list: Some(&list), first: 0, count: block.len() }, &hooks_on_device, keep)?;
            for (site, values) in &mut kept {
                values.extend(of_block.get(site).to_vec()?);
            }
        }
        let mut cache = ActivationCache::default();
        for (site, values) in kept {
            let shape = (pairs.len(), width(self, site)?);
            // Logits column by column, as the models of the host leave them: losses read them so.
            let array = Array2::from_shape_vec(shape, values).expect("one row a pair");
            let array = if site == LOGITS { by_column(&array) } else { array };
            cache.insert(site, array);
        }
        Ok(cache)
    }

    fn evaluate(&self, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
        check_task(self, task)?;
        hooks.check(&self.sites(), self.order())?;
        let total = self.losses(task, hooks, None)?;
        Ok(Evaluation::from_sums(total.loss, total.hits, task.labels().len()))
    }

    fn pair_means(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        check_task(self, task)?;
        check_sets(task, sets)?;
        self.sums(task, sets)
    }

    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        check_columns(self, site, &range)?;
        let n = self.order();
        let mut rows_done = 0;
        let mut values = Array2::<f32>::zeros((n * n, range.len()));
        self.each_block(site, |rows, block| {
            let part = Buffer::new(&self.device, "channels", rows.count * range.len())?;
            self.channels(rows.count, width(self, site)?, block, range.clone(), part.output())?;
            let part = part.to_vec()?;
            let part = ArrayView2::from_shape((rows.count, range.len()), &part).expect("one row a pair");
            values.slice_mut(s![rows_done..rows_done + rows.count, ..]).assign(&part);
            rows_done += rows.count;
            Ok(())
        })?;
        Ok(values.into_shape_with_order((n, n, range.len())).expect("row-major"))
    }

    fn spectrum(&self, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
        self.site_spectrum(site, basis)
    }

    fn block_energies(&self, site: &str, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
        Ok(self.site_spectrum(site, basis)?.by_block)
    }

    fn neuron_and_logit_spectra(&self, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
        self.both_spectra(basis)
    }
}

fn by_column(array: &Array2<f32>) -> Array2<f32> {
    array.t().as_standard_layout().into_owned().reversed_axes()
}

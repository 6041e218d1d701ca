//! Networks on a CUDA device: the same methods, computed by kernels, with the same results up to rounding.
//!
//! | file | what |
//! |---|---|
//! | `program` | a plan as launches: where its matrices and nodes lie, passes over a block of pairs |
//! | `lowering` | the launches of nodes and matrices, forward and backward |
//! | `steps` | the kinds of steps: all that each takes, forward and backward |
//! | `along` | logits along directions, coefficients along y |
//! | `hooks` | interventions |
//! | `sums` | losses and sums over all pairs |
//! | `transform` | 2-D transforms and spectra |

mod along;
mod hooks;
mod lowering;
mod program;
mod steps;
mod sums;
mod transform;

use super::along::check_directions;
use super::evaluate::check_columns;
use super::network::columns::elementwise;
use super::network::lock;
use super::network::plan::{Recent, Request};
use super::pair_means::check_sets;
use super::{
    ActivationCache, BlockEnergies, Evaluation, Hooks, Interpretable, LOGITS, Network, OnGradients, PairMeans,
    Separable, Site, SiteSpectrum, check_task, width,
};
use crate::device::kernels::{self, Combination, Input, Output};
use crate::device::{Buffer, Device, DeviceInfo, Matrix, Product};
use crate::error::Result;
use crate::fourier::FourierBasis;
use crate::task::{Pair, Task};
use hooks::DeviceHooks;
use ndarray::{Array2, Array3, ArrayView2, s};
#[cfg(feature = "train")]
pub(crate) use program::Back;
pub(crate) use program::{Block, Pass, Program};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// A network on a CUDA device: what [`Interpretable::to_device`] returns.
///
/// Sites, hooks, results and errors are those of the network it was made of; numbers agree to `f32` rounding
/// ([`guide::gpu`](crate::guide::gpu) has the tolerances). Everything over all pairs stays on the device but for the
/// results, and is cut into row blocks by the memory that is free. Results depend on no order of execution.
pub struct OnDevice {
    host: Network,
    device: Device,
    /// Width of what is read out.
    width: usize,
    /// W_U: (width, n).
    unembed: Buffer<f32>,
    /// Added to the logits: (n).
    output_bias: Option<Buffer<f32>>,
    two_maps: Option<TwoMaps>,
    /// The plans that were used last.
    lowered: Recent<Lowered, 8>,
    /// The labels that were used last.
    labels: Mutex<Option<Labels>>,
}

/// The labels of a task, here and on the device.
type Labels = (Arc<[u32]>, Arc<Buffer<u32>>);

/// A plan as launches, and its matrices.
struct Lowered {
    program: Program,
    tables: Buffer<f32>,
}

/// The two maps (n, width) that what is read out is made of, where kernels can make it on the way.
struct TwoMaps {
    left: Buffer<f32>,
    right: Buffer<f32>,
    combination: Combination,
    /// What the biases of the neurons and of the logits come to: (n).
    offset: Option<Buffer<f32>>,
}

/// Activations of a site at the pairs of a block, (rows, width), on the device.
#[derive(Clone)]
struct Values {
    nodes: Arc<Buffer<f32>>,
    start: usize,
    rows: usize,
    width: usize,
}

impl Values {
    fn input(&self) -> Input<'_, f32> {
        self.nodes.input_from(self.start)
    }

    fn output(&self) -> Output<'_, f32> {
        self.nodes.output_from(self.start)
    }

    fn to_vec(&self) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.rows * self.width];
        self.nodes.read(self.start, &mut values)?;
        Ok(values)
    }
}

fn upload(device: &Device, what: &'static str, matrix: ArrayView2<'_, f32>) -> Result<Buffer<f32>> {
    let matrix = matrix.as_standard_layout();
    Buffer::from_slice(device, what, matrix.as_slice().expect("standard layout"))
}

impl OnDevice {
    /// Puts what evaluations of a network read on the device; the rest follows when it is asked for.
    pub(super) fn of_network(host: Network, device: &Device) -> Result<Self> {
        let unembed = host.readout().unembedding().expect("every network ends with an unembedding");
        let output_bias = host.readout().bias().map(|bias| bias.to_vec());
        let two_maps = two_maps(&host, device)?;
        Ok(Self {
            width: unembed.nrows(),
            unembed: upload(device, "W_U", unembed)?,
            output_bias: output_bias.map(|bias| Buffer::from_slice(device, "b_U", &bias)).transpose()?,
            two_maps,
            device: device.clone(),
            lowered: Recent::default(),
            labels: Mutex::default(),
            host,
        })
    }

    /// The device it is on.
    #[must_use]
    pub fn device(&self) -> &DeviceInfo {
        self.device.info()
    }

    /// The launches of a pass with some sites hooked and some kept, and the matrices that it reads.
    fn lowered(&self, hooks: &Hooks, keep: &[&str]) -> Result<Arc<Lowered>> {
        self.lowered.get(Request::new(hooks, keep), |request| {
            let prepared = self.host.prepared(request.clone());
            let program = Program::new(&self.device, prepared.plan.clone(), self.order())?;
            let mut tables = Buffer::new(&self.device, "tables of a network", program.tables)?;
            for id in program::read(&prepared.plan) {
                let matrix = self.host.matrix(&prepared, id);
                tables.write(program.start(id), matrix.as_standard_layout().as_slice().expect("standard layout"))?;
            }
            Ok(Lowered { program, tables })
        })
    }

    /// One forward pass over a block of pairs: the sites that it keeps.
    fn run(&self, block: Block<'_>, hooks: &DeviceHooks<'_>, keep: &[&str]) -> Result<BTreeMap<String, Values>> {
        let lowered = self.lowered(hooks.host, keep)?;
        let (program, rows) = (&lowered.program, block.count);
        let nodes = Arc::new(Buffer::new(&self.device, "activations", program.width * rows)?);
        let pass = Pass {
            device: &self.device,
            program,
            block,
            batch: 1,
            batch_pairs: 0,
            tables: &lowered.tables,
            nodes: &nodes,
            hooks: Some(hooks),
            back: None,
        };
        pass.forward()?;
        let site = |(site, node): &(String, usize)| {
            let (start, width) = (program.columns[*node] * rows, program.plan.nodes[*node].width);
            (site.clone(), Values { nodes: nodes.clone(), start, rows, width })
        };
        Ok(program.plan.kept.iter().map(site).collect())
    }

    /// The activations of one site at a block of pairs.
    fn run_to(&self, block: Block<'_>, hooks: &DeviceHooks<'_>, site: &str) -> Result<Values> {
        Ok(self.run(block, hooks, &[site])?.remove(site).expect("a site that was asked for"))
    }

    /// The labels of a task on the device, copied there when another task was used before.
    fn labels(&self, task: &Task) -> Result<Arc<Buffer<u32>>> {
        let mut last = lock(&self.labels);
        let host = task.shared_labels();
        if let Some((_, labels)) = last.as_ref().filter(|(of, _)| Arc::ptr_eq(of, host)) {
            return Ok(labels.clone());
        }
        *last = None;
        let labels = Arc::new(Buffer::from_slice(&self.device, "labels", host)?);
        *last = Some((host.clone(), labels.clone()));
        Ok(labels)
    }

    /// Rows of a block whose rows take so many values of four bytes each, beside what stays.
    fn rows_at_once(&self, values: usize, all: usize) -> Result<usize> {
        let row = 4 * values.max(1);
        let budget = self.device.budget()?;
        let rows = (budget / row).min(i32::MAX as usize / values.max(1));
        if rows == 0 {
            return Err(self.device.too_large("activations of one pair", row, budget));
        }
        Ok(rows.min(all.max(1)))
    }

    /// Row blocks of consecutive pairs, of whole elements x where one fits.
    fn blocks(&self, values: usize) -> Result<impl Iterator<Item = Block<'static>>> {
        let n = self.order();
        let all = n * n;
        let at_once = self.rows_at_once(values, all)?;
        let at_once = if at_once > n { at_once / n * n } else { at_once };
        let block = move |first| Block { list: None, first, count: at_once.min(all - first) };
        Ok((0..all).step_by(at_once).map(block))
    }

    /// Values of a row while it passes through the network with these hooks and sites kept.
    fn row_values(&self, hooks: &Hooks, keep: &[&str]) -> Result<usize> {
        // A projection holds copies of its channels.
        let of_hooks = hooks.iter().map(|hook| 3 * width(self, &hook.site).unwrap_or(0)).max().unwrap_or(0);
        Ok(self.lowered(hooks, keep)?.program.width + of_hooks + 4)
    }

    /// Calls f(block, values) with the activations of one site at every block.
    fn each_block(&self, site: &str, mut f: impl FnMut(Block<'_>, &Values) -> Result<()>) -> Result<()> {
        width(self, site)?;
        let none = Hooks::none();
        let hooks = DeviceHooks::new(&self.device, &none)?;
        self.blocks(self.row_values(&none, &[site])?)?
            .try_for_each(|block| f(block, &self.run_to(block, &hooks, site)?))
    }

    /// What is read out, (rows, width), times the columns `classes` of weights (width, n).
    fn read(
        &self,
        rows: usize,
        read: &Buffer<f32>,
        weights: &Buffer<f32>,
        classes: Range<usize>,
    ) -> Result<Buffer<f32>> {
        let out = Buffer::new(&self.device, "logits", rows * classes.len())?;
        Product::new(rows, classes.len(), self.width).run(
            &self.device,
            Matrix::new(read, 0, self.width),
            Matrix::new(weights, classes.start, self.order()),
            Matrix::new(&out, 0, classes.len()),
        )?;
        Ok(out)
    }

    /// The channels `range` of a site, to `out`.
    fn channels(&self, values: &Values, range: Range<usize>, out: Output<'_, f32>) -> Result<()> {
        let (rows, width, count) = (values.rows, values.width, range.len());
        let values = values.nodes.input_from(values.start + range.start);
        let take = kernels::TakeChannels { rows, width, values, channels: None, count, out };
        take.launch_over(&self.device, rows * count, 1)
    }
}

/// The two maps of a network whose readout is made of such.
fn two_maps(host: &Network, device: &Device) -> Result<Option<TwoMaps>> {
    let prepared = host.prepared(Request { kept: vec![host.readout().site().into()], ..Request::default() });
    let Some(value) = elementwise(&prepared.plan, prepared.plan.kept[0].1) else { return Ok(None) };
    let Some(combination) = lowering::combination(&value) else { return Ok(None) };
    let offset = match value.offset {
        Some(bias) => Some(host.readout().logits(host.matrix(&prepared, bias))?.into_iter().collect::<Vec<f32>>()),
        None => host.readout().bias().map(|bias| bias.to_vec()),
    };
    Ok(Some(TwoMaps {
        left: upload(device, "left map", host.matrix(&prepared, value.left))?,
        right: upload(device, "right map", host.matrix(&prepared, value.right))?,
        combination,
        offset: offset.map(|offset| Buffer::from_slice(device, "b W_U + b_U", &offset)).transpose()?,
    }))
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
    fn logit_gradients(&self, pairs: &[Pair], classes: &[usize], on_gradients: &mut OnGradients<'_>) -> Result<()> {
        self.host.logit_gradients(pairs, classes, on_gradients)
    }
    fn readout(&self) -> super::Readout<'_> {
        self.host.readout()
    }

    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        // Names, shapes and elements are checked as on the host.
        super::ForwardPass::new(self, pairs, hooks, keep)?;
        let n = self.order();
        let indices: Vec<u32> = pairs.iter().map(|(x, y)| (x.index() * n + y.index()) as u32).collect();
        let on_device = DeviceHooks::new(&self.device, hooks)?;
        let mut kept: Vec<(&str, Vec<f32>)> = keep.iter().map(|&site| (site, Vec::new())).collect();
        let at_once = self.rows_at_once(self.row_values(hooks, keep)?, pairs.len())?;
        for block in indices.chunks(at_once) {
            let list = Buffer::from_slice(&self.device, "pairs", block)?;
            let of_block =
                self.run(Block { list: Some(list.input()), first: 0, count: block.len() }, &on_device, keep)?;
            for (site, values) in &mut kept {
                values.extend(of_block[*site].to_vec()?);
            }
        }
        let mut cache = ActivationCache::default();
        for (site, values) in kept {
            let shape = (pairs.len(), width(self, site)?);
            // Logits column by column, as the models of the host leave them: losses read them so.
            let array = Array2::from_shape_vec(shape, values).expect("one row a pair");
            let array = match site {
                LOGITS => array.t().as_standard_layout().into_owned().reversed_axes(),
                _ => array,
            };
            cache.insert(site, array);
        }
        Ok(cache)
    }

    fn evaluate(&self, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
        check_task(self, task)?;
        hooks.check(&self.sites(), self.order())?;
        let total = self.losses(task, hooks, false)?;
        Ok(Evaluation::from_sums(total.loss, total.hits, task.labels().len()))
    }

    fn pair_means(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        check_task(self, task)?;
        check_sets(task, sets)?;
        self.sums(task, sets)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn logits_along(&self, pairs: &[Pair], directions: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        super::ForwardPass::new(self, pairs, &Hooks::none(), &[])?;
        check_directions(self, directions)?;
        self.read_along(pairs, directions)
    }

    fn coefficients_along_y(&self, site: &str, basis: &dyn FourierBasis, rows: &[usize]) -> Result<Array3<f32>> {
        self.along_y(site, basis, rows)
    }

    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        check_columns(self, site, &range)?;
        let n = self.order();
        let mut rows_done = 0;
        let mut values = Array2::<f32>::zeros((n * n, range.len()));
        self.each_block(site, |rows, block| {
            let part = Buffer::new(&self.device, "channels", rows.count * range.len())?;
            self.channels(block, range.clone(), part.output())?;
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

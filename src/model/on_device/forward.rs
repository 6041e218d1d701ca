//! The forward pass of a model on a device.

use super::hooks::DeviceHooks;
use super::{Kind, OnDevice};
use crate::device::kernels::{self, Combination, Output};
use crate::device::{Buffer, Matrix, Product};
use crate::error::Result;
use crate::model::{Combiner, Interpretable, LOGITS, width};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Pairs of a block: listed, or `count` consecutive ones.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub list: Option<&'a Buffer<u32>>,
    pub first: usize,
    pub count: usize,
}

/// The activations a block kept.
#[derive(Default)]
pub(super) struct Kept {
    pub sites: BTreeMap<String, Arc<Buffer<f32>>>,
}

impl Kept {
    /// The activations of a site.
    pub fn get(&self, site: &str) -> &Buffer<f32> {
        &self.sites[site]
    }

    /// The activations of a site, taken out of the rest.
    pub fn take(&mut self, site: &str) -> Arc<Buffer<f32>> {
        self.sites.remove(site).expect("a site that was asked for")
    }
}

impl Rows<'_> {
    /// The number of the first pair, as kernels count pairs.
    pub fn first(&self) -> u32 {
        u32::try_from(self.first).expect("pairs have numbers below 2^32")
    }
}

/// A combiner as the kernels know it; the ReLU after a sum may be part of it.
pub(super) fn combiner(combiner: Combiner, relu: bool) -> Combination {
    match (combiner, relu) {
        (Combiner::Sum, true) => Combination::SumRelu,
        (Combiner::Product, _) => Combination::Product,
        (Combiner::Sum, false) => Combination::Sum,
    }
}

/// A block on its way through the sites.
struct Pass<'a> {
    model: &'a OnDevice,
    rows: Rows<'a>,
    hooks: &'a DeviceHooks,
    keep: &'a [&'a str],
    kept: Kept,
}

impl Pass<'_> {
    fn touches(&self, site: &str) -> bool {
        self.keep.contains(&site) || self.hooks.touch(site)
    }

    /// Whether this site or a later one is kept.
    fn needs(&self, site: &str) -> bool {
        let sites = self.model.sites();
        sites.iter().skip_while(|s| s.name != site).any(|s| self.keep.contains(&s.name.as_str()))
    }

    fn visit(&mut self, site: &str, mut values: Buffer<f32>) -> Result<Arc<Buffer<f32>>> {
        self.hooks.apply(site, self.rows, width(self.model, site)?, &mut values)?;
        let values = Arc::new(values);
        if self.keep.contains(&site) {
            self.kept.sites.insert(site.into(), values.clone());
        }
        Ok(values)
    }
}

impl OnDevice {
    /// One forward pass over a block of pairs.
    pub(super) fn run(&self, rows: Rows<'_>, hooks: &DeviceHooks, keep: &[&str]) -> Result<Kept> {
        let mut pass = Pass { model: self, rows, hooks, keep, kept: Kept::default() };
        let net = &self.net;
        let first_site = match net.kind {
            Kind::None => "hidden",
            Kind::Relu | Kind::Stacked => "hidden_pre",
            Kind::Second => "hidden1_pre",
        };
        let embeds = ["embed_left", "embed_right", "embed_stack"].iter().any(|site| pass.touches(site));
        let hidden = if net.kind == Kind::None {
            let values =
                if embeds { self.combined_embeddings(&mut pass)? } else { self.first_layer(rows, false, false)? };
            pass.visit("hidden", values)?
        } else {
            let after = if net.kind == Kind::Second { "hidden1" } else { "hidden" };
            let values = if !embeds && !pass.touches(first_site) {
                self.first_layer(rows, true, net.kind == Kind::Stacked)?
            } else {
                let pre =
                    if embeds { self.combined_embeddings(&mut pass)? } else { self.first_layer(rows, false, false)? };
                let pre = pass.visit(first_site, pre)?;
                self.relu(pre, rows.count, net.first, net.bias.as_ref())?
            };
            let first = pass.visit(after, values)?;
            if net.kind != Kind::Second {
                first
            } else if pass.needs("hidden_pre") {
                let pre = self.second_layer(rows.count, &first, !pass.touches("hidden_pre"))?;
                let values = if pass.touches("hidden_pre") {
                    let pre = pass.visit("hidden_pre", pre)?;
                    self.relu(pre, rows.count, net.width, None)?
                } else {
                    pre
                };
                pass.visit("hidden", values)?
            } else {
                return Ok(pass.kept);
            }
        };
        if pass.needs(LOGITS) {
            let logits = self.times_unembedding(rows.count, &hidden, 0..net.n)?;
            if let Some(bias) = &net.output_bias {
                let add = kernels::AddRow {
                    rows: rows.count,
                    width: net.n,
                    values: logits.output(),
                    row: Some(bias.input()),
                    relu: false,
                };
                add.launch_over(&self.device, rows.count * net.n, 1)?;
            }
            pass.visit(LOGITS, logits)?;
        }
        Ok(pass.kept)
    }

    /// `left[x]` combined with `right[y]`, the ReLU and the bias after it where asked for: (rows, first).
    pub(super) fn first_layer(&self, rows: Rows<'_>, relu: bool, bias: bool) -> Result<Buffer<f32>> {
        let net = &self.net;
        let out = Buffer::new(&self.device, "first layer", rows.count * net.first)?;
        let bias = net.bias.as_ref().filter(|_| bias);
        let layer = kernels::FirstLayer {
            rows: rows.count,
            n: net.n,
            width: net.first,
            left: net.maps[0].input(),
            right: net.maps[1].input(),
            batch_maps: 0,
            pairs: rows.list.map(Buffer::input),
            first: rows.first(),
            batch_pairs: 0,
            combiner: combiner(net.combiner, relu),
            bias: bias.map(Buffer::input),
            batch_bias: 0,
            out: out.output(),
            batch_out: 0,
        };
        layer.launch_over(&self.device, rows.count * net.first, 1)?;
        Ok(out)
    }

    /// The first layer before its ReLU from the embeddings' sites, which hooks may change.
    fn combined_embeddings(&self, pass: &mut Pass<'_>) -> Result<Buffer<f32>> {
        let (net, rows) = (&self.net, pass.rows);
        let (count, e) = (rows.count, net.embed_dim);
        let mut side = |i: usize, site| -> Result<Arc<Buffer<f32>>> {
            let out = Buffer::new(&self.device, "embeddings of pairs", count * e)?;
            let gather = kernels::GatherRows {
                rows: count,
                n: net.n,
                width: e,
                map: net.embed[i].input(),
                batch_map: 0,
                pairs: rows.list.map(Buffer::input),
                first: rows.first(),
                batch_pairs: 0,
                side: i,
                weights: None,
                heads: 1,
                positions: 1,
                out: out.output(),
                stride: e,
                add: false,
            };
            gather.launch_over(&self.device, count * e, 1)?;
            pass.visit(site, out)
        };
        let (left, right) = (side(0, "embed_left")?, side(1, "embed_right")?);
        if net.kind != Kind::Stacked {
            let out = Buffer::new(&self.device, "first layer", count * e)?;
            let combine = kernels::CombineRows {
                rows: count,
                width: e,
                a: left.input(),
                b: right.input(),
                combiner: combiner(net.combiner, false),
                out: out.output(),
            };
            combine.launch_over(&self.device, count * e, 1)?;
            return Ok(out);
        }
        let stack = Buffer::new(&self.device, "stacked embeddings", count * 2 * e)?;
        for (i, half) in [&left, &right].into_iter().enumerate() {
            // Row i of the block for row i of the stack: pairs of a group of one element.
            let gather = kernels::GatherRows {
                rows: count,
                n: 1,
                width: e,
                map: half.input(),
                batch_map: 0,
                pairs: None,
                first: 0,
                batch_pairs: 0,
                side: 0,
                weights: None,
                heads: 1,
                positions: 1,
                out: stack.output_from(i * e),
                stride: 2 * e,
                add: false,
            };
            gather.launch_over(&self.device, count * e, 1)?;
        }
        let stack = pass.visit("embed_stack", stack)?;
        let out = Buffer::new(&self.device, "first layer", count * net.first)?;
        let weight = net.weight.as_ref().expect("a stacked net has a weight");
        Product::new(count, net.first, 2 * e).run(
            &self.device,
            Matrix::new(&stack, 0, 2 * e),
            Matrix::new(weight, 0, net.first),
            Matrix::new(&out, 0, net.first).output(),
        )?;
        Ok(out)
    }

    /// max(0, v), then the bias.
    fn relu(
        &self,
        values: Arc<Buffer<f32>>,
        rows: usize,
        width: usize,
        bias: Option<&Buffer<f32>>,
    ) -> Result<Buffer<f32>> {
        let values = match Arc::try_unwrap(values) {
            Ok(values) => values,
            Err(kept) => kept.duplicate("activations")?,
        };
        let row = bias.map(Buffer::input);
        let add = kernels::AddRow { rows, width, values: values.output(), row, relu: true };
        add.launch_over(&self.device, rows * width, 1)?;
        Ok(values)
    }

    /// The first of two layers times W: (rows, width).
    fn second_layer(&self, rows: usize, first: &Buffer<f32>, relu: bool) -> Result<Buffer<f32>> {
        let net = &self.net;
        let out = Buffer::new(&self.device, "second layer", rows * net.width)?;
        let product = Product::new(rows, net.width, net.first);
        let product = if relu { product.relu() } else { product };
        let weight = net.weight.as_ref().expect("a second layer has a weight");
        product.run(
            &self.device,
            Matrix::new(first, 0, net.first),
            Matrix::new(weight, 0, net.width),
            Matrix::new(&out, 0, net.width).output(),
        )?;
        Ok(out)
    }

    /// Neurons (rows, width) times the columns `classes` of W_U.
    pub(super) fn times_unembedding(
        &self,
        rows: usize,
        hidden: &Buffer<f32>,
        classes: Range<usize>,
    ) -> Result<Buffer<f32>> {
        self.read(rows, hidden, &self.net.unembed, classes)
    }

    /// Neurons (rows, width) times the columns `classes` of weights (width, n).
    pub(super) fn read(
        &self,
        rows: usize,
        hidden: &Buffer<f32>,
        weights: &Buffer<f32>,
        classes: Range<usize>,
    ) -> Result<Buffer<f32>> {
        let net = &self.net;
        let out = Buffer::new(&self.device, "logits", rows * classes.len())?;
        Product::new(rows, classes.len(), net.width).run(
            &self.device,
            Matrix::new(hidden, 0, net.width),
            Matrix::new(weights, classes.start, net.n),
            Matrix::new(&out, 0, classes.len()).output(),
        )?;
        Ok(out)
    }

    /// The channels `range` of values (rows, width), to `out`.
    pub(super) fn channels(
        &self,
        rows: usize,
        width: usize,
        values: &Buffer<f32>,
        range: Range<usize>,
        out: Output<'_, f32>,
    ) -> Result<()> {
        let (values, count) = (values.input_from(range.start), range.len());
        let take = kernels::TakeChannels { rows, width, values, channels: None, count, out };
        take.launch_over(&self.device, rows * count, 1)
    }
}

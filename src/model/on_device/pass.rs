//! A program run over a block of pairs.

use super::program::{Array, Launch, Place, Program, Step};
use crate::device::kernels::{self, By, Input, Output};
use crate::device::{Buffer, Device, Matrix, Product};
use crate::error::Result;

/// Blocks of threads that keep a device busy: products over rows with fewer are cut along these.
const BUSY: usize = 264;

/// Parts that a product of (m, n) summed over rows is cut into.
fn splits(m: usize, n: usize, batch: usize, rows: usize) -> usize {
    let tiles = m.div_ceil(64) * n.div_ceil(64) * batch;
    // Fewer terms than these are not worth a launch more.
    if rows < 128 { 1 } else { (BUSY / tiles).clamp(1, rows.div_ceil(64)) }
}

/// Values of the parts of the largest product of a program that is cut, for so many pairs.
#[cfg(feature = "train")]
pub(crate) fn parts(program: &Program, batch: usize, pairs: usize) -> usize {
    let of = |(elements, step): &Launch| match step {
        Step::OverRows { k, width, .. } => batch * splits(*k, *width, batch, elements.unwrap_or(pairs)) * k * width,
        _ => 0,
    };
    program.backward.iter().map(of).max().unwrap_or(0)
}

/// Pairs of a block: listed, or `count` consecutive ones.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub list: Option<Input<'a, u32>>,
    pub first: usize,
    pub count: usize,
}

impl Rows<'_> {
    /// The number of the first pair, as kernels count pairs.
    pub fn first(&self) -> u32 {
        u32::try_from(self.first).expect("pairs have numbers below 2^32")
    }
}

/// What the launches of a program work on. Networks side by side have their arrays one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub device: &'a Device,
    pub program: &'a Program,
    pub rows: Rows<'a>,
    /// Networks side by side, each with as many pairs.
    pub batch: usize,
    /// Distance between the pairs of two networks.
    pub batch_pairs: usize,
    /// (batch, tables)
    pub tables: &'a Buffer<f32>,
    /// (batch, nodes, row, channel)
    pub nodes: &'a Buffer<f32>,
    /// What gradients are made in.
    pub back: Option<Back<'a>>,
}

/// Gradients, and what they take.
#[derive(Clone, Copy)]
pub(crate) struct Back<'a> {
    /// In the places of the tables.
    pub of_tables: &'a Buffer<f32>,
    /// In the places of the nodes.
    pub of_nodes: &'a Buffer<f32>,
    /// Parts of products that are cut along their rows.
    pub parts: &'a Buffer<f32>,
    /// The rows of every element: (batch, side, rows).
    pub order: &'a Buffer<u32>,
    /// Where those of an element begin: (batch, side, n + 1).
    pub starts: &'a Buffer<u32>,
}

impl<'a> Pass<'a> {
    /// Where a place begins in its array, and the distance between two networks'.
    fn at(&self, place: Place) -> (&'a Buffer<f32>, usize, usize) {
        let rows = self.rows.count;
        match place.array {
            Array::Tables => (self.tables, place.start + place.first, self.program.tables),
            Array::Nodes => (self.nodes, place.start * rows + place.first, self.program.width * rows),
            Array::OfTables => (self.back().of_tables, place.start + place.first, self.program.tables),
            Array::OfNodes => (self.back().of_nodes, place.start * rows + place.first, self.program.width * rows),
        }
    }

    fn back(&self) -> Back<'a> {
        self.back.expect("gradients are made in passes that have room for them")
    }

    fn input(&self, place: Place) -> Input<'a, f32> {
        let (buffer, start, _) = self.at(place);
        buffer.input_from(start)
    }

    fn output(&self, place: Place) -> Output<'a, f32> {
        let (buffer, start, _) = self.at(place);
        buffer.output_from(start)
    }

    fn batch_of(&self, place: Place) -> usize {
        self.at(place).2
    }

    fn matrix(&self, place: Place) -> Matrix<'a> {
        let (buffer, start, batch) = self.at(place);
        Matrix::new(buffer, start, place.stride).batch(batch, 0)
    }

    /// Makes the launches; `hook(site, start, width)` acts on the values of a hooked site, which begin there among the nodes.
    pub fn forward(&self, mut hook: impl FnMut(&str, usize, usize) -> Result<()>) -> Result<()> {
        for launch in &self.program.forward {
            match launch {
                (_, Step::Hook { site, out, width }) => hook(site, self.at(*out).1, *width)?,
                launch => self.launch(launch)?,
            }
        }
        Ok(())
    }

    /// Makes the matrices of the parameters.
    #[cfg(feature = "train")]
    pub fn matrices(&self) -> Result<()> {
        self.program.matrices_made.iter().try_for_each(|launch| self.launch(launch))
    }

    /// From the gradient with respect to the logits, in their place, to that with respect to the parameters.
    #[cfg(feature = "train")]
    pub fn backward(&self) -> Result<()> {
        self.back().of_tables.clear()?;
        self.program.backward.iter().try_for_each(|launch| self.launch(launch))
    }

    fn launch(&self, (elements, step): &Launch) -> Result<()> {
        match *elements {
            None => self.step(step),
            Some(count) => Self { rows: Rows { list: None, first: 0, count }, ..*self }.step(step),
        }
    }

    /// Parts that a product of (m, n) summed over rows is cut into.
    fn splits(&self, m: usize, n: usize) -> usize {
        splits(m, n, self.batch, self.rows.count)
    }

    fn step(&self, step: &Step) -> Result<()> {
        let Self { device, program, rows: Rows { list: pairs, count: rows, .. }, batch, batch_pairs, .. } = *self;
        let (n, first) = (program.order, self.rows.first());
        let eight = |items: usize| [items.div_ceil(8), batch, 1];
        match *step {
            Step::Terms { ref terms, product, scale, function, out, width, add } => {
                let (_, _, batch_tables) = self.at(Place { array: Array::Tables, ..out });
                let (_, _, batch_nodes) = self.at(Place { array: Array::Nodes, ..out });
                let sum = kernels::SumTerms {
                    rows,
                    width,
                    n,
                    pairs,
                    first,
                    batch_pairs,
                    terms: program.terms.input_from(8 * terms.start),
                    count: terms.len(),
                    tables: self.tables.input(),
                    nodes: self.nodes.input(),
                    of_tables: self.back.map_or(self.tables, |back| back.of_tables).input(),
                    of_nodes: self.back.map_or(self.nodes, |back| back.of_nodes).input(),
                    batch_tables,
                    batch_nodes,
                    product,
                    scale,
                    function: function.on_device(),
                    out: self.output(out),
                    stride: out.stride,
                    batch_out: self.batch_of(out),
                    add,
                };
                sum.launch_over(device, rows * width, batch)
            }
            Step::FirstLayer { left, right, combination, out, width } => {
                let layer = kernels::FirstLayer {
                    rows,
                    n,
                    width,
                    left: self.input(left),
                    right: self.input(right),
                    batch_maps: program.tables,
                    pairs,
                    first,
                    batch_pairs,
                    combiner: combination,
                    out: self.output(out),
                    batch_out: self.batch_of(out),
                };
                layer.launch_over(device, rows * width, batch)
            }
            Step::Product { a, k, b, transposed, out, width, add, relu, mask } => {
                let product = Product::new(rows, width, k).batch(batch, 1).onto(add);
                let product = if transposed { product.transpose_b() } else { product };
                let product = product.masked(mask.map(|mask| self.input(mask)));
                let product = if relu { product.relu() } else { product };
                product.run(device, self.matrix(a), self.matrix(b), self.matrix(out).output())
            }
            Step::Scores { a, b, heads, width, scale, out, add } => {
                let products = kernels::HeadProducts {
                    rows,
                    heads,
                    width,
                    n,
                    pairs,
                    first,
                    batch_pairs,
                    a: self.input(a),
                    stride_a: a.stride,
                    batch_a: self.batch_of(a),
                    by_a: a.by,
                    b: self.input(b),
                    stride_b: b.stride,
                    batch_b: self.batch_of(b),
                    by_b: b.by,
                    scale,
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add,
                };
                products.launch(device, eight(rows * heads))
            }
            Step::Softmax { values, heads, positions, out } => {
                let softmax = kernels::Softmax {
                    rows,
                    heads,
                    positions,
                    values: self.input(values),
                    stride_values: values.stride,
                    batch_values: self.batch_of(values),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                };
                softmax.launch_over(device, rows * heads, batch)
            }
            Step::Deviation { values, width, eps, out } => {
                let deviation = kernels::Deviation {
                    rows,
                    width,
                    values: self.input(values),
                    stride_values: values.stride,
                    batch_values: self.batch_of(values),
                    eps,
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                };
                deviation.launch(device, eight(rows))
            }
            Step::Normalise { values, width, deviation, weight, bias, out } => {
                let normalise = kernels::Normalise {
                    rows,
                    width,
                    n,
                    pairs,
                    first,
                    batch_pairs,
                    values: self.input(values),
                    stride_values: values.stride,
                    batch_values: self.batch_of(values),
                    by_values: values.by,
                    deviations: self.input(deviation),
                    stride_deviations: deviation.stride,
                    batch_deviations: self.batch_of(deviation),
                    by_deviations: deviation.by,
                    weight: weight.map(|weight| self.input(weight)),
                    bias: bias.map(|bias| self.input(bias)),
                    batch_weight: program.tables,
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                };
                normalise.launch(device, eight(rows))
            }
            Step::Hook { .. } => Ok(()),
            Step::ActivationGradient { function, values, back, out, width, add } => {
                let gradient = kernels::ActivationGradient {
                    rows,
                    width,
                    function: function.on_device(),
                    values: self.input(values),
                    stride_values: values.stride,
                    batch_values: self.batch_of(values),
                    back: self.input(back),
                    stride_back: back.stride,
                    batch_back: self.batch_of(back),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add,
                };
                gradient.launch_over(device, rows * width, batch)
            }
            Step::SoftmaxGradient { weights, back, heads, positions, out, add } => {
                let gradient = kernels::SoftmaxGradient {
                    rows,
                    heads,
                    positions,
                    weights: self.input(weights),
                    stride_weights: weights.stride,
                    batch_weights: self.batch_of(weights),
                    back: self.input(back),
                    stride_back: back.stride,
                    batch_back: self.batch_of(back),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add,
                };
                gradient.launch_over(device, rows * heads, batch)
            }
            Step::DeviationGradient { values, deviation, back, width, out, add } => {
                let gradient = kernels::DeviationGradient {
                    rows,
                    width,
                    values: self.input(values),
                    stride_values: values.stride,
                    batch_values: self.batch_of(values),
                    deviations: self.input(deviation),
                    stride_deviations: deviation.stride,
                    batch_deviations: self.batch_of(deviation),
                    back: self.input(back),
                    stride_back: back.stride,
                    batch_back: self.batch_of(back),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add,
                };
                gradient.launch(device, eight(rows))
            }
            Step::NormaliseGradient {
                values,
                width,
                deviation,
                weight,
                back,
                out,
                add,
                of_deviation,
                add_deviation,
                scaled,
            } => {
                let gradient = kernels::NormaliseGradient {
                    rows,
                    width,
                    n,
                    pairs,
                    first,
                    batch_pairs,
                    values: self.input(values),
                    stride_values: values.stride,
                    batch_values: self.batch_of(values),
                    by_values: values.by,
                    deviations: self.input(deviation),
                    stride_deviations: deviation.stride,
                    batch_deviations: self.batch_of(deviation),
                    by_deviations: deviation.by,
                    weight: weight.map(|weight| self.input(weight)),
                    batch_weight: program.tables,
                    back: self.input(back),
                    stride_back: back.stride,
                    batch_back: self.batch_of(back),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add,
                    of_deviations: self.output(of_deviation),
                    stride_of_deviations: of_deviation.stride,
                    batch_of_deviations: self.batch_of(of_deviation),
                    add_of_deviations: add_deviation,
                    scaled: scaled.map(|scaled| self.output(scaled)),
                    batch_scaled: scaled.map_or(0, |scaled| self.batch_of(scaled)),
                };
                gradient.launch(device, eight(rows))
            }
            Step::SumRows { values, weight, width, out } => {
                let back = self.back();
                let (side, count) = match out.by {
                    By::Left => (Some(0), n),
                    By::Right => (Some(1), n),
                    By::One | By::Row => (None, 1),
                };
                let sums = kernels::SumRows {
                    rows,
                    width,
                    values: self.input(values),
                    stride: values.stride,
                    batch_values: self.batch_of(values),
                    order: side.map(|side| back.order.input_from(side * rows)),
                    batch_order: 2 * rows,
                    starts: side.map(|side| back.starts.input_from(side * (n + 1))),
                    batch_starts: 2 * (n + 1),
                    weights: weight.map(|weight| self.input(weight)),
                    stride_weights: weight.map_or(0, |weight| weight.stride),
                    batch_weights: weight.map_or(0, |weight| self.batch_of(weight)),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add: true,
                };
                sums.launch(device, [width.div_ceil(32), count, batch])
            }
            Step::OverRows { a, k, b, width, out } => {
                let splits = self.splits(k, width);
                let product = Product::new(k, width, rows).batch(batch, 1).transpose_a();
                let (a, b) = (self.matrix(a), self.matrix(b));
                if splits == 1 {
                    return product.onto(true).run(device, a, b, self.matrix(out).output());
                }
                let (count, parts) = (k * width, self.back().parts);
                let of_batch = Matrix::new(parts, 0, width).batch(splits * count, 0);
                Product { splits, split_stride: count, ..product }.run(device, a, b, of_batch.output())?;
                let sum = kernels::SumSplits {
                    rows: k,
                    width,
                    splits,
                    parts: parts.input(),
                    batch_parts: splits * count,
                    out: self.output(out),
                    stride: out.stride,
                    batch_out: self.batch_of(out),
                    add: true,
                };
                sum.launch_over(device, count, batch)
            }
        }
    }
}

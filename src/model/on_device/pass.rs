//! A program run over a block of pairs.

use super::program::{Array, Place, Program, Step};
use crate::device::kernels::{self, Input, Output};
use crate::device::{Buffer, Device, Matrix, Product};
use crate::error::Result;

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
    /// (batch, tables)
    pub tables: &'a Buffer<f32>,
    /// (batch, nodes, row, channel)
    pub nodes: &'a Buffer<f32>,
}

impl<'a> Pass<'a> {
    /// Where a place begins in its array, and the distance between two networks'.
    fn at(&self, place: Place) -> (&'a Buffer<f32>, usize, usize) {
        let rows = self.rows.count;
        match place.array {
            Array::Tables => (self.tables, place.start + place.first, self.program.tables),
            Array::Nodes => (self.nodes, place.start * rows + place.first, self.program.width * rows),
        }
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
        for step in &self.program.forward {
            match step {
                Step::Hook { site, out, width } => hook(site, self.at(*out).1, *width)?,
                step => self.launch(step)?,
            }
        }
        Ok(())
    }

    fn launch(&self, step: &Step) -> Result<()> {
        let Self { device, program, rows: Rows { list: pairs, count: rows, .. }, batch, .. } = *self;
        let (n, first) = (program.order, self.rows.first());
        // Distance between the pairs of two networks.
        let batch_pairs = rows;
        let eight = |items: usize| [items.div_ceil(8), batch, 1];
        match *step {
            Step::Terms { ref terms, product, function, out, width, add } => {
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
                    of_tables: self.tables.input(),
                    of_nodes: self.nodes.input(),
                    batch_tables,
                    batch_nodes,
                    product,
                    scale: 1.0,
                    function,
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
                    bias: None,
                    batch_bias: 0,
                    out: self.output(out),
                    batch_out: self.batch_of(out),
                };
                layer.launch_over(device, rows * width, batch)
            }
            Step::Product { a, k, b, out, width, add, relu } => {
                let product = Product::new(rows, width, k).batch(batch, 1).onto(add);
                let product = if relu { product.relu() } else { product };
                product.run(device, self.matrix(a), self.matrix(b), self.matrix(out).output())
            }
            Step::Scores { a, b, heads, width, out } => {
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
                    scale: 1.0 / (width as f32).sqrt(),
                    out: self.output(out),
                    stride_out: out.stride,
                    batch_out: self.batch_of(out),
                    add: false,
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
        }
    }
}

use super::super::optimiser::Factors;
use super::super::{adam, sgd};
use super::EPOCHS_AT_ONCE;
use super::engine::{Engine, Sizes};
use crate::device::kernels::{self, Input};
use crate::device::{Buffer, Matrix, Product};
use crate::error::Result;

/// The launches of an epoch.
impl Engine {
    /// The maps that the first layer combines, and the distance between two seeds'.
    pub(super) fn maps(&self) -> (&Buffer<f32>, usize) {
        match &self.maps {
            Some([maps, _]) => (maps, 2 * self.sizes.n * self.sizes.hidden),
            None => (&self.parameters, self.sizes.parameters),
        }
    }

    /// A tensor of every seed: `start` among its parameters, rows of `stride`; two tensors one after the other.
    pub(super) fn tensors<'a>(&self, of: &'a Buffer<f32>, start: usize, stride: usize, each: usize) -> Matrix<'a> {
        Matrix::new(of, start, stride).batch(self.sizes.parameters, each)
    }

    /// Maps element -> neuron from the embeddings.
    pub(super) fn compute_maps(&self) -> Result<()> {
        let Sizes { seeds, n, embed, hidden, weight, .. } = self.sizes;
        let Some([maps, _]) = &self.maps else { return Ok(()) };
        Product::new(n, hidden, embed).batch(seeds, 2).run(
            &self.device,
            self.tensors(&self.parameters, 0, embed, n * embed),
            self.tensors(&self.parameters, weight, hidden, embed * hidden),
            Matrix::new(maps, 0, hidden).batch(2 * n * hidden, n * hidden).output(),
        )
    }

    /// The first layer of `rows` pairs of every seed in `batch`, the first of which is `seed`.
    pub(super) fn first_layer(
        &self,
        seed: usize,
        batch: usize,
        rows: usize,
        pairs: Input<'_, u32>,
        batch_pairs: usize,
        out: &Buffer<f32>,
    ) -> Result<()> {
        let Sizes { n, first, bias, combiner, parameters, .. } = self.sizes;
        let (maps, stride) = self.maps();
        let layer = kernels::FirstLayer {
            rows,
            n,
            width: first,
            left: maps.input_from(seed * stride),
            right: maps.input_from(seed * stride + n * first),
            batch_maps: stride,
            pairs: Some(pairs),
            first: 0,
            batch_pairs,
            combiner,
            bias: bias.map(|bias| self.parameters.input_from(seed * parameters + bias)),
            batch_bias: parameters,
            out: out.output(),
            batch_out: rows * first,
        };
        layer.launch_over(&self.device, rows * first, batch)
    }

    /// A buffer of rows of `width`, one for every training pair of every seed.
    fn of_rows<'a>(&self, buffer: &'a Buffer<f32>, width: usize) -> Matrix<'a> {
        Matrix::new(buffer, 0, width).batch(self.sizes.rows * width, 0)
    }

    /// Losses of the training pairs, by block of rows. Their logits give way to the gradient of `factor` times the sum of
    /// the losses, or stay where it is 0.
    ///
    /// Returns the activations of the first layer and the neurons.
    pub(super) fn training_losses(&self, factor: f32) -> Result<[Matrix<'_>; 2]> {
        let Sizes { seeds, n, first, hidden, rows, weight, unembed, .. } = self.sizes;
        let device = &self.device;
        self.compute_maps()?;
        self.first_layer(0, seeds, rows, self.train.input(), rows, &self.activations)?;
        let first_rows = self.of_rows(&self.activations, first);
        let weights = self.tensors(&self.parameters, weight, hidden, 0);
        let neurons = match &self.neurons {
            None => first_rows,
            Some(neurons) => {
                let neurons = self.of_rows(neurons, hidden);
                let product = Product::new(rows, hidden, first).batch(seeds, 1).relu();
                product.run(device, first_rows, weights, neurons.output())?;
                neurons
            }
        };
        let logits = self.of_rows(&self.logits, n);
        let read = self.tensors(&self.parameters, unembed, n, 0);
        Product::new(rows, n, hidden).batch(seeds, 1).run(device, neurons, read, logits.output())?;
        self.add_output_bias(rows, &self.logits)?;
        let losses = kernels::RowLosses {
            rows,
            classes: n,
            logits: self.logits.output(),
            batch_logits: rows * n,
            labels: self.labels.input(),
            pairs: Some(self.train.input()),
            first: 0,
            batch_pairs: rows,
            weight: factor,
            smoothing: self.smoothing,
            losses: None,
            hits: None,
            block_losses: Some(self.block_losses.output()),
            block_hits: Some(self.block_hits.output()),
        };
        losses.launch(device, [rows.div_ceil(8), seeds, 1])?;
        Ok([first_rows, neurons])
    }

    /// One epoch: loss, gradient, step.
    pub(super) fn epoch(&self) -> Result<()> {
        let Sizes { seeds, n, first, hidden, rows, weight, bias, unembed, output_bias, .. } = self.sizes;
        let device = &self.device;
        let [first_rows, neurons] = self.training_losses((1.0 / rows as f64) as f32)?;
        let (logits, read) = (self.of_rows(&self.logits, n), self.tensors(&self.parameters, unembed, n, 0));
        let weights = self.tensors(&self.parameters, weight, hidden, 0);
        if let Some(bias) = output_bias {
            self.bias_gradient(n, &self.logits, bias)?;
        }
        self.over_rows(hidden, n, neurons, logits, unembed)?;
        let back = self.of_rows(&self.back, hidden);
        let product = Product::new(rows, hidden, n).batch(seeds, 1).transpose_b().masked(self.neurons.as_ref());
        product.run(device, logits, read, back.output())?;
        if let Some(bias) = bias {
            self.bias_gradient(hidden, &self.back, bias)?;
        }
        let to_maps = match &self.back_first {
            None => &self.back,
            Some(back_first) => {
                self.over_rows(first, hidden, first_rows, back, weight)?;
                let product = Product::new(rows, first, hidden).batch(seeds, 1).transpose_b();
                product.run(device, back, weights, self.of_rows(back_first, first).output())?;
                back_first
            }
        };
        self.map_gradient(to_maps)?;
        self.step()?;
        let end = kernels::EndEpoch {
            seeds,
            blocks: rows.div_ceil(8),
            block_losses: self.block_losses.input(),
            weight: 1.0 / rows as f64,
            epochs: EPOCHS_AT_ONCE as usize,
            losses: self.losses.output(),
            counter: self.counter.output(),
        };
        end.launch(device, [1, 1, 1])
    }

    /// The gradient of a bias (width) at `start`: gradients of what it is added to, summed over the training pairs.
    fn bias_gradient(&self, width: usize, back: &Buffer<f32>, start: usize) -> Result<()> {
        let Sizes { seeds, rows, parameters, .. } = self.sizes;
        let sums = kernels::SumRows {
            rows,
            width,
            values: back.input(),
            stride: width,
            batch_values: rows * width,
            order: None,
            batch_order: 0,
            starts: None,
            batch_starts: 0,
            weights: None,
            stride_weights: 0,
            batch_weights: 0,
            out: self.gradient.output_from(start),
            stride_out: width,
            batch_out: parameters,
            add: false,
        };
        sums.launch(&self.device, [width.div_ceil(32), 1, seeds])
    }

    /// The optimiser's step.
    fn step(&self) -> Result<()> {
        let (count, seeds) = (self.sizes.parameters, self.sizes.seeds);
        let (parameters, gradient) = (self.parameters.output(), self.gradient.input());
        let (rates, counter) = (self.rates.input(), self.counter.input());
        match (self.factors, &self.state[..]) {
            (Factors::Adam(adam::Factors { decay, toward, stay, square, eps, .. }), [first, second]) => {
                let (first, second) = (first.output(), second.output());
                let step = kernels::Adam {
                    count,
                    batch: count,
                    parameters,
                    gradient,
                    first,
                    second,
                    rates,
                    counter,
                    decay,
                    toward,
                    stay,
                    square,
                    eps,
                };
                step.launch_over(&self.device, count, seeds)
            }
            (Factors::Sgd(sgd::Factors { decay, momentum, .. }), [velocity]) => {
                let velocity = velocity.output();
                let step = kernels::Sgd {
                    count,
                    batch: count,
                    parameters,
                    gradient,
                    velocity,
                    rates,
                    counter,
                    decay,
                    momentum,
                };
                step.launch_over(&self.device, count, seeds)
            }
            _ => unreachable!("as many vectors as the optimiser keeps"),
        }
    }

    /// Adds the output bias, where there is one, to `rows` rows of logits of every seed: a launch a seed.
    pub(super) fn add_output_bias(&self, rows: usize, logits: &Buffer<f32>) -> Result<()> {
        let Sizes { seeds, n, parameters, output_bias, .. } = self.sizes;
        let Some(bias) = output_bias else { return Ok(()) };
        (0..seeds).try_for_each(|seed| {
            let values = logits.output_from(seed * rows * n);
            let row = Some(self.parameters.input_from(seed * parameters + bias));
            kernels::AddRow { rows, width: n, values, row, relu: false }.launch_over(&self.device, rows * n, 1)
        })
    }

    /// The gradient of a tensor (m, n) at `start`: A^T B summed over the training pairs.
    fn over_rows(&self, m: usize, n: usize, a: Matrix<'_>, b: Matrix<'_>, start: usize) -> Result<()> {
        let Sizes { seeds, rows, parameters, .. } = self.sizes;
        let splits = self.sizes.splits(m, n);
        let product = Product { splits, split_stride: m * n, ..Product::new(m, n, rows).batch(seeds, 1).transpose_a() };
        product.run(&self.device, a, b, Matrix::new(&self.parts, 0, n).batch(splits * m * n, 0).output())?;
        let sum = kernels::SumSplits {
            rows: m,
            width: n,
            splits,
            parts: self.parts.input(),
            batch_parts: splits * m * n,
            out: self.gradient.output_from(start),
            stride: n,
            batch_out: parameters,
            add: false,
        };
        sum.launch_over(&self.device, m * n, seeds)
    }

    /// From the gradient of the first layer to those of the maps, the embeddings and W.
    fn map_gradient(&self, back: &Buffer<f32>) -> Result<()> {
        let Sizes { seeds, n, embed, first, hidden, rows, parameters, weight, combiner, .. } = self.sizes;
        let (maps, stride) = self.maps();
        let (out, out_stride) = match &self.maps {
            Some([_, gradient]) => (gradient, stride),
            None => (&self.gradient, parameters),
        };
        let of_maps = kernels::MapGradient {
            rows,
            n,
            width: first,
            back: back.input(),
            maps: maps.input(),
            batch_maps: stride,
            pairs: self.train.input(),
            order: self.order.input(),
            starts: self.starts.input(),
            combiner,
            out: out.output(),
            batch_out: out_stride,
        };
        of_maps.launch(&self.device, [n, 2 * seeds, 1])?;
        let Some([_, gradient]) = &self.maps else { return Ok(()) };
        let gradient = Matrix::new(gradient, 0, hidden).batch(2 * n * hidden, n * hidden);
        Product::new(n, embed, hidden).batch(seeds, 2).transpose_b().run(
            &self.device,
            gradient,
            self.tensors(&self.parameters, weight, hidden, embed * hidden),
            self.tensors(&self.gradient, 0, embed, n * embed).output(),
        )?;
        Product::new(embed, hidden, n).batch(seeds, 2).transpose_a().run(
            &self.device,
            self.tensors(&self.parameters, 0, embed, n * embed),
            gradient,
            self.tensors(&self.gradient, weight, hidden, embed * hidden).output(),
        )
    }
}

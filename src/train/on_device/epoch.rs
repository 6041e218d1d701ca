use super::super::optimiser::Factors;
use super::super::{adam, sgd};
use super::EPOCHS_AT_ONCE;
use super::engine::{Engine, Sizes};
use crate::device::{Buffer, Epilogue, Matrix, Product, args};
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
    pub(super) fn tensors(&self, of: &Buffer<f32>, start: usize, stride: usize, each: usize) -> Matrix {
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
            Matrix::new(maps, 0, hidden).batch(2 * n * hidden, n * hidden),
        )
    }

    /// The first layer of `rows` pairs of every seed in `batch`, the first of which is `seed`.
    pub(super) fn first_layer(
        &self,
        seed: usize,
        batch: usize,
        rows: usize,
        pairs: (&Buffer<u32>, usize),
        batch_pairs: usize,
        out: &Buffer<f32>,
    ) -> Result<()> {
        let Sizes { n, first, bias, combiner, parameters, .. } = self.sizes;
        let (maps, stride) = self.maps();
        let left = seed * stride;
        let bias = bias.map(|bias| (&self.parameters, seed * parameters + bias));
        self.device.launch_over(
            "first_layer",
            rows * first,
            batch,
            args![
                rows,
                n,
                first,
                (maps, left),
                (maps, left + n * first),
                stride,
                pairs,
                0,
                batch_pairs,
                combiner,
                bias,
                parameters,
                out,
                rows * first
            ],
        )
    }

    /// A buffer of rows of `width`, one for every training pair of every seed.
    fn of_rows(&self, buffer: &Buffer<f32>, width: usize) -> Matrix {
        Matrix::new(buffer, 0, width).batch(self.sizes.rows * width, 0)
    }

    /// Losses of the training pairs, by block of rows. Their logits give way to the gradient of `factor` times the sum of
    /// the losses, or stay where it is 0.
    ///
    /// Returns the activations of the first layer and the neurons.
    pub(super) fn training_losses(&self, factor: f32) -> Result<[Matrix; 2]> {
        let Sizes { seeds, n, first, hidden, rows, weight, unembed, .. } = self.sizes;
        let device = &self.device;
        self.compute_maps()?;
        self.first_layer(0, seeds, rows, (&self.train, 0), rows, &self.activations)?;
        let first_rows = self.of_rows(&self.activations, first);
        let weights = self.tensors(&self.parameters, weight, hidden, 0);
        let neurons = match &self.neurons {
            None => first_rows,
            Some(neurons) => {
                let neurons = self.of_rows(neurons, hidden);
                Product::new(rows, hidden, first).batch(seeds, 1).relu().run(device, first_rows, weights, neurons)?;
                neurons
            }
        };
        let logits = self.of_rows(&self.logits, n);
        let read = self.tensors(&self.parameters, unembed, n, 0);
        Product::new(rows, n, hidden).batch(seeds, 1).run(device, neurons, read, logits)?;
        self.add_output_bias(rows, &self.logits)?;
        let none = (None::<&Buffer<f64>>, None::<&Buffer<u8>>);
        device.launch(
            "row_losses",
            [rows.div_ceil(8), seeds, 1],
            args![
                rows,
                n,
                &self.logits,
                rows * n,
                &self.labels,
                &self.train,
                0,
                rows,
                factor,
                self.smoothing,
                none.0,
                none.1,
                &self.block_losses,
                &self.block_hits
            ],
        )?;
        Ok([first_rows, neurons])
    }

    /// One epoch: loss, gradient, step.
    pub(super) fn epoch(&self) -> Result<()> {
        let Sizes { seeds, n, first, hidden, rows, parameters, weight, bias, unembed, output_bias, .. } = self.sizes;
        let device = &self.device;
        let [first_rows, neurons] = self.training_losses((1.0 / rows as f64) as f32)?;
        let (logits, read) = (self.of_rows(&self.logits, n), self.tensors(&self.parameters, unembed, n, 0));
        let weights = self.tensors(&self.parameters, weight, hidden, 0);
        if let Some(bias) = output_bias {
            let out = (&self.gradient, bias);
            device.launch(
                "column_sums",
                [n.div_ceil(32), seeds, 1],
                args![rows, n, &self.logits, rows * n, out, parameters],
            )?;
        }
        self.over_rows(hidden, n, neurons, logits, unembed)?;
        let back = self.of_rows(&self.back, hidden);
        let product = Product::new(rows, hidden, n).batch(seeds, 1).transpose_b();
        let mask = self.neurons.as_ref().map_or(Epilogue::Store, Epilogue::mask);
        Product { epilogue: mask, ..product }.run(device, logits, read, back)?;
        if let Some(bias) = bias {
            let out = (&self.gradient, bias);
            device.launch(
                "column_sums",
                [hidden.div_ceil(32), seeds, 1],
                args![rows, hidden, &self.back, rows * hidden, out, parameters],
            )?;
        }
        let to_maps = match &self.back_first {
            None => &self.back,
            Some(back_first) => {
                self.over_rows(first, hidden, first_rows, back, weight)?;
                let product = Product::new(rows, first, hidden).batch(seeds, 1).transpose_b();
                product.run(device, back, weights, self.of_rows(back_first, first))?;
                back_first
            }
        };
        self.map_gradient(to_maps)?;
        self.step()?;
        device.launch(
            "end_epoch",
            [1, 1, 1],
            args![
                seeds,
                rows.div_ceil(8),
                &self.block_losses,
                1.0 / rows as f64,
                EPOCHS_AT_ONCE as usize,
                &self.losses,
                &self.counter
            ],
        )
    }

    /// The optimiser's step.
    fn step(&self) -> Result<()> {
        let count = self.sizes.seeds * self.sizes.parameters;
        let (parameters, gradient, rates, counter) = (&self.parameters, &self.gradient, &self.rates, &self.counter);
        match (self.factors, &self.state[..]) {
            (Factors::Adam(adam::Factors { decay, toward, stay, square, eps, .. }), [first, second]) => {
                self.device.launch_over(
                    "adam",
                    count,
                    1,
                    args![count, parameters, gradient, first, second, rates, counter, decay, toward, stay, square, eps],
                )
            }
            (Factors::Sgd(sgd::Factors { decay, momentum, .. }), [velocity]) => self.device.launch_over(
                "sgd",
                count,
                1,
                args![count, parameters, gradient, velocity, rates, counter, decay, momentum],
            ),
            _ => unreachable!("as many vectors as the optimiser keeps"),
        }
    }

    /// Adds the output bias, where there is one, to `rows` rows of logits of every seed: a launch a seed.
    pub(super) fn add_output_bias(&self, rows: usize, logits: &Buffer<f32>) -> Result<()> {
        let Sizes { seeds, n, parameters, output_bias, .. } = self.sizes;
        let Some(bias) = output_bias else { return Ok(()) };
        (0..seeds).try_for_each(|seed| {
            let (logits, bias) = ((logits, seed * rows * n), (&self.parameters, seed * parameters + bias));
            self.device.launch_over("add_row", rows * n, 1, args![rows, n, logits, bias, 0])
        })
    }

    /// The gradient of a tensor (m, n) at `start`: A^T B summed over the training pairs.
    fn over_rows(&self, m: usize, n: usize, a: Matrix, b: Matrix, start: usize) -> Result<()> {
        let Sizes { seeds, rows, parameters, .. } = self.sizes;
        let splits = self.sizes.splits(m, n);
        let product = Product { splits, split_stride: m * n, ..Product::new(m, n, rows).batch(seeds, 1).transpose_a() };
        product.run(&self.device, a, b, Matrix::new(&self.parts, 0, n).batch(splits * m * n, 0))?;
        self.device.launch_over(
            "sum_splits",
            m * n,
            seeds,
            args![m * n, splits, &self.parts, splits * m * n, (&self.gradient, start), parameters],
        )
    }

    /// From the gradient of the first layer to those of the maps, the embeddings and W.
    fn map_gradient(&self, back: &Buffer<f32>) -> Result<()> {
        let Sizes { seeds, n, embed, first, hidden, rows, parameters, weight, combiner, .. } = self.sizes;
        let (maps, stride) = self.maps();
        let (out, out_stride) = match &self.maps {
            Some([_, gradient]) => (gradient, stride),
            None => (&self.gradient, parameters),
        };
        self.device.launch(
            "map_gradient",
            [n, 2 * seeds, 1],
            args![
                rows,
                n,
                first,
                back,
                maps,
                stride,
                &self.train,
                &self.order,
                &self.starts,
                combiner,
                out,
                out_stride
            ],
        )?;
        let Some([_, gradient]) = &self.maps else { return Ok(()) };
        let gradient = Matrix::new(gradient, 0, hidden).batch(2 * n * hidden, n * hidden);
        Product::new(n, embed, hidden).batch(seeds, 2).transpose_b().run(
            &self.device,
            gradient,
            self.tensors(&self.parameters, weight, hidden, embed * hidden),
            self.tensors(&self.gradient, 0, embed, n * embed),
        )?;
        Product::new(embed, hidden, n).batch(seeds, 2).transpose_a().run(
            &self.device,
            self.tensors(&self.parameters, 0, embed, n * embed),
            gradient,
            self.tensors(&self.gradient, weight, hidden, embed * hidden),
        )
    }
}

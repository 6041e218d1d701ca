use super::super::Trainer;
use super::super::optimiser::Factors;
use super::super::{adam, sgd};
use super::EPOCHS_AT_ONCE;
use crate::checkpoint::{ModelKind, ModelSettings};
use crate::device::kernels::{self, Combination, Input, Output};
use crate::device::{Buffer, Device, Graph, Matrix, Product};
use crate::error::{Error, Result};
use crate::model::{Evaluation, Interpretable};

/// Blocks of threads that keep a device busy: products with fewer are cut along their terms.
const BUSY: usize = 264;

/// Values of activations that an evaluation stores at once, where it stores any.
const STORED: usize = 1 << 26;

/// Which pairs.
#[derive(Clone, Copy)]
pub(super) enum Set {
    Train,
    Test,
}

/// The networks of a batch and everything an epoch needs, on the device. Arrays of all seeds begin with the seed.
pub(super) struct Engine {
    /// Dropped before the buffers it uses.
    pub(super) graph: Option<Graph>,
    pub(super) device: Device,
    pub(super) sizes: Sizes,
    pub(super) labels: Buffer<u32>,
    /// Of the training set and the test set: (seed, pair).
    pub(super) train: Buffer<u32>,
    pub(super) test: Option<Buffer<u32>>,
    /// Rows of the training pairs of every element: (seed, side, row), and where each begins (seed, side, n + 1).
    pub(super) order: Buffer<u32>,
    pub(super) starts: Buffer<u32>,
    pub(super) parameters: Buffer<f32>,
    pub(super) gradient: Buffer<f32>,
    /// The vectors that the optimiser keeps: (seed, parameters) each.
    pub(super) state: Vec<Buffer<f32>>,
    /// Maps element -> neuron and the gradients with respect to them: (seed, side, n, width).
    pub(super) maps: Option<[Buffer<f32>; 2]>,
    /// Activations of the first layer and of the second of two, logits, gradients on the way back: (seed, row, width).
    pub(super) activations: Buffer<f32>,
    pub(super) neurons: Option<Buffer<f32>>,
    pub(super) logits: Buffer<f32>,
    pub(super) back: Buffer<f32>,
    pub(super) back_first: Option<Buffer<f32>>,
    /// Parts of products cut along their terms.
    pub(super) parts: Buffer<f32>,
    pub(super) block_losses: Buffer<f64>,
    pub(super) block_hits: Buffer<u32>,
    pub(super) losses: Buffer<f64>,
    pub(super) rates: Buffer<f32>,
    pub(super) counter: Buffer<u32>,
    /// Share of the labels' weight that all elements have alike.
    pub(super) smoothing: f64,
    /// The numbers of the first step, for those that are the same in all.
    pub(super) factors: Factors,
}

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) kind: ModelKind,
    pub(super) seeds: usize,
    pub(super) n: usize,
    pub(super) embed: usize,
    /// Width of the first layer.
    pub(super) first: usize,
    pub(super) hidden: usize,
    /// Training and test pairs.
    pub(super) rows: usize,
    pub(super) test_rows: usize,
    pub(super) parameters: usize,
    /// Where tensors begin among the parameters.
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    pub(super) unembed: usize,
    pub(super) output_bias: Option<usize>,
    /// The combiner of the maps, with its activation.
    pub(super) combiner: Combination,
}

impl Sizes {
    fn new(trainers: &[&Trainer]) -> Result<Self> {
        let network = trainers[0].network();
        let (model, layers) = ModelSettings::of(network.architecture());
        let (embed, hidden) = (layers.embed_dim, layers.hidden_dim.unwrap_or(layers.embed_dim));
        let kind = match model {
            ModelSettings::Published(kind) if kind != ModelKind::Transformer => kind,
            _ => {
                let needs = "one of the published networks without attention";
                return Err(Error::Unsupported { analysis: "training on a device", needs });
            }
        };
        let start = |name: &str| network.weights().iter().find(|w| w.name == name).map(|w| w.range.start);
        Ok(Self {
            kind,
            seeds: trainers.len(),
            n: network.order(),
            embed,
            first: if kind == ModelKind::TwoLayerMlp { embed } else { hidden },
            hidden,
            rows: trainers[0].split().train.len(),
            test_rows: trainers[0].split().test.len(),
            parameters: network.parameters().len(),
            weight: start("W").unwrap_or(0),
            bias: start("b"),
            unembed: start("W_U").expect("every architecture has one"),
            output_bias: start("b_U"),
            combiner: if kind == ModelKind::Bilinear { Combination::Product } else { Combination::SumRelu },
        })
    }

    fn has_maps(&self) -> bool {
        matches!(self.kind, ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias)
    }

    fn two_layers(&self) -> bool {
        self.kind == ModelKind::TwoLayerMlp
    }

    /// Parts that a product of (m, n) summed over all training pairs is cut into.
    pub(super) fn splits(&self, m: usize, n: usize) -> usize {
        let tiles = m.div_ceil(64) * n.div_ceil(64) * self.seeds;
        (BUSY / tiles).clamp(1, self.rows.div_ceil(64))
    }
}

impl Engine {
    pub(super) fn new(device: &Device, trainers: &[&Trainer]) -> Result<Self> {
        let device = device.another_stream()?;
        let sizes = Sizes::new(trainers)?;
        let Sizes { seeds, n, first, hidden, rows, .. } = sizes;
        // Distances between seeds are counted in 31 bits.
        let largest = (rows.max(sizes.test_rows) * n.max(first).max(hidden)).max(seeds * sizes.parameters);
        if largest > i32::MAX as usize {
            let (what, name) = ("one array of a batch, of which 2^31 values are the most,", device.info().name.clone());
            return Err(Error::CudaMemory { what, device: name, needed: 4 * largest, free: device.free_memory()? });
        }
        let sorted = |set: &[usize]| -> Vec<u32> {
            let mut sorted: Vec<u32> = set.iter().map(|&pair| pair as u32).collect();
            sorted.sort_unstable();
            sorted
        };
        let train: Vec<Vec<u32>> = trainers.iter().map(|trainer| sorted(&trainer.split().train)).collect();
        let test: Vec<u32> = trainers.iter().flat_map(|trainer| sorted(&trainer.split().test)).collect();
        let (mut order, mut starts) = (Vec::new(), Vec::new());
        for pairs in &train {
            for side in 0..2 {
                let (rows, borders) = by_element(pairs, n, side);
                order.extend(rows);
                starts.extend(borders);
            }
        }
        let parameters: Vec<f32> =
            trainers.iter().flat_map(|trainer| trainer.network().parameters()).copied().collect();
        let of_all = |vector: usize| trainers.iter().flat_map(move |trainer| &trainer.optimiser().0[vector]).copied();
        let state = (0..trainers[0].optimiser().0.len())
            .map(|vector| Buffer::from_slice(&device, "state of the optimiser", &of_all(vector).collect::<Vec<f32>>()))
            .collect::<Result<_>>()?;
        let room = |what, len: usize| Buffer::<f32>::new(&device, what, seeds * len);
        let maps = || -> Result<_> { Ok([room("maps", 2 * n * hidden)?, room("gradients of maps", 2 * n * hidden)?]) };
        let largest = |m: usize, n: usize| sizes.splits(m, n) * m * n;
        let parts = largest(hidden, n).max(if sizes.two_layers() { largest(first, hidden) } else { 0 });
        let two = |what, len| sizes.two_layers().then(|| room(what, len)).transpose();
        let engine = Self {
            graph: None,
            labels: Buffer::from_slice(&device, "labels", trainers[0].task().labels())?,
            train: Buffer::from_slice(&device, "training pairs", &train.concat())?,
            test: (!test.is_empty()).then(|| Buffer::from_slice(&device, "test pairs", &test)).transpose()?,
            order: Buffer::from_slice(&device, "training pairs by element", &order)?,
            starts: Buffer::from_slice(&device, "training pairs by element", &starts)?,
            gradient: Buffer::zeros(&device, "gradient", parameters.len())?,
            parameters: Buffer::from_slice(&device, "parameters", &parameters)?,
            state,
            maps: sizes.has_maps().then(maps).transpose()?,
            activations: room("activations", rows * first)?,
            neurons: two("neurons", rows * hidden)?,
            logits: room("logits", rows * n)?,
            back: room("gradients of neurons", rows * hidden)?,
            back_first: two("gradients of the first layer", rows * first)?,
            parts: room("parts of products", parts)?,
            block_losses: Buffer::new(&device, "losses of blocks", seeds * rows.div_ceil(8))?,
            block_hits: Buffer::new(&device, "hits of blocks", seeds * rows.div_ceil(8))?,
            losses: Buffer::zeros(&device, "losses", seeds * EPOCHS_AT_ONCE as usize)?,
            rates: Buffer::zeros(&device, "rates", 3 * EPOCHS_AT_ONCE as usize)?,
            counter: Buffer::zeros(&device, "epoch", 1)?,
            smoothing: trainers[0].config().label_smoothing,
            factors: trainers[0].config().rates(1).factors(),
            device,
            sizes,
        };
        engine.device.synchronise()?;
        Ok(engine)
    }

    /// So many epochs from `done` on; the losses before each step, by seed.
    pub(super) fn epochs(&mut self, count: u64, factors: impl Fn(u64) -> Factors, done: u64) -> Result<Vec<Vec<f64>>> {
        let of_step = |step: u64| match factors(step) {
            Factors::Adam(adam::Factors { keep, step_size, correction, .. }) => [keep, step_size, correction],
            Factors::Sgd(sgd::Factors { lr, .. }) => [lr, 0.0, 0.0],
        };
        let rates: Vec<f32> = (done + 1..=done + count).flat_map(of_step).collect();
        self.rates.write(0, &rates)?;
        self.counter.write(0, &[0])?;
        if self.graph.is_none() {
            self.graph = Some(self.device.record(|| self.epoch())?);
        }
        let graph = self.graph.as_ref().expect("made above");
        (0..count).try_for_each(|_| graph.launch())?;
        let losses = self.losses.to_vec()?;
        let of_seed = |losses: &[f64]| losses[..count as usize].to_vec();
        Ok(losses.chunks_exact(EPOCHS_AT_ONCE as usize).map(of_seed).collect())
    }

    /// Loss and accuracy of every seed over its own pairs.
    pub(super) fn evaluate(&self, set: Set) -> Result<Vec<Option<Evaluation>>> {
        let Sizes { seeds, n, hidden, rows, test_rows, bias, unembed, output_bias, parameters, .. } = self.sizes;
        let (pairs, rows) = match (set, &self.test) {
            (Set::Train, _) if self.smoothing != 0.0 => return self.smoothed_losses(),
            (Set::Train, _) => (&self.train, rows),
            (Set::Test, Some(test)) => (test, test_rows),
            (Set::Test, None) => return Ok(vec![None; seeds]),
        };
        self.compute_maps()?;
        let offset = bias
            .map(|bias| -> Result<_> {
                let offset = Buffer::<f32>::new(&self.device, "b W_U", seeds * n)?;
                let bias = Matrix::new(&self.parameters, bias, hidden).batch(parameters, 0);
                let read = self.tensors(&self.parameters, unembed, n, 0);
                let out = Matrix::new(&offset, 0, n).batch(n, 0);
                Product::new(1, n, hidden).batch(seeds, 1).run(&self.device, bias, read, out.output())?;
                self.add_output_bias(1, &offset)?;
                Ok(offset)
            })
            .transpose()?;
        let at_once =
            if self.sizes.two_layers() { (STORED / (self.sizes.first + hidden)).clamp(1, rows) } else { rows };
        let blocks = |count: usize| self.device.evaluation_blocks(count);
        let each: usize = (0..rows).step_by(at_once).map(|start| blocks(at_once.min(rows - start))).sum();
        let sums = Buffer::<f64>::new(&self.device, "losses of blocks", seeds * 2 * each)?;
        let hits = Buffer::<u32>::new(&self.device, "hits of blocks", seeds * each)?;
        for seed in 0..seeds {
            // Of neurons' biases and the logits' together, or of the logits' alone where it lies.
            let alone = output_bias.map(|bias| self.parameters.input_from(seed * parameters + bias));
            let offset = offset.as_ref().map(|offset| offset.input_from(seed * n)).or(alone);
            let mut block = seed * each;
            for start in (0..rows).step_by(at_once) {
                let count = at_once.min(rows - start);
                let list = pairs.input_from(seed * rows + start);
                let (sums, hits) = (sums.output_from(2 * block), hits.output_from(block));
                self.evaluate_block(seed, count, list, offset, sums, hits)?;
                block += blocks(count);
            }
        }
        let (sums, hits) = (sums.to_vec()?, hits.to_vec()?);
        let evaluation = |(sums, hits): (&[f64], &[u32])| {
            let loss = sums.iter().step_by(2).sum();
            Some(Evaluation::from_sums(loss, hits.iter().map(|&hits| hits as usize).sum(), rows))
        };
        Ok(sums.chunks_exact(2 * each).zip(hits.chunks_exact(each)).map(evaluation).collect())
    }

    /// Loss of smoothed labels and accuracy of every seed over its training pairs, whose logits are stored for that.
    fn smoothed_losses(&self) -> Result<Vec<Option<Evaluation>>> {
        self.training_losses(0.0)?;
        let (losses, hits) = (self.block_losses.to_vec()?, self.block_hits.to_vec()?);
        let blocks = self.sizes.rows.div_ceil(8);
        let evaluation = |(losses, hits): (&[f64], &[u32])| {
            let correct = hits.iter().map(|&hits| hits as usize).sum();
            Some(Evaluation::from_sums(losses.iter().sum(), correct, self.sizes.rows))
        };
        Ok(losses.chunks_exact(blocks).zip(hits.chunks_exact(blocks)).map(evaluation).collect())
    }

    /// Sums and hits of `count` pairs of a seed, by block of threads.
    fn evaluate_block(
        &self,
        seed: usize,
        count: usize,
        list: Input<'_, u32>,
        offset: Option<Input<'_, f32>>,
        sums: Output<'_, f64>,
        hits: Output<'_, u32>,
    ) -> Result<()> {
        let Sizes { n, first, hidden, weight, unembed, parameters, combiner, .. } = self.sizes;
        let stored = if self.sizes.two_layers() {
            let room = |width: usize| Buffer::<f32>::new(&self.device, "activations", count * width);
            let (activations, neurons) = (room(first)?, room(hidden)?);
            self.first_layer(seed, 1, count, list, 0, &activations)?;
            Product::new(count, hidden, first).relu().run(
                &self.device,
                Matrix::new(&activations, 0, first),
                Matrix::new(&self.parameters, seed * parameters + weight, hidden),
                Matrix::new(&neurons, 0, hidden).output(),
            )?;
            Some(neurons)
        } else {
            None
        };
        let (maps, stride) = self.maps();
        kernels::Evaluation {
            rows: count,
            n,
            width: hidden,
            left: maps.input_from(seed * stride),
            right: maps.input_from(seed * stride + n * first),
            hidden: stored.as_ref().map(Buffer::input),
            combiner,
            unembed: self.parameters.input_from(seed * parameters + unembed),
            offset,
            stride: n,
            labels: self.labels.input(),
            pairs: Some(list),
            first: 0,
            losses: None,
            hits: None,
            block_sums: sums,
            block_hits: hits,
        }
        .run(&self.device)
    }

    /// Parameters of a seed and what the optimiser keeps for it.
    pub(super) fn read(&self, seed: usize, trainer: &mut Trainer) -> Result<()> {
        let state = trainer.state_mut();
        let start = seed * self.sizes.parameters;
        self.parameters.read(start, state.network.parameters_mut())?;
        self.state.iter().zip(&mut state.optimiser.0).try_for_each(|(from, to)| from.read(start, to))
    }
}

/// The rows of sorted pairs with each element on one side, element after element, and where each begins.
fn by_element(pairs: &[u32], n: usize, side: usize) -> (Vec<u32>, Vec<u32>) {
    let element = |pair: u32| if side == 0 { pair as usize / n } else { pair as usize % n };
    let mut rows: Vec<u32> = (0..pairs.len() as u32).collect();
    rows.sort_by_key(|&row| element(pairs[row as usize]));
    let mut starts = vec![0u32; n + 1];
    pairs.iter().for_each(|&pair| starts[element(pair) + 1] += 1);
    for i in 0..n {
        starts[i + 1] += starts[i];
    }
    (rows, starts)
}

use super::adamw::Factors;
use super::{Outcome, Seed, TrainConfig, Trainer};
use crate::checkpoint::ModelKind;
use crate::device::{Buffer, Device, Epilogue, Graph, Matrix, Product, args};
use crate::error::{Error, Result};
use crate::model::Evaluation;
use std::time::Instant;

/// Epochs between two looks at flags and clocks, at most.
const EPOCHS_AT_ONCE: u64 = 256;

/// Blocks of threads that keep a device busy: products with fewer are cut along their terms.
const BUSY: usize = 264;

/// Values of activations that an evaluation stores at once, where it stores any.
const STORED: usize = 1 << 26;

/// Trains runs of one configuration together on a device, each as it would be alone: the seeds of a batch are computed
/// side by side, by the same launches.
///
/// # Arguments
/// `make`: the trainer of a seed, observers and directory included; where it trains is set here.
///
/// # Returns
/// The seeds in the order given. One that fails, or whose group, architecture, number of pairs or settings are not those
/// of the first, leaves the others alone.
///
/// ```no_run
/// use irreplens::device::Device;
/// use irreplens::train::{Architecture, TrainConfig, Trainer, train_many_on_device};
/// use irreplens::{group::Dihedral, task::Split};
/// let group = Dihedral::new(53)?;
/// let seeds: Vec<u64> = (1..=50).collect();
/// let ended = train_many_on_device(&Device::open(0)?, &seeds, |seed| {
///     let config = TrainConfig { epochs: 60_000, seed, ..TrainConfig::default() };
///     Trainer::new(&group, Architecture::one_layer(256, 128), Split::published(106, 0.3, seed)?, config)
/// });
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn train_many_on_device(device: &Device, seeds: &[u64], make: impl Fn(u64) -> Result<Trainer>) -> Vec<Seed> {
    train_seeds(device, seeds, make)
}

fn train_seeds(device: &Device, seeds: &[u64], make: impl Fn(u64) -> Result<Trainer>) -> Vec<Seed> {
    let mut made: Vec<Result<Trainer>> = seeds.iter().map(|&seed| make(seed)).collect();
    let mut trainers: Vec<&mut Trainer> = made.iter_mut().filter_map(|trainer| trainer.as_mut().ok()).collect();
    let mut outcomes = run_together(device, &mut trainers).into_iter();
    let seed = |(&seed, trainer): (&u64, Result<Trainer>)| {
        let outcome = trainer.and_then(|_| outcomes.next().expect("one outcome a trainer"));
        Seed { seed, outcome }
    };
    seeds.iter().zip(made).map(seed).collect()
}

/// Runs one trainer.
pub(super) fn run_alone(device: &Device, trainer: &mut Trainer) -> Result<Outcome> {
    run_together(device, &mut [trainer]).pop().expect("one outcome a trainer")
}

/// Runs trainers side by side; those that have come equally far in one batch.
fn run_together(device: &Device, trainers: &mut [&mut Trainer]) -> Vec<Result<Outcome>> {
    let mut ended: Vec<Option<Result<Outcome>>> = trainers.iter().map(|_| None).collect();
    for i in 1..trainers.len() {
        if !alike(trainers[0], trainers[i]) {
            let needs = "runs of one group, architecture, number of pairs and settings";
            ended[i] = Some(Err(Error::Unsupported { analysis: "training together on a device", needs }));
        }
    }
    for (trainer, ended) in trainers.iter_mut().zip(&mut ended) {
        if let (None, Err(error)) = (&ended, trainer.start()) {
            *ended = Some(Err(error));
        }
    }
    while let Some(epoch) = (0..trainers.len()).filter(|&i| ended[i].is_none()).map(|i| trainers[i].epoch()).min() {
        let batch: Vec<usize> =
            (0..trainers.len()).filter(|&i| ended[i].is_none() && trainers[i].epoch() == epoch).collect();
        if let Err(error) = run_batch(device, trainers, &batch, &mut ended) {
            // What the device reports is everyone's; the error is given once and described to the others.
            let message = error.to_string();
            let mut first = Some(error);
            for &i in batch.iter().filter(|&&i| ended[i].is_none()).collect::<Vec<_>>() {
                let again = || Error::Cuda { call: "training together", code: 0, message: message.clone() };
                ended[i] = Some(Err(first.take().unwrap_or_else(again)));
            }
        }
    }
    ended.into_iter().map(|outcome| outcome.expect("every batch ends")).collect()
}

fn alike(a: &Trainer, b: &Trainer) -> bool {
    let settings = |trainer: &Trainer| TrainConfig { seed: 0, ..trainer.config().clone() };
    let sizes = |trainer: &Trainer| (trainer.split().train.len(), trainer.split().test.len());
    a.task() == b.task()
        && a.network().architecture() == b.network().architecture()
        && sizes(a) == sizes(b)
        && settings(a) == settings(b)
}

/// Trains the batch until every one of it has ended. An error is the device's; the trainers' own are with their outcomes.
fn run_batch(
    device: &Device,
    trainers: &mut [&mut Trainer],
    batch: &[usize],
    ended: &mut [Option<Result<Outcome>>],
) -> Result<()> {
    let mut engine = Engine::new(device, &batch.iter().map(|&i| &*trainers[i]).collect::<Vec<_>>())?;
    let config = trainers[batch[0]].config().clone();
    let mut epoch = trainers[batch[0]].epoch();
    let mut saved: Vec<Instant> = batch.iter().map(|_| Instant::now()).collect();
    loop {
        let train = engine.evaluate(Set::Train)?;
        let due = epoch >= config.epochs || epoch.is_multiple_of(config.measure_every);
        let mut test = if due { engine.evaluate(Set::Test)? } else { Vec::new() };
        for (seed, &i) in batch.iter().enumerate() {
            if ended[i].is_some() {
                continue;
            }
            let of_test = |_: &mut Trainer| {
                if test.is_empty() {
                    test = engine.evaluate(Set::Test)?;
                }
                Ok(test[seed])
            };
            let all = train[seed].expect("there are training pairs");
            match trainers[i].arrive(all, of_test, &mut saved[seed]) {
                Ok(None) => {}
                Ok(Some(outcome)) => ended[i] = Some(Ok(outcome)),
                Err(error) => ended[i] = Some(Err(error)),
            }
        }
        if batch.iter().all(|&i| ended[i].is_some()) {
            return Ok(());
        }
        let next = epoch - epoch % config.measure_every + config.measure_every;
        let mut end = next.min(config.epochs).min(epoch + EPOCHS_AT_ONCE);
        end = (epoch + 1..end).find(|&epoch| config.is_checkpoint(epoch)).unwrap_or(end);
        let start = Instant::now();
        let losses = engine.epochs(end - epoch, |step| config.rates(step).factors(step), epoch)?;
        let seconds = start.elapsed().as_secs_f64();
        for (seed, &i) in batch.iter().enumerate() {
            if ended[i].is_some() {
                continue;
            }
            let trainer = &mut trainers[i];
            if let Some((at, &loss)) = losses[seed].iter().enumerate().find(|(_, loss)| !loss.is_finite()) {
                ended[i] = Some(Err(trainer.diverged(epoch + at as u64, loss)));
                continue;
            }
            trainer.took(end - epoch, seconds);
            engine.read(seed, trainer)?;
            trainer.state_mut().adamw.step = end;
        }
        epoch = end;
    }
}

/// Which pairs.
#[derive(Clone, Copy)]
enum Set {
    Train,
    Test,
}

/// The networks of a batch and everything an epoch needs, on the device. Arrays of all seeds begin with the seed.
struct Engine {
    /// Dropped before the buffers it uses.
    graph: Option<Graph>,
    device: Device,
    sizes: Sizes,
    labels: Buffer<u32>,
    /// Of the training set and the test set: (seed, pair).
    train: Buffer<u32>,
    test: Option<Buffer<u32>>,
    /// Rows of the training pairs of every element: (seed, side, row), and where each begins (seed, side, n + 1).
    order: Buffer<u32>,
    starts: Buffer<u32>,
    parameters: Buffer<f32>,
    gradient: Buffer<f32>,
    first: Buffer<f32>,
    second: Buffer<f32>,
    /// Maps element -> neuron and the gradients with respect to them: (seed, side, n, width).
    maps: Option<[Buffer<f32>; 2]>,
    /// Activations of the first layer and of the second of two, logits, gradients on the way back: (seed, row, width).
    activations: Buffer<f32>,
    neurons: Option<Buffer<f32>>,
    logits: Buffer<f32>,
    back: Buffer<f32>,
    back_first: Option<Buffer<f32>>,
    /// Parts of products cut along their terms.
    parts: Buffer<f32>,
    block_losses: Buffer<f64>,
    block_hits: Buffer<u32>,
    losses: Buffer<f64>,
    rates: Buffer<f32>,
    counter: Buffer<u32>,
    /// What AdamW needs beside the rates: 1 - b1, b2, 1 - b2, eps.
    constants: [f32; 4],
}

#[derive(Clone, Copy)]
struct Sizes {
    kind: ModelKind,
    seeds: usize,
    n: usize,
    embed: usize,
    /// Width of the first layer.
    first: usize,
    hidden: usize,
    /// Training and test pairs.
    rows: usize,
    test_rows: usize,
    parameters: usize,
    /// Where tensors begin among the parameters.
    weight: usize,
    bias: Option<usize>,
    unembed: usize,
    /// Number of the combiner in the kernels.
    combiner: i32,
}

impl Sizes {
    fn new(trainers: &[&Trainer]) -> Self {
        let network = trainers[0].network();
        let architecture = network.architecture();
        let (kind, embed, hidden) = (architecture.kind, architecture.embed_dim, architecture.hidden_dim);
        let start = |name: &str| network.weights().iter().find(|w| w.name == name).map(|w| w.range.start);
        Self {
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
            combiner: i32::from(kind == ModelKind::Bilinear),
        }
    }

    fn has_maps(&self) -> bool {
        matches!(self.kind, ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias)
    }

    fn two_layers(&self) -> bool {
        self.kind == ModelKind::TwoLayerMlp
    }

    /// Parts that a product of (m, n) summed over all training pairs is cut into.
    fn splits(&self, m: usize, n: usize) -> usize {
        let tiles = m.div_ceil(64) * n.div_ceil(64) * self.seeds;
        (BUSY / tiles).clamp(1, self.rows.div_ceil(64))
    }
}

impl Engine {
    fn new(device: &Device, trainers: &[&Trainer]) -> Result<Self> {
        let device = device.another_stream()?;
        let sizes = Sizes::new(trainers);
        let Sizes { seeds, n, first, hidden, rows, .. } = sizes;
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
        let (first_mean, second_mean): (Vec<_>, Vec<_>) =
            trainers.iter().map(|trainer| (&trainer.adamw().first[..], &trainer.adamw().second[..])).unzip();
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
            first: Buffer::from_slice(&device, "mean of the gradient", &first_mean.concat())?,
            second: Buffer::from_slice(&device, "mean of its square", &second_mean.concat())?,
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
            constants: {
                let factors = trainers[0].config().rates(1).factors(1);
                [factors.toward, factors.stay, factors.square, factors.eps]
            },
            device,
            sizes,
        };
        engine.device.synchronise()?;
        Ok(engine)
    }

    /// The maps that the first layer combines, and the distance between two seeds'.
    fn maps(&self) -> (&Buffer<f32>, usize) {
        match &self.maps {
            Some([maps, _]) => (maps, 2 * self.sizes.n * self.sizes.hidden),
            None => (&self.parameters, self.sizes.parameters),
        }
    }

    /// A tensor of every seed: `start` among its parameters, rows of `stride`; two tensors one after the other.
    fn tensors(&self, of: &Buffer<f32>, start: usize, stride: usize, each: usize) -> Matrix {
        Matrix::new(of, start, stride).batch(self.sizes.parameters, each)
    }

    /// Maps element -> neuron from the embeddings.
    fn compute_maps(&self) -> Result<()> {
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
    fn first_layer(
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

    /// One epoch: loss, gradient, step.
    fn epoch(&self) -> Result<()> {
        let Sizes { seeds, n, first, hidden, rows, parameters, weight, bias, unembed, .. } = self.sizes;
        let device = &self.device;
        let of_rows = |buffer, width: usize| Matrix::new(buffer, 0, width).batch(rows * width, 0);
        self.compute_maps()?;
        self.first_layer(0, seeds, rows, (&self.train, 0), rows, &self.activations)?;
        let first_rows = of_rows(&self.activations, first);
        let weights = self.tensors(&self.parameters, weight, hidden, 0);
        let neurons = match &self.neurons {
            None => first_rows,
            Some(neurons) => {
                let neurons = of_rows(neurons, hidden);
                Product::new(rows, hidden, first).batch(seeds, 1).relu().run(device, first_rows, weights, neurons)?;
                neurons
            }
        };
        let logits = of_rows(&self.logits, n);
        let read = self.tensors(&self.parameters, unembed, n, 0);
        Product::new(rows, n, hidden).batch(seeds, 1).run(device, neurons, read, logits)?;
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
                (1.0 / rows as f64) as f32,
                none.0,
                none.1,
                &self.block_losses,
                &self.block_hits
            ],
        )?;
        self.over_rows(hidden, n, neurons, logits, unembed)?;
        let back = of_rows(&self.back, hidden);
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
                product.run(device, back, weights, of_rows(back_first, first))?;
                back_first
            }
        };
        self.map_gradient(to_maps)?;
        let [toward, stay, square, eps] = self.constants;
        device.launch_over(
            "adamw",
            seeds * parameters,
            1,
            args![
                seeds * parameters,
                &self.parameters,
                &self.gradient,
                &self.first,
                &self.second,
                &self.rates,
                &self.counter,
                toward,
                stay,
                square,
                eps
            ],
        )?;
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

    /// So many epochs from `done` on; the losses before each step, by seed.
    fn epochs(&mut self, count: u64, factors: impl Fn(u64) -> Factors, done: u64) -> Result<Vec<Vec<f64>>> {
        let of_step = |step: u64| {
            let factors = factors(step);
            [factors.keep, factors.step_size, factors.correction]
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
    fn evaluate(&self, set: Set) -> Result<Vec<Option<Evaluation>>> {
        let Sizes { seeds, n, hidden, rows, test_rows, bias, unembed, parameters, .. } = self.sizes;
        let (pairs, rows) = match (set, &self.test) {
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
                Product::new(1, n, hidden).batch(seeds, 1).run(&self.device, bias, read, out)?;
                Ok(offset)
            })
            .transpose()?;
        let one = |seed: usize| self.evaluate_seed(seed, pairs, rows, offset.as_ref()).map(Some);
        (0..seeds).map(one).collect()
    }

    fn evaluate_seed(
        &self,
        seed: usize,
        pairs: &Buffer<u32>,
        rows: usize,
        offset: Option<&Buffer<f32>>,
    ) -> Result<Evaluation> {
        let Sizes { n, first, hidden, weight, unembed, parameters, combiner, .. } = self.sizes;
        let two = self.sizes.two_layers();
        let at_once = if two { (STORED / (first + hidden)).max(1).min(rows) } else { rows };
        let stored =
            |width: usize| Buffer::<f32>::new(&self.device, "activations", if two { at_once * width } else { 0 });
        let (activations, neurons) = (stored(first)?, stored(hidden)?);
        let (maps, stride) = self.maps();
        let (mut loss, mut hits) = (0.0, 0);
        for start in (0..rows).step_by(at_once) {
            let count = at_once.min(rows - start);
            let list = (pairs, seed * rows + start);
            if two {
                self.first_layer(seed, 1, count, list, 0, &activations)?;
                Product::new(count, hidden, first).relu().run(
                    &self.device,
                    Matrix::new(&activations, 0, first),
                    Matrix::new(&self.parameters, seed * parameters + weight, hidden),
                    Matrix::new(&neurons, 0, hidden),
                )?;
            }
            let (name, size) = self.device.evaluation(count);
            let blocks = count.div_ceil(size);
            let sums = Buffer::<f64>::new(&self.device, "losses of blocks", 2 * blocks)?;
            let block_hits = Buffer::<u32>::new(&self.device, "hits of blocks", blocks)?;
            let none = (None::<&Buffer<f64>>, None::<&Buffer<u8>>);
            self.device.launch(
                name,
                [blocks, 1, 1],
                args![
                    count,
                    n,
                    hidden,
                    (maps, seed * stride),
                    (maps, seed * stride + n * first),
                    two.then_some(&neurons),
                    combiner,
                    (&self.parameters, seed * parameters + unembed),
                    offset.map(|offset| (offset, seed * n)),
                    &self.labels,
                    list,
                    0,
                    none.0,
                    none.0,
                    none.1,
                    &sums,
                    &block_hits
                ],
            )?;
            loss += sums.to_vec()?.iter().step_by(2).sum::<f64>();
            hits += block_hits.to_vec()?.iter().map(|&hits| hits as usize).sum::<usize>();
        }
        Ok(Evaluation::from_sums(loss, hits, rows))
    }

    /// Parameters and running means of a seed.
    fn read(&self, seed: usize, trainer: &mut Trainer) -> Result<()> {
        let state = trainer.state_mut();
        let start = seed * self.sizes.parameters;
        self.parameters.read(start, state.network.parameters_mut())?;
        self.first.read(start, &mut state.adamw.first)?;
        self.second.read(start, &mut state.adamw.second)
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

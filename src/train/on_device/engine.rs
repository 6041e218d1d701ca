//! The networks of a batch on a device, and their epochs: the program of one plan, for all seeds at once.

use super::super::optimiser::{Factors, trained};
use super::super::together::{Diverged, EPOCHS_AT_ONCE, Engine, Epochs};
use super::super::{TrainConfig, Trainer, adam, sgd};
use crate::device::kernels::{self, Input};
use crate::device::{Buffer, Device, Graph};
use crate::error::{Error, Result};
use crate::model::{Back, Block, Evaluation, Interpretable, Pass, Program};
use std::ops::Range;

/// Values that an evaluation of test pairs stores at once.
const STORED: usize = 1 << 26;

/// The networks of a batch and everything an epoch needs, on the device. Arrays of all seeds begin with the seed.
pub(super) struct OnDevice {
    /// Dropped before the buffers it uses.
    graph: Option<Graph>,
    device: Device,
    program: Program,
    seeds: usize,
    /// Training and test pairs of a seed.
    rows: usize,
    test_rows: usize,
    /// Parameters of a seed.
    parameters: usize,
    labels: Buffer<u32>,
    /// Pairs of the training set, and of the test set: (seed, pair).
    train: Buffer<u32>,
    test: Buffer<u32>,
    /// Rows of the training pairs of every element: (seed, side, row), and where each begins (seed, side, n + 1).
    order: Buffer<u32>,
    starts: Buffer<u32>,
    /// Parameters, and the matrices made of them; gradients in the same places.
    tables: Buffer<f32>,
    of_tables: Buffer<f32>,
    /// Nodes of the training pairs; gradients in the same places.
    nodes: Buffer<f32>,
    of_nodes: Buffer<f32>,
    parts: Buffer<f32>,
    /// The vectors that the optimiser keeps: (seed, parameters) each.
    state: Vec<Buffer<f32>>,
    /// What of the parameters is trained.
    trained: Vec<Range<usize>>,
    block_losses: Buffer<f64>,
    block_hits: Buffer<u32>,
    losses: Buffer<f64>,
    rates: Buffer<f32>,
    counter: Buffer<u32>,
    /// Share of the labels' weight that all elements have alike.
    smoothing: f64,
    /// The numbers of the first step, for those that are the same in all.
    factors: Factors,
}

impl OnDevice {
    pub(super) fn new(device: &Device, trainers: &[&Trainer]) -> Result<Self> {
        let device = device.another_stream()?;
        let (first, network) = (trainers[0], trainers[0].network());
        if first.config().stop.converged.is_some() {
            let needs = "a run on the processor, where every step is looked at";
            return Err(Error::Unsupported { analysis: "the stop rule `converged`", needs });
        }
        let program = Program::of_epoch(&device, network)?;
        let (seeds, n, parameters) = (trainers.len(), network.order(), network.parameters().len());
        let (rows, test_rows) = (first.split().train.len(), first.split().test.len());
        // Gradients of matrices use the room of those of nodes, for the elements.
        let room = program.width * rows.max(n);
        // Distances between seeds are counted in 31 bits.
        let largest = room.max(program.tables);
        if largest > i32::MAX as usize {
            let what = "one array of a batch, of which 2^31 values are the most,";
            return Err(device.too_large(what, 4 * largest, device.free_memory()?));
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
        let mut tables = vec![0.0; seeds * program.tables];
        for (trainer, tables) in trainers.iter().zip(tables.chunks_exact_mut(program.tables)) {
            tables[..parameters].copy_from_slice(trainer.network().parameters());
            program.constants().for_each(|(range, number)| tables[range].fill(number));
        }
        let of_all = |vector: usize| trainers.iter().flat_map(move |trainer| &trainer.optimiser().0[vector]).copied();
        let state = (0..first.optimiser().0.len())
            .map(|vector| Buffer::from_slice(&device, "state of the optimiser", &of_all(vector).collect::<Vec<f32>>()))
            .collect::<Result<_>>()?;
        let blocks = seeds * rows.div_ceil(8);
        let engine = Self {
            graph: None,
            labels: Buffer::from_slice(&device, "labels", first.task().labels())?,
            train: Buffer::from_slice(&device, "training pairs", &train.concat())?,
            test: Buffer::from_slice(&device, "test pairs", &test)?,
            order: Buffer::from_slice(&device, "training pairs by element", &order)?,
            starts: Buffer::from_slice(&device, "training pairs by element", &starts)?,
            of_tables: Buffer::zeros(&device, "gradient", tables.len())?,
            tables: Buffer::from_slice(&device, "parameters", &tables)?,
            nodes: Buffer::new(&device, "activations", seeds * program.width * rows)?,
            of_nodes: Buffer::new(&device, "gradients of activations", seeds * room)?,
            parts: Buffer::new(&device, "parts of products", program.parts(seeds, rows))?,
            state,
            trained: trained(network),
            block_losses: Buffer::new(&device, "losses of blocks", blocks)?,
            block_hits: Buffer::new(&device, "hits of blocks", blocks)?,
            losses: Buffer::zeros(&device, "losses", seeds * EPOCHS_AT_ONCE as usize)?,
            rates: Buffer::zeros(&device, "rates", 3 * EPOCHS_AT_ONCE as usize)?,
            counter: Buffer::zeros(&device, "epoch", 1)?,
            smoothing: first.config().label_smoothing,
            factors: first.config().rates(1).factors(),
            program,
            seeds,
            rows,
            test_rows,
            parameters,
            device,
        };
        engine.device.synchronise()?;
        Ok(engine)
    }

    /// A pass over pairs of every seed.
    fn pass<'a>(&'a self, block: Block<'a>, batch_pairs: usize, nodes: &'a Buffer<f32>) -> Pass<'a> {
        let (of_tables, of_nodes) = (&self.of_tables, &self.of_nodes);
        Pass {
            device: &self.device,
            program: &self.program,
            block,
            batch: self.seeds,
            batch_pairs,
            tables: &self.tables,
            nodes,
            hooks: None,
            back: Some(Back { of_tables, of_nodes, parts: &self.parts, order: &self.order, starts: &self.starts }),
        }
    }

    fn training_pass(&self) -> Pass<'_> {
        let block = Block { list: Some(self.train.input()), first: 0, count: self.rows };
        self.pass(block, self.rows, &self.nodes)
    }

    /// Losses of the training pairs, by block of rows. Their logits give way to the gradient of `factor` times the sum of
    /// the losses, or stay where it is 0.
    fn training_losses(&self, factor: f32) -> Result<()> {
        self.training_pass().matrices()?;
        let of_blocks = (&self.block_losses, &self.block_hits);
        let rows = self.rows;
        self.losses(self.train.input(), (rows, rows), &self.nodes, factor, self.smoothing, of_blocks)
    }

    /// Losses of `count` pairs of every seed, of `all` that each has, by block of rows; the matrices have been made.
    fn losses(
        &self,
        pairs: Input<'_, u32>,
        (count, all): (usize, usize),
        nodes: &Buffer<f32>,
        weight: f32,
        smoothing: f64,
        (losses, hits): (&Buffer<f64>, &Buffer<u32>),
    ) -> Result<()> {
        let pass = self.pass(Block { list: Some(pairs), first: 0, count }, all, nodes);
        pass.forward()?;
        let losses = kernels::RowLosses {
            rows: count,
            classes: self.program.order,
            logits: nodes.output_from(self.program.logits() * count),
            batch_logits: self.program.width * count,
            labels: self.labels.input(),
            pairs: Some(pairs),
            first: 0,
            batch_pairs: all,
            weight,
            smoothing,
            losses: None,
            hits: None,
            block_losses: Some(losses.output()),
            block_hits: Some(hits.output()),
        };
        losses.launch_warps(&self.device, count, self.seeds)
    }

    /// One epoch: loss, gradient, step.
    fn epoch(&self) -> Result<()> {
        let Self { seeds, rows, .. } = *self;
        self.training_losses((1.0 / rows as f64) as f32)?;
        self.training_pass().backward()?;
        self.trained.iter().try_for_each(|range| self.step(range.clone()))?;
        let end = kernels::EndEpoch {
            seeds,
            blocks: rows.div_ceil(8),
            block_losses: self.block_losses.input(),
            weight: 1.0 / rows as f64,
            epochs: EPOCHS_AT_ONCE as usize,
            losses: self.losses.output(),
            counter: self.counter.output(),
        };
        end.launch(&self.device, [1, 1, 1])
    }

    /// The optimiser's step for some of the parameters.
    fn step(&self, range: Range<usize>) -> Result<()> {
        let (count, start, seeds) = (range.len(), range.start, self.seeds);
        let (batch, batch_state) = (self.program.tables, self.parameters);
        let (parameters, gradient) = (self.tables.output_from(start), self.of_tables.input_from(start));
        let (rates, counter) = (self.rates.input(), self.counter.input());
        match (self.factors, &self.state[..]) {
            (Factors::Adam(adam::Factors { decay, toward, stay, square, eps, .. }), [first, second]) => {
                let (first, second) = (first.output_from(start), second.output_from(start));
                let step = kernels::Adam {
                    count,
                    batch,
                    batch_state,
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
                let velocity = velocity.output_from(start);
                let step = kernels::Sgd {
                    count,
                    batch,
                    batch_state,
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
}

impl Engine for OnDevice {
    fn epochs(&mut self, count: u64, config: &TrainConfig, done: u64) -> Result<Vec<Epochs>> {
        let of_step = |step: u64| match config.rates(step).factors() {
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
        let of_seed = |losses: &[f64]| {
            let mut losses = (done..done + count).zip(losses);
            let diverged = losses.find(|(_, loss)| !loss.is_finite());
            let diverged = diverged.map(|(epoch, &loss)| Diverged { epoch, loss });
            Epochs { diverged, steps: Vec::new() }
        };
        Ok(losses.chunks_exact(EPOCHS_AT_ONCE as usize).map(of_seed).collect())
    }

    fn evaluate_train(&mut self) -> Result<Vec<Evaluation>> {
        self.training_losses(0.0)?;
        let mut totals = vec![(0.0, 0); self.seeds];
        add_blocks(&mut totals, self.rows, &self.block_losses, &self.block_hits)?;
        Ok(evaluations(totals, self.rows))
    }

    fn evaluate_test(&mut self) -> Result<Option<Vec<Evaluation>>> {
        let Self { seeds, test_rows, .. } = *self;
        if test_rows == 0 {
            return Ok(None);
        }
        self.training_pass().matrices()?;
        let at_once = (STORED / (seeds * self.program.width)).clamp(1, test_rows);
        let blocks = at_once.div_ceil(8);
        let nodes = Buffer::new(&self.device, "activations", seeds * at_once * self.program.width)?;
        let losses = Buffer::new(&self.device, "losses of blocks", seeds * blocks)?;
        let hits = Buffer::new(&self.device, "hits of blocks", seeds * blocks)?;
        let mut totals = vec![(0.0, 0); seeds];
        for start in (0..test_rows).step_by(at_once) {
            let count = at_once.min(test_rows - start);
            self.losses(self.test.input_from(start), (count, test_rows), &nodes, 0.0, 0.0, (&losses, &hits))?;
            add_blocks(&mut totals, count, &losses, &hits)?;
        }
        Ok(Some(evaluations(totals, test_rows)))
    }

    fn read(&self, network: usize, trainer: &mut Trainer) -> Result<()> {
        let state = trainer.state_mut();
        self.tables.read(network * self.program.tables, state.network.parameters_mut())?;
        let start = network * self.parameters;
        self.state.iter().zip(&mut state.optimiser.0).try_for_each(|(from, to)| from.read(start, to))
    }
}

/// Adds the losses and hits of the blocks of so many rows to those of every seed.
fn add_blocks(totals: &mut [(f64, usize)], rows: usize, losses: &Buffer<f64>, hits: &Buffer<u32>) -> Result<()> {
    let (losses, hits, blocks) = (losses.to_vec()?, hits.to_vec()?, rows.div_ceil(8));
    for (total, (losses, hits)) in totals.iter_mut().zip(losses.chunks_exact(blocks).zip(hits.chunks_exact(blocks))) {
        total.0 += losses.iter().sum::<f64>();
        total.1 += hits.iter().map(|&hits| hits as usize).sum::<usize>();
    }
    Ok(())
}

fn evaluations(totals: Vec<(f64, usize)>, count: usize) -> Vec<Evaluation> {
    totals.into_iter().map(|(loss, hits)| Evaluation::from_sums(loss, hits, count)).collect()
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

//! Loss and gradient of a network over a set of pairs: what training is made of.

use super::Network;
use super::backward::Back;
use super::forward::{Kept, Numbers};
use super::matrices::Matrices;
use super::plan::{Plan, Request};
use super::sums::{Elements, Sums, Uses};
use crate::error::{Error, Result, check_shape};
use crate::linalg::Aligned;
use crate::model::loss::loss_gradient;
use crate::model::{Evaluation, Interpretable, LOGITS};
use crate::ranks;
use crate::task::Task;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pairs of a segment, at least, and segments of a set of pairs, at most: fixed by the task, never by the threads.
const SEGMENT_PAIRS: usize = 384;
const SEGMENTS: usize = 32;

/// Values that the pairs of a segment work on for each value of its sums by element, at least: these cost little beside the
/// pairs then.
const PAIRS_TO_SUMS: usize = 7;

/// Values that the sums of all segments take, at most, where this leaves eight segments: adding them up is then little beside
/// a pass.
const SUMS: usize = 1 << 22;

/// Values that a segment works on at once: 1 MiB of `f32`, about a second-level cache.
const BLOCK_VALUES: usize = 1 << 18;

/// Rows of a block are a multiple of this, but for the last: a whole tile of the matrix product.
const TILE: usize = 96;

impl Network {
    /// Mean loss over some pairs and its gradient with respect to all parameters.
    ///
    /// `L = 1/N sum over (x, y) of ln(1 + sum over z != xy of exp(l_z - l_xy))`, the derivative of max(0, v) at 0 being 0.
    ///
    /// # Arguments
    /// `pairs`: row-major indices x n + y; their order does not matter.
    ///
    /// # Returns
    /// Loss and accuracy, and the gradient in the order of [`parameters`](Network::parameters), that of frozen parameters
    /// included; the same bits for any number of threads.
    ///
    /// # Errors
    /// [`Error::Shape`] for a task of another order; [`Error::Range`] for no pairs or one beyond n^2.
    ///
    /// # Cost
    /// About three forward passes over the pairs; what depends on one element is computed, and taken back, for n rows.
    ///
    /// ```
    /// use irreplens::model::{Architecture, Network};
    /// use irreplens::{group::Cyclic, task::Task};
    /// let network = Network::zeros(Architecture::summed(8), 5)?;
    /// let (evaluation, gradient) = network.loss_and_gradient(&Task::new(&Cyclic::new(5)?), &[0, 7, 24])?;
    /// assert!(evaluation.loss > 0.0 && gradient.len() == network.parameters().len());
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn loss_and_gradient(&self, task: &Task, pairs: &[usize]) -> Result<(Evaluation, Vec<f32>)> {
        let mut gradient = vec![0.0; self.numbers.len()];
        let evaluation = Passes::new(self, task, pairs, true)?.gradient(self, &mut gradient);
        Ok((evaluation, gradient))
    }
}

/// Forward and backward passes over a fixed set of pairs, with the memory for them.
pub(crate) struct Passes {
    pairs: Vec<[u32; 2]>,
    labels: Vec<u32>,
    plan: Plan,
    uses: Uses,
    matrices: Matrices,
    segments: Vec<Segment>,
    /// Memory for the blocks that are worked on, as much as threads came to need at once: the last to be put back is the
    /// first to be taken, and so likely in the cache of the thread that takes it.
    buffers: Mutex<Vec<Buffers>>,
    /// Share of the labels' weight that all classes have alike.
    smoothing: f64,
    /// Whether the segments are shared out among several ranks.
    shared: bool,
    /// Breaks a pass off, between two blocks of pairs, when it is set: what the pass returns is then worth nothing.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What a block of pairs is worked on in.
#[derive(Default)]
struct Buffers {
    values: Vec<Aligned>,
    back: Back,
}

/// A fixed range of the pairs, worked on by one thread at a time.
struct Segment {
    range: Range<usize>,
    /// Rows worked on at once.
    block: usize,
    /// Where gradients are asked for.
    sums: Option<Sums>,
    loss: f64,
    correct: usize,
}

/// What a plan of passes over sets of pairs is made for.
fn request(backward: bool) -> Request {
    Request { hooked: Vec::new(), kept: vec![LOGITS.into()], backward }
}

impl Passes {
    /// For a network of this shape; `backward` if gradients will be asked for.
    ///
    /// # Errors
    /// [`Error::Shape`] for a task of another order; [`Error::Range`] for no pairs or one beyond n^2.
    pub(crate) fn new(network: &Network, task: &Task, pairs: &[usize], backward: bool) -> Result<Self> {
        let order = network.order();
        check_shape("group of the task", &[order], &[task.order()])?;
        if pairs.is_empty() {
            return Err(Error::Range { what: "number of pairs", expected: "at least 1", got: 0.0 });
        }
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable();
        if let Some(&last) = sorted.last().filter(|&&last| last >= order * order) {
            return Err(Error::Range { what: "pair", expected: "an index below n^2", got: last as f64 });
        }
        let plan = network.description.plan(&request(backward));
        let uses = Uses::new(&plan);
        let (count, bands) = match backward {
            true => segments(&plan, &uses, order, sorted.len()),
            false => ((sorted.len() / SEGMENT_PAIRS).clamp(1, SEGMENTS), 1),
        };
        let band = |pair: [u32; 2]| pair[1] as usize * bands / order;
        let mut pairs: Vec<[u32; 2]> = sorted.iter().map(|&p| [(p / order) as u32, (p % order) as u32]).collect();
        pairs.sort_by_key(|&pair| band(pair));
        let row_values = row_values(&plan);
        let mut segments = Vec::with_capacity(count);
        let mut start = 0;
        for some in pairs.chunk_by(|&a, &b| band(a) == band(b)) {
            let tiles = some.len().div_ceil(TILE);
            let count = (count / bands).min(tiles);
            let border = |s: usize| start + (s * tiles / count * TILE).min(some.len());
            for range in (0..count).map(|s| border(s)..border(s + 1)) {
                let blocks = range.len().div_ceil((BLOCK_VALUES / row_values).max(TILE));
                let block = range.len().div_ceil(blocks).next_multiple_of(TILE).min(range.len());
                let sums = backward.then(|| Sums::new(&plan, &uses, Elements::of(&pairs[range.clone()])));
                segments.push(Segment { range, block, sums, loss: 0.0, correct: 0 });
            }
            start += some.len();
        }
        let labels = pairs.iter().map(|&[x, y]| task.labels()[x as usize * order + y as usize]).collect();
        let (matrices, buffers, stop) = (Matrices::default(), Mutex::default(), Arc::default());
        let shared = ranks::is_shared();
        Ok(Self { pairs, labels, plan, uses, matrices, segments, buffers, smoothing: 0.0, shared, stop })
    }

    /// Loss and accuracy; overwrites `gradient`.
    pub(crate) fn gradient(&mut self, network: &Network, gradient: &mut [f32]) -> Evaluation {
        let evaluation = self.pass(network, Segment::gradient);
        let numbers = numbers(&self.plan, &self.matrices, network);
        let sums: Vec<&Sums> = self.segments.iter().filter_map(|segment| segment.sums.as_ref()).collect();
        let of_matrices = numbers.reduce(&self.uses, &sums);
        let parameters = &network.description.parameters;
        self.matrices.backward(&self.plan, parameters, &network.numbers, of_matrices, gradient);
        evaluation
    }

    fn pass(&mut self, network: &Network, f: impl Fn(&mut Segment, &mut Buffers, &All<'_>) + Sync) -> Evaluation {
        self.matrices.compute(&self.plan, &network.description.parameters, &network.numbers);
        let all = All {
            numbers: numbers(&self.plan, &self.matrices, network),
            pairs: &self.pairs,
            labels: &self.labels,
            uses: &self.uses,
            order: network.order(),
            smoothing: self.smoothing,
            stop: &self.stop,
        };
        let buffers = &self.buffers;
        let count = self.segments.len();
        let own = if self.shared { ranks::own(count) } else { 0..count };
        self.segments[own].par_iter_mut().for_each(|segment| {
            let taken = lock(buffers).pop();
            let mut taken = taken.unwrap_or_default();
            taken.values.resize_with(all.numbers.plan.nodes.len(), Aligned::default);
            f(segment, &mut taken, &all);
            lock(buffers).push(taken);
        });
        if self.shared {
            self.exchange();
        }
        let (loss, correct) = self.segments.iter().fold((0.0, 0), |(l, c), s| (l + s.loss, c + s.correct));
        Evaluation::from_sums(loss, correct, self.pairs.len())
    }
}

/// Passes on several ranks.
impl Passes {
    /// Whether the segments are shared out among several ranks.
    #[cfg(feature = "train")]
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Gives every rank the results of the segments of all ranks, with their bits.
    fn exchange(&mut self) {
        let count = self.segments.len();
        let result =
            |segment: &Segment| (segment.loss, segment.correct, segment.sums.as_ref().map(|s| s.started.clone()));
        let own = self.segments[ranks::own(count)].iter().map(result).collect();
        for (segment, (loss, correct, started)) in self.segments.iter_mut().zip(ranks::gather(own)) {
            (segment.loss, segment.correct) = (loss, correct);
            if let Some(sums) = &mut segment.sums {
                sums.started = started.unwrap_or_default();
            }
        }
        for (s, segment) in self.segments.iter_mut().enumerate() {
            let sums = segment.sums.iter_mut().flat_map(|sums| &mut sums.of);
            sums.for_each(|sum| ranks::broadcast(ranks::owner(s, count), sum));
        }
    }
}

/// What training asks for beside gradients.
#[cfg(feature = "train")]
mod training {
    use super::*;
    use crate::memory;
    use crate::model::loss::{outcomes, smoothing_loss};
    use crate::model::network::{Architecture, Description};
    use ndarray::ArrayView2;

    impl Passes {
        /// Passes of the loss with labels smoothed by this share, in [0, 1).
        pub(crate) fn smoothed(self, smoothing: f64) -> Self {
            Self { smoothing, ..self }
        }

        /// Bytes that passes over so many pairs hold.
        ///
        /// # Errors
        /// [`Error::Description`] for an architecture that does not fit.
        pub(crate) fn bytes(architecture: &Architecture, order: usize, pairs: usize, backward: bool) -> Result<usize> {
            let plan = Description::new(architecture.clone(), order)?.plan(&request(backward));
            let uses = Uses::new(&plan);
            if !backward {
                let bytes = memory::bytes::<u32>(&[3, pairs]);
                return Ok(bytes.saturating_add(memory::bytes::<f32>(&[plan.values()])));
            }
            let (count, bands) = segments(&plan, &uses, order, pairs);
            // A segment more or less begins and ends within an element.
            let left = 0..(order * bands).div_ceil(count).saturating_add(1).min(order);
            let of_segment = Elements { left, right: 0..order.div_ceil(bands) };
            let sums = uses.values(&plan, &of_segment).saturating_mul(count);
            let matrices = plan.values();
            let all = sums.saturating_add(matrices).saturating_add(matrices);
            // Three numbers of 32 bits a pair.
            Ok(memory::bytes::<u32>(&[3, pairs]).saturating_add(memory::bytes::<f32>(&[all])))
        }

        /// Loss and accuracy.
        pub(crate) fn evaluate(&mut self, network: &Network) -> Evaluation {
            self.pass(network, Segment::evaluate)
        }
    }

    impl Segment {
        fn evaluate(&mut self, buffers: &mut Buffers, all: &All<'_>) {
            (self.loss, self.correct) = (0.0, 0);
            let logits = all.numbers.plan.logits.expect("logits are kept");
            for block in self.blocks() {
                if all.stop.load(Ordering::Relaxed) {
                    return;
                }
                all.numbers.forward(&all.pairs[block.clone()], &mut buffers.values, Kept::InPlace, |_, of, _, _| of);
                let shape = (all.order, block.len());
                let values = &buffers.values[logits][..shape.0 * shape.1];
                self.loss += smoothing_loss(values, &all.labels[block.clone()], all.smoothing);
                let classes = ArrayView2::from_shape(shape, values).expect("one column a pair");
                for outcome in outcomes(classes.t(), &all.labels[block]) {
                    self.loss += outcome.loss;
                    self.correct += usize::from(outcome.correct);
                }
            }
        }
    }
}

/// What all segments of a pass read.
struct All<'a> {
    numbers: Numbers<'a>,
    pairs: &'a [[u32; 2]],
    labels: &'a [u32],
    uses: &'a Uses,
    order: usize,
    smoothing: f64,
    stop: &'a AtomicBool,
}

fn numbers<'a>(plan: &'a Plan, matrices: &'a Matrices, network: &'a Network) -> Numbers<'a> {
    Numbers { plan, parameters: &network.description.parameters, numbers: &network.numbers, matrices }
}

/// Segments of a set of pairs whose gradients are asked for, and bands of right elements that they lie in, as many segments
/// in each.
///
/// Each segment sums up gradients of its own, those by element for the elements that its pairs have: fewest where it has about
/// as many left ones as right ones.
fn segments(plan: &Plan, uses: &Uses, order: usize, pairs: usize) -> (usize, usize) {
    let quarter = 0..order.div_ceil(4);
    let quarter = Elements { left: quarter.clone(), right: quarter };
    let by_element = uses.values_by_element(plan, &quarter);
    let least = SEGMENT_PAIRS.max(PAIRS_TO_SUMS.saturating_mul(by_element) / row_values(plan));
    let most = (SUMS / uses.values(plan, &quarter).max(1)).clamp(8, SEGMENTS);
    let count = (pairs / least).clamp(1, most);
    let bands = 1 << (count.ilog2() / 2);
    (count / bands * bands, bands)
}

/// Values of a pair: all nodes, and the gradients with respect to all but the logits.
fn row_values(plan: &Plan) -> usize {
    let needed = plan.nodes.iter().enumerate().filter(|&(id, _)| plan.node_needed[id]);
    needed.map(|(id, node)| if plan.logits == Some(id) { node.width } else { 2 * node.width }).sum::<usize>().max(1)
}

/// What a mutex holds, a panic elsewhere notwithstanding.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Segment {
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (end, block) = (self.range.end, self.block);
        self.range.clone().step_by(block).map(move |start| start..end.min(start + block))
    }

    fn gradient(&mut self, buffers: &mut Buffers, all: &All<'_>) {
        (self.loss, self.correct) = (0.0, 0);
        let logits = all.numbers.plan.logits.expect("logits are kept");
        let weight = 1.0 / all.pairs.len() as f64;
        let blocks = self.blocks();
        let sums = self.sums.as_mut().expect("passes for gradients have sums");
        sums.start(all.uses);
        for block in blocks {
            if all.stop.load(Ordering::Relaxed) {
                return;
            }
            let pairs = &all.pairs[block.clone()];
            all.numbers.forward(pairs, &mut buffers.values, Kept::InPlace, |_, of, _, _| of);
            let of = &mut buffers.values[logits][..all.order * block.len()];
            let (loss, correct) = loss_gradient(of, &all.labels[block], weight, all.smoothing);
            self.loss += loss;
            self.correct += correct;
            all.numbers.backward(pairs, &buffers.values, all.uses, &mut buffers.back, sums);
        }
    }
}

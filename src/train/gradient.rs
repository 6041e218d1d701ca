use super::{Architecture, Network};
use crate::checkpoint::ModelKind;
use crate::error::{Error, Result, check_shape};
use crate::linalg::{add_matmul, matmul_into, vectorised};
use crate::memory;
use crate::model::{Evaluation, loss_gradient, outcomes, smoothing_loss};
use crate::task::Task;
use ndarray::{ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pairs of a segment, at least, and segments of a set of pairs, at most: fixed by the task, never by the threads.
const SEGMENT_PAIRS: usize = 384;
const SEGMENTS: usize = 32;

/// Values that a segment works on at once: 1 MiB of `f32`, about a second-level cache.
const BLOCK_VALUES: usize = 1 << 18;

/// Rows of a block are a multiple of this, but for the last: a whole tile of the matrix product.
const TILE: usize = 96;

/// Classes whose part of W_U's gradient is transposed at once.
const CLASSES: usize = 16;

/// Mean loss over some pairs and its gradient with respect to all parameters.
///
/// `L = 1/N sum over (x, y) of ln(1 + sum over z != xy of exp(l_z - l_xy))`, the derivative of max(0, v) at 0 being 0.
///
/// # Arguments
/// `pairs`: row-major indices x n + y; their order does not matter.
///
/// # Returns
/// Loss and accuracy, and the gradient in the order of [`Network::parameters`]; the same bits for any number of threads.
///
/// # Errors
/// [`Error::Shape`] for a task of another order; [`Error::Range`] for no pairs or one beyond n^2.
///
/// # Cost
/// Three products of (pairs, hidden, n), and the maps element -> neuron once: with N pairs, `6 N d n + 12 n e d`
/// operations for the one-layer net.
///
/// ```
/// use irreplens::{group::Cyclic, task::Task, train::{Architecture, Network, loss_and_gradient}};
/// let network = Network::random(Architecture::summed(8), 5, 1)?;
/// let (evaluation, gradient) = loss_and_gradient(&network, &Task::new(&Cyclic::new(5)?), &[0, 7, 24])?;
/// assert!(evaluation.loss > 0.0 && gradient.len() == network.parameters().len());
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn loss_and_gradient(network: &Network, task: &Task, pairs: &[usize]) -> Result<(Evaluation, Vec<f32>)> {
    let mut gradient = vec![0.0; network.parameters().len()];
    let evaluation = Passes::new(network, task, pairs, true)?.gradient(network, &mut gradient);
    Ok((evaluation, gradient))
}

/// Forward and backward passes over a fixed set of pairs, with the memory for them.
#[derive(Debug)]
pub(super) struct Passes {
    set: PairSet,
    segments: Vec<Segment>,
    /// Buffers for the blocks that are worked on, as many as threads came to need at once: the last to be put back is the
    /// first to be taken, and so likely in the cache of the thread that takes it.
    buffers: Mutex<Vec<Buffers>>,
    /// The maps element -> neuron of a one-layer net, and the gradients with respect to them; else empty.
    maps: [Vec<f32>; 2],
    maps_gradient: [Vec<f32>; 2],
    /// What biases add to the logits, by class; else empty.
    offset: Vec<f32>,
    /// Breaks a pass off, between two blocks of pairs, when it is set: what the pass returns is then worth nothing.
    pub(super) stop: Arc<AtomicBool>,
}

/// The pairs, sorted, with their labels, and the sizes of the network they are for.
#[derive(Clone, Debug)]
struct PairSet {
    pairs: Vec<[u32; 2]>,
    labels: Vec<u32>,
    kind: ModelKind,
    order: usize,
    /// Width of the first layer, where the two maps are combined.
    first: usize,
    hidden: usize,
    /// Whether a bias, of the neurons or of the logits, adds to the logits.
    biased: bool,
    /// Share of the labels' weight that all classes have alike.
    smoothing: f64,
}

impl Passes {
    /// For a network of this shape; `backward` if gradients will be asked for.
    pub(super) fn new(network: &Network, task: &Task, pairs: &[usize], backward: bool) -> Result<Self> {
        let (order, architecture) = (network.order(), network.architecture());
        check_shape("group of the task", &[order], &[task.order()])?;
        if pairs.is_empty() {
            return Err(Error::Range { what: "number of pairs", expected: "at least 1", got: 0.0 });
        }
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable();
        if let Some(&last) = sorted.last().filter(|&&last| last >= order * order) {
            return Err(Error::Range { what: "pair", expected: "an index below n^2", got: last as f64 });
        }
        let kind = architecture.kind;
        let (e, d) = (architecture.embed_dim, architecture.hidden_dim);
        let set = PairSet {
            pairs: sorted.iter().map(|&pair| [(pair / order) as u32, (pair % order) as u32]).collect(),
            labels: sorted.iter().map(|&pair| task.labels()[pair]).collect(),
            kind,
            order,
            first: if kind == ModelKind::TwoLayerMlp { e } else { d },
            hidden: d,
            biased: kind == ModelKind::OneLayerMlpWithBias || architecture.output_bias,
            smoothing: 0.0,
        };
        let count = (sorted.len() / SEGMENT_PAIRS).clamp(1, SEGMENTS);
        let tiles = sorted.len().div_ceil(TILE);
        let border = |s: usize| (s * tiles / count * TILE).min(sorted.len());
        let segments = (0..count).map(|s| Segment::new(&set, border(s)..border(s + 1), backward)).collect();
        let size = if has_maps(kind) { order * d } else { 0 };
        let maps = [vec![0.0; size], vec![0.0; size]];
        let offset = vec![0.0; if set.biased { order } else { 0 }];
        let (buffers, stop) = (Mutex::default(), Arc::default());
        Ok(Self { set, segments, buffers, maps_gradient: maps.clone(), maps, offset, stop })
    }

    /// Passes of the loss with labels smoothed by this share, in [0, 1).
    pub(super) fn smoothed(mut self, smoothing: f64) -> Self {
        self.set.smoothing = smoothing;
        self
    }

    /// Bytes that passes over so many pairs hold.
    pub(super) fn bytes(architecture: Architecture, order: usize, pairs: usize, backward: bool) -> usize {
        let (n, d) = (order, architecture.hidden_dim);
        let two = architecture.kind == ModelKind::TwoLayerMlp;
        let w = if two { architecture.embed_dim } else { d };
        let segments = (pairs / SEGMENT_PAIRS).clamp(1, SEGMENTS);
        // Of every segment the right map, W_U and the second layer; of the left map every row in one or two segments.
        let sums = [[segments, n, w], [segments, n, d], [segments * usize::from(two), w, d], [2, n, w]];
        let all = sums.iter().filter(|_| backward).map(|extents| memory::bytes::<f32>(extents));
        let maps = memory::bytes::<f32>(&[4, n, d]);
        // Three numbers of 32 bits a pair.
        all.fold(memory::bytes::<u32>(&[3, pairs]).saturating_add(maps), usize::saturating_add)
    }

    /// Loss and accuracy.
    pub(super) fn evaluate(&mut self, network: &Network) -> Evaluation {
        self.pass(network, Segment::evaluate)
    }

    /// Loss and accuracy; overwrites `gradient`.
    pub(super) fn gradient(&mut self, network: &Network, gradient: &mut [f32]) -> Evaluation {
        let evaluation = self.pass(network, Segment::gradient);
        self.reduce(network, gradient);
        evaluation
    }

    fn pass(
        &mut self,
        network: &Network,
        f: impl Fn(&mut Segment, &mut Buffers, &PairSet, &Forward<'_>) + Sync,
    ) -> Evaluation {
        let unembed = network.weight("W_U");
        if has_maps(self.set.kind) {
            let (e, weight) = (network.architecture().embed_dim, network.weight("W"));
            let shape = (self.set.order, self.set.hidden);
            let [left, right] = &mut self.maps;
            rayon::join(
                || matmul_into(network.weight("W_E_a"), weight.slice(s![..e, ..]), matrix_mut(left, shape)),
                || matmul_into(network.weight("W_E_b"), weight.slice(s![e.., ..]), matrix_mut(right, shape)),
            );
        }
        if self.set.kind == ModelKind::OneLayerMlpWithBias {
            matmul_into(network.weight("b"), unembed, matrix_mut(&mut self.offset, (1, self.set.order)));
        }
        if network.architecture().output_bias {
            let bias = network.weight("b_U");
            match self.set.kind {
                ModelKind::OneLayerMlpWithBias => self.offset.iter_mut().zip(bias).for_each(|(sum, b)| *sum += b),
                _ => self.offset.iter_mut().zip(bias).for_each(|(offset, &b)| *offset = b),
            }
        }
        let maps = match has_maps(self.set.kind) {
            true => [&self.maps[0][..], &self.maps[1]],
            false => ["W_E_a", "W_E_b"].map(|name| &network.parameters()[network.place(name).range.clone()]),
        };
        let weight = (self.set.kind == ModelKind::TwoLayerMlp).then(|| network.weight("W"));
        let forward = Forward { maps, weight, offset: &self.offset, unembed, stop: &self.stop };
        let (set, buffers) = (&self.set, &self.buffers);
        self.segments.par_iter_mut().for_each(|segment| {
            let taken = lock(buffers).pop();
            let mut taken = taken.unwrap_or_default();
            f(segment, &mut taken, set, &forward);
            lock(buffers).push(taken);
        });
        let (loss, correct) = self.segments.iter().fold((0.0, 0), |(l, c), s| (l + s.loss, c + s.correct));
        Evaluation::from_sums(loss, correct, set.pairs.len())
    }

    /// Adds up the segments' parts in order, and takes them back through the maps.
    fn reduce(&mut self, network: &Network, gradient: &mut [f32]) {
        let (segments, set, e) = (&self.segments, &self.set, network.architecture().embed_dim);
        let (gradient, output_bias) = gradient.split_at_mut(network.place("W_U").range.end);
        if !output_bias.is_empty() {
            sum(output_bias, segments, |segment| &segment.class_gradient);
        }
        let (left, rest) = gradient.split_at_mut(network.place("W_E_a").range.len());
        let (right, rest) = rest.split_at_mut(left.len());
        let (rest, unembed) = rest.split_at_mut(rest.len() - network.place("W_U").range.len());
        let unembed = || reduce_unembedding(segments, set, network, unembed);
        if !has_maps(set.kind) {
            let embeddings = || {
                rayon::join(
                    || sum_left(left, segments, set.first),
                    || sum(right, segments, |segment| &segment.right_gradient),
                )
            };
            rayon::join(embeddings, || rayon::join(unembed, || sum(rest, segments, |s| &s.weight_gradient)));
            return;
        }
        let (weight, bias) = rest.split_at_mut(network.place("W").range.len());
        let (top, bottom) = weight.split_at_mut(weight.len() / 2);
        let [left_map, right_map] = &mut self.maps_gradient;
        let shape = (set.order, set.hidden);
        let back = |name: &str, rows: Range<usize>, map: &mut [f32], embed: &mut [f32], weight: &mut [f32]| {
            let (embedding, matrix) = (network.weight(name), network.weight("W"));
            let map = ArrayView2::from_shape(shape, map).expect("one row an element");
            rayon::join(
                || matmul_into(map, matrix.slice(s![rows, ..]).t(), matrix_mut(embed, (set.order, e))),
                || matmul_into(embedding.t(), map, matrix_mut(weight, (e, set.hidden))),
            );
        };
        let left = || {
            sum_left(left_map, segments, set.first);
            back("W_E_a", 0..e, left_map, left, top);
        };
        let right = || {
            sum(right_map, segments, |segment| &segment.right_gradient);
            back("W_E_b", e..2 * e, right_map, right, bottom);
        };
        rayon::join(unembed, || rayon::join(left, right));
        if set.kind == ModelKind::OneLayerMlpWithBias {
            let mut classes = vec![0.0; set.order];
            sum(&mut classes, segments, |segment| &segment.class_gradient);
            let classes = ArrayView2::from_shape((1, set.order), &classes).expect("one a class");
            matmul_into(classes, network.weight("W_U").t(), matrix_mut(bias, (1, set.hidden)));
        }
    }
}

/// The gradient of W_U from its transpose in every segment; a bias of the neurons adds its product with the logits'.
fn reduce_unembedding(segments: &[Segment], set: &PairSet, network: &Network, out: &mut [f32]) {
    let (n, d) = (set.order, set.hidden);
    let bias = (set.kind == ModelKind::OneLayerMlpWithBias).then(|| network.weight("b"));
    // Some classes at a time, so that what is written lies together.
    let mut classes = vec![0.0; CLASSES * d];
    for start in (0..n).step_by(CLASSES) {
        let range = start..n.min(start + CLASSES);
        let classes = &mut classes[..range.len() * d];
        sum(classes, segments, |segment| &segment.unembed_gradient[range.start * d..range.end * d]);
        if let Some(bias) = &bias {
            for (z, row) in range.clone().zip(classes.chunks_exact_mut(d)) {
                let class: f32 = segments.iter().map(|segment| segment.class_gradient[z]).sum();
                row.iter_mut().zip(bias).for_each(|(row, bias)| *row += bias * class);
            }
        }
        for (k, out) in out.chunks_exact_mut(n).enumerate() {
            out[range.clone()].iter_mut().enumerate().for_each(|(z, out)| *out = classes[z * d + k]);
        }
    }
}

/// Whether the first layer reads the embeddings through a matrix.
fn has_maps(kind: ModelKind) -> bool {
    matches!(kind, ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias)
}

fn matrix(values: &[f32], shape: (usize, usize)) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape(shape, &values[..shape.0 * shape.1]).expect("as long as the shape says")
}

fn matrix_mut(values: &mut [f32], shape: (usize, usize)) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape(shape, &mut values[..shape.0 * shape.1]).expect("as long as the shape says")
}

/// The sum of one part of every segment, in their order.
fn sum<'a>(out: &mut [f32], segments: &'a [Segment], part: impl Fn(&'a Segment) -> &'a [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let (first, rest) = segments.split_first().expect("at least one segment");
            out.copy_from_slice(part(first));
            for segment in rest {
                out.iter_mut().zip(part(segment)).for_each(|(out, &value)| *out += value);
            }
        },
    );
}

/// The sum of the left maps' gradients, of which every segment has the rows of its own elements x.
fn sum_left(out: &mut [f32], segments: &[Segment], width: usize) {
    out.fill(0.0);
    for segment in segments {
        let rows = &mut out[segment.first_left * width..][..segment.left_gradient.len()];
        rows.iter_mut().zip(&segment.left_gradient).for_each(|(out, &value)| *out += value);
    }
}

/// What a forward pass reads.
struct Forward<'a> {
    /// The two maps that the first layer combines, (n, first) each.
    maps: [&'a [f32]; 2],
    /// The second layer of a two-layer net.
    weight: Option<ArrayView2<'a, f32>>,
    /// What a bias adds to the logits; empty without one.
    offset: &'a [f32],
    unembed: ArrayView2<'a, f32>,
    stop: &'a AtomicBool,
}

/// [`matmul_into`] or [`add_matmul`].
type Multiply = fn(ArrayView2<'_, f32>, ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>);

/// What a block of pairs is worked on in. Each grows to the largest block it meets, and keeps no more than one.
#[derive(Debug, Default)]
struct Buffers {
    /// Activations of the first layer: (rows, first).
    first: Vec<f32>,
    /// Neurons of a two-layer net, (rows, hidden); those of others are the first layer.
    hidden: Vec<f32>,
    /// Logits, then the gradient with respect to them: (n, rows).
    logits: Vec<f32>,
    /// Gradients with respect to the neurons, and to the first of two layers.
    back: Vec<f32>,
    back_first: Vec<f32>,
}

impl Buffers {
    /// Logits of a block of pairs.
    fn forward(&mut self, set: &PairSet, net: &Forward<'_>, block: Range<usize>) {
        let (n, w, d, rows) = (set.order, set.first, set.hidden, block.len());
        first_layer(set.kind, &set.pairs[block], net.maps, w, room(&mut self.first, rows * w));
        let first = matrix(&self.first, (rows, w));
        let neurons = match net.weight {
            None => first,
            Some(weight) => {
                let hidden = room(&mut self.hidden, rows * d);
                matmul_into(first, weight, matrix_mut(hidden, (rows, d)));
                relu(hidden);
                matrix(hidden, (rows, d))
            }
        };
        let logits = room(&mut self.logits, n * rows);
        matmul_into(net.unembed.t(), neurons.t(), matrix_mut(logits, (n, rows)));
        for (class, offset) in logits.chunks_exact_mut(rows).zip(net.offset) {
            class.iter_mut().for_each(|logit| *logit += offset);
        }
    }
}

/// The first `len` values of a buffer, whatever they are.
fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// What a mutex holds, a panic elsewhere notwithstanding.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fixed range of the pairs, worked on by one thread at a time.
#[derive(Debug)]
struct Segment {
    range: Range<usize>,
    /// Rows worked on at once.
    block: usize,
    /// Sums over the pairs: the gradients of the maps (of the left one from row `first_left` to the last that occurs), of
    /// the second layer, of W_U (transposed), and of the logits by class where there is a bias, of whichever kind.
    first_left: usize,
    left_gradient: Vec<f32>,
    right_gradient: Vec<f32>,
    weight_gradient: Vec<f32>,
    unembed_gradient: Vec<f32>,
    class_gradient: Vec<f32>,
    loss: f64,
    correct: usize,
}

impl Segment {
    fn new(set: &PairSet, range: Range<usize>, backward: bool) -> Self {
        let (n, w, d) = (set.order, set.first, set.hidden);
        let two = set.kind == ModelKind::TwoLayerMlp;
        let row_values = n + 2 * d + if two { 2 * w } else { 0 };
        let blocks = range.len().div_ceil((BLOCK_VALUES / row_values).max(TILE));
        let block = range.len().div_ceil(blocks).next_multiple_of(TILE).min(range.len());
        let zeros = |wanted: bool, len: usize| vec![0.0; if wanted { len } else { 0 }];
        // The pairs are sorted.
        let [first_left, last_left] = [range.start, range.end - 1].map(|pair| set.pairs[pair][0] as usize);
        Self {
            left_gradient: zeros(backward, (last_left + 1 - first_left) * w),
            first_left,
            right_gradient: zeros(backward, n * w),
            weight_gradient: zeros(backward && two, w * d),
            unembed_gradient: zeros(backward, n * d),
            class_gradient: zeros(backward && set.biased, n),
            loss: 0.0,
            correct: 0,
            range,
            block,
        }
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (end, block) = (self.range.end, self.block);
        self.range.clone().step_by(block).map(move |start| start..end.min(start + block))
    }

    fn evaluate(&mut self, buffers: &mut Buffers, set: &PairSet, net: &Forward<'_>) {
        (self.loss, self.correct) = (0.0, 0);
        for block in self.blocks() {
            if net.stop.load(Ordering::Relaxed) {
                return;
            }
            buffers.forward(set, net, block.clone());
            let logits = matrix(&buffers.logits, (set.order, block.len()));
            self.loss +=
                smoothing_loss(&buffers.logits[..set.order * block.len()], &set.labels[block.clone()], set.smoothing);
            for outcome in outcomes(logits.t(), &set.labels[block]) {
                self.loss += outcome.loss;
                self.correct += usize::from(outcome.correct);
            }
        }
    }

    fn gradient(&mut self, buffers: &mut Buffers, set: &PairSet, net: &Forward<'_>) {
        (self.loss, self.correct) = (0.0, 0);
        let sums = [&mut self.left_gradient, &mut self.right_gradient, &mut self.class_gradient];
        sums.into_iter().for_each(|sum| sum.fill(0.0));
        for (i, block) in self.blocks().enumerate() {
            if net.stop.load(Ordering::Relaxed) {
                return;
            }
            buffers.forward(set, net, block.clone());
            // The first product replaces what the last epoch left.
            self.backward(buffers, set, net, block, if i == 0 { matmul_into } else { add_matmul });
        }
    }

    /// Turns the logits of a block into the gradient and takes it back to the maps; `multiply` puts a product where it is
    /// summed up.
    fn backward(
        &mut self,
        buffers: &mut Buffers,
        set: &PairSet,
        net: &Forward<'_>,
        block: Range<usize>,
        multiply: Multiply,
    ) {
        let (n, w, d, rows) = (set.order, set.first, set.hidden, block.len());
        let Buffers { first, hidden, logits, back, back_first } = buffers;
        let (first, logits, back) = (&first[..rows * w], &mut logits[..n * rows], room(back, rows * d));
        let weight = 1.0 / set.pairs.len() as f64;
        let (loss, correct) = loss_gradient(logits, &set.labels[block.clone()], weight, set.smoothing);
        self.loss += loss;
        self.correct += correct;
        for (sum, class) in self.class_gradient.iter_mut().zip(logits.chunks_exact(rows)) {
            *sum += class.iter().sum::<f32>();
        }
        let logits = matrix(logits, (n, rows));
        let neurons = if net.weight.is_some() { &hidden[..rows * d] } else { first };
        multiply(logits, matrix(neurons, (rows, d)), matrix_mut(&mut self.unembed_gradient, (n, d)));
        matmul_into(logits.t(), net.unembed.t(), matrix_mut(back, (rows, d)));
        let back: &[f32] = if let Some(weight) = net.weight {
            mask(back, neurons);
            multiply(
                matrix(first, (rows, w)).t(),
                matrix(back, (rows, d)),
                matrix_mut(&mut self.weight_gradient, (w, d)),
            );
            let back_first = room(back_first, rows * w);
            matmul_into(matrix(back, (rows, d)), weight.t(), matrix_mut(back_first, (rows, w)));
            back_first
        } else {
            back
        };
        let pairs = &set.pairs[block];
        let sums =
            Scatter { first_left: self.first_left, left: &mut self.left_gradient, right: &mut self.right_gradient };
        match set.kind {
            ModelKind::Bilinear => sums.products(pairs, net.maps, w, back),
            _ => sums.active(pairs, first, w, back),
        }
    }
}

/// `relu(left[x] + right[y])`, or `left[x] * right[y]` in a bilinear net, for every pair.
fn first_layer(kind: ModelKind, pairs: &[[u32; 2]], [left, right]: [&[f32]; 2], width: usize, out: &mut [f32]) {
    let product = kind == ModelKind::Bilinear;
    vectorised(
        #[inline(always)]
        || {
            for (&[x, y], out) in pairs.iter().zip(out.chunks_exact_mut(width)) {
                let (left, right) = (&left[x as usize * width..][..width], &right[y as usize * width..][..width]);
                if product {
                    out.iter_mut().zip(left.iter().zip(right)).for_each(|(out, (l, r))| *out = l * r);
                } else {
                    out.iter_mut().zip(left.iter().zip(right)).for_each(|(out, (l, r))| *out = positive(l + r));
                }
            }
        },
    );
}

/// max(0, v), NaN kept.
#[inline(always)]
fn positive(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

fn relu(values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || values.iter_mut().for_each(|v| *v = positive(*v)),
    );
}

/// Zeroes the gradient where the activation is not positive.
fn mask(gradient: &mut [f32], activations: &[f32]) {
    vectorised(
        #[inline(always)]
        || gradient.iter_mut().zip(activations).for_each(|(g, &a)| *g = if a > 0.0 { *g } else { 0.0 }),
    );
}

/// Where the gradients of the two maps are summed up, (elements, width) each.
struct Scatter<'a> {
    /// The element of the left map's first row.
    first_left: usize,
    left: &'a mut [f32],
    right: &'a mut [f32],
}

impl Scatter<'_> {
    /// Adds every pair's gradient, where the neuron is active, to row x of the left map's and row y of the right map's.
    fn active(self, pairs: &[[u32; 2]], first: &[f32], width: usize, back: &[f32]) {
        vectorised(
            #[inline(always)]
            || {
                let rows = first.chunks_exact(width).zip(back.chunks_exact(width));
                for (&[x, y], (first, back)) in pairs.iter().zip(rows) {
                    let left = &mut self.left[(x as usize - self.first_left) * width..][..width];
                    let right = &mut self.right[y as usize * width..][..width];
                    for k in 0..width {
                        let gradient = if first[k] > 0.0 { back[k] } else { 0.0 };
                        left[k] += gradient;
                        right[k] += gradient;
                    }
                }
            },
        );
    }

    /// Adds every pair's gradient times the other map's row to rows x and y of the two maps' gradients.
    fn products(self, pairs: &[[u32; 2]], [left_map, right_map]: [&[f32]; 2], width: usize, back: &[f32]) {
        vectorised(
            #[inline(always)]
            || {
                for (&[x, y], back) in pairs.iter().zip(back.chunks_exact(width)) {
                    let (x, y) = (x as usize, y as usize);
                    let (from_left, from_right) = (&left_map[x * width..][..width], &right_map[y * width..][..width]);
                    let left = &mut self.left[(x - self.first_left) * width..][..width];
                    let right = &mut self.right[y * width..][..width];
                    for k in 0..width {
                        left[k] += back[k] * from_right[k];
                        right[k] += back[k] * from_left[k];
                    }
                }
            },
        );
    }
}

//! Loss and gradient against dense `f64` code, itself checked by central differences.

use crate::models::Draw;
use irreplens::Error;
use irreplens::checkpoint::{ModelKind, ModelSettings};
use irreplens::group::{Cyclic, Dihedral, Group, GroupExt};
use irreplens::model::{Architecture, Evaluation, Interpretable, Network, Parameter};
use irreplens::task::Task;
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use rayon::ThreadPoolBuilder;
use std::collections::BTreeMap;
use std::convert::identity;

/// How far `f32` may be off, in units of [`Oracle::rounding`]: relative to the largest entry of a tensor's gradient, to
/// the sum of the absolute values of the terms of an entry, and to the loss. Measured: at most 0.8. Of the largest entry
/// that is 6e-7 at ordinary losses, 7e-6 at losses of 1e-12 and logits of 50.
const STEPS: f64 = 3.0;

/// Below this a sum may be lost: exponentials below e^-87 are 0 in `f32`, and products of them and activations with them.
const UNDERFLOW: f64 = 1e-36;

/// Step of the central differences, and how near to the kink of a ReLU they reach: twice the step, for a parameter moves
/// a pre-activation by at most 2 (an activation of the first of two layers) times its own change.
const STEP: f64 = 1e-6;
const REACH: f64 = 2.0 * STEP;

/// Central differences against backpropagation, both in `f64`, relative to a tensor's largest entry or, where that is
/// smaller, to 1: truncation is of the order STEP^2, rounding of the loss 1e-15 / STEP. Measured: at most 3e-9.
const DIFFERENCES: f64 = 3e-8;

/// A network in `f64`; the embeddings are stacked as in the published code.
struct Dense {
    kind: ModelKind,
    weights: Vec<Parameter>,
    values: Vec<f64>,
}

/// What a forward pass leaves, a row a pair.
struct Pass {
    left: Array2<f64>,
    right: Array2<f64>,
    /// What W reads, and where a first of two layers is active (1, else 0).
    read: Array2<f64>,
    active_first: Array2<f64>,
    /// Neurons before any bias, and where they are active.
    neurons: Array2<f64>,
    active: Array2<f64>,
    logits: Array2<f64>,
    /// Least absolute value of a pre-activation.
    reach: f64,
}

/// What the crate's answer is compared with.
struct Oracle {
    evaluation: Evaluation,
    gradient: Vec<f64>,
    /// For every entry of the gradient the sum of the absolute values of the terms that it is a sum of.
    terms: Vec<f64>,
    reach: f64,
    /// Relative rounding error of a softmax in `f32`: machine epsilon, times the largest sum of absolute values that a
    /// logit is the sum of, and 4 for the exponential (3e-7) and the sums over pairs.
    rounding: f64,
}

/// The published name of a description.
fn kind_of(architecture: &Architecture) -> ModelKind {
    match ModelSettings::of(architecture) {
        (ModelSettings::Published(kind), _) => kind,
        (described, _) => panic!("not published: {described:?}"),
    }
}

impl Dense {
    fn new(network: &Network) -> Self {
        let values = network.parameters().iter().map(|&v| f64::from(v)).collect();
        Self { kind: kind_of(network.architecture()), weights: network.weights().to_vec(), values }
    }

    fn tensor(&self, name: &str) -> ArrayView2<'_, f64> {
        let weight = self.weights.iter().find(|weight| weight.name == name).unwrap();
        ArrayView2::from_shape(weight.matrix, &self.values[weight.range.clone()]).unwrap()
    }

    /// The bias through `f`, 0 where there is none.
    fn bias(&self, f: fn(f64) -> f64) -> Array2<f64> {
        let has = self.kind == ModelKind::OneLayerMlpWithBias;
        if has { self.tensor("b").mapv(f) } else { Array2::zeros((1, self.tensor("W_U").nrows())) }
    }

    /// The output bias through `f`, 0 where there is none.
    fn output_bias(&self, f: fn(f64) -> f64) -> Array2<f64> {
        let has = self.weights.iter().any(|weight| weight.name == "b_U");
        if has { self.tensor("b_U").mapv(f) } else { Array2::zeros((1, self.tensor("W_U").ncols())) }
    }

    fn forward(&self, n: usize, pairs: &[usize]) -> Pass {
        let rows = |name: &str, index: fn(usize, usize) -> usize| {
            self.tensor(name).select(Axis(0), &pairs.iter().map(|&pair| index(pair, n)).collect::<Vec<_>>())
        };
        let (left, right) = (rows("W_E_a", |pair, n| pair / n), rows("W_E_b", |pair, n| pair % n));
        let mut reach = f64::INFINITY;
        let mut relu = |pre: Array2<f64>| {
            reach = pre.iter().fold(reach, |reach, v| reach.min(v.abs()));
            (pre.mapv(|v| v.max(0.0)), pre.mapv(|v| f64::from(u8::from(v > 0.0))))
        };
        let (mut read, mut active_first) = (Array2::zeros((0, 0)), Array2::zeros((0, 0)));
        let (neurons, active) = match self.kind {
            ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias => {
                read = concatenate![Axis(1), left, right];
                relu(read.dot(&self.tensor("W")))
            }
            ModelKind::SummedMlp => relu(&left + &right),
            ModelKind::TwoLayerMlp => {
                (read, active_first) = relu(&left + &right);
                relu(read.dot(&self.tensor("W")))
            }
            ModelKind::Bilinear => (&left * &right, Array2::ones(left.dim())),
            kind => panic!("no oracle for {kind:?}"),
        };
        let logits = (&neurons + &self.bias(identity)).dot(&self.tensor("W_U")) + self.output_bias(identity);
        Pass { left, right, read, active_first, neurons, active, logits, reach }
    }

    /// Backpropagation; with everything but the switches through `f`.
    fn backward(&self, n: usize, pairs: &[usize], pass: &Pass, delta: &Array2<f64>, f: fn(f64) -> f64) -> Vec<f64> {
        let arrays = [&pass.left, &pass.right, &pass.read, &pass.neurons, delta];
        let [left, right, read, neurons, delta] = arrays.map(|array| array.mapv(f));
        let back = delta.dot(&self.tensor("W_U").mapv(f).t());
        let mut gradient = BTreeMap::from([
            ("W_U", (neurons + self.bias(f)).t().dot(&delta)),
            ("b", back.sum_axis(Axis(0)).insert_axis(Axis(0))),
            ("b_U", delta.sum_axis(Axis(0)).insert_axis(Axis(0))),
        ]);
        let back = back * &pass.active;
        let through = |back: &Array2<f64>| back.dot(&self.tensor("W").mapv(f).t());
        let (left, right) = match self.kind {
            ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias => {
                gradient.insert("W", read.t().dot(&back));
                let (stack, e) = (through(&back), left.ncols());
                (stack.slice(s![.., ..e]).to_owned(), stack.slice(s![.., e..]).to_owned())
            }
            ModelKind::SummedMlp => (back.clone(), back),
            ModelKind::TwoLayerMlp => {
                gradient.insert("W", read.t().dot(&back));
                let first = through(&back) * &pass.active_first;
                (first.clone(), first)
            }
            ModelKind::Bilinear => (&back * &right, &back * &left),
            kind => panic!("no oracle for {kind:?}"),
        };
        let (mut a, mut b) = (Array2::zeros((n, left.ncols())), Array2::zeros((n, left.ncols())));
        for (i, &pair) in pairs.iter().enumerate() {
            let (mut a, mut b) = (a.row_mut(pair / n), b.row_mut(pair % n));
            a += &left.row(i);
            b += &right.row(i);
        }
        gradient.extend([("W_E_a", a), ("W_E_b", b)]);
        self.weights.iter().flat_map(|weight| gradient[weight.name.as_str()].iter().copied()).collect()
    }
}

/// Mean loss by log-sum-exp, accuracy, and the gradient with respect to the logits.
fn cross_entropy(logits: &Array2<f64>, task: &Task, pairs: &[usize]) -> (Evaluation, Array2<f64>) {
    let count = pairs.len() as f64;
    let (mut loss, mut correct, mut delta) = (0.0, 0, logits.clone());
    for ((row, mut delta), &pair) in logits.outer_iter().zip(delta.outer_iter_mut()).zip(pairs) {
        let label = task.labels()[pair] as usize;
        let most = row.fold(f64::NEG_INFINITY, |most, &l| most.max(l));
        delta.mapv_inplace(|l| (l - most).exp());
        let own = std::mem::take(&mut delta[label]);
        let others = delta.sum();
        // Where the label has the largest logit nothing is lost of a loss near 0.
        loss += if own == 1.0 { others.ln_1p() } else { most - row[label] + (own + others).ln() };
        delta[label] = -others;
        delta /= (own + others) * count;
        correct += usize::from(row.iter().position(|&l| l == most) == Some(label));
    }
    (Evaluation::new(loss / count, correct as f64 / count), delta)
}

fn oracle(network: &Network, task: &Task, pairs: &[usize]) -> Oracle {
    let (dense, n) = (Dense::new(network), task.order());
    let pass = dense.forward(n, pairs);
    let (evaluation, delta) = cross_entropy(&pass.logits, task, pairs);
    let [gradient, terms] = [identity, f64::abs].map(|f| dense.backward(n, pairs, &pass, &delta, f));
    let sizes = (pass.neurons.mapv(f64::abs) + dense.bias(f64::abs)).dot(&dense.tensor("W_U").mapv(f64::abs));
    let sizes = sizes + dense.output_bias(f64::abs);
    let rounding = f64::from(f32::EPSILON) * (4.0 + largest(sizes));
    Oracle { evaluation, gradient, terms, reach: pass.reach, rounding }
}

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |most, v| most.max(v.abs()))
}

/// The crate's loss, accuracy and gradient against the oracle's.
#[track_caller]
fn check(what: &str, network: &Network, task: &Task, pairs: &[usize]) -> Oracle {
    let oracle = oracle(network, task, pairs);
    let (evaluation, gradient) = network.loss_and_gradient(task, pairs).unwrap();
    let (got, want, tolerance) = (evaluation.loss, oracle.evaluation.loss, STEPS * oracle.rounding);
    let kind = kind_of(network.architecture());
    assert!((got - want).abs() <= tolerance * want, "{what}, {kind:?}: loss {got:e} against {want:e}");
    assert_eq!(evaluation.accuracy, oracle.evaluation.accuracy, "{what}, {kind:?}: accuracy");
    for weight in network.weights() {
        let most = largest(oracle.gradient[weight.range.clone()].iter().copied());
        for i in weight.range.clone() {
            let (got, want, terms) = (f64::from(gradient[i]), oracle.gradient[i], oracle.terms[i]);
            let (off, place) = ((got - want).abs(), i - weight.range.start);
            assert!(
                off <= tolerance * most.min(terms) + UNDERFLOW,
                "{what}, {kind:?}: entry {place} of the gradient of {}: {got:e} against {want:e}; the largest is \
                 {most:e}, its terms {terms:e}",
                weight.name
            );
        }
    }
    oracle
}

/// A network with all weights, biases too, drawn from the multiples of 2^-bits in [-1, 1); the readout times `unembed`.
///
/// Sums of products of such numbers are exact in `f32` up to 2^(24 - 2 bits): its ReLUs switch where those of `f64` do,
/// and some pre-activations may be exactly 0.
fn draw(architecture: &Architecture, order: usize, bits: i32, unembed: f32, seed: u64) -> Network {
    let (mut network, mut draw) = (Network::random(architecture.clone(), order, 1).unwrap(), Draw::new(seed));
    let grid = 2f32.powi(bits);
    network.parameters_mut().iter_mut().for_each(|v| *v = (draw.number() * grid).floor() / grid);
    scale(&mut network, unembed);
    network
}

/// The readout, W_U and the output bias, times `factor`.
fn scale(network: &mut Network, factor: f32) {
    // They lie together, the bias last.
    let start = network.weights().iter().find(|weight| weight.name == "W_U").unwrap().range.start;
    network.parameters_mut()[start..].iter_mut().for_each(|v| *v *= factor);
}

/// Every kind of model with these widths; a model with a single width has that of its neurons.
fn kinds(e: usize, d: usize) -> [Architecture; 9] {
    [
        Architecture::one_layer(e, d),
        Architecture::one_layer_with_bias(e, d),
        Architecture::summed(d),
        Architecture::two_layer(e, d),
        Architecture::bilinear(d),
        Architecture::one_layer(e, d).with_output_bias(),
        Architecture::one_layer_with_bias(e, d).with_output_bias(),
        Architecture::two_layer(e, d).with_output_bias(),
        Architecture::bilinear(d).with_output_bias(),
    ]
}

/// `count` of the pairs, in no order.
fn subset(order: usize, count: usize, seed: u64) -> Vec<usize> {
    let (mut draw, mut pairs) = (Draw::new(seed), (0..order * order).collect::<Vec<_>>());
    for i in 0..pairs.len() {
        let other = ((draw.number() + 1.0) / 2.0 * (i + 1) as f32) as usize;
        pairs.swap(i, other.min(i));
    }
    pairs.truncate(count);
    pairs
}

/// Groups of order 1, 2, 5, 7 and 10, and D5 with its elements in another order.
fn groups() -> Vec<Box<dyn Group>> {
    let cyclic = |n| Box::new(Cyclic::new(n).unwrap()) as Box<dyn Group>;
    let relabelled = Dihedral::new(5).unwrap().cayley_table().relabelled(&[3, 8, 0, 1, 9, 2, 7, 4, 6, 5]).unwrap();
    let dihedral = Box::new(Dihedral::new(5).unwrap());
    vec![cyclic(1), cyclic(2), cyclic(5), cyclic(7), dihedral, Box::new(relabelled)]
}

#[test]
fn gradient_is_that_of_central_differences() {
    let widths = [(1, 1), (2, 3), (7, 20), (13, 5), (4, 9), (20, 11)];
    for (g, (group, (e, d))) in groups().iter().zip(widths).enumerate() {
        let (task, n) = (Task::new(group), group.order());
        for (k, architecture) in kinds(e, d).into_iter().enumerate() {
            let count = [n * n, 1, n * n / 2 + 1, n][(g + k) % 4];
            let pairs = subset(n, count, g as u64);
            let near = |network: &Network| Dense::new(network).forward(n, &pairs).reach <= 2.0 * REACH;
            let mut seeds = 0..100;
            let network = seeds.find_map(|seed| Some(draw(&architecture, n, 9, 1.0, seed)).filter(|net| !near(net)));
            let what = format!("{}, {count} pairs", group.name());
            let network = network.unwrap_or_else(|| panic!("{what}: no network away from kinks"));
            let oracle = check(&what, &network, &task, &pairs);
            assert!(oracle.reach > REACH);
            let mut dense = Dense::new(&network);
            for weight in network.weights() {
                let most = largest(oracle.gradient[weight.range.clone()].iter().copied());
                for i in weight.range.clone() {
                    let mut loss = |value: f64| {
                        let old = std::mem::replace(&mut dense.values[i], value);
                        let loss = cross_entropy(&dense.forward(n, &pairs).logits, &task, &pairs).0.loss;
                        dense.values[i] = old;
                        loss
                    };
                    let value = f64::from(network.parameters()[i]);
                    let difference = (loss(value + STEP) - loss(value - STEP)) / (2.0 * STEP);
                    let off = (difference - oracle.gradient[i]).abs();
                    let (kind, want) = (kind_of(&architecture), oracle.gradient[i]);
                    let name = &weight.name;
                    assert!(
                        off <= DIFFERENCES * most.max(1.0),
                        "{what}, {kind:?}: {name}: {difference:e} by differences, {want:e} by backpropagation"
                    );
                }
            }
        }
    }
}

#[test]
fn gradient_adds_up_over_segments_and_blocks() {
    // Eight segments of one block; four segments of two blocks each, where a layer is wide.
    let shapes: [(Box<dyn Group>, Vec<Architecture>); 2] = [
        (Box::new(Dihedral::new(30).unwrap()), kinds(8, 24).to_vec()),
        (Box::new(Cyclic::new(41).unwrap()), [&kinds(6, 401)[..], &[Architecture::two_layer(400, 23)]].concat()),
    ];
    for (group, architectures) in shapes {
        let (task, n) = (Task::new(&group), group.order());
        for architecture in architectures {
            let network = draw(&architecture, n, 6, 0.125, 7);
            let oracle = check(&group.name(), &network, &task, &(0..n * n).collect::<Vec<_>>());
            // The derivative of max(0, v) at 0 is asked for.
            assert!(oracle.reach == 0.0 || kind_of(&architecture) == ModelKind::Bilinear);
        }
    }
}

/// Logits of all pairs.
fn logits(network: &Network) -> Array2<f64> {
    let n = network.order();
    Dense::new(network).forward(n, &(0..n * n).collect::<Vec<_>>()).logits
}

#[test]
fn gradient_of_a_tiny_loss_is_as_exact() {
    let task = Task::new(&Dihedral::new(10).unwrap());
    for architecture in kinds(9, 30) {
        let mut network = draw(&architecture, 20, 9, 1.0, 3);
        // The pairs that the random network has right by far, as a trained one would; then larger logits.
        let margins: Vec<f64> = logits(&network)
            .outer_iter()
            .zip(task.labels())
            .map(|(row, &label)| {
                let others = row.iter().enumerate().filter(|&(z, _)| z != label as usize);
                row[label as usize] - others.fold(f64::NEG_INFINITY, |most, (_, &l)| most.max(l))
            })
            .collect();
        let bar = 0.5 * margins.iter().fold(0.0, |most: f64, &margin| most.max(margin));
        let pairs: Vec<usize> = (0..400).filter(|&pair| margins[pair] > bar).collect();
        scale(&mut network, (22.0 / bar) as f32);
        let loss = check("tiny loss", &network, &task, &pairs).evaluation.loss;
        assert!(0.0 < loss && loss < 1e-8, "{:?}: {loss:e} over {} pairs", kind_of(&architecture), pairs.len());
    }
}

#[test]
fn gradient_of_huge_logits_does_not_overflow() {
    let task = Task::new(&Dihedral::new(10).unwrap());
    for architecture in kinds(9, 30) {
        let mut network = draw(&architecture, 20, 9, 1.0, 4);
        let rows = logits(&network);
        let below = rows
            .outer_iter()
            .zip(task.labels())
            .map(|(row, &label)| row.fold(0.0, |m: f64, &l| m.max(l)) - row[label as usize]);
        scale(&mut network, (150.0 / (below.sum::<f64>() / 400.0)) as f32);
        let loss = check("huge logits", &network, &task, &subset(20, 400, 1)).evaluation.loss;
        assert!(loss > 100.0, "{:?}: {loss}", kind_of(&architecture));
    }
}

#[test]
fn nan_weights_give_a_nan_loss() {
    let (task, all) = (Task::new(&Cyclic::new(5).unwrap()), (0..25).collect::<Vec<_>>());
    for architecture in kinds(3, 4) {
        let network = draw(&architecture, 5, 9, 1.0, 1);
        for weight in network.weights() {
            for i in weight.range.clone() {
                let mut network = network.clone();
                network.parameters_mut()[i] = f32::NAN;
                let loss = network.loss_and_gradient(&task, &all).unwrap().0.loss;
                assert!(loss.is_nan(), "{:?}: NaN in {} gives {loss}", kind_of(&architecture), weight.name);
            }
        }
    }
}

#[test]
fn bits_depend_on_neither_threads_nor_order() {
    let (task, all) = (Task::new(&Dihedral::new(30).unwrap()), (0..3600).collect::<Vec<_>>());
    for architecture in kinds(5, 17) {
        let network = Network::random(architecture.clone(), 60, 2).unwrap();
        let bits = |threads: usize, pairs: &[usize]| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (evaluation, gradient) = pool.install(|| network.loss_and_gradient(&task, pairs)).unwrap();
            let gradient: Vec<u32> = gradient.iter().map(|v| v.to_bits()).collect();
            (evaluation.loss.to_bits(), evaluation.accuracy, gradient)
        };
        let want = bits(1, &all);
        for (threads, pairs) in [(2, &all), (5, &all), (2, &subset(60, 3600, 3)), (1, &subset(60, 3600, 4))] {
            assert!(bits(threads, pairs) == want, "{:?} on {threads} threads", kind_of(&architecture));
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let network = Network::random(Architecture::one_layer(3, 4), 5, 1).unwrap();
    let task = Task::new(&Cyclic::new(5).unwrap());
    let range = |pairs: &[usize]| match network.loss_and_gradient(&task, pairs) {
        Err(Error::Range { what, got, .. }) => (what, got),
        other => panic!("{other:?}"),
    };
    assert_eq!(range(&[]), ("number of pairs", 0.0));
    assert_eq!(range(&[3, 25, 0]), ("pair", 25.0));
    let other = Task::new(&Cyclic::new(6).unwrap());
    match network.loss_and_gradient(&other, &[0]) {
        Err(Error::Shape { expected, got, .. }) => assert_eq!((expected, got), (vec![5], vec![6])),
        other => panic!("{other:?}"),
    }
}

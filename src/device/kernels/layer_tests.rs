//! The kernels of `layers.cu` against the formulas in `f64`; gradients against finite differences of these. Every launch is of
//! two networks side by side, with numbers that are not to be touched between all rows.
//!
//! The tests run on device 0 where there is one, and are skipped visibly elsewhere; with `IRREPLENS_REQUIRE_DEVICE` set, no
//! device is a failure.

use super::*;
use crate::device::{Buffer, buffer::Plain};
use std::io::Write;

/// Largest difference from the formula, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

/// What lies between rows: read, it shows in a sum, and it must still be there after a launch.
const BETWEEN: f32 = -77.0;

/// What outputs hold before a launch.
const BEFORE: f32 = 0.5;

/// Networks side by side.
const BATCH: usize = 2;

const EPS: f64 = 1e-2;

fn device() -> Option<Device> {
    match Device::open(0) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("IRREPLENS_REQUIRE_DEVICE").is_some() => panic!("{error}"),
        Err(error) => {
            // Straight to the stream: the test harness would swallow it.
            writeln!(std::io::stderr(), "SKIPPED: kernels on a device: {error}").expect("standard error");
            None
        }
    }
}

/// Numbers in (-2, 2) that look random, the same for the same seed.
fn draw(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    }
}

fn upload<T: Plain>(device: &Device, values: &[T]) -> Buffer<T> {
    Buffer::from_slice(device, "test", values).unwrap()
}

/// Rows of numbers on the device, as many for each network.
struct Padded {
    values: Vec<f32>,
    buffer: Buffer<f32>,
    width: usize,
    stride: usize,
    /// Distance between the networks.
    batch: usize,
}

impl Padded {
    /// Rows of what `next` gives, `gap` numbers between them.
    fn new(device: &Device, rows: usize, width: usize, gap: usize, mut next: impl FnMut() -> f32) -> Self {
        let stride = width + gap;
        let value = |i: usize| if i % stride < width { next() } else { BETWEEN };
        let values: Vec<f32> = (0..BATCH * rows * stride).map(value).collect();
        Self { buffer: upload(device, &values), values, width, stride, batch: rows * stride }
    }

    fn out(device: &Device, rows: usize, width: usize, gap: usize) -> Self {
        Self::new(device, rows, width, gap, || BEFORE)
    }

    /// A row as it was uploaded; rows are counted through the networks.
    fn row(&self, i: usize) -> Vec<f64> {
        self.values[i * self.stride..][..self.width].iter().map(|&v| f64::from(v)).collect()
    }

    fn input(&self) -> InputRows<'_> {
        InputRows { values: self.buffer.input(), stride: self.stride, batch: self.batch }
    }

    fn output(&self) -> OutputRows<'_> {
        OutputRows { values: self.buffer.output(), stride: self.stride, batch: self.batch }
    }

    /// The numbers of a source of terms: array, which row, first column, offset, stride.
    fn source(&self, array: u32, by: By, first: u32, offset: usize) -> [u32; 3] {
        [array + 4 * by as u32 + 16 * first, offset as u32, self.stride as u32]
    }

    /// Fails unless every row is what the formula gives for its number, and nothing else was written.
    #[track_caller]
    fn check(&self, what: &str, formula: impl Fn(usize) -> Vec<f64>) {
        // Differences that should be 0 are rounding.
        let tolerance = |_, largest| if largest < 1e-9 { 1e-6 } else { TOLERANCE * largest };
        self.check_within(what, tolerance, formula);
    }

    /// [`check`](Self::check), where a value may be off by a tolerance of it and the largest.
    #[track_caller]
    fn check_within(&self, what: &str, tolerance: impl Fn(f64, f64) -> f64, formula: impl Fn(usize) -> Vec<f64>) {
        let values = self.buffer.to_vec().unwrap();
        let expected: Vec<Vec<f64>> = (0..values.len() / self.stride).map(formula).collect();
        let largest = expected.iter().flatten().fold(0.0f64, |most, v| most.max(v.abs()));
        for (i, (row, expected)) in values.chunks(self.stride).zip(&expected).enumerate() {
            assert_eq!(expected.len(), self.width, "{what}");
            assert!(row[self.width..].iter().all(|&v| v == BETWEEN), "{what}: written behind row {i}");
            for (k, (&e, &g)) in expected.iter().zip(row).enumerate() {
                // A NaN must not pass.
                let off = (e - f64::from(g)).abs();
                assert!(off <= tolerance(e, largest), "{what}, row {i}, column {k}: {e} expected, {g}");
            }
        }
    }

    /// Checks a kernel that is launched to store what the formula gives, and again to add it.
    #[track_caller]
    fn check_twice(&self, what: &str, launch: impl Fn(bool) -> Result<()>, formula: impl Fn(usize) -> Vec<f64>) {
        launch(false).unwrap();
        self.check(what, &formula);
        launch(true).unwrap();
        self.check(&format!("{what}, twice"), |i| formula(i).iter().map(|v| 2.0 * v).collect());
    }
}

/// The gradient of `back . f(x)` by central differences.
fn gradient(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f64], back: &[f64]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let along = |x: &[f64]| -> f64 { f(x).iter().zip(back).map(|(v, b)| v * b).sum() };
    let beside = |i: usize, step: f64| {
        let mut x = x.to_vec();
        x[i] += step;
        along(&x)
    };
    (0..x.len()).map(|i| (beside(i, STEP) - beside(i, -STEP)) / (2.0 * STEP)).collect()
}

/// Pairs x n + y of all networks, some twice, not all elements among them.
fn numbers_of_pairs(n: usize, rows: usize) -> Vec<u32> {
    (0..BATCH * rows).map(|i| ((i * i + 3 * i) % n * n + (i * 7 + i / rows) % (n - 1)) as u32).collect()
}

/// No pairs, for rows that go by no element.
const NONE: Pairs<'_> = Pairs { n: 1, list: None, first: 0, batch: 0 };

/// The complementary error function, to the rounding of 1: erf(z) = 2 exp(-z^2) / sqrt(pi) sum of 2^k z^(2k+1) / (2k+1)!!.
fn erfc(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for k in 1..200 {
        term *= 2.0 * z * z / f64::from(2 * k + 1);
        sum += term;
    }
    1.0 - 2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum
}

/// The functions as `cuda/layers.cu` numbers them.
const FUNCTIONS: [fn(f64) -> f64; 7] = [
    |v| v,
    |v| v.max(0.0),
    |v| v * v,
    |v| v / 2.0 * erfc(-v / 2.0f64.sqrt()),
    |v| v / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh()),
    |v| v.tanh(),
    |v| v / (1.0 + (-v).exp()),
];
const SQUARE: Function = Function(2);

/// Sums of terms, none of them yet.
fn sum_terms<'a>(rows: usize, tables: &'a Padded, terms: &'a Buffer<u32>, out: &'a Padded) -> SumTerms<'a> {
    let all = tables.buffer.input();
    SumTerms {
        rows,
        width: out.width,
        pairs: NONE,
        terms: terms.input(),
        count: terms.len() / 8,
        tables: all,
        nodes: all,
        of_tables: all,
        of_nodes: all,
        batch_tables: tables.batch,
        batch_nodes: 0,
        product: false,
        scale: 1.0,
        function: Function(0),
        out: out.output(),
        add: false,
    }
}

/// The numbers of a term.
fn term(source: [u32; 3], weight: Option<[u32; 3]>, at: usize, width: usize) -> Vec<u32> {
    [source, weight.unwrap_or([u32::MAX, 0, 0])].concat().into_iter().chain([at as u32, width as u32]).collect()
}

/// An elementwise function of rows, as a sum of one term, and its gradient.
fn activate(device: &Device, number: u32, [x, back, out, to]: [&Padded; 4], add: bool) -> Result<()> {
    let (width, rows, function) = (x.width, x.batch / x.stride, Function(number));
    let whole = upload(device, &term(x.source(0, By::Row, 0, 0), None, 0, width));
    SumTerms { function, ..sum_terms(rows, x, &whole, out) }.launch_over(device, rows * width, BATCH)?;
    let (values, back, out) = (x.input(), back.input(), to.output());
    ActivationGradient { rows, width, function, values, back, out, add }.launch_over(device, rows * width, BATCH)
}

#[test]
fn activations() {
    let Some(device) = device() else { return };
    for (number, f) in FUNCTIONS.iter().enumerate() {
        for (rows, width) in [(1, 1), (3, 85), (4, 64), (5, 103)] {
            let mut values = draw(1);
            let x = Padded::new(&device, rows, width, 2, || 2.5 * values());
            let back = Padded::new(&device, rows, width, 1, draw(2));
            let (out, to) = (Padded::out(&device, rows, width, 3), Padded::out(&device, rows, width, 3));
            let launch = |add| activate(&device, number as u32, [&x, &back, &out, &to], add);
            to.check_twice(&format!("gradient of function {number}"), launch, |i| {
                let each = x.row(i).into_iter().zip(back.row(i));
                each.map(|(v, b)| gradient(|v| vec![f(v[0])], &[v], &[b])[0]).collect()
            });
            // Each relative to itself: tails are small.
            let itself = |expected: f64, _| TOLERANCE * expected.abs();
            out.check_within(&format!("function {number}"), itself, |i| x.row(i).into_iter().map(f).collect());
        }
    }
}

/// At the ends of the range: limits, no NaN.
#[test]
fn activations_of_large_values() {
    let Some(device) = device() else { return };
    let values = [-1e30f32, -200.0, -60.0, 0.0, 60.0, 200.0, 1e12];
    let mut all = values.into_iter().cycle();
    let x = Padded::new(&device, 1, 7, 0, || all.next().unwrap());
    let one = Padded::new(&device, 1, 7, 0, || 1.0);
    let small = |expected: f64, _| 1e-12 + TOLERANCE * expected.abs();
    for (number, bounded) in [(3, false), (4, false), (5, true), (6, false)] {
        let (out, to) = (Padded::out(&device, 1, 7, 0), Padded::out(&device, 1, 7, 0));
        activate(&device, number, [&x, &one, &out, &to], false).unwrap();
        let limit = |v: f32| if bounded { f64::from(v).clamp(-1.0, 1.0) } else { f64::from(v).max(0.0) };
        out.check_within(&format!("function {number}"), small, |_| values.map(limit).to_vec());
        let (middle, end) = if bounded { (1.0, 0.0) } else { (0.5, 1.0) };
        to.check(&format!("gradient of function {number}"), |_| vec![0.0, 0.0, 0.0, middle, end, end, end]);
    }
}

/// Rows of a table by the left element, weighted by a column of a node, beside a node's own rows and, in some columns, the only
/// row of a table.
#[test]
fn sums_and_products_of_terms() {
    let Some(device) = device() else { return };
    for (n, rows, width) in [(2, 1, 2), (5, 40, 33), (7, 37, 12)] {
        // The table's last row is the only one of another; a node of `width` columns lies behind one of three.
        let tables = Padded::new(&device, n + 1, width, 1, draw(1));
        let (weights, node) = (draw(2), draw(3));
        let [weights, node] = [Padded::new(&device, rows, 3, 0, weights), Padded::new(&device, rows, width, 0, node)];
        let of_network = |b: usize| [&weights, &node].map(|part| &part.values[b * part.batch..][..part.batch]).concat();
        let nodes = upload(&device, &[of_network(0), of_network(1)].concat());
        let pairs = numbers_of_pairs(n, rows);
        let list = upload(&device, &pairs);
        let (from, weight) = (width / 2, Some(weights.source(1, By::Row, 2, 0)));
        let terms = [
            term(tables.source(0, By::Left, 1, 0), weight, 0, width - 1),
            term(node.source(1, By::Row, 0, 3), None, 0, width),
            term(tables.source(0, By::One, 0, n * tables.stride), None, from, width - from),
        ];
        let terms = upload(&device, &terms.concat());
        for (product, add) in [(false, false), (true, false), (false, true)] {
            let out = Padded::out(&device, rows, width, 2);
            let sum = SumTerms {
                pairs: Pairs { n, list: Some(list.input()), first: 0, batch: rows },
                nodes: nodes.input(),
                batch_nodes: weights.batch + node.batch,
                product,
                scale: -1.5,
                function: SQUARE,
                add,
                ..sum_terms(rows, &tables, &terms, &out)
            };
            sum.launch_over(&device, rows * width, BATCH).unwrap();
            out.check(&format!("order {n}, {rows} rows of {width}, {product}, {add}"), |i| {
                let of_table = |row: usize| tables.row(i / rows * (n + 1) + row);
                let (left, only) = (of_table(pairs[i] as usize / n), of_table(n));
                let value = |k: usize| {
                    let first = (k + 1 < width).then(|| weights.row(i)[2] * left[k + 1]);
                    let parts =
                        [first, Some(node.row(i)[k]), (k >= from).then(|| only[k - from])].into_iter().flatten();
                    let all: f64 = if product { parts.product() } else { parts.sum() };
                    (-1.5 * all + if add { f64::from(BEFORE) } else { 0.0 }).powi(2)
                };
                (0..width).map(value).collect()
            });
        }
    }
}

fn mean(row: &[f64]) -> f64 {
    row.iter().sum::<f64>() / row.len() as f64
}

fn deviation(row: &[f64]) -> f64 {
    let mean = mean(row);
    (row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64 + EPS).sqrt()
}

/// A row less its mean, divided by a number, times a weight, plus a bias.
fn normalise(row: &[f64], deviation: f64, weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mean = mean(row);
    let each = row.iter().zip(weight).zip(bias);
    each.map(|((v, w), b)| (v - mean) / deviation * w + b).collect()
}

#[test]
fn layer_normalisation() {
    let Some(device) = device() else { return };
    for (rows, width) in [(1, 2), (8, 3), (3, 31), (9, 32), (11, 33), (2, 257)] {
        for (has_weight, has_bias) in [(false, false), (true, true), (true, false), (false, true)] {
            let what = |name: &str| format!("{name}: ({rows}, {width}), weight {has_weight}, bias {has_bias}");
            let mut values = draw(3);
            let x = Padded::new(&device, rows, width, 2, || values() + 1.5);
            let back = Padded::new(&device, rows, width, 3, draw(4));
            let [weights, biases] = [5, 6].map(|seed| Padded::new(&device, 1, width, 5, draw(seed)));
            let [own, of_own] = [(); 2].map(|()| Padded::out(&device, rows, 1, 1));
            let [out, to] = [(); 2].map(|()| Padded::out(&device, rows, width, 1));
            let scaled = Padded::out(&device, rows, width, 0);
            let (values, weight) = (x.input(), has_weight.then(|| weights.buffer.input()));
            let taken = Deviation { rows, width, values, eps: EPS, out: own.output() };
            taken.launch_warps(&device, rows, BATCH).unwrap();
            own.check(&what("deviation"), |i| vec![deviation(&x.row(i))]);
            let of_row = |i: usize| {
                let (v, one, zero) = (x.row(i), vec![1.0; width], vec![0.0; width]);
                let weight = if has_weight { weights.row(i / rows) } else { one };
                let own = deviation(&v);
                (v, own, weight, if has_bias { biases.row(i / rows) } else { zero })
            };
            let forward = Normalise {
                rows,
                width,
                pairs: NONE,
                values,
                by_values: By::Row,
                deviations: own.input(),
                by_deviations: By::Row,
                weight,
                bias: has_bias.then(|| biases.buffer.input()),
                batch_weight: weights.batch,
                out: out.output(),
            };
            forward.launch_warps(&device, rows, BATCH).unwrap();
            out.check(&what("values"), |i| {
                let (v, own, weight, bias) = of_row(i);
                normalise(&v, own, &weight, &bias)
            });
            let backward = NormaliseGradient {
                rows,
                width,
                pairs: NONE,
                values,
                by_values: By::Row,
                deviations: own.input(),
                by_deviations: By::Row,
                weight,
                batch_weight: weights.batch,
                back: back.input(),
                out: to.output(),
                add: false,
                of_deviations: of_own.output(),
                add_of_deviations: false,
                scaled: Some(scaled.buffer.output()),
                batch_scaled: scaled.batch,
            };
            let launch =
                |add| NormaliseGradient { add, add_of_deviations: add, ..backward }.launch_warps(&device, rows, BATCH);
            to.check_twice(&what("gradient"), launch, |i| {
                let (v, own, weight, bias) = of_row(i);
                gradient(|v| normalise(v, own, &weight, &bias), &v, &back.row(i))
            });
            of_own.check(&what("gradient of the deviation, twice"), |i| {
                let (v, own, weight, bias) = of_row(i);
                vec![2.0 * gradient(|own| normalise(&v, own[0], &weight, &bias), &[own], &back.row(i))[0]]
            });
            scaled.check(&what("gradient of the weight by this row alone"), |i| {
                let (v, own, _, bias) = of_row(i);
                gradient(|weight| normalise(&v, own, weight, &bias), &vec![1.0; width], &back.row(i))
            });
            // Through the deviation.
            let (each, through) = (Padded::new(&device, rows, 1, 0, draw(7)), Padded::out(&device, rows, width, 1));
            let (deviations, back, out) = (own.input(), each.input(), through.output());
            let launch = |add| {
                let gradient = DeviationGradient { rows, width, values, deviations, back, out, add };
                gradient.launch_warps(&device, rows, BATCH)
            };
            through.check_twice(&what("gradient through the deviation"), launch, |i| {
                gradient(|v| vec![deviation(v)], &x.row(i), &each.row(i))
            });
        }
    }
}

fn softmax(scores: &[f64], heads: usize) -> Vec<f64> {
    let sum = |h: usize| scores.iter().skip(h).step_by(heads).map(|s| s.exp()).sum::<f64>();
    scores.iter().enumerate().map(|(j, s)| s.exp() / sum(j % heads)).collect()
}

#[test]
fn attention() {
    let Some(device) = device() else { return };
    for (rows, heads, positions, width) in [(1, 1, 1, 1), (5, 1, 2, 32), (7, 3, 3, 5), (9, 4, 3, 8), (4, 2, 8, 33)] {
        let what = |name: &str| format!("{name}: {rows} rows, {heads} heads of {width}, {positions} positions");
        // Scores of a row's query with the key of its right element.
        let n = 4;
        let queries = Padded::new(&device, rows, heads * width, 1, draw(7));
        let keys = Padded::new(&device, n, heads * width, 2, draw(8));
        let scores = Padded::out(&device, rows, heads, 1);
        let pairs = numbers_of_pairs(n, rows);
        let list = upload(&device, &pairs);
        let products = HeadProducts {
            rows,
            heads,
            width,
            pairs: Pairs { n, list: Some(list.input()), first: 0, batch: rows },
            a: queries.input(),
            by_a: By::Row,
            b: keys.input(),
            by_b: By::Right,
            scale: 0.7,
            out: scores.output(),
            add: false,
        };
        let launch = |add| HeadProducts { add, ..products }.launch_warps(&device, rows * heads, BATCH);
        scores.check_twice(&what("scores"), launch, |i| {
            let (query, key) = (queries.row(i), keys.row(i / rows * n + pairs[i] as usize % n));
            let each: Vec<f64> = query.iter().zip(&key).map(|(q, k)| 0.7 * q * k).collect();
            each.chunks(width).map(|head| head.iter().sum()).collect()
        });

        // The softmax over positions, and back.
        let [x, back] = [9, 10].map(|seed| Padded::new(&device, rows, positions * heads, 1, draw(seed)));
        let [weights, to] = [(); 2].map(|()| Padded::out(&device, rows, positions * heads, 1));
        let forward = Softmax { rows, heads, positions, values: x.input(), out: weights.output() };
        forward.launch_over(&device, rows * heads, BATCH).unwrap();
        weights.check(&what("weights"), |i| softmax(&x.row(i), heads));
        let (weights, of_weights, out) = (weights.input(), back.input(), to.output());
        let launch = |add| {
            let gradient = SoftmaxGradient { rows, heads, positions, weights, back: of_weights, out, add };
            gradient.launch_over(&device, rows * heads, BATCH)
        };
        to.check_twice(&what("gradient of the weights"), launch, |i| {
            gradient(|v| softmax(v, heads), &x.row(i), &back.row(i))
        });
    }
}

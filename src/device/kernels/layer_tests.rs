//! The kernels of `layers.cu`, and sums of rows by element, against the formulas in `f64`; gradients against finite differences
//! of these.
//!
//! The tests run on device 0 where there is one, and are skipped visibly elsewhere; with `IRREPLENS_REQUIRE_DEVICE` set, no device
//! is a failure.

use super::argument::{By, Function};
use super::declarations::{ActivationGradient, SumRows, SumTerms};
use crate::device::{Buffer, Device};
use std::io::Write;

/// Largest difference from the formula, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

/// What outputs hold before a launch: it must be left between the rows of one with a stride.
const UNTOUCHED: f32 = -77.0;

pub(super) fn device() -> Option<Device> {
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
pub(super) fn draw(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..count).map(|_| next()).collect()
}

pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

pub(super) fn upload<T: crate::device::buffer::Plain>(device: &Device, values: &[T]) -> Buffer<T> {
    Buffer::from_slice(device, "test", values).unwrap()
}

/// An output of so many rows, `stride` apart.
pub(super) fn room(device: &Device, rows: usize, stride: usize) -> Buffer<f32> {
    upload(device, &vec![UNTOUCHED; rows * stride])
}

/// The first `width` values of every row; the others must be as they were.
#[track_caller]
pub(super) fn rows_of(buffer: &Buffer<f32>, width: usize, stride: usize) -> Vec<f32> {
    let values = buffer.to_vec().unwrap();
    let rows = values.chunks(stride.max(1));
    assert!(rows.clone().all(|row| row[width..].iter().all(|&v| v == UNTOUCHED)), "written between the rows");
    rows.flat_map(|row| row[..width].to_vec()).collect()
}

#[track_caller]
pub(super) fn assert_close(what: &str, expected: &[f64], got: &[f32]) {
    assert_eq!(expected.len(), got.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    for (i, (e, g)) in expected.iter().zip(wide(got)).enumerate() {
        // A NaN must not pass.
        assert!((e - g).abs() <= TOLERANCE * largest, "{what}, value {i}: {e} expected, {g}");
    }
}

/// The gradient of `back . f(x)` by central differences.
pub(super) fn gradient(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f64], back: &[f64]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let along = |x: &[f64]| -> f64 { f(x).iter().zip(back).map(|(v, b)| v * b).sum() };
    let beside = |i: usize, step: f64| {
        let mut x = x.to_vec();
        x[i] += step;
        along(&x)
    };
    (0..x.len()).map(|i| (beside(i, STEP) - beside(i, -STEP)) / (2.0 * STEP)).collect()
}

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
const IDENTITY: Function = Function(0);
const RELU: Function = Function(1);
const SQUARE: Function = Function(2);
const GELU: Function = Function(3);
const GELU_TANH: Function = Function(4);
const TANH: Function = Function(5);
const SILU: Function = Function(6);
const ALL: [Function; 7] = [IDENTITY, RELU, SQUARE, GELU, GELU_TANH, TANH, SILU];

fn activate(function: Function, v: f64) -> f64 {
    match function {
        IDENTITY => v,
        RELU => v.max(0.0),
        SQUARE => v * v,
        GELU => v / 2.0 * erfc(-v / 2.0f64.sqrt()),
        GELU_TANH => v / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh()),
        TANH => v.tanh(),
        SILU => v / (1.0 + (-v).exp()),
        Function(other) => panic!("no function has number {other}"),
    }
}

/// A sum of one term, the whole of `values`, and `function` of it: what an activation is.
fn activation<'a>(
    rows: usize,
    width: usize,
    function: Function,
    values: &'a Buffer<f32>,
    term: &'a Buffer<u32>,
    (out, stride_out): (&'a Buffer<f32>, usize),
) -> SumTerms<'a> {
    SumTerms {
        rows,
        width,
        n: 1,
        pairs: None,
        first: 0,
        batch_pairs: 0,
        terms: term.input(),
        count: 1,
        tables: values.input(),
        nodes: values.input(),
        of_tables: values.input(),
        of_nodes: values.input(),
        batch_tables: 0,
        batch_nodes: 0,
        product: false,
        scale: 1.0,
        function,
        out: out.output(),
        stride: stride_out,
        batch_out: 0,
        add: false,
    }
}

/// The numbers of a source: which array, which row, first column, offset, stride.
fn source(array: u32, by: By, first: usize, offset: usize, stride: usize) -> [u32; 3] {
    [array + 4 * by as u32 + 16 * first as u32, offset as u32, stride as u32]
}

/// The numbers of a term.
fn term(values: [u32; 3], weight: Option<[u32; 3]>, at: usize, width: usize) -> Vec<u32> {
    let weight = weight.unwrap_or([u32::MAX, 0, 0]);
    [&values[..], &weight, &[at as u32, width as u32]].concat()
}

#[test]
fn activations() {
    let Some(device) = device() else { return };
    for function in ALL {
        for (rows, width) in [(1, 1), (3, 85), (4, 64), (5, 103)] {
            let (stride_values, stride_back, stride_out) = (width + 2, width + 1, width + 3);
            let values: Vec<f32> = draw(rows * stride_values, 1).into_iter().map(|v| 2.5 * v).collect();
            let back = draw(rows * stride_back, 2);
            let (x, b) = (upload(&device, &values), upload(&device, &back));
            let [out, slope] = [(); 2].map(|()| room(&device, rows, stride_out));
            let whole = upload(&device, &term(source(0, By::Row, 0, 0, stride_values), None, 0, width));
            let forward = activation(rows, width, function, &x, &whole, (&out, stride_out));
            forward.launch_over(&device, rows * width, 1).unwrap();
            let backward = ActivationGradient {
                rows,
                width,
                function,
                values: x.input(),
                stride_values,
                batch_values: 0,
                back: b.input(),
                stride_back,
                batch_back: 0,
                out: slope.output(),
                stride_out,
                batch_out: 0,
                add: false,
            };
            backward.launch_over(&device, rows * width, 1).unwrap();
            let rows_of_both = values.chunks(stride_values).zip(back.chunks(stride_back));
            let pairs: Vec<(f64, f64)> = rows_of_both
                .flat_map(|(v, b)| wide(&v[..width]).into_iter().zip(wide(&b[..width])).collect::<Vec<_>>())
                .collect();
            for ((v, _), got) in pairs.iter().zip(&rows_of(&out, width, stride_out)) {
                // Each by itself: tails are small.
                assert_close(&format!("{function:?} of {v}"), &[activate(function, *v)], &[*got]);
            }
            let slopes: Vec<f64> =
                pairs.iter().map(|&(v, b)| gradient(|v| vec![activate(function, v[0])], &[v], &[b])[0]).collect();
            assert_close(&format!("gradient of {function:?}"), &slopes, &rows_of(&slope, width, stride_out));
            // Once more, on top of what is there.
            ActivationGradient { add: true, ..backward }.launch_over(&device, rows * width, 1).unwrap();
            let twice: Vec<f64> = slopes.iter().map(|slope| 2.0 * slope).collect();
            assert_close(&format!("twice that of {function:?}"), &twice, &rows_of(&slope, width, stride_out));
        }
    }
}

/// At the ends of the range: limits, no NaN.
#[test]
fn activations_of_large_values() {
    let Some(device) = device() else { return };
    let values = [-1e30f32, -200.0, -60.0, 0.0, 60.0, 200.0, 1e12];
    let x = upload(&device, &values);
    for function in [GELU, GELU_TANH, TANH, SILU] {
        let [out, slope] = [(); 2].map(|()| room(&device, 1, 7));
        let (one, seven) = (upload(&device, &[1.0f32; 7]), 7);
        let whole = upload(&device, &term(source(0, By::Row, 0, 0, seven), None, 0, seven));
        activation(1, 7, function, &x, &whole, (&out, seven)).launch_over(&device, 7, 1).unwrap();
        let backward = ActivationGradient {
            rows: 1,
            width: 7,
            function,
            values: x.input(),
            stride_values: seven,
            batch_values: 0,
            back: one.input(),
            stride_back: seven,
            batch_back: 0,
            out: slope.output(),
            stride_out: seven,
            batch_out: 0,
            add: false,
        };
        backward.launch_over(&device, 7, 1).unwrap();
        let bounded = function == TANH;
        let (below, above) = if bounded { (-1.0, [1.0; 3]) } else { (0.0, [60.0, 200.0, 1e12]) };
        let expected = [below, below, below, 0.0, above[0], above[1], above[2]].map(f64::from);
        for (e, g) in expected.iter().zip(out.to_vec().unwrap()) {
            assert!((e - f64::from(g)).abs() <= 1e-12 + TOLERANCE * e.abs(), "{function:?}: {e} expected, {g}");
        }
        let (middle, end) = if bounded { (1.0, 0.0) } else { (0.5, 1.0) };
        assert_close(&format!("{function:?}"), &[0.0, 0.0, 0.0, middle, end, end, end], &slope.to_vec().unwrap());
    }
}

/// Two networks side by side: rows of a table by the left element, weighted by a column of a node, beside a node's own rows
/// and, in some columns, the only row of a table.
#[test]
fn sums_and_products_of_terms() {
    let Some(device) = device() else { return };
    let batch = 2;
    for (n, rows, width) in [(2, 1, 2), (5, 40, 33), (7, 37, 12)] {
        let what = format!("order {n}, {rows} rows of {width}");
        // Tables: (n, width + 1), then a row; nodes: one of 3 columns, then one of `width`.
        let (stride, one) = (width + 1, n * (width + 1));
        let (batch_tables, batch_nodes) = (one + width, rows * (3 + width));
        let (tables, nodes) = (draw(batch * batch_tables, 1), draw(batch * batch_nodes, 2));
        let pairs = pairs(n, rows);
        let (list, t, v) = (upload(&device, &pairs), upload(&device, &tables), upload(&device, &nodes));
        let (from, of_one) = (width / 2, width - width / 2);
        let table = source(0, By::Left, 1, 0, stride);
        let terms = [
            term(table, Some(source(1, By::Row, 2, 0, 3)), 0, width),
            term(source(1, By::Row, 0, 3, width), None, 0, width),
            term(source(0, By::One, 0, one, width), None, from, of_one),
        ];
        let terms = upload(&device, &terms.concat());
        for (product, add) in [(false, false), (true, false), (false, true)] {
            let stride_out = width + 2;
            let mut before = vec![UNTOUCHED; batch * rows * stride_out];
            before.chunks_mut(stride_out).for_each(|row| row[..width].fill(0.5));
            let out = upload(&device, &before);
            let sum = SumTerms {
                rows,
                width,
                n,
                pairs: Some(list.input()),
                first: 0,
                batch_pairs: rows,
                terms: terms.input(),
                count: 3,
                tables: t.input(),
                nodes: v.input(),
                of_tables: t.input(),
                of_nodes: v.input(),
                batch_tables,
                batch_nodes,
                product,
                scale: -1.5,
                function: SQUARE,
                out: out.output(),
                stride: stride_out,
                batch_out: rows * stride_out,
                add,
            };
            sum.launch_over(&device, rows * width, batch).unwrap();
            let mut expected = Vec::new();
            for b in 0..batch {
                let (tables, nodes) = (wide(&tables[b * batch_tables..]), wide(&nodes[b * batch_nodes..]));
                for i in 0..rows {
                    let x = pairs[b * rows + i] as usize / n;
                    for k in 0..width {
                        let first = nodes[3 * i + 2] * tables[x * stride + 1 + k];
                        let second = nodes[3 * rows + i * width + k];
                        let third = (k >= from).then(|| tables[one + k - from]);
                        let all = match product {
                            true => first * second * third.unwrap_or(1.0),
                            false => first + second + third.unwrap_or(0.0),
                        };
                        expected.push((-1.5 * all + if add { 0.5 } else { 0.0 }).powi(2));
                    }
                }
            }
            assert_close(&format!("{what}, {product}, {add}"), &expected, &rows_of(&out, width, stride_out));
        }
    }
}

/// Pairs x n + y of a batch of two, some twice, not all elements among them.
pub(super) fn pairs(n: usize, rows: usize) -> Vec<u32> {
    (0..2 * rows).map(|i| ((i * i + 3 * i) % n * n + (i * 7 + i / rows) % (n - 1)) as u32).collect()
}

/// The rows of every element summed up, weighted or not: the gradient of rows of a table; and all rows.
#[test]
fn sums_of_the_rows_of_elements() {
    let Some(device) = device() else { return };
    let batch = 2;
    for (n, rows, width) in [(2, 1, 1), (5, 40, 33), (6, 19, 12), (7, 300, 32)] {
        for (side, weighted, add) in [(0, false, false), (1, true, false), (0, true, true)] {
            let what = format!("order {n}, {rows} rows of {width}, side {side}, {weighted}, {add}");
            let (stride, stride_out, stride_weights) = (width + 2, width + 1, 3);
            let (batch_out, batch_weights) = (n * stride_out, rows * stride_weights);
            let pairs = pairs(n, rows);
            let elements: Vec<usize> =
                pairs.iter().map(|&pair| if side == 0 { pair as usize / n } else { pair as usize % n }).collect();
            let (values, weights) = (draw(batch * rows * stride, 12), draw(batch * batch_weights, 13));
            let (v, w) = (upload(&device, &values), upload(&device, &weights));
            // Rows by element, each batch for itself.
            let (mut order, mut starts) = (Vec::new(), Vec::new());
            for elements in elements.chunks(rows) {
                let first = order.len();
                for element in 0..n {
                    starts.push((order.len() - first) as u32);
                    order.extend((0..rows as u32).filter(|&row| elements[row as usize] == element));
                }
                starts.push(rows as u32);
            }
            let (order, starts) = (upload(&device, &order), upload(&device, &starts));
            let start = if add { 0.5 } else { 0.0 };
            let before = || {
                let mut values = vec![UNTOUCHED; batch * batch_out];
                values.chunks_mut(stride_out).for_each(|row| row[..width].fill(0.5));
                upload(&device, &values)
            };
            let (sums, all) = (before(), before());
            let scatter = SumRows {
                rows,
                width,
                values: v.input(),
                stride,
                batch_values: rows * stride,
                order: Some(order.input()),
                batch_order: rows,
                starts: Some(starts.input()),
                batch_starts: n + 1,
                weights: weighted.then(|| w.input_from(1)),
                stride_weights,
                batch_weights,
                out: sums.output(),
                stride_out,
                batch_out,
                add,
            };
            scatter.launch(&device, [width.div_ceil(32), n, batch]).unwrap();
            // All rows, whatever their element.
            let whole = SumRows { order: None, starts: None, out: all.output(), ..scatter };
            whole.launch(&device, [width.div_ceil(32), 1, batch]).unwrap();
            let (mut expected, mut expected_all) = (vec![start; batch * n * width], vec![start; batch * width]);
            for (row, element) in elements.iter().enumerate() {
                let (b, i) = (row / rows, row % rows);
                let weight =
                    if weighted { f64::from(weights[b * batch_weights + i * stride_weights + 1]) } else { 1.0 };
                for k in 0..width {
                    let v = weight * f64::from(values[row * stride + k]);
                    expected[(b * n + element) * width + k] += v;
                    expected_all[b * width + k] += v;
                }
            }
            assert_close(&what, &expected, &rows_of(&sums, width, stride_out));
            let got: Vec<f32> =
                rows_of(&all, width, stride_out).chunks(n * width).flat_map(|b| b[..width].to_vec()).collect();
            assert_close(&format!("{what}, all rows"), &expected_all, &got);
        }
    }
}

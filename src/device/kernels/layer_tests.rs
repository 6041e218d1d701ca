//! The kernels of `layers.cu`, and sums of rows by element, against the formulas in `f64`; gradients against finite differences
//! of these.
//!
//! The tests run on device 0 where there is one, and are skipped visibly elsewhere; with `IRREPLENS_REQUIRE_DEVICE` set, no device
//! is a failure.

use super::argument::{Activation, By};
use super::declarations::{
    ActivationGradient, Deviation, DeviationGradient, HeadProducts, Normalise, NormaliseGradient, Softmax,
    SoftmaxGradient, SumRows, SumTerms,
};
use crate::device::{Buffer, Device};
use std::io::Write;

/// Largest difference from the formula, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

/// What outputs hold before a launch: it must be left between the rows of one with a stride.
const UNTOUCHED: f32 = -77.0;

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
fn draw(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..count).map(|_| next()).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn upload<T: crate::device::buffer::Plain>(device: &Device, values: &[T]) -> Buffer<T> {
    Buffer::from_slice(device, "test", values).unwrap()
}

/// An output of so many rows, `stride` apart.
fn room(device: &Device, rows: usize, stride: usize) -> Buffer<f32> {
    upload(device, &vec![UNTOUCHED; rows * stride])
}

/// The first `width` values of every row; the others must be as they were.
#[track_caller]
fn rows_of(buffer: &Buffer<f32>, width: usize, stride: usize) -> Vec<f32> {
    let values = buffer.to_vec().unwrap();
    let rows = values.chunks(stride.max(1));
    assert!(rows.clone().all(|row| row[width..].iter().all(|&v| v == UNTOUCHED)), "written between the rows");
    rows.flat_map(|row| row[..width].to_vec()).collect()
}

#[track_caller]
fn assert_close(what: &str, expected: &[f64], got: &[f32]) {
    assert_eq!(expected.len(), got.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    for (i, (e, g)) in expected.iter().zip(wide(got)).enumerate() {
        // A NaN must not pass.
        assert!((e - g).abs() <= TOLERANCE * largest, "{what}, value {i}: {e} expected, {g}");
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

/// The complementary error function, to the rounding of 1: erf(z) = 2 exp(-z^2) / sqrt(pi) sum of 2^k z^(2k+1) / (2k+1)!!.
fn erfc(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for k in 1..200 {
        term *= 2.0 * z * z / f64::from(2 * k + 1);
        sum += term;
    }
    1.0 - 2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum
}

const ALL: [Activation; 7] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Square,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Tanh,
    Activation::Silu,
];

fn activate(function: Activation, v: f64) -> f64 {
    match function {
        Activation::Identity => v,
        Activation::Relu => v.max(0.0),
        Activation::Square => v * v,
        Activation::Gelu => v / 2.0 * erfc(-v / 2.0f64.sqrt()),
        Activation::GeluTanh => {
            v / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh())
        }
        Activation::Tanh => v.tanh(),
        Activation::Silu => v / (1.0 + (-v).exp()),
    }
}

/// A sum of one term, the whole of `values`, and `function` of it: what an activation is.
fn activation<'a>(
    rows: usize,
    width: usize,
    function: Activation,
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
    for function in [Activation::Gelu, Activation::GeluTanh, Activation::Tanh, Activation::Silu] {
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
        let bounded = function == Activation::Tanh;
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
                function: Activation::Square,
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

const EPS: f64 = 1e-2;

fn deviation(row: &[f64]) -> f64 {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    (row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64 + EPS).sqrt()
}

/// A row less its mean, divided by a number, times a weight, plus a bias.
fn normalise(row: &[f64], deviation: f64, weight: Option<&[f64]>, bias: Option<&[f64]>) -> Vec<f64> {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    let value =
        |(k, v): (usize, &f64)| (v - mean) / deviation * weight.map_or(1.0, |w| w[k]) + bias.map_or(0.0, |b| b[k]);
    row.iter().enumerate().map(value).collect()
}

#[test]
fn layer_normalisation() {
    let Some(device) = device() else { return };
    // Two networks side by side.
    let batch = 2;
    for (rows, width) in [(1, 2), (8, 3), (3, 31), (9, 32), (11, 33), (2, 257)] {
        for (has_weight, has_bias) in [(false, false), (true, true), (true, false), (false, true)] {
            let what = format!("({rows}, {width}), weight {has_weight}, bias {has_bias}");
            let (all, stride, stride_out, batch_weight) = (batch * rows, width + 2, width + 1, width + 5);
            let values: Vec<f32> = draw(all * stride, 3).into_iter().map(|v| v + 1.5).collect();
            let back = draw(all * stride, 4);
            let (weights, biases) = (draw(batch * batch_weight, 5), draw(batch * batch_weight, 6));
            let [x, b, w, bias] = [&values, &back, &weights, &biases].map(|values| upload(&device, values));
            let [out, slope, of_deviated] = [(); 3].map(|()| room(&device, all, stride_out));
            let [deviations, of_deviations] = [(); 2].map(|()| room(&device, all, 2));
            let scaled = room(&device, all, width);
            let blocks = [rows.div_ceil(8), batch, 1];
            let (stride_values, batch_values) = (stride, rows * stride);
            let taken = Deviation {
                rows,
                width,
                values: x.input(),
                stride_values,
                batch_values,
                eps: EPS,
                out: deviations.output(),
                stride_out: 2,
                batch_out: 2 * rows,
            };
            taken.launch(&device, blocks).unwrap();
            let weight = has_weight.then(|| w.input());
            let forward = Normalise {
                rows,
                width,
                n: 1,
                pairs: None,
                first: 0,
                batch_pairs: 0,
                values: x.input(),
                stride_values,
                batch_values,
                by_values: By::Row,
                deviations: deviations.input(),
                stride_deviations: 2,
                batch_deviations: 2 * rows,
                by_deviations: By::Row,
                weight,
                bias: has_bias.then(|| bias.input()),
                batch_weight,
                out: out.output(),
                stride_out,
                batch_out: rows * stride_out,
            };
            forward.launch(&device, blocks).unwrap();
            let backward = NormaliseGradient {
                rows,
                width,
                n: 1,
                pairs: None,
                first: 0,
                batch_pairs: 0,
                values: x.input(),
                stride_values,
                batch_values,
                by_values: By::Row,
                deviations: deviations.input(),
                stride_deviations: 2,
                batch_deviations: 2 * rows,
                by_deviations: By::Row,
                weight,
                batch_weight,
                back: b.input(),
                stride_back: stride,
                batch_back: rows * stride,
                out: slope.output(),
                stride_out,
                batch_out: rows * stride_out,
                add: false,
                of_deviations: of_deviations.output(),
                stride_of_deviations: 2,
                batch_of_deviations: 2 * rows,
                add_of_deviations: false,
                scaled: Some(scaled.output()),
                batch_scaled: rows * width,
            };
            backward.launch(&device, blocks).unwrap();
            // The gradient of the deviations, taken back by a gradient of 1.5 each.
            let each = upload(&device, &vec![1.5f32; all]);
            let of_values = DeviationGradient {
                rows,
                width,
                values: x.input(),
                stride_values,
                batch_values,
                deviations: deviations.input(),
                stride_deviations: 2,
                batch_deviations: 2 * rows,
                back: each.input(),
                stride_back: 1,
                batch_back: rows,
                out: of_deviated.output(),
                stride_out,
                batch_out: rows * stride_out,
                add: false,
            };
            of_values.launch(&device, blocks).unwrap();
            let mut expected = <[Vec<f64>; 6]>::default();
            for (row, (v, b)) in values.chunks(stride).zip(back.chunks(stride)).enumerate() {
                let (v, b, at) = (wide(&v[..width]), wide(&b[..width]), row / rows * batch_weight);
                let (weight, bias) = (wide(&weights[at..at + width]), wide(&biases[at..at + width]));
                let (weight, bias) = (has_weight.then_some(&weight[..]), has_bias.then_some(&bias[..]));
                let own = deviation(&v);
                let of_row = [
                    vec![own],
                    normalise(&v, own, weight, bias),
                    gradient(|v| normalise(v, own, weight, bias), &v, &b),
                    gradient(|own| normalise(&v, own[0], weight, bias), &[own], &b),
                    // Of the weight of this row alone.
                    gradient(|weight| normalise(&v, own, Some(weight), bias), &vec![1.0; width], &b),
                    gradient(|v| vec![deviation(v)], &v, &[1.5]),
                ];
                expected.iter_mut().zip(of_row).for_each(|(all, of_row)| all.extend(of_row));
            }
            let got = [
                rows_of(&deviations, 1, 2),
                rows_of(&out, width, stride_out),
                rows_of(&slope, width, stride_out),
                rows_of(&of_deviations, 1, 2),
                scaled.to_vec().unwrap(),
                rows_of(&of_deviated, width, stride_out),
            ];
            let names =
                ["deviation", "value", "gradient", "of the deviation", "of the weight", "through the deviation"];
            for (name, (expected, got)) in names.into_iter().zip(expected.iter().zip(&got)) {
                assert_close(&format!("{what}, {name}"), expected, got);
            }
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
    let batch = 2;
    for (rows, heads, positions, width) in [(1, 1, 1, 1), (5, 1, 2, 32), (7, 3, 3, 5), (9, 4, 3, 8), (4, 2, 8, 33)] {
        let what = format!("{rows} rows, {heads} heads of {width}, {positions} positions");
        // Scores of a row's query with the key of its right element.
        let n = 4;
        let (stride_a, stride_b) = (heads * width + 1, heads * width + 2);
        let (batch_a, batch_b) = (rows * stride_a, n * stride_b);
        let (queries, keys) = (draw(batch * batch_a, 7), draw(batch * batch_b, 8));
        let pairs = pairs(n, rows);
        let (a, b, list) = (upload(&device, &queries), upload(&device, &keys), upload(&device, &pairs));
        let scores = room(&device, batch * rows, heads + 1);
        let products = HeadProducts {
            rows,
            heads,
            width,
            n,
            pairs: Some(list.input()),
            first: 0,
            batch_pairs: rows,
            a: a.input(),
            stride_a,
            batch_a,
            by_a: By::Row,
            b: b.input(),
            stride_b,
            batch_b,
            by_b: By::Right,
            scale: 0.7,
            out: scores.output(),
            stride_out: heads + 1,
            batch_out: rows * (heads + 1),
            add: false,
        };
        products.launch(&device, [(rows * heads).div_ceil(8), batch, 1]).unwrap();
        let mut expected = Vec::new();
        for (row, pair) in pairs.iter().enumerate() {
            let (q, y) = (&queries[row * stride_a..], *pair as usize % n);
            let key = &keys[row / rows * batch_b + y * stride_b..];
            let head =
                |h: usize| (h * width..(h + 1) * width).map(|k| f64::from(q[k]) * f64::from(key[k])).sum::<f64>();
            expected.extend((0..heads).map(|h| 0.7 * head(h)));
        }
        assert_differences(&format!("{what}, scores"), &expected, &rows_of(&scores, heads, heads + 1));

        // The softmax over positions, and back.
        let (all, stride) = (positions * heads, positions * heads + 1);
        let (values, back) = (draw(batch * rows * stride, 9), draw(batch * rows * stride, 10));
        let (x, g) = (upload(&device, &values), upload(&device, &back));
        let [out, slope] = [(); 2].map(|()| room(&device, batch * rows, stride));
        let forward = Softmax {
            rows,
            heads,
            positions,
            values: x.input(),
            stride_values: stride,
            batch_values: rows * stride,
            out: out.output(),
            stride_out: stride,
            batch_out: rows * stride,
        };
        forward.launch_over(&device, rows * heads, batch).unwrap();
        let backward = SoftmaxGradient {
            rows,
            heads,
            positions,
            weights: out.input(),
            stride_weights: stride,
            batch_weights: rows * stride,
            back: g.input(),
            stride_back: stride,
            batch_back: rows * stride,
            out: slope.output(),
            stride_out: stride,
            batch_out: rows * stride,
            add: false,
        };
        backward.launch_over(&device, rows * heads, batch).unwrap();
        let (mut expected, mut slopes) = (Vec::new(), Vec::new());
        for (v, b) in values.chunks(stride).zip(back.chunks(stride)) {
            let (v, b) = (wide(&v[..all]), wide(&b[..all]));
            expected.extend(softmax(&v, heads));
            slopes.extend(gradient(|v| softmax(v, heads), &v, &b));
        }
        assert_differences(&format!("{what}, weights"), &expected, &rows_of(&out, all, stride));
        assert_differences(&format!("{what}, their gradient"), &slopes, &rows_of(&slope, all, stride));
    }
}

/// Fails where numbers differ by more than the tolerance of the largest or, where they are 0 but for the rounding of finite
/// differences, by more than rounding.
#[track_caller]
fn assert_differences(what: &str, expected: &[f64], got: &[f32]) {
    if expected.iter().all(|e| e.abs() < 1e-9) {
        assert!(got.iter().all(|g| g.abs() < 1e-6), "{what}: 0 expected, {got:?}");
    } else {
        assert_close(what, expected, got);
    }
}

/// Pairs x n + y of a batch of two, some twice, not all elements among them.
fn pairs(n: usize, rows: usize) -> Vec<u32> {
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

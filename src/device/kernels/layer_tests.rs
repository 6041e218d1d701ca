//! The kernels of `layers.cu`, gathers and sums by element against the formulas in `f64`; gradients against finite
//! differences of these.
//!
//! The tests run on device 0 where there is one, and are skipped visibly elsewhere; with `IRREPLENS_REQUIRE_DEVICE` set, no device
//! is a failure.

use super::argument::Activation;
use super::declarations::{
    ActivationGradient, ApplyActivation, GatherRows, HeadOuter, HeadProducts, HeadSums, LayerNorm, LayerNormGradient,
    Softmax, SoftmaxGradient, SumRows,
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

#[test]
fn activations() {
    let Some(device) = device() else { return };
    for function in [
        Activation::Identity,
        Activation::Relu,
        Activation::Square,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Tanh,
        Activation::Silu,
    ] {
        for (rows, width) in [(1, 1), (3, 85), (4, 64), (5, 103)] {
            let (stride_values, stride_back, stride_out) = (width + 2, width + 1, width + 3);
            let values: Vec<f32> = draw(rows * stride_values, 1).into_iter().map(|v| 2.5 * v).collect();
            let back = draw(rows * stride_back, 2);
            let (x, b) = (upload(&device, &values), upload(&device, &back));
            let [out, slope] = [(); 2].map(|()| room(&device, rows, stride_out));
            let forward = ApplyActivation {
                rows,
                width,
                function,
                values: x.input(),
                stride_values,
                out: out.output(),
                stride_out,
            };
            forward.launch_over(&device, rows * width, 1).unwrap();
            let backward = ActivationGradient {
                rows,
                width,
                function,
                values: x.input(),
                stride_values,
                back: b.input(),
                stride_back,
                out: slope.output(),
                stride_out,
            };
            backward.launch_over(&device, rows * width, 1).unwrap();
            let rows = values.chunks(stride_values).zip(back.chunks(stride_back));
            let pairs: Vec<(f64, f64)> = rows
                .flat_map(|(v, b)| wide(&v[..width]).into_iter().zip(wide(&b[..width])).collect::<Vec<_>>())
                .collect();
            let out = rows_of(&out, width, stride_out);
            for ((v, _), got) in pairs.iter().zip(&out) {
                // Each by itself: tails are small.
                assert_close(&format!("{function:?} of {v}"), &[activate(function, *v)], &[*got]);
            }
            let slopes: Vec<f64> =
                pairs.iter().map(|&(v, b)| gradient(|v| vec![activate(function, v[0])], &[v], &[b])[0]).collect();
            assert_close(&format!("gradient of {function:?}"), &slopes, &rows_of(&slope, width, stride_out));
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
        let forward = ApplyActivation {
            rows: 1,
            width: 7,
            function,
            values: x.input(),
            stride_values: seven,
            out: out.output(),
            stride_out: seven,
        };
        forward.launch_over(&device, 7, 1).unwrap();
        let backward = ActivationGradient {
            rows: 1,
            width: 7,
            function,
            values: x.input(),
            stride_values: seven,
            back: one.input(),
            stride_back: seven,
            out: slope.output(),
            stride_out: seven,
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

const EPS: f32 = 1e-2;

/// A row normalised, times a weight, plus a bias.
fn normalise(row: &[f64], weight: Option<&[f64]>, bias: Option<&[f64]>) -> Vec<f64> {
    let width = row.len() as f64;
    let mean = row.iter().sum::<f64>() / width;
    let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width;
    let scale = 1.0 / (variance + f64::from(EPS)).sqrt();
    let value = |(k, v): (usize, &f64)| (v - mean) * scale * weight.map_or(1.0, |w| w[k]) + bias.map_or(0.0, |b| b[k]);
    row.iter().enumerate().map(value).collect()
}

#[test]
fn layer_normalisation() {
    let Some(device) = device() else { return };
    // Two networks side by side, their rows one after the other.
    let batch = 2;
    for (rows, width) in [(1, 1), (8, 2), (3, 31), (9, 32), (11, 33), (2, 257)] {
        for (has_weight, has_bias) in [(false, false), (true, true), (true, false), (false, true)] {
            let what = format!("({rows}, {width}), weight {has_weight}, bias {has_bias}");
            let (all, stride, stride_out, batch_weight) = (batch * rows, width + 2, width + 1, width + 5);
            let values: Vec<f32> = draw(all * stride, 3).into_iter().map(|v| v + 1.5).collect();
            let back = draw(all * stride, 4);
            let (weights, biases) = (draw(batch * batch_weight, 5), draw(batch * batch_weight, 6));
            let [x, b, w, bias] = [&values, &back, &weights, &biases].map(|values| upload(&device, values));
            let [out, slope] = [(); 2].map(|()| room(&device, all, stride_out));
            let (statistics, scaled) = (room(&device, all, 2), room(&device, all, width));
            let weight = has_weight.then(|| w.input());
            let forward = LayerNorm {
                rows,
                width,
                values: x.input(),
                stride_values: stride,
                eps: EPS,
                weight,
                bias: has_bias.then(|| bias.input()),
                batch_weight,
                out: out.output(),
                stride_out,
                statistics: Some(statistics.output()),
            };
            forward.launch(&device, [rows.div_ceil(8), batch, 1]).unwrap();
            let backward = LayerNormGradient {
                rows,
                width,
                values: x.input(),
                stride_values: stride,
                statistics: statistics.input(),
                weight,
                batch_weight,
                back: b.input(),
                stride_back: stride,
                out: slope.output(),
                stride_out,
                scaled: Some(scaled.output()),
            };
            backward.launch(&device, [rows.div_ceil(8), batch, 1]).unwrap();
            let (mut expected, mut slopes, mut products) = (Vec::new(), Vec::new(), Vec::new());
            for (row, (v, b)) in values.chunks(stride).zip(back.chunks(stride)).enumerate() {
                let (v, b, at) = (wide(&v[..width]), wide(&b[..width]), row / rows * batch_weight);
                let (weight, bias) = (wide(&weights[at..at + width]), wide(&biases[at..at + width]));
                let (weight, bias) = (has_weight.then_some(&weight[..]), has_bias.then_some(&bias[..]));
                expected.extend(normalise(&v, weight, bias));
                slopes.extend(gradient(|v| normalise(v, weight, bias), &v, &b));
                // Of the weight of this row alone.
                products.extend(gradient(|weight| normalise(&v, Some(weight), bias), &vec![1.0; width], &b));
            }
            assert_close(&what, &expected, &rows_of(&out, width, stride_out));
            assert_close(&format!("{what}, gradient"), &slopes, &rows_of(&slope, width, stride_out));
            assert_close(&format!("{what}, gradient of the weight"), &products, &scaled.to_vec().unwrap());
        }
    }
}

/// Sizes of attention from one query.
#[derive(Clone, Copy, Debug)]
struct Attention {
    heads: usize,
    positions: usize,
    width: usize,
    /// Bit p: position p may be looked at.
    allowed: u32,
}

impl Attention {
    /// Width of a row of queries, and of one position's keys.
    fn row(self) -> usize {
        self.heads * self.width
    }

    fn scale(self) -> f64 {
        1.0 / (self.width as f64).sqrt()
    }

    /// Scores, weights and output of a row with these queries (heads, width), keys and values (positions, heads, width).
    fn of(self, query: &[f64], keys: &[f64], values: &[f64]) -> [Vec<f64>; 3] {
        let Self { heads, positions, width, allowed } = self;
        let (mut scores, mut weights, mut out) = (Vec::new(), Vec::new(), vec![0.0; self.row()]);
        for head in 0..heads {
            let at = |p: usize, k: usize| p * self.row() + head * width + k;
            let score = |p| (0..width).map(|k| query[head * width + k] * keys[at(p, k)]).sum::<f64>() * self.scale();
            let own: Vec<f64> = (0..positions).map(score).collect();
            let exponentials = own.iter().enumerate().map(|(p, s)| if allowed >> p & 1 == 1 { s.exp() } else { 0.0 });
            let exponentials: Vec<f64> = exponentials.collect();
            let sum: f64 = exponentials.iter().sum();
            for p in 0..positions {
                for k in 0..width {
                    out[head * width + k] += exponentials[p] / sum * values[at(p, k)];
                }
            }
            scores.extend(own);
            weights.extend(exponentials.iter().map(|e| e / sum));
        }
        [scores, weights, out]
    }
}

#[test]
fn attention() {
    let Some(device) = device() else { return };
    for (rows, heads, positions, width, allowed) in [
        (1, 1, 1, 1, 0b1),
        (5, 1, 2, 32, 0b11),
        (7, 3, 3, 5, 0b101),
        (9, 4, 3, 8, 0b111),
        (4, 2, 8, 33, 0b0111_1110),
        (3, 2, 8, 16, 0b1000_0000),
    ] {
        let sizes = Attention { heads, positions, width, allowed };
        let (row, what) = (sizes.row(), format!("{rows} rows, {sizes:?}"));
        let scale = sizes.scale() as f32;
        // Positions lie one after the other with something between; so do rows.
        let (position, stride_queries, stride_out) = (row + 1, row + 2, row + 3);
        let stride = positions * position + 4;
        let (queries, back) = (draw(rows * stride_queries, 7), draw(rows * stride_queries, 8));
        let (keys, values) = (draw(rows * stride, 9), draw(rows * stride, 10));
        let [q, b, k, v] = [&queries, &back, &keys, &values].map(|values| upload(&device, values));
        let [scores, weights, of_weights, of_scores] = [(); 4].map(|()| room(&device, rows, heads * positions));
        let [out, of_queries] = [(); 2].map(|()| room(&device, rows, stride_out));
        // Gradients of keys and values are packed: (rows, positions, heads, width).
        let [of_keys, of_values] = [(); 2].map(|()| room(&device, rows, positions * row));

        let products = HeadProducts {
            rows,
            heads,
            positions,
            width,
            queries: q.input(),
            stride_queries,
            keys: k.input(),
            stride_keys: stride,
            position_keys: position,
            scale,
            out: scores.output(),
        };
        let blocks = [(rows * heads * positions).div_ceil(8), 1, 1];
        products.launch(&device, blocks).unwrap();
        let softmax =
            Softmax { rows: rows * heads, width: positions, allowed, values: scores.input(), out: weights.output() };
        softmax.launch_over(&device, rows * heads, 1).unwrap();
        let sums = HeadSums {
            rows,
            heads,
            positions,
            width,
            weights: weights.input(),
            values: v.input(),
            stride_values: stride,
            position_values: position,
            scale: 1.0,
            out: out.output(),
            stride_out,
        };
        sums.launch_over(&device, rows * row, 1).unwrap();

        // Backwards, by the same kernels.
        let of_weights_ =
            HeadProducts { queries: b.input(), keys: v.input(), scale: 1.0, out: of_weights.output(), ..products };
        of_weights_.launch(&device, blocks).unwrap();
        let outer = HeadOuter {
            rows,
            heads,
            positions,
            width,
            weights: weights.input(),
            queries: b.input(),
            stride_queries,
            scale: 1.0,
            out: of_values.output(),
            stride_out: positions * row,
            position_out: row,
        };
        outer.launch_over(&device, rows * positions * row, 1).unwrap();
        let softmax = SoftmaxGradient {
            rows: rows * heads,
            width: positions,
            weights: weights.input(),
            back: of_weights.input(),
            out: of_scores.output(),
        };
        softmax.launch_over(&device, rows * heads, 1).unwrap();
        let sums = HeadSums { weights: of_scores.input(), values: k.input(), scale, out: of_queries.output(), ..sums };
        sums.launch_over(&device, rows * row, 1).unwrap();
        let outer = HeadOuter { weights: of_scores.input(), queries: q.input(), scale, out: of_keys.output(), ..outer };
        outer.launch_over(&device, rows * positions * row, 1).unwrap();

        let packed = |values: &[f32]| -> Vec<f64> {
            (0..positions).flat_map(|p| wide(&values[p * position..][..row])).collect()
        };
        let mut expected = <[Vec<f64>; 6]>::default();
        for i in 0..rows {
            let query = wide(&queries[i * stride_queries..][..row]);
            let back = wide(&back[i * stride_queries..][..row]);
            let (keys, values) = (packed(&keys[i * stride..]), packed(&values[i * stride..]));
            let [scores, weights, out] = sizes.of(&query, &keys, &values);
            let last = |[_, _, out]: [Vec<f64>; 3]| out;
            let of_queries = gradient(|query| last(sizes.of(query, &keys, &values)), &query, &back);
            let of_keys = gradient(|keys| last(sizes.of(&query, keys, &values)), &keys, &back);
            let of_values = gradient(|values| last(sizes.of(&query, &keys, values)), &values, &back);
            for (all, of_row) in expected.iter_mut().zip([scores, weights, out, of_queries, of_keys, of_values]) {
                all.extend(of_row);
            }
        }
        let got = [
            scores.to_vec().unwrap(),
            weights.to_vec().unwrap(),
            rows_of(&out, row, stride_out),
            rows_of(&of_queries, row, stride_out),
            of_keys.to_vec().unwrap(),
            of_values.to_vec().unwrap(),
        ];
        let names = ["scores", "weights", "output", "queries' gradient", "keys' gradient", "values' gradient"];
        for (name, (expected, got)) in names.into_iter().zip(expected.iter().zip(&got)) {
            assert_differences(&format!("{name}, {what}"), expected, got);
        }
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

/// The rows of a table for elements, times weights of heads: (rows, width).
fn gathered(table: &[f64], elements: &[usize], width: usize, weight: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let value = |row: usize, k: usize| weight(row, k) * table[elements[row] * width + k];
    (0..elements.len()).flat_map(|row| (0..width).map(move |k| (row, k))).map(|(row, k)| value(row, k)).collect()
}

#[test]
fn rows_of_a_table_and_their_gradient() {
    let Some(device) = device() else { return };
    let batch = 2;
    for (n, rows, heads, head_width) in [(2, 1, 1, 1), (5, 40, 1, 33), (6, 19, 3, 11), (7, 300, 4, 8)] {
        for (side, weighted, add) in [(0, false, false), (1, true, false), (0, true, true)] {
            let (positions, position) = (3, 1);
            let width = heads * head_width;
            let what = format!("order {n}, {rows} rows, {heads} heads of {head_width}, side {side}, {weighted}, {add}");
            let (stride, batch_map) = (width + 2, n * width + 3);
            let pairs = pairs(n, rows);
            let elements: Vec<usize> =
                pairs.iter().map(|&pair| if side == 0 { pair as usize / n } else { pair as usize % n }).collect();
            let (map, back) = (draw(batch * batch_map, 11), draw(batch * rows * stride, 12));
            let weights = draw(batch * rows * heads * positions, 13);
            let (on_device, b, w) = (upload(&device, &map), upload(&device, &back), upload(&device, &weights));
            let list = upload(&device, &pairs);
            let before = if add { 0.5 } else { UNTOUCHED };
            // What is between the rows must stay.
            let mut values = vec![UNTOUCHED; batch * rows * stride];
            values.chunks_mut(stride).for_each(|row| row[..width].fill(before));
            let out = upload(&device, &values);
            let weights_of = weighted.then(|| w.input_from(position));
            let gather = GatherRows {
                rows,
                n,
                width,
                map: on_device.input(),
                batch_map,
                pairs: Some(list.input()),
                first: 0,
                batch_pairs: rows,
                side,
                weights: weights_of,
                heads,
                positions,
                out: out.output(),
                stride,
                add,
            };
            gather.launch_over(&device, rows * width, batch).unwrap();

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
            let sums = upload(&device, &vec![before; batch * batch_map]);
            let scatter = SumRows {
                rows,
                width,
                values: b.input(),
                stride,
                order: Some(order.input()),
                batch_order: rows,
                starts: Some(starts.input()),
                batch_starts: n + 1,
                weights: weights_of,
                heads,
                positions,
                out: sums.output(),
                batch_out: batch_map,
                add,
            };
            scatter.launch(&device, [width.div_ceil(32), n, batch]).unwrap();
            // All rows, whatever their element.
            let all = upload(&device, &vec![before; batch * batch_map]);
            let whole = SumRows { order: None, starts: None, out: all.output(), ..scatter };
            whole.launch(&device, [width.div_ceil(32), 1, batch]).unwrap();

            let start = if add { 0.5 } else { 0.0 };
            let got = rows_of(&out, width, stride);
            let (got_sums, got_all) = (sums.to_vec().unwrap(), all.to_vec().unwrap());
            for b in 0..batch {
                let elements = &elements[b * rows..][..rows];
                let table = wide(&map[b * batch_map..][..n * width]);
                let weight = |row: usize, k: usize| {
                    let at = ((b * rows + row) * heads + k / head_width) * positions + position;
                    if weighted { f64::from(weights[at]) } else { 1.0 }
                };
                let back: Vec<f64> =
                    back[b * rows * stride..].chunks(stride).take(rows).flat_map(|row| wide(&row[..width])).collect();
                let offset = |values: Vec<f64>| -> Vec<f64> { values.iter().map(|v| v + start).collect() };
                let expected = offset(gathered(&table, elements, width, weight));
                assert_close(&what, &expected, &got[b * rows * width..][..rows * width]);
                let of_table = offset(gradient(|table| gathered(table, elements, width, weight), &table, &back));
                assert_close(&format!("{what}, table"), &of_table, &got_sums[b * batch_map..][..n * width]);
                assert!(got_sums[b * batch_map + n * width..][..3].iter().all(|&v| v == before), "{what}");
                let one = gradient(|row| gathered(row, &vec![0; rows], width, weight), &table[..width], &back);
                assert_close(&format!("{what}, all rows"), &offset(one), &got_all[b * batch_map..][..width]);
            }
        }
    }
}

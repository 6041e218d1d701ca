//! Attention and layer normalisation by the kernels of `layers.cu` against the formulas in `f64`; gradients against finite
//! differences of these.

use super::argument::By;
use super::declarations::{
    Deviation, DeviationGradient, HeadProducts, Normalise, NormaliseGradient, Softmax, SoftmaxGradient,
};
use super::layer_tests::{assert_close, device, draw, gradient, pairs, room, rows_of, upload, wide};

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

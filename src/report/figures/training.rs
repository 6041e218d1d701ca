//! Pictures of training: losses, progress measures, checkpoints.

use crate::analysis::{EmbeddingSpectra, KeyBlock, Progress, ProgressRow};
use crate::checkpoint::History;
use crate::model::Evaluation;
use crate::report::{Axis, Figure, Line, Marks};

/// Points of a curve that are drawn, at most.
const POINTS: usize = 1500;

const SHARE_OF_W_U: &str = "Share of W_U";

/// A curve over epochs, thinned to what can be seen.
fn curve(name: &str, epochs: &[u64], values: Vec<f64>) -> Line {
    let step = epochs.len().div_ceil(POINTS).max(1);
    let thin = |i: &usize| i.is_multiple_of(step) || *i + 1 == epochs.len();
    let kept: Vec<usize> = (0..epochs.len()).filter(thin).collect();
    let x = kept.iter().map(|&i| epochs[i] as f64).collect();
    Line { name: name.into(), x: Some(x), y: kept.iter().map(|&i| values[i]).collect() }
}

fn over_epochs(title: &str, y: Axis, lines: Vec<Line>, rows: usize) -> Figure {
    let figure = Figure::new(title, Axis::new("epoch"), y, Marks::Lines(lines));
    match rows.div_ceil(POINTS) {
        0 | 1 => figure,
        step => figure.with_note(format!("Down-sampled: every {step}th of {rows} epochs is drawn.")),
    }
}

/// Loss, on a logarithmic axis, and accuracy over the epochs.
pub fn training_curves(history: &History) -> [Figure; 2] {
    let lines = |of: fn(Evaluation) -> f64| {
        let values = |set: &[Option<Evaluation>]| set.iter().map(|e| e.map_or(f64::NAN, of)).collect();
        let curves = [("train", &history.train), ("test", &history.test)]
            .map(|(name, set)| curve(name, &history.epochs, values(set)));
        curves.into_iter().filter(|line| line.y.iter().any(|v| v.is_finite())).collect()
    };
    let rows = history.epochs.len();
    [
        over_epochs("Loss", Axis::new("loss, nats").log(), lines(|e| e.loss), rows),
        over_epochs("Accuracy", Axis::new("accuracy"), lines(|e| e.accuracy), rows),
    ]
}

/// Every progress measure over the epochs: losses of all key blocks together, weights, neurons, and what each key block
/// has of the maps and is worth.
pub fn progress_curves(progress: &Progress) -> Vec<Figure> {
    let epochs: Vec<u64> = progress.rows.iter().map(|row| row.epoch).collect();
    let line =
        |name: &str, of: &dyn Fn(&ProgressRow) -> f64| curve(name, &epochs, progress.rows.iter().map(of).collect());
    let loss = |e: Option<Evaluation>| e.map_or(f64::NAN, |e| e.loss);
    let losses = vec![
        line("train", &|row| loss(row.measures.train)),
        line("test", &|row| loss(row.measures.test)),
        line("restricted", &|row| row.measures.restricted.loss),
        line("excluded", &|row| loss(row.measures.excluded)),
    ];
    let neurons = vec![
        line("in key blocks", &|row| row.measures.keys.iter().map(|key| key.neurons as f64).sum()),
        line("in other blocks", &|row| row.measures.other_neurons as f64),
        line("tied", &|row| row.measures.tied_neurons as f64),
        line("constant", &|row| row.measures.constant_neurons as f64),
        line("dim", &|row| row.measures.dim_neurons as f64),
    ];
    let weights = vec![line("sum of squared weights", &|row| row.sum_of_squared_weights)];
    let figure = |title: &str, y: Axis, lines| over_epochs(title, y, lines, epochs.len());
    let mut out = vec![
        figure("Progress measures: losses", Axis::new("loss, nats").log(), losses),
        figure("Sum of squared weights", Axis::new("sum of squares"), weights),
        figure("Neurons by what they compute", Axis::new("neurons"), neurons),
    ];
    type Quantity = (&'static str, bool, fn(&KeyBlock) -> f64);
    let quantities: [Quantity; 6] = [
        ("Neurons of each key block", false, |key| key.neurons as f64),
        ("Share of the left map", false, |key| key.left_share.unwrap_or(f64::NAN)),
        ("Share of the right map", false, |key| key.right_share.unwrap_or(f64::NAN)),
        (SHARE_OF_W_U, false, |key| key.unembed_share_centred.unwrap_or(f64::NAN)),
        ("Restricted loss of each key block", true, |key| key.restricted.loss),
        ("Excluded loss of each key block", true, |key| key.excluded.map_or(f64::NAN, |e| e.loss)),
    ];
    let keys = progress.rows.first().map_or(&[][..], |row| &row.measures.keys);
    for (title, log, value) in quantities.into_iter().filter(|_| !keys.is_empty()) {
        let lines = keys.iter().enumerate().map(|(i, key)| line(&key.name, &|row| value(&row.measures.keys[i])));
        let axis = Axis::new(if log { "loss, nats" } else { title });
        let made = figure(title, if log { axis.log() } else { axis }, lines.collect());
        let of_classes = "Of W_U less its mean over the classes, which no softmax sees.";
        out.push(if title == SHARE_OF_W_U { made.with_note(of_classes) } else { made });
    }
    out
}

/// The norms by component of the embeddings and of W_U at a checkpoint, on scales that all checkpoints share.
///
/// # Arguments
/// `at`: the epoch, and what [`embedding`](crate::analysis::embedding) says then.
pub fn checkpoint_spectra(at: &[(u64, EmbeddingSpectra)]) -> Vec<Vec<Figure>> {
    let most = |of: &dyn Fn(&EmbeddingSpectra) -> f64| at.iter().map(|(_, s)| of(s)).fold(0.0, f64::max) * 1.05;
    let largest = |norms: &Option<ndarray::Array1<f64>>| norms.iter().flatten().copied().fold(0.0, f64::max);
    let of_embeddings = most(&|s| largest(&s.embed_left).max(largest(&s.embed_right)));
    let of_unembedding = most(&|s| largest(&s.unembed_centred));
    let frame = |(epoch, spectra): &(u64, EmbeddingSpectra)| {
        let figure = |title: &str, end: f64, lines: Vec<Line>| {
            let x = Axis::new("Fourier Component").named(&spectra.components);
            let y = Axis::new("Norm").between(0.0, if end > 0.0 { end } else { 1.0 });
            Figure::new(format!("{title}, epoch {epoch}"), x, y, Marks::Lines(lines))
        };
        let line = |name: &str, norms: &Option<ndarray::Array1<f64>>| {
            norms.as_ref().map(|norms| Line::new(name, norms.to_vec()))
        };
        let embeddings = [line("W_E_a", &spectra.embed_left), line("W_E_b", &spectra.embed_right)];
        let embeddings: Vec<Line> = embeddings.into_iter().flatten().collect();
        let unembedding: Vec<Line> = line("W_U", &spectra.unembed_centred).into_iter().collect();
        let all = [
            figure("Norm of each Fourier Component in W_E_a/b", of_embeddings, embeddings),
            figure("Norm of each Fourier Component in W_U, sectors apart", of_unembedding, unembedding),
        ];
        all.into_iter().filter(|f| !matches!(&f.marks, Marks::Lines(lines) if lines.is_empty())).collect()
    };
    at.iter().map(frame).collect()
}

/// The epochs of the checkpoints, and their files, at most `most` of them, evenly spread and with the last.
pub(in crate::report) fn spread<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|i| all[i * (all.len() - 1) / (most - 1).max(1)].clone()).collect()
}

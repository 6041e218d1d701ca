//! Pictures of training: losses, every progress measure and spectra, by epoch.

use crate::analysis::{EmbeddingSpectra, OF_BLOCK, OF_IRREP, Progress, ProgressRow, Quantity, Unit};
use crate::checkpoint::History;
use crate::fourier::BlockId;
use crate::model::Evaluation;
use crate::report::{Axis, Figure, Line, Marks};

/// Points of a curve that are drawn, at most.
const POINTS: usize = 1500;

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
        let curves = [("train", &history.train), ("test", &history.test), ("all pairs", &history.all)]
            .map(|(name, set)| curve(name, &history.epochs, values(set)));
        curves.into_iter().filter(|line| line.y.iter().any(|v| v.is_finite())).collect()
    };
    let rows = history.epochs.len();
    [
        over_epochs("Loss", Axis::new("loss, nats").log(), lines(|e| e.loss), rows),
        over_epochs("Accuracy", Axis::new("accuracy"), lines(|e| e.accuracy), rows),
    ]
}

/// The numbers of a whole network over the epochs: losses, of all key blocks and key irreps together too, weights, neurons,
/// and how much of the logits characters explain.
pub fn progress_curves(progress: &Progress) -> Vec<Figure> {
    type Number = (&'static str, fn(&ProgressRow) -> Option<f64>);
    fn loss(evaluation: Option<Evaluation>) -> Option<f64> {
        evaluation.map(|e| e.loss)
    }
    let lines = |of: &[Number]| -> Vec<Line> {
        let lines = of.iter().map(|(name, of)| progress_line(progress, name, of));
        lines.filter(|line| line.y.iter().any(|v| v.is_finite())).collect()
    };
    let figure = |title: &str, y: Axis, lines| over_epochs(title, y, lines, progress.rows.len());
    let losses = lines(&[
        ("all pairs", |row| Some(row.all.loss)),
        ("train", |row| loss(row.train)),
        ("test", |row| loss(row.test)),
        ("restricted", |row| Some(row.measures.as_ref()?.restricted.loss)),
        ("excluded", |row| loss(row.measures.as_ref()?.excluded)),
    ]);
    let of_irreps = lines(&[
        ("hidden, restricted", |row| Some(row.key_irrep_losses?.hidden_restricted.loss)),
        ("hidden, excluded", |row| loss(row.key_irrep_losses?.hidden_excluded)),
        ("logits, restricted", |row| Some(row.key_irrep_losses?.logit_restricted.loss)),
        ("logits, excluded", |row| loss(row.key_irrep_losses?.logit_excluded)),
    ]);
    let neurons = lines(&[
        ("in key blocks", |row| Some(row.measures.as_ref()?.keys.iter().map(|key| key.neurons as f64).sum())),
        ("in other blocks", |row| Some(row.measures.as_ref()?.other_neurons as f64)),
        ("tied", |row| Some(row.measures.as_ref()?.tied_neurons as f64)),
        ("constant", |row| Some(row.measures.as_ref()?.constant_neurons as f64)),
        ("dim", |row| Some(row.measures.as_ref()?.dim_neurons as f64)),
    ]);
    let all = [
        figure("Progress measures: losses", Axis::new("loss, nats").log(), losses),
        figure("Losses of all key irreps together", Axis::new("loss, nats").log(), of_irreps),
        figure(
            "Logits explained by characters",
            Axis::new("share of the square norm"),
            lines(&[("all nontrivial irreps", |row| row.logit_fve)]),
        ),
        figure(
            "Sum of squared weights",
            Axis::new("sum of squares"),
            lines(&[("sum of squared weights", |row| Some(row.sum_of_squared_weights))]),
        ),
        figure("Neurons by what they compute", Axis::new("neurons"), neurons),
    ];
    all.into_iter().filter(has_lines).collect()
}

/// What each key block has of the maps and is worth, over the epochs, one figure a quantity; none without key blocks.
pub fn key_block_curves(progress: &Progress) -> Vec<Figure> {
    let names: Vec<&str> = progress.keys.iter().map(|&b| &*progress.blocks[b.index()].name).collect();
    let of_block = OF_BLOCK.iter().map(|quantity| {
        quantity_curves(progress, quantity, &names, &|row, i| row.measures.as_ref().map(|m| &m.keys[i]))
    });
    let of_embedding = [("Share of W_E_a", true), ("Share of W_E_b", false)].map(|(title, left)| {
        let line = |&b: &BlockId| {
            let share = |row: &ProgressRow| {
                let norms = if left { &row.embedding.embed_left } else { &row.embedding.embed_right };
                let (rows, norms) = (progress.blocks[b.index()].rows.clone(), norms.as_ref()?);
                (norms.sum() > 0.0).then(|| rows.map(|i| norms[i]).sum::<f64>() / norms.sum())
            };
            progress_line(progress, &progress.blocks[b.index()].name, &share)
        };
        over_epochs(title, Axis::new(title), progress.keys.iter().map(line).collect(), progress.rows.len())
    });
    of_block.chain(of_embedding).filter(has_lines).collect()
}

/// What each key irrep has of maps, hidden layer and logits and is worth, over the epochs, one figure a quantity; none
/// without key irreps.
pub fn key_irrep_curves(progress: &Progress) -> Vec<Figure> {
    let names: Vec<&str> = progress.key_irreps.iter().map(|&i| &*progress.irreps[i.index()]).collect();
    let of_irrep = OF_IRREP.iter().map(|quantity| {
        quantity_curves(progress, quantity, &names, &|row, i| row.irreps.get(progress.key_irreps[i].index()))
    });
    of_irrep.filter(has_lines).collect()
}

/// A number of every checkpoint; NaN where it has none.
fn progress_line(progress: &Progress, name: &str, of: &dyn Fn(&ProgressRow) -> Option<f64>) -> Line {
    let epochs: Vec<u64> = progress.rows.iter().map(|row| row.epoch).collect();
    curve(name, &epochs, progress.rows.iter().map(|row| of(row).unwrap_or(f64::NAN)).collect())
}

/// A quantity of everything named, a line each.
fn quantity_curves<T>(
    progress: &Progress,
    quantity: &Quantity<T>,
    names: &[&str],
    at: &dyn for<'a> Fn(&'a ProgressRow, usize) -> Option<&'a T>,
) -> Figure {
    let line = |(i, name): (usize, &&str)| progress_line(progress, name, &|row| at(row, i).and_then(quantity.of));
    let axis = match quantity.unit {
        Unit::Nats => Axis::new("loss, nats").log(),
        Unit::Share | Unit::Cosine | Unit::Count => Axis::new(quantity.name),
    };
    let figure = over_epochs(quantity.name, axis, names.iter().enumerate().map(line).collect(), progress.rows.len());
    match quantity.name.ends_with("W_U") {
        true => figure.with_note("Of W_U less its mean over the classes, which no softmax sees."),
        false => figure,
    }
}

/// Whether some line of a figure has a number to draw.
fn has_lines(figure: &Figure) -> bool {
    matches!(&figure.marks, Marks::Lines(lines) if lines.iter().any(|line| line.y.iter().any(|v| v.is_finite())))
}

/// The norms by component of the embeddings and of W_U at a checkpoint, on scales that all checkpoints share.
///
/// # Arguments
/// `at`: the epoch, and what [`embedding`](crate::analysis::embedding) says then.
pub fn checkpoint_spectra(at: &[(u64, &EmbeddingSpectra)]) -> Vec<Vec<Figure>> {
    let most = |of: &dyn Fn(&EmbeddingSpectra) -> f64| at.iter().map(|(_, s)| of(s)).fold(0.0, f64::max) * 1.05;
    let largest = |norms: &Option<ndarray::Array1<f64>>| norms.iter().flatten().copied().fold(0.0, f64::max);
    let of_embeddings = most(&|s| largest(&s.embed_left).max(largest(&s.embed_right)));
    let of_unembedding = most(&|s| largest(&s.unembed_centred));
    let frame = |(epoch, spectra): &(u64, &EmbeddingSpectra)| {
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

//! All pairs of a published transformer, loss included, and the gradient of a training epoch, beside the bare matrix
//! products that they cannot do without.
//!
//! Epochs are gradient and step on the run's own training pairs. The runs are `C113_T_seed1` and `S5_T_seed1` of the folder that `IRREPLENS_TRANSFORMERS` names, else of
//! `../shared/transformers`; without it the bench says that it skips.

use criterion::{Criterion, criterion_group, criterion_main};
use irreplens::checkpoint::Run;
use irreplens::group::{Group, PermutationGroup};
use irreplens::linalg::{map_blocks, matmul};
use irreplens::model::{Hooks, Interpretable};
use irreplens::task::Task;
use irreplens::train::{TrainConfig, Trainer};
use ndarray::Array2;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

/// Rows of a block of the bare products.
const ROWS: usize = 384;

fn median_ms(mut f: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..25)
        .map(|_| {
            let start = Instant::now();
            f();
            1e3 * start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The product of all rows with one (d, n) matrix, whose operations are those of the path from the neurons to the logits.
fn bare_product(rows: usize, d: usize, n: usize) -> f64 {
    let wave = |shape| Array2::from_shape_fn(shape, |(i, j)| ((7 * i + 13 * j) as f32).sin());
    let (left, right): (Array2<f32>, Array2<f32>) = (wave((ROWS, d)), wave((d, n)));
    median_ms(|| {
        let blocks = map_blocks(rows, ROWS, |_| matmul(right.t(), left.t())[[0, 0]]);
        black_box(blocks);
    })
}

fn folder() -> PathBuf {
    std::env::var_os("IRREPLENS_TRANSFORMERS").map_or_else(|| "../shared/transformers".into(), PathBuf::from)
}

fn bench(criterion: &mut Criterion) {
    for (name, order) in [("C113_T_seed1", None), ("S5_T_seed1", Some("../data/orders/S5.json"))] {
        let path = folder().join(name);
        if !path.is_dir() {
            println!("SKIPPED: no {}", path.display());
            continue;
        }
        let run = Run::open(&path).expect("a run");
        let group: Box<dyn Group> = match order {
            None => run.group().expect("a group"),
            Some(order) => Box::new(PermutationGroup::from_json(folder().join(order)).expect("permutations")),
        };
        let (task, model) = (Task::new(&*group), run.model().expect("a model"));
        let forward = || model.evaluate(&task, &Hooks::none()).expect("finite logits").loss;
        let n = group.order();
        let config = TrainConfig { epochs: 25, measure_every: u64::MAX, ..TrainConfig::default() };
        let (network, split) = (run.network().expect("weights"), run.split().expect("a split"));
        let mut trainer = Trainer::from_network(&group, network, split, config).expect("settings in range");
        let epoch = trainer.run().expect("nothing to write").epoch_ms_median;
        let d = model.sites().iter().find(|site| site.name == model.neuron_site()).expect("there").width;
        println!(
            "{name}, {} threads: forward {:.2} ms, the product of the neurons with their path alone {:.2} ms; epoch {epoch:.2} \
             ms, three of these products over its pairs {:.2} ms",
            rayon::current_num_threads(),
            median_ms(|| _ = black_box(forward())),
            bare_product(n * n, d, n),
            3.0 * bare_product(trainer.split().train.len(), d, n),
        );
        criterion.bench_function(&format!("{name}/forward"), |b| b.iter(forward));
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);

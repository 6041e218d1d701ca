//! An epoch of training beside the bare matrix products it cannot do without, at the same blocks on the same threads; many small
//! networks side by side.
//!
//! Settings: D53 and D113, 30 % and 60 % of the pairs, embedding 256, 128 neurons: those of the PyTorch baseline script. The
//! small networks are those of `peers/torch_seeds.py`: 100 on C5 and on S3, all pairs, 2 and 8 neurons.
//! A summary comes first; criterion's own numbers follow for D53 at 30 % and for 100 networks on C5.

use criterion::{Criterion, criterion_group, criterion_main};
use irreplens::checkpoint::Optimiser;
use irreplens::group::{Cyclic, Dihedral, Group, Symmetric};
use irreplens::linalg::matmul_into;
use irreplens::model::Architecture;
use irreplens::task::Split;
use irreplens::train::{TrainConfig, Trainer, train_many};
use ndarray::Array2;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

const EMBED: usize = 256;
const HIDDEN: usize = 128;
/// Rows of a block, about as `train` takes them at these sizes.
const ROWS: usize = 480;

/// Median milliseconds of an epoch.
fn epoch(n: usize, fraction: f64, epochs: u64) -> f64 {
    let config = TrainConfig { epochs, measure_every: u64::MAX, ..TrainConfig::default() };
    let split = Split::published(2 * n, fraction, 1).expect("a share of the pairs");
    let group = Dihedral::new(n).expect("n >= 1");
    let mut trainer =
        Trainer::new(&group, Architecture::one_layer(EMBED, HIDDEN), split, config).expect("settings in range");
    trainer.run().expect("nothing to write").epoch_ms_median
}

/// Operands of the products of one block.
struct Products {
    pairs: usize,
    hidden: Array2<f32>,
    logits: Array2<f32>,
    unembed: Array2<f32>,
}

impl Products {
    fn new(order: usize, fraction: f64) -> Self {
        let wave = |shape| Array2::from_shape_fn(shape, |(i, j)| ((7 * i + 13 * j) as f32).sin());
        Self {
            pairs: (fraction * (order * order) as f64) as usize,
            hidden: wave((ROWS, HIDDEN)),
            logits: wave((order, ROWS)),
            unembed: wave((HIDDEN, order)),
        }
    }

    /// Logits, gradient of W_U and gradient of the neurons for every block of pairs.
    fn run(&self, buffers: &mut [[Array2<f32>; 3]]) {
        buffers.par_iter_mut().for_each(|[logits, unembed, hidden]| {
            matmul_into(self.unembed.t(), self.hidden.t(), logits.view_mut());
            matmul_into(self.logits.view(), self.hidden.view(), unembed.view_mut());
            matmul_into(self.logits.t(), self.unembed.t(), hidden.view_mut());
        });
    }

    fn buffers(&self) -> Vec<[Array2<f32>; 3]> {
        let order = self.unembed.ncols();
        let shapes = [(order, ROWS), (order, HIDDEN), (ROWS, HIDDEN)];
        (0..self.pairs.div_ceil(ROWS)).map(|_| shapes.map(Array2::zeros)).collect()
    }

    /// Operations of one epoch: three products for every pair, and six of the maps element -> neuron.
    fn operations(&self) -> f64 {
        let order = self.unembed.ncols();
        (6 * self.pairs * HIDDEN * order + 12 * order * EMBED * HIDDEN) as f64
    }
}

fn median_seconds(mut f: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..60)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Microseconds a step of one of `seeds` small networks takes, trained together.
fn seeds_together(group: &(impl Group + ?Sized), width: usize, seeds: u64, epochs: u64) -> f64 {
    let make = |seed| {
        let (optimiser, betas) = (Optimiser::Adam, (0.9, 0.999));
        let config = TrainConfig {
            epochs,
            seed,
            optimiser,
            betas,
            weight_decay: 2e-4,
            measure_every: epochs,
            ..TrainConfig::default()
        };
        Trainer::new(group, Architecture::summed(width), Split::random(group.order(), 1.0, seed)?, config)
    };
    let all: Vec<u64> = (1..=seeds).collect();
    let start = Instant::now();
    let ended = train_many(&all, make);
    assert!(ended.iter().all(|seed| seed.outcome.is_ok()));
    1e6 * start.elapsed().as_secs_f64() / (seeds * epochs) as f64
}

/// Steps a second of networks of 128 neurons on S5, one after the other on all threads, and side by side.
fn networks_on_s5(seeds: u64, epochs: u64) -> [f64; 2] {
    let group = Symmetric::new(5).expect("n >= 1");
    let make = |seed| {
        let config = TrainConfig { epochs, seed, measure_every: epochs, ..TrainConfig::default() };
        Trainer::new(&group, Architecture::one_layer(256, 128), Split::random(120, 0.4, seed)?, config)
    };
    let all: Vec<u64> = (1..=seeds).collect();
    let rate = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        (seeds * epochs) as f64 / start.elapsed().as_secs_f64()
    };
    let alone = |seed: &u64| assert!(make(*seed).and_then(|mut trainer| trainer.run()).is_ok());
    [
        rate(&|| all.iter().for_each(alone)),
        rate(&|| assert!(train_many(&all, make).iter().all(|seed| seed.outcome.is_ok()))),
    ]
}

fn training(c: &mut Criterion) {
    let threads = rayon::current_num_threads();
    for (n, fraction, epochs) in [(53, 0.3, 400), (53, 0.6, 300), (113, 0.3, 100), (113, 0.6, 60)] {
        let products = Products::new(2 * n, fraction);
        let mut buffers = products.buffers();
        let done = (6 * buffers.len() * ROWS * HIDDEN * 2 * n) as f64;
        let rate = done / rayon::scope(|_| median_seconds(|| products.run(black_box(&mut buffers)))) / 1e9;
        println!(
            "D{n}, {:.0} % of pairs, {threads} threads: epoch {:.2} ms; {:.0} MFLOP at the bare products' {rate:.0} \
             GFLOP/s: {:.2} ms",
            100.0 * fraction,
            epoch(n, fraction, epochs),
            products.operations() / 1e6,
            products.operations() / rate / 1e6,
        );
    }
    let groups: [(&str, Box<dyn Group>); 2] =
        [("C5", Box::new(Cyclic::new(5).expect("n >= 1"))), ("S3", Box::new(Symmetric::new(3).expect("n >= 1")))];
    for (name, group) in &groups {
        for width in [2, 8] {
            let [alone, together] = [1, 100].map(|seeds| seeds_together(group, width, seeds, 20_000));
            println!("{name}, {width} neurons, {threads} threads: {alone:.2} us a step alone, {together:.3} among 100");
        }
    }
    let [alone, together] = networks_on_s5(50, 20);
    println!(
        "S5, 50 networks of 128 neurons: {alone:.1} steps a second one after the other, {together:.1} side by side"
    );
    let mut group = c.benchmark_group("train");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.bench_function("epoch_D53_30_percent", |b| {
        b.iter_custom(|epochs| Duration::from_secs_f64(1e-3 * epoch(53, 0.3, epochs) * epochs as f64));
    });
    let of_c5 = &groups[0].1;
    group.bench_function("step_of_100_small_networks", |b| {
        b.iter_custom(|epochs| Duration::from_secs_f64(1e-4 * seeds_together(of_c5, 8, 100, epochs) * epochs as f64));
    });
    group.finish();
}

criterion_group!(benches, training);
criterion_main!(benches);

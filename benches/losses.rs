//! All-pairs loss of a network of the S6 size (720 elements, 128 neurons, random weights) beside the bare matrix product
//! at the same row blocks on the same threads.
//!
//! Throughput is in floating-point operations of the unembedding, 2 n^3 d: read criterion's `Gelem/s` as GFLOP/s. A
//! summary of both, interleaved, comes first.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use irreplens::group::Cyclic;
use irreplens::linalg::map_blocks;
use irreplens::model::{Hooks, Interpretable, Network};
use irreplens::task::Task;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

const N: usize = 720;
const EMBED: usize = 256;
const WIDTH: usize = 128;
/// Rows of a block, as `model::evaluate` takes them at this size.
const ROWS: usize = 288;
const FLOPS: f64 = 2.0 * (N * N * N * WIDTH) as f64;

fn weights(rng: &mut ChaCha8Rng, rows: usize, columns: usize, scale: f32) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || scale * (rng.next_u32() as f32 / (1u32 << 31) as f32 - 1.0))
}

fn network() -> Network {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let (left, right) = (weights(rng, N, EMBED, 0.1), weights(rng, N, EMBED, 0.1));
    let (weight, unembed) = (weights(rng, 2 * EMBED, WIDTH, 0.1), weights(rng, WIDTH, N, 1.0));
    Network::one_layer(left, right, weight, None, unembed).expect("shapes fit")
}

/// logits^T = W_U^T hidden^T for every block of pairs, each thread in a buffer of its own; nothing is done with them.
fn bare_products(unembed: &[f32], hidden: &[f32]) -> f32 {
    thread_local! {
        static LOGITS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    let blocks = map_blocks(N * N, ROWS, |range| {
        LOGITS.with_borrow_mut(|logits| {
            logits.resize(N * ROWS, 0.0);
            let rows = range.len();
            // W_U (128, 720) and hidden (rows, 128) are row-major, the logits column-major in the pairs.
            let unembed = MatRef::from_column_major_slice(unembed, N, WIDTH);
            let hidden = MatRef::from_column_major_slice(&hidden[..rows * WIDTH], WIDTH, rows);
            let out = MatMut::from_column_major_slice_mut(&mut logits[..N * rows], rows, N);
            matmul(out, Accum::Replace, hidden.transpose(), unembed.transpose(), 1.0f32, Par::Seq);
            logits[0]
        })
    });
    blocks.into_iter().sum()
}

fn seconds(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

fn losses(c: &mut Criterion) {
    let (model, task) = (network(), Task::new(&Cyclic::new(N).expect("n >= 1")));
    let unembed = model
        .readout()
        .unembedding()
        .expect("it has one")
        .as_standard_layout()
        .into_owned()
        .into_raw_vec_and_offset()
        .0;
    let hidden = model.run_with_cache(&task.pairs(0..ROWS), &["hidden"]).and_then(|mut c| c.take("hidden"));
    let hidden = hidden.expect("a site of the model").into_raw_vec_and_offset().0;
    let loss = || {
        black_box(model.evaluate(&task, &Hooks::none()).expect("orders agree"));
    };
    let bare = || {
        black_box(bare_products(&unembed, &hidden));
    };

    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..8 {
        times[0].push(seconds(loss));
        times[1].push(seconds(bare));
    }
    let [loss_rate, bare_rate] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        FLOPS / times[times.len() / 2] / 1e9
    });
    println!(
        "n = {N}, d = {WIDTH}, {} threads: all-pairs loss {loss_rate:.0} GFLOP/s, bare product {bare_rate:.0} GFLOP/s: {:.0} %",
        rayon::current_num_threads(),
        100.0 * loss_rate / bare_rate
    );

    let mut group = c.benchmark_group("all_pairs_n720_d128");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(FLOPS as u64));
    group.bench_function("loss", |b| b.iter(loss));
    group.bench_function("bare_matmul", |b| b.iter(bare));
    group.finish();
}

criterion_group!(benches, losses);
criterion_main!(benches);

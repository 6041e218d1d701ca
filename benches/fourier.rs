//! The forward transform of 64 channels by matrix product and by FFT, at sector sizes from 53 to 1000, on one thread:
//! what `LONGEST_DENSE` in `src/fourier/cyclic_subgroup.rs` rests on.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use irreplens::fourier::{CyclicSubgroupBasis, Direction, FourierBasis};
use irreplens::group::Cyclic;
use ndarray::Array2;
use std::hint::black_box;
use std::time::Duration;

const CHANNELS: usize = 64;

fn transforms(c: &mut Criterion) {
    let mut group = c.benchmark_group("transform_64_channels");
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    for n in [53, 106, 113, 256, 360, 500, 720, 997, 1000] {
        let cyclic = Cyclic::new(n).expect("n >= 1");
        let input = Array2::from_shape_fn((n, CHANNELS), |(t, k)| ((7 * t + 3 * k) as f32).sin());
        let mut output = Array2::zeros(input.dim());
        group.throughput(Throughput::Elements((n * CHANNELS) as u64));
        for (kernel, fft) in [("matrix", false), ("fft", true)] {
            let basis = CyclicSubgroupBasis::cyclic(&cyclic).with_fft(fft);
            group.bench_with_input(BenchmarkId::new(kernel, n), &basis, |b, basis| {
                b.iter(|| basis.transform(Direction::Forward, black_box(input.view()), output.view_mut()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, transforms);
criterion_main!(benches);

//! What is measured on a GPU, with the sizes and keys of the PyTorch baseline: ignored unless it is asked for
//! (`--ignored --nocapture`), since it holds for a GPU alone and asserts no times.

use super::device;
use super::random::{Draw, summed};
use irreplens::device::Device;
use irreplens::group::{Dihedral, Group};
use irreplens::model::{Architecture, Hooks, Interpretable, Network};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer, train_many_on_device};
use std::time::{Duration, Instant};

/// How long each is repeated.
const SECONDS: f64 = 2.0;

/// Runs a second, after one that is not counted.
fn rate(mut f: impl FnMut()) -> f64 {
    f();
    let (start, mut runs) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs_f64(SECONDS) {
        f();
        runs += 1;
    }
    f64::from(runs) / start.elapsed().as_secs_f64()
}

/// Milliseconds of one evaluation over all pairs, and TFLOP/s of its product.
fn evaluation(device: &Device, n: usize, width: usize) {
    let mut draw = Draw::new(1);
    let read = draw.matrix(width, n) / (width as f32).sqrt();
    let net = Network::summed(draw.matrix(n, width), draw.matrix(n, width), read).unwrap();
    let task = Task::new(&Dihedral::new(n / 2).unwrap());
    let on_device = net.to_device(device).unwrap();
    let per_second = rate(|| {
        on_device.evaluate(&task, &Hooks::none()).unwrap();
    });
    let flops = 2.0 * width as f64 * (n as f64).powi(3);
    let (ms, tflops) = (1e3 / per_second, flops * per_second / 1e12);
    println!("{{\"eval\": {{\"n\": {n}, \"d\": {width}}}, \"ms\": {ms:.3}, \"tflops\": {tflops:.1}}}");
}

/// Seed-epochs a second.
fn training(device: &Device, n: usize, fraction: f64, seeds: usize) {
    let group = Dihedral::new(n / 2).unwrap();
    let time = |epochs: u64| {
        let config = TrainConfig { epochs, measure_every: epochs, ..TrainConfig::default() };
        let all: Vec<u64> = (1..=seeds as u64).collect();
        let start = Instant::now();
        let ended = train_many_on_device(device, &all, |seed| {
            let split = Split::published(group.order(), fraction, seed)?;
            Trainer::new(&group, Architecture::one_layer(256, 128), split, TrainConfig { seed, ..config.clone() })
        });
        assert!(ended.iter().all(|seed| seed.outcome.is_ok()));
        start.elapsed().as_secs_f64()
    };
    time(10);
    // Of a long run less a short one: what is done once cancels out.
    let (short, long) = (200, if seeds == 1 { 20_200 } else { 4_200 });
    let seconds = time(long) - time(short);
    let rate = seeds as f64 * (long - short) as f64 / seconds;
    let what = format!("{{\"n\": {n}, \"frac\": {fraction}, \"seeds\": {seeds}, \"embed\": 256, \"hidden\": 128}}");
    println!("{{\"train\": {what}, \"seed_epochs_per_s\": {rate:.0}}}");
}

#[test]
#[ignore = "times on a GPU"]
fn benchmark() {
    let Some(device) = device() else { return };
    println!("{{\"device\": \"{}\"}}", device.info());
    // What the first launch costs is not measured.
    let task = Task::new(&Dihedral::new(2).unwrap());
    summed(4, 3, 1).to_device(&device).unwrap().evaluate(&task, &Hooks::none()).unwrap();
    for (n, width) in [(106, 128), (720, 128), (5040, 512)] {
        evaluation(&device, n, width);
    }
    for (n, fraction) in [(106, 0.3), (120, 0.4)] {
        for seeds in [1, 50] {
            training(&device, n, fraction, seeds);
        }
    }
}

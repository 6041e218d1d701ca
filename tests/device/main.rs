//! Models and training on a CUDA device against the same on the processor: one suite for a GPU and for the emulator.
//!
//! It runs on device 0 where there is one, and is skipped visibly elsewhere; with `IRREPLENS_REQUIRE_DEVICE` set, no
//! device is a failure. `.ci/run` runs it on the emulator, `.ci/gpu.sh` makes one file of it for a machine with a GPU.

mod analyses;
mod benchmark;
#[path = "../support/compare.rs"]
mod compare;
#[path = "../support/descriptions.rs"]
mod descriptions;
mod errors;
mod memory;
mod models;
mod networks;
#[path = "../support/models.rs"]
mod random;
mod training;

use irreplens::device::Device;
use std::io::Write;
use std::sync::OnceLock;

/// The device under test.
fn device() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let open = || match Device::open(0) {
        Ok(device) => {
            println!("{}", device.info());
            Some(device)
        }
        Err(error) if std::env::var_os("IRREPLENS_REQUIRE_DEVICE").is_some() => panic!("{error}"),
        Err(error) => {
            // Straight to the stream: the test harness would swallow it.
            writeln!(std::io::stderr(), "SKIPPED: tests on a device: {error}").expect("standard error");
            None
        }
    };
    DEVICE.get_or_init(open).clone()
}

/// Whether it is the emulator, on which only small sizes are tried.
fn emulated(device: &Device) -> bool {
    device.info().name.contains("emulator")
}

/// The largest difference from the expected numbers, relative to the largest of them.
fn difference(expected: &[f64], got: &[f64]) -> f64 {
    assert_eq!(expected.len(), got.len());
    let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs())).max(f64::MIN_POSITIVE);
    expected.iter().zip(got).fold(0.0, |most, (e, g)| {
        let off = if e == g { 0.0 } else { (e - g).abs() / largest };
        // A NaN must not pass.
        if off > most || off.is_nan() { off } else { most }
    })
}

/// Fails where numbers differ by more than `tolerance` of the largest.
#[track_caller]
fn assert_close<'a, E, G>(what: &str, tolerance: f64, expected: E, got: G)
where
    E: IntoIterator<Item = f64> + 'a,
    G: IntoIterator<Item = f64> + 'a,
{
    let (expected, got): (Vec<f64>, Vec<f64>) = (expected.into_iter().collect(), got.into_iter().collect());
    let off = difference(&expected, &got);
    assert!(off <= tolerance, "{what}: off by {off:.2e}, {tolerance:.0e} allowed");
}

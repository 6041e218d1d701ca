//! Writes a report of a trained network, one HTML page that opens offline:
//! `cargo run --release --example report -- [RUN_DIR] [--out FILE] [--order FILE] [--device cpu|cuda:N]`.
//!
//! Without a run directory it reports on the shipped model, a one-layer net on the dihedral group of order 106
//! (`examples/data/D53`), in `report.html`. Symmetric and alternating runs need the element order they were trained with
//! (`--order`: `sympy`, `lexicographic` or a file of permutations).

#[path = "support/place.rs"]
mod place;

use irreplens::report::of_run;
pub use place::Place;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The run directory of the shipped model.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53");

/// Writes the report of a run directory.
///
/// # Errors
/// Those of [`of_run`] and of writing the file.
pub fn run(
    directory: &Path,
    order: Option<&Path>,
    place: &Place,
    out: &Path,
    step: &mut dyn FnMut(&str),
) -> irreplens::Result<()> {
    let page = of_run(directory, order, &|model| place.place(model), step)?;
    step("writing");
    page.write(out)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: report [RUN_DIR] [--out FILE] [--order FILE] [--device cpu|cuda:N]";
    let (mut directory, mut order, mut out, mut place) = (None, None, PathBuf::from("report.html"), Place::Cpu);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value\n{usage}"));
        match argument.as_str() {
            "--out" => out = PathBuf::from(value()?),
            "--order" => order = Some(PathBuf::from(value()?)),
            "--device" => place = Place::open(&value()?)?,
            _ if directory.is_none() && !argument.starts_with("--") => directory = Some(PathBuf::from(argument)),
            _ => return Err(format!("unknown argument {argument}\n{usage}").into()),
        }
    }
    let directory = directory.unwrap_or_else(|| PathBuf::from(SHIPPED));
    let start = Instant::now();
    let mut step = |what: &str| eprintln!("{:7.2} s  {what}", start.elapsed().as_secs_f64());
    run(&directory, order.as_deref(), &place, &out, &mut step)?;
    step("written");
    println!("{}: {:.1} MB", out.display(), std::fs::metadata(&out)?.len() as f64 / 1e6);
    Ok(())
}

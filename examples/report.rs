//! Writes a report of a trained network, one HTML page that opens offline:
//! `cargo run --release --example report -- [RUN_DIR]`; `--help` lists the options.
//!
//! Without a run directory it reports on the shipped model, a one-layer net on the dihedral group of order 106
//! (`examples/data/D53`), in `report.html`. Symmetric and alternating runs need the element order they were trained with
//! (`--order`: `sympy`, `lexicographic` or a file of permutations).

#[macro_use]
#[path = "support/print.rs"]
mod print;
#[path = "support/tool.rs"]
mod tool;

use irreplens::checkpoint::Run;
use irreplens::report::of_run;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tool::{Failure, Source, check_writable, tell};
#[allow(unused_imports)]
pub use tool::{Place, SHIPPED};

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
    of(&Run::open(directory)?, order, place, out, step)
}

/// Writes the report of a run.
fn of(run: &Run, order: Option<&Path>, place: &Place, out: &Path, step: &mut dyn FnMut(&str)) -> irreplens::Result<()> {
    let page = of_run(run, order, &|model| place.place(model), step)?;
    step("writing");
    page.write(out)
}

/// Writes a report of a trained network: one HTML page of tables and pictures that opens offline.
#[derive(clap::Parser)]
#[command(name = "report", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The page.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Where the model runs: cpu or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

const EXAMPLES: &str = "Examples:
  report                                             the shipped network, in report.html
  report runs/S5 --order orders/S5.json --out S5.html
  report acts.npz --group cyclic:113                 activations recorded elsewhere";

fn main() -> ExitCode {
    tool::main(write)
}

fn write(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, out, device } = arguments;
    check_writable(&out)?;
    let place = Place::open(&device)?;
    let start = Instant::now();
    let mut step = |what: &str| {
        let _ = writeln!(std::io::stderr(), "{:7.2} s  {what}", start.elapsed().as_secs_f64());
    };
    let opened = source.open()?;
    tell(&opened);
    of(&opened, source.order.as_deref(), &place, &out, &mut step)?;
    step("written");
    let megabytes = std::fs::metadata(&out)?.len() as f64 / 1e6;
    println!("{}: {megabytes:.1} MB", out.display());
    Ok(())
}

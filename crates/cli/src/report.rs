//! `irreplens report`: writes a report of a trained network, one HTML page that opens offline.

use crate::Failure;
use crate::place::On;
use crate::screen::{Output, say};
use crate::source::{Source, tell};
use irreplens::report::of_run;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Writes a report of a trained network: one HTML page of tables and pictures that opens offline.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The page.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens report                                             the shipped network, in report.html
  irreplens report runs/S5 --order orders/S5.json --out S5.html
  irreplens report acts.npz --group C113                       activations recorded elsewhere";

/// Runs the subcommand.
///
/// # Errors
/// An output or a device that cannot be used; those of [`of_run`].
pub(crate) fn write(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, out, on, output } = arguments;
    let screen = output.screen(&[&out])?;
    let place = on.open(&screen)?;
    let start = Instant::now();
    let doing = screen.doing("reading the run");
    let mut step = |what: &str| {
        doing.line(&format!("{:7.2} s  {what}", start.elapsed().as_secs_f64()));
        doing.next(what.to_owned());
    };
    let opened = source.open()?;
    doing.aside(|| tell(&screen, &opened.run));
    let page = of_run(&opened.run, source.order.as_deref(), &|model| place.place(model), &mut step)?;
    step("writing");
    page.write(&out)?;
    step("written");
    drop(doing);
    let bytes = std::fs::metadata(&out)?.len();
    say!(screen, "{}: {:.1} MB", out.display(), bytes as f64 / 1e6);
    screen.finish(|| json!({ "page": out, "bytes": bytes, "seconds": start.elapsed().as_secs_f64() }))
}

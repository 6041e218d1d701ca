//! `irreplens explain`: the algorithm that a network computes with, as a page of words and numbers, with a certificate.

use crate::Failure;
use crate::screen::{Output, Screen, say};
use crate::source::{Source, tell};
use irreplens::analysis::{Certificate, ProvenBy, certify, explain};
use irreplens::fourier::IrrepBasis;
use irreplens::task::Task;
use serde_json::json;
use std::path::PathBuf;

/// Tells which algorithm a network computes with, and proves how much of its accuracy that accounts for.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Writes the certificate from the explanation to this file, for `irreplens verify`.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Compares with running every pair and with cosets alone.
    #[arg(long)]
    all_certificates: bool,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens explain                                       the shipped network, on D53
  irreplens explain runs/S5 --order sympy
  irreplens explain runs/D7 --certificate D7.certificate  a proof, for irreplens verify";

/// Runs the subcommand.
///
/// # Errors
/// An output that cannot be used; those of reading the run, of [`explain`] and of [`certify`].
pub(crate) fn tell_all(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, certificate, all_certificates, output } = arguments;
    let files: Vec<_> = certificate.iter().map(PathBuf::as_path).collect();
    let screen: Screen = output.screen(&files)?;
    let doing = screen.doing("reading the run");
    let opened = source.open()?;
    doing.aside(|| tell(&screen, &opened.run));
    let (network, run) = (opened.run.network()?, &opened.run);
    let (group, permutations) = run.group_in_order(source.order.as_deref())?;
    let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?;
    doing.next("shapes of all neurons");
    let explanation = explain(&network, &group, &basis)?;
    doing.next("losses of the circuits");
    let task = Task::try_new(&group)?;
    let comparison = explanation.compare(&network, &task)?;
    doing.next("the proof");
    let by: &[ProvenBy] = match all_certificates {
        true => &[ProvenBy::Explanation, ProvenBy::Cosets, ProvenBy::BruteForce],
        false => &[ProvenBy::Explanation],
    };
    // A network that has an explanation may still have no certificate: its activation function may be none that is bounded.
    let proven = by.iter().map(|&by| certify(&network, &explanation, &task, by)).collect::<Result<Vec<_>, _>>();
    drop(doing);
    say!(screen, "{}\n", source.heading(&run.config));
    say!(screen, "{explanation}\n");
    say!(screen, "Fidelity\n{comparison}\n\n{}\n", explanation.loss_table(&comparison));
    say!(screen, "Certificate");
    let proven = match proven {
        Ok(proven) => proven,
        Err(error) if certificate.is_some() => return Err(error.into()),
        Err(error) => {
            say!(screen, "None: {error}");
            Vec::new()
        }
    };
    proven.iter().for_each(|proof| say!(screen, "{proof}"));
    if let (Some(path), Some(first)) = (&certificate, proven.first()) {
        first.write(path)?;
        let run = source.run.as_ref().map_or(String::new(), |run| format!(" {}", run.display()));
        let order = source.order.as_ref().map_or(String::new(), |order| format!(" --order {}", order.display()));
        say!(screen, "Written to {}: irreplens verify {}{run}{order}", path.display(), path.display());
    }
    screen.finish(|| {
        let summary = |proof: &Certificate| {
            json!({
                "by": proof.by,
                "pairs": proof.margins.len(),
                "proven": proof.proven(),
                "accuracy": proof.accuracy(),
                "accuracy_in_single_precision": proof.accuracy_in_single_precision(),
                "single_error": proof.single_error,
                "operations": proof.operations,
                "brute_force": proof.brute_force,
                "open": proof.open(),
            })
        };
        let certificates: Vec<_> = proven.iter().map(summary).collect();
        json!({ "explanation": explanation, "fidelity": comparison, "certificates": certificates })
    })
}

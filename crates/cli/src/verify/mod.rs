//! `irreplens verify`: whether a certificate holds, by a second derivation that shares nothing with the first.
//!
//! A certificate claims for every pair (x, y) with a positive margin that in real arithmetic the logit of x y is above every other
//! one by that margin, and that no forward pass in `f32` has a logit that is off by more than its error. Read here are the
//! certificate's bytes against their digest, the weights and the group against those of the run; proven anew is every claim, by
//! the split of neurons that the certificate has (`bound`), from maps that are enclosed from the weights (`layer`) in
//! intervals that are rounded outwards (`interval`). The error of `f32` has to be at least the one that is derived here. What
//! is in the certificate is nowhere taken for true: the numbers that it splits neurons by may be any, and show less if they are
//! bad ones. The operations that it counts are told and not checked.

mod bound;
mod file;
mod interval;
mod layer;

use crate::Failure;
use crate::screen::{Output, Screen, say};
use crate::source::{Source, tell};
use bound::{Bound, Refused};
use file::{Certificate, Part, fnv};
use irreplens::group::{Elem, Group, GroupExt};
use irreplens::model::{Interpretable, Network};
use layer::Layer;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Checks a certificate against the weights that it is of: every claim is proven anew.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The certificate, as `irreplens explain --certificate` writes it.
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens verify D53.certificate                 of the shipped network, on D53
  irreplens verify S5.certificate runs/S5 --order sympy";

/// What a certificate was shown to hold of.
struct Shown {
    pairs: usize,
    proven: usize,
    proven_in_single_precision: usize,
    /// Pairs at which all neurons were added up at once.
    directly: usize,
    certificate: Certificate,
    /// The error of `f32` that was derived.
    single_error: f64,
}

/// Runs the subcommand.
///
/// # Errors
/// An output that cannot be used; those of reading the run; a sentence on what does not hold, after the certificate's path.
pub(crate) fn check(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { certificate: path, source, output } = arguments;
    let screen: Screen = output.screen(&[])?;
    let doing = screen.doing("reading the run");
    let opened = source.open()?;
    doing.aside(|| tell(&screen, &opened.run));
    let network = opened.run.network()?;
    let (group, _) = opened.run.group_in_order(source.order.as_deref())?;
    doing.next("the certificate");
    let shown = verify(&path, &network, &group).map_err(|error| format!("{}: {error}", path.display()))?;
    drop(doing);
    say!(screen, "{}\n", source.heading(&opened.run.config));
    shown.lines().iter().for_each(|line| say!(screen, "{line}"));
    screen.finish(|| shown.to_json())
}

/// Checks a certificate of a network on a group.
///
/// # Errors
/// What does not hold.
fn verify(path: &Path, network: &Network, group: &dyn Group) -> Result<Shown, String> {
    let certificate = Certificate::read(path)?;
    check_subject(&certificate, network, group)?;
    let layer = Layer::new(network)?;
    let (width, n) = layer.unembedding.dim();
    certificate.check(n, width)?;
    if certificate.single_error < layer.single_error {
        let (expected, got) = (layer.single_error, certificate.single_error);
        return Err(format!("expected an error of f32 that is shown, from {expected:e} up, got {got:e}"));
    }
    let products: Vec<u32> = (0..n * n).map(|i| product(group, i / n, i % n)).collect();
    let directly = Bound::new(&layer, &certificate, &products).show().map_err(|refused| refused.sentence())?;
    let margins = certificate.margins.data();
    let above = |least: f64| margins.iter().filter(|margin| **margin > least).count();
    Ok(Shown {
        pairs: margins.len(),
        proven: above(0.0),
        proven_in_single_precision: above(2.0 * certificate.single_error),
        directly,
        single_error: layer.single_error,
        certificate,
    })
}

fn product(group: &dyn Group, x: usize, y: usize) -> u32 {
    group.compose(Elem::new(x), Elem::new(y)).index() as u32
}

/// Whether the certificate is of this network and this group.
fn check_subject(certificate: &Certificate, network: &Network, group: &dyn Group) -> Result<(), String> {
    let bytes = network.parameters().iter().flat_map(|v| v.to_le_bytes());
    let weights = fnv(bytes.chain(network.architecture().to_string().into_bytes()));
    let n = network.order();
    if group.order() != n {
        return Err(format!("expected a group of order {n}, as the network has, got {}", group.order()));
    }
    for (what, expected, got) in [
        ("the group", &group.name(), &certificate.group),
        ("a group with the fingerprint", &group.fingerprint().to_string(), &certificate.group_fingerprint),
        ("weights with the digest", &weights, &certificate.weights),
    ] {
        if expected != got {
            return Err(format!("expected {what} {expected}, as the run has, got {}", got.escape_debug()));
        }
    }
    Ok(())
}

impl Refused {
    fn sentence(&self) -> String {
        let Self { pair: [x, y], claim, shown } = self;
        let shown = match *shown == f64::NEG_INFINITY {
            true => "nothing that can be shown".into(),
            false => format!("{shown:.9} as what can be shown"),
        };
        format!("expected a margin at the pair ({x}, {y}) of at least {claim:.9}, as it claims, got {shown}")
    }
}

impl Shown {
    fn neurons(&self, of: fn(&Part) -> bool) -> usize {
        self.certificate.neurons.iter().filter(|part| of(part)).count()
    }

    /// Neurons that are read, written, exact and bounded.
    fn counts(&self) -> [usize; 4] {
        [
            self.neurons(|part| matches!(part, Part::Read { .. })),
            self.neurons(|part| matches!(part, Part::Written(_))),
            self.neurons(|part| matches!(part, Part::Exact)),
            self.neurons(|part| matches!(part, Part::Bounded)),
        ]
    }

    fn lines(&self) -> Vec<String> {
        let percent = |count: usize| 100.0 * count as f64 / self.pairs.max(1) as f64;
        let Self { pairs, proven, proven_in_single_precision: single, directly, certificate, .. } = self;
        let [read, written, exact, bounded] = self.counts();
        let mut lines = vec![
            format!("The certificate holds, by {}:", certificate.by.name()),
            format!("  {proven} of {pairs} pairs are proven: accuracy {:.4} % at least", percent(*proven)),
            format!(
                "  in f32, whose logits are off by {:.3e} at most, {single}: accuracy {:.4} % at least",
                certificate.single_error,
                percent(*single)
            ),
            format!(
                "  {} neurons: {read} read by cosets, {written} written along irreps, {exact} as they are, {bounded} bounded",
                certificate.neurons.len()
            ),
        ];
        if *directly > 0 {
            lines
                .push(format!("  at {directly} of the pairs by all neurons at once, as rounding leaves no room there"));
        }
        lines
    }

    fn to_json(&self) -> Value {
        let share = |count: usize| count as f64 / self.pairs.max(1) as f64;
        let [read, written, exact, bounded] = self.counts();
        json!({
            "holds": true,
            "group": self.certificate.group,
            "by": self.certificate.by,
            "pairs": self.pairs,
            "proven": self.proven,
            "accuracy": share(self.proven),
            "proven_in_single_precision": self.proven_in_single_precision,
            "accuracy_in_single_precision": share(self.proven_in_single_precision),
            "single_error": self.certificate.single_error,
            "single_error_derived": self.single_error,
            "directly": self.directly,
            "neurons": { "read": read, "written": written, "exact": exact, "bounded": bounded },
            "operations_told": self.certificate.operations,
            "brute_force_told": self.certificate.brute_force,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use irreplens::analysis::{ProvenBy, certify, explain};
    use irreplens::fourier::IrrepBasis;
    use irreplens::group::Cyclic;
    use irreplens::task::Task;
    use ndarray::Array2;
    use std::f32::consts::TAU;

    /// Numbers that look random, below a bound.
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    /// Neurons of one frequency on C7, one of them noisy, and one that is nothing of the kind.
    fn network() -> Network {
        let wave = |x: usize, turns: f32| (TAU * (2.0 * x as f32 / 7.0 + turns)).cos();
        let map = |step: f32| {
            Array2::from_shape_fn((7, 8), |(x, k)| match k {
                7 => ((x * x + 3) % 5) as f32 / 50.0,
                0 => wave(x, 0.0) + 0.01 * (x % 3) as f32,
                _ => wave(x, step * k as f32 / 7.0),
            })
        };
        Network::summed(map(1.0), map(1.0), map(2.0).reversed_axes()).unwrap()
    }

    /// All numbers of a document, in order.
    fn numbers<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|value| numbers(value, found)),
            Value::Object(all) => all.values_mut().for_each(|value| numbers(value, found)),
            Value::Number(_) => found.push(value),
            _ => {}
        }
    }

    #[test]
    fn ten_thousand_tampered_certificates_claim_nothing_false() {
        let (net, group) = (network(), Cyclic::new(7).unwrap());
        let task = Task::new(&group);
        let explanation = explain(&net, &group, &IrrepBasis::new(&group).unwrap()).unwrap();
        let truth = certify(&net, &explanation, &task, ProvenBy::BruteForce).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate");
        certify(&net, &explanation, &task, ProvenBy::Explanation).unwrap().write(&path).unwrap();
        assert!(verify(&path, &net, &group).is_ok());
        let bytes = std::fs::read(&path).unwrap();
        let mut draw = Draw(1);
        // Any byte: the digests see it.
        for i in 0..5000 {
            let mut changed = bytes.clone();
            // The first line as often as all others.
            let place = draw.below(if i % 3 == 0 { 58 } else { bytes.len() });
            changed[place] ^= 1 + draw.below(255) as u8;
            std::fs::write(&path, &changed).unwrap();
            assert!(verify(&path, &net, &group).is_err(), "byte {place}");
        }
        // Any number, with the digest made anew: what is still accepted is true.
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let document: Value = serde_json::from_slice(&bytes[end + 1..]).unwrap();
        let mut refused = 0;
        for _ in 0..5000 {
            let mut changed = document.clone();
            let mut all = Vec::new();
            match draw.below(3) {
                0 => numbers(&mut changed["margins"], &mut all),
                1 => numbers(&mut changed["neurons"], &mut all),
                _ => numbers(&mut changed, &mut all),
            }
            let at = draw.below(all.len());
            let before = all[at].as_f64().unwrap();
            *all[at] = match draw.below(6) {
                0 => json!(-before),
                1 => json!(before * 1.5 + 1.0),
                2 => json!(before + 1e-3),
                3 => json!(0),
                4 => json!(1e300),
                _ => json!(before as i64 + 1),
            };
            let text = format!("{changed}\n");
            std::fs::write(&path, format!("irreplens certificate 1 {}\n{text}", fnv(text.bytes()))).unwrap();
            match verify(&path, &net, &group) {
                Err(_) => refused += 1,
                Ok(shown) => {
                    for (claim, truth) in shown.certificate.margins.data().iter().zip(&truth.margins) {
                        assert!(*claim <= 0.0 || *claim <= truth + 1e-4, "{claim} above {truth}");
                    }
                }
            }
        }
        assert!(refused > 3000, "{refused} of 5000: the test says little");
    }
}

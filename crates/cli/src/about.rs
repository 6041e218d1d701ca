//! `irreplens` alone: the shipped model in a few lines, and what to try next.

use crate::Failure;
use crate::interpret::{Explained, of};
use crate::place::Place;
use crate::screen::{Screen, say};
use crate::source::shipped;
use std::time::Instant;

/// Explains the shipped model.
///
/// # Errors
/// If there is no place for its files.
pub fn run() -> Result<(), Failure> {
    let screen = Screen::default();
    let doing = screen.doing("explaining the shipped model");
    let explained = of(&shipped()?.run, None, &Place::Cpu, None, Instant::now())?;
    drop(doing);
    for line in lines(&explained) {
        say!(screen, "{line}");
    }
    Ok(())
}

/// Ten lines on a run of the dihedral group, and four on what is next.
fn lines(explained: &Explained) -> Vec<String> {
    let found = &explained.found;
    let (clusters, tied) = (found.neurons.clusters(), found.neurons.tied());
    let n = explained.config.group_parameter;
    let mut lines = vec![
        format!(
            "This network of {} neurons was trained to multiply in the dihedral group",
            found.neurons.neurons.len()
        ),
        format!("of order {}, the symmetries of a polygon with {n} corners.", explained.basis.order()),
        format!(
            "It names {:.2} % of all products right; its loss is {:.1e}.",
            100.0 * found.baseline.accuracy,
            found.baseline.loss
        ),
        format!("It computes with cosines of {} frequencies, and most neurons with one of them:", clusters.len()),
    ];
    for (block, members) in &clusters {
        let without = found.without_cluster.as_ref().and_then(|without| without.get(block));
        let without =
            without.map_or(String::new(), |without| format!("; without them the loss is {:.1e}", without.loss));
        lines.push(format!("  frequency {block}: {} neurons{without}", members.len()));
    }
    for (name, members) in &tied {
        lines.push(format!("  {}: {} neurons", name.unwrap_or("several at once"), members.len()));
    }
    lines.extend(
        [
            "",
            "Next:",
            "  irreplens interpret                         all of this, in tables",
            "  irreplens report --out D53.html             and in pictures",
            "  irreplens train --group D7 --out runs/D7    a network of your own",
            "  irreplens --help                            everything else",
        ]
        .map(String::from),
    );
    lines
}

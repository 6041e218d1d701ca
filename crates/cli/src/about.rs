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
pub(crate) fn run() -> Result<(), Failure> {
    let screen = Screen::default();
    let doing = screen.doing("explaining the shipped model");
    let explained = of(&shipped()?.run, None, &Place::Cpu, None, Instant::now())?;
    drop(doing);
    for line in lines(&explained) {
        say!(screen, "{line}");
    }
    Ok(())
}

/// Frequencies that are shown.
const SHOWN: usize = 5;

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
        format!("It computes with cosines of {} frequencies, most neurons with one. It needs most:", clusters.len()),
    ];
    let without = found.without_cluster.iter().flatten();
    let mut without: Vec<(usize, f64)> = without.map(|(block, without)| (block.index(), without.loss)).collect();
    without.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (k, loss) in without.into_iter().take(SHOWN) {
        let members = clusters.get(&k).map_or(0, Vec::len);
        lines.push(format!("  frequency {k}: {members} neurons; without them the loss is {loss:.1e}"));
    }
    for (name, members) in &tied {
        lines.push(format!(
            "  {}: {} neurons, which tell rotations from reflections",
            name.unwrap_or("several at once"),
            members.len()
        ));
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

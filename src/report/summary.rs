//! The first section of a report: what the model does, in words.

use super::{Page, Subject};
use crate::analysis::terms::*;
use crate::analysis::{Ablated, Cell, Interpretation, LayerHeads, NeuronClusters, NeuronKind, RepresentationMeasures};
use crate::task::Split;

/// Names of blocks, the word `frequency` of several said once.
fn listed_blocks<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let (frequencies, others): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| name.starts_with("frequency "));
    let numbers: Vec<&str> = frequencies.iter().map(|name| name.trim_start_matches("frequency ")).collect();
    let numbers = match numbers.len() {
        0 => None,
        1 => Some(frequencies[0].clone()),
        _ => Some(format!("frequencies {}", numbers.join(", "))),
    };
    others.into_iter().cloned().chain(numbers).collect::<Vec<_>>().join(", ")
}

fn per_cent(share: f64) -> String {
    Cell::Share(share).to_string()
}

/// What the model does, in sentences, a few numbers and the table of its key blocks.
pub(super) fn summary(
    page: &mut Page,
    subject: &Subject<'_>,
    found: &Interpretation,
    measures: Option<&RepresentationMeasures>,
    heads: &[LayerHeads],
) {
    let (n, neurons) = (subject.group.order(), &found.neurons);
    let clusters = neurons.clusters();
    page.section("In short");
    page.text(format!(
        "A network of {} neurons on {}, a group of order {n}. Over all {} pairs its loss is {} and its accuracy {}.",
        neurons.neurons.len(),
        subject.group.name(),
        n * n,
        Cell::Number(found.baseline.loss),
        per_cent(found.baseline.accuracy),
    ));
    page.text(format!("Its blocks and shares are in these coordinates: {}.", found.coordinates));
    let all: Vec<usize> = clusters.values().flatten().copied().collect();
    page.text(match neurons.mean_over(&all, |n| n.fraction_explained) {
        None => "No neuron computes with any block of the basis.".to_owned(),
        Some(explained) => {
            let (count, names) = (clusters.len(), clusters.keys().map(|&b| &neurons.blocks[b.index()].name));
            format!(
                "Its neurons compute with {count} key block{}: {}. On average its block explains {} of a neuron's square norm. {}",
                if count == 1 { "" } else { "s" },
                listed_blocks(names),
                per_cent(explained),
                as_random(neurons, &all)
            )
        }
    });
    if let Some(m) = measures {
        let names = m.key.iter().map(|&i| &m.irreps[i.index()].irrep.label);
        page.text(match m.key.is_empty() {
            true => "The logits resemble the character of no irrep.".to_owned(),
            false => format!(
                "Key irreps are {}; characters explain {} of the logits.",
                listed_blocks(names),
                m.logit_fve.map_or("none".into(), per_cent)
            ),
        });
    }
    heads.iter().filter_map(LayerHeads::in_short).for_each(|sentence| page.text(sentence));
    for (what, shares) in [
        ("logits, less each pair's mean over the classes,", found.logit_shares()),
        ("neurons, less their means,", found.neuron_spectrum.split_centred().shares()),
    ] {
        page.text(match shares {
            Some(shares) => format!(
                "Products of two rows of one block hold {} of the energy of the {what} terms of x or y alone {}.",
                per_cent(shares.within_block),
                per_cent(shares.linear_x + shares.linear_y)
            ),
            None => format!("The {what} are constant and have no energy: none in products of a block, none elsewhere."),
        });
    }
    if let Some((base, changes)) = found.ablations().split_first() {
        let change = |a: &Ablated| format!("{}, {}", a.what, Cell::Number(a.after.loss));
        let worst =
            changes.iter().filter(|a| a.after.loss.is_finite()).max_by(|a, b| a.after.loss.total_cmp(&b.after.loss));
        let whole = changes.iter().filter(|a| !a.what.starts_with("without"));
        let mut text = format!("The loss is {}. ", Cell::Number(base.after.loss));
        let whole: Vec<String> = whole.map(change).collect();
        if !whole.is_empty() {
            text.push_str(&format!("With a change it becomes: {}. ", whole.join("; ")));
        }
        if let Some(worst) = worst {
            text.push_str(&format!("The worst change is: {}.", change(worst)));
        }
        page.text(text);
    }
    let Split { train, test, .. } = subject.split;
    let train_share = (!train.is_empty() || !test.is_empty()).then(|| train.len() as f64 / (n * n) as f64);
    let mut facts = vec![
        (ORDER, Cell::Count(n)),
        (WIDTH, Cell::Count(neurons.neurons.len())),
        (LOSS, Cell::Number(found.baseline.loss)),
        (ACCURACY, Cell::Share(found.baseline.accuracy)),
        (TIED, Cell::Count(neurons.of_kind(NeuronKind::Tied).len())),
        (CONSTANT, Cell::Count(neurons.of_kind(NeuronKind::Constant).len())),
        (DIM, Cell::Count(neurons.dim().len())),
        (TRAIN_SHARE, Cell::share(train_share, "the split is not known")),
    ];
    if let Some(m) = measures {
        facts.push((FVE, Cell::share(m.logit_fve, "the logits are equal over the classes")));
    }
    page.facts(facts);
    page.table(found.key_block_table());
    page.table(neurons.unlabelled_table());
}

/// A sentence on labels that are no better than an untrained network's.
fn as_random(found: &NeuronClusters, labelled: &[usize]) -> String {
    match found.as_random(labelled) {
        Some(0) => "Every label is better than those of an untrained network.".into(),
        Some(count) => {
            format!("{count} of {} labels are no better than those of an untrained network.", labelled.len())
        }
        None => "Labels are not compared with an untrained network's: there is none here.".into(),
    }
}

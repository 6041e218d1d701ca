//! The report of a model, section by section.

use super::figures;
use super::summary::summary;
use super::{Control, Figure, Page};
use crate::analysis::{
    Cell, CosetMeasures, Interpretation, LayerHeads, NOT_OF_NEURONS, NeuronClusters, ProvenBy, RepresentationMeasures,
    certify, cosets, direction_spectra, explain, heads, interpret, neurons, representation,
};
use crate::error::{Error, Result};
use crate::fourier::{BlockId, FourierBasis, IrrepBasis, forward_2d};
use crate::group::{Group, subgroup_classes};
use crate::model::{Centred, Interpretable, LOGITS, Network};
use crate::task::{Split, Task};
use ndarray::Axis;
use std::collections::BTreeSet;

/// Rows and columns of a heat map, at most; larger ones are down-sampled.
const CELLS: usize = 128;
/// Bytes of the per-neuron spectra of a page, at most; beyond them the largest neurons of each cluster are shown.
const SPECTRA_BYTES: usize = 4_300_000;
/// Multiplications for these spectra, at most.
const SPECTRA_WORK: usize = 12_000_000_000;
/// Neurons whose activations are shown: the notebook's three, and the largest of each cluster up to this many.
const MAPS: usize = 12;
/// Directions of the logits that are shown, at most.
const DIRECTIONS: usize = 64;
/// Multiplications for their pictures, at most.
const DIRECTION_WORK: usize = 6_000_000_000;
/// Bytes of their pictures, at most.
const DIRECTION_BYTES: usize = 1_500_000;
/// Functions of a basis that are shown, at most.
const ROWS: usize = 128;
/// Subgroups that are looked at, at most.
const SUBGROUPS: usize = 2000;

/// What a report is about.
#[derive(Clone)]
pub struct Subject<'a> {
    /// The page's title.
    pub title: String,
    /// The model.
    pub model: &'a dyn Interpretable,
    /// The group it was trained on.
    pub group: &'a dyn Group,
    /// The coordinates of the pictures.
    pub basis: &'a dyn FourierBasis,
    /// Names of the sectors of that basis; those of a region are put together from them.
    pub sectors: Vec<String>,
    /// The irreps of the group.
    pub irreps: &'a IrrepBasis,
    /// The pairs it was trained on.
    pub split: &'a Split,
    /// A randomly initialised model of the same architecture: labels no better than its neurons' are marked. `None` where there
    /// is no architecture to draw; the page then says so.
    pub untrained: Option<&'a dyn Interpretable>,
    /// The network whose accuracy is proven, where the model is one.
    pub network: Option<&'a Network>,
}

/// The whole report of a model: what it uses in words and numbers, then every picture of the notebook, then its irreps.
///
/// # Arguments
/// `step`: is told, before each of the longer steps, what comes.
///
/// # Errors
/// The errors of the analyses, [`interpret`] and [`representation`]; measures that the model does not have are left out.
///
/// Cost: that of the analyses. The page's weight depends on the number of pictures, of which there is a greatest number.
pub fn of_model(subject: &Subject<'_>, step: &mut dyn FnMut(&str)) -> Result<Page> {
    let Subject { model, group, basis, .. } = *subject;
    let task = Task::try_new(group)?;
    step("embeddings, neurons and logits");
    let mut found = interpret(model, basis, &task)?;
    step("irreps");
    let mut measures = if_supported(representation(model, group, subject.irreps, &task, subject.split))?;
    match &measures {
        Some(measures) => found.neurons.name_ties(&measures.neurons),
        None => found.neurons.name_ties(&neurons(model, subject.irreps)?),
    }
    if let Some(untrained) = subject.untrained {
        step("an untrained network");
        found.neurons.compare_with(&neurons(untrained, basis)?);
        if let Some(measures) = &mut measures {
            measures.neurons.compare_with(&neurons(untrained, subject.irreps)?);
        }
    }
    step("cosets");
    let classes = if_supported(subgroup_classes(group, SUBGROUPS))?;
    let on_cosets = classes.map(|classes| if_supported(cosets(model, group, &classes))).transpose()?.flatten();

    step("heads");
    let heads = heads(model, subject.irreps, &task)?;

    let mut page = Page::new(&subject.title);
    summary(&mut page, subject, &found, measures.as_ref(), &heads);
    algorithm(&mut page, subject, &task, step)?;
    step("activations");
    basis_section(&mut page, basis);
    page.section("Embeddings and unembedding");
    page.text("How much of each function of the basis the network reads its inputs with and writes its outputs with.");
    page.figures(figures::embedding_norms(&found.embedding));
    page.figures(figures::published_unembedding(&found.embedding.components, &found.published));
    attention(&mut page, model, &heads)?;
    activations(&mut page, subject, &found)?;
    step("spectra of neurons");
    spectra(&mut page, subject, &found)?;
    clusters(&mut page, &found);
    step("logits along key blocks");
    directions(&mut page, subject, &task, &found)?;
    page.section("Ablations");
    page.text("What the loss becomes when a part of the computation is taken away.");
    page.table(found.ablation_table());
    page.figures([figures::ablation_losses(&found.ablations())]);
    irreps(&mut page, measures.as_ref(), on_cosets.as_ref());
    Ok(page)
}

/// `None` for an analysis that the model or the group has no place for.
fn if_supported<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Unsupported { .. } | Error::HookUnsupported { .. } | Error::OverLimit { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// What the network computes circuit by circuit, how faithful that is, and what is proven by it.
fn algorithm(page: &mut Page, subject: &Subject<'_>, task: &Task, step: &mut dyn FnMut(&str)) -> Result<()> {
    let Subject { model, group, irreps, network, .. } = *subject;
    step("the algorithm");
    page.section("The algorithm");
    let explanation = match explain(model, group, irreps) {
        Err(reason @ (Error::Unsupported { .. } | Error::OverLimit { .. })) => {
            page.text(format!("It is not taken apart into circuits: {reason}."));
            return Ok(());
        }
        explanation => explanation?,
    };
    explanation.paragraphs().into_iter().for_each(|paragraph| page.text(paragraph));
    page.choice(Control::Select, "Circuit", figures::circuits(&explanation));
    page.table(explanation.circuit_table());
    page.table(explanation.shape_table());
    if explanation.circuits.is_empty() {
        return Ok(());
    }
    step("what the loss needs of each circuit");
    let comparison = explanation.compare(model, task)?;
    page.text(comparison.paragraph());
    page.table(comparison.table());
    page.table(explanation.loss_table(&comparison));
    if let Some(network) = network {
        step("the proof");
        page.text(match certify(network, &explanation, task, ProvenBy::Explanation) {
            Err(reason @ (Error::Description { .. } | Error::Range { .. } | Error::OtherModel { .. })) => {
                format!("Nothing is proven: {reason}.")
            }
            certificate => certificate?.paragraph(),
        });
    }
    Ok(())
}

fn basis_section(page: &mut Page, basis: &dyn FourierBasis) {
    page.section("Fourier basis");
    let mut rows = figures::basis_rows(basis);
    page.text("The functions that everything below is written in, one after another along the slider.");
    if rows.len() > ROWS {
        page.text(format!("Of {} functions the first {ROWS} are shown.", rows.len()));
        rows.truncate(ROWS);
    }
    let frames = rows.into_iter().enumerate().map(|(row, figure)| (basis.row_name(row), vec![figure])).collect();
    page.choice(Control::Slider, "Function", frames);
}

/// Neurons round the clusters, the largest of each first.
fn by_cluster(found: &NeuronClusters) -> Vec<usize> {
    let largest_first = |mut members: Vec<usize>| {
        members.sort_by(|&a, &b| found.neurons[b].share.total_cmp(&found.neurons[a].share));
        members
    };
    let clusters: Vec<Vec<usize>> = found.clusters().into_values().map(largest_first).collect();
    let longest = clusters.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|i| clusters.iter().filter_map(move |members| members.get(i).copied())).collect()
}

fn neuron_label(found: &NeuronClusters, k: usize) -> String {
    match (found.neurons[k].block, found.neurons[k].fraction_explained) {
        (Some(_), Some(share)) => format!("{k}: {}, {}", found.what(k), Cell::Share(share)),
        _ => format!("{k}: {}", found.what(k)),
    }
}

fn attention(page: &mut Page, model: &dyn Interpretable, layers: &[LayerHeads]) -> Result<()> {
    if layers.is_empty() {
        return Ok(());
    }
    page.section("Attention");
    page.text(
        "Where the heads look from the last position, as a function of the pair: positions 0 and 1 hold x and y, those behind \
         them constant tokens.",
    );
    for layer in layers {
        let (site, count) = (&layer.patterns.site, layer.heads.len());
        let all = model.neuron_columns(site, 0..count * layer.patterns.heads.first().map_or(0, Vec::len))?;
        let map = |h, p| figures::attention_map(h, p, all.index_axis(Axis(2), p * count + h)).at_most(CELLS);
        let label = |h: usize| match layer.heads[h].written {
            Some(written) => format!("head {h}: carries {}", written.carries()),
            None => format!("head {h}"),
        };
        let positions = |h: usize| 0..layer.patterns.heads[h].len();
        let frames = (0..count).map(|h| (label(h), positions(h).map(|p| map(h, p)).collect()));
        page.choice(Control::Select, format!("Head of {site}"), frames.collect());
        layer.in_words().into_iter().for_each(|sentence| page.text(sentence));
        layer.notes.iter().for_each(|note| page.text(format!("Note: {note}.")));
        page.table(layer.table());
        page.table(layer.patterns.table());
        page.table(layer.block_table());
        page.table(layer.stream_table());
    }
    Ok(())
}

fn activations(page: &mut Page, subject: &Subject<'_>, found: &Interpretation) -> Result<()> {
    let (model, site) = (subject.model, &found.neurons.site);
    page.section("Activations");
    page.text("Chosen neurons and logits at every pair of elements.");
    let width = found.neurons.neurons.len();
    let mut chosen: BTreeSet<usize> = (0..width.min(3)).collect();
    for k in by_cluster(&found.neurons) {
        if chosen.len() < MAPS {
            chosen.insert(k);
        }
    }
    let centred = Centred::new(model);
    let map = |site: &str, k: usize| {
        let model: &dyn Interpretable = if site == LOGITS { &centred } else { model };
        let columns = model.neuron_columns(site, k..k + 1)?;
        Ok(figures::activation_map(site, k, columns.index_axis(Axis(2), 0)).at_most(CELLS))
    };
    let frames = chosen.iter().map(|&k| Ok((neuron_label(&found.neurons, k), vec![map(site, k)?])));
    page.choice(Control::Select, format!("Neuron of {site}"), frames.collect::<Result<_>>()?);
    let frames = (0..model.order().min(3)).map(|z| Ok((z.to_string(), vec![map(LOGITS, z)?])));
    page.choice(
        Control::Select,
        "Logit of element, less the pair's mean over the elements",
        frames.collect::<Result<_>>()?,
    );
    Ok(())
}

/// The bytes that the pictures of one channel take in a page, by region.
fn picture_bytes(basis: &dyn FourierBasis) -> usize {
    let cells = basis.rows().min(CELLS);
    basis.sectors().len().pow(2) * (cells * cells * 2 * 4 / 3 + 900)
}

fn spectra(page: &mut Page, subject: &Subject<'_>, found: &Interpretation) -> Result<()> {
    let Subject { model, basis, .. } = *subject;
    let neurons = &found.neurons;
    let (n, width, site) = (model.order(), neurons.neurons.len(), &neurons.site);
    page.section("Neurons in the Fourier basis");
    page.text(
        "The 2-D coefficients of single neurons, and the mean squares over all of them beside those of the logits.",
    );
    let most = (SPECTRA_BYTES / picture_bytes(basis)).min(SPECTRA_WORK / (2 * n * n * basis.rows())).max(1);
    let mut chosen: Vec<usize> = (0..width).collect();
    if width > most {
        chosen = by_cluster(neurons);
        chosen.truncate(most);
        chosen.sort_unstable();
        page.text(format!(
            "To keep the page small {} of {width} neurons are shown: the largest of each cluster.",
            chosen.len()
        ));
    }
    let names = basis.row_names();
    let mut frames = Vec::with_capacity(chosen.len());
    // Neighbours share a pass through the model.
    for some in chosen.chunk_by(|a, b| a + 1 == *b).flat_map(|run| run.chunks(32)) {
        let columns = model.neuron_columns(site, some[0]..some[some.len() - 1] + 1)?;
        let terms = forward_2d(basis, columns.view())?;
        for (c, &k) in some.iter().enumerate() {
            let regions = figures::neuron_regions(&names, &subject.sectors, site, k, terms.index_axis(Axis(4), c));
            frames.push((neuron_label(neurons, k), regions.into_iter().map(|figure| figure.at_most(CELLS)).collect()));
        }
    }
    page.choice(Control::Select, "Neuron", frames);
    let both = |shared, note: &str| {
        let pair = figures::mean_squares(&names, &found.neuron_spectrum, &found.logit_spectrum, shared);
        pair.map(|figure| figure.with_note(note).at_most(CELLS)).to_vec()
    };
    let frames = vec![
        ("shared".into(), both(true, "Both pictures have the same colour range.")),
        ("its own".into(), both(false, "Each picture has its own colour range.")),
    ];
    page.choice(Control::Select, "Colour range", frames);
    page.table(found.term_table());
    Ok(())
}

fn clusters(page: &mut Page, found: &Interpretation) {
    let neurons = &found.neurons;
    page.section("Neuron clusters");
    page.text("Which block explains each neuron, how well, and what W_U reads from the neurons of each.");
    page.figures([
        figures::neuron_fractions(neurons),
        figures::cluster_sizes(neurons, &found.published.clusters).with_note(
            "As published, the search stops one block short: neurons of the last one are filed under another, and ties are \
             decided by the last digit.",
        ),
    ]);
    let names = &found.embedding.components;
    page.figures(figures::unembedding_by_cluster(names, &neurons.blocks, &found.published.unembedding_by_cluster));
    page.table(neurons.neuron_table());
}

fn directions(page: &mut Page, subject: &Subject<'_>, task: &Task, found: &Interpretation) -> Result<()> {
    let Subject { model, basis, ref sectors, .. } = *subject;
    let (blocks, directions) = (&found.neurons.blocks, &found.directions);
    if directions.blocks.is_empty() {
        return Ok(());
    }
    page.section("Logits along the key blocks");
    page.text(
        "The logits taken along one function of z, as functions of x and y: where a region shows a product of two rows \
               of the same block, the network writes that function of the product.",
    );
    // Two rows of every key block in every sector, as far as there is room.
    let work = 2 * model.order().pow(2) * basis.rows();
    let most = DIRECTIONS.min(DIRECTION_BYTES / picture_bytes(basis)).min(DIRECTION_WORK / work).max(2);
    let outputs = basis.sectors().len();
    let rows = |o: usize, b: BlockId| blocks[b.index()].rows.clone().take(2).map(move |row| (o, row));
    let all = directions.blocks.iter().rev().flat_map(|&b| (0..outputs).flat_map(move |o| rows(o, b)));
    let all: Vec<(usize, usize)> = all.collect();
    let shown = &all[..all.len().min(most)];
    if shown.len() < all.len() {
        page.text(format!("To keep the page small {} of {} directions are shown.", shown.len(), all.len()));
    }
    let terms = direction_spectra(model, basis, task, shown)?;
    let frames = figures::direction_components(basis, sectors, shown, terms.view());
    let smaller = |(label, figures): (String, Vec<Figure>)| {
        (label, figures.into_iter().map(|figure| figure.at_most(CELLS)).collect())
    };
    page.choice(Control::Select, "Direction", frames.into_iter().map(smaller).collect());
    page.figures(figures::product_shares(directions, blocks, sectors));
    page.table(directions.table(sectors));
    Ok(())
}

fn irreps(page: &mut Page, measures: Option<&RepresentationMeasures>, on_cosets: Option<&CosetMeasures>) {
    page.section("Irreps and cosets");
    let Some(found) = measures else {
        page.text("This model has no measures of its irreps: they need an unembedding.");
        return;
    };
    page.text("The same network in the irreducible representations of its group.");
    page.figures([figures::irrep_energies(found), figures::trace_similarities(found)]);
    page.figures(figures::key_irrep_losses(found));
    page.table(found.table());
    if found.along.is_none() {
        page.text(NOT_OF_NEURONS);
    }
    let Some(on_cosets) = on_cosets else {
        page.text("Cosets were not looked at: the group has too many subgroups, or the neurons do not read two maps.");
        return;
    };
    page.figures([figures::irrep_against_coset(found, on_cosets)]);
    let table = on_cosets.table();
    if table.rows.is_empty() {
        page.text("No neuron is constant on the cosets of a proper subgroup.");
    }
    page.table(table);
}

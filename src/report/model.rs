use super::figures::{self, Ablation};
use super::term::*;
use super::{Cell, Control, Figure, Page, Table};
use crate::analysis::{
    Candidates, CosetMeasures, Interpretation, Neuron, NeuronClusters, NeuronKind, RepresentationMeasures, cosets,
    interpret, neurons, output_sectors, representation,
};
use crate::error::{Error, Result};
use crate::fourier::{FourierBasis, IrrepBasis, forward_2d};
use crate::group::{Group, subgroup_classes};
use crate::model::{Centred, Interpretable, LOGITS};
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
}

/// The whole report of a model: what it uses in words and numbers, then every picture of the notebook, then its irreps.
///
/// # Arguments
/// `step`: is told, before each of the longer steps, what comes.
///
/// # Errors
/// Those of the analyses, [`interpret`] and [`representation`]; measures that the model does not have are left out.
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
        None => found.neurons.name_ties(&neurons(model, subject.irreps, Candidates::AllBlocks)?),
    }
    if let Some(untrained) = subject.untrained {
        step("an untrained network");
        found.neurons.compare_with(&neurons(untrained, basis, Candidates::AllBlocks)?);
        if let Some(measures) = &mut measures {
            measures.neurons.compare_with(&neurons(untrained, subject.irreps, Candidates::AllBlocks)?);
        }
    }
    step("cosets");
    let classes = if_supported(subgroup_classes(group, SUBGROUPS))?;
    let on_cosets = classes.map(|classes| if_supported(cosets(model, group, &classes))).transpose()?.flatten();

    let mut page = Page::new(&subject.title);
    let ablations = figures::ablations(&found);
    summary(&mut page, subject, &found, measures.as_ref(), &ablations);
    step("activations");
    basis_section(&mut page, basis);
    page.section("Embeddings and unembedding");
    page.text("How much of each function of the basis the network reads its inputs with and writes its outputs with.");
    page.figures(figures::embedding_norms(&found.embedding));
    activations(&mut page, subject, &found)?;
    step("spectra of neurons");
    spectra(&mut page, subject, &found)?;
    clusters(&mut page, &found);
    step("logits along key blocks");
    directions(&mut page, subject, &task, &found)?;
    page.section("Ablations");
    page.text("What the loss becomes when a part of the computation is taken away.");
    page.table(ablation_table(&ablations));
    page.figures([figures::ablation_losses(&ablations)]);
    irreps(&mut page, measures.as_ref(), on_cosets.as_ref());
    Ok(page)
}

/// `None` for an analysis that the model or the group has no place for.
fn if_supported<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Unsupported { .. } | Error::HookUnsupported { .. } | Error::TooManySubgroups { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Names of blocks, the word `frequency` of several said once.
fn listed_blocks<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let (frequencies, others): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| name.starts_with("frequency "));
    let numbers = frequencies.iter().map(|name| name.trim_start_matches("frequency "));
    let numbers = match frequencies.len() {
        0 => None,
        1 => Some(frequencies[0].clone()),
        _ => Some(format!("frequencies {}", listed(numbers))),
    };
    listed(others.into_iter().cloned().chain(numbers))
}

fn per_cent(share: f64) -> String {
    Cell::Share(share).to_string()
}

/// The mean over some neurons of what they have.
fn mean(found: &NeuronClusters, members: &[usize], value: fn(&Neuron) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = members.iter().filter_map(|&k| value(&found.neurons[k])).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn summary(
    page: &mut Page,
    subject: &Subject<'_>,
    found: &Interpretation,
    measures: Option<&RepresentationMeasures>,
    ablations: &[Ablation],
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
    page.text(match mean(neurons, &all, |n| n.fraction_explained) {
        None => "No neuron computes with any block of the basis.".to_owned(),
        Some(explained) => {
            let (count, names) = (clusters.len(), clusters.keys().map(|&b| &neurons.blocks[b].name));
            format!(
                "Its neurons compute with {count} key block{}: {}. On average its block explains {} of a neuron's square norm. {}",
                if count == 1 { "" } else { "s" },
                listed_blocks(names),
                per_cent(explained),
                as_random(neurons, &all)
            )
        }
    });
    for (elsewhere, tied) in neurons.tied() {
        page.text(format!(
            "Neuron{} {} {}: no block explains more of {} than the next.{}",
            if tied.len() == 1 { "" } else { "s" },
            listed(&tied),
            if tied.len() == 1 { "is tied" } else { "are tied" },
            if tied.len() == 1 { "it" } else { "them" },
            elsewhere.map_or(String::new(), |name| format!(" In the irreps of the whole group: {name}."))
        ));
    }
    let constant = neurons.of_kind(NeuronKind::Constant);
    if !constant.is_empty() {
        page.text(format!("Constant, with one value at all pairs: {}.", listed(&constant)));
    }
    let dim = neurons.dim();
    page.text(match dim.len() {
        0 => "No neuron is dim.".to_owned(),
        1 => format!("Neuron {} is dim: hardly ever active.", dim[0]),
        count => format!("{count} neurons are dim, hardly ever active: {}.", listed(&dim)),
    });
    if let Some(m) = measures {
        let names = m.key.iter().map(|&i| &m.irreps[i].irrep.label);
        page.text(match m.key.is_empty() {
            true => "The logits resemble the character of no irrep.".to_owned(),
            false => format!(
                "Key irreps are {}; characters explain {} of the logits.",
                listed_blocks(names),
                m.logit_fve.map_or("none".into(), per_cent)
            ),
        });
    }
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
    if let Some((base, changes)) = ablations.split_first() {
        let change = |a: &Ablation| format!("{}, {}", a.what, Cell::Number(a.after.loss));
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
        (CONSTANT, Cell::Count(constant.len())),
        (DIM, Cell::Count(dim.len())),
        (TRAIN_SHARE, Cell::share(train_share)),
    ];
    if let Some(m) = measures {
        facts.push((FVE, Cell::share(m.logit_fve)));
    }
    page.facts(facts);
    let row = |(&b, members): (&usize, &Vec<usize>)| {
        let of = |value| Cell::share(mean(neurons, members, value));
        let without = found.without_cluster.as_ref().and_then(|losses| losses.get(&b));
        vec![
            Cell::Text(neurons.blocks[b].name.clone()),
            Cell::Count(members.len()),
            of(|n| n.fraction_explained),
            of(|n| n.fraction_centred),
            of(|n| n.runner_up),
            Cell::Share(neurons.chance[b]),
            count_as_random(neurons, members).map_or(Cell::Missing, Cell::Count),
            Cell::number(without.map(|e| e.loss)),
        ]
    };
    page.table(Table {
        caption: "Key blocks".into(),
        columns: vec![BLOCK, CLUSTER, EXPLAINED, CENTRED, RUNNER_UP, CHANCE, AS_RANDOM, WITHOUT],
        rows: clusters.iter().map(row).collect(),
    });
}

/// How many of some labels are no better than an untrained network's; `None` where they are not compared.
fn count_as_random(found: &NeuronClusters, members: &[usize]) -> Option<usize> {
    let marks: Option<Vec<bool>> = members.iter().map(|&k| found.neurons[k].no_better_than_random).collect();
    marks.map(|marks| marks.into_iter().filter(|&mark| mark).count())
}

fn as_random(found: &NeuronClusters, labelled: &[usize]) -> String {
    match count_as_random(found, labelled) {
        Some(0) => "Every label is better than those of an untrained network.".into(),
        Some(count) => {
            format!("{count} of {} labels are no better than those of an untrained network.", labelled.len())
        }
        None => "Labels are not compared with an untrained network's: there is none here.".into(),
    }
}

fn ablation_table(ablations: &[Ablation]) -> Table {
    let before = ablations.first().map_or(0.0, |a| a.after.loss);
    let row = |a: &Ablation| {
        vec![
            Cell::Text(a.what.clone()),
            Cell::Number(a.after.loss),
            Cell::number((before > 0.0).then(|| a.after.loss / before)),
            Cell::Share(a.after.accuracy),
        ]
    };
    Table {
        caption: "What each ablation did".into(),
        columns: vec![ABLATION, LOSS, TIMES, ACCURACY],
        rows: ablations.iter().map(row).collect(),
    }
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
        (Some(block), Some(share)) => format!("{k}: {}, {}", found.blocks[block].name, per_cent(share)),
        _ => format!("{k}: {}", what(found, k)),
    }
}

/// A neuron's block, or what it is without one.
fn what(found: &NeuronClusters, k: usize) -> String {
    let neuron = &found.neurons[k];
    match (neuron.kind, neuron.block, &neuron.elsewhere) {
        (_, Some(block), _) => found.blocks[block].name.clone(),
        (NeuronKind::Constant, ..) => "constant".into(),
        (NeuronKind::Dim, ..) => "dim".into(),
        (_, _, Some(name)) => format!("tied ({name})"),
        _ => "tied".into(),
    }
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
    page.table(kinds_table(found));
    Ok(())
}

fn kinds_table(found: &Interpretation) -> Table {
    let all = [found.neuron_spectrum.split_centred().shares(), found.logit_shares(), found.raw_logit_split().shares()];
    let kinds =
        ["constant", "linear in x", "linear in y", "quadratic, within a block", "quadratic, across blocks"].into_iter();
    let row = |(i, kind): (usize, &str)| {
        let shares = all.iter().map(|shares| shares.map_or(Cell::Text("none".into()), |s| Cell::Share(s.kinds()[i])));
        [Cell::Text(kind.into())].into_iter().chain(shares).collect()
    };
    Table {
        caption: "Shares of energy by kind of 2-D term".into(),
        columns: vec![TERM_KIND, HIDDEN_SHARE, LOGIT_SHARE, RAW_SHARE],
        rows: kinds.enumerate().map(row).collect(),
    }
}

fn clusters(page: &mut Page, found: &Interpretation) {
    let neurons = &found.neurons;
    page.section("Neuron clusters");
    page.text("Which block explains each neuron, how well, and what W_U reads from the neurons of each.");
    page.figures([
        figures::neuron_fractions(neurons),
        figures::cluster_sizes(neurons, &found.clusters_as_published).with_note(
            "As published, the search stops one block short: neurons of the last one are filed under another, and ties are \
             decided by the last digit.",
        ),
    ]);
    let names = &found.embedding.components;
    page.figures(figures::unembedding_by_cluster(names, &neurons.blocks, &found.unembedding_by_cluster));
    let row = |(k, neuron): (usize, &Neuron)| {
        vec![
            Cell::Count(k),
            Cell::Text(what(neurons, k)),
            Cell::Share(neuron.share),
            Cell::share(neuron.fraction_explained),
            Cell::share(neuron.fraction_centred),
            Cell::share(neuron.runner_up),
            neuron
                .no_better_than_random
                .map_or(Cell::Missing, |mark| Cell::Text(if mark { "yes" } else { "no" }.into())),
        ]
    };
    page.table(Table {
        caption: "All neurons".into(),
        columns: vec![NEURON, WHAT, SHARE, EXPLAINED, CENTRED, RUNNER_UP, AS_RANDOM],
        rows: neurons.neurons.iter().enumerate().map(row).collect(),
    });
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
    let rows = |o: usize, b: usize| blocks[b].rows.clone().take(2).map(move |row| (o, row));
    let all = directions.blocks.iter().rev().flat_map(|&b| (0..outputs).flat_map(move |o| rows(o, b)));
    let all: Vec<(usize, usize)> = all.collect();
    let shown = &all[..all.len().min(most)];
    if shown.len() < all.len() {
        page.text(format!("To keep the page small {} of {} directions are shown.", shown.len(), all.len()));
    }
    let frames = figures::direction_components(model, basis, task, sectors, shown)?;
    let smaller = |(label, figures): (String, Vec<Figure>)| {
        (label, figures.into_iter().map(|figure| figure.at_most(CELLS)).collect())
    };
    page.choice(Control::Select, "Direction", frames.into_iter().map(smaller).collect());
    page.figures(figures::product_shares(directions, blocks, sectors));
    let Some(output) = output_sectors(basis, task) else { return Ok(()) };
    let mut rows = Vec::new();
    for (i, &b) in directions.blocks.iter().enumerate() {
        for (sx, sy) in (0..outputs).flat_map(|sx| (0..outputs).map(move |sy| (sx, sy))) {
            let energies = directions.energy.slice(ndarray::s![i, sx, sy, ..]);
            let share = |sign: usize| directions.product_share.as_ref().and_then(|share| share[[i, sx, sy, sign]]);
            rows.push(vec![
                Cell::Text(blocks[b].name.clone()),
                Cell::Text(format!("{}, {}", sectors[sx], sectors[sy])),
                Cell::share((energies.sum() > 0.0).then(|| energies[output[[sx, sy]]] / energies.sum())),
                Cell::share(share(0)),
                Cell::share(share(1)),
            ]);
        }
    }
    page.table(Table {
        caption: "Where the logits' energy along the key blocks lies".into(),
        columns: vec![BLOCK, REGION, TO_SECTOR, PLUS, MINUS],
        rows,
    });
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
    let row = |m: &crate::analysis::IrrepMeasures| {
        let losses = m.losses.as_ref();
        vec![
            Cell::Text(m.irrep.label.clone()),
            Cell::Count(m.irrep.dim),
            Cell::Text(m.irrep.kind.to_string()),
            Cell::number(m.trace_similarity),
            Cell::share(m.embed_left),
            Cell::share(m.embed_right),
            Cell::share(m.unembed_centred),
            Cell::share(m.hidden_xy),
            Cell::number(losses.map(|l| l.hidden_restricted.loss)),
            Cell::number(losses.and_then(|l| l.hidden_excluded).map(|e| e.loss)),
        ]
    };
    page.table(Table {
        caption: "Irreps".into(),
        columns: vec![IRREP, DIMENSION, KIND, SIMILARITY, LEFT, RIGHT, UNEMBED, HIDDEN_XY, RESTRICTED, EXCLUDED],
        rows: found.irreps.iter().map(row).collect(),
    });
    let Some(on_cosets) = on_cosets else {
        page.text("Cosets were not looked at: the group has too many subgroups, or the neurons do not read two maps.");
        return;
    };
    page.figures([figures::irrep_against_coset(found, on_cosets)]);
    let row = |(c, members): (usize, Vec<usize>)| {
        let class = &on_cosets.classes[c];
        let concentrations = members
            .iter()
            .filter_map(|&k| Some(on_cosets.concentration(c, on_cosets.neurons[k].shares.as_ref()?[c].both())));
        let mean = concentrations.sum::<f64>() / members.len() as f64;
        vec![Cell::Count(class.order()), Cell::Count(class.conjugates), Cell::Count(members.len()), Cell::Number(mean)]
    };
    let rows: Vec<Vec<Cell>> = on_cosets.clusters().into_iter().map(row).collect();
    if rows.is_empty() {
        page.text("No neuron is constant on the cosets of a proper subgroup.");
    }
    page.table(Table {
        caption: "Neurons that are constant on cosets".into(),
        columns: vec![SUBGROUP, CONJUGATES, WIDTH, CONCENTRATION],
        rows,
    });
}

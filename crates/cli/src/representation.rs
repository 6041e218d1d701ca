//! `irreplens representation`: measures a trained network in the irreps of its group.
//!
//! With `--controls` the cosets that each neuron is constant on stand beside its irrep, and everything is measured once more
//! on an untrained network and with the group's elements shuffled.

use crate::Failure;
use crate::cosets::SUBGROUPS;
use crate::place::Place;
use crate::screen::{Output, Screen, say};
use crate::source::{Measuring, Source, tell, timing};
use irreplens::analysis::{
    Cell, Controls, CosetMeasures, IrrepMeasures, KeyLosses, LayerHeads, NeuronKind, RepresentationMeasures, Table,
    Term, cosets, heads, neurons, representation, untrained, with_controls,
};
use irreplens::checkpoint::{Run, RunConfig};
use irreplens::fourier::{BlockId, FourierBasis, IrrepBasis};
use irreplens::group::{Group, GroupExt, subgroup_classes};
use irreplens::irrep::irreps;
use irreplens::model::{Evaluation, Hooks, Interpretable};
use irreplens::task::Task;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// A run, read and measured.
pub struct Measured {
    /// Its settings.
    pub config: RunConfig,
    /// Sum of the squares of its weights; `None` for recorded activations.
    pub sum_of_squared_weights: Option<f64>,
    /// Order of the group.
    pub order: usize,
    /// What the coordinates are.
    pub coordinates: String,
    /// What was found.
    pub found: RepresentationMeasures,
    /// What the heads of a transformer do, in these irreps; none of another model.
    pub heads: Vec<LayerHeads>,
    /// Milliseconds: reading the files; irreps, basis and measures; one forward pass over all pairs on its own.
    pub load_ms: f64,
    /// See `load_ms`.
    pub analysis_ms: f64,
    /// See `load_ms`.
    pub forward_ms: f64,
}

/// Reads a run directory and measures its model in the irreps of its group.
///
/// # Errors
/// Those of reading the run and the element order, and of [`representation`].
pub fn run(directory: &Path, order: Option<&Path>, place: &Place) -> irreplens::Result<Measured> {
    let start = Instant::now();
    of(&Run::open(directory)?, order, place, start)
}

/// Measures the model of a run; its files have been read since `start`.
fn of(run: &Run, order: Option<&Path>, place: &Place, start: Instant) -> irreplens::Result<Measured> {
    let (model, split) = (place.place(run.model()?)?, run.split()?);
    let (group, permutations) = run.group_in_order(order)?;
    let load_ms = milliseconds(start);

    let start = Instant::now();
    let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?;
    let task = Task::try_new(&group)?;
    let mut found = representation(&model, &group, &basis, &task, &split)?;
    let analysis_ms = milliseconds(start);
    if let Some(untrained) = untrained(run)? {
        found.neurons.compare_with(&neurons(&untrained, &basis)?);
    }

    let heads = heads(&model, &basis, &task)?;
    let start = Instant::now();
    model.evaluate(&task, &Hooks::none())?;
    Ok(Measured {
        heads,
        sum_of_squared_weights: run.sum_of_squared_weights()?,
        config: run.config.clone(),
        order: group.order(),
        coordinates: basis.name(),
        found,
        load_ms,
        analysis_ms,
        forward_ms: milliseconds(start),
    })
}

/// Irreps and cosets of every neuron, of the run's model, of an untrained one and with the group's elements shuffled.
///
/// No cosets of a model whose neurons read no map of each element, a transformer say.
pub type Explanations = Controls<(RepresentationMeasures, Option<CosetMeasures>)>;

/// Measures the model of a run beside its null controls; neurons whose label an untrained network has too are marked.
///
/// # Errors
/// Those of [`run`], of [`cosets`] and of [`subgroup_classes`] for a group of more than 2000 subgroups.
pub fn controls(run: &Run, order: Option<&Path>) -> irreplens::Result<Explanations> {
    let (model, split) = (run.model()?, run.split()?);
    let (group, permutations) = run.group_in_order(order)?;
    let named = run.irreps(&group, permutations.as_ref())?;
    let untrained = untrained(run)?;
    let mut found = with_controls(&model, untrained.as_deref(), &group, 0, |model, on| {
        // Of the shuffled group the irreps are found anew: the names do not matter there.
        let unchanged = on.elements().all(|x| group.elements().all(|y| on.compose(x, y) == group.compose(x, y)));
        let irreps = if unchanged { named.clone() } else { irreps(on)? };
        let basis = IrrepBasis::from_irreps(on, irreps)?;
        let measures = representation(model, on, &basis, &Task::try_new(on)?, &split)?;
        let on_cosets = match model.maps() {
            Some(_) => Some(cosets(model, on, &subgroup_classes(on, SUBGROUPS)?)?),
            None => None,
        };
        Ok((measures, on_cosets))
    })?;
    if let Some((untrained, _)) = &found.random_model {
        found.found.0.neurons.compare_with(&untrained.neurons);
    }
    Ok(found)
}

/// Numbers of neurons by irrep and by class of subgroups: `None` for a neuron without either.
pub fn side_by_side(
    irreps: &RepresentationMeasures,
    cosets: &CosetMeasures,
) -> BTreeMap<(Option<BlockId>, Option<usize>), usize> {
    let mut counts = BTreeMap::new();
    for (irrep, coset) in irreps.neurons.neurons.iter().zip(&cosets.neurons) {
        *counts.entry((irrep.block, coset.class)).or_default() += 1;
    }
    counts
}

fn print_controls(screen: &Screen, controls: &Explanations) {
    let (irreps, cosets) = &controls.found;
    say!(screen, "\nNeurons by irrep, labels as good in an untrained network counted last\n{}", irreps.neurons);
    if let Some(cosets) = cosets {
        say!(screen, "\nNeurons by the cosets on which their maps are most concentrated\n{cosets}");
        let row = |((irrep, class), neurons): ((Option<BlockId>, Option<usize>), usize)| {
            let label = irrep.map(|b| Cell::text(&irreps.irreps[b.index()].irrep.label));
            let name = class.map(|c| Cell::text(&cosets.names[c]));
            vec![
                label.unwrap_or(Cell::Missing("a neuron without an irrep".into())),
                name.unwrap_or(Cell::Missing("a neuron on no cosets".into())),
                Cell::count(class.map(|c| cosets.classes[c].conjugates), "a neuron on no cosets"),
                Cell::Count(neurons),
            ]
        };
        let columns = columns(&["irrep", "subgroups", "conjugates", "neurons"]);
        let rows = side_by_side(irreps, cosets).into_iter().map(row).collect();
        say!(screen, "\n{}", Table::new("Both side by side", columns, rows));
    } else {
        say!(screen, "\nNothing is said of cosets: the neurons do not read a map of x and a map of y.");
    }
    let all = [
        ("this model", Some(&controls.found)),
        ("untrained", controls.random_model.as_ref()),
        ("shuffled group", Some(&controls.relabelled)),
    ];
    let row = |(what, measures): (&str, Option<&(RepresentationMeasures, Option<CosetMeasures>)>)| {
        let (irreps, cosets) = measures?;
        let count = |cosets: &CosetMeasures| cosets.neurons.iter().filter(|neuron| neuron.class.is_some()).count();
        Some(vec![
            Cell::text(what),
            Cell::share(irreps.logit_fve, "the logits are equal over the classes"),
            Cell::Count(irreps.key.len()),
            Cell::share(irreps.hidden_fve(), "the hidden layer does not vary"),
            Cell::count(cosets.as_ref().map(count), "the neurons read no maps of x and of y"),
        ])
    };
    let columns =
        columns(&["measured on", "logits explained", "key irreps", "hidden layer explained", "neurons on cosets"]);
    let rows = all.into_iter().filter_map(row).collect();
    say!(screen, "\n{}", Table::new("Beside null controls", columns, rows));
}

fn columns(names: &[&'static str]) -> Vec<Term> {
    names.iter().map(|&name| Term::new(name, "")).collect()
}

fn milliseconds(start: Instant) -> f64 {
    1e3 * start.elapsed().as_secs_f64()
}

/// The measures with the keys of the published golden files.
pub fn to_json(measured: &Measured) -> Value {
    let (found, config) = (&measured.found, &measured.config);
    let irrep = |m: &IrrepMeasures| {
        let mut out = json!({
            "label": m.irrep.label,
            "kind": m.irrep.kind,
            "dim": m.irrep.dim,
            "frobenius_schur": m.irrep.kind.indicator(),
            "character": m.irrep.character.to_vec(),
            "trace_similarity": m.trace_similarity,
            "embed_left": m.embed_left,
            "embed_right": m.embed_right,
            "unembed": m.unembed,
            "unembed_centred": m.unembed_centred,
            "hidden_x": m.hidden_x,
            "hidden_y": m.hidden_y,
            "hidden_xy": m.hidden_xy,
        });
        add_losses(&mut out, m.losses, "");
        out
    };
    let loss = |evaluation: Option<Evaluation>| evaluation.map(|e| e.loss);
    let accuracy = |evaluation: Option<Evaluation>| evaluation.map(|e| e.accuracy);
    let mut out = json!({
        "group": config.group,
        "group_parameter": config.group_parameter,
        "coordinates": measured.coordinates,
        "order": measured.order,
        "width": found.neurons.neurons.len(),
        "train_loss": loss(found.train),
        "test_loss": loss(found.test),
        "all_loss": found.all.loss,
        "train_acc": accuracy(found.train),
        "test_acc": accuracy(found.test),
        "sum_of_squared_weights": measured.sum_of_squared_weights,
        "irreps": found.irreps.iter().map(irrep).collect::<Value>(),
        "logit_fve": found.logit_fve,
        "key": found.key,
        "hidden_fve_key": found.hidden_fve(),
        "hidden_xy_fve_key": found.over_key(|m| m.hidden_xy),
        "embed_left_fve_key": found.over_key(|m| m.embed_left),
        "embed_right_fve_key": found.over_key(|m| m.embed_right),
        "unembed_fve_key": found.over_key(|m| m.unembed),
        "unembed_centred_fve_key": found.over_key(|m| m.unembed_centred),
        "clusters": found.neurons.clusters().iter().map(|(&b, members)| json!({
            "irrep": b, "label": found.irreps[b.index()].irrep.label, "neurons": members,
            "no_better_than_random": members.iter()
                .map(|&k| found.neurons.neurons[k].no_better_than_random)
                .collect::<Value>(),
        })).collect::<Value>(),
        "tied": found.neurons.of_kind(NeuronKind::Tied),
        "constant": found.neurons.of_kind(NeuronKind::Constant),
        "dim": found.neurons.dim(),
    });
    if let Some(path) = found.path_alone {
        out["mlp_path_only_loss"] = json!(path.loss);
    }
    add_losses(&mut out, found.key_losses, "_key");
    if !measured.heads.is_empty() {
        out["heads"] = json!(measured.heads);
    }
    out
}

fn add_losses(out: &mut Value, losses: Option<KeyLosses>, suffix: &str) {
    let Some(losses) = losses else { return };
    out[format!("hidden_restricted_loss{suffix}")] = json!(losses.hidden_restricted.loss);
    out[format!("hidden_excluded_loss{suffix}")] = json!(losses.hidden_excluded.map(|e| e.loss));
    if let Some(published) = losses.hidden_excluded_path {
        out[format!("hidden_excluded_loss_published{suffix}")] = json!(published.loss);
    }
    out[format!("logit_restricted_loss{suffix}")] = json!(losses.logit_restricted.loss);
    out[format!("logit_excluded_loss{suffix}")] = json!(losses.logit_excluded.map(|e| e.loss));
}

/// Measures a trained network in the irreps of its group: the paper's measures, for any group.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    measuring: Measuring,
    /// Also measures the cosets of every neuron, an untrained network, and the model with the group's elements shuffled.
    #[arg(long)]
    controls: bool,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens representation                                   the shipped network, on D53
  irreplens representation runs/S5 --order orders/S5.json    a run on a symmetric group
  irreplens representation runs/D53 --controls               beside null controls
  irreplens representation acts.npz --group C113             activations recorded elsewhere";

/// Runs the subcommand.
///
/// # Errors
/// An output or a device that cannot be used; those of [`run`] and [`controls`].
pub(crate) fn measure(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, measuring, controls: with_controls, output } = arguments;
    let screen = output.screen(&[])?;
    let place = measuring.place(&screen)?;
    let order = source.order.as_deref();
    let doing = screen.doing("measuring the network");
    let mut runs = Vec::new();
    for i in 0..measuring.repeat {
        let start = Instant::now();
        let opened = source.open()?;
        if i == 0 {
            doing.aside(|| tell(&screen, &opened.run));
        }
        runs.push(of(&opened.run, order, &place, start)?);
    }
    doing.next("measuring an untrained network and a shuffled group");
    let controls = if with_controls { Some(controls(&source.open()?.run, order)?) } else { None };
    drop(doing);
    let times: Vec<_> = runs.iter().map(|run| [run.load_ms, run.analysis_ms, run.forward_ms]).collect();
    let timing = timing(&times);
    let last = runs.last().expect("at least one run");
    say!(screen, "{}\n", source.heading(&last.config));
    say!(screen, "Coordinates: {}\n\n{}", last.coordinates, last.found);
    last.heads.iter().for_each(|layer| say!(screen, "\n{layer}\n"));
    say!(screen, "milliseconds: {timing}");
    if let Some(controls) = &controls {
        print_controls(&screen, controls);
    }
    screen.finish(|| {
        let mut out = to_json(last);
        out["timing_ms"] = timing;
        if let Some(controls) = &controls {
            out["controls"] = json!(controls);
        }
        out
    })
}

//! `irreplens interpret`: explains a trained network in Fourier coordinates.
//!
//! The coordinates are named in the output; they are those of every report ([`Run::basis`]), or the ones asked for: along
//! the cyclic subgroup of an element of the largest order (`--along cyclic`), or the irreps of the whole group
//! (`--along irreps`).

use crate::Failure;
use crate::place::Place;
use crate::screen::{Output, Screen, say};
use crate::source::{Measuring, Source, tell, timing};
use irreplens::Error;
use irreplens::analysis::{
    Circularity, DistanceIrrelevance, FrequencyProfile, GradientSymmetricity, Interpretation, LayerHeads, Neuron,
    NeuronKind, circularity, clock_profile, distance_irrelevance, gradient_symmetricity, heads, interpret, neurons,
    notebook, published_triples, untrained,
};
use irreplens::checkpoint::{Run, RunConfig};
use irreplens::fourier::{BlockId, FourierBasis, IrrepBasis};
use irreplens::model::{Evaluation, Hook, Hooks, Interpretable};
use irreplens::task::Task;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// A run, read and explained.
pub struct Explained {
    /// Its settings.
    pub config: RunConfig,
    /// The coordinates it was looked at in.
    pub basis: Box<dyn FourierBasis>,
    /// What was found.
    pub found: Interpretation,
    /// The same with every neuron forced to a block, as the published golden files have it; only where some neuron has none.
    pub forced: Option<Interpretation>,
    /// What the heads of a transformer do; none of another model.
    pub heads: Vec<LayerHeads>,
    /// Clock or pizza, of a transformer.
    pub clock: Option<Clock>,
    /// With all neurons set to zero, of a model where more than the neurons reaches the logits.
    pub without_neurons: Option<Evaluation>,
    /// Milliseconds: reading the files; the analysis with all its passes; one forward pass over all pairs on its own.
    pub load_ms: f64,
    /// See `load_ms`.
    pub analysis_ms: f64,
    /// See `load_ms`.
    pub forward_ms: f64,
}

/// Whether a transformer is a clock or a pizza.
pub struct Clock {
    /// Whether both elements are embedded by one table.
    pub tied_embedding: bool,
    /// How much the correct logit depends on more than the distance of the two elements.
    pub distance: DistanceIrrelevance,
    /// How alike its gradients are, over the triples that the published code draws.
    pub gradients: Option<GradientSymmetricity>,
    /// How circular the embedding is, on a cyclic group.
    pub circularity: Option<Circularity>,
    /// The amplitude of every frequency in the logits, on a cyclic group.
    pub profile: Option<Vec<FrequencyProfile>>,
    /// What is missing and why.
    pub notes: Vec<String>,
}

/// The measures of "The Clock and the Pizza"; over the published sample of triples, for all n^3 take a minute.
fn clock(model: &dyn Interpretable, task: &Task) -> irreplens::Result<Clock> {
    let mut notes = Vec::new();
    let triples = published_triples(task.order())?;
    let gradients = said(gradient_symmetricity(model, Some(&triples)), &mut notes)?;
    let circularity = said(circularity(model, task), &mut notes)?;
    let profile = said(clock_profile(model, task), &mut notes)?;
    let tied_embedding = model.embeddings().is_some_and(|(left, right)| left == right);
    Ok(Clock { tied_embedding, distance: distance_irrelevance(model, task)?, gradients, circularity, profile, notes })
}

/// `None`, with the reason among the notes, for what a model or a group does not have.
fn said<T>(found: irreplens::Result<T>, notes: &mut Vec<String>) -> irreplens::Result<Option<T>> {
    match found {
        Err(reason @ Error::Unsupported { .. }) => {
            notes.push(reason.to_string());
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Coordinates that can be asked for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Along {
    /// The powers of an element of the largest order.
    Cyclic,
    /// The irreps of the whole group.
    Irreps,
}

/// Reads a run directory and explains its model, in the coordinates of [`Run::basis`].
///
/// # Errors
/// Those of reading the run and the element order, and of [`interpret`].
pub fn run(directory: &Path, order: Option<&Path>, place: &Place) -> irreplens::Result<Explained> {
    run_along(directory, order, place, None)
}

/// [`run`] in the coordinates asked for.
///
/// # Errors
/// Those of [`run`].
pub fn run_along(
    directory: &Path,
    order: Option<&Path>,
    place: &Place,
    along: Option<Along>,
) -> irreplens::Result<Explained> {
    let start = Instant::now();
    of(&Run::open(directory)?, order, place, along, start)
}

/// Explains the model of a run; its files have been read since `start`.
pub(crate) fn of(
    run: &Run,
    order: Option<&Path>,
    place: &Place,
    along: Option<Along>,
    start: Instant,
) -> irreplens::Result<Explained> {
    let model = place.place(run.model()?)?;
    let (group, permutations) = run.group_in_order(order)?;
    let load_ms = milliseconds(start);

    let start = Instant::now();
    let permutations = permutations.as_ref();
    let basis: Box<dyn FourierBasis> = match along {
        None => run.basis(&group, permutations)?,
        Some(Along::Cyclic) => Box::new(run.cyclic_basis(&group)),
        Some(Along::Irreps) => Box::new(IrrepBasis::from_irreps(&group, run.irreps(&group, permutations)?)?),
    };
    let task = Task::try_new(&group)?;
    let mut found = interpret(&model, &*basis, &task)?;
    let analysis_ms = milliseconds(start);
    let [tied, constant] = [NeuronKind::Tied, NeuronKind::Constant].map(|kind| found.neurons.of_kind(kind));
    if !tied.is_empty() {
        let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations)?)?;
        found.neurons.name_ties(&neurons(&model, &irreps)?);
    }
    let forced = match tied.is_empty() && constant.is_empty() {
        true => None,
        false => Some(notebook::interpret(&model, &*basis, &task, notebook::Labels::Forced)?),
    };
    let heads = heads(&model, &*basis, &task)?;
    let clock = if heads.is_empty() { None } else { Some(clock(&model, &task)?) };
    let neurons_alone = model.readout().site() == model.neuron_site();
    let hooks = Hooks::none().with(Hook::zero(model.neuron_site()));
    let without_neurons = if neurons_alone { None } else { Some(model.evaluate(&task, &hooks)?) };
    if let Some(untrained) = untrained(run)? {
        found.neurons.compare_with(&neurons(&untrained, &*basis)?);
    }

    let start = Instant::now();
    model.evaluate(&task, &Hooks::none())?;
    Ok(Explained {
        config: run.config.clone(),
        basis,
        found,
        forced,
        heads,
        clock,
        without_neurons,
        load_ms,
        analysis_ms,
        forward_ms: milliseconds(start),
    })
}

fn milliseconds(start: Instant) -> f64 {
    1e3 * start.elapsed().as_secs_f64()
}

/// The findings, with the keys, array shapes and meanings of the published golden files, and those that tell more beside.
///
/// The published keys have every neuron in some cluster, tied or constant as it may be, and measure the logits as they are.
/// `neuron_tied` lists neurons of which no block leads the next. `neuron_kind`, and the keys that end in `_untied` and
/// `_centred`, leave neurons without a block where they are, and measure the logits less each pair's mean over the classes.
pub fn to_json(explained: &Explained) -> Value {
    let mut out = published(explained);
    let found = &explained.found;
    let column = |value: fn(&Neuron) -> Value| found.neurons.neurons.iter().map(value).collect::<Value>();
    let more = json!({
        "neuron_tied": found.neurons.of_kind(NeuronKind::Tied),
        "neuron_kind": column(|n| json!(n.kind)),
        "neuron_block_untied": column(|n| json!(n.block)),
        "neuron_tied_irrep": column(|n| json!(n.elsewhere)),
        "neuron_no_better_than_random": column(|n| json!(n.no_better_than_random)),
        "clusters_untied": cluster_sizes(found),
        "loss_without_cluster_untied": losses(&found.without_cluster),
        "loss_own_frequency_only_untied": found.own_block_only.map(|e| e.loss),
        "loss_parity_ablated_untied": found.published.parity.map(|e| e.loss),
        "unembed_spectrum_centred": list(&found.embedding.unembed_centred),
        "logit_energy_split_centred": found.logit_shares().map(split),
        "logit_mean_square_centred": rows(&found.logit_spectrum.mean_square),
    });
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    if let Some(of) = &explained.clock {
        clock_json(&mut out, of);
        out["heads"] = json!(explained.heads);
    }
    out
}

/// The keys of the golden files of clock and pizza; `null` for what a group does not have, with the reasons in `clock_notes`.
fn clock_json(out: &mut Value, of: &Clock) {
    out["tied_embedding"] = json!(of.tied_embedding);
    out["distance_irrelevance_left"] = json!(of.distance.left);
    out["distance_irrelevance_right"] = json!(of.distance.right);
    out["gradient_symmetricity_published_sample"] = json!(of.gradients.and_then(|found| found.embeddings));
    out["gradient_symmetricity_tokens_published_sample"] = json!(of.gradients.map(|found| found.tokens));
    out["circularity_left"] = json!(of.circularity.and_then(|found| found.left));
    out["circularity_right"] = json!(of.circularity.and_then(|found| found.right));
    let profile = |all: &Vec<FrequencyProfile>| all.iter().map(|k| (k.frequency.to_string(), json!(k))).collect();
    out["profile"] = of.profile.as_ref().map_or(Value::Null, |all| Value::Object(profile(all)));
    out["clock_notes"] = json!(of.notes);
}

fn losses(by_block: &Option<BTreeMap<BlockId, Evaluation>>) -> Map<String, Value> {
    by_block.iter().flatten().map(|(b, e)| (b.to_string(), json!(e.loss))).collect()
}

fn cluster_sizes(found: &Interpretation) -> Map<String, Value> {
    found.neurons.clusters().iter().map(|(b, members)| (b.to_string(), json!(members.len()))).collect()
}

fn split(shares: irreplens::model::Split2d) -> Value {
    json!({
        "constant": shares.constant, "linear_x": shares.linear_x, "linear_y": shares.linear_y,
        "quadratic_same_block": shares.within_block, "quadratic_cross_block": shares.across_blocks,
    })
}

/// The keys of the golden files.
fn published(explained: &Explained) -> Value {
    let (found, config) = (explained.forced.as_ref().unwrap_or(&explained.found), &explained.config);
    let embedding = &found.embedding;
    let neurons = &found.neurons.neurons;
    let column = |value: fn(&Neuron) -> Value| neurons.iter().map(value).collect::<Value>();
    let by_block = |values: &dyn Fn(usize) -> Value| {
        found.directions.blocks.iter().enumerate().map(|(i, b)| (b.to_string(), values(i))).collect::<Map<_, _>>()
    };
    let mut out = json!({
        "coordinates": found.coordinates,
        "group": config.group,
        "group_parameter": config.group_parameter,
        "order": explained.basis.order(),
        "width": neurons.len(),
        "loss": found.baseline.loss,
        "accuracy": found.baseline.accuracy,
        "components": embedding.components,
        "embed_left_spectrum": list(&embedding.embed_left),
        "embed_right_spectrum": list(&embedding.embed_right),
        "neuron_left_spectrum": list(&embedding.neuron_left),
        "neuron_right_spectrum": list(&embedding.neuron_right),
        "unembed_sum_spectrum": list(&found.published.unembed_sum),
        "unembed_spectrum": list(&embedding.unembed),
        "loss_hidden_centred": found.hidden_centred.map(|e| e.loss),
        "hidden_energy_split": found.neuron_spectrum.split_centred().shares().map(split),
        "logit_energy_split": found.raw_logit_split().shares().map(split),
        "hidden_mean_square": rows(&found.neuron_spectrum.mean_square_centred()),
        "logit_mean_square": rows(&found.raw_logit_mean_square()),
        "neuron_share": column(|n| json!(n.share)),
        "neuron_frequency": column(|n| json!(n.block)),
        "neuron_fraction_explained": column(|n| json!(n.fraction_explained)),
        "neuron_runner_up": column(|n| json!(n.runner_up)),
        "neuron_fraction_centred": column(|n| json!(n.fraction_centred)),
        "chance_fraction": (1..found.neurons.blocks.len())
            .map(|b| (b.to_string(), json!(found.neurons.chance[b])))
            .collect::<Map<_, _>>(),
        "clusters": cluster_sizes(found),
        "clusters_as_published": found.published.clusters,
        "loss_own_frequency_only": found.own_block_only.map(|e| e.loss),
        "loss_without_cluster": losses(&found.without_cluster),
        "unembed_sum_spectrum_by_cluster": found.published.unembedding_by_cluster
            .iter()
            .map(|(b, norms)| (b.to_string(), json!(norms.to_vec())))
            .collect::<Map<_, _>>(),
        "logit_direction_energy": by_block(&|i| nested(&found.directions.energy, i)),
        "logit_product_share": match &found.directions.product_share {
            Some(share) => Value::Object(by_block(&|i| nested(share, i))),
            None => Value::Null,
        },
    });
    if let Some(bias) = &embedding.output_bias {
        out["output_bias_spectrum"] = json!(bias.to_vec());
    }
    if let Some(without) = &explained.without_neurons {
        out["loss_without_neurons"] = json!(without.loss);
    }
    if let Some(last) = explained.heads.last().map(|layer| &layer.patterns) {
        let positions = last.heads.first().map_or(0, Vec::len);
        let mean = |p: usize| last.heads.iter().map(|head| head[p].mean).collect::<Vec<_>>();
        out["pattern_mean"] = (0..positions).map(|p| json!(mean(p))).collect();
    }
    if let Some(parity) = &found.published.parity {
        out["loss_parity_ablated"] = json!(parity.loss);
    }
    out
}

fn list(norms: &Option<ndarray::Array1<f64>>) -> Value {
    json!(norms.as_ref().map(|norms| norms.to_vec()))
}

fn rows(matrix: &ndarray::Array2<f64>) -> Value {
    matrix.outer_iter().map(|row| json!(row.to_vec())).collect()
}

fn nested<T: Copy + serde::Serialize>(array: &ndarray::Array4<T>, block: usize) -> Value {
    let array = array.index_axis(ndarray::Axis(0), block);
    array.outer_iter().map(|plane| plane.outer_iter().map(|row| json!(row.to_vec())).collect::<Value>()).collect()
}

/// Explains a trained network: which frequencies or irreps its neurons compute with, and what ablation says of it.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The coordinates: along the cyclic subgroup of an element of the largest order, or the irreps of the whole group; those
    /// of the report where this is not given.
    #[arg(long, value_name = "COORDINATES")]
    along: Option<Along>,
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  irreplens interpret                                   the shipped network, on D53
  irreplens interpret runs/S5 --order orders/S5.json    a run on a symmetric group
  irreplens interpret runs/D53 --json found.json        every number, for other programs
  irreplens interpret runs/D53 --json - | jq .loss      JSON alone
  irreplens interpret acts.npz --group C113             activations recorded elsewhere";

/// Frequencies with less than this share of the amplitudes' square sum are not printed.
const PRINTED: f64 = 0.01;

fn print_clock(screen: &Screen, clock: &Clock) {
    say!(screen, "\nClock or pizza\n  {}", clock.distance);
    clock.gradients.iter().for_each(|found| say!(screen, "  {found}"));
    clock.circularity.iter().for_each(|found| say!(screen, "  {found}"));
    let printed = clock.profile.iter().flatten().filter(|found| found.share.is_some_and(|share| share >= PRINTED));
    printed.for_each(|found| say!(screen, "  {found}"));
    clock.notes.iter().for_each(|note| say!(screen, "  none: {note}"));
    say!(screen);
}

/// Runs the subcommand.
///
/// # Errors
/// An output or a device that cannot be used; those of [`run`].
pub(crate) fn explain(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { source, along, measuring, output } = arguments;
    let screen = output.screen(&[])?;
    let place = measuring.place(&screen)?;
    let doing = screen.doing("explaining the network");
    let mut runs = Vec::new();
    for i in 0..measuring.repeat {
        let start = Instant::now();
        let opened = source.open()?;
        if i == 0 {
            doing.aside(|| tell(&screen, &opened.run));
        }
        runs.push(of(&opened.run, source.order.as_deref(), &place, along, start)?);
    }
    drop(doing);
    let times: Vec<_> = runs.iter().map(|run| [run.load_ms, run.analysis_ms, run.forward_ms]).collect();
    let timing = timing(&times);
    let last = runs.last().expect("at least one run");
    say!(screen, "{}\n", source.heading(&last.config));
    say!(screen, "{}", last.found);
    last.heads.iter().for_each(|layer| say!(screen, "\n{layer}"));
    if let Some(clock) = &last.clock {
        print_clock(&screen, clock);
    }
    say!(screen, "milliseconds: {timing}");
    screen.finish(|| {
        let mut out = to_json(last);
        out["timing_ms"] = timing;
        out
    })
}

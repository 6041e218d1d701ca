//! The report of a run directory: that of its model, and its training.

use super::figures;
use super::{Control, Page, Subject, of_model};
use crate::analysis::terms::{COMPUTES, SETTING, STEP, VALUE, WEIGHTS};
use crate::analysis::{Cell, Table, progress, untrained};
use crate::checkpoint::{GroupKind, History, Run};
use crate::error::Result;
use crate::fourier::{FourierBasis, IrrepBasis};
use crate::group::Group;
use crate::model::Interpretable;
use crate::task::Task;
use serde_json::Value;
use std::path::Path;

/// Checkpoints on the slider, at most.
const CHECKPOINTS: usize = 100;

/// The whole report of a run directory: that of its model ([`of_model`]) and, where there are checkpoints or a
/// `metrics.csv`, its training.
///
/// The pictures are in the coordinates of [`Run::basis`]; the page names them.
///
/// # Arguments
/// `order`: the element order that a symmetric or alternating run was trained with ([`Run::group_in_order`]); `place`: where
/// the model runs; `step`: is told, before each of the longer steps, what comes.
///
/// # Errors
/// The errors of reading the element order, the split and the checkpoints, of `place`, and of [`of_model`].
///
/// ```no_run
/// use irreplens::{checkpoint::Run, report::of_run};
/// let page = of_run(&Run::open("runs/D53")?, None, &Ok, &mut |step| eprintln!("{step}"))?;
/// page.write("report.html")?;
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn of_run(
    run: &Run,
    order: Option<&Path>,
    place: &dyn Fn(Box<dyn Interpretable>) -> Result<Box<dyn Interpretable>>,
    step: &mut dyn FnMut(&str),
) -> Result<Page> {
    step("reading the run");
    let (group, permutations) = run.group_in_order(order)?;
    let (model, (split, unknown)) = (place(run.model()?)?, run.split_or_reason()?);
    step("irreps of the group");
    let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?;
    let along = run.along(&group);
    let basis: &dyn FourierBasis = along.as_ref().map_or(&irreps, |along| along);
    let sectors = match (&run.config.group, basis.sectors()) {
        (GroupKind::DihedralGroup, [first, _]) => {
            let names = if first.contains(&group.identity()) { ["rot", "ref"] } else { ["ref", "rot"] };
            names.map(String::from).to_vec()
        }
        (_, sectors) => (0..sectors.len()).map(|s| format!("sector {s}")).collect(),
    };
    let name = std::path::absolute(run.directory())
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let title = format!("{}: a network on {}", name.as_deref().unwrap_or("run"), group.name());
    let untrained = untrained(run)?;
    let untrained = untrained.as_deref();
    // Of recorded activations there is none.
    let network = if run.is_recorded() { None } else { Some(run.network()?) };
    let subject = Subject {
        title,
        model: &model,
        group: &group,
        basis,
        sectors,
        irreps: &irreps,
        split: &split,
        untrained,
        network: network.as_ref(),
    };
    let mut page = of_model(&subject, step)?;
    if let Some(reason) = unknown {
        page.text(format!("Nothing is said of training and test pairs alone: {reason}."));
    }
    training(&mut page, run, basis, &irreps, &Task::try_new(&group)?, step)?;
    settings(&mut page, run)?;
    Ok(page)
}

fn training(
    page: &mut Page,
    run: &Run,
    basis: &dyn FourierBasis,
    irreps: &IrrepBasis,
    task: &Task,
    step: &mut dyn FnMut(&str),
) -> Result<()> {
    let (history, checkpoints) = (run.history()?, run.checkpoints()?);
    if history.is_none() && checkpoints.is_empty() {
        return Ok(());
    }
    page.section("Training");
    let measures = if checkpoints.is_empty() {
        None
    } else {
        step(&format!("progress measures of {} checkpoints", checkpoints.len()));
        Some(progress(run, basis, irreps, task)?)
    };
    if let Some(history) = history.or_else(|| measures.as_ref().map(History::from)) {
        page.figures(figures::training_curves(&history));
    }
    let Some(measures) = measures else { return Ok(()) };
    page.text("At every checkpoint, with the key blocks and key irreps of the model of this page held fixed.");
    measures.notes.iter().for_each(|note| page.text(format!("Note: {note}.")));
    page.figures(figures::progress_curves(&measures));
    page.figures(figures::key_block_curves(&measures));
    let of_irreps = figures::key_irrep_curves(&measures).into_iter().map(|figure| (figure.title.clone(), vec![figure]));
    page.choice(Control::Select, "Of key irreps", of_irreps.collect());
    page.table(measures.table());
    page.table(measures.theory_table());
    let shown = figures::spread(&measures.rows.iter().collect::<Vec<_>>(), CHECKPOINTS);
    if shown.len() < checkpoints.len() {
        page.text(format!("{} of {} checkpoints are on the slider.", shown.len(), checkpoints.len()));
    }
    let at: Vec<_> = shown.iter().map(|row| (row.epoch, &row.embedding)).collect();
    let labels = at.iter().map(|(epoch, _)| format!("epoch {epoch}"));
    page.choice(Control::Slider, "Checkpoint", labels.zip(figures::checkpoint_spectra(&at)).collect());
    Ok(())
}

fn settings(page: &mut Page, run: &Run) -> Result<()> {
    page.section("Settings of the run");
    run.notes().iter().for_each(|note| page.text(format!("Note: {note}.")));
    page.facts(run.sum_of_squared_weights()?.map(|sum| (WEIGHTS, Cell::Number(sum))).into_iter().collect());
    if !run.is_recorded() {
        let steps = run.architecture()?.to_string();
        let row =
            |step: &str| step.split_once(" = ").map(|(name, does)| [name, does].map(|t| Cell::Text(t.into())).to_vec());
        page.table(Table {
            title: "Steps of the network".into(),
            columns: vec![STEP, COMPUTES],
            rows: steps.lines().filter_map(row).collect(),
        });
    }
    let settings = serde_json::to_value(&run.config).expect("settings are JSON");
    let row = |(key, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Object(_) if key == "model" => "the steps above".into(),
            value => value.to_string(),
        };
        vec![Cell::Text(key.clone()), Cell::Text(text)]
    };
    // Of recorded activations nothing else is known.
    let known = |(key, _): &(&String, &Value)| !run.is_recorded() || key.starts_with("group");
    page.table(Table {
        title: "cfg.json".into(),
        columns: vec![SETTING, VALUE],
        rows: settings.as_object().into_iter().flatten().filter(known).map(row).collect(),
    });
    Ok(())
}

use super::figures::{self, History};
use super::term::*;
use super::{Cell, Control, Page, Subject, Table, of_model};
use crate::analysis::{embedding, progress};
use crate::checkpoint::{GroupKind, Run};
use crate::error::{Error, Result};
use crate::fourier::{FourierBasis, IrrepBasis};
use crate::group::Group;
use crate::model::Interpretable;
use crate::task::Task;
use serde_json::Value;
use std::path::Path;

/// Checkpoints on the slider, at most.
const CHECKPOINTS: usize = 100;
/// Cosets of the longest cyclic subgroup up to which the pictures are along it; beyond, they are in the irreps.
const SECTORS: usize = 2;

/// The whole report of a run directory: that of its model ([`of_model`]) and, where there are checkpoints or a
/// `metrics.csv`, its training.
///
/// The pictures are in cosines and sines where the group has a cyclic subgroup of index 2 at most, else in the matrix
/// coefficients of its irreps.
///
/// # Arguments
/// `order`: a file of permutations, the element order that a symmetric or alternating run was trained with; `place`: where
/// the model runs; `step`: is told, before each of the longer steps, what comes.
///
/// # Errors
/// Those of reading the run and the element order, of `place`, and of [`of_model`].
///
/// ```no_run
/// use irreplens::report::of_run;
/// let page = of_run("runs/D53".as_ref(), None, &Ok, &mut |step| eprintln!("{step}"))?;
/// page.write("report.html")?;
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn of_run(
    directory: &Path,
    order: Option<&Path>,
    place: &dyn Fn(Box<dyn Interpretable>) -> Result<Box<dyn Interpretable>>,
    step: &mut dyn FnMut(&str),
) -> Result<Page> {
    step("reading the run");
    let run = Run::open(directory)?;
    run.notes().iter().for_each(|note| step(note));
    let (group, permutations) = run.group_in_order(order)?;
    let (model, split) = (place(run.model()?)?, run.split()?);
    step("irreps of the group");
    let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?;
    let along = run.cyclic_basis(&group);
    let cyclic = along.sectors().len() <= SECTORS;
    let basis: &dyn FourierBasis = if cyclic { &along } else { &irreps };
    let sectors = match (run.config.group, basis.sectors().len()) {
        (GroupKind::DihedralGroup, 2) => vec!["rot".into(), "ref".into()],
        (_, count) => (0..count).map(|s| format!("sector {s}")).collect(),
    };
    let name =
        std::path::absolute(directory).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let title = format!("{}: a network on {}", name.as_deref().unwrap_or("run"), group.name());
    let subject = Subject { title, model: &model, group: &group, basis, sectors, irreps: &irreps, split: &split };
    let mut page = of_model(&subject, step)?;
    training(&mut page, &run, basis, &Task::new(&group), step)?;
    settings(&mut page, &run);
    Ok(page)
}

fn training(
    page: &mut Page,
    run: &Run,
    basis: &dyn FourierBasis,
    task: &Task,
    step: &mut dyn FnMut(&str),
) -> Result<()> {
    let (history, checkpoints) = (History::read(run)?, run.checkpoints()?);
    if history.is_none() && checkpoints.is_empty() {
        return Ok(());
    }
    page.section("Training");
    let measures = if checkpoints.is_empty() {
        None
    } else {
        step(&format!("progress measures of {} checkpoints", checkpoints.len()));
        match progress(run, basis, task) {
            Err(Error::Unsupported { .. }) => None,
            found => Some(found?),
        }
    };
    if let Some(history) = history.or_else(|| measures.as_ref().map(History::from)) {
        page.figures(figures::training_curves(&history));
    }
    if let Some(measures) = &measures {
        page.text("At every checkpoint, with the blocks that own a cluster at the last one.");
        page.figures(figures::progress_curves(measures));
    }
    let shown = figures::spread(&checkpoints, CHECKPOINTS);
    if shown.is_empty() {
        return Ok(());
    }
    if shown.len() < checkpoints.len() {
        page.text(format!("{} of {} checkpoints are on the slider.", shown.len(), checkpoints.len()));
    }
    let at = shown.iter().map(|(epoch, path)| Ok((*epoch, embedding(&run.at(path)?.model()?, basis)?)));
    let at: Vec<_> = at.collect::<Result<_>>()?;
    let labels = at.iter().map(|(epoch, _)| format!("epoch {epoch}"));
    page.choice(Control::Slider, "Checkpoint", labels.zip(figures::checkpoint_spectra(&at)).collect());
    Ok(())
}

fn settings(page: &mut Page, run: &Run) {
    page.section("Settings of the run");
    page.facts(vec![(WEIGHTS, Cell::Number(run.sum_of_squared_weights()))]);
    let settings = serde_json::to_value(&run.config).expect("settings are JSON");
    let row = |(key, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        vec![Cell::Text(key.clone()), Cell::Text(text)]
    };
    page.table(Table {
        caption: "cfg.json".into(),
        columns: vec![SETTING, VALUE],
        rows: settings.as_object().into_iter().flatten().map(row).collect(),
    });
}

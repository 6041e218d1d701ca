//! A training run checkpoint by checkpoint: losses, key blocks and key irreps of the final model, and spectra.

use super::embedding::{EmbeddingSpectra, embedding};
use super::irrep_parts::{Irreps, maps_and_path, neuron_parts};
use super::logits::check_order;
use super::margin::{Margin, margin};
use super::measures::{KeyBlock, NO_MAP, ProgressMeasures, loss, measures_of_pass};
use super::neurons::neurons;
use super::parts::SplitPairs;
use super::representation::{CONSTANT_LAYER, EQUAL_LOGITS, IrrepMeasures, KeyLosses, irreps_of_pass, key_irreps};
use super::sparsity::{Sparsity, sparsity};
use super::table::{Cell, Table, Term};
use super::terms::*;
use super::{phases, rank_one};
use crate::checkpoint::{History, Run};
use crate::error::{Error, Result};
use crate::fourier::{Block, BlockId, FourierBasis, IrrepBasis};
use crate::model::{Evaluation, Interpretable, check_task};
use crate::task::Task;
use std::fmt;

/// One irrep at one checkpoint: the numbers of [`IrrepMeasures`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct IrrepRow {
    /// Its share of the square norm of the map x -> neuron; `None` as in [`IrrepMeasures::embed_left`].
    pub embed_left: Option<f64>,
    /// Its share of the square norm of the map y -> neuron.
    pub embed_right: Option<f64>,
    /// Its share of the square norm of W_U less its mean over the classes.
    pub unembed_centred: Option<f64>,
    /// Share of the centred hidden layer's square norm that is a function of x in the irrep.
    pub hidden_x: Option<f64>,
    /// Share of the centred hidden layer's square norm that is a function of y in the irrep.
    pub hidden_y: Option<f64>,
    /// Share of the centred hidden layer's square norm that is a function of xy in the irrep.
    pub hidden_xy: Option<f64>,
    /// Cosine of the centred logits with chi(x y z^-1); `None` for logits that are equal over z.
    pub trace_similarity: Option<f64>,
    /// What its parts are worth, of a key irrep of the run's model.
    pub losses: Option<KeyLosses>,
}

impl From<IrrepMeasures> for IrrepRow {
    fn from(of: IrrepMeasures) -> Self {
        let IrrepMeasures { embed_left, embed_right, unembed_centred, hidden_x, hidden_y, hidden_xy, .. } = of;
        let IrrepMeasures { trace_similarity, losses, .. } = of;
        Self { embed_left, embed_right, unembed_centred, hidden_x, hidden_y, hidden_xy, trace_similarity, losses }
    }
}

/// The measures of theory at one checkpoint; those of three maps are of the left map, the right map and the unembedding.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct TheoryRow {
    /// Gini coefficients of the maps' spectra along the irreps ([`sparsity`]).
    pub gini: [Option<f64>; 3],
    /// Inverse participation ratios of the neurons' spectra along the irreps ([`sparsity`]).
    pub inverse_participation_ratio: [Option<f64>; 3],
    /// Shares of rank one of the maps' matrices ([`rank_one`](super::rank_one())).
    pub rank_one: Option<[f64; 3]>,
    /// Squared cosines of the vectors u, v and w that maps have in common ([`rank_one`](super::rank_one())).
    pub shared: Option<[f64; 3]>,
    /// Phase alignment ([`phases`](super::phases())).
    pub alignment: Option<f64>,
    /// The margin over all pairs ([`margin`]).
    pub margin: Margin,
}

impl TheoryRow {
    /// The measures of one model; `irreps` to take its neurons apart with, where that can be done.
    fn new(model: &dyn Interpretable, basis: &IrrepBasis, task: &Task, irreps: Option<&Irreps>) -> Result<Self> {
        let sparsity = match sparsity(model, basis) {
            Err(Error::Unsupported { .. }) => None,
            sparsity => Some(sparsity?),
        };
        let of_maps = |of: fn(&Sparsity) -> f64| {
            let maps = sparsity.as_ref().map(|s| [&s.left, &s.right, &s.unembed]);
            maps.map_or([None; 3], |maps| maps.map(|map| map.as_ref().map(of)))
        };
        let mut row = Self {
            gini: of_maps(|sparsity| sparsity.gini),
            inverse_participation_ratio: of_maps(|sparsity| sparsity.inverse_participation_ratio),
            rank_one: None,
            shared: None,
            alignment: None,
            margin: margin(model, task)?,
        };
        if let Some(irreps) = irreps {
            let parts = neuron_parts(model, irreps, "progress of a run")?;
            let of = rank_one::of_parts(irreps, &parts)?;
            (row.rank_one, row.shared) = (of.rank_one, of.shared);
            row.alignment = phases::of_parts(irreps, &parts).alignment;
        }
        Ok(row)
    }
}

/// A checkpoint's row of [`Progress`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ProgressRow {
    /// Epochs trained; of checkpoints that are named by steps, these.
    pub epoch: u64,
    /// Sum of the squares of all weights, the optimiser's tensors left out.
    pub sum_of_squared_weights: f64,
    /// Over all pairs.
    pub all: Evaluation,
    /// Over the training pairs; `None` where there are none or the split is not known.
    pub train: Option<Evaluation>,
    /// Over the test pairs; `None` where there are none or the split is not known.
    pub test: Option<Evaluation>,
    /// The measures of key blocks, with the same blocks in every row; `None` for a model without them.
    pub measures: Option<ProgressMeasures>,
    /// Every irrep, in the order of [`Progress::irreps`].
    pub irreps: Vec<IrrepRow>,
    /// What the parts of all key irreps are worth together; `None` without key irreps.
    pub key_irrep_losses: Option<KeyLosses>,
    /// Share of the centred logits' square norm along the characters of nontrivial irreps; `None` for logits that are equal
    /// over the classes.
    pub logit_fve: Option<f64>,
    /// Squared norms of embeddings, maps to neurons, unembedding and output bias in every component.
    pub embedding: EmbeddingSpectra,
    /// Sparsity, alignment and margin.
    pub theory: TheoryRow,
}

/// A training run, checkpoint by checkpoint: what [`progress`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// What the coordinates are ([`FourierBasis::name`]).
    pub coordinates: String,
    /// The blocks of the coordinates.
    pub blocks: Vec<Block>,
    /// The key blocks: those that own a cluster of neurons in the run's model.
    pub keys: Vec<BlockId>,
    /// Labels of the irreps.
    pub irreps: Vec<String>,
    /// The key irreps of the run's model.
    pub key_irreps: Vec<BlockId>,
    /// What is missing in all rows and why, and what was chosen in reading the checkpoints; sentences, mostly none.
    pub notes: Vec<String>,
    /// The checkpoints, by epoch.
    pub rows: Vec<ProgressRow>,
}

/// The losses of the checkpoints, as [`Run::history`] gives those of every epoch.
impl From<&Progress> for History {
    fn from(progress: &Progress) -> Self {
        let mut history = Self::default();
        for row in &progress.rows {
            history.epochs.push(row.epoch);
            history.all.push(Some(row.all));
            history.train.push(row.train);
            history.test.push(row.test);
        }
        history
    }
}

/// Every measure of a run at every one of its checkpoints, with the key blocks and key irreps of its final model held fixed.
///
/// The final model is the run's own ([`Run::model`]): its final weights or, without these, its last checkpoint. Its key
/// blocks are those that own a cluster of neurons, its key irreps those of
/// [`representation`](super::representation()). Restricted and excluded losses are of these at every checkpoint, so that they
/// show when what the final model computes with came about; [`progress_measures`](super::progress_measures) and
/// [`representation`](super::representation()) define them.
///
/// A measure that the model does not have, or that needs a split where the settings do not say it, is `None`, and
/// [`Progress::notes`] has the reason.
///
/// # Arguments
/// `basis`, `irreps` and `task`: of the run's group, [`Run::group`]; for the basis see [`Run::basis`], for the irreps
/// [`Run::irreps`].
///
/// # Errors
/// [`Error::Unsupported`] for a run without checkpoints; the errors of [`Run::split`], [`Run::checkpoints`], [`Run::at`] and
/// [`Run::model`]: no checkpoint is left out, and a damaged one is an error that names it. [`Error::InFile`] around what the
/// measures of a checkpoint fail with. [`Error::Shape`] and [`Error::OtherGroup`] for a basis or task of another group.
///
/// Cost: for every checkpoint two passes over all pairs, two over the training pairs, and the block energies of the neurons. One
/// checkpoint is in memory at a time.
///
/// ```no_run
/// use irreplens::analysis::progress;
/// use irreplens::{checkpoint::Run, fourier::IrrepBasis, task::Task};
/// let run = Run::open("runs/C113")?;
/// let group = run.group()?;
/// let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, None)?)?;
/// println!("{}", progress(&run, &*run.basis(&group, None)?, &irreps, &Task::new(&group))?);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", section 5.1; Chughtai,
/// Chan, Nanda 2023, "A Toy Model of Universality".
pub fn progress(run: &Run, basis: &(impl FourierBasis + ?Sized), irreps: &IrrepBasis, task: &Task) -> Result<Progress> {
    let basis: &dyn FourierBasis = &basis;
    let checkpoints = run.checkpoints()?;
    if checkpoints.is_empty() {
        return Err(Error::Unsupported { analysis: "progress of a run", needs: "checkpoints in its directory" });
    }
    check_order(basis, task)?;
    check_order(irreps, task)?;
    let (split, unknown) = run.split_or_reason()?;
    let sets = SplitPairs::new(task, &split)?;
    let mut notes = Vec::new();
    match unknown {
        Some(reason) => notes.push(format!("no measures of training and test pairs alone: {reason}")),
        None if split.train.is_empty() => notes.push("no excluded losses: there are no training pairs".into()),
        None => {}
    }

    let model = run.model()?;
    check_task(&model, task)?;
    let found = || -> Result<_> {
        let clusters = neurons(&model, basis)?.clusters();
        Ok((clusters.into_keys().collect::<Vec<_>>(), key_irreps(irreps, task, &sets.sums(&model, task)?)?))
    };
    let (keys, key_irreps) = found().map_err(Error::in_file(run.weights()))?;
    if keys.is_empty() {
        notes.push("no key blocks: none owns a cluster of neurons in the run's model".into());
    }
    if key_irreps.is_empty() {
        notes.push("no key irreps: the logits of the run's model resemble no character".into());
    }

    // Matrices of all irreps, where the model has neurons to take apart with them and they fit.
    let irrep_parts = || {
        maps_and_path(&model, "progress of a run")?;
        Irreps::new(&task.cayley_table()?, irreps, "progress of a run")
    };
    let parts = match irrep_parts() {
        Err(reason @ (Error::Unsupported { .. } | Error::Memory { .. })) => {
            notes.push(format!("no alignment of neurons: {reason}"));
            None
        }
        parts => Some(parts?),
    };

    let mut rows = Vec::with_capacity(checkpoints.len());
    for (epoch, path) in &checkpoints {
        let at = run.at(path)?;
        let model = at.model()?;
        let mut reasons = at.notes().to_vec();
        let mut row = || {
            let pass = sets.sums(&model, task)?;
            let measures = match measures_of_pass(&model, basis, task, &sets, &pass, &keys) {
                Err(reason @ Error::Unsupported { .. }) => {
                    reasons.push(format!("no measures of key blocks: {reason}"));
                    None
                }
                measures => Some(measures?),
            };
            let of_irreps = irreps_of_pass(&model, irreps, task, &sets, &pass, Some(&key_irreps))?;
            Ok(ProgressRow {
                epoch: *epoch,
                sum_of_squared_weights: at.sum_of_squared_weights()?.unwrap_or_default(), // a checkpoint has weights
                all: pass.all,
                train: pass.sets[0],
                test: pass.sets[1],
                measures,
                irreps: of_irreps.irreps.into_iter().map(IrrepRow::from).collect(),
                key_irrep_losses: of_irreps.key_losses,
                logit_fve: of_irreps.logit_fve,
                embedding: embedding(&model, basis)?,
                theory: TheoryRow::new(&model, irreps, task, parts.as_ref())?,
            })
        };
        rows.push(row().map_err(Error::in_file(path))?);
        reasons.retain(|reason| !notes.contains(reason));
        notes.append(&mut reasons);
    }
    Ok(Progress {
        coordinates: basis.name(),
        blocks: basis.blocks().to_vec(),
        keys,
        irreps: irreps.irreps().iter().map(|irrep| irrep.label.clone()).collect(),
        key_irreps,
        notes,
        rows,
    })
}

const NO_MEASURES: &str = "the model has no measures of key blocks";
const NO_PAIRS: &str = "there are no such pairs, or the split is not known";
const NO_TRAINING: &str = "there are no training pairs, or the split is not known";
const NOT_KEY: &str = "losses are of key irreps";

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Count,
    Share,
    Cosine,
    Nats,
}

/// A number that every key block or key irrep has at a checkpoint.
pub(crate) struct Quantity<T> {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) of: fn(&T) -> Option<f64>,
    /// Why there may be none.
    missing: &'static str,
}

impl<T> Quantity<T> {
    const fn new(name: &'static str, unit: Unit, of: fn(&T) -> Option<f64>, missing: &'static str) -> Self {
        Self { name, unit, of, missing }
    }

    fn cell(&self, of: Option<&T>) -> Cell {
        let Some(value) = of.map(self.of) else { return Cell::Missing(NO_MEASURES.into()) };
        match self.unit {
            Unit::Count => Cell::count(value.map(|count| count as usize), self.missing),
            Unit::Share => Cell::share(value, self.missing),
            Unit::Cosine | Unit::Nats => Cell::number(value, self.missing),
        }
    }
}

pub(crate) const OF_BLOCK: [Quantity<KeyBlock>; 6] = [
    Quantity::new("Neurons of each key block", Unit::Count, |key| Some(key.neurons as f64), NO_MEASURES),
    Quantity::new("Share of the left map", Unit::Share, |key| key.left_share, NO_MAP),
    Quantity::new("Share of the right map", Unit::Share, |key| key.right_share, NO_MAP),
    Quantity::new("Share of W_U", Unit::Share, |key| key.unembed_share_centred, NO_MAP),
    Quantity::new("Restricted loss of each key block", Unit::Nats, |key| Some(key.restricted.loss), NO_MEASURES),
    Quantity::new("Excluded loss of each key block", Unit::Nats, |key| Some(key.excluded?.loss), NO_TRAINING),
];

/// The quantities of an irrep; the losses of a key irrep.
pub(crate) const OF_IRREP: [Quantity<IrrepRow>; 11] = [
    Quantity::new("Trace similarity of each key irrep", Unit::Cosine, |irrep| irrep.trace_similarity, EQUAL_LOGITS),
    Quantity::new("Share of each key irrep in the left map", Unit::Share, |irrep| irrep.embed_left, NO_MAP),
    Quantity::new("Share of each key irrep in the right map", Unit::Share, |irrep| irrep.embed_right, NO_MAP),
    Quantity::new("Share of each key irrep in W_U", Unit::Share, |irrep| irrep.unembed_centred, NO_MAP),
    Quantity::new("Hidden layer, of x in each key irrep", Unit::Share, |irrep| irrep.hidden_x, CONSTANT_LAYER),
    Quantity::new("Hidden layer, of y in each key irrep", Unit::Share, |irrep| irrep.hidden_y, CONSTANT_LAYER),
    Quantity::new("Hidden layer, of xy in each key irrep", Unit::Share, |irrep| irrep.hidden_xy, CONSTANT_LAYER),
    Quantity::new(
        "Restricted loss of each key irrep",
        Unit::Nats,
        |row| Some(row.losses?.hidden_restricted.loss),
        NOT_KEY,
    ),
    Quantity::new(
        "Excluded loss of each key irrep",
        Unit::Nats,
        |row| Some(row.losses?.hidden_excluded?.loss),
        NO_TRAINING,
    ),
    Quantity::new(
        "Restricted loss of each key irrep, of logits",
        Unit::Nats,
        |row| Some(row.losses?.logit_restricted.loss),
        NOT_KEY,
    ),
    Quantity::new(
        "Excluded loss of each key irrep, of logits",
        Unit::Nats,
        |row| Some(row.losses?.logit_excluded?.loss),
        NO_TRAINING,
    ),
];

impl Progress {
    /// A row a checkpoint: losses, how much of the logits characters explain, weights, and the neurons by what they are.
    #[must_use]
    pub fn table(&self) -> Table {
        let row = |row: &ProgressRow| {
            let of_blocks = |of: &dyn Fn(&ProgressMeasures) -> Cell| {
                row.measures.as_ref().map_or(Cell::Missing(NO_MEASURES.into()), of)
            };
            let mut cells = vec![Cell::Count(row.epoch as usize)];
            for set in [Some(row.all), row.train, row.test] {
                cells.extend([loss(set, NO_PAIRS), Cell::share(set.map(|e| e.accuracy), NO_PAIRS)]);
            }
            cells.extend([
                of_blocks(&|m| Cell::Number(m.restricted.loss)),
                of_blocks(&|m| loss(m.excluded, NO_TRAINING)),
                Cell::share(row.logit_fve, EQUAL_LOGITS),
                Cell::Number(row.sum_of_squared_weights),
                of_blocks(&|m| Cell::Count(m.keys.iter().map(|key| key.neurons).sum())),
                of_blocks(&|m| Cell::Count(m.other_neurons)),
                of_blocks(&|m| Cell::Count(m.tied_neurons)),
                of_blocks(&|m| Cell::Count(m.constant_neurons)),
                of_blocks(&|m| Cell::Count(m.dim_neurons)),
            ]);
            cells
        };
        let of_set = |name: &'static str, term: Term| Term { name: name.into(), ..term };
        Table {
            title: "Checkpoints".into(),
            columns: vec![
                EPOCH,
                LOSS,
                ACCURACY,
                of_set("training loss", LOSS),
                of_set("training accuracy", ACCURACY),
                of_set("test loss", LOSS),
                of_set("test accuracy", ACCURACY),
                RESTRICTED,
                EXCLUDED,
                FVE,
                WEIGHTS,
                Term::new("in key blocks", "Neurons labelled with a key block."),
                OTHERS,
                TIED,
                CONSTANT,
                DIM,
            ],
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// A row a checkpoint: how sparse spectra are, how far neurons are matrix coefficients with vectors in common, and margins.
    #[must_use]
    pub fn theory_table(&self) -> Table {
        const NO_NEURONS: &str = "the model has no maps to neurons that reach the logits through linear steps alone";
        let row = |row: &ProgressRow| {
            let theory = &row.theory;
            let of_neurons = |of: Option<[f64; 3]>| of.map_or([None; 3], |of| of.map(Some));
            let shares = [of_neurons(theory.rank_one), of_neurons(theory.shared)].into_iter().flatten();
            let sparsity = theory.gini.into_iter().chain(theory.inverse_participation_ratio);
            let cells = sparsity.map(|value| Cell::number(value, NO_MAP));
            let shares = shares.map(|share| Cell::share(share, NO_NEURONS));
            let rest = [
                Cell::number(theory.alignment, NO_NEURONS),
                Cell::Number(theory.margin.minimal),
                Cell::Number(theory.margin.mean),
                Cell::number(
                    theory.margin.normalised,
                    "the logits are no homogeneous function of the neurons' weights",
                ),
            ];
            [Cell::Count(row.epoch as usize)].into_iter().chain(cells).chain(shares).chain(rest).collect()
        };
        let of_maps = |term: Term| {
            ["left", "right", "unembedding"]
                .map(|map| Term { name: format!("{}, {map}", term.name).into(), ..term.clone() })
        };
        let shared = ["u", "v", "w"].map(|v| Term { name: format!("{} {v}", SHARED.name).into(), ..SHARED });
        let columns = [of_maps(GINI), of_maps(PARTICIPATION), of_maps(RANK_ONE), shared].into_iter().flatten();
        let rest = [PHASES, LEAST_MARGIN, MEAN_MARGIN, NORMALISED_MARGIN];
        let columns = [EPOCH].into_iter().chain(columns).chain(rest).collect();
        Table::new("Sparsity, alignment, margins", columns, self.rows.iter().map(row).collect())
    }

    /// For every quantity that key blocks have, a row a checkpoint and a column a block; none without key blocks.
    #[must_use]
    pub fn key_tables(&self) -> Vec<Table> {
        if self.rows.iter().all(|row| row.measures.is_none()) {
            return Vec::new();
        }
        let names = self.keys.iter().map(|&b| &*self.blocks[b.index()].name);
        self.tables(&OF_BLOCK, BLOCK, names, &|row, i| row.measures.as_ref().map(|m| &m.keys[i]))
    }

    /// For every quantity that key irreps have, a row a checkpoint and a column an irrep; none without key irreps.
    #[must_use]
    pub fn irrep_tables(&self) -> Vec<Table> {
        let names = self.key_irreps.iter().map(|&i| &*self.irreps[i.index()]);
        self.tables(&OF_IRREP, IRREP, names, &|row, i| row.irreps.get(self.key_irreps[i].index()))
    }

    /// For every quantity a row a checkpoint and a column for everything named; none if there is nothing named.
    fn tables<'a, T>(
        &self,
        quantities: &[Quantity<T>],
        head: Term,
        names: impl Iterator<Item = &'a str>,
        at: &dyn for<'b> Fn(&'b ProgressRow, usize) -> Option<&'b T>,
    ) -> Vec<Table> {
        let heads = names.map(|name| Term { name: name.to_owned().into(), ..head.clone() });
        let columns: Vec<Term> = [EPOCH].into_iter().chain(heads).collect();
        if columns.len() == 1 {
            return Vec::new();
        }
        let table = |quantity: &Quantity<T>| {
            let row = |row: &ProgressRow| {
                let cells = (0..columns.len() - 1).map(|i| quantity.cell(at(row, i)));
                [Cell::Count(row.epoch as usize)].into_iter().chain(cells).collect()
            };
            let of_classes = if quantity.name.ends_with("W_U") { ", less its mean over the classes" } else { "" };
            let rows = self.rows.iter().map(row).collect();
            Table::new(format!("{}{of_classes}", quantity.name), columns.clone(), rows)
        };
        quantities.iter().map(table).collect()
    }
}

/// The coordinates and the notes, then the tables.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Coordinates: {}", self.coordinates)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}"))?;
        write!(f, "\n{}\n\n{}", self.table(), self.theory_table())?;
        let tables = self.key_tables().into_iter().chain(self.irrep_tables());
        tables.into_iter().try_for_each(|table| write!(f, "\n\n{table}"))
    }
}

//! A training run checkpoint by checkpoint: losses, key blocks and key irreps of the final model, and spectra.

use super::embedding::{EmbeddingSpectra, embedding};
use super::logits::check_order;
use super::measures::{Cell, KeyBlock, ProgressMeasures, accuracy, loss, measures_of_pass};
use super::neurons::{Candidates, neurons};
use super::parts::Sets;
use super::representation::{IrrepMeasures, KeyLosses, irreps_of_pass, key_irreps};
use crate::checkpoint::Run;
use crate::error::{Error, Result};
use crate::fourier::{Block, FourierBasis, IrrepBasis};
use crate::model::{Evaluation, check_task};
use crate::task::Task;
use std::fmt;
use std::path::Path;

/// One irrep at one checkpoint: the numbers of [`IrrepMeasures`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
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

/// A checkpoint's row of [`Progress`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
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
    /// Of the parts of all key irreps together; `None` without key irreps.
    pub key_irrep_losses: Option<KeyLosses>,
    /// Share of the centred logits' square norm along the characters of nontrivial irreps; `None` for logits that are equal
    /// over the classes.
    pub logit_fve: Option<f64>,
    /// Squared norms of embeddings, maps to neurons, unembedding and output bias in every component.
    pub embedding: EmbeddingSpectra,
}

/// A training run, checkpoint by checkpoint: what [`progress`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Progress {
    /// What the coordinates are ([`FourierBasis::name`]).
    pub coordinates: String,
    /// The blocks of the coordinates.
    pub blocks: Vec<Block>,
    /// The key blocks: those that own a cluster of neurons in the run's model.
    pub keys: Vec<usize>,
    /// Labels of the irreps.
    pub irreps: Vec<String>,
    /// The key irreps of the run's model.
    pub key_irreps: Vec<usize>,
    /// What is missing in all rows and why, and what was chosen in reading the checkpoints; sentences, mostly none.
    pub notes: Vec<String>,
    /// The checkpoints, by epoch.
    pub rows: Vec<ProgressRow>,
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
/// [`Error::Unsupported`] for a run without checkpoints; those of [`Run::split`], [`Run::checkpoints`], [`Run::at`] and
/// [`Run::model`]: no checkpoint is left out, and a damaged one is an error that names it. [`Error::InFile`] around what the
/// measures of a checkpoint fail with. [`Error::Shape`] and [`Error::OtherGroup`] for a basis or task of another group.
///
/// Cost: for every checkpoint a pass over all pairs, two over the training pairs, and the block energies of the neurons. One
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
pub fn progress(run: &Run, basis: &dyn FourierBasis, irreps: &IrrepBasis, task: &Task) -> Result<Progress> {
    let checkpoints = run.checkpoints()?;
    if checkpoints.is_empty() {
        return Err(Error::Unsupported { analysis: "progress of a run", needs: "checkpoints in its directory" });
    }
    check_order(basis, task)?;
    check_order(irreps, task)?;
    let (split, unknown) = run.split_or_reason()?;
    let sets = Sets::new(task, &split)?;
    let mut notes = Vec::new();
    match unknown {
        Some(reason) => notes.push(format!("no measures of training and test pairs alone: {reason}")),
        None if split.train.is_empty() => notes.push("no excluded losses: there are no training pairs".into()),
        None => {}
    }

    let in_file = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::InFile { path, source: Box::new(source) }
    };
    let model = run.model()?;
    check_task(&model, task)?;
    let found = || -> Result<_> {
        let clusters = neurons(&model, basis, Candidates::AllBlocks)?.clusters();
        Ok((clusters.into_keys().collect::<Vec<_>>(), key_irreps(&model, irreps, task, &sets.sums(&model, task)?)?))
    };
    let (keys, key_irreps) = found().map_err(in_file(run.weights()))?;
    if keys.is_empty() {
        notes.push("no key blocks: none owns a cluster of neurons in the run's model".into());
    }
    if key_irreps.is_empty() {
        notes.push("no key irreps: the logits of the run's model resemble no character".into());
    }

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
                sum_of_squared_weights: at.sum_of_squared_weights().unwrap_or_default(), // a checkpoint has weights
                all: pass.all,
                train: pass.sets[0],
                test: pass.sets[1],
                measures,
                irreps: of_irreps.irreps.into_iter().map(IrrepRow::from).collect(),
                key_irrep_losses: of_irreps.key_losses,
                logit_fve: of_irreps.logit_fve,
                embedding: embedding(&model, basis)?,
            })
        };
        rows.push(row().map_err(in_file(path))?);
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

/// What a quantity is measured in.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Count,
    Share,
    Nats,
}

/// A number that every key block or key irrep has at a checkpoint.
pub(crate) struct Quantity<T> {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) of: fn(&T) -> Option<f64>,
}

/// The quantities of a key block.
pub(crate) const OF_BLOCK: [Quantity<KeyBlock>; 6] = [
    Quantity { name: "Neurons of each key block", unit: Unit::Count, of: |key| Some(key.neurons as f64) },
    Quantity { name: "Share of the left map", unit: Unit::Share, of: |key| key.left_share },
    Quantity { name: "Share of the right map", unit: Unit::Share, of: |key| key.right_share },
    Quantity { name: "Share of W_U", unit: Unit::Share, of: |key| key.unembed_share_centred },
    Quantity { name: "Restricted loss of each key block", unit: Unit::Nats, of: |key| Some(key.restricted.loss) },
    Quantity { name: "Excluded loss of each key block", unit: Unit::Nats, of: |key| Some(key.excluded?.loss) },
];

/// The quantities of an irrep; the losses of a key irrep.
pub(crate) const OF_IRREP: [Quantity<IrrepRow>; 11] = [
    Quantity { name: "Trace similarity of each key irrep", unit: Unit::Share, of: |irrep| irrep.trace_similarity },
    Quantity { name: "Share of each key irrep in the left map", unit: Unit::Share, of: |irrep| irrep.embed_left },
    Quantity { name: "Share of each key irrep in the right map", unit: Unit::Share, of: |irrep| irrep.embed_right },
    Quantity { name: "Share of each key irrep in W_U", unit: Unit::Share, of: |irrep| irrep.unembed_centred },
    Quantity { name: "Hidden layer, of x in each key irrep", unit: Unit::Share, of: |irrep| irrep.hidden_x },
    Quantity { name: "Hidden layer, of y in each key irrep", unit: Unit::Share, of: |irrep| irrep.hidden_y },
    Quantity { name: "Hidden layer, of xy in each key irrep", unit: Unit::Share, of: |irrep| irrep.hidden_xy },
    Quantity {
        name: "Restricted loss of each key irrep",
        unit: Unit::Nats,
        of: |irrep| Some(irrep.losses?.hidden_restricted.loss),
    },
    Quantity {
        name: "Excluded loss of each key irrep",
        unit: Unit::Nats,
        of: |irrep| Some(irrep.losses?.hidden_excluded?.loss),
    },
    Quantity {
        name: "Restricted loss of each key irrep, of logits",
        unit: Unit::Nats,
        of: |irrep| Some(irrep.losses?.logit_restricted.loss),
    },
    Quantity {
        name: "Excluded loss of each key irrep, of logits",
        unit: Unit::Nats,
        of: |irrep| Some(irrep.losses?.logit_excluded?.loss),
    },
];

/// A table with a row a checkpoint, then one for every quantity that key blocks and key irreps have, with a column for each.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Coordinates: {}", self.coordinates)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}"))?;
        write!(f, "\n{:>10}", "epoch")?;
        let columns = ["all", "accuracy", "train", "accuracy", "test", "accuracy", "restricted", "excluded"];
        columns.iter().chain(&["logits", "weights^2"]).try_for_each(|name| write!(f, "{name:>12}"))?;
        ["neurons", "others", "tied", "constant", "dim"].iter().try_for_each(|name| write!(f, "{name:>9}"))?;
        for row in &self.rows {
            write!(f, "\n{:>10}", row.epoch)?;
            for set in [Some(row.all), row.train, row.test] {
                write!(f, "{}{}", loss(set), accuracy(set))?;
            }
            let m = row.measures.as_ref();
            write!(f, "{}{}", loss(m.map(|m| m.restricted)), loss(m.and_then(|m| m.excluded)))?;
            write!(f, "{}{}", Cell(row.logit_fve), Cell(Some(row.sum_of_squared_weights)))?;
            let counts = m.map(|m| {
                let in_keys = m.keys.iter().map(|key| key.neurons).sum();
                [in_keys, m.other_neurons, m.tied_neurons, m.constant_neurons, m.dim_neurons]
            });
            match counts {
                Some(counts) => counts.iter().try_for_each(|count| write!(f, "{count:>9}"))?,
                None => ["-"; 5].iter().try_for_each(|none| write!(f, "{none:>9}"))?,
            }
        }
        if self.rows.iter().any(|row| row.measures.is_some()) {
            let names: Vec<&str> = self.keys.iter().map(|&b| &*self.blocks[b].name).collect();
            for quantity in &OF_BLOCK {
                self.table(f, quantity, &names, &|row, i| row.measures.as_ref().map(|m| &m.keys[i]))?;
            }
        }
        let names: Vec<&str> = self.key_irreps.iter().map(|&i| &*self.irreps[i]).collect();
        OF_IRREP
            .iter()
            .try_for_each(|quantity| self.table(f, quantity, &names, &|row, i| row.irreps.get(self.key_irreps[i])))
    }
}

impl Progress {
    /// A quantity of everything named, a row a checkpoint; nothing if there is nothing named.
    fn table<T>(
        &self,
        f: &mut fmt::Formatter<'_>,
        quantity: &Quantity<T>,
        names: &[&str],
        at: &dyn for<'a> Fn(&'a ProgressRow, usize) -> Option<&'a T>,
    ) -> fmt::Result {
        if names.is_empty() {
            return Ok(());
        }
        write!(f, "\n\n{}\n{:>10}", quantity.name, "epoch")?;
        names.iter().try_for_each(|name| write!(f, "{name:>14}"))?;
        for row in &self.rows {
            write!(f, "\n{:>10}", row.epoch)?;
            for i in 0..names.len() {
                match (at(row, i).and_then(quantity.of), quantity.unit) {
                    (Some(count), Unit::Count) => write!(f, "{count:>14}")?,
                    (value, _) => write!(f, "  {}", Cell(value))?,
                }
            }
        }
        Ok(())
    }
}

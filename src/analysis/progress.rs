//! Progress measures at every checkpoint of a training run.

use super::measures::{KeyBlock, NO_MAP, NO_PAIRS, NO_TRAINING, ProgressMeasures, loss, progress_measures};
use super::neurons::neurons;
use super::table::{Cell, Table, Term};
use super::terms::*;
use crate::checkpoint::{History, Run};
use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::model::Evaluation;
use crate::task::Task;
use std::fmt;

/// A checkpoint's row of [`Progress`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ProgressRow {
    /// Epochs trained.
    pub epoch: u64,
    /// Sum of the squares of all weights, the optimiser's tensors left out.
    pub sum_of_squared_weights: f64,
    /// The measures, with the same key blocks in every row.
    pub measures: ProgressMeasures,
}

/// A training run, checkpoint by checkpoint: what [`progress`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// What the coordinates are ([`FourierBasis::name`]).
    pub coordinates: String,
    /// The blocks that own a cluster of neurons at the last checkpoint.
    pub keys: Vec<usize>,
    /// The checkpoints, by epoch.
    pub rows: Vec<ProgressRow>,
}

/// The losses of the checkpoints, as [`Run::history`] gives those of every epoch.
impl From<&Progress> for History {
    fn from(progress: &Progress) -> Self {
        let mut history = Self::default();
        for row in &progress.rows {
            history.epochs.push(row.epoch);
            history.train.push(row.measures.train);
            history.test.push(row.measures.test);
        }
        history
    }
}

/// [`progress_measures`] at every checkpoint of a run, with the run's own split; the key blocks are those that own a
/// cluster of neurons at the last one.
///
/// # Arguments
/// `basis` and `task`: of the run's group, [`Run::group`]; for the basis see [`Run::basis`].
///
/// # Errors
/// The errors of [`progress_measures`], [`Run::split`], [`Run::checkpoints`], [`Run::at`] and [`Run::model`];
/// [`Error::Unsupported`] for a run without checkpoints.
///
/// Cost: that of [`progress_measures`] for every checkpoint, which are read one at a time.
///
/// ```no_run
/// use irreplens::analysis::progress;
/// use irreplens::{checkpoint::Run, task::Task};
/// let run = Run::open("runs/C113")?;
/// let group = run.group()?;
/// println!("{}", progress(&run, &*run.basis(&group, None)?, &Task::new(&group))?);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn progress(run: &Run, basis: &(impl FourierBasis + ?Sized), task: &Task) -> Result<Progress> {
    let (split, checkpoints) = (run.split()?, run.checkpoints()?);
    let Some((_, last)) = checkpoints.last() else {
        return Err(Error::Unsupported { analysis: "progress of a run", needs: "checkpoints in its directory" });
    };
    let keys: Vec<usize> = neurons(&run.at(last)?.model()?, basis)?.clusters().into_keys().collect();
    let row = |(epoch, path): &(u64, _)| {
        let at = run.at(path)?;
        Ok(ProgressRow {
            epoch: *epoch,
            sum_of_squared_weights: at.sum_of_squared_weights().unwrap_or_default(), // a checkpoint has weights
            measures: progress_measures(&at.model()?, basis, task, &split, &keys)?,
        })
    };
    let rows = checkpoints.iter().map(row).collect::<Result<_>>()?;
    Ok(Progress { coordinates: basis.name(), keys, rows })
}

impl Progress {
    /// A row a checkpoint: losses, weights, and the neurons by what they are.
    #[must_use]
    pub fn table(&self) -> Table {
        let row = |row: &ProgressRow| {
            let m = &row.measures;
            let accuracy = |set: Option<Evaluation>| Cell::share(set.map(|e| e.accuracy), NO_PAIRS);
            vec![
                Cell::Count(row.epoch as usize),
                loss(m.train, NO_PAIRS),
                accuracy(m.train),
                loss(m.test, NO_PAIRS),
                accuracy(m.test),
                Cell::Number(m.restricted.loss),
                loss(m.excluded, NO_TRAINING),
                Cell::Number(row.sum_of_squared_weights),
                Cell::Count(m.keys.iter().map(|key| key.neurons).sum()),
                Cell::Count(m.other_neurons),
                Cell::Count(m.tied_neurons),
                Cell::Count(m.constant_neurons),
                Cell::Count(m.dim_neurons),
            ]
        };
        let of_set = |name: &'static str, term: Term| Term { name: name.into(), ..term };
        Table {
            title: "Checkpoints".into(),
            columns: vec![
                EPOCH,
                of_set("training loss", LOSS),
                of_set("training accuracy", ACCURACY),
                of_set("test loss", LOSS),
                of_set("test accuracy", ACCURACY),
                RESTRICTED,
                EXCLUDED,
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

    /// For every quantity that key blocks have, a row a checkpoint and a column a block; none without key blocks.
    #[must_use]
    pub fn key_tables(&self) -> Vec<Table> {
        type Quantity = (&'static str, fn(&KeyBlock) -> Cell);
        let quantities: [Quantity; 6] = [
            ("Neurons of each key block", |key| Cell::Count(key.neurons)),
            ("Share of the left map", |key| Cell::share(key.left_share, NO_MAP)),
            ("Share of the right map", |key| Cell::share(key.right_share, NO_MAP)),
            ("Share of W_U, less its mean over the classes", |key| Cell::share(key.unembed_share_centred, NO_MAP)),
            ("Restricted loss of each key block", |key| Cell::Number(key.restricted.loss)),
            ("Excluded loss of each key block", |key| loss(key.excluded, NO_TRAINING)),
        ];
        let Some(first) = self.rows.first().filter(|row| !row.measures.keys.is_empty()) else { return Vec::new() };
        let head = |key: &KeyBlock| Term { name: key.name.clone().into(), ..BLOCK };
        let columns: Vec<Term> = [EPOCH].into_iter().chain(first.measures.keys.iter().map(head)).collect();
        let table = |(title, value): Quantity| {
            let row = |row: &ProgressRow| {
                [Cell::Count(row.epoch as usize)].into_iter().chain(row.measures.keys.iter().map(value)).collect()
            };
            Table { title: title.into(), columns: columns.clone(), rows: self.rows.iter().map(row).collect() }
        };
        quantities.map(table).to_vec()
    }
}

/// The coordinates, then the tables.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coordinates: {}\n\n{}", self.coordinates, self.table())?;
        self.key_tables().iter().try_for_each(|table| write!(f, "\n\n{table}"))
    }
}

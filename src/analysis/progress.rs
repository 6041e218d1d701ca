use super::measures::{Cell, KeyBlock, ProgressMeasures, accuracy, loss, progress_measures};
use super::neurons::{Candidates, neurons};
use crate::checkpoint::Run;
use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::task::Task;
use std::fmt;

/// A checkpoint's row of [`Progress`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ProgressRow {
    /// Epochs trained.
    pub epoch: u64,
    /// Sum of the squares of all weights, the optimiser's tensors left out.
    pub sum_of_squared_weights: f64,
    /// The measures, with the same key blocks in every row.
    pub measures: ProgressMeasures,
}

/// A training run, checkpoint by checkpoint: what [`progress`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Progress {
    /// What the coordinates are ([`FourierBasis::name`]).
    pub coordinates: String,
    /// The blocks that own a cluster of neurons at the last checkpoint.
    pub keys: Vec<usize>,
    /// The checkpoints, by epoch.
    pub rows: Vec<ProgressRow>,
}

/// [`progress_measures`] at every checkpoint of a run, with the run's own split; the key blocks are those that own a
/// cluster of neurons at the last one.
///
/// # Arguments
/// `basis` and `task`: of the run's group, [`Run::group`]; for the basis see [`Run::basis`].
///
/// # Errors
/// Those of [`progress_measures`], [`Run::split`], [`Run::checkpoints`], [`Run::at`] and [`Run::model`];
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
    let keys: Vec<usize> =
        neurons(&run.at(last)?.model()?, basis, Candidates::AllBlocks)?.clusters().into_keys().collect();
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

/// A table with a row a checkpoint, then one for every quantity that key blocks have, with a column a block.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Coordinates: {}\n", self.coordinates)?;
        write!(f, "{:>10}", "epoch")?;
        let columns = ["train", "accuracy", "test", "accuracy", "restricted", "excluded", "weights^2"];
        columns.iter().try_for_each(|name| write!(f, "{name:>12}"))?;
        ["neurons", "others", "tied", "constant", "dim"].iter().try_for_each(|name| write!(f, "{name:>9}"))?;
        for row in &self.rows {
            let m = &row.measures;
            write!(f, "\n{:>10}{}{}", row.epoch, loss(m.train), accuracy(m.train))?;
            write!(f, "{}{}{}{}", loss(m.test), accuracy(m.test), loss(Some(m.restricted)), loss(m.excluded))?;
            let neurons: usize = m.keys.iter().map(|key| key.neurons).sum();
            write!(
                f,
                "{}{neurons:>9}{:>9}{:>9}{:>9}{:>9}",
                Cell(Some(row.sum_of_squared_weights)),
                m.other_neurons,
                m.tied_neurons,
                m.constant_neurons,
                m.dim_neurons
            )?;
        }
        type Quantity = (&'static str, fn(&KeyBlock) -> String);
        let quantities: [Quantity; 6] = [
            ("neurons by key block", |key| key.neurons.to_string()),
            ("share of the left map", |key| Cell(key.left_share).to_string()),
            ("share of the right map", |key| Cell(key.right_share).to_string()),
            ("share of W_U, centred", |key| Cell(key.unembed_share_centred).to_string()),
            ("restricted loss", |key| loss(Some(key.restricted)).to_string()),
            ("excluded loss", |key| loss(key.excluded).to_string()),
        ];
        let Some(first) = self.rows.first() else { return Ok(()) };
        for (what, value) in quantities {
            write!(f, "\n\n{what}\n{:>10}", "epoch")?;
            first.measures.keys.iter().try_for_each(|key| write!(f, "{:>14}", key.name))?;
            for row in &self.rows {
                write!(f, "\n{:>10}", row.epoch)?;
                row.measures.keys.iter().try_for_each(|key| write!(f, "{:>14}", value(key)))?;
            }
        }
        Ok(())
    }
}

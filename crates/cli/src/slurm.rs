//! A sweep as a job array of Slurm: the batch script, with time and memory from a pilot network.

use crate::Failure;
use crate::train::peak_rss_mb;
use irreplens::sweep::Plan;
use irreplens::train::{Metrics, StopReason, Trainer, train_many};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the pilot is trained.
const PILOT: Duration = Duration::from_secs(5);

/// The batch script, in the folder of the sweep.
pub const SCRIPT: &str = "sweep.sbatch";

/// Seconds before the end of its time at which a job is told to save and to queue again.
const WARNING: u64 = 120;

/// What the largest network of a plan takes.
#[derive(Clone, Copy, Debug)]
pub struct Pilot {
    /// Seconds to its last epoch, on one thread.
    pub seconds: f64,
    /// Most memory that the process has held, in MiB.
    pub megabytes: f64,
}

/// Trains the network of a plan that takes the longest, for a few seconds.
///
/// # Errors
/// Those of the trainer.
pub fn pilot(plan: &Plan) -> Result<Pilot, Failure> {
    let mut largest: Option<(f64, irreplens::sweep::Cell)> = None;
    for cell in plan.experiments() {
        let cell = cell?;
        let (settings, n) = (&cell.settings, cell.settings.order()?);
        let pairs = settings.frac_train * (n * n) as f64;
        let parameters: usize = settings.architecture().parameters(n)?.iter().map(|of| of.range.len()).sum();
        let work = pairs * parameters as f64 * settings.num_epochs as f64;
        if largest.as_ref().is_none_or(|(most, _)| work > *most) {
            largest = Some((work, cell));
        }
    }
    let Some((_, cell)) = largest else { return Err("a plan without networks".into()) };
    let config = irreplens::train::TrainConfig { measure_every: 1, ..(&cell.settings).into() };
    let (epochs, start) = (config.epochs, Instant::now());
    // One of many, so that it has one thread.
    let mut trained = train_many(&[cell.settings.seed], |_| {
        let mut trainer = Trainer::from_settings(&cell.settings, config.clone())?;
        trainer.observe(move |_: &Metrics| match start.elapsed() > PILOT {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        Ok(trainer)
    });
    let outcome = trained.remove(0).outcome?;
    // A network that ends within the pilot has taken what it takes.
    let seconds = match outcome.stop_reason {
        StopReason::Observer => start.elapsed().as_secs_f64() / outcome.epoch.max(1) as f64 * epochs as f64,
        _ => start.elapsed().as_secs_f64(),
    };
    Ok(Pilot { seconds, megabytes: peak_rss_mb().unwrap_or(1024.0) })
}

/// The batch script of a sweep in `tasks` parts, each on `threads` processors.
#[must_use]
pub fn script(program: &Path, folder: &Path, networks: u128, tasks: u64, threads: u64, pilot: Pilot) -> String {
    // Twice what the pilot says for the last of its networks to end, and ten minutes to spare.
    let rounds = networks.div_ceil(u128::from(tasks) * u128::from(threads)) as f64;
    let minutes = (2.0 * rounds * pilot.seconds / 60.0).ceil() as u64 + 10;
    let megabytes = (1.5 * pilot.megabytes * threads as f64).ceil() as u64 + 256;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let (program, folder) = (quoted(program), quoted(folder));
    format!(
        "#!/bin/bash
# Trains and measures {networks} networks in {tasks} parts. What is missing afterwards is run by submitting this again.
#SBATCH --job-name=irreplens-sweep
#SBATCH --array=1-{tasks}
#SBATCH --cpus-per-task={threads}
#SBATCH --mem={megabytes}M
#SBATCH --time={minutes}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@{WARNING}
export RAYON_NUM_THREADS={threads}
again() {{
    kill -INT \"$job\"
    wait \"$job\"
    scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"
    exit
}}
trap again USR1
{program} sweep {folder}/plan.toml --out {folder} --yes --shard \"$SLURM_ARRAY_TASK_ID/{tasks}\" &
job=$!
wait \"$job\"
"
    )
}

/// Hands a script to `sbatch`; what that says.
///
/// # Errors
/// A Slurm that is not there, or that refuses it.
pub fn submit(script: &Path, logs: &Path) -> Result<String, Failure> {
    let output = Command::new("sbatch").arg("--output").arg(logs.join("sweep-%A_%a.log")).arg(script).output();
    let output = output.map_err(|error| format!("sbatch: {error}; is Slurm installed here?"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout)),
        false => Err(format!("sbatch: {}", said(&output.stderr)).into()),
    }
}

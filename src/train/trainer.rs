//! The training loop: steps, tests, checkpoints and the rules of stopping.

use super::directory::{Notice, Resumed, RunDirectory, State, run_config};
use super::initial::trainer_bytes;
use super::lanes::{is_small, run_in_lanes};
use super::optimiser::{OptimiserState, trained};
use super::steady::{Steady, changes};
use super::{Metrics, Observer, Outcome, StopReason, TrainConfig};
use crate::error::{Error, Result, check_shape};
use crate::group::Group;
use crate::memory;
use crate::model::{Architecture, Evaluation, Interpretable, Network, OfGroup, Passes};
use crate::ranks;
use crate::task::{Split, Task};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Trains a network on a split of a group's composition task, by full-batch steps of AdamW, Adam or SGD
/// ([`TrainConfig::optimiser`]).
///
/// An epoch is one step along the gradient of the mean cross-entropy over the training pairs, of smoothed labels where
/// [`TrainConfig::label_smoothing`] is not 0: the train loss of all metrics. Parameters are `f32`, the
/// loss is `f64`. The same group, architecture, split and settings give the same bits, for any number of threads; on
/// another machine the first hundred losses agree to 1e-4 of themselves ([`ACROSS_MACHINES`](super::ACROSS_MACHINES)).
///
/// The trainer works on the threads of the pool it is run in (`RAYON_NUM_THREADS`, or
/// [`rayon::ThreadPool::install`](https://docs.rs/rayon)).
///
/// # Example
/// ```
/// use irreplens::group::Cyclic;
/// use irreplens::model::{Architecture, Hooks, Interpretable};
/// use irreplens::task::{Split, Task};
/// use irreplens::train::{StopReason, TrainConfig, Trainer};
///
/// let group = Cyclic::new(7)?;
/// let config = TrainConfig { epochs: 500, ..TrainConfig::default() };
/// let mut trainer = Trainer::new(&group, Architecture::one_layer(16, 32), Split::random(7, 0.8, 1)?, config)?;
/// let outcome = trainer.run()?;
/// assert_eq!(outcome.stop_reason, StopReason::EpochsReached);
///
/// let loss = trainer.network().evaluate(&Task::new(&group), &Hooks::none())?.loss;
/// assert!(loss < 7f64.ln() && outcome.metrics.train.accuracy == 1.0);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: the settings are those of Chughtai, Chan and Nanda 2023, appendix; the optimisers are those of
/// `torch.optim`.
pub struct Trainer {
    task: Task,
    split: Split,
    config: TrainConfig,
    state: State,
    /// The last state that was kept, to go back to when the loss is no number.
    good: State,
    place: Place,
    observers: Vec<Box<dyn Observer>>,
    interrupt: Arc<AtomicBool>,
    /// On several ranks, whether the flag of any was set at the last epoch.
    agreed: Option<bool>,
    directory: Option<RunDirectory>,
    notices: Vec<Notice>,
    epoch_seconds: Vec<f32>,
}

/// Where epochs are computed.
enum Place {
    /// In one lane of vectors.
    Lanes,
    /// By passes over blocks of pairs, on all threads.
    Passes(Box<SetPasses>),
    /// On a device.
    #[cfg(feature = "cuda")]
    Device(crate::device::Device),
}

/// Passes over the training and the test set.
struct SetPasses {
    train: Passes,
    test: Option<Passes>,
}

impl SetPasses {
    fn new(network: &Network, task: &Task, split: &Split, config: &TrainConfig) -> Result<Self> {
        let train = Passes::new(network, task, &split.train, true)?.smoothed(config.label_smoothing);
        let test = match split.test.is_empty() {
            true => None,
            false => Some(Passes::new(network, task, &split.test, false)?),
        };
        Ok(Self { train, test })
    }
}

impl Trainer {
    /// A run from new parameters, [`Network::random`] of the config's seed.
    ///
    /// # Errors
    /// [`Error::Description`] naming the step that does not fit; [`Error::Range`] for a setting out of its range, no training
    /// pairs, or no test pairs where a stop rule needs them; those of [`Split::check`] for a split of another order, or whose
    /// test set holds training pairs; [`Error::Memory`] for what is over the budget ([`Architecture::training_bytes`]), before
    /// any of it is done.
    pub fn new(
        group: &(impl Group + ?Sized),
        architecture: Architecture,
        split: Split,
        config: TrainConfig,
    ) -> Result<Self> {
        let network = Network::random(architecture, group.order(), config.seed)?;
        Self::from_network(group, network, split, config)
    }

    /// A run from these parameters.
    ///
    /// # Errors
    /// The errors of [`new`](Trainer::new), and [`Error::Shape`] for a network on a group of another order.
    pub fn from_network(
        group: &(impl Group + ?Sized),
        network: Network,
        split: Split,
        config: TrainConfig,
    ) -> Result<Self> {
        check_shape("group of the network", &[group.order()], &[network.order()])?;
        split.check(group.order())?;
        config.check(split.test.len())?;
        memory::check("training", trainer_bytes(network.architecture(), group.order(), split.train.len())?)?;
        let task = Task::new(group);
        if split.train.is_empty() {
            return Err(Error::Range { what: "number of pairs", expected: "at least 1", got: 0.0 });
        }
        let place = match is_small(&network, &config) {
            true => Place::Lanes,
            false => Place::Passes(Box::new(SetPasses::new(&network, &task, &split, &config)?)),
        };
        let network = OfGroup::with_fingerprint(network, Some(task.fingerprint()));
        let count = network.parameters().len();
        let state = State {
            network,
            epoch: 0,
            optimiser: OptimiserState::new(config.optimiser, count),
            best: None,
            steady: Steady::default(),
        };
        Ok(Self {
            good: state.clone(),
            state,
            task,
            split,
            config,
            place,
            observers: Vec::new(),
            interrupt: Arc::default(),
            agreed: None,
            directory: None,
            notices: Vec::new(),
            epoch_seconds: Vec::new(),
        })
    }

    /// Keeps the run in a directory that [`Run`](crate::checkpoint::Run) reads, or takes up the run that is there: a run
    /// killed at any moment ends, once resumed, with the same bits as one never interrupted.
    ///
    /// Checkpoints are kept at log-spaced epochs and at the end, each with the parameters, the optimiser's state, the
    /// epoch and the seed; between them `checkpoints/latest.safetensors` is replaced every
    /// [`save_every`](TrainConfig::save_every). Every file is replaced in one step
    /// ([`atomic_write`](crate::checkpoint::atomic_write)). The directory stays locked as long as the trainer lives.
    ///
    /// A group that is neither `Cyclic` nor `Dihedral`, row by row, is written as its Cayley table, with its name.
    ///
    /// Checkpoints carry a checksum. One that is damaged is passed over for the one before it, and one without a checksum,
    /// of a version of this crate that wrote none, is taken on trust: [`notices`](Trainer::notices) say which. The steps to
    /// the damaged one are done again, with the same bits.
    ///
    /// # Errors
    /// [`Error::RunLocked`] while another process trains there; [`Error::RunDiffers`] for a run of another architecture,
    /// group, split or setting (the number of epochs may be another, if it is not below those done), or for weights without
    /// checkpoints; [`Error::RunIncomplete`] for checkpoints without their `cfg.json`; [`Error::Damaged`] or what else is
    /// wrong with the newest checkpoint where all are damaged; [`Error::Tensor`] and other
    /// errors for an intact one with weights or a state that cannot be; [`Error::Io`]. Nothing is written before all
    /// of that is known.
    pub fn in_directory(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let config = run_config(&self.state.network, &self.task, &self.split, &self.config);
        // Of several ranks the first alone has the directory; what it resumes from, all do.
        let mut opened = None;
        let resumed = ranks::from_first(|| {
            let (directory, resumed, notices) = RunDirectory::open(path.as_ref(), config, &self.task, &self.split)?;
            opened = Some((directory, notices));
            Ok(resumed.map(|state| Resumed::from(&state)))
        })?;
        if let Some(resumed) = resumed {
            resumed.give_to(&mut self.state);
            self.good = self.state.clone();
        }
        if let Some((directory, notices)) = opened {
            self.notices.extend(notices);
            self.directory = Some(directory);
        }
        Ok(self)
    }

    /// Trains on a CUDA device (feature `cuda`): the same steps up to `f32` rounding, the same bits every time, the same
    /// checkpoints.
    ///
    /// An epoch is one launch of a recorded graph; parameters and losses are read back where something is due: a
    /// measurement, a checkpoint, an end. For many seeds at once see
    /// [`train_many_on_device`](super::train_many_on_device).
    #[cfg(feature = "cuda")]
    #[must_use]
    pub fn on_device(self, device: &crate::device::Device) -> Self {
        Self { place: Place::Device(device.clone()), ..self }
    }

    /// Adds an observer.
    pub fn observe(&mut self, observer: impl Observer + 'static) -> &mut Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Saves and stops when this flag is set: see [`on_ctrl_c`](super::on_ctrl_c).
    ///
    /// The state is saved at once: an epoch that is under way, or a look at the test set, is broken off. Where that is the
    /// first epoch of the call, the training set is evaluated afterwards, so that there are metrics to return.
    pub fn interrupted_by(&mut self, flag: Arc<AtomicBool>) -> &mut Self {
        self.interrupt = flag;
        self
    }

    /// Trains until there is a reason to stop. May be called again: it goes on from where it is.
    ///
    /// # Errors
    /// [`Error::Diverged`] for a loss that is NaN or infinite: the state is then the last that was kept.
    /// [`Error::Io`] naming the file that could not be written, and whatever observers return: the state is kept, and
    /// calling this again goes on from it.
    pub fn run(&mut self) -> Result<Outcome> {
        // Taken out while it is used: what is done between two steps is the trainer's.
        let mut place = std::mem::replace(&mut self.place, Place::Lanes);
        let one = |outcomes: Vec<Result<Outcome>>| {
            outcomes.into_iter().next().unwrap_or_else(|| unreachable!("one outcome a trainer"))
        };
        let outcome = match &mut place {
            Place::Lanes => one(run_in_lanes(&mut [self])),
            // Inside the pool: from outside, every parallel step of every epoch would have to wake it.
            Place::Passes(passes) => rayon::scope(|_| self.run_by_passes(passes)),
            #[cfg(feature = "cuda")]
            Place::Device(device) => one(super::on_device::run_on_device(device, &mut [self])),
        };
        self.place = place;
        outcome
    }

    fn run_by_passes(&mut self, passes: &mut SetPasses) -> Result<Outcome> {
        let mut saved = Instant::now();
        let mut gradient = vec![0.0; self.state.network.parameters().len()];
        let shared = passes.train.is_shared();
        // A pass that several ranks are at is not broken off: they agree between two passes.
        for passes in [Some(&mut passes.train), passes.test.as_mut()].into_iter().flatten().filter(|_| !shared) {
            passes.stop = Arc::clone(&self.interrupt);
        }
        let mut last = None;
        self.start()?;
        loop {
            let start = Instant::now();
            let train = passes.train.gradient(&self.state.network, &mut gradient);
            if shared {
                self.agreed = Some(ranks::any(self.interrupt.load(Ordering::Relaxed)));
            } else if self.is_interrupted() {
                return self.break_off(&mut passes.train, last, &mut saved);
            }
            last = Some(Metrics { epoch: self.epoch(), train, test: None });
            let mut seconds = start.elapsed().as_secs_f64();
            let test = |trainer: &mut Self| Ok(passes.test.as_mut().map(|test| test.evaluate(&trainer.state.network)));
            if let Some(outcome) = self.arrive(train, test, &mut saved)? {
                return Ok(outcome);
            }
            let start = Instant::now();
            self.step(&gradient);
            seconds += start.elapsed().as_secs_f64();
            self.epoch_seconds.push(seconds as f32);
        }
    }

    /// One step along minus the gradient; what is frozen stays.
    fn step(&mut self, gradient: &[f32]) {
        let rates = self.config.rates(self.epoch() + 1);
        let State { network, optimiser, epoch, steady, .. } = &mut self.state;
        let trained = trained(network);
        let before = self.config.stop.converged.map(|_| network.parameters().to_vec());
        optimiser.step(&trained, network.parameters_mut(), gradient, &rates);
        *epoch += 1;
        if let Some(before) = before {
            let [[changes], [squares]] = changes(&before, network.parameters(), &trained);
            steady.stepped(changes, squares);
        }
    }

    /// What the rule of standing still looks at, from the training loss.
    fn objective(&self, loss: f64) -> f64 {
        let network = &self.state.network;
        let [_, [squares]] = changes(network.parameters(), network.parameters(), &trained(network));
        loss + self.config.half_decay() * squares
    }

    /// Tells the observers that it begins.
    pub(super) fn start(&mut self) -> Result<()> {
        self.epoch_seconds.clear();
        let (epoch, epochs) = (self.state.epoch, self.config.epochs);
        self.observers.iter_mut().try_for_each(|observer| observer.start(epoch, epochs))
    }

    /// All there is to do between two steps: measure, show, decide whether to stop, keep the state.
    ///
    /// `test` is called where a look at the test set is due.
    pub(super) fn arrive(
        &mut self,
        train: Evaluation,
        test: impl FnOnce(&mut Self) -> Result<Option<Evaluation>>,
        saved: &mut Instant,
    ) -> Result<Option<Outcome>> {
        let epoch = self.state.epoch;
        if !train.loss.is_finite() {
            return Err(self.diverged(epoch, train.loss));
        }
        let last = epoch >= self.config.epochs;
        let mut metrics = Metrics { epoch, train, test: None };
        let mut stop = None;
        if self.is_interrupted() {
            return self.leave(metrics, saved).map(Some);
        }
        let converged = self.config.stop.converged.is_some_and(|rule| {
            let objective = self.objective(train.loss);
            self.state.steady.arrive(epoch, objective, rule);
            self.state.steady.steps >= rule.steps
        });
        if last || converged || epoch.is_multiple_of(self.config.measure_every) {
            let test = test(self)?;
            // The flag has broken that off. After a resume this epoch is looked at again.
            if self.is_interrupted() {
                return self.leave(metrics, saved).map(Some);
            }
            metrics.test = test;
            let asked = self.show(&metrics)?;
            stop = last
                .then_some(StopReason::EpochsReached)
                .or(converged.then_some(StopReason::Converged))
                .or(self.rules(&metrics))
                .or(asked);
        }
        self.keep(stop, saved)?;
        stop.map(|stop_reason| self.finish(stop_reason, metrics)).transpose()
    }

    /// Saves the state of an epoch that was broken off, and ends as interrupted.
    ///
    /// Its loss is not known; that its parameters are finite is enough for a state to go on from. Only where there are no
    /// metrics of an epoch before is it evaluated, once it is saved.
    fn break_off(&mut self, passes: &mut Passes, last: Option<Metrics>, saved: &mut Instant) -> Result<Outcome> {
        if !self.state.network.parameters().iter().all(|p| p.is_finite()) {
            return Err(self.diverged(self.epoch(), f64::NAN));
        }
        self.keep(Some(StopReason::Interrupted), saved)?;
        let metrics = last.unwrap_or_else(|| {
            passes.stop = Arc::default();
            let train = passes.evaluate(&self.state.network);
            Metrics { epoch: self.epoch(), train, test: None }
        });
        self.finish(StopReason::Interrupted, metrics)
    }

    /// Saves the state, before anything else, and ends as interrupted.
    fn leave(&mut self, metrics: Metrics, saved: &mut Instant) -> Result<Outcome> {
        self.keep(Some(StopReason::Interrupted), saved)?;
        self.finish(StopReason::Interrupted, metrics)
    }

    fn is_interrupted(&self) -> bool {
        self.agreed.unwrap_or_else(|| self.interrupt.load(Ordering::Relaxed))
    }

    /// Back to the last state that was kept.
    pub(super) fn diverged(&mut self, epoch: u64, loss: f64) -> Error {
        self.state = self.good.clone();
        Error::Diverged { epoch, loss, last_good: self.good.epoch }
    }

    /// Shows the metrics to all observers; whether one of them wants to stop.
    fn show(&mut self, metrics: &Metrics) -> Result<Option<StopReason>> {
        let mut stop = None;
        for observer in &mut self.observers {
            if observer.observe(metrics, &self.state.network)?.is_break() {
                stop = Some(StopReason::Observer);
            }
        }
        Ok(stop)
    }

    fn rules(&mut self, metrics: &Metrics) -> Option<StopReason> {
        let rules = self.config.stop;
        let below = |loss: f64, bound: Option<f64>| bound.is_some_and(|bound| loss < bound);
        let test_loss = metrics.test.map(|test| test.loss);
        if let Some(loss) = test_loss
            && self.state.best.is_none_or(|(_, best)| loss < best)
        {
            self.state.best = Some((metrics.epoch, loss));
        }
        if below(metrics.train.loss, rules.train_loss_below) {
            return Some(StopReason::TrainLossBelow);
        }
        if test_loss.is_some_and(|loss| below(loss, rules.test_loss_below)) {
            return Some(StopReason::TestLossBelow);
        }
        let since_best = self.state.best.map_or(0, |(best, _)| metrics.epoch - best);
        rules.patience.filter(|&patience| since_best >= patience).map(|_| StopReason::Patience)
    }

    /// Checkpoints the state where the schedule or the end of the run asks for it; saves it when it is time.
    fn keep(&mut self, stop: Option<StopReason>, saved: &mut Instant) -> Result<()> {
        let ended = stop.is_some_and(|stop| stop != StopReason::Interrupted);
        let scheduled = ended || self.config.is_checkpoint(self.state.epoch);
        if !scheduled && stop.is_none() && saved.elapsed() < self.config.save_every {
            return Ok(());
        }
        if let Some(directory) = &self.directory {
            if scheduled { directory.checkpoint(&self.state)? } else { directory.save(&self.state)? }
        }
        (self.good, *saved) = (self.state.clone(), Instant::now());
        let Some(directory) = &self.directory else { return Ok(()) };
        if stop.is_some() {
            directory.finish(&self.state.network)?;
        }
        if ended { directory.remove_latest() } else { Ok(()) }
    }

    fn finish(&mut self, stop_reason: StopReason, metrics: Metrics) -> Result<Outcome> {
        let (epoch, epoch_ms_median) = (self.epoch(), self.epoch_ms_median());
        let outcome = Outcome { stop_reason, epoch, metrics, epoch_ms_median };
        self.observers.iter_mut().try_for_each(|observer| observer.finish(&outcome))?;
        Ok(outcome)
    }

    fn epoch_ms_median(&self) -> f64 {
        let mut seconds = self.epoch_seconds.clone();
        let middle = seconds.len() / 2;
        if seconds.is_empty() {
            return 0.0;
        }
        1e3 * f64::from(*seconds.select_nth_unstable_by(middle, f32::total_cmp).1)
    }

    /// Steps taken.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// The network as it is now, which knows its group.
    #[must_use]
    pub fn network(&self) -> &OfGroup<Network> {
        &self.state.network
    }

    /// What was amiss with the files of the run when it was taken up; empty as a rule.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The pairs it is trained on, and those it is tested on.
    #[must_use]
    pub fn split(&self) -> &Split {
        &self.split
    }
}

/// What is read and written where trainers run side by side.
impl Trainer {
    /// Whether it is trained in one lane of vectors.
    pub(super) fn is_in_lanes(&self) -> bool {
        matches!(self.place, Place::Lanes)
    }

    pub(super) fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn config(&self) -> &TrainConfig {
        &self.config
    }

    pub(super) fn optimiser(&self) -> &OptimiserState {
        &self.state.optimiser
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Counts epochs that took so long together.
    pub(super) fn took(&mut self, epochs: u64, seconds: f64) {
        let each = (seconds / epochs as f64) as f32;
        self.epoch_seconds.extend((0..epochs).map(|_| each));
    }
}

//! Which group a network has learnt, from its weights alone.

use crate::checkpoint::Run;
use crate::error::{Error, Result};
use crate::group::{CayleyTable, Elem, Group, Identification, examine};
use crate::model::{Interpretable, winners};
use crate::task::Task;
use ndarray::Array2;
use std::fmt;
use std::path::Path;

/// The largest order up to which a group is given its name.
const NAMED: usize = 2000;

/// What the products are that a network names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Learnt {
    /// The products of a group, at every pair.
    Group,
    /// The products of a group at so many pairs that the others can be told from them.
    NearGroup,
    /// The products of a group once left elements, right elements and products are relabelled each in its own way, as `x - y` is
    /// `x + y`: a Latin square that is isotopic to a group, or one that is near to it.
    Isotope,
    /// A Latin square (every element once in every row and column) that is near no group.
    LatinSquare,
    /// Nothing of the kind: the network is untrained, or has learnt too little.
    Nothing,
}

/// Which group a network has learnt: what [`identify`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LearntGroup {
    /// What the products are.
    pub learnt: Learnt,
    /// The products: entry \[x, y\] is the element with the largest logit at (x, y), (n, n).
    pub products: Array2<Elem>,
    /// The least number of pairs whose product must change for a Latin square.
    pub repeated: usize,
    /// The law of groups that the products break first, with a witness; `None` for a group.
    pub broken: Option<String>,
    /// The group, on the network's own elements; for an [`Isotope`](Learnt::Isotope) the group behind it, on elements that are
    /// relabelled.
    pub group: Option<CayleyTable>,
    /// Which group it is: its name, and the isomorphism from the group of that name to the network's elements; `None` beyond
    /// order 2000.
    pub identification: Option<Identification>,
    /// The number of pairs at which the network says another product than the group.
    pub changed: Option<usize>,
    /// Whether that number is so small that no group of another kind is as near: below `n^2 / 9`, since tables of groups that
    /// are not isomorphic differ in at least `2 n^2 / 9` cells (Ivanyos, Le Gall, Yoshida 2012).
    pub is_proven: bool,
}

impl LearntGroup {
    /// The task of composing elements of the group that was learnt, where the network's elements are the group's.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        matches!(self.learnt, Learnt::Group | Learnt::NearGroup).then(|| self.group.as_ref().map(Task::new))?
    }
}

/// Says which group a network has learnt, of which nothing is known but the logits.
///
/// The network runs on all pairs; the element with the largest logit at (x, y) is what it takes for `x y`. Where these
/// products are no group, each goes by a vote of `(x u)(u^-1 y)` and `(x u^-1)(u y)` over the elements u, round after round:
/// a network that is right at half of all pairs, and wrong at random elsewhere, still tells its group.
///
/// # Returns
/// What the products are, the group on the network's own elements, and how far they are from it.
///
/// # Errors
/// [`Error::NonFiniteActivation`](crate::Error::NonFiniteActivation); those of the forward pass.
///
/// Cost: a forward pass over all pairs, and O(n^2 log n) for a network that is right everywhere; else at most
/// O(n^2 min(n, 128)) a round, of which there are at most 24; and the group's [`identify`](crate::group::identify).
///
/// ```
/// use irreplens::analysis::{Learnt, identify};
/// use irreplens::group::{Dihedral, Elem, Group};
/// use irreplens::model::{FromFn, Site};
/// use ndarray::Array2;
///
/// // A network that knows the symmetries of the pentagon, in an order of its elements that nobody wrote down.
/// let (group, order) = (Dihedral::new(5)?, [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]);
/// let model = FromFn::new(10, vec![Site::new("logits", 10)], "logits", |pairs| {
///     vec![Array2::from_shape_fn((pairs.len(), 10), |(i, z)| {
///         let [x, y] = [pairs[i].0, pairs[i].1].map(|x| Elem::new(order[x.index()]));
///         f32::from(u8::from(group.compose(x, y).index() == order[z]))
///     })]
/// })?;
/// let found = identify(&model)?;
/// assert_eq!(found.learnt, Learnt::Group);
/// assert_eq!(found.group.map(|group| group.identity().index()), Some(3));
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn identify(model: &(impl Interpretable + ?Sized)) -> Result<LearntGroup> {
    let model: &dyn Interpretable = &model;
    let products = winners(model)?;
    let found = examine(products.view());
    let broken = found.fails.map(|error| error.to_string());
    let (learnt, near) = match (found.isotope, found.group) {
        (Some(isotope), _) => (Learnt::Isotope, Some(isotope)),
        (None, Some(group)) if broken.is_none() => (Learnt::Group, Some(group)),
        (None, Some(group)) => (Learnt::NearGroup, Some(group)),
        (None, None) if found.repeated == 0 => (Learnt::LatinSquare, None),
        (None, None) => (Learnt::Nothing, None),
    };
    let (changed, is_proven) =
        (near.as_ref().map(|near| near.changed), near.as_ref().is_some_and(|near| near.is_proven()));
    let (mut group, mut identification) = (near.map(|near| near.group), None);
    if let Some(unnamed) = group.take_if(|group| group.order() <= NAMED) {
        let found = crate::group::identify(&unnamed)?;
        group = Some(unnamed.with_name(found.label().to_string()));
        identification = Some(found);
    }
    Ok(LearntGroup { learnt, repeated: found.repeated, broken, changed, is_proven, group, identification, products })
}

/// Opens weights of which nothing else is known, and says which group their network has learnt.
///
/// Among the networks that the weights could be ([`Run::candidates`]) the first whose products are those of a group is taken,
/// else the one whose products are nearest to one.
///
/// # Returns
/// The run, not yet on its group ([`Run::on_group`]), and what it has learnt.
///
/// # Errors
/// The errors of [`Run::candidates`] and [`identify`].
///
/// ```no_run
/// use irreplens::analysis::identify_weights;
/// let (run, found) = identify_weights("model.pt")?;
/// println!("{found}");
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn identify_weights(path: impl AsRef<Path>) -> Result<(Run, LearntGroup)> {
    let mut runs = Run::candidates(path)?.into_iter();
    let likeliest = runs.next().map(identified).transpose()?;
    let mut best =
        likeliest.ok_or(Error::Unsupported { analysis: "the group of weights", needs: "weights of a network" })?;
    for run in runs {
        if best.1.learnt == Learnt::Group {
            break;
        }
        let other = identified(run)?;
        if other.1.distance() < best.1.distance() {
            best = other;
        }
    }
    Ok(best)
}

/// A run, and what its network has learnt.
fn identified(run: Run) -> Result<(Run, LearntGroup)> {
    let found = identify(&run.model()?)?;
    Ok((run, found))
}

/// Opens a run as [`Run::open`] does, and where it does not say what its group is, or in what order the elements stand, finds
/// this in the products of its network.
///
/// # Returns
/// The run, on the group that was found if there is one, and what was found; `None` for a run that says its group.
///
/// # Errors
/// The errors of [`Run::open`], [`identify_weights`] and [`Run::on_group`].
///
/// ```
/// use irreplens::analysis::open_run;
/// use irreplens::group::Group;
/// let (run, learnt) = open_run("examples/data/D53/model.safetensors")?; // beside its cfg.json
/// assert!(learnt.is_none() && run.group()?.order() == 106);
///
/// let folder = tempfile::tempdir()?;
/// let alone = folder.path().join("weights.safetensors");
/// std::fs::copy("examples/data/D53/model.safetensors", &alone)?;
/// let (run, learnt) = open_run(&alone)?;
/// assert_eq!(learnt.unwrap().group.unwrap().name(), "D53");
/// assert_eq!(run.group()?.name(), "D53");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open_run(path: impl AsRef<Path>) -> Result<(Run, Option<LearntGroup>)> {
    let path = path.as_ref();
    let (run, learnt) = if Run::has_settings(path)? {
        let run = Run::open(path)?;
        match run.group() {
            Err(Error::Unsupported { .. }) => {}
            _ => return Ok((run, None)),
        }
        identified(run)?
    } else {
        identify_weights(path)?
    };
    let run = match &learnt.group {
        Some(group) if learnt.task().is_some() => run.on_group(group.clone(), learnt.identification.as_ref())?,
        _ => run,
    };
    Ok((run, Some(learnt)))
}

impl LearntGroup {
    /// How far the products are from a group: pairs to change; without a group near, more than any number of pairs.
    fn distance(&self) -> usize {
        let pairs = self.products.len();
        self.changed.unwrap_or(if self.learnt == Learnt::LatinSquare { pairs + 1 } else { pairs + 2 })
    }
}

impl fmt::Display for LearntGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.products.nrows();
        let pairs = n * n;
        let right = |changed: usize| 100.0 * (pairs - changed) as f64 / pairs as f64;
        let group = self.group.as_ref().map(Group::name).unwrap_or_default();
        let changed = self.changed.unwrap_or(0);
        match self.learnt {
            Learnt::Group => {
                let identity = self.group.as_ref().map_or(0, |group| group.identity().index());
                write!(
                    f,
                    "The products at all {pairs} pairs are those of {group}; the identity is element {identity}."
                )?;
            }
            Learnt::NearGroup => {
                write!(
                    f,
                    "The products are no group, but {:.2} % of {pairs} pairs are those of {group} (by chance {:.2} %): \
                     {changed} must change.",
                    right(changed),
                    100.0 / n as f64
                )?;
                if self.is_proven {
                    write!(f, " No other kind of group is as near.")?;
                }
            }
            Learnt::Isotope => write!(
                f,
                "The products are no group, but {:.2} % of {pairs} pairs are those of {group} when left elements, right \
                 elements and products are relabelled each in its own way, as x - y or x^-1 y is.",
                right(changed)
            )?,
            Learnt::LatinSquare => write!(
                f,
                "The products at {pairs} pairs are a Latin square (every element once in every row and column), but no group, \
                 nor near one."
            )?,
            Learnt::Nothing => write!(
                f,
                "The products are no group, nor near one: for every element to stand once in every row and column, {} of \
                 {pairs} pairs at least must change. The network is untrained, or has learnt too little.",
                self.repeated
            )?,
        }
        match &self.broken {
            Some(broken) => write!(f, " {}", in_the_way(broken)),
            None => Ok(()),
        }
    }
}

/// The first law that fails, as a sentence.
fn in_the_way(broken: &str) -> String {
    format!("What is in the way first: {}.", broken.trim_start_matches("not a group: "))
}

//! The laws of [`Interpretable`] and [`Separable`](crate::model::Separable), in the numbering of the former's
//! documentation.
//!
//! Laws are tried on all pairs while these have at most [`EXHAUSTIVE`] activations together, else on a
//! sample of pairs; the streaming methods always go over all pairs. Activations must be finite. An error that a method
//! returns is a violation, but for [`Error::HookUnsupported`](crate::Error::HookUnsupported), where the law is skipped.

mod hooks;
mod shift;
mod streams;

pub use hooks::{no_op_hook, unknown_site};
pub use shift::logit_shift;
pub use streams::streams;

use super::{ACTIVATION_TOLERANCE, EXHAUSTIVE, SEED, Violation, answer, uniform};
use crate::group::Elem;
use crate::model::{ActivationCache, Hook, Interpretable, LOGITS, NeuronFunction, Values};
use crate::task::{Pair, pairs};
use ndarray::{Array1, Array2, ArrayView2};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt::Debug;

/// Pairs tried where there are too many for all.
const PAIRS: usize = 512;

/// Pairs tried one by one.
const SINGLE: usize = 8;

/// All laws, in an order in which each may rely on those before it: [`sites`], [`cache_equals_forward`],
/// [`readout_is_logits`], [`no_op_hook`], [`neuron_path`], [`unknown_site`], [`streams`], [`separable`], [`neuron_function`],
/// [`logit_shift`].
///
/// ```
/// use irreplens::laws::model::check;
/// use irreplens::model::{FromFn, Site};
/// use ndarray::Array2;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// // A network that drops out at random.
/// let calls = AtomicUsize::new(0);
/// let net = FromFn::new(2, vec![Site::new("logits", 2)], "logits", |pairs| {
///     vec![Array2::from_elem((pairs.len(), 2), calls.fetch_add(1, Ordering::Relaxed) as f32)]
/// })?;
/// assert_eq!(check(&net).unwrap_err().law, "cache equals forward");
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// The first violation found.
pub fn check(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    sites(model)?;
    cache_equals_forward(model)?;
    readout_is_logits(model)?;
    no_op_hook(model)?;
    neuron_path(model)?;
    unknown_site(model)?;
    streams(model)?;
    separable(model)?;
    neuron_function(model)?;
    logit_shift(model)
}

/// The order is at least 1, names of sites are unique, the last is [`LOGITS`] with a channel for each element, the
/// neuron and the readout site are among them, and embeddings have a row for each element.
///
/// # Errors
/// `sites`: what is wrong, what there is and what there should be.
pub fn sites(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "sites";
    let (n, sites) = (model.order(), model.sites());
    if n == 0 {
        return Err(Violation::new(LAW, "order", n, 1..));
    }
    let names: Vec<&str> = sites.iter().map(|s| s.name.as_str()).collect();
    for (i, name) in names.iter().enumerate() {
        if let Some(first) = names[..i].iter().position(|earlier| earlier == name) {
            return Err(Violation::new(LAW, name, first, i));
        }
    }
    let last = sites.last().map(|s| (s.name.as_str(), s.width));
    Violation::unless_equal(LAW, "last site", last, Some((LOGITS, n)))?;
    for (what, name) in [("neuron site", model.neuron_site()), ("readout site", model.readout().site())] {
        if !names.contains(&name) {
            return Err(Violation::new(LAW, what, name, &names));
        }
    }
    if let Some((left, right)) = model.embeddings() {
        Violation::unless_equal(LAW, "left embedding", left.dim(), (n, left.ncols()))?;
        Violation::unless_equal(LAW, "right embedding", right.dim(), (n, right.ncols()))?;
    }
    Ok(())
}

/// `run_with_hooks` keeps exactly the sites asked for, each (pairs, width), the same whatever else is kept and
/// whatever pairs are asked for beside; `forward` gives the logits.
///
/// # Errors
/// `cache equals forward`: the sites kept, or a shape, if wrong; what was asked for, the site, pair and channel, the
/// activation there and that from a pass keeping everything; `sites` as [`sites`].
pub fn cache_equals_forward(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "cache equals forward";
    let probe = Probe::new(LAW, model)?;
    let names = probe.names();
    run(LAW, model, &probe.pairs, &[])?;
    for (i, &name) in names.iter().enumerate() {
        for keep in [vec![name], vec![LOGITS, name], names[..=i].to_vec(), names[i..].to_vec()] {
            let cache = run(LAW, model, &probe.pairs, &keep)?;
            probe.same(LAW, format_args!("keeping {keep:?}"), &cache, &keep)?;
        }
    }
    for (row, &pair) in probe.pairs.iter().enumerate().take(SINGLE) {
        let cache = run(LAW, model, &[pair, pair], &names)?;
        for &name in &names {
            let alone = view(LAW, &cache, name)?;
            for twin in 0..2 {
                let witness = format_args!("pair asked for alone, {name}");
                probe.same_row(LAW, witness, name, row, alone.row(twin).iter().copied())?;
            }
        }
    }
    let logits = answer(LAW, "forward", model.forward(&probe.pairs))?;
    probe.same_site(LAW, "forward", LOGITS, logits.view())
}

/// The readout of its site's activations gives the logits, with a random row added to these too, where the model supports
/// the hook: neurons that are dead say nothing of their rows of W_U.
///
/// # Errors
/// `readout is logits`: pair, element, what is read out and the logit; `sites` as [`sites`].
pub fn readout_is_logits(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "readout is logits";
    let (probe, readout) = (Probe::new(LAW, model)?, model.readout());
    let read = answer(LAW, "readout", readout.logits(view(LAW, &probe.cache, readout.site())?))?;
    probe.same_site(LAW, "readout", LOGITS, read.view())?;
    let Some(unembedding) = readout.unembedding() else { return Ok(()) };
    let (case, keep) = ("readout with a row added", [readout.site(), LOGITS]);
    let hook = Hook::add(readout.site(), Values::PerChannel(uniform(unembedding.nrows())));
    let Some(cache) = hooks::hooked(LAW, case, model, &probe.pairs, hook, &keep)? else { return Ok(()) };
    let read = answer(LAW, case, readout.logits(view(LAW, &cache, readout.site())?))?;
    same(LAW, case, &probe.pairs, read.view(), view(LAW, &cache, LOGITS)?)
}

/// What a hook adds to the neurons adds its product with `neuron_path` to the logits, where the model gives a path.
///
/// A random row is added at all pairs. A hook the model calls unsupported is skipped.
///
/// # Errors
/// `neuron path`: the shape of the path, if wrong; pair, element, the logit with the hook and what it should be; `sites` as
/// [`sites`].
pub fn neuron_path(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "neuron path";
    let Some(path) = model.neuron_path() else { return Ok(()) };
    let (probe, site) = (Probe::new(LAW, model)?, model.neuron_site());
    Violation::unless_equal(LAW, "shape", path.dim(), (width(model, site), model.order()))?;
    let added: Array1<f32> = uniform(path.nrows());
    let expected = probe.at(LOGITS).mapv(f64::from) + added.mapv(f64::from).dot(&path.mapv(f64::from));
    let hook = Hook::add(site, Values::PerChannel(added));
    let case = "adding to the neurons";
    let Some(cache) = hooks::hooked(LAW, case, model, &probe.pairs, hook, &[LOGITS])? else { return Ok(()) };
    same(LAW, case, &probe.pairs, view(LAW, &cache, LOGITS)?, expected.mapv(|v| v as f32).view())
}

/// The two maps of a separable model are (n, width), and combined they give the site they name.
///
/// # Errors
/// `separable`: the order, the site or a shape, if wrong; pair and channel, `left[x]` combined with `right[y]` and
/// the activation; `sites` as [`sites`].
pub fn separable(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "separable";
    let Some(maps) = model.as_separable() else { return Ok(()) };
    let probe = Probe::new(LAW, model)?;
    let (n, site) = (model.order(), maps.separable_site());
    Violation::unless_equal(LAW, "order", maps.order(), n)?;
    if !probe.names().contains(&site) {
        return Err(Violation::new(LAW, "site", site, probe.names()));
    }
    let (left, right) = (maps.left(), maps.right());
    let shape = (n, width(model, site));
    Violation::unless_equal(LAW, "shapes of left and right", (left.dim(), right.dim()), (shape, shape))?;
    let combined = Array2::from_shape_fn((probe.pairs.len(), shape.1), |(i, channel)| {
        let (x, y) = probe.pairs[i];
        maps.combiner().apply(left[[x.index(), channel]], right[[y.index(), channel]])
    });
    probe.same_site(LAW, "left with right", site, combined.view())
}

/// The neuron function of a separable model, where it has one, takes the site that the maps reproduce to the one that the
/// readout reads.
///
/// # Errors
/// `neuron function`: pair and channel, the function of the site's activation and the readout site's activation.
pub fn neuron_function(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "neuron function";
    let Some(maps) = model.as_separable() else { return Ok(()) };
    let Some(NeuronFunction { function, bias }) = maps.neuron_function() else { return Ok(()) };
    let probe = Probe::new(LAW, model)?;
    let read = model.readout().site();
    if !probe.names().contains(&maps.separable_site()) {
        return Err(Violation::new(LAW, "site", maps.separable_site(), probe.names()));
    }
    let mut neurons = probe.at(maps.separable_site()).mapv(|v| function.apply(v));
    let bias = bias.map_or_else(|| Array1::zeros(neurons.ncols()), |bias| bias.to_owned());
    Violation::unless_equal(LAW, "width of the bias", bias.len(), neurons.ncols())?;
    Violation::unless_equal(LAW, "width of the readout's site", width(model, read), neurons.ncols())?;
    neurons += &bias;
    probe.same_site(LAW, "function of the maps", read, neurons.view())
}

/// Pairs to try a model on, and all its activations there.
struct Probe {
    pairs: Vec<Pair>,
    sites: Vec<String>,
    cache: ActivationCache,
}

impl Probe {
    fn new(law: &'static str, model: &dyn Interpretable) -> Result<Self, Violation> {
        sites(model)?;
        let (n, sites) = (model.order(), model.sites());
        let widths = sites.iter().map(|s| s.width).sum::<usize>().max(1);
        let all = n.saturating_mul(n);
        let pairs = if all <= PAIRS || all.saturating_mul(widths) <= EXHAUSTIVE {
            pairs(n, 0..all)
        } else {
            let mut rng = ChaCha8Rng::seed_from_u64(SEED);
            let mut draw = || Elem::new(((u64::from(rng.next_u32()) * n as u64) >> 32) as usize);
            (0..PAIRS).map(|_| (draw(), draw())).collect()
        };
        let names: Vec<String> = sites.into_iter().map(|s| s.name).collect();
        let keep: Vec<&str> = names.iter().map(String::as_str).collect();
        let cache = run(law, model, &pairs, &keep)?;
        Ok(Self { pairs, cache, sites: names })
    }

    fn names(&self) -> Vec<&str> {
        self.sites.iter().map(String::as_str).collect()
    }

    /// The activations of a site: all were kept.
    fn at(&self, site: &str) -> ArrayView2<'_, f32> {
        self.cache.get(site).expect("every site was kept")
    }

    /// The sites of another cache agree with this one's.
    fn same(
        &self,
        law: &'static str,
        case: impl Debug,
        cache: &ActivationCache,
        sites: &[&str],
    ) -> Result<(), Violation> {
        sites
            .iter()
            .try_for_each(|site| self.same_site(law, format_args!("{case:?}, {site}"), site, view(law, cache, site)?))
    }

    fn same_site(
        &self,
        law: &'static str,
        case: impl Debug,
        site: &str,
        got: ArrayView2<'_, f32>,
    ) -> Result<(), Violation> {
        same(law, case, &self.pairs, got, self.at(site))
    }

    fn same_row(
        &self,
        law: &'static str,
        case: impl Debug,
        site: &str,
        row: usize,
        got: impl Iterator<Item = f32>,
    ) -> Result<(), Violation> {
        let expected = self.at(site);
        let tolerance = ACTIVATION_TOLERANCE * largest(expected);
        got.zip(expected.row(row)).enumerate().try_for_each(|(channel, (got, &expected))| {
            let witness = format_args!("{case:?}, {:?}, channel {channel}", self.pairs[row]);
            Violation::unless_close(law, witness, got.into(), expected.into(), tolerance)
        })
    }
}

/// Two computations of a site agree, relative to its largest activation.
fn same(
    law: &'static str,
    case: impl Debug,
    pairs: &[Pair],
    got: ArrayView2<'_, f32>,
    expected: ArrayView2<'_, f32>,
) -> Result<(), Violation> {
    Violation::unless_equal(law, format_args!("{case:?}, shape"), got.dim(), expected.dim())?;
    let tolerance = ACTIVATION_TOLERANCE * largest(expected);
    got.indexed_iter().zip(expected).try_for_each(|(((row, channel), &got), &expected)| {
        let witness = format_args!("{case:?}, {:?}, channel {channel}", pairs[row]);
        Violation::unless_close(law, witness, got.into(), expected.into(), tolerance)
    })
}

/// A pass without hooks, and that it keeps just what was asked for, in the right shapes.
fn run(
    law: &'static str,
    model: &dyn Interpretable,
    pairs: &[Pair],
    keep: &[&str],
) -> Result<ActivationCache, Violation> {
    let case = format!("keeping {keep:?}");
    let cache = answer(law, format_args!("{case}"), model.run_with_cache(pairs, keep))?;
    let (mut kept, mut asked): (Vec<_>, Vec<_>) = (cache.sites().collect(), keep.to_vec());
    kept.sort_unstable();
    asked.sort_unstable();
    asked.dedup();
    Violation::unless_equal(law, format_args!("{case}"), kept, asked)?;
    for site in model.sites().iter().filter(|s| keep.contains(&s.name.as_str())) {
        let witness = format_args!("{case}, shape of {}", site.name);
        Violation::unless_equal(law, witness, view(law, &cache, &site.name)?.dim(), (pairs.len(), site.width))?;
    }
    Ok(cache)
}

fn view<'a>(law: &'static str, cache: &'a ActivationCache, site: &str) -> Result<ArrayView2<'a, f32>, Violation> {
    cache.get(site).ok_or_else(|| Violation::new(law, site, "not kept", "kept"))
}

fn width(model: &dyn Interpretable, site: &str) -> usize {
    model.sites().iter().find(|s| s.name == site).map_or(0, |s| s.width)
}

fn largest(values: ArrayView2<'_, f32>) -> f64 {
    values.iter().fold(0.0f32, |m, v| m.max(v.abs())).into()
}

/// Makes a module with one `#[test]` for each law of [`Interpretable`](crate::model::Interpretable).
///
/// The expression is a model, or a reference to one; each test makes its own.
///
/// ```
/// use irreplens::model::Network;
/// use ndarray::array;
/// irreplens::model_laws!(
///     tiny,
///     Network::bilinear(array![[1.0], [-2.0]], array![[3.0], [0.5]], array![[1.0, -1.0]]).unwrap(),
/// );
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! model_laws {
    ($name:ident, $model:expr $(,)?) => {
        $crate::each_law!(
            $name,
            model,
            sites(&$model),
            cache_equals_forward(&$model),
            no_op_hook(&$model),
            unknown_site(&$model),
            readout_is_logits(&$model),
            neuron_path(&$model),
            streams(&$model),
            separable(&$model),
            neuron_function(&$model),
            logit_shift(&$model)
        );
    };
}

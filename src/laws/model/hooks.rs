//! The laws of hooks, and of questions that a model must refuse.

use super::{Probe, same, view};
use crate::error::Error;
use crate::fourier::CyclicSubgroupBasis;
use crate::group::{Cyclic, Elem};
use crate::laws::{EXHAUSTIVE, Violation, answer};
use crate::model::{ActivationCache, Hook, Hooks, Interpretable, LOGITS, Site, Values};
use crate::task::{Pair, Task};
use ndarray::{Array1, Array2, ArrayView2};
use std::sync::Arc;

/// A hook that changes nothing changes nothing, at any site; one that changes something does, there and, at the
/// readout site, in the logits, whether or not the site is kept; neither outlasts its call. A hook the model calls
/// unsupported is skipped.
///
/// Tried are scaling by 1, adding zero, replacing by the same activations, projecting onto everything and projecting
/// out nothing; then zeroing and adding 1 everywhere, and scaling by -2 at some channels and some pairs.
///
/// # Errors
/// `no-op hook`: hook and site, pair and channel, the activation and that without the hook; `honoured hook`: the same,
/// the activation and what the hook should make of it; `sites` as [`sites`](super::sites).
pub fn no_op_hook(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "no-op hook";
    let probe = Probe::new(LAW, model)?;
    for site in model.sites() {
        for (name, hook) in no_ops(&probe, &site, model.order())? {
            let case = format!("{name} on {}", site.name);
            if let Some(cache) = hooked(LAW, &case, model, &probe.pairs, hook, &probe.names())? {
                probe.same(LAW, format_args!("{case}"), &cache, &probe.names())?;
            }
        }
        honoured(model, &probe, &site)?;
    }
    let after = super::run(LAW, model, &probe.pairs, &probe.names())?;
    probe.same(LAW, "after all hooks", &after, &probe.names())
}

fn no_ops(probe: &Probe, site: &Site, order: usize) -> Result<Vec<(&'static str, Hook)>, Violation> {
    const LAW: &str = "no-op hook";
    let (name, width) = (site.name.as_str(), site.width);
    // Where a table of all pairs would be too much, one channel has to do.
    let channels = if order * order * width <= 8 * EXHAUSTIVE { width } else { 1 };
    let mut table = Array2::from_elem((order * order, channels), f32::NAN);
    for (&(x, y), row) in probe.pairs.iter().zip(probe.at(name).outer_iter()) {
        table.row_mut(x.index() * order + y.index()).assign(&row.slice(ndarray::s![..channels]));
    }
    let own = Hook::replace(name, Values::PerPair(Arc::new(table))).on_channels((0..channels).collect());
    Ok(vec![
        ("scale by 1", Hook::scale(name, 1.0)),
        ("add zero", Hook::add(name, Values::PerChannel(Array1::zeros(width)))),
        ("replace by itself", own),
        ("project onto everything", answer(LAW, name, Hook::project_onto(name, Array2::eye(width)))?),
        ("project out nothing", answer(LAW, name, Hook::project_out(name, Array2::zeros((0, width))))?),
    ])
}

/// Real changes at one site.
fn honoured(model: &dyn Interpretable, probe: &Probe, site: &Site) -> Result<(), Violation> {
    const LAW: &str = "honoured hook";
    let (n, name, names) = (model.order(), site.name.as_str(), probe.names());
    let before = probe.at(name);
    let odd = |&(x, y): &Pair| (x.index() + y.index()) % 2 == 1;
    let mask: Arc<[bool]> = (0..n * n).map(|i| odd(&(Elem::new(i / n), Elem::new(i % n)))).collect();
    let last = site.width.saturating_sub(1);
    let channel = vec![last; site.width.min(1)];
    type Effect<'a> = Box<dyn Fn(&Pair, usize, f32) -> f32 + 'a>;
    let changes: [(_, _, Effect<'_>); 4] = [
        ("zero", Hook::zero(name), Box::new(|_, _, _| 0.0)),
        ("add 1", Hook::add(name, Values::PerChannel(Array1::ones(site.width))), Box::new(|_, _, v| v + 1.0)),
        (
            "scale the last channel by -2",
            Hook::scale(name, -2.0).on_channels(channel),
            Box::new(move |_, k, v| if k == last { -2.0 * v } else { v }),
        ),
        (
            "scale odd pairs by -2",
            Hook::scale(name, -2.0).on_pairs(mask),
            Box::new(move |pair, _, v| if odd(pair) { -2.0 * v } else { v }),
        ),
    ];
    for (what, hook, effect) in changes {
        let case = format!("{what} on {name}");
        let Some(cache) = hooked(LAW, &case, model, &probe.pairs, hook.clone(), &names)? else { continue };
        let expected = Array2::from_shape_fn(before.dim(), |(i, k)| effect(&probe.pairs[i], k, before[[i, k]]));
        // Exact for zero: the tolerance is relative.
        same(LAW, format_args!("{case}"), &probe.pairs, view(LAW, &cache, name)?, expected.view())?;
        for earlier in names.iter().take_while(|&&s| s != name) {
            probe.same_site(LAW, format_args!("{case}, {earlier}"), earlier, view(LAW, &cache, earlier)?)?;
        }
        if name == model.readout().site() && name != LOGITS {
            let read = answer(LAW, "readout", model.readout().logits(expected.view()))?;
            agree(&case, probe, view(LAW, &cache, LOGITS)?, read.view())?;
        }
        // The same if the site itself is not kept.
        let alone = hooked(LAW, &case, model, &probe.pairs, hook, &[LOGITS])?;
        let Some(alone) = alone else {
            return Err(Violation::new(LAW, format_args!("{case}, keeping only logits"), "unsupported", "supported"));
        };
        let case = format!("{case}, keeping only logits");
        agree(&case, probe, view(LAW, &alone, LOGITS)?, view(LAW, &cache, LOGITS)?)?;
    }
    Ok(())
}

/// Logits agree, relative to the largest with or without the hook.
fn agree(case: &str, probe: &Probe, got: ArrayView2<'_, f32>, expected: ArrayView2<'_, f32>) -> Result<(), Violation> {
    same("honoured hook", format_args!("{case}, logits"), &probe.pairs, got, expected)
}

/// A pass with one hook; nothing where the model cannot honour it.
pub(super) fn hooked(
    law: &'static str,
    case: &str,
    model: &dyn Interpretable,
    pairs: &[Pair],
    hook: Hook,
    keep: &[&str],
) -> Result<Option<ActivationCache>, Violation> {
    match model.run_with_hooks(pairs, &Hooks::none().with(hook), keep) {
        Err(Error::HookUnsupported { .. }) => Ok(None),
        result => answer(law, format_args!("{case}"), result).map(Some),
    }
}

/// Naming a site the model lacks, in hooks, in what to keep or in a streaming method, is an error; so are a hook of
/// another width or for other pairs than the model's, a channel beyond a site's width, an element beyond the order,
/// and a task or basis of another order. A model that knows its group, which would refuse tasks for that alone, is tried as
/// the one inside ([`without_group`](Interpretable::without_group)).
///
/// # Errors
/// `unknown site`: the call that was answered; `sites` as [`sites`](super::sites).
pub fn unknown_site(model: &(impl Interpretable + ?Sized)) -> Result<(), Violation> {
    let model: &dyn Interpretable = &model;
    const LAW: &str = "unknown site";
    const ABSENT: &str = "no such site";
    if let Some(inside) = model.without_group() {
        return unknown_site(inside);
    }
    super::sites(model)?;
    let n = model.order();
    let first = (Elem::new(0), Elem::new(0));
    let refused = |case: &str, answered: bool| {
        if answered { Err(Violation::new(LAW, format_args!("{case}"), "answered", "an error")) } else { Ok(()) }
    };
    let hook = |case: String, hook: Hook| {
        let hooks = Hooks::none().with(hook);
        refused(&case, model.run_with_hooks(&[first], &hooks, &[LOGITS]).is_ok())?;
        // No pair, nothing kept: still an error.
        refused(&format!("{case}, keeping nothing"), model.run_with_hooks(&[first], &hooks, &[]).is_ok())
    };
    refused("keeping an unknown site", model.run_with_cache(&[first], &[ABSENT]).is_ok())?;
    refused("keeping logits and an unknown site", model.run_with_cache(&[first], &[LOGITS, ABSENT]).is_ok())?;
    hook("hook on an unknown site".into(), Hook::scale(ABSENT, 1.0))?;
    for Site { name, width } in model.sites() {
        let wider = Values::PerChannel(Array1::zeros(width + 1));
        hook(format!("a value too many on {name}"), Hook::add(&name, wider.clone()))?;
        hook(format!("a value too many in place of {name}"), Hook::replace(&name, wider))?;
        hook(format!("a channel too many of {name}"), Hook::zero(&name).on_channels(vec![width]))?;
        hook(format!("a mask too short on {name}"), Hook::zero(&name).on_pairs(vec![true; n * n - 1].into()))?;
        let rows = Array2::zeros((0, width + 1));
        hook(format!("rows too long on {name}"), answer(LAW, "projection", Hook::project_out(&name, rows))?)?;
        refused(&format!("columns beyond {name}"), model.neuron_columns(&name, width..width + 1).is_ok())?;
    }
    let (task, other) = (Task::new(&cyclic(LAW, n)?), Task::new(&cyclic(LAW, n + 1)?));
    let hooks = Hooks::none().with(Hook::scale(ABSENT, 1.0));
    refused("evaluate with an unknown site", model.evaluate(&task, &hooks).is_ok())?;
    refused("evaluate on a larger group", model.evaluate(&other, &Hooks::none()).is_ok())?;
    refused("columns of an unknown site", model.neuron_columns(ABSENT, 0..0).is_ok())?;
    let (basis, other) = (&cyclic(LAW, n)?, &cyclic(LAW, n + 1)?);
    let (basis, other) = (CyclicSubgroupBasis::cyclic(basis), CyclicSubgroupBasis::cyclic(other));
    refused("spectrum of an unknown site", model.spectrum(ABSENT, &basis).is_ok())?;
    refused("spectrum in a basis of a larger group", model.spectrum(LOGITS, &other).is_ok())?;
    refused("an unknown element on the left", model.forward(&[(Elem::new(n), first.1)]).is_ok())?;
    refused("an unknown element on the right", model.forward(&[(first.0, Elem::new(n))]).is_ok())
}

pub(super) fn cyclic(law: &'static str, order: usize) -> Result<Cyclic, Violation> {
    answer(law, "order", Cyclic::new(order))
}

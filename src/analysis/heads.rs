//! What each head of a transformer carries to its neurons, and what the loss needs of it.

use super::attention::{AttentionPatterns, ROUNDING, Variance, at_all_pairs, attention, positions};
use super::embedding::component_norms;
use super::parts::path_alone;
use crate::error::{Error, Result};
use crate::fourier::{Block, BlockId, FourierBasis};
use crate::group::Elem;
use crate::linalg::map_blocks;
use crate::model::{
    Evaluation, Hook, Hooks, Interpretable, SiteSpectrum, Values, check_task, hidden_is_read_out, rounding, width,
};
use crate::task::{Pair, Task};
use ndarray::{Array1, Array2, Array3, Axis};
use std::fmt;
use std::sync::Arc;

/// A head carries one element alone if at least this share of the variance of what it writes is a function of that element.
pub const CARRIES: f64 = 0.9;

/// Blocks with less than this share are left out where the blocks of a pattern or a map are listed.
const LISTED: f64 = 0.05;

/// Relative rounding of neurons' inputs: parts of them that differ by less are equal.
const EQUAL: f32 = 1e-5;

/// Which element a head carries: what [`Written::carries`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Carried {
    /// The left element x.
    Left,
    /// The right element y.
    Right,
    /// Both elements.
    Both,
    /// Neither element: what the head writes does not vary.
    Constant,
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "x",
            Self::Right => "y",
            Self::Both => "both",
            Self::Constant => "neither",
        })
    }
}

/// What a head adds to the residual stream, as a function of the pair.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Written {
    /// Root of its variance over all pairs, added up over the channels of the stream.
    pub deviation: f64,
    /// Share of the variance that is a function of x; `None` where what the head writes does not vary.
    pub of_left: Option<f64>,
    /// Share of the variance that is a function of y.
    pub of_right: Option<f64>,
    /// Share of the variance that is neither a function of x plus one of y.
    pub of_both: Option<f64>,
}

impl Written {
    /// The element that at least [`CARRIES`] of the variance is a function of.
    #[must_use]
    pub fn carries(&self) -> Carried {
        match (self.of_left, self.of_right) {
            (Some(left), _) if left >= CARRIES => Carried::Left,
            (_, Some(right)) if right >= CARRIES => Carried::Right,
            (None, _) => Carried::Constant,
            _ => Carried::Both,
        }
    }
}

/// What a head that looks at one key position alone adds to the inputs of the neurons: the map of [`head_map`] in a basis.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct HeadMap {
    /// Its square norm.
    pub energy: f64,
    /// Share of the square norm in every block; `None` for a map that is zero.
    pub shares: Option<Vec<f64>>,
}

impl HeadMap {
    /// The blocks that vary, with their shares of what varies, largest first, as far as these are not small; none for a map
    /// that is constant. A map does not know its basis: these ids are taken at their word, as those of a file.
    #[must_use]
    pub fn varying(&self) -> Vec<(BlockId, f64)> {
        let varying = self.shares.as_deref().filter(|shares| 1.0 - shares[0] > ROUNDING);
        varying.map_or_else(Vec::new, |shares| listed(shares, 1.0 - shares[0]))
    }
}

/// Blocks but the constant with their shares of `whole`, largest first, those below [`LISTED`] left out.
pub(super) fn listed(energies: &[f64], whole: f64) -> Vec<(BlockId, f64)> {
    let shares = energies.iter().enumerate().skip(1).map(|(b, energy)| (BlockId::of_any(b), energy / whole));
    let mut all: Vec<(BlockId, f64)> = shares.filter(|&(_, share)| share >= LISTED).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// What the loss becomes when a part of a head's work is taken away, over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct HeadLosses {
    /// With the pattern frozen at its mean over all pairs.
    pub frozen: Evaluation,
    /// With the head off: its channels of `hook_z` at zero.
    pub off: Evaluation,
    /// With what the head writes read by the neurons of its block alone, and taken out of the stream behind them; `None` in a
    /// block without neurons.
    pub direct_off: Option<Evaluation>,
}

/// What one head does; `None` where the model does not allow to ask, with a reason in [`LayerHeads::notes`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// What it adds to the residual stream.
    pub written: Option<Written>,
    /// What it adds to the neurons' inputs when it looks at each key position alone.
    pub maps: Option<Vec<HeadMap>>,
    /// What the loss needs of it.
    pub losses: Option<HeadLosses>,
}

/// The heads of one layer as they look from one position: what [`heads`] returns for each layer.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LayerHeads {
    /// What the coordinates are ([`FourierBasis::name`]).
    pub coordinates: String,
    /// Blocks of the coordinates.
    pub blocks: Vec<Block>,
    /// Where the heads look.
    pub patterns: AttentionPatterns,
    /// Energies of the patterns as functions of (x, y): channel `p heads + h` is head h at key position p.
    pub spectrum: SiteSpectrum,
    /// The heads.
    pub heads: Vec<Head>,
    /// The model as it is.
    pub whole: Evaluation,
    /// What the loss needs of all heads together.
    pub together: Option<HeadLosses>,
    /// With the stream before the neurons taken out of the stream behind them: the neurons read it, and nothing else does.
    pub stream_off: Option<Evaluation>,
    /// From the neurons' own path to the logits alone; `None` where that path is not linear.
    pub path_alone: Option<Evaluation>,
    /// What is missing and why; sentences, mostly none.
    pub notes: Vec<String>,
}

/// A layer of attention as it looks from one position, by the names that TransformerLens gives its sites.
struct Layer<'a> {
    model: &'a dyn Interpretable,
    pattern: &'a str,
    /// What the names of the block's sites begin with.
    block: &'a str,
    /// The position it looks from, in brackets, with which the names end.
    position: &'a str,
    positions: usize,
    heads: usize,
}

impl<'a> Layer<'a> {
    fn new(model: &'a dyn Interpretable, pattern: &'a str) -> Result<Self> {
        let wide = width(model, pattern)?;
        let (step, position) = pattern.split_at(pattern.rfind('[').unwrap_or(pattern.len()));
        let block = step.strip_suffix("attn.hook_pattern").filter(|_| !position.is_empty()).ok_or(Error::Unsupported {
            analysis: "heads",
            needs: "a pattern from one position, named as TransformerLens names it: `blocks.0.attn.hook_pattern[2]`",
        })?;
        let positions = positions(&model.sites(), step);
        Ok(Self { model, pattern, block, position, positions, heads: wide / positions.max(1) })
    }

    /// The name of another site of the block, at the position that is looked from.
    fn site(&self, step: &str) -> Result<String> {
        let name = format!("{}{step}{}", self.block, self.position);
        let needs = match step {
            "mlp.hook_pre" | "hook_mlp_out" => "a block with neurons, which has `mlp.hook_pre` and `hook_mlp_out`",
            _ => "a block with the sites `attn.hook_z`, `hook_attn_out` and `hook_resid_post`",
        };
        let is_there = self.model.sites().iter().any(|site| site.name == name);
        if is_there { Ok(name) } else { Err(Error::Unsupported { analysis: "heads", needs }) }
    }

    fn channels(&self, heads: &[usize]) -> Vec<usize> {
        (0..self.positions).flat_map(|p| heads.iter().map(move |h| p * self.heads + h)).collect()
    }

    /// The patterns of some heads in place of what they are: (key position, head).
    fn looks(&self, heads: &[usize], row: Array1<f32>) -> Hook {
        Hook::replace(self.pattern, Values::PerChannel(row)).on_channels(self.channels(heads))
    }

    fn off(&self, heads: &[usize]) -> Result<Hook> {
        let z = self.site("attn.hook_z")?;
        let of_head = width(self.model, &z)? / self.heads;
        let channels = heads.iter().flat_map(|h| h * of_head..(h + 1) * of_head).collect();
        Ok(Hook::zero(&z).on_channels(channels))
    }

    /// What every head adds to the stream at all pairs: (x, y, channel) each.
    fn writes(&self) -> Result<Vec<Array3<f32>>> {
        let (out, all) = (self.site("hook_attn_out")?, (0..self.heads).collect::<Vec<_>>());
        let identity = [(Elem::new(0), Elem::new(0))];
        let none = self.model.run_with_hooks(&identity, &Hooks::none().with(self.off(&all)?), &[&out])?.take(&out)?;
        let alone = |&h: &usize| {
            let others: Vec<usize> = all.iter().copied().filter(|&other| other != h).collect();
            Ok(at_all_pairs(self.model, &out, &Hooks::none().with(self.off(&others)?))? - none.row(0))
        };
        all.iter().map(alone).collect()
    }

    fn map(&self, head: usize, position: usize) -> Result<Array2<f32>> {
        let pre = self.site("mlp.hook_pre")?;
        let n = self.model.order();
        let run = |row: Array1<f32>, pairs: &[Pair]| {
            let hooks = Hooks::none().with(self.looks(&[head], row));
            self.model.run_with_hooks(pairs, &hooks, &[&pre])?.take(&pre)
        };
        let looks = Array1::from_shape_fn(self.positions, |p| if p == position { 1.0 } else { 0.0 });
        // One element is the token, the other one or another: the map may depend on neither of these two.
        for is_left in [true, false] {
            let added = |other: usize| {
                let pair = |t: usize| if is_left { [t, other] } else { [other, t] }.map(Elem::new);
                let pairs: Vec<Pair> = (0..n).map(pair).map(|[x, y]| (x, y)).collect();
                let (with, without) = (run(looks.clone(), &pairs)?, run(Array1::zeros(self.positions), &pairs)?);
                let size = with.iter().chain(&without).fold(0.0f32, |a, v| a.max(v.abs()));
                Ok::<_, Error>((with - without, size))
            };
            let ((map, size), (again, _)) = (added(0)?, added(n - 1)?);
            if map.iter().zip(&again).all(|(a, b)| (a - b).abs() <= EQUAL * size) {
                return Ok(map);
            }
        }
        Err(Error::Unsupported {
            analysis: "the map of a head to the neurons",
            needs: "a part of the neurons' inputs that depends on one element alone: without LayerNorm between heads and \
                    neurons, and at a key position that has seen one element",
        })
    }

    fn losses(&self, task: &Task, heads: &[usize], mean: &[f32], written: &Array3<f32>) -> Result<HeadLosses> {
        let evaluate = |hook: Hook| self.model.evaluate(task, &Hooks::none().with(hook));
        let row = self.channels(heads).into_iter().map(|c| mean[c]).collect();
        Ok(HeadLosses {
            frozen: evaluate(self.looks(heads, row))?,
            off: evaluate(self.off(heads)?)?,
            direct_off: match self.site("hook_mlp_out") {
                Ok(_) => Some(evaluate(Hook::add(&self.site("hook_resid_post")?, per_pair(-written)))?),
                Err(_) => None,
            },
        })
    }

    /// The loss with nothing but what the neurons write in the stream behind them.
    fn stream_off(&self, task: &Task) -> Result<Evaluation> {
        let neurons = at_all_pairs(self.model, &self.site("hook_mlp_out")?, &Hooks::none())?;
        let hook = Hook::replace(&self.site("hook_resid_post")?, per_pair(neurons));
        self.model.evaluate(task, &Hooks::none().with(hook))
    }
}

fn per_pair(values: Array3<f32>) -> Values {
    let (n, m, width) = values.dim();
    Values::PerPair(Arc::new(values.into_shape_with_order((n * m, width)).expect("row-major")))
}

/// What a head adds to the inputs of its block's neurons when it looks at one key position alone: (n, neurons), token ->
/// neuron.
///
/// With v the value of the token at the position, `v W_O W_in` for the head's rows of W_O: the row of an element is what the
/// neurons' inputs gain when the head attends to it fully, against looking nowhere. For a constant token all rows are equal.
///
/// # Arguments
/// `site`: of the patterns, such as `blocks.0.attn.hook_pattern[2]`; `head` and `position`: which head, and where it looks.
///
/// # Errors
/// [`Error::UnknownSite`]; [`Error::UnknownChannel`] for a head or position that is not there; [`Error::Unsupported`] for a
/// block without neurons, and where the answer depends on more than one element: behind LayerNorm, or at a position that has
/// seen both. The latter is tried with two partners for every element. [`Error::HookUnsupported`] for recorded activations.
///
/// Cost: passes over 4 n pairs, or 8 n where the position holds y.
///
/// ```
/// use irreplens::analysis::head_map;
/// use irreplens::model::{Network, Transformer};
/// let network = Network::zeros(Transformer::default().architecture(), 5)?;
/// let map = head_map(&network, "blocks.0.attn.hook_pattern[2]", 3, 1)?;
/// assert_eq!(map.dim(), (5, 512));
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: the OV circuit of Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", led on to the neurons.
pub fn head_map(
    model: &(impl Interpretable + ?Sized),
    site: &str,
    head: usize,
    position: usize,
) -> Result<Array2<f32>> {
    let model: &dyn Interpretable = &model;
    let layer = Layer::new(model, site)?;
    if head >= layer.heads || position >= layer.positions {
        let (channel, width) = (position * layer.heads + head, layer.positions * layer.heads);
        return Err(Error::UnknownChannel { site: site.into(), channel: channel.max(width), width });
    }
    layer.map(head, position)
}

/// What does each head of a transformer carry, along which functions of the group, and what does the loss need of it?
///
/// For every layer of attention, as it looks from its last position: energies of its patterns as functions of (x, y); the
/// shares of the variance of what each head writes that are functions of x, of y and of both; the map from elements to neurons
/// ([`head_map`]) in every block; the loss with its pattern frozen at the mean, with the head off, and with what it writes read
/// by the neurons alone; and the loss without the stream that goes round the neurons. Empty for a model without attention.
///
/// # Arguments
/// `basis`: the coordinates of patterns and maps; `task`: the composition of the group the model was trained on.
///
/// # Errors
/// [`Error::Shape`] and [`Error::OtherGroup`] for a basis or task of another group; [`Error::Memory`] where what the heads
/// write at all pairs exceeds the [budget](crate::memory::budget); the errors of the forward pass. What the model does not allow
/// to ask is `None`, with a reason in [`LayerHeads::notes`].
///
/// Cost: a layer of h heads takes about 3 h + 8 passes over all pairs, and h more up to what it writes.
///
/// ```
/// use irreplens::analysis::{Carried, heads};
/// use irreplens::fourier::CyclicSubgroupBasis;
/// use irreplens::model::{Network, Transformer};
/// use irreplens::{group::Cyclic, task::Task};
/// let group = Cyclic::new(5)?;
/// let network = Network::zeros(Transformer::default().architecture(), 5)?;
/// let found = heads(&network, &CyclicSubgroupBasis::cyclic(&group), &Task::new(&group))?;
/// assert_eq!(found[0].heads[3].written.unwrap().carries(), Carried::Constant);
/// assert!((found[0].heads[3].losses.unwrap().off.loss - 5f64.ln()).abs() < 1e-6); // a guess, as before
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Chughtai, Chan, Nanda 2023, "A Toy Model of Universality", section 3; Zhong et al. 2023, "The Clock and the Pizza",
/// section 3.
pub fn heads(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
) -> Result<Vec<LayerHeads>> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    let patterns = attention(model)?;
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    check_task(model, task)?;
    let whole = model.evaluate(task, &Hooks::none())?;
    let path_alone = if hidden_is_read_out(model) { None } else { Some(path_alone(model, task)?) };
    patterns.into_iter().map(|patterns| layer_heads(model, basis, task, patterns, whole, path_alone)).collect()
}

fn layer_heads(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    task: &Task,
    patterns: AttentionPatterns,
    whole: Evaluation,
    path_alone: Option<Evaluation>,
) -> Result<LayerHeads> {
    let spectrum = model.spectrum(&patterns.site, &basis)?;
    let layer = Layer::new(model, &patterns.site)?;
    let all: Vec<usize> = (0..layer.heads).collect();
    let mut notes = Vec::new();
    if path_alone.is_none() {
        notes.push(match model.neuron_path() {
            None => "no loss of the neurons' path alone: their way to the logits is not known to be linear".into(),
            Some(_) => "no loss of the neurons' path alone: it is all that reaches the logits".into(),
        });
    }
    let writes = if_supported("what heads write, and what the loss needs of them", layer.writes(), &mut notes)?;
    let mean: Vec<f32> = spectrum.by_block.mean.iter().map(|&mean| mean as f32).collect();
    let losses = |heads: &[usize], written: &Array3<f32>| layer.losses(task, heads, &mean, written);
    let (of_each, together) = match &writes {
        None => (None, None),
        Some(writes) => {
            let of_each = all.iter().map(|&h| losses(&[h], &writes[h])).collect::<Result<Vec<_>>>();
            let sum = writes.iter().skip(1).fold(writes[0].clone(), |sum, written| sum + written);
            let found = of_each.and_then(|each| Ok((each, losses(&all, &sum)?)));
            if_supported("what the loss needs of heads", found, &mut notes)?.unzip()
        }
    };
    let maps = all.iter().map(|&h| (0..layer.positions).map(|p| in_blocks(basis, layer.map(h, p)?)).collect());
    let maps = if_supported("maps of heads to neurons", maps.collect::<Result<Vec<Vec<_>>>>(), &mut notes)?;
    let stream_off = if_supported("loss without the stream", layer.stream_off(task), &mut notes)?;
    let written = writes.as_ref().map(|writes| map_blocks(writes.len(), 1, |h| written(&writes[h.start])));
    let head = |&h: &usize| Head {
        written: written.as_ref().map(|written| written[h]),
        maps: maps.as_ref().map(|maps| maps[h].clone()),
        losses: of_each.as_ref().map(|losses: &Vec<_>| losses[h]),
    };
    Ok(LayerHeads {
        coordinates: basis.name(),
        blocks: basis.blocks().to_vec(),
        spectrum,
        heads: all.iter().map(head).collect(),
        whole,
        together,
        stream_off,
        path_alone,
        notes,
        patterns,
    })
}

/// `None`, with a note, for what the model does not allow to ask.
fn if_supported<T>(what: &str, found: Result<T>, notes: &mut Vec<String>) -> Result<Option<T>> {
    match found {
        Err(reason @ (Error::Unsupported { .. } | Error::HookUnsupported { .. })) => {
            notes.push(format!("no {what}: {reason}"));
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn written(written: &Array3<f32>) -> Written {
    let variance = Variance::new(written.view());
    let [of_left, of_right, of_both] = variance.shares(ROUNDING * variance.of_mean);
    Written { deviation: variance.whole.sqrt(), of_left, of_right, of_both }
}

fn in_blocks(basis: &dyn FourierBasis, map: Array2<f32>) -> Result<HeadMap> {
    let norms = component_norms(basis, map.view())?.sum_axis(Axis(0));
    let (energy, least) = (norms.sum(), rounding(basis.rows()).powi(2));
    let share = |block: &Block| norms.slice(ndarray::s![block.rows.clone()]).sum() / energy;
    let shares = basis.blocks().iter().map(share).map(|share| if share > least { share } else { 0.0 });
    Ok(HeadMap { energy, shares: (energy > 0.0).then(|| shares.collect()) })
}

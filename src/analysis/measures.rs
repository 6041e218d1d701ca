//! Progress measures: restricted and excluded losses of key blocks.

use super::ablation::check_ablated;
use super::embedding::component_norms;
use super::logits::check_basis;
use super::neurons::{NeuronKind, neurons};
use super::parts::{SplitPairs, excluded, logits_of_parts, parts_of_blocks, restricted};
use super::table::{Cell, Table};
use super::terms::*;
use crate::error::{Error, Result};
use crate::fourier::{Block, BlockId, FourierBasis};
use crate::model::{Evaluation, Interpretable, PairMeans, Readout, check_task, less_mean, rounding};
use crate::task::{Split, Task};
use ndarray::{ArrayView2, Axis};
use std::fmt;

/// What a model makes of one key block.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct KeyBlock {
    /// The block of the basis.
    pub block: BlockId,
    /// Its name.
    pub name: String,
    /// Neurons labelled with it.
    pub neurons: usize,
    /// Its share of the square norm of the map x -> neuron, of a model without such a map the left embedding. Shares
    /// are `None` where the model has no such map, or it is zero.
    pub left_share: Option<f64>,
    /// Its share of the square norm of the map y -> neuron, or the right embedding.
    pub right_share: Option<f64>,
    /// Its share of the square norm of W_U transposed, as it is.
    pub unembed_share: Option<f64>,
    /// Share of the square norm of W_U less its mean over the classes, which no softmax sees.
    pub unembed_share_centred: Option<f64>,
    /// Restricted: over all pairs, from its part of the hidden layer alone.
    pub restricted: Evaluation,
    /// Excluded: over the training pairs, without its part; `None` where there are none.
    pub excluded: Option<Evaluation>,
}

/// How far a model has come, and with which blocks: what [`progress_measures`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ProgressMeasures {
    /// Over the training pairs; `None` where there are none.
    pub train: Option<Evaluation>,
    /// Over the test pairs; `None` where there are none.
    pub test: Option<Evaluation>,
    /// Neurons labelled with a block that is no key block.
    pub other_neurons: usize,
    /// Neurons that no block explains better than another.
    pub tied_neurons: usize,
    /// Neurons that do not vary.
    pub constant_neurons: usize,
    /// Neurons that are dim.
    pub dim_neurons: usize,
    /// Restricted to the parts of all key blocks together.
    pub restricted: Evaluation,
    /// Without the parts of all key blocks.
    pub excluded: Option<Evaluation>,
    /// The key blocks, in the order asked for.
    pub keys: Vec<KeyBlock>,
}

/// How well does a model do, with which blocks, and what is each key block's part of the hidden layer along xy worth?
///
/// `R_b[p]` is the hidden layer averaged over the pairs with product p, projected onto the rows of block b in every
/// sector. Restricted loss: over all pairs, of `readout(R_b[xy])`. Excluded loss: over the training pairs, of the logits
/// less `R_b[xy] W_U`. On a cyclic or dihedral group block k of
/// [`CyclicSubgroupBasis`](crate::fourier::CyclicSubgroupBasis) is the real irrep of frequency k, for an even dihedral
/// group's last block the two irreps of dimension 1 that alternate on rotations, and these are the published measures.
///
/// # Arguments
/// `keys`: the blocks to look at; for the blocks that own a cluster see [`neurons`].
///
/// # Errors
/// [`Error::Unsupported`] unless the model has an unembedding that reads its neuron site; [`Error::Shape`] for a basis or
/// task of another order, [`Error::OtherGroup`] for one of another group; [`Error::OtherBasis`] for a block of another basis,
/// [`Error::UnknownBlock`] for one beyond the blocks there are; those of [`Split::check`]; [`Error::Memory`] where the sums by
/// product, or one n x n matrix a key block, exceed the budget.
///
/// Cost: the block energies of the neurons, a pass over all pairs and one over the training pairs; no n^3 array.
///
/// ```
/// use irreplens::analysis::progress_measures;
/// use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis};
/// use irreplens::{group::Cyclic, model::Network, task::{Split, Task}};
/// use ndarray::Array2;
/// // cos cos - sin sin and sin cos + cos sin: cosine and sine of x + y at frequency 2.
/// let angle = |t: usize| std::f32::consts::TAU * 2.0 * t as f32 / 7.0;
/// let wave = |phases: [f32; 4]| Array2::from_shape_fn((7, 4), move |(t, k)| (angle(t) + phases[k]).cos());
/// let quarter = std::f32::consts::FRAC_PI_2;
/// let read = Array2::from_shape_fn((4, 7), |(k, z)| 40.0 * match k {
///     0 => angle(z).cos(),
///     1 => -angle(z).cos(),
///     _ => angle(z).sin(),
/// });
/// let net = Network::bilinear(wave([0.0, -quarter, -quarter, 0.0]), wave([0.0, -quarter, 0.0, -quarter]), read)?;
///
/// let group = Cyclic::new(7)?;
/// let (basis, split) = (CyclicSubgroupBasis::cyclic(&group), Split::random(7, 0.5, 1)?);
/// let found = progress_measures(&net, &basis, &Task::new(&group), &split, &[basis.block_id(2)?])?;
/// assert!(found.test.unwrap().loss < 1e-3 && found.restricted.loss < 1e-3); // block 2 is all there is
/// assert!((found.excluded.unwrap().loss - 7f64.ln()).abs() < 1e-3); // without it: a guess
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", section 5.1; Chughtai,
/// Chan, Nanda 2023, "A Toy Model of Universality".
pub fn progress_measures(
    model: &(impl Interpretable + ?Sized),
    basis: &(impl FourierBasis + ?Sized),
    task: &Task,
    split: &Split,
    keys: &[BlockId],
) -> Result<ProgressMeasures> {
    let (model, basis): (&dyn Interpretable, &dyn FourierBasis) = (&model, &basis);
    unembedding_of_neurons(model)?;
    check_task(model, task)?;
    check_basis(basis, task, keys)?;
    let sets = SplitPairs::new(task, split)?;
    measures_of_pass(model, basis, task, &sets, &sets.sums(model, task)?, keys)
}

/// The neurons' path to the logits: W_U where it reads them.
fn unembedding_of_neurons(model: &dyn Interpretable) -> Result<ArrayView2<'_, f32>> {
    let unsupported = |needs| Error::Unsupported { analysis: "progress measures", needs };
    model.neuron_path().ok_or_else(|| match model.readout().unembedding() {
        None => unsupported("a model with an unembedding"),
        Some(_) => unsupported("a model whose neurons reach the logits through linear steps alone"),
    })
}

/// [`progress_measures`] from a pass that has been made, on a basis that has been checked.
pub(super) fn measures_of_pass(
    model: &dyn Interpretable,
    basis: &dyn FourierBasis,
    task: &Task,
    sets: &SplitPairs,
    pass: &PairMeans,
    keys: &[BlockId],
) -> Result<ProgressMeasures> {
    let unembedding = unembedding_of_neurons(model)?;
    let clusters = neurons(model, basis)?;
    let labels: Vec<Option<BlockId>> = clusters.neurons.iter().map(|neuron| neuron.block).collect();
    let labelled = |with: &dyn Fn(Option<BlockId>) -> bool| labels.iter().filter(|&&label| with(label)).count();
    let [left, right] = input_shares(model, basis)?;
    let unembed = block_shares(basis, unembedding.t())?;
    let unembed_centred = centred_shares(basis, unembedding)?;

    // One set for every key block, and last all of them.
    let sets_of_blocks: Vec<Vec<BlockId>> = keys.iter().map(|&b| vec![b]).chain([keys.to_vec()]).collect();
    let parts = parts_of_blocks(basis, pass.by_product.mapv(|v| v as f32).view(), &sets_of_blocks)?;
    let restricted = restricted(model, &parts)?;
    let excluded = excluded(model, Readout::of_logits(model.order()), task, sets, &logits_of_parts(model, &parts)?)?;
    let mut all = restricted.iter().chain(excluded.iter().flatten());
    all.try_for_each(|&evaluation| check_ablated(evaluation).map(drop))?;

    let key = |(i, &b): (usize, &BlockId)| KeyBlock {
        block: b,
        name: basis.blocks()[b.index()].name.clone(),
        neurons: labelled(&|label| label == Some(b)),
        left_share: left.as_ref().map(|shares| shares[b.index()]),
        right_share: right.as_ref().map(|shares| shares[b.index()]),
        unembed_share: unembed.as_ref().map(|shares| shares[b.index()]),
        unembed_share_centred: unembed_centred.as_ref().map(|shares| shares[b.index()]),
        restricted: restricted[i],
        excluded: excluded.as_ref().map(|excluded| excluded[i]),
    };
    Ok(ProgressMeasures {
        train: pass.sets[0],
        test: pass.sets[1],
        other_neurons: labelled(&|label| label.is_some_and(|b| !keys.contains(&b))),
        tied_neurons: clusters.of_kind(NeuronKind::Tied).len(),
        constant_neurons: clusters.of_kind(NeuronKind::Constant).len(),
        dim_neurons: clusters.dim().len(),
        restricted: restricted[keys.len()],
        excluded: excluded.as_ref().map(|excluded| excluded[keys.len()]),
        keys: keys.iter().enumerate().map(key).collect(),
    })
}

/// Share of a map's square norm by block, in all sectors: 0 below the rounding of the transform; `None` for a map that is zero.
pub(super) fn block_shares(basis: &dyn FourierBasis, map: ArrayView2<'_, f32>) -> Result<Option<Vec<f64>>> {
    let norms = component_norms(basis, map)?.sum_axis(Axis(0));
    let (total, least) = (norms.sum(), rounding(basis.rows()).powi(2));
    let share = |block: &Block| block.rows.clone().map(|i| norms[i]).sum::<f64>() / total;
    let shares = basis.blocks().iter().map(share).map(|share| if share > least { share } else { 0.0 });
    Ok((total > 0.0).then(|| shares.collect()))
}

/// [`block_shares`] of the maps from x and from y to the neurons, or else of the embeddings; `None` of what the model lacks.
pub(super) fn input_shares(model: &dyn Interpretable, basis: &dyn FourierBasis) -> Result<[Option<Vec<f64>>; 2]> {
    let Some((left, right)) = model.maps().or_else(|| model.embeddings()) else { return Ok([None, None]) };
    Ok([block_shares(basis, left)?, block_shares(basis, right)?])
}

/// [`block_shares`] of W_U (width, n) less its mean over the classes; `None` where that is all there is of it.
pub(super) fn centred_shares(basis: &dyn FourierBasis, unembed: ArrayView2<'_, f32>) -> Result<Option<Vec<f64>>> {
    let square = |map: ArrayView2<'_, f32>| map.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    let centred = less_mean(unembed.to_owned());
    match square(centred.view()) > square(unembed) * rounding(basis.order()).powi(2) {
        true => block_shares(basis, centred.t()),
        false => Ok(None),
    }
}

pub(super) const NO_MAP: &str = "the model has no such map, or it is zero";
pub(super) const NO_PAIRS: &str = "there are no such pairs";
pub(super) const NO_TRAINING: &str = "there are no training pairs";

pub(super) fn loss(evaluation: Option<Evaluation>, reason: &'static str) -> Cell {
    Cell::number(evaluation.map(|e| e.loss), reason)
}

pub(super) fn loss_table(sets: &[(&str, Option<Evaluation>)]) -> Table {
    let row = |&(what, set): &(&str, Option<Evaluation>)| {
        vec![Cell::text(what), loss(set, NO_PAIRS), Cell::share(set.map(|e| e.accuracy), NO_PAIRS)]
    };
    let rows = sets.iter().map(row).collect();
    Table::new("Loss and accuracy", vec![PAIRS, LOSS, ACCURACY], rows)
}

impl ProgressMeasures {
    /// Loss and accuracy over the training and the test pairs.
    #[must_use]
    pub fn loss_table(&self) -> Table {
        loss_table(&[("training pairs", self.train), ("test pairs", self.test)])
    }

    /// The key blocks, and last all of them together.
    #[must_use]
    pub fn table(&self) -> Table {
        let row = |name: &str, keys: &[KeyBlock], restricted: Evaluation, excluded: Option<Evaluation>| {
            let share = |share: fn(&KeyBlock) -> Option<f64>| Cell::share(keys.iter().map(share).sum(), NO_MAP);
            vec![
                Cell::text(name),
                Cell::Count(keys.iter().map(|key| key.neurons).sum()),
                share(|key| key.left_share),
                share(|key| key.right_share),
                share(|key| key.unembed_share_centred),
                Cell::Number(restricted.loss),
                loss(excluded, NO_TRAINING),
            ]
        };
        let of_key = |key: &KeyBlock| row(&key.name, std::slice::from_ref(key), key.restricted, key.excluded);
        let all = row("all of these", &self.keys, self.restricted, self.excluded);
        let rows = self.keys.iter().map(of_key).chain([all]).collect();
        Table::new("Key blocks", vec![BLOCK, CLUSTER, LEFT, RIGHT, UNEMBED, RESTRICTED, EXCLUDED], rows)
    }

    /// The neurons that no key block has, by what they are.
    #[must_use]
    pub fn other_table(&self) -> Table {
        let rest = [
            ("others", self.other_neurons),
            ("tied", self.tied_neurons),
            ("constant", self.constant_neurons),
            ("dim", self.dim_neurons),
        ];
        let rows = rest.iter().map(|&(what, count)| vec![Cell::text(what), Cell::Count(count)]).collect();
        Table::new("Neurons that no key block has", vec![WHAT, WIDTH], rows)
    }
}

impl fmt::Display for ProgressMeasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}\n\n{}", self.loss_table(), self.table(), self.other_table())
    }
}

//! Measures of irreps: shares, trace similarities, restricted and excluded losses.

use super::ablation::check_ablated;
use super::logits::check_order;
use super::measures::{NO_MAP, NO_TRAINING, block_shares, centred_shares, input_shares, loss, loss_table};
use super::neurons::{NeuronClusters, neurons};
use super::parts::{SplitPairs, check_corrections, excluded, logits_of_parts, parts_of_blocks, path_alone, restricted};
use super::table::{Cell, Table, Term};
use super::terms::*;
use crate::error::{Result, check_shape};
use crate::fourier::{BlockId, FourierBasis, IrrepBasis};
use crate::group::{Elem, Group, GroupExt, check_fingerprint};
use crate::irrep::Irrep;
use crate::memory;
use crate::model::{
    Evaluation, Interpretable, PairMeans, Readout, check_task, hidden_is_read_out, hidden_readout, rounding,
};
use crate::task::{Split, Task};
use ndarray::{Array1, Array2, ArrayView1};
use std::fmt;

/// An irrep is a key irrep if the logits' trace similarity with it is above this: the published threshold.
pub const KEY_SIMILARITY: f64 = 0.005;

/// What the hidden layer is in a model that does not say how its neurons reach the logits.
pub(crate) const NOT_OF_NEURONS: &str = "The hidden layer here is what the unembedding reads, for the neurons' path to the logits is \
    not known to be linear: of what the neurons of each irrep are made is not said.";

/// What an irrep's part of the hidden layer, and of the logits, is worth.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct KeyLosses {
    /// Over all pairs, from the part of the hidden layer that is a function of xy in the irrep, alone.
    pub hidden_restricted: Evaluation,
    /// Over the training pairs, without that part; `None` where there are none.
    pub hidden_excluded: Option<Evaluation>,
    /// Over the training pairs, from the neurons' own path alone without that part, as published for transformers; `None`
    /// where there are no such pairs, or where the neurons are all that reaches the logits and this is `hidden_excluded`.
    #[serde(default)]
    pub hidden_excluded_path: Option<Evaluation>,
    /// Over all pairs, from the component of the centred logits along the character, alone.
    pub logit_restricted: Evaluation,
    /// Over the training pairs, without that component.
    pub logit_excluded: Option<Evaluation>,
}

/// How a model uses one real irrep.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct IrrepMeasures {
    /// The irrep.
    pub irrep: Irrep,
    /// Its share of the square norm of the map x -> neuron, of a model without such a map the left embedding. Shares of
    /// maps are `None` where the model has no such map, or it is zero.
    pub embed_left: Option<f64>,
    /// Its share of the square norm of the map y -> neuron, or the right embedding.
    pub embed_right: Option<f64>,
    /// Its share of the square norm of W_U transposed, as it is, as published.
    pub unembed: Option<f64>,
    /// Its share of the square norm of W_U less its mean over the classes, which no softmax sees.
    pub unembed_centred: Option<f64>,
    /// Share of the centred hidden layer's square norm that is a function of x in the irrep; `None` for one that is constant.
    pub hidden_x: Option<f64>,
    /// Share of the centred hidden layer's square norm that is a function of y in the irrep.
    pub hidden_y: Option<f64>,
    /// Share of the centred hidden layer's square norm that is a function of xy in the irrep.
    pub hidden_xy: Option<f64>,
    /// Cosine, over all (x, y, z), of the logits centred over z with chi(x y z^-1); `None` for logits that are equal over z.
    pub trace_similarity: Option<f64>,
    /// For key irreps: what their parts are worth.
    pub losses: Option<KeyLosses>,
}

/// What a model makes of the irreps of its group: what [`representation`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct RepresentationMeasures {
    /// Over all pairs.
    pub all: Evaluation,
    /// Over the training pairs; `None` where there are none.
    pub train: Option<Evaluation>,
    /// Over the test pairs.
    pub test: Option<Evaluation>,
    /// Every real irrep, in the order of the basis.
    pub irreps: Vec<IrrepMeasures>,
    /// Fraction of the centred logits' square norm explained by the characters: sum of squared trace similarities over the
    /// nontrivial irreps; `None` for logits that are equal over the classes.
    pub logit_fve: Option<f64>,
    /// The key irreps: nontrivial, with a trace similarity above [`KEY_SIMILARITY`].
    pub key: Vec<BlockId>,
    /// What the parts of all key irreps together are worth; `None` without key irreps.
    pub key_losses: Option<KeyLosses>,
    /// Every neuron with the irrep that explains it best; [`NeuronClusters::compare_with`] marks labels that say nothing.
    pub neurons: NeuronClusters,
    /// Shares of each neuron's centred square norm that are functions of x, of y and of xy in each irrep: (neurons, irreps)
    /// each; 0 for a neuron that does not vary. `None` for a model whose unembedding does not read its neurons.
    pub along: Option<[Array2<f64>; 3]>,
    /// Over all pairs, from the neurons' own path to the logits alone; `None` where it is all that reaches the logits.
    #[serde(default)]
    pub path_alone: Option<Evaluation>,
}

impl RepresentationMeasures {
    /// A share added up over the key irreps.
    pub fn over_key(&self, share: impl Fn(&IrrepMeasures) -> Option<f64>) -> Option<f64> {
        self.key.iter().map(|&i| share(&self.irreps[i.index()])).try_fold(0.0, |sum, share| Some(sum + share?))
    }

    /// Share of the centred hidden layer's square norm in functions of x, of y and of xy in the key irreps; `None` for one
    /// that is constant.
    #[must_use]
    pub fn hidden_fve(&self) -> Option<f64> {
        self.irreps.first()?.hidden_x?;
        self.over_key(|m| Some(m.hidden_x? + m.hidden_y? + m.hidden_xy?))
    }
}

/// Which irreps of its group does a model compute with, how, and what is each of them worth? The measures of "A Toy Model
/// of Universality", for any model on any group.
///
/// With P the projector of an irrep with real character chi: shares of a map M from elements to neurons are
/// `|P M|^2 / |M|^2`; of the hidden layer h(x, y), centred for every neuron, that of its means over the pairs with one x,
/// one y, one xy. Logits are compared with `chi(x y z^-1)`. Restricted losses keep one part alone and are taken over all
/// pairs, excluded ones leave it out and are taken over the training pairs, as published.
///
/// No array has n^3 entries. The sum of `logit(x, y, z) chi(x y z^-1)` needs the logits summed over the pairs with one xy,
/// which are n x n; so do the excluded losses, whose logits are the model's less a row that depends on xy alone; and the
/// restricted logits depend on xy alone altogether. The hidden layer is the neurons where their path to the logits is known
/// ([`Interpretable::neuron_path`]), else the readout site; where more than the neurons reaches the logits, as in a transformer,
/// excluded losses are of the whole model, and beside them of the neurons' path alone, as published.
///
/// # Arguments
/// `basis`: of `group`, whose composition `task` is and whose pairs `split` divides.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a group, basis, task or split of another order than the model's;
/// [`Error::OtherGroup`](crate::Error::OtherGroup) for those of different groups of one order; those of
/// [`Split::check`]; [`Error::NonFiniteActivation`](crate::Error::NonFiniteActivation) naming the first pair at which the
/// model overflows; [`Error::Memory`](crate::Error::Memory) where sums by product, or two n x n matrices a key irrep, exceed
/// the budget; those of [`neurons`].
///
/// Cost: a pass over all pairs, one over the training pairs with 2 (k + 1) losses for k key irreps, and the block
/// energies of the neurons.
///
/// ```
/// use irreplens::analysis::representation;
/// use irreplens::{fourier::IrrepBasis, group::{Group, GroupExt, Symmetric}, irrep::symmetric};
/// use irreplens::{model::{FromFn, Site}, task::{Split, Task}};
/// use ndarray::Array2;
/// // Logits that are a character: 9 chi(x y z^-1) for the irrep of dimension 2.
/// let group = Symmetric::new(3)?;
/// let standard = symmetric(&group)[1].character();
/// let logit = move |x, y, z| 9.0 * standard[group.right_divide(group.compose(x, y), z).index()] as f32;
/// let model = FromFn::new(6, vec![Site::new("logits", 6)], "logits", move |pairs| {
///     vec![Array2::from_shape_fn((pairs.len(), 6), |(i, z)| logit(pairs[i].0, pairs[i].1, irreplens::group::Elem::new(z)))]
/// })?;
///
/// let group = Symmetric::new(3)?;
/// let (basis, task, split) = (IrrepBasis::new(&group)?, Task::new(&group), Split::random(6, 0.5, 1)?);
/// let found = representation(&model, &group, &basis, &task, &split)?;
/// assert_eq!(found.key, [2]);
/// assert!((found.irreps[2].trace_similarity.unwrap() - 1.0).abs() < 1e-6);
/// let without = found.irreps[2].losses.unwrap().logit_excluded.unwrap();
/// assert!((without.loss - 6f64.ln()).abs() < 1e-5); // a guess
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Chughtai, Chan, Nanda 2023, "A Toy Model of Universality: Reverse Engineering How Networks Learn Group
/// Operations", sections 4 and 5; definitions in [`guide::replication`](crate::guide::replication).
pub fn representation(
    model: &(impl Interpretable + ?Sized),
    group: &(impl Group + ?Sized),
    basis: &IrrepBasis,
    task: &Task,
    split: &Split,
) -> Result<RepresentationMeasures> {
    let model: &dyn Interpretable = &model;
    check_shape("group of the representation", &[model.order()], &[group.order()])?;
    check_task(model, task)?;
    check_fingerprint("group of the representation", task.fingerprint(), group.fingerprint())?;
    check_order(basis, task)?;
    let sets = SplitPairs::new(task, split)?;
    let pass = sets.sums(model, task)?;
    let found = irreps_of_pass(model, basis, task, &sets, &pass, None)?;
    Ok(RepresentationMeasures {
        all: pass.all,
        train: pass.sets[0],
        test: pass.sets[1],
        irreps: found.irreps,
        logit_fve: found.logit_fve,
        key: found.key,
        key_losses: found.key_losses,
        neurons: neurons(model, basis)?,
        along: found.along,
        path_alone: if hidden_is_read_out(model) { None } else { Some(path_alone(model, task)?) },
    })
}

pub(super) struct OfIrreps {
    pub(super) irreps: Vec<IrrepMeasures>,
    pub(super) logit_fve: Option<f64>,
    pub(super) key: Vec<BlockId>,
    pub(super) key_losses: Option<KeyLosses>,
    along: Option<[Array2<f64>; 3]>,
}

/// The measures of all irreps, from a pass that has been made; with these key irreps, or else those that the logits have.
pub(super) fn irreps_of_pass(
    model: &dyn Interpretable,
    basis: &IrrepBasis,
    task: &Task,
    sets: &SplitPairs,
    pass: &PairMeans,
    key: Option<&[BlockId]>,
) -> Result<OfIrreps> {
    let readout = hidden_readout(model);
    let [left, right] = input_shares(model, basis)?;
    let (unembed, unembed_centred) = match readout.unembedding() {
        Some(path) => (block_shares(basis, path.t())?, centred_shares(basis, path)?),
        None => (None, None),
    };
    let of_block = |shares: &Option<Vec<f64>>, b: usize| shares.as_ref().map(|shares| shares[b]);

    let hidden = Hidden::new(pass, basis);
    let logits = Logits::new(task, basis, pass)?;
    let key = key.map_or_else(|| logits.key(basis), <[BlockId]>::to_vec);
    let losses = losses(model, task, sets, basis, pass, &logits, &key)?;
    let (of_keys, of_all) = losses.split_at(key.len());

    let measures = |(b, irrep): (usize, &Irrep)| {
        let [hidden_x, hidden_y, hidden_xy] = hidden.shares(b);
        IrrepMeasures {
            irrep: irrep.clone(),
            embed_left: of_block(&left, b),
            embed_right: of_block(&right, b),
            unembed: of_block(&unembed, b),
            unembed_centred: of_block(&unembed_centred, b),
            hidden_x,
            hidden_y,
            hidden_xy,
            trace_similarity: logits.similarities[b],
            losses: key.iter().position(|&k| k == b).map(|i| of_keys[i]),
        }
    };
    for l in of_keys.iter().chain(of_all) {
        let all = [Some(l.hidden_restricted), l.hidden_excluded, Some(l.logit_restricted), l.logit_excluded];
        let mut all = all.into_iter().flatten().chain(l.hidden_excluded_path);
        all.try_for_each(|evaluation| check_ablated(evaluation).map(drop))?;
    }
    Ok(OfIrreps {
        irreps: basis.irreps().iter().enumerate().map(measures).collect(),
        logit_fve: logits.similarities.iter().enumerate().try_fold(0.0, |sum, (b, s)| {
            let s = (*s)?;
            Some(if b > 0 { sum + s * s } else { sum })
        }),
        key_losses: of_all.first().copied(),
        along: (readout.site() == model.neuron_site()).then(|| hidden.along()),
        key,
    })
}

/// The key irreps of a model, from a pass that has been made.
pub(super) fn key_irreps(basis: &IrrepBasis, task: &Task, pass: &PairMeans) -> Result<Vec<BlockId>> {
    Ok(Logits::new(task, basis, pass)?.key(basis))
}

/// Square norms of the centred hidden layer's functions of x, of y and of xy.
struct Hidden {
    /// By irrep and channel: (irreps, width) for x, y and xy.
    energies: [Array2<f64>; 3],
    /// Square norm of every channel; 0 where that is rounding of its values.
    total: Array1<f64>,
    /// What a share of the whole layer must exceed to be more than rounding.
    least: f64,
}

impl Hidden {
    fn new(pass: &PairMeans, basis: &IrrepBasis) -> Self {
        let (n, mean) = (basis.order() as f64, pass.mean());
        let least = rounding(basis.order()).powi(2);
        let mut total = &pass.energy - &(&mean * &mean * (n * n));
        total.zip_mut_with(&pass.energy, |total, energy| {
            if *total <= energy * least {
                *total = 0.0;
            }
        });
        let energies = [&pass.by_left, &pass.by_right, &pass.by_product].map(|means| {
            let centred = (means - &mean).mapv(|v| v as f32);
            let coefficients = crate::fourier::forward(basis, centred.view()).expect("one row an element");
            let mut energies = Array2::zeros((basis.blocks().len(), mean.len()));
            for (b, block) in basis.blocks().iter().enumerate() {
                for row in block.rows.clone() {
                    let row = coefficients.slice(ndarray::s![0, row, ..]);
                    energies.row_mut(b).zip_mut_with(&row, |e, &v| *e += n * f64::from(v) * f64::from(v));
                }
            }
            energies
        });
        Self { energies, total, least }
    }

    fn shares(&self, b: usize) -> [Option<f64>; 3] {
        let total = self.total.sum();
        self.energies.each_ref().map(|energies| {
            let share = energies.row(b).sum() / total;
            (total > 0.0).then_some(if share > self.least { share } else { 0.0 })
        })
    }

    fn along(&self) -> [Array2<f64>; 3] {
        let share = |&energy: &f64, &total: &f64| if total > 0.0 { energy / total } else { 0.0 };
        let of_row = |energies: ArrayView1<'_, f64>| ndarray::Zip::from(&energies).and(&self.total).map_collect(share);
        self.energies.each_ref().map(|energies| {
            let rows: Vec<_> = energies.outer_iter().map(of_row).collect();
            let rows: Vec<_> = rows.iter().map(|row| row.view()).collect();
            ndarray::stack(ndarray::Axis(1), &rows).expect("rows of one length")
        })
    }
}

/// The logits along the characters.
struct Logits {
    /// By irrep; `None` where the logits are equal over the classes, up to rounding.
    similarities: Vec<Option<f64>>,
    /// Coefficient of each character in the centred logits.
    coefficients: Vec<f64>,
    /// p z^-1: (class z, product p).
    quotients: Array2<Elem>,
}

impl Logits {
    fn new(task: &Task, basis: &IrrepBasis, pass: &PairMeans) -> Result<Self> {
        let n = task.order();
        memory::check("quotients of all pairs", memory::bytes::<Elem>(&[n, n]))?;
        let mut quotients = Array2::from_elem((n, n), Elem::new(0));
        for (i, &p) in task.labels().iter().enumerate() {
            quotients[[i % n, p as usize]] = Elem::new(i / n); // x = p z^-1 where x z = p
        }
        let by_product = &pass.logits_by_product;
        let mut sums = Array1::<f64>::zeros(n); // over x y z^-1 = h
        for (p, row) in by_product.outer_iter().enumerate() {
            let mean = row.iter().copied().map(f64::from).sum::<f64>() / n as f64;
            for (z, &logit) in row.iter().enumerate() {
                sums[quotients[[z, p]].index()] += n as f64 * (f64::from(logit) - mean);
            }
        }
        let square = |irrep: &Irrep| (n * n) as f64 * irrep.character.dot(&irrep.character);
        let along = |irrep: &Irrep| sums.dot(&irrep.character);
        // Of the logits as they are no more is known than what depends on xy alone.
        let whole = n as f64 * by_product.iter().map(|&l| f64::from(l) * f64::from(l)).sum::<f64>();
        let least = rounding(n);
        let varies = pass.logit_energy > 0.0 && pass.logit_energy > whole * least * least;
        let similarity = |(b, irrep): (usize, &Irrep)| {
            let similarity = along(irrep) / (square(irrep) * pass.logit_energy).sqrt();
            // Centred over z, logits have nothing along the trivial irrep, which is the first.
            varies.then_some(if b > 0 { similarity } else { 0.0 })
        };
        let similarities = basis.irreps().iter().enumerate().map(similarity).collect();
        let coefficients = basis.irreps().iter().map(|irrep| along(irrep) / square(irrep)).collect();
        Ok(Self { similarities, coefficients, quotients })
    }

    /// The key irreps: nontrivial, with a trace similarity above [`KEY_SIMILARITY`].
    fn key(&self, basis: &IrrepBasis) -> Vec<BlockId> {
        basis.block_ids().into_iter().skip(1).filter(|b| self.similarities[b.index()] > Some(KEY_SIMILARITY)).collect()
    }

    /// The part of the centred logits along some characters, which depends on xy alone: (class, product).
    fn part(&self, basis: &IrrepBasis, irreps: &[BlockId]) -> Array2<f32> {
        let mut along = Array1::<f64>::zeros(basis.order());
        for &b in irreps {
            along.scaled_add(self.coefficients[b.index()], &basis.irreps()[b.index()].character);
        }
        self.quotients.mapv(|h| along[h.index()] as f32)
    }
}

/// Losses of every key irrep, and last of all of them together; none without key irreps.
fn losses(
    model: &dyn Interpretable,
    task: &Task,
    sets: &SplitPairs,
    basis: &IrrepBasis,
    pass: &PairMeans,
    logits: &Logits,
    key: &[BlockId],
) -> Result<Vec<KeyLosses>> {
    if key.is_empty() {
        return Ok(Vec::new());
    }
    let which: Vec<Vec<BlockId>> = key.iter().map(|&b| vec![b]).chain([key.to_vec()]).collect();
    check_corrections(task.order(), 2 * which.len())?;
    let hidden_parts = parts_of_blocks(basis, pass.by_product.mapv(|v| v as f32).view(), &which)?;
    let hidden_restricted = restricted(model, &hidden_parts)?;
    let mut corrections = logits_of_parts(model, &hidden_parts)?;
    let from_path = match hidden_is_read_out(model) {
        true => None,
        false => excluded(model, hidden_readout(model), task, sets, &corrections)?,
    };
    corrections.extend(which.iter().map(|irreps| logits.part(basis, irreps)));
    let excluded = excluded(model, Readout::of_logits(model.order()), task, sets, &corrections)?;
    let labels: Vec<u32> = (0..task.order() as u32).collect();
    let loss = |i: usize| KeyLosses {
        hidden_restricted: hidden_restricted[i],
        hidden_excluded: excluded.as_ref().map(|losses| losses[i]),
        hidden_excluded_path: from_path.as_ref().map(|losses| losses[i]),
        logit_restricted: super::parts::evaluation(corrections[which.len() + i].t(), &labels),
        logit_excluded: excluded.as_ref().map(|losses| losses[which.len() + i]),
    };
    Ok((0..which.len()).map(loss).collect())
}

pub(super) const CONSTANT_LAYER: &str = "the hidden layer is constant";
pub(super) const EQUAL_LOGITS: &str = "the logits are equal over the classes";

impl RepresentationMeasures {
    /// Loss and accuracy over all, the training and the test pairs.
    #[must_use]
    pub fn loss_table(&self) -> Table {
        loss_table(&[("all pairs", Some(self.all)), ("training pairs", self.train), ("test pairs", self.test)])
    }

    /// How the model uses every irrep, and last all key irreps together.
    #[must_use]
    pub fn table(&self) -> Table {
        const NOT_KEY: &str = "losses are of key irreps";
        const SEVERAL: &str = "key irreps together have no one such";
        let losses = |losses: Option<KeyLosses>| {
            let Some(l) = losses else { return [(); 4].map(|()| Cell::Missing(NOT_KEY.into())) };
            let [restricted, logit_restricted] =
                [l.hidden_restricted, l.logit_restricted].map(|e| Cell::Number(e.loss));
            [restricted, loss(l.hidden_excluded, NO_TRAINING), logit_restricted, loss(l.logit_excluded, NO_TRAINING)]
        };
        type Share = fn(&IrrepMeasures) -> Option<f64>;
        let shares: [(Term, Share, &str); 7] = [
            (LEFT, |m| m.embed_left, NO_MAP),
            (RIGHT, |m| m.embed_right, NO_MAP),
            (UNEMBED, |m| m.unembed_centred, NO_MAP),
            (RAW_UNEMBED, |m| m.unembed, NO_MAP),
            (HIDDEN_X, |m| m.hidden_x, CONSTANT_LAYER),
            (HIDDEN_Y, |m| m.hidden_y, CONSTANT_LAYER),
            (HIDDEN_XY, |m| m.hidden_xy, CONSTANT_LAYER),
        ];
        let row = |first: [Cell; 4], of: &dyn Fn(Share) -> Option<f64>, l: Option<KeyLosses>| {
            let shares = shares.iter().map(|&(_, share, none)| Cell::share(of(share), none));
            first.into_iter().chain(shares).chain(losses(l)).collect::<Vec<_>>()
        };
        let of_irrep = |m: &IrrepMeasures| {
            let Irrep { label, dim, kind, .. } = &m.irrep;
            let similarity = Cell::number(m.trace_similarity, EQUAL_LOGITS);
            let first = [Cell::text(label), Cell::Count(*dim), Cell::text(kind.to_string()), similarity];
            row(first, &|share| share(m), m.losses)
        };
        let of_all = || {
            let several = || Cell::Missing(SEVERAL.into());
            let first = [Cell::text("all key irreps"), several(), several(), several()];
            row(first, &|share| self.over_key(share), self.key_losses)
        };
        let of_losses = [RESTRICTED, EXCLUDED, LOGIT_RESTRICTED, LOGIT_EXCLUDED];
        let columns = [IRREP, DIMENSION, KIND, SIMILARITY].into_iter().chain(shares.clone().map(|(term, ..)| term));
        let rows = self.irreps.iter().map(of_irrep).chain((!self.key.is_empty()).then(of_all)).collect();
        Table::new("Irreps", columns.chain(of_losses).collect(), rows)
    }

    /// The mean shares, over the neurons of every irrep, of their centred square norm that are functions of x, of y and of xy in
    /// it; `None` for a model whose unembedding does not read its neurons.
    #[must_use]
    pub fn neuron_table(&self) -> Option<Table> {
        let along = self.along.as_ref()?;
        let row = |(b, members): (BlockId, Vec<usize>)| {
            // Members of a cluster vary, and there is at least one.
            let mean = |shares: &Array2<f64>| {
                Cell::Share(members.iter().map(|&k| shares[[k, b.index()]]).sum::<f64>() / members.len() as f64)
            };
            [Cell::text(&self.irreps[b.index()].irrep.label)].into_iter().chain(along.iter().map(mean)).collect()
        };
        let of = |name: &'static str| {
            let means = "Share of a neuron's centred square norm that is such a function in its irrep, the mean over the neurons.";
            Term::new(name, means)
        };
        Some(Table {
            title: "What the neurons of each irrep are made of".into(),
            columns: vec![IRREP, of("rho(x)"), of("rho(y)"), of("rho(xy)")],
            rows: self.neurons.clusters().into_iter().map(row).collect(),
        })
    }
}

impl fmt::Display for RepresentationMeasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.loss_table())?;
        match self.logit_fve {
            Some(explained) => writeln!(f, "Characters explain {} of the logits.\n", Cell::Share(explained))?,
            None => writeln!(f, "Characters explain none of the logits, which are equal over the classes.\n")?,
        }
        write!(f, "{}\n\n{}", self.table(), self.neurons)?;
        match self.neuron_table() {
            Some(table) => write!(f, "\n\n{table}"),
            None => write!(f, "\n\n{NOT_OF_NEURONS}"),
        }
    }
}

//! Margins: how far the logit of the product is above all others, minimal, on average, and normalised by the weights.

use super::explain::HiddenLayer;
use crate::error::Result;
use crate::linalg::map_blocks;
use crate::model::{Activation, Combiner, Interpretable, block_rows, check_task};
use crate::task::Task;

/// How far the logit of the product is above the largest other one, over all pairs: what [`margin`] returns.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Margin {
    /// The least margin of all pairs; above 0 if every pair is right.
    pub minimal: f64,
    /// The first pair (x, y) that has it.
    pub pair: [usize; 2],
    /// The mean margin.
    pub mean: f64,
    /// The minimal margin over the norm of the weights, `minimal / sum over neurons of |w_k|^degree` with w_k the neuron's two maps and
    /// what it writes, one after the other; `None` for a model whose logits are no homogeneous function of these.
    pub normalised: Option<f64>,
}

/// How far is the logit of the product above all others, at the worst pair, and beside what the weights would allow?
///
/// The margin of a pair is `l(x y) - max over z != x y of l(z)`. Logits of a network with one hidden layer
/// `sum over k of f(L_k(x) + R_k(y)) U_k(z)` grow by `c^degree` if all of L, R and U grow by c: degree 2 for a ReLU or the identity, 3 for
/// squares and for products of the maps. The margin over `sum over k of (|L_k|^2 + |R_k|^2 + |U_k|^2)^(degree / 2)` does not change
/// then. Of networks with squares on a group, those with the largest one have each neuron in one irrep, and all irreps in use.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) and [`Error::OtherGroup`](crate::Error::OtherGroup) for a task of another group; those of the
/// forward pass.
///
/// Cost: a pass over all pairs.
///
/// ```
/// use irreplens::analysis::margin;
/// use irreplens::{group::Cyclic, model::{Activation, Architecture, Network}, task::Task};
/// use ndarray::array;
/// // f(x, y) = x y, as 1 / 4 of (x + y)^2 less (x - y)^2: the sign of the product of two signs.
/// let weights = [
///     ("W_E_a", array![[1.0, 1.0], [-1.0, -1.0]]),
///     ("W_E_b", array![[1.0, -1.0], [-1.0, 1.0]]),
///     ("W_U", array![[0.25, -0.25], [-0.25, 0.25]]),
/// ];
/// let net = Network::with_parameters(Architecture::summed_with(2, Activation::Square), 2, weights)?;
/// let found = margin(&net, &Task::new(&Cyclic::new(2)?))?;
/// assert_eq!((found.minimal, found.mean), (2.0, 2.0));
/// // Two neurons of square norm 2 + 2 + 1 / 8, to the power of 3 / 2.
/// assert!((found.normalised.unwrap() - 1.0 / 4.125f64.powf(1.5)).abs() < 1e-9);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Morwani, Edelman, Oncescu, Zhao, Kakade 2024, "Feature emergence via margin maximization", sections 2 and 3.
pub fn margin(model: &(impl Interpretable + ?Sized), task: &Task) -> Result<Margin> {
    let model: &dyn Interpretable = &model;
    check_task(model, task)?;
    let n = task.order();
    // The first of the least ones, with its pair; what is no number stays.
    let lesser = |a: (f64, usize), b: (f64, usize)| if b.0 < a.0 || b.0.is_nan() { b } else { a };
    let blocks = map_blocks(n * n, block_rows(model), |range| {
        let (start, logits) = (range.start, model.forward(&task.pairs(range.clone()))?);
        let mut least = (f64::INFINITY, start);
        let mut sum = 0.0;
        for (i, row) in logits.rows().into_iter().enumerate() {
            let label = task.labels()[start + i] as usize;
            let others = row.iter().enumerate().filter(|(z, _)| *z != label).map(|(_, logit)| f64::from(*logit));
            let margin = f64::from(row[label]) - others.fold(f64::NEG_INFINITY, f64::max);
            sum += margin;
            least = lesser(least, (margin, start + i));
        }
        Ok::<_, crate::Error>((least, sum))
    });
    let mut least = (f64::INFINITY, 0);
    let mut sum = 0.0;
    for block in blocks {
        let (of_block, of_sum) = block?;
        sum += of_sum;
        least = lesser(least, of_block);
    }
    let norm = norm(model);
    Ok(Margin {
        minimal: least.0,
        pair: [least.1 / n, least.1 % n],
        mean: sum / (n * n) as f64,
        normalised: norm.filter(|norm| *norm > 0.0).map(|norm| least.0 / norm),
    })
}

/// `sum over neurons of |w_k|^degree`, of a network with one hidden layer and without biases.
fn norm(model: &dyn Interpretable) -> Option<f64> {
    let layer = HiddenLayer::of(model, "margin").ok()?;
    let degree = match (layer.combiner, layer.function) {
        (Combiner::Sum, Activation::Relu | Activation::Identity) => 2,
        (Combiner::Sum, Activation::Square) | (Combiner::Product, Activation::Identity) => 3,
        _ => return None,
    };
    if layer.offset.iter().any(|v| *v != 0.0) {
        return None;
    }
    let square = |v: &f32| f64::from(*v) * f64::from(*v);
    let of_neuron = |k: usize| {
        let maps = layer.left.column(k).into_iter().chain(layer.right.column(k)).chain(layer.unembedding.row(k));
        maps.map(square).sum::<f64>().powf(f64::from(degree) / 2.0)
    };
    Some((0..layer.left.ncols()).map(of_neuron).sum())
}

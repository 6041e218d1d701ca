//! Clock or pizza: how much logits depend on the distance of the two elements, and how alike their gradients are.

use crate::error::{Error, Result};
use crate::group::Elem;
use crate::linalg::{map_blocks, matmul};
use crate::memory;
use crate::model::{Interpretable, LOGITS, block_rows, check_task};
use crate::task::{Pair, Task};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_mt::Mt;
use std::collections::BTreeMap;
use std::fmt;

/// Pairs whose gradients are taken at once.
const PAIRS: usize = 192;

/// Triples that the published code takes the gradients at.
const PUBLISHED_TRIPLES: usize = 100;

/// How much the correct logit depends on more than the distance of the two elements: what [`distance_irrelevance`] returns.
///
/// Near 0 the logit is a function of the distance; near 1 the distance tells nothing of it. On an abelian group both
/// distances are equal up to a sign.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct DistanceIrrelevance {
    /// For the distance `x^-1 y`; `None` where the correct logit is constant.
    pub left: Option<f64>,
    /// For the distance `x y^-1`.
    pub right: Option<f64>,
}

/// Is the correct logit a function of the distance of the two elements (pizza) or not (clock)?
///
/// `q = mean over d of std(logit(x, y, xy) : distance(x, y) = d) / std(logit(x, y, xy) over all pairs)`, for the distances
/// `x^-1 y` and `x y^-1`; on a cyclic group both are the published one, of x - y.
///
/// # Errors
/// [`Error::Shape`] and [`Error::OtherGroup`] for a task of another group; those of the forward pass.
///
/// Cost: one pass over all pairs.
///
/// ```
/// use irreplens::analysis::distance_irrelevance;
/// use irreplens::{group::Cyclic, model::Network, task::Task};
/// use ndarray::Array2;
/// let wave = |i: usize, j: usize| ((i * i + 3 * j) as f32).sin();
/// let weights = |r, c| Array2::from_shape_fn((r, c), |(i, j)| wave(i, j));
/// let net = Network::summed(weights(7, 4), weights(7, 4), weights(4, 7))?;
/// let found = distance_irrelevance(&net, &Task::new(&Cyclic::new(7)?))?;
/// assert!(found.left.unwrap() > 0.5 && (found.left.unwrap() - found.right.unwrap()).abs() < 1e-9);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Zhong, Liu, Tegmark, Andreas 2023, "The Clock and the Pizza", section 4.2.
pub fn distance_irrelevance(model: &(impl Interpretable + ?Sized), task: &Task) -> Result<DistanceIrrelevance> {
    check_task(model, task)?;
    let (n, labels) = (task.order(), task.labels());
    memory::check("correct logits of all pairs", memory::bytes::<f64>(&[n, n]))?;
    let block = |range: std::ops::Range<usize>| {
        let logits = model.run_with_cache(&task.pairs(range.clone()), &[LOGITS])?.take(LOGITS)?;
        let correct = labels[range].iter().enumerate().map(|(i, &p)| f64::from(logits[[i, p as usize]]));
        Ok(correct.collect::<Vec<f64>>())
    };
    let correct = map_blocks(n * n, block_rows(model), block).into_iter().collect::<Result<Vec<_>>>()?.concat();
    let whole = deviation(correct.iter().copied());
    let irrelevance = |pair: &dyn Fn(usize, usize) -> usize| {
        let at = |d: usize| deviation((0..n).map(|i| correct[pair(d, i)]));
        (whole > 0.0).then(|| (0..n).map(at).sum::<f64>() / n as f64 / whole)
    };
    Ok(DistanceIrrelevance {
        // y = x d
        left: irrelevance(&|d, x| x * n + labels[x * n + d] as usize),
        // x = d y
        right: irrelevance(&|d, y| labels[d * n + y] as usize * n + y),
    })
}

/// Standard deviation, over the number of values.
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// How alike the gradients with respect to the two elements are: what [`gradient_symmetricity`] returns.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct GradientSymmetricity {
    /// Mean cosine of the gradients with respect to the two embedding vectors; `None` where the elements are embedded by
    /// different tables, whose coordinates have nothing to do with each other.
    pub embeddings: Option<f64>,
    /// Mean cosine of the gradients with respect to which token stands there: both gradients times the centred embedding
    /// table of their side.
    pub tokens: f64,
    /// Number of triples (x, y, z) that the means are over.
    pub triples: usize,
}

/// How alike are the gradients of a logit with respect to x and to y? Near 1 for a pizza, lower for a clock.
///
/// With `g_x` and `g_y` the gradients of logit z at (x, y) with respect to the vectors that embed x and y: the mean over
/// triples (x, y, z) of their cosine; and that of `E g_x` and `E g_y`, E the embedding table less its mean row, which is
/// defined for two tables too.
///
/// # Arguments
/// `triples`: (x, y, z) each, or all n^3; the published code takes [`published_triples`].
///
/// # Errors
/// [`Error::Unsupported`] for a model that gives no gradients or embeddings; [`Error::UnknownElement`].
///
/// Cost: a backward pass for every triple.
///
/// ```
/// use irreplens::analysis::gradient_symmetricity;
/// use irreplens::model::{Architecture, Network};
/// use ndarray::Array2;
/// let table = Array2::from_shape_fn((5, 8), |(i, j)| ((i * i + 2 * j) as f32).sin());
/// let network = Network::summed(table.clone(), table.clone(), table.reversed_axes())?;
/// // Neurons read the sum of the two embeddings: both gradients are equal.
/// assert!((gradient_symmetricity(&network, None)?.tokens - 1.0).abs() < 1e-6);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Zhong, Liu, Tegmark, Andreas 2023, "The Clock and the Pizza", section 4.1.
pub fn gradient_symmetricity(
    model: &(impl Interpretable + ?Sized),
    triples: Option<&[[usize; 3]]>,
) -> Result<GradientSymmetricity> {
    let n = model.order();
    let (left, right) = model.embeddings().ok_or(Error::Unsupported {
        analysis: "gradient symmetricity",
        needs: "a model with embeddings of both elements",
    })?;
    let is_tied = left == right;
    let [left, right] = [left, right].map(centred);
    let sums = |pairs: &[Pair], classes: &[usize]| {
        let (mut embeddings, mut tokens) = (0.0, 0.0);
        model.logit_gradients(pairs, classes, &mut |_, of_left, of_right| {
            embeddings += cosines(of_left, of_right);
            tokens += cosines(matmul(of_left, left.t()).view(), matmul(of_right, right.t()).view());
        })?;
        Ok([embeddings, tokens])
    };
    let blocks: Vec<Result<[f64; 2]>> = match triples {
        None => {
            let classes: Vec<usize> = (0..n).collect();
            map_blocks(n * n, PAIRS, |range| sums(&crate::task::pairs(n, range), &classes))
        }
        Some(triples) => {
            let mut of_class: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
            for &[x, y, z] in triples {
                let pairs = of_class.entry(z).or_default();
                for element in [x, y] {
                    if element >= n {
                        return Err(Error::UnknownElement { order: n, got: element });
                    }
                }
                pairs.push((Elem::new(x), Elem::new(y)));
            }
            of_class.iter().map(|(&z, pairs)| sums(pairs, &[z])).collect()
        }
    };
    let mut total = [0.0; 2];
    for block in blocks {
        let block = block?;
        total = [total[0] + block[0], total[1] + block[1]];
    }
    let count = triples.map_or(n * n * n, <[_]>::len);
    let [embeddings, tokens] = total.map(|sum| sum / count as f64);
    Ok(GradientSymmetricity { embeddings: is_tied.then_some(embeddings), tokens, triples: count })
}

/// A table less its mean row.
fn centred(table: ArrayView2<'_, f32>) -> Array2<f32> {
    let mean = table.mapv(f64::from).mean_axis(Axis(0)).expect("a group has an element");
    let mut table = table.to_owned();
    table.outer_iter_mut().for_each(|mut row| row.zip_mut_with(&mean, |v, m| *v = (f64::from(*v) - m) as f32));
    table
}

/// The sum of the cosines of the rows of two matrices; 0 for a row that is zero.
fn cosines(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> f64 {
    let dot = |a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>| {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
    };
    let cosine = |(a, b): (ArrayView1<'_, f32>, ArrayView1<'_, f32>)| {
        let norms = (dot(a, a) * dot(b, b)).sqrt();
        if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
    };
    a.outer_iter().zip(b.outer_iter()).map(cosine).sum()
}

/// The 100 triples at which the published code takes gradients: the first of all n^3, row-major, once Python's
/// `random.Random(42).shuffle` has shuffled them.
///
/// # Errors
/// [`Error::Memory`] where 4 n^3 bytes exceed the [budget](crate::memory::budget).
///
/// ```
/// let triples = irreplens::analysis::published_triples(113)?;
/// assert_eq!((triples.len(), triples[0]), (100, [65, 64, 45]));
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn published_triples(order: usize) -> Result<Vec<[usize; 3]>> {
    memory::check("all triples of elements", memory::bytes::<u32>(&[order, order, order]))?;
    let count = u32::try_from(order.pow(3)).map_err(|_| Error::Range {
        what: "number of triples",
        expected: "below 2^32",
        got: (order as f64).powi(3),
    })?;
    let mut all: Vec<u32> = (0..count).collect();
    // Python seeds by an array of the seed's 32-bit words.
    let mut rng = Mt::new_with_key([42]);
    for i in (1..all.len()).rev() {
        let bound = i as u32 + 1;
        let bits = u32::BITS - bound.leading_zeros();
        let j = loop {
            let drawn = rng.next_u32() >> (u32::BITS - bits);
            if drawn < bound {
                break drawn as usize;
            }
        };
        all.swap(i, j);
    }
    let triple = |&i: &u32| {
        let i = i as usize;
        [i / (order * order), i / order % order, i % order]
    };
    Ok(all.iter().take(PUBLISHED_TRIPLES).map(triple).collect())
}

impl fmt::Display for DistanceIrrelevance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.left, self.right) {
            (Some(left), Some(right)) => {
                write!(f, "distance irrelevance {left:.4} for x^-1 y, {right:.4} for x y^-1")
            }
            _ => f.write_str("distance irrelevance: none, the correct logit is constant"),
        }
    }
}

impl fmt::Display for GradientSymmetricity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gradient symmetricity over {} triples: ", self.triples)?;
        match self.embeddings {
            Some(embeddings) => write!(f, "{embeddings:.4} of embeddings, ")?,
            None => f.write_str("none of embeddings, which are two tables, ")?,
        }
        write!(f, "{:.4} of tokens", self.tokens)
    }
}

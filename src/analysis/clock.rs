//! Clock or pizza: how much logits depend on the distance of the two elements, how alike their gradients are and, on cyclic
//! groups, how circular the embedding is and how the amplitude of each frequency depends on the distance.

use crate::error::{Error, Result};
use crate::group::Elem;
use crate::linalg::{map_blocks, matmul, symmetric_eigen};
use crate::memory;
use crate::model::{Interpretable, LOGITS, MOST_TOTALS, block_rows, check_finite, check_task, fold_rows};
use crate::task::{Pair, Task};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_mt::Mt;
use std::collections::BTreeMap;
use std::fmt;

/// Pairs whose gradients are taken at once.
const PAIRS: usize = 192;

/// Principal components that circularity looks at.
const COMPONENTS: usize = 4;

/// Share of the largest eigenvalue below which a principal component is rounding.
const NO_COMPONENT: f64 = 1e-10;

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
    let model: &dyn Interpretable = &model;
    check_task(model, task)?;
    let (n, labels) = (task.order(), task.labels());
    memory::check("correct logits of all pairs", memory::bytes::<f64>(&[n, n]))?;
    // By product: the pairs of some have their correct logits along few directions.
    let mut of_product: Vec<usize> = (0..n * n).collect();
    of_product.sort_by_key(|&pair| labels[pair]);
    let block = |products: std::ops::Range<usize>| {
        let of_block = &of_product[products.start * n..products.end * n];
        let pairs: Vec<Pair> = of_block.iter().map(|&pair| (Elem::new(pair / n), Elem::new(pair % n))).collect();
        let mut directions = Array2::zeros((n, products.len()));
        products.enumerate().for_each(|(i, product)| directions[[product, i]] = 1.0);
        let logits = model.logits_along(&pairs, directions.view())?;
        Ok((0..pairs.len()).map(|i| f64::from(logits[[i, i / n]])).collect::<Vec<f64>>())
    };
    let mut correct = vec![0.0; n * n];
    let blocks = map_blocks(n, (block_rows(model) / n).max(1), block).into_iter().collect::<Result<Vec<_>>>()?;
    of_product.iter().zip(blocks.concat()).for_each(|(&pair, logit)| correct[pair] = logit);
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
    let model: &dyn Interpretable = &model;
    let n = model.order();
    let (left, right) = embeddings("gradient symmetricity", model)?;
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
                if let Some(got) = [x, y].into_iter().find(|&element| element >= n) {
                    return Err(Error::UnknownElement { order: n, got });
                }
                of_class.entry(z).or_default().push((Elem::new(x), Elem::new(y)));
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

fn embeddings<'a>(
    analysis: &'static str,
    model: &'a dyn Interpretable,
) -> Result<(ArrayView2<'a, f32>, ArrayView2<'a, f32>)> {
    model.embeddings().ok_or(Error::Unsupported { analysis, needs: "a model with embeddings of both elements" })
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
    let (what, got) = ("number of triples", (order as f64).powi(3));
    let count = u32::try_from(order.pow(3)).map_err(|_| Error::Range { what, expected: "below 2^32", got })?;
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

/// How circular the embeddings of a cyclic group are: what [`circularity`] returns.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Circularity {
    /// That of the left embedding, from 0 to 1; `None` for one whose rows are all equal.
    pub left: Option<f64>,
    /// That of the right embedding.
    pub right: Option<f64>,
}

/// Is every principal component of the embedding a wave of one frequency?
///
/// With p_1, ..., p_4 the first principal components of the embedding, as functions on the group:
/// `c = mean over i of max over k of |p_i along frequency k|^2 / |p_i|^2`, 1 where each is a wave of one frequency.
///
/// # Errors
/// [`Error::Unsupported`] for a group that is not cyclic, and for a model without embeddings; [`Error::Shape`] and
/// [`Error::OtherGroup`] for a task of another group; [`Error::Range`] for embeddings that are not finite.
///
/// Cost: O(n^3) for the components of an embedding of a group of order n.
///
/// ```
/// use irreplens::analysis::circularity;
/// use irreplens::{group::Cyclic, model::Network, task::Task};
/// use ndarray::Array2;
/// // Two circles, of frequencies 1 and 3, the first twice as large.
/// let angle = |x: usize, k: usize| std::f32::consts::TAU * (x * [1, 1, 3, 3][k]) as f32 / 11.0;
/// let wave = |x, k| [angle(x, k).cos(), angle(x, k).sin()][k % 2] * [2.0, 2.0, 1.0, 1.0][k];
/// let table = Array2::from_shape_fn((11, 4), |(x, k)| wave(x, k));
/// let network = Network::summed(table.clone(), table.clone(), table.reversed_axes())?;
/// let task = Task::new(&Cyclic::new(11)?);
/// assert!((circularity(&network, &task)?.left.unwrap() - 1.0).abs() < 1e-6);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Zhong, Liu, Tegmark, Andreas 2023, "The Clock and the Pizza", section 5 and its code.
pub fn circularity(model: &(impl Interpretable + ?Sized), task: &Task) -> Result<Circularity> {
    let model: &dyn Interpretable = &model;
    check_task(model, task)?;
    let exponents = exponents("circularity", task)?;
    let (left, right) = embeddings("circularity", model)?;
    let of_left = circular(left, &exponents)?;
    Ok(Circularity { left: of_left, right: if left == right { of_left } else { circular(right, &exponents)? } })
}

/// The exponent of every element as a power of the first generator.
fn exponents(analysis: &'static str, task: &Task) -> Result<Vec<usize>> {
    let (n, labels) = (task.order(), task.labels());
    let identity = (0..n).find(|&e| labels[e * n + e] as usize == e);
    let powers = |generator: usize| {
        let mut exponents = vec![n; n];
        let mut at = identity?;
        for exponent in 0..n {
            if exponents[at] != n {
                return None;
            }
            exponents[at] = exponent;
            at = labels[at * n + generator] as usize;
        }
        Some(exponents)
    };
    (0..n).find_map(powers).ok_or(Error::Unsupported { analysis, needs: "a cyclic group" })
}

fn circular(table: ArrayView2<'_, f32>, exponents: &[usize]) -> Result<Option<f64>> {
    let n = table.nrows();
    let mut centred = table.mapv(f64::from);
    centred -= &centred.mean_axis(Axis(0)).expect("a group has an element");
    let (values, vectors) = symmetric_eigen(centred.dot(&centred.t()).view())?;
    let largest = values.last().copied().unwrap_or(0.0);
    let share = |i: usize| {
        let along = |k: usize| {
            let (mut cos, mut sin) = (0.0, 0.0);
            for (&v, &exponent) in vectors.column(i).iter().zip(exponents) {
                let angle = turn(k * exponent, n);
                (cos, sin) = (cos + v * angle.cos(), sin + v * angle.sin());
            }
            // The last of an even order is one row alone, of twice the norm.
            (cos * cos + sin * sin) * if 2 * k == n { 0.5 } else { 1.0 }
        };
        let all: Vec<f64> = (1..=n / 2).map(along).collect();
        all.iter().copied().fold(0.0, f64::max) / all.iter().sum::<f64>()
    };
    let components = (0..n).rev().take(COMPONENTS).filter(|&i| values[i] > NO_COMPONENT * largest);
    let shares: Vec<f64> = components.map(share).collect();
    Ok((!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64))
}

/// `2 pi t / n`.
fn turn(t: usize, n: usize) -> f64 {
    std::f64::consts::TAU * (t % n) as f64 / n as f64
}

/// The amplitude of one frequency in the logits of a cyclic group: an entry of [`clock_profile`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct FrequencyProfile {
    /// The frequency k.
    pub frequency: usize,
    /// Mean of the amplitude over the distances x - y.
    pub mean: f64,
    /// Standard deviation of the amplitude over the distances.
    pub std: f64,
    /// Correlation of the amplitude with `|cos(k (x - y) / 2)|`: 1 for a pizza; `None` for an amplitude that is constant, as a
    /// clock's is.
    pub correlation_with_pizza: Option<f64>,
    /// Share of the square sum of the amplitude over all distances in that of all frequencies; `None` where all are zero.
    pub share: Option<f64>,
}

/// How does the amplitude of every frequency in the logits depend on the distance of the two elements?
///
/// On a cyclic group, for frequency k and distance d: `A_k(d) = 2/n^2 sum over x - y = d and z of logit(x, y, z)
/// cos(2 pi k (x + y - z) / n)`. A pizza's is `|cos(pi k d / n)|`, a clock's is constant.
///
/// # Returns
/// The frequencies from 1 to n/2.
///
/// # Errors
/// [`Error::Unsupported`] for a group that is not cyclic; [`Error::Shape`] and [`Error::OtherGroup`] for a task of another
/// group; [`Error::Memory`] where some n x n sums exceed the [budget](crate::memory::budget); those of the forward pass.
///
/// Cost: a pass over all pairs and O(n^3); of a model on a device the logits come back, `4 n^3` bytes, and no other
/// activations.
///
/// ```
/// use irreplens::analysis::clock_profile;
/// use irreplens::{group::{Cyclic, Elem}, model::{FromFn, Site}, task::Task};
/// use ndarray::Array2;
/// // A pizza of frequency 2: |cos(2 pi (x - y) / 7)| cos(4 pi (x + y - z) / 7).
/// let logit = |x: usize, y: usize, z: usize| {
///     let turn = std::f32::consts::TAU / 7.0;
///     (turn * (x as f32 - y as f32)).cos().abs() * (2.0 * turn * (x as f32 + y as f32 - z as f32)).cos()
/// };
/// let model = FromFn::new(7, vec![Site::new("logits", 7)], "logits", move |pairs| {
///     vec![Array2::from_shape_fn((pairs.len(), 7), |(i, z)| logit(pairs[i].0.index(), pairs[i].1.index(), z))]
/// })?;
/// let found = clock_profile(&model, &Task::new(&Cyclic::new(7)?))?;
/// assert!((found[1].correlation_with_pizza.unwrap() - 1.0).abs() < 1e-6 && found[1].share.unwrap() > 0.999);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Zhong, Liu, Tegmark, Andreas 2023, "The Clock and the Pizza", sections 2 and 4.
pub fn clock_profile(model: &(impl Interpretable + ?Sized), task: &Task) -> Result<Vec<FrequencyProfile>> {
    let model: &dyn Interpretable = &model;
    let n = task.order();
    let exponents = exponents("the profile of frequencies", task)?;
    memory::check("logits by distance", memory::bytes::<f64>(&[2, n, n]))?;
    check_task(model, task)?;
    // By distance, then by the exponent of x + y - z.
    let sums = fold_rows(
        model,
        MOST_TOTALS,
        || Array2::<f64>::zeros((n, n)),
        |sums, range| {
            let pairs = task.pairs(range);
            let logits = model.forward(&pairs)?;
            check_finite(LOGITS, logits.view(), &pairs)?;
            for (&(x, y), logits) in pairs.iter().zip(logits.outer_iter()) {
                let [x, y] = [x, y].map(|element| exponents[element.index()]);
                let mut row = sums.row_mut((n + x - y) % n);
                for (&logit, z) in logits.iter().zip(&exponents) {
                    row[(n + x + y - z) % n] += f64::from(logit);
                }
            }
            Ok(())
        },
    )?;
    let sum = sums.into_iter().fold(Array2::<f64>::zeros((n, n)), |all, part| all + part);
    let pairs = (n * n) as f64;
    let amplitudes = |k: usize| -> Vec<f64> {
        let factor = if 2 * k == n { 1.0 } else { 2.0 } / pairs;
        let wave: Vec<f64> = (0..n).map(|u| factor * turn(k * u, n).cos()).collect();
        sum.outer_iter().map(|row| row.iter().zip(&wave).map(|(a, b)| a * b).sum()).collect()
    };
    let all: Vec<Vec<f64>> = map_blocks(n / 2, 1, |k| amplitudes(k.start + 1));
    let squares: Vec<f64> = all.iter().map(|of| of.iter().map(|a| a * a).sum()).collect();
    let total: f64 = squares.iter().sum();
    let profile = |(i, of): (usize, &Vec<f64>)| {
        let pizza: Vec<f64> = (0..n).map(|d| (turn((i + 1) * d, 2 * n)).cos().abs()).collect();
        let mean = of.iter().sum::<f64>() / n as f64;
        FrequencyProfile {
            frequency: i + 1,
            mean,
            std: deviation(of.iter().copied()),
            correlation_with_pizza: correlation(of, &pizza),
            share: (total > 0.0).then(|| squares[i] / total),
        }
    };
    Ok(all.iter().enumerate().map(profile).collect())
}

/// Pearson's correlation; `None` where one of the two is constant up to `f32` rounding.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (of_a, of_b) = (mean(a), mean(b));
    let covariance = a.iter().zip(b).map(|(a, b)| (a - of_a) * (b - of_b)).sum::<f64>() / a.len() as f64;
    let [spread_a, spread_b] = [a, b].map(|of| deviation(of.iter().copied()));
    let varies = |spread: f64, mean: f64| spread > f64::from(f32::EPSILON) * mean.abs();
    (varies(spread_a, of_a) && varies(spread_b, of_b)).then(|| covariance / (spread_a * spread_b))
}

impl fmt::Display for DistanceIrrelevance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.left, self.right) {
            (Some(x), Some(y)) => write!(f, "distance irrelevance {x:.4} for x^-1 y, {y:.4} for x y^-1"),
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

impl fmt::Display for Circularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |side: Option<f64>| side.map_or("none".to_owned(), |c| format!("{c:.4}"));
        write!(f, "circularity {} of the left embedding, {} of the right", of(self.left), of(self.right))
    }
}

impl fmt::Display for FrequencyProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frequency, mean, std, .. } = self;
        write!(f, "frequency {frequency}: amplitude {mean:.4}, standard deviation {std:.4} over x - y, ")?;
        match self.correlation_with_pizza {
            Some(correlation) => write!(f, "correlation with a pizza's {correlation:.4}"),
            None => f.write_str("constant as a clock's"),
        }
    }
}

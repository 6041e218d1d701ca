//! Where the heads of a transformer look: its attention patterns as functions of the pair.

use super::table::{Cell, Table};
use super::terms::{HEAD, HEAD_BOTH, HEAD_DEVIATION, HEAD_LEFT, HEAD_MEAN, HEAD_RIGHT, POSITION};
use crate::error::{Error, Result};
use crate::linalg::map_blocks;
use crate::model::{Hooks, Interpretable, Site, block_rows, width};
use crate::task::pairs;
use ndarray::{Array2, Array3, ArrayView3, Axis, azip, s};
use std::fmt;

/// How much of a position's pattern is more than rounding: a variance below this is none.
pub(super) const ROUNDING: f64 = 1e-12;

/// The pattern of one head, from one query position to one key position, over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Attended {
    /// Mean over all pairs.
    pub mean: f64,
    /// Standard deviation over all pairs.
    pub deviation: f64,
    /// Share of the variance that is a function of x; `None` where the pattern does not vary.
    pub of_left: Option<f64>,
    /// Share of the variance that is a function of y.
    pub of_right: Option<f64>,
    /// Share of the variance that is neither a function of x plus one of y.
    pub of_both: Option<f64>,
}

/// Where every head of a layer looks: what [`attention_patterns`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct AttentionPatterns {
    /// The site of the pattern.
    pub site: String,
    /// The pattern of every head at every key position: by head, then by position.
    pub heads: Vec<Vec<Attended>>,
}

/// Where do the heads of a layer look from one position, and what does that depend on?
///
/// With a(x, y) the pattern of a head at a key position: its mean, its standard deviation, and the shares of its variance
/// that are the variance of the mean over y, that of the mean over x, and the rest.
///
/// # Arguments
/// `site`: of attention patterns from one query position, (key position, head), such as `blocks.0.attn.hook_pattern[2]`;
/// `positions`: number of key positions.
///
/// # Errors
/// [`Error::UnknownSite`]; [`Error::Shape`] unless `positions` divides the site's width; [`Error::Memory`] where the site at
/// all pairs exceeds the [budget](crate::memory::budget).
///
/// Cost: a pass over all pairs up to the site.
///
/// ```
/// use irreplens::analysis::attention_patterns;
/// use irreplens::model::{Network, Transformer};
/// let network = Network::zeros(Transformer::default().architecture(), 5)?;
/// let found = attention_patterns(&network, "blocks.0.attn.hook_pattern[2]", 3)?;
/// assert_eq!((found.heads.len(), found.heads[0].len()), (4, 3));
/// assert!((found.heads[0][0].mean - 1.0 / 3.0).abs() < 1e-6); // an untrained head looks everywhere alike
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: the routing of Zhong et al. 2023, "The Clock and the Pizza", section 3, asks whether patterns are constant.
pub fn attention_patterns(
    model: &(impl Interpretable + ?Sized),
    site: &str,
    positions: usize,
) -> Result<AttentionPatterns> {
    let model: &dyn Interpretable = &model;
    let width = width(model, site)?;
    let heads = width.checked_div(positions).unwrap_or(0);
    if heads * positions != width {
        let (expected, got) = (vec![positions, heads], vec![width]);
        return Err(Error::Shape { what: format!("attention pattern `{site}`"), expected, got });
    }
    let all = at_all_pairs(model, site, &Hooks::none())?;
    let head =
        |h: usize| (0..positions).map(|p| attended(all.slice(s![.., .., p * heads + h..=p * heads + h]))).collect();
    Ok(AttentionPatterns { site: site.into(), heads: (0..heads).map(head).collect() })
}

/// A site at all pairs, hooks applied: (x, y, channel).
pub(super) fn at_all_pairs(model: &dyn Interpretable, site: &str, hooks: &Hooks) -> Result<Array3<f32>> {
    let (n, width) = (model.order(), width(model, site)?);
    crate::memory::check("a site of attention at all pairs", crate::memory::bytes::<f32>(&[n, n, width]))?;
    let xs = block_rows(model).div_ceil(n);
    let pass = |xs: std::ops::Range<usize>| {
        model.run_with_hooks(&pairs(n, xs.start * n..xs.end * n), hooks, &[site])?.take(site)
    };
    let mut all = Array3::<f32>::zeros((n, n, width));
    for (i, block) in map_blocks(n, xs, pass).into_iter().enumerate() {
        let rows = i * xs..n.min((i + 1) * xs);
        let block = block?;
        let block = block.as_standard_layout();
        let block = block.to_shape((rows.len(), n, width)).expect("row-major rows of pairs");
        all.slice_mut(s![rows, .., ..]).assign(&block);
    }
    Ok(all)
}

/// The variance of a function of pairs over all of them, added up over its channels, and what it is made of.
pub(super) struct Variance {
    /// Sum of the squares of the channels' means.
    pub(super) of_mean: f64,
    pub(super) whole: f64,
    /// Variance of the mean over y: what is a function of x.
    left: f64,
    /// Variance of the mean over x.
    right: f64,
}

impl Variance {
    /// The variance of values (x, y, channel).
    pub(super) fn new(values: ArrayView3<'_, f32>) -> Self {
        let (n, m, width) = values.dim();
        let (mut by_left, mut by_right) = (Array2::<f64>::zeros((n, width)), Array2::<f64>::zeros((m, width)));
        for (values, mut left) in values.outer_iter().zip(by_left.outer_iter_mut()) {
            for (values, mut right) in values.outer_iter().zip(by_right.outer_iter_mut()) {
                azip!((&v in values, left in &mut left, right in &mut right) {
                    *left += f64::from(v);
                    *right += f64::from(v);
                });
            }
        }
        by_left /= m as f64;
        by_right /= n as f64;
        let mean = by_left.mean_axis(Axis(0)).expect("a group has an element");
        let spread = |means: &Array2<f64>| (means - &mean).mapv(|v| v * v).sum() / means.nrows() as f64;
        let (mut whole, lanes) = (0.0, values.lanes(Axis(2)).into_iter());
        lanes.for_each(|values| azip!((&v in values, m in &mean) whole += (f64::from(v) - m).powi(2)));
        whole /= (n * m) as f64;
        Self { of_mean: mean.mapv(|m| m * m).sum(), whole, left: spread(&by_left), right: spread(&by_right) }
    }

    /// Shares that are functions of x, of y, and the rest; `None` each where the whole is not above `least`.
    pub(super) fn shares(&self, least: f64) -> [Option<f64>; 3] {
        let both = (self.whole - self.left - self.right).max(0.0);
        [self.left, self.right, both].map(|part| (self.whole > least).then(|| part / self.whole))
    }
}

fn attended(pattern: ArrayView3<'_, f32>) -> Attended {
    let variance = Variance::new(pattern);
    let [of_left, of_right, of_both] = variance.shares(ROUNDING);
    let mean = pattern.mapv(f64::from).mean().unwrap_or(0.0);
    Attended { mean, deviation: variance.whole.sqrt(), of_left, of_right, of_both }
}

/// Number of positions of a step, whose sites are `step[0]`, `step[1]`, ...
pub(super) fn positions(sites: &[Site], step: &str) -> usize {
    (0..).take_while(|p| sites.iter().any(|site| site.name == format!("{step}[{p}]"))).count()
}

/// [`attention_patterns`] of every layer from its last position, of a model whose sites are named as TransformerLens names
/// them: `..hook_pattern[p]`. Empty for a model without attention.
///
/// # Errors
/// The errors of [`attention_patterns`].
pub fn attention(model: &(impl Interpretable + ?Sized)) -> Result<Vec<AttentionPatterns>> {
    let model: &dyn Interpretable = &model;
    let sites = model.sites();
    let layers =
        sites.iter().filter_map(|site| site.name.strip_suffix("[0]")).filter(|step| step.ends_with("hook_pattern"));
    let layer = |step: &str| {
        let positions = positions(&sites, step);
        attention_patterns(model, &format!("{step}[{}]", positions - 1), positions)
    };
    layers.map(layer).collect()
}

impl AttentionPatterns {
    /// The pattern of every head at every position.
    #[must_use]
    pub fn table(&self) -> Table {
        const CONSTANT: &str = "the pattern does not vary";
        let share = |value: Option<f64>| Cell::share(value, CONSTANT);
        let row = |(h, p, a): (usize, usize, &Attended)| {
            let shares = [a.of_left, a.of_right, a.of_both].map(share);
            let numbers = [Cell::Count(h), Cell::Count(p), Cell::Share(a.mean), Cell::Number(a.deviation)];
            numbers.into_iter().chain(shares).collect()
        };
        let heads = self.heads.iter().enumerate();
        let rows = heads.flat_map(|(h, head)| head.iter().enumerate().map(move |(p, a)| (h, p, a))).map(row).collect();
        let columns = vec![HEAD, POSITION, HEAD_MEAN, HEAD_DEVIATION, HEAD_LEFT, HEAD_RIGHT, HEAD_BOTH];
        Table { title: format!("Where the heads look: {}", self.site), columns, rows }
    }
}

impl fmt::Display for AttentionPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}

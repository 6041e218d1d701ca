//! Hooks: changes of activations in the middle of a forward pass, as data.

use super::Site;
use crate::error::{Error, Result, check_shape};
use crate::linalg::matmul;
use crate::task::Pair;
use ndarray::{Array1, Array2, Axis, azip};
use std::sync::Arc;

/// Values a hook writes or adds.
#[derive(Clone, Debug)]
pub enum Values {
    /// One row, for every pair: (channels).
    PerChannel(Array1<f32>),
    /// A row for each of the n^2 pairs, looked up by pair: (n^2, channels), row `x n + y`.
    PerPair(Arc<Array2<f32>>),
}

/// What a hook does to the activations of its channels.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Puts these values in their place.
    Replace(Values),
    /// Multiplies by a factor.
    Scale(f32),
    /// Adds these values.
    Add(Values),
    /// Sets to zero.
    Zero,
    /// Keeps only the component in the span of these orthonormal rows: (rows, channels).
    ProjectOnto(Array2<f32>),
    /// Removes the component in the span of these orthonormal rows: (rows, channels).
    ProjectOut(Array2<f32>),
}

/// One intervention: an action at a site, on all or some of its channels, at all or some of the pairs.
///
/// ```
/// use irreplens::model::{Hook, Hooks};
/// let hooks = Hooks::none().with(Hook::zero("hidden").on_channels(vec![3, 8])).with(Hook::scale("logits", 0.5));
/// ```
#[derive(Clone, Debug)]
pub struct Hook {
    /// Name of the site.
    pub(crate) site: String,
    /// The channels acted on; `None` is all.
    pub(crate) channels: Option<Vec<usize>>,
    /// The pairs acted on, by row-major index over all n^2; `None` is all.
    pub(crate) pairs: Option<Arc<[bool]>>,
    /// What is done.
    pub(crate) action: Action,
}

impl Hook {
    /// An action on every channel of a site at every pair.
    fn new(site: &str, action: Action) -> Self {
        Self { site: site.into(), channels: None, pairs: None, action }
    }
    /// Replaces activations.
    #[must_use]
    pub fn replace(site: &str, values: Values) -> Self {
        Self::new(site, Action::Replace(values))
    }
    /// Multiplies activations by a factor.
    #[must_use]
    pub fn scale(site: &str, factor: f32) -> Self {
        Self::new(site, Action::Scale(factor))
    }
    /// Adds to activations.
    #[must_use]
    pub fn add(site: &str, values: Values) -> Self {
        Self::new(site, Action::Add(values))
    }
    /// Zeroes activations.
    #[must_use]
    pub fn zero(site: &str) -> Self {
        Self::new(site, Action::Zero)
    }
    /// Projects activations onto the span of orthonormal rows (rows, channels).
    ///
    /// # Errors
    /// [`Error::NotOrthonormal`] naming two rows whose product is off by more than 1e-4.
    pub fn project_onto(site: &str, rows: Array2<f32>) -> Result<Self> {
        orthonormal(site, &rows)?;
        Ok(Self::new(site, Action::ProjectOnto(rows)))
    }
    /// Projects the span of orthonormal rows (rows, channels) out of activations.
    ///
    /// # Errors
    /// [`Error::NotOrthonormal`] naming two rows whose product is off by more than 1e-4.
    pub fn project_out(site: &str, rows: Array2<f32>) -> Result<Self> {
        orthonormal(site, &rows)?;
        Ok(Self::new(site, Action::ProjectOut(rows)))
    }
    /// This hook on these channels only; values and rows then have one column per channel listed.
    #[must_use]
    pub fn on_channels(self, channels: Vec<usize>) -> Self {
        Self { channels: Some(channels), ..self }
    }
    /// This hook at the pairs where the mask (n^2, row-major) is true.
    #[must_use]
    pub fn on_pairs(self, mask: Arc<[bool]>) -> Self {
        Self { pairs: Some(mask), ..self }
    }

    fn check(&self, sites: &[Site], order: usize) -> Result<()> {
        let Some(site) = sites.iter().find(|s| s.name == self.site) else {
            let known = sites.iter().map(|s| s.name.clone()).collect();
            return Err(Error::UnknownSite { site: self.site.clone(), known });
        };
        let shape = |what: &str, expected: &[usize], got: &[usize]| {
            check_shape(&format!("{what} of a hook on `{}`", self.site), expected, got)
        };
        let width = match &self.channels {
            None => site.width,
            Some(channels) => {
                if let Some(&channel) = channels.iter().find(|&&c| c >= site.width) {
                    let (site, width) = (self.site.clone(), site.width);
                    return Err(Error::UnknownChannel { site, channel, width });
                }
                channels.len()
            }
        };
        if let Some(mask) = &self.pairs {
            shape("pair mask", &[order * order], &[mask.len()])?;
        }
        match &self.action {
            Action::Replace(Values::PerChannel(v)) | Action::Add(Values::PerChannel(v)) => {
                shape("values", &[width], v.shape())
            }
            Action::Replace(Values::PerPair(v)) | Action::Add(Values::PerPair(v)) => {
                shape("values", &[order * order, width], v.shape())
            }
            Action::ProjectOnto(rows) | Action::ProjectOut(rows) => {
                shape("projection rows", &[rows.nrows(), width], rows.shape())
            }
            Action::Scale(_) | Action::Zero => Ok(()),
        }
    }

    fn apply(&self, pairs: &[Pair], order: usize, activations: &mut Array2<f32>) {
        let index = |pair: &Pair| pair.0.index() * order + pair.1.index();
        if self.pairs.is_none() && self.channels.is_none() {
            return self.action.apply(pairs.iter().map(index), activations);
        }
        // Work on a copy of the selected rows and columns, and put it back.
        let rows: Vec<usize> = match &self.pairs {
            None => (0..pairs.len()).collect(),
            Some(mask) => (0..pairs.len()).filter(|&i| mask[index(&pairs[i])]).collect(),
        };
        let mut part = activations.select(Axis(0), &rows);
        if let Some(channels) = &self.channels {
            part = part.select(Axis(1), channels);
        }
        self.action.apply(rows.iter().map(|&i| index(&pairs[i])), &mut part);
        for (&i, part) in rows.iter().zip(part.outer_iter()) {
            let mut row = activations.row_mut(i);
            match &self.channels {
                None => row.assign(&part),
                Some(channels) => channels.iter().zip(part).for_each(|(&c, &v)| row[c] = v),
            }
        }
    }
}

impl Action {
    fn apply(&self, indices: impl Iterator<Item = usize>, activations: &mut Array2<f32>) {
        match self {
            Self::Zero => activations.fill(0.0),
            Self::Scale(factor) => *activations *= *factor,
            Self::Replace(Values::PerChannel(row)) => activations.assign(row),
            Self::Add(Values::PerChannel(row)) => *activations += row,
            Self::Replace(Values::PerPair(table)) => {
                indices.zip(activations.outer_iter_mut()).for_each(|(i, mut row)| row.assign(&table.row(i)));
            }
            Self::Add(Values::PerPair(table)) => {
                indices.zip(activations.outer_iter_mut()).for_each(|(i, mut row)| row += &table.row(i));
            }
            Self::ProjectOnto(rows) => *activations = component(activations, rows),
            Self::ProjectOut(rows) => {
                let removed = component(activations, rows);
                azip!((a in activations, &r in &removed) *a -= r);
            }
        }
    }
}

fn component(activations: &Array2<f32>, rows: &Array2<f32>) -> Array2<f32> {
    matmul(matmul(activations.view(), rows.t()).view(), rows.view())
}

/// Largest deviation from orthonormality of the rows of a projection hook.
const ORTHONORMAL: f32 = 1e-4;

fn orthonormal(site: &str, rows: &Array2<f32>) -> Result<()> {
    let gram = matmul(rows.view(), rows.t());
    for ((i, j), &product) in gram.indexed_iter() {
        let expected = if i == j { 1.0 } else { 0.0 };
        let off = (product - expected).abs();
        if off.is_nan() || off > ORTHONORMAL {
            return Err(Error::NotOrthonormal { site: site.into(), rows: (i, j), got: product });
        }
    }
    Ok(())
}

/// The interventions of one call, applied in order.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    hooks: Vec<Hook>,
}

impl Hooks {
    /// No intervention.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The hooks, and one more.
    #[must_use]
    pub fn with(mut self, hook: Hook) -> Self {
        self.hooks.push(hook);
        self
    }

    /// The interventions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hooks.is_empty()
    }

    /// Whether any acts on `site`.
    #[must_use]
    pub fn touch(&self, site: &str) -> bool {
        self.hooks.iter().any(|h| h.site == site)
    }

    /// Checks every hook against the sites of a model of this order.
    ///
    /// # Errors
    /// [`Error::UnknownSite`], [`Error::UnknownChannel`], [`Error::Shape`].
    pub fn check(&self, sites: &[Site], order: usize) -> Result<()> {
        self.hooks.iter().try_for_each(|hook| hook.check(sites, order))
    }

    /// Applies the hooks on `site` to its activations (pairs, width), which must have been checked.
    pub(crate) fn apply(&self, site: &str, pairs: &[Pair], order: usize, activations: &mut Array2<f32>) {
        for hook in self.hooks.iter().filter(|h| h.site == site) {
            hook.apply(pairs, order, activations);
        }
    }
}

//! Logits less their mean over the classes: what a softmax sees of them.

use super::{ActivationCache, Hooks, Interpretable, LOGITS, Readout, Site, check_finite};
use crate::error::Result;
use crate::group::Fingerprint;
use crate::linalg::vectorised;
use crate::task::Pair;
use ndarray::{Array2, ArrayView2, Axis};
use std::borrow::Cow;

/// A model with the mean over the classes taken off the logits of every pair: adding a function of the pair to all logits
/// changes nothing of it. Hooks act on the logits as they were.
///
/// Where the readout is linear that is W_U with the mean of its columns taken off, and costs nothing; so is the bias.
pub(crate) struct Centred<'a> {
    model: &'a dyn Interpretable,
    unembed: Option<Array2<f32>>,
    bias: Option<Array2<f32>>,
}

impl<'a> Centred<'a> {
    pub(crate) fn new(model: &'a dyn Interpretable) -> Self {
        let readout = model.readout();
        let centred = |map: ArrayView2<'_, f32>| less_mean(map.to_owned()).as_standard_layout().into_owned();
        let unembed = readout.unembedding().map(centred);
        let bias = readout.bias().map(|bias| centred(bias.insert_axis(Axis(0))));
        Self { model, unembed, bias }
    }
}

impl Interpretable for Centred<'_> {
    fn order(&self) -> usize {
        self.model.order()
    }
    fn fingerprint(&self) -> Option<Fingerprint> {
        self.model.fingerprint()
    }
    fn sites(&self) -> Vec<Site> {
        self.model.sites()
    }
    fn neuron_site(&self) -> &str {
        self.model.neuron_site()
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut cache = self.model.run_with_hooks(pairs, hooks, keep)?;
        if keep.contains(&LOGITS) {
            let logits = cache.take(LOGITS)?;
            check_finite(LOGITS, logits.view(), pairs)?;
            cache.insert(LOGITS, less_mean(logits));
        }
        Ok(cache)
    }
    fn readout(&self) -> Readout<'_> {
        match &self.unembed {
            Some(unembed) => Readout::new(self.model.readout().site(), unembed.view())
                .with_bias(self.bias.as_ref().map(|bias| bias.row(0))),
            None => Readout::of_logits(self.order()),
        }
    }
}

/// Rows less their means over the columns, which are summed in `f64`: of logits over classes, of W_U over elements.
pub(crate) fn less_mean(mut rows: Array2<f32>) -> Array2<f32> {
    let means = row_means(rows.view());
    // Column by column: that is how logits are stored.
    for mut column in rows.columns_mut() {
        column.iter_mut().zip(&means).for_each(|(v, mean)| *v = (f64::from(*v) - mean) as f32);
    }
    rows
}

/// The mean of every row; none of rows without columns.
pub(crate) fn row_means(rows: ArrayView2<'_, f32>) -> Vec<f64> {
    let mut means = vec![0.0; rows.nrows()];
    for column in rows.columns() {
        let column = column.as_slice().map_or_else(|| column.to_vec().into(), Cow::from);
        vectorised(
            #[inline(always)]
            || means.iter_mut().zip(column.iter()).for_each(|(mean, &v)| *mean += f64::from(v)),
        );
    }
    means.iter_mut().for_each(|mean| *mean /= rows.ncols().max(1) as f64);
    means
}

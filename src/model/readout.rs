//! What reads the logits: the readout of a model, and what its hidden layer writes to the logits.

use super::{Interpretable, LOGITS};
use crate::error::{Result, check_shape};
use crate::linalg::matmul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// What reads the logits off a site of a model: its readout.
///
/// `logits = activations W_U + b_U`, with the unembedding W_U (width of the site, n) and the output bias b_U (n), where there
/// are any. A readout without an unembedding is that of the site `logits`, the identity.
///
/// ```
/// use irreplens::model::Readout;
/// use ndarray::array;
/// let (unembedding, bias) = (array![[1.0, -1.0], [2.0, 0.0], [0.0, 3.0]], array![0.5, 0.0]);
/// let readout = Readout::new("hidden", unembedding.view()).with_bias(bias.view());
/// assert_eq!(readout.site(), "hidden");
/// assert_eq!(readout.logits(array![[1.0, 1.0, 1.0]].view())?, array![[3.5, 2.0]]);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readout<'a> {
    site: &'a str,
    order: usize,
    unembedding: Option<ArrayView2<'a, f32>>,
    bias: Option<ArrayView1<'a, f32>>,
}

impl<'a> Readout<'a> {
    /// The identity on the `order` logits of a model whose way to them is not known to be linear.
    #[must_use]
    pub fn of_logits(order: usize) -> Self {
        Self { site: LOGITS, order, unembedding: None, bias: None }
    }

    /// The linear map `activations W_U`.
    ///
    /// # Arguments
    /// `site`: whose activations; `unembedding`: W_U, (width of the site, n).
    #[must_use]
    pub fn new(site: &'a str, unembedding: ArrayView2<'a, f32>) -> Self {
        Self { site, order: unembedding.ncols(), unembedding: Some(unembedding), bias: None }
    }

    /// This readout with an output bias (n) instead of what it had, or with none.
    #[must_use]
    pub fn with_bias(self, bias: impl Into<Option<ArrayView1<'a, f32>>>) -> Self {
        Self { bias: bias.into(), ..self }
    }

    /// The site whose activations are read.
    #[must_use]
    pub fn site(&self) -> &'a str {
        self.site
    }

    /// The unembedding W_U (width of the site, n), or `None` for the identity.
    #[must_use]
    pub fn unembedding(&self) -> Option<ArrayView2<'a, f32>> {
        self.unembedding
    }

    /// The output bias b_U (n), where there is one.
    #[must_use]
    pub fn bias(&self) -> Option<ArrayView1<'a, f32>> {
        self.bias
    }

    /// Logits `activations W_U + b_U` (rows, n) of activations (rows, width of the site).
    ///
    /// The result is column-major: a class's logits are contiguous, which is how losses read them and how the matrix product
    /// has whole tiles of pairs.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for activations of another width, or a bias of another length.
    ///
    /// Cost: rows x width x n multiply-adds.
    pub fn logits(&self, activations: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let width = self.unembedding.map_or(self.order, |unembedding| unembedding.nrows());
        check_shape("activations of the readout site", &[activations.nrows(), width], activations.shape())?;
        let mut classes = match self.unembedding {
            Some(unembedding) => matmul(unembedding.t(), activations.t()),
            None => activations.t().as_standard_layout().into_owned(),
        };
        if let Some(bias) = self.bias {
            check_shape("output bias", &[self.order], bias.shape())?;
            for (mut class, &bias) in classes.outer_iter_mut().zip(bias) {
                class += bias;
            }
        }
        Ok(classes.reversed_axes())
    }

    /// The unembedding, where it reads this site.
    pub(crate) fn unembedding_of(&self, site: &str) -> Option<ArrayView2<'a, f32>> {
        self.unembedding.filter(|_| self.site == site)
    }

    /// The logits of activations that are 0: the bias, or zeros.
    pub(crate) fn offset(&self) -> Array1<f32> {
        self.bias.map_or_else(|| Array1::zeros(self.order), |bias| bias.to_owned())
    }
}

/// What the hidden layer that measures are of writes to the logits: the neurons' own path where it is known, else the readout.
/// Where more than the neurons reaches the logits, the path has no bias.
pub(crate) fn hidden_readout<M: Interpretable + ?Sized>(model: &M) -> Readout<'_> {
    let readout = model.readout();
    match model.neuron_path() {
        Some(path) if readout.site != model.neuron_site() => Readout::new(model.neuron_site(), path),
        _ => readout,
    }
}

/// Whether the hidden layer that measures are of is all that reaches the logits, up to a bias.
pub(crate) fn hidden_is_read_out(model: &dyn Interpretable) -> bool {
    hidden_readout(model).site == model.readout().site
}

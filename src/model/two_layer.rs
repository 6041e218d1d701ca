use super::layer::{
    combined_embeddings, embedded_methods, embeddings_are_maps, output_bias_methods, positive, relu, separable_columns,
};
use super::{ActivationCache, Combiner, ForwardPass, Hooks, Interpretable, LOGITS, Separable, Site, evaluate};
use crate::error::{Result, check_shape};
use crate::linalg::matmul;
use crate::task::Pair;
use ndarray::{Array1, Array2, Array3, ArrayView2};
use std::ops::Range;

/// logits = relu(relu(E_a\[x\] + E_b\[y\]) W) W_U, and an optional output bias.
///
/// Sites: `embed_left`, `embed_right`, `hidden1_pre`, `hidden1`, `hidden_pre`, `hidden`, `logits`; `hidden` is the second
/// layer.
#[derive(Clone, Debug)]
pub struct TwoLayerMlp {
    embed_left: Array2<f32>,
    embed_right: Array2<f32>,
    weight: Array2<f32>,
    unembed: Array2<f32>,
    output_bias: Option<Array1<f32>>,
}

impl TwoLayerMlp {
    /// From its weights: embeddings (n, e), `weight` (e, d), `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) naming the weight that does not fit.
    pub fn new(
        embed_left: Array2<f32>,
        embed_right: Array2<f32>,
        weight: Array2<f32>,
        unembed: Array2<f32>,
    ) -> Result<Self> {
        let ((n, e), d) = (embed_left.dim(), weight.ncols());
        check_shape("right embedding", &[n, e], embed_right.shape())?;
        check_shape("W", &[e, d], weight.shape())?;
        check_shape("W_U", &[d, n], unembed.shape())?;
        let [embed_left, embed_right, weight, unembed] =
            [embed_left, embed_right, weight, unembed].map(|w| w.as_standard_layout().into_owned());
        Ok(Self { embed_left, embed_right, weight, unembed, output_bias: None })
    }

    /// The weights of the second hidden layer: (e, d).
    #[must_use]
    pub fn weight(&self) -> ArrayView2<'_, f32> {
        self.weight.view()
    }
}

output_bias_methods!(TwoLayerMlp);

impl Interpretable for TwoLayerMlp {
    embedded_methods!();
    fn sites(&self) -> Vec<Site> {
        let (e, d) = self.weight.dim();
        vec![
            Site::new("embed_left", e),
            Site::new("embed_right", e),
            Site::new("hidden1_pre", e),
            Site::new("hidden1", e),
            Site::new("hidden_pre", d),
            Site::new("hidden", d),
            Site::new(LOGITS, self.order()),
        ]
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let pre = combined_embeddings(&mut pass, pairs, &self.embed_left, &self.embed_right, Combiner::Sum)?;
        let pre = pass.visit("hidden1_pre", pre)?;
        let first = pass.visit("hidden1", relu(pre))?;
        if !pass.needs("hidden_pre") {
            return Ok(pass.finish());
        }
        let pre = pass.visit("hidden_pre", matmul(first.view(), self.weight.view()))?;
        let hidden = pass.visit("hidden", relu(pre))?;
        if pass.needs(LOGITS) {
            pass.visit(LOGITS, self.readout(hidden.view())?)?;
        }
        Ok(pass.finish())
    }
    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        if site == "hidden1" {
            return separable_columns(self, site, range, |_, v| positive(v));
        }
        evaluate::columns(self, site, range)
    }
}

embeddings_are_maps!(TwoLayerMlp, Combiner::Sum, "hidden1_pre");

#[cfg(feature = "cuda")]
impl TwoLayerMlp {
    fn layers(&self) -> super::on_device::Layers<'_> {
        use super::on_device::Layers;
        Layers::Second { weight: self.weight.view() }
    }
}

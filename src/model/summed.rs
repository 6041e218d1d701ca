use super::layer::{
    combined_embeddings, embedded_methods, embeddings_are_maps, output_bias_methods, positive, relu, separable_columns,
};
use super::{ActivationCache, Combiner, ForwardPass, Hooks, Interpretable, LOGITS, Separable, Site, evaluate};
use crate::error::{Result, check_shape};
use crate::task::Pair;
use ndarray::{Array1, Array2, Array3, ArrayView2};
use std::ops::Range;

/// logits = relu(E_a\[x\] + E_b\[y\]) W_U, and an optional output bias.
///
/// Sites: `embed_left`, `embed_right`, `hidden_pre`, `hidden`, `logits`.
#[derive(Clone, Debug)]
pub struct SummedMlp {
    embed_left: Array2<f32>,
    embed_right: Array2<f32>,
    unembed: Array2<f32>,
    output_bias: Option<Array1<f32>>,
}

impl SummedMlp {
    /// From its weights: embeddings (n, d), `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) naming the weight that does not fit.
    pub fn new(embed_left: Array2<f32>, embed_right: Array2<f32>, unembed: Array2<f32>) -> Result<Self> {
        let (n, d) = embed_left.dim();
        check_shape("right embedding", &[n, d], embed_right.shape())?;
        check_shape("W_U", &[d, n], unembed.shape())?;
        let [embed_left, embed_right, unembed] =
            [embed_left, embed_right, unembed].map(|w| w.as_standard_layout().into_owned());
        Ok(Self { embed_left, embed_right, unembed, output_bias: None })
    }
}

output_bias_methods!(SummedMlp);

impl Interpretable for SummedMlp {
    embedded_methods!();
    fn sites(&self) -> Vec<Site> {
        let d = self.embed_left.ncols();
        vec![
            Site::new("embed_left", d),
            Site::new("embed_right", d),
            Site::new("hidden_pre", d),
            Site::new("hidden", d),
            Site::new(LOGITS, self.order()),
        ]
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let pre = combined_embeddings(&mut pass, pairs, &self.embed_left, &self.embed_right, Combiner::Sum)?;
        let pre = pass.visit("hidden_pre", pre)?;
        let hidden = pass.visit("hidden", relu(pre))?;
        if pass.needs(LOGITS) {
            pass.visit(LOGITS, self.readout(hidden.view())?)?;
        }
        Ok(pass.finish())
    }
    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        if site == "hidden" {
            return separable_columns(self, site, range, |_, v| positive(v));
        }
        evaluate::columns(self, site, range)
    }
}

embeddings_are_maps!(SummedMlp, Combiner::Sum, "hidden_pre");

#[cfg(feature = "cuda")]
impl SummedMlp {
    fn layers(&self) -> super::on_device::Layers<'_> {
        use super::on_device::Layers;
        Layers::Relu
    }
}

use super::layer::{combine, embedded_methods, gather, output_bias_methods, positive, relu, separable_columns};
use super::{ActivationCache, Combiner, ForwardPass, Hooks, Interpretable, LOGITS, Separable, Site, evaluate};
use crate::error::{Result, check_shape};
use crate::linalg::matmul;
use crate::task::Pair;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, concatenate, s};
use std::ops::Range;

/// The notebook's network: logits = (relu([E_a\[x\], E_b\[y\]] W) + b) W_U, and an optional output bias.
///
/// Sites: `embed_left`, `embed_right`, `embed_stack`, `hidden_pre`, `hidden`, `logits`. The stacked product splits
/// into `left[x] + right[y]` with `left = E_a W[..e]` and `right = E_b W[e..]`, computed once.
#[derive(Clone, Debug)]
pub struct OneLayerMlp {
    embed_left: Array2<f32>,
    embed_right: Array2<f32>,
    weight: Array2<f32>,
    bias: Option<Array1<f32>>,
    unembed: Array2<f32>,
    output_bias: Option<Array1<f32>>,
    left: Array2<f32>,
    right: Array2<f32>,
}

impl OneLayerMlp {
    /// From its weights: embeddings (n, e), `weight` (2e, d), `bias` (d) added after the ReLU, `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) naming the weight that does not fit.
    pub fn new(
        embed_left: Array2<f32>,
        embed_right: Array2<f32>,
        weight: Array2<f32>,
        bias: Option<Array1<f32>>,
        unembed: Array2<f32>,
    ) -> Result<Self> {
        let ((n, e), d) = (embed_left.dim(), weight.ncols());
        check_shape("right embedding", &[n, e], embed_right.shape())?;
        check_shape("W", &[2 * e, d], weight.shape())?;
        if let Some(bias) = &bias {
            check_shape("b", &[d], bias.shape())?;
        }
        check_shape("W_U", &[d, n], unembed.shape())?;
        let left = matmul(embed_left.view(), weight.slice(s![..e, ..]));
        let right = matmul(embed_right.view(), weight.slice(s![e.., ..]));
        let unembed = unembed.as_standard_layout().into_owned();
        Ok(Self { embed_left, embed_right, weight, bias, unembed, output_bias: None, left, right })
    }

    /// The weights of the hidden layer: (2e, d).
    #[must_use]
    pub fn weight(&self) -> ArrayView2<'_, f32> {
        self.weight.view()
    }

    /// The bias added after the ReLU.
    #[must_use]
    pub fn bias(&self) -> Option<&Array1<f32>> {
        self.bias.as_ref()
    }
}

output_bias_methods!(OneLayerMlp);

impl Interpretable for OneLayerMlp {
    embedded_methods!();
    fn sites(&self) -> Vec<Site> {
        let (e, d) = (self.embed_left.ncols(), self.weight.ncols());
        vec![
            Site::new("embed_left", e),
            Site::new("embed_right", e),
            Site::new("embed_stack", 2 * e),
            Site::new("hidden_pre", d),
            Site::new("hidden", d),
            Site::new(LOGITS, self.order()),
        ]
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let pre = if ["embed_left", "embed_right", "embed_stack"].iter().any(|site| pass.touches(site)) {
            let left = pass.visit("embed_left", gather(&self.embed_left, pairs, |p| p.0.index()))?;
            let right = pass.visit("embed_right", gather(&self.embed_right, pairs, |p| p.1.index()))?;
            let stack = concatenate(Axis(1), &[left.view(), right.view()]).expect("one row per pair");
            let stack = pass.visit("embed_stack", stack)?;
            matmul(stack.view(), self.weight.view())
        } else {
            combine(pairs, &self.left, &self.right, Combiner::Sum)
        };
        let mut hidden = relu(pass.visit("hidden_pre", pre)?);
        if let Some(bias) = &self.bias {
            hidden += bias;
        }
        let hidden = pass.visit("hidden", hidden)?;
        if pass.needs(LOGITS) {
            pass.visit(LOGITS, self.readout(hidden.view())?)?;
        }
        Ok(pass.finish())
    }
    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        match (site, &self.bias) {
            ("hidden", None) => separable_columns(self, site, range, |_, v| positive(v)),
            ("hidden", Some(bias)) => separable_columns(self, site, range, |k, v| positive(v) + bias[k]),
            _ => evaluate::columns(self, site, range),
        }
    }
}

impl Separable for OneLayerMlp {
    fn left(&self) -> ArrayView2<'_, f32> {
        self.left.view()
    }
    fn right(&self) -> ArrayView2<'_, f32> {
        self.right.view()
    }
    fn combiner(&self) -> Combiner {
        Combiner::Sum
    }
    fn separable_site(&self) -> &str {
        "hidden_pre"
    }
}

#[cfg(feature = "cuda")]
impl OneLayerMlp {
    fn layers(&self) -> super::on_device::Layers<'_> {
        use super::on_device::Layers;
        Layers::Stacked {
            weight: self.weight.view(),
            bias: self.bias.as_ref().map(|bias| bias.as_slice().expect("a vector is contiguous")),
        }
    }
}

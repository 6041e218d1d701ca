use super::{Combiner, ForwardPass, Separable, evaluate};
use crate::error::{Result, check_shape};
use crate::linalg::{matmul, vectorised};
use crate::task::Pair;
use ndarray::{ArcArray2, Array1, Array2, Array3, ArrayView2, Axis};
use std::ops::Range;

/// The methods of [`Interpretable`](super::Interpretable) that are the same for every model with fields `embed_left`,
/// `embed_right`, `unembed` and `output_bias` whose last hidden layer is `hidden`.
macro_rules! embedded_methods {
    () => {
        fn order(&self) -> usize {
            self.embed_left.nrows()
        }
        fn neuron_site(&self) -> &str {
            "hidden"
        }
        fn readout(&self, activations: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
            crate::model::layer::unembed(activations, &self.unembed, self.output_bias.as_ref())
        }
        fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
            Some((self.embed_left.view(), self.embed_right.view()))
        }
        fn unembedding(&self) -> Option<ArrayView2<'_, f32>> {
            Some(self.unembed.view())
        }
        fn as_separable(&self) -> Option<&dyn Separable> {
            Some(self)
        }
        #[cfg(feature = "cuda")]
        fn to_device(&self, device: &crate::device::Device) -> Result<crate::model::OnDevice> {
            let weights = crate::model::on_device::Weights {
                embed: [self.embed_left.view(), self.embed_right.view()],
                maps: [self.left(), self.right()],
                combiner: self.combiner(),
                layers: self.layers(),
                unembed: self.unembed.view(),
                output_bias: self.output_bias.as_ref().map(|bias| bias.as_slice().expect("a vector is contiguous")),
            };
            crate::model::OnDevice::new(std::sync::Arc::new(self.clone()), device, &weights)
        }
    };
}
pub(super) use embedded_methods;

/// What a model with a field `output_bias` has of its own.
macro_rules! output_bias_methods {
    ($model:ty) => {
        impl $model {
            /// This model with a vector (n) added to the logits, as `nn.Linear` has one by default: [`Interpretable::readout`]
            /// adds it, [`Interpretable::unembedding`] stays the linear part.
            ///
            /// # Errors
            /// [`Error::Shape`](crate::Error::Shape) unless it has one entry an element.
            pub fn with_output_bias(mut self, bias: Array1<f32>) -> Result<Self> {
                check_shape("b_U", &[self.unembed.ncols()], bias.shape())?;
                self.output_bias = Some(bias.as_standard_layout().into_owned());
                Ok(self)
            }

            /// The vector added to the logits: (n).
            #[must_use]
            pub fn output_bias(&self) -> Option<&Array1<f32>> {
                self.output_bias.as_ref()
            }
        }
    };
}
pub(super) use output_bias_methods;

/// [`Separable`] for a model whose embeddings are the two maps.
macro_rules! embeddings_are_maps {
    ($model:ty, $combiner:expr, $site:literal) => {
        impl Separable for $model {
            fn left(&self) -> ArrayView2<'_, f32> {
                self.embed_left.view()
            }
            fn right(&self) -> ArrayView2<'_, f32> {
                self.embed_right.view()
            }
            fn combiner(&self) -> Combiner {
                $combiner
            }
            fn separable_site(&self) -> &str {
                $site
            }
        }
    };
}
pub(super) use embeddings_are_maps;

/// `left[x] combined with right[y]` for every pair: (pairs, width).
pub(super) fn combine(pairs: &[Pair], left: &Array2<f32>, right: &Array2<f32>, combiner: Combiner) -> Array2<f32> {
    let width = left.ncols();
    let (left, right) = (slice(left), slice(right));
    let mut out = Vec::with_capacity(pairs.len() * width);
    vectorised(
        #[inline(always)]
        || {
            for (x, y) in pairs {
                let left = &left[x.index() * width..][..width];
                let right = &right[y.index() * width..][..width];
                match combiner {
                    Combiner::Sum => out.extend(left.iter().zip(right).map(|(l, r)| l + r)),
                    Combiner::Product => out.extend(left.iter().zip(right).map(|(l, r)| l * r)),
                }
            }
        },
    );
    Array2::from_shape_vec((pairs.len(), width), out).expect("one row a pair")
}

/// The rows of `embedding` for one side of every pair.
pub(super) fn gather(embedding: &Array2<f32>, pairs: &[Pair], side: impl Fn(&Pair) -> usize) -> Array2<f32> {
    embedding.select(Axis(0), &pairs.iter().map(side).collect::<Vec<_>>())
}

/// max(0, v), NaN kept (which `f32::max` would turn to 0).
#[inline(always)]
pub(super) fn positive(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

/// [`positive`] of every value.
pub(super) fn relu(values: ArcArray2<f32>) -> Array2<f32> {
    let mut values = values.into_owned();
    vectorised(
        #[inline(always)]
        || {
            for v in values.as_slice_memory_order_mut().expect("owned arrays are contiguous") {
                *v = positive(*v);
            }
        },
    );
    values
}

/// First steps of the models whose first layer combines the two embeddings: `embed_left`, `embed_right`, then the
/// combination, not yet visited.
pub(super) fn combined_embeddings(
    pass: &mut ForwardPass<'_>,
    pairs: &[Pair],
    left: &Array2<f32>,
    right: &Array2<f32>,
    combiner: Combiner,
) -> Result<Array2<f32>> {
    if !pass.touches("embed_left") && !pass.touches("embed_right") {
        return Ok(combine(pairs, left, right, combiner));
    }
    let left = pass.visit("embed_left", gather(left, pairs, |p| p.0.index()))?;
    let right = pass.visit("embed_right", gather(right, pairs, |p| p.1.index()))?;
    Ok(match combiner {
        Combiner::Sum => &left + &right,
        Combiner::Product => &left * &right,
    })
}

/// `activations W_U + b_U`, with the width checked. Column-major: a class's logits are contiguous, which is how losses read
/// them and how the matrix product has whole tiles of pairs.
pub(super) fn unembed(
    activations: ArrayView2<'_, f32>,
    unembedding: &Array2<f32>,
    bias: Option<&Array1<f32>>,
) -> Result<Array2<f32>> {
    check_shape("activations of the readout site", &[activations.nrows(), unembedding.nrows()], activations.shape())?;
    let mut classes = matmul(unembedding.t(), activations.t());
    if let Some(bias) = bias {
        for (mut class, &bias) in classes.outer_iter_mut().zip(bias) {
            class += bias;
        }
    }
    Ok(classes.reversed_axes())
}

/// Channels of a site that is an elementwise function of the combined maps, without a pass over pairs: entry
/// [x, y, channel] is `f(channel, left[x] combined with right[y])`, stored so that y is contiguous.
pub(super) fn separable_columns(
    model: &(impl Separable + ?Sized),
    site: &str,
    range: Range<usize>,
    f: impl Fn(usize, f32) -> f32,
) -> Result<Array3<f32>> {
    let n = model.order();
    evaluate::check_columns(model, site, &range)?;
    let right = model.right().slice_axis(Axis(1), range.clone().into()).t().as_standard_layout().into_owned();
    let left = model.left();
    let mut out = Array3::zeros((n, range.len(), n));
    let right = slice(&right);
    let into = out.as_slice_mut().expect("freshly made");
    let combiner = model.combiner();
    vectorised(
        #[inline(always)]
        || {
            for (row, out) in into.chunks_exact_mut(n).enumerate() {
                let (x, j) = (row / range.len(), row % range.len());
                let channel = range.start + j;
                let (left, right) = (left[[x, channel]], &right[j * n..][..n]);
                match combiner {
                    Combiner::Sum => out.iter_mut().zip(right).for_each(|(o, r)| *o = f(channel, left + r)),
                    Combiner::Product => out.iter_mut().zip(right).for_each(|(o, r)| *o = f(channel, left * r)),
                }
            }
        },
    );
    Ok(out.permuted_axes([0, 2, 1]))
}

fn slice(array: &Array2<f32>) -> &[f32] {
    array.as_slice().expect("weights are stored row-major")
}

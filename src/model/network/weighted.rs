//! Gradients of weighted rows, in vector registers.

use pulp::{Simd, WithSimd};

/// Vectors of columns whose totals are held at once.
const STRIP: usize = 4;

/// Gradients of sums `weights[0] rows[0] + ... + weights[N - 1] rows[N - 1]` of the same N rows with different weights.
pub(super) struct WeightedRows<'a, const N: usize> {
    /// The gradient with respect to each sum, and its weights.
    pub terms: &'a [(&'a [f32], [f32; N])],
    /// The rows, as long as the gradients.
    pub rows: [&'a [f32]; N],
    /// Where the gradients with respect to the weights go, one for each sum.
    pub of_weights: &'a mut Vec<[f32; N]>,
    /// What the gradients with respect to the rows are added to, where they are asked for.
    pub of_rows: Option<[&'a mut [f32]; N]>,
}

impl<const N: usize> WithSimd for WeightedRows<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let zero = simd.splat_f32s(0.0);
        let split = self.rows.map(S::as_simd_f32s);
        self.of_weights.clear();
        for (gradient, _) in self.terms {
            let (gradient, rest) = S::as_simd_f32s(gradient);
            let mut sums = [zero; N];
            for (v, &gradient) in gradient.iter().enumerate() {
                for t in 0..N {
                    sums[t] = simd.mul_add_f32s(gradient, split[t].0[v], sums[t]);
                }
            }
            let rest = simd.partial_load_f32s(rest);
            let mut of_weights = [0.0; N];
            for t in 0..N {
                let sum = simd.mul_add_f32s(rest, simd.partial_load_f32s(split[t].1), sums[t]);
                of_weights[t] = simd.reduce_sum_f32s(sum);
            }
            self.of_weights.push(of_weights);
        }
        let Some(mut of_rows) = self.of_rows else { return };
        let vectors = split[0].0.len();
        let mut first = 0;
        while first + STRIP <= vectors {
            add_totals::<S, N, STRIP>(simd, self.terms, first, &mut of_rows);
            first += STRIP;
        }
        while first < vectors {
            add_totals::<S, N, 1>(simd, self.terms, first, &mut of_rows);
            first += 1;
        }
        let done = first * S::F32_LANES;
        for (t, to) in of_rows.into_iter().enumerate() {
            for (gradient, weights) in self.terms {
                let rest = to[done..].iter_mut().zip(&gradient[done..]);
                rest.for_each(|(to, v)| *to = weights[t].mul_add(*v, *to));
            }
        }
    }
}

/// Adds gradients times weights, in some vectors of columns.
#[inline(always)]
fn add_totals<S: Simd, const N: usize, const VECTORS: usize>(
    simd: S,
    terms: &[(&[f32], [f32; N])],
    first: usize,
    to: &mut [&mut [f32]; N],
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; N];
    for (sums, to) in sums.iter_mut().zip(&*to) {
        sums.copy_from_slice(&S::as_simd_f32s(to).0[first..first + VECTORS]);
    }
    for (gradient, weights) in terms {
        let gradient = &S::as_simd_f32s(gradient).0[first..first + VECTORS];
        for t in 0..N {
            let weight = simd.splat_f32s(weights[t]);
            for v in 0..VECTORS {
                sums[t][v] = simd.mul_add_f32s(weight, gradient[v], sums[t][v]);
            }
        }
    }
    for (sums, to) in sums.iter().zip(to) {
        S::as_mut_simd_f32s(to).0[first..first + VECTORS].copy_from_slice(sums);
    }
}

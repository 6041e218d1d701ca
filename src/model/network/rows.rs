//! The nonlinear steps, row by row, forward and backward: each is written here once, for rows of pairs and of elements.

use super::activation::Activation;
use crate::linalg::vectorised;

/// Which row of a table belongs to a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum By {
    /// The row of the pair itself.
    Row,
    /// The row of the left element.
    Left,
    /// The row of the right element.
    Right,
    /// The only row.
    One,
}

impl By {
    /// How a step that makes `rows` rows of elements reads a matrix of `height` rows: a single one goes with every row.
    pub fn of_elements(height: usize, rows: usize) -> Self {
        if height == 1 && rows > 1 { Self::One } else { Self::Left }
    }

    /// The row that pair number `i` of a block reads.
    #[inline(always)]
    pub fn row(self, i: usize, [x, y]: [u32; 2]) -> usize {
        match self {
            Self::Row => i,
            Self::Left => x as usize,
            Self::Right => y as usize,
            Self::One => 0,
        }
    }
}

/// Rows that a step reads: some channels of a table or of a node.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Source<'a> {
    pub values: &'a [f32],
    /// Distance between rows.
    pub stride: usize,
    /// First channel.
    pub first: usize,
    /// Number of channels.
    pub width: usize,
    pub by: By,
}

impl<'a> Source<'a> {
    /// The row of pair number `i` of a block.
    #[inline(always)]
    pub fn row(&self, i: usize, pair: [u32; 2]) -> &'a [f32] {
        &self.values[self.by.row(i, pair) * self.stride + self.first..][..self.width]
    }
}

/// A nonlinear step.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum RowOp {
    /// `f(v)`.
    Activate(Activation),
    /// The product of all inputs.
    Product,
    /// (query, key), each (head, width of a head) -> (head): `q . k / sqrt(width of a head)`.
    Scores {
        /// Number of heads.
        heads: usize,
    },
    /// (key position, head) -> (key position, head): the softmax over key positions.
    Softmax {
        /// Number of heads.
        heads: usize,
    },
    /// (pattern, values at some key positions) -> (head, width of a head): the weighted sum of these values.
    Mix {
        /// Number of heads.
        heads: usize,
        /// The key positions.
        keys: Vec<usize>,
    },
    /// `sqrt(variance + eps)`.
    Deviation {
        /// Added to the variance.
        eps: f64,
    },
    /// (input, deviation, weight if any, bias if any): LayerNorm.
    Normalise {
        /// Whether there is a weight.
        weight: bool,
        /// Whether there is a bias.
        bias: bool,
    },
}

impl RowOp {
    /// Number of channels of the result, from those of the inputs.
    pub fn width(&self, inputs: &[usize]) -> usize {
        match self {
            Self::Scores { heads } => *heads,
            Self::Mix { .. } => inputs[1],
            Self::Deviation { .. } => 1,
            Self::Activate(_) | Self::Product | Self::Softmax { .. } | Self::Normalise { .. } => inputs[0],
        }
    }

    /// Writes the rows of all pairs to `out`.
    pub fn forward(&self, pairs: &[[u32; 2]], inputs: &[Source<'_>], width: usize, out: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                let rows = pairs.iter().enumerate().zip(out.chunks_exact_mut(width));
                match self {
                    Self::Activate(f) => {
                        for ((i, &pair), out) in rows {
                            let input = inputs[0].row(i, pair);
                            f.apply_to(input, out);
                        }
                    }
                    Self::Product => {
                        for ((i, &pair), out) in rows {
                            out.copy_from_slice(inputs[0].row(i, pair));
                            for input in &inputs[1..] {
                                out.iter_mut().zip(input.row(i, pair)).for_each(|(out, v)| *out *= v);
                            }
                        }
                    }
                    Self::Scores { heads } => {
                        for ((i, &pair), out) in rows {
                            let (query, key) = (inputs[0].row(i, pair), inputs[1].row(i, pair));
                            let of_head = query.len() / heads;
                            let scale = scale(of_head);
                            let each = query.chunks_exact(of_head).zip(key.chunks_exact(of_head));
                            out.iter_mut().zip(each).for_each(|(out, (q, k))| *out = dot(q, k) * scale);
                        }
                    }
                    Self::Softmax { heads } => {
                        for ((i, &pair), out) in rows {
                            softmax(inputs[0].row(i, pair), *heads, out);
                        }
                    }
                    Self::Mix { heads, keys } => {
                        for ((i, &pair), out) in rows {
                            let pattern = inputs[0].row(i, pair);
                            let of_head = width / heads;
                            out.fill(0.0);
                            for (&key, value) in keys.iter().zip(&inputs[1..]) {
                                let heads_of =
                                    out.chunks_exact_mut(of_head).zip(value.row(i, pair).chunks_exact(of_head));
                                for ((out, value), &a) in heads_of.zip(&pattern[key * heads..]) {
                                    out.iter_mut().zip(value).for_each(|(out, v)| *out += a * v);
                                }
                            }
                        }
                    }
                    Self::Deviation { eps } => {
                        for ((i, &pair), out) in rows {
                            out[0] = (variance(inputs[0].row(i, pair)) + eps).sqrt() as f32;
                        }
                    }
                    Self::Normalise { weight, bias } => {
                        for ((i, &pair), out) in rows {
                            let input = inputs[0].row(i, pair);
                            let (mean, factor) = (mean(input) as f32, 1.0 / inputs[1].row(i, pair)[0]);
                            out.iter_mut().zip(input).for_each(|(out, v)| *out = (v - mean) * factor);
                            if *weight {
                                out.iter_mut().zip(inputs[2].row(i, pair)).for_each(|(out, w)| *out *= w);
                            }
                            if *bias {
                                let bias = inputs[2 + usize::from(*weight)].row(i, pair);
                                out.iter_mut().zip(bias).for_each(|(out, b)| *out += b);
                            }
                        }
                    }
                }
            },
        );
    }

    /// Writes the gradients with respect to the inputs, (rows, width of the input) each, from the gradient with respect to
    /// the result.
    ///
    /// # Arguments
    /// `out`: what [`forward`](RowOp::forward) wrote; `gradient`: of its shape.
    pub fn backward(
        &self,
        pairs: &[[u32; 2]],
        inputs: &[Source<'_>],
        out: &[f32],
        gradient: &[f32],
        width: usize,
        to: &mut [Vec<f32>],
    ) {
        vectorised(
            #[inline(always)]
            || {
                for (i, &pair) in pairs.iter().enumerate() {
                    let (out, gradient) = (&out[i * width..][..width], &gradient[i * width..][..width]);
                    match self {
                        Self::Activate(f) => {
                            let input = inputs[0].row(i, pair);
                            f.take_back(input, gradient, &mut to[0][i * width..][..width]);
                        }
                        Self::Product => {
                            for (k, to) in to.iter_mut().enumerate() {
                                let to = &mut to[i * width..][..width];
                                to.copy_from_slice(gradient);
                                for (_, other) in inputs.iter().enumerate().filter(|&(other, _)| other != k) {
                                    to.iter_mut().zip(other.row(i, pair)).for_each(|(to, v)| *to *= v);
                                }
                            }
                        }
                        Self::Scores { heads } => {
                            let (query, key) = (inputs[0].row(i, pair), inputs[1].row(i, pair));
                            let (all, of_head) = (query.len(), query.len() / heads);
                            let scale = scale(of_head);
                            for (h, g) in gradient.iter().enumerate() {
                                let (at, g) = (h * of_head, g * scale);
                                for j in at..at + of_head {
                                    to[0][i * all + j] = g * key[j];
                                    to[1][i * all + j] = g * query[j];
                                }
                            }
                        }
                        Self::Softmax { heads } => {
                            let to = &mut to[0][i * width..][..width];
                            for h in 0..*heads {
                                let keys = (h..width).step_by(*heads);
                                let along: f32 = keys.clone().map(|j| out[j] * gradient[j]).sum();
                                keys.for_each(|j| to[j] = out[j] * (gradient[j] - along));
                            }
                        }
                        Self::Mix { heads, keys } => {
                            let pattern = inputs[0].row(i, pair);
                            let (of_head, patterns) = (width / heads, pattern.len());
                            to[0][i * patterns..][..patterns].fill(0.0);
                            for (k, &key) in keys.iter().enumerate() {
                                let value = inputs[1 + k].row(i, pair);
                                for h in 0..*heads {
                                    let at = h * of_head..(h + 1) * of_head;
                                    let a = pattern[key * heads + h];
                                    to[0][i * patterns + key * heads + h] =
                                        dot(&gradient[at.clone()], &value[at.clone()]);
                                    let to = &mut to[1 + k][i * width..][..width];
                                    at.for_each(|j| to[j] = a * gradient[j]);
                                }
                            }
                        }
                        Self::Deviation { .. } => {
                            let input = inputs[0].row(i, pair);
                            let (mean, all) = (mean(input) as f32, input.len());
                            let factor = gradient[0] / (out[0] * all as f32);
                            let to = &mut to[0][i * all..][..all];
                            to.iter_mut().zip(input).for_each(|(to, v)| *to = (v - mean) * factor);
                        }
                        Self::Normalise { weight, bias } => {
                            let input = inputs[0].row(i, pair);
                            let (mean, factor) = (mean(input) as f32, 1.0 / inputs[1].row(i, pair)[0]);
                            let weights = weight.then(|| inputs[2].row(i, pair));
                            // With respect to (v - mean) / deviation.
                            let scaled = |j: usize| weights.map_or(gradient[j], |w| gradient[j] * w[j]);
                            let (mut sum, mut along) = (0.0f64, 0.0f64);
                            for (j, v) in input.iter().enumerate() {
                                sum += f64::from(scaled(j));
                                along += f64::from(scaled(j)) * f64::from(v - mean);
                            }
                            let average = (sum / width as f64) as f32;
                            for j in 0..width {
                                to[0][i * width + j] = (scaled(j) - average) * factor;
                            }
                            to[1][i] = -(along as f32) * factor * factor;
                            if *weight {
                                for j in 0..width {
                                    to[2][i * width + j] = gradient[j] * (input[j] - mean) * factor;
                                }
                            }
                            if *bias {
                                to[2 + usize::from(*weight)][i * width..][..width].copy_from_slice(gradient);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// 1 / sqrt(width of a head).
#[inline(always)]
fn scale(of_head: usize) -> f32 {
    1.0 / (of_head as f32).sqrt()
}

#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (chunks_a, rest_a) = a.as_chunks::<LANES>();
    let (chunks_b, rest_b) = b[..a.len()].as_chunks::<LANES>();
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for k in 0..LANES {
            sums[k] = a[k].mul_add(b[k], sums[k]);
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The softmax over key positions of (key position, head).
#[inline(always)]
fn softmax(scores: &[f32], heads: usize, out: &mut [f32]) {
    for h in 0..heads {
        let keys = (h..scores.len()).step_by(heads);
        let most = keys.clone().map(|j| scores[j]).fold(f32::NEG_INFINITY, |most, v| if v > most { v } else { most });
        let mut sum = 0.0;
        for j in keys.clone() {
            // NaN, which is no maximum, stays NaN.
            out[j] = (scores[j] - most).exp();
            sum += out[j];
        }
        let factor = 1.0 / sum;
        keys.for_each(|j| out[j] *= factor);
    }
}

#[inline(always)]
fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
}

#[inline(always)]
fn variance(values: &[f32]) -> f64 {
    let mean = mean(values);
    values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / values.len() as f64
}

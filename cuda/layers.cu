// Layers that are no products: activations, layer normalisation and attention from one query, each with its gradient.
//
// A matrix (rows, width) has its rows `stride` apart. Pointers that are not `__restrict__` may be the same: activations,
// normalisation and softmax may write in place of what they read.
#include "tile.cuh"

using namespace tile;

// Elementwise functions, numbered as `Activation` in src/device/kernels/argument.rs.
enum Activation { IDENTITY = 0, RELU = 1, SQUARE = 2, GELU = 3, GELU_TANH = 4, TANH = 5, SILU = 6 };

// 1 / (1 + exp(-v)), to the rounding of its value at both ends.
static __device__ __forceinline__ float sigmoid(float v) { return 1.0f / (1.0f + expf(-v)); }

// The exponent of the tanh form of GELU, v sigmoid(u): twice the argument of tanh; and its derivative.
static __device__ __forceinline__ float gelu_exponent(float v) { return 1.5957691216f * v * (1.0f + 0.044715f * v * v); }
static __device__ __forceinline__ float gelu_slope(float v) { return 1.5957691216f * (1.0f + 0.134145f * v * v); }

static __device__ float activate(int function, float v) {
    switch (function) {
        case RELU: return positive(v);
        case SQUARE: return v * v;
        case GELU: return 0.5f * v * erfcf(-0.70710678119f * v);
        case GELU_TANH: return v * sigmoid(gelu_exponent(v));
        case TANH: return tanhf(v);
        case SILU: return v * sigmoid(v);
        default: return v;
    }
}

// The derivative; of ReLU 0 at 0.
static __device__ float derivative(int function, float v) {
    switch (function) {
        case RELU: return v > 0.0f ? 1.0f : 0.0f;
        case SQUARE: return 2.0f * v;
        case GELU: return 0.5f * erfcf(-0.70710678119f * v) + 0.39894228040f * v * expf(-0.5f * v * v);
        case GELU_TANH: {
            const float u = gelu_exponent(v), s = sigmoid(u);
            return s + (s == 0.0f || s == 1.0f ? 0.0f : v * s * sigmoid(-u) * gelu_slope(v));
        }
        case TANH: {
            const float e = expf(-2.0f * fabsf(v));
            return 4.0f * e / ((1.0f + e) * (1.0f + e));
        }
        case SILU: {
            const float s = sigmoid(v);
            return s + (s == 0.0f || s == 1.0f ? 0.0f : v * s * sigmoid(-v));
        }
        default: return 1.0f;
    }
}

// out (rows, width) = f(values).
extern "C" __global__ void __launch_bounds__(256)
    activation(int rows, int width, int function, const float* values, int stride_values, float* out, int stride_out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * width) return;
    const size_t i = at / width, k = at % width;
    out[i * stride_out + k] = activate(function, values[i * stride_values + k]);
}

// out (rows, width) = f'(values) back: the gradient of `values`, which are what the activation was given.
extern "C" __global__ void __launch_bounds__(256)
    activation_gradient(int rows, int width, int function, const float* values, int stride_values, const float* back,
                        int stride_back, float* out, int stride_out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * width) return;
    const size_t i = at / width, k = at % width;
    out[i * stride_out + k] = derivative(function, values[i * stride_values + k]) * back[i * stride_back + k];
}

// out (rows, width) = (v - mean) / sqrt(variance + eps), times a weight (width) and plus a bias (width) where there are such;
// one warp a row, eight rows a block. statistics (rows, 2): mean and 1 / sqrt(variance + eps). Batch blockIdx.y, whose rows
// follow on those before it and whose weight and bias are `batch_weight` further on.
extern "C" __global__ void __launch_bounds__(256)
    layer_norm(int rows, int width, const float* values, int stride_values, float eps, const float* __restrict__ weight,
               const float* __restrict__ bias, int batch_weight, float* out, int stride_out, float* statistics) {
    const int lane = threadIdx.x % 32, i = blockIdx.x * 8 + threadIdx.x / 32;
    if (i >= rows) return;
    const size_t row = (size_t)blockIdx.y * rows + i, batch = (size_t)blockIdx.y * batch_weight;
    const float* from = values + row * stride_values;
    double sum = 0.0, square = 0.0;
    for (int k = lane; k < width; k += 32) sum += from[k];
    const float mean = (float)(warp_sum(sum) / width);
    for (int k = lane; k < width; k += 32) {
        const double v = from[k] - mean;
        square += v * v;
    }
    const float scale = (float)(1.0 / sqrt(warp_sum(square) / width + (double)eps));
    for (int k = lane; k < width; k += 32) {
        float v = (from[k] - mean) * scale;
        if (weight) v *= weight[batch + k];
        if (bias) v += bias[batch + k];
        out[row * stride_out + k] = v;
    }
    if (lane == 0 && statistics) {
        statistics[2 * row] = mean;
        statistics[2 * row + 1] = scale;
    }
}

// out (rows, width) = the gradient of the values of `layer_norm`, from that of what it made of them, `back`. Where given,
// `scaled` (rows, width) = back times the normalised values, whose sum over rows is the gradient of the weight; that of the
// bias is the sum of `back`.
extern "C" __global__ void __launch_bounds__(256)
    layer_norm_gradient(int rows, int width, const float* values, int stride_values, const float* __restrict__ statistics,
                        const float* __restrict__ weight, int batch_weight, const float* back, int stride_back, float* out,
                        int stride_out, float* scaled) {
    const int lane = threadIdx.x % 32, i = blockIdx.x * 8 + threadIdx.x / 32;
    if (i >= rows) return;
    const size_t row = (size_t)blockIdx.y * rows + i, batch = (size_t)blockIdx.y * batch_weight;
    const float *from = values + row * stride_values, *gradient = back + row * stride_back;
    const float mean = statistics[2 * row], scale = statistics[2 * row + 1];
    double sum = 0.0, along = 0.0;
    for (int k = lane; k < width; k += 32) {
        const float g = weight ? gradient[k] * weight[batch + k] : gradient[k];
        sum += g;
        along += (double)g * ((from[k] - mean) * scale);
    }
    const float mean_gradient = (float)(warp_sum(sum) / width), component = (float)(warp_sum(along) / width);
    for (int k = lane; k < width; k += 32) {
        const float normalised = (from[k] - mean) * scale, own = gradient[k];
        const float g = weight ? own * weight[batch + k] : own;
        if (scaled) scaled[row * width + k] = own * normalised;
        out[row * stride_out + k] = scale * (g - mean_gradient - normalised * component);
    }
}

// Attention from one query: a row has `heads` queries and, at each of some positions, as many keys and values of `width`
// numbers. Positions are `position` apart, rows `stride`. Scores and weights are (rows, heads, positions).

// out (rows, heads, positions) = scale query . key, one warp each: the scores. With the gradient of the output for a query,
// values for keys and scale 1, the gradient of the weights.
extern "C" __global__ void __launch_bounds__(256)
    head_products(int rows, int heads, int positions, int width, const float* __restrict__ queries, int stride_queries,
                  const float* __restrict__ keys, int stride_keys, int position_keys, float scale,
                  float* __restrict__ out) {
    const int lane = threadIdx.x % 32;
    const size_t at = (size_t)blockIdx.x * 8 + threadIdx.x / 32;
    if (at >= (size_t)rows * heads * positions) return;
    const size_t p = at % positions, head = at / positions % heads, row = at / positions / heads;
    const float* query = queries + row * stride_queries + head * width;
    const float* key = keys + row * stride_keys + p * position_keys + head * width;
    float sum = 0.0f;
    for (int k = lane; k < width; k += 32) sum = fmaf(query[k], key[k], sum);
    sum = warp_sum(sum);
    if (lane == 0) out[at] = scale * sum;
}

// out (rows, heads, width) = scale times the sum over positions of weight times value: the output of the heads. With the
// gradient of the scores for weights and keys for values, the gradient of the queries.
extern "C" __global__ void __launch_bounds__(256)
    head_sums(int rows, int heads, int positions, int width, const float* __restrict__ weights,
              const float* __restrict__ values, int stride_values, int position_values, float scale,
              float* __restrict__ out, int stride_out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, row_width = (size_t)heads * width;
    if (at >= rows * row_width) return;
    const size_t row = at / row_width, k = at % row_width;
    const float* weight = weights + (row * heads + k / width) * positions;
    const float* value = values + row * stride_values + k;
    float sum = 0.0f;
    for (int p = 0; p < positions; p++) sum = fmaf(weight[p], value[(size_t)p * position_values], sum);
    out[row * stride_out + k] = scale * sum;
}

// out (rows, positions, heads, width) = scale weight query. With the gradient of the scores for weights, that of the keys;
// with that of the output for queries, that of the values.
extern "C" __global__ void __launch_bounds__(256)
    head_outer(int rows, int heads, int positions, int width, const float* __restrict__ weights,
               const float* __restrict__ queries, int stride_queries, float scale, float* __restrict__ out, int stride_out,
               int position_out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, row_width = (size_t)heads * width;
    if (at >= rows * row_width * positions) return;
    const size_t k = at % row_width, p = at / row_width % positions, row = at / row_width / positions;
    const float weight = weights[(row * heads + k / width) * positions + p];
    out[row * stride_out + p * position_out + k] = scale * weight * queries[row * stride_queries + k];
}

// out (rows, width) = the softmax of every row over the positions whose bit is set in `allowed`, of which there is one at
// least, and 0 elsewhere; at most 32 positions, one thread a row.
extern "C" __global__ void __launch_bounds__(256)
    softmax(int rows, int width, unsigned allowed, const float* values, float* out) {
    const size_t row = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const float* from = values + row * width;
    float* to = out + row * width;
    float most = -3.0e38f, sum = 0.0f;
    for (int p = 0; p < width; p++)
        if (allowed >> p & 1) most = fmaxf(most, from[p]);
    for (int p = 0; p < width; p++) {
        const float e = allowed >> p & 1 ? expf(from[p] - most) : 0.0f;
        to[p] = e;
        sum += e;
    }
    for (int p = 0; p < width; p++) to[p] /= sum;
}

// out (rows, width) = the gradient of what `softmax` was given, from its result and the gradient of that.
extern "C" __global__ void __launch_bounds__(256)
    softmax_gradient(int rows, int width, const float* weights, const float* back, float* out) {
    const size_t row = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const float *weight = weights + row * width, *gradient = back + row * width;
    float mean = 0.0f;
    for (int p = 0; p < width; p++) mean = fmaf(weight[p], gradient[p], mean);
    for (int p = 0; p < width; p++) out[row * width + p] = weight[p] * (gradient[p] - mean);
}

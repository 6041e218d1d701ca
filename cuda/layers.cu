// The steps of a network that are no products of matrices, each with its gradient: sums and products of rows, dot products by
// head, softmax, layer normalisation, activations.
//
// Rows are those of pairs or, where a matrix of a row an element is made, of elements. A value has its rows `stride` apart,
// those of batch blockIdx.y `batch` after those of the batch before; `by` says which of its rows belongs to a pair. Pointers
// that are not `__restrict__` may lie in one array.
#include "tile.cuh"

using namespace tile;

// Which row of a value belongs to row i, the pair (x, y), numbered as `By` in src/device/kernels/argument.rs.
enum By { ROW = 0, LEFT = 1, RIGHT = 2, ONE = 3 };

// The pairs of rows: x n + y by a list, or numbered from `first`.
struct Pairs {
    const unsigned* list;
    unsigned first;
    int n;

    __device__ __forceinline__ size_t row(int by, size_t i) const {
        if (by == ROW) return i;
        if (by == ONE) return 0;
        const unsigned pair = list ? list[i] : first + (unsigned)i;
        return by == LEFT ? pair / n : pair % n;
    }
};

static __device__ __forceinline__ Pairs pairs_of(const unsigned* pairs, unsigned first, int batch_pairs, int n) {
    return {pairs ? pairs + (size_t)blockIdx.y * batch_pairs : pairs, first, n};
}

// Elementwise functions, numbered as `Activation` in src/model/network/activation.rs.
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

// The arrays that terms read, numbered as by `Place` in src/model/on_device/program.rs: matrices, values of nodes, and the
// gradients of both. Nodes lie one after the other, (rows, width) each: they begin `rows` times their offset on.
struct Arrays {
    const float* of[4];

    // The value in column j of the row of a source: array + 4 by + 16 first column, offset, stride.
    __device__ __forceinline__ float at(const unsigned* source, const Pairs& pairs, size_t i, int rows, unsigned j) const {
        const unsigned array = source[0] % 4, by = source[0] / 4 % 4, first = source[0] / 16;
        const size_t start = array % 2 ? (size_t)source[1] * rows : source[1];
        return of[array][start + pairs.row(by, i) * source[2] + first + j];
    }
};

// In the place of a source that a term does not have.
constexpr unsigned NOTHING = ~0u;

// out (rows, width) = f(scale times the sum, or the product, of terms, plus what is there if asked for). A term is eight
// numbers: a source, a source of one column by which it is multiplied (or NOTHING), its first column and its width.
extern "C" __global__ void __launch_bounds__(256)
    sum_terms(int rows, int width, int n, const unsigned* __restrict__ pairs, unsigned first, int batch_pairs,
              const unsigned* __restrict__ terms, int count, const float* tables, const float* nodes,
              const float* of_tables, const float* of_nodes, int batch_tables, int batch_nodes, int product, float scale,
              int function, float* out, int stride_out, int batch_out, int add) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, batch = blockIdx.y;
    if (at >= (size_t)rows * width) return;
    const size_t i = at / width;
    const unsigned k = at % width;
    const Pairs of_rows = pairs_of(pairs, first, batch_pairs, n);
    const Arrays arrays = {{tables + batch * batch_tables, nodes + batch * batch_nodes, of_tables + batch * batch_tables,
                            of_nodes + batch * batch_nodes}};
    float v = product ? 1.0f : 0.0f;
    for (const unsigned* term = terms; term < terms + 8 * (size_t)count; term += 8) {
        const unsigned j = k - term[6];
        if (j >= term[7]) continue;
        float part = arrays.at(term, of_rows, i, rows, j);
        if (term[3] != NOTHING) part *= arrays.at(term + 3, of_rows, i, rows, 0);
        v = product ? v * part : v + part;
    }
    float& to = out[batch * batch_out + i * stride_out + k];
    v *= scale;
    to = activate(function, add ? to + v : v);
}

// out (rows, width) = f'(values) back, added to what is there if asked for: the gradient of `values`, which are what the
// activation was given.
extern "C" __global__ void __launch_bounds__(256)
    activation_gradient(int rows, int width, int function, const float* values, int stride_values, int batch_values,
                        const float* back, int stride_back, int batch_back, float* out, int stride_out, int batch_out,
                        int add) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, batch = blockIdx.y;
    if (at >= (size_t)rows * width) return;
    const size_t i = at / width, k = at % width;
    const float g = back[batch * batch_back + i * stride_back + k];
    const float v = derivative(function, values[batch * batch_values + i * stride_values + k]) * g;
    float& to = out[batch * batch_out + i * stride_out + k];
    to = add ? to + v : v;
}

// out (rows, heads) = scale times the dot product of a and b, (rows, heads, width), one warp each, added to what is there if
// asked for.
extern "C" __global__ void __launch_bounds__(256)
    head_products(int rows, int heads, int width, int n, const unsigned* __restrict__ pairs, unsigned first,
                  int batch_pairs, const float* a, int stride_a, int batch_a, int by_a, const float* b, int stride_b,
                  int batch_b, int by_b, float scale, float* out, int stride_out, int batch_out, int add) {
    const int lane = threadIdx.x % 32;
    const size_t at = (size_t)blockIdx.x * 8 + threadIdx.x / 32, batch = blockIdx.y;
    if (at >= (size_t)rows * heads) return;
    const size_t i = at / heads, head = at % heads;
    const Pairs of_rows = pairs_of(pairs, first, batch_pairs, n);
    const float* row_a = a + batch * batch_a + of_rows.row(by_a, i) * stride_a + head * width;
    const float* row_b = b + batch * batch_b + of_rows.row(by_b, i) * stride_b + head * width;
    float sum = 0.0f;
    for (int k = lane; k < width; k += 32) sum = fmaf(row_a[k], row_b[k], sum);
    sum = scale * warp_sum(sum);
    float& to = out[batch * batch_out + i * stride_out + head];
    if (lane == 0) to = add ? to + sum : sum;
}

// out (rows, positions, heads) = the softmax over positions, one thread a row and head.
extern "C" __global__ void __launch_bounds__(256)
    softmax(int rows, int heads, int positions, const float* values, int stride_values, int batch_values, float* out,
            int stride_out, int batch_out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, batch = blockIdx.y;
    if (at >= (size_t)rows * heads) return;
    const size_t i = at / heads, head = at % heads;
    const float* from = values + batch * batch_values + i * stride_values + head;
    float* to = out + batch * batch_out + i * stride_out + head;
    float most = -3.0e38f, sum = 0.0f;
    for (int p = 0; p < positions; p++) most = fmaxf(most, from[p * heads]);
    for (int p = 0; p < positions; p++) {
        const float e = expf(from[p * heads] - most);
        to[p * heads] = e;
        sum += e;
    }
    for (int p = 0; p < positions; p++) to[p * heads] /= sum;
}

// out (rows, positions, heads) = the gradient of what `softmax` was given, from its result and the gradient of that, added to
// what is there if asked for.
extern "C" __global__ void __launch_bounds__(256)
    softmax_gradient(int rows, int heads, int positions, const float* weights, int stride_weights, int batch_weights,
                     const float* back, int stride_back, int batch_back, float* out, int stride_out, int batch_out,
                     int add) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, batch = blockIdx.y;
    if (at >= (size_t)rows * heads) return;
    const size_t i = at / heads, head = at % heads;
    const float* weight = weights + batch * batch_weights + i * stride_weights + head;
    const float* gradient = back + batch * batch_back + i * stride_back + head;
    float* to = out + batch * batch_out + i * stride_out + head;
    float mean = 0.0f;
    for (int p = 0; p < positions; p++) mean = fmaf(weight[p * heads], gradient[p * heads], mean);
    for (int p = 0; p < positions; p++) {
        const float v = weight[p * heads] * (gradient[p * heads] - mean);
        to[p * heads] = add ? to[p * heads] + v : v;
    }
}

// The mean of a row, in every lane of the warp that reads it.
static __device__ __forceinline__ float mean_of(const float* row, int width, int lane) {
    double sum = 0.0;
    for (int k = lane; k < width; k += 32) sum += row[k];
    return (float)(warp_sum(sum) / width);
}

// out (rows, 1) = sqrt(variance + eps) of every row: one warp a row, eight rows a block.
extern "C" __global__ void __launch_bounds__(256)
    deviation(int rows, int width, const float* values, int stride_values, int batch_values, double eps, float* out,
              int stride_out, int batch_out) {
    const int lane = threadIdx.x % 32;
    const size_t i = (size_t)blockIdx.x * 8 + threadIdx.x / 32, batch = blockIdx.y;
    if (i >= rows) return;
    const float* from = values + batch * batch_values + i * stride_values;
    const float mean = mean_of(from, width, lane);
    double square = 0.0;
    for (int k = lane; k < width; k += 32) {
        const double v = from[k] - mean;
        square += v * v;
    }
    square = warp_sum(square);
    if (lane == 0) out[batch * batch_out + i * stride_out] = (float)sqrt(square / width + eps);
}

// out (rows, width) = the gradient of what `deviation` was given, from its result and the gradient of that, added to what is
// there if asked for: one warp a row.
extern "C" __global__ void __launch_bounds__(256)
    deviation_gradient(int rows, int width, const float* values, int stride_values, int batch_values,
                       const float* deviations, int stride_deviations, int batch_deviations, const float* back,
                       int stride_back, int batch_back, float* out, int stride_out, int batch_out, int add) {
    const int lane = threadIdx.x % 32;
    const size_t i = (size_t)blockIdx.x * 8 + threadIdx.x / 32, batch = blockIdx.y;
    if (i >= rows) return;
    const float* from = values + batch * batch_values + i * stride_values;
    const float mean = mean_of(from, width, lane);
    const float own = deviations[batch * batch_deviations + i * stride_deviations];
    const float factor = back[batch * batch_back + i * stride_back] / (own * width);
    float* to = out + batch * batch_out + i * stride_out;
    for (int k = lane; k < width; k += 32) {
        const float v = (from[k] - mean) * factor;
        to[k] = add ? to[k] + v : v;
    }
}

// out (rows, width) = (v - mean) / deviation, times a weight (width) and plus a bias (width) where there are such: one warp a
// row, eight rows a block.
extern "C" __global__ void __launch_bounds__(256)
    normalise(int rows, int width, int n, const unsigned* __restrict__ pairs, unsigned first, int batch_pairs,
              const float* values, int stride_values, int batch_values, int by_values, const float* deviations,
              int stride_deviations, int batch_deviations, int by_deviations, const float* weight, const float* bias,
              int batch_weight, float* out, int stride_out, int batch_out) {
    const int lane = threadIdx.x % 32;
    const size_t i = (size_t)blockIdx.x * 8 + threadIdx.x / 32, batch = blockIdx.y;
    if (i >= rows) return;
    const Pairs of_rows = pairs_of(pairs, first, batch_pairs, n);
    const float* from = values + batch * batch_values + of_rows.row(by_values, i) * stride_values;
    const float own = deviations[batch * batch_deviations + of_rows.row(by_deviations, i) * stride_deviations];
    const float mean = mean_of(from, width, lane), factor = 1.0f / own;
    const float* weights = weight ? weight + batch * batch_weight : weight;
    const float* biases = bias ? bias + batch * batch_weight : bias;
    float* to = out + batch * batch_out + i * stride_out;
    for (int k = lane; k < width; k += 32) {
        float v = (from[k] - mean) * factor;
        if (weights) v *= weights[k];
        if (biases) v += biases[k];
        to[k] = v;
    }
}

// The gradients of what `normalise` was given, added to what is there if asked for, from that of what it made, `back`: `out`
// (rows, width) of the values, `of_deviations` (rows, 1) and, where given, `scaled` (rows, width) = back times the normalised
// values, whose sum over rows is the gradient of the weight; that of the bias is the sum of `back`.
extern "C" __global__ void __launch_bounds__(256)
    normalise_gradient(int rows, int width, int n, const unsigned* __restrict__ pairs, unsigned first, int batch_pairs,
                       const float* values, int stride_values, int batch_values, int by_values, const float* deviations,
                       int stride_deviations, int batch_deviations, int by_deviations, const float* weight,
                       int batch_weight, const float* back, int stride_back, int batch_back, float* out, int stride_out,
                       int batch_out, int add, float* of_deviations, int stride_of_deviations, int batch_of_deviations,
                       int add_of_deviations, float* scaled, int batch_scaled) {
    const int lane = threadIdx.x % 32;
    const size_t i = (size_t)blockIdx.x * 8 + threadIdx.x / 32, batch = blockIdx.y;
    if (i >= rows) return;
    const Pairs of_rows = pairs_of(pairs, first, batch_pairs, n);
    const float* from = values + batch * batch_values + of_rows.row(by_values, i) * stride_values;
    const float* gradient = back + batch * batch_back + i * stride_back;
    const float* weights = weight ? weight + batch * batch_weight : weight;
    const float mean = mean_of(from, width, lane);
    const float own = deviations[batch * batch_deviations + of_rows.row(by_deviations, i) * stride_deviations];
    const float factor = 1.0f / own;
    double sum = 0.0, along = 0.0;
    for (int k = lane; k < width; k += 32) {
        const float g = weights ? gradient[k] * weights[k] : gradient[k];
        sum += g;
        along += (double)g * (from[k] - mean);
    }
    const float average = (float)(warp_sum(sum) / width);
    const float of_own = -(float)warp_sum(along) * factor * factor;
    float* to = out + batch * batch_out + i * stride_out;
    for (int k = lane; k < width; k += 32) {
        const float g = weights ? gradient[k] * weights[k] : gradient[k];
        const float v = (g - average) * factor;
        to[k] = add ? to[k] + v : v;
        if (scaled) scaled[batch * batch_scaled + i * width + k] = gradient[k] * (from[k] - mean) * factor;
    }
    float& to_own = of_deviations[batch * batch_of_deviations + i * stride_of_deviations];
    if (lane == 0) to_own = add_of_deviations ? to_own + of_own : of_own;
}

// What full-batch training needs beside products and losses. blockIdx.y is the seed: many train side by side.
#include "tile.cuh"

using namespace tile;

// out (elements, width) = the sum of each element's rows of values (rows, width), times the row's weight where there are
// weights (rows, 1), added to what is there if asked for; always in the same order. The rows of element blockIdx.y are those
// that `order` lists from its entry of `starts` to the next, or all rows where there is no `order`. Batch blockIdx.z.
extern "C" __global__ void __launch_bounds__(256)
    sum_rows(int rows, int width, const float* values, int stride_values, int batch_values,
             const unsigned* __restrict__ order, int batch_order, const unsigned* __restrict__ starts, int batch_starts,
             const float* weights, int stride_weights, int batch_weights, float* out, int stride_out, int batch_out,
             int add) {
    __shared__ float parts[8][33];
    const int channel = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    const size_t batch = blockIdx.z;
    const unsigned* list = order ? order + batch * batch_order : order;
    const unsigned* start = order ? starts + batch * batch_starts + blockIdx.y : starts;
    const unsigned begin = order ? start[0] : 0, end = order ? start[1] : rows;
    float sum = 0.0f;
    if (channel < width)
        for (unsigned i = begin + part; i < end; i += 8) {
            const size_t row = list ? list[i] : i;
            float v = values[batch * batch_values + row * stride_values + channel];
            if (weights) v *= weights[batch * batch_weights + row * stride_weights];
            sum += v;
        }
    parts[part][threadIdx.x % 32] = sum;
    __syncthreads();
    if (part != 0 || channel >= width) return;
    for (int i = 1; i < 8; i++) sum += parts[i][threadIdx.x];
    float& to = out[batch * batch_out + (size_t)blockIdx.y * stride_out + channel];
    to = add ? to + sum : sum;
}

// One step of Adam or AdamW as the CPU takes it. rates: for every value of `counter`, the share of the parameters that is
// kept, the step size and the correction of the second mean. `decay` times the parameters is added to the gradient. Parameters
// and gradient of batch blockIdx.y are `batch` after those before it, what the optimiser keeps `batch_state`.
extern "C" __global__ void __launch_bounds__(256)
    adam(int count, int batch, int batch_state, float* parameters, const float* __restrict__ gradient, float* first, float* second,
         const float* __restrict__ rates, const unsigned* __restrict__ counter, float decay, float toward, float stay,
         float square, float eps) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    parameters += (size_t)blockIdx.y * batch;
    gradient += (size_t)blockIdx.y * batch;
    first += (size_t)blockIdx.y * batch_state;
    second += (size_t)blockIdx.y * batch_state;
    const float* rate = rates + 3 * (size_t)*counter;
    const float g = gradient[at] + decay * parameters[at];
    float m = first[at], v = second[at];
    m += toward * (g - m);
    v = stay * v + square * g * g;
    first[at] = m;
    second[at] = v;
    parameters[at] = parameters[at] * rate[0] - rate[1] * m / (sqrtf(v) * rate[2] + eps);
}

// One step of gradient descent with momentum as the CPU takes it. rates: three numbers for every value of `counter`, the
// learning rate and two of no use. `decay` times the parameters is added to the gradient. Batches are those of `adam`.
extern "C" __global__ void __launch_bounds__(256)
    sgd(int count, int batch, int batch_state, float* parameters, const float* __restrict__ gradient, float* velocity,
        const float* __restrict__ rates, const unsigned* __restrict__ counter, float decay, float momentum) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    parameters += (size_t)blockIdx.y * batch;
    gradient += (size_t)blockIdx.y * batch;
    velocity += (size_t)blockIdx.y * batch_state;
    const float v = momentum * velocity[at] + (gradient[at] + decay * parameters[at]);
    velocity[at] = v;
    parameters[at] -= rates[3 * (size_t)*counter] * v;
}

// The loss of the epoch of every seed, from those of blocks of rows, in order: losses (seed, epochs), entry `counter`, which
// then counts one more. One block.
extern "C" __global__ void __launch_bounds__(256)
    end_epoch(int seeds, int blocks, const double* __restrict__ block_losses, double weight, int epochs, double* losses,
              unsigned* counter) {
    const unsigned now = *counter;
    for (int seed = threadIdx.x; seed < seeds; seed += THREADS) {
        double sum = 0.0;
        for (int b = 0; b < blocks; b++) sum += block_losses[(size_t)seed * blocks + b];
        losses[(size_t)seed * epochs + now] = sum * weight;
    }
    __syncthreads();
    if (threadIdx.x == 0) *counter = now + 1;
}

// From pairs of elements to activations, interventions on them, and losses of stored logits.
#include "tile.cuh"

using namespace tile;

// Row `i` is the pair x n + y with number pairs[i], or first + i where there is no list.
static __device__ __forceinline__ unsigned pair_of(const unsigned* pairs, unsigned first, size_t i) {
    return pairs ? pairs[i] : first + (unsigned)i;
}

// out (rows, width) = left[x] combined with right[y]; batch blockIdx.y.
extern "C" __global__ void __launch_bounds__(256)
    first_layer(int rows, int n, int width, const float* __restrict__ left, const float* __restrict__ right,
                int batch_maps, const unsigned* __restrict__ pairs, unsigned first, int batch_pairs, int combiner, float* out,
                int batch_out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, batch = blockIdx.y;
    if (at >= (size_t)rows * width) return;
    const int k = at % width;
    const unsigned pair = pair_of(pairs ? pairs + batch * batch_pairs : pairs, first, at / width);
    const size_t maps = batch * batch_maps, x = pair / n, y = pair % n;
    out[batch * batch_out + at] = combine(combiner, left[maps + x * width + k], right[maps + y * width + k]);
}

// values (rows, width): adds a row to every row.
extern "C" __global__ void __launch_bounds__(256)
    add_row(int rows, int width, float* values, const float* __restrict__ row) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * width) return;
    values[at] += row[at % width];
}

// out (rows, count) = chosen channels of values (rows, width).
extern "C" __global__ void __launch_bounds__(256)
    take_channels(int rows, int width, const float* __restrict__ values, const unsigned* __restrict__ channels, int count,
                  float* out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * count) return;
    const size_t i = at / count, j = at % count;
    out[at] = values[i * width + (channels ? channels[j] : j)];
}

// Where the values of a hook lie.
enum Values { NOTHING = 0, BY_CHANNEL = 1, BY_PAIR = 2, BY_ROW = 3 };

// At chosen channels of chosen pairs: v = keep v + weight value; `keep` 0 drops even a NaN.
extern "C" __global__ void __launch_bounds__(256)
    hook(int rows, int width, float* values, const unsigned* __restrict__ channels, int count,
         const unsigned* __restrict__ pairs, unsigned first, const unsigned char* __restrict__ mask, float keep,
         float weight, const float* __restrict__ table, int place) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * count) return;
    const size_t i = at / count, j = at % count;
    const unsigned pair = pair_of(pairs, first, i);
    if (mask && !mask[pair]) return;
    float& v = values[i * width + (channels ? channels[j] : j)];
    float next = keep == 0.0f ? 0.0f : keep * v;
    if (place == BY_CHANNEL) next += weight * table[j];
    if (place == BY_PAIR) next += weight * table[(size_t)pair * count + j];
    if (place == BY_ROW) next += weight * table[at];
    v = next;
}

// Loss of every row of logits (rows, classes), one warp a row; in place, the gradient of `weight` times their sum if
// weight is not 0. With `smoothing` the loss is that of smoothed labels: `smoothing` of a target's weight is shared by all
// classes alike, which adds smoothing (l_target - mean l). Row losses and hits go to `losses` and `hits` where given, sums
// over the block's rows to `block_losses`, `block_hits`. Batch blockIdx.y.
extern "C" __global__ void __launch_bounds__(256)
    row_losses(int rows, int classes, float* logits, int batch_logits, const unsigned* __restrict__ labels,
               const unsigned* __restrict__ pairs, unsigned first, int batch_pairs, float weight, double smoothing,
               double* losses, unsigned char* hits, double* block_losses, unsigned* block_hits) {
    __shared__ double warp_losses[8];
    __shared__ unsigned warp_hits[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, batch = blockIdx.y;
    const size_t row = (size_t)blockIdx.x * 8 + warp;
    double loss = 0.0;
    unsigned hit = 0;
    if (row < rows) {
        float* logit = logits + (size_t)batch * batch_logits + row * classes;
        const unsigned target = labels[pair_of(pairs ? pairs + (size_t)batch * batch_pairs : pairs, first, row)];
        const float own = logit[target];
        float before = -3.0e38f, after = -3.0e38f;
        for (int z = lane; z < classes; z += 32) {
            if (z < target) before = fmaxf(before, logit[z]);
            if (z > target) after = fmaxf(after, logit[z]);
        }
        before = warp_max(before);
        after = warp_max(after);
        const float most = fmaxf(before, after);
        float sum = 0.0f;
        for (int z = lane; z < classes; z += 32)
            if (z != target) sum += expf(logit[z] - most);
        sum = warp_sum(sum);
        loss = cross_entropy(most, sum, own);
        hit = own > before && own >= after && loss == loss;
        if (smoothing != 0.0) {
            double all = 0.0;
            for (int z = lane; z < classes; z += 32) all += logit[z];
            loss += smoothing * (own - warp_sum(all) / classes);
        }
        if (weight != 0.0f) {
            // Exponents relative to the larger of the two, so that neither overflows.
            const float top = fmaxf(most, own), scale = expf(most - top);
            const float factor = weight / (sum * scale + expf(own - top));
            const float smoothed = weight * (float)smoothing, every = smoothed / classes;
            __syncwarp();  // every lane has read the target's logit
            for (int z = lane; z < classes; z += 32) {
                const float gradient = z == target ? smoothed - sum * scale * factor : expf(logit[z] - top) * factor;
                logit[z] = gradient - every;
            }
        }
        if (lane == 0) {
            if (losses) losses[(size_t)batch * rows + row] = loss;
            if (hits) hits[(size_t)batch * rows + row] = hit;
        }
    }
    if (lane == 0) {
        warp_losses[warp] = loss;
        warp_hits[warp] = hit;
    }
    __syncthreads();
    if (threadIdx.x == 0 && block_losses) {
        for (int w = 1; w < 8; w++) {
            loss += warp_losses[w];
            hit += warp_hits[w];
        }
        block_losses[(size_t)batch * gridDim.x + blockIdx.x] = loss;
        block_hits[(size_t)batch * gridDim.x + blockIdx.x] = hit;
    }
}

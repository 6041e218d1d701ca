// All-pairs evaluation that never stores logits: what one row of them makes of its target, class by class.
#pragma once
#include "tile.cuh"

namespace tile {

// Where a block of rows comes from and goes to.
struct Evaluation {
    int rows, n, width;                  // pairs of this launch, order of the group, neurons
    const float *left, *right, *hidden;  // two maps (n, width) to combine, or stored neurons (rows, width)
    int combiner;
    const float *unembed, *offset;       // (width, n), its rows `stride` apart; added to the logits, or null
    int stride;
    const unsigned *labels, *pairs;      // label of every pair; the pairs of the rows, or null for first + row
    unsigned first;
    double* losses;                      // by row, or null
    unsigned char* hits;                 // by row, or null
    double* block_sums;                  // loss and centred energy of every block of rows
    unsigned* block_hits;

    __device__ __forceinline__ unsigned pair(int row) const { return pairs ? pairs[row] : first + row; }

    // Where the neurons of a row begin: in the two maps, or among the stored ones.
    struct Origin {
        unsigned left, right;
    };
    __device__ __forceinline__ Origin origin(int row) const {
        if (row >= rows) return {0, 0};
        if (hidden) return {(unsigned)row * width, 0};
        return {pair(row) / n * width, pair(row) % n * width};
    }

    // Neuron `term` of a row; 0 outside.
    __device__ __forceinline__ float neuron(int row, Origin origin, int term) const {
        if (row >= rows || term >= width) return 0.0f;
        if (hidden) return hidden[origin.left + term];
        return combine(combiner, left[origin.left + term], right[origin.right + term]);
    }

    __device__ __forceinline__ float weight(int column, int term) const {
        return column < n && term < width ? unembed[(size_t)term * stride + column] : 0.0f;
    }
};

// A row of logits seen so far, its target left out of the sum of exponentials. Exponents are at most 0, and what is far
// below does not count: the fast exponential is exact enough.
struct Row {
    float most, sum, target, before, after;  // largest other logit; sum exp(l - most); the target's; largest before, after it
    double total, squares;                   // of all logits

    __device__ __forceinline__ void clear() {
        most = target = before = after = -3.0e38f;
        sum = 0.0f;
        total = squares = 0.0;
    }

    // COUNT logits of classes `first + place(j)`, those below n.
    template <int COUNT, class Place>
    __device__ __forceinline__ void add(const float* logits, const Place& place, int n, int label) {
        float top = -3.0e38f, part = 0.0f, square = 0.0f;
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            const int z = place(j);
            if (z >= n) continue;
            const float v = logits[j];
            part += v;
            square = fmaf(v, v, square);
            if (z == label) target = v;
            if (z < label) before = fmaxf(before, v);
            if (z > label) after = fmaxf(after, v);
            if (z != label) top = fmaxf(top, v);
        }
        total += part;
        squares += square;
        if (top > most) {
            sum *= __expf(most - top);
            most = top;
        }
#pragma unroll
        for (int j = 0; j < COUNT; j++)
            if (place(j) < n && place(j) != label) sum += __expf(logits[j] - most);
    }

    // With the part of the row that lane `lane ^ offset` has; both then hold the same.
    __device__ __forceinline__ void exchange(int offset) {
        Row other;
        other.most = __shfl_xor_sync(0xffffffffu, most, offset);
        other.sum = __shfl_xor_sync(0xffffffffu, sum, offset);
        other.target = __shfl_xor_sync(0xffffffffu, target, offset);
        other.before = __shfl_xor_sync(0xffffffffu, before, offset);
        other.after = __shfl_xor_sync(0xffffffffu, after, offset);
        other.total = __shfl_xor_sync(0xffffffffu, total, offset);
        other.squares = __shfl_xor_sync(0xffffffffu, squares, offset);
        merge(other);
    }

    __device__ __forceinline__ void merge(const Row& other) {
        const float top = fmaxf(most, other.most);
        sum = sum * __expf(most - top) + other.sum * __expf(other.most - top);
        most = top;
        // One of the two has the target, or neither; a NaN one must not be lost.
        target = other.target != other.target || other.target > target ? other.target : target;
        before = fmaxf(before, other.before);
        after = fmaxf(after, other.after);
        total += other.total;
        squares += other.squares;
    }
};

// Writes what the `size` rows of a block came to, a thread each, and their sums in a fixed order.
static __device__ __forceinline__ void finish(const Evaluation& e, const Row* rows, int size) {
    __shared__ double losses[8], energies[8];
    __shared__ unsigned counts[8];
    double loss = 0.0, energy = 0.0;
    unsigned hit = 0;
    const int thread = threadIdx.x, at = blockIdx.x * size + thread;
    __syncthreads();
    if (thread < size && at < e.rows) {
        const Row& row = rows[thread];
        loss = cross_entropy(row.most, row.sum, row.target);
        energy = row.squares - row.total * row.total / e.n;  // the square norm of the logits less their mean
        hit = row.target > row.before && row.target >= row.after && loss == loss;
        if (e.losses) e.losses[at] = loss;
        if (e.hits) e.hits[at] = hit;
    }
    loss = warp_sum(loss);
    energy = warp_sum(energy);
    hit = warp_sum(hit);
    if (thread % 32 == 0) {
        losses[thread / 32] = loss;
        energies[thread / 32] = energy;
        counts[thread / 32] = hit;
    }
    __syncthreads();
    if (thread != 0) return;
    for (int w = 1; w < THREADS / 32; w++) {
        loss += losses[w];
        energy += energies[w];
        hit += counts[w];
    }
    e.block_sums[2 * (size_t)blockIdx.x] = loss;
    e.block_sums[2 * (size_t)blockIdx.x + 1] = energy;
    e.block_hits[blockIdx.x] = hit;
}

}  // namespace tile

// The parameters of every evaluation kernel, in this order.
#define EVALUATION_PARAMETERS                                                                                          \
    int rows, int n, int width, const float *__restrict__ left, const float *__restrict__ right,                       \
        const float *__restrict__ hidden, int combiner, const float *__restrict__ unembed,                             \
        const float *__restrict__ offset, int stride, const unsigned *__restrict__ labels,                              \
        const unsigned *__restrict__ pairs, unsigned first, double *losses, unsigned char *hits, double *block_sums, unsigned *block_hits
#define EVALUATION                                                                                                     \
    { rows,  n,     width,  left,     right, hidden,     combiner,  unembed, offset, stride,                           \
      labels, pairs, first, losses, hits, block_sums, block_hits }

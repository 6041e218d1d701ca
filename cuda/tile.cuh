// What the kernels share: the tile of a matrix product, activation, and reductions in a fixed order.
//
// Every matrix is row-major. Products read their operands through functors, so that an operand may be computed on the
// way to shared memory instead of being stored.
#pragma once

namespace tile {

constexpr int THREADS = 256;  // of every product and every evaluation
constexpr int DEPTH = 16;     // of the slabs that are multiplied at once

// max(0, v), NaN kept.
static __device__ __forceinline__ float positive(float v) { return v < 0.0f ? 0.0f : v; }

// The two maps of the first layer put together: 0 relu(a + b), 1 a * b, 2 a + b.
static __device__ __forceinline__ float combine(int combiner, float a, float b) {
    if (combiner == 1) return a * b;
    return combiner == 0 ? positive(a + b) : a + b;
}

// Two slabs, one multiplied while the other is filled. Rows are padded to keep float4 reads aligned and spread the banks.
template <int SIZE>
struct Slabs {
    __align__(16) float values[2][DEPTH][SIZE + 4];
};

// The accumulators of one thread: MICRO x MICRO of a SIZE x SIZE tile (SIZE = 16 MICRO), in groups of four.
template <int SIZE>
struct Accumulators {
    static constexpr int MICRO = SIZE / 16;
    float z[MICRO][MICRO];

    // Row or column of the tile that index `i` of thread row or column `t` stands for.
    static __device__ __forceinline__ int place(int t, int i) { return (i / 4) * 64 + t * 4 + i % 4; }

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < MICRO; i++)
#pragma unroll
            for (int j = 0; j < MICRO; j++) z[i][j] = 0.0f;
    }

    __device__ __forceinline__ void multiply(const float (*a)[SIZE + 4], const float (*b)[SIZE + 4], int row, int column) {
#pragma unroll 4
        for (int k = 0; k < DEPTH; k++) {
            float left[MICRO], right[MICRO];
#pragma unroll
            for (int g = 0; g < MICRO / 4; g++) {
                *(float4*)&left[4 * g] = *(const float4*)&a[k][64 * g + row * 4];
                *(float4*)&right[4 * g] = *(const float4*)&b[k][64 * g + column * 4];
            }
#pragma unroll
            for (int i = 0; i < MICRO; i++)
#pragma unroll
                for (int j = 0; j < MICRO; j++) z[i][j] = fmaf(left[i], right[j], z[i][j]);
        }
    }
};

// What one thread brings of a slab of SIZE rows (or columns) and DEPTH terms. `Along` says which of the two lies
// together in memory and is read by neighbouring threads.
enum Along { TERMS, ROWS };

template <int SIZE, Along ALONG>
struct Share {
    static constexpr int COUNT = SIZE * DEPTH / THREADS;
    float values[COUNT];

    static __device__ __forceinline__ int row(int thread, int i) {
        return ALONG == TERMS ? thread / DEPTH + i * (THREADS / DEPTH) : (thread + i * THREADS) % SIZE;
    }
    static __device__ __forceinline__ int term(int thread, int i) {
        return ALONG == TERMS ? thread % DEPTH : (thread + i * THREADS) / SIZE;
    }
    // `load(i, row, term)`, i counting this thread's rows and terms, is 0 outside the matrix.
    template <class Load>
    __device__ __forceinline__ void read(int thread, int first, const Load& load) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) values[i] = load(i, row(thread, i), first + term(thread, i));
    }
    __device__ __forceinline__ void write(int thread, float (*slab)[SIZE + 4]) const {
#pragma unroll
        for (int i = 0; i < COUNT; i++) slab[term(thread, i)][row(thread, i)] = values[i];
    }
};

// z = sum over terms `begin` to `end` of a(row, term) b(column, term). The slabs are free again when it returns.
template <int SIZE, Along ALONG_A, Along ALONG_B, class A, class B>
static __device__ __forceinline__ void product(Accumulators<SIZE>& z, Slabs<SIZE>& a, Slabs<SIZE>& b, int begin, int end,
                                               const A& load_a, const B& load_b) {
    const int thread = threadIdx.x, row = thread / 16, column = thread % 16;
    Share<SIZE, ALONG_A> share_a;
    Share<SIZE, ALONG_B> share_b;
    z.clear();
    if (begin >= end) return;
    share_a.read(thread, begin, load_a);
    share_b.read(thread, begin, load_b);
    share_a.write(thread, a.values[0]);
    share_b.write(thread, b.values[0]);
    __syncthreads();
    int now = 0;
    for (int k = begin; k < end; k += DEPTH) {
        const bool more = k + DEPTH < end;
        if (more) {
            share_a.read(thread, k + DEPTH, load_a);
            share_b.read(thread, k + DEPTH, load_b);
        }
        z.multiply(a.values[now], b.values[now], row, column);
        if (more) {
            share_a.write(thread, a.values[now ^ 1]);
            share_b.write(thread, b.values[now ^ 1]);
        }
        __syncthreads();
        now ^= 1;
    }
}

// Sum over the 32 lanes of a warp, in every lane.
template <class T>
static __device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
    for (int offset = 16; offset; offset >>= 1) v += __shfl_xor_sync(0xffffffffu, v, offset);
    return v;
}

static __device__ __forceinline__ float warp_max(float v) {
#pragma unroll
    for (int offset = 16; offset; offset >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, offset));
    return v;
}

// Cross-entropy from what the other classes make, `sum exp(l_z - most)`, their largest logit and the target's:
// ln(1 + exp(most - target) sum), exact to the rounding of its arguments however small it is.
static __device__ __forceinline__ double cross_entropy(float most, float sum, float target) {
    const double margin = (double)most - (double)target;
    if (!(sum > 0.0f)) return sum == 0.0f && target == target ? 0.0 : (double)sum + (double)target;
    const double exponent = margin + log((double)sum);
    return exponent > 40.0 ? exponent : log1p(exp(exponent));
}

}  // namespace tile

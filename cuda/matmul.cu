// Batched matrix products in f32: C = A B, A B^T or A^T B, with what follows a product folded in.
#include "tile.cuh"

using namespace tile;

// What is done with a product on its way to C.
enum Epilogue { STORE = 0, RELU = 1, MASK = 2, ADD = 3 };

// C (m, n) of batch (outer, inner), split s of the terms: blockIdx.z = (outer * inner_count + inner) * splits + s. With
// splits, C is followed by the other splits' parts, `split_stride` apart, to be added up by `sum_splits`.
struct Operand {
    const float* data;
    int ld, outer, inner;
};

template <int SIZE, bool TRANSPOSE_A, bool TRANSPOSE_B>
static __device__ __forceinline__ void matmul(int m, int n, int k, Operand a, Operand b, float* c, int ldc, int outer_c,
                                              int inner_c, int inner_count, int splits, int split_stride, int epilogue,
                                              const float* mask) {
    __shared__ Slabs<SIZE> slab_a, slab_b;
    const int split = blockIdx.z % splits, batch = blockIdx.z / splits;
    const size_t outer = batch / inner_count, inner = batch % inner_count;
    const float* pa = a.data + outer * a.outer + inner * a.inner;
    const float* pb = b.data + outer * b.outer + inner * b.inner;
    c += outer * outer_c + inner * inner_c + (size_t)split * split_stride;
    if (epilogue == MASK) mask += outer * outer_c + inner * inner_c;
    const int first_row = blockIdx.x * SIZE, first_column = blockIdx.y * SIZE;
    const int part = ((k + splits - 1) / splits + DEPTH - 1) / DEPTH * DEPTH;
    const int begin = split * part < k ? split * part : k, end = begin + part < k ? begin + part : k;
    const auto load_a = [&](int, int row, int term) {
        const size_t i = first_row + row;
        if (i >= m || term >= end) return 0.0f;
        return TRANSPOSE_A ? pa[(size_t)term * a.ld + i] : pa[i * a.ld + term];
    };
    const auto load_b = [&](int, int column, int term) {
        const size_t j = first_column + column;
        if (j >= n || term >= end) return 0.0f;
        return TRANSPOSE_B ? pb[j * b.ld + term] : pb[(size_t)term * b.ld + j];
    };
    Accumulators<SIZE> z;
    product<SIZE, TRANSPOSE_A ? ROWS : TERMS, TRANSPOSE_B ? TERMS : ROWS>(z, slab_a, slab_b, begin, end, load_a, load_b);
    const int thread_row = threadIdx.x / 16, thread_column = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < Accumulators<SIZE>::MICRO; i++) {
        const int row = first_row + Accumulators<SIZE>::place(thread_row, i);
#pragma unroll
        for (int j = 0; j < Accumulators<SIZE>::MICRO; j++) {
            const int column = first_column + Accumulators<SIZE>::place(thread_column, j);
            if (row < m && column < n) {
                const size_t at = (size_t)row * ldc + column;
                float v = z.z[i][j];
                if (epilogue == RELU) v = positive(v);
                if (epilogue == MASK) v = mask[at] > 0.0f ? v : 0.0f;
                c[at] = epilogue == ADD ? c[at] + v : v;
            }
        }
    }
}

#define MATMUL(name, SIZE, TRANSPOSE_A, TRANSPOSE_B)                                                                    \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        name(int m, int n, int k, const float* __restrict__ a, int lda, int outer_a, int inner_a,                      \
             const float* __restrict__ b, int ldb, int outer_b, int inner_b, float* c, int ldc, int outer_c,           \
             int inner_c, int inner_count, int splits, int split_stride, int epilogue, const float* mask) {            \
        matmul<SIZE, TRANSPOSE_A, TRANSPOSE_B>(m, n, k, {a, lda, outer_a, inner_a}, {b, ldb, outer_b, inner_b}, c, ldc, \
                                               outer_c, inner_c, inner_count, splits, split_stride, epilogue, mask);   \
    }
MATMUL(matmul_nn_64, 64, false, false)
MATMUL(matmul_nt_64, 64, false, true)
MATMUL(matmul_tn_64, 64, true, false)
MATMUL(matmul_nn_128, 128, false, false)
MATMUL(matmul_nt_128, 128, false, true)
MATMUL(matmul_tn_128, 128, true, false)

// out (rows, width), its rows `stride` apart = the sum over s of parts (splits, rows, width), in order, added to what is there
// if asked for; batch blockIdx.y.
extern "C" __global__ void __launch_bounds__(256)
    sum_splits(int rows, int width, int splits, const float* __restrict__ parts, int batch_parts, float* out,
               int stride_out, int batch_out, int add) {
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x, count = (size_t)rows * width;
    if (i >= count) return;
    const float* from = parts + (size_t)blockIdx.y * batch_parts + i;
    float sum = from[0];
    for (int s = 1; s < splits; s++) sum += from[s * count];
    float& to = out[(size_t)blockIdx.y * batch_out + i / width * stride_out + i % width];
    to = add ? to + sum : sum;
}

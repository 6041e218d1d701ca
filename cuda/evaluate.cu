// Loss, accuracy and centred energy of the logits of pairs, by f32 products: a block has 128 (or 64) rows and goes through
// all classes, its neurons made on the way to shared memory and its logits staying in registers.
#include "evaluate.cuh"

using namespace tile;

template <int SIZE>
static __device__ __forceinline__ void evaluate(const Evaluation& e) {
    __shared__ Slabs<SIZE> slab_a, slab_b;
    __shared__ Row finished[SIZE];
    constexpr int MICRO = Accumulators<SIZE>::MICRO;
    constexpr int SHARE = Share<SIZE, TERMS>::COUNT;
    const int thread = threadIdx.x, thread_row = thread / 16, thread_column = thread % 16;
    const int first_row = blockIdx.x * SIZE;
    // Of the rows that this thread brings, where they begin; of those it multiplies, the labels.
    Evaluation::Origin origins[SHARE];
#pragma unroll
    for (int i = 0; i < SHARE; i++) origins[i] = e.origin(first_row + Share<SIZE, TERMS>::row(thread, i));
    Row rows[MICRO];
    int labels[MICRO];
#pragma unroll
    for (int i = 0; i < MICRO; i++) {
        const int row = first_row + Accumulators<SIZE>::place(thread_row, i);
        labels[i] = row < e.rows ? (int)e.labels[e.pair(row)] : 0;
        rows[i].clear();
    }
    for (int first_class = 0; first_class < e.n; first_class += SIZE) {
        Accumulators<SIZE> z;
        const auto load_a = [&](int i, int row, int term) { return e.neuron(first_row + row, origins[i], term); };
        const auto load_b = [&](int, int column, int term) { return e.weight(first_class + column, term); };
        product<SIZE, TERMS, ROWS>(z, slab_a, slab_b, 0, e.width, load_a, load_b);
        const auto place = [&](int j) { return first_class + Accumulators<SIZE>::place(thread_column, j); };
#pragma unroll
        for (int i = 0; i < MICRO; i++) {
            if (e.offset) {
#pragma unroll
                for (int j = 0; j < MICRO; j++)
                    if (place(j) < e.n) z.z[i][j] += e.offset[place(j)];
            }
            rows[i].template add<MICRO>(z.z[i], place, e.n, labels[i]);
        }
    }
#pragma unroll
    for (int i = 0; i < MICRO; i++) {
        // The sixteen threads of a row are half a warp.
#pragma unroll
        for (int offset = 8; offset; offset >>= 1) rows[i].exchange(offset);
        if (thread_column == 0) finished[Accumulators<SIZE>::place(thread_row, i)] = rows[i];
    }
    finish(e, finished, SIZE);
}

extern "C" __global__ void __launch_bounds__(256) evaluate_64(EVALUATION_PARAMETERS) { evaluate<64>(EVALUATION); }
extern "C" __global__ void __launch_bounds__(256) evaluate_128(EVALUATION_PARAMETERS) { evaluate<128>(EVALUATION); }

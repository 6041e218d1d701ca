// target: compute_80
// As evaluate.cu, by TF32 tensor cores: every f32 factor is split into two TF32 numbers, a b = ah bh + ah bl + al bh.
// Eight warps, four along the 128 rows and two along the 128 classes, each 32 rows by 64 classes.
#include "evaluate.cuh"

using namespace tile;

// v as a sum of two TF32 numbers, to 2^-21 of itself.
static __device__ __forceinline__ void split(float v, unsigned& high, unsigned& low) {
    high = __float_as_uint(v) & 0xffffe000u;
    low = __float_as_uint(v - __uint_as_float(high));
}

static __device__ __forceinline__ void multiply(float* c, const unsigned* a, const unsigned* b) {
#if defined(__CUDA_ARCH__)
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    host_mma_m16n8k8_tf32(c, a, b);  // the host compiler's stand-in, see cuda/host
#endif
}

static __device__ __forceinline__ void evaluate(const Evaluation& e) {
    __shared__ Slabs<128> slab_a, slab_b;
    __shared__ Row finished[128];
    constexpr int SHARE = Share<128, TERMS>::COUNT;
    const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, group = lane / 4, member = lane % 4;
    const int warp_row = warp / 2 * 32, warp_column = warp % 2 * 64, first_row = blockIdx.x * 128;
    Evaluation::Origin origins[SHARE];
#pragma unroll
    for (int i = 0; i < SHARE; i++) origins[i] = e.origin(first_row + Share<128, TERMS>::row(thread, i));
    // Row i of this thread is row place_row(i) of the block.
    const auto place_row = [&](int i) { return warp_row + 16 * (i / 2) + group + 8 * (i % 2); };
    Row rows[4];
    int labels[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int row = first_row + place_row(i);
        labels[i] = row < e.rows ? (int)e.labels[e.pair(row)] : 0;
        rows[i].clear();
    }
    for (int first_class = 0; first_class < e.n; first_class += 128) {
        float z[2][8][4];
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 8; j++)
#pragma unroll
                for (int q = 0; q < 4; q++) z[i][j][q] = 0.0f;
        const auto load_a = [&](int i, int row, int term) { return e.neuron(first_row + row, origins[i], term); };
        const auto load_b = [&](int, int column, int term) { return e.weight(first_class + column, term); };
        Share<128, TERMS> share_a;
        Share<128, ROWS> share_b;
        share_a.read(thread, 0, load_a);
        share_b.read(thread, 0, load_b);
        share_a.write(thread, slab_a.values[0]);
        share_b.write(thread, slab_b.values[0]);
        __syncthreads();
        int now = 0;
        for (int first = 0; first < e.width; first += DEPTH) {
            const bool more = first + DEPTH < e.width;
            if (more) {
                share_a.read(thread, first + DEPTH, load_a);
                share_b.read(thread, first + DEPTH, load_b);
            }
#pragma unroll
            for (int k = 0; k < DEPTH; k += 8) {
                unsigned a_high[2][4], a_low[2][4];
#pragma unroll
                for (int i = 0; i < 2; i++)
#pragma unroll
                    for (int q = 0; q < 4; q++)
                        split(slab_a.values[now][k + member + 4 * (q / 2)][warp_row + 16 * i + group + 8 * (q % 2)],
                              a_high[i][q], a_low[i][q]);
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    unsigned b_high[2], b_low[2];
#pragma unroll
                    for (int q = 0; q < 2; q++)
                        split(slab_b.values[now][k + member + 4 * q][warp_column + 8 * j + group], b_high[q], b_low[q]);
#pragma unroll
                    for (int i = 0; i < 2; i++) {
                        multiply(z[i][j], a_low[i], b_high);
                        multiply(z[i][j], a_high[i], b_low);
                        multiply(z[i][j], a_high[i], b_high);
                    }
                }
            }
            if (more) {
                share_a.write(thread, slab_a.values[now ^ 1]);
                share_b.write(thread, slab_b.values[now ^ 1]);
            }
            __syncthreads();
            now ^= 1;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const auto place = [&](int j) { return first_class + warp_column + 8 * (j / 2) + 2 * member + j % 2; };
            float logits[16];
#pragma unroll
            for (int j = 0; j < 16; j++) {
                logits[j] = z[i / 2][j / 2][2 * (i % 2) + j % 2];
                if (e.offset && place(j) < e.n) logits[j] += e.offset[place(j)];
            }
            rows[i].template add<16>(logits, place, e.n, labels[i]);
        }
    }
    // The four threads of a row within a warp, then the two warps that share it.
#pragma unroll
    for (int i = 0; i < 4; i++) {
        rows[i].exchange(1);
        rows[i].exchange(2);
        if (member == 0 && warp % 2 == 1) finished[place_row(i)] = rows[i];
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (member != 0 || warp % 2 != 0) continue;
        rows[i].merge(finished[place_row(i)]);
        finished[place_row(i)] = rows[i];
    }
    finish(e, finished, 128);
}

extern "C" __global__ void __launch_bounds__(256) evaluate_tf32(EVALUATION_PARAMETERS) { evaluate(EVALUATION); }

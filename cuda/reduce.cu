// Sums over pairs in double, always in the same order.
#include "tile.cuh"

using namespace tile;

// Adds the eight partial sums of a column that the threads (0..32, 0..8) of a block hold; the result is with thread row 0.
static __device__ __forceinline__ double column_sum(double v) {
    __shared__ double parts[8][33];
    const int lane = threadIdx.x % 32, part = threadIdx.x / 32;
    __syncthreads();
    parts[part][lane] = v;
    __syncthreads();
    if (part == 0)
        for (int i = 1; i < 8; i++) v += parts[i][lane];
    return v;
}

// Sums and sums of squares of every channel over regions of pairs. values: (x, y, channel), n_x by n_y pairs; region
// (x / m_x, y / m_y) has m_x by m_y of them; blockIdx.y is the region, blockIdx.z one of `splits` parts of its x. Pair 0
// of every region is left out if `skip_first`. sums, squares: (split, region, channel).
extern "C" __global__ void __launch_bounds__(256)
    region_moments(int n_x, int n_y, int m_x, int m_y, int width, const float* __restrict__ values, int skip_first,
                   int splits, double* sums, double* squares) {
    const int channel = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    const int regions_y = n_y / m_y, region_x = blockIdx.y / regions_y, region_y = blockIdx.y % regions_y;
    const int rows = (m_x + splits - 1) / splits, begin = blockIdx.z * rows;
    const int end = begin + rows < m_x ? begin + rows : m_x;
    double sum = 0.0, square = 0.0;
    if (channel < width) {
        for (int i = begin; i < end; i++) {
            const float* row = values + ((size_t)(region_x * m_x + i) * n_y + (size_t)region_y * m_y) * width + channel;
            for (int j = part; j < m_y; j += 8) {
                if (skip_first && i == 0 && j == 0) continue;
                const double v = row[(size_t)j * width];
                sum += v;
                square += v * v;
            }
        }
    }
    sum = column_sum(sum);
    square = column_sum(square);
    if (part == 0 && channel < width) {
        const size_t at = ((size_t)blockIdx.z * gridDim.y + blockIdx.y) * width + channel;
        sums[at] = sum;
        squares[at] = square;
    }
}

// out[o, k] += sum over j < count of values[o step_o + (table ? table[o count + j] : j) step_j, k], in double. out: (outputs, width).
extern "C" __global__ void __launch_bounds__(256)
    gather_sums(int count, int width, const float* __restrict__ values, int step_o, int step_j,
                const unsigned* __restrict__ table, double* out) {
    const int channel = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    const size_t o = blockIdx.y;
    double sum = 0.0;
    if (channel < width)
        for (int j = part; j < count; j += 8) {
            const size_t row = o * step_o + (table ? table[o * count + j] : (size_t)j) * step_j;
            sum += values[row * width + channel];
        }
    sum = column_sum(sum);
    if (part == 0 && channel < width) out[o * width + channel] += sum;
}

// Squares of the coefficients of row i of x and row j of y (blockIdx.y, blockIdx.x), over sectors and channels. terms:
// (sector and row of x, sector and row of y, channel), `sectors * m` rows each; out (m, m).
extern "C" __global__ void __launch_bounds__(256)
    square_sums(int sectors, int m, int width, const float* __restrict__ terms, double* out) {
    __shared__ double parts[8];
    const size_t n = (size_t)sectors * m;
    double sum = 0.0;
    for (int region = 0; region < sectors * sectors; region++) {
        const size_t x = (size_t)(region / sectors) * m + blockIdx.y, y = (size_t)(region % sectors) * m + blockIdx.x;
        const float* row = terms + (x * n + y) * width;
        for (int k = threadIdx.x; k < width; k += THREADS) sum += (double)row[k] * row[k];
    }
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int w = 1; w < 8; w++) sum += parts[w];
    out[(size_t)blockIdx.y * m + blockIdx.x] = sum;
}

// Squares of the coefficients of one block of rows: blockIdx.z 0 linear in x, 1 linear in y, 2 products within the block.
// starts: first row of every block, and m. out: (kind, channel, block).
extern "C" __global__ void __launch_bounds__(256)
    block_energies(int sectors, int m, int blocks, const unsigned* __restrict__ starts, int width,
                   const float* __restrict__ terms, double* out) {
    const int channel = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32, block = blockIdx.y, kind = blockIdx.z;
    const size_t n = (size_t)sectors * m;
    const unsigned first = starts[block], last = starts[block + 1], constants = starts[1];
    const unsigned first_x = kind == 1 ? 0 : first, last_x = kind == 1 ? constants : last;
    const unsigned first_y = kind == 0 ? 0 : first, last_y = kind == 0 ? constants : last;
    double sum = 0.0;
    if (channel < width && block > 0) {
        for (int region = 0; region < sectors * sectors; region++)
            for (unsigned i = first_x; i < last_x; i++) {
                const size_t x = (size_t)(region / sectors) * m + i, y = (size_t)(region % sectors) * m;
                for (unsigned j = first_y + part; j < last_y; j += 8) {
                    const float v = terms[(x * n + y + j) * width + channel];
                    sum += (double)v * v;
                }
            }
    }
    sum = column_sum(sum);
    if (part == 0 && channel < width) out[((size_t)kind * width + channel) * blocks + block] = sum;
}

// CUDA C++ for the host compiler: what the kernels of this folder use of it.
//
// Every CUDA thread is a fiber (cuda_cpu.cpp), one block runs at a time, and `__shared__` is `static`. Conventions:
//  - `__syncthreads()` orders memory within a block, `__syncwarp()` within a warp, shuffles order nothing; ThreadSanitizer
//    is told exactly that.
//  - A barrier that some threads do not reach, or a warp collective without all the lanes of its mask, ends the program.
//  - Shared memory holds the bytes FF, NaNs, when a block starts.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sys/types.h>  // uint, ushort

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

namespace cuda_cpu {

struct Index {
    unsigned x, y, z;
};

Index thread_index();
Index block_index();
Index block_size();
Index grid_size();
unsigned lane();

// Where a collective stands in the source: all its threads must be at the same place.
struct Site {
    const char* file;
    int line;
};

void sync_block(Site site);
void sync_warp(Site site, unsigned mask);

// What the lanes of a warp hand to each other.
struct Slot {
    unsigned char bytes[32];
};
// Hands in `size` bytes and waits for the other lanes of `mask`; the 32 slots stay as they are until the next collective.
const Slot* gather(Site site, unsigned mask, const void* bytes, size_t size);
// The bytes of one lane of `mask`.
const void* from_lane(Site site, unsigned mask, const void* bytes, size_t size, unsigned source);

template <class T>
T shuffle(Site site, unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "what a shuffle takes");
    std::memcpy(&value, from_lane(site, mask, &value, sizeof value, source), sizeof value);
    return value;
}

template <class To, class From>
To reinterpret(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

}  // namespace cuda_cpu

#define threadIdx (cuda_cpu::thread_index())
#define blockIdx (cuda_cpu::block_index())
#define blockDim (cuda_cpu::block_size())
#define gridDim (cuda_cpu::grid_size())

// The place of the caller, as the last two parameters of a collective.
#define CUDA_CPU_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(CUDA_CPU_CALLER) { cuda_cpu::sync_block({file, line}); }
inline void __syncwarp(unsigned mask = 0xffffffffu, CUDA_CPU_CALLER) { cuda_cpu::sync_warp({file, line}, mask); }

// Shuffles over the whole warp (width 32); a lane that would reach outside it keeps its own value.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, CUDA_CPU_CALLER) {
    return cuda_cpu::shuffle({file, line}, mask, value, source & 31);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, CUDA_CPU_CALLER) {
    return cuda_cpu::shuffle({file, line}, mask, value, (cuda_cpu::lane() ^ bits) & 31);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, CUDA_CPU_CALLER) {
    const unsigned own = cuda_cpu::lane();
    return cuda_cpu::shuffle({file, line}, mask, value, own + by < 32 ? own + by : own);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, CUDA_CPU_CALLER) {
    const unsigned own = cuda_cpu::lane();
    return cuda_cpu::shuffle({file, line}, mask, value, own >= by ? own - by : own);
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 with D = C: lane 4 g + t has of A, in this order, (g, t), (g + 8, t),
// (g, t + 4), (g + 8, t + 4), of B (t, g), (t + 4, g), of C (g, 2 t), (g, 2 t + 1) and those of row g + 8.
inline void host_mma_m16n8k8_tf32(float* c, const unsigned* a, const unsigned* b, CUDA_CPU_CALLER) {
    unsigned own[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    for (unsigned& factor : own) factor &= 0xffffe000u;  // the bits of a TF32 number
    const cuda_cpu::Slot* slots = cuda_cpu::gather({file, line}, 0xffffffffu, own, sizeof own);
    const auto factor = [&](unsigned lane, unsigned which) {
        float value;
        std::memcpy(&value, slots[lane].bytes + 4 * which, 4);
        return value;
    };
    const unsigned g = cuda_cpu::lane() / 4, t = cuda_cpu::lane() % 4;
    for (unsigned i = 0; i < 4; i++) {
        const unsigned column = 2 * t + i % 2;
        for (unsigned k = 0; k < 8; k++)
            c[i] += factor(4 * g + k % 4, 2 * (k / 4) + i / 2) * factor(4 * column + k % 4, 4 + k / 4);
    }
}

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline float __expf(float v) { return expf(v); }
inline float __logf(float v) { return logf(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
inline float __uint_as_float(unsigned v) { return cuda_cpu::reinterpret<float>(v); }
inline float __int_as_float(int v) { return cuda_cpu::reinterpret<float>(v); }
inline unsigned __float_as_uint(float v) { return cuda_cpu::reinterpret<unsigned>(v); }
inline int __float_as_int(float v) { return cuda_cpu::reinterpret<int>(v); }
template <class T>
T __ldg(const T* at) {
    return *at;
}

#define CUDA_CPU_MIN_MAX(T)                          \
    inline T min(T a, T b) { return b < a ? b : a; } \
    inline T max(T a, T b) { return a < b ? b : a; }
CUDA_CPU_MIN_MAX(int)
CUDA_CPU_MIN_MAX(unsigned)
CUDA_CPU_MIN_MAX(long)
CUDA_CPU_MIN_MAX(unsigned long)
CUDA_CPU_MIN_MAX(long long)
CUDA_CPU_MIN_MAX(unsigned long long)
#undef CUDA_CPU_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

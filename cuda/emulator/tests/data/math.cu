// Compiled to math.ptx by NVRTC 11.8.89 with -arch=compute_70.
template <int width> static __device__ float warp_sum(float value) {
    for (int offset = width / 2; offset; offset >>= 1) value += __shfl_xor_sync(0xffffffffu, value, offset, width);
    return value;
}

extern "C" __global__ void functions(int n, const float* __restrict__ x, float* __restrict__ floats, double* __restrict__ doubles) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    double d = v;
    floats[2 * i] = expf(v);
    floats[2 * i + 1] = logf(v * v + 0.5f);
    doubles[2 * i] = exp(d);
    doubles[2 * i + 1] = log1p(exp(fabs(d)));
}

extern "C" __global__ void dots(int n4, const float4* __restrict__ a, const float4* __restrict__ b, float* out) {
    __shared__ float part[32];
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n4; i += gridDim.x * blockDim.x) {
        float4 p = a[i], q = b[i];
        sum += p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w;
    }
    sum = warp_sum<32>(sum);
    if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        float total = warp_sum<32>(threadIdx.x < (blockDim.x >> 5) ? part[threadIdx.x] : 0.0f);
        if (threadIdx.x == 0) out[blockIdx.x] = total;
    }
}

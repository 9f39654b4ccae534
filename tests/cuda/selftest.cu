// Kernels that are right, and kernels with one planted mistake each: the shim has to pass the former and report the latter.
extern "C" __global__ void good_sum(const unsigned *in, unsigned *out) {
    __shared__ unsigned rows[128];
    rows[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    unsigned sum = rows[blockDim.x - 1 - threadIdx.x];
    for (int by = 16; by; by /= 2)
        sum += __shfl_xor_sync(0xFFFFFFFFu, sum, by);
    if (threadIdx.x % 32 == 0)
        atomicAdd(out, sum);
}

extern "C" __global__ void bad_race(const unsigned *in, unsigned *out) {
    __shared__ unsigned rows[128];
    rows[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = rows[threadIdx.x ^ 1];
}
SIMT_KERNEL(good_sum);
SIMT_KERNEL(bad_race);

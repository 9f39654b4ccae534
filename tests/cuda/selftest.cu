// Kernels that are right, and kernels with one planted mistake each; selftest.cpp says what the shim has to find.
// `in` is 256 words of known content, `out` 256 words to write, one of which is a multiple of what else is needed.
// Two warps a block where nothing else is said.

#define KERNEL(name)                                                                                                            \
    extern "C" __global__ void name(const unsigned *in, unsigned *out, unsigned n);                                             \
    SIMT_KERNEL(name);                                                                                                          \
    extern "C" __global__ void __launch_bounds__(64)                                                                            \
        name([[maybe_unused]] const unsigned *__restrict__ in, [[maybe_unused]] unsigned *__restrict__ out, [[maybe_unused]] unsigned n)

static constexpr unsigned ALL = 0xFFFFFFFFu;
static __device__ unsigned lane_id() { return threadIdx.x % warpSize; }

// ---- right -------------------------------------------------------------------------------------------------------------
// Sums of blocks, through shared memory and shuffles, added up with an atomic operation.
KERNEL(good_sum) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    unsigned sum = rows[blockDim.x - 1 - threadIdx.x];
    for (int by = 16; by; by /= 2)
        sum += __shfl_xor_sync(ALL, sum, by);
    if (lane_id() == 0)
        atomicAdd(out, sum);
    if (threadIdx.x == 0)
        out[1 + blockIdx.x] = gridDim.x;
}

// out[threadIdx.x] = 1 where every collective gives what a loop over the lanes would.
KERNEL(good_collectives) {
    const unsigned lane = lane_id(), mask = threadIdx.x < 32 ? ALL : lane % 3 == 0 ? 0x49249249u : ~0x49249249u;
    const unsigned value = in[threadIdx.x] % 5;
    bool ok = true;
    // A copy of what the lanes hold.
    __shared__ unsigned held[64];
    held[threadIdx.x] = value;
    __syncthreads();
    const unsigned *mine = held + threadIdx.x / 32 * 32;
    unsigned ballot = 0, sum = 0, least = ~0u, most = 0, alike = 0, all_and = ~0u, all_or = 0, all_xor = 0;
    for (unsigned i = 0; i < 32; i++) {
        if (!(mask >> i & 1))
            continue;
        ballot |= unsigned(mine[i] == 2) << i;
        sum += mine[i];
        least = min(least, mine[i]);
        most = max(most, mine[i]);
        alike |= unsigned(mine[i] == value) << i;
        all_and &= mine[i];
        all_or |= mine[i];
        all_xor ^= mine[i];
    }
    ok &= __ballot_sync(mask, value == 2) == ballot;
    ok &= (__any_sync(mask, value == 2) != 0) == (ballot != 0);
    ok &= (__all_sync(mask, value == 2) != 0) == (ballot == mask);
    ok &= __all_sync(mask, value < 5) != 0;
    ok &= __match_any_sync(mask, value) == alike;
    ok &= __match_any_sync(mask, value + 0x100000000ull) == alike;
    int same;
    ok &= __match_all_sync(mask, n, &same) == mask && same;
    ok &= __match_all_sync(mask, lane, &same) == 0 && !same;
    ok &= __reduce_add_sync(mask, value) == sum && __reduce_min_sync(mask, value) == least;
    ok &= __reduce_max_sync(mask, value) == most && __reduce_and_sync(mask, value) == all_and;
    ok &= __reduce_or_sync(mask, value) == all_or && __reduce_xor_sync(mask, value) == all_xor;
    ok &= __reduce_min_sync(mask, -int(value)) == -int(most) && __reduce_max_sync(mask, -int(value)) == -int(least);
    const unsigned first = unsigned(__ffs(int(mask))) - 1;
    ok &= __shfl_sync(mask, value, int(first)) == mine[first];
    __syncwarp(mask);
    if (threadIdx.x < 32) {
        const double wide = value * 0.5;
        ok &= __shfl_sync(ALL, wide, 31 - int(lane)) == mine[31 - lane] * 0.5;
        ok &= __shfl_up_sync(ALL, value, 3) == mine[lane < 3 ? lane : lane - 3];
        ok &= __shfl_down_sync(ALL, value, 3) == mine[lane + 3 > 31 ? lane : lane + 3];
        ok &= __shfl_xor_sync(ALL, value, 5) == mine[lane ^ 5];
        ok &= __shfl_sync(ALL, value, 11, 8) == mine[lane / 8 * 8 + 3];
        ok &= __shfl_up_sync(ALL, value, 3, 8) == mine[lane % 8 < 3 ? lane : lane - 3];
        ok &= __shfl_down_sync(ALL, value, 3, 8) == mine[lane % 8 + 3 > 7 ? lane : lane + 3];
        // Across segments, an earlier one is read and a later one is not.
        ok &= __shfl_xor_sync(ALL, value, 8, 8) == mine[lane % 16 < 8 ? lane : lane - 8];
    }
    out[threadIdx.x] = ok;
}

// Integer functions and atomic operations on the words of `in`; one number of all results, and selftest.cpp computes the same.
KERNEL(good_arithmetic) {
    const unsigned a = in[threadIdx.x], b = in[threadIdx.x + 64];
    const unsigned long long wide = (unsigned long long)a << 32 | b;
    bool ok = __popc(a) + __popc(b) == __popcll(wide);
    ok &= __ffs(0) == 0 && __ffs(0x80) == 8 && __clz(0) == 32 && __clz(1) == 31 && __clzll(1) == 63 && __ffsll(1ll << 40) == 41;
    ok &= __brev(__brev(a)) == a && __brev(1) == 0x80000000u && __brevll(2) == 1ull << 62;
    ok &= __byte_perm(0x33221100u, 0x77665544u, 0x7250) == 0x77225500u;
    ok &= __funnelshift_r(b, a, 8) == unsigned(wide >> 8) && __funnelshift_l(b, a, 8) == (a << 8 | b >> 24);
    ok &= __funnelshift_r(b, a, 32) == b && __funnelshift_rc(b, a, 32) == a && __funnelshift_lc(b, a, 40) == b;
    ok &= __vcmpeq4(0x01020304u, 0x01ff03ffu) == 0xff00ff00u && __vcmpgtu4(0x80010203u, 0x7f020203u) == 0xff000000u;
    ok &= __vsubus4(0x05000102u, 0x01010101u) == 0x04000001u && __vadd4(0xff010203u, 0x01010101u) == 0x00020304u;
    ok &= __dp4a(0x01020304u, 0x01010101u, 5u) == 15 && __dp4a(int(0xff000000), 0x02000000, 1) == -1;
    ok &= __umulhi(a, b) == unsigned((unsigned long long)a * b >> 32) && __umul64hi(1ull << 63, 6) == 3;
    ok &= __vsadu4(0x05000102u, 0x01010101u) == 4 + 1 + 0 + 1;
    ok &= min(3, 4u) == 3 && max(-1, 4) == 4 && max(-1, 4u) == ~0u;
    __shared__ unsigned words[8];
    if (threadIdx.x < 8)
        words[threadIdx.x] = threadIdx.x == 2 ? ~0u : 0;
    __syncthreads();
    atomicAdd(&words[0], 1);
    atomicMax(&words[1], threadIdx.x);
    atomicMin(&words[2], threadIdx.x + 5);
    atomicOr(&words[3], 1u << threadIdx.x % 32);
    atomicCAS(&words[4], 0, threadIdx.x + 1);
    atomicXor(&words[5], 1u << threadIdx.x % 32);
    atomicExch(&words[6], 7);
    atomicSub(&words[7], 1);
    __syncthreads();
    ok &= words[0] == 64 && words[1] == 63 && words[2] == 5 && words[3] == ~0u && words[4] >= 1 && words[4] <= 64;
    ok &= words[5] == 0 && words[6] == 7 && words[7] == unsigned(-64);
    out[threadIdx.x] = ok;
}

// Warps and lanes that return early do not keep the others.
KERNEL(good_returns) {
    __shared__ unsigned rows[64];
    __shared__ uint4 steps[16];
    if (threadIdx.x >= 48)
        return;
    if (threadIdx.x < 16)
        steps[threadIdx.x] = reinterpret_cast<const uint4 *>(in)[threadIdx.x];
    rows[threadIdx.x] = __ldg(in + threadIdx.x);
    __syncthreads();
    const unsigned mask = threadIdx.x < 32 ? ALL : 0xFFFFu;
    unsigned sum = __ballot_sync(mask, 1) + rows[47 - threadIdx.x] + steps[threadIdx.x / 4].y;
    __syncthreads();
    rows[threadIdx.x] = sum;
    __syncwarp(mask);
    out[threadIdx.x] = rows[threadIdx.x ^ 1];
}

// Halves of a warp on their ways, ordered among themselves, then together.
KERNEL(good_halves) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[threadIdx.x];
    unsigned value;
    if (lane_id() < 16) {
        __syncwarp(0xFFFFu);
        value = rows[threadIdx.x ^ 1];
    } else {
        __syncwarp(0xFFFF0000u);
        value = rows[threadIdx.x ^ 3];
    }
    __syncwarp();
    rows[threadIdx.x ^ 16] = value;
    __syncthreads();
    out[threadIdx.x] = rows[63 - threadIdx.x];
}

// ---- order of accesses -------------------------------------------------------------------------------------------------
KERNEL(bad_race_read) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = 0;
    __syncwarp();
    rows[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = rows[threadIdx.x ^ 1];
}

KERNEL(bad_race_write) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[threadIdx.x];
    __syncwarp();
    out[threadIdx.x] = rows[threadIdx.x ^ 1];
    rows[threadIdx.x] = 1;
}

KERNEL(bad_race_two_writes) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x / 2] = in[threadIdx.x];
}

// One byte of a word that another lane reads.
KERNEL(bad_race_byte) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[threadIdx.x];
    __syncwarp();
    if (threadIdx.x == 3)
        reinterpret_cast<unsigned char *>(rows)[7] = 1;
    if (threadIdx.x == 9)
        out[0] = rows[1];
}

KERNEL(bad_race_between_warps) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[threadIdx.x];
    __syncwarp();
    out[threadIdx.x] = rows[threadIdx.x ^ 32];
}

KERNEL(bad_race_shuffle_orders_nothing) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[threadIdx.x];
    const unsigned back = __shfl_sync(ALL, threadIdx.x ^ 1, int(lane_id()));
    out[threadIdx.x] = rows[back];
}

KERNEL(bad_race_half_mask) {
    __shared__ unsigned rows[64];
    rows[threadIdx.x] = in[threadIdx.x];
    __syncwarp(lane_id() < 16 ? 0xFFFFu : 0xFFFF0000u);
    out[threadIdx.x] = rows[threadIdx.x ^ 16];
}

KERNEL(bad_race_atomic) {
    __shared__ unsigned word;
    if (threadIdx.x == 0)
        word = 0;
    __syncthreads();
    atomicAdd(&word, 1);
    out[threadIdx.x] = word;
}

KERNEL(bad_race_global) {
    if (lane_id() < 2)
        out[threadIdx.x / 2] = threadIdx.x;
}

// Blocks are not ordered at all.
KERNEL(bad_race_blocks) {
    if (threadIdx.x == 0)
        out[0] = blockIdx.x;
}

// ---- contents ----------------------------------------------------------------------------------------------------------
KERNEL(bad_unwritten) {
    __shared__ unsigned rows[64];
    if (threadIdx.x != 5)
        rows[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = rows[threadIdx.x ^ 1];
}

// What the block before left.
KERNEL(bad_unwritten_in_block) {
    __shared__ unsigned word;
    if (blockIdx.x == 0 && threadIdx.x == 0)
        word = 1;
    __syncthreads();
    out[blockIdx.x * 64 + threadIdx.x] = word;
}

KERNEL(bad_unwritten_global) {
    if (threadIdx.x == 0)
        out[0] = out[1];
}

KERNEL(bad_ldg) {
    out[threadIdx.x] = 1;
    out[threadIdx.x] = __ldg(out + threadIdx.x);
}

// ---- places ------------------------------------------------------------------------------------------------------------
KERNEL(bad_past_shared) {
    __shared__ unsigned rows[64];
    __shared__ unsigned after[4];
    unsigned *row = rows;
    row[threadIdx.x + n] = 1;
    __syncthreads();
    after[threadIdx.x % 4] = rows[0];
}

KERNEL(bad_before_shared) {
    __shared__ unsigned rows[64];
    unsigned *row = rows;
    row[int(threadIdx.x) - int(n)] = 1;
}

KERNEL(bad_array) {
    unsigned rows[4] = {in[0], in[1], in[2], in[3]};
    out[threadIdx.x] = rows[n + 3];
}

KERNEL(bad_past_region) { out[threadIdx.x] = in[threadIdx.x * 4 + 4]; }
KERNEL(bad_before_region) { out[int(threadIdx.x) - int(n)] = 1; }
KERNEL(bad_half_past_region) { out[threadIdx.x] = *reinterpret_cast<const unsigned *>(reinterpret_cast<const char *>(in) + 1021 + n - 1); }
KERNEL(bad_write_to_input) { const_cast<unsigned *>(in)[threadIdx.x] = 1; }
KERNEL(bad_null) { out[threadIdx.x] = *reinterpret_cast<const unsigned *>(uintptr_t(n - 1)); }

// Another lane's local variable.
KERNEL(bad_stack) {
    unsigned local[4] = {n, n, n, n};
    unsigned *volatile own = local;
    unsigned *other = __shfl_xor_sync(ALL, own, 1);
    out[threadIdx.x] = other[threadIdx.x % 4];
}

KERNEL(bad_misaligned) { out[threadIdx.x] = reinterpret_cast<const uint4 *>(in + n)->x; }
KERNEL(bad_misaligned_atomic) { atomicAdd(reinterpret_cast<unsigned *>(reinterpret_cast<char *>(out) + n), 1); }
KERNEL(bad_shift) { out[threadIdx.x] = in[0] << (31 + n); }

// ---- collectives -------------------------------------------------------------------------------------------------------
KERNEL(bad_two_places) {
    unsigned votes;
    if (lane_id() < 16)
        votes = __ballot_sync(ALL, 1);
    else
        votes = __ballot_sync(ALL, 0);
    out[threadIdx.x] = votes;
}

KERNEL(bad_two_masks) { out[threadIdx.x] = __ballot_sync(lane_id() < 16 ? ALL : 0xFFFF0000u, 1); }
KERNEL(bad_not_in_mask) { out[threadIdx.x] = __ballot_sync(0xFFFFFFFEu, 1); }

KERNEL(bad_mask_of_returned) {
    if (lane_id() == 7)
        return;
    out[threadIdx.x] = __ballot_sync(ALL, 1);
}

KERNEL(bad_lanes_that_are_not) {
    // In a block of 48 threads the second warp has 16.
    out[threadIdx.x] = __ballot_sync(ALL, 1);
}

KERNEL(bad_deadlock) {
    if (threadIdx.x < 40)
        __syncthreads();
    else
        __syncwarp();
}

KERNEL(bad_two_barriers) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

KERNEL(bad_source_lane) {
    if (lane_id() < 16)
        out[threadIdx.x] = __shfl_down_sync(0xFFFFu, threadIdx.x, 1);
}

KERNEL(bad_width) { out[threadIdx.x] = __shfl_sync(ALL, threadIdx.x, 0, int(n) * 12); }
KERNEL(bad_activemask) { out[threadIdx.x] = __activemask(); }

KERNEL(bad_endless) {
    while (__any_sync(ALL, n != 0)) {
    }
}

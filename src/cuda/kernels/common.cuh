// What all kernels share: types, warp helpers, a page in, an object out.
//
// NVRTC compiles this, which has no standard headers, and the tests do as host C++20, with tests/cuda/simt.h before it.
//
// A warp does a page. Warps of a block share nothing, each has its own part of the block's shared memory, so there are
// no barriers of a block, and a warp without a page returns at once. What lanes of a warp exchange through shared
// memory is ordered by WARP_BARRIER() and by nothing else: collectives exchange their operands alone.

#ifndef TZRAM_COMMON_CUH
#define TZRAM_COMMON_CUH

// Every lane of the warp comes here, and what it wrote to shared memory before is there for all of them.
#define WARP_BARRIER() __syncwarp()

#define DEVICE static __device__ __forceinline__

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

constexpr u32 PAGE = 4096;
constexpr u32 LANES = 32;
constexpr u32 ALL = 0xFFFFFFFF;
// Warps of a block, hence pages.
constexpr u32 WARPS = 2;
// Blocks that the registers of a processor are to be enough for: 72 registers for a thread.
constexpr u32 BLOCKS = 14;

// The page object (docs/FORMAT.md).
constexpr u32 SAME_BYTE = 1, SAME_BYTE_LEN = 2;
constexpr u32 SAME_WORD = 2, SAME_WORD_LEN = 9;
constexpr u32 LZ4 = 3, ZSTD = 4, TZP = 5;
constexpr int EBADMSG = 74;

// 16-byte steps of a page.
constexpr u32 STEPS = PAGE / 16;

DEVICE u32 lane_id() { return threadIdx.x % LANES; }

// Number in the block of this warp.
DEVICE u32 warp_id() { return threadIdx.x / LANES; }

// Number of this warp's page in the batch.
DEVICE u32 page_id() { return blockIdx.x * WARPS + warp_id(); }

// Bits below bit n, which is 31 at most.
DEVICE u32 bits_below(u32 n) { return (1u << n) - 1; }

// The number of the highest bit that is set; of 0 more than 31.
DEVICE u32 log_of(u32 n) { return 31 - static_cast<u32>(__clz(static_cast<int>(n))); }

// How many bits are set.
DEVICE u32 ones_of(u32 n) { return static_cast<u32>(__popc(n)); }

// A condition that is the same for all lanes, made known as such: the compiler then expects no divergence behind it. Where it
// does, if only for one loop, each later collective gets a second, slow form on devices before 9.0: with ptxas 12.9 that was a
// third of Zstandard's kernel.
DEVICE bool uniform(bool condition) { return __any_sync(ALL, condition); }

// Sum of `value` over the lanes before this one.
DEVICE u32 sum_before(u32 value) {
    u32 sum = value;
#pragma unroll
    for (u32 step = 1; step < LANES; step *= 2) {
        const u32 other = __shfl_up_sync(ALL, sum, step);
        sum += lane_id() >= step ? other : 0;
    }
    return sum - value;
}

// Sum of `value` over all lanes.
DEVICE u32 sum_of_all(u32 value) {
#pragma unroll
    for (u32 step = LANES / 2; step > 0; step /= 2) value += __shfl_xor_sync(ALL, value, static_cast<int>(step));
    return value;
}

// Greatest `value` of all lanes.
DEVICE u32 max_of_all(u32 value) {
#pragma unroll
    for (u32 step = LANES / 2; step > 0; step /= 2)
        value = max(value, __shfl_xor_sync(ALL, value, static_cast<int>(step)));
    return value;
}

// Greatest `value` of the lanes before this one, at least 0; `all`: of all lanes.
DEVICE u32 max_before(u32 value, u32 &all) {
#pragma unroll
    for (u32 step = 1; step < LANES; step *= 2) {
        const u32 other = __shfl_up_sync(ALL, value, step);
        value = lane_id() >= step ? max(value, other) : value;
    }
    all = __shfl_sync(ALL, value, LANES - 1);
    const u32 before = __shfl_up_sync(ALL, value, 1);
    return lane_id() == 0 ? 0 : before;
}

// Loads the page at `from`, aligned to 16 bytes, into shared memory, and returns whether it repeats one word, which is
// then `word`. It is complete after the next barrier.
DEVICE bool load_page(const uint4 *from, uint4 *to, u64 &word) {
    uint4 steps[STEPS / LANES];
#pragma unroll
    for (u32 i = 0; i < STEPS / LANES; i++) steps[i] = from[LANES * i + lane_id()];
    const u32 low = __shfl_sync(ALL, steps[0].x, 0), high = __shfl_sync(ALL, steps[0].y, 0);
    u32 differing = 0;
#pragma unroll
    for (u32 i = 0; i < STEPS / LANES; i++) {
        to[LANES * i + lane_id()] = steps[i];
        differing |= (steps[i].x ^ low) | (steps[i].y ^ high) | (steps[i].z ^ low) | (steps[i].w ^ high);
    }
    word = static_cast<u64>(high) << 32 | low;
    return __ballot_sync(ALL, differing != 0) == 0;
}

// Writes the page in shared memory, complete before the last barrier, to `to`, aligned to 16 bytes.
DEVICE void store_page(const uint4 *from, uint4 *to) {
#pragma unroll
    for (u32 i = 0; i < STEPS / LANES; i++) to[LANES * i + lane_id()] = from[LANES * i + lane_id()];
}

// Takes room for `length` bytes, at a multiple of 16, and enters both in the table: what every object but a raw page
// has. Every object is shorter than a page, so `count` pages of room are enough.
DEVICE u32 take_room(u32 length, u32 *table, u32 *cursor) {
    u32 offset = 0;
    if (lane_id() == 0) {
        offset = atomicAdd(cursor, (length + 15) / 16 * 16);
        table[2 * page_id()] = offset;
        table[2 * page_id() + 1] = length;
    }
    return __shfl_sync(ALL, offset, 0);
}

// Writes the object of `length` bytes, shorter than a page, that lies complete in shared memory since the last barrier.
DEVICE void store_object(const uint4 *staged, u32 length, u8 *objects, u32 *table, u32 *cursor) {
    const u32 offset = take_room(length, table, cursor);
    uint4 *to = reinterpret_cast<uint4 *>(objects + offset);
    for (u32 step = lane_id(); step < (length + 15) / 16; step += LANES) to[step] = staged[step];
}

// Enters that the page is stored as it is, which the host does.
DEVICE void store_raw(u32 *table) {
    if (lane_id() == 0) {
        table[2 * page_id()] = 0;
        table[2 * page_id() + 1] = PAGE;
    }
}

// Writes the object of a page that repeats `word`.
DEVICE void store_fill(u64 word, u8 *objects, u32 *table, u32 *cursor) {
    const bool byte = word == (word << 8 | word >> 56);
    const u32 offset = take_room(byte ? SAME_BYTE_LEN : SAME_WORD_LEN, table, cursor);
    if (lane_id() == 0) {
        const u32 low = static_cast<u32>(word), high = static_cast<u32>(word >> 32);
        const u32 tag = byte ? SAME_BYTE : SAME_WORD;
        uint4 object = make_uint4(low << 8 | tag, 0, 0, 0);
        if (!byte) {
            object.y = high << 8 | low >> 24;
            object.z = high >> 24;
        }
        *reinterpret_cast<uint4 *>(objects + offset) = object;
    }
}

// Writes `word` all over the page at `to`, aligned to 16 bytes.
DEVICE void fill_page(u64 word, uint4 *to) {
    const u32 low = static_cast<u32>(word), high = static_cast<u32>(word >> 32);
#pragma unroll
    for (u32 i = 0; i < STEPS / LANES; i++) to[LANES * i + lane_id()] = make_uint4(low, high, low, high);
}

#endif

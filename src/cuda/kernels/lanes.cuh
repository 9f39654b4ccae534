// Matches of a page, by a warp: what LZ4 and Zstandard share.
//
//   scan    32 positions at a time: the last position with the same hash, verified -> a bit for each, and its distance
//   parse   each lane its 128 bytes: next bit; compare 8 bytes there and at the last distance; note (place, distance, length)
//
// What takes the time of a greedy encoder is the chain from one sequence to the next: of real pages, 237 sequences. Here it
// has 22 steps, as the lanes parse side by side: none knows where the match of the one before it ends, and it hardly matters,
// since the writer cuts what overlaps (0.2 % of the size). A step is the same few instructions for all lanes, whether a lane
// begins a match or goes on with one. A match that goes on REACH bytes behind its lane's part is extended by the whole warp.
//
// Source: the scan, the parse in lanes and the repeated distance are those of our encoder for vectors
// (src/kernel/lz4_encode/lanes.rs); the greedy parse is that of the lz4 project.

#ifndef TZRAM_LANES_CUH
#define TZRAM_LANES_CUH

#include "common.cuh"

namespace lanes {

constexpr u32 MIN_MATCH = 4;
// Entries of the hash table.
constexpr u32 TABLE_BITS = 11;
// Steps of 16 bytes to clear it.
constexpr u32 TABLE_STEPS = (2 << TABLE_BITS) / 16;
// Bytes that a lane parses; groups of 32 positions in them.
constexpr u32 PART = PAGE / LANES, GROUPS = PART / LANES;
// Notes of a lane: its matches start in its part and are as long as the shortest or longer.
constexpr u32 NOTES = PART / MIN_MATCH;
// Bytes behind its part that a lane compares itself.
constexpr u32 REACH = 32;
// Bytes that a step of the parse compares.
constexpr u32 STEP = 8;

// A note: 12 bits of place, 12 of distance, 8 of length.
constexpr u32 DISTANCE_AT = 12, LENGTH_AT = 24;
static_assert(PART + REACH < 256, "a length fits a note");

// The page, and 16 bytes of zeros behind it that unaligned loads reach.
union Page {
    uint4 steps[STEPS + 1];
    u32 words[4 * STEPS + 4];
    u8 bytes[PAGE + 16];
};

// Loads the page at `from`, as load_page, and clears the hash table.
DEVICE bool load(const uint4 *from, Page &page, uint4 *table_steps, u64 &word) {
    if (load_page(from, page.steps, word)) return true;
    if (lane_id() == 0) page.steps[STEPS] = make_uint4(0, 0, 0, 0);
#pragma unroll
    for (u32 i = 0; i < TABLE_STEPS / LANES; i++) table_steps[i * LANES + lane_id()] = make_uint4(0, 0, 0, 0);
    WARP_BARRIER();
    return false;
}

// The 4 bytes at `at`, of which `words` has one word more.
DEVICE u32 load32(const u32 *words, u32 at) { return __funnelshift_r(words[at / 4], words[at / 4 + 1], 8 * (at % 4)); }

// How many bytes of two pairs of words are equal, from the first on. Without a branch: lanes would wait for each other.
DEVICE u32 common(u32 a_low, u32 a_high, u32 b_low, u32 b_high) {
    const u32 low = a_low ^ b_low, high = a_high ^ b_high;
    // Of 0, __ffs gives 0, which becomes a large number.
    const u32 equal = (__ffs(static_cast<int>(low != 0 ? low : high)) - 1u) / 8 + (low != 0 ? 0 : 4);
    return min(equal, STEP);
}

// Looks up and enters every position of the page. Leaves the distances of positions up to LAST_START, to be used after the
// next barrier, and in `bits` which of this lane's part are to be used: there, 4 bytes are equal at least. `table` has the
// last place of each hash, and zeros at first: none, or the first position, which is as good.
//
// Of the positions of a group that share a hash, each takes the one before it in the group, the first takes the table's, and
// the last goes into the table: as if they came one after the other.
template <u32 LAST_START> DEVICE void scan(const u32 *words, u16 *table, u16 *distances, u32 (&bits)[GROUPS]) {
    const u32 lane = lane_id(), below = bits_below(lane), shift = 8 * (lane % 4);
    for (u32 part = 0; part < LANES; part++) {
        u32 first[GROUPS], hash[GROUPS], equal[GROUPS], place[GROUPS];
#pragma unroll
        for (u32 i = 0; i < GROUPS; i++) {
            const u32 at = (part * PART + i * LANES + lane) / 4;
            const u32 low = words[at], high = words[at + 1];
            first[i] = __funnelshift_r(low, high, shift);
            // By 5 bytes.
            hash[i] = (first[i] * 0x9E3779B1u + (high >> shift & 0xFF) * 0x85EBCA6Bu) >> (32 - TABLE_BITS);
        }
#pragma unroll
        for (u32 i = 0; i < GROUPS; i++) equal[i] = __match_any_sync(ALL, hash[i]);
#pragma unroll
        for (u32 i = 0; i < GROUPS; i++) {
            const u32 base = part * PART + i * LANES;
            place[i] = table[hash[i]];
            WARP_BARRIER();
            if ((equal[i] & ~below) == 1u << lane) table[hash[i]] = static_cast<u16>(base + lane);
            WARP_BARRIER();
            const u32 nearer = equal[i] & below;
            if (nearer != 0) place[i] = base + 31 - __clz(static_cast<int>(nearer));
        }
#pragma unroll
        for (u32 i = 0; i < GROUPS; i++) {
            const u32 at = part * PART + i * LANES + lane;
            const bool found = place[i] < at && at <= LAST_START && load32(words, place[i]) == first[i];
            const u32 ballot = __ballot_sync(ALL, found);
            if (part == lane) bits[i] = ballot;
            if (at <= LAST_START) distances[at] = static_cast<u16>(at - place[i]);
        }
    }
}

// The place of the first bit of two words of 64, of which one is set at least.
DEVICE u32 first_of(u64 low, u64 high) {
    return low != 0 ? __ffsll(static_cast<long long>(low)) - 1 : __ffsll(static_cast<long long>(high)) + 63;
}

// Clears the bits before number `end`.
DEVICE void drop_before(u32 end, u64 &low, u64 &high) {
    low = end < 64 ? low & ~0ull << end : 0;
    high = end < 64 ? high : end < 128 ? high & ~0ull << (end - 64) : 0;
}

// Moves `end` of the lanes' last matches to where they end, of those that may go on: in turn, unless one before covers them.
template <u32 MATCH_END> DEVICE void extend(const u32 *words, bool may_go_on, u32 distance, u32 &end) {
    const u32 lane = lane_id();
    u32 covered = 0;
    for (u32 open = __ballot_sync(ALL, may_go_on && end < MATCH_END); open != 0; open &= open - 1) {
        const u32 whose = __ffs(static_cast<int>(open)) - 1;
        const u32 back = __shfl_sync(ALL, distance, whose);
        u32 reached = __shfl_sync(ALL, end, whose);
        if (uniform(reached <= covered)) continue;
        for (;;) {
            const u32 mine = reached + 4 * lane;
            u32 differing = 1;
            if (mine < MATCH_END) differing = load32(words, mine) ^ load32(words, mine - back);
            const u32 ends = __ballot_sync(ALL, differing != 0);
            if (uniform(ends != 0)) {
                const u32 last = __ffs(static_cast<int>(ends)) - 1;
                reached += 4 * last + __shfl_sync(ALL, (__ffs(static_cast<int>(differing)) - 1) / 8, last);
                break;
            }
            reached += 4 * LANES;
        }
        covered = min(reached, MATCH_END);
        if (lane == whose) end = covered;
    }
}

// Parses this lane's part by what the scan left, for LZ4. Leaves its notes for none but this lane, note k of lane i at k *
// LANES + i, and returns how many they are; `end` is where the last one ends, whatever its note says, 0 if there is none. No
// match goes on behind MATCH_END.
template <u32 MATCH_END>
DEVICE u32 parse(const u32 *words, const u16 *distances, u32 *notes, const u32 (&bits)[GROUPS], u32 &end) {
    static_assert(GROUPS == 4, "two words of 64 bits");
    const u32 lane = lane_id(), start = lane * PART, stop = min(start + PART + REACH, MATCH_END);
    u64 low = bits[0] | static_cast<u64>(bits[1]) << 32, high = bits[2] | static_cast<u64>(bits[3]) << 32;
    u32 at = 0, distance = 0, repeat = 0, count = 0;
    bool inside = false;
    end = 0;
    while ((low | high) != 0) {
        if (!inside) {
            at = start + first_of(low, high);
            end = at;
            distance = distances[at];
            if (repeat == 0) repeat = distance;
        }
        // Inside a match both distances are the same.
        const u32 here_low = load32(words, end), here_high = load32(words, end + 4);
        const u32 there = end - distance, then = end - repeat;
        u32 same = common(here_low, here_high, load32(words, there), load32(words, there + 4));
        const u32 again = common(here_low, here_high, load32(words, then), load32(words, then + 4));
        if (again >= same) {
            same = again;
            distance = repeat;
        }
        repeat = distance;
        end = min(end + same, stop);
        inside = same == STEP && end < stop;
        if (!inside) {
            notes[count * LANES + lane] = at | distance << DISTANCE_AT | (end - at) << LENGTH_AT;
            count++;
            drop_before(end - start, low, high);
        }
    }
    extend<MATCH_END>(words, count != 0 && end == stop, distance, end);
    return count;
}

} // namespace lanes

#endif

// The Huffman tree of the literals (RFC 8878, section 4.2), by a warp.
//
// Each lane has eight symbols, those of its number modulo 32. Code lengths are logarithms of the shares, rounded with one
// threshold, the smallest at which the code fits; what room is left goes to the symbols that gain most for it, those of one
// count at once. Codes are numbers among the symbols of one length, and what lane n knows of them is for length n.
//
// Source: our own encoder's (src/kernel/zstd_encode/tree.rs), with one limit and without its classes of counts.

#ifndef TZRAM_ZSTD_HUFF_CUH
#define TZRAM_ZSTD_HUFF_CUH

#include "zstd_scratch.cuh"

namespace zstd {

// Symbols of a lane.
constexpr u32 EACH = 256 / LANES;
// Bits of the longest code: a tree of a page's literals is the shorter to describe, and its codes are no longer in sum.
constexpr u32 LIMIT = 9;

struct Tree {
    // Bits of all literals.
    u32 bits;
    // The last symbol that occurs, which is how many weights there are.
    u32 weights;
};

DEVICE u32 bits_at(u32 ideal, u32 threshold) { return min(max((ideal + threshold) >> 8, 1), LIMIT); }

// What codes of these lengths take of a room of 2^LIMIT.
DEVICE u32 taken_at(const u32 (&count)[EACH], const u32 (&ideal)[EACH], u32 threshold) {
    u32 sum = 0;
#pragma unroll
    for (u32 j = 0; j < EACH; j++) sum += count[j] != 0 ? 1u << (LIMIT - bits_at(ideal[j], threshold)) : 0;
    return sum_of_all(sum);
}

// Lengths of a complete code for symbols of which two or more occur, `total` in all; 0 for those that do not.
DEVICE void code_lengths(const u32 (&count)[EACH], u32 total, u32 (&bits)[EACH]) {
    constexpr u32 FULL = 1 << LIMIT;
    u32 ideal[EACH];
    const u32 log_total = log2_of(total);
#pragma unroll
    for (u32 j = 0; j < EACH; j++) {
        const u32 log = count[j] != 0 ? log2_of(count[j]) : 0;
        ideal[j] = log_total - min(log, log_total);
    }
    // Halving steps. The second one tries 767 if the first one finds that 511 is not enough, and that always is: it adds 2
    // bits to each length rounded up, so that symbols below the limit take about a quarter of the room, and those at it a half
    // at most.
    u32 threshold = 0, left = 0;
#pragma unroll 1
    for (u32 step = 512; step >= 8; step /= 2) {
        const u32 taken = taken_at(count, ideal, threshold + step - 1);
        if (taken > FULL)
            threshold += step;
        else
            left = FULL - taken;
    }
    threshold += 7;
#pragma unroll
    for (u32 j = 0; j < EACH; j++) bits[j] = count[j] != 0 ? bits_at(ideal[j], threshold) : 0;
    // One bit less takes as much room again. There is always a symbol for which the room is enough: one of the longest.
    while (uniform(left != 0)) {
        u32 key[EACH], best = 0;
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            const bool fits = bits[j] > 1 && 1u << (LIMIT - bits[j]) <= left;
            const u32 gain = (bits[j] << 8) + (1 << 12) - ideal[j];
            key[j] = fits ? gain << 17 | count[j] << 4 | bits[j] : 0;
            best = max(best, key[j]);
        }
        best = max_of_all(best);
        const u32 room = LIMIT - best % 16;
        u32 more = left >> room;
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            const u32 alike = __ballot_sync(ALL, key[j] == best);
            const u32 rank = ones_of(alike & bits_below(lane_id())), all = ones_of(alike);
            if (key[j] == best && rank < more) bits[j]--;
            const u32 taken = min(all, more);
            more -= taken;
            left -= taken << room;
        }
    }
}

// The lanes whose number of 4 bits is `wanted`, by the ballots of its bits.
DEVICE u32 lanes_of(const u32 (&planes)[4], u32 wanted) {
    u32 lanes = ALL;
#pragma unroll
    for (u32 k = 0; k < 4; k++) lanes &= (wanted >> k & 1) != 0 ? planes[k] : ~planes[k];
    return lanes;
}

DEVICE void planes_of(u32 number, u32 (&planes)[4]) {
#pragma unroll
    for (u32 k = 0; k < 4; k++) planes[k] = __ballot_sync(ALL, (number >> k & 1) != 0);
}

// Makes the tree of `total` literals out of their counts in `scratch`, complete before the last barrier. Leaves codes, weights
// and counts of weights there, complete after the next one. False: nothing is left, as the literals are so even that a tree
// cannot pay for itself (the bound is that of the zstd project). They have two values at least, as all bytes of a page come
// from them.
DEVICE bool make_tree(Scratch &scratch, u32 total, Tree &tree) {
    const u32 lane = lane_id(), below = bits_below(lane);
    u32 count[EACH], bits[EACH], planes[4], top = 0;
#pragma unroll
    for (u32 j = 0; j < EACH; j++) {
        count[j] = scratch.parts.symbols[LANES * j + lane];
        top = max(top, count[j]);
    }
    top = max_of_all(top);
    if (uniform(top <= (total >> 7) + 4)) return false;
    code_lengths(count, total, bits);

    u32 longest = 0, sum = 0;
#pragma unroll
    for (u32 j = 0; j < EACH; j++) {
        longest = max(longest, bits[j]);
        sum += count[j] * bits[j];
        // For none but this lane.
        scratch.parts.symbols[LANES * j + lane] = bits[j];
    }
    longest = max_of_all(longest);
    tree.bits = sum_of_all(sum);
    u32 used = 0, leaves = 0, last_bits = 0;
#pragma unroll 1
    for (u32 first = 0; first < 256; first += LANES) {
        const u32 its_bits = scratch.parts.symbols[first + lane];
        planes_of(its_bits, planes);
        leaves += ones_of(lanes_of(planes, lane));
        const u32 occurring = ~lanes_of(planes, 0), last = log_of(occurring) % LANES;
        const u32 bits_of_last = __shfl_sync(ALL, its_bits, static_cast<int>(last));
        used += ones_of(occurring);
        tree.weights = occurring != 0 ? first + last : tree.weights;
        last_bits = occurring != 0 ? bits_of_last : last_bits;
    }

    // The longest codes start from 0, each shorter length goes on where the longer one, halved, ended: as the code is
    // complete, so much is what the shorter ones leave of the room.
    const bool is_length = lane != 0 && lane <= longest;
    const u32 room = is_length ? leaves << (longest - lane) : 0;
    const u32 rest = (1u << longest) - sum_before(room) - room;
    u32 next = is_length ? rest >> (longest - lane) : 0;
#pragma unroll 1
    for (u32 first = 0; first < 256; first += LANES) {
        const u32 its_bits = scratch.parts.symbols[first + lane];
        planes_of(its_bits, planes);
        const u32 rank = ones_of(lanes_of(planes, its_bits) & below);
        const u32 code = __shfl_sync(ALL, next, static_cast<int>(its_bits)) + rank;
        next += ones_of(lanes_of(planes, lane));
        scratch.parts.symbols[first + lane] = code << 4 | its_bits;
        scratch.chains.weights[first + lane] = static_cast<u16>(its_bits != 0 ? longest + 1 - its_bits : 0);
    }

    // The last symbol has no weight, it is what is missing.
    const u32 length = longest + 1 - lane;
    const u32 of_length = __shfl_sync(ALL, leaves, static_cast<int>(length % LANES));
    u32 weight = lane != 0 && lane <= longest ? of_length - (length == last_bits) : 0;
    if (lane == 0) weight = tree.weights + 1 - used;
    if (lane < WEIGHTS_CODES) scratch.parts.entries[codes_before(WEIGHTS) + lane] = weight;
    return true;
}

} // namespace zstd

#endif

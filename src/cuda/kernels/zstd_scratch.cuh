// Shared memory of a warp that encodes Zstandard, and what all parts of that encoder need.

#ifndef TZRAM_ZSTD_SCRATCH_CUH
#define TZRAM_ZSTD_SCRATCH_CUH

#include "lanes.cuh"

namespace zstd {

// Where the last match may start: the distances then fit what the page and the table leave of four pages.
constexpr u32 LAST_START = PAGE - 9;
// Most sequences, and most literals less four for each sequence, as each covers so many bytes at least.
constexpr u32 MOST = PAGE / lanes::MIN_MATCH;

// Kinds of codes: literals lengths, offsets, match lengths, weights of a tree. Codes of each, as far as pages need them: the
// longest length is below a page, the largest offset value below 2^12; codes of the kinds before.
constexpr u32 LL = 0, OF = 1, ML = 2, WEIGHTS = 3, KINDS = 4;
constexpr u32 LL_CODES = 36, OF_CODES = 12, ML_CODES = 53, WEIGHTS_CODES = 12;
constexpr u32 ALL_CODES = LL_CODES + OF_CODES + ML_CODES + WEIGHTS_CODES;
DEVICE u32 codes_of(u32 kind) { return kind == LL ? LL_CODES : kind == ML ? ML_CODES : OF_CODES; }
DEVICE u32 codes_before(u32 kind) {
    return kind == LL ? 0 : kind == OF ? LL_CODES : kind == ML ? LL_CODES + OF_CODES : LL_CODES + OF_CODES + ML_CODES;
}
static_assert(OF_CODES == WEIGHTS_CODES, "codes_of");

// States of the largest table, and words of its description: symbols of at most 7 bits, and 2 for each that is missing.
constexpr u32 STATES = 64, DESCRIPTION = 16;

// A packed sequence, before it has codes: 12 bits of the place of its match, 12 of distance. Packed codes: literals length,
// offset, match length.
constexpr u32 OF_AT = 6, ML_AT = 10;

struct __align__(16) Scratch {
    union {
        // Until the literals are gathered.
        lanes::Page page;
        // Bits of states below a 1, for each code and weight.
        struct {
            u8 marks[3][MOST];
            u8 weight_marks[256];
            u16 weights[256];
        } chains;
    };
    union {
        // While scanning.
        u16 table[1 << lanes::TABLE_BITS];
        uint4 table_steps[lanes::TABLE_STEPS];
        // Until the literals are gathered.
        u32 notes[lanes::NOTES * LANES];
        // The object, to which bits are added.
        uint4 object_steps[STEPS];
        u32 object[PAGE / 4];
    };
    union {
        // While scanning and parsing.
        u16 distances[LAST_START + 1];
        struct {
            union {
                // From the start on.
                u8 literals[PAGE];
                u32 literal_words[PAGE / 4];
                // Up to the end: packed sequences, then their extra bits. Together they are no longer than a page.
                u32 sequences[MOST];
            };
            // Of each sequence where its match ends, then its packed codes.
            u16 codes[MOST];
            // Of each literal how often it occurs, then its code above 4 bits of its length.
            u32 symbols[256];
            // Of each code of each kind how often it occurs, then its entry in the encoding table.
            u32 entries[ALL_CODES];
            u32 descriptions[KINDS][DESCRIPTION];
            u8 states[KINDS][STATES];
        } parts;
    };
};
// As LZ4's: on Turing an SM has room for four warps.
static_assert(sizeof(Scratch) == 4 * PAGE, "four pages");

// The binary logarithm of n, which is not 0 and below 2^16, times 256; at most 3.1 too small, or 2 too large.
DEVICE u32 log2_of(u32 n) {
    const u32 whole = log_of(n);
    const u32 x = n << (16 - whole) & 0xFFFF;
    // Between two powers of two it is x, and something of the shape of x (1 - x).
    return whole << 8 | (x + (((x * (0x10000 - x)) >> 16) * 22544 >> 16)) >> 8;
}

// Adds the bits of `value` from bit number `at` on to words that have zeros there.
DEVICE void put_word(u32 *words, u32 at, u32 value) {
    const u32 first = value << at % 32, second = __funnelshift_l(value, 0, at % 32);
    words += at / 32;
    if (first != 0) atomicOr(words, first);
    if (second != 0) atomicOr(words + 1, second);
}
DEVICE void put_bits(u32 *words, u32 at, u64 value) {
    const u32 low = static_cast<u32>(value), high = static_cast<u32>(value >> 32), shift = at % 32;
    const u32 first = low << shift, second = __funnelshift_l(low, high, shift);
    const u32 third = __funnelshift_l(high, 0, shift);
    words += at / 32;
    if (first != 0) atomicOr(words, first);
    if (second != 0) atomicOr(words + 1, second);
    if (third != 0) atomicOr(words + 2, third);
}

} // namespace zstd

#endif

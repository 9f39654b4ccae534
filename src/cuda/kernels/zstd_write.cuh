// The sections of a block (RFC 8878, section 3.1.1.3), by a warp: how long they get, and their bytes.
//
// Lanes write 32 sequences, or 192 literals, at a time: lengths are added up, and what lanes have for one word is joined there
// by atomic operations, into words that are zero at first.

#ifndef TZRAM_ZSTD_WRITE_CUH
#define TZRAM_ZSTD_WRITE_CUH

#include "zstd_codes.cuh"
#include "zstd_fse.cuh"
#include "zstd_huff.cuh"

namespace zstd {

// Types of literals. Literals of one value would be a page of one value.
constexpr u32 LITERALS_RAW = 0, LITERALS_CODED = 2;
// Fewest literals that are coded, and fewest that are four streams.
constexpr u32 CODED = 320, FOUR_STREAMS = 512;
static_assert(FOUR_STREAMS <= 1024, "the header of one stream");
// Bytes of the lengths before four streams.
constexpr u32 JUMP_TABLE = 6;

// How the literals are written.
struct Literals {
    u32 type, header;
    // Bytes of the section at most.
    u32 length;
    // Bytes of the description of the tree; whether it is weights of 4 bits each, and not their states; whether there are four
    // streams.
    u32 described;
    bool direct, four;
};

// Decides about the literals. `mine` is what lanes know of the tables after the chains.
DEVICE Literals choose(u32 count, bool has_tree, const Tree &tree, const Table &mine) {
    const u32 header = count < 32 ? 1 : 2, bits = mine.bits;
    Literals chosen = {LITERALS_RAW, header, header + count, 0, false, count >= FOUR_STREAMS};
    // Two states and a 1 end the bits of the weights. The first byte of the description has 7 bits for its length.
    const u32 weights_bits = __shfl_sync(ALL, bits, WEIGHTS) + __shfl_sync(ALL, bits, WEIGHTS + 1) + 2 * LOG + 1;
    const u32 table = __shfl_sync(ALL, mine.described, WEIGHTS), by_states = 1 + table + (weights_bits + 7) / 8;
    const bool can = table != 0 && tree.weights > 2 && by_states <= 128;
    const u32 direct = 1 + (tree.weights + 1) / 2;
    if (!has_tree || (!can && tree.weights > 128)) return chosen;
    Literals coded = {LITERALS_CODED, count < 1024 ? 3u : 4u, 0, by_states, false, chosen.four};
    if (tree.weights <= 128 && (!can || direct <= by_states)) {
        coded.direct = true;
        coded.described = direct;
    }
    // Each stream ends with a 1 and up to 7 zeros.
    coded.length = coded.header + coded.described + (coded.four ? JUMP_TABLE + 4 : 1) + tree.bits / 8;
    return coded.length + (count >> 8) + 1 <= chosen.length ? coded : chosen;
}

// Writes the description of the tree from byte `at` on.
DEVICE void put_tree(Scratch &scratch, u32 at, const Literals &literals, const Tree &tree, const Table &mine) {
    const u32 lane = lane_id(), count = tree.weights;
    const u16 *weights = scratch.chains.weights;
    if (uniform(literals.direct)) {
        if (lane == 0) put_word(scratch.object, 8 * at, 127 + count);
#pragma unroll 1
        for (u32 first = 0; uniform(2 * first < count); first += LANES) {
            const u32 i = first + lane, second = 2 * i + 1 < count ? weights[2 * i + 1] : 0;
            if (2 * i < count) put_word(scratch.object, 8 * (at + 1 + i), static_cast<u32>(weights[2 * i]) << 4 | second);
        }
        return;
    }
    if (lane == 0) put_word(scratch.object, 8 * at, literals.described - 1);
    if (lane < DESCRIPTION) put_word(scratch.object, 8 * (at + 1 + 4 * lane), scratch.parts.descriptions[WEIGHTS][lane]);
    u32 bit = 8 * (at + 1 + __shfl_sync(ALL, mine.described, WEIGHTS));
    // Eight weights a lane, from the last but two on: those two are states.
    constexpr u32 WEIGHTS_EACH = 256 / LANES;
    u64 all = 0;
    u32 bits = 0;
#pragma unroll 1
    for (u32 k = 0; k < WEIGHTS_EACH; k++) {
        const u32 back = WEIGHTS_EACH * lane + k + 3;
        const u32 mark = back <= count ? scratch.chains.weight_marks[count - back] : 1, log = log_of(mark);
        all |= static_cast<u64>(mark ^ 1u << log) << bits;
        bits += log;
    }
    const u32 before = sum_before(bits);
    put_bits(scratch.object, bit + before, all);
    bit += __shfl_sync(ALL, before + bits, LANES - 1);
    const u32 even = __shfl_sync(ALL, mine.state, WEIGHTS) % STATES, odd = __shfl_sync(ALL, mine.state, WEIGHTS + 1) % STATES;
    if (lane == 0) put_word(scratch.object, bit, odd | even << LOG | 1u << 2 * LOG);
}

// Writes the codes of `count` literals from byte `at` on, as one stream or as four behind the lengths of three; returns where
// the last one ends. A stream has its last literal first.
DEVICE u32 put_streams(Scratch &scratch, u32 at, u32 count, bool four) {
    // Codes of a word, of which a lane has two: shifts of words are quick.
    constexpr u32 CODES = 3;
    static_assert(CODES * LIMIT <= 32, "a word");
    const u32 lane = lane_id(), part = four ? (count + 3) / 4 : count;
    u32 jump = at;
    at += four ? JUMP_TABLE : 0;
    // The stream ends before literal `end`; what is left of it begins at `from`, and its next bit is number `bit`.
    u32 from = 0, end = part, left = part, bit = 8 * at;
#pragma unroll 1
    while (uniform(from < count)) {
        u32 word[2] = {}, bits[2] = {};
#pragma unroll
        for (u32 k = 0; k < 2 * CODES; k++) {
            const u32 back = 2 * CODES * lane + k;
            const u32 code = back < left ? scratch.parts.symbols[scratch.parts.literals[from + left - 1 - back]] : 0;
            word[k / CODES] |= code >> 4 << bits[k / CODES];
            bits[k / CODES] += code & 15;
        }
        const u32 before = sum_before(bits[0] + bits[1]);
        put_bits(scratch.object, bit + before, word[0] | static_cast<u64>(word[1]) << bits[0]);
        bit += __shfl_sync(ALL, before + bits[0] + bits[1], LANES - 1);
        left -= min(left, 2 * CODES * LANES);
        if (uniform(left == 0)) {
            const u32 next = bit / 8 + 1;
            if (lane == 0) put_word(scratch.object, bit, 1);
            // The last one's length is not written.
            if (lane == 0 && end < count) put_word(scratch.object, 8 * jump, next - at);
            jump += 2;
            at = next;
            bit = 8 * at;
            from = end;
            end = min(end + part, count);
            left = end - from;
        }
    }
    return at;
}

// Writes the literals section from byte `at` on; returns where it ends.
DEVICE u32 put_literals(Scratch &scratch, u32 at, u32 count, const Literals &literals, const Tree &tree, const Table &mine) {
    const u32 lane = lane_id(), start = at;
    at += literals.header;
    if (uniform(literals.type == LITERALS_RAW)) {
        // The header of one byte has one bit for its format.
        if (lane == 0) put_word(scratch.object, 8 * start, literals.header == 1 ? count << 3 : 1 << 2 | count << 4);
#pragma unroll 1
        for (u32 first = 0; uniform(first < count / 4); first += LANES) {
            const u32 i = first + lane;
            if (i < count / 4) put_word(scratch.object, 8 * (at + 4 * i), scratch.parts.literal_words[i]);
        }
        const u32 last = count / 4 * 4 + lane;
        if (last < count) put_word(scratch.object, 8 * (at + last), scratch.parts.literals[last]);
        return at + count;
    }
    put_tree(scratch, at, literals, tree, mine);
    at += literals.described;
    at = put_streams(scratch, at, count, literals.four);
    const u64 length = at - start - literals.header;
    const u64 fields = literals.header == 3 ? (literals.four ? 1 << 2 : 0) | length << 14 : 2 << 2 | length << 18;
    if (lane == 0) put_bits(scratch.object, 8 * start, fields | LITERALS_CODED | count << 4);
    return at;
}

// Extra bits of a code of literals length, and of match length.
DEVICE u32 ll_bits(u32 code) {
    return code < 16 ? 0 : code < 20 ? 1 : code < 22 ? 2 : code < 24 ? 3 : code == 24 ? 4 : code - 19;
}
DEVICE u32 ml_bits(u32 code) {
    return code < 32 ? 0 : code < 36 ? 1 : code < 38 ? 2 : code < 40 ? 3 : code < 42 ? 4 : code == 42 ? 5 : code - 36;
}

// Bytes of the sequences section before its descriptions.
DEVICE u32 header_of(u32 sequences) { return sequences == 0 ? 1 : sequences < 128 ? 2 : 3; }

// Bytes of the sequences section.
DEVICE u32 sequences_length(const Block &block, const Table &mine) {
    if (uniform(block.sequences == 0)) return 1;
    const bool is_kind = lane_id() < WEIGHTS;
    const u32 descriptions = sum_of_all(is_kind ? mine.described : 0);
    // The states of the first sequence and a 1 end the bits.
    const u32 bits = sum_of_all(block.extra + (is_kind ? mine.bits + mine.log : 0)) + 1;
    return header_of(block.sequences) + descriptions + (bits + 7) / 8;
}

// Writes the sequences section from byte `at` on.
DEVICE void put_sequences(Scratch &scratch, u32 at, u32 count, const Table &mine) {
    const u32 lane = lane_id();
    u32 bit = 8 * (at + header_of(count)), modes = 0;
    if (uniform(count == 0)) return;
#pragma unroll 1
    for (u32 kind = 0; kind < WEIGHTS; kind++) {
        modes |= __shfl_sync(ALL, mine.mode, static_cast<int>(kind)) << (6 - 2 * kind);
        const u32 described = __shfl_sync(ALL, mine.described, static_cast<int>(kind));
        if (4 * lane < described) put_word(scratch.object, bit + 32 * lane, scratch.parts.descriptions[kind][lane]);
        bit += 8 * described;
    }
    const u32 number = count < 128 ? count : ((count >> 8) + 128) | (count & 0xFF) << 8;
    if (lane == 0) put_word(scratch.object, 8 * at, number | modes << 8 * (header_of(count) - 1));

    for (u32 done = 0; uniform(done < count); done += LANES) {
        u64 all = 0;
        u32 bits = 0;
        if (done + lane < count) {
            const u32 index = count - 1 - done - lane, codes = scratch.parts.codes[index];
            // The last sequence's codes are the first states of the chains.
            if (index != count - 1) {
#pragma unroll
                for (u32 i = 0; i < WEIGHTS; i++) {
                    const u32 mark = scratch.chains.marks[i == 0 ? OF : i == 1 ? ML : LL][index], log = log_of(mark);
                    all |= (mark ^ 1u << log) << bits;
                    bits += log;
                }
            }
            all |= static_cast<u64>(scratch.parts.sequences[MOST - count + index]) << bits;
            bits += ll_bits(codes & 63) + ml_bits(codes >> ML_AT) + (codes >> OF_AT & 15);
        }
        const u32 before = sum_before(bits);
        put_bits(scratch.object, bit + before, all);
        bit += __shfl_sync(ALL, before + bits, LANES - 1);
    }
    u32 all = 0, bits = 0;
#pragma unroll
    for (u32 i = 0; i < WEIGHTS; i++) {
        const int kind = i == 0 ? ML : i == 1 ? OF : LL;
        const u32 log = __shfl_sync(ALL, mine.log, kind);
        all |= (__shfl_sync(ALL, mine.state, kind) & bits_below(log)) << bits;
        bits += log;
    }
    if (lane == 0) put_word(scratch.object, bit, all | 1u << bits);
}

} // namespace zstd

#endif

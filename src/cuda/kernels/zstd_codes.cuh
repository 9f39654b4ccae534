// From notes to literals and sequences, and from sequences to codes and extra bits (RFC 8878, section 3.1.1.3.2.1.1), by a
// warp.
//
// Literals: each lane knows which bytes of its part matches cover; then all lanes take the others of one part after the other,
// 32 places at a time.
//
// Repeated offsets need no loop over the sequences. The first one is the distance of the sequence before; the second is the
// one that was the first before the last sequence that moved it, the third likewise: and which sequences move it, each can
// tell by itself. Source: our own idea; the rules are those of section 3.1.1.5.

#ifndef TZRAM_ZSTD_CODES_CUH
#define TZRAM_ZSTD_CODES_CUH

#include "zstd_huff.cuh"
#include "zstd_scratch.cuh"

namespace zstd {

// How many literals and sequences a page has, and how many extra bits the sequences of this lane.
struct Block {
    u32 literals, sequences, extra;
};

// Bits from number `n` on of 64: all if it is negative.
DEVICE u64 bits_from(int n) { return n <= 0 ? ~0ull : n < 64 ? ~0ull << n : 0; }

// How many of the 4 bytes before `a` and before `b`, the smaller one, are equal, the last ones; 0 if there are not so many.
DEVICE u32 common_before(const u32 *words, u32 a, u32 b) {
    if (b < 4) return 0;
    return static_cast<u32>(__clz(static_cast<int>(lanes::load32(words, a - 4) ^ lanes::load32(words, b - 4)))) / 8;
}

// Turns the lanes' notes into sequences, and gathers the literals. Both are complete after the next barrier; until then page
// and notes are needed, and the distances are not.
DEVICE Block gather(Scratch &scratch, u32 count, u32 end) {
    const u32 lane = lane_id(), part = lane * lanes::PART;
    const u32 *words = scratch.page.words;
    u32 all;
    // Of the notes that begin before the matches of earlier lanes end, those are left out of which too little is left, and at
    // most one is cut.
    const u32 cut = max_before(end, all);
    u32 next = end < cut + lanes::MIN_MATCH ? count : 0;
    while (next < count) {
        const u32 note = scratch.notes[next * LANES + lane];
        if (next + 1 == count || note % PAGE + (note >> lanes::LENGTH_AT) >= cut + lanes::MIN_MATCH) break;
        next++;
    }
    // Where the matches before end: literals begin there.
    u32 anchor = max_before(next < count ? end : 0, all);
    Block block = {};
    u32 index = sum_before(count - next);
    block.sequences = __shfl_sync(ALL, index + count - next, LANES - 1);

    // Of this lane's part, a bit for each byte that a match covers; and bytes of the part before that its first match takes.
    u64 low = ~bits_from(static_cast<int>(anchor - part)), high = ~bits_from(static_cast<int>(anchor - part) - 64);
    u32 reaches = 0;
    for (; next < count; next++, index++) {
        const u32 note = scratch.notes[next * LANES + lane], distance = note >> lanes::DISTANCE_AT & 0xFFF;
        const u32 stop = next + 1 == count ? end : note % PAGE + (note >> lanes::LENGTH_AT);
        u32 start = max(note % PAGE, cut);
        start -= min(common_before(words, start, start - distance), start - anchor);
        scratch.parts.sequences[MOST - block.sequences + index] = start | distance << lanes::DISTANCE_AT;
        scratch.parts.codes[index] = static_cast<u16>(stop);
        const int from = static_cast<int>(start - part), to = static_cast<int>(stop - part);
        low |= bits_from(from) & ~bits_from(to);
        high |= bits_from(from - 64) & ~bits_from(to - 64);
        reaches = from < 0 ? static_cast<u32>(-from) : reaches;
        anchor = stop;
    }
    const u32 taken = __shfl_down_sync(ALL, reaches, 1);
    if (lane != LANES - 1) high |= bits_from(static_cast<int>(64 - taken));

    static_assert(lanes::PART == 4 * LANES, "two words of 64 bits");
    const u32 mine[4] = {~static_cast<u32>(low), ~static_cast<u32>(low >> 32), ~static_cast<u32>(high),
                         ~static_cast<u32>(high >> 32)};
    const u32 number = ones_of(mine[0]) + ones_of(mine[1]) + ones_of(mine[2]) + ones_of(mine[3]);
    const u32 to = sum_before(number);
    block.literals = __shfl_sync(ALL, to + number, LANES - 1);
    for (u32 whose = 0; whose < LANES; whose++) {
        u32 at = __shfl_sync(ALL, to, static_cast<int>(whose));
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            const u32 mask = __shfl_sync(ALL, mine[i], static_cast<int>(whose));
            const u32 place = lanes::PART * whose + LANES * i + lane;
            if ((mask >> lane & 1) != 0)
                scratch.parts.literals[at + ones_of(mask & bits_below(lane))] = scratch.page.bytes[place];
            at += ones_of(mask);
        }
    }
    return block;
}

// Clears what is counted or added to.
DEVICE void clear(Scratch &scratch) {
    const u32 lane = lane_id();
#pragma unroll
    for (u32 i = 0; i < STEPS / LANES; i++) scratch.object_steps[LANES * i + lane] = make_uint4(0, 0, 0, 0);
#pragma unroll
    for (u32 i = 0; i < EACH; i++) scratch.parts.symbols[LANES * i + lane] = 0;
#pragma unroll 1
    for (u32 i = 0; i < ALL_CODES; i += LANES) {
        if (i + lane < ALL_CODES) scratch.parts.entries[i + lane] = 0;
    }
#pragma unroll
    for (u32 i = 0; i < KINDS * DESCRIPTION / LANES; i++) (&scratch.parts.descriptions[0][0])[LANES * i + lane] = 0;
}

// The code of a literals length, and of a match length less 3; and how many extra bits it has: the lowest ones of the length.
DEVICE u32 ll_code(u32 length, u32 &bits) {
    const u32 log = log_of(length | 1);
    bits = length < 16 ? 0 : length < 24 ? 1 : length < 32 ? 2 : length < 48 ? 3 : length < 64 ? 4 : log;
    const u32 offset = length < 16 ? 0 : length < 24 ? 8 : length < 32 ? 14 : length < 48 ? 18 : length < 64 ? 21 : log + 18;
    return (length >> bits) + offset;
}
DEVICE u32 ml_code(u32 length, u32 &bits) {
    const u32 log = log_of(length | 1);
    bits = length < 32 ? 0 : length < 40 ? 1 : length < 48 ? 2 : length < 64 ? 3 : length < 96 ? 4 : length < 128 ? 5 : log;
    const u32 offset = length < 32   ? 0
                       : length < 40 ? 16
                       : length < 48 ? 26
                       : length < 64 ? 32
                       : length < 96 ? 36
                       : length < 128 ? 39
                                      : log + 35;
    return (length >> bits) + offset;
}

// The offset value of a distance behind `literals` literals, before which the repeated offsets are these (section 3.1.1.5).
DEVICE u32 offset_value(u32 distance, u32 literals, u32 first, u32 second, u32 third) {
    // Without literals the three references mean the second, the third, and the first less one.
    const bool bare = literals == 0;
    const u32 one = bare ? second : first, two = bare ? third : second, three = bare ? first - 1 : third;
    return distance == one ? 1 : distance == two ? 2 : distance == three ? 3 : distance + 3;
}

// The value of the last lane whose bit is set, or `otherwise` where there is none.
DEVICE u32 last_of(u32 lanes, u32 value, u32 otherwise) {
    const u32 found = __shfl_sync(ALL, value, static_cast<int>(log_of(lanes) % LANES));
    return lanes != 0 ? found : otherwise;
}

// Turns sequences into codes and extra bits, and counts codes and literals, in memory that is complete since the last barrier.
DEVICE void make_codes(Scratch &scratch, Block &block) {
    const u32 lane = lane_id(), below = bits_below(lane);
    for (u32 i = 0; uniform(i < block.literals); i += LANES) {
        if (i + lane < block.literals) atomicAdd(&scratch.parts.symbols[scratch.parts.literals[i + lane]], 1);
    }
    // Where the match before ends, and the repeated offsets, before each 32 sequences.
    u32 anchor = 0, first = 1, second = 4, third = 8;
    for (u32 base = 0; uniform(base < block.sequences); base += LANES) {
        const bool is_one = base + lane < block.sequences;
        const u32 index = is_one ? base + lane : block.sequences - 1;
        u32 &sequence = scratch.parts.sequences[MOST - block.sequences + index];
        const u32 packed = is_one ? sequence : 0, stop = is_one ? scratch.parts.codes[index] : PAGE;
        const u32 start = packed % PAGE, distance = packed >> lanes::DISTANCE_AT;
        const u32 stop_before = __shfl_up_sync(ALL, stop, 1), distance_before = __shfl_up_sync(ALL, distance, 1);
        const u32 literals = start - (lane == 0 ? anchor : stop_before), r0 = lane == 0 ? first : distance_before;
        // The second is moved by all but a first one behind literals, the third by all but that and a second one.
        const bool moves = is_one && !(distance == r0 && literals != 0);
        const u32 move_second = __ballot_sync(ALL, moves);
        const u32 r1 = last_of(move_second & below, r0, second);
        const u32 move_third = __ballot_sync(ALL, moves && distance != r1);
        const u32 r2 = last_of(move_third & below, r1, third);
        if (is_one) {
            const u32 value = offset_value(distance, literals, r0, r1, r2), of = log_of(value);
            u32 ll_extra, ml_extra;
            const u32 ll = ll_code(literals, ll_extra), length = stop - start - 3, ml = ml_code(length, ml_extra);
            // 32 bits: of two lengths that make a page at most, the longer has 11 and the other 10, and an offset has 11.
            sequence = (literals & bits_below(ll_extra)) | (length & bits_below(ml_extra)) << ll_extra |
                       (value ^ 1u << of) << (ll_extra + ml_extra);
            scratch.parts.codes[index] = static_cast<u16>(ll | of << OF_AT | ml << ML_AT);
            block.extra += ll_extra + ml_extra + of;
            atomicAdd(&scratch.parts.entries[codes_before(LL) + ll], 1);
            atomicAdd(&scratch.parts.entries[codes_before(OF) + of], 1);
            atomicAdd(&scratch.parts.entries[codes_before(ML) + ml], 1);
        }
        anchor = __shfl_sync(ALL, stop, LANES - 1);
        first = __shfl_sync(ALL, distance, LANES - 1);
        second = last_of(move_second, r0, second);
        third = last_of(move_third, r1, third);
    }
}

} // namespace zstd

#endif

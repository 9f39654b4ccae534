// LZ4 blocks (lz4 project, doc/lz4_Block_format.md), by a warp.
//
// The encoder's matches are those of lanes.cuh. Then each lane writes its notes: what earlier lanes' matches cover is cut off;
// lengths are added up; tokens, literals, offsets.
//
// The decoder takes one sequence after the other. Its rules and verdicts are those of src/kernel/lz4_decode.rs, read as
// `careful` there: `stretch` takes nothing that `careful` would refuse, and refuses nothing that it would take.

#ifndef TZRAM_LZ4_CUH
#define TZRAM_LZ4_CUH

#include "common.cuh"
#include "lanes.cuh"

namespace lz4 {

using lanes::DISTANCE_AT;
using lanes::LENGTH_AT;
using lanes::MIN_MATCH;

constexpr u32 LAST_LITERALS = 5;
// From the start of a match to the end of the page, at least.
constexpr u32 MATCH_MARGIN = 12;
// Lengths that the two halves of a token hold before length bytes begin.
constexpr u32 RUN_MASK = 15, MATCH_MASK = 15;
// Input that must follow the length bytes of literals, the literals of a sequence that is not the last, the length bytes of
// a match.
constexpr u32 REST_AFTER_RUN = 15, REST_AFTER_LITERALS = 8, REST_AFTER_MATCH = 4;
// Input behind the token, and room, from which on a sequence without length bytes is taken without the checks above.
constexpr u32 QUICK_INPUT = 17, QUICK_ROOM = 32;

// Where the last match may start, and where it must end.
constexpr u32 LAST_START = PAGE - MATCH_MARGIN, MATCH_END = PAGE - LAST_LITERALS;
// Literals that a lane copies itself.
constexpr u32 FEW_LITERALS = 16;

// Shared memory of a warp that encodes.
struct __align__(16) Scratch {
    lanes::Page page;
    union {
        // While scanning.
        u16 table[1 << lanes::TABLE_BITS];
        uint4 table_steps[lanes::TABLE_STEPS];
        // While parsing and writing.
        u32 notes[lanes::NOTES * LANES];
    };
    union {
        // While scanning and parsing: what to go back from a position, where its bit is set.
        u16 distance[LAST_START + 1];
        // While writing: the object.
        uint4 steps[STEPS];
        u8 object[PAGE];
    } out;
};
// On Turing an SM has room for four warps then, not for two.
static_assert(sizeof(Scratch) == 4 * PAGE, "what does not fit the distances' end is padding");

// Length bytes for a length of which a token holds 15.
DEVICE u32 length_bytes(u32 length) { return length < RUN_MASK ? 0 : (length - RUN_MASK) / 255 + 1; }

// Bytes of a sequence.
DEVICE u32 sequence_bytes(u32 literals, u32 matched) {
    return 1 + length_bytes(literals) + literals + 2 + length_bytes(matched - MIN_MATCH);
}

// Writes the length bytes of `length`, if there are any, from `to` on; returns where they end.
DEVICE u32 put_length(u8 *out, u32 to, u32 length) {
    if (length < RUN_MASK) return to;
    for (length -= RUN_MASK; length >= 255; length -= 255) out[to++] = 255;
    out[to++] = static_cast<u8>(length);
    return to;
}

// Writes the block of the lanes' notes behind the tag's place and returns its length; 0 if it is longer than `room`.
DEVICE u32 write(Scratch &scratch, u32 count, u32 end, u32 room) {
    const u32 lane = lane_id();
    const u8 *bytes = scratch.page.bytes;
    u8 *out = scratch.out.object + 1;
    u32 all;
    // Of the notes that begin before the matches of earlier lanes end, those are left out of which too little is left, or what
    // is left begins too late, and at most one is cut.
    const u32 cut = max_before(end, all);
    u32 next = end < cut + MIN_MATCH || cut > LAST_START ? count : 0;
    while (next < count) {
        const u32 note = scratch.notes[next * LANES + lane];
        if (next + 1 == count || note % PAGE + (note >> LENGTH_AT) >= cut + MIN_MATCH) break;
        next++;
    }
    // Where the matches before end: literals begin there.
    u32 anchor = max_before(next < count ? end : 0, all);

    u32 size = 0;
    for (u32 i = next, from = anchor; i < count; i++) {
        const u32 note = scratch.notes[i * LANES + lane];
        const u32 start = max(note % PAGE, cut), stop = i + 1 == count ? end : note % PAGE + (note >> LENGTH_AT);
        size += sequence_bytes(start - from, stop - start);
        from = stop;
    }
    u32 to = sum_before(size);
    const u32 tail = __shfl_sync(ALL, to + size, LANES - 1), tail_literals = PAGE - all;
    const u32 total = tail + 1 + length_bytes(tail_literals) + tail_literals;
    if (total > room) return 0;

    // The distances are not needed any more.
    WARP_BARRIER();
    while (__any_sync(ALL, next < count)) {
        u32 literals = 0, literals_to = 0;
        const u32 from = anchor;
        if (next < count) {
            const u32 note = scratch.notes[next * LANES + lane];
            const u32 start = max(note % PAGE, cut), stop = ++next == count ? end : note % PAGE + (note >> LENGTH_AT);
            const u32 matched = stop - start - MIN_MATCH, distance = note >> DISTANCE_AT & 0xFFF;
            literals = start - from;
            out[to++] = static_cast<u8>(min(literals, RUN_MASK) << 4 | min(matched, MATCH_MASK));
            literals_to = put_length(out, to, literals);
            to = literals_to + literals;
            out[to++] = static_cast<u8>(distance);
            out[to++] = static_cast<u8>(distance >> 8);
            to = put_length(out, to, matched);
            anchor = stop;
            if (literals <= FEW_LITERALS) {
                for (u32 i = 0; i < literals; i++) out[literals_to + i] = bytes[from + i];
            }
        }
        for (u32 many = __ballot_sync(ALL, literals > FEW_LITERALS); many != 0; many &= many - 1) {
            const u32 whose = __ffs(static_cast<int>(many)) - 1;
            const u32 source = __shfl_sync(ALL, from, whose), target = __shfl_sync(ALL, literals_to, whose);
            const u32 number = __shfl_sync(ALL, literals, whose);
            for (u32 i = lane; i < number; i += LANES) out[target + i] = bytes[source + i];
        }
    }
    if (lane == 0) {
        out[tail] = static_cast<u8>(min(tail_literals, RUN_MASK) << 4);
        put_length(out, tail + 1, tail_literals);
    }
    for (u32 i = lane; i < tail_literals; i += LANES) out[total - tail_literals + i] = bytes[all + i];
    return total;
}

// Encodes the page in `scratch`, complete before the last barrier, as one block behind the tag's place, and returns its
// length; 0 if it is longer than `room`, which is PAGE - 1 at most. The table is zero at first. The block is complete after
// the next barrier. A page always gives the same bytes.
DEVICE u32 encode(Scratch &scratch, u32 room) {
    u32 bits[lanes::GROUPS] = {}, end;
    lanes::scan<LAST_START>(scratch.page.words, scratch.table, scratch.out.distance, bits);
    WARP_BARRIER();
    const u32 count = lanes::parse<MATCH_END>(scratch.page.words, scratch.out.distance, scratch.notes, bits, end);
    return write(scratch, count, end, room);
}

// Adds up the length bytes at `at` and moves `at` behind them; false if they or the `reserve` bytes behind them are not there.
DEVICE bool long_length(const u8 *object, u32 length, u32 reserve, u32 &at, u32 &sum) {
    u32 byte;
    do {
        if (at == length) return false;
        byte = object[at++];
        sum += byte;
    } while (byte == 255);
    return length - at >= reserve;
}

// Decodes bytes `at` to `length` of `block`, in shared memory, into `page` in shared memory, complete after the next barrier;
// false if they are no block of exactly a page. All lanes say the same. Nothing else is read or written.
DEVICE bool decode(const u8 *block, u32 at, u32 length, u8 *page) {
    const u32 lane = lane_id();
    if (at >= length) return false;
    u32 token = block[at], to = 0;
    // Each turn takes a byte at least, and all lanes take the same turns. A token lies at `at`, before `length`.
    for (;;) {
        at++;
        u32 literals = token >> 4, matched = token & MATCH_MASK;
        const bool quick = literals != RUN_MASK && length - at >= QUICK_INPUT && PAGE - to >= QUICK_ROOM;
        if (literals == RUN_MASK && !long_length(block, length, REST_AFTER_RUN, at, literals)) return false;
        const u32 rest = length - at, room = PAGE - to;
        if (!quick) {
            if (literals >= rest) {
                if (literals > rest || literals != room) return false;
                for (u32 i = lane; i < literals; i += LANES) page[to + i] = block[at + i];
                return true;
            }
            if (rest - literals < REST_AFTER_LITERALS || room < literals + MATCH_MARGIN) return false;
        }
        u32 next = at + literals;
        const u32 offset = block[next] | block[next + 1] << 8;
        next += 2;
        const bool short_match = matched != MATCH_MASK;
        if (!short_match && !long_length(block, length, REST_AFTER_MATCH, next, matched)) return false;
        matched += MIN_MATCH;
        if (offset == 0 || offset > to + literals) return false;
        if (!(quick && short_match && offset >= 8) && room < literals + matched + LAST_LITERALS) return false;
        // All ways here leave a byte at least, the next token. Asked for early, it is there when the copies are done.
        token = block[next];
        // Literals and match at once: a byte of the match is one of the block's, or one that an earlier sequence wrote.
        for (u32 i = lane; i < literals + matched; i += LANES) {
            u32 source = i;
            if (i >= literals) {
                const u32 in_match = i - literals;
                source = literals + (offset < matched ? in_match % offset : in_match) - offset;
            }
            // Below zero, as it were, lies the page.
            page[to + i] = source < literals ? block[at + source] : page[to + source];
        }
        WARP_BARRIER();
        to += literals + matched;
        at = next;
    }
}

} // namespace lz4

// Level 1, whatever is asked for.
extern "C" __global__ void __launch_bounds__(LANES *WARPS)
    tzram_compress_lz4(const u8 *__restrict__ pages, u32 count, u32, u8 *__restrict__ objects, u32 *__restrict__ table,
                       u32 *__restrict__ cursor) {
    static_assert(WARPS * sizeof(lz4::Scratch) <= 48 * 1024, "static shared memory of a block");
    __shared__ lz4::Scratch warps[WARPS];
    if (page_id() >= count) return;
    lz4::Scratch &scratch = warps[warp_id()];
    u64 word;
    if (lanes::load(reinterpret_cast<const uint4 *>(pages) + STEPS * page_id(), scratch.page, scratch.table_steps, word)) {
        store_fill(word, objects, table, cursor);
        return;
    }
    // Tag and block are shorter than a page.
    const u32 length = lz4::encode(scratch, PAGE - 2);
    if (length == 0) {
        store_raw(table);
        return;
    }
    const u32 end = 1 + length;
    if (lane_id() == 0) scratch.out.object[0] = LZ4;
    if (end + lane_id() < (end + 15) / 16 * 16) scratch.out.object[end + lane_id()] = 0;
    WARP_BARRIER();
    store_object(scratch.out.steps, end, objects, table, cursor);
}

#endif

// LZ4 blocks (lz4 project, doc/lz4_Block_format.md), by a warp.
//
// The encoder does three things, each with all lanes:
//
//   scan    32 positions at a time: the last position with the same hash, verified -> a bit for each, and its distance
//   parse   each lane its 128 bytes: next bit; compare 8 bytes there and at the last distance; note (place, distance, length)
//   write   each lane its notes: what earlier lanes' matches cover is cut off; lengths are added up; tokens, literals, offsets
//
// What takes the time of a greedy encoder is the chain from one sequence to the next: of real pages, 237 sequences. Here it
// has 22 steps, as the lanes parse side by side: none knows where the match of the one before it ends, and it hardly matters,
// since the writer cuts what overlaps (0.2 % of the size). A step is the same few instructions for all lanes, whether a lane
// begins a match or goes on with one. A match that goes on REACH bytes behind its lane's part is extended by the whole warp.
//
// Source: the scan, the parse in lanes and the repeated distance are those of our encoder for vectors
// (src/kernel/lz4_encode/lanes.rs); the greedy parse is that of the lz4 project.
//
// The decoder takes one sequence after the other. Its rules and verdicts are those of src/kernel/lz4_decode.rs, read as
// `careful` there: `stretch` takes nothing that `careful` would refuse, and refuses nothing that it would take.

#ifndef TZRAM_LZ4_CUH
#define TZRAM_LZ4_CUH

#include "common.cuh"

namespace lz4 {

constexpr u32 MIN_MATCH = 4;
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

// Entries of the hash table.
constexpr u32 TABLE_BITS = 11;
// Steps of 16 bytes to clear it.
constexpr u32 TABLE_STEPS = (2 << TABLE_BITS) / 16;
// Where the last match may start, and where it must end.
constexpr u32 LAST_START = PAGE - MATCH_MARGIN, MATCH_END = PAGE - LAST_LITERALS;
// Bytes that a lane parses; groups of 32 positions in them.
constexpr u32 PART = PAGE / LANES, GROUPS = PART / LANES;
// Notes of a lane: its matches start in its part and are as long as the shortest or longer.
constexpr u32 NOTES = PART / MIN_MATCH;
// Bytes behind its part that a lane compares itself.
constexpr u32 REACH = 32;
// Bytes that a step of the parse compares.
constexpr u32 STEP = 8;
// Literals that a lane copies itself.
constexpr u32 FEW_LITERALS = 16;

// A note: 12 bits of place, 12 of distance, 8 of length.
constexpr u32 DISTANCE_AT = 12, LENGTH_AT = 24;
static_assert(PART + REACH < 256, "a length fits a note");

// Shared memory of a warp that encodes.
struct __align__(16) Scratch {
    // The page, and a word of zeros behind it that unaligned loads reach.
    union {
        uint4 steps[STEPS + 1];
        u32 words[4 * STEPS + 4];
        u8 bytes[PAGE + 16];
    } page;
    union {
        // While scanning: the last place of each hash. Zero: none, or the first position, which is as good.
        u16 table[1 << TABLE_BITS];
        uint4 table_steps[TABLE_STEPS];
        // While parsing and writing: note k of lane i is number k * LANES + i.
        u32 notes[NOTES * LANES];
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

// The 4 bytes at `at`, of which `words` has one word more.
DEVICE u32 load32(const u32 *words, u32 at) { return __funnelshift_r(words[at / 4], words[at / 4 + 1], 8 * (at % 4)); }

// How many bytes of two pairs of words are equal, from the first on. Without a branch: lanes would wait for each other.
DEVICE u32 common(u32 a_low, u32 a_high, u32 b_low, u32 b_high) {
    const u32 low = a_low ^ b_low, high = a_high ^ b_high;
    // Of 0, __ffs gives 0, which becomes a large number.
    const u32 equal = (__ffs(static_cast<int>(low != 0 ? low : high)) - 1u) / 8 + (low != 0 ? 0 : 4);
    return min(equal, STEP);
}

// Looks up and enters every position of the page. Leaves the distances in `scratch`, to be used after the next barrier, and
// in `bits` which of this lane's part are to be used: there, 4 bytes are equal at least.
//
// Of the positions of a group that share a hash, each takes the one before it in the group, the first takes the table's, and
// the last goes into the table: as if they came one after the other.
DEVICE void scan(Scratch &scratch, u32 (&bits)[GROUPS]) {
    const u32 lane = lane_id(), below = bits_below(lane), shift = 8 * (lane % 4);
    const u32 *words = scratch.page.words;
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
            place[i] = scratch.table[hash[i]];
            WARP_BARRIER();
            if ((equal[i] & ~below) == 1u << lane) scratch.table[hash[i]] = static_cast<u16>(base + lane);
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
            if (at <= LAST_START) scratch.out.distance[at] = static_cast<u16>(at - place[i]);
        }
    }
}

// Parses this lane's part by what the scan left. Leaves its notes in `scratch`, for none but this lane, and returns their
// number; `end` is where the last one ends, whatever its note says, 0 if there is none.
DEVICE u32 parse(Scratch &scratch, const u32 (&bits)[GROUPS], u32 &end) {
    static_assert(GROUPS == 4, "two words of 64 bits");
    const u32 lane = lane_id(), start = lane * PART, stop = min(start + PART + REACH, MATCH_END);
    const u32 *words = scratch.page.words;
    u64 low = bits[0] | static_cast<u64>(bits[1]) << 32, high = bits[2] | static_cast<u64>(bits[3]) << 32;
    u32 at = 0, distance = 0, repeat = 0, count = 0;
    bool inside = false;
    end = 0;
    while ((low | high) != 0) {
        if (!inside) {
            at = start + (low != 0 ? __ffsll(static_cast<long long>(low)) - 1 : __ffsll(static_cast<long long>(high)) + 63);
            end = at;
            distance = scratch.out.distance[at];
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
            scratch.notes[count * LANES + lane] = at | distance << DISTANCE_AT | (end - at) << LENGTH_AT;
            count++;
            const u32 done = end - start;
            low = done < 64 ? low & ~0ull << done : 0;
            high = done < 64 ? high : done < 128 ? high & ~0ull << (done - 64) : 0;
        }
    }
    // Matches that may go on, in turn, unless one before covers them.
    u32 covered = 0;
    for (u32 open = __ballot_sync(ALL, count != 0 && end == stop && stop < MATCH_END); open != 0; open &= open - 1) {
        const u32 whose = __ffs(static_cast<int>(open)) - 1;
        const u32 back = __shfl_sync(ALL, distance, whose);
        u32 reached = __shfl_sync(ALL, end, whose);
        if (reached <= covered) continue;
        for (;;) {
            const u32 mine = reached + 4 * lane;
            u32 differing = 1;
            if (mine < MATCH_END) differing = load32(words, mine) ^ load32(words, mine - back);
            const u32 ends = __ballot_sync(ALL, differing != 0);
            if (ends != 0) {
                const u32 last = __ffs(static_cast<int>(ends)) - 1;
                reached += 4 * last + __shfl_sync(ALL, (__ffs(static_cast<int>(differing)) - 1) / 8, last);
                break;
            }
            reached += 4 * LANES;
        }
        covered = min(reached, MATCH_END);
        if (lane == whose) end = covered;
    }
    return count;
}

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
    u32 bits[GROUPS] = {}, end;
    scan(scratch, bits);
    WARP_BARRIER();
    const u32 count = parse(scratch, bits, end);
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
    if (load_page(reinterpret_cast<const uint4 *>(pages) + STEPS * page_id(), scratch.page.steps, word)) {
        store_fill(word, objects, table, cursor);
        return;
    }
    if (lane_id() == 0) scratch.page.steps[STEPS] = make_uint4(0, 0, 0, 0);
#pragma unroll
    for (u32 i = 0; i < lz4::TABLE_STEPS / LANES; i++) scratch.table_steps[i * LANES + lane_id()] = make_uint4(0, 0, 0, 0);
    WARP_BARRIER();
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

// tzp (docs/TZP.md) by a warp: a page to its block and back.
//
// The block is, byte for byte, that of src/kernel/tzp_encode.rs, where places, the tables and the rule by which a chunk
// stays with a place are explained; names are the same. What is done otherwise there because a processor does one chunk
// after the other is done here as follows.
//
// - Looking up. A table holds for each hash the last word before the chunk before, so 28 words, seven chunks, are
//   looked up together: what came before them is in the table, and what is among them and the chunk before them is
//   found by comparing hashes within the warp.
// - Counting: a lane for each chunk of a piece of 32, all candidates one after the other.
// - Settling: a quarter of the page for each eight lanes, as there, a lane for each four bytes of its chunk.
// - Writing: all lengths first, so that every lane knows where its bytes go; the block lies where the page was.

#ifndef TZRAM_TZP_CUH
#define TZRAM_TZP_CUH

#include "common.cuh"

namespace tzp {

constexpr u32 CHUNK = 32;
constexpr u32 CHUNKS = PAGE / CHUNK;
constexpr u32 PIECES = CHUNKS / LANES;
// Words of 8 bytes of a chunk.
constexpr u32 WORDS = CHUNK / 8;
constexpr u32 FLAGS = 2 * CHUNKS / 8;
constexpr u32 OFFSET_BIAS = 3;

constexpr u32 SLOTS_LOG = 10;
constexpr u32 SLOTS = 1 << SLOTS_LOG;
constexpr u32 NOWHERE = 3;
// Places: the nearest one, zeros, and the distance of place 0.
constexpr u32 BACK = 254;
constexpr u32 ZERO = 255;
constexpr u32 FARTHEST = CHUNK + 8 * 254;
// Words looked up at a time, and lanes before them with the words of the chunk before.
constexpr u32 STRIDE = LANES - WORDS;

// The sets of bytes that nibbles keep, four to a word, the lowest first.
constexpr u32 KEEP[4] = {0xF8FCFEFF, 0x0080C0F0, 0x88CCCF0F, 0x3FEF01AA};

struct Nibbles {
    u8 of[256];
};

// For each set of equal bytes the first of the nibbles that keep most and none but these.
static __device__ constexpr Nibbles best_nibbles() {
    Nibbles table = {};
    for (u32 equal = 0; equal < 256; equal++) {
        u32 best = 7, most = 0;
        for (u32 nibble = 0; nibble < 16; nibble++) {
            const u32 keep = KEEP[nibble / 4] >> nibble % 4 * 8 & 0xFF;
            u32 kept = 0;
            for (u32 bit = 0; bit < 8; bit++) kept += keep >> bit & 1;
            if ((keep & ~equal) == 0 && kept > most) {
                best = nibble;
                most = kept;
            }
        }
        table.of[equal] = static_cast<u8>(best);
    }
    return table;
}

static __device__ const Nibbles NIBBLES = best_nibbles();

// Which bytes of a chunk four nibbles keep: bit j for byte j.
DEVICE u32 kept_bytes(u32 nibbles) {
    const u32 low = __byte_perm(KEEP[0], KEEP[1], nibbles & 0x7777);
    const u32 high = __byte_perm(KEEP[2], KEEP[3], nibbles & 0x7777);
    return __byte_perm(low, high, 0x3210 | (nibbles & 0x8888) >> 1);
}

// The top bit of each byte that differs.
DEVICE u32 differing_bytes(u32 a, u32 b) {
    const u32 x = a ^ b;
    return (((x & 0x7F7F7F7F) + 0x7F7F7F7F) | x) & 0x80808080;
}

// The sums over the lanes before this one, of four values that are 1024 at most together, and over all lanes.
struct Sums {
    u32 before[PIECES];
    u32 total;
};

// Numbers the bytes of chunks: chunk `lane` of piece p has counts[p].
DEVICE Sums number(const u32 (&counts)[PIECES]) {
    static_assert(PIECES == 4);
    const u32 pairs[2] = {counts[0] | counts[1] << 16, counts[2] | counts[3] << 16};
    Sums sums;
    sums.total = 0;
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        const u32 before = sum_before(pairs[i]);
        const u32 all = __shfl_sync(ALL, before + pairs[i], LANES - 1);
        sums.before[2 * i] = sums.total + (before & 0xFFFF);
        sums.total += all & 0xFFFF;
        sums.before[2 * i + 1] = sums.total + (before >> 16);
        sums.total += all >> 16;
    }
    return sums;
}

// ---- compression ----------------------------------------------------------------------------------------------------

struct __align__(16) Encoder {
    // The page, then its object.
    uint4 page[STEPS];
    u8 table[SLOTS];
    // For each word the place looked up by it.
    u8 places[WORDS * CHUNKS];
    // For each chunk its best candidate: bytes that differ, row (within a pass), place, from bit 16, 8 and 0 on.
    __align__(16) u32 best[CHUNKS];
};

DEVICE u32 hash(u64 word) {
    const u32 low = static_cast<u32>(word), high = static_cast<u32>(word >> 32);
    return (low * 0x9E3779B1 + high * 0x85EBCA6B) >> (32 - SLOTS_LOG);
}

// Looks every word of the chunks from 2 on up by its bytes from bit `shift` on. Chunk 1 gets the nearest place, and so
// does chunk 0, which must not use it. There is a barrier before the page is read.
DEVICE void look_up(Encoder &s, u32 shift) {
    const u32 lane = lane_id();
    const u32 nowhere = NOWHERE * 0x01010101;
    uint4 *table = reinterpret_cast<uint4 *>(s.table);
#pragma unroll
    for (u32 i = 0; i < SLOTS / 16 / LANES; i++)
        table[LANES * i + lane] = make_uint4(nowhere, nowhere, nowhere, nowhere);
    if (lane < 2 * WORDS) s.places[lane] = BACK;
    WARP_BARRIER();
    const u64 *words = reinterpret_cast<const u64 *>(s.page);
    // Lanes before these see nothing among the lanes; each sees what is two chunks or more before it.
    const u32 visible = bits_below(lane / WORDS * WORDS) >> WORDS;
    u32 at = WORDS + lane;
    u32 slot = hash(words[at] >> shift);
    for (u32 step = 0; step < (CHUNKS - 2) * WORDS / STRIDE; step++, at += STRIDE) {
        const u32 alike = __match_any_sync(ALL, slot);
        const u32 seen = alike & visible;
        u32 last = s.table[slot];
        if (seen != 0) last = at - lane + 31 - __clz(seen);
        if (lane >= WORDS) s.places[at] = static_cast<u8>(min((last - at + 2) & 255, BACK));
        const u32 next = hash(words[min(at + STRIDE, WORDS * CHUNKS - 1)] >> shift);
        WARP_BARRIER();
        // Of equal slots the last word stays; the words of the last chunk come with the next step.
        if ((alike & bits_below(STRIDE)) >> lane == 1) s.table[slot] = static_cast<u8>(at);
        WARP_BARRIER();
        slot = next;
    }
}

// The words of a chunk in an order that differs from lane to lane, so that lanes whose places are the same distance
// away read from different banks.
struct Order {
    u32 of[WORDS];
};

DEVICE u32 count_differing(const uint2 (&here)[WORDS], const u8 *there, const Order &order) {
    u32 set = 0;
#pragma unroll
    for (u32 i = 0; i < WORDS; i++) {
        const uint2 word = *reinterpret_cast<const uint2 *>(there + order.of[i]);
        set = set >> 1 | differing_bytes(here[i].x, word.x);
        set = set >> 1 | differing_bytes(here[i].y, word.y);
    }
    return __popc(set);
}

// Compares every chunk with the places that pass number `pass` has looked up, in the first pass with zeros and the
// chunk before it as well. `step` 2 leaves out the places of words 1 and 3.
DEVICE void count_alike(Encoder &s, u32 pass, u32 step) {
    const u8 *page = reinterpret_cast<const u8 *>(s.page);
    const u32 lane = lane_id();
    Order order;
#pragma unroll
    for (u32 i = 0; i < WORDS; i++) order.of[i] = 8 * i ^ (lane / 4 % WORDS * 8);
#pragma unroll 1
    for (u32 piece = 0; piece < PIECES; piece++) {
        const u32 chunk = LANES * piece + lane;
        uint2 here[WORDS];
#pragma unroll
        for (u32 i = 0; i < WORDS; i++) here[i] = *reinterpret_cast<const uint2 *>(page + CHUNK * chunk + order.of[i]);
        // By the nearest place chunk 0 comes to chunk 0, and what it counts there is not looked at.
        const u8 *farthest = page + CHUNK * max(chunk, 1u) - FARTHEST;
        u32 best;
        if (pass == 0) {
            u32 set = 0;
#pragma unroll
            for (u32 i = 0; i < WORDS; i++) {
                set = set >> 1 | differing_bytes(here[i].x, 0);
                set = set >> 1 | differing_bytes(here[i].y, 0);
            }
            best = __popc(set) << 16 | ZERO;
            best = min(best, count_differing(here, farthest + 8 * BACK, order) << 16 | 1 << 8 | BACK);
            if (chunk == 0) best = ZERO;
        } else {
            best = s.best[chunk];
        }
        // Many pieces are as the pieces before them, or zero.
        if (__any_sync(ALL, best >> 16 != 0)) {
            const u32 places = reinterpret_cast<const u32 *>(s.places)[chunk];
#pragma unroll
            for (u32 word = 0; word < WORDS; word++) {
                if (word % 2 == 0 || step == 1) {
                    const u32 place = places >> 8 * word & 0xFF;
                    const u32 differing = count_differing(here, farthest + 8 * place, order);
                    best = min(best, differing << 16 | (2 + word) << 8 | place);
                }
            }
        }
        // Row 0 from here on: a later pass has to be better.
        s.best[chunk] = best & 0xFF00FF;
    }
}

// Decides for every chunk between its best place and that of the chunk before it; to `chosen`.
DEVICE void settle(Encoder &s, u8 *chosen) {
    constexpr u32 PARTS = CHUNK / 4, BLOCK = 8;
    const u32 quarter = lane_id() / PARTS, part = lane_id() % PARTS;
    const u32 mine = quarter | (4 + quarter) << 4;
    const u32 *best = s.best + LANES * quarter;
    const u32 *parts = reinterpret_cast<const u32 *>(s.page) + PARTS * LANES * quarter + part;
    chosen += LANES * quarter;
    u32 now = quarter == 0 ? ZERO : s.best[LANES * quarter - 1] & 0xFF;
    // The prediction of the block's first chunk by the place `now`.
    const u32 *from = parts - FARTHEST / 4 + 2 * now;
#pragma unroll 1
    for (u32 block = 0; block < LANES / BLOCK; block++) {
        u32 here[BLOCK], candidates[BLOCK];
#pragma unroll
        for (u32 i = 0; i < BLOCK; i++) {
            here[i] = parts[PARTS * i];
            candidates[i] = best[i];
        }
#pragma unroll
        for (u32 i = 0; i < BLOCK; i++) {
            u32 there = 0;
            if (now != ZERO) there = from[PARTS * i];
            const u32 differing = here[i] ^ there;
            // The bits of each byte of this step's four chunks, and of these the quarter's own.
            const u32 byte0 = __ballot_sync(ALL, (differing & 0xFF) != 0);
            const u32 byte1 = __ballot_sync(ALL, (differing & 0xFF00) != 0);
            const u32 byte2 = __ballot_sync(ALL, (differing & 0xFF0000) != 0);
            const u32 byte3 = __ballot_sync(ALL, (differing & 0xFF000000) != 0);
            const u32 set = __byte_perm(__byte_perm(byte0, byte1, mine), __byte_perm(byte2, byte3, mine), 0x5410);
            // It may be worse by a byte.
            if (static_cast<u32>(__popc(set)) > (candidates[i] >> 16) + 1) {
                now = candidates[i] & 0xFF;
                from = parts - FARTHEST / 4 + 2 * now;
            }
            if (part == 0) chosen[i] = static_cast<u8>(now);
        }
        from += PARTS * BLOCK;
        parts += PARTS * BLOCK;
        best += BLOCK;
        chosen += BLOCK;
    }
}

// The bytes of an 8-byte word that are equal.
DEVICE u32 equal_bytes(uint2 a, uint2 b) {
    // The bits of the bytes, four apart, are brought together in the upper eight: no two products meet.
    const u32 differing = differing_bytes(a.x, b.x) >> 7 | differing_bytes(a.y, b.y) >> 3;
    return ~(differing * 0x01020408) >> 24;
}

// Writes the literals of a chunk one behind the other.
DEVICE void write_literals(const uint4 (&chunk)[2], u32 literals, u8 *to) {
    const u32 words[8] = {chunk[0].x, chunk[0].y, chunk[0].z, chunk[0].w,
                          chunk[1].x, chunk[1].y, chunk[1].z, chunk[1].w};
#pragma unroll
    for (u32 i = 0; i < CHUNK; i++)
        if (literals >> i & 1) *to++ = static_cast<u8>(words[i / 4] >> i % 4 * 8);
}

DEVICE void load_chunk(const Encoder &s, u32 chunk, uint4 (&to)[2]) {
    to[0] = s.page[2 * chunk];
    to[1] = s.page[2 * chunk + 1];
}

// Writes the object of the page, whose chunks have the places `chosen`, over the page; returns its length, or PAGE if
// it is not shorter, and the page is left then.
DEVICE u32 write_block(Encoder &s, const u8 *chosen) {
    const u32 lane = lane_id();
    u32 nibbles[PIECES], literals[PIECES], counts[PIECES], has_codes[PIECES], new_offset[PIECES];
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        const u32 chunk = LANES * piece + lane;
        const uint2 *here = reinterpret_cast<const uint2 *>(s.page) + WORDS * chunk;
        const u32 place = chosen[chunk];
        const uint2 *there = here + place - FARTHEST / 8;
        u32 codes = 0;
#pragma unroll
        for (u32 i = 0; i < WORDS; i++) {
            uint2 predicted = make_uint2(0, 0);
            if (place != ZERO) predicted = there[i];
            codes |= static_cast<u32>(NIBBLES.of[equal_bytes(here[i], predicted)]) << 4 * i;
        }
        const u32 before = chunk == 0 ? ZERO : chosen[chunk - 1];
        nibbles[piece] = codes;
        literals[piece] = ~kept_bytes(codes);
        counts[piece] = __popc(literals[piece]);
        has_codes[piece] = __ballot_sync(ALL, codes != 0);
        new_offset[piece] = __ballot_sync(ALL, place != before);
    }
    const Sums at = number(counts);
    u32 coded = 0, moved = 0;
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        coded += __popc(has_codes[piece]);
        moved += __popc(new_offset[piece]);
    }
    const u32 length = 1 + at.total + 2 * coded + moved + FLAGS;
    if (length >= PAGE) return PAGE;
    // Where the bytes of the flags are picked from, after the barriers below.
    uint4 *sets = reinterpret_cast<uint4 *>(s.best);
    if (lane == 0) {
        sets[0] = make_uint4(has_codes[0], has_codes[1], has_codes[2], has_codes[3]);
        sets[1] = make_uint4(new_offset[0], new_offset[1], new_offset[2], new_offset[3]);
    }

    // The literals of a piece end at most one byte, the tag, behind the piece, so the next one is loaded before.
    u8 *object = reinterpret_cast<u8 *>(s.page);
    uint4 chunk[2], next[2] = {};
    load_chunk(s, lane, chunk);
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        if (piece + 1 < PIECES) {
            load_chunk(s, LANES * (piece + 1) + lane, next);
            WARP_BARRIER();
        }
        write_literals(chunk, literals[piece], object + 1 + at.before[piece]);
        chunk[0] = next[0];
        chunk[1] = next[1];
    }
    u8 *codes = object + 1 + at.total;
    u8 *offsets = codes + 2 * coded;
    u8 *flags = offsets + moved;
    const u32 below = bits_below(lane);
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        if (has_codes[piece] >> lane & 1) {
            u8 *code = codes + 2 * __popc(has_codes[piece] & below);
            code[0] = static_cast<u8>(nibbles[piece]);
            code[1] = static_cast<u8>(nibbles[piece] >> 8);
        }
        if (new_offset[piece] >> lane & 1)
            offsets[__popc(new_offset[piece] & below)] = static_cast<u8>(ZERO - chosen[LANES * piece + lane]);
        codes += 2 * __popc(has_codes[piece]);
        offsets += __popc(new_offset[piece]);
    }
    flags[lane] = reinterpret_cast<const u8 *>(sets)[lane];
    if (lane == 0) object[0] = TZP;
    return length;
}

// Writes the object of the page in `s`, which is complete after the next barrier, over the page, and returns its
// length: PAGE if it is the page itself. The object is complete after the next barrier. Levels beyond the ends are the
// nearest.
DEVICE u32 compress(Encoder &s, u32 level) {
    constexpr u32 SHIFTS = 0x200010;
    const u32 passes = level <= 2 ? 1 : min(level - 1, 3u);
#pragma unroll 1
    for (u32 pass = 0; pass < passes; pass++) {
        look_up(s, SHIFTS >> 8 * pass & 0xFF);
        count_alike(s, pass, level <= 1 ? 2 : 1);
        WARP_BARRIER();
    }
    // With nothing in common in the first quarter the page is given up.
    const bool alike = lane_id() != 0 && s.best[lane_id()] >> 16 < CHUNK;
    if (__ballot_sync(ALL, alike) == 0) return PAGE;
    u8 *chosen = s.places;
    settle(s, chosen);
    WARP_BARRIER();
    return write_block(s, chosen);
}

// ---- decompression --------------------------------------------------------------------------------------------------

struct __align__(16) Decoder {
    // For each chunk the set of its literals and the place of the first of them in the object; then, for each chunk
    // that needs its prediction, the set, its number and its offset.
    uint2 chunks[CHUNKS];
    // For each set of literals of four bytes what makes the four bytes of the literals and of zeros (4).
    u16 expand[16];
};

// Entry `literals` of Decoder::expand.
DEVICE u32 expansion(u32 literals) {
    u32 selector = 0, next = 0;
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const u32 literal = literals >> i & 1;
        selector |= (literal ? next : 4) << 4 * i;
        next += literal;
    }
    return selector;
}

// Restores the page of the object of `length` bytes, tag included, less than a page; both in shared memory, the object
// complete since the last barrier. Returns whether the block is valid; the page is complete after the next barrier.
DEVICE bool decompress(Decoder &s, const uint4 *object, u32 length, uint4 *to) {
    const u32 lane = lane_id();
    const u8 *bytes = reinterpret_cast<const u8 *>(object);
    const u32 *words = reinterpret_cast<const u32 *>(object);
    if (uniform(length < 1 + FLAGS)) return false;
    u32 flags[2 * PIECES];
    {
        const u32 at = length - FLAGS;
        u32 word = words[at / 4];
#pragma unroll
        for (u32 i = 0; i < 2 * PIECES; i++) {
            // The last one may lie behind the object, and is not needed then.
            const u32 next = words[min(at / 4 + i + 1, (length - 1) / 4)];
            flags[i] = __funnelshift_r(word, next, at % 4 * 8);
            word = next;
        }
    }
    u32 coded = 0, moved = 0;
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        coded += __popc(flags[piece]);
        moved += __popc(flags[PIECES + piece]);
    }
    if (uniform(length < 1 + 2 * coded + moved + FLAGS || (flags[PIECES] & 1) != 0)) return false;
    const u32 literal_count = length - 1 - 2 * coded - moved - FLAGS;

    u32 literals[PIECES], offsets[PIECES], counts[PIECES];
    const u32 below = bits_below(lane);
    const u8 *code = bytes + 1 + literal_count;
    // So that it is the last one that counts.
    const u8 *offset = code + 2 * coded - 1;
    bool beyond = false;
    u32 earlier = 0;
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        const u32 has_codes = flags[piece], new_offset = flags[PIECES + piece];
        u32 nibbles = 0;
        if (has_codes >> lane & 1) {
            const u8 *pair = code + 2 * __popc(has_codes & below);
            nibbles = pair[0] | pair[1] << 8;
        }
        const u32 number = earlier + __popc(new_offset & (below << 1 | 1));
        offsets[piece] = number != 0 ? offset[number] : 0;
        literals[piece] = ~kept_bytes(nibbles);
        counts[piece] = __popc(literals[piece]);
        beyond |= offsets[piece] != 0 && offsets[piece] + OFFSET_BIAS > WORDS * (LANES * piece + lane);
        code += 2 * __popc(has_codes);
        earlier += __popc(new_offset);
    }
    const Sums at = number(counts);
    if (uniform(at.total != literal_count) || __any_sync(ALL, beyond)) return false;

    // The literals, and zeros where the prediction is kept: nothing waits for anything.
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++)
        s.chunks[LANES * piece + lane] = make_uint2(literals[piece], 1 + at.before[piece]);
    if (lane < 16) s.expand[lane] = static_cast<u16>(expansion(lane));
    WARP_BARRIER();
    u32 *page = reinterpret_cast<u32 *>(to);
    const u32 part = lane % 8 * 4;
#pragma unroll 4
    for (u32 i = 0; i < CHUNKS / 4; i++) {
        const uint2 chunk = s.chunks[4 * i + lane / 8];
        const u32 from = chunk.y + __popc(chunk.x & bits_below(part));
        // At most 31 literals of the chunk lie before these, and flags behind all of them.
        const u32 four = __funnelshift_r(words[from / 4], words[from / 4 + 1], from % 4 * 8);
        page[LANES * i + lane] = __byte_perm(four, 0, s.expand[chunk.x >> part & 15]);
    }
    WARP_BARRIER();

    // The predictions, which wait for the chunks before: of the next four chunks that need one as many at a time as do
    // not wait for each other.
    u32 needed = 0;
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        const bool needs = offsets[piece] != 0 && literals[piece] != ALL;
        const u32 set = __ballot_sync(ALL, needs);
        if (needs)
            s.chunks[needed + __popc(set & below)] =
                make_uint2(literals[piece], (LANES * piece + lane) << 8 | offsets[piece]);
        needed += __popc(set);
    }
    WARP_BARRIER();
    for (u32 done = 0; done < needed;) {
        const bool is = done + lane / 8 < needed;
        const uint2 chunk = s.chunks[min(done + lane / 8, needed - 1)];
        const u32 at = CHUNK / 4 * (chunk.y >> 8), from = at - 2 * ((chunk.y & 0xFF) + OFFSET_BIAS);
        // The first of them waits for none: its prediction ends before it.
        const u32 first = __shfl_sync(ALL, at, 0);
        const u32 wait = __ballot_sync(ALL, !is || from + CHUNK / 4 > first);
        const u32 ready = wait == 0 ? LANES : __ffs(wait) - 1;
        if (lane < ready) {
            const u32 keep = s.expand[chunk.x >> part & 15] & 0x4444;
            page[at + lane % 8] = __byte_perm(page[at + lane % 8], page[from + lane % 8], 0x3210 | keep);
        }
        WARP_BARRIER();
        done += ready / 8;
    }
    return true;
}

} // namespace tzp

#endif

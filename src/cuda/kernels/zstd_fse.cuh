// Tables of finite state entropy (RFC 8878, section 4.1), by a warp, and the chains of states.
//
// A table is the predefined one, a preset, the page's own of 64 cells, or none where there is one code only. It is made two
// codes a lane: shares are rounded, and what is left over or missing falls to the code of most cells; a description is what
// each code adds to it. Of the cells, cell p is that of share 3 p: shares are spread in steps of 43, and 3 * 43 is 1 more than
// 2 * 64.
//
// Source: the format's, and our own encoder's (src/kernel/zstd_encode/fse.rs).

#ifndef TZRAM_ZSTD_FSE_CUH
#define TZRAM_ZSTD_FSE_CUH

#include "zstd_presets.cuh"
#include "zstd_scratch.cuh"

namespace zstd {

// Accuracy of a table of the page's own, and least accuracy of a description.
constexpr u32 LOG = 6, MIN_LOG = 5;
// Bytes by which a table of the page's own has to be shorter than a ready-made one, which readers need not build.
constexpr u32 MARGIN = 4, WEIGHTS_MARGIN = 8;
constexpr u32 MODE_PREDEFINED = 0, MODE_RLE = 1, MODE_FSE = 2;

// Predefined distributions (section 3.1.1.3.2.2); -1 is a probability below one.
constexpr int LL_DEFAULT[36] = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1,  2,  2,
                                2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
constexpr int OF_DEFAULT[29] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};
constexpr int ML_DEFAULT[53] = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1, 1,
                                1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  -1, -1, -1, -1, -1, -1, -1};

struct Predefined {
    // Cells of each code.
    u8 cells[STATES];
    // States in the order of codes.
    u8 states[STATES];
};

template <u32 N> __host__ __device__ constexpr Predefined predefined(const int (&shares)[N], u32 log) {
    Predefined made = {};
    const u32 size = 1u << log;
    u8 code_at[STATES] = {};
    u32 high = size;
    for (u32 code = 0; code < N; code++) {
        made.cells[code] = static_cast<u8>(shares[code] < 0 ? 1 : shares[code]);
        if (shares[code] < 0) code_at[--high] = static_cast<u8>(code);
    }
    u32 at = 0;
    for (u32 code = 0; code < N; code++) {
        for (int i = 0; i < shares[code]; i++) {
            code_at[at] = static_cast<u8>(code);
            do at = (at + (size >> 1) + (size >> 3) + 3) % size;
            while (at >= high);
        }
    }
    u32 next = 0;
    for (u32 code = 0; code < N; code++) {
        for (u32 cell = 0; cell < size; cell++) {
            if (code_at[cell] == code) made.states[next++] = static_cast<u8>(cell);
        }
    }
    return made;
}

static __device__ const Predefined PREDEFINED[3] = {predefined(LL_DEFAULT, 6), predefined(OF_DEFAULT, 5),
                                                    predefined(ML_DEFAULT, 6)};

// What lane `kind` knows of the table of its kind, and lane WEIGHTS + 1 of that of lane WEIGHTS.
struct Table {
    u32 mode;
    // States, 0 where no bits are needed; their logarithm.
    u32 size, log;
    // Bytes of its description, or of the one code; 0: predefined.
    u32 described;
    // Bits that the chain of this lane's codes takes, and the state where it ends, which is the first one for a decoder.
    u32 bits, state;
};

// A code that occurs `count` times in 1/256 bits, if it has `cells` of 2^log.
DEVICE u32 cost_of(u32 count, u32 cells, u32 log) { return count != 0 ? count * (log * 256 - log2_of(cells)) : 0; }

// An entry of the encoding table for a code with `cells` cells behind `before` of others. 24 bits: what to add to a state, so
// that its bits from 16 on are how many bits to write; 8 bits, signed: what to add to the shifted state to find the next one.
DEVICE u32 entry_of(u32 cells, u32 before, u32 log) {
    const u32 most = log - log_of((cells - 1) | 1);
    return (before - cells) << 24 | ((most << 16) - (cells << most));
}

// Makes shares of 64 of the counts of a lane's two codes, `total` in all, two codes or more.
DEVICE void normalise(const u32 (&count)[2], u32 total, u32 (&cells)[2]) {
    const u32 scale = (STATES << 20) / total, lane = lane_id();
#pragma unroll
    for (u32 i = 0; i < 2; i++) cells[i] = count[i] != 0 ? max((count[i] * scale + (1 << 19)) >> 20, 1) : 0;
    u32 sum = sum_of_all(cells[0] + cells[1]);
    // The code of most cells makes up for it, or, where that is half of its own, gives one and has another go on.
    while (uniform(sum != STATES)) {
        const u32 top = max_of_all(max(cells[0] << 6 | (2 * lane), cells[1] << 6 | (2 * lane + 1)));
        const u32 change = sum < STATES || top >> 7 > sum - STATES ? STATES - sum : ALL;
#pragma unroll
        for (u32 i = 0; i < 2; i++) cells[i] += 2 * lane + i == top % 64 ? change : 0;
        sum += change;
    }
}

// What a lane's two codes add to the description of a table (section 4.1.1), and how many bits that is; `before` are the cells
// of the codes before.
DEVICE u64 describe(const u32 (&cells)[2], const u32 (&before)[2], u32 &bits) {
    const u32 lane = lane_id();
    const u32 even = __ballot_sync(ALL, cells[0] != 0), odd = __ballot_sync(ALL, cells[1] != 0);
    // The first code behind the last one that occurs before this lane's.
    const u32 occurring = (even | odd) & bits_below(lane), last = log_of(occurring) % LANES;
    u32 next = occurring == 0 ? 0 : 2 * last + 1 + (odd >> last & 1);
    u64 all = 0;
    bits = 0;
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        if (cells[i] == 0) continue;
        // Values up to `left` take `width` bits, the small ones among them one less.
        const u32 left = STATES + 1 - before[i], width = log_of(left) + 1;
        const u32 threshold = 1u << (width - 1), few = 2 * threshold - 1 - left;
        const u32 gap = 2 * lane + i - next;
        if (gap != 0) {
            // No cells for the first of them; then how many more, three at a time.
            const u32 threes = (gap - 1) / 3;
            all |= 1ull << bits;
            bits += width - (1 < few);
            all |= (((1ull << 2 * threes) - 1) | static_cast<u64>((gap - 1) % 3) << 2 * threes) << bits;
            bits += 2 * threes + 2;
        }
        const u32 value = cells[i] + 1, shown = value >= threshold ? value + few : value;
        all |= static_cast<u64>(shown) << bits;
        bits += width - (shown < few);
        next = 2 * lane + i + 1;
    }
    return all;
}

// Writes the states of the page's own table in the order of codes; of each code that occurs, `before` cells are those of the
// codes before.
DEVICE void spread(const u32 (&cells)[2], const u32 (&before)[2], u8 *states) {
    // A bit for each first share of a code.
    u32 low = 0, high = 0;
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        const u64 bit = cells[i] != 0 ? 1ull << before[i] : 0;
        low |= static_cast<u32>(bit);
        high |= static_cast<u32>(bit >> 32);
    }
#pragma unroll
    for (u32 step = LANES / 2; step > 0; step /= 2) {
        low |= __shfl_xor_sync(ALL, low, static_cast<int>(step));
        high |= __shfl_xor_sync(ALL, high, static_cast<int>(step));
    }
    const u64 firsts = static_cast<u64>(high) << 32 | low;
    const u32 below = bits_below(lane_id());
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
        const u32 cell = lane_id() + half * LANES, share = 3 * cell % STATES;
        const u32 first = 63 - static_cast<u32>(__clzll(static_cast<long long>(firsts << (63 - share) >> (63 - share))));
        const u32 same = __match_any_sync(ALL, first);
        u32 rank = ones_of(same & below);
        if (half == 1) {
            // Those in the first half are the others.
            const u64 later = first == 63 ? 0 : firsts >> (first + 1);
            const u32 all = later == 0 ? STATES - first : static_cast<u32>(__ffsll(static_cast<long long>(later)));
            rank += all - ones_of(same);
        }
        states[first + rank] = static_cast<u8>(cell);
    }
}

// Finds the preset that is shortest for the counts of a lane's two codes, and returns what it costs with its description; ALL
// if it lacks a code that occurs. Leaves the cells of the lane's codes. Each lane adds up half of the codes of one preset.
DEVICE u32 cheapest_preset(u32 kind, const u32 (&count)[2], u32 (&cells)[2]) {
    // More than a code that is there may cost.
    constexpr u32 MISSING = 64 << 8;
    const u32 lane = lane_id(), half = lane / PRESETS, before = codes_before(kind);
    static_assert(LANES == 2 * PRESETS, "two halves");
    u32 cost = 0;
#pragma unroll 1
    for (u32 i = 0; uniform(2 * i < codes_of(kind)); i++) {
        const u32 even = __shfl_sync(ALL, count[0], static_cast<int>(i));
        const u32 odd = __shfl_sync(ALL, count[1], static_cast<int>(i));
        // Behind the last code of a kind nothing occurs.
        const u32 have = PRESET_CELLS[min(before + 2 * i + half, ALL_CODES - 1)][lane % PRESETS];
        cost += (half == 0 ? even : odd) * (have != 0 ? LOG * 256 - log2_of(have) : MISSING);
    }
    cost += __shfl_xor_sync(ALL, cost, static_cast<int>(PRESETS)) + (PRESET_BYTES[kind][lane % PRESETS] << 11);
    const u32 best = ~max_of_all(~(cost << 4 | lane % PRESETS));
    bool lacks = false;
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        cells[i] = 2 * lane + i < codes_of(kind) ? PRESET_CELLS[before + 2 * lane + i][best % PRESETS] : 0;
        lacks |= count[i] != 0 && cells[i] == 0;
    }
    return uniform(lacks) ? ALL : best >> 4;
}

// Makes the shortest table of a kind for the counts in `scratch`, `total` in all, complete before the last barrier. It is
// complete after the next one. Weights of one value have no table: then `described` is 0.
DEVICE void make_table(Scratch &scratch, u32 kind, u32 total, Table &mine) {
    const u32 lane = lane_id();
    u32 *entries = scratch.parts.entries + codes_before(kind);
    u32 count[2], cells[2], before[2];
#pragma unroll
    for (u32 i = 0; i < 2; i++) count[i] = 2 * lane + i < codes_of(kind) ? entries[2 * lane + i] : 0;
    Table table = {MODE_PREDEFINED, kind == OF ? 32u : 64u, kind == OF ? 5u : 6u, 0, 0, 0};
    u32 cheapest = ALL;
    if (uniform(kind != WEIGHTS)) {
        u32 cost = 0;
#pragma unroll
        for (u32 i = 0; i < 2; i++) cost += cost_of(count[i], PREDEFINED[kind].cells[2 * lane + i], table.log);
        cheapest = sum_of_all(cost);
    }
    const u32 even = __ballot_sync(ALL, count[0] != 0), odd = __ballot_sync(ALL, count[1] != 0);
    if (uniform(ones_of(even) + ones_of(odd) == 1)) {
        if (cheapest > 8 << 8) {
            table = {MODE_RLE, 0, 0, kind == WEIGHTS ? 0u : 1u, 0, 0};
            const u32 code = even != 0 ? 2 * (__ffs(static_cast<int>(even)) - 1) : 2 * __ffs(static_cast<int>(odd)) - 1;
            if (lane == 0) {
                scratch.parts.descriptions[kind][0] = code;
                scratch.parts.states[kind][0] = 0;
            }
            if (lane == code / 2) entries[code] = 0;
        }
    } else {
        u32 preset[2], bits, at = 0, length = 0, cost = 0;
        u64 described = 0;
        const u32 preset_cost = cheapest_preset(kind, count, preset);
        normalise(count, total, cells);
        // First the page's own, then the one that is taken.
#pragma unroll 1
        for (u32 turn = 0; turn < 2; turn++) {
            before[0] = sum_before(cells[0] + cells[1]);
            before[1] = before[0] + cells[0];
            described = describe(cells, before, bits);
            at = 4 + sum_before(bits);
            length = (__shfl_sync(ALL, at + bits, LANES - 1) + 7) / 8;
            if (turn == 0) {
                cost = sum_of_all(cost_of(count[0], cells[0], LOG) + cost_of(count[1], cells[1], LOG));
                cost += (length + (kind == WEIGHTS ? WEIGHTS_MARGIN : MARGIN)) << 11;
                const bool is_preset = cost >= preset_cost;
                cost = is_preset ? preset_cost : cost;
#pragma unroll
                for (u32 i = 0; i < 2; i++) cells[i] = is_preset ? preset[i] : cells[i];
            }
        }
        if (uniform(cost < cheapest)) {
            table = {MODE_FSE, STATES, LOG, length, 0, 0};
            put_bits(scratch.parts.descriptions[kind], at, described);
            if (lane == 0) put_word(scratch.parts.descriptions[kind], 0, LOG - MIN_LOG);
            spread(cells, before, scratch.parts.states[kind]);
        }
    }
    if (uniform(table.mode == MODE_PREDEFINED)) {
#pragma unroll
        for (u32 i = 0; i < 2; i++) {
            cells[i] = PREDEFINED[kind].cells[2 * lane + i];
            scratch.parts.states[kind][2 * lane + i] = PREDEFINED[kind].states[2 * lane + i];
        }
        before[0] = sum_before(cells[0] + cells[1]);
        before[1] = before[0] + cells[0];
    }
    if (table.mode != MODE_RLE) {
#pragma unroll
        for (u32 i = 0; i < 2; i++) {
            if (count[i] != 0) entries[2 * lane + i] = entry_of(cells[i], before[i], table.log);
        }
    }
    if (min(lane, WEIGHTS) == kind) mine = table;
}

// Goes through the states of `sequences` sequences and `weights` weights, by tables complete before the last barrier, from the
// last code to the first: lanes 0 to 2 take a kind of codes, the next two the weights of even and of odd places. Leaves of
// each code but the last one the bits that it adds, below a 1, complete after the next barrier.
DEVICE void chain(Scratch &scratch, u32 sequences, u32 weights, Table &mine) {
    const u32 lane = lane_id(), kind = min(lane, WEIGHTS), parity = lane - kind;
    const bool is_weights = kind == WEIGHTS;
    if (lane > WEIGHTS + 1 || (is_weights ? weights < 2 : sequences == 0)) return;
    const u16 *codes = is_weights ? scratch.chains.weights : scratch.parts.codes;
    u8 *marks = is_weights ? scratch.chains.weight_marks : scratch.chains.marks[kind];
    const u32 *entries = scratch.parts.entries + codes_before(kind);
    const u8 *states = scratch.parts.states[kind];
    const u32 shift = kind == OF ? OF_AT : kind == ML ? ML_AT : 0, mask = kind == OF || is_weights ? 15 : 63;
    const u32 step = is_weights ? 2 : 1;
    u32 i = is_weights ? weights - 1 - (weights - 1 + parity) % 2 : sequences - 1;
    u32 entry = entries[codes[i] >> shift & mask];
    // Any state of the last code does, and of the last weights those that read bits, as the first one of each does: a reader knows
    // that the weights end by bits that are missing.
    const u32 first = ((entry & 0xFFFFFF) + (1 << 15)) >> 16;
    const u32 shifted = ((first << 16) - (entry & 0xFFFFFF)) >> first;
    u32 state = mine.size + states[shifted + (static_cast<int>(entry) >> 24)];
    // The next entry and the code behind it are asked for early, so that a step waits for nothing but the state.
    u32 sum = 0, ahead = entries[codes[i - min(i, step)] >> shift & mask], code = codes[i - min(i, 2 * step)];
    while (i >= step) {
        i -= step;
        entry = ahead;
        ahead = entries[code >> shift & mask];
        code = codes[i - min(i, 2 * step)];
        const u32 bits = (state + (entry & 0xFFFFFF)) >> 16, one = 1u << bits;
        marks[i] = static_cast<u8>(one | (state & (one - 1)));
        sum += bits;
        state = mine.size + states[(state >> bits) + (static_cast<int>(entry) >> 24)];
    }
    mine.bits = sum;
    mine.state = state;
}

} // namespace zstd

#endif

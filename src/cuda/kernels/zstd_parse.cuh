// The parse of Zstandard: that of lanes.cuh, with the last two distances at more places.
//
// Such a distance costs next to nothing in this format, so that it is taken where four bytes are equal, even if the scan found
// nothing there. A step looks for the last two in the 8 bytes behind the last match, where most matches of real pages begin,
// and for the last one at the next candidate, too.
//
// Source: the parse of our encoder for vectors (src/kernel/zstd_match/lanes.rs).

#ifndef TZRAM_ZSTD_PARSE_CUH
#define TZRAM_ZSTD_PARSE_CUH

#include "zstd_scratch.cuh"

namespace zstd {

using lanes::load32;

// A match: where it begins, what it goes back, and its bytes as far as a step compares them; whether it may go on.
struct Match {
    u32 at, distance, length;
    bool open;
};

// The match at `at`.
DEVICE Match match_at(const u32 *words, u32 at, u32 distance) {
    const u32 there = at - distance;
    const u32 low = load32(words, at), high = load32(words, at + 4);
    const u32 length = lanes::common(low, high, load32(words, there), load32(words, there + 4));
    return {at, distance, length, length == lanes::STEP};
}

// The match of the first four equal bytes in a row of the 8 from `from` on; of length 0 if there are none.
DEVICE Match match_from(const u32 *words, u32 from, u32 distance) {
    const u32 there = from - distance;
    const u32 low = __vcmpeq4(load32(words, from), load32(words, there));
    const u32 high = __vcmpeq4(load32(words, from + 4), load32(words, there + 4));
    const u64 equal = static_cast<u64>(high) << 32 | low, pairs = equal & equal >> 8, fours = pairs & pairs >> 16;
    if (fours == 0) return {from + lanes::STEP, distance, 0, false};
    const u32 skip = static_cast<u32>(__ffsll(static_cast<long long>(fours)) - 1);
    const u64 differing = ~(equal >> skip);
    const u32 run = differing != 0 ? static_cast<u32>(__ffsll(static_cast<long long>(differing)) - 1) : 64;
    return {from + skip / 8, distance, run / 8, skip + run == 64};
}

// Parses this lane's part by what the scan left: as lanes::parse. 8 bytes of the page follow the last candidate.
DEVICE u32 parse(const u32 *words, const u16 *distances, u32 *notes, const u32 (&bits)[lanes::GROUPS], u32 &end) {
    static_assert(lanes::GROUPS == 4, "two words of 64 bits");
    const u32 lane = lane_id(), start = lane * lanes::PART, stop = min(start + lanes::PART + lanes::REACH, PAGE);
    u64 low = bits[0] | static_cast<u64>(bits[1]) << 32, high = bits[2] | static_cast<u64>(bits[3]) << 32;
    // Where the last match ends; the last two distances, at first a guess that leads to a byte of the page.
    u32 from = max(start, 1), first = 1, second = 1, count = 0;
    Match match = {};
    end = 0;
    while (match.open || (low | high) != 0) {
        if (match.open) {
            const Match more = match_at(words, end, match.distance);
            match.length = more.length;
            match.open = more.open;
        } else {
            const u32 next = start + lanes::first_of(low, high);
            match = match_at(words, next, distances[next]);
            const Match again = match_at(words, next, first);
            if (again.length >= match.length) match = again;
            Match early = match_from(words, from, first);
            const Match other = match_from(words, from, second);
            if (other.at < early.at || (other.at == early.at && other.length > early.length)) early = other;
            // A byte earlier saves about a literal, and one that is not earlier saves the distance.
            if (early.length != 0 && early.at <= next + 1 &&
                (early.open || early.length + 2 * (next + 1) + 3 >= match.length + 2 * early.at))
                match = early;
            end = match.at;
        }
        end = min(end + match.length, stop);
        match.open = match.open && end < stop;
        if (!match.open) {
            notes[count * LANES + lane] =
                match.at | match.distance << lanes::DISTANCE_AT | (end - match.at) << lanes::LENGTH_AT;
            count++;
            from = end;
            if (match.distance != first) second = first;
            first = match.distance;
            lanes::drop_before(end - start, low, high);
        }
    }
    lanes::extend<PAGE>(words, count != 0 && end == stop, match.distance, end);
    return count;
}

} // namespace zstd

#endif

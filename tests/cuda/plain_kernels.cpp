// The kernels of src/cuda as plain loops: what a batch means, in a form fast enough for the thousands of runs of a fault test.
// The encoders are simple ones (LZ4: greedy, one candidate; tzp: no references; Zstandard: runs alone); docs/FORMAT.md and
// docs/TZP.md say what they write.

#include <cstdint>
#include <cstring>
#include <vector>

#include "simt_launch.h"

namespace {

constexpr unsigned PAGE = 4096;
using Bytes = std::vector<uint8_t>;

// ---- LZ4 ---------------------------------------------------------------------------------------------------------------
void put_length(Bytes &out, size_t rest) {
    for (; rest >= 255; rest -= 255) out.push_back(255);
    out.push_back(static_cast<uint8_t>(rest));
}

// Literals [from, to), then a match of `length` at `distance`; no match if that is 0.
void put_sequence(Bytes &out, const uint8_t *from, const uint8_t *to, size_t distance, size_t length) {
    size_t literals = static_cast<size_t>(to - from), more = distance ? length - 4 : 0;
    out.push_back(static_cast<uint8_t>((literals < 15 ? literals : 15) << 4 | (more < 15 ? more : 15)));
    if (literals >= 15) put_length(out, literals - 15);
    out.insert(out.end(), from, to);
    if (!distance) return;
    out.push_back(static_cast<uint8_t>(distance));
    out.push_back(static_cast<uint8_t>(distance >> 8));
    if (more >= 15) put_length(out, more - 15);
}

void lz4_encode(const uint8_t *page, Bytes &out) {
    std::vector<int> last(4096, -1);
    const uint8_t *from = page;
    for (unsigned i = 0; i + 12 < PAGE;) {
        uint32_t word;
        std::memcpy(&word, page + i, 4);
        int &place = last[(word * 2654435761u) >> 20], candidate = place;
        place = static_cast<int>(i);
        if (candidate < 0 || std::memcmp(page + candidate, page + i, 4)) {
            i++;
            continue;
        }
        unsigned length = 4;
        while (i + length < PAGE - 5 && page[candidate + length] == page[i + length]) length++;
        put_sequence(out, from, page + i, i - static_cast<unsigned>(candidate), length);
        i += length;
        from = page + i;
    }
    put_sequence(out, from, page + PAGE, 0, 0);
}

bool lz4_decode(const uint8_t *in, const uint8_t *end, uint8_t *page) {
    unsigned at = 0;
    auto length = [&](size_t n) -> long {
        if (n < 15) return static_cast<long>(n);
        for (;;) {
            if (in == end) return -1;
            n += *in;
            if (*in++ != 255) return static_cast<long>(n);
        }
    };
    while (in != end) {
        unsigned token = *in++;
        long literals = length(token >> 4);
        if (literals < 0 || literals > end - in || literals > static_cast<long>(PAGE - at)) return false;
        std::memcpy(page + at, in, static_cast<size_t>(literals));
        in += literals;
        at += static_cast<unsigned>(literals);
        if (in == end) return at == PAGE;
        if (end - in < 2) return false;
        unsigned distance = in[0] | in[1] << 8;
        in += 2;
        long match = length(token & 15);
        if (match < 0 || distance == 0 || distance > at || match + 4 > static_cast<long>(PAGE - at)) return false;
        for (long i = 0; i < match + 4; i++, at++) page[at] = page[at - distance];
    }
    return false;
}

// ---- tzp ---------------------------------------------------------------------------------------------------------------
constexpr uint8_t SETS[16] = {0xFF, 0xFE, 0xFC, 0xF8, 0xF0, 0xC0, 0x80, 0x00, 0x0F, 0xCF, 0xCC, 0x88, 0xAA, 0x01, 0xEF, 0x3F};

void tzp_encode(const uint8_t *page, Bytes &out) {
    Bytes literals, codes;
    uint8_t coded[16] = {}, referring[16] = {};
    for (unsigned chunk = 0; chunk < 128; chunk++) {
        unsigned nibbles[4];
        for (unsigned w = 0; w < 4; w++) {
            const uint8_t *word = page + 32 * chunk + 8 * w;
            unsigned zeros = 0;
            for (unsigned j = 0; j < 8; j++) zeros |= static_cast<unsigned>(word[j] == 0) << j;
            unsigned best = 7;
            for (unsigned n = 0; n < 16; n++)
                if ((SETS[n] & ~zeros) == 0 && __builtin_popcount(SETS[n]) > __builtin_popcount(SETS[best])) best = n;
            nibbles[w] = best;
            for (unsigned j = 0; j < 8; j++)
                if (!(SETS[best] >> j & 1)) literals.push_back(word[j]);
        }
        if (nibbles[0] | nibbles[1] | nibbles[2] | nibbles[3]) {
            coded[chunk / 8] = static_cast<uint8_t>(coded[chunk / 8] | 1u << chunk % 8);
            codes.push_back(static_cast<uint8_t>(nibbles[0] | nibbles[1] << 4));
            codes.push_back(static_cast<uint8_t>(nibbles[2] | nibbles[3] << 4));
        }
    }
    out.insert(out.end(), literals.begin(), literals.end());
    out.insert(out.end(), codes.begin(), codes.end());
    out.insert(out.end(), coded, coded + 16);
    out.insert(out.end(), referring, referring + 16);
}

bool tzp_decode(const uint8_t *in, size_t n, uint8_t *page) {
    if (n < 32 || n > 4095) return false;
    const uint8_t *coded = in + n - 32, *referring = in + n - 16;
    long codes = 0, offsets = 0;
    for (unsigned i = 0; i < 16; i++) {
        codes += 2 * __builtin_popcount(coded[i]);
        offsets += __builtin_popcount(referring[i]);
    }
    long literals = static_cast<long>(n) - 32 - offsets - codes;
    if (literals < 0 || (referring[0] & 1)) return false;
    const uint8_t *literal = in, *literals_end = in + literals, *code = literals_end, *offset = code + codes;
    unsigned v = 0;
    for (unsigned chunk = 0; chunk < 128; chunk++) {
        if (referring[chunk / 8] >> chunk % 8 & 1) v = *offset++;
        if (v && v + 3 > 4 * chunk) return false;
        unsigned nibbles = 0;
        if (coded[chunk / 8] >> chunk % 8 & 1) {
            nibbles = code[0] | static_cast<unsigned>(code[1]) << 8;
            code += 2;
        }
        uint8_t *to = page + 32 * chunk, expected[32] = {};
        if (v) std::memcpy(expected, to - 8 * (v + 3), 32);
        for (unsigned j = 0; j < 32; j++) {
            if (SETS[nibbles >> (j / 8 * 4) & 15] >> j % 8 & 1) {
                to[j] = expected[j];
            } else {
                if (literal == literals_end) return false;
                to[j] = *literal++;
            }
        }
    }
    return literal == literals_end;
}

// ---- Zstandard ---------------------------------------------------------------------------------------------------------
// A frame of one segment; a block that repeats a byte for each run of eight or more, a raw one for what is between two.
void zstd_encode(const uint8_t *page, Bytes &out) {
    out.insert(out.end(), {0x60, 0x00, 0x0F});
    auto block = [&](unsigned from, unsigned to, bool run) {
        unsigned header = static_cast<unsigned>(to == PAGE) | static_cast<unsigned>(run) << 1 | (to - from) << 3;
        for (unsigned i = 0; i < 3; i++) out.push_back(static_cast<uint8_t>(header >> 8 * i));
        out.insert(out.end(), page + from, run ? page + from + 1 : page + to);
    };
    unsigned from = 0, at = 0;
    while (at < PAGE) {
        unsigned end = at + 1;
        while (end < PAGE && page[end] == page[at]) end++;
        if (end - at >= 8) {
            if (from < at) block(from, at, false);
            block(at, end, true);
            from = end;
        }
        at = end;
    }
    if (from < PAGE) block(from, PAGE, false);
}

// ---- objects -----------------------------------------------------------------------------------------------------------
bool repeats(const uint8_t *page, unsigned step) {
    return std::memcmp(page, page + step, PAGE - step) == 0;
}

// The tag is that of the codec: 3, 4 or 5.
Bytes encode(const uint8_t *page, uint8_t tag) {
    if (repeats(page, 1)) return {1, page[0]};
    Bytes object;
    if (repeats(page, 8)) {
        object.push_back(2);
        object.insert(object.end(), page, page + 8);
        return object;
    }
    object.push_back(tag);
    (tag == 3 ? lz4_encode : tag == 4 ? zstd_encode : tzp_encode)(page, object);
    return object;
}

bool decode(const uint8_t *object, size_t length, uint8_t *page) {
    if (length == 0 || length > PAGE) return false;
    if (length == PAGE) {
        std::memcpy(page, object, PAGE);
        return true;
    }
    size_t step = object[0] == 1 ? 1 : 8;
    switch (object[0]) {
    case 1:
    case 2:
        if (length != 1 + step) return false;
        for (unsigned i = 0; i < PAGE; i++) page[i] = object[1 + i % step];
        return true;
    case 3: return lz4_decode(object + 1, object + length, page);
    case 5: return tzp_decode(object + 1, length - 1, page);
    default: return false;
    }
}

template <class T> T parameter(void **params, unsigned index) {
    T value;
    std::memcpy(&value, params[index], sizeof value);
    return value;
}

// Last page first: objects need not lie in the order of their pages.
void compress(void **params, uint8_t tag) {
    auto pages = parameter<const uint8_t *>(params, 0);
    auto objects = parameter<uint8_t *>(params, 3);
    auto table = parameter<uint32_t *>(params, 4), cursor = parameter<uint32_t *>(params, 5);
    for (uint32_t i = parameter<uint32_t>(params, 1); i-- > 0;) {
        Bytes object = encode(pages + size_t{PAGE} * i, tag);
        table[2 * i] = 0;
        table[2 * i + 1] = PAGE;
        if (object.size() >= PAGE) continue;
        table[2 * i] = *cursor;
        table[2 * i + 1] = static_cast<uint32_t>(object.size());
        std::memcpy(objects + *cursor, object.data(), object.size());
        *cursor += static_cast<uint32_t>(object.size() + 15) & ~15u;
    }
}

void decompress(void **params) {
    auto objects = parameter<const uint8_t *>(params, 0);
    auto table = parameter<const uint32_t *>(params, 2);
    auto pages = parameter<uint8_t *>(params, 4);
    auto status = parameter<int32_t *>(params, 5);
    uint32_t bytes = parameter<uint32_t>(params, 1), count = parameter<uint32_t>(params, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = table[2 * i], length = table[2 * i + 1];
        bool within = offset <= bytes && length <= bytes - offset;
        status[i] = within && decode(objects + offset, length, pages + size_t{PAGE} * i) ? 0 : -74;
    }
}

} // namespace

extern "C" const unsigned tzram_block_threads;
const unsigned tzram_block_threads = 0;

extern "C" const char *simt_error(void) {
    return "the grid does not cover the pages";
}

// What a kernel makes of pages; 0: it restores them, or is not there.
static uint8_t tag_of(const char *name) {
    if (!std::strcmp(name, "tzram_compress_lz4")) return 3;
    if (!std::strcmp(name, "tzram_compress_zstd")) return 4;
    return !std::strcmp(name, "tzram_compress_tzp") ? 5 : 0;
}

extern "C" int simt_has_kernel(const char *name) {
    return tag_of(name) != 0 || !std::strcmp(name, "tzram_decompress");
}

// Covers the pages with blocks of 32 threads a page, as the kernels do.
extern "C" int simt_launch(const char *name, unsigned gx, unsigned bx, unsigned shared_bytes, void **params) {
    bool back = !std::strcmp(name, "tzram_decompress");
    uint32_t count = parameter<uint32_t>(params, back ? 3 : 1);
    if (shared_bytes || !simt_has_kernel(name) || uint64_t{gx} * bx / 32 < count) return -1;
    if (back)
        decompress(params);
    else
        compress(params, tag_of(name));
    return 0;
}

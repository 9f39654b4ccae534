/*
 * The comp layer: any buffer into a bare LZ4 block or Zstandard frame and back, at every driver's levels, bounds and
 * short destinations. Usage: comp [FILE.pages...]; without files, generated data. SPDX-License-Identifier: MIT OR
 * Apache-2.0
 */
#include "check.h"

enum { LARGEST = 200000 };

static struct page_set pages;
static struct arena source, target, restored;

static const unsigned int sizes[] = {0,    1,     2,     3,     4,     5,     7,      8,      11,     12,
                                     13,   15,    16,    17,    31,    32,    33,     63,     64,     65,
                                     100,  127,   128,   255,   256,   511,   1000,   4095,   4096,   4097,
                                     8191, 16384, 32768, 65535, 65536, 65537, 100000, 131072, 131073, LARGEST};

/* One buffer there and back, with everything that can be said about lengths. */
static void buffer(struct tzram_comp *tfm, const uint8_t *data, unsigned int len, const char *what) {
    unsigned int bound = tzram_comp_bound(tfm, len), n = bound, back;
    if (!CHECK(bound > 0 && bound < len + len / 100 + 1024, "%s: bound(%u) is %u", what, len, bound)) return;
    uint8_t *src = at_end(source, len), *dst = at_end(target, bound), *to = at_end(restored, len);
    memcpy(src, data, len);
    int rc = tzram_comp_compress(tfm, src, len, dst, &n);
    if (!CHECK(rc == 0 && n >= 1 && n <= bound, "%s: %u bytes: %d, length %u", what, len, rc, n)) return;
    uint8_t *stream = at_end(target, n);
    memmove(stream, dst, n);
    back = len;
    memset(to, 0xA5, len);
    rc = tzram_comp_decompress(tfm, stream, n, to, &back);
    CHECK(rc == 0 && back == len && !memcmp(to, data, len), "%s: %u bytes come back: %d, length %u", what, len, rc,
          back);
    /* Room to spare: the length says how much was written. */
    if (len < LARGEST) {
        uint8_t *roomy = restored.begin;
        back = len + 100;
        roomy[len] = 0x77;
        rc = tzram_comp_decompress(tfm, stream, n, roomy, &back);
        CHECK(rc == 0 && back == len && !memcmp(roomy, data, len),
              "%s: %u bytes come back into more room: %d, length %u", what, len, rc, back);
    }
    if (len > 0) {
        back = len - 1;
        rc = tzram_comp_decompress(tfm, stream, n, at_end(restored, len - 1), &back);
        CHECK(rc == -ENOSPC && back == 0, "%s: %u bytes into one less: %d, length %u", what, len, rc, back);
    }
    /* One byte less than the stream took: refused, or a different stream that fits, which must then be right. */
    unsigned int room = n - 1;
    uint8_t *small = at_end(target, room);
    n = room;
    rc = tzram_comp_compress(tfm, src, len, small, &n);
    if (rc == 0) {
        back = len;
        CHECK(n <= room && tzram_comp_decompress(tfm, small, n, to, &back) == 0 && back == len &&
                  !memcmp(to, data, len),
              "%s: a tight stream is right", what);
    } else {
        CHECK(rc == -ENOSPC && n == 0, "%s: %u bytes into %u: %d, length %u", what, len, room, rc, n);
    }
}

static void driver(const struct tzram_alg *a) {
    const int levels[] = {a->default_level, a->min_level, a->max_level, (a->default_level + a->max_level) / 2};
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        struct tzram_comp *tfm = NULL;
        char what[96];
        int rc = tzram_comp_alloc(a->driver_name, levels[l], TZRAM_BACKEND_AUTO, &tfm);
        if (rc == -EOPNOTSUPP) return; /* not this CPU's, or without a standard stream */
        snprintf(what, sizeof what, "%s level %d", a->driver_name, levels[l]);
        if (!CHECK(rc == 0, "%s: %d", what, rc)) continue;
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            /* The slowest levels on the largest buffers would be most of the time of this program. */
            unsigned repeats = sizes[s] > 70000 ? (l ? 1 : 2) : sizes[s] > 5000 ? 3 : 8;
            for (unsigned r = 0; r < repeats; r++) {
                size_t span = pages.bytes - sizes[s];
                buffer(tfm, pages.data + (span ? (size_t)rnd() * 4096 % span : 0), sizes[s], what);
            }
        }
        static uint8_t flat[LARGEST];
        memset(flat, 'x', sizeof flat);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) buffer(tfm, flat, sizes[s], what);
        for (size_t i = 0; i < sizeof flat; i++) flat[i] = (uint8_t)rnd();
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) buffer(tfm, flat, sizes[s], what);
        tzram_comp_free(tfm);
    }
}

static void bounds(const char *name) {
    struct tzram_comp *tfm = NULL;
    if (!CHECK(tzram_comp_alloc(name, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "%s", name)) return;
    unsigned int last = 0;
    for (unsigned int len = 0; len < 300000; len += 1 + len / 7) {
        unsigned int b = tzram_comp_bound(tfm, len);
        CHECK(b >= len && b >= last && b > 0, "%s: bound(%u) is %u, after %u", name, len, b, last);
        last = b;
    }
    CHECK(tzram_comp_bound(tfm, (unsigned int)INT_MAX + 1) == 0, "%s: no bound above INT_MAX", name);
    tzram_comp_free(tfm);
}

static void streams_have_the_standard_shape(void) {
    static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
    static uint8_t out[512];
    struct tzram_comp *tfm = NULL;
    unsigned int n = sizeof out;
    if (CHECK(tzram_comp_alloc("zstd", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "zstd")) {
        CHECK(tzram_comp_compress(tfm, (const uint8_t *)"hello, hello, hello", 19, out, &n) == 0 && n > 6, "zstd");
        CHECK(!memcmp(out, magic, 4), "a frame begins with the magic number");
        /* Descriptor: single segment (bit 5), no checksum (bit 2), no dictionary (bits 0 and 1); then one byte of
         * content size. */
        CHECK((out[4] & 0x04) == 0 && (out[4] & 0x03) == 0, "no checksum, no dictionary: %#x", out[4]);
        CHECK((out[4] & 0x20) && (out[4] & 0xC0) == 0 && out[5] == 19, "the content size is in the frame");
        tzram_comp_free(tfm);
    }
    if (CHECK(tzram_comp_alloc("lz4", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "lz4")) {
        n = sizeof out;
        CHECK(tzram_comp_compress(tfm, out, 0, out + 256, &n) == 0 && n == 1 && out[256] == 0,
              "LZ4 of nothing is one zero token");
        static const uint8_t block[] = {0x12, 'a', 1,   0,   0x50,
                                        'a',  'a', 'b', 'c', 'd'}; /* a, 6 bytes at offset 1, then 5 literals */
        n = 100;
        CHECK(tzram_comp_decompress(tfm, block, sizeof block, out, &n) == 0 && n == 12 &&
                  !memcmp(out, "aaaaaaaaabcd", 12),
              "a block written by hand: length %u", n);
        tzram_comp_free(tfm);
    }
}

static void tzp_has_no_standard_stream(void) {
    struct tzram_comp *tfm = NULL;
    int rc = tzram_comp_alloc("tzp", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm);
    if (tzram_has_comp("tzp")) CHECK(rc == -EOPNOTSUPP, "tzp: %d", rc);
    else CHECK(rc == -EOPNOTSUPP || rc == -ENOENT, "tzp, not in this build: %d", rc);
    CHECK(!tfm, "*out is NULL after a failure");
}

int main(int argc, char **argv) {
    pages = load_pages(argc, argv, 256);
    if (pages.bytes < LARGEST) give_up("too few pages");
    source = arena_make(LARGEST);
    target = arena_make(LARGEST + LARGEST / 100 + 1024);
    restored = arena_make(LARGEST);
    for (size_t i = 0; i < tzram_alg_count(); i++) {
        struct tzram_alg a;
        if (CHECK(get_alg(i, &a) == 0, "alg_get(%zu)", i)) driver(&a);
    }
    bounds("lz4");
    bounds("zstd");
    streams_have_the_standard_shape();
    tzp_has_no_standard_stream();
    return summary();
}

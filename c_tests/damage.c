/*
 * Damaged objects and streams, each ending at a guard page, decoded into memory between guard pages: an error or some
 * content, never a crash, and the handle works on. Usage: damage [FILE.pages...] SPDX-License-Identifier: MIT OR
 * Apache-2.0
 */
#include "check.h"

static struct page_set pages;
static struct arena input, output; /* as large as one unit, so that the guard pages touch both ends of the output */

/* Decodes the object at the end of the input. What a damaged tag may ask for is a dictionary, hence -ESTALE. */
static int decode(struct tzram_ctx *ctx, const uint8_t *object, unsigned int len, uint32_t unit, const char *what) {
    struct tzram_page_info info;
    uint8_t *at = at_end(input, len);
    if (len) memcpy(at, object, len);
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    int told = tzram_page_info(ctx, at, len, &info);
    CHECK(told == 0 || told == -EBADMSG, "%s: page_info: %d", what, told);
    int rc = tzram_decompress_page(ctx, at, len, at_end(output, unit));
    CHECK(rc == 0 || rc == -EBADMSG || rc == -ESTALE, "%s: %d", what, rc);
    CHECK(told == 0 || rc == -EBADMSG, "%s: page_info says damaged, and decompress_page %d", what, rc);
    return rc;
}

static void mutate(uint8_t *p, unsigned int len) {
    switch (rnd() % 5) {
    case 0:
        p[rnd() % len] ^= (uint8_t)(1u << (rnd() % 8));
        break;
    case 1:
        p[rnd() % len] = 0xFF;
        p[rnd() % len] = (uint8_t)rnd();
        break;
    case 2:
        for (int i = 0; i < 8; i++) p[rnd() % len] = (uint8_t)rnd();
        break;
    case 3: /* a run of one value: long lengths, in LZ4 and in sequences */
        memset(p + rnd() % len / 2, rnd() % 2 ? 0xFF : 0, len / 4 + 1);
        break;
    default: /* pieces in another order */
        memmove(p + rnd() % (len / 2 + 1), p + rnd() % (len / 2 + 1), len / 2);
    }
}

static void still_works(struct tzram_ctx *ctx, const uint8_t *page, uint32_t unit, const char *what) {
    static uint8_t object[65536];
    unsigned int n = unit;
    CHECK(tzram_compress_page(ctx, page, object, &n) == 0 &&
              tzram_decompress_page(ctx, object, n, at_end(output, unit)) == 0 &&
              !memcmp(at_end(output, unit), page, unit),
          "%s: the context works after damage", what);
}

static void objects(const char *alg, uint32_t unit, int backend) {
    static uint8_t object[65536], copy[65536];
    struct tzram_ctx *ctx = NULL;
    char what[64];
    unsigned long refused = 0, cut = 0, misread = 0;
    size_t count = pages.bytes / unit, stride = count > 48 ? count / 48 : 1;
    snprintf(what, sizeof what, "%s, unit %u, backend %d", alg, (unsigned)unit, backend);
    if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, backend, unit, NULL, &ctx) == 0, "%s", what)) return;
    input = arena_make(unit);
    output = arena_make(unit);
    for (size_t i = 0; i < count; i += stride) {
        const uint8_t *page = pages.data + i * unit;
        unsigned int n = unit;
        if (!CHECK(tzram_compress_page(ctx, page, object, &n) == 0, "%s", what) || n == unit) continue;
        /* Cut short anywhere: LZ4 and Zstandard cannot make the whole page of a part. A part of a tzp block, whose flags come
           last, is a block of another page if all its counts happen to agree (docs/TZP.md). */
        unsigned int step = n > 600 ? n / 300 : 1;
        for (unsigned int len = 0; len < n; len += step, cut++) {
            int err = decode(ctx, object, len, unit, what);
            CHECK(err != 0 || object[0] == 5, "%s: %u of %u bytes", what, len, n);
            misread += err == 0;
        }
        /* Every bit of the first bytes, where tag, sizes and tables are, then anything anywhere. */
        for (unsigned int bit = 0; bit < 8 * (n < 48 ? n : 48); bit++) {
            memcpy(copy, object, n);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            refused += decode(ctx, copy, n, unit, what) != 0;
        }
        for (int k = 0; k < 400; k++) {
            memcpy(copy, object, n);
            mutate(copy, n);
            unsigned int len = rnd() % 4 ? n : rnd() % n;
            refused += decode(ctx, copy, len, unit, what) != 0;
        }
        still_works(ctx, page, unit, what);
    }
    CHECK(refused > 0, "%s: damage is noticed at least sometimes", what);
    CHECK(misread * 1000 <= cut, "%s: %lu of %lu parts of objects taken for whole ones", what, misread, cut);
    /* Noise behind every tag there can be. */
    for (unsigned tag = 0; tag < 256; tag++) {
        for (int k = 0; k < 40; k++) {
            unsigned int len = 1 + rnd() % (k % 2 ? 32 : unit - 1);
            for (unsigned int i = 1; i < len; i++) copy[i] = (uint8_t)(k % 3 ? rnd() : rnd() & rnd() & rnd());
            copy[0] = (uint8_t)tag;
            decode(ctx, copy, len, unit, what);
        }
    }
    still_works(ctx, pages.data, unit, what);
    munmap(input.begin, (size_t)(input.end - input.begin));
    munmap(output.begin, (size_t)(output.end - output.begin));
    tzram_ctx_destroy(ctx);
}

/* The stream at the end of the input into `room` bytes. Sizes and a dictionary id may be what is damaged: -ENOSPC,
 * -ESTALE. */
static int decode_stream(struct tzram_comp *tfm, const uint8_t *stream, unsigned int len, unsigned int room,
                         const char *what) {
    uint8_t *at = at_end(input, len);
    unsigned int n = room;
    if (len) memcpy(at, stream, len);
    int rc = tzram_comp_decompress(tfm, at, len, at_end(output, room), &n);
    CHECK(rc == 0 || rc == -EBADMSG || rc == -ENOSPC || rc == -ESTALE, "%s: %d", what, rc);
    CHECK(rc == 0 ? n <= room : n == 0, "%s: %d, length %u", what, rc, n);
    return rc;
}

static void streams(const char *name, unsigned int size) {
    static uint8_t stream[300000], copy[300000];
    struct tzram_comp *tfm = NULL;
    char what[64];
    unsigned long refused = 0;
    snprintf(what, sizeof what, "%s stream of %u bytes", name, size);
    int rc = tzram_comp_alloc(name, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm);
    if (rc == -ENOENT || rc == -EOPNOTSUPP) {
        skipped(name, "not in this build");
        return;
    }
    if (!CHECK(rc == 0, "%s: %d", what, rc)) return;
    input = arena_make(sizeof stream);
    output = arena_make(size);
    size_t count = pages.bytes / size, stride = count > 32 ? count / 32 : 1;
    for (size_t i = 0; i < count; i += stride) {
        unsigned int n = sizeof stream;
        if (!CHECK(tzram_comp_compress(tfm, pages.data + i * size, size, stream, &n) == 0 && n > 1, "%s", what))
            continue;
        unsigned int step = n > 200 ? n / 100 : 1;
        for (unsigned int len = 0; len < n; len += step) {
            unsigned int back = size;
            uint8_t *at = at_end(input, len);
            if (len) memcpy(at, stream, len);
            rc = tzram_comp_decompress(tfm, at, len, at_end(output, size), &back);
            /* A block of LZ4 that is cut between two sequences is a shorter block, and no bytes are no frame. */
            CHECK(rc == 0 ? back < size : (rc == -EBADMSG || rc == -ENOSPC) && back == 0,
                  "%s: %u of %u bytes: %d, length %u", what, len, n, rc, back);
        }
        for (int k = 0; k < 300; k++) {
            memcpy(copy, stream, n);
            if (k < 160) copy[k / 8 < (int)n ? k / 8 : 0] ^= (uint8_t)(1u << k % 8);
            else mutate(copy, n);
            unsigned int len = k % 4 ? n : 1 + rnd() % n, room = k % 5 ? size : rnd() % size;
            refused += decode_stream(tfm, copy, len, room, what) != 0;
        }
        unsigned int back = size;
        CHECK(tzram_comp_decompress(tfm, stream, n, at_end(output, size), &back) == 0 && back == size &&
                  !memcmp(at_end(output, size), pages.data + i * size, size),
              "%s: the handle works after damage", what);
    }
    CHECK(refused > 0, "%s: damage is noticed at least sometimes", what);
    for (int k = 0; k < 4000; k++) {
        unsigned int len = rnd() % 300;
        for (unsigned int i = 0; i < len; i++) copy[i] = (uint8_t)rnd();
        if (len > 6 && k % 2) memcpy(copy, "\x28\xB5\x2F\xFD", 4);
        decode_stream(tfm, copy, len, k % 3 ? size : rnd() % size, what);
    }
    munmap(input.begin, (size_t)(input.end - input.begin));
    munmap(output.begin, (size_t)(output.end - output.begin));
    tzram_comp_free(tfm);
}

int main(int argc, char **argv) {
    static const char *const algs[] = {"adaptive", "lz4", "zstd", "tzp"}, *const names[] = {"lz4", "zstd",
                                                                                            "zstd-libzstd"};
    pages = load_pages(argc, argv, 256);
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) {
        if (!tzram_has_comp(algs[i])) continue;
        for (int b = TZRAM_BACKEND_SCALAR; b <= TZRAM_BACKEND_AVX512; b++)
            if (tzram_backend_supported(b)) objects(algs[i], 4096, b);
        objects(algs[i], 65536, TZRAM_BACKEND_AUTO);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        streams(names[i], 4096);
        streams(names[i], 100000);
    }
    return summary();
}

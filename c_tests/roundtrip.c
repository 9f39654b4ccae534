/*
 * Pages there and back: every algorithm, level and unit size, between guard pages, at odd addresses, in memory of the
 * caller's without any allocation; same-filled and raw pages; page_info, statistics and batches. Usage: roundtrip
 * [FILE.pages...]; without files, generated pages. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "interpose.h"

static struct page_set pages;
static struct arena source, target, restored;

static const uint32_t units[] = {4096, 8192, 16384, 32768, 65536};

/* One page through two contexts, everything ending at guard pages (or beginning there when `low`). Returns the object's
 * length, or 0. */
static unsigned int round_trip(struct tzram_ctx *writer, struct tzram_ctx *reader, const uint8_t *page, uint32_t unit,
                               int low) {
    uint8_t *src = low ? source.begin : at_end(source, unit), *dst = low ? target.begin : at_end(target, unit);
    unsigned int n = unit;
    memcpy(src, page, unit);
    int rc = tzram_compress_page(writer, src, dst, &n);
    if (!CHECK(rc == 0 && n >= 1 && n <= unit, "compress: %d, length %u", rc, n)) return 0;
    uint8_t *object = low ? dst : at_end(target, n);
    memmove(object, dst, n);
    uint8_t *to = low ? restored.begin : at_end(restored, unit);
    memset(to, 0xA5, unit);
    rc = tzram_decompress_page(reader, object, n, to);
    if (!CHECK(rc == 0, "decompress: %d", rc) || !CHECK(!memcmp(to, page, unit), "the page came back the same"))
        return 0;
    CHECK(!memcmp(src, page, unit), "the source is only read");
    return n;
}

/* A driver at every level and unit size over a share of the pages; the objects are read by an adaptive context on the
 * scalar backend. */
static void every_level_and_unit(const struct tzram_alg *a) {
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        struct tzram_ctx *other = NULL;
        if (!CHECK(make_ctx("adaptive", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_SCALAR, units[u], NULL, &other) == 0,
                   "adaptive, scalar"))
            return;
        /* Long ranges of levels (accelerations) are stepped through, ends and default included. */
        long step = (long)a->max_level - a->min_level > 40 ? ((long)a->max_level - a->min_level) / 20 : 1;
        for (long level = a->min_level; level <= a->max_level; level += step) {
            struct tzram_ctx *ctx = NULL;
            int rc = make_ctx(a->driver_name, (int)level, TZRAM_BACKEND_AUTO, units[u], NULL, &ctx);
            if (rc == -EOPNOTSUPP && !ctx) break; /* not this CPU's, or no driver of pages */
            if (!CHECK(rc == 0, "%s level %ld, unit %u: %d", a->driver_name, level, (unsigned)units[u], rc)) continue;
            size_t count = pages.bytes / units[u], stride = count > 24 ? count / 24 : 1;
            unsigned long failed = checks_failed;
            for (size_t i = 0; i < count; i += stride)
                round_trip(ctx, other, pages.data + i * units[u], units[u], (int)(i & 1));
            if (checks_failed != failed)
                printf("     in %s level %ld, unit %u\n", a->driver_name, level, (unsigned)units[u]);
            tzram_ctx_destroy(ctx);
            if (level != a->max_level && level + step > a->max_level) level = a->max_level - step;
        }
        tzram_ctx_destroy(other);
    }
}

static void every_page_at_the_default_level(const char *alg) {
    for (int b = TZRAM_BACKEND_AUTO; b <= TZRAM_BACKEND_AVX512; b++) {
        struct tzram_ctx *ctx = NULL;
        size_t in = 0, out = 0;
        if (b != TZRAM_BACKEND_AUTO && !tzram_backend_supported(b)) continue;
        if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, b, 4096, NULL, &ctx) == 0, "%s, backend %d", alg, b)) continue;
        for (size_t at = 0; at + 4096 <= pages.bytes; at += 4096) {
            out += round_trip(ctx, ctx, pages.data + at, 4096, 0);
            in += 4096;
        }
        CHECK(out < in - in / 10, "%s, backend %d: memory compresses: %zu bytes to %zu", alg, b, in, out);
        tzram_ctx_destroy(ctx);
    }
}

static void no_buffer_needs_alignment(const char *alg) {
    struct tzram_ctx *ctx = NULL;
    static uint8_t src[4096 + 64], dst[4096 + 64], back[4096 + 64];
    if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx) == 0, "%s", alg)) return;
    for (unsigned kind = 0; kind < 8; kind++) {
        for (unsigned shift = 0; shift < 64; shift += 1 + shift % 3) {
            unsigned int n = 4096, to = (shift * 7 + 1) % 64, from = (shift * 3 + 5) % 64;
            memset(back, 0xA5, sizeof back);
            memset(dst, 0x3C, sizeof dst);
            generate_page(src + shift, kind);
            CHECK(tzram_compress_page(ctx, src + shift, dst + to, &n) == 0, "%s, source at %u, destination at %u", alg,
                  shift, to);
            CHECK((to == 0 || dst[to - 1] == 0x3C) && dst[to + 4096] == 0x3C, "%s writes only its bytes", alg);
            CHECK(tzram_decompress_page(ctx, dst + to, n, back + from) == 0 && !memcmp(back + from, src + shift, 4096),
                  "%s, kind %u, shift %u", alg, kind, shift);
            CHECK((from == 0 || back[from - 1] == 0xA5) && back[from + 4096] == 0xA5, "%s writes one page", alg);
        }
    }
    tzram_ctx_destroy(ctx);
}

static int info_of(struct tzram_ctx *ctx, const uint8_t *object, unsigned int n, struct tzram_page_info *info) {
    memset(info, 0, sizeof *info);
    info->struct_size = sizeof *info;
    return tzram_page_info(ctx, object, n, info);
}

static void same_filled_pages_take_2_or_9_bytes(const char *alg, uint32_t unit) {
    struct tzram_ctx *ctx = NULL;
    struct tzram_page_info info;
    uint8_t *src = at_end(source, unit), *dst = at_end(target, unit), *to = at_end(restored, unit);
    unsigned int n;
    if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, unit, NULL, &ctx) == 0, "%s", alg)) return;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t fill = byte * (uint64_t)0x0101010101010101u;
        memset(src, (int)byte, unit);
        n = unit;
        CHECK(tzram_compress_page(ctx, src, dst, &n) == 0 && n == 2,
              "%s, unit %u: a page of byte %u is 2 bytes, not %u", alg, (unsigned)unit, byte, n);
        memset(to, ~(int)byte, unit);
        CHECK(info_of(ctx, dst, n, &info) == 0 && info.codec == TZRAM_CODEC_SAME_FILLED && info.fill == fill &&
                  info.page_len == unit,
              "info of byte %u", byte);
        CHECK(tzram_decompress_page(ctx, dst, n, to) == 0 && !memcmp(src, to, unit), "byte %u comes back", byte);
    }
    for (unsigned k = 0; k < 64; k++) {
        uint64_t word = ((uint64_t)rnd() << 32 | rnd()) & (k % 2 ? (uint64_t)0xFF00 : ~(uint64_t)0);
        if (word == (word & 0xFF) * (uint64_t)0x0101010101010101u) continue;
        for (uint32_t i = 0; i < unit; i += 8) memcpy(src + i, &word, 8);
        n = unit;
        CHECK(tzram_compress_page(ctx, src, dst, &n) == 0 && n == 9, "%s: a page of one word is 9 bytes, not %u", alg,
              n);
        CHECK(info_of(ctx, dst, n, &info) == 0 && info.codec == TZRAM_CODEC_SAME_FILLED && info.fill == word,
              "info of a word");
        memset(to, 0xA5, unit);
        CHECK(tzram_decompress_page(ctx, dst, n, to) == 0 && !memcmp(src, to, unit), "the word comes back");
        /* One other byte anywhere, and the page is not same-filled. */
        uint32_t at = k == 0 ? 0 : k == 1 ? unit - 1 : k == 2 ? 8 : rnd() % unit;
        src[at] ^= (uint8_t)(1u << (k % 8));
        n = unit;
        CHECK(tzram_compress_page(ctx, src, dst, &n) == 0 && info_of(ctx, dst, n, &info) == 0 &&
                  info.codec != TZRAM_CODEC_SAME_FILLED,
              "%s: byte %u is another", alg, (unsigned)at);
        CHECK(tzram_decompress_page(ctx, dst, n, to) == 0 && !memcmp(src, to, unit),
              "byte %u that is another comes back", (unsigned)at);
    }
    tzram_ctx_destroy(ctx);
}

static void an_incompressible_page_is_stored_as_it_is(const char *alg, uint32_t unit) {
    struct tzram_ctx *ctx = NULL;
    struct tzram_page_info info;
    uint8_t *src = at_end(source, unit), *dst = at_end(target, unit), *to = at_end(restored, unit);
    if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, unit, NULL, &ctx) == 0, "%s", alg)) return;
    for (uint32_t i = 0; i < unit; i++) src[i] = (uint8_t)rnd();
    unsigned int n = unit;
    CHECK(tzram_compress_page(ctx, src, dst, &n) == 0 && n == unit && !memcmp(src, dst, unit), "%s, unit %u: length %u",
          alg, (unsigned)unit, n);
    CHECK(info_of(ctx, dst, n, &info) == 0 && info.codec == TZRAM_CODEC_RAW && info.page_len == unit,
          "info of a raw page");
    CHECK(tzram_decompress_page(ctx, dst, unit, to) == 0 && !memcmp(src, to, unit), "a raw page comes back");
    /* Whatever its first byte is: the length alone says raw. */
    for (unsigned tag = 0; tag < 256; tag++) {
        dst[0] = (uint8_t)tag;
        CHECK(info_of(ctx, dst, unit, &info) == 0 && info.codec == TZRAM_CODEC_RAW,
              "info of a raw page that begins with %u", tag);
        CHECK(tzram_decompress_page(ctx, dst, unit, to) == 0 && !memcmp(dst, to, unit),
              "a raw page that begins with %u", tag);
    }
    tzram_ctx_destroy(ctx);
}

static void page_info_names_the_codec(void) {
    static const struct {
        const char *alg;
        int codec;
    } known[] = {{"lz4", TZRAM_CODEC_LZ4}, {"zstd", TZRAM_CODEC_ZSTD}, {"tzp", TZRAM_CODEC_TZP}};
    static uint8_t page[4096], object[4096];
    generate_page(page, 0);
    for (size_t i = 0; i < 3; i++) {
        struct tzram_ctx *ctx = NULL;
        struct tzram_page_info info;
        unsigned int n = 4096;
        if (!tzram_has_comp(known[i].alg)) {
            skipped(known[i].alg, "not in this build");
            continue;
        }
        if (!CHECK(make_ctx(known[i].alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx) == 0, "%s",
                   known[i].alg))
            continue;
        CHECK(tzram_compress_page(ctx, page, object, &n) == 0 && n < 4096, "%s: text compresses: %u", known[i].alg, n);
        CHECK(info_of(ctx, object, n, &info) == 0 && info.codec == known[i].codec && info.page_len == 4096,
              "%s: codec %d", known[i].alg, info.codec);
        tzram_ctx_destroy(ctx);
    }
}

static void stats_of(struct tzram_ctx *ctx, struct tzram_stats *s) {
    memset(s, 0, sizeof *s);
    s->struct_size = sizeof *s;
    CHECK(tzram_ctx_stats(ctx, s) == 0, "ctx_stats");
}

static void statistics_count_what_was_done(void) {
    struct tzram_ctx *ctx = NULL;
    struct tzram_stats s;
    static uint8_t page[4096], object[4096], back[4096];
    uint64_t out = 0, by_codec[8], bytes[8], in_pages = 0;
    unsigned int n;
    memset(by_codec, 0, sizeof by_codec);
    memset(bytes, 0, sizeof bytes);
    if (!CHECK(tzram_ctx_create(NULL, &ctx) == 0, "a context")) return;
    stats_of(ctx, &s);
    CHECK(s.pages_in == 0 && s.pages_out == 0 && s.bytes_in == 0 && s.bytes_out == 0 && s.compress_errors == 0 &&
              s.decompress_errors == 0,
          "they begin at zero");
    for (unsigned kind = 0; kind < 9; kind++) {
        struct tzram_page_info info;
        if (kind == 8) memset(page, 9, 4096);
        else generate_page(page, kind);
        n = 4096;
        if (!CHECK(tzram_compress_page(ctx, page, object, &n) == 0 && info_of(ctx, object, n, &info) == 0, "kind %u",
                   kind))
            continue;
        in_pages++;
        out += n;
        by_codec[info.codec & 7]++;
        bytes[info.codec & 7] += n;
        CHECK(tzram_decompress_page(ctx, object, n, back) == 0, "kind %u", kind);
    }
    n = 0;
    CHECK(tzram_compress_page(ctx, page, object, &n) == -ENOSPC, "an error of compression");
    CHECK(tzram_decompress_page(ctx, object, 0, back) == -EBADMSG, "an error of decompression");
    CHECK(tzram_decompress_page(ctx, object, 0, back) == -EBADMSG, "and another");
    stats_of(ctx, &s);
    CHECK(s.pages_in == in_pages && s.pages_out == in_pages && s.bytes_in == in_pages * 4096 && s.bytes_out == out,
          "totals");
    CHECK(s.compress_errors == 1 && s.decompress_errors == 2, "errors: %lu and %lu", (unsigned long)s.compress_errors,
          (unsigned long)s.decompress_errors);
    for (int c = 0; c < 8; c++)
        CHECK(s.pages_by_codec[c] == by_codec[c] && s.bytes_by_codec[c] == bytes[c], "codec %d", c);
    CHECK(by_codec[TZRAM_CODEC_RAW] >= 1 && by_codec[TZRAM_CODEC_SAME_FILLED] == 1,
          "raw and same-filled pages were among them");
    tzram_ctx_stats_reset(ctx);
    stats_of(ctx, &s);
    CHECK(s.pages_in == 0 && s.pages_out == 0 && s.bytes_in == 0 && s.bytes_out == 0 && s.compress_errors == 0 &&
              s.decompress_errors == 0,
          "reset");
    tzram_ctx_destroy(ctx);
}

static void a_context_in_memory_of_the_caller_allocates_nothing(const char *alg, uint32_t unit) {
    struct tzram_params p;
    struct tzram_ctx *ctx = NULL;
    tzram_params_init(&p);
    p.alg = alg;
    p.page_size = unit;
    size_t size = tzram_ctx_size(&p);
    if (!CHECK(size > 0, "ctx_size of %s, unit %u", alg, (unsigned)unit)) return;
    struct arena mem = arena_make(size + 64);
    static const size_t shifts[] = {0, 1, 8, 33};
    /* The end of the memory is the guard page, so a context that is larger than it says crashes. */
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        uint8_t *at = mem.end - size - shifts[i];
        memset(mem.begin, 0xEE, (size_t)(mem.end - mem.begin));
        unsigned long before = allocations;
        int rc = tzram_ctx_init(at, size, &p, &ctx);
        CHECK(rc == 0, "ctx_init of %s, unit %u, %zu bytes before the guard page: %d", alg, (unsigned)unit, shifts[i],
              rc);
        if (rc) continue;
        for (size_t k = 0; k + unit <= pages.bytes && k < 64 * (size_t)unit; k += unit)
            round_trip(ctx, ctx, pages.data + k, unit, 0);
        tzram_ctx_stats_reset(ctx);
        tzram_ctx_destroy(ctx); /* gives nothing back: the memory is ours */
        CHECK(allocations == before, "%s: %lu allocations", alg, allocations - before);
        for (size_t k = 0; k < shifts[i]; k++) CHECK(at[size + k] == 0xEE, "%s wrote past the memory given", alg);
        CHECK(at == mem.begin || at[-1] == 0xEE, "%s wrote before the memory given", alg);
    }
    munmap(mem.begin, (size_t)(mem.end - mem.begin));
}

static void pages_of_a_created_context_allocate_nothing(const char *alg) {
    struct tzram_ctx *ctx = NULL;
    if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx) == 0, "%s", alg)) return;
    unsigned long before = allocations;
    for (size_t k = 0; k + 4096 <= pages.bytes && k < 256 * 4096; k += 4096)
        round_trip(ctx, ctx, pages.data + k, 4096, 0);
    CHECK(allocations == before, "%s: %lu allocations", alg, allocations - before);
    tzram_ctx_destroy(ctx);
}

static void batches_report_each_page(void) {
    enum { N = 24 };
    static uint8_t objects[N][4096], back[N][4096], data[N][4096];
    const uint8_t *src[N], *objs[N];
    uint8_t *dst[N], *to[N];
    unsigned int len[N], single[N];
    int status[N];
    struct tzram_ctx *ctx = NULL;
    if (!CHECK(tzram_ctx_create(NULL, &ctx) == 0, "a context")) return;
    for (unsigned i = 0; i < N; i++) {
        generate_page(data[i], i);
        single[i] = 4096;
        CHECK(tzram_compress_page(ctx, data[i], objects[i], &single[i]) == 0, "page %u alone", i);
        src[i] = data[i];
        dst[i] = objects[i];
        objs[i] = objects[i];
        to[i] = back[i];
        len[i] = 4096;
        status[i] = 99;
    }
    CHECK_RC(tzram_compress_pages(ctx, N, src, dst, len, status), 0, "a batch");
    for (unsigned i = 0; i < N; i++)
        CHECK(status[i] == 0 && len[i] == single[i], "page %u of a batch is as alone: %u, %u", i, len[i], single[i]);
    for (unsigned i = 0; i < N; i++) status[i] = 99;
    CHECK_RC(tzram_decompress_pages(ctx, N, objs, len, to, status), 0, "a batch back");
    for (unsigned i = 0; i < N; i++)
        CHECK(status[i] == 0 && !memcmp(back[i], data[i], 4096), "page %u of a batch comes back", i);

    /* Two pages fail: the others are done, and the first error is the result. */
    memset(back, 0xA5, sizeof back);
    for (unsigned i = 0; i < N; i++) status[i] = 99;
    len[5] = 0;
    len[11] = 4097;
    CHECK_RC(tzram_decompress_pages(ctx, N, objs, len, to, status), -EBADMSG, "a batch with damage");
    for (unsigned i = 0; i < N; i++) {
        if (i == 5 || i == 11) CHECK(status[i] == -EBADMSG, "page %u is damaged: %d", i, status[i]);
        else CHECK(status[i] == 0 && !memcmp(back[i], data[i], 4096), "page %u beside damaged ones", i);
    }
    for (unsigned i = 0; i < N; i++) len[i] = 4096;
    len[3] = 1;
    CHECK_RC(tzram_compress_pages(ctx, N, src, dst, len, status), -ENOSPC, "a batch with one destination too small");
    for (unsigned i = 0; i < N; i++) {
        if (i == 3) CHECK(status[i] == -ENOSPC && len[i] == 0, "page 3: %d, length %u", status[i], len[i]);
        else CHECK(status[i] == 0 && len[i] == single[i], "page %u beside one without room", i);
    }
    CHECK_RC(tzram_compress_pages(ctx, 0, NULL, NULL, NULL, NULL), 0, "an empty batch");
    CHECK_RC(tzram_decompress_pages(ctx, 0, NULL, NULL, NULL, NULL), 0, "an empty batch back");
    tzram_ctx_destroy(ctx);
}

int main(int argc, char **argv) {
    static const char *const algs[] = {"adaptive", "lz4", "zstd", "tzp"};
    pages = load_pages(argc, argv, 512);
    source = arena_make(65536);
    target = arena_make(65536);
    restored = arena_make(65536);
    for (size_t i = 0; i < tzram_alg_count(); i++) {
        struct tzram_alg a;
        if (CHECK(get_alg(i, &a) == 0, "alg_get(%zu)", i)) every_level_and_unit(&a);
    }
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) {
        if (!tzram_has_comp(algs[i])) continue;
        every_page_at_the_default_level(algs[i]);
        no_buffer_needs_alignment(algs[i]);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            same_filled_pages_take_2_or_9_bytes(algs[i], units[u]);
            an_incompressible_page_is_stored_as_it_is(algs[i], units[u]);
            if (INTERPOSED) a_context_in_memory_of_the_caller_allocates_nothing(algs[i], units[u]);
        }
        if (INTERPOSED) pages_of_a_created_context_allocate_nothing(algs[i]);
    }
    if (!INTERPOSED) skipped("allocations", "only glibc's allocator can be interposed");
    page_info_names_the_codec();
    statistics_count_what_was_done();
    batches_report_each_page();
    return summary();
}

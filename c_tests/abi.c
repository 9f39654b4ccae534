/* The shape of the interface: versions, enums, struct_size rules, the list of algorithms, strerror.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "check.h"

static void versions_of_header_and_library_agree(void) {
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", TZRAM_VERSION_MAJOR, TZRAM_VERSION_MINOR, TZRAM_VERSION_PATCH);
    CHECK(!strncmp(TZRAM_VERSION_STRING, text, strlen(text)), "the string %s begins with the numbers %s",
          TZRAM_VERSION_STRING, text);
    CHECK(!strcmp(tzram_version_string(), TZRAM_VERSION_STRING), "library %s, header %s", tzram_version_string(),
          TZRAM_VERSION_STRING);
    CHECK(tzram_version_number() == ((uint32_t)TZRAM_VERSION_MAJOR << 16 | (uint32_t)TZRAM_VERSION_MINOR << 8 |
                                     (uint32_t)TZRAM_VERSION_PATCH),
          "library number %#x", (unsigned)tzram_version_number());
}

static void enum_values_are_frozen(void) {
    CHECK(TZRAM_BACKEND_AUTO == 0 && TZRAM_BACKEND_SCALAR == 1 && TZRAM_BACKEND_NEON == 2 && TZRAM_BACKEND_AVX2 == 3 &&
              TZRAM_BACKEND_AVX512 == 4,
          "backends");
    CHECK(TZRAM_CODEC_RAW == 0 && TZRAM_CODEC_SAME_FILLED == 1 && TZRAM_CODEC_LZ4 == 2 && TZRAM_CODEC_ZSTD == 3 &&
              TZRAM_CODEC_TZP == 4,
          "codecs");
    CHECK(TZRAM_ENGINE_AUTO == 0 && TZRAM_ENGINE_CPU == 1 && TZRAM_ENGINE_CUDA == 2, "engines");
    CHECK(TZRAM_OP_COMPRESS == 0 && TZRAM_OP_DECOMPRESS == 1, "operations");
    CHECK(TZRAM_LEVEL_DEFAULT == INT32_MIN, "the default level is the kernel's ZCOMP_PARAM_NO_LEVEL");
}

static void backends(void) {
    static const char *const names[] = {NULL, "scalar", "neon", "avx2", "avx512"};
    int best = tzram_backend_detect();
    CHECK(best >= TZRAM_BACKEND_SCALAR && best <= TZRAM_BACKEND_AVX512, "detect is %d", best);
    CHECK(tzram_backend_detect() == best, "detect is constant");
    CHECK(tzram_backend_supported(best) == 1, "the detected one is supported");
    CHECK(tzram_backend_supported(TZRAM_BACKEND_SCALAR) == 1, "scalar is always there");
    for (int b = TZRAM_BACKEND_SCALAR; b <= TZRAM_BACKEND_AVX512; b++) {
        CHECK(tzram_backend_name(b) && !strcmp(tzram_backend_name(b), names[b]), "name of %d", b);
        CHECK(tzram_backend_supported(b) == 0 || tzram_backend_supported(b) == 1, "supported(%d) is 0 or 1", b);
    }
    CHECK(tzram_backend_name(-1) == NULL && tzram_backend_name(5) == NULL && tzram_backend_name(INT_MIN) == NULL &&
              tzram_backend_name(INT_MAX) == NULL,
          "unknown backends have no name");
    CHECK(tzram_backend_supported(-1) == 0 && tzram_backend_supported(5) == 0 && tzram_backend_supported(INT_MAX) == 0,
          "unknown backends are not supported");
#if defined(__x86_64__)
    CHECK(tzram_backend_supported(TZRAM_BACKEND_NEON) == 0, "no NEON on x86-64");
#elif defined(__aarch64__)
    CHECK(tzram_backend_supported(TZRAM_BACKEND_AVX2) == 0 && tzram_backend_supported(TZRAM_BACKEND_AVX512) == 0,
          "no AVX on aarch64");
#endif
}

static void strerror_answers_everything(void) {
    static const int known[] = {0,        -EINVAL, -ENOENT, -EOPNOTSUPP, -ENOSPC,
                                -EBADMSG, -ENOMEM, -ENODEV, -EAGAIN,     -ESTALE};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *text = tzram_strerror(known[i]);
        CHECK(text && *text, "strerror(%d)", known[i]);
        for (size_t k = 0; text && k < i; k++)
            CHECK(strcmp(text, tzram_strerror(known[k])), "strerror(%d) and (%d) differ", known[i], known[k]);
    }
    CHECK(tzram_strerror(5) && tzram_strerror(-99999) && tzram_strerror(INT_MIN) && tzram_strerror(INT_MAX),
          "strerror is never NULL");
}

static void the_list_of_algorithms_is_consistent(void) {
    size_t n = tzram_alg_count();
    struct tzram_alg a, b;
    int lz4 = 0, zstd = 0, adaptive = 0;
    CHECK(n >= 3, "%zu algorithms", n);
    for (size_t i = 0; i < n; i++) {
        struct tzram_ctx *ctx = NULL;
        int rc;
        if (!CHECK(get_alg(i, &a) == 0 && a.name && a.driver_name && *a.name && *a.driver_name, "alg_get(%zu)", i))
            continue;
        CHECK(a.struct_size == sizeof a, "alg_get leaves struct_size");
        lz4 |= !strcmp(a.name, "lz4");
        zstd |= !strcmp(a.name, "zstd");
        adaptive |= !strcmp(a.name, "adaptive");
        CHECK(tzram_has_comp(a.name) == 1 && tzram_has_comp(a.driver_name) == 1, "has_comp knows %s and %s", a.name,
              a.driver_name);
        CHECK(a.backend >= TZRAM_BACKEND_SCALAR && a.backend <= TZRAM_BACKEND_AVX512, "%s: backend %d is a real one",
              a.driver_name, a.backend);
        CHECK(a.min_level <= a.default_level && a.default_level <= a.max_level, "%s: levels %d..%d, default %d",
              a.driver_name, a.min_level, a.max_level, a.default_level);
        for (size_t k = 0; k < i; k++) {
            if (get_alg(k, &b)) continue;
            CHECK(strcmp(a.driver_name, b.driver_name), "driver %s is listed once", a.driver_name);
            CHECK(strcmp(a.name, b.name) || a.priority != b.priority, "%s and %s: one priority", a.driver_name,
                  b.driver_name);
        }
        rc = make_ctx(a.driver_name, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx);
        CHECK(rc == 0 || rc == -EOPNOTSUPP, "a context by driver name %s: %d", a.driver_name, rc);
        if (a.backend == TZRAM_BACKEND_SCALAR && strcmp(a.driver_name, "zstd-libzstd"))
            CHECK(rc == 0, "scalar driver %s runs on every CPU: %d", a.driver_name, rc);
        tzram_ctx_destroy(ctx);
        rc = make_ctx(a.name, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx);
        CHECK(rc == 0, "a context by algorithm %s: %d", a.name, rc);
        tzram_ctx_destroy(ctx);
        if (!strcmp(a.name, "lz4") || !strcmp(a.name, "zstd")) {
            CHECK(make_ctx(a.driver_name, a.max_level + 1, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx) == -EINVAL && !ctx,
                  "%s: a level above its maximum", a.driver_name);
            CHECK(make_ctx(a.driver_name, a.min_level - 1, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx) == -EINVAL && !ctx,
                  "%s: a level below its minimum", a.driver_name);
        }
    }
    CHECK(lz4 && zstd && adaptive, "lz4, zstd and adaptive are listed");
    CHECK(get_alg(n, &a) == -EINVAL || get_alg(n, &a) == -ENOENT, "past the end");
    CHECK(get_alg((size_t)-1, &a) == -EINVAL || get_alg((size_t)-1, &a) == -ENOENT, "far past the end");
    CHECK_RC(tzram_alg_get(0, NULL), -EINVAL, "out is NULL");
    CHECK(tzram_has_comp("lzw") == 0 && tzram_has_comp("") == 0 && tzram_has_comp(NULL) == 0 &&
              tzram_has_comp("LZ4") == 0,
          "has_comp of unknown names");
}

static void queue_params_init_sets_every_default(void) {
    struct tzram_queue_params p;
    struct tzram_params page;
    memset(&p, 0xA5, sizeof p);
    tzram_queue_params_init(&p);
    tzram_params_init(&page);
    CHECK(p.struct_size == sizeof p && p.engine == TZRAM_ENGINE_AUTO && p.depth == TZRAM_QUEUE_DEPTH_DEFAULT &&
              p.threads == 0 && p.device == 0,
          "defaults");
    CHECK(p.page.struct_size == page.struct_size && p.page.page_size == page.page_size && p.page.alg == page.alg &&
              p.page.level == page.level && p.page.backend == page.backend && p.page.dict == page.dict &&
              p.page.flags == page.flags,
          "defaults of the page");
}

static void params_init_sets_every_default(void) {
    struct tzram_params p;
    struct tzram_ctx *ctx = NULL;
    memset(&p, 0xA5, sizeof p);
    tzram_params_init(&p);
    CHECK(p.struct_size == sizeof p && p.page_size == 4096 && p.level == TZRAM_LEVEL_DEFAULT &&
              p.backend == TZRAM_BACKEND_AUTO && !p.dict && p.flags == 0,
          "defaults");
    CHECK(!p.alg || !strcmp(p.alg, "adaptive"), "the default algorithm");
    CHECK_RC(tzram_ctx_create(&p, &ctx), 0, "defaults make a context");
    tzram_ctx_destroy(ctx);
    CHECK_RC(tzram_ctx_create(NULL, &ctx), 0, "NULL stands for the defaults");
    tzram_ctx_destroy(ctx);
    CHECK(tzram_ctx_size(NULL) == tzram_ctx_size(&p), "ctx_size(NULL) is that of the defaults");
}

/* What a later version's struct looks like to this library: known fields, then others. */
struct longer_params {
    struct tzram_params known;
    uint8_t tail[256];
};

static void params_of_other_sizes(void) {
    struct longer_params l;
    struct tzram_ctx *ctx;
    static const size_t older[] = {offsetof(struct tzram_params, alg), offsetof(struct tzram_params, level),
                                   offsetof(struct tzram_params, dict), offsetof(struct tzram_params, flags)};
    struct arena a = arena_make(4096);
    for (size_t i = 0; i < sizeof older / sizeof *older; i++) {
        /* Ends at the guard page: the fields an older program does not have must not be read. */
        struct tzram_params p, *at = (struct tzram_params *)(void *)at_end(a, older[i]);
        tzram_params_init(&p);
        p.page_size = 8192;
        p.struct_size = (uint32_t)older[i];
        memcpy(at, &p, older[i]);
        CHECK(tzram_ctx_size(at) > 0, "ctx_size of an older struct of %zu bytes", older[i]);
        ctx = NULL;
        CHECK_RC(tzram_ctx_create(at, &ctx), 0, "an older struct of %zu bytes", older[i]);
        if (ctx) {
            /* That the fields it has are used shows in the unit size. */
            static uint8_t page[8192], object[8192];
            unsigned int n = 8192;
            CHECK(tzram_compress_page(ctx, page, object, &n) == 0 && n == 2 &&
                      tzram_decompress_page(ctx, object, n, page) == 0,
                  "its page size counts");
        }
        tzram_ctx_destroy(ctx);
    }
    static const uint32_t bad[] = {0, 1, 3};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tzram_params p;
        tzram_params_init(&p);
        p.struct_size = bad[i];
        ctx = (struct tzram_ctx *)&l;
        CHECK_RC(tzram_ctx_create(&p, &ctx), -EINVAL, "struct_size %u", (unsigned)bad[i]);
        CHECK(ctx == NULL, "*out is NULL after a failure");
        CHECK(tzram_ctx_size(&p) == 0, "ctx_size of bad params is 0");
    }
    for (size_t extra = 1; extra <= sizeof l.tail; extra = extra * 2 + 1) {
        memset(&l, 0, sizeof l);
        tzram_params_init(&l.known);
        l.known.struct_size = (uint32_t)(sizeof l.known + extra);
        memset(l.tail + extra, 0xFF, sizeof l.tail - extra); /* beyond its own end: none of the library's business */
        ctx = NULL;
        CHECK_RC(tzram_ctx_create(&l.known, &ctx), 0, "a newer struct with %zu zero bytes", extra);
        tzram_ctx_destroy(ctx);
        l.tail[extra - 1] = 1;
        CHECK_RC(tzram_ctx_create(&l.known, &ctx), -EINVAL, "a newer struct that sets what is unknown here");
        CHECK(tzram_ctx_size(&l.known) == 0, "ctx_size of a newer struct that sets what is unknown here");
    }
}

/*
 * One struct that the library fills in, through `fill`, at each size; `first` is where its first answer lies: shorter
 * ones get a prefix of the same answer, nothing is written past struct_size, a longer one keeps its zeros, and one with
 * other bytes there is refused.
 */
static void out_struct(const char *name, size_t first, size_t size, const size_t *shorter, size_t shorter_count,
                       int (*fill)(void *)) {
    uint8_t exact[1024], other[1024];
    uint32_t n = (uint32_t)size;
    memset(exact, 0, sizeof exact);
    memcpy(exact, &n, 4);
    if (!CHECK(size + 64 < sizeof exact && fill(exact) == 0, "%s: exact size", name)) return;
    for (size_t i = size; i < sizeof exact; i++)
        if (!CHECK(exact[i] == 0, "%s: wrote %zu bytes past its end", name, i - size + 1)) break;
    for (size_t i = 0; i < shorter_count; i++) {
        memset(other, 0xC3, sizeof other);
        n = (uint32_t)shorter[i];
        memcpy(other, &n, 4);
        CHECK(fill(other) == 0, "%s: an older struct of %zu bytes", name, shorter[i]);
        CHECK(!memcmp(other + first, exact + first, shorter[i] - first),
              "%s: an older struct of %zu bytes gets the same values", name, shorter[i]);
        size_t past = shorter[i];
        while (past < sizeof other && other[past] == 0xC3) past++;
        CHECK(past == sizeof other, "%s: byte %zu was written past an older struct of %zu", name, past, shorter[i]);
    }
    for (uint32_t bad = 0; bad < 4; bad++) {
        memset(other, 0xC3, sizeof other);
        memcpy(other, &bad, 4);
        CHECK(fill(other) == -EINVAL, "%s: struct_size %u", name, (unsigned)bad);
        CHECK(other[4] == 0xC3 && other[size - 1] == 0xC3, "%s: nothing is written with struct_size %u", name,
              (unsigned)bad);
    }
    for (size_t extra = 1; extra <= 64; extra *= 4) {
        memset(other, 0, sizeof other);
        memset(other + size + extra, 0xC3, 16);
        n = (uint32_t)(size + extra);
        memcpy(other, &n, 4);
        CHECK(fill(other) == 0, "%s: a newer struct of %zu bytes more", name, extra);
        CHECK(!memcmp(other + first, exact + first, size - first), "%s: a newer struct gets the same values", name);
        for (size_t i = 0; i < extra; i++)
            CHECK(other[size + i] == 0, "%s: byte %zu past the known part was written", name, i);
        CHECK(other[size + extra] == 0xC3, "%s: byte past a newer struct was written", name);
        other[size + extra - 1] = 1;
        CHECK(fill(other) == -EINVAL, "%s: a newer struct with other than zeros past the known part", name);
    }
}

static struct tzram_ctx *shared_ctx;
static uint8_t shared_object[4096];
static unsigned int shared_length;

static int fill_alg(void *p) {
    return tzram_alg_get(0, (struct tzram_alg *)p);
}
static int fill_info(void *p) {
    return tzram_page_info(shared_ctx, shared_object, shared_length, (struct tzram_page_info *)p);
}
static int fill_stats(void *p) {
    return tzram_ctx_stats(shared_ctx, (struct tzram_stats *)p);
}

static void out_structs_of_other_sizes(void) {
    static const size_t alg[] = {offsetof(struct tzram_alg, driver_name), offsetof(struct tzram_alg, priority),
                                 offsetof(struct tzram_alg, max_level)};
    static const size_t info[] = {offsetof(struct tzram_page_info, page_len), offsetof(struct tzram_page_info, fill)};
    static const size_t stats[] = {offsetof(struct tzram_stats, pages_out),
                                   offsetof(struct tzram_stats, compress_errors)};
    static uint8_t page[4096];
    if (!CHECK(tzram_ctx_create(NULL, &shared_ctx) == 0, "a context")) return;
    memset(page, 0x5A, sizeof page);
    shared_length = 4096;
    CHECK_RC(tzram_compress_page(shared_ctx, page, shared_object, &shared_length), 0, "a page");
    out_struct("tzram_alg", offsetof(struct tzram_alg, name), sizeof(struct tzram_alg), alg, sizeof alg / sizeof *alg,
               fill_alg);
    out_struct("tzram_page_info", offsetof(struct tzram_page_info, codec), sizeof(struct tzram_page_info), info,
               sizeof info / sizeof *info, fill_info);
    out_struct("tzram_stats", offsetof(struct tzram_stats, pages_in), sizeof(struct tzram_stats), stats,
               sizeof stats / sizeof *stats, fill_stats);
    tzram_ctx_destroy(shared_ctx);
}

int main(void) {
    versions_of_header_and_library_agree();
    enum_values_are_frozen();
    backends();
    strerror_answers_everything();
    the_list_of_algorithms_is_consistent();
    params_init_sets_every_default();
    queue_params_init_sets_every_default();
    params_of_other_sizes();
    out_structs_of_other_sizes();
    return summary();
}

/*
 * Every row of the table of errors that this release can return, from the outside; errno stays as it was, and nothing
 * is written to stderr. -ENODEV and -EAGAIN belong to queues: see queue.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "interpose.h"

#include <fcntl.h>
#include <sys/wait.h>

static const char *const algs[] = {"adaptive", "lz4", "zstd", "tzp"};
static const size_t alg_count = sizeof algs / sizeof *algs;

static int listed(const char *alg) {
    return tzram_has_comp(alg);
}

static uint8_t page[4096], object[4096], back[4096];

static void einval_params(void) {
    struct tzram_params p;
    struct tzram_ctx *ctx;
    static const uint32_t sizes[] = {0, 1, 1000, 2048, 4095, 4097, 12288, 131072, 0x80000000u, 0xFFFFFFFFu};
    static const int32_t wrong_backends[] = {-1, 5, 77, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tzram_params_init(&p);
        p.page_size = sizes[i];
        ctx = (struct tzram_ctx *)page;
        CHECK_RC(tzram_ctx_create(&p, &ctx), -EINVAL, "page_size %u", (unsigned)sizes[i]);
        CHECK(ctx == NULL, "*out is NULL after a failure");
        CHECK(tzram_ctx_size(&p) == 0, "ctx_size, page_size %u", (unsigned)sizes[i]);
        ctx = (struct tzram_ctx *)page;
        CHECK_RC(tzram_ctx_init(back, sizeof back, &p, &ctx), -EINVAL, "ctx_init, page_size %u", (unsigned)sizes[i]);
    }
    for (size_t i = 0; i < sizeof wrong_backends / sizeof *wrong_backends; i++) {
        tzram_params_init(&p);
        p.backend = wrong_backends[i];
        CHECK_RC(tzram_ctx_create(&p, &ctx), -EINVAL, "backend %d", (int)wrong_backends[i]);
    }
    for (int bit = 0; bit < 32; bit++) {
        tzram_params_init(&p);
        p.flags = (uint32_t)1 << bit;
        CHECK_RC(tzram_ctx_create(&p, &ctx), -EINVAL, "flag %#x", (unsigned)p.flags);
    }
    for (size_t i = 0; i < alg_count; i++) {
        if (!listed(algs[i])) continue;
        static const int32_t levels[] = {1000000, INT32_MAX, INT32_MIN + 1};
        for (size_t l = 0; l < 3; l++) {
            tzram_params_init(&p);
            p.alg = algs[i];
            p.level = levels[l];
            CHECK_RC(tzram_ctx_create(&p, &ctx), -EINVAL, "%s level %d", algs[i], (int)levels[l]);
        }
    }
    CHECK_RC(tzram_ctx_create(NULL, NULL), -EINVAL, "out is NULL");
    tzram_params_init(NULL);
}

static void einval_page_calls(void) {
    struct tzram_ctx *ctx = NULL;
    struct tzram_page_info info;
    struct tzram_stats stats;
    unsigned int n = 4096;
    int status = 0;
    const uint8_t *in = page;
    uint8_t *out = object;
    if (!CHECK(tzram_ctx_create(NULL, &ctx) == 0, "a context")) return;
    memset(page, 7, sizeof page);
    CHECK(tzram_compress_page(ctx, page, object, &n) == 0 && n == 2,
          "an object in good order, so that only the argument is wrong");
    n = 4096;
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    CHECK_RC(tzram_compress_page(NULL, page, object, &n), -EINVAL, "ctx is NULL");
    CHECK_RC(tzram_compress_page(ctx, NULL, object, &n), -EINVAL, "src is NULL");
    n = 4096;
    CHECK_RC(tzram_compress_page(ctx, page, NULL, &n), -EINVAL, "dst is NULL");
    CHECK_RC(tzram_compress_page(ctx, page, object, NULL), -EINVAL, "dlen is NULL");
    CHECK_RC(tzram_decompress_page(NULL, object, 2, back), -EINVAL, "ctx is NULL");
    CHECK_RC(tzram_decompress_page(ctx, NULL, 2, back), -EINVAL, "src is NULL");
    CHECK_RC(tzram_decompress_page(ctx, object, 2, NULL), -EINVAL, "dst is NULL");
    CHECK_RC(tzram_page_info(NULL, object, 2, &info), -EINVAL, "ctx is NULL");
    CHECK_RC(tzram_page_info(ctx, NULL, 2, &info), -EINVAL, "src is NULL");
    CHECK_RC(tzram_page_info(ctx, object, 2, NULL), -EINVAL, "out is NULL");
    CHECK_RC(tzram_ctx_stats(NULL, &stats), -EINVAL, "ctx is NULL");
    CHECK_RC(tzram_ctx_stats(ctx, NULL), -EINVAL, "out is NULL");
    tzram_ctx_stats_reset(NULL);
    n = 4096;
    CHECK_RC(tzram_compress_pages(NULL, 1, &in, &out, &n, &status), -EINVAL, "ctx is NULL");
    CHECK_RC(tzram_compress_pages(ctx, 1, NULL, &out, &n, &status), -EINVAL, "src is NULL");
    CHECK_RC(tzram_compress_pages(ctx, 1, &in, NULL, &n, &status), -EINVAL, "dst is NULL");
    CHECK_RC(tzram_compress_pages(ctx, 1, &in, &out, NULL, &status), -EINVAL, "dlen is NULL");
    CHECK_RC(tzram_decompress_pages(ctx, 1, NULL, &n, &out, &status), -EINVAL, "src is NULL");
    CHECK_RC(tzram_decompress_pages(ctx, 1, &in, NULL, &out, &status), -EINVAL, "slen is NULL");
    CHECK_RC(tzram_decompress_pages(ctx, 1, &in, &n, NULL, &status), -EINVAL, "dst is NULL");
    CHECK_RC(tzram_decompress_pages(NULL, 1, &in, &n, &out, &status), -EINVAL, "ctx is NULL");
    n = 4096;
    CHECK_RC(tzram_compress_page(ctx, page, page, &n), -EINVAL, "src and dst are the same");
    CHECK_RC(tzram_decompress_page(ctx, back + 100, 2, back), -EINVAL, "the object lies within dst");
    tzram_ctx_destroy(ctx);
    tzram_ctx_destroy(NULL);
}

static void einval_ctx_init(void) {
    struct tzram_params p;
    struct tzram_ctx *ctx;
    tzram_params_init(&p);
    size_t size = tzram_ctx_size(&p);
    uint8_t *block = (uint8_t *)malloc(size + 128), *mem;
    if (!CHECK(size > 0 && block, "ctx_size %zu", size)) return;
    /* One byte past a multiple of any alignment the library may want, so that it has no byte to spare. */
    mem = block + 64 - (uintptr_t)block % 64 + 1;
    CHECK_RC(tzram_ctx_init(NULL, size, &p, &ctx), -EINVAL, "mem is NULL");
    CHECK_RC(tzram_ctx_init(mem, size, &p, NULL), -EINVAL, "out is NULL");
    static const size_t less[] = {1, 2, 64};
    for (size_t i = 0; i < 3; i++) {
        ctx = (struct tzram_ctx *)page;
        CHECK_RC(tzram_ctx_init(mem, size - less[i], &p, &ctx), -ENOSPC, "%zu bytes too few", less[i]);
        CHECK(ctx == NULL, "*out is NULL after a failure");
    }
    CHECK_RC(tzram_ctx_init(mem, 0, &p, &ctx), -ENOSPC, "no bytes");
    free(block);
}

static void einval_comp(void) {
    struct tzram_comp *tfm = NULL;
    unsigned int n;
    CHECK_RC(tzram_comp_alloc(NULL, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm), -EINVAL, "name is NULL");
    CHECK_RC(tzram_comp_alloc("lz4", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, NULL), -EINVAL, "out is NULL");
    CHECK_RC(tzram_comp_alloc("lz4", TZRAM_LEVEL_DEFAULT, 77, &tfm), -EINVAL, "no such backend");
    CHECK_RC(tzram_comp_alloc("lz4", 1000000, TZRAM_BACKEND_AUTO, &tfm), -EINVAL, "level out of range");
    CHECK_RC(tzram_comp_alloc("zstd", INT_MAX, TZRAM_BACKEND_AUTO, &tfm), -EINVAL, "level out of range");
    CHECK(tfm == NULL, "*out is NULL after failures");
    tzram_comp_free(NULL);
    for (size_t i = 1; i <= 2; i++) {
        if (!CHECK(tzram_comp_alloc(algs[i], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "%s", algs[i]))
            continue;
        n = 4096;
        CHECK_RC(tzram_comp_compress(NULL, page, 10, object, &n), -EINVAL, "tfm is NULL");
        n = 4096;
        CHECK_RC(tzram_comp_compress(tfm, NULL, 10, object, &n), -EINVAL, "src is NULL");
        n = 4096;
        CHECK_RC(tzram_comp_compress(tfm, page, 10, NULL, &n), -EINVAL, "dst is NULL");
        CHECK_RC(tzram_comp_compress(tfm, page, 10, object, NULL), -EINVAL, "dlen is NULL");
        n = 4096;
        CHECK_RC(tzram_comp_compress(tfm, page, (unsigned int)INT_MAX + 1, object, &n), -EINVAL, "slen above INT_MAX");
        n = 4096;
        CHECK_RC(tzram_comp_decompress(NULL, page, 10, object, &n), -EINVAL, "tfm is NULL");
        n = 4096;
        CHECK_RC(tzram_comp_decompress(tfm, NULL, 10, object, &n), -EINVAL, "src is NULL");
        n = 4096;
        CHECK_RC(tzram_comp_decompress(tfm, page, 10, NULL, &n), -EINVAL, "dst is NULL");
        CHECK_RC(tzram_comp_decompress(tfm, page, 10, object, NULL), -EINVAL, "dlen is NULL");
        CHECK(tzram_comp_bound(tfm, (unsigned int)INT_MAX + 1) == 0 && tzram_comp_bound(tfm, UINT_MAX) == 0,
              "no bound for what is too large");
        CHECK(tzram_comp_bound(NULL, 10) == 0, "bound without a handle");
        tzram_comp_free(tfm);
        tfm = NULL;
    }
}

static void einval_dict(void) {
    struct tzram_dict *d = (struct tzram_dict *)page;
    CHECK_RC(tzram_dict_create(NULL, 100, &d), -EINVAL, "buf is NULL");
    CHECK(d == NULL, "*out is NULL after a failure");
    CHECK_RC(tzram_dict_create(page, 100, NULL), -EINVAL, "out is NULL");
    CHECK_RC(tzram_dict_create(page, 0, &d), -EINVAL, "no bytes");
    tzram_dict_destroy(NULL);
    CHECK(tzram_dict_id(NULL) == 0, "the id of no dictionary is 0");
}

static void enoent(void) {
    struct tzram_ctx *ctx = (struct tzram_ctx *)page;
    struct tzram_comp *tfm = NULL;
    static const char *const names[] = {"lzw", "", "lz4 ", "LZ4", "lz4-", "lz4-quantum", "zstd-generic-"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tzram_params p;
        tzram_params_init(&p);
        p.alg = names[i];
        CHECK_RC(tzram_ctx_create(&p, &ctx), -ENOENT, "alg \"%s\"", names[i]);
        CHECK(ctx == NULL, "*out is NULL after a failure");
        CHECK(tzram_ctx_size(&p) == 0, "ctx_size, alg \"%s\"", names[i]);
        CHECK_RC(tzram_comp_alloc(names[i], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm), -ENOENT, "comp \"%s\"",
                 names[i]);
        CHECK(tzram_zcomp_ops_get(names[i]) == NULL, "zcomp_ops \"%s\"", names[i]);
    }
    CHECK(tzram_zcomp_ops_get(NULL) == NULL, "zcomp_ops NULL");
}

static void eopnotsupp(void) {
    struct tzram_ctx *ctx;
    struct tzram_comp *tfm = NULL;
    int tried = 0;
    for (int b = TZRAM_BACKEND_SCALAR; b <= TZRAM_BACKEND_AVX512; b++) {
        if (tzram_backend_supported(b)) continue;
        tried++;
        for (size_t i = 0; i < alg_count; i++) {
            struct tzram_params p;
            if (!listed(algs[i])) continue;
            tzram_params_init(&p);
            p.alg = algs[i];
            p.backend = b;
            ctx = (struct tzram_ctx *)page;
            CHECK_RC(tzram_ctx_create(&p, &ctx), -EOPNOTSUPP, "%s on %s", algs[i], tzram_backend_name(b));
            CHECK(ctx == NULL, "*out is NULL after a failure");
        }
        CHECK_RC(tzram_comp_alloc("lz4", TZRAM_LEVEL_DEFAULT, b, &tfm), -EOPNOTSUPP, "comp lz4 on %s",
                 tzram_backend_name(b));
    }
    CHECK(tried > 0, "no CPU has both NEON and AVX2");
    int rc = tzram_comp_alloc("tzp", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm);
    if (listed("tzp")) CHECK(rc == -EOPNOTSUPP, "tzp has no standard stream: %d", rc);
    else CHECK(rc == -EOPNOTSUPP || rc == -ENOENT, "tzp, not in this build: %d", rc);
}

static void enospc(void) {
    struct arena a = arena_make(4096), b = arena_make(4096);
    for (size_t i = 0; i < alg_count; i++) {
        struct tzram_ctx *ctx;
        if (!listed(algs[i]) ||
            !CHECK(make_ctx(algs[i], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &ctx) == 0, "%s", algs[i]))
            continue;
        for (unsigned kind = 0; kind < 9; kind++) {
            unsigned int len = 4096;
            generate_page(a.begin, kind);
            if (kind == 8) memset(a.begin, 0, 4096);
            if (!CHECK(tzram_compress_page(ctx, a.begin, object, &len) == 0 && len >= 1, "%s, kind %u", algs[i], kind))
                continue;
            static const unsigned int capacities[] = {0, 1};
            for (unsigned c = 0; c < 2; c++) {
                unsigned int n = capacities[c];
                if (n >= len) continue;
                CHECK_RC(tzram_compress_page(ctx, a.begin, at_end(b, n), &n), -ENOSPC, "%s, kind %u, %u of %u bytes",
                         algs[i], kind, capacities[c], len);
                CHECK(n == 0, "*dlen is 0 after -ENOSPC");
            }
            /* Another encoding may be shorter when room is short, but what is reported must fit and restore. */
            for (unsigned int less = 1; less < len; less = less * 2 + 1) {
                unsigned int room = len - less, n = room;
                uint8_t *to = at_end(b, room);
                int rc = tzram_compress_page(ctx, a.begin, to, &n);
                CHECK(rc == -ENOSPC ? n == 0
                                    : rc == 0 && n <= room && tzram_decompress_page(ctx, to, n, back) == 0 &&
                                          !memcmp(back, a.begin, 4096),
                      "%s, kind %u, capacity %u: %d", algs[i], kind, room, rc);
            }
        }
        tzram_ctx_destroy(ctx);
    }
    for (size_t i = 1; i <= 2; i++) {
        struct tzram_comp *tfm = NULL;
        if (!CHECK(tzram_comp_alloc(algs[i], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "%s", algs[i]))
            continue;
        for (unsigned kind = 0; kind < 8; kind++) {
            unsigned int n = 0;
            generate_page(a.begin, kind);
            CHECK_RC(tzram_comp_compress(tfm, a.begin, 4096, b.end, &n), -ENOSPC, "%s, no room", algs[i]);
            n = 3;
            CHECK_RC(tzram_comp_compress(tfm, a.begin, 4096, at_end(b, 3), &n), -ENOSPC, "%s, 3 bytes of room",
                     algs[i]);
            CHECK(n == 0, "*dlen is 0 after -ENOSPC");
            static uint8_t stream[8192];
            unsigned int len = sizeof stream;
            if (!CHECK(tzram_comp_compress(tfm, a.begin, 4096, stream, &len) == 0, "%s", algs[i])) continue;
            n = 4095;
            CHECK_RC(tzram_comp_decompress(tfm, stream, len, at_end(b, 4095), &n), -ENOSPC,
                     "%s, one byte too few for the original", algs[i]);
            CHECK(n == 0, "*dlen is 0 after -ENOSPC");
        }
        tzram_comp_free(tfm);
    }
}

static void ebadmsg(void) {
    struct tzram_ctx *ctx = NULL;
    struct tzram_page_info info;
    if (!CHECK(tzram_ctx_create(NULL, &ctx) == 0, "a context")) return;
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    generate_page(page, 0);
    unsigned int len = 4096;
    CHECK_RC(tzram_compress_page(ctx, page, object, &len), 0, "text");
    CHECK(len > 10 && len < 4096, "text compresses: %u", len);
    CHECK_RC(tzram_decompress_page(ctx, object, 0, back), -EBADMSG, "no bytes");
    CHECK_RC(tzram_decompress_page(ctx, object, 4097, back), -EBADMSG, "more bytes than a page");
    CHECK_RC(tzram_decompress_page(ctx, object, UINT_MAX, back), -EBADMSG, "many more bytes than a page");
    /* A length that no object has is damage, wherever those bytes would reach: no caller put them there. */
    static uint8_t both[2 * 4096];
    CHECK_RC(tzram_decompress_page(ctx, both, 4097, both + 4096), -EBADMSG, "a length that would reach into dst");
    CHECK_RC(tzram_decompress_page(ctx, object, 1, back), -EBADMSG, "only the tag");
    CHECK_RC(tzram_decompress_page(ctx, object, len - 1, back), -EBADMSG, "one byte is missing");
    CHECK_RC(tzram_page_info(ctx, object, 0, &info), -EBADMSG, "info of no bytes");
    CHECK_RC(tzram_page_info(ctx, object, 4097, &info), -EBADMSG, "info of more than a page");
    object[0] ^= 0x80;
    int rc = tzram_decompress_page(ctx, object, len, back);
    CHECK(rc == -EBADMSG || rc == -ESTALE, "another tag: %d", rc);
    memset(object, 0, 2);
    rc = tzram_decompress_page(ctx, object, 1, back);
    CHECK(rc == -EBADMSG, "a single zero byte: %d", rc);
    tzram_ctx_destroy(ctx);

    struct tzram_comp *tfm = NULL;
    unsigned int n = 4096;
    if (CHECK(tzram_comp_alloc("zstd", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "zstd")) {
        memset(object, 0x55, sizeof object);
        CHECK_RC(tzram_comp_decompress(tfm, object, 100, back, &n), -EBADMSG, "no Zstandard frame");
        n = 4096;
        /* To libzstd, no bytes are no frames, and so no error. */
        rc = tzram_comp_decompress(tfm, object, 0, back, &n);
        CHECK(n == 0 && (rc == 0 || rc == -EBADMSG), "an empty Zstandard stream: %d, length %u", rc, n);
        tzram_comp_free(tfm);
    }
    if (CHECK(tzram_comp_alloc("lz4", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm) == 0, "lz4")) {
        static const uint8_t far_match[] = {0x10, 'a', 0xFF, 0x7F, 0x50,
                                            'b',  'c', 'd',  'e',  'f'}; /* offset 32767 after one byte */
        n = 4096;
        CHECK_RC(tzram_comp_decompress(tfm, far_match, sizeof far_match, back, &n), -EBADMSG,
                 "a match before the beginning");
        static const uint8_t no_offset[] = {0x10, 'a', 0, 0, 0x50, 'b', 'c', 'd', 'e', 'f'};
        n = 4096;
        CHECK_RC(tzram_comp_decompress(tfm, no_offset, sizeof no_offset, back, &n), -EBADMSG, "offset 0");
        n = 4096;
        CHECK_RC(tzram_comp_decompress(tfm, no_offset, 0, back, &n), -EBADMSG, "an empty LZ4 block");
        tzram_comp_free(tfm);
    }
}

#if INTERPOSED
/*
 * Refuses the first allocation of each creating call, then the second, and so on until it succeeds. In a process of its
 * own, so that an abort in the library is a failed check and not the end of the test.
 */
static int create_all_ways(int what) {
    struct tzram_ctx *ctx = NULL;
    struct tzram_comp *tfm = NULL;
    struct tzram_dict *dict = NULL;
    struct tzram_queue *queue = NULL;
    struct tzram_queue_params p;
    int rc;
    switch (what) {
    case 0:
    case 1:
    case 2:
        rc = make_ctx(algs[what], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 65536, NULL, &ctx);
        refuse_after = -1;
        if (rc && ctx) rc = 1;
        tzram_ctx_destroy(ctx);
        return rc;
    case 3:
    case 4:
        rc = tzram_comp_alloc(algs[what - 2], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, &tfm);
        refuse_after = -1;
        if (rc && tfm) rc = 1;
        tzram_comp_free(tfm);
        return rc;
    case 6:
        tzram_queue_params_init(&p);
        p.threads = 2;
        p.engine = TZRAM_ENGINE_CPU;
        rc = tzram_queue_create(&p, &queue);
        refuse_after = -1;
        if (rc && queue) rc = 1;
        /* What the C library says where it has no memory for a thread. */
        if (rc == -EAGAIN) rc = -ENOMEM;
        tzram_queue_destroy(queue);
        return rc;
    default:
        rc = tzram_dict_create(page, sizeof page, &dict);
        refuse_after = -1;
        if (rc && dict) rc = 1;
        tzram_dict_destroy(dict);
        return rc;
    }
}

static void enomem(void) {
    static const char *const names[] = {"ctx adaptive", "ctx lz4", "ctx zstd", "comp lz4", "comp zstd", "dict",
                                        "queue"};
    generate_page(page, 0);
    for (int what = 0; what < 7; what++) {
        fflush(stdout);
        pid_t child = fork();
        if (child < 0) give_up("fork");
        if (child == 0) {
            create_all_ways(what); /* once before, so that what is set up once per process is not counted as a leak */
            for (long k = 0; k < 64; k++) {
                long live = allocations_live;
                refuse_after = k;
                int rc = create_all_ways(what);
                if (allocations_live != live) _exit(3);
                if (rc == 0) _exit(k == 0 ? 2 : 0);
                if (rc != -ENOMEM) _exit(1);
            }
            _exit(4);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child) give_up("waitpid");
        CHECK(!WIFSIGNALED(status), "%s: signal %d when memory runs out", names[what], WTERMSIG(status));
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) != 1, "%s: other than -ENOMEM when memory runs out", names[what]);
            CHECK(WEXITSTATUS(status) != 2, "%s: allocates nothing, so this test cannot see it fail", names[what]);
            CHECK(WEXITSTATUS(status) != 3, "%s: a failed creation leaks", names[what]);
            CHECK(WEXITSTATUS(status) != 4, "%s: more than 64 allocations", names[what]);
        }
    }
}
#endif

static void estale(void) {
    struct tzram_dict *dict = NULL;
    struct tzram_ctx *with = NULL, *without = NULL;
    static uint8_t content[4096];
    generate_page(content, 3);
    if (!CHECK(tzram_dict_create(content, sizeof content, &dict) == 0, "a raw dictionary")) return;
    for (size_t i = 1; i <= 2; i++) {
        if (!CHECK(make_ctx(algs[i], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, dict, &with) == 0,
                   "%s with a dictionary", algs[i]))
            continue;
        CHECK(make_ctx(algs[i], TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, 4096, NULL, &without) == 0, "%s without",
              algs[i]);
        unsigned int n = 4096;
        CHECK_RC(tzram_compress_page(with, content, object, &n), 0, "a page that is the dictionary");
        CHECK(n < 200, "%s: the dictionary is used: %u bytes", algs[i], n);
        CHECK_RC(tzram_decompress_page(without, object, n, back), -ESTALE, "%s: read without the dictionary", algs[i]);
        CHECK_RC(tzram_decompress_page(with, object, n, back), 0, "%s: read with it", algs[i]);
        CHECK(!memcmp(back, content, 4096), "%s: restored", algs[i]);
        tzram_ctx_destroy(with);
        tzram_ctx_destroy(without);
    }
    tzram_dict_destroy(dict);
}

int main(void) {
    int ends[2], saved = dup(2);
    if (saved < 0 || pipe(ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK) || dup2(ends[1], 2) < 0) give_up("pipe");
    einval_params();
    einval_page_calls();
    einval_ctx_init();
    einval_comp();
    einval_dict();
    enoent();
    eopnotsupp();
    enospc();
    ebadmsg();
#if INTERPOSED
    enomem();
#else
    skipped("enomem", "only glibc's allocator can be interposed");
#endif
    estale();
    char text[256];
    ssize_t got = read(ends[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = 0;
    dup2(saved, 2);
    CHECK(got < 0 && errno == EAGAIN, "nothing is written to stderr, but there was: %s", text);
    return summary();
}

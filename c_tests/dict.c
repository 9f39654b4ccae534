/*
 * Dictionaries of raw content: identity, use, sharing between threads, and independence of the caller's buffer.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "check.h"

#include <pthread.h>

enum { PAGE = 4096, DICT = 16384, THREADS = 2, ROUNDS = 2000 };

static uint8_t content[DICT], other_content[DICT];

/* A page out of pieces of the dictionary, which is noise: nothing but the dictionary makes it shorter. */
static void page_from(const uint8_t *dict, uint8_t *page, uint64_t seed) {
    for (unsigned i = 0; i < PAGE; i += 256) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(page + i, dict + (seed >> 40) % (DICT - 256), 256);
    }
}

static struct tzram_dict *dict_of(const void *buf, size_t size) {
    struct tzram_dict *d = NULL;
    CHECK_RC(tzram_dict_create(buf, size, &d), 0, "a dictionary of %zu bytes", size);
    return d;
}

static void ids_tell_contents_apart(void) {
    struct tzram_dict *a = dict_of(content, DICT), *again = dict_of(content, DICT), *b = dict_of(other_content, DICT),
                      *shorter = dict_of(content, DICT - 1);
    if (a && again && b && shorter) {
        CHECK(tzram_dict_id(a) != 0, "0 stands for none");
        CHECK(tzram_dict_id(a) == tzram_dict_id(again), "the same content, the same id");
        CHECK(tzram_dict_id(a) != tzram_dict_id(b) && tzram_dict_id(a) != tzram_dict_id(shorter),
              "other content, another id");
    }
    tzram_dict_destroy(a);
    tzram_dict_destroy(again);
    tzram_dict_destroy(b);
    tzram_dict_destroy(shorter);
}

static void pages_need_the_dictionary_they_were_made_with(const char *alg) {
    struct tzram_dict *a = dict_of(content, DICT), *again = dict_of(content, DICT), *b = dict_of(other_content, DICT);
    struct tzram_ctx *with = NULL, *same = NULL, *another = NULL, *none = NULL, *plain = NULL;
    uint8_t page[PAGE], object[PAGE], back[PAGE];
    if (!a || !b || !again) return;
    if (CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, a, &with) == 0 &&
                  make_ctx(alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, again, &same) == 0 &&
                  make_ctx(alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, b, &another) == 0 &&
                  make_ctx(alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, NULL, &none) == 0 &&
                  make_ctx("adaptive", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_SCALAR, PAGE, a, &plain) == 0,
              "%s: contexts", alg)) {
        for (unsigned i = 0; i < 200; i++) {
            unsigned int n = PAGE;
            struct tzram_page_info info;
            page_from(content, page, i);
            CHECK_RC(tzram_compress_page(with, page, object, &n), 0, "%s: compress", alg);
            CHECK(n < PAGE / 4, "%s: the dictionary serves: %u bytes", alg, n);
            CHECK_RC(tzram_decompress_page(same, object, n, back), 0, "%s: a dictionary of the same content", alg);
            CHECK(!memcmp(back, page, PAGE), "%s: the page comes back", alg);
            memset(back, 0, PAGE);
            CHECK(tzram_decompress_page(plain, object, n, back) == 0 && !memcmp(back, page, PAGE),
                  "%s: read by an adaptive context with the dictionary", alg);
            CHECK_RC(tzram_decompress_page(another, object, n, back), -ESTALE, "%s: another dictionary", alg);
            CHECK_RC(tzram_decompress_page(none, object, n, back), -ESTALE, "%s: no dictionary", alg);
            memset(&info, 0, sizeof info);
            info.struct_size = sizeof info;
            CHECK(tzram_page_info(none, object, n, &info) == 0 && info.page_len == PAGE,
                  "%s: what an object is can be told without the dictionary", alg);
            /* What was made without a dictionary is read by any context. */
            memset(page + 500, 'z', 3000);
            n = PAGE;
            CHECK_RC(tzram_compress_page(none, page, object, &n), 0, "%s: without", alg);
            CHECK(tzram_decompress_page(with, object, n, back) == 0 && !memcmp(back, page, PAGE),
                  "%s: without, read with", alg);
            memset(page, (int)i, PAGE);
            n = PAGE;
            CHECK(tzram_compress_page(with, page, object, &n) == 0 && n == 2, "%s: same-filled pages need none", alg);
            CHECK(tzram_decompress_page(none, object, n, back) == 0 && !memcmp(back, page, PAGE),
                  "%s: same-filled, read without", alg);
        }
    }
    tzram_ctx_destroy(with);
    tzram_ctx_destroy(same);
    tzram_ctx_destroy(another);
    tzram_ctx_destroy(none);
    tzram_ctx_destroy(plain);
    tzram_dict_destroy(a);
    tzram_dict_destroy(again);
    tzram_dict_destroy(b);
}

static void the_buffer_is_copied(const char *alg) {
    uint8_t *mine = (uint8_t *)malloc(DICT), page[PAGE], object[PAGE], back[PAGE];
    struct tzram_ctx *ctx = NULL;
    unsigned int n = PAGE;
    if (!mine) give_up("malloc");
    memcpy(mine, content, DICT);
    struct tzram_dict *d = dict_of(mine, DICT), *kept = dict_of(content, DICT);
    memset(mine, 0, DICT);
    free(mine);
    page_from(content, page, 7);
    if (d && kept && CHECK(tzram_dict_id(d) == tzram_dict_id(kept), "the id stays") &&
        CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, d, &ctx) == 0, "%s", alg)) {
        CHECK(tzram_compress_page(ctx, page, object, &n) == 0 && n < PAGE / 4,
              "%s: content of a buffer that is gone: %u", alg, n);
        CHECK(tzram_decompress_page(ctx, object, n, back) == 0 && !memcmp(back, page, PAGE), "%s: and back", alg);
    }
    tzram_ctx_destroy(ctx);
    tzram_dict_destroy(d);
    tzram_dict_destroy(kept);
}

struct work {
    const struct tzram_dict *dict;
    const char *alg;
    unsigned number;
    unsigned long bad;
};

/* Counts only in its own struct: the counters of CHECK are not shared between threads. */
static void *worker(void *p) {
    struct work *w = (struct work *)p;
    struct tzram_ctx *ctx = NULL;
    uint8_t page[PAGE], object[PAGE], back[PAGE];
    if (make_ctx(w->alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, w->dict, &ctx)) {
        w->bad = ROUNDS;
        return NULL;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned int n = PAGE;
        page_from(content, page, (uint64_t)w->number * ROUNDS + i);
        if (tzram_compress_page(ctx, page, object, &n) || n >= PAGE / 4 ||
            tzram_decompress_page(ctx, object, n, back) || memcmp(back, page, PAGE))
            w->bad++;
    }
    tzram_ctx_destroy(ctx);
    return NULL;
}

static void two_threads_share_one_dictionary(const char *alg) {
    struct tzram_dict *d = dict_of(content, DICT);
    pthread_t thread[THREADS];
    struct work work[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        work[i].dict = d;
        work[i].alg = alg;
        work[i].number = i;
        work[i].bad = 0;
        if (pthread_create(&thread[i], NULL, worker, &work[i])) give_up("pthread_create");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        CHECK(work[i].bad == 0, "%s: thread %u: %lu pages of %d failed", alg, i, work[i].bad, ROUNDS);
    }
    tzram_dict_destroy(d);
}

static void contents_of_any_size_serve(const char *alg) {
    static uint8_t large[200000];
    static const size_t sizes[] = {1, 2, 7, 8, 9, 63, 64, 255, 4096, 65535, 65536, 65537, 131072, sizeof large};
    uint8_t page[PAGE], object[PAGE], back[PAGE];
    for (size_t i = 0; i < sizeof large; i++) large[i] = (uint8_t)rnd();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tzram_dict *d = dict_of(large, sizes[i]);
        struct tzram_ctx *ctx = NULL;
        if (d && CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, 0, PAGE, d, &ctx) == 0, "%s, dictionary of %zu bytes", alg,
                       sizes[i])) {
            for (unsigned k = 0; k < 20; k++) {
                size_t tail = sizes[i] < (size_t)PAGE ? sizes[i] : (size_t)PAGE;
                unsigned int n = PAGE;
                generate_page(page, k);
                memcpy(page + (PAGE - tail) / 2, large + sizes[i] - tail, tail);
                CHECK(tzram_compress_page(ctx, page, object, &n) == 0 &&
                          tzram_decompress_page(ctx, object, n, back) == 0 && !memcmp(back, page, PAGE),
                      "%s, dictionary of %zu bytes", alg, sizes[i]);
            }
        }
        tzram_ctx_destroy(ctx);
        tzram_dict_destroy(d);
    }
}

int main(void) {
    static const char *const algs[] = {"lz4", "zstd"};
    for (size_t i = 0; i < DICT; i++) {
        content[i] = (uint8_t)rnd();
        other_content[i] = (uint8_t)rnd();
    }
    ids_tell_contents_apart();
    for (size_t i = 0; i < 2; i++) {
        pages_need_the_dictionary_they_were_made_with(algs[i]);
        the_buffer_is_copied(algs[i]);
        two_threads_share_one_dictionary(algs[i]);
        contents_of_any_size_serve(algs[i]);
    }
    return summary();
}

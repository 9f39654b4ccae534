/*
 * A context each for several threads at once, and forks in the midst of it: a child goes on with its copy of a context.
 * Usage: threads [FILE.pages...] SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>

enum { PAGE = 4096, THREADS = 8, PASSES = 4, FORKS = 20 };

static struct page_set pages;

struct work {
    const char *alg;
    unsigned number;
    unsigned long bad;
    unsigned long done;
};

/* Pages [first, first + count) through the context. Returns how many did not come back. */
static unsigned long some_pages(struct tzram_ctx *ctx, size_t first, size_t count) {
    uint8_t object[PAGE], back[PAGE];
    unsigned long bad = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *page = pages.data + (first + i) * PAGE % pages.bytes;
        unsigned int n = PAGE;
        if (tzram_compress_page(ctx, page, object, &n) || tzram_decompress_page(ctx, object, n, back) ||
            memcmp(back, page, PAGE))
            bad++;
    }
    return bad;
}

/* Counts only in its own struct: the counters of CHECK are not shared between threads. */
static void *worker(void *p) {
    struct work *w = (struct work *)p;
    size_t count = pages.bytes / PAGE < 1024 ? pages.bytes / PAGE : 1024;
    for (int pass = 0; pass < PASSES; pass++) {
        struct tzram_ctx *ctx = NULL;
        struct tzram_stats stats;
        if (make_ctx(w->alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, PAGE, NULL, &ctx)) {
            w->bad++;
            continue;
        }
        w->bad += some_pages(ctx, w->number * 37, count);
        w->done += count;
        memset(&stats, 0, sizeof stats);
        stats.struct_size = sizeof stats;
        /* No other thread's pages are in this context's counters. */
        if (tzram_ctx_stats(ctx, &stats) || stats.pages_in != count || stats.pages_out != count) w->bad++;
        tzram_ctx_destroy(ctx);
    }
    return NULL;
}

/* In a child: the copy of the context works, and so does a new one. */
static int child_works(struct tzram_ctx *ctx, const char *alg) {
    struct tzram_ctx *fresh = NULL;
    int bad = some_pages(ctx, 0, 64) != 0;
    bad |= make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, PAGE, NULL, &fresh) || some_pages(fresh, 64, 64) != 0;
    tzram_ctx_destroy(fresh);
    tzram_ctx_destroy(ctx);
    return bad;
}

static void threads_and_forks(const char *alg) {
    pthread_t thread[THREADS];
    struct work work[THREADS];
    struct tzram_ctx *ctx = NULL;
    if (!CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, PAGE, NULL, &ctx) == 0, "%s", alg)) return;
    memset(work, 0, sizeof work);
    fflush(stdout);
    for (unsigned i = 0; i < THREADS; i++) {
        work[i].alg = alg;
        work[i].number = i;
        if (pthread_create(&thread[i], NULL, worker, &work[i])) give_up("pthread_create");
    }
    for (int i = 0; i < FORKS; i++) {
        CHECK(some_pages(ctx, (size_t)i, 16) == 0, "%s: the parent, before fork %d", alg, i);
        pid_t child = fork();
        if (child < 0) give_up("fork");
        if (child == 0) {
            alarm(60); /* a lock held by a thread that is not in the child would wait for ever */
            _exit(child_works(ctx, alg));
        }
        CHECK(some_pages(ctx, (size_t)i, 16) == 0, "%s: the parent, after fork %d", alg, i);
        int status = 0;
        if (waitpid(child, &status, 0) != child) give_up("waitpid");
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: child %d ended with %#x", alg, i, (unsigned)status);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        CHECK(work[i].done > 0 && work[i].bad == 0, "%s: thread %u: %lu failures in %lu pages", alg, i, work[i].bad,
              work[i].done);
    }
    tzram_ctx_destroy(ctx);
}

/* A context wanders from thread to thread, one at a time. */
static void *wanderer(void *ctx) {
    return some_pages((struct tzram_ctx *)ctx, 0, 64) ? ctx : NULL;
}

static void a_context_may_change_threads(void) {
    struct tzram_ctx *ctx = NULL;
    if (!CHECK(tzram_ctx_create(NULL, &ctx) == 0, "a context")) return;
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        void *bad = ctx;
        if (pthread_create(&t, NULL, wanderer, ctx) || pthread_join(t, &bad)) give_up("pthread_create");
        CHECK(bad == NULL, "thread %d", i);
    }
    tzram_ctx_destroy(ctx);
}

int main(int argc, char **argv) {
    static const char *const algs[] = {"adaptive", "lz4", "zstd", "tzp"};
    pages = load_pages(argc, argv, 512);
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++)
        if (tzram_has_comp(algs[i])) threads_and_forks(algs[i]);
    a_context_may_change_threads();
    return summary();
}

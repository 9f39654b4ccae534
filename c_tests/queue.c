/*
 * Queues: every kind of request, in any number of threads, with every way to wait; the threads that they have and the
 * memory that they do not ask for. Usage: queue [FILE.pages...] SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "interpose.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { PAGE = 4096, MOST = 256 };

static struct page_set pages;
static const char *const algs[] = {"adaptive", "lz4", "zstd", "tzp"};

/* Requests with buffers of their own. */
struct bench {
    struct tzram_req req[MOST];
    struct tzram_req *list[MOST];
    uint8_t object[MOST][PAGE];
    uint8_t back[MOST][PAGE];
};
static struct bench bench, bench2;

static const uint8_t *page_at(size_t i) {
    return pages.data + i * PAGE % pages.bytes;
}

static struct tzram_queue *make_queue(const char *alg, uint32_t depth, uint32_t threads) {
    struct tzram_queue_params p;
    struct tzram_queue *q = NULL;
    tzram_queue_params_init(&p);
    p.engine = TZRAM_ENGINE_CPU;
    p.depth = depth;
    p.threads = threads;
    p.page.alg = alg;
    CHECK_RC(tzram_queue_create(&p, &q), 0, "a queue: %s, depth %u, %u threads", alg, (unsigned)depth, (unsigned)threads);
    if (!q) exit(summary());
    return q;
}

/* n requests to compress the pages from `first` on. */
static void to_compress(struct bench *b, size_t first, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct tzram_req r = {TZRAM_OP_COMPRESS, 77, page_at(first + i), b->object[i], 0, PAGE, &b->back[i]};
        b->req[i] = r;
        b->list[i] = &b->req[i];
    }
}

/* The requests that compressed become requests to restore. */
static void to_decompress(struct bench *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct tzram_req r = {TZRAM_OP_DECOMPRESS, 77, b->object[i], b->back[i], b->req[i].dlen, 0, &b->back[i]};
        b->req[i] = r;
        b->list[i] = &b->req[i];
    }
}

/* Submits n and reaps them all, `few` at a time; every one comes back once. */
static void go_through(struct tzram_queue *q, struct bench *b, size_t n, size_t few) {
    size_t given = 0, got = 0, again = 0;
    struct tzram_req *done[MOST];
    uint8_t seen[MOST];
    memset(seen, 0, sizeof seen);
    while (got < n) {
        int rc = given < n ? tzram_queue_submit(q, b->list + given, n - given) : 0;
        if (rc > 0) given += (size_t)rc;
        if (rc < 0 && !CHECK(rc == -EAGAIN && given > got, "submit: %d with %zu of %zu", rc, given, n)) return;
        again += rc < 0;
        rc = tzram_queue_reap(q, done, few, -1);
        if (!CHECK(rc > 0 && (size_t)rc <= few, "reap: %d with %zu of %zu", rc, got, n)) return;
        for (int k = 0; k < rc; k++) {
            size_t i = (size_t)(done[k] - b->req);
            if (!CHECK(i < n && !seen[i], "request %zu comes once", i)) return;
            seen[i] = 1;
            CHECK(done[k]->user == &b->back[i], "user of request %zu", i);
        }
        got += (size_t)rc;
    }
    CHECK(given == n && again <= n, "all were given");
}

static void stats_of(const struct tzram_queue *q, struct tzram_stats *s) {
    memset(s, 0, sizeof *s);
    s->struct_size = (uint32_t)sizeof *s;
    CHECK_RC(tzram_queue_stats(q, s), 0, "stats");
}

static void pages_come_back(const char *alg, uint32_t threads, uint32_t depth) {
    struct tzram_queue *q = make_queue(alg, depth, threads);
    struct tzram_ctx *ctx = NULL;
    struct tzram_stats s;
    size_t total = 0;
    static const size_t sizes[] = {1, 2, 16, 100, MOST};
    CHECK(make_ctx(alg, TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, PAGE, NULL, &ctx) == 0, "a context");
    CHECK(tzram_queue_engine(q) == TZRAM_ENGINE_CPU, "the CPU works");
    for (size_t round = 0; round < sizeof sizes / sizeof *sizes; round++) {
        size_t n = sizes[round];
        to_compress(&bench, total, n);
        go_through(q, &bench, n, 1 + round * 7);
        for (size_t i = 0; i < n; i++) {
            uint8_t object[PAGE];
            unsigned int len = PAGE;
            CHECK(tzram_compress_page(ctx, page_at(total + i), object, &len) == 0, "the context's object");
            CHECK(bench.req[i].status == 0 && bench.req[i].dlen == len && !memcmp(object, bench.object[i], len),
                  "%s, page %zu: status %d, %u bytes, the context's has %u", alg, total + i, (int)bench.req[i].status,
                  (unsigned)bench.req[i].dlen, len);
        }
        to_decompress(&bench, n);
        go_through(q, &bench, n, MOST);
        for (size_t i = 0; i < n; i++)
            CHECK(bench.req[i].status == 0 && bench.req[i].dlen == PAGE &&
                      !memcmp(bench.back[i], page_at(total + i), PAGE),
                  "%s, page %zu is back: status %d", alg, total + i, (int)bench.req[i].status);
        total += n;
    }
    stats_of(q, &s);
    CHECK(s.page_size == PAGE && s.pages_in == total && s.pages_out == total && s.bytes_in == total * PAGE &&
              s.compress_errors == 0 && s.decompress_errors == 0 && s.device_pages == 0 && s.device_errors == 0,
          "counters: %lu in, %lu out of %zu", (unsigned long)s.pages_in, (unsigned long)s.pages_out, total);
    tzram_ctx_destroy(ctx);
    tzram_queue_destroy(q);
}

static void bad_requests_have_statuses_of_their_own(void) {
    struct tzram_queue *q = make_queue("tzp", 64, 2);
    struct tzram_req *done[MOST];
    struct tzram_stats s;
    static const int want[] = {0,       -EINVAL, -EINVAL,  -EINVAL, -EINVAL, -ENOSPC, -EBADMSG,
                               -EINVAL, -EINVAL, -EBADMSG, -EINVAL, -EINVAL, 0};
    enum { N = sizeof want / sizeof *want };
    to_compress(&bench, 3, N);
    bench.req[1].src = NULL;
    bench.req[2].dst = NULL;
    bench.req[3].op = 2;
    bench.req[4].dst = (uint8_t *)bench.req[4].src + 100;
    bench.req[5].dlen = 1;
    for (size_t i = 6; i < 12; i++) {
        bench.req[i].op = TZRAM_OP_DECOMPRESS;
        bench.req[i].src = bench.object[i];
        bench.req[i].dst = bench.back[i];
        bench.req[i].slen = 40;
        memset(bench.object[i], 0xFF, PAGE);
    }
    bench.req[7].slen = 0;
    bench.req[8].src = NULL;
    bench.req[9].slen = PAGE + 1;
    bench.req[10].dst = NULL;
    bench.req[11].dst = bench.object[11];
    CHECK_RC(tzram_queue_submit(q, bench.list, N), N, "bad requests are taken");
    CHECK_RC(tzram_queue_reap(q, done, MOST, -1), N, "and come back");
    for (size_t i = 0; i < N; i++)
        CHECK(bench.req[i].status == want[i] && (bench.req[i].dlen != 0) == (want[i] == 0),
              "request %zu: status %d, wanted %d, dlen %u", i, (int)bench.req[i].status, want[i], (unsigned)bench.req[i].dlen);
    bench.list[1] = NULL;
    CHECK_RC(tzram_queue_submit(q, bench.list, N), -EINVAL, "a NULL request");
    CHECK_RC(tzram_queue_reap(q, done, MOST, -1), -EAGAIN, "and nothing was taken");
    stats_of(q, &s);
    CHECK(s.pages_in == 2, "two pages compressed, %lu counted", (unsigned long)s.pages_in);
    tzram_queue_destroy(q);
}

static void depth_counts_until_reaped(void) {
    struct tzram_queue *q = make_queue("lz4", 10, 2);
    struct tzram_req *done[MOST];
    to_compress(&bench, 0, 64);
    CHECK_RC(tzram_queue_submit(q, bench.list, 4), 4, "four");
    CHECK_RC(tzram_queue_submit(q, bench.list + 4, 60), 6, "as many as there is room for");
    CHECK_RC(tzram_queue_submit(q, bench.list + 10, 1), -EAGAIN, "full");
    CHECK_RC(tzram_queue_submit(q, bench.list + 10, 0), 0, "nothing always fits");
    CHECK_RC(tzram_queue_submit(q, NULL, 0), 0, "nothing always fits");
    CHECK_RC(tzram_queue_reap(q, done, 3, -1), 3, "three");
    CHECK_RC(tzram_queue_submit(q, bench.list + 10, 54), 3, "room for three");
    CHECK_RC(tzram_queue_reap(q, done, MOST, -1), 10, "all");
    CHECK_RC(tzram_queue_reap(q, done, MOST, -1), -EAGAIN, "nothing is submitted");
    tzram_queue_destroy(q);
}

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

static void waiting_has_an_end(void) {
    struct tzram_queue *q = make_queue("tzp", 32, 1);
    struct tzram_req *done[MOST];
    int got = 0, rc = 0;
    long start = now_ms();
    CHECK_RC(tzram_queue_reap(q, done, 1, 0), -EAGAIN, "nothing there");
    CHECK_RC(tzram_queue_reap(q, done, 1, 30), -EAGAIN, "nothing comes in time");
    CHECK(now_ms() - start >= 29, "it waited %ld ms", now_ms() - start);
    CHECK_RC(tzram_queue_reap(q, done, 1, -1), -EAGAIN, "nothing can come");
    to_compress(&bench, 0, 20);
    CHECK_RC(tzram_queue_submit(q, bench.list, 20), 20, "twenty");
    while (got < 20 && (rc >= 0 || rc == -EAGAIN)) {
        rc = tzram_queue_reap(q, done, 32, 0);
        got += rc > 0 ? rc : 0;
    }
    CHECK(got == 20, "polling ends: %d, %d", got, rc);
    CHECK_RC(tzram_queue_submit(q, bench.list, 20), 20, "twenty again");
    start = now_ms();
    CHECK_RC(tzram_queue_reap(q, done, 32, INT_MAX), 20, "all that are submitted, long before the time is over");
    CHECK(now_ms() - start < 60000, "it took %ld ms", now_ms() - start);
    tzram_queue_destroy(q);
}

static int readable(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 0) == 1;
}

static void an_event_loop_can_poll(void) {
    struct tzram_queue *q = make_queue("zstd", 64, 2);
    struct tzram_req *done[MOST];
    int fd = tzram_queue_fd(q), rc;
    CHECK(fd >= 0 && tzram_queue_fd(q) == fd, "one descriptor: %d", fd);
    CHECK(!readable(fd), "nothing waits");
    for (int round = 0; round < 300; round++) {
        int got = 0, n = 1 + round % 9;
        to_compress(&bench, (size_t)round, (size_t)n);
        CHECK_RC(tzram_queue_submit(q, bench.list, (size_t)n), n, "some");
        while (got < n) {
            struct pollfd p = {fd, POLLIN, 0};
            if (!CHECK(poll(&p, 1, 60000) == 1, "round %d: readable with %d of %d", round, got, n)) break;
            rc = tzram_queue_reap(q, done, round % 3 ? MOST : 1, 0);
            if (!CHECK(rc > 0, "round %d: readable, and reap says %d", round, rc)) break;
            got += rc;
        }
        CHECK(!readable(fd), "round %d: nothing waits", round);
    }
    tzram_queue_destroy(q);
    q = make_queue("tzp", 64, 2);
    to_compress(&bench, 0, 5);
    CHECK_RC(tzram_queue_submit(q, bench.list, 5), 5, "five");
    CHECK_RC(tzram_queue_reap(q, done, 4, -1), 4, "four");
    for (long start = now_ms(); *(volatile int32_t *)&bench.req[4].status == 77 && now_ms() - start < 60000;) usleep(1000);
    fd = tzram_queue_fd(q);
    struct pollfd p = {fd, POLLIN, 0};
    CHECK(poll(&p, 1, 60000) == 1, "a descriptor that is asked for late says what is so");
    CHECK_RC(tzram_queue_reap(q, done, 9, 0), 1, "the fifth");
    CHECK(!readable(fd), "nothing waits");
    tzram_queue_destroy(q);
}

static void destroy_finishes_what_is_submitted(void) {
    for (int round = 0; round < 30; round++) {
        struct tzram_queue *q = make_queue("zstd", MOST, 1 + (uint32_t)round % 4);
        to_compress(&bench, (size_t)round, MOST);
        CHECK_RC(tzram_queue_submit(q, bench.list, MOST), MOST, "many");
        tzram_queue_destroy(q);
        size_t bad = 0;
        for (size_t i = 0; i < MOST; i++) bad += bench.req[i].status != 0 || bench.req[i].dlen == 0;
        CHECK(bad == 0, "round %d: %zu have not finished", round, bad);
    }
    tzram_queue_destroy(NULL);
}

/* Number of this process's threads whose name begins with "tzram-"; each has every signal blocked. */
static int threads_of_queues(int *others) {
    DIR *dir = opendir("/proc/self/task");
    struct dirent *e;
    int count = 0;
    *others = 0;
    if (!dir) give_up("/proc/self/task");
    while ((e = readdir(dir))) {
        char path[300], line[256] = "";
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        int ours = fgets(line, sizeof line, f) && !strncmp(line, "tzram-", 6);
        fclose(f);
        if (!ours) {
            ++*others;
            continue;
        }
        CHECK(line[6] >= '0' && line[6] <= '9', "name %s", line);
        count++;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        if (!(f = fopen(path, "r"))) continue;
        unsigned long long blocked = 0;
        while (fgets(line, sizeof line, f))
            if (sscanf(line, "SigBlk: %llx", &blocked) == 1) break;
        fclose(f);
        for (int s = 1; s < 32; s++)
            if (s != SIGKILL && s != SIGSTOP) CHECK(blocked >> (s - 1) & 1, "signal %d is blocked: %llx", s, blocked);
    }
    closedir(dir);
    return count;
}

static void threads_live_as_long_as_their_queue(void) {
    int others = 0;
    struct tzram_ctx *ctx = NULL;
    sigset_t before, after;
    if (access("/proc/self/task", R_OK)) {
        skipped("queue-threads", "no /proc");
        return;
    }
    CHECK(tzram_ctx_create(NULL, &ctx) == 0, "a context");
    CHECK(threads_of_queues(&others) == 0 && others == 1, "no thread without a queue, %d others", others);
    memset(&before, 0, sizeof before);
    memset(&after, 0, sizeof after);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    struct tzram_queue *q = make_queue("tzp", 64, 5), *q2 = make_queue("lz4", 64, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(!memcmp(&before, &after, sizeof before), "the caller's signals are as they were");
    to_compress(&bench, 0, 64);
    go_through(q, &bench, 64, 64);
    int count = threads_of_queues(&others);
    CHECK(count == 6 && others == 1, "%d threads, %d others", count, others);
    tzram_queue_destroy(q);
    count = threads_of_queues(&others);
    CHECK(count == 1 && others == 1, "%d threads, %d others", count, others);
    tzram_queue_destroy(q2);
    CHECK(threads_of_queues(&others) == 0 && others == 1, "none left, %d others", others);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    q = make_queue("tzp", 0, 0);
    count = threads_of_queues(&others);
    CHECK(count >= 1 && count <= cpus, "%d threads for %ld CPUs", count, cpus);
    tzram_queue_destroy(q);
    tzram_ctx_destroy(ctx);
}

/* One submits, another reaps. */
struct pair {
    struct tzram_queue *q;
    struct bench *b;
    unsigned long sent;
};

static void *submitter(void *p) {
    struct pair *pair = (struct pair *)p;
    for (size_t i = 0; i < MOST;) {
        int rc = tzram_queue_submit(pair->q, pair->b->list + i, 1 + i % 5 < MOST - i ? 1 + i % 5 : MOST - i);
        if (rc > 0) {
            i += (size_t)rc;
            pair->sent += (unsigned long)rc;
        } else if (rc == -EAGAIN)
            usleep(50);
        else
            break;
    }
    return NULL;
}

static void threads_may_share_a_queue(void) {
    for (int round = 0; round < 20; round++) {
        struct tzram_queue *q = make_queue("tzp", 24, 2);
        struct tzram_req *done[MOST];
        struct pair one = {q, &bench, 0}, two = {q, &bench2, 0};
        pthread_t t1, t2;
        size_t got = 0;
        to_compress(&bench, 0, MOST);
        to_compress(&bench2, 500, MOST);
        if (pthread_create(&t1, NULL, submitter, &one) || pthread_create(&t2, NULL, submitter, &two))
            give_up("pthread_create");
        for (long start = now_ms(); got < 2 * MOST && now_ms() - start < 60000;) {
            int rc = tzram_queue_reap(q, done, 7, 20);
            if (rc > 0) got += (size_t)rc;
            else if (!CHECK(rc == -EAGAIN, "reap: %d", rc)) break;
        }
        pthread_join(t1, NULL);
        pthread_join(t2, NULL);
        CHECK(got == 2 * MOST && one.sent == MOST && two.sent == MOST, "%zu of %d came back", got, 2 * MOST);
        size_t bad = 0;
        for (size_t i = 0; i < MOST; i++) bad += bench.req[i].status != 0 || bench2.req[i].status != 0;
        CHECK(bad == 0, "%zu failed", bad);
        tzram_queue_destroy(q);
    }
}

static void units_and_dictionaries(void) {
    struct tzram_queue_params p;
    struct tzram_queue *q = NULL;
    struct tzram_dict *dict = NULL;
    struct tzram_ctx *without = NULL;
    struct tzram_req *done[MOST];
    static uint8_t unit[65536], object[65536], back[65536];
    for (size_t i = 0; i < sizeof unit; i++) unit[i] = page_at(i / PAGE)[i % PAGE];
    tzram_queue_params_init(&p);
    p.threads = 1;
    p.page.page_size = sizeof unit;
    CHECK_RC(tzram_queue_create(&p, &q), 0, "units of 64 KiB");
    struct tzram_req r = {TZRAM_OP_COMPRESS, 0, unit, object, 0, sizeof object, NULL}, *list[] = {&r};
    CHECK(tzram_queue_submit(q, list, 1) == 1 && tzram_queue_reap(q, done, 1, -1) == 1 && r.status == 0, "compressed");
    struct tzram_req d = {TZRAM_OP_DECOMPRESS, 0, object, back, r.dlen, 0, NULL};
    list[0] = &d;
    CHECK(tzram_queue_submit(q, list, 1) == 1 && tzram_queue_reap(q, done, 1, -1) == 1 && d.status == 0 &&
              d.dlen == sizeof back && !memcmp(back, unit, sizeof unit),
          "restored");
    tzram_queue_destroy(q);

    CHECK_RC(tzram_dict_create(unit, PAGE, &dict), 0, "a dictionary");
    tzram_queue_params_init(&p);
    p.page.alg = "zstd";
    p.page.dict = dict;
    CHECK_RC(tzram_queue_create(&p, &q), 0, "a queue with a dictionary");
    CHECK(make_ctx("zstd", TZRAM_LEVEL_DEFAULT, TZRAM_BACKEND_AUTO, PAGE, NULL, &without) == 0, "a context without");
    generate_page(unit, 0);
    struct tzram_req w = {TZRAM_OP_COMPRESS, 0, unit, object, 0, PAGE, NULL};
    list[0] = &w;
    CHECK(tzram_queue_submit(q, list, 1) == 1 && tzram_queue_reap(q, done, 1, -1) == 1 && w.status == 0, "compressed");
    CHECK_RC(tzram_decompress_page(without, object, w.dlen, back), -ESTALE, "it needs the dictionary");
    tzram_queue_destroy(q);
    tzram_ctx_destroy(without);
    tzram_dict_destroy(dict);
}

static void wrong_arguments(void) {
    struct tzram_queue_params p;
    struct tzram_queue *q = NULL;
    struct tzram_req *done[1];
    struct tzram_stats s;
    static const int32_t engines[] = {-1, 3, INT32_MAX, INT32_MIN};
    memset(&s, 0, sizeof s);
    s.struct_size = (uint32_t)sizeof s;
    tzram_queue_params_init(NULL);
    CHECK_RC(tzram_queue_create(NULL, NULL), -EINVAL, "out is NULL");
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        tzram_queue_params_init(&p);
        p.engine = engines[i];
        CHECK_RC(tzram_queue_create(&p, &q), -EINVAL, "engine %d", (int)engines[i]);
        CHECK(!q, "*out is NULL after a failure");
    }
    tzram_queue_params_init(&p);
    p.depth = TZRAM_QUEUE_DEPTH_MAX + 1;
    CHECK_RC(tzram_queue_create(&p, &q), -EINVAL, "depth");
    tzram_queue_params_init(&p);
    p.threads = TZRAM_QUEUE_THREADS_MAX + 1;
    CHECK_RC(tzram_queue_create(&p, &q), -EINVAL, "threads");
    tzram_queue_params_init(&p);
    p.page.alg = "lzw";
    CHECK_RC(tzram_queue_create(&p, &q), -ENOENT, "algorithm");
    tzram_queue_params_init(&p);
    p.page.page_size = 5000;
    CHECK_RC(tzram_queue_create(&p, &q), -EINVAL, "page_size");
    tzram_queue_params_init(&p);
    p.page.flags = 1;
    CHECK_RC(tzram_queue_create(&p, &q), -EINVAL, "flags");
    tzram_queue_params_init(&p);
    p.page.struct_size = 2 * sizeof p.page;
    CHECK_RC(tzram_queue_create(&p, &q), -EINVAL, "an inner struct that is longer than the outer one");
    tzram_queue_params_init(&p);
    p.engine = TZRAM_ENGINE_CUDA;
    p.page.alg = "zstd";
    p.page.level = 3;
    CHECK_RC(tzram_queue_create(&p, &q), -EOPNOTSUPP, "no device does level 3 of Zstandard");
    p.page.level = TZRAM_LEVEL_DEFAULT;
    static const char *const on_devices[] = {"tzp", "lz4", "zstd"};
    for (size_t i = 0; i < sizeof on_devices / sizeof *on_devices; i++) {
        p.page.alg = on_devices[i];
        int rc = tzram_queue_create(&p, &q);
        CHECK(rc == -ENODEV || (rc == 0 && tzram_queue_engine(q) == TZRAM_ENGINE_CUDA), "%s: a device or none: %d",
              p.page.alg, rc);
        tzram_queue_destroy(q);
    }
    q = make_queue("tzp", 1, 1);
    CHECK_RC(tzram_queue_submit(NULL, bench.list, 1), -EINVAL, "q is NULL");
    CHECK_RC(tzram_queue_submit(q, NULL, 1), -EINVAL, "reqs is NULL");
    CHECK_RC(tzram_queue_reap(NULL, done, 1, 0), -EINVAL, "q is NULL");
    CHECK_RC(tzram_queue_reap(q, NULL, 1, 0), -EINVAL, "done is NULL");
    CHECK_RC(tzram_queue_reap(q, done, 0, 0), -EINVAL, "max is 0");
    CHECK_RC(tzram_queue_engine(NULL), -EINVAL, "q is NULL");
    CHECK_RC(tzram_queue_fd(NULL), -EINVAL, "q is NULL");
    CHECK_RC(tzram_queue_stats(NULL, &s), -EINVAL, "q is NULL");
    CHECK_RC(tzram_queue_stats(q, NULL), -EINVAL, "out is NULL");
    tzram_queue_destroy(q);
}

/* A later version's struct: known fields, then others, the inner struct the longer one. */
struct longer_params {
    struct tzram_queue_params known;
    uint8_t tail[64];
};

static void params_of_other_sizes(void) {
    static const size_t older[] = {offsetof(struct tzram_queue_params, depth),
                                   offsetof(struct tzram_queue_params, threads),
                                   offsetof(struct tzram_queue_params, device),
                                   offsetof(struct tzram_queue_params, page),
                                   offsetof(struct tzram_queue_params, page.alg),
                                   offsetof(struct tzram_queue_params, page.level),
                                   offsetof(struct tzram_queue_params, page.flags)};
    struct arena a = arena_make(4096);
    struct longer_params l;
    struct tzram_queue *q = NULL;
    for (size_t i = 0; i < sizeof older / sizeof *older; i++) {
        /* Ends at the guard page: the fields an older program does not have must not be read. */
        struct tzram_queue_params p, *at = (struct tzram_queue_params *)(void *)at_end(a, older[i]);
        tzram_queue_params_init(&p);
        p.engine = TZRAM_ENGINE_CPU;
        p.struct_size = (uint32_t)older[i];
        if (older[i] > offsetof(struct tzram_queue_params, page))
            p.page.struct_size = (uint32_t)(older[i] - offsetof(struct tzram_queue_params, page));
        memcpy(at, &p, older[i]);
        CHECK_RC(tzram_queue_create(at, &q), 0, "a struct of %zu bytes", older[i]);
        tzram_queue_destroy(q);
    }
    memset(&l, 0, sizeof l);
    tzram_queue_params_init(&l.known);
    l.known.engine = TZRAM_ENGINE_CPU;
    l.known.struct_size = (uint32_t)sizeof l;
    l.known.page.struct_size += 16;
    CHECK_RC(tzram_queue_create(&l.known, &q), 0, "a longer struct with zeros behind");
    tzram_queue_destroy(q);
    l.tail[9] = 1;
    CHECK_RC(tzram_queue_create(&l.known, &q), -EINVAL, "a longer struct with something behind");
    CHECK_RC(tzram_queue_create(NULL, &q), 0, "NULL stands for the defaults");
    tzram_queue_destroy(q);
}

#if INTERPOSED
static void requests_allocate_nothing(void) {
    for (size_t a = 0; a < sizeof algs / sizeof *algs; a++) {
        if (!tzram_has_comp(algs[a])) continue;
        struct tzram_queue *q = make_queue(algs[a], 64, 2);
        CHECK(tzram_queue_fd(q) >= 0, "a descriptor");
        unsigned long before = allocations;
        for (int round = 0; round < 4; round++) {
            to_compress(&bench, (size_t)round * MOST, MOST);
            go_through(q, &bench, MOST, 32);
            to_decompress(&bench, MOST);
            go_through(q, &bench, MOST, 32);
        }
        CHECK(allocations == before, "%s: %lu allocations", algs[a], allocations - before);
        tzram_queue_destroy(q);
    }
}
#endif

int main(int argc, char **argv) {
    pages = load_pages(argc, argv, 512);
    wrong_arguments();
    params_of_other_sizes();
    threads_live_as_long_as_their_queue();
    for (size_t a = 0; a < sizeof algs / sizeof *algs; a++)
        if (tzram_has_comp(algs[a]))
            for (uint32_t threads = 1; threads <= 8; threads *= 2) pages_come_back(algs[a], threads, threads * threads * 5);
    bad_requests_have_statuses_of_their_own();
    depth_counts_until_reaped();
    waiting_has_an_end();
    an_event_loop_can_poll();
    destroy_finishes_what_is_submitted();
    threads_may_share_a_queue();
    units_and_dictionaries();
#if INTERPOSED
    requests_allocate_nothing();
#else
    skipped("allocations", "only glibc's allocator can be interposed");
#endif
    return summary();
}

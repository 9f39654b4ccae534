/*
 * Compresses and restores every page with every row's driver and takes the time.
 *
 * The first pass is not timed: it checks each page, classifies the objects and counts bytes. Then the timed rounds,
 * over the pages that are not same-filled (those cost next to nothing under every driver and would only dilute the
 * figures): in each round the drivers take turns, so that a change of the machine's clock meets all of them, and each
 * works through the pages in an order drawn anew, in batches long enough for the clock's own cost to vanish. A row's
 * speed is the median of its rounds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan.h"

#include <stdlib.h>
#include <string.h>

/* Two clock readings cost some 50 ns, a page at least 300 ns: 32 pages keep the clock below one part in a hundred. */
enum { BATCH = 32 };

struct bench {
    uint8_t *objects;  /* BATCH pages: the objects of one batch */
    uint8_t *restored; /* BATCH pages */
    unsigned int length[BATCH];
    size_t *order;   /* the pages to time, shuffled before each use */
    double *seconds; /* [row][direction][round] */
    uint64_t random;
};

static const uint8_t *page(const struct scan *s, size_t i) {
    return s->pages.data + i * s->pages.size;
}

static void failed(const struct row *r, const char *what, size_t index, int rc) {
    progress_clear();
    complain("%s level %d: page %zu: %s: %s", r->driver, r->level, index, what, tzram_strerror(rc));
}

/* One page there and back, unmeasured. Returns its codec, or -1. */
static int check_page(const struct scan *s, struct row *r, struct bench *b, size_t i) {
    struct tzram_page_info info;
    unsigned int length = (unsigned int)s->pages.size;
    int rc = tzram_compress_page(r->ctx, page(s, i), b->objects, &length);
    if (rc) {
        failed(r, "compress", i, rc);
        return -1;
    }
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    rc = tzram_page_info(r->ctx, b->objects, length, &info);
    if (rc) {
        failed(r, "page_info", i, rc);
        return -1;
    }
    rc = tzram_decompress_page(r->ctx, b->objects, length, b->restored);
    if (rc) {
        failed(r, "decompress", i, rc);
        return -1;
    }
    if (memcmp(b->restored, page(s, i), s->pages.size)) {
        progress_clear();
        complain("%s level %d: page %zu came back different", r->driver, r->level, i);
        return -1;
    }
    r->bytes_in += s->pages.size;
    r->bytes_out += length;
    if (info.codec >= 0 && info.codec < 8) r->by_codec[info.codec]++;
    if (info.codec == TZRAM_CODEC_RAW) r->raw_pages++;
    if (info.codec == TZRAM_CODEC_SAME_FILLED) {
        r->same_pages++;
        r->same_out += length;
    }
    return info.codec;
}

static void shuffle(struct bench *b, size_t n) {
    for (size_t i = n; i > 1; i--) {
        b->random ^= b->random << 13;
        b->random ^= b->random >> 7;
        b->random ^= b->random << 17;
        size_t k = (size_t)(b->random % i), t = b->order[i - 1];
        b->order[i - 1] = b->order[k];
        b->order[k] = t;
    }
}

/*

 * One round of one row: seconds[0] to compress all timed pages, seconds[1] to restore them. Returns 0 or EXIT_DIFFERS.

 */
static int timed_round(const struct scan *s, struct row *r, struct bench *b, double seconds[2]) {
    size_t size = s->pages.size;
    seconds[0] = seconds[1] = 0;
    shuffle(b, s->timed_pages);
    for (size_t first = 0; first < s->timed_pages; first += BATCH) {
        size_t n = s->timed_pages - first < BATCH ? s->timed_pages - first : BATCH;
        const size_t *index = b->order + first;
        int rc = 0;
        double t0 = now();
        for (size_t i = 0; i < n; i++) {
            b->length[i] = (unsigned int)size;
            rc |= tzram_compress_page(r->ctx, page(s, index[i]), b->objects + i * size, &b->length[i]);
        }
        double t1 = now();
        for (size_t i = 0; i < n; i++)
            rc |= tzram_decompress_page(r->ctx, b->objects + i * size, b->length[i], b->restored + i * size);
        double t2 = now();
        seconds[0] += t1 - t0;
        seconds[1] += t2 - t1;
        for (size_t i = 0; i < n; i++) {
            if (rc || memcmp(b->restored + i * size, page(s, index[i]), size)) {
                progress_clear();
                complain("%s level %d: page %zu or one near it failed or came back different in a timed round",
                         r->driver, r->level, index[i]);
                return EXIT_DIFFERS;
            }
        }
    }
    return 0;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static int run(struct scan *s, struct bench *b) {
    size_t steps = s->row_count * (size_t)(s->rounds + 1), step = 0;
    for (size_t r = 0; r < s->row_count; r++, step++) {
        for (size_t i = 0; i < s->pages.count; i++) {
            if (i % 64 == 0) progress("checking", ((double)step + (double)i / (double)s->pages.count) / (double)steps);
            int codec = check_page(s, &s->rows[r], b, i);
            if (codec < 0) return EXIT_DIFFERS;
            /* Same-filled pages are found before any codec runs, so the first row speaks for all. */
            if (r == 0 && codec != TZRAM_CODEC_SAME_FILLED) b->order[s->timed_pages++] = i;
        }
    }
    if (!s->timed_pages) return 0;
    for (int round = 0; round < s->rounds; round++) {
        for (size_t r = 0; r < s->row_count; r++, step++) {
            double seconds[2];
            progress("measuring", (double)step / (double)steps);
            if (timed_round(s, &s->rows[r], b, seconds)) return EXIT_DIFFERS;
            for (size_t d = 0; d < 2; d++) b->seconds[(r * 2 + d) * (size_t)s->rounds + (size_t)round] = seconds[d];
        }
    }
    for (size_t r = 0; r < s->row_count; r++) {
        double bytes = (double)s->timed_pages * (double)s->pages.size / 1e6;
        double *compress = b->seconds + r * 2 * (size_t)s->rounds, *restore = compress + s->rounds;
        double tc = median(compress, s->rounds), td = median(restore, s->rounds);
        s->rows[r].compress_mbs = tc > 0 ? bytes / tc : 0;
        s->rows[r].decompress_mbs = td > 0 ? bytes / td : 0;
    }
    return 0;
}

int measure(struct scan *s) {
    struct bench b;
    int status;
    memset(&b, 0, sizeof b);
    b.random = 0x9E3779B97F4A7C15u;
    b.objects = (uint8_t *)malloc(BATCH * s->pages.size);
    b.restored = (uint8_t *)malloc(BATCH * s->pages.size);
    b.order = (size_t *)malloc(s->pages.count * sizeof *b.order);
    b.seconds = (double *)malloc(s->row_count * 2 * (size_t)s->rounds * sizeof *b.seconds);
    s->timed_pages = 0;
    if (b.objects && b.restored && b.order && b.seconds) {
        /* Touched now, so that the first round does not pay for the kernel's page faults. */
        memset(b.objects, 0, BATCH * s->pages.size);
        memset(b.restored, 0, BATCH * s->pages.size);
        status = run(s, &b);
    } else {
        complain("no memory to measure with");
        status = EXIT_SYSTEM;
    }
    progress_clear();
    free(b.objects);
    free(b.restored);
    free(b.order);
    free(b.seconds);
    return status;
}

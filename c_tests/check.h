/*
 * Counting checks for the C tests: a check prints only when it fails, and the last line is 'N passed, M failed'.
 *
 * The tests are C99 and C++11 at once, and include nothing of the library but <tzram.h>, as a user's program would.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tzram.h>

/* A header of helpers is not used to the last one by each program. */
#if defined(__GNUC__)
#define MAYBE_UNUSED __attribute__((unused))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define MAYBE_UNUSED
#define PRINTF_LIKE(text, first)
#endif

static unsigned long checks_passed, checks_failed;

/* Counts; on failure prints the place, the condition and the text, up to a hundred times. Returns whether it held. */
PRINTF_LIKE(5, 6)
static int check_at(const char *file, int line, const char *condition, int held, const char *text, ...) {
    va_list args;
    if (held) {
        checks_passed++;
        return 1;
    }
    if (++checks_failed <= 100) {
        printf("FAIL %s:%d: %s: ", file, line, condition);
        va_start(args, text);
        vprintf(text, args);
        va_end(args);
        putchar('\n');
    }
    return 0;
}

/* CHECK(condition, "what it means, as printf"[, arguments]) */
#define CHECK(condition, ...) check_at(__FILE__, __LINE__, #condition, !!(condition), __VA_ARGS__)
/* CHECK_RC(call, -EINVAL, "what"[, arguments]): the call's result is that, and errno is as it was. */
#define CHECK_RC(call, want, ...)                                                                                      \
    do {                                                                                                               \
        int check_rc_;                                                                                                 \
        errno = 7777;                                                                                                  \
        check_rc_ = (call);                                                                                            \
        if (!check_at(__FILE__, __LINE__, #call " == " #want, check_rc_ == (want), __VA_ARGS__))                       \
            printf("     it returned %d (%s)\n", check_rc_, tzram_strerror(check_rc_));                                \
        check_at(__FILE__, __LINE__, #call, errno == 7777, "errno was changed to %d", errno);                          \
    } while (0)

MAYBE_UNUSED static void skipped(const char *name, const char *why) {
    printf("SKIPPED %s: %s\n", name, why);
}

MAYBE_UNUSED static int summary(void) {
    printf("%lu passed, %lu failed\n", checks_passed, checks_failed);
    if (fflush(stdout)) return 1;
    return checks_failed ? 1 : 0;
}

/* A failure of the machine rather than of the library: no result at all. */
MAYBE_UNUSED static void give_up(const char *what) {
    perror(what);
    exit(2);
}

/* xorshift64: the same numbers on every machine. */
MAYBE_UNUSED static uint64_t random_state = 0x9E3779B97F4A7C15u;
MAYBE_UNUSED static uint32_t rnd(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

/* ---- memory between two inaccessible pages ---- */

struct arena {
    uint8_t *begin, *end; /* readable and writable; the bytes before begin and from end on are not */
};

/* A whole number of pages of memory with a guard page on both sides. */
MAYBE_UNUSED static struct arena arena_make(size_t at_least) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (at_least + page - 1) / page * page;
    struct arena a;
    uint8_t *p = (uint8_t *)mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == (uint8_t *)MAP_FAILED || mprotect(p, page, PROT_NONE) || mprotect(p + page + size, page, PROT_NONE))
        give_up("mmap");
    a.begin = p + page;
    a.end = p + page + size;
    return a;
}

/* The last n bytes of the arena: one byte further is a crash. */
MAYBE_UNUSED static uint8_t *at_end(struct arena a, size_t n) {
    return a.end - n;
}

/* ---- pages to work on ---- */

struct page_set {
    uint8_t *data;
    size_t bytes;
};

/* Fills one 4096-byte page with data of a kind that memory holds; 8 kinds. */
MAYBE_UNUSED static void generate_page(uint8_t *p, unsigned kind) {
    static const char *const words[] = {"the ", "page ",   "of ",   "memory ", "struct ", "return ", "0x7f",
                                        "\n",   "kernel ", "swap ", "int ",    "{ ",      "} "};
    uint64_t base = 0x00007f0000000000u + ((uint64_t)rnd() << 12), word;
    size_t i = 0;
    memset(p, 0, 4096);
    switch (kind % 8) {
    case 0: /* text */
        while (i < 4096) {
            const char *w = words[rnd() % (sizeof words / sizeof *words)];
            for (; *w && i < 4096; w++) p[i++] = (uint8_t)*w;
        }
        break;
    case 1: /* pointers into one region, with zeros between */
        for (i = 0; i < 4096; i += 8) {
            word = rnd() % 3 ? base + (rnd() & 0xFFFFu) * 16 : 0;
            memcpy(p + i, &word, 8);
        }
        break;
    case 2: /* small integers */
        for (i = 0; i < 4096; i += 4) p[i] = (uint8_t)(rnd() % 50);
        break;
    case 3: /* random: incompressible */
        for (i = 0; i < 4096; i++) p[i] = (uint8_t)rnd();
        break;
    case 4: /* zeros and a few bytes */
        for (i = 0; i < 5; i++) p[rnd() % 4096] = (uint8_t)(1 + rnd() % 255);
        break;
    case 5: /* skewed bytes without matches */
        for (i = 0; i < 4096; i++) p[i] = (uint8_t)((rnd() & rnd() & 31) + 32);
        break;
    case 6: /* records of 48 bytes */
        for (i = 0; i + 48 <= 4096; i += 48) {
            word = base + i;
            memcpy(p + i, &word, 8);
            p[i + 8] = (uint8_t)(i / 48);
            memcpy(p + i + 16, "record", 6);
            word = rnd();
            memcpy(p + i + 32, &word, 8);
        }
        break;
    default: /* half random, half zeros */
        for (i = 0; i < 2048; i++) p[i] = (uint8_t)rnd();
    }
}

/* The files named on the command line, or, without one, `count` generated pages. */
MAYBE_UNUSED static struct page_set load_pages(int argc, char **argv, size_t count) {
    struct page_set s;
    s.data = NULL;
    s.bytes = 0;
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        long size;
        if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) give_up(argv[i]);
        else {
            size = size / 4096 * 4096;
            s.data = (uint8_t *)realloc(s.data, s.bytes + (size_t)size + 1);
            if (!s.data || fread(s.data + s.bytes, 1, (size_t)size, f) != (size_t)size) give_up(argv[i]);
            s.bytes += (size_t)size;
            fclose(f);
        }
    }
    if (!s.bytes) {
        s.data = (uint8_t *)malloc(count * 4096);
        if (!s.data) give_up("malloc");
        for (size_t i = 0; i < count; i++)
            generate_page(s.data + i * 4096,
                          (unsigned)(i / 4)); /* runs of four of a kind: larger units hold like with like */
        s.bytes = count * 4096;
    }
    return s;
}

/* ---- short cuts ---- */

MAYBE_UNUSED static int make_ctx(const char *alg, int level, int backend, uint32_t page_size,
                                 const struct tzram_dict *dict, struct tzram_ctx **out) {
    struct tzram_params p;
    tzram_params_init(&p);
    p.alg = alg;
    p.level = level;
    p.backend = backend;
    p.page_size = page_size;
    p.dict = dict;
    *out = NULL;
    return tzram_ctx_create(&p, out);
}

MAYBE_UNUSED static int get_alg(size_t index, struct tzram_alg *a) {
    memset(a, 0, sizeof *a);
    a->struct_size = (uint32_t)sizeof *a;
    return tzram_alg_get(index, a);
}

#endif

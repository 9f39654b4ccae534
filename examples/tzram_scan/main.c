/*
 * tzram-scan: what libtzram makes of the anonymous memory of a live process, driver by driver.
 *
 * Takes pages from a process it starts itself (workload.c), from a running one or from a file (source.c), compresses
 * and restores each with every driver the library lists, compares byte by byte, takes the time (measure.c) and prints a
 * table or JSON (report.c). Needs <tzram.h>, libc and Linux; C99. The manual is docs/tzram-scan.1.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* 16 MiB at the usual page size: more than any cache of one core, and a few seconds of work in all. */
enum { DEFAULT_MAX_PAGES = 4096, DEFAULT_ROUNDS = 5, MOST_CHOICES = 64 };

struct options {
    const char *algs[MOST_CHOICES];
    size_t alg_count;
    int levels[MOST_CHOICES];
    size_t level_count;
    int backend;
    size_t max_pages, page_size;
    int rounds, json;
    pid_t pid;
    const char *file;
};

static const char usage[] =
    "usage: tzram-scan [options] [FILE]\n"
    "       tzram-scan [options] --pid N\n"
    "\n"
    "Compresses and restores anonymous memory pages with each driver of libtzram, checks every byte, and prints "
    "ratio,\n"
    "speed and bytes saved. The pages are those of a compiler run that it starts itself, of process N, or of FILE.\n"
    "\n"
    "  -p, --pid N          read process N (same user, or root)\n"
    "  -a, --alg NAME       only this algorithm or driver; may be given more than once\n"
    "  -l, --level N        this level instead of each driver's default; may be given more than once\n"
    "  -b, --backend NAME   force scalar, neon, avx2 or avx512, and show one row for each algorithm\n"
    "  -n, --max-pages N    take at most N pages, evenly (default 4096)\n"
    "  -s, --page-size N    bytes compressed as one piece: 4096 (default), 8192, 16384, 32768 or 65536\n"
    "  -r, --rounds N       timed rounds, of which the median is shown (default 5)\n"
    "  -j, --json           one JSON object instead of the table\n"
    "  -h, --help           this text\n"
    "  -V, --version        versions of the program and of the library\n"
    "\n"
    "Exit status: 0 all pages came back the same; 1 one did not, or the library reported an error; 2 wrong usage;\n"
    "3 no pages to read; 4 not permitted; 5 out of memory, or the output could not be written.\n";

void complain(const char *format, ...) {
    va_list args;
    progress_clear();
    fputs("tzram-scan: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
}

/* Reads a decimal number in [low, high]. Returns 0, or -1 after complaining. */
static int number(const char *option, const char *text, long low, long high, long *out) {
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    if (errno || end == text || *end || *out < low || *out > high) {
        complain("--%s: '%s' is not a number from %ld to %ld", option, text, low, high);
        return -1;
    }
    return 0;
}

static int backend_by_name(const char *name) {
    for (int b = TZRAM_BACKEND_SCALAR; b <= TZRAM_BACKEND_AVX512; b++)
        if (tzram_backend_name(b) && !strcmp(tzram_backend_name(b), name)) return b;
    return -1;
}

/* Returns 0 to go on, -1 on wrong usage, 1 when there is nothing left to do. */
static int parse(int argc, char **argv, struct options *o) {
    static const struct option known[] = {{"pid", required_argument, NULL, 'p'},
                                          {"alg", required_argument, NULL, 'a'},
                                          {"level", required_argument, NULL, 'l'},
                                          {"backend", required_argument, NULL, 'b'},
                                          {"max-pages", required_argument, NULL, 'n'},
                                          {"page-size", required_argument, NULL, 's'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    long n;
    int c;
    while ((c = getopt_long(argc, argv, "p:a:l:b:n:s:r:jhV", known, NULL)) != -1) {
        switch (c) {
        case 'p':
            if (number("pid", optarg, 1, INT_MAX, &n)) return -1;
            o->pid = (pid_t)n;
            break;
        case 'a':
            if (o->alg_count == MOST_CHOICES) {
                complain("more than %d times --alg", MOST_CHOICES);
                return -1;
            }
            o->algs[o->alg_count++] = optarg;
            break;
        case 'l':
            if (number("level", optarg, -INT_MAX, INT_MAX, &n)) return -1;
            if (o->level_count == MOST_CHOICES) {
                complain("more than %d times --level", MOST_CHOICES);
                return -1;
            }
            o->levels[o->level_count++] = (int)n;
            break;
        case 'b':
            o->backend = backend_by_name(optarg);
            if (o->backend < 0) {
                complain("--backend: '%s' is none of scalar, neon, avx2, avx512", optarg);
                return -1;
            }
            break;
        case 'n':
            if (number("max-pages", optarg, 1, INT_MAX, &n)) return -1;
            o->max_pages = (size_t)n;
            break;
        case 's':
            if (number("page-size", optarg, 4096, 65536, &n)) return -1;
            if (n & (n - 1)) {
                complain("--page-size: %ld is not a power of two", n);
                return -1;
            }
            o->page_size = (size_t)n;
            break;
        case 'r':
            if (number("rounds", optarg, 1, 1000, &n)) return -1;
            o->rounds = (int)n;
            break;
        case 'j':
            o->json = 1;
            break;
        case 'h':
            fputs(usage, stdout);
            return 1;
        case 'V':
            printf("tzram-scan %s (libtzram %s)\n", TZRAM_VERSION_STRING, tzram_version_string());
            return 1;
        default:
            fputs("Try 'tzram-scan --help'.\n", stderr);
            return -1;
        }
    }
    if (optind < argc) o->file = argv[optind++];
    if (optind < argc || (o->file && o->pid)) {
        complain("one source at a time: a FILE, or --pid N, or neither");
        return -1;
    }
    return 0;
}

/* Adds a row, or an entry among the refused. Returns 0 or EXIT_SYSTEM. */
static int add_row(struct scan *s, const struct tzram_alg *alg, const char *name, int level) {
    struct tzram_params params;
    struct tzram_ctx *ctx = NULL;
    /* Under a forced backend the library picks the driver, and with it the levels there are. */
    int rc = -EINVAL,
        in_range = s->backend != TZRAM_BACKEND_AUTO || (alg->min_level <= level && level <= alg->max_level);
    if (in_range) {
        tzram_params_init(&params);
        params.page_size = (uint32_t)s->pages.size;
        params.alg = name;
        params.level = level;
        params.backend = s->backend;
        rc = tzram_ctx_create(&params, &ctx);
        if (rc == -ENOMEM) {
            complain("%s level %d: %s", name, level, tzram_strerror(rc));
            return EXIT_SYSTEM;
        }
    }
    if (rc) {
        struct refused *grown = (struct refused *)realloc(s->refused, (s->refused_count + 1) * sizeof *grown);
        if (!grown) {
            complain("out of memory");
            return EXIT_SYSTEM;
        }
        s->refused = grown;
        struct refused *f = &grown[s->refused_count++];
        f->driver = name;
        f->level = level;
        if (in_range) snprintf(f->why, sizeof f->why, "%s", tzram_strerror(rc));
        else snprintf(f->why, sizeof f->why, "its levels are %d to %d", alg->min_level, alg->max_level);
        return 0;
    }
    struct row *grown = (struct row *)realloc(s->rows, (s->row_count + 1) * sizeof *grown);
    if (!grown) {
        tzram_ctx_destroy(ctx);
        complain("out of memory");
        return EXIT_SYSTEM;
    }
    s->rows = grown;
    struct row *r = &grown[s->row_count++];
    memset(r, 0, sizeof *r);
    r->alg = alg->name;
    r->driver = name;
    r->priority = alg->priority;
    r->level = level;
    r->ctx = ctx;
    return 0;
}

static int wanted(const struct options *o, const struct tzram_alg *alg, const char **as_named) {
    *as_named = NULL;
    for (size_t i = 0; i < o->alg_count; i++) {
        int is_driver = !strcmp(o->algs[i], alg->driver_name);
        if (is_driver || !strcmp(o->algs[i], alg->name)) *as_named = is_driver ? alg->driver_name : alg->name;
    }
    return !o->alg_count || *as_named;
}

/*
 * Chooses the rows. Without --backend each driver stands for itself. With it the library picks the driver for that
 * backend, so an algorithm has one row, which bears the algorithm's name, unless a driver was named.
 */
static int choose_rows(struct scan *s, const struct options *o) {
    size_t count = tzram_alg_count(), matched = 0;
    for (size_t i = 0; i < count; i++) {
        struct tzram_alg alg;
        const char *as_named, *name;
        int rc, repeated = 0;
        memset(&alg, 0, sizeof alg);
        alg.struct_size = sizeof alg;
        if ((rc = tzram_alg_get(i, &alg))) {
            complain("tzram_alg_get(%zu): %s", i, tzram_strerror(rc));
            return EXIT_DIFFERS;
        }
        if (!wanted(o, &alg, &as_named)) continue;
        matched++;
        name = alg.driver_name;
        if (o->backend != TZRAM_BACKEND_AUTO) name = as_named ? as_named : alg.name;
        for (size_t r = 0; r < s->row_count; r++) repeated |= !strcmp(s->rows[r].driver, name);
        for (size_t r = 0; r < s->refused_count; r++) repeated |= !strcmp(s->refused[r].driver, name);
        if (repeated) continue;
        for (size_t l = 0; l < (o->level_count ? o->level_count : 1); l++) {
            int status = add_row(s, &alg, name, o->level_count ? o->levels[l] : alg.default_level);
            if (status) return status;
        }
    }
    if (!matched) {
        complain("no algorithm or driver of that name in this build; --alg takes these drivers, or the algorithms in "
                 "brackets:");
        for (size_t i = 0; i < count; i++) {
            struct tzram_alg alg;
            memset(&alg, 0, sizeof alg);
            alg.struct_size = sizeof alg;
            if (!tzram_alg_get(i, &alg)) fprintf(stderr, "  %s (%s)\n", alg.driver_name, alg.name);
        }
        return EXIT_USAGE;
    }
    if (!s->row_count) {
        for (size_t i = 0; i < s->refused_count; i++)
            complain("%s level %d: %s", s->refused[i].driver, s->refused[i].level, s->refused[i].why);
        return EXIT_USAGE;
    }
    return 0;
}

static int read_source(struct scan *s, const struct options *o) {
    int status;
    if (o->file) return pages_from_file(&s->pages, o->file);
    if (!o->pid) {
        status = pages_from_workload(&s->pages);
    } else {
        s->pages.kind = "pid";
        s->pages.pid = o->pid;
        command_of(o->pid, s->pages.name, sizeof s->pages.name);
        status = pages_from_process(&s->pages, o->pid, s->pages.room);
    }
    if (!status && !s->pages.count) {
        complain("process %ld has no anonymous pages of %zu bytes in memory", (long)s->pages.pid, s->pages.size);
        return EXIT_NO_SOURCE;
    }
    return status;
}

int main(int argc, char **argv) {
    struct options o;
    struct scan s;
    memset(&o, 0, sizeof o);
    memset(&s, 0, sizeof s);
    o.max_pages = DEFAULT_MAX_PAGES;
    o.page_size = 4096;
    o.rounds = DEFAULT_ROUNDS;

    int status = parse(argc, argv, &o);
    if (status < 0) return EXIT_USAGE;
    if (status == 0) {
        s.rounds = o.rounds;
        s.backend = o.backend;
        status = pages_alloc(&s.pages, o.page_size, o.max_pages);
        if (!status) status = choose_rows(&s, &o);
        if (!status) status = read_source(&s, &o);
        if (!status) status = measure(&s);
        if (!status) (o.json ? report_json : report_table)(&s, stdout);
        for (size_t i = 0; i < s.row_count; i++) tzram_ctx_destroy(s.rows[i].ctx);
        free(s.rows);
        free(s.refused);
        free(s.pages.data);
    } else {
        status = 0;
    }
    if (fflush(stdout) || ferror(stdout)) {
        complain("standard output: %s", strerror(errno));
        return EXIT_SYSTEM;
    }
    return status;
}

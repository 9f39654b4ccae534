/* tzram-scan: what its files share. See main.c for what the program does. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TZRAM_SCAN_H
#define TZRAM_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <tzram.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* Exit statuses, as the manual page lists them. */
enum { EXIT_DIFFERS = 1, EXIT_USAGE = 2, EXIT_NO_SOURCE = 3, EXIT_NOT_PERMITTED = 4, EXIT_SYSTEM = 5 };

/* The pages to work on, and where they came from. */
struct pages {
    uint8_t *data;         /* count * size bytes */
    size_t count, room;    /* pages held, pages there is memory for */
    size_t size;           /* bytes of one page: the unit the library compresses as one piece */
    uint64_t present;      /* pages the source had; more than count when they were sampled */
    uint64_t zero_skipped; /* mappings of the kernel's own zero page, left out */
    uint64_t vanished;     /* pages that went away between being listed and being read */
    int zero_known;        /* whether the zero page could be told apart at all */
    int snapshots;         /* times the process was stopped and read; 0 for a file */
    pid_t pid;             /* 0 for a file */
    const char *kind;      /* "workload", "pid" or "file" */
    char name[512];        /* command line or path */
};

/* One row of the table: a driver at a level. */
struct row {
    const char *alg;    /* what tzram_params.alg is set to */
    const char *driver; /* as the user sees it */
    int priority, level;
    struct tzram_ctx *ctx;
    uint64_t bytes_in, bytes_out;
    uint64_t same_pages, raw_pages;
    uint64_t same_out;                   /* bytes the objects of same-filled pages take */
    uint64_t by_codec[8];                /* pages, by enum tzram_codec */
    double compress_mbs, decompress_mbs; /* 10^6 bytes of page a second; 0 when nothing was timed */
};

/* A driver or level that was asked for and could not be used. */
struct refused {
    const char *driver;
    int level;
    char why[96];
};

struct scan {
    struct pages pages;
    struct row *rows;
    size_t row_count;
    struct refused *refused;
    size_t refused_count;
    int rounds;
    int backend;        /* as forced by --backend, or TZRAM_BACKEND_AUTO */
    size_t timed_pages; /* pages that are not same-filled: what the speeds are over */
};

/* main.c */
void complain(const char *format, ...) PRINTF_LIKE(1, 2); /* "tzram-scan: ...\n" on stderr */

/* source.c: 0, or the exit status after complaining */
int pages_alloc(struct pages *p, size_t size, size_t room);
int pages_from_file(struct pages *p, const char *path);
int pages_from_process(struct pages *p, pid_t pid, size_t most); /* appends at most `most` pages, evenly sampled */
void command_of(pid_t pid, char *out, size_t room);

/* workload.c */
int pages_from_workload(struct pages *p);

/* measure.c */
int measure(struct scan *s);

/* report.c */
void report_table(const struct scan *s, FILE *out);
void report_json(const struct scan *s, FILE *out);
void progress(const char *what,
              double done); /* done in 0..1; shows nothing unless stderr is a terminal and a second has passed */
void progress_clear(void);
double now(void); /* seconds, monotonic */

#endif

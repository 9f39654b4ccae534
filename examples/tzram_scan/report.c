/* The table, the JSON object and the progress bar. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const codec_names[] = {"raw", "same-filled", "lz4", "zstd", "tzp"};

static double ratio(uint64_t in, uint64_t out) {
    return out ? (double)in / (double)out : 0;
}

static double percent(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* The ratio over the pages that are not same-filled; 0 when there are none. */
static double ratio_other(const struct scan *s, const struct row *r) {
    return ratio(r->bytes_in - r->same_pages * s->pages.size, r->bytes_out - r->same_out);
}

static void date(char *out, size_t room) {
    time_t t = time(NULL);
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(out, room, "%Y-%m-%dT%H:%M:%SZ", &tm)) *out = 0;
}

static const char *backend(void) {
    const char *name = tzram_backend_name(tzram_backend_detect());
    return name ? name : "unknown";
}

/* A name as one line of text: control characters, which a process may put into its command line, become '?'. */
static void print_plain(const char *text, FILE *out) {
    for (; *text; text++) putc((unsigned char)*text < 32 || *text == 127 ? '?' : *text, out);
}

void report_table(const struct scan *s, FILE *out) {
    const struct pages *p = &s->pages;
    char when[32];
    date(when, sizeof when);
    fprintf(out, "library  libtzram %s, CPU backend %s", tzram_version_string(), backend());
    if (s->backend != TZRAM_BACKEND_AUTO) fprintf(out, ", forced %s", tzram_backend_name(s->backend));
    fprintf(out, "\ndate     %s\nsource   ", when);
    if (p->pid) fprintf(out, "process %ld: ", (long)p->pid);
    print_plain(p->name, out);
    fprintf(out, "\npages    %zu taken of %" PRIu64 " present, %zu bytes each", p->count, p->present, p->size);
    if (p->pid) fprintf(out, ", anonymous, read at %d point%s", p->snapshots, p->snapshots == 1 ? "" : "s");
    if (p->zero_skipped) fprintf(out, "; %" PRIu64 " of the kernel's zero page left out", p->zero_skipped);
    if (p->vanished) fprintf(out, "; %" PRIu64 " went away before they were read", p->vanished);
    fprintf(out, "\nsame     %zu pages are same-filled, %zu are not\n\n", p->count - s->timed_pages, s->timed_pages);

    fprintf(out, "%-18s %5s %8s %8s %7s %7s %10s %11s %14s\n", "driver", "level", "ratio", "ratio*", "same %", "raw %",
            "comp MB/s", "decomp MB/s", "bytes saved");
    for (size_t i = 0; i < s->row_count; i++) {
        const struct row *r = &s->rows[i];
        fprintf(out, "%-18s %5d %8.3f ", r->driver, r->level, ratio(r->bytes_in, r->bytes_out));
        if (s->timed_pages) fprintf(out, "%8.3f ", ratio_other(s, r));
        else fprintf(out, "%8s ", "-");
        fprintf(out, "%7.2f %7.2f ", percent(r->same_pages, p->count), percent(r->raw_pages, p->count));
        if (s->timed_pages) fprintf(out, "%10.1f %11.1f ", r->compress_mbs, r->decompress_mbs);
        else fprintf(out, "%10s %11s ", "-", "-");
        fprintf(out, "%14" PRIu64 "\n", r->bytes_in - r->bytes_out);
    }
    fprintf(out,
            "\nEvery page was restored and compared byte by byte under every driver.\n"
            "Speed is over the %zu pages that are not same-filled, in 10^6 bytes of page a second on one thread, the "
            "median of %d\n"
            "round%s. ratio is over all pages, ratio* over those that are not same-filled.\n",
            s->timed_pages, s->rounds, s->rounds == 1 ? "" : "s");
    if (p->pid && !p->zero_known)
        fprintf(out, "The kernel's zero page could not be told apart (that needs CAP_SYS_ADMIN): it counts among the "
                     "same-filled pages.\n");
    for (size_t i = 0; i < s->refused_count; i++)
        fprintf(out, "Not run: %s level %d: %s.\n", s->refused[i].driver, s->refused[i].level, s->refused[i].why);
}

/*

 * The length of the well-formed UTF-8 sequence at `t` (RFC 3629: shortest form, no surrogates, up to U+10FFFF), or 0.

 */
static size_t utf8_length(const unsigned char *t) {
    size_t n = t[0] < 0x80                   ? 1
               : t[0] >= 0xC2 && t[0] < 0xE0 ? 2
               : (t[0] & 0xF0) == 0xE0       ? 3
               : t[0] >= 0xF0 && t[0] < 0xF5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((t[i] & 0xC0) != 0x80) return 0;
    if ((t[0] == 0xE0 && t[1] < 0xA0) || (t[0] == 0xED && t[1] > 0x9F) || (t[0] == 0xF0 && t[1] < 0x90) ||
        (t[0] == 0xF4 && t[1] > 0x8F))
        return 0;
    return n;
}

/* A JSON string (RFC 8259, section 7). Bytes that are not UTF-8, which a command line may hold, become U+FFFD. */
static void print_string(const char *text, FILE *out) {
    const unsigned char *t = (const unsigned char *)text;
    putc('"', out);
    while (*t) {
        size_t n = utf8_length(t);
        if (n == 0) {
            fputs("\\ufffd", out);
            n = 1;
        } else if (*t == '"' || *t == '\\') {
            fprintf(out, "\\%c", *t);
        } else if (*t < 32 || *t == 127) {
            fprintf(out, "\\u%04x", *t);
        } else {
            fwrite(t, 1, n, out);
        }
        t += n;
    }
    putc('"', out);
}

static void print_number_or_null(double value, int known, FILE *out) {
    if (known) fprintf(out, "%.4f", value);
    else fputs("null", out);
}

void report_json(const struct scan *s, FILE *out) {
    const struct pages *p = &s->pages;
    char when[32];
    date(when, sizeof when);
    fprintf(out, "{\n  \"program\": \"tzram-scan\",\n  \"program_version\": \"%s\",\n  \"library_version\": ",
            TZRAM_VERSION_STRING);
    print_string(tzram_version_string(), out);
    fprintf(out, ",\n  \"cpu_backend\": \"%s\",\n  \"forced_backend\": ", backend());
    if (s->backend != TZRAM_BACKEND_AUTO) print_string(tzram_backend_name(s->backend), out);
    else fputs("null", out);
    fprintf(out, ",\n  \"date\": \"%s\",\n  \"source\": {\"kind\": \"%s\", \"pid\": ", when, p->kind);
    if (p->pid) fprintf(out, "%ld", (long)p->pid);
    else fputs("null", out);
    fputs(", \"name\": ", out);
    print_string(p->name, out);
    fprintf(out,
            ", \"page_size\": %zu, \"pages_present\": %" PRIu64
            ", \"pages_taken\": %zu, \"snapshots\": %d, \"zero_pages_skipped\": ",
            p->size, p->present, p->count, p->snapshots);
    if (p->pid && p->zero_known) fprintf(out, "%" PRIu64, p->zero_skipped);
    else fputs("null", out);
    fprintf(out, ", \"pages_vanished\": %" PRIu64 "},\n", p->vanished);
    fprintf(out, "  \"rounds\": %d,\n  \"timed_pages\": %zu,\n  \"drivers\": [", s->rounds, s->timed_pages);
    for (size_t i = 0; i < s->row_count; i++) {
        const struct row *r = &s->rows[i];
        fprintf(out, "%s\n    {\"alg\": ", i ? "," : "");
        print_string(r->alg, out);
        fputs(", \"driver\": ", out);
        print_string(r->driver, out);
        /* Which driver serves a forced backend is the library's choice, so its priority is not known here. */
        fputs(", \"priority\": ", out);
        if (s->backend == TZRAM_BACKEND_AUTO) fprintf(out, "%d", r->priority);
        else fputs("null", out);
        fprintf(out,
                ", \"level\": %d, \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64 ", \"bytes_saved\": %" PRIu64,
                r->level, r->bytes_in, r->bytes_out, r->bytes_in - r->bytes_out);
        fputs(", \"ratio\": ", out);
        print_number_or_null(ratio(r->bytes_in, r->bytes_out), r->bytes_out != 0, out);
        fputs(", \"ratio_not_same_filled\": ", out);
        print_number_or_null(ratio_other(s, r), s->timed_pages != 0, out);
        fprintf(out,
                ", \"same_filled_pages\": %" PRIu64 ", \"raw_pages\": %" PRIu64 ", \"compress_mb_s\": ", r->same_pages,
                r->raw_pages);
        print_number_or_null(r->compress_mbs, s->timed_pages != 0, out);
        fputs(", \"decompress_mb_s\": ", out);
        print_number_or_null(r->decompress_mbs, s->timed_pages != 0, out);
        fputs(", \"pages_by_codec\": {", out);
        for (size_t c = 0; c < sizeof codec_names / sizeof *codec_names; c++)
            fprintf(out, "%s\"%s\": %" PRIu64, c ? ", " : "", codec_names[c], r->by_codec[c]);
        fputs("}}", out);
    }
    fprintf(out, "%s],\n  \"not_run\": [", s->row_count ? "\n  " : "");
    for (size_t i = 0; i < s->refused_count; i++) {
        fprintf(out, "%s\n    {\"driver\": ", i ? "," : "");
        print_string(s->refused[i].driver, out);
        fprintf(out, ", \"level\": %d, \"why\": ", s->refused[i].level);
        print_string(s->refused[i].why, out);
        putc('}', out);
    }
    fprintf(out, "%s]\n}\n", s->refused_count ? "\n  " : "");
}

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double progress_started, progress_drawn;
static int progress_shown;

void progress(const char *what, double done) {
    enum { WIDTH = 40, AFTER_TENTHS = 10, EVERY_TENTHS = 1 };
    double t = now();
    if (progress_started == 0) progress_started = t;
    if (t - progress_started < AFTER_TENTHS / 10.0 || t - progress_drawn < EVERY_TENTHS / 10.0 ||
        !isatty(STDERR_FILENO))
        return;
    char bar[WIDTH + 1];
    int filled = (int)(done * WIDTH);
    for (int i = 0; i < WIDTH; i++) bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K%s [%s] %3d %%", what, bar, (int)(done * 100));
    fflush(stderr);
    progress_drawn = t;
    progress_shown = 1;
}

void progress_clear(void) {
    if (progress_shown) fputs("\r\033[K", stderr);
    progress_shown = 0;
}

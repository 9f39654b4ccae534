/*
 * Pages from a file or from the memory of a process.
 *
 * A page of a process is taken when swap would store it: present, in a private mapping, and not a page of a file (bit
 * 61 of its pagemap entry is clear), which includes the copied-on-write pages of private file mappings. The kernel's
 * shared zero page, which is never swapped out, is left out where frame numbers can be seen (CAP_SYS_ADMIN). A unit
 * larger than a page of the system is taken when all of its pages are. Source: Documentation/admin-guide/mm/pagemap.rst
 * and proc_pid_maps(5).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PM_PRESENT ((uint64_t)1 << 63)
#define PM_FILE ((uint64_t)1 << 61) /* file page or shared anonymous memory */
#define PM_FRAME (((uint64_t)1 << 55) - 1)
#define KPF_ZERO_PAGE ((uint64_t)1 << 24) /* in /proc/kpageflags: also the huge zero page */

/* A run of units at consecutive addresses. */
struct run {
    uint64_t start;
    uint64_t units;
};

struct listing {
    struct run *runs;
    size_t count, room;
    uint64_t units;
};

int pages_alloc(struct pages *p, size_t size, size_t room) {
    p->size = size;
    p->room = room;
    p->data = room > SIZE_MAX / size ? NULL : (uint8_t *)malloc(room * size);
    if (!p->data) {
        complain("no memory for %zu pages of %zu bytes", room, size);
        return EXIT_SYSTEM;
    }
    return 0;
}

/* The index of the `i`th of `picked` units taken evenly from `total`. */
static uint64_t sample(uint64_t i, uint64_t picked, uint64_t total) {
    return (uint64_t)(((double)i + 0.5) * ((double)total / (double)picked));
}

/* Reads exactly `len` bytes at `at`. Returns 0, or -1 with errno, which is 0 at the end of the file. */
static int read_at(int fd, void *to, size_t len, uint64_t at) {
    uint8_t *out = (uint8_t *)to;
    while (len) {
        ssize_t got = pread(fd, out, len, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = 0;
            return -1;
        }
        out += got;
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

int pages_from_file(struct pages *p, const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        int e = errno;
        complain("%s: %s", path, strerror(e));
        if (fd >= 0) close(fd);
        return e == EACCES || e == EPERM ? EXIT_NOT_PERMITTED : EXIT_NO_SOURCE;
    }
    if (!S_ISREG(st.st_mode)) {
        complain("%s: not a regular file", path);
        close(fd);
        return EXIT_NO_SOURCE;
    }
    p->kind = "file";
    snprintf(p->name, sizeof p->name, "%s", path);
    p->present = (uint64_t)st.st_size / p->size;
    uint64_t picked = p->present < p->room ? p->present : p->room;
    for (uint64_t i = 0; i < picked; i++) {
        uint64_t at = p->size * (picked == p->present ? i : sample(i, picked, p->present));
        if (read_at(fd, p->data + p->count * p->size, p->size, at)) {
            complain("%s: %s", path, errno ? strerror(errno) : "became shorter while being read");
            close(fd);
            return EXIT_NO_SOURCE;
        }
        p->count++;
    }
    close(fd);
    if (!p->count) {
        complain("%s: holds no whole page of %zu bytes", path, p->size);
        return EXIT_NO_SOURCE;
    }
    return 0;
}

void command_of(pid_t pid, char *out, size_t room) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, out, room - 1);
    if (fd >= 0) close(fd);
    if (got > 0) {
        while (got > 0 && out[got - 1] == 0) got--;
        for (ssize_t i = 0; i < got; i++)
            if (out[i] == 0) out[i] = ' ';
        out[got] = 0;
        return;
    }
    /* A kernel thread or a zombie has no command line, only a name. */
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? 0 : read(fd, out, room - 1);
    if (fd >= 0) close(fd);
    if (got < 0) got = 0;
    while (got > 0 && out[got - 1] == '\n') got--;
    out[got] = 0;
}

/* The frame of the shared zero page, found by reading an untouched page of our own; 0 when frame numbers are hidden
 * from us. */
static uint64_t zero_frame(size_t system_page) {
    uint64_t entry = 0;
    void *m = mmap(NULL, system_page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) return 0;
    volatile uint8_t touched = *(volatile uint8_t *)m;
    (void)touched;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read_at(fd, &entry, sizeof entry, (uint64_t)(uintptr_t)m / system_page * sizeof entry)) entry = 0;
        close(fd);
    }
    munmap(m, system_page);
    return entry & PM_PRESENT ? entry & PM_FRAME : 0;
}

static int is_zero_page(uint64_t frame, uint64_t zero, int kpageflags) {
    uint64_t flags;
    if (!frame || !zero) return 0;
    if (frame == zero) return 1;
    return kpageflags >= 0 && !read_at(kpageflags, &flags, sizeof flags, frame * sizeof flags) &&
           (flags & KPF_ZERO_PAGE);
}

static int add_units(struct listing *l, uint64_t start, uint64_t units, size_t unit_size) {
    struct run *last = l->count ? &l->runs[l->count - 1] : NULL;
    l->units += units;
    if (last && last->start + last->units * unit_size == start) {
        last->units += units;
        return 0;
    }
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        struct run *grown = (struct run *)realloc(l->runs, room * sizeof *grown);
        if (!grown) return -1;
        l->runs = grown;
        l->room = room;
    }
    l->runs[l->count].start = start;
    l->runs[l->count].units = units;
    l->count++;
    return 0;
}

/*
 * Adds the units of the mapping [low, high). Returns 0, or -1 with errno.
 *
 * A unit of several system pages begins at a multiple of its size, as a huge page or a swap cluster would, and counts
 * when each of its pages does; a system page that holds several units gives all of them.
 */
static int list_mapping(struct pages *p, struct listing *l, int pagemap, int kpageflags, uint64_t zero,
                        size_t system_page, uint64_t low, uint64_t high) {
    enum { AT_ONCE = 1 << 12 };
    uint64_t entries[AT_ONCE];
    size_t per_unit = p->size > system_page ? p->size / system_page : 1;
    size_t units_per_page = p->size > system_page ? 1 : system_page / p->size;
    size_t in_row = 0; /* good pages in a row that belong to the unit being looked at */
    for (uint64_t at = low; at < high;) {
        size_t n = (size_t)((high - at) / system_page < AT_ONCE ? (high - at) / system_page : AT_ONCE);
        if (read_at(pagemap, entries, n * sizeof *entries, at / system_page * sizeof *entries)) return errno ? -1 : 0;
        for (size_t i = 0; i < n; i++, at += system_page) {
            int good = (entries[i] & PM_PRESENT) && !(entries[i] & PM_FILE);
            if (good && is_zero_page(entries[i] & PM_FRAME, zero, kpageflags)) {
                p->zero_skipped++;
                good = 0;
            }
            if (per_unit == 1) {
                if (good && add_units(l, at, units_per_page, p->size)) return -1;
                continue;
            }
            if (at % p->size == 0) in_row = 0;
            in_row = good ? in_row + 1 : 0;
            if (in_row == per_unit && (at + system_page) % p->size == 0 &&
                add_units(l, at + system_page - p->size, 1, p->size))
                return -1;
        }
    }
    return 0;
}

static int refused_process(pid_t pid, const char *file, int e) {
    if (e == ENOENT || e == ESRCH) {
        complain("no process %ld, or it has ended", (long)pid);
        return EXIT_NO_SOURCE;
    }
    if (e == EACCES || e == EPERM) {
        complain("not permitted to read /proc/%ld/%s: this needs the same user and, where kernel.yama.ptrace_scope is "
                 "not 0, root or CAP_SYS_PTRACE",
                 (long)pid, file);
        return EXIT_NOT_PERMITTED;
    }
    complain("/proc/%ld/%s: %s", (long)pid, file, strerror(e));
    return EXIT_NO_SOURCE;
}

static int open_of(pid_t pid, const char *file, int *fd) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? refused_process(pid, file, errno) : 0;
}

/* Lists the units of every private mapping of the process. Returns 0 or an exit status. */
static int list_process(struct pages *p, struct listing *l, pid_t pid, int pagemap) {
    size_t system_page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t zero = zero_frame(system_page);
    int maps, kpageflags = zero ? open("/proc/kpageflags", O_RDONLY | O_CLOEXEC) : -1;
    int status = open_of(pid, "maps", &maps);
    FILE *f = status ? NULL : fdopen(maps, "r");
    char *line = NULL;
    size_t line_room = 0;
    p->zero_known = zero != 0;
    if (!status && !f) {
        status = refused_process(pid, "maps", errno);
        close(maps);
    }
    while (!status && getline(&line, &line_room, f) > 0) {
        uint64_t low, high;
        char perms[8], name[32] = "";
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %31s", &low, &high, perms, name) < 3) continue;
        /* [vsyscall] lies outside what pagemap covers; [vvar] and [vdso] are the kernel's pages. */
        if (perms[3] != 'p' || !strncmp(name, "[v", 2)) continue;
        if (list_mapping(p, l, pagemap, kpageflags, zero, system_page, low, high))
            status = refused_process(pid, "pagemap", errno);
    }
    free(line);
    if (f) fclose(f);
    if (kpageflags >= 0) close(kpageflags);
    return status;
}

int pages_from_process(struct pages *p, pid_t pid, size_t most) {
    struct listing l;
    int pagemap = -1, mem = -1, status;
    memset(&l, 0, sizeof l);
    if ((status = open_of(pid, "pagemap", &pagemap)) || (status = open_of(pid, "mem", &mem))) goto out;
    if ((status = list_process(p, &l, pid, pagemap))) goto out;

    uint64_t left = p->room - p->count < most ? p->room - p->count : most;
    uint64_t picked = l.units < left ? l.units : left;
    uint64_t before = 0; /* units in the runs already passed */
    size_t run = 0, taken = 0;
    for (uint64_t i = 0; i < picked; i++) {
        uint64_t index = picked == l.units ? i : sample(i, picked, l.units);
        while (run < l.count && index >= before + l.runs[run].units) before += l.runs[run++].units;
        if (run == l.count) break;
        if (read_at(mem, p->data + p->count * p->size, p->size, l.runs[run].start + (index - before) * p->size)) {
            if (errno == EPERM || errno == EACCES) {
                status = refused_process(pid, "mem", errno);
                goto out;
            }
            p->vanished++; /* the process runs on and may unmap what was listed, or end */
            continue;
        }
        p->count++;
        taken++;
    }
    p->present += l.units;
    if (taken) p->snapshots++;
out:
    free(l.runs);
    if (mem >= 0) close(mem);
    if (pagemap >= 0) close(pagemap);
    return status;
}

/*
 * A process of our own that does real work, stopped in the midst of it and read: the C compiler optimising a large
 * generated file, or else an interpreter building tables. It runs in a process group of its own, which is killed and
 * waited for at the end; should this program die before, by whatever signal, a watchdog kills the group, so that
 * nothing is left behind.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* C source that keeps an optimiser busy for seconds: structures, tables, switches, string constants and loops over
 * arrays. */
static void write_c(FILE *f) {
    enum { FUNCTIONS = 6000 };
    uint32_t r = 12345;
    fputs("typedef unsigned int u32; typedef unsigned long u64;\n"
          "struct node { struct node *next; u64 key; double weight; const char *name; u32 bucket[8]; };\n"
          "extern void emit(const char *, u64); extern struct node *lookup(u64);\n",
          f);
    for (int i = 0; i < FUNCTIONS; i++) {
        fprintf(f, "static const u32 table_%d[16] = {", i);
        for (int k = 0; k < 16; k++) fprintf(f, "%uu,", (unsigned)next_random(&r));
        fprintf(f, "};\nu64 step_%d(struct node *n, const u32 *v, int len) {\n  u64 acc = %uu; double w = n->weight;\n",
                i, (unsigned)next_random(&r));
        fprintf(f,
                "  for (int i = 0; i < len; i++) { acc += (u64)v[i] * table_%d[(acc >> 3) & 15]; w += v[i] * %u.5; if "
                "(v[i] == %uu) break; }\n",
                i, (unsigned)(next_random(&r) % 97), (unsigned)next_random(&r));
        fputs("  switch (acc & 7) {\n", f);
        for (int k = 0; k < 6; k++)
            fprintf(f, "  case %d: n->bucket[%u] ^= (u32)acc + %uu; %s break;\n", k, (unsigned)(next_random(&r) & 7),
                    (unsigned)next_random(&r), next_random(&r) & 1 ? "acc ^= acc >> 7;" : "n = lookup(acc);");
        fprintf(f, "  default: emit(\"step %d: bucket overflow at level %u\", acc); }\n", i,
                (unsigned)(next_random(&r) & 63));
        fputs("  while (n && n->key < acc) { w *= n->weight; n = n->next; }\n", f);
        if (i > 4) fprintf(f, "  acc += step_%u(n, v + 1, len - 1);\n", (unsigned)(next_random(&r) % (unsigned)i));
        fputs("  return acc + (u64)w;\n}\n", f);
    }
}

static void write_python(FILE *f) {
    fputs("import hashlib, json, random\nrandom.seed(12345)\nwords = {}\nrows = []\n"
          "for i in range(40000000):\n"
          "    name = 'entry-%d-%x' % (i, random.getrandbits(40))\n"
          "    words[name] = [i, random.random(), name[::-1]]\n"
          "    if i % 4 == 0: rows.append(json.dumps({'id': i, 'name': name, 'tags': ['a', 'b', str(i % 97)]}))\n"
          "    if i % 16 == 0: rows.append(hashlib.sha256(name.encode()).digest())\n"
          "    if i % 400000 == 399999: words.clear(); rows.clear()\n",
          f);
}

static void write_perl(FILE *f) {
    fputs("srand(12345); my (%words, @rows);\n"
          "for my $i (0..40000000) {\n"
          "  my $name = sprintf('entry-%d-%x', $i, int(rand(2**31)));\n"
          "  $words{$name} = [$i, rand(), scalar reverse($name)];\n"
          "  push @rows, join(',', sort(split(//, $name))) if $i % 4 == 0;\n"
          "  if ($i % 400000 == 399999) { %words = (); @rows = (); }\n"
          "}\n",
          f);
}

struct job {
    const char *program;
    const char *argv[9];
    void (*write)(FILE *);
};

/* The program text goes in on standard input, so that no temporary file has a name that could be left behind. */
static const struct job jobs[] = {
    {"cc", {"cc", "-O2", "-S", "-x", "c", "-o", "-", "-", NULL}, write_c},
    {"gcc", {"gcc", "-O2", "-S", "-x", "c", "-o", "-", "-", NULL}, write_c},
    {"clang", {"clang", "-O2", "-S", "-x", "c", "-o", "-", "-", NULL}, write_c},
    {"python3", {"python3", "-", NULL}, write_python},
    {"perl", {"perl", "-", NULL}, write_perl},
};

/* Whether the program is found in PATH. */
static int installed(const char *program) {
    const char *path = getenv("PATH");
    if (!path) path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        char full[1024];
        int len = (int)strcspn(path, ":");
        int used = snprintf(full, sizeof full, "%.*s/%s", len, path, program);
        if (len && used > 0 && (size_t)used < sizeof full && access(full, X_OK) == 0) return 1;
        path += len;
        if (*path == ':') path++;
    }
    return 0;
}

struct running {
    pid_t pid; /* the first process of the job's group, which has the same number */
    pid_t watchdog;
    int alive; /* the end of a pipe that only we hold open: its closing tells the watchdog that we are gone */
};

/*

 * Waits until the other end of the pipe is closed; without a byte of goodbye that means death, and the group goes too.

 */
static void watch(int from, pid_t group) {
    sigset_t all;
    char byte;
    ssize_t got;
    sigfillset(&all); /* what the terminal sends to us goes to the watchdog as well, and it has to outlive us */
    sigprocmask(SIG_BLOCK, &all, NULL);
    do got = read(from, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 0) kill(-group, SIGKILL);
    _exit(0);
}

static void finish(struct running *r);

/* Starts the job in a group of its own. Returns 0, or -1 with errno. */
static int start(const struct job *job, struct running *r) {
    int ends[2];
    FILE *text = tmpfile();
    if (!text) return -1;
    job->write(text);
    if (fflush(text) || ferror(text)) {
        fclose(text);
        return -1;
    }
    rewind(text);
    pid_t parent = getpid();
    r->watchdog = -1;
    r->alive = -1;
    r->pid = fork();
    if (r->pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || null < 0 || dup2(fileno(text), 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
            _exit(127);
        execvp(job->program, (char *const *)job->argv);
        _exit(127);
    }
    fclose(text);
    if (r->pid < 0) return -1;
    setpgid(r->pid, r->pid); /* in both processes: whichever runs first */
    if (pipe(ends) == 0) {
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        r->alive = ends[1];
        r->watchdog = fork();
        if (r->watchdog == 0) {
            close(ends[1]);
            watch(ends[0], r->pid);
        }
        close(ends[0]);
    }
    if (r->watchdog < 0) {
        int e = errno;
        finish(r);
        errno = e;
        return -1;
    }
    return 0;
}

/* Kills the group and waits for every member; as a subreaper we are the parent of those whose own parent has ended. */
static void finish(struct running *r) {
    kill(-r->pid, SIGKILL);
    while (waitpid(-r->pid, NULL, 0) > 0 || errno == EINTR) {
    }
    if (r->watchdog > 0) {
        /* Should the goodbye fail, the watchdog kills a group that is no more. */
        ssize_t sent = write(r->alive, "", 1);
        (void)sent;
    }
    if (r->alive >= 0) close(r->alive);
    if (r->watchdog > 0)
        while (waitpid(r->watchdog, NULL, 0) < 0 && errno == EINTR) {
        }
}

/* State and resident pages of a process of the group. Returns 0 when `entry` is no such process. */
static int in_group(const char *entry, pid_t wanted, char *state, long *resident) {
    char path[300], text[1024];
    long ppid, pgrp;
    snprintf(path, sizeof path, "/proc/%s/stat", entry);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    size_t got = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[got] = 0;
    /* The name, in parentheses, may hold anything: what counts begins after the last one. Field 24 is the resident
     * size. */
    char *after = strrchr(text, ')');
    return after &&
           sscanf(after + 1, " %c %ld %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld",
                  state, &ppid, &pgrp, resident) == 4 &&
           pgrp == wanted;
}

/*

 * The largest live process of the group, or 0; `running` becomes the number of its processes that are not stopped yet.

 */
static pid_t largest(pid_t wanted, long *resident, int *running) {
    pid_t best = 0;
    DIR *proc = opendir("/proc");
    struct dirent *d;
    *resident = 0;
    *running = 0;
    while (proc && (d = readdir(proc))) {
        char state;
        long pages;
        if (d->d_name[0] < '0' || d->d_name[0] > '9' || !in_group(d->d_name, wanted, &state, &pages) || state == 'Z' ||
            state == 'X')
            continue;
        if (state != 'T' && state != 't') ++*running;
        if (pages > *resident) {
            *resident = pages;
            best = (pid_t)atol(d->d_name);
        }
    }
    if (proc) closedir(proc);
    return best;
}

static void nap(long milliseconds) {
    struct timespec t;
    t.tv_sec = milliseconds / 1000;
    t.tv_nsec = milliseconds % 1000 * 1000000;
    nanosleep(&t, NULL);
}

/* Stops the whole group, and waits (a second at most: a process in the kernel stops when it comes out) until it has
 * stopped. */
static pid_t stop(pid_t pid) {
    long resident;
    int running = 1;
    pid_t best = 0;
    kill(-pid, SIGSTOP);
    for (int i = 0; i < 200 && running; i++) {
        best = largest(pid, &resident, &running);
        if (running) nap(5);
    }
    return best;
}

/*

 * Runs one job and reads it at a few points. Returns 0 or an exit status; pages->count says how much there was to read.

 */
static int run_job(struct pages *p, const struct job *job) {
    enum { SNAPSHOTS = 4, BETWEEN_MS = 400 };
    int status = 0;
    struct running r;
    if (start(job, &r)) {
        complain("cannot start %s: %s", job->program, strerror(errno));
        return EXIT_SYSTEM;
    }
    p->kind = "workload";
    for (int i = 0; i < SNAPSHOTS && !status; i++) {
        long resident;
        int running;
        for (int waited = 0; waited < BETWEEN_MS; waited += 20) {
            nap(20);
            progress("reading the workload", ((double)i + waited / (double)BETWEEN_MS) / SNAPSHOTS);
        }
        if (!largest(r.pid, &resident, &running)) break; /* the work is done */
        pid_t worker = stop(r.pid);
        if (!worker) break;
        size_t left = p->room - p->count;
        command_of(worker, p->name, sizeof p->name);
        p->pid = worker;
        status = pages_from_process(p, worker, left / (size_t)(SNAPSHOTS - i));
        kill(-r.pid, SIGCONT);
    }
    finish(&r);
    progress_clear();
    return status;
}

int pages_from_workload(struct pages *p) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        if (!installed(jobs[i].program)) continue;
        int status = run_job(p, &jobs[i]);
        if (status || p->count) return status;
    }
    complain("found no compiler or interpreter that runs (cc, gcc, clang, python3, perl): give --pid or a file");
    return EXIT_NO_SOURCE;
}

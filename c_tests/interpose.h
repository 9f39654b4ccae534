/*
 * Counts, and on demand refuses, the allocations of the whole program, the library in it included: the definitions here
 * take the place of libc's, in a program linked with libtzram.so as well as with libtzram.a. glibc only; elsewhere
 * INTERPOSED is 0 and the tests that need it say SKIPPED. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include "check.h"

#include <sys/syscall.h>

static volatile unsigned long allocations; /* calls that ask for memory, since the program began */
static volatile long allocations_live;     /* blocks of malloc not freed */
static volatile long refuse_after = -1;    /* so many more calls succeed, then all fail; -1: none fails */

#if defined(__GLIBC__) && defined(__LP64__)
#define INTERPOSED 1
#ifdef __cplusplus
#define NO_THROW noexcept
extern "C" {
#else
#define NO_THROW
#endif
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static int refused(void) {
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    if (refuse_after < 0) return 0;
    if (refuse_after == 0) return 1;
    refuse_after--;
    return 0;
}

static void *counted(void *p) {
    if (p) __atomic_add_fetch(&allocations_live, 1, __ATOMIC_RELAXED);
    return p;
}

void *malloc(size_t n) NO_THROW {
    return refused() ? NULL : counted(__libc_malloc(n));
}
void *calloc(size_t n, size_t size) NO_THROW {
    return refused() ? NULL : counted(__libc_calloc(n, size));
}
void *realloc(void *p, size_t n) NO_THROW {
    void *q = refused() ? NULL : __libc_realloc(p, n);
    return p ? q : counted(q);
}
void *memalign(size_t alignment, size_t n) NO_THROW {
    return refused() ? NULL : counted(__libc_memalign(alignment, n));
}
void *aligned_alloc(size_t alignment, size_t n) NO_THROW {
    return refused() ? NULL : counted(__libc_memalign(alignment, n));
}
int posix_memalign(void **out, size_t alignment, size_t n) NO_THROW {
    *out = refused() ? NULL : counted(__libc_memalign(alignment, n));
    return *out ? 0 : ENOMEM;
}
void free(void *p) NO_THROW {
    if (p) __atomic_sub_fetch(&allocations_live, 1, __ATOMIC_RELAXED);
    __libc_free(p);
}
/* libc's own allocator does not come through here, so this counts only who maps memory by name. */
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) NO_THROW {
    if (refused()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}
#ifdef __cplusplus
}
#endif
#else
#define INTERPOSED 0
#endif

#endif

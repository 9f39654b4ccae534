// What a host program uses of the SIMT shim: the kernels by name, run on the calling thread. One launch at a time in a
// process: nothing here is safe to call from two threads at once.
#ifndef SIMT_LAUNCH_H
#define SIMT_LAUNCH_H

// Set by tests/cuda/build: AddressSanitizer is there.
#ifndef SIMT_ASAN
#define SIMT_ASAN 0
#endif

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Whether there is a kernel of this name.
int simt_has_kernel(const char *name);

// Runs a kernel to its end, blocks one after the other in an order by seed; params as for cuLaunchKernel. Returns 0, or -1 if a fault was found:
// the launch then ended there and simt_error() says what it was. There is no dynamic shared memory: shared_bytes must be 0.
int simt_launch(const char *name, unsigned gx, unsigned bx, unsigned shared_bytes, void **params);

// The fault of the last launch, "" if there was none. Valid until the next launch.
const char *simt_error(void);

// Chooses the order in which blocks, warps and lanes run, and what fresh shared memory holds.
void simt_seed(unsigned long seed);

// How many collectives, and how many checked accesses, a launch may do: a kernel that does more is taken not to end.
void simt_limit(unsigned long steps);

// Whether this build checks every access to memory (SIMT_CHECK).
int simt_checks(void);

// A range of global memory that kernels may use: once there is one, every access elsewhere is a fault. `how` is the sum of
// SIMT_HOLDS (there is something to read from the start) and SIMT_WRITABLE.
enum { SIMT_HOLDS = 1, SIMT_WRITABLE = 2 };
void simt_region(const void *start, size_t bytes, int how);
void simt_forget_regions(void);

// The places in the source where a barrier was executed so far: returns 0 if there is no number `index`.
struct simt_barrier {
    const char *file;
    unsigned line, column;
    unsigned long executed;
};
int simt_site(unsigned index, struct simt_barrier *out);

// Makes the barriers on this line of files whose name ends so do nothing from now on (no file: none are left out).
void simt_drop(const char *file, unsigned line);

#ifdef __cplusplus
}
#endif
#endif

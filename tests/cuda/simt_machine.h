// What simt.cpp and simt_memory.cpp know of each other.
#ifndef SIMT_MACHINE_H
#define SIMT_MACHINE_H

#include "simt.h"
#include "simt_launch.h"

#include <string>
#include <vector>

namespace simt {

struct Lane {
    unsigned id, warp, lane;
    char *stack;
    void *sp, *fake;
    // The collective that it waits in, and what that gave.
    bool waiting, done;
    Op op;
    uint32_t mask, argument;
    uint64_t value, result;
    Place place;
    // Clocks (simt_memory.cpp): its own, how many __syncthreads it passed, up to where it knows each lane of its warp.
    uint32_t stamp, epoch, known_least;
    uint32_t known[32];
};

// Lanes that wait for each other.
struct Group {
    Op op;
    uint32_t mask, here;
    Place place;
};

struct Warp {
    unsigned first;
    uint32_t all, ready, done, stamps;
    // The order in which its lanes run, and how far that has come.
    const uint8_t *order;
    unsigned turn;
    // In use are the first so many; lanes in different masks, or those that a mistake will be found with.
    unsigned group_count;
    Group groups[32];
};

// Bytes of a lane's stack.
static constexpr size_t STACK = 256 * 1024;
static constexpr unsigned MOST_LANES = 1024;

extern Index indexes[MOST_LANES];
extern Lane *now;
extern std::vector<Lane> lanes;
extern std::vector<Warp> warps;
extern unsigned lane_count;
extern unsigned long most_steps;

std::string text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const std::string &what);
bool same(const Place &a, const Place &b);
uint64_t random_byte();
void release_block();

void start_launch_memory();
void start_block_memory();
void end_block_memory();
// A __syncwarp of these lanes.
void order_lanes(Warp &warp, uint32_t mask);

} // namespace simt

#endif

// Launches the kernels of selftest.cu with several orders of lanes and compares what the shim reports, and for the kernels
// that are right, what they wrote.
#include "simt_launch.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

static const bool asan = SIMT_ASAN;

struct Case {
    const char *kernel;
    // Part of the report, one of several between bars; "" for none.
    const char *report;
    // Found by looking at accesses only; rubbish, or a crash, without.
    bool access;
    unsigned blocks = 1, threads = 64;
};

static const Case cases[] = {
    {"good_sum", "", false, 4, 64},
    {"good_collectives", "", false},
    {"good_arithmetic", "", false},
    {"good_returns", "", false},
    {"good_halves", "", false},
    {"bad_race_read", "race, ", true},
    {"bad_race_write", "race, ", true},
    {"bad_race_two_writes", "race, write", true},
    {"bad_race_byte", "race, ", true},
    // Which of them is there first depends on the order.
    {"bad_race_between_warps", "race, read|read before written", true},
    {"bad_race_shuffle_orders_nothing", "race, read", true},
    {"bad_race_half_mask", "race, read|read before written", true},
    {"bad_race_atomic", "race, ", true},
    {"bad_race_global", "race, write: byte", true},
    {"bad_race_blocks", " lane 0 wrote at ", true, 2, 64},
    {"bad_unwritten", "read before written: byte 20 of shared", true},
    {"bad_unwritten_in_block", "read before written", true, 2, 64},
    {"bad_unwritten_global", "read before written: byte 4 of region 1", true},
    {"bad_ldg", "__ldg of what this launch wrote", true},
    {"bad_past_shared", "between shared variables", true},
    {"bad_before_shared", "between shared variables", true},
    {"bad_array", "past the end of an array, at selftest.cu", true},
    {"bad_past_region", "read outside all regions", true},
    {"bad_before_region", "write outside all regions", true},
    {"bad_half_past_region", "", true},
    {"bad_write_to_input", "write to what is only to be read", true},
    {"bad_null", "read outside all regions: address 0", true},
    {"bad_stack", "read outside all regions", true},
    {"bad_misaligned", "misaligned or null", true},
    {"bad_misaligned_atomic", "no multiple of 4", false},
    {"bad_shift", "shift by too much", true},
    {"bad_two_places", "__ballot_sync(ffffffff) at selftest.cu", false},
    {"bad_two_masks", "waits in __ballot_sync(", false},
    {"bad_not_in_mask", "lane 0 is not in the mask fffffffe", false},
    {"bad_mask_of_returned", "return", false},
    {"bad_lanes_that_are_not", "names lanes that have returned (ffff0000)", false, 1, 48},
    {"bad_deadlock", "deadlock", false},
    {"bad_two_barriers", "__syncthreads at selftest.cu", false},
    {"bad_source_lane", "lane 15 reads lane 16", false},
    {"bad_width", "width 12", false},
    {"bad_activemask", "__activemask says nothing", false},
    {"bad_endless", "does not end", false},
    {"no_such_kernel", "no such kernel", false},
};

// Apart from each other, and not among the program's own variables.
static unsigned *const room = new (std::align_val_t(16)) unsigned[1024];
static unsigned *const in = room + 64, *const out = room + 512;
static const size_t BYTES = 256 * sizeof(unsigned);

// Whether a kernel that is right wrote the right thing.
static bool wrote_well(const std::string &kernel) {
    if (kernel == "good_sum") {
        unsigned sum = 0;
        for (unsigned i = 0; i < 256; i++)
            sum += in[i];
        return out[0] == sum && out[1] == 4 && out[4] == 4;
    }
    for (unsigned i = 0; i < 64; i++) {
        unsigned expected = 1;
        if (kernel == "good_returns") {
            const unsigned k = i ^ 1;
            expected = i >= 48 ? 0 : (k < 32 ? ~0u : 0xFFFFu) + in[47 - k] + in[4 * (k / 4) + 1];
        } else if (kernel == "good_halves") {
            const unsigned k = (63 - i) ^ 16;
            expected = in[k % 32 < 16 ? k ^ 1 : k ^ 3];
        }
        if (out[i] != expected)
            return false;
    }
    return true;
}

static bool holds_one_of(const std::string &report, const std::string &parts) {
    for (size_t from = 0, to; from <= parts.size(); from = to + 1) {
        to = std::min(parts.find('|', from), parts.size());
        if (report.find(parts.substr(from, to - from)) != std::string::npos)
            return true;
    }
    return false;
}

int main() {
    simt_limit(2'000'000);
    for (unsigned i = 0; i < 256; i++)
        in[i] = (i + 1) * 2654435761u;
    int wrong = 0, checked = 0;
    for (const Case &c : cases) {
        if (c.access && (asan || !simt_checks()))
            continue;
        for (unsigned long seed = 0; seed < 20; seed++) {
            memset(out, 0, BYTES);
            simt_forget_regions();
            simt_region(in, BYTES, SIMT_HOLDS);
            simt_region(out, BYTES, SIMT_WRITABLE | (strcmp(c.kernel, "good_sum") ? 0 : SIMT_HOLDS));
            simt_seed(seed);
            const unsigned *from = in;
            unsigned *to = out, n = 1;
            void *params[] = {&from, &to, &n};
            const bool failed = simt_launch(c.kernel, c.blocks, c.threads, 0, params) != 0;
            const std::string report = simt_error();
            checked++;
            const bool good = !strncmp(c.kernel, "good_", 5);
            if (good ? failed || !wrote_well(c.kernel) : !failed || !holds_one_of(report, c.report)) {
                printf("selftest: %s, seed %lu: %s, not \"%s\"\n", c.kernel, seed, failed ? report.c_str() : "passed", c.report);
                wrong++;
                break;
            }
        }
    }
    printf("selftest: %d launches, %d cases wrong\n", checked, wrong);
    return wrong != 0;
}

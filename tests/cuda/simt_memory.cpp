// What a kernel may do with memory. In a build with SIMT_CHECK=1 the kernels are compiled with -fsanitize=thread, and this is
// the run-time library behind it: each access is looked up here. It has to lie in shared memory, in a region that the
// host gave, on the lane's own stack or among the constants of the program; and in shared memory and writable regions
// every byte has a history:
//
// - a byte that nobody wrote must not be read;
// - two accesses of which one is a write, not both atomic, must be ordered: by the lane being the same, by a
//   __syncthreads, or by __syncwarps, and by nothing else. Each lane counts its barriers (stamp) and knows up to which stamp
//   of every lane of its warp all is ordered before it (known), as in FastTrack (Flanagan, Freund 2009).
//
// Forgotten are only third and further groups of reads since the last write, groups being lanes of one warp between the
// same barriers: a race with those alone is not seen.
#include "simt_machine.h"

#if SIMT_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include <cstdio>
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

extern "C" {
// Made by the linker where a kernel has shared memory.
extern unsigned char __start_simt_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_simt_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char *const __start_simt_pads[] __attribute__((weak, visibility("hidden")));
extern unsigned char *const __stop_simt_pads[] __attribute__((weak, visibility("hidden")));
}

namespace simt {

static constexpr size_t PAD = 64;

// Where an access came from, as an offset into the program; 0 = nowhere.
using Code = uint32_t;

struct Reads {
    uint32_t lanes, warp, stamp, epoch;
    Code code;
    bool atomic;
};

struct Cell {
    uint32_t launch; // the block, or the launch, that this belongs to; the rest is rubbish if it is another
    bool written, atomic, pad;
    uint32_t lane, stamp, epoch; // of the last write
    Code code;
    Reads reads[2];
};

struct Region {
    uintptr_t start;
    size_t bytes;
    int how;
    std::vector<Cell> cells;
};

static std::vector<Region> regions;
static size_t region_last;
static std::vector<Cell> shared_cells;
static uint32_t blocks, launches;
static unsigned long accesses;

static uint32_t warp_now() { return block_now.x * unsigned(warps.size()) + now->warp; }
static uint32_t lane_now() { return block_now.x * lane_count + now->id; }

// ---- order -------------------------------------------------------------------------------------------------------------
void order_lanes(Warp &warp, uint32_t mask) {
    if (!SIMT_CHECK)
        return;
    Lane *first = &lanes[warp.first];
    uint32_t known[32];
    if (mask == 0xFFFFFFFFu) {
        for (unsigned i = 0; i < 32; i++)
            known[i] = first[i].stamp;
    } else {
        memcpy(known, first[__builtin_ctz(mask)].known, sizeof known);
        for (uint32_t rest = mask; rest; rest &= rest - 1) {
            const Lane &lane = first[__builtin_ctz(rest)];
            for (unsigned i = 0; i < 32; i++)
                known[i] = known[i] < lane.known[i] ? lane.known[i] : known[i];
        }
        for (uint32_t rest = mask; rest; rest &= rest - 1)
            known[__builtin_ctz(rest)] = first[__builtin_ctz(rest)].stamp;
    }
    uint32_t least = 0xFFFFFFFFu;
    for (unsigned i = 0; i < 32; i++)
        least = known[i] < least ? known[i] : least;
    if (!warp.stamps)
        warp.stamps = 1;
    warp.stamps++;
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
        Lane &lane = first[__builtin_ctz(rest)];
        memcpy(lane.known, known, sizeof known);
        lane.known_least = least;
        lane.stamp = warp.stamps;
    }
}

// Whether what lane `lane` (counted over the grid) did at that time is ordered before what the lane of now does.
static bool before(uint32_t lane, uint32_t stamp, uint32_t epoch) {
    const uint32_t mine = lane_now();
    if (lane == mine)
        return true;
    if (lane / lane_count != block_now.x)
        return false;
    const uint32_t there = lane % lane_count;
    return epoch < now->epoch || (there / 32 == now->warp && stamp <= now->known[there % 32]);
}

static bool before(const Reads &reads, Reads const *&culprit, uint32_t &lane) {
    if (reads.warp == warp_now() && (reads.epoch < now->epoch || reads.stamp <= now->known_least))
        return true;
    for (uint32_t rest = reads.lanes; rest; rest &= rest - 1) {
        const uint32_t warp_of_block = reads.warp % uint32_t(warps.size()), block = reads.warp / uint32_t(warps.size());
        lane = block * lane_count + 32 * warp_of_block + uint32_t(__builtin_ctz(rest));
        if (!before(lane, reads.stamp, reads.epoch)) {
            culprit = &reads;
            return false;
        }
    }
    return true;
}

// ---- reports -----------------------------------------------------------------------------------------------------------
static uintptr_t program_start() {
    static const uintptr_t start = [] {
        Dl_info info;
        return dladdr(reinterpret_cast<void *>(&program_start), &info) ? reinterpret_cast<uintptr_t>(info.dli_fbase) : 0;
    }();
    return start;
}

static Code code_of(void *pc) { return Code(reinterpret_cast<uintptr_t>(pc) - program_start()); }

// The source line, where addr2line is installed.
static std::string line_of(Code code) {
    Dl_info info;
    if (!code || !dladdr(reinterpret_cast<void *>(&program_start), &info))
        return "?";
    char path[4096];
    const ssize_t n = info.dli_fname[0] == '/' ? -1 : readlink("/proc/self/exe", path, sizeof path - 1);
    const std::string file = n > 0 ? std::string(path, size_t(n)) : info.dli_fname;
    const std::string command = text("addr2line -i -s -e '%s' 0x%x 2>/dev/null", file.c_str(), code - 1);
    std::string lines;
    if (FILE *pipe = popen(command.c_str(), "r")) {
        char line[512];
        while (fgets(line, sizeof line, pipe)) {
            line[strcspn(line, " \n")] = 0;
            lines += (lines.empty() ? "" : " in ") + std::string(line);
        }
        pclose(pipe);
    }
    return lines.empty() ? text("code 0x%x", code) : lines;
}

static std::string place_of(uintptr_t at) {
    const uintptr_t shared = reinterpret_cast<uintptr_t>(__start_simt_shared);
    if (at >= shared && at < reinterpret_cast<uintptr_t>(__stop_simt_shared)) {
        // Between pads lie the variables; the number of the pad before is that of the variable.
        unsigned number = 0;
        uintptr_t start = shared;
        for (auto pad = __start_simt_pads; pad < __stop_simt_pads; pad++) {
            const uintptr_t end = reinterpret_cast<uintptr_t>(*pad) + PAD;
            number += end <= at;
            start = end <= at && end > start ? end : start;
        }
        return text("byte %zu of shared variable %u", size_t(at - start), number);
    }
    for (size_t i = 0; i < regions.size(); i++)
        if (at >= regions[i].start && at - regions[i].start < regions[i].bytes)
            return text("byte %zu of region %zu", size_t(at - regions[i].start), i);
    return text("address %#zx", size_t(at));
}

static void report(const char *what, uintptr_t at, size_t bytes, Code code, const std::string &other = "") {
    fail(text("%s: %s (%zu bytes) at %s", what, place_of(at).c_str(), bytes, line_of(code).c_str()) + other);
}

static std::string other(const char *did, uint32_t lane, Code code) {
    return text("; block %u lane %u %s at %s", lane / lane_count, lane % lane_count, did, line_of(code).c_str());
}

// ---- accesses ----------------------------------------------------------------------------------------------------------
static void read_cell(Cell &cell, uint32_t launch, bool holds, uintptr_t at, size_t bytes, bool atomic, Code code) {
    if (cell.launch != launch)
        cell = Cell{launch, false, false, cell.pad, 0, 0, 0, 0, {}};
    if (cell.pad)
        return report("between shared variables", at, bytes, code);
    if (!cell.written && !holds)
        return report("read before written", at, bytes, code);
    if (cell.written && !(atomic && cell.atomic) && !before(cell.lane, cell.stamp, cell.epoch))
        return report("race, read", at, bytes, code, other("wrote", cell.lane, cell.code));
    const uint32_t warp = warp_now();
    Reads *place = nullptr;
    for (Reads &reads : cell.reads) {
        const Reads *culprit;
        uint32_t lane;
        if (reads.lanes && reads.warp == warp && reads.stamp == now->stamp && reads.epoch == now->epoch && reads.atomic == atomic) {
            reads.lanes |= 1u << now->lane;
            return;
        }
        if (!place && (!reads.lanes || before(reads, culprit, lane)))
            place = &reads;
    }
    if (!place) {
        place = &cell.reads[1];
        cell.reads[0] = cell.reads[1];
    }
    *place = {1u << now->lane, warp, now->stamp, now->epoch, code, atomic};
}

static void write_cell(Cell &cell, uint32_t launch, uintptr_t at, size_t bytes, bool atomic, Code code) {
    if (cell.launch != launch)
        cell = Cell{launch, false, false, cell.pad, 0, 0, 0, 0, {}};
    if (cell.pad)
        return report("between shared variables", at, bytes, code);
    if (cell.written && !(atomic && cell.atomic) && !before(cell.lane, cell.stamp, cell.epoch))
        return report("race, write", at, bytes, code, other("wrote", cell.lane, cell.code));
    for (Reads &reads : cell.reads) {
        const Reads *culprit;
        uint32_t lane;
        if (reads.lanes && !(atomic && reads.atomic) && !before(reads, culprit, lane))
            return report("race, write", at, bytes, code, other("read", lane, reads.code));
        reads.lanes = 0;
    }
    cell.written = true;
    cell.atomic = atomic;
    cell.lane = lane_now();
    cell.stamp = now->stamp;
    cell.epoch = now->epoch;
    cell.code = code;
}

// Whether these bytes are constants of the program, or what threadIdx and the like are made of.
static bool of_program(uintptr_t at, size_t bytes) {
    static const auto parts = [] {
        std::vector<std::pair<uintptr_t, uintptr_t>> found;
        auto add = [&](const auto &variable) {
            const auto start = reinterpret_cast<uintptr_t>(&variable);
            found.push_back({start, start + sizeof variable});
        };
        add(indexes);
        add(index_now);
        add(block_now);
        add(block_size);
        add(grid_size);
        dl_iterate_phdr(
            [](dl_phdr_info *info, size_t, void *to) {
                const auto end = info->dlpi_phdr + info->dlpi_phnum;
                bool here = false;
                for (auto part = info->dlpi_phdr; part < end; part++)
                    here |= part->p_type == PT_LOAD && program_start() - info->dlpi_addr - part->p_vaddr < part->p_memsz;
                for (auto part = info->dlpi_phdr; here && part < end; part++) {
                    const uintptr_t start = info->dlpi_addr + part->p_vaddr;
                    if (part->p_type == PT_GNU_RELRO || (part->p_type == PT_LOAD && !(part->p_flags & PF_W)))
                        static_cast<decltype(found) *>(to)->push_back({start, start + part->p_memsz});
                }
                return int(here);
            },
            &found);
        return found;
    }();
    for (const auto &[start, end] : parts)
        if (at >= start && at < end && end - at >= bytes)
            return true;
    return false;
}

static void access(uintptr_t at, size_t bytes, bool read, bool write, bool atomic, Code code) {
    // Before main and outside kernels this is a constructor of the kernels' file.
    if (!now || !bytes)
        return;
    if (++accesses > most_steps)
        return fail("the kernel does not end");
    const uintptr_t stack = reinterpret_cast<uintptr_t>(now->stack);
    if (at - stack < STACK && STACK - (at - stack) >= bytes)
        return;
    const uintptr_t shared = reinterpret_cast<uintptr_t>(__start_simt_shared);
    const size_t size = size_t(__stop_simt_shared - __start_simt_shared);
    if (at - shared < size) {
        if (size - (at - shared) < bytes)
            return report("past shared memory", at, bytes, code);
        Cell *cell = &shared_cells[at - shared];
        for (size_t i = 0; i < bytes; i++) {
            if (read)
                read_cell(cell[i], blocks, false, at + i, bytes, atomic, code);
            if (write)
                write_cell(cell[i], blocks, at + i, bytes, atomic, code);
        }
        return;
    }
    for (size_t k = 0; k < regions.size(); k++) {
        const size_t index = k ? (k <= region_last ? k - 1 : k) : region_last;
        Region &region = regions[index];
        if (at - region.start >= region.bytes)
            continue;
        if (region.bytes - (at - region.start) < bytes)
            return report("past the end of a region", at, bytes, code);
        if (write && !(region.how & SIMT_WRITABLE))
            return report("write to what is only to be read", at, bytes, code);
        region_last = index;
        if (region.cells.empty())
            return;
        Cell *cell = &region.cells[at - region.start];
        for (size_t i = 0; i < bytes; i++) {
            if (read)
                read_cell(cell[i], launches, region.how & SIMT_HOLDS, at + i, bytes, atomic, code);
            if (write)
                write_cell(cell[i], launches, at + i, bytes, atomic, code);
        }
        return;
    }
    if ((!write && of_program(at, bytes)) || regions.empty())
        return;
    report(write ? "write outside all regions" : "read outside all regions", at, bytes, code);
}

#define SIMT_CODE code_of(__builtin_return_address(0))

void atomic_access(const void *at, size_t bytes, const char *what) {
    if (reinterpret_cast<uintptr_t>(at) % bytes)
        fail(text("%s on an address that is no multiple of %zu", what, bytes));
    if (SIMT_CHECK)
        access(reinterpret_cast<uintptr_t>(at), bytes, true, true, true, SIMT_CODE);
}

void constant_access(const void *at, size_t bytes) {
    if (!SIMT_CHECK)
        return;
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    for (const Region &region : regions)
        for (size_t i = 0; i < bytes && address + i - region.start < region.cells.size(); i++) {
            const Cell &cell = region.cells[address + i - region.start];
            if (cell.launch == launches && cell.written)
                return report("__ldg of what this launch wrote", address, bytes, SIMT_CODE);
        }
}

void range_access(const void *at, size_t bytes, bool write) {
    if (SIMT_CHECK)
        access(reinterpret_cast<uintptr_t>(at), bytes, !write, write, false, SIMT_CODE);
}

// ---- launches ----------------------------------------------------------------------------------------------------------
void start_launch_memory() {
    launches++;
    accesses = 0;
    program_start();
    of_program(0, 1);
}

void start_block_memory() {
    blocks++;
    const size_t size = size_t(__stop_simt_shared - __start_simt_shared);
#if SIMT_ASAN
    __asan_unpoison_memory_region(__start_simt_shared, size);
#endif
    // What a fresh block finds there differs from seed to seed.
    const uint8_t rubbish = uint8_t(random_byte());
    for (size_t i = 0; i < size; i++)
        __start_simt_shared[i] = uint8_t(rubbish + 0x55 * i);
    if (SIMT_CHECK && shared_cells.size() != size) {
        shared_cells.assign(size, Cell{});
        for (auto pad = __start_simt_pads; pad < __stop_simt_pads; pad++)
            for (size_t i = 0; i < PAD; i++)
                shared_cells[size_t(*pad - __start_simt_shared) + i].pad = true;
    }
    for (auto pad = __start_simt_pads; pad < __stop_simt_pads; pad++) {
        memset(*pad, 0xC3, PAD);
#if SIMT_ASAN
        __asan_poison_memory_region(*pad, PAD);
#endif
    }
}

void end_block_memory() {
#if SIMT_ASAN
    __asan_unpoison_memory_region(__start_simt_shared, size_t(__stop_simt_shared - __start_simt_shared));
#endif
    for (auto pad = __start_simt_pads; pad < __stop_simt_pads; pad++)
        for (size_t i = 0; i < PAD; i++)
            if ((*pad)[i] != 0xC3 && !*simt_error())
                fail(text("written between shared variables, before or after number %u", unsigned(pad - __start_simt_pads)));
}

} // namespace simt

// ---- what -fsanitize=thread and -fsanitize=undefined call ---------------------------------------------------------------
#if SIMT_CHECK
using simt::code_of;
#define SIMT_AT reinterpret_cast<uintptr_t>(at)
#define SIMT_HOOKS(n)                                                                                                           \
    void __tsan_read##n(void *at) { simt::access(SIMT_AT, n, true, false, false, SIMT_CODE); }                                  \
    void __tsan_write##n(void *at) { simt::access(SIMT_AT, n, false, true, false, SIMT_CODE); }                                 \
    void __tsan_unaligned_read##n(void *at) { simt::access(SIMT_AT, n, true, false, false, SIMT_CODE); }                        \
    void __tsan_unaligned_write##n(void *at) { simt::access(SIMT_AT, n, false, true, false, SIMT_CODE); }                       \
    void __tsan_volatile_read##n(void *at) { simt::access(SIMT_AT, n, true, false, false, SIMT_CODE); }                         \
    void __tsan_volatile_write##n(void *at) { simt::access(SIMT_AT, n, false, true, false, SIMT_CODE); }                        \
    void __tsan_read_write##n(void *at) { simt::access(SIMT_AT, n, true, true, false, SIMT_CODE); }                             \
    void __tsan_unaligned_read_write##n(void *at) { simt::access(SIMT_AT, n, true, true, false, SIMT_CODE); }

extern "C" {
SIMT_HOOKS(1)
SIMT_HOOKS(2)
SIMT_HOOKS(4)
SIMT_HOOKS(8)
SIMT_HOOKS(16)
void __tsan_read_range(void *at, size_t n) { simt::access(SIMT_AT, n, true, false, false, SIMT_CODE); }
void __tsan_write_range(void *at, size_t n) { simt::access(SIMT_AT, n, false, true, false, SIMT_CODE); }
void *__tsan_memcpy(void *at, const void *from, size_t n) {
    simt::access(reinterpret_cast<uintptr_t>(from), n, true, false, false, SIMT_CODE);
    simt::access(SIMT_AT, n, false, true, false, SIMT_CODE);
    return memcpy(at, from, n);
}
void *__tsan_memmove(void *at, const void *from, size_t n) {
    simt::access(reinterpret_cast<uintptr_t>(from), n, true, false, false, SIMT_CODE);
    simt::access(SIMT_AT, n, false, true, false, SIMT_CODE);
    return memmove(at, from, n);
}
void *__tsan_memset(void *at, int value, size_t n) {
    simt::access(SIMT_AT, n, false, true, false, SIMT_CODE);
    return memset(at, value, n);
}
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}

// What these functions are given begins with the place in the source (GCC and clang agree on it).
struct UbsanPlace {
    const char *file;
    uint32_t line, column;
};
static void ubsan(const char *what, const UbsanPlace *place) {
    const char *slash = strrchr(place->file, '/');
    simt::fail(simt::text("%s, at %s:%u:%u", what, slash ? slash + 1 : place->file, place->line, place->column));
}
#define SIMT_UBSAN(name, what, ...)                                                                                             \
    void __ubsan_handle_##name(void *place, ##__VA_ARGS__) { ubsan(what, static_cast<UbsanPlace *>(place)); }                   \
    void __ubsan_handle_##name##_abort(void *place, ##__VA_ARGS__) { ubsan(what, static_cast<UbsanPlace *>(place)); }
SIMT_UBSAN(type_mismatch_v1, "misaligned or null", uintptr_t)
SIMT_UBSAN(out_of_bounds, "past the end of an array", uintptr_t)
SIMT_UBSAN(shift_out_of_bounds, "shift by too much", uintptr_t, uintptr_t)
SIMT_UBSAN(add_overflow, "signed addition overflows", uintptr_t, uintptr_t)
SIMT_UBSAN(sub_overflow, "signed subtraction overflows", uintptr_t, uintptr_t)
SIMT_UBSAN(mul_overflow, "signed multiplication overflows", uintptr_t, uintptr_t)
SIMT_UBSAN(negate_overflow, "negation overflows", uintptr_t)
SIMT_UBSAN(divrem_overflow, "division by 0, or overflow", uintptr_t, uintptr_t)
SIMT_UBSAN(load_invalid_value, "a value that its type does not have", uintptr_t)
SIMT_UBSAN(pointer_overflow, "pointer wraps", uintptr_t, uintptr_t)
SIMT_UBSAN(builtin_unreachable, "unreachable place reached")
SIMT_UBSAN(missing_return, "end of a function that returns a value")
SIMT_UBSAN(vla_bound_not_positive, "array without elements", uintptr_t)
}
#endif

extern "C" {
int simt_checks(void) { return SIMT_CHECK; }

void simt_region(const void *start, size_t bytes, int how) {
    if (!SIMT_CHECK)
        return;
    simt::regions.push_back({reinterpret_cast<uintptr_t>(start), bytes, how, {}});
    simt::region_last = 0;
    if (how & SIMT_WRITABLE)
        simt::regions.back().cells.resize(bytes);
}

void simt_forget_regions(void) { simt::regions.clear(); }
}

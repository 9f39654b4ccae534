// The machine behind simt.h: fibers, the scheduler, collectives. What memory may be used how is in simt_memory.cpp.
#include "simt_machine.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <vector>

#if SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
// A launch that ends with a fault leaves the strings of that.
extern "C" const char *__asan_default_options() { return "detect_leaks=0"; }
#endif

namespace simt {

// ---- context switch: callee-saved registers on the old stack, then on with the new one -----------------------------------
extern "C" void simt_switch(void **save, void *to);
#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
.local simt_switch
.type simt_switch, @function
simt_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size simt_switch, . - simt_switch
)");
// What simt_switch pops: six registers and the return address; at its entry a function has the stack 8 off a multiple of 16.
static constexpr size_t SAVED = 8, RETURN = 6;
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
.local simt_switch
.type simt_switch, @function
simt_switch:
    sub sp, sp, #160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size simt_switch, . - simt_switch
)");
static constexpr size_t SAVED = 20, RETURN = 11;
#else
#error "simt: no context switch for this architecture"
#endif

// ---- state -------------------------------------------------------------------------------------------------------------
static constexpr size_t GUARD = 4096;

struct Dropped {
    std::string file;
    unsigned line;
};
struct Site {
    const char *file;
    unsigned line, column;
    unsigned long executed;
    bool dropped;
};

Lane *now;
std::vector<Lane> lanes;
std::vector<Warp> warps;
unsigned lane_count;
const char *kernel_name = "";
static std::vector<char *> stacks;
static void *scheduler_sp;
Index indexes[MOST_LANES];
static uint64_t seed_given, random_state;
static uint8_t orders[64][32];
static void (*body)(void **);
static void **arguments;
static std::string error_text;
static unsigned long meetings;
unsigned long most_steps = 4'000'000'000;
static unsigned at_barrier, done_count, warp_turn;
static std::vector<Site> sites;
static std::vector<Dropped> dropped;
static Kernel *kernels;


const Index *index_now;
uint3 block_now;
dim3 block_size, grid_size;

Kernel::Kernel(const char *name, void (*call)(void **), unsigned parameters)
    : name(name), call(call), parameters(parameters), next(kernels) {
    kernels = this;
}

static uint64_t random_next() {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545F4914F6CDD1Dull;
}

uint64_t random_byte() { return random_next() >> 56; }

// ---- switching ---------------------------------------------------------------------------------------------------------
#if SIMT_ASAN
static void *scheduler_fake;
static const void *scheduler_bottom;
static size_t scheduler_size;
#endif

static void go(Lane *from, Lane *to, bool last = false) {
    void **save = from ? &from->sp : &scheduler_sp;
    now = to;
    index_now = to ? &indexes[to->id] : nullptr;
#if SIMT_ASAN
    void **fake = from ? &from->fake : &scheduler_fake;
    __sanitizer_start_switch_fiber(last ? nullptr : fake, to ? to->stack : scheduler_bottom, to ? STACK : scheduler_size);
#else
    (void)last;
#endif
    simt_switch(save, to ? to->sp : scheduler_sp);
#if SIMT_ASAN
    __sanitizer_finish_switch_fiber(*fake, nullptr, nullptr);
#endif
}

// The next lane that can run, in the order of its warp; another warp's only if the one whose turn it is has none.
static Lane *next_lane() {
    const unsigned count = unsigned(warps.size());
    unsigned index = warp_turn;
    for (unsigned i = 0; i < count; i++) {
        Warp &warp = warps[index];
        while (warp.ready) {
            const unsigned lane = warp.order[warp.turn++ % 32];
            if (warp.ready >> lane & 1)
                return &lanes[warp.first + lane];
        }
        index = index + 1 == count ? 0 : index + 1;
    }
    return nullptr;
}

// Another order for the lanes of a warp, and now and then another warp's turn.
static void shuffle(Warp &warp) {
    const uint64_t random = random_next();
    warp.order = orders[random >> 58];
    warp.turn = 0;
    if (random % 16 == 0)
        warp_turn = unsigned(random >> 8) % unsigned(warps.size());
}

[[noreturn]] static void stop() {
    go(now, nullptr, true);
    std::abort();
}

static std::string where(const Place &place) {
    const char *file = place.file_name();
    const char *slash = strrchr(file, '/');
    return text("%s:%u:%u", slash ? slash + 1 : file, unsigned(place.line()), unsigned(place.column()));
}

std::string text(const char *format, ...) {
    char buffer[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(buffer, sizeof buffer, format, list);
    va_end(list);
    return buffer;
}

void fail(const std::string &what) {
    if (error_text.empty())
        error_text = text("%s block %u lane %u: ", kernel_name, block_now.x, now ? now->id : 0) + what;
    if (now)
        stop();
}

void refuse(const char *what, Place place) {
    fail(text("%s, at %s", what, where(place).c_str()));
    std::abort();
}

static const char *name_of(Op op) {
    static const char *const names[] = {
        "__syncwarp", "__syncthreads", "__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync", "__ballot_sync",
        "__any_sync", "__all_sync", "__match_any_sync", "__match_all_sync", "__reduce_add_sync", "__reduce_min_sync",
        "__reduce_max_sync", "__reduce_min_sync", "__reduce_max_sync", "__reduce_and_sync", "__reduce_or_sync", "__reduce_xor_sync",
    };
    return names[unsigned(op)];
}

static std::string describe(const Lane &lane) {
    if (lane.done)
        return text("lane %u has returned", lane.id);
    if (!lane.waiting)
        return text("lane %u runs", lane.id);
    return text("lane %u waits in %s(%08x) at %s", lane.id, name_of(lane.op), lane.mask, where(lane.place).c_str());
}

static std::string lanes_stuck() {
    std::string all;
    const Lane *said = nullptr;
    for (const Lane &lane : lanes) {
        if (lane.done || (said && lane.waiting && said->op == lane.op && said->mask == lane.mask && same(said->place, lane.place)))
            continue;
        all += "; " + describe(lane);
        said = &lane;
    }
    return all;
}

// Leaves this lane where it waits, or has returned, and runs the next that can.
static void yield(bool last) {
    Lane *self = now;
    Lane *next = next_lane();
    if (next == self)
        return;
    if (!next && done_count < lane_count)
        fail("deadlock" + lanes_stuck());
    go(self, next, last);
}

static void lane_main() {
#if SIMT_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!scheduler_bottom) {
        scheduler_bottom = bottom;
        scheduler_size = size;
    }
#endif
    body(arguments);
    Lane *self = now;
    self->done = true;
    warps[self->warp].ready &= ~(1u << self->lane);
    warps[self->warp].done |= 1u << self->lane;
    done_count++;
    for (const Lane &lane : lanes)
        if (lane.waiting && lane.op != Op::SyncThreads && lane.warp == self->warp && (lane.mask >> self->lane & 1))
            fail(text("has returned, but %s", describe(lane).c_str()));
    if (at_barrier && at_barrier + done_count == lane_count)
        release_block();
    yield(true);
    std::abort();
}

// ---- collectives -------------------------------------------------------------------------------------------------------
static Site &site_of(const Place &place) {
    static size_t last;
    auto is = [&](const Site &s) {
        return s.line == place.line() && s.column == place.column() && (s.file == place.file_name() || !strcmp(s.file, place.file_name()));
    };
    if (last < sites.size() && is(sites[last]))
        return sites[last];
    for (last = 0; last < sites.size(); last++)
        if (is(sites[last]))
            return sites[last];
    Site site{place.file_name(), unsigned(place.line()), unsigned(place.column()), 0, false};
    for (const Dropped &d : dropped) {
        std::string file = site.file;
        bool ends = file.size() >= d.file.size() && file.compare(file.size() - d.file.size(), d.file.size(), d.file) == 0;
        site.dropped |= ends && d.line == site.line;
    }
    sites.push_back(site);
    return sites.back();
}

bool same(const Place &a, const Place &b) {
    return a.line() == b.line() && a.column() == b.column() &&
           (a.file_name() == b.file_name() || !strcmp(a.file_name(), b.file_name()));
}

static void wake(Lane &lane) {
    lane.waiting = false;
    warps[lane.warp].ready |= 1u << lane.lane;
}

void release_block() {
    at_barrier = 0;
    for (Lane &lane : lanes)
        if (lane.waiting && lane.op == Op::SyncThreads) {
            lane.epoch++;
            wake(lane);
        }
    for (Warp &warp : warps)
        shuffle(warp);
}

static void finish_shuffle(Warp &warp, uint32_t mask, Op op) {
    Lane *first = &lanes[warp.first];
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
        int i = __builtin_ctz(rest);
        int by = int(first[i].argument & 31), width = int(first[i].argument >> 8);
        if (width < 1 || width > 32 || (width & (width - 1)))
            fail(text("width %d of %s at %s", width, name_of(op), where(first[i].place).c_str()));
        int start = i & ~(width - 1), end = start + width, from = i;
        switch (op) {
        case Op::Shfl: from = start + (by & (width - 1)); break;
        case Op::ShflUp: from = i - by < start ? i : i - by; break;
        case Op::ShflDown: from = i + by >= end ? i : i + by; break;
        // A partner in an earlier segment is read, one in a later segment is not.
        default: from = (i ^ by) >= end ? i : i ^ by; break;
        }
        if (!(mask >> from & 1))
            fail(text("lane %d reads lane %d, which is not in the mask %08x of %s at %s", i, from, mask, name_of(op),
                      where(first[i].place).c_str()));
        first[i].result = first[from].value;
    }
}

static void finish(Warp &warp, uint32_t mask, Op op) {
    Lane *first = &lanes[warp.first];
    auto all = [&](uint64_t value) {
        for (uint32_t rest = mask; rest; rest &= rest - 1)
            first[__builtin_ctz(rest)].result = value;
    };
    auto fold = [&](auto f) {
        uint32_t value = uint32_t(first[__builtin_ctz(mask)].value);
        for (uint32_t rest = mask & (mask - 1); rest; rest &= rest - 1)
            value = uint32_t(f(value, uint32_t(first[__builtin_ctz(rest)].value)));
        all(value);
    };
    uint32_t ballot = 0;
    switch (op) {
    case Op::SyncWarp: order_lanes(warp, mask); break;
    case Op::Shfl: case Op::ShflUp: case Op::ShflDown: case Op::ShflXor: finish_shuffle(warp, mask, op); break;
    case Op::Ballot: case Op::Any: case Op::All:
        for (uint32_t rest = mask; rest; rest &= rest - 1)
            ballot |= uint32_t(first[__builtin_ctz(rest)].value) << __builtin_ctz(rest);
        all(op == Op::Ballot ? ballot : op == Op::Any ? ballot != 0 : ballot == mask);
        break;
    case Op::MatchAny: case Op::MatchAll:
        for (uint32_t rest = mask; rest; rest &= rest - 1) {
            Lane &lane = first[__builtin_ctz(rest)];
            uint32_t alike = 0;
            for (uint32_t other = mask; other; other &= other - 1)
                alike |= uint32_t(first[__builtin_ctz(other)].value == lane.value) << __builtin_ctz(other);
            lane.result = op == Op::MatchAny ? alike : alike == mask ? mask : 0;
        }
        break;
    case Op::AddU: fold([](uint32_t a, uint32_t b) { return a + b; }); break;
    case Op::MinU: fold([](uint32_t a, uint32_t b) { return a < b ? a : b; }); break;
    case Op::MaxU: fold([](uint32_t a, uint32_t b) { return a < b ? b : a; }); break;
    case Op::MinS: fold([](uint32_t a, uint32_t b) { return int32_t(a) < int32_t(b) ? a : b; }); break;
    case Op::MaxS: fold([](uint32_t a, uint32_t b) { return int32_t(a) < int32_t(b) ? b : a; }); break;
    case Op::And: fold([](uint32_t a, uint32_t b) { return a & b; }); break;
    case Op::Or: fold([](uint32_t a, uint32_t b) { return a | b; }); break;
    case Op::Xor: fold([](uint32_t a, uint32_t b) { return a ^ b; }); break;
    case Op::SyncThreads: break;
    }
    for (uint32_t rest = mask; rest; rest &= rest - 1)
        first[__builtin_ctz(rest)].waiting = false;
    warp.ready |= mask;
    shuffle(warp);
}

// Adds a lane to those that it waits for.
static void join(Warp &warp, Lane &self) {
    const uint32_t bit = 1u << self.lane;
    for (unsigned i = 0; i < warp.group_count; i++) {
        Group &group = warp.groups[i];
        if (group.mask == self.mask && group.op == self.op && same(group.place, self.place)) {
            group.here |= bit;
            if (group.here == group.mask) {
                group = warp.groups[--warp.group_count];
                finish(warp, self.mask, self.op);
            }
            return;
        }
    }
    for (unsigned i = 0; i < warp.group_count; i++) {
        const Group &group = warp.groups[i];
        if ((group.here & self.mask) && (group.mask & bit))
            fail(text("%s(%08x) at %s, but %s", name_of(self.op), self.mask, where(self.place).c_str(),
                      describe(lanes[warp.first + __builtin_ctz(group.here & self.mask)]).c_str()));
    }
    if (self.mask == bit)
        return finish(warp, bit, self.op);
    warp.groups[warp.group_count++] = {self.op, self.mask, bit, self.place};
}

uint64_t meet(Op op, uint32_t mask, uint64_t value, uint32_t argument, Place place) {
    Lane &self = *now;
    Warp &warp = warps[self.warp];
    if (++meetings > most_steps)
        fail("the kernel does not end");
    if (op == Op::SyncWarp || op == Op::SyncThreads) {
        Site &site = site_of(place);
        site.executed++;
        if (site.dropped)
            return 0;
    }
    self.op = op;
    self.mask = mask;
    self.value = value;
    self.argument = argument;
    self.place = place;
    self.waiting = true;
    warp.ready &= ~(1u << self.lane);
    if (op == Op::SyncThreads) {
        for (const Lane &lane : lanes)
            if (lane.waiting && lane.op == Op::SyncThreads && !same(lane.place, place))
                fail(text("__syncthreads at %s, but %s", where(place).c_str(), describe(lane).c_str()));
        if (++at_barrier + done_count == lane_count)
            release_block();
    } else {
        if (!(mask >> self.lane & 1))
            fail(text("lane %u is not in the mask %08x that it gives to %s at %s", self.lane, mask, name_of(op), where(place).c_str()));
        if (warp.done & mask || mask & ~warp.all)
            fail(text("the mask %08x of %s at %s names lanes that have returned (%08x)", mask, name_of(op), where(place).c_str(),
                      mask & (warp.done | ~warp.all)));
        join(warp, self);
    }
    yield(false);
    return self.result;
}

// ---- launch ------------------------------------------------------------------------------------------------------------
static void make_stacks(unsigned count) {
    while (stacks.size() < count) {
        void *map = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED || mprotect(map, GUARD, PROT_NONE))
            std::abort();
        stacks.push_back(static_cast<char *>(map) + GUARD);
    }
}

static void start_block(unsigned threads) {
    make_stacks(threads);
    lanes.assign(threads, Lane{});
    warps.assign((threads + 31) / 32, Warp{});
    lane_count = threads;
    at_barrier = done_count = warp_turn = 0;
    for (unsigned i = 0; i < threads; i++) {
        Lane &lane = lanes[i];
        lane.id = i;
        lane.warp = i / 32;
        lane.lane = i % 32;
        indexes[i].thread = {i, 0, 0};
        lane.stack = stacks[i];
        lane.stamp = 1;
#if SIMT_ASAN
        __asan_unpoison_memory_region(lane.stack, STACK);
#endif
        auto *top = reinterpret_cast<uintptr_t *>(lane.stack + STACK - 64);
        auto *sp = top - SAVED;
        memset(sp, 0, SAVED * sizeof *sp);
        sp[RETURN] = reinterpret_cast<uintptr_t>(&lane_main);
        lane.sp = sp;
        Warp &warp = warps[lane.warp];
        warp.all |= 1u << lane.lane;
        warp.ready = warp.all;
    }
    for (unsigned i = 0; i < warps.size(); i++) {
        warps[i].first = 32 * i;
        shuffle(warps[i]);
    }
    start_block_memory();
    now = nullptr;
    go(nullptr, next_lane());
}

static int launch(const char *name, unsigned gx, unsigned bx, unsigned shared_bytes, void **params) {
    error_text.clear();
    const Kernel *kernel = kernels;
    while (kernel && strcmp(kernel->name, name))
        kernel = kernel->next;
    if (!kernel || !gx || !bx || bx > MOST_LANES || shared_bytes) {
        error_text = text("%s: no such kernel, or not to be launched so", name);
        return -1;
    }
    kernel_name = kernel->name;
    random_state = seed_given * 0x9E3779B97F4A7C15ull | 1;
    for (auto &o : orders) {
        for (unsigned i = 0; i < 32; i++)
            o[i] = uint8_t(i);
        for (unsigned i = 31; i; i--)
            std::swap(o[i], o[random_next() % (i + 1)]);
    }
    body = kernel->call;
    arguments = params;
    grid_size = {gx, 1, 1};
    block_size = {bx, 1, 1};
    meetings = 0;
#if SIMT_ASAN
    scheduler_bottom = nullptr;
#endif
    start_launch_memory();
    std::vector<unsigned> blocks(gx);
    for (unsigned i = 0; i < gx; i++) {
        const unsigned k = unsigned(random_next() % (i + 1));
        blocks[i] = blocks[k];
        blocks[k] = i;
    }
    for (unsigned i = 0; i < gx && error_text.empty(); i++) {
        block_now = {blocks[i], 0, 0};
        start_block(bx);
        end_block_memory();
    }
    now = nullptr;
    return error_text.empty() ? 0 : -1;
}

} // namespace simt

extern "C" {

int simt_has_kernel(const char *name) {
    const simt::Kernel *kernel = simt::kernels;
    while (kernel && strcmp(kernel->name, name))
        kernel = kernel->next;
    return kernel != nullptr;
}

int simt_launch(const char *name, unsigned gx, unsigned bx, unsigned shared_bytes, void **params) {
    return simt::launch(name, gx, bx, shared_bytes, params);
}

const char *simt_error(void) { return simt::error_text.c_str(); }

void simt_seed(unsigned long seed) { simt::seed_given = seed; }

void simt_limit(unsigned long steps) { simt::most_steps = steps; }

int simt_site(unsigned index, struct simt_barrier *out) {
    if (index >= simt::sites.size())
        return 0;
    const simt::Site &site = simt::sites[index];
    *out = {site.file, site.line, site.column, site.executed};
    return 1;
}

void simt_drop(const char *file, unsigned line) {
    if (file)
        simt::dropped.push_back({file, line});
    else
        simt::dropped.clear();
    simt::sites.clear();
}
}

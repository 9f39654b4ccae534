// A stand-in for the library of the CUDA driver: the calls that src/cuda uses, over the memory of the host.
//
// It is stricter than a driver. What is put into a stream is not done until somebody asks: cuEventQuery does one piece of work,
// a wait all that it waits for. Memory of the "device" cannot be touched but by that work, and lies between guard pages. Copies
// need pinned memory, whose bytes must stay as they were until the copy is done; every call needs a current context. A breach
// is counted as "misuse" and said on stderr.
//
// Kernels are run by simt_launch(): those of src/cuda through the shim (kernels.cu), or plain_kernels.cpp. Tests steer all this with the functions at the end.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "simt_launch.h"

// Threads of a block that the kernels are written for; 0: any.
extern "C" const unsigned tzram_block_threads;

namespace {

enum Code {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, UNSUPPORTED_PTX_VERSION = 222, INVALID_HANDLE = 400,
    NOT_FOUND = 500, NOT_READY = 600, LAUNCH_FAILED = 719,
};

constexpr size_t PAGE = 4096;

struct Region {
    char *map = nullptr;
    size_t mapped = 0; // guard pages included
    size_t bytes = 0;
    bool device = false;
};

struct Work {
    std::function<int()> run;
    std::vector<uintptr_t> uses; // addresses in memory, or of a module
};

struct Stream {
    std::deque<Work> pending;
    uint64_t put = 0, done = 0;
};

struct Event {
    Stream *stream = nullptr;
    uint64_t place = 0;
};

struct Module {
    std::set<std::string> kernels;
};

struct Function {
    std::string name;
    Module *module;
};

struct Nonsense {
    long what, index, value;
};

// What a test finds: a driver for CUDA 12.4, and one device of compute capability 9.0.
const std::map<std::string, long> AT_FIRST = {{"version", 12040}, {"devices", 1}, {"major", 9}, {"minor", 0}};

std::mutex mutex;
std::map<std::string, long> values = AT_FIRST;
std::map<uintptr_t, Region> regions;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Module *> modules;
std::map<std::pair<Module *, std::string>, std::unique_ptr<Function>> functions;
std::vector<Nonsense> nonsense;
char context; // its address is the handle
thread_local std::vector<void *> current;

struct {
    std::string symbol;
    long left = 0; // uses until it fails
    int code = 0;
    bool for_good = false;
} fault;
int dead = 0; // what every call returns from now on

__attribute__((format(printf, 1, 2))) void misuse(const char *format, ...) {
    values["misuse"]++;
    va_list list;
    va_start(list, format);
    std::fputs("stand-in: ", stderr);
    std::vfprintf(stderr, format, list);
    std::fputc('\n', stderr);
    va_end(list);
}

// Whether this use of `symbol` is to fail: its code, or 0.
int fails(const char *symbol) {
    values["calls"]++;
    if (dead) return dead;
    if (fault.left > 0 && fault.symbol == symbol && --fault.left == 0) {
        values["fired"]++;
        if (fault.for_good) dead = fault.code;
        return fault.code;
    }
    return 0;
}

#define CALL(needs_context)                                                                                                     \
    std::lock_guard<std::mutex> lock(mutex);                                                                                    \
    if (int code = fails(__func__)) return code;                                                                                \
    if (needs_context && (current.empty() || current.back() != &context)) {                                                     \
        misuse("%s without a current context", __func__);                                                                       \
        return INVALID_CONTEXT;                                                                                                 \
    }

// ---- memory ------------------------------------------------------------------------------------------------------------
void protect(const Region &region, int how) {
    mprotect(region.map + PAGE, region.mapped - 2 * PAGE, how);
}

// Memory of the device is there while one of these is.
struct DeviceAtWork {
    DeviceAtWork() { set(PROT_READ | PROT_WRITE); }
    ~DeviceAtWork() { set(PROT_NONE); }
    static void set(int how) {
        if (values["idle"]) return;
        for (auto &[at, region] : regions)
            if (region.device) protect(region, how);
    }
};

// The end of the memory is as near to the guard page behind it as an alignment of 256 bytes allows.
int allocate(size_t bytes, bool device, uintptr_t *out) {
    size_t used = 0;
    for (auto &[at, region] : regions)
        if (region.device == device) used += region.bytes;
    if (bytes == 0) return INVALID_VALUE;
    long cap = values[device ? "memory" : "host_memory"];
    if (cap > 0 && used + bytes > static_cast<size_t>(cap)) return OUT_OF_MEMORY;
    Region region;
    size_t inner = (bytes + PAGE - 1) / PAGE * PAGE;
    region.mapped = inner + 2 * PAGE;
    region.bytes = bytes;
    region.device = device;
    void *map = mmap(nullptr, region.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return OUT_OF_MEMORY;
    region.map = static_cast<char *>(map);
    protect(region, PROT_READ | PROT_WRITE);
    std::memset(region.map + PAGE, 0xA5, inner);
    if (device && !values["idle"]) protect(region, PROT_NONE);
    *out = reinterpret_cast<uintptr_t>(region.map + PAGE + inner - (bytes + 255) / 256 * 256);
    regions[*out] = region;
    values["allocated"]++;
    return SUCCESS;
}

// Whether nothing that is under way uses what is given back. A driver would wait for that.
void unused(uintptr_t at, size_t bytes, const char *what) {
    for (Stream *stream : streams)
        for (Work &work : stream->pending)
            for (uintptr_t used : work.uses)
                if (used - at < bytes) return misuse("%s of what a stream under way uses", what);
}

int release(uintptr_t at, bool device, const char *what) {
    auto it = regions.find(at);
    if (it == regions.end() || it->second.device != device) {
        misuse("%s of what is not allocated", what);
        return INVALID_VALUE;
    }
    unused(at, it->second.bytes, what);
    munmap(it->second.map, it->second.mapped);
    regions.erase(it);
    return SUCCESS;
}

bool inside(uintptr_t at, size_t bytes, bool device) {
    auto it = regions.upper_bound(at);
    if (it == regions.begin()) return false;
    --it;
    size_t skip = at - it->first;
    return it->second.device == device && skip <= it->second.bytes && bytes <= it->second.bytes - skip;
}

// ---- streams -----------------------------------------------------------------------------------------------------------
int put(Stream *stream, const char *what, std::vector<uintptr_t> uses, std::function<int()> run) {
    if (!streams.count(stream)) {
        misuse("%s: no stream", what);
        return INVALID_HANDLE;
    }
    stream->pending.push_back({std::move(run), std::move(uses)});
    stream->put++;
    return SUCCESS;
}

// Does the next piece of work. A failure kills the context, as it does on a device.
int step(Stream *stream) {
    Work work = std::move(stream->pending.front());
    stream->pending.pop_front();
    stream->done++;
    DeviceAtWork there;
    if (int code = work.run()) {
        dead = code;
        for (Stream *s : streams) {
            s->pending.clear();
            s->done = s->put;
        }
        return code;
    }
    return SUCCESS;
}

int drain(Stream *stream, uint64_t until) {
    while (stream->done < until)
        if (int code = step(stream)) return code;
    return SUCCESS;
}

// ---- kernels -----------------------------------------------------------------------------------------------------------
const std::map<std::string, std::vector<size_t>> PARAMETERS = {
    {"tzram_compress_tzp", {8, 4, 4, 8, 8, 8}},
    {"tzram_compress_lz4", {8, 4, 4, 8, 8, 8}},
    {"tzram_compress_zstd", {8, 4, 4, 8, 8, 8}},
    {"tzram_decompress", {8, 4, 8, 4, 8, 8}},
};

struct Launch {
    std::string name;
    unsigned grid, block;
    std::vector<uint64_t> parameters;

    int run() {
        if (fault.left > 0 && fault.symbol == "kernel" && --fault.left == 0) {
            values["fired"]++;
            return fault.code;
        }
        bool compress = name != "tzram_decompress";
        uint32_t *table = reinterpret_cast<uint32_t *>(parameters[4]), *last = reinterpret_cast<uint32_t *>(parameters[5]);
        unsigned count = static_cast<unsigned>(parameters[compress ? 1 : 3]);
        if (values["slow"]) usleep(static_cast<useconds_t>(values["slow"]) * count);
        if (values["idle"]) {
            for (unsigned i = 0; i < count; i++) {
                if (compress) table[2 * i] = 0, table[2 * i + 1] = PAGE;
                else last[i] = 0;
            }
            return SUCCESS;
        }
        std::vector<void *> pointers;
        for (uint64_t &parameter : parameters) pointers.push_back(&parameter);
        if (simt_launch(name.c_str(), grid, block, 0, pointers.data())) {
            std::fprintf(stderr, "stand-in: %s: %s\n", name.c_str(), simt_error());
            return LAUNCH_FAILED;
        }
        for (const Nonsense &n : nonsense) {
            uint32_t value = static_cast<uint32_t>(n.value);
            if (compress && n.what == 0) *last = value;
            if (compress && n.what == 1) table[2 * n.index] = value;
            if (compress && n.what == 2) table[2 * n.index + 1] = value;
            if (!compress && n.what == 3) last[n.index] = value;
        }
        nonsense.clear();
        return SUCCESS;
    }
};

uint64_t number(const unsigned char *at, int bytes) {
    uint64_t n = 0;
    for (int i = bytes; i-- > 0;) n = n << 8 | at[i];
    return n;
}

// What of the kernels is named in an image that runs on this device.
int read_image(const unsigned char *image, Module *module) {
    long device = values["major"] * 10 + values["minor"];
    const char *text = reinterpret_cast<const char *>(image);
    size_t size;
    long made_for = 0;
    if (std::memcmp(image, "\x7f" "ELF", 4) == 0) {
        if (reinterpret_cast<uintptr_t>(image) % 64) misuse("a cubin that is not aligned");
        if (values["refuse_cubins"] || number(image + 18, 2) != 190) return INVALID_IMAGE;
        made_for = static_cast<long>(number(image + 48, 4) >> (image[8] >= 8 ? 8 : 0) & 0xFF);
        size_t segments = number(image + 32, 8) + number(image + 54, 2) * number(image + 56, 2);
        size_t sections = number(image + 40, 8) + number(image + 58, 2) * number(image + 60, 2);
        size = segments > sections ? segments : sections;
        if (made_for / 10 != device / 10 || made_for > device) return NO_BINARY_FOR_GPU;
    } else {
        const char *target = std::strstr(text, ".target sm_");
        if (!std::strstr(text, ".version ") || !target) return INVALID_IMAGE;
        if (values["refuse_ptx"]) return UNSUPPORTED_PTX_VERSION;
        if (std::atol(target + 11) > device) return NO_BINARY_FOR_GPU;
        size = std::strlen(text);
    }
    for (auto &[name, sizes] : PARAMETERS)
        if (memmem(image, size, name.data(), name.size())) module->kernels.insert(name);
    values["image"] = made_for;
    return SUCCESS;
}

} // namespace

// ---- the driver's functions --------------------------------------------------------------------------------------------
extern "C" {

int cuDriverGetVersion(int *version) {
    CALL(false);
    *version = static_cast<int>(values["version"]);
    return SUCCESS;
}

int cuInit(unsigned flags) {
    CALL(false);
    if (flags) return INVALID_VALUE;
    if (values["devices"] == 0) return NO_DEVICE;
    values["initialized"] = 1;
    return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
    CALL(false);
    if (!values["initialized"]) return NOT_INITIALIZED;
    if (ordinal < 0 || ordinal >= values["devices"]) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    CALL(false);
    if (device < 0 || device >= values["devices"]) return INVALID_DEVICE;
    if (attribute != 75 && attribute != 76) return INVALID_VALUE;
    *value = static_cast<int>(values[attribute == 75 ? "major" : "minor"]);
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **out, int device) {
    CALL(false);
    if (device < 0 || device >= values["devices"]) return INVALID_DEVICE;
    values["retained"]++;
    *out = &context;
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
    CALL(false);
    if (device < 0 || device >= values["devices"]) return INVALID_DEVICE;
    if (values["retained"]-- == 0) misuse("a context released too often");
    return SUCCESS;
}

int cuCtxPushCurrent_v2(void *pushed) {
    CALL(false);
    if (pushed != &context || values["retained"] == 0) {
        misuse("a context that is not retained is made current");
        return INVALID_CONTEXT;
    }
    current.push_back(pushed);
    return SUCCESS;
}

int cuCtxPopCurrent_v2(void **popped) {
    CALL(true);
    *popped = current.back();
    current.pop_back();
    return SUCCESS;
}

int cuModuleLoadData(Module **out, const void *image) {
    CALL(true);
    auto module = std::make_unique<Module>();
    if (int code = read_image(static_cast<const unsigned char *>(image), module.get())) return code;
    *out = *modules.insert(module.release()).first;
    return SUCCESS;
}

int cuModuleUnload(Module *module) {
    CALL(true);
    unused(reinterpret_cast<uintptr_t>(module), 1, __func__);
    if (!modules.erase(module)) {
        misuse("%s: no module", __func__);
        return INVALID_HANDLE;
    }
    delete module;
    return SUCCESS;
}

int cuModuleGetFunction(Function **out, Module *module, const char *name) {
    CALL(true);
    if (!modules.count(module)) return INVALID_HANDLE;
    if (!module->kernels.count(name) || !simt_has_kernel(name)) return NOT_FOUND;
    auto &function = functions[{module, name}];
    if (!function) function.reset(new Function{name, module});
    *out = function.get();
    return SUCCESS;
}

int cuMemAlloc_v2(uint64_t *out, size_t bytes) {
    CALL(true);
    uintptr_t at = 0;
    int code = allocate(bytes, true, &at);
    *out = at;
    return code;
}

int cuMemFree_v2(uint64_t at) {
    CALL(true);
    return release(at, true, __func__);
}

int cuMemHostAlloc(void **out, size_t bytes, unsigned flags) {
    CALL(true);
    if (flags) return INVALID_VALUE;
    uintptr_t at = 0;
    int code = allocate(bytes, false, &at);
    *out = reinterpret_cast<void *>(at);
    return code;
}

int cuMemFreeHost(void *at) {
    CALL(true);
    return release(reinterpret_cast<uintptr_t>(at), false, __func__);
}

int cuStreamCreate(Stream **out, unsigned flags) {
    CALL(true);
    if (flags > 1) return INVALID_VALUE;
    values["allocated"]++;
    *out = *streams.insert(new Stream).first;
    return SUCCESS;
}

int cuStreamSynchronize(Stream *stream) {
    CALL(true);
    if (!streams.count(stream)) return INVALID_HANDLE;
    return drain(stream, stream->put);
}

int cuStreamDestroy_v2(Stream *stream) {
    CALL(true);
    if (!streams.count(stream)) {
        misuse("%s: no stream", __func__);
        return INVALID_HANDLE;
    }
    if (!stream->pending.empty()) misuse("%s: the stream is under way", __func__);
    for (Event *event : events)
        if (event->stream == stream) event->stream = nullptr;
    streams.erase(stream);
    delete stream;
    return SUCCESS;
}

int cuEventCreate(Event **out, unsigned flags) {
    CALL(true);
    if (flags & ~3u) return INVALID_VALUE;
    values["allocated"]++;
    *out = *events.insert(new Event).first;
    return SUCCESS;
}

int cuEventRecord(Event *event, Stream *stream) {
    CALL(true);
    if (!events.count(event) || !streams.count(stream)) {
        misuse("%s: no event or no stream", __func__);
        return INVALID_HANDLE;
    }
    event->stream = stream;
    event->place = stream->put;
    return SUCCESS;
}

int cuEventQuery(Event *event) {
    CALL(true);
    if (!events.count(event)) return INVALID_HANDLE;
    Stream *stream = event->stream;
    if (stream && stream->done < event->place)
        if (int code = step(stream)) return code;
    return stream && stream->done < event->place ? NOT_READY : SUCCESS;
}

int cuEventSynchronize(Event *event) {
    CALL(true);
    if (!events.count(event)) return INVALID_HANDLE;
    return event->stream ? drain(event->stream, event->place) : SUCCESS;
}

int cuEventDestroy_v2(Event *event) {
    CALL(true);
    if (!events.erase(event)) {
        misuse("%s: no event", __func__);
        return INVALID_HANDLE;
    }
    delete event;
    return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, Stream *stream) {
    CALL(true);
    if (!inside(to, bytes, true) || !inside(reinterpret_cast<uintptr_t>(from), bytes, false)) {
        misuse("%s outside of what is allocated", __func__);
        return INVALID_VALUE;
    }
    if (values["idle"]) return put(stream, __func__, {to, reinterpret_cast<uintptr_t>(from)}, [] { return SUCCESS; });
    const char *source = static_cast<const char *>(from);
    return put(stream, __func__, {to, reinterpret_cast<uintptr_t>(from)}, [to, source, bytes, before = std::string(source, bytes)] {
        if (std::memcmp(before.data(), source, bytes)) misuse("what is copied to the device changed before it was");
        std::memcpy(reinterpret_cast<void *>(to), source, bytes);
        return SUCCESS;
    });
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Stream *stream) {
    CALL(true);
    if (!inside(from, bytes, true) || !inside(reinterpret_cast<uintptr_t>(to), bytes, false)) {
        misuse("%s outside of what is allocated", __func__);
        return INVALID_VALUE;
    }
    // Whoever reads too early does not find what an earlier batch left.
    if (!values["idle"]) std::memset(to, 0xEE, bytes);
    return put(stream, __func__, {reinterpret_cast<uintptr_t>(to), from}, [to, from, bytes] {
        std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
        return SUCCESS;
    });
}

int cuMemsetD8Async(uint64_t at, unsigned char value, size_t bytes, Stream *stream) {
    CALL(true);
    if (!inside(at, bytes, true)) {
        misuse("%s outside of what is allocated", __func__);
        return INVALID_VALUE;
    }
    return put(stream, __func__, {at}, [at, value, bytes] {
        std::memset(reinterpret_cast<void *>(at), value, bytes);
        return SUCCESS;
    });
}

int cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared_bytes, Stream *stream, void **params, void **extra) {
    CALL(true);
    auto known = PARAMETERS.find(function->name);
    if (known == PARAMETERS.end() || gx == 0 || gy != 1 || gz != 1 || bx == 0 || bx > 1024 || by != 1 || bz != 1 || shared_bytes ||
        extra || (tzram_block_threads && bx != tzram_block_threads)) {
        misuse("%s: bad arguments", __func__);
        return INVALID_VALUE;
    }
    auto launch = std::make_shared<Launch>(Launch{function->name, gx, bx, {}});
    for (size_t i = 0; i < known->second.size(); i++) {
        uint64_t value = 0;
        std::memcpy(&value, params[i], known->second[i]);
        launch->parameters.push_back(value);
    }
    values["launches"]++;
    std::vector<uintptr_t> uses = {reinterpret_cast<uintptr_t>(function->module)};
    for (size_t i = 0; i < known->second.size(); i++)
        if (known->second[i] == 8) uses.push_back(launch->parameters[i]);
    return put(stream, __func__, std::move(uses), [launch] { return launch->run(); });
}

// ---- what tests steer it with ------------------------------------------------------------------------------------------

// Forgets faults, counts and settings. What is allocated stays.
void stand_in_reset(void) {
    std::lock_guard<std::mutex> lock(mutex);
    long retained = values["retained"];
    values = AT_FIRST;
    values["retained"] = retained;
    fault = {};
    nonsense.clear();
    dead = 0;
}

// Sets one of: version, devices, major, minor, memory, host_memory (bytes, 0 = any), refuse_cubins, refuse_ptx, slow (microseconds
// that a kernel takes longer for each page), idle (takes hardly any time: nothing is copied to the device, pages are to be stored raw,
// objects are restored to anything).
void stand_in_set(const char *name, long value) {
    std::lock_guard<std::mutex> lock(mutex);
    values[name] = value;
}

// Returns what was set, or one of: misuse, calls, allocated (so far), launches, fired (uses that failed), image (the architecture
// of the cubin loaded last, 0 for PTX), live (what is still to be given back), depth (contexts current in this thread).
long stand_in_get(const char *name) {
    std::lock_guard<std::mutex> lock(mutex);
    if (std::strcmp(name, "live") == 0)
        return static_cast<long>(regions.size() + streams.size() + events.size() + modules.size()) + values["retained"];
    if (std::strcmp(name, "depth") == 0) return static_cast<long>(current.size());
    return values[name];
}

// Lets use number `nth` (from 1) of a symbol fail; "kernel" is a kernel that fails while it runs. `for_good`: and every call after it.
void stand_in_fail(const char *symbol, long nth, int code, int for_good) {
    std::lock_guard<std::mutex> lock(mutex);
    fault = {symbol, nth, code, for_good != 0};
}

// Lets the next kernel answer nonsense: `what` 0: the cursor, 1 and 2: offset and length of object `index`, 3: the status of page `index`.
void stand_in_nonsense(long what, long index, long value) {
    std::lock_guard<std::mutex> lock(mutex);
    nonsense.push_back({what, index, value});
}

// Gives everything back that was leaked, so that the next test begins with nothing.
void stand_in_clear(void) {
    std::lock_guard<std::mutex> lock(mutex);
    for (auto &[at, region] : regions) munmap(region.map, region.mapped);
    regions.clear();
    for (Stream *stream : streams) delete stream;
    streams.clear();
    for (Event *event : events) delete event;
    events.clear();
    for (Module *module : modules) delete module;
    modules.clear();
    current.clear();
    values["retained"] = 0;
}

} // extern "C"

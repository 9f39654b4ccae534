// Runs the kernels for a test: requests on standard input, answers on standard output, all numbers u32 in the byte order of
// the machine. Buffers end at inaccessible pages and hold rubbish where the kernel has to write.
//
// request 0, 1 or 5 (tzram_compress_tzp, _lz4, _zstd): seed, level, count, then the pages
//     answer: fault, then, if it is 0: cursor, table of 2 * count, `cursor` bytes of objects
// request 2 (tzram_decompress): seed, bytes, count, table of 2 * count, then `bytes` bytes of objects
//     answer: fault, then, if it is 0: count of status, the pages
// request 3: length and bytes of a file name, line. Leaves out the barriers there; length 0: none.
//     answer: 0
// request 4: the barriers executed since the last request 3
//     answer: their number, for each: length and bytes of the file name, line
// fault: 0, or the length of the text that follows
#include "simt_launch.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <sys/mman.h>
#include <utility>
#include <vector>

#if SIMT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes) (void)0
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) (void)0
#endif

extern "C" const unsigned tzram_block_threads, tzram_block_pages;

static const size_t PAGE = 4096;

// `bytes` bytes at a multiple of 16, between inaccessible pages; behind them are 15 bytes of slack at most.
class Guarded {
  public:
    Guarded(size_t bytes, int how) : bytes(bytes) {
        const size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
        mapped = pages + 2 * PAGE;
        void *at = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            exit(3);
        map = static_cast<uint8_t *>(at);
        if (mprotect(map, PAGE, PROT_NONE) || mprotect(map + PAGE + pages, PAGE, PROT_NONE))
            exit(3);
        data = map + PAGE + pages - (bytes + 15) / 16 * 16;
        ASAN_POISON_MEMORY_REGION(map + PAGE, size_t(data - map) - PAGE);
        simt_region(data, bytes, how);
    }
    ~Guarded() {
        ASAN_UNPOISON_MEMORY_REGION(map, mapped);
        munmap(map, mapped);
    }
    Guarded(const Guarded &) = delete;
    void rubbish(uint32_t seed) {
        for (size_t i = 0; i < bytes; i++)
            data[i] = uint8_t((seed + i) * 2654435761u >> 24);
    }
    template <class T> T *as() { return reinterpret_cast<T *>(data); }
    uint8_t *data;
    size_t bytes;

  private:
    uint8_t *map;
    size_t mapped;
};

static void get(void *to, size_t bytes) {
    if (bytes && fread(to, bytes, 1, stdin) != 1)
        exit(2);
}
static uint32_t get() {
    uint32_t number;
    get(&number, sizeof number);
    return number;
}
static void put(const void *from, size_t bytes) {
    if (bytes && fwrite(from, bytes, 1, stdout) != 1)
        exit(2);
}
static void put(uint32_t number) { put(&number, sizeof number); }
static void put(const std::string &text) {
    put(uint32_t(text.size()));
    put(text.data(), text.size());
}

static bool run(const char *kernel, uint32_t count, void **params) {
    const unsigned blocks = (count + tzram_block_pages - 1) / tzram_block_pages;
    if (simt_launch(kernel, blocks, tzram_block_threads, 0, params)) {
        put(std::string(simt_error()));
        return false;
    }
    put(0u);
    return true;
}

static void compress(const char *kernel) {
    const uint32_t seed = get();
    uint32_t level = get(), count = get();
    simt_seed(seed);
    Guarded pages(count * PAGE, SIMT_HOLDS), objects(count * PAGE, SIMT_WRITABLE);
    Guarded table(count * 8, SIMT_WRITABLE), cursor(4, SIMT_HOLDS | SIMT_WRITABLE);
    get(pages.data, pages.bytes);
    objects.rubbish(seed);
    table.rubbish(seed);
    *cursor.as<uint32_t>() = 0;
    void *params[] = {&pages.data, &count, &level, &objects.data, &table.data, &cursor.data};
    if (!run(kernel, count, params))
        return;
    const uint32_t used = *cursor.as<uint32_t>();
    put(used);
    put(table.data, table.bytes);
    if (used > objects.bytes)
        exit(4);
    put(objects.data, used);
}

static void decompress() {
    const uint32_t seed = get();
    uint32_t bytes = get(), count = get();
    simt_seed(seed);
    // The slack up to a multiple of 16 may be read.
    Guarded table(count * 8, SIMT_HOLDS), objects((bytes + 15) / 16 * 16, SIMT_HOLDS);
    Guarded pages(count * PAGE, SIMT_WRITABLE), status(count * 4, SIMT_WRITABLE);
    get(table.data, table.bytes);
    objects.rubbish(seed);
    get(objects.data, bytes);
    pages.rubbish(seed);
    status.rubbish(seed);
    void *params[] = {&objects.data, &bytes, &table.data, &count, &pages.data, &status.data};
    if (!run("tzram_decompress", count, params))
        return;
    put(status.data, status.bytes);
    put(pages.data, pages.bytes);
}

int main() {
    simt_limit(1'000'000'000);
    uint32_t request;
    while (fread(&request, sizeof request, 1, stdin) == 1) {
        simt_forget_regions();
        if (request == 0)
            compress("tzram_compress_tzp");
        else if (request == 1)
            compress("tzram_compress_lz4");
        else if (request == 5)
            compress("tzram_compress_zstd");
        else if (request == 2)
            decompress();
        else if (request == 3) {
            std::string file(get(), ' ');
            get(file.data(), file.size());
            const uint32_t line = get();
            simt_drop(nullptr, 0);
            if (!file.empty())
                simt_drop(file.c_str(), line);
            put(0u);
        } else if (request == 4) {
            std::set<std::pair<std::string, uint32_t>> places;
            simt_barrier site;
            for (unsigned i = 0; simt_site(i, &site); i++) {
                const char *slash = strrchr(site.file, '/');
                places.insert({slash ? slash + 1 : site.file, site.line});
            }
            put(uint32_t(places.size()));
            for (const auto &[file, line] : places) {
                put(file);
                put(line);
            }
        } else {
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}

/*
 * tzram 0.1.0: compression of memory pages. Generated from src/abi: edit it there.
 *
 * Two layers. The page layer (tzram_ctx) turns a page into a self-describing object that is never longer than the page; an object
 * is for tzram to read. The comp layer (tzram_comp) turns any buffer into a standard LZ4 block or Zstandard frame and back, for
 * liblz4, libzstd or the Linux kernel to read or write. A queue (tzram_queue) does the page layer's work in threads of its own.
 *
 * A page is page_size bytes: 4096 unless the context was made with 8192, 16384, 32768 or 65536. An object is 1 to page_size bytes;
 * one of page_size bytes is the page itself. Objects are the same on every CPU: what one machine writes, any other reads.
 *
 * Memory. The caller owns every buffer; the library owns the handles. Each create has exactly one destroy; destroying NULL is fine.
 * A context made by tzram_ctx_init() lives in the caller's memory and allocates nothing. No call that
 * compresses or restores a page allocates, locks, or reads the clock or the environment. src and dst need no alignment and must not overlap; nothing
 * is read past the length or written past the capacity given, on any input, damaged input included. Strings that the library
 * returns are its own, are never freed and stay valid as long as it is loaded.
 *
 * Threads. A context or a comp handle is used by one thread at a time; different handles are independent and share no lock. A
 * dictionary is immutable: any number of handles and threads share it, and it must outlive them. The rest may be called from
 * anywhere. Handles work on in a forked child, but for queues. Any number of threads may use one queue at the same time. Its
 * own threads (tzram-0, tzram-1 and so on, all signals blocked) are there from tzram_queue_create() to tzram_queue_destroy(); nothing
 * else starts any. The calls of a queue allocate nothing, but may wake threads, and tzram_queue_reap() sleeps if it is told to.
 *
 * Errors. A function that can fail returns int: 0, or a negative errno. errno itself is left alone, nothing is printed, no signal
 * is raised.
 *   -EINVAL          (-22)  a NULL pointer where one is needed, a size or level out of range, a struct of unknown size, a misused handle
 *   -ENOENT           (-2)  no algorithm or driver of that name
 *   -EOPNOTSUPP      (-95)  the algorithm or backend is known, but this CPU or build lacks it
 *   -ENOSPC          (-28)  dst is too small: nothing useful is in dst, and *dlen is 0
 *   -EBADMSG         (-74)  the compressed input is damaged or not ours: dst may hold anything within its bounds
 *   -ENOMEM          (-12)  an allocation failed
 *   -ESTALE         (-116)  the object needs another dictionary than the handle has
 *   -EAGAIN          (-11)  a queue is full, or nothing in it has finished, or no thread can be started
 *   -ENODEV          (-19)  no usable CUDA device or driver
 *   -ENOTRECOVERABLE (-131) a defect in the library was caught: this handle answers nothing but its destruction from now on
 * tzram_strerror() has a sentence for each. The numbers are those of Linux on x86-64 and AArch64.
 *
 * Structs that may grow begin with struct_size, which the caller sets to its own sizeof. A smaller one, of an older program, works;
 * a larger one works if what lies beyond the known size is zero; anything else is -EINVAL. Outputs are never written past it.
 *
 * Versions. Within one soname, functions are added, never changed or removed. The compressed bytes of the same input may differ
 * from one version to the next, to be smaller or faster; what an older version wrote stays readable. TZRAM_VERSION_* name this
 * header, tzram_version_number() the library that the program runs with.
 *
 * The structs of tzram_zcomp_ops_get() mirror Linux 6.12 (drivers/block/zram/zcomp.h) member by member, so they have no struct_size.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef TZRAM_H
#define TZRAM_H

#include <stddef.h>
#include <stdint.h>

#define TZRAM_VERSION_MAJOR 0
#define TZRAM_VERSION_MINOR 1
#define TZRAM_VERSION_PATCH 0
#define TZRAM_VERSION_STRING "0.1.0"
/* As tzram_version_number(): major << 16 | minor << 8 | patch. */
#define TZRAM_VERSION_NUMBER ((TZRAM_VERSION_MAJOR << 16) | (TZRAM_VERSION_MINOR << 8) | TZRAM_VERSION_PATCH)

/**
 * The level of callers who have no opinion: the algorithm's default. (The kernel's ZCOMP_PARAM_NO_LEVEL.)
 */
#define TZRAM_LEVEL_DEFAULT INT32_MIN

/**
 * Bytes of the largest unit of the page layer.
 */
#define TZRAM_PAGE_SIZE_MAX 65536

/**
 * Flag of struct tzram_page_info: decoding needs the dictionary whose id is in `fill`.
 */
#define TZRAM_PAGE_INFO_DICT 1

/**
 * Entries of the per-codec counters, indexed by enum tzram_codec.
 */
#define TZRAM_STATS_CODECS 8

/**
 * Requests that a queue holds where the caller names no number.
 */
#define TZRAM_QUEUE_DEPTH_DEFAULT 1024

/**
 * Most requests that a queue can be made for.
 */
#define TZRAM_QUEUE_DEPTH_MAX (1 << 20)

/**
 * Most threads that a queue can be made with.
 */
#define TZRAM_QUEUE_THREADS_MAX 1024

/**
 * Instruction sets. A wider one includes the narrower ones of its family; every one includes scalar.
 */
enum tzram_backend {
    /**
     * The best that this CPU has.
     */
    TZRAM_BACKEND_AUTO = 0,
    /**
     * Portable code.
     */
    TZRAM_BACKEND_SCALAR = 1,
    /**
     * aarch64 NEON.
     */
    TZRAM_BACKEND_NEON = 2,
    /**
     * x86-64 AVX2 with BMI1, BMI2, LZCNT, POPCNT.
     */
    TZRAM_BACKEND_AVX2 = 3,
    /**
     * x86-64 AVX-512 F, BW, CD, DQ, VL.
     */
    TZRAM_BACKEND_AVX512 = 4,
};

/**
 * How an object holds its page.
 */
enum tzram_codec {
    /**
     * The page itself, stored raw.
     */
    TZRAM_CODEC_RAW,
    /**
     * One byte or one 8-byte word, repeated.
     */
    TZRAM_CODEC_SAME_FILLED,
    /**
     * An LZ4 block.
     */
    TZRAM_CODEC_LZ4,
    /**
     * A magicless Zstandard frame.
     */
    TZRAM_CODEC_ZSTD,
    /**
     * A tzp block.
     */
    TZRAM_CODEC_TZP,
};

/**
 * Who does a queue's work.
 */
enum tzram_engine {
    /**
     * A CUDA device where there is one that can do what is asked for and is faster from some number of pages on; else the CPU.
     */
    TZRAM_ENGINE_AUTO,
    /**
     * The CPU.
     */
    TZRAM_ENGINE_CPU,
    /**
     * A CUDA device: "tzp", or "lz4" or "zstd" at its default level, with pages of 4096 bytes and without a dictionary.
     */
    TZRAM_ENGINE_CUDA,
};

/**
 * What a request asks for.
 */
enum tzram_op {
    /**
     * Make the object of a page.
     */
    TZRAM_OP_COMPRESS,
    /**
     * Restore the page of an object.
     */
    TZRAM_OP_DECOMPRESS,
};

/**
 * A compressor and decompressor of buffers, as the kernel's crypto_comp: one thread at a time.
 */
struct tzram_comp;

/**
 * A page compressor and decompressor: one thread at a time. Many contexts run in parallel without sharing anything.
 */
struct tzram_ctx;

/**
 * A dictionary: history that pages are compressed against. Immutable; any number of contexts and threads may share one.
 */
struct tzram_dict;

/**
 * Requests on their way: worker threads take them, the caller gets them back finished. Any number of threads may submit and reap
 * at the same time.
 */
struct tzram_queue;

/**
 * How a context works. tzram_params_init() writes every default; set what differs.
 */
struct tzram_params {
    /**
     * sizeof(struct tzram_params), set by the caller (tzram_params_init() does).
     */
    uint32_t struct_size;
    /**
     * The unit compressed as one piece: 4096 (default), 8192, 16384, 32768 or 65536 bytes.
     */
    uint32_t page_size;
    /**
     * Algorithm or driver name; NULL = "adaptive". Read during the call only.
     */
    const char *alg;
    /**
     * TZRAM_LEVEL_DEFAULT or a level of the algorithm.
     */
    int32_t level;
    /**
     * enum tzram_backend: TZRAM_BACKEND_AUTO or a forced one.
     */
    int32_t backend;
    /**
     * Dictionary or NULL; borrowed, must outlive the context.
     */
    const struct tzram_dict *dict;
    /**
     * 0.
     */
    uint32_t flags;
};

/**
 * Counters of a context: zram's mm_stat and io_stat as far as a library can know them.
 */
struct tzram_stats {
    /**
     * sizeof(struct tzram_stats), set by the caller.
     */
    uint32_t struct_size;
    /**
     * Bytes of a page of this context.
     */
    uint32_t page_size;
    /**
     * Pages compressed.
     */
    uint64_t pages_in;
    /**
     * Bytes of those pages (zram: orig_data_size, were none of them ever freed).
     */
    uint64_t bytes_in;
    /**
     * Bytes of the objects made of them (zram: compr_data_size).
     */
    uint64_t bytes_out;
    /**
     * Pages decompressed.
     */
    uint64_t pages_out;
    /**
     * Compressed pages by codec: at TZRAM_CODEC_SAME_FILLED zram's same_pages, at TZRAM_CODEC_RAW its huge_pages.
     */
    uint64_t pages_by_codec[TZRAM_STATS_CODECS];
    /**
     * Bytes of their objects by codec.
     */
    uint64_t bytes_by_codec[TZRAM_STATS_CODECS];
    /**
     * Compressions that failed (zram: failed_writes).
     */
    uint64_t compress_errors;
    /**
     * Decompressions that failed (zram: failed_reads).
     */
    uint64_t decompress_errors;
    /**
     * Of all these pages, failed ones included, those that a queue's device has done.
     */
    uint64_t device_pages;
    /**
     * Calls to a device that failed after its queue was created; the CPU did the pages.
     */
    uint64_t device_errors;
};

/**
 * One driver, as a stanza of /proc/crypto. Strings live as long as the library.
 */
struct tzram_alg {
    /**
     * sizeof(struct tzram_alg), set by the caller.
     */
    uint32_t struct_size;
    /**
     * The algorithm: "lz4", "zstd", "tzp", "adaptive".
     */
    const char *name;
    /**
     * Who does it: "lz4-generic", "zstd-libzstd".
     */
    const char *driver_name;
    /**
     * The highest priority that this CPU runs wins.
     */
    int priority;
    /**
     * enum tzram_backend: the instruction set of its code.
     */
    int backend;
    /**
     * Smallest level: the fastest.
     */
    int min_level;
    /**
     * Largest level: the densest.
     */
    int max_level;
    /**
     * What TZRAM_LEVEL_DEFAULT stands for.
     */
    int default_level;
};

/**
 * What an object says of itself.
 */
struct tzram_page_info {
    /**
     * sizeof(struct tzram_page_info), set by the caller.
     */
    uint32_t struct_size;
    /**
     * enum tzram_codec.
     */
    int codec;
    /**
     * Bytes of the page that it decodes to.
     */
    uint32_t page_len;
    /**
     * TZRAM_PAGE_INFO_DICT: it was made with a dictionary.
     */
    uint32_t flags;
    /**
     * Same-filled pages: the repeated 8-byte word as a little-endian number. Objects with a dictionary: its id.
     */
    uint64_t fill;
};

/**
 * How a queue works. tzram_queue_params_init() writes every default; set what differs.
 */
struct tzram_queue_params {
    /**
     * sizeof(struct tzram_queue_params), set by the caller (tzram_queue_params_init() does).
     */
    uint32_t struct_size;
    /**
     * enum tzram_engine.
     */
    int32_t engine;
    /**
     * Most requests that are submitted and not yet reaped; 0 = TZRAM_QUEUE_DEPTH_DEFAULT, at most TZRAM_QUEUE_DEPTH_MAX.
     */
    uint32_t depth;
    /**
     * Worker threads; 0 = one for each CPU that the caller may run on, at most TZRAM_QUEUE_THREADS_MAX.
     */
    uint32_t threads;
    /**
     * Number of the device, as the driver counts: 0 is the first.
     */
    int32_t device;
    /**
     * How the pages are compressed, with a struct_size of its own.
     */
    struct tzram_params page;
};

/**
 * One page for a queue to work on. From tzram_queue_submit() to tzram_queue_reap() it is the queue's.
 */
struct tzram_req {
    /**
     * enum tzram_op.
     */
    uint32_t op;
    /**
     * 0 or a negative errno, as tzram_compress_page() or tzram_decompress_page() return it; written when the request has finished.
     */
    int32_t status;
    /**
     * What to read: a page, or an object.
     */
    const uint8_t *src;
    /**
     * Where to write: an object, or a page.
     */
    uint8_t *dst;
    /**
     * Bytes of the object to restore; not used for compression.
     */
    uint32_t slen;
    /**
     * For compression the capacity of dst. When the request has finished: bytes written to dst, 0 if it failed.
     */
    uint32_t dlen;
    /**
     * The caller's; the queue leaves it alone.
     */
    void *user;
};

/**
 * Parameters of a zcomp backend: the kernel's struct zcomp_params.
 */
struct tzram_zcomp_params {
    /**
     * Dictionary content or NULL; read by setup_params.
     */
    void *dict;
    /**
     * Its length in bytes.
     */
    size_t dict_sz;
    /**
     * TZRAM_LEVEL_DEFAULT or a level of the algorithm.
     */
    int32_t level;
    /**
     * What setup_params made of it; the backend's own.
     */
    void *drv_data;
};

/**
 * State of one stream: the kernel's struct zcomp_ctx.
 */
struct tzram_zcomp_ctx {
    /**
     * The backend's own.
     */
    void *context;
};

/**
 * One unit of work: the kernel's struct zcomp_req.
 */
struct tzram_zcomp_req {
    /**
     * What to read.
     */
    const uint8_t *src;
    /**
     * Its length in bytes.
     */
    size_t src_len;
    /**
     * Where to write.
     */
    uint8_t *dst;
    /**
     * Capacity of dst in bytes; after success the bytes written.
     */
    size_t dst_len;
};

/**
 * A compression backend: the kernel's struct zcomp_ops (Linux 6.12 and later). 0 or a negative errno everywhere.
 */
struct tzram_zcomp_ops {
    /**
     * Writes the stream of req->src to req->dst.
     */
    int (*compress)(struct tzram_zcomp_params *params, struct tzram_zcomp_ctx *ctx, struct tzram_zcomp_req *req);
    /**
     * Restores the buffer of the stream req->src into req->dst.
     */
    int (*decompress)(struct tzram_zcomp_params *params, struct tzram_zcomp_ctx *ctx, struct tzram_zcomp_req *req);
    /**
     * Makes the state of a stream.
     */
    int (*create_ctx)(struct tzram_zcomp_params *params, struct tzram_zcomp_ctx *ctx);
    /**
     * Frees the state of a stream.
     */
    void (*destroy_ctx)(struct tzram_zcomp_ctx *ctx);
    /**
     * Checks the level and prepares the dictionary, once for all streams.
     */
    int (*setup_params)(struct tzram_zcomp_params *params);
    /**
     * Frees what setup_params made, after the last stream.
     */
    void (*release_params)(struct tzram_zcomp_params *params);
    /**
     * The algorithm or driver.
     */
    const char *name;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Compresses `n` pages as tzram_compress_page() does one; every page is tried.
 *
 * Of page i, dlen is the capacity of dst on entry and the length of the object afterwards, 0 where it failed; its status is 0
 * or the negative errno (status may be NULL). Returns 0, or the first error.
 *
 * The caller promises:
 * `ctx` is NULL or live; the arrays have `n` entries (or are NULL), each as tzram_compress_page() wants it.
 */
int tzram_compress_pages(struct tzram_ctx *ctx,
                         size_t n,
                         const uint8_t *const *src,
                         uint8_t *const *dst,
                         unsigned int *dlen,
                         int *status);

/**
 * Restores `n` pages as tzram_decompress_page() does one; every object is tried.
 *
 * The status of page i is 0 or its negative errno (status may be NULL). Returns 0, or the first error. Some pages are restored side
 * by side, so that this takes less time than `n` calls.
 *
 * The caller promises:
 * `ctx` is NULL or live; the arrays have `n` entries (or are NULL), each as tzram_decompress_page() wants it; no destination
 * overlaps another destination, or the object of another page.
 */
int tzram_decompress_pages(struct tzram_ctx *ctx,
                           size_t n,
                           const uint8_t *const *src,
                           const unsigned int *slen,
                           uint8_t *const *dst,
                           int *status);

/**
 * Makes a compressor of standard streams: "lz4" (one block) or "zstd" (one frame), or a driver's name.
 *
 * "zstd" is the library's own encoder up to 64 KiB and up to its highest level, and libzstd beyond, where the build has
 * it. level is TZRAM_LEVEL_DEFAULT or one of the algorithm; backend is TZRAM_BACKEND_AUTO or a forced one. *out is NULL
 * on failure.
 * -EINVAL: a NULL pointer, a level or backend number out of range; -ENOENT: no algorithm or driver of that name;
 * -EOPNOTSUPP: it has no standard stream ("adaptive"), or this CPU or build lacks the driver or the backend; -ENOMEM.
 *
 * The caller promises:
 * `name` is NULL or a C string; `out` is NULL or writable.
 */
int tzram_comp_alloc(const char *name, int level, int backend, struct tzram_comp **out);

/**
 * Frees a compressor. NULL is fine.
 *
 * The caller promises:
 * `tfm` is NULL or came from tzram_comp_alloc() and is not used again.
 */
void tzram_comp_free(struct tzram_comp *tfm);

/**
 * Writes the standard stream of the `slen` bytes at `src` to `dst`.
 *
 * *dlen is the capacity of dst on entry, the length of the stream on success, and 0 on failure. Incompressible input
 * grows, up to tzram_comp_bound(). NULL stands for a buffer of no bytes.
 * -ENOSPC: the stream does not fit; -EINVAL: a NULL pointer, src and dst overlap, or slen > INT_MAX; -ENOMEM: libzstd
 * could not allocate.
 *
 * The caller promises:
 * `tfm` is NULL or live; `src` is `slen` readable bytes; `dst` *dlen writable bytes; `dlen` is NULL or writable.
 */
int tzram_comp_compress(struct tzram_comp *tfm, const uint8_t *src, unsigned int slen, uint8_t *dst, unsigned int *dlen);

/**
 * Restores the buffer of the standard stream of `slen` bytes at `src` into `dst`.
 *
 * *dlen is the capacity of dst on entry, the length of the buffer on success, and 0 on failure.
 * -EBADMSG: the stream is damaged; -ENOSPC: the buffer is longer than dst; -ESTALE: the frame names a dictionary;
 * -EINVAL: a NULL pointer, or src and dst overlap.
 *
 * The caller promises:
 * `tfm` is NULL or live; `src` is `slen` readable bytes; `dst` *dlen writable bytes; `dlen` is NULL or writable.
 */
int tzram_comp_decompress(struct tzram_comp *tfm, const uint8_t *src, unsigned int slen, uint8_t *dst, unsigned int *dlen);

/**
 * The capacity with which tzram_comp_compress() of `slen` bytes never says -ENOSPC; 0 if slen > INT_MAX or tfm is NULL.
 *
 * The caller promises:
 * `tfm` is NULL or live.
 */
unsigned int tzram_comp_bound(const struct tzram_comp *tfm, unsigned int slen);

/**
 * Writes every default to *params, struct_size included. NULL is ignored.
 *
 * The caller promises:
 * `params` is NULL or writable as a whole.
 */
void tzram_params_init(struct tzram_params *params);

/**
 * Makes a context; params NULL = every default. *out is NULL on failure.
 *
 * -EINVAL: out NULL, a bad params struct, page size, level, backend number or flag; -ENOENT: no algorithm or driver of
 * that name; -EOPNOTSUPP: this CPU or build lacks the driver or the backend; -ENOMEM.
 *
 * The caller promises:
 * `params` is NULL or a struct of the size that its first field says, with live pointers in it; `out` is NULL or
 * writable. A dictionary outlives the context.
 */
int tzram_ctx_create(const struct tzram_params *params, struct tzram_ctx **out);

/**
 * Ends a context. NULL is fine. Memory that tzram_ctx_init() was given stays the caller's.
 *
 * The caller promises:
 * `ctx` is NULL or came from tzram_ctx_create() or tzram_ctx_init() and is not used again.
 */
void tzram_ctx_destroy(struct tzram_ctx *ctx);

/**
 * Bytes that tzram_ctx_init() needs for these parameters, wherever the memory begins; 0 if they are bad.
 *
 * The caller promises:
 * As tzram_ctx_create().
 */
size_t tzram_ctx_size(const struct tzram_params *params);

/**
 * Makes a context in `size` bytes at `mem`, without malloc; `mem` needs no alignment. *out is NULL on failure.
 *
 * As tzram_ctx_create(), and -ENOSPC: size is less than tzram_ctx_size() says and the context does not fit.
 *
 * The caller promises:
 * As tzram_ctx_create(); `mem` is NULL or `size` writable bytes, used by nobody else until tzram_ctx_destroy().
 */
int tzram_ctx_init(void *mem, size_t size, const struct tzram_params *params, struct tzram_ctx **out);

/**
 * Writes the context's counters to *out, whose struct_size the caller has set. May be called while another thread
 * compresses: each counter is right, but they may be of slightly different moments.
 *
 * -EINVAL: a NULL pointer, or out->struct_size unknown.
 *
 * The caller promises:
 * `ctx` is NULL or live; `out` is NULL or a struct of the size that its first field says.
 */
int tzram_ctx_stats(const struct tzram_ctx *ctx, struct tzram_stats *out);

/**
 * Sets the context's counters to zero. NULL is ignored.
 *
 * The caller promises:
 * `ctx` is NULL or live, and no other thread uses it.
 */
void tzram_ctx_stats_reset(struct tzram_ctx *ctx);

/**
 * Makes a dictionary from `size` bytes at `buf`: one in Zstandard's format, or raw content. The buffer is copied.
 *
 * LZ4 uses the last 64 KiB of the buffer as history. *out is NULL on failure.
 * -EINVAL: a NULL pointer, size 0, or a damaged dictionary in Zstandard's format. -ENOMEM.
 *
 * The caller promises:
 * `buf` is NULL or points to `size` readable bytes; `out` is NULL or writable.
 */
int tzram_dict_create(const void *buf, size_t size, struct tzram_dict **out);

/**
 * Frees a dictionary, after every context that was made with it. NULL is fine.
 *
 * The caller promises:
 * `dict` is NULL or came from tzram_dict_create() and is not used again.
 */
void tzram_dict_destroy(struct tzram_dict *dict);

/**
 * The id that objects made with this dictionary carry: that of its header, or for raw content a hash of it; 0 for NULL.
 *
 * The caller promises:
 * `dict` is NULL or a live dictionary.
 */
uint32_t tzram_dict_id(const struct tzram_dict *dict);

/**
 * The version of the loaded library as major << 16 | minor << 8 | patch; TZRAM_VERSION_NUMBER is that of the header.
 */
uint32_t tzram_version_number(void);

/**
 * The version of the loaded library as text, "0.1.0". Never NULL; lives as long as the library.
 */
const char *tzram_version_string(void);

/**
 * A sentence for an error as returned (negative), for 0, and for any other number. Never NULL; lives as long as the
 * library.
 */
const char *tzram_strerror(int err);

/**
 * The best backend of this CPU, which TZRAM_BACKEND_AUTO stands for: AVX-512 > AVX2 > NEON > scalar, but AVX-512 only where
 * it does not slow the CPU down (it has VBMI2: Ice Lake, Zen 4 and later); never TZRAM_BACKEND_AUTO.
 */
int tzram_backend_detect(void);

/**
 * 1 if this CPU and this build have the backend, else 0. TZRAM_BACKEND_AUTO is none.
 */
int tzram_backend_supported(int backend);

/**
 * The name of a backend, "scalar", "neon", "avx2" or "avx512"; NULL if the number is none of them.
 */
const char *tzram_backend_name(int backend);

/**
 * Number of drivers that this build has and this CPU runs.
 */
size_t tzram_alg_count(void);

/**
 * Describes driver number `index` of tzram_alg_count() in *out, whose struct_size the caller has set.
 *
 * Drivers of one algorithm stand together, the highest priority first.
 * -EINVAL: index past the end, out NULL, or out->struct_size unknown.
 *
 * The caller promises:
 * `out` is NULL or points to a struct of the size that its first field says.
 */
int tzram_alg_get(size_t index, struct tzram_alg *out);

/**
 * 1 if an algorithm or driver of this name is available, else 0 (NULL too), as the kernel's crypto_has_comp().
 *
 * The caller promises:
 * `name` is NULL or points to a string that ends with a zero byte.
 */
int tzram_has_comp(const char *name);

/**
 * Compresses the page at `src` to an object at `dst`.
 *
 * *dlen is the capacity of dst on entry (one page is always enough) and the length of the object on success:
 * 1 <= *dlen <= page size. The object depends on the page and the context's parameters only. Never allocates.
 * -ENOSPC: the object does not fit; *dlen is 0 and nothing useful is in dst. -EINVAL: a NULL pointer, or src and dst
 * overlap; *dlen is 0.
 *
 * The caller promises:
 * `ctx` is NULL or live; `src` a page of readable bytes; `dst` *dlen writable bytes; `dlen` writable; each may be NULL.
 */
int tzram_compress_page(struct tzram_ctx *ctx, const uint8_t *src, uint8_t *dst, unsigned int *dlen);

/**
 * Restores the page of the object of `slen` bytes at `src` into `dst`, which is a page long.
 *
 * Any context of the same page size decodes any object, whoever made it. Never allocates. On failure dst holds
 * anything; nothing outside it was touched.
 * -EBADMSG: the object is damaged or not ours; -ESTALE: it needs another dictionary than the context has;
 * -EINVAL: a NULL pointer, or src and dst overlap.
 *
 * The caller promises:
 * `ctx` is NULL or live; `src` is `slen` readable bytes; `dst` a page of writable bytes; each may be NULL.
 */
int tzram_decompress_page(struct tzram_ctx *ctx, const uint8_t *src, unsigned int slen, uint8_t *dst);

/**
 * Describes the object of `slen` bytes at `src` in *out, whose struct_size the caller has set. The stream inside the
 * object is not decoded.
 *
 * -EBADMSG: it cannot be an object of this page size; -EINVAL: a NULL pointer, or out->struct_size unknown.
 *
 * The caller promises:
 * `ctx` is NULL or live; `src` is `slen` readable bytes or NULL; `out` is NULL or a struct of the size that its first
 * field says.
 */
int tzram_page_info(const struct tzram_ctx *ctx, const uint8_t *src, unsigned int slen, struct tzram_page_info *out);

/**
 * Writes every default to *params, struct_size and those of the page included. NULL is ignored.
 *
 * The caller promises:
 * `params` is NULL or writable as a whole.
 */
void tzram_queue_params_init(struct tzram_queue_params *params);

/**
 * Makes a queue and starts its threads; params NULL = every default. *out is NULL on failure, and nothing is left running.
 *
 * -EINVAL: out NULL, a bad params struct, an unknown engine, too large a depth or number of threads, or what
 * tzram_ctx_create() refuses in params->page; -ENOENT and -EOPNOTSUPP as there; -ENODEV: TZRAM_ENGINE_CUDA without a usable device,
 * driver, or build; -EOPNOTSUPP: TZRAM_ENGINE_CUDA with parameters that a device cannot do; -EAGAIN: no more threads;
 * -ENOMEM. A queue is of no use in a forked child, which has none of its threads: the child must not even destroy it.
 *
 * The caller promises:
 * `params` is NULL or a struct of the size that its first field says, with live pointers in it; `out` is NULL or
 * writable. A dictionary outlives the queue.
 */
int tzram_queue_create(const struct tzram_queue_params *params,
                       struct tzram_queue **out);

/**
 * Gives up to `n` requests to the queue, the first ones, as many as there is room for; returns how many it took, 0 if n is 0.
 *
 * A request, its buffers and nothing else belong to the queue until the request was reaped (or the queue is destroyed): the
 * caller leaves them alone. The array may be used again at once. Requests finish in any order; each has its own status. What
 * is wrong with a request (a NULL pointer, an unknown op, overlapping buffers) is in its status, too.
 *
 * -EAGAIN: the queue is full, as many as its depth are submitted and not reaped; -EINVAL: a NULL pointer, also in reqs, and nothing
 * was taken; -ENOTRECOVERABLE: a defect was caught in one of its threads. Never waits.
 *
 * The caller promises:
 * `q` is NULL or live; `reqs` has `n` entries, each NULL or a request whose buffers are as its fields say, in use nowhere else.
 */
int tzram_queue_submit(struct tzram_queue *q,
                       struct tzram_req *const *reqs,
                       size_t n);

/**
 * Writes up to `max` finished requests to done, which are the caller's again; returns how many. Waits until so many have finished,
 * or all that were submitted have, or timeout_ms is over (0: does not wait; negative: for ever), and then takes what there is.
 * So max says how many are worth waking up for; 1 is right where latency counts.
 *
 * -EAGAIN: nothing finished in time, or timeout_ms is negative and nothing is submitted; -EINVAL: a NULL pointer, max 0;
 * -ENOTRECOVERABLE: a defect was caught in one of the threads, and all that was submitted has been reaped.
 *
 * The caller promises:
 * `q` is NULL or live; `done` is NULL or has `max` entries.
 */
int tzram_queue_reap(struct tzram_queue *q,
                     struct tzram_req **done,
                     size_t max,
                     int timeout_ms);

/**
 * Returns what the queue works with now: TZRAM_ENGINE_CPU or TZRAM_ENGINE_CUDA; -EINVAL: q is NULL. A queue whose device has
 * failed says TZRAM_ENGINE_CPU, and the CPU has done what the device had not.
 *
 * The caller promises:
 * `q` is NULL or live.
 */
int tzram_queue_engine(const struct tzram_queue *q);

/**
 * Returns a file descriptor that is readable while finished requests wait to be reaped, for poll() and its like; it is the
 * queue's: not to be read, written, or closed. It is made by the first call; without one, nothing is spent on it.
 *
 * -EINVAL: q is NULL; -EAGAIN: no more file descriptors; -ENOMEM.
 *
 * The caller promises:
 * `q` is NULL or live.
 */
int tzram_queue_fd(const struct tzram_queue *q);

/**
 * Writes the counters of all threads together to *out, whose struct_size the caller has set. May be called at any time: each
 * counter is right, but they may be of slightly different moments.
 *
 * -EINVAL: a NULL pointer, or out->struct_size unknown.
 *
 * The caller promises:
 * `q` is NULL or live; `out` is NULL or a struct of the size that its first field says.
 */
int tzram_queue_stats(const struct tzram_queue *q, struct tzram_stats *out);

/**
 * Waits until everything that was submitted has finished, ends the threads, and frees the queue. Requests that were not reaped are
 * the caller's again, each with its status. NULL is fine.
 *
 * The caller promises:
 * `q` is NULL or came from tzram_queue_create() and is not used again; nobody is in a call on it.
 */
void tzram_queue_destroy(struct tzram_queue *q);

/**
 * The table of an algorithm or driver in the shape of the kernel's struct zcomp_ops; NULL if the name is unknown or not
 * available here. The table lives as long as the library.
 *
 * "lz4" and "zstd" write bare standard streams, as the kernel's own backends; "adaptive" and "tzp" write page objects of
 * 4096 bytes a page. The order of calls is the kernel's: setup_params, then per stream create_ctx, any number of compress and
 * decompress (one thread at a time), destroy_ctx; at last release_params.
 *
 * The caller promises:
 * `name` is NULL or a C string.
 */
const struct tzram_zcomp_ops *tzram_zcomp_ops_get(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TZRAM_H */

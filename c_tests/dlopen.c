/*
 * The shared library loaded and unloaded in a loop: every function is found by name, and nothing is left behind. Not
 * linked with the library. Usage: dlopen [libtzram.so.0] SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "check.h"

#include <dlfcn.h>

static const char *const functions[] = {
    "tzram_version_number",    "tzram_version_string",  "tzram_strerror",        "tzram_backend_detect",
    "tzram_backend_supported", "tzram_backend_name",    "tzram_alg_count",       "tzram_alg_get",
    "tzram_has_comp",          "tzram_params_init",     "tzram_ctx_create",      "tzram_ctx_destroy",
    "tzram_ctx_size",          "tzram_ctx_init",        "tzram_compress_page",   "tzram_decompress_page",
    "tzram_page_info",         "tzram_ctx_stats",       "tzram_ctx_stats_reset", "tzram_comp_alloc",
    "tzram_comp_free",         "tzram_comp_compress",   "tzram_comp_decompress", "tzram_comp_bound",
    "tzram_zcomp_ops_get",     "tzram_dict_create",     "tzram_dict_destroy",    "tzram_dict_id",
    "tzram_compress_pages",    "tzram_decompress_pages"};

/* A function by name. C has no cast from dlsym's result to a function; POSIX promises that the bytes are the same. */
static void *find(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol;
}

static long resident_kib(void) {
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "VmRSS:", 6)) kib = atol(line + 6);
    }
    fclose(f);
    return kib;
}

/* Mappings of this process, and how many of them are the library's. */
static long mappings(long *of_library) {
    char line[4096];
    long n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    *of_library = 0;
    if (!f) return -1;
    while (fgets(line, sizeof line, f)) {
        n++;
        if (strstr(line, "libtzram")) ++*of_library;
    }
    fclose(f);
    return n;
}

/* Load, work, unload. */
static int once(const char *path) {
    int (*create)(const struct tzram_params *, struct tzram_ctx **);
    int (*compress)(struct tzram_ctx *, const uint8_t *, uint8_t *, unsigned int *);
    int (*decompress)(struct tzram_ctx *, const uint8_t *, unsigned int, uint8_t *);
    void (*destroy)(struct tzram_ctx *);
    static uint8_t page[4096], object[4096], back[4096];
    struct tzram_ctx *ctx = NULL;
    unsigned int n = 4096;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(library != NULL, "dlopen(%s): %s", path, dlerror())) return 0;
    int ok = find(library, "tzram_ctx_create", &create) && find(library, "tzram_compress_page", &compress) &&
             find(library, "tzram_decompress_page", &decompress) && find(library, "tzram_ctx_destroy", &destroy);
    if (ok) {
        generate_page(page, rnd());
        ok = create(NULL, &ctx) == 0 && compress(ctx, page, object, &n) == 0 && decompress(ctx, object, n, back) == 0 &&
             !memcmp(back, page, 4096);
        if (ctx) destroy(ctx);
        /* Failures are part of life too. */
        ok &= create(NULL, NULL) == -EINVAL;
    }
    ok &= dlclose(library) == 0;
    return CHECK(ok, "a page through a loaded library");
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "libtzram.so.0";
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(library != NULL, "dlopen(%s): %s", path, dlerror())) return summary();
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        CHECK(dlsym(library, functions[i]) != NULL, "%s is exported", functions[i]);
    dlclose(library);

    enum { WARM = 50, LOOPS = 500, ALLOWED_KIB = 256 };
    long of_library, of_library_after;
    for (int i = 0; i < WARM; i++)
        if (!once(path)) return summary();
    long rss = resident_kib(), maps = mappings(&of_library);
    for (int i = 0; i < LOOPS; i++)
        if (!once(path)) return summary();
    long rss_after = resident_kib(), maps_after = mappings(&of_library_after);
    CHECK(rss > 0 && rss_after - rss <= ALLOWED_KIB, "resident memory grew from %ld KiB to %ld in %d loads", rss,
          rss_after, LOOPS);
    CHECK(maps > 0 && maps_after <= maps, "mappings grew from %ld to %ld", maps, maps_after);
    CHECK(of_library_after == 0, "%ld mappings of the library stay after dlclose", of_library_after);
    return summary();
}

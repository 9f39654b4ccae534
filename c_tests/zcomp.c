/*
 * The table of functions in the shape of the kernel's struct zcomp_ops, used as drivers/block/zram does: parameters set
 * up once, a context per CPU, pages in, streams out into a buffer of two pages. Usage: zcomp [FILE.pages...]
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "check.h"

enum { PAGE = 4096 };

static struct page_set pages;
static struct arena source, target, restored;

/* The page through one stream and back through another. Returns the stream's length, or 0. */
static size_t page_there_and_back(const struct tzram_zcomp_ops *ops, struct tzram_zcomp_params *params,
                                  struct tzram_zcomp_ctx *writer, struct tzram_zcomp_ctx *reader, const uint8_t *page) {
    uint8_t *src = at_end(source, PAGE), *dst = at_end(target, 2 * PAGE), *to = at_end(restored, PAGE);
    memcpy(src, page, PAGE);
    struct tzram_zcomp_req in = {src, PAGE, dst, 2 * PAGE};
    int rc = ops->compress(params, writer, &in);
    if (!CHECK(rc == 0 && in.dst_len > 0 && in.dst_len <= 2 * PAGE, "%s compress: %d, length %zu", ops->name, rc,
               in.dst_len))
        return 0;
    uint8_t *stream = at_end(target, in.dst_len);
    memmove(stream, dst, in.dst_len);
    memset(to, 0xA5, PAGE);
    struct tzram_zcomp_req out = {stream, in.dst_len, to, PAGE};
    rc = ops->decompress(params, reader, &out);
    CHECK(rc == 0 && !memcmp(to, page, PAGE), "%s decompress: %d", ops->name, rc);
    return in.dst_len;
}

static void backend(const char *name, int level, void *dict, size_t dict_size) {
    const struct tzram_zcomp_ops *ops = tzram_zcomp_ops_get(name);
    struct tzram_zcomp_params params;
    struct tzram_zcomp_ctx per_cpu[2];
    if (!CHECK(ops && ops->name && !strcmp(ops->name, name), "zcomp_ops_get(%s)", name)) return;
    if (!CHECK(ops->compress && ops->decompress && ops->create_ctx && ops->destroy_ctx && ops->setup_params &&
                   ops->release_params,
               "%s: all functions", name))
        return;
    CHECK(tzram_zcomp_ops_get(name) == ops, "%s: one table", name);
    memset(&params, 0, sizeof params);
    memset(per_cpu, 0, sizeof per_cpu);
    params.dict = dict;
    params.dict_sz = dict_size;
    params.level = level;
    int rc = ops->setup_params(&params);
    if (!CHECK(rc == 0, "%s: setup_params: %d", name, rc)) return;
    for (int i = 0; i < 2; i++) {
        rc = ops->create_ctx(&params, &per_cpu[i]);
        if (!CHECK(rc == 0 && per_cpu[i].context, "%s: create_ctx: %d", name, rc)) {
            ops->release_params(&params);
            return;
        }
    }
    size_t in = 0, out = 0;
    for (size_t at = 0; at + PAGE <= pages.bytes; at += PAGE) {
        out += page_there_and_back(ops, &params, &per_cpu[at / PAGE % 2], &per_cpu[at / PAGE % 3 % 2], pages.data + at);
        in += PAGE;
    }
    CHECK(out > 0 && out < in, "%s: memory compresses: %zu bytes to %zu", name, in, out);
    if (dict) {
        size_t n = page_there_and_back(ops, &params, &per_cpu[0], &per_cpu[1], (const uint8_t *)dict);
        CHECK(n > 0 && n < 300, "%s: a page that is in the dictionary takes %zu bytes", name, n);
    }
    /* Incompressible data needs more than a page in a standard stream: zram gives two, and stores the page itself when
     * it sees the length. */
    uint8_t noise[PAGE];
    for (size_t i = 0; i < PAGE; i++) noise[i] = (uint8_t)rnd();
    page_there_and_back(ops, &params, &per_cpu[0], &per_cpu[1], noise);
    struct tzram_zcomp_req small = {noise, PAGE, target.begin, 10};
    rc = ops->compress(&params, &per_cpu[0], &small);
    CHECK(rc == -ENOSPC, "%s: 10 bytes of room: %d", name, rc);
    page_there_and_back(ops, &params, &per_cpu[0], &per_cpu[1], pages.data);
    for (int i = 0; i < 2; i++) ops->destroy_ctx(&per_cpu[i]);
    ops->release_params(&params);
    ops->release_params(&params); /* zram resets a device more than once */
}

static void a_bad_level_is_refused_at_setup(const char *name) {
    const struct tzram_zcomp_ops *ops = tzram_zcomp_ops_get(name);
    struct tzram_zcomp_params params;
    if (!CHECK(ops != NULL, "%s", name)) return;
    memset(&params, 0, sizeof params);
    params.level = 1000000;
    CHECK(ops->setup_params(&params) == -EINVAL, "%s: level 1000000", name);
    ops->release_params(&params);
}

int main(int argc, char **argv) {
    static const char *const names[] = {"lz4", "zstd", "tzp"};
    static uint8_t dict[16384];
    pages = load_pages(argc, argv, 256);
    source = arena_make(PAGE);
    target = arena_make(2 * PAGE);
    restored = arena_make(PAGE);
    for (unsigned i = 0; i < sizeof dict / PAGE; i++) generate_page(dict + i * PAGE, i);
    for (size_t i = 0; i < PAGE; i++) dict[i] = (uint8_t)rnd(); /* nothing in it can be found without the dictionary */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!tzram_has_comp(names[i])) {
            skipped(names[i], "not in this build");
            continue;
        }
        backend(names[i], TZRAM_LEVEL_DEFAULT, NULL, 0);
        if (strcmp(names[i], "tzp")) {
            backend(names[i], 1, NULL, 0);
            backend(names[i], TZRAM_LEVEL_DEFAULT, dict, sizeof dict);
        }
        a_bad_level_is_refused_at_setup(names[i]);
    }
    CHECK(tzram_zcomp_ops_get("lzw") == NULL && tzram_zcomp_ops_get("") == NULL && tzram_zcomp_ops_get(NULL) == NULL,
          "unknown names");
    return summary();
}

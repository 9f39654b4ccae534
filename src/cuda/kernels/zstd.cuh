// Zstandard frames without a magic number (RFC 8878), by a warp: one segment, one block.
//
//   match    the scan of lanes.cuh, a parse with the last two distances (zstd_parse.cuh)
//   gather   notes to literals and sequences, sequences to codes and extra bits; counts of both (zstd_codes.cuh)
//   tables   a tree for the literals (zstd_huff.cuh), tables for the codes and for the weights of the tree (zstd_fse.cuh)
//   chain    states: five lanes, three kinds of codes and the weights of even and of odd places side by side (zstd_fse.cuh)
//   write    both sections, whose lengths are known before (zstd_write.cuh): a page that may not get shorter is left as it is
//
// Source: the format, and our own encoder's (docs/ZSTD.md), at level 1.

#ifndef TZRAM_ZSTD_CUH
#define TZRAM_ZSTD_CUH

#include "zstd_codes.cuh"
#include "zstd_fse.cuh"
#include "zstd_huff.cuh"
#include "zstd_parse.cuh"
#include "zstd_scratch.cuh"
#include "zstd_write.cuh"

namespace zstd {

// Tag, descriptor, size of the content; header of the block; both.
constexpr u32 BLOCK_AT = 4, BODY_AT = BLOCK_AT + 3;
// A single segment, and a size of two bytes, less 256.
constexpr u32 DESCRIPTOR = 0x60, CONTENT_SIZE = PAGE - 256;
constexpr u32 BLOCK_COMPRESSED = 2;

// Encodes the page in `scratch`, complete before the last barrier, as an object, and returns its length; PAGE if it might not
// be shorter than a page. The hash table is zero at first. The object is complete, with zeros behind it, after the next
// barrier. A page always gives the same bytes.
DEVICE u32 encode(Scratch &scratch) {
    u32 found[lanes::GROUPS] = {}, end;
    lanes::scan<LAST_START>(scratch.page.words, scratch.table, scratch.distances, found);
    WARP_BARRIER();
    const u32 count = parse(scratch.page.words, scratch.distances, scratch.notes, found, end);
    WARP_BARRIER();
    Block block = gather(scratch, count, end);
    WARP_BARRIER();
    clear(scratch);
    WARP_BARRIER();
    make_codes(scratch, block);
    WARP_BARRIER();
    Tree tree = {};
    const bool has_tree = uniform(block.literals >= CODED) && make_tree(scratch, block.literals, tree);
    WARP_BARRIER();
    Table mine = {};
#pragma unroll 1
    for (u32 kind = block.sequences != 0 ? LL : WEIGHTS; uniform(kind < (has_tree ? KINDS : WEIGHTS)); kind++)
        make_table(scratch, kind, kind == WEIGHTS ? tree.weights : block.sequences, mine);
    const u32 described = __shfl_sync(ALL, mine.described, WEIGHTS);
    WARP_BARRIER();
    chain(scratch, block.sequences, described != 0 ? tree.weights : 0, mine);
    WARP_BARRIER();

    const Literals literals = choose(block.literals, has_tree, tree, mine);
    const u32 length = sequences_length(block, mine);
    if (uniform(BODY_AT + literals.length + length >= PAGE)) return PAGE;
    const u32 at = put_literals(scratch, BODY_AT, block.literals, literals, tree, mine);
    put_sequences(scratch, at, block.sequences, mine);
    if (lane_id() == 0) {
        const u64 header = 1 | BLOCK_COMPRESSED << 1 | (at + length - BODY_AT) << 3;
        put_bits(scratch.object, 0, ZSTD | DESCRIPTOR << 8 | CONTENT_SIZE << 16 | header << 8 * BLOCK_AT);
    }
    return at + length;
}

} // namespace zstd

// Level 1, whatever is asked for.
extern "C" __global__ void __launch_bounds__(LANES *WARPS)
    tzram_compress_zstd(const u8 *__restrict__ pages, u32 count, u32, u8 *__restrict__ objects, u32 *__restrict__ table,
                        u32 *__restrict__ cursor) {
    static_assert(WARPS * sizeof(zstd::Scratch) <= 48 * 1024, "static shared memory of a block");
    __shared__ zstd::Scratch warps[WARPS];
    if (page_id() >= count) return;
    zstd::Scratch &scratch = warps[warp_id()];
    u64 word;
    if (lanes::load(reinterpret_cast<const uint4 *>(pages) + STEPS * page_id(), scratch.page, scratch.table_steps, word)) {
        store_fill(word, objects, table, cursor);
        return;
    }
    const u32 length = zstd::encode(scratch);
    if (uniform(length == PAGE)) {
        store_raw(table);
        return;
    }
    WARP_BARRIER();
    store_object(scratch.object_steps, length, objects, table, cursor);
}

#endif

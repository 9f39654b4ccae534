// The kernels: pages to page objects (docs/FORMAT.md) and back, a warp for each.
//
// pages      `count` pages, one behind the other, aligned to 16 bytes; fewer than 2^20, for offsets are 32 bits
// objects    aligned to 16 bytes. Compressing: room for `count` pages; an object goes to a multiple of 16, in any order
//            Decompressing: `bytes` bytes, and what is missing to a multiple of 16 may be read as well.
// table      for each page the offset of its object, a multiple of 16, and its length. Length 4096: the page itself,
//            which compression does not store
// cursor     bytes of `objects` in use; zero at the start
// status     0, or -EBADMSG, and then the page holds nothing of use
//
// Blocks have 32 * WARPS threads; the grid covers `count` pages.

#include "common.cuh"
#include "lz4.cuh"
#include "tzp.cuh"
#include "zstd.cuh"

// Levels 1 to 4; the objects are those of the CPU.
extern "C" __global__ void __launch_bounds__(LANES *WARPS, BLOCKS)
    tzram_compress_tzp(const u8 *__restrict__ pages, u32 count, u32 level, u8 *__restrict__ objects,
                       u32 *__restrict__ table, u32 *__restrict__ cursor) {
    __shared__ tzp::Encoder encoders[WARPS];
    if (page_id() >= count) return;
    tzp::Encoder &encoder = encoders[warp_id()];
    u64 word;
    if (load_page(reinterpret_cast<const uint4 *>(pages) + STEPS * page_id(), encoder.page, word)) {
        store_fill(word, objects, table, cursor);
        return;
    }
    const u32 length = tzp::compress(encoder, level);
    if (length == PAGE) {
        store_raw(table);
        return;
    }
    WARP_BARRIER();
    store_object(encoder.page, length, objects, table, cursor);
}

// An object is loaded as a whole, then decoded to shared memory. Zstandard and dictionaries are for the CPU, here they
// are damage.
extern "C" __global__ void __launch_bounds__(LANES *WARPS, BLOCKS)
    tzram_decompress(const u8 *__restrict__ objects, u32 bytes, const u32 *__restrict__ table, u32 count,
                     u8 *__restrict__ pages, int *__restrict__ status) {
    __shared__ uint4 staged[WARPS][STEPS];
    __shared__ uint4 restored[WARPS][STEPS];
    __shared__ tzp::Decoder decoders[WARPS];
    if (page_id() >= count) return;
    const u32 offset = table[2 * page_id()], length = table[2 * page_id() + 1];
    uint4 *page = reinterpret_cast<uint4 *>(pages) + STEPS * page_id();
    bool valid = uniform(offset % 16 == 0 && offset <= bytes && length - 1 < PAGE && length <= bytes - offset);
    if (valid) {
        const uint4 *from = reinterpret_cast<const uint4 *>(objects + offset);
        const uint4 head = from[0];
        const u32 tag = head.x & 0xFF;
        if (uniform(length == PAGE)) {
            store_page(from, page);
        } else if (uniform(tag == SAME_BYTE && length == SAME_BYTE_LEN)) {
            fill_page((head.x >> 8 & 0xFF) * 0x0101010101010101ull, page);
        } else if (uniform(tag == SAME_WORD && length == SAME_WORD_LEN)) {
            const u32 low = __funnelshift_r(head.x, head.y, 8), high = __funnelshift_r(head.y, head.z, 8);
            fill_page(static_cast<u64>(high) << 32 | low, page);
        } else if (uniform(tag == TZP || tag == LZ4)) {
            uint4 *object = staged[warp_id()], *to = restored[warp_id()];
            for (u32 step = lane_id(); step < (length + 15) / 16; step += LANES) object[step] = from[step];
            WARP_BARRIER();
            if (uniform(tag == TZP))
                valid = tzp::decompress(decoders[warp_id()], object, length, to);
            else
                valid = lz4::decode(reinterpret_cast<const u8 *>(object), 1, length, reinterpret_cast<u8 *>(to));
            WARP_BARRIER();
            if (valid) store_page(to, page);
        } else {
            valid = false;
        }
    }
    if (lane_id() == 0) status[page_id()] = valid ? 0 : -EBADMSG;
}

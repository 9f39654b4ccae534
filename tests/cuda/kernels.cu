// The library's kernels, made known to simt_launch.
#include "../../src/cuda/kernels/tzram.cu"

// Threads of a block, and pages that it does.
extern "C" const unsigned tzram_block_threads = LANES * WARPS;
extern "C" const unsigned tzram_block_pages = WARPS;

SIMT_KERNEL(tzram_compress_tzp);
SIMT_KERNEL(tzram_compress_lz4);
SIMT_KERNEL(tzram_compress_zstd);
SIMT_KERNEL(tzram_decompress);

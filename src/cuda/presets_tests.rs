//! The kernels' copy of [`crate::base::format::zstd_presets`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::base::format::zstd_presets::{COUNT, HEADER_MAX, LL, LOG, ML, OF, WEIGHTS, description};

/// Presets that a row of the kernels' table has room for.
const ROW: usize = 16;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/kernels/zstd_presets.cuh")
}

/// What the file has to be: for each code of each kind its cells in each preset, and the lengths of the descriptions.
fn text() -> String {
    let mut out = String::from(
        "// Ready-made distributions of 64 cells, which readers know by their descriptions. Written by `write_presets` in\n\
         // src/cuda/presets_tests.rs out of src/base/format/zstd_presets.rs.\n\n\
         #ifndef TZRAM_ZSTD_PRESETS_CUH\n#define TZRAM_ZSTD_PRESETS_CUH\n\n#include \"zstd_scratch.cuh\"\n\n\
         namespace zstd {\n\nconstexpr u32 PRESETS = 16;\n\n\
         // By code, those of all kinds one behind the other: its cells in each preset. The last four presets are none.\n\
         static __device__ const u8 PRESET_CELLS[ALL_CODES][PRESETS] = {\n",
    );
    let mut bytes = [[255; ROW]; 4];
    let mut kind = |number: usize, codes: usize, norms: [&[i16]; COUNT]| {
        for code in 0..codes {
            let row: [i16; ROW] = core::array::from_fn(|i| norms.get(i).map_or(0, |norm| norm[code]));
            let _ = writeln!(out, "    {{{}}},", row.map(|cells| cells.to_string()).join(", "));
        }
        for (bytes, norm) in bytes[number].iter_mut().zip(norms) {
            assert!(norm[codes..].iter().all(|&cells| cells == 0), "no code that the kernels lack");
            *bytes = description::<HEADER_MAX>(norm, LOG).1;
        }
    };
    kind(0, 36, LL.each_ref().map(|norm| &norm[..]));
    kind(1, 12, OF.each_ref().map(|norm| &norm[..]));
    kind(2, 53, ML.each_ref().map(|norm| &norm[..]));
    kind(3, 12, WEIGHTS.each_ref().map(|norm| &norm[..]));
    out +=
        "};\n\n// Bytes of the descriptions, by kind.\nstatic __device__ const u8 PRESET_BYTES[KINDS][PRESETS] = {\n";
    for row in bytes {
        let _ = writeln!(out, "    {{{}}},", row.map(|bytes| bytes.to_string()).join(", "));
    }
    out + "};\n\n} // namespace zstd\n\n#endif\n"
}

#[test]
fn the_kernels_have_the_presets_of_the_encoder() {
    let got = std::fs::read_to_string(file()).expect("a file of the kernels");
    assert!(got == text(), "run `cargo test --features cuda --lib write_presets -- --ignored`");
}

#[test]
#[ignore = "writes a file of the sources, tests nothing"]
fn write_presets() {
    std::fs::write(file(), text()).expect("the sources can be written");
}

//! The tables of Zstandard: every level and instruction set beside libzstd, decoders on frames of several makers, sizes by program.

use tzram::Backend;

use crate::codecs::{Codec, backends, libzstd, page, stream, stream_on};
use crate::common::{corpus, levels_of};
use crate::crossed::{self, Maker};
use crate::measure::{Row, Workload, chosen, row};

/// Peers that [`rows`] starts with.
pub const PEERS: usize = 1;

/// Our levels: those of the driver without vectors, which every driver has.
fn levels() -> Vec<i32> {
    levels_of(c"zstd").filter(|&level| level != 0).collect()
}

/// The levels that stand for the others where every level is too much.
fn some_levels() -> Vec<i32> {
    levels().into_iter().filter(|level| [-5, -1, 1, 3, 9].contains(level)).collect()
}

fn ours(level: i32, backend: Backend) -> Box<dyn Codec> {
    stream_on("zstd", level, backend)
}

/// Pages of 4096 bytes: libzstd, then ours. `hot` leaves out slow encoders and most levels.
pub fn rows(hot: bool) -> Vec<Row> {
    let mut rows = vec![row("libzstd 1", 0, libzstd(1))];
    let theirs: &[i32] = if hot { &[-5, -1, 3] } else { &[-5, -1, 2, 3, 6, 9, 19] };
    rows.extend(theirs.iter().map(|&level| row(&format!("libzstd {level}"), 0, libzstd(level))));
    let levels = if hot { some_levels() } else { levels() };
    rows.extend(levels.iter().map(|&level| row(&format!("zstd {level}"), 0, stream("zstd", level))));
    for backend in backends() {
        for level in some_levels() {
            rows.push(row(&format!("zstd {level} {}", backend.name()), 0, ours(level, backend)));
        }
    }
    rows.push(row("page zstd 1", 0, page("zstd", Some(1), 4096)));
    chosen(rows, PEERS)
}

/// Units of 64 KiB.
pub fn rows_64k() -> Vec<Row> {
    let mut rows = vec![row("libzstd 1", 0, libzstd(1))];
    rows.extend([-1, 3, 9].map(|level| row(&format!("libzstd {level}"), 0, libzstd(level))));
    rows.extend(some_levels().iter().map(|&level| row(&format!("zstd {level}"), 0, stream("zstd", level))));
    rows.extend(backends().into_iter().map(|backend| row(&format!("zstd 1 {}", backend.name()), 0, ours(1, backend))));
    chosen(rows, PEERS)
}

/// Who decodes whose frames, how fast.
pub fn decompression(work: &mut Workload) {
    let mut makers: Vec<Maker> = [1, -1, 3, 9].map(|level| (format!("libzstd {level}"), libzstd(level))).into();
    makers.extend(some_levels().into_iter().map(|level| (format!("zstd {level}"), stream("zstd", level))));
    let decoders = || {
        let mut decoders: Vec<Maker> = vec![("libzstd".to_owned(), libzstd(1))];
        decoders.extend(backends().into_iter().map(|backend| (format!("zstd {}", backend.name()), ours(1, backend))));
        decoders
    };
    crossed::decompression("Zstandard", "libzstd on frames of libzstd 1", work, makers, decoders);
}

/// For every program: bytes of our levels against those of libzstd 1.
pub fn programs(sets: &[corpus::Set]) {
    let levels = some_levels().into_iter().map(|level| (format!("zstd {level}"), stream("zstd", level))).collect();
    crossed::programs("Zstandard", ("libzstd 1", libzstd(1)), levels, sets);
}

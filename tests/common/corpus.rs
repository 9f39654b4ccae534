//! Real memory pages: `tests/corpus` of the repository, or the folder that `TZRAM_PAGES` names.

use std::path::{Path, PathBuf};

pub const PAGE: usize = 4096;

/// The pages of one program.
pub struct Set {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Set {
    pub fn pages(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(PAGE)
    }
}

/// Returns every set, sorted by name.
///
/// # Panics
/// If there is none: a test without pages tests nothing.
pub fn load() -> Vec<Set> {
    let folder = std::env::var_os("TZRAM_PAGES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus"), PathBuf::from);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".pages") || path.to_string_lossy().ends_with(".pages.zst"))
        .collect();
    files.sort();
    let sets: Vec<Set> = files.iter().map(|file| read(file)).collect();
    assert!(!sets.is_empty(), "no *.pages or *.pages.zst in {}", folder.display());
    sets
}

/// Returns every `step`-th page of every set.
pub fn sample(step: usize) -> Vec<Vec<u8>> {
    load().iter().flat_map(|set| set.pages().step_by(step).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

fn read(file: &Path) -> Set {
    let mut bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if file.extension().is_some_and(|e| e == "zst") {
        bytes = super::reference::zstd_decompress_stream(&bytes);
    }
    let name = file.file_name().expect("a file name").to_string_lossy();
    Set { name: name.split('.').next().unwrap_or_default().to_owned(), bytes }
}

/// Returns whether the page repeats one 8-byte word.
pub fn same_filled(page: &[u8]) -> bool {
    page.chunks_exact(8).all(|word| word == &page[..8])
}

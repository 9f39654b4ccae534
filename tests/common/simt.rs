//! The CUDA kernels as programs of the CPU (tests/cuda): built with the system's C++ compiler, spoken to through pipes.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use super::corpus::PAGE;

/// How the kernels are compiled, see tests/cuda/build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    Fast,
    /// Every access to memory is looked up.
    Checked,
    /// AddressSanitizer and UBSan.
    Asan,
}

impl Build {
    fn mode(self) -> &'static str {
        match self {
            Build::Fast => "fast",
            Build::Checked => "check",
            Build::Asan => "asan",
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda")
}

/// Builds a program of files in tests/cuda, or says why not: there is no compiler, or it has no sanitizers.
///
/// # Panics
/// If there is one and it refuses the sources.
pub fn build(how: Build, name: &str, files: &[&str]) -> Option<PathBuf> {
    let script = folder().join("build");
    let can =
        |how: Build| Command::new(&script).args(["--can", how.mode()]).status().is_ok_and(|status| status.success());
    if !can(Build::Fast) {
        println!("SKIPPED cuda-simt: no C++20 compiler");
        return None;
    }
    if !can(how) {
        println!("SKIPPED cuda-simt-{}: the C++ compiler has no sanitizers", how.mode());
        return None;
    }
    // Another run of the tests may use the program of the last name.
    let last = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", how.mode()));
    let program = last.with_extension(std::process::id().to_string());
    let mut command = Command::new(&script);
    command.arg(how.mode()).arg(&program).args(files.iter().map(|file| folder().join(file)));
    let output = command.output().expect("tests/cuda/build");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(program, &last).expect("the same folder");
    Some(last)
}

/// Which kernel compresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kernel {
    Tzp = 0,
    Lz4 = 1,
    Zstd = 5,
}

/// The page of an object, or its status.
pub type Restored = Result<Vec<u8>, i32>;

/// A running program with the kernels.
pub struct Shim {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    pub seed: u32,
}

impl Shim {
    /// Starts one, where there is a compiler for it.
    pub fn start(how: Build) -> Option<Self> {
        static PROGRAMS: [OnceLock<Option<PathBuf>>; 3] = [const { OnceLock::new() }; 3];
        let program = PROGRAMS[how as usize].get_or_init(|| build(how, "kernels", &["kernels.cu", "run.cpp"]));
        let mut child = Command::new(program.as_ref()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program just built");
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("a pipe")));
        Some(Shim { child, to, from, seed: 1 })
    }

    /// Returns the objects of whole pages, or the fault that the shim found.
    pub fn compress(&mut self, kernel: Kernel, level: u32, pages: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        self.put(&[kernel as u32, self.seed, level, pages.len() as u32], &pages.concat());
        self.fault()?;
        let used = self.number() as usize;
        let table: Vec<u32> = (0..2 * pages.len()).map(|_| self.number()).collect();
        let bytes = self.bytes(used);
        let mut stored = 0;
        let mut ranges = Vec::new();
        let objects = table.chunks(2).zip(pages).map(|(entry, page)| {
            let (offset, len) = (entry[0] as usize, entry[1] as usize);
            if len == PAGE {
                assert_eq!(offset, 0, "of a raw page");
                return page.to_vec();
            }
            assert!((2..PAGE).contains(&len) && offset % 16 == 0, "{offset}, {len}");
            stored += len.next_multiple_of(16);
            ranges.push(offset..offset + len);
            bytes[offset..][..len].to_vec()
        });
        let objects = objects.collect();
        assert_eq!(stored, used, "the cursor is the sum of what is stored");
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|two| two[0].end <= two[1].start), "objects overlap");
        Ok(objects)
    }

    /// Returns the pages of objects.
    pub fn decompress(&mut self, objects: &[&[u8]]) -> Result<Vec<Restored>, String> {
        let (mut bytes, mut table) = (Vec::new(), Vec::new());
        for object in objects {
            bytes.resize(bytes.len().next_multiple_of(16), 0xA5);
            table.extend([bytes.len() as u32, object.len() as u32]);
            bytes.extend(*object);
        }
        self.decompress_from(&bytes, &table)
    }

    /// Returns what the kernel makes of a table of offsets and lengths in `bytes`.
    pub fn decompress_from(&mut self, bytes: &[u8], table: &[u32]) -> Result<Vec<Restored>, String> {
        let count = table.len() / 2;
        let mut numbers = vec![2, self.seed, bytes.len() as u32, count as u32];
        numbers.extend(table);
        self.put(&numbers, bytes);
        self.fault()?;
        let status: Vec<i32> = (0..count).map(|_| self.number() as i32).collect();
        let restored = status.into_iter().map(|status| {
            let page = self.bytes(PAGE);
            if status == 0 { Ok(page) } else { Err(status) }
        });
        Ok(restored.collect())
    }

    /// Leaves out the barriers on a line, or none.
    pub fn leave_out(&mut self, barrier: Option<&(String, u32)>) {
        let (file, line) = barrier.map_or(("", 0), |(file, line)| (file.as_str(), *line));
        self.put(&[3, file.len() as u32], file.as_bytes());
        self.put(&[line], &[]);
        assert_eq!(self.number(), 0);
    }

    /// Files and lines of the barriers executed since the last `leave_out`.
    pub fn barriers(&mut self) -> Vec<(String, u32)> {
        self.put(&[4], &[]);
        let count = self.number();
        (0..count).map(|_| (self.text(), self.number())).collect()
    }

    fn put(&mut self, numbers: &[u32], bytes: &[u8]) {
        let to = self.to.as_mut().expect("open until dropped");
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let sent = to.write_all(&numbers).and_then(|()| to.write_all(bytes)).and_then(|()| to.flush());
        sent.expect("the kernels' program reads its requests");
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        if self.from.read_exact(&mut bytes).is_err() {
            panic!("the kernels' program ended: {:?}", self.child.wait());
        }
        bytes
    }

    fn number(&mut self) -> u32 {
        u32::from_ne_bytes(self.bytes(4).try_into().expect("4 bytes"))
    }

    fn text(&mut self) -> String {
        let len = self.number() as usize;
        String::from_utf8_lossy(&self.bytes(len)).into_owned()
    }

    fn fault(&mut self) -> Result<(), String> {
        let fault = self.text();
        if fault.is_empty() { Ok(()) } else { Err(fault) }
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

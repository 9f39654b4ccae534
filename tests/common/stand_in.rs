//! The stand-in for the CUDA driver: `tests/cuda/libcuda.cpp`, compiled when a test first asks for it.
//!
//! Its soname is the first that cudarc looks for, so it is what cudarc finds once it is loaded, whether or not the machine has a
//! driver. One test of a process has it at a time.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

pub struct StandIn {
    pub file: PathBuf,
    reset: extern "C" fn(),
    clear: extern "C" fn(),
    set: extern "C" fn(*const c_char, c_long),
    get: extern "C" fn(*const c_char) -> c_long,
    fail: extern "C" fn(*const c_char, c_long, c_int, c_int),
    nonsense: extern "C" fn(c_long, c_long, c_long),
}

impl StandIn {
    /// Returns the stand-in, as new: with plain kernels, or the file that `TZRAM_TEST_DRIVER` names. Where there is no C++20 compiler, says that the test is skipped.
    pub fn take() -> Option<MutexGuard<'static, StandIn>> {
        static STAND_IN: OnceLock<Option<Mutex<StandIn>>> = OnceLock::new();
        let Some(stand_in) = STAND_IN.get_or_init(|| {
            let file = match std::env::var_os("TZRAM_TEST_DRIVER") {
                Some(file) => Some(PathBuf::from(file)),
                None => compile(Kernels::Plain),
            };
            file.map(|file| Mutex::new(StandIn::load(&file)))
        }) else {
            println!("SKIPPED cuda-stand-in: no C++20 compiler");
            return None;
        };
        let stand_in = stand_in.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (stand_in.clear)();
        (stand_in.reset)();
        Some(stand_in)
    }

    fn load(file: &Path) -> StandIn {
        let library = load_library(file);
        // SAFETY: the functions at the end of libcuda.cpp have the types of the fields that they go to.
        unsafe {
            StandIn {
                file: file.to_owned(),
                reset: function(library, "stand_in_reset"),
                clear: function(library, "stand_in_clear"),
                set: function(library, "stand_in_set"),
                get: function(library, "stand_in_get"),
                fail: function(library, "stand_in_fail"),
                nonsense: function(library, "stand_in_nonsense"),
            }
        }
    }

    /// Forgets faults, counts and settings.
    pub fn reset(&self) {
        (self.reset)();
    }

    /// Gives back what is left of an earlier run.
    pub fn clear(&self) {
        (self.clear)();
    }

    /// Sets one of what `stand_in_set` in libcuda.cpp lists.
    pub fn set(&self, name: &str, value: i64) {
        (self.set)(text(name).as_ptr(), value);
    }

    /// Returns one of what `stand_in_get` in libcuda.cpp lists.
    pub fn get(&self, name: &str) -> i64 {
        (self.get)(text(name).as_ptr())
    }

    /// Lets use number `nth` of a symbol fail, or of `kernel`; with `for_good`, every call after it as well.
    pub fn fail(&self, symbol: &str, nth: usize, code: i32, for_good: bool) {
        (self.fail)(text(symbol).as_ptr(), nth as c_long, code, c_int::from(for_good));
    }

    /// Lets the next kernel answer nonsense.
    pub fn nonsense(&self, answer: Answer, index: usize, value: u32) {
        (self.nonsense)(answer as c_long, index as c_long, c_long::from(value));
    }
}

/// What of a kernel's answer is nonsense.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Cursor,
    Offset,
    Length,
    Status,
}

/// Loads a library for the rest of the process; what is loaded later by its soname is this one.
pub fn load_library(file: &Path) -> *mut c_void {
    let name = CString::new(file.as_os_str().as_encoded_bytes()).expect("a path");
    // SAFETY: a C string; the library is one of the tests' own.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!handle.is_null(), "dlopen {}", file.display());
    handle
}

/// Returns a function of a library.
///
/// # Safety
/// `F` is the type of a pointer to it.
unsafe fn function<F: Copy>(library: *mut c_void, name: &str) -> F {
    // SAFETY: an open library and a C string.
    let symbol = unsafe { libc::dlsym(library, text(name).as_ptr()) };
    assert!(!symbol.is_null() && size_of::<F>() == size_of::<*mut c_void>(), "{name}");
    // SAFETY: a pointer to a function, by the check and this function's contract.
    unsafe { core::mem::transmute_copy(&symbol) }
}

fn text(name: &str) -> CString {
    CString::new(name).expect("a name")
}

/// What runs when a kernel is launched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Plain loops that do the same.
    Plain,
    /// The kernels of the library, through the SIMT shim.
    Shim,
}

/// Compiles the stand-in and returns its file; `None` if there is no C++20 compiler.
pub fn compile(kernels: Kernels) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
    let mut can = Command::new(source.join("build"));
    can.args(["--can", "fast"]).status().ok().filter(|status| status.success())?;
    let (name, file, shim) = match kernels {
        Kernels::Plain => ("plain", "plain_kernels.cpp", "0"),
        Kernels::Shim => ("shim", "kernels.cu", "1"),
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stand-in").join(name);
    // Moved when it is whole, since another process may use the one there is.
    let (begun, whole) = (folder.join(std::process::id().to_string()), folder.join("libcuda.so"));
    std::fs::create_dir_all(&begun).expect("a folder for the stand-in");
    let output = Command::new(source.join("build"))
        .env("SIMT_SHIM", shim)
        .arg("fast")
        .arg(begun.join("libcuda.so"))
        .args([source.join("libcuda.cpp"), source.join(file)])
        .output()
        .expect("tests/cuda/build");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(begun.join("libcuda.so"), &whole).expect("the file just built");
    std::fs::remove_dir(&begun).expect("an empty folder");
    Some(whole)
}

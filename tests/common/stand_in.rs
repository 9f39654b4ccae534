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

    /// Writes a copy that lacks one function, and returns its file.
    pub fn without(&self, symbol: &str) -> PathBuf {
        let mut library = std::fs::read(&self.file).expect("the stand-in");
        let (name, mut found) = ([b"\0", symbol.as_bytes(), b"\0"].concat(), 0);
        // Every place that names the symbol names another one now.
        for at in 0..library.len() - name.len() {
            if library[at..].starts_with(&name) {
                library[at + 1] = b'x';
                found += 1;
            }
        }
        assert!(found > 0, "{symbol}");
        let file = self.file.with_file_name(format!("without-{symbol}-{}.so", std::process::id()));
        std::fs::write(&file, library).expect("a file");
        file
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

    /// Runs `body` with a fault at the first use of each of the symbols, and of `kernel`, at the second, and so on, until none fails any more: with the symbol, the
    /// code, what arms the fault, and words for all that. After each run all is given back, and nothing was done that a driver forbids.
    /// Returns the symbols of which a use failed.
    pub fn at_every_use(
        &self,
        symbols: &[&'static str],
        mut body: impl FnMut(&str, i32, &dyn Fn(), &str),
    ) -> Vec<&'static str> {
        // Numbers of errors: a known one, one that becomes another errno, one that no driver has yet; each once and for good.
        const FAULTS: [(i32, bool); 6] =
            [(719, false), (2, true), (9999, false), (719, true), (2, false), (9999, true)];
        let mut used = Vec::new();
        for &symbol in symbols.iter().chain(&["kernel"]) {
            for (code, for_good) in FAULTS {
                for nth in 1.. {
                    let what = format!("{symbol} {nth} {code} {}", if for_good { "for good" } else { "once" });
                    self.clear();
                    self.reset();
                    body(symbol, code, &|| self.fail(symbol, nth, code, for_good), &what);
                    let fired = self.get("fired") > 0;
                    assert_eq!(self.get("misuse"), 0, "{what}");
                    if !fired || self.gives_all_back(symbol, for_good) {
                        self.assert_clean(&what);
                    }
                    if !fired {
                        break;
                    }
                    used.push(symbol);
                }
            }
        }
        self.clear();
        used.dedup();
        used
    }

    /// Whether everything can be given back after such a fault: what a driver refuses stays, as does all on a device that is lost.
    pub fn gives_all_back(&self, symbol: &str, for_good: bool) -> bool {
        let gives_back = ["Free", "Destroy", "Unload", "Release", "cuCtx"];
        !for_good && symbol != "kernel" && !gives_back.iter().any(|part| symbol.contains(part))
    }

    /// There is nothing left to be given back, and nothing was done that a driver forbids.
    pub fn assert_clean(&self, what: &str) {
        assert_eq!((self.get("live"), self.get("misuse"), self.get("depth")), (0, 0, 0), "{what}");
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

/// Runs the test `name` of this program again, in a process that is to load `driver` (none if empty).
pub fn in_a_process_with(name: &str, driver: &str) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env("TZRAM_TEST_DRIVER", driver)
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{driver}: {text}{errors}");
    text.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| println!("{line}"));
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

/// Compiles the stand-in, once for this process, and returns its file; `None` if there is no C++20 compiler.
pub fn compile(kernels: Kernels) -> Option<PathBuf> {
    static FILES: [OnceLock<Option<PathBuf>>; 2] = [const { OnceLock::new() }; 2];
    FILES[usize::from(kernels == Kernels::Shim)].get_or_init(|| build(kernels)).clone()
}

fn build(kernels: Kernels) -> Option<PathBuf> {
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

/// Whether this machine has a driver of its own, which is said as what a test without one is skipped for.
pub fn has_driver() -> bool {
    // SAFETY: C strings.
    let found = [c"libcuda.so", c"libcuda.so.1"]
        .into_iter()
        .any(|name| !unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY) }.is_null());
    if found {
        println!("SKIPPED cuda-no-driver: this machine has a driver");
    }
    found
}

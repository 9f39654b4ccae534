//! Gives the cdylib that plain `cargo build` makes the soname of the library that `make` installs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libtzram.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    }
}

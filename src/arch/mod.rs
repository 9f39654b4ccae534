//! L2: one folder per instruction set: its register type and the shells that instantiate the kernels.

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
pub mod scalar;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

//! The kernels as the driver takes them: machine code for the devices known when they were compiled, and PTX, which the driver
//! translates, for every other. `tools/make-cubins` makes them from `kernels/tzram.cu`.

/// Warps of a block, each with a page of its own: the number of this name in `kernels/common.cuh`, which tests compare.
pub(super) const WARPS: usize = 2;

/// An image where the driver wants one: PTX it reads as text, an ELF file it may map.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

macro_rules! image {
    ($file:literal) => {{
        static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!("kernels/tzram.", $file)));
        &IMAGE.0
    }};
}

/// Returns the images that may run on a device of this compute capability, the better one first. A cubin runs on devices of its
/// own major number whose minor number is not lower (CUDA C++ Programming Guide, "Binary Compatibility").
pub(super) fn candidates(major: i32, minor: i32) -> impl Iterator<Item = &'static [u8]> {
    let cubins: [((i32, i32), &[u8]); 7] = [
        ((12, 0), image!("sm_120.cubin")),
        ((10, 0), image!("sm_100.cubin")),
        ((9, 0), image!("sm_90.cubin")),
        ((8, 9), image!("sm_89.cubin")),
        ((8, 6), image!("sm_86.cubin")),
        ((8, 0), image!("sm_80.cubin")),
        ((7, 5), image!("sm_75.cubin")),
    ];
    let cubin = cubins.into_iter().find(|((of, least), _)| *of == major && *least <= minor);
    let ptx = concat!(include_str!("kernels/tzram.ptx"), "\0").as_bytes();
    cubin.map(|(_, image)| image).into_iter().chain([ptx])
}

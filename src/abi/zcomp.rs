//! The engines in the shape of the kernel's `struct zcomp_ops` (Linux 6.12 and later).

use core::ffi::{CStr, c_char, c_int};
use core::ptr;

use super::ctx::{level_from, name_from};
use super::guard::{Poison, call, call_on, destination, silence, source, try_box, value};
use super::types::{tzram_zcomp_ctx, tzram_zcomp_ops, tzram_zcomp_params, tzram_zcomp_req};
use crate::alg::{Codec, DRIVERS};
use crate::base::Error;
use crate::engine::comp::Comp;
use crate::engine::dict::Dictionary;
use crate::engine::page::Context;
use crate::engine::params::{Choice, Params};
use crate::kernel::scratch::Scratch;

/// What `tzram_zcomp_ctx.context` points to.
struct Stream {
    engine: Engine,
    poison: Poison,
}

/// Algorithms without a standard stream write page objects; their unit is a page of 4096 bytes.
#[allow(clippy::large_enum_variant)] // it only ever lives in the box of its stream
enum Engine {
    Comp(Comp<'static>),
    Page(Context<'static>, Scratch),
}

impl Engine {
    fn new(name: &'static CStr, level: Option<i32>, dict: Option<&'static Dictionary>) -> Result<Self, Error> {
        let name = name.to_bytes();
        let codec = Choice::new(name, level, None)?.driver.codec;
        if !matches!(codec, Codec::Adaptive | Codec::Tzp) {
            return Comp::new(name, level, None, dict).map(Engine::Comp);
        }
        let params = Params { alg: Some(name), level, dict, ..Params::default() };
        let words = Context::scratch_words(&params)?;
        Ok(Engine::Page(Context::new(&params)?, Scratch::new(words)?))
    }

    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        match self {
            Engine::Comp(comp) => comp.compress(src, dst),
            Engine::Page(context, scratch) => context.compress(scratch, src, dst),
        }
    }

    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        match self {
            Engine::Comp(comp) => comp.decompress(src, dst),
            Engine::Page(context, scratch) => {
                let page = dst.get_mut(..context.page_size()).ok_or(Error::NoSpace)?;
                context.decompress(scratch, src, page).map(|()| context.page_size())
            }
        }
    }
}

/// The names that have a table; the functions of table `N` know their name by its place here.
const NAMES: [&CStr; 18] = [
    c"adaptive",
    c"adaptive-generic",
    c"lz4",
    c"lz4-generic",
    c"lz4-neon",
    c"lz4-avx2",
    c"lz4-avx512",
    c"zstd",
    c"zstd-generic",
    c"zstd-neon",
    c"zstd-avx2",
    c"zstd-avx512",
    c"zstd-libzstd",
    c"tzp",
    c"tzp-generic",
    c"tzp-neon",
    c"tzp-avx2",
    c"tzp-avx512",
];

static OPS: [tzram_zcomp_ops; NAMES.len()] = [
    table::<0>(),
    table::<1>(),
    table::<2>(),
    table::<3>(),
    table::<4>(),
    table::<5>(),
    table::<6>(),
    table::<7>(),
    table::<8>(),
    table::<9>(),
    table::<10>(),
    table::<11>(),
    table::<12>(),
    table::<13>(),
    table::<14>(),
    table::<15>(),
    table::<16>(),
    table::<17>(),
];

const fn table<const N: usize>() -> tzram_zcomp_ops {
    tzram_zcomp_ops {
        compress: Some(compress),
        decompress: Some(decompress),
        create_ctx: Some(create_ctx::<N>),
        destroy_ctx: Some(destroy_ctx),
        setup_params: Some(setup_params::<N>),
        release_params: Some(release_params),
        name: NAMES[N].as_ptr(),
    }
}

unsafe extern "C" fn setup_params<const N: usize>(params: *mut tzram_zcomp_params) -> c_int {
    silence();
    call(|| {
        // SAFETY: NULL or a live struct that nobody else uses, by the contract of zcomp_ops.
        let params = unsafe { params.as_mut() }.ok_or(Error::Invalid)?;
        params.drv_data = ptr::null_mut();
        let choice = Choice::new(NAMES[N].to_bytes(), level_from(params.level), None)?;
        if !params.dict.is_null() && params.dict_sz != 0 {
            // SAFETY: `dict_sz` readable bytes, by the contract of zcomp_ops.
            let content = unsafe { source(params.dict.cast(), params.dict_sz)? };
            params.drv_data = Box::into_raw(try_box(Dictionary::new(content)?)?).cast();
        }
        params.level = choice.level;
        Ok(())
    })
}

unsafe extern "C" fn release_params(params: *mut tzram_zcomp_params) {
    value((), || {
        // SAFETY: NULL or a live struct that nobody else uses, by the contract of zcomp_ops.
        let Some(params) = (unsafe { params.as_mut() }) else { return };
        if !params.drv_data.is_null() {
            // SAFETY: made by `Box::into_raw` in `setup_params`, and every stream that borrowed it is gone.
            drop(unsafe { Box::from_raw(params.drv_data.cast::<Dictionary>()) });
            params.drv_data = ptr::null_mut();
        }
    });
}

unsafe extern "C" fn create_ctx<const N: usize>(params: *mut tzram_zcomp_params, ctx: *mut tzram_zcomp_ctx) -> c_int {
    call(|| {
        // SAFETY: NULL or live structs, by the contract of zcomp_ops; several threads may share `params` for reading.
        let (params, ctx) = unsafe { (params.as_ref(), ctx.as_mut()) };
        let (params, ctx) = (params.ok_or(Error::Invalid)?, ctx.ok_or(Error::Invalid)?);
        ctx.context = ptr::null_mut();
        // SAFETY: NULL or the dictionary of `setup_params`, which release_params() frees after every stream.
        let dict = unsafe { params.drv_data.cast::<Dictionary>().as_ref() };
        let engine = Engine::new(NAMES[N], level_from(params.level), dict)?;
        ctx.context = Box::into_raw(try_box(Stream { engine, poison: Poison::default() })?).cast();
        Ok(())
    })
}

unsafe extern "C" fn destroy_ctx(ctx: *mut tzram_zcomp_ctx) {
    value((), || {
        // SAFETY: NULL or a live struct that nobody else uses, by the contract of zcomp_ops.
        let Some(ctx) = (unsafe { ctx.as_mut() }) else { return };
        if !ctx.context.is_null() {
            // SAFETY: made by `Box::into_raw` in `create_ctx`.
            drop(unsafe { Box::from_raw(ctx.context.cast::<Stream>()) });
            ctx.context = ptr::null_mut();
        }
    });
}

/// The two directions are one function but for the engine's method.
///
/// # Safety
/// As `compress` and `decompress` of the kernel's zcomp_ops.
unsafe fn transform(
    ctx: *mut tzram_zcomp_ctx,
    req: *mut tzram_zcomp_req,
    run: impl FnOnce(&mut Engine, &[u8], &mut [u8]) -> Result<usize, Error>,
) -> c_int {
    // SAFETY: NULL or live structs of this stream, by the contract of zcomp_ops; `context` came from `create_ctx`.
    let (stream, req) = unsafe { (ctx.as_ref().and_then(|ctx| ctx.context.cast::<Stream>().as_mut()), req.as_mut()) };
    let (Some(Stream { engine, poison }), Some(req)) = (stream, req) else {
        return call(|| Err(Error::Invalid));
    };
    call_on(poison, || {
        // SAFETY: the caller's promises for src and dst.
        let len = unsafe {
            let src = source(req.src, req.src_len)?;
            run(engine, src, destination(req.dst, req.dst_len, src)?)?
        };
        req.dst_len = len;
        Ok(())
    })
}

unsafe extern "C" fn compress(
    _params: *mut tzram_zcomp_params,
    ctx: *mut tzram_zcomp_ctx,
    req: *mut tzram_zcomp_req,
) -> c_int {
    // SAFETY: by the contract of zcomp_ops.
    unsafe { transform(ctx, req, Engine::compress) }
}

unsafe extern "C" fn decompress(
    _params: *mut tzram_zcomp_params,
    ctx: *mut tzram_zcomp_ctx,
    req: *mut tzram_zcomp_req,
) -> c_int {
    // SAFETY: by the contract of zcomp_ops.
    unsafe { transform(ctx, req, Engine::decompress) }
}

/// The table of an algorithm or driver in the shape of the kernel's struct zcomp_ops; NULL if the name is unknown or not
/// available here. The table lives as long as the library.
///
/// "lz4" and "zstd" write bare standard streams, as the kernel's own backends; "adaptive" and "tzp" write page objects of
/// 4096 bytes a page. The order of calls is the kernel's: setup_params, then per stream create_ctx, any number of compress and
/// decompress (one thread at a time), destroy_ctx; at last release_params.
///
/// # Safety
/// `name` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_zcomp_ops_get(name: *const c_char) -> *const tzram_zcomp_ops {
    // SAFETY: NULL or a C string by this function's contract.
    let Some(name) = (unsafe { name_from(name) }) else { return ptr::null() };
    value(ptr::null(), || {
        let runs = DRIVERS.iter().any(|driver| driver.is_available() && driver.answers_to(name));
        let found = NAMES.iter().position(|known| known.to_bytes() == name).filter(|_| runs);
        found.map_or(ptr::null(), |at| ptr::from_ref(&OPS[at]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_and_algorithm_has_a_table_with_its_name() {
        for driver in DRIVERS {
            for name in [driver.alg, driver.name] {
                // SAFETY: a C string.
                let ops = unsafe { tzram_zcomp_ops_get(name.as_ptr()) };
                assert_eq!(ops.is_null(), !DRIVERS.iter().any(|d| d.is_available() && d.answers_to(name.to_bytes())));
                if !ops.is_null() {
                    // SAFETY: a live table whose name is a C string.
                    assert_eq!(unsafe { CStr::from_ptr((*ops).name) }, name);
                }
            }
        }
        // SAFETY: NULL and a C string.
        unsafe {
            assert!(tzram_zcomp_ops_get(ptr::null()).is_null() && tzram_zcomp_ops_get(c"lzw".as_ptr()).is_null())
        };
    }
}

//! Batches: every status, every byte and every counter is that of one call for each page, damaged objects among them.

mod common;

use core::ffi::{c_int, c_uint};
use core::ptr;
use std::ffi::CString;

use common::guarded::Guarded;
use common::{Random, corpus};
use tzram::abi::*;

const PAGE: usize = 4096;

/// A context of an algorithm on a backend, or `None` if this CPU lacks that.
fn context(alg: &str, backend: i32) -> Option<*mut tzram_ctx> {
    let alg = CString::new(alg).expect("no NUL");
    let mut ctx = ptr::null_mut();
    // SAFETY: the parameters and the name live during the calls.
    let rc = unsafe {
        let mut params = core::mem::zeroed();
        tzram_params_init(&mut params);
        (params.alg, params.backend) = (alg.as_ptr(), backend);
        tzram_ctx_create(&params, &mut ctx)
    };
    assert!(rc == 0 || rc == -libc::EOPNOTSUPP, "{rc}");
    (rc == 0).then_some(ctx)
}

fn stats(ctx: *const tzram_ctx) -> [u64; 2] {
    // SAFETY: a live context, and a struct that says its size.
    unsafe {
        let mut stats: tzram_stats = core::mem::zeroed();
        stats.struct_size = size_of::<tzram_stats>() as u32;
        assert_eq!(tzram_ctx_stats(ctx, &mut stats), 0);
        [stats.pages_out, stats.decompress_errors]
    }
}

/// Objects of real pages from several algorithms, in any order, one in three damaged.
fn objects(random: &mut Random) -> Vec<Vec<u8>> {
    let pages = corpus::sample(40);
    let mut objects = Vec::new();
    for alg in ["tzp", "tzp", "lz4", "zstd"] {
        let ctx = context(alg, 0).expect("every algorithm");
        for page in &pages {
            let mut object = vec![0; PAGE];
            let mut len = PAGE as c_uint;
            // SAFETY: a page, and a page of room.
            assert_eq!(unsafe { tzram_compress_page(ctx, page.as_ptr(), object.as_mut_ptr(), &mut len) }, 0);
            object.truncate(len as usize);
            match random.below(9) {
                0 => object.truncate(random.below(object.len())),
                1 => {
                    let at = random.below(object.len());
                    object[at] ^= 1 << random.below(8);
                }
                // Flags, codes, offsets; the end of a bit stream.
                2 => {
                    let at = object.len() - 1 - random.below(object.len().min(200));
                    object[at] = random.next() as u8;
                }
                _ => {}
            }
            objects.push(object);
        }
        // SAFETY: live until here.
        unsafe { tzram_ctx_destroy(ctx) };
    }
    for i in (1..objects.len()).rev() {
        objects.swap(i, random.below(i + 1));
    }
    objects
}

#[test]
fn a_batch_restores_what_single_calls_restore() {
    let mut random = Random::new(11);
    let objects = objects(&mut random);
    let (mut good, mut bad) = (0, 0);
    for backend in 0..=4 {
        let (Some(ctx), Some(single)) = (context("adaptive", backend), context("adaptive", backend)) else { continue };
        let mut rest = &objects[..];
        while !rest.is_empty() {
            let count = rest.len().min(1 + random.below(40));
            let (batch, behind) = rest.split_at(count);
            rest = behind;
            // Each ends at an inaccessible page.
            let mut from: Vec<Guarded> = (0..count).map(|_| Guarded::new(PAGE)).collect();
            let mut to: Vec<Guarded> = (0..count).map(|_| Guarded::new(PAGE)).collect();
            let src: Vec<*const u8> = batch.iter().zip(&mut from).map(|(o, place)| place.hold(o).as_ptr()).collect();
            let dst: Vec<*mut u8> = to.iter_mut().map(|place| place.tail(PAGE).as_mut_ptr()).collect();
            let lens: Vec<c_uint> = batch.iter().map(|object| object.len() as c_uint).collect();
            let mut status: Vec<c_int> = vec![1; count];
            // SAFETY: arrays of `count` entries: objects, lengths, pages, statuses.
            let rc = unsafe {
                tzram_decompress_pages(ctx, count, src.as_ptr(), lens.as_ptr(), dst.as_ptr(), status.as_mut_ptr())
            };
            assert_eq!(rc, status.iter().copied().find(|&status| status != 0).unwrap_or(0));
            for (i, object) in batch.iter().enumerate() {
                let mut page = [0; PAGE];
                // SAFETY: an object, and a page.
                let wanted = unsafe { tzram_decompress_page(single, object.as_ptr(), lens[i], page.as_mut_ptr()) };
                assert_eq!(status[i], wanted, "page {i} of {count}, backend {backend}");
                *if wanted == 0 { &mut good } else { &mut bad } += 1;
                assert!(wanted != 0 || to[i].tail(PAGE) == page, "page {i} of {count}, backend {backend}");
            }
        }
        assert_eq!(stats(ctx), stats(single));
        // SAFETY: live until here.
        unsafe {
            tzram_ctx_destroy(ctx);
            tzram_ctx_destroy(single);
        }
    }
    assert!(good > 2 * bad && bad > 40, "{good} good, {bad} damaged");
}

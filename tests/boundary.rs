//! A panic behind any export ends at the boundary: an errno, a handle that can still be destroyed, nothing on stderr.
#![cfg(feature = "testing")]

use core::ffi::{c_int, c_uint};
use core::ptr;
use std::sync::Mutex;

use tzram::abi::*;

const PAGE: usize = 4096;

/// Runs `call` with a panic behind it.
fn with_panic<T>(call: impl FnOnce() -> T) -> T {
    panic_in_next_call();
    call()
}

/// A panic that is asked for is the next call's, whoever makes it: the tests here do not run beside each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn a_panic_becomes_an_errno_and_poisons_only_its_handle() {
    let _alone = ONE_AT_A_TIME.lock();
    // SAFETY: every call below gets what the header asks for: live handles, buffers of the stated lengths.
    unsafe {
        let caught: c_int = -libc::ENOTRECOVERABLE;
        let (mut ctx, mut other) = (ptr::null_mut(), ptr::null_mut());
        assert_eq!(with_panic(|| tzram_ctx_create(ptr::null(), &mut ctx)), caught);
        assert!(ctx.is_null());
        assert_eq!(tzram_ctx_create(ptr::null(), &mut ctx), 0);
        assert_eq!(tzram_ctx_create(ptr::null(), &mut other), 0);

        let (page, mut dst) = ([3u8; PAGE], [0u8; PAGE]);
        let mut len = PAGE as c_uint;
        let compress = |ctx, dst: *mut u8, len: &mut c_uint| tzram_compress_page(ctx, page.as_ptr(), dst, len);
        assert_eq!(with_panic(|| compress(ctx, dst.as_mut_ptr(), &mut len)), caught);
        assert_eq!(len, 0);
        len = PAGE as c_uint;
        assert_eq!(compress(ctx, dst.as_mut_ptr(), &mut len), caught, "a poisoned handle stays so");
        len = PAGE as c_uint;
        assert_eq!(compress(other, dst.as_mut_ptr(), &mut len), 0, "other handles go on");
        assert_eq!(len, 2);
        let object = dst;
        tzram_ctx_destroy(ctx);

        assert_eq!(with_panic(|| tzram_decompress_page(other, object.as_ptr(), 2, dst.as_mut_ptr())), caught);
        assert_eq!(with_panic(|| tzram_decompress_page(other, object.as_ptr(), 2, dst.as_mut_ptr())), caught);
        // The second panic was still to come when the handle was found poisoned.
        assert_eq!(tzram_alg_get(0, ptr::null_mut()), caught);
        tzram_ctx_destroy(other);

        assert_eq!(with_panic(|| tzram_ctx_size(ptr::null())), 0);
        assert_eq!(with_panic(|| tzram_backend_supported(1)), 0);
        assert_eq!(with_panic(|| tzram_backend_detect()), 1);
        assert_eq!(with_panic(|| tzram_alg_count()), 0);
        assert_eq!(with_panic(|| tzram_has_comp(c"lz4".as_ptr())), 0);
        assert!(with_panic(|| tzram_zcomp_ops_get(c"lz4".as_ptr())).is_null());

        let mut tfm = ptr::null_mut();
        assert_eq!(with_panic(|| tzram_comp_alloc(c"lz4".as_ptr(), TZRAM_LEVEL_DEFAULT, 0, &mut tfm)), caught);
        assert_eq!(tzram_comp_alloc(c"lz4".as_ptr(), TZRAM_LEVEL_DEFAULT, 0, &mut tfm), 0);
        assert_eq!(with_panic(|| tzram_comp_bound(tfm, 10)), 0);
        let mut len = PAGE as c_uint;
        let result = with_panic(|| tzram_comp_compress(tfm, page.as_ptr(), 100, dst.as_mut_ptr(), &mut len));
        assert_eq!((result, len), (caught, 0));
        tzram_comp_free(tfm);

        let mut dict = ptr::null_mut();
        assert_eq!(with_panic(|| tzram_dict_create(page.as_ptr().cast(), PAGE, &mut dict)), caught);
        assert_eq!(tzram_dict_create(page.as_ptr().cast(), PAGE, &mut dict), 0);
        assert_eq!(with_panic(|| tzram_dict_id(dict)), 0);
        tzram_dict_destroy(dict);
    }
}

#[test]
fn a_panic_in_a_thread_of_a_queue_poisons_the_queue_and_loses_no_request() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut params = tzram_queue_params { threads: 2, ..Default::default() };
    params.page.alg = c"tzp".as_ptr();
    let (page, mut dst) = ([3u8; PAGE], [[0u8; 16]; 32]);
    let mut reqs = dst.each_mut().map(|dst| tzram_req {
        op: tzram_op::TZRAM_OP_COMPRESS as u32,
        status: 1,
        src: page.as_ptr(),
        dst: dst.as_mut_ptr(),
        slen: 0,
        dlen: 16,
        user: ptr::null_mut(),
    });
    let list = reqs.each_mut().map(ptr::from_mut);
    let caught: c_int = -libc::ENOTRECOVERABLE;
    // SAFETY: every call below gets what the header asks for: live handles, requests with buffers of the stated lengths.
    unsafe {
        let mut queue = ptr::null_mut();
        assert_eq!(tzram_queue_create(&params, &mut queue), 0);
        panic_in_next_request();
        assert_eq!(tzram_queue_submit(queue, list.as_ptr(), list.len()), 32);
        let mut done = [ptr::null_mut(); 32];
        assert_eq!(tzram_queue_reap(queue, done.as_mut_ptr(), 32, -1), 32);
        let statuses = list.map(|req| (*req).status);
        assert!(statuses.contains(&caught) && statuses.iter().all(|&status| status == 0 || status == caught));
        assert_eq!(tzram_queue_submit(queue, list.as_ptr(), 1), caught);
        assert_eq!(tzram_queue_reap(queue, done.as_mut_ptr(), 32, -1), caught);
        tzram_queue_destroy(queue);

        queue = ptr::null_mut();
        assert_eq!(with_panic(|| tzram_queue_create(&params, &mut queue)), caught);
        assert!(queue.is_null());
        assert_eq!(tzram_queue_create(&params, &mut queue), 0);
        assert_eq!(with_panic(|| tzram_queue_submit(queue, list.as_ptr(), 1)), caught);
        assert_eq!(tzram_queue_submit(queue, list.as_ptr(), 1), caught, "a poisoned handle stays so");
        tzram_queue_destroy(queue);
        assert_eq!(tzram_queue_create(&params, &mut queue), 0);
        assert_eq!(with_panic(|| tzram_queue_reap(queue, done.as_mut_ptr(), 1, 0)), caught);
        tzram_queue_destroy(queue);
        assert_eq!(tzram_queue_create(&params, &mut queue), 0);
        assert_eq!(with_panic(|| tzram_queue_fd(queue)), caught);
        tzram_queue_destroy(queue);
    }
}

#[test]
fn panics_of_the_library_print_nothing() {
    // The check needs a process of its own, whose stderr it reads: this test program, running the other test.
    let exe = std::env::current_exe().expect("this program");
    let run = std::process::Command::new(exe)
        .args(["a_panic_", "--test-threads=1", "--nocapture"])
        .output()
        .expect("this program runs");
    assert!(run.status.success());
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    assert!(!String::from_utf8_lossy(&run.stdout).contains("panicked"));
}

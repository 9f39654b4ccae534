//! How much stack a call takes.

use core::ffi::c_void;
use core::ptr;

/// Bytes of the stack that the calls run on.
const ROOM: usize = 1 << 20;
/// What untouched stack holds.
const PAINT: u8 = 0xA5;

/// Returns the bytes of stack below its caller that `call` touches, found on a painted stack of a thread of its own.
pub fn depth_of(mut call: impl FnMut() + Send) -> usize {
    // What the thread itself takes is in both and cancels out.
    run(&mut call) - run(&mut || ())
}

fn run(mut call: &mut (dyn FnMut() + Send)) -> usize {
    extern "C" fn start(arg: *mut c_void) -> *mut c_void {
        // SAFETY: `arg` is the reference to the call that `run` keeps alive until the thread has ended.
        unsafe { (*arg.cast::<&mut (dyn FnMut() + Send)>())() };
        ptr::null_mut()
    }
    // SAFETY: the stack is a fresh mapping of ROOM bytes, painted before the thread starts and read after it has ended;
    // the attributes are initialised before they are used.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let stack = libc::mmap(ptr::null_mut(), ROOM, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_ne!(stack, libc::MAP_FAILED);
        stack.cast::<u8>().write_bytes(PAINT, ROOM);
        let mut attributes: libc::pthread_attr_t = core::mem::zeroed();
        let mut thread: libc::pthread_t = core::mem::zeroed();
        assert_eq!(libc::pthread_attr_init(&mut attributes), 0);
        assert_eq!(libc::pthread_attr_setstack(&mut attributes, stack, ROOM), 0);
        let arg = ptr::from_mut(&mut call).cast::<c_void>();
        assert_eq!(libc::pthread_create(&mut thread, &attributes, start, arg), 0);
        assert_eq!(libc::pthread_join(thread, ptr::null_mut()), 0);
        libc::pthread_attr_destroy(&mut attributes);
        let bytes = core::slice::from_raw_parts(stack.cast::<u8>(), ROOM);
        let untouched = bytes.iter().take_while(|&&byte| byte == PAINT).count();
        libc::munmap(stack, ROOM);
        ROOM - untouched
    }
}

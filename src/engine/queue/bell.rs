//! The file descriptor that an event loop polls.

use core::sync::atomic::{AtomicU8, Ordering::SeqCst, fence};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Nobody has asked for the descriptor: nothing is to be done, ever.
const ABSENT: u8 = 0;
/// It is not readable.
const DARK: u8 = 1;
/// It is readable.
const LIT: u8 = 2;

/// An eventfd that is readable exactly while something waits. Until somebody asks for it there is none, and it costs one load.
#[derive(Default)]
pub struct Bell {
    file: OnceLock<File>,
    /// One of the constants above. Changes under the lock.
    state: AtomicU8,
    lock: Mutex<()>,
}

impl Bell {
    /// The eventfd, which `open` makes at the first call.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn file<E>(&self, open: impl FnOnce() -> Result<File, E>, waiting: impl Fn() -> bool) -> Result<&File, E> {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let file = open()?;
                let file = self.file.get_or_init(|| file);
                self.state.store(DARK, SeqCst);
                file
            }
        };
        drop(guard);
        self.more(waiting);
        Ok(file)
    }

    /// Something came to wait.
    pub fn more(&self, waiting: impl Fn() -> bool) {
        // What came is published before the state is looked at; `waiting` has the fence of the other side.
        fence(SeqCst);
        if self.state.load(SeqCst) == DARK {
            self.settle(waiting);
        }
    }

    /// Something waits no longer.
    pub fn less(&self, waiting: impl Fn() -> bool) {
        if self.state.load(SeqCst) != ABSENT && !waiting() {
            self.settle(waiting);
        }
    }

    /// Makes the descriptor say what is so. Whoever changes what is so changes it first and looks at the state then; here the
    /// state is changed first and what is so looked at then: one of both sees the other.
    fn settle(&self, waiting: impl Fn() -> bool) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut file) = self.file.get() else { return };
        loop {
            let want = if waiting() { LIT } else { DARK };
            if self.state.swap(want, SeqCst) == want {
                return;
            }
            // Neither can fail: the counter goes from 0 to 1 and back.
            let _ = match want {
                LIT => file.write(&1u64.to_ne_bytes()),
                _ => file.read(&mut [0; 8]),
            };
        }
    }
}

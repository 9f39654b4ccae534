//! Where threads sleep until there is something for them.

use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::kernel::ring::Apart;

/// Threads asleep. Whoever has news pays one load while nobody sleeps, and a lock and a system call otherwise.
///
/// No news is missed: the sleeper first counts itself and then looks for news, the bearer of news first publishes them and
/// then looks for sleepers, all of it sequentially consistent.
#[derive(Default)]
pub struct Gate {
    /// Threads that sleep and that nobody has woken yet. Changes under the lock.
    asleep: Apart<AtomicUsize>,
    /// Threads that were woken and have not noticed yet.
    passes: Mutex<usize>,
    news: Condvar,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until `ready` holds, somebody wakes this thread, or it is later than `deadline`. `ready` is asked under the lock.
    pub fn sleep(&self, deadline: Option<Instant>, ready: impl Fn() -> bool) {
        let mut passes = self.lock();
        self.asleep.0.fetch_add(1, SeqCst);
        let mut late = false;
        while !ready() && *passes == 0 && !late {
            passes = match deadline {
                None => self.news.wait(passes).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    late = left.is_zero();
                    self.news.wait_timeout(passes, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        // A pass that was meant for another thread is as good: that one stays counted as asleep in place of this one.
        match passes.checked_sub(1) {
            Some(rest) => *passes = rest,
            None => _ = self.asleep.0.fetch_sub(1, Relaxed),
        }
    }

    /// How many threads sleep that nobody has woken.
    pub fn asleep(&self) -> usize {
        self.asleep.0.load(SeqCst)
    }

    /// Wakes up to `most` threads, after `first` was done under the lock.
    pub fn wake(&self, most: usize, first: impl FnOnce()) {
        if self.asleep() == 0 {
            return;
        }
        let mut passes = self.lock();
        first();
        let count = most.min(self.asleep.0.load(Relaxed));
        self.asleep.0.fetch_sub(count, Relaxed);
        *passes += count;
        drop(passes);
        match count {
            0 => {}
            1 => self.news.notify_one(),
            _ => self.news.notify_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_sleeps_wakes_for_news_and_for_the_deadline() {
        let (gate, news) = (Gate::default(), AtomicUsize::new(0));
        gate.sleep(None, || true);
        gate.sleep(Some(Instant::now() + Duration::from_millis(5)), || false);
        assert_eq!(gate.asleep(), 0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for seen in 0..1000 {
                        while news.load(SeqCst) <= seen {
                            gate.sleep(None, || news.load(SeqCst) > seen);
                        }
                    }
                });
            }
            for i in 1..=1000 {
                news.store(i, SeqCst);
                gate.wake(usize::MAX, || ());
                if i % 16 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!((gate.asleep(), *gate.lock()), (0, 0));
    }
}

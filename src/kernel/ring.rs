//! A bounded queue for any number of threads on both ends, without locks; several values go in or out with one
//! compare-and-swap.
//!
//! Source: Dmitry Vyukov's bounded MPMC queue (1024cores.net), as crossbeam's `ArrayQueue` has it. Ours differs in two
//! ways: a claim covers as many neighbouring slots as are ready, and running out of memory is an error instead of an abort.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};

use crate::base::Error;

/// A value with cache lines of its own: two, since x86-64 fetches lines in pairs.
#[repr(align(128))]
#[derive(Default)]
pub struct Apart<T>(pub T);

/// Position `p` (counted from 0, without end) uses slot `p % slots`. The slot's turn says whose it is: `p` = to be filled
/// by whoever puts at `p`, `p + 1` = to be emptied by whoever takes at `p`, `p + slots` = as the first, one lap later.
struct Slot<T> {
    turn: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The queue.
pub struct Ring<T> {
    slots: Vec<Slot<T>>,
    /// Position of the next value to take.
    head: Apart<AtomicUsize>,
    /// Position of the next value to put.
    tail: Apart<AtomicUsize>,
}

// SAFETY: a slot's value is touched only by the thread whose claim its turn confirms, one at a time, and moves between
// threads with the slot's turn (Release to Acquire).
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// Makes a queue for at least `room` values.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(room: usize) -> Result<Self, Error> {
        let count = room.max(2).checked_next_power_of_two().ok_or(Error::NoMemory)?;
        let mut slots = Vec::new();
        slots.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
        slots.extend(
            (0..count).map(|i| Slot { turn: AtomicUsize::new(i), value: UnsafeCell::new(MaybeUninit::uninit()) }),
        );
        Ok(Ring { slots, head: Apart::default(), tail: Apart::default() })
    }

    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[position & (self.slots.len() - 1)]
    }

    /// Claims up to `most` positions from `end` on whose slots have the turn `position + ahead`; returns the first and how
    /// many.
    fn claim(&self, end: &AtomicUsize, most: usize, ahead: usize) -> Option<(usize, usize)> {
        let most = most.min(self.slots.len());
        let mut first = end.load(Relaxed);
        loop {
            let ready = |i: &usize| {
                let position = first.wrapping_add(*i);
                self.slot(position).turn.load(Acquire) == position.wrapping_add(ahead)
            };
            let count = (0..most).take_while(ready).count();
            if count == 0 {
                // Full or empty, unless others moved on since `first` was read.
                let now = end.load(Relaxed);
                if now == first {
                    return None;
                }
                first = now;
                continue;
            }
            // Turns of slots that nobody has claimed do not change: they are as they were read, if the end is.
            match end.compare_exchange_weak(first, first.wrapping_add(count), SeqCst, Relaxed) {
                Ok(_) => return Some((first, count)),
                Err(now) => first = now,
            }
        }
    }

    /// Takes as many values from `values` as there is room for; returns how many. Less than all went in where the queue is
    /// full, or a thread that takes the oldest value has not got round to reading it.
    pub fn put(&self, values: &mut impl ExactSizeIterator<Item = T>) -> usize {
        let Some((first, count)) = self.claim(&self.tail.0, values.len(), 0) else { return 0 };
        for position in (0..count).map(|i| first.wrapping_add(i)) {
            let value = values.next().expect("an iterator of the length that it says");
            let slot = self.slot(position);
            // SAFETY: the claim of `position` is ours, and the turn said that the slot is to be filled.
            unsafe { (*slot.value.get()).write(value) };
            slot.turn.store(position.wrapping_add(1), Release);
        }
        count
    }

    /// Hands up to `most` of the oldest values to `each`; returns how many.
    pub fn take(&self, most: usize, mut each: impl FnMut(T)) -> usize {
        let Some((first, count)) = self.claim(&self.head.0, most, 1) else { return 0 };
        for position in (0..count).map(|i| first.wrapping_add(i)) {
            let slot = self.slot(position);
            // SAFETY: the claim of `position` is ours, and the turn said that the slot is filled; it is read once.
            let value = unsafe { (*slot.value.get()).assume_init_read() };
            slot.turn.store(position.wrapping_add(self.slots.len()), Release);
            each(value);
        }
        count
    }

    /// Whether there is a value that [`Ring::take`] would get, looked at after all that this thread has done before. A value whose
    /// predecessor is still being put is not yet one.
    pub fn is_ready(&self) -> bool {
        fence(SeqCst);
        let mut head = self.head.0.load(SeqCst);
        loop {
            if self.slot(head).turn.load(SeqCst) == head.wrapping_add(1) {
                return true;
            }
            // Somebody has taken it meanwhile: the next one counts.
            let now = self.head.0.load(SeqCst);
            if now == head {
                return false;
            }
            head = now;
        }
    }

    /// About how many values there are: those that somebody is about to put count already.
    pub fn len(&self) -> usize {
        // The head first: it never overtakes the tail.
        let head = self.head.0.load(SeqCst);
        self.tail.0.load(SeqCst).wrapping_sub(head)
    }

    /// Whether [`Ring::len`] is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        self.take(usize::MAX, drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn values_come_out_in_order_and_no_more_go_in_than_there_is_room_for() {
        let ring = Ring::new(4).expect("memory");
        for lap in 0..10 {
            let mut values = lap..lap + 6;
            assert!(!ring.is_ready());
            assert_eq!(ring.put(&mut values), 4);
            assert!(ring.is_ready());
            assert_eq!((values, ring.len()), (lap + 4..lap + 6, 4));
            let mut out = Vec::new();
            assert_eq!(ring.take(3, |v| out.push(v)), 3);
            assert_eq!(ring.put(&mut (lap + 4..lap + 5)), 1);
            assert_eq!(ring.take(9, |v| out.push(v)), 2);
            assert_eq!(out, (lap..lap + 5).collect::<Vec<_>>());
            assert_eq!((ring.take(1, |_| panic!("empty")), ring.is_empty()), (0, true));
        }
    }

    #[test]
    fn a_value_behind_one_that_is_being_put_is_not_ready() {
        let ring = Ring::new(4).expect("memory");
        let (first, count) = ring.claim(&ring.tail.0, 1, 0).expect("room");
        assert_eq!((ring.put(&mut (7..8)), count, ring.is_ready()), (1, 1, false));
        assert_eq!(ring.take(2, |_| panic!("the first one is not there")), 0);
        // SAFETY: the claim above.
        unsafe { (*ring.slot(first).value.get()).write(6) };
        ring.slot(first).turn.store(first.wrapping_add(1), Release);
        let mut out = Vec::new();
        assert!(ring.is_ready());
        assert_eq!((ring.take(2, |value| out.push(value)), out), (2, vec![6, 7]));
    }

    #[test]
    fn values_left_behind_are_dropped() {
        let value = Arc::new(());
        let ring = Ring::new(8).expect("memory");
        ring.put(&mut vec![value.clone(); 5].into_iter());
        ring.take(2, drop);
        assert_eq!(Arc::strong_count(&value), 4);
        drop(ring);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn no_value_is_lost_or_doubled_among_threads() {
        const EACH: usize = 20_000;
        let ring = Ring::new(16).expect("memory");
        let taken = AtomicUsize::new(0);
        let sums: Vec<[usize; 3]> = std::thread::scope(|scope| {
            for start in 0..3 {
                let ring = &ring;
                scope.spawn(move || {
                    let mut values = start * EACH..(start + 1) * EACH;
                    while !values.is_empty() {
                        let most = (1 + values.start % 7).min(values.len());
                        let mut few = values.start..values.start + most;
                        if ring.put(&mut few) == 0 {
                            std::thread::yield_now();
                        }
                        values.start = few.start;
                    }
                });
            }
            let takers: Vec<_> = (1..4)
                .map(|most| {
                    let (ring, taken) = (&ring, &taken);
                    scope.spawn(move || {
                        let mut sums = [0; 3];
                        while taken.load(Relaxed) < 3 * EACH {
                            let n = ring.take(most, |v| {
                                sums[0] += 1;
                                sums[1] += v;
                                sums[2] += v * v;
                            });
                            taken.fetch_add(n, Relaxed);
                            if n == 0 {
                                std::thread::yield_now();
                            }
                        }
                        sums
                    })
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().expect("no panic")).collect()
        });
        let total: [usize; 3] = core::array::from_fn(|i| sums.iter().map(|sum| sum[i]).sum());
        let all = 0..3 * EACH;
        assert_eq!(total, [all.len(), all.clone().sum(), all.map(|v| v * v).sum()]);
    }
}

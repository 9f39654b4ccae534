//! Where the time of a codec goes: counters of clock ticks, in builds with the feature `phases` (`make bench-phases`).
//!
//! Without it, nothing here is more than a name.

/// A part of compression or decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Finding matches.
    Match,
    /// Counting literals, code lengths, the description of the tree.
    Tree,
    /// Writing the coded literals.
    Literals,
    /// Sequences to codes, and counting these.
    Codes,
    /// Choosing and building tables.
    Tables,
    /// Writing the bit stream of the sequences.
    Sequences,
    /// Reading the literals section, with its tree.
    ReadLiterals,
    /// Reading or recognising the tables of the sequences.
    ReadTables,
    /// Reading the sequences and executing them.
    Execute,
}

impl Phase {
    /// All of them, in the order of their numbers.
    #[cfg(feature = "phases")]
    pub const ALL: [Phase; 9] = [
        Phase::Match,
        Phase::Tree,
        Phase::Literals,
        Phase::Codes,
        Phase::Tables,
        Phase::Sequences,
        Phase::ReadLiterals,
        Phase::ReadTables,
        Phase::Execute,
    ];
}

/// A moment.
#[derive(Clone, Copy)]
pub struct Moment(#[cfg(feature = "phases")] u64);

#[cfg(feature = "phases")]
mod counting {
    use core::cell::Cell;

    use super::Phase;

    thread_local! {
        pub static TICKS: [Cell<u64>; Phase::ALL.len()] = const { [const { Cell::new(0) }; Phase::ALL.len()] };
    }

    /// Ticks of the CPU's clock: of constant frequency, about that of the CPU on most machines.
    #[inline(always)]
    pub fn now() -> u64 {
        // SAFETY: an instruction of every x86-64.
        #[cfg(target_arch = "x86_64")]
        return unsafe { core::arch::x86_64::_rdtsc() };
        #[cfg(target_arch = "aarch64")]
        {
            let ticks;
            // SAFETY: reads a register that Linux lets programs read.
            unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
            return ticks;
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        0
    }
}

impl Moment {
    /// Now.
    #[inline(always)]
    pub fn now() -> Self {
        Moment(
            #[cfg(feature = "phases")]
            counting::now(),
        )
    }

    /// Adds the time since this moment to a phase, and returns when that was.
    #[inline(always)]
    pub fn ends(self, phase: Phase) -> Self {
        #[cfg(feature = "phases")]
        {
            let now = counting::now();
            counting::TICKS.with(|all| {
                let ticks = &all[phase as usize];
                ticks.set(ticks.get() + now.saturating_sub(self.0));
            });
            Moment(now)
        }
        #[cfg(not(feature = "phases"))]
        {
            let _ = phase;
            self
        }
    }
}

/// Returns this thread's ticks of each phase since the last call.
#[cfg(feature = "phases")]
pub fn take() -> [u64; Phase::ALL.len()] {
    counting::TICKS.with(|all| core::array::from_fn(|i| all[i].replace(0)))
}

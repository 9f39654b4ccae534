//! The one error type of the library.

use core::fmt;

/// Why a call failed. It carries no text and no allocation: the text comes from [`Error::message`], the errno of
/// the C ABI from `abi::errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// An argument is out of range: a size, a level, a flag, an unknown backend number (`-EINVAL`).
    Invalid,
    /// No algorithm or driver of that name (`-ENOENT`).
    NotFound,
    /// The algorithm or backend is known, but this CPU or this build lacks it (`-EOPNOTSUPP`).
    Unsupported,
    /// The result does not fit the destination (`-ENOSPC`).
    NoSpace,
    /// The compressed input is damaged or was not written by this format (`-EBADMSG`).
    Corrupt,
    /// An allocation failed (`-ENOMEM`).
    NoMemory,
    /// The object needs another dictionary than the one at hand (`-ESTALE`).
    Stale,
    /// A defect in the library was caught; the handle accepts nothing but its destruction (`-ENOTRECOVERABLE`).
    Poisoned,
    /// A queue has no room, or nothing in it has finished (`-EAGAIN`).
    Again,
    /// There is no device that could be used (`-ENODEV`).
    NoDevice,
}

impl Error {
    /// Every variant, so that a test can walk the errno table.
    pub const ALL: [Error; 10] = [
        Error::Invalid,
        Error::NotFound,
        Error::Unsupported,
        Error::NoSpace,
        Error::Corrupt,
        Error::NoMemory,
        Error::Stale,
        Error::Poisoned,
        Error::Again,
        Error::NoDevice,
    ];

    /// One sentence for a person, without a final full stop.
    pub const fn message(self) -> &'static str {
        match self {
            Error::Invalid => "invalid argument",
            Error::NotFound => "no such algorithm or driver",
            Error::Unsupported => "not supported by this CPU or build",
            Error::NoSpace => "destination too small",
            Error::Corrupt => "compressed data is damaged",
            Error::NoMemory => "out of memory",
            Error::Stale => "object needs another dictionary",
            Error::Poisoned => "handle is unusable after an internal error",
            Error::Again => "queue full or nothing finished yet",
            Error::NoDevice => "no usable CUDA device or driver",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

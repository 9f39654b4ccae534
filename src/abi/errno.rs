//! [`Error`] to negative errno: one total match.

use core::ffi::{CStr, c_int};

use crate::base::Error;

/// Returns the negative errno of an error.
pub(super) const fn number(error: Error) -> c_int {
    -match error {
        Error::Invalid => libc::EINVAL,
        Error::NotFound => libc::ENOENT,
        Error::Unsupported => libc::EOPNOTSUPP,
        Error::NoSpace => libc::ENOSPC,
        Error::Corrupt => libc::EBADMSG,
        Error::NoMemory => libc::ENOMEM,
        Error::Stale => libc::ESTALE,
        Error::Poisoned => libc::ENOTRECOVERABLE,
        Error::Again => libc::EAGAIN,
        Error::NoDevice => libc::ENODEV,
    }
}

/// Returns a sentence for any number: one of ours, 0, or anything else.
pub(super) const fn text(number: c_int) -> &'static CStr {
    match number.saturating_neg() {
        0 => c"success",
        libc::EINVAL => c"invalid argument",
        libc::ENOENT => c"no such algorithm or driver",
        libc::EOPNOTSUPP => c"not supported by this CPU or build",
        libc::ENOSPC => c"destination too small",
        libc::EBADMSG => c"compressed data is damaged",
        libc::ENOMEM => c"out of memory",
        libc::ESTALE => c"object needs another dictionary",
        libc::ENOTRECOVERABLE => c"handle is unusable after an internal error",
        libc::ENODEV => c"no usable CUDA device or driver",
        libc::EAGAIN => c"queue full or nothing finished yet",
        _ => c"unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_an_errno_of_its_own_and_one_text_in_both_languages() {
        let mut seen = Vec::new();
        for error in Error::ALL {
            let number = number(error);
            assert!(number < 0 && !seen.contains(&number), "{error:?}");
            assert_eq!(text(number).to_str(), Ok(error.message()));
            seen.push(number);
        }
        assert_eq!(text(0), c"success");
        assert_eq!(text(5), c"unknown error");
        assert_eq!(text(c_int::MIN), c"unknown error");
    }
}

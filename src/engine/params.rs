//! What is settled when a handle is created: which driver, which level, which kernel tables.

use super::dict::Dictionary;
use crate::alg::{Codec, DRIVERS, Driver};
use crate::base::page::{PAGE_SIZE, is_page_size};
use crate::base::{Backend, Error};
use crate::dispatch::Table;

/// Algorithm of callers who name none.
pub const DEFAULT_ALG: &[u8] = b"adaptive";

/// What a caller asks for.
#[derive(Clone, Copy)]
pub struct Params<'d> {
    /// Unit of compression in bytes: 4, 8, 16, 32 or 64 KiB.
    pub page_size: usize,
    /// Algorithm or driver name; `None` is [`DEFAULT_ALG`].
    pub alg: Option<&'d [u8]>,
    /// `None` is the driver's default.
    pub level: Option<i32>,
    /// `None` is the best that this CPU has.
    pub backend: Option<Backend>,
    /// History to compress against.
    pub dict: Option<&'d Dictionary>,
}

impl Default for Params<'_> {
    fn default() -> Self {
        Params { page_size: PAGE_SIZE, alg: None, level: None, backend: None, dict: None }
    }
}

impl<'d> Params<'d> {
    /// Checks the unit and settles the rest.
    pub(super) fn choose(&self) -> Result<Choice, Error> {
        if !is_page_size(self.page_size) {
            return Err(Error::Invalid);
        }
        Choice::new(self.alg.unwrap_or(DEFAULT_ALG), self.level, self.backend)
    }
}

/// The kernel tables of a handle: a driver's code comes from the table of the driver's own backend, so that its name is
/// true; what belongs to no driver (same-fill, histogram) comes from the best or the forced one.
#[derive(Clone, Copy)]
pub struct Tables {
    /// Same-fill and sampling.
    pub page: Table,
    /// LZ4, both directions.
    pub lz4: Table,
    /// Zstandard, both directions.
    pub zstd: Table,
    /// tzp, both directions.
    pub tzp: Table,
}

/// A driver and everything that follows from it.
#[derive(Clone, Copy)]
pub struct Choice {
    /// The driver that compresses.
    pub driver: &'static Driver,
    /// Its level.
    pub level: i32,
    /// Where its kernels come from.
    pub tables: Tables,
}

impl Choice {
    /// Picks the driver with the highest priority that answers to `name`, runs on `backend` and has `level`.
    ///
    /// # Errors
    /// [`Error::NotFound`]: nobody answers to the name. [`Error::Unsupported`]: somebody does, but this CPU or build
    /// lacks the driver or the backend. [`Error::Invalid`]: the level is out of range, or the driver is named and needs
    /// another backend than the one that is forced.
    pub fn new(name: &[u8], level: Option<i32>, backend: Option<Backend>) -> Result<Self, Error> {
        let known = || DRIVERS.iter().filter(|driver| driver.answers_to(name));
        if known().next().is_none() {
            return Err(Error::NotFound);
        }
        let mut page = backend.map_or(Some(Table::best()), Table::of).ok_or(Error::Unsupported)?;
        let mut available = known().filter(|driver| driver.is_available()).peekable();
        if let (None, Some(driver)) = (backend, available.peek().filter(|driver| driver.name.to_bytes() == name)) {
            // A driver that is named runs on a backend that is not preferred, too.
            if let Some(own) = Table::of(driver.backend).filter(|_| !page.backend().includes(driver.backend)) {
                page = own;
            }
        }
        if available.peek().is_none() {
            return Err(Error::Unsupported);
        }
        let driver = available
            .filter(|driver| page.backend().includes(driver.backend))
            .find(|driver| level.is_none_or(|level| (driver.min_level..=driver.max_level).contains(&level)))
            .ok_or(Error::Invalid)?;
        let table_for = |codec: Codec| {
            let best = || DRIVERS.iter().find(|d| d.codec == codec && page.backend().includes(d.backend));
            let of = if driver.codec == codec { Some(driver) } else { best() };
            of.and_then(|driver| Table::of(driver.backend)).ok_or(Error::Unsupported)
        };
        Ok(Choice {
            driver,
            level: level.unwrap_or(driver.default_level),
            tables: Tables {
                page,
                lz4: table_for(Codec::Lz4)?,
                zstd: table_for(Codec::Zstd)?,
                tzp: table_for(Codec::Tzp)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(name: &str, level: Option<i32>, backend: Option<Backend>) -> Result<&'static str, Error> {
        Choice::new(name.as_bytes(), level, backend).map(|c| c.driver.name.to_str().expect("ASCII"))
    }

    #[test]
    fn names_levels_and_backends_lead_to_the_right_driver_or_errno() {
        let best = match Table::best().backend() {
            Backend::Avx512 => "lz4-avx512",
            Backend::Avx2 => "lz4-avx2",
            Backend::Neon => "lz4-neon",
            Backend::Scalar => "lz4-generic",
        };
        assert_eq!(choose("lz4", None, None), Ok(best));
        if Backend::Avx512.is_supported() {
            assert_eq!(choose("lz4-avx512", None, None), Ok("lz4-avx512"));
            assert_eq!(choose("tzp-avx512", None, None), Ok("tzp-avx512"));
            assert_eq!(choose("tzp-avx512", None, Some(Backend::Avx2)), Err(Error::Invalid));
        }
        assert_eq!(choose("lz4", None, Some(Backend::Scalar)), Ok("lz4-generic"));
        assert_eq!(choose("zstd", Some(3), Some(Backend::Scalar)), Ok("zstd-generic"));
        assert_eq!(choose("zstd-generic", Some(19), None), Err(Error::Invalid));
        assert_eq!(choose("zstd", Some(23), None), Err(Error::Invalid));
        assert_eq!(choose("tzp", None, Some(Backend::Scalar)), Ok("tzp-generic"));
        assert_eq!(choose("tzp", Some(5), None), Err(Error::Invalid));
        if Backend::Avx2.is_supported() {
            assert_eq!(choose("tzp", None, Some(Backend::Avx2)), Ok("tzp-avx2"));
            assert_eq!(choose("tzp-avx2", None, Some(Backend::Scalar)), Err(Error::Invalid));
        }
        assert_eq!(choose("lzw", None, None), Err(Error::NotFound));
        assert_eq!(choose("", None, None), Err(Error::NotFound));
        let foreign = if cfg!(target_arch = "x86_64") { Backend::Neon } else { Backend::Avx2 };
        assert_eq!(choose("lz4", None, Some(foreign)), Err(Error::Unsupported));
        if cfg!(feature = "libzstd") {
            assert_eq!(choose("zstd", Some(19), None), Ok("zstd-libzstd"));
            assert_eq!(choose("zstd-libzstd", Some(1), None), Ok("zstd-libzstd"));
        } else {
            assert_eq!(choose("zstd", Some(19), None), Err(Error::Invalid));
            assert_eq!(choose("zstd-libzstd", None, None), Err(Error::Unsupported));
        }
    }
}

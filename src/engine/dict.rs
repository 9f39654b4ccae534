//! Dictionaries, as every codec wants them.

use crate::alg::{lz4, zstd};
use crate::base::{Error, hash};

/// History that pages are compressed against. Immutable; any number of contexts and threads may share one.
pub struct Dictionary {
    id: u32,
    /// Zstandard's view: entropy tables (if the buffer has them) and content.
    pub(super) zstd: zstd::Dict,
    /// LZ4's view: the last 64 KiB of the whole buffer, as liblz4 and the kernel's lz4 backend take it.
    pub(super) lz4: lz4::Dict,
    /// The buffer as it was given, for libzstd.
    #[cfg(feature = "libzstd")]
    buf: Vec<u8>,
}

impl Dictionary {
    /// Takes a copy of `buf`: a dictionary in Zstandard's format (RFC 8878 section 5) or raw content.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty buffer and for a damaged dictionary in Zstandard's format;
    /// [`Error::NoMemory`].
    pub fn new(buf: &[u8]) -> Result<Self, Error> {
        if buf.is_empty() {
            return Err(Error::Invalid);
        }
        let zstd = zstd::Dict::new(buf).map_err(|e| if e == Error::Corrupt { Error::Invalid } else { e })?;
        let id = match zstd.id() {
            // Raw content has no id of its own: its hash tells it from others. Zero means "no dictionary".
            0 => (hash::xxh64(buf, 0) as u32).max(1),
            id => id,
        };
        Ok(Dictionary {
            id,
            zstd,
            lz4: lz4::Dict::new(buf)?,
            #[cfg(feature = "libzstd")]
            buf: {
                let mut copy = Vec::new();
                copy.try_reserve_exact(buf.len()).map_err(|_| Error::NoMemory)?;
                copy.extend_from_slice(buf);
                copy
            },
        })
    }

    /// The dictionary's id: the one in its header, or for raw content a hash of the content. Never 0.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The buffer that the dictionary was made from.
    #[cfg(feature = "libzstd")]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buf
    }
}

//! The Zstandard format (RFC 8878).

#[cfg(test)]
pub mod reference;

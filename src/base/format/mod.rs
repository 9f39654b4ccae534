//! Constants of each wire format, with the section of its specification.

pub mod object;

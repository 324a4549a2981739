//! The text of a bundle's manifest; see [`inspectd_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspectd_fuzz::manifest(bytes));

//! The text of a configuration and its variables; see [`inspectd_fuzz::configuration`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspectd_fuzz::configuration(bytes));

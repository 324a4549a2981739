//! Pixels as a client sends them; see [`inspectd_fuzz::raw_frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspectd_fuzz::raw_frame(bytes));

//! Decodes an image; see [`inspectd_fuzz::image`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspectd_fuzz::image(bytes));

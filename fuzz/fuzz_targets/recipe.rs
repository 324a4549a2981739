//! The text of a recipe; see [`inspectd_fuzz::recipe`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspectd_fuzz::recipe(bytes));

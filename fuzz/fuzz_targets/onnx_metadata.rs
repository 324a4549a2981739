//! A bundle's graph; see [`inspectd_fuzz::onnx_metadata`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspectd_fuzz::onnx_metadata(bytes));

//! Exiting the process.

/// Exits the process immediately, without running the destructors of libraries.
///
/// Threads may still be in ONNX Runtime, OpenCV or a driver: a camera that hangs, or a model that was
/// being loaded when the daemon was stopped. A normal exit would destroy the data that they use, and crash.
pub fn exit(code: u8) -> ! {
    signal_hook::low_level::exit(code.into())
}

//! The last step of the process.

/// Ends the process at once, without the destructors that libraries have for its end.
///
/// Threads may still be within ONNX Runtime, OpenCV or a driver: a camera that hangs, a model that was
/// being loaded when the daemon was told to end. An ordinary exit would take from under them what they
/// work with, and end in a crash instead.
pub fn leave(code: u8) -> ! {
    signal_hook::low_level::exit(code.into())
}

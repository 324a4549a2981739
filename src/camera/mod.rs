//! Cameras: sources of frames, each with a capture thread and a supervisor thread.
//!
//! A source may hang forever in OpenCV or in a driver, and a thread cannot be ended from outside. So the
//! supervisor never waits for the capture thread without a limit: a thread that takes too long is
//! abandoned, its later results are discarded, and a new thread opens the source again.

mod activity;
mod backoff;
mod capture_status;
mod capture_thread;
mod event;
pub mod health;
mod log_throttle;
mod redact;
mod reporter;
mod schedule;
mod sources;
mod supervisor;
#[cfg(test)]
mod tests;

pub use event::{CameraEvent, CameraState, CameraTrouble, CaptureError, Captured, Sink};
pub use log_throttle::LogThrottle;
pub use redact::redact;
pub use sources::{CAPTURE_COMMAND, run_capture_process};
pub use supervisor::{Camera, FirstOpening};

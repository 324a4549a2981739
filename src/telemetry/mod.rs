//! The log, and traces of inspected parts.

mod log;
pub mod traces;

pub use log::{Telemetry, TelemetryError, init};

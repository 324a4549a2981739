//! Reports the panic of a thread of the pipeline.

use std::sync::Arc;
use std::thread;

/// Calls the closure if the thread that holds it panics.
pub(super) struct OnPanic(pub(super) Arc<dyn Fn() + Send + Sync>);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

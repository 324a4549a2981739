//! Reports the panic of a thread that the daemon cannot work without.

use std::sync::Arc;
use std::thread;

/// Called when such a thread has failed: the process exits, so that it is started again.
pub type Failed = Arc<dyn Fn() + Send + Sync>;

/// Calls the closure if the thread that holds it panics.
pub struct OnPanic(pub Failed);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

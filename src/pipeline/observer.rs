//! The hook through which metrics see what the pipeline does.

use inspectd_core::record::{Timings, Verdict};

use super::active::Active;

/// Observes a pipeline. Calls come from its threads and must return at once.
pub trait Observer: Send + Sync {
    /// A verdict was published.
    fn published(&self, verdict: &Verdict);
    /// A run of the model over `batch_size` frames ended; `timings` has its duration.
    fn inferred(&self, timings: &Timings, batch_size: u32);
    /// The settings, model and recipe `before` are no longer active.
    fn replaced(&self, before: &Active);
}

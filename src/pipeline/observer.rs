//! The hook through which metrics and traces see what the pipeline does.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::record::{Timings, Verdict};
use uuid::Uuid;

use super::active::Active;
use super::publisher::PublishTimes;
use crate::telemetry::traces::RemoteContext;

/// Observes a pipeline. Calls come from its threads and must return at once.
pub trait Observer: Send + Sync {
    /// A request for an inspection was accepted `at`, a time since the start of the daemon. Called before its verdict can be
    /// made.
    fn requested(&self, trigger: Uuid, at: Duration, parent: Option<&RemoteContext>);
    /// A verdict was published.
    fn published(&self, verdict: &Arc<Verdict>, times: PublishTimes);
    /// A run of the model over `batch_size` frames ended; `timings` has its duration.
    fn inferred(&self, timings: &Timings, batch_size: u32);
    /// The settings, model and recipe `before` are no longer active.
    fn replaced(&self, before: &Active);
}

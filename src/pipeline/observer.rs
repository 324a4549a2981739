//! The hook through which metrics and traces see what the pipeline does.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::record::{Timings, Verdict};
use uuid::Uuid;

use super::active::Active;
use super::publisher::PublishTimes;
use crate::telemetry::traces::RemoteContext;

/// What became of a run that a server (`engine.remote`) could have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerUse {
    /// The server's maps were judged.
    Used,
    /// The local engine, started because the server was slow, was faster.
    Hedged,
    /// The server did not answer in time.
    TimedOut,
    /// The server gave an error or an answer that is not valid.
    Failed,
    /// The server was not asked: it is not used, or there was no time.
    Skipped,
}

impl ServerUse {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Used,
        Self::Hedged,
        Self::TimedOut,
        Self::Failed,
        Self::Skipped,
    ];

    /// Name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Hedged => "hedged",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Observes a pipeline. Calls come from its threads and must return at once.
pub trait Observer: Send + Sync {
    /// A request for an inspection was accepted `at`, a time since the start of the daemon. Called before its verdict can be
    /// made.
    fn requested(&self, trigger: Uuid, at: Duration, parent: Option<&RemoteContext>);
    /// A verdict was published.
    fn published(&self, verdict: &Arc<Verdict>, times: PublishTimes);
    /// A run of the model over `batch_size` frames ended; `timings` has its duration.
    fn inferred(&self, timings: &Timings, batch_size: u32);
    /// A run that a server could have answered ended after this time.
    fn server_used(&self, server_use: ServerUse, time: Duration);
    /// The settings, model and recipe `before` are no longer active.
    fn replaced(&self, before: &Active);
}

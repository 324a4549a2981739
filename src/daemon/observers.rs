//! What observes the pipeline: the metrics, and the traces.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::record::{Timings, Verdict};
use uuid::Uuid;

use crate::http::metrics::Metrics;
use crate::pipeline::publisher::PublishTimes;
use crate::pipeline::{Active, Observer, ServerUse};
use crate::telemetry::traces::{RemoteContext, Traces};

/// The observers of a pipeline.
pub(super) struct Observers {
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Traces,
}

impl Observer for Observers {
    fn requested(&self, trigger: Uuid, at: Duration, parent: Option<&RemoteContext>) {
        self.traces.requested(trigger, at, parent);
    }

    fn published(&self, verdict: &Arc<Verdict>, times: PublishTimes) {
        self.metrics.published(verdict, times);
        self.traces
            .published(verdict, times.committed, times.published);
    }

    fn inferred(&self, timings: &Timings, batch_size: u32) {
        self.metrics.inferred(timings, batch_size);
    }

    fn server_used(&self, server_use: ServerUse, time: Duration) {
        self.metrics.server_used(server_use, time);
    }

    fn replaced(&self, before: &Active) {
        self.metrics.replaced(before);
    }
}

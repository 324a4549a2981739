//! Consumers: acknowledging, listing and forgetting.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;

use super::proto::{self, AcknowledgeVerdictsRequest};
use super::service::GrpcService;
use super::stream::StreamStart;
use super::{convert_status, fields, status};
use crate::access::Identity;
use crate::journal::Consumer;
use crate::pipeline::publisher::AcknowledgeError;
use crate::telemetry::traces::RemoteContext;

/// Longest wait of a stream until its consumer is recorded.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(1);

impl GrpcService {
    /// Acknowledges verdicts; returns the consumer.
    pub(super) async fn acknowledge(
        &self,
        client: &Identity,
        request: AcknowledgeVerdictsRequest,
        caller: Option<RemoteContext>,
    ) -> Result<proto::Consumer, Status> {
        let journal = self.journal()?;
        let name = fields::consumer(&request.consumer)?;
        let owner = self.own(name, client)?;
        let totals = self.pipeline.totals();
        if request.sequence > totals.sequence {
            return Err(status::not_assigned("sequence", request.sequence, totals));
        }
        let before = journal.consumers().remove(name);
        let before = before.map_or(0, |consumer| consumer.acknowledged);
        let durable = journal
            .acknowledge(name, request.sequence, owner)
            .map_err(|error| status::acknowledge(&error))?;
        let written = durable.await.map_err(|_| status::stopping())?;
        written.map_err(|error| status::acknowledge(&error))?;
        let at = self.clock.now().utc;
        self.traces
            .acknowledged(name, before, request.sequence, at, caller);
        // Another client may have had it forgotten in the meantime.
        let consumer = journal.consumers().remove(name);
        let consumer =
            consumer.ok_or_else(|| status::not_found("consumer", name, "is not known"))?;
        // The acknowledgement is recorded, whether or not the journal can be read.
        let lag = self.lag(&consumer).await.unwrap_or_default();
        Ok(self.consumer(name, &consumer, lag))
    }

    /// Checks that a client may use a consumer; returns the client that it belongs to.
    pub(super) fn own(&self, name: &str, client: &Identity) -> Result<Option<Arc<str>>, Status> {
        let journal = self.journal()?;
        let recorded = journal.consumers().remove(name);
        let recorded = recorded.and_then(|consumer| consumer.client);
        self.streams.own(name, client, recorded)
    }

    /// Records a consumer that opens its first stream, so that it keeps its client and its position after a restart. A disk
    /// that does not answer does not stop the stream: the consumer is then recorded by its next stream or its first
    /// acknowledgement.
    ///
    /// # Errors
    /// When there are too many consumers.
    pub(super) async fn register_consumer(
        &self,
        name: &str,
        start: StreamStart,
        owner: Option<Arc<str>>,
    ) -> Result<(), Status> {
        let journal = self.journal()?;
        let StreamStart::At(first) = start else {
            return Ok(());
        };
        if journal.consumers().contains_key(name) {
            return Ok(());
        }
        match journal.acknowledge(name, first.saturating_sub(1), owner) {
            Ok(durable) => {
                let _ = timeout(REGISTRATION_TIMEOUT, durable).await;
                Ok(())
            }
            Err(AcknowledgeError::Stalled) => Ok(()),
            Err(error) => Err(status::acknowledge(&error)),
        }
    }

    /// Forgets a consumer.
    pub(super) async fn forget(&self, name: &str) -> Result<(), Status> {
        let journal = self.journal()?;
        // A consumer that opened its stream while the journal could not be written is not in it yet.
        if !journal.consumers().contains_key(name) && !self.streams.disown(name) {
            return Err(status::not_found("consumer", name, "is not known"));
        }
        let durable = journal
            .forget(name)
            .map_err(|error| status::acknowledge(&error))?;
        let written = durable.await.map_err(|_| status::stopping())?;
        written.map_err(|error| status::journal(&error))?;
        self.streams.disown(name);
        Ok(())
    }

    /// Returns the consumers, by name.
    pub(super) async fn consumers(&self) -> Result<Vec<proto::Consumer>, Status> {
        let mut consumers = Vec::new();
        for (name, consumer) in self.journal()?.consumers() {
            let lag = self.lag(&consumer).await?;
            consumers.push(self.consumer(&name, &consumer, lag));
        }
        Ok(consumers)
    }

    /// The age of the oldest verdict that a consumer has not acknowledged; `None` if it has acknowledged all.
    async fn lag(&self, consumer: &Consumer) -> Result<Option<Duration>, Status> {
        let totals = self.pipeline.totals();
        let first = (consumer.acknowledged + 1).max(totals.oldest);
        if first > totals.sequence {
            return Ok(None);
        }
        let first = self
            .read(move |journal| journal.readers().get(first))
            .await?;
        let now = self.clock.now().utc;
        Ok(first.map(|first| now.duration_since(first.recorded).unwrap_or_default()))
    }

    fn consumer(&self, name: &str, consumer: &Consumer, lag: Option<Duration>) -> proto::Consumer {
        let connected = self.streams.is_connected(name);
        convert_status::consumer(name, consumer, self.pipeline.totals(), lag, connected)
    }
}

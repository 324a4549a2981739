//! Consumers: acknowledging, listing and forgetting.

use tonic::Status;

use super::journal_access::read;
use super::proto::{self, AcknowledgeVerdictsRequest};
use super::service::GrpcService;
use super::{convert_status, fields, status};
use crate::access::Identity;

impl GrpcService {
    /// Acknowledges verdicts; returns the consumer.
    pub(super) async fn acknowledge(
        &self,
        client: &Identity,
        request: AcknowledgeVerdictsRequest,
    ) -> Result<proto::Consumer, Status> {
        let journal = self.journal()?;
        let name = fields::consumer(&request.consumer)?;
        self.streams.own(name, client)?;
        let totals = self.pipeline.totals();
        if request.sequence > totals.sequence {
            return Err(status::not_assigned("sequence", request.sequence, totals));
        }
        let durable = journal
            .acknowledge(name, request.sequence)
            .map_err(|error| status::acknowledge(&error))?;
        let written = durable.await.map_err(|_| status::stopping())?;
        written.map_err(|error| status::journal(&error))?;
        let consumers = self.consumers().await?;
        let consumer = consumers.into_iter().find(|consumer| consumer.name == name);
        // Another client may have had it forgotten in the meantime.
        consumer.ok_or_else(|| status::not_found("consumer", name, "is not known"))
    }

    /// Forgets a consumer.
    pub(super) async fn forget(&self, name: &str) -> Result<(), Status> {
        let journal = self.journal()?;
        if !journal.consumers().contains_key(name) {
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
        let journal = self.journal()?;
        let mut consumers = Vec::new();
        for (name, consumer) in journal.consumers() {
            let totals = self.pipeline.totals();
            let first = (consumer.acknowledged + 1).max(totals.oldest);
            let waits_since = if first <= totals.sequence {
                let first =
                    read(&self.pipeline, move |journal| journal.readers().get(first)).await?;
                first.map(|verdict| verdict.recorded)
            } else {
                None
            };
            let now = self.clock.now().utc;
            let lag = waits_since.map(|since| now.duration_since(since).unwrap_or_default());
            let connected = self.streams.is_connected(&name);
            consumers.push(convert_status::consumer(
                &name, &consumer, totals, lag, connected,
            ));
        }
        Ok(consumers)
    }
}

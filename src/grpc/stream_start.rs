//! The beginning of a stream of verdicts.

use std::time::SystemTime;

use tonic::Status;

use super::proto::stream_verdicts_request::Start as StartField;
use super::service::GrpcService;
use super::stream::StreamStart;
use super::{fields, status};

impl GrpcService {
    /// Returns where a stream begins, and the consumer that it belongs to.
    pub(super) async fn stream_start(
        &self,
        start: Option<StartField>,
    ) -> Result<(StreamStart, Option<String>), Status> {
        let Some(start) = start else {
            return Ok((StreamStart::Now, None));
        };
        let journal = self.journal()?;
        let totals = self.pipeline.totals();
        let (sequence, name) = match start {
            StartField::FromSequence(0) => (totals.oldest, None),
            StartField::FromSequence(sequence) => (sequence, None),
            StartField::FromTime(from) => {
                let from = fields::time("from_time", Some(from))?;
                let from = from.unwrap_or(SystemTime::UNIX_EPOCH);
                (self.first_since(from, totals).await?, None)
            }
            StartField::Consumer(name) => {
                fields::consumer(&name)?;
                let known = journal.consumers();
                let known = known.get(&name);
                let next = known.map_or_else(
                    || totals.oldest_or_lost(),
                    |consumer| consumer.acknowledged + 1,
                );
                (next, Some(name))
            }
        };
        if sequence < totals.oldest && !totals.is_lost(sequence) {
            return Err(status::aged_out(sequence, totals));
        }
        if sequence > totals.sequence + 1 {
            return Err(status::not_assigned("from_sequence", sequence, totals));
        }
        Ok((StreamStart::At(sequence), name))
    }
}

//! What clients ask of the journal, and requests for inspections.

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use tonic::Status;

use super::inspection_service::blocking;
use super::proto::stream_verdicts_request::Start as StartField;
use super::proto::trigger_inspection_request::Target as TargetField;
use super::proto::{
    AcknowledgeVerdictsRequest, GetEvidenceResponse, ListVerdictsRequest, ListVerdictsResponse,
    SortOrder, TriggerInspectionRequest, TriggerInspectionResponse,
};
use super::recipe_service::recipe_id;
use super::stream::Start;
use super::{Services, convert, proto, status};
use crate::control::actor::Actor;
use crate::journal::{Filter, Order, Page};
use crate::pipeline::publisher::{Journal, Totals};
use crate::pipeline::{CLIENT_DATA_LIMIT, Line, NAME_LIMIT, Target, Trigger};
use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;

/// Verdicts of a page that asks for no number.
const PAGE_SIZE: usize = 100;

/// Verdicts of a page at most.
const PAGE_SIZE_LIMIT: usize = 1000;

/// Cameras that one request may name: each has a search of its own.
const CAMERA_LIMIT: usize = 64;

/// The decisions that a request names.
pub(super) fn decisions(values: Vec<i32>) -> Result<Vec<Decision>, Status> {
    let decision = |value: i32| {
        convert::decision_of(value).ok_or_else(|| {
            status::invalid("decisions", format!("{value} is no decision (1 to 4 are)"))
        })
    };
    let mut decisions: Vec<Decision> =
        values.into_iter().map(decision).collect::<Result<_, _>>()?;
    decisions.sort_unstable_by_key(|decision| decision.name());
    decisions.dedup();
    Ok(decisions)
}

pub(super) fn cameras(ids: &[String]) -> Result<Vec<CameraId>, Status> {
    if ids.len() > CAMERA_LIMIT {
        let message = format!("{} ids, at most {CAMERA_LIMIT} are allowed", ids.len());
        return Err(status::invalid("camera_ids", message));
    }
    let camera = |id: &String| {
        CameraId::from_str(id).map_err(|error| status::invalid("camera_ids", error.to_string()))
    };
    ids.iter().map(camera).collect()
}

pub(super) fn time(
    field: &str,
    time: Option<prost_types::Timestamp>,
) -> Result<Option<SystemTime>, Status> {
    let Some(time) = time else { return Ok(None) };
    SystemTime::try_from(time)
        .map(Some)
        .map_err(|error| status::invalid(field, error.to_string()))
}

/// A consumer's name: as a camera's.
fn consumer(name: &str) -> Result<&str, Status> {
    match CameraId::from_str(name) {
        Ok(_) => Ok(name),
        Err(_) => Err(status::invalid(
            "consumer",
            format!("{name:?} must be 1 to 64 of a-z, 0-9, '-' and '_'"),
        )),
    }
}

/// Reads the journal where reading may wait for the disk.
pub(super) async fn read<T: Send + 'static>(
    line: &Arc<Line>,
    read: impl FnOnce(&Journal) -> Result<T, crate::journal::JournalError> + Send + 'static,
) -> Result<T, Status> {
    let line = Arc::clone(line);
    blocking(move || match line.journal() {
        Some(journal) => read(journal).map_err(|error| status::journal(&error)),
        None => Err(status::no_journal()),
    })
    .await?
}

impl Services {
    pub(super) fn journal(&self) -> Result<&Journal, Status> {
        let journal = self.line.journal().ok_or_else(status::no_journal)?;
        // What it holds is not known: a consumer would be taken for a new one.
        if !journal.was_opened() {
            return Err(status::journal(&"the journal could not be opened yet"));
        }
        Ok(journal)
    }

    /// Where a stream begins, and whose it is.
    pub(super) async fn start(
        &self,
        start: Option<StartField>,
    ) -> Result<(Start, Option<String>), Status> {
        let Some(start) = start else {
            return Ok((Start::Now, None));
        };
        let journal = self.journal()?;
        let totals = self.line.totals();
        let (sequence, name) = match start {
            StartField::FromSequence(0) => (totals.oldest, None),
            StartField::FromSequence(sequence) => (sequence, None),
            StartField::FromTime(from) => {
                let from = time("from_time", Some(from))?.unwrap_or(SystemTime::UNIX_EPOCH);
                let first = read(&self.line, move |journal| {
                    journal.readers().first_since(from)
                });
                (first.await?.unwrap_or(totals.sequence + 1), None)
            }
            StartField::Consumer(name) => {
                consumer(&name)?;
                let known = journal.consumers().get(&name).copied();
                let next = known.map_or(totals.oldest, |consumer| consumer.acknowledged + 1);
                (next, Some(name))
            }
        };
        if sequence < totals.oldest {
            return Err(status::aged_out(sequence, totals));
        }
        if sequence > totals.sequence + 1 {
            return Err(status::not_made("from_sequence", sequence, totals));
        }
        Ok((Start::At(sequence), name))
    }

    /// Acknowledges.
    pub(super) async fn acknowledge(
        &self,
        request: AcknowledgeVerdictsRequest,
    ) -> Result<proto::Consumer, Status> {
        let journal = self.journal()?;
        let name = consumer(&request.consumer)?;
        let totals = self.line.totals();
        if request.sequence > totals.sequence {
            return Err(status::not_made("sequence", request.sequence, totals));
        }
        let durable = journal
            .acknowledge(name, request.sequence)
            .map_err(|error| status::acknowledge(&error))?;
        let written = durable.await.map_err(|_| status::stopping())?;
        written.map_err(|error| status::journal(&error))?;
        let consumers = self.consumers().await?;
        let consumer = consumers.into_iter().find(|consumer| consumer.name == name);
        // Somebody may have had it forgotten in the meantime.
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
        written.map_err(|error| status::journal(&error))
    }

    /// The consumers, by name.
    pub(super) async fn consumers(&self) -> Result<Vec<proto::Consumer>, Status> {
        let journal = self.journal()?;
        let mut consumers = Vec::new();
        for (name, consumer) in journal.consumers() {
            let totals = self.line.totals();
            let first = (consumer.acknowledged + 1).max(totals.oldest);
            let waits_since = if first <= totals.sequence {
                let first = read(&self.line, move |journal| journal.readers().get(first)).await?;
                first.map(|verdict| verdict.recorded)
            } else {
                None
            };
            let connected = self.streams.is_connected(&name);
            consumers.push(convert::consumer(
                &name,
                &consumer,
                totals,
                waits_since,
                connected,
            ));
        }
        Ok(consumers)
    }

    /// A page.
    pub(super) async fn list(
        &self,
        request: ListVerdictsRequest,
    ) -> Result<ListVerdictsResponse, Status> {
        self.journal()?;
        let totals = self.line.totals();
        let mut page = self.page(&request, totals).await?;
        let limit = page.limit;
        // One more tells whether there is another page.
        page.limit += 1;
        let mut verdicts = read(&self.line, move |journal| journal.readers().page(&page)).await?;
        let more = verdicts.len() > limit;
        verdicts.truncate(limit);
        let last = verdicts.last().filter(|_| more);
        Ok(ListVerdictsResponse {
            next_page_token: last.map_or_else(String::new, |last| last.sequence.to_string()),
            verdicts: verdicts.iter().map(convert::verdict).collect(),
            // As of now: whoever misses something in a page sees that it has aged out.
            oldest_sequence: self.line.totals().oldest,
            newest_sequence: totals.sequence,
        })
    }

    async fn page(&self, request: &ListVerdictsRequest, totals: Totals) -> Result<Page, Status> {
        let filter = Filter {
            cameras: cameras(&request.camera_ids)?,
            decisions: decisions(request.decisions.clone())?,
            part_id: Some(request.part_id.clone()).filter(|part| !part.is_empty()),
        };
        let limit = match request.page_size as usize {
            0 => PAGE_SIZE,
            size if size <= PAGE_SIZE_LIMIT => size,
            size => {
                let message = format!("{size} must be at most {PAGE_SIZE_LIMIT}");
                return Err(status::invalid("page_size", message));
            }
        };
        let order = match SortOrder::try_from(request.order) {
            Ok(SortOrder::Unspecified | SortOrder::NewestFirst) => Order::Descending,
            Ok(SortOrder::OldestFirst) => Order::Ascending,
            Err(_) => return Err(status::invalid("order", "must be one of SortOrder")),
        };
        let mut from = request.from_sequence;
        let mut to = totals.sequence;
        if let Some(since) = time("from_time", request.from_time)? {
            from = from.max(self.first_since(since, totals).await?);
        }
        if let Some(before) = time("to_time", request.to_time)? {
            to = to.min(self.first_since(before, totals).await?.saturating_sub(1));
        }
        if !request.page_token.is_empty() {
            let last: u64 = request
                .page_token
                .parse()
                .map_err(|_| status::invalid("page_token", "must come from an answer"))?;
            match order {
                Order::Ascending => from = from.max(last.saturating_add(1)),
                Order::Descending => to = to.min(last.saturating_sub(1)),
            }
        }
        Ok(Page {
            filter,
            from,
            to,
            order,
            limit,
        })
    }

    pub(super) async fn first_since(
        &self,
        time: SystemTime,
        totals: Totals,
    ) -> Result<u64, Status> {
        let first = read(&self.line, move |journal| {
            journal.readers().first_since(time)
        })
        .await?;
        Ok(first.unwrap_or(totals.sequence + 1))
    }

    /// Evidence from the disk.
    pub(super) async fn shelved(&self, sequence: u64) -> Result<GetEvidenceResponse, Status> {
        let gone = || {
            status::not_found(
                "verdict",
                &sequence.to_string(),
                "has no evidence: it has no frame, was not kept or is no longer, or is not made yet",
            )
        };
        if self.line.disk_store().is_none() {
            return Err(gone());
        }
        let verdict = read(&self.line, move |journal| journal.readers().get(sequence)).await?;
        let verdict = verdict.ok_or_else(gone)?;
        let line = Arc::clone(&self.line);
        let kept = blocking(move || {
            line.disk_store()
                .map(|disk_store| disk_store.read(sequence))
        })
        .await?;
        let kept = kept.transpose().map_err(|error| {
            Status::internal(format!("evidence of verdict {sequence}: {error}"))
        })?;
        let kept = kept.flatten().ok_or_else(gone)?;
        Ok(GetEvidenceResponse {
            verdict: Some(convert::verdict(&verdict)),
            frame: kept.frame,
            heatmap: kept.heatmap.unwrap_or_default(),
        })
    }

    /// Has something inspected.
    pub(super) async fn trigger(
        &self,
        actor: Actor,
        request: TriggerInspectionRequest,
    ) -> Result<TriggerInspectionResponse, Status> {
        let wait = request.wait;
        let recipe = match request.recipe_id.as_str() {
            "" => None,
            id => Some(recipe_id("recipe_id", id)?),
        };
        let trigger = parse_trigger(request)?;
        let line = Arc::clone(&self.line);
        let control = Arc::clone(&self.control);
        let accepted = blocking(move || {
            // A request that is made again changes nothing again.
            if let Some(accepted) = line.known(&trigger)? {
                return Ok(Ok(accepted));
            }
            if let Some(recipe) = &recipe
                && let Err(error) = control.use_prepared(&actor, recipe)
            {
                return Ok(Err(error));
            }
            line.trigger(&trigger).map(Ok)
        });
        let accepted = accepted.await?.map_err(|error| status::trigger(&error))?;
        let mut accepted = accepted.map_err(|error| status::change(&error))?;
        if wait {
            // Its sender is gone before there is a verdict only where the line has ended.
            let made = accepted.verdict.wait_for(Option::is_some).await;
            made.map_err(|_| status::stopping())?;
        }
        Ok(TriggerInspectionResponse {
            trigger_id: accepted.trigger.to_string(),
            repeated: accepted.repeated,
            verdict: accepted.now().map(|verdict| convert::verdict(&verdict)),
        })
    }
}

fn parse_trigger(request: TriggerInspectionRequest) -> Result<Trigger, Status> {
    let target = match request.target {
        None => return Err(status::invalid("target", "must be set")),
        Some(TargetField::CameraId(id)) => CameraId::from_str(&id)
            .map(Target::Camera)
            .map_err(|error| status::invalid("camera_id", error.to_string()))?,
        Some(TargetField::GroupId(group)) => Target::Group(group),
    };
    let bounded = |field: &str, length: usize, limit: usize| {
        if length <= limit {
            return Ok(());
        }
        let message = format!("{length} bytes, at most {limit} are allowed");
        Err(status::invalid(field, message))
    };
    bounded("part_id", request.part_id.len(), NAME_LIMIT)?;
    bounded("client_data", request.client_data.len(), CLIENT_DATA_LIMIT)?;
    bounded("idempotency_key", request.idempotency_key.len(), NAME_LIMIT)?;
    Ok(Trigger {
        target,
        part_id: request.part_id,
        client_data: request.client_data,
        idempotency_key: request.idempotency_key,
    })
}

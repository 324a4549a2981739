//! A replay: a stream that reads the journal page by page, as fast as its client reads it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use futures_util::stream::{Stream, unfold};
use prost_types::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::super::proto::replay_verdicts_request::Recipe as RecipeField;
use super::super::proto::replay_verdicts_response::Event;
use super::super::proto::{
    InlineRecipe, ReplayProgress, ReplayVerdictsRequest, ReplayVerdictsResponse,
};
use super::super::{Services, inspection_service, journal, status};
use super::convert;
use crate::journal::{Filter, JournalError, Order, Page};
use crate::pipeline::Line;
use crate::recipe::{self, Recipe, RecipeError};
use crate::tuning::Configured;
use crate::tuning::replay::Replay;
use inspectd_core::bundle::Bundle;
use inspectd_core::id::RecipeId;
use inspectd_core::record::{ModelId, RecipeTag};

/// Verdicts that are read and judged at a time. All that changes in them is held until the client takes
/// it.
const PAGE: usize = 100;

/// A replay under way.
pub(super) struct ReplayStream {
    line: Arc<Line>,
    /// Away while a page is judged.
    replay: Option<Box<Replay>>,
    filter: Filter,
    range: RangeInclusive<u64>,
    next: u64,
    recipe: RecipeTag,
    model: ModelId,
    ready: VecDeque<Event>,
    ended: bool,
    ending: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Services {
    /// Begins a replay.
    pub(super) async fn replay(
        &self,
        request: ReplayVerdictsRequest,
        permit: OwnedSemaphorePermit,
    ) -> Result<ReplayStream, Status> {
        let ReplayVerdictsRequest {
            recipe,
            loaded_model,
            camera_ids,
            from_time,
            to_time,
        } = request;
        self.journal()?;
        let cameras = journal::cameras(&camera_ids)?;
        let recipe = match recipe {
            None => return Err(status::invalid("recipe", "must be set")),
            Some(RecipeField::RecipeId(id)) => {
                let (control, id) = (Arc::clone(&self.control), id_of("recipe_id", &id)?);
                let recipe = inspection_service::blocking(move || control.recipe(&id)).await?;
                recipe.map_err(|error| status::change(&error))?
            }
            Some(RecipeField::Inline(inline)) => {
                inspection_service::blocking(move || inline_recipe(&inline)).await??
            }
        };
        let active = self.line.active();
        let (model, threshold) = if loaded_model {
            (active.model.id.clone(), active.model.threshold)
        } else {
            let folder = recipe.bundle.clone();
            inspection_service::blocking(move || model_of(&folder)).await??
        };
        let range = self.range(from_time, to_time).await?;
        let configured = Configured::new(&active.settings, threshold);
        Ok(ReplayStream {
            line: Arc::clone(&self.line),
            recipe: RecipeTag {
                id: recipe.id.to_string(),
                version: recipe.version.clone(),
                sha256: recipe.hash.clone(),
            },
            replay: Some(Box::new(Replay::new(
                recipe,
                model.sha256.clone(),
                configured,
            ))),
            filter: Filter {
                cameras,
                ..Filter::default()
            },
            next: *range.start(),
            range,
            model,
            ready: VecDeque::new(),
            ended: false,
            ending: self.stage.streams_end(),
            _permit: permit,
        })
    }

    /// The sequences that were journalled at or after a time and before another one, and are kept.
    pub(super) async fn range(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<RangeInclusive<u64>, Status> {
        let totals = self.line.totals();
        let (mut first, mut last) = (totals.oldest, totals.sequence);
        if let Some(since) = journal::time("from_time", from)? {
            first = first.max(self.first_since(since, totals).await?);
        }
        if let Some(before) = journal::time("to_time", to)? {
            last = last.min(self.first_since(before, totals).await?.saturating_sub(1));
        }
        Ok(first..=last)
    }
}

fn id_of(field: &str, text: &str) -> Result<RecipeId, Status> {
    text.parse()
        .map_err(|error: inspectd_core::id::RecipeIdError| {
            status::invalid(field, error.to_string())
        })
}

/// The client's recipe, or all of its faults.
fn inline_recipe(inline: &InlineRecipe) -> Result<Recipe, Status> {
    let id = id_of("inline.id", &inline.id)?;
    let folder = match inline.folder.as_str() {
        "" => Path::new("/"),
        folder => Path::new(folder),
    };
    if !folder.is_absolute() {
        let text = format!("{:?} must be an absolute path", inline.folder);
        return Err(status::invalid("inline.folder", text));
    }
    let file = folder.join(format!("{id}.toml"));
    recipe::parse(&id, &file, &inline.toml).map_err(|error| invalid(&error))
}

/// Every fault is a violation of its own.
fn invalid(error: &RecipeError) -> Status {
    let text = error.to_string();
    let violation = |line: &str| FieldViolation::new("inline.toml", line);
    let details = ErrorDetails::with_bad_request(text.lines().map(violation).collect::<Vec<_>>());
    let message = "inline.toml: the recipe is not valid";
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// The model of a recipe's bundle, and the threshold that it suggests.
fn model_of(folder: &Path) -> Result<(ModelId, f32), Status> {
    let bundle = Bundle::open(folder)
        .map_err(|error| Status::failed_precondition(format!("the recipe's bundle: {error}")))?;
    let manifest = bundle.manifest();
    let model = ModelId {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        sha256: manifest.graph.sha256.clone(),
    };
    Ok((model, manifest.threshold.value))
}

impl ReplayStream {
    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<ReplayVerdictsResponse, Status>> + Send + 'static {
        unfold(self, |mut stream| async move {
            let event = stream.next().await?;
            let item = event.map(|event| ReplayVerdictsResponse { event: Some(event) });
            stream.ended |= item.is_err();
            Some((item, stream))
        })
    }

    async fn next(&mut self) -> Option<Result<Event, Status>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            let mut ending = self.ending.clone();
            let page = tokio::select! {
                page = self.page() => page,
                _ = ending.wait_for(|&ending| ending) => Err(status::stopping()),
            };
            if let Err(status) = page {
                return Some(Err(status));
            }
        }
    }

    /// Judges the next page, where waiting for the disk is allowed.
    async fn page(&mut self) -> Result<(), Status> {
        // It does not come back from a page that failed, and the stream ends then.
        let Some(replay) = self.replay.take() else {
            self.ended = true;
            return Ok(());
        };
        let page = Page {
            filter: self.filter.clone(),
            from: self.next,
            to: *self.range.end(),
            order: Order::Ascending,
            limit: PAGE,
        };
        let line = Arc::clone(&self.line);
        let judged = inspection_service::blocking(move || judge(&line, replay, &page)).await?;
        let judged = judged.map_err(|error| status::journal(&error))?;
        self.ready.extend(judged.changes);
        self.next = judged.last.map_or(u64::MAX, |last| last + 1);
        let verdicts = judged.replay.summary().verdicts;
        let last = *self.range.end();
        self.ready.push_back(Event::Progress(ReplayProgress {
            verdicts,
            first_sequence: *self.range.start(),
            last_sequence: last,
            at_sequence: judged.last.unwrap_or(last),
        }));
        if self.next > last {
            self.ended = true;
            let summary = convert::summary(judged.replay.summary(), &self.recipe, &self.model);
            self.ready.push_back(Event::Summary(summary));
        }
        self.replay = Some(judged.replay);
        Ok(())
    }
}

/// What became of a page.
struct Judged {
    replay: Box<Replay>,
    changes: Vec<Event>,
    /// The last sequence that was read; nothing if there is no more.
    last: Option<u64>,
}

fn judge(line: &Line, mut replay: Box<Replay>, page: &Page) -> Result<Judged, JournalError> {
    let verdicts = match line.journal() {
        Some(journal) if page.from <= page.to => journal.readers().page(page)?,
        Some(_) | None => Vec::new(),
    };
    let mut changes = Vec::new();
    for verdict in &verdicts {
        let map = || match line.disk_store() {
            Some(disk_store) if verdict.evidence => disk_store.map(verdict.sequence),
            Some(_) | None => Ok(None),
        };
        if let Some(change) = replay.apply(verdict, map) {
            changes.push(Event::Change(convert::change(verdict, &change)));
        }
    }
    // A page that is not full is the last one.
    let last = verdicts.last().filter(|_| verdicts.len() == page.limit);
    Ok(Judged {
        last: last.map(|last| last.sequence),
        replay,
        changes,
    })
}

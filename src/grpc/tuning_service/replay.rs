//! A replay: a stream that reads the journal page by page, at the rate of its client.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use futures_util::stream::{Stream, unfold};
use inspectd_core::bundle::Bundle;
use inspectd_core::maps::MapSize;
use inspectd_core::precision::Precision;
use inspectd_core::record::{ModelId, RecipeTag, Verdict};
use prost_types::Timestamp;
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::convert;
use crate::grpc::blocking::{blocking, blocking_with};
use crate::grpc::proto::replay_verdicts_request::Recipe as RecipeField;
use crate::grpc::proto::replay_verdicts_response::Event;
use crate::grpc::proto::{
    InlineRecipe, ReplayProgress, ReplayVerdictsRequest, ReplayVerdictsResponse,
};
use crate::grpc::service::{GrpcService, TuningPermit};
use crate::grpc::{fields, status};
use crate::journal::{Filter, Order, Page};
use crate::pipeline::Pipeline;
use crate::recipe::PlanBuilder;
use crate::recipe::{self, Recipe, RecipeError};
use crate::tuning::replay::Replay;

/// Number of verdicts read and judged at a time. Their changes are held until the client has read them.
const PAGE_SIZE: usize = 100;

/// A replay in progress.
pub(super) struct ReplayStream {
    service: GrpcService,
    /// None while a page is judged.
    replay: Option<Box<Replay>>,
    filter: Filter,
    range: RangeInclusive<u64>,
    next: u64,
    recipe: RecipeTag,
    model: ModelId,
    ready: VecDeque<Event>,
    ended: bool,
    ending: watch::Receiver<bool>,
    permit: Arc<TuningPermit>,
}

impl GrpcService {
    /// Starts a replay.
    pub(super) async fn replay(
        &self,
        request: ReplayVerdictsRequest,
        permit: TuningPermit,
    ) -> Result<ReplayStream, Status> {
        let ReplayVerdictsRequest {
            recipe,
            loaded_model,
            camera_ids,
            from_time,
            to_time,
        } = request;
        self.journal()?;
        let cameras = fields::camera_ids(&camera_ids)?;
        let recipe = match recipe {
            None => return Err(status::invalid("recipe", "must be set")),
            Some(RecipeField::RecipeId(id)) => {
                let (control, id) = (
                    Arc::clone(&self.control),
                    fields::recipe_id("recipe_id", &id)?,
                );
                let recipe = blocking(move || control.recipe(&id)).await?;
                recipe.map_err(|error| status::change(&error))?
            }
            Some(RecipeField::Inline(inline)) => blocking(move || inline_recipe(&inline)).await??,
        };
        let active = self.pipeline.active();
        let (model, threshold, maps) = if loaded_model {
            let model = &active.model;
            (model.id.clone(), model.threshold, model.map_size)
        } else {
            let folder = recipe.bundle.clone();
            let precisions = active.settings.engine.graph_precisions();
            blocking(move || read_model(&folder, precisions)).await??
        };
        let range = self.range(from_time, to_time).await?;
        let configured = PlanBuilder::new(&active.settings, threshold);
        configured
            .check_inspected(&recipe, maps)
            .map_err(|error| status::invalid("recipe", error.to_string()))?;
        Ok(ReplayStream {
            service: self.clone(),
            recipe: recipe.tag(),
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
            ending: self.lifecycle.streams_ending(),
            permit: Arc::new(permit),
        })
    }

    /// Returns the kept sequences that were journalled from one time until before another.
    pub(in crate::grpc) async fn range(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<RangeInclusive<u64>, Status> {
        let totals = self.pipeline.totals();
        let (mut first, mut last) = (totals.oldest, totals.sequence);
        if let Some(since) = fields::time("from_time", from)? {
            first = first.max(self.first_since(since, totals).await?);
        }
        if let Some(before) = fields::time("to_time", to)? {
            last = last.min(self.first_since(before, totals).await?.saturating_sub(1));
        }
        Ok(first..=last)
    }
}

/// Parses the client's recipe; the error contains all of its faults.
fn inline_recipe(inline: &InlineRecipe) -> Result<Recipe, Status> {
    let id = fields::recipe_id("inline.id", &inline.id)?;
    let folder = match inline.folder.as_str() {
        "" => Path::new("/"),
        folder => Path::new(folder),
    };
    if !folder.is_absolute() {
        let text = format!("{:?} must be an absolute path", inline.folder);
        return Err(status::invalid("inline.folder", text));
    }
    let file = folder.join(format!("{id}.toml"));
    recipe::parse(&id, &file, &inline.toml).map_err(|error| invalid_recipe(&error))
}

/// Each fault is a violation of its own.
fn invalid_recipe(error: &RecipeError) -> Status {
    let text = error.to_string();
    let violation = |line: &str| FieldViolation::new("inline.toml", line);
    let details = ErrorDetails::with_bad_request(text.lines().map(violation).collect::<Vec<_>>());
    let message = "inline.toml: the recipe is not valid";
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Reads the model of a recipe's bundle, with its suggested threshold and the size of its maps.
fn read_model(folder: &Path, precisions: &[Precision]) -> Result<(ModelId, f32, MapSize), Status> {
    let bundle = Bundle::open_in(folder, precisions)
        .map_err(|error| Status::failed_precondition(format!("the recipe's bundle: {error}")))?;
    let manifest = bundle.manifest();
    Ok((
        manifest.model_id(),
        manifest.threshold.value,
        manifest.map_size(),
    ))
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

    /// Judges the next page, on a thread that may wait for the disk.
    async fn page(&mut self) -> Result<(), Status> {
        // It is missing after a page that failed; the stream ends then.
        let Some(replay) = self.replay.take() else {
            self.ended = true;
            return Ok(());
        };
        let page = Page {
            filter: self.filter.clone(),
            from: self.next,
            to: *self.range.end(),
            order: Order::Ascending,
            limit: PAGE_SIZE,
        };
        let verdicts = if page.from <= page.to {
            self.service.read_page(page).await?
        } else {
            Vec::new()
        };
        let pipeline = Arc::clone(&self.service.pipeline);
        let judge = move || judge(&pipeline, replay, &verdicts);
        let judged = blocking_with(Arc::clone(&self.permit), judge).await?;
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

/// The result of judging a page.
struct JudgedPage {
    replay: Box<Replay>,
    changes: Vec<Event>,
    /// The last sequence that was read; none if it was the last page.
    last: Option<u64>,
}

fn judge(pipeline: &Pipeline, mut replay: Box<Replay>, verdicts: &[Verdict]) -> JudgedPage {
    let mut changes = Vec::new();
    for verdict in verdicts {
        let map = || match pipeline.disk_store() {
            Some(disk_store) if verdict.evidence => disk_store.map(verdict.sequence),
            Some(_) | None => Ok(None),
        };
        if let Some(change) = replay.apply(verdict, map) {
            changes.push(Event::Change(convert::change(verdict, &change)));
        }
    }
    // A page that is not full is the last one.
    let last = verdicts.last().filter(|_| verdicts.len() == PAGE_SIZE);
    JudgedPage {
        last: last.map(|last| last.sequence),
        replay,
        changes,
    }
}

//! Evaluation of thresholds: reads the verdicts that a request selects, with their labels.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use tonic::Status;

use super::convert;
use crate::control::threshold::applied;
use crate::grpc::blocking::blocking_with;
use crate::grpc::proto::{self, EvaluateThresholdsRequest, EvaluateThresholdsResponse};
use crate::grpc::service::{GrpcService, TuningPermit};
use crate::grpc::{convert as common, fields, status};
use crate::journal::{Filter, LabelKind, Order, Page};
use crate::pipeline::Active;
use crate::tuning::evaluate::{StoredScores, evaluate};

/// Default number of verdicts.
const VERDICT_DEFAULT: usize = 2000;

/// Maximum number of verdicts.
const VERDICT_LIMIT: usize = 100_000;

/// Maximum number of earlier verdicts that count by their label.
const EARLIER_LIMIT: usize = 5000;

/// Number of verdicts read at a time.
const PAGE_SIZE: usize = 500;

/// Maximum number of requested thresholds.
const THRESHOLD_LIMIT: usize = 64;

/// A parsed request.
struct ParsedRequest {
    camera: Option<CameraId>,
    region: Option<String>,
    limit: usize,
    filter: Filter,
    model: String,
}

impl GrpcService {
    /// Evaluates thresholds.
    pub(super) async fn evaluate(
        &self,
        request: &EvaluateThresholdsRequest,
        permit: TuningPermit,
    ) -> Result<EvaluateThresholdsResponse, Status> {
        self.journal()?;
        let active = self.pipeline.active();
        let parsed = self.parse_evaluation(request, &active)?;
        let (camera, region) = (parsed.camera.as_ref(), parsed.region.as_deref());
        let present = applied(&active, camera, region);
        let present = present.map_err(|error| status::change(&error))?;
        let place = self.control.threshold_place(camera, region);
        let place = place.map_err(|error| status::change(&error))?;
        let range = self.range(request.from_time, request.to_time).await?;
        let (stored, mut counts) = self.stored_scores(&parsed, range).await?;
        let sorted = &active.model.manifest.scores.sorted;
        let calibration = region
            .is_none()
            .then(|| sorted.iter().copied().map(f64::from).collect::<Vec<_>>());
        counts.pass = stored.count(Decision::Pass);
        counts.review = stored.count(Decision::Review);
        counts.reject = stored.count(Decision::Reject);
        counts.other_model = stored.other_model;
        counts.without_score = stored.without_score;
        let further = request.thresholds.clone();
        let evaluated = blocking_with(permit, move || {
            evaluate(&stored, calibration.as_deref(), present, &further)
        });
        let evaluated = evaluated.await?;
        Ok(EvaluateThresholdsResponse {
            model: Some(common::model(&active.model.id)),
            present_threshold: common::decimal(present.reject_above),
            review_from: present.review_from.map(common::decimal),
            place: Some(convert::place(&place)),
            journal: Some(counts),
            histogram: evaluated.histogram.iter().map(convert::bin).collect(),
            trend: evaluated.trend.iter().map(convert::trend).collect(),
            outcomes: evaluated.outcomes.iter().map(convert::outcome).collect(),
        })
    }

    fn parse_evaluation(
        &self,
        request: &EvaluateThresholdsRequest,
        active: &Active,
    ) -> Result<ParsedRequest, Status> {
        let camera = match request.camera_id.as_str() {
            "" => None,
            id => Some(self.configured_camera("camera_id", id)?),
        };
        let recipe = match request.recipe_id.as_str() {
            "" => None,
            id => Some(fields::recipe_id("recipe_id", id)?),
        };
        let thresholds = &request.thresholds;
        if thresholds.len() > THRESHOLD_LIMIT || thresholds.iter().any(|one| !one.is_finite()) {
            let text = format!("must be at most {THRESHOLD_LIMIT} finite numbers");
            return Err(status::invalid("thresholds", text));
        }
        Ok(ParsedRequest {
            filter: Filter {
                cameras: camera.iter().cloned().collect(),
                recipe,
                ..Filter::default()
            },
            camera,
            region: Some(request.region.clone()).filter(|region| !region.is_empty()),
            limit: fields::page_size("limit", request.limit, VERDICT_DEFAULT, VERDICT_LIMIT)?,
            model: active.model.id.sha256.clone(),
        })
    }

    /// Reads the scores, newest first, page by page, and then the labelled verdicts before them. The call ends if its
    /// client disconnects.
    async fn stored_scores(
        &self,
        parsed: &ParsedRequest,
        range: RangeInclusive<u64>,
    ) -> Result<(StoredScores, proto::JournalScores), Status> {
        let mut scores = StoredScores::default();
        let mut counts = proto::JournalScores::default();
        let (from, mut to) = (*range.start(), *range.end());
        let mut left = parsed.limit;
        while left > 0 && from <= to {
            let page = Page {
                filter: parsed.filter.clone(),
                from,
                to,
                order: Order::Descending,
                limit: PAGE_SIZE,
            };
            let verdicts = self.read_page(page).await?;
            let (Some(first), Some(last)) = (verdicts.first(), verdicts.last()) else {
                break;
            };
            let labels = self.label_kinds(last.sequence..=first.sequence).await?;
            to = last.sequence.saturating_sub(1);
            for verdict in verdicts.iter().take(left) {
                counts.oldest_time = Some(verdict.recorded.into());
                counts.looked_at += 1;
                left -= 1;
                let label = labels.get(&verdict.sequence).copied();
                scores.add(verdict, label, &parsed.model, parsed.region.as_deref());
                to = verdict.sequence.saturating_sub(1);
            }
        }
        self.add_earlier(parsed, from..=to, &mut scores).await?;
        Ok((scores, counts))
    }

    /// Adds the newest labelled verdicts of a range.
    async fn add_earlier(
        &self,
        parsed: &ParsedRequest,
        range: RangeInclusive<u64>,
        scores: &mut StoredScores,
    ) -> Result<(), Status> {
        if range.is_empty() {
            return Ok(());
        }
        let (from, to) = range.into_inner();
        let labels =
            self.read(move |journal| journal.readers().newest_labels(from, to, EARLIER_LIMIT));
        let labels = labels.await?;
        for page in labels.chunks(PAGE_SIZE) {
            let sequences: Vec<u64> = page.iter().map(|(sequence, _)| *sequence).collect();
            let read = self.read(move |journal| journal.readers().get_all(&sequences));
            for (verdict, (_, label)) in read.await?.iter().zip(page) {
                let matching = verdict
                    .as_ref()
                    .filter(|verdict| parsed.filter.matches(verdict));
                if let Some(verdict) = matching {
                    let region = parsed.region.as_deref();
                    scores.add_earlier(verdict, label.kind, &parsed.model, region);
                }
            }
        }
        Ok(())
    }

    /// The labels of a range of verdicts, by sequence.
    async fn label_kinds(
        &self,
        range: RangeInclusive<u64>,
    ) -> Result<HashMap<u64, LabelKind>, Status> {
        let (from, to) = range.into_inner();
        let labels = self.read(move |journal| journal.readers().labels(from, to, usize::MAX));
        let labels = labels.await?.into_iter();
        Ok(labels
            .map(|(sequence, label)| (sequence, label.kind))
            .collect())
    }
}

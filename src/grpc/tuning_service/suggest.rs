//! Threshold suggestions: reads the scores that a request selects, and evaluates them.

use std::sync::Arc;

use inspectd_core::id::CameraId;
use tonic::{Code, Status};

use super::convert;
use crate::control::threshold::applied;
use crate::grpc::blocking::blocking_with;
use crate::grpc::proto::{self, ScoreSource, SuggestThresholdRequest, SuggestThresholdResponse};
use crate::grpc::service::{GrpcService, TuningPermit};
use crate::grpc::{convert as common, status};
use crate::journal::{Filter, Order, Page};
use crate::pipeline::Active;
use crate::tuning::suggest::{JournalScores, Question, Scores, SuggestError, suggest};

/// Default number of verdicts that are read.
const VERDICT_DEFAULT: u32 = 100_000;

/// Maximum number of verdicts that are read: their scores are held in memory.
const VERDICT_LIMIT: u32 = 1_000_000;

/// Number of verdicts read at a time.
const PAGE_SIZE: usize = 500;

/// A parsed request.
struct ParsedRequest {
    camera: Option<CameraId>,
    region: Option<String>,
    calibration: bool,
    journal: bool,
    limit: usize,
}

impl GrpcService {
    /// Suggests thresholds.
    pub(super) async fn suggest(
        &self,
        request: &SuggestThresholdRequest,
        permit: TuningPermit,
    ) -> Result<SuggestThresholdResponse, Status> {
        let rate = request.false_reject_rate;
        if !(rate > 0.0 && rate < 1.0) {
            let error = SuggestError::Rate(rate);
            return Err(status::invalid("false_reject_rate", error.to_string()));
        }
        let parsed = self.parse(request)?;
        let active = self.pipeline.active();
        let (camera, region) = (parsed.camera.as_ref(), parsed.region.as_deref());
        let present = applied(&active, camera, region);
        let present = present
            .map_err(|error| status::change(&error))?
            .reject_above;
        let (stored, counts) = if parsed.journal {
            let (stored, counts) = self.journal_scores(request, &parsed, &active).await?;
            (Some(stored), Some(counts))
        } else {
            (None, None)
        };
        let sorted = &active.model.manifest.scores.sorted;
        let calibration: Option<Vec<f64>> = parsed
            .calibration
            .then(|| sorted.iter().copied().map(f64::from).collect());
        let question = Question {
            false_reject_rate: rate,
            include_review: request.include_review,
            present: f64::from(present),
        };
        // Sorting a million scores takes a while.
        let suggested = blocking_with(permit, move || {
            let scores = Scores {
                calibration: calibration.as_deref(),
                journal: stored.as_ref(),
            };
            suggest(scores, question)
        });
        let suggested = suggested
            .await?
            .map_err(|error| Status::new(Code::FailedPrecondition, error.to_string()))?;
        Ok(SuggestThresholdResponse {
            suggestions: suggested
                .suggestions
                .iter()
                .map(convert::suggestion)
                .collect(),
            chosen: suggested.chosen as u32,
            model: Some(common::model(&active.model.id)),
            present_threshold: present,
            false_reject_rate: rate,
            journal: counts,
            histogram: suggested.histogram.iter().map(convert::bin).collect(),
        })
    }

    fn parse(&self, request: &SuggestThresholdRequest) -> Result<ParsedRequest, Status> {
        let camera = match request.camera_id.as_str() {
            "" => None,
            id => Some(self.configured_camera("camera_id", id)?),
        };
        let region = Some(request.region.clone()).filter(|region| !region.is_empty());
        let has_journal = self.pipeline.journal().is_some();
        let (calibration, journal) = match ScoreSource::try_from(request.source) {
            Ok(ScoreSource::Unspecified) => (true, has_journal),
            Ok(ScoreSource::Calibration) => (true, false),
            Ok(ScoreSource::Journal) => (false, true),
            Ok(ScoreSource::Both) => (true, true),
            Err(_) => return Err(status::invalid("source", "must be one of ScoreSource")),
        };
        if region.is_some() && calibration && !journal {
            let text = "must be JOURNAL: the calibration has no scores of regions";
            return Err(status::invalid("source", text));
        }
        if journal && !has_journal {
            return Err(status::no_journal());
        }
        let limit = match request.limit {
            0 => VERDICT_DEFAULT,
            limit if limit <= VERDICT_LIMIT => limit,
            limit => {
                let text = format!("{limit} must be at most {VERDICT_LIMIT}");
                return Err(status::invalid("limit", text));
            }
        };
        Ok(ParsedRequest {
            calibration: calibration && region.is_none(),
            camera,
            region,
            journal,
            limit: limit as usize,
        })
    }

    /// Reads the journal's scores, newest first, page by page. The call ends if its client disconnects.
    async fn journal_scores(
        &self,
        request: &SuggestThresholdRequest,
        parsed: &ParsedRequest,
        active: &Arc<Active>,
    ) -> Result<(JournalScores, proto::JournalScores), Status> {
        let range = self.range(request.from_time, request.to_time).await?;
        let mut scores = JournalScores::default();
        let mut counts = proto::JournalScores::default();
        let (from, mut to) = (*range.start(), *range.end());
        let mut left = parsed.limit;
        while left > 0 && from <= to {
            let page = Page {
                filter: Filter {
                    cameras: parsed.camera.iter().cloned().collect(),
                    ..Filter::default()
                },
                from,
                to,
                order: Order::Descending,
                limit: left.min(PAGE_SIZE),
            };
            let verdicts = self.read_page(page).await?;
            let Some(last) = verdicts.last() else { break };
            to = last.sequence.saturating_sub(1);
            counts.oldest_time = Some(last.recorded.into());
            counts.looked_at += verdicts.len() as u64;
            left -= verdicts.len();
            for verdict in &verdicts {
                scores.add(verdict, &active.model.id.sha256, parsed.region.as_deref());
            }
        }
        counts.pass = scores.pass.len() as u64;
        counts.review = scores.review.len() as u64;
        counts.reject = scores.reject.len() as u64;
        counts.other_model = scores.other_model;
        counts.without_score = scores.without_score;
        Ok((scores, counts))
    }
}

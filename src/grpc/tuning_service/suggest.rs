//! Thresholds from good parts: which scores, and what is asked of them.

use std::sync::Arc;

use tonic::{Code, Status};

use super::super::proto::{self, ScoreSource, SuggestThresholdRequest, SuggestThresholdResponse};
use super::super::{Services, convert as common, journal, status};
use super::convert;
use crate::journal::{Filter, Order, Page};
use crate::pipeline::Active;
use crate::tuning::Configured;
use crate::tuning::suggest::{JournalScores, Question, Scores, SuggestError, suggest};
use inspectd_core::id::CameraId;

/// Verdicts that are looked at where the request names no number.
const VERDICTS: u32 = 100_000;

/// The most that a request may name: their scores are held in memory.
const VERDICTS_LIMIT: u32 = 1_000_000;

/// Verdicts that are read at a time.
const PAGE: usize = 500;

/// A request, looked at.
struct Asked {
    camera: Option<CameraId>,
    region: Option<String>,
    calibration: bool,
    journal: bool,
    limit: usize,
}

impl Services {
    /// Suggests thresholds.
    pub(super) async fn suggest(
        &self,
        request: &SuggestThresholdRequest,
    ) -> Result<SuggestThresholdResponse, Status> {
        let rate = request.false_reject_rate;
        if !(rate > 0.0 && rate < 1.0) {
            let error = SuggestError::Rate(rate);
            return Err(status::invalid("false_reject_rate", error.to_string()));
        }
        let asked = self.asked(request)?;
        let active = self.line.active();
        let present = present(&active, &asked)?;
        let (stored, facts) = if asked.journal {
            let (stored, facts) = self.stored(request, &asked, &active).await?;
            (Some(stored), Some(facts))
        } else {
            (None, None)
        };
        let sorted = &active.model.manifest.scores.sorted;
        let calibration: Option<Vec<f64>> = asked
            .calibration
            .then(|| sorted.iter().copied().map(f64::from).collect());
        let question = Question {
            false_reject_rate: rate,
            include_review: request.include_review,
            present: f64::from(present),
        };
        // Sorting a million scores takes a while.
        let answer = super::super::inspection_service::blocking(move || {
            let scores = Scores {
                calibration: calibration.as_deref(),
                journal: stored.as_ref(),
            };
            suggest(scores, question)
        });
        let answer = answer
            .await?
            .map_err(|error| Status::new(Code::FailedPrecondition, error.to_string()))?;
        Ok(SuggestThresholdResponse {
            suggestions: answer.suggestions.iter().map(convert::suggestion).collect(),
            chosen: answer.chosen as u32,
            model: Some(common::model(&active.model.id)),
            present_threshold: present,
            false_reject_rate: rate,
            journal: facts,
            histogram: answer.histogram.iter().map(convert::bin).collect(),
        })
    }

    fn asked(&self, request: &SuggestThresholdRequest) -> Result<Asked, Status> {
        let camera = match request.camera_id.as_str() {
            "" => None,
            id => Some(self.configured_camera(id)?),
        };
        let region = Some(request.region.clone()).filter(|region| !region.is_empty());
        let there = self.line.journal().is_some();
        let (calibration, journal) = match ScoreSource::try_from(request.source) {
            Ok(ScoreSource::Unspecified) => (true, there),
            Ok(ScoreSource::Calibration) => (true, false),
            Ok(ScoreSource::Journal) => (false, true),
            Ok(ScoreSource::Both) => (true, true),
            Err(_) => return Err(status::invalid("source", "must be one of ScoreSource")),
        };
        if region.is_some() && calibration && !journal {
            let text = "the calibration has no scores of regions: the journal has";
            return Err(status::invalid("source", text));
        }
        if journal && !there {
            return Err(status::no_journal());
        }
        let limit = match request.limit {
            0 => VERDICTS,
            limit if limit <= VERDICTS_LIMIT => limit,
            limit => {
                let text = format!("{limit} must be at most {VERDICTS_LIMIT}");
                return Err(status::invalid("limit", text));
            }
        };
        Ok(Asked {
            calibration: calibration && region.is_none(),
            camera,
            region,
            journal,
            limit: limit as usize,
        })
    }

    fn configured_camera(&self, id: &str) -> Result<CameraId, Status> {
        let camera: CameraId = id
            .parse()
            .map_err(|error: inspectd_core::id::CameraIdError| {
                status::invalid("camera_id", error.to_string())
            })?;
        if self.line.active().settings.cameras.contains_key(&camera) {
            return Ok(camera);
        }
        Err(status::not_found("camera", id, "is not configured"))
    }

    /// The journal's scores, the newest first, page by page: a client that goes away ends it.
    async fn stored(
        &self,
        request: &SuggestThresholdRequest,
        asked: &Asked,
        active: &Arc<Active>,
    ) -> Result<(JournalScores, proto::JournalScores), Status> {
        let range = self.range(request.from_time, request.to_time).await?;
        let mut scores = JournalScores::default();
        let mut facts = proto::JournalScores::default();
        let (from, mut to) = (*range.start(), *range.end());
        let mut left = asked.limit;
        while left > 0 && from <= to {
            let page = Page {
                filter: Filter {
                    cameras: asked.camera.iter().cloned().collect(),
                    ..Filter::default()
                },
                from,
                to,
                order: Order::Descending,
                limit: left.min(PAGE),
            };
            let read = journal::read(&self.line, move |journal| journal.readers().page(&page));
            let verdicts = read.await?;
            let Some(last) = verdicts.last() else { break };
            to = last.sequence.saturating_sub(1);
            facts.oldest_time = Some(last.recorded.into());
            facts.looked_at += verdicts.len() as u64;
            left -= verdicts.len();
            for verdict in &verdicts {
                scores.add(verdict, &active.model.id.sha256, asked.region.as_deref());
            }
        }
        facts.pass = scores.pass.len() as u64;
        facts.review = scores.review.len() as u64;
        facts.reject = scores.reject.len() as u64;
        facts.other_model = scores.other_model;
        facts.without_score = scores.without_score;
        Ok((scores, facts))
    }
}

/// The threshold that holds now.
fn present(active: &Active, asked: &Asked) -> Result<f32, Status> {
    let configured = Configured::new(&active.settings, active.model.threshold);
    let plan = configured.plan(asked.camera.as_ref(), active.recipe.as_deref());
    let Some(name) = asked.region.as_deref() else {
        return Ok(plan.general.thresholds.reject_above);
    };
    let region = plan.regions.iter().find(|region| *region.name == *name);
    region
        .map(|region| region.rule.thresholds.reject_above)
        .ok_or_else(|| status::not_found("region", name, "is not in the recipe in force"))
}

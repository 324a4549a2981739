//! Conversion between a verdict and a row. Values that people filter and sort by have a column each; the
//! rest is JSON, which SQLite's functions can read.
//!
//! A value that this program does not know, from a damaged file or a later version, is never read as
//! another one: an unknown fault reason is [`FaultReason::Unknown`], an unknown decision is an error.

mod details;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inspectd_core::decision::{AnomalyKind, Decision, Region, Thresholds};
use inspectd_core::id::CameraId;
use inspectd_core::maps::Score;
use inspectd_core::record::{
    Fault, FaultReason, Outcome, PartDecision, PartTag, PartView, Stamp, Subject, Verdict,
};
use inspectd_core::verdict::Judgement;
use rusqlite::{Row, Statement, named_params};
use uuid::Uuid;

use super::{JournalError, RowError};
use details::{Details, StoredRule, StoredView};

/// The columns, as [`insert`] fills them and [`verdict`] reads them.
pub(super) const INSERT: &str = "
INSERT OR REPLACE INTO verdicts (sequence, run, stamp, recorded, captured, since_start, camera, part_group,
    frame_id, decision, score, structural, logical, threshold, review_from, fault, message, part_id,
    trigger, client_data, idempotency_key, simulated, evidence, width, height, batch_size, item, truth,
    details)
VALUES (:sequence, :run, :stamp, :recorded, :captured, :since_start, :camera, :part_group,
    :frame_id, :decision, :score, :structural, :logical, :threshold, :review_from, :fault, :message, :part_id,
    :trigger, :client_data, :idempotency_key, :simulated, :evidence, :width, :height, :batch_size, :item, :truth,
    :details)";

/// The stored number of a decision. Numbers are never changed or used again.
pub(super) fn number(decision: Decision) -> i64 {
    match decision {
        Decision::Pass => 1,
        Decision::Reject => 2,
        Decision::Review => 3,
        Decision::Fault => 4,
    }
}

fn decision(number: i64) -> Result<Decision, RowError> {
    Decision::ALL
        .into_iter()
        .find(|&known| self::number(known) == number)
        .ok_or(RowError::Decision(number))
}

/// Nanoseconds since 1970. Times before 1970 and after the year 2262 are clamped.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The time at this number of nanoseconds since 1970.
pub(super) fn time(nanoseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds.unsigned_abs())
}

/// Inserts or replaces a verdict. `run` and `stamp` are row numbers.
pub(super) fn insert(
    statement: &mut Statement<'_>,
    verdict: &Verdict,
    run: i64,
    stamp: i64,
) -> rusqlite::Result<()> {
    let subject = &verdict.subject;
    let judgement = verdict.outcome.judgement();
    let fault = verdict.outcome.fault();
    let tag = subject.tag.as_deref();
    let score = |part: fn(&Judgement) -> f32| judgement.map(|judged| f64::from(part(judged)));
    let review_from = judgement.and_then(|judged| judged.thresholds.review_from);
    let details =
        serde_json::to_string(&Details::of(verdict)).expect("numbers and texts can be serialized");
    statement.execute(named_params! {
        ":sequence": verdict.sequence as i64,
        ":run": run,
        ":stamp": stamp,
        ":recorded": nanoseconds(verdict.recorded),
        ":captured": nanoseconds(verdict.captured),
        ":since_start": verdict.since_start.as_nanos() as i64,
        ":camera": subject.camera.as_ref().map_or("", CameraId::as_str),
        ":part_group": subject.group.as_deref().unwrap_or(""),
        ":frame_id": subject.frame_id as i64,
        ":decision": number(verdict.decision()),
        ":score": score(|judged| judged.score.score),
        ":structural": score(|judged| judged.score.structural),
        ":logical": score(|judged| judged.score.logical),
        ":threshold": score(|judged| judged.thresholds.reject_above),
        ":review_from": review_from.map(f64::from),
        ":fault": fault.map(|fault| fault.reason.name()),
        ":message": fault.map(|fault| fault.message.as_str()),
        ":part_id": tag.map_or("", |tag| tag.part_id.as_str()),
        ":trigger": tag.and_then(|tag| tag.trigger).map(|trigger| trigger.to_string()),
        ":client_data": tag.map(|tag| tag.client_data.as_slice()),
        ":idempotency_key": tag.map(|tag| tag.idempotency_key.as_str()).filter(|key| !key.is_empty()),
        ":simulated": subject.simulated,
        ":evidence": verdict.evidence,
        ":width": subject.size.map(|size| size[0]),
        ":height": subject.size.map(|size| size[1]),
        ":batch_size": subject.batch_size,
        ":item": subject.item,
        ":truth": subject.truth,
        ":details": details,
    })?;
    Ok(())
}

/// Reads a verdict from a row. The caller looks up `run` and `stamp`.
pub(super) fn verdict(
    row: &Row<'_>,
    run: Uuid,
    stamp: Arc<Stamp>,
) -> Result<Verdict, JournalError> {
    let sequence = row.get::<_, i64>("sequence")? as u64;
    let damaged = |source| JournalError::Row { sequence, source };
    let details: Details = serde_json::from_str(row.get_ref("details")?.as_str().unwrap_or(""))
        .map_err(|error| damaged(RowError::Details(error)))?;
    let timings = details.timings();
    let subject = Subject {
        camera: some_text(row.get("camera")?)
            .map(camera)
            .transpose()
            .map_err(damaged)?,
        group: some_text(row.get::<_, String>("part_group")?).map(Arc::from),
        frame_id: row.get::<_, i64>("frame_id")? as u64,
        tag: tag(row, details.names_recipe, sequence)?,
        stamp,
        simulated: row.get("simulated")?,
        timings,
        batch_size: row.get("batch_size")?,
        size: row
            .get::<_, Option<u32>>("width")?
            .zip(row.get("height")?)
            .map(|(width, height)| [width, height]),
        item: row.get("item")?,
        truth: row.get("truth")?,
    };
    Ok(Verdict {
        sequence,
        run,
        captured: time(row.get("captured")?),
        since_start: Duration::from_nanos(row.get::<_, i64>("since_start")? as u64),
        recorded: time(row.get("recorded")?),
        evidence: row.get("evidence")?,
        unconfirmed: details.unconfirmed,
        subject,
        outcome: outcome(row, details, sequence)?,
    })
}

fn some_text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn camera(id: String) -> Result<CameraId, RowError> {
    id.parse().map_err(|source| RowError::Camera { id, source })
}

/// Parses a UUID of a column.
pub(super) fn uuid(column: &'static str, text: String) -> Result<Uuid, RowError> {
    Uuid::parse_str(&text).map_err(|source| RowError::Uuid {
        column,
        text,
        source,
    })
}

fn tag(
    row: &Row<'_>,
    names_recipe: Option<bool>,
    sequence: u64,
) -> Result<Option<Arc<PartTag>>, JournalError> {
    let Some(client_data) = row.get::<_, Option<Vec<u8>>>("client_data")? else {
        return Ok(None);
    };
    let trigger: Option<String> = row.get("trigger")?;
    let trigger = trigger.map(|text| uuid("trigger", text)).transpose();
    let key: Option<String> = row.get("idempotency_key")?;
    Ok(Some(Arc::new(PartTag {
        part_id: row.get("part_id")?,
        trigger: trigger.map_err(|source| JournalError::Row { sequence, source })?,
        client_data,
        idempotency_key: key.unwrap_or_default(),
        names_recipe,
    })))
}

fn outcome(row: &Row<'_>, details: Details, sequence: u64) -> Result<Outcome, JournalError> {
    let damaged = |source| JournalError::Row { sequence, source };
    let decision = decision(row.get("decision")?).map_err(damaged)?;
    let fault = fault(row, details.rejects)?;
    if let Some(views) = details.views {
        let view = |stored: StoredView| {
            Ok(PartView {
                camera: camera(stored.camera)?,
                sequence: stored.sequence,
                frame_id: stored.frame_id,
                decision: self::decision(stored.decision)?,
            })
        };
        let views = views.into_iter().map(view);
        return Ok(Outcome::Part(PartDecision {
            decision,
            views: views.collect::<Result<_, _>>().map_err(damaged)?,
            fault,
        }));
    }
    if let Some(fault) = fault {
        return Ok(Outcome::Fault(fault));
    }
    let number = |column: &str| -> rusqlite::Result<f32> { Ok(row.get::<_, f64>(column)? as f32) };
    let (structural, logical) = (number("structural")?, number("logical")?);
    Ok(Outcome::Judged(Judgement {
        decision,
        score: Score {
            score: number("score")?,
            structural,
            logical,
        },
        thresholds: Thresholds {
            reject_above: number("threshold")?,
            review_from: row
                .get::<_, Option<f64>>("review_from")?
                .map(|value| value as f32),
        },
        decided_by: details.decided_by.map(Arc::from),
        highest: details.highest,
        rules: details
            .rules
            .into_iter()
            .map(StoredRule::rule)
            .collect::<Result<_, _>>()
            .map_err(damaged)?,
        dominant: AnomalyKind::of(structural, logical),
        regions: details.regions.into_iter().map(Region::from).collect(),
    }))
}

fn fault(row: &Row<'_>, rejects: bool) -> rusqlite::Result<Option<Fault>> {
    let Some(name) = row.get::<_, Option<String>>("fault")? else {
        return Ok(None);
    };
    let message: Option<String> = row.get("message")?;
    Ok(Some(Fault {
        reason: FaultReason::from_name(&name),
        message: message.unwrap_or_default(),
        rejects,
    }))
}

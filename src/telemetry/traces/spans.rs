//! The spans of a verdict and of its acknowledgement, from the times that the verdict carries. Nothing is measured here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inspectd_core::record::{Outcome, Verdict};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

use super::context::RemoteContext;
use super::identity::TraceIdentity;

/// A published verdict of a part that is traced. Times are since the start of the daemon, as in the verdict.
#[derive(Clone, Debug)]
pub(super) struct TracedVerdict {
    pub(super) verdict: Arc<Verdict>,
    pub(super) identity: TraceIdentity,
    /// The client's span that the part belongs to.
    pub(super) parent: Option<RemoteContext>,
    /// What happened before the capture, and when it began.
    pub(super) before: Option<(&'static str, Duration)>,
    /// When the verdict was durable, or published without a journal.
    pub(super) committed: Duration,
    /// When the streams and the caller had it.
    pub(super) published: Duration,
}

/// A span that later spans are part of, and when its verdict was published.
#[derive(Clone, Debug)]
pub(super) struct PublishedSpan {
    pub(super) context: SpanContext,
    pub(super) at: SystemTime,
}

/// An acknowledgement by a consumer.
#[derive(Clone, Debug)]
pub(super) struct Acknowledgement {
    pub(super) consumer: String,
    /// The consumer had acknowledged up to this sequence before.
    pub(super) after: u64,
    /// It has acknowledged up to this sequence now.
    pub(super) up_to: u64,
    /// When that was durable.
    pub(super) at: SystemTime,
    /// The client's span that the call belongs to.
    pub(super) caller: Option<RemoteContext>,
}

/// Makes spans.
#[derive(Debug)]
pub(super) struct SpanMaker {
    scope: InstrumentationScope,
    ids: RandomIdGenerator,
}

impl SpanMaker {
    pub(super) fn new() -> Self {
        let scope = InstrumentationScope::builder("inspectd")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self {
            scope,
            ids: RandomIdGenerator::default(),
        }
    }

    /// The spans of a verdict, and the one that the others are part of. A view of a part is a span within that of the part.
    pub(super) fn of_verdict(&self, traced: &TracedVerdict) -> (Vec<SpanData>, PublishedSpan) {
        let TracedVerdict {
            verdict,
            identity,
            parent,
            ..
        } = traced;
        let clock = VerdictClock(verdict);
        let remote = parent.as_ref().map(RemoteContext::span);
        let trace = remote.map_or(identity.trace, SpanContext::trace_id);
        let state = remote.map_or_else(TraceState::default, |span| span.trace_state().clone());
        let (name, id, above, above_is_remote) = if is_view(verdict) {
            ("view", self.ids.new_span_id(), identity.root, false)
        } else {
            let above = remote.map_or(SpanId::INVALID, SpanContext::span_id);
            ("inspect", identity.root, above, remote.is_some())
        };
        let context = context(trace, id, &state);
        let start = match traced.before {
            Some((_, start)) => start.min(verdict.since_start),
            None => verdict.since_start,
        };
        let own = SpanData {
            parent_span_id: above,
            parent_span_is_remote: above_is_remote,
            attributes: attributes(verdict),
            status: status(verdict),
            ..self.span(
                name,
                context.clone(),
                clock.at(start),
                clock.at(traced.published),
            )
        };
        let mut spans = vec![own];
        spans.extend(steps(traced).into_iter().map(|step| SpanData {
            parent_span_id: id,
            ..self.span(
                step.name,
                self::context(trace, self.ids.new_span_id(), &state),
                clock.at(step.start),
                clock.at(step.end),
            )
        }));
        let published = PublishedSpan {
            context,
            at: clock.at(traced.published),
        };
        (spans, published)
    }

    /// The span of the acknowledgement of one verdict: from its publication until the acknowledgement was durable.
    pub(super) fn of_acknowledgement(
        &self,
        acknowledgement: &Acknowledgement,
        sequence: u64,
        published: &PublishedSpan,
    ) -> SpanData {
        let above = &published.context;
        let state = above.trace_state();
        let mut links = SpanLinks::default();
        if let Some(caller) = &acknowledgement.caller {
            links.links.push(Link::with_context(caller.span().clone()));
        }
        SpanData {
            parent_span_id: above.span_id(),
            attributes: vec![
                KeyValue::new("inspectd.consumer", acknowledgement.consumer.clone()),
                number("inspectd.sequence", sequence),
                number("inspectd.acknowledged", acknowledgement.up_to),
            ],
            links,
            ..self.span(
                "acknowledge",
                context(above.trace_id(), self.ids.new_span_id(), state),
                published.at,
                acknowledgement.at.max(published.at),
            )
        }
    }

    fn span(
        &self,
        name: &'static str,
        span_context: SpanContext,
        start_time: SystemTime,
        end_time: SystemTime,
    ) -> SpanData {
        SpanData {
            span_context,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time,
            end_time,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Number of the spans that [`SpanMaker::of_verdict`] makes.
pub(super) fn count(traced: &TracedVerdict) -> u64 {
    1 + steps(traced).len() as u64
}

fn context(trace: TraceId, span: SpanId, state: &TraceState) -> SpanContext {
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, state.clone())
}

/// Whether the verdict is about one view of a part.
fn is_view(verdict: &Verdict) -> bool {
    let subject = &verdict.subject;
    subject.camera.is_some() && subject.group.is_some() && subject.tag.is_some()
}

/// Converts times since the start of the daemon to wall-clock times, by the capture of a verdict: a step of the wall
/// clock does not tear its spans apart.
struct VerdictClock<'a>(&'a Verdict);

impl VerdictClock<'_> {
    fn at(&self, since_start: Duration) -> SystemTime {
        let Verdict {
            captured,
            since_start: capture,
            ..
        } = *self.0;
        match since_start.checked_sub(capture) {
            Some(later) => captured + later,
            None => captured
                .checked_sub(capture.saturating_sub(since_start))
                .unwrap_or(captured),
        }
    }
}

/// A step on the way to a verdict. Times are since the start of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    name: &'static str,
    start: Duration,
    end: Duration,
}

/// The steps of a verdict, in their order.
fn steps(traced: &TracedVerdict) -> Vec<Step> {
    let verdict = &*traced.verdict;
    let subject = &verdict.subject;
    let timings = &subject.timings;
    let captured = verdict.since_start;
    let made = captured + timings.total;
    let mut steps = Vec::with_capacity(7);
    let mut step = |name, start: Duration, end: Duration| {
        let start = start.min(end);
        steps.push(Step { name, start, end });
    };
    let is_part = subject.camera.is_none() && subject.group.is_some();
    if let Some((name, start)) = traced.before.filter(|_| !is_part) {
        // Without a frame, the time of the verdict's "capture" is that of the request.
        let no_frame = subject.camera.is_some() && subject.frame_id == 0;
        step(name, start, if no_frame { made } else { captured });
    }
    if let Some(queue) = timings.queue {
        step("queue", captured, captured + queue);
        let taken = captured + queue;
        let prepared = taken + timings.preprocess.unwrap_or_default();
        if timings.preprocess.is_some() {
            step("prepare", taken, prepared);
        }
        let judging = made.saturating_sub(timings.judge.unwrap_or_default());
        let judging = judging.max(prepared);
        if let Some(inference) = timings.inference {
            // A batch begins when the last of its frames is prepared. That is not in the verdict: the span is the latest possible.
            let latest = judging.saturating_sub(inference).max(prepared);
            let start = if subject.batch_size > 1 {
                latest
            } else {
                prepared
            };
            step("infer", start, start + inference);
        }
        if timings.judge.is_some() {
            step("judge", judging, made.max(judging));
        }
    }
    step("commit", made, traced.committed.max(made));
    step("publish", traced.committed, traced.published);
    steps
}

fn number(name: &'static str, number: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(number).unwrap_or(i64::MAX))
}

/// What the verdict is about and what was decided.
fn attributes(verdict: &Verdict) -> Vec<KeyValue> {
    let subject = &verdict.subject;
    let stamp = &subject.stamp;
    let mut attributes = vec![
        number("inspectd.sequence", verdict.sequence),
        KeyValue::new("inspectd.decision", verdict.decision().name()),
        KeyValue::new("inspectd.model", stamp.model.name.clone()),
        KeyValue::new("inspectd.model_version", stamp.model.version.clone()),
    ];
    let mut text = |name: &'static str, value: String| {
        if !value.is_empty() {
            attributes.push(KeyValue::new(name, value));
        }
    };
    if let Some(camera) = &subject.camera {
        text("inspectd.camera", camera.to_string());
    }
    if let Some(group) = &subject.group {
        text("inspectd.group", group.to_string());
    }
    if let Some(recipe) = &stamp.recipe {
        text("inspectd.recipe", recipe.id.clone());
        text("inspectd.recipe_version", recipe.version.clone());
    }
    if let Some(tag) = &subject.tag {
        text("inspectd.part", tag.part_id.clone());
        if let Some(trigger) = tag.trigger {
            text("inspectd.trigger", trigger.to_string());
        }
    }
    if let Some(fault) = verdict.outcome.fault() {
        text("inspectd.fault", fault.reason.name().to_owned());
    }
    if let Outcome::Judged(judgement) = &verdict.outcome {
        let score = f64::from(judgement.score.score);
        attributes.push(KeyValue::new("inspectd.score", score));
    }
    if subject.frame_id > 0 {
        attributes.push(number("inspectd.frame", subject.frame_id));
    }
    if subject.batch_size > 0 {
        attributes.push(number("inspectd.batch_size", u64::from(subject.batch_size)));
    }
    attributes
}

/// A FAULT is an error, a REJECT is not.
fn status(verdict: &Verdict) -> Status {
    match verdict.outcome.fault() {
        Some(fault) => Status::error(fault.message.clone()),
        None => Status::Unset,
    }
}

#[cfg(test)]
mod tests;

//! Verdicts and clients of the tests, and the traces of a run from end to end within the process.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use inspectd_core::precision::Precision;
use inspectd_core::record::{
    Fault, FaultReason, ModelId, Outcome, PartDecision, PartTag, Stamp, Subject, Timings, Verdict,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::clock::tests::ManualClock;

pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const SPAN: &str = "b7ad6b7169203331";

/// A subject with this camera and frame.
pub(super) fn subject(camera: Option<&str>, frame_id: u64) -> Subject {
    let stamp = Stamp {
        model: ModelId {
            name: "cells".to_owned(),
            version: "2026.1".to_owned(),
            sha256: String::new(),
            precision: Precision::F32,
        },
        config_hash: String::new(),
        provider: String::new(),
        recipe: None,
    };
    let camera = camera.map(|id| id.parse::<CameraId>().expect("an id"));
    Subject {
        frame_id,
        ..Subject::new(camera, Arc::new(stamp))
    }
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A verdict on `subject` that was captured 1 s after the start.
pub(super) fn verdict(sequence: u64, subject: Subject, outcome: Outcome) -> Arc<Verdict> {
    Arc::new(Verdict {
        sequence,
        run: Uuid::nil(),
        captured: SystemTime::UNIX_EPOCH + Duration::from_hours(24),
        since_start: ms(1000),
        recorded: SystemTime::UNIX_EPOCH,
        evidence: false,
        unconfirmed: false,
        subject,
        outcome,
    })
}

pub(super) fn fault() -> Outcome {
    Outcome::Fault(Fault::new(FaultReason::Engine, "it failed"))
}

/// A verdict of the requested camera `top`.
pub(super) fn requested(sequence: u64, trigger: Uuid) -> Arc<Verdict> {
    let timings = Timings {
        queue: Some(ms(2)),
        preprocess: Some(ms(3)),
        inference: Some(ms(10)),
        judge: Some(ms(1)),
        total: ms(17),
    };
    let subject = Subject {
        tag: Some(Arc::new(PartTag {
            part_id: "4711".to_owned(),
            trigger: Some(trigger),
            ..PartTag::default()
        })),
        timings,
        batch_size: 1,
        ..subject(Some("top"), 7)
    };
    verdict(sequence, subject, fault())
}

pub(super) fn part(sequence: u64, trigger: Uuid) -> Arc<Verdict> {
    let subject = Subject {
        group: Some("cell".into()),
        tag: requested(1, trigger).subject.tag.clone(),
        ..subject(None, 0)
    };
    let decision = PartDecision {
        decision: Decision::Pass,
        views: Vec::new(),
        fault: None,
    };
    verdict(sequence, subject, Outcome::Part(decision))
}

/// A collector that takes a batch for each permit.
#[derive(Clone, Debug)]
struct Collector {
    received: Arc<Mutex<Vec<SpanData>>>,
    permits: Arc<Semaphore>,
}

impl Collector {
    fn new(permits: usize) -> Self {
        Self {
            received: Arc::default(),
            permits: Arc::new(Semaphore::new(permits)),
        }
    }
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let permit = self.permits.acquire().await;
        permit.expect("it is never closed").forget();
        self.received.lock().extend(batch);
        Ok(())
    }
}

const LIMIT: Duration = Duration::from_millis(200);

fn traces(collector: &Collector, sampling: f64) -> Traces {
    let clock = ManualClock::new();
    Traces::with_exporter(
        collector.clone(),
        sampling,
        LIMIT,
        Uuid::from_u128(1),
        clock,
    )
}

fn client(sampled: bool) -> RemoteContext {
    let flags = if sampled { "01" } else { "00" };
    RemoteContext::parse(&format!("00-{TRACE}-{SPAN}-{flags}"), None).expect("well-formed")
}

#[tokio::test]
async fn trace_goes_on_from_the_client_over_the_verdict_to_each_acknowledgement() {
    let collector = Collector::new(100);
    let traces = traces(&collector, 0.0);
    let trigger = Uuid::from_u128(5);
    traces.requested(trigger, ms(900), Some(&client(true)));
    let verdict = requested(12, trigger);
    traces.published(&verdict, ms(1020), ms(1021));
    let at = verdict.captured + ms(500);
    traces.acknowledged("mes", 3, 12, at, None);
    traces.acknowledged("plc", 0, 11, at, None);
    traces.acknowledged("scada", 12, 12, at, None);
    traces.finish(Duration::from_secs(10)).await;
    let spans = collector.received.lock().clone();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    let expected = [
        "inspect",
        "wait_for_frame",
        "queue",
        "prepare",
        "infer",
        "judge",
        "commit",
        "publish",
        "acknowledge",
    ];
    assert_eq!(names, expected);
    let of_client = |span: &SpanData| span.span_context.trace_id().to_string() == TRACE;
    assert!(spans.iter().all(of_client));
    assert_eq!(spans[0].parent_span_id.to_string(), SPAN);
    assert!(spans[0].parent_span_is_remote);
    let root = spans[0].span_context.span_id();
    assert!(spans[1..].iter().all(|span| span.parent_span_id == root));
    assert_eq!(spans[8].start_time, spans[0].end_time);
    assert_eq!(spans[8].end_time, at);
    let totals = SpanTotals {
        sent: 9,
        dropped: 0,
    };
    assert_eq!(traces.totals(), totals);
}

#[tokio::test]
async fn client_decides_about_its_part_and_the_share_about_all_others() {
    let sent = async |sampling: f64, parent: Option<RemoteContext>| {
        let collector = Collector::new(100);
        let traces = traces(&collector, sampling);
        for index in 0..200 {
            let trigger = Uuid::now_v7();
            traces.requested(trigger, ms(900), parent.as_ref());
            traces.published(&requested(index, trigger), ms(1020), ms(1021));
        }
        traces.finish(Duration::from_secs(10)).await;
        assert_eq!(traces.totals().dropped, 0);
        let spans = collector.received.lock().clone();
        spans.iter().filter(|span| span.name == "inspect").count()
    };
    assert_eq!(sent(0.0, None).await, 0);
    assert_eq!(sent(1.0, None).await, 200);
    let half = sent(0.5, None).await;
    assert!((60..=140).contains(&half), "{half} of 200");
    assert_eq!(sent(0.0, Some(client(true))).await, 200);
    assert_eq!(sent(1.0, Some(client(false))).await, 0);
}

#[tokio::test]
async fn collector_that_hangs_delays_nothing_and_its_spans_are_counted() {
    let collector = Collector::new(0);
    let traces = traces(&collector, 1.0);
    let published = 2000_u64;
    let started = tokio::time::Instant::now();
    for index in 0..published {
        traces.published(&requested(index, Uuid::now_v7()), ms(1020), ms(1021));
        if index % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    traces.finish(ms(300)).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    let dropped = traces.totals().dropped;
    // Without a request noted, each has 7 spans. Those in the queue and in the batch in progress are not given up yet.
    assert!(dropped > published * 7 - 4096 - 1024 * 7, "{dropped}");
    assert_eq!(traces.totals().sent, 0);
    collector.permits.add_permits(1000);
    let everything = async {
        loop {
            let SpanTotals { sent, dropped } = traces.totals();
            if sent + dropped == published * 7 {
                return;
            }
            tokio::time::sleep(ms(10)).await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(20), everything).await;
    assert!(counted.is_ok(), "{:?}", traces.totals());
    assert!(traces.totals().sent > 0, "the collector answers again");
}

#[tokio::test]
async fn without_a_collector_there_are_no_traces() {
    let settings = crate::config::parse(
        std::path::Path::new("inspectd.toml"),
        "model.bundle = \"b\"\n[cameras.left]\nsource = \"simulator\"\n",
        &[],
    );
    let settings = settings.expect("a configuration").settings.traces;
    let traces = Traces::start(&settings, Uuid::nil(), ManualClock::new()).expect("nothing");
    assert!(!traces.is_on());
    traces.published(&requested(1, Uuid::nil()), ms(1020), ms(1021));
    assert_eq!(traces.totals(), SpanTotals::default());
}

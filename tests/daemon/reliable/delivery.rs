//! Where a stream starts: by sequence, by time, by consumer, also after restarts.

use std::time::Duration;

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, Consumer, FaultReason, ForgetConsumerRequest, ListConsumersRequest,
    Status, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::journal_site::{Client, belt, from, journal, kept, site, stream_from, stream_refused};
use crate::harness::{Daemon, Site, Verdicts};

fn plc() -> Start {
    Start::Consumer("plc".to_owned())
}

async fn acknowledge(client: &mut Client, sequence: u64) -> Result<Consumer, tonic::Status> {
    let request = AcknowledgeVerdictsRequest {
        consumer: "plc".to_owned(),
        sequence,
    };
    let response = client.acknowledge_verdicts(request).await?;
    Ok(response.into_inner().consumer.expect("a consumer"))
}

async fn consumers(daemon: &Daemon) -> Vec<Consumer> {
    let mut client = daemon.inspection().await;
    let response = client.list_consumers(ListConsumersRequest {}).await;
    response.expect("the consumers").into_inner().consumers
}

async fn some(verdicts: &mut Verdicts, count: usize) -> Vec<Verdict> {
    let mut some = Vec::new();
    for _ in 0..count {
        some.push(verdicts.next().await);
    }
    some
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stream_starts_at_the_requested_sequence_or_time() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "fps = 100"));
    let daemon = site.start();
    let first_run = some(&mut stream_from(&daemon, Start::FromSequence(1)).await, 20).await;
    daemon.stop();
    let daemon = site.start();
    // Verdicts of the first run that were not read come before those of the second run.
    let mut all = stream_from(&daemon, Start::FromSequence(0)).await;
    let mut seen = some(&mut all, 20).await;
    assert_eq!(seen, first_run);
    while seen
        .last()
        .is_some_and(|last| last.run_id == first_run[0].run_id)
    {
        seen.push(all.next().await);
    }
    seen.extend(some(&mut all, 20).await);
    for pair in seen.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
    }
    let from_fifth = some(&mut stream_from(&daemon, Start::FromSequence(5)).await, 30).await;
    assert_eq!(from_fifth, seen[4..34]);
    let time = seen[10].record_time.expect("a time");
    let from_time = stream_from(&daemon, Start::FromTime(time))
        .await
        .next()
        .await;
    let earliest = seen
        .iter()
        .find(|verdict| verdict.record_time == Some(time));
    assert_eq!(Some(&from_time), earliest);
    let newest = daemon.status().await.sequence;
    let mut later = time;
    later.seconds += 3600;
    let next = stream_from(&daemon, Start::FromTime(later))
        .await
        .next()
        .await;
    assert!(next.sequence > newest, "there is none yet");
    let refused = stream_refused(&daemon, Start::FromSequence(1 << 40)).await;
    let (oldest, newest) = kept(&refused);
    assert!(oldest == 1 && newest >= next.sequence);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn consumer_resumes_after_its_last_acknowledgement() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "fps = 100"));
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let mut first = stream_from(&daemon, plc()).await;
    let seen = some(&mut first, 12).await;
    assert_eq!(seen[0].sequence, 1, "it begins with the oldest");
    // Its first stream records it.
    let [consumer] = &consumers(&daemon).await[..] else {
        panic!("one consumer")
    };
    assert_eq!((consumer.acknowledged, consumer.connected), (0, true));
    let consumer = acknowledge(&mut client, 10).await.expect("noted");
    assert_eq!((consumer.acknowledged, consumer.connected), (10, true));
    assert!(
        consumer.pending >= 2 && consumer.lag.is_some(),
        "{consumer:?}"
    );
    assert_eq!(consumer.lost, 0);
    let consumer = acknowledge(&mut client, 5).await.expect("noted");
    assert_eq!(consumer.acknowledged, 10, "it never goes back");
    kept(
        &acknowledge(&mut client, 1 << 40)
            .await
            .expect_err("not given out"),
    );

    let mut second = stream_from(&daemon, plc()).await;
    assert_eq!(second.next().await, seen[10]);
    let superseded = loop {
        match first.event().await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(superseded.code(), Code::Aborted);
    second.next().await;
    drop(second);
    daemon.stop();

    let daemon = site.start();
    let [consumer] = &consumers(&daemon).await[..] else {
        panic!("one consumer")
    };
    assert_eq!((consumer.acknowledged, consumer.connected), (10, false));
    assert_eq!(stream_from(&daemon, plc()).await.next().await, seen[10]);
    let mut client = daemon.inspection().await;
    let forget = || ForgetConsumerRequest {
        consumer: "plc".to_owned(),
    };
    client.forget_consumer(forget()).await.expect("forgotten");
    let again = client.forget_consumer(forget()).await;
    assert_eq!(again.expect_err("not known").code(), Code::NotFound);
    assert_eq!(consumers(&daemon).await, []);
    assert_eq!(stream_from(&daemon, plc()).await.next().await, seen[0]);
    let named_badly = from(Start::Consumer("No Name".to_owned()));
    let refused = client.stream_verdicts(named_badly).await;
    assert_eq!(refused.expect_err("no name").code(), Code::InvalidArgument);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn removed_sequences_are_rejected_with_the_kept_range() {
    require!(onnx_runtime());
    let top = format!("{}[evidence]\ndisk_mib = 0\n", journal("max_mib = 1\n"));
    let site = site(&top, &belt("belt", "pace = \"fast\""));
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    daemon.verdicts().await.next().await;
    acknowledge(&mut client, 1).await.expect("noted");
    let aged = |status: &Status| {
        let journal = status.journal.as_ref().expect("a journal");
        journal.oldest_sequence > 10
    };
    daemon.status_when("aged out", aged).await;
    for start in [Start::FromSequence(1), plc()] {
        let (oldest, newest) = kept(&stream_refused(&daemon, start).await);
        assert!(1 < oldest && oldest <= newest, "{oldest}, {newest}");
    }
    let [consumer] = &consumers(&daemon).await[..] else {
        panic!("one consumer")
    };
    assert!(
        consumer.lost > 8 && consumer.lost <= consumer.pending,
        "{consumer:?}"
    );
    let first = stream_from(&daemon, Start::FromSequence(0))
        .await
        .next()
        .await;
    assert!(first.sequence > 10);
    // The space of removed verdicts is reused.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let size = std::fs::metadata(site.path("journal/journal.sqlite")).expect("a file");
    assert!(size.len() < 8 << 20, "{size:?}");
    daemon.stop();
}

/// A journal that is beyond its limit at once.
fn tiny(keys: &str) -> Site {
    let top = journal(&format!("max_mib = 1\ncommit_window_ms = 0\n{keys}"));
    site(&top, &belt("belt", "pace = \"fast\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verdicts_are_held_until_acknowledged_and_the_overflow_is_a_fault() {
    require!(onnx_runtime());
    let site = tiny("hold_unacknowledged = true\nhold_max_mib = 2\n");
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let mut verdicts = daemon.verdicts().await;
    verdicts.next().await;
    acknowledge(&mut client, 1).await.expect("recorded");
    let full = verdicts.until(|verdict| verdict.sequence == 0).await;
    assert_eq!(full.fault.expect("a fault").reason(), FaultReason::Journal);
    let status = daemon.status().await;
    assert!(
        status.alarms.iter().any(|alarm| alarm.kind == "held"),
        "{status:?}"
    );
    let kept = status.journal.expect("a journal");
    assert!(kept.oldest_sequence <= 2, "{kept:?}");
    assert!(kept.trouble.contains("hold_max_mib"), "{kept:?}");

    // The acknowledgement makes room.
    acknowledge(&mut client, status.sequence)
        .await
        .expect("recorded");
    verdicts.until(|verdict| verdict.sequence > 0).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn removal_of_unacknowledged_verdicts_is_an_alarm() {
    require!(onnx_runtime());
    let site = tiny("");
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    daemon.verdicts().await.next().await;
    acknowledge(&mut client, 1).await.expect("recorded");
    daemon.status_when("an alarm", unacknowledged_removed).await;
    daemon.stop();
}

/// Whether the alarm of removed verdicts that plc has not acknowledged is active.
fn unacknowledged_removed(status: &Status) -> bool {
    let mut alarms = status.alarms.iter();
    alarms.any(|alarm| alarm.kind == "unacknowledged_removed" && alarm.subject == "plc")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn removal_of_unacknowledged_verdicts_for_their_age_is_an_alarm() {
    require!(onnx_runtime());
    let keys = "max_age_days = 0.01\n";
    let site = site(&journal(keys), &belt("belt", "fps = 20"));
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let mut verdicts = daemon.verdicts().await;
    let last = verdicts.until(|verdict| verdict.sequence >= 20).await;
    acknowledge(&mut client, 10).await.expect("recorded");
    assert!(!unacknowledged_removed(&daemon.status().await));
    daemon.stop();
    // As if the daemon had been off for an hour.
    let file = rusqlite::Connection::open(site.path("journal/journal.sqlite"));
    let older = "UPDATE verdicts SET recorded = recorded - 3600000000000";
    let aged = file.expect("the journal").execute(older, []);
    assert!(aged.expect("written") >= 20);

    let daemon = site.start();
    let status = daemon.status_when("an alarm", unacknowledged_removed).await;
    let kept = status.journal.expect("a journal");
    assert!(kept.oldest_sequence > last.sequence, "{kept:?}");
    // It ends when they are acknowledged.
    let mut client = daemon.inspection().await;
    let newest = daemon.status().await.sequence;
    acknowledge(&mut client, newest).await.expect("recorded");
    let over = |status: &Status| !unacknowledged_removed(status);
    daemon.status_when("no alarm", over).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn held_verdicts_that_overflow_are_removed_with_an_alarm_if_the_settings_say_so() {
    require!(onnx_runtime());
    let keys = "hold_unacknowledged = true\nhold_max_mib = 2\non_hold_overflow = \"remove\"\n";
    let site = tiny(keys);
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    daemon.verdicts().await.next().await;
    acknowledge(&mut client, 1).await.expect("recorded");
    let status = daemon.status_when("an alarm", unacknowledged_removed).await;
    let kept = status.journal.expect("a journal");
    assert!(kept.oldest_sequence > 2, "{kept:?}");
    // The line goes on, and every verdict is journalled.
    assert_eq!((kept.trouble.as_str(), kept.unjournalled), ("", 0));
    let mut verdicts = daemon.verdicts().await;
    for verdict in some(&mut verdicts, 50).await {
        assert!(verdict.sequence > 0, "{verdict:?}");
    }
    daemon.stop();
}

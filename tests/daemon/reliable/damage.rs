//! A damaged journal is found, set aside and replaced while the line runs; streams report what was lost.

use std::os::unix::fs::FileExt;
use std::process::Command;

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, GapReason, LineState, Status, TriggerInspectionRequest,
};
use inspectd_test_support::{onnx_runtime, require};

use super::journal_site::{belt, journal, requested, site, stream_from};
use crate::belt::REVIEW;
use crate::harness::{Daemon, Site, ends};

fn damaged_alarm(status: &Status) -> bool {
    status
        .alarms
        .iter()
        .any(|alarm| alarm.kind == "journal_damaged")
}

/// Runs a daemon until the journal has some thousand verdicts and an acknowledgement.
async fn fill(site: &Site) {
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence >= 3000).await;
    let acknowledgement = AcknowledgeVerdictsRequest {
        consumer: "plc".to_owned(),
        sequence: 700,
    };
    let mut client = daemon.inspection().await;
    client
        .acknowledge_verdicts(acknowledgement)
        .await
        .expect("recorded");
    daemon.stop();
    checkpoint(site);
}

/// Moves the write-ahead log of a stopped daemon into the file.
fn checkpoint(site: &Site) {
    let into_the_file = "PRAGMA wal_checkpoint(TRUNCATE)";
    opened(site)
        .query_row(into_the_file, [], |_| Ok(()))
        .expect("written");
}

fn opened(site: &Site) -> rusqlite::Connection {
    rusqlite::Connection::open(site.path("journal/journal.sqlite")).expect("the journal")
}

/// Overwrites a range of the journal's bytes.
fn overwrite(site: &Site, range: impl FnOnce(usize) -> std::ops::Range<usize>) {
    let path = site.path("journal/journal.sqlite");
    let mut bytes = std::fs::read(&path).expect("a journal");
    let range = range(bytes.len());
    bytes[range].fill(0xa5);
    std::fs::write(&path, bytes).expect("damaged");
}

/// Length of a page of the journal.
const PAGE: usize = 4096;

/// Overwrites pages of the journal of a running daemon, from the one that `first` says on. `first` gets the number of pages.
fn overwrite_pages<const BYTES: usize>(site: &Site, first: impl FnOnce(usize) -> usize) {
    let path = site.path("journal/journal.sqlite");
    let file = std::fs::File::options().write(true).open(path);
    let file = file.expect("a journal");
    let length = file.metadata().expect("a file").len() as usize;
    let offset = first(length / PAGE) * PAGE;
    let written = file.write_all_at(&[0xa5; BYTES], offset as u64);
    written.expect("damaged");
}

/// The index of the first page of a table or an index.
fn root_page(site: &Site, name: &str) -> usize {
    let select = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page = opened(site).query_row(select, [name], |row| row.get::<_, i64>(0));
    page.expect("a page") as usize - 1
}

/// A journal with some thousand verdicts and an acknowledgement, whose pages in the middle are overwritten.
async fn damage(site: &Site) {
    fill(site).await;
    overwrite(site, |length| {
        let middle = length / 2 / PAGE * PAGE;
        middle..middle + 4 * PAGE
    });
}

/// Reads a stream until the event of lost verdicts; returns their first and last sequence.
async fn lost(daemon: &Daemon, start: Start) -> (u64, u64) {
    let mut stream = stream_from(daemon, start).await;
    loop {
        match stream.event().await.expect("the stream goes on") {
            Event::Gap(gap) => {
                assert_eq!(gap.reason(), GapReason::Lost);
                assert_eq!(gap.missed, gap.last_sequence + 1 - gap.first_sequence);
                let after = stream.next().await.sequence;
                assert!(after > gap.last_sequence, "{after}");
                return (gap.first_sequence, gap.last_sequence);
            }
            Event::Verdict(_) | Event::Heartbeat(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_journal_is_set_aside_and_its_verdicts_are_reported_as_lost() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    damage(&site).await;
    let daemon = site.start();
    daemon.status_when("an alarm", damaged_alarm).await;
    let status = daemon.status().await;
    let kept = status.journal.expect("a journal");
    assert_eq!((kept.epoch, kept.trouble.as_str()), (2, ""));
    assert!(kept.oldest_sequence > 3000, "{kept:?}");

    // From the first sequence on, from within, and of the consumer, whose position is kept.
    let (first, last) = lost(&daemon, Start::FromSequence(1)).await;
    assert_eq!(first, 1);
    assert!(last >= 3000);
    let within = lost(&daemon, Start::FromSequence(1500)).await;
    assert_eq!(within, (1500, last));
    let of_consumer = lost(&daemon, Start::Consumer("plc".to_owned())).await;
    assert_eq!(of_consumer, (701, last));

    // The tool says so, and copies what is intact. The alarm ends when the file is moved away.
    let tool = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        ends(command.args(arguments))
    };
    let aside = site.path("journal/journal.sqlite.damaged-1");
    let aside = aside.to_str().expect("UTF-8");
    let (code, text) = tool(&["journal", "check", aside]);
    assert_eq!(code, 1, "{text}");
    let out = site.path("salvaged");
    let out = out.to_str().expect("UTF-8");
    let (code, text) = tool(&["journal", "salvage", aside, "--out", out]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = tool(&["journal", "check", out]);
    assert_eq!(code, 0, "{text}");
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{aside}{ending}");
        // The log exists only if it was not empty.
        let _ = std::fs::rename(&file, site.path(format!("moved{ending}")));
    }
    daemon
        .status_when("no alarm", |status| !damaged_alarm(status))
        .await;
    daemon.stop();

    // After a restart it is the same journal, and the loss is still known.
    let daemon = site.start();
    assert_eq!(daemon.status().await.journal.expect("a journal").epoch, 2);
    assert_eq!(lost(&daemon, Start::FromSequence(1)).await, (1, last));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damage_is_found_while_the_daemon_runs() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    fill(&site).await;
    let top = format!("{}{REVIEW}", journal("check_interval_s = 1\n"));
    site.configure(&top, &belt("belt", "fps = 20"));
    let daemon = site.start();
    daemon.wait_for_log("the journal was checked: it is intact");
    overwrite_pages::<{ 4 * PAGE }>(&site, |pages| pages / 2);
    daemon.status_when("an alarm", damaged_alarm).await;
    let journalled = |status: &Status| {
        let journal = status.journal.as_ref().expect("a journal");
        journal.epoch == 2 && journal.trouble.is_empty()
    };
    let status = daemon.status_when("journalled again", journalled).await;
    assert_eq!(status.state(), LineState::Degraded);
    let (_, page) = daemon.page("/metrics");
    assert!(
        page.contains("inspectd_alarms{kind=\"journal_damaged\"} 1"),
        "{page}"
    );
    let (first, last) = lost(&daemon, Start::FromSequence(1)).await;
    assert_eq!(first, 1);
    assert!(last >= 3000, "{last}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damage_that_a_repeated_request_meets_is_found() {
    require!(onnx_runtime());
    let site = site(&journal(""), &requested("asked", ""));
    let request = || TriggerInspectionRequest {
        target: Some(Target::CameraId("asked".to_owned())),
        idempotency_key: "k".to_owned(),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    client
        .trigger_inspection(request())
        .await
        .expect("accepted");
    daemon.stop();
    checkpoint(&site);
    let root = root_page(&site, "verdicts_by_key");
    let daemon = site.start();
    daemon.wait_for_log("the journal was checked: it is intact");
    // Nothing else reads the index of the keys.
    overwrite_pages::<PAGE>(&site, |_| root);
    let mut client = daemon.inspection().await;
    let refused = client.trigger_inspection(request()).await;
    refused.expect_err("the key cannot be looked up");
    daemon.status_when("an alarm", damaged_alarm).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn journal_that_was_moved_away_uses_no_sequence_again() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "fps = 50"));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let last = verdicts
        .until(|verdict| verdict.sequence >= 40)
        .await
        .sequence;
    daemon.stop();
    site.rename("journal/journal.sqlite", "moved.sqlite");
    let daemon = site.start();
    let next = daemon.verdicts().await.next().await.sequence;
    assert!(next > last, "{next}");
    let status = daemon.status().await;
    assert!(damaged_alarm(&status));
    assert_eq!(status.journal.expect("a journal").epoch, 2);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn journal_that_cannot_be_opened_is_set_aside_and_its_consumers_are_kept() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    fill(&site).await;
    let root = root_page(&site, "verdicts");
    overwrite(&site, |_| root * PAGE..(root + 1) * PAGE);
    let daemon = site.start();
    daemon.status_when("an alarm", damaged_alarm).await;
    let (first, last) = lost(&daemon, Start::Consumer("plc".to_owned())).await;
    assert_eq!(first, 701);
    assert!(last >= 3000, "{last}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn journal_whose_header_is_damaged_is_set_aside() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    fill(&site).await;
    overwrite(&site, |_| 0..100);
    let daemon = site.start();
    daemon.status_when("an alarm", damaged_alarm).await;
    // Its consumers cannot be read: this one begins with what was lost.
    let (first, last) = lost(&daemon, Start::Consumer("plc".to_owned())).await;
    assert_eq!(first, 1);
    assert!(last >= 3000, "{last}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verdict_that_cannot_be_read_does_not_end_a_stream() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    fill(&site).await;
    opened(&site)
        .execute(
            "UPDATE verdicts SET details = '{}' WHERE sequence = 1500",
            [],
        )
        .expect("changed");
    let daemon = site.start();
    let gap = lost(&daemon, Start::FromSequence(1400)).await;
    assert_eq!(gap, (1500, 1500));
    assert!(!damaged_alarm(&daemon.status().await));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn restored_backup_is_recognised_and_what_it_lacks_is_reported() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    fill(&site).await;
    let path = site.path("journal/journal.sqlite");
    let backup = std::fs::read(&path).expect("a journal");
    let newest = "SELECT max(sequence) FROM verdicts";
    let newest = opened(&site)
        .query_row(newest, [], |row| row.get::<_, i64>(0))
        .expect("a number") as u64;
    // Ten verdicts more, which the backup lacks.
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let after = verdicts
        .until(|verdict| verdict.sequence >= newest + 10)
        .await
        .sequence;
    daemon.stop();
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(site.path(format!("journal/journal.sqlite{ending}")));
    }
    std::fs::write(&path, backup).expect("restored");
    let daemon = site.start();
    daemon.status_when("an alarm", damaged_alarm).await;
    let (first, last) = lost(&daemon, Start::FromSequence(newest - 5)).await;
    assert_eq!(first, newest + 1);
    assert!(last >= after, "{last}");
    daemon.stop();
}

//! A program that keeps the journal open for reading makes the write-ahead log grow: seen, limited, and over when it ends.

use std::path::Path;

use inspectd_client::proto::{FaultReason, Status};
use inspectd_test_support::{onnx_runtime, require};
use rusqlite::Connection;

use super::journal_site::{belt, journal, site};

/// The smallest `wal_max_mib`, bytes.
const LIMIT: u64 = 32 << 20;

fn wal_bytes(status: &Status) -> u64 {
    status.journal.as_ref().expect("a journal").wal_bytes
}

fn grows(status: &Status) -> bool {
    status.alarms.iter().any(|alarm| alarm.kind == "wal_grows")
}

/// The value of a metric without labels.
fn metric(page: &str, name: &str) -> Option<f64> {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value?.parse().ok()
}

/// Writes this many MiB into the log, without the syncs that as many verdicts would take.
fn grow(file: &Path, mib: u32) {
    let writer = Connection::open(file).expect("the journal");
    let write = format!(
        "PRAGMA busy_timeout = 30000; PRAGMA synchronous = OFF; CREATE TABLE grown (bytes BLOB);
         INSERT INTO grown WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {})
             SELECT zeroblob(4000) FROM n;
         DROP TABLE grown",
        mib * 256
    );
    writer.execute_batch(&write).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reader_that_does_not_end_is_an_alarm_until_it_ends() {
    require!(onnx_runtime());
    let top = format!(
        "{}[evidence]\ndisk_mib = 0\n",
        journal("wal_max_mib = 32\n")
    );
    let site = site(&top, &belt("belt", "pace = \"fast\""));
    let daemon = site.start();
    daemon.verdicts().await.next().await;
    let reader = Connection::open(site.path("journal/journal.sqlite")).expect("the journal");
    let read = "BEGIN; SELECT count(*) FROM verdicts";
    reader.execute_batch(read).expect("a snapshot");

    grow(&site.path("journal/journal.sqlite"), 20);
    let status = daemon.status_when("an alarm", grows).await;
    assert!(wal_bytes(&status) > LIMIT / 2, "{status:?}");
    grow(&site.path("journal/journal.sqlite"), 16);
    let mut verdicts = daemon.verdicts().await;
    let full = verdicts.until(|verdict| verdict.sequence == 0).await;
    assert_eq!(full.fault.expect("a fault").reason(), FaultReason::Journal);
    let status = daemon.status().await;
    assert!(wal_bytes(&status) > LIMIT, "{status:?}");
    let trouble = status.journal.expect("a journal").trouble;
    assert!(trouble.contains("wal_max_mib"), "{trouble}");
    let (_, page) = daemon.page("/metrics");
    let shown = metric(&page, "inspectd_journal_wal_bytes").expect("a metric");
    assert!(shown > LIMIT as f64, "{shown}");

    drop(reader);
    let over = |status: &Status| !grows(status) && wal_bytes(status) <= LIMIT / 2;
    daemon.status_when("no alarm", over).await;
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence > 0).await;
    daemon.stop();
}

//! Faults of the daemon and its journal: restarts, a journal that was moved away, a folder that was removed, verdicts that
//! were removed before they were forwarded.

use std::fs;

use serde_json::Value;

use crate::harness::{Site, assert_complete, pauses};

const SINK: &str =
    "[sinks.a]\ntype = \"files\"\nfolder = \"a\"\nbatch_limit = 50\nbatch_window_ms = 50\n";

/// The records in the files, in their order.
fn records(site: &Site) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(site.path("a"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some())
        .collect();
    files.sort();
    let texts = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("UTF-8"));
    let texts: Vec<String> = texts.collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn ids(records: &[Value], kind: &str) -> Vec<String> {
    let selected = records.iter().filter(|record| record["type"] == kind);
    selected
        .map(|record| record["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// The reasons of the gaps.
fn reasons(records: &[Value]) -> Vec<&str> {
    let gaps = records.iter().filter(|record| record["type"] == "gap");
    gaps.map(|record| record["reason"].as_str().expect("a reason"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_and_kills_of_the_daemon_lose_nothing() {
    let mut site = Site::start(150, 100).await;
    site.forward_to(SINK);
    let mut forward = site.forward();
    for (turn, pause) in pauses(6, 900).enumerate() {
        tokio::time::sleep(pause).await;
        if turn % 2 == 0 {
            site.kill_daemon();
        } else {
            site.stop_daemon();
        }
        site.start_daemon().await;
    }
    let newest = site.newest().await;
    site.produced(newest + 100).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    site.caught_up("forward-a").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let records = records(&site);
    assert_eq!(ids(&records, "verdict"), site.ids().await);
    assert_eq!(reasons(&records), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_that_was_moved_away_is_reported_and_the_next_one_is_forwarded() {
    let mut site = Site::start(60, 200).await;
    site.forward_to(SINK);
    let mut forward = site.forward();
    site.produced(60).await;
    site.caught_up("forward-a").await;
    let mut expected = site.ids().await;
    for _ in 0..2 {
        site.stop_daemon();
        for name in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
            let path = site.path("journal").join(name);
            if path.exists() {
                fs::remove_file(path).expect("removed");
            }
        }
        site.start_daemon().await;
        let newest = site.newest().await;
        site.produced(newest + 30).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        site.caught_up("forward-a").await;
        expected.extend(site.ids().await);
    }
    assert_eq!(forward.terminate().code(), Some(0));
    let records = records(&site);
    assert_complete(&ids(&records, "verdict"), &expected);
    let found = reasons(&records);
    assert_eq!(
        found
            .iter()
            .filter(|reason| **reason == "journal_replaced")
            .count(),
        2,
        "{found:?}"
    );
    let replaced = records
        .iter()
        .rfind(|record| record["reason"] == "journal_replaced")
        .expect("a gap");
    assert_eq!(
        (&replaced["previous_epoch"], &replaced["epoch"]),
        (&2.into(), &3.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_that_was_removed_begins_again_and_no_new_verdict_is_taken_for_an_old_one() {
    let mut site = Site::start(100, 200).await;
    site.forward_to(SINK);
    for running in [true, false] {
        let mut forward = site.forward();
        crate::harness::wait("the stream", || {
            forward.has_logged("the stream of verdicts is open")
        });
        site.produced(100).await;
        site.caught_up("forward-a").await;
        let mut expected = ids(&records(&site), "verdict");
        if !running {
            assert_eq!(forward.terminate().code(), Some(0));
        }
        site.stop_daemon();
        fs::remove_dir_all(site.path("journal")).expect("removed");
        site.start_daemon().await;
        if !running {
            // More verdicts than before: only the missing consumer shows that the journal is another one.
            site.produced(100).await;
            forward = site.forward();
        }
        site.produced(100).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        site.caught_up("forward-a").await;
        assert_eq!(forward.terminate().code(), Some(0));
        let records = records(&site);
        expected.extend(site.ids().await);
        assert_complete(&ids(&records, "verdict"), &expected);
        let last = *reasons(&records).last().expect("a gap");
        assert!(
            ["sequences_restarted", "position_lost"].contains(&last),
            "{last}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn position_of_a_removed_journal_is_not_acknowledged_after_a_receiver_was_away() {
    let mut site = Site::start(100, 200).await;
    // The folder of the sink cannot be created.
    fs::write(site.path("a"), "").expect("written");
    site.forward_to(&format!(
        "{}retry_after_s = 0.05\nretry_after_max_s = 0.2\n",
        SINK.replace("batch_limit = 50", "batch_limit = 10")
    ));
    site.produced(100).await;
    let mut forward = site.forward();
    crate::harness::wait("an attempt", || {
        forward.has_logged("the receiver does not store records")
    });
    // The reader has more than the sink takes, and does not notice the end of the stream.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    site.stop_daemon();
    fs::remove_dir_all(site.path("journal")).expect("removed");
    site.start_daemon().await;
    site.produced(100).await;
    fs::remove_file(site.path("a")).expect("removed");
    site.caught_up("forward-a").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let expected = site.ids().await;
    let records = records(&site);
    let found = ids(&records, "verdict");
    let missing: Vec<_> = expected.iter().filter(|id| !found.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(reasons(&records), ["position_lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_earlier_journal_do_not_hide_the_verdicts_of_another_one() {
    let mut site = Site::start(100, 200).await;
    site.forward_to(SINK);
    let mut forward = site.forward();
    site.produced(100).await;
    site.caught_up("forward-a").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let mut expected = site.ids().await;
    // The system disk was replaced: only the folder of the files is left.
    site.stop_daemon();
    for folder in ["journal", "state"] {
        fs::remove_dir_all(site.path(folder)).expect("removed");
    }
    site.start_daemon().await;
    site.produced(100).await;
    let mut forward = site.forward();
    site.caught_up("forward-a").await;
    assert_eq!(forward.terminate().code(), Some(0));
    expected.extend(site.ids().await);
    let records = records(&site);
    assert_eq!(ids(&records, "verdict"), expected);
    assert_eq!(reasons(&records), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_that_were_removed_before_they_were_forwarded_are_a_gap() {
    let tables =
        "[journal]\nfolder = \"journal\"\nmax_mib = 1\n[evidence]\ndisk_mib = 0\nmemory_mib = 0\n";
    let site = Site::start_with(6000, 1000, tables).await;
    site.forward_to(SINK);
    site.produced(20).await;
    let consumer = "forward-a".parse().expect("a name");
    site.client()
        .acknowledge(&consumer, 10)
        .await
        .expect("acknowledged");
    site.produced(6000).await;
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    let oldest = loop {
        let status = site.client().status().await.expect("a status");
        let oldest = status.journal.expect("a journal").oldest_sequence;
        if oldest > 11 {
            break oldest;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the journal removes nothing: {oldest}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    let mut forward = site.forward();
    site.caught_up("forward-a").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let records = records(&site);
    let gap = &records[0];
    assert_eq!(
        (&gap["reason"], &gap["first_sequence"]),
        (&"removed".into(), &11.into()),
        "{gap}"
    );
    let last = gap["last_sequence"].as_u64().expect("a sequence");
    assert!(last + 1 >= oldest, "{gap}, {oldest}");
    let found = ids(&records, "verdict");
    assert_eq!(found.len() as u64, 6000 - last);
    let expected: Vec<String> = site.ids().await;
    assert_complete(&found[found.len() - expected.len()..], &expected);
}

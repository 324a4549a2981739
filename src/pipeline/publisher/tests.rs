//! A journal that stands still: a second connection holds the file's lock, as a disk that hangs would.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::config::{self, Sources};
use inspectd_core::id::CameraId;
use inspectd_core::record::{Fault, FaultReason, ModelId, Stamp};

const STALL: Duration = Duration::from_millis(50);

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn camera() -> CameraId {
    "belt".parse().expect("an id")
}

fn settings(folder: &TempDir, policy: &str) -> Settings {
    let path = folder.path().display().to_string();
    let variable = |name: &str, value: &str| (format!("INSPECTD__{name}"), value.to_owned());
    let sources = Sources {
        file: PathBuf::from("absent.toml"),
        required: false,
        environment: vec![
            variable("MODEL__BUNDLE", "bundle"),
            variable("CAMERAS__BELT__SOURCE", "simulator"),
            variable("JOURNAL__FOLDER", &path),
            variable("JOURNAL__ON_JOURNAL_FAILURE", policy),
            variable("JOURNAL__STALL_TIMEOUT_S", "0.05"),
            variable("EVIDENCE__DISK_MIB", "0"),
        ],
    };
    config::load(&sources).expect("valid settings").settings
}

fn entry(message: &str) -> Entry {
    let stamp = Stamp {
        model: ModelId {
            name: String::new(),
            version: String::new(),
            sha256: String::new(),
        },
        config_hash: String::new(),
        provider: String::new(),
        recipe: None,
    };
    Entry {
        moment: Moment::now(),
        subject: Subject::new(Some(camera()), Arc::new(stamp)),
        // A camera's trouble stands for any outcome.
        outcome: Outcome::Fault(Fault::new(FaultReason::CameraLost, message)),
        seen: None,
        board: None,
        reply: None,
    }
}

fn start(folder: &TempDir, policy: &str) -> (Publisher, Vec<JoinHandle<()>>) {
    let settings = settings(folder, policy);
    let run = Uuid::from_u128(1);
    let journal = open_journal(&settings, run).expect("a journal");
    Publisher::start(Moment::now(), run, &settings, Box::new(|_| ()), journal).expect("threads")
}

fn end(publisher: &Publisher, threads: Vec<JoinHandle<()>>) {
    publisher.close();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// The next verdict, while the journal is watched as the line does it.
fn next(
    publisher: &Publisher,
    feed: &mut broadcast::Receiver<Arc<Verdict>>,
) -> Option<Arc<Verdict>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        publisher.watch(Instant::now());
        if let Ok(verdict) = feed.try_recv() {
            return Some(verdict);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

fn reason(verdict: &Verdict) -> Option<FaultReason> {
    verdict.outcome.fault().map(|fault| fault.reason)
}

#[test]
fn what_a_journal_that_stands_still_holds_up_is_announced_and_said_so_later() {
    let check = |policy: &str, told: FaultReason| {
        let folder = tempfile::tempdir().expect("a folder");
        let (publisher, threads) = start(&folder, policy);
        let (mut feed, _) = publisher.subscribe();
        publisher.publish(entry("before"));
        let before = next(&publisher, &mut feed).expect("journalled");
        assert_eq!(before.sequence, 1);

        let other = Connection::open(crate::journal::file(folder.path())).expect("the file");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        publisher.publish(entry("held up"));
        let held_up = next(&publisher, &mut feed).expect("announced");
        assert_eq!((held_up.sequence, reason(&held_up)), (0, Some(told)));
        assert!(!publisher.journalling());
        // While it stands still nothing waits for it.
        publisher.publish(entry("meanwhile"));
        let meanwhile = next(&publisher, &mut feed).expect("announced");
        assert_eq!((meanwhile.sequence, reason(&meanwhile)), (0, Some(told)));
        let refused = publisher
            .journal()
            .map(|journal| journal.acknowledge("plc", 1));
        assert!(matches!(refused, Some(Err(AcknowledgeError::Journal(_)))));
        other.execute_batch("COMMIT").expect("the lock is free");

        let deadline = Instant::now() + PATIENCE;
        while !publisher.journalling() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        publisher.publish(entry("after"));
        let after = next(&publisher, &mut feed).expect("journalled");
        assert_eq!(after.sequence, 3, "no sequence is used twice");
        let journal = publisher.journal().expect("a journal");
        let written = journal
            .readers()
            .get(2)
            .expect("readable")
            .expect("it arrived late");
        assert_eq!(
            reason(&written),
            Some(told),
            "what is kept is what was told"
        );
        assert_eq!(written.outcome, held_up.outcome);
        end(&publisher, threads);
    };
    check("fault", FaultReason::Journal);
    check("continue", FaultReason::CameraLost);
}

#[test]
fn a_journal_that_refuses_a_write_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (publisher, threads) = start(&folder, "fault");
    let (mut feed, _) = publisher.subscribe();
    let other = Connection::open(crate::journal::file(folder.path())).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    publisher.publish(entry("refused"));
    let refused = next(&publisher, &mut feed).expect("announced");
    assert_eq!(refused.sequence, 0);
    // Longer than SQLite waits for the lock.
    thread::sleep(Duration::from_millis(1200));
    other.execute_batch("COMMIT").expect("the lock is free");
    let deadline = Instant::now() + PATIENCE;
    while !publisher.journalling() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    publisher.publish(entry("after"));
    let after = next(&publisher, &mut feed).expect("journalled");
    assert!(after.sequence > 1, "{after:?}");
    let journal = publisher.journal().expect("a journal");
    assert_eq!(journal.readers().get(1).expect("readable"), None);
    assert_eq!(publisher.totals().unjournalled, 1);
    end(&publisher, threads);
}

#[test]
fn what_a_write_takes_is_given_back_unless_it_took_too_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let announcer = Broadcaster::new(
        Moment::now(),
        Uuid::nil(),
        &settings(&folder, "fault"),
        None,
        Box::new(|_| ()),
    );
    let check = |after: Duration, taken_over: bool| {
        let ledger = CommitQueue::new(STALL);
        ledger.begin(vec![announcer.ready(entry("under way"), 1)]);
        assert!(ledger.push(entry("waits"), true).is_ok());
        let begun = Instant::now();
        let overdue = ledger.take_over(begun + after);
        assert_eq!(overdue.ready.len(), usize::from(taken_over), "{after:?}");
        assert_eq!(overdue.entries.len(), usize::from(taken_over), "{after:?}");
        assert_eq!(ledger.trouble().is_some(), taken_over, "{after:?}");
        let refused = ledger.push(entry("comes"), true).is_err();
        assert_eq!(refused, taken_over, "{after:?}");
        assert_eq!(ledger.end().is_none(), taken_over, "{after:?}");
        assert!(ledger.push(entry("later"), true).is_ok(), "it goes on");
    };
    check(STALL / 2, false);
    check(STALL * 2, true);
}

#[test]
fn verdicts_are_announced_once_each_in_the_order_of_their_sequences() {
    let folder = tempfile::tempdir().expect("a folder");
    let (publisher, threads) = start(&folder, "fault");
    let (mut feed, _) = publisher.subscribe();
    let answered = Arc::new(AtomicU64::new(0));
    for number in 0..300_u64 {
        let count = Arc::clone(&answered);
        let reply: Reply = Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        publisher.publish(Entry {
            reply: Some(reply),
            ..entry(&number.to_string())
        });
    }
    publisher.flush(Instant::now() + PATIENCE);
    for number in 0..300_u64 {
        let verdict = feed.try_recv().expect("announced");
        assert_eq!(verdict.sequence, number + 1);
        let message = verdict.outcome.fault().map(|fault| fault.message.as_str());
        assert_eq!(message, Some(number.to_string().as_str()));
    }
    assert_eq!(answered.load(Ordering::Relaxed), 300);
    end(&publisher, threads);
}

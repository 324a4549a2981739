//! Publishing with a journal whose writes are stalled or refused: a second connection holds the file's lock, as
//! a disk that hangs would.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Local;
use inspectd_core::id::CameraId;
use inspectd_core::record::{Fault, FaultReason, ModelId, Outcome, Stamp, Subject};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::clock::tests::ManualClock;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Sources};
use crate::pipeline::response_slot::Reply;
use crate::shift::ShiftStarts;

const STALL: Duration = Duration::from_millis(50);

/// Longer than any step takes on a busy machine.
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
            variable("JOURNAL__STALL_TIMEOUT_S", "0.5"),
            variable("EVIDENCE__DISK_MIB", "0"),
        ],
    };
    config::load(&sources).expect("valid settings").settings
}

fn entry(message: &str) -> VerdictEntry {
    let stamp = Stamp {
        model: ModelId {
            name: String::new(),
            version: String::new(),
            sha256: String::new(),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: String::new(),
        provider: String::new(),
        recipe: None,
    };
    VerdictEntry {
        moment: SystemClock.now(),
        subject: Subject::new(Some(camera()), Arc::new(stamp)),
        outcome: Outcome::Fault(Fault::new(FaultReason::CameraLost, message)),
        images: None,
        stats: None,
        reply: None,
    }
}

fn start(folder: &TempDir, policy: &str) -> (Publisher, Vec<JoinHandle<()>>) {
    start_with(&settings(folder, policy))
}

fn start_with(settings: &Settings) -> (Publisher, Vec<JoinHandle<()>>) {
    let run = Uuid::from_u128(1);
    let options = PublisherOptions {
        start: SystemClock.now(),
        run,
        settings,
        on_published: Box::new(|_, _| ()),
        clock: Arc::new(SystemClock),
        alarms: Alarms::new(Arc::new(SystemClock)),
        failed: Arc::new(|| panic!("the journal's thread panicked")),
    };
    Publisher::start(options).expect("threads")
}

fn end(publisher: &Publisher, threads: Vec<JoinHandle<()>>) {
    publisher.close();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// The next verdict, while the journal is checked as the timekeeper does it.
fn next(
    publisher: &Publisher,
    feed: &mut broadcast::Receiver<Arc<Verdict>>,
) -> Option<Arc<Verdict>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        publisher.check_stalled(Instant::now());
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
fn verdicts_of_a_stalled_write_are_broadcast_without_a_sequence_and_journalled_as_broadcast() {
    let check = |policy: &str, expected: FaultReason| {
        let folder = tempfile::tempdir().expect("a folder");
        let (publisher, threads) = start(&folder, policy);
        let (mut feed, _) = publisher.subscribe();
        publisher.publish(entry("before"));
        let before = next(&publisher, &mut feed).expect("journalled");
        assert_eq!(before.sequence, 1);

        let other = Connection::open(crate::journal::file(folder.path())).expect("the file");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        publisher.publish(entry("stalled"));
        let stalled = next(&publisher, &mut feed).expect("broadcast");
        assert_eq!((stalled.sequence, reason(&stalled)), (0, Some(expected)));
        assert!(!publisher.journalling());
        // While writes are stalled nothing waits for them.
        publisher.publish(entry("meanwhile"));
        let meanwhile = next(&publisher, &mut feed).expect("broadcast");
        assert_eq!(
            (meanwhile.sequence, reason(&meanwhile)),
            (0, Some(expected))
        );
        let refused = publisher
            .journal()
            .map(|journal| journal.acknowledge("plc", 1, None));
        assert!(matches!(refused, Some(Err(AcknowledgeError::Stalled))));
        other.execute_batch("COMMIT").expect("the lock is free");

        wait_for_journalling(&publisher, true);
        publisher.publish(entry("after"));
        let after = next(&publisher, &mut feed).expect("journalled");
        assert_eq!(after.sequence, 3, "no sequence is used twice");
        let journal = publisher.journal().expect("a journal");
        let written = journal
            .readers()
            .get(2)
            .expect("readable")
            .expect("it was written late");
        assert_eq!(
            reason(&written),
            Some(expected),
            "the journal holds what was broadcast"
        );
        assert_eq!(written.outcome, stalled.outcome);
        end(&publisher, threads);
    };
    check("fault", FaultReason::Journal);
    check("continue", FaultReason::CameraLost);
}

#[test]
fn a_journal_that_refuses_a_write_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (publisher, threads) = start(&folder, "fault");
    let (mut feed, _) = publisher.subscribe();
    let other = Connection::open(crate::journal::file(folder.path())).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    publisher.publish(entry("refused"));
    let refused = next(&publisher, &mut feed).expect("broadcast");
    assert_eq!(refused.sequence, 0);
    // Longer than SQLite waits for the lock.
    thread::sleep(Duration::from_millis(1200));
    other.execute_batch("COMMIT").expect("the lock is free");
    wait_for_journalling(&publisher, true);
    publisher.publish(entry("after"));
    let after = next(&publisher, &mut feed).expect("journalled");
    assert!(after.sequence > 1, "{after:?}");
    let journal = publisher.journal().expect("a journal");
    assert_eq!(journal.readers().get(1).expect("readable"), None);
    assert_eq!(publisher.totals().unjournalled, 1);
    end(&publisher, threads);
}

/// Waits until verdicts are journalled, or are not.
fn wait_for_journalling(publisher: &Publisher, journalling: bool) {
    let deadline = Instant::now() + PATIENCE;
    while publisher.journalling() != journalling {
        assert!(Instant::now() < deadline, "never {journalling}");
        publisher.check_stalled(Instant::now());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn nothing_is_written_while_the_write_ahead_log_is_larger_than_its_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(&folder, "fault");
    settings.journal.wal_limit = 2 << 20;
    settings.journal.stall_timeout = PATIENCE;
    let (publisher, threads) = start_with(&settings);
    let (mut feed, _) = publisher.subscribe();
    let open = || Connection::open(crate::journal::file(folder.path())).expect("the file");
    // A program that keeps the file open for reading, so that the log cannot be emptied.
    let reader = open();
    let read = "BEGIN; SELECT count(*) FROM verdicts";
    reader.execute_batch(read).expect("a snapshot");
    let other = open();
    other.busy_timeout(PATIENCE).expect("a limit");
    let grow = "CREATE TABLE grown (bytes BLOB); INSERT INTO grown VALUES (zeroblob(3000000))";
    other.execute_batch(grow).expect("written");
    wait_for_journalling(&publisher, false);
    let length = || crate::journal::wal_bytes(&crate::journal::file(folder.path()));
    let full = length();
    publisher.publish(entry("full"));
    let verdict = next(&publisher, &mut feed).expect("published");
    assert_eq!(
        (verdict.sequence, reason(&verdict)),
        (0, Some(FaultReason::Journal))
    );
    let journal = publisher.journal().expect("a journal");
    let acknowledged = journal.acknowledge("plc", 1, None).expect("queued");
    let refused = acknowledged.blocking_recv().expect("an answer");
    assert!(
        matches!(refused, Err(AcknowledgeError::NotOpen)),
        "{refused:?}"
    );
    assert_eq!(length(), full, "nothing is written");
    drop(reader);
    wait_for_journalling(&publisher, true);
    publisher.publish(entry("after"));
    let after = next(&publisher, &mut feed).expect("journalled");
    assert!(after.sequence > 0, "{after:?}");
    end(&publisher, threads);
}

/// Starts of two different shifts, both at least an hour away from the present time.
fn distant_starts() -> [ShiftStarts; 2] {
    let (now, hour) = (SystemClock.now().utc, Duration::from_hours(1));
    let times = ["00:00", "06:00", "12:00", "18:00"];
    let starts = times.map(|time| ShiftStarts::parse(&[time]).expect("a time of day"));
    let distant = |starts: &ShiftStarts| {
        let shift = starts.shift_at(&Local, now);
        shift.contains(now - hour) && shift.contains(now + hour)
    };
    let distant: Vec<_> = starts.into_iter().filter(distant).take(2).collect();
    distant.try_into().expect("at most one of them is close")
}

/// The present shift, once its verdicts in the journal are counted.
fn counted_shift(publisher: &Publisher) -> ShiftSnapshot {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, shift) = publisher.counts();
        if !shift.counting {
            return shift;
        }
        assert!(Instant::now() < deadline, "never counted");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn verdicts_of_the_shift_before_a_restart_are_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(&folder, "fault");
    let [starts, other] = distant_starts();
    settings.shifts.starts = starts;
    settings.journal.stall_timeout = PATIENCE;
    let faults = |shift: &ShiftSnapshot| (shift.decisions.fault, shift.of(&camera()).fault);
    let publish = |publisher: &Publisher, count: usize| {
        for _ in 0..count {
            publisher.publish(entry("lost"));
        }
        publisher.flush(Instant::now() + PATIENCE);
    };
    let (publisher, threads) = start_with(&settings);
    publish(&publisher, 3);
    assert_eq!(faults(&counted_shift(&publisher)), (3, 3));
    end(&publisher, threads);

    let (publisher, threads) = start_with(&settings);
    publish(&publisher, 2);
    assert_eq!(faults(&counted_shift(&publisher)), (5, 5));
    assert_eq!(publisher.totals().decisions.fault, 2, "those of this run");
    settings.shifts.starts = other;
    publisher.apply(&settings);
    assert_eq!(faults(&counted_shift(&publisher)), (5, 5));
    publisher.forget_camera(&camera());
    publish(&publisher, 1);
    assert_eq!(faults(&counted_shift(&publisher)), (6, 1));
    end(&publisher, threads);
}

#[test]
fn a_write_returns_its_verdicts_unless_it_exceeds_the_stall_timeout() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::new();
    let broadcaster = Broadcaster::new(
        clock.now(),
        Uuid::nil(),
        &settings(&folder, "fault"),
        None,
        Box::new(|_, _| ()),
        clock.clone(),
    );
    let check = |after: Duration, taken_over: bool| {
        let queue = CommitQueue::new(STALL, clock.clone());
        queue.start_write(vec![broadcaster.ready(entry("in progress"), 1)], false);
        assert!(queue.push(entry("waits"), true).is_ok());
        clock.advance(after);
        let overdue = queue.take_overdue(clock.now().monotonic);
        assert_eq!(overdue.ready.len(), usize::from(taken_over), "{after:?}");
        assert_eq!(overdue.entries.len(), usize::from(taken_over), "{after:?}");
        assert_eq!(queue.trouble().is_some(), taken_over, "{after:?}");
        let refused = queue.push(entry("comes"), true).is_err();
        assert_eq!(refused, taken_over, "{after:?}");
        assert_eq!(queue.end_write().is_none(), taken_over, "{after:?}");
        assert!(queue.push(entry("later"), true).is_ok(), "open again");
    };
    check(STALL / 2, false);
    check(STALL * 2, true);
}

#[test]
fn each_verdict_is_broadcast_once_in_the_order_of_sequences() {
    let folder = tempfile::tempdir().expect("a folder");
    let (publisher, threads) = start(&folder, "fault");
    let (mut feed, _) = publisher.subscribe();
    let answered = Arc::new(AtomicU64::new(0));
    for number in 0..300_u64 {
        let count = Arc::clone(&answered);
        let reply: Reply = Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        publisher.publish(VerdictEntry {
            reply: Some(reply),
            ..entry(&number.to_string())
        });
    }
    publisher.flush(Instant::now() + PATIENCE);
    for number in 0..300_u64 {
        let verdict = feed.try_recv().expect("broadcast");
        assert_eq!(verdict.sequence, number + 1);
        let message = verdict.outcome.fault().map(|fault| fault.message.as_str());
        assert_eq!(message, Some(number.to_string().as_str()));
    }
    assert_eq!(answered.load(Ordering::Relaxed), 300);
    end(&publisher, threads);
}

//! Appended entries are stored once, in order.

use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::ErrorCode;

use super::*;
use crate::clock::Clock;
use crate::clock::tests::ManualClock;

#[test]
fn appended_entries_are_read_unchanged() {
    let site = Site::new();
    let audit = site.open();
    let first = audit
        .append(entry("camera.left.threshold"))
        .expect("appended");
    let second = audit.append(entry("Ä\0\n")).expect("appended");
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(first.previous_hash, Hash::GENESIS);
    assert_eq!(second.previous_hash, first.hash);
    assert_eq!(first.origin, "rpc 10.0.0.5:1234");
    assert_eq!(first.action, "threshold");
    assert_eq!(second.subject, "Ä\0\n");
    let reader = Reader::open(&site.path()).expect("a log");
    let check = |after, limit, expected: &[&StoredEntry]| {
        let expected: Vec<StoredEntry> = expected.iter().map(|&entry| entry.clone()).collect();
        assert_eq!(audit.entries(after, limit).expect("read"), expected);
        assert_eq!(reader.entries(after, limit).expect("read"), expected);
    };
    check(0, 10, &[&first, &second]);
    check(0, 1, &[&first]);
    check(1, 10, &[&second]);
    check(2, 10, &[]);
    check(u64::MAX, usize::MAX, &[]);
    let verified = site.verified();
    assert_eq!((verified.entries, verified.head), (2, second.hash));
    assert_eq!(verified.first_ns, Some(first.time_ns));
    assert_eq!(verified.last_ns, Some(second.time_ns));
}

#[test]
fn empty_log_is_intact() {
    let site = Site::new();
    let state = site.open().state();
    assert_eq!(
        (state.entries, state.head, state.broken),
        (0, Hash::GENESIS, None)
    );
    assert_eq!(site.verified().entries, 0);
}

#[test]
fn reopened_log_continues_the_chain() {
    let site = Site::with(3);
    let audit = site.open();
    assert_eq!(audit.state().entries, 3);
    assert_eq!(audit.append(entry("4")).expect("appended").number, 4);
    assert_eq!(
        audit.state(),
        AuditState {
            entries: 4,
            head: site.verified().head,
            broken: None
        }
    );
}

/// Other programs verify by this encoding: it never changes.
#[test]
fn hash_of_the_documented_encoding_is_unchanged() {
    let first = chain::chained(
        Tail::START,
        1_785_000_000_123_456_789,
        entry("verdict.threshold"),
    );
    assert_eq!(
        first.hash.to_string(),
        "c7223c965397465c28e2a866c2f10cc6e3b961f439b125888e1702db13c85fb0"
    );
}

#[test]
fn hash_parses_from_64_hexadecimal_digits_only() {
    let check = |text: &str, accepted: bool| {
        let parsed = text.parse::<Hash>();
        assert_eq!(parsed.is_ok(), accepted, "{text:?}");
        if let Ok(hash) = parsed {
            assert_eq!(hash.to_string(), text.to_ascii_lowercase());
        }
    };
    check(&"0123456789abcdef".repeat(4), true);
    check(&"0123456789ABCDEF".repeat(4), true);
    check(&"0".repeat(63), false);
    check(&"0".repeat(65), false);
    check(&format!("{}+f", "0".repeat(62)), false);
    check(&format!("{}ä", "0".repeat(62)), false);
    check("", false);
}

#[test]
fn entries_have_the_time_of_the_clock() {
    let site = Site::new();
    let clock = ManualClock::new();
    let audit = Audit::open(&site.path(), clock.clone()).expect("a log");
    let start = nanoseconds(clock.now().utc);
    audit.append(entry("first")).expect("appended");
    clock.advance(Duration::from_secs(5));
    audit.append(entry("second")).expect("appended");
    let verified = site.verified();
    assert_eq!(verified.first_ns, Some(start));
    assert_eq!(verified.last_ns, Some(start + 5_000_000_000));
}

#[test]
fn concurrent_threads_append_to_one_chain() {
    let site = Site::new();
    let audit = site.open();
    let mut numbers: Vec<u64> = thread::scope(|scope| {
        let append = |writer: u64| {
            let audit = &audit;
            let run = move || {
                let one = |n: u64| audit.append(entry(&format!("{writer}.{n}")));
                (0..25)
                    .map(|n| one(n).expect("appended").number)
                    .collect::<Vec<_>>()
            };
            scope.spawn(run)
        };
        let writers: Vec<_> = (0..4).map(append).collect();
        let joined = writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"));
        joined.flatten().collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<u64>>());
    assert_eq!(site.verified().entries, 100);
}

#[test]
fn two_handles_append_to_one_chain() {
    let site = Site::new();
    let (one, other) = (site.open(), site.open());
    for number in 1..=6 {
        let audit = if number % 2 == 0 { &one } else { &other };
        assert_eq!(audit.append(entry("")).expect("appended").number, number);
    }
    assert_eq!(one.state().broken, None);
    assert_eq!(site.verified().entries, 6);
}

#[test]
fn text_longer_than_1_mib_is_refused() {
    let site = Site::new();
    let audit = site.open();
    let mut long = entry("");
    long.after = "x".repeat(LONGEST_TEXT);
    audit.append(long.clone()).expect("as long as it may be");
    long.after.push('x');
    let error = audit.append(long).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "after has 1048577 bytes, must have at most 1048576"
    );
    assert_eq!(site.verified().entries, 1);
}

#[test]
fn full_disk_is_an_error_and_the_chain_continues_after_it() {
    let site = Site::with(2);
    let audit = site.open();
    let pages = |audit: &Audit, limit: &str| {
        let inner = audit.lock();
        let pragma = format!("PRAGMA max_page_count = {limit}");
        let set = inner
            .store
            .connection
            .query_row(&pragma, [], |row| row.get::<_, i64>(0));
        set.expect("a limit");
    };
    // SQLite reports a file at its page limit like a full disk.
    pages(&audit, "1");
    let mut long = entry("long");
    long.after = "x".repeat(100_000);
    let error = audit.append(long.clone()).expect_err("full");
    assert!(error.to_string().contains("is full"), "{error}");
    assert_eq!(audit.state().entries, 2);
    assert_eq!(site.verified().entries, 2);
    pages(&audit, "100000");
    assert_eq!(audit.append(long).expect("space again").number, 3);
    assert_eq!(site.verified().entries, 3);
}

#[test]
fn read_only_file_is_an_error_and_the_chain_continues_after_it() {
    let site = Site::with(2);
    let audit = site.open();
    let read_only = |on: bool| {
        let set = audit
            .lock()
            .store
            .connection
            .pragma_update(None, "query_only", on);
        set.expect("set");
    };
    read_only(true);
    let error = audit.append(entry("")).expect_err("read-only");
    assert!(
        matches!(&error, AuditError::Sqlite { reason, .. }
        if reason.sqlite_error_code() == Some(ErrorCode::ReadOnly)),
        "{error}"
    );
    read_only(false);
    assert_eq!(audit.append(entry("")).expect("appended").number, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn arbitrary_texts_are_stored_unchanged_and_verify(texts in prop::collection::vec(any::<[String; 5]>(), 0..8)) {
        let site = Site::new();
        let audit = site.open();
        for [who, role, subject, before, after] in &texts {
            let (who, role, subject) = (who.clone(), role.clone(), subject.clone());
            let (before, after) = (before.clone(), after.clone());
            let (origin, action) = (Origin::File, Action::Recipe);
            audit.append(AuditEntry { who, role, origin, action, subject, before, after }).expect("appended");
        }
        let entries = audit.entries(0, 100).expect("read");
        let kept: Vec<_> = entries
            .into_iter()
            .map(|entry| [entry.who, entry.role, entry.subject, entry.before, entry.after])
            .collect();
        prop_assert_eq!(&kept, &texts);
        prop_assert_eq!(site.verified().entries, texts.len() as u64);
    }
}

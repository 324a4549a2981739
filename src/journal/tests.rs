//! The journal in a real SQLite file.

mod backups;
mod fixture;
mod generators;
mod labels;
mod migration;
mod times;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use generators::{decision, verdict};

use super::*;
use inspectd_core::decision::{AnomalyKind, Decision, Region, Thresholds};
use inspectd_core::id::CameraId;
use inspectd_core::maps::Score;
use inspectd_core::record::{
    Fault, FaultReason, ModelId, Outcome, PartDecision, PartTag, PartView, RecipeTag, Stamp,
    Subject, Timings, Verdict,
};
use inspectd_core::verdict::{Judgement, RegionScore};

const RUN: Uuid = Uuid::from_u128(7);

fn camera(name: &str) -> CameraId {
    name.parse().expect("an id")
}

fn stamp(version: u8) -> Arc<Stamp> {
    Arc::new(Stamp {
        model: ModelId {
            name: "bottle".to_owned(),
            version: version.to_string(),
            sha256: "ab".repeat(32),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: "cd".repeat(32),
        provider: "cpu".to_owned(),
        recipe: (version % 2 == 1).then(|| RecipeTag {
            id: "juice".to_owned(),
            version: "3".to_owned(),
            sha256: "ef".repeat(32),
        }),
    })
}

fn fault(name: &str, sequence: u64) -> Verdict {
    Verdict {
        sequence,
        run: RUN,
        captured: UNIX_EPOCH + Duration::from_secs(1_000_000 + sequence),
        since_start: Duration::from_millis(sequence),
        recorded: UNIX_EPOCH + Duration::from_secs(1_000_000 + sequence),
        evidence: false,
        unconfirmed: false,
        subject: Subject::new(Some(camera(name)), stamp(0)),
        outcome: Outcome::Fault(Fault::new(FaultReason::Overflow, "full")),
    }
}

fn judged(name: &str, sequence: u64, decision: Decision) -> Verdict {
    Verdict {
        outcome: Outcome::Judged(Judgement {
            decision,
            score: Score {
                score: 0.5,
                structural: 0.3,
                logical: 0.2,
            },
            thresholds: Thresholds {
                reject_above: 0.4,
                review_from: None,
            },
            decided_by: None,
            highest: 0.5,
            rules: Vec::new(),
            dominant: AnomalyKind::Structural,
            regions: Vec::new(),
        }),
        ..fault(name, sequence)
    }
}

fn batch(verdicts: impl IntoIterator<Item = Verdict>) -> Batch {
    Batch {
        verdicts: verdicts.into_iter().map(Arc::new).collect(),
        ..Batch::default()
    }
}

fn open(folder: &TempDir) -> (Store, Opened) {
    Store::open(folder.path(), RUN, 1).expect("a journal")
}

fn page(filter: Filter, order: Order, limit: usize) -> Page {
    Page {
        filter,
        from: 0,
        to: u64::MAX,
        order,
        limit,
    }
}

fn sequences(verdicts: &[Verdict]) -> Vec<u64> {
    verdicts.iter().map(|verdict| verdict.sequence).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_committed_verdict_is_read_unchanged(verdict in verdict()) {
        let folder = TempDir::new().expect("a folder");
        let (mut store, _) = open(&folder);
        store.commit(&batch([verdict.clone()])).expect("written");
        let read = Readers::new(file(folder.path())).get(verdict.sequence).expect("read");
        prop_assert_eq!(read, Some(verdict));
    }

    #[test]
    fn pages_through_a_filter_equal_a_linear_search_in_both_directions(
        kinds in prop::collection::vec((0usize..3, decision()), 1..80),
        cameras in prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
        decisions in prop::sample::subsequence(Decision::ALL.to_vec(), 0..4),
        limit in 1usize..12,
        descending: bool,
        of_recipe: bool,
        least_score in prop::option::of(0.0_f32..2.0),
    ) {
        let folder = TempDir::new().expect("a folder");
        let (mut store, _) = open(&folder);
        let verdicts: Vec<Verdict> = (1..).zip(&kinds).map(|(sequence, &(name, decision))| {
            let name = ["a", "b", "c"][name];
            let mut verdict = match decision {
                Decision::Fault => fault(name, sequence),
                decision => judged(name, sequence, decision),
            };
            // Every other verdict is of the recipe.
            if sequence % 2 == 0 {
                verdict.subject.stamp = stamp(1);
            }
            verdict
        }).collect();
        store.commit(&batch(verdicts.clone())).expect("written");
        let filter = Filter {
            cameras: cameras.iter().map(|name| camera(name)).collect(),
            decisions,
            part_id: None,
            recipe: of_recipe.then(|| "juice".parse().expect("an id")),
            least_score,
        };
        let mut expected = verdicts;
        expected.retain(|verdict| filter.matches(verdict));
        let order = if descending {
            expected.reverse();
            Order::Descending
        } else {
            Order::Ascending
        };
        let readers = Readers::new(file(folder.path()));
        let mut found = Vec::new();
        let mut next = page(filter, order, limit);
        loop {
            let read = readers.page(&next).expect("read");
            let Some(last) = read.last() else { break };
            match order {
                Order::Ascending => next.from = last.sequence + 1,
                Order::Descending => next.to = last.sequence - 1,
            }
            found.extend(read);
        }
        prop_assert_eq!(sequences(&found), sequences(&expected));
    }
}

#[test]
fn last_used_sequence_is_known_after_all_verdicts_were_removed() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, opened) = open(&folder);
    assert_eq!((opened.sequence, opened.oldest), (0, None));
    store
        .commit(&batch((1..=9).map(|n| fault("a", n))))
        .expect("written");
    let all = Limits {
        before: Some(UNIX_EPOCH + Duration::from_secs(2_000_000)),
        bytes: u64::MAX,
        ..Limits::default()
    };
    assert_eq!(
        store.trim(all, |_| {}).expect("removed").kept_from,
        Some(10)
    );
    drop(store);
    let (_store, opened) = open(&folder);
    assert_eq!((opened.sequence, opened.oldest), (9, None));
}

#[test]
fn trim_removes_verdicts_before_the_time_limit_only() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    store
        .commit(&batch((1..=9).map(|n| fault("a", n))))
        .expect("written");
    let limits = Limits {
        before: Some(UNIX_EPOCH + Duration::from_secs(1_000_005)),
        bytes: u64::MAX,
        ..Limits::default()
    };
    assert_eq!(
        store.trim(limits, |_| {}).expect("removed").kept_from,
        Some(5)
    );
    assert_eq!(
        store.trim(limits, |_| {}).expect("nothing to do").kept_from,
        None
    );
}

#[test]
fn trim_keeps_the_file_near_its_size_limit() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    let limits = Limits {
        before: None,
        bytes: 400_000,
        ..Limits::default()
    };
    let mut removed = 0;
    for first in (1..20_000).step_by(1000) {
        store
            .commit(&batch((first..first + 1000).map(|n| fault("a", n))))
            .expect("written");
        if let Some(oldest) = store.trim(limits, |_| {}).expect("trimmed").kept_from {
            removed = oldest;
        }
    }
    assert!(removed > 10_000, "{removed}");
    let size = file(folder.path()).metadata().expect("a file").len();
    assert!(size < 1_500_000, "{size}");
}

#[test]
fn trim_keeps_held_verdicts_up_to_their_own_limit() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    store
        .commit(&batch((1..=9).map(|n| fault("a", n))))
        .expect("written");
    let limits = Limits {
        before: Some(UNIX_EPOCH + Duration::from_secs(2_000_000)),
        bytes: u64::MAX,
        hold_from: Some(4),
        held_bytes: None,
    };
    let trimmed = store.trim(limits, |_| {}).expect("trimmed");
    assert_eq!((trimmed.kept_from, trimmed.held), (Some(4), true));
    let trimmed = store.trim(limits, |_| {}).expect("trimmed");
    assert_eq!((trimmed.kept_from, trimmed.held), (None, true));
    let overflow = Limits {
        held_bytes: Some(trimmed.bytes - 1),
        ..limits
    };
    let trimmed = store.trim(overflow, |_| {}).expect("trimmed");
    assert_eq!((trimmed.kept_from, trimmed.held), (Some(10), false));
}

#[test]
fn tail_is_marked_as_unconfirmed() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    store
        .commit(&batch((1..=5).map(|n| fault("a", n))))
        .expect("written");
    assert_eq!(store.mark_unconfirmed(4).expect("marked"), 2);
    let readers = Readers::new(file(folder.path()));
    let unconfirmed = |n| {
        readers
            .get(n)
            .expect("readable")
            .expect("stored")
            .unconfirmed
    };
    assert_eq!([3, 4, 5].map(unconfirmed), [false, true, true]);
}

#[test]
fn checkpoint_empties_the_log_unless_a_reader_needs_it() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    let commit = |store: &mut Store, from: u64| {
        store
            .commit(&batch((from..from + 500).map(|n| fault("a", n))))
            .expect("written");
    };
    commit(&mut store, 1);
    assert!(store.wal_bytes() > 0);
    let reader = rusqlite::Connection::open(file(folder.path())).expect("opened");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM verdicts")
        .expect("a snapshot");
    commit(&mut store, 501);
    store.checkpoint().expect("no error");
    assert!(store.wal_bytes() > 0);
    reader.execute_batch("COMMIT").expect("ended");
    store.checkpoint().expect("no error");
    assert_eq!(store.wal_bytes(), 0);
}

#[test]
fn consumers_and_counters_are_stored() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    let consumer = Consumer {
        acknowledged: 5,
        changed: UNIX_EPOCH + Duration::from_secs(9),
        client: Some("line-3".into()),
    };
    let names = |pairs: [(&str, Option<Consumer>); 2]| {
        pairs.map(|(name, state)| (name.to_owned(), state)).into()
    };
    let both = Batch {
        consumers: names([
            ("plc", Some(consumer.clone())),
            ("mes", Some(consumer.clone())),
        ]),
        counters: BTreeMap::from([("part/a".to_owned(), 4)]),
        ..Batch::default()
    };
    store.commit(&both).expect("written");
    let one = Batch {
        consumers: [("mes".to_owned(), None)].into(),
        ..Batch::default()
    };
    store.commit(&one).expect("written");
    drop(store);
    let (_store, opened) = open(&folder);
    assert_eq!(opened.consumers, [("plc".to_owned(), consumer)].into());
    assert_eq!(opened.counters["part/a"], 4);
}

#[test]
fn second_writer_and_file_that_is_not_sqlite_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let (_store, _) = open(&folder);
    let error = Store::open(folder.path(), RUN, 1).expect_err("locked");
    assert!(
        error.is_permanent() && error.to_string().contains("another daemon"),
        "{error}"
    );

    let foreign = TempDir::new().expect("a folder");
    std::fs::write(
        file(foreign.path()),
        "plain text, longer than the header of a database",
    )
    .expect("written");
    let error = Store::open(foreign.path(), RUN, 1).expect_err("not a database");
    assert!(error.is_permanent(), "{error}");
}

/// Overwrites pages in the middle of a journal with many verdicts.
fn damaged(folder: &TempDir) -> PathBuf {
    let (mut store, _) = open(folder);
    for first in (1..=6000).step_by(1000) {
        store
            .commit(&batch((first..first + 1000).map(|n| fault("a", n))))
            .expect("written");
    }
    store.checkpoint().expect("in the file");
    drop(store);
    let path = file(folder.path());
    let mut bytes = std::fs::read(&path).expect("a file");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 3 * 4096].fill(0xa5);
    std::fs::write(&path, bytes).expect("damaged");
    path
}

#[test]
fn damage_beyond_the_first_page_is_found_and_what_is_intact_is_salvaged() {
    let folder = TempDir::new().expect("a folder");
    let path = damaged(&folder);
    let check = repair::Check::open(&path).expect("the first page is intact");
    assert!(
        !check
            .run(repair::Depth::Pages, 3)
            .expect("checked")
            .is_empty()
    );

    let out = TempDir::new().expect("a folder");
    let mut steps = 0;
    let salvaged = repair::salvage(&path, out.path(), |_| steps += 1).expect("salvaged");
    assert!(steps > 1);
    assert!(
        salvaged.copied > 3000 && salvaged.copied < 6000,
        "{salvaged:?}"
    );
    let (first, last) = salvaged.range.expect("some");
    assert_eq!(salvaged.copied + salvaged.lost, last - first + 1);
    let intact = repair::Check::open(&file(out.path())).expect("a journal");
    assert_eq!(
        intact.run(repair::Depth::Indexes, 1).expect("checked"),
        Vec::<String>::new()
    );
    let verdicts =
        Readers::new(file(out.path())).page(&page(Filter::default(), Order::Ascending, 10_000));
    for verdict in verdicts.expect("readable") {
        assert_eq!(verdict, fault("a", verdict.sequence));
    }
    // Nothing is overwritten.
    assert!(repair::salvage(&path, out.path(), |_| ()).is_err());
    let absent = repair::salvage(&out.path().join("absent"), &out.path().join("new"), |_| ());
    assert!(
        absent
            .expect_err("no file")
            .to_string()
            .contains("No such file")
    );
}

#[test]
fn journal_that_was_moved_away_goes_on_after_its_sequences() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, opened) = open(&folder);
    assert_eq!((opened.epoch, opened.replaced), (1, false));
    store
        .commit(&batch((1..=9).map(|n| fault("a", n))))
        .expect("written");
    drop(store);
    let (store, opened) = open(&folder);
    assert_eq!(
        (opened.epoch, opened.sequence, opened.replaced),
        (1, 9, false)
    );
    drop(store);
    let aside = repair::set_aside(folder.path()).expect("renamed");
    assert_eq!(repair::aside(folder.path()), [aside]);
    let (store, opened) = open(&folder);
    assert_eq!((opened.epoch, opened.replaced), (2, true));
    assert!(opened.sequence >= 9, "{opened:?}");
    drop(store);
    let (_store, again) = open(&folder);
    assert_eq!((again.epoch, again.sequence), (2, opened.sequence));
}

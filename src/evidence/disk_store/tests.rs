use std::collections::BTreeMap;

use inspectd_core::decision::{AnomalyKind, Decision, Thresholds};
use inspectd_core::maps::{MapSize, Score};
use inspectd_core::record::{Outcome, Verdict};
use inspectd_core::verdict::Judgement;
use tempfile::TempDir;

use super::*;
use crate::evidence::tests::evidence;

/// Runs the writer's thread over `evidence` until it has stopped.
fn store(
    folder: &TempDir,
    disk_limit: u64,
    evidence: impl IntoIterator<Item = Evidence>,
) -> EvidenceCounts {
    let (tasks, received) = sync_channel(QUEUE);
    let counters = Arc::new(Counters::default());
    let writer = Writer::new(folder.path().to_owned(), disk_limit, Arc::clone(&counters));
    for evidence in evidence {
        assert!(tasks.try_send(Task::Keep(Box::new(evidence))).is_ok());
    }
    drop(tasks);
    writer.run(&received);
    let disk_store = DiskStore {
        folder: folder.path().to_owned(),
        tasks: Mutex::new(None),
        counters,
    };
    disk_store.counts()
}

/// Paths of all files below a folder, with their lengths.
fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("metadata");
        let name = entry.file_name().to_string_lossy().into_owned();
        if metadata.is_dir() {
            let below = self::files(&entry.path());
            files.extend(
                below
                    .into_iter()
                    .map(|(file, bytes)| (format!("{name}/{file}"), bytes)),
            );
        } else {
            files.insert(name, metadata.len());
        }
    }
    files
}

#[test]
fn files_are_written_and_counted_again_after_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let stored = store(&folder, 1 << 20, [evidence(7, 32), evidence(1_007, 32)]);
    let names: Vec<_> = files(folder.path()).into_keys().collect();
    assert_eq!(
        names,
        ["000000/000000007.frame.jpg", "000001/000001007.frame.jpg"]
    );
    assert_eq!((stored.kept, stored.bytes, stored.missed), (2, 8192, 0));
    assert_eq!(store(&folder, 1 << 20, []), stored);
}

#[test]
fn oldest_evidence_is_removed_when_the_quota_is_full() {
    let folder = TempDir::new().expect("a folder");
    let three = (1..=3).map(|sequence| evidence(sequence, 32));
    let counts = store(&folder, 8192, three);
    assert_eq!((counts.kept, counts.bytes, counts.missed), (2, 8192, 0));
    let names: Vec<_> = files(folder.path()).into_keys().collect();
    assert_eq!(
        names,
        ["000000/000000002.frame.jpg", "000000/000000003.frame.jpg"]
    );
    let counts = store(&folder, 4095, [evidence(4, 32)]);
    assert_eq!((counts.kept, counts.bytes, counts.missed), (0, 0, 1));
}

#[test]
fn incomplete_files_of_a_killed_process_are_removed_on_start() {
    let folder = TempDir::new().expect("a folder");
    store(&folder, 1 << 20, [evidence(7, 32)]);
    let before = files(folder.path());
    for name in [
        // Written before the frame, which is missing.
        "000000008.map",
        ".000000009.frame.jpg.x1y2.part",
        "000000007.map.tmp",
    ] {
        fs::write(folder.path().join("000000").join(name), "x").expect("written");
    }
    assert_eq!(store(&folder, 1 << 20, []).kept, 1);
    assert_eq!(files(folder.path()), before);
}

#[test]
fn panic_of_the_writer_is_reported_and_its_orderly_end_is_not() {
    let folder = TempDir::new().expect("a folder");
    let start = || {
        let settings = settings::Evidence {
            memory_limit: 0,
            disk_limit: 1 << 20,
            near_threshold: 0.0,
            pass_every: 0,
        };
        DiskStore::start(folder.path().to_owned(), &settings).expect("a thread")
    };
    let (store, thread) = start();
    store.close();
    thread.join().expect("no panic");
    assert!(!store.writer_failed());

    let (store, thread) = start();
    // A map without the cells that its size names cannot be drawn.
    let mut invalid = evidence(7, 32);
    invalid.anomaly_map = Some(AnomalyMap {
        cells: Vec::new(),
        size: MapSize::square(2),
    });
    let verdict = (*invalid.verdict).clone();
    invalid.verdict = Arc::new(Verdict {
        outcome: Outcome::Judged(Judgement {
            decision: Decision::Reject,
            score: Score {
                score: 1.0,
                structural: 0.5,
                logical: 0.5,
            },
            thresholds: Thresholds {
                reject_above: 0.5,
                review_from: None,
            },
            decided_by: None,
            highest: 1.0,
            rules: Vec::new(),
            dominant: AnomalyKind::Structural,
            regions: Vec::new(),
        }),
        ..verdict
    });
    store.keep(invalid);
    thread.join().expect_err("the writer panics");
    assert!(store.writer_failed());
}

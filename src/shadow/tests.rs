use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inspectd_core::decision::Decision::{self, Pass, Reject, Review};
use inspectd_core::record::ModelId;
use tempfile::TempDir;

use super::record::{Compared, Disagreement, Side};
use super::{Shadow, ShadowPhase};
use crate::clock::SystemClock;

fn shadow(folder: &TempDir) -> Shadow {
    let shadow = Shadow::new(Some(folder.path()), Arc::new(SystemClock));
    shadow.restore();
    shadow
}

fn compared(shadow: &str) -> Compared {
    Compared {
        models: ["active".to_owned(), shadow.to_owned()],
        recipes: [String::new(), String::new()],
    }
}

fn model() -> ModelId {
    ModelId {
        name: "new".to_owned(),
        version: "2".to_owned(),
        sha256: "ab".to_owned(),
        precision: inspectd_core::precision::Precision::F32,
    }
}

fn disagreement(sequence: u64, decision: Decision) -> Disagreement {
    Disagreement {
        sequence,
        camera: "top".to_owned(),
        captured: SystemTime::UNIX_EPOCH + Duration::from_secs(sequence),
        part_id: String::new(),
        active: Side::new(Pass, 0.25, 0.5),
        shadow: Side::new(decision, 0.75, 0.5),
        region: "cap".to_owned(),
    }
}

/// Counts a frame that the active model passes.
fn count(shadow: &Shadow, sequence: u64, decision: Decision) {
    let listed = (decision != Pass).then(|| {
        (
            disagreement(sequence, decision),
            format!("{sequence}").into_bytes(),
        )
    });
    shadow.count_judged(
        (Pass, decision),
        Duration::from_millis(sequence),
        listed.as_ref(),
    );
}

#[test]
fn frames_are_counted_by_both_decisions_and_differences_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let shadow = shadow(&folder);
    shadow.started(&compared("new"), &model(), None);
    shadow.count_skipped(7);
    shadow.count_failed("too small".to_owned());
    for (sequence, decision) in [(1, Pass), (2, Reject), (3, Pass), (5, Review)] {
        count(&shadow, sequence, decision);
    }
    let snapshot = shadow.snapshot();
    assert_eq!(snapshot.phase, ShadowPhase::Running);
    assert_eq!(snapshot.model, Some(model()));
    assert_eq!(
        (
            snapshot.judged,
            snapshot.skipped,
            snapshot.failed,
            snapshot.disagreements
        ),
        (4, 7, 1, 2)
    );
    assert_eq!(
        snapshot.pairs,
        [(Pass, Pass, 2), (Pass, Reject, 1), (Pass, Review, 1)]
    );
    assert_eq!(snapshot.median, Some(Duration::from_millis(3)));
    assert_eq!(snapshot.error, "");
    let all = shadow.disagreements(10, |_| true);
    assert_eq!(all, [disagreement(5, Review), disagreement(2, Reject)]);
    let older = shadow.disagreements(10, |one| one.sequence < 5);
    assert_eq!(older, [disagreement(2, Reject)]);
    assert_eq!(shadow.disagreements(1, |_| true).len(), 1);
    let heatmap = shadow.heatmap(5).expect("readable");
    assert_eq!(heatmap.as_deref(), Some(b"5".as_slice()));
    assert_eq!(shadow.heatmap(3).expect("readable"), None);
}

#[test]
fn counts_survive_a_restart_and_not_another_comparison() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = shadow(&folder);
    first.started(&compared("new"), &model(), None);
    count(&first, 2, Reject);
    first.save(false);
    let unsaved = shadow(&folder).snapshot();
    assert_eq!(unsaved.judged, 0, "counts are written at intervals");
    first.save(true);
    let second = shadow(&folder);
    second.started(&compared("new"), &model(), None);
    assert_eq!(second.snapshot().disagreements, 1);
    assert_eq!(second.snapshot().since, first.snapshot().since);
    second.started(&compared("newer"), &model(), None);
    assert_eq!(second.snapshot().judged, 0);
    assert_eq!(second.disagreements(10, |_| true), []);
    assert_eq!(second.heatmap(2).expect("readable"), None);
}

#[test]
fn reset_removes_counts_list_and_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let shadow = shadow(&folder);
    shadow.started(&compared("new"), &model(), None);
    count(&shadow, 2, Reject);
    shadow.reset().expect("writable");
    let snapshot = shadow.snapshot();
    assert_eq!((snapshot.judged, snapshot.disagreements), (0, 0));
    assert!(snapshot.since.is_some());
    assert_eq!(snapshot.phase, ShadowPhase::Running);
    assert_eq!(shadow.heatmap(2).expect("readable"), None);
    assert_eq!(self::shadow(&folder).snapshot().judged, 0);
}

#[test]
fn oldest_disagreement_leaves_a_full_list_with_its_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let shadow = shadow(&folder);
    shadow.started(&compared("new"), &model(), None);
    for sequence in 1..=1001 {
        count(&shadow, sequence, Reject);
    }
    let all = shadow.disagreements(2000, |_| true);
    assert_eq!(all.len(), 1000);
    assert_eq!(all.last().map(|one| one.sequence), Some(2));
    assert_eq!(shadow.heatmap(1).expect("readable"), None);
    assert!(shadow.heatmap(2).expect("readable").is_some());
    assert_eq!(shadow.snapshot().disagreements, 1001);
}

#[test]
fn damaged_record_starts_at_zero() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = super::record_path(folder.path()).join("record.json");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(&file, "{\"since\": 3").expect("written");
    let shadow = shadow(&folder);
    assert_eq!(shadow.snapshot().judged, 0);
}

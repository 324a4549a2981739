//! The journal of schema version 1 in `tests/data` opens with the present code, and every row is read.
//!
//! `UPDATE_FIXTURES=1 cargo test -p inspectd --lib journal::tests::fixture` writes a file of the current version, which is
//! kept when the version is released. That of version 1 must stay as it is.

use std::fs;

use super::*;
use crate::journal::schema::CURRENT;
use crate::journal::{EPOCH, OPENING};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/journal-v1.sqlite");

const SECOND_RUN: Uuid = Uuid::from_u128(8);

/// Retention has removed the verdicts before this one.
const OLDEST: u64 = 3;

/// The reasons that version 1 was released with; [`FaultReason::ALL`] may have more.
const REASONS: [FaultReason; 15] = [
    FaultReason::CameraLost,
    FaultReason::CameraStalled,
    FaultReason::CorruptFrame,
    FaultReason::WrongSize,
    FaultReason::Overflow,
    FaultReason::Engine,
    FaultReason::Shutdown,
    FaultReason::DeadlineMissed,
    FaultReason::Journal,
    FaultReason::MissingView,
    FaultReason::Frozen,
    FaultReason::Dark,
    FaultReason::Saturated,
    FaultReason::Blurred,
    FaultReason::ViewMoved,
];

/// A copy of the file of version 1 in a folder of its own.
pub(super) fn copy() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::copy(FIXTURE, file(folder.path())).expect("the fixture is in the repository");
    folder
}

/// All verdicts of the file, by sequence.
pub(super) fn verdicts() -> Vec<Verdict> {
    let mut verdicts = vec![
        judged("left", 3, Decision::Pass),
        rejected(4),
        reviewed(5),
        client_image(6),
        part(7, None),
        part(8, Some(missing_view(false))),
        part(9, Some(missing_view(true))),
    ];
    for (sequence, reason) in (10..).zip(REASONS) {
        verdicts.push(Verdict {
            outcome: Outcome::Fault(Fault::new(reason, format!("{} in words", reason.name()))),
            ..fault("right", sequence)
        });
    }
    // After a gap, of another run.
    verdicts.push(Verdict {
        run: SECOND_RUN,
        ..fault("left", 30)
    });
    verdicts
}

fn rejected(sequence: u64) -> Verdict {
    let mut verdict = judged("left", sequence, Decision::Reject);
    verdict.evidence = true;
    verdict.subject = Subject {
        group: Some("cell".into()),
        frame_id: 17,
        stamp: stamp(1),
        simulated: true,
        timings: Timings {
            queue: Some(Duration::from_nanos(1)),
            preprocess: Some(Duration::from_micros(2)),
            inference: Some(Duration::from_millis(30)),
            judge: None,
            total: Duration::from_millis(33),
        },
        batch_size: 2,
        size: Some([640, 480]),
        item: "belt/0017.png".to_owned(),
        truth: "scratch".to_owned(),
        ..verdict.subject
    };
    let Outcome::Judged(judgement) = &mut verdict.outcome else {
        panic!("a judged verdict")
    };
    judgement.thresholds.review_from = Some(0.25);
    judgement.decided_by = Some("label".into());
    judgement.highest = 0.75;
    judgement.rules = vec![
        RegionScore {
            name: None,
            score: Some(0.125),
            thresholds: judgement.thresholds,
            decision: Decision::Pass,
        },
        RegionScore {
            name: Some("label".into()),
            score: None,
            thresholds: judgement.thresholds,
            decision: Decision::Reject,
        },
    ];
    let region = |kind, rule| Region {
        left: 1.0,
        top: 2.5,
        width: 30.0,
        height: 4.0,
        area: 0.0625,
        peak: 0.75,
        kind,
        rule,
    };
    judgement.regions = vec![
        region(AnomalyKind::Structural, None),
        region(AnomalyKind::Logical, Some("label".into())),
    ];
    verdict
}

fn reviewed(sequence: u64) -> Verdict {
    let mut verdict = judged("right", sequence, Decision::Review);
    if let Outcome::Judged(judgement) = &mut verdict.outcome {
        judgement.score.logical = 0.5;
        judgement.dominant = AnomalyKind::Logical;
    }
    verdict
}

fn client_image(sequence: u64) -> Verdict {
    let mut verdict = judged("left", sequence, Decision::Pass);
    verdict.subject.camera = None;
    verdict.subject.tag = Some(Arc::new(PartTag {
        part_id: "P-6".to_owned(),
        trigger: None,
        client_data: vec![0, 255, 7],
        idempotency_key: "request-6".to_owned(),
        names_recipe: None,
    }));
    verdict
}

fn missing_view(rejects: bool) -> Fault {
    Fault {
        reason: FaultReason::MissingView,
        message: "right is missing".to_owned(),
        rejects,
    }
}

fn part(sequence: u64, own_fault: Option<Fault>) -> Verdict {
    let view = PartView {
        camera: camera("left"),
        sequence: 4,
        frame_id: 17,
        decision: Decision::Reject,
    };
    let mut verdict = fault("left", sequence);
    verdict.subject.camera = None;
    verdict.subject.group = Some("cell".into());
    verdict.subject.tag = Some(Arc::new(PartTag {
        part_id: format!("P-{sequence}"),
        trigger: Some(Uuid::from_u128(99)),
        client_data: Vec::new(),
        idempotency_key: String::new(),
        names_recipe: None,
    }));
    verdict.outcome = Outcome::Part(PartDecision {
        decision: own_fault.as_ref().map_or(Decision::Reject, Fault::decision),
        views: vec![view],
        fault: own_fault,
    });
    verdict
}

fn consumers() -> BTreeMap<String, Consumer> {
    let consumer = |acknowledged| Consumer {
        acknowledged,
        changed: UNIX_EPOCH + Duration::from_secs(1_000_100),
        client: None,
    };
    BTreeMap::from([
        ("mes".to_owned(), consumer(30)),
        ("plc".to_owned(), consumer(12)),
    ])
}

fn counters() -> BTreeMap<String, u64> {
    BTreeMap::from([
        ("part/cell".to_owned(), 9),
        ("journal/reopened".to_owned(), 31),
    ])
}

/// Writes a file of the current version with the present code.
fn write() {
    assert!(
        CURRENT.version() > 1,
        "the released program wrote the file of version 1"
    );
    let path = FIXTURE.replace("v1", &format!("v{}", CURRENT.version()));
    let folder = TempDir::new().expect("a folder");
    let (first, second): (Vec<_>, Vec<_>) = verdicts()
        .into_iter()
        .partition(|verdict| verdict.run == RUN);
    let (mut store, _) = open(&folder);
    let removed = (1..OLDEST).map(|sequence| fault("left", sequence));
    store
        .commit(&batch(removed.chain(first)))
        .expect("committed");
    let limits = Limits {
        before: Some(UNIX_EPOCH + Duration::from_secs(1_000_000 + OLDEST)),
        bytes: u64::MAX,
        ..Limits::default()
    };
    store.trim(limits, |_| {}).expect("trimmed");
    drop(store);
    let (mut store, _) = Store::open(folder.path(), SECOND_RUN, 1).expect("a journal");
    let rest = Batch {
        consumers: consumers()
            .into_iter()
            .map(|(name, consumer)| (name, Some(consumer)))
            .collect(),
        counters: counters(),
        ..batch(second)
    };
    store.commit(&rest).expect("committed");
    // Closing moves the write-ahead log into the file.
    drop(store);
    fs::copy(file(folder.path()), path).expect("written");
}

/// Everything that the file of version 1 holds is read by the present code.
pub(super) fn assert_complete(folder: &TempDir) {
    let (_store, opened) = open(folder);
    assert_eq!(opened.sequence, 30);
    assert_eq!(opened.oldest, Some(OLDEST));
    assert_eq!(
        opened.recorded,
        Some(UNIX_EPOCH + Duration::from_secs(1_000_030))
    );
    assert_eq!(opened.consumers, consumers());
    // Those of the journal itself are new.
    let own = |name: &str| name == EPOCH || name == OPENING;
    let of_version_1 = opened.counters.into_iter().filter(|(name, _)| !own(name));
    assert_eq!(of_version_1.collect::<BTreeMap<_, _>>(), counters());
    assert_eq!(all(folder), verdicts());
}

/// All verdicts that are stored.
pub(super) fn all(folder: &TempDir) -> Vec<Verdict> {
    let everything = page(Filter::default(), Order::Ascending, 1000);
    Readers::new(file(folder.path()))
        .page(&everything)
        .expect("read")
}

#[test]
fn version_1_file_opens_and_every_row_is_read() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        write();
    }
    let folder = copy();
    assert_complete(&folder);
    let readers = Readers::new(file(folder.path()));
    let of_key = readers.of_key("request-6", 10).expect("read");
    assert_eq!(sequences(&of_key), [6]);
    let of_part = Filter {
        part_id: Some("P-8".to_owned()),
        ..Filter::default()
    };
    let found = readers.page(&page(of_part, Order::Descending, 10));
    assert_eq!(sequences(&found.expect("read")), [8]);
}

#[test]
fn consumers_and_counters_of_a_damaged_version_1_file_are_rescued() {
    let folder = copy();
    let known = crate::journal::repair::rescue(&file(folder.path()));
    assert_eq!(known.consumers, consumers());
    assert_eq!(known.counters, counters());
}

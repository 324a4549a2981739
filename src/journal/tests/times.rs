//! Queries by time.

use super::*;

#[test]
fn first_since_searches_after_the_last_step_back_of_the_clock() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    let mut verdicts: Vec<Verdict> = (1..=9).map(|n| fault("a", n)).collect();
    // The clock is ahead for 4 to 6, and corrected from 7 on.
    for ahead in &mut verdicts[3..6] {
        ahead.recorded += Duration::from_hours(9000);
    }
    let mut written = batch(verdicts);
    written.counters.insert(format!("{STEP_BACK}7"), 7);
    store.commit(&written).expect("written");
    let readers = Readers::new(file(folder.path()));
    let first = |seconds: u64| {
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        readers.first_since(time).expect("readable")
    };
    assert_eq!(first(0), Some(1));
    assert_eq!(first(3), Some(3));
    assert_eq!(first(8), Some(8));
    assert_eq!(first(10), None);
}

#[test]
fn first_since_finds_the_first_sequence_at_or_after_a_time() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    // With gaps between the sequences, and equal times.
    let mut verdicts: Vec<Verdict> = [3, 4, 9, 20, 21].map(|n| fault("a", n)).into();
    verdicts[2].recorded = verdicts[1].recorded;
    store.commit(&batch(verdicts)).expect("written");
    let readers = Readers::new(file(folder.path()));
    let check = |seconds: u64, expected| {
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        assert_eq!(
            readers.first_since(time).expect("read"),
            expected,
            "{seconds}"
        );
    };
    check(0, Some(3));
    check(3, Some(3));
    check(4, Some(4));
    check(5, Some(20));
    check(20, Some(20));
    check(21, Some(21));
    check(22, None);
}

/// The numbers of verdicts by the name of the camera and the decision.
fn counts(folder: &TempDir, from: u64, to: u64, before: u64) -> Vec<(String, Decision, u64)> {
    let time = |seconds: u64| UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
    let readers = Readers::new(file(folder.path()));
    let counts = readers.counts(time(from), time(to), before);
    let counts = counts.expect("readable").into_iter();
    let name = |camera: Option<CameraId>| camera.map_or_else(String::new, |id| id.to_string());
    counts
        .map(|one| (name(one.camera), one.decision, one.count))
        .collect()
}

#[test]
fn counts_are_those_of_the_period_before_a_sequence_by_camera_and_decision() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    assert!(counts(&folder, 0, 100, 100).is_empty());
    let mut verdicts: Vec<Verdict> = (1..=40)
        .map(|n| match n % 4 {
            0 => judged("a", n, Decision::Pass),
            1 => judged("b", n, Decision::Reject),
            2 => fault("b", n),
            _ => judged("c", n, Decision::Review),
        })
        .collect();
    // A client's image.
    verdicts[29].subject.camera = None;
    store.commit(&batch(verdicts)).expect("written");
    let check = |from, to, before, expected: &[(&str, Decision, u64)]| {
        let found = counts(&folder, from, to, before);
        let found: Vec<_> = found
            .iter()
            .map(|(name, decision, count)| (name.as_str(), *decision, *count))
            .collect();
        assert_eq!(found, expected, "{from} {to} {before}");
    };
    check(
        11,
        1000,
        1000,
        &[
            ("", Decision::Fault, 1),
            ("a", Decision::Pass, 8),
            ("b", Decision::Reject, 7),
            ("b", Decision::Fault, 6),
            ("c", Decision::Review, 8),
        ],
    );
    check(
        11,
        1000,
        14,
        &[
            ("a", Decision::Pass, 1),
            ("b", Decision::Reject, 1),
            ("c", Decision::Review, 1),
        ],
    );
    check(39, 40, 1000, &[("c", Decision::Review, 1)]);
    check(40, 1000, 40, &[]);
    check(41, 1000, 1000, &[]);
}

#[test]
fn counts_leave_out_verdicts_of_other_times_between_those_of_the_period() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    let mut verdicts: Vec<Verdict> = (1..=9).map(|n| fault("a", n)).collect();
    // The clock is ahead for 4 to 6, and corrected from 7 on.
    for ahead in &mut verdicts[3..6] {
        ahead.recorded += Duration::from_hours(9000);
    }
    let mut written = batch(verdicts);
    written.counters.insert(format!("{STEP_BACK}7"), 7);
    store.commit(&written).expect("written");
    let of = |count| vec![("a".to_owned(), Decision::Fault, count)];
    assert_eq!(counts(&folder, 2, 100, 10), of(5));
    // As after a restart with the right clock.
    assert_eq!(counts(&folder, 2, 100, 7), of(2));
}

//! Labels of verdicts.

use inspectd_core::polygon::Polygon;

use super::*;

#[test]
fn labels_are_stored_replaced_and_removed_and_end_with_their_verdicts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(&folder);
    store
        .commit(&batch((1..=9).map(|sequence| fault("top", sequence))))
        .expect("written");
    let label = |kind, class: &str| Label {
        kind,
        defect_class: class.to_owned(),
        outlines: vec![
            Polygon::try_new(vec![[0.25, 0.5], [0.75, 0.1], [1.0, 1.0]]).expect("a polygon"),
        ],
        author: "ann".to_owned(),
        time: UNIX_EPOCH + Duration::from_secs(5),
    };
    let (good, scratch) = (
        label(LabelKind::Good, ""),
        label(LabelKind::Defective, "scratch"),
    );
    let unsure = label(LabelKind::Unsure, "");
    for labels in [
        vec![
            (2, Some(good.clone())),
            (5, Some(good.clone())),
            (8, Some(unsure.clone())),
        ],
        vec![
            (5, Some(scratch.clone())),
            (2, Some(good.clone())),
            (9, Some(good.clone())),
        ],
        vec![(9, None), (7, None)],
    ] {
        let labels = labels.into_iter().collect();
        let changes = Batch {
            labels,
            ..Batch::default()
        };
        assert!(!changes.is_empty());
        store.commit(&changes).expect("written");
    }
    let readers = Readers::new(store.path().to_owned());
    let all = vec![(2, good.clone()), (5, scratch.clone()), (8, unsure.clone())];
    assert_eq!(readers.labels(1, u64::MAX, 10).expect("readable"), all);
    assert_eq!(readers.labels(3, 8, 1).expect("readable"), all[1..2]);
    let some = readers.labels_of(&[8, 4, 2]).expect("readable");
    assert_eq!(some, [(8, unsure.clone()), (2, good)]);
    // The verdicts up to 5 are removed.
    let limits = Limits {
        before: Some(UNIX_EPOCH + Duration::from_secs(1_000_006)),
        bytes: u64::MAX,
        ..Limits::default()
    };
    store.trim(limits, |_| ()).expect("trimmed");
    let left = readers.labels(1, u64::MAX, 10).expect("readable");
    assert_eq!(left, [(8, unsure)]);
}

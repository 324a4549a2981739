//! Backups: consistent while the journal is written, and restored as another epoch.

use std::fs;

use super::*;
use crate::journal::backup::{BackupError, Progress, RestoreOptions, backup, restore};
use crate::journal::mark::Mark;
use crate::journal::statistics::{Statistics, is_in_use};

const NO_LIMIT: u64 = u64::MAX;

/// Verdicts of a range of sequences.
fn range(sequences: std::ops::RangeInclusive<u64>) -> Batch {
    batch(sequences.map(|sequence| fault("left", sequence)))
}

/// A folder with a journal that has these verdicts, and a backup of it that was made while it was open.
fn backed_up(last: u64) -> (TempDir, Store, std::path::PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    store.commit(&range(1..=last)).expect("written");
    let to = folder.path().join("backup.sqlite");
    let made = backup(store.path(), &to, NO_LIMIT, |_| {}).expect("a backup");
    assert_eq!((made.verdicts, made.range), (last, Some((1, last))));
    (folder, store, to)
}

fn restored(
    from: &std::path::Path,
    folder: &TempDir,
) -> Result<crate::journal::backup::Restored, BackupError> {
    restore(from, folder.path(), RestoreOptions::default(), |_| {})
}

#[test]
fn backup_has_one_state_of_a_journal_that_is_written_meanwhile() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    store.commit(&range(1..=400)).expect("written");
    let to = folder.path().join("backup.sqlite");
    let path = store.path().to_owned();
    let mut next = 401;
    let mut steps = Vec::new();
    let made = backup(&path, &to, NO_LIMIT, |progress| {
        steps.push(progress);
        store.commit(&range(next..=next + 9)).expect("written");
        next += 10;
    });
    let made = made.expect("a backup");
    assert_eq!((made.verdicts, made.range), (400, Some((1, 400))));
    assert!(steps.len() > 5, "{steps:?}");
    assert_eq!(steps.last(), Some(&Progress::Verifying));
    let Some(Progress::Copied(copied, all)) = steps.iter().rev().nth(1) else {
        panic!("{steps:?}")
    };
    assert_eq!((copied, made.bytes), (all, *all));
    // It needs no file next to it, and is readable by its owner only.
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains("backup"))
        .collect();
    assert_eq!(names, ["backup.sqlite"]);
    let mode = fs::metadata(&to).expect("a file").permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    let error = backup(&path, &to, NO_LIMIT, |_| {}).expect_err("it exists");
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
}

#[test]
fn backup_ends_when_the_write_ahead_log_grows() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = open(&folder);
    store.commit(&range(1..=400)).expect("written");
    let to = folder.path().join("backup.sqlite");
    let path = store.path().to_owned();
    let mut next = 401;
    let error = backup(&path, &to, 1 << 20, |_| {
        store.commit(&range(next..=next + 999)).expect("written");
        next += 1000;
    });
    let error = error.expect_err("the log grows");
    assert!(
        matches!(error, BackupError::WalGrows { mib: 1.. }),
        "{error}"
    );
    assert!(!to.exists());
    store.checkpoint().expect("no reader keeps it");
    assert_eq!(store.wal_bytes(), 0);
}

#[test]
fn backup_of_a_damaged_journal_is_refused() {
    let (folder, store, _) = backed_up(2000);
    let path = store.path().to_owned();
    drop(store);
    let mut bytes = fs::read(&path).expect("a journal");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4 * 4096].fill(0xa5);
    fs::write(&path, bytes).expect("damaged");
    let to = folder.path().join("second.sqlite");
    backup(&path, &to, NO_LIMIT, |_| {}).expect_err("damaged");
    assert!(!to.exists());
}

#[test]
fn restored_journal_is_another_epoch_and_uses_no_sequence_again() {
    // The backup was made since the last start, and lacks two verdicts only: nothing but the mark shows that it is one.
    let (folder, mut store, from) = backed_up(10);
    store.commit(&range(11..=12)).expect("written");
    drop(store);
    let error = restored(&from, &folder).expect_err("it lacks two verdicts");
    let BackupError::Newer {
        count, first, last, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((count, first, last), (2, 11, 12));
    let options = RestoreOptions {
        set_aside: true,
        ..RestoreOptions::default()
    };
    let restored = restore(&from, folder.path(), options, |_| {}).expect("restored");
    assert_eq!((restored.verdicts, restored.range), (10, Some((1, 10))));
    assert_eq!(restored.epoch, 2);
    let aside = restored.aside.expect("the journal is kept");
    let kept = Readers::new(aside).get(12).expect("read");
    assert!(kept.is_some());
    let (_store, opened) = open(&folder);
    assert!(opened.replaced);
    assert_eq!((opened.epoch, opened.sequence), (2, restored.sequence));
    assert!(opened.sequence >= 12);
    assert_eq!(opened.lost, Some((11, restored.sequence)));
    assert_eq!(fixture::all(&folder).len(), 10);
}

#[test]
fn journal_of_the_same_state_is_replaced_and_an_interrupted_restore_is_harmless() {
    let (folder, store, from) = backed_up(10);
    drop(store);
    let before = Mark::read(folder.path()).expect("read").expect("a mark");
    let restored = restored(&from, &folder).expect("it lacks nothing");
    let after = Mark::read(folder.path()).expect("read").expect("a mark");
    assert_eq!(
        (after.epoch, after.opening),
        (before.epoch, before.opening + 1)
    );
    // The restored file is gone: the start begins after it nevertheless.
    fs::remove_file(file(folder.path())).expect("removed");
    let (_store, opened) = open(&folder);
    assert!(opened.replaced && opened.sequence >= restored.sequence);
}

#[test]
fn restore_in_another_folder_requires_a_sequence() {
    let (_folder, _store, from) = backed_up(10);
    let other = TempDir::new().expect("a folder");
    let error = restored(&from, &other).expect_err("no mark");
    assert!(
        matches!(error, BackupError::NoMark { used: 10, .. }),
        "{error}"
    );
    assert!(!file(other.path()).exists());
    let with = |after| {
        let options = RestoreOptions {
            after: Some(after),
            ..RestoreOptions::default()
        };
        restore(&from, other.path(), options, |_| {})
    };
    let error = with(9).expect_err("below the backup");
    assert!(
        matches!(error, BackupError::After { after: 9, used: 10 }),
        "{error}"
    );
    assert_eq!(with(5000).expect("restored").sequence, 5000);
    let (_store, opened) = open(&other);
    assert_eq!((opened.sequence, opened.lost), (5000, Some((11, 5000))));
    assert_eq!(fixture::all(&other).len(), 10);
}

#[test]
fn restore_is_refused_while_a_daemon_writes_and_leaves_everything_as_it_was() {
    let (folder, store, from) = backed_up(10);
    let mark = || fs::read(folder.path().join("sequences.toml")).expect("a mark");
    let before = mark();
    let error = restored(&from, &folder).expect_err("in use");
    assert!(
        matches!(error, BackupError::Journal(JournalError::Locked { .. })),
        "{error}"
    );
    drop(store);
    // Not a journal, damaged, and of a later version.
    let bytes = fs::read(&from).expect("a backup");
    let mut damaged = bytes.clone();
    let middle = bytes.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0xa5);
    let mut later = bytes.clone();
    later[60..64].copy_from_slice(&99_u32.to_be_bytes());
    for (name, content) in [
        ("text", b"no database".to_vec()),
        ("damaged", damaged),
        ("later", later),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        let error = restored(&path, &folder).expect_err(name);
        assert!(!error.to_string().is_empty());
        assert_eq!(mark(), before, "{name}");
        assert_eq!(fixture::all(&folder).len(), 10, "{name}");
    }
    // A copy of a journal in use.
    fs::write(folder.path().join("text-wal"), "frames").expect("written");
    let error = restored(&folder.path().join("text"), &folder).expect_err("a log");
    assert!(matches!(error, BackupError::HasWal(_)), "{error}");
    let leftovers = fs::read_dir(folder.path()).expect("a folder");
    let parts = leftovers.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().contains(".part")
    });
    assert_eq!(parts.count(), 0);
}

#[test]
fn backup_of_version_1_is_restored_and_migrated_by_the_next_start() {
    let source = fixture::copy();
    let folder = TempDir::new().expect("a folder");
    let options = RestoreOptions {
        after: Some(30),
        ..RestoreOptions::default()
    };
    let from = file(source.path());
    let restored = restore(&from, folder.path(), options, |_| {}).expect("restored");
    assert_eq!(restored.range, Some((3, 30)));
    let (_store, opened) = open(&folder);
    assert_eq!((opened.epoch, opened.sequence), (2, 30));
    assert_eq!(fixture::all(&folder), fixture::verdicts());
}

#[test]
fn statistics_count_and_create_nothing_next_to_a_closed_journal() {
    let (folder, store, _) = backed_up(10);
    let path = store.path().to_owned();
    let limit = Duration::from_mins(1);
    let read = || {
        let statistics = Statistics::open(&path, limit).expect("opened");
        let verdicts = statistics.verdicts().expect("read");
        assert_eq!(
            (verdicts.verdicts, verdicts.first, verdicts.last),
            (10, 1, 10)
        );
        let faults = statistics.faults(3).expect("read");
        let sequences: Vec<u64> = faults.iter().map(|fault| fault.sequence).collect();
        assert_eq!(sequences, [10, 9, 8]);
        assert_eq!(
            (faults[0].reason.as_str(), faults[0].message.as_str()),
            ("overflow", "full")
        );
        let days = statistics.days(UNIX_EPOCH).expect("read");
        assert_eq!((days.len(), days[0].day, days[0].verdicts), (1, 11, 10));
        assert_eq!(statistics.quick_check().expect("read"), ["ok"]);
        let file = statistics.file(&path).expect("read");
        assert_eq!(file.schema_version, 4);
        assert_eq!(
            statistics.stamps().expect("read")[0]["model_name"],
            "bottle"
        );
    };
    assert!(is_in_use(folder.path()));
    read();
    drop(store);
    assert!(!is_in_use(folder.path()));
    let names = || {
        let entries = fs::read_dir(folder.path()).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    read();
    assert_eq!(names(), before);
}

#[test]
fn statistics_end_in_time() {
    let (_folder, store, _) = backed_up(2000);
    let statistics = Statistics::open(store.path(), Duration::ZERO).expect("opened");
    let error = statistics.quick_check().expect_err("no time");
    assert!(error.to_string().contains("interrupted"), "{error}");
}

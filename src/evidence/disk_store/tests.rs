use std::collections::BTreeMap;

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

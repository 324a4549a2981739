//! Files that are written, cut, rotated and read again.

use std::path::Path;

use inspectd_client::{Decision, Verdict};
use tempfile::TempDir;

use super::*;
use crate::record::Gap;
use crate::record::tests::{notice, origin, record};

fn settings(folder: &Path, format: FileFormat) -> Files {
    Files {
        folder: folder.to_owned(),
        format,
        max_bytes: 1 << 20,
        max_age: Duration::from_hours(1),
    }
}

fn records(sequences: impl IntoIterator<Item = u64>) -> Vec<Record> {
    sequences
        .into_iter()
        .map(|sequence| record(sequence, Decision::Pass))
        .collect()
}

/// Records of a run other than `0190`.
fn records_of_run(run: &str, sequences: impl IntoIterator<Item = u64>) -> Vec<Record> {
    let record = |sequence| {
        let verdict = Verdict {
            sequence,
            run_id: run.to_owned(),
            camera_id: "top".to_owned(),
            decision: Decision::Pass.into(),
            ..Verdict::default()
        };
        Record::of_verdict(&origin(), verdict)
    };
    sequences.into_iter().map(record).collect()
}

/// The ids in all files, in their order.
fn ids(folder: &TempDir) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| path.extension().is_some());
    files.sort();
    let mut ids = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("UTF-8");
        assert!(text.ends_with('\n'), "complete lines");
        for line in text.lines() {
            if path.extension().is_some_and(|extension| extension == "csv") {
                let id = line.split(',').nth(csv_line::ID).expect("an id");
                ids.extend((id != "id").then(|| id.to_owned()));
            } else {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                ids.push(line["id"].as_str().expect("an id").to_owned());
            }
        }
    }
    ids
}

fn expected(sequences: impl IntoIterator<Item = u64>) -> Vec<String> {
    sequences
        .into_iter()
        .map(|sequence| format!("box-7/0190/{sequence}"))
        .collect()
}

#[test]
fn records_that_come_again_after_a_crash_are_written_once() {
    for format in [FileFormat::Jsonl, FileFormat::Csv] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = FileSink::new(settings(folder.path(), format));
        sink.append(&records(1..=3)).expect("written");
        sink.append(&records(3..=5)).expect("written");
        let path = sink.files().expect("files")[0].path.clone();
        drop(sink);
        // A crash in the middle of a line: the last complete record is 4.
        let text = fs::read(&path).expect("a file");
        fs::write(&path, &text[..text.len() - 7]).expect("cut");
        let mut sink = FileSink::new(settings(folder.path(), format));
        sink.append(&records(2..=7)).expect("written");
        assert_eq!(ids(&folder), expected(1..=7), "{format:?}");
    }
}

#[test]
fn file_is_rotated_by_size_and_by_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut small = Files {
        max_bytes: 1000,
        ..settings(folder.path(), FileFormat::Csv)
    };
    let mut sink = FileSink::new(small.clone());
    for sequence in 1..=40 {
        sink.append(&records([sequence])).expect("written");
    }
    let count = sink.files().expect("files").len();
    assert!((4..=10).contains(&count), "{count} files");
    assert_eq!(ids(&folder), expected(1..=40));
    drop(sink);
    small.max_age = Duration::ZERO;
    let mut sink = FileSink::new(small);
    sink.append(&records(38..=41)).expect("written");
    assert_eq!(sink.files().expect("files").len(), count + 1);
    assert_eq!(ids(&folder), expected(1..=41));
}

#[test]
fn sequences_that_begin_again_after_a_gap_are_other_verdicts() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sink = FileSink::new(settings(folder.path(), FileFormat::Jsonl));
    sink.append(&records(1..=9)).expect("written");
    let notice = notice(
        1,
        Timestamp {
            seconds: 7,
            nanos: 0,
        },
    );
    let gap = Record::of_gap(&origin(), Gap::SequencesRestarted { previous: 1 }, notice);
    for _ in 0..2 {
        sink.append(std::slice::from_ref(&gap)).expect("written");
        sink.append(&records(1..=2)).expect("written");
        sink.reset();
    }
    let mut all = expected(1..=9);
    all.push("box-7/gap/sequences_restarted/0190".to_owned());
    all.extend(expected(1..=2));
    assert_eq!(ids(&folder), all);
}

#[test]
fn verdicts_of_an_unknown_run_are_new_whatever_their_sequences() {
    for format in [FileFormat::Jsonl, FileFormat::Csv] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = FileSink::new(settings(folder.path(), format));
        sink.append(&records(1..=9)).expect("written");
        drop(sink);
        // The journal and the memory of the sink were removed: no gap reports that sequences begin again.
        let mut sink = FileSink::new(settings(folder.path(), format));
        for _ in 0..2 {
            sink.append(&records_of_run("0191", 1..=3))
                .expect("written");
            sink.reset();
        }
        let mut all = expected(1..=9);
        all.extend((1..=3).map(|sequence| format!("box-7/0191/{sequence}")));
        assert_eq!(ids(&folder), all, "{format:?}");
    }
}

#[test]
fn verdicts_of_a_run_in_an_older_file_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Files {
        max_bytes: 1,
        ..settings(folder.path(), FileFormat::Jsonl)
    };
    let mut sink = FileSink::new(settings.clone());
    sink.append(&records(1..=3)).expect("written");
    sink.append(&records_of_run("0191", 4..=5))
        .expect("written");
    sink.append(&records_of_run("0192", 6..=7))
        .expect("written");
    let all = ids(&folder);
    assert_eq!(sink.files().expect("files").len(), 3);
    drop(sink);
    let mut sink = FileSink::new(settings);
    sink.append(&records(2..=3)).expect("read");
    sink.append(&records_of_run("0191", 4..=5)).expect("read");
    sink.append(&records_of_run("0192", 6..=7)).expect("read");
    assert_eq!(ids(&folder), all);
}

#[test]
fn records_of_a_failed_attempt_are_written_by_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sink = FileSink::new(Files {
        max_bytes: 1,
        ..settings(folder.path(), FileFormat::Jsonl)
    });
    sink.append(&records([1])).expect("written");
    fs::remove_dir_all(folder.path()).expect("removed");
    // The next record belongs in a new file, which cannot be created.
    sink.append(&records([2])).expect_err("no folder");
    sink.append(&records([2])).expect("written");
    assert_eq!(ids(&folder), expected([2]));
}

#[test]
fn folder_that_another_sink_writes_to_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = FileSink::new(settings(folder.path(), FileFormat::Jsonl));
    first.append(&records([1])).expect("written");
    let mut second = FileSink::new(settings(folder.path(), FileFormat::Jsonl));
    let error = second
        .append(&records([2]))
        .expect_err("locked")
        .to_string();
    assert!(
        error.ends_with(".lock: another program writes to this folder"),
        "{error}"
    );
    drop(first);
    second.append(&records([2])).expect("written");
}

#[test]
fn name_of_a_file_has_its_number_and_its_time() {
    let check = |name: &str, expected: Option<(u64, u64)>| {
        let parsed = parse_name(name, "jsonl").map(|(number, time)| {
            let since = time
                .duration_since(SystemTime::UNIX_EPOCH)
                .expect("after 1970");
            (number, since.as_secs())
        });
        assert_eq!(parsed, expected, "{name}");
    };
    check("records-19700101T000102Z-000007.jsonl", Some((7, 62)));
    check(
        "records-19700101T000102Z-1000007.jsonl",
        Some((1_000_007, 62)),
    );
    check("records-19700101T000102Z-000007.csv", None);
    check("records-1970-000007.jsonl", None);
    check("other.jsonl", None);
}

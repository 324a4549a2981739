//! Records that a receiver refuses permanently: a file of JSON lines for each sink, flushed before the record is
//! acknowledged.

use std::io;
use std::path::{Path, PathBuf};

use inspectd_client::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::lines::LineFile;
use crate::record::Record;

/// The folder below the state folder.
const FOLDER: &str = "dead-letters";

/// The dead letters of one sink.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    sink: String,
    /// Maximum size of the file.
    max_bytes: u64,
}

/// A line of the file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    time: String,
    sink: &'a str,
    reason: &'a str,
    record: &'a RawValue,
}

impl DeadLetters {
    /// The dead letters of `sink` below the state folder. Nothing is written until the first one.
    pub fn new(state_folder: &Path, sink: &str, max_bytes: u64) -> Self {
        Self {
            path: state_folder.join(FOLDER).join(format!("{sink}.jsonl")),
            sink: sink.to_owned(),
            max_bytes,
        }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record with the reason of its refusal, and returns once it is on the disk.
    ///
    /// # Errors
    /// If the file cannot be written, or would be larger than its maximum.
    pub fn append(&self, record: &Record, reason: &str, time: Timestamp) -> io::Result<()> {
        let json = String::from_utf8(record.json()).expect("JSON is UTF-8");
        let letter = DeadLetter {
            time: time.to_string(),
            sink: &self.sink,
            reason,
            record: &RawValue::from_string(json).expect("what was just written is JSON"),
        };
        let mut line = serde_json::to_vec(&letter).expect("maps with text keys");
        line.push(b'\n');
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let is_new = !self.path.exists();
        let mut file = LineFile::open(&self.path)?;
        // The first record is written whatever its size: the sink would wait for ever.
        if file.bytes() > 0 && file.bytes() + line.len() as u64 > self.max_bytes {
            return Err(io::Error::other(
                "the file has the size dead_letters_max_mib: move it away, and the sink continues",
            ));
        }
        file.append(&line)?;
        if is_new {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::Decision;
    use serde_json::Value;

    use super::*;
    use crate::record::tests::record;

    #[test]
    fn each_dead_letter_is_a_line_with_its_reason_and_its_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let letters = DeadLetters::new(folder.path(), "mes", 1 << 20);
        assert!(!letters.path().exists());
        for sequence in [3, 4] {
            let record = record(sequence, Decision::Reject);
            let time = Timestamp {
                seconds: 0,
                nanos: 0,
            };
            letters
                .append(&record, "status 422:\n\"no\"", time)
                .expect("written");
        }
        let text = std::fs::read_to_string(letters.path()).expect("a file");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["record"]["id"], "box-7/0190/4");
        assert_eq!(lines[1]["reason"], "status 422:\n\"no\"");
        assert_eq!(lines[1]["sink"], "mes");
        assert_eq!(lines[1]["time"], "1970-01-01T00:00:00Z");
    }
    #[test]
    fn file_is_not_larger_than_its_maximum_and_another_one_is_begun_after_it_was_moved() {
        let folder = tempfile::tempdir().expect("a folder");
        let size = |letters: &DeadLetters| {
            let file = std::fs::metadata(letters.path()).expect("a file");
            file.len()
        };
        let append = |letters: &DeadLetters| {
            letters.append(&record(3, Decision::Reject), "no", Timestamp::default())
        };
        let unlimited = DeadLetters::new(folder.path(), "mes", u64::MAX);
        append(&unlimited).expect("written");
        let line = size(&unlimited);
        let letters = DeadLetters::new(folder.path(), "mes", 2 * line);
        append(&letters).expect("there is space for one more");
        let error = append(&letters).expect_err("full").to_string();
        assert!(error.contains("dead_letters_max_mib"), "{error}");
        assert_eq!(size(&letters), 2 * line);
        std::fs::remove_file(letters.path()).expect("removed");
        append(&letters).expect("written");
        assert_eq!(size(&letters), line);
        let small = DeadLetters::new(folder.path(), "other", 1);
        append(&small).expect("the first record is always written");
    }
}

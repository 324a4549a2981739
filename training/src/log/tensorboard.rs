//! `TensorBoard` event files with the scalars of a run, for `tensorboard --logdir`.
//!
//! An event file is a sequence of records in the `TFRecord` format of TensorFlow: length, checksum of the
//! length, data, checksum of the data. It is implemented here because the available crates depend on other
//! machine-learning libraries, and the format takes about forty lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use proto::event::What;
use proto::session_log::SessionStatus;
use proto::summary::{Value, value};
use proto::{Event, SessionLog, Summary};

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/tensorboard.rs"));
}

/// Version of the format, in which restarts are marked by `SessionLog` instead of decreasing steps.
const FILE_VERSION: &str = "brain.Event:2";

/// Constant added to a rotated checksum, because a CRC over data that contains CRCs is weak
/// (`crc32c::Mask` of TensorFlow).
const MASK_DELTA: u32 = 0xa282_ead8;

/// Buffered writer of one event file. If the process is killed, records since the last
/// [`flush`](Self::flush) are lost, and readers stop at an incomplete record.
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// Creates an event file in `folder` for a new run. Creates the folder if it does not exist.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(folder: &Path, now: SystemTime) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (file, path) = new_file(folder, now)?;
        let mut writer = Self {
            file: BufWriter::new(file),
            path,
        };
        writer.event(now, 0, What::FileVersion(FILE_VERSION.to_owned()))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Creates an event file in `folder` for a run that continues after `step`. `TensorBoard` then ignores
    /// later steps in earlier files of the folder.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn resume(folder: &Path, now: SystemTime, step: u64) -> io::Result<Self> {
        let mut writer = Self::create(folder, now)?;
        let started = SessionLog {
            status: SessionStatus::Start.into(),
        };
        // Readers drop this step and later ones from earlier files.
        writer.event(now, step + 1, What::SessionLog(started))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds a value of chart `tag` at `step`. Slashes in tags group the charts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalar(&mut self, now: SystemTime, tag: &str, step: u64, value: f32) -> io::Result<()> {
        let value = Value {
            tag: tag.to_owned(),
            value: Some(value::Value::SimpleValue(value)),
        };
        self.event(now, step, What::Summary(Summary { value: vec![value] }))
    }

    /// Flushes the buffer to the operating system, so that `TensorBoard` sees all records.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn event(&mut self, now: SystemTime, step: u64, what: What) -> io::Result<()> {
        let event = Event {
            wall_time: seconds(now),
            step: i64::try_from(step).map_err(io::Error::other)?,
            what: Some(what),
        };
        write_record(&mut self.file, &event.encode_to_vec())
    }
}

/// Creates a file with a unique name. `TensorBoard` reads the files of a folder in the order of their names,
/// so the name starts with the start time. The process id and a counter distinguish files of a run that is
/// restarted within a second.
fn new_file(folder: &Path, now: SystemTime) -> io::Result<(File, PathBuf)> {
    let (unix_s, process) = (seconds(now) as u64, std::process::id());
    let mut count = 0_u32;
    loop {
        let path = folder.join(format!(
            "events.out.tfevents.{unix_s:010}.mhkd.{process}.{count}"
        ));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
            opened => return opened.map(|file| (file, path)),
        }
    }
}

/// Seconds since the Unix epoch; 0 for an earlier time.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn write_record(to: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    to.write_all(&length)?;
    to.write_all(&masked_crc(&length).to_le_bytes())?;
    to.write_all(data)?;
    to.write_all(&masked_crc(data).to_le_bytes())
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(MASK_DELTA)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Parses the records of a file and verifies every checksum.
    fn records(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (length_crc, rest) = rest.split_at(4);
            assert_eq!(masked_crc(length).to_le_bytes(), length_crc);
            let count = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
            let (data, rest) = rest.split_at(count);
            let (data_crc, rest) = rest.split_at(4);
            assert_eq!(masked_crc(data).to_le_bytes(), data_crc);
            events.push(Event::decode(data).expect("an Event"));
            bytes = rest;
        }
        events
    }

    #[test]
    fn checksum_is_castagnoli_masked_as_tensorflow_does() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa, "RFC 3720, B.4");
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn written_scalars_are_read_back_from_the_records() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        let mut writer = EventWriter::create(folder.path(), now).expect("created");
        writer.scalar(now, "loss/total", 7, 0.25).expect("written");
        writer.flush().expect("flushed");
        let events = records(&fs::read(writer.path()).expect("read"));
        assert_eq!(events.len(), 2);
        assert_eq!(
            events[0].what,
            Some(What::FileVersion(FILE_VERSION.to_owned()))
        );
        assert_eq!((events[1].step, events[1].wall_time), (7, 1_700_000_000.5));
        let Some(What::Summary(summary)) = &events[1].what else {
            panic!("expected a summary, found {:?}", events[1]);
        };
        assert_eq!(summary.value[0].tag, "loss/total");
        assert_eq!(
            summary.value[0].value,
            Some(value::Value::SimpleValue(0.25))
        );
    }

    #[test]
    fn run_resumed_within_a_second_gets_a_new_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let first = EventWriter::create(folder.path(), UNIX_EPOCH).expect("created");
        let second = EventWriter::resume(folder.path(), UNIX_EPOCH, 10).expect("created");
        assert!(first.path() < second.path());
        let events = records(&fs::read(second.path()).expect("read"));
        let started = SessionLog {
            status: SessionStatus::Start.into(),
        };
        assert_eq!(
            (events[1].step, &events[1].what),
            (11, &Some(What::SessionLog(started)))
        );
    }
}

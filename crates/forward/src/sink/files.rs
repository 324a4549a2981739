//! Files of JSON or CSV lines. They contain each record exactly once, also after a crash: the records of the files are
//! read when they are opened.

mod csv_line;
mod ledger;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use inspectd_client::{Evidence, Timestamp};
use inspectd_core::atomic_file;

use self::ledger::Ledger;
use super::{Failure, Rejected, Sink, compact_time, image_extension};
use crate::config::{FileFormat, Files};
use crate::lines::LineFile;
use crate::record::{Record, VerdictRecord, unjournalled_key};

/// The first part of the names of the files.
const PREFIX: &str = "records-";
/// The file whose lock keeps other programs from the folder.
const LOCK: &str = ".lock";
/// The folder of evidence.
const EVIDENCE: &str = "evidence";

/// Files of this machine.
pub struct FileSink {
    settings: Files,
    open: Option<Open>,
}

/// The folder, locked, and the file that is written.
struct Open {
    _lock: File,
    current: Option<Current>,
    ledger: Ledger,
    /// The number of the last file.
    number: u64,
}

/// The file that is written.
struct Current {
    file: LineFile,
    begun: SystemTime,
}

/// A file of the folder, by its name: `records-20261130T170559Z-000001.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileName {
    number: u64,
    begun: SystemTime,
    path: PathBuf,
}

impl FileSink {
    /// Files with these settings.
    pub fn new(settings: Files) -> Self {
        Self {
            settings,
            open: None,
        }
    }

    fn extension(&self) -> &'static str {
        match self.settings.format {
            FileFormat::Jsonl => "jsonl",
            FileFormat::Csv => "csv",
        }
    }

    /// The files of the folder, by number.
    fn files(&self) -> io::Result<Vec<FileName>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.settings.folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if let Some((number, begun)) = parse_name(name, self.extension()) {
                files.push(FileName {
                    number,
                    begun,
                    path,
                });
            }
        }
        files.sort_by_key(|file| file.number);
        Ok(files)
    }

    /// Locks the folder, reads its files, and opens the last one.
    fn open(&mut self) -> io::Result<&mut Open> {
        if self.open.is_none() {
            fs::create_dir_all(&self.settings.folder)?;
            let lock = lock(&self.settings.folder.join(LOCK))?;
            let files = self.files()?;
            let last = files.last();
            let current = match last {
                Some(last) => Some(Current {
                    // Removes an incomplete line first.
                    file: open_file(&last.path, self.settings.format)?,
                    begun: last.begun,
                }),
                None => None,
            };
            let number = last.map_or(0, |last| last.number);
            let paths = files.into_iter().map(|file| file.path).collect();
            let ledger = Ledger::read(paths, self.settings.format)?;
            self.open = Some(Open {
                _lock: lock,
                current,
                ledger,
                number,
            });
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }

    /// Appends the records that the files do not have yet. After a failure, the files are opened and read again: it is
    /// not known what was written.
    fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let appended = self.try_append(records);
        if appended.is_err() {
            self.open = None;
        }
        appended
    }

    fn try_append(&mut self, records: &[Record]) -> io::Result<()> {
        let settings = self.settings.clone();
        let extension = self.extension();
        let open = self.open()?;
        let mut lines = Vec::new();
        for record in records {
            if !open.ledger.add(record)? {
                continue;
            }
            match settings.format {
                FileFormat::Jsonl => {
                    lines.extend_from_slice(&record.json());
                    lines.push(b'\n');
                }
                FileFormat::Csv => csv_line::write(record, &mut lines),
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        let time = SystemTime::now();
        if open
            .current
            .as_ref()
            .is_none_or(|current| is_over(current, &settings, time))
        {
            open.begin(&settings, extension, time)?;
        }
        let current = open.current.as_mut().expect("it was just begun");
        current.file.append(&lines)
    }
}

/// Whether the next record belongs in another file.
fn is_over(current: &Current, settings: &Files, now: SystemTime) -> bool {
    let age = now.duration_since(current.begun).unwrap_or(Duration::ZERO);
    current.file.bytes() >= settings.max_bytes || age >= settings.max_age
}

impl Open {
    /// Begins another file.
    fn begin(&mut self, settings: &Files, extension: &str, now: SystemTime) -> io::Result<()> {
        let number = self.number + 1;
        let time = compact_time(Timestamp::from(now));
        let path = settings
            .folder
            .join(format!("{PREFIX}{time}-{number:06}.{extension}"));
        let file = open_file(&path, settings.format)?;
        File::open(&settings.folder)?.sync_all()?;
        self.number = number;
        self.current = Some(Current { file, begun: now });
        Ok(())
    }
}

/// Opens a file, with the header if it is empty.
fn open_file(path: &Path, format: FileFormat) -> io::Result<LineFile> {
    let mut file = LineFile::open(path)?;
    if format == FileFormat::Csv && file.bytes() == 0 {
        file.append(csv_line::HEADER.as_bytes())?;
    }
    Ok(file)
}

/// Locks the folder for this process. The lock ends with the process, also after a kill.
fn lock(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("{}: another program writes to this folder", path.display());
            Err(io::Error::new(io::ErrorKind::WouldBlock, message))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The number and the time in the name of a file.
fn parse_name(name: &str, extension: &str) -> Option<(u64, SystemTime)> {
    let stem = name
        .strip_prefix(PREFIX)?
        .strip_suffix(extension)?
        .strip_suffix('.')?;
    let (time, number) = stem.split_once('-')?;
    let (date, clock) = time.split_once('T')?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let time = format!(
        "{}-{}-{}T{}:{}:{}",
        part(date, 0, 4)?,
        part(date, 4, 6)?,
        part(date, 6, 8)?,
        part(clock, 0, 2)?,
        part(clock, 2, 4)?,
        clock.get(4..)?
    );
    let time: Timestamp = time.parse().ok()?;
    Some((number.parse().ok()?, SystemTime::try_from(time).ok()?))
}

#[async_trait]
impl Sink for FileSink {
    async fn check(&mut self) -> Result<String, Failure> {
        let folder = self.settings.folder.clone();
        let writable = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            tempfile::tempfile_in(&folder).map(|_| ())
        };
        writable().map_err(|error| transient(&self.settings, &error))?;
        let files = self
            .files()
            .map_err(|error| transient(&self.settings, &error))?;
        Ok(format!(
            "folder {} can be written, {} files",
            folder.display(),
            files.len()
        ))
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        let opened = tokio::task::block_in_place(|| self.open().map(|_| ()));
        opened.map_err(|error| transient(&self.settings, &error))
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        // A disk may take long: other sinks continue in this time.
        let appended = tokio::task::block_in_place(|| self.append(records));
        appended
            .map(|()| Vec::new())
            .map_err(|error| transient(&self.settings, &error))
    }

    async fn deliver_evidence(
        &mut self,
        record: &VerdictRecord,
        evidence: &Evidence,
    ) -> Result<(), Failure> {
        let folder = self.settings.folder.join(EVIDENCE);
        let write = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            for (kind, image) in [("frame", &evidence.frame), ("heatmap", &evidence.heatmap)] {
                if let Some(image) = image {
                    let name = evidence_name(record, kind, image);
                    atomic_file::write(&folder.join(name), image)?;
                }
            }
            Ok(())
        };
        tokio::task::block_in_place(write).map_err(|error| transient(&self.settings, &error))
    }

    fn reset(&mut self) {
        self.open = None;
    }

    async fn close(&mut self) {
        self.open = None;
    }
}

/// `RUN-SEQUENCE-frame.jpg`, `RUN-SEQUENCE-heatmap.png`.
fn evidence_name(record: &VerdictRecord, kind: &str, image: &[u8]) -> String {
    let verdict = &record.verdict;
    let key = unjournalled_key(verdict);
    let number = if key.is_empty() {
        verdict.sequence.to_string()
    } else {
        key
    };
    format!(
        "{}-{number}-{kind}.{}",
        verdict.run_id,
        image_extension(image)
    )
}

fn transient(settings: &Files, error: &io::Error) -> Failure {
    Failure::transient(format!("{}: {error}", settings.folder.display()))
}

#[cfg(test)]
mod tests;

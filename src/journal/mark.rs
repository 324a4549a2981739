//! The high-water mark of sequences, in a file beside the journal: a journal that was moved away, restored from a backup
//! or replaced continues after all sequences that were ever used, and counts as another epoch.

use std::fs;
use std::io;
use std::path::Path;

use inspectd_core::atomic_file;
use serde::{Deserialize, Serialize};

/// Name of the file.
pub(super) const FILE: &str = "sequences.toml";

/// Sequences that are reserved at a time: so many are skipped when the journal is replaced.
pub(super) const BLOCK: u64 = if cfg!(test) { 16 } else { 1000 };

/// Largest number of sequences that were reserved and used by no row: those of the last write, which failed.
const UNWRITTEN: u64 = 1024;

/// The high-water mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Number of the journal: 1 for the first, one more after each replacement.
    pub epoch: u64,
    /// No larger sequence was used.
    pub reserved: u64,
    /// How often the journal was opened.
    #[serde(default)]
    pub opening: u64,
}

/// What a journal has of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    /// Its epoch; `None` for a new file, and for one of version 0.1.
    pub epoch: Option<u64>,
    /// The last sequence that it used.
    pub used: u64,
    /// How often it was opened.
    pub opening: u64,
}

/// Where a journal continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Continuation {
    /// The epoch.
    pub epoch: u64,
    /// The last sequence that counts as used.
    pub sequence: u64,
    /// Whether it is another journal than the one that was used last.
    pub replaced: bool,
}

impl Mark {
    /// Reads the mark in `folder`; `None` if there is none yet.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(FILE);
        let failed = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| failed(&error)),
        }
    }

    /// Replaces the mark in `folder`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        atomic_file::write(&folder.join(FILE), text)
    }
}

/// Decides where a journal continues. `evidence` is the largest sequence of the evidence files.
pub(super) fn continuation(mark: Option<Mark>, content: Content, evidence: u64) -> Continuation {
    let Content {
        epoch,
        used,
        opening,
    } = content;
    let continued = |epoch| Continuation {
        epoch,
        sequence: used,
        replaced: false,
    };
    match mark {
        // The mark is written after the journal's epoch and before its sequences are used.
        Some(mark) if epoch.is_some_and(|epoch| epoch > mark.epoch) => {
            continued(epoch.unwrap_or(mark.epoch))
        }
        // A backup was opened less often, unless it was made since the last opening. Then it lacks many sequences, or those
        // of the newest evidence files, which are written after the rows of their verdicts.
        Some(mark)
            if epoch == Some(mark.epoch)
                && opening >= mark.opening
                && used + BLOCK + UNWRITTEN >= mark.reserved
                && used >= evidence =>
        {
            continued(mark.epoch)
        }
        Some(mark) => Continuation {
            epoch: mark.epoch + 1,
            sequence: mark.reserved.max(used).max(evidence),
            replaced: true,
        },
        // A new journal, one of version 0.1, or one whose mark was removed.
        None if used >= evidence => continued(epoch.unwrap_or(1)),
        None => Continuation {
            epoch: epoch.unwrap_or(1) + 1,
            sequence: evidence,
            replaced: true,
        },
    }
}

/// The largest sequence of the evidence files in the journal's folder; 0 if there are none.
pub(super) fn newest_evidence(folder: &Path) -> u64 {
    let sequences = |folder: &Path| -> Vec<(u64, std::path::PathBuf)> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.split('.').next()?.parse().ok()?;
            Some((number, entry.path()))
        });
        named.collect()
    };
    // Folders are numbered by thousands of sequences.
    let newest = sequences(&folder.join("evidence")).into_iter().max();
    let files = newest.map_or_else(Vec::new, |(_, folder)| sequences(&folder));
    files
        .into_iter()
        .map(|(sequence, _)| sequence)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_that_does_not_belong_to_its_mark_continues_after_it_in_another_epoch() {
        let mark = |epoch, reserved| {
            Some(Mark {
                epoch,
                reserved,
                opening: 7,
            })
        };
        let opened = |opening, epoch, used| Content {
            epoch,
            used,
            opening,
        };
        let content = |epoch, used| opened(7, epoch, used);
        for (mark, content, evidence, epoch, sequence, replaced) in [
            // New, and of version 0.1.
            (None, content(None, 0), 0, 1, 0, false),
            (None, content(None, 70), 60, 1, 70, false),
            // As it was closed or killed, also within its first opening.
            (mark(1, 5000), content(Some(1), 4990), 4990, 1, 4990, false),
            (mark(1, BLOCK), content(Some(1), 0), 0, 1, 0, false),
            (None, content(Some(1), 0), 0, 1, 0, false),
            // The write after which the mark was raised failed.
            (
                mark(1, 5000),
                content(Some(1), 5000 - BLOCK - UNWRITTEN),
                0,
                1,
                5000 - BLOCK - UNWRITTEN,
                false,
            ),
            // Killed between the journal's epoch and the mark.
            (mark(1, 5000), content(Some(2), 5000), 4100, 2, 5000, false),
            // The mark is of a backup.
            (mark(1, 5000), content(Some(1), 9000), 4100, 1, 9000, false),
            // Moved away.
            (mark(1, 5000), content(None, 0), 4100, 2, 5000, true),
            // Restored from a backup: of before the last opening, of many sequences ago, and of an earlier epoch.
            (mark(1, 5000), opened(6, Some(1), 4990), 4100, 2, 5000, true),
            (mark(1, 5000), content(Some(1), 3000), 4100, 2, 5000, true),
            // Of a few sequences ago, which evidence files have.
            (mark(1, 5000), content(Some(1), 4990), 4995, 2, 5000, true),
            (mark(3, 5000), content(Some(1), 9000), 4100, 4, 9000, true),
            // The mark was removed as well.
            (None, content(None, 0), 4100, 2, 4100, true),
        ] {
            let found = continuation(mark, content, evidence);
            let expected = Continuation {
                epoch,
                sequence,
                replaced,
            };
            assert_eq!(found, expected, "{mark:?} {content:?}");
        }
    }

    #[test]
    fn mark_is_read_back_and_an_invalid_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Mark::read(folder.path()).expect("none yet"), None);
        let mark = Mark {
            epoch: 3,
            reserved: 12_000,
            opening: 4,
        };
        mark.write(folder.path()).expect("written");
        assert_eq!(Mark::read(folder.path()).expect("read"), Some(mark));
        fs::write(folder.path().join(FILE), "epoch = \"x\"").expect("written");
        let error = Mark::read(folder.path())
            .expect_err("not a number")
            .to_string();
        assert!(error.contains(FILE), "{error}");
    }

    #[test]
    fn newest_evidence_is_that_of_the_last_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(newest_evidence(folder.path()), 0);
        for name in [
            "000000/000000007.frame.jpg",
            "000004/000004099.frame.jpg",
            "000004/000004012.map",
        ] {
            let file = folder.path().join("evidence").join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("created");
            fs::write(file, "").expect("written");
        }
        assert_eq!(newest_evidence(folder.path()), 4099);
    }
}

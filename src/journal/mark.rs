//! The high-water mark of sequences, in a file beside the journal: a journal that was moved away, restored from a backup
//! or replaced continues after all sequences that were ever used, and counts as another epoch.

use std::fs;
use std::io;
use std::path::Path;

use inspectd_core::atomic_file;
use serde::{Deserialize, Serialize};

/// Name of the file.
const FILE: &str = "sequences.toml";

/// Sequences that are reserved at a time: so many are skipped at most when the journal is replaced, and so old may a
/// restored journal be without being noticed.
pub(super) const BLOCK: u64 = 1000;

/// The high-water mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Number of the journal: 1 for the first, one more after each replacement.
    pub epoch: u64,
    /// No larger sequence was used.
    pub reserved: u64,
}

/// What a journal has of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    /// Its epoch; `None` for a new file, and for one of version 0.1.
    pub epoch: Option<u64>,
    /// The last sequence that it used.
    pub used: u64,
}

/// Where a journal continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Continuation {
    /// The epoch.
    pub epoch: u64,
    /// The last sequence that counts as used.
    pub sequence: u64,
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
    let Content { epoch, used } = content;
    match mark {
        Some(mark) => {
            let belongs = epoch == Some(mark.epoch);
            if belongs && used <= mark.reserved && used + BLOCK >= mark.reserved {
                let epoch = mark.epoch;
                let sequence = used;
                return Continuation { epoch, sequence };
            }
            Continuation {
                epoch: mark.epoch.max(epoch.unwrap_or(0)) + 1,
                sequence: mark.reserved.max(used).max(evidence),
            }
        }
        // A journal of version 0.1, or one whose mark was removed.
        None if used > 0 => Continuation {
            epoch: epoch.unwrap_or(1),
            sequence: used.max(evidence),
        },
        None => Continuation {
            epoch: if evidence > 0 { 2 } else { 1 },
            sequence: evidence,
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
        let mark = |epoch, reserved| Some(Mark { epoch, reserved });
        let content = |epoch, used| Content { epoch, used };
        for (mark, content, evidence, epoch, sequence) in [
            // New, and of version 0.1.
            (None, content(None, 0), 0, 1, 0),
            (None, content(None, 70), 60, 1, 70),
            // As it was closed or killed.
            (mark(1, 5000), content(Some(1), 4100), 4100, 1, 4100),
            (mark(1, 1000), content(Some(1), 0), 0, 1, 0),
            // Moved away.
            (mark(1, 5000), content(None, 0), 4100, 2, 5000),
            // Restored from a backup.
            (mark(1, 5000), content(Some(1), 3000), 4100, 2, 5000),
            // Of another folder.
            (mark(2, 5000), content(Some(4), 9000), 0, 5, 9000),
            // The mark was removed as well.
            (None, content(None, 0), 4100, 2, 4100),
        ] {
            let found = continuation(mark, content, evidence);
            assert_eq!(
                found,
                Continuation { epoch, sequence },
                "{mark:?} {content:?}"
            );
        }
    }

    #[test]
    fn mark_is_read_back_and_an_invalid_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Mark::read(folder.path()).expect("none yet"), None);
        let mark = Mark {
            epoch: 3,
            reserved: 12_000,
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

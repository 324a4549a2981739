//! Puts a backup in place as the journal.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use inspectd_core::atomic_file;
use rusqlite::Connection;

use super::{BackupError, MODE, Progress, checked_version, single_file, summary, verify};
use crate::journal::known::known;
use crate::journal::mark::{self, Mark};
use crate::journal::store::{LOCK, last_used, lock};
use crate::journal::{EPOCH, FILE, JournalError, OPENING, file, schema, wal_bytes};

/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// Ending of the name of a journal that a restored one replaced, before its number.
const BEFORE: &str = ".before-restore-";

/// How a backup is restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// No sequence up to this one is used again, whatever the high-water mark says.
    pub after: Option<u64>,
    /// A journal that cannot be read, or has verdicts that the backup lacks, is set aside.
    pub set_aside: bool,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Number of verdicts.
    pub verdicts: u64,
    /// The first and the last sequence.
    pub range: Option<(u64, u64)>,
    /// The journal that was there before, under its new name.
    pub aside: Option<PathBuf>,
    /// The next verdict has a sequence after this one.
    pub sequence: u64,
    /// The epoch that begins with the next start.
    pub epoch: u64,
}

/// What a backup has of itself.
struct Content {
    summary: (u64, Option<(u64, u64)>),
    used: u64,
    epoch: Option<u64>,
    opening: u64,
}

/// Puts the backup `from` in place as the journal of `folder`, in which no daemon may write. The next start of a daemon is
/// another epoch, whose sequences go on after all that were used. A journal that is there is kept under another name.
///
/// # Errors
/// When a daemon writes in the folder, the backup is damaged or not a journal, the journal has verdicts that the backup lacks,
/// the folder has no high-water mark and [`RestoreOptions::after`] is not set, or a file cannot be written. The journal is then
/// as before.
///
/// # Panics
/// Never: what was restored is known when the file has been replaced.
pub fn restore(
    from: &Path,
    folder: &Path,
    options: RestoreOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Restored, BackupError> {
    let _lock = lock(folder)?;
    give_to_owner(folder, &folder.join(LOCK));
    if wal_bytes(from) > 0 {
        return Err(BackupError::HasWal(from.to_owned()));
    }
    let journal = file(folder);
    let mut restored = None;
    atomic_file::replace(&journal, |part| {
        copy_bytes(from, part, &mut progress)?;
        progress(Progress::Verifying);
        let content = content(part, from)?;
        verify(part, from)?;
        if !options.set_aside {
            check_newer(&journal, content.used)?;
        }
        let mark = raised(folder, &content, options.after)?;
        fs::set_permissions(part, Permissions::from_mode(MODE))?;
        give_to_owner(folder, part);
        // From here on, a start without the restored journal would be another epoch too.
        mark.write(folder)?;
        give_to_owner(folder, &folder.join(mark::FILE));
        let (verdicts, range) = content.summary;
        restored = Some(Restored {
            verdicts,
            range,
            aside: keep_before(folder)?,
            sequence: mark.reserved,
            epoch: mark.epoch + 1,
        });
        Ok::<_, BackupError>(())
    })?;
    Ok(restored.expect("it was set, as the file was replaced"))
}

fn copy_bytes(
    from: &Path,
    to: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<(), BackupError> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    let mut source = File::open(from).map_err(named)?;
    let all = source.metadata()?.len();
    let mut target = File::create(to)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut copied = 0;
    loop {
        let read = source.read(&mut chunk).map_err(named)?;
        if read == 0 {
            return Ok(());
        }
        target.write_all(&chunk[..read])?;
        copied += read as u64;
        progress(Progress::Copied(copied, all));
    }
}

/// Reads what the copy of a backup has. `from` is the backup, for messages.
fn content(part: &Path, from: &Path) -> Result<Content, BackupError> {
    let connection = Connection::open(part).map_err(JournalError::from)?;
    checked_version(&connection, from)?;
    single_file(&connection).map_err(JournalError::from)?;
    let known = known(&connection).map_err(JournalError::from)?;
    Ok(Content {
        summary: summary(&connection)?,
        used: last_used(&connection).map_err(JournalError::from)?,
        epoch: known.counters.get(EPOCH).copied(),
        opening: known.counters.get(OPENING).copied().unwrap_or(0),
    })
}

/// Refuses to replace a journal that cannot be read, or has verdicts after `used`.
fn check_newer(journal: &Path, used: u64) -> Result<(), BackupError> {
    if !journal.try_exists()? {
        return Ok(());
    }
    let select = "SELECT count(*), min(sequence), max(sequence) FROM verdicts WHERE sequence > ?1";
    let newer = schema::open_reader(journal).and_then(|connection| {
        Ok(connection.query_row(select, [used as i64], |row| {
            let ends: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
            Ok((row.get::<_, i64>(0)? as u64, ends.0.zip(ends.1)))
        })?)
    });
    match newer {
        Ok((_, None)) => Ok(()),
        Ok((count, Some((first, last)))) => Err(BackupError::Newer {
            journal: journal.to_owned(),
            count,
            first: first as u64,
            last: last as u64,
        }),
        Err(source) => Err(BackupError::Unreadable {
            journal: journal.to_owned(),
            source,
        }),
    }
}

/// The mark with which the next start takes the restored journal for another one than the one that was used last.
fn raised(folder: &Path, content: &Content, after: Option<u64>) -> Result<Mark, BackupError> {
    let used = content.used;
    if let Some(after) = after.filter(|after| *after < used) {
        return Err(BackupError::After { after, used });
    }
    let found = Mark::read(folder).map_err(JournalError::Mark)?;
    let Some(after) = after.or_else(|| found.map(|mark| mark.reserved)) else {
        return Err(BackupError::NoMark {
            folder: folder.to_owned(),
            used,
        });
    };
    let evidence = mark::newest_evidence(folder);
    Ok(Mark {
        // A start trusts a journal of a later epoch than the mark's.
        epoch: found
            .map_or(1, |mark| mark.epoch)
            .max(content.epoch.unwrap_or(1)),
        reserved: found
            .map_or(0, |mark| mark.reserved)
            .max(after)
            .max(used)
            .max(evidence),
        // The restored journal was opened less often.
        opening: found.map_or(0, |mark| mark.opening).max(content.opening) + 1,
    })
}

/// Renames the journal and its write-ahead log. Returns the new path, if there was a journal.
fn keep_before(folder: &Path) -> io::Result<Option<PathBuf>> {
    let named = |number: u32| folder.join(format!("{FILE}{BEFORE}{number}"));
    let number = (1..u32::MAX).find(|number| !named(*number).exists());
    let aside = named(number.unwrap_or(u32::MAX));
    let mut kept = None;
    for ending in ["", "-wal", "-shm"] {
        let from = folder.join(format!("{FILE}{ending}"));
        let mut to = aside.clone().into_os_string();
        to.push(ending);
        match atomic_file::rename(&from, Path::new(&to)) {
            Ok(()) if ending.is_empty() => kept = Some(aside.clone()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(kept)
}

/// Gives a file to the owner of the folder, so that the daemon can write it: only root can, and only root has to.
fn give_to_owner(folder: &Path, path: &Path) {
    if let Ok(owner) = fs::metadata(folder) {
        let _ = chown(path, Some(owner.uid()), Some(owner.gid()));
    }
}

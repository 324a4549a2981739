//! Conversion between rows and entries.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use super::chain::{ChainBreak, ChainFault, Tail};
use super::entry::StoredEntry;
use super::hash::Hash;

/// In the order of [`entry`].
pub(super) const SELECT: &str = "SELECT number, time_ns, who, role, origin, action, subject, before, after, \
                      previous_hash, hash FROM entries WHERE number > ?1 ORDER BY number LIMIT ?2";

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    Ok(StoredEntry {
        // A negative number becomes a large one, which does not follow any entry.
        number: row.get::<_, i64>(0)?.cast_unsigned(),
        time_ns: row.get(1)?,
        who: row.get(2)?,
        role: row.get(3)?,
        origin: row.get(4)?,
        action: row.get(5)?,
        subject: row.get(6)?,
        before: row.get(7)?,
        after: row.get(8)?,
        previous_hash: Hash(row.get(9)?),
        hash: Hash(row.get(10)?),
    })
}

/// The tail of the stored chain; a break if the last entry is not usable as one.
pub(super) fn tail(connection: &Connection) -> rusqlite::Result<Result<Tail, ChainBreak>> {
    let last = connection
        .query_row(
            "SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get(1))),
        )
        .optional()?;
    let Some((number, hash)) = last else {
        return Ok(Ok(Tail::START));
    };
    // Numbers start at 1; the largest integer is the last one.
    if number < 1 || number == i64::MAX {
        let fault = ChainFault::Missing { found: number };
        return Ok(Err(ChainBreak { number: 1, fault }));
    }
    let number = number.cast_unsigned();
    Ok(match hash {
        Ok(hash) => Ok(Tail {
            number,
            hash: Hash(hash),
        }),
        Err(error) => Err(unreadable(number, &error)),
    })
}

/// The break of an entry that cannot be read.
pub(super) fn unreadable(number: u64, error: &rusqlite::Error) -> ChainBreak {
    let reason = error.to_string();
    ChainBreak {
        number,
        fault: ChainFault::Unreadable { reason },
    }
}

/// Whether the error is in the stored row, not in the access to the file.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig
        ),
        None => true,
    }
}

/// Whether the entry of `tail` is still stored.
pub(super) fn holds(connection: &Connection, tail: Tail) -> rusqlite::Result<bool> {
    if tail == Tail::START {
        return Ok(true);
    }
    connection
        .prepare_cached("SELECT 1 FROM entries WHERE number = ?1 AND hash = ?2")?
        .exists(params![tail.number.cast_signed(), tail.hash.0])
}

/// Inserts an entry.
pub(super) fn insert(connection: &Connection, entry: &StoredEntry) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO entries (number, time_ns, who, role, origin, action, subject, \
                          before, after, previous_hash, hash) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(INSERT)?.execute(params![
        entry.number.cast_signed(),
        entry.time_ns,
        entry.who,
        entry.role,
        entry.origin,
        entry.action,
        entry.subject,
        entry.before,
        entry.after,
        entry.previous_hash.0,
        entry.hash.0,
    ])?;
    Ok(())
}

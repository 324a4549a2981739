//! What a journal has besides its verdicts: consumers and counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::row::{nanoseconds, time};

/// A client that acknowledges verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The consumer has all verdicts up to this sequence.
    pub acknowledged: u64,
    /// When it acknowledged.
    pub changed: SystemTime,
    /// The client that it belongs to; `None` if a client without a name uses it.
    pub client: Option<Arc<str>>,
}

/// What a journal knows besides its verdicts.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Consumers by name.
    pub consumers: BTreeMap<String, Consumer>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// Writes the state of a consumer; `None` removes it.
pub(super) fn put_consumer(
    connection: &Connection,
    name: &str,
    consumer: Option<&Consumer>,
) -> rusqlite::Result<()> {
    let changed = match consumer {
        Some(consumer) => connection.execute(
            "INSERT OR REPLACE INTO consumers VALUES (?1, ?2, ?3, ?4)",
            params![
                name,
                consumer.acknowledged as i64,
                nanoseconds(consumer.changed),
                consumer.client
            ],
        ),
        None => connection.execute("DELETE FROM consumers WHERE name = ?1", [name]),
    };
    changed.map(drop)
}

/// The consumers and counters of a journal.
pub(super) fn known(connection: &Connection) -> rusqlite::Result<Known> {
    let mut known = Known::default();
    let mut statement = connection.prepare("SELECT * FROM consumers")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let consumer = Consumer {
            acknowledged: row.get::<_, i64>("acknowledged")? as u64,
            changed: time(row.get("changed")?),
            // A damaged journal of version 1 does not have it.
            client: row.get("client").unwrap_or_default(),
        };
        known.consumers.insert(row.get("name")?, consumer);
    }
    let mut statement = connection.prepare("SELECT name, value FROM counters")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        known
            .counters
            .insert(row.get(0)?, row.get::<_, i64>(1)? as u64);
    }
    Ok(known)
}

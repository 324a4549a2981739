//! The journal: every verdict in a SQLite file, durable before it is published.
//!
//! One [`Store`] writes; [`Readers`] read at the same time. The pipeline decides what is written and when
//! (`pipeline/publisher`); this module decides how it is stored.

pub mod backup;
mod error;
mod known;
mod label;
mod mark;
mod order;
mod query;
pub mod repair;
mod row;
mod schema;
pub mod statistics;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use error::{JournalError, RowError};
pub use known::{Consumer, Known};
pub use label::{Label, LabelKind};
pub use order::Order;
pub use query::{CameraCount, Filter, Page, Readers};
pub use store::{Batch, Limits, Opened, Store, Trimmed, wal_bytes};

/// Whether a journal was used in `folder` before, even if its file is gone or damaged.
pub fn was_used(folder: &Path) -> bool {
    folder.join(mark::FILE).exists()
}

/// Name of the counter of the journal's epoch.
pub const EPOCH: &str = "journal/epoch";

/// Name of the counter of the journal's openings.
pub const OPENING: &str = "journal/opening";

/// Names of the counters of the first and the last sequence that were lost with journals that were replaced.
pub const LOST: [&str; 2] = ["journal/lost_from", "journal/lost_to"];

/// Prefix of the counters that hold the sequences from which on `recorded` is earlier than before.
pub const STEP_BACK: &str = "clock/back/";

/// Name of the file within the journal's folder.
const FILE: &str = "journal.sqlite";

/// The path of the journal's file in `folder`.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

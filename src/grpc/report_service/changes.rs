//! The changes of a period, from the audit log.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tonic::Status;

use crate::audit::{Action, AuditError, StoredEntry};
use crate::grpc::blocking::disk_work;
use crate::grpc::service::GrpcService;
use crate::grpc::{convert_status, proto, status};

/// Maximum number of changes of a report.
const CHANGE_LIMIT: usize = 500;

/// Maximum number of entries that are read, from the newest back. A year of a busy line has fewer.
const ENTRY_LIMIT: u64 = 100_000;

/// Number of entries read at a time: the log does not record while they are read.
const PAGE_SIZE: u64 = 100;

/// Maximum length of the values of a change, bytes. The audit log has the whole values, which may be files.
const VALUE_LIMIT: usize = 1024;

/// The actions that a report lists. A lock, or a group that is put in step, changes no judgement.
const LISTED: [&str; 7] = [
    Action::Configuration.name(),
    Action::Recipe.name(),
    Action::Threshold.name(),
    Action::Model.name(),
    Action::Camera.name(),
    Action::Start.name(),
    Action::Stop.name(),
];

/// What the audit log has of a period.
#[derive(Debug, Default)]
pub(super) struct AuditOfPeriod {
    /// Starts of the daemon, the newest first.
    pub(super) starts: Vec<SystemTime>,
    /// The first changes, in order.
    pub(super) changes: VecDeque<proto::AuditEntry>,
    /// The number of further changes.
    pub(super) left_out: u64,
}

/// Why the audit log of a period is not known.
#[derive(Debug)]
enum Unread {
    /// The log cannot be read.
    Log(AuditError),
    /// It has too many entries since the begin of the period.
    TooMany,
}

impl From<AuditError> for Unread {
    fn from(error: AuditError) -> Self {
        Self::Log(error)
    }
}

impl GrpcService {
    /// Reads the audit log of a period. Without one, it is empty.
    pub(super) async fn audit_of(
        &self,
        from: SystemTime,
        to: SystemTime,
    ) -> Result<AuditOfPeriod, Status> {
        let control = Arc::clone(&self.control);
        let work = move || -> Result<AuditOfPeriod, Unread> {
            let Some(log) = control.audit_sink().log()? else {
                return Ok(AuditOfPeriod::default());
            };
            let newest = log.state().entries;
            read(newest, &(from..to), |after, limit| {
                log.entries(after, limit)
            })
        };
        let read = disk_work(&self.read_permits, self.page_timeout(), work).await?;
        read.map_err(|unread| match unread {
            Unread::Log(error) => status::journal(&error),
            Unread::TooMany => {
                let text = format!(
                    "the audit log has more than {ENTRY_LIMIT} entries since from_time: request a later one"
                );
                status::exhausted("audit", text)
            }
        })
    }
}

/// Reads entries from the newest back, until a page that is older than the period. Times of entries may go back where the
/// clock was set back, so a single older entry does not end it.
fn read(
    newest: u64,
    period: &Range<SystemTime>,
    mut entries: impl FnMut(u64, usize) -> Result<Vec<StoredEntry>, AuditError>,
) -> Result<AuditOfPeriod, Unread> {
    let mut found = AuditOfPeriod::default();
    let mut end = newest;
    while end > 0 {
        if newest - end >= ENTRY_LIMIT {
            return Err(Unread::TooMany);
        }
        let after = end.saturating_sub(PAGE_SIZE);
        let page = entries(after, (end - after) as usize)?;
        for entry in page.iter().rev() {
            found.add(entry, period);
        }
        let older = |entry: &StoredEntry| time_of(entry) < period.start;
        if page.iter().all(older) {
            break;
        }
        end = after;
    }
    Ok(found)
}

impl AuditOfPeriod {
    /// Adds an entry that precedes those that were added before.
    fn add(&mut self, entry: &StoredEntry, period: &Range<SystemTime>) {
        let time = time_of(entry);
        if !period.contains(&time) {
            return;
        }
        if entry.action == Action::Start.name() {
            self.starts.push(time);
        }
        if !LISTED.contains(&entry.action.as_str()) {
            return;
        }
        let change = convert_status::audit_entry(entry);
        self.changes.push_front(proto::AuditEntry {
            before: shortened(&change.before),
            after: shortened(&change.after),
            ..change
        });
        if self.changes.len() > CHANGE_LIMIT {
            self.changes.pop_back();
            self.left_out += 1;
        }
    }
}

/// When an entry was recorded.
fn time_of(entry: &StoredEntry) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(entry.time_ns.unsigned_abs())
}

/// The begin of a long value.
fn shortened(value: &str) -> String {
    if value.len() <= VALUE_LIMIT {
        return value.to_owned();
    }
    let end = value.floor_char_boundary(VALUE_LIMIT);
    format!("{} ...", &value[..end])
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::audit::Hash;

    fn entry(number: u64, second: u64, action: &str) -> StoredEntry {
        StoredEntry {
            number,
            time_ns: (second * 1_000_000_000).cast_signed(),
            who: "ann".to_owned(),
            role: "engineer".to_owned(),
            origin: "local".to_owned(),
            action: action.to_owned(),
            subject: "verdict.threshold".to_owned(),
            before: "0.5".to_owned(),
            after: "0.6".to_owned(),
            previous_hash: Hash::GENESIS,
            hash: Hash::GENESIS,
        }
    }

    /// What the log has from 1000 s until 2000 s, and how many entries were read.
    fn of(log: &[StoredEntry]) -> (AuditOfPeriod, usize) {
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let mut count = 0;
        let found = read(log.len() as u64, &(at(1000)..at(2000)), |after, limit| {
            let page = log.iter().skip(after as usize).take(limit);
            count += page.len();
            Ok(page.cloned().collect())
        });
        (found.expect("a log"), count)
    }

    #[test]
    fn changes_of_the_period_are_in_order_without_locks() {
        let log = [
            entry(1, 999, "start"),
            entry(2, 1000, "start"),
            entry(3, 1100, "threshold"),
            entry(4, 1200, "lock"),
            entry(5, 1300, "resynchronize"),
            entry(6, 1400, "camera"),
            entry(7, 1999, "stop"),
            entry(8, 2000, "start"),
        ];
        let (found, _) = of(&log);
        let numbers: Vec<_> = found.changes.iter().map(|change| change.number).collect();
        assert_eq!(numbers, [2, 3, 6, 7]);
        assert_eq!(found.left_out, 0);
        assert_eq!(found.starts, [UNIX_EPOCH + Duration::from_secs(1000)]);
    }

    #[test]
    fn only_the_first_changes_are_listed_and_earlier_entries_are_not_read() {
        let earlier = (1..=1000).map(|number| entry(number, 500, "recipe"));
        let later = (1001..=1600).map(|number| entry(number, 1500, "recipe"));
        let log: Vec<_> = earlier.chain(later).collect();
        let (found, count) = of(&log);
        assert_eq!(found.changes.len(), CHANGE_LIMIT);
        assert_eq!(found.changes[0].number, 1001);
        assert_eq!(found.left_out, 100);
        assert_eq!(count, 700);
    }

    #[test]
    fn too_many_entries_are_refused() {
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let found = read(ENTRY_LIMIT + 1, &(at(0)..at(1)), |after, _| {
            Ok(vec![entry(after + 1, 5, "lock")])
        });
        assert!(matches!(found, Err(Unread::TooMany)));
    }

    #[test]
    fn long_value_is_shortened_between_characters() {
        assert_eq!(shortened("0.5"), "0.5");
        let whole = "x".repeat(VALUE_LIMIT);
        assert_eq!(shortened(&whole), whole);
        let long = format!("{}äöü", "x".repeat(VALUE_LIMIT - 1));
        let expected = format!("{} ...", "x".repeat(VALUE_LIMIT - 1));
        assert_eq!(shortened(&long), expected);
    }
}
